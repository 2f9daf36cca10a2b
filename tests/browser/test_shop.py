"""The shop's page, as an optician uses it: from a correction to a granted claim, and what else
happens at the counter. The insurer is a real service with a real worker."""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from optician.web.app import make_agent
from optician.web.keeper import Keeper
from pages.catalogue import Catalogue, Language
from tests.browser.conftest import OpenTab
from tests.support import audits
from tests.support import claims as samples
from tests.support.browsing import NARROW, REBOUND, Tab
from tests.support.serving import address_of, free_port, other_site, served
from tests.support.storefront import (
    FRAME_PRICE,
    LENS_PRICE,
    PASSPHRASE,
    PROGRESSIVE,
    QUICK,
    Clock,
    Office,
    Storefront,
    fill_in,
    office,
    storefront,
)

WORDS = Catalogue.load("optician.web")


def say(key: str, language: Language = "en", **values: object) -> str:
    return WORDS.say(key, language, **values)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def insurer(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("insurer"), clock) as opened:
        yield opened


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, insurer: Office, clock: Clock
) -> Iterator[Storefront]:
    with storefront(tmp_path_factory.mktemp("shop"), insurer, clock) as opened:
        yield opened


@pytest.fixture
def person(insurer: Office) -> str:
    """Somebody who is insured and has claimed nothing yet."""
    return insurer.insure(secrets.token_urlsafe(16))


def press_button(tab: Tab, name: str) -> None:
    tab.page.get_by_role("main").get_by_role("button", name=name, exact=True).click()


def claim(tab: Tab, person: str, language: Language = "en") -> str:
    """A claim from form to sending; its claim_id."""
    tab.go("/new")
    fill_in(tab, person)
    press_button(tab, say("check.send", language))
    tab.page.wait_for_url("**/claims/*")
    return tab.path.rpartition("/")[2]


def recorded(insurer: Office) -> int:
    """How many claims the insurer has."""
    with closing(sqlite3.connect(insurer.insurer.file)) as connection:
        return int(connection.execute("SELECT count(*) FROM claims").fetchone()[0])


# -- claims -------------------------------------------------------------------------------------


def test_a_claim_from_its_correction_to_granted(
    tabs: OpenTab, shop: Storefront, insurer: Office, person: str
) -> None:
    tab = tabs(shop.url)
    shop.unlock(tab)
    before = recorded(insurer)
    tab.page.get_by_role("link", name=say("nav.new")).first.click()
    fill_in(tab, person)

    # Side by side, before anything is sent: the pair's level and the amounts there; the classes of
    # its lenses, codes, prices and corrections here.
    sees, stays = tab.page.locator(".open-side"), tab.page.locator(".closed-side")
    for told in ("M03", "€100.00", samples.contract().contract_id, person):
        expect(sees).to_contain_text(told)
    code = re.search(r"\b[27]\d{6}\b", stays.inner_text())
    assert code
    for kept in ("VM2", code[0], "219.50", "\N{MINUS SIGN}2.25"):
        expect(stays).to_contain_text(kept)
        expect(sees).not_to_contain_text(kept)
    expect(tab.page.get_by_role("main")).to_contain_text(re.compile(r"\d+ possible corrections"))
    assert recorded(insurer) == before

    press_button(tab, say("check.send"))
    tab.page.wait_for_url("**/claims/*")
    expect(tab.page.get_by_role("main")).to_contain_text(say("state.granted"))
    claim_id = tab.path.rpartition("/")[2]
    assert recorded(insurer) == before + 1

    # The claims handler sees the same claim, every step passed, and nothing of what stayed.
    handler = tabs(insurer.url)
    insurer.log_in(handler)
    handler.go(f"/pages/claims/{claim_id}")
    assert "M03" in handler.text
    everything = handler.page.content()
    for kept in ("VM2", code[0], "219.50", "219,50", "-2.25", "\N{MINUS SIGN}2.25"):
        assert kept not in everything


