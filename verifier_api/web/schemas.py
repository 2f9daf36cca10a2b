"""The shapes of answers, for the OpenAPI document; requests have the models that parse them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from circuits.audit import Cause, Outcome
from circuits.contract import AttestedSlot, StatementName
from circuits.opening import SlotName
from verifier_api.service.access import Scope
from verifier_api.service.audits import CaseState
from verifier_api.service.life import AgeGroup, State

Digest: TypeAlias = str


class Answer(BaseModel):
    """An answer has the members that it names and no other."""

    model_config = ConfigDict(extra="forbid")


class Titles(Answer):
    """A text in both languages."""

    en: str
    fr: str


class Problem(Answer):
    """RFC 9457 problem details. ``type`` is stable, ``places`` are the fields at fault, ``reason``
    tells more of the codes that end in ``_refused``."""

    type: str = Field(examples=["urn:clairobscur:problem:fields_invalid"])
    code: str = Field(examples=["fields_invalid"])
    title: str = Field(examples=["Fields of the document are not valid"])
    titles: Titles
    status: int = Field(examples=[422])
    detail: str = Field(examples=["claim: expires_at: not an instant YYYY-MM-DDTHH:MM:SSZ"])
    places: list[str] = Field(examples=[["expires_at"]])
    instance: str = Field(examples=["urn:clairobscur:request:5f0c2b7e9a1d4c38"])
    reason: str | None = None


class Amounts(Answer):
    """Cents for the lenses with supplements, and for the frame."""

    lenses_cents: int = Field(examples=[60000])
    frame_cents: int = Field(examples=[10000])


class Verdict(Answer):
    """The recorded verdict on a claim. Not a payment decision."""

    claim_id: str = Field(examples=["claim-000017"])
    claim_digest: Digest
    verdict: Literal["granted", "refused", "pending"]
    reason: str | None = Field(examples=["renewal_too_early"])
    reason_titles: Titles | None
    detail: str
    judged_at: str = Field(examples=["2026-11-24T18:30:00Z"])
    contract_digest: Digest
    nomenclature_digest: Digest
    circuit_digest: Digest | None
    granted_until: str | None = Field(examples=["2027-02-22T18:30:00Z"])
    attest_by: str | None = Field(examples=["2026-12-24T18:30:00Z"])
    amounts: Amounts | None
    notice: Titles


class ClaimSummary(Answer):
    """A claim in a listing."""

    claim_id: str
    claim_digest: Digest
    optician_id: str
    contract_id: str
    statement: StatementName
    date_of_service: str
    received_at: str
    verdict: Literal["granted", "refused", "pending"]
    reason: str | None
    state: State
    state_since: str
    granted_until: str | None
    attest_by: str | None
    amounts: Amounts | None
    invoiced_amounts: Amounts | None


class ClaimsPage(Answer):
    """A page, newest first; ``next`` is the cursor of the next page, null at the end."""

    claims: list[ClaimSummary]
    next: str | None


ClaimStep: TypeAlias = Literal[
    "judged",
    "decided",
    "invoiced",
    "cancelled",
    "expired",
    "attested",
    "attestation_overdue",
    "attestation_decided",
    "audit_opened",
    "audit_seen",
    "audit_answered",
    "audit_refused",
    "audit_lapsed",
    "audit_sealed_read",
    "audit_concluded",
    "audit_erased",
    "evidence_read",
]


class Event(Answer):
    """A step of a claim's life: kind, who (a token's id), and facts of it."""

    at: str
    kind: ClaimStep
    actor: str
    facts: dict[str, Any]


class MissingAttestation(Answer):
    """What a rule of the contract asks for a line, by when; null if there is no time limit, or if
    it does not run yet."""

    line: int
    attesters: list[str]
    slots: list[AttestedSlot]
    due_at: str | None


class AttestationDuty(MissingAttestation):
    """The same, with the digest of the attestation that met it."""

    met_by: Digest | None


class GivenAttestation(Answer):
    """An attestation that was taken; ``record`` is the attester's reference."""

    digest: Digest
    line: int
    attester_id: str
    attested: list[AttestedSlot]
    record: str
    recorded_at: str


class ClaimAttestations(Answer):
    """What the contract asks to be attested, and what came."""

    due: list[AttestationDuty]
    given: list[GivenAttestation]


class ClaimDetail(ClaimSummary):
    """A claim with its verdict, its attestations, what it says (all but proof and signature), and
    its history."""

    verdict_answer: Verdict
    attestations: ClaimAttestations
    claim: dict[str, Any]
    history: list[Event]


class InvoiceAnswer(Answer):
    """The claim is payable. Not a payment decision."""

    claim_id: str
    state: Literal["payable"]
    invoice_digest: Digest
    date_of_delivery: str
    amounts: Amounts | None
    recorded_at: str
    notice: Titles


class CancellationAnswer(Answer):
    """The claim is cancelled."""

    claim_id: str
    state: Literal["cancelled"]
    recorded_at: str


class AttestationAnswer(Answer):
    """The attestation was taken; ``missing`` is what the claim still needs."""

    claim_id: str
    attestation_digest: Digest
    line: int
    attester_id: str
    attested: list[AttestedSlot]
    recorded_at: str
    state: Literal["granted", "pending", "payable", "attestation_overdue"]
    attest_by: str | None
    missing: list[MissingAttestation]


