"""Routes for whoever operates the service: health, readiness, metrics."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from verifier_api.service.access import Principal
from verifier_api.web import schemas
from verifier_api.web.metrics import CONTENT_TYPE
from verifier_api.web.routing import INSURER, PartsHere, allow, answers, json_response

router = APIRouter(tags=["operations"])

NOT_READY = 503
OPEN_PATHS = ("/healthz", "/readyz", "/openapi.json")
"""What takes no token."""
NEEDED = ("database", "writer", "workers")
"""The checks without which claims cannot be judged."""


@router.get(
    "/healthz",
    summary="Whether the process answers",
    responses=answers(schemas.Health, has_token=False),
)
async def health() -> Response:
    """No token."""
    return json_response({"status": "ok"})


@router.get(
    "/readyz",
    summary="Whether claims can be judged",
    responses=answers(schemas.Readiness, has_token=False)
    | {NOT_READY: {"description": "Not now.", "model": schemas.Readiness}},
)
async def ready(parts: PartsHere) -> Response:
    """Database, writer and workers; the other checks call for a person, claims are judged all the
    same. No token."""
    checks = await parts.service.readiness()
    is_ready = all(checks[name] for name in NEEDED)
    response = json_response({"status": "ready" if is_ready else "not_ready", "checks": checks})
    response.status_code = 200 if is_ready else NOT_READY
    return response


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    responses=answers(None, description="Prometheus's text format.", media_type="text/plain"),
)
async def metrics(parts: PartsHere, _principal: Annotated[Principal, allow(*INSURER)]) -> Response:
    """Counts and times, no ids."""
    return Response(parts.metrics.text(), media_type=CONTENT_TYPE)


@router.get(
    "/openapi.json",
    summary="This document",
    responses=answers(None, has_token=False, media_type="application/json"),
)
async def openapi(request: Request) -> Response:
    """OpenAPI 3.1. No token."""
    state = request.app.state
    if not hasattr(state, "openapi_text"):
        state.openapi_text = json.dumps(request.app.openapi(), ensure_ascii=False)
    return json_response(state.openapi_text)