def test_a_refusal_is_understood(
    tabs: OpenTab, shop: Storefront, insurer: Office, person: str
) -> None:
    tab = tabs(shop.url)
    shop.unlock(tab)
    claim(tab, person)
    expect(tab.page.get_by_role("main")).to_contain_text(say("state.granted"))
    refused = claim(tab, person)
    main = tab.page.get_by_role("main")
    expect(main).to_contain_text(say("state.refused"))
    expect(main).to_contain_text("renewal")  # the reason in words, not its name alone
    assert tab.page.locator("main .notice.bad p").count() >= 2  # and what to do now
    # The overview brings it back until something is done, and the insurer tells the same.
    tab.go("/")
    assert tab.page.locator(f"main a[href='/claims/{refused}']").count() >= 1
    handler = tabs(insurer.url, language="fr")
    insurer.log_in(handler)
    handler.go("/pages/refusals")
    assert "renouvellement" in handler.text


def test_by_codes_and_on_to_the_invoice(
    tabs: OpenTab, shop: Storefront, insurer: Office, person: str
) -> None:
    """Codes as a scanner or a catalogue writes them; a granted claim becomes payable."""
    tab: Tab = tabs(shop.url)
    shop.unlock(tab)
    tab.go("/new")
    page = tab.page
    lens, frame = (str(samples.row_of(name).code) for name in ("VM4", "M03"))
    page.locator("#beneficiary").fill(person)
    for eye in ("right", "left"):
        page.locator(f"#{eye}_code").fill(f" {lens[:4]} {lens[4:]} ")
        page.locator(f"#{eye}_price").fill(LENS_PRICE)
    page.locator("#frame_code").fill(frame)
    page.locator("#frame_price").fill(FRAME_PRICE)
    press_button(tab, say("sale.check"))
    page.wait_for_url("**/new/check")
    expect(page.locator(".closed-side")).to_contain_text(lens)
    press_button(tab, say("check.send"))
    page.wait_for_url("**/claims/*")
    main = page.get_by_role("main")
    expect(main).to_contain_text(say("state.granted"))
    claim_id = tab.path.rpartition("/")[2]
    press_button(tab, say("claim.send_invoice"))
    expect(main).to_contain_text(say("state.payable"))
    handler: Tab = tabs(insurer.url)
    insurer.log_in(handler)
    handler.go("/pages/claims?state=payable")
    assert claim_id in handler.page.content()


def test_mistakes_are_told_at_their_fields(tabs: OpenTab, shop: Storefront, person: str) -> None:
    tab = tabs(shop.url)
    shop.unlock(tab)
    tab.go("/new")
    tab.expected.add(422)
    page = tab.page
    page.locator("#beneficiary").fill(person)
    page.locator("#right_sphere").fill("-2,30")
    page.locator("#left_code").fill("2203200")
    press_button(tab, say("sale.check"))
    for name, key in (("right_sphere", "fix.power"), ("left_code", "fix.code")):
        field = page.locator(f"#{name}")
        expect(field).to_have_attribute("aria-invalid", "true")
        described = (field.get_attribute("aria-describedby") or "").split()
        told = " ".join(page.locator(f"[id='{one}']").inner_text() for one in described)
        assert say(key) in told
    # What was typed is still there; the summary has the focus and leads to the fields.
    expect(page.locator("#beneficiary")).to_have_value(person)
    expect(page.locator("[role=alert]").first).to_be_focused()
    page.locator("[role=alert] a[href='#right_sphere']").click()
    expect(page.locator("#right_sphere")).to_be_focused()


def test_the_outbox_drains_when_the_line_is_up_again(
    tabs: OpenTab, shop: Storefront, insurer: Office, person: str
) -> None:
    tab = tabs(shop.url)
    shop.unlock(tab)
    before = recorded(insurer)
    shop.line.is_cut = True
    try:
        claim_id = claim(tab, person)
        expect(tab.page.get_by_role("main")).to_contain_text(say("state.pending"))
        tab.go("/queue")
        expect(tab.page.locator(f"main a[href='/claims/{claim_id}']")).to_be_visible()
        assert recorded(insurer) == before
    finally:
        shop.line.is_cut = False
    press_button(tab, say("queue.send"))
    expect(tab.page.locator(f"main a[href='/claims/{claim_id}']")).to_have_count(0)
    tab.go(f"/claims/{claim_id}")
    expect(tab.page.get_by_role("main")).to_contain_text(say("state.granted"))
    assert recorded(insurer) == before + 1


def test_a_claim_without_any_script(tabs: OpenTab, shop: Storefront, person: str) -> None:
    tab = tabs(shop.url, has_scripts=False)
    shop.unlock(tab)
    claim(tab, person)
    expect(tab.page.get_by_role("main")).to_contain_text(say("state.granted"))


