"""What every peer proves, as ``statement.json`` in its work folder.

Three hidden codes of seven digits, the first two out of public sets of N, the third out of a public
set of 64; three hidden prices in cents, each at least 0 and at most its cap, together at most a
total; all bound to commitments that are public. The sets, codes and prices are made up, the same in
every run.

``range`` is the range part alone: four committed values of 32 bits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

VERSION = 1
FILE = "statement.json"
HELPER = "bench.peers.opening"
"""Adds our commitments, and what opens them, to the statement of those that open them."""
CLAIM, RANGE, OPENING = "claim", "range", "open-ours"
KINDS = (CLAIM, RANGE, OPENING)

SIZES = (256, 1024, 4096)
SIZE_OF_GOALS = 1024
SMALL_SET = 64
CAPS = (40_000, 40_000, 10_000)  # cents
TOTAL = 80_000  # cents
WITNESSES = 256
RANGE_BITS, RANGE_VALUES = 32, 4
EDGES = 3
"""How many witnesses, from the first, lie at an edge."""


def _claims(n: int, count: int) -> dict[str, Any]:
    random = Random(n)
    sets = [sorted(random.sample(range(1_000_000, 10_000_000), size)) for size in (n, n, SMALL_SET)]
    edges = [[0, 0, 0], [CAPS[0], CAPS[1], TOTAL - CAPS[0] - CAPS[1]], [CAPS[0], 29_999, CAPS[2]]]
    witnesses: list[dict[str, list[int]]] = []
    while len(witnesses) < count:
        prices = [random.randint(0, cap) for cap in CAPS]
        if len(witnesses) < EDGES:
            prices = edges[len(witnesses)]
        if sum(prices) <= TOTAL:
            codes = [random.choice(codes) for codes in sets]
            witnesses.append({"codes": codes, "prices": prices})
    # Prices of 0, the total reached, a cap reached; and the first and the last code of the sets.
    witnesses[0]["codes"] = [codes[0] for codes in sets]
    if count > 1:
        witnesses[1]["codes"] = [codes[-1] for codes in sets]
    return {"n": n, "caps": list(CAPS), "total": TOTAL, "sets": sets, "witnesses": witnesses}


def _ranges(count: int) -> dict[str, Any]:
    random = Random(RANGE_BITS)
    edges = [[0] * RANGE_VALUES, [(1 << RANGE_BITS) - 1] * RANGE_VALUES]
    others = [
        [random.getrandbits(RANGE_BITS) for _ in range(RANGE_VALUES)]
        for _ in range(count - len(edges))
    ]
    values = (edges + others)[:count]
    return {
        "bits": RANGE_BITS,
        "count": RANGE_VALUES,
        "witnesses": [{"values": listed} for listed in values],
    }


def make_statement(kind: str, n: int, count: int = WITNESSES) -> dict[str, Any]:
    """The content of ``statement.json`` with ``count`` witnesses; ``n`` matters only where there
    are sets. Raises `ValueError` for an unknown kind."""
    head: dict[str, Any] = {"version": VERSION, "kind": kind}
    if kind == RANGE:
        return head | _ranges(count)
    if kind not in KINDS:
        raise ValueError(f"unknown kind of statement; choose one of {', '.join(KINDS)}")
    content = head | _claims(n, count)
    if kind == OPENING and find_spec(HELPER) is not None:
        fields: dict[str, Any] = import_module(HELPER).opening_fields(content)
        return fields
    return content


def holds(statement: Mapping[str, Any], codes: Sequence[int], prices: Sequence[int]) -> bool:
    """Whether codes and prices are a witness of a statement with sets."""
    return (
        all(code in codes_ for code, codes_ in zip(codes, statement["sets"], strict=True))
        and all(0 <= p <= cap for p, cap in zip(prices, statement["caps"], strict=True))
        and sum(prices) <= statement["total"]
    )


def write_statement(folder: Path, statement: Mapping[str, Any]) -> None:
    """``statement.json`` into a work folder."""
    (folder / FILE).write_text(json.dumps(statement), encoding="utf-8")


def read_statement(folder: Path) -> dict[str, Any]:
    """The same file read; raises `ValueError` for another version."""
    found: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    if found.get("version") != VERSION:
        raise ValueError(f"{FILE} is not of version {VERSION}")
    return found
