"""The insurer's pages, as a claims handler uses them: what came, why it was accepted or refused,
and that no code, no price and no correction is there."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from circuits.claim import Claim, encode_claim
from optician.claiming import Openings
from pages.catalogue import Catalogue, Language
from tests.browser.conftest import OpenTab
from tests.support import claims as samples
from tests.support.browsing import NARROW, Tab
from tests.support.remade import resigned
from tests.support.serving import other_site, served
from tests.support.storefront import Clock, Office, office
from tests.support.web import Insurer

WORDS = Catalogue.load("verifier_api.web.pages")


def say(key: str, language: Language = "en", **values: object) -> str:
    return WORDS.say(key, language, **values)


@dataclass(frozen=True)
class Desk:
    """The insurer's pages, and four claims whose openings the test knows."""

    office: Office
    granted: Claim
    openings: Openings
    refused: Claim
    forged: Claim
    pending: Claim


def send(opened: Office, claim: Claim, verdict: str) -> None:
    answer = httpx2.post(
        f"{opened.url}/v1/claims",
        content=encode_claim(claim),
        headers=opened.insurer.headers("optician") | {"Content-Type": "application/json"},
    )
    assert answer.json()["verdict"] == verdict, answer.text


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with office(tmp_path_factory.mktemp("desk"), Clock()) as opened:
        granted, openings = samples.claim_of(samples.sample_sale())
        refused, _ = samples.claim_of(samples.sample_sale())
        other = opened.insure("beneficiary-of-a-forgery")
        forged, _ = samples.claim_of(samples.sample_sale(beneficiary=other))
        forged = resigned(forged, samples.identity(), expires_at=granted.expires_at.replace(hour=0))
        early = samples.sample_sale(early_renewal_ground="change_of_vision")
        pending, _ = samples.claim_of(early)
        send(opened, granted, "granted")
        send(opened, refused, "refused")
        send(opened, forged, "refused")
        send(opened, pending, "pending")
        yield Desk(opened, granted, openings, refused, forged, pending)


def secrets_of(openings: Openings) -> list[str]:
    """Every code, price, correction and blinding that a page could show, as texts."""
    found = []
    for line in json.loads(openings.encode())["lines"]:
        code, cents, _day, correction = line["values"]
        found += [str(code), line["blinding"]]
        found += [f"{cents // 100}.{cents % 100:02d}", f"{cents // 100},{cents % 100:02d}"]
        found += [str(correction)] if correction else []
    return found


# -- who comes in -------------------------------------------------------------------------------


