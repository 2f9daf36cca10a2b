"""What `bench.pages` measured, as the tables of ``docs/performance.md``."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from bench.report import fill, table

BLOCK = "pages"

_RECORDED = {
    "neither": "neither",
    "stopwatch": "with every step's time",
    "both": "with it and the pages' index",
}


def pages_block(results: dict[str, Any]) -> str:
    """Pages with their times, then what recording takes."""
    rows = [
        [
            entry["page"],
            f"{entry['first_ms']:.0f}",
            f"{median(entry['ms']):.0f}",
            f"{max(entry['ms']):.0f}",
        ]
        for entry in results["pages"]
    ]
    slowest = max(median(entry["ms"]) for entry in results["pages"])
    target, machine = results["target_ms"], results["machine"]
    met = "met" if slowest <= target else "**missed**"
    recorded = results["recording_us"]
    before = median(recorded["neither"])
    shown = [
        [
            title,
            f"{median(recorded[name]):.1f}",
            f"{min(recorded[name]):.1f}",
            f"{max(recorded[name]):.1f}",
            f"{median(recorded[name]) - before:+.1f}",
        ]
        for name, title in _RECORDED.items()
    ]
    rounds = len(results["pages"][0]["ms"])
    return "\n".join(
        [
            table(["page", "first, ms", "median, ms", "slowest, ms"], rows),
            "",
            f"{results['claims']:,} claims, {results['database_bytes'] / 1e6:.0f} MB of SQLite; "
            f"each page {rounds} times after the first, in turns, nothing kept. Target: a median "
            f"of at most {target:.0f} ms: {met}. An export of all claims "
            f"({results['export_bytes'] / 1e6:.1f} MB) takes {results['export_seconds']:.1f} s, "
            f"sent while it is read. On {machine['processor']}, {machine['cores']} cores, "
            f"{machine['python']}, load {machine['load_at_start'][0]:.1f} at the start.",
            "",
            table(["recording, CPU µs a claim", "median", "lowest", "highest", ""], shown),
            "",
            f"`line`, {results['batch']} claims a transaction, {len(recorded['both'])} rounds "
            "in turns.",
        ]
    )


def write_pages_report(results: dict[str, Any], page: Path) -> None:
    """The block into ``page``."""
    page.write_text(fill(page.read_text(encoding="utf-8"), BLOCK, pages_block(results)), "utf-8")