class DecisionAnswer(Answer):
    """The claim is decided."""

    claim_id: str
    state: Literal["granted", "refused", "payable"]
    recorded_at: str
    granted_until: str | None


class CaseFacts(Answer):
    """An audit case. ``opened_at``, ``answered_at``, ``erased_at`` and ``concluded_at`` are when
    the service recorded it; ``answer_by`` and ``erase_at`` are the case's own."""

    case_id: str
    case_digest: Digest
    claim_id: str
    line: int
    slots: list[SlotName]
    ground: str
    auditor_id: str
    optician_id: str
    state: CaseState
    opened_at: str
    answer_by: str
    erase_at: str
    answered_at: str | None
    answer_digest: Digest | None
    erased_at: str | None
    outcome: Outcome | None
    cause: Cause | None
    concluded_at: str | None


class CasesPage(Answer):
    """A page, newest first; ``next`` is the cursor of the next page, null at the end."""

    audits: list[CaseFacts]
    next: str | None


class CaseDetail(CaseFacts):
    """A case with its documents, but for the seal, and its history: who did or saw what, when."""

    case: dict[str, Any]
    answer: dict[str, Any] | None
    outcome_document: dict[str, Any] | None
    history: list[Event]


class SealedAnswer(Answer):
    """What the case's key opens: case, answer, and the seal that the answer names."""

    case: dict[str, Any]
    answer: dict[str, Any]
    sealed: str


class StatelessVerdict(Answer):
    """Whether a claim holds by itself; uniqueness, rights and renewal are not looked at."""

    claim_id: str
    verdict: Literal["accepted", "refused"]
    reason: str | None
    detail: str
    circuit_digest: Digest | None


class BatchLine(Answer):
    """The verdict on one line of a batch."""

    line: int
    claim_id: str | None
    verdict: Literal["accepted", "refused", "unreadable"]
    reason: str | None
    detail: str
    circuit_digest: Digest | None


class ContractEntry(Answer):
    """A version of a contract."""

    digest: Digest
    contract_id: str
    insurer_id: str
    product_id: str
    valid_from: str
    valid_to: str
    in_force_from: str
    added_at: str


class ContractList(Answer):
    """Every version."""

    contracts: list[ContractEntry]


class ContractDetail(ContractEntry):
    """A version with its document."""

    document: dict[str, Any]


class NomenclatureEntry(Answer):
    """A version of the table of codes."""

    digest: Digest
    version: str
    source: str
    in_force_from: str
    added_at: str
    rows: int


class NomenclatureList(Answer):
    """Every version."""

    nomenclatures: list[NomenclatureEntry]


class PublicationEntry(Answer):
    """A publication (docs/files.md) and when it was first recorded."""

    recorded_at: str = Field(examples=["2026-11-24T18:30:00Z"])
    publication: dict[str, Any]


class PublicationList(Answer):
    """By document, oldest first."""

    publications: list[PublicationEntry]


class ClassFacts(BaseModel):
    """A class on a day: how many codes, and among how many cells a code hides."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    regroupement: str = Field(alias="class", examples=["V04"])
    family: Literal["lens", "frame", "supplement"]
    label_fr: str
    price_class: Literal["A", "B"] | None
    legal_level: Literal["simple", "complex", "very_complex"] | None
    codes: int
    cells: int | None
    status: Literal["derived", "unconfirmed"] | None
    floor: str | None


class NomenclatureDetail(NomenclatureEntry):
    """A version with its classes on a day."""

    date: str
    classes: list[ClassFacts]


class CodeFacts(Answer):
    """A code of a class: public data."""

    code: int
    cell: str | None
    tariff_cents: int | None
    limit_cents: int | None
    share_cents: int | None


class ClassDetail(BaseModel):
    """A class with its codes and their cells on a day."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    digest: Digest
    date: str
    regroupement: ClassFacts = Field(alias="class")
    codes: list[CodeFacts]


class CircuitDetail(Answer):
    """What a circuit consists of; the digest is that of ``description`` (protocol, section 4)."""

    digest: Digest
    statement: StatementName
    contract_digest: Digest
    nomenclature_digest: Digest
    period_start: str
    declaration: dict[str, Any]
    wires: int
    degree: int
    equations: int
    lines: int
    proof_bytes: int
    description: dict[str, Any]


class TokenFacts(Answer):
    """A token without its secret."""

    token_id: str
    scope: Scope
    optician_id: str | None
    label: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class TokenList(Answer):
    """Every token."""

    tokens: list[TokenFacts]


class TokenCreated(TokenFacts):
    """A fresh token, told this once."""

    token: str = Field(examples=["co_0123456789abcdef_…"])


class KeyFacts(Answer):
    """An optician's registered key."""

    key_id: str
    optician_id: str
    public_key: str
    valid_from: str
    valid_to: str
    registered_at: str
    revoked_at: str | None


class KeyList(Answer):
    """Keys."""

    keys: list[KeyFacts]


class RightFacts(Answer):
    """A beneficiary's right."""

    beneficiary: str
    contract_id: str
    age_group: AgeGroup
    valid_from: str
    valid_to: str | None
    recorded_at: str


class RightsPage(Answer):
    """A page of rights."""

    rights: list[RightFacts]
    next: str | None


class RightsAdded(Answer):
    """How many of the rights were new."""

    added: int


class RightEnded(Answer):
    """The right ends on that day."""

    valid_to: str


class Health(Answer):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Answer):
    """Whether claims can be judged."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, bool]
