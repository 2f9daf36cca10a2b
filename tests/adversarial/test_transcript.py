"""Each message left out of the Fiat–Shamir transcript in turn, and the attack that this opens.

Every forger is run twice. Against a verifier that leaves out exactly its message it is accepted.
That same forgery, and another one made in the same way against a verifier that leaves nothing out,
are refused by ours.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.adversarial.statements import (
    CONSTANT_BOUND,
    HONEST,
    OTHER_HONEST,
    OVER_LIMIT,
    REFUSED,
    UNKNOWNS,
    amounts,
    constants,
    publics_of,
    purchases,
    wires_of,
)
from tests.support.forgers import (
    Forgery,
    FreeProver,
    forge_for_another_context,
    forge_from_another_session,
    forge_with_late_A,
    forge_with_late_B,
    forge_with_late_circuit,
    forge_with_late_commitment,
    forge_with_late_publics,
    forge_with_late_T,
)
from tests.support.weak_verifier import NONE, Weakness, WeakVerifier
from zk.errors import ProofRejected, WitnessError
from zk.generators import Generators
from zk.verify import verify

Forger = Callable[[WeakVerifier], Forgery]

LINES = 2
CIRCUIT = purchases(LINES)
TRUE = (HONEST, OTHER_HONEST)
FALSE = (HONEST, OVER_LIMIT)


def false_statement(forger: Callable[..., Forgery], *which: int) -> Forger:
    """The forger at work for a price over its row's limit."""
    return lambda verifier: forger(verifier, CIRCUIT, publics_of(*FALSE), wires_of(*FALSE), *which)


def true_statement(forger: Callable[..., Forgery]) -> Forger:
    """The forger at work on a truth told elsewhere."""
    return lambda verifier: forger(verifier, CIRCUIT, publics_of(*TRUE), wires_of(*TRUE))


def late_publics(verifier: WeakVerifier) -> Forgery:
    """Amounts of about 2^62 claimed on bits."""
    return forge_with_late_publics(verifier, amounts(), [1, 0, 1, 1, 0, 1])


def late_circuit(verifier: WeakVerifier) -> Forgery:
    """Bits said to equal constants of about 2^52."""
    return forge_with_late_circuit(
        verifier, constants, UNKNOWNS, CONSTANT_BOUND, [1, 0, 1, 1, 0, 1]
    )


FORGERS: dict[str, Forger] = {
    "session": true_statement(forge_from_another_session),
    "circuit": late_circuit,
    "context": true_statement(forge_for_another_context),
    "publics": late_publics,
    **{f"C_{l}": false_statement(forge_with_late_commitment, l) for l in range(LINES)},
    "B": false_statement(forge_with_late_B),
    "A": false_statement(forge_with_late_A),
    **{f"T_{k}": false_statement(forge_with_late_T, k) for k in range(CIRCUIT.degree)},
}


def test_every_message_of_the_protocol_is_left_out_once() -> None:
    points = {f"C_{l}" for l in range(LINES)} | {f"T_{k}" for k in range(CIRCUIT.degree)}
    assert FORGERS.keys() == {"session", "circuit", "context", "publics", "A", "B"} | points


@pytest.mark.parametrize("message", FORGERS)
def test_honest_proofs_are_accepted_whatever_is_left_out(
    generators: Generators, message: str
) -> None:
    weak = WeakVerifier(generators, Weakness(unbound=frozenset({message})))
    prover = FreeProver(weak, CIRCUIT, publics_of(*TRUE), wires_of(*TRUE))
    instance = prover.instance()
    weak.verify((instance, prover.speak(instance)))


@pytest.mark.parametrize("message", FORGERS)
def test_forger_succeeds_without_the_message_and_fails_with_it(
    generators: Generators, message: str
) -> None:
    weak = WeakVerifier(generators, Weakness(unbound=frozenset({message})))
    instance, proof = FORGERS[message](weak)
    weak.verify((instance, proof))
    with pytest.raises(ProofRejected):
        verify(generators, instance, proof)
    with pytest.raises(ProofRejected):
        verify(generators, *FORGERS[message](WeakVerifier(generators, NONE)))


@pytest.mark.parametrize("message", FORGERS)
def test_another_message_left_out_does_not_help(generators: Generators, message: str) -> None:
    """Each attack uses its own omission and no other one."""
    for other in FORGERS.keys() - {message}:
        weak = WeakVerifier(generators, Weakness(unbound=frozenset({other})))
        with pytest.raises(REFUSED):
            weak.verify(FORGERS[message](weak))


def test_what_is_forged_is_false() -> None:
    CIRCUIT.check_witness(wires_of(*TRUE), publics_of(*TRUE))
    with pytest.raises(WitnessError, match="slack"):
        CIRCUIT.check_witness(wires_of(*FALSE), publics_of(*FALSE))
