"""Opening one line of a claim in part, from the openings that stayed in the shop."""

from __future__ import annotations

from collections.abc import Sequence

from circuits.canonical import decode_base64url
from circuits.opening import (
    LineOpening,
    bound_purpose,
    line_opening,
    normalise_purpose,
    slots_named,
)
from circuits.slots import SLOTS
from optician.claiming import Openings
from zk.commitment import open_partially, verify_opening
from zk.errors import ProofRejected, StatementError
from zk.generators import Generators


class OpeningsError(StatementError):
    """The openings do not belong to their commitments."""


def open_line(
    openings: Openings,
    line: int,
    reveal: Sequence[str],
    purpose: str,
    generators: Generators,
    *,
    secret: bytes = b"",
) -> LineOpening:
    """Reveal the slots named by ``reveal`` of line number ``line`` (from 1) for ``purpose``.

    ``secret`` hedges the random numbers, which the blinding itself does already. Raises
    `StatementError` for a line or a name that does not exist and for a purpose that is none, its
    kind `OpeningsError` where the openings do not belong to their commitment; no message holds what
    is hidden.
    """
    slots = slots_named(reveal)
    purpose = normalise_purpose(purpose)
    if not 1 <= line <= len(openings.openings):
        raise StatementError(f"line: the claim has lines 1 to {len(openings.openings)}")
    opening, commitment = openings.openings[line - 1], openings.commitments[line - 1]
    try:
        point = generators.group.decode(decode_base64url(commitment))
        verify_opening(generators, point, opening, SLOTS)
    except ProofRejected:
        raise OpeningsError(f"openings: line {line} does not open its commitment") from None
    partial = open_partially(
        generators,
        opening,
        slots,
        bound_purpose(openings.claim_id, line, purpose),
        secret=secret,
    )
    return line_opening(openings.claim_id, line, commitment, purpose, partial)
