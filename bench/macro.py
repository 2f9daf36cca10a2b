"""Whole claims: proving, verifying, batches; at the degree that ships and at every other one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import cycle, islice
from random import Random
from typing import Any

from bench.cases import Case, Submission, Witness, cases, prove_encoded, submissions, witness_of
from bench.code import PLAIN, codes, using
from bench.tasks import Bench, Task
from bench.timing import Operation
from zk.commitment import commit
from zk.generators import Generators
from zk.relation import Circuit
from zk.verify import verify, verify_batch

PROVE_TARGET, VERIFY_TARGET, BATCH_TARGET = 3.3, 1.6, 0.4
"""Units a wire: proving; verifying one proof; a claim in a batch of 256."""


class BenchError(Exception):
    """Something measured is not what it claims to be."""


def shape(circuit: Circuit, submission: Submission) -> dict[str, int]:
    """n, D, E and bytes; raises `BenchError` unless the size is 32(n+2) + 33(2+D) bytes."""
    n, D, size = circuit.wires, circuit.degree, len(submission.proof)
    if size != 32 * (n + 2) + 33 * (2 + D):
        raise BenchError(f"a proof with n = {n}, D = {D} has {size} bytes")
    return {"n": n, "D": D, "E": len(circuit.equations), "bytes": size}


def verify_one(generators: Generators, submission: Submission) -> None:
    """Decode and verify."""
    verify(generators, *submission.read(generators.group))


def verify_many(generators: Generators, batch: Sequence[Submission]) -> None:
    """Decode and verify together; raises `BenchError` if any is refused."""
    if verify_batch(generators, [item.read(generators.group) for item in batch]):
        raise BenchError("a valid proof was refused")


def timings(
    bench: Bench,
    g: Generators,
    witness: Witness,
    distinct: Sequence[Submission],
    more: Mapping[str, Operation] | None = None,
) -> dict[str, Any]:
    """Proving, verifying warm, one claim of a batch, and ``more``."""
    parameters = bench.parameters
    batch = list(islice(cycle(distinct), parameters.batch))
    operations = {
        "prove": Operation(lambda: prove_encoded(witness, g)),
        "verify": Operation(lambda: verify_one(g, distinct[0])),
        "batch": Operation(lambda: verify_many(g, batch), len(batch)),
    } | dict(more or {})
    measured = bench.yardstick.measure_together(operations, parameters.rounds)
    found: dict[str, Any] = {"batch_size": len(batch), "distinct": len(set(batch))}
    return found | {name: measurement.as_json() for name, measurement in measured.items()}


def _measure(bench: Bench, case: Case, code: str) -> list[dict[str, Any]]:
    with using(code) as generators:
        return _measure_with(bench, generators, case, code)


def _measure_with(bench: Bench, g: Generators, case: Case, code: str) -> list[dict[str, Any]]:
    start = time.perf_counter()
    statement = case.statement()
    compile_seconds = time.perf_counter() - start
    circuit = statement.circuit
    g.warm(circuit.wires, circuit.slots)
    distinct = submissions(case, statement, g, bench.parameters.distinct_macro)
    witness = witness_of(statement, case.sale(Random(1)), g)

    # The same generators without tables: what a process pays that sees this circuit only once.
    bare = Generators(g.group)
    bare.public_points(circuit.wires, circuit.slots)
    entry: dict[str, Any] = {"case": case.title, "statement": case.name, "code": code}
    entry["limits"] = case.has_limits
    more = {
        "verify_cold": Operation(lambda: verify_one(bare, distinct[0])),
        "commit": Operation(lambda: [commit(g, opening) for opening in witness.openings]),
    }
    entry |= shape(circuit, distinct[0]) | timings(bench, g, witness, distinct, more)
    entry["compile_seconds"] = round(compile_seconds, 6)
    return [entry]


def _measure_degree(bench: Bench, case: Case, degree: int) -> list[dict[str, Any]]:
    with using(PLAIN) as generators:
        return _measure_degree_with(bench, generators, case, degree)


def _measure_degree_with(
    bench: Bench, g: Generators, case: Case, degree: int
) -> list[dict[str, Any]]:
    statement = case.statement(degree)
    circuit = statement.circuit
    g.warm(circuit.wires, circuit.slots)
    distinct = submissions(case, statement, g, bench.parameters.distinct)
    witness = witness_of(statement, case.sale(Random(1)), g)
    entry = {"case": case.title, "statement": case.name, "limits": case.has_limits}
    entry |= {"degree": degree, "is_default": degree == case.default_degree}
    entry |= shape(circuit, distinct[0])
    entry |= timings(bench, g, witness, distinct)
    return [entry]


def macro_tasks(bench: Bench) -> list[Task]:
    """One task a code and case."""
    return [
        Task(f"claims: {case.title}, {code}", partial(_measure, bench, case, code))
        for code in codes()
        for case in cases()
    ]


def degree_tasks(bench: Bench) -> list[Task]:
    """One task a case and degree, with the code that every installation has: the degrees that ship
    are chosen by it."""
    return [
        Task(f"degrees: {case.title}, D ≤ {degree}", partial(_measure_degree, bench, case, degree))
        for case in cases()
        if bench.parameters.degrees_with_limits or not case.has_limits
        for degree in bench.parameters.degrees
    ]
