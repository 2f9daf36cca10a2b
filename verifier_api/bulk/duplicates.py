"""Claims that come twice in a whole run, found on disk.

The digests of all parts are dealt out into files by a hash, so that equal ones meet; each file is
small enough to be sorted in memory, and stable sorting finds the first entry of every digest. What
was found is dealt out again, by entries, and written into the parts that hold them. The result
depends on the parts alone, and doing it again changes nothing.
"""

from __future__ import annotations

import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from verifier_api.bulk.arrow import load_arrow
from verifier_api.bulk.parts import read_part, write_table

FOLDER = "sorting"
"""Where the files stand meanwhile, in the folder of the run."""

HEAPS_BITS = 7
"""2 to this many files by digest: of 100 million claims, 40 MB each."""

SPAN_BITS = 20
"""Entries by which the findings are dealt out, 2 to this many a file."""

_DIGEST_LETTERS = 43
_SEEN = np.dtype([("digest", f"S{_DIGEST_LETTERS}"), ("entry", "<i8")])
_FINDING = np.dtype([("entry", "<i8"), ("first", "<i8")])

Records = npt.NDArray[Any]


@dataclass
class Tally:
    """What the parts say together."""

    verdicts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0

    @property
    def entries(self) -> int:
        """All of them."""
        return self.verdicts.total()


def mark_duplicates(
    folder: Path, numbers: Sequence[int], advance: Callable[[], None] = lambda: None
) -> Tally:
    """Write into the parts ``numbers`` (all of a run, in order) which entry said the same claim
    first, and count what they say. ``advance`` is called twice a part.

    Raises `CommandError` ("file") for a part that is damaged.
    """
    work = folder / FOLDER
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        tally = Tally()
        repeating = _deal_out(folder, numbers, work, tally, advance)
        for heap in sorted(work.glob("heap-*")):
            _find(heap, work)
        _mark(folder, numbers, work, repeating, tally, advance)
        return tally
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _deal_out(
    folder: Path,
    numbers: Sequence[int],
    work: Path,
    tally: Tally,
    advance: Callable[[], None],
) -> bytearray:
    """The first of equal digests of every part into heaps; for each part, whether it has equal
    ones itself. So a claim that fills the input fills no heap."""
    # Nobody who makes claims can know which heap they come to.
    factor = np.uint64(secrets.randbits(64) | 1)
    repeating = bytearray(len(numbers))
    with ExitStack() as stack:
        heaps = [
            stack.enter_context((work / f"heap-{heap:03}").open("wb"))
            for heap in range(2**HEAPS_BITS)
        ]
        for place, number in enumerate(numbers):
            table = read_part(folder, number, ["entry", "claim_digest", "verdict", "reason"])
            tally.verdicts.update(table["verdict"].to_pylist())
            tally.reasons.update(filter(None, table["reason"].to_pylist()))
            seen = _digests(table)
            unique, firsts = np.unique(seen["digest"], return_index=True)
            repeating[place] = len(unique) < len(seen)
            seen = seen[np.sort(firsts)]
            letters = np.ascontiguousarray(seen["digest"]).view(np.uint8)
            letters = letters.reshape(len(seen), _DIGEST_LETTERS)
            words = np.ascontiguousarray(letters[:, :8]).view("<u8").reshape(-1)
            chosen = (words * factor) >> np.uint64(64 - HEAPS_BITS)
            order = np.argsort(chosen, kind="stable")
            bounds = np.searchsorted(chosen[order], np.arange(2**HEAPS_BITS + 1))
            for heap in np.unique(chosen):
                taken = order[bounds[heap] : bounds[heap + np.uint64(1)]]
                heaps[int(heap)].write(seen[taken].tobytes())
            advance()
    return repeating


def _digests(table: Any) -> Records:
    """Digest and entry of every claim, in order."""
    pairs = zip(table["claim_digest"].to_pylist(), table["entry"].to_pylist(), strict=True)
    return np.array(
        [(digest.encode(), entry) for digest, entry in pairs if digest is not None], dtype=_SEEN
    )


def _find(heap: Path, work: Path) -> None:
    """The entries of a heap that are not the first of their digest, into files by entry."""
    seen = np.fromfile(heap, dtype=_SEEN)
    heap.unlink()
    if not len(seen):
        return
    seen = seen[np.argsort(seen["digest"], kind="stable")]
    is_first = np.ones(len(seen), dtype=bool)
    is_first[1:] = seen["digest"][1:] != seen["digest"][:-1]
    group = np.cumsum(is_first) - 1
    findings = np.empty(len(seen), dtype=_FINDING)
    findings["entry"] = seen["entry"]
    findings["first"] = seen["entry"][is_first][group]
    findings = findings[~is_first]
    spans = findings["entry"] >> SPAN_BITS
    for span in np.unique(spans):
        with _span(work, int(span)).open("ab") as file:
            file.write(findings[spans == span].tobytes())


def _span(work: Path, number: int) -> Path:
    return work / f"span-{number}"


def _mark(
    folder: Path,
    numbers: Sequence[int],
    work: Path,
    repeating: bytearray,
    tally: Tally,
    advance: Callable[[], None],
) -> None:
    arrow, _ = load_arrow()
    kept: dict[int, Records] = {}
    for place, number in enumerate(numbers):
        entries = read_part(folder, number, ["entry", "duplicate_of"])
        first, last = entries["entry"][0].as_py(), entries["entry"][-1].as_py()
        spans = range(first >> SPAN_BITS, (last >> SPAN_BITS) + 1)
        kept = {span: kept.get(span, _read_span(work, span)) for span in spans}
        found = np.concatenate([kept[span] for span in spans])
        found = found[(found["entry"] >= first) & (found["entry"] <= last)]
        firsts = [None] * len(entries) if not repeating[place] else None
        if len(found) or firsts is None:
            firsts = _firsts(folder, number, first, found)
        tally.duplicates += sum(one is not None for one in firsts)
        if entries["duplicate_of"].to_pylist() != firsts:
            table = read_part(folder, number)
            where = table.schema.get_field_index("duplicate_of")
            column = arrow.array(firsts, arrow.int64())
            write_table(folder, number, table.set_column(where, table.schema.field(where), column))
        advance()


def _read_span(work: Path, span: int) -> Records:
    path = _span(work, span)
    return np.fromfile(path, dtype=_FINDING) if path.exists() else np.empty(0, dtype=_FINDING)


def _firsts(folder: Path, number: int, first: int, found: Records) -> list[Any]:
    """For every entry of a part, the entry that said the same first, None if it is that one."""
    before = dict(zip(found["entry"].tolist(), found["first"].tolist(), strict=True))
    own: dict[str, int] = {}
    firsts: list[int | None] = []
    for place, digest in enumerate(read_part(folder, number, ["claim_digest"])[0].to_pylist()):
        entry = first + place
        if digest is None:
            firsts.append(None)
        elif digest in own:
            earlier = own[digest]
            firsts.append(before.get(earlier, earlier))
        else:
            own[digest] = entry
            firsts.append(before.get(entry))
    return firsts
