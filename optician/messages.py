"""What the command line says to the optician, in English and French.

Headlines only: the detail that follows an error's headline is the library's English.
"""

from __future__ import annotations

import os
from typing import Final, Literal, TypeAlias, get_args

Language: TypeAlias = Literal["en", "fr"]

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    # errors
    "error": ("error", "erreur"),
    "file": ("a file cannot be read or written", "un fichier ne peut être lu ou écrit"),
    "unreadable": ("a file is not what it should be", "un fichier n'a pas la forme attendue"),
    "sale": (
        "the sale is not filled in correctly",
        "la vente n'est pas remplie correctement",
    ),
    "argument": ("this argument is not valid", "cet argument n'est pas valable"),
    "statement": (
        "this cannot be claimed with this contract and nomenclature",
        "demande impossible avec ce contrat et cette nomenclature",
    ),
    "witness": (
        "a price, an amount or a code does not fit",
        "un prix, un montant ou un code ne convient pas",
    ),
    "refused": ("a proof was refused", "une preuve a été refusée"),
    "unreachable": (
        "the insurer's service does not answer; the same command again does no harm",
        "le service de l'assureur ne répond pas ; relancer la même commande est sans risque",
    ),
    "answer": (
        "what answers there is not the insurer's service, or not as it should",
        "ce qui répond n'est pas le service de l'assureur, ou pas comme il le devrait",
    ),
    "problem": ("the insurer's service refuses", "le service de l'assureur refuse"),
    "attester_unreachable": (
        "the attester does not answer; the same command again does no harm",
        "le tiers attestant ne répond pas ; relancer la même commande est sans risque",
    ),
    "attester_answer": (
        "what answers there is no attester, or not as it should",
        "ce qui répond n'est pas un tiers attestant, ou pas comme il le devrait",
    ),
    "attester_problem": ("the attester refuses", "le tiers attestant refuse"),
    "notice": (
        "the notice does not fit the claim",
        "l'avis ne correspond pas à la demande",
    ),
    "attestation": (
        "what the attester gave is not what was asked for",
        "ce que le tiers attestant a donné n'est pas ce qui était demandé",
    ),
    "unpublished": (
        "nobody on your trust list has published it, so nothing was proved",
        "personne sur votre liste de confiance ne l'a publié : rien n'a été prouvé",
    ),
    "audit": (
        "this audit is not to be answered so: nothing was sent",
        "cet audit ne peut recevoir cette réponse : rien n'a été envoyé",
    ),
    # the vault
    "vault_missing": ("there is no vault at this place", "il n'y a pas de coffre à cet endroit"),
    "vault_exists": (
        "there is a file at this place already, which is not replaced",
        "il y a déjà un fichier à cet endroit ; il n'est pas remplacé",
    ),
    "vault_damaged": (
        "the vault is damaged, or was changed by something else; nothing was written to it",
        "le coffre est endommagé, ou modifié par autre chose ; rien n'y a été écrit",
    ),
    "vault_version": (
        "the vault is of another version of this program",
        "le coffre est d'une autre version de ce programme",
    ),
    "passphrase_wrong": (
        "this passphrase or key does not open the vault; nothing was written to it",
        "cette phrase de passe ou cette clé n'ouvre pas le coffre ; rien n'y a été écrit",
    ),
    "passphrase_weak": (
        "the passphrase is too easy to guess: at least 12 characters, 5 of them different",
        "la phrase de passe est trop facile à deviner : au moins 12 caractères, dont 5 différents",
    ),
    "keyring_missing": (
        "this system's own store of keys is not there, or has no key of this vault",
        "le trousseau de ce système est absent, ou n'a pas de clé de ce coffre",
    ),
    "keyring_refused": (
        "this system's own store of keys refuses",
        "le trousseau de ce système refuse",
    ),
    "vault_busy": (
        "another program is using the vault; try again",
        "un autre programme utilise le coffre ; réessayez",
    ),
    "vault_locked": ("the vault is locked", "le coffre est verrouillé"),
    "vault_storage": (
        "the vault cannot be read or written: a full disk, missing rights, too little memory",
        "le coffre ne peut être lu ou écrit : disque plein, droits ou mémoire insuffisants",
    ),
    "not_a_backup": (
        "this file is no back-up of a vault",
        "ce fichier n'est pas une sauvegarde de coffre",
    ),
    "passphrase_differs": (
        "the two passphrases are not the same",
        "les deux phrases de passe ne sont pas identiques",
    ),
    "damage": ("the vault is damaged", "le coffre est endommagé"),
    "usage": ("these options do not go together", "ces options ne vont pas ensemble"),
    "internal": ("internal error, please report it", "erreur interne, merci de la signaler"),
    # warnings
    "warning": ("warning", "attention"),
    "key_mode": (
        "the key file can be read by others: chmod 600 it",
        "le fichier de clé est lisible par d'autres : chmod 600",
    ),
    "passphrase_mode": (
        "the passphrase file can be read by others: chmod 600 it",
        "le fichier de la phrase de passe est lisible par d'autres : chmod 600",
    ),
    "backup_needs_keyring": (
        "the back-up opens by the keyring of this machine alone; --opens-by-passphrase-file "
        "makes one that outlives it",
        "la sauvegarde ne s'ouvre que par le trousseau de cette machine ; "
        "--opens-by-passphrase-file en fait une qui lui survit",
    ),
    "copies_open_as_before": (
        "copies and back-ups made before still open as they did",
        "les copies et sauvegardes déjà faites s'ouvrent encore comme avant",
    ),
    "token_mode": (
        "the token file can be read by others: chmod 600 it",
        "le fichier du jeton est lisible par d'autres : chmod 600",
    ),
    "attester_unchecked": (
        "without --trust nobody has checked whose signature the attestation has",
        "sans --trust, personne n'a vérifié de qui est la signature de l'attestation",
    ),
    "price_not_attested": (
        "the attester has no price to compare: the price was revealed and is not attested",
        "le tiers n'a pas de prix à comparer : le prix a été révélé sans être attesté",
    ),
    "floor": (
        "hides among few possibilities",
        "se cache parmi peu de possibilités",
    ),
    "lenses_below_ceiling": (
        "claimed below the ceiling: the amount tells the insurer what the lenses cost",
        "demandé sous le plafond : le montant dit à l'assureur le prix des verres",
    ),
    "frame_below_ceiling": (
        "claimed below the ceiling: the amount tells the insurer what the frame costs",
        "demandé sous le plafond : le montant dit à l'assureur le prix de la monture",
    ),
    "code_correction": (
        "the code is of a lens for another correction",
        "le code est celui d'un verre pour une autre correction",
    ),
    "code_class": (
        "the code is of another class",
        "le code est d'une autre classe",
    ),
    "code_lens_type": (
        "the code is of a lens of another type",
        "le code est celui d'un verre d'un autre type",
    ),
    "code_price_class": (
        "the code is of another price class",
        "le code est d'une autre classe de prix",
    ),
    "attestation_first": (
        "the contract asks for an attestation before the claim can be sent",
        "le contrat demande une attestation avant l'envoi de la demande",
    ),
    # the agent
    "agent_serves": ("the shop's page", "la page du magasin"),
    "agent_missing": (
        "there is no vault yet: the page makes one",
        "pas encore de coffre : la page en crée un",
    ),
    "agent_locked": (
        "locked: the page asks what opens it; nothing is sent until then",
        "verrouillé : la page demande de quoi l'ouvrir ; rien n'est envoyé d'ici là",
    ),
    "agent_open": (
        "unlocked: what waits is being sent",
        "déverrouillé : ce qui attend est envoyé",
    ),
    "agent_stop": ("Ctrl-C ends it", "Ctrl-C l'arrête"),
    "agent_code": ("code for the page, good once", "code pour la page, valable une fois"),
    "agent_fault": (
        "a fault while sending, please report it; tried again in half a minute",
        "une erreur pendant l'envoi, merci de la signaler ; nouvel essai dans trente secondes",
    ),
    "agent_vault": (
        "the vault cannot be used now; tried again in half a minute",
        "le coffre est inutilisable pour l'instant ; nouvel essai dans trente secondes",
    ),
    # results
    "vault_made": ("vault made", "coffre créé"),
    "vault_at": ("vault", "coffre"),
    "opens_by": ("opens by", "s'ouvre par"),
    "by_passphrase": ("a passphrase", "une phrase de passe"),
    "by_keyring": ("this system's keyring", "le trousseau de ce système"),
    "vault_rows": ("rows", "lignes"),
    "vault_openings": ("claims with openings", "demandes avec ouvertures"),
    "vault_changed": ("the vault now opens by", "le coffre s'ouvre désormais par"),
    "backed_up": ("back-up", "sauvegarde"),
    "backup_checked": ("every row was unsealed", "chaque ligne a été descellée"),
    "backup_unchecked": (
        "its structure was checked; --check unseals every row",
        "sa structure a été vérifiée ; --check descelle chaque ligne",
    ),
    "restored": ("restored", "restauré"),
    "kept_as": ("what was there before is kept as", "ce qui y était est gardé sous"),
    "vault_whole": (
        "every row unseals; nothing is damaged",
        "chaque ligne se descelle ; rien n'est endommagé",
    ),
    "ask_passphrase": ("Passphrase of the vault", "Phrase de passe du coffre"),
    "ask_new_passphrase": ("New passphrase", "Nouvelle phrase de passe"),
    "ask_again": ("Once more", "Encore une fois"),
    "key_made": ("key made for", "clé créée pour"),
    "keep_secret": ("keep it secret", "à garder secret"),
    "claim_made": ("claim ready", "demande prête"),
    "expires": ("expires", "expire"),
    "tells": ("tells the insurer", "dit à l'assureur"),
    "hides": ("hides", "cache"),
    "hidden": ("codes, prices and corrections", "codes, prix et corrections"),
    "lenses": ("lenses", "verres"),
    "frame": ("frame", "monture"),
    "item": ("item", "article"),
    "right_lens": ("right lens", "verre droit"),
    "left_lens": ("left lens", "verre gauche"),
    "supplement": ("supplement", "supplément"),
    "lenses_hidden": (
        "classes of both lenses hidden",
        "classes des deux verres cachées",
    ),
    "price_class": ("price class", "classe de prix"),
    "level": ("level", "niveau"),
    "early_renewal": (
        "renewed before it is due, ground",
        "renouvellement anticipé, motif",
    ),
    "written": ("written", "écrit"),
    "opened": ("line opened", "ligne ouverte"),
    "line": ("line", "ligne"),
    "reveals": ("reveals", "révèle"),
    "purpose": ("purpose", "motif"),
    "granted": ("granted", "accordée"),
    "refused_claim": ("refused", "refusée"),
    "pending": ("pending", "en attente"),
    "granted_until": ("invoice it by", "facturer au plus tard le"),
    "to_do": ("what to do", "que faire"),
    "payable": ("payable", "payable"),
    "cancelled": ("cancelled", "annulée"),
    "expired": ("expired", "expirée"),
    "attestation_overdue": ("attestation overdue", "attestation en retard"),
    "attest_by": ("have it attested by", "à faire attester au plus tard le"),
    "to_attest": ("to attest", "à attester"),
    "audit_open": ("open", "ouvert"),
    "audit_answered": ("answered", "répondu"),
    "audit_refused": ("refused", "refusé"),
    "audit_lapsed": ("lapsed", "échu"),
    "audit_concluded": ("concluded", "clos"),
    "no_audits": ("no audits", "aucun audit"),
    "attestation_taken": ("the insurer has taken it", "l'assureur l'a reçue"),
    "nothing_to_attest": ("nothing more to attest", "plus rien à faire attester"),
    "attest_how": (
        "`optician status` tells which lines and by whom, `optician attest` asks",
        "`optician status` dit quelles lignes et par qui, `optician attest` demande",
    ),
    "auditor": ("auditor", "auditeur"),
    "ground": ("ground", "motif"),
    "asked_for": ("asked for", "demandé"),
    "answer_by": ("answer by", "répondre au plus tard le"),
    "erase_at": ("the answer is erased after", "la réponse est effacée après le"),
    "audit_outcome": ("outcome", "conclusion"),
    "history": ("history", "historique"),
    "audit_answer_taken": ("answer taken", "réponse reçue"),
    "audit_refusal_taken": ("refusal taken", "refus reçu"),
    "sealed": (
        "sealed for the auditor alone; of the line nothing else",
        "scellé pour le seul auditeur ; de la ligne, rien d'autre",
    ),
    "send_invoice": (
        "deliver, and send the invoice by then (`optician invoice`)",
        "livrez, et envoyez la facture d'ici là (`optician invoice`)",
    ),
    "request": ("request", "requête"),
    "detail": ("in detail", "en détail"),
    "since": ("since", "depuis le"),
    "invoice_made": ("invoice ready, not sent", "facture prête, non envoyée"),
    "invoice_taken": ("invoice taken", "facture reçue"),
    "cancellation_made": ("cancellation ready, not sent", "annulation prête, non envoyée"),
    "cancellation_taken": ("claim cancelled", "demande annulée"),
    "delivered": ("delivered", "délivré le"),
    "publications": ("publications", "publications"),
    "attested": ("attested", "attesté"),
    "attested_by": ("by", "par"),
    "nth_attestation": ("attestation no.", "attestation n°"),
    "valid_until": ("valid until", "valable jusqu'au"),
    # the agent
    "shop": ("not done", "non effectué"),
    "sent": ("sent, the insurer decides", "envoyée, l'assureur décide"),
    "at_insurer": ("insurer", "assureur"),
    "contract": ("contract", "contrat"),
    "statement_kind": ("statement", "type de preuve"),
    "to_be_sent": ("to be sent", "à envoyer"),
    "not_before_asked": ("not before `optician queue retry`", "pas avant `optician queue retry`"),
    "next_attempt": ("next attempt", "prochain essai"),
    "attempts": ("attempts", "essais"),
    "kind_claim": ("claim", "demande"),
    "kind_invoice": ("invoice", "facture"),
    "kind_cancellation": ("cancellation", "annulation"),
    "kind_attestation": ("attestation", "attestation"),
    "kind_audit_reply": ("answer to an audit", "réponse à un audit"),
    "queue_empty": ("nothing is waiting", "rien n'attend"),
    "queue_sent": ("sent", "envoyés"),
    "queue_failed": ("not sent", "non envoyés"),
    "no_claims": ("no claims", "aucune demande"),
    "no_insurers": ("no insurers", "aucun assureur"),
    "insurer_kept": ("insurer kept", "assureur enregistré"),
    "insurer_removed": ("insurer removed", "assureur retiré"),
    "insurer_fetched": (
        "documents fetched, their digests checked",
        "documents récupérés, empreintes vérifiées",
    ),
    "contracts": ("contracts", "contrats"),
    "tables": ("tables", "tables"),
    "never_fetched": ("nothing fetched yet", "rien n'a encore été récupéré"),
    "no_key": ("no key yet", "pas encore de clé"),
    "key_imported": ("key taken over, of", "clé reprise, de"),
    "openings_erased": ("openings erased", "ouvertures effacées"),
    "nothing_to_erase": ("nothing to erase", "rien à effacer"),
    "openings_until": ("openings kept until", "ouvertures gardées jusqu'au"),
    "hides_among": ("hides among", "se cache parmi"),
    "cells": ("possible corrections", "corrections possibles"),
    "codes": ("codes", "codes"),
    "fetched": ("fetched and its digest checked", "téléchargé, empreinte vérifiée"),
}

