"""Weights of the equations: equal ones, one a proof, or none at all, and powers of y used twice."""

from __future__ import annotations

import pytest

from tests.adversarial.statements import (
    HONEST,
    OTHER_HONEST,
    OVER_LIMIT,
    Purchase,
    publics_of,
    purchases,
    wires_of,
)
from tests.support.forgers import (
    Forgery,
    FreeProver,
    forge_by_reopening_B,
    forge_cancelling_pair,
    forge_with_false_wires,
    spoil_pair,
)
from tests.support.weak_verifier import NONE, Weakness, WeakVerifier
from zk.errors import ProofRejected
from zk.generators import Generators
from zk.verify import verify, verify_batch

pytestmark = pytest.mark.usefixtures("either_evaluator")

EQUAL = Weakness(equal_weights=True)
PER_PROOF = Weakness(weight_per_proof=True)
ADDED = Weakness(sum_with_weight_one=True)


def honest_proofs(verifier: WeakVerifier, count: int) -> list[Forgery]:
    """Proofs of a truth, which every verifier here accepts."""
    publics, wires = publics_of(HONEST), wires_of(HONEST)
    return [forge_with_false_wires(verifier, purchases(), publics, wires) for _ in range(count)]


@pytest.mark.parametrize("weakness", [ADDED, PER_PROOF], ids=["(i) + (ii)", "one weight a proof"])
def test_T_1_opens_B_again(generators: Generators, weakness: Weakness) -> None:
    """A price over its limit: accepted where (i) and (ii) have the same weight, refused by ours."""
    weak = WeakVerifier(generators, weakness)
    weak.verify(*honest_proofs(weak, 2))
    forgery = forge_by_reopening_B(weak, purchases(), publics_of(OVER_LIMIT), wires_of(OVER_LIMIT))
    weak.verify(forgery)
    weak.verify(forgery, *honest_proofs(weak, 2))
    with pytest.raises(ProofRejected):
        verify(generators, *forgery)
    good = honest_proofs(weak, 2)
    assert verify_batch(generators, good) == []
    assert verify_batch(generators, [good[0], forgery, good[1]]) == [1]


def test_T_1_opens_B_again_needs_the_common_weight(generators: Generators) -> None:
    """The same forgery where only batches share weights among proofs: (i) and (ii) still differ."""
    weak = WeakVerifier(generators, EQUAL)
    with pytest.raises(ProofRejected):
        weak.verify(
            forge_by_reopening_B(weak, purchases(), publics_of(OVER_LIMIT), wires_of(OVER_LIMIT))
        )


def test_errors_that_cancel_within_a_batch(generators: Generators) -> None:
    """A proof of a falsehood and its counterweight: accepted together; ours names both."""
    weak = WeakVerifier(generators, EQUAL)
    weak.verify(*honest_proofs(weak, 3))
    pair = forge_cancelling_pair(
        weak, purchases(), publics_of(OVER_LIMIT), wires_of(OVER_LIMIT), _true_wires(7)
    )
    weak.verify(*pair)
    weak.verify(pair[0], *honest_proofs(weak, 2), pair[1])
    for forgery in pair:
        with pytest.raises(ProofRejected):
            weak.verify(forgery)
        with pytest.raises(ProofRejected):
            verify(generators, *forgery)
    good = honest_proofs(weak, 3)
    assert verify_batch(generators, good) == []
    assert verify_batch(generators, pair) == [0, 1]
    assert verify_batch(generators, [good[0], pair[0], good[1], good[2], pair[1]]) == [1, 4]


def _true_wires(price: int) -> list[int]:
    """A purchase of the only row whose limit is 7, with the amount of `OVER_LIMIT`."""
    return Purchase(row=2, price=price, amount=OVER_LIMIT.amount).wires


@pytest.mark.parametrize("response", ["z_1", "z_2"])
def test_responses_that_cancel_within_a_batch(generators: Generators, response: str) -> None:
    """+1 on a response of one accepted proof, −1 on another's."""
    weak = WeakVerifier(generators, EQUAL)
    pair = honest_proofs(weak, 2)
    assert verify_batch(generators, pair) == []
    spoiled = spoil_pair(weak, pair, response)
    weak.verify(*spoiled)
    assert verify_batch(generators, spoiled) == [0, 1]
    with pytest.raises(ProofRejected):
        WeakVerifier(generators, PER_PROOF).verify(*spoiled)


def test_errors_that_cancel_among_equations(generators: Generators) -> None:
    """No powers of y on the equations: the bit b = 3 makes good an amount 3 over the price.

    rest = (3, 0, 0): b(b − 1) = 6 in the bit's equation, price − amount − rest = −6 in the other.
    """
    weak = WeakVerifier(generators, Weakness(equations_share_one_power=True))
    greedy = Purchase(row=3, price=2, amount=5, rest=(3, 0, 0))
    weak.verify(*honest_proofs(weak, 1))
    instance, proof = forge_with_false_wires(
        weak, purchases(), publics_of(greedy), wires_of(greedy)
    )
    weak.verify((instance, proof))
    with pytest.raises(ProofRejected):
        verify(generators, instance, proof)
    with pytest.raises(ProofRejected):
        verify(
            generators,
            *forge_with_false_wires(
                WeakVerifier(generators, NONE), purchases(), publics_of(greedy), wires_of(greedy)
            ),
        )


def test_values_moved_between_lines(generators: Generators) -> None:
    """One power of y for all lines: only Σ_l C_l is checked, so lines swap and prices move."""
    weak = WeakVerifier(generators, Weakness(lines_share_one_power=True))
    plain = WeakVerifier(generators, NONE)
    circuit, publics = purchases(2), publics_of(HONEST, OTHER_HONEST)
    wires = wires_of(HONEST, OTHER_HONEST)
    one, other = FreeProver(weak, circuit, publics, wires).line_values()
    assert one != other
    raised = [[one[0], one[1] + 100, *one[2:]], [other[0], other[1] - 100, *other[2:]]]
    for verifier in (weak, plain):
        verifier.verify(forge_with_false_wires(verifier, circuit, publics, wires, [one, other]))
    verify(generators, *forge_with_false_wires(plain, circuit, publics, wires, [one, other]))
    for values in ([other, one], raised):
        forgery = forge_with_false_wires(weak, circuit, publics, wires, values)
        weak.verify(forgery)
        with pytest.raises(ProofRejected):
            verify(generators, *forgery)
        with pytest.raises(ProofRejected):
            verify(generators, *forge_with_false_wires(plain, circuit, publics, wires, values))
