"""A run: read, judge, write a part a chunk, find what comes twice, sum up.

What is there from an earlier, interrupted run is taken over if the input still says the same.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from circuits.canonical import encode_base64url
from console.running import CommandError, UsageError
from verifier_api.bulk import duplicates
from verifier_api.bulk.arrow import load_arrow
from verifier_api.bulk.chunks import ACCEPTED, REFUSED, UNREADABLE, VERDICTS, Documents
from verifier_api.bulk.duplicates import Tally, mark_duplicates
from verifier_api.bulk.inputs import DEFAULT_CHUNK, Chunk, Found, Source, chunks_of, open_source
from verifier_api.bulk.manifest import (
    alone_in,
    new_manifest,
    read_manifest,
    require_same_run,
    write_manifest,
)
from verifier_api.bulk.parts import (
    UNFINISHED,
    find_part,
    part_numbers,
    part_path,
    read_part,
    write_part,
    write_whole,
)
from verifier_api.bulk.workers import Workers

SUMMARY = "summary.json"
TIMING = "timing.json"
LISTED = 20
"""Bad entries that are named; the parts have all of them."""

MakeWorkers = Callable[[Documents], Workers]


@dataclass(frozen=True)
class Inputs:
    """What a run is asked for. None stands for what an earlier run in ``folder`` was begun with,
    else for this moment and `DEFAULT_CHUNK`."""

    source: str
    folder: Path
    contract: bytes = field(repr=False)
    keys: bytes = field(repr=False)
    nomenclature: bytes = field(repr=False)
    now: datetime | None = None
    chunk: int | None = None


@dataclass(frozen=True)
class Done:
    """How a run ended: what ``summary.json`` and ``timing.json`` say, and the first entries that
    were not accepted or came before."""

    summary: dict[str, Any]
    timing: dict[str, Any]
    listed: list[dict[str, Any]] = field(repr=False)


class Watcher:
    """Told of a run's progress; this one shows nothing."""

    def reading(self, total: int) -> None:
        """The claims are being judged; ``total`` is the source's."""

    def advance(self, units: int, claims: int) -> None:
        """So much more was judged, or taken over."""

    def closing(self, total: int) -> None:
        """The parts are being gone through, in so many steps."""

    def step(self) -> None:
        """One step of `closing`."""


def run_bulk(inputs: Inputs, make_workers: MakeWorkers, watcher: Watcher | None = None) -> Done:
    """Judge everything that is not judged yet, and finish the folder.

    Raises `CommandError`: "other_run" for a folder that holds something else or the run of other
    parameters, or if the input changed; "empty" for an input without entries; and what
    `open_source`, the workers and the documents' parsers raise.
    """
    watcher = watcher or Watcher()
    load_arrow()
    folder = inputs.folder
    if folder.resolve() == Path(inputs.source).resolve():
        raise UsageError("the verdicts cannot be in the folder of the claims")
    start = time.perf_counter()
    begun = read_manifest(folder)
    now = inputs.now or (_instant(begun.now) if begun else datetime.now(UTC))
    now = now.replace(microsecond=0)  # as the manifest tells it to who resumes the run
    documents = Documents(inputs.contract, inputs.keys, inputs.nomenclature, now)
    facts = documents.facts()  # a fault in them is told before anything is made
    source = open_source(inputs.source)
    chunk = inputs.chunk or (begun.chunk if begun else DEFAULT_CHUNK)
    manifest = new_manifest(source.kind, chunk, facts)
    if begun:
        require_same_run(begun, manifest)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone_in(folder):
        if read_manifest(folder) != begun:
            raise CommandError("other_run", "another process began a run in that folder")
        _tidy(folder)
        if not begun:
            write_manifest(folder, manifest)
        judged, taken_over, replaced = _judge(
            folder, manifest.digest, source, chunk, lambda: make_workers(documents), watcher
        )
        numbers = part_numbers(folder)
        watcher.closing(2 * len(numbers))
        tally = mark_duplicates(folder, numbers, watcher.step)
        summary = _summary(manifest.digest, tally, len(numbers))
        listed = list(_bad(folder, numbers, tally))
        timing = {
            "seconds": round(time.perf_counter() - start, 3),
            "judged": judged,
            "taken_over": taken_over,
            "workers_replaced": replaced,
        }
        _write_json(folder / TIMING, timing)
        _write_json(folder / SUMMARY, summary)
    return Done(summary, timing, listed)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise CommandError("unreadable", "manifest.json: now: not an instant") from None


