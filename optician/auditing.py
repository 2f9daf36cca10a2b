"""What the shop answers to an audit, and to which case it answers nothing."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Any, Literal

from circuits.audit import (
    AuditAnswer,
    AuditCase,
    AuditReply,
    audit_purpose,
    seal_opening,
    sealed_digest,
)
from circuits.canonical import canonical_bytes
from circuits.signed import decode_signed, make_signed, signed_digest, verify_signed
from circuits.trust import Trust
from optician.answers import AuditDetail
from optician.claiming import Openings
from optician.identity import Identity
from optician.opening_file import open_line
from zk.errors import EncodingError, ProofRejected, StatementError
from zk.generators import Generators


def read_case(shown: AuditDetail, case_id: str) -> AuditCase:
    """The auditor's document as the service shows it; nothing of it is believed yet.

    Raises `StatementError` for what is none, is another than was asked for, or says something else
    than what the service tells beside it.
    """

    try:
        case = decode_signed(AuditCase, canonical_bytes(shown.case))
    except EncodingError as error:
        raise StatementError(str(error)) from None
    if case.case_id != case_id:
        raise StatementError("audit case: it is another case than was asked for")
    for name in _TOLD:
        if getattr(case, name) != getattr(shown, name):
            raise StatementError(f"audit case: {name}: the service tells something else")
    return case


_TOLD = ("claim_id", "line", "slots", "ground", "auditor_id", "answer_by", "erase_at")


def is_answered(
    shown: AuditDetail,
    case: AuditCase,
    identity: Identity,
    kind: Literal["opening", "refusal"],
    reason: str | None = None,
) -> bool:
    """Whether the service has an answer of that kind to this very case, signed with one's own key:
    a command that was given before and is given again, after a connection that broke."""

    if shown.answer is None:
        return False
    try:
        given = decode_signed(AuditAnswer, canonical_bytes(shown.answer))
        verify_signed(given, identity.signing_key.public_key())
    except (EncodingError, StatementError, ProofRejected):
        return False
    is_same = given.case_digest == signed_digest(case) and given.answer == kind
    return is_same and given.reason == reason


def require_answerable(case: AuditCase, openings: Openings, trust: Trust, now: datetime) -> None:
    """Refuse a case that is not a trusted auditor's, not about these openings, or late.

    Raises `StatementError` saying which.
    """
    try:
        trust.require_signed(case, "auditor", case.auditor_id, now)
    except ProofRejected as error:
        raise StatementError(f"audit case: {error.reason}: {error.detail}") from None
    if case.claim_id != openings.claim_id:
        raise StatementError("audit case: it is about another claim than the openings")
    if case.line > len(openings.commitments):
        raise StatementError("audit case: the claim has no such line")
    if case.commitment != openings.commitments[case.line - 1]:
        raise StatementError("audit case: the line's commitment is another than in the openings")
    if now > case.answer_by:
        raise StatementError("audit case: the time to answer has passed")


def make_reply(
    case: AuditCase,
    openings: Openings,
    identity: Identity,
    generators: Generators,
    now: datetime,
) -> AuditReply:
    """The sealed opening of the slots that are asked for, and the signed answer that names it.

    Raises `StatementError` for openings that do not belong to their commitment, or a key to seal
    to that is none.
    """

    opening = open_line(
        openings,
        case.line,
        case.slots,
        audit_purpose(case),
        generators,
        secret=identity.hedge_key,
    )
    sealed = seal_opening(opening, case)
    said = {"answer": "opening", "sealed_digest": sealed_digest(sealed), "reason": None}
    return AuditReply(format_version=1, answer=_signed(case, identity, now, said), sealed=sealed)


def make_refusal(case: AuditCase, reason: str, identity: Identity, now: datetime) -> AuditReply:
    """The signed refusal. Raises `StatementError` for a reason that is no printable text of 1 to
    200 characters."""

    said = {
        "answer": "refusal",
        "sealed_digest": None,
        "reason": unicodedata.normalize("NFC", reason),
    }
    return AuditReply(format_version=1, answer=_signed(case, identity, now, said), sealed=None)


def _signed(case: AuditCase, identity: Identity, now: datetime, said: dict[str, Any]) -> Any:

    return make_signed(
        AuditAnswer,
        identity.signing_key,
        case_id=case.case_id,
        case_digest=signed_digest(case),
        optician_id=identity.optician_id,
        answered_at=now,
        **said,
    )
