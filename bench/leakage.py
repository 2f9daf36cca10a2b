"""What the prover's time tells about its secrets, by Welch's t-test.

Two classes of inputs are timed in random order; a |t| above 4.5 says that their mean times differ
(the threshold, the cropping of interrupted samples and the class with a fixed secret are those of
Reparaz, Balasch, Verbauwhede, *Dude, is my code constant time?*, DATE 2017, ePrint 2016/1123). A t
grows with the number of samples, so the
difference of the means is told with it. Not every difference is a leak of arithmetic: a fixed
secret also finds its table entries in the cache.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from statistics import fmean, median, variance
from typing import Any, NamedTuple

from gmpy2 import mpz

from bench.cases import (
    DAY,
    HIGHEST_PRICE,
    LOWEST_PRICE,
    Case,
    Witness,
    cases,
    commit_to,
    witness_of,
)
from bench.micro import random_scalar
from bench.tasks import Bench, Task
from circuits.compiled import CompiledStatement
from circuits.contract import DEFAULT_LARGEST_PRICE_CENTS
from circuits.items import Article, price_limit_cents
from circuits.slots import SLOTS, encode_day
from zk.commitment import Opening, commit
from zk.evaluate import CompiledEvaluator, evaluator_of
from zk.field import encode_little
from zk.generators import Generators
from zk.instance import encode_publics
from zk.prove import InteractiveProver, Masks, prove
from zk.relation import Circuit, Digit

CROP = 0.9  # samples above this quantile of both classes together are interruptions
THRESHOLD = 4.5
PROVED = ("line", "equipment")  # the statements whose whole prover is timed


class Welch(NamedTuple):
    """Two means (ns), their difference in per cent of the second, and Welch's t."""

    first_ns: float
    second_ns: float
    difference_percent: float
    t: float


def welch(first: Sequence[float], second: Sequence[float]) -> Welch:
    """t = (m₁ − m₂) / √(s₁²/n₁ + s₂²/n₂); 0 where neither class varies."""
    means = fmean(first), fmean(second)
    error = math.sqrt(variance(first) / len(first) + variance(second) / len(second))
    difference = means[0] - means[1]
    return Welch(*means, 100 * difference / means[1], difference / error if error else 0.0)


def crop(first: Sequence[int], second: Sequence[int]) -> tuple[list[int], list[int]]:
    """Both classes without the slowest tenth of all samples."""
    pooled = sorted([*first, *second])
    limit = pooled[max(1, int(CROP * len(pooled))) - 1]
    return [v for v in first if v <= limit], [v for v in second if v <= limit]


def sample(
    make: Sequence[Callable[[], Callable[[], object]]], count: int, random: Random
) -> list[list[int]]:
    """Nanoseconds of ``count`` operations of each class, made afresh, in random order."""
    order = list(range(len(make))) * count
    random.shuffle(order)
    times: list[list[int]] = [[] for _ in make]
    for kind in order:
        operation = make[kind]()
        start = time.perf_counter_ns()
        operation()
        times[kind].append(time.perf_counter_ns() - start)
    return times


def _experiment(
    name: str,
    classes: tuple[str, str],
    make: tuple[Callable[[], Callable[[], object]], Callable[[], Callable[[], object]]],
    count: int,
) -> dict[str, Any]:
    for build in make:
        build()()  # tables and caches
    first, second = sample(make, count, Random(count))
    result = welch(*crop(first, second))
    return {
        "experiment": name,
        "classes": list(classes),
        "mean_ns": [round(result.first_ns), round(result.second_ns)],
        "median_ns": [round(median(first)), round(median(second))],
        "difference_percent": round(result.difference_percent, 3),
        "t": round(result.t, 2),
        "samples_ns": [first, second],
    }


def _multiplication(bench: Bench) -> list[dict[str, Any]]:
    """The library's own multiplication, which no unmasked secret may meet."""
    group, count = bench.generators.group, bench.parameters.multiplication_samples
    point = group.hash_to_point(b"leakage", b"clairobscur-bench")

    def multiply(scalar: Callable[[], Any]) -> Callable[[], Callable[[], object]]:
        return lambda: partial(group.mul, scalar(), point)

    random = multiply(lambda: random_scalar(group.order))
    return [
        _experiment("libsecp256k1 multiplication", ("scalar 1", "random scalar"),
                    (multiply(lambda: mpz(1)), random), count),
        _experiment("libsecp256k1 multiplication", ("random 32-bit scalar", "random scalar"),
                    (multiply(lambda: random_scalar(group.order) >> 224), random), count),
    ]  # fmt: skip


