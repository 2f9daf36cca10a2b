"""Audits: what an auditor asks of an optician, what he answers, and who saw what, and when.

    open ──> answered, refused   by the optician, until ``answer_by``
    open ──> lapsed              when that instant has passed
    answered, refused, lapsed ──> concluded   by the auditor

The seal passes through and is kept until ``erase_at``; nothing here can open it. What becomes of
the claim ends no audit: an optician who cancels it after he was asked still has to answer. A token
of scope auditor is not bound to an auditor: whoever acts does so by the signature of a document,
and whoever reads a seal is recorded and needs the case's key to open it.

What writes runs in the writing transaction. The same bytes again get the same answer, whatever
became of the case, of the claim or of the keys since.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

from sqlalchemy import Connection, Row

from circuits.audit import (
    AUDIT_REASONS,
    AuditAnswer,
    AuditCase,
    AuditOutcome,
    AuditReply,
    require_answer_fits,
    require_case_fits,
    require_outcome_fits,
    sealed_digest,
)
from circuits.canonical import decode_base64url, encode_base64url
from circuits.claim import decode_claim, encode_instant
from circuits.sealing import seal
from circuits.signed import (
    SignedDocument,
    decode_signed,
    encode_signed,
    signed_digest,
    verify_signed,
)
from verifier_api.service.access import Principal
from verifier_api.service.directory import Snapshot
from verifier_api.service.errors import ServiceError
from verifier_api.service.notices import NOT_FOUND, RETRY_AFTER_SECONDS, UNKNOWN_CONTRACT
from verifier_api.store import audits as store
from verifier_api.store import claims, reference
from zk.errors import ProofRejected, StatementError

CaseState: TypeAlias = Literal["open", "answered", "refused", "lapsed", "concluded"]
CASE_STATES: Final[tuple[CaseState, ...]] = get_args(CaseState)

NO_CASE = "no audit case of that id that you may see"
ERASED: Final = "erased"
"""The reason for which a seal is no longer there."""

_UNTIL_ANSWERED = ("answered_at", "answer_digest")
_UNTIL_CONCLUDED = ("outcome", "cause", "concluded_at")
_CLOSED_CLAIMS = ("refused", "cancelled")


@dataclass(frozen=True)
class AuditStep:
    """Who acts, when, and the insurer's documents and trust list of that moment."""

    principal: Principal
    snapshot: Snapshot
    now: datetime

    @property
    def instant(self) -> str:
        """``now`` as it is recorded."""
        return encode_instant(self.now)


# -- what is told -------------------------------------------------------------------------------


def case_facts(row: Row[Any], state: str) -> dict[str, Any]:
    """The entry of a listing. Instants are the service's own, of when a document was recorded; the
    two deadlines are the case's."""
    outcome = json.loads(row.outcome_document) if row.outcome_document is not None else None
    return {
        "case_id": row.case_id,
        "case_digest": row.case_digest,
        "claim_id": row.claim_id,
        "line": row.line,
        "slots": json.loads(row.case_document)["slots"],
        "ground": row.ground,
        "auditor_id": row.auditor_id,
        "optician_id": row.optician_id,
        "state": state,
        "opened_at": row.opened_at,
        "answer_by": row.answer_by,
        "erase_at": row.erase_at,
        "answered_at": row.answered_at,
        "answer_digest": row.answer_digest,
        "erased_at": row.erased_at,
        "outcome": row.outcome,
        "cause": outcome["cause"] if outcome else None,
        "concluded_at": row.concluded_at,
    }


def case_detail(row: Row[Any], state: str, history: list[Row[Any]]) -> dict[str, Any]:
    """`case_facts`, the documents without the seal, and every step: who did or saw what, when."""
    return case_facts(row, state) | {
        "case": json.loads(row.case_document),
        "answer": _document_or_none(row.answer_document),
        "outcome_document": _document_or_none(row.outcome_document),
        "history": [
            {
                "at": event.at,
                "kind": event.kind,
                "actor": event.actor,
                "facts": json.loads(event.facts),
            }
            for event in history
        ],
    }


def _document_or_none(data: bytes | None) -> Any:
    return None if data is None else json.loads(data)


# Answers are made from what never changes in a row, so that they are the same for ever.


def _when_opened(row: Row[Any]) -> str:
    later = (*_UNTIL_ANSWERED, "erased_at", *_UNTIL_CONCLUDED)
    return json.dumps(case_facts(row, "open") | dict.fromkeys(later))


def _when_answered(row: Row[Any]) -> str:
    later = ("erased_at", *_UNTIL_CONCLUDED)
    return json.dumps(case_facts(row, _answered_state(_answer_of(row))) | dict.fromkeys(later))


