"""The tabs notice what they watch for: each fault is brought about once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.browser.conftest import OpenTab
from tests.support.browsing import NARROW, Tab, open_tab
from tests.support.serving import served

HEAD = "<!doctype html><html lang=en><head><title>A page</title>"
GOOD = f"{HEAD}</head><body><main><h1>A page</h1><p>A line.</p></main></body></html>"
PAGES = {
    "/good": GOOD,
    "/host": GOOD.replace("<p>", "<img alt=there src=http://pictures.example/one.png><p>"),
    "/error": GOOD.replace("</head>", "<script src=/script></script></head>"),
    "/inline": GOOD.replace("</head>", "<script>document.title = 'changed'</script></head>"),
    "/style": GOOD.replace("<p>", "<p style='color: red'>"),
    "/wide": GOOD.replace("<p>", "<pre>" + 40 * "a-long-line " + "</pre><p>"),
    "/pale": GOOD.replace("</head>", "<link rel=stylesheet href=/sheet></head>"),
    "/unlabelled": GOOD.replace("<p>", "<form><input name=one></form><p>"),
    "/wordless": GOOD.replace("<html lang=en>", "<html>"),
}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src *"


async def page(request: Request) -> Response:
    path = request.url.path
    if path == "/favicon.ico":
        return Response(status_code=204)
    headers = {"Content-Security-Policy": POLICY}
    if path == "/script":
        return Response("throw new Error('on purpose')", media_type="text/javascript")
    if path == "/sheet":
        return Response("p { color: #bbb }", media_type="text/css")
    if path == "/fault":
        return Response(GOOD, 500, headers, "text/html")
    if path not in PAGES:
        return Response(GOOD, 404, headers, "text/html")
    return Response(PAGES[path], 200, headers, "text/html")


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served(Starlette(routes=[Route("/{path:path}", page)])) as url:
        yield url


@pytest.fixture
def careless(browser: Browser, site: str) -> Iterator[Tab]:
    """A tab whose faults the test looks at itself."""
    tab = open_tab(browser, site)
    yield tab
    tab.page.context.close()


def test_a_page_in_order_has_no_fault(tabs: OpenTab, site: str) -> None:
    tab = tabs(site, width=NARROW)
    tab.go("/good")
    assert tab.text == "A page\n\nA line."
    tab.assert_it_fits()
    assert tab.accessibility_faults() == []
    tab.check()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/host", "asked another host: GET http://pictures.example/one.png"),
        ("/error", "script: on purpose"),
        ("/inline", "content security policy: script-src-elem against inline"),
        ("/style", "content security policy: style-src-attr against inline"),
        ("/fault", "500 for GET"),
        ("/missing", "404 for GET"),
    ],
)
def test_each_fault_of_a_page_is_noticed(careless: Tab, path: str, told: str) -> None:
    careless.go(path)
    for _ in range(100):
        if any(told in fault for fault in careless.faults):
            break
        careless.page.wait_for_timeout(20)  # events may come after the page
    assert any(told in fault for fault in careless.faults), careless.faults
    with pytest.raises(AssertionError):
        careless.check()


def test_a_status_that_is_expected_is_no_fault(careless: Tab) -> None:
    careless.expected.add(404)
    assert careless.go("/missing").status == 404
    careless.check()
    careless.go("/fault")
    with pytest.raises(AssertionError, match="500"):
        careless.check()


def test_a_page_that_is_too_wide_is_noticed(careless: Tab) -> None:
    careless.go("/good")
    careless.assert_it_fits()
    careless.resize(NARROW)
    careless.go("/wide")
    with pytest.raises(AssertionError, match=r"/wide: \d+ px wide in 390 px: PRE"):
        careless.assert_it_fits()


@pytest.mark.parametrize(
    ("path", "rule"),
    [("/pale", "color-contrast"), ("/unlabelled", "label"), ("/wordless", "html-has-lang")],
)
def test_axe_sees_what_somebody_cannot(careless: Tab, path: str, rule: str) -> None:
    careless.go(path)
    assert [fault for fault in careless.accessibility_faults() if f"{path}: {rule} (" in fault]
