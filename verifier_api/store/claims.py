"""Claims in the database: reading, recording, and what follows. Functions on a connection.

No rule stands here: `verifier_api.service.recording` decides, inside the writing transaction.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from verifier_api.store.reference import event_row
from verifier_api.store.schema import circuits, claims, commitments, events, notices

EXPIRING = ("granted", "pending")
AWAITING = ("granted", "payable")
"""States in which an attestation may be due."""

ATTESTATION_OVERDUE = "attestation_overdue"
COUNTING = (*AWAITING, ATTESTATION_OVERDUE)
"""States of an equipment that counts for the renewal period."""

EQUIPMENT = ("equipment", "pair")
SWEEP = 500


# -- the state at a moment ----------------------------------------------------------------------

# Time moves a claim on by itself, whether or not the sweep has written that down yet: what passes
# first decides, and an attestation that is due in the same second as the invoice comes before it.


def _has_expired(now: Any) -> Any:
    is_first = or_(claims.c.attest_by.is_(None), claims.c.attest_by > claims.c.deadline)
    return and_(claims.c.state.in_(EXPIRING), claims.c.deadline < now, is_first)


def _lacks_attestation(now: Any) -> Any:
    is_first = or_(claims.c.deadline.is_(None), claims.c.attest_by <= claims.c.deadline)
    return and_(claims.c.state.in_(AWAITING), claims.c.attest_by < now, is_first)


def state_at(now: Any) -> Any:
    """The state of a row of ``claims`` at the moment ``now``."""
    return case(
        (_lacks_attestation(now), ATTESTATION_OVERDUE),
        (_has_expired(now), "expired"),
        else_=claims.c.state,
    )


def _since_at(now: Any) -> Any:
    return case(
        (_lacks_attestation(now), claims.c.attest_by),
        (_has_expired(now), claims.c.deadline),
        else_=claims.c.state_since,
    )


# -- reading for decisions ----------------------------------------------------------------------

# Built once: putting a query together takes longer than asking it.
_NAMED: BindParameter[str] = bindparam("named", expanding=True)
_KNOWN = select(claims.c.claim_id, claims.c.claim_digest, claims.c.answer).where(
    claims.c.claim_id.in_(_NAMED)
)
_USED = select(commitments.c.commitment).where(commitments.c.commitment.in_(_NAMED))
# An index has both, the beneficiary first: an optician can have any number of claims refused, which
# are not to be looked through for every later one of the same person.
_GRANTED_TO = select(
    claims.c.beneficiary,
    claims.c.date_of_service,
    claims.c.statement,
    state_at(bindparam("now")).label("state"),
).where(claims.c.beneficiary.in_(_NAMED), claims.c.state.in_(COUNTING))
_CIRCUITS = select(circuits.c.digest).where(circuits.c.digest.in_(_NAMED))


def known_claims(connection: Connection, claim_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """By id: digest and answer of the claims that are recorded."""
    rows = connection.execute(_KNOWN, {"named": claim_ids})
    return {row.claim_id: (row.claim_digest, row.answer) for row in rows}


def used_commitments(connection: Connection, texts: Sequence[str]) -> set[str]:
    """Those of ``texts`` that a claim uses."""
    return set(connection.execute(_USED, {"named": texts}).scalars())


def granted_equipment(
    connection: Connection, beneficiaries: Sequence[str], now: str
) -> list[tuple[str, date]]:
    """Beneficiary and date of service of every equipment that is granted or payable ``now``, or
    lacks an attestation."""
    return [
        (row.beneficiary, row.date_of_service)
        for row in connection.execute(_GRANTED_TO, {"named": beneficiaries, "now": now})
        if row.statement in EQUIPMENT and row.state in COUNTING
    ]


def find_claim(connection: Connection, claim_id: str) -> Row[Any] | None:
    """The whole row, with the state that was written last: see `claim_at`."""
    return connection.execute(select(claims).where(claims.c.claim_id == claim_id)).first()


def claim_at(connection: Connection, claim_id: str, now: str) -> Row[Any] | None:
    """The whole row, with state and state_since of the moment ``now``; ``stored_state`` is what was
    written last."""
    others = [column for column in claims.c if column.name not in ("state", "state_since")]
    query: Select[Any] = select(
        *others,
        claims.c.state.label("stored_state"),
        state_at(now).label("state"),
        _since_at(now).label("state_since"),
    )
    return connection.execute(query.where(claims.c.claim_id == claim_id)).first()


def find_notice(connection: Connection, claim_id: str, kind: str) -> Row[Any] | None:
    """A notice that was taken."""
    query = select(notices).where(notices.c.claim_id == claim_id, notices.c.kind == kind)
    return connection.execute(query).first()


# -- writing ------------------------------------------------------------------------------------

HIDDEN = "-"
"""Stands for a class that a claim hides."""


def classes_text(classes: Sequence[str | None]) -> str:
    """The column ``classes``: declared classes in the order of the lines, None where hidden."""
    return " ".join(name or HIDDEN for name in classes)


def insert_claims(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """New rows of ``claims``."""
    if rows:
        connection.execute(insert(claims), [dict(row) for row in rows])


def use_commitments(connection: Connection, pairs: Sequence[tuple[str, str]]) -> None:
    """(commitment, claim id): in use from now on."""
    if pairs:
        rows = [{"commitment": text, "claim_id": claim_id} for text, claim_id in pairs]
        connection.execute(insert(commitments), rows)


def free_commitments(connection: Connection, texts: Sequence[str]) -> None:
    """No longer in use."""
    connection.execute(delete(commitments).where(commitments.c.commitment.in_(texts)))


def insert_events(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows made by `event_row`."""
    if rows:
        connection.execute(insert(events), [dict(row) for row in rows])


