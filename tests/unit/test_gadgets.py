"""Ranges and hidden rows: worked examples and messages (the rest is in tests/properties)."""

from __future__ import annotations

import pytest

from circuits.gadgets import Range, range_digits, select_row, selector_radix
from zk.errors import StatementError, WitnessError
from zk.relation import CircuitBuilder, Digit


@pytest.mark.parametrize(
    ("cap", "base", "digits"),
    [
        (0, 10, ()),
        (1, 2, ((1, 1),)),
        (7, 2, ((4, 1), (2, 1), (1, 1))),
        (9, 10, ((1, 9),)),
        (99, 10, ((10, 9), (1, 9))),
        (34, 4, ((11, 2), (3, 3), (1, 3))),  # four digits, if each were as large as it may be
    ],
)
def test_digits_of_small_caps(cap: int, base: int, digits: tuple[tuple[int, int], ...]) -> None:
    assert range_digits(cap, base) == digits


def test_digits_of_a_cap_between_powers() -> None:
    # 0…10 in base 10 needs a second digit, and together they must not reach 11.
    digits = range_digits(10, 10)
    assert len(digits) == 2
    assert sum(weight * largest for weight, largest in digits) == 10


def test_three_thousand_euros_take_six_digits_in_base_ten() -> None:
    assert len(range_digits(300_000, 10)) == 6
    assert sum(weight * largest for weight, largest in range_digits(300_000, 10)) == 300_000


def test_no_range_ends_below_zero() -> None:
    with pytest.raises(StatementError, match="below 0"):
        range_digits(-1, 2)
    with pytest.raises(StatementError, match="below 0"):
        Range.build(CircuitBuilder(1), -1, 10, "price")


@pytest.mark.parametrize(
    ("rows", "degree", "radix"),
    [
        (2, 5, (2,)),
        (3, 1, (3,)),
        (4, 5, (2, 2)),
        (477, 5, (4, 4, 4, 4, 2)),
        (1024, 5, (4, 4, 4, 4, 4)),
    ],
)
def test_radix_of_known_sizes(rows: int, degree: int, radix: tuple[int, ...]) -> None:
    chosen = selector_radix(rows, degree)
    assert sum(chosen) - len(chosen) == sum(radix) - len(radix)
    assert len(chosen) == len(radix)


def test_a_range_has_a_digit_equation_for_every_wire() -> None:
    builder = CircuitBuilder(1)
    part = Range.build(builder, 2_999, 10, "price")
    builder.line({1: part.form})
    circuit = builder.build()
    assert part.cap == 2_999
    assert circuit.wires == len(part.digits) == len(circuit.equations)
    for equation, (wire, _, largest) in zip(circuit.equations, part.digits, strict=True):
        assert isinstance(equation, Digit)
        assert equation.form.wires == ((wire, 1),)
        assert equation.base == largest + 1
        assert equation.label == "price"


@pytest.mark.parametrize("value", [-1, 3_000, 123_456])
def test_a_value_outside_is_refused_by_label_and_never_told(value: int) -> None:
    part = Range.build(CircuitBuilder(1), 2_999, 10, "price of the frame")
    with pytest.raises(WitnessError) as refusal:
        part.assignment(value)
    assert str(refusal.value) == "not satisfied: price of the frame"


def test_a_hidden_row_reads_all_columns_of_one_row() -> None:
    builder = CircuitBuilder(2)
    codes, limits = (101, 205, 309), (7, 8, 9)
    selector = select_row(builder, [codes, limits], 4, "row")
    builder.line({1: builder.column(selector, 0), 2: builder.column(selector, 1)})
    circuit = builder.build()
    assert circuit.degree == 2
    for row in range(3):
        assigned = selector.assignment(row)
        wires = [assigned[wire] for wire in range(circuit.wires)]
        circuit.check_witness(wires, ())
        assert circuit.line_values(wires, ()) == [[codes[row], limits[row]]]
