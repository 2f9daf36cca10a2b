"""After a whole audit the insurer has nothing of what was opened: not in its database, its logs or
a copy of either, and not in a byte that came to it or went from it; and the auditor has it.

What is random and everybody's (digests, signatures, ids) is taken out before the search for short
numbers, which it would hold by chance. In the database's files the public table of codes stands
too: there each number is counted, before and afterwards.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from circuits.canonical import canonical_bytes
from circuits.slots import pack_correction
from optician.claiming import Openings
from optician.opening_file import open_line
from optician.sale import parse_sale
from tests.integration.conftest import MakeStore
from tests.integration.test_service_secrets import raw_files, rows_of, short_traces
from tests.integration.test_stories import (
    attestation_file,
    papers_of,
    refusal,
    steps_of,
    wait_until,
)
from tests.support import claims as samples
from tests.support.server import Kind
from tests.support.traces import forms_of, traces_in
from tests.support.world import ANSWER_DAYS, KEEP_DAYS, LENS, Sold, World

pytestmark = pytest.mark.integration

PRICES = {"right_lens": 171_233, "left_lens": 172_347, "frame": 113_579}
"""Six digits each, above every ceiling: no amount tells them."""

RANDOM = {
    *("signature", "proof", "commitment", "key_id", "record", "recipient", "public_key"),
    *("claim_id", "case_id", "beneficiary", "token_id", "actor", "met_by"),
}
"""Members of documents whose texts are random, or digests, besides all named so."""

Places = list[tuple[str, bytes]]


@pytest.fixture
def world(kind: Kind, make_store: MakeStore, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "world", make_store(), is_quick=True)
    try:
        yield made
    finally:
        made.close()


def numbers_of(sold: Sold) -> dict[str, int | bytes]:
    """Codes, prices and corrections of a sale."""
    found: dict[str, int | bytes] = {}
    for item in parse_sale(json.dumps(sold.sale).encode()).items():
        found[f"code {item.code}"] = item.code
        found[f"price {item.price_cents}"] = item.price_cents
        if packed := pack_correction(item.article().correction):
            found[f"correction {packed}"] = packed
    return found


def send_by_mistake(world: World, sold: Sold, case_id: str) -> Places:
    """What holds a code, to wherever something can be sent; what is answered."""
    answers: Places = []
    generators = samples.generators()
    openings = sold.shop.read(sold.openings_file)
    opening = open_line(
        Openings.parse(openings, generators), 1, ["code", "price"], "a mistake", generators
    )
    bare = canonical_bytes(opening.model_dump(mode="json"))
    finding = world.auditor.read(f"vault/{case_id}/conclusion.json")
    evidence = world.auditor.read(f"{case_id}.evidence.json")
    shop, auditor = (
        office.read(f"{name}.token").decode()
        for office, name in ((world.shop, "shop"), (world.auditor, "auditor"))
    )
    claim, case = f"/v1/claims/{sold.claim_id}", f"/v1/audits/{case_id}"
    for body in (bare, finding, evidence, openings, bare[:-9], b'{"answer":' + bare + b"}"):
        for token, path in (
            (shop, "/v1/claims"),
            (shop, f"{claim}/attestations"),
            (shop, f"{case}/answer"),
            (auditor, "/v1/audits"),
            (auditor, f"{case}/outcome"),
            (world.server.admin_token, "/v1/publications"),
        ):
            reply = world.server.ask("POST", path, token, body)
            assert reply.status in (400, 413, 422), path
            answers.append((f"mistake {path}", reply.content))
    # A code where an id should be, with bodies that are in order but for that.
    code = sold.item()["code"]
    good = sold.shop.read(attestation_file(sold))
    admin = world.server.admin_token
    for token, method, path, content in (
        (shop, "GET", f"/v1/audits/{code}", None),
        (shop, "GET", f"/v1/audits?claim_id={code}", None),
        (shop, "GET", f"{claim}/{code}", None),
        (shop, "POST", f"/v1/claims/{code}/attestations", good),
        (shop, "POST", f"/v1/claims/{code}/invoice", bare),
        (admin, "POST", f"/v1/claims/{code}/decision", b'{"decision":"grant"}'),
        (auditor, "GET", f"/v1/claims/{code}/evidence", None),
        (auditor, "GET", f"{claim}/evidence?case_id={code}", None),
        (auditor, "GET", f"/v1/audits/{code}/sealed", None),
        (auditor, "POST", f"/v1/audits/{code}/outcome", bare),
    ):
        reply = world.server.ask(method, path, token, content)
        assert reply.status in (200, 404, 422), path
        answers.append((f"mistake {method} {path[:10]}", reply.content))
    return answers


def live_through_an_audit(world: World, sold: Sold) -> str:
    """Attested, claimed, audited, concluded, shown; the case's id."""
    wrong = world.add_record("order-of-another", sold.item(2)["code"], sold.item(1)["price_cents"])
    told = world.attest(sold, wrong, code=2, out="none.json")
    assert refusal(told)[1] == "code_differs"
    for line in (1, 2):
        world.attest(sold, world.record_of(sold, line), line=line)
    verdict = world.submit(sold, *(attestation_file(sold, line) for line in (1, 2)))
    assert verdict["verdict"] == "granted"
    assert not set(verdict["amounts"].values()) & set(PRICES.values())
    case_id = world.open_case(sold)
    assert world.answer(sold, case_id)["state"] == "answered"
    assert world.conclude(case_id, papers_of(sold))["outcome"] == "consistent"
    world.evidence(case_id)
    assert world.judge()["shows"] == "consistent"
    world.audit("list", *world.to_insurer("auditor.token"))
    world.shop.done("audits", "show", case_id, *world.to_insurer())
    world.shop.done("status", sold.claim_id, *world.to_insurer())
    return case_id


