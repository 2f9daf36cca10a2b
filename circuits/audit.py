"""Audits: an auditor asks for chosen values of one line, and the optician answers or does not.

    case      auditor: which line and slots, on what ground, until when; the key to seal to
    answer    optician: the opening of just these slots, sealed to that key, or a refusal
    outcome   auditor: consistent, inconsistent or unanswered, and why
    finding   auditor, never sent to the insurer: what was opened and what it was compared with

Case, answer and outcome pass through the insurer, who keeps the sealed opening until it is erased
and cannot read it. Each is signed and names what it follows by digest, format 1. An outcome names
its finding by a digest that nobody can guess from: a finding holds 32 random bytes.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field, model_validator

from circuits.canonical import canonical_bytes, decode_base64url, encode_base64url
from circuits.claim import MAX_LINES, Claim, Digest, EncodedPoint, Instant, claim_digest
from circuits.contract import Contract
from circuits.document import Identifier, StrictDocument, base64url_of, parse_document
from circuits.opening import (
    LineOpening,
    SlotName,
    decode_line_opening,
    encode_line_opening,
    normalise_purpose,
)
from circuits.sealing import MAX_SEALED_BYTES, RECIPIENT_BYTES, RecipientKey, seal, unseal
from circuits.signed import SignedDocument, signed_digest
from zk.errors import ProofRejected, StatementError

MAX_CASE_BYTES = 8 * 2**10
MAX_ANSWER_BYTES = 4096
MAX_REPLY_BYTES = MAX_ANSWER_BYTES + 2 * MAX_SEALED_BYTES
MAX_OUTCOME_BYTES = 4096
MAX_FINDING_BYTES = 32 * 2**10
MAX_CASE_AGE = timedelta(hours=1)
"""So old at most a case may be when the insurer first records it: of the days that the contract
gives to answer, which run from its signing, the optician loses no more than that."""

MAX_CASE_LEAD = timedelta(minutes=1)
"""So far an auditor's clock may be ahead of the insurer's."""

MAX_REASON = 200
"""Characters of a refusal's reason, and of what an opening was compared with."""

Outcome: TypeAlias = Literal["consistent", "inconsistent", "unanswered"]
Cause: TypeAlias = Literal[
    "as_recorded", "differs_from_record", "opening_invalid", "refused", "lapsed"
]

OUTCOME_OF: Final[dict[str, Outcome]] = {
    "as_recorded": "consistent",
    "differs_from_record": "inconsistent",
    "opening_invalid": "inconsistent",
    "refused": "unanswered",
    "lapsed": "unanswered",
}
"""What each cause makes of a case. An opening that does not open, or a seal with none in it, is the
optician's signed answer and so a lie."""

AUDIT_REASONS = {
    "auditor_unknown": "the key that signed is not relied upon as this auditor's",
    "optician_unknown": "the key that signed is not registered for this optician, or not valid",
    "signature_invalid": "the signature does not cover this document",
    "audit_other_claim": "the case is about another claim than is recorded",
    "audit_other_line": "the case is about another line or commitment than the claim has",
    "ground_not_allowed": "the contract does not list this ground for an audit",
    "audit_not_foreseen": "the contract foresees no audit",
    "answer_too_soon": "the optician would have less time than the contract gives",
    "kept_too_long": "the answer would be kept for longer than the contract allows",
    "opened_in_future": "the case was signed in the future",
    "opened_long_ago": "the case was signed too long ago",
    "audit_other_case": "the answer or outcome is about another case than is recorded",
    "audit_late": "the case's deadline has passed",
    "answer_other": "the sealed opening is not the one that the answer names",
    "outcome_too_soon": "the optician has not answered, and his deadline has not passed",
    "outcome_differs": "the outcome does not fit the recorded answer",
}
"""Reason codes, stable, with what they mean."""


def _require_words(text: str) -> str:
    try:
        normal = normalise_purpose(text)
    except StatementError:
        raise ValueError(f"not 1 to {MAX_REASON} printable characters") from None
    if normal != text:
        raise ValueError("not in Unicode form NFC")
    return text


def _require_slots(slots: tuple[SlotName, ...]) -> tuple[SlotName, ...]:
    if tuple(name for name in get_args(SlotName) if name in slots) != slots:
        raise ValueError("each slot once, in the order code, price, date, correction")
    return slots


AskedSlots: TypeAlias = Annotated[
    tuple[SlotName, ...], Field(min_length=1, max_length=4), AfterValidator(_require_slots)
]
Recipient: TypeAlias = Annotated[str, base64url_of(RECIPIENT_BYTES)]
Sealed: TypeAlias = Annotated[str, base64url_of(1, MAX_SEALED_BYTES)]
Words: TypeAlias = Annotated[str, AfterValidator(_require_words)]


