"""The application: routes of the page and of the endpoint, and who is let in.

Every request: the Host must be ours (against DNS rebinding), a request that changes something must
come from a page of ours and carry the token of its session, and all but the first steps needs a
session. Faults are told by their place; nothing is logged.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from optician.agent.errors import ShopError
from optician.messages import in_language
from optician.vault import VAULT_WORDS, VaultError
from optician.web import adjusting, auditing, entry, following, selling
from optician.web.endpoint import PREFIX, endpoint_routes
from optician.web.keeper import Keeper, place_of, tell_on_terminal
from optician.web.problems import EndpointProblem, problem_response
from optician.web.visit import Handler, Site, Visit, sentence
from pages.answers import PAGE_HEADERS, SAFE_HEADERS, asset, see_other
from pages.forms import Form, FormError, read_form
from pages.guard import (
    Refused,
    forget_cookie,
    require_csrf,
    require_host,
    require_same_origin,
    session_cookie,
)
from pages.language import choose_language, language_of

_VISITOR_BYTES: Final = 32

OPEN_PAGES: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "/lock", entry.lock_page),
    ("POST", "/unlock", entry.unlock),
    ("GET", "/setup", entry.setup_page),
    ("POST", "/setup", entry.setup),
)
"""Without a session."""

CLOSED_PAGES: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("POST", "/lock", entry.lock),
    ("POST", "/setup/key", entry.make_key),
    ("GET", "/", following.home),
    ("GET", "/new", selling.new_page),
    ("POST", "/new", selling.check_form),
    ("GET", "/new/check", selling.check_page),
    ("POST", "/new/statement", selling.choose_statement),
    ("POST", "/new/send", selling.send),
    ("POST", "/new/drop", selling.drop),
    ("GET", "/queue", following.queue),
    ("POST", "/queue/send", following.send_now),
    ("GET", "/claims", following.claims),
    ("GET", "/claims/{claim_id}", following.claim),
    ("POST", "/claims/{claim_id}/invoice", following.invoice),
    ("POST", "/claims/{claim_id}/cancel", following.cancel),
    ("POST", "/claims/{claim_id}/retry", following.retry),
    ("POST", "/claims/{claim_id}/attest", following.attest),
    ("POST", "/claims/{claim_id}/again", selling.again),
    ("GET", "/attestations", following.attestations),
    ("GET", "/audits", auditing.audits),
    ("GET", "/audits/{case_id}", auditing.audit),
    ("POST", "/audits/{case_id}/answer", auditing.answer),
    ("POST", "/audits/{case_id}/refuse", auditing.refuse),
    ("GET", "/settings", adjusting.settings),
    ("GET", "/settings/KEYS.json", adjusting.public_keys),
    ("POST", "/settings/general", adjusting.change_general),
    ("POST", "/settings/insurers", adjusting.add_insurer),
    ("POST", "/settings/insurers/{insurer_id}/fetch", adjusting.fetch_insurer),
    ("POST", "/settings/insurers/{insurer_id}/remove", adjusting.remove_insurer),
    ("POST", "/settings/token", adjusting.make_token),
    ("POST", "/settings/passphrase", adjusting.change_passphrase),
    ("POST", "/settings/backup", adjusting.make_backup),
)
"""With one."""


def make_agent(keeper: Keeper, port: int) -> Starlette:
    """The application at 127.0.0.1:``port``; starts and stops the keeper's thread with itself."""

    @asynccontextmanager
    async def life(_app: Starlette) -> AsyncIterator[None]:
        keeper.start()
        try:
            yield
        finally:
            await run_in_threadpool(keeper.stop)

    site = Site.at(keeper, port)
    routes = [
        *endpoint_routes(keeper),
        Route("/assets/{name}", _asset, methods=["GET"]),
        Route("/language", _language_route(site), methods=["POST"]),
        *(_route(site, *listed, needs_session=False) for listed in OPEN_PAGES),
        *(_route(site, *listed, needs_session=True) for listed in CLOSED_PAGES),
    ]
    app = Starlette(
        routes=routes, lifespan=life, exception_handlers={HTTPException: _unmatched(site)}
    )
    app.router.redirect_slashes = False
    app.add_middleware(Gate, site=site)
    return app


# -- the gate ---------------------------------------------------------------------------------


class Gate:
    """The outermost layer: the Host, headers, and the last net under faults."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        has_begun = False

        async def send_on(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                message["headers"] = _with_safe_headers(message.get("headers", []))
            await send(message)

        try:
            require_host(request, self._site.hosts)
            await self._app(scope, receive, send_on)
        except Refused as error:
            await _foreign_host(request, error)(scope, receive, send_on)
        except ClientDisconnect:
            pass
        except Exception as error:
            # Its message might repeat anything, so only its place is told.
            tell_on_terminal(place_of(error))
            if not has_begun:
                await PlainTextResponse("internal error", 500)(scope, receive, send_on)


def _with_safe_headers(given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, and of `PAGE_HEADERS` those that it has not."""
    names = {name.lower() for name, _ in given}
    headers = PAGE_HEADERS if b"cache-control" not in names else SAFE_HEADERS
    more = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return [*given, *(entry for entry in more if entry[0] not in names)]


