"""What an auditor makes of a case: the case itself, the opened answer, the finding and the outcome,
and evidence of it all. No network and no files."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from circuits.audit import (
    OUTCOME_OF,
    AuditAnswer,
    AuditCase,
    AuditOutcome,
    AuditReply,
    Cause,
    Finding,
    require_case_fits,
)
from circuits.canonical import encode_base64url
from circuits.claim import Claim, claim_digest
from circuits.document import Cents, IsoDate, SecretDocument, parse_document
from circuits.opening import LineOpening, SlotName
from circuits.sealing import RecipientKey
from circuits.signed import make_signed, signed_digest
from circuits.slots import Correction, encode_day, pack_correction
from verifier_api.evidence.check import require_answered
from verifier_api.evidence.documents import Evidence, Record, RecordedAudit
from verifier_api.evidence.seals import differing_slots, open_seal
from verifier_api.parties import Party
from zk.errors import ProofRejected, StatementError
from zk.generators import Generators

MAX_PAPERS_BYTES = 4096
SALT_BYTES = 32

_POWER = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,2})?", re.ASCII)


# -- papers -----------------------------------------------------------------------------------


def _require_power(text: str) -> str:
    if not _POWER.fullmatch(text) or Decimal(text) * 4 % 1:
        raise ValueError("not a power in dioptres, in steps of 0.25")
    return text


Power: TypeAlias = Annotated[str, AfterValidator(_require_power)]


class PaperCorrection(SecretDocument):
    """A lens's correction: powers as texts in dioptres, axis in degrees."""

    sphere: Power
    cylinder: Power = "0"
    axis: int = 0
    addition: Power = "0"

    def packed(self) -> int:
        """The value as it would be committed. Raises `StatementError`."""
        quarters = (int(Decimal(text) * 4) for text in (self.sphere, self.cylinder, self.addition))
        sphere, cylinder, addition = quarters
        return pack_correction(Correction(sphere, cylinder, self.axis, addition))


class Papers(SecretDocument):
    """What the auditor's papers have for a line, as far as they have it; a correction may be
    "none", which is a value too."""

    code: Annotated[int, Field(ge=0, le=9_999_999)] | None = None
    price_cents: Cents | None = None
    date_of_service: IsoDate | None = None
    correction: PaperCorrection | Literal["none"] | None = None

    def committed(self) -> dict[SlotName, int]:
        """The values as they would be committed, by slot. Raises `StatementError`."""
        day, correction = self.date_of_service, self.correction
        packed = correction.packed() if isinstance(correction, PaperCorrection) else None
        values: dict[SlotName, int | None] = {
            "code": self.code,
            "price": self.price_cents,
            "date": None if day is None else encode_day(day),
            "correction": pack_correction(None) if correction == "none" else packed,
        }
        return {name: value for name, value in values.items() if value is not None}


def parse_papers(data: bytes) -> Papers:
    """The papers in a JSON file. Raises `EncodingError` or `StatementError`, without content."""
    return parse_document(Papers, data, max_bytes=MAX_PAPERS_BYTES, what="papers")


# -- opening a case -----------------------------------------------------------------------------


def make_case(
    record: Record,
    auditor: Party,
    *,
    line: int,
    slots: Sequence[str],
    ground: str,
    answer_days: int | None,
    keep_days: int | None,
    now: datetime,
) -> tuple[AuditCase, RecipientKey]:
    """A new case about a line of the recorded claim, and the key to seal to.

    Days that are None are the contract's. Raises `StatementError` for what claim and contract do
    not allow.
    """
    claim, contract = record.claim, record.contract
    if contract is None or contract.audits is None:
        raise StatementError("audit case: the claim's contract foresees no audit")
    if not 1 <= line <= len(claim.lines):
        raise StatementError(f"line: the claim has lines 1 to {len(claim.lines)}")
    rules = contract.audits
    try:
        answer_by = now + timedelta(rules.answer_days if answer_days is None else answer_days)
        erase_at = answer_by + timedelta(rules.keep_days if keep_days is None else keep_days)
    except OverflowError:
        raise StatementError("audit case: days: more than the calendar has") from None
    key = RecipientKey.generate()
    case = make_signed(
        AuditCase,
        auditor.signing_key,
        case_id=f"audit-{secrets.token_hex(8)}",
        insurer_id=claim.insurer_id,
        claim_id=claim.claim_id,
        claim_digest=encode_base64url(claim_digest(claim)),
        line=line,
        commitment=claim.lines[line - 1].commitment,
        slots=tuple(slots),
        ground=ground,
        auditor_id=auditor.party_id,
        recipient=key.public,
        opened_at=now,
        answer_by=answer_by,
        erase_at=erase_at,
    )
    try:
        require_case_fits(case, claim, contract, now)
    except ProofRejected as error:
        raise StatementError(f"audit case: {error.detail}") from None
    return case, key


# -- the answer -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """What a seal holds: a valid opening, or why there is none."""

    opening: LineOpening | None = field(repr=False)
    reason: str | None
    detail: str


