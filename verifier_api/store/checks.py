"""The database's own check: what is recorded fits together, and nothing is there twice or half.

Proofs and signatures are not looked at again; that every row says what its envelope says is.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import Row, text

from circuits.canonical import encode_base64url
from circuits.claim import Claim, decode_claim, envelope_digest
from circuits.notices import decode_cancellation, decode_invoice, notice_digest
from verifier_api.store import attestations as attestations_store
from verifier_api.store import claims as store
from verifier_api.store import reference
from verifier_api.store.attestation_checks import attestation_problems
from verifier_api.store.audit_checks import audit_problems
from verifier_api.store.database import SQLITE, Database
from verifier_api.store.page_checks import judgement_problems, session_problems
from verifier_api.store.publication_checks import publication_problems
from zk.errors import ZkError

CHUNK = 500

_OVERDUE = store.ATTESTATION_OVERDUE
_USING = ("granted", "pending", "payable", "expired", _OVERDUE)
_NOTICE_OF_STATE = {"payable": "invoice", "cancelled": "cancellation"}
_DECISIONS = {"decided": "decision", "attestation_decided": "attestation_decision"}
_EVENT_OF_NOTICE = {"invoice": "invoiced", "cancellation": "cancelled"} | {
    notice: event for event, notice in _DECISIONS.items()
}
_STATE_AFTER = {
    "invoiced": "payable",
    "cancelled": "cancelled",
    "expired": "expired",
    _OVERDUE: _OVERDUE,
}
_ANSWERED = ("claim_id", "claim_digest", "verdict", "reason")
_COPIED = (
    *("claim_id", "optician_id", "contract_id", "statement", "beneficiary"),
    "date_of_service",
)


def check_database(database: Database) -> dict[str, Any]:
    """``{"claims": …, "problems": [{"where": claim id, "problem": …}]}``. Raises `StorageError`."""
    problems: list[dict[str, str]] = []
    count = in_use = 0
    with database.read() as connection:
        if database.kind == SQLITE:
            found = connection.execute(text("PRAGMA integrity_check")).scalars().all()
            found = [*found, *connection.execute(text("PRAGMA foreign_key_check")).all()]
            problems += [{"where": "sqlite", "problem": str(row)} for row in found if row != "ok"]
        problems += [
            {"where": name, "problem": "its events are there, the claim is not"}
            for name in store.ids_without_claim(connection, CHUNK)
        ]
        problems += [
            {"where": name, "problem": "an attester's record stands behind several lines"}
            for name in attestations_store.claims_that_share_a_record(connection, CHUNK)
        ]
        problems += publication_problems(connection)
        problems += session_problems(connection)
        contracts = {row.digest: bytes(row.document) for row in reference.contract_rows(connection)}
        sequence = 0
        while True:
            try:
                rows = store.claims_after(connection, sequence, CHUNK)
            except ValueError:  # SQLite keeps days as texts
                problem = f"after number {sequence} a day cannot be read; nothing behind is checked"
                problems.append({"where": "claims", "problem": problem})
                break
            if not rows:
                break
            sequence = rows[-1].sequence
            ids = [row.claim_id for row in rows]
            claims = {row.claim_id: _claim_of(row) for row in rows}
            owners = store.commitment_owners(
                connection,
                [line.commitment for claim in claims.values() if claim for line in claim.lines],
            )
            in_use += sum(owner in claims for owner in owners.values())
            taken = store.notices_of(connection, ids)
            happened = store.events_of(connection, ids)
            duties = attestations_store.duties_by_claim(connection, ids)
            given = attestations_store.attestations_by_claim(connection, ids)
            for row in rows:
                count += 1
                name = row.claim_id
                problems += [
                    {"where": name, "problem": problem}
                    for problem in _problems(
                        row, claims[name], owners, taken.get(name, {}), happened.get(name, [])
                    )
                ]
                problems += [
                    {"where": name, "problem": problem}
                    for problem in attestation_problems(
                        row,
                        claims[name],
                        duties.get(name, []),
                        given.get(name, []),
                        taken.get(name, {}),
                        happened.get(name, []).count("attested"),
                        contracts,
                    )
                ]
            problems += audit_problems(connection, rows, claims)
        if store.count_commitments(connection) != in_use:
            problem = "commitments are in use that no claim has"
            problems.append({"where": "commitments", "problem": problem})
    return {"claims": count, "problems": problems}


def _claim_of(row: Row[Any]) -> Claim | None:
    try:
        return decode_claim(bytes(row.envelope))
    except ZkError:
        return None


def _problems(
    row: Row[Any],
    claim: Claim | None,
    owners: dict[str, str],
    taken: dict[str, Row[Any]],
    happened: list[str],
) -> list[str]:
    if claim is None:
        return ["the envelope is no claim"]
    used = {line.commitment for line in claim.lines if owners.get(line.commitment) == row.claim_id}
    problems = []
    if encode_base64url(envelope_digest(bytes(row.envelope))) != row.claim_digest:
        problems.append("the digest is not the envelope's")
    problems += [
        f"{name} is not the envelope's"
        for name in _COPIED
        if getattr(claim, name) != getattr(row, name)
    ]
    answer = _read(row.answer)
    problems += [
        f"{name} is not the answer's"
        for name in _ANSWERED
        if answer.get(name) != getattr(row, name)
    ]
    if (row.granted_lenses_cents, row.granted_frame_cents) != _amounts(row, claim):
        problems.append("the amounts are not the envelope's")
    problems += judgement_problems(row, claim)
    problems += _life_problems(row, claim, used, taken, happened)
    for kind, notice in taken.items():
        problems += _notice_problems(row, kind, notice)
    return problems


def _read(answer: str) -> dict[str, Any]:
    try:
        read = json.loads(answer)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _amounts(row: Row[Any], claim: Claim) -> tuple[int | None, int | None]:
    if claim.amounts is None or row.verdict == "refused":
        return None, None
    return claim.amounts.lenses_cents, claim.amounts.frame_cents


def _life_problems(
    row: Row[Any], claim: Claim, used: set[str], taken: dict[str, Row[Any]], happened: list[str]
) -> list[str]:
    problems = []
    wanted = {line.commitment for line in claim.lines} if row.state in _USING else set()
    if used != wanted:
        problems.append(f"commitments in use do not fit the state {row.state}")
    state = row.verdict
    for kind in happened:
        if kind in _DECISIONS:
            decision = taken.get(_DECISIONS[kind])
            state = _read(decision.answer).get("state") if decision is not None else state
        state = _STATE_AFTER.get(kind, state)
    if state != row.state:
        problems.append(f"{row.state} is not where its events lead")
    notice = _NOTICE_OF_STATE.get(row.state)
    if notice is not None and notice not in taken:
        problems.append(f"{row.state} without {notice}")
    # A claim that lacks an attestation may have had its invoice, and be refused then.
    late = "attestation_decision" in taken
    is_possible = row.state == _OVERDUE or (late and row.state == "refused")
    expected = {notice, "invoice"} if is_possible else {notice}
    for kind in sorted(set(taken) & set(_NOTICE_OF_STATE.values()) - expected):
        problems.append(f"{row.state} after {kind}")
    if happened.count(_OVERDUE) != (row.state == _OVERDUE or late):
        problems.append(f"{_OVERDUE} and its event are not there both, or neither")
    for kind, event in _EVENT_OF_NOTICE.items():
        if happened.count(event) != (kind in taken):
            problems.append(f"{kind} and its event are not there both, or neither")
    if happened.count("expired") != (row.state == "expired"):
        problems.append("expired and its event are not there both, or neither")
    if (row.state in store.EXPIRING) != (row.deadline is not None):
        problems.append(f"the deadline does not fit the state {row.state}")
    return problems


def _notice_problems(row: Row[Any], kind: str, notice: Row[Any]) -> list[str]:
    """Of a decision only the digest; the other two are whole documents of the optician's."""
    document = bytes(notice.document)
    try:
        if kind in _DECISIONS.values():
            digest, about = hashlib.sha256(document).digest(), row.claim_digest
        else:
            decode = decode_invoice if kind == "invoice" else decode_cancellation
            read = decode(document)
            digest, about = notice_digest(read), read.claim_digest
    except ZkError:
        return [f"the {kind} is none"]
    problems = []
    if encode_base64url(digest) != notice.digest:
        problems.append(f"the digest is not the {kind}'s")
    if about != row.claim_digest:
        problems.append(f"the {kind} is another claim's")
    return problems
