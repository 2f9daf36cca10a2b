"""Reference data in the database: each question, and the counter that tells of changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.support import records
from tests.support.records import ADULT, CHILD
from verifier_api.store import reference
from verifier_api.store.database import Database

AT = "2020-10-06T09:30:00Z"
LATER = "2020-10-07T00:00:00Z"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = records.empty_database(tmp_path)
    yield opened
    opened.dispose()


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as opened:
        yield opened


def contract_row(digest: str, start: date, **changes: Any) -> dict[str, Any]:
    values = {
        "digest": digest,
        "insurer_id": "insurer",
        "contract_id": "contract",
        "in_force_from": start,
        "document": b"{}",
        "added_at": AT,
    }
    return values | changes


def table_row(digest: str, start: date) -> dict[str, Any]:
    return {
        "digest": digest,
        "version": f"v-{digest}",
        "in_force_from": start,
        "document": b"{}",
        "added_at": AT,
    }


def key_row(key_id: str, optician_id: str = "optician-1") -> dict[str, Any]:
    return {
        "key_id": key_id,
        "optician_id": optician_id,
        "public_key": "x" * 43,
        "valid_from": date(2020, 1, 1),
        "valid_to": date(2021, 1, 1),
        "registered_at": AT,
    }


def token_row(token_id: str, created_at: str = AT) -> dict[str, Any]:
    return {
        "token_id": token_id,
        "scope": "reader",
        "optician_id": None,
        "label": "",
        "secret_sha256": "x" * 43,
        "created_at": created_at,
        "expires_at": None,
    }


def right_row(beneficiary: str, contract_id: str, start: date) -> dict[str, Any]:
    return {
        "beneficiary": beneficiary,
        "contract_id": contract_id,
        "valid_from": start,
        "valid_to": date.max,
        "age_group": "adult",
        "recorded_at": AT,
    }


# -- the counter --------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[Connection], object]] = {
    "a contract": lambda c: reference.add_contract(c, contract_row("d", date(2020, 1, 1))),
    "a table": lambda c: reference.add_nomenclature(c, table_row("d", date(2020, 1, 1))),
    "a key": lambda c: reference.add_key(c, key_row("k")),
    "a revoked key": lambda c: reference.revoke_key(c, "k", AT),
    "a token": lambda c: reference.add_token(c, token_row("t")),
    "a revoked token": lambda c: reference.revoke_token(c, "t", AT),
    "anything": reference.note_change,
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_the_directory_counts(connection: Connection, change: str) -> None:
    assert reference.directory_counter(connection) == 0
    CHANGES[change](connection)
    assert reference.directory_counter(connection) == 1


def test_rights_and_events_are_no_change_of_the_directory(connection: Connection) -> None:
    reference.add_rights(connection, [right_row(ADULT, "c", date(2020, 1, 1))])
    reference.end_right(connection, ADULT, "c", date(2020, 6, 1))
    reference.note_event(connection, AT, "kind", "actor", {})
    assert reference.directory_counter(connection) == 0


# -- events -------------------------------------------------------------------------------------


def test_an_event_says_who_did_what_when(database: Database) -> None:
    assert reference.event_row(AT, "kind", "actor", {"b": None, "a": "é"}, "claim") == {
        "at": AT,
        "kind": "kind",
        "claim_id": "claim",
        "actor": "actor",
        "facts": '{"a": "\\u00e9", "b": null}',
    }
    with database.write() as connection:
        reference.note_event(connection, AT, "kind", "actor", {"count": 1})
    (row,) = records.rows(database, "events")
    assert row == {
        "sequence": 1,
        "at": AT,
        "kind": "kind",
        "claim_id": None,
        "actor": "actor",
        "facts": '{"count": 1}',
    }


# -- versions -----------------------------------------------------------------------------------


def test_versions_of_a_contract_the_latest_first(connection: Connection) -> None:
    start = date(2020, 1, 1)
    rows = [
        contract_row("first", start),
        contract_row("second", date(2021, 1, 1)),
        contract_row("other", start, contract_id="another"),
        contract_row("elsewhere", start, insurer_id="another"),
    ]
    assert all(reference.add_contract(connection, row) for row in rows)
    assert not reference.add_contract(connection, contract_row("third", start))
    found = [row.digest for row in reference.contract_rows(connection)]
    assert found[:2] == ["other", "second"]
    assert sorted(found[2:]) == ["elsewhere", "first"]
    assert reference.directory_counter(connection) == 4


def test_versions_of_the_table_the_latest_first(connection: Connection) -> None:
    assert reference.add_nomenclature(connection, table_row("first", date(2020, 1, 1)))
    assert reference.add_nomenclature(connection, table_row("second", date(2021, 1, 1)))
    assert not reference.add_nomenclature(connection, table_row("third", date(2020, 1, 1)))
    found = [row.digest for row in reference.nomenclature_rows(connection)]
    assert found == ["second", "first"]
    assert reference.directory_counter(connection) == 2


# -- keys and tokens ----------------------------------------------------------------------------


def test_keys_by_optician(connection: Connection) -> None:
    for key_id, optician_id in (("b", "shop-2"), ("c", "shop-1"), ("a", "shop-1")):
        reference.add_key(connection, key_row(key_id, optician_id))
    assert [row.key_id for row in reference.key_rows(connection)] == ["a", "c", "b"]
    found = reference.find_key(connection, "b")
    assert found is not None
    assert (found.optician_id, found.valid_to, found.revoked_at) == (
        "shop-2",
        date(2021, 1, 1),
        None,
    )
    assert reference.find_key(connection, "d") is None


def test_a_key_stays_revoked_since_it_was(connection: Connection) -> None:
    for key_id in ("a", "b"):
        reference.add_key(connection, key_row(key_id))
    reference.revoke_key(connection, "a", AT)
    reference.revoke_key(connection, "a", LATER)
    revoked = {row.key_id: row.revoked_at for row in reference.key_rows(connection)}
    assert revoked == {"a": AT, "b": None}


def test_tokens_the_oldest_first(connection: Connection) -> None:
    for token_id, created_at in (("b", AT), ("c", "2019-01-01T00:00:00Z"), ("a", AT)):
        reference.add_token(connection, token_row(token_id, created_at))
    assert [row.token_id for row in reference.token_rows(connection)] == ["c", "a", "b"]
    found = reference.find_token(connection, "b")
    assert found is not None
    assert found.scope == "reader"
    assert reference.find_token(connection, "d") is None


def test_a_token_stays_revoked_since_it_was(connection: Connection) -> None:
    for token_id in ("a", "b"):
        reference.add_token(connection, token_row(token_id))
    reference.revoke_token(connection, "a", AT)
    reference.revoke_token(connection, "a", LATER)
    revoked = {row.token_id: row.revoked_at for row in reference.token_rows(connection)}
    assert revoked == {"a": AT, "b": None}


# -- rights -------------------------------------------------------------------------------------


def test_pages_of_rights_follow_each_other(connection: Connection) -> None:
    keys = sorted(
        (beneficiary, contract_id, date(year, 1, 1))
        for beneficiary in (ADULT, CHILD)
        for contract_id in ("a", "b")
        for year in (2020, 2021, 2022)
    )
    reference.add_rights(connection, [right_row(*key) for key in reversed(keys)])
    for size in (1, 5, 12, 20):
        found: list[tuple[str, str, date]] = []
        after = None
        while rows := reference.right_rows(connection, after, size):
            assert len(rows) <= size
            found += [(row.beneficiary, row.contract_id, row.valid_from) for row in rows]
            after = found[-1]
        assert found == keys


def test_rights_of_some_by_their_first_day(connection: Connection) -> None:
    for beneficiary, contract_id, year in (
        (ADULT, "b", 2022),
        (CHILD, "a", 2021),
        (ADULT, "a", 2020),
    ):
        reference.add_rights(connection, [right_row(beneficiary, contract_id, date(year, 1, 1))])
    found = reference.rights_of(connection, [ADULT])
    assert [(row.contract_id, row.valid_from.year) for row in found] == [("a", 2020), ("b", 2022)]
    both = reference.rights_of(connection, [ADULT, CHILD, records.STRANGER])
    assert [row.valid_from.year for row in both] == [2020, 2021, 2022]
    assert reference.rights_of(connection, []) == []


def test_no_rights_are_none(database: Database) -> None:
    with database.write() as connection:
        reference.add_rights(connection, [])
    assert records.rows(database, "rights") == []


@pytest.mark.parametrize(
    ("day", "count"),
    [
        ("2019-12-31", 0),
        ("2020-01-01", 1),
        ("2020-06-01", 1),
        ("9999-12-31", 1),
    ],
)
def test_the_right_that_holds_on_a_day_ends_with_it(
    connection: Connection, day: str, count: int
) -> None:
    reference.add_rights(connection, [right_row(ADULT, "c", date(2020, 1, 1))])
    reference.add_rights(connection, [right_row(CHILD, "c", date(2020, 1, 1))])
    last = date.fromisoformat(day)
    assert reference.end_right(connection, ADULT, "c", last) == count
    assert reference.end_right(connection, ADULT, "other", last) == 0
    ends = {
        row.beneficiary: row.valid_to for row in reference.rights_of(connection, [ADULT, CHILD])
    }
    assert ends == {ADULT: last if count else date.max, CHILD: date.max}
