"""Statement ``line``: the code is in its class, the price within its limit."""

from __future__ import annotations

from typing import Any

import pytest

from circuits.compiled import Amounts
from circuits.contract import Contract, load_sample
from circuits.declaration import Declaration, DeclaredLine
from circuits.items import Article, price_limit_cents
from circuits.line import DEGREE, LineStatement
from circuits.nomenclature import Nomenclature
from circuits.slots import Correction, encode_day
from tests.support.claims import DAY, nomenclature, row_of
from tests.support.tables import limits_table
from zk.errors import StatementError, WitnessError


def compile_line(
    regroupement: str = "V04",
    table: Nomenclature | None = None,
    contract: str = "responsable",
    **more: Any,
) -> LineStatement:
    declaration = Declaration("line", (DeclaredLine("item", regroupement, **more),))
    return LineStatement(declaration, load_sample(contract), table or nomenclature(), DAY)


def check(statement: LineStatement, article: Article) -> None:
    wires = statement.wires([article], None)
    publics = statement.publics(DAY, None)
    statement.circuit.check_witness(wires, publics)
    ((code, price, day, _),) = statement.circuit.line_values(wires, publics)
    assert (code, price, day) == (article.code, article.price_cents, encode_day(DAY))


@pytest.mark.parametrize("index", [0, 450, 900])
@pytest.mark.parametrize("price", [0, 1, 300_000])
def test_any_row_at_any_price_within_the_contract(index: int, price: int) -> None:
    check(compile_line(), Article(row_of("V04", index).code, price, Correction(-4)))


def test_a_network_cap_is_the_largest_price() -> None:
    statement = compile_line("VM4", contract="reseau")
    code = row_of("VM4").code
    check(statement, Article(code, 26_000))
    with pytest.raises(WitnessError, match="price within its limit"):
        statement.wires([Article(code, 26_001)], None)


def test_every_row_has_its_own_limit() -> None:
    statement = compile_line(table=limits_table())
    for row in limits_table().class_rows("V04", DAY):
        limit = price_limit_cents(row, load_sample("responsable"))
        check(statement, Article(row.code, limit))
        with pytest.raises(WitnessError):
            statement.wires([Article(row.code, limit + 1)], None)


@pytest.mark.parametrize("regroupement", ["V01", "VU2", "M01", "M03", "SV2"])
def test_lenses_frames_and_supplements_make_lines(regroupement: str) -> None:
    statement = compile_line(regroupement)
    row = row_of(regroupement)
    check(statement, Article(row.code, 2_000))
    if row.family == "lens":
        check(statement, Article(row.code, 2_000, Correction(3, -1, 20)))
    else:
        with pytest.raises(WitnessError, match="only a lens"):
            statement.wires([Article(row.code, 2_000, Correction(3))], None)


def test_a_small_class_in_clear() -> None:
    code = row_of("S01").code
    statement = compile_line("S01", code=code)
    check(statement, Article(code, 2_000))
    assert not statement.circuit.selectors


def test_the_degree_is_as_measured() -> None:
    assert compile_line().circuit.degree == DEGREE
    assert len(compile_line().circuit.lines) == 1


def test_the_circuit_depends_on_the_class_the_contract_and_the_table() -> None:
    digests = [
        compile_line().circuit.digest,
        compile_line("V03").circuit.digest,
        compile_line("VM4").circuit.digest,
        compile_line("VM4", contract="reseau").circuit.digest,
        compile_line(table=limits_table()).circuit.digest,
    ]
    assert len(set(digests)) == len(digests)
    assert compile_line().circuit.digest == digests[0]


def test_nothing_is_claimed() -> None:
    statement = compile_line()
    assert statement.largest_amounts([Article(row_of("V04").code, 100)]) is None
    with pytest.raises(StatementError, match="statement line: no amounts"):
        statement.publics(DAY, Amounts(0, 0))


def test_the_date_is_the_only_public_input() -> None:
    statement = compile_line()
    assert statement.publics(DAY, None) == (encode_day(DAY),)
    assert len(statement.circuit.publics) == 1


@pytest.mark.parametrize(
    ("declaration", "problem"),
    [
        (Declaration("line", ()), "one line, with role item"),
        (Declaration("line", (DeclaredLine("frame", "M03"),)), "one line, with role item"),
        (
            Declaration("line", (DeclaredLine("item", "M03"), DeclaredLine("item", "M03"))),
            "one line, with role item",
        ),
        (Declaration("line", (DeclaredLine("item", "V04"),), level="a"), "no level"),
        (Declaration("line", (DeclaredLine("item", "V04"),), price_class="A"), "no price class"),
        (Declaration("line", (DeclaredLine("item"),)), "the class is missing"),
        (Declaration("line", (DeclaredLine("item", "Z99"),)), "unknown regroupement class"),
    ],
)
def test_what_is_not_one_line_is_refused(declaration: Declaration, problem: str) -> None:
    with pytest.raises(StatementError, match=problem):
        LineStatement(declaration, load_sample("responsable"), nomenclature(), DAY)


@pytest.mark.parametrize("count", [0, 2])
def test_as_many_articles_as_lines(count: int) -> None:
    with pytest.raises(WitnessError, match=f"1 articles declared, {count} given"):
        compile_line().wires([Article(row_of("V04").code, 1)] * count, None)


def test_a_contract_without_caps_uses_its_largest_price() -> None:
    sample = load_sample("responsable").model_dump() | {"largest_price_cents": 777}
    declaration = Declaration("line", (DeclaredLine("item", "V04"),))
    statement = LineStatement(declaration, Contract.model_validate(sample), nomenclature(), DAY)
    check(statement, Article(row_of("V04").code, 777))
    with pytest.raises(WitnessError):
        statement.wires([Article(row_of("V04").code, 778)], None)
