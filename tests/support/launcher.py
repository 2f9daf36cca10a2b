"""Runs a module of ours as ``python -m`` would, by a wall clock and with a trap of the test's.

    python -m tests.support.launcher CLOCK TRAP SWEEP MODULE ARGUMENTS…

CLOCK is the file of a `tests.support.moved_clock.WallClock`, TRAP the one of a
`tests.support.traps.Trap`, SWEEP how many seconds the insurer's service waits between two sweeps;
- is none, or as it is.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from tests.support import moved_clock


def prepare(clock: str, trap: str) -> None:
    """Live by the clock and step into the trap. Before other imports."""
    moved_clock.install(None if clock == "-" else Path(clock))
    from tests.support import traps

    traps.install(None if trap == "-" else Path(trap))


def set_sweep(seconds: str) -> None:
    """How long the insurer's service waits between two sweeps."""
    if seconds != "-":
        import verifier_api.service.service

        verifier_api.service.service.SWEEP_SECONDS = float(seconds)


def main() -> None:
    """See module docstring."""
    clock, trap, sweep, module, *arguments = sys.argv[1:]
    prepare(clock, trap)
    set_sweep(sweep)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
