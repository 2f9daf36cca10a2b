"""Tables in Markdown, made from the results alone and put between markers.

A block called NAME stands between ``<!-- bench:begin NAME -->`` and ``<!-- bench:end NAME -->``;
the summary in the README has no name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench.cases import CLASSES
from bench.code import COMPILED, PLAIN
from bench.floor import BATCH_TARGET as BATCH_FLOOR_TARGET
from bench.floor import ONE_TARGET as ONE_FLOOR_TARGET
from bench.floor import SHARES
from bench.leakage import THRESHOLD
from bench.macro import BATCH_TARGET, PROVE_TARGET, VERIFY_TARGET
from bench.processes import MEMORY_TARGET_BYTES
from bench.results import TRIED, Results, entries

TARGETS = (("prove", PROVE_TARGET), ("verify", VERIFY_TARGET), ("batch", BATCH_TARGET))
OPERATIONS = {"prove": "prove", "verify": "verify", "batch": "a claim of a batch"}
LARGEST_DISAGREEMENT_PERCENT = 15
"""How far apart two measurements of one circuit in one run may be before it is said."""


FLOOR_REASONS = {
    COMPILED: "what is beside the group is mostly the field part, which reads the whole table of "
    "the lenses, and hashing, which OpenSSL does; `pair` has the largest table. A field part that "
    "shares the products of digits between both lenses, or several proofs in the lanes of a "
    "vector, would bring it nearer; neither is built.",
    PLAIN: "the field part is Python's big integers and takes as long as the sum. The compiled one "
    "meets what it misses, or nearly so.",
}
"""Why a verifier is further from its floor than it should be, and what would help; told only then.
"""


class ReportError(Exception):
    """A document has not the markers it should have."""


# -- small pieces -----------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def duration(seconds: float) -> str:
    """Seconds in the unit that gives one to three digits before the point."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds * 1e6:.1f} µs"


def megabytes(count: int) -> str:
    """Bytes in units of 10^6."""
    return f"{count / 1e6:.0f} MB"


def verdict(value: float, target: float) -> str:
    """Whether a value keeps within its target, in a word."""
    return "met" if value <= target else "**missed**"


def per_wire(entry: dict[str, Any], operation: str) -> float:
    """Units divided by n."""
    return float(entry[operation]["units"]) / int(entry["n"])


def middle_half(entry: dict[str, Any], operation: str) -> tuple[float, float]:
    """First and third quartile of the samples, in units divided by n."""
    measured = entry[operation]
    pairs = zip(measured["seconds"], measured["unit_seconds"], strict=True)
    samples = [seconds / unit / int(entry["n"]) for seconds, unit in pairs]
    first, _, third = quantiles(samples * 2 if len(samples) == 1 else samples, method="inclusive")
    return first, third


def _per_wire_text(entry: dict[str, Any], operation: str) -> str:
    return f"{per_wire(entry, operation):.{3 if operation == 'batch' else 2}f} n"


def disagreements(results: Results) -> list[str]:
    """Where the degree that ships took another time in "degrees" than the same circuit in "macro",
    by more than `LARGEST_DISAGREEMENT_PERCENT`: the machine was busier at one of the two moments.
    """
    claims = {e["case"]: e for e in entries(results, "macro") if e["code"] == PLAIN}
    found = []
    for entry in entries(results, "degrees"):
        claim = claims.get(entry["case"])
        if claim is None or not entry["is_default"]:
            continue
        for operation, name in OPERATIONS.items():
            percent = 100 * (entry[operation]["units"] / claim[operation]["units"] - 1)
            if abs(percent) > LARGEST_DISAGREEMENT_PERCENT:
                found.append(f"`{entry['case']}`, {name}: {percent:+.0f} %")
    return found


def missed_targets(results: Results) -> list[str]:
    """The claims' times that are over their target, in words."""
    return [
        f"`{entry['case']}`, {entry['code']}, {OPERATIONS[operation]}: "
        f"{_per_wire_text(entry, operation)}, "
        f"target {target} n"
        for entry in entries(results, "macro")
        for operation, target in TARGETS
        if per_wire(entry, operation) > target
    ]


def fill(text: str, name: str, content: str) -> str:
    """``text`` with the block ``name`` replaced; raises `ReportError` unless there is exactly
    one."""
    suffix = f" {name}" if name else ""
    begin, end = f"<!-- bench:begin{suffix} -->", f"<!-- bench:end{suffix} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ReportError(f"not exactly one block {begin} … {end}")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ReportError(f"{end} stands before {begin}")
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text)


