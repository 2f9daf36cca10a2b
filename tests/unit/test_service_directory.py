"""Reference data in memory: what is in force, who asks, and when the database is read again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from circuits.canonical import encode_base64url
from circuits.contract import Contract, contract_digest
from circuits.nomenclature import Nomenclature
from tests.support import claims as samples
from tests.support import records
from tests.support.records import NOW
from tests.support.tables import limits_table
from verifier_api.keys import KeyEntry
from verifier_api.service.access import Principal
from verifier_api.service.administration import (
    TokenRequest,
    add_contract,
    add_nomenclature,
    create_token,
    register_keys,
    revoke_key,
    revoke_token,
)
from verifier_api.service.directory import Directory, Snapshot
from verifier_api.store import reference
from verifier_api.store.database import Database, StorageError
from zk.errors import ProofRejected

FIRST = records.contract()
SECOND = records.contract(note="The second version.")
OTHER = records.contract(contract_id="another-2020")
SECOND_FROM = date(2021, 3, 1)
TABLE, SECOND_TABLE = samples.nomenclature(), limits_table()
SECOND_TABLE_FROM = date(2021, 5, 1)


def digest_of(contract: Contract) -> str:
    return encode_base64url(contract_digest(contract))


def table_digest(table: Nomenclature) -> str:
    return encode_base64url(table.digest)


def document(contract: Contract) -> bytes:
    return contract.model_dump_json().encode()


def key_entry(optician_id: str = records.SHOP) -> KeyEntry:
    return KeyEntry(
        optician_id=optician_id,
        public_key=records.shop(optician_id).public_entry()["public_key"],
        valid_from=date(2020, 7, 1),
        valid_to=date(2021, 6, 30),
    )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Two versions of a contract and of the table, another contract, a key."""
    opened = records.empty_database(tmp_path)
    with opened.write() as connection:
        for contract, start in ((FIRST, None), (SECOND, SECOND_FROM), (OTHER, None)):
            add_contract(connection, document(contract), start, "test", NOW)
        for table, start in ((TABLE, None), (SECOND_TABLE, SECOND_TABLE_FROM)):
            add_nomenclature(connection, table, table.to_bytes(), start, "test", NOW)
        register_keys(connection, [key_entry()], "test", NOW)
    yield opened
    opened.dispose()


@pytest.fixture
def snapshot(database: Database) -> Snapshot:
    return Directory(database).snapshot


# -- contracts ----------------------------------------------------------------------------------


def contract_on(snapshot: Snapshot, contract: Contract, day: str) -> Contract:
    return snapshot.contract(
        contract.insurer_id, contract.contract_id, digest_of(contract), date.fromisoformat(day)
    )


@pytest.mark.parametrize(
    ("contract", "day"),
    [
        (FIRST, "2020-07-01"),
        (FIRST, "2021-02-28"),
        (SECOND, "2021-03-01"),
        (SECOND, "2021-06-30"),
        (OTHER, "2021-03-01"),
    ],
)
def test_the_version_in_force_is_the_latest_that_has_begun(
    snapshot: Snapshot, contract: Contract, day: str
) -> None:
    assert contract_on(snapshot, contract, day) == contract


@pytest.mark.parametrize(
    ("contract", "day"),
    [
        (FIRST, "2020-06-30"),
        (FIRST, "2021-03-01"),
        (SECOND, "2021-02-28"),
        (SECOND, "2021-07-01"),
        (OTHER, "2021-07-01"),
    ],
)
def test_no_other_is(snapshot: Snapshot, contract: Contract, day: str) -> None:
    with pytest.raises(ProofRejected) as caught:
        contract_on(snapshot, contract, day)
    assert caught.value.reason == "contract_not_in_force"


def test_a_contract_is_named_by_insurer_name_and_digest(snapshot: Snapshot) -> None:
    day = date(2020, 10, 5)
    for insurer_id, contract_id, digest in (
        ("another", FIRST.contract_id, digest_of(FIRST)),
        (FIRST.insurer_id, "none-2020", digest_of(FIRST)),
        (FIRST.insurer_id, FIRST.contract_id, records.TABLE),
        (FIRST.insurer_id, FIRST.contract_id, digest_of(OTHER)),
        (FIRST.insurer_id, OTHER.contract_id, digest_of(FIRST)),
    ):
        with pytest.raises(ProofRejected) as caught:
            snapshot.contract(insurer_id, contract_id, digest, day)
        assert caught.value.reason == "contract_mismatch"


