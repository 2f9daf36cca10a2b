"""The file of results: machine, commit, every raw sample, medians."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypeAlias

from bench.machine import ROOT

FORMAT = 1
FOLDER = ROOT / "bench" / "results"
LATEST = FOLDER / "latest.json"
TRIED = FOLDER / "tried.json"  # written by hand, once a change

Results: TypeAlias = dict[str, Any]

_NUMBERS = re.compile(r"\[\s+([-+\d.e,\s]+?)\s+\]")


def encode_results(results: Results) -> str:
    """JSON with one field a line and each list of numbers on one line."""
    text = json.dumps(results, indent=1, ensure_ascii=False)
    return _NUMBERS.sub(lambda match: f"[{' '.join(match[1].split())}]", text) + "\n"


def write_results(results: Results, path: Path) -> None:
    """Write a file of results, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(encode_results(results), encoding="utf-8")


def read_results(path: Path = LATEST) -> Results:
    """Read a file of results; raises `ValueError` if it has another format."""
    results = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise ValueError(f"{path.name} is not a file of results in format {FORMAT}")
    return results


def entries(results: Results, section: str) -> list[dict[str, Any]]:
    """The entries of a section, none if it was not run."""
    found: list[dict[str, Any]] = results["sections"].get(section, [])
    return found
