"""The database's own check of audit cases: every row says what its documents say, its state is
where its events lead, and a seal is there exactly until it was erased."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from circuits.audit import AuditAnswer, AuditCase, AuditOutcome, sealed_digest
from circuits.canonical import encode_base64url
from circuits.claim import Claim, encode_instant
from circuits.signed import Signed, decode_signed, signed_digest
from verifier_api.store import audits as store
from zk.errors import ZkError

_STATE_AFTER = {
    "audit_opened": "open",
    "audit_answered": "answered",
    "audit_refused": "refused",
    "audit_lapsed": "lapsed",
    "audit_concluded": "concluded",
}
_COPIED = ("case_id", "claim_id", "line", "auditor_id", "ground")
_DEADLINES = ("answer_by", "erase_at")


def audit_problems(
    connection: Connection, rows: Sequence[Row[Any]], claims: dict[str, Claim | None]
) -> list[dict[str, str]]:
    """What does not fit of the cases on these claims: ``{"where": case id, "problem": …}``."""
    ids = [row.claim_id for row in rows]
    digests = {row.claim_id: row.claim_digest for row in rows}
    happened = store.events_of_cases(connection, ids)
    problems: list[dict[str, str]] = []
    for claim_id, cases in store.cases_of(connection, ids).items():
        for row in cases:
            kinds = happened.pop((claim_id, row.case_id), [])
            found = [
                *_case_problems(row, claims[claim_id], digests[claim_id]),
                *_answer_problems(row),
                *_outcome_problems(row),
                *_life_problems(row, kinds),
            ]
            problems += [{"where": row.case_id, "problem": problem} for problem in found]
    problems += [
        {"where": case_id, "problem": "its events are there, the case is not"}
        for _, case_id in sorted(happened)
    ]
    return problems


def _read(model: type[Signed], data: bytes | None) -> Signed | None:
    try:
        return None if data is None else decode_signed(model, bytes(data))
    except ZkError:
        return None


def _case_problems(row: Row[Any], claim: Claim | None, claim_digest: str) -> list[str]:
    case = _read(AuditCase, row.case_document)
    if case is None:
        return ["the case is none"]
    problems = [
        f"{name} is not the case's" for name in _COPIED if getattr(case, name) != getattr(row, name)
    ]
    problems += [
        f"{name} is not the case's"
        for name in _DEADLINES
        if encode_instant(getattr(case, name)) != getattr(row, name)
    ]
    if signed_digest(case) != row.case_digest:
        problems.append("the digest is not the case's")
    if case.claim_digest != claim_digest:
        problems.append("the case is another claim's")
    if claim is not None:
        if claim.optician_id != row.optician_id:
            problems.append("optician_id is not the claim's")
        lines = claim.lines[case.line - 1 : case.line]
        if [line.commitment for line in lines] != [case.commitment]:
            problems.append("the case is another line's")
    return problems


def _answer_problems(row: Row[Any]) -> list[str]:
    answer = _read(AuditAnswer, row.answer_document)
    if row.answer_document is not None and answer is None:
        return ["the answer is none"]
    problems = []
    named = None if answer is None else signed_digest(answer)
    if named != row.answer_digest or (answer is None) != (row.answered_at is None):
        problems.append("the answer is not the one that is named")
    if answer is not None and answer.case_digest != row.case_digest:
        problems.append("the answer is another case's")
    expected = None if answer is None else answer.sealed_digest
    if row.erased_at is not None and (expected is None or row.sealed is not None):
        problems.append("erased, and the seal does not fit that")
    if row.erased_at is None:
        given = None if row.sealed is None else sealed_digest(encode_base64url(bytes(row.sealed)))
        if given != expected:
            problems.append("the seal is not the answer's")
    return problems


def _outcome_problems(row: Row[Any]) -> list[str]:
    outcome = _read(AuditOutcome, row.outcome_document)
    if outcome is None:
        if row.outcome_document is not None:
            return ["the outcome is none"]
        is_named = any((row.outcome, row.outcome_digest, row.concluded_at))
        return ["the outcome is not the one that is named"] if is_named else []
    problems = []
    named = (signed_digest(outcome), outcome.outcome)
    if named != (row.outcome_digest, row.outcome) or row.concluded_at is None:
        problems.append("the outcome is not the one that is named")
    if (outcome.case_digest, outcome.answer_digest) != (row.case_digest, row.answer_digest):
        problems.append("the outcome is another case's or answer's")
    return problems


def _life_problems(row: Row[Any], kinds: list[str]) -> list[str]:
    states = [_STATE_AFTER[kind] for kind in kinds if kind in _STATE_AFTER]
    problems = []
    if not states or states[-1] != row.state:
        problems.append(f"{row.state} is not where its events lead")
    wanted = {
        "open": True,
        "answered": row.sealed is not None or row.erased_at is not None,
        "refused": row.answered_at is not None and row.sealed is None and row.erased_at is None,
        "lapsed": row.answered_at is None and row.state in ("lapsed", "concluded"),
        "concluded": row.concluded_at is not None,
    }
    for state, is_wanted in wanted.items():
        if states.count(state) != is_wanted:
            problems.append(f"{state} and its event are not there both, or neither")
    if kinds.count("audit_erased") != (row.erased_at is not None):
        problems.append("erased and its event are not there both, or neither")
    return problems
