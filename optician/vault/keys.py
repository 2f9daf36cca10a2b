"""The keys of a vault: what opens it, the data key that this unwraps, and what is sealed with it.

A passphrase (through scrypt, RFC 7914) or a random key in the system's keyring gives the wrapping
key. It encrypts nothing but the data key: 32 random bytes, made once with the vault. From the data
key come three keys by HKDF-Expand with SHA-256 (RFC 5869): for seals, for the index, for the
ledger. Encryption is AES-256-GCM (NIST SP 800-38D) with nonces of 12 random bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from optician.vault.errors import VaultError

KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
SEAL_OVERHEAD_BYTES: Final = NONCE_BYTES + TAG_BYTES
BLOCK_BYTES = 1024
"""Contents are padded to a multiple of this, so that a seal's length does not count the digits of
a price."""
_LENGTH_BYTES: Final = 4
WRAPPED_BYTES: Final = KEY_BYTES + SEAL_OVERHEAD_BYTES
MIN_PASSPHRASE_CHARACTERS: Final = 12
MIN_DIFFERENT_CHARACTERS: Final = 5
MAX_PASSPHRASE_BYTES: Final = 1024
MAX_SCRYPT_BYTES: Final = 256 * 2**20
MAX_SCRYPT_WORK: Final = 2**23
MIN_SCRYPT_N: Final = 2**10
KEYRING_SERVICE: Final = "clairobscur vault"

TAG: Final = b"clairobscur/vault/v1"
_WRAP_TAG: Final = TAG + b"/wrap"
_LEDGER_TAG: Final = TAG + b"/ledger"

Clear: TypeAlias = Mapping[str, str | int | None]


# -- what opens a vault ---------------------------------------------------------------------------


@dataclass(frozen=True)
class ScryptCost:
    """Parameters of scrypt: 128·n·r bytes of memory, n·r·p blocks of work.

    Raises `ValueError` beyond the bounds within which a vault's header is believed: n a power of
    two from 2^10, at most 256 MiB, and n·r·p at most 2^23, eight times the default's work.
    """

    n: int = 2**17
    r: int = 8
    p: int = 1

    def __post_init__(self) -> None:
        if (
            min(self.n, self.r, self.p) < 1
            or self.n < MIN_SCRYPT_N
            or self.n & (self.n - 1)
            or 128 * self.n * self.r > MAX_SCRYPT_BYTES
            or self.n * self.r * self.p > MAX_SCRYPT_WORK
        ):
            raise ValueError("scrypt: parameters out of bounds")


class Passphrase:
    """What a person types. Its characters in normal form NFKC, so that every keyboard gives the
    same bytes; it is not shown by `repr`.

    Raises `VaultError` ("passphrase_wrong") for a text that is none: empty, over 1,024 bytes, or
    not encodable.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        normal = unicodedata.normalize("NFKC", text)
        try:
            is_text = 0 < len(normal.encode()) <= MAX_PASSPHRASE_BYTES
        except UnicodeEncodeError:  # half of a surrogate pair
            is_text = False
        if not is_text:
            raise VaultError("passphrase_wrong")
        self._text = normal

    def __repr__(self) -> str:
        return "Passphrase(…)"

    def require_strong(self) -> None:
        """Raise `VaultError` ("passphrase_weak") for one that should lock nothing."""
        if (
            len(self._text) < MIN_PASSPHRASE_CHARACTERS
            or len(set(self._text)) < MIN_DIFFERENT_CHARACTERS
        ):
            raise VaultError("passphrase_weak")

    def derive(self, salt: bytes, cost: ScryptCost) -> bytes:
        """The wrapping key, 32 bytes. Raises `VaultError` ("vault_storage") without the memory."""
        try:
            return hashlib.scrypt(
                self._text.encode(),
                salt=salt,
                n=cost.n,
                r=cost.r,
                p=cost.p,
                # What scrypt itself needs, and a little for the library's own blocks.
                maxmem=128 * cost.r * (cost.n + cost.p + 2) + 2**20,
                dklen=KEY_BYTES,
            )
        except (MemoryError, ValueError, OSError):
            raise VaultError("vault_storage") from None


