"""What a claim has on record of attestations fits together: with `verifier_api.store.checks`.

Signatures are not looked at again, nor whether more should have been asked for: that takes keys and
tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from circuits.attestation import Attestation, Duty
from circuits.canonical import encode_base64url
from circuits.claim import Claim, claim_digest, encode_instant
from circuits.contract import Contract, parse_contract
from circuits.signed import decode_signed, signed_digest
from verifier_api.store import claims as store
from zk.errors import ZkError

_COPIED = ("claim_id", "line", "attester_id", "record")


def attestation_problems(
    row: Row[Any],
    claim: Claim | None,
    duties: Sequence[Row[Any]],
    given: Sequence[Row[Any]],
    taken: Mapping[str, Row[Any]],
    told: int,
    contracts: Mapping[str, bytes],
) -> list[str]:
    """What is wrong with the attestations of a claim, whose row is ``row``.

    ``taken`` are its notices by kind, ``told`` is how many events tell of an attestation,
    ``contracts`` are documents by digest.
    """
    problems = []
    if told != len(given):
        problems.append("an attestation and its event are not there both, or neither")
    if row.verdict == "refused" and (duties or given):
        problems.append("attestations of a claim that was refused at once")
    read: dict[str, Attestation] = {}
    for entry in given:
        problems += _document_problems(entry, claim, read)
    contract = None
    if duties and claim is not None:
        contract = _contract_of(contracts.get(claim.contract_digest))
    granted_at = _granted_at(row, taken)
    for duty in duties:
        problems += _duty_problems(duty, claim, read, granted_at, contract)
    due = [duty.due_at for duty in duties if duty.due_at and not duty.attestation_digest]
    is_waiting = row.state in store.COUNTING and "attestation_decision" not in taken
    if row.attest_by != (min(due, default=None) if is_waiting else None):
        problems.append("attest_by is not what is due first")
    return problems


def _document_problems(
    entry: Row[Any], claim: Claim | None, read: dict[str, Attestation]
) -> list[str]:
    """Of one attestation; ``read`` takes it by its digest."""
    try:
        attestation = decode_signed(Attestation, bytes(entry.document))
    except ZkError:
        return ["an attestation is none"]
    read[entry.digest] = attestation
    problems = []
    if signed_digest(attestation) != entry.digest:
        problems.append("the digest is not the attestation's")
    problems += [
        f"{name} is not the attestation's"
        for name in _COPIED
        if getattr(attestation, name) != getattr(entry, name)
    ]
    lines = claim.lines if claim is not None else ()
    named = None if claim is None else encode_base64url(claim_digest(claim))
    place = attestation.line - 1
    if (
        place >= len(lines)
        or lines[place].commitment != attestation.commitment
        or named != attestation.claim_digest
    ):
        problems.append("an attestation is of no line of the claim")
    try:
        answered = json.loads(entry.answer)["attestation_digest"]
    except (ValueError, KeyError, TypeError):
        answered = None
    if answered != entry.digest:
        problems.append("the answer is another attestation's")
    return problems


def _duty_problems(
    duty: Row[Any],
    claim: Claim | None,
    read: Mapping[str, Attestation],
    granted_at: str | None,
    contract: Contract | None,
) -> list[str]:
    problems = []
    if claim is not None and not 1 <= duty.line <= len(claim.lines):
        problems.append("an attestation is asked for no line of the claim")
    met_by = read.get(duty.attestation_digest) if duty.attestation_digest else None
    if duty.attestation_digest and (met_by is None or met_by.line != duty.line):
        problems.append("what was asked for is met by no attestation of its line")
        met_by = None
    if contract is None:
        return problems
    if not 0 <= duty.rule < len(contract.attestations):
        return [*problems, "an attestation is asked for by no rule of the contract"]
    rule = contract.attestations[duty.rule]
    asked = Duty(duty.line, duty.rule, rule.attesters, rule.slots, rule.within_days)
    if met_by is not None and not asked.is_met_by(met_by):
        problems.append("an attestation is not what the contract asks for")
    if rule.within_days is None and not duty.attestation_digest:
        problems.append("an attestation that had to come with the claim is missing")
    due_at = None
    if rule.within_days is not None and granted_at is not None:
        start = datetime.fromisoformat(granted_at)
        due_at = encode_instant(start + timedelta(days=rule.within_days))
    if duty.due_at != due_at:
        problems.append("an attestation is due at another instant than the contract says")
    return problems


def _granted_at(row: Row[Any], taken: Mapping[str, Row[Any]]) -> str | None:
    """When the days of the contract began."""
    if row.verdict == "granted":
        return str(row.received_at)
    decision = taken.get("decision")
    if decision is None:
        return None
    try:
        is_granted = json.loads(decision.answer)["state"] == "granted"
    except (ValueError, KeyError, TypeError):
        is_granted = False
    return str(decision.recorded_at) if is_granted else None


def _contract_of(document: bytes | None) -> Contract | None:
    """None for one that is not there: then its rules cannot be looked at."""
    if document is None:
        return None
    try:
        return parse_contract(document)
    except ZkError:
        return None
