"""What the insurer's service would answer, as JSON data, for tests of the optician's side alone."""

from __future__ import annotations

from typing import Any

from circuits.attestation import Attestation
from circuits.audit import AuditCase
from circuits.canonical import encode_base64url
from circuits.claim import Claim, claim_digest
from circuits.contract import contract_digest
from circuits.notices import Invoice, notice_digest
from circuits.signed import signed_digest
from tests.support import claims as samples

NOTICE = {"en": "Not a payment decision.", "fr": "Pas une décision de paiement."}
JUDGED_AT = "2020-10-06T09:30:00Z"
GRANTED_UNTIL = "2021-01-04T09:30:00Z"
DIGEST = encode_base64url(bytes(range(32)))
TOKEN = "co_0123456789abcdef_c2VjcmV0LW9mLXRoZS10b2tlbi1pbi10ZXN0cw"
"""Of the form that the service gives out."""


def verdict(claim: Claim, **changes: Any) -> dict[str, Any]:
    """The claim is granted, but for ``changes``."""
    amounts = None if claim.amounts is None else claim.amounts.model_dump()
    return {
        "claim_id": claim.claim_id,
        "claim_digest": encode_base64url(claim_digest(claim)),
        "verdict": "granted",
        "reason": None,
        "reason_titles": None,
        "detail": "",
        "judged_at": JUDGED_AT,
        "contract_digest": claim.contract_digest,
        "nomenclature_digest": claim.nomenclature_digest,
        "circuit_digest": DIGEST,
        "granted_until": GRANTED_UNTIL,
        "attest_by": None,
        "amounts": amounts,
        "notice": NOTICE,
    } | changes


def refusal(claim: Claim, reason: str = "renewal_too_early", **changes: Any) -> dict[str, Any]:
    """The claim is refused, or pending."""
    told = {
        "verdict": "refused",
        "reason": reason,
        "reason_titles": {"en": f"{reason} in English", "fr": f"{reason} en français"},
        "detail": "in detail",
        "granted_until": None,
        "amounts": None,
    }
    return verdict(claim, **told) | changes


def pending(claim: Claim) -> dict[str, Any]:
    """The insurer will decide."""
    return refusal(claim, "early_renewal", verdict="pending")


def summary(claim: Claim, **changes: Any) -> dict[str, Any]:
    """A granted claim in a listing."""
    amounts = None if claim.amounts is None else claim.amounts.model_dump()
    return {
        "claim_id": claim.claim_id,
        "claim_digest": encode_base64url(claim_digest(claim)),
        "optician_id": claim.optician_id,
        "contract_id": claim.contract_id,
        "statement": claim.statement,
        "date_of_service": claim.date_of_service.isoformat(),
        "received_at": JUDGED_AT,
        "verdict": "granted",
        "reason": None,
        "state": "granted",
        "state_since": JUDGED_AT,
        "granted_until": GRANTED_UNTIL,
        "attest_by": None,
        "amounts": amounts,
        "invoiced_amounts": None,
    } | changes


def detail(claim: Claim) -> dict[str, Any]:
    """A claim by itself."""
    event = {"at": JUDGED_AT, "kind": "judged", "actor": "0123456789abcdef", "facts": {}}
    said = claim.model_dump(mode="json", exclude={"proof", "signature"})
    nothing: dict[str, Any] = {"due": [], "given": []}
    return summary(claim) | {
        "verdict_answer": verdict(claim),
        "attestations": nothing,
        "claim": said,
        "history": [event],
    }


def invoiced(invoice: Invoice, **changes: Any) -> dict[str, Any]:
    """The invoice was taken."""
    return {
        "claim_id": invoice.claim_id,
        "state": "payable",
        "invoice_digest": encode_base64url(notice_digest(invoice)),
        "amounts": None if invoice.amounts is None else invoice.amounts.model_dump(),
        "date_of_delivery": invoice.date_of_delivery.isoformat(),
        "recorded_at": JUDGED_AT,
        "notice": NOTICE,
    } | changes


def cancelled(claim_id: str) -> dict[str, Any]:
    """The cancellation was taken."""
    return {"claim_id": claim_id, "state": "cancelled", "recorded_at": JUDGED_AT}


def attested(attestation: Attestation, **changes: Any) -> dict[str, Any]:
    """The attestation was taken, another is missing."""
    missing = {"line": 3, "attesters": ["lab-1"], "slots": ["code"], "due_at": GRANTED_UNTIL}
    return {
        "claim_id": attestation.claim_id,
        "attestation_digest": signed_digest(attestation),
        "line": attestation.line,
        "attester_id": attestation.attester_id,
        "attested": list(attestation.attested),
        "recorded_at": JUDGED_AT,
        "state": "granted",
        "attest_by": GRANTED_UNTIL,
        "missing": [missing],
    } | changes