class KeyringBackend(Protocol):
    """What is used of a backend of the package ``keyring``."""

    def get_password(self, service: str, username: str) -> str | None:
        """The value kept under these names."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a value."""

    def delete_password(self, service: str, username: str) -> None:
        """Forget a value."""


_SYSTEM_BACKENDS: Final = (
    "keyring.backends.Windows",
    "keyring.backends.macOS",
    "keyring.backends.SecretService",
    "keyring.backends.libsecret",
    "keyring.backends.kwallet",
)
"""Stores that the system itself protects. Others may keep a key in a plain file."""


class KeyringKey:
    """A random key in the system's own store, for whoever is logged in there."""

    __slots__ = ("_backend",)

    def __init__(self, backend: KeyringBackend | None = None) -> None:
        self._backend = backend

    def __repr__(self) -> str:
        return "KeyringKey()"

    def make(self, entry: str) -> bytes:
        """A fresh wrapping key, kept under ``entry``. Raises `VaultError`."""
        key = os.urandom(KEY_BYTES)
        text = base64.urlsafe_b64encode(key).decode()
        backend = self._store()
        try:
            backend.set_password(KEYRING_SERVICE, entry, text)
            is_kept = backend.get_password(KEYRING_SERVICE, entry) == text
        except Exception:  # backends raise whatever their system does
            raise VaultError("keyring_refused") from None
        if not is_kept:
            raise VaultError("keyring_refused")
        return key

    def find(self, entry: str) -> bytes:
        """The wrapping key kept under ``entry``. Raises `VaultError`."""
        backend = self._store()
        try:
            text = backend.get_password(KEYRING_SERVICE, entry)
        except Exception:
            raise VaultError("keyring_refused") from None
        if text is None:
            raise VaultError("keyring_missing")
        try:
            key = base64.b64decode(text, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise VaultError("passphrase_wrong")
        return key

    def forget(self, entry: str) -> None:
        """Delete the key kept under ``entry``, if it is there. Raises `VaultError`."""
        backend = self._store()
        try:
            if backend.get_password(KEYRING_SERVICE, entry) is not None:
                backend.delete_password(KEYRING_SERVICE, entry)
        except Exception:
            raise VaultError("keyring_refused") from None

    def _store(self) -> KeyringBackend:
        return self._backend if self._backend is not None else system_keyring()


def system_keyring() -> KeyringBackend:
    """The system's own store. Raises `VaultError` ("keyring_missing") where there is none."""
    try:
        import keyring  # takes longer than all the rest of this module
    except ImportError:
        raise VaultError("keyring_missing") from None
    try:
        chosen: Any = keyring.get_keyring()
        backends = getattr(chosen, "backends", None) or [chosen]
    except Exception:
        raise VaultError("keyring_missing") from None
    for backend in backends:
        if type(backend).__module__ in _SYSTEM_BACKENDS:
            found: KeyringBackend = backend
            return found
    raise VaultError("keyring_missing")


Source: TypeAlias = Passphrase | KeyringKey


# -- the header -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Header:
    """What stands in clear at the head of a vault. ``wrapped`` is nonce ‖ sealed data key."""

    vault_id: bytes
    created_at: str
    salt: bytes | None = None
    cost: ScryptCost | None = None
    keyring_entry: str | None = None
    wrapped: bytes = field(default=b"", repr=False)
    format_version: int = 1

    @property
    def source(self) -> str:
        """ "passphrase" or "keyring"."""
        return "keyring" if self.salt is None else "passphrase"

    def rows(self) -> dict[str, bytes | int | str]:
        """The rows of the table ``header``, ledger apart."""
        rows = self._bound() | {"wrapped": self.wrapped}
        return rows | {"checksum": _checksum(rows)}

    @classmethod
    def parse(cls, rows: Mapping[str, object]) -> Header:
        """Strict inverse of `rows`. Raises `VaultError` ("vault_version", "vault_damaged")."""
        version = rows.get("format_version")
        if isinstance(version, int) and version > 1:
            raise VaultError("vault_version")
        try:
            header = cls._of(rows)
            is_whole = header.rows() == rows
        except (KeyError, TypeError, ValueError):
            is_whole = False
        if not is_whole:
            raise VaultError("vault_damaged")
        return header

    @classmethod
    def _of(cls, rows: Mapping[str, Any]) -> Header:
        _require(
            _is(rows, vault_id=bytes, created_at=str, format_version=int)
            and _is(rows, source=str, wrapped=bytes, checksum=bytes)
        )
        _require(len(rows["vault_id"]) == 16 and len(rows["wrapped"]) == WRAPPED_BYTES)
        common = {name: rows[name] for name in ("vault_id", "created_at", "wrapped")}
        common["format_version"] = rows["format_version"]
        if rows["source"] == "keyring":
            _require(_is(rows, keyring_entry=str) and len(rows["keyring_entry"]) <= 200)
            return cls(keyring_entry=rows["keyring_entry"], **common)
        _require(_is(rows, scrypt_salt=bytes, scrypt_n=int, scrypt_r=int, scrypt_p=int))
        _require(len(rows["scrypt_salt"]) == SALT_BYTES)
        # Refused here, before anything is derived: a header must not exhaust the memory.
        cost = ScryptCost(rows["scrypt_n"], rows["scrypt_r"], rows["scrypt_p"])
        return cls(salt=rows["scrypt_salt"], cost=cost, **common)

    def wrapping_key(self, source: Source) -> bytes:
        """What ``source`` gives for this header. Raises `VaultError`."""
        if isinstance(source, KeyringKey):
            if self.keyring_entry is None:
                raise VaultError("keyring_missing")
            return source.find(self.keyring_entry)
        if self.salt is None or self.cost is None:
            raise VaultError("passphrase_wrong")
        return source.derive(self.salt, self.cost)

    def unwrap(self, source: Source) -> bytes:
        """The data key. Raises `VaultError` ("passphrase_wrong" and those of the keyring)."""
        key = self.wrapping_key(source)
        nonce, sealed = self.wrapped[:NONCE_BYTES], self.wrapped[NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, sealed, self._context())
        except InvalidTag:
            raise VaultError("passphrase_wrong") from None

    def _bound(self) -> dict[str, bytes | int | str]:
        rows: dict[str, bytes | int | str] = {
            "vault_id": self.vault_id,
            "created_at": self.created_at,
            "format_version": self.format_version,
            "source": self.source,
        }
        if self.salt is not None and self.cost is not None:
            rows |= {"scrypt_salt": self.salt, "scrypt_n": self.cost.n}
            rows |= {"scrypt_r": self.cost.r, "scrypt_p": self.cost.p}
        elif self.keyring_entry is not None:
            rows["keyring_entry"] = self.keyring_entry
        return rows

    def _context(self) -> bytes:
        return _WRAP_TAG + canonical(self._bound())


def wrap(
    data_key: bytes, vault_id: bytes, created_at: str, source: Source, cost: ScryptCost
) -> Header:
    """A header that opens by ``source``, with fresh salt or keyring entry.

    Raises `VaultError` ("passphrase_weak" and those of the keyring).
    """
    if isinstance(source, KeyringKey):
        # A name of its own: an older file goes on opening by the older key.
        entry = f"{vault_id.hex()}-{os.urandom(8).hex()}"
        header = Header(vault_id, created_at, keyring_entry=entry)
        key = source.make(entry)
    else:
        source.require_strong()
        header = Header(vault_id, created_at, salt=os.urandom(SALT_BYTES), cost=cost)
        key = header.wrapping_key(source)
    nonce = os.urandom(NONCE_BYTES)
    wrapped = nonce + AESGCM(key).encrypt(nonce, data_key, header._context())
    return Header(
        vault_id, created_at, header.salt, header.cost, header.keyring_entry, wrapped=wrapped
    )


def canonical(value: Any) -> bytes:
    """One byte form of strings, integers, None, bytes (as hexadecimal), lists and objects."""
    return json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
        default=lambda data: {"hex": bytes(data).hex()},
    ).encode()


