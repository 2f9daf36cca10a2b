"""Routes of claims and proofs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from circuits.attestation import (
    MAX_ATTESTATION_BYTES,
    MAX_SUBMISSION_BYTES,
    Attestation,
    Submission,
    decode_submission,
)
from circuits.claim import MAX_CLAIM_BYTES, Claim, decode_claim, encode_claim
from circuits.contract import StatementName
from circuits.document import ClassCode
from circuits.notices import MAX_NOTICE_BYTES, Cancellation, Invoice
from verifier_api.service.access import Principal
from verifier_api.service.errors import ServiceError
from verifier_api.service.life import State
from verifier_api.service.notices import Decision
from verifier_api.service.pool import GIVEN_UP
from verifier_api.store.claims import ClaimFilter
from verifier_api.web import examples, schemas
from verifier_api.web.bodies import (
    NDJSON,
    check_headers,
    decode_body,
    read_body,
    read_lines,
    refusal_of,
)
from verifier_api.web.edge import context_of
from verifier_api.web.routing import (
    ANYBODY,
    Day,
    InstantText,
    Name,
    PartsHere,
    about,
    allow,
    answer_of,
    answers,
    body_of,
    identify,
    json_response,
)
from zk.errors import EncodingError, StatementError

MAX_DECISION_BYTES = 4096
MAX_PAGE = 500
WINDOW = 128
"""Lines of one batch that are in work at a time."""

TURN = 16
"""Lines of one batch that are looked at before other requests have their turn."""

router = APIRouter(prefix="/v1")

ClaimId = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=[examples.CLAIM_ID])
]


@router.post(
    "/claims",
    tags=["claims"],
    summary="Request: judge a claim and record the verdict",
    responses=answers(
        schemas.Verdict,
        "version_unsupported",
        "claim_conflict",
        "attestation_refused",
        "overloaded",
        has_body=True,
        description="The verdict, recorded. The same bytes get the same answer for ever.",
    ),
    openapi_extra=body_of(Claim, example=examples.CLAIM, other=(Submission, examples.SUBMISSION)),
)
async def submit(request: Request, parts: PartsHere) -> Response:
    """Checks, in this order: size, form, version, token, the optician's key and signature, contract
    and nomenclature in force on the date of service, expiry, uniqueness, rights and renewal, the
    statement, the proof, attestations. From the key to the proof, what fails is the reason of a
    recorded verdict, not an error; without the attestations that are needed with it nothing is
    recorded. A claim comes by itself, or with attestations in a Submission. A verdict is not a
    payment decision."""
    data = await read_body(request, MAX_SUBMISSION_BYTES, parts.settings.body_seconds)
    claim, envelope, attestations = _decode_submitted(data)
    principal = await identify(request, "optician")
    facts = context_of(request).facts
    facts["claim_id"] = claim.claim_id
    with parts.limits.use(principal.token_id):
        if claim.optician_id != principal.optician_id:
            raise ServiceError(
                "forbidden", "the token is another optician's", places=("optician_id",)
            )
        answer = await parts.service.submit(claim, envelope, principal, attestations)
    # The head of the answer tells the verdict; reading all of it would cost more.
    verdict = json.loads(answer)
    facts |= {"verdict": verdict["verdict"], "reason": verdict["reason"]}
    labels = ("recorded", verdict["verdict"], verdict["reason"] or "")
    parts.metrics.verdicts.labels(*labels).inc()
    return json_response(answer)


@router.get(
    "/claims",
    tags=["claims"],
    summary="Claims by state, verdict, optician, contract, dates",
    responses=answers(schemas.ClaimsPage, "parameter_invalid"),
)
async def list_claims(
    parts: PartsHere,
    principal: Annotated[Principal, allow(*ANYBODY)],
    state: Annotated[State | None, Query()] = None,
    verdict: Annotated[Literal["granted", "refused", "pending"] | None, Query()] = None,
    reason: Annotated[
        str | None, Query(pattern=r"^[a-z_]{1,40}$", examples=["renewal_too_early"])
    ] = None,
    optician_id: Annotated[Name | None, Query(examples=["golden-optician"])] = None,
    contract_id: Annotated[Name | None, Query(examples=["responsable-2020"])] = None,
    statement: Annotated[StatementName | None, Query()] = None,
    date_from: Annotated[Day | None, Query(description="Day of service, included.")] = None,
    date_to: Annotated[Day | None, Query(description="Day of service, included.")] = None,
    received_from: Annotated[InstantText | None, Query(description="Included.")] = None,
    received_to: Annotated[InstantText | None, Query(description="Included.")] = None,
    regroupement: Annotated[
        ClassCode | None,
        Query(description="Declared by one of the lines.", examples=["VM4"]),
    ] = None,
    claim_id: Annotated[
        str | None,
        Query(
            pattern=r"^[A-Za-z0-9._-]{1,64}$",
            description="Any part of the id.",
            examples=["3f9a"],
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Newest first, page by page. An optician sees his own."""
    chosen = ClaimFilter(
        state,
        verdict,
        reason,
        optician_id,
        contract_id,
        statement,
        date_from,
        date_to,
        received_from,
        received_to,
        regroupement,
        claim_id,
    )
    return json_response(await parts.service.list_claims(chosen, principal, cursor, limit))


