"""How near a verifier comes to its floor, and where the rest of its time goes.

The floor is the time of the group operations alone: the same points decoded and the same multiples
summed, by the same backend, without a transcript, a field part or a check of anything. Floor and
verifier take turns. The shares come from a verifier whose parts are watched by a clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import cycle, islice
from typing import Any
from unittest.mock import patch

import zk.verify
from bench.cases import Case, Submission, cases, submissions
from bench.code import codes, using
from bench.macro import verify_many, verify_one
from bench.tasks import Bench, Task
from bench.timing import Operation
from zk.generators import Generators

ONE_TARGET, BATCH_TARGET = 1.5, 2.0
"""A verifier's time over its floor: one proof, and a batch."""

SHARES: Mapping[str, tuple[str, ...]] = {
    "sums": (),  # of the group: methods of a backend, patched on the object
    "decoding": (),
    "field": ("_values", "_scalars"),
    "hashing": ("_challenge", "_weights"),
}
"""The parts of a verifier's time, with the functions of `zk.verify` that are each; the rest is
"python"."""
METHODS = {"sums": ("public_sum",), "decoding": ("decode_many",)}
REPEATS = 20  # of a watched verifier, for one proof


class Watch:
    """Seconds spent in functions while they are wrapped."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(SHARES, 0.0)
        self._inside = False

    def wrap(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time added to ``part``; what a watched one calls is not added again."""

        def watched(*arguments: Any) -> Any:
            if self._inside:
                return function(*arguments)
            self._inside = True
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds[part] += time.perf_counter() - start
                self._inside = False

        return watched


def shares(generators: Generators, run: Callable[[], object], repeats: int) -> dict[str, float]:
    """Which part of the time of ``run`` goes where; the parts sum to 1."""
    watch = Watch()
    with ExitStack() as stack:
        for part, names in SHARES.items():
            for name in names:
                wrapped = watch.wrap(part, getattr(zk.verify, name))
                stack.enter_context(patch.object(zk.verify, name, wrapped))
        for part, names in METHODS.items():
            for name in names:
                wrapped = watch.wrap(part, getattr(generators.group, name))
                stack.enter_context(patch.object(generators.group, name, wrapped))
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        total = time.perf_counter() - start
    found = {part: seconds / total for part, seconds in watch.seconds.items()}
    return found | {"python": 1 - sum(found.values())}


def group_operations(
    generators: Generators, batch: Sequence[Submission], run: Callable[[], object]
) -> tuple[Callable[[], object], Callable[[], object]]:
    """The decoding and the sum that ``run``, which verifies ``batch``, makes: to be made alone."""
    group = generators.group
    calls: list[tuple[Any, ...]] = []
    public_sum = group.public_sum

    def recording(*arguments: Any) -> Any:
        calls.append(arguments)
        return public_sum(*arguments)

    with patch.object(group, "public_sum", recording):
        run()
    (arguments,) = calls  # one sum, or the batch was not valid
    size = group.point_bytes
    proofs = [item.proof[: size * (2 + item.circuit.degree)] for item in batch]

    def decode() -> None:
        for item, points in zip(batch, proofs, strict=True):
            group.decode_many(b"".join(item.commitments))
            group.decode_many(points)

    return decode, lambda: public_sum(*arguments)


def _measure(bench: Bench, case: Case, code: str) -> list[dict[str, Any]]:
    with using(code) as generators:
        return _measure_with(bench, generators, case, code)


def _measure_with(
    bench: Bench, generators: Generators, case: Case, code: str
) -> list[dict[str, Any]]:
    statement = case.statement()
    circuit = statement.circuit
    generators.warm(circuit.wires, circuit.slots)
    distinct = submissions(case, statement, generators, bench.parameters.distinct)
    batch = list(islice(cycle(distinct), bench.parameters.batch))
    kinds: dict[str, tuple[list[Submission], Callable[[], object]]] = {
        "one": (distinct[:1], partial(verify_one, generators, distinct[0])),
        "batch": (batch, partial(verify_many, generators, batch)),
    }
    found = []
    for kind, (items, run) in kinds.items():
        decode, add = group_operations(generators, items, run)
        operations = {
            "verify": Operation(run, len(items)),
            "decoding": Operation(decode, len(items)),
            "sum": Operation(add, len(items)),
        }
        measured = bench.yardstick.measure_together(operations, bench.parameters.rounds)
        entry: dict[str, Any] = {"case": case.title, "code": code, "kind": kind}
        entry |= {"proofs": len(items), "n": circuit.wires}
        entry |= {name: measurement.as_json() for name, measurement in measured.items()}
        repeats = REPEATS if len(items) == 1 else 3
        entry["shares"] = {
            part: round(share, 4) for part, share in shares(generators, run, repeats).items()
        }
        found.append(entry)
    return found


def floor_tasks(bench: Bench) -> list[Task]:
    """One task a code and case."""
    return [
        Task(f"floor: {case.title}, {code}", partial(_measure, bench, case, code))
        for code in codes()
        for case in cases()
        if not case.has_limits
    ]
