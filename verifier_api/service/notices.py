"""Invoices, cancellations and decisions: what moves a recorded claim on.

Each runs in the writing transaction. The same bytes again get the same answer, whatever became of
the claim or of the key since.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import Connection

from circuits.canonical import encode_base64url
from circuits.claim import decode_claim, encode_instant
from circuits.contract import Contract
from circuits.document import StrictDocument
from circuits.notices import (
    Cancellation,
    Invoice,
    notice_digest,
    require_cancellation_fits,
    require_invoice_fits,
    verify_notice_signature,
)
from verifier_api.judge import CLOCK_TOLERANCE, References
from verifier_api.service.access import Principal
from verifier_api.service.duties import due_at_of, next_due, read_duties
from verifier_api.service.errors import ServiceError
from verifier_api.service.life import NOT_A_PAYMENT, amounts_facts, grant_deadline
from verifier_api.store import attestations as attestations_store
from verifier_api.store import claims as store
from verifier_api.store import reference
from zk.errors import ProofRejected

MAX_NOTE = 200

NOT_FOUND = "no claim of that id that you may see"
UNKNOWN_CONTRACT = "the claim's contract is not known to this process yet"
RETRY_AFTER_SECONDS = 1


class Decision(StrictDocument):
    """The insurer's decision on a claim that is pending, or that lacks an attestation, with a note
    for the record: never health data."""

    decision: Literal["grant", "refuse"]
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""


@dataclass(frozen=True)
class Step:
    """Who asks for what, when, and the insurer's documents of that moment."""

    claim_id: str
    principal: Principal
    references: References
    now: datetime


def take_invoice(connection: Connection, step: Step, invoice: Invoice, data: bytes) -> str:
    """The answer (JSON): the claim is payable. Raises `ServiceError`: "not_found",
    "state_conflict", "notice_refused"."""
    row = own_claim(connection, step)
    digest = encode_base64url(notice_digest(invoice))
    known = _known_answer(connection, step.claim_id, "invoice", digest)
    if known is not None:
        return known
    try:
        _check_signature(step, invoice)
        require_invoice_fits(invoice, decode_claim(row.envelope))
    except ProofRejected as error:
        raise _refused(error) from None
    if invoice.date_of_delivery > (step.now + CLOCK_TOLERANCE).date():
        raise ServiceError(
            "notice_refused", "date_of_delivery: in the future", reason="delivery_in_future"
        )
    require_state(row, "granted")
    instant = encode_instant(step.now)
    amounts = invoice.amounts
    answer = {
        "claim_id": step.claim_id,
        "state": "payable",
        "invoice_digest": digest,
        "date_of_delivery": invoice.date_of_delivery.isoformat(),
        "amounts": amounts_facts(amounts.lenses_cents, amounts.frame_cents) if amounts else None,
        "recorded_at": instant,
        "notice": NOT_A_PAYMENT,
    }
    _keep(connection, step, "invoice", digest, data, answer)
    facts = {"invoice_digest": digest}
    _move(connection, step, "payable", "invoiced", facts, attest_by=row.attest_by)
    return json.dumps(answer, ensure_ascii=False)


def take_cancellation(
    connection: Connection, step: Step, cancellation: Cancellation, data: bytes
) -> str:
    """The answer (JSON): the claim is cancelled, its line commitments are free again. Raises as
    `take_invoice`."""
    row = own_claim(connection, step)
    digest = encode_base64url(notice_digest(cancellation))
    known = _known_answer(connection, step.claim_id, "cancellation", digest)
    if known is not None:
        return known
    claim = decode_claim(row.envelope)
    try:
        _check_signature(step, cancellation)
        require_cancellation_fits(cancellation, claim)
    except ProofRejected as error:
        raise _refused(error) from None
    require_state(row, "granted", "pending")
    answer = {
        "claim_id": step.claim_id,
        "state": "cancelled",
        "recorded_at": encode_instant(step.now),
    }
    _keep(connection, step, "cancellation", digest, data, answer)
    store.free_commitments(connection, [line.commitment for line in claim.lines])
    _move(connection, step, "cancelled", "cancelled", {"cancellation_digest": digest})
    return json.dumps(answer, ensure_ascii=False)


