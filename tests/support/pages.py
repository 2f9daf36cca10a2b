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

MISSING = [name for name in ("bash", "curl") if not shutil.which(name)]


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def run_shell(script: str, folder: Path, seconds: float = 120) -> tuple[int, str]:
    """Exit code and output of ``script`` in bash, in a folder that has examples and tables.

    The service listens on a free port in place of `PORT`; the output has `PORT` again. Whatever the
    script leaves running is ended.
    """
    port = free_port()
    for name in ("examples", "circuits"):
        (folder / name).symlink_to(ROOT / name, target_is_directory=True)
    script = script.replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{port}")
    script = re.sub(r"^verifier serve\b", f"verifier serve --port {port}", script, flags=re.M)
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
    return code, output.read_text(encoding="utf-8").replace(f":{port}", f":{PORT}")
