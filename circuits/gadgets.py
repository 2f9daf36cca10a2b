"""Building blocks of statements: exact ranges and hidden rows, with the fewest wires for a degree.

A proof's degree D is paid once (a point a degree), wires are paid each; so digits are as large as D
allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

from zk.errors import StatementError, WitnessError
from zk.relation import CircuitBuilder, LinearForm, Selector, Table


@cache
def range_digits(cap: int, base: int) -> tuple[tuple[int, int], ...]:
    """Digits (weight, largest value), heaviest first, whose sums are exactly the integers
    0…``cap``.

    Of N = cap + 1 values, a digit with b ≤ ``base`` values and weight ⌊N/b⌋ leaves N − (b−1)·⌊N/b⌋
    to the digits after it; that is at least the weight, so there is no gap. Among the choices of b,
    the one with fewest digits in all is taken, the largest b at equal count: nearly always
    ⌈log_base N⌉ digits. Compare Chaabouni, Lipmaa, shelat, ACISP 2010, section 4. ``cap`` 0 needs
    no digit. Raises `StatementError` for a negative cap.
    """
    if cap < 0:
        raise StatementError("a range cannot end below 0")
    if cap < base:
        return ((1, cap),) if cap else ()
    values = cap + 1
    best: tuple[tuple[int, int], ...] | None = None
    for b in range(base, 1, -1):
        weight = values // b
        digits = ((weight, b - 1), *range_digits(cap - (b - 1) * weight, base))
        if best is None or len(digits) < len(best):
            best = digits
        if base ** len(best) < values * base:
            break  # no fewer digits could do
    assert best is not None
    return best


@cache
def selector_radix(rows: int, degree: int) -> tuple[int, ...]:
    """Bases u_0, u_1, … of at most ``degree`` one-hot digits that number ``rows`` rows with fewest
    wires.

    A digit of base u costs u − 1 wires. For d digits the bases differ by at most 1. At equal
    cost fewer digits win, then the smaller product (less padding).
    """
    best: tuple[int, int, int, tuple[int, ...]] | None = None
    for count in range(1, degree + 1):
        low = 2
        while (low + 1) ** count < rows:
            low += 1
        for larger in range(count + 1):
            radix = (low + 1,) * larger + (low,) * (count - larger)
            if prod(radix) >= rows:
                key = (sum(radix) - count, count, prod(radix), radix)
                best = key if best is None else min(best, key)
                break
    assert best is not None  # `low + 1` in every place always suffices
    return best[3]


@dataclass(frozen=True)
class Range:
    """A form that lies in [0, cap] exactly, with the wires that show it."""

    form: LinearForm
    cap: int
    digits: tuple[tuple[int, int, int], ...]  # wire, weight, largest value; heaviest first
    label: str

    @classmethod
    def build(cls, builder: CircuitBuilder, cap: int, base: int, label: str) -> Range:
        """A new value in [0, ``cap``], in digits of at most ``base`` values."""
        form, digits = LinearForm(), []
        for weight, largest in range_digits(cap, base):
            wire = builder.digit(largest + 1, label)
            form += weight * wire
            digits.append((wire.wires[0][0], weight, largest))
        return cls(form, cap, tuple(digits), label)

    def assignment(self, value: int) -> dict[int, int]:
        """The wires for ``value``; raises `WitnessError` naming the label if it is outside."""
        if not 0 <= value <= self.cap:
            raise WitnessError(f"not satisfied: {self.label}")
        wires = {}
        for wire, weight, largest in self.digits:
            wires[wire] = min(value // weight, largest)
            value -= wires[wire] * weight
        return wires


def select_row(
    builder: CircuitBuilder, columns: Sequence[Sequence[int]], degree: int, label: str
) -> Selector:
    """A hidden row of the table with these columns."""
    table = Table(tuple(tuple(column) for column in columns))
    return builder.select(table, selector_radix(table.rows, degree), label)
