"""Claims from Parquet files, read by a process of its own.

A Parquet file says itself how much memory it takes to read: a page of a few kilobytes may unpack
to gigabytes, and a library in C++ may fall over a file that was damaged on purpose. So a child
process reads, with a limit on its memory, and sends a few hundred rows at a time through a pipe,
which makes it wait for whoever takes them. What happens to it becomes one error that names the
file.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from console.running import CommandError, plain
from verifier_api.batches import ENTRY_LIMIT
from verifier_api.bulk.arrow import load_arrow
from verifier_api.bulk.inputs import Found, name_of
from verifier_api.workers import follow_parent

COLUMN = "claim"
ROWS_AT_ONCE = 256
PAGE_BUFFER_BYTES = 2**20
READER_MEMORY_BYTES = 2**30
"""Private memory of the reading process, on Linux: pages of a quarter of that can be read."""

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
        target=_read, args=([str(path) for path in paths], only_counts, sender), daemon=True
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


# -- in the reading process -------------------------------------------------------------------


def _read(names: Sequence[str], only_counts: bool, sender: Connection) -> None:
    follow_parent()
    _limit_memory()
    with suppress(BrokenPipeError):  # nobody wants the rest
        for number, name in enumerate(names):
            row = 0
            try:
                if only_counts:
                    sender.send((number, _open(name).metadata.num_rows, ""))
                    continue
                for values in _values(name):
                    row += len(values)
                    sender.send((number, values, ""))
            except BrokenPipeError:
                raise
            except Exception as error:
                where = "" if only_counts else f" behind row {row}"
                sender.send((number, None, _problem(error, where)))
                return
        sender.send(None)


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        limit = READER_MEMORY_BYTES
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


class _NoClaims(Exception):
    """The file is Parquet, but its columns are not as they should be."""


def _problem(error: Exception, where: str) -> str:
    """What is wrong, in words of ours: a library's message might repeat what is in the file."""
    if isinstance(error, _NoClaims):
        return str(error)
    if isinstance(error, MemoryError):
        return f"takes more than {READER_MEMORY_BYTES // 2**20} MiB to read{where}"
    if type(error).__module__ == "builtins" and isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"not Parquet, or damaged{where} ({type(error).__name__})"


def _open(name: str) -> Any:
    _, parquet = load_arrow()
    file = parquet.ParquetFile(
        name,
        buffer_size=PAGE_BUFFER_BYTES,  # page by page, not a whole column of a row group
        pre_buffer=False,
        page_checksum_verification=True,
    )
    columns = [field for field in file.schema_arrow if field.name == COLUMN]
    if len(columns) != 1:
        raise _NoClaims(f"has {'no' if not columns else 'more than one'} column {COLUMN!r}")
    if not _is_bytes(columns[0].type):
        raise _NoClaims(f"its column {COLUMN!r} holds neither bytes nor text")
    return file


def _is_bytes(kind: Any) -> bool:
    arrow, _ = load_arrow()
    types = arrow.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        is_kind(kind)
        for is_kind in (
            *(types.is_binary, types.is_large_binary, types.is_binary_view),
            *(types.is_string, types.is_large_string, types.is_string_view),
        )
    )


def _values(name: str) -> Iterator[list[bytes | None]]:
    arrow, _ = load_arrow()
    batches = _open(name).iter_batches(ROWS_AT_ONCE, columns=[COLUMN], use_threads=False)
    for batch in batches:
        column = batch.column(0)
        if arrow.types.is_dictionary(column.type):
            # Cut before it is written out: a thousand rows may name one long value.
            column = _cut(arrow, column.dictionary).take(column.indices)
        else:
            column = _cut(arrow, column)
        yield column.to_pylist()


def _cut(arrow: Any, column: Any) -> Any:
    """Bytes, with what is too long for a claim cut off behind the limit."""
    import pyarrow.compute as compute

    types = arrow.types
    if types.is_string_view(column.type) or types.is_binary_view(column.type):
        column = column.cast(arrow.large_binary())
    elif types.is_string(column.type):
        column = column.cast(arrow.binary())
    elif types.is_large_string(column.type):
        column = column.cast(arrow.large_binary())
    return compute.binary_slice(column, 0, ENTRY_LIMIT)
