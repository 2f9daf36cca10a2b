"""What an administrator does: every refusal, and that the same again changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Connection

from circuits.canonical import encode_base64url
from circuits.contract import Contract, contract_digest
from optician.identity import Identity
from tests.support import claims as samples
from tests.support import records
from tests.support.records import ADULT, CHILD, INSTANT, NOW, right
from tests.support.tables import limits_table
from verifier_api.keys import KeyEntry
from verifier_api.service import administration
from verifier_api.service.access import is_secret_of, split_token
from verifier_api.service.administration import (
    MAX_LABEL,
    MAX_RIGHTS,
    NewToken,
    Right,
    RightEnd,
    RightsRequest,
    TokenRequest,
    add_contract,
    add_nomenclature,
    add_rights,
    create_token,
    end_right,
    register_keys,
    revoke_key,
    revoke_token,
    right_facts,
    rotate_token,
)
from verifier_api.service.directory import Directory
from verifier_api.service.errors import ServiceError
from verifier_api.store import reference
from verifier_api.store.database import Database

ACTOR = "token-admin"
LATER = NOW + timedelta(days=1)
TABLES = ("contracts", "nomenclatures", "optician_keys", "tokens", "rights", "events", "changes")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = records.empty_database(tmp_path)
    yield opened
    opened.dispose()


def do(database: Database, act: Callable[..., Any], *given: Any, now: datetime = NOW) -> Any:
    with database.write() as connection:
        return act(connection, *given, ACTOR, now)


def refused(database: Database, act: Callable[..., Any], *given: Any) -> ServiceError:
    """The refusal, after which everything is as it was."""
    before = content(database)
    with pytest.raises(ServiceError) as caught:
        do(database, act, *given)
    assert content(database) == before
    assert caught.value.detail
    return caught.value


def content(database: Database) -> dict[str, list[dict[str, Any]]]:
    return {name: records.rows(database, name) for name in TABLES}


def unchanged(database: Database, act: Callable[..., Any], *given: Any) -> Any:
    """The same again: what it returns, if nothing changes."""
    before = content(database)
    result = do(database, act, *given, now=LATER)
    assert content(database) == before
    return result


def last_event(database: Database) -> tuple[str, str, dict[str, Any]]:
    row = records.rows(database, "events")[-1]
    assert row["at"] == INSTANT
    return row["kind"], row["actor"], json.loads(row["facts"])


# -- contracts ----------------------------------------------------------------------------------


def document(contract: Contract) -> bytes:
    return contract.model_dump_json().encode()


def digest_of(contract: Contract) -> str:
    return encode_base64url(contract_digest(contract))


FIRST = records.contract()
CAPPED = samples.contract("reseau")
TABLE = samples.nomenclature()


def add_table(database: Database, *start: date | None) -> Any:
    return do(database, add_nomenclature, TABLE, TABLE.to_bytes(), *(start or (None,)))


def test_a_contract_is_added_once(database: Database) -> None:
    digest = do(database, add_contract, document(FIRST), None)
    assert digest == digest_of(FIRST)
    (row,) = records.rows(database, "contracts")
    assert row == {
        "digest": digest,
        "insurer_id": FIRST.insurer_id,
        "contract_id": FIRST.contract_id,
        "in_force_from": "2020-07-01",
        "document": document(FIRST),
        "added_at": INSTANT,
    }
    facts = {"digest": digest, "in_force_from": "2020-07-01"}
    assert last_event(database) == ("contract_added", ACTOR, facts)
    assert unchanged(database, add_contract, document(FIRST), None) == digest
    assert unchanged(database, add_contract, document(FIRST), date(2020, 7, 1)) == digest
    spaced = json.dumps(json.loads(document(FIRST)), indent=2).encode()
    assert unchanged(database, add_contract, spaced, None) == digest


def test_another_version_from_another_day(database: Database) -> None:
    do(database, add_contract, document(FIRST), None)
    second = records.contract(note="The second version.")
    digest = do(database, add_contract, document(second), date(2021, 3, 1))
    assert {row["in_force_from"] for row in records.rows(database, "contracts")} == {
        "2020-07-01",
        "2021-03-01",
    }
    assert unchanged(database, add_contract, document(second), None) == digest


@pytest.mark.parametrize(
    ("data", "start", "code", "place"),
    [
        (b"", None, "reference_invalid", None),
        (b"{}", None, "reference_invalid", None),
        (document(FIRST), date(2020, 6, 30), "reference_invalid", "in_force_from"),
        (document(FIRST), date(2021, 7, 1), "reference_invalid", "in_force_from"),
        (document(CAPPED), None, "reference_invalid", "price_caps_cents"),
    ],
)
def test_a_contract_that_contradicts_itself_or_the_table(
    database: Database, data: bytes, start: date | None, code: str, place: str | None
) -> None:
    error = refused(database, add_contract, data, start)
    assert (error.code, error.places) == (code, (place,) if place else ())


def test_a_version_that_stands_there_is_not_replaced(database: Database) -> None:
    do(database, add_contract, document(FIRST), None)
    other = refused(database, add_contract, document(records.contract(note="other")), None)
    assert (other.code, other.places) == ("already_exists", ("in_force_from",))
    moved = refused(database, add_contract, document(FIRST), date(2020, 8, 1))
    assert (moved.code, moved.places) == ("already_exists", ("in_force_from",))


def test_price_caps_are_for_classes_that_a_table_knows(database: Database) -> None:
    add_table(database)
    unknown = CAPPED.model_copy(update={"price_caps_cents": {"VX9": 100}})
    error = refused(database, add_contract, document(unknown), None)
    assert (error.code, error.places) == ("reference_invalid", ("price_caps_cents",))
    assert "price_caps_cents.VX9" in error.detail
    assert do(database, add_contract, document(CAPPED), None) == digest_of(CAPPED)


def test_price_caps_may_be_for_classes_that_have_gone_since(database: Database) -> None:
    add_table(database)
    thin = limits_table()
    do(database, add_nomenclature, thin, thin.to_bytes(), date(2021, 5, 1))
    known = {entry.code for entry in thin.classes()}
    gone = next(entry.code for entry in TABLE.classes() if entry.code not in known)
    capped = records.contract(price_caps_cents={gone: 10_000})
    assert do(database, add_contract, document(capped), None) == digest_of(capped)


# -- nomenclatures ------------------------------------------------------------------------------


def test_a_table_is_added_once(database: Database) -> None:
    digest = add_table(database)
    assert digest == encode_base64url(TABLE.digest)
    (row,) = records.rows(database, "nomenclatures")
    first_day = min(row.valid_from for row in TABLE.rows)
    assert (row["version"], row["in_force_from"]) == (TABLE.version, first_day.isoformat())
    assert row["document"] == TABLE.to_bytes()
    kind, actor, facts = last_event(database)
    assert (kind, actor) == ("nomenclature_added", ACTOR)
    assert facts == {
        "digest": digest,
        "version": TABLE.version,
        "in_force_from": first_day.isoformat(),
    }
    again = partial(unchanged, database, add_nomenclature, TABLE, TABLE.to_bytes())
    assert again(None) == digest
    assert again(first_day) == digest


def test_a_table_that_stands_there_is_not_replaced(database: Database) -> None:
    add_table(database, date(2020, 7, 1))
    thin = limits_table()
    same_day = refused(database, add_nomenclature, thin, thin.to_bytes(), date(2020, 7, 1))
    assert (same_day.code, same_day.places) == ("already_exists", ("in_force_from",))
    moved = refused(database, add_nomenclature, TABLE, TABLE.to_bytes(), date(2020, 8, 1))
    assert (moved.code, moved.places) == ("already_exists", ("in_force_from",))


# -- keys ---------------------------------------------------------------------------------------


def entry(shop: Identity, **changes: Any) -> KeyEntry:
    return KeyEntry.model_validate(
        {
            "optician_id": shop.optician_id,
            "public_key": shop.public_entry()["public_key"],
            "valid_from": date(2020, 7, 1),
            "valid_to": date(2021, 6, 30),
        }
        | changes
    )


ONE, TWO = records.shop("optician-1"), records.shop("optician-2")
ANYBODYS = encode_base64url(bytes([1, *bytes(31)]))  # the neutral element


def test_keys_are_registered_once(database: Database) -> None:
    entries = [entry(ONE), entry(TWO)]
    assert do(database, register_keys, entries) == [ONE.key_id, TWO.key_id]
    rows = {row["key_id"]: row for row in records.rows(database, "optician_keys")}
    assert rows[ONE.key_id] == {
        "key_id": ONE.key_id,
        "optician_id": "optician-1",
        "public_key": entries[0].public_key,
        "valid_from": "2020-07-01",
        "valid_to": "2021-06-30",
        "registered_at": INSTANT,
        "revoked_at": None,
    }
    facts = {"key_id": TWO.key_id, "optician_id": "optician-2"}
    assert last_event(database) == ("key_registered", ACTOR, facts)
    assert unchanged(database, register_keys, entries[::-1]) == [TWO.key_id, ONE.key_id]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (entry(ONE, public_key=ANYBODYS), "reference_invalid"),
        (entry(TWO), "reference_invalid"),  # twice
        (entry(ONE, optician_id="optician-3"), "already_exists"),
        (entry(ONE, valid_to=date(2022, 6, 30)), "already_exists"),
        (entry(ONE, valid_from=date(2020, 1, 1)), "already_exists"),
    ],
)
def test_all_keys_are_registered_or_none(database: Database, wrong: KeyEntry, code: str) -> None:
    do(database, register_keys, [entry(ONE)])
    error = refused(database, register_keys, [entry(TWO), wrong])
    assert error.code == code
    assert "keys.1" in (error.places or (error.detail,))[0]


def test_a_revoked_key_stays_revoked(database: Database) -> None:
    do(database, register_keys, [entry(ONE)])
    do(database, revoke_key, ONE.key_id)
    assert last_event(database) == ("key_revoked", ACTOR, {"key_id": ONE.key_id})
    do(database, register_keys, [entry(ONE)], now=LATER)
    do(database, revoke_key, ONE.key_id, now=LATER)
    (row,) = records.rows(database, "optician_keys")
    assert row["revoked_at"] == INSTANT


def test_a_key_that_is_not_there_cannot_be_revoked(database: Database) -> None:
    do(database, register_keys, [entry(ONE)])
    assert refused(database, revoke_key, TWO.key_id).code == "not_found"


# -- tokens -------------------------------------------------------------------------------------


def request(**fields: Any) -> TokenRequest:
    return TokenRequest.model_validate({"scope": "reader"} | fields)


def test_a_token_is_kept_without_its_secret(database: Database) -> None:
    end = datetime(2021, 1, 1, tzinfo=UTC)
    wanted = request(scope="optician", optician_id="shop-1", label="till 2", expires_at=end)
    made = do(database, create_token, wanted)
    (row,) = records.rows(database, "tokens")
    assert row["token_id"] == made.token_id
    assert (row["scope"], row["optician_id"], row["label"]) == ("optician", "shop-1", "till 2")
    assert (row["expires_at"], row["created_at"]) == ("2021-01-01T00:00:00Z", INSTANT)
    parts = split_token(made.token)
    assert parts is not None
    assert parts[0] == made.token_id
    assert parts[1] not in str(content(database))
    found = Directory(database).snapshot.tokens[made.token_id]
    assert is_secret_of(found, parts[1])
    facts = {"token_id": made.token_id, "scope": "optician", "optician_id": "shop-1"}
    assert last_event(database) == ("token_created", ACTOR, facts)


def test_a_fresh_token_does_not_show_its_secret_by_accident(database: Database) -> None:
    made = do(database, create_token, request())
    secret = made.token[-43:]
    for shown in (repr(made), str(made), f"{made}", repr([made])):
        assert secret not in shown
        assert made.token_id in shown
    assert NewToken("id", "token") == NewToken("id", "token")


def test_a_rotated_token_has_a_successor_of_the_same_kind(database: Database) -> None:
    end = datetime(2021, 1, 1, tzinfo=UTC)
    wanted = request(scope="optician", optician_id="shop-1", label="till 2", expires_at=end)
    old = do(database, create_token, wanted)
    fresh = do(database, rotate_token, old.token_id)
    rows = {row["token_id"]: row for row in records.rows(database, "tokens")}
    assert rows[old.token_id]["revoked_at"] == INSTANT
    assert rows[fresh.token_id]["revoked_at"] is None
    kept = ("scope", "optician_id", "label", "expires_at")
    assert [rows[fresh.token_id][name] for name in kept] == [
        rows[old.token_id][name] for name in kept
    ]
    snapshot = Directory(database).snapshot
    assert snapshot.principal(old.token, NOW) is None
    assert snapshot.principal(fresh.token, NOW) is not None
    facts = {"token_id": fresh.token_id, "in_place_of": old.token_id}
    assert last_event(database) == ("token_rotated", ACTOR, facts)


def test_what_cannot_be_rotated(database: Database) -> None:
    made = do(database, create_token, request())
    assert refused(database, rotate_token, "0" * 16).code == "not_found"
    do(database, revoke_token, made.token_id)
    assert refused(database, rotate_token, made.token_id).code == "state_conflict"


def test_a_token_is_revoked_for_good(database: Database) -> None:
    made = do(database, create_token, request())
    do(database, revoke_token, made.token_id)
    assert last_event(database) == ("token_revoked", ACTOR, {"token_id": made.token_id})
    do(database, revoke_token, made.token_id, now=LATER)
    (row,) = records.rows(database, "tokens")
    assert row["revoked_at"] == INSTANT
    assert refused(database, revoke_token, "0" * 16).code == "not_found"


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": "optician"},
        {"scope": "optician", "optician_id": "no spaces"},
        {"scope": "reader", "optician_id": "shop-1"},
        {"scope": "auditor", "optician_id": "shop-1"},
        {"scope": "admin", "optician_id": "shop-1"},
        {"scope": "owner"},
        {"scope": "reader", "label": "x" * (MAX_LABEL + 1)},
        {"scope": "reader", "label": "a\0b"},
        {"scope": "reader", "label": "\x1b[2J"},
        {"scope": "reader", "expires_at": "tomorrow"},
        {"scope": "reader", "secret": "x"},
        {},
    ],
)
def test_what_no_token_can_be(fields: dict[str, Any]) -> None:
    TokenRequest.model_validate({"scope": "reader", "label": "x" * MAX_LABEL})
    with pytest.raises(ValidationError):
        TokenRequest.model_validate(fields)


# -- rights -------------------------------------------------------------------------------------

NEW_YEAR, CHRISTMAS = date(2021, 1, 1), date(2020, 12, 25)


def periods(database: Database) -> list[tuple[str, str, str]]:
    return [
        (row["beneficiary"], row["valid_from"], row["valid_to"])
        for row in records.rows(database, "rights", "1, 2, 3")
    ]


def test_rights_are_recorded_once(database: Database) -> None:
    entries = [right(ADULT), right(CHILD, "under_16", valid_to=CHRISTMAS)]
    assert do(database, add_rights, entries) == 2
    assert periods(database) == [
        (ADULT, "2020-01-01", "9999-12-31"),
        (CHILD, "2020-01-01", "2020-12-25"),
    ]
    assert last_event(database) == ("rights_added", ACTOR, {"count": 2})
    before = content(database)
    assert do(database, add_rights, [*entries, entries[0]], now=LATER) == 0
    after = content(database)
    assert {name: after[name] for name in TABLES if name != "events"} == {
        name: before[name] for name in TABLES if name != "events"
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_from": CHRISTMAS, "valid_to": None},
        {"valid_from": date(2019, 1, 1), "valid_to": date(2020, 1, 1)},
        {"valid_from": date(2020, 6, 1), "valid_to": date(2020, 6, 1)},
        {"valid_from": date(2019, 1, 1), "valid_to": None},
        {"valid_from": date(2020, 1, 1), "valid_to": CHRISTMAS, "age_group": "under_16"},
        {"valid_from": date(2020, 1, 1), "valid_to": date(2020, 12, 24)},
    ],
)
def test_periods_of_one_beneficiary_and_contract_do_not_overlap(
    database: Database, changes: dict[str, Any]
) -> None:
    do(database, add_rights, [right(ADULT, valid_to=CHRISTMAS)])
    overlapping = right(ADULT, **changes)
    error = refused(database, add_rights, [right(CHILD), overlapping])
    assert (error.code, error.places) == ("already_exists", ("rights.1",))
    both = [right(records.STRANGER, valid_to=CHRISTMAS)]
    within_one_request = [
        *both,
        Right.model_validate(overlapping.model_dump() | {"beneficiary": records.STRANGER}),
    ]
    error = refused(database, add_rights, within_one_request)
    assert (error.code, error.places) == ("already_exists", ("rights.1",))


def test_periods_may_follow_each_other_and_contracts_may_overlap(database: Database) -> None:
    day_before = date(2019, 12, 31)
    entries = [
        right(ADULT, valid_to=CHRISTMAS),
        right(ADULT, valid_from=CHRISTMAS + timedelta(days=1)),
        right(ADULT, valid_from=date(2019, 1, 1), valid_to=day_before),
        right(ADULT, contract_id="another-2020"),
        right(CHILD),
    ]
    assert do(database, add_rights, entries) == 5


def end(day: date, beneficiary: str = ADULT, **changes: Any) -> RightEnd:
    values = {"beneficiary": beneficiary, "contract_id": records.contract().contract_id}
    return RightEnd.model_validate(values | {"valid_to": day} | changes)


def test_a_right_ends_and_another_may_begin(database: Database) -> None:
    do(database, add_rights, [right(ADULT), right(CHILD)])
    do(database, end_right, end(CHRISTMAS))
    facts = {"contract_id": "responsable-2020", "valid_to": "2020-12-25"}
    assert last_event(database) == ("right_ended", ACTOR, facts)
    assert periods(database) == [
        (ADULT, "2020-01-01", "2020-12-25"),
        (CHILD, "2020-01-01", "9999-12-31"),
    ]
    assert do(database, add_rights, [right(ADULT, valid_from=NEW_YEAR)]) == 1


def test_what_does_not_hold_cannot_end(database: Database) -> None:
    do(database, add_rights, [right(ADULT, valid_to=CHRISTMAS)])
    for wrong in (
        end(NEW_YEAR),
        end(date(2019, 12, 31)),
        end(CHRISTMAS, CHILD),
        end(CHRISTMAS, contract_id="another-2020"),
    ):
        assert refused(database, end_right, wrong).code == "not_found"


def test_the_entry_of_a_right(database: Database) -> None:
    do(database, add_rights, [right(ADULT), right(CHILD, "under_16", valid_to=CHRISTMAS)])

    def facts(connection: Connection) -> list[dict[str, Any]]:
        return [right_facts(row) for row in reference.right_rows(connection, None, 10)]

    with database.read() as connection:
        assert facts(connection) == [
            {
                "beneficiary": ADULT,
                "contract_id": "responsable-2020",
                "age_group": "adult",
                "valid_from": "2020-01-01",
                "valid_to": None,
                "recorded_at": INSTANT,
            },
            {
                "beneficiary": CHILD,
                "contract_id": "responsable-2020",
                "age_group": "under_16",
                "valid_from": "2020-01-01",
                "valid_to": "2020-12-25",
                "recorded_at": INSTANT,
            },
        ]


@pytest.mark.parametrize(
    "changes",
    [
        {"beneficiary": "too-short"},
        {"beneficiary": "1 80 01 75 116 001 42"},
        {"contract_id": "no spaces"},
        {"age_group": "old"},
        {"valid_from": None},
        {"valid_to": date(2019, 12, 31)},
        {"name": "x"},
    ],
)
def test_what_is_no_right(changes: dict[str, Any]) -> None:
    good = right(ADULT).model_dump()
    assert Right.model_validate(good) == right(ADULT)
    with pytest.raises(ValidationError):
        Right.model_validate(good | changes)


def test_so_many_rights_at_once() -> None:
    entries = [right(f"beneficiary-{number:04}") for number in range(MAX_RIGHTS + 1)]
    RightsRequest(rights=tuple(entries[1:]))
    for wrong in ((), tuple(entries)):
        with pytest.raises(ValidationError):
            RightsRequest(rights=wrong)


def test_commands_have_a_name_of_their_own_in_the_records() -> None:
    assert administration.COMMAND == "command"
