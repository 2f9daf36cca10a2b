"""Evidence of audits, whole and good, and the parties that sign it; for tests that mutate it.

The claim is an equipment whose lenses somebody attested; both documents are published. Everything
happens on days around `tests.support.claims.NOW`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from circuits.attestation import Attestation
from circuits.audit import (
    OUTCOME_OF,
    AuditAnswer,
    AuditCase,
    AuditOutcome,
    Finding,
    audit_purpose,
    seal_opening,
    sealed_digest,
)
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import Claim, claim_digest
from circuits.contract import Contract, parse_contract
from circuits.publication import Publication, published_facts
from circuits.sealing import RecipientKey, seal
from circuits.signed import (
    SignedDocument,
    decode_signed,
    encode_signed,
    make_signed,
    signed_digest,
)
from circuits.trust import PartyRole, Trust, parse_trust
from optician.claiming import Openings
from optician.identity import Identity
from optician.opening_file import open_line
from tests.support import claims as samples
from tests.support.claims import NOW
from verifier_api.evidence.documents import Evidence, Record
from verifier_api.parties import Party

Json: TypeAlias = Any
Kind: TypeAlias = Literal["consistent", "inconsistent", "invalid", "refused", "lapsed"]
KINDS: Final[tuple[Kind, ...]] = ("consistent", "inconsistent", "invalid", "refused", "lapsed")

CAUSES: Final = {
    "consistent": "as_recorded",
    "inconsistent": "differs_from_record",
    "invalid": "opening_invalid",
    "refused": "refused",
    "lapsed": "lapsed",
}

LINE = 1
OPENED_AT = NOW + timedelta(days=2)
ANSWER_BY = OPENED_AT + timedelta(days=14)
ERASE_AT = ANSWER_BY + timedelta(days=30)
ANSWERED_AT = OPENED_AT + timedelta(days=3)
CONCLUDED_AT = ANSWER_BY + timedelta(days=1)
EXPORTED_AT = CONCLUDED_AT + timedelta(days=1)
MADE_AT = EXPORTED_AT + timedelta(hours=1)
RECEIVED_AT = MADE_AT + timedelta(days=5)

PARTIES: Final[dict[PartyRole, str]] = {
    "publisher": "publisher-1",
    "attester": "manufacturer-1",
    "auditor": "auditor-1",
    "insurer": "ocam-exemple",
}


@cache
def party(role: PartyRole, party_id: str | None = None, number: int = 0) -> Party:
    """The same key for the same arguments, fresh in every process."""
    return Party.generate(role, party_id or PARTIES[role])


def trust(**changes: dict[str, Any]) -> Trust:
    """The trust list of whoever judges; ``changes`` are members of an entry, by role."""
    entries = [party(role).public_entry(**changes.get(role, {})) for role in PARTIES]
    return parse_trust(json.dumps({"format_version": 1, "keys": entries}).encode())


def trust_file() -> bytes:
    """The same as a file."""
    entries = [party(role).public_entry() for role in PARTIES]
    return json.dumps({"format_version": 1, "keys": entries}).encode()


@cache
def contract() -> Contract:
    """The sample contract, which asks for an attestation of its lenses too."""
    rule = {"classes": ["VM4"], "attesters": ["manufacturer-1"], "within_days": None}
    document = samples.contract().model_dump(mode="json") | {"attestations": [rule]}
    return parse_contract(canonical_bytes(document))


@cache
def claim() -> tuple[Claim, Openings]:
    """The claim, its openings."""
    return samples.claim_of(samples.sample_sale(claim_id="audited-claim"), of_contract=contract())


@cache
def other_claim() -> tuple[Claim, Openings]:
    """Another claim of the same optician under the same contract."""
    return samples.claim_of(samples.sample_sale(claim_id="other-claim"), of_contract=contract())


def optician() -> Identity:
    """Who made the claims."""
    return samples.identity()


@cache
def recipient_key(number: int = 0) -> RecipientKey:
    """The secret key of the case."""
    return RecipientKey.generate()


@dataclass(frozen=True)
class Parts:
    """What evidence is put together from."""

    case: AuditCase
    answer: AuditAnswer | None
    sealed: str | None
    finding: Finding | None
    outcome: AuditOutcome


def make_case(of: Claim | None = None, **changes: Any) -> AuditCase:
    """A case about the claim's first line, code and price, but for ``changes``."""
    about = of or claim()[0]
    facts: dict[str, Any] = {
        "case_id": "case-1",
        "insurer_id": about.insurer_id,
        "claim_id": about.claim_id,
        "claim_digest": encode_base64url(claim_digest(about)),
        "line": LINE,
        "commitment": about.lines[LINE - 1].commitment,
        "slots": ("code", "price"),
        "ground": "price_moved_to_lenses",
        "auditor_id": PARTIES["auditor"],
        "recipient": recipient_key().public,
        "opened_at": OPENED_AT,
        "answer_by": ANSWER_BY,
        "erase_at": ERASE_AT,
    }
    return make_signed(AuditCase, party("auditor").signing_key, **facts | changes)


