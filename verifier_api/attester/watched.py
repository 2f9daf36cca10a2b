"""A file that others write while we run: read again when it changes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from zk.errors import EncodingError, ZkError

Said = TypeVar("Said")
Tell = Callable[[str], None]
"""Is told what is wrong with a file, without content."""

_State = tuple[int, int, int, int]


class Watched(Generic[Said]):
    """What ``parse`` makes of a file of at most ``max_bytes``; ``what`` names it in messages.

    A file that can no longer be read, or has become bad, changes nothing: what it said last stands,
    ``fault`` says what is wrong, and ``tell`` is told once. Safe for several threads.
    """

    def __init__(
        self,
        path: str,
        max_bytes: int,
        parse: Callable[[bytes], Said],
        what: str,
        tell: Tell = lambda _: None,
    ) -> None:
        """Reads the file. Raises `OSError`, or whatever ``parse`` refuses it with."""
        self._path = path
        self._max_bytes = max_bytes
        self._parse = parse
        self._what = what
        self._tell = tell
        self._lock = threading.Lock()
        self.fault: str | None = None
        self._state = _state_of(path)
        self._said = self._read()

    def __repr__(self) -> str:
        return f"Watched({self._what!r})"

    def current(self) -> Said:
        """What the file says now, or said when it was last good."""
        with self._lock:
            try:
                # Before reading: a file that changes meanwhile is read again next time.
                state = _state_of(self._path)
                if state != self._state:
                    self._state = state
                    self._said = self._read()
                    self.fault = None
            except OSError as error:
                self._state = _NONE
                self._blame(f"{self._what}: {error.strerror or 'cannot be read'}")
            except ZkError as error:
                self._blame(str(error))
            return self._said

    def _read(self) -> Said:
        with open(self._path, "rb") as file:
            data = file.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            raise EncodingError(f"{self._what}: more than the {self._max_bytes} bytes allowed")
        return self._parse(data)

    def _blame(self, fault: str) -> None:
        if fault != self.fault:
            self.fault = fault
            self._tell(fault)


_NONE: _State = (-1, -1, -1, -1)


def _state_of(path: str) -> _State:
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
