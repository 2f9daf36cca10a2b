"""Attestations that come for a recorded claim. Runs in the writing transaction.

The same bytes again get the same answer, whatever became of the claim or of the key since.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from circuits.attestation import MAX_ATTESTATIONS, Attestation, rejected
from circuits.claim import decode_claim, encode_instant
from circuits.contract import Contract
from circuits.signed import signed_digest
from circuits.trust import Trust
from verifier_api.service.duties import (
    attestation_answer,
    attestation_row,
    check_attestation,
    next_due,
    read_duties,
    refused,
)
from verifier_api.service.errors import ServiceError
from verifier_api.service.notices import (
    RETRY_AFTER_SECONDS,
    UNKNOWN_CONTRACT,
    Step,
    own_claim,
    require_state,
)
from verifier_api.store import attestations as store
from verifier_api.store import reference
from zk.errors import ProofRejected

FULL = f"the claim has {MAX_ATTESTATIONS} attestations, which is as many as one can have"


def take_attestation(
    connection: Connection,
    step: Step,
    attestation: Attestation,
    contract: Contract | None,
    trust: Trust,
) -> str:
    """The answer (JSON): the attestation is recorded, and what it meets needs no other.

    ``contract`` is the claim's, None where this process does not know it yet. Raises
    `ServiceError`: "not_found", "state_conflict" for a claim that is over or has as many
    attestations as its record can hold (`MAX_ATTESTATIONS`), "attestation_refused"
    with a key of `circuits.attestation.ATTESTATION_REASONS` as its reason, "overloaded" without
    contract.
    """
    row = own_claim(connection, step)
    digest = signed_digest(attestation)
    known = store.find_attestation(connection, digest)
    if known is not None and known.claim_id == step.claim_id:
        return str(known.answer)
    require_state(row, "granted", "pending", "payable", "attestation_overdue")
    if contract is None:  # another process has just added it
        raise ServiceError("overloaded", UNKNOWN_CONTRACT, retry_after=RETRY_AFTER_SECONDS)
    instant = encode_instant(step.now)
    duties = read_duties(store.duties_of(connection, step.claim_id), contract)
    asked = [entry.duty for entry in duties]
    behind = store.lines_behind(connection, [attestation.record])
    claim = decode_claim(row.envelope)
    try:
        taken = check_attestation(attestation, claim, asked, trust, step.now, behind)
        met = [entry for entry in duties if entry.duty in taken.met]
        unmet = [entry for entry in met if entry.met_by is None]
        if all(entry.is_late(instant) for entry in unmet or met):
            raise rejected("attestation_late")
    except ProofRejected as error:
        raise refused(error) from None
    if len(store.attestations_of(connection, step.claim_id)) >= MAX_ATTESTATIONS:
        raise ServiceError("state_conflict", FULL)
    # Where the insurer went without what was due, nothing is due any more.
    is_waived = row.attest_by is None and next_due(duties) is not None
    now_met = [entry for entry in unmet if not entry.is_late(instant)]
    duties = [replace(entry, met_by=digest) if entry in now_met else entry for entry in duties]
    missing = [] if is_waived else [entry for entry in duties if entry.met_by is None]
    attest_by = next_due(missing)
    answer = attestation_answer(taken, step.now, row.state, attest_by, missing)
    store.insert_attestations(connection, [attestation_row(taken, answer, step.now)])
    places = [(entry.duty.line, entry.duty.rule) for entry in now_met]
    store.meet_duties(connection, step.claim_id, places, digest)
    store.change_attest_by(connection, step.claim_id, attest_by)
    actor = step.principal.token_id
    reference.note_event(connection, instant, "attested", actor, taken.facts(), step.claim_id)
    return answer