def _when_concluded(row: Row[Any]) -> str:
    facts = case_facts(row, "concluded")
    if row.erase_at >= row.concluded_at:  # what was to be erased before was, by `take_outcome`
        facts["erased_at"] = None
    return json.dumps(facts)


# -- cases --------------------------------------------------------------------------------------


def require_recipient_usable(case: AuditCase) -> None:
    """Raise `StatementError` for a key that nothing can be sealed to: its optician could not
    answer."""
    try:
        seal(b"", case.recipient, b"")
    except StatementError as error:
        raise StatementError(f"{case.WHAT}: {error}") from None


def take_case(connection: Connection, step: AuditStep, case: AuditCase) -> str:
    """The answer (JSON): the case is open. Raises `ServiceError`: "already_exists" for another case
    of that id, "not_found" for a claim that is none, "audit_refused", "state_conflict" for a claim
    that was refused or cancelled, "overloaded" for a contract that is not known here yet."""
    digest = signed_digest(case)
    known = store.find_case(connection, case.case_id)
    if known is not None:
        if known.case_digest != digest:
            raise ServiceError(
                "already_exists", "another case has this case_id", places=("case_id",)
            )
        return _when_opened(known)
    _require_auditor(step, case, case.auditor_id)
    row = claims.find_claim(connection, case.claim_id)
    if row is None:
        raise ServiceError("not_found", NOT_FOUND)
    if row.state in _CLOSED_CLAIMS:
        raise ServiceError("state_conflict", f"the claim is {row.state}")
    claim = decode_claim(row.envelope)
    version = step.snapshot.contracts.get(claim.contract_digest)
    if version is None:  # another process has just added it
        raise ServiceError("overloaded", UNKNOWN_CONTRACT, retry_after=RETRY_AFTER_SECONDS)
    try:
        require_case_fits(case, claim, version.contract, step.now)
    except ProofRejected as error:
        raise _refused(error.reason) from None
    values = {
        "case_id": case.case_id,
        "case_digest": digest,
        "claim_id": case.claim_id,
        "line": case.line,
        "optician_id": claim.optician_id,
        "auditor_id": case.auditor_id,
        "ground": case.ground,
        "case_document": encode_signed(case),
        "state": "open",
        "opened_at": step.instant,
        "answer_by": encode_instant(case.answer_by),
        "erase_at": encode_instant(case.erase_at),
    }
    store.insert_case(connection, values)
    opened = _case(connection, case.case_id)
    _note(connection, step, opened, "audit_opened", auditor_id=case.auditor_id, line=case.line)
    return _when_opened(opened)


def note_sight(connection: Connection, step: AuditStep, case_id: str) -> None:
    """Record that the optician has seen the case, if he had not. Raises `ServiceError`
    "not_found"."""
    row = _own_case(connection, step, case_id)
    history = store.history_of(connection, row.claim_id, case_id)
    if not has_seen(history):
        _note(connection, step, row, "audit_seen")


def has_seen(history: list[Row[Any]]) -> bool:
    """Whether the optician has seen the case."""
    return any(event.kind == "audit_seen" for event in history)


# -- answers ------------------------------------------------------------------------------------


def take_answer(connection: Connection, step: AuditStep, case_id: str, reply: AuditReply) -> str:
    """The answer (JSON): the case is answered, or refused by the optician. Raises `ServiceError`:
    "not_found", also for another optician's, "state_conflict" if he answered otherwise before,
    "audit_refused"."""
    row = _own_case(connection, step, case_id)
    answer = reply.answer
    if answer.sealed_digest != (None if reply.sealed is None else sealed_digest(reply.sealed)):
        raise _refused("answer_other")
    digest = signed_digest(answer)
    if row.answer_digest is not None:
        if row.answer_digest != digest:
            raise ServiceError("state_conflict", "another answer was taken for this case")
        return _when_answered(row)  # what was erased stays so, whatever comes with it
    _require_optician(step, answer)
    claim_row = claims.find_claim(connection, row.claim_id)
    assert claim_row is not None  # the database sees to that
    try:
        require_answer_fits(reply, _case_of(row), decode_claim(claim_row.envelope))
    except ProofRejected as error:
        raise _refused(error.reason) from None
    if store.state_of(row, step.instant) != "open":
        raise _refused("audit_late")
    state = _answered_state(answer)
    store.change_case(
        connection,
        case_id,
        state=state,
        answer_digest=digest,
        answer_document=encode_signed(answer),
        answered_at=step.instant,
        sealed=None if reply.sealed is None else decode_base64url(reply.sealed),
    )
    _note(connection, step, row, f"audit_{state}", answer_digest=digest)
    return _when_answered(_case(connection, case_id))


