"""The attester's application: one route for requests, one for health.

A request's signature is its authentication: there are no tokens. Limits count for each optician
whose signature was good.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from circuits.attestation import MAX_REQUEST_BYTES, AttestationRequest
from circuits.signed import decode_signed
from console.running import version_text
from verifier_api.attester.attesting import Attester
from verifier_api.attester.sources import SourceError
from verifier_api.service.errors import ServiceError
from verifier_api.web.bodies import read_body, refusal_of
from verifier_api.web.edge import Edge, context_of
from verifier_api.web.limits import TokenLimits
from verifier_api.web.logs import logger
from verifier_api.web.refusals import add_refusals
from zk.errors import EncodingError, ProofRejected, StatementError

THREADS = 4
IN_WORK = 64
"""So many requests wait or are in work; more get 503."""

IN_WORK_OF_ONE = THREADS - 1
"""So many of one optician: however slow his look-ups are, others find a thread."""

RETRY_AFTER_SECONDS = 2

router = APIRouter()

Done = TypeVar("Done")


@dataclass(frozen=True)
class AttesterSettings:
    """See `verifier_api.settings.Settings`, whose members of these names they are."""

    host: str = "127.0.0.1"
    port: int = 8766
    header_seconds: float = 10.0
    body_seconds: float = 10.0
    stop_seconds: int = 20
    rate_per_second: float = 20.0
    rate_burst: int = 100


class _Parts:
    """What the application is made of; routes find it on the request."""

    def __init__(self, attester: Attester, settings: AttesterSettings) -> None:
        self.attester = attester
        self.settings = settings
        self.limits = TokenLimits(settings.rate_per_second, settings.rate_burst, IN_WORK_OF_ONE)
        self._threads = ThreadPoolExecutor(THREADS, "attester")
        self._in_work = 0
        self._look: asyncio.Future[dict[str, bool]] | None = None

    async def run(self, function: Callable[[], Done]) -> Done:
        """Call it in a thread: files and databases may let it wait."""
        if self._in_work >= IN_WORK:
            raise ServiceError("overloaded", f"{IN_WORK} requests in work", retry_after=1)
        self._in_work += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        finally:
            self._in_work -= 1

    async def checks(self) -> dict[str, bool]:
        """What works. Nobody is asked who he is, and a look may be a query: so there is one at a
        time, for all who ask meanwhile."""
        if self._look is None or self._look.done():
            self._look = asyncio.ensure_future(asyncio.to_thread(self.attester.checks))
        return await asyncio.shield(self._look)

    def stop(self) -> None:
        """Finish what is in work, then close what it uses."""
        self._threads.shutdown()
        self.attester.close()


def make_app(attester: Attester, settings: AttesterSettings) -> FastAPI:
    """The ASGI application; closes the attester when it ends."""
    parts = _Parts(attester, settings)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.to_thread(parts.stop)

    app = FastAPI(
        title="clairobscur attester",
        version=version_text(),
        lifespan=life,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    app.include_router(router)
    add_refusals(app, [route for route in router.routes if isinstance(route, APIRoute)])
    app.add_middleware(Edge, metrics=None)
    return app


def tell_fault(fault: str) -> None:
    """Log that a file or the records cannot be used."""
    logger().warning("not usable", detail=fault)


@router.get("/healthz", summary="Whether the process answers, and what works")
async def health(request: Request) -> Response:
    """Always 200: "degraded" calls for a person, requests are answered as well as can be."""
    parts = _parts_of(request)
    checks = await parts.checks()
    status = "ok" if all(checks.values()) else "degraded"
    return _json(json.dumps({"status": status, "checks": checks}))


@router.post("/v1/attestations", summary="Confirm a line")
async def attest(request: Request) -> Response:
    """An `AttestationRequest` in, an `Attestation` out; the same facts get the same bytes."""
    parts = _parts_of(request)
    data = await read_body(request, MAX_REQUEST_BYTES, parts.settings.body_seconds)
    try:
        asked = decode_signed(AttestationRequest, data)
    except (EncodingError, StatementError) as error:
        raise refusal_of(error, data) from None
    facts = context_of(request).facts
    with _telling(facts):
        await parts.run(partial(parts.attester.authenticate, asked))
    facts |= {"optician_id": asked.optician_id, "claim_id": asked.opening.claim_id}
    facts["line"] = asked.opening.line
    with parts.limits.use(asked.optician_id), _telling(facts):
        answer = await parts.run(partial(parts.attester.attest, asked))
    return _json(answer)


@contextmanager
def _telling(facts: dict[str, Any]) -> Iterator[None]:
    """What the attester refuses, as problems; the reason goes to the log line's ``facts`` too."""
    try:
        yield
    except ProofRejected as error:
        facts["reason"] = error.reason
        raise ServiceError("attestation_refused", error.detail, reason=error.reason) from None
    except SourceError as error:
        tell_fault(str(error))
        raise ServiceError(
            "storage_unavailable", str(error), retry_after=RETRY_AFTER_SECONDS
        ) from None


def _parts_of(request: Request) -> _Parts:
    parts: _Parts = request.app.state.parts
    return parts


def _json(content: str | bytes) -> Response:
    return Response(content, media_type="application/json")
