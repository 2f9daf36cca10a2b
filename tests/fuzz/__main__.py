"""``python -m tests.fuzz``: feed every reader of bytes with changed bytes, a process a target.

Findings stay in ``.fuzz/found/TARGET``, inputs that reached new branches in
``.fuzz/reached/TARGET``, where the next run starts from. Ends with 1 if any target had a finding.
Where the fuzzer, atheris, is not installed, it says so and does nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table

from bench.machine import describe_commit, describe_machine
from tests.fuzz.targets import TARGETS, Target
from tests.support.testing_page import FUZZ_RESULTS, write_testing_page

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = ROOT / ".fuzz"

SECONDS = 5
STARTING_SECONDS = 120
"""What a process may take beyond its time: imports, tables, the seeds, the last input."""
INPUT_SECONDS = 20
"""An input that takes longer is a finding."""
MEMORY_MB = 2048
LOG_LINES = 30
"""Of a target with a finding so much of the log is shown; the whole is in ``.fuzz/TARGET.log``."""

WHY_NOT = (
    "fuzzing skipped: atheris is not installed (it has wheels for Linux on x86-64 and Python 3.11 "
    "to 3.13 alone)"
)

Outcome: TypeAlias = dict[str, Any]

_COVERAGE = re.compile(r"cov: (\d+) ft: (\d+)")
_EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def fuzz(target: Target, seconds: int, work: Path) -> Outcome:
    """One process for ``seconds``; what came of it, as stored in the results."""
    kept, found = work / "reached" / target.name, work / "found" / target.name
    kept.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    before = set(kept.iterdir())
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-seeds-") as seeds:
        options = (
            f"-max_total_time={seconds}",
            f"-timeout={INPUT_SECONDS}",
            f"-rss_limit_mb={MEMORY_MB}",
        )
        command = [sys.executable, "-m", "tests.fuzz.child", target.name, seeds, str(kept),
                   str(found), *options]  # fmt: skip
        try:
            ended = subprocess.run(
                command, cwd=ROOT, capture_output=True, timeout=seconds + STARTING_SECONDS
            )
            code, log = ended.returncode, ended.stderr.decode("utf-8", "replace")
        except subprocess.TimeoutExpired as error:
            code, log = -1, (error.stderr or b"").decode("utf-8", "replace") + "\nstopped: hangs"
    (work / f"{target.name}.log").write_text(log, "utf-8")
    coverage = _COVERAGE.findall(log)
    executions = _EXECUTIONS.search(log)
    return {
        "target": target.name,
        "about": target.about,
        "seconds": round(time.monotonic() - start, 1),
        "executions": int(executions[1]) if executions else 0,
        "branches": int(coverage[-1][0]) if coverage else 0,
        "features": int(coverage[-1][1]) if coverage else 0,
        "seeds": len(list((Path(__file__).parent / "corpus" / target.corpus).iterdir())),
        "new_inputs": len(set(kept.iterdir()) - before),
        "findings": sorted(path.name for path in found.iterdir()) or ([] if not code else ["?"]),
        "code": code,
    }


def run(
    names: Sequence[str], seconds: int, jobs: int, work: Path, console: Console
) -> list[Outcome]:
    """Every target named, ``jobs`` side by side, each told as it ends."""
    work.mkdir(parents=True, exist_ok=True)
    outcomes: dict[str, Outcome] = {}

    def one(name: str) -> None:
        outcome = outcomes[name] = fuzz(TARGETS[name], seconds, work)
        verdict = f"code {outcome['code']}" if outcome["code"] else "kept its promises"
        console.print(
            f"{len(outcomes)}/{len(names)} {name}: {outcome['executions']:,} inputs, {verdict}"
        )

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, names))
    return [outcomes[name] for name in names]


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """The table."""
    table = Table("target", "inputs", "a second", "branches", "features", "new inputs", "findings")
    for column in table.columns[1:]:
        column.justify = "right"
    for outcome in outcomes:
        rate = outcome["executions"] / max(outcome["seconds"], 0.1)
        table.add_row(
            outcome["target"],
            f"{outcome['executions']:,}",
            f"{rate:,.0f}",
            f"{outcome['branches']:,}",
            f"{outcome['features']:,}",
            f"{outcome['new_inputs']:,}",
            str(len(outcome["findings"])),
        )
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="target", help=f"of: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each target")
    parser.add_argument("--jobs", type=int, default=1, help="targets side by side")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of inputs and findings")
    parser.add_argument("--out", type=Path, help="write the results there, as JSON")
    parser.add_argument(
        "--record", action="store_true", help="into the checkout, with the table of the page"
    )
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}")
    if chosen.record and chosen.targets:
        parser.error("--record is for all targets")
    console = Console(highlight=False)
    if importlib.util.find_spec("atheris") is None:
        console.print(WHY_NOT)
        return 0
    names = chosen.targets or list(TARGETS)
    outcomes = run(names, chosen.seconds, chosen.jobs, chosen.work.resolve(), console)
    show(outcomes, console)
    out: Path | None = FUZZ_RESULTS if chosen.record else chosen.out
    if out is not None:
        facts = describe_commit() | {
            "machine": describe_machine(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds_a_target": chosen.seconds,
            "targets": outcomes,
        }
        out.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if chosen.record:
        write_testing_page(ROOT)
    broken = [outcome for outcome in outcomes if outcome["code"]]
    for outcome in broken:
        log = (chosen.work / f"{outcome['target']}.log").read_text("utf-8")
        console.print(f"[bold]{outcome['target']}[/bold]: {', '.join(outcome['findings'])}")
        console.print("\n".join(log.splitlines()[-LOG_LINES:]), markup=False)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
