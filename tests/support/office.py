"""Somebody's office: a folder, and a process of its own in it that runs his commands.

Loading a command takes long, so one process has loaded all of them (the *building*, one for every
process that runs tests); an office is a fork of it, and forks for each command. So a command takes
milliseconds to start, is a process of its own as well, and can be killed without harm to the
office. A service can be started in the same way, and then runs on. `Office` is the test's side; the
module itself is the building, which is told on its standard input what offices to make:

    python -m tests.support.office
"""

from __future__ import annotations

import atexit
import base64
import ctypes
import gc
import importlib
import io
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.commands import ROOT, Done
from tests.support.ending import ending_with_us
from tests.support.launcher import prepare, set_sweep
from tests.support.moved_clock import WallClock
from tests.support.traps import Trap

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG

START_SECONDS = 60
COMMAND_SECONDS = 120

KILLED = -signal.SIGKILL
"""Exit code of a command that stepped into a trap."""


def told(end: Done, code: int = 0) -> Any:
    """What a command with ``--json`` tells, which must have ended with that exit code."""
    assert end.code == code, f"exit code {end.code}: {end.err}{end.out[-500:]}"
    return json.loads((end.out or end.err).splitlines()[-1])


class _Building:
    """The process that has loaded everything."""

    def __init__(self) -> None:
        outside = {
            name: value for name, value in os.environ.items() if not name.startswith("CLAIROBSCUR_")
        }
        self._process = subprocess.Popen(
            [*ending_with_us("KILL"), sys.executable, "-m", "tests.support.office"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
            env={**outside, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        )

    def make_office(self, **office: str) -> socket.socket:
        """A fresh office; the connection to it."""
        assert self._process.stdin is not None
        with tempfile.TemporaryDirectory(prefix="office-") as folder:
            path = f"{folder}/socket"
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(path)
                listening.listen(1)
                listening.settimeout(START_SECONDS)
                order = json.dumps({"address": path, **office})
                self._process.stdin.write(order.encode() + b"\n")
                self._process.stdin.flush()
                connection, _ = listening.accept()
        connection.settimeout(COMMAND_SECONDS)
        return connection

    def close(self) -> None:
        """End it, and all offices."""
        self._process.kill()
        self._process.communicate()


@cache
def _building() -> _Building:
    made = _Building()
    atexit.register(made.close)
    return made


class Office:
    """See module docstring. To be closed."""

    def __init__(
        self, folder: Path, module: str, clock: WallClock | None = None, trap: Trap | None = None
    ) -> None:
        """``module`` is ``optician`` or ``verifier_api``; the folder is made, if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.outputs: list[tuple[str, bytes]] = []
        self._turn = threading.Lock()
        self._clock = str(clock.file) if clock else "-"
        self._connection = _building().make_office(
            folder=str(folder),
            module=module,
            clock=self._clock,
            trap=str(trap.file) if trap else "-",
        )
        self._answers = self._connection.makefile("rb")

    def run(self, *arguments: str | Path, stdin: bytes = b"", folder: Path | None = None) -> Done:
        """One command, in another folder than the office's if one is given; what it wrote is kept
        in ``outputs`` too."""
        words = [str(word) for word in arguments]
        said = self.order(
            run=words,
            stdin=base64.b64encode(stdin).decode(),
            folder=str(folder or self.folder),
        )
        streams = [base64.b64decode(said[name]) for name in ("stdout", "stderr")]
        self.outputs += [
            (f"{' '.join(words[:2])}: {name}", data)
            for name, data in zip(("stdout", "stderr"), streams, strict=True)
        ]
        return Done(said["code"], *streams)

    def start(
        self,
        *arguments: str,
        folder: Path,
        streams: tuple[Path, Path],
        environment: dict[str, str],
        trap: Trap,
        sweep: str = "-",
    ) -> Forked:
        """A service: a command that runs on, with its output and its log in the files
        ``streams``."""
        said = self.order(
            start=list(arguments),
            folder=str(folder),
            streams=[str(path) for path in streams],
            environment=environment,
            clock=self._clock,
            trap=str(trap.file),
            sweep=sweep,
        )
        return Forked(self, said["pid"])

    def order(self, **order: Any) -> Any:
        """What the process answers to an order; threads take turns."""
        with self._turn:
            self._connection.sendall(json.dumps(order).encode() + b"\n")
            line = self._answers.readline()
        assert line, "the office has ended"
        return json.loads(line)

    def done(
        self,
        *arguments: str | Path,
        code: int = 0,
        stdin: bytes = b"",
        folder: Path | None = None,
    ) -> Any:
        """`run` with ``--json``, which must end with that exit code: what it tells."""
        return told(self.run(*arguments, "--json", stdin=stdin, folder=folder), code)

    def read(self, name: str) -> bytes:
        """A file of the folder."""
        return (self.folder / name).read_bytes()

    def json(self, name: str) -> Any:
        """The same as JSON."""
        return json.loads(self.read(name))

    def close(self) -> None:
        """End the process, and services that it has started."""
        self._answers.close()
        self._connection.close()


class Forked:
    """A service that an office has started: what tests need of `subprocess.Popen`."""

    def __init__(self, office: Office, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._office = office
        self._turn = threading.Lock()

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        with self._turn:  # a process can be asked once how it ended
            if self.returncode is None:
                self.returncode = self._office.order(reap=self.pid)["code"]
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises `subprocess.TimeoutExpired` after so many seconds."""
        end = time.monotonic() + (3600 if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("service", timeout or 0)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """A signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


# -- the processes ------------------------------------------------------------------------------


def main() -> None:
    """See module docstring."""
    prepare("-", "-")
    _load()
    gc.collect()
    gc.freeze()  # forks need not look through what is there already
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how an office ended
    for line in sys.stdin.buffer:
        if os.fork() == 0:
            try:
                _serve(**json.loads(line))
            finally:
                os._exit(0)


def _load() -> None:
    """What every command would load again: modules of ours, generators, the table."""
    left_out = ("__main__", ".bulk", ".lpp", ".migrations")
    for name in ("optician", "verifier_api", "console", "circuits"):
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not any(part in found.name for part in left_out):
                importlib.import_module(found.name)
    from tests.support import claims

    # Generators with their tables, and circuits.
    sale = claims.sample_sale("line")
    claim, openings = claims.claim_of(sale)
    assert claims.judge().judge(claim).is_accepted
    from optician.opening_file import open_line

    open_line(openings, 1, ["code", "price"], "warming up", claims.generators())


def _serve(address: str, folder: str, module: str, clock: str, trap: str) -> None:
    """An office's own process."""
    _end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(folder)
    prepare(clock, trap)
    command = importlib.import_module(f"{module}.cli").main
    with _connect(address) as connection, connection.makefile("rb") as orders:
        for line in orders:
            order = json.loads(line)
            if "run" in order:
                said = _run(command, [module, *order["run"]], order)
            elif "start" in order:
                said = {"pid": _start(command, [module, *order["start"]], order)}
            else:
                pid, status = os.waitpid(order["reap"], os.WNOHANG)
                said = {"code": os.waitstatus_to_exitcode(status) if pid else None}
            connection.sendall(json.dumps(said).encode() + b"\n")


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


def _run(command: Any, arguments: Sequence[str], order: dict[str, Any]) -> dict[str, Any]:
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(base64.b64decode(order["stdin"]))
        given.seek(0)
        child = _fork(command, arguments, [given, out, err], order["folder"])
        _, status = os.waitpid(child, 0)
        said: dict[str, Any] = {"code": os.waitstatus_to_exitcode(status)}
        for name, stream in (("stdout", out), ("stderr", err)):
            stream.seek(0)
            said[name] = base64.b64encode(stream.read()).decode()
    return said


def _start(command: Any, arguments: Sequence[str], order: dict[str, Any]) -> int:
    """The id of the process, which ends with this one."""
    out, err = order["streams"]

    def act() -> None:
        os.environ.update(order["environment"])
        prepare(order["clock"], order["trap"])
        set_sweep(order["sweep"])
        # Its workers are to start as those of a process that runs a command of ours.
        main_module = sys.modules["__main__"]
        main_module.__spec__ = None
        del main_module.__file__
        try:
            command()
        finally:
            atexit._run_exitfuncs()  # what its pool of workers has to tidy up

    with open(os.devnull, "rb") as given, open(out, "wb") as stdout, open(err, "wb") as stderr:
        return _fork(act, arguments, [given, stdout, stderr], order["folder"])


def _fork(command: Any, arguments: Sequence[str], streams: Sequence[Any], folder: str) -> int:
    """The id of the process that runs the command."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        _end_with_parent()
        os.chdir(folder)
        for number, stream in enumerate(streams):
            os.dup2(stream.fileno(), number)
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8")
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8")
        sys.argv = list(arguments)
        try:
            command()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
    return child


if __name__ == "__main__":
    main()
