"""The walk of docs/audits.md, done as it is written: every command, in its order, in one shell."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tests.support.pages import MISSING, require_walk

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}"),
]


def test_the_walk_does_what_the_page_shows(tmp_path: Path) -> None:
    require_walk(ROOT / "docs/audits.md", tmp_path, 9)
    # What the walk opened is where the page says that it is, and nowhere else.
    sale = json.loads((ROOT / "examples/sales/progressive-over-ceiling.json").read_bytes())
    code = str(sale["right_lens"]["code"]).encode()
    found = {
        path.relative_to(tmp_path).parts[0]
        for path in tmp_path.rglob("*")
        if path.is_file() and not path.is_symlink() and code in path.read_bytes()
    }
    # The database has the public table, and so every code.
    assert found - {"examples", "circuits", "clairobscur-data"} == {
        *("openings.json", "papers.json", "evidence.json"),
        "shell.out",  # of `auditor show`
    }
    assert stat.S_IMODE((tmp_path / "evidence.json").stat().st_mode) == 0o600
