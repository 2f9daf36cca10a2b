"""Routes of reference data: contracts, nomenclatures, circuits. Reading takes any token, adding an
administrator's."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from circuits.contract import MAX_CONTRACT_BYTES, Contract, parse_contract
from circuits.nomenclature import CLASS_PATTERN, MAX_NOMENCLATURE_BYTES, Nomenclature
from verifier_api.service.access import Principal
from verifier_api.service.administration import add_contract, add_nomenclature
from verifier_api.web import examples, schemas
from verifier_api.web.bodies import read_body, reference_refusal_of
from verifier_api.web.routing import (
    ANYBODY,
    Day,
    PartsHere,
    allow,
    answers,
    body_of,
    json_response,
)
from zk.errors import EncodingError, StatementError

router = APIRouter(prefix="/v1")

DigestPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$", examples=[examples.DIGEST])]
InForceFrom = Annotated[
    Day | None, Query(description="Default: the first day of the document's own validity.")
]
OnDay = Annotated[
    Day | None, Query(alias="date", description="Default: today, or the table's last day.")
]


@router.get(
    "/contracts",
    tags=["reference data"],
    summary="Every version of every contract",
    responses=answers(schemas.ContractList),
)
async def list_contracts(
    parts: PartsHere, _principal: Annotated[Principal, allow(*ANYBODY)]
) -> Response:
    """In force on a day is the version with the latest ``in_force_from`` that is not after it."""
    return json_response({"contracts": await parts.service.contracts()})


@router.get(
    "/contracts/{digest}",
    tags=["reference data"],
    summary="One version with its document",
    responses=answers(schemas.ContractDetail, "not_found", "parameter_invalid"),
)
async def show_contract(
    digest: DigestPath, parts: PartsHere, _principal: Annotated[Principal, allow(*ANYBODY)]
) -> Response:
    """Whoever proves by it computes the digest again."""
    return json_response(await parts.service.contract(digest))


@router.post(
    "/contracts",
    tags=["reference data"],
    summary="Add a version of a contract",
    responses=answers(
        schemas.ContractEntry,
        *("version_unsupported", "reference_invalid", "already_exists", "parameter_invalid"),
        has_body=True,
    ),
    openapi_extra=body_of(Contract, example=examples.CONTRACT),
)
async def post_contract(
    request: Request,
    parts: PartsHere,
    principal: Annotated[Principal, allow("admin")],
    in_force_from: InForceFrom = None,
) -> Response:
    """Never edited: a correction is another version, in force from another day."""
    data = await read_body(request, MAX_CONTRACT_BYTES, parts.settings.body_seconds)
    try:
        parse_contract(data)
    except (EncodingError, StatementError) as error:
        raise reference_refusal_of(error, data) from None
    service = parts.service
    digest = await service.administer(
        lambda connection: add_contract(
            connection, data, in_force_from, principal.token_id, service.clock()
        )
    )
    detail = await service.contract(digest)
    return json_response({name: detail[name] for name in schemas.ContractEntry.model_fields})


@router.get(
    "/nomenclatures",
    tags=["reference data"],
    summary="Every version of the table of codes",
    responses=answers(schemas.NomenclatureList),
)
async def list_nomenclatures(
    parts: PartsHere, _principal: Annotated[Principal, allow(*ANYBODY)]
) -> Response:
    """In force on a day is the version with the latest ``in_force_from`` that is not after it."""
    return json_response({"nomenclatures": await parts.service.nomenclatures()})


@router.get(
    "/nomenclatures/{digest}",
    tags=["reference data"],
    summary="One version with its classes on a day",
    responses=answers(schemas.NomenclatureDetail, "not_found", "parameter_invalid"),
)
async def show_nomenclature(
    digest: DigestPath,
    parts: PartsHere,
    _principal: Annotated[Principal, allow(*ANYBODY)],
    day: OnDay = None,
) -> Response:
    """Every class with its codes and cells, counted."""
    return json_response(await parts.service.nomenclature(digest, day))


@router.get(
    "/nomenclatures/{digest}/classes/{regroupement}",
    tags=["reference data"],
    summary="One class with its codes and their cells",
    responses=answers(schemas.ClassDetail, "not_found", "parameter_invalid"),
)
async def show_class(
    digest: DigestPath,
    regroupement: Annotated[str, Path(pattern=CLASS_PATTERN, examples=[examples.CLASS])],
    parts: PartsHere,
    _principal: Annotated[Principal, allow(*ANYBODY)],
    day: OnDay = None,
) -> Response:
    """What a hidden code of the class may be."""
    return json_response(await parts.service.nomenclature_class(digest, regroupement, day))


@router.get(
    "/nomenclatures/{digest}/file",
    tags=["reference data"],
    summary="The table's file",
    responses=answers(
        None,
        "not_found",
        "parameter_invalid",
        description="The file, as it was added.",
        media_type="application/json",
    ),
)
async def nomenclature_file(
    digest: DigestPath, parts: PartsHere, _principal: Annotated[Principal, allow(*ANYBODY)]
) -> Response:
    """For `optician prove --nomenclature`; whoever proves by it computes the digest again."""
    data = await parts.service.nomenclature_file(digest)
    return Response(data, media_type="application/json")


@router.post(
    "/nomenclatures",
    tags=["reference data"],
    summary="Add a version of the table of codes",
    responses=answers(
        schemas.NomenclatureEntry,
        *("reference_invalid", "already_exists", "parameter_invalid"),
        has_body=True,
    ),
    openapi_extra=body_of(None, example=examples.NOMENCLATURE),
)
async def post_nomenclature(
    request: Request,
    parts: PartsHere,
    principal: Annotated[Principal, allow("admin")],
    in_force_from: InForceFrom = None,
) -> Response:
    """The project's own file form; CNAM's download is imported by command."""
    data = await read_body(request, MAX_NOMENCLATURE_BYTES, parts.settings.body_seconds)
    service = parts.service
    try:
        table = await asyncio.to_thread(Nomenclature.parse, data)
    except (EncodingError, StatementError) as error:
        raise reference_refusal_of(error) from None
    digest = await service.administer(
        lambda connection: add_nomenclature(
            connection, table, data, in_force_from, principal.token_id, service.clock()
        )
    )
    entries = await service.nomenclatures()
    return json_response(next(entry for entry in entries if entry["digest"] == digest))


@router.get(
    "/circuits/{digest}",
    tags=["reference data"],
    summary="A circuit that was judged, with all that its digest covers",
    responses=answers(schemas.CircuitDetail, "not_found", "parameter_invalid"),
)
async def show_circuit(
    digest: DigestPath, parts: PartsHere, _principal: Annotated[Principal, allow(*ANYBODY)]
) -> Response:
    """Compiled anew from contract, nomenclature, declaration and day."""
    return json_response(await parts.service.circuit(digest))