def make_seal(case: AuditCase, *, garbage: bytes | None = None) -> str:
    """The honest seal of the claim's line, or one of ``garbage``."""
    if garbage is not None:
        context = signed_digest(case).encode()
        return encode_base64url(seal(garbage, case.recipient, context))
    opening = open_line(
        claim()[1], case.line, list(case.slots), audit_purpose(case), samples.generators()
    )
    return seal_opening(opening, case)


def make_answer(case: AuditCase, sealed: str | None, **changes: Any) -> AuditAnswer:
    """The optician's answer: what is sealed, or a refusal."""
    facts: dict[str, Any] = {
        "case_id": case.case_id,
        "case_digest": signed_digest(case),
        "optician_id": optician().optician_id,
        "answer": "refusal" if sealed is None else "opening",
        "sealed_digest": None if sealed is None else sealed_digest(sealed),
        "reason": "the shop was closed" if sealed is None else None,
        "answered_at": ANSWERED_AT,
    }
    return make_signed(AuditAnswer, optician().signing_key, **facts | changes)


def true_values() -> dict[str, int]:
    """Code and price that the claim's first line commits to."""
    code, price, *_ = claim()[1].openings[LINE - 1].values
    return {"code": int(code), "price": int(price)}


@cache
def parts(kind: Kind) -> Parts:
    """The documents of one case that ended so."""
    if kind in ("refused", "lapsed"):
        return parts_of(kind, None)
    garbage = b"not an opening" if kind == "invalid" else None
    return parts_of(kind, make_seal(make_case(), garbage=garbage))


def parts_of(kind: Kind, sealed: str | None) -> Parts:
    """The same with that seal."""
    case = make_case()
    answer = None if kind == "lapsed" else make_answer(case, sealed)
    finding = None
    if answer is not None and sealed is not None:
        opening = None
        if kind != "invalid":
            opening = open_line(
                claim()[1], LINE, list(case.slots), audit_purpose(case), samples.generators()
            )
        papers = true_values()
        if kind == "inconsistent":
            papers["code"] = samples.row_of("VM5").code
        finding = make_signed(
            Finding,
            party("auditor").signing_key,
            case_id=case.case_id,
            case_digest=signed_digest(case),
            answer_digest=signed_digest(answer),
            auditor_id=PARTIES["auditor"],
            cause=CAUSES[kind],
            opening=opening,
            compared_with={} if kind == "invalid" else papers,
            source=None if kind == "invalid" else "invoice of the manufacturer",
            salt=encode_base64url(bytes(32)),
            found_at=CONCLUDED_AT,
        )
    cause = CAUSES[kind]
    outcome = make_signed(
        AuditOutcome,
        party("auditor").signing_key,
        case_id=case.case_id,
        case_digest=signed_digest(case),
        answer_digest=None if answer is None else signed_digest(answer),
        auditor_id=PARTIES["auditor"],
        outcome=OUTCOME_OF[cause],
        cause=cause,
        finding_digest=None if finding is None else signed_digest(finding),
        concluded_at=CONCLUDED_AT,
    )
    return Parts(case, answer, sealed, finding, outcome)


