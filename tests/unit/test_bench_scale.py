"""The sizing rule and its report; the program itself needs PostgreSQL and minutes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.plots import draw
from bench.report import fill
from bench.results import FOLDER
from bench.scale_report import needs, plot_scale, scale_block, write_scale_report, writer_limits

ROUND = {
    "processes": 1,
    "claims": 1024,
    "claims_a_second": 800.0,
    "median_ms": 40.0,
    "p95_ms": 60.0,
    "loop_ms": 0.7,
    "workers_ms": 0.35,
    "database_ms": 0.2,
    "client_ms": 0.1,
    "lock_share": 0.4,
    "lock_ms": 0.5,
    "errors": 0,
}
DEARER = ROUND | {"processes": 2, "loop_ms": 1.4, "lock_ms": 1.25}
RESULTS = {
    "rounds": [ROUND, DEARER, ROUND, DEARER],
    "connections": 32,
    "machine": {"processor": "P", "cores": 2},
}


@pytest.mark.parametrize(
    ("rate", "expected"), [(10, (1, 1, 1)), (500, (1, 2, 1)), (1000, (2, 3, 1))]
)
def test_cores_are_the_dearer_cost_times_the_rate_at_seventy_percent(
    rate: int, expected: tuple[int, int, int]
) -> None:
    assert needs(RESULTS, rate) == expected


def test_the_writer_limits_all_processes_together() -> None:
    assert writer_limits(RESULTS) == (800, 2000)
    block = scale_block(RESULTS)
    assert "| 1,000 | 2 | 3 | 1 | not shown |" in block
    assert "| 100 | 1 | 1 | 1 | yes |" in block
    assert "at most 800 claims a second" in block
    slow = {"rounds": [DEARER]} | {k: v for k, v in RESULTS.items() if k != "rounds"}
    assert "| 1,000 | 2 | 3 | 1 | **no** |" in scale_block(slow)


def test_every_number_of_processes_has_its_medians() -> None:
    block = scale_block(RESULTS)
    assert "| CPU of the service's own processes, ms a claim | 0.700 | 1.400 |" in block
    assert "Medians of 2 rounds of 1,024 claims" in block


def test_the_report_fills_its_block_and_draws(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench:begin scale -->\n<!-- bench:end scale -->\n")
    write_scale_report(RESULTS, tmp_path, page)
    assert scale_block(RESULTS) in page.read_text()
    assert (tmp_path / "scale.svg").read_bytes() == draw(RESULTS, plot_scale)


def test_the_page_tells_what_was_measured(repository: Path) -> None:
    results = json.loads((FOLDER / "scale.json").read_text(encoding="utf-8"))
    page = (repository / "docs" / "performance.md").read_text(encoding="utf-8")
    assert fill(page, "scale", scale_block(results)) == page
