"""The tables of the comparison, made from ``bench/results/peers.json`` alone, and the goals.

They go into ``docs/performance.md`` and, one of them, into the README, between markers as
`bench.report` has them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypeAlias

from bench.peers.statement import CLAIM, OPENING, RANGE, SIZE_OF_GOALS
from bench.peers.systems import FOLDER, OURS
from bench.report import ReportError, duration, fill, megabytes, table
from bench.results import Results

Entry: TypeAlias = dict[str, Any]

README_BLOCK = "peers"
REASONS = FOLDER / "reasons.toml"
SETUPS = {"none": "none", "circuit": "for each circuit", "universal": "universal"}
RANGE_OF_OURS = "ours-range"


# -- entries ----------------------------------------------------------------------------------


def entries(results: Results, kind: str, n: int | None = None) -> list[Entry]:
    """The entries of a kind, of one N if given, in the order of the run."""
    return [
        entry
        for entry in results["entries"]
        if entry["kind"] == kind and (n is None or entry["n"] == n)
    ]


def entry_of(results: Results, system: str, kind: str, n: int | None) -> Entry | None:
    """A system's entry if it was measured."""
    for entry in entries(results, kind, n):
        if entry["system"] == system and entry["status"] == "measured":
            return entry
    return None


def ratios(entry: Entry, operation: str, ours: Entry, operation_of_ours: str) -> list[float]:
    """The times of an operation in multiples of one of ours, of the rounds that have both."""
    mine = ours[operation_of_ours]
    ours_by_round = dict(zip(mine["rounds"], mine["seconds"], strict=True))
    theirs = entry[operation]
    return [
        seconds / ours_by_round[number]
        for number, seconds in zip(theirs["rounds"], theirs["seconds"], strict=True)
        if number in ours_by_round
    ]


def _figure(value: float) -> str:
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def _spread(values: Sequence[float]) -> str:
    """Median, and the quartiles in brackets."""
    if not values:
        return ""
    two = [*values, *values] if len(values) == 1 else values
    first, _, third = quantiles(two, method="inclusive")
    return f"{_figure(median(values))} ({_figure(first)}–{_figure(third)})"


def _title(results: Results, system: str) -> str:
    titles = [s["title"] for s in results["systems"] if s["name"] == system]
    return titles[0] if titles else system


def _is_ours(results: Results, system: str) -> bool:
    return any(s["name"] == system and s["peer"] == OURS for s in results["systems"])


def _is_missing(entry: Entry) -> bool:
    return bool(entry["status"] != "measured")


def _shown(results: Results, kind: str, n: int | None = None) -> list[Entry]:
    """The entries that a table of figures shows: all but variants of ours that there are none of
    here."""
    return [
        entry
        for entry in entries(results, kind, n)
        if entry["status"] != "missing" or not _is_ours(results, entry["system"])
    ]


def _reason(entry: Entry) -> str:
    return f"{entry['status']}: {entry['reason']}"


def _row(cells: Sequence[object], width: int) -> list[object]:
    return [*cells, *[""] * (width - len(cells))]


# -- blocks -----------------------------------------------------------------------------------