def recorded_audit(record: Record, case: AuditCase) -> RecordedAudit:
    """The case as the insurer recorded it. Raises `StatementError` if he shows another case or
    claim than was kept."""
    audit = record.audit
    if audit is None or audit.case != case:
        raise StatementError("record: it is not of the case that was sent")
    if encode_base64url(claim_digest(record.claim)) != case.claim_digest:
        raise StatementError("record: it is not of the claim that the case is about")
    return audit


def require_own_answer(record: Record, case: AuditCase, reply: AuditReply) -> None:
    """Refuse a sealed answer that the optician has not signed: what it holds says nothing of him.

    Raises `ProofRejected`, and `StatementError` as `recorded_audit`.
    """
    audit = recorded_audit(record, case)
    if audit.answer != reply.answer:
        raise ProofRejected("answer_other", "the answer is not the one on record")
    require_answered(record, audit, reply.answer, reply.sealed)


def open_reply(
    generators: Generators, claim: Claim, case: AuditCase, key: RecipientKey, sealed: str
) -> Opened:
    """Open a seal that `require_own_answer` found to be the optician's."""
    try:
        return Opened(open_seal(generators, claim, case, key, sealed), None, "")
    except ProofRejected as error:
        return Opened(None, error.reason, error.detail)


# -- the end ----------------------------------------------------------------------------------


def unanswered_cause(
    audit: RecordedAudit, exported_at: datetime
) -> Literal["refused", "lapsed"] | None:
    """Why nothing was opened; None if something can be.

    ``exported_at`` is the record's: by the insurer's clock, which is the one that takes answers.
    Raises `StatementError` while the optician still has time.
    """
    if audit.answer is not None:
        return "refused" if audit.answer.answer == "refusal" else None
    if exported_at <= audit.case.answer_by:
        raise StatementError("audit case: the optician has not answered, and still has time")
    return "lapsed"


def make_finding(
    auditor: Party,
    case: AuditCase,
    answer: AuditAnswer,
    opened: Opened,
    compared_with: Mapping[SlotName, int],
    source: str | None,
    now: datetime,
) -> Finding:
    """What the auditor finds: the opened values against his papers', or that nothing opens.

    Raises `StatementError` where nothing is compared that was asked for, or something that was not,
    and for papers beside an opening that is invalid.
    """
    if opened.opening is None:
        if compared_with or source is not None:
            raise StatementError("finding: there is no valid opening to compare papers with")
        cause: Cause = "opening_invalid"
    else:
        if not compared_with or source is None:
            raise StatementError(
                "finding: say what the papers have (--papers) and what papers they are (--source)"
            )
        if not set(compared_with) <= set(case.slots):
            raise StatementError("finding: a value is compared that was not asked for")
        differing = differing_slots(opened.opening, compared_with)
        cause = "differs_from_record" if differing else "as_recorded"
    return make_signed(
        Finding,
        auditor.signing_key,
        case_id=case.case_id,
        case_digest=signed_digest(case),
        answer_digest=signed_digest(answer),
        auditor_id=auditor.party_id,
        cause=cause,
        opening=opened.opening,
        compared_with=dict(compared_with),
        source=source,
        salt=encode_base64url(os.urandom(SALT_BYTES)),
        found_at=now,
    )


def make_outcome(
    auditor: Party,
    case: AuditCase,
    answer: AuditAnswer | None,
    cause: Cause,
    finding: Finding | None,
    now: datetime,
) -> AuditOutcome:
    """The end of the case. Raises `StatementError` for parts that do not go together."""
    return make_signed(
        AuditOutcome,
        auditor.signing_key,
        case_id=case.case_id,
        case_digest=signed_digest(case),
        answer_digest=None if answer is None else signed_digest(answer),
        auditor_id=auditor.party_id,
        outcome=OUTCOME_OF[cause],
        cause=cause,
        finding_digest=None if finding is None else signed_digest(finding),
        concluded_at=now,
    )


def make_evidence(
    auditor: Party,
    record: Record,
    case: AuditCase,
    finding: Finding | None,
    reply: AuditReply | None,
    key: RecipientKey | None,
    now: datetime,
) -> Evidence:
    """Evidence of a concluded case; the seal and its key only where the opening is invalid.

    Raises `StatementError` if the record is not of this case, or the case not concluded on it.
    """
    audit = recorded_audit(record, case)
    if audit.outcome is None:
        raise StatementError("record: the case is not concluded")
    is_invalid = finding is not None and finding.cause == "opening_invalid"
    if is_invalid and (reply is None or key is None):
        raise StatementError("evidence: the seal or its key is not there")
    return make_signed(
        Evidence,
        auditor.signing_key,
        auditor_id=auditor.party_id,
        record=record,
        finding=finding,
        sealed=reply.sealed if is_invalid and reply is not None else None,
        recipient_key=key.encode() if is_invalid and key is not None else None,
        # He has the record, so it is not before it, whatever his clock says.
        made_at=max(now, record.exported_at),
    )