NEXT_STEPS: Final[dict[str, tuple[str, str]]] = {
    "optician_unknown": (
        "have the insurer register the public key that `optician keygen` gave; then prove anew",
        "faites enregistrer par l'assureur la clé publique donnée par `optician keygen`, puis "
        "refaites la preuve",
    ),
    "signature_invalid": (
        "the file was changed after it was signed: prove the sale anew",
        "le fichier a été modifié après signature : refaites la preuve de la vente",
    ),
    "contract_mismatch": (
        "get the insurer's contract (`optician fetch contract`) and prove anew with it",
        "récupérez le contrat de l'assureur (`optician fetch contract`) et refaites la preuve",
    ),
    "contract_not_in_force": (
        "get the version in force on the date of service (`optician fetch contract`) and prove "
        "anew with it",
        "récupérez la version en vigueur à la date de délivrance (`optician fetch contract`) et "
        "refaites la preuve",
    ),
    "contract_unpublished": (
        "tell the insurer; once the contract is published, prove anew with it",
        "prévenez l'assureur ; une fois le contrat publié, refaites la preuve",
    ),
    "nomenclature_mismatch": (
        "get the insurer's table (`optician fetch nomenclature`) and prove anew with it",
        "récupérez la table de l'assureur (`optician fetch nomenclature`) et refaites la preuve",
    ),
    "nomenclature_not_in_force": (
        "get the table in force on the date of service (`optician fetch nomenclature`) and prove "
        "anew with it",
        "récupérez la table en vigueur à la date de délivrance (`optician fetch nomenclature`) et "
        "refaites la preuve",
    ),
    "nomenclature_unpublished": (
        "tell the insurer; once the table is published, prove anew with it",
        "prévenez l'assureur ; une fois la table publiée, refaites la preuve",
    ),
    "expired": (
        "prove the sale anew and submit within 30 days",
        "refaites la preuve de la vente et envoyez-la dans les 30 jours",
    ),
    "expiry_too_far": (
        "set this computer's clock right, then prove anew",
        "réglez l'horloge de cet ordinateur, puis refaites la preuve",
    ),
    "date_in_future": (
        "correct the sale's date of service, or submit once that day has come",
        "corrigez la date de délivrance de la vente, ou attendez ce jour",
    ),
    "commitment_reused": (
        "prove the sale anew: every claim needs line commitments of its own",
        "refaites la preuve : chaque demande a ses propres engagements de lignes",
    ),
    "rights_unknown": (
        "check the beneficiary's reference and the contract with the insurer",
        "vérifiez avec l'assureur la référence du bénéficiaire et le contrat",
    ),
    "renewal_too_early": (
        "wait until the renewal is due; or, where the contract lists a ground that applies, prove "
        "anew with early_renewal_ground",
        "attendez l'échéance du renouvellement ; ou, si un motif prévu au contrat s'applique, "
        "refaites la preuve avec early_renewal_ground",
    ),
    "early_renewal": (
        "the insurer decides; `optician status` tells how",
        "l'assureur décide ; `optician status` dit sa décision",
    ),
    "statement_not_allowed": (
        "prove anew with a statement that the contract allows",
        "refaites la preuve avec un type de preuve que le contrat admet",
    ),
    "ground_not_allowed": (
        "prove anew with a ground that the contract lists, or with none",
        "refaites la preuve avec un motif prévu au contrat, ou sans motif",
    ),
    "floor": (
        "prove anew with another statement, which hides more",
        "refaites la preuve avec un autre type de preuve, qui cache davantage",
    ),
    "ceiling_exceeded": (
        "claim at most what the contract reimburses, and prove anew",
        "demandez au plus ce que le contrat rembourse et refaites la preuve",
    ),
    "statement_invalid": (
        "check the articles of the sale, and prove anew",
        "vérifiez les articles de la vente et refaites la preuve",
    ),
    "proof_malformed": (
        "prove anew with the program's present version",
        "refaites la preuve avec la version actuelle du programme",
    ),
    "proof_invalid": (
        "prove anew; if it is refused again, report it",
        "refaites la preuve ; en cas de nouveau refus, signalez-le",
    ),
}
"""By the reason of a verdict: what the optician does next."""