@router.get(
    "/claims/{claim_id}",
    tags=["claims"],
    summary="One claim with verdict and history",
    responses=answers(schemas.ClaimDetail, "not_found", "parameter_invalid", "overloaded"),
)
async def show_claim(
    claim_id: ClaimId, parts: PartsHere, principal: Annotated[Principal, allow(*ANYBODY)]
) -> Response:
    """What it says, what was decided, and who did what since. Another optician's is not found."""
    return json_response(await parts.service.claim(claim_id, principal))


@router.post(
    "/claims/{claim_id}/invoice",
    tags=["claims"],
    summary="Invoice: a granted claim becomes payable",
    responses=answers(
        schemas.InvoiceAnswer,
        *("not_found", "state_conflict", "notice_refused", "version_unsupported"),
        *("parameter_invalid", "overloaded"),
        has_body=True,
    ),
    openapi_extra=body_of(Invoice, example=examples.INVOICE),
)
async def invoice(
    claim_id: ClaimId,
    request: Request,
    parts: PartsHere,
    principal: Annotated[Principal, allow("optician")],
) -> Response:
    """Signed by the optician: the same commitments, amounts not above the grant, date of delivery.
    The same bytes get the same answer."""
    return await _take_notice(request, parts, claim_id, principal, parts.service.invoice)


@router.post(
    "/claims/{claim_id}/cancellation",
    tags=["claims"],
    summary="Cancel a claim that is granted or pending",
    responses=answers(
        schemas.CancellationAnswer,
        *("not_found", "state_conflict", "notice_refused", "version_unsupported"),
        *("parameter_invalid", "overloaded"),
        has_body=True,
    ),
    openapi_extra=body_of(Cancellation, example=examples.CANCELLATION),
)
async def cancel(
    claim_id: ClaimId,
    request: Request,
    parts: PartsHere,
    principal: Annotated[Principal, allow("optician")],
) -> Response:
    """Signed by the optician. Its line commitments may then stand in another claim."""
    return await _take_notice(request, parts, claim_id, principal, parts.service.cancel)


@router.post(
    "/claims/{claim_id}/attestations",
    tags=["claims"],
    summary="Bring an attestation of a line of a recorded claim",
    responses=answers(
        schemas.AttestationAnswer,
        *("not_found", "state_conflict", "attestation_refused", "version_unsupported"),
        *("parameter_invalid", "overloaded"),
        has_body=True,
    ),
    openapi_extra=body_of(Attestation, example=examples.ATTESTATION),
)
async def attest(
    claim_id: ClaimId,
    request: Request,
    parts: PartsHere,
    principal: Annotated[Principal, allow("optician")],
) -> Response:
    """Signed by an attester whom the contract asks and the insurer knows. The same bytes get the
    same answer."""
    return await _take_notice(
        request, parts, claim_id, principal, parts.service.attest, MAX_ATTESTATION_BYTES
    )


