"""Who may call a page: each refusal beside the request that it changes, which is let through."""

from __future__ import annotations

import pytest

from pages.catalogue import LANGUAGES, own_catalogue
from pages.forms import decode_form
from pages.guard import (
    REFUSALS,
    Refused,
    csrf_token,
    forget_cookie,
    is_csrf_token,
    require_csrf,
    require_host,
    require_same_origin,
    session_cookie,
)
from tests.support.requests import request_of

HOSTS = {"127.0.0.1:8767", "localhost:8767"}
ORIGINS = {"http://127.0.0.1:8767", "http://localhost:8767"}
KEY = bytes(range(32))


@pytest.mark.parametrize("host", ["127.0.0.1:8767", "localhost:8767", "LOCALHOST:8767"])
def test_the_host_that_was_meant(host: str) -> None:
    require_host(request_of([("host", host)]), HOSTS)


@pytest.mark.parametrize("hosts", [
    [], ["evil.example"], ["evil.example:8767"], ["127.0.0.1"], ["127.0.0.1:8768"],
    ["127.0.0.1:8767", "127.0.0.1:8767"], ["127.0.0.1:8767, evil.example"], [""],
    ["127.0.0.1:8767.evil.example"], ["2130706433:8767"], ["[::1]:8767"], ["localhost.:8767"],
])  # fmt: skip
def test_another_host_is_refused(hosts: list[str]) -> None:
    with pytest.raises(Refused) as caught:
        require_host(request_of([("host", host) for host in hosts]), HOSTS)
    assert (caught.value.code, caught.value.status) == ("host_foreign", 421)


@pytest.mark.parametrize("headers", [
    [("origin", "http://127.0.0.1:8767")],
    [("origin", "http://localhost:8767"), ("sec-fetch-site", "same-origin")],
    [("sec-fetch-site", "same-origin")],
    [("sec-fetch-site", "none")],
])  # fmt: skip
def test_a_form_of_ours(headers: list[tuple[str, str]]) -> None:
    require_same_origin(request_of(headers, "POST"), ORIGINS)


@pytest.mark.parametrize(("headers", "code"), [
    ([], "origin_missing"),
    ([("origin", "null")], "origin_foreign"),
    ([("origin", "")], "origin_foreign"),
    ([("origin", "https://evil.example")], "origin_foreign"),
    ([("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], "origin_foreign"),
    ([("origin", "https://127.0.0.1:8767")], "origin_foreign"),
    ([("origin", "http://127.0.0.1:8768")], "origin_foreign"),
    ([("origin", "http://127.0.0.1")], "origin_foreign"),
    ([("origin", "http://127.0.0.1:8767"), ("origin", "https://evil.example")], "origin_foreign"),
    ([("sec-fetch-site", "same-site")], "origin_foreign"),
    ([("sec-fetch-site", "cross-site")], "origin_foreign"),
    ([("sec-fetch-site", "none"), ("sec-fetch-site", "none")], "origin_foreign"),
])  # fmt: skip
def test_a_form_of_another_site_is_refused(headers: list[tuple[str, str]], code: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        with pytest.raises(Refused) as caught:
            require_same_origin(request_of(headers, method), ORIGINS)
        assert (caught.value.code, caught.value.status) == (code, 403)


def test_reading_may_come_by_a_link_but_not_from_a_foreign_script() -> None:
    for headers in ([], [("sec-fetch-site", "cross-site")], [("origin", "http://localhost:8767")]):
        require_same_origin(request_of(headers, "GET"), ORIGINS)
    with pytest.raises(Refused):
        require_same_origin(request_of([("origin", "https://evil.example")], "GET"), ORIGINS)


def test_a_token_is_of_one_key_and_one_session() -> None:
    token = csrf_token(KEY, "session")
    assert len(token) == 43
    assert is_csrf_token(KEY, "session", token)
    assert csrf_token(KEY, "session") == token
    assert not is_csrf_token(KEY, "other", token)
    assert not is_csrf_token(KEY[::-1], "session", token)
    for wrong in ("", token[:-1], token + "A", token.swapcase(), "é"):
        assert not is_csrf_token(KEY, "session", wrong)


def test_a_form_carries_the_token() -> None:
    token = csrf_token(KEY, "session")
    require_csrf(KEY, "session", decode_form(f"csrf={token}&a=1".encode()))
    for body in ("a=1", "csrf=", f"csrf={token}x", f"csrf={token}&csrf={token}",
                 f"csrf={csrf_token(KEY, 'other')}", "csrf=" + "x" * 100):  # fmt: skip
        with pytest.raises(Refused) as caught:
            require_csrf(KEY, "session", decode_form(body.encode()))
        assert caught.value.code == "csrf_invalid"


def test_a_cookie_that_no_script_reads_and_no_other_site_sends() -> None:
    assert session_cookie("shop-8767", "a-B_9", False) == (
        "shop-8767=a-B_9; Path=/; HttpOnly; SameSite=Strict"
    )
    assert session_cookie("s", "v", True, 60, "/pages/") == (
        "s=v; Path=/pages/; HttpOnly; SameSite=Strict; Max-Age=60; Secure"
    )
    assert forget_cookie("s", True) == (
        "s=none; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure"
    )


@pytest.mark.parametrize(("name", "value"), [
    ("s", "a;b"), ("s", "a b"), ("s", "a\r\nb"), ("s", "é"), ("s", ""), ("a=b", "c"), ("", "c"),
])  # fmt: skip
def test_what_is_no_cookie_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="cookie"):
        session_cookie(name, value, True)


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_has_words_in_both_languages(code: str) -> None:
    assert len({Refused(code).words(language) for language in LANGUAGES}) == 2


def test_every_text_of_refusals_is_of_one() -> None:
    keys = own_catalogue().keys()
    known = {key.rpartition(".")[2] for key in keys if ".refused." in key}
    assert known == {*REFUSALS, "title"}
