"""Any valid sale of any class, on any day, under any contract, becomes a claim that is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import Claim, ClaimBody, decode_claim, encode_claim, sign_claim
from circuits.compiled import Amounts
from circuits.contract import EQUIPMENT_LEVELS, Contract, load_sample, parse_contract
from circuits.items import price_limit_cents
from circuits.nomenclature import Family, Nomenclature, PriceClass
from circuits.statements import compile_statement
from optician.claiming import Openings, declare, make_claim
from optician.sale import Sale, parse_sale
from tests.support.claims import (
    BENEFICIARY,
    claim_of,
    generators,
    identity,
    judge,
    nomenclature,
    sample_sale,
)
from tests.support.tables import limits_table
from zk.commitment import commit

FIRST_DAY, LAST_DAY = date(2020, 7, 1), date(2021, 6, 30)
CLASSES_OF = {
    table.version: tuple(entry.code for entry in table.classes())
    for table in (nomenclature(), limits_table())
}
CLASSES = CLASSES_OF[nomenclature().version]
MONEY = st.integers(0, 300_000)
PRICE_CLASSES: st.SearchStrategy[PriceClass] = st.sampled_from(["A", "B"])


# -- strategies --------------------------------------------------------------------------------


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """A sample contract as it ships, or one whose every figure is drawn."""
    sample = load_sample(draw(st.sampled_from(["responsable", "reseau"])))
    if draw(st.booleans()):
        return sample
    largest = draw(st.integers(1, 400_000) | st.integers(20_000, 60_000))
    ceilings = draw(st.fixed_dictionaries(dict.fromkeys(EQUIPMENT_LEVELS, MONEY)))
    document = sample.model_dump(mode="json") | {
        "largest_price_cents": largest,
        "price_caps_cents": draw(
            st.dictionaries(st.sampled_from(CLASSES), st.integers(0, largest), max_size=8)
        ),
        "reimbursement_ceilings_cents": ceilings,
        "frame_ceiling_cents": draw(st.integers(0, max(ceilings.values()))),
        "public_payer_rate_percent": draw(st.integers(0, 100)),
        "row_price_limits": draw(st.booleans()),
    }
    return parse_contract(canonical_bytes(document))


@dataclass(frozen=True)
class Terms:
    """What both sides know before the sale: contract, table, and the day of it."""

    contract: Contract
    table: Nomenclature
    day: date

    def classes(self, family: Family, price_class: PriceClass) -> list[str]:
        """Classes that may stand in an equipment of this price class."""
        suitable = {price_class, None} if family == "supplement" else {price_class}
        return [
            entry.code
            for entry in self.table.classes()
            if entry.family == family and entry.price_class in suitable
        ]


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    """A contract, the shipped table or one whose rows differ in limits and shares, and a day."""
    table = draw(st.sampled_from([nomenclature(), limits_table()]))
    drawn = draw(contracts())
    known = {entry.code for entry in table.classes()}  # a judge refuses caps for other classes
    caps = {code: cap for code, cap in drawn.price_caps_cents.items() if code in known}
    contract = drawn.model_copy(update={"price_caps_cents": caps})
    return Terms(contract, table, draw(st.dates(FIRST_DAY, LAST_DAY)))


@dataclass
class Basket:
    """Draws articles that fit the terms."""

    draw: st.DrawFn
    terms: Terms

    def article(self, classes: Sequence[str], largest: int | None = None) -> dict[str, Any]:
        """A row and a price between what the public payer pays and what is allowed."""
        contract, table = self.terms.contract, self.terms.table
        regroupement = self.draw(st.sampled_from(classes))
        row = self.draw(st.sampled_from(table.class_rows(regroupement, self.terms.day)))
        limit = price_limit_cents(row, contract)
        limit = limit if largest is None else min(limit, largest)
        share = row.public_share_cents(contract.public_payer_rate_percent)
        assume(share <= limit)
        price = self.draw(st.sampled_from([share, limit]) | st.integers(share, limit))
        item: dict[str, Any] = {"code": row.code, "price_cents": price}
        if row.family == "lens" and self.draw(st.booleans()):
            item["correction"] = self.draw(
                st.fixed_dictionaries(
                    {"sphere": powers(), "axis": st.integers(0, 180)},
                    optional={"cylinder": powers(), "addition": powers()},
                )
            )
        return item


def powers() -> st.SearchStrategy[str]:
    """Dioptres in steps of a quarter, as a sale writes them."""
    return st.integers(-80, 80).map(lambda quarters: f"{quarters / 4:+.2f}")


@st.composite
def equipments(draw: st.DrawFn, statement: str) -> tuple[Sale, Terms]:
    """A sale for ``equipment`` or ``pair`` that its contract allows."""
    known = draw(terms())
    basket = Basket(draw, known)
    lens_class, frame_class = draw(PRICE_CLASSES), draw(PRICE_CLASSES)
    supplements = draw(st.integers(0, 4)) if draw(st.booleans()) else 0
    # In a mixed basket the class A prices count against the ceiling: share out the lowest one.
    ceiling = min(known.contract.reimbursement_ceilings_cents.values())
    is_mixed = lens_class != frame_class
    lens_room = ceiling // (2 + supplements) if is_mixed and lens_class == "A" else None
    frame_room = ceiling if is_mixed and frame_class == "A" else None
    lens_classes = known.classes("lens", lens_class)
    supplement_classes = known.classes("supplement", lens_class)
    sale: dict[str, Any] = {
        "format_version": 1,
        "statement": statement,
        "date_of_service": known.day.isoformat(),
        "beneficiary": BENEFICIARY,
        "right_lens": basket.article(lens_classes, lens_room),
        "left_lens": basket.article(lens_classes, lens_room),
        "frame": basket.article(known.classes("frame", frame_class), frame_room),
        "supplements": [basket.article(supplement_classes, lens_room) for _ in range(supplements)],
    }
    if draw(st.booleans()):
        largest = largest_amounts(parse(sale), known)
        sale["amounts"] = {
            "lenses_cents": draw(st.integers(0, largest.lenses_cents)),
            "frame_cents": draw(st.integers(0, largest.frame_cents)),
        }
    return parse(sale), known


@st.composite
def single_articles(draw: st.DrawFn, regroupement: str) -> tuple[Sale, Terms]:
    """A sale for ``line``, of one class."""
    known = draw(terms().filter(lambda known: regroupement in CLASSES_OF[known.table.version]))
    sale = {
        "format_version": 1,
        "statement": "line",
        "date_of_service": known.day.isoformat(),
        "beneficiary": BENEFICIARY,
        "item": Basket(draw, known).article([regroupement]),
    }
    return parse(sale), known


def parse(document: dict[str, Any]) -> Sale:
    return parse_sale(canonical_bytes(document))


def largest_amounts(sale: Sale, known: Terms) -> Amounts:
    statement = compile_statement(
        declare(sale, known.table), known.contract, known.table, known.day
    )
    amounts = statement.largest_amounts([item.article() for item in sale.items()])
    assert amounts is not None
    return amounts


# -- properties --------------------------------------------------------------------------------


def require_accepted(sale: Sale, known: Terms) -> None:
    """From sale to verdict, over the wire form."""
    contract, table = known.contract, known.table
    now = datetime.combine(sale.date_of_service, time(12), UTC)
    claim, openings = make_claim(sale, contract, table, identity(), generators(), now)
    data = encode_claim(claim)
    assert decode_claim(data) == claim
    assert encode_claim(decode_claim(data)) == data
    insurer = judge(of_contract=contract, table=table, now=now + timedelta(days=3))
    assert insurer.judge(decode_claim(data)).reason is None
    assert Openings.parse(openings.encode(), generators()) == openings
    for item, opening, line in zip(sale.items(), openings.openings, claim.lines, strict=True):
        assert opening.values[:2] == (item.code, item.price_cents)
        commitment = generators().group.encode(commit(generators(), opening))
        assert line.commitment == encode_base64url(commitment)
        # What is hidden stands nowhere in the claim, unless the class is too small to hide it.
        assert line.code in (None, item.code)
        assert line.code == item.code or str(item.code) not in data.decode()


@pytest.mark.parametrize("regroupement", CLASSES)
def test_any_single_article_is_accepted(regroupement: str) -> None:
    @given(single_articles(regroupement))
    @settings(max_examples=max(2, settings().max_examples // 15))
    def check(case: tuple[Sale, Terms]) -> None:
        require_accepted(*case)

    check()


@given(equipments("equipment"))
def test_any_equipment_is_accepted(case: tuple[Sale, Terms]) -> None:
    require_accepted(*case)


@given(equipments("pair"))
@settings(max_examples=max(2, settings().max_examples // 2))
def test_any_pair_is_accepted(case: tuple[Sale, Terms]) -> None:
    require_accepted(*case)


# -- batches -----------------------------------------------------------------------------------


@cache
def pool() -> list[Claim]:
    """Claims of every statement, and for each one that is wrong."""
    good = [
        claim_of(sample_sale("line", item="V04"))[0],
        claim_of(sample_sale("line", item="M01"))[0],
        *(claim_of(sample_sale("equipment", lenses=("VM4", "VU1")))[0] for _ in range(2)),
        claim_of(sample_sale("pair", lenses=("V04", "V01"), frame="M01"))[0],
    ]
    bad = []
    for claim, donor in zip(good, [*good[1:], good[0]], strict=True):
        body = ClaimBody.model_validate(claim.model_dump(exclude={"proof", "signature"}))
        key = identity().signing_key
        bad += [
            sign_claim(body.model_copy(update={"claim_id": "another"}), claim.proof_bytes(), key),
            sign_claim(body, claim.proof_bytes()[:-1] + b"\0", key),
            sign_claim(body, donor.proof_bytes(), key),
            claim.model_copy(update={"signature": donor.signature}),
            sign_claim(body.model_copy(update={"insurer_id": "other"}), claim.proof_bytes(), key),
        ]
    return good + bad


def test_the_pool_has_both_kinds() -> None:
    reasons = [verdict.reason for verdict in map(judge().judge, pool())]
    assert reasons[:5] == [None] * 5
    assert None not in reasons[5:]
    assert len(set(reasons)) == 5


@given(st.lists(st.integers(0, 29), max_size=12))
def test_a_batch_is_judged_as_its_claims_are_one_by_one(chosen: list[int]) -> None:
    claims = [pool()[number] for number in chosen]
    together = judge().judge_batch(claims)
    alone = [judge().judge(claim) for claim in claims]
    assert [(v.claim_id, v.reason) for v in together] == [(v.claim_id, v.reason) for v in alone]
    assert [v.is_accepted for v in together] == [number < 5 for number in chosen]
