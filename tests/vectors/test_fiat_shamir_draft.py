"""Vectors of draft-irtf-cfrg-fiat-shamir: the SHAKE128 file whole, the codec file where it applies.

The draft's toy sumcheck protocol is written out here, from its appendix, on top of our sponge.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gmpy2 import mpz

from zk.errors import ProofRejected
from zk.field import decode_scalar, encode_scalar
from zk.sponge import DuplexSponge, decode_challenge, decode_uint, derive_session_id

Vector = dict[str, Any]

DATA = Path(__file__).parent / "data"


def load(file_name: str) -> dict[str, Vector]:
    vectors = json.loads((DATA / file_name).read_text("utf-8"))
    by_name = {vector["Name"]: vector for vector in vectors}
    assert len(by_name) == len(vectors)
    return by_name


SHAKE128 = load("fiat_shamir_shake128.json")
CODEC = load("fiat_shamir_codec.json")

# Codec vectors that judge functions this project does not have, and why it does not have them.
NOT_OURS = {
    "serialize_varlen": "no string of variable length is absorbed; instances have fixed shapes",
    "varlen_empty": "no string of variable length is absorbed; instances have fixed shapes",
    "deserialize_varlen_reject_truncated": "proofs hold no string of variable length",
    "deserialize_varlen_reject_overflow": "proofs hold no string of variable length",
    "serialize_uint": "scalars on the wire are big-endian, as the draft lets a profile choose",
    "deserialize_uint_reject_modulus": "little-endian form; see the tests of decode_scalar",
    "deserialize_uint_reject_short": "little-endian form; see the tests of decode_scalar",
    "deserialize_field": "no extension fields",
    "deserialize_field_reject_second_coordinate": "no extension fields",
}


def of_function(function: str, *files: dict[str, Vector]) -> list[Any]:
    """Parameters for the vectors of one function that are not set aside."""
    return [
        pytest.param(vector, id=name)
        for file in files
        for name, vector in file.items()
        if vector["Function"] == function and name not in NOT_OURS
    ]


def replay(vector: Vector) -> bytes:
    sponge = DuplexSponge(bytes.fromhex(vector["SessionId"]))
    output = b""
    for operation in vector["Operations"]:
        if operation["type"] == "absorb":
            sponge.absorb(bytes.fromhex(operation["data"]))
        else:
            assert operation["type"] == "squeeze"
            output += sponge.squeeze(operation["length"])
    return output


def test_every_vector_is_run_or_set_aside_with_a_reason() -> None:
    run_here = {"DuplexSponge", "DeriveSessionID", "DecodeUint", "SerializeField", "Sumcheck"}
    assert {vector["Function"] for vector in SHAKE128.values()} <= run_here
    run_of_codec = {name for name, vector in CODEC.items() if vector["Function"] in run_here}
    assert run_of_codec.isdisjoint(NOT_OURS)
    assert run_of_codec | NOT_OURS.keys() == CODEC.keys()
    assert {vector["Hash"] for vector in SHAKE128.values()} == {"SHAKE128"}
    assert (len(SHAKE128), len(run_of_codec)) == (13, 4)


@pytest.mark.parametrize("vector", of_function("DuplexSponge", SHAKE128))
def test_sponge_vector(vector: Vector) -> None:
    assert replay(vector).hex() == vector["Output"]


@pytest.mark.parametrize("vector", of_function("DeriveSessionID", SHAKE128))
def test_session_id_vector(vector: Vector) -> None:
    assert derive_session_id(bytes.fromhex(vector["Tag"])).hex() == vector["Output"]


@pytest.mark.parametrize("vector", of_function("DecodeUint", SHAKE128, CODEC))
def test_challenge_vector(vector: Vector) -> None:
    if "Operations" in vector:
        data = replay(vector)
        assert data.hex() == vector["Output"]
    else:
        data = bytes.fromhex(vector["Input"])
    modulus, challenge = mpz(vector["Modulus"], 0), mpz(vector["Challenge"], 0)
    assert decode_uint(data, modulus) == challenge
    assert decode_challenge(data, modulus) == challenge


@pytest.mark.parametrize("vector", of_function("SerializeField", CODEC))
def test_big_endian_scalar_vector(vector: Vector) -> None:
    assert vector["ByteOrder"] == "big-endian"
    value, order = mpz(vector["Value"], 0), mpz(vector["Modulus"], 0)
    assert encode_scalar(value).hex() == vector["Output"]
    assert decode_scalar(bytes.fromhex(vector["Output"]), order) == value


# The toy protocol: a round message is two elements of the field, 4 bytes each, little-endian.

ELEMENT_BYTES = 4
ROUND_BYTES = 2 * ELEMENT_BYTES


def start_sumcheck(session_id: bytes, variables: int, claimed_sum: int) -> DuplexSponge:
    sponge = DuplexSponge(session_id)
    sponge.absorb(variables.to_bytes(4, "little") + claimed_sum.to_bytes(ELEMENT_BYTES, "little"))
    return sponge


def squeeze_element(sponge: DuplexSponge, prime: int) -> int:
    return int.from_bytes(sponge.squeeze(ELEMENT_BYTES), "little") % prime


def prove_sumcheck(session_id: bytes, variables: int, table: list[int], prime: int) -> bytes:
    sponge = start_sumcheck(session_id, variables, sum(table) % prime)
    proof = b""
    for _ in range(variables):
        even, odd = table[0::2], table[1::2]
        coefficients = sum(even) % prime, (sum(odd) - sum(even)) % prime
        message = b"".join(value.to_bytes(ELEMENT_BYTES, "little") for value in coefficients)
        sponge.absorb(message)
        proof += message
        r = squeeze_element(sponge, prime)
        table = [(low + r * (high - low)) % prime for low, high in zip(even, odd, strict=True)]
    return proof


def verify_sumcheck(
    session_id: bytes, variables: int, claimed_sum: int, proof: bytes, prime: int
) -> int:
    """The evaluation that the proof commits to; what the draft's verifier compares with y."""
    sponge = start_sumcheck(session_id, variables, claimed_sum)
    for _ in range(variables):
        message, proof = proof[:ROUND_BYTES], proof[ROUND_BYTES:]
        a0 = int.from_bytes(message[:ELEMENT_BYTES], "little")
        a1 = int.from_bytes(message[ELEMENT_BYTES:], "little")
        if len(message) != ROUND_BYTES or max(a0, a1) >= prime:
            raise ProofRejected("encoding")
        if (2 * a0 + a1 - claimed_sum) % prime:
            raise ProofRejected("round")
        sponge.absorb(message)
        claimed_sum = (a0 + a1 * squeeze_element(sponge, prime)) % prime
    if proof:
        raise ProofRejected("trailing")
    return claimed_sum


REJECTIONS = {
    "sumcheck_reject_trailing_bytes": "trailing",
    "sumcheck_reject_noncanonical_coefficient": "encoding",
    "sumcheck_reject_round_identity": "round",
}


@pytest.mark.parametrize("vector", of_function("Sumcheck", SHAKE128, CODEC))
def test_sumcheck_vector(vector: Vector) -> None:
    prime, variables = int(vector["Modulus"], 16), vector["NumVariables"]
    session_id, proof = bytes.fromhex(vector["SessionId"]), bytes.fromhex(vector["Narg"])
    if "Tag" in vector:
        assert derive_session_id(bytes.fromhex(vector["Tag"])) == session_id
    claimed_sum = int(vector["ClaimedSum"], 16)

    if vector.get("Expected") == "reject":
        with pytest.raises(ProofRejected) as refusal:
            verify_sumcheck(session_id, variables, claimed_sum, proof, prime)
        assert refusal.value.reason == REJECTIONS[vector["Name"]]
    else:
        assert prove_sumcheck(session_id, variables, vector["Witness"], prime) == proof
        evaluation = verify_sumcheck(session_id, variables, claimed_sum, proof, prime)
        assert evaluation == int(vector["FinalEvaluation"], 16)
