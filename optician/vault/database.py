"""Doors to a vault's file: SQLite connections that fail in one documented way.

The file is never opened but by SQLite: closing any other handle of it would drop the locks that
this process holds (POSIX locks belong to the process, not to the handle).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from optician.vault.errors import VaultError
from optician.vault.keys import Header
from optician.vault.layout import APPLICATION_ID, COLUMNS, SCHEMA, USER_VERSION

BUSY_SECONDS: Final = 10
MAX_VALUE_BYTES: Final = 128 * 2**20
SIDE_FILES: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file while it is used."""

_SQLITE_LIMIT_LENGTH: Final = 0
_CODES: Final = {
    sqlite3.SQLITE_BUSY: "vault_busy",
    sqlite3.SQLITE_LOCKED: "vault_busy",
    sqlite3.SQLITE_CORRUPT: "vault_damaged",
    sqlite3.SQLITE_NOTADB: "vault_damaged",
    sqlite3.SQLITE_FORMAT: "vault_damaged",
    sqlite3.SQLITE_TOOBIG: "vault_damaged",
    sqlite3.SQLITE_PERM: "vault_storage",
    sqlite3.SQLITE_NOMEM: "vault_storage",
    sqlite3.SQLITE_READONLY: "vault_storage",
    sqlite3.SQLITE_IOERR: "vault_storage",
    sqlite3.SQLITE_FULL: "vault_storage",
    sqlite3.SQLITE_CANTOPEN: "vault_storage",
    sqlite3.SQLITE_AUTH: "vault_storage",
}


@contextmanager
def translated(*, whole: bool = False) -> Iterator[None]:
    """Turn errors of SQLite into `VaultError`.

    A statement that is wrong in itself goes through, as a fault of the program, and so does
    `sqlite3.IntegrityError`, which is for whoever wrote the statement. With ``whole`` (our own
    statements, on a file that nobody vouches for) they mean a damaged file.
    """
    try:
        yield
    except sqlite3.Error as error:
        number = getattr(error, "sqlite_errorcode", None)
        code = None if number is None else _CODES.get(number & 0xFF)
        if code is None and number is None and isinstance(error, sqlite3.OperationalError):
            code = "vault_damaged"  # a text that is no UTF-8
        if code is None and whole:
            code = "vault_damaged"
        if code is None:
            raise
        raise VaultError(code) from None
    except UnicodeDecodeError:  # an error of SQLite's that quotes a damaged schema
        raise VaultError("vault_damaged") from None
    except MemoryError:
        raise VaultError("vault_storage") from None


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """A connection to a file that is there. Raises `VaultError` if it is not.

    With ``writable`` False SQLite has no right to write: not even what a crash left behind is
    carried over into the file, only read.
    """
    try:
        is_there = path.exists()
    except OSError:  # a folder that must not be looked into
        raise VaultError("vault_storage") from None
    if not is_there:
        raise VaultError("vault_missing")
    mode = "rw" if writable else "ro"
    with translated(whole=True):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def undo_half_done(path: Path) -> None:
    """Let SQLite take back what a crash left half done in a file without a write-ahead log.

    Such a file cannot be read before. It comes about if `restore` and then the next write are
    killed. Raises `VaultError`.
    """
    connection = connect(path, writable=True)
    try:
        with translated(whole=True):
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    finally:
        connection.close()


def is_half_done(error: VaultError) -> bool:
    """Whether this came of such a file."""
    return getattr(error.__context__, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK


def prepare(connection: sqlite3.Connection) -> None:
    """What holds for every connection. Raises `sqlite3.Error`."""
    connection.row_factory = sqlite3.Row
    connection.setlimit(_SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    for pragma in (
        "trusted_schema = OFF",  # a file's own triggers and views call nothing
        "cell_size_check = ON",
        "mmap_size = 0",
        "synchronous = FULL",
        "secure_delete = ON",
        "foreign_keys = ON",
        "recursive_triggers = ON",  # else a row that REPLACE removes is not accounted for
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def read_header(connection: sqlite3.Connection) -> Header:
    """The header of what must be a vault with exactly our tables. Raises `VaultError`."""
    with translated(whole=True):
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise VaultError("vault_damaged")
        if connection.execute("PRAGMA user_version").fetchone()[0] != USER_VERSION:
            raise VaultError("vault_version")
        # Exactly these: whatever else stood in a schema (a trigger, a view) would run with us.
        found = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'sqlite_sequence'"
            " ORDER BY rowid"
        )
        if [row[0] for row in found] != list(SCHEMA):
            raise VaultError("vault_damaged")
        rows = {
            row[0]: row[1]
            for row in connection.execute("SELECT name, value FROM header LIMIT 20")
            if row[0] != "ledger"
        }
    return Header.parse(rows)


def use_log(connection: sqlite3.Connection) -> None:
    """Write-ahead log: after a crash it is read, and nothing has to be rolled back in the file.

    Raises `VaultError` ("vault_busy") if the file is not so yet and others use it.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with translated():
                connection.execute("PRAGMA journal_mode = WAL")
                return
        except VaultError as error:
            # SQLite does not wait for this one by itself.
            if error.code != "vault_busy" or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def keep_ledger(connection: sqlite3.Connection, account: Callable[..., bytes]) -> None:
    """Account for every row that this connection writes. Raises `sqlite3.Error`.

    The triggers are this connection's own, not the file's: they are there whatever stands in it,
    and a program that writes without them is found out by `Vault.check`.
    """
    connection.create_function("ledger", -1, account)
    for table, columns in COLUMNS.items():
        old, new = (", ".join(f"{row}.{name}" for name in columns) for row in ("OLD", "NEW"))
        less = f"ledger(value, -1, '{table}', {old})"
        values = {
            "INSERT": f"ledger(value, 1, '{table}', {new})",
            "DELETE": less,
            "UPDATE": f"ledger({less}, 1, '{table}', {new})",
        }
        for event, value in values.items():
            connection.execute(
                f"CREATE TEMP TRIGGER ledger_{table}_{event} AFTER {event} ON main.{table} BEGIN"
                f" UPDATE header SET value = {value} WHERE name = 'ledger'; END"
            )
