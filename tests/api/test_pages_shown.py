"""What the insurer's pages show: lists by filter and page, one claim in full and what is nowhere in
it, refusals with their meaning, tables; nothing but words where there is nothing."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import parse_qsl, urlencode

import pytest

from circuits.canonical import canonical_bytes
from circuits.claim import encode_claim
from circuits.signed import encode_signed
from optician.claiming import Openings
from pages.catalogue import LANGUAGES, Language
from tests.support import audits, crowd, records
from tests.support import claims as samples
from tests.support.attesting import rule
from tests.support.page_visits import Visitor, words_of
from tests.support.publishing import write_trust
from tests.support.web import Caller, Insurer, refresh, serving
from verifier_api.service.audits import CASE_STATES
from verifier_api.service.judging import OUTCOMES, STEPS
from verifier_api.service.life import REASON_TITLES, STATES
from verifier_api.service.overview import EXPORT_COLUMNS, VERDICTS
from verifier_api.store.database import Database
from verifier_api.web.pages.queries import FILTERS, PER_PAGE, PERIODS
from verifier_api.web.pages.reference import cell_words
from verifier_api.web.pages.visit import LINKS, Visit, catalogue
from verifier_api.web.schemas import ClaimStep

MANY = 130
NEXT = re.compile(r'rel="next" href="([^"]*)"')
LINK = re.compile(r'href="/pages/claims/([^"?]*)"')


def say(key: str, language: Language = "en", **values: object) -> str:
    return catalogue().say(key, language, **values)


# -- many claims --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Many:
    """Claims that nobody proved, newest first, and somebody who looks at them."""

    caller: Caller
    claim_ids: list[str]

    def visitor(self, language: str = "en") -> Visitor:
        return Visitor(self.caller, language).log_in(self.caller.insurer.tokens["admin"])


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    contract = records.contract(attestations=(rule("VM4", within_days=20),))
    insurer = Insurer(tmp_path_factory.mktemp("many"), of_contract=contract)
    database = Database(insurer.settings.database_url())
    claim_ids = crowd.fill(database, MANY, samples.NOW, contract=contract)
    database.dispose()
    with serving(insurer) as caller:
        yield Many(caller, claim_ids[::-1])


def walk(visitor: Visitor, path: str) -> list[str]:
    """The claims of every page of a list, in order."""
    found: list[str] = []
    following: str | None = path
    while following:
        text = visitor.get(following)
        found += LINK.findall(text)
        match = NEXT.search(text)
        following = match[1].replace("&amp;", "&") if match else None
    return found


def exported(visitor: Visitor, query: str = "") -> list[dict[str, str]]:
    """The rows of the export."""
    answer = visitor.send("GET", f"/pages/claims.csv{query}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    text = answer.content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


def test_a_list_is_whole_page_by_page(many: Many) -> None:
    visitor = many.visitor()
    assert len(LINK.findall(visitor.get("/pages/claims"))) == PER_PAGE
    assert walk(visitor, "/pages/claims") == many.claim_ids


def test_the_export_is_the_list(many: Many) -> None:
    visitor = many.visitor()
    answer = visitor.send("GET", "/pages/claims.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.headers["content-disposition"] == 'attachment; filename="claims-2020-10-06.csv"'
    rows = exported(visitor)
    assert list(rows[0]) == list(EXPORT_COLUMNS)
    assert [row["claim_id"] for row in rows] == many.claim_ids
    assert visitor.send("HEAD", "/pages/claims.csv").content == b""
    assert visitor.send("GET", "/pages/claims.csv?state=x").status_code == 422


def test_every_filter_keeps_what_fits_alone(many: Many) -> None:
    """Each filter, on list and export alike, against the export of everything."""
    visitor = many.visitor()
    rows = exported(visitor)
    sample = next(row for row in rows if row["reason"])
    pair = next(row for row in rows if row["statement"] == "pair")
    wanted: dict[str, tuple[str, Callable[[dict[str, str]], bool]]] = {
        "claim": (sample["claim_id"][-9:], lambda row: sample["claim_id"][-9:] in row["claim_id"]),
        "state": ("cancelled", lambda row: row["state"] == "cancelled"),
        "verdict": ("pending", lambda row: row["verdict"] == "pending"),
        "reason": (sample["reason"], lambda row: row["reason"] == sample["reason"]),
        "class": ("VM4", lambda row: "VM4" in row["classes"].split()),
        "statement": ("pair", lambda row: row["statement"] == "pair"),
        "optician": (
            sample["optician_id"],
            lambda row: row["optician_id"] == sample["optician_id"],
        ),
        "contract": (sample["contract_id"], lambda _row: True),
        "from": ("2020-10-01", lambda row: row["received_at"] >= "2020-10-01"),
        "to": ("2020-09-01", lambda row: row["received_at"] < "2020-09-02"),
    }
    assert set(wanted) == set(FILTERS)
    assert pair["classes"].startswith("hidden")
    for name, (value, fits) in wanted.items():
        expected = [row["claim_id"] for row in rows if fits(row)]
        assert expected, name
        query = "?" + urlencode({name: value})
        assert walk(visitor, f"/pages/claims{query}") == expected, name
        assert [row["claim_id"] for row in exported(visitor, query)] == expected, name
    both = "?verdict=granted&statement=pair"
    expected = [
        row["claim_id"] for row in rows if (row["verdict"], row["statement"]) == ("granted", "pair")
    ]
    assert walk(visitor, f"/pages/claims{both}") == expected


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_that_means_nothing_is_told_at_its_field(many: Many, name: str) -> None:
    visitor = many.visitor()
    text = visitor.get(f"/pages/claims?{name}=%21", 422)
    assert f'id="{name}-error"' in text
    assert LINK.findall(text) == []
    words = say("claims.filter_invalid", filter=say(f"filter.{name}"))
    assert words in words_of(text)
    assert text.count('-error"') == 2  # the message, and the field that points to it


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_speaks_both_languages(many: Many, language: Language) -> None:
    visitor, insurer = many.visitor(language), many.caller.insurer
    states = {row["state"]: row["claim_id"] for row in exported(visitor)}
    assert set(states) == set(STATES)
    paths = [path for _, path in LINKS]
    paths += [f"claims/{claim_id}" for claim_id in states.values()]
    paths += [f"{page}?days={days}" for page in ("", "refusals", "opticians") for days in PERIODS]
    paths += [f"audits?state={state}" for state in CASE_STATES]
    paths += [f"contracts/{insurer.contract_digest}", f"tables/{insurer.table_digest}"]
    paths += [f"tables/{insurer.table_digest}/{name}?date=2020-10-05" for name in ("V04", "M01")]
    for path in paths:
        text = visitor.get(f"/pages/{path}")
        assert f'<html lang="{language}">' in text
        assert say("site.footer", language) in words_of(text)
        for name, _ in LINKS:
            assert say(f"menu.{name}", language) in words_of(text)


def test_lists_say_their_states_in_words(many: Many) -> None:
    visitor = many.visitor()
    for state in STATES:
        claim_id = LINK.findall(visitor.get(f"/pages/claims?state={state}"))[0]
        assert say(f"state.{state}") in visitor.read(f"/pages/claims/{claim_id}")


def test_the_first_page_counts_what_the_export_has(many: Many) -> None:
    visitor = many.visitor()
    rows = [row for row in exported(visitor) if row["received_at"] >= "2020-09-30"]
    text = visitor.get("/pages/?days=7")
    tiles = dict(re.findall(r'href="([^"]*)">\s*<span class="tile-value">.*?([\d,]+)</span>', text))
    verdicts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in VERDICTS}
    assert tiles["/pages/claims?from=2020-09-30"] == str(len(rows))
    for verdict in ("granted", "pending"):
        path = f"/pages/claims?verdict={verdict}&amp;from=2020-09-30"
        assert tiles[path] == str(verdicts[verdict])
    assert tiles["/pages/refusals?days=7"] == str(verdicts["refused"])
    assert text.count("<figure") == 4


def test_refusals_lead_to_their_claims(many: Many) -> None:
    visitor = many.visitor()
    rows = [row for row in exported(visitor) if row["verdict"] == "refused"]
    text = visitor.get("/pages/refusals?days=365")
    links = re.findall(r'href="(/pages/claims\?reason=[^"]*)">(\d+)</a>', text)
    for link, number in links:
        path = link.replace("&amp;", "&")
        reason = dict(parse_qsl(path.partition("?")[2]))["reason"]
        assert len(walk(visitor, path)) == int(number)
        assert int(number) == sum(row["reason"] == reason for row in rows)
        assert say(f"meaning.{reason}") in words_of(text)
    assert sum(int(number) for _, number in links) == len(rows)


def test_what_is_overdue_comes_first(many: Many) -> None:
    visitor = many.visitor()
    overdue = {row["claim_id"] for row in exported(visitor, "?state=attestation_overdue")}
    listed = walk(visitor, "/pages/attestations")
    assert set(listed[: len(overdue)]) == overdue
    assert say("attestations.is_overdue") in visitor.read("/pages/attestations")


# -- one claim, judged --------------------------------------------------------------------------


def secrets_of(openings: Openings) -> list[str]:
    """Codes and blindings, and the prices of lenses, as texts that a page would show: what is paid
    for a frame may be its price."""
    found = []
    for line in json.loads(openings.encode())["lines"]:
        code, cents, *_ = line["values"]
        found += [str(code), line["blinding"]]
        if line["role"] != "frame":
            found += [str(cents), f"{cents // 100}.{cents % 100:02d}"]
    return found


@pytest.mark.parametrize("statement", ["line", "equipment", "pair"])
def test_a_claim_in_full_and_nothing_that_stayed_in_the_shop(
    caller: Caller, statement: Any
) -> None:
    sale = samples.sample_sale(statement, item="V04", lenses=("V04", "V04"))
    claim, openings = samples.claim_of(sale)
    answer = caller.submit(claim).json()
    visitor = Visitor(caller).log_in(caller.insurer.tokens["reader"])
    text = visitor.get(f"/pages/claims/{claim.claim_id}")
    words = words_of(text)
    if answer["verdict"] == "granted":
        assert say("claim.granted") in words
        assert text.count('<li class="good">') == len(STEPS)
    else:  # an equipment of the same person was granted before
        assert answer["reason"] == "renewal_too_early"
        assert say("meaning.renewal_too_early") in words
        assert text.count('<li class="bad">') == 1
    corrections = catalogue().count("claim.corrections", "en", 36)
    codes = catalogue().count("claim.codes", "en", 901)
    hidden = say("claim.hides", corrections=corrections, codes=codes)
    if statement != "pair":
        assert "36 possible corrections, 901 codes" in words
        assert words.count(hidden) == (1 if statement == "line" else 2)
    else:
        assert say("claim.class_hidden") in words
        assert "class V04" not in words
    shown = re.search(r'<pre class="document">(.*?)</pre>', text, re.S)
    assert shown is not None
    assert canonical_bytes(json.loads(html.unescape(shown[1]))) == encode_claim(claim)
    for secret in secrets_of(openings):
        assert not re.search(rf"(?<![\w.,-]){re.escape(secret)}(?![\w-])", words)


def test_an_audit_stands_with_its_claim_and_in_its_list(caller: Caller, insurer: Insurer) -> None:
    assert insurer.settings.trust is not None
    write_trust(insurer.settings.trust, audits.party().public_entry())
    refresh(caller)
    claim, _ = samples.claim_of(samples.sample_sale("line"))
    assert caller.submit(claim).json()["verdict"] == "granted"
    case = audits.case_on(claim, opened_at=insurer.now)
    assert caller.ask("POST", "/v1/audits", "auditor", body=encode_signed(case)).status_code == 200
    visitor = Visitor(caller, "fr").log_in(insurer.tokens["auditor"])
    for path in (f"claims/{claim.claim_id}", "audits", "audits?state=open"):
        words = visitor.read(f"/pages/{path}")
        assert case.case_id in words
        assert say("case.open", "fr") in words
    assert case.case_id not in visitor.read("/pages/audits?state=lapsed")
    assert case.recipient not in visitor.read("/pages/audits")


# -- nothing there ------------------------------------------------------------------------------


def test_an_insurer_without_claims_is_told_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(Insurer(tmp_path_factory.mktemp("empty"))) as caller:
        visitor = Visitor(caller).log_in(caller.insurer.tokens["reader"])
        for path, key in {
            "": "overview.nothing",
            "claims": "claims.nothing",
            "claims?state=pending": "claims.nothing_matches",
            "refusals": "refusals.nothing",
            "attestations": "attestations.nothing",
            "audits": "audits.nothing",
        }.items():
            assert say(key) in visitor.read(f"/pages/{path}")
        assert exported(visitor) == []


# -- words --------------------------------------------------------------------------------------


def test_there_are_words_for_everything_that_the_service_says() -> None:
    words = {
        "meaning": REASON_TITLES,
        "state": STATES,
        "verdict": VERDICTS,
        "outcome": OUTCOMES,
        "case": CASE_STATES,
        "event": get_args(ClaimStep),
        "filter": FILTERS,
        "menu": [name for name, _ in LINKS],
    }
    for section, names in words.items():
        for name in names:
            assert f"{section}.{name}" in catalogue()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cell_has_words_of_its_own(language: Language) -> None:
    visit = Visit(None, None, language)  # type: ignore[arg-type]
    cells = {row.cell for row in samples.nomenclature().rows if row.cell}
    told = {tuple(cell_words(visit, cell).values()) for cell in cells}
    assert len(told) == len(cells) == 91
    cell = "progressive/spherocylindrical_minus/sphere=-12..-inf/cylinder=0.25..4"
    expected = {
        "en": ("beyond −12", "0.25 to 4"),
        "fr": ("au-delà de −12", "0,25 à 4"),
    }[language]
    words = cell_words(visit, cell)
    assert (words["sphere"], words["cylinder"], words["s"]) == (*expected, "")
    assert set(cell_words(visit, None).values()) == {""}
