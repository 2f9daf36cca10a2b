"""What is kept of a claim, and what is told of it.

A claim's content is one JSON document: the claim's own bytes as text, what was said before it was
sent, what the insurer said since, and its history. What it hides stands apart, with the sale.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from circuits.claim import Claim, encode_claim, encode_instant
from console.answers import facts_of
from optician.agent.records import (
    AmountsFacts,
    AttestationRecord,
    AuditRecord,
    ClaimRecord,
    Duty,
    Event,
    Hiding,
    LineFacts,
    Preview,
    Problem,
    QueueEntry,
    Texts,
    Warned,
)
from optician.agent.store import (
    Document,
    StoredAttestation,
    StoredAudit,
    StoredClaim,
    StoredEntry,
    parse_day,
)
from optician.agent.words import STEPS, step_of, texts
from optician.messages import NO_NEXT_STEP

if TYPE_CHECKING:
    from optician.answers import ClaimAnswer, VerdictAnswer

MAX_HISTORY: Final = 200
"""Events of a claim that are kept; the oldest but the first make room."""


# -- making -----------------------------------------------------------------------------------


def new_content(
    claim: Claim, sale_id: str, order_index: str, preview: Preview, now: datetime
) -> Document:
    """Of a claim that was just proved. ``order_index`` tells whether the same sale comes again."""
    disclosure = preview.disclosure
    return {
        "revision": 0,
        "claim": encode_claim(claim).decode("ascii"),
        "sale_id": sale_id,
        "order_index": order_index,
        "level": disclosure.level,
        "price_class": disclosure.price_class,
        "hides": [
            [hiding.place, hiding.regroupement, hiding.cells, hiding.codes]
            for hiding in disclosure.hides_among
        ],
        "warnings": [
            *([each.key, each.place, each.regroupement] for each in disclosure.warnings),
            *([each.key, each.place, None] for each in preview.warnings),
        ],
        "duties": [
            {
                "line": duty.line,
                "attesters": list(duty.attesters),
                "slots": list(duty.slots),
                "due_at": None,
                "is_met": False,
            }
            for duty in disclosure.duties
        ],
        "verdict": None,
        "granted_until": None,
        "attest_by": None,
        "invoiced": None,
        "history": [event("made", now)],
    }


def event(kind: str, now: datetime, **facts: Any) -> Document:
    """Something that happened."""
    return {"at": encode_instant(now), "kind": kind, "facts": facts}


def with_event(content: Document, kind: str, now: datetime, **facts: Any) -> Document:
    """The content with something more in its history."""
    history = [*content["history"], event(kind, now, **facts)]
    if len(history) > MAX_HISTORY:
        del history[1]
    return content | {"history": history}


def with_verdict(content: Document, verdict: VerdictAnswer) -> Document:
    """The content with the insurer's verdict."""
    told = facts_of(verdict)
    names = ("verdict", "reason", "reason_titles", "detail", "judged_at")
    return content | {
        "verdict": {name: told[name] for name in names},
        "granted_until": told["granted_until"],
        "attest_by": told["attest_by"],
    }


def with_news(content: Document, answer: ClaimAnswer) -> Document:
    """The content with what the insurer's record says now."""
    told = facts_of(answer)
    duties = [
        {
            "line": duty["line"],
            "attesters": duty["attesters"],
            "slots": duty["slots"],
            "due_at": duty["due_at"],
            "is_met": duty["met_by"] is not None,
        }
        for duty in told["attestations"]["due"]
    ]
    return with_verdict(content, answer.verdict_answer) | {
        "granted_until": told["granted_until"],
        "attest_by": told["attest_by"],
        "invoiced": told["invoiced_amounts"],
        "duties": duties,
    }


def problem_document(problem: Problem, now: datetime) -> Document:
    """As it is kept."""
    return {
        "code": problem.code,
        "titles": dict(problem.titles),
        "detail": problem.detail,
        "is_passing": problem.is_passing,
        "at": encode_instant(now),
        "places": list(problem.places),
        "request_id": problem.request_id,
        "reason": problem.reason,
    }


# -- telling ----------------------------------------------------------------------------------


