"""The claim: the signed envelope that optician and insurer exchange, format 1.

One JSON object in its RFC 8785 form, and in no other: integers and strings, no floats. Binary
values are base64url without padding. Everything but ``proof`` and ``signature`` is bound into the
proof's transcript (`context_digest`); the signature (Ed25519, RFC 8032) covers everything but
itself (`signed_bytes`).

Decoding refuses, with one `EncodingError` or `StatementError`, whatever does not encode back to the
same bytes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BeforeValidator, Field, PlainSerializer

from circuits.canonical import (
    canonical_bytes,
    decode_base64url,
    encode_base64url,
    tagged_digest,
)
from circuits.compiled import Amounts, CompiledStatement
from circuits.contract import Contract, EquipmentLevel, StatementName
from circuits.declaration import Declaration, DeclaredLine, Role
from circuits.document import (
    Cents,
    ClassCode,
    Identifier,
    IsoDate,
    StrictDocument,
    base64url_of,
    form,
    parse_document,
)
from circuits.nomenclature import Nomenclature, PriceClass
from circuits.signing import framed_bytes, sign_document, verify_document_signature
from circuits.statements import compile_statement, require_ground_allowed
from zk.errors import StatementError
from zk.group import Group
from zk.instance import Instance

FORMAT_VERSION = 1
CONTEXT_TAG = b"clairobscur/context/v1"
SIGNATURE_TAG = b"clairobscur/signature/v1"
CLAIM_TAG = b"clairobscur/claim/v1"

MAX_CLAIM_BYTES = 32 * 2**10
MAX_PROOF_BYTES = 16 * 2**10
MAX_LINES = 7
DIGEST_BYTES = 32
POINT_BYTES = 33
SIGNATURE_BYTES = 64

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


def _decode_instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not _INSTANT.fullmatch(value):
        raise ValueError("not an instant YYYY-MM-DDTHH:MM:SSZ")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("no such instant in the calendar") from None


def encode_instant(instant: datetime) -> str:
    """An aware datetime as ``YYYY-MM-DDTHH:MM:SSZ``; fractions of a second are cut off."""
    # Not by strftime, which leaves out the zeros before a year of less than four digits.
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


Digest: TypeAlias = Annotated[str, base64url_of(DIGEST_BYTES)]
EncodedPoint: TypeAlias = Annotated[str, base64url_of(POINT_BYTES)]
Signature: TypeAlias = Annotated[str, base64url_of(SIGNATURE_BYTES)]
Instant: TypeAlias = Annotated[
    datetime, BeforeValidator(_decode_instant), PlainSerializer(encode_instant, when_used="json")
]
Beneficiary: TypeAlias = Annotated[
    str,
    form(
        r"[A-Za-z0-9_-]{16,64}",
        "a random reference of 16 to 64 letters, digits, hyphens or underscores expected, as the "
        "insurer gave it out; never the number of a person",
    ),
]


class ClaimLine(StrictDocument):
    """A line: role, class (null where hidden), code (null unless declared in clear), commitment."""

    role: Role
    regroupement: ClassCode | None
    code: Annotated[int, Field(ge=0, le=9_999_999)] | None
    commitment: EncodedPoint


class ClaimAmounts(StrictDocument):
    """Cents claimed for the lenses with supplements, and for the frame."""

    lenses_cents: Cents
    frame_cents: Cents


class ClaimBody(StrictDocument):
    """Everything in a claim that the proof is bound to.

    ``key_id`` is the base64url SHA-256 of the optician's public key, ``beneficiary`` a random
    reference that the insurer gave out (never a hash of an identifier), ``expires_at`` the last
    instant at which the claim may be accepted, ``early_renewal_ground`` one of the contract's
    grounds for an equipment before the renewal is due, None where it is due.
    """

    format_version: Annotated[int, Field(ge=FORMAT_VERSION, le=FORMAT_VERSION)]
    claim_id: Identifier
    optician_id: Identifier
    key_id: Digest
    insurer_id: Identifier
    contract_id: Identifier
    contract_digest: Digest
    nomenclature_digest: Digest
    date_of_service: IsoDate
    expires_at: Instant
    beneficiary: Beneficiary
    statement: StatementName
    level: EquipmentLevel | None
    price_class: PriceClass | None
    lines: Annotated[tuple[ClaimLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    amounts: ClaimAmounts | None
    early_renewal_ground: Identifier | None

    def declaration(self) -> Declaration:
        """The public half of the statement."""
        lines = tuple(DeclaredLine(line.role, line.regroupement, line.code) for line in self.lines)
        return Declaration(self.statement, lines, self.level, self.price_class)

    def claimed(self) -> Amounts | None:
        """The amounts claimed, None for statements that claim none."""
        if self.amounts is None:
            return None
        return Amounts(self.amounts.lenses_cents, self.amounts.frame_cents)


class Claim(ClaimBody):
    """A whole claim. ``proof`` is `zk.encoding.encode_proof`, ``signature`` Ed25519 of
    `signed_bytes`."""

    proof: Annotated[str, base64url_of(1, MAX_PROOF_BYTES)]
    signature: Signature

    def proof_bytes(self) -> bytes:
        """The proof in its wire form, not yet checked."""
        return decode_base64url(self.proof)


_BODY_FIELDS = set(ClaimBody.model_fields)


def _body_json(body: ClaimBody) -> dict[str, Any]:
    """The body's fields, of a body or of a whole claim."""
    return body.model_dump(mode="json", include=_BODY_FIELDS)


