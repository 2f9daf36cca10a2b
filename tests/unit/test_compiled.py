"""What all statements share."""

from __future__ import annotations

import pytest

from circuits.compiled import Amounts, CompiledStatement
from circuits.contract import load_sample
from circuits.declaration import Declaration, DeclaredLine
from circuits.equipment import EquipmentStatement
from circuits.items import Article
from circuits.line import LineStatement
from circuits.slots import SLOTS
from tests.support.claims import DAY, nomenclature, row_of
from zk.errors import WitnessError
from zk.relation import CircuitBuilder


def test_amounts_add_up() -> None:
    assert Amounts(70_000, 10_000).total_cents == 80_000
    assert Amounts(0, 0).total_cents == 0


def test_a_statement_cannot_be_made_without_its_kind() -> None:
    with pytest.raises(TypeError, match="abstract"):
        CompiledStatement()  # type: ignore[abstract]


@pytest.mark.parametrize("supplements", [0, 1, 4])
def test_wires_of_all_articles_come_in_the_circuits_order(supplements: int) -> None:
    lines = (
        DeclaredLine("right_lens", "VM4"),
        DeclaredLine("left_lens", "VM4"),
        DeclaredLine("frame", "M03"),
        *(DeclaredLine("supplement", "SV3") for _ in range(supplements)),
    )
    statement = EquipmentStatement(
        Declaration("equipment", lines), load_sample("responsable"), nomenclature(), DAY
    )
    names = ["VM4", "VM4", "M03", *["SV3"] * supplements]
    sold = [Article(row_of(name).code, 1_000 + place) for place, name in enumerate(names)]
    amounts = statement.largest_amounts(sold)
    wires = statement.wires(sold, amounts)
    publics = statement.publics(DAY, amounts)
    assert len(wires) == statement.circuit.wires
    assert len(statement.items) == len(statement.circuit.lines) == len(names)
    statement.circuit.check_witness(wires, publics)
    for article, values in zip(sold, statement.circuit.line_values(wires, publics), strict=True):
        assert values[:2] == [article.code, article.price_cents]
    for wrong in (sold[:-1], [*sold, sold[0]]):
        with pytest.raises(WitnessError, match="articles declared"):
            statement.wires(wrong, amounts)


def test_every_statement_has_the_slots_of_the_line_format() -> None:
    declaration = Declaration("line", (DeclaredLine("item", "V04"),))
    statement = LineStatement(declaration, load_sample("responsable"), nomenclature(), DAY)
    assert statement.circuit.slots == SLOTS == 4
    assert isinstance(statement._start()[0], CircuitBuilder)
