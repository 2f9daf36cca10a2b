"""What the bulk benchmark makes, computes and tells; the program itself runs at the end, small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import bulk
from bench.bulk import BulkError, Sample, memory_and_time, require_same
from bench.bulk_claims import BAD, NOW, entries_of_part, make_input, one_claim
from bench.bulk_report import bulk_block, plot_bulk, write_bulk_report
from bench.cases import cases
from bench.plots import draw
from bench.results import FOLDER
from circuits.claim import encode_claim
from optician.identity import Identity
from tests.support.claims import judge, registry
from verifier_api.batches import Entry, judge_entries
from verifier_api.judge import REASONS
from zk.errors import ZkError

RESULTS: dict[str, Any] = {
    "entries": 200_000,
    "input_bytes": 300_000_000,
    "verdict_bytes": 20_000_000,
    "pyarrow": "26.0",
    "machine": {"processor": "P", "cores": 2, "python": "CPython 3.11"},
    "unbroken": {
        "seconds": 100.0,
        "cores": 2,
        "claims_a_second": 2000.0,
        "claims_a_second_and_core": 1000.0,
        "cpu_ms_a_claim": 1.0,
        "own_cpu_ms_a_claim": 0.02,
        "memory_mb_early": 400.0,
        "memory_mb_late": 401.0,
        "own_memory_mb_early": 150.0,
        "own_memory_mb_late": 151.0,
        "counts": {"accepted": 199_000, "refused": 900, "unreadable": 100},
        "duplicates": 200,
        "parts": 98,
        "samples": [{"seconds": 1.0, "processes": 4, "memory_mb": 400.0, "own_memory_mb": 150.0}],
    },
    "killed": {
        "kills": [{"seconds": 10.0, "parts": 9}, {"seconds": 20.0, "parts": 28}],
        "taken_over": 57_344,
        "judged": 142_656,
    },
    "cluster": {"workers": 2, "killed_after_parts": 32, "seconds": 120.0},
    "lines": {"entries": 10_000, "seconds": 6.0, "check_batch_seconds": 9.0},
}


@pytest.fixture(scope="module")
def shop() -> Identity:
    return Identity.generate("bench-optician")


def reason_of(data: bytes | None, shop: Identity) -> str:
    """What a judge of the benchmark's own contract and table says."""
    case = next(case for case in cases() if case.name == "line" and not case.has_limits)
    judges = judge(
        of_contract=case.contract, table=case.nomenclature, keys=registry([shop]), now=NOW
    )
    entry = Entry("x", 0, data or b"", "null" if data is None else "")
    ((_, outcome),) = judge_entries(judges, [entry])
    if isinstance(outcome, ZkError):
        return "unreadable"
    return outcome.verdict.reason or "accepted"


@pytest.mark.parametrize("kind", BAD)
def test_every_bad_one_is_refused_for_its_own_reason(kind: str, shop: Identity) -> None:
    from random import Random

    claim = one_claim("bulk-1", Random(1), shop, is_equipment=False)
    assert reason_of(encode_claim(claim), shop) == "accepted"
    reason, make = BAD[kind]
    assert reason_of(make(claim, shop), shop) == reason


def test_the_bad_ones_have_most_reasons_that_there_are() -> None:
    others = {
        *("nomenclature_not_in_force", "contract_unpublished", "nomenclature_unpublished"),
        *("statement_not_allowed", "floor", "ceiling_exceeded"),
    }
    assert {reason for reason, _ in BAD.values()} == {*REASONS, "unreadable"} - others


def test_a_part_has_what_it_says(shop: Identity) -> None:
    from random import Random

    everywhere = encode_claim(one_claim("everywhere", Random(0), shop, is_equipment=False))
    entries = list(entries_of_part(0, 120, shop, everywhere))
    assert Counter(reason for _, reason in entries) == {"accepted": 119, "unreadable": 1}
    assert entries[0][0] == everywhere
    kinds = Counter(
        json.loads(data)["statement"] for data, reason in entries if data and reason == "accepted"
    )
    assert kinds == {"line": 109, "equipment": 10}  # the hundredth entry is the bad one
    assert next(entries_of_part(1, 1, shop, everywhere)) == (everywhere, "duplicate")