def test_the_entry_of_a_contract(snapshot: Snapshot) -> None:
    version = snapshot.contracts[digest_of(SECOND)]
    assert version.facts() == {
        "digest": digest_of(SECOND),
        "contract_id": "responsable-2020",
        "insurer_id": "ocam-exemple",
        "product_id": "responsable",
        "valid_from": "2020-07-01",
        "valid_to": "2021-06-30",
        "in_force_from": "2021-03-01",
        "added_at": records.INSTANT,
    }
    assert version.document == document(SECOND)
    assert "The second version" not in repr(version)


# -- tables -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2021-04-30", TABLE),
        ("2021-05-01", SECOND_TABLE),
        ("2030-01-01", SECOND_TABLE),
    ],
)
def test_the_table_in_force_is_the_latest_that_has_begun(
    snapshot: Snapshot, day: str, expected: Nomenclature
) -> None:
    on = date.fromisoformat(day)
    version = snapshot.table_on(on)
    assert version is not None
    assert version.digest == table_digest(expected)
    assert snapshot.nomenclature(version.digest, on).digest == expected.digest
    other = SECOND_TABLE if expected is TABLE else TABLE
    with pytest.raises(ProofRejected) as caught:
        snapshot.nomenclature(table_digest(other), on)
    assert caught.value.reason == "nomenclature_not_in_force"


def test_before_the_first_table_there_is_none(snapshot: Snapshot) -> None:
    day = min(row.valid_from for row in TABLE.rows)
    assert snapshot.table_on(day) is not None
    assert snapshot.table_on(day - timedelta(days=1)) is None
    with pytest.raises(ProofRejected) as caught:
        snapshot.nomenclature(table_digest(TABLE), day - timedelta(days=1))
    assert caught.value.reason == "nomenclature_not_in_force"


def test_a_table_that_nobody_added(snapshot: Snapshot) -> None:
    with pytest.raises(ProofRejected) as caught:
        snapshot.nomenclature(records.TABLE, date(2020, 10, 5))
    assert caught.value.reason == "nomenclature_mismatch"


def test_the_entry_of_a_table(snapshot: Snapshot) -> None:
    assert snapshot.nomenclatures[table_digest(SECOND_TABLE)].facts() == {
        "digest": table_digest(SECOND_TABLE),
        "version": "limits-1",
        "source": SECOND_TABLE.source,
        "in_force_from": "2021-05-01",
        "added_at": records.INSTANT,
        "rows": len(SECOND_TABLE.rows),
    }


def test_an_empty_directory_knows_nothing(tmp_path: Path) -> None:
    empty = records.empty_database(tmp_path)
    snapshot = Directory(empty).snapshot
    assert snapshot.table_on(date(2020, 10, 5)) is None
    assert snapshot.key(records.SHOP, records.shop().key_id, date(2020, 10, 5)) is None
    with pytest.raises(ProofRejected) as caught:
        contract_on(snapshot, FIRST, "2020-10-05")
    assert caught.value.reason == "contract_mismatch"
    empty.dispose()


# -- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "is_valid"),
    [
        ("2020-06-30", False),
        ("2020-07-01", True),
        ("2021-06-30", True),
        ("2021-07-01", False),
    ],
)
def test_a_key_is_valid_from_day_to_day(snapshot: Snapshot, day: str, is_valid: bool) -> None:
    shop = records.shop()
    found = snapshot.key(records.SHOP, shop.key_id, date.fromisoformat(day))
    assert (found is not None) is is_valid
    if found is not None:
        public = shop.signing_key.public_key()
        assert found.public_bytes_raw() == public.public_bytes_raw()


def test_a_key_is_its_opticians_alone(snapshot: Snapshot) -> None:
    day = date(2020, 10, 5)
    assert snapshot.key("optician-2", records.shop().key_id, day) is None
    assert snapshot.key(records.SHOP, records.shop("optician-2").key_id, day) is None


def test_the_entry_of_a_key(snapshot: Snapshot) -> None:
    shop = records.shop()
    assert snapshot.keys[shop.key_id].facts() == {
        "key_id": shop.key_id,
        "optician_id": records.SHOP,
        "public_key": shop.public_entry()["public_key"],
        "valid_from": "2020-07-01",
        "valid_to": "2021-06-30",
        "registered_at": records.INSTANT,
        "revoked_at": None,
    }


# -- tokens -------------------------------------------------------------------------------------


def new_token(database: Database, scope: str, **fields: object) -> tuple[str, str]:
    request = TokenRequest.model_validate({"scope": scope} | fields)
    with database.write() as connection:
        made = create_token(connection, request, "test", NOW)
    return made.token_id, made.token


