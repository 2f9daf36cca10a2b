"""The service under load on loopback: ``python -m bench.load``.

Some rounds; in each, the same bodies go through 32 connections to the service and to the bare route
of `bench.bare`, one after the other, and the CPU time of all processes of either server is read
from the kernel. What `verify_batch` alone takes for the same claims in batches of the mean size
that the service made is measured between. The figure is

    (service's CPU a claim − verify_batch's CPU a claim) / bare route's CPU a claim,

the median of the rounds. ``--soak SECONDS`` then keeps a mixed load going and samples memory and
file handles. Linux only. Everything is bounded, and on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import track

from bench.bare import ROUTE
from bench.cases import cases
from bench.load_report import write_load_report
from bench.machine import ROOT, describe_commit, describe_machine
from bench.results import FOLDER, write_results
from circuits.canonical import encode_base64url
from circuits.claim import Claim, build_instance, decode_claim, encode_claim
from circuits.contract import contract_digest
from optician.claiming import make_claim
from optician.client import ServiceClient
from optician.identity import Identity
from optician.sale import parse_sale
from zk.backends import load_group
from zk.encoding import decode_proof
from zk.generators import Generators, generators_of
from zk.verify import verify_batch

CONNECTIONS = 32
CASE = "equipment"
ROLES = ("right_lens", "left_lens", "frame")
SAMPLE_SECONDS = 5.0
SOAK_RATE = 40.0
START_SECONDS = 60
CPU_TARGET = 2.5
TAIL_TARGET = 3.0
LATEST = FOLDER / "load.json"


# -- claims -------------------------------------------------------------------------------------


def make_claims(count: int, generators: Generators, console: Console) -> tuple[list[Claim], Any]:
    """So many claims of different people, and (identity, contract, nomenclature)."""
    case = next(case for case in cases() if case.name == CASE and not case.has_limits)
    identity = Identity.generate("bench-shop")
    random, run = Random(1), os.urandom(4).hex()
    made = []
    for number in track(range(count), "making claims", console=console):
        sale: dict[str, Any] = {
            "format_version": 1,
            "statement": case.name,
            "claim_id": f"load-{run}-{number:06}",
            "date_of_service": "2020-10-05",
            "beneficiary": f"bench-{run}-{number:06}",
        }
        for role, article in zip(ROLES, case.sale(random), strict=True):
            sale[role] = {"code": article.code, "price_cents": article.price_cents}
        parsed = parse_sale(json.dumps(sale).encode())
        claim, _ = make_claim(
            parsed, case.contract, case.nomenclature, identity, generators, _now()
        )
        made.append(claim)
    return made, (identity, case.contract, case.nomenclature)


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


# -- processes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Used:
    """What a process and all its children have used, or hold."""

    cpu_seconds: float
    memory_bytes: int
    handles: int


def used_by(pid: int) -> Used:
    """Of the process and all that descend from it."""
    total = Used(0.0, 0, 0)
    for member in family(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            pages = int(Path(f"/proc/{member}/statm").read_text().split()[1])
            handles = len(os.listdir(f"/proc/{member}/fd"))
        except (FileNotFoundError, ProcessLookupError):
            continue
        seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        total = Used(
            total.cpu_seconds + seconds,
            total.memory_bytes + pages * os.sysconf("SC_PAGE_SIZE"),
            total.handles + handles,
        )
    return total


def family(pid: int) -> list[int]:
    """The process, then all that descend from it."""
    found = [pid]
    for member in found:
        for path in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                found += [int(child) for child in path.read_text().split()]
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def start_service(
    stack: ExitStack, folder: Path, database: str | None, workers: int | None = None
) -> tuple[subprocess.Popen[str], str, str]:
    """The service's process, its URL, and a token of the administrator."""
    environment = os.environ | {
        "CLAIROBSCUR_RATE_PER_SECOND": "100000",
        "CLAIROBSCUR_RATE_BURST": "100000",
        "CLAIROBSCUR_CONCURRENCY_PER_TOKEN": "10000",
        "CLAIROBSCUR_DATA_DIR": str(folder / "data"),
    }
    if database:
        environment["CLAIROBSCUR_DATABASE"] = database
    if workers:
        environment["CLAIROBSCUR_WORKERS"] = str(workers)
    log = stack.enter_context((folder / "service.log").open("w"))
    process = subprocess.Popen(
        [sys.executable, "-m", "verifier_api", "serve", "--port", "0", "--json"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    stack.callback(process.wait, 60)
    stack.callback(process.terminate)
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    return process, ready["url"], ready["admin_token"]


def start_bare(stack: ExitStack, folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The bare route's process and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.bare", str(folder / "bare.db")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(process.wait, 60)
    stack.callback(process.terminate)
    assert process.stdout is not None
    return process, f"http://127.0.0.1:{int(process.stdout.readline())}"


# -- load ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """What one load saw: seconds of every answer, statuses that were not 200, and the duration."""

    latencies: list[float]
    errors: dict[int, int]
    seconds: float


async def put_load(
    url: str,
    path: str,
    bodies: Sequence[bytes],
    token: str,
    expect: bytes = b"",
    connections: int = CONNECTIONS,
) -> Load:
    """Send every body once over so many connections that each wait for their answers.

    An answer that does not contain ``expect`` counts as an error with status 0.
    """
    port = int(url.rpartition(":")[2])
    left = iter(bodies)
    latencies: list[float] = []
    errors: dict[int, int] = {}

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for body in left:
            start = time.perf_counter()
            status, answer = await _exchange(reader, writer, path, body, token)
            latencies.append(time.perf_counter() - start)
            if status != 200 or expect not in answer:
                status = 0 if status == 200 else status
                errors[status] = errors.get(status, 0) + 1
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(connections)))
    return Load(latencies, errors, time.perf_counter() - start)


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    body: bytes,
    token: str,
) -> tuple[int, bytes]:
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return status, await reader.readexactly(length)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# -- rounds -------------------------------------------------------------------------------------


