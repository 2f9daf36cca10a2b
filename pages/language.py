"""Which language a page speaks: the one that was chosen, else the browser's, else a default."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from pages.answers import is_local_path, see_other
from pages.catalogue import LANGUAGES, Language
from pages.forms import FormError, read_form
from pages.guard import session_cookie

COOKIE: Final = "lang"
COOKIE_SECONDS: Final = 365 * 24 * 3600
MAX_PREFERENCES: Final = 20


def language_of(request: Request, default: Language = "fr") -> Language:
    """The cookie's, else the first of Accept-Language that we speak, else ``default``."""
    chosen = request.cookies.get(COOKIE, "")
    for language in LANGUAGES:
        if chosen == language:
            return language
    return preferred(request.headers.get("accept-language", ""), default)


def preferred(header: str, default: Language = "fr") -> Language:
    """The best of our languages for a value of Accept-Language (RFC 9110, section 12.5.4)."""
    best, weight = default, 0.0
    for part in header.split(",")[:MAX_PREFERENCES]:
        tag, _, parameter = part.partition(";")
        for language in LANGUAGES:
            if tag.strip().lower().split("-")[0] == language and _quality(parameter) > weight:
                best, weight = language, _quality(parameter)
    return best


def language_cookie(language: Language, is_secure: bool, path: str = "/") -> str:
    """The value of Set-Cookie that keeps a choice for a year."""
    return session_cookie(COOKIE, language, is_secure, COOKIE_SECONDS, path)


async def choose_language(request: Request, base: str, is_secure: bool) -> Response:
    """Answers the POST of the switch: keeps the language, and goes back to the page.

    The fields are ``language`` and ``back``, a path under ``base``; another leads to ``base``. The
    caller has checked host and origin; there is no more to protect. Raises `FormError`.
    """
    form = await read_form(request, 4096)
    chosen = form.choice("language", LANGUAGES)
    try:
        back = form.text("back", 2000, base)
    except FormError:
        back = base
    if not (is_local_path(back) and back.startswith(base)):
        back = base
    (language,) = (known for known in LANGUAGES if known == chosen)
    return see_other(back, [language_cookie(language, is_secure, base)])


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
