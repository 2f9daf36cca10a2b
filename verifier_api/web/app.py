"""The application: service, routes, errors. Served by `verifier_api.web.server`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from circuits.attestation import Attestation, Submission
from circuits.audit import AuditCase, AuditOutcome, AuditReply
from circuits.claim import Claim
from circuits.contract import Contract
from circuits.notices import Cancellation, Invoice
from circuits.publication import Publication
from console.running import version_text
from verifier_api.parties import MAX_PARTY_BYTES, Party
from verifier_api.service.administration import RightEnd, RightsRequest, TokenRequest
from verifier_api.service.clock import SteadyClock
from verifier_api.service.notices import Decision
from verifier_api.service.service import ServiceOptions, VerifierService
from verifier_api.service.trust_file import TrustFile
from verifier_api.settings import Settings
from verifier_api.store.database import Database
from verifier_api.store.instants import latest_instant
from verifier_api.web import (
    administration,
    audits,
    claims,
    operations,
    publications,
    reference,
    schemas,
)
from verifier_api.web.edge import Edge
from verifier_api.web.limits import TokenLimits
from verifier_api.web.logs import logger
from verifier_api.web.metrics import Metrics
from verifier_api.web.pages import application as pages_application
from verifier_api.web.refusals import add_refusals
from verifier_api.web.routing import Parts, add_schemas
from zk.errors import StatementError

ABOUT = """
An optician proves what a sale of glasses is worth without showing what was sold; the insurer judges
the claim by its own contracts, tables, keys and clock, and records the verdict before it answers.
**A verdict is not a payment decision.**

Every request but for health, readiness and this document takes a bearer token. Every error is a
problem document (RFC 9457) with a stable `type`. Besides those named with each operation there are
`not_found` (404) for a path that is none, `method_not_allowed` (405) for a method that the path
does not have, `request_malformed` (400) for what is no HTTP/1.1, and `head_too_large` (431). After
the last two the connection is closed.
"""

_BODY_MODELS = (
    *(Claim, Contract, Invoice, Cancellation, Decision, TokenRequest, RightsRequest, RightEnd),
    *(Publication, Submission, Attestation, AuditCase, AuditReply, AuditOutcome),
    *(administration.KeysRequest, schemas.Problem, schemas.BatchLine),
)
_MODULES = (claims, audits, reference, publications, administration, operations)


def make_service(settings: Settings, metrics: Metrics) -> VerifierService:
    """The service over the settings' database, whose schema must be current, trust list and signing
    key, by a clock that goes on from what the database has seen. Raises as
    `verifier_api.service.directory.Directory`."""
    options = ServiceOptions(
        settings.workers,
        settings.queue_limit,
        settings.batch_limit,
        settings.linger_ms,
        settings.batch_seconds,
    )
    database = Database(settings.database_url())
    with database.read() as connection:
        latest = latest_instant(connection)
    service = VerifierService(
        database,
        options,
        SteadyClock(latest, _tell_of_clock),
        observe=metrics.observe_batch,
        trust=settings.trust,
        signer=_signer(settings.signing_key),
    )
    metrics.watch(
        "queue_depth", "Claims that wait or are being verified.", lambda: service.pool.depth
    )
    metrics.watch("worker_restarts", "Workers that were replaced.", lambda: service.pool.restarts)
    return service


def require_files(settings: Settings) -> None:
    """Raise as `make_service` does for a trust list or a signing key that is at fault: before
    anything is made that a failed start would leave behind."""
    TrustFile(settings.trust)
    _signer(settings.signing_key)


def _tell_of_clock(event: str, seconds: float) -> None:
    logger().warning(event, seconds=round(seconds))


def _signer(path: Path | None) -> Party | None:
    """The insurer with the key in that file. Raises `OSError`, `EncodingError` or
    `StatementError`."""
    if path is None:
        return None
    with path.open("rb") as file:
        party = Party.parse(file.read(MAX_PARTY_BYTES + 1))
    if party.role != "insurer":
        raise StatementError("signing_key: the key is not of role insurer")
    return party


def make_app(service: VerifierService, settings: Settings, metrics: Metrics) -> FastAPI:
    """The ASGI application; starts and stops the service with itself."""

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="clairobscur verifier",
        version=version_text(),
        description=ABOUT,
        lifespan=life,
        openapi_url=None,  # a route of our own tells it
        docs_url=None,  # its pages would load scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,
    )
    limits = TokenLimits(
        settings.rate_per_second, settings.rate_burst, settings.concurrency_per_token
    )
    parts = app.state.parts = Parts(service, settings, limits, metrics)
    routes = _routes()
    for module in _MODULES:
        app.include_router(module.router)
    if settings.pages:
        app.include_router(pages_application.router)
        app.mount(pages_application.MOUNT, pages_application.Pages(parts))
        routes += _routes_of(pages_application.router)
    add_refusals(app, routes)
    app.add_middleware(Edge, metrics=metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        add_schemas(document, _BODY_MODELS)
        schemes = document["components"].setdefault("securitySchemes", {})
        schemes["bearer"] = {"type": "http", "scheme": "bearer"}
        for path, operations_of in document["paths"].items():
            for operation in operations_of.values():
                if path not in operations.OPEN_PATHS:
                    operation["security"] = [{"bearer": []}]
        for route in _routes():
            if route.openapi_extra:  # FastAPI leaves nulls out, also of examples
                for method in route.methods or ():
                    operation = document["paths"][route.path_format][method.lower()]
                    operation |= route.openapi_extra
        app.openapi_schema = document
    return app.openapi_schema


def _routes() -> list[APIRoute]:
    return [route for module in _MODULES for route in _routes_of(module.router)]


def _routes_of(router: APIRouter) -> list[APIRoute]:
    return [route for route in router.routes if isinstance(route, APIRoute)]