def context_digest(body: ClaimBody) -> bytes:
    """32 bytes: SHA-256 over tag and canonical JSON of the body; the proof's context."""
    return tagged_digest(CONTEXT_TAG, canonical_bytes(_body_json(body)))


def signed_bytes(body: ClaimBody, proof: str) -> bytes:
    """What the optician signs: the framed tag, then the canonical JSON of body and proof."""
    return framed_bytes(SIGNATURE_TAG, _unsigned(body, proof))


def _unsigned(body: ClaimBody, proof: str) -> dict[str, Any]:
    return _body_json(body) | {"proof": proof}


def encode_claim(claim: Claim) -> bytes:
    """The one byte form of a claim."""
    return canonical_bytes(claim.model_dump(mode="json"))


def decode_claim(data: bytes) -> Claim:
    """Strict inverse of `encode_claim`.

    Raises `EncodingError` for what is no strict, canonical JSON or is too large, `StatementError`
    naming every field at fault otherwise.
    """
    return parse_document(Claim, data, max_bytes=MAX_CLAIM_BYTES, what="claim", is_canonical=True)


def claim_digest(claim: Claim) -> bytes:
    """32 bytes that name this claim, signature included."""
    return envelope_digest(encode_claim(claim))


def envelope_digest(data: bytes) -> bytes:
    """`claim_digest` of the claim whose bytes (`encode_claim`) these are."""
    return tagged_digest(CLAIM_TAG, data)


# -- signature --------------------------------------------------------------------------------


def sign_claim(body: ClaimBody, proof: bytes, key: Ed25519PrivateKey) -> Claim:
    """The whole claim. Raises `StatementError` if the body names another key."""
    text = encode_base64url(proof)
    unsigned = _unsigned(body, text)
    signature = sign_document(SIGNATURE_TAG, unsigned, key, what="claim")
    return Claim.model_validate(body.model_dump() | {"proof": text, "signature": signature})


def verify_signature(claim: Claim, public_key: Ed25519PublicKey) -> None:
    """Raise `ProofRejected` ("signature_invalid") unless ``public_key`` is the claim's and signed
    it."""
    unsigned = _unsigned(claim, claim.proof)
    verify_document_signature(SIGNATURE_TAG, unsigned, claim.signature, public_key, what="claim")


# -- from claim to instance -------------------------------------------------------------------


def build_instance(
    body: ClaimBody, contract: Contract, nomenclature: Nomenclature, group: Group
) -> tuple[CompiledStatement, Instance]:
    """The statement and the proof's instance, from the caller's **own** contract and table.

    Raises `StatementError` (`circuits.statements` lists its kinds) for a statement that cannot be,
    a ground that is not allowed, two equal line commitments, or amounts over a ceiling;
    `EncodingError` for a commitment that is no point.
    """
    statement = compile_statement(body.declaration(), contract, nomenclature, body.date_of_service)
    require_ground_allowed(body.early_renewal_ground, body.statement, contract)
    publics = statement.publics(body.date_of_service, body.claimed())
    texts = [line.commitment for line in body.lines]
    if len(set(texts)) != len(texts):
        raise StatementError("claim: lines: two line commitments are equal")
    commitments = tuple(group.decode_many(b"".join(map(decode_base64url, texts))))
    return statement, Instance(statement.circuit, publics, context_digest(body), commitments)
