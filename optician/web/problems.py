"""What the endpoint for point-of-sale software refuses: RFC 9457 problem details with a stable
code, in English and French. The one table of codes, with the statuses they have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from starlette.responses import Response

TYPE_PREFIX: Final = "urn:clairobscur:problem:"
MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True)
class ProblemKind:
    """Status and titles of a code."""

    status: int
    english: str
    french: str


PROBLEMS: Final[Mapping[str, ProblemKind]] = MappingProxyType(
    {
        "malformed": ProblemKind(
            400,
            "The body is no JSON document: send one sale as the guide shows",
            "Le corps n'est pas un document JSON : envoyez une vente comme dans le guide",
        ),
        "parameter_invalid": ProblemKind(
            422,
            "A parameter of the request is not valid",
            "Un paramètre de la requête n'est pas valable",
        ),
        "token_missing": ProblemKind(
            401,
            "The agent's token is needed: make one with `optician agent-token`",
            "Le jeton de l'agent est nécessaire : créez-en un avec `optician agent-token`",
        ),
        "token_invalid": ProblemKind(
            401,
            "The agent does not know this token: make another with `optician agent-token`",
            "L'agent ne connaît pas ce jeton : créez-en un autre avec `optician agent-token`",
        ),
        "origin_refused": ProblemKind(
            403,
            "A page of a browser may not use this endpoint",
            "Une page de navigateur ne peut pas utiliser cette adresse",
        ),
        "host_refused": ProblemKind(
            421,
            "The agent answers at 127.0.0.1 and localhost alone",
            "L'agent ne répond qu'à 127.0.0.1 et à localhost",
        ),
        "not_found": ProblemKind(404, "There is no such thing here", "Introuvable"),
        "method_not_allowed": ProblemKind(
            405, "This method is not allowed here", "Cette méthode n'est pas admise ici"
        ),
        "sale_conflict": ProblemKind(
            409,
            "This sale number was claimed with other content: cancel that claim, or give the sale "
            "a number of its own",
            "Ce numéro de vente a déjà servi avec un autre contenu : annulez cette demande, ou "
            "donnez à la vente un autre numéro",
        ),
        "body_too_large": ProblemKind(413, "The body is too large", "Le corps est trop grand"),
        "media_type_unsupported": ProblemKind(
            415, "Send application/json in UTF-8", "Envoyez du application/json en UTF-8"
        ),
        "content_encoding_unsupported": ProblemKind(
            415, "Send the body uncompressed", "Envoyez le corps sans compression"
        ),
        "fields_invalid": ProblemKind(
            422,
            "Fields of the sale are missing or not valid",
            "Des champs de la vente manquent ou ne sont pas valables",
        ),
        "version_unsupported": ProblemKind(
            422,
            "This version of the format is not supported",
            "Cette version du format n'est pas admise",
        ),
        "sale_refused": ProblemKind(
            422,
            "This sale cannot be claimed as it stands",
            "Cette vente ne peut faire l'objet d'une demande en l'état",
        ),
        "not_set_up": ProblemKind(
            409,
            "The agent is not set up: open its page and follow the steps there",
            "L'agent n'est pas installé : ouvrez sa page et suivez les étapes",
        ),
        "internal": ProblemKind(500, "A fault of the agent", "Une erreur de l'agent"),
        "vault_locked": ProblemKind(
            503,
            "The agent is locked: unlock it on its page, then send the same again",
            "L'agent est verrouillé : déverrouillez-le sur sa page, puis renvoyez la même vente",
        ),
        "vault_busy": ProblemKind(
            503,
            "The vault is in use: send the same again in a moment",
            "Le coffre est occupé : renvoyez la même vente dans un instant",
        ),
        "vault_damaged": ProblemKind(
            503,
            "The vault is damaged: restore the back-up (`optician vault check` tells more)",
            "Le coffre est endommagé : restaurez la sauvegarde (`optician vault check` détaille)",
        ),
    }
)


class EndpointProblem(Exception):
    """A refusal with a code of `PROBLEMS`; its words repeat nothing that was sent."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        places: Sequence[str] = (),
        titles: tuple[str, str] | None = None,
    ) -> None:
        """``titles`` says it more closely than the table, in English and French."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.places = tuple(places)
        self.titles = titles


def problem_response(problem: EndpointProblem, language: str) -> Response:
    """The answer."""
    kind = PROBLEMS[problem.code]
    english, french = problem.titles or (kind.english, kind.french)
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.code,
        "code": problem.code,
        "title": french if language == "fr" else english,
        "titles": {"en": english, "fr": french},
        "status": kind.status,
        "detail": problem.detail,
        "places": list(problem.places),
    }
    headers = {"Content-Language": language}
    if kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if kind.status == 503:
        headers["Retry-After"] = "30" if problem.code == "vault_locked" else "2"
    return Response(
        json.dumps(document, ensure_ascii=False),
        status_code=kind.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )
