"""The rules of a claim's life, without storage: states, renewal, amounts, what answers say.

granted   ──> payable    by its invoice        granted, pending ──> cancelled   by its optician
granted   ──> expired    without an invoice    pending ──> granted, refused     by the insurer
pending   ──> expired    without a decision    refused, cancelled, expired are final
granted, payable ──> attestation_overdue       without an attestation that is due
attestation_overdue ──> granted, payable, refused by the insurer
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias, get_args

from circuits.claim import Claim, encode_instant
from circuits.contract import Contract
from verifier_api.judge import REASONS

State: TypeAlias = Literal[
    "granted", "refused", "pending", "payable", "cancelled", "expired", "attestation_overdue"
]
STATES: Final[tuple[State, ...]] = get_args(State)

AgeGroup: TypeAlias = Literal["adult", "under_16"]

NOT_A_PAYMENT: Final = {
    "en": "A verdict on the proof and the contract's rules. It is not a payment decision.",
    "fr": "Un verdict sur la preuve et les règles du contrat. Ce n'est pas une décision de "
    "paiement.",
}

REASON_TITLES: Final[dict[str, tuple[str, str]]] = {
    "optician_unknown": (
        REASONS["optician_unknown"],
        "aucune clé de cet opticien n'est enregistrée et valable sous ce nom",
    ),
    "signature_invalid": (REASONS["signature_invalid"], "la signature ne couvre pas cette demande"),
    "contract_mismatch": (
        REASONS["contract_mismatch"],
        "la demande est faite pour un autre assureur ou un autre contrat",
    ),
    "contract_unpublished": (
        REASONS["contract_unpublished"],
        "aucun organisme auquel l'assureur se fie n'a publié ce contrat",
    ),
    "contract_not_in_force": (
        REASONS["contract_not_in_force"],
        "cette version du contrat n'est pas en vigueur à la date de délivrance",
    ),
    "nomenclature_mismatch": (
        REASONS["nomenclature_mismatch"],
        "la demande est faite avec une autre nomenclature",
    ),
    "nomenclature_unpublished": (
        REASONS["nomenclature_unpublished"],
        "aucun organisme auquel l'assureur se fie n'a publié cette nomenclature",
    ),
    "nomenclature_not_in_force": (
        REASONS["nomenclature_not_in_force"],
        "une autre version de la nomenclature est en vigueur à la date de délivrance",
    ),
    "expired": (REASONS["expired"], "la demande a expiré"),
    "expiry_too_far": (
        REASONS["expiry_too_far"],
        "la demande resterait recevable plus longtemps que l'assureur ne l'admet",
    ),
    "date_in_future": (REASONS["date_in_future"], "la date de délivrance est dans le futur"),
    "commitment_reused": (
        "a line commitment stands in another claim",
        "l'engagement d'une ligne figure déjà dans une autre demande",
    ),
    "rights_unknown": (
        "no right of this beneficiary under this contract is known on the date of service",
        "aucun droit de ce bénéficiaire n'est connu pour ce contrat à la date de délivrance",
    ),
    "renewal_too_early": (
        "the beneficiary has had an equipment within the renewal period",
        "le bénéficiaire a déjà eu un équipement pendant la période de renouvellement",
    ),
    "early_renewal": (
        "an equipment before the renewal is due, with a ground: the insurer decides",
        "équipement avant l'échéance du renouvellement, avec un motif : l'assureur décide",
    ),
    "statement_not_allowed": (
        REASONS["statement_not_allowed"],
        "le contrat n'admet pas ce type de preuve",
    ),
    "floor": (
        REASONS["floor"],
        "un code se cache parmi moins de possibilités que le contrat n'en exige",
    ),
    "ground_not_allowed": (
        REASONS["ground_not_allowed"],
        "le contrat n'admet pas ce motif de renouvellement anticipé",
    ),
    "ceiling_exceeded": (
        REASONS["ceiling_exceeded"],
        "un montant dépasse son plafond de remboursement",
    ),
    "statement_invalid": (
        REASONS["statement_invalid"],
        "les lignes déclarées ne forment pas un équipement valable",
    ),
    "proof_malformed": (
        REASONS["proof_malformed"],
        "la preuve n'a pas la forme attendue pour cette demande",
    ),
    "proof_invalid": (REASONS["proof_invalid"], "la preuve ne prouve pas cette demande"),
}
"""Every reason that a verdict can have, in English and French, in the order of the checks."""


def reason_titles(reason: str | None) -> dict[str, str] | None:
    """The reason in both languages, None for none."""
    if reason is None:
        return None
    english, french = REASON_TITLES[reason]
    return {"en": english, "fr": french}


def add_months(day: date, months: int) -> date:
    """The same day some months later, or the last of that month where it has no such day."""
    year, month = divmod(day.month - 1 + months, 12)
    year += day.year
    if year > date.max.year:
        return date.max
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def is_renewal_too_early(
    service: date, granted: Iterable[date], contract: Contract, age_group: str
) -> bool:
    """Whether an equipment delivered on one of the days ``granted`` is less than the contract's
    renewal period away from ``service``, in either direction: claims may come out of order."""
    months = getattr(contract.renewal_months, age_group)
    return any(max(day, service) < add_months(min(day, service), months) for day in granted)


def grant_deadline(contract: Contract, now: datetime) -> str:
    """The last instant at which a claim granted ``now`` may be invoiced."""
    return encode_instant(now + timedelta(days=contract.grant_days))


def attestation_deadline(within_days: int, now: datetime) -> str:
    """The last instant at which an attestation due so many days after a grant ``now`` may come."""
    return encode_instant(now + timedelta(days=within_days))


def amounts_facts(lenses_cents: int | None, frame_cents: int | None) -> dict[str, int] | None:
    """Amounts as documents have them, None for a claim without amounts."""
    if lenses_cents is None or frame_cents is None:
        return None
    return {"lenses_cents": lenses_cents, "frame_cents": frame_cents}


def verdict_answer(
    claim: Claim,
    digest: str,
    verdict: str,
    reason: str | None,
    detail: str,
    now: datetime,
    circuit_digest: str | None,
    granted_until: str | None,
    attest_by: str | None = None,
) -> dict[str, Any]:
    """What the optician is answered, now and whenever he sends the same bytes again."""
    amounts = None
    if verdict == "granted" and claim.amounts is not None:
        amounts = amounts_facts(claim.amounts.lenses_cents, claim.amounts.frame_cents)
    return {
        "claim_id": claim.claim_id,
        "claim_digest": digest,
        "verdict": verdict,
        "reason": reason,
        "reason_titles": reason_titles(reason),
        "detail": detail,
        "judged_at": encode_instant(now),
        "contract_digest": claim.contract_digest,
        "nomenclature_digest": claim.nomenclature_digest,
        "circuit_digest": circuit_digest,
        "granted_until": granted_until,
        "attest_by": attest_by,
        "amounts": amounts,
        "notice": NOT_A_PAYMENT,
    }
