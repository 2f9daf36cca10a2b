"""Back-ups, restoring them, and what the file tells without its key."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from optician.vault import database
from optician.vault.copies import backup, inspect, restore
from optician.vault.errors import VaultError
from optician.vault.files import beside
from optician.vault.keys import KeyringKey, Passphrase, ScryptCost
from optician.vault.vault import Vault, header_of
from tests.support.vaults import (
    CHEAP,
    OTHER_TEXT,
    FakeKeyring,
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


@pytest.fixture
def copy(vault: Vault) -> Path:
    """A back-up of the vault, which then gets a claim more."""
    out = vault.path.with_name("copy.vault")
    backup(vault.path, out)
    with vault.write() as writing:
        insert_claim(writing, 3)
    return out


def names(folder: Path) -> set[str]:
    """What is there, without what SQLite keeps beside a file in use."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))}


# -- what stands in clear -------------------------------------------------------------------------


def test_facts_need_no_key(vault: Vault) -> None:
    before = files_of(vault.path)
    facts = inspect(vault.path)
    assert facts.rows == {"entries": 3, "claims": 2, "outbox": 2, "attestations": 2, "audits": 2}
    assert (facts.openings, facts.source, facts.format_version) == (2, "passphrase", 1)
    assert facts.scrypt == {"n": 2**10, "r": 1, "p": 1}
    assert facts.vault_id == vault.vault_id.hex()
    assert facts.file_bytes == vault.path.stat().st_size
    assert files_of(vault.path) == before
    vault.change(KeyringKey(FakeKeyring()))
    assert (inspect(vault.path).source, inspect(vault.path).scrypt) == ("keyring", None)


# -- back-ups -------------------------------------------------------------------------------------


def test_a_back_up_holds_what_the_vault_held_at_that_moment(vault: Vault, copy: Path) -> None:
    with Vault.open(copy, passphrase()) as copied:
        assert len(contents(copied)) == len(contents(vault)) - 2
        copied.require_whole()
        assert copied.vault_id == vault.vault_id


def test_a_back_up_is_one_file_that_opens_where_nothing_can_be_written(copy: Path) -> None:
    assert beside(copy, "-wal").exists() is False
    with sqlite3.connect(copy) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    connection.close()
    before = names(copy.parent)
    Vault.open(copy, passphrase()).close()
    inspect(copy)
    assert names(copy.parent) == before
    if os.name == "posix":
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_back_up_is_made_while_somebody_writes(vault: Vault, tmp_path: Path) -> None:
    before = contents(vault)
    with vault.write() as writing:
        insert_claim(writing, 3)
        facts = backup(vault.path, tmp_path / "copy.vault", source=passphrase())
    assert facts.rows["claims"] == 2
    with Vault.open(tmp_path / "copy.vault", passphrase()) as copied:
        assert contents(copied) == before
    assert len(contents(vault)) == len(before) + 2


def test_a_back_up_replaces_nothing(vault: Vault, copy: Path) -> None:
    before = copy.read_bytes()
    for out in (copy, vault.path):
        with pytest.raises(VaultError) as error:
            backup(vault.path, out)
        assert code_of(error) == "vault_exists"
    assert copy.read_bytes() == before


def test_what_is_damaged_is_not_backed_up(vault: Vault, tmp_path: Path) -> None:
    edit(vault.path, "UPDATE claims SET state = 'granted'")
    out = tmp_path / "copy.vault"
    with pytest.raises(VaultError) as error:
        backup(vault.path, out, source=passphrase())
    assert code_of(error) == "vault_damaged"
    with pytest.raises(VaultError) as error:
        backup(tmp_path / "none.vault", out)
    assert code_of(error) == "vault_missing"
    with pytest.raises(VaultError) as error:
        backup(vault.path, out, source=Passphrase(OTHER_TEXT))
    assert code_of(error) == "passphrase_wrong"
    assert names(tmp_path) == {"shop.vault"}
    backup(vault.path, out)  # without the key only the structure is seen


def test_a_back_up_that_outlives_the_machine_whose_keyring_has_the_key(
    vault: Vault, tmp_path: Path
) -> None:
    store = FakeKeyring()
    vault.change(KeyringKey(store))
    out = tmp_path / "copy.vault"
    facts = backup(
        vault.path,
        out,
        source=KeyringKey(store),
        opens_by=Passphrase(OTHER_TEXT),
        scrypt=ScryptCost(n=2**11, r=1),
    )
    assert (facts.source, facts.scrypt) == ("passphrase", {"n": 2**11, "r": 1, "p": 1})
    with Vault.open(out, Passphrase(OTHER_TEXT)) as copied:
        assert contents(copied) == contents(vault)
    assert header_of(vault.path).source == "keyring"
    assert names(tmp_path) == {"shop.vault", "copy.vault"}
    with sqlite3.connect(out) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    connection.close()
    with pytest.raises(ValueError, match="key"):
        backup(vault.path, tmp_path / "other.vault", opens_by=passphrase())


