"""Times in multiples of one point multiplication, taken so that a noisy machine does not matter.

A shared machine changes its speed from one second to the next, and all work on it alike. So a
sample is a ratio: the time of the operation over the mean time of a multiplication, measured half
just before and half just after. What is reported is the median of at least nine such ratios.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from gmpy2 import mpz

from zk.group import Group

Clock = Callable[[], float]

MULTIPLICATIONS = 50  # in a sample, half before and half after the operation
SHORTEST_SECONDS = 0.002  # an operation that is quicker is repeated within a sample


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
        scalars = [mpz(int.from_bytes(os.urandom(32), "big")) % group.order for _ in range(25)]

        def multiply() -> None:
            for scalar in scalars:
                group.mul(scalar, point)

        self._multiply = multiply
        self._count = len(scalars)

    def unit_seconds(self) -> float:
        """Mean seconds of a multiplication now, over half of `MULTIPLICATIONS`."""
        return self.seconds_of(self._multiply) / self._count

    def seconds_of(self, operation: Callable[[], object]) -> float:
        """Seconds of one call."""
        start = self._clock()
        operation()
        return self._clock() - start

    def measure(
        self, operation: Callable[[], object], samples: int, *, per: int = 1
    ) -> Measurement:
        """``samples`` samples of ``operation``, which does ``per`` of the thing measured."""
        first = self.seconds_of(operation)  # fills caches; not a sample
        calls = max(1, round(SHORTEST_SECONDS / max(min(first, self.seconds_of(operation)), 1e-7)))

        def repeated() -> None:
            for _ in range(calls):
                operation()

        result = Measurement()
        gc.collect()
        gc.freeze()  # the collector stays on, but does not walk what was there before
        for _ in range(samples):
            before = self.unit_seconds()
            seconds = self.seconds_of(repeated)
            after = self.unit_seconds()
            result.seconds.append(seconds / calls / per)
            result.unit_seconds.append((before + after) / 2)
        gc.unfreeze()
        return result