def _tidy(folder: Path) -> None:
    """Remove what a killed run left, and the summary, which is of finished runs."""
    for path in folder.iterdir():
        if path.name.endswith(UNFINISHED) or path.name in (SUMMARY, TIMING):
            path.unlink()
    shutil.rmtree(folder / duplicates.FOLDER, ignore_errors=True)


def _judge(
    folder: Path,
    run: str,
    source: Source,
    size: int,
    start_workers: Callable[[], Workers],
    watcher: Watcher,
) -> tuple[int, int, int]:
    """Claims judged, claims taken over, workers replaced. Workers start when there is work."""
    watcher.reading(source.total)
    workers: Workers | None = None
    judged = taken_over = count = 0

    def finish_one(workers: Workers) -> None:
        nonlocal judged
        chunk, rows = workers.next_done()
        write_part(folder, run, chunk, rows)
        judged += len(rows)
        watcher.advance(_units(chunk), len(rows))

    last_part = max(part_numbers(folder), default=0)
    try:
        with closing(_entries(source)) as entries:
            for chunk in chunks_of(entries, size):
                count = chunk.number
                if _is_done(folder, run, chunk):
                    taken_over += len(chunk.entries)
                    watcher.advance(_units(chunk), len(chunk.entries))
                    continue
                workers = workers or start_workers()
                while not workers.has_room():
                    finish_one(workers)
                workers.submit(chunk)
        while workers is not None and not workers.is_idle():
            finish_one(workers)
    finally:
        if workers is not None:
            workers.close()
    if last_part > count:
        raise _changed("it has fewer claims than before")
    if not count:
        raise CommandError("empty", "no claim in the input: no row, or no line")
    return judged, taken_over, workers.replaced if workers is not None else 0


def _entries(source: Source) -> Generator[Found, None, None]:
    yield from source.entries()


def _units(chunk: Chunk) -> int:
    return sum(entry.units for entry in chunk.entries)


def _is_done(folder: Path, run: str, chunk: Chunk) -> bool:
    """Whether its part is there, whole, and of these entries."""
    part = find_part(folder, chunk.number)
    if part is None or part.rows == 0:
        return False
    if part.run != run:
        name = part_path(folder, chunk.number).name
        raise CommandError("other_run", f"{name} is of another run")
    if part.entries != chunk.digest:
        raise _changed(
            f"entries {chunk.first} to {chunk.last} are not those that were judged before"
        )
    return True


def _changed(how: str) -> CommandError:
    return CommandError(
        "other_run", f"the input has changed since the run was begun: {how}; name another folder"
    )


def _summary(run: str, tally: Tally, parts: int) -> dict[str, Any]:
    counts = {verdict: tally.verdicts.get(verdict, 0) for verdict in VERDICTS}
    return {
        "format_version": 1,
        "run": encode_base64url(bytes.fromhex(run)),
        "entries": tally.entries,
        **counts,
        "duplicates": tally.duplicates,
        "reasons": dict(sorted(tally.reasons.items())),
        "parts": parts,
    }


_SHOWN = ["entry", "source", "position", "claim_id", "verdict", "reason", "detail", "duplicate_of"]


def _bad(folder: Path, numbers: list[int], tally: Tally) -> Iterator[dict[str, Any]]:
    """The first `LISTED` entries that were not accepted, and as many that came before."""
    bad_left = min(LISTED, tally.verdicts[REFUSED] + tally.verdicts[UNREADABLE])
    duplicates_left = min(LISTED, tally.duplicates)
    for number in numbers:
        if not bad_left and not duplicates_left:
            return
        for row in read_part(folder, number, _SHOWN).to_pylist():
            is_bad = row["verdict"] != ACCEPTED and bad_left > 0
            is_duplicate = row["duplicate_of"] is not None and duplicates_left > 0
            bad_left -= is_bad
            duplicates_left -= is_duplicate
            if is_bad or is_duplicate:
                yield row