# -- restoring ------------------------------------------------------------------------------------


def test_a_back_up_is_restored_where_nothing_is(vault: Vault, copy: Path, tmp_path: Path) -> None:
    place = tmp_path / "new" / "shop.vault"
    assert restore(copy, place, passphrase()) is None
    with Vault.open(place, passphrase()) as restored:
        assert len(contents(restored)) == len(contents(vault)) - 2
        with restored.write() as writing:
            assert writing.connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            insert_claim(writing, 4)
        restored.require_whole()
    assert names(place.parent) == {"shop.vault"}


def test_a_vault_that_is_there_is_not_replaced_unless_asked(vault: Vault, copy: Path) -> None:
    before = files_of(vault.path)
    with pytest.raises(VaultError) as error:
        restore(copy, vault.path, passphrase())
    assert code_of(error) == "vault_exists"
    assert files_of(vault.path) == before


def test_a_vault_that_is_replaced_is_kept(vault: Vault, copy: Path) -> None:
    newer = contents(vault)
    kept = restore(copy, vault.path, passphrase(), replace=True)
    assert kept is not None
    assert kept.name.startswith("shop.vault.replaced-")
    with Vault.open(kept, passphrase()) as old:
        assert contents(old) == newer
    assert len(contents(vault)) == len(newer) - 2  # who had the key goes on with the back-up
    assert names(vault.path.parent) == {"shop.vault", "copy.vault", kept.name}


def test_a_vault_in_use_is_not_replaced(
    vault: Vault, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    newer = contents(vault)
    with vault.read():
        with pytest.raises(VaultError) as error:
            restore(copy, vault.path, passphrase(), replace=True)
        assert code_of(error) == "vault_busy"
    assert contents(vault) == newer
    assert names(vault.path.parent) == {"shop.vault", "copy.vault"}


@pytest.mark.parametrize("data", [b"", b"damaged", b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_damaged_vault_is_replaced_and_kept_as_it_was(
    vault: Vault, copy: Path, data: bytes
) -> None:
    vault.path.write_bytes(data)
    beside(vault.path, "-wal").write_bytes(b"its log")
    kept = restore(copy, vault.path, passphrase(), replace=True)
    assert kept is not None
    assert kept.read_bytes() == data
    assert len([row for row in contents(vault) if row[0] == "claims"]) == 2


def test_a_wrong_passphrase_restores_nothing(vault: Vault, copy: Path, tmp_path: Path) -> None:
    before = files_of(vault.path)
    for place in (vault.path, tmp_path / "new.vault"):
        with pytest.raises(VaultError) as error:
            restore(copy, place, Passphrase(OTHER_TEXT), replace=True)
        assert code_of(error) == "passphrase_wrong"
    assert files_of(vault.path) == before
    assert names(tmp_path) == {"shop.vault", "copy.vault"}


@pytest.mark.parametrize("data", [None, b"", b"no back-up", b"SQLite format 3\0"])
def test_what_is_no_back_up_restores_nothing(
    vault: Vault, tmp_path: Path, data: bytes | None
) -> None:
    other = tmp_path / "other"
    if data is not None:
        other.write_bytes(data)
    before = files_of(vault.path)
    with pytest.raises(VaultError) as error:
        restore(other, vault.path, passphrase(), replace=True)
    assert code_of(error) == "not_a_backup"
    assert files_of(vault.path) == before


def test_the_passphrase_of_a_back_up_is_the_one_of_its_time(vault: Vault, copy: Path) -> None:
    vault.change(Passphrase(OTHER_TEXT), scrypt=CHEAP)
    restore(copy, vault.path, passphrase(), replace=True)
    Vault.open(vault.path, passphrase()).close()


def test_a_file_that_was_copied_by_other_means_is_a_back_up(vault: Vault, tmp_path: Path) -> None:
    shutil.copy(vault.path, tmp_path / "copied")
    place = tmp_path / "new.vault"
    restore(tmp_path / "copied", place, passphrase())
    with Vault.open(place, passphrase()) as restored:
        assert contents(restored) == contents(vault)