NO_NEXT_STEP: Final = (
    "ask the insurer, with the number of the claim",
    "demandez à l'assureur, avec le numéro de la demande",
)
"""For a reason that this version does not know."""

PROBLEMS: Final[dict[str, tuple[str, str]]] = {
    "body_too_large": (
        "the service takes no file of this size",
        "le service n'accepte pas un fichier de cette taille",
    ),
    "media_type_unsupported": (
        "the service does not take this kind of file: update this program",
        "le service n'accepte pas ce type de fichier : mettez ce programme à jour",
    ),
    "content_encoding_unsupported": (
        "something on the way compresses what is sent; the service takes it as it is",
        "un intermédiaire compresse l'envoi ; le service le veut tel quel",
    ),
    "body_timeout": (
        "the file did not reach the service in time: try again",
        "le fichier n'est pas arrivé à temps au service : réessayez",
    ),
    "malformed": (
        "the service cannot read this file: send it as this program wrote it",
        "le service ne peut lire ce fichier : envoyez-le tel que ce programme l'a écrit",
    ),
    "fields_invalid": (
        "the service finds fields that are not valid",
        "le service trouve des champs non valables",
    ),
    "version_unsupported": (
        "the service does not know this version of the format: update this program",
        "le service ne connaît pas cette version du format : mettez ce programme à jour",
    ),
    "parameter_invalid": (
        "the service does not take what was asked for",
        "le service n'accepte pas ce qui est demandé",
    ),
    "request_malformed": (
        "what arrived is no request of this program: check the proxy",
        "ce qui est arrivé n'est pas une requête de ce programme : vérifiez le proxy",
    ),
    "head_too_large": (
        "what stands before the file is too large: check --to and the proxy",
        "ce qui précède le fichier est trop grand : vérifiez --to et le proxy",
    ),
    "token_missing": ("the service wants a token", "le service demande un jeton"),
    "token_invalid": (
        "the token is unknown, expired or revoked: ask the insurer for another",
        "le jeton est inconnu, expiré ou révoqué : demandez-en un autre à l'assureur",
    ),
    "forbidden": (
        "this token may not do that: it takes the token of the optician whose claim it is",
        "ce jeton ne donne pas ce droit : il faut celui de l'opticien de la demande",
    ),
    "not_found": (
        "the service knows nothing of that number or digest for this token",
        "le service ne connaît rien de ce numéro ou de cette empreinte pour ce jeton",
    ),
    "method_not_allowed": (
        "no such service at this address: check --to",
        "pas de tel service à cette adresse : vérifiez --to",
    ),
    "claim_conflict": (
        "another claim has this number already: prove the sale anew with a claim_id of its own",
        "une autre demande porte déjà ce numéro : refaites la preuve avec un claim_id distinct",
    ),
    "state_conflict": (
        "its state does not allow this: `optician status` tells it, of an audit "
        "`optician audits show`",
        "son état ne le permet pas : `optician status` le montre, pour un audit "
        "`optician audits show`",
    ),
    "already_exists": (
        "it exists already, with other content",
        "cela existe déjà, avec un autre contenu",
    ),
    "notice_refused": (
        "the insurer refuses the notice",
        "l'assureur refuse l'avis",
    ),
    "attestation_refused": (
        "the attestation is refused",
        "l'attestation est refusée",
    ),
    "audit_refused": (
        "the insurer refuses the answer to the audit",
        "l'assureur refuse la réponse à l'audit",
    ),
    "signing_key_missing": (
        "the insurer's service has no key to sign its records with: tell the insurer",
        "le service de l'assureur n'a pas de clé pour signer ses relevés : prévenez l'assureur",
    ),
    "reference_invalid": (
        "the reference data contradicts itself",
        "les données de référence se contredisent",
    ),
    "publication_refused": (
        "the publication does not count for its document",
        "la publication ne vaut pas pour son document",
    ),
    "too_many_requests": (
        "this token asks too often: wait a little, then try again",
        "ce jeton interroge trop souvent : attendez un peu, puis réessayez",
    ),
    "too_many_at_once": (
        "this token has too many requests in work: wait a little, then try again",
        "ce jeton a trop de requêtes en cours : attendez un peu, puis réessayez",
    ),
    "internal": (
        "a fault of the insurer's service: try again later, or tell the insurer",
        "une erreur du service de l'assureur : réessayez plus tard, ou signalez-la à l'assureur",
    ),
    "overloaded": (
        "the insurer's service has too much to do: try again later",
        "le service de l'assureur est trop chargé : réessayez plus tard",
    ),
    "storage_unavailable": (
        "the insurer's service cannot record anything now: try again later",
        "le service de l'assureur ne peut rien enregistrer pour l'instant : réessayez plus tard",
    ),
}
"""By the code of a problem: what it means for whoever sits at the command line."""

