"""Many claims: chunks change nothing, and memory does not grow with their number."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from circuits.claim import MAX_CLAIM_BYTES, Claim, encode_claim
from tests.support.claims import judge, sample_claim
from verifier_api.batches import Entry, Judged, judge_entries, read_entries
from verifier_api.judge import Judge, Verdict
from zk.errors import ZkError

DATA = encode_claim(sample_claim("line")[0])
WRONG = DATA.replace(b"2020-10-05", b"2020-10-04")


def summary(outcome: Judged | ZkError) -> str:
    if isinstance(outcome, ZkError):
        return "unreadable"
    return outcome.verdict.reason or "accepted"


def test_a_claim_that_comes_twice_names_the_first_in_whatever_chunk() -> None:
    datas = [DATA, WRONG, b"{}", DATA, WRONG, DATA]
    entries = [Entry(f"line {n}", len(data), data) for n, data in enumerate(datas, start=1)]
    for chunk in (1, 2, 256):
        outcomes = [outcome for _, outcome in judge_entries(judge(), entries, chunk)]
        judged = [outcome for outcome in outcomes if isinstance(outcome, Judged)]
        assert [one.duplicate_of for one in judged] == [None, None, "line 1", "line 2", "line 1"]
        assert [encode_claim(one.claim) for one in judged] == [DATA, WRONG, DATA, WRONG, DATA]


@pytest.mark.parametrize("data", [DATA + DATA, DATA + b" " + DATA, DATA * 20])
def test_claims_that_share_a_line_are_told_apart_from_other_faults(data: bytes) -> None:
    ((_, outcome),) = judge_entries(judge(), [Entry("line 1", len(data), data)])
    assert isinstance(outcome, ZkError)
    assert "several documents on one line" in str(outcome)
    ((_, outcome),) = judge_entries(judge(), [Entry("line 1", len(data), DATA + b"x")])
    assert "Extra data" in str(outcome)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 256])
def test_every_chunk_size_yields_the_same_verdicts_in_order(chunk: int) -> None:
    datas = [DATA, b"{}", WRONG, DATA, DATA, b"", WRONG]
    entries = [Entry(f"line {n}", len(data), data) for n, data in enumerate(datas)]
    judged = list(judge_entries(judge(), entries, chunk))
    assert [entry for entry, _ in judged] == entries
    assert [summary(outcome) for _, outcome in judged] == [
        *("accepted", "unreadable", "signature_invalid", "accepted"),
        *("accepted", "unreadable", "signature_invalid"),
    ]


def test_no_more_than_a_chunk_is_read_ahead() -> None:
    read = 0

    def endless() -> Iterator[Entry]:
        nonlocal read
        while True:
            read += 1
            yield Entry(f"line {read}", len(DATA), DATA)

    judged = judge_entries(judge(), endless(), chunk=4)
    for number in range(1, 10):
        next(judged)
        assert read == -(-number // 4) * 4


def test_a_chunk_is_verified_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    honest = Judge.judge_batch

    def counting(self: Judge, claims: list[Claim]) -> list[Verdict]:
        sizes.append(len(claims))
        return honest(self, claims)

    monkeypatch.setattr(Judge, "judge_batch", counting)
    entries = [Entry("x", len(DATA), DATA)] * 5 + [Entry("x", 2, b"{}")]
    assert len(list(judge_entries(judge(), entries, chunk=3))) == 6
    assert sizes == [3, 2]


def test_lines_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "claims.ndjson"
    long = b"x" * (3 * MAX_CLAIM_BYTES)
    path.write_bytes(b"\n".join([b"one", b"two\r", b"", b"  ", long, b"last"]))
    entries, total = read_entries(str(path))
    listed = list(entries)
    assert [entry.name for entry in listed] == ["line 1", "line 2", "line 5", "line 6"]
    assert [entry.data for entry in listed[:2] + listed[3:]] == [b"one", b"two", b"last"]
    assert MAX_CLAIM_BYTES < len(listed[2].data) <= MAX_CLAIM_BYTES + 2
    assert [entry.bytes_read for entry in listed] == [4, 5, len(long) + 1, 4]
    assert total == path.stat().st_size


@pytest.mark.parametrize("excess", range(4))
def test_a_line_at_the_limit_ends_where_it_ends(tmp_path: Path, excess: int) -> None:
    path = tmp_path / "claims.ndjson"
    path.write_bytes(b"x" * (MAX_CLAIM_BYTES + excess) + b"\nnext\n")
    entries, _ = read_entries(str(path))
    first, second = entries
    assert len(first.data) == MAX_CLAIM_BYTES + min(excess, 2)
    assert (second.name, second.data) == ("line 2", b"next")


def test_lines_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"one\ntwo"))
    monkeypatch.setattr(sys, "stdin", stream)
    entries, total = read_entries("-")
    assert [entry.data for entry in entries] == [b"one", b"two"]
    assert total is None
    assert not stream.closed


def test_files_of_a_folder_by_name(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "c.txt"):
        (tmp_path / name).write_bytes(name.encode() + b"\n")
    (tmp_path / "d.json").mkdir()
    entries, total = read_entries(str(tmp_path))
    listed = list(entries)
    assert [(entry.name, entry.data) for entry in listed] == [
        ("a.json", b"a.json"),
        ("b.json", b"b.json"),
    ]
    assert total == 14 == sum(entry.bytes_read for entry in listed)


def test_a_file_that_vanishes_is_an_entry_that_cannot_be_read(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(DATA)
    entries, _ = read_entries(str(tmp_path))
    (tmp_path / "a.json").unlink()
    outcomes = [outcome for _, outcome in judge_entries(judge(), entries)]
    assert [summary(outcome) for outcome in outcomes] == ["unreadable", "accepted"]
    assert "No such file" in str(outcomes[0])


def test_a_source_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_entries(str(tmp_path / "absent"))


def test_the_repr_of_an_entry_is_short() -> None:
    assert "beneficiary" not in repr(Entry("line 1", len(DATA), DATA))


def test_a_long_line_that_starts_blank_is_an_entry(tmp_path: Path) -> None:
    file = tmp_path / "claims.ndjson"
    file.write_bytes(b" " * 40_000 + b"{}\n" + b" \n" + b"{}\n")
    entries, _ = read_entries(str(file))
    assert [entry.name for entry in entries] == ["line 1", "line 3"]


def test_what_is_no_regular_file_is_an_entry_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "b.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "c.JSON").write_bytes(b"{}")
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "a.json")
    entries, _ = read_entries(str(tmp_path))
    found = [(entry.name, entry.problem) for entry in entries]
    assert found == [
        ("a.json", "not a regular file"),
        ("b.json", "not a regular file"),
        ("c.JSON", ""),
    ]
