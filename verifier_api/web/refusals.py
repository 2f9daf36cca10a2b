"""Whatever goes wrong below the edge, as problem documents: the same for every application."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from circuits.canonical import is_field_name
from verifier_api.service.errors import ServiceError
from verifier_api.service.writer import RETRY_AFTER_SECONDS
from verifier_api.store.database import StorageError
from verifier_api.web.edge import context_of
from verifier_api.web.problems import problem_response

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


def add_refusals(app: FastAPI, routes: Sequence[APIRoute]) -> None:
    """Let ``app``, which has these routes, answer every error with a problem document."""

    async def tell_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        context = context_of(request)
        code = _HTTP_CODES.get(error.status_code, "request_malformed")
        context.facts["problem"] = code
        headers = {}
        if code == "method_not_allowed":
            headers["Allow"] = ", ".join(_methods_of(request, routes))
        return problem_response(
            code, request_id=context.request_id, language=context.language, headers=headers
        )

    app.add_exception_handler(ServiceError, _tell_refusal)
    app.add_exception_handler(StorageError, _tell_storage)
    app.add_exception_handler(RequestValidationError, _tell_parameters)
    app.add_exception_handler(HTTPException, tell_http)


async def _tell_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    context = context_of(request)
    context.facts["problem"] = error.code
    return problem_response(
        error.code,
        request_id=context.request_id,
        language=context.language,
        detail=error.detail,
        places=error.places,
        reason=error.reason,
        retry_after=error.retry_after,
        # The rest of the body may never come.
        headers={"Connection": "close"} if error.code == "body_timeout" else None,
    )


async def _tell_storage(request: Request, error: Exception) -> Response:
    refusal = ServiceError("storage_unavailable", str(error), retry_after=RETRY_AFTER_SECONDS)
    return await _tell_refusal(request, refusal)


async def _tell_parameters(request: Request, error: Exception) -> Response:
    """FastAPI's complaint about path or query, without the values that it repeats."""
    assert isinstance(error, RequestValidationError)
    names = [str(entry["loc"][-1]) for entry in error.errors() if entry.get("loc")]
    places = [name for name in dict.fromkeys(names) if is_field_name(name)]
    told = "; ".join(f"{name}: not a valid value" for name in places)
    refusal = ServiceError("parameter_invalid", told, places=places)
    return await _tell_refusal(request, refusal)


def _methods_of(request: Request, routes: Sequence[APIRoute]) -> list[str]:
    """Of every route of the path: the router names those of one of them only."""
    found: set[str] = set()
    for route in routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)