class AuditCase(SignedDocument):
    """What an auditor asks; signed with his key.

    ``recipient`` is the public key, made for this case alone, that the answer is sealed to.
    ``answer_by`` is the last instant at which it may come; what was sealed is erased after
    ``erase_at``.
    """

    TAG: ClassVar[bytes] = b"clairobscur/audit-case/v1"
    WHAT: ClassVar[str] = "audit case"
    MAX_BYTES: ClassVar[int] = MAX_CASE_BYTES

    case_id: Identifier
    insurer_id: Identifier
    claim_id: Identifier
    claim_digest: Digest
    line: Annotated[int, Field(ge=1, le=MAX_LINES)]
    commitment: EncodedPoint
    slots: AskedSlots
    ground: Identifier
    auditor_id: Identifier
    recipient: Recipient
    opened_at: Instant
    answer_by: Instant
    erase_at: Instant

    @model_validator(mode="after")
    def _require_order(self) -> AuditCase:
        if not self.opened_at < self.answer_by < self.erase_at:
            raise ValueError("opened_at, answer_by and erase_at do not follow one another")
        return self


class AuditAnswer(SignedDocument):
    """The optician's answer: an opening (``sealed_digest``) or a refusal with its ``reason``."""

    TAG: ClassVar[bytes] = b"clairobscur/audit-answer/v1"
    WHAT: ClassVar[str] = "audit answer"
    MAX_BYTES: ClassVar[int] = MAX_ANSWER_BYTES

    case_id: Identifier
    case_digest: Digest
    optician_id: Identifier
    answer: Literal["opening", "refusal"]
    sealed_digest: Digest | None
    reason: Words | None
    answered_at: Instant

    @model_validator(mode="after")
    def _require_one(self) -> AuditAnswer:
        if (self.answer == "opening") != (self.sealed_digest is not None):
            raise ValueError("sealed_digest goes with an opening, and with nothing else")
        if (self.answer == "refusal") != (self.reason is not None):
            raise ValueError("reason goes with a refusal, and with nothing else")
        return self


class AuditReply(StrictDocument):
    """What the optician sends: his answer, and beside it what its digest names, so that the seal
    can be erased and the signature still be checked."""

    format_version: Annotated[int, Field(ge=1, le=1)]
    answer: AuditAnswer
    sealed: Sealed | None


class AuditOutcome(SignedDocument):
    """The end of a case; signed with the auditor's key. ``answer_digest`` names the answer, null
    where none came; ``finding_digest`` the auditor's finding, null where nothing was opened."""

    TAG: ClassVar[bytes] = b"clairobscur/audit-outcome/v1"
    WHAT: ClassVar[str] = "audit outcome"
    MAX_BYTES: ClassVar[int] = MAX_OUTCOME_BYTES

    case_id: Identifier
    case_digest: Digest
    answer_digest: Digest | None
    auditor_id: Identifier
    outcome: Outcome
    cause: Cause
    finding_digest: Digest | None
    concluded_at: Instant

    @model_validator(mode="after")
    def _require_consistent(self) -> AuditOutcome:
        if OUTCOME_OF[self.cause] != self.outcome:
            raise ValueError("cause does not go with this outcome")
        if (self.cause == "lapsed") != (self.answer_digest is None):
            raise ValueError("answer_digest is null where the case lapsed, and nowhere else")
        if (self.outcome == "unanswered") != (self.finding_digest is None):
            raise ValueError("finding_digest is null where nothing was answered, and nowhere else")
        return self