def take_decision(
    connection: Connection, step: Step, decision: Decision, data: bytes, contract: Contract | None
) -> str:
    """The answer (JSON): a claim that was pending or lacked an attestation is granted or refused;
    refused, its commitments are free again. Granted without its attestation it needs none any more,
    and is payable if its invoice was taken. ``contract`` is the claim's, None where this process
    does not know it yet. Raises `ServiceError`: "not_found", "state_conflict", "overloaded" for a
    grant without contract."""
    row = store.claim_at(connection, step.claim_id, encode_instant(step.now))
    if row is None:
        raise ServiceError("not_found", NOT_FOUND)
    digest = encode_base64url(hashlib.sha256(data).digest())
    is_overdue = row.state == store.ATTESTATION_OVERDUE
    # Whoever decides on such a claim may use the words of a decision that was taken long before.
    known = None if is_overdue else _known_decision(connection, step.claim_id, digest)
    if known is not None:
        return known
    require_state(row, "pending", store.ATTESTATION_OVERDUE)
    is_granted = decision.decision == "grant"
    if is_granted and contract is None:  # another process has just added it; a grant needs its days
        raise ServiceError("overloaded", UNKNOWN_CONTRACT, retry_after=RETRY_AFTER_SECONDS)
    state, deadline, attest_by = "refused", None, None
    if is_granted and contract is not None:
        state, deadline = "granted", grant_deadline(contract, step.now)
        if not is_overdue:
            attest_by = _start_duties(connection, step, contract)
        elif store.find_notice(connection, step.claim_id, "invoice") is not None:
            state, deadline = "payable", None
    answer = {
        "claim_id": step.claim_id,
        "state": state,
        "recorded_at": encode_instant(step.now),
        "granted_until": deadline,
    }
    kind, event = _DECISIONS[is_overdue]
    if is_overdue:  # the history says so even where nothing had swept it up yet
        store.mark_attestations_overdue(connection, encode_instant(step.now), step.claim_id)
    _keep(connection, step, kind, digest, data, answer)
    if not is_granted:
        lines = decode_claim(row.envelope).lines
        store.free_commitments(connection, [line.commitment for line in lines])
    facts = {"decision": decision.decision, "note": decision.note}
    _move(connection, step, state, event, facts, deadline, attest_by)
    return json.dumps(answer, ensure_ascii=False)


_DECISIONS = {
    False: ("decision", "decided"),
    True: ("attestation_decision", "attestation_decided"),
}
"""Kind of notice and of event of a decision, by whether it is on a lacking attestation."""


def _start_duties(connection: Connection, step: Step, contract: Contract) -> str | None:
    """Days run from the grant; the earliest instant by which an attestation is still needed."""
    rows = attestations_store.duties_of(connection, step.claim_id)
    duties = [
        replace(entry, due_at=due_at_of(entry.duty, step.now))
        for entry in read_duties(rows, contract)
    ]
    due = [
        (entry.duty.line, entry.duty.rule, entry.due_at)
        for entry in duties
        if entry.due_at is not None
    ]
    attestations_store.start_duties(connection, step.claim_id, due)
    return next_due(duties)


def own_claim(connection: Connection, step: Step) -> Any:
    """The claim's row at the moment of the step (`store.claim_at`); another optician's does not
    exist for him."""
    row = store.claim_at(connection, step.claim_id, encode_instant(step.now))
    if row is None or row.optician_id != step.principal.optician_id:
        raise ServiceError("not_found", NOT_FOUND)
    return row


def _known_answer(connection: Connection, claim_id: str, kind: str, digest: str) -> str | None:
    """The answer if the same notice was taken; raises "state_conflict" if another one was."""
    known = store.find_notice(connection, claim_id, kind)
    if known is None:
        return None
    if known.digest != digest:
        raise ServiceError("state_conflict", f"another {kind} was taken for this claim")
    return str(known.answer)


def _known_decision(connection: Connection, claim_id: str, digest: str) -> str | None:
    """As `_known_answer`, for the latest of the decisions that may have been taken."""
    latest = store.find_notice(connection, claim_id, "attestation_decision")
    if latest is not None and latest.digest == digest:
        return str(latest.answer)
    known = _known_answer(connection, claim_id, "decision", digest)
    if known is None and latest is not None:
        raise ServiceError("state_conflict", "another decision was taken for this claim")
    return known


def _check_signature(step: Step, notice: Invoice | Cancellation) -> None:
    key = step.references.key(notice.optician_id, notice.key_id, step.now.date())
    if key is None:
        raise ProofRejected("optician_unknown", "no such key of this optician is valid")
    verify_notice_signature(notice, key)


def _refused(error: ProofRejected) -> ServiceError:
    return ServiceError("notice_refused", error.detail, reason=error.reason)


def require_state(row: Any, *allowed: str) -> None:
    """Raise `ServiceError` "state_conflict" unless a row of `own_claim` has one of these states."""
    if row.state not in allowed:
        raise ServiceError("state_conflict", f"the claim is {row.state}")


def _keep(
    connection: Connection, step: Step, kind: str, digest: str, data: bytes, answer: dict[str, Any]
) -> None:
    store.insert_notice(
        connection,
        {
            "claim_id": step.claim_id,
            "kind": kind,
            "digest": digest,
            "document": data,
            "answer": json.dumps(answer, ensure_ascii=False),
            "recorded_at": encode_instant(step.now),
        },
    )


def _move(
    connection: Connection,
    step: Step,
    state: str,
    event: str,
    facts: dict[str, Any],
    deadline: str | None = None,
    attest_by: str | None = None,
) -> None:
    instant = encode_instant(step.now)
    store.change_state(connection, step.claim_id, state, instant, deadline, attest_by)
    reference.note_event(connection, instant, event, step.principal.token_id, facts, step.claim_id)