def test_on_a_narrow_screen(tabs: OpenTab, shop: Storefront, person: str) -> None:
    tab = tabs(shop.url, width=NARROW, language="fr")
    tab.go("/lock")
    tab.assert_it_fits()
    shop.unlock(tab)
    tab.assert_it_fits()
    tab.go("/new")
    tab.assert_it_fits()
    fill_in(tab, person)
    tab.assert_it_fits()
    press_button(tab, say("check.send", "fr"))
    tab.page.wait_for_url("**/claims/*")
    expect(tab.page.get_by_role("main")).to_contain_text(say("state.granted", "fr"))
    tab.assert_it_fits()


# -- the keyboard -------------------------------------------------------------------------------


def test_a_claim_by_the_keyboard_alone(tabs: OpenTab, shop: Storefront, person: str) -> None:
    tab = tabs(shop.url)
    tab.go("/lock")
    keys = tab.page.keyboard
    if not tab.page.evaluate("() => document.activeElement.name === 'passphrase'"):
        tab.tab_to("[name=passphrase]")
    keys.type(PASSPHRASE)
    keys.press("Enter")
    tab.page.wait_for_url(shop.url + "/")

    keys.press("Tab")  # the first stop leads past the navigation
    expect(tab.page.locator("a.skip")).to_be_focused()
    keys.press("Enter")
    expect(tab.page.locator("main")).to_be_focused()

    tab.go("/")
    tab.tab_to("nav a[href='/new']")
    keys.press("Enter")
    tab.page.wait_for_url("**/new")
    tab.tab_to("#beneficiary")
    keys.type(person)
    tab.tab_to("[name=lens_type]")
    tab.choose("progressive")
    tab.tab_to("[name=price_class]")
    tab.choose("B")
    for eye, powers in PROGRESSIVE.items():
        for name, value in powers.items():
            tab.tab_to(f"#{eye}_{name}")
            keys.type(value)
        tab.tab_to(f"#{eye}_price")
        keys.type(LENS_PRICE)
    tab.tab_to("[name=frame_class]")
    tab.choose("M03")
    tab.tab_to("#frame_price")
    keys.type(FRAME_PRICE)
    keys.press("Enter")
    expect(tab.page.locator("h1")).to_have_text(say("check.title"))
    tab.tab_to("main form[action='/new/send'] button")
    keys.press("Enter")
    tab.page.wait_for_url("**/claims/*")
    expect(tab.page.get_by_role("main")).to_contain_text(say("state.granted"))


# -- audits -------------------------------------------------------------------------------------


def test_an_audit_is_answered(
    tabs: OpenTab, shop: Storefront, insurer: Office, person: str
) -> None:
    tab = tabs(shop.url)
    shop.unlock(tab)
    claim_id = claim(tab, person)
    case_id = insurer.open_audit(claim_id)
    shop.hear()
    tab.go("/")
    tab.page.locator(f"main a[href='/audits/{case_id}']").first.click()
    main = tab.page.get_by_role("main")
    # Who asks, why, and the values themselves: what the auditor would get to see.
    for told in (audits.AUDITOR, say(f"ground.{audits.GROUND}"), "€219.50"):
        expect(main).to_contain_text(told)
    code = re.search(r"\b[27]\d{6}\b", main.inner_text())
    assert code
    expect(main).not_to_contain_text("2.25")

    tab.expected.add(422)
    press_button(tab, say("audit.answer"))  # not without the tick
    expect(main).to_contain_text(say("audit.sure_needed"))
    tab.page.locator("#sure").check()
    press_button(tab, say("audit.answer"))
    expect(main).to_contain_text(say("audit.state_answered"))

    handler = tabs(insurer.url)
    insurer.log_in(handler, "auditor")
    handler.go("/pages/audits")
    assert case_id in handler.text
    assert code[0] not in handler.page.content()


# -- the vault ----------------------------------------------------------------------------------


def test_lock_and_unlock(tabs: OpenTab, shop: Storefront) -> None:
    tab = tabs(shop.url)
    shop.unlock(tab)
    other = tabs(shop.url)
    shop.unlock(other)
    tab.page.get_by_role("button", name=say("nav.lock")).click()
    tab.page.wait_for_url("**/lock")
    expect(tab.page.get_by_role("main")).to_contain_text(say("lock.text_locked"))
    other.go("/claims")  # locked is locked for every browser
    assert other.path == "/lock"

    tab.expected.add(403)
    tab.page.locator("[name=passphrase]").fill("not the passphrase at all")
    press_button(tab, say("lock.unlock"))
    expect(tab.page.get_by_role("main")).to_contain_text(say("lock.wrong_passphrase"))
    assert tab.page.locator("[name=passphrase]").input_value() == ""
    shop.unlock(tab)
    assert tab.go("/claims").status == 200