def read_sealed(connection: Connection, step: AuditStep, case_id: str) -> str:
    """Case, answer and seal (JSON); who read it is recorded. Raises `ServiceError`: "not_found",
    "state_conflict" where there is no seal, with the reason `ERASED` if there was one."""
    row = _found(store.find_case(connection, case_id))
    if row.answer_document is None:
        state = store.state_of(row, step.instant)
        raise ServiceError("state_conflict", f"the case is {state}: there is no answer")
    answer = _answer_of(row)
    if answer.sealed_digest is None:
        raise ServiceError("state_conflict", "the optician refused: nothing is sealed")
    if row.sealed is None or row.erase_at < step.instant:
        raise ServiceError("state_conflict", "the sealed answer was erased", reason=ERASED)
    _note(connection, step, row, "audit_sealed_read")
    document = {
        "case": json.loads(row.case_document),
        "answer": json.loads(row.answer_document),
        "sealed": encode_base64url(row.sealed),
    }
    return json.dumps(document, ensure_ascii=False)


# -- outcomes -----------------------------------------------------------------------------------


def take_outcome(
    connection: Connection, step: AuditStep, case_id: str, outcome: AuditOutcome
) -> str:
    """The answer (JSON): the case is concluded. Raises `ServiceError`: "not_found",
    "state_conflict" if it was concluded otherwise before, "audit_refused"."""
    row = _found(store.find_case(connection, case_id))
    digest = signed_digest(outcome)
    if row.outcome_digest is not None:
        if row.outcome_digest != digest:
            raise ServiceError("state_conflict", "another outcome was taken for this case")
        return _when_concluded(row)
    _require_auditor(step, outcome, outcome.auditor_id)
    if store.state_of(row, step.instant) == "open":
        raise _refused("outcome_too_soon")
    answer = None if row.answer_document is None else _answer_of(row)
    try:
        require_outcome_fits(outcome, _case_of(row), answer)
    except ProofRejected as error:
        raise _refused(error.reason) from None
    # What time has done already is written down before what follows it.
    store.lapse_overdue(connection, step.instant, case_id)
    store.erase_due(connection, step.instant, case_id)
    store.change_case(
        connection,
        case_id,
        state="concluded",
        outcome=outcome.outcome,
        outcome_digest=digest,
        outcome_document=encode_signed(outcome),
        concluded_at=step.instant,
    )
    facts = {"outcome": outcome.outcome, "cause": outcome.cause, "outcome_digest": digest}
    _note(connection, step, row, "audit_concluded", **facts)
    return _when_concluded(_case(connection, case_id))


# -- what these share ---------------------------------------------------------------------------


def _found(row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise ServiceError("not_found", NO_CASE)
    return row


def _case(connection: Connection, case_id: str) -> Row[Any]:
    return _found(store.find_case(connection, case_id))


def _own_case(connection: Connection, step: AuditStep, case_id: str) -> Row[Any]:
    """The row; another optician's is looked for, and not found, like one that does not exist."""
    optician_id = step.principal.optician_id
    if optician_id is None:
        raise ServiceError("not_found", NO_CASE)
    return _found(store.find_case(connection, case_id, optician_id))


def _case_of(row: Row[Any]) -> AuditCase:
    return decode_signed(AuditCase, row.case_document)


def _answer_of(row: Row[Any]) -> AuditAnswer:
    return decode_signed(AuditAnswer, row.answer_document)


def _answered_state(answer: AuditAnswer) -> CaseState:
    return "answered" if answer.answer == "opening" else "refused"


def _require_auditor(step: AuditStep, document: SignedDocument, auditor_id: str) -> None:
    try:
        step.snapshot.trust.require_signed(document, "auditor", auditor_id, step.now)
    except ProofRejected as error:
        is_signature = error.reason == "signature_invalid"
        raise _refused(error.reason if is_signature else "auditor_unknown") from None


def _require_optician(step: AuditStep, answer: AuditAnswer) -> None:
    key = step.snapshot.key(answer.optician_id, answer.key_id, step.now.date())
    if key is None:
        raise _refused("optician_unknown")
    try:
        verify_signed(answer, key)
    except ProofRejected:
        raise _refused("signature_invalid") from None


def _refused(reason: str) -> ServiceError:
    return ServiceError("audit_refused", AUDIT_REASONS[reason], reason=reason)


def _note(connection: Connection, step: AuditStep, row: Row[Any], kind: str, **facts: Any) -> None:
    reference.note_event(
        connection,
        step.instant,
        kind,
        step.principal.token_id,
        {"case_id": row.case_id} | facts,
        row.claim_id,
    )
