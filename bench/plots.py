"""The plots, as SVG: the same results always give the same bytes (for one version of matplotlib).

Text stays text, in whatever sans-serif font the reader has; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from bench.floor import SHARES
from bench.report import TARGETS
from bench.results import Results, entries

STYLE: dict[Any, Any] = {  # matplotlib types the keys one by one
    "svg.hashsalt": "clairobscur",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# Told apart by readers with any colour vision (Okabe and Ito).
COLOURS = {"line": "#0072B2", "equipment": "#D55E00", "pair": "#009E73"}
METHODS = {
    "naive": "one multiplication a term",
    "msm": "the backend in use",
    "msm_128_bits": "the same, 128-bit scalars",
    "buckets": "libsecp256k1, buckets at every size",
    "compiled": "compiled, eight at a time where possible",
    "compiled_128_bits": "the same, 128-bit scalars",
    "compiled_plain": "compiled, one at a time",
    "compiled_plain_128_bits": "the same, 128-bit scalars",
}
TITLES = {
    "bytes": "proof, bytes",
    "prove": "prove, units",
    "verify": "verify, units",
    "batch": "a claim of a batch, units",
}


def _units(entry: dict[str, Any], quantity: str) -> float:
    value = entry[quantity]
    return float(value["units"] if isinstance(value, dict) else value)


def _panels(height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(11, height), layout="constrained", facecolor="white")
    axes = [figure.add_subplot(1, 4, place) for place in range(1, 5)]
    for axis, (_, title) in zip(axes, TITLES.items(), strict=True):
        axis.set_title(title)
    return figure, axes


def _legend_below(figure: Figure, axis: Axes) -> None:
    """One legend for all panels, under them: over a panel it would hide lines."""
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)


def plot_targets(results: Results) -> Figure:
    """Units a wire, every sample a dot, the median a bar, the target a line."""
    listed = entries(results, "macro")
    height = max(3.2, 0.35 * len(listed))
    figure = Figure(figsize=(11, height), layout="constrained", facecolor="white")
    for place, (operation, target) in enumerate(TARGETS, start=1):
        axis = figure.add_subplot(1, 3, place)
        axis.set_title(f"{operation}: units a wire, at most {target}")
        for row, entry in enumerate(listed):
            measured, n = entry[operation], entry["n"]
            colour = COLOURS[entry["statement"]]
            samples = [
                s / u / n
                for s, u in zip(measured["seconds"], measured["unit_seconds"], strict=True)
            ]
            axis.barh(row, measured["units"] / n, color=colour, alpha=0.35)
            axis.plot(samples, [row] * len(samples), ".", color=colour, markersize=4)
        axis.axvline(target, color="black", linestyle="--", linewidth=1)
        names = [f"{entry['case']}, {entry['code']}" for entry in listed]
        axis.set_yticks(range(len(listed)), names if place == 1 else [])
        axis.invert_yaxis()
        axis.set_xlim(0, None)
    return figure


def plot_shares(results: Results) -> Figure:
    """Where a verifier's time goes, a bar for each statement, code and number of proofs."""
    listed = entries(results, "floor")
    figure = Figure(figsize=(11, 3.6), layout="constrained", facecolor="white")
    axis = figure.add_subplot(1, 1, 1)
    colours = ("#0072B2", "#56B4E9", "#D55E00", "#009E73", "#999999")
    left = [0.0] * len(listed)
    for part, colour in zip((*SHARES, "python"), colours, strict=True):
        widths = [
            entry["shares"][part] * entry["verify"]["median_seconds"] * 1e6 for entry in listed
        ]
        axis.barh(range(len(listed)), widths, left=left, color=colour, label=part)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    names = [
        f"{entry['case']}, {entry['code']}, "
        + ("one proof" if entry["kind"] == "one" else f"of {entry['proofs']}")
        for entry in listed
    ]
    axis.set_yticks(range(len(listed)), names)
    axis.invert_yaxis()
    axis.set_xlabel("µs a proof")
    _legend_below(figure, axis)
    return figure


def plot_degrees(results: Results) -> Figure:
    """Size and times against the largest degree allowed; a ring marks what ships."""
    listed = entries(results, "degrees")
    figure, axes = _panels(3.4)
    for case in dict.fromkeys(entry["case"] for entry in listed):
        chosen = [entry for entry in listed if entry["case"] == case]
        colour, dashed = COLOURS[chosen[0]["statement"]], chosen[0]["limits"]
        for axis, quantity in zip(axes, TITLES, strict=True):
            values = [_units(entry, quantity) for entry in chosen]
            axis.plot(
                [entry["degree"] for entry in chosen],
                values,
                color=colour,
                linestyle="--" if dashed else "-",
                marker=".",
                markersize=4,
                label=case,
            )
            for entry, value in zip(chosen, values, strict=True):
                if entry["is_default"]:
                    axis.plot(
                        entry["degree"], value, "o", color=colour, fillstyle="none", markersize=9
                    )
    for axis in axes:
        axis.set_xlabel("D at most")
        axis.set_ylim(0, None)
    _legend_below(figure, axes[0])
    return figure