# -- where to look ------------------------------------------------------------------------------


def logs_of(world: World) -> Places:
    """Every line of the services' logs without its times and its random request id."""
    found = []
    files = [*sorted(world.store.folder.glob("std*")), *sorted(world.path("attester").glob("std*"))]
    for file in files:
        for number, line in enumerate(file.read_text().splitlines()):
            if not line.startswith("{"):  # Python's own, where a process was killed
                found.append((f"{file.name} {number}", line.encode()))
                continue
            event = json.loads(line)
            for name in ("timestamp", "milliseconds", "request_id", "admin_token"):
                event.pop(name, None)
            found.append((f"{file.name} {number}", json.dumps(event).encode()))
    return found


def streams_of(world: World) -> Places:
    """What came to the insurer and went from it."""
    return [
        (name, re.sub(rb"(?i)x-request-id: [0-9a-f]+|Bearer [\w.]+", b"", data))
        for name, data in world.relay.streams()
    ]


def random_texts(world: World) -> set[bytes]:
    """What is random and everybody's in the documents that are recorded."""
    found: set[str] = set()

    def collect(value: Any, name: str = "") -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                collect(part, key)
        elif isinstance(value, list):
            for part in value:
                collect(part, name)
        elif isinstance(value, str) and (name in RANDOM or "digest" in name):
            found.add(value)

    for _, row in rows_of(world.store):
        for part in row.split(b"\n"):
            if part.startswith(b"{"):
                with suppress(ValueError):  # a seal may have these two bytes by chance
                    collect(json.loads(part))
    for table, columns in (
        ("claims", "claim_id, claim_digest, actor, beneficiary"),
        ("commitments", "commitment, claim_id"),
        ("optician_keys", "key_id, public_key"),
        ("tokens", "token_id, secret_sha256"),
        ("audits", "case_id, case_digest, answer_digest, outcome_digest"),
        ("attestations", "digest, record"),
        ("publications", "digest, key_id"),
        ("contracts", "digest, insurer_id"),
        ("circuits", "digest, contract_digest"),
    ):
        for values in world.store.sql(f"SELECT {columns} FROM {table}"):
            found |= {str(value) for value in values if value is not None}
    entries = [entry for listed in world.trusted.values() for entry in listed]
    collect(entries)
    return {text.encode() for text in found if len(text) >= 16}


