"""The language of a page: chosen, else the browser's, else French."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import pytest

from pages.forms import MEDIA_TYPE, FormError
from pages.language import choose_language, language_cookie, language_of, preferred
from tests.support.requests import request_of


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ([], "fr"),
        ([("cookie", "lang=en")], "en"),
        ([("cookie", "a=b; lang=fr"), ("accept-language", "en")], "fr"),
        ([("cookie", "lang=de"), ("accept-language", "en-GB")], "en"),
        ([("accept-language", "de")], "fr"),
    ],
)
def test_what_was_chosen_comes_first(headers: list[tuple[str, str]], language: str) -> None:
    assert language_of(request_of(headers)) == language


def test_the_default_is_the_callers() -> None:
    assert language_of(request_of(), "en") == "en"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "fr"),
        ("en", "en"),
        ("EN-us", "en"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("en;q=0.5, fr;q=0.7", "fr"),
        ("de, en;q=0.3, fr;q=0.2", "en"),
        ("en;q=0", "fr"),
        ("en;q=nan", "fr"),
        ("en;q=2", "fr"),
        ("en;q=x", "fr"),
        ("*", "fr"),
        ("english", "fr"),
        (",;,;q=,", "fr"),
        ("de," * 30 + "en", "fr"),
    ],
)
def test_the_browsers_preference(header: str, language: str) -> None:
    assert preferred(header) == language


def test_the_choice_is_kept_for_a_year() -> None:
    cookie = language_cookie("en", True, "/pages/")
    assert cookie == ("lang=en; Path=/pages/; HttpOnly; SameSite=Strict; Max-Age=31536000; Secure")


def choose(**fields: str) -> tuple[int, str, str]:
    request = request_of([("content-type", MEDIA_TYPE)], "POST", [urlencode(fields).encode()])
    answer = asyncio.run(choose_language(request, "/pages/", False))
    return answer.status_code, answer.headers["location"], answer.headers["set-cookie"]


@pytest.mark.parametrize("back", ["/pages/", "/pages/claims?state=granted"])
def test_the_switch_goes_back_to_the_page(back: str) -> None:
    assert choose(language="en", back=back) == (303, back, language_cookie("en", False, "/pages/"))


@pytest.mark.parametrize("back", [
    "", "/", "/v1/claims", "//evil.example/pages/", "https://evil.example/", "/pages/a b",
    "/pages/\r\nx", "/pages/" + "x" * 3000, "/pages\\",
])  # fmt: skip
def test_the_switch_leads_nowhere_else(back: str) -> None:
    assert choose(language="fr", back=back)[1] == "/pages/"


@pytest.mark.parametrize("fields", [{}, {"language": "de"}, {"language": ""}])
def test_a_language_that_we_do_not_speak_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(FormError):
        choose(**fields)