def decided(claim_id: str) -> dict[str, Any]:
    """The insurer granted it."""
    return {
        "claim_id": claim_id,
        "state": "granted",
        "recorded_at": JUDGED_AT,
        "granted_until": GRANTED_UNTIL,
    }


def audit(case: AuditCase, state: str = "open", **changes: Any) -> dict[str, Any]:
    """A case in a listing."""
    document = case.model_dump(mode="json")
    later = ("answered_at", "answer_digest", "erased_at", "outcome", "cause", "concluded_at")
    named = ("case_id", "claim_id", "line", "slots", "ground", "auditor_id", "opened_at")
    return (
        {name: document[name] for name in (*named, "answer_by", "erase_at")}
        | dict.fromkeys(later)
        | {"case_digest": signed_digest(case), "optician_id": "optician-1", "state": state}
        | changes
    )


def audit_detail(case: AuditCase, state: str = "open", **changes: Any) -> dict[str, Any]:
    """A case by itself."""
    document = case.model_dump(mode="json")
    event = {"at": document["opened_at"], "kind": "audit_opened", "actor": "token-1", "facts": {}}
    more = {"case": document, "answer": None, "outcome_document": None, "history": [event]}
    return audit(case, state) | more | changes


def proof(claim_id: str | None, **changes: Any) -> dict[str, Any]:
    """The claim holds by itself."""
    return {
        "claim_id": claim_id,
        "verdict": "accepted",
        "reason": None,
        "detail": "",
        "circuit_digest": DIGEST,
    } | changes


def contract_entry() -> dict[str, Any]:
    """The sample contract in a listing."""
    contract = samples.contract()
    return {
        "digest": encode_base64url(contract_digest(contract)),
        "contract_id": contract.contract_id,
        "insurer_id": contract.insurer_id,
        "product_id": contract.product_id,
        "valid_from": contract.valid_from.isoformat(),
        "valid_to": contract.valid_to.isoformat(),
        "in_force_from": contract.valid_from.isoformat(),
        "added_at": JUDGED_AT,
    }


def contract_answer() -> dict[str, Any]:
    """The sample contract with its document."""
    return contract_entry() | {"document": samples.contract().model_dump(mode="json")}


def nomenclature_entry() -> dict[str, Any]:
    """The shipped table in a listing."""
    table = samples.nomenclature()
    return {
        "digest": encode_base64url(table.digest),
        "version": table.version,
        "source": table.source,
        "in_force_from": "2020-07-01",
        "added_at": JUDGED_AT,
        "rows": len(table.rows),
    }


def circuit(digest: str = DIGEST) -> dict[str, Any]:
    """Some circuit."""
    return {
        "digest": digest,
        "statement": "line",
        "contract_digest": DIGEST,
        "nomenclature_digest": DIGEST,
        "period_start": "2020-07-01",
        "declaration": {},
        "wires": 40,
        "degree": 3,
        "equations": 30,
        "lines": 1,
        "proof_bytes": 3000,
        "description": {"name": "line"},
    }


def token_facts(**changes: Any) -> dict[str, Any]:
    """A token without its secret."""
    return {
        "token_id": "0123456789abcdef",
        "scope": "optician",
        "optician_id": "optician-1",
        "label": "till 2",
        "created_at": JUDGED_AT,
        "expires_at": None,
        "revoked_at": None,
    } | changes


def key_facts(**changes: Any) -> dict[str, Any]:
    """The sample optician's key."""
    identity = samples.identity()
    return identity.public_entry() | {
        "key_id": identity.key_id,
        "valid_from": "0001-01-01",
        "valid_to": "9999-12-31",
        "registered_at": JUDGED_AT,
        "revoked_at": None,
        **changes,
    }


def right_facts(**changes: Any) -> dict[str, Any]:
    """The sample beneficiary's right."""
    return {
        "beneficiary": samples.BENEFICIARY,
        "contract_id": samples.contract().contract_id,
        "age_group": "adult",
        "valid_from": "2020-01-01",
        "valid_to": None,
        "recorded_at": JUDGED_AT,
    } | changes


def problem(code: str, status: int, **changes: Any) -> dict[str, Any]:
    """RFC 9457 problem details."""
    return {
        "type": f"urn:clairobscur:problem:{code}",
        "code": code,
        "title": f"{code} in English",
        "titles": {"en": f"{code} in English", "fr": f"{code} en français"},
        "status": status,
        "detail": "in detail",
        "places": [],
        "instance": "urn:clairobscur:request:5f0c2b7e9a1d4c38",
    } | changes
