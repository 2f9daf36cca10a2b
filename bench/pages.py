"""The insurer's pages over 100,000 claims, and what measuring every judgement costs:
``python -m bench.pages``.

Pages: the whole application in this process, without a network; a page is asked for again and
again, in turns with the others, and what the service keeps for ten seconds is thrown away before
each. Recording: `record_claims` over SQLite, a batch a transaction, in turns with and without the
stopwatch and with and without the index that the pages read.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from starlette.testclient import TestClient

from bench.machine import ROOT, describe_commit, describe_machine
from bench.pages_report import write_pages_report
from bench.results import FOLDER, write_results
from tests.support import crowd, records
from tests.support.attesting import rule
from tests.support.web import Insurer
from verifier_api.service.judging import ENVELOPE_STEPS, Judging
from verifier_api.service.proofs import ProofVerdict
from verifier_api.service.recording import Examined, record_claims
from verifier_api.store.database import Database
from verifier_api.web.logs import configure_logs
from verifier_api.web.pages.visit import BASE, SESSION_COOKIE

LATEST = FOLDER / "pages.json"
TARGET_MS = 300.0
CLAIMS, ROUNDS = 100_000, 15
BATCH, BATCHES = 64, 40
INDEX = "ix_claims_overview"

PAGES = {
    "overview, 60 days": "",
    "overview, a year": "?days=365",
    "claims": "claims",
    "claims in a state": "claims?state=attestation_overdue",
    "claims of a class": "claims?class=V13",
    "claims that no filter finds": "claims?reason=floor&class=V13",
    "part of an id": "claims?claim=ffe1",
    "claims of an optician": "claims?optician=optician-000",
    "one claim": "claims/{claim}",
    "refusals": "refusals",
    "attestations": "attestations",
    "audits": "audits",
    "opticians": "opticians",
    "contracts": "contracts",
    "one contract": "contracts/{contract}",
    "tables": "tables",
    "one table": "tables/{table}",
    "one class, 901 codes": "tables/{table}/V04",
}
"""Of each page its address below ``/pages/``."""


def measure_pages(number: int, rounds: int) -> dict[str, Any]:
    """Milliseconds of every page, of the first time and of each of the rounds."""
    rules = rule("VM1", "VM2", "VM3", "VM4", "VM5", "VM6", within_days=20)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clairobscur-")))
        contract = records.contract(attestations=(rules,))
        insurer = Insurer(folder, of_contract=contract)
        database = insurer.service.database
        ids = crowd.fill(database, number, insurer.now, contract=contract)
        size = (folder / "verifier.db").stat().st_size
        configure_logs(io.StringIO())
        client = stack.enter_context(TestClient(insurer.app, follow_redirects=False))
        portal = client.portal
        assert portal is not None
        token = insurer.tokens["reader"]
        session = portal.call(insurer.service.sessions.open_session, token)
        client.cookies.set(SESSION_COOKIE, session)
        names = {
            "claim": ids[number // 2],
            "contract": insurer.contract_digest,
            "table": insurer.table_digest,
        }

        def ask(path: str) -> float:
            insurer.service.overview.forget()
            start = time.perf_counter()
            answer = client.get(BASE + path.format(**names))
            spent = (time.perf_counter() - start) * 1000
            assert answer.status_code == 200, path
            return spent

        figures: dict[str, list[float]] = {name: [] for name in PAGES}
        for _ in range(rounds + 1):
            for name, path in PAGES.items():
                figures[name].append(ask(path))
        start = time.perf_counter()
        export = client.get(f"{BASE}claims.csv")
        spent = time.perf_counter() - start
        assert export.status_code == 200
        return {
            "claims": number,
            "database_bytes": size,
            "pages": [
                {"page": name, "first_ms": samples[0], "ms": samples[1:]}
                for name, samples in figures.items()
            ],
            "export_seconds": spent,
            "export_bytes": len(export.content),
        }


# -- recording ----------------------------------------------------------------------------------


def _examined(is_measured: bool) -> Examined:
    proof = ProofVerdict(None, "", records.CIRCUIT, (150, 50, 40), BATCH)
    item = records.examined(records.claim(statement="line"), proof=proof)
    if not is_measured:
        return item
    judging = Judging(envelope=dict.fromkeys(ENVELOPE_STEPS, 0.02))
    judging.ask()
    judging.answer()
    return replace(item, judging=judging)


def _record(folder: Path, batches: int, *, is_measured: bool, has_index: bool) -> float:
    """CPU microseconds a claim."""
    database: Database = records.database_with_rights(folder)
    if not has_index:
        with database.write() as connection:
            connection.exec_driver_sql(f"DROP INDEX {INDEX}")
    made = [[_examined(is_measured) for _ in range(BATCH)] for _ in range(batches)]
    start = time.process_time()
    for batch in made:
        with database.write() as connection:
            record_claims(connection, batch, records.NOW)
    spent = time.process_time() - start
    database.dispose()
    return spent / (BATCH * batches) * 1e6


def measure_recording(rounds: int, batches: int) -> dict[str, list[float]]:
    """CPU microseconds a claim: before, with the stopwatch, with both."""
    kinds: dict[str, Callable[[Path], float]] = {
        "neither": lambda folder: _record(folder, batches, is_measured=False, has_index=False),
        "stopwatch": lambda folder: _record(folder, batches, is_measured=True, has_index=False),
        "both": lambda folder: _record(folder, batches, is_measured=True, has_index=True),
    }
    figures: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(rounds + 1):
        for name, act in kinds.items():
            with tempfile.TemporaryDirectory(prefix="clairobscur-") as folder:
                spent = act(Path(folder))
            if number:  # the first round warms up
                figures[name].append(spent)
    return figures


def measure(number: int, rounds: int, batches: int) -> dict[str, Any]:
    """Everything; see module docstring."""
    results: dict[str, Any] = {"format": 1} | describe_commit() | {"machine": describe_machine()}
    results |= {"target_ms": TARGET_MS, "batch": BATCH} | measure_pages(number, rounds)
    return results | {"recording_us": measure_recording(rounds, batches)}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--claims", type=int, default=CLAIMS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--batches", type=int, default=BATCHES)
    parser.add_argument("--out", type=Path, default=LATEST)
    chosen = parser.parse_args(arguments)
    results = measure(chosen.claims, chosen.rounds, chosen.batches)
    write_results(results, chosen.out)
    if chosen.out == LATEST:
        write_pages_report(results, ROOT / "docs" / "performance.md")
    slowest = max(median(entry["ms"]) for entry in results["pages"])
    Console().print(f"slowest page: median {slowest:.0f} ms (target {TARGET_MS:.0f} ms)")


if __name__ == "__main__":
    main()
