"""What the insurer's pages show, over claims that are in a database and over many at once."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from circuits.canonical import canonical_bytes, encode_base64url
from circuits.contract import contract_digest
from circuits.signed import encode_signed
from tests.support import attesting, audits, crowd, records
from tests.support import claims as samples
from verifier_api.keys import KeyEntry
from verifier_api.service import overview as module
from verifier_api.service.access import Principal
from verifier_api.service.administration import (
    add_contract,
    add_nomenclature,
    register_keys,
)
from verifier_api.service.cursors import encode_cursor
from verifier_api.service.errors import ServiceError
from verifier_api.service.judging import STEPS
from verifier_api.service.life import STATES
from verifier_api.service.overview import EXPORT_COLUMNS, Overview, csv_cell
from verifier_api.service.recording import record_claims
from verifier_api.service.service import ServiceOptions, VerifierService
from verifier_api.store.claims import ClaimFilter
from verifier_api.store.database import Database

NOW = datetime(2020, 11, 10, 12, tzinfo=UTC)
NUMBER = 600
DAYS = 40
TABLE = samples.nomenclature()
TABLE_DIGEST = encode_base64url(TABLE.digest)
RULE = attesting.rule("VM3", "VM4", "VM6", "VU1", "VU4", "VU7", "V04", "V13", within_days=20)
CONTRACT = records.contract(attestations=(RULE,))
CONTRACT_DIGEST = encode_base64url(contract_digest(CONTRACT))
FIRST_DAY = "2020-10-02"
BUSY = "optician-000"


class Desk:
    """A service that is not started, and its pages. ``now`` is its clock."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self.service = VerifierService(database, ServiceOptions(), lambda: self.now)
        self.pages = self.service.overview

    def run(self, asked: Awaitable[Any]) -> Any:
        async def tell() -> Any:
            return await asked

        return asyncio.run(tell())

    def refusal(self, asked: Awaitable[Any]) -> str:
        with pytest.raises(ServiceError) as caught:
            self.run(asked)
        return caught.value.code

    def sql(self, query: str, **values: Any) -> list[Any]:
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def fresh(self) -> Overview:
        """The same pages with nothing kept."""
        return Overview(self.service)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """600 claims of 40 days up to `NOW`."""
    database = records.empty_database(tmp_path_factory.mktemp("overview"))
    with database.write() as connection:
        add_nomenclature(connection, TABLE, TABLE.to_bytes(), None, "test", NOW)
        add_contract(connection, canonical_bytes(CONTRACT.model_dump(mode="json")), None, "t", NOW)
        public_key = records.shop(BUSY).public_entry()["public_key"]
        entries = [KeyEntry(optician_id=BUSY, public_key=public_key)]
        silent = records.shop("optician-silent").public_entry()["public_key"]
        entries.append(KeyEntry(optician_id="optician-silent", public_key=silent))
        register_keys(connection, entries, "test", NOW)
    crowd.fill(database, NUMBER, NOW, days=DAYS, contract=CONTRACT)
    yield Desk(database)
    database.dispose()


@pytest.fixture
def desk(crowded: Desk) -> Desk:
    crowded.now = NOW
    return crowded


# -- counts -------------------------------------------------------------------------------------


def test_the_summary_counts_what_the_database_does(desk: Desk) -> None:
    facts = desk.run(desk.fresh().summary(DAYS))
    assert (facts["days"], facts["first_day"], facts["last_day"]) == (DAYS, FIRST_DAY, "2020-11-10")
    since = f"{FIRST_DAY}T00:00:00Z"
    query = "SELECT verdict, count(*) FROM claims WHERE received_at >= :since GROUP BY verdict"
    assert facts["verdicts"] == dict(desk.sql(query, since=since))
    assert facts["claims"] == sum(facts["verdicts"].values()) > NUMBER * 0.9
    assert list(facts["states"]) == list(STATES)
    assert sum(facts["states"].values()) == facts["claims"]
    days = [entry["day"] for entry in facts["by_day"]]
    assert days == [entry["day"] for entry in facts["by_class"]]
    assert len(facts["by_day"]) == DAYS
    for verdict, count in facts["verdicts"].items():
        assert sum(entry[verdict] for entry in facts["by_day"]) == count
    reasons = dict(
        desk.sql(
            "SELECT reason, count(*) FROM claims "
            "WHERE verdict = 'refused' AND received_at >= :since GROUP BY reason",
            since=since,
        )
    )
    assert {entry["reason"]: entry["count"] for entry in facts["reasons"]} == reasons
    assert [entry["count"] for entry in facts["reasons"]] == sorted(reasons.values(), reverse=True)
    assert all(entry["titles"]["fr"] for entry in facts["reasons"])
    assert facts["latency"]["measured"] == facts["batches"]["measured"] == facts["claims"]


