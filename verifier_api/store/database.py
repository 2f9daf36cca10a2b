"""One database, SQLite or PostgreSQL, behind the same three doors: read, write, upgrade.

All writing, by whatever process, is done by one writer at a time: on SQLite by BEGIN IMMEDIATE, on
PostgreSQL by an advisory lock that the transaction holds. So what a writing transaction has read
stays true until it commits, on both, and there is no deadlock; writers gain their speed by writing
many claims in one transaction (`verifier_api.service.writer`).
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from zk.errors import ZkError

SQLITE = "sqlite"
POSTGRESQL = "postgresql"

SQLITE_BUSY_SECONDS = 20
SQLITE_RETRY_SECONDS = 0.01
SQLITE_CACHE_KIB = 32 * 2**10
SQLITE_CHECKPOINT_PAGES = 4000
SQLITE_FORGET_MS = 200
POSTGRESQL_LOCK_SECONDS = 20
POSTGRESQL_IDLE_SECONDS = 60
"""A process that stops within a transaction holds the writer's lock no longer than this."""

POSTGRESQL_CONNECTION = {
    "connect_timeout": 5,
    # A server that vanished without a word is given up after about so long, not after hours.
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
POOL_SIZE = 6
_WRITER_LOCK = 0x636C61697231  # any number that nothing else in the database locks
_UPGRADE_LOCK = _WRITER_LOCK + 1


class StorageError(ZkError):
    """The database cannot be used: what was asked is not done. Holds no content."""


class Database:
    """See module docstring. ``url`` is an SQLAlchemy URL; its password stays out of repr and
    errors."""

    def __init__(self, url: str) -> None:
        """Open nothing yet. Raises `StorageError` for a URL of another kind of database."""
        self.url = parse_url(url)
        self.kind = self.url.get_backend_name()
        if self.kind == SQLITE:
            self.engine = create_engine(
                self.url,
                pool_size=POOL_SIZE,
                max_overflow=4,
                pool_use_lifo=True,  # the writer finds its pages in the cache of its connection
                connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False},
                hide_parameters=True,
            )
            event.listen(self.engine, "connect", _prepare_sqlite)
        else:
            self.engine = create_engine(
                self.url,
                pool_size=POOL_SIZE,
                max_overflow=4,
                pool_pre_ping=True,
                connect_args=POSTGRESQL_CONNECTION,
                hide_parameters=True,
            )
            event.listen(self.engine, "connect", _prepare_postgresql)

    def __repr__(self) -> str:
        return f"Database({shown_url(self.url)!r})"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose reads are of one moment. Raises `StorageError`."""
        with _translated(), self.engine.connect() as connection:
            if self.kind == POSTGRESQL:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            else:
                connection.exec_driver_sql("BEGIN")
            yield connection
            connection.rollback()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The one writing transaction; committed, durably, when the block ends without an
        exception. Raises `StorageError`."""
        with _translated(), self.engine.connect() as connection:
            if self.kind == POSTGRESQL:
                # Whatever the database's default: a snapshot taken before the lock would be old.
                connection = connection.execution_options(isolation_level="READ COMMITTED")
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), _LOCK_KEY)
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def upgrade(self, revision: str = "head") -> None:
        """Bring the schema forward to ``revision``, keeping all data; several processes may try at
        once. Raises `StorageError`, also for a database of a newer version than this program."""
        if self.kind == SQLITE:
            self._make_folder()
        with _translated():
            self._refuse_newer()
            with self.engine.connect() as connection:
                if self.kind == POSTGRESQL:
                    # Another process may upgrade for as long as it takes.
                    connection.execute(text("SET LOCAL lock_timeout = 0"))
                    connection.execute(text("SELECT pg_advisory_lock(:key)"), _UPGRADE_KEY)
                    connection.commit()
                else:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                config = _alembic_config()
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
                connection.commit()
                if self.kind == POSTGRESQL:
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), _UPGRADE_KEY)
                    connection.commit()

    def revision(self) -> str | None:
        """The schema's version, None in an empty database. Raises `StorageError`."""
        with _translated(), self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def exists(self) -> bool:
        """Whether anything was ever made there. Raises `StorageError`."""
        if self.kind == SQLITE and not Path(self.url.database or "").exists():
            return False
        return self.revision() is not None

    def forget_erased(self) -> bool:
        """On SQLite, take what was erased out of the write-ahead log too, which keeps old pages
        until it is written over; False if somebody reads just now, to be tried again. PostgreSQL
        does what it does by itself. Raises `StorageError`."""
        if self.kind != SQLITE:
            return True
        with _translated(), self.engine.connect() as connection:
            # It keeps writers waiting while it waits for readers.
            connection.exec_driver_sql(f"PRAGMA busy_timeout={SQLITE_FORGET_MS}")
            try:
                row = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={SQLITE_BUSY_SECONDS * 1000}")
        return int(row[0]) == 0

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _make_folder(self) -> None:
        if self.url.database and self.url.database != ":memory:":
            folder = Path(self.url.database).parent
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                # For its owner alone, whatever the folder; SQLite's other files follow this one.
                os.close(os.open(self.url.database, os.O_CREAT | os.O_WRONLY, 0o600))
            except OSError as error:
                raise StorageError(f"database: folder {folder}: {error.strerror}") from None

    def _refuse_newer(self) -> None:
        revision = self.revision()
        known = {script.revision for script in _scripts().walk_revisions()}
        if revision is not None and revision not in known:
            raise StorageError("database: made by a newer version of this program")


