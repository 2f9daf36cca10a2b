"""Commitments with a component that no line has, and generators that are not independent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.adversarial.statements import (
    HONEST,
    OVER_LIMIT,
    REFUSED,
    bits,
    price,
    publics_of,
    purchases,
    wires_of,
)
from tests.support.forgers import (
    Forgery,
    FreeProver,
    forge_over_repeated_generator,
    forge_with_component_on_G,
    forge_with_extra_T,
    forge_with_late_T,
)
from tests.support.weak_verifier import NONE, Weakness, WeakVerifier
from zk.errors import EncodingError, ProofRejected, StatementError
from zk.generators import Generators
from zk.group import Point
from zk.instance import Instance
from zk.verify import verify

FOREIGN = {
    "G": lambda g: g.G,
    "G_1": lambda g: g.W(1)[0],
    "G_n": lambda g: g.W(13)[12],
    "G_n+1": lambda g: g.W(14)[13],
    "unused J_5": lambda g: g.J(5)[4],
}


def tainted_commitments(generators: Generators, component: Point) -> tuple[Point, ...]:
    """Of an honest purchase, plus 3 times the component."""
    prover = FreeProver(WeakVerifier(generators), purchases(), publics_of(HONEST), wires_of(HONEST))
    return prover.commitments(extra={0: [(3, component)]})


def clean_commitments(generators: Generators) -> tuple[Point, ...]:
    """Of an honest purchase."""
    prover = FreeProver(WeakVerifier(generators), purchases(), publics_of(HONEST), wires_of(HONEST))
    return prover.commitments()


@pytest.mark.parametrize("name", FOREIGN)
def test_component_on_a_foreign_generator(generators: Generators, name: str) -> None:
    """Accepted where a proof may bring one T_k too many, which stands beside the C_l at x^D."""
    publics, wires = publics_of(HONEST), wires_of(HONEST)
    weak = WeakVerifier(generators, Weakness(any_number_of_T=True))
    plain = WeakVerifier(generators, NONE)
    honest = FreeProver(weak, purchases(), publics, wires)
    accepted = honest.instance()
    weak.verify((accepted, honest.speak(accepted)))
    verify(generators, accepted, honest.speak(accepted))

    tainted = tainted_commitments(generators, FOREIGN[name](generators))
    forgery = forge_with_extra_T(weak, purchases(), publics, wires, tainted)
    weak.verify(forgery)
    refused_by_ours(generators, forgery)
    refused_by_ours(generators, forge_with_extra_T(plain, purchases(), publics, wires, tainted))
    # The accepted proof's maker, with nothing changed but the taint in C_0.
    mutated = honest.instance(honest.commitments(extra={0: [(1, FOREIGN[name](generators))]}))
    with pytest.raises(ProofRejected):
        verify(generators, mutated, honest.speak(mutated))


def refused_by_ours(generators: Generators, forgery: Forgery) -> None:
    """As it is, for its shape; cut to the right number of T_k, for what it says."""
    instance, proof = forgery
    with pytest.raises(StatementError, match="shape"):
        verify(generators, instance, proof)
    with pytest.raises(ProofRejected):
        verify(generators, instance, replace(proof, T=proof.T[: instance.circuit.degree]))


def test_extra_T_proves_anything(generators: Generators) -> None:
    """The same T_D also carries broken equations, about commitments made for something else."""
    publics, wires = publics_of(OVER_LIMIT), wires_of(OVER_LIMIT)
    weak = WeakVerifier(generators, Weakness(any_number_of_T=True))
    forgery = forge_with_extra_T(weak, purchases(), publics, wires, clean_commitments(generators))
    weak.verify(forgery)
    refused_by_ours(generators, forgery)


@pytest.mark.parametrize("digit", [2, 9, -1])
def test_component_on_G_pays_for_a_broken_bit(generators: Generators, digit: int) -> None:
    """Lines that start at y^0, like equation 0: the bit has P_0 = b(b − 1), C_0 as much on G."""
    weak = WeakVerifier(generators, Weakness(lines_share_powers=True))
    plain = WeakVerifier(generators, NONE)
    weak.verify(forge_with_component_on_G(weak, price(), (), bits(7), 0))
    verify(generators, *forge_with_component_on_G(plain, price(), (), bits(7), 0))
    wires, component = (digit, 1, 1), digit * (digit - 1)
    forgery = forge_with_component_on_G(weak, price(), (), wires, component)
    weak.verify(forgery)
    with pytest.raises(ProofRejected):
        verify(generators, *forgery)
    with pytest.raises(ProofRejected):
        verify(generators, *forge_with_component_on_G(plain, price(), (), wires, component))


@pytest.mark.parametrize("k", range(2))
def test_a_broken_bit_through_a_late_T(generators: Generators, k: int) -> None:
    """What one T_k chosen after x takes up may be anything, a broken bit too."""
    weak = WeakVerifier(generators, Weakness(unbound=frozenset({f"T_{k}"})))
    forgery = forge_with_late_T(weak, price(), (), (5, 1, 1), k)
    weak.verify(forgery)
    with pytest.raises(ProofRejected):
        verify(generators, *forgery)


class RepeatedGenerators(Generators):
    """G_10 = G_9 (wires 9 and 8 from zero), as a careless derivation would have it."""

    def W(self, wires: int) -> list[Point]:
        """``[G_1, …]`` with one repetition."""
        points = super().W(wires)
        return [*points[:9], points[8], *points[10:]]


def test_one_generator_for_two_wires(generators: Generators) -> None:
    """f_8 + f_9 is all that (i) then holds: a price over its limit is accepted."""
    publics, wires = publics_of(OVER_LIMIT), wires_of(OVER_LIMIT)
    weak = WeakVerifier(RepeatedGenerators(generators.group))
    assert len(set(generators.W(13))) == 13
    honest = FreeProver(weak, purchases(), publics_of(HONEST), wires_of(HONEST))
    accepted = honest.instance()
    weak.verify((accepted, honest.speak(accepted)))
    for verifier in (weak, WeakVerifier(generators)):
        forgery = forge_over_repeated_generator(verifier, purchases(), publics, wires, (8, 9))
        with pytest.raises(ProofRejected):
            verify(generators, *forgery)
    weak.verify(forge_over_repeated_generator(weak, purchases(), publics, wires, (8, 9)))


def test_identity_commitment_is_no_instance(generators: Generators) -> None:
    """0·J + 0·H would be a line that anybody can open to anything of zeros."""
    commitments = clean_commitments(generators)
    Instance(purchases(), publics_of(HONEST), bytes(32), commitments)
    with pytest.raises(StatementError, match="identity"):
        Instance(purchases(), publics_of(HONEST), bytes(32), (Point(b""),))


@pytest.mark.parametrize("name", ["B", "A", "T"])
def test_identity_points_have_no_place_in_a_proof(generators: Generators, name: str) -> None:
    """A proof object (never one from the wire) with an identity is refused before any equation."""
    prover = FreeProver(WeakVerifier(generators), purchases(), publics_of(HONEST), wires_of(HONEST))
    instance = prover.instance()
    proof = prover.speak(instance)
    verify(generators, instance, proof)
    identity = Point(b"")
    changes: dict[str, Any] = {name: (identity, proof.T[1]) if name == "T" else identity}
    spoiled = replace(proof, **changes)
    with pytest.raises(EncodingError):
        verify(generators, instance, spoiled)
    with pytest.raises(REFUSED):
        WeakVerifier(generators).verify((instance, spoiled))
