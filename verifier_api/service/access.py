"""Bearer tokens: who asks, and what he may.

A token is ``co_ID_SECRET``: 16 hexadecimal digits that name it and may be told, and 32 random
bytes. Of these the insurer keeps the SHA-256 alone: a random secret of that length cannot be
guessed from it, so nothing slower is needed. Comparison takes constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias, get_args

from circuits.canonical import encode_base64url
from circuits.claim import encode_instant

Scope: TypeAlias = Literal["optician", "reader", "auditor", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

_TOKEN = re.compile(r"co_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)
_NO_SECRET = hashlib.sha256(b"").digest()


@dataclass(frozen=True)
class Principal:
    """Who asks. ``optician_id`` is set for opticians, and for no other."""

    token_id: str
    scope: Scope
    optician_id: str | None = None


@dataclass(frozen=True)
class TokenEntry:
    """A token as it is kept: without its secret."""

    token_id: str
    scope: Scope
    optician_id: str | None
    label: str
    secret_sha256: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None

    def is_valid_at(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        expired = self.expires_at is not None and self.expires_at < encode_instant(now)
        return self.revoked_at is None and not expired

    def facts(self) -> dict[str, str | None]:
        """What may be told of it."""
        return {
            "token_id": self.token_id,
            "scope": self.scope,
            "optician_id": self.optician_id,
            "label": self.label,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
        }


def new_token() -> tuple[str, str, str]:
    """A fresh token: its id, the whole token, and the text of the SHA-256 of its secret."""
    token_id, secret = os.urandom(8).hex(), encode_base64url(os.urandom(32))
    return token_id, f"co_{token_id}_{secret}", encode_base64url(_hash(secret))


def split_token(token: str) -> tuple[str, str] | None:
    """Its id and its secret, None if it is no token at all."""
    match = _TOKEN.fullmatch(token)
    return None if match is None else (match[1], match[2])


def is_secret_of(entry: TokenEntry | None, secret: str) -> bool:
    """Whether ``secret`` is the entry's; takes as long for an entry that does not exist."""
    expected = entry.secret_sha256 if entry else encode_base64url(_NO_SECRET)
    given = encode_base64url(_hash(secret))
    return hmac.compare_digest(given, expected) and entry is not None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
