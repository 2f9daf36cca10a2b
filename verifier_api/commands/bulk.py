"""Judging a year of claims: ``verifier verify-bulk``. No database."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.inputs import check_inputs, read_input, read_nomenclature
from console.running import plain
from verifier_api.commands.shared import (
    EXIT_ACCEPTED,
    EXIT_REFUSED,
    EXIT_UNREADABLE,
    AsJson,
    ContractFile,
    KeysFile,
    NomenclatureFile,
    parse_instant,
    reporting_to_terminal,
)

if TYPE_CHECKING:
    from verifier_api.bulk.chunks import Documents
    from verifier_api.bulk.runs import Inputs, Watcher
    from verifier_api.bulk.workers import Workers

MAX_JOBS = 1024
LONGEST_LINE = 200
"""Letters of a line about one entry; the verdicts have all of its detail."""

LARGEST_CHUNK = 65_536  # `verifier_api.bulk.inputs.MAX_CHUNK`: nobody waits for a help page


def add_to(app: typer.Typer) -> None:
    """Put the command on the command line."""
    app.command("verify-bulk")(verify_bulk)


def verify_bulk(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Parquet with a column claim, a file with a claim on each line, or a folder of "
            "*.parquet, of *.ndjson and *.jsonl, or of *.json.",
        ),
    ],
    folder: Annotated[
        str, typer.Option("--out", metavar="DIR", help="Folder of the verdicts; made anew.")
    ],
    contract_file: ContractFile,
    keys_file: KeysFile,
    nomenclature_file: NomenclatureFile = None,
    now: Annotated[
        str | None,
        typer.Option(
            "--now",
            help="Judge as of YYYY-MM-DDTHH:MM:SSZ; default: the moment when the run was begun.",
        ),
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=LARGEST_CHUNK,
            help="Claims in a file of verdicts; default: 2048, or as the run was begun.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_JOBS, help="Worker processes; default: one a core."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Have the workers of the Dask scheduler at tcp://… or tls://… judge instead.",
        ),
    ] = None,
    progress: Annotated[
        bool | None, typer.Option(help="Progress bar; default: if a terminal is there to see it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge very many claims on all cores, into Parquet files in a folder.

    A run that was killed goes on where it stopped when the same command is given again, and judges
    as of the moment when it was begun. Claims that come twice are found in the whole input.

    The first claims that were not accepted are named; DIR has every verdict. Exit code 2 if an
    entry could not be read, else 1 if a claim was refused, else 0.
    """
    with reporting_to_terminal(as_json):
        check_inputs([contract_file, keys_file, nomenclature_file])
        if jobs is not None and scheduler is not None:
            from console.running import UsageError

            raise UsageError("--jobs and --scheduler: the cluster has its own workers")
        from verifier_api.bulk.runs import run_bulk

        inputs = _inputs(source, folder, contract_file, keys_file, nomenclature_file, now, chunk)
        is_bar_wanted = sys.stderr.isatty() if progress is None else progress

        def make_workers(documents: Documents) -> Workers:
            if scheduler is not None:
                from verifier_api.bulk.cluster import ClusterWorkers

                return ClusterWorkers(documents, scheduler)
            from verifier_api.bulk.workers import LocalWorkers, usable_cores

            return LocalWorkers(documents, jobs or usable_cores())

        with _watcher(is_bar_wanted) as watcher:
            done = run_bulk(inputs, make_workers, watcher)
        if as_json:
            facts = done.summary | done.timing | {"out": folder, "listed": done.listed}
            print(json.dumps(facts))
        else:
            print("\n".join(_lines(folder, done.summary, done.timing, done.listed)))
        summary = done.summary
    if summary["unreadable"]:
        raise typer.Exit(EXIT_UNREADABLE)
    raise typer.Exit(EXIT_REFUSED if summary["refused"] else EXIT_ACCEPTED)


def _inputs(
    source: str,
    folder: str,
    contract_file: str,
    keys_file: str,
    nomenclature_file: str | None,
    now: str | None,
    chunk: int | None,
) -> Inputs:
    from circuits.contract import MAX_CONTRACT_BYTES
    from verifier_api.bulk.runs import Inputs
    from verifier_api.keys import MAX_KEYS_BYTES

    return Inputs(
        source,
        Path(folder),
        read_input(contract_file, MAX_CONTRACT_BYTES),
        read_input(keys_file, MAX_KEYS_BYTES),
        read_nomenclature(nomenclature_file).to_bytes(),
        parse_instant(now) if now else None,
        chunk,
    )


def _lines(
    folder: str, summary: dict[str, Any], timing: dict[str, Any], listed: list[dict[str, Any]]
) -> list[str]:
    from verifier_api.bulk.runs import LISTED

    lines = []
    for row in listed:
        place = f"({row['source']} {row['position']})"
        if row["verdict"] == "unreadable":
            line = f"unreadable  {place}  {row['detail']}"
        elif row["verdict"] == "refused":
            line = f"refused     {row['claim_id']}  {row['reason']}: {row['detail']}  {place}"
        else:
            line = f"accepted    {row['claim_id']}  {place}"
        if row["duplicate_of"] is not None:
            line += f"  warning: the same claim as entry {row['duplicate_of']}"
        lines.append(plain(line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"))
    if max(summary["refused"] + summary["unreadable"], summary["duplicates"]) > LISTED:
        lines.append(f"… and more of them: {plain(folder)}/verdicts-*.parquet has all")
    lines += [f"{count:12,}  {reason}" for reason, count in summary["reasons"].items()]
    counts = ", ".join(
        f"{summary[verdict]:,} {verdict}" for verdict in ("accepted", "refused", "unreadable")
    )
    repeated = f" ({summary['duplicates']:,} seen before)" if summary["duplicates"] else ""
    taken = f", {timing['taken_over']:,} of them judged earlier" if timing["taken_over"] else ""
    return [*lines, f"{counts}{repeated} in {timing['seconds']:.1f} s{taken}"]


@contextmanager
def _watcher(is_wanted: bool) -> Iterator[Watcher]:
    """A bar on standard error, if wanted."""
    from verifier_api.bulk.runs import Watcher

    if not is_wanted:
        yield Watcher()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[count]:,}"),
        TimeRemainingColumn(),
    )

    class Bar(Watcher):
        """Two bars, one after the other."""

        def __init__(self, shown: Progress) -> None:
            self._shown = shown

        def reading(self, total: int) -> None:
            self._count = 0
            self._task = self._shown.add_task("claims", total=total, count=0)

        def advance(self, units: int, claims: int) -> None:
            self._count += claims
            self._shown.update(self._task, advance=units, count=self._count)

        def closing(self, total: int) -> None:
            self._count = 0
            self._task = self._shown.add_task("claims that come twice", total=total, count=0)

        def step(self) -> None:
            self._count += 1
            self._shown.update(self._task, advance=1, count=self._count)

    with Progress(
        *columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False
    ) as shown:
        yield Bar(shown)
