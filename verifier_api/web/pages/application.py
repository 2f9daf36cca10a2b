"""The pages as an application of their own under `BASE`: routes, sessions, refusals as pages."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from pages.answers import see_other
from pages.forms import FormError
from pages.guard import Refused, require_same_origin
from pages.language import language_of
from verifier_api.service.errors import ServiceError
from verifier_api.service.writer import RETRY_AFTER_SECONDS
from verifier_api.store.database import StorageError
from verifier_api.web.edge import context_of
from verifier_api.web.logs import fault_of, logger
from verifier_api.web.pages import claims, duties, entry, overview, reference
from verifier_api.web.pages.visit import BASE, SESSION_COOKIE, Visit
from verifier_api.web.problems import PROBLEMS
from verifier_api.web.routing import Parts

Handler: TypeAlias = Callable[[Visit], Awaitable[Response]]

MOUNT: Final = BASE.rstrip("/")
"""Where `Pages` is mounted."""

_SAFE: Final = ("GET", "HEAD")
_VISIT: Final = "clairobscur.visit"
_HTTP_CODES: Final = {404: "not_found", 405: "method_not_allowed"}

OPEN: Final[Mapping[str, Mapping[str, Handler]]] = {
    "/login": {"GET": entry.ask_token, "POST": entry.log_in},
    "/language": {"POST": entry.switch_language},
    "/assets/{name}": {"GET": entry.file},
}
"""What nobody has to be logged in for."""

CLOSED: Final[Mapping[str, Mapping[str, Handler]]] = {
    "/": {"GET": overview.show},
    "/logout": {"POST": entry.log_out},
    "/claims": {"GET": claims.show_list},
    "/claims.csv": {"GET": claims.export},
    "/claims/{claim_id}": {"GET": claims.show},
    "/claims/{claim_id}/decision": {"POST": claims.decide},
    "/refusals": {"GET": overview.show_refusals},
    "/attestations": {"GET": duties.show_attestations},
    "/audits": {"GET": duties.show_audits},
    "/opticians": {"GET": reference.show_opticians},
    "/contracts": {"GET": reference.show_contracts},
    "/contracts/{digest}": {"GET": reference.show_contract},
    "/tables": {"GET": reference.show_tables},
    "/tables/{digest}": {"GET": reference.show_table},
    "/tables/{digest}/{regroupement}": {"GET": reference.show_class},
}
"""What needs a session of scope reader, auditor or admin. The forms of these pages check their
token themselves, where they read the form."""

router = APIRouter(include_in_schema=False)
"""The ways in, among the routes of the interface."""


@router.get("/")
async def root() -> Response:
    """To the pages."""
    return see_other(BASE)


@router.get(MOUNT)
async def without_slash() -> Response:
    """To the pages."""
    return see_other(BASE)


@dataclass(frozen=True)
class _RouteName:
    """What logs and metrics call a route: its template, as for the routes of the interface."""

    path: str


class Pages:
    """The ASGI application, to be mounted at `BASE`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        routes = [
            Route(path, self._endpoint(path, handlers, is_open), methods=list(handlers))
            for table, is_open in ((OPEN, True), (CLOSED, False))
            for path, handlers in table.items()
        ]
        self._router = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong is answered with a page as well."""
        visit = Visit(Request(scope, receive), self._parts, language_of(Request(scope)))
        scope[_VISIT] = visit
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:  # no such path, or not with this method
            with contextlib.suppress(ServiceError, StorageError):
                await self._recognise(visit)
            await tell(visit, error)(scope, receive, send)

    def _endpoint(
        self, path: str, handlers: Mapping[str, Handler], is_open: bool
    ) -> Callable[[Request], Awaitable[Response]]:
        name = _RouteName(MOUNT + path)

        async def answer(request: Request) -> Response:
            request.scope["route"] = name
            visit: Visit = request.scope[_VISIT]
            visit.request = request  # this one has the names of the path
            handler = handlers["GET" if request.method == "HEAD" else request.method]
            try:
                return await self._answer(visit, handler, is_open)
            except ClientDisconnect:
                raise
            except Exception as error:  # the interface around us would answer it with JSON
                return tell(visit, error)

        return answer

    async def _answer(self, visit: Visit, handler: Handler, is_open: bool) -> Response:
        if visit.request.method not in _SAFE:
            require_same_origin(visit.request, _own_origins(visit.request))
        if handler is entry.file:
            return await handler(visit)
        await self._recognise(visit)
        if visit.principal is None:
            return await handler(visit) if is_open else entry.to_login(visit)
        with self._parts.limits.use(visit.principal.token_id):
            return await handler(visit)

    async def _recognise(self, visit: Visit) -> None:
        session = visit.request.cookies.get(SESSION_COOKIE)
        if session is None:
            return
        try:
            principal = await visit.service.sessions.session_principal(session)
        except ServiceError as error:
            if error.code != "token_invalid":
                raise
            return
        visit.session, visit.principal = session, principal
        visit.context.facts["token_id"] = principal.token_id


def _own_origins(request: Request) -> set[str]:
    """The origins that our own pages have: the host that the browser asked, over http or, through
    a proxy, https. Whoever makes a foreign name point here finds no session under it."""
    host = request.headers.get("host", "").lower()
    return {f"http://{host}", f"https://{host}"}


def tell(visit: Visit, error: Exception) -> Response:
    """The page that says what went wrong, in the words of `PROBLEMS`; a fault of ours is noted."""
    facts = visit.context.facts
    if isinstance(error, Refused | FormError):
        facts["problem"] = error.code
        words = error.words(visit.language)
        return _problem(visit, error.status, visit.say("problem.refused"), words)
    headers: dict[str, str] = {}
    if isinstance(error, StorageError):
        error = ServiceError("storage_unavailable", "", retry_after=RETRY_AFTER_SECONDS)
    if isinstance(error, ServiceError):
        code = error.code
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        if code == "body_timeout":
            headers["Connection"] = "close"
    elif isinstance(error, HTTPException):
        code = _HTTP_CODES.get(error.status_code, "request_malformed")
        headers |= dict(error.headers or {})
    else:
        code = "internal"
        log = logger()
        log.error("fault", request_id=context_of(visit.request).request_id, **fault_of(error))
    facts["problem"] = code
    kind = PROBLEMS[code]
    title = kind.french if visit.language == "fr" else kind.english
    key = f"problem.{code}"
    words = visit.say(key if visit.knows(key) else "problem.other")
    response = _problem(visit, kind.status, title, words)
    response.headers.update(headers)
    return response


def _problem(visit: Visit, status: int, title: str, words: str) -> Response:
    return visit.render(
        "problem.html",
        status,
        title=title,
        words=words,
        code=status,
        request_id=visit.context.request_id,
    )
