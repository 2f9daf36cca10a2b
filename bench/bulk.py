"""Bulk verification of 201,000 entries: ``python -m bench.bulk``.

    unbroken   `verifier verify-bulk` from beginning to end: claims a second, CPU time, and the
               memory of all its processes, several times a second
    killed     the same again, its whole group of processes killed at two random moments, and
               resumed each time
    cluster    the same by a Dask scheduler and two workers on loopback, of which one is killed
    lines      a slice of the claims as lines, by `verify-bulk` and by `check-batch`

It ends with an error unless the files of the first three are the same bytes, the verdicts of the
slice are those of `check-batch`, and every bad claim was refused for its own reason. Linux only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from random import SystemRandom
from statistics import median
from typing import Any

import pyarrow.parquet as parquet
from rich.console import Console

from bench.bulk_claims import NOW, Input, make_input
from bench.bulk_report import write_bulk_report
from bench.dask_cluster import start_scheduler, start_worker
from bench.load import family, used_by
from bench.machine import ROOT, describe_commit, describe_machine
from bench.results import FOLDER, write_results
from circuits.claim import encode_instant
from verifier_api.bulk.inputs import DEFAULT_CHUNK

CLAIMS = 201_000  # of which more than 200,000 are different, and readable
SLICE = 10_000
KILLS = 2
CLUSTER_WORKERS = 2
SAMPLE_SECONDS = 0.25
LATEST = FOLDER / "bulk.json"
PROGRAM = (sys.executable, "-m", "verifier_api")


class BulkError(Exception):
    """A run did not give what it had to."""


# -- a run --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """All processes of a run at one moment; ``own`` is the command's process alone, the others are
    its workers and its reader."""

    seconds: float
    processes: int
    memory_bytes: int
    cpu_seconds: float
    own_memory_bytes: int
    own_cpu_seconds: float


def command(given: Input, source: Path, out: Path, *more: str) -> list[str]:
    """The command line that judges ``source`` into ``out``."""
    places = [str(source), "--out", str(out), "--chunk", str(given.chunk)]
    return [*PROGRAM, "verify-bulk", *places, *judged_by(given), *more]


def judged_by(given: Input) -> list[str]:
    """The options that name contract, keys and moment."""
    options = ["--contract", str(given.contract), "--optician-keys", str(given.keys)]
    return [*options, "--now", encode_instant(NOW), "--json"]


def start(line: Sequence[str]) -> subprocess.Popen[str]:
    """Start it as the leader of a group of processes."""
    return subprocess.Popen(
        line, cwd=ROOT, stdout=subprocess.PIPE, stderr=None, text=True, start_new_session=True
    )


def take_sample(pid: int, since: float) -> Sample:
    """Of the process and all that descend from it."""
    own = _own(pid)
    used = used_by(pid)
    return Sample(
        round(time.perf_counter() - since, 2),
        len(family(pid)),
        used.memory_bytes,
        used.cpu_seconds,
        *own,
    )


def _own(pid: int) -> tuple[int, float]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0.0
    pages, ticks = int(fields[21]), int(fields[11]) + int(fields[12])
    return pages * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK")


def watch(process: subprocess.Popen[str]) -> list[Sample]:
    """Samples until the process ends."""
    since = time.perf_counter()
    samples = []
    while process.poll() is None:
        samples.append(take_sample(process.pid, since))
        time.sleep(SAMPLE_SECONDS)
    return samples


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it told; raises `BulkError` if it failed."""
    out, _ = process.communicate()
    if process.returncode not in (0, 1, 2) or not out:
        raise BulkError(f"verify-bulk ended with {process.returncode}")
    told: dict[str, Any] = json.loads(out)
    return told


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a run but the one that tells how long it took."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != "timing.json"
    }


def require_same(what: str, one: object, other: object) -> None:
    """Raise `BulkError` unless both are equal."""
    if one != other:
        raise BulkError(f"{what}: not the same")


# -- what is measured ---------------------------------------------------------------------------


