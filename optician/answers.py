"""What the insurer's service answers, as `optician.client` hands it out.

Frozen, and strict in the members that are known (`console.answers`). Nothing in an answer is
trusted further than that.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue, model_validator

from circuits.claim import Beneficiary, Digest, Instant
from circuits.document import Cents, Identifier, IsoDate
from console.answers import Answer, Code, Text, Titles

VerdictName: TypeAlias = Literal["granted", "refused", "pending"]


class Amounts(Answer):
    """Cents for the lenses with supplements, and for the frame."""

    lenses_cents: Cents
    frame_cents: Cents


# -- claims -----------------------------------------------------------------------------------


class VerdictAnswer(Answer):
    """The verdict on a claim, the same for ever: ``reason`` says why it is not granted.

    ``granted_until`` is the last instant for the invoice, ``attest_by`` for the next attestation
    that is due, if any is. Not a payment decision.
    """

    claim_id: Identifier
    claim_digest: Digest
    verdict: VerdictName
    reason: Code | None
    reason_titles: Titles | None
    detail: Text
    judged_at: Instant
    contract_digest: Digest
    nomenclature_digest: Digest
    circuit_digest: Digest | None
    granted_until: Instant | None
    attest_by: Instant | None
    amounts: Amounts | None
    notice: Titles

    @model_validator(mode="after")
    def _require_whole(self) -> VerdictAnswer:
        if (self.verdict == "granted") != (self.reason is None):
            raise ValueError("a reason goes with every verdict but granted")
        if (self.verdict == "granted") != (self.granted_until is not None):
            raise ValueError("granted_until goes with the verdict granted")
        return self


class ClaimSummary(Answer):
    """A recorded claim in a listing: its verdict, and the state that it is in since."""

    claim_id: Identifier
    claim_digest: Digest
    optician_id: Identifier
    contract_id: Identifier
    statement: Text
    date_of_service: IsoDate
    received_at: Instant
    verdict: VerdictName
    reason: Code | None
    state: Code
    state_since: Instant
    granted_until: Instant | None
    attest_by: Instant | None
    amounts: Amounts | None
    invoiced_amounts: Amounts | None


class ClaimPage(Answer):
    """A page of a listing; ``next`` asks for the one after, None after the last."""

    claims: tuple[ClaimSummary, ...]
    next: Annotated[str, Field(min_length=1, max_length=1024)] | None


class ClaimEvent(Answer):
    """What happened to a claim; ``actor`` is the id of a token."""

    at: Instant
    kind: Code
    actor: Text
    facts: dict[str, JsonValue]


class MissingAttestation(Answer):
    """What a rule of the contract asks for a line, from 1: any one of the attesters, all of the
    slots; None if there is no last instant for it, or none yet."""

    line: Annotated[int, Field(ge=1)]
    attesters: tuple[Identifier, ...]
    slots: tuple[Code, ...]
    due_at: Instant | None


class AttestationDuty(MissingAttestation):
    """The same, with the digest of the attestation that met it."""

    met_by: Digest | None


class GivenAttestation(Answer):
    """An attestation that the insurer took."""

    digest: Digest
    line: Annotated[int, Field(ge=1)]
    attester_id: Identifier
    attested: tuple[Code, ...]
    record: Text
    recorded_at: Instant


class ClaimAttestations(Answer):
    """What the contract asks to be attested of a claim, and what came."""

    due: tuple[AttestationDuty, ...]
    given: tuple[GivenAttestation, ...]


class ClaimAnswer(ClaimSummary):
    """A recorded claim with all that the service tells of it; ``claim`` has all its fields but
    proof and signature."""

    verdict_answer: VerdictAnswer
    attestations: ClaimAttestations
    claim: dict[str, JsonValue]
    history: tuple[ClaimEvent, ...]


class InvoiceAnswer(Answer):
    """That an invoice was taken. Not a payment decision."""

    claim_id: Identifier
    state: Code
    invoice_digest: Digest
    amounts: Amounts | None
    date_of_delivery: IsoDate
    recorded_at: Instant
    notice: Titles


class AttestationAnswer(Answer):
    """That an attestation was taken, and what the claim still needs."""

    claim_id: Identifier
    attestation_digest: Digest
    line: Annotated[int, Field(ge=1)]
    attester_id: Identifier
    attested: tuple[Code, ...]
    recorded_at: Instant
    state: Code
    attest_by: Instant | None
    missing: tuple[MissingAttestation, ...]


class CancellationAnswer(Answer):
    """That a cancellation was taken."""

    claim_id: Identifier
    state: Code
    recorded_at: Instant


class DecisionAnswer(Answer):
    """That the insurer's decision was taken; ``granted_until`` as in `VerdictAnswer`."""

    claim_id: Identifier
    state: Code
    recorded_at: Instant
    granted_until: Instant | None


class AuditSummary(Answer):
    """An audit case in a listing. Instants are of record, by the service's clock."""

    case_id: Identifier
    case_digest: Digest
    claim_id: Identifier
    line: Annotated[int, Field(ge=1)]
    slots: tuple[Text, ...]
    ground: Text
    auditor_id: Identifier
    optician_id: Identifier
    state: Code
    opened_at: Instant
    answer_by: Instant
    erase_at: Instant
    answered_at: Instant | None
    answer_digest: Digest | None
    erased_at: Instant | None
    outcome: Code | None
    cause: Code | None
    concluded_at: Instant | None


