"""Claims in the database: each question that the service and people ask of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.claim import encode_instant
from tests.support import records
from tests.support.records import ADULT, CHILD, DAY, INSTANT, NOW, examined
from verifier_api.service.recording import record_claims
from verifier_api.store import claims as store
from verifier_api.store import reference
from verifier_api.store.claims import ClaimFilter
from verifier_api.store.database import Database

GRANT_ENDS = encode_instant(NOW + timedelta(days=90))
AFTER = encode_instant(NOW + timedelta(days=90, seconds=1))
REFUSED = 1000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """With rights, and no claims."""
    opened = records.database_with_rights(tmp_path)
    yield opened
    opened.dispose()


CLAIMS = {
    "first": records.claim("first"),
    "line": records.claim("line", statement="line", beneficiary=CHILD),
    "child": records.claim("child", beneficiary=CHILD, date_of_service=date(2020, 10, 1)),
    "other-shop": records.claim(
        "other-shop", optician_id="optician-2", statement="line", date_of_service=date(2020, 9, 1)
    ),
    "refused": records.claim("refused", statement="pair"),
    "pending": records.claim("pending", early_renewal_ground="change_of_vision"),
}
STATES = ["granted", "granted", "granted", "granted", "refused", "pending"]


@pytest.fixture
def filled(database: Database) -> Database:
    """`CLAIMS`, one an hour."""
    for number, claim in enumerate(CLAIMS.values()):
        with database.write() as connection:
            record_claims(connection, [examined(claim)], NOW + timedelta(hours=number))
    assert [row["state"] for row in records.rows(database, "claims")] == STATES
    return database


# -- reading for decisions ----------------------------------------------------------------------


def test_claims_that_are_known(filled: Database) -> None:
    with filled.read() as connection:
        known = store.known_claims(connection, ["first", "refused", "nobody"])
        assert known.keys() == {"first", "refused"}
        digest, answer = known["first"]
        assert digest == records.digest_of(CLAIMS["first"])
        assert json.loads(answer)["claim_id"] == "first"
        assert store.known_claims(connection, []) == {}


def test_commitments_in_use(filled: Database) -> None:
    mine = [line.commitment for line in CLAIMS["first"].lines]
    theirs = [line.commitment for line in CLAIMS["refused"].lines]
    with filled.read() as connection:
        asked = [mine[1], *theirs, records.commitment()]
        assert store.used_commitments(connection, asked) == {mine[1]}
        assert store.used_commitments(connection, []) == set()


def test_equipment_that_counts_for_renewal(filled: Database) -> None:
    with filled.read() as connection:
        both = [ADULT, CHILD, records.STRANGER]
        found = store.granted_equipment(connection, both, GRANT_ENDS)
        assert sorted(found) == [(ADULT, DAY), (CHILD, date(2020, 10, 1))]
        assert store.granted_equipment(connection, [ADULT], AFTER) == []
        assert store.granted_equipment(connection, [], INSTANT) == []


@pytest.mark.parametrize("others", [0, 63])
def test_refused_claims_of_a_person_are_not_looked_through(filled: Database, others: int) -> None:
    people = [ADULT, *(f"person-{number}" for number in range(others))]

    def steps() -> int:
        counted = [0]

        def count() -> int:
            counted[0] += 1
            return 0

        with filled.read() as connection:
            driver = connection.connection.dbapi_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.set_progress_handler(count, 1)
            found = store.granted_equipment(connection, people, GRANT_ENDS)
            driver.set_progress_handler(None, 1)
        assert found == [(ADULT, DAY)]
        return counted[0]

    before = steps()
    with filled.write() as connection:
        row = store.find_claim(connection, "refused")
        assert row is not None
        like = dict(row._mapping) | {"beneficiary": ADULT}
        del like["sequence"]
        store.insert_claims(
            connection, [like | {"claim_id": f"refused-{number}"} for number in range(REFUSED)]
        )
    assert steps() < before + REFUSED


def test_a_claim_and_its_notice(filled: Database) -> None:
    notice = {
        "claim_id": "first",
        "kind": "invoice",
        "digest": records.TABLE,
        "document": b"{}",
        "answer": "{}",
        "recorded_at": INSTANT,
    }
    with filled.write() as connection:
        store.insert_notice(connection, notice)
        row = store.find_claim(connection, "first")
        assert row is not None
        assert (row.claim_id, row.beneficiary, row.date_of_service) == ("first", ADULT, DAY)
        assert store.find_claim(connection, "nobody") is None
        found = store.find_notice(connection, "first", "invoice")
        assert found is not None
        assert dict(found._mapping) == notice
        assert store.find_notice(connection, "first", "cancellation") is None
        assert store.find_notice(connection, "line", "invoice") is None
        taken = store.notices_of(connection, ["first", "line"])
        assert {name: list(kinds) for name, kinds in taken.items()} == {"first": ["invoice"]}


# -- writing ------------------------------------------------------------------------------------


def test_nothing_to_write_is_nothing_written(database: Database) -> None:
    with database.write() as connection:
        store.insert_claims(connection, [])
        store.use_commitments(connection, [])
        store.insert_events(connection, [])
        store.note_circuits(connection, {})
    assert records.rows(database, "claims") == []
    assert records.rows(database, "circuits") == []


def test_commitments_are_used_and_freed(filled: Database) -> None:
    mine = [line.commitment for line in CLAIMS["first"].lines]
    other = CLAIMS["line"].lines[0].commitment
    fresh = records.commitment()
    with filled.write() as connection:
        before = store.count_commitments(connection)
        assert before == 3 + 1 + 3 + 1 + 3  # none of the refused claim
        store.free_commitments(connection, mine)
        assert store.commitment_owners(connection, [*mine, other]) == {other: "line"}
        assert store.count_commitments(connection) == before - 3
        store.use_commitments(connection, [(fresh, "first"), (mine[0], "child")])
        owners = store.commitment_owners(connection, [*mine, fresh])
        assert owners == {fresh: "first", mine[0]: "child"}
        assert store.commitment_owners(connection, []) == {}
        store.free_commitments(connection, [])
        assert store.count_commitments(connection) == before - 1


def test_the_state_changes_of_one_claim_alone(filled: Database) -> None:
    before = records.rows(filled, "claims")
    with filled.write() as connection:
        store.change_state(connection, "child", "payable", AFTER, None)
    after = {row["claim_id"]: row for row in records.rows(filled, "claims")}
    changed = after.pop("child")
    assert (changed["state"], changed["state_since"], changed["deadline"]) == (
        "payable",
        AFTER,
        None,
    )
    assert list(after.values()) == [row for row in before if row["claim_id"] != "child"]


def test_circuits_are_named_once(database: Database) -> None:
    def row(digest: str, day: date) -> dict[str, Any]:
        return {
            "digest": digest,
            "contract_digest": records.TABLE,
            "nomenclature_digest": records.TABLE,
            "day": day,
            "declaration": "{}",
        }

    with database.write() as connection:
        store.note_circuits(connection, {records.CIRCUIT: row(records.CIRCUIT, DAY)})
        later = DAY + timedelta(days=1)
        both = {name: row(name, later) for name in (records.CIRCUIT, records.TABLE)}
        store.note_circuits(connection, both)
        first = reference.find_circuit(connection, records.CIRCUIT)
        second = reference.find_circuit(connection, records.TABLE)
        assert first is not None
        assert second is not None
        assert (first.day, second.day) == (DAY, later)
        assert reference.find_circuit(connection, records.commitment()[:43]) is None


# -- listings -----------------------------------------------------------------------------------


def ids(database: Database, now: str = INSTANT, before: int | None = None, **chosen: Any) -> Any:
    limit = chosen.pop("limit", 50)
    with database.read() as connection:
        rows = store.list_claims(connection, ClaimFilter(**chosen), now, before, limit)
    return [row.claim_id for row in rows]


ALL = list(CLAIMS)[::-1]


def at(hours: int) -> str:
    return encode_instant(NOW + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ALL),
        ({"state": "granted"}, ["other-shop", "child", "line", "first"]),
        ({"state": "refused"}, ["refused"]),
        ({"state": "pending"}, ["pending"]),
        ({"state": "payable"}, []),
        ({"verdict": "refused"}, ["refused"]),
        ({"reason": "renewal_too_early"}, ["refused"]),
        ({"reason": "early_renewal"}, ["pending"]),
        ({"optician_id": "optician-2"}, ["other-shop"]),
        ({"contract_id": "responsable-2020"}, ALL),
        ({"contract_id": "another"}, []),
        ({"statement": "line"}, ["other-shop", "line"]),
        ({"date_from": date(2020, 10, 1), "date_to": date(2020, 10, 1)}, ["child"]),
        ({"date_from": date(2020, 10, 2)}, ["pending", "refused", "line", "first"]),
        ({"date_to": date(2020, 9, 30)}, ["other-shop"]),
        ({"received_from": at(1), "received_to": at(2)}, ["child", "line"]),
        ({"received_from": at(6)}, []),
        ({"state": "granted", "statement": "line", "optician_id": records.SHOP}, ["line"]),
        ({"regroupement": "M03"}, ["pending", "child", "first"]),
        ({"regroupement": "VM4"}, [name for name in ALL if name != "refused"]),
        ({"regroupement": "-"}, ["refused"]),
        ({"regroupement": "VM"}, []),
        ({"regroupement": "V_4"}, []),
        ({"regroupement": "%"}, []),
        ({"claim_id": "i"}, ["pending", "child", "line", "first"]),
        ({"claim_id": "other-shop"}, ["other-shop"]),
        ({"claim_id": "Line"}, []),
        ({"claim_id": "l_ne"}, []),
        ({"claim_id": "i", "state": "granted", "statement": "equipment"}, ["child", "first"]),
    ],
)
def test_a_listing_is_limited_to_what_is_asked(
    filled: Database, chosen: dict[str, Any], expected: list[str]
) -> None:
    assert ids(filled, **chosen) == expected


def test_pages_follow_each_other(filled: Database) -> None:
    assert ids(filled, limit=2) == ALL[:2]
    assert ids(filled, limit=2, before=5) == ALL[2:4]
    assert ids(filled, limit=2, before=3) == ALL[4:]
    assert ids(filled, limit=2, before=1) == []
    assert ids(filled, limit=2, state="granted") == ["other-shop", "child"]
    assert ids(filled, limit=2, before=3, state="granted") == ["line", "first"]
    assert ids(filled, limit=2, before=1, state="granted") == []


def test_what_is_overdue_is_shown_as_expired_before_it_is_swept(filled: Database) -> None:
    assert ids(filled, GRANT_ENDS, state="expired") == ["pending"]  # with the claim itself
    assert ids(filled, AFTER, state="expired") == ["pending", "first"]
    assert ids(filled, AFTER, state="granted") == ["other-shop", "child", "line"]
    with filled.read() as connection:
        in_time = store.claim_summary(connection, "first", GRANT_ENDS)
        late = store.claim_summary(connection, "first", AFTER)
        assert in_time is not None
        assert late is not None
        assert (in_time.state, in_time.state_since) == ("granted", INSTANT)
        assert (late.state, late.state_since) == ("expired", GRANT_ENDS)
        assert store.claim_summary(connection, "nobody", INSTANT) is None
    # The same as after the sweep.
    with filled.write() as connection:
        store.expire_overdue(connection, AFTER)
        swept = store.claim_summary(connection, "first", AFTER)
        assert swept is not None
        assert (swept.state, swept.state_since) == ("expired", GRANT_ENDS)


def test_the_history_of_a_claim(filled: Database) -> None:
    with filled.write() as connection:
        reference.note_event(connection, AFTER, "invoiced", "token-2", {"b": 1, "a": 2}, "first")
        reference.note_event(connection, AFTER, "key_added", "command", {})
        reference.note_event(connection, INSTANT, "cancelled", "token-3", {}, "first")
        reference.note_event(connection, AFTER, "expired", "service", {}, "child")
        events = store.history_of(connection, "first")
        assert [(row.kind, row.actor) for row in events] == [
            ("invoiced", "token-2"),
            ("cancelled", "token-3"),
        ]
        assert events[0].facts == '{"a": 2, "b": 1}'
        assert store.history_of(connection, "line") == []
        kinds = store.events_of(connection, ["first", "line", "child"])
        assert kinds == {"first": ["invoiced", "cancelled"], "child": ["expired"]}


# -- checking -----------------------------------------------------------------------------------


def test_claims_are_gone_through_in_order(filled: Database) -> None:
    with filled.read() as connection:
        found: list[str] = []
        sequence = 0
        while rows := store.claims_after(connection, sequence, 4):
            assert len(rows) <= 4
            found += [row.claim_id for row in rows]
            sequence = rows[-1].sequence
    assert found == list(CLAIMS)


def test_events_of_claims_that_are_not_there(filled: Database) -> None:
    with filled.write() as connection:
        assert store.ids_without_claim(connection, 10) == []
        for name in ("gone-2", "gone-1", "gone-2"):
            reference.note_event(connection, AFTER, "invoiced", "token", {}, name)
        assert store.ids_without_claim(connection, 10) == ["gone-1", "gone-2"]
        assert store.ids_without_claim(connection, 1) == ["gone-1"]


def test_an_empty_database_has_no_claims(database: Database) -> None:
    with database.read() as connection:
        assert store.claims_after(connection, 0, 5) == []
        assert store.ids_without_claim(connection, 5) == []
