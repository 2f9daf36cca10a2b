"""The prover: what it sends, what it refuses, and that it never tells a secret on the way."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Sequence

import pytest
from gmpy2 import mpz

from tests.support.circuits import Example, bit, instance_of, purchase
from tests.support.textbook import equations_hold
from tests.support.toy_group import ToyGroup
from zk.backends import load_group
from zk.commitment import Opening, commit, fresh_opening
from zk.encoding import Proof, encode_proof
from zk.errors import ProofRejected, StatementError, WitnessError, ZkError
from zk.field import encode_scalar, powers
from zk.generators import Generators, generators_of
from zk.instance import Instance
from zk.prove import InteractiveProver, Masks, prove
from zk.randomness import random_scalars
from zk.relation import Circuit, CircuitBuilder, LinearForm
from zk.verify import verify

pytestmark = pytest.mark.usefixtures("either_evaluator")

FAST, REFERENCE = generators_of(load_group()), generators_of(load_group("py_ecc"))
Q = FAST.group.order


def interactive(generators: Generators, example: Example) -> tuple[Instance, InteractiveProver]:
    instance, openings = example.instance(generators)
    scalars = random_scalars(Masks.count(example.circuit), generators.group.order)
    masks = Masks.of(example.circuit, scalars)
    return instance, InteractiveProver(generators, instance, example.wires, openings, masks)


# -- the three messages --------------------------------------------------------------------------


def test_masks_are_n_plus_2_plus_d_scalars() -> None:
    circuit = purchase().circuit
    count = Masks.count(circuit)
    assert count == circuit.wires + 2 + circuit.degree
    scalars = [mpz(k) for k in range(count)]
    masks = Masks.of(circuit, scalars)
    assert [*masks.a, masks.r_A, masks.r_B, *masks.rho] == scalars
    assert (len(masks.a), len(masks.rho)) == (circuit.wires, circuit.degree)


@pytest.mark.parametrize("generators", [FAST, REFERENCE], ids=["fast", "reference"])
@pytest.mark.parametrize(("y", "x"), [(mpz(3), mpz(5)), (Q - 1, Q - 2), (mpz(0), mpz(1))])
def test_the_messages_satisfy_the_equations_for_any_challenges(
    generators: Generators, y: mpz, x: mpz
) -> None:
    for example in (bit(), purchase())[: 1 if generators is REFERENCE else 2]:
        instance, prover = interactive(generators, example)
        B, A = prover.announce()
        T = prover.combine(y)
        f, z_1, z_2 = prover.respond(x)
        assert (len(T), len(f)) == (example.circuit.degree, example.circuit.wires)
        proof = Proof(B, A, tuple(T), tuple(f), z_1, z_2)
        assert equations_hold(generators, instance, proof, y, x) == (True, True)


def test_the_first_message_commits_to_wires_and_masks() -> None:
    example = purchase()
    circuit = example.circuit
    instance, openings = example.instance(FAST)
    scalars = random_scalars(Masks.count(circuit), Q)
    masks = Masks.of(circuit, scalars)
    prover = InteractiveProver(FAST, instance, example.wires, openings, masks)
    points = [*FAST.W(circuit.wires), FAST.H]
    wires = [mpz(w) % Q for w in example.wires]
    B, A = prover.announce()
    assert FAST.group.msm([*wires, masks.r_B], points) == B
    assert FAST.group.msm([*masks.a, masks.r_A], points) == A


def test_both_backends_send_the_same_messages_for_the_same_masks() -> None:
    example = bit()
    scalars = random_scalars(Masks.count(example.circuit), Q)
    opening = Opening((1,), mpz(1234567))
    sent = []
    for generators in (FAST, REFERENCE):
        instance = Instance(example.circuit, (), bytes(32), (commit(generators, opening),))
        masks = Masks.of(example.circuit, scalars)
        prover = InteractiveProver(generators, instance, example.wires, [opening], masks)
        B, A = prover.announce()
        T, response = prover.combine(mpz(77)), prover.respond(mpz(99))
        sent.append(([generators.group.encode(point) for point in (B, A, *T)], response))
    assert sent[0] == sent[1]


def test_slots_without_wires_and_values_of_any_sign() -> None:
    # A constant, a public input, a negative form and an unused slot; a free wire that is negative.
    builder = CircuitBuilder(5)
    public = builder.public(50)
    free, digit = builder.free_wire(), builder.digit(5)
    builder.line({1: 17, 2: public, 3: -3 * digit, 4: free})
    builder.line({4: free + digit})
    circuit = builder.build()
    for wires in ((-5, 4), (2**300, 0), (0, 0)):
        instance, openings = instance_of(FAST, circuit, [50], wires)
        verify(FAST, instance, prove(FAST, instance, wires, openings))


def test_a_circuit_without_wires() -> None:
    builder = CircuitBuilder(1)
    builder.line({1: 17})
    instance, openings = instance_of(FAST, builder.build(), [], [])
    verify(FAST, instance, prove(FAST, instance, [], openings))


def test_digits_of_bases_up_to_the_largest() -> None:
    builder = CircuitBuilder(1)
    digits = [builder.digit(base) for base in range(2, 17)]
    builder.line({1: sum(digits, LinearForm())})
    circuit = builder.build()
    for wires in ([base - 1 for base in range(2, 17)], [0] * 15):
        instance, openings = instance_of(FAST, circuit, [], wires)
        verify(FAST, instance, prove(FAST, instance, wires, openings))


# -- `prove` ---------------------------------------------------------------------------------------


def test_two_proofs_of_one_statement_have_nothing_in_common() -> None:
    example = purchase()
    instance, openings = example.instance(FAST)
    one, other = (prove(FAST, instance, example.wires, openings) for _ in range(2))
    parts = [{p.B, p.A, *p.T, *p.f, p.z_1, p.z_2} for p in (one, other)]
    assert not parts[0] & parts[1]


def test_masks_are_hedged_with_secret_instance_and_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[tuple[object, ...]] = []
    real = random_scalars

    def spy(count: int, order: mpz, secret: bytes, binding: Sequence[bytes]) -> list[mpz]:
        bound.append((secret, *binding))
        return real(count, order)

    monkeypatch.setattr("zk.prove.hedged_scalars", spy)
    example = bit()
    instance, openings = example.instance(FAST)
    prove(FAST, instance, [1], openings, secret=b"long-lived")
    prove(FAST, instance, [1], openings)
    (with_key, without) = bound
    assert with_key[0] == b"long-lived"
    assert without[0] == b""
    assert with_key[1:] == without[1:]
    assert instance.encode(FAST.group) in with_key
    assert encode_scalar(openings[0].r) in with_key
    assert b"1" in with_key  # the wires
    another = Instance(example.circuit, (), b"\1" * 32, instance.commitments)
    prove(FAST, another, [1], openings)
    assert bound[-1][1:] != with_key[1:]


def test_no_operating_system_randomness_at_all_still_separates_statements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # With a dead generator and a secret, the masks of two contexts must differ: f − f' would give
    # w.
    example = bit()
    instance, openings = example.instance(FAST)
    monkeypatch.setattr("zk.randomness.os.urandom", bytes)
    proofs = [
        prove(FAST, dataclasses.replace(instance, context=context), [1], openings, secret=b"key")
        for context in (bytes(32), b"\1" * 32)
    ]
    assert proofs[0].A != proofs[1].A
    assert proofs[0].B != proofs[1].B


def test_an_identity_among_the_points_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    group = ToyGroup(17)
    generators, example = Generators(group), bit()
    instance, openings = toy_instance(generators, example)
    draws: list[list[mpz]] = []

    def recording(count: int, order: mpz, *_: object) -> list[mpz]:
        draws.append([mpz(0)] * count if not draws else random_scalars(count, order))
        return draws[-1]

    monkeypatch.setattr("zk.prove.hedged_scalars", recording)
    proof = prove(generators, instance, example.wires, openings)  # A = 0 at first
    assert len(draws) > 1
    assert all((proof.B, proof.A, *proof.T))
    verify(generators, instance, proof)


def test_proofs_in_a_small_group_are_all_encodable() -> None:
    group = ToyGroup(17)
    generators, example = Generators(group), bit()
    for _ in range(100):
        instance, openings = toy_instance(generators, example)
        proof = prove(generators, instance, example.wires, openings)
        encode_proof(proof, group)
        verify(generators, instance, proof)


def toy_instance(generators: Generators, example: Example) -> tuple[Instance, list[Opening]]:
    """An instance whose commitment is not, as happens here, the identity."""
    while True:
        opening = fresh_opening(generators, (1,))
        if C := commit(generators, opening):
            return Instance(example.circuit, (), bytes(32), (C,)), [opening]


def test_a_group_too_small_for_the_circuit_is_refused() -> None:
    generators = Generators(ToyGroup(13))
    opening = Opening((1,), mpz(0))
    instance = Instance(bit().circuit, (), bytes(32), (generators.H,))
    with pytest.raises(StatementError, match="too small"):
        prove(generators, instance, [1], [opening])


# -- what it refuses -------------------------------------------------------------------------------


def test_wires_that_do_not_satisfy_the_circuit_are_refused() -> None:
    example = purchase()
    instance, openings = example.instance(FAST)
    wires = list(example.wires)
    wires[3] += 1
    with pytest.raises(WitnessError, match="not satisfied"):
        prove(FAST, instance, wires, openings)
    with pytest.raises(WitnessError, match="wrong number of wires"):
        prove(FAST, instance, example.wires[:-1], openings)


def test_openings_of_other_values_are_refused() -> None:
    example = purchase()
    instance, openings = example.instance(FAST)
    first, second = openings
    changed = Opening((*first.values[:3], first.values[3] + 1), first.r)
    for wrong in ([second, first], [changed, second], [first], [*openings, first], []):
        with pytest.raises(WitnessError, match="openings do not hold"):
            prove(FAST, instance, example.wires, wrong)


def test_openings_of_other_commitments_give_a_proof_that_is_rejected() -> None:
    example = purchase()
    instance, (first, second) = example.instance(FAST)
    proof = prove(FAST, instance, example.wires, [Opening(first.values, first.r + 1), second])
    with pytest.raises(ProofRejected):
        verify(FAST, instance, proof)


# -- secrets ---------------------------------------------------------------------------------------

CODE, PRICE, BLINDING = 7_654_321, 98_765, mpz(0xABCDEF0123456789ABCDEF)


def telling_circuit() -> tuple[Circuit, list[int]]:
    """Digits that spell a code and a price, and a wire that holds the code whole."""
    builder = CircuitBuilder(2)
    whole = builder.free_wire()
    digits = [builder.digit(10, "digit") for _ in range(5)]
    price = sum((10**k * digit for k, digit in enumerate(digits)), LinearForm())
    builder.zero(price - PRICE, "price")
    builder.line({1: whole, 2: price})
    return builder.build(), [CODE, *map(int, reversed(str(PRICE)))]


def assert_silent(error: BaseException) -> None:
    """No text of the error, nor of what caused it, holds a secret in decimal or hexadecimal."""
    texts = [repr(error), *traceback.format_exception_only(type(error), error)]
    for chained in (error.__cause__, error.__context__):
        if chained is not None:
            texts.append(repr(chained))
    for text in texts:
        for secret in (CODE, CODE + 1, PRICE, PRICE + 1, int(BLINDING)):
            assert str(secret) not in text
            assert f"{secret:x}" not in text.lower()


def test_no_error_of_the_prover_tells_a_secret() -> None:
    circuit, wires = telling_circuit()
    opening = Opening((CODE, PRICE), BLINDING)
    instance = Instance(circuit, (), bytes(32), (commit(FAST, opening),))
    verify(FAST, instance, prove(FAST, instance, wires, [opening]))
    more = [CODE + 1, *wires[1:]]
    attempts: list[tuple[list[int], list[Opening]]] = [
        (wires[:-1], [opening]),
        ([*wires[:-1], PRICE], [opening]),
        ([*wires[:1], wires[1] + 1, *wires[2:]], [opening]),
        ([wires[0], -PRICE, *wires[2:]], [opening]),
        (more, [opening]),
        (wires, [Opening((CODE, PRICE + 1), BLINDING)]),
        (wires, [Opening((CODE,), BLINDING)]),
        (wires, []),
    ]
    for wrong_wires, openings in attempts:
        with pytest.raises(ZkError) as caught:
            prove(FAST, instance, wrong_wires, openings)
        assert_silent(caught.value)


def test_prover_and_masks_never_show_themselves() -> None:
    example = purchase()
    circuit = example.circuit
    scalars = [mpz(CODE + k) for k in range(Masks.count(circuit))]
    masks = Masks.of(circuit, scalars)
    instance, openings = example.instance(FAST)
    prover = InteractiveProver(FAST, instance, example.wires, openings, masks)
    assert repr(masks) == str(masks) == "Masks()"
    assert repr(openings[0]) == "Opening()"
    for text in (repr(prover), str(prover), repr([masks, prover]), f"{masks}{prover}"):
        assert str(CODE) not in text
        assert str(openings[0].r) not in text


def test_a_rejected_proof_says_nothing_but_so() -> None:
    example = bit()
    instance, openings = example.instance(FAST)
    proof = prove(FAST, instance, [1], openings)
    with pytest.raises(ProofRejected) as caught:
        verify(FAST, instance, dataclasses.replace(proof, z_1=(proof.z_1 + 1) % Q))
    assert str(caught.value) == "proof_invalid: the proof does not prove this statement"


def test_small_values_are_not_readable_off_a_proof() -> None:
    # f = w·x + a: neither w nor anything times x alone, as it would be without its mask.
    example = bit()
    instance, openings = example.instance(FAST)
    scalars = random_scalars(Masks.count(example.circuit), Q)
    masks = Masks.of(example.circuit, scalars)
    prover = InteractiveProver(FAST, instance, [1], openings, masks)
    prover.announce()
    prover.combine(mpz(5))
    (f_1,), z_1, z_2 = prover.respond(mpz(7))
    assert f_1 == (7 + masks.a[0]) % Q
    assert z_1 == (masks.r_B * 7 + masks.r_A) % Q
    hidden = sum(rho * power for rho, power in zip(masks.rho, powers(mpz(7), 2, Q), strict=True))
    assert z_2 == (hidden + 7**2 * 5 * openings[0].r) % Q
