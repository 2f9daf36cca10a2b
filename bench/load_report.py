"""What `bench.load` measured, as the tables of ``docs/performance.md`` and a plot."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from bench.plots import draw
from bench.report import fill

BLOCK = "load"

_ROWS = (
    ("CPU of the service's processes, ms a claim", "service_cpu_ms", "{:.3f}"),
    ("of which `verify_batch` alone takes, ms a claim", "verify_batch_cpu_ms", "{:.3f}"),
    ("CPU of a bare FastAPI route, ms a request", "bare_cpu_ms", "{:.3f}"),
    ("**the rest, in multiples of the bare route**", "ratio", "{:.2f}"),
    ("mean batch, claims", "mean_batch", "{:.1f}"),
    ("claims a second", "claims_a_second", "{:.0f}"),
    ("bare route, requests a second", "bare_a_second", "{:.0f}"),
    ("median latency, ms", "median_ms", "{:.1f}"),
    ("95th percentile, ms", "p95_ms", "{:.1f}"),
    ("**95th percentile in multiples of the median**", "tail", "{:.2f}"),
)


def load_block(results: dict[str, Any]) -> str:
    """Medians of the rounds with the lowest and the highest, then the soak."""
    rounds = results["rounds"]
    lines = ["| | median | lowest | highest |", "| --- | ---: | ---: | ---: |"]
    for title, name, form in _ROWS:
        values = [entry[name] for entry in rounds]
        shown = (form.format(value) for value in (median(values), min(values), max(values)))
        lines.append(f"| {title} | {' | '.join(shown)} |")
    targets, machine = results["targets"], results["machine"]
    errors = sum(sum(entry["errors"].values()) for entry in rounds)
    verdicts = [
        f"{'met' if results[name] <= targets[name] else '**missed**'}: {results[name]:.2f}, at "
        f"most {targets[name]}"
        for name in ("ratio", "tail")
    ]
    lines += [
        "",
        f"{len(rounds)} rounds of {rounds[0]['claims']:,} claims (`equipment`) over "
        f"{results['connections']} connections, {results['database']}, {errors} errors. On "
        f"{machine['processor']}, {machine['cores']} cores shared with the client, "
        f"{machine['python']}. Targets: CPU {verdicts[0]}; tail {verdicts[1]}.",
    ]
    soak = results.get("soak")
    if soak:
        lines += [
            "",
            f"Soak: {soak['seconds']:,.0f} s, {soak['requests']:,} requests, "
            f"{sum(soak['errors'].values())} errors. Memory of all processes "
            f"{soak['memory_mb_early']:.1f} MB early, {soak['memory_mb_late']:.1f} MB late; "
            f"file handles {soak['handles_early']:.0f} and {soak['handles_late']:.0f}.",
        ]
    return "\n".join(lines)


def plot_load(results: dict[str, Any]) -> Figure:
    """The rounds' ratios against the target, and memory and file handles of the soak."""
    figure = Figure(figsize=(11, 3.2), layout="constrained", facecolor="white")
    rounds = results["rounds"]
    axis = figure.add_subplot(1, 3, 1)
    axis.set_title("CPU beyond verify_batch, bare routes")
    axis.bar(range(1, len(rounds) + 1), [entry["ratio"] for entry in rounds], color="#0072B2")
    axis.axhline(results["targets"]["ratio"], color="black", linestyle="--", linewidth=1)
    axis.set_xlabel("round")
    axis.set_ylim(0, None)
    samples = results.get("soak", {}).get("samples", [])
    for place, (name, title) in enumerate(
        (("memory_mb", "soak: memory, MB"), ("handles", "soak: file handles")), start=2
    ):
        axis = figure.add_subplot(1, 3, place)
        axis.set_title(title)
        axis.plot(
            [entry["seconds"] for entry in samples],
            [entry[name] for entry in samples],
            color="#D55E00",
        )
        axis.set_xlabel("seconds")
        axis.set_ylim(0, None)
    return figure


def write_load_report(results: dict[str, Any], folder: Path, page: Path) -> None:
    """The plot into ``folder``, the block into ``page``."""
    (folder / "load.svg").write_bytes(draw(results, plot_load))
    page.write_text(fill(page.read_text(encoding="utf-8"), BLOCK, load_block(results)), "utf-8")
