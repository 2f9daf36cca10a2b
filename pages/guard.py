"""Who may call a page: the host that was meant, our own pages, and whoever has logged in.

* Host: a foreign name that a DNS server points at this machine (rebinding) is refused.
* Origin: a request that changes something comes from a page of ours, and says so in a header that
  no page can set: Origin, or Sec-Fetch-Site where a browser leaves Origin out.
* Every form carries a token that follows from the session and a key of the process (HMAC-SHA256),
  which another site cannot know.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Final

from starlette.requests import Request

from circuits.canonical import encode_base64url
from pages.catalogue import Language, own_catalogue
from pages.forms import Form, FormError

CSRF_FIELD: Final = "csrf"
CSRF_CONTEXT: Final = b"clairobscur/pages/csrf/v1\0"

REFUSALS: Final[Mapping[str, tuple[int, str]]] = {
    "host_foreign": (421, "the Host of the request is not that of these pages"),
    "origin_foreign": (403, "the request comes from a page of another site"),
    "origin_missing": (403, "the request does not say which page it comes from"),
    "csrf_invalid": (403, "the form is not one of this session"),
}
"""Every refusal with its HTTP status, and what it says in English."""

_SAFE_METHODS: Final = frozenset(("GET", "HEAD"))


class Refused(Exception):
    """A request that is not answered. ``code`` is one of `REFUSALS`, ``status`` its status."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.status, english = REFUSALS[code]
        super().__init__(english)

    def words(self, language: Language) -> str:
        """What is wrong, for the person before the page."""
        return own_catalogue().say(f"pages.refused.{self.code}", language)


def require_host(request: Request, allowed_hosts: Collection[str]) -> None:
    """``allowed_hosts`` are values of Host with their port. Raises `Refused`."""
    hosts = request.headers.getlist("host")
    if len(hosts) != 1 or hosts[0].lower() not in allowed_hosts:
        raise Refused("host_foreign")


def require_same_origin(request: Request, allowed_origins: Collection[str]) -> None:
    """``allowed_origins`` are values of Origin ("http://127.0.0.1:8767"). Raises `Refused`.

    What only reads may come from anywhere, as a link does, but not say a foreign Origin.
    """
    origins = request.headers.getlist("origin")
    if origins:
        if len(origins) != 1 or origins[0] not in allowed_origins:
            raise Refused("origin_foreign")
        return
    if request.method in _SAFE_METHODS:
        return
    sites = request.headers.getlist("sec-fetch-site")
    if not sites:
        raise Refused("origin_missing")
    if sites not in (["same-origin"], ["none"]):
        raise Refused("origin_foreign")


def csrf_token(key: bytes, session_id: str) -> str:
    """The token of a session's forms: HMAC-SHA256 under ``key`` (32 bytes), in base64url."""
    return encode_base64url(hmac.digest(key, CSRF_CONTEXT + session_id.encode(), sha256))


def is_csrf_token(key: bytes, session_id: str, given: str) -> bool:
    """Is ``given`` the token of this session? Takes the same time whatever differs."""
    return hmac.compare_digest(csrf_token(key, session_id).encode(), given.encode())


def require_csrf(key: bytes, session_id: str, form: Form) -> None:
    """Raises `Refused` ("csrf_invalid") unless the form's field `CSRF_FIELD` is the token."""
    try:
        given = form.exact(CSRF_FIELD, 64)
    except FormError:
        given = ""
    if not is_csrf_token(key, session_id, given):
        raise Refused("csrf_invalid")


def session_cookie(
    name: str, value: str, is_secure: bool, max_age: int | None = None, path: str = "/"
) -> str:
    """The value of Set-Cookie for a session: no script reads it, no other site has it sent.

    ``max_age`` in seconds; without, it ends with the browser. ``is_secure``: over https alone.
    Raises `ValueError` for a name or value that is more than letters, digits, "-", "_" and ".".
    """
    if not all(part.replace("-", "").replace("_", "").replace(".", "").isalnum() and part.isascii()
               for part in (name, value)):  # fmt: skip
        raise ValueError("a cookie's name and value: letters, digits, '-', '_' and '.'")
    parts = [f"{name}={value}", f"Path={path}", "HttpOnly", "SameSite=Strict"]
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    if is_secure:
        parts.append("Secure")
    return "; ".join(parts)


def forget_cookie(name: str, is_secure: bool, path: str = "/") -> str:
    """The value of Set-Cookie that makes the browser forget one."""
    return session_cookie(name, "none", is_secure, 0, path)
