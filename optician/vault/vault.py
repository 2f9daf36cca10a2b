"""The vault: one SQLite file whose contents are sealed, and the transactions on it.

Opened read-only until the key has proved right; then one connection for every ``with`` block, so
that between blocks nothing but the file itself is left, whole, for any program that copies it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optician.vault.database import (
    connect,
    is_half_done,
    keep_ledger,
    read_header,
    translated,
    undo_half_done,
    use_log,
)
from optician.vault.errors import VaultError
from optician.vault.files import identity, new_file
from optician.vault.keys import KEY_BYTES, Clear, Header, Keys, ScryptCost, Source, wrap
from optician.vault.layout import (
    APPLICATION_ID,
    BOUND,
    COLUMNS,
    SCHEMA,
    USER_VERSION,
    column_of,
    table_of,
)

PAGE_BYTES = 4096


class Reading:
    """One moment of the vault: whatever others write meanwhile is not seen."""

    def __init__(self, vault: Vault, connection: sqlite3.Connection) -> None:
        self._vault = vault
        self.connection = connection

    def unseal(self, place: str, name: str, sealed: bytes, clear: Clear | None = None) -> bytes:
        """What `Writing.seal` sealed for the same place, name and clear columns.

        Raises `VaultError` ("vault_damaged", "vault_locked").
        """
        bound = _require_bound(place, clear or {})
        return self._vault._require_keys().unseal(place, name, sealed, bound)

    def unseal_row(self, place: str, row: sqlite3.Row | Mapping[str, Any]) -> bytes:
        """The seal in a row that was read with its clear columns; raises as `unseal`."""
        name, clear = bound_columns(place, row)
        return self.unseal(place, name, row[column_of(place)], clear)

    def index(self, text: str) -> bytes:
        """A keyed hash, 32 bytes, by which an equal text is found. Raises `VaultError`."""
        return self._vault._require_keys().index(text)


class Writing(Reading):
    """The one writing transaction: all of it is on the disk when the block ends, or nothing."""

    def seal(self, place: str, name: str, content: bytes, clear: Clear | None = None) -> bytes:
        """Seal the content of a row.

        ``place`` is a table, or ``claims.openings``; ``name`` and ``clear`` are the values of its
        columns as `optician.vault.layout.BOUND` lists them (sale_key as hexadecimal or None). When
        one of these changes, the content has to be sealed anew. Raises `VaultError`
        ("vault_locked"); `ValueError` for other columns.
        """
        bound = _require_bound(place, clear or {})
        return self._vault._require_keys().seal(place, name, content, bound)

    def seal_row(self, place: str, row: sqlite3.Row | Mapping[str, Any], content: bytes) -> bytes:
        """Seal for a row with these clear columns; raises as `seal`."""
        name, clear = bound_columns(place, row)
        return self.seal(place, name, content, clear)


class Vault:
    """See module docstring. Shows neither key nor content in `repr`."""

    def __init__(self, path: Path, header: Header, keys: Keys) -> None:
        """By `create` and `open` alone."""
        self.path = path.absolute()  # whatever becomes of the working directory
        self.vault_id = header.vault_id
        self._keys: Keys | None = keys

    def __repr__(self) -> str:
        return f"Vault({'locked' if self._keys is None else 'open'})"

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], source: Source, *, scrypt: ScryptCost | None = None
    ) -> Vault:
        """A new vault, made whole beside ``path`` and then given its name.

        Raises `VaultError` ("vault_exists", "passphrase_weak", those of the keyring,
        "vault_storage").
        """
        place = Path(path)
        with new_file(place) as draft:
            data_key, vault_id = os.urandom(KEY_BYTES), os.urandom(16)
            created_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            header = wrap(data_key, vault_id, created_at, source, scrypt or ScryptCost())
            keys = Keys(data_key, vault_id)
            connection = connect(draft, writable=True)
            try:
                with translated():
                    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                    use_log(connection)
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version = {USER_VERSION}")
                    for statement in SCHEMA:
                        connection.execute(statement)
                    rows = header.rows() | {"ledger": keys.new_ledger()}
                    connection.executemany("INSERT INTO header VALUES (?, ?)", rows.items())
                    connection.execute("COMMIT")
            finally:
                connection.close()
        return cls(place, header, keys)

    @classmethod
    def open(cls, path: str | os.PathLike[str], source: Source) -> Vault:
        """The vault at ``path``, which is not written to.

        Raises `VaultError` ("vault_missing", "vault_damaged", "vault_version", "passphrase_wrong",
        those of the keyring, "vault_busy", "vault_storage").
        """
        place = Path(path)
        header = header_of(place)
        return cls(place, header, Keys(header.unwrap(source), header.vault_id))

    @property
    def is_open(self) -> bool:
        """Whether the key is still held."""
        return self._keys is not None

    def close(self) -> None:
        """Forget the key. A block that is running fails at its next seal and writes nothing."""
        self._keys = None

    def __enter__(self) -> Vault:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def read(self) -> Iterator[Reading]:
        """A view of one moment. Raises `VaultError`."""
        with self._connected(writable=True) as connection, translated():
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            self._require_same(connection)
            try:
                yield Reading(self, connection)
            finally:
                _roll_back(connection)

    @contextmanager
    def write(self) -> Iterator[Writing]:
        """The one writing transaction, of all threads and processes; waits for its turn, 10 s.

        Committed, durably, when the block ends without an exception. Raises `VaultError`; lets
        `sqlite3.IntegrityError` through.
        """
        opened = identity(self.path)
        with self._connected(writable=True) as connection:
            failures: list[VaultError] = []
            try:
                with translated():
                    use_log(connection)
                    keep_ledger(connection, self._accounting(failures))
                    connection.execute("BEGIN IMMEDIATE")
                    self._require_same(connection)
                    if identity(self.path) != opened:
                        # Restored while this one waited: it would write into the file that is kept.
                        raise VaultError("vault_busy")
                    yield Writing(self, connection)
                    self._require_keys()  # locked meanwhile: nothing is written
                    connection.execute("COMMIT")
            except BaseException as error:
                _roll_back(connection)
                if failures and isinstance(error, sqlite3.Error):
                    raise failures[0] from None
                raise

    def change(self, source: Source, *, scrypt: ScryptCost | None = None) -> None:
        """From now on the vault opens by ``source`` alone: the data key is wrapped anew, in one
        write. Copies that were made before still open as they did.

        Raises `VaultError` ("passphrase_weak", those of the keyring, those of `write`).
        """
        keys = self._require_keys()
        with self.read() as reading:
            created_at = read_header(reading.connection).created_at
        # Outside the write: scrypt takes its time. If the write fails, a new key stays in the
        # keyring: nobody can be sure here that it opens nothing.
        header = wrap(keys.data_key, self.vault_id, created_at, source, scrypt or ScryptCost())
        with self.write() as writing:
            writing.connection.execute("DELETE FROM header WHERE name <> 'ledger'")
            writing.connection.executemany(
                "INSERT INTO header VALUES (?, ?)", header.rows().items()
            )

    def check(self) -> list[str]:
        """Read and unseal everything, writing nothing; the names of what is damaged.

        Found are: what SQLite finds in its own structures, rows that do not unseal, and rows that
        were added, removed or changed by anything but this program. Not found is a whole file put
        back to what it was before. Raises `VaultError` where too little can be read to tell.
        """
        keys = self._require_keys()
        connection = connect(self.path, writable=False)
        try:
            with translated(whole=True):
                connection.execute("BEGIN")
                self._require_same(connection)
                return _damage(connection, keys)
        finally:
            connection.close()

    def require_whole(self) -> None:
        """Raise `VaultError` ("vault_damaged") if `check` finds anything."""
        if self.check():
            raise VaultError("vault_damaged")

    # -- inside -----------------------------------------------------------------------------------

    def _require_keys(self) -> Keys:
        keys = self._keys
        if keys is None:
            raise VaultError("vault_locked")
        return keys

    def _require_same(self, connection: sqlite3.Connection) -> None:
        """Refuse a file that was put in this one's place, or whose tables changed."""
        if read_header(connection).vault_id != self.vault_id:
            raise VaultError("vault_locked")

    @contextmanager
    def _connected(self, *, writable: bool) -> Iterator[sqlite3.Connection]:
        self._require_keys()
        connection = connect(self.path, writable=writable)
        try:
            yield connection
        finally:
            with suppress(sqlite3.Error):
                connection.close()

    def _accounting(self, failures: list[VaultError]) -> Any:
        def account(*values: Any) -> bytes:
            try:
                return self._require_keys().account(*values)
            except VaultError as error:  # SQLite would tell of it as an error without a name
                failures.append(error)
                raise

        return account