def note_circuits(connection: Connection, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Name the circuits, by digest, that are not named yet."""
    wanted = dict(rows)
    if not wanted:
        return
    for digest in connection.execute(_CIRCUITS, {"named": list(wanted)}).scalars():
        del wanted[digest]
    if wanted:
        connection.execute(insert(circuits), [dict(row) for row in wanted.values()])


def insert_notice(connection: Connection, values: Mapping[str, Any]) -> None:
    """A notice that was taken, with its answer."""
    connection.execute(insert(notices).values(values))


def change_state(
    connection: Connection,
    claim_id: str,
    state: str,
    since: str,
    deadline: str | None,
    attest_by: str | None = None,
) -> None:
    """The claim's new state, and until when what has to come in it."""
    connection.execute(
        update(claims)
        .where(claims.c.claim_id == claim_id)
        .values(state=state, state_since=since, deadline=deadline, attest_by=attest_by)
    )


def expire_overdue(connection: Connection, now: str) -> int:
    """Give every claim whose deadline has passed the state ``expired``, `SWEEP` at a time; how
    many."""
    query = select(claims.c.claim_id, claims.c.state, claims.c.deadline).where(_has_expired(now))
    rows = connection.execute(query.limit(SWEEP)).all()
    for row in rows:
        change_state(connection, row.claim_id, "expired", row.deadline, None)
    insert_events(
        connection,
        [event_row(now, "expired", "service", {"from": row.state}, row.claim_id) for row in rows],
    )
    return len(rows)


def mark_attestations_overdue(connection: Connection, now: str, claim_id: str | None = None) -> int:
    """Give every claim that lacks an attestation that was due the state ``attestation_overdue``,
    `SWEEP` at a time, or that one claim if it does; how many."""
    query = select(claims.c.claim_id, claims.c.state, claims.c.attest_by)
    query = query.where(_lacks_attestation(now)).limit(SWEEP)
    if claim_id is not None:
        query = query.where(claims.c.claim_id == claim_id)
    rows = connection.execute(query).all()
    state = ATTESTATION_OVERDUE
    for row in rows:
        change_state(connection, row.claim_id, state, row.attest_by, None, row.attest_by)
    insert_events(
        connection,
        [event_row(now, state, "service", {"from": row.state}, row.claim_id) for row in rows],
    )
    return len(rows)


# -- reading for people -------------------------------------------------------------------------


@dataclass(frozen=True)
class ClaimFilter:
    """What a listing is limited to; None is no limit. Days are of service, both ends included;
    ``regroupement`` is a class that one of the lines declares, ``claim_id`` any part of it."""

    state: str | None = None
    verdict: str | None = None
    reason: str | None = None
    optician_id: str | None = None
    contract_id: str | None = None
    statement: str | None = None
    date_from: date | None = None
    date_to: date | None = None
    received_from: str | None = None
    received_to: str | None = None
    regroupement: str | None = None
    claim_id: str | None = None


def matching(chosen: ClaimFilter, now: str) -> list[Any]:
    """The conditions on ``claims`` that a listing is limited by."""
    equal = {
        "verdict": claims.c.verdict,
        "reason": claims.c.reason,
        "optician_id": claims.c.optician_id,
        "contract_id": claims.c.contract_id,
        "statement": claims.c.statement,
        "state": state_at(now),
    }
    at_least = {"date_from": claims.c.date_of_service, "received_from": claims.c.received_at}
    at_most = {"date_to": claims.c.date_of_service, "received_to": claims.c.received_at}
    conditions: list[Any] = []
    for columns, compare in ((equal, operator.eq), (at_least, operator.ge), (at_most, operator.le)):
        for name, column in columns.items():
            value = getattr(chosen, name)
            if value is not None:
                conditions.append(compare(column, value))
    if chosen.regroupement is not None:
        spaced = literal(" ").concat(claims.c.classes).concat(" ")
        conditions.append(spaced.contains(f" {chosen.regroupement} ", autoescape=True))
    if chosen.claim_id is not None:
        # Every letter as it is, on both databases; from the index of the ids alone.
        is_part = func.replace(claims.c.claim_id, chosen.claim_id, "") != claims.c.claim_id
        found = select(claims.c.sequence).where(is_part)
        conditions.append(claims.c.sequence.in_(found))
    return conditions


def list_claims(
    connection: Connection, chosen: ClaimFilter, now: str, before: int | None, limit: int
) -> Sequence[Row[Any]]:
    """A page, newest first: rows with sequence below ``before``, and the amounts invoiced."""
    conditions = matching(chosen, now)
    numbers = select(claims.c.sequence)
    # Where few claims may match, SQLite is kept from walking the table itself: not in its order,
    # which makes it read `ix_claims_overview`, and no envelope.
    is_open = not conditions or chosen.optician_id is not None
    order = claims.c.sequence if is_open else claims.c.sequence + 0
    if before is not None:
        conditions.append(order < before)
    numbers = numbers.where(*conditions).order_by(order.desc()).limit(limit)
    page = select(numbers.subquery().c.sequence)
    query = summaries(now).where(claims.c.sequence.in_(page))
    return connection.execute(query.order_by(claims.c.sequence.desc())).all()


def claim_summary(connection: Connection, claim_id: str, now: str) -> Row[Any] | None:
    """One claim as a listing shows it."""
    return connection.execute(summaries(now).where(claims.c.claim_id == claim_id)).first()


def contract_digests(connection: Connection, claim_ids: Sequence[str]) -> dict[str, str]:
    """By claim: the digest of the contract that its envelope names."""
    query = select(claims.c.claim_id, claims.c.envelope).where(claims.c.claim_id.in_(claim_ids))
    return {
        row.claim_id: json.loads(row.envelope)["contract_digest"]
        for row in connection.execute(query)
    }


def history_of(connection: Connection, claim_id: str) -> Sequence[Row[Any]]:
    """Its events, first to last."""
    query = select(events).where(events.c.claim_id == claim_id)
    return connection.execute(query.order_by(events.c.sequence)).all()


def summaries(now: str) -> Any:
    """The rows of listings, of all claims, with the state at ``now``."""
    invoice = and_(notices.c.claim_id == claims.c.claim_id, notices.c.kind == "invoice")
    return select(
        claims.c.sequence,
        claims.c.claim_id,
        claims.c.claim_digest,
        claims.c.optician_id,
        claims.c.contract_id,
        claims.c.statement,
        claims.c.date_of_service,
        claims.c.received_at,
        claims.c.verdict,
        claims.c.reason,
        state_at(now).label("state"),
        _since_at(now).label("state_since"),
        claims.c.deadline,
        claims.c.attest_by,
        claims.c.granted_lenses_cents,
        claims.c.granted_frame_cents,
        claims.c.classes,
        claims.c.latency_us,
        claims.c.batch_size,
        notices.c.answer.label("invoice_answer"),
    ).select_from(claims.outerjoin(notices, invoice))


# -- checking -----------------------------------------------------------------------------------


def claims_after(connection: Connection, sequence: int, limit: int) -> Sequence[Row[Any]]:
    """Whole rows in the order in which they were recorded."""
    query = select(claims).where(claims.c.sequence > sequence)
    return connection.execute(query.order_by(claims.c.sequence).limit(limit)).all()


def commitment_owners(connection: Connection, texts: Sequence[str]) -> dict[str, str]:
    """The claim that uses each of ``texts``, of those in use."""
    query = select(commitments).where(commitments.c.commitment.in_(texts))
    return {row.commitment: row.claim_id for row in connection.execute(query)}


def count_commitments(connection: Connection) -> int:
    """How many are in use."""
    return int(connection.execute(select(func.count()).select_from(commitments)).scalar_one())


def notices_of(connection: Connection, claim_ids: Sequence[str]) -> dict[str, dict[str, Row[Any]]]:
    """The notices that were taken, by claim and kind."""
    query = select(notices).where(notices.c.claim_id.in_(claim_ids))
    found: dict[str, dict[str, Row[Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.claim_id, {})[row.kind] = row
    return found


def events_of(connection: Connection, claim_ids: Sequence[str]) -> dict[str, list[str]]:
    """The kinds of the events of each claim, first to last."""
    query = select(events.c.claim_id, events.c.kind).where(events.c.claim_id.in_(claim_ids))
    found: dict[str, list[str]] = {}
    for row in connection.execute(query.order_by(events.c.sequence)):
        found.setdefault(row.claim_id, []).append(row.kind)
    return found


def ids_without_claim(connection: Connection, limit: int) -> Sequence[str]:
    """The ids of claims that events tell of, and that are not recorded."""
    query = (
        select(events.c.claim_id)
        .outerjoin(claims, claims.c.claim_id == events.c.claim_id)
        .where(events.c.claim_id.is_not(None), claims.c.claim_id.is_(None))
        .distinct()
        .order_by(events.c.claim_id)
        .limit(limit)
    )
    return connection.execute(query).scalars().all()