def test_first_steps(
    tabs: OpenTab, insurer: Office, clock: Clock, tmp_path: Path, person: str
) -> None:
    """From no vault at all to a contract that can be claimed under."""
    keeper = Keeper(tmp_path / "new.vault", clock=clock, cost=QUICK)
    opened = free_port()
    app = make_agent(keeper, int(address_of(opened).rpartition(":")[2]))
    with served(app, opened) as url:
        tab = tabs(url)
        tab.expected.add(422)
        tab.go("/")
        assert tab.path == "/setup"
        page = tab.page
        page.locator("#passphrase").fill(PASSPHRASE)
        page.locator("#passphrase_again").fill(PASSPHRASE + "!")
        press_button(tab, say("setup.create"))
        expect(page.get_by_role("main")).to_contain_text(say("setup.differ"))
        faults = tab.accessibility_faults()
        page.locator("#passphrase").fill(PASSPHRASE)
        page.locator("#passphrase_again").fill(PASSPHRASE)
        press_button(tab, say("setup.create"))
        page.locator("#optician_id").fill("shop-of-the-first-steps")
        faults += tab.accessibility_faults()
        press_button(tab, say("setup.make_key"))
        page.wait_for_url("**/settings")
        token = insurer.register(keeper.shop().public_keys())
        page.locator("#insurer_id").fill(samples.contract().insurer_id)
        page.locator("#insurer_name").fill("Mutuelle")
        page.locator("#url").fill(insurer.url)
        page.locator("#token").fill(token)
        press_button(tab, say("settings.save_insurer"))
        expect(page.get_by_role("main")).to_contain_text("Mutuelle")
        claim(tab, person)
        expect(page.get_by_role("main")).to_contain_text(say("state.granted"))
        assert token not in page.content()

        # The token for point-of-sale software is shown once.
        tab.go("/settings")
        press_button(tab, say("settings.make_token"))
        shown = page.locator("#new-token code").inner_text()
        faults += tab.accessibility_faults()
        tab.resize(NARROW)
        tab.assert_it_fits()
        tab.go("/settings")
        assert shown not in page.content()
        assert faults == []


# -- languages, and other sites -----------------------------------------------------------------


def test_the_language_is_switched_and_stays(tabs: OpenTab, shop: Storefront) -> None:
    tab = tabs(shop.url)
    shop.unlock(tab)
    tab.go("/claims")
    html, title = tab.page.locator("html"), tab.page.locator("h1")
    expect(html).to_have_attribute("lang", "en")
    english = title.inner_text()
    tab.page.get_by_role("button", name="Français").click()
    expect(html).to_have_attribute("lang", "fr")
    assert tab.path == "/claims"
    assert title.inner_text() != english
    tab.go("/new")
    expect(title).to_have_text(say("sale.title", "fr"))
    tab.page.get_by_role("button", name="English").click()
    expect(title).to_have_text(say("sale.title", "en"))


def test_another_site_can_do_nothing(tabs: OpenTab, shop: Storefront) -> None:
    """Its form goes out with the origin that the browser adds, and is refused."""
    tab: Tab = tabs(shop.url)
    shop.unlock(tab)
    with other_site(f"{shop.url}/lock") as url:
        assert tab.status_of_form_from(url) == 403
    assert shop.keeper.state == "open"
    assert tab.go("/claims").status == 200


def test_a_foreign_name_for_this_machine_is_refused(tabs: OpenTab, shop: Storefront) -> None:
    """As if its DNS server had pointed it here after the browser had loaded a page from it."""
    tab: Tab = tabs(shop.url)
    shop.unlock(tab)
    port = shop.url.rpartition(":")[2]
    rebound: Tab = tabs(f"http://{REBOUND}:{port}")
    rebound.expected.add(421)
    for path in ("/", "/lock", "/claims", "/v1/status"):
        assert rebound.go(path).status == 421
        assert "optician" not in rebound.page.content().lower()
    # Browsers say that a name without https is not worth that header.
    rebound.faults = [fault for fault in rebound.faults if "Opener-Policy" not in fault]