def header_of(path: Path) -> Header:
    """The header of the vault at ``path``, read without any right to write. Raises `VaultError`."""
    try:
        return _header_of(path)
    except VaultError as error:
        if not is_half_done(error):
            raise
    undo_half_done(path)
    return _header_of(path)


def _header_of(path: Path) -> Header:
    connection = connect(path, writable=False)
    try:
        return read_header(connection)
    finally:
        connection.close()


def bound_columns(
    place: str, row: sqlite3.Row | Mapping[str, Any]
) -> tuple[str, dict[str, str | int | None]]:
    """A row's name, and the clear columns that its seal is bound to (bytes as hexadecimal)."""
    name, columns = BOUND[place]
    clear = {column: row[column] for column in columns}
    return row[name], {
        column: value.hex() if isinstance(value, bytes) else value
        for column, value in clear.items()
    }


def _require_bound(place: str, clear: Clear) -> Clear:
    if place not in BOUND or set(BOUND[place][1]) != set(clear):
        raise ValueError("seal: not the clear columns of this place")
    return clear


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _damage(connection: sqlite3.Connection, keys: Keys) -> list[str]:
    """The names of what is damaged; see `Vault.check`."""
    told = [row[0] for row in connection.execute("PRAGMA integrity_check(1)")]
    damaged = [] if told == ["ok"] else ["structure"]
    count = total = 0
    places = {table: [place for place in BOUND if table_of(place) == table] for table in COLUMNS}
    for table, columns in COLUMNS.items():
        for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table}"):
            count += 1
            total += keys.row_value(table, tuple(row))
            for place in places[table]:
                if row[column_of(place)] is None and place != table:
                    continue
                try:
                    name, clear = bound_columns(place, row)
                    keys.unseal(place, name, row[column_of(place)], clear)
                except VaultError:
                    damaged.append(f"{place} {row[BOUND[place][0]]}")
    found = connection.execute("SELECT value FROM header WHERE name = 'ledger'").fetchone()
    try:
        is_all = found is not None and keys.read_ledger(found[0]) == (count, total % 2**256)
    except VaultError:
        is_all = False
    return damaged if is_all else [*damaged, "ledger"]
