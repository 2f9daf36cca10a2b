"""Compiling by name: contracts in force, statements allowed, circuits kept."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from circuits.contract import Contract, StatementName, load_sample
from circuits.declaration import Declaration, DeclaredLine, FloorError
from circuits.equipment import EquipmentStatement
from circuits.line import LineStatement
from circuits.statements import (
    ContractPeriodError,
    GroundError,
    NotAllowedError,
    compile_statement,
    require_ground_allowed,
)
from tests.support.claims import DAY, nomenclature
from tests.support.tables import limits_table
from zk.errors import StatementError

DECLARATIONS: dict[StatementName, Declaration] = {
    "line": Declaration("line", (DeclaredLine("item", "V04"),)),
    "equipment": Declaration(
        "equipment",
        (
            DeclaredLine("right_lens", "V04"),
            DeclaredLine("left_lens", "V04"),
            DeclaredLine("frame", "M01"),
        ),
    ),
    "pair": Declaration(
        "pair",
        (DeclaredLine("right_lens"), DeclaredLine("left_lens"), DeclaredLine("frame", "M01")),
        "f",
        "A",
    ),
}


def contract(**changes: Any) -> Contract:
    return Contract.model_validate(load_sample("responsable").model_dump() | changes)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("line", LineStatement), ("equipment", EquipmentStatement), ("pair", EquipmentStatement)],
)
def test_a_declaration_becomes_its_statement(name: StatementName, kind: type) -> None:
    assert type(compile_statement(DECLARATIONS[name], contract(), nomenclature(), DAY)) is kind


@pytest.mark.parametrize("name", ["line", "equipment", "pair"])
def test_a_statement_that_the_contract_leaves_out_is_not_allowed(name: StatementName) -> None:
    others = tuple(other for other in DECLARATIONS if other != name)
    with pytest.raises(NotAllowedError, match=f"does not allow the statement {name}"):
        compile_statement(DECLARATIONS[name], contract(statements=others), nomenclature(), DAY)
    for other in others:
        compile_statement(DECLARATIONS[other], contract(statements=others), nomenclature(), DAY)


@pytest.mark.parametrize("day", [date(2020, 7, 1), date(2021, 6, 30)])
def test_both_ends_of_the_contract_are_in_force(day: date) -> None:
    compile_statement(DECLARATIONS["line"], contract(), nomenclature(), day)


@pytest.mark.parametrize("day", [date(2020, 6, 30), date(2021, 7, 1), date(1999, 1, 1)])
def test_outside_the_contract_nothing_is_compiled(day: date) -> None:
    with pytest.raises(ContractPeriodError, match=f"not in force on {day.isoformat()}"):
        compile_statement(DECLARATIONS["line"], contract(), nomenclature(), day)


def test_a_day_that_the_table_does_not_know_is_refused() -> None:
    longer = contract(valid_to=date(2030, 1, 1))
    with pytest.raises(StatementError, match="is not valid on 2025-01-01"):
        compile_statement(DECLARATIONS["line"], longer, nomenclature(), date(2025, 1, 1))


def test_a_class_below_the_floor_is_refused() -> None:
    strict = contract(floor_cells={"warn": 100, "refuse": 40})
    with pytest.raises(FloorError, match="item: hides among 36"):
        compile_statement(DECLARATIONS["line"], strict, nomenclature(), DAY)


@pytest.mark.parametrize("name", ["equipment", "pair"])
def test_a_ground_is_allowed_where_the_contract_lists_it(name: StatementName) -> None:
    terms = contract(early_renewal_grounds=("change_of_vision", "lost"))
    for ground in (None, "lost", "change_of_vision"):
        require_ground_allowed(ground, name, terms)
    with pytest.raises(GroundError, match="not in the contract's list") as refusal:
        require_ground_allowed("broken", name, terms)
    assert "broken" not in str(refusal.value)
    require_ground_allowed(None, name, contract(early_renewal_grounds=()))
    with pytest.raises(GroundError):
        require_ground_allowed("lost", name, contract(early_renewal_grounds=()))


def test_a_line_takes_no_ground() -> None:
    require_ground_allowed(None, "line", contract())
    with pytest.raises(GroundError, match="the statement line renews no equipment"):
        require_ground_allowed("change_of_vision", "line", contract())


def test_what_is_alike_is_compiled_once() -> None:
    first = compile_statement(DECLARATIONS["line"], contract(), nomenclature(), DAY)
    again = compile_statement(DECLARATIONS["line"], contract(), nomenclature(), date(2021, 3, 4))
    assert again is first


@pytest.mark.parametrize(
    "changes",
    [
        {"largest_price_cents": 299_999},
        {"price_caps_cents": {"V04": 1_000}},
        {"valid_from": date(2020, 7, 2)},
    ],
)
def test_the_memory_never_confuses_two_contracts(changes: dict[str, Any]) -> None:
    # The hash of a contract covers its names alone; equality covers everything.
    first = compile_statement(DECLARATIONS["line"], contract(), nomenclature(), DAY)
    other = compile_statement(DECLARATIONS["line"], contract(**changes), nomenclature(), DAY)
    assert other is not first
    assert (other.circuit == first.circuit) == ("valid_from" in changes)


def test_the_memory_never_confuses_two_tables_or_classes() -> None:
    first = compile_statement(DECLARATIONS["line"], contract(), nomenclature(), DAY)
    small = compile_statement(DECLARATIONS["line"], contract(), limits_table(), DAY)
    other = compile_statement(
        Declaration("line", (DeclaredLine("item", "V03"),)), contract(), nomenclature(), DAY
    )
    assert len({first.circuit.digest, small.circuit.digest, other.circuit.digest}) == 3
