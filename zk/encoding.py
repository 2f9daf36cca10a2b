"""A proof, and its one canonical byte form.

    B ‖ A ‖ T_0 ‖ … ‖ T_{D−1} ‖ f_1 ‖ … ‖ f_n ‖ z_1 ‖ z_2

points 33 bytes (SEC 1 compressed), scalars 32 bytes big-endian: 33·(2 + D) + 32·(n + 2) bytes in
all. n and D are the circuit's, so nothing is framed. Decoding refuses the identity, scalars ≥ q,
and any other length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from zk.errors import EncodingError
from zk.field import SCALAR_BYTES, Scalar, encode_scalars, read_scalars
from zk.group import Group, Point
from zk.relation import Circuit


@dataclass(frozen=True)
class Proof:
    """First message B, A; second T_0…T_{D−1}; third f_1…f_n, z_1, z_2 (the paper's letters)."""

    B: Point
    A: Point
    T: tuple[Point, ...]
    f: Sequence[Scalar]
    z_1: Scalar
    z_2: Scalar
    # The bytes this was decoded from, its only encoding; a changed copy starts without.
    _encoded: bytes | None = field(default=None, init=False, repr=False, compare=False)


def proof_bytes(circuit: Circuit, group: Group) -> int:
    """Length in bytes of every proof for ``circuit``."""
    return group.point_bytes * (2 + circuit.degree) + SCALAR_BYTES * (circuit.wires + 2)


def encode_proof(proof: Proof, group: Group) -> bytes:
    """The canonical bytes; raises `EncodingError` if a point is the identity."""
    if proof._encoded is not None:
        return proof._encoded
    points = [group.encode(point) for point in (proof.B, proof.A, *proof.T)]
    return b"".join((*points, encode_scalars((*proof.f, proof.z_1, proof.z_2))))


def decode_proof(data: bytes, circuit: Circuit, group: Group) -> Proof:
    """Strict inverse of `encode_proof`; raises `EncodingError` for anything else."""
    expected = proof_bytes(circuit, group)
    if len(data) != expected:
        raise EncodingError(f"a proof for this circuit is {expected} bytes, not {len(data)}")
    data = bytes(data)  # nobody can change what the proof keeps
    split = group.point_bytes * (2 + circuit.degree)
    B, A, *T = group.decode_many(data[:split])
    end = expected - 2 * SCALAR_BYTES
    f = read_scalars(data[split:end], group.order)
    z_1, z_2 = read_scalars(data[end:], group.order)
    proof = Proof(B, A, tuple(T), f, z_1, z_2)
    object.__setattr__(proof, "_encoded", data)
    return proof
