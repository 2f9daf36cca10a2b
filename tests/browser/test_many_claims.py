"""The insurer's pages over 100,000 claims: each is there in a moment, and the last one is found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.browser.conftest import OpenTab
from tests.support import claims as samples
from tests.support import crowd, records
from tests.support.attesting import rule
from tests.support.browsing import Tab
from tests.support.serving import served
from tests.support.storefront import Office
from tests.support.web import Insurer
from verifier_api.store.database import Database
from verifier_api.web.pages.queries import PER_PAGE

CLAIMS = 100_000
MOST_MS = 1_000
"""Of the server's time for a page that nobody has asked for before. Alone on a machine the slowest
takes about a tenth; the tests share two cores."""


@dataclass(frozen=True)
class Crowd:
    """The insurer, and the claims that he has, oldest first."""

    office: Office
    claim_ids: list[str]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    contract = records.contract(attestations=(rule("VM4", within_days=20),))
    insurer = Insurer(tmp_path_factory.mktemp("many"), of_contract=contract)
    database = Database(insurer.settings.database_url())
    claim_ids = crowd.fill(database, CLAIMS, samples.NOW, contract=contract)
    database.dispose()
    try:
        with served(insurer.app) as url:
            yield Crowd(Office(insurer, url), claim_ids)
    finally:
        insurer.file.unlink()  # 600 MB, which pytest would keep for three runs


@pytest.fixture
def tab(tabs: OpenTab, many: Crowd) -> Tab:
    opened: Tab = tabs(many.office.url)
    many.office.log_in(opened)
    return opened


def server_ms(tab: Tab, path: str) -> float:
    """From the request to the first byte of the answer."""
    answer = tab.go(path)
    assert answer.status == 200, path
    timing = answer.request.timing
    return float(timing["responseStart"] - timing["requestStart"])


def test_every_page_is_quick(tab: Tab, many: Crowd, capsys: pytest.CaptureFixture[str]) -> None:
    oldest, newest = many.claim_ids[0], many.claim_ids[-1]
    paths = [
        "/pages/?days=365",
        "/pages/?days=7",
        "/pages/claims",
        "/pages/claims?verdict=refused",
        "/pages/claims?state=payable&optician=optician-003",
        f"/pages/claims?claim={oldest[6:14]}",
        "/pages/claims?class=VM4",
        f"/pages/claims/{oldest}",
        f"/pages/claims/{newest}",
        "/pages/refusals",
        "/pages/attestations",
        "/pages/audits",
        "/pages/opticians",
        "/pages/contracts",
        "/pages/tables",
    ]
    took = {path: server_ms(tab, path) for path in paths}
    with capsys.disabled():
        lines = [f"  {milliseconds:7.1f} ms  {path}\n" for path, milliseconds in took.items()]
        sys.stdout.write("".join(["\n", *lines]))
    assert {path: ms for path, ms in took.items() if ms > MOST_MS} == {}


def test_one_claim_of_all_is_found(tab: Tab, many: Crowd) -> None:
    """From the list, by a part of its name, to its page."""
    wanted = many.claim_ids[len(many.claim_ids) // 2]
    tab.go("/pages/claims")
    tab.page.locator("[name=claim]").fill(wanted.rpartition("-")[2])
    tab.page.locator("[name=claim]").press("Enter")
    link = tab.page.locator(f"main a[href='/pages/claims/{wanted}']")
    link.click()
    tab.page.wait_for_url(f"**/pages/claims/{wanted}")
    assert wanted in tab.text
    tab.assert_it_fits()


def test_the_list_goes_on_page_after_page(tab: Tab, many: Crowd) -> None:
    tab.go("/pages/claims")
    listed: list[str] = []
    for _ in range(3):
        shown = tab.page.locator("main tbody a[href^='/pages/claims/']").evaluate_all(
            "links => links.map(link => link.href.split('/').pop())"
        )
        listed += shown
        tab.page.locator("nav.pager a").last.click()
        tab.page.wait_for_function(
            "first => !document.querySelector(`main tbody a[href$='${first}']`)", arg=shown[0]
        )
    assert listed == many.claim_ids[::-1][: len(listed)]
    assert len(listed) == 3 * PER_PAGE
