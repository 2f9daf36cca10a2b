"""The walk of docs/attestations.md, done as it is written; its reasons are those that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from optician.messages import ATTESTATION_PROBLEMS
from tests.support.commands import ROOT
from tests.support.pages import MISSING, require_walk

PAGE = ROOT / "docs/attestations.md"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}"),
]


def test_the_walk_does_what_the_page_shows(tmp_path: Path) -> None:
    require_walk(PAGE, tmp_path, 8)
    # What is refused leaves no file, and no code goes to the insurer's log or the attester's.
    assert (tmp_path / "attestation-1.json").exists()
    assert not (tmp_path / "attestation-2.json").exists()
    for name in ("serve.log", "attester.log", "ledger.db", "attestation-1.json"):
        content = (tmp_path / name).read_bytes()
        assert content
        assert not [code for code in (b"7220710", b"7243668") if code in content]


def test_every_reason_of_the_page_is_one_that_the_optician_may_meet() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(named) > 10
    assert not [name for name in named if name not in ATTESTATION_PROBLEMS]
