"""Parties that sign: publishers, attesters, auditors and insurers, each with a key of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from circuits.canonical import canonical_bytes, decode_base64url, encode_base64url
from circuits.claim import Digest, encode_instant
from circuits.document import Identifier, SecretDocument, parse_document
from circuits.signing import key_id_of
from circuits.trust import PartyRole, Published, TrustedKey

MAX_PARTY_BYTES = 4096

_BOTH: tuple[Published, ...] = ("contract", "nomenclature")


class _PartyFile(SecretDocument):
    format_version: Annotated[int, Field(ge=1, le=1)]
    role: PartyRole
    party_id: Identifier
    private_key: Digest  # 32 bytes too


@dataclass(frozen=True)
class Party:
    """Who signs, and as what. `encode` yields the secret file, `public_entry` what goes into the
    trust lists of those who rely on it."""

    role: PartyRole
    party_id: str
    signing_key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, role: PartyRole, party_id: str) -> Party:
        """A fresh key. Raises `StatementError` for a role or an identifier that is none."""
        return cls.parse(cls(role, party_id, Ed25519PrivateKey.generate()).encode())

    @classmethod
    def parse(cls, data: bytes) -> Party:
        """Strict inverse of `encode`; raises `EncodingError` or `StatementError`, without
        content."""
        file = parse_document(_PartyFile, data, max_bytes=MAX_PARTY_BYTES, what="key file")
        key = Ed25519PrivateKey.from_private_bytes(decode_base64url(file.private_key))
        return cls(file.role, file.party_id, key)

    def encode(self) -> bytes:
        """The secret key file (canonical JSON). Whoever reads it can sign as this party."""
        return canonical_bytes(
            {
                "format_version": 1,
                "role": self.role,
                "party_id": self.party_id,
                "private_key": encode_base64url(self.signing_key.private_bytes_raw()),
            }
        )

    @property
    def key_id(self) -> str:
        """base64url SHA-256 of the public key."""
        return key_id_of(self.signing_key.public_key())

    def public_entry(
        self,
        *,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        revoked_at: datetime | None = None,
        publishes: Sequence[Published] | None = None,
        insurer_id: str | None = None,
    ) -> dict[str, Any]:
        """The entry of a trust list for this key, members that say nothing left out.

        ``publishes`` is contracts and tables by default for a publisher, nothing for another role.
        Raises `StatementError` for what no entry can say.
        """
        if publishes is None:
            publishes = _BOTH if self.role == "publisher" else ()
        instants = {"valid_from": valid_from, "valid_to": valid_to, "revoked_at": revoked_at}
        said = {
            "role": self.role,
            "party_id": self.party_id,
            "public_key": encode_base64url(self.signing_key.public_key().public_bytes_raw()),
            **{name: encode_instant(at) for name, at in instants.items() if at is not None},
            "publishes": list(publishes) or None,
            "insurer_id": insurer_id,
        }
        entry = {name: value for name, value in said.items() if value is not None}
        parse_document(
            TrustedKey, canonical_bytes(entry), max_bytes=MAX_PARTY_BYTES, what="trusted key"
        )
        return entry

    def trust_list(self, **entry: Any) -> dict[str, Any]:
        """A trust list of this one key; the arguments are those of `public_entry`."""
        return {"format_version": 1, "keys": [self.public_entry(**entry)]}