def claim_record(stored: StoredClaim, waiting: Sequence[StoredEntry]) -> ClaimRecord:
    """What the shop tells of a claim, and of what of it is still to be sent."""
    content = stored.content
    claim = json.loads(content["claim"])
    verdict = content["verdict"]
    queue = tuple(queue_entry(entry) for entry in waiting)
    problem = next((entry.problem for entry in queue if entry.problem is not None), None)
    return ClaimRecord(
        claim_id=stored.claim_id,
        sale_id=content["sale_id"],
        insurer_id=claim["insurer_id"],
        contract_id=claim["contract_id"],
        state=stored.state,
        statement=claim["statement"],
        date_of_service=parse_day(stored.day),
        beneficiary=claim["beneficiary"],
        made_at=instant(stored.made_at),
        lines=tuple(
            LineFacts(line["role"], line["regroupement"], line["code"] is not None)
            for line in claim["lines"]
        ),
        level=content["level"],
        price_class=content["price_class"],
        amounts=_amounts(claim["amounts"]),
        invoiced=_amounts(content["invoiced"]),
        early_renewal_ground=claim["early_renewal_ground"],
        hides_among=tuple(Hiding(*hiding) for hiding in content["hides"]),
        warnings=tuple(Warned(*warning) for warning in content["warnings"]),
        expires_at=instant(claim["expires_at"]),
        verdict=None if verdict is None else verdict["verdict"],
        reason=None if verdict is None else verdict["reason"],
        reason_titles=None if verdict is None else verdict["reason_titles"],
        detail="" if verdict is None else verdict["detail"],
        granted_until=_instant(content["granted_until"]),
        attest_by=_instant(content["attest_by"]),
        duties=tuple(
            Duty(
                duty["line"],
                tuple(duty["attesters"]),
                tuple(duty["slots"]),
                _instant(duty["due_at"]),
                duty["is_met"],
            )
            for duty in content["duties"]
        ),
        problem=problem,
        next_step=_next_step(stored, queue, problem),
        waiting=queue,
        history=tuple(
            Event(instant(entry["at"]), entry["kind"], entry["facts"])
            for entry in content["history"]
        ),
        openings_until=parse_day(stored.erase_at),
        has_openings=stored.has_openings,
        sequence=stored.sequence,
    )


def _next_step(
    stored: StoredClaim, waiting: Iterable[QueueEntry], problem: Problem | None
) -> Texts | None:
    """What the optician does next; the insurer's reason first, then the claim's state."""
    if problem is not None and not problem.is_passing:
        key = "mend_then_retry"
        if problem.reason == "attestation_missing":
            key = "attest_first"
        return texts(STEPS[key])
    if problem is not None:
        return texts(STEPS["sent_later"])
    if any(entry.kind != "attestation" for entry in waiting):
        return texts(STEPS["being_sent"])
    if stored.state == "refused":
        verdict = stored.content["verdict"]
        is_decided = verdict is None or verdict["verdict"] != "refused"
        return texts(NO_NEXT_STEP if is_decided else step_of(verdict["reason"]))
    if stored.state == "granted" and stored.content["attest_by"] is not None:
        return texts(STEPS["granted_attest"])
    return texts(STEPS[stored.state]) if stored.state in STEPS else None


def queue_entry(stored: StoredEntry) -> QueueEntry:
    """What the shop tells of something that is to be sent."""
    from datetime import UTC

    told = stored.content.get("problem")
    due_at = None if stored.due_at is None else datetime.fromtimestamp(stored.due_at, UTC)
    return QueueEntry(
        claim_id=stored.claim_id,
        kind=stored.kind,  # type: ignore[arg-type]
        attempts=stored.attempts,
        due_at=due_at,
        is_being_sent=stored.holder is not None,
        problem=None if told is None else problem_of(told),
        case_id=stored.content.get("case_id"),
    )


def problem_of(told: Mapping[str, Any]) -> Problem:
    """Inverse of `problem_document`."""
    return Problem(
        code=told["code"],
        titles=told["titles"],
        detail=told["detail"],
        is_passing=told["is_passing"],
        at=instant(told["at"]),
        places=tuple(told["places"]),
        request_id=told["request_id"],
        reason=told["reason"],
    )


def attestation_record(stored: StoredAttestation) -> AttestationRecord:
    """What the shop tells of an attestation."""
    content = stored.content
    return AttestationRecord(
        digest=stored.digest,
        claim_id=stored.claim_id,
        line=stored.line,
        attester_id=content["attester_id"],
        attested=tuple(content["attested"]),
        expires_at=instant(content["expires_at"]),
        got_at=instant(content["got_at"]),
        is_sent=content["is_sent"],
        warnings=tuple(content["warnings"]),
    )


def audit_record(stored: StoredAudit, reply: StoredEntry | None) -> AuditRecord:
    """What the shop tells of an audit, and of the answer that is still to be sent."""
    told = stored.content["summary"]
    problem = None if reply is None else reply.content.get("problem")
    return AuditRecord(
        case_id=stored.case_id,
        claim_id=stored.claim_id,
        line=told["line"],
        slots=tuple(told["slots"]),
        ground=told["ground"],
        auditor_id=told["auditor_id"],
        state=stored.state,
        opened_at=instant(told["opened_at"]),
        answer_by=instant(told["answer_by"]),
        erase_at=instant(told["erase_at"]),
        outcome=told["outcome"],
        cause=told["cause"],
        waiting=None if reply is None else reply.content["answer"],
        problem=None if problem is None else problem_of(problem),
    )


def insurer_of(stored: StoredClaim) -> str:
    """The insurer that a claim is for."""
    insurer_id: str = json.loads(stored.content["claim"])["insurer_id"]
    return insurer_id


def instant(text: str) -> datetime:
    """Inverse of `circuits.claim.encode_instant`."""
    return datetime.fromisoformat(text)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else instant(text)


def _amounts(told: Mapping[str, int] | None) -> AmountsFacts | None:
    return None if told is None else AmountsFacts(told["lenses_cents"], told["frame_cents"])