def counts_of(files: Places, numbers: dict[str, int | bytes]) -> dict[str, int]:
    """How often each number stands there, in forms that are too long for chance."""
    whole = b"\0".join(data for _, data in files)
    return {
        name: sum(whole.count(form) for form in forms_of(number) if len(form) >= 6)
        for name, number in numbers.items()
    }


def copy_of_database(world: World) -> Places:
    """A back-up, as `docs/operations.md` makes one."""
    if world.store.kind == "postgresql":
        return []  # `raw_files` is one
    copy = world.folder / "backup.db"
    with (
        closing(sqlite3.connect(world.store.file)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return [("back-up", copy.read_bytes())]


def secret_files(folder: Path) -> Places:
    return [(str(path), path.read_bytes()) for path in folder.rglob("*") if path.is_file()]


def holds_any(files: Iterable[tuple[str, bytes]], needle: bytes) -> bool:
    return any(needle in data or needle.hex().encode() in data for _, data in files)


# -- the test -----------------------------------------------------------------------------------


def test_a_whole_audit_leaves_nothing_in_clear_at_the_insurer(kind: Kind, world: World) -> None:
    world.restart()  # so that the table is in the database's file, and not in its log
    before = raw_files(world.store, "before")
    sold = world.sell("at once", statement="equipment", lenses=(LENS, LENS), prices=PRICES)
    case_id = live_through_an_audit(world, sold)
    mistakes = send_by_mistake(world, sold, case_id)
    numbers = numbers_of(sold)
    assert len(numbers) >= 7
    opened = {name: numbers[name] for name in (
        f"code {sold.item()['code']}", f"price {PRICES['right_lens']}")}  # fmt: skip

    # The auditor sees them, and the search finds them where they are.
    assert world.show(case_id)["revealed"] == papers_of(sold)
    shown = [output for output in world.auditor.outputs if output[0].startswith("auditor show")]
    assert traces_in(b"".join(data for _, data in shown), opened) == set(opened)
    vault = secret_files(world.auditor.folder / "vault")
    assert {name.rpartition(": ")[2] for name in short_traces(vault, opened, set())} == set(opened)

    public = random_texts(world)
    places: Places = [*rows_of(world.store), *logs_of(world), *streams_of(world), *mistakes]
    places += [
        (name, data)
        for office in (world.shop, world.auditor, world.desk)
        for name, data in office.outputs
        if not name.startswith("auditor show")
    ]
    assert len(places) > 150
    assert any(name.startswith("answers") and data for name, data in places)
    assert short_traces(places, numbers, public) == set()
    raw, copy = raw_files(world.store, "raw"), copy_of_database(world)
    counted = counts_of(raw, numbers)
    assert counted == counts_of(before, numbers)
    assert any(count for name, count in counted.items() if name.startswith("code"))
    if kind == "sqlite":
        assert counts_of(copy, numbers) == counts_of(before, numbers)

    # The seal is there until its day; then no file has it, but for copies that were made.
    (row,) = world.store.sql("SELECT sealed FROM audits WHERE case_id = :case", case=case_id)
    sealed = bytes(row[0])
    assert len(sealed) > 3000
    assert holds_any(raw, sealed[1000:1100])
    world.restart(days=ANSWER_DAYS + KEEP_DAYS, minutes=5)
    wait_until(lambda: "audit_erased" in steps_of(world, case_id))
    world.restart(is_killed=True)
    for start in range(0, len(sealed) - 100, 100):
        assert not holds_any(raw_files(world.store, "erased"), sealed[start : start + 100])
    if kind == "sqlite":
        assert holds_any(copy, sealed[1000:1100])
    # The key of the case goes too: the copies are of no use to anybody.
    assert world.audit("erase")["erased"] == [case_id]
    assert "erased" in world.audit("show", case_id, code=2)["detail"]
    left = secret_files(world.auditor.folder / "vault")
    assert left
    assert short_traces(left, opened, public) == set()
