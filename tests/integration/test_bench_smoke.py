"""``python -m bench`` as a process, with the smallest parameters that run every section."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import SECTIONS
from bench.parameters import PARAMETERS
from bench.plots import PLOTS
from bench.processes import MEMORY_TARGET_BYTES

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def folder(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run of every section left what it measured."""
    out = tmp_path_factory.mktemp("bench")
    documents = [repository / "docs" / "performance.md", repository / "README.md"]
    before = [path.read_bytes() for path in documents if path.is_file()]
    subprocess.run(
        [sys.executable, "-m", "bench", "--size", "tiny", "--out", str(out)],
        cwd=repository,
        check=True,
        timeout=240,
        capture_output=True,
    )
    assert [path.read_bytes() for path in documents if path.is_file()] == before
    return out


def test_every_section_is_measured(folder: Path) -> None:
    results = json.loads((folder / "latest.json").read_text(encoding="utf-8"))
    assert results["size"] == "tiny"
    assert set(results["sections"]) == set(SECTIONS)
    assert all(results["sections"].values())
    for entry in results["sections"]["macro"]:
        assert entry["bytes"] == 32 * (entry["n"] + 2) + 33 * (2 + entry["D"])
        for operation in ("prove", "verify", "verify_cold", "batch"):
            samples = entry[operation]
            assert len(samples["seconds"]) >= PARAMETERS["tiny"].rounds
            assert len(samples["unit_seconds"]) == len(samples["seconds"])
            assert samples["units"] > 0
    for entry in results["sections"]["processes"]:
        assert 10**7 < entry["peak_bytes"] <= MEMORY_TARGET_BYTES
        assert entry["median_cold_start_seconds"] > 0


def test_plots_and_tables_are_written(folder: Path) -> None:
    for name in PLOTS:
        assert (folder / f"{name}.svg").read_text(encoding="utf-8").startswith("<?xml")
    tables = (folder / "tables.md").read_text(encoding="utf-8")
    assert "| `equipment + limits` |" in tables
