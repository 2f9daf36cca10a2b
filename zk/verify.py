"""The verifier, for one proof or a batch.

A proof is accepted exactly when both hold (``docs/protocol.md``, section "The protocol"):

    (i)   x·B + A = Σ_i f_i·G_i + z_1·H
    (ii)  Σ_{k<D} x^k·T_k + x^D·Σ_l y^(E+l)·C_l = g·G + Σ_s h_s·J_s + z_2·H

with g and h of `zk.evaluate`. Both are checked as one multi-scalar multiplication, each equation of
each proof times a random weight of its own from [1, 2^128); equation (i) of a single proof has
weight 1. Equal weights, or one weight a proof, would be forgeable (``tests/adversarial``).

Field part and scalars are computed here, or by the compiled module (`zk.program`) where it is
there, to the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from zk.encoding import Proof, encode_proof
from zk.errors import ProofRejected, StatementError
from zk.evaluate import CompiledEvaluator, Evaluator, decode_value, encode_value, evaluator_of
from zk.evaluate import Point as EvaluationPoint
from zk.field import SCALAR_BYTES, Scalar, decode_little, encode_little, powers
from zk.generators import Generators
from zk.group import Group, Point
from zk.instance import Instance, encode_publics, start_transcript
from zk.relation import Circuit

REJECTED = "proof_invalid"
WEIGHT_BYTES = 16

_ONE = (1).to_bytes(WEIGHT_BYTES, "little")
_ZERO = bytes(WEIGHT_BYTES)


class _Challenged(NamedTuple):
    """One proof with its challenges."""

    instance: Instance
    proof: Proof
    y: Scalar
    x: Scalar
    digest: bytes  # of instance and proof, for the weights
    responses: bytes  # f ‖ z_1 ‖ z_2, big-endian

    def encoded_challenges(self) -> bytes:
        """y ‖ x, little-endian."""
        return encode_little((self.y, self.x))


class _Checked(NamedTuple):
    """One proof after the field part, before weights."""

    item: _Challenged
    value: bytes  # g and h, see `encode_value`
    evaluator: Evaluator | CompiledEvaluator


def challenges(group: Group, instance: Instance, proof: bytes) -> tuple[Scalar, Scalar]:
    """(y, x): both challenges, drawn again from the transcript of an encoded proof."""
    transcript = start_transcript(group, instance)
    first = 2 * group.point_bytes
    transcript.absorb(proof[:first])
    y = transcript.challenge()
    transcript.absorb(proof[first : first + instance.circuit.degree * group.point_bytes])
    return y, transcript.challenge()


def _challenge(group: Group, instance: Instance, proof: Proof) -> _Challenged:
    encoded = encode_proof(proof, group)
    y, x = challenges(group, instance, encoded)
    digest = hashlib.sha256(instance.encode(group) + encoded).digest()
    responses = encoded[group.point_bytes * (2 + instance.circuit.degree) :]
    return _Challenged(instance, proof, y, x, digest, responses)


def _field_part(group: Group, items: Sequence[tuple[Instance, Proof]]) -> list[_Checked]:
    """g and h of every item; items of the same circuit are evaluated together."""
    by_circuit: dict[Circuit, list[int]] = {}
    for number, (instance, proof) in enumerate(items):
        circuit = instance.circuit
        if len(proof.T) != circuit.degree or len(proof.f) != circuit.wires:
            raise StatementError(f"proof {number} has not the shape that its circuit asks for")
        by_circuit.setdefault(circuit, []).append(number)
    checked: dict[int, _Checked] = {}
    for circuit, numbers in by_circuit.items():
        challenged = [_challenge(group, *items[number]) for number in numbers]
        evaluator = evaluator_of(circuit, group.order)
        values = _values(evaluator, challenged)
        for number, item, value in zip(numbers, challenged, values, strict=True):
            checked[number] = _Checked(item, value, evaluator)
    return [checked[number] for number in range(len(items))]


def _values(
    evaluator: Evaluator | CompiledEvaluator, items: Sequence[_Challenged]
) -> Sequence[bytes]:
    """`encode_value` of g and h of every item, which are all of the evaluator's circuit."""
    circuit, q = evaluator.circuit, evaluator.order
    if isinstance(evaluator, CompiledEvaluator):
        joined = evaluator.program.field_parts(
            b"".join([item.responses for item in items]),
            b"".join([item.encoded_challenges() for item in items]),
            b"".join([encode_publics(item.instance.publics) for item in items]),
        )
        size = SCALAR_BYTES * (1 + circuit.slots)
        return [joined[start : start + size] for start in range(0, len(joined), size)]
    count = len(circuit.equations) + len(circuit.lines)
    points = [
        EvaluationPoint(item.proof.f, item.x, powers(item.y, count, q), item.instance.publics)
        for item in items
    ]
    return [encode_value(value) for value in evaluator(points)]


