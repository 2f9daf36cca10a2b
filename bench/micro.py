"""Single operations, each in units."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from itertools import count
from random import Random
from typing import Any

from gmpy2 import mpz

from bench.cases import cases, witness_of
from bench.tasks import Bench, Task
from bench.timing import Operation
from zk.backends.libsecp256k1 import Libsecp256k1
from zk.evaluate import Point as EvaluationPoint
from zk.evaluate import evaluator_of
from zk.field import Scalar, powers
from zk.group import FIXED_DIGIT_LIMIT, Point
from zk.hash_to_curve import hash_to_curve
from zk.instance import start_transcript
from zk.randomness import hedged_scalars

TERMS = 64  # of the sums that are reported per term


def random_scalar(order: Scalar) -> Scalar:
    """Uniform up to a bias of 2^-128."""
    return mpz(int.from_bytes(os.urandom(48), "big")) % order


class Micro:
    """Inputs for the operations, and the operations by name."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.group = group = bench.generators.group
        most = max(TERMS, *bench.parameters.msm_sizes)
        base = group.hash_to_point(b"micro", b"clairobscur-bench")
        self.scalars = [random_scalar(group.order) for _ in range(most)]
        self.points: list[Point] = [group.mul(random_scalar(group.order), base)]
        while len(self.points) < most:
            self.points.append(group.sum([self.points[-1], base]))

    def operations(self) -> list[tuple[str, str, int, Callable[[], object]]]:
        """(name, what, how many in one call, call)."""
        group, g = self.group, self._bench.generators
        points, scalars = self.points[:TERMS], self.scalars[:TERMS]
        bases = [g.base(point) for point in g.W(TERMS)]
        digits = [i % FIXED_DIGIT_LIMIT for i in range(TERMS)]
        encoded = [group.encode(point) for point in points]
        messages = count()

        def hash_one() -> None:
            hash_to_curve(next(messages).to_bytes(8, "big"), b"clairobscur-bench")

        return [
            ("mul", "point × random scalar: the unit", TERMS, self._mul),
            ("fixed_sum", f"a term of a fixed-length sum of {TERMS}", TERMS,
             lambda: group.fixed_sum(scalars, bases)),
            ("fixed_digit_sum", f"a digit of a fixed-length sum of {TERMS}", TERMS,
             lambda: group.fixed_digit_sum(digits, bases)),
            ("combine", "a point of a sum of 64", TERMS, lambda: group.sum(points)),
            ("combine_many", f"a point of a sum of {len(self.points)}", len(self.points),
             lambda: group.sum(self.points)),
            ("add", "sum of two points", 1, lambda: group.sum(points[:2])),
            ("decode", "a point from 33 bytes", TERMS,
             lambda: [group.decode(data) for data in encoded]),
            ("encode", "a point to 33 bytes", TERMS,
             lambda: [group.encode(point) for point in points]),
            ("hash_to_curve", "a generator (RFC 9380)", 1, hash_one),
            ("table", "the table of a generator, once a process", 1,
             lambda: group.fixed_base(points[0])),
            ("hedged_scalars", f"a random scalar, of {TERMS}", TERMS,
             lambda: hedged_scalars(TERMS, group.order, b"secret", [b"binding"])),
        ]  # fmt: skip

    def _mul(self) -> None:
        for scalar, point in zip(self.scalars[:TERMS], self.points, strict=False):
            self.group.mul(scalar, point)

    def statement_operations(self) -> list[tuple[str, str, int, Callable[[], object]]]:
        """Operations that depend on a circuit, for each statement without limits."""
        group, g = self.group, self._bench.generators
        listed: list[tuple[str, str, int, Callable[[], object]]] = []
        for case in cases():
            if case.has_limits:
                continue
            statement = case.statement()
            circuit = statement.circuit
            instance = witness_of(statement, case.sale(Random(1)), g).instance
            y, x = random_scalar(group.order), random_scalar(group.order)
            y_powers = powers(y, len(circuit.equations) + len(circuit.lines), group.order)

            def point(
                wires: int = circuit.wires,
                x: Scalar = x,
                y_powers: list[Scalar] = y_powers,
                publics: tuple[int, ...] = instance.publics,
            ) -> EvaluationPoint:
                f = [random_scalar(group.order) for _ in range(wires)]
                return EvaluationPoint(f, x, y_powers, publics)

            evaluator = evaluator_of(circuit, group.order)
            one, many = [point()], [point() for _ in range(self._bench.parameters.batch)]
            some = [point() for _ in range(circuit.degree)]
            body = bytes(33 * (2 + circuit.degree))

            def sponge(instance: Any = instance, body: bytes = body) -> None:
                transcript = start_transcript(group, instance)
                transcript.absorb(body[:66])
                transcript.challenge()
                transcript.absorb(body[66:])
                transcript.challenge()

            name = case.name
            listed += [
                (f"sponge_{name}", f"both challenges of {name}", 1, sponge),
                (f"evaluate_{name}", f"field part of {name}, one proof", 1,
                 partial(evaluator, one)),
                (f"evaluate_{name}_prover", f"field part of {name}, prover's {len(some)} points", 1,
                 partial(evaluator, some)),
                (f"evaluate_{name}_batch", f"field part of {name}, a proof of {len(many)}",
                 len(many), partial(evaluator, many)),
            ]  # fmt: skip
        return listed


def _measure(bench: Bench) -> list[dict[str, Any]]:
    micro = Micro(bench)
    listed = micro.operations() + micro.statement_operations()
    operations = {name: Operation(run, per) for name, _, per, run in listed}
    measured = bench.yardstick.measure_together(operations, bench.parameters.rounds)
    return [
        {"name": name, "what": what, "per": per} | measured[name].as_json()
        for name, what, per, _ in listed
    ]


def _measure_msm(bench: Bench) -> list[dict[str, Any]]:
    """One multiplication a term, buckets, and what `Group.msm` chooses."""
    micro, group = Micro(bench), bench.generators.group
    operations: dict[tuple[str, int], Operation] = {}
    for size in bench.parameters.msm_sizes:
        points, scalars = micro.points[:size], micro.scalars[:size]
        short = [scalar >> 128 for scalar in scalars]  # the weights of a batch are this long

        def naive(points: list[Point] = points, scalars: list[Scalar] = scalars) -> Point:
            return group.sum([group.mul(k, P) for k, P in zip(scalars, points, strict=True)])

        methods: list[tuple[str, Callable[[], object]]] = [
            ("naive", naive),
            ("msm", partial(group.msm, scalars, points)),
            ("msm_128_bits", partial(group.msm, short, points)),
        ]
        if isinstance(group, Libsecp256k1):
            methods.append(("buckets", partial(group._buckets, scalars, points)))
        operations |= {(method, size): Operation(run, size) for method, run in methods}
    named = {f"{method} {size}": operation for (method, size), operation in operations.items()}
    measured = bench.yardstick.measure_together(named, bench.parameters.rounds)
    return [
        {"method": method, "terms": size} | measured[f"{method} {size}"].as_json()
        for method, size in operations
    ]


def micro_tasks(bench: Bench) -> list[Task]:
    """One task for all operations."""
    return [Task("operations", partial(_measure, bench))]


def msm_tasks(bench: Bench) -> list[Task]:
    """One task for all sizes."""
    return [Task("multi-scalar multiplication", partial(_measure_msm, bench))]