# -- blocks -----------------------------------------------------------------------------------


def _unit_seconds(results: Results) -> float:
    """Median seconds of the unit."""
    listed = [e for e in entries(results, "micro") if e["name"] == "mul"]
    return float(listed[0]["median_seconds"]) if listed else 0.0


def _measured_on(results: Results) -> str:
    machine = results["machine"]
    sentence = f"{machine['processor']}, {machine['cores']} cores, {machine['python']}"
    unit = _unit_seconds(results)
    return sentence + (f"; one multiplication takes {duration(unit)}" if unit else "")


def _machine(results: Results) -> str:
    machine = results["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    commit = results["commit"][:12] + (" and changes not committed" if results["modified"] else "")
    rows = [
        ("commit", commit),
        ("run", f"{results['size']}, {duration(results['seconds'])}"),
        ("processor", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}"),
        ("Python", machine["python"]),
        ("libraries", f"{libraries}, GMP {machine['gmp'].split()[-1]}"),
        ("threads of linear algebra", machine["blas_threads"]),
        ("load when it started", ", ".join(map(str, machine["load_at_start"]))),
        ("the unit: one multiplication", duration(_unit_seconds(results))),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _claims(results: Results) -> str:
    listed = entries(results, "macro")
    if not listed:
        return "Not measured."
    size = listed[0]["batch_size"]
    head = [
        "statement", "code", "n", "D", "E", "bytes",
        f"prove ≤ {PROVE_TARGET} n", f"verify ≤ {VERIFY_TARGET} n",
        f"a claim of a batch of {size} ≤ {BATCH_TARGET} n",
    ]  # fmt: skip
    rows = []
    for entry in listed:
        cells = [f"`{entry['case']}`", entry["code"], entry["n"], entry["D"], entry["E"]]
        cells.append(f"{entry['bytes']:,}")
        for operation, target in TARGETS:
            digits = 3 if operation == "batch" else 2
            spread = "–".join(f"{end:.{digits}f}" for end in middle_half(entry, operation))
            met = verdict(per_wire(entry, operation), target)
            cells.append(f"{_per_wire_text(entry, operation)} ({spread}), {met}")
        rows.append(cells)
    distinct = sorted({entry["distinct"] for entry in listed})
    return table(head, rows) + f"\n\nDifferent proofs in a batch: {', '.join(map(str, distinct))}."


def floor_ratio(entry: dict[str, Any]) -> float:
    """A verifier's time over that of its group operations alone, decoding and sum."""
    return float(entry["verify"]["units"] / (entry["decoding"]["units"] + entry["sum"]["units"]))


def _floor(results: Results) -> str:
    head = [
        "statement", "code", "proofs", "verify", "decode the points", "sum", "verify / both",
        "verify / the sum",
    ]  # fmt: skip
    rows = []
    missed: set[str] = set()
    for entry in entries(results, "floor"):
        target = ONE_FLOOR_TARGET if entry["kind"] == "one" else BATCH_FLOOR_TARGET
        ratio = floor_ratio(entry)
        rows.append(
            [
                f"`{entry['case']}`",
                entry["code"],
                entry["proofs"],
                *(
                    f"{entry[name]['units']:.2f} = {duration(entry[name]['median_seconds'])}"
                    for name in ("verify", "decoding", "sum")
                ),
                f"{ratio:.2f} ≤ {target}, {verdict(ratio, target)}",
                f"{entry['verify']['units'] / entry['sum']['units']:.2f}",
            ]
        )
        if ratio > target:
            missed.add(str(entry["code"]))
    why = [f"Missed, {code}: {FLOOR_REASONS[code]}" for code in sorted(missed)]
    return "\n\n".join([table(head, rows), *why])


def _shares(results: Results) -> str:
    parts = (*SHARES, "python")
    head = ["statement", "code", "proofs", *parts]
    return table(
        head,
        [
            [
                f"`{entry['case']}`",
                entry["code"],
                entry["proofs"],
                *(f"{100 * entry['shares'][part]:.0f} %" for part in parts),
            ]
            for entry in entries(results, "floor")
        ],
    )


def _times(results: Results) -> str:
    head = [
        "statement", "code", "prove", "verify", "verify, no tables", "a claim of a batch",
        "commit to all lines", "compile, once a contract",
    ]  # fmt: skip
    rows = []
    for entry in entries(results, "macro"):
        cells = [f"`{entry['case']}`", entry["code"]]
        for operation in ("prove", "verify", "verify_cold", "batch", "commit"):
            measured = entry[operation]
            cells.append(f"{measured['units']:.1f} = {duration(measured['median_seconds'])}")
        rows.append([*cells, duration(entry["compile_seconds"])])
    return table(head, rows)


def _degrees(results: Results) -> str:
    listed = entries(results, "degrees")
    head = ["D at most", "D", "n", "bytes", "prove", "verify", "a claim of a batch"]
    parts = []
    for case in dict.fromkeys(entry["case"] for entry in listed):
        rows = [
            [
                f"**{entry['degree']}**, ships" if entry["is_default"] else entry["degree"],
                entry["D"],
                entry["n"],
                f"{entry['bytes']:,}",
                *(
                    f"{entry[operation]['units']:.1f} ({_marked(entry, operation, target)})"
                    for operation, target in TARGETS
                ),
            ]
            for entry in listed
            if entry["case"] == case
        ]
        parts.append(f"`{case}`\n\n{table(head, rows)}")
    if found := disagreements(results):
        parts.append(
            f"**In this run** the rows of the degrees that ship differ from the table of claims, "
            f"which holds the same circuits, by more than {LARGEST_DISAGREEMENT_PERCENT} %: "
            f"{'; '.join(found)}. Most likely the machine was busier in one part of "
            f"the run; the bold figures of those tables are then no verdicts."
        )
    return "\n\n".join(parts)


def _marked(entry: dict[str, Any], operation: str, target: float) -> str:
    """Units divided by n, bold where over the target."""
    text = f"{per_wire(entry, operation):.2f} n"
    return f"**{text}**" if per_wire(entry, operation) > target else text


def _grown(results: Results, section: str, quantity: str) -> str:
    head = [quantity, "D at most", "n", "bytes", "prove", "verify", "a claim of a batch"]
    rows = [
        [
            f"{entry[quantity]:,}",
            entry["degree"],
            entry["n"],
            f"{entry['bytes']:,}",
            *(f"{entry[operation]['units']:.1f}" for operation, _ in TARGETS),
        ]
        for entry in entries(results, section)
    ]
    return table(head, rows)


def _batches(results: Results) -> str:
    listed = entries(results, "batches")
    rows = [
        [
            f"{entry['size']:,}",
            f"{entry['distinct']:,}",
            f"{entry['batch']['units']:.1f}",
            duration(entry["batch"]["median_seconds"]),
            f"{1 / entry['batch']['median_seconds']:,.0f}",
        ]
        for entry in listed
    ]
    return table(
        ["claims of a batch", "different", "units a claim", "a claim", "claims a second"], rows
    )


def _processes(results: Results) -> str:
    head = [
        "statement", "claim, bytes", "cold start to the first verdict", "peak memory then",
        f"peak memory with tables and a batch, ≤ {megabytes(MEMORY_TARGET_BYTES)}",
    ]  # fmt: skip
    rows = []
    for entry in entries(results, "processes"):
        peak = entry["peak_bytes"]
        rows.append(
            [
                f"`{entry['statement']}`" if entry["statement"].isalpha() else entry["statement"],
                f"{entry['claim_bytes']:,}" if entry["statement"].isalpha() else "",
                duration(entry["median_cold_start_seconds"]),
                megabytes(entry["cold_peak_bytes"]),
                f"{megabytes(peak)}, {verdict(peak, MEMORY_TARGET_BYTES)}",
            ]
        )
    return table(head, rows)


def _steps(results: Results) -> str:
    listed = entries(results, "processes")
    if not listed:
        return "Not measured."
    head = ["step of a fresh process", *(entry["statement"] for entry in listed)]
    return table(
        head,
        [
            [step, *(duration(entry["step_seconds"][step]) for entry in listed)]
            for step in listed[0]["step_seconds"]
        ],
    )


def _operations(results: Results) -> str:
    rows = [
        [
            f"`{entry['name']}`: {entry['what']}",
            f"{entry['units']:.4g}",
            duration(entry["median_seconds"]),
        ]
        for entry in entries(results, "micro")
    ]
    return table(["operation", "units", "time"], rows)


def _msm(results: Results) -> str:
    listed = entries(results, "msm")
    methods = list(dict.fromkeys(entry["method"] for entry in listed))
    cells = {(e["terms"], e["method"]): f"{e['units']:.3f}" for e in listed}
    sizes = dict.fromkeys(entry["terms"] for entry in listed)
    rows = [[f"{size:,}", *(cells.get((size, method), "") for method in methods)] for size in sizes]
    return table(["terms", *(f"`{method}`" for method in methods)], rows)


def _leakage(results: Results) -> str:
    head = ["operation", "class 1", "class 2", "mean 1", "mean 2", "difference", "t", "told apart"]
    rows = [
        [
            entry["experiment"],
            *entry["classes"],
            *(duration(mean / 1e9) for mean in entry["mean_ns"]),
            f"{entry['difference_percent']:+.1f} %",
            f"{entry['t']:.1f}",
            "yes" if abs(entry["t"]) > THRESHOLD else "no",
        ]
        for entry in entries(results, "leakage")
    ]
    return table(head, rows)


def _best(results: Results) -> list[dict[str, Any]]:
    """The claims as measured with the faster code that there was."""
    listed = entries(results, "macro")
    compiled = [entry for entry in listed if entry["code"] == COMPILED]
    return compiled or listed


def _summary(results: Results) -> str:
    listed = _best(results)
    head = ["statement", "lenses", "wires n", "proof", "prove", "verify", "a claim of a batch"]
    rows = [
        [
            f"`{entry['case']}`",
            CLASSES[entry["statement"]],
            entry["n"],
            f"{entry['bytes']:,} bytes",
            *(
                f"{duration(entry[operation]['median_seconds'])} "
                f"({_per_wire_text(entry, operation)})"
                for operation, _ in TARGETS
            ),
        ]
        for entry in listed
    ]
    batch = listed[0]["batch_size"] if listed else 0
    missed = missed_targets(results)
    outcome = f"**missed** by {'; '.join(missed)}" if missed else "all met"
    targets = ", ".join(f"{OPERATIONS[name]} {target} n" for name, target in TARGETS)
    code = f"{listed[0]['code']} code" if listed else "nothing"
    return (
        f"{table(head, rows)}\n\nWith {code}. In brackets, in multiples of one libsecp256k1 "
        f"multiplication from Python; batches of {batch}. Measured on {_measured_on(results)}. "
        f"Targets: {targets}; {outcome}.{_starting(results)}"
    )


def _starting(results: Results) -> str:
    """What a fresh process adds to the times of a warm one."""
    listed = entries(results, "processes")
    if not listed:
        return ""
    starts = [entry["median_cold_start_seconds"] for entry in listed]
    tables = [entry["step_seconds"].get("tables", 0.0) for entry in listed]
    return (
        f"\n\nThese are times of a warm process. A fresh one reaches its first verdict in "
        f"{duration(min(starts))} to {duration(max(starts))}, interpreter included, and making "
        f"the tables that these times suppose takes it {duration(min(tables))} to "
        f"{duration(max(tables))} once."
    )


def tried_block(path: Path = TRIED) -> str:
    """What was tried to make it faster, kept and not kept, from its own file of results."""
    tried = json.loads(path.read_text(encoding="utf-8"))

    def rows(is_kept: bool) -> list[list[str]]:
        return [
            [change["change"], f"{change['without_us']:,}", f"{change['with_us']:,}"]
            for change in tried["changes"]
            if change["is_kept"] is is_kept
        ]

    return "\n\n".join(
        [
            table(["kept, µs", "without", "with"], rows(True)),
            table(["not kept, since it did not pay, µs", "without", "with"], rows(False)),
            f"On {tried['machine']}.",
        ]
    )


def blocks(results: Results) -> dict[str, str]:
    """Every block of ``docs/performance.md`` by name; the README's has the name ""."""
    return {
        "": _summary(results),
        "machine": _machine(results),
        "claims": _claims(results),
        "times": _times(results),
        "floor": _floor(results),
        "shares": _shares(results),
        "degrees": _degrees(results),
        "growth": _grown(results, "growth", "codes"),
        "lines": _grown(results, "lines", "lines"),
        "batches": _batches(results),
        "processes": _processes(results),
        "steps": _steps(results),
        "operations": _operations(results),
        "msm": _msm(results),
        "leakage": _leakage(results),
        "tried": tried_block(),
    }


def render_performance(text: str, results: Results) -> str:
    """``docs/performance.md`` with all its blocks made anew."""
    for name, content in blocks(results).items():
        if name:
            text = fill(text, name, content)
    return text


def render_readme(text: str, results: Results) -> str:
    """The README with its summary made anew; unchanged if it has no place for one."""
    return fill(text, "", _summary(results)) if "<!-- bench:begin -->" in text else text


def write_documents(results: Results, root: Path) -> None:
    """Bring both documents of the checkout at ``root`` up to date."""
    for path, render in (
        (root / "docs" / "performance.md", render_performance),
        (root / "README.md", render_readme),
    ):
        if path.is_file():
            path.write_text(render(path.read_text(encoding="utf-8"), results), encoding="utf-8")
