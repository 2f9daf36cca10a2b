"""Times in multiples of one point multiplication, taken so that a noisy machine does not matter.

A shared machine changes its speed from one second to the next, and all work on it alike. So a
sample is a ratio: the time of the operation over the mean time of a multiplication, measured half
just before and half just after. What is reported is the median of at least nine such ratios,
spread over seconds.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from gmpy2 import mpz

from zk.group import Group

Clock = Callable[[], float]

MULTIPLICATIONS = 50  # in a sample, half before and half after the operation
SHORTEST_SECONDS = 0.002  # an operation that is quicker is repeated within a sample
QUICK_SECONDS = 0.02  # an operation that is quicker is sampled more often
QUICK_SAMPLES = 3
SLOW_TURNS = 4  # a slow operation is compared with so many times more multiplications


@dataclass(frozen=True)
class Operation:
    """Something to call, which does ``per`` of the thing measured."""

    run: Callable[[], object]
    per: int = 1


@dataclass
class Measurement:
    """Samples of one operation: its seconds, and the seconds of a multiplication around each."""

    seconds: list[float] = field(default_factory=list)
    unit_seconds: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """The samples in units."""
        return [s / u for s, u in zip(self.seconds, self.unit_seconds, strict=True)]

    @property
    def units(self) -> float:
        """The median, in units."""
        return median(self.ratios)

    def as_json(self) -> dict[str, Any]:
        """Medians (units, seconds) and every raw sample (seconds)."""
        return {
            "units": round(self.units, 4),
            "median_seconds": round(median(self.seconds), 9),
            "seconds": [round(s, 9) for s in self.seconds],
            "unit_seconds": [round(s, 9) for s in self.unit_seconds],
        }


class Yardstick:
    """The unit: `zk.group.Group.mul` of a random point by random scalars.

    ``clock`` yields seconds.
    """

    def __init__(self, group: Group, clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        point = group.hash_to_point(b"yardstick", b"clairobscur-bench")
        half = MULTIPLICATIONS // 2
        scalars = [mpz(int.from_bytes(os.urandom(32), "big")) % group.order for _ in range(half)]

        def multiply() -> None:
            for scalar in scalars:
                group.mul(scalar, point)

        self._multiply = multiply
        self._count = len(scalars)

    def unit_seconds(self, turns: int = 1) -> float:
        """Mean seconds of a multiplication now, over half of `MULTIPLICATIONS` in each turn."""
        return sum(self.seconds_of(self._multiply) for _ in range(turns)) / turns / self._count

    def seconds_of(self, operation: Callable[[], object]) -> float:
        """Seconds of one call."""
        start = self._clock()
        operation()
        return self._clock() - start

    def measure(self, operation: Callable[[], object], rounds: int, *, per: int = 1) -> Measurement:
        """One operation alone; see `measure_together`."""
        return self.measure_together({"": Operation(operation, per)}, rounds)[""]

    def measure_together(
        self, operations: Mapping[str, Operation], rounds: int
    ) -> dict[str, Measurement]:
        """Samples of every operation by name, in ``rounds`` rounds.

        Each round takes one sample of every operation, and `QUICK_SAMPLES` of the quick ones: the
        samples of one operation are spread over the whole time, so that no single disturbance
        meets all of them.
        """
        calls = {name: self._calls(operation) for name, operation in operations.items()}
        results = {name: Measurement() for name in operations}
        gc.collect()
        gc.freeze()  # the collector stays on, but does not walk what was there before
        for _ in range(rounds):
            for name, operation in operations.items():
                count, is_quick = calls[name]
                for _ in range(QUICK_SAMPLES if is_quick else 1):
                    turns = 1 if is_quick else SLOW_TURNS
                    self._sample(operation, count, turns, results[name])
        gc.unfreeze()
        return results

    def _calls(self, operation: Operation) -> tuple[int, bool]:
        """How often to repeat it within a sample, and whether a sample is quick. The two calls made
        here fill caches and are no samples."""
        seconds = min(self.seconds_of(operation.run), self.seconds_of(operation.run))
        return max(1, round(SHORTEST_SECONDS / max(seconds, 1e-7))), seconds < QUICK_SECONDS

    def _sample(self, operation: Operation, calls: int, turns: int, result: Measurement) -> None:
        def repeated() -> None:
            for _ in range(calls):
                operation.run()

        before = self.unit_seconds(turns)
        seconds = self.seconds_of(repeated)
        after = self.unit_seconds(turns)
        result.seconds.append(seconds / calls / operation.per)
        result.unit_seconds.append((before + after) / 2)