def test_classes_beyond_the_most_frequent_are_counted_together(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHOWN_CLASSES", 3)
    facts = desk.run(desk.fresh().summary(DAYS))
    lines: Counter[str] = Counter()
    for (classes,) in desk.sql("SELECT classes FROM claims WHERE received_at >= :s", s=FIRST_DAY):
        lines.update(classes.split())
    hidden = lines.pop("-")
    most = [name for name, _ in lines.most_common(3)]
    assert facts["classes"] == [*sorted(most), "other", "hidden"]
    totals = [sum(column) for column in zip(*(e["counts"] for e in facts["by_class"]), strict=True)]
    expected = [lines[name] for name in sorted(most)]
    assert totals == [*expected, sum(lines.values()) - sum(expected), hidden]


def test_what_waits_is_counted_as_of_now(desk: Desk) -> None:
    waiting = desk.run(desk.fresh().summary(1))["waiting"]
    listed = {
        state: desk.run(desk.pages.claims(ClaimFilter(state=state)))["total"] for state in STATES
    }
    assert waiting["pending"] == listed["pending"] > 0
    assert waiting["attestation_overdue"] == listed["attestation_overdue"] > 0
    assert waiting["attestations_due"] == desk.run(desk.pages.attestations())["due"] > 0
    desk.now = NOW + timedelta(days=21)  # everything that was due is late
    later = desk.run(desk.fresh().summary(1))["waiting"]
    both = waiting["attestation_overdue"] + waiting["attestations_due"]
    assert (later["attestation_overdue"], later["attestations_due"]) == (both, 0)


def test_a_period_has_bounds(desk: Desk) -> None:
    assert len(desk.run(desk.fresh().summary(1))["by_day"]) == 1
    assert len(desk.run(desk.fresh().summary(366))["by_day"]) == 366
    for days in (0, -1, 367):
        assert desk.refusal(desk.pages.summary(days)) == "parameter_invalid"
        assert desk.refusal(desk.pages.refusals(days)) == "parameter_invalid"


def test_counts_are_kept_for_a_moment(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = desk.fresh()
    first = desk.run(pages.summary(5))
    assert desk.run(pages.summary(5)) is first
    assert desk.run(pages.summary(6)) is not first
    later = time.monotonic() + module.CACHE_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    again = desk.run(pages.summary(5))
    assert again is not first
    assert again == first


def test_many_who_ask_at_once_are_answered_by_one_reading(desk: Desk) -> None:
    pages, reads = desk.fresh(), 0

    def count(*_: object) -> None:
        nonlocal reads
        reads += 1

    async def ask() -> list[Any]:
        return list(await asyncio.gather(*(pages.opticians(30) for _ in range(8))))

    event.listen(desk.database.engine, "before_cursor_execute", count)
    answers = desk.run(ask())
    event.remove(desk.database.engine, "before_cursor_execute", count)
    assert all(answer is answers[0] for answer in answers)
    assert reads == 3  # the transaction, and its two queries


def test_warming_reads_what_the_summary_needs(desk: Desk) -> None:
    pages, cold = desk.fresh(), desk.fresh()
    desk.run(pages.warm())
    queries: list[str] = []

    def listen(_c: object, _k: object, query: str, *_: object) -> None:
        queries.append(query)

    event.listen(desk.database.engine, "before_cursor_execute", listen)
    facts = desk.run(pages.summary(DAYS))
    event.remove(desk.database.engine, "before_cursor_execute", listen)
    assert [query for query in queries if "latency_us" in query and "sequence >" not in query] == []
    assert facts == desk.run(cold.summary(DAYS))


def test_refusals_are_told_with_their_share(desk: Desk) -> None:
    facts = desk.run(desk.fresh().refusals(DAYS))
    assert facts["refused"] == sum(entry["count"] for entry in facts["reasons"]) > 0
    assert abs(sum(entry["share_percent"] for entry in facts["reasons"]) - 100) < 0.5
    for entry in facts["reasons"]:
        rows = desk.sql(
            "SELECT count(*), count(DISTINCT optician_id), max(received_at) FROM claims "
            "WHERE reason = :reason AND verdict = 'refused' AND received_at >= :since",
            reason=entry["reason"],
            since=FIRST_DAY,
        )
        assert rows == [(entry["count"], entry["opticians"], entry["last_at"])]
    assert facts["claims"] > facts["refused"]


def test_a_period_without_refusals_has_none(desk: Desk) -> None:
    desk.now = NOW + timedelta(days=100)
    facts = desk.run(desk.fresh().refusals(10))
    assert (facts["claims"], facts["refused"], facts["reasons"]) == (0, 0, [])


def test_every_optician_is_there_with_keys_and_claims(desk: Desk) -> None:
    entries = {entry["optician_id"]: entry for entry in desk.run(desk.fresh().opticians(DAYS))}
    names = {name for (name,) in desk.sql("SELECT DISTINCT optician_id FROM claims")}
    assert set(entries) == names | {"optician-silent"}
    silent = entries["optician-silent"]
    assert (silent["claims"], silent["last_claim_at"], len(silent["keys"])) == (0, None, 1)
    busy = entries[BUSY]
    assert busy["keys"][0]["key_id"] == records.shop(BUSY).key_id
    query = "SELECT max(received_at) FROM claims WHERE optician_id = :name"
    assert [(busy["last_claim_at"],)] == desk.sql(query, name=BUSY)
    for entry in entries.values():
        assert entry["claims"] == entry["granted"] + entry["refused"] + entry["pending"]
        assert entry["claims"] == sum(entry["states"].values())
    total = desk.run(desk.fresh().summary(DAYS))["claims"]
    assert sum(entry["claims"] for entry in entries.values()) == total


# -- lists --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"verdict": "refused"},
        {"state": "attestation_overdue"},
        {"regroupement": "V04"},
        {"optician_id": BUSY},
        {"optician_id": BUSY, "verdict": "pending"},
        {"claim_id": "ffe"},
        {"statement": "pair", "date_from": date(2020, 11, 1)},
    ],
)
def test_pages_of_claims_follow_each_other_to_the_end(desk: Desk, chosen: dict[str, Any]) -> None:
    found: list[str] = []
    cursor = None
    while True:
        page = desk.run(desk.pages.claims(ClaimFilter(**chosen), cursor, 70))
        found += [entry["claim_id"] for entry in page["claims"]]
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["claims"]) == 70
    assert len(found) == len(set(found)) == page["total"]
    assert found == sorted(found, reverse=True)  # the ids of a crowd are numbered
    if not chosen:
        assert len(found) == NUMBER


