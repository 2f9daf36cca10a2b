"""The documents of evidence: what an insurer has recorded of a claim, and what an auditor adds.

    record     insurer: the claim, the verdict, and every document that either rests on, signed
    evidence   auditor: a record, the finding that its outcome names, and, where the optician's
               seal holds no valid opening, the seal with the key that opens it, signed

Both have format 1. An *instant of record* is when the insurer's service first had a document; it is
the insurer's word, as are the opticians' keys. Evidence is secret: a finding says what was opened.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, model_validator

from circuits.attestation import MAX_ATTESTATIONS, Attestation
from circuits.audit import (
    AuditAnswer,
    AuditCase,
    AuditOutcome,
    Finding,
    Sealed,
)
from circuits.claim import Claim, Digest, Instant
from circuits.contract import Contract
from circuits.document import Identifier, IsoDate, StrictDocument
from circuits.publication import Publication
from circuits.signed import SignedDocument
from console.answers import Code

MAX_RECORD_BYTES = 384 * 2**10
MAX_EVIDENCE_BYTES = MAX_RECORD_BYTES + 96 * 2**10
MAX_PUBLICATIONS = 16
"""Of one contract or table: it may be published again when a publisher's key has gone."""

_MAX_COMMAS = 4096

_SecretKey: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]


class RecordedVerdict(StrictDocument):
    """The verdict as the optician was told, and the claim's state when the record was exported."""

    verdict: Literal["granted", "refused", "pending"]
    reason: Code | None
    judged_at: Instant
    circuit_digest: Digest | None
    granted_until: Instant | None
    state: Code
    state_since: Instant
    attest_by: Instant | None = None

    @model_validator(mode="after")
    def _require_reason(self) -> RecordedVerdict:
        if (self.verdict == "granted") != (self.reason is None):
            raise ValueError("a reason goes with every verdict but granted")
        return self


class RecordedPublication(StrictDocument):
    """A publication, and when it was first recorded."""

    publication: Publication
    recorded_at: Instant


class RecordedKey(StrictDocument):
    """An optician's public key as the insurer registered it; valid from day to day, both
    included, until it was revoked."""

    optician_id: Identifier
    public_key: Digest
    valid_from: IsoDate
    valid_to: IsoDate
    registered_at: Instant
    revoked_at: Instant | None


class RecordedAttestation(StrictDocument):
    """An attestation, and when it was first recorded."""

    attestation: Attestation
    recorded_at: Instant


class RecordedAudit(StrictDocument):
    """A case with what followed it, and when each was first recorded; null what did not come."""

    case: AuditCase
    recorded_at: Instant
    answer: AuditAnswer | None
    answered_at: Instant | None
    outcome: AuditOutcome | None
    concluded_at: Instant | None

    @model_validator(mode="after")
    def _require_instants(self) -> RecordedAudit:
        if (self.answer is None) != (self.answered_at is None):
            raise ValueError("answered_at goes with answer")
        if (self.outcome is None) != (self.concluded_at is None):
            raise ValueError("concluded_at goes with outcome")
        return self


class Record(SignedDocument):
    """What the insurer has recorded of a claim, and of one audit case of it; signed with the
    insurer's key.

    ``contract`` is the document that the claim names, null if the insurer has none of that digest;
    the table is named by its digest alone, since it is public and large. ``optician_keys`` are the
    registered keys that the claim and the answer name, each once.
    """

    TAG: ClassVar[bytes] = b"clairobscur/record/v1"
    WHAT: ClassVar[str] = "record"
    MAX_BYTES: ClassVar[int] = MAX_RECORD_BYTES
    MAX_COMMAS: ClassVar[int] = _MAX_COMMAS

    insurer_id: Identifier
    exported_at: Instant
    claim: Claim
    received_at: Instant
    verdict: RecordedVerdict
    contract: Contract | None
    contract_publications: Annotated[
        tuple[RecordedPublication, ...], Field(max_length=MAX_PUBLICATIONS)
    ]
    nomenclature_digest: Digest
    nomenclature_publications: Annotated[
        tuple[RecordedPublication, ...], Field(max_length=MAX_PUBLICATIONS)
    ]
    optician_keys: Annotated[tuple[RecordedKey, ...], Field(max_length=2)]
    attestations: Annotated[tuple[RecordedAttestation, ...], Field(max_length=MAX_ATTESTATIONS)]
    audit: RecordedAudit | None


class Evidence(SignedDocument):
    """A record with what only the auditor has; signed with the auditor's key. Secret.

    ``finding`` is null where nothing was answered. ``sealed`` and ``recipient_key`` (the secret key
    of this one case, `circuits.sealing`) are given exactly where the opening is invalid, so that
    anybody can open the seal that the optician signed, and see.
    """

    TAG: ClassVar[bytes] = b"clairobscur/evidence/v1"
    WHAT: ClassVar[str] = "evidence"
    MAX_BYTES: ClassVar[int] = MAX_EVIDENCE_BYTES
    MAX_COMMAS: ClassVar[int] = _MAX_COMMAS

    auditor_id: Identifier
    record: Record
    finding: Finding | None
    sealed: Sealed | None
    recipient_key: _SecretKey | None
    made_at: Instant

    @model_validator(mode="after")
    def _require_seal(self) -> Evidence:
        is_invalid = self.finding is not None and self.finding.cause == "opening_invalid"
        if (self.sealed is not None) != is_invalid or (
            self.recipient_key is not None
        ) != is_invalid:
            raise ValueError(
                "sealed and recipient_key go with an invalid opening, and nothing else"
            )
        return self

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Nothing to show: it holds what was opened."""
        return []
