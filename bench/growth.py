"""How cost grows: with the codes of a set, with the lines of a claim, with the claims of a batch.

Over made-up sets of codes, so that only one thing changes at a time.
"""

from __future__ import annotations

from functools import partial
from itertools import cycle, islice
from random import Random
from typing import Any

from bench.cases import DAY, Submission, Witness, commit_to, submit
from bench.macro import shape, timings, verify_many
from bench.tasks import Bench, Task
from bench.timing import Operation
from circuits.contract import DEFAULT_LARGEST_PRICE_CENTS
from circuits.equipment import EQUIPMENT_DEGREE
from circuits.gadgets import Range, select_row
from circuits.line import DEGREE
from circuits.slots import SLOTS, Slot, encode_day
from zk.relation import Circuit, CircuitBuilder

DEGREES = (DEGREE, EQUIPMENT_DEGREE)
LINE_CODES = 1024  # in the set of every line, where the number of lines grows
LINES = 3  # of the claims in batches that grow


class SyntheticLines:
    """The circuit of ``lines`` lines, each as in the statement ``line``: a code out of ``size``
    made-up ones of seven digits, and a price."""

    def __init__(self, size: int, degree: int, lines: int = 1) -> None:
        random = Random(size)
        builder = CircuitBuilder(SLOTS)
        day = builder.public((1 << 16) - 1)
        self._lines = []
        for number in range(lines):
            codes = sorted(random.sample(range(1_000_000, 10_000_000), size))
            selector = select_row(builder, [codes], degree, f"code {number}")
            price = Range.build(builder, DEFAULT_LARGEST_PRICE_CENTS, degree, f"price {number}")
            correction = builder.free_wire()
            builder.line(
                {
                    Slot.CODE: builder.column(selector, 0),
                    Slot.PRICE: price.form,
                    Slot.DATE: day,
                    Slot.CORRECTION: correction,
                }
            )
            self._lines.append((selector, price, correction.wires[0][0]))
        self.size = size
        self.circuit: Circuit = builder.build()

    def wires(self, random: Random) -> list[int]:
        """Random rows at random prices."""
        values: dict[int, int] = {}
        for selector, price, correction in self._lines:
            values |= selector.assignment(random.randrange(self.size))
            values |= price.assignment(random.randint(0, DEFAULT_LARGEST_PRICE_CENTS))
            values[correction] = 0
        return [values[wire] for wire in range(self.circuit.wires)]


def _prepared(
    bench: Bench, synthetic: SyntheticLines, count: int
) -> tuple[Witness, list[Submission]]:
    """Generators made ready; one witness, and ``count`` proofs of different sales."""
    g, random = bench.generators, Random(synthetic.size)
    circuit = synthetic.circuit
    g.warm(circuit.wires, circuit.slots)
    witnesses = [
        commit_to(circuit, (encode_day(DAY),), synthetic.wires(random), g) for _ in range(count)
    ]
    return witnesses[0], [submit(witness, g) for witness in witnesses]


def _measure_codes(bench: Bench, size: int, degree: int) -> list[dict[str, Any]]:
    synthetic = SyntheticLines(size, degree)
    witness, distinct = _prepared(bench, synthetic, bench.parameters.distinct)
    entry: dict[str, Any] = {"codes": size, "degree": degree}
    return [
        entry
        | shape(synthetic.circuit, distinct[0])
        | timings(bench, bench.generators, witness, distinct)
    ]


def _measure_lines(bench: Bench, lines: int, degree: int) -> list[dict[str, Any]]:
    synthetic = SyntheticLines(LINE_CODES, degree, lines)
    witness, distinct = _prepared(bench, synthetic, bench.parameters.distinct)
    entry: dict[str, Any] = {"lines": lines, "degree": degree}
    return [
        entry
        | shape(synthetic.circuit, distinct[0])
        | timings(bench, bench.generators, witness, distinct)
    ]


def _measure_batches(bench: Bench) -> list[dict[str, Any]]:
    """Batches of several sizes of the same claims, in turns."""
    synthetic = SyntheticLines(LINE_CODES, EQUIPMENT_DEGREE, LINES)
    _, distinct = _prepared(bench, synthetic, bench.parameters.distinct_macro)
    sizes = bench.parameters.batch_sizes
    g = bench.generators
    batches = {size: list(islice(cycle(distinct), size)) for size in sizes}
    operations = {
        str(size): Operation(partial(verify_many, g, batch), size)
        for size, batch in batches.items()
    }
    measured = bench.yardstick.measure_together(operations, bench.parameters.rounds)
    n = synthetic.circuit.wires
    return [
        {"size": size, "n": n, "distinct": len(set(batches[size]))}
        | {"batch": measured[str(size)].as_json()}
        for size in sizes
    ]


def growth_tasks(bench: Bench) -> list[Task]:
    """Sizes of the set: one task a degree and size."""
    return [
        Task(f"growth: {size} codes, D ≤ {degree}", partial(_measure_codes, bench, size, degree))
        for degree in DEGREES
        for size in bench.parameters.growth_sizes
    ]


def lines_tasks(bench: Bench) -> list[Task]:
    """Lines of a claim: one task a degree and number."""
    return [
        Task(f"lines: {lines}, D ≤ {degree}", partial(_measure_lines, bench, lines, degree))
        for degree in DEGREES
        for lines in bench.parameters.line_counts
    ]


def batches_tasks(bench: Bench) -> list[Task]:
    """Sizes of a batch, all in one task."""
    return [Task("batches", partial(_measure_batches, bench))]