def test_an_entry_tells_classes_and_times(desk: Desk) -> None:
    (entry,) = desk.run(desk.pages.claims(ClaimFilter(statement="pair"), None, 1))["claims"]
    assert entry["classes"][:2] == [None, None]
    assert entry["classes"][2].startswith("M0")
    assert entry["latency_us"] > 0
    assert entry["batch_size"] > 0


@pytest.mark.parametrize("ask", ["claims", "attestations", "audits"])
@pytest.mark.parametrize(
    "cursor", ["x", "", "2020-11-10T12:00:00Z", ".5", "2020-11-10T12:00:00Z.x"]
)
def test_a_cursor_of_ones_own_making_is_refused(desk: Desk, ask: str, cursor: str) -> None:
    asked: Awaitable[Any]
    if ask == "claims":
        asked = desk.pages.claims(ClaimFilter(), cursor)
    elif ask == "audits":
        asked = desk.pages.audits(None, cursor)
    else:
        asked = desk.pages.attestations(cursor)
    assert desk.refusal(asked) == "parameter_invalid"


def test_attestations_that_are_late_come_first(desk: Desk) -> None:
    entries: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = desk.run(desk.pages.attestations(cursor, 5))
        entries += page["claims"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(entries) == page["overdue"] + page["due"]
    late = [entry["is_overdue"] for entry in entries]
    assert late == sorted(late, reverse=True)
    assert [entry["attest_by"] for entry in entries] == sorted(e["attest_by"] for e in entries)
    assert len({entry["claim_id"] for entry in entries}) == len(entries)
    assert all(entry["missing"][0]["attesters"] == [attesting.LAB] for entry in entries)


# -- one claim ----------------------------------------------------------------------------------


def test_a_claim_is_told_with_every_step_and_what_stays_unknown(desk: Desk) -> None:
    chosen = ClaimFilter(verdict="granted", regroupement="V04")
    claim_id = desk.run(desk.pages.claims(chosen, None, 1))["claims"][0]["claim_id"]
    page = desk.run(desk.pages.claim_page(claim_id))
    assert page["claim"]["claim_id"] == claim_id
    assert [entry["step"] for entry in page["judging"]["steps"]] == list(STEPS)
    assert page["judging"]["latency_us"] == page["claim"]["latency_us"]
    assert [(line["cells"], line["codes"]) for line in page["lines"][:2]] == [(36, 901)] * 2
    known = {entry["name"]: entry["value"] for entry in page["known"]}
    assert known["claim_id"] == claim_id
    assert known["lenses_cents"] == 43_900
    assert "level" not in known
    assert page["decisions"] == []
    assert page["history"][0]["kind"] == "judged"


def test_only_what_waits_for_the_insurer_can_be_decided(desk: Desk) -> None:
    for state in ("pending", "attestation_overdue", "granted", "refused", "payable"):
        page = desk.run(desk.pages.claims(ClaimFilter(state=state), None, 1))
        detail = desk.run(desk.pages.claim_page(page["claims"][0]["claim_id"]))
        is_open = state in ("pending", "attestation_overdue")
        assert detail["decisions"] == (["grant", "refuse"] if is_open else [])


def test_a_claim_that_is_none_is_not_found(desk: Desk) -> None:
    assert desk.refusal(desk.pages.claim_page("nobody")) == "not_found"


def test_an_unmeasured_claim_says_so(tmp_path: Path) -> None:
    database = records.database_with_rights(tmp_path)
    with database.write() as connection:
        record_claims(connection, [records.examined(records.claim("old"))], records.NOW)
    desk = Desk(database)
    page = desk.run(desk.pages.claim_page("old"))
    assert page["judging"]["is_measured"] is False
    assert page["lines"][0]["cells"] is None  # its table is not here
    database.dispose()


# -- audits -------------------------------------------------------------------------------------


def test_audits_are_listed_counted_and_shown_with_their_claim(tmp_path: Path) -> None:
    database = records.database_with_rights(tmp_path)
    contract = records.contract()
    claim = records.claim("audited")
    trust = tmp_path / "trust.json"
    trust.write_bytes(canonical_bytes(audits.trust_document()))
    with database.write() as connection:
        document = canonical_bytes(contract.model_dump(mode="json"))
        add_contract(connection, document, None, "test", records.NOW)
        record_claims(connection, [records.examined(claim)], records.NOW)

    async def story() -> tuple[Any, ...]:
        now = [audits.OPENED]
        service = VerifierService(database, ServiceOptions(), lambda: now[0], trust=trust)
        pages = service.overview

        async def change(act: Any) -> Any:  # the service is not started
            with database.write() as connection:
                return act(connection)

        service.change = change  # type: ignore[method-assign]
        auditor = Principal("token-auditor", "auditor")
        for case_id in ("case-1", "case-2"):
            await service.audits.open(encode_signed(audits.case_on(claim, case_id)), auditor)
        shown = await pages.claim_page("audited")
        first = await pages.audits(None, None, 1)
        rest = await pages.audits(None, first["next"], 1)
        now[0] = audits.ANSWER_BY + timedelta(seconds=1)
        late = await pages.audits("lapsed")
        none = await pages.audits("open")
        waiting = (await pages.summary(1))["waiting"]
        return shown, first, rest, late, none, waiting

    shown, first, rest, late, none, waiting = asyncio.run(story())
    assert [case["case_id"] for case in shown["audits"]] == ["case-2", "case-1"]
    assert [case["case_id"] for case in first["audits"] + rest["audits"]] == ["case-2", "case-1"]
    assert rest["next"] is None
    assert first["counts"] == dict.fromkeys(first["counts"], 0) | {"open": 2}
    assert len(late["audits"]) == late["counts"]["lapsed"] == 2
    assert none["audits"] == []
    assert (waiting["audits_open"], waiting["audits_lapsed"]) == (0, 2)
    database.dispose()


# -- reference data -----------------------------------------------------------------------------


def test_contracts_are_told_with_what_they_stand_for(desk: Desk) -> None:
    (entry,) = desk.run(desk.fresh().contracts())
    assert entry["claims"] == NUMBER
    assert (entry["is_in_force_today"], entry["is_published"]) == (True, True)
    page = desk.run(desk.pages.contract_page(CONTRACT_DIGEST))
    assert page["document"]["contract_id"] == CONTRACT.contract_id
    assert (page["date"], page["nomenclature_digest"]) == ("2020-11-10", TABLE_DIGEST)
    sizes = {facts["class"]: (facts["cells"], facts["codes"]) for facts in page["classes"]}
    assert sizes["V04"] == (36, 901)
    assert page["publications"] == []
    assert desk.refusal(desk.pages.contract_page("none")) == "not_found"


def test_a_contract_that_is_over_is_shown_as_of_its_last_day(desk: Desk) -> None:
    desk.now = datetime(2026, 1, 1, tzinfo=UTC)
    page = desk.run(desk.pages.contract_page(CONTRACT_DIGEST))
    assert page["is_in_force_today"] is False
    assert page["date"] == CONTRACT.valid_to.isoformat()
    assert page["classes"] != []


def test_tables_classes_and_cells(desk: Desk) -> None:
    (entry,) = desk.run(desk.pages.tables())
    assert (entry["digest"], entry["is_in_force_today"]) == (TABLE_DIGEST, True)
    page = desk.run(desk.pages.table_page(TABLE_DIGEST))
    assert page["date"] == "2020-11-10"
    assert page["spans"][-1] <= page["date"]
    assert {facts["class"] for facts in page["classes"]} == {e.code for e in TABLE.classes()}
    for day in page["spans"]:
        shown = desk.run(desk.pages.table_page(TABLE_DIGEST, date.fromisoformat(day)))
        assert shown["date"] == day
    cells = desk.run(desk.pages.class_page(TABLE_DIGEST, "V04"))["cells"]
    assert len(cells) == 36
    assert sum(len(cell["codes"]) for cell in cells) == 901
    frames = desk.run(desk.pages.class_page(TABLE_DIGEST, "M03"))["cells"]
    assert [cell["cell"] for cell in frames] == [None]
    desk.now = datetime(2026, 1, 1, tzinfo=UTC)
    late = desk.run(desk.pages.table_page(TABLE_DIGEST))
    assert late["date"] == "2021-06-30"
    assert desk.refusal(desk.pages.table_page("none")) == "not_found"
    assert desk.refusal(desk.pages.class_page(TABLE_DIGEST, "X99")) == "not_found"
    too_early = desk.pages.table_page(TABLE_DIGEST, date(1999, 1, 1))
    assert desk.refusal(too_early) == "parameter_invalid"


# -- export -------------------------------------------------------------------------------------


def exported(desk: Desk, chosen: ClaimFilter) -> tuple[list[bytes], list[dict[str, str]]]:
    async def collect() -> list[bytes]:
        return [part async for part in desk.pages.export(chosen)]

    parts = desk.run(collect())
    data = b"".join(parts)
    assert data.startswith(b"\xef\xbb\xbf")
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";")
    assert tuple(reader.fieldnames or ()) == EXPORT_COLUMNS
    return parts, list(reader)