def test_the_door(tabs: OpenTab, desk: Desk) -> None:
    """A token opens it, in no address and no page; an optician's does not; leaving closes it."""
    tab: Tab = tabs(desk.office.url)
    tab.expected.add(403)
    tab.go("/pages/claims?verdict=refused")
    assert tab.path.startswith("/pages/login")
    for name, key in (("expired", "login.invalid"), ("optician", "login.not_for_opticians")):
        tab.page.locator("[name=token]").fill(desk.office.insurer.tokens[name])
        tab.page.locator("main button[type=submit]").click()
        expect(tab.page.get_by_role("main")).to_contain_text(say(key))
        assert tab.page.locator("[name=token]").input_value() == ""
    token = desk.office.insurer.tokens["reader"]
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.page.locator("[name=token]").fill(token)
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/pages/claims?verdict=refused")  # where one wanted to go
    assert not any(token in address for address in asked)
    assert token not in tab.page.content()
    (cookie,) = [one for one in tab.page.context.cookies() if one["name"] != "lang"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert token not in cookie["value"]

    tab.page.get_by_role("button", name=WORDS.say("pages.log_out", "en")).click()
    tab.page.wait_for_url("**/pages/login*")
    kept = {name: cookie[name] for name in ("name", "value", "domain", "path")}
    tab.page.context.add_cookies([kept])  # type: ignore[list-item]
    tab.go("/pages/")
    assert tab.path.startswith("/pages/login")


def test_another_site_can_do_nothing(tabs: OpenTab, desk: Desk) -> None:
    tab: Tab = tabs(desk.office.url)
    desk.office.log_in(tab, "admin")
    path = f"/pages/claims/{desk.pending.claim_id}"
    with other_site(f"{desk.office.url}{path}/decision") as url:
        assert tab.status_of_form_from(url) == 403
    with other_site(f"{desk.office.url}/pages/logout") as url:
        assert tab.status_of_form_from(url) == 403
    assert tab.go(path).status == 200
    expect(tab.page.get_by_role("main")).to_contain_text(say("decision.grant"))


# -- claims -------------------------------------------------------------------------------------


def test_a_granted_claim_shows_every_step_and_nothing_that_stayed(
    tabs: OpenTab, desk: Desk
) -> None:
    tab: Tab = tabs(desk.office.url)
    desk.office.log_in(tab)
    tab.go(f"/pages/claims/{desk.granted.claim_id}")
    steps = tab.page.locator("main .steps li")
    passed = [one for one in steps.all_inner_texts() if say("outcome.passed") in one]
    assert len(passed) == steps.count() >= 11
    assert all("ms" in one or "µs" in one for one in passed if "Proof" in one)
    # What the insurer knows and does not: classes there, and among how many a code hides.
    expect(tab.page.locator(".open-side")).to_contain_text("VM4")
    expect(tab.page.locator(".closed-side")).to_contain_text("possible corrections")
    everything = tab.page.content()
    for secret in secrets_of(desk.openings):
        assert secret not in everything
    tab.go("/pages/claims")
    for secret in secrets_of(desk.openings):
        assert secret not in tab.page.content()


@pytest.mark.parametrize(
    ("which", "reason"), [("refused", "renewal_too_early"), ("forged", "proof_invalid")]
)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_refusal_tells_its_step_and_what_it_means(
    tabs: OpenTab, desk: Desk, which: str, reason: str, language: Language
) -> None:
    tab: Tab = tabs(desk.office.url, language=language)
    desk.office.log_in(tab)
    tab.go(f"/pages/claims/{getattr(desk, which).claim_id}")
    steps = tab.page.locator("main .steps li")
    failed = [one for one in steps.all_inner_texts() if say("outcome.failed", language) in one]
    assert len(failed) == 1
    expect(tab.page.get_by_role("main")).to_contain_text(say(f"meaning.{reason}", language))
    tab.go("/pages/refusals")
    expect(tab.page.get_by_role("main")).to_contain_text(say(f"meaning.{reason}", language))
    tab.page.locator(f"main a[href*='reason={reason}']").click()
    assert getattr(desk, which).claim_id in tab.text
    assert desk.granted.claim_id not in tab.text


def test_filters_and_the_export_agree(tabs: OpenTab, desk: Desk, tmp_path: Path) -> None:
    tab: Tab = tabs(desk.office.url)
    desk.office.log_in(tab)
    tab.go("/pages/claims")
    tab.page.locator("[name=verdict]").select_option("refused")
    tab.page.locator("main form button[type=submit]").first.click()
    tab.page.wait_for_url("**verdict=refused**")
    shown = set(tab.page.locator("main tbody a.code").all_inner_texts())
    assert shown == {desk.refused.claim_id, desk.forged.claim_id}
    with tab.page.expect_download() as download:
        tab.page.get_by_role("link", name=say("claims.csv")).click()
    file = tmp_path / "claims.csv"
    download.value.save_as(file)
    data = file.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig")), delimiter=";"))
    assert {row["claim_id"] for row in rows} == shown
    tab.go("/pages/claims?claim=no-such-claim")
    expect(tab.page.get_by_role("main")).to_contain_text(say("claims.nothing_matches"))


def test_an_administrator_decides_and_a_reader_does_not(tabs: OpenTab, desk: Desk) -> None:
    path = f"/pages/claims/{desk.pending.claim_id}"
    reader: Tab = tabs(desk.office.url)
    desk.office.log_in(reader)
    reader.go(path)
    expect(reader.page.get_by_role("main")).to_contain_text(say("decision.by_admin"))
    assert reader.page.locator("#decision-form").count() == 0
    admin: Tab = tabs(desk.office.url)
    desk.office.log_in(admin, "admin")
    admin.go(path)
    admin.page.locator("#note").fill("file 17")
    assert admin.accessibility_faults() == []
    admin.page.get_by_role("button", name=say("decision.grant")).click()
    expect(admin.page.locator("main h1")).to_be_visible()
    expect(admin.page.get_by_role("main")).to_contain_text("file 17")
    reader.go(path)
    expect(reader.page.get_by_role("main")).to_contain_text(say("state.granted"))


# -- keyboard, languages, screens ---------------------------------------------------------------


def test_from_the_door_to_a_claim_by_the_keyboard(tabs: OpenTab, desk: Desk) -> None:
    tab: Tab = tabs(desk.office.url)
    tab.go("/pages/login")
    if not tab.page.evaluate("() => document.activeElement.name === 'token'"):
        tab.tab_to("[name=token]")
    tab.page.keyboard.type(desk.office.insurer.tokens["reader"])
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/pages/")
    tab.tab_to("nav a[href='/pages/claims']")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/pages/claims")
    tab.tab_to("[name=claim]")
    tab.page.keyboard.type(desk.granted.claim_id)
    tab.page.keyboard.press("Enter")
    link = f"main a[href='/pages/claims/{desk.granted.claim_id}']"
    expect(tab.page.locator(link)).to_be_visible()
    tab.tab_to(link)
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url(f"**/pages/claims/{desk.granted.claim_id}")


def test_the_language_is_switched_and_stays(tabs: OpenTab, desk: Desk) -> None:
    tab: Tab = tabs(desk.office.url)
    desk.office.log_in(tab)
    tab.go("/pages/refusals")
    html, title = tab.page.locator("html"), tab.page.locator("h1")
    expect(title).to_have_text(say("refusals.title"))
    tab.page.get_by_role("button", name="Français").click()
    expect(title).to_have_text(say("refusals.title", "fr"))
    expect(html).to_have_attribute("lang", "fr")
    assert tab.path.startswith("/pages/refusals")
    tab.go("/pages/claims")
    expect(title).to_have_text(say("claims.title", "fr"))
    tab.page.get_by_role("button", name="English").click()
    expect(title).to_have_text(say("claims.title"))


def test_on_a_narrow_screen(tabs: OpenTab, desk: Desk) -> None:
    tab: Tab = tabs(desk.office.url, width=NARROW, language="fr")
    tab.go("/pages/login")
    tab.assert_it_fits()
    desk.office.log_in(tab)
    tab.assert_it_fits()
    for path in ("claims", f"claims/{desk.granted.claim_id}", "refusals", "opticians"):
        tab.go(f"/pages/{path}")
        tab.assert_it_fits()
    # Nothing of a list is lost: each row is a card that names its values.
    tab.go("/pages/claims")
    cell = tab.page.locator("main tbody tr").first.locator("td").first
    label = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert say("column.received", "fr") in label


def test_an_insurer_without_claims_is_told_so(
    tabs: OpenTab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    insurer = Insurer(tmp_path_factory.mktemp("empty"))
    with served(insurer.app) as url:
        tab: Tab = tabs(url)
        Office(insurer, url).log_in(tab, "admin")
        expect(tab.page.get_by_role("main")).to_contain_text(say("overview.nothing"))
        for path, key in (
            ("claims", "claims.nothing"),
            ("refusals", "refusals.nothing"),
            ("audits", "audits.nothing"),
        ):
            tab.go(f"/pages/{path}")
            expect(tab.page.get_by_role("main")).to_contain_text(say(key))
            assert tab.accessibility_faults() == []
        tab.expected.add(404)
        assert tab.go("/pages/claims/no-such-claim").status == 404
        expect(tab.page.locator("h1")).to_be_visible()
        assert tab.accessibility_faults() == []
