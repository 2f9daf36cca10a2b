"""PostgreSQL's own settings and troubles change nothing of what the database's doors promise."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from tests.support.postgres import Cluster
from verifier_api.store import database as database_module
from verifier_api.store.database import Database, StorageError

pytestmark = pytest.mark.integration

LOCK = f"SELECT pg_advisory_lock({database_module._WRITER_LOCK})".encode()


@pytest.fixture
def name(cluster: Cluster) -> str:
    return cluster.fresh_database()


@pytest.fixture
def database(cluster: Cluster, name: str) -> Iterator[Database]:
    opened = Database(cluster.url(name))
    opened.upgrade()
    yield opened
    opened.dispose()


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_a_writer_that_waited_sees_what_was_written_meanwhile(
    cluster: Cluster, name: str, database: Database, level: str
) -> None:
    with cluster.connect("postgres", is_administrator=True) as connection:
        default = f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'"
        connection.execute(default.encode())
    database.dispose()  # its next connections have that default
    seen: list[int] = []

    def write() -> None:
        with database.write() as connection:
            seen.append(connection.execute(text("SELECT counter FROM changes")).scalar_one())

    with cluster.connect(name) as other:
        other.execute(LOCK)
        writer = threading.Thread(target=write)
        writer.start()
        waiting = b"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while other.execute(waiting).fetchone() != (1,):
            time.sleep(0.01)
        other.execute(b"UPDATE changes SET counter = 4711")
    writer.join(10)
    assert seen == [4711]


def test_a_lock_that_nobody_gives_back_is_not_waited_for_without_end(
    cluster: Cluster, name: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "POSTGRESQL_LOCK_SECONDS", 1)
    database.dispose()
    with cluster.connect(name) as other:
        other.execute(LOCK)
        with pytest.raises(StorageError, match="database: LockNotAvailable"), database.write():
            pass
    with database.write() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_writer_that_stops_in_its_transaction_loses_the_lock(
    cluster: Cluster, name: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "POSTGRESQL_IDLE_SECONDS", 1)
    stopped = Database(cluster.url(name))
    try:
        # The second waits for the lock of the first, which does nothing meanwhile, and gets it.
        with pytest.raises(StorageError), stopped.write(), database.write() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
    finally:
        stopped.dispose()


def test_a_server_that_vanishes_is_given_up(database: Database) -> None:
    with database.read() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        told = driver.info.get_parameters()
    for setting, value in database_module.POSTGRESQL_CONNECTION.items():
        assert told[setting] == str(value)