def test_an_export_has_every_claim_of_the_list(desk: Desk) -> None:
    parts, rows = exported(desk, ClaimFilter())
    assert len(rows) == NUMBER
    assert len(parts) == 1 + -(-NUMBER // module.EXPORT_TOGETHER)  # read and sent by parts
    listed = desk.run(desk.pages.claims(ClaimFilter(), None, NUMBER))["claims"]
    assert [row["claim_id"] for row in rows] == [entry["claim_id"] for entry in listed]
    assert rows[0]["latency_us"] == str(listed[0]["latency_us"])
    _, refused = exported(desk, ClaimFilter(verdict="refused"))
    assert {row["verdict"] for row in refused} == {"refused"}
    assert {row["lenses_cents"] for row in refused} == {""}
    _, pairs = exported(desk, ClaimFilter(statement="pair"))
    assert all(row["classes"].startswith("hidden hidden M0") for row in pairs)
    _, nothing = exported(desk, ClaimFilter(optician_id="nobody"))
    assert nothing == []


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (5, "5"),
        (-5, "-5"),
        ("granted", "granted"),
        ("=1+1", "'=1+1"),
        ("+33", "'+33"),
        ("-x", "'-x"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("a=b", "a=b"),
        ('"', '"'),
    ],
)
def test_no_cell_is_a_formula(value: object, cell: str) -> None:
    assert csv_cell(value) == cell


def test_a_page_reads_no_table_where_the_index_has_everything(desk: Desk) -> None:
    """What makes 100,000 claims quick: `ix_claims_overview` answers filters and counts."""
    queries: list[tuple[str, Any]] = []

    def listen(_c: object, _k: object, query: str, values: Any, *_: object) -> None:
        if "claims" in query:
            queries.append((query, values))

    event.listen(desk.database.engine, "before_cursor_execute", listen)
    for chosen in (
        ClaimFilter(state="pending"),
        ClaimFilter(reason="expired"),
        ClaimFilter(regroupement="V99"),
    ):
        desk.run(desk.pages.claims(chosen, encode_cursor(10**6)))
    desk.run(desk.fresh().opticians(DAYS))
    desk.run(desk.fresh().refusals(DAYS))
    event.remove(desk.database.engine, "before_cursor_execute", listen)
    assert len(queries) == 3 * 2 + 2 + 2
    with desk.database.read() as connection:
        for query, values in queries:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all()
            scans = [row[3] for row in plan if row[3].startswith("SCAN claims")]
            assert all("COVERING INDEX" in scan for scan in scans), (query, scans)
