"""One request of the page: who is there, what was sent, and how the answer is made."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from optician.agent.errors import ShopError
from optician.agent.records import ClaimRecord
from optician.agent.shop import Shop
from optician.messages import ORDER_PROBLEMS, Language, in_language
from optician.vault import VaultError
from optician.web.keeper import Keeper
from optician.web.sale_form import FieldError, Mistake
from optician.web.sessions import Session
from pages.answers import page, see_other
from pages.catalogue import Catalogue, typeset
from pages.figures import day as day_text
from pages.forms import Form, FormError
from pages.guard import csrf_token, session_cookie
from pages.rendering import Renderer

PACKAGE: Final = "optician.web"
KEY_BYTES: Final = 32

LINKS: Final = (
    ("/", "nav.home"),
    ("/new", "nav.new"),
    ("/queue", "nav.queue"),
    ("/claims", "nav.claims"),
    ("/attestations", "nav.attestations"),
    ("/audits", "nav.audits"),
    ("/settings", "nav.settings"),
)

STATE_KINDS: Final[Mapping[str, str]] = {
    "pending": "waiting",
    "sent": "waiting",
    "granted": "good",
    "refused": "bad",
    "payable": "good",
    "cancelled": "off",
    "expired": "off",
    "attestation_overdue": "warning",
}
"""By the state of a claim: the sign that stands before its word."""


@dataclass(frozen=True)
class Site:
    """What all requests share."""

    keeper: Keeper
    renderer: Renderer
    hosts: frozenset[str]
    origins: frozenset[str]
    port: int
    csrf_key: bytes = field(default_factory=lambda: secrets.token_bytes(KEY_BYTES), repr=False)

    @classmethod
    def at(cls, keeper: Keeper, port: int) -> Site:
        """The pages at 127.0.0.1 and localhost on ``port``."""
        renderer = Renderer((PACKAGE,), Catalogue.load(PACKAGE), "/")
        hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))
        origins = frozenset(f"http://{host}" for host in hosts)
        return cls(keeper, renderer, hosts, origins, port)

    # Browsers send cookies to every port of a host: the name keeps two agents apart.

    @property
    def session_name(self) -> str:
        """The cookie of whoever has shown the passphrase."""
        return f"clairobscur_shop_{self.port}"

    @property
    def visitor_name(self) -> str:
        """The cookie that the forms before that are bound to."""
        return f"clairobscur_visitor_{self.port}"


@dataclass
class Visit:
    """A request, read and let in. ``session`` is None before signing in; ``form`` is that of a
    POST."""

    site: Site
    request: Request
    language: Language
    session: Session | None
    visitor: str
    form: Form = field(default_factory=lambda: Form({}), repr=False)
    cookies: list[str] = field(default_factory=list, repr=False)

    @property
    def keeper(self) -> Keeper:
        """Who holds the vault."""
        return self.site.keeper

    @property
    def shop(self) -> Shop:
        """The open shop. Raises `VaultError` "vault_locked"."""
        return self.keeper.shop()

    @property
    def own_session(self) -> Session:
        """The session of a page that needs one. Raises `VaultError` "vault_locked" without."""
        if self.session is None:
            raise VaultError("vault_locked")
        return self.session

    @property
    def csrf(self) -> str:
        """The token of this visit's forms."""
        return csrf_token(self.site.csrf_key, self.bound_to)

    @property
    def bound_to(self) -> str:
        """What the token is bound to: the session, or the visitor before there is one."""
        return self.session.session_id if self.session else self.visitor

    def name(self, key: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[key])

    def query(self, key: str) -> str:
        """A parameter of the query, "" if it is not there."""
        return self.request.query_params.get(key, "")

    # -- words --------------------------------------------------------------------------------

    def say(self, key: str, **values: object) -> str:
        """A text of the catalogue."""
        return self.site.renderer.catalogue.say(key, self.language, **values)

    def day(self, day: date) -> str:
        """A day as the language writes it."""
        return day_text(day, self.language)

    def words(self, mistake: Mistake) -> str:
        """What is wrong with a field."""
        if isinstance(mistake, FormError):
            return mistake.words(self.language)
        if isinstance(mistake, FieldError):
            return self.say(mistake.key)
        return sentence(self.typeset(in_language(ORDER_PROBLEMS[mistake.code], self.language)))

    def typeset(self, text: str) -> str:
        """Words that the command line has too, as the catalogue sets its own."""
        return typeset(text, self.language)

    def refusal(self, error: ShopError) -> dict[str, str]:
        """A refusal of the shop's: what it is, and what to do about it."""
        key = f"todo.{error.code}"
        is_known = key in self.site.renderer.catalogue
        return {
            "title": sentence(self.typeset(error.titles[self.language])),
            "text": self.say(key if is_known else "todo.other"),
            "detail": error.detail,
        }

    # -- answers ------------------------------------------------------------------------------

    def show(self, template: str, status: int = 200, **context: Any) -> Response:
        """A page."""
        return page(
            self.site.renderer.render(template, self.language, **self._frame(), **context),
            status,
            self.cookies,
        )

    def go(self, path: str, notice: str = "", kind: str = "good", **values: Any) -> Response:
        """To another page, which says ``notice``, a key of the catalogue, once."""
        if notice and self.session is not None:
            self.session.notice = (notice, {"kind": kind, "values": values})
        return see_other(path, self.cookies)

    def sign_in(self) -> None:
        """From now on this browser has a session, with an id that nobody knew before."""
        self.session = self.keeper.sessions.open()
        self.cookies = [session_cookie(self.site.session_name, self.session.session_id, False)]

    def _frame(self) -> dict[str, Any]:
        """What the layout takes."""
        path = self.request.url.path
        is_in = self.session is not None and self.keeper.state == "open"
        links = [
            {
                "href": href,
                "text": self.say(key),
                "is_current": path == href or (href != "/" and path.startswith(href + "/")),
            }
            for href, key in LINKS
        ]
        notice = self.session.take_notice() if self.session is not None else None
        return {
            "product": self.say("shop.name"),
            "home": "/",
            "links": links if is_in else [],
            "who": self._who() if is_in else "",
            "csrf": self.csrf,
            "leave_path": "/lock" if is_in else "",
            "leave_text": self.say("nav.lock"),
            "back": path if self.request.method == "GET" else BACK_FROM.get(path, "/"),
            "footer": self.say("shop.footer"),
            "said": self._said(notice),
            "state_kinds": STATE_KINDS,
        }

    def _who(self) -> str:
        identity = self.shop.identity()
        if identity is None:
            return self.say("shop.nobody")
        return self.say("shop.who", optician_id=identity.optician_id)

    def _said(self, notice: tuple[str, dict[str, Any]] | None) -> dict[str, str] | None:
        if notice is None:
            return None
        key, more = notice
        return {"kind": more["kind"], "text": self.say(key, **more["values"])}

    def state_text(self, state: str) -> str:
        """The state of a claim in words; a newer service may have one that is not known here."""
        key = f"state.{state}"
        return self.say(key) if key in self.site.renderer.catalogue else state


BACK_FROM: Final[Mapping[str, str]] = {"/new": "/new", "/unlock": "/lock", "/setup": "/setup"}
"""Where the switch of languages returns from a page that answers a POST."""

Handler = Callable[[Visit], Response]


def sentence(text: str) -> str:
    """The words of `optician.messages` begin small, as after a colon; alone they are a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def next_text(visit: Visit, record: ClaimRecord) -> str:
    """What the optician does next about a claim, "" if nothing."""
    titles = record.next_step
    if record.problem is not None and not (titles and record.problem.is_passing):
        titles = record.problem.titles  # what has to be mended says it more closely
    return "" if titles is None else sentence(visit.typeset(titles[visit.language]))
