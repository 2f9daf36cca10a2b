"""What the agent says of claims in its own words, where those of the commands name commands.

Pairs of English and French, as in `optician.messages`.
"""

from __future__ import annotations

from typing import Final

from optician.messages import NEXT_STEPS, NO_NEXT_STEP
from optician.problems import meaning_of

STEPS: Final[dict[str, tuple[str, str]]] = {
    "mend_then_retry": (
        "put right what is said above, then send it again",
        "corrigez ce qui est indiqué, puis renvoyez",
    ),
    "attest_first": (
        "have the line attested; the claim is sent with the attestation",
        "faites attester la ligne ; la demande part avec l'attestation",
    ),
    "sent_later": (
        "nothing: it is sent again by itself",
        "rien : l'envoi est répété tout seul",
    ),
    "being_sent": (
        "nothing: it is sent by itself as soon as the line is up",
        "rien : l'envoi se fait tout seul dès que la ligne est rétablie",
    ),
    "sent": (
        "wait: the insurer decides",
        "attendez : l'assureur décide",
    ),
    "granted": (
        "deliver, and send the invoice in time",
        "livrez, et envoyez la facture à temps",
    ),
    "granted_attest": (
        "have the line attested in time; deliver, and send the invoice in time",
        "faites attester la ligne à temps ; livrez, et envoyez la facture à temps",
    ),
    "attestation_overdue": (
        "the attestation is late: ask the insurer, who decides",
        "l'attestation est en retard : demandez à l'assureur, qui décide",
    ),
    "expired": (
        "no invoice came in time: if it was delivered, make the claim anew",
        "aucune facture n'est venue à temps : si la délivrance a eu lieu, refaites la demande",
    ),
}
"""By state, or by what stands in the way: what the optician does next."""

REASON_STEPS: Final[dict[str, tuple[str, str]]] = {
    "optician_unknown": (
        "have the insurer register the shop's public key; then make the claim anew",
        "faites enregistrer la clé publique du magasin par l'assureur, puis refaites la demande",
    ),
    "signature_invalid": (
        "make the claim anew; if it is refused again, report it",
        "refaites la demande ; en cas de nouveau refus, signalez-le",
    ),
    **dict.fromkeys(
        (
            "contract_mismatch",
            "contract_not_in_force",
            "nomenclature_mismatch",
            "nomenclature_not_in_force",
        ),
        (
            "fetch the insurer's documents, then make the claim anew",
            "récupérez les documents de l'assureur, puis refaites la demande",
        ),
    ),
    "renewal_too_early": (
        "wait until the renewal is due; or, where the contract lists a ground that applies, make "
        "the claim anew with that ground",
        "attendez l'échéance du renouvellement ; ou, si un motif prévu au contrat s'applique, "
        "refaites la demande avec ce motif",
    ),
}
"""By the reason of a refusal, where `optician.messages.NEXT_STEPS` names commands or fields."""

_ADDRESS = (
    "no such service at this address: check the insurer's address",
    "pas de tel service à cette adresse : vérifiez l'adresse de l'assureur",
)

_PROBLEMS: Final[dict[str, tuple[str, str]]] = {
    "unreachable": (
        "the insurer's service does not answer",
        "le service de l'assureur ne répond pas",
    ),
    "answer_invalid": (
        "what answers there is not the insurer's service, or not as it should",
        "ce qui répond n'est pas le service de l'assureur, ou pas comme il le devrait",
    ),
    "address_invalid": (
        "the insurer's address or token is not valid: correct it in the settings",
        "l'adresse ou le jeton de l'assureur n'est pas valable : corrigez-le dans les réglages",
    ),
    "insurer_unknown": (
        "the shop has no such insurer any more: add it again",
        "le magasin n'a plus cet assureur : ajoutez-le de nouveau",
    ),
    "head_too_large": _ADDRESS,
    "method_not_allowed": _ADDRESS,
    "claim_conflict": (
        "the insurer has another claim of this number: make the claim anew",
        "l'assureur a une autre demande sous ce numéro : refaites la demande",
    ),
    "state_conflict": (
        "its state at the insurer's does not allow this",
        "son état chez l'assureur ne le permet pas",
    ),
    "attestation_missing": (
        "the contract asks for an attestation with the claim",
        "le contrat demande une attestation avec la demande",
    ),
}


def step_of(reason: str) -> tuple[str, str]:
    """What follows from the reason of a refusal."""
    return REASON_STEPS.get(reason) or NEXT_STEPS.get(reason, NO_NEXT_STEP)


def problem_words(code: str, reason: str | None = None) -> tuple[str, str] | None:
    """What a problem of sending means; None for one that a newer service has."""
    return _PROBLEMS.get(reason or "") or _PROBLEMS.get(code) or meaning_of(code, reason)


def texts(pair: tuple[str, str]) -> dict[str, str]:
    """A text by language."""
    return {"en": pair[0], "fr": pair[1]}
