"""``optician vault``: what each command does, says and refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from optician.vault import keys, options
from optician.vault.errors import VAULT_WORDS
from optician.vault.keys import Passphrase
from optician.vault.layout import COLUMNS
from optician.vault.vault import Vault
from tests.support.commands import ROOT, Console, Done, run_process
from tests.support.vaults import (
    CHEAP,
    OTHER_TEXT,
    TEXT,
    FakeKeyring,
    edit,
    files_of,
    fill,
    make_vault,
)

PLACE = "shop.vault"


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Console:
    monkeypatch.setattr("optician.vault.vault.ScryptCost", lambda: CHEAP)
    monkeypatch.setenv("CLAIROBSCUR_VAULT", PLACE)
    monkeypatch.delenv(options.FILE_VARIABLE, raising=False)
    for name, text in (("right", TEXT), ("other", OTHER_TEXT)):
        secret = tmp_path / name
        secret.write_text(text + "\n", encoding="utf-8")
        secret.chmod(0o600)
    return Console(monkeypatch, tmp_path)


@pytest.fixture
def shop(console: Console, tmp_path: Path) -> Path:
    """A filled vault at the default place."""
    made = run(console, "create", "--passphrase-file", "right")
    assert made["source"] == "passphrase"
    with Vault.open(tmp_path / PLACE, Passphrase(TEXT)) as vault:
        fill(vault)
    return tmp_path / PLACE


def done(console: Console, *arguments: str, code: int = 0, stdin: bytes = b"") -> Done:
    result = console.run("optician", "vault", *arguments, stdin=stdin)
    assert result.code == code, (result.out, result.err)
    for secret in (TEXT, OTHER_TEXT):
        assert secret not in result.out + result.err
    return result


def run(console: Console, *arguments: str, code: int = 0, stdin: bytes = b"") -> dict[str, Any]:
    """The answer, or the error, as JSON."""
    result = done(console, *arguments, "--json", code=code, stdin=stdin)
    told: dict[str, Any] = json.loads(result.err if code == 2 else result.out)
    return told


def test_a_vault_is_made_and_described(console: Console, shop: Path) -> None:
    told = run(console, "info")
    assert set(told["rows"]) == set(COLUMNS)
    assert told["rows"]["claims"] == told["openings"] == 2
    assert told["scrypt"] == {"n": 2**10, "r": 1, "p": 1}
    assert told["vault"] == PLACE
    text = done(console, "info", "--lang", "fr").out
    assert "une phrase de passe" in text
    assert run(console, "create", code=2)["error"] == "vault_exists"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"short\n", "passphrase_weak"),
        (b"", "passphrase_wrong"),
        (b"\xff" * 20, "usage"),
        (b"two lines\nof a passphrase", "usage"),
        (b"x" * 5000, "usage"),
    ],
)
def test_what_is_no_passphrase_makes_no_vault(
    console: Console, tmp_path: Path, data: bytes, error: str
) -> None:
    told = run(console, "create", "--passphrase-file", "-", code=2, stdin=data)
    assert told["error"] == error
    assert not (tmp_path / PLACE).exists()


@pytest.mark.parametrize("data", [TEXT, f"{TEXT}\n", f"{TEXT}\r\n", f"\ufeff{TEXT}\r\n"])
def test_a_passphrase_file_of_any_editor_opens(console: Console, shop: Path, data: str) -> None:
    told = run(console, "check", "--passphrase-file", "-", stdin=data.encode())
    assert told == {"vault": PLACE, "damaged": [], "warnings": []}


def test_the_environment_names_a_passphrase_file(
    console: Console, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(options.FILE_VARIABLE, "right")
    assert run(console, "check")["damaged"] == []
    assert run(console, "check", "--passphrase-file", "other", code=2)["error"] == (
        "passphrase_wrong"
    )


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_a_passphrase_file_that_others_can_read_is_told(console: Console, shop: Path) -> None:
    (console.folder / "right").chmod(0o644)
    told = run(console, "check", "--passphrase-file", "right")
    assert told["warnings"] == [{"warning": "passphrase_mode", "where": ""}]


def test_without_a_terminal_nobody_is_asked(console: Console, shop: Path) -> None:
    assert run(console, "check", code=2)["error"] == "usage"
    both = ("--passphrase-file", "right", "--keyring")
    assert run(console, "check", *both, code=2)["error"] == "usage"


def test_on_a_terminal_the_passphrase_is_asked_for(
    console: Console, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([TEXT, OTHER_TEXT, OTHER_TEXT, OTHER_TEXT, TEXT, "something else"])
    monkeypatch.setattr(options, "_asked", lambda question: next(answers))
    told = run(console, "passphrase")  # the old one, then the new one twice
    assert told["warnings"] == [{"warning": "copies_open_as_before", "where": ""}]
    assert run(console, "passphrase", code=2)["error"] == "passphrase_differs"
    assert run(console, "check", "--passphrase-file", "other")["damaged"] == []


def test_the_passphrase_is_changed(console: Console, shop: Path) -> None:
    change = ("passphrase", "--passphrase-file", "right", "--new-passphrase-file", "other")
    assert run(console, *change)["source"] == "passphrase"
    before = files_of(shop)
    assert run(console, *change, code=2)["error"] == "passphrase_wrong"
    assert files_of(shop) == before
    assert run(console, "check", "--passphrase-file", "other")["damaged"] == []
    both = ("--passphrase-file", "-", "--new-passphrase-file", "-")
    assert run(console, "passphrase", *both, code=2)["error"] == "usage"


def test_a_vault_whose_key_is_in_the_keyring(
    console: Console, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FakeKeyring()
    monkeypatch.setattr(keys, "system_keyring", lambda: store)
    change = ("passphrase", "--passphrase-file", "right", "--new-keyring")
    assert run(console, *change)["source"] == "keyring"
    assert run(console, "check")["damaged"] == []  # needs no option
    told = run(console, "backup", "one.vault")
    assert told["warnings"] == [{"warning": "backup_needs_keyring", "where": ""}]
    told = run(console, "backup", "two.vault", "--opens-by-passphrase-file", "other")
    assert (told["source"], told["is_checked"], told["warnings"]) == ("passphrase", True, [])
    store.kept.clear()  # the machine is lost
    assert run(console, "check", code=2)["error"] == "keyring_missing"
    again = ("restore", "two.vault", "--replace", "--passphrase-file", "other")
    assert run(console, *again)["kept_as"].startswith(f"{PLACE}.replaced-")
    assert run(console, "check", "--passphrase-file", "other")["damaged"] == []


def test_the_old_key_is_forgotten_by_the_keyring_if_asked(
    console: Console, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FakeKeyring()
    monkeypatch.setattr(keys, "system_keyring", lambda: store)
    run(console, "passphrase", "--passphrase-file", "right", "--new-keyring")
    run(console, "passphrase", "--new-keyring")
    assert len(store.kept) == 2
    told = run(console, "passphrase", "--new-passphrase-file", "other", "--forget-keyring")
    assert (len(store.kept), told["warnings"]) == (1, [])
    assert run(console, "check", "--passphrase-file", "other")["damaged"] == []


def test_a_back_up_is_made_locked_and_restored(console: Console, shop: Path) -> None:
    told = run(console, "backup", "copy.vault")
    assert (told["is_checked"], told["rows"]["claims"]) == (False, 2)
    assert run(console, "backup", "copy.vault", code=2)["detail"] == "copy.vault"
    restore = ("restore", "copy.vault", "--passphrase-file", "right")
    assert run(console, *restore, code=2)["error"] == "vault_exists"
    assert run(console, *restore, "--vault", "new.vault")["kept_as"] is None
    assert run(console, *restore, "--replace")["kept_as"] is not None
    wrong = ("restore", "copy.vault", "--replace", "--passphrase-file", "other")
    assert run(console, *wrong, code=2)["error"] == "passphrase_wrong"
    none = ("restore", "right", "--replace", "--passphrase-file", "right")
    assert run(console, *none, code=2)["error"] == "not_a_backup"


def test_damage_is_named(console: Console, shop: Path) -> None:
    edit(shop, "UPDATE claims SET state = 'granted' WHERE claim_id = 'claim-1'")
    told = run(console, "check", "--passphrase-file", "right", code=1)
    assert told["damaged"] == ["claims claim-1", "ledger"]
    text = done(console, "check", "--passphrase-file", "right", "--lang", "fr", code=1).out
    assert "le coffre est endommagé : claims claim-1" in text
    check = ("--check", "--passphrase-file", "right")
    assert run(console, "backup", "copy.vault", *check, code=2)["error"] == "vault_damaged"


def test_every_error_is_told_in_both_languages(console: Console) -> None:
    for index, lang in enumerate(("en", "fr")):
        text = done(console, "info", "--lang", lang, code=2).err
        assert VAULT_WORDS["vault_missing"][index] in text


@pytest.mark.integration
def test_as_a_process(tmp_path: Path) -> None:
    arguments = ("vault", "create", "--vault", PLACE, "--passphrase-file", "-", "--json")
    made = run_process("optician", *arguments, cwd=tmp_path, stdin=TEXT.encode())
    assert (made.code, json.loads(made.out)["scrypt"]["n"]) == (0, 2**17)
    asked = run_process("optician", "vault", "check", "--vault", PLACE, cwd=tmp_path)
    assert (asked.code, asked.out) == (2, "")
    assert "--passphrase-file" in asked.err


@pytest.mark.integration
@pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals")
@pytest.mark.parametrize(("typed", "code"), [(TEXT, 0), (OTHER_TEXT, 2)])
def test_at_a_terminal_it_is_typed_without_echo(tmp_path: Path, typed: str, code: int) -> None:
    make_vault(tmp_path / PLACE).close()
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "optician", "vault", "check", "--vault", PLACE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while b"Passphrase of the vault: " not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, f"{typed}\n".encode())
        out, _ = process.communicate(timeout=60)
        with suppress(OSError):  # the other end is closed
            while data := os.read(ours, 1000):
                shown += data
    os.close(ours)
    assert process.returncode == code, shown
    assert typed.encode() not in shown + out
