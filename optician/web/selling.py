"""A new claim: the form, what the insurer will see before anything is sent, and the sending.

The sale in work stays in the memory of this process between the two pages.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from starlette.responses import Response

from circuits.nomenclature import Nomenclature
from optician.agent.errors import ShopError
from optician.agent.insurers import read_contract
from optician.agent.records import ClaimRecord, InsurerProfile, Preview
from optician.disclosure import Alternative, Fact, Hiding
from optician.messages import DISCLOSURE_WORDS, MESSAGES, in_language
from optician.order import OrderError, SaleOrder
from optician.web.keeper import is_on_its_way
from optician.web.sale_form import (
    FRAME_CLASSES,
    POWERS,
    SUPPLEMENT_CLASSES,
    Draft,
    Kind,
    SaleForm,
    field_of,
    form_of,
    in_order,
    read_sale,
)
from optician.web.visit import Visit
from pages.figures import day as day_text
from pages.figures import euros
from zk.errors import StatementError

WAIT_SECONDS: Final = 4.0
"""So long the page waits for the insurer's verdict before it shows the claim as it is."""

AGAIN_STATES: Final = ("refused", "cancelled", "expired")
"""A sale whose claim is in one of these can be claimed anew under its number."""


# -- the form ---------------------------------------------------------------------------------


def new_page(visit: Visit) -> Response:
    """The form, empty, or filled in with the sale in work."""
    draft = visit.own_session.draft
    if visit.query("edit") and isinstance(draft, Draft | SaleForm):
        return _new_page(visit, draft.form if isinstance(draft, Draft) else draft)
    kind: Kind = "single" if visit.query("kind") == "single" else "whole"
    return _new_page(visit, SaleForm(kind, _first_values(visit)))


def _first_values(visit: Visit) -> dict[str, str]:
    """The only contract there is, and today, if the contract is in force today."""
    choices = _contracts(visit.shop.insurers())
    today = visit.keeper.clock().date()
    if len(choices) != 1:
        return {"date": visit.day(today)}
    (choice,) = choices
    is_in_force = choice["first"] <= today <= choice["last"]
    return {"contract": choice["value"], "date": visit.day(today) if is_in_force else ""}


def _contracts(insurers: tuple[InsurerProfile, ...]) -> list[dict[str, Any]]:
    """Every contract by its name, with the first and the last day that some version is valid."""
    found: dict[str, dict[str, Any]] = {}
    for insurer in insurers:
        for entry in insurer.contracts:
            value = f"{insurer.insurer_id}/{entry.name}"
            first = entry.valid_from or date.min
            last = entry.valid_to or date.max
            known = found.get(value)
            if known is None:
                text = f"{insurer.name} – {entry.name}"
                found[value] = {"value": value, "text": text, "first": first, "last": last}
            else:
                known["first"] = min(known["first"], first)
                known["last"] = max(known["last"], last)
    return list(found.values())


