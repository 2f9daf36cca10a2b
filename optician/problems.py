"""What the refusals of a service mean to the optician, by their codes and reasons."""

from __future__ import annotations

import re
from collections.abc import Sequence

from optician.messages import (
    ATTESTATION_PROBLEMS,
    ATTESTER_PROBLEMS,
    AUDIT_PROBLEMS,
    NOTICE_PROBLEMS,
    PROBLEMS,
)

_BY_REASON = {
    "notice_refused": NOTICE_PROBLEMS,
    "attestation_refused": ATTESTATION_PROBLEMS,
    "audit_refused": AUDIT_PROBLEMS,
}
_NUMBERED = re.compile(r"(line|attestation)s\.([0-9]{1,3})", re.ASCII)


def meaning_of(
    code: str, reason: str | None, *, is_attester: bool = False
) -> tuple[str, str] | None:
    """What a problem means, in English and French; None for one that a newer service has.

    ``is_attester``: an attester said so, not the insurer.
    """
    by_reason = _BY_REASON.get(code, {})
    if reason in by_reason:
        return by_reason[reason]
    if is_attester and code in ATTESTER_PROBLEMS:
        return ATTESTER_PROBLEMS[code]
    return PROBLEMS.get(code)


def numbered(places: Sequence[str], line: str, attestation: str) -> str:
    """The lines or attestations among the places at fault, counted from 1 as people do, with the
    words for either."""
    words = {"line": line, "attestation": attestation}
    found = [place for text in places if (place := _NUMBERED.fullmatch(text))]
    return ", ".join(f"{words[place[1]]} {int(place[2]) + 1}" for place in found)
