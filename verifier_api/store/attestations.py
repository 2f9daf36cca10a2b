"""Attestations in the database, and what they are asked for. Functions on a connection.

No rule stands here: `verifier_api.service.attestations` decides, inside the writing transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, insert, or_, select, update

from verifier_api.store.schema import attestation_duties as duties
from verifier_api.store.schema import attestations, claims

# Built once: putting a query together takes longer than asking it.
_BEHIND = select(
    attestations.c.attester_id,
    attestations.c.record,
    attestations.c.claim_id,
    attestations.c.line,
).where(attestations.c.record.in_(bindparam("named", expanding=True)))


# -- reading ------------------------------------------------------------------------------------


def find_attestation(connection: Connection, digest: str) -> Row[Any] | None:
    """The attestation's row."""
    return connection.execute(select(attestations).where(attestations.c.digest == digest)).first()


def lines_behind(
    connection: Connection, records: Sequence[str]
) -> dict[tuple[str, str], tuple[str, int]]:
    """By attester and record, of ``records`` of whatever attester: claim id and number of the line
    that it stands behind."""
    return {
        (row.attester_id, row.record): (row.claim_id, row.line)
        for row in connection.execute(_BEHIND, {"named": records})
    }


def duties_of(connection: Connection, claim_id: str) -> Sequence[Row[Any]]:
    """What is asked for the claim's lines, by line and rule."""
    query = select(duties).where(duties.c.claim_id == claim_id)
    return connection.execute(query.order_by(duties.c.line, duties.c.rule)).all()


def attestations_of(connection: Connection, claim_id: str) -> Sequence[Row[Any]]:
    """What was taken for the claim, first to last."""
    query = select(attestations).where(attestations.c.claim_id == claim_id)
    order = (attestations.c.recorded_at, attestations.c.line, attestations.c.digest)
    return connection.execute(query.order_by(*order)).all()


# -- writing ------------------------------------------------------------------------------------


def insert_attestations(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """New rows of ``attestations``."""
    if rows:
        connection.execute(insert(attestations), [dict(row) for row in rows])


def insert_duties(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """New rows of ``attestation_duties``."""
    if rows:
        connection.execute(insert(duties), [dict(row) for row in rows])


def meet_duties(
    connection: Connection, claim_id: str, met: Iterable[tuple[int, int]], digest: str
) -> None:
    """The attestation is what was asked for these lines by these rules."""
    for line, rule in met:
        values = {"attestation_digest": digest}
        connection.execute(update(duties).where(_is(claim_id, line, rule)).values(values))


def start_duties(
    connection: Connection, claim_id: str, due: Iterable[tuple[int, int, str]]
) -> None:
    """From now on there is a last instant for these lines and rules."""
    for line, rule, due_at in due:
        connection.execute(update(duties).where(_is(claim_id, line, rule)).values(due_at=due_at))


def change_attest_by(connection: Connection, claim_id: str, attest_by: str | None) -> None:
    """The last instant for the next attestation that is due."""
    values = {"attest_by": attest_by}
    connection.execute(update(claims).where(claims.c.claim_id == claim_id).values(values))


def _is(claim_id: str, line: int, rule: int) -> Any:
    return and_(duties.c.claim_id == claim_id, duties.c.line == line, duties.c.rule == rule)


# -- checking -----------------------------------------------------------------------------------


def duties_by_claim(connection: Connection, claim_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """What is asked for each of the claims, by line and rule."""
    query = select(duties).where(duties.c.claim_id.in_(claim_ids))
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query.order_by(duties.c.line, duties.c.rule)):
        found.setdefault(row.claim_id, []).append(row)
    return found


def attestations_by_claim(
    connection: Connection, claim_ids: Sequence[str]
) -> dict[str, list[Row[Any]]]:
    """What was taken for each of the claims."""
    query = select(attestations).where(attestations.c.claim_id.in_(claim_ids))
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query.order_by(attestations.c.digest)):
        found.setdefault(row.claim_id, []).append(row)
    return found


def claims_that_share_a_record(connection: Connection, limit: int) -> Sequence[str]:
    """Of every record of an attester that stands behind several lines, one of their claims."""
    is_shared = or_(
        func.min(attestations.c.claim_id) != func.max(attestations.c.claim_id),
        func.min(attestations.c.line) != func.max(attestations.c.line),
    )
    query = (
        select(func.min(attestations.c.claim_id))
        .group_by(attestations.c.attester_id, attestations.c.record)
        .having(is_shared)
        .limit(limit)
    )
    return connection.execute(query).scalars().all()