def _foreign_host(request: Request, error: Refused) -> Response:
    language = language_of(request)
    if request.url.path.startswith(PREFIX):
        return problem_response(EndpointProblem("host_refused"), language)
    return PlainTextResponse(error.words(language), error.status)


def _unmatched(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    """What has no route, or not by this method."""

    async def answer(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        code = "method_not_allowed" if status == 405 else "not_found"
        if request.url.path.startswith(PREFIX):
            is_browser = "origin" in request.headers or "sec-fetch-site" in request.headers
            code = "origin_refused" if is_browser else code
            return problem_response(EndpointProblem(code), language_of(request))
        visit = _visit(site, request)
        return await run_in_threadpool(_refused_page, visit, f"fault.{code}", status)

    return answer


# -- pages ------------------------------------------------------------------------------------


async def _asset(request: Request) -> Response:
    found = asset(request.path_params["name"], request)
    if found is None:
        raise HTTPException(404)
    return found


def _language_route(site: Site) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            require_same_origin(request, site.origins)
            return await choose_language(request, "/", is_secure=False)
        except (Refused, FormError) as error:
            return await run_in_threadpool(_told, _visit(site, request), error)

    return answer


def _route(site: Site, method: str, path: str, handler: Handler, *, needs_session: bool) -> Route:
    """A page behind its gates."""

    async def answer(request: Request) -> Response:
        visit = _visit(site, request)
        try:
            require_same_origin(request, site.origins)
            form = await read_form(request) if method == "POST" else Form({})
        except (Refused, FormError) as error:
            return await run_in_threadpool(_told, visit, error)
        return await run_in_threadpool(_answer, visit, form, handler, needs_session)

    return Route(path, answer, methods=[method])


def _answer(visit: Visit, form: Form, handler: Handler, needs_session: bool) -> Response:
    keeper = visit.keeper
    try:
        if needs_session and (visit.session is None or keeper.state != "open"):
            return _to_lock(visit)
        if visit.request.method == "POST":
            require_csrf(visit.site.csrf_key, visit.bound_to, form)
        if visit.session is not None:
            keeper.use()
        visit.form = form
        return handler(visit)
    except Exception as error:
        return _told(visit, error)


def _visit(site: Site, request: Request) -> Visit:
    keeper = site.keeper
    session_id = request.cookies.get(site.session_name)
    session = keeper.sessions.find(session_id, keeper.idle_seconds)
    visitor = request.cookies.get(site.visitor_name, "")
    cookies = []
    if session is None and len(visitor) < _VISITOR_BYTES:
        visitor = secrets.token_urlsafe(_VISITOR_BYTES)
        cookies.append(session_cookie(site.visitor_name, visitor, False))
    return Visit(site, request, language_of(request), session, visitor, cookies=cookies)


def _to_lock(visit: Visit) -> Response:
    """To where the passphrase is asked for; what the browser still has is void."""
    cookies = [*visit.cookies, forget_cookie(visit.site.session_name, False)]
    path = "/setup" if visit.keeper.state == "missing" else "/lock"
    return see_other(path, cookies)


def _told(visit: Visit, error: Exception) -> Response:
    """A refusal as a page that says what to do next."""
    if isinstance(error, Refused | FormError):
        return _refused_page(visit, "", error.status, text=error.words(visit.language))
    if isinstance(error, VaultError):
        if error.code == "vault_locked":
            return _to_lock(visit)
        words = sentence(in_language(VAULT_WORDS[error.code], visit.language))
        return _refused_page(visit, "", 503, title=words, text=visit.say("fault.vault"))
    if isinstance(error, ShopError):
        refusal = visit.refusal(error)
        status = 404 if error.code.endswith("_unknown") else 409
        return _refused_page(visit, "", status, title=refusal["title"], text=refusal["text"])
    tell_on_terminal(place_of(error))
    return _refused_page(visit, "fault.internal", 500)


def _refused_page(
    visit: Visit, key: str, status: int, *, title: str = "", text: str = ""
) -> Response:
    try:
        return visit.show(
            "refused.html",
            status,
            refusal={
                "title": title or visit.say("fault.title"),
                "text": text or visit.say(key),
                "detail": "",
            },
            back_href="/",
        )
    except VaultError:  # the frame shows who is signed in, and the vault does not open
        visit.session = None
        return PlainTextResponse(text or visit.say(key), status, headers=PAGE_HEADERS)
