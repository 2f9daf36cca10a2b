"""``python -m bench``: measure everything, write results, plots and tables.

A full run writes ``bench/results/`` and the tables of the documents; any other run leaves those
alone and writes to ``bench/results/scratch/``, or where ``--out`` says.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from bench.floor import floor_tasks
from bench.growth import batches_tasks, growth_tasks, lines_tasks
from bench.leakage import leakage_tasks
from bench.machine import ROOT, describe_commit, describe_machine
from bench.macro import degree_tasks, macro_tasks
from bench.micro import micro_tasks, msm_tasks
from bench.parameters import PARAMETERS, Parameters, Size
from bench.plots import write_plots
from bench.processes import process_tasks
from bench.report import blocks, disagreements, missed_targets, write_documents
from bench.results import FOLDER, FORMAT, LATEST, Results, read_results, write_results
from bench.tasks import Bench, Task, progress_bar
from bench.timing import Yardstick
from zk.backends import load_group
from zk.generators import generators_of

SECTIONS: dict[str, Callable[[Bench], list[Task]]] = {
    "micro": micro_tasks,
    "msm": msm_tasks,
    "macro": macro_tasks,
    "floor": floor_tasks,
    "degrees": degree_tasks,
    "growth": growth_tasks,
    "lines": lines_tasks,
    "batches": batches_tasks,
    "processes": process_tasks,
    "leakage": leakage_tasks,
}
SCRATCH = FOLDER / "scratch"


def run(parameters: Parameters, size: str, sections: Sequence[str], console: Console) -> Results:
    """Run the sections one task after the other and collect what they measure."""
    results: Results = {"format": FORMAT, "size": size} | describe_commit()
    results["machine"] = describe_machine()
    start = time.perf_counter()
    generators = generators_of(load_group())
    bench = Bench(parameters, generators, Yardstick(generators.group))
    plan = [(section, task) for section in sections for task in SECTIONS[section](bench)]
    measured: dict[str, list[dict[str, Any]]] = {section: [] for section in sections}
    gc.freeze()  # tables are spared the garbage collector, as in `verifier check-batch`
    with progress_bar(console) as progress:
        bar = progress.add_task("", total=len(plan))
        for section, task in plan:
            progress.update(bar, description=task.label)
            measured[section] += task.run()
            progress.advance(bar)
        progress.update(bar, description="measured")
    results["seconds"] = round(time.perf_counter() - start, 1)
    results["sections"] = measured
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--size", choices=tuple(PARAMETERS), default="full")
    parser.add_argument(
        "--quick", dest="size", action="store_const", const="quick", help="in under a minute"
    )
    parser.add_argument("--only", nargs="+", choices=tuple(SECTIONS), metavar="SECTION",
                        help=f"some of: {', '.join(SECTIONS)}")  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder for results, plots and tables")
    parser.add_argument(
        "--render", action="store_true", help="measure nothing; plots and tables anew from the file"
    )
    chosen = parser.parse_args(arguments)
    size: Size = chosen.size
    console = Console()
    if chosen.render:
        results = read_results(LATEST)
        write_plots(results, FOLDER)
        write_documents(results, ROOT)
        return
    is_official = size == "full" and chosen.only is None and chosen.out is None
    folder: Path = FOLDER if is_official else chosen.out or SCRATCH
    results = run(PARAMETERS[size], size, chosen.only or list(SECTIONS), console)
    write_results(results, folder / LATEST.name)
    write_plots(results, folder)
    made = blocks(results)
    if is_official:
        write_documents(results, ROOT)
    else:
        text = "\n\n".join(f"## {name or 'summary'}\n\n{block}" for name, block in made.items())
        (folder / "tables.md").write_text(text + "\n", encoding="utf-8")
    if results["sections"].get("macro"):
        console.print(Markdown(made["claims"]))
    for text in missed_targets(results):
        console.print(Markdown(f"**missed**: {text}"))
    for text in disagreements(results):
        console.print(Markdown(f"**warning**: the degrees' row differs from the claims': {text}"))
    console.print(f"{results['seconds']} s; results in {folder.name}/{LATEST.name}")


if __name__ == "__main__":
    main()
