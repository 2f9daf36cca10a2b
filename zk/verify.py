"""The verifier, for one proof or a batch.

A proof is accepted exactly when both hold (``docs/protocol.md``, section "The protocol"):

    (i)   x·B + A = Σ_i f_i·G_i + z_1·H
    (ii)  Σ_{k<D} x^k·T_k + x^D·Σ_l y^(E+l)·C_l = g·G + Σ_s h_s·J_s + z_2·H

with g and h of `zk.evaluate`. Both are checked as one multi-scalar multiplication, each equation of
each proof times a random weight of its own from [1, 2^128); equation (i) of a single proof has
weight 1. Equal weights, or one weight a proof, would be forgeable (``tests/adversarial``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from zk.encoding import Proof, encode_proof
from zk.errors import ProofRejected, StatementError
from zk.evaluate import Point as EvaluationPoint
from zk.evaluate import Value, evaluator_of
from zk.field import Scalar, powers
from zk.generators import Generators
from zk.group import Group, Point
from zk.instance import Instance, start_transcript
from zk.relation import Circuit

REJECTED = "proof_invalid"
WEIGHT_BYTES = 16


@dataclass(frozen=True)
class _Checked:
    """One proof after the field part: the scalars of its equations, before weights."""

    instance: Instance
    proof: Proof
    x_powers: Sequence[Scalar]  # 1 … x^D
    line_powers: Sequence[Scalar]  # y^E … y^(E+L−1)
    value: Value
    encoded: bytes  # instance ‖ proof, for the weights


def challenges(group: Group, instance: Instance, proof: bytes) -> tuple[Scalar, Scalar]:
    """(y, x): both challenges, drawn again from the transcript of an encoded proof."""
    transcript = start_transcript(group, instance)
    first = 2 * group.point_bytes
    transcript.absorb(proof[:first])
    y = transcript.challenge()
    transcript.absorb(proof[first : first + instance.circuit.degree * group.point_bytes])
    return y, transcript.challenge()


def _field_part(group: Group, items: Sequence[tuple[Instance, Proof]]) -> list[_Checked]:
    """The scalars of every item; items of the same circuit are evaluated together."""
    q = group.order
    by_circuit: dict[Circuit, list[int]] = {}
    for number, (instance, proof) in enumerate(items):
        circuit = instance.circuit
        if len(proof.T) != circuit.degree or len(proof.f) != circuit.wires:
            raise StatementError(f"proof {number} has not the shape that its circuit asks for")
        by_circuit.setdefault(circuit, []).append(number)
    checked: dict[int, _Checked] = {}
    for circuit, numbers in by_circuit.items():
        points, exponents, texts = [], [], []
        for number in numbers:
            instance, proof = items[number]
            encoded = encode_proof(proof, group)
            y, x = challenges(group, instance, encoded)
            texts.append(instance.encode(group) + encoded)
            y_powers = powers(y, len(circuit.equations) + len(circuit.lines), q)
            exponents.append((powers(x, circuit.degree + 1, q), y_powers[len(circuit.equations) :]))
            points.append(EvaluationPoint(proof.f, x, y_powers, instance.publics))
        values = evaluator_of(circuit, q)(points)
        for number, (x_powers, line_powers), value, text in zip(
            numbers, exponents, values, texts, strict=True
        ):
            checked[number] = _Checked(*items[number], x_powers, line_powers, value, text)
    return [checked[number] for number in range(len(items))]


def _weights(checked: Sequence[_Checked]) -> list[tuple[Scalar, Scalar]]:
    """An independent pair of weights from [1, 2^128) for every item.

    From SHAKE256 over 32 bytes of the operating system, every instance and every whole proof.
    """
    xof = hashlib.shake_256(os.urandom(32))
    for item in checked:
        xof.update(item.encoded)
    stream = xof.digest(2 * WEIGHT_BYTES * len(checked))
    numbers = [
        mpz(int.from_bytes(stream[start : start + WEIGHT_BYTES], "big") or 1)
        for start in range(0, len(stream), WEIGHT_BYTES)
    ]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _holds(
    generators: Generators, checked: Sequence[_Checked], weights: Sequence[tuple[Scalar, Scalar]]
) -> bool:
    """Whether the weighted sum of all equations vanishes."""
    q = generators.group.order
    scalars: list[Scalar] = []
    points: list[Point] = []
    wires = max(item.instance.circuit.wires for item in checked)
    slots = max(item.instance.circuit.slots for item in checked)
    H = G = mpz(0)
    J, W = [mpz(0)] * slots, [mpz(0)] * wires
    for item, (first, second) in zip(checked, weights, strict=True):
        proof, x_powers = item.proof, item.x_powers
        points += (proof.B, proof.A, *proof.T, *item.instance.commitments)
        scalars += (first * x_powers[1] % q, first)
        scalars += [second * power % q for power in x_powers[:-1]]
        top = second * x_powers[-1] % q
        scalars += [top * power % q for power in item.line_powers]
        H += first * proof.z_1 + second * proof.z_2
        G += second * item.value.g
        # zip stops at the circuit's own slots and wires, which may be fewer than others have.
        J[: len(item.value.h)] = [t + second * h for t, h in zip(J, item.value.h, strict=False)]
        W[: len(proof.f)] = [t + first * f for t, f in zip(W, proof.f, strict=False)]
    fixed = [-scalar % q for scalar in (H, G, *J, *W)]
    fixed_points = generators.public_points(wires, slots)
    group = generators.group
    bases = generators.prepared(fixed_points)
    if bases is None:
        return not group.msm(scalars + fixed, points + fixed_points)
    return not group.sum([group.msm(scalars, points), group.fixed_sum(fixed, bases)])


def verify(generators: Generators, instance: Instance, proof: Proof) -> None:
    """Accept by returning, or raise `ProofRejected` ("proof_invalid").

    Raises `StatementError` if proof, circuit and group do not fit together, `EncodingError` if a
    part of a hand-made proof has no encoding (what `decode_proof` returns always has one).
    """
    (checked,) = _field_part(generators.group, [(instance, proof)])
    ((_, second),) = _weights([checked])
    if not _holds(generators, [checked], [(mpz(1), second)]):
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
