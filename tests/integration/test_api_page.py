"""The walk of docs/api.md, done as it is written: every command, in its order, in one shell."""

from __future__ import annotations

import json
import re
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
    """What is the same each time: without ids, digests, tokens, instants and sizes."""
    text = re.sub(r"co_[0-9a-f]{16}_\S+?(?=[\"\s]|$)", "TOKEN", text, flags=re.MULTILINE)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "INSTANT", text)
    text = re.sub(r"expires \d{4}-\d\d-\d\d", "expires DAY", text)
    text = re.sub(r"(?m)^date: .*", "date: DAY", text)
    text = re.sub(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b", "ID", text)
    text = re.sub(r"(?<![\w-])[\w-]{43,44}(?![\w-])", "DIGEST", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def test_the_walk_does_what_the_page_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    walk = page.split("## A walk\n")[1].split("\n## ")[0]
    steps = re.findall(r"```sh\n(.*?)```\n(?:```text\n(.*?)```)?", walk, re.DOTALL)
    script = ""
    for number, (commands, _) in enumerate(steps):
        script += f"echo; echo '{MARK} {number}'\n{commands}"
    _, written = run_shell(script, tmp_path)
    told = re.split(rf"\n?{MARK} \d+\n", written)[1:]
    assert len(told) == len(steps) > 10, written
    for (commands, shown), output in zip(steps, told, strict=True):
        assert shape(output) == shape(shown), commands
    logged = [json.loads(line) for line in (tmp_path / "serve.log").read_text().splitlines()]
    assert {entry["event"] for entry in logged} == {"request"}
