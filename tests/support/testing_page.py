"""The figures of ``docs/testing.md``, made from what the fuzzing and the mutation testing wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.report import fill, table

TESTS = Path(__file__).resolve().parent.parent
MUTATION_RESULTS = TESTS / "mutation" / "results.json"
FUZZ_RESULTS = TESTS / "fuzz" / "results.json"
PAGE = Path("docs") / "testing.md"


def _measured(results: dict[str, Any]) -> str:
    machine = results["machine"]
    changed = " and changes not committed" if results["modified"] else ""
    return (
        f"{results['finished'][:10]}, commit {results['commit'][:12]}{changed}, "
        f"{machine['processor']}, {machine['cores']} cores, {machine['python']}"
    )


def mutation_block(results: dict[str, Any]) -> str:
    """Kills by module, and what survived."""
    rows = []
    for module, counts in results["modules"].items():
        survived = counts["survived"]
        noticed = counts["killed"] + counts["timeout"]
        if noticed + survived:
            rows.append([f"`{module}`", noticed + survived, counts["killed"], counts["timeout"],
                         survived])  # fmt: skip
    sums = [sum(row[place] for row in rows) for place in range(1, 5)]
    rows.append(["**all**", *(f"**{number}**" for number in sums)])
    left = [entry for entry in results["survivors"] if not entry["reason"]]
    head = ["module", "mutants", "failed a test", "ran out of time", "survived"]
    outcome = (
        f"**{len(left)} survivors are not explained.**"
        if left
        else "Each survivor is explained in `tests/mutation/explained.toml`."
    )
    return (
        f"{table(head, rows)}\n\nDrawn: {results['drawn']:,} of {results['places']:,} places, "
        f"seed {results['seed']}. {outcome} {_measured(results)}; {results['seconds'] / 60:.0f} "
        "minutes."
    )


def fuzzing_block(results: dict[str, Any]) -> str:
    """Executions and coverage by target."""
    rows = [
        [
            f"`{entry['target']}`: {entry['about']}",
            f"{entry['executions']:,}",
            f"{entry['branches']:,}",
            f"{entry['features']:,}",
            len(entry["findings"]),
        ]
        for entry in results["targets"]
    ]
    head = ["target", "inputs", "branches", "features", "findings"]
    return f"{table(head, rows)}\n\n{results['seconds_a_target']} s a target. {_measured(results)}."


def render(text: str) -> str:
    """The page with its blocks made anew; one that was never measured stays as it is."""
    for name, path, block in (
        ("mutation", MUTATION_RESULTS, mutation_block),
        ("fuzzing", FUZZ_RESULTS, fuzzing_block),
    ):
        if path.is_file():
            text = fill(text, name, block(json.loads(path.read_text("utf-8"))))
    return text


def write_testing_page(root: Path) -> None:
    """Bring the page of the checkout at ``root`` up to date."""
    path = root / PAGE
    path.write_text(render(path.read_text("utf-8")), "utf-8")
