"""What `bench.scale` measured: tables of ``docs/performance.md``, the sizing rule, and a plot."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from bench.plots import draw
from bench.report import fill, table

BLOCK = "scale"
RATES = (10, 100, 1_000)
BUSY = 0.7
"""How busy a core is planned to be: above that, queues make answers slow."""

_ROWS = (
    ("claims a second", "claims_a_second", "{:.0f}"),
    ("median latency, ms", "median_ms", "{:.1f}"),
    ("95th percentile, ms", "p95_ms", "{:.1f}"),
    ("CPU of the service's own processes, ms a claim", "loop_ms", "{:.3f}"),
    ("CPU of their workers, ms a claim", "workers_ms", "{:.3f}"),
    ("CPU of PostgreSQL, ms a claim", "database_ms", "{:.3f}"),
    ("CPU of the client, ms a claim", "client_ms", "{:.3f}"),
    ("the writer's lock is held, share of the time", "lock_share", "{:.2f}"),
    ("the writer's lock is held, ms a claim", "lock_ms", "{:.3f}"),
)
_PARTS = ("loop_ms", "workers_ms", "database_ms", "client_ms")


def _middle(results: dict[str, Any], processes: int, name: str) -> float:
    values = [float(e[name]) for e in results["rounds"] if e["processes"] == processes]
    return median(values)


def _counts(results: dict[str, Any]) -> list[int]:
    return sorted({entry["processes"] for entry in results["rounds"]})


def needs(results: dict[str, Any], rate: float) -> tuple[int, int, int]:
    """For ``rate`` claims a second: processes of the service, cores for them and their workers,
    cores for PostgreSQL; each core `BUSY` at most, at the dearer of the measured costs."""

    def cores(*parts: str) -> int:
        spent = sum(max(_middle(results, k, part) for k in _counts(results)) for part in parts)
        return max(1, ceil(rate * spent / 1000 / BUSY))

    return cores("loop_ms"), cores("loop_ms", "workers_ms"), cores("database_ms")


def writer_limits(results: dict[str, Any]) -> tuple[float, float]:
    """Claims a second that the one writer of a database could record, by the dearest and by the
    cheapest of the measured times of its lock: whoever holds it waits for a core like everybody."""
    held = [_middle(results, k, "lock_ms") for k in _counts(results)]
    return 1000 / max(held), 1000 / min(held)


def _is_within(results: dict[str, Any], rate: float) -> str:
    low, high = writer_limits(results)
    return "yes" if rate < low else "not shown" if rate < high else "**no**"


def scale_block(results: dict[str, Any]) -> str:
    """Medians for every number of processes, then the sizing rule."""
    counts = _counts(results)
    head = ["", *(f"{k} process{'es' if k > 1 else ''}" for k in counts)]
    rows = [
        [title, *(form.format(_middle(results, k, name)) for k in counts)]
        for title, name, form in _ROWS
    ]
    low, high = writer_limits(results)
    machine, first = results["machine"], results["rounds"][0]
    errors = sum(entry["errors"] for entry in results["rounds"])
    sizing = [[f"{rate:,}", *needs(results, rate), _is_within(results, rate)] for rate in RATES]
    return "\n\n".join(
        [
            table(head, rows),
            f"Medians of {len(results['rounds']) // len(counts)} rounds of {first['claims']:,} "
            f"claims (`equipment`) over {results['connections']} connections, one worker a "
            f"process, PostgreSQL with fsync, {errors} errors. Everything, the client as well, "
            f"shares the {machine['cores']} cores of {machine['processor']}: a second process "
            f"finds no core that is free, and shows what is added by sharing, not how much faster "
            f"more cores are.",
            table(
                [
                    "claims a second",
                    "processes",
                    "cores for them and their workers",
                    "cores for PostgreSQL",
                    "within the writer's limit",
                ],
                sizing,
            ),
            f"The rule: CPU milliseconds a claim × claims a second / 1,000 are busy cores; divide "
            f"by {BUSY} and round up. A process of the service has one event loop, so there are as "
            f"many processes as cores for the loops. All processes together record through one "
            f"writer, which holds its lock for the time a claim above, while it waits for a core "
            f"as well: it records at most {low:,.0f} claims a second where two processes fight for "
            f"the cores, and {high:,.0f} where one does. Between the two, *not shown*: with cores "
            f"of its own it may do, which this machine cannot tell; measure it on yours. The rows "
            f"are computed from the costs measured; what was run is the table above them.",
        ]
    )


def plot_scale(results: dict[str, Any]) -> Figure:
    """Throughput, and where the CPU goes, for every number of processes."""
    figure = Figure(figsize=(8, 3.2), layout="constrained", facecolor="white")
    counts = _counts(results)
    axis = figure.add_subplot(1, 2, 1)
    axis.set_title("claims a second, every round a dot")
    for k in counts:
        values = [e["claims_a_second"] for e in results["rounds"] if e["processes"] == k]
        axis.bar(k, median(values), color="#0072B2", alpha=0.35)
        axis.plot([k] * len(values), values, ".", color="#0072B2")
    axis.set_xticks(counts)
    axis.set_xlabel("processes")
    axis = figure.add_subplot(1, 2, 2)
    axis.set_title("CPU, ms a claim")
    bottom = [0.0] * len(counts)
    names = ("event loops", "workers", "PostgreSQL", "client")
    colours = ("#0072B2", "#D55E00", "#009E73", "#999999")
    for part, name, colour in zip(_PARTS, names, colours, strict=True):
        heights = [_middle(results, k, part) for k in counts]
        axis.bar(counts, heights, bottom=bottom, color=colour, label=name)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axis.set_xticks(counts)
    axis.set_xlabel("processes")
    axis.legend(fontsize=7)
    return figure


def write_scale_report(results: dict[str, Any], folder: Path, page: Path) -> None:
    """The plot into ``folder``, the block into ``page``."""
    (folder / "scale.svg").write_bytes(draw(results, plot_scale))
    page.write_text(fill(page.read_text(encoding="utf-8"), BLOCK, scale_block(results)), "utf-8")
