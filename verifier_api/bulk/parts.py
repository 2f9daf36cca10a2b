"""One Parquet file of verdicts a chunk: ``verdicts-00000001.parquet`` and so on.

A file is written beside its place, flushed, and put there at once: what has the name is whole. It
says in its metadata which run made it and of which entries, so that a run that is resumed knows
what it need not do again. The same verdicts always are the same bytes, for one version of pyarrow.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.running import CommandError
from verifier_api.bulk.arrow import load_arrow
from verifier_api.bulk.chunks import Row
from verifier_api.bulk.inputs import Chunk

COLUMNS = {
    "entry": "int64",
    "source": "string",
    "position": "int64",
    "claim_id": "string",
    "optician_id": "string",
    "claim_digest": "string",
    "verdict": "string",
    "reason": "string",
    "detail": "string",
    "duplicate_of": "int64",
}
"""The columns of a part, and their types as pyarrow names them."""

_NEVER_NULL = ("entry", "source", "position", "verdict", "detail")
_REPEATED = ["source", "optician_id", "verdict", "reason", "detail"]
_NAME = re.compile(r"verdicts-(\d{8})\.parquet")
_RUN, _ENTRIES = b"clairobscur.run", b"clairobscur.entries"
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Part:
    """What a part's file says of itself: the digests of its run and of its chunk, and its rows."""

    run: str
    entries: str
    rows: int


def part_path(folder: Path, number: int) -> Path:
    """Where the verdicts of chunk ``number`` are."""
    return folder / f"verdicts-{number:08}.parquet"


def part_numbers(folder: Path) -> list[int]:
    """The chunks that have a part, in order."""
    with os.scandir(folder) as listed:
        matches = (_NAME.fullmatch(found.name) for found in listed)
        return sorted(int(match[1]) for match in matches if match)


def write_part(folder: Path, run: str, chunk: Chunk, rows: Sequence[Row]) -> None:
    """The verdicts of a chunk, none of them told to be a duplicate yet."""
    arrow, _ = load_arrow()
    told = list(zip(*rows, strict=True))
    values: dict[str, Sequence[Any]] = {
        "entry": range(chunk.first, chunk.last + 1),
        "source": [entry.source for entry in chunk.entries],
        "position": [entry.position for entry in chunk.entries],
        **dict(zip(Row._fields, told, strict=True)),
        "duplicate_of": [None] * len(rows),
    }
    schema = _schema(arrow, run, chunk.digest)
    write_table(folder, chunk.number, arrow.table(values, schema=schema))


def write_table(folder: Path, number: int, table: Any) -> None:
    """A part's table, in place of one that may be there."""
    arrow, parquet = load_arrow()
    sink = arrow.BufferOutputStream()
    parquet.write_table(
        table,
        sink,
        version="2.6",
        compression="zstd",
        use_dictionary=_REPEATED,
        write_page_checksum=True,
    )
    write_whole(part_path(folder, number), sink.getvalue())


def _schema(arrow: Any, run: str, entries: str) -> Any:
    fields = [
        arrow.field(name, getattr(arrow, kind)(), nullable=name not in _NEVER_NULL)
        for name, kind in COLUMNS.items()
    ]
    return arrow.schema(fields, metadata={_RUN: run, _ENTRIES: entries})


def find_part(folder: Path, number: int) -> Part | None:
    """What the part of that chunk says of itself; None if there is none, or none that is whole."""
    arrow, parquet = load_arrow()
    try:
        metadata = parquet.read_metadata(part_path(folder, number))
    except (OSError, arrow.ArrowException):
        return None
    told = metadata.metadata or {}
    run, entries = told.get(_RUN, b"").decode(), told.get(_ENTRIES, b"").decode()
    return Part(run, entries, metadata.num_rows)


def read_part(folder: Path, number: int, columns: Sequence[str] | None = None) -> Any:
    """A part's table, or some columns of it. Raises `CommandError` ("file") if it is damaged."""
    arrow, parquet = load_arrow()
    path = part_path(folder, number)
    try:
        file = parquet.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
        with file:
            return file.read(columns=columns, use_threads=False)
    except (OSError, arrow.ArrowException):
        raise CommandError(
            "file", f"{path.name} is damaged: delete it, and run the same command again"
        ) from None


# -- files ------------------------------------------------------------------------------------


def write_whole(path: Path, content: Any) -> None:
    """Put a file in its place, flushed to the disk, or leave what is there."""
    unfinished = path.with_name(path.name + UNFINISHED)
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make durable that files have their names."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
