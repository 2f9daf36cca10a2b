"""What the benchmark of the insurer's pages tells; the program runs at the end, small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import pages
from bench.pages_report import pages_block, write_pages_report
from bench.report import fill
from bench.results import FOLDER

RESULTS: dict[str, Any] = {
    "claims": 100_000,
    "database_bytes": 620_000_000,
    "target_ms": 300.0,
    "batch": 64,
    "pages": [
        {"page": "overview", "first_ms": 250.4, "ms": [90.0, 100.0, 140.0]},
        {"page": "claims", "first_ms": 30.0, "ms": [10.0, 12.0, 11.0]},
    ],
    "export_seconds": 2.5,
    "export_bytes": 18_400_000,
    "recording_us": {"neither": [70.0, 72.0], "stopwatch": [80.0, 84.0], "both": [85.0, 83.0]},
    "machine": {"processor": "P", "cores": 2, "python": "CPython 3.11", "load_at_start": [0.1]},
}


def test_the_block_has_every_page_and_says_whether_the_target_is_met() -> None:
    block = pages_block(RESULTS)
    assert "| overview | 250 | 100 | 140 |" in block
    assert "at most 300 ms: met" in block
    assert "at most 99 ms: **missed**" in pages_block(RESULTS | {"target_ms": 99.0})
    assert "| with it and the pages' index | 84.0 | 83.0 | 85.0 | +13.0 |" in block


def test_the_report_fills_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bench:begin pages -->\n<!-- bench:end pages -->\nb\n")
    write_pages_report(RESULTS, page)
    assert pages_block(RESULTS) in page.read_text()


def test_the_page_says_what_was_measured(repository: Path) -> None:
    results = json.loads((FOLDER / "pages.json").read_text())
    page = (repository / "docs" / "performance.md").read_text("utf-8")
    assert fill(page, "pages", pages_block(results)) == page
    assert results["claims"] == pages.CLAIMS
    assert {entry["page"] for entry in results["pages"]} == set(pages.PAGES)
    assert all(len(entry["ms"]) >= 15 for entry in results["pages"])


@pytest.mark.integration
def test_the_program_runs_whole(tmp_path: Path, repository: Path) -> None:
    out = tmp_path / "pages.json"
    words = ("--claims", "500", "--rounds", "1", "--batches", "3")
    subprocess.run(
        [sys.executable, "-m", "bench.pages", *words, "--out", str(out)],
        cwd=repository,
        check=True,
        capture_output=True,
        timeout=120,
    )
    results = json.loads(out.read_text())
    assert {entry["page"] for entry in results["pages"]} == set(pages.PAGES)
    assert all(len(entry["ms"]) == 1 for entry in results["pages"])
    assert all(min(spent) > 0 for spent in results["recording_us"].values())