@router.post(
    "/claims/{claim_id}/decision",
    tags=["claims"],
    summary="Decide a claim that is pending or lacks an attestation",
    responses=answers(
        schemas.DecisionAnswer,
        *("not_found", "state_conflict", "parameter_invalid", "overloaded"),
        has_body=True,
    ),
    openapi_extra=body_of(Decision, example=examples.DECISION),
)
async def decide(
    claim_id: ClaimId,
    request: Request,
    parts: PartsHere,
    principal: Annotated[Principal, allow("admin")],
) -> Response:
    """The insurer's decision on an equipment before its renewal is due, or to do without an
    attestation that did not come."""
    data = await read_body(request, MAX_DECISION_BYTES, parts.settings.body_seconds)
    decision = decode_body(Decision, data, MAX_DECISION_BYTES, "decision")
    with about(request, claim_id=claim_id):
        return json_response(await parts.service.decide(claim_id, decision, data, principal))


async def _take_notice(
    request: Request,
    parts: PartsHere,
    claim_id: str,
    principal: Principal,
    take: Callable[[str, bytes, Principal], Awaitable[str]],
    max_bytes: int = MAX_NOTICE_BYTES,
) -> Response:
    data = await read_body(request, max_bytes, parts.settings.body_seconds)
    with about(request, claim_id=claim_id):
        return await answer_of(take(claim_id, data, principal), data)


# -- proofs -------------------------------------------------------------------------------------


@router.post(
    "/proofs/verify",
    tags=["proofs"],
    summary="Verify a claim by itself; nothing is recorded",
    responses=answers(schemas.StatelessVerdict, "version_unsupported", "overloaded", has_body=True),
    openapi_extra=body_of(Claim, example=examples.CLAIM),
)
async def verify(
    request: Request, parts: PartsHere, _principal: Annotated[Principal, allow(*ANYBODY)]
) -> Response:
    """Everything but uniqueness, rights and renewal."""
    data = await read_body(request, MAX_CLAIM_BYTES, parts.settings.body_seconds)
    claim = _decode_claim(data)
    verdict = await parts.service.verify(claim)
    facts = context_of(request).facts
    facts |= {"claim_id": claim.claim_id} | {name: verdict[name] for name in ("verdict", "reason")}
    _count_stateless(parts, verdict)
    return json_response(verdict)


