"""Every error over HTTP: RFC 9457 problem details with a stable type, in English and French.

The one table of codes, with the statuses they have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import Response

TYPE_PREFIX = "urn:clairobscur:problem:"
INSTANCE_PREFIX = "urn:clairobscur:request:"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class ProblemKind:
    """Status and titles of a code."""

    status: int
    english: str
    french: str


PROBLEMS: Final[Mapping[str, ProblemKind]] = {
    "request_malformed": ProblemKind(
        400,
        "The request is not HTTP as this service reads it",
        "La requête n'est pas du HTTP tel que ce service le lit",
    ),
    "head_too_large": ProblemKind(
        431,
        "The request's line and header fields are too large",
        "La ligne et les champs d'en-tête de la requête sont trop grands",
    ),
    "body_too_large": ProblemKind(413, "The body is too large", "Le corps est trop grand"),
    "media_type_unsupported": ProblemKind(
        415, "This media type is not supported", "Ce type de contenu n'est pas admis"
    ),
    "content_encoding_unsupported": ProblemKind(
        415,
        "Bodies are not to be compressed or otherwise encoded",
        "Les corps ne doivent être ni compressés ni autrement codés",
    ),
    "body_timeout": ProblemKind(
        408, "The body did not arrive in time", "Le corps n'est pas arrivé à temps"
    ),
    "malformed": ProblemKind(
        400,
        "The body is no JSON document in the form that is asked for",
        "Le corps n'est pas un document JSON de la forme demandée",
    ),
    "fields_invalid": ProblemKind(
        422, "Fields of the document are not valid", "Des champs du document ne sont pas valables"
    ),
    "version_unsupported": ProblemKind(
        422,
        "This version of the format is not supported",
        "Cette version du format n'est pas admise",
    ),
    "parameter_invalid": ProblemKind(
        422,
        "A parameter of the request is not valid",
        "Un paramètre de la requête n'est pas valable",
    ),
    "token_missing": ProblemKind(
        401, "A bearer token is needed", "Un jeton d'accès est nécessaire"
    ),
    "token_invalid": ProblemKind(
        401, "The token is not valid", "Le jeton d'accès n'est pas valable"
    ),
    "forbidden": ProblemKind(403, "This token may not do that", "Ce jeton ne donne pas ce droit"),
    "not_found": ProblemKind(404, "There is no such thing here", "Introuvable"),
    "method_not_allowed": ProblemKind(
        405, "This method is not allowed here", "Cette méthode n'est pas admise ici"
    ),
    "claim_conflict": ProblemKind(
        409,
        "Another claim has this identifier",
        "Une autre demande porte cet identifiant",
    ),
    "state_conflict": ProblemKind(
        409, "The present state does not allow this", "L'état actuel ne le permet pas"
    ),
    "already_exists": ProblemKind(
        409,
        "It exists already, with other content",
        "Cela existe déjà, avec un autre contenu",
    ),
    "notice_refused": ProblemKind(
        422,
        "The invoice or cancellation does not fit its claim",
        "La facture ou l'annulation ne correspond pas à sa demande",
    ),
    "attestation_refused": ProblemKind(
        422, "An attestation is missing or refused", "Une attestation manque ou est refusée"
    ),
    "audit_refused": ProblemKind(
        422,
        "The case, answer or outcome does not fit, or comes too late or too soon",
        "Le dossier d'audit, la réponse ou la conclusion ne convient pas, ou vient trop tard ou "
        "trop tôt",
    ),
    "reference_invalid": ProblemKind(
        422,
        "The reference data contradicts itself or what is known",
        "Les données de référence se contredisent ou contredisent ce qui est connu",
    ),
    "publication_refused": ProblemKind(
        422,
        "The publication does not count for its document",
        "La publication ne vaut pas pour son document",
    ),
    "too_many_requests": ProblemKind(
        429, "This token asks too often", "Ce jeton interroge trop souvent"
    ),
    "too_many_at_once": ProblemKind(
        429,
        "This token has too many requests in work",
        "Ce jeton a trop de requêtes en cours",
    ),
    "internal": ProblemKind(
        500, "A fault of the service; it has been noted", "Une erreur du service ; elle est notée"
    ),
    "signing_key_missing": ProblemKind(
        503,
        "The service has no key to sign this with",
        "Le service n'a pas de clé pour signer ceci",
    ),
    "overloaded": ProblemKind(
        503,
        "The service has too much to do; try again",
        "Le service est trop chargé ; réessayez",
    ),
    "storage_unavailable": ProblemKind(
        503,
        "The database does not answer; try again",
        "La base de données ne répond pas ; réessayez",
    ),
}


def status_of(code: str) -> int:
    """The HTTP status of a problem's code."""
    return PROBLEMS[code].status


def preferred_language(accept_language: str) -> str:
    """ "fr" if the header prefers French to English, else "en" (RFC 9110, section 12.5.4)."""
    weights = {"en": -1.0, "fr": -1.0}
    for place, part in enumerate(accept_language.split(",")[:20]):
        tag, _, parameters = part.strip().partition(";")
        language = tag.strip().lower().split("-")[0]
        weight = 1.0
        name, _, value = parameters.strip().partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                continue
        if language in weights and weight > 0:
            weights[language] = max(weights[language], weight - place * 1e-6)
    return "fr" if weights["fr"] > weights["en"] else "en"


def problem_response(
    code: str,
    *,
    request_id: str,
    language: str = "en",
    detail: str = "",
    places: Sequence[str] = (),
    reason: str | None = None,
    retry_after: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for a code of `PROBLEMS`."""
    kind = PROBLEMS[code]
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + code,
        "code": code,
        "title": kind.french if language == "fr" else kind.english,
        "titles": {"en": kind.english, "fr": kind.french},
        "status": kind.status,
        "detail": detail,
        "places": list(places),
        "instance": INSTANCE_PREFIX + request_id,
    }
    if reason is not None:
        document["reason"] = reason
    all_headers = {"Content-Language": language} | dict(headers or {})
    if retry_after is not None:
        all_headers["Retry-After"] = str(retry_after)
    if kind.status == 401:
        all_headers["WWW-Authenticate"] = "Bearer"
    return Response(
        json.dumps(document, ensure_ascii=False),
        status_code=kind.status,
        headers=all_headers,
        media_type=MEDIA_TYPE,
    )