def make_publication(kind: Literal["contract", "nomenclature"]) -> Publication:
    """Of the contract or the table, in force since July 2020."""
    document = contract() if kind == "contract" else samples.nomenclature()
    return make_signed(
        Publication,
        party("publisher").signing_key,
        **published_facts(document),
        in_force_from=contract().valid_from,
        published_at=NOW - timedelta(days=90),
        publisher_id=PARTIES["publisher"],
    )


def make_attestation(line: int) -> Attestation:
    """The manufacturer's word for a line."""
    return make_signed(
        Attestation,
        party("attester").signing_key,
        attester_id=PARTIES["attester"],
        claim_id=claim()[0].claim_id,
        claim_digest=encode_base64url(claim_digest(claim()[0])),
        line=line,
        commitment=claim()[0].lines[line - 1].commitment,
        attested=("code",),
        record=encode_base64url(bytes([line]) * 16),
        attested_at=NOW - timedelta(hours=1),
        expires_at=NOW + timedelta(days=30),
    )


def key_entry(by: Identity | None = None, **changes: Any) -> dict[str, Any]:
    """An optician's key as the insurer registered it."""
    return {
        "valid_from": NOW.date() - timedelta(days=300),
        "valid_to": NOW.date() + timedelta(days=300),
        "registered_at": NOW - timedelta(days=300),
        "revoked_at": None,
        **(by or optician()).public_entry(),
    } | changes


def make_record(made_of: Parts, **changes: Any) -> Record:
    """The insurer's record of the claim and the case."""
    about = claim()[0]
    recorded_at = NOW - timedelta(days=80)
    published = {
        f"{kind}_publications": (
            {"publication": make_publication(kind), "recorded_at": recorded_at},
        )
        for kind in ("contract", "nomenclature")
    }
    facts: dict[str, Any] = {
        "insurer_id": PARTIES["insurer"],
        "exported_at": EXPORTED_AT,
        "claim": about,
        "received_at": NOW,
        "verdict": {
            "verdict": "granted",
            "reason": None,
            "judged_at": NOW,
            "circuit_digest": None,
            "granted_until": NOW + timedelta(days=90),
            "state": "granted",
            "state_since": NOW,
        },
        "contract": contract(),
        "nomenclature_digest": about.nomenclature_digest,
        "optician_keys": (key_entry(),),
        "attestations": tuple(
            {"attestation": make_attestation(line), "recorded_at": NOW} for line in (1, 2)
        ),
        "audit": {
            "case": made_of.case,
            "recorded_at": OPENED_AT,
            "answer": made_of.answer,
            "answered_at": None if made_of.answer is None else ANSWERED_AT,
            "outcome": made_of.outcome,
            "concluded_at": CONCLUDED_AT,
        },
    }
    return make_signed(Record, party("insurer").signing_key, **published | facts | changes)


@cache
def evidence(kind: Kind) -> Evidence:
    """Good evidence of a case that ended so."""
    made_of = parts(kind)
    is_invalid = kind == "invalid"
    return make_signed(
        Evidence,
        party("auditor").signing_key,
        auditor_id=PARTIES["auditor"],
        record=make_record(made_of),
        finding=made_of.finding,
        sealed=made_of.sealed if is_invalid else None,
        recipient_key=recipient_key().encode() if is_invalid else None,
        made_at=MADE_AT,
    )


# -- mutating ---------------------------------------------------------------------------------


def document_of(kind: Kind) -> dict[str, Json]:
    """Good evidence as JSON data, to be changed."""
    document: dict[str, Json] = json.loads(encode_signed(evidence(kind)))
    return document


def resigned(model: type[SignedDocument], document: Json, by: Party) -> dict[str, Json]:
    """The same content, signed by ``by`` in its own name."""
    said = {
        name: value
        for name, value in document.items()
        if name not in ("format_version", "key_id", "signature")
    }
    unsigned = model.model_validate_json(canonical_bytes(document)).__dict__
    fields = {name: unsigned[name] for name in said}
    signed = make_signed(model, by.signing_key, **fields)
    whole: dict[str, Json] = json.loads(encode_signed(signed))
    return whole


def decoded(document: Json) -> Evidence:
    """Evidence of JSON data. Raises as `decode_signed`."""
    return decode_signed(Evidence, canonical_bytes(document))
