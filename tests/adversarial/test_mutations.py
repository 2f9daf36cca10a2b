"""One accepted proof, changed in every byte, and its instance, changed in every part: all refused.

And refused in the documented way: `EncodingError`, `StatementError` or `ProofRejected`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.adversarial.statements import (
    CODES,
    DATE,
    HONEST,
    LIMITS,
    OTHER_HONEST,
    REFUSED,
    price,
    publics_of,
    purchases,
    wires_of,
)
from tests.support.forgers import CONTEXT, FreeProver
from tests.support.weak_verifier import WeakVerifier, checked_again, unchecked_circuit
from zk.commitment import Opening, commit, fresh_opening
from zk.encoding import Proof, decode_proof, encode_proof
from zk.errors import EncodingError, ProofRejected, StatementError
from zk.generators import Generators
from zk.instance import Instance
from zk.prove import prove
from zk.relation import Circuit, Digit, Table
from zk.verify import verify, verify_batch

pytestmark = pytest.mark.usefixtures("either_evaluator")

Accepted = tuple[Instance, Proof]


@pytest.fixture(scope="module")
def accepted(generators: Generators) -> Accepted:
    """Two honest purchases, by our own prover; every test here changes one thing of it."""
    circuit, publics = purchases(2), publics_of(HONEST, OTHER_HONEST)
    wires = wires_of(HONEST, OTHER_HONEST)
    openings = [fresh_opening(generators, line) for line in circuit.line_values(wires, publics)]
    commitments = tuple(commit(generators, opening) for opening in openings)
    instance = Instance(circuit, publics, CONTEXT, commitments)
    proof = prove(generators, instance, wires, openings)
    verify(generators, instance, proof)
    WeakVerifier(generators).verify((instance, proof))
    return instance, proof


def assert_refused(generators: Generators, instance: Instance, data: bytes) -> str:
    """Decode and verify; says who refused. The only ways out: `EncodingError`, `ProofRejected`."""
    try:
        proof = decode_proof(data, instance.circuit, generators.group)
    except EncodingError:
        return "encoding"
    with pytest.raises(ProofRejected) as refusal:
        verify(generators, instance, proof)
    assert refusal.value.reason == "proof_invalid"
    return "proof"


# -- the proof ---------------------------------------------------------------------------------


def test_every_byte_of_a_proof_counts(generators: Generators, accepted: Accepted) -> None:
    """One bit of each byte; the bit changes from byte to byte."""
    instance, proof = accepted
    data = encode_proof(proof, generators.group)
    refusals = []
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << (place * 5 % 8)
        refusals.append(assert_refused(generators, instance, bytes(changed)))
    # Half of all x coordinates are on no point; the rest, and the scalars, reach the equations.
    assert len(refusals) == len(data)
    assert {"encoding", "proof"} == set(refusals)


def test_every_bit_of_the_smallest_proof_counts(generators: Generators) -> None:
    prover = FreeProver(WeakVerifier(generators), price(), (), (1, 0, 1))
    instance = prover.instance()
    data = encode_proof(prover.speak(instance), generators.group)
    verify(generators, instance, decode_proof(data, price(), generators.group))
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert_refused(generators, instance, bytes(changed))


def test_lengths(generators: Generators, accepted: Accepted) -> None:
    instance, proof = accepted
    data = encode_proof(proof, generators.group)
    assert decode_proof(data, instance.circuit, generators.group) == proof
    for wrong in (b"", data[:-1], data + b"\0", data[1:], data[:-32], data + data[-32:], data * 2):
        with pytest.raises(EncodingError):
            decode_proof(wrong, instance.circuit, generators.group)


def test_scalars_have_one_encoding(generators: Generators, accepted: Accepted) -> None:
    """q is refused where 0 would be read (and judged)."""
    instance, proof = accepted
    q, group = generators.group.order, generators.group
    for scalar in range(len(proof.f) + 2):
        data = bytearray(encode_proof(proof, group))
        start = len(data) - 32 * (scalar + 1)
        data[start : start + 32] = int(q).to_bytes(32, "big")
        with pytest.raises(EncodingError, match="order"):
            decode_proof(bytes(data), instance.circuit, group)
        data[start : start + 32] = bytes(32)  # 0, the scalar that q would stand for
        assert assert_refused(generators, instance, bytes(data)) == "proof"


def test_points_in_other_forms(generators: Generators, accepted: Accepted) -> None:
    """The identity as zeros, hybrid and uncompressed prefixes, x at and above the field's prime."""
    instance, proof = accepted
    data = encode_proof(proof, generators.group)
    field = 2**256 - 2**32 - 977
    too_large = [bytes([2]) + (field + excess).to_bytes(32, "big") for excess in range(8)]
    prefixes = [bytes([prefix]) + data[1:33] for prefix in (0, 1, 4, 5, 6, 7, 255)]
    for start in range(0, 33 * (2 + instance.circuit.degree), 33):
        for wrong in (bytes(33), b"\2" + bytes(32), *too_large, *prefixes):
            with pytest.raises(EncodingError):
                decode_proof(
                    data[:start] + wrong + data[start + 33 :], instance.circuit, generators.group
                )


