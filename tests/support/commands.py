"""The console commands: as processes of their own, and inside the test's process where speed
counts."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from optician.cli import main as optician_main
from verifier_api.cli import main as verifier_main

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
MAINS: dict[str, Callable[[], None]] = {"optician": optician_main, "verifier_api": verifier_main}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.stdout.decode()

    @property
    def err(self) -> str:
        """Standard error as text."""
        return self.stderr.decode()


def run_process(
    module: str,
    *arguments: str | Path,
    cwd: Path,
    stdin: bytes = b"",
    environment: dict[str, str] | None = None,
) -> Done:
    """``python -m module arguments`` in ``cwd``: ``optician`` or ``verifier_api``."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", **(environment or {})},
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Console:
    """Runs the commands' entry points in this process, in one folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self.folder = folder
        monkeypatch.chdir(folder)
        monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def run(self, module: str, *arguments: str | Path, stdin: bytes = b"") -> Done:
        """The same as `run_process`."""
        buffers = [io.BytesIO(), io.BytesIO()]
        streams = [io.TextIOWrapper(buffer, encoding="utf-8") for buffer in buffers]
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "argv", [module, *map(str, arguments)])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            with pytest.raises(SystemExit) as stop:
                MAINS[module]()
        for stream in streams:
            stream.flush()
        code = stop.value.code
        failed = code if isinstance(code, int) else int(code is not None)
        return Done(failed, *(buffer.getvalue() for buffer in buffers))

    def optician(self, *arguments: str | Path, stdin: bytes = b"") -> Done:
        """The optician's command."""
        return self.run("optician", *arguments, stdin=stdin)

    def verifier(self, *arguments: str | Path, stdin: bytes = b"") -> Done:
        """The insurer's command."""
        return self.run("verifier_api", *arguments, stdin=stdin)
