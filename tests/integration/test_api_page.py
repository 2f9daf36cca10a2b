"""The walk of docs/api.md, done as it is written: every command, in its order, in one shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (shutil.which("bash") and shutil.which("curl")), reason="bash or curl is missing"
    ),
]

PORT = "8765"
MARK = "-- block"


def free_port() -> str:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return str(opened.getsockname()[1])


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
    port = free_port()
    for folder in ("examples", "circuits"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    script = ""
    for number, (commands, _) in enumerate(steps):
        script += f"echo; echo '{MARK} {number}'\n{commands}"
    script = script.replace("verifier serve >", f"verifier serve --port {port} >")
    process = subprocess.Popen(
        ["bash", "-c", script.replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{port}")],
        cwd=tmp_path,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        written, _ = process.communicate(timeout=120)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    told = re.split(rf"\n?{MARK} \d+\n", written)[1:]
    assert len(told) == len(steps) > 10, written
    for (commands, shown), output in zip(steps, told, strict=True):
        assert shape(output.replace(port, PORT)) == shape(shown), commands
    logged = [json.loads(line) for line in (tmp_path / "serve.log").read_text().splitlines()]
    assert {entry["event"] for entry in logged} == {"request"}
