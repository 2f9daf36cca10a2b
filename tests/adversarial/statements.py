"""The small statements that the forgers attack, and wires for them, true and false."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from zk.errors import EncodingError, ProofRejected, StatementError
from zk.relation import Circuit, CircuitBuilder, Expression, LinearForm, Table

REFUSED = (ProofRejected, EncodingError, StatementError)

CODES = (11, 13, 18, 19, 24)
LIMITS = (5, 3, 7, 6, 4)
RADIX = (3, 2)  # six row numbers for five rows: number 5 is padding
DATE = 7_300


# -- wires -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Purchase:
    """One line of `purchases`: row number, price, amount claimed, and the bits that say so.

    The private parts follow from these; a forger overrides them.
    """

    row: int
    price: int
    amount: int
    one_hot: tuple[int, ...] | None = None
    limit: int | None = None
    slack: tuple[int, ...] | None = None
    rest: tuple[int, ...] | None = None

    @property
    def wires(self) -> list[int]:
        """Selector (3 wires), price (3), slack (3), rest (3), a note that nothing bounds (1)."""
        low, high = self.row % 3, self.row // 3
        one_hot = self.one_hot or (int(low == 1), int(low == 2), high)
        limit = LIMITS[min(self.row, len(LIMITS) - 1)] if self.limit is None else self.limit
        slack = self.slack or bits(limit - self.price)
        rest = self.rest or bits(self.price - self.amount)
        return [*one_hot, *bits(self.price), *slack, *rest, 77_777]


def bits(value: int) -> tuple[int, int, int]:
    """Three digits of weight 1, 2, 4; the highest takes what does not fit (−4 is 0, 0, −1)."""
    return value & 1, value >> 1 & 1, value >> 2


HONEST = Purchase(row=3, price=5, amount=4)
OTHER_HONEST = Purchase(row=1, price=3, amount=1)
OVER_LIMIT = Purchase(row=1, price=7, amount=7)  # the limit is 3: the slack is −4


def publics_of(*lines: Purchase) -> tuple[int, ...]:
    """The public inputs of `purchases`: date, amounts."""
    return (DATE, *(line.amount for line in lines))


def wires_of(*lines: Purchase) -> list[int]:
    """The wires of `purchases`, line after line."""
    return [wire for line in lines for wire in line.wires]


# -- circuits ----------------------------------------------------------------------------------


def number(digits: Sequence[LinearForm], base: int = 2) -> LinearForm:
    """The value of digits, lowest first."""
    return sum((digit * base**k for k, digit in enumerate(digits)), LinearForm())


@cache
def purchases(lines: int = 1) -> Circuit:
    """``lines`` times: code and limit of one hidden row, price ≤ limit, public amount ≤ price."""
    return _purchases(lines, rows=1, code_of_the_row=True)


@cache
def purchase_of_two_rows() -> Circuit:
    """`purchases` with a mistake: the limit is read in a row of its own (wires 3, 4, 5)."""
    return _purchases(1, rows=2, code_of_the_row=True)


@cache
def purchase_of_any_code() -> Circuit:
    """`purchases` with a mistake: the code committed (wire 3) is not tied to the row."""
    return _purchases(1, rows=1, code_of_the_row=False)


def _purchases(lines: int, rows: int, code_of_the_row: bool) -> Circuit:
    builder = CircuitBuilder(4)
    table = Table((CODES, LIMITS))
    date = builder.public(10_000)
    for _ in range(lines):
        amount = builder.public(1_000)
        selectors = [builder.select(table, RADIX, "row") for _ in range(rows)]
        column = builder.column(selectors[0], 0)
        code = Expression.of(column if code_of_the_row else builder.free_wire())
        price, slack, rest = (
            number([builder.digit(2, label) for _ in range(3)])
            for label in ("price", "slack", "rest")
        )
        limit = Expression.of(builder.column(selectors[-1], 1))
        builder.zero(limit - (price + slack), "price ≤ limit")
        builder.zero(price - amount - rest, "amount ≤ price")
        builder.line({1: code, 2: price, 3: date, 4: builder.free_wire()})
    return builder.build()


@cache
def price() -> Circuit:
    """One line, one slot: a price of three bits, 0 to 7. Equation e is the bit of wire e."""
    builder = CircuitBuilder(1)
    builder.line({1: number([builder.digit(2, "price") for _ in range(3)])})
    return builder.build()


UNKNOWNS = 6
PUBLIC_BOUND = 1 << 62
CONSTANT_BOUND = 1 << 52


@cache
def amounts() -> Circuit:
    """Six bits, each equal to a public amount."""
    builder = CircuitBuilder(1)
    wires = [builder.digit(2) for _ in range(UNKNOWNS)]
    for wire in wires:
        builder.zero(wire - builder.public(PUBLIC_BOUND))
    builder.line({1: wires[0]})
    return builder.build()


def constants(values: Sequence[int]) -> Circuit:
    """Six bits, each equal to a constant of the circuit."""
    builder = CircuitBuilder(1)
    wires = [builder.digit(2) for _ in range(UNKNOWNS)]
    for wire, value in zip(wires, values, strict=True):
        builder.zero(wire - value)
    builder.line({1: wires[0]})
    return builder.build()
