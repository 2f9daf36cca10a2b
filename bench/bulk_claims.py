"""Claims by the hundred thousand for `bench.bulk`: mostly `line`, some `equipment`, some bad.

They are made by processes on all cores, written as Parquet, a file a part, and kept in
``build/bulk/`` under what they were made with: a second run makes none, an interrupted one goes on.
Every refusal that one contract and one table can give is among them, and entries that are no claim.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
from rich.console import Console
from rich.progress import track

from bench.cases import DAY, Case, cases
from bench.machine import ROOT
from circuits.canonical import encode_base64url
from circuits.claim import MAX_CLAIM_BYTES, Claim, ClaimBody, encode_claim, sign_claim
from optician.claiming import make_claim
from optician.identity import Identity
from optician.sale import parse_sale
from verifier_api.bulk.inputs import DEFAULT_CHUNK
from zk.backends import load_group
from zk.generators import generators_of

FORMAT = 1
FOLDER = ROOT / "build" / "bulk"
NOW = datetime(2020, 10, 6, 9, 30, tzinfo=UTC)
"""When all of it is made and judged."""

PART = 10_000
ROW_GROUP = 4_096
EQUIPMENT_SHARE = 10
"""One claim in so many is an `equipment`."""
BAD_SHARE = 200
"""One entry in so many is bad, of each kind in turn."""
DUPLICATE_SHARE = 1_000
"""One entry in so many is a claim of the same file again; and one claim is in every file."""

ROLES = ("right_lens", "left_lens", "frame")


@dataclass(frozen=True)
class Input:
    """What a run is given: the folder of Parquet files, the file of lines, contract, keys and the
    size of chunks; and the counts of reasons ("accepted" for the good ones) and duplicates that
    have to come out."""

    claims: Path
    slice: Path
    contract: Path
    keys: Path
    entries: int
    bytes: int
    expected: dict[str, int]
    duplicates: int
    chunk: int


# -- bad ones -----------------------------------------------------------------------------------


def _resigned(claim: Claim, by: Identity, proof: bytes | None = None, **changes: Any) -> bytes:
    fields = {name: getattr(claim, name) for name in ClaimBody.model_fields} | changes
    body = ClaimBody.model_validate(fields | {"key_id": by.key_id})
    signed = sign_claim(body, claim.proof_bytes() if proof is None else proof, by.signing_key)
    return encode_claim(signed)


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _digest() -> str:
    return encode_base64url(secrets.token_bytes(32))


Bad = Callable[[Claim, Identity], bytes | None]

BAD: dict[str, tuple[str, Bad]] = {
    "null": ("unreadable", lambda claim, by: None),
    "half a claim": ("unreadable", lambda claim, by: encode_claim(claim)[:-200]),
    "too long": ("unreadable", lambda claim, by: b"x" * (MAX_CLAIM_BYTES + 100)),
    "unknown key": (
        "optician_unknown",
        lambda claim, by: _resigned(claim, Identity.generate(by.optician_id)),
    ),
    "another signature": (
        "signature_invalid",
        lambda claim, by: encode_claim(claim.model_copy(update={"claim_id": "another"})),
    ),
    "another contract": (
        "contract_mismatch",
        lambda claim, by: _resigned(claim, by, contract_digest=_digest()),
    ),
    "another table": (
        "nomenclature_mismatch",
        lambda claim, by: _resigned(claim, by, nomenclature_digest=_digest()),
    ),
    "expired": (
        "expired",
        lambda claim, by: _resigned(claim, by, expires_at=NOW - timedelta(days=1)),
    ),
    "valid for too long": (
        "expiry_too_far",
        lambda claim, by: _resigned(claim, by, expires_at=NOW + timedelta(days=200)),
    ),
    "service to come": (
        "date_in_future",
        lambda claim, by: _resigned(claim, by, date_of_service=date(2020, 12, 24)),
    ),
    "before the contract": (
        "contract_not_in_force",
        lambda claim, by: _resigned(claim, by, date_of_service=date(2019, 10, 5)),
    ),
    "a ground": (
        "ground_not_allowed",
        lambda claim, by: _resigned(claim, by, early_renewal_ground="nobodys"),
    ),
    "amounts of a line": (
        "statement_invalid",
        lambda claim, by: _resigned(
            claim, by, amounts={"lenses_cents": 1, "frame_cents": 1}, statement="line"
        ),
    ),
    "half a proof": (
        "proof_malformed",
        lambda claim, by: _resigned(claim, by, claim.proof_bytes()[:-32]),
    ),
    "a false proof": (
        "proof_invalid",
        lambda claim, by: _resigned(claim, by, _flipped(claim.proof_bytes(), -40)),
    ),
    "another beneficiary": (
        "proof_invalid",
        lambda claim, by: _resigned(claim, by, beneficiary=f"another-{secrets.token_hex(8)}"),
    ),
}
"""What is wrong → the reason that has to be found, and how it is made of a good claim."""


# -- good ones ----------------------------------------------------------------------------------


@cache
def _cases() -> tuple[Case, Case]:
    line, equipment = (
        next(case for case in cases() if case.name == name and not case.has_limits)
        for name in ("line", "equipment")
    )
    return line, equipment


def one_claim(name: str, random: Random, identity: Identity, is_equipment: bool) -> Claim:
    """A fresh, good claim of somebody new."""
    line, equipment = _cases()
    case = equipment if is_equipment else line
    sale: dict[str, Any] = {
        "format_version": 1,
        "statement": case.name,
        "claim_id": name,
        "date_of_service": DAY.isoformat(),
        "beneficiary": f"bench-{secrets.token_hex(8)}",
    }
    roles = ROLES if is_equipment else ("item",)
    for role, article in zip(roles, case.sale(random), strict=True):
        sale[role] = {"code": article.code, "price_cents": article.price_cents}
    parsed = parse_sale(json.dumps(sale).encode())
    generators = generators_of(load_group())
    claim, _ = make_claim(parsed, case.contract, case.nomenclature, identity, generators, NOW)
    return claim


def entries_of_part(
    part: int, count: int, identity: Identity, everywhere: bytes
) -> Iterator[tuple[bytes | None, str]]:
    """Entries with the reason that has to be found, "accepted", or "duplicate" for an accepted one
    that came before. ``everywhere`` is a good claim that begins every part."""
    random = Random(part)
    kinds = list(BAD)
    kept: bytes = everywhere
    yield everywhere, "duplicate" if part else "accepted"
    for number in range(1, count):
        serial = part * PART + number
        if serial % DUPLICATE_SHARE == DUPLICATE_SHARE - 1:
            yield kept, "duplicate"
            continue
        is_equipment = serial % EQUIPMENT_SHARE == 0
        claim = one_claim(f"bulk-{serial:08}", random, identity, is_equipment)
        if serial % BAD_SHARE == BAD_SHARE // 2:
            reason, make = BAD[kinds[serial // BAD_SHARE % len(kinds)]]
            yield make(claim, identity), reason
            continue
        data = encode_claim(claim)
        if number % 100 == 1:
            kept = data
        yield data, "accepted"


# -- files --------------------------------------------------------------------------------------


def make_part(folder: str, part: int, count: int) -> None:
    """Write one Parquet file and, beside it, what has to come out."""
    root = Path(folder)
    identity = Identity.parse((root / "key").read_bytes())
    everywhere = (root / "everywhere").read_bytes()
    entries = list(entries_of_part(part, count, identity, everywhere))
    expected = Counter(reason for _, reason in entries)
    table = pyarrow.table(
        {
            # A column that is nobody's business, as real files have.
            "received": pyarrow.array([part * PART + number for number in range(count)]),
            "claim": pyarrow.array([data for data, _ in entries], pyarrow.binary()),
        }
    )
    path = _part(root, part)
    unfinished = path.with_suffix(".unfinished")
    parquet.write_table(table, unfinished, row_group_size=ROW_GROUP, compression="zstd")
    _expected(root, part).write_text(json.dumps(expected), encoding="utf-8")
    unfinished.replace(path)


def _part(root: Path, part: int) -> Path:
    return root / "claims" / f"claims-{part:04}.parquet"


def _expected(root: Path, part: int) -> Path:
    return root / f"expected-{part:04}.json"


def make_input(
    count: int,
    slice_size: int,
    console: Console,
    folder: Path = FOLDER,
    jobs: int | None = None,
    chunk: int = DEFAULT_CHUNK,
) -> Input:
    """The input of ``count`` entries, of which the first ``slice_size`` are in the file of lines as
    well (but for the nulls), made or found."""
    root = folder / f"{FORMAT}-{count}-{slice_size}"
    (root / "claims").mkdir(parents=True, exist_ok=True)
    if not (root / "everywhere").exists():
        identity = Identity.generate("bench-optician")
        with os.fdopen(os.open(root / "key", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.truncate()
            file.write(identity.encode())
        keys = {"format_version": 1, "keys": [identity.public_entry()]}
        (root / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
        contract = _cases()[0].contract.model_dump_json()
        (root / "contract.json").write_text(contract, encoding="utf-8")
        everywhere = one_claim("bulk-everywhere", Random(0), identity, False)
        (root / "everywhere").write_bytes(encode_claim(everywhere))
    sizes = [min(PART, count - start) for start in range(0, count, PART)]
    missing = [part for part in range(len(sizes)) if not _part(root, part).exists()]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=context) as executor:
        made = [executor.submit(make_part, str(root), part, sizes[part]) for part in missing]
        for done in track(as_completed(made), "making claims", total=len(made), console=console):
            done.result()
    expected: Counter[str] = Counter()
    for part in range(len(sizes)):
        expected.update(json.loads(_expected(root, part).read_text(encoding="utf-8")))
    duplicates = expected.pop("duplicate", 0)
    expected["accepted"] += duplicates
    _write_slice(root, slice_size)
    return Input(
        claims=root / "claims",
        slice=root / "slice.ndjson",
        contract=root / "contract.json",
        keys=root / "keys.json",
        entries=count,
        bytes=sum(_part(root, part).stat().st_size for part in range(len(sizes))),
        expected=dict(sorted(expected.items())),
        duplicates=duplicates,
        chunk=chunk,
    )


def _write_slice(root: Path, size: int) -> None:
    lines: list[bytes] = []
    for path in sorted((root / "claims").glob("*.parquet")):
        if len(lines) >= size:
            break
        column = parquet.read_table(path, columns=["claim"])["claim"].to_pylist()
        lines += [data for data in column if data is not None]
    (root / "slice.ndjson").write_bytes(b"\n".join(lines[:size]) + b"\n")
