"""A peer's process and the protocol it speaks.

One JSON object a line on standard input, exactly one a line on standard output for each:

    {"do": "versions"}             {"versions": {…}, "threads": K}, or {"missing": "why"}
    {"do": "setup"}                {"seconds", "setup": one of `SETUPS`, "forgeable",
                                    "proving_key_bytes", "verifying_key_bytes", "constraints",
                                    "notes"}; what is made goes to the work folder
    {"do": "load"}                 {"seconds"}: what set-up and proving wrote is read again
    {"do": "prove", "index": i}    {"seconds", "proof_bytes", "public_bytes"}
    {"do": "verify", "index": i}   {"seconds", "accepted"}
    {"do": "batch", "indices": …}  {"seconds", "accepted"}, or {"missing": "why"}
    {"do": "reject", "index": i}   {"rejected"}: proof i with other commitments
    {"do": "dishonest", "index": i} {"rejected"}: a witness that breaks the statement
    {"do": "stop"}                 ends it, as does the end of the input

Seconds are those of the work alone, by the program's own clock. {"error": "text"} answers whatever
fails. Between questions a process is stopped (SIGSTOP): what others do at that time is not
disturbed by it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.load import family
from bench.peers.building import presentable
from bench.peers.systems import PeerError

LIMITS = {  # seconds
    "versions": 60.0,
    "setup": 1200.0,
    "load": 300.0,
    "prove": 300.0,
    "verify": 120.0,
    "batch": 600.0,
    "reject": 120.0,
    "dishonest": 600.0,
}
PATIENCE = 5.0  # seconds that a process has to end
LONGEST_ANSWER = 1 << 20  # bytes
STDERR = "stderr.txt"
SETUPS = ("none", "circuit", "universal")


def number(answer: dict[str, Any], name: str) -> float:
    """A field that is a finite number of at least 0; raises `PeerError` else."""
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PeerError(f"answered without {name}")
    if not (math.isfinite(value) and value >= 0):
        raise PeerError(f"answered {name} that is no number of at least 0")
    return float(value)


def truth(answer: dict[str, Any], name: str) -> bool:
    """A field that is true or false; raises `PeerError` else."""
    value = answer.get(name)
    if not isinstance(value, bool):
        raise PeerError(f"answered without {name}")
    return value


class PeerProcess:
    """The process of one system, started by the constructor.

    Raises `PeerError` if it cannot be started.
    """

    def __init__(self, run: Sequence[str], folder: Path, work: Path) -> None:
        self._work = work
        self._rest = b""
        command = [sys.executable if part == "{python}" else part for part in run]
        with (work / STDERR).open("ab") as errors:
            try:
                self._process = subprocess.Popen(
                    [*command, str(work)],
                    cwd=folder,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    bufsize=0,
                    start_new_session=True,
                )
            except OSError as error:
                raise PeerError(f"{run[0]} cannot be started: {error.strerror}") from None

    def __enter__(self) -> PeerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _signal(self, number_: int) -> None:
        # Its own group, which it was started as the leader of.
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number_)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The process runs inside, and is stopped outside."""
        self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._signal(signal.SIGSTOP)

    def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        """One question, one answer. The process is stopped again afterwards, unless inside
        `running`, where it is to be asked by `ask_running`."""
        with self.running():
            return self.ask_running(verb, **fields)

    def ask_running(self, verb: str, **fields: Any) -> dict[str, Any]:
        """The same inside `running`.

        Raises `PeerError` if it ends, takes too long, answers with an error or with something that
        is no answer, or tells of more seconds than have passed.
        """
        start = time.monotonic()
        line = json.dumps({"do": verb} | fields).encode() + b"\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
        except (BrokenPipeError, ConnectionResetError):
            raise self._ended(verb) from None
        text = self._line(verb, start + LIMITS[verb])
        elapsed = time.monotonic() - start
        try:
            answer = json.loads(text)
        except ValueError:
            raise PeerError(f"{verb}: the answer is not JSON") from None
        if not isinstance(answer, dict):
            raise PeerError(f"{verb}: the answer is no object")
        if "error" in answer:
            raise PeerError(f"{verb}: {presentable(str(answer['error']))}")
        if "seconds" in answer and number(answer, "seconds") > elapsed:
            raise PeerError(f"{verb}: tells of more seconds than have passed")
        return answer

    def _line(self, verb: str, deadline: float) -> bytes:
        assert self._process.stdout is not None
        stdout = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            ready = select.select([stdout], [], [], max(0.0, left))[0]
            if not ready:
                self.kill()
                raise PeerError(f"{verb}: no answer within {LIMITS[verb]:g} s")
            data = os.read(stdout, 1 << 16)
            if not data:
                raise self._ended(verb)
            self._rest += data
            if len(self._rest) > LONGEST_ANSWER:
                self.kill()
                raise PeerError(f"{verb}: the answer has no end")
        line, _, self._rest = self._rest.partition(b"\n")
        if self._rest:
            raise PeerError(f"{verb}: more than one line was answered")
        return line

    def _ended(self, verb: str) -> PeerError:
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return PeerError(f"{verb}: the process closed its output")
        told = (self._work / STDERR).read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(told) if line.strip()), "no message")
        return PeerError(f"{verb}: the process ended with {code}: {presentable(last)}")

    def peak_bytes(self) -> int:
        """Largest resident sets of the process and all it started, added; 0 where the kernel does
        not tell."""
        return sum(_high_water(pid) for pid in family(self._process.pid))

    def state(self) -> str:
        """The kernel's letter for what the process does: "T" is stopped."""
        told = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii", errors="replace")
        return told.rpartition(")")[2].split()[0]

    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End it and all it started, at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Ask it to stop, and end it if it does not within a few seconds."""
        self._signal(signal.SIGCONT)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(b'{"do": "stop"}\n')
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process.stdout.close()


def _high_water(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    kibibytes = (line.split()[1] for line in lines.splitlines() if line.startswith("VmHWM"))
    return int(next(kibibytes, "0")) * 1024
