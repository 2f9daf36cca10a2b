"""Logging in and out, the switch of languages, and the few files beside the pages."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath
from typing import Final

from starlette.responses import Response

from pages.answers import asset, is_local_path, see_other
from pages.forms import FormError
from pages.guard import forget_cookie, session_cookie
from pages.language import choose_language
from verifier_api.service.errors import ServiceError
from verifier_api.service.sessions import SESSION_SECONDS
from verifier_api.web.pages.visit import BASE, SESSION_COOKIE, Visit, query_of

MAX_TOKEN: Final = 200
LOGIN_PATH: Final = f"{BASE}login"
_REFUSALS: Final = {"token_invalid": "login.invalid", "forbidden": "login.not_for_opticians"}
_NOTES: Final = ("left", "over")


async def ask_token(visit: Visit) -> Response:
    """The form that takes a token."""
    if visit.principal is not None:
        return see_other(BASE)
    note = visit.request.query_params.get("note", "")
    following = visit.request.query_params.get("next", "")
    return _form(visit, note=note if note in _NOTES else "", following=following)


async def log_in(visit: Visit) -> Response:
    """A session for the token, whose id goes into a cookie."""
    form = await visit.form()
    following = form.text("next", 2000, BASE)
    try:
        token = form.text("token", MAX_TOKEN)
        session = await visit.service.sessions.open_session(token)
    except FormError as error:
        return _form(visit, error.status, error=error.words(visit.language), following=following)
    except ServiceError as error:
        if error.code not in _REFUSALS:
            raise
        visit.context.facts["problem"] = error.code
        words = visit.say(_REFUSALS[error.code])
        return _form(visit, 403, error=words, following=following)
    cookie = session_cookie(SESSION_COOKIE, session, visit.is_secure, SESSION_SECONDS, BASE)
    return see_other(following if _is_ours(following) else BASE, [cookie])


async def log_out(visit: Visit) -> Response:
    """The session ends here and in the browser."""
    await visit.form_of_session()
    if visit.session is not None:
        await visit.service.sessions.close_session(visit.session)
    return see_other(LOGIN_PATH + query_of(note="left"), [forget_session(visit)])


async def switch_language(visit: Visit) -> Response:
    """Keeps the language and goes back."""
    seconds = visit.parts.settings.body_seconds
    try:
        async with asyncio.timeout(seconds):
            return await choose_language(visit.request, BASE, visit.is_secure)
    except TimeoutError:
        raise ServiceError("body_timeout", f"within {seconds:g} s") from None


async def file(visit: Visit) -> Response:
    """A file beside the pages. Raises `ServiceError` "not_found"."""
    found = asset(visit.request.path_params["name"], visit.request)
    if found is None:
        raise ServiceError("not_found", "no such file")
    return found


def to_login(visit: Visit) -> Response:
    """Where somebody is sent who is not logged in; he comes back to the page that he asked for."""
    had_session = SESSION_COOKIE in visit.request.cookies
    back = visit.back()
    path = LOGIN_PATH + query_of(
        note="over" if had_session else None,
        next=back if back != BASE and _is_ours(back) else None,
    )
    return see_other(path, [forget_session(visit)] if had_session else [])


def forget_session(visit: Visit) -> str:
    """The cookie that makes the browser forget its session."""
    return forget_cookie(SESSION_COOKIE, visit.is_secure, BASE)


def _form(
    visit: Visit, status: int = 200, error: str = "", note: str = "", following: str = ""
) -> Response:
    return visit.render(
        "login.html",
        status,
        error=error,
        note=note,
        following=following if _is_ours(following) else "",
    )


def _is_ours(path: str) -> bool:
    """Whether a path is one of these pages, however a browser reads it."""
    plain = path.partition("?")[0]
    return is_local_path(path) and plain.startswith(BASE) and ".." not in PurePosixPath(plain).parts
