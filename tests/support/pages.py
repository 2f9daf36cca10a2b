"""The commands that a page shows, run as they are written."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.commands import ROOT

PORT = 8765
"""Of the service in every page."""

ATTESTER_PORT = 8766

MARK = "-- block"

MISSING = [name for name in ("bash", "curl") if not shutil.which(name)]


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def run_shell(script: str, folder: Path, seconds: float = 120) -> tuple[int, str]:
    """Exit code and output of ``script`` in bash, in a folder that has examples and tables.

    The services listen on free ports in place of `PORT` and `ATTESTER_PORT`; the output has these
    again. Whatever the script leaves running is ended.
    """
    ports = {PORT: free_port(), ATTESTER_PORT: free_port()}
    for name in ("examples", "circuits"):
        (folder / name).symlink_to(ROOT / name, target_is_directory=True)
    for shown, port in ports.items():
        script = script.replace(f"127.0.0.1:{shown}", f"127.0.0.1:{port}")
    for command, shown in (("verifier serve", PORT), ("verifier attester serve", ATTESTER_PORT)):
        script = re.sub(rf"^{command}\b", f"{command} --port {ports[shown]}", script, flags=re.M)
    search = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    output = folder / "shell.out"
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env={"PATH": ":".join(search), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):  # nothing is left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    written = output.read_text(encoding="utf-8")
    for shown, port in ports.items():
        written = written.replace(f":{port}", f":{shown}")
    return code, written


def shape(text: str) -> str:
    """What is the same each time: without ids, keys, days and instants."""
    text = re.sub(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ| \d\d:\d\d UTC)", "INSTANT", text)
    text = re.sub(r"expires \d{4}-\d\d-\d\d", "expires DAY", text)
    text = re.sub(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b", "ID", text)
    text = re.sub(r"(?<![\w-])[\w-]{43}(?![\w-])", "DIGEST", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def require_walk(page: Path, folder: Path, least: int) -> None:
    """The commands of a page, at least so many blocks, do in one shell what it shows of them."""
    text = page.read_text(encoding="utf-8")
    steps = re.findall(r"```sh\n(.*?)```\n(?:```text\n(.*?)```)?", text, re.DOTALL)
    script = ""
    for number, (commands, _) in enumerate(steps):
        script += f"echo; echo '{MARK} {number}'\n{commands}"
    _, written = run_shell(script, folder)
    told = re.split(rf"\n?{MARK} \d+\n", written)[1:]
    assert len(told) == len(steps) >= least, written
    for (commands, shown), output in zip(steps, told, strict=True):
        assert shape(output) == shape(shown), commands