def _weights(checked: Sequence[_Checked]) -> list[bytes]:
    """An independent pair of weights from [1, 2^128) for every item, little-endian and joined.

    From SHAKE256 over 32 bytes of the operating system and a digest of every instance and proof.
    """
    xof = hashlib.shake_256(os.urandom(32))
    xof.update(b"".join([item.digest for item, _, _ in checked]))
    stream = xof.digest(2 * WEIGHT_BYTES * len(checked))
    weights = [
        stream[start : start + WEIGHT_BYTES] for start in range(0, len(stream), WEIGHT_BYTES)
    ]
    weights = [_ONE if weight == _ZERO else weight for weight in weights]
    return [first + second for first, second in zip(weights[::2], weights[1::2], strict=True)]


def _scalars(
    checked: Sequence[_Checked], weights: Sequence[bytes], sums: bytes, slots: int
) -> tuple[bytes, bytes]:
    """Scalars of the weighted sum of all equations of items of one circuit, left side minus right.

    First those of H, G, J_1 … J_slots, G_1, G_2 …, where all items meet, on top of ``sums``; then
    those of each item's own points (`_own_points`). 32 bytes each, little-endian, below q.
    """
    evaluator = checked[0].evaluator
    if isinstance(evaluator, CompiledEvaluator):
        return evaluator.program.scalars(
            sums,
            slots,
            b"".join([item.responses for item, _, _ in checked]),
            b"".join([item.encoded_challenges() for item, _, _ in checked]),
            b"".join([value for _, value, _ in checked]),
            b"".join(weights),
        )
    circuit, q = evaluator.circuit, evaluator.order
    H, G, *rest = decode_little(sums)
    J, W = rest[:slots], rest[slots:]
    scalars: list[Scalar] = []
    for (item, encoded, _), pair in zip(checked, weights, strict=True):
        proof, value = item.proof, decode_value(encoded)
        first, second = decode_little(pair, WEIGHT_BYTES)
        x_powers = powers(item.x, circuit.degree + 1, q)
        scalars += (first * item.x % q, first)
        scalars += [second * power % q for power in x_powers[:-1]]
        top = second * x_powers[-1] * pow(item.y, len(circuit.equations), q) % q
        scalars += [top * power % q for power in powers(item.y, len(circuit.lines), q)]
        H -= first * proof.z_1 + second * proof.z_2
        G -= second * value.g
        # zip stops at the circuit's own slots and wires, which may be fewer than others have.
        J[: circuit.slots] = [t - second * h for t, h in zip(J, value.h, strict=False)]
        W[: circuit.wires] = [t - first * f for t, f in zip(W, proof.f, strict=False)]
    return encode_little([scalar % q for scalar in (H, G, *J, *W)]), encode_little(scalars)


def _own_points(item: _Challenged) -> tuple[Point, ...]:
    """B, A, T_0 … T_(D−1), C_0 … C_(L−1)."""
    return (item.proof.B, item.proof.A, *item.proof.T, *item.instance.commitments)


def _holds(generators: Generators, checked: Sequence[_Checked], weights: Sequence[bytes]) -> bool:
    """Whether the weighted sum of all equations vanishes."""
    slots = max([item.instance.circuit.slots for item, _, _ in checked])
    wires = max([item.instance.circuit.wires for item, _, _ in checked])
    by_circuit: dict[Circuit, list[int]] = {}
    for number, (item, _, _) in enumerate(checked):
        by_circuit.setdefault(item.instance.circuit, []).append(number)
    sums = bytes(SCALAR_BYTES * (2 + slots + wires))
    parts: list[bytes] = []
    points: list[Point] = []
    for numbers in by_circuit.values():
        members = [checked[number] for number in numbers]
        sums, part = _scalars(members, [weights[number] for number in numbers], sums, slots)
        parts.append(part)
        for item, _, _ in members:
            points += _own_points(item)
    fixed_points = generators.public_points(wires, slots)
    bases = generators.prepared(fixed_points)
    scalars = b"".join(parts)
    if bases is None:
        return not generators.group.public_sum(b"", (), scalars + sums, points + fixed_points)
    return not generators.group.public_sum(sums, bases, scalars, points)


def verify(generators: Generators, instance: Instance, proof: Proof) -> None:
    """Accept by returning, or raise `ProofRejected` ("proof_invalid").

    Raises `StatementError` if proof, circuit and group do not fit together, `EncodingError` if a
    part of a hand-made proof has no encoding (what `decode_proof` returns always has one).
    """
    checked = _field_part(generators.group, [(instance, proof)])
    (pair,) = _weights(checked)
    if not _holds(generators, checked, [_ONE + pair[WEIGHT_BYTES:]]):
        raise ProofRejected(REJECTED, "the proof does not prove this statement")


def verify_batch(generators: Generators, items: Sequence[tuple[Instance, Proof]]) -> list[int]:
    """Positions of the invalid items, ascending; empty if every proof is valid.

    All are checked by one sum; only if that fails are halves checked in turn, with the same field
    part and fresh weights, until the bad ones are alone. Circuits may differ. Raises
    `StatementError` as `verify` does.
    """
    checked = _field_part(generators.group, items)

    def bad(start: int, stop: int) -> list[int]:
        if start == stop:
            return []
        part = checked[start:stop]
        if _holds(generators, part, _weights(part)):
            return []
        if stop - start == 1:
            return [start]
        middle = (start + stop) // 2
        # If the halves pass where the whole failed, something is wrong with all of them.
        return bad(start, middle) + bad(middle, stop) or list(range(start, stop))

    return bad(0, len(items))