def _commitments(bench: Bench) -> list[dict[str, Any]]:
    g, count = bench.generators, bench.parameters.timing_samples
    q = g.group.order

    def committing(values: Callable[[], Sequence[int]], r: Callable[[], Any]) -> Any:
        return lambda: partial(commit, g, Opening(tuple(values()), r()))

    def blinding() -> Any:
        return random_scalar(q)

    bits = 64
    small = committing(lambda: [int.from_bytes(os.urandom(1), "big") & 1] * SLOTS, blinding)
    large = committing(lambda: [int(random_scalar(1 << bits)) for _ in range(SLOTS)], blinding)

    def priced(cents: int) -> Any:
        return committing(lambda: [4_000_000 + os.urandom(1)[0], cents, 0, 0], blinding)

    cheap, dear = priced(1), priced(DEFAULT_LARGEST_PRICE_CENTS)
    zeros = committing(lambda: [0] * SLOTS, lambda: mpz(1))
    randoms = committing(lambda: [int(random_scalar(q)) for _ in range(SLOTS)], blinding)
    return [
        _experiment("commit to a line", ("price 1 cent", "largest price"), (cheap, dear), count),
        _experiment("commit to a line", ("slots 0 or 1", f"slots of {bits} random bits"),
                    (small, large), count),
        _experiment("commit to a line", ("slots 0, blinding 1", "all random scalars"),
                    (zeros, randoms), count),
    ]  # fmt: skip


def extreme_wires(circuit: Circuit, *, largest: bool) -> list[int]:
    """Wires all 0, or with every digit as large as it may be (a one-hot digit has one 1)."""
    wires = [0] * circuit.wires
    if largest:
        for equation in circuit.equations:
            if isinstance(equation, Digit) and equation.form.is_wire:
                wires[equation.form.wires[0][0]] = equation.base - 1
        for selector in circuit.selectors:
            for ones in selector.digits:
                for wire in ones:
                    wires[wire] = int(wire == ones[-1])
    return wires


def _prover(bench: Bench) -> list[dict[str, Any]]:
    g, count = bench.generators, bench.parameters.timing_samples
    q = g.group.order
    circuit = cases()[0].statement().circuit
    witnesses = [
        commit_to(circuit, (encode_day(DAY),), extreme_wires(circuit, largest=largest), g)
        for largest in (False, True)
    ]

    def prover(kind: int, mask: Callable[[], Any]) -> InteractiveProver:
        witness = witnesses[kind]
        masks = Masks.of(circuit, [mask() for _ in range(Masks.count(circuit))])
        return InteractiveProver(g, witness.instance, witness.wires, witness.openings, masks)

    def uniform() -> Any:
        return random_scalar(q)

    def announcing(kind: int, mask: Callable[[], Any] = uniform) -> Any:
        return lambda: prover(kind, mask).announce

    def all_messages(kind: int) -> Any:
        def make() -> Callable[[], object]:
            made, y, x = prover(kind, uniform), uniform(), uniform()

            def run() -> None:
                made.announce()
                made.combine(y)
                made.respond(x)

            return run

        return make

    digits = ("all digits 0", "all digits largest")
    return [
        _experiment("first message of line", digits, (announcing(0), announcing(1)), count),
        _experiment("first message of line", ("masks below 2^64", "masks uniform"),
                    (announcing(0, lambda: uniform() >> 192), announcing(0)), count),
        _experiment("all messages of line", digits, (all_messages(0), all_messages(1)), count),
    ]  # fmt: skip


