"""One target under libFuzzer, in a process of its own: libFuzzer ends the process it runs in.

``python -m tests.fuzz.child TARGET SEEDS WORK FOUND [libFuzzer options]``: reads seeds from the
folder SEEDS, keeps inputs that reach new branches in WORK, and writes an input that broke a promise
to FOUND before it ends with a code other than 0. `tests.fuzz.__main__` starts it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import atheris

from tests.fuzz.corpus import read_corpus

INSTRUMENTED = ("circuits", "optician", "verifier_api", "zk", "tests.fuzz.targets")
"""What guides the search: the packages, and the promises, which see more than they do of C."""


def main() -> None:
    """Fuzz until an option of libFuzzer's says stop, or until a finding."""
    name, seeds, work, found, *options = sys.argv[1:]
    with atheris.instrument_imports(include=[*INSTRUMENTED]):
        from tests.fuzz.targets import TARGETS, runner
    target = TARGETS[name]
    run = runner(target)
    for number, data in enumerate(read_corpus(target.corpus).values()):
        (Path(seeds) / str(number)).write_bytes(data)

    def alter(data: bytes, largest: int) -> bytes:
        return bytes(atheris.Mutate(data, max(largest, len(data), 1)))

    def mutate(data: bytes, largest: int, seed: int) -> bytes:
        return target.mutate(data, largest, Random(seed), alter)[:largest]

    def test_one_input(data: bytes) -> None:
        run(data)

    arguments = [
        sys.argv[0],
        f"-max_len={target.largest}",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
        *options,
        work,
        seeds,
    ]
    atheris.Setup(arguments, test_one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
