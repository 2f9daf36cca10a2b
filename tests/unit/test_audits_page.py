"""docs/audits.md names every point by which evidence is judged, and every reason."""

from __future__ import annotations

import re
from pathlib import Path

from circuits.audit import OUTCOME_OF
from verifier_api.evidence.check import EVIDENCE_REASONS, POINTS
from verifier_api.evidence.seals import SEAL_REASONS


def test_the_page_has_the_points_in_their_order_and_every_reason(repository: Path) -> None:
    page = (repository / "docs/audits.md").read_text(encoding="utf-8")
    judged = page.partition("## How evidence is judged")[2]
    assert tuple(re.findall(r"^\| `(\w+)` \|", judged, re.MULTILINE)) == POINTS
    named = set(re.findall(r"`([a-z_]+)`", judged))
    # Of a seal there is but one reason that a point has; the others are what is to be shown.
    assert named >= EVIDENCE_REASONS.keys() | {"opening_incomplete"}
    assert "opening_incomplete" in SEAL_REASONS
    assert named >= OUTCOME_OF.keys() | set(OUTCOME_OF.values())
