"""What a proof is about: circuit, public inputs, context and line commitments.

Proved (``docs/protocol.md``, section "What is proved"): the prover knows wires w and openings r_l
such that every equation of the circuit holds for w and the public inputs, and C_l = Σ_s
Λ_{l,s}(w)·J_s + r_l·H for every line l.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from zk.errors import StatementError
from zk.group import Group, Point
from zk.relation import MAGNITUDE, MAX_DEGREE, Circuit
from zk.transcript import PROOF, Transcript

CONTEXT_BYTES = 32
PUBLIC_BYTES = 8


@dataclass(frozen=True)
class Instance:
    """``context`` is a 32-byte digest of everything else the proof is bound to.

    Raises `StatementError` for public inputs outside their range, a wrong number of lines, an
    identity commitment, or anything that could be changed afterwards.
    """

    circuit: Circuit
    publics: tuple[int, ...]
    context: bytes
    commitments: tuple[Point, ...]
    # What `encode` returned last, and for which group.
    _encoded: tuple[Group, bytes] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not (isinstance(self.publics, tuple) and isinstance(self.commitments, tuple)):
            raise StatementError("public inputs and commitments are immutable tuples")
        self.circuit.check_publics(self.publics)
        if len(self.context) != CONTEXT_BYTES:
            raise StatementError(f"the context is a digest of {CONTEXT_BYTES} bytes")
        if len(self.commitments) != len(self.circuit.lines):
            raise StatementError(
                f"the circuit has {len(self.circuit.lines)} lines, not {len(self.commitments)}"
            )
        if not all(self.commitments):
            raise StatementError("a line commitment is the identity")

    def __getstate__(self) -> dict[str, Any]:
        """Without what was encoded: a group stays in its process."""
        return self.__dict__ | {"_encoded": None}

    def encode(self, group: Group) -> bytes:
        """circuit digest (32) ‖ context (32) ‖ public inputs (8 bytes each) ‖ C_0 ‖ … ‖ C_{L−1}."""
        if self._encoded is not None and self._encoded[0] is group:
            return self._encoded[1]
        lines = [group.encode(point) for point in self.commitments]
        encoded = b"".join(
            (self.circuit.digest, self.context, encode_publics(self.publics), *lines)
        )
        object.__setattr__(self, "_encoded", (group, encoded))
        return encoded


def encode_publics(publics: Sequence[int]) -> bytes:
    """8 bytes each, big-endian."""
    return b"".join([value.to_bytes(PUBLIC_BYTES, "big") for value in publics])


def start_transcript(group: Group, instance: Instance) -> Transcript:
    """A transcript that has absorbed the instance.

    Raises `StatementError` where the group is too small for the circuit's "no wrap-around" (toy
    groups).
    """
    if group.order <= MAX_DEGREE or (
        group.order < MAGNITUDE and instance.circuit.magnitude >= group.order
    ):
        raise StatementError("the group is too small for this circuit")
    transcript = Transcript(group, PROOF)
    transcript.absorb(instance.encode(group))
    return transcript