class Finding(SignedDocument):
    """What the auditor saw: secret, and never sent to the insurer's service.

    ``opening`` is what the seal held, null where it held none. ``compared_with`` gives the values
    that the auditor's papers have for the slots, as they would be committed, and ``source`` what
    papers; empty and null where the opening is invalid. ``salt`` is 32 random bytes.
    """

    TAG: ClassVar[bytes] = b"clairobscur/audit-finding/v1"
    WHAT: ClassVar[str] = "audit finding"
    MAX_BYTES: ClassVar[int] = MAX_FINDING_BYTES

    case_id: Identifier
    case_digest: Digest
    answer_digest: Digest
    auditor_id: Identifier
    cause: Cause
    opening: LineOpening | None
    compared_with: Annotated[dict[SlotName, Annotated[int, Field(ge=0)]], Field(repr=False)]
    source: Words | None
    salt: Digest
    found_at: Instant

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Nothing to show: it holds what was opened."""
        return []


# -- openings, sealed ---------------------------------------------------------------------------


def audit_purpose(case: AuditCase) -> str:
    """What the opening of an answer is made for: it serves no other case and no attestation."""
    return f"audit {case.case_id} {signed_digest(case)}"


def seal_opening(opening: LineOpening, case: AuditCase) -> str:
    """base64url of the opening, sealed to the case's key. Raises `StatementError` for a key that
    is none."""
    return encode_base64url(seal(encode_line_opening(opening), case.recipient, _context(case)))


def unseal_opening(sealed: str, case: AuditCase, key: RecipientKey) -> LineOpening:
    """Inverse of `seal_opening`. Raises `ProofRejected` ("seal_invalid") for what does not open,
    `EncodingError` or `StatementError` for what opens and is no opening."""
    return decode_line_opening(unseal(decode_base64url(sealed), key, _context(case)))


def sealed_digest(sealed: str) -> str:
    """base64url SHA-256 of what is sealed: what the answer signs."""
    return encode_base64url(hashlib.sha256(decode_base64url(sealed)).digest())


def _context(case: AuditCase) -> bytes:
    return signed_digest(case).encode("ascii")


# -- bytes ------------------------------------------------------------------------------------


def encode_reply(reply: AuditReply) -> bytes:
    """The one byte form of a reply."""
    return canonical_bytes(reply.model_dump(mode="json"))


def decode_reply(data: bytes) -> AuditReply:
    """Strict inverse of `encode_reply`; raises `EncodingError` or `StatementError`."""
    return parse_document(
        AuditReply, data, max_bytes=MAX_REPLY_BYTES, what="audit answer", is_canonical=True
    )


# -- fit --------------------------------------------------------------------------------------


def require_case_fits(case: AuditCase, claim: Claim, contract: Contract, now: datetime) -> None:
    """Refuse a case, first recorded ``now``, that the claim or its contract does not allow.

    Raises `ProofRejected` with a key of `AUDIT_REASONS`, the first that holds.
    """
    digest = encode_base64url(claim_digest(claim))
    if (case.insurer_id, case.claim_id, case.claim_digest) != (
        claim.insurer_id,
        claim.claim_id,
        digest,
    ):
        raise rejected("audit_other_claim")
    if case.line > len(claim.lines):
        raise rejected("audit_other_line")
    if case.commitment != claim.lines[case.line - 1].commitment:
        raise rejected("audit_other_line")
    rules = contract.audits
    if rules is None:
        raise rejected("audit_not_foreseen")
    if case.ground not in rules.grounds:
        raise rejected("ground_not_allowed")
    if case.opened_at - now > MAX_CASE_LEAD:
        raise rejected("opened_in_future")
    if now - case.opened_at > MAX_CASE_AGE:
        raise rejected("opened_long_ago")
    if case.answer_by - case.opened_at < timedelta(days=rules.answer_days):
        raise rejected("answer_too_soon")
    if case.erase_at - case.answer_by > timedelta(days=rules.keep_days):
        raise rejected("kept_too_long")


def require_answer_fits(reply: AuditReply, case: AuditCase, claim: Claim) -> None:
    """Raise `ProofRejected` ("audit_other_case", "answer_other") for an answer to anything else."""
    answer = reply.answer
    named = (answer.case_id, answer.case_digest, answer.optician_id)
    if named != (case.case_id, signed_digest(case), claim.optician_id):
        raise rejected("audit_other_case")
    given = None if reply.sealed is None else sealed_digest(reply.sealed)
    if given != answer.sealed_digest:
        raise rejected("answer_other")


def require_outcome_fits(
    outcome: AuditOutcome, case: AuditCase, answer: AuditAnswer | None
) -> None:
    """Refuse an outcome of another case or of another answer than is recorded.

    Whether the optician's time has passed where there is none is for the caller to know. Raises
    `ProofRejected` ("audit_other_case", "outcome_differs").
    """
    named = (outcome.case_id, outcome.case_digest, outcome.auditor_id)
    if named != (case.case_id, signed_digest(case), case.auditor_id):
        raise rejected("audit_other_case")
    if outcome.answer_digest != (None if answer is None else signed_digest(answer)):
        raise rejected("outcome_differs")
    is_refusal = answer is not None and answer.answer == "refusal"
    if is_refusal != (outcome.cause == "refused"):
        raise rejected("outcome_differs")


def rejected(reason: str) -> ProofRejected:
    """The refusal with that key of `AUDIT_REASONS`."""
    return ProofRejected(reason, AUDIT_REASONS[reason])
