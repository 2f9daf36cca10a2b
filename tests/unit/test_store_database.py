"""The three doors of the database: reading, writing, upgrading; and what they say when shut."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Insert, insert, select, text

from circuits.claim import encode_claim
from tests.support import records
from verifier_api.service.recording import record_claims
from verifier_api.store import database as database_module
from verifier_api.store import schema
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database, StorageError, parse_url, sqlite_url

HEAD = "0004"
SECRET = "s3cret-word"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = records.empty_database(tmp_path)
    yield opened
    opened.dispose()


def second_door(database: Database) -> Database:
    """The same file as another process has it."""
    return Database(database.url.render_as_string(hide_password=False))


# -- URLs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "not a database URL"),
        (SECRET, "not a database URL"),
        (f"://{SECRET}", "not a database URL"),
        (f"postgresql://user:{SECRET}@host:notaport/x", "not a database URL"),
        (f"mysql://user:{SECRET}@host/x", "only sqlite:/// and postgresql"),
        (f"postgresql+asyncpg://user:{SECRET}@host/x", "only sqlite:/// and postgresql"),
        (f"postgres://user:{SECRET}@host/x", "only sqlite:/// and postgresql"),
        (f"sqlite+pysqlcipher://:{SECRET}@/x.db", "only sqlite:/// and postgresql"),
        ("sqlite://", "SQLite needs a file"),
        ("sqlite:///", "SQLite needs a file"),
        ("sqlite:///:memory:", "SQLite needs a file"),
    ],
)
def test_a_url_of_another_kind_is_refused_without_repeating_it(url: str, problem: str) -> None:
    for act in (parse_url, Database):
        with pytest.raises(StorageError) as caught:
            act(url)
        message = str(caught.value)
        assert message.startswith(f"database: {problem}")
        assert SECRET not in message
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("name", ["postgresql", "postgresql+psycopg"])
def test_both_names_of_postgresql_are_one(name: str) -> None:
    url = parse_url(f"{name}://user:{SECRET}@db.example/claims")
    assert url.drivername == "postgresql+psycopg"
    assert url.password == SECRET


def test_the_password_is_in_no_repr() -> None:
    database = Database(f"postgresql://user:{SECRET}@127.0.0.1:1/claims")
    assert database.kind == "postgresql"
    assert SECRET not in repr(database)
    assert SECRET not in repr(database.url)
    assert SECRET not in repr(database.engine)
    assert "user:***@127.0.0.1:1/claims" in repr(database)


def test_a_database_that_does_not_answer_is_told_without_its_address() -> None:
    database = Database(f"postgresql://user:{SECRET}@127.0.0.1:1/claims")
    for door in (database.read, database.write):
        with pytest.raises(StorageError) as caught, door():
            pass
        assert str(caught.value).endswith("(OperationalError)")
    for act in (database.upgrade, database.revision, database.exists):
        with pytest.raises(StorageError, match=r"\(OperationalError\)$"):
            act()


def test_the_url_of_a_file_is_understood_again(tmp_path: Path) -> None:
    path = tmp_path / "a folder, % and ?" / "é.db"
    assert parse_url(sqlite_url(path)).database == str(path)


# -- upgrading ----------------------------------------------------------------------------------


def test_an_upgrade_makes_folder_and_tables_and_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "some" / "folder" / "verifier.db"
    database = Database(sqlite_url(path))
    database.upgrade()
    assert (path.parent.stat().st_mode & 0o777) == 0o700
    assert database.revision() == HEAD
    with database.write() as connection:
        connection.execute(text("UPDATE changes SET counter = 7"))
    database.upgrade()
    assert records.rows(database, "changes") == [{"topic": "directory", "counter": 7}]
    database.dispose()


def test_an_empty_file_has_no_revision(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "new.db"))
    assert database.revision() is None
    assert database.revision() != HEAD
    database.dispose()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    database = Database(sqlite_url(tmp_path / "file" / "verifier.db"))
    with pytest.raises(StorageError, match=r"^database: folder .*/file: "):
        database.upgrade()


def test_what_is_no_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "verifier.db"
    path.write_bytes(b"a letter to the insurer" * 100)
    before = path.read_bytes()
    database = Database(sqlite_url(path))
    with pytest.raises(StorageError, match=r"\(DatabaseError\)$"):
        database.upgrade()
    assert path.read_bytes() == before


def test_the_migrations_make_the_tables_of_the_schema(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_a_newer_databases_data_is_left_alone(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert database.revision() != HEAD
    with pytest.raises(StorageError, match=r"^database: made by a newer version of this program$"):
        database.upgrade()
    assert database.revision() == "9999"


def test_an_upgrade_from_the_first_schema_keeps_everything_and_names_the_circuits(
    tmp_path: Path,
) -> None:
    database = Database(sqlite_url(tmp_path / "old.db"))
    database.upgrade("0001")
    assert database.revision() == "0001"
    assert database.revision() != HEAD
    claims = [
        records.claim("first"),
        records.claim("same-circuit", beneficiary=records.CHILD),
        records.claim("pair", statement="pair", date_of_service=date(2020, 10, 7)),
        records.claim("refused-early", statement="line"),
    ]
    classes = ["VM4 VM4 M03", "VM4 VM4 M03", "- - -", "VM4"]
    circuits = [records.CIRCUIT, records.CIRCUIT, records.TABLE, None]
    # As the first version recorded it: `record_claims` needs the later tables.
    with database.write() as connection:
        for claim, circuit in zip(claims, circuits, strict=True):
            digest, verdict = records.digest_of(claim), "granted" if circuit else "refused"
            reason = None if circuit else "signature_invalid"
            answer = {
                "claim_id": claim.claim_id,
                "claim_digest": digest,
                "verdict": verdict,
                "reason": reason,
                "circuit_digest": circuit,
            }
            amounts = claim.amounts if circuit else None
            values = {
                "claim_id": claim.claim_id,
                "claim_digest": digest,
                "envelope": encode_claim(claim),
                "optician_id": claim.optician_id,
                "contract_id": claim.contract_id,
                "statement": claim.statement,
                "beneficiary": claim.beneficiary,
                "date_of_service": claim.date_of_service,
                "received_at": records.INSTANT,
                "actor": "token-1",
                "verdict": verdict,
                "reason": reason,
                "answer": json.dumps(answer),
                "state": verdict,
                "state_since": records.INSTANT,
                "deadline": records.INSTANT if circuit else None,
                "granted_lenses_cents": amounts.lenses_cents if amounts else None,
                "granted_frame_cents": amounts.frame_cents if amounts else None,
            }
            connection.execute(insert(schema.claims).values(values))
            if circuit:
                used = [
                    {"commitment": line.commitment, "claim_id": claim.claim_id}
                    for line in claim.lines
                ]
                connection.execute(insert(schema.commitments), used)
            event = {
                "at": records.INSTANT,
                "kind": "noted",
                "claim_id": claim.claim_id,
                "actor": "token-1",
                "facts": "{}",
            }
            connection.execute(insert(schema.events).values(event))
    kept = ("claims", "commitments", "events", "changes")
    before = {name: records.rows(database, name) for name in kept}
    database.upgrade()
    assert database.revision() == HEAD
    unmeasured = {"attest_by": None, "judging": None, "latency_us": None, "batch_size": None}
    before["claims"] = [
        row | unmeasured | {"classes": told}
        for row, told in zip(before["claims"], classes, strict=True)
    ]
    assert before == {name: records.rows(database, name) for name in kept}
    named = {row["digest"]: row for row in records.rows(database, "circuits")}
    assert named.keys() == {records.CIRCUIT, records.TABLE}
    assert named[records.TABLE]["day"] == "2020-10-07"
    assert named[records.TABLE]["contract_digest"] == claims[2].contract_digest
    assert json.loads(named[records.TABLE]["declaration"]) == {
        "statement": "pair",
        "level": "c",
        "price_class": "B",
        "lines": [
            {"role": line.role, "regroupement": None, "code": None} for line in claims[2].lines
        ],
    }
    # What is recorded from now on says the same of the same circuit.
    with database.write() as connection:
        again = records.claim("again", statement="pair", beneficiary=records.STRANGER)
        record_claims(connection, [records.examined(again)], records.NOW)
    (fresh,) = [
        row for row in records.rows(database, "circuits") if row["digest"] == records.CIRCUIT
    ]
    assert json.loads(fresh["declaration"])["statement"] == "equipment"
    assert check_database(database)["problems"] == []
    database.dispose()


def test_the_classes_of_many_older_claims_are_read_from_their_envelopes(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "old.db"))
    database.upgrade("0003")
    told = [("VM4", "VM4", "M03"), (None, None, "M01"), ("SV2",)]
    number = 2_003  # more than are looked at together
    values = [
        {
            "claim_id": f"claim-{count}",
            "claim_digest": records.CIRCUIT,
            "envelope": json.dumps(
                {"lines": [{"regroupement": name} for name in told[count % 3]]}
            ).encode(),
            "optician_id": records.SHOP,
            "contract_id": "contract",
            "statement": "equipment",
            "beneficiary": records.ADULT,
            "date_of_service": records.DAY,
            "received_at": records.INSTANT,
            "actor": "token-1",
            "verdict": "refused",
            "answer": "{}",
            "state": "refused",
            "state_since": records.INSTANT,
        }
        for count in range(number)
    ]
    with database.write() as connection:
        connection.execute(insert(schema.claims), values)
    database.upgrade()
    found = [row["classes"] for row in records.rows(database, "claims")]
    texts = ["VM4 VM4 M03", "- - M01", "SV2"]
    assert found == [texts[count % 3] for count in range(number)]
    database.dispose()


@pytest.mark.parametrize("_time", range(6))
def test_several_processes_may_upgrade_at_once(tmp_path: Path, _time: int) -> None:
    url = sqlite_url(tmp_path / "new.db")
    failures: list[Exception] = []
    start = threading.Barrier(6)

    def upgrade() -> None:
        database = Database(url)
        start.wait()
        try:
            database.upgrade()
        except Exception as error:
            failures.append(error)
        database.dispose()

    threads = [threading.Thread(target=upgrade) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    database = Database(url)
    assert database.revision() == HEAD
    assert records.rows(database, "changes") == [{"topic": "directory", "counter": 0}]
    database.dispose()


# -- reading and writing ------------------------------------------------------------------------


def add_circuit(digest: str = records.CIRCUIT) -> Insert:
    return insert(schema.circuits).values(
        digest=digest,
        contract_digest=digest,
        nomenclature_digest=digest,
        day=date(2020, 10, 5),
        declaration="{}",
    )


def circuit_count(database: Database) -> int:
    return len(records.rows(database, "circuits"))


def test_what_is_written_is_there_and_what_failed_is_not(database: Database) -> None:
    with database.write() as connection:
        connection.execute(add_circuit())
    assert circuit_count(database) == 1

    def delete_and_fail() -> None:
        with database.write() as connection:
            connection.execute(text("DELETE FROM circuits"))
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match=r"^enough$"):
        delete_and_fail()
    assert circuit_count(database) == 1


def test_every_door_is_shut_behind_whoever_went_through(database: Database) -> None:
    for _ in range(30):  # more than there are connections
        with database.read():
            pass
        with database.write():
            pass
        with pytest.raises(RuntimeError), database.read():
            raise RuntimeError


def test_a_read_is_of_one_moment(database: Database) -> None:
    with database.read() as connection:
        query = select(schema.circuits.c.digest)
        assert connection.execute(query).all() == []
        with database.write() as writing:
            writing.execute(add_circuit())
        assert connection.execute(query).all() == []
    assert circuit_count(database) == 1


def test_a_read_leaves_nothing_behind(database: Database) -> None:
    with database.read() as connection:
        connection.execute(add_circuit())
    assert circuit_count(database) == 0


def test_two_writers_take_turns_and_lose_nothing(database: Database) -> None:
    """Each reads, waits, and writes what it read plus one: a lost update would show."""
    doors = [second_door(database) for _ in range(2)]
    start = threading.Barrier(2)

    def count(door: Database) -> None:
        start.wait()
        for _ in range(20):
            with door.write() as connection:
                found = connection.execute(text("SELECT counter FROM changes")).scalar_one()
                time.sleep(0.001)
                connection.execute(text("UPDATE changes SET counter = :n"), {"n": found + 1})

    threads = [threading.Thread(target=count, args=(door,)) for door in doors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert records.rows(database, "changes") == [{"topic": "directory", "counter": 40}]
    for door in doors:
        door.dispose()


def test_a_read_does_not_wait_for_a_writer(database: Database) -> None:
    with database.write() as connection:
        connection.execute(add_circuit())
        start = time.monotonic()
        assert circuit_count(database) == 0
        assert time.monotonic() - start < 5
    assert circuit_count(database) == 1


def test_a_writer_that_waits_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "SQLITE_BUSY_SECONDS", 0.05)
    database = records.empty_database(tmp_path)
    other = second_door(database)
    with database.write():
        with pytest.raises(StorageError, match=r"\(OperationalError\)$"), other.write():
            pass
        with pytest.raises(StorageError, match=r"\(OperationalError\)$"):
            other.upgrade()
    with other.write():
        pass
    database.dispose()
    other.dispose()


def test_no_error_repeats_what_was_written(database: Database) -> None:
    secret = "beneficiary-that-is-nobodys-business"
    with database.write() as connection:
        connection.execute(add_circuit(secret))
    with pytest.raises(StorageError) as caught, database.write() as connection:
        connection.execute(add_circuit(secret))
    assert str(caught.value) == "database: IntegrityError"
    assert caught.value.__suppress_context__
    with pytest.raises(StorageError) as caught, database.read() as connection:
        connection.execute(text("SELECT :x FROM nowhere"), {"x": secret})
    assert str(caught.value).endswith("(OperationalError)")


def test_a_fault_of_ours_in_a_query_is_told_by_its_kind(database: Database) -> None:
    with pytest.raises(StorageError) as caught, database.read() as connection:
        connection.execute(text("SELECT :x"), {})
    assert str(caught.value).startswith("database: ")
    assert "SELECT" not in str(caught.value)


# -- durable ------------------------------------------------------------------------------------


def test_sqlite_writes_ahead_waits_for_the_disk_and_holds_references(database: Database) -> None:
    with database.read() as connection:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
    used = {"commitment": records.commitment(), "claim_id": "nobody"}
    refused = pytest.raises(StorageError, match=r"^database: IntegrityError$")
    with refused, database.write() as connection:
        connection.execute(insert(schema.commitments).values(used))


def test_another_program_can_read_what_was_written(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE changes SET counter = 3"))
    assert database.url.database
    other = sqlite3.connect(database.url.database)
    assert other.execute("SELECT counter FROM changes").fetchone() == (3,)
    other.close()
