"""A proof, and its one canonical byte form.

    B ‖ A ‖ T_0 ‖ … ‖ T_{D−1} ‖ f_1 ‖ … ‖ f_n ‖ z_1 ‖ z_2

points 33 bytes (SEC 1 compressed), scalars 32 bytes big-endian: 33·(2 + D) + 32·(n + 2) bytes in
all. n and D are the circuit's, so nothing is framed. Decoding refuses the identity, scalars ≥ q,
and any other length.
"""

from __future__ import annotations

from dataclasses import dataclass

from zk.errors import EncodingError
from zk.field import SCALAR_BYTES, Scalar, decode_scalars, encode_scalars
from zk.group import Group, Point
from zk.relation import Circuit


@dataclass(frozen=True)
class Proof:
    """First message B, A; second T_0…T_{D−1}; third f_1…f_n, z_1, z_2 (the paper's letters)."""

    B: Point
    A: Point
    T: tuple[Point, ...]
    f: tuple[Scalar, ...]
    z_1: Scalar
    z_2: Scalar


def proof_bytes(circuit: Circuit, group: Group) -> int:
    """Length in bytes of every proof for ``circuit``."""
    return group.point_bytes * (2 + circuit.degree) + SCALAR_BYTES * (circuit.wires + 2)


def encode_proof(proof: Proof, group: Group) -> bytes:
    """The canonical bytes; raises `EncodingError` if a point is the identity."""
    points = [group.encode(point) for point in (proof.B, proof.A, *proof.T)]
    return b"".join((*points, encode_scalars((*proof.f, proof.z_1, proof.z_2))))


def decode_proof(data: bytes, circuit: Circuit, group: Group) -> Proof:
    """Strict inverse of `encode_proof`; raises `EncodingError` for anything else."""
    expected = proof_bytes(circuit, group)
    if len(data) != expected:
        raise EncodingError(f"a proof for this circuit is {expected} bytes, not {len(data)}")
    width, count = group.point_bytes, 2 + circuit.degree
    split = width * count
    B, A, *T = (group.decode(data[start : start + width]) for start in range(0, split, width))
    *f, z_1, z_2 = decode_scalars(data[split:], group.order)
    return Proof(B, A, tuple(T), tuple(f), z_1, z_2)