def _checksum(rows: Mapping[str, object]) -> bytes:
    # Tells an accident from a wrong passphrase; against intent stands the seal of the data key.
    return hashlib.sha256(TAG + b"/header" + canonical(rows)).digest()


def _is(rows: Mapping[str, object], **types: type) -> bool:
    return all(type(rows[name]) is kind for name, kind in types.items())


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("header")


# -- seals ----------------------------------------------------------------------------------------


class Keys:
    """What the data key does: seals, index, ledger. Shows nothing in `repr`."""

    __slots__ = ("_index_key", "_ledger", "_rows_key", "_seals", "data_key", "vault_id")

    def __init__(self, data_key: bytes, vault_id: bytes) -> None:
        self.data_key = data_key
        self.vault_id = vault_id
        self._seals = AESGCM(_expand(data_key, b"seal"))
        self._index_key = _expand(data_key, b"index")
        self._ledger = AESGCM(_expand(data_key, b"ledger"))
        self._rows_key = _expand(data_key, b"rows")

    def __repr__(self) -> str:
        return "Keys(…)"

    def seal(self, place: str, name: str, content: bytes, clear: Clear) -> bytes:
        """nonce ‖ AES-256-GCM of the padded ``content``, bound to its place, name and clear
        columns."""
        nonce = os.urandom(NONCE_BYTES)
        context = self._context(place, name, clear)
        return nonce + self._seals.encrypt(nonce, _padded(content), context)

    def unseal(self, place: str, name: str, sealed: bytes, clear: Clear) -> bytes:
        """Inverse of `seal`. Raises `VaultError` ("vault_damaged") for anything else."""
        padded = _decrypt(self._seals, sealed, self._context(place, name, clear))
        size = int.from_bytes(padded[:_LENGTH_BYTES], "big")
        return padded[_LENGTH_BYTES : _LENGTH_BYTES + size]

    def index(self, text: str) -> bytes:
        """HMAC-SHA256 of ``text``: finds an equal one, tells nothing of it without the key."""
        return hmac.digest(self._index_key, text.encode(), "sha256")

    # The ledger: how many rows there are, and the sum of their keyed hashes (MSet-Add-Hash of
    # Clarke, Devadas, van Dijk, Gassend, Suh, Asiacrypt 2003, section 5). Sealed, so that nobody
    # learns one row's hash from the sums before and after it.

    def new_ledger(self) -> bytes:
        """The ledger of no rows."""
        return self._sealed_ledger(0, 0)

    def read_ledger(self, sealed: bytes) -> tuple[int, int]:
        """Number of rows, and sum. Raises `VaultError` ("vault_damaged")."""
        plain = _decrypt(self._ledger, sealed, _LEDGER_TAG + self.vault_id)
        return int.from_bytes(plain[:8], "big"), int.from_bytes(plain[8:], "big")

    def account(self, sealed: bytes, sign: int, table: str, *columns: object) -> bytes:
        """The ledger with one row more (``sign`` 1) or less (-1)."""
        count, total = self.read_ledger(sealed)
        value = self.row_value(table, columns)
        return self._sealed_ledger(count + sign, (total + sign * value) % 2**256)

    def row_value(self, table: str, columns: tuple[object, ...]) -> int:
        """A keyed hash of a whole row, below 2^256."""
        shown = [
            {"sha256": hashlib.sha256(value).hexdigest()} if isinstance(value, bytes) else value
            for value in columns
        ]
        return int.from_bytes(
            hmac.digest(self._rows_key, canonical([table, shown]), "sha256"), "big"
        )

    def _sealed_ledger(self, count: int, total: int) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        plain = (count % 2**64).to_bytes(8, "big") + total.to_bytes(32, "big")
        return nonce + self._ledger.encrypt(nonce, plain, _LEDGER_TAG + self.vault_id)

    def _context(self, place: str, name: str, clear: Clear) -> bytes:
        return TAG + self.vault_id + canonical([place, name, dict(clear)])


def _padded(content: bytes) -> bytes:
    """Length, content, zeros to the end of a block."""
    framed = len(content).to_bytes(_LENGTH_BYTES, "big") + content
    return framed + bytes(-len(framed) % BLOCK_BYTES)


def _expand(data_key: bytes, purpose: bytes) -> bytes:
    """HKDF-Expand for 32 bytes, which is one block: HMAC(key, info ‖ 0x01)."""
    return hmac.digest(data_key, TAG + b"/" + purpose + b"\x01", "sha256")


def _decrypt(cipher: AESGCM, sealed: object, context: bytes) -> bytes:
    if not isinstance(sealed, bytes) or len(sealed) < SEAL_OVERHEAD_BYTES:
        raise VaultError("vault_damaged")
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
    except InvalidTag:
        raise VaultError("vault_damaged") from None
