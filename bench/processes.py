"""Fresh processes: how much memory a verifier needs, and how long its first verdict takes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from bench.cases import Case, cases
from bench.fresh import NOW
from bench.machine import ROOT
from bench.tasks import Bench, Task
from circuits.claim import encode_claim
from optician.claiming import make_claim
from optician.identity import Identity
from optician.sale import parse_sale

MEMORY_TARGET_BYTES = 250 * 10**6
LONGEST_SECONDS = 120
ROLES = ("right_lens", "left_lens", "frame")


def claims_of(bench: Bench, case: Case, identity: Identity, count: int) -> list[bytes]:
    """``count`` signed claims about different sales, in wire form."""
    random = Random(count)
    claims = []
    for number in range(count):
        items = [
            {"code": article.code, "price_cents": article.price_cents}
            for article in case.sale(random)
        ]
        roles = ("item",) if case.name == "line" else ROLES
        sale = {
            "format_version": 1,
            "statement": case.name,
            "claim_id": f"{case.name}-{number:04}",
            "date_of_service": "2020-10-05",
            "beneficiary": f"bench-beneficiary-{number:04}",
        } | dict(zip(roles, items, strict=True))
        claim, _ = make_claim(
            parse_sale(json.dumps(sale).encode()),
            case.contract,
            case.nomenclature,
            identity,
            bench.generators,
            NOW,
        )
        claims.append(encode_claim(claim))
    return claims


def write_folder(folder: Path, bench: Bench, chosen: Sequence[Case]) -> None:
    """What `bench.fresh` reads: the claims of all ``chosen`` cases, one of each in turn."""
    identity = Identity.generate("bench-optician")
    count = bench.parameters.distinct_claims
    kinds = [claims_of(bench, case, identity, count) for case in chosen]
    claims = [claim for turn in zip(*kinds, strict=True) for claim in turn]
    (folder / "claims.ndjson").write_bytes(b"\n".join(claims) + b"\n")
    keys = {"format_version": 1, "keys": [identity.public_entry()]}
    (folder / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    (folder / "contract.json").write_text(chosen[0].contract.model_dump_json(), encoding="utf-8")


def start_fresh(folder: Path, batch: int) -> tuple[float, dict[str, Any]]:
    """Wall seconds of the whole process, interpreter included, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "bench.fresh", str(folder), "--batch", str(batch)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=LONGEST_SECONDS,
    )
    wall = time.perf_counter() - start
    report: dict[str, Any] = json.loads(done.stdout)
    return wall, report


def _measure(bench: Bench, name: str, chosen: Sequence[Case]) -> list[dict[str, Any]]:
    starts, batch = bench.parameters.starts, bench.parameters.batch
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_folder(folder, bench, chosen)
        claim_bytes = len((folder / "claims.ndjson").read_bytes().splitlines()[0])
        cold = [start_fresh(folder, 0) for _ in range(starts)]
        whole = [start_fresh(folder, batch) for _ in range(min(starts, 3))]
    steps = {
        step: round(median(report["seconds"][step] for _, report in whole), 6)
        for step in whole[0][1]["seconds"]
    }
    return [
        {
            "statement": name,
            "claim_bytes": claim_bytes,
            "batch_size": batch,
            "cold_start_seconds": [round(wall, 4) for wall, _ in cold],
            "median_cold_start_seconds": round(median(wall for wall, _ in cold), 4),
            "step_seconds": steps,
            "cold_peak_bytes": max(report["peak_bytes"]["first claim"] for _, report in cold),
            "peak_bytes": max(report["peak_bytes"]["batch"] for _, report in whole),
            "ru_maxrss_bytes": max(report["ru_maxrss_bytes"] for _, report in whole),
        }
    ]


def process_tasks(bench: Bench) -> list[Task]:
    """One task a statement, and one with claims of all three."""
    chosen = [case for case in cases() if not case.has_limits]
    kinds = [(case.name, [case]) for case in chosen] + [("all three", chosen)]
    return [
        Task(f"fresh process: {name}", partial(_measure, bench, name, listed))
        for name, listed in kinds
    ]
