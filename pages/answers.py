"""Answers that browsers get: pages, redirections after a POST, and the few files beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

SAFE_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not "no-referrer": with that, browsers say of our own forms that they come from nowhere
    # (Origin: null), and `pages.guard` has to refuse them.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

PAGE_HEADERS: Final[Mapping[str, str]] = {**SAFE_HEADERS, "Cache-Control": "no-store"}
"""Of every page and redirection: nothing from elsewhere, in no frame, kept in no cache."""

ASSETS: Final[Mapping[str, str]] = {
    "favicon.svg": "image/svg+xml",
    "page.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
}
"""The files in pages/static with their media types: these and no others."""


def page(text: str, status: int = 200, cookies: Sequence[str] = ()) -> Response:
    """A page. ``cookies`` are whole values of Set-Cookie (`pages.guard.session_cookie`)."""
    response = Response(text, status, PAGE_HEADERS, "text/html; charset=utf-8")
    return _with_cookies(response, cookies)


def see_other(path: str, cookies: Sequence[str] = ()) -> Response:
    """303 to another page of ours, as after every POST.

    Raises `ValueError` for what is not a plain path on this host (`is_local_path`).
    """
    if not is_local_path(path):
        raise ValueError("a redirection goes to a path of this host")
    return _with_cookies(
        Response(status_code=303, headers={**PAGE_HEADERS, "Location": path}), cookies
    )


def is_local_path(path: str) -> bool:
    """Is this a path, with or without a query, that no browser takes for another host?"""
    return (
        path.startswith("/")
        and not path.startswith("//")
        and all("!" <= sign <= "~" and sign not in '\\"<>' for sign in path)
    )


def asset(name: str, request: Request) -> Response | None:
    """A file of `ASSETS`, or None if there is no such file; 304 if the browser has it already."""
    media_type = ASSETS.get(name)
    if media_type is None:
        return None
    body, tag = _asset(name)
    headers = {**SAFE_HEADERS, "Cache-Control": "no-cache", "ETag": tag}
    known = request.headers.get("if-none-match", "")
    if tag in (part.strip() for part in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, media_type)


@cache
def _asset(name: str) -> tuple[bytes, str]:
    body = (files("pages") / "static" / name).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _with_cookies(response: Response, cookies: Sequence[str]) -> Response:
    for cookie in cookies:
        response.headers.append("Set-Cookie", cookie)
    return response
