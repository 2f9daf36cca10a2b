"""Whatever a circuit says: a true witness is proved and accepted, on every backend and in a
batch."""

from __future__ import annotations

import dataclasses

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.circuits import Example
from tests.support.extractor import extract, honest_prover, random_challenges
from tests.support.simulator import ProgrammableOracle, simulate
from tests.support.strategies import examples, tiny_examples
from tests.support.textbook import equations_hold, is_satisfied
from zk.backends import load_group
from zk.commitment import commit
from zk.encoding import Proof, decode_proof, encode_proof, proof_bytes
from zk.errors import EncodingError, ProofRejected, WitnessError
from zk.generators import generators_of
from zk.instance import Instance
from zk.prove import prove
from zk.verify import challenges, verify, verify_batch

pytestmark = pytest.mark.usefixtures("either_evaluator")

FAST, REFERENCE = generators_of(load_group()), generators_of(load_group("py_ecc"))
GROUP = FAST.group
Q = GROUP.order


@given(examples())
def test_what_is_true_is_proved_sent_and_accepted(example: Example) -> None:
    circuit = example.circuit
    instance, openings = example.instance(FAST)
    proof = prove(FAST, instance, example.wires, openings)
    data = encode_proof(proof, GROUP)
    n, D = circuit.wires, circuit.degree
    assert len(data) == proof_bytes(circuit, GROUP) == 32 * (n + 2) + 33 * (2 + D)
    received = decode_proof(data, circuit, GROUP)
    assert received == proof
    verify(FAST, instance, received)


@given(examples(max_digits=2, max_base=6))
@settings(max_examples=25)
def test_both_equations_hold_as_they_are_written(example: Example) -> None:
    instance, openings = example.instance(FAST)
    proof = prove(FAST, instance, example.wires, openings)
    y, x = challenges(GROUP, instance, encode_proof(proof, GROUP))
    assert equations_hold(FAST, instance, proof, y, x) == (True, True)


@given(examples(), st.data())
def test_wires_are_accepted_exactly_when_the_polynomials_vanish(
    example: Example, data: st.DataObject
) -> None:
    # `check_witness` reads rows and compares integers; the statement is about polynomials modulo q.
    circuit, publics = example.circuit, example.publics
    wires = list(example.wires)
    assert is_satisfied(circuit, [mpz(w) for w in wires], publics, Q)
    if wires:
        place = data.draw(st.integers(0, len(wires) - 1))
        wires[place] += data.draw(st.sampled_from([1, -1, 2]))
    try:
        circuit.check_witness(wires, publics)
    except WitnessError:
        assert not is_satisfied(circuit, [mpz(w) for w in wires], publics, Q)
    else:
        assert is_satisfied(circuit, [mpz(w) for w in wires], publics, Q)


@given(examples(), st.data())
def test_a_proof_with_a_changed_byte_is_refused(example: Example, data: st.DataObject) -> None:
    instance, openings = example.instance(FAST)
    sent = bytearray(encode_proof(prove(FAST, instance, example.wires, openings), GROUP))
    for _ in range(4):
        changed = bytearray(sent)
        changed[data.draw(st.integers(0, len(sent) - 1))] ^= data.draw(st.integers(1, 255))
        with pytest.raises((EncodingError, ProofRejected)):
            verify(FAST, instance, decode_proof(bytes(changed), instance.circuit, GROUP))


@given(st.lists(examples(max_selectors=1, max_digits=2), min_size=1, max_size=3), st.data())
@settings(max_examples=30)
def test_a_batch_names_exactly_the_bad_ones(chosen: list[Example], data: st.DataObject) -> None:
    items: list[tuple[Instance, Proof]] = []
    for example in chosen:
        for _ in range(data.draw(st.integers(1, 3))):
            instance, openings = example.instance(FAST)
            items.append((instance, prove(FAST, instance, example.wires, openings)))
    items = data.draw(st.permutations(items))
    assert verify_batch(FAST, items) == []
    bad = data.draw(st.sets(st.integers(0, len(items) - 1)))
    for place in bad:
        instance, proof = items[place]
        items[place] = (instance, corrupt(data, proof))
    assert verify_batch(FAST, items) == sorted(bad)
    for place, (instance, proof) in enumerate(items):
        if place in bad:
            with pytest.raises(ProofRejected):
                verify(FAST, instance, proof)
        else:
            verify(FAST, instance, proof)


