"""The token of the endpoint: made once, shown once, kept as its SHA-256 in the vault."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

from optician.vault import Vault

TOKEN_BYTES: Final = 32
MAX_TOKEN: Final = 128

_KIND, _NAME = "endpoint", "token"


def make_endpoint_token(vault: Vault) -> str:
    """A fresh token; the one before is void. Raises `VaultError`."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with vault.write() as writing:
        sealed = writing.seal("entries", _NAME, _digest(token), {"kind": _KIND})
        writing.connection.execute(
            "INSERT INTO entries (kind, name, content) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, name) DO UPDATE SET content = excluded.content",
            (_KIND, _NAME, sealed),
        )
    return token


def has_endpoint_token(vault: Vault) -> bool:
    """Whether one was made. Raises `VaultError`."""
    return _kept_digest(vault) is not None


def is_endpoint_token(vault: Vault, token: str) -> bool:
    """Whether it is the one that was made last, in a time that tells nothing of it. Raises
    `VaultError`."""
    kept = _kept_digest(vault)
    if kept is None or len(token) > MAX_TOKEN:
        return False
    return hmac.compare_digest(kept, _digest(token))


def _kept_digest(vault: Vault) -> bytes | None:
    with vault.read() as reading:
        row = reading.connection.execute(
            "SELECT content FROM entries WHERE kind = ? AND name = ?", (_KIND, _NAME)
        ).fetchone()
        return None if row is None else reading.unseal("entries", _NAME, row[0], {"kind": _KIND})


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
