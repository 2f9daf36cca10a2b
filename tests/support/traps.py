"""Traps: a process kills itself (SIGKILL) at a place that the test has named, once.

A place is one of

    commit before TABLE   about to commit a transaction that wrote to the table
    commit after TABLE    such a transaction is durable, and nobody has been told
    call before PATH      about to send an HTTP request whose method and path hold the text
    call after PATH       its answer has come, and nothing has been done with it
    file before NAME      about to give a file of that name its place, or to remove it
    file after NAME       it has its place, or is gone

`Trap` is the test's side; `install` makes this process step into it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Trap:
    """A file that names a place, or is not there. Any number of processes may share it: the first
    one that comes by is killed, and the trap is gone."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def set(self, place: str) -> None:
        """Kill whoever comes there next."""
        fresh = self.file.with_name(f".{self.file.name}")
        fresh.write_text(place)
        os.replace(fresh, self.file)

    def is_set(self) -> bool:
        """Whether nobody has stepped into it."""
        return self.file.exists()

    def clear(self) -> None:
        """Take it away."""
        self.file.unlink(missing_ok=True)


_files: list[Path] = []
_watching: list[bool] = []


def install(file: Path | None) -> None:
    """Make this process end where ``file`` says, if it comes there. Called again, in a fork of it,
    by another file."""
    _files[:] = [] if file is None else [file]
    if _watching:
        return
    _watching.append(True)

    def reached(kind: str, moment: str, names: Callable[[str], bool]) -> None:
        if not _files:
            return
        file = _files[0]
        try:
            place = file.read_text()
        except OSError:
            return
        wanted_kind, wanted_moment, what = place.split(" ", 2)
        if (wanted_kind, wanted_moment) == (kind, moment) and names(what):
            try:
                file.unlink()
            except OSError:  # another process was faster
                return
            os.kill(os.getpid(), signal.SIGKILL)

    _watch_commits(reached)
    _watch_calls(reached)
    _watch_files(reached)


_Reached = Callable[[str, str, Callable[[str], bool]], None]


def _watch_commits(reached: _Reached) -> None:
    """Of SQLAlchemy's engines. A transaction is begun, filled and committed by one thread."""
    from sqlalchemy import Engine, event
    from sqlalchemy.engine.default import DefaultDialect

    written = threading.local()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        words = statement.split()[:3]
        if words and words[0] in ("INSERT", "UPDATE", "DELETE"):
            written.tables = {*getattr(written, "tables", ()), words[-1], words[1]}

    def is_written(table: str) -> bool:
        return table in getattr(written, "tables", ())

    commit: Any = DefaultDialect.do_commit
    roll_back: Any = DefaultDialect.do_rollback

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        reached("commit", "before", is_written)
        commit(self, connection)
        reached("commit", "after", is_written)
        written.tables = set()

    def do_rollback(self: DefaultDialect, connection: Any) -> None:
        roll_back(self, connection)
        written.tables = set()

    event.listen(Engine, "before_cursor_execute", note)
    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
    DefaultDialect.do_rollback = do_rollback  # type: ignore[method-assign]


def _watch_calls(reached: _Reached) -> None:
    """Of HTTP clients."""
    import httpx2

    handle = httpx2.HTTPTransport.handle_request

    def handle_request(self: Any, request: httpx2.Request) -> httpx2.Response:
        line = f"{request.method} {request.url.path}"
        reached("call", "before", lambda text: text in line)
        answer = handle(self, request)
        reached("call", "after", lambda text: text in line)
        return answer

    httpx2.HTTPTransport.handle_request = handle_request  # type: ignore[method-assign]


def _watch_files(reached: _Reached) -> None:
    """What is written beside its place first and then moved or linked there."""
    for name in ("replace", "link", "rename"):
        _watch_move(reached, name)
    unlink = os.unlink

    def unlinked(path: Any, **more: Any) -> None:
        reached("file", "before", lambda text: text == Path(os.fspath(path)).name)
        unlink(path, **more)
        reached("file", "after", lambda text: text == Path(os.fspath(path)).name)

    os.unlink = unlinked


def _watch_move(reached: _Reached, name: str) -> None:
    move = getattr(os, name)

    def moved(source: Any, target: Any, **more: Any) -> None:
        reached("file", "before", lambda text: text in Path(os.fspath(target)).name)
        move(source, target, **more)
        reached("file", "after", lambda text: text in Path(os.fspath(target)).name)

    setattr(os, name, moved)
