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
from zk.backends import load_group
from zk.backends.libsecp256k1 import Libsecp256k1
from zk.evaluate import Point as EvaluationPoint
from zk.evaluate import evaluator_of
from zk.field import Scalar, encode_little, powers
from zk.group import FIXED_DIGIT_LIMIT, Group, Point
from zk.hash_to_curve import hash_to_curve
from zk.instance import start_transcript
from zk.randomness import hedged_scalars

TERMS = 64  # of the sums that are reported per term
FIXED_TERMS, OWN_TERMS = 75, 15  # of a verifier's sum for one proof of 63 wires


def random_scalar(order: Scalar) -> Scalar:
    """Uniform up to a bias of 2^-128."""
    return mpz(int.from_bytes(os.urandom(48), "big")) % order


def compiled_groups() -> list[tuple[str, str, Group]]:
    """(prefix of a name, words, group) for the compiled backend as it is here, and as it is on a
    processor that computes one number at a time; none where it was not built."""
    group = load_group()
    if group.name != "native":
        return []
    from zk import _group
    from zk.backends.native import Native

    if not _group.has_lanes():
        return [("compiled", "compiled", group)]
    return [
        ("compiled", "compiled, eight at a time", group),
        ("compiled_plain", "compiled, one at a time", Native(lanes=False)),
    ]


class Micro:
    """Inputs for the operations, and the operations by name."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.group = group = bench.generators.group
        most = max(TERMS, FIXED_TERMS + OWN_TERMS, *bench.parameters.msm_sizes)
        base = group.hash_to_point(b"micro", b"clairobscur-bench")
        self.scalars = [random_scalar(group.order) for _ in range(most)]
        # Unrelated ones, as in proofs: in a series, sums meet equal sums, which takes longer.
        self.points = [group.mul(random_scalar(group.order), base) for _ in range(most)]

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

    def compiled_operations(self) -> list[tuple[str, str, int, Callable[[], object]]]:
        """What the compiled backend does for a verifier, where it was built."""
        listed: list[tuple[str, str, int, Callable[[], object]]] = []
        encoded = b"".join([self.group.encode(point) for point in self.points[:TERMS]])
        scalars = encode_little(self.scalars[: FIXED_TERMS + OWN_TERMS])
        fixed, own = scalars[: 32 * FIXED_TERMS], scalars[32 * FIXED_TERMS :]
        points = self.points[FIXED_TERMS : FIXED_TERMS + OWN_TERMS]
        for prefix, words, group in compiled_groups():
            bases = [base for P in self.points[:FIXED_TERMS] if (base := group.public_base(P))]
            listed += [
                (f"{prefix}_sum", f"a verifier's sum, {FIXED_TERMS} generators and {OWN_TERMS} "
                 f"points, {words}", 1, partial(group.public_sum, fixed, bases, own, points)),
                (f"{prefix}_decode", f"a point from 33 bytes, of {TERMS}, {words}", TERMS,
                 partial(group.decode_many, encoded)),
            ]  # fmt: skip
            if prefix == "compiled":
                listed.append(
                    ("compiled_base", "a generator prepared for verifiers, compiled",
                     1, partial(group.public_base, self.points[0]))
                )  # fmt: skip
        return listed

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
    listed = micro.operations() + micro.compiled_operations() + micro.statement_operations()
    operations = {name: Operation(run, per) for name, _, per, run in listed}
    measured = bench.yardstick.measure_together(operations, bench.parameters.rounds)
    return [
        {"name": name, "what": what, "per": per} | measured[name].as_json()
        for name, what, per, _ in listed
    ]


def _measure_msm(bench: Bench) -> list[dict[str, Any]]:
    """One multiplication a term, buckets, what `Group.msm` chooses, and compiled code."""
    micro, group = Micro(bench), bench.generators.group
    compiled = compiled_groups()
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
        for prefix, _, other in compiled:
            methods += [
                (prefix, partial(other.msm, scalars, points)),
                (f"{prefix}_128_bits", partial(other.msm, short, points)),
            ]
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
