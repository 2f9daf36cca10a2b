"""How cost grows with the size of the set a code hides in: ``line`` over made-up sets of codes."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from bench.cases import DAY, commit_to, submit
from bench.macro import shape, timings
from bench.tasks import Bench, Task
from circuits.contract import DEFAULT_LARGEST_PRICE_CENTS
from circuits.equipment import EQUIPMENT_DEGREE
from circuits.gadgets import Range, select_row
from circuits.line import DEGREE
from circuits.slots import SLOTS, Slot, encode_day
from zk.relation import Circuit, CircuitBuilder, Selector

DEGREES = (DEGREE, EQUIPMENT_DEGREE)


class SyntheticLine:
    """The circuit of ``line`` for ``size`` made-up codes of seven digits."""

    def __init__(self, size: int, degree: int) -> None:
        codes = sorted(Random(size).sample(range(1_000_000, 10_000_000), size))
        builder = CircuitBuilder(SLOTS)
        day = builder.public((1 << 16) - 1)
        self._selector: Selector = select_row(builder, [codes], degree, "code")
        self._price = Range.build(builder, DEFAULT_LARGEST_PRICE_CENTS, degree, "price")
        self._correction = builder.free_wire()
        builder.line(
            {
                Slot.CODE: builder.column(self._selector, 0),
                Slot.PRICE: self._price.form,
                Slot.DATE: day,
                Slot.CORRECTION: self._correction,
            }
        )
        self.size = size
        self.circuit: Circuit = builder.build()

    def wires(self, random: Random) -> list[int]:
        """A random row at a random price."""
        values = self._selector.assignment(random.randrange(self.size))
        values |= self._price.assignment(random.randint(0, DEFAULT_LARGEST_PRICE_CENTS))
        values[self._correction.wires[0][0]] = 0
        return [values[wire] for wire in range(self.circuit.wires)]


def _measure(bench: Bench, size: int, degree: int) -> list[dict[str, Any]]:
    g, random = bench.generators, Random(size)
    line = SyntheticLine(size, degree)
    circuit = line.circuit
    g.warm(circuit.wires, circuit.slots)
    witnesses = [
        commit_to(circuit, (encode_day(DAY),), line.wires(random), g)
        for _ in range(bench.parameters.distinct)
    ]
    distinct = [submit(witness, g) for witness in witnesses]
    entry: dict[str, Any] = {"codes": size, "degree": degree} | shape(circuit, distinct[0])
    return [entry | timings(bench, witnesses[0], distinct)]


def growth_tasks(bench: Bench) -> list[Task]:
    """One task a degree and size."""
    return [
        Task(f"growth: {size} codes, D ≤ {degree}", partial(_measure, bench, size, degree))
        for degree in DEGREES
        for size in bench.parameters.growth_sizes
    ]
