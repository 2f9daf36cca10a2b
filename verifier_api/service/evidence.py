"""The insurer's record of a claim, signed: what was claimed, judged, attested, audited, and when.

Made inside the writing transaction, so that who had it is recorded with it. It holds no seal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row

from circuits.attestation import Attestation
from circuits.audit import AuditAnswer, AuditCase, AuditOutcome
from circuits.claim import Claim, decode_claim
from circuits.signed import decode_signed, encode_signed, make_signed, signed_digest
from verifier_api.evidence.documents import (
    MAX_PUBLICATIONS,
    Record,
    RecordedAttestation,
    RecordedAudit,
    RecordedKey,
    RecordedPublication,
    RecordedVerdict,
)
from verifier_api.parties import Party
from verifier_api.service.audits import NO_CASE, AuditStep
from verifier_api.service.errors import ServiceError
from verifier_api.service.notices import NOT_FOUND
from verifier_api.store import audits, claims, reference
from verifier_api.store.attestations import attestations_of

NO_KEY = "no key is set to sign records with (CLAIROBSCUR_SIGNING_KEY)"
OTHER_KEY = "the key that is set signs for another insurer than the claim names"


def export_record(
    connection: Connection,
    step: AuditStep,
    claim_id: str,
    case_id: str | None,
    signer: Party | None,
) -> bytes:
    """The record of a claim, and of that case of it, as its one byte form.

    Raises `ServiceError`: "not_found" for a claim or a case of it that is none,
    "signing_key_missing".
    """
    row = claims.find_claim(connection, claim_id)
    state = claims.claim_summary(connection, claim_id, step.instant)
    if row is None or state is None:
        raise ServiceError("not_found", NOT_FOUND)
    claim = decode_claim(row.envelope)
    audit = None
    if case_id is not None:
        case_row = audits.find_case(connection, case_id)
        if case_row is None or case_row.claim_id != claim_id:
            raise ServiceError("not_found", NO_CASE)
        audit = _audit_of(case_row)
    if signer is None:
        raise ServiceError("signing_key_missing", NO_KEY)
    if signer.party_id != claim.insurer_id:
        raise ServiceError("signing_key_missing", OTHER_KEY)
    version = step.snapshot.contracts.get(claim.contract_digest)
    key_ids = [claim.key_id, *([audit.answer.key_id] if audit and audit.answer else [])]
    attested = attestations_of(connection, claim_id)
    record = make_signed(
        Record,
        signer.signing_key,
        insurer_id=signer.party_id,
        exported_at=step.instant,
        claim=claim,
        received_at=row.received_at,
        verdict=_verdict_of(row, state),
        contract=version.contract if version else None,
        contract_publications=_publications(step, claim.contract_digest),
        nomenclature_digest=claim.nomenclature_digest,
        nomenclature_publications=_publications(step, claim.nomenclature_digest),
        optician_keys=_keys(step, claim, key_ids),
        attestations=tuple(
            RecordedAttestation.model_validate(
                {
                    "attestation": decode_signed(Attestation, entry.document),
                    "recorded_at": entry.recorded_at,
                }
            )
            for entry in attested
        ),
        audit=audit,
    )
    facts = {"record_digest": signed_digest(record)}
    if case_id is not None:
        facts["case_id"] = case_id
    actor = step.principal.token_id
    reference.note_event(connection, step.instant, "evidence_read", actor, facts, claim_id)
    return encode_signed(record)


def _verdict_of(row: Row[Any], state: Row[Any]) -> RecordedVerdict:
    answer = json.loads(row.answer)
    told = {name: answer.get(name) for name in RecordedVerdict.model_fields}
    return RecordedVerdict.model_validate(
        told | {"state": state.state, "state_since": state.state_since}
    )


def _publications(step: AuditStep, digest: str) -> tuple[RecordedPublication, ...]:
    recorded = step.snapshot.publications.get(digest, [])[-MAX_PUBLICATIONS:]
    return tuple(
        RecordedPublication.model_validate(
            {"publication": entry.publication, "recorded_at": entry.recorded_at}
        )
        for entry in recorded
    )


def _keys(step: AuditStep, claim: Claim, key_ids: Iterable[str]) -> tuple[RecordedKey, ...]:
    """Those that the optician has registered, revoked ones too."""
    known = [step.snapshot.keys.get(key_id) for key_id in dict.fromkeys(key_ids)]
    return tuple(
        RecordedKey.model_validate({name: getattr(key, name) for name in RecordedKey.model_fields})
        for key in known
        if key is not None and key.optician_id == claim.optician_id
    )


def _audit_of(row: Row[Any]) -> RecordedAudit:
    answered, concluded = row.answer_document, row.outcome_document
    return RecordedAudit.model_validate(
        {
            "case": decode_signed(AuditCase, row.case_document),
            "recorded_at": row.opened_at,
            "answer": None if answered is None else decode_signed(AuditAnswer, answered),
            "answered_at": row.answered_at,
            "outcome": None if concluded is None else decode_signed(AuditOutcome, concluded),
            "concluded_at": row.concluded_at,
        }
    )