def test_points_negated_or_exchanged(generators: Generators, accepted: Accepted) -> None:
    instance, proof = accepted
    neg = generators.group.neg
    mutants = {
        "B": replace(proof, B=neg(proof.B)),
        "A": replace(proof, A=neg(proof.A)),
        "B and A": replace(proof, B=proof.A, A=proof.B),
        "T_0": replace(proof, T=(neg(proof.T[0]), proof.T[1])),
        "T_1": replace(proof, T=(proof.T[0], neg(proof.T[1]))),
        "T_0 and T_1": replace(proof, T=proof.T[::-1]),
        "z_1 and z_2": replace(proof, z_1=proof.z_2, z_2=proof.z_1),
        "f": replace(proof, f=proof.f[::-1]),
        "everything negated": Proof(
            neg(proof.B),
            neg(proof.A),
            tuple(map(neg, proof.T)),
            tuple(-f % generators.group.order for f in proof.f),
            -proof.z_1 % generators.group.order,
            -proof.z_2 % generators.group.order,
        ),
    }
    for mutant in mutants.values():
        with pytest.raises(ProofRejected):
            verify(generators, instance, mutant)
        with pytest.raises(ProofRejected):
            WeakVerifier(generators).verify((instance, mutant))


def test_shapes(generators: Generators, accepted: Accepted) -> None:
    instance, proof = accepted
    for T in ((), proof.T[:1], (*proof.T, proof.T[0])):
        with pytest.raises(StatementError, match="shape"):
            verify(generators, instance, replace(proof, T=T))
    for f in ((), proof.f[:-1], (*proof.f, proof.f[0])):
        with pytest.raises(StatementError, match="shape"):
            verify(generators, instance, replace(proof, f=f))


# -- the instance ------------------------------------------------------------------------------


def test_every_byte_of_the_context_counts(generators: Generators, accepted: Accepted) -> None:
    instance, proof = accepted
    for place in range(len(CONTEXT)):
        changed = bytearray(CONTEXT)
        changed[place] ^= 1 << place % 8
        with pytest.raises(ProofRejected):
            verify(generators, replace(instance, context=bytes(changed)), proof)
    for wrong in (b"", CONTEXT[:-1], CONTEXT + b"\0"):
        with pytest.raises(StatementError, match="context"):
            replace(instance, context=wrong)


@pytest.mark.parametrize("number", range(3))
def test_every_public_input_counts(generators: Generators, accepted: Accepted, number: int) -> None:
    instance, proof = accepted
    maximum = instance.circuit.publics[number]

    def changed(value: int) -> tuple[int, ...]:
        return (*instance.publics[:number], value, *instance.publics[number + 1 :])

    own = instance.publics[number]
    for value in (own - 1, own + 1, 0, maximum):
        with pytest.raises(ProofRejected):
            verify(generators, replace(instance, publics=changed(value)), proof)
    q = int(generators.group.order)
    for value in (-1, maximum + 1, own + (1 << 64), own + q, own - q, 1 << 63, 1 << 4_096):
        with pytest.raises(StatementError, match=f"public input {number}"):
            replace(instance, publics=changed(value))


def test_public_inputs_exchanged_missing_or_surplus(
    generators: Generators, accepted: Accepted
) -> None:
    instance, proof = accepted
    date, one, other = instance.publics
    assert one != other
    with pytest.raises(ProofRejected):
        verify(generators, replace(instance, publics=(date, other, one)), proof)
    for publics in ((), (date, one), (date, one, other, 0)):
        with pytest.raises(StatementError, match="number of public inputs"):
            replace(instance, publics=publics)


def test_every_commitment_counts(generators: Generators, accepted: Accepted) -> None:
    instance, proof = accepted
    group, (one, other) = generators.group, instance.commitments
    fresh = commit(generators, Opening((CODES[3], HONEST.price, DATE, 77_777), proof.z_1))
    foreign = [generators.H, generators.G, *generators.J(5), generators.W(1)[0]]
    mutants = [
        (other, one),
        (one, one),
        (other, other),
        (fresh, other),  # the same values, blinded anew
        *((group.sum([one, point]), other) for point in foreign),
        *((one, group.sum([other, point])) for point in foreign),
        (group.neg(one), other),
        (one, group.neg(other)),
        (group.sum([one, generators.H]), group.sum([other, group.neg(generators.H)])),
    ]
    for commitments in mutants:
        with pytest.raises(ProofRejected):
            verify(generators, replace(instance, commitments=commitments), proof)
    for count in (0, 1, 3):
        with pytest.raises(StatementError, match="lines"):
            replace(instance, commitments=(one, other, one)[:count])


