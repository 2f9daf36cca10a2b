"""Counts by day: read once, then only what is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from tests.support import crowd, records
from verifier_api.service.tally import (
    BATCH_EDGES,
    LATENCY_EDGES_US,
    TALLY_DAYS,
    DayTally,
    Tally,
    batch_facts,
    days_until,
    latency_facts,
    line_counts,
    rank,
)
from verifier_api.store.claims import HIDDEN
from verifier_api.store.database import Database

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAYS = days_until(NOW.date(), 10)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = records.empty_database(tmp_path)
    yield opened
    opened.dispose()


def updated(tally: Tally, database: Database, now: datetime = NOW) -> list[DayTally]:
    """The last ten days."""
    with database.read() as connection:
        tally.update(connection, now)
    return tally.period(days_until(now.date(), 10))


def counted(database: Database, column: str) -> Counter[tuple[str, str]]:
    """By day and value, as the database itself counts."""
    query = f"SELECT substr(received_at, 1, 10), {column}, count(*) FROM claims GROUP BY 1, 2"
    with database.read() as connection:
        rows = connection.execute(text(query)).all()
    return Counter({(day, value): number for day, value, number in rows})


def test_the_days_of_a_period_end_with_the_last() -> None:
    assert days_until(date(2026, 3, 2), 4) == [
        "2026-02-27",
        "2026-02-28",
        "2026-03-01",
        "2026-03-02",
    ]
    assert days_until(date(2026, 3, 2), 1) == ["2026-03-02"]


def test_every_claim_is_counted_on_its_day(database: Database) -> None:
    crowd.fill(database, 500, NOW, days=9)
    tallies = updated(Tally(), database)
    for column, name in (
        ("verdict", "verdicts"),
        ("classes", "classes"),
        ("batch_size", "batches"),
    ):
        told = {
            (day, value): number
            for day, tally in zip(DAYS, tallies, strict=True)
            for value, number in getattr(tally, name).items()
        }
        assert told == counted(database, column)
    refused = sum(tally.verdicts["refused"] for tally in tallies)
    assert sum(sum(tally.reasons.values()) for tally in tallies) == refused > 0
    assert sum(len(tally.latencies) for tally in tallies) == 500


def test_later_only_what_is_new_is_read_and_nothing_twice(database: Database) -> None:
    crowd.fill(database, 100, NOW - timedelta(days=2), days=5)
    tally = Tally()
    before = updated(tally, database)
    assert sum(sum(day.verdicts.values()) for day in before) == 100
    queries: list[str] = []

    def listen(_c: Connection, _k: object, query: str, *_: object) -> None:
        queries.append(query)

    event.listen(database.engine, "before_cursor_execute", listen)
    crowd.fill(database, 30, NOW, days=1, seed=2)
    queries.clear()
    after = updated(tally, database)
    again = updated(tally, database)
    event.remove(database.engine, "before_cursor_execute", listen)
    read = [query for query in queries if "claims" in query]
    assert len(read) == 2
    assert all("claims.sequence >" in query for query in read)
    assert [day.verdicts for day in again] == [day.verdicts for day in after]
    assert sum(sum(day.verdicts.values()) for day in after) == 130
    fresh = updated(Tally(), database)
    assert [(day.verdicts, day.classes, day.batches) for day in after] == [
        (day.verdicts, day.classes, day.batches) for day in fresh
    ]


def test_a_claim_that_comes_into_an_empty_database_is_counted(database: Database) -> None:
    tally = Tally()
    assert sum(sum(day.verdicts.values()) for day in updated(tally, database)) == 0
    crowd.fill(database, 3, NOW, days=1)
    assert sum(sum(day.verdicts.values()) for day in updated(tally, database)) == 3


def test_days_that_are_long_over_are_forgotten(database: Database) -> None:
    crowd.fill(database, 40, NOW, days=9)
    tally = Tally()
    assert sum(sum(day.verdicts.values()) for day in updated(tally, database)) == 40
    much_later = NOW + timedelta(days=TALLY_DAYS)
    updated(tally, database, much_later)
    assert sum(sum(day.verdicts.values()) for day in tally.period(DAYS)) == 0
    # Read for the first time then, they are not even looked at; what comes is counted all the same.
    late = Tally()
    updated(late, database, much_later)
    crowd.fill(database, 2, much_later, days=1, seed=3)
    assert sum(sum(day.verdicts.values()) for day in updated(late, database, much_later)) == 2


def test_claims_that_were_not_measured_have_no_time(database: Database) -> None:
    crowd.fill(database, 20, NOW, days=5)
    with database.write() as connection:
        connection.execute(text("UPDATE claims SET latency_us = NULL, batch_size = NULL"))
    tallies = updated(Tally(), database)
    assert latency_facts(tallies)["measured"] == batch_facts(tallies)["measured"] == 0
    assert latency_facts(tallies)["median_us"] is None
    assert batch_facts(tallies)["largest"] is None


def test_lines_are_counted_by_class_and_hidden_ones_apart() -> None:
    counted = line_counts(Counter({"VM4 VM4 M03": 2, f"{HIDDEN} {HIDDEN} M03": 1, "SV2": 3}))
    assert counted == {"VM4": 4, "M03": 3, HIDDEN: 2, "SV2": 3}


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([7], 50, 7),
        ([7], 95, 7),
        ([1, 2], 50, 1),
        ([1, 2, 3], 50, 2),
        (list(range(1, 101)), 95, 95),
        (list(range(1, 101)), 100, 100),
        (list(range(1, 21)), 95, 19),
    ],
)
def test_a_percentile_is_the_nearest_rank(
    values: list[int], percent: int, expected: int | None
) -> None:
    assert rank(values, percent) == expected


def test_times_fall_into_their_bars() -> None:
    day = DayTally()
    day.latencies.extend([0, 999, 1_000, 99_999, 100_000, 5_000_000])
    other = DayTally()
    other.latencies.extend([1_999])
    facts = latency_facts([day, other])
    assert [(bar["from_us"], bar["to_us"]) for bar in facts["buckets"]] == list(
        zip((0, *LATENCY_EDGES_US), (*LATENCY_EDGES_US, None), strict=True)
    )
    counts = {bar["from_us"]: bar["count"] for bar in facts["buckets"] if bar["count"]}
    assert counts == {0: 2, 1_000: 2, 50_000: 1, 100_000: 2}
    assert (facts["measured"], facts["median_us"], facts["largest_us"]) == (7, 1_999, 5_000_000)


def test_batches_fall_into_their_bars() -> None:
    day = DayTally(batches=Counter({1: 3, 2: 2, 4: 1, 64: 1}))
    facts = batch_facts([day])
    assert [(bar["from"], bar["to"]) for bar in facts["buckets"]] == [
        (low, None if high is None else high - 1)
        for low, high in zip((1, *BATCH_EDGES), (*BATCH_EDGES, None), strict=True)
    ]
    assert {bar["from"]: bar["count"] for bar in facts["buckets"] if bar["count"]} == {
        1: 3,
        2: 2,
        3: 1,
        33: 1,
    }
    assert (facts["measured"], facts["median"], facts["largest"]) == (7, 2, 64)
