"""Every part of a page in a real browser: it fits, it can be used by all, and the script helps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Route as PageRoute
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pages.answers import asset, page
from pages.catalogue import LANGUAGES, Language
from tests.browser.conftest import OpenTab
from tests.support.browsing import NARROW, WIDE, Width
from tests.support.gallery.making import make_gallery
from tests.support.serving import served


async def show(request: Request) -> Response:
    language: Language = "fr" if request.query_params.get("language") == "fr" else "en"
    return page(make_gallery(language))


async def file(request: Request) -> Response:
    return asset(request.path_params["name"], request) or Response(status_code=404)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    routes = [
        Route("/gallery", show, methods=["GET", "POST"]),
        Route("/assets/{name}", file),
    ]
    with served(Starlette(routes=routes)) as url:
        yield url


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_it_fits_and_everyone_can_use_it(
    tabs: OpenTab, site: str, language: Language, width: Width
) -> None:
    tab = tabs(site, width=width)
    tab.go(f"/gallery?language={language}")
    tab.page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    tab.assert_it_fits()
    assert tab.accessibility_faults() == []


def test_the_link_past_the_navigation_comes_first(tabs: OpenTab, site: str) -> None:
    tab = tabs(site)
    tab.page.route("**/page.js", without)  # which would go to the mistakes first
    tab.go("/gallery")
    tab.page.keyboard.press("Tab")
    link = tab.page.locator(":focus")
    assert link.get_attribute("href") == "#content"
    assert link.is_visible()
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "content"


def test_mistakes_are_reached_first(tabs: OpenTab, site: str) -> None:
    tab = tabs(site)
    tab.go("/gallery")
    assert tab.page.locator(":focus").get_attribute("role") == "alert"
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "price"


def test_a_form_is_sent_once(tabs: OpenTab, site: str) -> None:
    tab = tabs(site)
    tab.go("/gallery")
    sent: list[str] = []
    tab.page.on("request", lambda request: sent.append(request.method))
    with tab.page.expect_navigation():
        tab.page.evaluate("""() => {
            const button = document.querySelector("#sale button");
            button.click();
            button.click();
        }""")
    assert sent.count("POST") == 1
    with tab.page.expect_navigation():
        tab.page.locator("#sale button").first.click()
    assert sent.count("POST") == 2


def test_an_identifier_is_copied(tabs: OpenTab, site: str) -> None:
    tab = tabs(site)
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.go("/gallery")
    tab.page.locator("details.more summary").click()
    button = tab.page.locator("button[data-copy]")
    button.click()
    tab.page.get_by_text("Copied").wait_for()
    assert tab.page.evaluate("navigator.clipboard.readText()") == button.get_attribute("data-copy")


def without(route: PageRoute) -> None:
    """In place of the script: nothing."""
    route.fulfill(body="", content_type="text/javascript")


def test_without_the_script_nothing_is_missing(tabs: OpenTab, site: str) -> None:
    tab = tabs(site)
    tab.page.route("**/page.js", without)
    tab.go("/gallery")
    with tab.page.expect_navigation():
        tab.page.locator("#sale button").first.click()
    assert tab.path == "/gallery"
