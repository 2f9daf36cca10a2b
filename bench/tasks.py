"""A section of the run is a list of tasks, so that one progress bar shows them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench.parameters import Parameters
from bench.timing import Yardstick
from zk.generators import Generators


@dataclass(frozen=True)
class Bench:
    """What every task needs."""

    parameters: Parameters
    generators: Generators
    yardstick: Yardstick


@dataclass(frozen=True)
class Task:
    """One step of the run; ``run`` returns the JSON entries that it adds to its section."""

    label: str
    run: Callable[[], list[dict[str, Any]]]


def progress_bar(console: Console) -> Progress:
    """What a long measurement shows: the step, how many of all are done, the time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