def verify_seconds(claims: Sequence[Claim], size: int, parts: Any, generators: Generators) -> float:
    """CPU seconds a claim of `verify_batch`, in batches of ``size``."""
    _, contract, nomenclature = parts
    items = []
    for claim in claims:
        _, instance = build_instance(claim, contract, nomenclature, generators.group)
        proof = decode_proof(claim.proof_bytes(), instance.circuit, generators.group)
        items.append((instance, proof))
    batches = [items[start : start + size] for start in range(0, len(items), size)]
    start = time.process_time()
    for batch in batches:
        assert not verify_batch(generators, batch)
    return (time.process_time() - start) / len(claims)


def batch_totals(url: str, token: str) -> tuple[float, float]:
    """Claims verified, and batches, since the start, from the service's metrics."""
    import httpx2

    text = httpx2.get(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"}).text
    wanted = ("clairobscur_batch_size_sum", "clairobscur_batch_size_count")
    found = {
        line.split()[0]: float(line.split()[1])
        for line in text.splitlines()
        if line.startswith(wanted)
    }
    return found[wanted[0]], found[wanted[1]]


def one_round(
    service: tuple[subprocess.Popen[str], str],
    bare: tuple[subprocess.Popen[str], str],
    claims: Sequence[Claim],
    tokens: tuple[str, str],
    parts: Any,
    generators: Generators,
) -> dict[str, Any]:
    """The same claims through both servers; every figure of the round."""
    bodies = [encode_claim(claim) for claim in claims]
    token, admin = tokens
    claims_before, batches_before = batch_totals(service[1], admin)
    before = used_by(service[0].pid)
    granted = b'"verdict": "granted"'
    load = asyncio.run(put_load(service[1], "/v1/claims", bodies, token, granted))
    service_cpu = (used_by(service[0].pid).cpu_seconds - before.cpu_seconds) / len(claims)
    claims_after, batches_after = batch_totals(service[1], admin)
    mean_batch = (claims_after - claims_before) / (batches_after - batches_before)
    before = used_by(bare[0].pid)
    bare_load = asyncio.run(put_load(bare[1], ROUTE, bodies, token))
    bare_cpu = (used_by(bare[0].pid).cpu_seconds - before.cpu_seconds) / len(claims)
    verify_cpu = verify_seconds(claims, max(1, round(mean_batch)), parts, generators)
    p50, p95 = median(load.latencies), quantile(load.latencies, 0.95)
    return {
        "claims": len(claims),
        "mean_batch": round(mean_batch, 2),
        "service_cpu_ms": round(service_cpu * 1000, 4),
        "verify_batch_cpu_ms": round(verify_cpu * 1000, 4),
        "bare_cpu_ms": round(bare_cpu * 1000, 4),
        "ratio": round((service_cpu - verify_cpu) / bare_cpu, 3),
        "claims_a_second": round(len(claims) / load.seconds, 1),
        "bare_a_second": round(len(claims) / bare_load.seconds, 1),
        "median_ms": round(p50 * 1000, 2),
        "p95_ms": round(p95 * 1000, 2),
        "tail": round(p95 / p50, 3),
        "errors": load.errors | bare_load.errors,
    }


# -- soak ---------------------------------------------------------------------------------------


def soak(
    process: subprocess.Popen[str],
    url: str,
    token: str,
    claims: Sequence[Claim],
    seconds: float,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Send claims, most of them again and again, `SOAK_RATE` a second; memory and handles."""
    bodies = [encode_claim(claim) for claim in claims]
    samples: list[dict[str, float]] = []
    errors: dict[int, int] = {}
    count = 0
    start = time.perf_counter()
    endless = cycle(bodies)
    while (spent := time.perf_counter() - start) < seconds:
        some = list(islice(endless, 4 * CONNECTIONS))
        load = asyncio.run(put_load(url, "/v1/claims", some, token))
        count += len(load.latencies)
        for status, number in load.errors.items():
            errors[status] = errors.get(status, 0) + number
        if not samples or spent - samples[-1]["seconds"] >= SAMPLE_SECONDS:
            used = used_by(process.pid)
            samples.append(
                {
                    "seconds": round(spent, 1),
                    "memory_mb": round(used.memory_bytes / 1e6, 1),
                    "handles": used.handles,
                }
            )
            say(f"soak {spent:.0f} s, {used.memory_bytes / 1e6:.0f} MB, {used.handles} handles")
        time.sleep(max(0.0, count / SOAK_RATE - (time.perf_counter() - start)))
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "requests": count,
        "errors": errors,
        "samples": samples,
    } | soak_summary(samples)


def soak_summary(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    """Memory (median) and file handles (lowest: connections that are just being closed count too)
    in the second fifth of the samples and in the last."""
    fifth = max(1, len(samples) // 5)
    early, late = samples[fifth : 2 * fifth + 1], samples[-fifth:]
    return {
        "memory_mb_early": median(entry["memory_mb"] for entry in early),
        "memory_mb_late": median(entry["memory_mb"] for entry in late),
        "handles_early": min(entry["handles"] for entry in early),
        "handles_late": min(entry["handles"] for entry in late),
    }


# -- the program --------------------------------------------------------------------------------


def measure(
    rounds: int, claims: int, soak_seconds: float, database: str | None, console: Console
) -> dict[str, Any]:
    """Everything; see module docstring."""
    generators = generators_of(load_group())
    made, parts = make_claims(rounds * claims + claims, generators, console)
    identity, contract, nomenclature = parts
    results: dict[str, Any] = {"format": 1} | describe_commit() | {"machine": describe_machine()}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clairobscur-")))
        process, url, admin_token = start_service(stack, folder, database)
        bare = start_bare(stack, folder)
        admin = stack.enter_context(ServiceClient(url, admin_token))
        token = prepare(admin, identity, contract, nomenclature, made)
        tokens = (token, admin_token)
        # The first round warms both servers up and is not counted.
        sets = [made[start : start + claims] for start in range(0, len(made), claims)]
        figures = []
        for number, chosen in enumerate(sets):
            entry = one_round((process, url), bare, chosen, tokens, parts, generators)
            console.print(f"round {number}: {entry}")
            if number:
                figures.append(entry)
        results |= {
            "connections": CONNECTIONS,
            "database": "PostgreSQL" if database else "SQLite",
            "rounds": figures,
            "ratio": median(entry["ratio"] for entry in figures),
            "tail": median(entry["tail"] for entry in figures),
            "targets": {"ratio": CPU_TARGET, "tail": TAIL_TARGET},
        }
        if soak_seconds:
            results["soak"] = soak(process, url, token, made, soak_seconds, console.print)
    return results


def prepare(
    admin: ServiceClient, identity: Identity, contract: Any, nomenclature: Any, claims: list[Claim]
) -> str:
    """Load what the claims are judged by; the shop's token."""
    admin.add_nomenclature(nomenclature.to_bytes())
    admin.add_contract(json.dumps(contract.model_dump(mode="json")).encode())
    admin.register_keys([identity.public_entry()])
    people = [
        {
            "beneficiary": claim.beneficiary,
            "contract_id": contract.contract_id,
            "age_group": "adult",
            "valid_from": "2020-01-01",
            "valid_to": None,
        }
        for claim in claims
    ]
    for start in range(0, len(people), 500):
        admin.add_rights(people[start : start + 500])
    assert encode_base64url(contract_digest(contract)) == claims[0].contract_digest
    assert decode_claim(encode_claim(claims[0])) == claims[0]
    return admin.create_token("optician", optician_id=identity.optician_id).token


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--claims", type=int, default=512, help="in a round")
    parser.add_argument("--soak", type=float, default=0.0, help="seconds")
    parser.add_argument("--database", help="URL; default: SQLite in a temporary folder")
    parser.add_argument("--out", type=Path, default=LATEST)
    chosen = parser.parse_args(arguments)
    console = Console()
    results = measure(chosen.rounds, chosen.claims, chosen.soak, chosen.database, console)
    write_results(results, chosen.out)
    if chosen.out == LATEST:
        write_load_report(results, FOLDER, ROOT / "docs" / "performance.md")
    console.print(
        f"CPU ratio {results['ratio']} (target {CPU_TARGET}), "
        f"p95 / median {results['tail']} (target {TAIL_TARGET})"
    )


if __name__ == "__main__":
    main()