NOTICE_PROBLEMS: Final[dict[str, tuple[str, str]]] = {
    "claim_differs": (
        "the insurer has another claim of this number, or of another optician",
        "l'assureur a une autre demande sous ce numéro, ou d'un autre opticien",
    ),
    "commitments_differ": (
        "the invoice is not for what was granted",
        "la facture ne porte pas sur ce qui a été accordé",
    ),
    "amount_above_grant": (
        "the invoice asks for more than was granted",
        "la facture demande plus que ce qui a été accordé",
    ),
    "delivery_before_service": (
        "the delivery is before the date of service",
        "la délivrance précède la date de la demande",
    ),
    "delivery_in_future": (
        "the delivery is in the future: send the invoice once it has been made",
        "la délivrance est dans le futur : envoyez la facture une fois qu'elle a eu lieu",
    ),
    "signature_invalid": (
        "the signature does not cover the notice",
        "la signature ne couvre pas l'avis",
    ),
    "optician_unknown": (
        "the insurer does not know the key that signed, or it is no longer valid",
        "l'assureur ne connaît pas la clé qui a signé, ou elle n'est plus valable",
    ),
}
"""By the reason of the problem "notice_refused"."""


ORDER_PROBLEMS: Final[dict[str, tuple[str, str]]] = {
    "contract_other": (
        "the contract is another than the order names",
        "le contrat n'est pas celui que la vente désigne",
    ),
    "contract_not_in_force": (
        "the contract is not in force on this day",
        "le contrat n'est pas en vigueur ce jour-là",
    ),
    "table_not_in_force": (
        "the table of codes is not valid on this day",
        "la table des codes n'est pas valable ce jour-là",
    ),
    "statement_not_allowed": (
        "the contract does not allow this statement: choose another, or the one that tells least",
        "le contrat n'admet pas ce type de preuve : choisissez-en un autre, ou le plus discret",
    ),
    "ground_not_allowed": (
        "the contract does not list this ground for an early renewal",
        "le contrat ne prévoit pas ce motif de renouvellement anticipé",
    ),
    "code_needed": (
        "no single generic code fits: give the code of the article",
        "aucun code générique unique ne convient : indiquez le code de l'article",
    ),
    "code_check_digit": (
        "the code's check digit is wrong: a digit is mistyped",
        "la clé de contrôle du code est fausse : un chiffre est mal saisi",
    ),
    "code_unknown": (
        "the table has no such code on this day",
        "la table n'a pas ce code ce jour-là",
    ),
    "not_a_lens": (
        "the code is not the code of a lens",
        "le code n'est pas celui d'un verre",
    ),
    "not_a_frame": (
        "the code is not the code of a frame",
        "le code n'est pas celui d'une monture",
    ),
    "not_a_supplement": (
        "the code is not the code of a supplement",
        "le code n'est pas celui d'un supplément",
    ),
    "lens_incomplete": (
        "a lens without code needs its type, its price class and its correction",
        "un verre sans code demande son type, sa classe de prix et sa correction",
    ),
    "no_such_lens": (
        "the table has no lens of this type, correction and price class on this day",
        "la table n'a ce jour-là aucun verre de ce type, de cette correction et de cette classe "
        "de prix",
    ),
    "no_such_class": (
        "the table has no such class on this day",
        "la table n'a pas cette classe ce jour-là",
    ),
    "addition_missing": (
        "a multifocal or progressive lens has an addition above 0",
        "un verre multifocal ou progressif a une addition supérieure à 0",
    ),
    "addition_superfluous": (
        "a single-vision lens has no addition: give the power that the lens itself has",
        "un verre unifocal n'a pas d'addition : indiquez la puissance du verre lui-même",
    ),
    "price_classes_differ": (
        "the two lenses are of different price classes",
        "les deux verres sont de classes de prix différentes",
    ),
}
"""By the code of an `optician.order.OrderError`."""