class AuditPage(Answer):
    """A page of a listing, as `ClaimPage`."""

    audits: tuple[AuditSummary, ...]
    next: Annotated[str, Field(min_length=1, max_length=1024)] | None


class AuditDetail(AuditSummary):
    """One case with its documents, the seal left out, and who did or saw what, and when."""

    case: dict[str, JsonValue]
    answer: dict[str, JsonValue] | None
    outcome_document: dict[str, JsonValue] | None
    history: tuple[ClaimEvent, ...]


class ProofAnswer(Answer):
    """The verdict on a claim by itself: nothing was recorded, and no record looked at."""

    claim_id: Identifier
    verdict: Literal["accepted", "refused"]
    reason: Code | None
    detail: Text
    circuit_digest: Digest | None


class BatchLine(Answer):
    """The verdict on one claim of a batch; ``line`` counts from 1."""

    line: Annotated[int, Field(ge=1)]
    claim_id: Identifier | None
    verdict: Literal["accepted", "refused", "unreadable"]
    reason: Code | None
    detail: Text
    circuit_digest: Digest | None


# -- reference data ---------------------------------------------------------------------------


class ContractEntry(Answer):
    """A version of a contract in a listing."""

    digest: Digest
    contract_id: Identifier
    insurer_id: Identifier
    product_id: Identifier
    valid_from: IsoDate
    valid_to: IsoDate
    in_force_from: IsoDate
    added_at: Instant


class ContractAnswer(ContractEntry):
    """A version with the contract itself, as JSON data."""

    document: dict[str, JsonValue]


class ContractList(Answer):
    """Every version."""

    contracts: tuple[ContractEntry, ...]


class NomenclatureEntry(Answer):
    """A version of the table in a listing; ``rows`` counts them."""

    digest: Digest
    version: Text
    source: Text
    in_force_from: IsoDate
    added_at: Instant
    rows: int


class NomenclatureList(Answer):
    """Every version."""

    nomenclatures: tuple[NomenclatureEntry, ...]


class PublicationEntry(Answer):
    """A publication, as JSON data, and when the insurer first recorded it."""

    recorded_at: Instant
    publication: dict[str, JsonValue]


class PublicationList(Answer):
    """Those of a document, or all."""

    publications: tuple[PublicationEntry, ...]


class NomenclatureAnswer(NomenclatureEntry):
    """A version with the facts of its classes on a day."""

    date: IsoDate
    classes: tuple[dict[str, JsonValue], ...]


class NomenclatureClassAnswer(Answer):
    """One class on a day, with the facts of its codes."""

    digest: Digest
    date: IsoDate
    class_: Annotated[dict[str, JsonValue], Field(alias="class")]
    codes: tuple[dict[str, JsonValue], ...]


class CircuitAnswer(Answer):
    """A circuit that some claim was judged by. ``description`` is what its digest covers."""

    digest: Digest
    statement: Text
    contract_digest: Digest
    nomenclature_digest: Digest
    period_start: IsoDate
    declaration: dict[str, JsonValue]
    wires: int
    degree: int
    equations: int
    lines: int
    proof_bytes: int
    description: dict[str, JsonValue]


# -- administration ---------------------------------------------------------------------------


class TokenAnswer(Answer):
    """A token without its secret."""

    token_id: Identifier
    scope: Code
    optician_id: Identifier | None
    label: Text
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None


class NewTokenAnswer(TokenAnswer):
    """A fresh token: told once, and not shown by repr or str."""

    token: Annotated[str, Field(min_length=1, max_length=512, repr=False)]


class TokenList(Answer):
    """Every token."""

    tokens: tuple[TokenAnswer, ...]


class KeyAnswer(Answer):
    """A registered public key of an optician, and its validity."""

    key_id: Digest
    optician_id: Identifier
    public_key: Digest
    valid_from: IsoDate
    valid_to: IsoDate
    registered_at: Instant
    revoked_at: Instant | None


class KeyList(Answer):
    """Keys."""

    keys: tuple[KeyAnswer, ...]


class RightAnswer(Answer):
    """A beneficiary's right under a contract, first and last day included; None for no end."""

    beneficiary: Beneficiary
    contract_id: Identifier
    age_group: Code
    valid_from: IsoDate
    valid_to: IsoDate | None
    recorded_at: Instant


class RightPage(Answer):
    """A page of a listing, as `ClaimPage`."""

    rights: tuple[RightAnswer, ...]
    next: Annotated[str, Field(min_length=1, max_length=1024)] | None


class RightsAdded(Answer):
    """How many rights were new."""

    added: Annotated[int, Field(ge=0)]


class RightEnded(Answer):
    """The last day of a right."""

    valid_to: IsoDate


# -- the service itself -----------------------------------------------------------------------


class HealthAnswer(Answer):
    """That the process is alive, or whether it can work: then with a fact for each check."""

    status: Code
    checks: dict[str, JsonValue] = Field(default_factory=dict)
