"""What a claim may declare in clear, and what it must not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from circuits.contract import Contract, Floor, load_sample
from circuits.declaration import (
    EQUIPMENT_ROLES,
    MAX_SUPPLEMENTS,
    Declaration,
    DeclaredLine,
    FloorError,
    Role,
    check_floor,
    equipment_lines,
    rows_of,
)
from circuits.nomenclature import Row
from tests.support.claims import DAY, nomenclature, row_of
from zk.errors import StatementError


def contract(refuse: int = 3) -> Contract:
    floor = Floor(warn=1_000, refuse=refuse)
    return Contract.model_validate(
        load_sample("responsable").model_dump() | {"floor_cells": floor.model_dump()}
    )


def look_up(line: DeclaredLine, family: str = "", refuse: int = 3) -> tuple[Row, ...]:
    return rows_of(line, "right lens", family, contract(refuse), nomenclature(), DAY)


def equipment(roles: Sequence[Role]) -> Declaration:
    return Declaration("equipment", tuple(DeclaredLine(role) for role in roles))


# -- roles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("supplements", range(MAX_SUPPLEMENTS + 1))
def test_an_equipment_has_up_to_four_supplements(supplements: int) -> None:
    declaration = equipment([*EQUIPMENT_ROLES, *["supplement"] * supplements])  # type: ignore[list-item]
    assert equipment_lines(declaration) == declaration.lines[3:]


def test_a_fifth_supplement_is_refused() -> None:
    with pytest.raises(StatementError, match="at most 4 supplements"):
        equipment_lines(equipment([*EQUIPMENT_ROLES, *["supplement"] * 5]))  # type: ignore[list-item]


@pytest.mark.parametrize(
    "roles",
    [
        [],
        ["item"],
        ["right_lens", "left_lens"],
        ["left_lens", "right_lens", "frame"],
        ["right_lens", "right_lens", "frame"],
        ["right_lens", "frame", "left_lens"],
        ["right_lens", "left_lens", "frame", "frame"],
        ["right_lens", "left_lens", "frame", "supplement", "item"],
        ["supplement", "right_lens", "left_lens", "frame"],
    ],
)
def test_other_roles_or_orders_are_refused(roles: list[Role]) -> None:
    with pytest.raises(StatementError, match="right lens, left lens, frame, then supplements"):
        equipment_lines(equipment(roles))


# -- rows --------------------------------------------------------------------------------------


def test_a_hidden_line_may_be_any_row_of_its_class() -> None:
    rows = look_up(DeclaredLine("right_lens", "V04"), "lens")
    assert rows == nomenclature().class_rows("V04", DAY)


def test_a_class_too_small_to_hide_in_is_declared_by_code() -> None:
    code = row_of("S01").code
    assert look_up(DeclaredLine("supplement", "S01", code), "supplement") == (row_of("S01"),)


def test_three_codes_of_supplements_are_hidden() -> None:
    assert len(look_up(DeclaredLine("supplement", "SV2"), "supplement")) == 3


@pytest.mark.parametrize(
    ("line", "family", "problem"),
    [
        (DeclaredLine("right_lens"), "lens", "right lens: the class is missing"),
        (DeclaredLine("right_lens", "V99"), "lens", "unknown regroupement class"),
        (DeclaredLine("right_lens", "M03"), "lens", "class M03 is not a class of that kind"),
        (DeclaredLine("frame", "V04"), "frame", "class V04 is not a class of that kind"),
        (DeclaredLine("supplement", "V04"), "supplement", "class V04 is not a class of that kind"),
        (DeclaredLine("supplement", "S01"), "supplement", "class S01 is small"),
        (DeclaredLine("supplement", "S01", 1), "supplement", "class S01 is small"),
        (DeclaredLine("supplement", "SV2", 1), "supplement", "class SV2 hides its code"),
        (DeclaredLine("right_lens", "V04", 1), "lens", "class V04 hides its code"),
    ],
)
def test_a_line_that_cannot_be_is_refused(line: DeclaredLine, family: str, problem: str) -> None:
    with pytest.raises(StatementError, match=problem):
        look_up(line, family)


def test_a_true_code_where_it_should_be_hidden_is_refused_without_repeating_it() -> None:
    code = row_of("V04").code
    with pytest.raises(StatementError, match="hides its code") as refusal:
        look_up(DeclaredLine("right_lens", "V04", code), "lens")
    assert str(code) not in str(refusal.value)


# -- floor -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("regroupement", "hiding"), [("V04", 36), ("VM7", 4), ("VU2", 3), ("M03", 477), ("SV2", 3)]
)
def test_the_floor_counts_cells_or_codes_where_there_are_none(
    regroupement: str, hiding: int
) -> None:
    line = DeclaredLine("item", regroupement)
    assert look_up(line, refuse=hiding)
    with pytest.raises(FloorError, match=f"hides among {hiding}, the contract's floor is"):
        look_up(line, refuse=hiding + 1)


def test_a_code_in_clear_is_not_held_to_the_floor() -> None:
    assert look_up(DeclaredLine("item", "S01", row_of("S01").code), refuse=1_000)


def test_a_floor_below_the_warning_alone_refuses_nothing() -> None:
    check_floor(nomenclature().class_rows("VU2", DAY), "item", load_sample("responsable"))


def test_no_row_at_all_is_below_every_floor() -> None:
    with pytest.raises(FloorError, match="lenses: hides among 0"):
        check_floor((), "lenses", contract(1))
