"""What `bench.bulk` measured, as the table of ``docs/performance.md`` and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bench.plots import draw
from bench.report import fill, table, verdict

BLOCK = "bulk"
FLAT = 1.1
"""Memory late may be so many times that early: more would grow with the input."""

YEAR = 10_000_000
"""Claims of a large insurer's year, for scale: an assumption, not a measurement."""

_ROWS = (
    ("claims a second, all cores", "claims_a_second", "{:,.0f}"),
    ("claims a second and core", "claims_a_second_and_core", "{:,.0f}"),
    ("CPU of all processes, ms a claim", "cpu_ms_a_claim", "{:.3f}"),
    ("of which the process that reads and writes, ms a claim", "own_cpu_ms_a_claim", "{:.3f}"),
    ("memory of all processes early, MB", "memory_mb_early", "{:,.1f}"),
    ("memory of all processes late, MB", "memory_mb_late", "{:,.1f}"),
    ("of which the process that reads and writes, early, MB", "own_memory_mb_early", "{:,.1f}"),
    ("of which the process that reads and writes, late, MB", "own_memory_mb_late", "{:,.1f}"),
)


def bulk_block(results: dict[str, Any]) -> str:
    """The unbroken run, then what the others showed."""
    unbroken, killed = results["unbroken"], results["killed"]
    cluster, lines, machine = results["cluster"], results["lines"], results["machine"]
    rows = [[title, form.format(unbroken[name])] for title, name, form in _ROWS]
    growth = unbroken["memory_mb_late"] / unbroken["memory_mb_early"]
    told = f"{growth:.2f}, {verdict(growth, FLAT)}"
    rows.append([f"**memory late in multiples of early**, ≤ {FLAT}", told])
    counts = unbroken["counts"]
    hours = YEAR / unbroken["claims_a_second"] / 3600
    kills = " and ".join(
        f"after {kill['seconds']:.1f} s with {kill['parts']} files" for kill in killed["kills"]
    )
    different = results["entries"] - counts["unreadable"] - unbroken["duplicates"]
    feeds = 1 / (unbroken["own_cpu_ms_a_claim"] / 1000)
    return "\n\n".join(
        [
            table(["", "unbroken run"], rows),
            f"{results['entries']:,} entries, {different:,} different claims among them, in "
            f"{unbroken['seconds']:.1f} s: {counts['accepted']:,} accepted, "
            f"{counts['refused']:,} refused, "
            f"{counts['unreadable']:,} unreadable, {unbroken['duplicates']:,} seen before, each "
            f"bad one for its own reason. Nine of ten are `line`, the others `equipment`. "
            f"{results['input_bytes'] / 1e6:,.0f} MB of Parquet in, "
            f"{results['verdict_bytes'] / 1e6:,.0f} MB of verdicts in {unbroken['parts']} files "
            f"out. On {machine['processor']}, {unbroken['cores']} cores, {machine['python']}, "
            f"pyarrow {results['pyarrow']}.",
            f"At that rate {YEAR:,} claims take {hours:.1f} hours on these {unbroken['cores']} "
            f"cores. One process reads and writes for all; by its CPU time it could do so for "
            f"{feeds:,.0f} claims a second.",
            f"Killed {kills}, and resumed: {killed['taken_over']:,} entries were taken over, "
            f"{killed['judged']:,} judged in the last run, and every file is the same, byte for "
            f"byte.",
            f"Dask with {cluster['workers']} workers, of which one was killed when "
            f"{cluster['killed_after_parts']} files were there: {cluster['seconds']:.1f} s, and "
            f"the same files. As lines, the first {lines['entries']:,} took "
            f"{lines['seconds']:.1f} s, and `check-batch`, on one core, "
            f"{lines['check_batch_seconds']:.1f} s for the same verdicts.",
        ]
    )


def plot_bulk(results: dict[str, Any]) -> Figure:
    """Memory over the unbroken run, and the claims a second of every way."""
    figure = Figure(figsize=(8, 3.2), layout="constrained", facecolor="white")
    unbroken = results["unbroken"]
    axis = figure.add_subplot(1, 2, 1)
    axis.set_title("memory of the unbroken run, MB")
    seconds = [sample["seconds"] for sample in unbroken["samples"]]
    for name, label, colour in (
        ("memory_mb", "all processes", "#0072B2"),
        ("own_memory_mb", "the one that reads and writes", "#D55E00"),
    ):
        values = [sample[name] for sample in unbroken["samples"]]
        axis.plot(seconds, values, color=colour, label=label)
    axis.set_xlabel("seconds")
    axis.set_ylim(0, None)
    axis.legend(fontsize=7)
    axis = figure.add_subplot(1, 2, 2)
    axis.set_title("claims a second")
    cluster, lines = results["cluster"], results["lines"]
    rates = {
        "verify-bulk": unbroken["claims_a_second"],
        "cluster, a worker\nkilled": results["entries"] / cluster["seconds"],
        "check-batch": lines["entries"] / lines["check_batch_seconds"],
    }
    axis.bar(range(len(rates)), list(rates.values()), color="#0072B2", alpha=0.6)
    axis.set_xticks(range(len(rates)), list(rates), fontsize=7)
    axis.set_ylim(0, None)
    return figure


def write_bulk_report(results: dict[str, Any], folder: Path, page: Path) -> None:
    """The plot into ``folder``, the block into ``page``."""
    (folder / "bulk.svg").write_bytes(draw(results, plot_bulk))
    page.write_text(fill(page.read_text(encoding="utf-8"), BLOCK, bulk_block(results)), "utf-8")