DISCLOSURE_WORDS: Final[dict[str, tuple[str, str]]] = {
    "insurer": ("insurer", "assureur"),
    "contract": ("contract", "contrat"),
    "date_of_service": ("date of service", "date de délivrance"),
    "beneficiary": (
        "beneficiary's reference, given out by the insurer",
        "référence du bénéficiaire, donnée par l'assureur",
    ),
    "statement": ("kind of proof", "type de preuve"),
    "price_class": ("price class of the lenses", "classe de prix des verres"),
    "level": ("level of the pair", "niveau de la paire"),
    "class": ("class", "classe"),
    "code": ("code", "code"),
    "price": ("price", "prix"),
    "correction": ("correction", "correction"),
    "lenses_amount": (
        "amount asked for the lenses and supplements",
        "montant demandé pour les verres et suppléments",
    ),
    "frame_amount": ("amount asked for the frame", "montant demandé pour la monture"),
    "early_renewal_ground": (
        "ground of an early renewal",
        "motif du renouvellement anticipé",
    ),
    "envelope": (
        "your identifier, number and expiry of the claim, proof and signature",
        "votre identifiant, numéro et échéance de la demande, preuve et signature",
    ),
}
"""By the key of an `optician.disclosure.Fact`."""


ATTESTATION_PROBLEMS: Final[dict[str, tuple[str, str]]] = {
    # an attester's
    "attester_differs": (
        "another attester answers at this address: check --attester and --attester-url",
        "un autre tiers répond à cette adresse : vérifiez --attester et --attester-url",
    ),
    "optician_unknown": (
        "the attester does not know the key that signed, or it is no longer valid",
        "le tiers ne connaît pas la clé qui a signé, ou elle n'est plus valable",
    ),
    "signature_invalid": (
        "the signature does not cover what was sent",
        "la signature ne couvre pas ce qui a été envoyé",
    ),
    "request_stale": (
        "set this computer's clock right, then ask again",
        "réglez l'horloge de cet ordinateur, puis redemandez",
    ),
    "opening_other_purpose": (
        "the opening was made for something else: ask again with this program",
        "l'ouverture a été faite pour autre chose : redemandez avec ce programme",
    ),
    "opening_malformed": (
        "the attester cannot read the opening: update this program",
        "le tiers ne peut lire l'ouverture : mettez ce programme à jour",
    ),
    "opening_invalid": (
        "what was opened is not what the claim commits to: check --openings",
        "ce qui est ouvert n'est pas ce à quoi la demande engage : vérifiez --openings",
    ),
    "opening_meaningless": (
        "what the line commits to is no code or price: prove the sale anew",
        "la ligne n'engage ni code ni prix valables : refaites la preuve de la vente",
    ),
    "record_unknown": (
        "the attester has no record of this number for this optician: check --record",
        "le tiers n'a pas d'enregistrement de ce numéro pour cet opticien : vérifiez --record",
    ),
    "code_missing": (
        "the attester compares the code: ask with --reveal code",
        "le tiers compare le code : redemandez avec --reveal code",
    ),
    "price_missing": (
        "the attester compares the price as well: ask with --reveal code,price",
        "le tiers compare aussi le prix : redemandez avec --reveal code,price",
    ),
    "code_differs": (
        "the claim's line has another code than the attester's record: check --line and --record",
        "la ligne de la demande a un autre code que l'enregistrement du tiers : vérifiez --line "
        "et --record",
    ),
    "price_differs": (
        "the claim's line has another price than the attester's record: check --line and --record",
        "la ligne de la demande a un autre prix que l'enregistrement du tiers : vérifiez --line "
        "et --record",
    ),
    "record_used_up": (
        "everything in this record stands behind other lines already; if one of their claims was "
        "cancelled, ask the attester to release it",
        "tout dans cet enregistrement sert déjà à d'autres lignes ; si l'une de leurs demandes a "
        "été annulée, demandez au tiers de la libérer",
    ),
    # the insurer's
    "attester_unknown": (
        "the contract does not ask this attester about this line",
        "le contrat ne demande rien à ce tiers pour cette ligne",
    ),
    "key_unknown": (
        "the insurer does not rely on the attester's key: tell the insurer",
        "l'assureur ne se fie pas à la clé du tiers : prévenez l'assureur",
    ),
    "key_not_valid": (
        "the attester's key is not valid: ask the attester again",
        "la clé du tiers n'est pas valable : redemandez l'attestation",
    ),
    "key_revoked": (
        "the attester's key was revoked: ask the attester again",
        "la clé du tiers a été révoquée : redemandez l'attestation",
    ),
    "attestation_other_claim": (
        "the attestation is of another claim",
        "l'attestation porte sur une autre demande",
    ),
    "attestation_other_line": (
        "the attestation is of another line than the claim has",
        "l'attestation porte sur une autre ligne que celles de la demande",
    ),
    "attestation_incomplete": (
        "the contract asks for the price as well: ask with --reveal code,price",
        "le contrat demande aussi le prix : redemandez avec --reveal code,price",
    ),
    "attestation_expired": (
        "the attestation has expired: ask the attester again",
        "l'attestation a expiré : redemandez-la",
    ),
    "attestation_in_future": (
        "the attester's clock is ahead of the insurer's: send it again a little later",
        "l'horloge du tiers avance sur celle de l'assureur : renvoyez un peu plus tard",
    ),
    "attestation_replayed": (
        "the attester's record stands behind another line already",
        "l'enregistrement du tiers sert déjà à une autre ligne",
    ),
    "attestation_late": (
        "the attestation's deadline has passed: the insurer decides",
        "le délai de l'attestation est passé : l'assureur décide",
    ),
    "attestation_missing": (
        "the contract asks for an attestation with the claim: get it (`optician attest`), then "
        "submit with --attestation",
        "le contrat demande une attestation avec la demande : obtenez-la (`optician attest`), puis "
        "envoyez avec --attestation",
    ),
}
"""By the reason of the problem "attestation_refused"."""

