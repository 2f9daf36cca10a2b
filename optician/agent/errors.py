"""What the shop answers instead of doing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SHOP_PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "key_missing": (
        "the shop has no signing key yet: make one, or take over the file of another",
        "le magasin n'a pas encore de clé : créez-en une, ou reprenez un fichier de clé",
    ),
    "key_exists": (
        "the shop has a signing key already",
        "le magasin a déjà une clé",
    ),
    "key_invalid": (
        "this is no key file",
        "ce n'est pas un fichier de clé",
    ),
    "argument_invalid": (
        "something that was given is not valid",
        "une valeur donnée n'est pas valable",
    ),
    "insurer_unknown": (
        "the shop has no such insurer: add it first",
        "le magasin n'a pas cet assureur : ajoutez-le d'abord",
    ),
    "insurer_ambiguous": (
        "several insurers have a contract of that name: say which insurer",
        "plusieurs assureurs ont un contrat de ce nom : précisez l'assureur",
    ),
    "insurer_needed": (
        "claims of this insurer are not settled: keep it",
        "des demandes chez cet assureur ne sont pas terminées : gardez-le",
    ),
    "document_invalid": (
        "a contract, a table, a trust list or a publication is not what it should be",
        "un contrat, une table, une liste ou une publication n'a pas la forme attendue",
    ),
    "contract_unknown": (
        "the shop has no such contract: fetch the insurer's documents",
        "le magasin n'a pas ce contrat : récupérez les documents de l'assureur",
    ),
    "contract_not_in_force": (
        "no version of the contract is in force on the date of service",
        "aucune version du contrat n'est en vigueur à la date de la demande",
    ),
    "nomenclature_unknown": (
        "the shop has no table for the date of service: fetch the insurer's documents",
        "le magasin n'a pas de table pour cette date : récupérez les documents de l'assureur",
    ),
    "unpublished": (
        "nobody on your trust list has published it, so nothing was proved",
        "personne sur votre liste de confiance ne l'a publié : rien n'a été prouvé",
    ),
    "sale_refused": (
        "this cannot be claimed with this contract and table",
        "demande impossible avec ce contrat et cette table",
    ),
    "sale_conflict": (
        "another claim was made of this sale number",
        "une autre demande a été faite sous ce numéro de vente",
    ),
    "claim_unknown": (
        "the shop has no such claim",
        "le magasin n'a pas cette demande",
    ),
    "claim_state": (
        "the claim's state does not allow this",
        "l'état de la demande ne le permet pas",
    ),
    "notice_refused": (
        "the notice does not fit the claim",
        "l'avis ne correspond pas à la demande",
    ),
    "openings_erased": (
        "what this claim hides was erased when its time was over",
        "ce que cette demande cache a été effacé à l'échéance",
    ),
    "attester_refused": (
        "the attester refuses",
        "le tiers attestant refuse",
    ),
    "attester_unreachable": (
        "the attester does not answer; the same again does no harm",
        "le tiers attestant ne répond pas ; recommencer est sans risque",
    ),
    "attestation_refused": (
        "what the attester gave is not what was asked for",
        "ce que le tiers attestant a donné n'est pas ce qui était demandé",
    ),
    "audit_unknown": (
        "the shop knows no such audit",
        "le magasin ne connaît pas cet audit",
    ),
    "audit_refused": (
        "this audit is not to be answered so: nothing was sent",
        "cet audit ne peut recevoir cette réponse : rien n'a été envoyé",
    ),
    "trust_missing": (
        "the insurer has no trust list here: without one nobody knows who the auditor is",
        "cet assureur n'a pas de liste de confiance ici : rien ne dit qui est l'auditeur",
    ),
    "unreachable": (
        "the insurer's service does not answer",
        "le service de l'assureur ne répond pas",
    ),
    "answer_invalid": (
        "what answers there is not the insurer's service, or not as it should",
        "ce qui répond n'est pas le service de l'assureur, ou pas comme il le devrait",
    ),
    "service_refused": (
        "the insurer's service refuses",
        "le service de l'assureur refuse",
    ),
}
"""By code: what it means, in English and French."""


class ShopError(Exception):
    """The shop does not do that. ``code`` is a key of `SHOP_PROBLEMS`; ``places`` name the fields
    at fault; ``detail`` is English and repeats no value."""

    def __init__(self, code: str, detail: str = "", places: tuple[str, ...] = ()) -> None:
        self.code = code
        self.detail = detail
        self.places = places
        super().__init__(f"{code}: {detail or SHOP_PROBLEMS[code][0]}")

    @property
    def titles(self) -> dict[str, str]:
        """What it means, by language ("en", "fr")."""
        english, french = SHOP_PROBLEMS[self.code]
        return {"en": english, "fr": french}