def circuit_mutants(circuit: Circuit) -> dict[str, Circuit]:
    """``circuit`` with one part changed, lawful and of the same shape (wires, degree, lines)."""

    def like(**parts: Any) -> Circuit:
        return replace(circuit, **parts)

    table = circuit.tables[0]
    equations, lines = circuit.equations, circuit.lines
    bit = equations[0]
    assert isinstance(bit, Digit)
    return {
        "a code": like(tables=(Table(((12, *CODES[1:]), LIMITS)),)),
        "the code of a row not taken": like(tables=(Table(((*CODES[:4], 25), LIMITS)),)),
        "a limit": like(tables=(Table((CODES, (*LIMITS[:4], 5))),)),
        "columns exchanged": like(tables=(Table((LIMITS, CODES)),)),
        "the last row twice": like(tables=(Table(tuple((*c, c[-1]) for c in table.columns)),)),
        "a column nobody reads": like(tables=(Table((*table.columns, CODES)),)),
        "a table nobody reads": like(tables=(*circuit.tables, Table(((1,),)))),
        "a public input's range": like(publics=(9_999, *circuit.publics[1:])),
        "equations in another order": like(equations=equations[::-1]),
        "an equation twice": like(equations=(*equations, bit)),
        "lines exchanged": like(lines=lines[::-1]),
        "slots exchanged": like(lines=tuple((b, a, *rest) for a, b, *rest in lines)),
        "a selector read backwards": like(
            selectors=(
                replace(
                    circuit.selectors[0],
                    digits=(circuit.selectors[0].digits[0][::-1], *circuit.selectors[0].digits[1:]),
                ),
                *circuit.selectors[1:],
            )
        ),
        "selectors exchanged": like(selectors=circuit.selectors[::-1]),
    }


def test_every_part_of_the_circuit_counts(generators: Generators, accepted: Accepted) -> None:
    """The proof holds under the circuit it was made for and under none that differs in a part."""
    instance, proof = accepted
    mutants = circuit_mutants(instance.circuit)
    digests = {instance.circuit.digest, *(mutant.digest for mutant in mutants.values())}
    assert len(digests) == len(mutants) + 1
    for mutant in mutants.values():
        with pytest.raises(REFUSED):
            verify(generators, replace(instance, circuit=mutant), proof)


def test_labels_are_no_part_of_the_circuit(generators: Generators, accepted: Accepted) -> None:
    instance, proof = accepted
    equations = [replace(equation, label="") for equation in instance.circuit.equations]
    bare = checked_again(unchecked_circuit(instance.circuit, equations=equations))
    assert bare == instance.circuit
    verify(generators, replace(instance, circuit=bare), proof)


# -- batches -----------------------------------------------------------------------------------


def test_batch_of_different_circuits_names_the_changed_ones(
    generators: Generators, accepted: Accepted
) -> None:
    """Three circuits of different sizes; proofs changed, and put under each other's instances."""
    plain = WeakVerifier(generators)

    def honest(circuit: Circuit, publics: tuple[int, ...], wires: list[int]) -> Accepted:
        prover = FreeProver(plain, circuit, publics, wires)
        instance = prover.instance()
        return instance, prover.speak(instance)

    small = [honest(price(), (), [1, 1, 0]) for _ in range(2)]
    middle = [honest(purchases(), publics_of(HONEST), wires_of(HONEST)) for _ in range(2)]
    good = [small[0], accepted, middle[0], small[1], middle[1]]
    assert verify_batch(generators, good) == []
    assert verify_batch(generators, good * 2) == []
    q = generators.group.order
    for place, (instance, proof) in enumerate(good):
        spoiled = list(good)
        spoiled[place] = (instance, replace(proof, z_2=(proof.z_2 + 1) % q))
        assert verify_batch(generators, spoiled) == [place]
    crossed = [
        (small[0][0], small[1][1]),
        accepted,
        (small[1][0], small[0][1]),
        (middle[0][0], middle[1][1]),
        middle[1],
    ]
    assert verify_batch(generators, crossed) == [0, 2, 3]
    with pytest.raises(StatementError, match="proof 1"):
        verify_batch(generators, [small[0], (small[0][0], middle[0][1])])
