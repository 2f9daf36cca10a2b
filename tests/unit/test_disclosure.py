"""What the optician is told that a claim will tell is what the claim then tells."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from circuits.attestation import attestation_duties
from circuits.contract import AttestationRule, Contract, Floor, load_sample
from circuits.nomenclature import load_shipped, size_of
from optician.claiming import make_claim
from optician.disclosure import (
    LENSES,
    Disclosure,
    KeptKey,
    SeenKey,
    WarningKey,
    disclose,
)
from optician.messages import DISCLOSURE_WORDS, MESSAGES
from optician.sale import Sale, parse_sale
from tests.support.claims import NOW, generators, identity
from tests.support.commands import EXAMPLES
from zk.errors import StatementError, WitnessError

TABLE = load_shipped()
CONTRACTS = {name: load_sample(name) for name in ("responsable", "reseau")}
NAMES = sorted(path.stem for path in (EXAMPLES / "sales").glob("*.json"))


def example(name: str, **changes: Any) -> Sale:
    document = json.loads((EXAMPLES / "sales" / f"{name}.json").read_bytes())
    return parse_sale(json.dumps(document | changes).encode())


def contract_of(name: str) -> Contract:
    return CONTRACTS["reseau" if name == "network-cap" else "responsable"]


def told(name: str, **changes: Any) -> Disclosure:
    return disclose(example(name, **changes), contract_of(name), TABLE)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_announced_is_what_the_claim_tells(name: str) -> None:
    sale, contract = example(name), contract_of(name)
    disclosure = disclose(sale, contract, TABLE)
    claim, _ = make_claim(sale, contract, TABLE, identity(), generators(), NOW)

    seen = [(fact.key, fact.place, fact.value) for fact in disclosure.sees]
    places = ["right_lens", "left_lens", "frame"]
    places += [f"supplements.{number}" for number in range(len(claim.lines) - 3)]
    lines = list(zip(places, claim.lines, strict=True))
    assert [(place, value) for key, place, value in seen if key == "class"] == [
        (place, line.regroupement) for place, line in lines if line.regroupement
    ]
    assert [(place, value) for key, place, value in seen if key == "code"] == [
        (place, line.code) for place, line in lines if line.code
    ]
    whole = {key: value for key, place, value in seen if not place}
    assert claim.amounts is not None
    assert whole | {"level": None, "price_class": None, "envelope": ""} == {
        "insurer": claim.insurer_id,
        "contract": claim.contract_id,
        "date_of_service": claim.date_of_service.isoformat(),
        "beneficiary": claim.beneficiary,
        "statement": claim.statement,
        "level": None,
        "price_class": None,
        "lenses_amount": claim.amounts.lenses_cents,
        "frame_amount": claim.amounts.frame_cents,
        "envelope": "",
    }
    if claim.statement == "pair":
        assert (whole["level"], whole["price_class"]) == (claim.level, claim.price_class)
    assert disclosure.amounts == claim.claimed()
    assert disclosure.duties == attestation_duties(claim, contract, TABLE)


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_the_sale_is_on_one_side(name: str) -> None:
    sale = example(name)
    disclosure = told(name)
    clear = [fact.value for fact in disclosure.sees if fact.key == "code"]
    kept = [fact.value for fact in disclosure.keeps]
    for item in sale.items():
        assert (item.code in kept) != (item.code in clear)
        assert item.price_cents in kept
    corrections = [item for item in sale.items() if item.correction is not None]
    assert sum(fact.key == "correction" for fact in disclosure.keeps) == len(corrections)


@pytest.mark.parametrize("name", NAMES)
def test_corrections_of_the_examples_fit_their_codes(name: str) -> None:
    assert "code_correction" not in {warning.key for warning in told(name).warnings}


def test_the_class_and_its_cells_are_counted() -> None:
    hides = {hiding.place: hiding for hiding in told("mixed-basket").hides_among}
    assert (hides["right_lens"].cells, hides["right_lens"].codes) == (36, 901)
    assert hides["right_lens"].regroupement == "V04"
    assert hides["right_lens"].count == 36
    assert (hides["frame"].cells, hides["frame"].count) == (0, hides["frame"].codes)


def test_a_code_in_clear_hides_nothing() -> None:
    disclosure = told("supplements")
    assert "supplements.0" not in {hiding.place for hiding in disclosure.hides_among}
    assert ("code", "supplements.0") in {(fact.key, fact.place) for fact in disclosure.sees}
    assert ("code", "supplements.0") not in {(fact.key, fact.place) for fact in disclosure.keeps}


def test_a_pair_hides_each_lens_among_all_of_its_legal_level() -> None:
    disclosure = told("level-only")
    union = TABLE.lens_union("B", example("level-only").date_of_service)
    expected = [
        (level, *size_of(row for row in union if TABLE.legal_level(row.regroupement) == level))
        for level in ("complex", "very_complex")
    ]
    found = [
        (hiding.legal_level, hiding.codes, hiding.cells)
        for hiding in disclosure.hides_among
        if hiding.place == LENSES
    ]
    assert found == expected
    assert [fact.place for fact in disclosure.keeps if fact.key == "class"] == [
        "right_lens",
        "left_lens",
    ]
    assert disclosure.classes == (("frame", "M03"),)


def test_the_level_that_follows_from_the_classes_is_said_too() -> None:
    disclosure = told("progressive-over-ceiling")
    assert (disclosure.level, disclosure.price_class) == ("f", "B")


@pytest.mark.parametrize(
    ("name", "statement", "tells_less"),
    [
        ("single-vision", "pair", True),  # VU1 among all simple lenses of class B
        ("supplements", "pair", True),  # of two classes, which eye has which
        ("mixed-basket", "pair", False),  # V04 is the only very complex class of price class A
        ("level-only", "equipment", False),
    ],
)
def test_the_other_statement_is_offered_with_what_it_would_tell(
    name: str, statement: str, tells_less: bool
) -> None:
    (alternative,) = told(name).alternatives
    assert (alternative.statement, alternative.tells_less) == (statement, tells_less)
    assert alternative.hides_among == told(name, statement=statement).hides_among


def test_nothing_is_offered_that_the_contract_does_not_allow() -> None:
    contract = CONTRACTS["responsable"].model_copy(update={"statements": ("equipment",)})
    assert disclose(example("single-vision"), contract, TABLE).alternatives == ()


def test_nothing_is_offered_below_the_floor() -> None:
    floor = Floor(warn=9, refuse=9)
    contract = CONTRACTS["responsable"].model_copy(update={"floor_cells": floor})
    sale = example("level-only")
    assert disclose(sale, contract, TABLE).alternatives == ()
    # The other way round the claim itself is refused, as when it is made.
    with pytest.raises(StatementError, match="floor"):
        disclose(sale.model_copy(update={"statement": "equipment"}), contract, TABLE)


def test_a_line_has_no_alternative() -> None:
    item = {"code": 7237538, "price_cents": 33_000, "correction": {"sphere": "-9.25"}}
    nothing = dict.fromkeys(("right_lens", "left_lens", "frame"))
    disclosure = told("level-only", statement="line", item=item, **nothing)
    assert disclosure.alternatives == ()
    assert (disclosure.level, disclosure.price_class, disclosure.amounts) == (None, None, None)
    assert [(hiding.place, hiding.cells) for hiding in disclosure.hides_among] == [("item", 8)]
    assert [(warning.key, warning.place) for warning in disclosure.warnings] == [
        ("code_correction", "item")
    ]


def test_few_cells_and_amounts_below_the_ceiling_are_warned_of() -> None:
    found = [(warning.key, warning.place) for warning in told("single-vision").warnings]
    assert found == [
        ("floor", "right_lens"),
        ("floor", "left_lens"),
        ("lenses_below_ceiling", LENSES),
    ]
    given = told("single-vision", amounts={"lenses_cents": 100, "frame_cents": 50})
    assert [warning.key for warning in given.warnings] == ["floor", "floor"]


def test_an_attestation_that_has_to_come_first_is_said() -> None:
    rules = tuple(
        AttestationRule(classes=("VM5",), attesters=("cnam",), within_days=days)
        for days in (None, 30)
    )
    contract = CONTRACTS["responsable"].model_copy(update={"attestations": rules})
    sale = example("level-only")
    hidden = disclose(sale, contract, TABLE)
    assert [warning.place for warning in hidden.warnings] == ["right_lens", "left_lens"]
    named = disclose(sale.model_copy(update={"statement": "equipment"}), contract, TABLE)
    first = [warning for warning in named.warnings if warning.key == "attestation_first"]
    assert [warning.place for warning in first] == ["left_lens"]
    assert [(duty.line, duty.within_days) for duty in named.duties] == [(2, None), (2, 30)]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"amounts": {"lenses_cents": 0, "frame_cents": 10_001}}, StatementError),
        ({"amounts": {"lenses_cents": 70_001, "frame_cents": 0}}, WitnessError),
        ({"early_renewal_ground": "another"}, StatementError),
        ({"frame": {"code": 7220957, "price_cents": 300_001}}, WitnessError),
    ],
)
def test_what_cannot_be_proved_is_refused_before_anything_is_made(
    changes: dict[str, Any], refusal: type[Exception]
) -> None:
    sale, contract = example("level-only", **changes), CONTRACTS["responsable"]
    assert told("level-only") is not None
    with pytest.raises(refusal) as announced:
        disclose(sale, contract, TABLE)
    with pytest.raises(refusal) as made:
        make_claim(sale, contract, TABLE, identity(), generators(), NOW)
    assert str(announced.value) == str(made.value)


def test_every_key_has_words() -> None:
    assert set(DISCLOSURE_WORDS) == {*get_args(SeenKey), *get_args(KeptKey)}
    assert set(get_args(WarningKey)) <= MESSAGES.keys()


def test_no_repr_shows_what_stays() -> None:
    shown = repr(told("level-only"))
    assert "7237538" not in shown
    assert "33000" not in shown
    assert "-2.75" not in shown
