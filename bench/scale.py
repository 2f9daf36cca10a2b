"""The service as one and as two processes on one PostgreSQL: ``python -m bench.scale``.

Both processes run all the time, on a durable cluster of their own on loopback; in each round the
same number of claims goes through the first alone and then through both, over as many connections
in all. The kernel tells the CPU time of the event loops, of the workers, of PostgreSQL and of this
client; PostgreSQL tells how often somebody held the lock of the one writer. From that follows the
sizing rule of ``docs/operations.md``. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from bench.load import (
    CONNECTIONS,
    family,
    make_claims,
    prepare,
    put_load,
    quantile,
    start_service,
    used_by,
)
from bench.machine import ROOT, describe_commit, describe_machine
from bench.results import FOLDER, write_results
from bench.scale_report import write_scale_report
from circuits.claim import Claim, encode_claim
from optician.client import ServiceClient
from tests.support.postgres import Cluster, PostgresMissing, postgres_cluster
from zk.backends import load_group
from zk.generators import generators_of

LATEST = FOLDER / "scale.json"
PROCESSES = 2
SAMPLE_SECONDS = 0.004  # between two looks at the writer's lock


@dataclass(frozen=True)
class Service:
    """A process of the service with one worker process."""

    process: subprocess.Popen[str]
    url: str

    def cpu_seconds(self) -> tuple[float, float]:
        """Of the process itself, and of what it started."""
        own = _ticks(self.process.pid)
        return own, sum(_ticks(pid) for pid in family(self.process.pid)[1:])


def _ticks(pid: int) -> float:
    """CPU seconds of one process, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class LockWatch:
    """The share of looks at which some process held the lock of the one writer."""

    def __init__(self, cluster: Cluster, database: str) -> None:
        self._connection = cluster.connect(database)
        self._stop = threading.Event()
        self._held = self._looks = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        with self._connection as connection:
            while not self._stop.wait(SAMPLE_SECONDS):
                row = connection.execute(query).fetchone()
                self._held += bool(row and row[0])
                self._looks += 1

    @contextmanager
    def watching(self) -> Iterator[LockWatch]:
        """Watch for as long as the context lasts."""
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join()

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self._held / max(1, self._looks)


def one_load(
    services: Sequence[Service],
    cluster: Cluster,
    database: str,
    claims: Sequence[Claim],
    token: str,
) -> dict[str, Any]:
    """The claims through the given processes, and every figure."""
    bodies = [encode_claim(claim) for claim in claims]
    assert cluster.process is not None
    parts = [bodies[number :: len(services)] for number in range(len(services))]
    before = [service.cpu_seconds() for service in services]
    database_before, client_before = used_by(cluster.process.pid).cpu_seconds, time.process_time()
    with LockWatch(cluster, database).watching() as watch:
        start = time.perf_counter()
        loads = _put(services, parts, token)
        seconds = time.perf_counter() - start
    client = time.process_time() - client_before
    after = [service.cpu_seconds() for service in services]
    spent = [
        [late - early for early, late in zip(*pair, strict=True)]
        for pair in zip(before, after, strict=True)
    ]
    latencies = [latency for load in loads for latency in load.latencies]
    count = len(claims)

    def milliseconds(value: float) -> float:
        return round(1000 * value / count, 4)

    return {
        "processes": len(services),
        "claims": count,
        "claims_a_second": round(count / seconds, 1),
        "median_ms": round(1000 * median(latencies), 2),
        "p95_ms": round(1000 * quantile(latencies, 0.95), 2),
        "loop_ms": milliseconds(sum(own for own, _ in spent)),
        "workers_ms": milliseconds(sum(others for _, others in spent)),
        "database_ms": milliseconds(used_by(cluster.process.pid).cpu_seconds - database_before),
        "client_ms": milliseconds(client),
        "lock_share": round(watch.share, 4),
        "lock_ms": milliseconds(watch.share * seconds),
        "errors": sum(sum(load.errors.values()) for load in loads),
    }


def _put(services: Sequence[Service], parts: Sequence[Sequence[bytes]], token: str) -> list[Any]:
    async def all_of_them() -> list[Any]:
        return await asyncio.gather(
            *(
                put_load(
                    service.url,
                    "/v1/claims",
                    part,
                    token,
                    b'"verdict": "granted"',
                    CONNECTIONS // len(services),
                )
                for service, part in zip(services, parts, strict=True)
            )
        )

    return asyncio.run(all_of_them())


def measure(rounds: int, claims: int, console: Console) -> dict[str, Any]:
    """Everything; raises `PostgresMissing`."""
    results: dict[str, Any] = {"format": 1} | describe_commit() | {"machine": describe_machine()}
    with ExitStack() as stack:
        cluster = stack.enter_context(postgres_cluster(is_durable=True))
        made, parts = make_claims(
            (rounds + 1) * PROCESSES * claims, generators_of(load_group()), console
        )
        identity, contract, nomenclature = parts
        database = cluster.fresh_database()
        services, tokens = [], []
        for number in range(PROCESSES):
            name = tempfile.TemporaryDirectory(prefix=f"clairobscur-{number}-")
            folder = Path(stack.enter_context(name))
            process, url, admin_token = start_service(stack, folder, cluster.url(database), 1)
            services.append(Service(process, url))
            tokens.append(admin_token)
        admin = stack.enter_context(ServiceClient(services[0].url, tokens[0]))
        token = prepare(admin, identity, contract, nomenclature, made)
        time.sleep(2)  # the other process looks for new contracts and tokens every second
        left = iter(made)
        figures = []
        for number in range(rounds + 1):
            for count in range(1, PROCESSES + 1):
                chosen = [next(left) for _ in range(claims)]
                entry = one_load(services[:count], cluster, database, chosen, token)
                console.print(f"round {number}: {entry}")
                if number:  # the first warms up
                    figures.append(entry)
        return results | {"connections": CONNECTIONS, "rounds": figures}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--claims", type=int, default=1024, help="in each load")
    parser.add_argument("--out", type=Path, default=LATEST)
    chosen = parser.parse_args(arguments)
    console = Console()
    try:
        results = measure(chosen.rounds, chosen.claims, console)
    except PostgresMissing as error:
        sys.exit(f"missing: {error}")
    write_results(results, chosen.out)
    if chosen.out == LATEST:
        write_scale_report(results, FOLDER, ROOT / "docs" / "performance.md")


if __name__ == "__main__":
    main()
