"""The real commands, each in a process of its own, in the folder of whoever runs it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zk.backends import SETTING

PACKAGES = {"optician": "optician", "verifier": "verifier_api"}
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Finished:
    """What a command said (JSON, one object a line) and how it ended."""

    line: str  # as it would be typed
    exit_code: int
    output: tuple[Any, ...]
    error: str
    milliseconds: float

    @property
    def facts(self) -> dict[str, Any]:
        """The one JSON object of the output, empty if there was none."""
        return dict(self.output[0]) if self.output else {}


def run_command(folder: Path, name: str, *arguments: str, backend: str | None = None) -> Finished:
    """Run the command ``name`` ("optician", "verifier") in ``folder``; its output is read as JSON.

    ``backend`` chooses the one of the group.
    """
    words = [*arguments, "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if backend:
        environment[SETTING] = backend
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", PACKAGES[name], *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    spent = (time.perf_counter() - start) * 1000
    output = tuple(json.loads(entry) for entry in done.stdout.splitlines() if entry.startswith("{"))
    line = shlex.join([name, *words])
    return Finished(line, done.returncode, output, done.stderr.strip(), spent)
