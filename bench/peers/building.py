"""Building peers, each in a copy of its folder under ``build/peers/``.

A copy is built anew only when its folder's content has changed. What the tools keep there (compiled
dependencies, installed packages) stays from one build to the next.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.machine import ROOT
from bench.peers.systems import Peer, PeerError

COPIES = ROOT / "build" / "peers"
STAMP = ".built"
LOG = "build.log"
LONGEST_SECONDS = 1800
"""Of one command of a build."""
MADE = frozenset({"target", "node_modules", ".venv", "__pycache__"})
"""What tools make in a folder: not copied, and left alone in a copy."""
LONGEST_REASON = 160


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not MADE & set(path.relative_to(folder).parts):
            yield path


def content_hash(folder: Path) -> str:
    """SHA-256 over names, modes and bytes of a folder's files, in hexadecimal."""
    state = hashlib.sha256()
    for path in _files(folder):
        data = path.read_bytes()
        name = str(path.relative_to(folder)).encode()
        mode = path.stat().st_mode & 0o777
        state.update(b"%d %d %d " % (len(name), mode, len(data)) + name + data)
    return state.hexdigest()


def presentable(text: str, longest: int = LONGEST_REASON) -> str:
    """A foreign message as one short line that names no path of this machine and no address."""
    text = re.sub(r"\w+://[^\s'\"]+", "…", text)
    text = re.sub(r"(?<![\w.])/(?:[\w.+@-]+/)+", "…/", text)
    text = " ".join(text.replace("|", "/").split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line.strip() for line in lines if line.strip()]
    # Tools say what was wrong first and give advice afterwards.
    errors = [line for line in told if re.match(r"(?i)(npm )?err(or)?\b", line)]
    return presentable((errors or told or ["no message"])[0 if errors else -1])


def _run(command: Sequence[str], folder: Path, seconds: float) -> None:
    with (folder / LOG).open("ab") as log:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise PeerError(f"{command[0]} cannot be started: {error.strerror}") from None
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise PeerError(f"`{command[0]}` took longer than {seconds:.0f} s to build") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code:
        raise PeerError(f"`{' '.join(command[:2])}` failed: {_last_line(folder / LOG)}")


def _renew(peer: Peer, copy: Path) -> None:
    """The copy with exactly the folder's files, and what tools made."""
    copy.mkdir(parents=True, exist_ok=True)
    for path in copy.iterdir():
        if path.name not in MADE:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    for path in _files(peer.folder):
        place = copy / path.relative_to(peer.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)


def build(peer: Peer, copies: Path = COPIES, seconds: float = LONGEST_SECONDS) -> Path:
    """The folder to start the peer's programs in, built if need be.

    Raises `PeerError` with the reason if a program that is needed is not installed, a command
    fails, or one takes longer than ``seconds``.
    """
    if peer.in_project:
        return ROOT
    for program in peer.needs:
        if shutil.which(program) is None:
            raise PeerError(f"{program} is not installed")
    copy, stamp = copies / peer.name, content_hash(peer.folder)
    if (copy / STAMP).is_file() and (copy / STAMP).read_text(encoding="ascii") == stamp:
        return copy
    _renew(peer, copy)
    commands: list[Sequence[str]] = list(peer.build)
    if peer.pip:
        venv = [sys.executable, "-m", "venv", "--clear", ".venv"]
        install = [".venv/bin/pip", "install", "--quiet", "--no-input"]
        commands = [venv, [*install, "--disable-pip-version-check", *peer.pip], *commands]
    deadline = time.monotonic() + seconds
    for command in commands:
        _run(command, copy, max(1.0, deadline - time.monotonic()))
    (copy / STAMP).write_text(stamp, encoding="ascii")
    return copy
