"""Line commitments ``C = Σ_s m_s·J_s + r·H`` and openings of them, whole or in part.

A line commitment depends on no circuit and no contract; it hides perfectly and binds under the
discrete-logarithm assumption (Pedersen). Opening it *in part* reveals chosen slots and proves
knowledge of the rest: a Schnorr proof of representation of ``C − Σ_{revealed} m_s·J_s`` in the
hidden J_s and H, whose challenge covers the line, the revealed slots and values, and the purpose
(Maurer, *Unifying zero-knowledge proofs of knowledge*, AFRICACRYPT 2009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from zk.errors import EncodingError, ProofRejected, StatementError, WitnessError
from zk.field import SCALAR_BYTES, Scalar, decode_scalars, encode_scalar, encode_scalars
from zk.generators import Generators
from zk.group import Point
from zk.randomness import hedged_scalars
from zk.relation import MAX_SLOTS
from zk.transcript import OPENING, Transcript


@dataclass(frozen=True)
class Opening:
    """What a line commitment hides: the slots' values m_s and the blinding r. Secret."""

    values: tuple[int, ...] = field(repr=False)
    r: Scalar = field(repr=False)


def commit(generators: Generators, opening: Opening) -> Point:
    """``Σ_s m_s·J_s + r·H``, computed with a fixed number of additions (`Group.fixed_sum`)."""
    group = generators.group
    points = [*generators.J(len(opening.values)), generators.H]
    scalars = [mpz(m) % group.order for m in opening.values]
    return group.fixed_sum([*scalars, opening.r], [generators.base(point) for point in points])


def fresh_opening(
    generators: Generators, values: Sequence[int], *, secret: bytes = b"", context: bytes = b""
) -> Opening:
    """An opening of ``values`` with a fresh uniform r, hedged with ``secret`` (`zk.randomness`)."""
    bound = [context, b",".join(b"%d" % value for value in values)]
    (r,) = hedged_scalars(1, generators.group.order, secret, bound)
    return Opening(tuple(values), r)


def verify_opening(generators: Generators, commitment: Point, opening: Opening, slots: int) -> None:
    """Check a full opening of a line of ``slots`` slots.

    Raises `StatementError` for another number of slots, `EncodingError` for a value or blinding
    outside [0, q) (each line has one opening, not one for every multiple of q), and `ProofRejected`
    ("opening") unless it opens ``commitment``.
    """
    if len(opening.values) != slots:
        raise StatementError(f"the line has {slots} slots, the opening {len(opening.values)}")
    generators.group.require_scalars([*map(mpz, opening.values), mpz(opening.r)])
    if commit(generators, opening) != commitment:
        raise ProofRejected("opening", "the opening does not belong to this commitment")


# -- opening in part --------------------------------------------------------------------------


@dataclass(frozen=True)
class PartialOpening:
    """Revealed slots (number from 1 → value) and the proof of knowledge of the hidden ones.

    ``proof`` is A (one point) ‖ a response for each hidden slot in ascending order ‖ a response for
    r.
    """

    slots: int
    revealed: Mapping[int, int] = field(repr=False)
    proof: bytes


def _challenge(
    generators: Generators,
    commitment: Point,
    slots: int,
    revealed: Mapping[int, int],
    purpose: bytes,
    A: bytes,
) -> Scalar:
    group = generators.group
    transcript = Transcript(group, OPENING)
    instance = [
        group.encode(commitment),
        slots.to_bytes(4, "big"),
        len(revealed).to_bytes(4, "big"),
    ]
    for slot in sorted(revealed):
        instance += [slot.to_bytes(4, "big"), encode_scalar(mpz(revealed[slot]))]
    instance += [len(purpose).to_bytes(4, "big"), purpose]
    transcript.absorb(*instance)
    transcript.absorb(A)
    return transcript.challenge()


def _hidden_slots(slots: int, revealed: Mapping[int, int], order: Scalar) -> list[int]:
    if not 1 <= slots <= MAX_SLOTS:
        raise StatementError(f"a line has 1 to {MAX_SLOTS} slots")
    for slot, value in revealed.items():
        if type(slot) is not int or not 1 <= slot <= slots:
            raise StatementError(f"no such slot; slots are numbered 1 to {slots}")
        if not 0 <= value < order:
            raise StatementError(f"the value of slot {slot} is not a scalar")
    return [slot for slot in range(1, slots + 1) if slot not in revealed]


def open_partially(
    generators: Generators,
    opening: Opening,
    reveal: Sequence[int],
    purpose: bytes,
    *,
    secret: bytes = b"",
) -> PartialOpening:
    """Reveal the slots ``reveal`` of a line for ``purpose`` and prove knowledge of the others.

    Raises `StatementError` for a slot that does not exist; `WitnessError` with probability 1/q.
    """
    group, slots = generators.group, len(opening.values)
    q = group.order
    if not all(1 <= slot <= slots for slot in reveal):
        raise StatementError(f"slots are numbered 1 to {slots}")
    revealed = {slot: opening.values[slot - 1] for slot in sorted(set(reveal))}
    hidden = _hidden_slots(slots, revealed, q)
    J = generators.J(slots)
    bases = [generators.base(point) for point in (*(J[s - 1] for s in hidden), generators.H)]
    secrets = [*(mpz(opening.values[s - 1]) % q for s in hidden), opening.r]
    everything = (*(mpz(value) % q for value in opening.values), opening.r)
    bound = [purpose, bytes(sorted(revealed)), *map(encode_scalar, everything)]
    masks = hedged_scalars(len(secrets), q, secret, bound)
    announcement = group.fixed_sum(masks, bases)
    if not announcement:  # happens with probability 1/q
        raise WitnessError("the random numbers cancelled out; try again")
    A = group.encode(announcement)
    c = _challenge(generators, commit(generators, opening), slots, revealed, purpose, A)
    responses = [(mask + c * value) % q for mask, value in zip(masks, secrets, strict=True)]
    return PartialOpening(slots, revealed, A + encode_scalars(responses))


def verify_partial_opening(
    generators: Generators, commitment: Point, opening: PartialOpening, purpose: bytes
) -> None:
    """Check ``Σ_{hidden} z_s·J_s + z·H = A + c·(C − Σ_{revealed} m_s·J_s)``.

    Raises `EncodingError` for a malformed proof, `StatementError` for impossible slots and
    `ProofRejected` ("opening") when the equation fails.
    """
    group = generators.group
    q = group.order
    hidden = _hidden_slots(opening.slots, opening.revealed, q)
    size, count = group.point_bytes, len(hidden) + 1
    if len(opening.proof) != size + SCALAR_BYTES * count:
        raise EncodingError("the opening's proof has the wrong length")
    A = opening.proof[:size]
    z = decode_scalars(opening.proof[size:], q)
    c = _challenge(generators, commitment, opening.slots, opening.revealed, purpose, A)
    J = generators.J(opening.slots)
    scalars = [*z, *(c * m % q for m in opening.revealed.values()), q - 1, q - c]
    points = [
        *(J[s - 1] for s in hidden),
        generators.H,
        *(J[s - 1] for s in opening.revealed),
        group.decode(A),
        commitment,
    ]
    if group.msm([k % q for k in scalars], points):
        raise ProofRejected("opening", "the revealed values do not belong to this commitment")
