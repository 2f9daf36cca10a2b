"""The judgement of a partial opening: an auditor's, against the claim that the insurer stored, and
an attester's, who has no claim, against the commitment that the opening names."""

from __future__ import annotations

from circuits.canonical import decode_base64url
from circuits.claim import Claim
from circuits.opening import (
    LineOpening,
    RevealedValues,
    bound_purpose,
    decode_revealed,
    normalise_purpose,
)
from zk.commitment import verify_partial_opening
from zk.errors import EncodingError, ProofRejected, StatementError
from zk.generators import Generators

OPENING_REASONS = {
    "opening_other_claim": "the opening is of another claim",
    "opening_other_line": "the opening is of another line or commitment than the claim has",
    "opening_other_purpose": "the opening was made for another purpose",
    "opening_malformed": "the proof is not canonically encoded for what is revealed",
    "opening_invalid": "the revealed values are not those that the claim commits to",
    "opening_meaningless": "a revealed value is no code, price, date or correction",
}
"""Reason codes, stable, with what they mean."""


def verify_line_opening(
    generators: Generators, claim: Claim, opening: LineOpening, purpose: str
) -> RevealedValues:
    """What ``opening`` reveals of a line of ``claim``, for the ``purpose`` that was asked.

    Raises `ProofRejected` with a key of `OPENING_REASONS`, and `StatementError` if ``purpose`` is
    none. ``claim`` must be one that was accepted: its proof is not looked at again.
    """
    asked = normalise_purpose(purpose)
    if opening.claim_id != claim.claim_id:
        raise _rejected("opening_other_claim")
    if opening.line > len(claim.lines):
        raise _rejected("opening_other_line")
    commitment = claim.lines[opening.line - 1].commitment
    if opening.commitment != commitment:
        raise _rejected("opening_other_line")
    return _verified(generators, opening, asked)


def verify_opening_of_its_commitment(
    generators: Generators, opening: LineOpening, purpose: str
) -> RevealedValues:
    """The same for the commitment that ``opening`` itself names, of the claim and line that it
    names: whether there is such a claim is for others to know.

    Raises `ProofRejected` with one of the last four keys of `OPENING_REASONS`, and `StatementError`
    if ``purpose`` is none.
    """
    return _verified(generators, opening, normalise_purpose(purpose))


def _verified(generators: Generators, opening: LineOpening, asked: str) -> RevealedValues:
    """What an opening reveals whose claim, line and commitment are the ones that are meant."""
    if opening.purpose != asked:
        raise _rejected("opening_other_purpose")
    try:
        point = generators.group.decode(decode_base64url(opening.commitment))
        bound = bound_purpose(opening.claim_id, opening.line, asked)
        verify_partial_opening(generators, point, opening.partial_opening(), bound)
    except EncodingError as error:
        raise ProofRejected("opening_malformed", str(error)) from None
    except ProofRejected:
        raise _rejected("opening_invalid") from None
    try:
        return decode_revealed(opening)
    except StatementError as error:
        raise ProofRejected("opening_meaningless", str(error)) from None


def _rejected(reason: str) -> ProofRejected:
    return ProofRejected(reason, OPENING_REASONS[reason])
