"""The vault's transactions, its seals, its lock and its change of passphrase."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from optician import vault as package
from optician.vault import database
from optician.vault.copies import backup
from optician.vault.errors import VAULT_WORDS, VaultError
from optician.vault.files import beside, default_path
from optician.vault.keys import BLOCK_BYTES, KeyringKey, Passphrase, ScryptCost
from optician.vault.layout import BOUND, COLUMNS, column_of, table_of
from optician.vault.vault import Vault, header_of
from tests.support.vaults import (
    CHEAP,
    CLAIM,
    OTHER_TEXT,
    TEXT,
    FakeKeyring,
    code_of,
    contents,
    edit,
    files_of,
    fill,
    insert_claim,
    make_vault,
    passphrase,
    put,
)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path / "shop.vault") as made:
        yield made


def test_what_was_written_is_there_when_it_is_opened_again(vault: Vault) -> None:
    fill(vault)
    with Vault.open(vault.path, passphrase()) as again:
        assert contents(again) == contents(vault)
        assert again.vault_id == vault.vault_id
        assert {row[0] for row in contents(again)} == set(COLUMNS)


def test_the_layout_names_every_column_and_every_seal(vault: Vault) -> None:
    with vault.read() as reading:
        for table, columns in COLUMNS.items():
            found = reading.connection.execute(f"PRAGMA table_info({table})").fetchall()
            assert tuple(row["name"] for row in found) == columns
            blobs = {row["name"] for row in found if row["type"] == "BLOB"} - {"sale_key"}
            assert blobs == {column_of(place) for place in BOUND if table_of(place) == table}
            for place, (name, clear) in BOUND.items():
                assert table_of(place) != table or {name, *clear} <= set(columns)


def test_the_file_holds_no_content_and_no_sale_number(vault: Vault) -> None:
    fill(vault)
    data = b"".join(files_of(vault.path).values())
    for secret in (b"openings 1", b"profile", b"to send", b"sale-1", TEXT.encode()):
        assert secret not in data
    assert b"claim-1" in data  # what stands in clear does so


def test_equal_contents_have_different_seals(vault: Vault) -> None:
    with vault.write() as writing:
        seals = {writing.seal_row("claims", CLAIM, b"the same") for _ in range(10)}
    assert len(seals) == 10


def test_settings_of_every_connection(vault: Vault) -> None:
    with vault.write() as writing:
        found = {
            name: writing.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                *("journal_mode", "synchronous", "secure_delete", "trusted_schema"),
                *("foreign_keys", "application_id", "user_version", "cell_size_check"),
            )
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "trusted_schema": 0,
        "foreign_keys": 1,
        "application_id": 0x436C4F62,
        "user_version": 1,
        "cell_size_check": 1,
    }


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["a b?mode=rwc", "50%20#1", "é&x=1", "'quoted\"", "file:x"])
def test_any_name_of_a_file_is_that_file(tmp_path: Path, name: str) -> None:
    with make_vault(tmp_path / name) as vault:
        fill(vault)
        vault.require_whole()
    assert [path.name for path in tmp_path.iterdir() if "-" not in path.name] == [name]
    Vault.open(tmp_path / name, passphrase()).close()


def test_a_vault_stays_where_it_is_whatever_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with make_vault(Path("shop.vault")) as vault:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        fill(vault)
        assert len(contents(vault)) == 11


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    with make_vault(tmp_path / "folder" / "shop.vault") as vault, vault.write():
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode) for path in vault.path.parent.iterdir()
        }
        assert set(modes.values()) == {0o600}
        assert "shop.vault-wal" in modes
        assert stat.S_IMODE(vault.path.parent.stat().st_mode) == 0o700


# -- seals ----------------------------------------------------------------------------------------


def test_a_seal_opens_with_the_same_columns_alone(vault: Vault) -> None:
    clear = {name: CLAIM[name] for name in BOUND["claims"][1]}
    with vault.write() as writing:
        sealed = writing.seal("claims", "claim-1", b"content", clear)
        assert writing.unseal("claims", "claim-1", sealed, clear) == b"content"
        for place, name, columns in (
            ("claims", "claim-2", clear),
            ("claims", "claim-1", clear | {"state": "granted"}),
            ("claims", "claim-1", clear | {"sale_key": "00"}),
            ("claims.openings", "claim-1", {}),
        ):
            with pytest.raises(VaultError) as error:
                writing.unseal(place, name, sealed, columns)
            assert code_of(error) == "vault_damaged"


def test_every_change_of_a_seal_is_found(vault: Vault) -> None:
    with vault.write() as writing:
        sealed = writing.seal("claims.openings", "claim-1", b"text")
        assert len(sealed) == BLOCK_BYTES + 28
        for position in range(0, len(sealed), 3):
            changed = bytearray(sealed)
            changed[position] ^= 1
            with pytest.raises(VaultError):
                writing.unseal("claims.openings", "claim-1", bytes(changed))
        for size in range(0, len(sealed), 3):
            with pytest.raises(VaultError):
                writing.unseal("claims.openings", "claim-1", sealed[:size])


def test_the_length_of_a_seal_counts_no_digits(vault: Vault) -> None:
    with vault.write() as writing:
        for size, blocks in ((0, 1), (1, 1), (1020, 1), (1021, 2), (2044, 2), (2045, 3)):
            sealed = writing.seal("claims.openings", "claim-1", b"x" * size)
            assert len(sealed) == blocks * 1024 + 28
            assert writing.unseal("claims.openings", "claim-1", sealed) == b"x" * size


def test_what_is_erased_is_no_longer_in_the_file(vault: Vault) -> None:
    fill(vault)
    with vault.read() as reading:
        (openings,) = reading.connection.execute(
            "SELECT openings FROM claims WHERE claim_id = 'claim-1'"
        ).fetchone()
    wrapped = header_of(vault.path).wrapped
    assert openings in vault.path.read_bytes()
    assert wrapped in vault.path.read_bytes()
    with vault.write() as writing:
        writing.connection.execute("UPDATE claims SET openings = NULL")
    vault.change(Passphrase(OTHER_TEXT), scrypt=CHEAP)
    data = b"".join(files_of(vault.path).values())
    assert openings[:40] not in data
    assert openings[-40:] not in data
    assert wrapped not in data


@pytest.mark.parametrize(
    ("place", "clear"),
    [
        ("claims", {}),
        ("entries", {"kind": "a", "name": "b"}),
        ("claims.openings", {"state": "pending"}),
        ("header", {}),
        ("nothing", {}),
    ],
)
def test_columns_that_the_check_could_not_know_are_not_sealed(
    vault: Vault, place: str, clear: dict[str, str]
) -> None:
    with vault.write() as writing, pytest.raises(ValueError, match="clear columns"):
        writing.seal(place, "name", b"", clear)


def test_the_index_finds_an_equal_text_in_this_vault_alone(vault: Vault, tmp_path: Path) -> None:
    with vault.read() as reading, make_vault(tmp_path / "other.vault") as other:
        assert reading.index("sale-1") == reading.index("sale-1") != reading.index("sale-2")
        assert len(reading.index("")) == 32
        with other.read() as elsewhere:
            assert elsewhere.index("sale-1") != reading.index("sale-1")


# -- transactions ---------------------------------------------------------------------------------


def test_a_write_that_fails_writes_nothing(vault: Vault) -> None:
    fill(vault)
    before = contents(vault)

    def work() -> None:
        with vault.write() as writing:
            insert_claim(writing, 3)
            writing.connection.execute("DELETE FROM entries")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert contents(vault) == before
    vault.require_whole()


def test_a_constraint_is_for_who_wrote_the_statement(vault: Vault) -> None:
    fill(vault)
    with vault.write() as writing:
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            insert_claim(writing, 1)
        insert_claim(writing, 3)  # and he may go on
    assert len([row for row in contents(vault) if row[0] == "claims"]) == 3
    vault.require_whole()


def test_a_statement_that_is_wrong_is_a_fault_of_the_program(vault: Vault) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"), vault.read() as reading:
        reading.connection.execute("SELECT * FROM missing")


def test_reading_cannot_write(vault: Vault) -> None:
    with pytest.raises(VaultError) as error, vault.read() as reading:
        reading.connection.execute("DELETE FROM entries")
    assert code_of(error) == "vault_storage"


def test_a_reader_sees_one_moment(vault: Vault) -> None:
    with vault.read() as reading:
        count = "SELECT count(*) FROM claims"
        assert reading.connection.execute(count).fetchone()[0] == 0
        with vault.write() as writing:
            insert_claim(writing, 1)
        assert reading.connection.execute(count).fetchone()[0] == 0
    assert len(contents(vault)) == 2


def test_a_second_writer_waits_and_then_gives_up(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with vault.write() as writing:
        insert_claim(writing, 1)
        with pytest.raises(VaultError) as error, vault.write():
            pass
        assert code_of(error) == "vault_busy"
    with vault.write() as writing:
        insert_claim(writing, 2)
    vault.require_whole()


def test_threads_share_a_vault(vault: Vault) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 5):
            with vault.write() as writing:
                insert_claim(writing, number)
            contents(vault)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(contents(vault)) == 30
    vault.require_whole()


def test_the_ledger_follows_every_kind_of_statement(vault: Vault) -> None:
    fill(vault)
    entry = {"kind": "insurer", "name": "insurer-1"}
    with vault.write() as writing:
        execute = writing.connection.execute
        text = writing.seal_row("entries", entry, b"anew")
        execute("INSERT OR REPLACE INTO entries VALUES ('insurer', 'insurer-1', ?)", (text,))
        execute("INSERT OR IGNORE INTO entries VALUES ('insurer', 'insurer-2', ?)", (text,))
        execute(
            "INSERT INTO entries VALUES ('insurer', 'insurer-1', ?) "
            "ON CONFLICT DO UPDATE SET content = excluded.content",
            (writing.seal_row("entries", entry, b"again"),),
        )
        execute("UPDATE outbox SET attempts = attempts + 1, due_at = NULL")
        execute("UPDATE claims SET openings = NULL WHERE claim_id = 'claim-1'")
        execute("SAVEPOINT kept")
        execute("DELETE FROM claims")
        execute("ROLLBACK TO kept")
        execute("DELETE FROM attestations")
        execute("DELETE FROM audits WHERE case_id = 'case-1'")
    assert vault.check() == []
    assert ("entries", "insurer", "insurer-1", b"again") in contents(vault)


def test_nothing_is_left_beside_the_file_between_blocks(vault: Vault) -> None:
    fill(vault)
    contents(vault)
    assert [path.name for path in vault.path.parent.iterdir()] == ["shop.vault"]


# -- opening, locking -----------------------------------------------------------------------------


def test_a_wrong_passphrase_leaves_every_byte_as_it_was(vault: Vault) -> None:
    fill(vault)
    before = files_of(vault.path)
    for _ in range(3):
        with pytest.raises(VaultError) as error:
            Vault.open(vault.path, Passphrase(OTHER_TEXT))
        assert code_of(error) == "passphrase_wrong"
    assert files_of(vault.path) == before


def test_a_wrong_passphrase_leaves_what_a_crash_left_too(vault: Vault, tmp_path: Path) -> None:
    with vault.read() as reading:  # an open connection keeps the log
        reading.connection.execute("SELECT * FROM header").fetchall()
        fill(vault)
        left = files_of(vault.path)
        expected = contents(vault)
    assert set(left) == {"", "-wal"}
    target = tmp_path / "left.vault"
    put(target, left[""])
    beside(target, "-wal").write_bytes(left["-wal"])
    with pytest.raises(VaultError):
        Vault.open(target, Passphrase(OTHER_TEXT))
    assert files_of(target) == left
    with Vault.open(target, passphrase()) as opened:
        assert files_of(target) == left  # the right one changes nothing either, yet
        assert contents(opened) == expected
    assert set(files_of(target)) == {""}


def test_the_same_characters_typed_otherwise_open_it(tmp_path: Path) -> None:
    composed, apart = "phrase éàü longue", "phrase e\u0301a\u0300u\u0308 longue"
    Vault.create(tmp_path / "v", Passphrase(composed), scrypt=CHEAP).close()
    Vault.open(tmp_path / "v", Passphrase(apart)).close()


def test_a_locked_vault_does_nothing(vault: Vault) -> None:
    vault.close()
    assert not vault.is_open
    for use in (
        lambda: vault.read().__enter__(),
        lambda: vault.write().__enter__(),
        lambda: vault.check(),
        lambda: vault.change(passphrase(), scrypt=CHEAP),
    ):
        with pytest.raises(VaultError) as error:
            use()
        assert code_of(error) == "vault_locked"
    vault.close()


@pytest.mark.parametrize("is_last", [False, True])
def test_a_vault_locked_during_a_write_writes_nothing(vault: Vault, is_last: bool) -> None:
    def work() -> None:
        with vault.write() as writing:
            insert_claim(writing, 1)
            vault.close()
            if not is_last:
                writing.connection.execute("DELETE FROM claims")  # the ledger needs its key

    with pytest.raises(VaultError) as error:
        work()
    assert code_of(error) == "vault_locked"
    with Vault.open(vault.path, passphrase()) as again:
        assert contents(again) == []
        again.require_whole()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, "vault_missing"),
        (b"", "vault_damaged"),
        (b"something else entirely", "vault_damaged"),
        (b"SQLite format 3\0", "vault_damaged"),
        (b"\0" * 8192, "vault_damaged"),
    ],
)
def test_what_is_no_vault_is_told(tmp_path: Path, data: bytes | None, code: str) -> None:
    path = tmp_path / "shop.vault"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(VaultError) as error:
        Vault.open(path, passphrase())
    assert code_of(error) == code
    assert (path.read_bytes() if path.exists() else None) == data


def test_another_programs_database_is_no_vault(tmp_path: Path) -> None:
    edit(tmp_path / "other.db", "CREATE TABLE claims(a)")
    with pytest.raises(VaultError) as error:
        Vault.open(tmp_path / "other.db", passphrase())
    assert code_of(error) == "vault_damaged"


def test_a_later_version_is_told(vault: Vault) -> None:
    edit(vault.path, "PRAGMA user_version = 2")
    with pytest.raises(VaultError) as error:
        Vault.open(vault.path, passphrase())
    assert code_of(error) == "vault_version"


def test_a_folder_is_no_vault(tmp_path: Path) -> None:
    with pytest.raises(VaultError) as error:
        Vault.open(tmp_path, passphrase())
    assert code_of(error) == "vault_storage"


def test_nothing_is_replaced_by_a_new_vault(vault: Vault) -> None:
    before = files_of(vault.path)
    with pytest.raises(VaultError) as error:
        make_vault(vault.path)
    assert code_of(error) == "vault_exists"
    assert files_of(vault.path) == before


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_no_vault_is_made_beside_another_ones_log(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"shop.vault{suffix}").write_bytes(b"log")
    with pytest.raises(VaultError) as error:
        make_vault(tmp_path / "shop.vault")
    assert code_of(error) == "vault_exists"


def test_what_a_crash_left_half_done_without_a_log_is_taken_back(
    vault: Vault, tmp_path: Path
) -> None:
    fill(vault)
    expected = contents(vault)
    edit(vault.path, "PRAGMA journal_mode = DELETE")
    before = vault.path.read_bytes()
    connection = sqlite3.connect(vault.path, isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")  # so that it has to write before it commits
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE claims SET content = zeroblob(100000)")
    crashed = tmp_path / "crashed.vault"
    crashed.write_bytes(vault.path.read_bytes())
    beside(crashed, "-journal").write_bytes(beside(vault.path, "-journal").read_bytes())
    connection.close()
    assert crashed.read_bytes() != before
    with Vault.open(crashed, passphrase()) as opened:
        assert crashed.read_bytes() == before
        assert contents(opened) == expected
        opened.require_whole()


def test_a_writer_that_waited_while_the_vault_was_restored_writes_nothing(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(vault)
    backup(vault.path, tmp_path / "copy.vault")

    def restored_meanwhile(connection: sqlite3.Connection) -> None:
        database.use_log(connection)
        vault.path.rename(tmp_path / "kept.vault")
        (tmp_path / "copy.vault").rename(vault.path)

    with monkeypatch.context() as patch:
        patch.setattr("optician.vault.vault.use_log", restored_meanwhile)
        with pytest.raises(VaultError) as error, vault.write() as writing:
            insert_claim(writing, 3)
    assert code_of(error) == "vault_busy"
    with vault.write() as writing:
        insert_claim(writing, 3)
    vault.require_whole()


# -- change of passphrase -------------------------------------------------------------------------


def test_a_changed_passphrase_alone_opens_it(vault: Vault) -> None:
    fill(vault)
    before, head = contents(vault), header_of(vault.path)
    vault.change(Passphrase(OTHER_TEXT), scrypt=ScryptCost(n=2**11, r=1))
    with pytest.raises(VaultError) as error:
        Vault.open(vault.path, passphrase())
    assert code_of(error) == "passphrase_wrong"
    with Vault.open(vault.path, Passphrase(OTHER_TEXT)) as again:
        assert contents(again) == before == contents(vault)
        again.require_whole()
    changed = header_of(vault.path)
    assert changed.cost == ScryptCost(n=2**11, r=1)
    assert changed.salt != head.salt
    assert (changed.vault_id, changed.created_at) == (head.vault_id, head.created_at)


def test_a_weak_passphrase_changes_nothing(vault: Vault) -> None:
    before = files_of(vault.path)
    with pytest.raises(VaultError) as error:
        vault.change(Passphrase("too short"))
    assert code_of(error) == "passphrase_weak"
    assert files_of(vault.path) == before


def test_from_a_passphrase_to_the_keyring_and_back(vault: Vault) -> None:
    fill(vault)
    before, store = contents(vault), FakeKeyring()
    vault.change(KeyringKey(store))
    assert header_of(vault.path).source == "keyring"
    with Vault.open(vault.path, KeyringKey(store)) as again:
        assert contents(again) == before
        again.change(KeyringKey(store))  # a new key under a name of its own
        assert len(store.kept) == 2
    for source, code in (
        (passphrase(), "passphrase_wrong"),
        (KeyringKey(FakeKeyring()), "keyring_missing"),
    ):
        with pytest.raises(VaultError) as error:
            Vault.open(vault.path, source)
        assert code_of(error) == code
    vault.change(passphrase(), scrypt=CHEAP)
    with pytest.raises(VaultError) as error:
        Vault.open(vault.path, KeyringKey(store))
    assert code_of(error) == "keyring_missing"
    with Vault.open(vault.path, passphrase()) as again:
        assert contents(again) == before


def test_a_keyring_that_refuses_changes_nothing(vault: Vault) -> None:
    before, store = files_of(vault.path), FakeKeyring()
    store.is_refusing = True
    with pytest.raises(VaultError) as error:
        vault.change(KeyringKey(store))
    assert code_of(error) == "keyring_refused"
    assert files_of(vault.path) == before


# -- what is shown --------------------------------------------------------------------------------


def test_neither_vault_nor_errors_show_anything(vault: Vault) -> None:
    shown = f"{vault!r} {passphrase()!r} {KeyringKey(FakeKeyring())!r} {vault._keys!r}"
    assert TEXT not in shown
    assert vault.vault_id.hex() not in shown
    for code in VAULT_WORDS:
        assert str(VaultError(code)) == VAULT_WORDS[code][0]


def test_a_default_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIROBSCUR_VAULT", "elsewhere/my.vault")
    assert default_path() == Path("elsewhere/my.vault")
    monkeypatch.delenv("CLAIROBSCUR_VAULT")
    assert default_path().name == "shop.vault"
    assert default_path().parent.name == "clairobscur"


def test_the_package_hands_out_every_name_it_lists() -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError):
        _ = package.nothing