class _Stream(StreamingResponse):
    """Read while it is written: the base class would take the body's pieces for itself, to notice
    a client that leaves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.stream_response(send)


@router.post(
    "/proofs/verify-batch",
    tags=["proofs"],
    summary="Verify claims line by line, streamed; nothing is recorded",
    responses=answers(
        None,
        *("media_type_unsupported", "content_encoding_unsupported"),
        description="JSON Lines: one verdict a line of the body, in order (schema BatchLine).",
        media_type=NDJSON,
    ),
    openapi_extra=body_of(None, NDJSON, examples.CLAIM_LINES),
)
async def verify_batch(
    request: Request, parts: PartsHere, _principal: Annotated[Principal, allow(*ANYBODY)]
) -> Response:
    """One claim a line, of any statements, classes, contracts and nomenclatures. Verdicts are
    written while claims are read: a client that sends much has to read as well. If nothing comes
    for too long, the last line is a problem document."""
    check_headers(request, NDJSON, None)
    return _Stream(_batch_lines(request, parts), media_type=NDJSON)


_Working: TypeAlias = asyncio.Queue[asyncio.Task[dict[str, Any]] | dict[str, Any] | None]
"""Of each line, in order, what is to be told or who finds out; None at the end."""


async def _batch_lines(request: Request, parts: PartsHere) -> AsyncIterator[bytes]:
    """Verdicts in order, each as soon as it is there; at most `WINDOW` claims are in work."""
    working: _Working = asyncio.Queue(WINDOW)
    reading = asyncio.create_task(_read_batch(request, parts, working))
    try:
        ready: list[bytes] = []
        while (work := await working.get()) is not None:
            if isinstance(work, asyncio.Task):
                if ready and not work.done():
                    yield b"".join(ready)
                    ready.clear()
                work = await work
            ready.append(_line(work))
            if working.empty() or len(ready) >= WINDOW:
                yield b"".join(ready)
                ready.clear()
        if ready:
            yield b"".join(ready)
        problem = await reading
        if problem is not None:
            yield _line(problem)
    finally:
        reading.cancel()
        while not working.empty():
            left = working.get_nowait()
            if isinstance(left, asyncio.Task):
                left.cancel()


async def _read_batch(
    request: Request, parts: PartsHere, working: _Working
) -> dict[str, Any] | None:
    """Start the work on every line; what is to be told of an end before the end."""
    number = 0
    try:
        async for line, is_cut in read_lines(
            request, MAX_CLAIM_BYTES + 1, parts.settings.body_seconds
        ):
            data = line.removesuffix(b"\r")
            if data.strip() or is_cut:
                number += 1
                await working.put(_start_line(parts, number, data))
                if number % TURN == 0:
                    await asyncio.sleep(0)
    except ServiceError as error:
        return _unreadable(number + 1, f"{error.code}: {error.detail}")
    finally:
        await working.put(None)
    return None


def _start_line(
    parts: PartsHere, number: int, data: bytes
) -> asyncio.Task[dict[str, Any]] | dict[str, Any]:
    try:
        claim = decode_claim(data)
    except (EncodingError, StatementError) as error:
        unreadable = _unreadable(number, str(error))
        _count_stateless(parts, unreadable)
        return unreadable
    return asyncio.create_task(_verify_line(parts, number, claim))


async def _verify_line(parts: PartsHere, number: int, claim: Claim) -> dict[str, Any]:
    async with parts.batch_turns:
        while True:
            try:
                verdict = await parts.service.verify(claim)
            except ServiceError as error:
                if error.code != "overloaded" or error.reason == GIVEN_UP:
                    return _unreadable(number, f"{error.code}: {error.detail}")
                await asyncio.sleep(0.05)  # the stream waits; others come first
                continue
            _count_stateless(parts, verdict)
            return {"line": number} | verdict


def _unreadable(number: int, detail: str) -> dict[str, Any]:
    return {
        "line": number,
        "claim_id": None,
        "verdict": "unreadable",
        "reason": "unreadable",
        "detail": detail,
        "circuit_digest": None,
    }


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _count_stateless(parts: PartsHere, verdict: dict[str, Any]) -> None:
    labels = ("stateless", verdict["verdict"], verdict["reason"] or "")
    parts.metrics.verdicts.labels(*labels).inc()


_SUBMISSION_BEGINS = b'{"attestations":'
"""In canonical form the first member tells a submission from a claim."""


def _decode_submitted(data: bytes) -> tuple[Claim, bytes, tuple[Attestation, ...]]:
    """A claim, its bytes, and what came with it."""
    if not data.startswith(_SUBMISSION_BEGINS):
        if len(data) > MAX_CLAIM_BYTES:
            raise ServiceError("body_too_large", f"at most {MAX_CLAIM_BYTES} bytes for a claim")
        return _decode_claim(data), data, ()
    try:
        submission = decode_submission(data)
    except (EncodingError, StatementError) as error:
        raise refusal_of(error, data) from None
    # The one canonical form, which stands there byte for byte.
    return submission.claim, encode_claim(submission.claim), submission.attestations


def _decode_claim(data: bytes) -> Claim:
    try:
        return decode_claim(data)
    except (EncodingError, StatementError) as error:
        raise refusal_of(error, data) from None
