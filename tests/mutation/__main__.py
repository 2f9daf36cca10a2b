"""``python -m tests.mutation``: change zk and circuits in one place, and see whether a test fails.

Works in a copy of the checkout in a temporary folder, which is removed at the end. A mutant that no
test notices is a survivor: a new test has to kill it, or `explained.toml` to say why it changes
nothing; otherwise this ends with 1. A run over everything writes `results.json` and the table in
``docs/testing.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from rich.console import Console

from bench.machine import describe_commit, describe_machine
from tests.mutation.modules import judges_of, modules
from tests.mutation.mutants import Mutant, all_mutants, places, sample
from tests.support.testing_page import MUTATION_RESULTS, write_testing_page

ROOT = Path(__file__).resolve().parent.parent.parent
EXPLAINED = Path(__file__).resolve().parent / "explained.toml"

MUTANTS = 400
SEED = 2020
MEMORY_BYTES = 4 << 30
"""Of address space, for each process of tests: a mutant may ask for all there is."""

Survivor: TypeAlias = dict[str, Any]


class Change(NamedTuple):
    """A mutation as `explained.toml` names it: the lines before and after, without margins."""

    file: str
    line: str
    mutant: str


def read_explained(path: Path = EXPLAINED) -> dict[Change, str]:
    """Each survivor that is known to change nothing, with the reason."""
    entries = tomllib.loads(path.read_text("utf-8")).get("explained", [])
    return {Change(e["file"], e["line"], e["mutant"]): e["reason"] for e in entries}


def change_of(module: str, diff: str) -> Change:
    """The change that a unified diff shows."""

    def side(sign: str) -> str:
        lines = [line[1:] for line in diff.splitlines() if line[:1] == sign]
        return " ".join(" ".join(line for line in lines if not line.startswith(sign * 2)).split())

    return Change(module, side("-"), side("+"))


def copy_checkout(target: Path) -> None:
    """Every file of the working tree that is, or is about to be, under version control, and the
    compiled modules if they were built."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    built = [path.relative_to(ROOT).as_posix() for path in (ROOT / "zk").rglob("*.so")]
    for name in {*filter(None, listed.split("\0")), *built}:
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def command(module: str) -> list[str]:
    """What runs the tests of a module, in the copy."""
    options = ["-q", "-x", "-p", "no:cacheprovider", "--no-header", "--tb=no"]
    return [sys.executable, "-m", "pytest", *options, *judges_of(module)]


def _run(module: str) -> tuple[int, float]:
    start = time.monotonic()
    code = subprocess.run(command(module), capture_output=True, timeout=600).returncode
    return code, time.monotonic() - start


def check_baseline(names: Sequence[str], console: Console) -> dict[str, float]:
    """Seconds that the tests of each module take where nothing is changed; raises `SystemExit` if
    any fails, or if a module that cannot even be imported goes unnoticed (another copy is tested).
    """
    seconds = {}
    for name in names:
        code, seconds[name] = _run(name)
        if code:
            raise SystemExit(f"{name}: its tests fail as it is ({' '.join(judges_of(name))})")
    for package in sorted({name.split("/")[0] for name in names}):
        name = next(name for name in names if name.startswith(f"{package}/"))
        text = Path(name).read_text("utf-8")
        Path(name).write_text("raise RuntimeError\n", "utf-8")
        code, _ = _run(name)
        Path(name).write_text(text, "utf-8")
        if not code:
            raise SystemExit(f"{name}: broken, and its tests pass: they test another copy")
    console.print(f"unchanged, all tests pass: {sum(seconds.values()):.0f} s for {len(names)}")
    return seconds


def judge(mutant: Mutant, seconds: float) -> tuple[str, str]:
    """ "killed", "timeout" or "survived", and the diff; the working folder is the copy."""
    from cosmic_ray.mutating import mutate_and_test
    from cosmic_ray.work_item import TestOutcome, WorkerOutcome

    words = " ".join(command(mutant.module))
    result = mutate_and_test([mutant.specification], words, timeout=3 * seconds + 10)
    if result.worker_outcome != WorkerOutcome.NORMAL:
        raise SystemExit(f"{mutant.module}, line {mutant.line}: not mutated: {result.output}")
    if result.test_outcome == TestOutcome.SURVIVED:
        return "survived", result.diff
    return "timeout" if result.output == "timeout" else "killed", result.diff


def run(
    names: Sequence[str], drawn: Sequence[Mutant], console: Console
) -> tuple[dict[str, dict[str, int]], list[Survivor]]:
    """Counts by module, and the survivors."""
    seconds = check_baseline([n for n in names if any(m.module == n for m in drawn)], console)
    explained = read_explained()
    counts = {name: dict.fromkeys(("killed", "timeout", "survived"), 0) for name in names}
    survivors: list[Survivor] = []
    for number, mutant in enumerate(drawn, start=1):
        outcome, diff = judge(mutant, seconds[mutant.module])
        counts[mutant.module][outcome] += 1
        if outcome == "survived":
            change = change_of(mutant.module, diff)
            survivor = {**change._asdict(), "number": mutant.line, "operator": mutant.operator,
                        "reason": explained.get(change)}  # fmt: skip
            survivors.append(survivor)
            told = survivor["reason"] or "NOT EXPLAINED"
            console.print(f"{change.file}:{mutant.line}: {change.line}\n  → {change.mutant}\n  "
                          f"{told}", markup=False)  # fmt: skip
        if number % 20 == 0 or number == len(drawn):
            console.print(f"{number}/{len(drawn)}, {len(survivors)} survived")
    return counts, survivors


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 if a survivor is not explained."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="such as zk/prove.py; by default all")
    parser.add_argument("--mutants", type=int, default=MUTANTS, help="how many are drawn")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--except", nargs="*", default=[], dest="left_out", help="modules")
    parser.add_argument("--out", type=Path, help="write the results there instead")
    chosen = parser.parse_args(arguments)
    known = modules(ROOT)
    if wrong := sorted({*chosen.modules, *chosen.left_out} - set(known)):
        parser.error(f"not a module that is mutated: {', '.join(wrong)}")
    names = [name for name in chosen.modules or known if name not in chosen.left_out]
    console = Console(highlight=False, soft_wrap=True)
    facts = describe_commit() | {"machine": describe_machine()}
    out: Path | None = chosen.out.resolve() if chosen.out else None
    start, home = time.monotonic(), Path.cwd()
    os.environ["CI"] = "1"  # the same examples each time, and no database of them
    os.environ.pop("CLAIROBSCUR_GROUP", None)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy_checkout(Path(folder))
        os.chdir(folder)
        try:
            mutants = all_mutants(Path(folder), names)
            drawn = sample(mutants, chosen.mutants, chosen.seed)
            console.print(f"{len(drawn)} of {places(mutants):,} places")
            counts, survivors = run(names, drawn, console)
        finally:
            os.chdir(home)
    left = [survivor for survivor in survivors if not survivor["reason"]]
    results = facts | {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - start),
        "seed": chosen.seed,
        "mutants": len(mutants),
        "places": places(mutants),
        "drawn": len(drawn),
        "modules": counts,
        "survivors": survivors,
    }
    is_whole = names == known and out is None
    if is_whole or out is not None:
        text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
        (out or MUTATION_RESULTS).write_text(text, "utf-8")
    if is_whole:
        write_testing_page(ROOT)
    console.print(f"{len(drawn) - len(survivors)} killed, {len(survivors)} survived, "
                  f"{len(left)} of them not explained; {results['seconds']} s")  # fmt: skip
    return 1 if left else 0


if __name__ == "__main__":
    raise SystemExit(main())
