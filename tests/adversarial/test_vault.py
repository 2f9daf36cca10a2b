"""Whoever can write the file, and has no key: what he changes is found, and costs little to find.

Each test changes the vault of `vault`, which opens, unseals and passes its check as it is
(`test_the_vault_that_all_others_change_is_whole`).
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from optician.vault import database
from optician.vault.copies import inspect, restore
from optician.vault.errors import VaultError
from optician.vault.keys import TAG, Keys, Passphrase, canonical
from optician.vault.vault import Vault, header_of
from tests.support.vaults import (
    CHEAP,
    OTHER_TEXT,
    code_of,
    contents,
    edit,
    files_of,
    fill,
    insert_claim,
    make_vault,
    passphrase,
)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "shop.vault") as made:
        fill(made)
        yield made


def swap(table: str, column: str, one: str, other: str) -> tuple[str, ...]:
    """Statements that exchange a column of the rows for which two conditions hold."""
    return (
        "CREATE TEMP TABLE kept AS "
        f"SELECT (SELECT {column} FROM {table} WHERE {one}) AS a, "
        f"(SELECT {column} FROM {table} WHERE {other}) AS b",
        f"UPDATE {table} SET {column} = (SELECT b FROM kept) WHERE {one}",
        f"UPDATE {table} SET {column} = (SELECT a FROM kept) WHERE {other}",
    )


ONE, TWO = "claim_id = 'claim-1'", "claim_id = 'claim-2'"

CHANGES: dict[str, tuple[str, ...]] = {
    "contents of two claims exchanged": swap("claims", "content", ONE, TWO),
    "openings of two claims exchanged": swap("claims", "openings", ONE, TWO),
    "names of two entries exchanged": swap(
        "entries", "content", "name = 'insurer-1' AND kind = 'insurer'", "name = 'insurer-2'"
    ),
    "kinds of two entries exchanged": swap(
        "entries",
        "content",
        "name = 'insurer-1' AND kind = 'insurer'",
        "name = 'insurer-1' AND kind = 'settings'",
    ),
    "lines of two attestations exchanged": swap("attestations", "content", "line = 1", "line = 2"),
    "openings in the place of the content": (f"UPDATE claims SET content = openings WHERE {ONE}",),
    "content in the place of the openings": (f"UPDATE claims SET openings = content WHERE {ONE}",),
    "a row of another table": (
        "UPDATE audits SET content = (SELECT content FROM attestations WHERE line = 1) "
        f"WHERE {ONE}",
    ),
    "a sealed entry sent instead of a claim": (
        f"UPDATE outbox SET content = (SELECT content FROM claims WHERE {ONE}) WHERE {ONE}",
    ),
    "another claim sent": swap("outbox", "content", ONE, TWO),
    "the state of a claim": (f"UPDATE claims SET state = 'granted' WHERE {ONE}",),
    "the day of a claim": (f"UPDATE claims SET day = '2020-10-06' WHERE {ONE}",),
    "the moment of a claim": (f"UPDATE claims SET made_at = '2020' WHERE {ONE}",),
    "the end of the openings": (f"UPDATE claims SET erase_at = '2020-10-06' WHERE {ONE}",),
    "the sale of a claim": (f"UPDATE claims SET sale_key = NULL WHERE {ONE}",),
    "the number of a claim": (f"UPDATE claims SET claim_id = 'claim-3' WHERE {ONE}",),
    "the kind of what is sent": (f"UPDATE outbox SET kind = 'cancel' WHERE {ONE}",),
    "the claim of an attestation": ("UPDATE attestations SET claim_id = 'claim-2' WHERE line = 1",),
    "the state of an audit": (f"UPDATE audits SET state = 'answered' WHERE {ONE}",),
    "the end of an audit": (f"UPDATE audits SET answer_by = '2030-01-01' WHERE {ONE}",),
    "a seal cut short": (f"UPDATE claims SET content = substr(content, 1, 20) WHERE {ONE}",),
    "a seal of nothing": (f"UPDATE claims SET content = x'' WHERE {ONE}",),
    "a seal with a byte more": (
        f"UPDATE claims SET content = CAST(content || x'00' AS BLOB) WHERE {ONE}",
    ),
}
"""What the seals find at the row that is read."""

OF_ROWS: dict[str, tuple[str, ...]] = {
    "a claim less": (f"DELETE FROM claims WHERE {ONE}",),
    "an audit less": (f"DELETE FROM audits WHERE {ONE}",),
    "the openings less": (f"UPDATE claims SET openings = NULL WHERE {ONE}",),
    "a claim twice": (
        "INSERT INTO claims(claim_id, state, made_at, day, erase_at, content) "
        f"SELECT 'claim-3', state, made_at, day, erase_at, content FROM claims WHERE {ONE}",
    ),
    "what is sent twice": (
        "INSERT INTO outbox(claim_id, kind, content) "
        f"SELECT claim_id, kind, content FROM outbox WHERE {ONE}",
    ),
    "what is sent put off": (f"UPDATE outbox SET due_at = 9999999999 WHERE {ONE}",),
    "what is sent in another order": (f"UPDATE outbox SET sequence = 99 WHERE {ONE}",),
    "a ledger less": ("DELETE FROM header WHERE name = 'ledger'",),
    "another ledger": ("UPDATE header SET value = x'00' WHERE name = 'ledger'",),
    "an empty ledger": ("UPDATE header SET value = zeroblob(68) WHERE name = 'ledger'",),
}
"""What the ledger finds when the whole is checked."""


def test_the_vault_that_all_others_change_is_whole(vault: Vault) -> None:
    assert vault.check() == []
    assert len(contents(vault)) == 11
    edit(vault.path, f"UPDATE claims SET state = state WHERE {ONE}")  # touched, not changed
    assert vault.check() == []


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_does_not_unseal(vault: Vault, name: str) -> None:
    edit(vault.path, *CHANGES[name])
    with pytest.raises(VaultError) as error:
        contents(vault)
    assert code_of(error) == "vault_damaged"
    assert len(vault.check()) >= 2  # the row, and the ledger


@pytest.mark.parametrize("name", OF_ROWS)
def test_rows_that_go_come_or_move_are_found_by_the_check(vault: Vault, name: str) -> None:
    edit(vault.path, *OF_ROWS[name])
    assert "ledger" in vault.check()
    with pytest.raises(VaultError) as error:
        vault.require_whole()
    assert code_of(error) == "vault_damaged"


def test_a_row_put_back_to_an_older_state_is_found(vault: Vault, tmp_path: Path) -> None:
    shutil.copy(vault.path, tmp_path / "old.vault")
    with vault.write() as writing:
        row = dict(writing.connection.execute(f"SELECT * FROM claims WHERE {ONE}").fetchone())
        row["state"] = "granted"
        row["content"] = writing.seal_row("claims", row, b"granted")
        writing.connection.execute(
            f"UPDATE claims SET state = :state, content = :content WHERE {ONE}", row
        )
    assert vault.check() == []
    edit(
        vault.path,
        f"ATTACH '{tmp_path / 'old.vault'}' AS old",
        f"UPDATE claims SET (state, content) = "
        f"(SELECT state, content FROM old.claims WHERE {ONE}) WHERE {ONE}",
    )
    contents(vault)  # its own seal is genuine
    assert vault.check() == ["ledger"]


def test_rows_and_ledger_of_an_older_state_do_not_go_with_one_row_of_a_newer(
    vault: Vault, tmp_path: Path
) -> None:
    shutil.copy(vault.path, tmp_path / "old.vault")
    with vault.write() as writing:
        insert_claim(writing, 3)
    edit(
        vault.path,
        f"ATTACH '{tmp_path / 'old.vault'}' AS old",
        "UPDATE header SET value = (SELECT value FROM old.header WHERE name = 'ledger') "
        "WHERE name = 'ledger'",
    )
    assert vault.check() == ["ledger"]


def test_the_whole_file_put_back_is_not_found(vault: Vault, tmp_path: Path) -> None:
    # Said in docs/vault.md: nothing inside a file can tell that there was a later one.
    old = vault.path.read_bytes()
    with vault.write() as writing:
        insert_claim(writing, 3)
    vault.path.write_bytes(old)
    assert vault.check() == []


def test_a_row_of_another_vault_does_not_unseal(vault: Vault, tmp_path: Path) -> None:
    with make_vault(tmp_path / "other.vault") as other:
        fill(other)
    edit(
        vault.path,
        f"ATTACH '{tmp_path / 'other.vault'}' AS other",
        f"UPDATE claims SET content = (SELECT content FROM other.claims WHERE {ONE}) WHERE {ONE}",
    )
    with pytest.raises(VaultError) as error:
        contents(vault)
    assert code_of(error) == "vault_damaged"


# -- the header -----------------------------------------------------------------------------------


def forge(path: Path, **changes: object) -> None:
    """Change the header, with the checksum that anybody can work out."""
    rows = header_of(path).rows() | changes
    del rows["checksum"]
    checksum = hashlib.sha256(TAG + b"/header" + canonical(rows)).digest()
    with sqlite3.connect(path) as connection:
        for name, value in {**rows, "checksum": checksum}.items():
            connection.execute("UPDATE header SET value = ? WHERE name = ?", (value, name))
    connection.close()


def test_a_forged_header_of_the_same_values_opens(vault: Vault) -> None:
    forge(vault.path)
    with Vault.open(vault.path, passphrase()) as opened:
        assert contents(opened) == contents(vault)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("vault_id", b"0" * 16, "passphrase_wrong"),
        ("created_at", "2020-01-01T00:00:00Z", "passphrase_wrong"),
        ("scrypt_salt", b"0" * 32, "passphrase_wrong"),
        ("scrypt_n", 2**11, "passphrase_wrong"),
        ("scrypt_r", 2, "passphrase_wrong"),
        ("scrypt_p", 2, "passphrase_wrong"),
        ("wrapped", b"0" * 60, "passphrase_wrong"),
        ("wrapped", b"0" * 59, "vault_damaged"),
        ("wrapped", "text", "vault_damaged"),
        ("format_version", 2, "vault_version"),
        ("format_version", 0, "passphrase_wrong"),
        ("source", "keyring", "vault_damaged"),
        ("source", "nobody", "vault_damaged"),
        ("vault_id", b"0" * 15, "vault_damaged"),
        ("scrypt_salt", b"", "vault_damaged"),
        ("scrypt_n", "1024", "vault_damaged"),
    ],
)
def test_a_changed_header_does_not_open(vault: Vault, name: str, value: object, code: str) -> None:
    forge(vault.path, **{name: value})
    before = files_of(vault.path)
    with pytest.raises(VaultError) as error:
        Vault.open(vault.path, passphrase())
    assert code_of(error) == code
    assert files_of(vault.path) == before


@pytest.mark.parametrize("name", ["vault_id", "scrypt_n", "wrapped", "checksum"])
def test_a_header_with_a_row_less_is_damaged(vault: Vault, name: str) -> None:
    edit(vault.path, f"DELETE FROM header WHERE name = '{name}'")
    with pytest.raises(VaultError) as error:
        Vault.open(vault.path, passphrase())
    assert code_of(error) == "vault_damaged"


def test_a_header_changed_by_accident_is_told_from_a_wrong_passphrase(vault: Vault) -> None:
    edit(vault.path, "UPDATE header SET value = zeroblob(32) WHERE name = 'scrypt_salt'")
    with pytest.raises(VaultError) as error:
        Vault.open(vault.path, passphrase())
    assert code_of(error) == "vault_damaged"


@pytest.mark.parametrize(
    ("n", "r", "p"),
    [
        (2**30, 8, 1),
        (2**62, 1, 1),
        (2**10, 2**40, 1),
        (2**10, 8, 2**40),
        (2**18, 16, 1),
        (2**18, 8, 8),
        (2**17 + 1, 8, 1),
        (2**9, 8, 1),
        (-(2**17), 8, 1),
        (2**17, 0, 1),
        (2**17, 8, -1),
    ],
)
def test_a_cost_that_exhausts_the_machine_is_refused_before_anything_is_derived(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, n: int, r: int, p: int
) -> None:
    forge(vault.path, scrypt_n=n, scrypt_r=r, scrypt_p=p)
    monkeypatch.setattr(Passphrase, "derive", lambda *_: pytest.fail("derived"))
    for look in (lambda: Vault.open(vault.path, passphrase()), lambda: inspect(vault.path)):
        with pytest.raises(VaultError) as error:
            look()
        assert code_of(error) == "vault_damaged"


# -- what runs with the file ----------------------------------------------------------------------

SCHEMAS: dict[str, tuple[str, ...]] = {
    "a trigger": ("CREATE TRIGGER spy AFTER UPDATE ON claims BEGIN DELETE FROM audits; END",),
    "a view": ("CREATE VIEW spy AS SELECT * FROM claims",),
    "a table more": ("CREATE TABLE spy(a)",),
    "a table less": ("DROP TABLE audits",),
    "a column more": ("ALTER TABLE audits ADD COLUMN spy TEXT",),
    "an index less": ("DROP INDEX claims_by_state",),
    "a view in the place of a table": (
        "ALTER TABLE audits RENAME TO kept",
        "CREATE VIEW audits AS SELECT * FROM kept",
    ),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_other_tables_than_ours_are_refused_open_or_not(vault: Vault, name: str) -> None:
    edit(vault.path, *SCHEMAS[name])
    doors: tuple[Callable[[], object], ...] = (
        lambda: Vault.open(vault.path, passphrase()),
        lambda: inspect(vault.path),
        lambda: contents(vault),
        lambda: vault.check(),
        lambda: vault.change(Passphrase(OTHER_TEXT), scrypt=CHEAP),
    )
    for door in doors:
        with pytest.raises(VaultError) as error:
            door()
        assert code_of(error) == "vault_damaged"


def test_a_value_beyond_the_limit_is_not_read(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(vault.path, f"UPDATE claims SET content = zeroblob(2000000) WHERE {ONE}")
    monkeypatch.setattr(database, "MAX_VALUE_BYTES", 2**20)
    monkeypatch.setattr(Keys, "unseal", lambda *_: b"")  # whatever it is, it is not handed on
    with pytest.raises(VaultError) as error:
        contents(vault)
    assert code_of(error) == "vault_damaged"
    monkeypatch.setattr(database, "MAX_VALUE_BYTES", 2**22)
    contents(vault)


def test_another_vault_in_its_place_is_not_written_to(vault: Vault, tmp_path: Path) -> None:
    with make_vault(tmp_path / "other.vault"):
        pass
    shutil.copy(tmp_path / "other.vault", vault.path)
    before = files_of(vault.path)
    with pytest.raises(VaultError) as error, vault.write() as writing:
        insert_claim(writing, 9)
    assert code_of(error) == "vault_locked"
    assert files_of(vault.path) == before


def test_a_back_up_that_was_changed_is_not_restored(vault: Vault, tmp_path: Path) -> None:
    copy = tmp_path / "copy.vault"
    shutil.copy(vault.path, copy)
    edit(copy, f"DELETE FROM claims WHERE {ONE}")
    before = files_of(vault.path)
    with pytest.raises(VaultError) as error:
        restore(copy, vault.path, passphrase(), replace=True)
    assert code_of(error) == "not_a_backup"
    assert files_of(vault.path) == before
    assert {path.name for path in tmp_path.iterdir() if "-" not in path.name} == {
        *("shop.vault", "copy.vault")
    }