def measure_unbroken(given: Input, out: Path, console: Console) -> dict[str, Any]:
    """See module docstring."""
    process = start(command(given, given.claims, out))
    samples = watch(process)
    told = finish(process)
    require_same("the reasons", _outcomes(told), given.expected)
    require_same("the duplicates", told["duplicates"], given.duplicates)
    cores = len(os.sched_getaffinity(0))
    result = {
        "entries": told["entries"],
        "seconds": told["seconds"],
        "cores": cores,
        "claims_a_second": round(told["entries"] / told["seconds"], 1),
        "claims_a_second_and_core": round(told["entries"] / told["seconds"] / cores, 1),
        "counts": {name: told[name] for name in ("accepted", "refused", "unreadable")},
        "reasons": told["reasons"],
        "duplicates": told["duplicates"],
        "parts": told["parts"],
    } | memory_and_time(samples, told["entries"])
    console.print(f"unbroken: {told['seconds']:.1f} s, {result['claims_a_second']:.0f} a second")
    return result


def _outcomes(told: dict[str, Any]) -> dict[str, int]:
    return dict(sorted({**told["reasons"], "accepted": told["accepted"]}.items()))


def memory_and_time(samples: Sequence[Sample], entries: int) -> dict[str, Any]:
    """Memory while claims are being judged (as many processes as ever), in the second fifth of that
    time and in the last; the largest of the whole run; and CPU time an entry."""
    most = max(sample.processes for sample in samples)
    judging = [sample for sample in samples if sample.processes == most]
    fifth = max(1, len(judging) // 5)
    early, late = judging[fifth : 2 * fifth + 1] or judging, judging[-fifth:]

    def middle(chosen: Sequence[Sample], name: str) -> float:
        return round(float(median(getattr(sample, name) for sample in chosen)) / 1e6, 1)

    def cpu_ms(name: str) -> float:
        spent = float(max(getattr(sample, name) for sample in samples))
        return round(1000 * spent / entries, 4)

    return {
        "processes": most,
        "memory_mb_early": middle(early, "memory_bytes"),
        "memory_mb_late": middle(late, "memory_bytes"),
        "memory_mb_largest": round(max(sample.memory_bytes for sample in samples) / 1e6, 1),
        "own_memory_mb_early": middle(early, "own_memory_bytes"),
        "own_memory_mb_late": middle(late, "own_memory_bytes"),
        "own_memory_mb_largest": round(max(s.own_memory_bytes for s in samples) / 1e6, 1),
        "cpu_ms_a_claim": cpu_ms("cpu_seconds"),
        "own_cpu_ms_a_claim": cpu_ms("own_cpu_seconds"),
        "samples": [
            {
                "seconds": sample.seconds,
                "processes": sample.processes,
                "memory_mb": round(sample.memory_bytes / 1e6, 1),
                "own_memory_mb": round(sample.own_memory_bytes / 1e6, 1),
            }
            for sample in samples
        ],
    }


def measure_killed(
    given: Input, whole: Path, out: Path, seconds: float, console: Console
) -> dict[str, Any]:
    """See module docstring; ``seconds`` is what an unbroken run takes."""
    random = SystemRandom()
    kills = []
    for number in range(1, KILLS + 1):
        # So that all of them come before the end: what was judged is not judged again.
        moment = random.uniform(0.05, 0.8 / KILLS) * seconds
        latest = count_parts(whole) * number // (KILLS + 1)
        passed, parts = kill_at(start(command(given, given.claims, out)), out, moment, latest)
        kills.append({"seconds": round(passed, 2), "parts": parts})
        console.print(f"killed after {passed:.1f} s, {parts} files of verdicts")
    told = finish(start(command(given, given.claims, out)))
    require_same("the files of the killed run", digests(out), digests(whole))
    return {
        "kills": kills,
        "taken_over": told["taken_over"],
        "judged": told["judged"],
        "seconds": told["seconds"],
        "is_same": True,
    }


def kill_at(
    process: subprocess.Popen[str], out: Path, moment: float, latest: int
) -> tuple[float, int]:
    """Kill the group when ``moment`` seconds have passed, or ``latest`` parts are there, and there
    is a part more than before; seconds that passed, and parts. Raises `BulkError` if the run is
    over before."""
    before, since = count_parts(out), time.perf_counter()
    while (parts := count_parts(out)) == before or (
        parts < latest and time.perf_counter() - since < moment
    ):
        if process.poll() is not None:
            raise BulkError("the run was over before it was killed")
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    passed = time.perf_counter() - since
    process.communicate()
    return passed, count_parts(out)


def count_parts(out: Path) -> int:
    """Files of verdicts that are there."""
    return len(list(out.glob("verdicts-*.parquet")))


def measure_cluster(given: Input, whole: Path, out: Path, folder: Path) -> dict[str, Any]:
    """See module docstring. The worker dies when a third of the parts is there."""
    with ExitStack() as stack:
        address = start_scheduler(stack, folder)
        workers = [
            start_worker(stack, folder, address, f"worker-{number}")
            for number in range(CLUSTER_WORKERS)
        ]
        third = count_parts(whole) // 3
        process = start(command(given, given.claims, out, "--scheduler", address))
        begin = time.perf_counter()
        while count_parts(out) < third:
            if process.poll() is not None:
                raise BulkError("the cluster's run was over before a worker was killed")
            time.sleep(0.01)
        passed = time.perf_counter() - begin
        workers[0].kill()
        told = finish(process)
    require_same("the files of the cluster's run", digests(out), digests(whole))
    return {
        "workers": CLUSTER_WORKERS,
        "killed_after_seconds": round(passed, 2),
        "killed_after_parts": third,
        "workers_lost": told["workers_replaced"],
        "seconds": told["seconds"],
        "is_same": True,
    }


def measure_lines(given: Input, out: Path) -> dict[str, Any]:
    """See module docstring."""
    told = finish(start(command(given, given.slice, out)))
    begin = time.perf_counter()
    done = subprocess.run(
        [*PROGRAM, "check-batch", str(given.slice), *judged_by(given)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begin
    golden = [json.loads(line) for line in done.stdout.splitlines()]
    rows = [
        row
        for part in sorted(out.glob("verdicts-*.parquet"))
        for row in parquet.read_table(part).to_pylist()
    ]
    lines = {row["entry"]: f"line {row['position']}" for row in rows}
    names = ("source", "claim_id", "verdict", "reason", "detail", "duplicate_of")
    require_same(
        "the verdicts of verify-bulk and check-batch",
        [[entry.get(name) for name in names] for entry in golden],
        [
            [lines[row["entry"]], *(row[n] for n in names[1:-1]), lines.get(row["duplicate_of"])]
            for row in rows
        ],
    )
    return {
        "entries": len(rows),
        "seconds": told["seconds"],
        "check_batch_seconds": round(seconds, 3),
        "is_same": True,
    }


def measure(
    claims: int, slice_size: int, chunk: int, console: Console, cache: Path
) -> dict[str, Any]:
    """Everything; see module docstring. Raises `BulkError`."""
    given = make_input(claims, slice_size, console, cache, chunk=chunk)
    results: dict[str, Any] = {"format": 1} | describe_commit() | {"machine": describe_machine()}
    results |= {
        "entries": given.entries,
        "input_bytes": given.bytes,
        "slice": slice_size,
        "chunk": chunk,
        "pyarrow": version("pyarrow"),
    }
    with tempfile.TemporaryDirectory(prefix="clairobscur-", dir=cache) as temporary:
        folder = Path(temporary)
        whole = folder / "whole"
        results["unbroken"] = measure_unbroken(given, whole, console)
        results["verdict_bytes"] = sum(p.stat().st_size for p in whole.glob("verdicts-*"))
        seconds = results["unbroken"]["seconds"]
        results["killed"] = measure_killed(given, whole, folder / "killed", seconds, console)
        results["cluster"] = measure_cluster(given, whole, folder / "clustered", folder)
        results["lines"] = measure_lines(given, folder / "lines")
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.bulk",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--claims", type=int, default=CLAIMS)
    parser.add_argument("--slice", type=int, default=SLICE, help="of them as lines")
    parser.add_argument("--chunk", type=int, default=DEFAULT_CHUNK)
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "bulk")
    parser.add_argument("--out", type=Path, default=LATEST)
    chosen = parser.parse_args(arguments)
    console = Console()
    chosen.cache.mkdir(parents=True, exist_ok=True)
    results = measure(chosen.claims, chosen.slice, chosen.chunk, console, chosen.cache)
    write_results(results, chosen.out)
    if chosen.out == LATEST:
        write_bulk_report(results, FOLDER, ROOT / "docs" / "performance.md")
    unbroken = results["unbroken"]
    console.print(
        f"{unbroken['claims_a_second']:.0f} claims a second on {unbroken['cores']} cores; memory "
        f"{unbroken['memory_mb_early']:.0f} MB early, {unbroken['memory_mb_late']:.0f} MB late; "
        "the files of every run are the same"
    )


if __name__ == "__main__":
    main()
