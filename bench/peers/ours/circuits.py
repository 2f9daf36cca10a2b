"""The statement of `bench.peers.statement` as circuits of ours.

A line an article: a code out of a set (one-hot digits), a price in exact digits, the public date;
the other slots are 0. That the prices together keep within the total is one more exact range, on
what is left of it:

    left = total − Σ prices ≥ 0

The range part alone has a line a value, in the slot of the price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

from circuits.gadgets import Range, select_row
from circuits.slots import MAX_DAY, SLOTS, Slot, encode_day
from zk.errors import WitnessError
from zk.relation import Circuit, CircuitBuilder, LinearForm

DAY = date(2020, 10, 5)
CLAIM_DEGREE = 11
RANGE_DEGREE = 12
"""By the rule of ``docs/performance.md``, at N = 1,024 and for degrees up to 12."""


class Statement(Protocol):
    """A circuit, and the wires of its witnesses."""

    circuit: Circuit

    def wires(self, witness: Mapping[str, Any]) -> list[int]:
        """All wires; raises `WitnessError` for what breaks the statement."""

    def publics(self) -> tuple[int, ...]:
        """The public inputs."""


class ClaimStatement:
    """Three lines whose codes are in ``sets``, prices within ``caps`` and together ``total``."""

    def __init__(
        self,
        sets: Sequence[Sequence[int]],
        caps: Sequence[int],
        total: int,
        degree: int = CLAIM_DEGREE,
    ) -> None:
        builder = CircuitBuilder(SLOTS)
        day = builder.public(MAX_DAY)
        self._rows = [{code: row for row, code in enumerate(codes)} for codes in sets]
        self._lines = []
        spent = LinearForm()
        for number, (codes, cap) in enumerate(zip(sets, caps, strict=True)):
            selector = select_row(builder, [codes], degree, f"code {number}")
            price = Range.build(builder, cap, degree, f"price {number}")
            builder.line(
                {
                    Slot.CODE: builder.column(selector, 0),
                    Slot.PRICE: price.form,
                    Slot.DATE: day,
                }
            )
            self._lines.append((selector, price))
            spent += price.form
        self._total = total
        self._left = Range.build(builder, total, degree, "total")
        builder.zero(total - spent - self._left.form, "total")
        self.circuit = builder.build()

    def wires(self, witness: Mapping[str, Any]) -> list[int]:
        """From ``codes`` and ``prices``."""
        values = self._left.assignment(self._total - sum(witness["prices"]))
        for (selector, price), rows, code, cents in zip(
            self._lines, self._rows, witness["codes"], witness["prices"], strict=True
        ):
            row = rows.get(code)
            if row is None:
                raise WitnessError("not satisfied: code in its set")
            values |= selector.assignment(row) | price.assignment(cents)
        return [values[wire] for wire in range(self.circuit.wires)]

    def publics(self) -> tuple[int, ...]:
        """The date of service."""
        return (encode_day(DAY),)


class RangeStatement:
    """``count`` lines, each with a value of ``bits`` bits in the slot of the price."""

    def __init__(self, bits: int, count: int, degree: int = RANGE_DEGREE) -> None:
        builder = CircuitBuilder(SLOTS)
        self._ranges = []
        for number in range(count):
            value = Range.build(builder, (1 << bits) - 1, degree, f"value {number}")
            builder.line({Slot.PRICE: value.form})
            self._ranges.append(value)
        self.circuit = builder.build()

    def wires(self, witness: Mapping[str, Any]) -> list[int]:
        """From ``values``."""
        values: dict[int, int] = {}
        for value_range, value in zip(self._ranges, witness["values"], strict=True):
            values |= value_range.assignment(value)
        return [values[wire] for wire in range(self.circuit.wires)]

    def publics(self) -> tuple[int, ...]:
        """None."""
        return ()


def statement_of(content: Mapping[str, Any], degree: int | None = None) -> Statement:
    """The statement of a ``statement.json``."""
    if content["kind"] == "range":
        return RangeStatement(content["bits"], content["count"], degree or RANGE_DEGREE)
    return ClaimStatement(
        content["sets"], content["caps"], content["total"], degree or CLAIM_DEGREE
    )
