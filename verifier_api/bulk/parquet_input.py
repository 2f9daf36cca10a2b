"""Claims from Parquet files, read by a process of its own.

A Parquet file says itself how much memory it takes to read: a page of a few kilobytes may unpack
to gigabytes, and a library in C++ may fall over a file that was damaged on purpose. So a child
process reads, with a limit on its memory, and sends a few hundred rows at a time through a pipe,
which makes it wait for whoever takes them. What happens to it becomes one error that names the
file.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from console.running import CommandError, plain
from verifier_api.batches import ENTRY_LIMIT
from verifier_api.bulk.arrow import load_arrow
from verifier_api.bulk.inputs import Found, name_of
from verifier_api.bulk.reader import read

NO_CLAIM = "no claim: the row is null"


def count_rows(paths: Sequence[Path]) -> int:
    """Rows of all files together, by what they say of themselves.

    Raises `CommandError` ("unreadable") for the first file that is not Parquet or has not one
    column ``claim`` of bytes or text, "missing" without pyarrow.
    """
    load_arrow()  # its absence is told by this process
    total = 0
    with _reading(paths, only_counts=True) as messages:
        for _, rows in messages:
            total += int(rows)
    return total


def read_rows(paths: Sequence[Path]) -> Iterator[Found]:
    """The rows of all files in their order. A null is an entry with a problem.

    Raises `CommandError` ("unreadable") where a file cannot be read on.
    """
    with _reading(paths, only_counts=False) as messages:
        position, before = 0, -1
        for number, values in messages:
            position = position if number == before else 0
            before = number
            name = name_of(paths[number])
            for value in values:
                position += 1
                if value is None:
                    yield Found(name, position, b"", NO_CLAIM)
                else:
                    yield Found(name, position, value.removesuffix(b"\n"))


@contextmanager
def _reading(paths: Sequence[Path], only_counts: bool) -> Iterator[Iterator[tuple[int, Any]]]:
    """What the reading process sends: numbers of files, with a count or with values."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=read,
        args=([str(path) for path in paths], only_counts, ENTRY_LIMIT, sender),
        daemon=True,
    )
    process.start()
    sender.close()  # so that its end is noticed here

    def messages() -> Iterator[tuple[int, Any]]:
        number = 0
        while True:
            try:
                message = receiver.recv()
            except (EOFError, OSError):
                where = name_of(paths[number])
                raise _unreadable(where, "the process that read it was brought down") from None
            if message is None:
                return
            number, content, problem = message
            if problem:
                raise _unreadable(name_of(paths[number]), problem)
            yield number, content

    try:
        yield messages()
    finally:
        receiver.close()
        process.kill()
        process.join()


def _unreadable(name: str, problem: str) -> CommandError:
    return CommandError("unreadable", f"{name}: {plain(problem)}")
