"""Many claims from a folder or a stream, judged in chunks: of those judged, memory keeps no more
than digest and name, to notice a claim that comes twice.

An entry that is no claim is passed on as the error that says so; nothing stops the rest.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from circuits.claim import MAX_CLAIM_BYTES, Claim, claim_digest, decode_claim
from verifier_api.judge import Judge, Verdict
from zk.errors import EncodingError, ZkError

CHUNK = 256
STANDARD_INPUT = "-"

ENTRY_LIMIT = MAX_CLAIM_BYTES + 2
"""Bytes that are read of an entry: a claim, and its line's end."""

_NEXT_DOCUMENT = re.compile(rb"\}[ \t\r\n]*\{")  # in no claim, whose texts hold no brackets


@dataclass(frozen=True)
class Entry:
    """One place where a claim should be: a file's name or "line 3", and what was found there.

    ``bytes_read`` counts what the source has given for it. ``data`` longer than a claim can be is
    cut off behind the limit, so that decoding refuses it. ``position`` counts lines from 1.
    """

    name: str
    bytes_read: int
    data: bytes = field(repr=False)
    problem: str = ""
    position: int = 1


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict. ``duplicate_of`` names the first entry that held the very same
    claim (`circuits.claim.claim_digest`), None if this is the first; no verdict depends on it."""

    claim: Claim
    verdict: Verdict
    duplicate_of: str | None


def read_entries(source: str) -> tuple[Iterator[Entry], int | None]:
    """The entries of a folder (``*.json`` by name, in either case) or of a file with one claim on
    each line ("-" is standard input), read as they are asked for; and their bytes in all, None if
    unknown.

    Raises `OSError` if ``source`` cannot be opened.
    """
    if source == STANDARD_INPUT:
        return read_lines(sys.stdin.buffer), None
    path = Path(source)
    if path.is_dir():
        files = sorted(
            file for file in path.iterdir() if file.suffix.lower() == ".json" and not file.is_dir()
        )
        return map(read_file, files), sum(file.stat().st_size for file in files if file.is_file())
    size = path.stat().st_size if path.is_file() else None
    return read_lines(path.open("rb")), size


def judge_entries(
    judge: Judge, entries: Iterable[Entry], chunk: int = CHUNK
) -> Iterator[tuple[Entry, Judged | ZkError]]:
    """Every entry in its order, with claim and verdict, or the error if it is no claim.

    The proofs of ``chunk`` entries are verified together.
    """
    remaining = iter(entries)
    first: dict[bytes, str] = {}
    while part := list(islice(remaining, chunk)):
        claims = [_decode(entry) for entry in part]
        verdicts = iter(judge.judge_batch([claim for claim in claims if isinstance(claim, Claim)]))
        for entry, claim in zip(part, claims, strict=True):
            if not isinstance(claim, Claim):
                yield entry, claim
                continue
            digest = claim_digest(claim)
            yield entry, Judged(claim, next(verdicts), first.get(digest))
            first.setdefault(digest, entry.name)


def _decode(entry: Entry) -> Claim | ZkError:
    if entry.problem:
        return EncodingError(f"claim: {entry.problem}")
    try:
        return decode_claim(entry.data)
    except ZkError as error:
        if _NEXT_DOCUMENT.search(entry.data):
            return EncodingError(
                "claim: several documents on one line; put each claim on a line of its own"
            )
        return error


def read_file(file: Path) -> Entry:
    """The entry that a file of a folder is; a file that cannot be read is told by its problem."""
    # A pipe would block, a link may lead nowhere; what has vanished is told by `open`.
    if os.path.lexists(file) and not file.is_file():
        return Entry(file.name, 0, b"", "not a regular file")
    try:
        with file.open("rb") as opened:
            data = opened.read(ENTRY_LIMIT)
    except OSError as error:
        return Entry(file.name, 0, b"", error.strerror or "cannot be read")
    return Entry(file.name, len(data), data.removesuffix(b"\n"))


def read_lines(file: BinaryIO) -> Generator[Entry, None, None]:
    """The entries of a file with one claim on each line, blank lines left out; closes the file,
    unless it is standard input."""
    with file if file is not sys.stdin.buffer else nullcontext(file):
        number = 0
        while line := file.readline(ENTRY_LIMIT):
            number += 1
            size, data = len(line), line.removesuffix(b"\n").removesuffix(b"\r")
            while not line.endswith(b"\n") and (line := file.readline(ENTRY_LIMIT)):
                size += len(line)  # the rest of a line that is too long is skipped
            if data.strip() or size > ENTRY_LIMIT:  # blank as far as it was read is not blank
                yield Entry(f"line {number}", size, data, position=number)
