"""The plot of the comparison: times and bytes of every system against N, both axes logarithmic."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from bench.peers.report import Entry
from bench.peers.statement import CLAIM
from bench.plots import draw
from bench.results import Results

FILE = "peers.svg"
# Okabe and Ito's colours, then the same with another line.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
LINES = ("-", "--", ":")
PANELS = ("prove, seconds", "verify, seconds", "proof and commitments, bytes")


def _values(entry: Entry) -> tuple[float, float, float]:
    return (
        entry["prove"]["median_seconds"],
        entry["verify"]["median_seconds"],
        entry["proof_bytes"] + entry["public_bytes"],
    )


def plot_peers(results: Results) -> Figure:
    """One panel a quantity, one line a system."""
    figure = Figure(figsize=(11, 4.2), layout="constrained", facecolor="white")
    axes = [figure.add_subplot(1, 3, place) for place in (1, 2, 3)]
    systems = [s for s in results["systems"] if s["kind"] == CLAIM]
    for number, system in enumerate(systems):
        listed = [
            e
            for e in results["entries"]
            if e["system"] == system["name"] and e["kind"] == CLAIM and e["status"] == "measured"
        ]
        for place, axis in enumerate(axes):
            if listed:
                axis.plot(
                    [e["n"] for e in listed],
                    [_values(e)[place] for e in listed],
                    color=COLOURS[number % len(COLOURS)],
                    linestyle=LINES[number // len(COLOURS) % len(LINES)],
                    marker=".",
                    label=system["title"],
                )
    sizes = sorted({e["n"] for e in results["entries"] if e["kind"] == CLAIM})
    for axis, title in zip(axes, PANELS, strict=True):
        axis.set_title(title)
        axis.set_xscale("log", base=4)
        axis.set_yscale("log")
        axis.set_xticks(sizes)
        axis.get_xaxis().set_major_formatter(ScalarFormatter())
        axis.get_xaxis().set_minor_formatter(NullFormatter())
        axis.set_xlabel("N")
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def write_peers_plot(results: Results, folder: Path) -> None:
    """``peers.svg`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(draw(results, plot_peers))
