"""Routes of audits, and of the record that evidence rests on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from circuits.audit import (
    MAX_CASE_BYTES,
    MAX_OUTCOME_BYTES,
    MAX_REPLY_BYTES,
    AuditCase,
    AuditOutcome,
    AuditReply,
)
from verifier_api.service.access import Principal
from verifier_api.service.audits import CaseState
from verifier_api.store.audits import CaseFilter
from verifier_api.web import examples, schemas
from verifier_api.web.bodies import read_body
from verifier_api.web.claims import MAX_PAGE, ClaimId
from verifier_api.web.routing import (
    ANYBODY,
    Name,
    PartsHere,
    about,
    allow,
    answer_of,
    answers,
    body_of,
    json_response,
)

router = APIRouter(prefix="/v1")

CaseId = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=[examples.CASE_ID])
]


@router.post(
    "/audits",
    tags=["audits"],
    summary="Open an audit case: ask for values of one line of a claim",
    responses=answers(
        schemas.CaseFacts,
        *("version_unsupported", "not_found", "state_conflict", "already_exists"),
        *("audit_refused", "overloaded"),
        has_body=True,
    ),
    openapi_extra=body_of(AuditCase, example=examples.AUDIT_CASE),
)
async def open_case(
    request: Request, parts: PartsHere, principal: Annotated[Principal, allow("auditor")]
) -> Response:
    """Signed by an auditor on the insurer's trust list, within the contract's rules. The claim must
    not have been refused or cancelled; what becomes of it later ends no audit. The same bytes get
    the same answer."""
    data = await read_body(request, MAX_CASE_BYTES, parts.settings.body_seconds)
    return await answer_of(parts.service.audits.open(data, principal), data)


@router.get(
    "/audits",
    tags=["audits"],
    summary="Audit cases by state and claim",
    responses=answers(schemas.CasesPage, "parameter_invalid"),
)
async def list_cases(
    parts: PartsHere,
    principal: Annotated[Principal, allow(*ANYBODY)],
    state: Annotated[CaseState | None, Query()] = None,
    claim_id: Annotated[Name | None, Query(examples=[examples.CLAIM_ID])] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Newest first, page by page. An optician sees those on his own claims."""
    chosen = CaseFilter(state, claim_id)
    return json_response(await parts.service.audits.list(chosen, principal, cursor, limit))


@router.get(
    "/audits/{case_id}",
    tags=["audits"],
    summary="One case with its documents and its history",
    responses=answers(schemas.CaseDetail, "not_found", "parameter_invalid", "overloaded"),
)
async def show_case(
    case_id: CaseId,
    request: Request,
    parts: PartsHere,
    principal: Annotated[Principal, allow(*ANYBODY)],
) -> Response:
    """Everything but the seal, and who did or saw what, and when. That the optician has seen it is
    recorded the first time. A case on another optician's claim is not found."""
    with about(request, case_id=case_id):
        return json_response(await parts.service.audits.show(case_id, principal))


@router.post(
    "/audits/{case_id}/answer",
    tags=["audits"],
    summary="Answer a case: a sealed opening, or a refusal",
    responses=answers(
        schemas.CaseFacts,
        *("not_found", "state_conflict", "audit_refused", "version_unsupported"),
        *("parameter_invalid", "overloaded"),
        has_body=True,
    ),
    openapi_extra=body_of(AuditReply, example=examples.AUDIT_REPLY),
)
async def answer(
    case_id: CaseId,
    request: Request,
    parts: PartsHere,
    principal: Annotated[Principal, allow("optician")],
) -> Response:
    """Signed by the optician, until ``answer_by``. The insurer cannot open the seal, and erases it
    after ``erase_at``. The same bytes get the same answer; a seal that was erased does not come
    back with them."""
    data = await read_body(request, MAX_REPLY_BYTES, parts.settings.body_seconds)
    with about(request, case_id=case_id):
        return await answer_of(parts.service.audits.answer(case_id, data, principal), data)


@router.get(
    "/audits/{case_id}/sealed",
    tags=["audits"],
    summary="The sealed answer of a case",
    responses=answers(
        schemas.SealedAnswer, "not_found", "state_conflict", "parameter_invalid", "overloaded"
    ),
)
async def sealed(
    case_id: CaseId,
    request: Request,
    parts: PartsHere,
    principal: Annotated[Principal, allow("auditor")],
) -> Response:
    """Only the key of the case opens it. Every reading is recorded before it is answered. After the
    seal was erased: `state_conflict` with reason ``erased``."""
    with about(request, case_id=case_id):
        return json_response(await parts.service.audits.sealed(case_id, principal))


@router.post(
    "/audits/{case_id}/outcome",
    tags=["audits"],
    summary="Conclude a case",
    responses=answers(
        schemas.CaseFacts,
        *("not_found", "state_conflict", "audit_refused", "version_unsupported"),
        *("parameter_invalid", "overloaded"),
        has_body=True,
    ),
    openapi_extra=body_of(AuditOutcome, example=examples.AUDIT_OUTCOME),
)
async def conclude(
    case_id: CaseId,
    request: Request,
    parts: PartsHere,
    principal: Annotated[Principal, allow("auditor")],
) -> Response:
    """Signed by the case's auditor, of the recorded answer, or of none once the time to answer has
    passed. The same bytes get the same answer."""
    data = await read_body(request, MAX_OUTCOME_BYTES, parts.settings.body_seconds)
    with about(request, case_id=case_id):
        return await answer_of(parts.service.audits.conclude(case_id, data, principal), data)


@router.get(
    "/claims/{claim_id}/evidence",
    tags=["audits"],
    summary="The insurer's signed record of a claim",
    responses=answers(
        None,
        *("not_found", "parameter_invalid", "signing_key_missing", "overloaded"),
        description="The record in its one byte form.",
        media_type="application/json",
    ),
)
async def evidence(
    claim_id: ClaimId,
    request: Request,
    parts: PartsHere,
    principal: Annotated[Principal, allow("auditor", "admin")],
    case_id: Annotated[
        Name | None,
        Query(description="A case of the claim to record too.", examples=[examples.CASE_ID]),
    ] = None,
) -> Response:
    """Claim, verdict, contract, publications, the optician's keys, attestations and, if named, one
    audit case without its seal, signed with the insurer's key. Every reading is recorded before it
    is answered."""
    with about(request, claim_id=claim_id):
        data = await parts.service.audits.record(claim_id, case_id, principal)
    return Response(data, media_type="application/json")