def corrupt(data: st.DataObject, proof: Proof) -> Proof:
    """``proof`` with one of its parts moved."""
    part = data.draw(st.sampled_from(["B", "A", "T", "z_1", "z_2", *(["f"] if proof.f else [])]))
    step = data.draw(st.sampled_from([mpz(1), Q - 1, mpz(2) ** 200]))
    shift = GROUP.mul(step, FAST.H)
    if part == "B":
        return dataclasses.replace(proof, B=GROUP.sum([proof.B, shift]))
    if part == "A":
        return dataclasses.replace(proof, A=GROUP.sum([proof.A, shift]))
    if part == "T":
        T = list(proof.T)
        place = data.draw(st.integers(0, len(T) - 1))
        T[place] = GROUP.sum([T[place], shift])
        return dataclasses.replace(proof, T=tuple(T))
    if part == "f":
        f = list(proof.f)
        place = data.draw(st.integers(0, len(f) - 1))
        f[place] = (f[place] + step) % Q
        return dataclasses.replace(proof, f=tuple(f))
    return dataclasses.replace(proof, **{part: (getattr(proof, part) + step) % Q})


@given(tiny_examples(), st.booleans())
@settings(max_examples=6)
def test_both_backends_agree(example: Example, reference_proves: bool) -> None:
    prover, verifier = (REFERENCE, FAST) if reference_proves else (FAST, REFERENCE)
    instance, openings = example.instance(prover)
    data = encode_proof(prove(prover, instance, example.wires, openings), prover.group)
    moved = dataclasses.replace(
        instance, commitments=tuple(commit(verifier, opening) for opening in openings)
    )
    assert moved.encode(verifier.group) == instance.encode(prover.group)
    proof = decode_proof(data, example.circuit, verifier.group)
    verify(verifier, moved, proof)
    wrong = dataclasses.replace(proof, z_2=(proof.z_2 + 1) % Q)
    with pytest.raises(ProofRejected):
        verify(verifier, moved, wrong)


@given(examples(max_selectors=2, max_digits=2, max_base=5))
@settings(max_examples=8)
def test_the_extractor_returns_the_witness_of_any_circuit(example: Example) -> None:
    instance, openings = example.instance(FAST)
    prover = honest_prover(FAST, instance, example.wires, openings)
    challenge_sets = random_challenges(example.circuit, Q)
    found = extract(FAST, instance, prover, challenge_sets, check_every=10)
    assert found.wires == tuple(w % Q for w in example.wires)
    assert [opening.r for opening in found.openings] == [opening.r for opening in openings]
    assert [opening.values for opening in found.openings] == [
        tuple(value % Q for value in opening.values) for opening in openings
    ]


@given(examples(), st.data())
@settings(max_examples=25)
def test_any_statement_can_be_simulated_true_or_false(
    example: Example, data: st.DataObject
) -> None:
    instance, _ = example.instance(FAST)
    if data.draw(st.booleans()):
        # Commitments to whatever: no witness is known for these.
        points = [GROUP.mul(k + 2, FAST.G) for k in range(len(instance.commitments))]
        instance = dataclasses.replace(instance, commitments=tuple(points))
    oracle = ProgrammableOracle()
    proof = simulate(FAST, instance, oracle)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("zk.verify.challenges", oracle.challenges)
        verify(FAST, instance, proof)
    with pytest.raises(ProofRejected):
        verify(FAST, instance, proof)
