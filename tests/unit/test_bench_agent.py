"""What the benchmark of one command computes and tells; the program runs at the end, small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import agent
from bench.agent_report import PICTURE, agent_block, plot_agent, write_agent_report
from bench.plots import draw
from bench.report import fill
from bench.results import FOLDER

SECOND = 1_000_000_000
MOMENTS: dict[str, Any] = {
    "begins": 10 * SECOND,
    "derive_begins": 11 * SECOND,
    "derive_ends": 14 * SECOND,
    "opened": 15 * SECOND,
    "prove_begins": 17 * SECOND,
    "prove_ends": 21 * SECOND,
    "send_begins": 22 * SECOND,
    "send_ends": 25 * SECOND,
    "ended": 26 * SECOND,
    "ends": 27 * SECOND,
    "claim_id": "claim-1",
}
SHARES = {
    "start_up": 2.0,
    "derivation": 3.0,
    "loading": 2.0,
    "proving": 4.0,
    "network": 2.0,
    "verification": 1.0,
    "keeping": 3.0,
}
RESULTS: dict[str, Any] = {
    "rounds": [SHARES | {"bare_seconds": 0.2}, SHARES | {"bare_seconds": 0.3, "loading": 2.5}],
    "bare_seconds": 0.25,
    "medians": SHARES,
    "ratio": 8.0,
    "target": 12.0,
    "scrypt": {"n": 131072, "r": 8, "p": 1},
    "machine": {"processor": "P", "cores": 2, "python": "CPython 3.11", "load_at_start": [0.1]},
}


def test_the_parts_are_the_whole_command_and_the_derivation_stands_apart() -> None:
    shares = agent.shares_of(MOMENTS, 1.0)
    assert shares == SHARES
    assert tuple(shares) == agent.PARTS
    assert sum(shares.values()) == 17.0


def test_the_block_says_whether_the_target_is_met() -> None:
    assert "**8.0 times** `python -c pass`, at most 12: met" in agent_block(RESULTS)
    assert "at most 12: **missed**" in agent_block(RESULTS | {"ratio": 12.1})
    assert "| 23.5 % |" in agent_block(RESULTS)


def test_the_report_fills_the_page_and_draws(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bench:begin agent -->\n<!-- bench:end agent -->\nb\n")
    write_agent_report(RESULTS, tmp_path, page)
    assert agent_block(RESULTS) in page.read_text()
    assert (tmp_path / PICTURE).read_bytes() == draw(RESULTS, plot_agent)


def test_the_page_says_what_was_measured(repository: Path) -> None:
    results = json.loads((FOLDER / "agent.json").read_text())
    page = (repository / "docs" / "performance.md").read_text("utf-8")
    assert fill(page, "agent", agent_block(results)) == page
    assert (repository / "docs" / "img" / PICTURE).is_file()
    assert len(results["rounds"]) >= 15
    assert results["scrypt"] == {"n": 2**17, "r": 8, "p": 1}


@pytest.mark.integration
def test_the_program_runs_whole(tmp_path: Path, repository: Path) -> None:
    out = tmp_path / "agent.json"
    subprocess.run(
        [sys.executable, "-m", "bench.agent", "--quick", "--out", str(out)],
        cwd=repository,
        check=True,
        capture_output=True,
        timeout=120,
    )
    results = json.loads(out.read_text())
    assert len(results["rounds"]) == 2
    assert all(entry[name] >= 0 for entry in results["rounds"] for name in agent.PARTS)
    assert results["ratio"] > 1
