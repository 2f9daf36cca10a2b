"""Small circuits with witnesses, and how to make an instance of any circuit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from zk.commitment import Opening, commit, fresh_opening
from zk.generators import Generators
from zk.instance import Instance
from zk.relation import Circuit, CircuitBuilder, Expression, LinearForm, Table

CONTEXT = bytes(range(32))


@dataclass(frozen=True)
class Example:
    """A circuit, its public inputs, and wires that satisfy it."""

    circuit: Circuit
    publics: tuple[int, ...]
    wires: tuple[int, ...]

    def instance(
        self, generators: Generators, *, context: bytes = CONTEXT
    ) -> tuple[Instance, list[Opening]]:
        """Fresh commitments to the lines, and the instance about them."""
        return instance_of(generators, self.circuit, self.publics, self.wires, context=context)


def instance_of(
    generators: Generators,
    circuit: Circuit,
    publics: Sequence[int],
    wires: Sequence[int],
    *,
    context: bytes = CONTEXT,
) -> tuple[Instance, list[Opening]]:
    """Fresh commitments to what the lines of ``circuit`` take on ``wires``, and the instance about
    them."""
    values = circuit.line_values(wires, publics)
    openings = [fresh_opening(generators, line) for line in values]
    commitments = tuple(commit(generators, opening) for opening in openings)
    return Instance(circuit, tuple(publics), context, commitments), openings


@cache
def bit() -> Example:
    """One wire, one equation, one line, one slot: the smallest circuit there is."""
    builder = CircuitBuilder(1)
    builder.line({1: builder.digit(2, "bit")})
    return Example(builder.build(), (), (1,))


CODES = (1_203_417, 2_203_418, 5_203_419, 7_203_411, 9_203_412)
LIMITS = (300, 120, 299, 75, 250)


@cache
def purchase() -> Example:
    """Two lines of hidden code and price, each price under its row's limit; a public total.

    Uses everything a circuit can: mixed radices with padding rows, two columns, digits of several
    bases, a column and a public input in slots, a free wire, a linear equation with a public
    input. Prices have three base-7 digits.
    """
    builder = CircuitBuilder(4)
    table = Table((CODES, LIMITS))
    date, total = builder.public(10_000), builder.public(1_000)
    wires: list[int] = []
    prices = []
    for row, price, correction in ((2, 119, 77_777), (4, 250, 123_456_789)):
        selector = builder.select(table, (3, 2), "row")
        wires += selector_values(selector.radix, row)
        digits = [builder.digit(7, "price digit") for _ in range(3)]
        wires += base_digits(price, 7, 3)
        form = sum((7**k * digit for k, digit in enumerate(digits)), LinearForm())
        slack = [builder.digit(4, "slack digit") for _ in range(4)]
        wires += base_digits(LIMITS[row] - price, 4, 4)
        room = sum((4**k * digit for k, digit in enumerate(slack)), LinearForm())
        limit = builder.column(selector, 1)
        builder.zero(Expression.of(limit) - form - room, "limit")
        free = builder.free_wire()
        wires.append(correction)
        builder.line({1: builder.column(selector, 0), 2: form, 3: date, 4: free})
        prices.append(form)
    builder.zero(prices[0] + prices[1] - total, "total")
    return Example(builder.build(), (7_300, 369), tuple(wires))


def selector_values(radix: Sequence[int], row: int) -> list[int]:
    """One-hot bits of ``row`` in the order in which `CircuitBuilder.select` makes the wires."""
    bits: list[int] = []
    for base in radix:
        row, digit = divmod(row, base)
        bits += [int(value == digit) for value in range(1, base)]
    return bits


def base_digits(value: int, base: int, count: int) -> list[int]:
    """``count`` digits of ``value``, lowest first."""
    digits = []
    for _ in range(count):
        value, digit = divmod(value, base)
        digits.append(digit)
    assert not value
    return digits
