"""``verifier verify-bulk`` as a command: what it says, and what it survives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.dask_cluster import start_scheduler, start_worker
from console.running import CommandError
from tests.support.bulk import (
    MIXED_DUPLICATES,
    contents,
    documents,
    good_claims,
    mixed_entries,
    read_verdicts,
    unsigned,
    write_documents,
    write_lines,
    write_parquet,
)
from tests.support.commands import ROOT, Console, Done, run_process
from verifier_api.bulk.chunks import Documents
from verifier_api.bulk.cluster import ClusterWorkers
from verifier_api.bulk.inputs import Chunk, Found, chunks_of
from verifier_api.bulk.parts import part_numbers
from verifier_api.bulk.workers import MAX_ATTEMPTS, LocalWorkers
from verifier_api.judge import Judge

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("CLAIROBSCUR_KILLS", "2"))
CHUNK = 40


@dataclass
class Bulk:
    """A folder with documents and inputs, and how the command is run there."""

    folder: Path
    options: list[str]
    console: Console
    stack: ExitStack

    def run(self, source: str, out: str, *more: str) -> Done:
        """The command in this process; its workers are processes all the same."""
        return self.console.verifier("verify-bulk", source, "--out", out, *self.options, *more)

    def start(self, source: str, out: str, *more: str) -> subprocess.Popen[bytes]:
        """The command as the leader of a group of processes, which ends with the test."""
        command = [sys.executable, "-m", "verifier_api", "verify-bulk", source, "--out", out]
        process = subprocess.Popen(
            [*command, *self.options, *more],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.stack.callback(process.communicate)
        self.stack.callback(process.kill)
        return process


@pytest.fixture
def bulk(console: Console, tmp_path: Path) -> Iterator[Bulk]:
    with ExitStack() as stack:
        yield Bulk(tmp_path, write_documents(tmp_path), console, stack)


def many_entries(count: int) -> list[bytes]:
    """Good claims over and over, with bad ones among them."""
    good = good_claims()
    return [
        (b"{}" if n % 37 == 5 else unsigned(good[n % 12]) if n % 23 == 7 else good[n % 12])
        for n in range(count)
    ]


# -- what it says -------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_verdicts_are_those_of_check_batch(bulk: Bulk, jobs: str) -> None:
    write_lines(bulk.folder / "claims.ndjson", [*mixed_entries(), b"", b"x" * 50_000])
    write_parquet(bulk.folder / "claims.parquet", mixed_entries())
    golden = bulk.console.verifier("check-batch", "claims.ndjson", *bulk.options, "--json")
    expected = [json.loads(line) for line in golden.out.splitlines()]
    done = bulk.run("claims.ndjson", "out", "--chunk", "4", "--jobs", jobs)
    assert done.code == golden.code == 2
    rows = read_verdicts(bulk.folder / "out")
    names = {row["entry"]: f"line {row['position']}" for row in rows}
    assert [
        {
            "source": names[row["entry"]],
            "duplicate_of": names.get(row["duplicate_of"]),
            **{name: row[name] for name in ("claim_id", "verdict", "reason", "detail")},
        }
        for row in rows
    ] == [
        {name: entry.get(name) for name in entry.keys() - {"claim"} | {"duplicate_of"}}
        for entry in expected
    ]
    assert [row["claim_digest"] for row in rows] == [
        entry["claim"] and entry["claim"]["claim_digest"] for entry in expected
    ]
    assert [row["duplicate_of"] for row in rows[:15]] == MIXED_DUPLICATES


def test_what_it_tells(bulk: Bulk) -> None:
    write_lines(bulk.folder / "claims.ndjson", mixed_entries())
    done = bulk.run("claims.ndjson", "out", "--chunk", "4", "--json")
    told = json.loads(done.out)
    summary = json.loads((bulk.folder / "out" / "summary.json").read_text())
    assert told == summary | told
    assert {name: told[name] for name in ("accepted", "refused", "unreadable", "out")} == {
        "accepted": 11,
        "refused": 2,
        "unreadable": 2,
        "out": "out",
    }
    assert told["seconds"] > 0
    assert [row["entry"] for row in told["listed"]] == [3, 4, 5, 8, 9, 10, 12, 15]
    plain = bulk.run("claims.ndjson", "out")
    lines = plain.out.splitlines()
    assert lines[0].startswith("refused     bulk-1  signature_invalid: ")
    assert lines[0].endswith("(claims.ndjson 3)")
    assert lines[1].startswith("unreadable  (claims.ndjson 4)  claim: ")
    assert lines[2].endswith("(claims.ndjson 5)  warning: the same claim as entry 1")
    assert "11 accepted, 2 refused, 2 unreadable (5 seen before) in " in lines[-1]
    assert lines[-1].endswith(" s, 15 of them judged earlier")
    assert (bulk.folder / "out").stat().st_mode & 0o777 == 0o700


def test_exit_codes(bulk: Bulk) -> None:
    good = list(good_claims())
    for name, entries, code in (
        ("good", good, 0),
        ("refused", [*good, unsigned(good[0])], 1),
        ("unreadable", [*good, b"{}", unsigned(good[0])], 2),
    ):
        write_lines(bulk.folder / f"{name}.ndjson", entries)
        assert bulk.run(f"{name}.ndjson", name, "--jobs", "1").code == code


def test_a_bar_only_if_it_is_wanted(bulk: Bulk) -> None:
    write_lines(bulk.folder / "claims.ndjson", mixed_entries())
    assert bulk.run("claims.ndjson", "out", "--no-progress").err == ""
    assert "claims that come twice" in bulk.run("claims.ndjson", "out", "--progress").err


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["-", "--out", "out"], "usage"),
        (["claims.ndjson", "--out", "out", "--now", "today"], "usage"),
        (["claims.ndjson", "--out", "out", "--jobs", "2", "--scheduler", "tcp://x"], "usage"),
        (["absent", "--out", "out"], "file"),
        (["claims.ndjson", "--out", "claims.ndjson"], "usage"),
        (["contract.json", "--out", "keys.json"], "file"),
        (["empty.ndjson", "--out", "out"], "empty"),
        (["false.parquet", "--out", "out"], "unreadable"),
        (["claims.ndjson", "--out", "."], "other_run"),
        (["claims.ndjson", "--out", "out", "--scheduler", "nonsense://x"], "scheduler"),
        (["claims.ndjson", "--out", "out", "--scheduler", "tcp://127.0.0.1:1"], "scheduler"),
    ],
)
def test_errors_have_their_kind(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, arguments: list[str], kind: str
) -> None:
    monkeypatch.setattr("verifier_api.bulk.cluster.CONNECT_SECONDS", 1)
    write_lines(bulk.folder / "claims.ndjson", mixed_entries())
    write_lines(bulk.folder / "empty.ndjson", [])
    (bulk.folder / "false.parquet").write_bytes(b"none")
    options = [option for option in bulk.options if "--now" not in arguments or option != "--now"]
    done = bulk.console.verifier("verify-bulk", *arguments, *options[:4], "--json")
    assert done.code == 2
    assert done.out == ""
    error = json.loads(done.err)
    assert (error["error"], sorted(error)) == (kind, ["detail", "error"])


# -- what it survives ---------------------------------------------------------------------------


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def children_of(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def command_line(pid: int) -> bytes:
    """Empty for a process that has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def workers_of(pid: int) -> list[int]:
    return [child for child in children_of(pid) if b"spawn_main" in command_line(child)]