ATTESTER_PROBLEMS: Final[dict[str, tuple[str, str]]] = dict.fromkeys(
    ("not_found", "method_not_allowed", "token_missing", "token_invalid"),
    (
        "no attester answers at this address: check --attester-url",
        "aucun tiers attestant ne répond à cette adresse : vérifiez --attester-url",
    ),
)
"""By the code of a problem that no attester has where it is asked for an attestation."""


AUDIT_PROBLEMS: Final[dict[str, tuple[str, str]]] = {
    "optician_unknown": (
        "the insurer does not know the key that signed, or it is no longer valid",
        "l'assureur ne connaît pas la clé qui a signé, ou elle n'est plus valable",
    ),
    "signature_invalid": (
        "the signature does not cover the answer",
        "la signature ne couvre pas la réponse",
    ),
    "audit_other_case": (
        "the answer is to another case than the insurer has of this number",
        "la réponse porte sur un autre audit que celui que l'assureur a sous ce numéro",
    ),
    "audit_late": (
        "the time to answer has passed",
        "le délai de réponse est passé",
    ),
    "answer_other": (
        "what was sealed is not what the answer names",
        "ce qui a été scellé n'est pas ce que la réponse désigne",
    ),
}
"""By the reason of the problem "audit_refused", for whoever answers."""


