"""The fast field part against the formulas written out (``tests/support/textbook.py``)."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from gmpy2 import invert, mpz

from tests.support.circuits import Example, bit, purchase
from tests.support.textbook import expression_value, field_part
from zk.errors import StatementError
from zk.evaluate import MAX_LOW, Point, _contract, _TableGroup, evaluator_of
from zk.field import powers
from zk.relation import Circuit, CircuitBuilder, Digit, Expression, LinearForm, Table

pytestmark = pytest.mark.usefixtures("either_evaluator")

Q = mpz(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141)


def draw(count: int, seed: int) -> list[mpz]:
    generator = random.Random(seed)
    return [mpz(generator.randrange(int(Q))) for _ in range(count)]


def point_of(
    circuit: Circuit, f: Sequence[mpz], x: mpz, y: mpz, publics: Sequence[int], q: mpz = Q
) -> Point:
    return Point(f, x, powers(y, len(circuit.equations) + len(circuit.lines), q), publics)


def assert_textbook(
    circuit: Circuit, f: Sequence[mpz], x: mpz, y: mpz, publics: Sequence[int], q: mpz = Q
) -> None:
    (value,) = evaluator_of(circuit, q)([point_of(circuit, f, x, y, publics, q)])
    assert (value.g, list(value.h)) == field_part(circuit, f, x, y, publics, q)


@pytest.mark.parametrize("example", [bit(), purchase()], ids=["bit", "purchase"])
@pytest.mark.parametrize("x", [mpz(0), mpz(1), Q - 1, *draw(2, 1)])
def test_the_fast_formulas_are_the_textbooks(example: Example, x: mpz) -> None:
    circuit = example.circuit
    for y in (mpz(0), mpz(1), *draw(1, 2)):
        assert_textbook(circuit, draw(circuit.wires, 3), x, y, example.publics)
    assert_textbook(circuit, [Q - 1] * circuit.wires, x, Q - 1, example.publics)


@pytest.mark.parametrize("base", range(2, 17))
def test_digits_of_every_base(base: int) -> None:
    builder = CircuitBuilder(1)
    one, other = builder.digit(base), builder.digit(2)
    public = builder.public(9)
    builder.line({1: one})
    circuit = builder.build()
    # A form, not a wire alone, in a second digit equation of the same base.
    equations = (*circuit.equations, Digit(3 - 2 * one + other + public, base))
    circuit = Circuit(2, circuit.publics, 1, (), (), equations, circuit.lines)
    x, y = draw(2, base + 100)
    assert_textbook(circuit, draw(2, base), x, y, [7])
    # On a wire that holds a digit, Σ y^e F_e has no coefficient at x^D of the first equation.
    for value in range(base):
        wires = [mpz(value), mpz(0)]
        first, *_ = powers(mpz(1), 1, Q)
        at = Point(wires, mpz(1), [first, mpz(0), mpz(0), mpz(0)], [7])
        assert evaluator_of(circuit, Q)([at])[0].g == 0
    outside = Point([mpz(base), mpz(0)], mpz(1), [mpz(1), mpz(0), mpz(0), mpz(0)], [7])
    assert evaluator_of(circuit, Q)([outside])[0].g != 0


@pytest.mark.parametrize("base", [2, 3, 4])
def test_the_indicator_of_a_zero_digit_may_be_a_digit_of_any_base(base: int) -> None:
    # As a bit it is read with the selector; in another base it is a form like any other.
    builder = CircuitBuilder(1)
    selector = builder.select(Table(((5, 6, 7),)), (3,))
    builder.line({1: builder.column(selector, 0)})
    built = builder.build()
    zero = built.selectors[0].indicator(0, 0)
    equations = (*built.equations, Digit(zero, base))
    circuit = Circuit(
        built.wires, built.publics, 1, built.tables, built.selectors, equations, built.lines
    )
    x, y = draw(2, base)
    assert_textbook(circuit, draw(circuit.wires, base + 1), x, y, [])


RADICES = [(2,), (3,), (13,), (2, 2), (3, 2), (2, 7), (4, 3, 2), (2, 2, 2, 2), (5, 1 + 1, 2)]


@pytest.mark.parametrize("radix", RADICES)
@pytest.mark.parametrize("largest", [1, 2**24 - 1, 2**24, 2**48, 2**63 - 1])
def test_tables_of_every_shape(radix: tuple[int, ...], largest: int) -> None:
    generator = random.Random(largest)
    reach = 1
    for base in radix:
        reach *= base
    rows = generator.randrange(reach // 2 + 1, reach + 1)
    table = Table(
        (
            tuple(generator.randrange(largest + 1) for _ in range(rows)),
            (largest,) * rows,
            (0,) * rows,
        )
    )
    builder = CircuitBuilder(2)
    one, other = builder.select(table, radix), builder.select(table, radix)
    builder.zero(Expression.of(builder.column(one, 0)) - builder.column(other, 1) + 3)
    builder.line({1: builder.column(other, 0), 2: Expression.of(builder.column(one, 2)) + 9})
    circuit = builder.build()
    x, y = draw(2, 2)
    assert_textbook(circuit, draw(circuit.wires, 1), x, y, [])
    assert_textbook(circuit, [Q - 1] * circuit.wires, Q - 1, Q - 2, [])
    assert_textbook(circuit, [mpz(2) ** 255] * circuit.wires, mpz(0), mpz(1), [])


@pytest.mark.parametrize(
    ("rows", "radix"),
    [(5_000, (5, 5, 6, 6, 6)), (4_000, (4_001,)), (16_384, (128, 128)), (8_192, (2,) * 13)],
)
def test_a_large_table_of_the_largest_entries(rows: int, radix: tuple[int, ...]) -> None:
    # Nothing may be rounded where sums are longest and entries and scalars largest.
    generator = random.Random(rows)
    entries = tuple(2**63 - 1 - generator.randrange(3) for _ in range(rows))
    builder = CircuitBuilder(1)
    selector = builder.select(Table((entries,)), radix)
    builder.line({1: builder.column(selector, 0)})
    circuit = builder.build()
    D = circuit.degree
    for f in ([Q - 1] * circuit.wires, draw(circuit.wires, 4)):
        x, y = draw(2, 5)
        (value,) = evaluator_of(circuit, Q)([point_of(circuit, f, x, y, [])])
        scale = invert(x, Q)
        plain = expression_value(circuit, circuit.lines[0][0], [v * scale % Q for v in f], [], Q)
        assert value.h[0] == y ** len(circuit.equations) * x**D * plain % Q


def test_the_longest_contraction_is_exact() -> None:
    # Just below the largest in every factor, and odd: nothing above 2^53 would hold it.
    limbs = np.full((1, 16, MAX_LOW), 2**16 - 1, dtype=np.float64)
    entries = np.full((MAX_LOW, 1), 2**24 - 1, dtype=np.float64)
    entries[0] -= 1
    (product,) = _contract(limbs, entries)
    assert product == (2**256 - 1) * (MAX_LOW * (2**24 - 1) - 1)


@pytest.mark.parametrize(
    ("radix", "columns", "low", "high"),
    [
        ((16, 16), 1, 16, 16),
        ((2,) * 13, 1, 2**7, 2**6),
        ((2,) * 13, 5, 2**8, 2**5),
        ((4, 64), 1, 4, 64),
    ],
)
def test_a_table_is_split_where_its_halves_cost_least(
    radix: tuple[int, ...], columns: int, low: int, high: int
) -> None:
    rows = low * high
    builder = CircuitBuilder(1)
    selector = builder.select(Table(((1,) * rows,) * columns), radix)
    for column in range(columns):
        builder.zero(Expression.of(builder.column(selector, column)) - 1)
    builder.line({1: builder.column(selector, 0)})
    group = _TableGroup(builder.build(), 0, radix)
    assert (group.low, group.high) == (low, high)


def test_many_points_at_once_are_the_points_one_by_one() -> None:
    example = purchase()
    circuit, evaluate = example.circuit, evaluator_of(example.circuit, Q)
    points = [
        point_of(circuit, draw(circuit.wires, seed), mpz(seed + 50), mpz(9 * seed), [seed, 3])
        for seed in range(7)
    ]
    assert evaluate(points) == [evaluate([point])[0] for point in points]
    assert evaluate([]) == []


def test_on_a_witness_everything_at_x_1_vanishes_and_lines_are_what_they_commit_to() -> None:
    example = purchase()
    circuit = example.circuit
    wires = [mpz(w) for w in example.wires]
    y = mpz(1_000_003)
    (value,) = evaluator_of(circuit, Q)([point_of(circuit, wires, mpz(1), y, example.publics)])
    lines = circuit.line_values(example.wires, example.publics)
    E = len(circuit.equations)
    assert value.g == 0
    assert list(value.h) == [
        sum(y ** (E + l) * line[s] for l, line in enumerate(lines)) % Q
        for s in range(circuit.slots)
    ]


def test_in_a_small_field() -> None:
    q = mpz(17)
    circuit = purchase().circuit
    f = [mpz(k * k + 3) % q for k in range(circuit.wires)]
    for x in range(17):
        assert_textbook(circuit, f, mpz(x), mpz(5), purchase().publics, q)


def test_evaluators_are_kept_by_circuit_and_order() -> None:
    circuit = bit().circuit
    assert evaluator_of(circuit, Q) is evaluator_of(circuit, Q)
    assert evaluator_of(circuit, Q) is not evaluator_of(circuit, mpz(17))


@pytest.mark.parametrize("constant", [0, 1])
def test_a_digit_equation_without_wires(constant: int) -> None:
    builder = CircuitBuilder(1)
    builder.boolean(LinearForm(constant))
    builder.line({1: builder.digit(2)})
    x, y = draw(2, 2)
    assert_textbook(builder.build(), draw(1, 1), x, y, [])


def test_a_selector_without_digits_is_refused_or_evaluated() -> None:
    builder = CircuitBuilder(1)
    selector = builder.select(Table(((5,),)), ())
    builder.line({1: builder.column(selector, 0)})
    try:
        circuit = builder.build()
    except StatementError:
        return
    x, y = draw(2, 2)
    assert_textbook(circuit, [], x, y, [])
