"""Audit cases in the database. Functions on a connection.

No rule stands here, but that an open case has lapsed when its time to answer is over, and that a
seal is erased when its own is: computed where a row is read, and written down by the sweep.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, case, insert, select, update

from verifier_api.store.claims import insert_events
from verifier_api.store.reference import event_row
from verifier_api.store.schema import audits, events

SWEEP = 500
SWEEPER = "service"
"""Who the events of a sweep are told of."""


@dataclass(frozen=True)
class CaseFilter:
    """What a listing is limited to; None is no limit."""

    state: str | None = None
    claim_id: str | None = None
    optician_id: str | None = None


def find_case(
    connection: Connection, case_id: str, optician_id: str | None = None
) -> Row[Any] | None:
    """The whole row; if ``optician_id`` is given, only if the case is about a claim of his."""
    query = select(audits).where(audits.c.case_id == case_id)
    if optician_id is not None:
        query = query.where(audits.c.optician_id == optician_id)
    return connection.execute(query).first()


def list_cases(
    connection: Connection, chosen: CaseFilter, now: str, before: int | None, limit: int
) -> Sequence[Row[Any]]:
    """A page, newest first: rows with sequence below ``before``, without their seals."""
    state = case((_is_overdue(now), "lapsed"), else_=audits.c.state)
    columns = [column for column in audits.c if column.name not in ("sealed", "state")]
    query: Any = select(*columns, state.label("state"))
    conditions = {
        "state": state,
        "claim_id": audits.c.claim_id,
        "optician_id": audits.c.optician_id,
    }
    for name, column in conditions.items():
        value = getattr(chosen, name)
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(audits.c.sequence < before)
    return connection.execute(query.order_by(audits.c.sequence.desc()).limit(limit)).all()


def state_of(row: Row[Any], now: str) -> str:
    """The row's state ``now``: open until its deadline has passed."""
    is_overdue = row.state == "open" and row.answer_by < now
    return "lapsed" if is_overdue else str(row.state)


def insert_case(connection: Connection, values: Mapping[str, Any]) -> None:
    """A case that was not there."""
    connection.execute(insert(audits).values(values))


def change_case(connection: Connection, case_id: str, **values: Any) -> None:
    """Set these columns."""
    connection.execute(update(audits).where(audits.c.case_id == case_id).values(values))


def history_of(connection: Connection, claim_id: str, case_id: str) -> list[Row[Any]]:
    """The events of one case, first to last."""
    query = select(events).where(events.c.claim_id == claim_id).order_by(events.c.sequence)
    rows = connection.execute(query).all()
    return [row for row in rows if _case_named(row.facts) == case_id]


def _case_named(facts: str) -> str | None:
    """The case that an event's facts name."""
    try:
        read = json.loads(facts)
    except ValueError:  # nothing of ours
        return None
    return read.get("case_id") if isinstance(read, dict) else None


# -- what time does -----------------------------------------------------------------------------


def lapse_overdue(connection: Connection, now: str, case_id: str | None = None) -> int:
    """Give every case that nobody answered in time the state ``lapsed``, `SWEEP` at a time, or the
    one of that id; how many."""
    query = select(audits.c.case_id, audits.c.claim_id).where(_is_overdue(now))
    rows = _some(connection, query, case_id)
    for row in rows:
        change_case(connection, row.case_id, state="lapsed")
    _note(connection, now, "audit_lapsed", rows)
    return len(rows)


def erase_due(connection: Connection, now: str, case_id: str | None = None) -> int:
    """Erase every seal whose time is over, `SWEEP` at a time, or the one of that id; how many."""
    is_due = and_(audits.c.erase_at < now, audits.c.sealed.is_not(None))
    rows = _some(connection, select(audits.c.case_id, audits.c.claim_id).where(is_due), case_id)
    for row in rows:
        change_case(connection, row.case_id, sealed=None, erased_at=now)
    _note(connection, now, "audit_erased", rows)
    return len(rows)


def _some(connection: Connection, query: Any, case_id: str | None) -> Sequence[Row[Any]]:
    if case_id is not None:
        query = query.where(audits.c.case_id == case_id)
    return connection.execute(query.order_by(audits.c.sequence).limit(SWEEP)).all()


def _note(connection: Connection, now: str, kind: str, rows: Sequence[Row[Any]]) -> None:
    insert_events(
        connection,
        [event_row(now, kind, SWEEPER, {"case_id": row.case_id}, row.claim_id) for row in rows],
    )


def _is_overdue(now: str) -> Any:
    return and_(audits.c.state == "open", audits.c.answer_by < now)


# -- checking -----------------------------------------------------------------------------------


def cases_of(connection: Connection, claim_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """Whole rows by claim, in the order in which they were recorded."""
    query = select(audits).where(audits.c.claim_id.in_(claim_ids)).order_by(audits.c.sequence)
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.claim_id, []).append(row)
    return found


def events_of_cases(
    connection: Connection, claim_ids: Sequence[str]
) -> dict[tuple[str, str], list[str]]:
    """The kinds of the events of each case, by claim and case, first to last."""
    query = select(events.c.claim_id, events.c.kind, events.c.facts)
    query = query.where(
        events.c.claim_id.in_(claim_ids), events.c.kind.like("audit!_%", escape="!")
    )
    found: dict[tuple[str, str], list[str]] = {}
    for row in connection.execute(query.order_by(events.c.sequence)):
        name = str(_case_named(row.facts))
        found.setdefault((row.claim_id, name), []).append(row.kind)
    return found
