"""The walk of docs/audits.md, done as it is written: every command, in its order, in one shell."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tests.support.pages import MISSING, run_shell

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}"),
]

MARK = "-- block"


def shape(text: str) -> str:
    """What is the same each time: without ids, keys, days and instants."""
    text = re.sub(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ| \d\d:\d\d UTC)", "INSTANT", text)
    text = re.sub(r"expires \d{4}-\d\d-\d\d", "expires DAY", text)
    text = re.sub(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b", "ID", text)
    text = re.sub(r"(?<![\w-])[\w-]{43}(?![\w-])", "DIGEST", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def test_the_walk_does_what_the_page_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs/audits.md").read_text(encoding="utf-8")
    steps = re.findall(r"```sh\n(.*?)```\n(?:```text\n(.*?)```)?", page, re.DOTALL)
    script = ""
    for number, (commands, _) in enumerate(steps):
        script += f"echo; echo '{MARK} {number}'\n{commands}"
    _, written = run_shell(script, tmp_path)
    told = re.split(rf"\n?{MARK} \d+\n", written)[1:]
    assert len(told) == len(steps) > 8, written
    for (commands, shown), output in zip(steps, told, strict=True):
        assert shape(output) == shape(shown), commands
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