def _new_page(
    visit: Visit,
    form: SaleForm,
    refusal: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    insurers = visit.shop.insurers()
    errors = {name: visit.words(mistake) for name, mistake in form.errors.items()}
    return visit.show(
        "new.html",
        status,
        form=form,
        errors=errors,
        mistaken={
            name: visit.say("sale.mistake", field=field_label(visit, name), text=text)
            for name, text in errors.items()
        },
        refusal=refusal,
        contracts=_contracts(insurers),
        frame_classes=FRAME_CLASSES,
        supplement_classes=SUPPLEMENT_CLASSES,
        grounds=_grounds(visit, insurers),
    )


def _grounds(visit: Visit, insurers: tuple[InsurerProfile, ...]) -> list[str]:
    """The grounds of an early renewal that some contract lists."""
    found: set[str] = set()
    with visit.keeper.vault().read() as reading:
        for insurer in insurers:
            for entry in insurer.contracts:
                found.update(read_contract(reading, entry.digest).early_renewal_grounds)
    return sorted(found)


def field_label(visit: Visit, name: str) -> str:
    """A field of the form, such as "Right lens, sphere"."""
    head, _, part = name.partition("_")
    if head == "supplement":
        number, _, part = part.partition("_")
        part = "supplement_class" if part == "class" else part
        place = visit.say("sale.supplement", number=number)
    elif head in ("right", "left"):
        place = visit.say(f"sale.{head}_lens")
    elif head in ("frame", "item") and part in ("price", "code", *POWERS):
        place = visit.say(f"sale.{head}")
    else:
        return visit.say(f"sale.{name}")
    word = visit.say(f"sale.{part}")
    return f"{place}, {word.lower() if part in POWERS else word}"


def check_form(visit: Visit) -> Response:
    """What was typed: on to the page before sending, or back with what is to be corrected."""
    typed, order = read_sale(visit.form)
    if order is None:
        return _new_page(visit, typed, status=422)
    try:
        visit.shop.preview(order)
    except OrderError as error:
        field = field_of(error.place, typed.values)
        typed.errors = in_order({field: error}) or {"contract": error}
        return _new_page(visit, typed, status=422)
    except ShopError as error:
        return _new_page(visit, typed, visit.refusal(error), 422)
    visit.own_session.draft = Draft(typed, order)
    return visit.go("/new/check")


# -- before sending ---------------------------------------------------------------------------


def check_page(visit: Visit) -> Response:
    """What the insurer will see and what stays here, side by side."""
    draft = _draft(visit)
    if draft is None:
        return _gone(visit)
    try:
        preview = visit.shop.preview(draft.order)
    except (OrderError, ShopError):  # its documents changed meanwhile: the form says so
        return visit.go("/new?edit=1")
    disclosure = preview.disclosure
    return visit.show(
        "check.html",
        insurer=preview.insurer.name,
        sees=[_seen(visit, fact, preview) for fact in disclosure.sees],
        keeps=_kept(visit, disclosure.keeps, draft.order, preview),
        hides=_hidings(visit, disclosure.hides_among),
        alternatives=[_alternative(visit, alternative) for alternative in disclosure.alternatives],
        statement=disclosure.statement,
        is_least=not any(other.tells_less for other in disclosure.alternatives),
        warnings=_warnings(visit, preview),
        chosen=_chosen(visit, draft.order),
    )


def choose_statement(visit: Visit) -> Response:
    """Another statement that the contract allows, for the sale in work."""
    draft = _draft(visit)
    if draft is None:
        return _gone(visit)
    statement = visit.form.choice("statement", ("pair", "equipment"))
    order = draft.order.model_copy(update={"statement": statement})
    values = {**draft.form.values, "statement": statement}
    visit.own_session.draft = Draft(SaleForm(draft.form.kind, values), order)
    return visit.go("/new/check")


def drop(visit: Visit) -> Response:
    """Forget the sale in work."""
    visit.own_session.draft = None
    return visit.go("/", "check.dropped", "info")


def send(visit: Visit) -> Response:
    """Prove, put into the outbox, and wait a little for the verdict."""
    session, draft = visit.own_session, _draft(visit)
    if draft is None:
        if session.sent_claim_id is not None:  # the button was pressed twice
            return visit.go(f"/claims/{session.sent_claim_id}")
        return _gone(visit)
    known = visit.shop.claim_of_sale(draft.order.sale_id)
    try:
        is_again = known is not None and known.state in AGAIN_STATES
        record = visit.shop.make(draft.order, again=is_again)
    except OrderError as error:
        field = field_of(error.place, draft.form.values)
        form = SaleForm(draft.form.kind, draft.form.values, in_order({field: error}))
        return _new_page(visit, form, status=422)
    except ShopError as error:
        return _new_page(visit, draft.form, visit.refusal(error), 422)
    is_repeated = (
        known is not None
        and known.claim_id == record.claim_id
        and record.claim_id != session.sent_claim_id
    )
    session.sent_claim_id = record.claim_id
    record = visit.keeper.wait_for(record.claim_id, WAIT_SECONDS)
    session.draft = None
    key, kind = ("check.already", "info") if is_repeated else _outcome(record)
    return visit.go(f"/claims/{record.claim_id}", key, kind)


def _outcome(record: ClaimRecord) -> tuple[str, str]:
    """What to say above the claim; a refusal and a problem speak for themselves there."""
    if record.state == "granted":
        return "check.made_granted", "good"
    if is_on_its_way(record):
        return "check.made_waiting", "info"
    if record.state == "sent":
        return "check.made_decides", "info"
    return "", "info"


def again(visit: Visit) -> Response:
    """The form filled in with the sale of a claim that came to nothing."""
    claim_id = visit.name("claim_id")
    order, record = visit.shop.order(claim_id), visit.shop.claim(claim_id)
    if order is None or record.state not in AGAIN_STATES:
        return visit.go(f"/claims/{claim_id}", "claim.not_again", "warning")
    visit.own_session.draft = form_of(order, record.sale_id)
    return visit.go("/new?edit=1")


def _draft(visit: Visit) -> Draft | None:
    draft = visit.own_session.draft
    return draft if isinstance(draft, Draft) else None


def _gone(visit: Visit) -> Response:
    return visit.go("/new", "check.gone", "warning")


# -- in words ---------------------------------------------------------------------------------


def place_text(visit: Visit, place: str) -> str:
    """An article by its field in the sale."""
    head, _, number = place.partition(".")
    if head == "supplements":
        return visit.say("sale.supplement", number=int(number or 0) + 1)
    return visit.say(f"place.{head}")


def fact_text(visit: Visit, fact: Fact) -> str:
    """A value as people write it."""
    if fact.kind == "cents":
        return euros(int(fact.value), visit.language)
    if fact.kind == "day":
        return day_text(str(fact.value), visit.language)
    if fact.kind == "code":
        return f"{fact.value:07d}" if isinstance(fact.value, int) else str(fact.value)
    if fact.kind == "made":
        return visit.say("check.made")
    if fact.key == "statement":
        return visit.say(f"statement.{fact.value}")
    if fact.key == "level":
        return visit.say(f"pair_level.{fact.value}")
    if fact.key == "correction":
        return decimal_text(visit, str(fact.value))
    return str(fact.value)


def decimal_text(visit: Visit, correction: str) -> str:
    """A correction with the signs of the language."""
    text = correction.replace("-", "\u2212")
    return text.replace(".", ",") if visit.language == "fr" else text


def _word(visit: Visit, fact: Fact) -> str:
    return visit.typeset(in_language(DISCLOSURE_WORDS[fact.key], visit.language))


def _label(visit: Visit, fact: Fact) -> str:
    word = _word(visit, fact)
    if not fact.place:
        return word[:1].upper() + word[1:]
    return visit.say("check.of_place", what=word, place=place_text(visit, fact.place))


def _class_label(nomenclature: Nomenclature, regroupement: str) -> str:
    try:
        return nomenclature.regroupement_class(regroupement).label_fr
    except StatementError:
        return ""


def _seen(visit: Visit, fact: Fact, preview: Preview) -> dict[str, str]:
    note = ""
    if fact.key == "class":
        note = _class_label(preview.nomenclature, str(fact.value))
    return {"label": _label(visit, fact), "value": fact_text(visit, fact), "note": note}


def _kept(
    visit: Visit, facts: tuple[Fact, ...], order: SaleOrder, preview: Preview
) -> list[dict[str, Any]]:
    """By article, in the order of the sale; then the sale's own number."""
    places: dict[str, list[dict[str, str]]] = {}
    for fact in facts:
        word = _word(visit, fact)
        note = ""
        if fact.key == "class":
            note = _class_label(preview.nomenclature, str(fact.value))
        entry = {
            "label": word[:1].upper() + word[1:],
            "value": fact_text(visit, fact),
            "note": note,
        }
        places.setdefault(fact.place, []).append(entry)
    kept: list[dict[str, Any]] = [
        {"title": place_text(visit, place), "facts": entries} for place, entries in places.items()
    ]
    number = {"label": visit.say("check.sale_id"), "value": order.sale_id, "note": ""}
    return [*kept, {"title": visit.say("sale.sale"), "facts": [number]}]


def among_text(visit: Visit, cells: int, codes: int) -> str:
    """Among how much a value hides: "36 possible corrections, 901 codes"."""
    catalogue = visit.site.renderer.catalogue
    counted = catalogue.count("check.codes", visit.language, codes)
    if not cells:
        return counted
    corrections = catalogue.count("check.corrections", visit.language, cells)
    return f"{corrections}, {counted}"


def _hidings(visit: Visit, hidings: tuple[Hiding, ...]) -> list[dict[str, str]]:
    """The lenses of a pair whose classes are hidden have one set for both, or one each."""
    unions = sum(1 for hiding in hidings if hiding.regroupement is None)
    return [_hiding(visit, hiding, is_alone=unions == 1) for hiding in hidings]


def _hiding(visit: Visit, hiding: Hiding, *, is_alone: bool) -> dict[str, str]:
    where = place_text(visit, hiding.place)
    if hiding.regroupement is not None:
        where = visit.say("check.of_class", place=where, regroupement=hiding.regroupement)
    elif hiding.legal_level is not None:
        key = "check.each_level" if is_alone else "check.one_level"
        where = visit.say(key, level=visit.say(f"level.{hiding.legal_level}"))
    kind = {"ok": "good", "warn": "warning", "refuse": "bad"}[hiding.verdict]
    return {"where": where, "among": among_text(visit, hiding.cells, hiding.codes), "kind": kind}


def _alternative(visit: Visit, alternative: Alternative) -> dict[str, Any]:
    return {
        "statement": alternative.statement,
        "name": visit.say(f"statement.{alternative.statement}"),
        "tells_less": alternative.tells_less,
        "hides": _hidings(visit, alternative.hides_among),
    }


def _warnings(visit: Visit, preview: Preview) -> list[str]:
    found: list[tuple[str, str]] = [
        (warning.key, warning.place) for warning in preview.disclosure.warnings
    ]
    found += [(warning.key, warning.place) for warning in preview.warnings]
    return [
        visit.say(
            "check.warning",
            place=place_text(visit, place),
            text=visit.typeset(in_language(MESSAGES[key], visit.language)),
        )
        for key, place in found
    ]


def _chosen(visit: Visit, order: SaleOrder) -> list[str]:
    """Articles whose code the agent chose."""
    return [place_text(visit, place) for place, item in order.articles() if item.code is None]