def priced_sales(case: Case, sold: Sequence[Article]) -> tuple[list[Article], list[Article]]:
    """The same codes at low and at high prices: 1 cent and the largest that is allowed in `line`,
    the ends of the random sales' range else (a lens of class A counts against the ceiling)."""
    cheap, dear = [], []
    for article in sold:
        row = case.nomenclature.row(article.code, DAY)
        limit = price_limit_cents(row, case.contract)
        is_line = case.name == "line"
        cheap.append(Article(article.code, 1 if is_line else LOWEST_PRICE))
        dear.append(Article(article.code, limit if is_line else min(limit, HIGHEST_PRICE)))
    return cheap, dear


def priced_witnesses(
    statement: CompiledStatement, sales: Sequence[Sequence[Article]], generators: Generators
) -> list[Witness]:
    """A witness of each sale, all with the amounts of the first: nothing public differs."""
    amounts = statement.largest_amounts(sales[0])
    publics = statement.publics(DAY, amounts)
    return [
        commit_to(statement.circuit, publics, statement.wires(sold, amounts), generators)
        for sold in sales
    ]


def _whole_prover(bench: Bench, case: Case) -> list[dict[str, Any]]:
    """`prove` from beginning to end, masks and challenges its own.

    Each class makes a random sale before every operation, so that what is in the caches before it
    is the same for both.
    """
    g, count = bench.generators, bench.parameters.timing_samples
    statement, random = case.statement(), Random(count)

    def proving(witness: Witness) -> Callable[[], object]:
        return partial(prove, g, witness.instance, witness.wires, witness.openings)

    def any_sale() -> list[Article]:
        return case.sale(random)

    fixed = witness_of(statement, any_sale(), g)

    def fixed_witness() -> Callable[[], object]:
        witness_of(statement, any_sale(), g)
        return proving(fixed)

    def random_witness() -> Callable[[], object]:
        return proving(witness_of(statement, any_sale(), g))

    def priced(kind: int) -> Callable[[], Callable[[], object]]:
        def make() -> Callable[[], object]:
            sales = priced_sales(case, any_sale())
            return proving(priced_witnesses(statement, sales, g)[kind])

        return make

    name = f"prove {case.title}"
    return [
        _experiment(name, ("one fixed witness", "random witnesses"),
                    (fixed_witness, random_witness), count),
        _experiment(name, ("low prices", "high prices"), (priced(0), priced(1)), count),
    ]  # fmt: skip


def _compiled_evaluation(bench: Bench) -> list[dict[str, Any]]:
    """The compiled field part at unmasked wires, which differ as much as they can; nothing where it
    is not built."""
    g, count = bench.generators, bench.parameters.timing_samples
    circuit = cases()[0].statement().circuit
    evaluator = evaluator_of(circuit, g.group.order)
    if not isinstance(evaluator, CompiledEvaluator):
        return []
    publics = encode_publics([encode_day(DAY)])
    count_of_powers = len(circuit.equations) + len(circuit.lines)

    def evaluating(wires: Sequence[int]) -> Callable[[], Callable[[], object]]:
        points = encode_little([mpz(w) for w in wires] * circuit.degree)

        def make() -> Callable[[], object]:
            numbers = [random_scalar(g.group.order) for _ in range(circuit.degree)]
            powers_of_y = [random_scalar(g.group.order) for _ in range(count_of_powers)]
            x, y = encode_little(numbers), encode_little(powers_of_y * circuit.degree)
            return partial(evaluator.program.evaluate, points, x, y, publics * circuit.degree)

        return make

    zeros, largest = (
        evaluating(extreme_wires(circuit, largest=largest)) for largest in (False, True)
    )
    return [
        _experiment("compiled field part of line", ("digits all 0", "digits all largest"),
                    (zeros, largest), count),
    ]  # fmt: skip


def leakage_tasks(bench: Bench) -> list[Task]:
    """Multiplication, commitments, messages of the prover, the whole prover."""
    whole = [case for case in cases() if case.name in PROVED and not case.has_limits]
    return [
        Task("timing of secrets: multiplication", partial(_multiplication, bench)),
        Task("timing of secrets: commitments", partial(_commitments, bench)),
        Task("timing of secrets: prover", partial(_prover, bench)),
        Task("timing of secrets: compiled field part", partial(_compiled_evaluation, bench)),
        *(
            Task(f"timing of secrets: prove {case.title}", partial(_whole_prover, bench, case))
            for case in whole
        ),
    ]
