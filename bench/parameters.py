"""How much to measure: the full run, a quick one, and the smallest that still runs everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Size: TypeAlias = Literal["full", "quick", "tiny"]

BATCH = 256
ROUNDS = 9


@dataclass(frozen=True)
class Parameters:
    """Counts of one run; ``distinct`` proofs are cycled through to fill a batch of ``batch``."""

    rounds: int  # each takes a sample of every operation, or several if it is quick
    batch: int
    distinct_macro: int
    distinct: int
    msm_sizes: tuple[int, ...]
    degrees: tuple[int, ...]
    degrees_with_limits: bool
    growth_sizes: tuple[int, ...]
    line_counts: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    starts: int  # of fresh processes, a statement
    distinct_claims: int
    timing_samples: int  # a class of secrets
    multiplication_samples: int


PARAMETERS: dict[Size, Parameters] = {
    "full": Parameters(
        rounds=ROUNDS,
        batch=BATCH,
        distinct_macro=BATCH,
        distinct=32,
        msm_sizes=(16, 64, 128, 256, 400, 512, 1024, 2048, 4096),
        degrees=tuple(range(3, 13)),
        degrees_with_limits=True,
        growth_sizes=(64, 256, 1024, 4096, 16384, 65536),
        line_counts=tuple(range(1, 8)),
        batch_sizes=tuple(4**power for power in range(7)),
        starts=5,
        distinct_claims=64,
        timing_samples=1000,
        multiplication_samples=2000,
    ),
    "quick": Parameters(
        rounds=5,
        batch=BATCH,
        distinct_macro=8,
        distinct=8,
        msm_sizes=(64, 2048),
        degrees=(6, 10),
        degrees_with_limits=False,
        growth_sizes=(64, 4096),
        line_counts=(1, 3),
        batch_sizes=(1, 16, 256),
        starts=1,
        distinct_claims=4,
        timing_samples=200,
        multiplication_samples=400,
    ),
    "tiny": Parameters(
        rounds=2,
        batch=8,
        distinct_macro=2,
        distinct=2,
        msm_sizes=(64, 512),
        degrees=(4, 5),
        degrees_with_limits=False,
        growth_sizes=(64, 256),
        line_counts=(1, 2),
        batch_sizes=(1, 4),
        starts=1,
        distinct_claims=2,
        timing_samples=30,
        multiplication_samples=50,
    ),
}
