"""What an optician's sealed answer holds: judged alike by the auditor and by whoever checks him."""

from __future__ import annotations

from collections.abc import Mapping

from circuits.audit import AuditCase, audit_purpose, unseal_opening
from circuits.claim import Claim
from circuits.opening import LineOpening, RevealedValues, SlotName
from circuits.sealing import RecipientKey
from verifier_api.openings import verify_line_opening
from zk.errors import EncodingError, ProofRejected, StatementError
from zk.generators import Generators

SEAL_REASONS = {
    "seal_invalid": "the seal does not open with the case's key, or for this case",
    "seal_empty": "what was sealed is no opening",
    "opening_incomplete": "the opening does not reveal every value that was asked for",
}
"""Reason codes, stable, beside `verifier_api.openings.OPENING_REASONS`."""


def judge_opening(
    generators: Generators, claim: Claim, case: AuditCase, opening: LineOpening
) -> RevealedValues:
    """What ``opening`` reveals of the line that ``case`` asks about, at least the slots asked for.

    Raises `ProofRejected` with "opening_incomplete" or a key of `OPENING_REASONS`.
    """
    if opening.line != case.line:
        raise ProofRejected("opening_other_line", "the opening is of another line than was asked")
    values = verify_line_opening(generators, claim, opening, audit_purpose(case))
    if not set(case.slots) <= set(opening.revealed):
        raise ProofRejected("opening_incomplete", SEAL_REASONS["opening_incomplete"])
    return values


def open_seal(
    generators: Generators, claim: Claim, case: AuditCase, key: RecipientKey, sealed: str
) -> LineOpening:
    """The opening in a seal, judged.

    ``key`` must be the case's own, and ``sealed`` what the answer names. Raises `ProofRejected`
    with a key of `SEAL_REASONS` or `OPENING_REASONS`: then the optician's answer holds no valid
    opening.
    """
    try:
        opening = unseal_opening(sealed, case, key)
    except (EncodingError, StatementError):
        raise ProofRejected("seal_empty", SEAL_REASONS["seal_empty"]) from None
    judge_opening(generators, claim, case, opening)
    return opening


def differing_slots(
    opening: LineOpening, compared_with: Mapping[SlotName, int]
) -> tuple[SlotName, ...]:
    """The slots whose opened value is not the one of the auditor's papers."""
    return tuple(
        name for name, value in compared_with.items() if opening.revealed.get(name) != value
    )
