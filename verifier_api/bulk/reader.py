"""The process that reads Parquet files (see `verifier_api.bulk.parquet_input`).

It imports as little as it can, so that it starts fast and is small.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from verifier_api.bulk.arrow import load_arrow
from verifier_api.workers import follow_parent

COLUMN = "claim"
ROWS_AT_ONCE = 256
PAGE_BUFFER_BYTES = 2**20
READER_MEMORY_BYTES = 2**30
"""Private memory of the reading process, on Linux: pages of a quarter of that can be read."""


def read(names: Sequence[str], only_counts: bool, limit: int, sender: Connection) -> None:
    """Send (number of a file, rows in it or some values, problem) until all is told, then None.

    Values longer than ``limit`` bytes are cut off there. A problem is the last message.
    """
    follow_parent()
    _limit_memory()
    with suppress(BrokenPipeError):  # nobody wants the rest
        for number, name in enumerate(names):
            row = 0
            try:
                if only_counts:
                    sender.send((number, _open(name).metadata.num_rows, ""))
                    continue
                for values in _values(name, limit):
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


def _values(name: str, limit: int) -> Iterator[list[bytes | None]]:
    arrow, _ = load_arrow()
    batches = _open(name).iter_batches(ROWS_AT_ONCE, columns=[COLUMN], use_threads=False)
    for batch in batches:
        column = batch.column(0)
        if arrow.types.is_dictionary(column.type):
            # Cut before it is written out: a thousand rows may name one long value.
            column = _cut(arrow, column.dictionary, limit).take(column.indices)
        else:
            column = _cut(arrow, column, limit)
        yield column.to_pylist()


def _cut(arrow: Any, column: Any, limit: int) -> Any:
    """Bytes, with what is longer than ``limit`` cut off."""
    import pyarrow.compute as compute

    types = arrow.types
    if types.is_string_view(column.type) or types.is_binary_view(column.type):
        column = column.cast(arrow.large_binary())
    elif types.is_string(column.type):
        column = column.cast(arrow.binary())
    elif types.is_large_string(column.type):
        column = column.cast(arrow.large_binary())
    return compute.binary_slice(column, 0, limit)