def test_memory_is_that_of_the_time_when_all_processes_were_there() -> None:
    samples = [Sample(0.0, 1, 50_000_000, 0.1, 50_000_000, 0.1)]
    samples += [
        Sample(float(n), 4, (400 + n) * 10**6, float(n), 100_000_000, n / 10) for n in range(1, 51)
    ]
    samples.append(Sample(51.0, 1, 900_000_000, 52.0, 900_000_000, 6.0))
    told = memory_and_time(samples, 1000)
    assert (told["memory_mb_early"], told["memory_mb_late"]) == (416.0, 445.5)
    assert (told["own_memory_mb_early"], told["own_memory_mb_late"]) == (100.0, 100.0)
    assert (told["memory_mb_largest"], told["processes"]) == (900.0, 4)
    assert (told["cpu_ms_a_claim"], told["own_cpu_ms_a_claim"]) == (52.0, 6.0)


def test_a_difference_is_an_error() -> None:
    require_same("the files", {"a": 1}, {"a": 1})
    with pytest.raises(BulkError, match="the files: not the same"):
        require_same("the files", {"a": 1}, {"a": 2})


def test_digests_leave_out_the_time(tmp_path: Path) -> None:
    for name in ("verdicts-00000001.parquet", "summary.json", "timing.json"):
        (tmp_path / name).write_text(name)
    assert list(bulk.digests(tmp_path)) == ["summary.json", "verdicts-00000001.parquet"]


def test_the_report_fills_its_block_and_draws(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench:begin bulk -->\n<!-- bench:end bulk -->\n")
    write_bulk_report(RESULTS, tmp_path, page)
    text = page.read_text()
    assert bulk_block(RESULTS) in text
    assert "10,000,000 claims take 1.4 hours on these 2 cores" in text
    assert "50,000 claims a second" in text
    assert "| **memory late in multiples of early**, ≤ 1.1 | 1.00, met |" in text
    grown = RESULTS | {"unbroken": RESULTS["unbroken"] | {"memory_mb_late": 450.0}}
    assert "1.12, **missed** |" in bulk_block(grown)
    assert "after 10.0 s with 9 files and after 20.0 s with 28 files" in text
    assert (tmp_path / "bulk.svg").read_bytes() == draw(RESULTS, plot_bulk)


def test_what_was_measured_is_on_the_page(repository: Path) -> None:
    results = json.loads(bulk.LATEST.read_text(encoding="utf-8"))
    page = (repository / "docs" / "performance.md").read_text(encoding="utf-8")
    assert bulk_block(results) in page
    assert (FOLDER / "bulk.svg").read_bytes() == draw(results, plot_bulk)
    assert results["killed"]["is_same"] is results["cluster"]["is_same"] is True


def test_an_input_is_made_once(tmp_path: Path) -> None:
    console = Console(file=open(os.devnull, "w"))  # noqa: SIM115
    try:
        first = make_input(30, 20, console, tmp_path, jobs=1)
        times = [path.stat().st_mtime_ns for path in sorted(first.claims.iterdir())]
        assert make_input(30, 20, console, tmp_path, jobs=1) == first
        assert [path.stat().st_mtime_ns for path in sorted(first.claims.iterdir())] == times
    finally:
        console.file.close()
    assert first.expected == {"accepted": 30}
    assert len(first.slice.read_bytes().splitlines()) == 20
    assert (first.claims.parent / "key").stat().st_mode & 0o777 == 0o600


@pytest.mark.integration
def test_the_whole_program_small(repository: Path, tmp_path: Path) -> None:
    page = repository / "docs" / "performance.md"
    before = page.read_bytes()
    out = tmp_path / "bulk.json"
    subprocess.run(
        [
            *(sys.executable, "-m", "bench.bulk", "--claims", "1200", "--slice", "200"),
            *("--chunk", "16", "--cache", str(tmp_path), "--out", str(out)),
        ],
        cwd=repository,
        check=True,
        capture_output=True,
        timeout=240,
    )
    results = json.loads(out.read_text(encoding="utf-8"))
    assert page.read_bytes() == before
    assert results["unbroken"]["entries"] == 1200
    assert results["unbroken"]["parts"] == 75
    assert results["unbroken"]["reasons"]["unreadable"] == 3
    assert len(results["killed"]["kills"]) == 2
    assert results["killed"]["taken_over"] > 0
    assert results["lines"]["entries"] == 200
    assert bulk_block(results)
