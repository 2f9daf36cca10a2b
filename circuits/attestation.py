"""Attestations: somebody who knows the real code confirms a line, and nobody else learns it.

    request      optician -> attester: a partial opening of one line (code, and price where the
                 attester's record has one) and the number of the attester's record, signed
    attestation  attester -> optician -> insurer: claim id and digest, line, commitment, which slots
                 were compared, an opaque reference to the record, signed

The attester sees the opening of one line and no claim: of that, its digest alone, which tells him
nothing and binds his word to this very claim, and so to one insurer. The insurer sees neither code
nor record: ``record`` is random, and only the attester can find his record by it. Both documents
have format 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import (
    MAX_CLAIM_BYTES,
    MAX_LINES,
    Claim,
    Digest,
    EncodedPoint,
    Instant,
    claim_digest,
)
from circuits.contract import AttestationRule, AttestedSlot, Contract
from circuits.declaration import Declaration
from circuits.document import Identifier, StrictDocument, base64url_of, parse_document
from circuits.equipment import possible_lenses
from circuits.nomenclature import Nomenclature
from circuits.opening import MAX_OPENING_BYTES, LineOpening
from circuits.signed import SignedDocument
from circuits.trust import Trust
from zk.errors import ProofRejected

MAX_ATTESTATION_BYTES = 4096
MAX_REQUEST_BYTES = MAX_OPENING_BYTES + 4096
MAX_ATTESTATIONS = 2 * MAX_LINES
MAX_SUBMISSION_BYTES = MAX_CLAIM_BYTES + MAX_ATTESTATIONS * MAX_ATTESTATION_BYTES
REFERENCE_BYTES = 16
MAX_ATTESTATION_LEAD = timedelta(minutes=1)
"""So far an attester's clock may be ahead of the insurer's."""

ATTESTATION_REASONS = {
    "attester_unknown": "the contract does not ask this attester about this line",
    "key_unknown": "the key that signed is not known as this attester's",
    "key_not_valid": "the attester's key is not valid",
    "key_revoked": "the attester's key was revoked",
    "signature_invalid": "the signature does not cover this attestation",
    "attestation_other_claim": "the attestation is of another claim",
    "attestation_other_line": "the attestation is of another line or commitment than the claim has",
    "attestation_incomplete": "the attestation does not cover what the contract asks for",
    "attestation_expired": "the attestation has expired",
    "attestation_in_future": "the attestation was signed in the future",
    "attestation_replayed": "the attester's record stands behind another line already",
    "attestation_late": "the deadline of the attestation has passed",
    "attestation_missing": "a line needs an attestation with the claim",
}
"""Reason codes, stable, with what they mean. The last three need the insurer's records."""


def _require_slot_order(slots: tuple[str, ...]) -> tuple[str, ...]:
    if tuple(sorted(set(slots))) != slots:
        raise ValueError("slots: each once, code before price")
    return slots


RecordReference: TypeAlias = Annotated[str, base64url_of(REFERENCE_BYTES)]
Slots: TypeAlias = Annotated[
    tuple[AttestedSlot, ...],
    Field(min_length=1, max_length=2),
    AfterValidator(_require_slot_order),
]


def attestation_purpose(attester_id: str, record_id: str) -> str:
    """What the opening in a request is made for: it serves no other attester and no audit."""
    return f"attestation {attester_id} {record_id}"


class AttestationRequest(SignedDocument):
    """What an optician asks an attester; signed with the optician's key. ``record_id`` is the
    number by which the attester finds his record: an order, a billing; ``claim_digest`` names the
    claim that the attestation is for."""

    TAG: ClassVar[bytes] = b"clairobscur/attestation-request/v1"
    WHAT: ClassVar[str] = "attestation request"
    MAX_BYTES: ClassVar[int] = MAX_REQUEST_BYTES

    attester_id: Identifier
    optician_id: Identifier
    record_id: Identifier
    claim_digest: Digest
    opening: LineOpening
    requested_at: Instant


class Attestation(SignedDocument):
    """The attester's word that the committed values of one line are those of his record.

    ``attested`` names the slots that were compared, ``record`` is 16 random bytes that stand for
    one article of the record. May be presented until ``expires_at``.
    """

    TAG: ClassVar[bytes] = b"clairobscur/attestation/v1"
    WHAT: ClassVar[str] = "attestation"
    MAX_BYTES: ClassVar[int] = MAX_ATTESTATION_BYTES

    attester_id: Identifier
    claim_id: Identifier
    claim_digest: Digest
    line: Annotated[int, Field(ge=1, le=MAX_LINES)]
    commitment: EncodedPoint
    attested: Slots
    record: RecordReference
    attested_at: Instant
    expires_at: Instant

    @model_validator(mode="after")
    def _require_order(self) -> Attestation:
        if self.expires_at < self.attested_at:
            raise ValueError("expires_at is before attested_at")
        return self


