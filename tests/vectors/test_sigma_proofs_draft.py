"""Accepted proofs of draft-irtf-cfrg-sigma-protocols, suite sigma-proofs_Shake128_P256.

They are whole Fiat–Shamir proofs over our sponge, made by somebody else. Each is a statement
``Σ c·E = Σ c·s·E`` (a list of equations; E an element, s a witness scalar), proved as
``commitment = Σ c·k·E``, ``response = k + challenge·s``. A batchable proof carries the commitments,
a compact one the challenge. Only the equations and the challenge are judged here; the draft's
adversarial vectors judge the validation of instances in a format this project does not read.
P-256 is plain integers: slow, short and independent of every library we use.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from gmpy2 import mpz

from zk.field import decode_scalar, encode_scalar
from zk.sponge import DuplexSponge, decode_challenge, derive_session_id

Vector = dict[str, Any]
Point = tuple[int, int] | None

VECTORS: list[Vector] = json.loads(
    (Path(__file__).parent / "data" / "sigma_proofs_shake128_p256.json").read_text("utf-8")
)

# P-256: NIST SP 800-186, section 3.2.1.3.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
Q = mpz(0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551)
GENERATOR = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"

POINT_BYTES = 33
SCALAR_BYTES = 32


def add(left: Point, right: Point) -> Point:
    if left is None or right is None:
        return left or right
    (x1, y1), (x2, y2) = left, right
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    if left == right:
        slope = 3 * (x1 * x1 - 1) * pow(2 * y1, -1, P)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P)
    x3 = (slope * slope - x1 - x2) % P
    return x3, (slope * (x1 - x3) - y1) % P


def multiply(scalar: int, point: Point) -> Point:
    result: Point = None
    for bit in bin(scalar % int(Q))[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def combine(terms: list[tuple[int, Point]]) -> Point:
    result: Point = None
    for scalar, point in terms:
        result = add(result, multiply(scalar, point))
    return result


def decode_point(data: bytes) -> Point:
    x = int.from_bytes(data[1:], "big")
    square = (x**3 - 3 * x + B) % P
    y = pow(square, (P + 1) // 4, P)
    assert len(data) == POINT_BYTES
    assert y * y % P == square
    return x, y if y & 1 == data[0] & 1 else P - y


def encode_point(point: Point) -> bytes:
    assert point is not None
    return bytes([2 + (point[1] & 1)]) + point[0].to_bytes(32, "big")


class Equation(NamedTuple):
    image: list[tuple[int, int]]  # coefficient, element
    terms: list[tuple[int, int, int]]  # coefficient, witness scalar, element


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, length: int) -> bytes:
        assert len(self.data) >= length
        taken, self.data = self.data[:length], self.data[length:]
        return taken

    def count(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def scalar(self) -> int:
        return int(decode_scalar(self.take(SCALAR_BYTES), Q))


def read_statement(data: bytes) -> tuple[list[Equation], list[Point]]:
    reader = Reader(data)
    equations = []
    for _ in range(reader.count()):
        image = [(reader.count(), reader.scalar()) for _ in range(reader.count())]
        terms = [(reader.count(), reader.count(), reader.scalar()) for _ in range(reader.count())]
        equations.append(Equation([(c, e) for e, c in image], [(c, s, e) for s, e, c in terms]))
    elements = [decode_point(bytes.fromhex(GENERATOR))]
    while reader.data:
        elements.append(decode_point(reader.take(POINT_BYTES)))
    return equations, elements


def read_scalars(data: bytes) -> list[int]:
    reader = Reader(data)
    return [reader.scalar() for _ in range(len(data) // SCALAR_BYTES)]


def challenge_of(vector: Vector, commitments: bytes) -> int:
    sponge = DuplexSponge(derive_session_id(vector["Tag"].encode()))
    sponge.absorb(bytes.fromhex(vector["Instance"]))
    sponge.absorb(commitments)
    return int(decode_challenge(sponge.squeeze(48), Q))


def apply_map(equation: Equation, scalars: list[int], elements: list[Point]) -> Point:
    return combine([(c * scalars[s], elements[e]) for c, s, e in equation.terms])


def commitments_behind(vector: Vector, challenge: int, responses: list[int]) -> bytes:
    """The only commitments that make ``responses`` answer ``challenge``."""
    equations, elements = read_statement(bytes.fromhex(vector["Instance"]))
    return b"".join(
        encode_point(
            add(
                apply_map(equation, responses, elements),
                combine([(-challenge * c, elements[e]) for c, e in equation.image]),
            )
        )
        for equation in equations
    )


def of_flavor(flavor: str) -> list[Any]:
    return [
        pytest.param(vector, id=vector["Relation"])
        for vector in VECTORS
        if vector["Flavor"] == flavor
    ]


def test_file_is_the_one_meant() -> None:
    assert len(of_flavor("batchable")) == len(of_flavor("compact")) == 7 == len(VECTORS) // 2
    assert {vector["Expected"] for vector in VECTORS} == {"accept"}
    assert {vector["Ciphersuite"] for vector in VECTORS} == {"sigma-proofs_Shake128_P256"}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["Tag"])
def test_session_id(vector: Vector) -> None:
    assert derive_session_id(vector["Tag"].encode()).hex() == vector["SessionId"]


@pytest.mark.parametrize("vector", of_flavor("batchable"))
def test_batchable_proof(vector: Vector) -> None:
    proof = bytes.fromhex(vector["NargString"])
    witnesses = len(vector["Witness"]) // (2 * SCALAR_BYTES)
    split = len(proof) - witnesses * SCALAR_BYTES
    commitments, responses = proof[:split], read_scalars(proof[split:])

    challenge = challenge_of(vector, commitments)
    assert commitments_behind(vector, challenge, responses) == commitments
    assert commitments_behind(vector, challenge + 1, responses) != commitments


@pytest.mark.parametrize("vector", of_flavor("compact"))
def test_compact_proof(vector: Vector) -> None:
    challenge, *responses = read_scalars(bytes.fromhex(vector["NargString"]))
    commitments = commitments_behind(vector, challenge, responses)
    assert challenge_of(vector, commitments) == challenge
    assert encode_scalar(mpz(challenge)).hex() == vector["NargString"][: 2 * SCALAR_BYTES]