def _plot_grown(results: Results, section: str, quantity: str) -> tuple[Figure, list[Axes]]:
    """Size and times against ``quantity``, a line a degree."""
    listed = entries(results, section)
    figure, axes = _panels(3.2)
    for number, degree in enumerate(dict.fromkeys(entry["degree"] for entry in listed)):
        chosen = [entry for entry in listed if entry["degree"] == degree]
        for axis, measured in zip(axes, TITLES, strict=True):
            axis.plot(
                [entry[quantity] for entry in chosen],
                [_units(entry, measured) for entry in chosen],
                color=list(COLOURS.values())[number],
                marker=".",
                label=f"D at most {degree}",
            )
    for axis in axes:
        axis.set_xlabel(quantity)
        axis.set_ylim(0, None)
    _legend_below(figure, axes[0])
    return figure, axes


def plot_growth(results: Results) -> Figure:
    """Size and times of ``line`` against the number of codes."""
    figure, axes = _plot_grown(results, "growth", "codes")
    for axis in axes:
        axis.set_xscale("log", base=4)
        axis.set_xticks(sorted({entry["codes"] for entry in entries(results, "growth")}))
        axis.get_xaxis().set_major_formatter(ScalarFormatter())
        axis.tick_params(axis="x", labelrotation=45)
    return figure


def plot_lines(results: Results) -> Figure:
    """Size and times against the number of lines."""
    return _plot_grown(results, "lines", "lines")[0]


def plot_batches(results: Results) -> Figure:
    """Claims a second against the size of a batch."""
    listed = entries(results, "batches")
    figure = Figure(figsize=(5.5, 3.2), layout="constrained", facecolor="white")
    axis = figure.add_subplot(1, 1, 1)
    axis.plot(
        [entry["size"] for entry in listed],
        [1 / entry["batch"]["median_seconds"] for entry in listed],
        color=COLOURS["line"],
        marker=".",
    )
    axis.set_xscale("log", base=4)
    axis.set_xticks([entry["size"] for entry in listed])
    axis.get_xaxis().set_major_formatter(ScalarFormatter())
    axis.set_xlabel("claims of a batch")
    axis.set_ylabel("claims a second, one process")
    axis.set_ylim(0, None)
    return figure


def plot_msm(results: Results) -> Figure:
    """Units a term of a multi-scalar multiplication against the number of terms."""
    listed = entries(results, "msm")
    figure = Figure(figsize=(8, 3.6), layout="constrained", facecolor="white")
    axis = figure.add_subplot(1, 1, 1)
    styles = (
        *("#999999", "#0072B2", "#56B4E9", "#D55E00"),
        *("#009E73", "#66C7AB", "#CC79A7", "#E0AFCA"),
    )
    for number, method in enumerate(dict.fromkeys(entry["method"] for entry in listed)):
        chosen = [entry for entry in listed if entry["method"] == method]
        axis.plot(
            [entry["terms"] for entry in chosen],
            [entry["units"] for entry in chosen],
            color=styles[number % len(styles)],
            linestyle=":" if method == "buckets" else "-",
            marker=".",
            label=METHODS[method],
        )
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.get_xaxis().set_major_formatter(ScalarFormatter())
    axis.set_xlabel("terms")
    axis.set_ylabel("units a term")
    if listed:
        figure.legend(loc="outside right center", fontsize=7)
    return figure


PLOTS: dict[str, Callable[[Results], Figure]] = {
    "targets": plot_targets,
    "shares": plot_shares,
    "degrees": plot_degrees,
    "growth": plot_growth,
    "lines": plot_lines,
    "batches": plot_batches,
    "msm": plot_msm,
}


def draw(results: Results, plot: Callable[[Results], Figure]) -> bytes:
    """What ``plot`` draws, as SVG."""
    buffer = BytesIO()
    with mpl.rc_context(STYLE):
        figure = plot(results)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    # matplotlib leaves white space at line ends, which git would complain about.
    lines = buffer.getvalue().decode("utf-8").splitlines()
    return ("\n".join(line.rstrip() for line in lines) + "\n").encode()


def write_plots(results: Results, folder: Path, names: Sequence[str] = tuple(PLOTS)) -> None:
    """``NAME.svg`` for every plot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.svg").write_bytes(draw(results, PLOTS[name]))
