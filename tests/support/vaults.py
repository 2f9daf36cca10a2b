"""Small vaults: cheap keys, made-up rows in every table, and all that is in one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from optician.vault.database import SIDE_FILES
from optician.vault.errors import VaultError
from optician.vault.files import beside
from optician.vault.keys import Passphrase, ScryptCost
from optician.vault.layout import BOUND, COLUMNS, column_of, table_of
from optician.vault.vault import Vault, Writing

TEXT = "correct horse battery"
OTHER_TEXT = "another horse, a battery"
CHEAP = ScryptCost(n=2**10, r=1, p=1)
"""For tests alone: as little work as a header may ask for."""

CLAIM = {
    "claim_id": "claim-1",
    "sale_key": None,
    "state": "pending",
    "made_at": "2020-10-05T10:00:00Z",
    "day": "2020-10-05",
    "erase_at": "2023-10-06",
}


def passphrase() -> Passphrase:
    """What opens the vaults of `make_vault`."""
    return Passphrase(TEXT)


def make_vault(path: Path) -> Vault:
    """An empty one."""
    return Vault.create(path, passphrase(), scrypt=CHEAP)


def insert(writing: Writing, place: str, row: Mapping[str, Any], **contents: bytes) -> None:
    """A row of a table, with its contents sealed."""
    sealed = {
        column: writing.seal_row(place if column == "content" else f"{place}.{column}", row, text)
        for column, text in contents.items()
    }
    columns = {**row, **sealed}
    marks = ", ".join("?" * len(columns))
    writing.connection.execute(
        f"INSERT INTO {place} ({', '.join(columns)}) VALUES ({marks})", list(columns.values())
    )


def insert_claim(writing: Writing, number: int, **changes: Any) -> None:
    """A claim with openings, and its entry in the outbox."""
    row = CLAIM | {"claim_id": f"claim-{number}", "sale_key": writing.index(f"sale-{number}")}
    row |= changes
    insert(writing, "claims", row, content=b"claim %d" % number, openings=b"openings %d" % number)
    entry = {"claim_id": row["claim_id"], "kind": "claim", "due_at": number}
    insert(writing, "outbox", entry, content=b"to send %d" % number)


def fill(vault: Vault) -> None:
    """Two rows or more in every table."""
    with vault.write() as writing:
        for number in (1, 2):
            entry = {"kind": "insurer", "name": f"insurer-{number}"}
            insert(writing, "entries", entry, content=b"profile %d" % number)
            insert_claim(writing, number)
            attestation = {"digest": f"digest-{number}", "claim_id": "claim-1", "line": number}
            insert(writing, "attestations", attestation, content=b"attestation %d" % number)
            audit = {
                "case_id": f"case-{number}",
                "claim_id": f"claim-{number}",
                "state": "open",
                "answer_by": "2020-12-01",
            }
            insert(writing, "audits", audit, content=b"audit %d" % number)
        insert(writing, "entries", {"kind": "settings", "name": "insurer-1"}, content=b"settings")


def contents(vault: Vault) -> list[tuple[object, ...]]:
    """Every row with everything unsealed. Raises `VaultError`."""
    found: list[tuple[object, ...]] = []
    with vault.read() as reading:
        for table, columns in COLUMNS.items():
            for row in reading.connection.execute(f"SELECT * FROM {table}"):
                values: dict[str, object] = dict(zip(columns, tuple(row), strict=True))
                for place in BOUND:
                    column = column_of(place)
                    if table_of(place) == table and row[column] is not None:
                        values[column] = reading.unseal_row(place, row)
                found.append((table, *values.values()))
    return sorted(found, key=repr)


def files_of(path: Path) -> dict[str, bytes]:
    """The bytes of a vault's file, and of its log if that holds anything."""
    found = {}
    for suffix in ("", "-wal", "-journal"):
        name = beside(path, suffix)
        if name.exists() and (data := name.read_bytes()):
            found[suffix] = data
    return found


def put(path: Path, data: bytes) -> None:
    """A file in the place of a vault, without any log."""
    for suffix in SIDE_FILES:
        beside(path, suffix).unlink(missing_ok=True)
    path.write_bytes(data)


def edit(path: Path, *statements: str) -> None:
    """Change the file as a program would that knows nothing of the vault."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for statement in statements:
            connection.execute(statement)
    finally:
        connection.close()


def code_of(error: pytest.ExceptionInfo[VaultError]) -> str:
    """The code of what was raised."""
    return error.value.code


class FakeKeyring:
    """A store of keys in memory, which can refuse."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.is_refusing = False

    def _require(self) -> None:
        if self.is_refusing:
            raise RuntimeError("the system says no")

    def get_password(self, service: str, username: str) -> str | None:
        """As `keyring`'s."""
        self._require()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """As `keyring`'s."""
        self._require()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """As `keyring`'s."""
        self._require()
        del self.kept[service, username]
