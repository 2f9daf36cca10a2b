"""One request of a page: who asks, in which language, and how he is answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from pages.answers import page
from pages.catalogue import Catalogue, Language
from pages.forms import Form, read_form
from pages.guard import CSRF_FIELD, csrf_token, require_csrf
from pages.rendering import Renderer
from verifier_api.service.access import Principal
from verifier_api.service.errors import ServiceError
from verifier_api.service.overview import Overview
from verifier_api.service.service import VerifierService
from verifier_api.web.edge import RequestContext, context_of
from verifier_api.web.routing import Parts

BASE: Final = "/pages/"
PACKAGE: Final = "verifier_api.web.pages"
SESSION_COOKIE: Final = "clairobscur_session"

CSRF_KEY: Final = sha256(b"clairobscur/insurer-pages/csrf/v1").digest()
"""No secret: a form's token follows from it and from the session's id, which are 32 random bytes
that the browser alone has. So every process over one database knows every form."""

LINKS: Final = (
    ("overview", ""),
    ("claims", "claims"),
    ("refusals", "refusals"),
    ("attestations", "attestations"),
    ("audits", "audits"),
    ("opticians", "opticians"),
    ("contracts", "contracts"),
    ("tables", "tables"),
)
"""The pages of the navigation, by the name of their text, and their paths under `BASE`."""


@cache
def catalogue() -> Catalogue:
    """What the pages say."""
    return Catalogue.load(PACKAGE)


@cache
def renderer() -> Renderer:
    """Made when the first page is asked for: many processes never show one."""
    return Renderer((PACKAGE,), catalogue(), BASE)


@dataclass
class Visit:
    """See module docstring. ``principal`` and ``session`` are None before somebody logs in."""

    request: Request
    parts: Parts
    language: Language
    session: str | None = None
    principal: Principal | None = None

    @property
    def service(self) -> VerifierService:
        """The service."""
        return self.parts.service

    @property
    def overview(self) -> Overview:
        """What the service tells pages."""
        return self.parts.service.overview

    @property
    def context(self) -> RequestContext:
        """What the request is known by."""
        return context_of(self.request)

    @property
    def is_secure(self) -> bool:
        """Whether the browser came over https, by what it says itself: the service is often behind
        a proxy that ends the encryption."""
        return self.request.headers.get("origin", "").startswith("https://")

    @property
    def csrf(self) -> str:
        """The token of this session's forms."""
        return csrf_token(CSRF_KEY, self.session or "")

    def say(self, key: str, **values: object) -> str:
        """A text of the catalogue."""
        return catalogue().say(key, self.language, **values)

    def knows(self, key: str) -> bool:
        """Whether the catalogue has such a text."""
        return key in catalogue()

    async def form(self, max_bytes: int = 16 * 1024) -> Form:
        """The form in the body. Raises `FormError`, and `ServiceError` "body_timeout"."""
        seconds = self.parts.settings.body_seconds
        try:
            async with asyncio.timeout(seconds):
                return await read_form(self.request, max_bytes)
        except TimeoutError:
            raise ServiceError("body_timeout", f"within {seconds:g} s") from None

    async def form_of_session(self, *names: str) -> Form:
        """The same with these fields and no other, of a page of this session. Raises `Refused` as
        well."""
        form = await self.form()
        require_csrf(CSRF_KEY, self.session or "", form)
        form.require_only((CSRF_FIELD, *names))
        return form

    def back(self) -> str:
        """The page's own address, to which the switch of languages returns."""
        if self.request.method not in ("GET", "HEAD"):
            return BASE
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")

    def render(self, template: str, status: int = 200, **context: Any) -> Response:
        """The page made from that template."""
        here = self.request.url.path.removeprefix(BASE).split("/")[0]
        frame: dict[str, Any] = {
            "product": self.say("site.name"),
            "home": BASE,
            "footer": self.say("site.footer"),
            "back": self.back(),
        }
        if self.principal is not None:
            entry = self.service.directory.snapshot.tokens.get(self.principal.token_id)
            frame |= {
                "who": self._who(entry.label if entry else ""),
                "csrf": self.csrf,
                "leave_path": f"{BASE}logout",
                "leave_text": self.say("site.log_out"),
                "is_admin": self.principal.scope == "admin",
                "links": [
                    {
                        "href": BASE + path,
                        "text": self.say(f"menu.{name}"),
                        "is_current": here == path,
                    }
                    for name, path in LINKS
                ],
            }
        return page(renderer().render(template, self.language, **(frame | context)), status)

    def _who(self, label: str) -> str:
        assert self.principal is not None
        scope = self.say(f"scope.{self.principal.scope}")
        return f"{label} ({scope})" if label else scope


def query_of(**values: str | int | None) -> str:
    """A query with its question mark, without what is None or empty; "" if that is all."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""


def parameter_invalid(*places: str) -> ServiceError:
    """The refusal of a parameter; what it was is not repeated."""
    told = "; ".join(f"{place}: not a valid value" for place in places)
    return ServiceError("parameter_invalid", told, places=places)
