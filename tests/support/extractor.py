"""The extractor of the special-soundness argument (``docs/protocol.md``): rewinding gives the
witness.

It is told the instance and asks a prover, whose first message is fixed, for E + L challenges y
and, after each of the second messages, for D + 1 challenges x. It looks at the answers and at
nothing else. Writing [v] for a vector of exponents over (G, J_1…J_S, H):

1. two x give f_i = w_i·x + a_i, hence w and a; every other answer must fit them, or B is opened in
   two ways;
2. for each y, the D + 1 equations (ii) are combined so that the powers x^0…x^(D−1) vanish: what is
   left on the right is an opening [v_y] of Σ_l y^(E+l)·C_l;
3. v_y is a polynomial in y of degree < E + L: interpolating its coefficients opens 0 as the e-th,
   for e < E, and C_l as the (E+l)-th. An opening of 0 that is not all zeros is a relation between
   the generators.

So there is either a witness, or a relation between generators, which nobody can find (discrete
logarithms).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gmpy2 import invert, mpz

from tests.support.textbook import equations_hold
from zk.commitment import Opening
from zk.encoding import Proof
from zk.evaluate import Point as EvaluationPoint
from zk.evaluate import evaluator_of
from zk.field import Scalar, powers
from zk.generators import Generators
from zk.group import Point
from zk.instance import Instance
from zk.prove import InteractiveProver, Masks
from zk.randomness import random_scalars
from zk.relation import Circuit


class Rewindable(Protocol):
    """A prover that may be asked again: `combine` and `respond` after the same first message."""

    def announce(self) -> tuple[Point, Point]: ...

    def combine(self, y: Scalar) -> Sequence[Point]: ...

    def respond(self, x: Scalar) -> tuple[Sequence[Scalar], Scalar, Scalar]: ...


@dataclass(frozen=True)
class ChallengeSets:
    """E + L distinct values for y and D + 1 for x."""

    ys: Sequence[Scalar]
    xs: Sequence[Scalar]


@dataclass(frozen=True)
class Extracted:
    """Wires modulo q, and an opening of each line's commitment."""

    wires: tuple[Scalar, ...]
    openings: tuple[Opening, ...]


class RefusedAnswer(Exception):
    """The prover did not convince in this run: there is nothing to extract from."""


class RelationFound(Exception):
    """``exponents`` over ``points``, not all zero, that sum to the identity."""

    def __init__(self, exponents: Sequence[Scalar], points: Sequence[Point]) -> None:
        super().__init__("a relation between the generators")
        self.exponents, self.points = list(exponents), list(points)


def extract(
    generators: Generators,
    instance: Instance,
    prover: Rewindable,
    challenges: ChallengeSets,
    *,
    check_every: int = 1,
) -> Extracted:
    """The witness behind ``prover``, from its answers to all pairs of ``challenges``.

    One answer in ``check_every`` goes through the verifier's
    equations (it costs the most); whatever is extracted is checked against the commitments in any
    case. Raises `RefusedAnswer` and `RelationFound`.
    """
    group, circuit = generators.group, instance.circuit
    q, D = group.order, circuit.degree
    E, L = len(circuit.equations), len(circuit.lines)
    ys, xs = challenges.ys, challenges.xs
    assert len(ys) == len(set(ys)) == E + L
    assert len(xs) == len(set(xs)) == D + 1
    evaluate = evaluator_of(circuit, q)
    lead = leading_weights(xs, q)
    W, J = generators.W(circuit.wires), generators.J(circuit.slots)
    first_basis, second_basis = [*W, generators.H], [generators.G, *J, generators.H]

    B, A = prover.announce()
    w_and_r: list[Scalar] = []  # w_1…w_n, r_B
    a_and_r: list[Scalar] = []  # a_1…a_n, r_A
    opened: list[list[Scalar]] = []  # [v_y] for each y
    number = 0
    for y in ys:
        T = tuple(prover.combine(y))
        y_powers = powers(y, E + L, q)
        answers = [prover.respond(x) for x in xs]
        values = evaluate(
            [
                EvaluationPoint(f, x, y_powers, instance.publics)
                for x, (f, _, _) in zip(xs, answers, strict=True)
            ]
        )
        for x, (f, z_1, z_2), value in zip(xs, answers, values, strict=True):
            if number % check_every == 0:
                proof = Proof(B, A, T, tuple(f), z_1, z_2)
                if not all(equations_hold(generators, instance, proof, y, x, (value.g, value.h))):
                    raise RefusedAnswer
            number += 1
        responses = [[*f, z_1] for f, z_1, _ in answers]
        if not w_and_r:
            w_and_r, a_and_r = line_through(xs[:2], responses[:2], q)
        for x, response in zip(xs, responses, strict=True):
            expected = [(w * x + a) % q for w, a in zip(w_and_r, a_and_r, strict=True)]
            if response != expected:
                difference = [(one - two) % q for one, two in zip(response, expected, strict=True)]
                raise RelationFound(difference, first_basis)
        exponents = [
            [value.g, *value.h, z_2] for value, (_, _, z_2) in zip(values, answers, strict=True)
        ]
        opened.append(
            [
                sum((k * e for k, e in zip(lead, component, strict=True)), mpz(0)) % q
                for component in zip(*exponents, strict=True)
            ]
        )
    coefficients = list(
        zip(*(polynomial_through(ys, part, q) for part in zip(*opened, strict=True)), strict=True)
    )
    for vector in coefficients[:E]:
        if any(vector):
            raise RelationFound(vector, second_basis)
    openings = []
    for vector, commitment in zip(coefficients[E:], instance.commitments, strict=True):
        if group.msm(list(vector), second_basis) != commitment:
            raise RefusedAnswer
        on_G, *slots, r = vector
        assert on_G == 0, "g has no power of y beyond E − 1, whatever the prover did"
        openings.append(Opening(tuple(slots), r))
    *w, r_B = w_and_r
    if group.msm([*w, r_B], first_basis) != B:
        raise RefusedAnswer
    return Extracted(tuple(w), tuple(openings))


