"""The outermost layer: request ids, security headers, one log line a request, and the last net.

Plain ASGI, so that bodies and answers can be streamed through it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from verifier_api.web.logs import fault_of, logger
from verifier_api.web.metrics import Metrics
from verifier_api.web.problems import preferred_language, problem_response

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer that does not say otherwise itself, as pages do (`pages.answers`)."""

_SECURITY = tuple(
    (name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()
)
UNMATCHED = "unmatched"
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"))


@dataclass
class RequestContext:
    """What a request is known by; ``facts`` go to its log line: ids, verdict and reason only."""

    request_id: str
    headers: Headers
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def language(self) -> str:
        """ "fr" or "en", as the request prefers."""
        return preferred_language(self.headers.get("accept-language", ""))


def context_of(request: Request) -> RequestContext:
    """The context that the edge gave the request."""
    context: RequestContext = request.scope["clairobscur.context"]
    return context


class Edge:
    """See module docstring. Without ``metrics`` nothing is counted."""

    def __init__(self, app: ASGIApp, metrics: Metrics | None) -> None:
        self._app = app
        self._metrics = metrics
        self._log = logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        context = RequestContext(os.urandom(8).hex(), Headers(scope=scope))
        scope["clairobscur.context"] = context
        status: int | None = None

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = list(message.get("headers", ()))
                said = {name for name, _ in own}
                added = [header for header in _SECURITY if header[0] not in said]
                request_id = (b"x-request-id", context.request_id.encode())
                message["headers"] = [*own, request_id, *added]
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except ClientDisconnect:
            context.facts["disconnected"] = True
        except Exception as error:
            self._log.error("fault", request_id=context.request_id, **fault_of(error))
            if status is not None:
                raise  # too late for an answer: the connection is cut off
            response = problem_response(
                "internal", request_id=context.request_id, language=context.language
            )
            await response(scope, receive, send_on)
        finally:
            spent = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", UNMATCHED)
            method = scope["method"] if scope["method"] in METHODS else "other"
            if self._metrics is not None:
                self._metrics.requests.labels(method, route, str(status)).observe(spent)
            self._log.info(
                "request",
                request_id=context.request_id,
                method=method,
                route=route,
                status=status,
                milliseconds=round(spent * 1000, 2),
                **context.facts,
            )