def test_a_token_says_who_asks(database: Database) -> None:
    token_id, token = new_token(database, "optician", optician_id="optician-2")
    _, reader = new_token(database, "reader")
    snapshot = Directory(database).snapshot
    assert snapshot.principal(token, NOW) == Principal(token_id, "optician", "optician-2")
    told = snapshot.principal(reader, NOW)
    assert told is not None
    assert (told.scope, told.optician_id) == ("reader", None)


def test_what_is_no_token_or_no_longer_one_says_nothing(database: Database) -> None:
    end = datetime(2020, 10, 7, tzinfo=UTC)
    _, token = new_token(database, "reader", expires_at=end)
    other_id, _ = new_token(database, "admin")
    snapshot = Directory(database).snapshot
    secret = token[-43:]
    assert snapshot.principal(token, end) is not None
    assert snapshot.principal(token, end + timedelta(seconds=1)) is None
    for wrong in ("", "nothing", token[:-1], f"co_{other_id}_{secret}", f"co_{'0' * 16}_{secret}"):
        assert snapshot.principal(wrong, NOW) is None


# -- reading again ------------------------------------------------------------------------------


def test_it_is_read_again_only_after_a_change(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Directory(database)
    first = directory.snapshot
    queries: list[str] = []
    for name in ("contract_rows", "nomenclature_rows", "key_rows", "token_rows"):
        genuine = getattr(reference, name)

        def noticed(connection: object, name: str = name, genuine: object = genuine) -> object:
            queries.append(name)
            return genuine(connection)  # type: ignore[operator]

        monkeypatch.setattr(reference, name, noticed)
    directory.refresh()
    assert directory.snapshot is first
    assert queries == []
    with database.write() as connection:
        reference.note_event(connection, records.INSTANT, "kind", "actor", {})
    directory.refresh()
    assert directory.snapshot is first
    new_token(database, "reader")
    directory.refresh()
    assert directory.snapshot is not first
    assert directory.snapshot.counter == first.counter + 1
    assert len(queries) == 4


def test_documents_that_were_read_are_kept(database: Database) -> None:
    directory = Directory(database)
    first = directory.snapshot
    table = first.nomenclatures[table_digest(TABLE)].table
    new_token(database, "reader")
    directory.refresh()
    assert directory.snapshot.contracts[digest_of(FIRST)] is first.contracts[digest_of(FIRST)]
    assert directory.snapshot.nomenclatures[table_digest(TABLE)].table is table


def test_a_snapshot_stays_what_it_was(database: Database) -> None:
    """Whoever is in the middle of a judgement ends it with what he began with."""
    directory = Directory(database)
    first = directory.snapshot
    with database.write() as connection:
        revoke_key(connection, records.shop().key_id, "test", NOW)
    directory.refresh()
    day = date(2020, 10, 5)
    assert first.key(records.SHOP, records.shop().key_id, day) is not None
    assert directory.snapshot.key(records.SHOP, records.shop().key_id, day) is None


def test_a_revoked_token_opens_nothing_after_the_next_reading(database: Database) -> None:
    token_id, token = new_token(database, "reader")
    directory = Directory(database)
    with database.write() as connection:
        revoke_token(connection, token_id, "test", NOW)
    assert directory.snapshot.principal(token, NOW) is not None
    directory.refresh()
    assert directory.snapshot.principal(token, NOW) is None
    entry = directory.snapshot.tokens[token_id]
    assert entry.facts()["revoked_at"] == records.INSTANT


def test_what_another_process_added_is_there_after_the_next_reading(database: Database) -> None:
    directory = Directory(database)
    other = Database(database.url.render_as_string(hide_password=False))
    with other.write() as connection:
        register_keys(connection, [key_entry("optician-2")], "test", NOW)
    other.dispose()
    key_id = records.shop("optician-2").key_id
    assert key_id not in directory.snapshot.keys
    directory.refresh()
    assert key_id in directory.snapshot.keys


def test_without_a_database_there_is_no_directory(tmp_path: Path) -> None:
    bare = Database(f"sqlite:///{tmp_path}/bare.db")
    with pytest.raises(StorageError):
        Directory(bare)
    bare.dispose()


def test_tables_are_parsed_before_a_claim_needs_them(database: Database) -> None:
    with database.write() as connection:
        add_nomenclature(connection, TABLE, TABLE.to_bytes(), None, "test", NOW)
    directory = Directory(database)
    version = directory.snapshot.nomenclatures[table_digest(TABLE)]
    assert "table" not in vars(version)
    directory.load_tables()
    assert vars(version)["table"] == TABLE
