"""Inputs for bulk verification: a few claims, good and bad, in every form that is read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet

from circuits.canonical import canonical_bytes
from circuits.claim import encode_claim
from tests.support import claims as samples
from verifier_api.bulk.chunks import Documents

NOW_OPTION = "2020-10-06T09:30:00Z"


def documents() -> Documents:
    """What the sample claims are judged by."""
    contract = canonical_bytes(samples.contract().model_dump(mode="json"))
    keys = samples.keys_document(samples.identity())
    return Documents(contract, keys, samples.nomenclature().to_bytes(), samples.NOW)


@cache
def good_claims() -> tuple[bytes, ...]:
    """Twelve different ones, ``bulk-0`` to ``bulk-11``, made once a process."""
    return tuple(
        encode_claim(samples.claim_of(samples.sample_sale("line", claim_id=f"bulk-{number}"))[0])
        for number in range(12)
    )


def unsigned(claim: bytes) -> bytes:
    """The claim with another date: its signature fails."""
    return claim.replace(b"2020-10-05", b"2020-10-04")


def mixed_entries() -> list[bytes]:
    """Good claims, some of them twice, refused ones, and what is no claim."""
    good = good_claims()
    return [
        *(good[0], good[1], unsigned(good[1]), b"{}", good[0]),
        *(good[2], good[3], b"no claim", good[1], unsigned(good[1])),
        *(good[4], good[4], good[5], good[6], good[0]),
    ]


MIXED_DUPLICATES = [None] * 4 + [1] + [None] * 3 + [2, 3, None, 11, None, None, 1]
"""Of `mixed_entries`: the number of the entry that said the same first."""


def write_parquet(path: Path, values: Sequence[Any], kind: Any = None, **choices: Any) -> Path:
    """A file with one column ``claim``, and one that nobody asks for."""
    column = pyarrow.array(values, kind or pyarrow.binary())
    table = pyarrow.table({"number": list(range(len(values))), "claim": column})
    parquet.write_table(table, path, **choices)
    return path


def write_lines(path: Path, values: Sequence[bytes]) -> Path:
    """A file with one on each line."""
    path.write_bytes(b"\n".join(values) + b"\n")
    return path


def write_documents(folder: Path) -> list[str]:
    """``contract.json`` and ``keys.json``, and the options that name them and `samples.NOW`."""
    given = documents()
    (folder / "contract.json").write_bytes(given.contract)
    (folder / "keys.json").write_bytes(given.keys)
    return [
        *("--contract", str(folder / "contract.json")),
        *("--optician-keys", str(folder / "keys.json")),
        *("--now", NOW_OPTION),
    ]


def read_verdicts(folder: Path) -> list[dict[str, Any]]:
    """All rows of a run, in order."""
    parts = sorted(folder.glob("verdicts-*.parquet"))
    return [row for part in parts for row in parquet.read_table(part).to_pylist()]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a run but the one that tells how long it took."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "timing.json"}
