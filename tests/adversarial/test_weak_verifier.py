"""The weak verifier decides like ours while unweakened, and accepts the truth in any case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import pytest
from gmpy2 import mpz

from tests.adversarial.statements import HONEST, OTHER_HONEST, publics_of, purchases, wires_of
from tests.support.circuits import Example, bit, instance_of, purchase
from tests.support.forgers import FreeProver, affine_zero, moved_along, small_solution
from tests.support.weak_verifier import NONE, Weakness, WeakVerifier
from zk.encoding import encode_proof
from zk.errors import ProofRejected
from zk.evaluate import Point, evaluator_of
from zk.field import powers
from zk.generators import Generators
from zk.prove import prove
from zk.randomness import random_scalars
from zk.verify import challenges, verify

pytestmark = pytest.mark.usefixtures("either_evaluator")

EXAMPLES = {
    "bit": bit(),
    "purchase": purchase(),
    "two purchases": Example(
        purchases(2), publics_of(HONEST, OTHER_HONEST), tuple(wires_of(HONEST, OTHER_HONEST))
    ),
}


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> Example:
    """Circuits of degree 2 and 7, with one wire and with many."""
    return EXAMPLES[request.param]


def test_agrees_on_what_to_accept(generators: Generators, example: Example) -> None:
    """Our prover's proofs and the free prover's, on both verifiers, with the same challenges."""
    plain = WeakVerifier(generators, NONE)
    instance, openings = instance_of(generators, example.circuit, example.publics, example.wires)
    proof = prove(generators, instance, example.wires, openings)
    prover = FreeProver(plain, example.circuit, example.publics, example.wires)
    other = prover.instance()
    for judged in ((instance, proof), (other, prover.speak(other))):
        verify(generators, *judged)
        plain.verify(judged)
        assert plain.residuals(*judged) == (b"", b"")
        B, A, T = judged[1].B, judged[1].A, judged[1].T
        assert plain.challenges(judged[0], B, A, T) == challenges(
            generators.group, judged[0], encode_proof(judged[1], generators.group)
        )


def test_agrees_on_what_to_refuse(generators: Generators, example: Example) -> None:
    plain, q = WeakVerifier(generators, NONE), generators.group.order
    instance, openings = instance_of(generators, example.circuit, example.publics, example.wires)
    proof = prove(generators, instance, example.wires, openings)
    H = generators.H
    mutants = [
        replace(proof, B=generators.group.sum([proof.B, H])),
        replace(proof, A=generators.group.sum([proof.A, H])),
        *(
            replace(proof, T=(*proof.T[:k], generators.group.neg(T), *proof.T[k + 1 :]))
            for k, T in enumerate(proof.T)
        ),
        *(
            replace(proof, f=(*proof.f[:i], (f + 1) % q, *proof.f[i + 1 :]))
            for i, f in enumerate(proof.f)
        ),
        replace(proof, z_1=(proof.z_1 + 1) % q),
        replace(proof, z_2=(proof.z_2 + 1) % q),
    ]
    for mutant in mutants:
        with pytest.raises(ProofRejected):
            verify(generators, instance, mutant)
        with pytest.raises(ProofRejected):
            plain.verify((instance, mutant))


def test_field_parts_agree_anywhere(generators: Generators, example: Example) -> None:
    """Also far from any proof: at uniform f, x and y."""
    plain, circuit = WeakVerifier(generators, NONE), example.circuit
    q = generators.group.order
    for _ in range(3):
        x, y, *f = random_scalars(2 + circuit.wires, q)
        y_powers = powers(y, len(circuit.equations) + len(circuit.lines), q)
        (value,) = evaluator_of(circuit, q)([Point(f, x, y_powers, example.publics)])
        assert plain.field_part(circuit, example.publics, f, x, y) == (value.g, list(value.h))


# Those that are switches; what is unbound has a file of its own.
WEAKNESSES = [option.name for option in fields(Weakness) if option.default is False]


@pytest.mark.parametrize("weakness", WEAKNESSES)
def test_every_weakened_verifier_accepts_the_truth(generators: Generators, weakness: str) -> None:
    """Told with the powers of y that this verifier uses, and of a row whose digits are not 0."""
    changes: dict[str, Any] = {weakness: True}
    weak = WeakVerifier(generators, replace(NONE, **changes))
    last_row = replace(HONEST, row=4, price=4)
    prover = FreeProver(weak, purchases(), publics_of(last_row), wires_of(last_row))
    instance = prover.instance()
    weak.verify((instance, prover.speak(instance)))


# -- the forgers' algebra ----------------------------------------------------------------------


def test_small_solutions_are_small_and_solutions(generators: Generators) -> None:
    q = generators.group.order
    for _ in range(5):
        target, *coefficients = random_scalars(7, q)
        solution = small_solution(coefficients, target, 1 << 52, q)
        assert sum(c * u for c, u in zip(coefficients, solution, strict=True)) % q == target
        assert all(0 <= u < 1 << 52 for u in solution)


def test_zeros_of_affine_functions(generators: Generators) -> None:
    q = generators.group.order
    constant, *slopes = random_scalars(7, q)

    def affine(u: Sequence[int]) -> mpz:
        return (sum((c * v for c, v in zip(slopes, u, strict=True)), mpz(0)) + constant) % q

    zero = affine_zero(affine, 6, 1 << 52, q)
    assert affine(zero) == 0
    assert all(0 <= u < 1 << 52 for u in zero)


def test_moved_wires_hit_the_target(generators: Generators) -> None:
    plain, circuit, q = WeakVerifier(generators), purchases(), generators.group.order
    publics, hits = publics_of(HONEST), 0
    for wire in [*range(circuit.wires - 1)] * 4:
        x, y, target, *f = random_scalars(3 + circuit.wires, q)
        moved = moved_along(plain, circuit, publics, f, {wire: 1}, x, y, target)
        if moved is not None:
            hits += 1
            assert plain.field_part(circuit, publics, moved, x, y)[0] == target
            assert [i for i in range(circuit.wires) if moved[i] != f[i]] == [wire]
    assert hits  # each of 48 quadratics has a root with probability 1/2
