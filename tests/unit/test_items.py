"""One article in a circuit: which columns it needs, what it commits to, what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from circuits.contract import Contract, load_sample
from circuits.items import Article, ItemCircuit, level_weight, price_limit_cents
from circuits.nomenclature import Row
from circuits.slots import SLOTS, Correction, pack_correction
from tests.support.claims import DAY, nomenclature, row_of
from tests.support.tables import limits_table
from zk.errors import StatementError, WitnessError
from zk.relation import Circuit, CircuitBuilder

TODAY = 7583


def contract(**changes: Any) -> Contract:
    sample = load_sample("responsable")
    return Contract.model_validate(sample.model_dump() | changes)


def build(
    rows: Sequence[Row], of_contract: Contract | None = None, **choices: Any
) -> tuple[ItemCircuit, Circuit]:
    builder = CircuitBuilder(SLOTS)
    day = builder.public(100_000)
    options: dict[str, Any] = {"degree": 5, "day": day, **choices}
    item = ItemCircuit(builder, "item", rows, of_contract or contract(), **options)
    return item, builder.build()


def line(item: ItemCircuit, circuit: Circuit, article: Article) -> list[int]:
    assigned = item.assignment(article)
    wires = [assigned[wire] for wire in range(circuit.wires)]
    circuit.check_witness(wires, (TODAY,))
    (values,) = circuit.line_values(wires, (TODAY,))
    return values


# -- limits and weights ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row_limit", "caps", "enforced", "expected"),
    [
        (None, {}, True, 300_000),
        (None, {"V04": 5_000}, True, 5_000),
        (4_000, {}, True, 4_000),
        (4_000, {}, False, 300_000),
        (4_000, {"V04": 5_000}, True, 4_000),
        (6_000, {"V04": 5_000}, True, 5_000),
        (4_000, {"V04": 5_000}, False, 5_000),
        (4_000, {"VM4": 1_000}, True, 4_000),
        (0, {}, True, 0),
    ],
)
def test_the_lowest_limit_counts(
    row_limit: int | None, caps: dict[str, int], enforced: bool, expected: int
) -> None:
    row = replace(row_of("V04"), price_limit_cents=row_limit)
    of_contract = contract(price_caps_cents=caps, row_price_limits=enforced)
    assert price_limit_cents(row, of_contract) == expected


@pytest.mark.parametrize(("regroupement", "weight"), [("V01", 0), ("V03", 1), ("V04", 3)])
def test_a_lens_weighs_as_its_legal_level(regroupement: str, weight: int) -> None:
    assert level_weight(row_of(regroupement), nomenclature()) == weight


def test_a_frame_has_no_weight() -> None:
    with pytest.raises(StatementError, match="class M03 has no legal level"):
        level_weight(row_of("M03"), nomenclature())


# -- circuits ----------------------------------------------------------------------------------


def test_what_is_alike_in_all_rows_costs_no_column() -> None:
    _, circuit = build(nomenclature().class_rows("V04", DAY))
    (table,) = circuit.tables
    assert len(table.columns) == 1  # codes; one limit and one share for the whole class
    assert table.rows == 901


def test_limits_that_differ_are_a_column_of_the_same_rows() -> None:
    rows = limits_table().class_rows("V04", DAY)
    item, circuit = build(rows)
    (table,) = circuit.tables
    assert table.columns[0] == tuple(row.code for row in rows)
    assert table.columns[1] == tuple(price_limit_cents(row, contract()) for row in rows)
    assert len(circuit.selectors) == 1
    assert item.largest_price == 300_000


def test_a_line_holds_code_price_date_and_correction() -> None:
    rows = nomenclature().class_rows("V04", DAY)
    item, circuit = build(rows, has_correction=True)
    correction = Correction(-9, -2, 90)
    for row in (rows[0], rows[450], rows[-1]):
        for price in (0, 4_900, 300_000):
            values = line(item, circuit, Article(row.code, price, correction))
            assert values == [row.code, price, TODAY, pack_correction(correction)]
            assert line(item, circuit, Article(row.code, price)) == [row.code, price, TODAY, 0]


@pytest.mark.parametrize("enforced", [True, False])
def test_every_row_keeps_its_own_limit(enforced: bool) -> None:
    of_contract = contract(row_price_limits=enforced)
    rows = limits_table().class_rows("V04", DAY)
    item, circuit = build(rows, of_contract)
    for row in rows:
        limit = price_limit_cents(row, of_contract)
        assert line(item, circuit, Article(row.code, limit))[1] == limit
        with pytest.raises(WitnessError, match="item: price within its limit"):
            item.assignment(Article(row.code, limit + 1))


@pytest.mark.parametrize("columns", ["limits alone", "limits and codes"])
def test_two_rows_keep_a_limit_each(columns: str) -> None:
    # Two values in a column are as many as it takes to differ.
    limits = {6_000: None, 9_000: None}
    rows = [row for row in limits_table().class_rows("V04", DAY) if row.price_limit_cents in limits]
    low, high = (next(r for r in rows if r.price_limit_cents == limit) for limit in limits)
    item, circuit = build([low, high] if columns == "limits and codes" else rows)
    for row, limit in ((low, 6_000), (high, 9_000)):
        assert line(item, circuit, Article(row.code, limit))[:2] == [row.code, limit]
        with pytest.raises(WitnessError, match="item: price within its limit"):
            item.assignment(Article(row.code, limit + 1))
    # The circuit itself refuses the higher price in the lower row, whoever fills in the wires.
    wires = item.assignment(Article(high.code, 9_000))
    wires |= {
        w: v for w, v in item.assignment(Article(low.code, 0)).items() if w in chosen(circuit)
    }
    with pytest.raises(WitnessError, match="price within its limit"):
        circuit.check_witness([wires[wire] for wire in range(circuit.wires)], (TODAY,))


def chosen(circuit: Circuit) -> set[int]:
    """The wires that say which row it is."""
    return {wire for selector in circuit.selectors for digit in selector.digits for wire in digit}


def test_a_bound_lowers_every_limit() -> None:
    rows = limits_table().class_rows("V04", DAY)
    item, circuit = build(rows, bound=7_000)
    assert item.largest_price == 7_000
    free, tight = rows[0], rows[1]
    assert (free.price_limit_cents, tight.price_limit_cents) == (None, 6_000)
    assert line(item, circuit, Article(free.code, 7_000))[1] == 7_000
    for row, price in ((free, 7_001), (tight, 6_001)):
        with pytest.raises(WitnessError):
            item.assignment(Article(row.code, price))


def test_a_single_row_needs_no_selector() -> None:
    rows = nomenclature().class_rows("S01", DAY)
    item, circuit = build(rows)
    assert not circuit.selectors
    assert line(item, circuit, Article(rows[0].code, 1_500)) == [rows[0].code, 1_500, TODAY, 0]


def test_a_class_that_may_cost_nothing_has_no_price_wires() -> None:
    rows = nomenclature().class_rows("S01", DAY)
    item, circuit = build(rows, contract(price_caps_cents={"S01": 0}))
    assert circuit.wires == 0
    assert line(item, circuit, Article(rows[0].code, 0))[1] == 0
    with pytest.raises(WitnessError):
        item.assignment(Article(rows[0].code, 1))


def test_the_share_is_a_constant_or_a_column() -> None:
    rows = nomenclature().class_rows("M03", DAY)  # a tariff of 5 cents, of which 60 %
    item, _ = build(rows)
    assert item.share == 3
    assert item.share_cents(Article(rows[3].code, 5_000)) == 3
    rows = limits_table().class_rows("M03", DAY)
    item, circuit = build(rows)
    assert not isinstance(item.share, int)
    for row, share in zip(rows, (3, 0, 600), strict=False):
        article = Article(row.code, 5_000)
        assigned = item.assignment(article)
        wires = [assigned[wire] for wire in range(circuit.wires)]
        assert circuit.value(item.share, wires, (TODAY,)) == share
        assert item.share_cents(article) == share


def test_weights_are_read_in_the_same_row() -> None:
    rows = nomenclature().lens_union("B", DAY)
    weights = [level_weight(row, nomenclature()) for row in rows]
    item, circuit = build(rows, weights=weights)
    for number in (0, 100, len(rows) - 1):
        assigned = item.assignment(Article(rows[number].code, 0))
        wires = [assigned[wire] for wire in range(circuit.wires)]
        assert circuit.value(item.weight, wires, (TODAY,)) == weights[number]


# -- refusals ----------------------------------------------------------------------------------


def test_a_code_of_another_class_is_refused_and_not_repeated() -> None:
    other = row_of("V01").code
    item, _ = build(nomenclature().class_rows("V04", DAY))
    for attempt in (item.assignment, item.share_cents):
        with pytest.raises(WitnessError) as refusal:
            attempt(Article(other, 4_900))
        assert str(refusal.value) == "item: the code is not in the declared class"
        assert refusal.value.__cause__ is None


@pytest.mark.parametrize("price", [-1, 300_001, 10**9])
def test_a_price_outside_is_refused_and_not_repeated(price: int) -> None:
    rows = nomenclature().class_rows("V04", DAY)
    item, _ = build(rows)
    with pytest.raises(WitnessError) as refusal:
        item.assignment(Article(rows[0].code, price))
    assert str(refusal.value) == "not satisfied: item: price within its limit"


def test_a_frame_with_a_correction_is_refused() -> None:
    rows = nomenclature().class_rows("M03", DAY)
    item, _ = build(rows)
    with pytest.raises(WitnessError, match="only a lens has a correction"):
        item.assignment(Article(rows[0].code, 100, Correction(0)))


def test_an_article_shows_nothing_of_itself() -> None:
    text = repr(Article(2_203_418, 45_000, Correction(-9)))
    assert not any(secret in text for secret in ("2203418", "2_203_418", "45000", "-9"))
