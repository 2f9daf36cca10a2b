"""Where the claims come from, streamed, and cut into chunks.

    a Parquet file     its column ``claim``; every other column is ignored
    a file of lines    one claim on each line, blank lines left out
    a folder           of files of one of these kinds, or of files with one claim each, by name:
                       ``*.parquet``, ``*.ndjson`` and ``*.jsonl``, or ``*.json``, in either case

Other files of a folder are ignored, and so are folders in it. Where a chunk ends depends on the
entries alone, so that every run over the same input has the same chunks.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from console.running import CommandError, UsageError, plain
from verifier_api.batches import STANDARD_INPUT, read_file, read_lines
from verifier_api.bulk.chunks import Task

PARQUET, LINES, FILES = "parquet", "lines", "files"
SUFFIXES = {".parquet": PARQUET, ".ndjson": LINES, ".jsonl": LINES, ".json": FILES}
NAMES = {PARQUET: "*.parquet", LINES: "*.ndjson or *.jsonl", FILES: "*.json"}
PARQUET_MAGIC = b"PAR1"

DEFAULT_CHUNK = 2048
MAX_CHUNK = 65_536
CHUNK_BYTES = 8 * 2**20
"""A chunk ends before its claims would be more bytes than that, however few they are."""


@dataclass(frozen=True)
class Found:
    """One entry: the file's name, where in it (row or line, from 1), and what is there.

    ``data`` longer than a claim can be is cut off behind the limit. ``units`` is what the progress
    bar advances by, of the `Source`'s total.
    """

    source: str
    position: int
    data: bytes = field(repr=False)
    problem: str = ""
    units: int = 1


@dataclass(frozen=True)
class Source:
    """All entries of an input in their order; ``entries`` reads them from the first one on.

    ``total`` is in bytes for lines, else in entries.
    """

    kind: str
    total: int
    entries: Callable[[], Iterator[Found]]


@dataclass(frozen=True)
class Chunk:
    """Consecutive entries: ``number`` counts chunks from 1, ``first`` is the number of the first
    entry, counted from 1 over the whole input. ``digest`` is over everything that the entries say
    and where they stand."""

    number: int
    first: int
    entries: Sequence[Found] = field(repr=False)
    digest: str

    @property
    def last(self) -> int:
        """The number of the last entry."""
        return self.first + len(self.entries) - 1

    def task(self) -> Task:
        """What a worker is given of it."""
        problems = {place: one.problem for place, one in enumerate(self.entries) if one.problem}
        return Task([entry.data for entry in self.entries], problems)


def open_source(name: str) -> Source:
    """The input of that name.

    Raises `OSError`, and `CommandError`: "usage" for standard input, which cannot be read again,
    and for a folder with files of several kinds; "empty" for a folder with none; "unreadable" for
    Parquet files that are none or have no column ``claim`` of bytes or text.
    """
    if name == STANDARD_INPUT:
        raise UsageError("a run that may be resumed cannot read standard input: name a file")
    path = Path(name)
    if not path.is_dir():
        kind = _kind_of_file(path)
        return _source(kind, [path])
    kinds: dict[str, list[Path]] = {}
    with os.scandir(path) as listed:
        for found in listed:
            of_suffix = SUFFIXES.get(Path(found.name).suffix.lower())
            if of_suffix and not found.is_dir():
                kinds.setdefault(of_suffix, []).append(path / found.name)
    if len(kinds) > 1:
        names = " and ".join(NAMES[kind] for kind in NAMES if kind in kinds)
        raise UsageError(f"the folder has {names}: the same claims twice? Keep one kind in it")
    if not kinds:
        raise CommandError("empty", f"no file {', '.join(NAMES.values())} in that folder")
    ((kind, files),) = kinds.items()
    return _source(kind, sorted(files, key=lambda file: os.fsencode(file.name)))


def _kind_of_file(path: Path) -> str:
    with path.open("rb") as file:
        magic = file.read(len(PARQUET_MAGIC))
    # Its name alone would make lines of a damaged file, and tell nonsense of each.
    is_parquet = magic == PARQUET_MAGIC or path.suffix.lower() == ".parquet"
    return PARQUET if is_parquet else LINES


def _source(kind: str, files: Sequence[Path]) -> Source:
    if kind == FILES:
        return Source(kind, len(files), lambda: map(_found_file, files))
    if kind == LINES:
        total = sum(file.stat().st_size for file in files)
        return Source(kind, total, lambda: _lines(files))
    from verifier_api.bulk.parquet_input import count_rows, read_rows

    return Source(kind, count_rows(files), lambda: read_rows(files))


def _found_file(path: Path) -> Found:
    entry = read_file(path)
    return Found(name_of(path), 1, entry.data, entry.problem)


def _lines(files: Sequence[Path]) -> Iterator[Found]:
    for path in files:
        name = name_of(path)
        with closing(read_lines(path.open("rb"))) as entries:
            for entry in entries:
                yield Found(name, entry.position, entry.data, units=entry.bytes_read)


def name_of(path: Path) -> str:
    """A file's name as verdicts have it: one line of text, whatever bytes it is made of."""
    return plain(path.name)


# -- chunks -----------------------------------------------------------------------------------


def chunks_of(
    entries: Iterator[Found], size: int = DEFAULT_CHUNK, max_bytes: int = CHUNK_BYTES
) -> Iterator[Chunk]:
    """The entries in chunks of ``size``, fewer where their bytes would be more than ``max_bytes``,
    and in the last one."""
    number, first = 1, 1
    kept: list[Found] = []
    kept_bytes = 0
    for entry in entries:
        if kept and (len(kept) == size or kept_bytes + len(entry.data) > max_bytes):
            yield _chunk(number, first, kept)
            number, first = number + 1, first + len(kept)
            kept, kept_bytes = [], 0
        kept.append(entry)
        kept_bytes += len(entry.data)
    if kept:
        yield _chunk(number, first, kept)


def _chunk(number: int, first: int, entries: list[Found]) -> Chunk:
    hashed = hashlib.sha256()
    for entry in entries:
        for text in (entry.source.encode(), entry.problem.encode(), entry.data):
            hashed.update(len(text).to_bytes(8, "big"))
            hashed.update(text)
        hashed.update(entry.position.to_bytes(8, "big"))
    return Chunk(number, first, entries, hashed.hexdigest())