class Submission(StrictDocument):
    """A claim with attestations that its contract asks for at the request."""

    format_version: Annotated[int, Field(ge=1, le=1)]
    claim: Claim
    attestations: Annotated[
        tuple[Attestation, ...], Field(min_length=1, max_length=MAX_ATTESTATIONS)
    ]


def encode_submission(submission: Submission) -> bytes:
    """The one byte form of a submission."""
    return canonical_bytes(submission.model_dump(mode="json"))


def decode_submission(data: bytes) -> Submission:
    """Strict inverse of `encode_submission`; raises `EncodingError` or `StatementError`."""
    return parse_document(
        Submission, data, max_bytes=MAX_SUBMISSION_BYTES, what="submission", is_canonical=True
    )


# -- what a contract asks for -------------------------------------------------------------------


@dataclass(frozen=True)
class Duty:
    """A line (from 1) that a rule of the contract asks an attestation of; ``rule`` is its number
    in the contract."""

    line: int
    rule: int
    attesters: tuple[str, ...]
    slots: tuple[AttestedSlot, ...]
    within_days: int | None

    def is_met_by(self, attestation: Attestation) -> bool:
        """Whether the attestation, checked and of this claim, is what is asked for."""
        return (
            attestation.line == self.line
            and attestation.attester_id in self.attesters
            and set(self.slots) <= set(attestation.attested)
        )


def attestation_duties(
    claim: Claim, contract: Contract, nomenclature: Nomenclature
) -> tuple[Duty, ...]:
    """What the contract asks for of a claim; see `declared_duties`."""
    return declared_duties(claim.declaration(), claim.date_of_service, contract, nomenclature)


def declared_duties(
    declaration: Declaration, day: date, contract: Contract, nomenclature: Nomenclature
) -> tuple[Duty, ...]:
    """What the contract asks for, from public facts alone: by line, then by rule.

    A lens whose class is hidden (statement `pair`) falls under every rule that names a class which
    it could have. Raises `StatementError` for a declaration that makes no statement.
    """
    hidden: set[str] = set()
    if declaration.statement == "pair" and contract.attestations:
        for rows in possible_lenses(declaration, nomenclature, day):
            hidden |= {row.regroupement for row in rows}
    return tuple(
        _duty(number, place, rule)
        for number, line in enumerate(declaration.lines, start=1)
        for place, rule in enumerate(contract.attestations)
        if (hidden if line.regroupement is None else {line.regroupement}) & set(rule.classes)
    )


def _duty(line: int, place: int, rule: AttestationRule) -> Duty:
    return Duty(line, place, rule.attesters, rule.slots, rule.within_days)


# -- checks -------------------------------------------------------------------------------------


def require_attestation(
    attestation: Attestation,
    claim: Claim,
    duties: Sequence[Duty],
    trust: Trust,
    at: datetime,
) -> tuple[Duty, ...]:
    """The duties that the attestation meets; it is first recorded ``at``.

    Raises `ProofRejected` with a key of `ATTESTATION_REASONS`, the first that holds.
    """
    # By its digest: an id and commitments can be the same at two insurers.
    digest = encode_base64url(claim_digest(claim))
    if (attestation.claim_id, attestation.claim_digest) != (claim.claim_id, digest):
        raise rejected("attestation_other_claim")
    if attestation.line > len(claim.lines):
        raise rejected("attestation_other_line")
    if attestation.commitment != claim.lines[attestation.line - 1].commitment:
        raise rejected("attestation_other_line")
    asked = [duty for duty in duties if duty.line == attestation.line]
    if not any(attestation.attester_id in duty.attesters for duty in asked):
        raise rejected("attester_unknown")
    try:
        trust.require_signed(attestation, "attester", attestation.attester_id, at)
    except ProofRejected as error:
        raise rejected(error.reason) from None
    if attestation.attested_at - at > MAX_ATTESTATION_LEAD:
        raise rejected("attestation_in_future")
    if attestation.expires_at < at:
        raise rejected("attestation_expired")
    met = tuple(duty for duty in asked if duty.is_met_by(attestation))
    if not met:
        raise rejected("attestation_incomplete")
    return met


def unmet(duties: Iterable[Duty], attestations: Iterable[Attestation]) -> tuple[Duty, ...]:
    """The duties that none of the attestations, all checked and of this claim, meets."""
    given = list(attestations)
    return tuple(duty for duty in duties if not any(map(duty.is_met_by, given)))


def rejected(reason: str) -> ProofRejected:
    """The refusal with that key of `ATTESTATION_REASONS`."""
    return ProofRejected(reason, ATTESTATION_REASONS[reason])
