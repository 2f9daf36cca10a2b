"""What browsers are told with a page, where they may be sent, and the files beside pages."""

from __future__ import annotations

from pathlib import Path

import pytest

import pages
from pages.answers import ASSETS, PAGE_HEADERS, asset, is_local_path, page, see_other
from tests.support.requests import request_of


def test_a_page_allows_itself_alone() -> None:
    answer = page("<p>é", 418, ["a=b; Path=/", "c=d; Path=/"])
    assert answer.status_code == 418
    assert bytes(answer.body) == "<p>é".encode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers.getlist("set-cookie") == ["a=b; Path=/", "c=d; Path=/"]


def test_a_redirection_is_a_page_too() -> None:
    answer = see_other("/claims?state=granted", ["a=b; Path=/"])
    assert (answer.status_code, bytes(answer.body)) == (303, b"")
    assert answer.headers["location"] == "/claims?state=granted"
    assert answer.headers.getlist("set-cookie") == ["a=b; Path=/"]
    for name, value in PAGE_HEADERS.items():
        assert answer.headers[name] == value


ELSEWHERE = (
    *("", "claims", "//host/", "/\\host", "https://host/", "/a b", "/a\r\nb", "/\t/host"),
    *("javascript:alert(1)", "/é", "/<b>", '/"'),
)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_nobody_is_sent_to_another_host(path: str) -> None:
    assert not is_local_path(path)
    with pytest.raises(ValueError, match="path of this host"):
        see_other(path)


@pytest.mark.parametrize("path", ["/", "/claims/4f1a", "/claims?a=b&c=%2F%2Fhost#one"])
def test_a_path_of_ours(path: str) -> None:
    assert is_local_path(path)


@pytest.mark.parametrize("name", ASSETS)
def test_every_file_is_given_and_known_again(name: str) -> None:
    answer = asset(name, request_of())
    assert answer is not None
    assert answer.status_code == 200
    file = Path(pages.__file__).with_name("static") / name
    assert bytes(answer.body) == file.read_bytes()
    assert answer.headers["content-type"] == ASSETS[name]
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    tag = answer.headers["etag"]
    again = asset(name, request_of([("if-none-match", f'"other", {tag}')]))
    assert again is not None
    assert (again.status_code, bytes(again.body)) == (304, b"")
    assert again.headers["etag"] == tag
    changed = asset(name, request_of([("if-none-match", '"other"')]))
    assert changed is not None
    assert changed.status_code == 200


@pytest.mark.parametrize("name", ["", "other.css", "../catalogue.py", "/etc/passwd", "STYLE.CSS"])
def test_no_other_file_is_given(name: str) -> None:
    assert asset(name, request_of()) is None


def test_the_list_has_every_file_that_there_is() -> None:
    folder = Path(pages.__file__).with_name("static")
    assert {path.name for path in folder.iterdir()} == set(ASSETS)
