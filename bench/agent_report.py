"""What `bench.agent` measured, as the table of ``docs/performance.md`` and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bench.plots import draw
from bench.report import duration, fill, table

BLOCK = "agent"
PICTURE = "agent-claim.svg"

TITLES = {
    "start_up": "start-up, until the vault is open",
    "derivation": "derivation of the key (scrypt)",
    "loading": "loading the rest; sale, contract, table",
    "proving": "proving, with the check of one's own proof",
    "network": "network and HTTP, loopback",
    "verification": "the insurer's service: verifying, judging, recording",
    "keeping": "keeping in the vault, answer, end of the process",
}
COLOURS = ("#0072B2", "#56B4E9", "#F0E442", "#D55E00", "#CC79A7", "#009E73", "#999999")


def agent_block(results: dict[str, Any]) -> str:
    """Medians and spread of each part, its share, and the ratio against its target."""
    medians, rounds = results["medians"], results["rounds"]
    whole = sum(medians.values())
    rows = [
        [
            title,
            duration(medians[name]),
            duration(min(entry[name] for entry in rounds)),
            duration(max(entry[name] for entry in rounds)),
            f"{100 * medians[name] / whole:.1f} %",
        ]
        for name, title in TITLES.items()
    ]
    rows.append(["`python -c pass`", duration(results["bare_seconds"]), "", "", ""])
    met = "met" if results["ratio"] <= results["target"] else "**missed**"
    scrypt, machine = results["scrypt"], results["machine"]
    return (
        f"{table(['part of one `optician claim`', 'median', 'lowest', 'highest', 'share'], rows)}"
        f"\n\nFrom the start of the process to the open vault, derivation apart: "
        f"**{results['ratio']:.1f} times** `python -c pass`, at most {results['target']:g}: {met}. "
        f"{len(rounds)} commands, each between two bare interpreters; scrypt with n = "
        f"{scrypt['n']:,}, r = {scrypt['r']}, p = {scrypt['p']}; `equipment`; SQLite on both "
        f"sides. On {machine['processor']}, {machine['cores']} cores shared with the service, "
        f"{machine['python']}, load {machine['load_at_start'][0]:.1f} at the start."
    )


def plot_agent(results: dict[str, Any]) -> Figure:
    """One bar: the median command, part after part."""
    figure = Figure(figsize=(11, 2.4), layout="constrained", facecolor="white")
    axis = figure.add_subplot(1, 1, 1)
    left = 0.0
    for (name, title), colour in zip(TITLES.items(), COLOURS, strict=True):
        width = results["medians"][name] * 1000
        axis.barh(0, width, left=left, color=colour, label=f"{title}: {width:.0f} ms")
        left += width
    axis.set_yticks([])
    axis.set_xlabel("ms since the process was started")
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def write_agent_report(results: dict[str, Any], pictures: Path, page: Path) -> None:
    """The plot into ``pictures``, the block into ``page``."""
    (pictures / PICTURE).write_bytes(draw(results, plot_agent))
    page.write_text(fill(page.read_text("utf-8"), BLOCK, agent_block(results)), "utf-8")
