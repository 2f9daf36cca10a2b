"""A proof's one canonical form, and everything near it that is refused."""

from __future__ import annotations

import dataclasses

import pytest
from gmpy2 import mpz

from tests.support.backends import backends
from tests.support.circuits import Example, bit, purchase
from zk.backends import load_group
from zk.encoding import Proof, decode_proof, encode_proof, proof_bytes
from zk.errors import EncodingError
from zk.field import SCALAR_BYTES
from zk.generators import generators_of
from zk.group import IDENTITY
from zk.prove import prove

FAST, REFERENCE = generators_of(load_group()), generators_of(load_group("py_ecc"))
GROUP = FAST.group
Q = GROUP.order
POINT = GROUP.point_bytes


def proof_of(example: Example) -> Proof:
    instance, openings = example.instance(FAST)
    return prove(FAST, instance, example.wires, openings)


PROOF = proof_of(bit())
DATA = encode_proof(PROOF, GROUP)
CIRCUIT = bit().circuit


@pytest.mark.parametrize("example", [bit(), purchase()], ids=["bit", "purchase"])
def test_a_proof_has_the_length_of_its_circuit(example: Example) -> None:
    n, D = example.circuit.wires, example.circuit.degree
    data = encode_proof(proof_of(example), GROUP)
    assert len(data) == proof_bytes(example.circuit, GROUP) == 32 * (n + 2) + 33 * (2 + D)
    assert encode_proof(decode_proof(data, example.circuit, GROUP), GROUP) == data


def test_the_parts_stand_in_the_order_of_the_messages() -> None:
    f, z_1, z_2 = (
        value.to_bytes(32, "big") for value in (*map(int, PROOF.f), PROOF.z_1, PROOF.z_2)
    )
    points = [GROUP.encode(point) for point in (PROOF.B, PROOF.A, *PROOF.T)]
    assert b"".join([*points, f, z_1, z_2]) == DATA


def test_decoding_is_the_inverse_on_both_backends() -> None:
    assert decode_proof(DATA, CIRCUIT, GROUP) == PROOF
    other = decode_proof(DATA, CIRCUIT, REFERENCE.group)
    assert encode_proof(other, REFERENCE.group) == DATA
    assert other.f == PROOF.f


@pytest.mark.parametrize("change", [-len(DATA), -33, -32, -1, 1, 32, 33])
def test_another_length_is_refused(change: int) -> None:
    data = DATA[:change] if change < 0 else DATA + bytes(change)
    with pytest.raises(EncodingError, match=f"is {len(DATA)} bytes, not {len(data)}"):
        decode_proof(data, CIRCUIT, GROUP)


def test_the_length_is_that_of_the_circuit_asked_for() -> None:
    with pytest.raises(EncodingError, match="a proof for this circuit"):
        decode_proof(DATA, purchase().circuit, GROUP)


@pytest.mark.parametrize("backend", backends(), ids=lambda group: group.name)
@pytest.mark.parametrize("place", range(2 + CIRCUIT.degree))
def test_no_point_may_be_the_identity_or_malformed(place: int, backend: object) -> None:
    start = place * POINT
    for bad in (bytes(POINT), b"\2" + b"\xff" * 32, b"\4" + DATA[start + 1 : start + POINT]):
        data = DATA[:start] + bad + DATA[start + POINT :]
        with pytest.raises(EncodingError):
            decode_proof(data, CIRCUIT, backend)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", range(CIRCUIT.wires + 2))
def test_no_scalar_may_reach_the_order(place: int) -> None:
    start = (2 + CIRCUIT.degree) * POINT + place * SCALAR_BYTES
    value = int.from_bytes(DATA[start : start + SCALAR_BYTES], "big")
    candidates = {int(Q), 2**256 - 1, value + int(Q)}
    for bad in candidates:
        if bad < 2**256:
            data = DATA[:start] + bad.to_bytes(32, "big") + DATA[start + SCALAR_BYTES :]
            with pytest.raises(EncodingError, match="not below the group order"):
                decode_proof(data, CIRCUIT, GROUP)


def test_every_accepted_change_of_a_byte_is_another_proof() -> None:
    for place in range(len(DATA)):
        for flip in (1, 0x80):
            data = bytearray(DATA)
            data[place] ^= flip
            try:
                other = decode_proof(bytes(data), CIRCUIT, GROUP)
            except EncodingError:
                continue
            assert other != PROOF
            assert encode_proof(other, GROUP) == data


@pytest.mark.parametrize(
    "broken", [dataclasses.replace(PROOF, B=IDENTITY), dataclasses.replace(PROOF, A=IDENTITY)]
)
def test_the_identity_cannot_be_encoded(broken: Proof) -> None:
    with pytest.raises(EncodingError, match="identity"):
        encode_proof(broken, GROUP)


def test_the_identity_cannot_be_encoded_among_the_t() -> None:
    for place in range(len(PROOF.T)):
        T = [*PROOF.T]
        T[place] = IDENTITY
        with pytest.raises(EncodingError, match="identity"):
            encode_proof(dataclasses.replace(PROOF, T=tuple(T)), GROUP)


def test_small_scalars_keep_their_zeros() -> None:
    proof = dataclasses.replace(PROOF, f=(mpz(0),), z_1=mpz(1), z_2=Q - 1)
    data = encode_proof(proof, GROUP)
    assert len(data) == len(DATA)
    assert decode_proof(data, CIRCUIT, GROUP) == proof


def test_a_proof_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PROOF.z_1 = mpz(0)  # type: ignore[misc]


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_proof_from_a_buffer_keeps_bytes_of_its_own(kind: type) -> None:
    buffer = bytearray(DATA)
    proof = decode_proof(kind(buffer), CIRCUIT, GROUP)
    buffer[-1] ^= 1
    assert proof == PROOF
    assert encode_proof(proof, GROUP) == DATA
