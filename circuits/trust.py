"""Whom one relies on: the keys of publishers, attesters, auditors and insurers, by configuration.

A *trust list* is one JSON file that its owner keeps: the insurer, an optician, an auditor, a judge
of evidence, each his own. Nothing that comes over a wire adds to it. A key counts for signatures
that its owner first recorded while it was valid and before it was revoked; so keys rotate (two may
be valid at once) and what was recorded before a revocation stands. If a key was stolen earlier than
that was noticed, ``revoked_at`` names the earlier instant, and what was recorded since falls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeAlias, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, model_validator

from circuits.claim import Digest, Instant
from circuits.document import Identifier, StrictDocument, parse_document
from circuits.signed import SignedDocument, verify_signed
from circuits.signing import key_id_of, public_key_of
from zk.errors import ProofRejected, StatementError

MAX_TRUST_BYTES = 2**20
MAX_TRUSTED_KEYS = 5000

PartyRole: TypeAlias = Literal["publisher", "attester", "auditor", "insurer"]
PARTY_ROLES: Final[tuple[PartyRole, ...]] = get_args(PartyRole)

Published: TypeAlias = Literal["nomenclature", "contract"]

TRUST_REASONS = {
    "key_unknown": "the key that signed is not in the trust list for this party in this role",
    "key_not_valid": "the key that signed was not valid at that time",
    "key_revoked": "the key that signed had been revoked by then",
    "signature_invalid": "the signature does not cover this document",
}
"""Reason codes, stable, with what they mean."""

_ALWAYS_FROM = datetime(1, 1, 1, tzinfo=UTC)
_ALWAYS_TO = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class TrustedKey(StrictDocument):
    """A party's Ed25519 public key (32 bytes, base64url) and what it is relied upon for.

    Valid from ``valid_from`` to ``valid_to``, both included. ``publishes`` says what a publisher
    may publish, ``insurer_id`` for which insurer (null: for any); neither is for other roles.
    """

    role: PartyRole
    party_id: Identifier
    public_key: Digest
    valid_from: Instant = _ALWAYS_FROM
    valid_to: Instant = _ALWAYS_TO
    revoked_at: Instant | None = None
    publishes: tuple[Published, ...] = ()
    insurer_id: Identifier | None = None

    @model_validator(mode="after")
    def _require_consistent(self) -> TrustedKey:
        if self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from")
        if (self.role == "publisher") != bool(self.publishes):
            raise ValueError("publishes goes with role publisher, and with no other")
        if self.insurer_id is not None and self.role != "publisher":
            raise ValueError("insurer_id goes with role publisher, and with no other")
        return self


class _TrustFile(StrictDocument):
    format_version: Annotated[int, Field(ge=1, le=1)]
    keys: Annotated[tuple[TrustedKey, ...], Field(max_length=MAX_TRUSTED_KEYS)]


@dataclass(frozen=True)
class Trust:
    """Trusted keys by key id. Two roles of one party have two keys: a key has one role."""

    keys: Mapping[str, TrustedKey] = field(default_factory=dict)

    def has_role(self, role: PartyRole) -> bool:
        """Whether any key, valid or not, is of that role."""
        return any(key.role == role for key in self.keys.values())

    def require(self, role: PartyRole, party_id: str, key_id: str, at: datetime) -> TrustedKey:
        """The key, if it is that party's in that role and counts for what was recorded ``at``.

        Raises `ProofRejected` with "key_unknown", "key_not_valid" or "key_revoked".
        """
        key = self.keys.get(key_id)
        if key is None or key.role != role or key.party_id != party_id:
            raise _rejected("key_unknown")
        if not key.valid_from <= at <= key.valid_to:
            raise _rejected("key_not_valid")
        if key.revoked_at is not None and key.revoked_at <= at:
            raise _rejected("key_revoked")
        return key

    def require_signed(
        self, document: SignedDocument, role: PartyRole, party_id: str, at: datetime
    ) -> TrustedKey:
        """`require` for the key that ``document`` names, and its signature.

        Raises `ProofRejected` with a key of `TRUST_REASONS`.
        """
        key = self.require(role, party_id, document.key_id, at)
        try:
            verify_signed(document, public_key_of(key.public_key))
        except ProofRejected:
            raise _rejected("signature_invalid") from None
        return key

    def public_key(self, key_id: str) -> Ed25519PublicKey:
        """The key itself; raises `KeyError` for one that is not there."""
        return public_key_of(self.keys[key_id].public_key)


def parse_trust(data: bytes) -> Trust:
    """The trust list in a JSON file ``{"format_version": 1, "keys": [TrustedKey, …]}``.

    Raises `EncodingError` or `StatementError` naming the place of the fault.
    """
    file = parse_document(_TrustFile, data, max_bytes=MAX_TRUST_BYTES, what="trust list")
    keys: dict[str, TrustedKey] = {}
    for number, entry in enumerate(file.keys):
        try:
            key_id = key_id_of(public_key_of(entry.public_key))
        except StatementError as error:
            raise StatementError(f"trust list: keys.{number}: {error}") from None
        if key_id in keys:
            raise StatementError(f"trust list: keys.{number}: the key is listed twice")
        keys[key_id] = entry
    return Trust(keys)


def _rejected(reason: str) -> ProofRejected:
    return ProofRejected(reason, TRUST_REASONS[reason])
