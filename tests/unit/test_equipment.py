"""Statements ``equipment`` and ``pair``: every limit holds to the cent, on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from circuits.compiled import Amounts
from circuits.contract import Contract, EquipmentLevel, load_sample
from circuits.declaration import Declaration, DeclaredLine, FloorError
from circuits.equipment import (
    EQUIPMENT_DEGREE,
    PAIR_DEGREE,
    CeilingError,
    EquipmentStatement,
    possible_lenses,
)
from circuits.items import Article
from circuits.nomenclature import Nomenclature, PriceClass, size_of
from circuits.slots import Correction, encode_day, pack_correction
from tests.support.claims import DAY, nomenclature, row_of
from tests.support.tables import limits_table
from zk.errors import StatementError, WitnessError

SHARE = 3  # the public payer's part of a class B lens or frame: 60 % of 5 cents


def contract(name: str = "responsable", **changes: Any) -> Contract:
    return Contract.model_validate(load_sample(name).model_dump() | changes)


def equipment(
    right: str = "VM4",
    left: str = "VM4",
    frame: str = "M03",
    supplements: Sequence[str] = (),
    *,
    of_contract: Contract | None = None,
    table: Nomenclature | None = None,
    day: date = DAY,
) -> EquipmentStatement:
    shipped = nomenclature()
    lines = [DeclaredLine("right_lens", right), DeclaredLine("left_lens", left)]
    lines.append(DeclaredLine("frame", frame))
    for name in supplements:
        code = row_of(name).code if shipped.is_declared_in_clear(name, DAY) else None
        lines.append(DeclaredLine("supplement", name, code))
    declaration = Declaration("equipment", tuple(lines))
    return EquipmentStatement(declaration, of_contract or contract(), table or shipped, day)


def pair(
    level: EquipmentLevel | None = "f",
    price_class: PriceClass | None = "B",
    frame: str = "M03",
    *,
    of_contract: Contract | None = None,
    table: Nomenclature | None = None,
) -> EquipmentStatement:
    lines = (DeclaredLine("right_lens"), DeclaredLine("left_lens"), DeclaredLine("frame", frame))
    declaration = Declaration("pair", lines, level, price_class)
    return EquipmentStatement(declaration, of_contract or contract(), table or nomenclature(), DAY)


def articles(*sold: tuple[str, int]) -> list[Article]:
    return [Article(row_of(regroupement).code, price) for regroupement, price in sold]


def check(statement: EquipmentStatement, sold: list[Article], amounts: Amounts) -> None:
    """The sale satisfies the circuit, and the lines hold what was sold."""
    wires = statement.wires(sold, amounts)
    publics = statement.publics(DAY, amounts)
    statement.circuit.check_witness(wires, publics)
    assert statement.circuit.line_values(wires, publics) == [
        [a.code, a.price_cents, encode_day(DAY), pack_correction(a.correction)] for a in sold
    ]


def refuse(statement: EquipmentStatement, sold: list[Article], amounts: Amounts, why: str) -> None:
    """No wires are made, the reason is ``why`` and no price stands in it."""
    statement.publics(DAY, amounts)
    with pytest.raises(WitnessError) as refusal:
        statement.wires(sold, amounts)
    assert why in str(refusal.value)
    assert not any(character.isdigit() for character in str(refusal.value))


# -- amounts within prices ---------------------------------------------------------------------


def test_amounts_reach_the_prices_less_the_shares_and_no_cent_more() -> None:
    statement = equipment()
    sold = articles(("VM4", 20_000), ("VM4", 15_000), ("M03", 8_000))
    largest = statement.largest_amounts(sold)
    assert largest == Amounts(35_000 - 2 * SHARE, 8_000 - SHARE)
    check(statement, sold, largest)
    check(statement, sold, Amounts(0, 0))
    refuse(statement, sold, Amounts(35_000 - 2 * SHARE + 1, 0), "amount for the lenses")
    refuse(statement, sold, Amounts(0, 8_000 - SHARE + 1), "amount for the frame")


def test_supplements_count_with_the_lenses() -> None:
    statement = equipment(supplements=["SV3", "SV1"])
    sold = articles(("VM4", 100), ("VM4", 100), ("M03", 100), ("SV3", 1_000), ("SV1", 500))
    largest = statement.largest_amounts(sold)
    assert largest == Amounts(1_700 - 2 * SHARE, 100 - SHARE)
    check(statement, sold, largest)
    refuse(statement, sold, Amounts(1_700 - 2 * SHARE + 1, 0), "amount for the lenses")


def test_a_hidden_share_is_taken_off_for_its_own_row() -> None:
    table = limits_table()
    frames = table.class_rows("M03", DAY)
    lens = table.class_rows("VM4", DAY)[1]  # of unknown tariff, so without a share
    statement = equipment(table=table)
    for row, share in zip(frames, (3, 0, 600), strict=False):
        sold = [Article(lens.code, 1_000), Article(lens.code, 1_000), Article(row.code, 5_000)]
        assert statement.largest_amounts(sold) == Amounts(2_000, 5_000 - share)
        check(statement, sold, Amounts(2_000, 5_000 - share))
        refuse(statement, sold, Amounts(2_000, 5_000 - share + 1), "amount for the frame")


def test_a_class_of_one_code_can_be_claimed_where_the_contract_lets_it() -> None:
    small = limits_table()
    first = {row.regroupement: row for row in reversed(small.rows)}
    classes = [entry for entry in small.classes() if entry.code in first]
    table = Nomenclature("one-each", "One row of each class.", classes, first.values())
    statement = equipment(of_contract=contract(floor_cells={"warn": 1, "refuse": 1}), table=table)
    assert statement.level == "f"
    lens = Article(first["VM4"].code, 1_000)
    sold = [lens, lens, Article(first["M03"].code, 1_000)]
    check(statement, sold, statement.largest_amounts(sold))


def test_a_price_below_the_share_leaves_nothing_to_claim() -> None:
    statement = equipment()
    sold = articles(("VM4", 100), ("VM4", 100), ("M03", SHARE - 1))
    assert statement.largest_amounts(sold) == Amounts(200 - 2 * SHARE, 0)
    refuse(statement, sold, Amounts(0, 0), "amount for the frame")


def test_a_lens_and_its_correction_are_committed() -> None:
    right, left, frame = articles(("VM4", 100), ("VM4", 100), ("M03", 100))
    sold = [
        Article(right.code, 100, Correction(-9, -2, 90, 8)),
        Article(left.code, 100, Correction(0)),
        frame,
    ]
    check(equipment(), sold, Amounts(0, 0))


# -- ceilings ----------------------------------------------------------------------------------


def test_a_ceiling_limits_the_amount_and_never_the_price() -> None:
    # 900 € of glasses under a ceiling of 800 € are an ordinary claim of 800 €.
    statement = equipment()
    sold = articles(("VM4", 40_000), ("VM4", 40_000), ("M03", 10_000))
    assert statement.ceiling_cents == 80_000
    largest = statement.largest_amounts(sold)
    assert largest.total_cents == 80_000
    assert largest.frame_cents == 10_000 - SHARE
    check(statement, sold, largest)


@pytest.mark.parametrize(
    ("amounts", "problem"),
    [
        (Amounts(80_001, 0), "total claimed is over the ceiling of 80000 cents for level f"),
        (Amounts(70_001, 10_000), "total claimed is over the ceiling"),
        (Amounts(0, 10_001), "frame: claimed over its ceiling of 10000 cents"),
    ],
)
def test_an_amount_over_its_ceiling_is_refused_in_clear(amounts: Amounts, problem: str) -> None:
    with pytest.raises(CeilingError, match=problem):
        equipment().publics(DAY, amounts)


def test_a_frame_is_never_reimbursed_beyond_the_whole_equipment() -> None:
    ceilings = load_sample("responsable").model_dump()["reimbursement_ceilings_cents"]
    tight = contract(reimbursement_ceilings_cents=ceilings | {"f": 4_000})
    statement = equipment(of_contract=tight)
    assert statement.frame_ceiling_cents == 4_000
    sold = articles(("VM4", 20_000), ("VM4", 20_000), ("M03", 9_000))
    assert statement.largest_amounts(sold) == Amounts(0, 4_000)
    check(statement, sold, Amounts(0, 4_000))


@pytest.mark.parametrize(
    ("right", "left", "level"),
    [
        ("VU1", "VU1", "a"),
        ("VU1", "VU4", "b"),
        ("VM1", "VU4", "c"),
        ("VU1", "VM4", "d"),
        ("VM4", "VM1", "e"),
        ("VM4", "VM7", "f"),
    ],
)
def test_the_level_follows_from_the_classes(right: str, left: str, level: EquipmentLevel) -> None:
    statement = equipment(right, left)
    assert statement.level == level
    assert statement.ceiling_cents == contract().reimbursement_ceilings_cents[level]


def test_amounts_are_demanded() -> None:
    statement = equipment()
    with pytest.raises(StatementError, match="amounts are missing"):
        statement.publics(DAY, None)
    with pytest.raises(WitnessError, match="amounts are missing"):
        statement.wires(articles(("VM4", 1), ("VM4", 1), ("M03", 1)), None)


# -- mixed baskets -----------------------------------------------------------------------------


def test_class_a_lenses_use_up_the_ceiling_for_a_class_b_frame() -> None:
    statement = equipment("V04", "V04", "M03")  # level f: 800 €
    sold = articles(("V04", 40_000), ("V04", 35_000), ("M03", 9_000))
    assert statement.largest_amounts(sold) == Amounts(75_000, 5_000)
    check(statement, sold, Amounts(75_000, 5_000))
    check(statement, sold, Amounts(0, 5_000))
    refuse(statement, sold, Amounts(0, 5_001), "ceiling less the class A prices")


def test_a_class_a_frame_uses_up_the_ceiling_for_class_b_lenses() -> None:
    statement = equipment("VM4", "VM4", "M01")
    sold = articles(("VM4", 50_000), ("VM4", 50_000), ("M01", 3_000))
    assert statement.largest_amounts(sold) == Amounts(77_000, 3_000)
    check(statement, sold, Amounts(77_000, 0))
    refuse(statement, sold, Amounts(77_001, 0), "ceiling less the class A prices")


def test_class_a_supplements_use_up_the_ceiling_too() -> None:
    statement = equipment("V04", "V04", "M03", ["SV2"])
    sold = articles(("V04", 30_000), ("V04", 30_000), ("M03", 9_000), ("SV2", 15_000))
    check(statement, sold, Amounts(75_000, 5_000))
    refuse(statement, sold, Amounts(0, 5_001), "ceiling less the class A prices")


def test_class_a_prices_over_the_ceiling_make_no_mixed_claim() -> None:
    statement = equipment("V04", "V04", "M03")
    over = articles(("V04", 80_001), ("V04", 0), ("M03", 9_000))
    refuse(statement, over, Amounts(0, 0), "right lens: price within its limit")
    together = articles(("V04", 40_001), ("V04", 40_000), ("M03", 9_000))
    refuse(statement, together, Amounts(0, 0), "")
    check(statement, articles(("V04", 40_000), ("V04", 40_000), ("M03", 9_000)), Amounts(0, 0))


def test_baskets_of_one_class_have_no_such_limit() -> None:
    check(
        equipment("V04", "V04", "M01"),
        articles(("V04", 90_000), ("V04", 90_000), ("M01", 3_000)),
        Amounts(77_000, 3_000),
    )


# -- caps and limits ---------------------------------------------------------------------------


def test_caps_of_the_network_hold_for_every_line() -> None:
    statement = equipment(of_contract=contract("reseau"))
    fits = articles(("VM4", 26_000), ("VM4", 26_000), ("M03", 15_000))
    check(statement, fits, Amounts(0, 0))
    for place, label in enumerate(("right lens", "left lens", "frame")):
        sold = list(fits)
        sold[place] = Article(sold[place].code, sold[place].price_cents + 1)
        refuse(statement, sold, Amounts(0, 0), f"{label}: price within its limit")


def test_limits_of_hidden_rows_hold_for_every_line() -> None:
    table = limits_table()
    lenses, frames = table.class_rows("V04", DAY), table.class_rows("M01", DAY)
    statement = equipment("V04", "V04", "M01", table=table)
    fits = [Article(lenses[1].code, 6_000), Article(lenses[3].code, 15_000)]
    fits.append(Article(frames[4].code, 5_500))
    check(statement, fits, Amounts(0, 0))
    for place in range(3):
        sold = list(fits)
        sold[place] = Article(sold[place].code, sold[place].price_cents + 1)
        refuse(statement, sold, Amounts(0, 0), "price within its limit")


# -- pair --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "right", "left"),
    [
        ("a", "VU1", "VU2"),
        ("b", "VU1", "VM1"),
        ("b", "VM1", "VU1"),
        ("c", "VM1", "VU6"),
        ("d", "VM4", "VU1"),
        ("e", "VM1", "VM5"),
        ("f", "VM4", "VM7"),
    ],
)
def test_the_level_is_all_that_a_pair_declares(
    level: EquipmentLevel, right: str, left: str
) -> None:
    statement = pair(level)
    sold = articles((right, 10_000), (left, 20_000), ("M03", 5_000))
    assert statement.level == level
    check(statement, sold, statement.largest_amounts(sold))
    # One circuit for both eyes' orders.
    assert statement.circuit.digest == pair(level).circuit.digest


@pytest.mark.parametrize("level", ["a", "b", "c", "d", "f"])
def test_another_level_is_not_satisfied(level: EquipmentLevel) -> None:
    statement = pair(level)
    sold = articles(("VM1", 10_000), ("VM4", 20_000), ("M03", 5_000))  # level e
    amounts = Amounts(0, 0)
    wires = statement.wires(sold, amounts)
    with pytest.raises(WitnessError, match="pair: the declared level"):
        statement.circuit.check_witness(wires, statement.publics(DAY, amounts))


def test_each_row_of_a_union_keeps_the_cap_of_its_class() -> None:
    statement = pair("d", of_contract=contract("reseau"))
    check(statement, articles(("VU1", 9_000), ("VM4", 26_000), ("M03", 100)), Amounts(0, 0))
    for prices in ((9_001, 26_000), (9_000, 26_001)):
        sold = articles(("VU1", prices[0]), ("VM4", prices[1]), ("M03", 100))
        refuse(statement, sold, Amounts(0, 0), "price within its limit")


def test_a_pair_of_the_other_price_class_is_refused() -> None:
    sold = articles(("V04", 100), ("VM4", 100), ("M03", 100))
    refuse(pair("f", "B"), sold, Amounts(0, 0), "right lens: the code is not in")


def test_a_mixed_pair() -> None:
    statement = pair("f", "B", "M01")
    sold = articles(("VM4", 50_000), ("VM7", 50_000), ("M01", 3_000))
    check(statement, sold, Amounts(77_000, 3_000))
    refuse(statement, sold, Amounts(77_001, 0), "ceiling less the class A prices")


# -- declarations ------------------------------------------------------------------------------


def test_degrees_are_as_measured() -> None:
    assert equipment().circuit.degree == EQUIPMENT_DEGREE
    assert pair().circuit.degree == PAIR_DEGREE


def test_two_lenses_of_different_price_classes_are_refused() -> None:
    with pytest.raises(StatementError, match="different price classes"):
        equipment("V04", "VM4")


def test_a_supplement_of_the_other_price_class_is_refused() -> None:
    with pytest.raises(StatementError, match="supplement 1: not of the lenses' price class"):
        equipment(supplements=["SV2"])


def test_a_pair_declares_level_and_price_class() -> None:
    for level, price_class in ((None, "B"), ("f", None), (None, None)):
        with pytest.raises(StatementError, match="level and price class of the lenses are"):
            pair(level, price_class)  # type: ignore[arg-type]


def test_a_pair_declares_no_class_of_lenses() -> None:
    lines = (
        DeclaredLine("right_lens"),
        DeclaredLine("left_lens", "VM4"),
        DeclaredLine("frame", "M03"),
    )
    declaration = Declaration("pair", lines, "f", "B")
    with pytest.raises(StatementError, match="left lens: the class is hidden"):
        EquipmentStatement(declaration, contract(), nomenclature(), DAY)


@pytest.mark.parametrize(("level", "price_class"), [("f", None), (None, "B"), ("f", "B")])
def test_an_equipment_declares_neither(
    level: EquipmentLevel | None, price_class: PriceClass | None
) -> None:
    lines = tuple(
        DeclaredLine(role, regroupement)  # type: ignore[arg-type]
        for role, regroupement in (("right_lens", "VM4"), ("left_lens", "VM4"), ("frame", "M03"))
    )
    declaration = Declaration("equipment", lines, level, price_class)
    with pytest.raises(StatementError, match="follow from the classes"):
        EquipmentStatement(declaration, contract(), nomenclature(), DAY)


def test_the_floor_of_a_pair_counts_the_lenses_that_its_level_leaves() -> None:
    # At level f both lenses are very complex: 36 cells in VM4…VM7, however large the union.
    floor = {"warn": 100, "refuse": 30}
    pair("e", of_contract=contract(floor_cells=floor))
    cells = {
        row.cell
        for row in nomenclature().lens_union("B", DAY)
        if nomenclature().legal_level(row.regroupement) == "very_complex"
    }
    pair("f", of_contract=contract(floor_cells=floor | {"refuse": len(cells)}))
    with pytest.raises(FloorError, match=f"lenses: hides among {len(cells)}, "):
        pair("f", of_contract=contract(floor_cells=floor | {"refuse": len(cells) + 1}))


def test_each_lens_of_a_pair_hides_among_its_own_legal_level() -> None:
    # Level d of class A is a simple lens, V01 with 13 cells, and a very complex one.
    declaration = Declaration(
        "pair",
        (DeclaredLine("right_lens"), DeclaredLine("left_lens"), DeclaredLine("frame", "M03")),
        "d",
        "A",
    )
    sizes = [size_of(rows).cells for rows in possible_lenses(declaration, nomenclature(), DAY)]
    assert sizes == [13, 36]
    for refuse in (13, 14):
        terms = contract(floor_cells={"warn": 100, "refuse": refuse})
        if refuse == 13:
            EquipmentStatement(declaration, terms, nomenclature(), DAY)
        else:
            with pytest.raises(FloorError, match="hides among 13"):
                EquipmentStatement(declaration, terms, nomenclature(), DAY)


def test_the_circuit_depends_on_everything_it_follows_from() -> None:
    digests = {
        equipment().circuit.digest,
        equipment("VM5").circuit.digest,
        equipment(frame="M04").circuit.digest,
        equipment(supplements=["SV3"]).circuit.digest,
        equipment(of_contract=contract("reseau")).circuit.digest,
        equipment(of_contract=contract(largest_price_cents=299_999)).circuit.digest,
        equipment(of_contract=contract(public_payer_rate_percent=0)).circuit.digest,
        equipment(table=limits_table()).circuit.digest,
        pair("f").circuit.digest,
        pair("e").circuit.digest,
        pair("f", "A").circuit.digest,
        pair("f", frame="M01").circuit.digest,
    }
    assert len(digests) == 12


def test_the_day_is_no_part_of_the_circuit() -> None:
    assert equipment(day=date(2021, 1, 2)).circuit.digest == equipment().circuit.digest
