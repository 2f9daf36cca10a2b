"""A prover that checks nothing: it speaks the protocol for any wires and openings, true or false.

With a true witness its proofs are accepted like any other. With a false one it sends T_0…T_{D−1}
as if no equation had a coefficient at X^D, and as if the lines read what the openings hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from zk.commitment import Opening
from zk.encoding import Proof
from zk.field import Scalar
from zk.generators import Generators
from zk.instance import Instance, start_transcript
from zk.prove import InteractiveProver, Masks
from zk.randomness import random_scalars


class DeviatingProver(InteractiveProver):
    """`InteractiveProver` without its checks. Wires are any integers; they count modulo q."""

    def __init__(
        self,
        generators: Generators,
        instance: Instance,
        wires: Sequence[int],
        openings: Sequence[Opening],
    ) -> None:
        scalars = random_scalars(Masks.count(instance.circuit), generators.group.order)
        self._generators, self._instance = generators, instance
        self._masks = Masks.of(instance.circuit, scalars)
        self._w, self._openings = wires, openings
        self._small = set()  # no wire is known to be a digit
        self._y_powers: list[Scalar] = []


def prove_anything(
    generators: Generators,
    instance: Instance,
    wires: Sequence[int],
    openings: Sequence[Opening],
) -> Proof:
    """What `zk.prove.prove` does, for witnesses that it would refuse."""
    group = generators.group
    prover = DeviatingProver(generators, instance, wires, openings)
    transcript = start_transcript(group, instance)
    B, A = prover.announce()
    transcript.absorb(group.encode(B), group.encode(A))
    T = prover.combine(transcript.challenge())
    transcript.absorb(*map(group.encode, T))
    return Proof(B, A, tuple(T), *_flat(prover.respond(transcript.challenge())))


def _flat(
    response: tuple[Sequence[Scalar], Scalar, Scalar],
) -> tuple[tuple[Scalar, ...], Scalar, Scalar]:
    f, z_1, z_2 = response
    return tuple(f), z_1, z_2
