"""What ``verifier nomenclature import`` does, but for its options and the service's database."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from circuits.canonical import encode_base64url
from circuits.nomenclature import Nomenclature
from verifier_api.lpp.archive import TABLES
from verifier_api.lpp.differences import compare_nomenclatures
from verifier_api.lpp.importing import Dropped, LppImport, import_lpp
from zk.errors import ZkError


def run_import(
    archive: Path,
    base: Nomenclature,
    attributes: Path | None = None,
    version: str | None = None,
    report_path: Path | None = None,
    show_progress: bool = False,
) -> tuple[Nomenclature, dict[str, Any], list[str]]:
    """Import an archive; returns the nomenclature, and the result as JSON and as lines.

    ``report_path`` receives one line of JSON for each dropped row (table, row, reason, detail); it
    is written beside its place and put there at the end, also if the archive is refused.
    ``show_progress`` draws a bar on standard error. Raises as
    `verifier_api.lpp.importing.import_lpp`, and `OSError` if the report cannot be written.
    """
    with _progress_bar(show_progress) as progress, _report_to(report_path) as report:
        done = import_lpp(
            archive,
            base=base,
            attributes=attributes,
            version=version,
            progress=progress,
            report=report,
        )
    difference = compare_nomenclatures(base, done.nomenclature)
    table = done.nomenclature
    facts = {
        "version": table.version,
        "digest": encode_base64url(table.digest),
        "rows": len(table.rows),
        **done.facts(),
        "difference": difference.facts(),
    }
    return table, facts, [*_lines(done), *difference.lines()]


def _lines(done: LppImport) -> list[str]:
    table = done.nomenclature
    digest = encode_base64url(table.digest)
    lines = [f"nomenclature {table.version}  {digest}  {len(table.rows)} rows"]
    for name in TABLES:
        counts = done.counts[name]
        deleted = f", {counts.deleted} deleted" if counts.deleted else ""
        lines.append(f"{name}  {counts.read} rows read, {counts.kept} kept{deleted}")
        lines += [f"  {reason:16} {count}" for reason, count in counts.dropped.items()]
    origins = ", ".join(f"{origin} {count}" for origin, count in sorted(done.origins.items()))
    lines.append(f"kind and cell from  {origins}")
    if done.misfits:
        lines.append(f"known before in another class or family  {done.misfits} rows")
    return lines


@contextmanager
def _report_to(path: Path | None) -> Iterator[Callable[[Dropped], None]]:
    if path is None:
        yield lambda _: None
        return
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    is_told = False
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:

            def write(dropped: Dropped) -> None:
                file.write(json.dumps(dropped._asdict(), ensure_ascii=False) + "\n")

            try:
                yield write
            except ZkError:
                is_told = True  # why nothing could be imported stands in the report
                raise
            is_told = True
    finally:
        if is_told:
            os.replace(temporary, path)
        else:
            os.unlink(temporary)


@contextmanager
def _progress_bar(is_wanted: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on standard error over the records of both tables; yields what moves it."""
    if not is_wanted:
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("rows {task.completed}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False
    ) as shown:
        task = shown.add_task("", total=None)

        def move(done: int, total: int | None) -> None:
            shown.update(task, completed=done, total=total)

        yield move
