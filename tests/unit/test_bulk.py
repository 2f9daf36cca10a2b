"""Bulk verification part by part: inputs, chunks, parts, manifest, duplicates, runs."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest

from console.running import CommandError
from tests.support import claims as samples
from tests.support.bulk import (
    MIXED_DUPLICATES,
    contents,
    documents,
    good_claims,
    mixed_entries,
    read_verdicts,
    unsigned,
    write_lines,
    write_parquet,
)
from verifier_api.bulk import chunks, duplicates, inputs
from verifier_api.bulk.chunks import Documents, Row, Task, UnknownDocuments, judge_chunk, learn
from verifier_api.bulk.inputs import Chunk, Found, chunks_of, open_source
from verifier_api.bulk.manifest import NAME, alone_in, new_manifest, read_manifest
from verifier_api.bulk.parts import (
    COLUMNS,
    find_part,
    part_numbers,
    part_path,
    read_part,
    write_part,
)
from verifier_api.bulk.runs import Done, Inputs, Watcher, run_bulk

MIXED_VERDICTS = [
    *("accepted", "accepted", "signature_invalid", "unreadable", "accepted"),
    *("accepted", "accepted", "unreadable", "accepted", "signature_invalid"),
    *("accepted", "accepted", "accepted", "accepted", "accepted"),
]


class InProcess:
    """Workers that are this very process; ``order`` chooses which chunk is given back next."""

    def __init__(self, given: Documents, room: int = 3, last_first: bool = False) -> None:
        self.replaced = 0
        self.closed = False
        self._digest = given.digest
        self._room = room
        self._place = -1 if last_first else 0
        self._waiting: list[Chunk] = []
        learn(given)

    def has_room(self) -> bool:
        return len(self._waiting) < self._room

    def submit(self, chunk: Chunk) -> None:
        assert self.has_room()
        self._waiting.append(chunk)

    def next_done(self) -> tuple[Chunk, list[Row]]:
        chunk = self._waiting.pop(self._place)
        return chunk, judge_chunk(self._digest, chunk.task())

    def is_idle(self) -> bool:
        return not self._waiting

    def close(self) -> None:
        self.closed = True


def asked(source: Path, folder: Path, chunk: int | None = 4, **changes: Any) -> Inputs:
    given = documents()
    made = Inputs(
        str(source), folder, given.contract, given.keys, given.nomenclature, given.now, chunk
    )
    return replace(made, **changes)


def run(source: Path, folder: Path, chunk: int | None = 4, **changes: Any) -> Done:
    return run_bulk(asked(source, folder, chunk, **changes), InProcess)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "claims.ndjson", mixed_entries())


# -- what a worker does ---------------------------------------------------------------------------


def test_a_chunk_has_a_row_for_every_entry() -> None:
    learn(documents())
    rows = judge_chunk(documents().digest, Task([*mixed_entries(), b""], {15: "cannot be read"}))
    assert [row.reason or "accepted" for row in rows] == [*MIXED_VERDICTS, "unreadable"]
    assert [row.verdict for row in rows[:4]] == ["accepted", "accepted", "refused", "unreadable"]
    assert rows[0].claim_id == "bulk-0"
    assert rows[0].optician_id == "optician-1"
    assert rows[0].claim_digest == rows[4].claim_digest != rows[1].claim_digest
    assert rows[3][:3] == (None, None, None)
    assert rows[15].detail == "claim: cannot be read"


def test_a_worker_judges_only_by_what_it_was_told() -> None:
    other = replace(documents(), now=samples.NOW + timedelta(days=60))
    with pytest.raises(UnknownDocuments):
        judge_chunk(other.digest, Task([good_claims()[0]]))
    learn(other)
    assert judge_chunk(other.digest, Task([good_claims()[0]]))[0].reason == "expired"
    learn(documents())
    assert judge_chunk(documents().digest, Task([good_claims()[0]]))[0].reason is None


def test_a_worker_keeps_the_documents_of_a_few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_judges", type(chunks._judges)())
    moments = [replace(documents(), now=samples.NOW + timedelta(seconds=n)) for n in range(5)]
    for moment in moments:
        learn(moment)
    assert list(chunks._judges) == [moment.digest for moment in moments[-chunks.MAX_KEPT :]]


def test_nothing_of_a_claim_is_in_the_repr_of_what_travels() -> None:
    task = Task([good_claims()[0]], {0: "a problem"})
    chunk = Chunk(1, 1, [Found("a", 1, good_claims()[0])], "digest")
    for text in (repr(task), repr(chunk), repr(chunk.entries[0]), repr(documents())):
        assert "beneficiary" not in text
        assert "public_key" not in text
        assert len(text) < 200


@pytest.mark.parametrize("field", ["contract", "keys", "nomenclature"])
def test_the_digest_of_documents_covers_each_of_them(field: str) -> None:
    given = documents()
    assert replace(given, **{field: getattr(given, field) + b" "}).digest != given.digest
    assert replace(given, now=given.now + timedelta(seconds=1)).digest != given.digest


# -- inputs ---------------------------------------------------------------------------------------


def found(path: Path) -> list[tuple[str, int, bytes, str]]:
    entries = open_source(str(path)).entries()
    return [(entry.source, entry.position, entry.data, entry.problem) for entry in entries]


@pytest.mark.parametrize(
    "kind",
    [
        pyarrow.binary(),
        pyarrow.large_binary(),
        pyarrow.string(),
        pyarrow.large_string(),
        pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
    ],
    ids=str,
)
def test_rows_of_every_kind_of_bytes_and_text(tmp_path: Path, kind: Any) -> None:
    is_text = "string" in str(kind)
    values = ["one", None, "deux é\n", "x" * 40_000, "one"]
    given = values if is_text else [value and value.encode() for value in values]
    path = write_parquet(tmp_path / "claims.parquet", given, kind)
    assert open_source(str(path)).total == 5
    name = "claims.parquet"
    listed = found(path)
    assert listed[:3] == [
        (name, 1, b"one", ""),
        (name, 2, b"", "no claim: the row is null"),
        (name, 3, "deux é".encode(), ""),
    ]
    assert [len(data) for _, _, data, _ in listed[3:]] == [2**15 + 2, 3]


def test_rows_are_counted_by_file_across_groups_and_batches(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    write_parquet(folder / "b.PARQUET", [b"b%d" % n for n in range(700)], row_group_size=300)
    write_parquet(folder / "a.parquet", [b"a%d" % n for n in range(3)])
    write_parquet(folder / "empty.parquet", [])
    (folder / "notes.txt").write_text("not looked at")
    (folder / "c.parquet").mkdir()
    listed = found(folder)
    assert listed[2:4] == [("a.parquet", 3, b"a2", ""), ("b.PARQUET", 1, b"b0", "")]
    assert listed[-1] == ("b.PARQUET", 700, b"b699", "")
    assert len(listed) == 703 == open_source(str(folder)).total


def test_lines_of_one_file_and_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "b.jsonl").write_bytes(b"three")
    (folder / "a.ndjson").write_bytes(b"one\r\n\n  \ntwo\n")
    expected = [("a.ndjson", 1, b"one", ""), ("a.ndjson", 4, b"two", "")]
    assert found(folder / "a.ndjson") == expected
    assert found(folder) == [*expected, ("b.jsonl", 1, b"three", "")]
    source = open_source(str(folder))
    assert sum(entry.units for entry in source.entries()) == source.total - len(b"\n  \n")


def test_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(b"two\n")
    (tmp_path / "a.JSON").write_bytes(b"one")
    os.mkfifo(tmp_path / "c.json")
    assert found(tmp_path) == [
        ("a.JSON", 1, b"one", ""),
        ("b.json", 1, b"two", ""),
        ("c.json", 1, b"", "not a regular file"),
    ]


def test_a_folder_of_two_kinds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"one")
    (tmp_path / "b.jsonl").write_bytes(b"one")
    with pytest.raises(CommandError, match=r"\*\.ndjson or \*\.jsonl and \*\.json") as told:
        open_source(str(tmp_path))
    assert told.value.kind == "usage"
    (tmp_path / "a.json").unlink()
    assert len(found(tmp_path)) == 1


def test_what_cannot_be_an_input(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="standard input") as told:
        open_source("-")
    assert told.value.kind == "usage"
    with pytest.raises(CommandError, match="no file") as told:
        open_source(str(tmp_path))
    assert told.value.kind == "empty"
    with pytest.raises(FileNotFoundError):
        open_source(str(tmp_path / "absent"))


def test_reading_a_few_rows_ends_the_reading_process(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "claims.parquet", [b"x" * 30_000] * 20_000)
    entries = open_source(str(path)).entries()
    assert isinstance(entries, Iterator)
    assert next(entries).position == 1
    children = set(_children())
    assert children
    entries.close()  # type: ignore[attr-defined]
    assert not children & set(_children())


def _children() -> list[int]:
    text = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return [int(pid) for pid in text.split() if b"resource_tracker" not in _command(int(pid))]


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


# -- chunks ---------------------------------------------------------------------------------------


def entries_of(*datas: bytes) -> list[Found]:
    return [Found("a", place, data) for place, data in enumerate(datas, start=1)]


def test_chunks_end_by_number_and_by_bytes() -> None:
    sizes = [10, 10, 10, 10, 60, 50, 10, 101, 10]
    entries = entries_of(*(b"x" * size for size in sizes))
    made = list(chunks_of(iter(entries), size=3, max_bytes=100))
    assert [[len(e.data) for e in chunk.entries] for chunk in made] == [
        *([10, 10, 10], [10, 60], [50, 10], [101], [10]),
    ]
    assert [(chunk.number, chunk.first, chunk.last) for chunk in made] == [
        *((1, 1, 3), (2, 4, 5), (3, 6, 7), (4, 8, 8), (5, 9, 9)),
    ]
    assert list(chunks_of(iter([]))) == []


@pytest.mark.parametrize(
    "other",
    [
        [Found("a", 1, b"one"), Found("a", 2, b"twO")],
        [Found("a", 1, b"onet"), Found("a", 2, b"wo")],
        [Found("b", 1, b"one"), Found("a", 2, b"two")],
        [Found("a", 1, b"one"), Found("a", 3, b"two")],
        [Found("a", 1, b"one"), Found("a", 2, b"two", "problem")],
        [Found("a", 2, b"two"), Found("a", 1, b"one")],
        [Found("a", 1, b"one")],
    ],
)
def test_the_digest_of_a_chunk_covers_all_that_is_told_of_its_entries(other: list[Found]) -> None:
    (first,) = chunks_of(iter(entries_of(b"one", b"two")))
    (again,) = chunks_of(iter(entries_of(b"one", b"two")))
    (second,) = chunks_of(iter(other))
    assert first.digest == again.digest != second.digest


# -- parts ----------------------------------------------------------------------------------------


def some_part(folder: Path, run_digest: str = "run") -> Chunk:
    (chunk,) = chunks_of(iter(entries_of(b"one", b"two")))
    rows = [
        Row("c-1", "shop", "d" * 43, "refused", "expired", "the claim has expired"),
        Row(None, None, None, "unreadable", "unreadable", "claim: not JSON"),
    ]
    write_part(folder, run_digest, chunk, rows)
    return chunk


def test_a_part_has_its_columns_and_says_whose_it_is(tmp_path: Path) -> None:
    chunk = some_part(tmp_path)
    assert part_numbers(tmp_path) == [1]
    part = find_part(tmp_path, 1)
    assert part is not None
    assert (part.run, part.entries, part.rows) == ("run", chunk.digest, 2)
    table = parquet.read_table(part_path(tmp_path, 1))
    assert {field.name: str(field.type) for field in table.schema} == COLUMNS
    assert table.to_pylist()[1] == {
        "entry": 2,
        "source": "a",
        "position": 2,
        "claim_id": None,
        "optician_id": None,
        "claim_digest": None,
        "verdict": "unreadable",
        "reason": "unreadable",
        "detail": "claim: not JSON",
        "duplicate_of": None,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["verdicts-00000001.parquet"]


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    some_part(tmp_path)
    first = part_path(tmp_path, 1).read_bytes()
    some_part(tmp_path)
    assert part_path(tmp_path, 1).read_bytes() == first
    some_part(tmp_path, "another run")
    assert part_path(tmp_path, 1).read_bytes() != first


def test_a_part_that_is_not_whole_is_none(tmp_path: Path) -> None:
    assert find_part(tmp_path, 1) is None
    some_part(tmp_path)
    path = part_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-20])
    assert find_part(tmp_path, 1) is None


def test_a_part_that_was_damaged_is_told(tmp_path: Path) -> None:
    some_part(tmp_path)
    path = part_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    place = data.index(b"the claim has expired")
    data[place] ^= 1
    path.write_bytes(data)
    assert find_part(tmp_path, 1) is not None  # its end is whole
    with pytest.raises(CommandError, match=r"verdicts-00000001\.parquet is damaged") as told:
        read_part(tmp_path, 1)
    assert told.value.kind == "file"


# -- duplicates -----------------------------------------------------------------------------------


def write_digests(folder: Path, digests: list[int | None], size: int) -> list[int]:
    """Parts of claims that are told apart by a number alone; None is no claim."""
    rows = [
        Row("c", "o", f"{digest:043}", "accepted", None, "")
        if digest is not None
        else Row(None, None, None, "unreadable", "unreadable", "no claim")
        for digest in digests
    ]
    entries = iter(entries_of(*([b"x"] * len(digests))))
    for chunk in chunks_of(entries, size):
        write_part(folder, "run", chunk, rows[chunk.first - 1 : chunk.last])
    return part_numbers(folder)


def expected_firsts(digests: list[int | None]) -> list[int | None]:
    """By a dictionary in memory."""
    first: dict[int, int] = {}
    told: list[int | None] = []
    for entry, digest in enumerate(digests, start=1):
        told.append(None if digest is None else first.get(digest))
        if digest is not None:
            first.setdefault(digest, entry)
    return told


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize("different", [1, 2, 40, 10_000])
def test_duplicates_are_those_that_a_dictionary_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, different: int
) -> None:
    monkeypatch.setattr(duplicates, "SPAN_BITS", 4)  # so that parts lie across several
    chosen = random.Random(size * different)
    digests = [None if chosen.random() < 0.1 else chosen.randrange(different) for _ in range(150)]
    numbers = write_digests(tmp_path, digests, size)
    tally = duplicates.mark_duplicates(tmp_path, numbers)
    told = [row["duplicate_of"] for row in read_verdicts(tmp_path)]
    assert told == expected_firsts(digests)
    assert tally.duplicates == sum(one is not None for one in told)
    assert tally.entries == 150
    assert tally.reasons["unreadable"] == digests.count(None)
    assert not (tmp_path / duplicates.FOLDER).exists()


def test_marking_again_changes_nothing(tmp_path: Path) -> None:
    numbers = write_digests(tmp_path, [1, 2, 1, 3, 2, 1, 1, None, 4], 2)
    first = duplicates.mark_duplicates(tmp_path, numbers)
    before = contents(tmp_path)
    assert duplicates.mark_duplicates(tmp_path, numbers) == first
    assert contents(tmp_path) == before
    part = find_part(tmp_path, 2)
    assert part is not None
    assert part.run == "run"


def test_a_claim_that_fills_the_input_fills_no_heap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    honest = duplicates._find

    def watching(heap: Path, work: Path) -> None:
        sizes.append(heap.stat().st_size // duplicates._SEEN.itemsize)
        honest(heap, work)

    monkeypatch.setattr(duplicates, "_find", watching)
    numbers = write_digests(tmp_path, [5] * 600, 50)
    tally = duplicates.mark_duplicates(tmp_path, numbers)
    assert tally.duplicates == 599
    assert sum(sizes) == len(numbers) == 12


def test_digests_that_begin_alike_meet_in_no_one_heap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    honest = duplicates._find

    def watching(heap: Path, work: Path) -> None:
        counts.append(len(np.fromfile(heap, dtype=duplicates._SEEN)))
        honest(heap, work)

    monkeypatch.setattr(duplicates, "_find", watching)
    # 43 digits with zeros in front: what differs is at the end of the first eight letters at best.
    rows = [Row("c", "o", f"AAAA{n:04}{'A' * 35}", "accepted", None, "") for n in range(2000)]
    for chunk in chunks_of(iter(entries_of(*([b"x"] * 2000))), 500):
        write_part(tmp_path, "run", chunk, rows[chunk.first - 1 : chunk.last])
    assert duplicates.mark_duplicates(tmp_path, part_numbers(tmp_path)).duplicates == 0
    assert sum(counts) == 2000
    assert max(counts) < 400


# -- runs -----------------------------------------------------------------------------------------


def test_a_run_judges_every_entry_in_its_order(source: Path, tmp_path: Path) -> None:
    done = run(source, tmp_path / "out")
    rows = read_verdicts(tmp_path / "out")
    assert [row["reason"] or "accepted" for row in rows] == MIXED_VERDICTS
    assert [row["duplicate_of"] for row in rows] == MIXED_DUPLICATES
    assert [(row["entry"], row["position"]) for row in rows] == [(n, n) for n in range(1, 16)]
    assert {row["source"] for row in rows} == {"claims.ndjson"}
    assert done.summary == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {name: done.summary[name] for name in ("entries", "parts", "duplicates")} == {
        "entries": 15,
        "parts": 4,
        "duplicates": 5,
    }
    assert done.summary["reasons"] == {"signature_invalid": 2, "unreadable": 2}
    assert (done.timing["judged"], done.timing["taken_over"]) == (15, 0)
    listed = [row["entry"] for row in done.listed]
    assert listed == [3, 4, 5, 8, 9, 10, 12, 15]


def test_no_more_bad_entries_are_listed_than_a_few(tmp_path: Path) -> None:
    entries = [b"{}"] * 50 + [good_claims()[0]] * 30
    done = run(write_lines(tmp_path / "claims.ndjson", entries), tmp_path / "out", 16)
    assert [row["entry"] for row in done.listed] == [*range(1, 21), *range(52, 72)]


@pytest.mark.parametrize("room", [1, 2, 5])
@pytest.mark.parametrize("last_first", [False, True])
def test_the_order_in_which_workers_end_changes_no_byte(
    source: Path, tmp_path: Path, room: int, last_first: bool
) -> None:
    run(source, tmp_path / "out", 2)
    other = tmp_path / "other"
    run_bulk(asked(source, other, 2), lambda given: InProcess(given, room, last_first))
    assert contents(other) == contents(tmp_path / "out")


class Stopped(Exception):
    """Stands for a kill."""


class Stopping(InProcess):
    """Workers that stop after some chunks."""

    def __init__(self, given: Documents, after: int) -> None:
        super().__init__(given, last_first=True)
        self._left = after

    def next_done(self) -> tuple[Chunk, list[Row]]:
        if not self._left:
            raise Stopped
        self._left -= 1
        return super().next_done()


@pytest.mark.parametrize("after", [0, 1, 3, 6])
def test_a_run_that_was_stopped_goes_on_where_it_was(
    source: Path, tmp_path: Path, after: int
) -> None:
    run(source, tmp_path / "whole", 2)
    folder = tmp_path / "out"
    with pytest.raises(Stopped):
        run_bulk(asked(source, folder, 2), lambda given: Stopping(given, after))
    assert len(part_numbers(folder)) == after
    assert not (folder / "summary.json").exists()
    (folder / "verdicts-00000008.parquet.unfinished").write_bytes(b"half a file")
    (folder / duplicates.FOLDER).mkdir()
    done = run(source, folder, None, now=None)  # as it was begun
    assert done.timing["taken_over"] + done.timing["judged"] == 15
    assert done.timing["taken_over"] in (2 * after, 2 * after - 1)  # the last chunk has one
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_run_that_was_stopped_while_it_marked_goes_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(source, tmp_path / "whole", 2)
    steps = 0

    class Stumbling(Watcher):
        def step(self) -> None:
            nonlocal steps
            steps += 1
            if steps == 12:
                raise Stopped

    folder = tmp_path / "out"
    with pytest.raises(Stopped):
        run_bulk(asked(source, folder, 2), InProcess, Stumbling())
    assert contents(folder).keys() != contents(tmp_path / "whole").keys()
    assert run(source, folder, 2).timing["judged"] == 0
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_finished_run_that_is_run_again_starts_no_worker(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run(source, folder)
    before = contents(folder)

    def nobody(_: Documents) -> Any:
        raise AssertionError("a worker was started")

    done = run_bulk(asked(source, folder), nobody)
    assert (done.timing["judged"], done.timing["taken_over"]) == (0, 15)
    assert contents(folder) == before


def test_a_part_that_is_lost_or_torn_is_made_again(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run(source, folder)
    before = contents(folder)
    part_path(folder, 2).unlink()
    part_path(folder, 3).write_bytes(b"PAR1 torn")
    assert run(source, folder).timing["judged"] == 8
    assert contents(folder) == before


def other_contract() -> bytes:
    document = samples.contract().model_dump(mode="json") | {"grant_days": 17}
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"chunk": 5}, "--chunk"),
        ({"now": samples.NOW + timedelta(seconds=1)}, "--now"),
        ({"keys": documents().keys + b" "}, "--optician-keys"),
        ({"contract": other_contract()}, "--contract"),
        ({"contract": other_contract(), "chunk": 3}, "--chunk, --contract"),
    ],
)
def test_a_run_is_resumed_as_it_was_begun_or_not_at_all(
    source: Path, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    folder = tmp_path / "out"
    run(source, folder)
    before = contents(folder)
    with pytest.raises(CommandError, match=f"another value of {named}:") as told:
        run(source, folder, **changes)
    assert told.value.kind == "other_run"
    assert contents(folder) == before


def test_another_program_does_not_go_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(source, tmp_path / "out")
    monkeypatch.setattr("verifier_api.bulk.manifest.version_text", lambda: "another")
    with pytest.raises(CommandError, match="the version of this program"):
        run(source, tmp_path / "out")


def test_white_space_in_the_contract_makes_no_other_run(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out")
    assert (
        run(source, tmp_path / "out", contract=documents().contract + b"\n").timing["judged"] == 0
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda entries: [*entries[:4], good_claims()[7], *entries[5:]], "entries 5 to 8 are not"),
        (lambda entries: entries[1:], "entries 1 to 4 are not"),
        (lambda entries: [*entries, good_claims()[7]], "entries 13 to 16 are not"),
        (lambda entries: entries[:12], "fewer claims than before"),
    ],
)
def test_an_input_that_changed_is_noticed(
    source: Path, tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], told: str
) -> None:
    folder = tmp_path / "out"
    run(source, folder)
    write_lines(source, change(mixed_entries()))
    with pytest.raises(CommandError, match=told) as error:
        run(source, folder)
    assert error.value.kind == "other_run"
    write_lines(source, mixed_entries())
    os.utime(source, (0, 0))
    assert run(source, folder).timing["judged"] == 0


def test_the_same_claims_in_other_bytes_are_the_same_input(tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "claims.parquet", mixed_entries(), row_group_size=6)
    run(source, tmp_path / "out")
    write_parquet(source, mixed_entries(), compression="none")
    assert run(source, tmp_path / "out").timing["judged"] == 0


def test_an_input_may_grow_while_it_was_not_read_yet(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(Stopped):
        run_bulk(asked(source, folder), lambda given: Stopping(given, 1))
    write_lines(source, [*mixed_entries(), good_claims()[7]])
    assert run(source, folder).summary["entries"] == 16


def test_a_folder_with_something_else_is_left_alone(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(CommandError, match=r"not empty and has no manifest\.json") as told:
        run(source, folder)
    assert told.value.kind == "other_run"
    assert [path.name for path in folder.iterdir()] == ["diary.txt"]


def test_parts_of_another_run_are_noticed(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out")
    run(source, tmp_path / "other", now=samples.NOW + timedelta(seconds=1))
    name = part_path(tmp_path / "out", 2)
    part_path(tmp_path / "other", 2).rename(name)
    with pytest.raises(CommandError, match="is of another run"):
        run(source, tmp_path / "out")


def test_two_processes_do_not_share_a_folder(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with alone_in(folder), pytest.raises(CommandError, match="another process") as told:
        run(source, folder)
    assert told.value.kind == "other_run"
    assert run(source, folder).timing["judged"] == 15


def test_the_verdicts_are_not_put_among_the_claims(tmp_path: Path) -> None:
    folder = tmp_path / "claims"
    folder.mkdir()
    write_parquet(folder / "a.parquet", mixed_entries())
    with pytest.raises(CommandError, match="in the folder of the claims"):
        run(folder, folder)


def test_an_input_without_claims(tmp_path: Path) -> None:
    for empty in (
        write_parquet(tmp_path / "empty.parquet", []),
        write_lines(tmp_path / "empty.ndjson", [b"", b" "]),
    ):
        with pytest.raises(CommandError, match="no claim in the input") as told:
            run(empty, tmp_path / f"out-{empty.name}")
        assert told.value.kind == "empty"


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"format_version": 2}', b"{" * 20_000], ids=["", "list", "2", "deep"]
)
def test_a_manifest_that_is_none(source: Path, tmp_path: Path, data: bytes) -> None:
    from zk.errors import ZkError

    folder = tmp_path / "out"
    folder.mkdir()
    (folder / NAME).write_bytes(data)
    with pytest.raises(ZkError, match=r"manifest\.json"):
        run(source, folder)


def test_the_moment_in_a_manifest_that_is_none(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    made = new_manifest("lines", 4, documents().facts() | {"now": "yesterday"})
    (folder / NAME).write_bytes(made.to_bytes())
    with pytest.raises(CommandError, match="now: not an instant"):
        run(source, folder, now=None)


def test_a_run_without_a_moment_is_judged_as_of_its_beginning(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "out", now=None)
    begun = read_manifest(tmp_path / "out")
    assert begun is not None
    assert {row["reason"] for row in read_verdicts(tmp_path / "out")} == {
        *("expired", "signature_invalid", "unreadable"),
    }
    before = contents(tmp_path / "out")
    part_path(tmp_path / "out", 1).unlink()
    run(source, tmp_path / "out", now=None)
    assert contents(tmp_path / "out") == before


def test_a_fault_in_the_documents_makes_no_folder(source: Path, tmp_path: Path) -> None:
    from zk.errors import ZkError

    for name in ("contract", "keys", "nomenclature"):
        changes: dict[str, Any] = {name: b"{}"}
        with pytest.raises(ZkError):
            run(source, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_progress_adds_up(source: Path, tmp_path: Path) -> None:
    class Counting(Watcher):
        units = claims = total = steps = end = 0

        def reading(self, total: int) -> None:
            self.total = total

        def advance(self, units: int, claims: int) -> None:
            self.units += units
            self.claims += claims

        def closing(self, total: int) -> None:
            self.end = total

        def step(self) -> None:
            self.steps += 1

    for given in (source, write_lines(tmp_path / "claims.ndjson", mixed_entries())):
        watcher = Counting()
        run_bulk(asked(given, tmp_path / f"out-{given.name}"), InProcess, watcher)
        assert (watcher.units, watcher.claims) == (watcher.total, 15)
        assert watcher.steps == watcher.end == 8


def test_every_form_of_the_input_gives_the_same_verdicts(tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "claims.parquet", mixed_entries(), row_group_size=6)
    folder = tmp_path / "files"
    folder.mkdir()
    for number, data in enumerate(mixed_entries()):
        (folder / f"{number:03}.json").write_bytes(data)
    lines = write_lines(tmp_path / "claims.jsonl", mixed_entries())
    told = []
    for place, given in enumerate((source, folder, lines)):
        run(given, tmp_path / f"out-{place}")
        rows = read_verdicts(tmp_path / f"out-{place}")
        told.append(
            [{k: v for k, v in row.items() if k not in ("source", "position")} for row in rows]
        )
    assert told[0] == told[1] == told[2]


def test_the_largest_chunk_of_the_command_is_that_of_the_inputs() -> None:
    from verifier_api.commands.bulk import LARGEST_CHUNK

    assert LARGEST_CHUNK == inputs.MAX_CHUNK
    assert inputs.DEFAULT_CHUNK <= inputs.MAX_CHUNK


def test_without_pyarrow_the_command_says_what_to_install(repository: Path) -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from console.running import CommandError\n"
        "from verifier_api.bulk.arrow import load_arrow\n"
        "try: load_arrow()\n"
        "except CommandError as error: print(error.kind, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "missing bulk verification needs pyarrow: install requirements/bulk.txt" in done.stdout


def test_an_unsigned_claim_is_really_refused_for_its_signature() -> None:
    assert samples.judge().judge(samples.sample_claim("line")[0]).is_accepted
    assert unsigned(good_claims()[0]) != good_claims()[0]