@pytest.fixture
def large(bulk: Bulk) -> Bulk:
    """40 chunks, and the run that nothing interrupted."""
    write_parquet(bulk.folder / "large.parquet", many_entries(40 * CHUNK), row_group_size=500)
    done = bulk.run("large.parquet", "whole", "--chunk", str(CHUNK), "--jobs", "1")
    assert done.code == 2, done.err
    return bulk


def parts(folder: Path) -> int:
    return len(part_numbers(folder)) if folder.is_dir() else 0


def wait_for_parts(process: subprocess.Popen[bytes], folder: Path, wanted: int) -> None:
    """Until so many are there, or the process has ended."""
    wait_for(lambda: process.poll() is not None or parts(folder) >= wanted)


def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bytes(large: Bulk) -> None:
    folder = large.folder / "out"
    for kill in range(KILLS):
        process = large.start("large.parquet", "out", "--chunk", str(CHUNK), "--jobs", "2")
        wait_for_parts(process, folder, 1 + kill * 38 // KILLS)
        assert process.poll() is None, process.communicate()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.communicate()
        assert not (folder / "summary.json").exists()
    done = large.run("large.parquet", "out", "--json")
    told = json.loads(done.out)
    assert told["taken_over"] >= CHUNK
    assert told["taken_over"] + told["judged"] == 40 * CHUNK
    assert contents(folder) == contents(large.folder / "whole")


def test_the_processes_of_a_killed_command_end(large: Bulk) -> None:
    process = large.start("large.parquet", "out", "--chunk", str(CHUNK), "--jobs", "2")
    wait_for_parts(process, large.folder / "out", 2)
    started = workers_of(process.pid)
    assert len(started) >= 2
    process.kill()
    process.communicate()
    wait_for(lambda: not any(is_alive(pid) for pid in started))


def test_an_interrupted_command_goes_on_later(large: Bulk) -> None:
    process = large.start("large.parquet", "out", "--chunk", str(CHUNK), "--jobs", "1")
    wait_for_parts(process, large.folder / "out", 2)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == b""
    assert large.run("large.parquet", "out").code == 2
    assert contents(large.folder / "out") == contents(large.folder / "whole")


def test_workers_that_are_killed_are_replaced(large: Bulk) -> None:
    process = large.start("large.parquet", "out", "--chunk", str(CHUNK), "--jobs", "2", "--json")
    killed: set[int] = set()
    # Fewer than one chunk may bring down: all of them may hit the same.
    while len(killed) < MAX_ATTEMPTS - 1 and process.poll() is None:
        wait_for_parts(process, large.folder / "out", parts(large.folder / "out") + 1)
        for pid in workers_of(process.pid)[-1:]:  # the reader came first
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (2, b"")
    assert json.loads(out)["workers_replaced"] >= 1
    assert contents(large.folder / "out") == contents(large.folder / "whole")


class Deadly(Documents):
    """Documents that bring down whoever judges by them."""

    def judge(self) -> Judge:
        os.abort()


def one_chunk(*datas: bytes) -> Chunk:
    (chunk,) = chunks_of(iter([Found("a", n, data) for n, data in enumerate(datas, start=1)]))
    return chunk


def test_a_chunk_that_brings_workers_down_ends_the_run() -> None:
    given = documents()
    deadly = Deadly(given.contract, given.keys, given.nomenclature, given.now)
    workers = LocalWorkers(deadly, 1)
    try:
        workers.submit(one_chunk(b"{}", b"{}"))
        with pytest.raises(CommandError, match="entries 1 to 2 brought down 3 workers") as told:
            workers.next_done()
    finally:
        workers.close()
    assert told.value.kind == "workers"
    assert workers.replaced == MAX_ATTEMPTS


def test_a_worker_killed_at_its_start_keeps_nobody_waiting() -> None:
    """What is written to a process before it runs has room in a pipe, read or not."""
    workers = LocalWorkers(documents(), 1)
    try:
        for _ in range(MAX_ATTEMPTS - 1):
            if workers.is_idle():
                workers.submit(one_chunk(b"{}", b"[]"))
            (pid,) = workers.process_ids()
            os.kill(pid, signal.SIGKILL)
        _, rows = workers.next_done()
    finally:
        workers.close()
    assert len(rows) == 2
    assert workers.replaced >= 1


# -- a cluster ----------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[ExitStack, Path, str]]:
    """A scheduler without workers."""
    with ExitStack() as stack:
        folder = tmp_path / "cluster"
        folder.mkdir()
        yield stack, folder, start_scheduler(stack, folder)


def test_a_cluster_gives_the_same_bytes_though_a_worker_dies(
    large: Bulk, cluster: tuple[ExitStack, Path, str]
) -> None:
    stack, folder, address = cluster
    first = start_worker(stack, folder, address, "first")
    start_worker(stack, folder, address, "second")
    options = ("--chunk", str(CHUNK), "--scheduler", address, "--json")
    process = large.start("large.parquet", "out", *options)
    wait_for_parts(process, large.folder / "out", 5)
    assert process.poll() is None, process.communicate()
    first.kill()
    start_worker(stack, folder, address, "third")  # it is told what to judge by as well
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert json.loads(out)["judged"] == 40 * CHUNK
    assert err == b""
    assert contents(large.folder / "out") == contents(large.folder / "whole")
    for log in folder.glob("*.log"):
        assert "benef_3Jx0kQ9sWm" not in log.read_text()


def test_rows_that_died_with_their_worker_are_computed_again(
    cluster: tuple[ExitStack, Path, str],
) -> None:
    stack, folder, address = cluster
    worker = start_worker(stack, folder, address, "first")
    workers = ClusterWorkers(documents(), address)
    try:
        workers.submit(one_chunk(good_claims()[0]))
        (future,) = workers._futures.values()
        wait_for(lambda: future.status == "finished")
        worker.kill()
        wait_for(lambda: future.status != "finished")
        start_worker(stack, folder, address, "second")
        chunk, rows = workers.next_done()
    finally:
        workers.close()
    assert (chunk.number, rows[0].verdict) == (1, "accepted")


def test_a_cluster_without_workers_is_told(
    bulk: Bulk, cluster: tuple[ExitStack, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier_api.bulk.cluster.CONNECT_SECONDS", 2)
    with pytest.raises(CommandError, match="has no worker") as told:
        ClusterWorkers(documents(), cluster[2])
    assert told.value.kind == "scheduler"


def test_a_worker_of_another_version_is_refused(
    cluster: tuple[ExitStack, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, folder, address = cluster
    start_worker(stack, folder, address, "first")
    monkeypatch.setattr("verifier_api.bulk.cluster.version_text", lambda: "another")
    with pytest.raises(CommandError, match="the same version of this program") as told:
        ClusterWorkers(documents(), address)
    assert told.value.kind == "scheduler"


def test_a_cluster_whose_workers_all_die_is_told(cluster: tuple[ExitStack, Path, str]) -> None:
    stack, folder, address = cluster
    worker = start_worker(stack, folder, address, "first")
    workers = ClusterWorkers(documents(), address, without_workers=3)
    try:
        workers.submit(one_chunk(good_claims()[0]))
        chunk, rows = workers.next_done()
        assert (chunk.number, rows[0].verdict) == (1, "accepted")
        assert workers.is_idle()
        worker.kill()
        worker.wait()
        workers.submit(one_chunk(good_claims()[1]))
        with pytest.raises(CommandError, match="no worker any more") as told:
            workers.next_done()
        assert told.value.kind == "workers"
    finally:
        workers.close()


def test_without_dask_the_command_says_what_to_install(bulk: Bulk) -> None:
    write_lines(bulk.folder / "claims.ndjson", mixed_entries())
    (bulk.folder / "distributed.py").write_text("raise ImportError('none')\n")
    done = run_process(
        "verifier_api",
        *("verify-bulk", "claims.ndjson", "--out", "out", *bulk.options),
        *("--scheduler", "tcp://127.0.0.1:1"),
        cwd=bulk.folder,
    )
    assert done.code == 2
    needed = "--scheduler needs Dask's distributed: install requirements/bulk.txt"
    assert done.err.startswith(f"error: missing: {needed}")
