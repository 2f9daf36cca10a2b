"""What the insurer's pages count. Functions on a connection; nothing is written here.

Each reads `ix_claims_overview` alone, but for the few rows that it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, func, or_, select

from verifier_api.store.claims import (
    ATTESTATION_OVERDUE,
    COUNTING,
    ClaimFilter,
    matching,
    state_at,
    summaries,
)
from verifier_api.store.schema import audits, claims

_TOGETHER = 5_000

_JUDGED: Select[Any] = select(
    claims.c.sequence,
    func.substr(claims.c.received_at, 1, 10).label("day"),
    claims.c.verdict,
    claims.c.reason,
    claims.c.classes,
    claims.c.latency_us,
    claims.c.batch_size,
)


def judged_since(connection: Connection, instant: str) -> Iterable[Row[Any]]:
    """What never changes of every claim that was received at ``instant`` or later: sequence, day,
    verdict, reason, classes, latency, batch. In no order, read as they are taken."""
    query = _JUDGED.where(claims.c.received_at >= instant)
    return connection.execute(query).yield_per(_TOGETHER)


def last_sequence(connection: Connection) -> int:
    """The number of the claim that was recorded last, 0 if none was."""
    return int(connection.execute(select(func.max(claims.c.sequence))).scalar() or 0)


def judged_after(connection: Connection, sequence: int) -> Iterable[Row[Any]]:
    """The same of every claim that was recorded after the one of that number."""
    query = _JUDGED.where(claims.c.sequence > sequence)
    return connection.execute(query).yield_per(_TOGETHER)


def state_counts(connection: Connection, since: str, now: str) -> dict[str, int]:
    """By state at ``now``: the claims received at ``since`` or later."""
    state = state_at(now)
    query = select(state, func.count()).where(claims.c.received_at >= since).group_by(state)
    return {str(name): int(count) for name, count in connection.execute(query)}


def count_claims(connection: Connection, chosen: ClaimFilter, now: str) -> int:
    """How many claims a listing has, all its pages together."""
    query = select(func.count()).select_from(claims).where(*matching(chosen, now))
    return int(connection.execute(query).scalar_one())


def matching_numbers(connection: Connection, chosen: ClaimFilter, now: str) -> list[int]:
    """The numbers of all claims that a listing has, newest first."""
    query = select(claims.c.sequence).where(*matching(chosen, now))
    return sorted(connection.execute(query).scalars(), reverse=True)


def claims_numbered(connection: Connection, numbers: Sequence[int], now: str) -> Sequence[Row[Any]]:
    """The rows of a listing with these numbers, newest first."""
    query = summaries(now).where(claims.c.sequence.in_(numbers))
    return connection.execute(query.order_by(claims.c.sequence.desc())).all()


def refusals(connection: Connection, since: str) -> Sequence[Row[Any]]:
    """By reason: count, number of opticians, latest instant; most first."""
    count = func.count()
    query = select(
        claims.c.reason,
        count.label("number"),
        func.count(claims.c.optician_id.distinct()).label("opticians"),
        func.max(claims.c.received_at).label("last_at"),
    ).where(claims.c.received_at >= since, claims.c.verdict == "refused")
    query = query.group_by(claims.c.reason).order_by(count.desc(), claims.c.reason)
    return connection.execute(query).all()


def optician_counts(connection: Connection, since: str, now: str) -> Sequence[Row[Any]]:
    """By optician, verdict and state at ``now``: the claims received at ``since`` or later."""
    # Not the column itself: its own index would be walked, with an envelope a step.
    name = claims.c.optician_id.concat("").label("optician_id")
    state = state_at(now).label("state")
    query = select(name, claims.c.verdict, state, func.count().label("number"))
    query = query.where(claims.c.received_at >= since).group_by(name, claims.c.verdict, state)
    return connection.execute(query).all()


def last_claims(connection: Connection) -> dict[str, str]:
    """By optician: when his latest claim was received."""
    latest = select(func.max(claims.c.sequence)).group_by(claims.c.optician_id)
    query = select(claims.c.optician_id, claims.c.received_at)
    rows = connection.execute(query.where(claims.c.sequence.in_(latest)))
    return {row.optician_id: row.received_at for row in rows}


def contract_counts(connection: Connection) -> dict[str, int]:
    """By contract_id: all claims."""
    name = claims.c.contract_id
    rows = connection.execute(select(name, func.count()).group_by(name))
    return {str(contract): int(count) for contract, count in rows}


# -- attestations and audits ----------------------------------------------------------------------


def _awaits(now: str) -> Any:
    return and_(claims.c.attest_by.is_not(None), state_at(now).in_(COUNTING))


def awaited(
    connection: Connection, now: str, after: tuple[str, int] | None, limit: int
) -> Sequence[Row[Any]]:
    """Claims that wait for an attestation or lack one, by last instant and number, so that those
    whose time is over come first; from after ``after``."""
    query = summaries(now).where(_awaits(now))
    if after is not None:
        attest_by, sequence = after
        is_same = and_(claims.c.attest_by == attest_by, claims.c.sequence > sequence)
        query = query.where(or_(claims.c.attest_by > attest_by, is_same))
    query = query.order_by(claims.c.attest_by, claims.c.sequence).limit(limit)
    return connection.execute(query).all()


def awaited_counts(connection: Connection, now: str) -> tuple[int, int]:
    """Claims whose attestation is overdue, and claims that wait for one that is not."""
    state = state_at(now)
    query = select(state, func.count()).where(_awaits(now)).group_by(state)
    counts = {str(name): int(count) for name, count in connection.execute(query)}
    overdue = counts.pop(ATTESTATION_OVERDUE, 0)
    return overdue, sum(counts.values())


def count_pending(connection: Connection, now: str) -> int:
    """Claims that the insurer has to decide on."""
    query = select(func.count()).select_from(claims)
    is_pending = and_(claims.c.state == "pending", state_at(now) == "pending")
    return int(connection.execute(query.where(is_pending)).scalar_one())


def audit_counts(connection: Connection, now: str) -> dict[str, int]:
    """By state at ``now``: all audits."""
    is_over = and_(audits.c.state == "open", audits.c.answer_by < now)
    state = case((is_over, "lapsed"), else_=audits.c.state)
    rows = connection.execute(select(state, func.count()).group_by(state))
    return {str(name): int(count) for name, count in rows}
