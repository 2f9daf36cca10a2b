"""The optician's long-lived secrets: the Ed25519 signing key, and the key that hedges random
numbers."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from circuits.canonical import (
    canonical_bytes,
    decode_base64url,
    encode_base64url,
)
from circuits.claim import Digest
from circuits.document import Identifier, SecretDocument, parse_document
from circuits.signing import key_id_of

MAX_IDENTITY_BYTES = 4096
HEDGE_BYTES = 32


class _IdentityFile(SecretDocument):
    format_version: Annotated[int, Field(ge=1, le=1)]
    optician_id: Identifier
    private_key: Digest  # 32 bytes too
    hedge_key: Digest


@dataclass(frozen=True)
class Identity:
    """Who signs. `encode` yields the secret file, `public_entry` what the insurer registers."""

    optician_id: str
    signing_key: Ed25519PrivateKey = field(repr=False)
    hedge_key: bytes = field(repr=False)

    @classmethod
    def generate(cls, optician_id: str) -> Identity:
        """Fresh keys. Raises `StatementError` for an identifier that is none."""
        identity = cls(optician_id, Ed25519PrivateKey.generate(), os.urandom(HEDGE_BYTES))
        return cls.parse(identity.encode())

    @classmethod
    def parse(cls, data: bytes) -> Identity:
        """Strict inverse of `encode`; raises `EncodingError` or `StatementError`, without
        content."""
        file = parse_document(_IdentityFile, data, max_bytes=MAX_IDENTITY_BYTES, what="key file")
        key = Ed25519PrivateKey.from_private_bytes(decode_base64url(file.private_key))
        return cls(file.optician_id, key, decode_base64url(file.hedge_key))

    def encode(self) -> bytes:
        """The secret key file (canonical JSON). Whoever reads it can sign claims."""
        return canonical_bytes(
            {
                "format_version": 1,
                "optician_id": self.optician_id,
                "private_key": encode_base64url(self.signing_key.private_bytes_raw()),
                "hedge_key": encode_base64url(self.hedge_key),
            }
        )

    @property
    def key_id(self) -> str:
        """base64url SHA-256 of the public key."""
        return key_id_of(self.signing_key.public_key())

    def public_entry(self) -> dict[str, str]:
        """The entry for the insurer's list of opticians' keys."""
        public = self.signing_key.public_key().public_bytes_raw()
        return {"optician_id": self.optician_id, "public_key": encode_base64url(public)}
