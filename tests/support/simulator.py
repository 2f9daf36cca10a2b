"""The simulator of the zero-knowledge argument (``docs/protocol.md``): a convincing proof without
a witness.

It may do one thing that nobody else can: say what the hash answers to one message (*program* the
oracle). Only the last challenge is programmed; y comes from the hash. So whoever sees a proof saw
what they could have made alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from zk.encoding import Proof, encode_proof
from zk.evaluate import Point as EvaluationPoint
from zk.evaluate import evaluator_of
from zk.field import Scalar, powers
from zk.generators import Generators
from zk.group import Group, Point
from zk.instance import Instance, start_transcript
from zk.randomness import random_scalars
from zk.verify import challenges


@dataclass
class ProgrammableOracle:
    """The hash, except where it was programmed; `challenges` can stand in for
    `zk.verify.challenges`."""

    answers: dict[bytes, Scalar] = field(default_factory=dict)

    def program(self, group: Group, instance: Instance, proof: Proof, x: Scalar) -> None:
        """Answer x to the instance and the first two messages of ``proof``."""
        question = self._question(group, instance, encode_proof(proof, group))
        assert question not in self.answers, "the oracle would contradict itself"
        self.answers[question] = x

    def challenges(self, group: Group, instance: Instance, proof: bytes) -> tuple[Scalar, Scalar]:
        """(y, x) of an encoded proof, as this oracle gives them."""
        y, x = challenges(group, instance, proof)
        return y, self.answers.get(self._question(group, instance, proof), x)

    @staticmethod
    def _question(group: Group, instance: Instance, proof: bytes) -> bytes:
        points = (2 + instance.circuit.degree) * group.point_bytes
        return instance.encode(group) + proof[:points]


@dataclass(frozen=True)
class Choices:
    """What the simulator draws at random: x, f, z_1, z_2, and B and T_1…T_{D−1} as multiples of
    H."""

    x: Scalar
    f: Sequence[Scalar]
    z_1: Scalar
    z_2: Scalar
    b: Scalar
    t: Sequence[Scalar]


def simulate(generators: Generators, instance: Instance, oracle: ProgrammableOracle) -> Proof:
    """A proof of ``instance``, true or false, that is accepted under ``oracle`` after this call."""
    group, circuit = generators.group, instance.circuit
    x, z_1, z_2, b, *rest = random_scalars(4 + circuit.degree - 1 + circuit.wires, group.order)
    t, f = rest[: circuit.degree - 1], rest[circuit.degree - 1 :]

    def hash_to_y(B: Point, A: Point) -> Scalar:
        transcript = start_transcript(group, instance)
        transcript.absorb(group.encode(B), group.encode(A))
        return transcript.challenge()

    proof = solve(generators, instance, Choices(x, f, z_1, z_2, b, t), hash_to_y)
    oracle.program(group, instance, proof, x)
    return proof


def solve(
    generators: Generators,
    instance: Instance,
    chosen: Choices,
    hash_to_y: Callable[[Point, Point], Scalar],
) -> Proof:
    """The one proof with these choices: equation (i) gives A, then the hash gives y, then (ii)
    gives T_0."""
    group, circuit = generators.group, instance.circuit
    q, n, D = group.order, circuit.wires, circuit.degree
    E, L = len(circuit.equations), len(circuit.lines)
    W, J, H = generators.W(n), generators.J(circuit.slots), generators.H
    x, f, z_1, z_2 = chosen.x, chosen.f, chosen.z_1, chosen.z_2

    B = group.mul(chosen.b, H)
    A = group.sum([group.msm([*f, z_1], [*W, H]), group.neg(group.mul(x, B))])
    y_powers = powers(hash_to_y(B, A), E + L, q)
    (value,) = evaluator_of(circuit, q)([EvaluationPoint(f, x, y_powers, instance.publics)])
    later_T = [group.mul(t_k, H) for t_k in chosen.t]
    x_powers = powers(x, D + 1, q)
    taken = [
        *(group.mul(power, T_k) for power, T_k in zip(x_powers[1:D], later_T, strict=True)),
        *(
            group.mul(x_powers[D] * power, C)
            for power, C in zip(y_powers[E:], instance.commitments, strict=True)
        ),
    ]
    right = group.msm([value.g, *value.h, z_2], [generators.G, *J, H])
    T_0 = group.sum([right, *map(group.neg, taken)])
    return Proof(B, A, (T_0, *later_T), tuple(f), z_1, z_2)
