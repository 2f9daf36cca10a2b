"""Routes of publications: what publishers signed of contracts and nomenclatures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from circuits.publication import MAX_PUBLICATION_BYTES, Publication
from circuits.signed import decode_signed
from verifier_api.service.access import Principal
from verifier_api.service.publications import add_publication
from verifier_api.web import examples, schemas
from verifier_api.web.bodies import read_body, refusal_of
from verifier_api.web.routing import ANYBODY, PartsHere, allow, answers, body_of, json_response
from zk.errors import EncodingError, StatementError

router = APIRouter(prefix="/v1")

OfDigest = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z0-9_-]{43}$",
        description="Of this contract or nomenclature only.",
        examples=[examples.DIGEST],
    ),
]


@router.get(
    "/publications",
    tags=["reference data"],
    summary="Publishers' signatures of contracts and nomenclatures",
    responses=answers(schemas.PublicationList, "parameter_invalid"),
)
async def list_publications(
    parts: PartsHere,
    _principal: Annotated[Principal, allow(*ANYBODY)],
    digest: OfDigest = None,
) -> Response:
    """Whoever proves by a document judges its publications by his own trust list."""
    return json_response({"publications": parts.service.publications(digest)})


@router.post(
    "/publications",
    tags=["reference data"],
    summary="Record a publication",
    responses=answers(
        schemas.PublicationEntry,
        *("version_unsupported", "not_found", "publication_refused", "already_exists"),
        has_body=True,
    ),
    openapi_extra=body_of(Publication, example=examples.PUBLICATION),
)
async def post_publication(
    request: Request, parts: PartsHere, principal: Annotated[Principal, allow("admin")]
) -> Response:
    """The document must be there, and its publisher relied upon now. The same again changes
    nothing."""
    data = await read_body(request, MAX_PUBLICATION_BYTES, parts.settings.body_seconds)
    try:
        publication = decode_signed(Publication, data)
    except (EncodingError, StatementError) as error:
        raise refusal_of(error, data) from None
    service = parts.service
    await service.administer(
        lambda connection: add_publication(
            connection,
            publication,
            service.directory.snapshot.trust,
            principal.token_id,
            service.clock(),
        )
    )
    entries = service.publications(publication.digest)
    mine = (entry for entry in entries if entry["publication"]["key_id"] == publication.key_id)
    return json_response(next(mine))
