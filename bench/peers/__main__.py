"""``python -m bench.peers``: build the peers, measure all beside ours, write results and tables.

A full run writes ``bench/results/peers.json``, its plot and the tables of the documents; any other
run leaves those alone and writes to ``bench/results/scratch/``, or where ``--out`` says.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from bench.machine import ROOT, describe_commit, describe_machine
from bench.peers.building import build, presentable
from bench.peers.measuring import PLANS, Plan, measure_group, steps_of
from bench.peers.plots import write_peers_plot
from bench.peers.report import blocks, write_documents
from bench.peers.statement import CLAIM, OPENING, RANGE, SIZE_OF_GOALS
from bench.peers.systems import OURS, Peer, PeerError, System, read_peers
from bench.results import FOLDER, FORMAT, Results, read_results, write_results
from bench.tasks import progress_bar
from bench.timing import Yardstick
from zk.backends import load_group

LATEST = FOLDER / "peers.json"
SCRATCH = FOLDER / "scratch"


def groups_of(plan: Plan) -> list[tuple[str, int | None]]:
    """Kinds of statements with their N, in the order in which they are measured."""
    opening = [(OPENING, SIZE_OF_GOALS)] if SIZE_OF_GOALS in plan.sizes else []
    return [*((CLAIM, n) for n in plan.sizes), (RANGE, None), *opening]


def members(peers: Sequence[Peer], kind: str, n: int | None) -> list[System]:
    """The systems that take part; ours is beside those that open our commitments as well."""
    found = [s for peer in peers for s in peer.systems if s.fits(kind, n)]
    if kind == OPENING and found:
        ours = [s for peer in peers for s in peer.systems if s.name == OURS]
        return ours + found
    return found


def build_all(peers: Sequence[Peer], advance: Any) -> tuple[dict[str, Path], dict[str, str]]:
    """The folder each peer runs in, and why the others are missing."""
    folders, missing = {}, {}
    for peer in peers:
        advance(f"building: {peer.name}")
        try:
            folders[peer.name] = build(peer)
        except PeerError as error:
            missing[peer.name] = presentable(str(error))
    return folders, missing


def run(plan: Plan, size: str, only: Sequence[str] | None, console: Console) -> Results:
    """Build and measure; a peer that fails is written down as missing, failed or not valid."""
    results: Results = {"format": FORMAT, "size": size} | describe_commit()
    results["machine"] = describe_machine()
    start = time.perf_counter()
    listed, wrong = read_peers()
    peers = [peer for peer in listed if only is None or peer.name in {OURS, *only}]
    yardstick = Yardstick(load_group("libsecp256k1"))
    gc.freeze()
    entries: list[dict[str, Any]] = []
    with progress_bar(console) as progress:
        plans = [(kind, n, members(peers, kind, n)) for kind, n in groups_of(plan)]
        total = len(peers) + sum(steps_of(len(systems), plan) for _, _, systems in plans)
        bar = progress.add_task("", total=total)

        def advance(text: str) -> None:
            progress.update(bar, description=text)
            progress.advance(bar)

        folders, missing = build_all(peers, advance)
        for kind, n, systems in plans:
            built = [(s, folders[s.peer]) for s in systems if s.peer in folders]
            progress.advance(bar, steps_of(len(systems) - len(built), plan))
            entries += [
                {"system": s.name, "kind": kind, "n": n, "status": "missing"}
                | {"reason": missing[s.peer]}
                for s in systems
                if s.peer in missing
            ]
            if built:
                entries += measure_group(kind, n, built, plan, yardstick, advance)
        progress.update(bar, description="measured")
    results |= {
        "seconds": round(time.perf_counter() - start, 1),
        "load_at_end": [round(load, 2) for load in os.getloadavg()],
        "rounds": plan.rounds,
        "batch": plan.batch,
        "peers": [
            {"name": p.name, "title": p.title, "licence": p.licence, "source": p.source}
            for p in peers
        ],
        "wrong_files": wrong if only is None else {},
        "systems": [
            {"name": s.name, "title": s.title, "kind": s.kind, "peer": p.name}
            for p in peers
            for s in p.systems
        ],
        "entries": entries,
    }
    return results


def tell(results: Results, console: Console) -> None:
    """What is missing, and the table of the largest common interest."""
    for name, reason in results["wrong_files"].items():
        console.print(f"{name}: left out: {reason}", markup=False)
    for entry in results["entries"]:
        if entry["status"] != "measured":
            size = f" {entry['n']}" if entry["n"] else ""
            text = f"{entry['system']}{size}: {entry['status']}: {entry['reason']}"
            console.print(text, markup=False)
    console.print(Markdown(blocks(results)["peers-claims"]))
    console.print(Markdown(blocks(results)["peers-goals"]))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few samples, the smallest sets only")
    parser.add_argument("--only", nargs="+", metavar="PEER", help="these peers, and ours")
    parser.add_argument("--out", type=Path, help="folder for results, plot and tables")
    parser.add_argument(
        "--render", action="store_true", help="measure nothing; plot and tables anew from the file"
    )
    chosen = parser.parse_args(arguments)
    console = Console()
    if chosen.render:
        results = read_results(LATEST)
        write_peers_plot(results, FOLDER)
        write_documents(results, ROOT)
        return
    known = {path.parent.name for path in (ROOT / "bench" / "peers").glob("*/peer.toml")}
    if unknown := sorted(set(chosen.only or []) - known):
        parser.error(f"no peer called {unknown[0]}; there are {', '.join(sorted(known))}")
    size = "quick" if chosen.quick else "full"
    is_official = size == "full" and chosen.only is None and chosen.out is None
    folder: Path = FOLDER if is_official else chosen.out or SCRATCH
    results = run(PLANS[size], size, chosen.only, console)
    write_results(results, folder / LATEST.name)
    write_peers_plot(results, folder)
    if is_official:
        write_documents(results, ROOT)
    else:
        made = blocks(results)
        text = "\n\n".join(f"## {name}\n\n{block}" for name, block in made.items())
        (folder / "peers.md").write_text(text + "\n", encoding="utf-8")
    tell(results, console)
    console.print(f"{results['seconds']} s; results in {folder.name}/{LATEST.name}")


if __name__ == "__main__":
    main()