# -- what a test needs around it -------------------------------------------------------------------


def honest_prover(
    generators: Generators, instance: Instance, wires: Sequence[int], openings: Sequence[Opening]
) -> InteractiveProver:
    """The prover of the protocol, with fresh masks."""
    scalars = random_scalars(Masks.count(instance.circuit), generators.group.order)
    masks = Masks.of(instance.circuit, scalars)
    return InteractiveProver(generators, instance, wires, openings, masks)


def random_challenges(circuit: Circuit, order: Scalar) -> ChallengeSets:
    """As many different random challenges as `extract` asks for."""
    return ChallengeSets(
        _distinct(len(circuit.equations) + len(circuit.lines), order),
        _distinct(circuit.degree + 1, order),
    )


def _distinct(count: int, order: Scalar) -> list[Scalar]:
    found: dict[Scalar, None] = {}
    while len(found) < count:
        found.update(dict.fromkeys(random_scalars(count - len(found), order)))
    return list(found)


# -- linear algebra --------------------------------------------------------------------------------


def line_through(
    xs: Sequence[Scalar], values: Sequence[Sequence[Scalar]], q: Scalar
) -> tuple[list[Scalar], list[Scalar]]:
    """(slopes, offsets) of v(x) = slope·x + offset from two values of each component."""
    scale = invert((xs[0] - xs[1]) % q, q)
    slopes = [(one - two) * scale % q for one, two in zip(*values, strict=True)]
    offsets = [(v - slope * xs[0]) % q for v, slope in zip(values[0], slopes, strict=True)]
    return slopes, offsets


def leading_weights(xs: Sequence[Scalar], q: Scalar) -> list[Scalar]:
    """λ_i with Σ λ_i·x_i^k = 0 for k < D and 1 for k = D, given D + 1 values x_i."""
    weights = []
    for x in xs:
        denominator = mpz(1)
        for other in xs:
            if other != x:
                denominator = denominator * (x - other) % q
        weights.append(invert(denominator, q))
    return weights


def polynomial_through(
    points: Sequence[Scalar], values: Sequence[Scalar], q: Scalar
) -> list[Scalar]:
    """Coefficients, lowest first, of the polynomial with these values (Newton's divided
    differences)."""
    differences = list(values)
    count = len(points)
    for step in range(1, count):
        for index in range(count - 1, step - 1, -1):
            run = invert((points[index] - points[index - step]) % q, q)
            differences[index] = (differences[index] - differences[index - 1]) * run % q
    coefficients: list[Scalar] = []
    for point, difference in zip(reversed(points), reversed(differences), strict=True):
        shifted = [mpz(0), *coefficients]
        for index, coefficient in enumerate(coefficients):
            shifted[index] = (shifted[index] - point * coefficient) % q
        shifted[0] = (shifted[0] + difference) % q
        coefficients = shifted
    return coefficients
