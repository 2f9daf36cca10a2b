"""Every page of both sides, reached by its links, over the demonstration's data: in both languages,
wide and narrow, with what axe-core says; and the pictures of the README."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from demo.dataset import CLAIMS, INSURER_ID, PASSPHRASE, SHARE, DataSet, build
from optician.agent.shop import Shop
from optician.vault import Passphrase, ScryptCost, Vault
from optician.web.app import make_agent
from optician.web.keeper import Keeper
from pages.catalogue import LANGUAGES, Language
from tests.browser.conftest import OpenTab
from tests.support.browsing import NARROW, SCREENSHOTS, WIDE, Tab, Width, take_picture
from tests.support.crawling import crawl
from tests.support.serving import address_of, free_port, served
from tests.support.storefront import fill_in
from verifier_api.settings import load_settings
from verifier_api.web.app import make_app, make_service
from verifier_api.web.metrics import Metrics

FEW = ScryptCost(n=2**10)

INSURER_PAGES = {
    "/pages/",
    "/pages/?days",
    "/pages/claims",
    "/pages/claims/*",
    "/pages/claims?state",
    "/pages/refusals",
    "/pages/attestations",
    "/pages/audits",
    "/pages/audits?state",
    "/pages/opticians",
    "/pages/contracts",
    "/pages/contracts/*",
    "/pages/tables",
    "/pages/tables/*",
    "/pages/tables/*/*",
}
SHOP_PAGES = {
    "/",
    "/new",
    "/new?kind",
    "/queue",
    "/claims",
    "/claims?state",
    "/claims/*",
    "/attestations",
    "/audits",
    "/audits/*",
    "/settings",
}


@dataclass(frozen=True)
class Sites:
    """Both sides' pages over one set of data."""

    made: DataSet
    insurer: str
    shop: str

    def enter(self, tab: Tab) -> None:
        """Log in on whichever side the tab is."""
        is_insurer = tab.url == self.insurer
        tab.go("/pages/login" if is_insurer else "/lock")
        secret = self.made.tokens["admin"] if is_insurer else PASSPHRASE
        tab.page.locator(f"[name={'token' if is_insurer else 'passphrase'}]").fill(secret)
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_url(f"{tab.url}/pages/" if is_insurer else f"{tab.url}/")


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """The whole set for pictures, a small one for the tests alone."""
    folder = tmp_path_factory.mktemp("data")
    number, share = (CLAIMS, SHARE) if os.environ.get(SCREENSHOTS) else (40, 6)
    # In a thread: the browser keeps an event loop in this one.
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(build, folder / "made", claims=number, share=share, scrypt=FEW).result()
    settings = load_settings(data_dir=made.data_dir, trust=made.trust, workers=1)
    metrics = Metrics()
    with ExitStack() as stack:
        app = make_app(make_service(settings, metrics), settings, metrics)
        insurer = stack.enter_context(served(app))
        with Vault.open(made.vault, Passphrase(PASSPHRASE)) as vault:
            Shop(vault).put_insurer(INSURER_ID, url=insurer)
        keeper = Keeper(made.vault, source=Passphrase(PASSPHRASE))
        opened = free_port()
        agent = make_agent(keeper, int(address_of(opened).rpartition(":")[2]))
        yield Sites(made, insurer, stack.enter_context(served(agent, opened)))


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("side", ["insurer", "shop"])
def test_every_page_fits_and_everyone_can_use_it(
    tabs: OpenTab, sites: Sites, side: str, width: Width
) -> None:
    """Wide in English and narrow in French; then each kind of page once the other way round."""
    languages: dict[int, tuple[Language, Language]] = {WIDE: ("en", "fr"), NARROW: ("fr", "en")}
    language, other = languages[width]
    tab: Tab = tabs(getattr(sites, side), width=width, language=language)
    again: Tab = tabs(getattr(sites, side), width=width, language=other)
    start = {"insurer": "/pages/login", "shop": "/lock"}[side]
    tab.go(start)
    faults = tab.accessibility_faults()
    tab.assert_it_fits()
    for one in (tab, again):
        sites.enter(one)
    kinds = set()
    is_wide = width == WIDE
    samples = 2 if is_wide else 1
    begin = {"insurer": "/pages/", "shop": "/"}[side]
    for kind in crawl(tab, begin, samples, has_queries=is_wide):
        assert tab.page.locator("main h1").count() == 1, tab.path
        tab.assert_it_fits()
        if kind in kinds:
            continue
        kinds.add(kind)
        if "?" in kind:  # the same page with other data
            continue
        faults += tab.accessibility_faults()
        again.go(tab.path)
        again.assert_it_fits()
        assert again.page.locator("html").get_attribute("lang") == other
    assert faults == []
    expected = {"insurer": INSURER_PAGES, "shop": SHOP_PAGES}[side]
    assert kinds >= {kind for kind in expected if is_wide or "?" not in kind}


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_pages_behind_the_form_as_well(tabs: OpenTab, sites: Sites, width: Width) -> None:
    """No link leads to them: mistakes, what the insurer will see, and what became of it."""
    language: Language = "en" if width == WIDE else "fr"
    tab: Tab = tabs(sites.shop, width=width, language=language)
    tab.expected |= {403, 422}
    tab.go("/lock")
    tab.page.locator("[name=passphrase]").fill("something else")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/unlock")
    faults = tab.accessibility_faults()
    sites.enter(tab)
    if width == WIDE:
        take_picture(tab, "shop-overview", 900)
    tab.go("/new")
    tab.page.locator("form#sale button[type=submit]").click()
    tab.page.wait_for_selector("[aria-invalid]")
    tab.assert_it_fits()
    faults += tab.accessibility_faults()
    tab.go("/new")
    person = sites.made.beneficiaries[LANGUAGES.index(language)]
    fill_in(tab, person, f"{INSURER_ID}/responsable-demo")
    tab.assert_it_fits()
    faults += tab.accessibility_faults()
    narrow = "" if width == WIDE else "-narrow"
    take_picture(tab, f"shop-before-sending{narrow}", 1_600)
    tab.page.locator("form[action='/new/send'] button").click()
    tab.page.wait_for_url("**/claims/*")
    tab.assert_it_fits()
    faults += tab.accessibility_faults()
    assert faults == []


def test_pictures_of_the_insurers_pages(tabs: OpenTab, sites: Sites) -> None:
    """They show what a reader of the README should see: charts, and a refusal with its step."""
    tab: Tab = tabs(sites.insurer)
    sites.enter(tab)
    assert tab.page.locator("main svg[role=img]").count() >= 4
    take_picture(tab, "insurer-overview")
    tab.go("/pages/claims?reason=proof_invalid")
    if tab.page.locator("main tbody a.code").count() == 0:  # in the small set
        tab.go("/pages/claims?verdict=refused")
    tab.page.locator("main tbody a.code").first.click()
    tab.page.wait_for_url("**/pages/claims/*")
    take_picture(tab, "insurer-claim", 1_720)
