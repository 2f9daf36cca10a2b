"""What the shop's pages show and do, in both languages."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from jinja2 import nodes

from circuits.claim import decode_claim
from circuits.contract import AttestationRule
from circuits.nomenclature import load_shipped
from optician.agent.errors import SHOP_PROBLEMS
from optician.agent.records import STATES
from optician.vault import Passphrase, Vault
from optician.web import visit
from optician.web.sale_form import FRAME_CLASSES, SUPPLEMENT_CLASSES
from optician.web.tokens import is_endpoint_token
from optician.web.visit import PACKAGE, STATE_KINDS
from pages.catalogue import Catalogue
from pages.rendering import Renderer
from tests.support import bundles, publishing
from tests.support import claims as samples
from tests.support import service_answers as canned
from tests.support.shopfront import ORIGIN, SALE_FIELDS, Counter, Visitor, make_counter
from tests.support.shops import PASSPHRASE

WORDS = Catalogue.load(PACKAGE)
RIGHT_CODE = "2210061"
"""The generic code of the cell that `SALE_FIELDS` has."""


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    return make_counter(tmp_path)


@pytest.fixture
def person(counter: Counter) -> Visitor:
    return counter.signed_in()


def text_of(page: str) -> str:
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


# -- before sending ---------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "fr"])
def test_before_sending_both_sides_are_shown(counter: Counter, language: str) -> None:
    person = counter.signed_in(language)
    answer = person.submit("/new", SALE_FIELDS, page="/new")
    assert answer.headers["location"] == "/new/check"
    page = person.get("/new/check").text
    opened, closed = page.split('<section class="closed-side"')
    opened = text_of(opened.split('<section class="open-side"')[1])
    closed = text_of(closed.split("</section>\n</div>")[0])
    seen = ["ocam-exemple", "responsable-2020", samples.BENEFICIARY, "M03"]
    assert all(value in opened for value in seen)
    kept = {
        "en": [RIGHT_CODE, "€150.00", "€149.50", "−2.25", "V-118", "2264861"],
        "fr": [RIGHT_CODE, "150,00 €", "149,50 €", "−2,25", "V-118", "2264861"],
    }[language]
    assert all(value in closed for value in kept)
    assert not any(value in opened for value in kept)
    among = {
        "en": "42 possible corrections, 1,571 codes",
        "fr": "42 corrections possibles, 1 571 codes",
    }[language]
    assert among in text_of(page)
    assert counter.keeper.shop().counts() == {}  # nothing was made


def test_the_other_statement_is_offered_with_how_much_less_it_tells(person: Visitor) -> None:
    fields = {
        **SALE_FIELDS,
        "lens_type": "single_vision",
        "price_class": "B",
        "right_addition": "",
        "left_addition": "",
        "statement": "equipment",
    }
    person.submit("/new", fields, page="/new")
    page = text_of(person.get("/new/check").text)
    assert "Right lens, class VU2 3 possible corrections, 3 codes few possibilities" in page
    assert "Both lenses, each simple 13 possible corrections, 13 codes" in page
    answer = person.submit("/new/statement", {"statement": "pair"}, page="/new/check")
    assert answer.headers["location"] == "/new/check"
    changed = text_of(person.get("/new/check").text)
    assert "The contract allows no statement that tells less" in changed
    assert "VU2" not in changed.split("Stays here")[0]


def test_the_sale_in_work_stands_in_no_address_and_no_field(person: Visitor) -> None:
    answer = person.submit("/new", SALE_FIELDS, page="/new")
    secrets = (RIGHT_CODE, "2,25", "15000", "150", "V-118")
    assert not any(secret in answer.headers["location"] for secret in secrets)
    page = person.get("/new/check").text
    for tag in re.findall(r"<(?:input|a|form|button)[^>]*>", page):
        assert not any(secret in tag for secret in secrets), tag


def test_a_claim_is_sent_and_granted(counter: Counter, person: Visitor) -> None:
    claim_id = counter.claim(person)
    page = text_of(person.get(f"/claims/{claim_id}").text)
    assert "granted" in page
    assert "Deliver, and send the invoice" in page
    assert RIGHT_CODE in page
    sent = decode_claim(counter.insurer.recorded[claim_id])
    assert sent.statement == "pair"
    assert RIGHT_CODE not in counter.insurer.recorded[claim_id].decode()


def test_a_button_that_is_pressed_twice_sends_one_claim(counter: Counter, person: Visitor) -> None:
    person.submit("/new", SALE_FIELDS, page="/new")
    token = person.token("/new/check")
    places = {
        person.post("/new/send", data={"csrf": token}, headers={"Origin": ORIGIN}).headers[
            "location"
        ]
        for _ in range(2)
    }
    assert len(places) == 1
    assert len(counter.keeper.shop().claims()) == 1


def test_a_sale_that_was_claimed_before_is_told(counter: Counter, person: Visitor) -> None:
    claim_id = counter.claim(person)
    again = counter.signed_in()
    assert counter.claim(again) == claim_id
    assert "Nothing was sent a second time" in again.get(f"/claims/{claim_id}").text
    other = counter.signed_in()
    other.submit("/new", {**SALE_FIELDS, "frame_price": "118"}, page="/new")
    answer = other.submit("/new/send", {}, page="/new/check")
    assert answer.status_code == 422
    assert "Give the sale another number" in answer.text


def test_a_sale_is_dropped_or_gone(counter: Counter, person: Visitor) -> None:
    person.submit("/new", SALE_FIELDS, page="/new")
    person.submit("/new/drop", {}, page="/new/check")
    assert "Nothing was sent" in person.get("/").text
    assert person.get("/new/check").headers["location"] == "/new"
    assert "no sale in work" in person.get("/new").text
    assert counter.keeper.shop().counts() == {}


def test_to_correct_brings_back_what_was_typed(person: Visitor) -> None:
    person.submit("/new", SALE_FIELDS, page="/new")
    page = person.get("/new?edit=1").text
    for name in ("right_sphere", "left_price", "beneficiary", "sale_id", "date"):
        assert re.search(rf'name="{name}"[^>]*value="{re.escape(SALE_FIELDS[name])}"', page), name
    assert '<option value="progressive" selected>' in page


@pytest.mark.parametrize("language", ["en", "fr"])
def test_mistakes_are_named_with_their_fields(counter: Counter, language: str) -> None:
    person = counter.signed_in(language)
    fields = {**SALE_FIELDS, "right_cylinder": "0,3", "frame_price": ""}
    answer = person.submit("/new", fields, page="/new")
    assert answer.status_code == 422
    page = text_of(answer.text)
    expected = {
        "en": ["Right lens, cylinder: Sphere, cylinder", "Frame, Price (€): Please fill this in."],
        "fr": ["Verre droit (OD), cylindre : Sphère", "Monture, Prix (€) : "],
    }[language]
    for words in expected:
        assert words in page
    assert 'aria-invalid="true"' in answer.text


@pytest.mark.parametrize(
    ("changes", "words", "field"),
    [
        ({"right_addition": ""}, "has an addition above 0", "right_sphere"),
        ({"date": "01/01/2031"}, "Check the date of service", ""),
        ({"right_code": "2264861"}, "not the code of a lens", "right_code"),
        ({"contract": "ocam-exemple/none"}, "contract", ""),
        ({"right_price": "1999"}, "a price may be above the limit", ""),
        ({"ground": "boredom"}, "does not list this ground", "ground"),
    ],
)
def test_what_cannot_be_claimed_says_what_to_do(
    person: Visitor, changes: dict[str, str], words: str, field: str
) -> None:
    answer = person.submit("/new", {**SALE_FIELDS, **changes}, page="/new")
    assert answer.status_code == 422
    assert words in html.unescape(answer.text)
    if field:
        assert f'href="#{field}"' in answer.text
    assert person.get("/new/check").status_code == 303


# -- what becomes of claims -------------------------------------------------------------------


def test_a_refusal_is_told_and_the_sale_claimed_anew(counter: Counter, person: Visitor) -> None:
    counter.insurer.verdict = canned.refusal
    claim_id = counter.claim(person)
    page = text_of(person.get(f"/claims/{claim_id}").text)
    assert "refused" in page
    assert "Wait until the renewal is due" in page
    assert "Wait until the renewal is due" in text_of(person.get("/").text)
    answer = person.submit(f"/claims/{claim_id}/again", {}, page=f"/claims/{claim_id}")
    assert answer.headers["location"] == "/new?edit=1"
    assert 'value="V-118"' in person.get("/new?edit=1").text
    counter.insurer.verdict = canned.verdict
    anew = counter.claim(person, ground="change_of_vision")
    assert anew != claim_id
    assert counter.keeper.shop().claim(anew).state == "granted"


def test_a_granted_claim_is_not_claimed_again(counter: Counter, person: Visitor) -> None:
    claim_id = counter.claim(person)
    person.submit(f"/claims/{claim_id}/again", {}, page=f"/claims/{claim_id}")
    assert "cannot be claimed again" in person.get(f"/claims/{claim_id}").text


def test_the_outbox_tells_why_it_waits(counter: Counter, person: Visitor) -> None:
    assert "The outbox is empty" in person.get("/queue").text
    counter.insurer.is_up = False
    claim_id = counter.claim(person)
    page = text_of(person.get("/queue").text)
    assert "V-118 claim tried again by itself" in page
    assert "the line is up" in page
    assert "to be sent" in person.get(f"/claims/{claim_id}").text
    counter.insurer.is_up = True
    person.submit("/queue/send", {}, page="/queue")
    counter.keeper.tick()
    assert "The outbox is empty" in person.get("/queue").text


def test_what_no_retry_mends_is_to_be_done(counter: Counter, person: Visitor) -> None:
    body = json.dumps(canned.problem("token_invalid", 401)).encode()
    counter.insurer.told.append((401, body))
    claim_id = counter.claim(person)
    assert "needs you" in person.get("/queue").text
    assert "not sent. The token is unknown, expired or revoked: ask the insurer" in text_of(
        person.get("/").text
    )
    person.submit(f"/claims/{claim_id}/retry", {}, page=f"/claims/{claim_id}")
    counter.keeper.tick()
    assert counter.keeper.shop().claim(claim_id).state == "granted"


def test_invoice_and_cancellation(counter: Counter, person: Visitor) -> None:
    claim_id = counter.claim(person)
    path = f"/claims/{claim_id}"
    early = person.submit(f"{path}/invoice", {"date_of_delivery": "01/09/2020"}, page=path)
    assert early.status_code == 409
    assert "not before the date of service" in early.text
    wrong = person.submit(f"{path}/invoice", {"date_of_delivery": "soon"}, page=path)
    assert wrong.status_code == 422
    half = {"date_of_delivery": "2020-10-06", "lenses_amount": "10"}
    assert person.submit(f"{path}/invoice", half, page=path).status_code == 422
    done = person.submit(f"{path}/invoice", {"date_of_delivery": "06/10/2020"}, page=path)
    assert done.status_code == 303
    counter.keeper.tick()
    assert "payable" in person.get(path).text

    other = counter.claim(person, sale_id="V-119")
    path = f"/claims/{other}"
    assert person.submit(f"{path}/cancel", {}, page=path).status_code == 422
    assert person.submit(f"{path}/cancel", {"sure": "on"}, page=path).status_code == 303
    counter.keeper.tick()
    assert counter.keeper.shop().claim(other).state == "cancelled"


def test_the_list_by_state_by_number_and_page_by_page(counter: Counter, person: Visitor) -> None:
    counter.keeper.shop().change_settings(page_size=10)
    for number in range(11):
        counter.claim(person, sale_id=f"V-{number}")
    first = person.get("/claims").text
    assert len(set(re.findall(r'href="/claims/[0-9a-f]{32}"', first))) == 10
    (following_page,) = re.findall(r'href="(/claims\?before=\d+)"', first)
    second = person.get(html.unescape(following_page)).text
    assert len(set(re.findall(r'href="/claims/[0-9a-f]{32}"', second))) == 1
    assert "V-0<" in second
    assert "No claim fits" in person.get("/claims?state=refused").text
    assert "V-7<" in person.get("/claims?sale=V-7").text
    assert "No claim fits" in person.get("/claims?sale=V-77").text
    for odd in ("?before=x", "?state=none", "?before=-1", "?sale=" + "x" * 500):
        assert person.get(f"/claims{odd}").status_code == 200


def test_what_is_erased_is_said_to_be(counter: Counter, person: Visitor) -> None:
    claim_id = counter.claim(person)
    counter.clock.now += timedelta(days=1200)
    counter.keeper.shop().erase_due()
    page = text_of(person.get(f"/claims/{claim_id}").text)
    assert "nothing of them is left here" in page
    assert RIGHT_CODE not in page


def test_what_is_not_there_is_told(person: Visitor) -> None:
    for path in ("/claims/no-such-claim", "/nowhere", "/audits/none"):
        answer = person.get(path)
        assert answer.status_code == 404
        assert "Back" in answer.text
    assert person.get("/new/send").status_code == 405


# -- attestations and audits ------------------------------------------------------------------


def test_an_attestation_that_is_due_is_told_and_asked_for(tmp_path: Path) -> None:
    rule = AttestationRule(
        classes=("M03",), attesters=("maker-pool",), slots=("code",), within_days=20
    )
    counter = make_counter(tmp_path, has_vault=False)
    counter.insurer.contract = samples.contract().model_copy(update={"attestations": (rule,)})
    _open_shop(counter)
    person = counter.signed_in()
    claim_id = counter.claim(person)
    assert "maker-pool" in person.get("/attestations").text
    path = f"/claims/{claim_id}"
    assert "maker-pool" in person.get(path).text
    fields = {"line": "3", "attester_id": "maker-pool", "attester_url": "", "record_id": "o-1"}
    wrong = person.submit(f"{path}/attest", fields, page=path)
    assert wrong.status_code == 422
    assert 'id="attester_url-error"' in wrong.text
    away = person.submit(
        f"{path}/attest", {**fields, "attester_url": "http://127.0.0.1:9"}, page=path
    )
    assert away.status_code == 409
    assert "Check the attester" in away.text


def _open_shop(counter: Counter) -> None:
    """The first steps, by the shop itself."""
    keeper = counter.keeper
    keeper.create(Passphrase(PASSPHRASE))
    shop = keeper.shop()
    shop.import_identity(samples.identity().encode())
    insurer = counter.insurer.contract.insurer_id
    shop.put_insurer(insurer, name="Exemple", url="http://127.0.0.1:9", token=canned.TOKEN)
    shop.fetch_insurer(insurer)


def test_an_audit_shows_what_an_answer_reveals_and_is_answered(
    counter: Counter, person: Visitor
) -> None:
    insurer = samples.contract().insurer_id
    trust = publishing.trust_bytes(bundles.party("auditor").public_entry())
    counter.keeper.shop().put_insurer(insurer, trust=trust)
    claim_id = counter.claim(person)
    case = bundles.make_case(
        decode_claim(counter.insurer.recorded[claim_id]),
        slots=("code", "price", "date", "correction"),
    )
    counter.insurer.audits[case.case_id] = canned.audit_detail(case)
    counter.clock.now = case.opened_at + timedelta(hours=1)
    counter.keeper.tick()
    assert case.case_id in person.get("/audits").text
    assert "An audit" in person.get("/").text
    path = f"/audits/{case.case_id}"
    page = text_of(person.get(path).text)
    for value in (case.auditor_id, RIGHT_CODE, "€150.00", "2020-10-05", "−2.25 (−0.50) 85°"):
        assert value in page
    assert person.submit(f"{path}/answer", {}, page=path).status_code == 422
    assert person.submit(f"{path}/refuse", {"reason": ""}, page=path).status_code == 422
    assert person.submit(f"{path}/answer", {"sure": "on"}, page=path).status_code == 303
    assert "answer on its way" in person.get(path).text
    counter.keeper.tick()
    assert "answered" in person.get("/audits").text
    assert counter.insurer.audits[case.case_id]["state"] == "answered"


def test_an_auditor_who_is_not_trusted_is_not_to_be_answered(
    counter: Counter, person: Visitor
) -> None:
    claim_id = counter.claim(person)
    case = bundles.make_case(decode_claim(counter.insurer.recorded[claim_id]), slots=("code",))
    counter.insurer.audits[case.case_id] = canned.audit_detail(case)
    counter.clock.now = case.opened_at + timedelta(hours=1)
    counter.keeper.tick()
    path = f"/audits/{case.case_id}"
    page = person.get(path).text
    assert "trust list" in page
    assert f'action="{path}/answer"' not in page
    assert "price of this article" in page
    assert person.submit(f"{path}/answer", {"sure": "on"}, page=path).status_code == 409
    done = person.submit(f"{path}/refuse", {"reason": "unknown to me"}, page=path)
    assert done.status_code == 303
    counter.keeper.tick()
    assert counter.insurer.audits[case.case_id]["state"] == "refused"


# -- settings and first steps -----------------------------------------------------------------


def test_first_steps_lead_to_a_claim(tmp_path: Path) -> None:
    counter = make_counter(tmp_path, has_vault=False)
    visitor = counter.visitor()
    assert visitor.get("/").headers["location"] == "/setup"
    weak = {"passphrase": "short", "passphrase_again": "short"}
    assert visitor.submit("/setup", weak, page="/setup").status_code == 422
    simple = {"passphrase": "a" * 20, "passphrase_again": "a" * 20}
    assert visitor.submit("/setup", simple, page="/setup").status_code == 422
    apart = {"passphrase": PASSPHRASE, "passphrase_again": PASSPHRASE + "x"}
    assert "not the same" in visitor.submit("/setup", apart, page="/setup").text
    assert not (tmp_path / "shop.vault").exists()
    same = {"passphrase": PASSPHRASE, "passphrase_again": PASSPHRASE}
    assert visitor.submit("/setup", same, page="/setup").headers["location"] == "/setup"
    assert visitor.submit("/setup/key", {"optician_id": "a b"}, page="/setup").status_code == 422
    made = visitor.submit("/setup/key", {"optician_id": "shop-7"}, page="/setup")
    assert made.headers["location"] == "/settings"
    assert "shop-7" in visitor.get("/settings").text
    assert visitor.get("/new").status_code == 200
    fields = {
        "insurer_id": "ocam-exemple",
        "insurer_name": "Exemple",
        "url": "http://127.0.0.1:9",
        "token": canned.TOKEN,
        "trust": "",
    }
    done = visitor.submit("/settings/insurers", fields)
    assert done.headers["location"] == "/settings"
    page = visitor.get("/settings").text
    assert "You can make claims" in page
    assert canned.TOKEN not in page
    assert counter.claim(visitor)


def test_a_vault_that_is_there_is_not_made_again(counter: Counter, person: Visitor) -> None:
    before = counter.keeper.vault().vault_id
    other = counter.visitor()
    token = other.token("/lock")
    answer = other.post(
        "/setup",
        data={"csrf": token, "passphrase": "x" * 20, "passphrase_again": "x" * 20},
        headers={"Origin": ORIGIN},
    )
    assert answer.headers["location"] == "/setup"
    assert counter.keeper.vault().vault_id == before
    assert other.get("/setup").headers["location"] == "/lock"
    assert person.get("/setup").headers["location"] == "/settings"


def test_an_insurer_who_does_not_answer_is_told(counter: Counter, person: Visitor) -> None:
    counter.insurer.is_up = False
    answer = person.submit("/settings/insurers/ocam-exemple/fetch", {})
    assert answer.status_code == 502
    assert "Check the line and the insurer" in answer.text
    missing = person.submit("/settings/insurers", {"insurer_id": "new-one"})
    assert missing.status_code == 422
    assert 'id="url-error"' in missing.text
    assert 'id="token-error"' in missing.text


def test_an_insurer_with_open_claims_is_kept(counter: Counter, person: Visitor) -> None:
    counter.claim(person)
    answer = person.submit("/settings/insurers/ocam-exemple/remove", {})
    assert answer.status_code == 409
    assert "settled" in answer.text


def test_an_insurer_without_claims_is_removed(person: Visitor) -> None:
    assert person.submit("/settings/insurers/ocam-exemple/remove", {}).status_code == 303
    assert "There is no contract yet" in person.get("/new").text
    assert "No insurer yet" in person.get("/").text


def test_the_token_is_shown_once(counter: Counter, person: Visitor) -> None:
    person.submit("/settings/token", {})
    page = person.get("/settings").text
    found = re.search(r'id="new-token"><code class="long">([^<]+)</code>', page)
    assert found is not None
    assert is_endpoint_token(counter.keeper.vault(), found[1])
    assert found[1] not in person.get("/settings").text


def test_times_and_language_are_changed(counter: Counter, person: Visitor) -> None:
    good = {
        "shop_language": "fr",
        "keep_days": "800",
        "lock_minutes": "5",
        "poll_minutes": "3",
    }
    for field in ("keep_days", "lock_minutes", "poll_minutes"):
        wrong = person.submit("/settings/general", {**good, field: "0"})
        assert wrong.status_code == 422
        assert f'id="{field}-error"' in wrong.text
    answer = person.submit("/settings/general", good)
    assert answer.status_code == 303
    assert any("lang=fr" in text for text in answer.headers.get_list("set-cookie"))
    assert counter.keeper.idle_seconds == 300
    assert counter.keeper.shop().settings().keep_days == 800
    assert "Réglages" in person.get("/settings").text


def test_the_passphrase_is_changed_by_whoever_knows_it(
    counter: Counter, person: Visitor, tmp_path: Path
) -> None:
    new = "cadre chaise fenêtre bateau"
    fields = {"old_passphrase": "wrong wrong wrong", "passphrase": new, "passphrase_again": new}
    assert person.submit("/settings/passphrase", fields).status_code == 403
    fields["old_passphrase"] = PASSPHRASE
    apart = person.submit("/settings/passphrase", {**fields, "passphrase_again": "x"})
    assert apart.status_code == 422
    assert person.submit("/settings/passphrase", fields).status_code == 303
    Vault.open(tmp_path / "shop.vault", Passphrase(new)).close()
    assert person.get("/").status_code == 200


def test_a_back_up_is_made_and_replaces_nothing(
    counter: Counter, person: Visitor, tmp_path: Path
) -> None:
    assert person.submit("/settings/backup", {"backup_file": "shop.backup"}).status_code == 303
    assert str(tmp_path / "shop.backup") in html.unescape(person.get("/settings").text)
    Vault.open(tmp_path / "shop.backup", Passphrase(PASSPHRASE)).close()
    again = person.submit("/settings/backup", {"backup_file": "shop.backup"})
    assert again.status_code == 422
    assert "not replaced" in again.text
    whole = str(tmp_path / "elsewhere.backup")
    assert person.submit("/settings/backup", {"backup_file": whole}).status_code == 303
    for name in ("../shop.backup", "a/b", ".hidden", ""):
        assert person.submit("/settings/backup", {"backup_file": name}).status_code == 422, name


def test_the_public_key_is_for_the_insurer(counter: Counter, person: Visitor) -> None:
    answer = person.get("/settings/KEYS.json")
    assert answer.headers["content-disposition"] == 'attachment; filename="KEYS.json"'
    (entry,) = answer.json()["keys"]
    assert entry == samples.identity().public_entry()


# -- words ------------------------------------------------------------------------------------


def test_every_refusal_says_what_to_do() -> None:
    own = {key for key in WORDS.keys() if key.startswith("todo.")}  # noqa: SIM118
    assert own == {f"todo.{code}" for code in (*SHOP_PROBLEMS, "other")}


def test_every_state_has_a_word_and_a_sign() -> None:
    assert set(STATE_KINDS) == set(STATES)
    assert {f"state.{state}" for state in STATES} <= WORDS.keys()


def test_a_class_that_can_be_chosen_has_a_word_and_one_generic_code() -> None:
    table = load_shipped()
    classes = (*FRAME_CLASSES, *SUPPLEMENT_CLASSES)
    assert {f"class.{name.lower()}" for name in classes} <= WORDS.keys()
    for name in classes:
        rows = table.class_rows(name, samples.DAY)
        assert len([row for row in rows if row.scope == "generic"]) == 1, name


def test_every_text_of_the_catalogue_is_used() -> None:
    """A text that nothing says any more is a text that nobody keeps true."""
    own = WORDS.keys() - Catalogue.load().keys()
    folder = Path(visit.__file__).parent
    files = [file for file in folder.rglob("*") if file.suffix in (".py", ".html")]
    said = "".join(file.read_text() for file in files)
    built = re.findall(r"""["']([a-z_.]+[._])(?:\{|["'] ~)""", said)
    unused = []
    for key in own:
        stem = re.sub(r"\.(?:one|many)$", "", key)
        if f'"{stem}"' in said or f"'{stem}'" in said:
            continue
        if not any(stem.startswith(start) for start in built):
            unused.append(key)
    assert unused == []


def test_templates_use_no_text_that_is_not_there() -> None:
    renderer = Renderer((PACKAGE,), WORDS)
    renderer.compile_all()
    environment = renderer._environments["en"]
    for name in environment.list_templates():
        assert environment.loader is not None
        source = environment.loader.get_source(environment, name)[0]
        for call in environment.parse(source).find_all(nodes.Call):
            is_text = isinstance(call.node, nodes.Name) and call.node.name in ("t", "count")
            if is_text and call.args and isinstance(call.args[0], nodes.Const):
                key = call.args[0].value
                assert key in WORDS or f"{key}.many" in WORDS, (name, key)
