"""What opens a vault, and the header that says how."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from dataclasses import replace
from typing import Any

import keyring
import pytest

from optician.vault.errors import VaultError
from optician.vault.keys import (
    _SYSTEM_BACKENDS,
    KEYRING_SERVICE,
    Header,
    KeyringKey,
    Keys,
    Passphrase,
    ScryptCost,
    system_keyring,
    wrap,
)
from tests.support.vaults import CHEAP, OTHER_TEXT, TEXT, FakeKeyring, code_of

DATA_KEY = bytes(range(32))
VAULT_ID = bytes(16)
CREATED = "2020-10-05T10:00:00Z"


def header_by(source: Passphrase | KeyringKey) -> Header:
    return wrap(DATA_KEY, VAULT_ID, CREATED, source, CHEAP)


# -- passphrases ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["correct horse", "éèàùçâêîôûäë", "1234512345ab"])
def test_a_passphrase_of_twelve_characters_is_taken(text: str) -> None:
    Passphrase(text).require_strong()


@pytest.mark.parametrize("text", ["short", "aaaaaaaaaaaaaaaaaaaa", "abcdabcdabcd", "eleven char"])
def test_a_weak_passphrase_is_not(text: str) -> None:
    with pytest.raises(VaultError) as error:
        Passphrase(text).require_strong()
    assert code_of(error) == "passphrase_weak"
    with pytest.raises(VaultError):
        header_by(Passphrase(text))


@pytest.mark.parametrize("text", ["", "a\ud800b" * 10, "x" * 1025, "é" * 513])
def test_what_is_no_passphrase_opens_nothing(text: str) -> None:
    with pytest.raises(VaultError) as error:
        Passphrase(text)
    assert code_of(error) == "passphrase_wrong"


def test_without_the_memory_nothing_is_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> bytes:
        raise ValueError("memory limit exceeded")

    monkeypatch.setattr(hashlib, "scrypt", refuse)
    with pytest.raises(VaultError) as error:
        Passphrase(TEXT).derive(bytes(32), CHEAP)
    assert code_of(error) == "vault_storage"


def test_the_default_cost() -> None:
    assert ScryptCost() == ScryptCost(n=2**17, r=8, p=1)


@pytest.mark.parametrize(
    ("n", "r", "p"), [(2**10, 1, 1), (2**18, 8, 1), (2**18, 8, 4), (2**17, 16, 4), (2**10, 8, 1024)]
)
def test_costs_within_the_bounds(n: int, r: int, p: int) -> None:
    ScryptCost(n, r, p)


@pytest.mark.parametrize(
    ("n", "r", "p"), [(2**9, 8, 1), (2**19, 8, 1), (2**18, 8, 5), (2**17, 0, 1), (1023, 8, 1)]
)
def test_costs_beyond_the_bounds(n: int, r: int, p: int) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        ScryptCost(n, r, p)


# -- the keyring ----------------------------------------------------------------------------------


def test_a_key_in_the_keyring_unwraps() -> None:
    store = FakeKeyring()
    header = header_by(KeyringKey(store))
    assert header.unwrap(KeyringKey(store)) == DATA_KEY
    ((service, entry),) = store.kept
    assert (service, entry) == (KEYRING_SERVICE, header.keyring_entry)
    assert entry.startswith(VAULT_ID.hex())
    assert Header.parse(header.rows()) == header


@pytest.mark.parametrize("kept", ["", "é", "AAAA", "A" * 43, "A" * 44 + "!", "A" * 44 + "===="])
def test_a_value_in_the_keyring_that_is_no_key_opens_nothing(kept: str) -> None:
    store = FakeKeyring()
    header = header_by(KeyringKey(store))
    store.kept = dict.fromkeys(store.kept, kept)
    with pytest.raises(VaultError) as error:
        header.unwrap(KeyringKey(store))
    assert code_of(error) == "passphrase_wrong"


def test_another_key_in_the_keyring_opens_nothing() -> None:
    store = FakeKeyring()
    header, other = header_by(KeyringKey(store)), header_by(KeyringKey(store))
    key, other_key = header.keyring_entry, other.keyring_entry
    assert key is not None
    assert other_key is not None
    store.kept[KEYRING_SERVICE, key] = store.kept[KEYRING_SERVICE, other_key]
    with pytest.raises(VaultError) as error:
        header.unwrap(KeyringKey(store))
    assert code_of(error) == "passphrase_wrong"


def test_a_keyring_that_fails_is_told() -> None:
    store = FakeKeyring()
    header = header_by(KeyringKey(store))
    assert header.keyring_entry is not None
    store.is_refusing = True
    source = KeyringKey(store)
    for use in (
        lambda: header_by(source),
        lambda: header.unwrap(source),
        lambda: source.forget(header.keyring_entry or ""),
    ):
        with pytest.raises(VaultError) as error:
            use()
        assert code_of(error) == "keyring_refused"


def test_a_keyring_that_keeps_nothing_makes_no_key() -> None:
    class Forgetful(FakeKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            pass

    with pytest.raises(VaultError) as error:
        header_by(KeyringKey(Forgetful()))
    assert code_of(error) == "keyring_refused"


def test_a_forgotten_key_opens_nothing_more() -> None:
    store = FakeKeyring()
    header, source = header_by(KeyringKey(store)), KeyringKey(store)
    assert header.keyring_entry is not None
    source.forget(header.keyring_entry)
    source.forget(header.keyring_entry)
    assert store.kept == {}
    with pytest.raises(VaultError) as error:
        header.unwrap(source)
    assert code_of(error) == "keyring_missing"


class Windows(FakeKeyring):
    """Passes for a store of the system."""


Windows.__module__ = "keyring.backends.Windows"


class Several:
    """What `keyring` chooses where there are several."""

    backends = (FakeKeyring(), Windows())


@pytest.mark.parametrize("chosen", [Windows(), Several()])
def test_the_systems_own_store_is_taken(monkeypatch: pytest.MonkeyPatch, chosen: object) -> None:
    monkeypatch.setattr(keyring, "get_keyring", lambda: chosen)
    assert isinstance(system_keyring(), Windows)


def test_every_store_that_is_taken_is_one_of_the_packages() -> None:
    for name in _SYSTEM_BACKENDS:
        assert importlib.util.find_spec(name) is not None, name


@pytest.mark.parametrize("chosen", [FakeKeyring(), None])
def test_a_store_that_may_be_a_plain_file_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, chosen: object
) -> None:
    monkeypatch.setattr(keyring, "get_keyring", lambda: chosen)
    with pytest.raises(VaultError) as error:
        header_by(KeyringKey())
    assert code_of(error) == "keyring_missing"


def test_a_system_without_the_package_or_whose_store_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> object:
        raise RuntimeError

    monkeypatch.setattr(keyring, "get_keyring", fail)
    with pytest.raises(VaultError) as error:
        system_keyring()
    assert code_of(error) == "keyring_missing"
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(VaultError) as error:
        system_keyring()
    assert code_of(error) == "keyring_missing"


# -- the header -----------------------------------------------------------------------------------


def test_a_header_is_read_as_it_was_written() -> None:
    header = header_by(Passphrase(TEXT))
    assert Header.parse(header.rows()) == header
    assert header.unwrap(Passphrase(TEXT)) == DATA_KEY
    assert header.source == "passphrase"
    with pytest.raises(VaultError) as error:
        header.unwrap(Passphrase(OTHER_TEXT))
    assert code_of(error) == "passphrase_wrong"


def test_equal_passphrases_give_different_headers() -> None:
    one, other = header_by(Passphrase(TEXT)), header_by(Passphrase(TEXT))
    assert one.salt != other.salt
    assert one.wrapped != other.wrapped


def test_every_field_is_bound_to_the_wrapped_key() -> None:
    header = header_by(Passphrase(TEXT))
    for changed in (
        replace(header, vault_id=b"1" * 16),
        replace(header, created_at="2021"),
        replace(header, format_version=0),
        replace(header, cost=ScryptCost(n=2**10, r=1, p=2)),
        replace(header, salt=b"1" * 32),
    ):
        with pytest.raises(VaultError) as error:
            changed.unwrap(Passphrase(TEXT))
        assert code_of(error) == "passphrase_wrong"


def test_nothing_more_stands_in_a_header() -> None:
    rows = header_by(Passphrase(TEXT)).rows()
    for changed in (
        rows | {"spare": b""},
        rows | {"keyring_entry": "x"},
        {name: value for name, value in rows.items() if name != "scrypt_r"},
        rows | {"scrypt_n": True},
        rows | {"created_at": b"2020"},
        {},
    ):
        with pytest.raises(VaultError) as error:
            Header.parse(changed)
        assert code_of(error) == "vault_damaged"


# -- keys of a vault ------------------------------------------------------------------------------


def test_the_ledger_is_of_a_set_of_rows_whatever_their_order() -> None:
    keys = Keys(DATA_KEY, VAULT_ID)
    ledger = keys.new_ledger()
    assert keys.read_ledger(ledger) == (0, 0)
    one, other = ("entries", "a", b"1"), ("entries", "b", None)
    forth = keys.account(keys.account(ledger, 1, *one), 1, *other)
    back = keys.account(keys.account(ledger, 1, *other), 1, *one)
    assert forth != back  # sealed each time anew
    assert keys.read_ledger(forth) == keys.read_ledger(back)
    assert keys.read_ledger(forth)[0] == 2
    assert keys.read_ledger(keys.account(keys.account(forth, -1, *one), -1, *other)) == (0, 0)


@pytest.mark.parametrize(
    "row",
    [
        ("claims", ("a", b"1")),
        ("entries", ("a", b"2")),
        ("entries", ("a", "1")),
        ("entries", ("b", b"1")),
        ("entries", ("a", None)),
        ("entries", ("a", b"1", None)),
        ("entries", (b"1", "a")),
    ],
)
def test_different_rows_have_different_hashes(row: tuple[str, tuple[object, ...]]) -> None:
    keys = Keys(DATA_KEY, VAULT_ID)
    assert keys.row_value(*row) != keys.row_value("entries", ("a", b"1"))
    other = Keys(bytes(32), VAULT_ID)
    assert other.row_value(*row) != keys.row_value(*row)


def test_a_ledger_that_was_changed_is_damaged() -> None:
    keys = Keys(DATA_KEY, VAULT_ID)
    sealed = bytearray(keys.new_ledger())
    sealed[-1] ^= 1
    for changed in (bytes(sealed), b"", None, "text", Keys(DATA_KEY, b"1" * 16).new_ledger()):
        with pytest.raises(VaultError) as error:
            keys.read_ledger(changed)  # type: ignore[arg-type]
        assert code_of(error) == "vault_damaged"