AUDIT_WORDS: Final[dict[str, tuple[str, str]]] = {
    # what is asked for
    "code": ("code", "code"),
    "price": ("price", "prix"),
    "date": ("date", "date"),
    "correction": ("correction", "correction"),
    # how it ended
    "consistent": ("consistent", "cohérent"),
    "inconsistent": ("inconsistent", "incohérent"),
    "unanswered": ("unanswered", "sans réponse"),
    # what has happened
    "audit_opened": ("opened", "ouvert"),
    "audit_seen": ("seen by you", "vu par vous"),
    "audit_answered": ("answered", "réponse donnée"),
    "audit_refused": ("refused", "refus donné"),
    "audit_lapsed": ("lapsed", "échu"),
    "audit_sealed_read": ("the auditor fetched the answer", "l'auditeur a pris la réponse"),
    "evidence_read": (
        "the insurer's signed record was fetched",
        "le relevé signé de l'assureur a été pris",
    ),
    "audit_concluded": ("concluded", "clos"),
    "audit_erased": ("the answer was erased", "la réponse a été effacée"),
}
"""Words of an audit, as the service has them; a newer service may know more."""


def say(key: str, language: Language) -> str:
    """The message ``key`` in a language."""
    return in_language(MESSAGES[key], language)


def in_language(texts: tuple[str, str], language: Language) -> str:
    """One of a message's two texts."""
    return texts[get_args(Language).index(language)]


def preferred_language() -> Language:
    """The language of the terminal by LC_ALL, LC_MESSAGES and LANG, in this order; else English."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "fr" if value.lower().startswith("fr") else "en"
    return "en"
