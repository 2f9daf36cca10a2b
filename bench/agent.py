"""One `optician claim`, from the start of its process: ``python -m bench.agent``.

A real service on loopback, a vault with the scrypt cost that ships, and one command for each of
some sales, in turns with ``python -c pass``. Two figures: from the start of the process until the
vault is open, the derivation of the key apart, in multiples of the bare interpreter; and how the
time of the whole command is shared out. The interpreter is the same for both.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from bench.agent_report import write_agent_report
from bench.load import start_service
from bench.machine import ROOT, describe_commit, describe_machine
from bench.results import FOLDER, write_results
from circuits.canonical import canonical_bytes
from circuits.contract import Contract, load_sample
from circuits.nomenclature import load_shipped
from optician.agent.shop import Shop
from optician.client import ServiceClient
from optician.vault import Passphrase, ScryptCost, Vault

DAY = "2020-10-05"
CLASSES = {"right_lens": "VM4", "left_lens": "VM4", "frame": "M03"}
PRICES = {"right_lens": 61_950, "left_lens": 61_950, "frame": 14_900}
PASSPHRASE = "a passphrase of the benchmark"
TARGET = 12.0
"""Start-up until the vault is open, derivation apart, in multiples of ``python -c pass``."""

LATEST = FOLDER / "agent.json"
PICTURES = ROOT / "docs" / "img"

PARTS = ("start_up", "derivation", "loading", "proving", "network", "verification", "keeping")
"""Of a command, in the order in which they begin; see `shares_of`."""


# -- what is claimed ----------------------------------------------------------------------------


def prepare(
    stack: ExitStack, folder: Path, url: str, admin_token: str, count: int, scrypt: ScryptCost
) -> tuple[Path, list[Path]]:
    """Tell the insurer of everybody, make the shop's vault, and write the orders; the vault's
    file, and theirs."""
    contract, table = load_sample("responsable"), load_shipped()
    people = [f"bench-agent-{number:08}" for number in range(count)]
    admin = stack.enter_context(ServiceClient(url, admin_token))
    admin.add_nomenclature(table.to_bytes())
    admin.add_contract(canonical_bytes(contract.model_dump(mode="json")))
    admin.add_rights(
        {
            "beneficiary": person,
            "contract_id": contract.contract_id,
            "age_group": "adult",
            "valid_from": "2020-01-01",
            "valid_to": None,
        }
        for person in people
    )
    path = folder / "shop.vault"
    (folder / "passphrase").touch(mode=0o600)
    (folder / "passphrase").write_text(PASSPHRASE, encoding="ascii")
    with Vault.create(path, Passphrase(PASSPHRASE), scrypt=scrypt) as vault:
        shop = Shop(vault)
        identity = shop.make_identity("bench-shop")
        admin.register_keys([identity.public_entry()])
        token = admin.create_token("optician", optician_id=identity.optician_id).token
        shop.put_insurer(contract.insurer_id, url=url, token=token)
        shop.fetch_insurer(contract.insurer_id)
    return path, [_write_order(folder, contract, person) for person in people]


def _write_order(folder: Path, contract: Contract, person: str) -> Path:
    table = load_shipped()
    from datetime import date

    order: dict[str, Any] = {
        "format_version": 1,
        "sale_id": person,
        "insurer_id": contract.insurer_id,
        "contract_id": contract.contract_id,
        "date_of_service": DAY,
        "beneficiary": person,
        "statement": "equipment",
    }
    for place, regroupement in CLASSES.items():
        row = table.class_rows(regroupement, date.fromisoformat(DAY))[0]
        order[place] = {"code": row.code, "price_cents": PRICES[place]}
    path = folder / f"{person}.json"
    path.write_text(json.dumps(order), encoding="utf-8")
    return path


# -- what is measured ---------------------------------------------------------------------------


def bare_seconds() -> float:
    """From the start to the end of an interpreter that does nothing."""
    start = time.monotonic_ns()
    subprocess.run([sys.executable, "-c", "pass"], check=True, cwd=ROOT)
    return (time.monotonic_ns() - start) / 1e9


def claim_once(folder: Path, vault: Path, order: Path) -> dict[str, Any]:
    """One command as a process of its own; its instants, and what it answered."""
    times = folder / "times.json"
    times.unlink(missing_ok=True)
    environment = os.environ | {
        "CLAIROBSCUR_VAULT": str(vault),
        "CLAIROBSCUR_PASSPHRASE_FILE": str(folder / "passphrase"),
    }
    start = time.monotonic_ns()
    done = subprocess.run(
        [sys.executable, "-m", "bench.agent_child", str(times), "claim", str(order), "--json"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=environment,
    )
    end = time.monotonic_ns()
    if done.returncode:
        raise SystemExit(f"a claim was not granted: {done.stdout!r} {done.stderr!r}")
    moments: dict[str, Any] = json.loads(times.read_bytes())
    return moments | {
        "begins": start,
        "ends": end,
        "claim_id": json.loads(done.stdout)["claim_id"],
    }


def shares_of(moments: dict[str, Any], judged_seconds: float) -> dict[str, float]:
    """Seconds of the parts of a command.

    ``start_up``: until the vault is open, without ``derivation``, which is scrypt. ``loading``:
    the rest of the program, the sale, contract and table. ``proving``: with the check of one's own
    proof, and with the tables that a fresh process makes. ``verification``: ``judged_seconds``,
    from the service's reading the claim to its verdict on record. ``network``: the rest of the
    call. ``keeping``: writes of the vault, the answer, and the end of the process.
    """
    seconds = {name: value / 1e9 for name, value in moments.items() if name != "claim_id"}
    derivation = seconds["derive_ends"] - seconds["derive_begins"]
    proving = seconds["prove_ends"] - seconds["prove_begins"]
    called = seconds["send_ends"] - seconds["send_begins"]
    parts = {
        "start_up": seconds["opened"] - seconds["begins"] - derivation,
        "derivation": derivation,
        "loading": seconds["prove_begins"] - seconds["opened"],
        "proving": proving,
        "network": max(0.0, called - judged_seconds),
        "verification": judged_seconds,
    }
    whole = seconds["ends"] - seconds["begins"]
    return parts | {"keeping": max(0.0, whole - sum(parts.values()))}


def judged(data: Path) -> dict[str, float]:
    """Seconds that the service took for each claim, from its database."""
    (file,) = data.glob("*.db")
    with sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT claim_id, latency_us FROM claims").fetchall()
    return {claim_id: microseconds / 1e6 for claim_id, microseconds in rows}


def measure(rounds: int, scrypt: ScryptCost, console: Console) -> dict[str, Any]:
    """Everything; see module docstring. The first round warms up and is not counted."""
    results: dict[str, Any] = {"format": 1} | describe_commit() | {"machine": describe_machine()}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clairobscur-")))
        _, url, admin_token = start_service(stack, folder, None)
        vault, orders = prepare(stack, folder, url, admin_token, rounds + 1, scrypt)
        measured = []
        for number, order in enumerate(orders):
            before = bare_seconds()
            moments = claim_once(folder, vault, order)
            bare = (before + bare_seconds()) / 2
            console.print(f"round {number}: bare interpreter {bare * 1000:.1f} ms")
            if number:
                measured.append((bare, moments))
        took = judged(folder / "data")
    figures = [
        {"bare_seconds": round(bare, 6)}
        | {
            name: round(seconds, 6)
            for name, seconds in shares_of(moments, took[moments["claim_id"]]).items()
        }
        for bare, moments in measured
    ]
    bare = median(figure["bare_seconds"] for figure in figures)
    start_up = median(figure["start_up"] for figure in figures)
    return results | {
        "scrypt": {"n": scrypt.n, "r": scrypt.r, "p": scrypt.p},
        "rounds": figures,
        "bare_seconds": round(bare, 6),
        "medians": {name: round(median(figure[name] for figure in figures), 6) for name in PARTS},
        "ratio": round(start_up / bare, 3),
        "target": TARGET,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.agent", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument(
        "--quick", action="store_true", help="two rounds with a cheap key derivation"
    )
    parser.add_argument("--out", type=Path, default=LATEST)
    chosen = parser.parse_args(arguments)
    scrypt = ScryptCost(n=2**10) if chosen.quick else ScryptCost()
    console = Console()
    results = measure(2 if chosen.quick else chosen.rounds, scrypt, console)
    write_results(results, chosen.out)
    if chosen.out == LATEST and not chosen.quick:
        write_agent_report(results, PICTURES, ROOT / "docs" / "performance.md")
    console.print(f"start-up {results['ratio']} times the bare interpreter (at most {TARGET:g})")


if __name__ == "__main__":
    main()