def _machine(results: Results) -> str:
    machine = results["machine"]
    commit = results["commit"][:12] + (" and changes not committed" if results["modified"] else "")
    at_end = ", ".join(map(str, results["load_at_end"]))
    loads = [e[name] for e in results["entries"] for name in ("load_before", "load_after")
             if not _is_missing(e)]  # fmt: skip
    rows = [
        ("commit", commit),
        ("run", f"{results['size']}, {duration(results['seconds'])}"),
        ("processor", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"),
        ("Python", machine["python"]),
        ("load when it started, and at the end",
         f"{', '.join(map(str, machine['load_at_start']))}; {at_end}"),
        ("load before and after each system",
         f"{min(loads)} to {max(loads)}" if loads else "not measured"),
    ]  # fmt: skip
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _systems(results: Results) -> str:
    rows = []
    for system in results["systems"]:
        peer = next(p for p in results["peers"] if p["name"] == system["peer"])
        found = [e for e in results["entries"] if e["system"] == system["name"]]
        measured = next((e for e in found if not _is_missing(e)), None)
        if measured:
            told = ", ".join(f"{name} {number}" for name, number in measured["versions"].items())
            threads: object = measured["threads"]
        else:
            told, threads = _reason(found[0]) if found else "not in this run", ""
        rows.append(
            [f"`{system['name']}`", system["title"], peer["source"], peer["licence"], told, threads]
        )
    head = ["name", "system", "source", "licence", "versions it tells", "threads"]
    return _table(head, rows, numbers=(5,))


def _table(head: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[int]) -> str:
    """A Markdown table; the columns at the places ``numbers`` are numbers, the others text."""
    lines = table(head, rows).split("\n")
    marks = ["---:" if place in numbers else "---" for place in range(len(head))]
    return "\n".join([lines[0], f"| {' | '.join(marks)} |", *lines[2:]])


def _timed_rows(
    results: Results, listed: Sequence[Entry], ours: Entry | None, width: int
) -> list[list[object]]:
    """System, then time and ratio of each operation, then bytes."""
    rows = []
    for entry in listed:
        title = _title(results, entry["system"])
        if _is_missing(entry):
            rows.append(_row([title, _reason(entry)], width))
            continue
        cells: list[object] = [title]
        for operation in ("prove", "verify", "batch"):
            told = duration(entry[operation]["median_seconds"]) if operation in entry else "none"
            single = operation if operation in entry else "verify"
            compared = (
                _spread(ratios(entry, single, ours, operation))
                if ours and operation in ours and entry is not ours
                else ""
            )
            cells += [told, compared]
        cells.append(f"{entry['proof_bytes']:,} + {entry['public_bytes']:,}")
        rows.append(_row(cells, width))
    return rows


_TIMED_HEAD = ["system", "prove", "× ours", "verify", "× ours", "a proof of a batch", "× ours",
               "bytes: proof + commitments"]  # fmt: skip


def _batches(results: Results, listed: Sequence[Entry]) -> str:
    """What the column of the batch means, and which batches had fewer different proofs."""
    fewer = [
        f"{_title(results, e['system'])}: {e['distinct']}"
        for e in listed
        if not _is_missing(e) and "batch" in e and e["distinct"] < e["batch_size"]
    ]
    return (
        f" Different proofs in a batch, where there are fewer: {'; '.join(fewer)}." if fewer else ""
    )


def _claims(results: Results) -> str:
    parts = []
    for n in sorted({e["n"] for e in entries(results, CLAIM)}):
        listed = _shown(results, CLAIM, n)
        ours = entry_of(results, OURS, CLAIM, n)
        made = table(_TIMED_HEAD, _timed_rows(results, listed, ours, len(_TIMED_HEAD)))
        parts.append(
            f"N = {n:,}\n\n{made}\n\nBatches of {results['batch']}.{_batches(results, listed)}"
        )
    return "\n\n".join(parts) or "Not measured."


def _range(results: Results) -> str:
    listed = entries(results, RANGE)
    if not listed:
        return "Not measured."
    ours = entry_of(results, RANGE_OF_OURS, RANGE, None)
    made = table(_TIMED_HEAD, _timed_rows(results, listed, ours, len(_TIMED_HEAD)))
    return f"{made}\n\nBatches of {results['batch']}.{_batches(results, listed)}"


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _key(count: int) -> str:
    if not count:
        return ""
    return f"{count:,} bytes" if count < 100_000 else f"{count / 1e6:,.1f} MB"


def _setup(results: Results) -> str:
    head = ["system", "set-up", "time", "its secret forges proofs", "proving key", "verifying key",
            "constraints", "notes"]  # fmt: skip
    rows = []
    for entry in [*_shown(results, CLAIM, SIZE_OF_GOALS), *_shown(results, RANGE)]:
        title = _title(results, entry["system"])
        if entry["kind"] == RANGE:
            title += ", range"
        if _is_missing(entry):
            rows.append(_row([title, _reason(entry)], len(head)))
            continue
        made = entry["setup"]
        rows.append(
            [
                title,
                SETUPS[made["setup"]],
                duration(made["seconds"]),
                _yes(made["forgeable"]),
                _key(made["proving_key_bytes"]),
                _key(made["verifying_key_bytes"]),
                f"{made['constraints']:,}",
                made["notes"],
            ]
        )
    return _table(head, rows, numbers=(2, 4, 5, 6)) if rows else "Not measured."


def _fresh(results: Results) -> str:
    head = ["system", "start to the first verdict", "of which loading", "peak memory then",
            "peak memory, load and prove", "peak memory, set-up and all"]  # fmt: skip
    rows = []
    for entry in _shown(results, CLAIM, SIZE_OF_GOALS):
        title = _title(results, entry["system"])
        if _is_missing(entry):
            rows.append(_row([title, _reason(entry)], len(head)))
            continue
        cold = entry["cold"]
        rows.append(
            [
                title,
                duration(median(cold["seconds"])),
                duration(median(cold["load_seconds"])),
                megabytes(cold["peak_bytes"]),
                megabytes(entry["prove_peak_bytes"]),
                megabytes(entry["peak_bytes"]),
            ]
        )
    return table(head, rows) if rows else "Not measured."


def _opening(results: Results) -> str:
    head = ["system", "constraints", "set-up", "proving key", "prove", "× ours", "verify", "× ours",
            "notes"]  # fmt: skip
    listed = entries(results, OPENING)
    ours = entry_of(results, OURS, OPENING, SIZE_OF_GOALS)
    rows: list[list[object]] = []
    for entry in listed:
        title = _title(results, entry["system"])
        if _is_missing(entry):
            rows.append(_row([title, _reason(entry)], len(head)))
            continue
        made = entry["setup"]
        cells: list[object] = [
            title, f"{made['constraints']:,}", duration(made["seconds"]),
            _key(made["proving_key_bytes"]),
        ]  # fmt: skip
        for operation in ("prove", "verify"):
            cells.append(duration(entry[operation]["median_seconds"]))
            other = ours if ours and entry is not ours else None
            cells.append(_spread(ratios(entry, operation, other, operation)) if other else "")
        rows.append([*cells, made["notes"]])
    return _table(head, rows, numbers=range(1, 8)) if rows else "Not measured."


# -- goals ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judgement:
    """What became of a goal; ``is_met`` is None where it could not be judged."""

    is_met: bool | None
    detail: str


def _at_least(values: Sequence[float], target: float) -> Judgement:
    return Judgement(median(values) >= target, f"{_spread(values)}, at least {target:g}")


def _unmeasured(name: str) -> Judgement:
    return Judgement(None, f"at N = {SIZE_OF_GOALS:,} there are no figures of {name}")


def _ours(results: Results) -> Entry | None:
    return entry_of(results, OURS, CLAIM, SIZE_OF_GOALS)


def _peers(results: Results) -> list[Entry]:
    """What was measured of others at the N of the goals."""
    return [
        e
        for e in entries(results, CLAIM, SIZE_OF_GOALS)
        if not _is_missing(e) and not _is_ours(results, e["system"])
    ]


def _prove_against(name: str, target: float) -> Callable[[Results], Judgement]:
    """Against the fastest of the systems whose names begin with ``name``."""

    def judge(results: Results) -> Judgement:
        ours = _ours(results)
        theirs = [e for e in _peers(results) if e["system"].startswith(name)]
        if ours is None or not theirs:
            return _unmeasured(f"`{OURS if ours is None else name}`")
        fastest = min(theirs, key=lambda e: float(e["prove"]["median_seconds"]))
        return _at_least(ratios(fastest, "prove", ours, "prove"), target)

    return judge


def _verify_against_all(results: Results) -> Judgement:
    ours, peers = _ours(results), _peers(results)
    if ours is None or not peers:
        return _unmeasured(f"`{OURS}`" if ours is None else "any peer")
    found = {e["system"]: ratios(e, "verify", ours, "verify") for e in peers}
    faster = [name for name, values in found.items() if median(values) <= 1]
    nearest = min(found, key=lambda name: median(found[name]))
    told = f"the fastest of them, `{nearest}`, takes {_spread(found[nearest])} times as long"
    if len(faster) > 1:
        told += f"; not slower than ours: {', '.join(f'`{name}`' for name in faster)}"
    return Judgement(not faster, told)


def _batch_against(results: Results, *, ours_too: bool) -> Judgement:
    ours, candidates = _ours(results), _peers(results)
    if ours is None or "batch" not in ours:
        return _unmeasured(f"`{OURS}`")
    if ours_too:
        candidates = [ours, *candidates]
    if not candidates:
        return _unmeasured("any peer")
    fastest = min(candidates, key=lambda e: float(e["verify"]["median_seconds"]))
    judged = _at_least(ratios(fastest, "verify", ours, "batch"), BATCH_TIMES)
    return Judgement(judged.is_met, f"`{fastest['system']}` verifies one in {judged.detail}")


def _no_setup(results: Results) -> Judgement:
    ours, peers = _ours(results), _peers(results)
    if ours is None or not peers:
        return _unmeasured(f"`{OURS}`" if ours is None else "any peer")
    need = [f"`{e['system']}`" for e in peers if e["setup"]["setup"] != "none"]
    told = f"one is needed by {', '.join(need)}" if need else "no peer measured needs one"
    return Judgement(ours["setup"]["setup"] == "none", told)


@dataclass(frozen=True)
class Goal:
    """``key`` names it in the file of reasons."""

    key: str
    text: str
    judge: Callable[[Results], Judgement]


DALEK, MERKLE = "dalek-r1cs", "snarkjs-merkle"
DALEK_TIMES, MERKLE_TIMES, BATCH_TIMES = 5.0, 100.0, 4.0
GOALS = (
    Goal("prove-dalek", f"proves at least {DALEK_TIMES:g} times as fast as dalek's R1CS",
         _prove_against(DALEK, DALEK_TIMES)),
    Goal("prove-snarkjs", f"proves at least {MERKLE_TIMES:g} times as fast as snarkjs with Merkle "
         "trees", _prove_against(MERKLE, MERKLE_TIMES)),
    Goal("verify", "verifies faster than every peer measured", _verify_against_all),
    Goal("batch", "a claim of a batch takes at most a quarter of the fastest peer's verification "
         "of one", lambda results: _batch_against(results, ours_too=False)),
    Goal("batch-ours", "and at most a quarter of the fastest verification of one, ours among them",
         lambda results: _batch_against(results, ours_too=True)),
    Goal("set-up", "needs no set-up where others need one", _no_setup),
)  # fmt: skip


def read_reasons(path: Path = REASONS) -> dict[str, str]:
    """Why a goal is not met, by its key; raises `ReportError` for the key of no goal."""
    reasons = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {goal.key for goal in GOALS}
    for key, text in reasons.items():
        if key not in known or not isinstance(text, str):
            raise ReportError(f"{path.name}: {key} is no goal, or its reason no text")
    return reasons


def _goals(results: Results, reasons: dict[str, str]) -> str:
    lines = []
    for goal in GOALS:
        judged = goal.judge(results)
        outcome = {True: "met", False: "**not met**", None: "not judged"}[judged.is_met]
        line = f"* {goal.text}: {outcome}: {judged.detail}."
        if judged.is_met is False and goal.key in reasons:
            line += f" {reasons[goal.key].strip()}"
        lines.append(line)
    return "\n".join(lines)


# -- documents --------------------------------------------------------------------------------


def _summary(results: Results) -> str:
    head = ["system", "prove", "verify", "a claim of a batch", "bytes", "set-up"]
    rows = []
    for entry in _shown(results, CLAIM, SIZE_OF_GOALS):
        title = _title(results, entry["system"])
        if _is_missing(entry):
            rows.append(_row([title, _reason(entry)], len(head)))
            continue
        rows.append(
            [
                title,
                *(
                    duration(entry[operation]["median_seconds"]) if operation in entry else "none"
                    for operation in ("prove", "verify", "batch")
                ),
                f"{entry['proof_bytes'] + entry['public_bytes']:,}",
                SETUPS[entry["setup"]["setup"]]
                + (", forgeable" if entry["setup"]["forgeable"] else ""),
            ]
        )
    machine = results["machine"]
    return (
        f"{table(head, rows)}\n\nBytes of proof and commitments; batches of {results['batch']}. "
        f"*Forgeable*: whoever kept the secret of the set-up can forge proofs. Measured on "
        f"{machine['processor']}, {machine['cores']} cores, {machine['python']}."
    )


def blocks(results: Results, reasons: dict[str, str] | None = None) -> dict[str, str]:
    """Every block by name. `README_BLOCK` is the README's, the others are of
    ``docs/performance.md``. ``reasons`` are read from `REASONS` if not given."""
    return {
        README_BLOCK: _summary(results),
        "peers-machine": _machine(results),
        "peers-systems": _systems(results),
        "peers-claims": _claims(results),
        "peers-goals": _goals(results, read_reasons() if reasons is None else reasons),
        "peers-setup": _setup(results),
        "peers-fresh": _fresh(results),
        "peers-range": _range(results),
        "peers-opening": _opening(results),
    }


def render_performance(text: str, results: Results) -> str:
    """``docs/performance.md`` with the blocks of this comparison made anew."""
    for name, content in blocks(results).items():
        if name != README_BLOCK:
            text = fill(text, name, content)
    return text


def render_readme(text: str, results: Results) -> str:
    """The README with its block made anew; unchanged if it has no place for one."""
    begin = f"<!-- bench:begin {README_BLOCK} -->"
    return fill(text, README_BLOCK, _summary(results)) if begin in text else text


def write_documents(results: Results, root: Path) -> None:
    """Bring both documents of the checkout at ``root`` up to date."""
    for path, render in (
        (root / "docs" / "performance.md", render_performance),
        (root / "README.md", render_readme),
    ):
        if path.is_file():
            path.write_text(render(path.read_text(encoding="utf-8"), results), encoding="utf-8")