_LOCK_KEY = {"key": _WRITER_LOCK}
_UPGRADE_KEY = {"key": _UPGRADE_LOCK}


def parse_url(text_of_url: str) -> URL:
    """The URL; raises `StorageError`, without repeating it, unless it names a database of ours."""
    try:
        url = make_url(text_of_url)
    except (ArgumentError, ValueError):
        raise StorageError("database: not a database URL") from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in (SQLITE, "postgresql+psycopg"):
        raise StorageError("database: only sqlite:/// and postgresql+psycopg:// are supported")
    if url.drivername == SQLITE and url.database in (None, "", ":memory:"):
        raise StorageError("database: SQLite needs a file")
    return url


def shown_url(url: URL) -> str:
    """The URL with every password in it masked, also those that stand in its query."""
    hidden = {name: "***" for name in url.query if "password" in name.lower()}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return URL.create(SQLITE, database=str(path)).render_as_string()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Transactions are begun by us, so that reads do not take the writer's lock.
    connection.isolation_level = None
    cursor = connection.cursor()
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # What is erased is overwritten in the file, not merely given free.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.execute(f"PRAGMA cache_size=-{SQLITE_CACHE_KIB}")
    cursor.execute(f"PRAGMA wal_autocheckpoint={SQLITE_CHECKPOINT_PAGES}")
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """The log of a new file: the one switch for which SQLite does not wait while another process,
    which may be making the same file, holds a lock."""
    end = time.monotonic() + SQLITE_BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(SQLITE_RETRY_SECONDS)
        else:
            return


def _prepare_postgresql(connection: psycopg.Connection[Any], _record: object) -> None:
    connection.execute(f"SET lock_timeout = '{POSTGRESQL_LOCK_SECONDS}s'".encode())
    idle = f"SET idle_in_transaction_session_timeout = '{POSTGRESQL_IDLE_SECONDS}s'"
    connection.execute(idle.encode())
    connection.commit()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_alembic_config())


def _alembic_config() -> Config:
    config = Config()
    folder = str(files("verifier_api.store").joinpath("migrations"))
    config.set_main_option("script_location", re.sub("%", "%%", folder))
    config.set_main_option("path_separator", "os")
    return config


_TOLD = {
    "OperationalError": "cannot be reached, opened or written, or refuses the login "
    "(OperationalError)",
    "DatabaseError": "what is there is no database of this program, or damaged (DatabaseError)",
}


@contextmanager
def _translated() -> Iterator[None]:
    """`StorageError` for what the database driver raises: its messages may hold parameters."""
    try:
        yield
    except DBAPIError as error:
        kind = type(error.orig).__name__ if error.orig else type(error).__name__
        raise StorageError(f"database: {_TOLD.get(kind, kind)}") from None
    except SQLAlchemyError as error:
        raise StorageError(f"database: {type(error).__name__}") from None
