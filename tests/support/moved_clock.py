"""A wall clock that a test can move, for processes that the test starts.

A file holds how many seconds the wall clock of a process is ahead of the machine's (behind it, if
negative). `install`, called before anything else is imported, makes `datetime.now`, `time.time` and
`time.time_ns` read it each time; clocks that only go on (monotonic, boot time) are the machine's.
Nothing in the project knows of it.
"""

from __future__ import annotations

import copyreg
import datetime as datetime_module
import os
import time as time_module
from datetime import UTC, timedelta, tzinfo
from datetime import datetime as real
from pathlib import Path
from typing import Any

_machine_time = time_module.time


class WallClock:
    """The test's side: one clock, which any number of processes may read."""

    def __init__(self, file: Path) -> None:
        """``file`` is made; the clock agrees with the machine's."""
        self.file = file
        self.ahead = timedelta()
        self._write()

    def move(self, **time: float) -> None:
        """Forward by so much, or back: arguments as of `timedelta`."""
        self.ahead += timedelta(**time)
        self._write()

    def now(self) -> real:
        """What it shows, UTC."""
        return real.now(UTC) + self.ahead

    def _write(self) -> None:
        fresh = self.file.with_name(f".{self.file.name}")
        fresh.write_text(repr(self.ahead.total_seconds()))
        os.replace(fresh, self.file)  # a reader never sees half of it


_files: list[Path] = []


def install(file: Path | None) -> None:
    """Make this process live by the clock in ``file``, or for now by the machine's. Before other
    imports: a module that has `datetime` already keeps the machine's. Called again, in a fork of
    it, it goes by another file."""
    is_first = time_module.time is _machine_time
    _files[:] = [] if file is None else [file]
    if not is_first:
        return

    def ahead() -> float:
        return float(_files[0].read_text()) if _files else 0.0

    def moved_time() -> float:
        return _machine_time() + ahead()

    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real)

        def __subclasscheck__(cls, kind: type) -> bool:
            return issubclass(kind, real)

    class Moved(real, metaclass=Meta):
        """Stands for `datetime`, whose instances it makes."""

        __slots__ = ()  # compiled modules know how large a `datetime` is

        def __new__(cls, *arguments: Any, **named: Any) -> Any:
            return real(*arguments, **named)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return real.fromtimestamp(moved_time(), tz)

    for name in ("fromtimestamp", "fromisoformat", "strptime", "combine", "fromordinal"):
        setattr(Moved, name, getattr(real, name))
    datetime_module.datetime = Moved  # type: ignore[misc]
    # By its name an instance's class would not be found again, which stands for another now.
    copyreg.pickle(real, lambda instant: (_unpickle, (instant.isoformat(),)))
    time_module.time = moved_time
    time_module.time_ns = lambda: int(moved_time() * 1e9)


def _unpickle(text: str) -> real:
    return real.fromisoformat(text)
