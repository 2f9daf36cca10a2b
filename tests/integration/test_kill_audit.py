"""Processes killed at every step of attestation and audit, and started again on the same data.

Traps (`tests.support.traps`) kill a process at a named place: before and after each commit of the
insurer's service and of the attester's ledger, before and after each request of optician and
auditor, before and after each file that they write. After that whoever was interrupted does the
same again, and nothing is lost or doubled. Then kills come at random moments: `CLAIROBSCUR_KILLS`
says how often. Deadlines outlive kills, restarts and jumps of the wall clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from circuits.signed import signed_digest
from tests.integration.test_stories import (
    attestation_file,
    kinds_of,
    read_attestation,
    reason_of,
    wait_until,
)
from tests.support.office import KILLED
from tests.support.server import fresh_store
from tests.support.world import ATTEST_DAYS, Sold, World

pytestmark = pytest.mark.integration

UNREACHABLE = 2
ONCE = ("--retries", "0")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    made = World(folder, fresh_store("sqlite", folder / "insurer", None))
    try:
        yield made
        made.server.stop()
        assert made.store.check()["problems"] == []
    finally:
        made.close()


def ledger(world: World, query: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(world.path("attester") / "ledger.db")) as connection:
        return connection.execute(query, values).fetchall()


def interrupt(world: World, who: str, place: str, act: Callable[[], int]) -> None:
    """Do something in which somebody is killed at that place; he is started again, if he is a
    service."""
    trap = world.traps[who]
    trap.set(place)
    code = act()
    assert not trap.is_set(), f"{who}: nobody came by: {place}"
    if who == "insurer":
        assert code == UNREACHABLE
        world.server.process.wait(10)
        world.restart(is_killed=True)
    elif who == "attester":
        assert code == UNREACHABLE
        world.attester.process.wait(10)
        world.attester.start()
    else:
        assert code == KILLED


# -- attestations -------------------------------------------------------------------------------


def test_an_article_is_attested_once_whoever_is_killed(world: World) -> None:
    places = [
        ("attester", "commit before attestations"),
        ("attester", "commit after attestations"),
        ("shop", "call before POST /v1/attestations"),
        ("shop", "call after POST /v1/attestations"),
        ("shop", "file before attestation.json"),
        ("shop", "file after attestation.json"),
    ]
    for who, place in places:
        sold = world.sell("at once")
        record = world.record_of(sold)
        interrupt(world, who, place, lambda: world.run_attest(sold, record, *ONCE).code)  # noqa: B023
        is_given = "after" in place or "file" in place
        before = ledger(world, "SELECT document FROM attestations JOIN units USING (reference) "
                        "WHERE record_id = ?", record)  # fmt: skip
        assert len(before) == int(is_given), place
        world.attest(sold, record, "--force")
        after = ledger(world, "SELECT document FROM attestations JOIN units USING (reference) "
                       "WHERE record_id = ?", record)  # fmt: skip
        assert [bytes(row[0]) for row in after] == [sold.shop.read(attestation_file(sold))], place
        assert not before or before == after
        units = ledger(world, "SELECT released_at FROM units WHERE record_id = ?", record)
        assert units == [(None,)]


def test_a_claim_and_its_attestation_are_recorded_together_or_not_at_all(world: World) -> None:
    places = [
        ("insurer", "commit before claims"),
        ("insurer", "commit after claims"),
        ("shop", "call before POST /v1/claims"),
        ("shop", "call after POST /v1/claims"),
    ]
    for who, place in places:
        sold = world.sell("at once")
        world.attest(sold, world.record_of(sold))
        file = attestation_file(sold)
        interrupt(world, who, place, lambda: world.run_submit(sold, file, *ONCE).code)  # noqa: B023
        is_there = "after" in place
        require_recorded(world, sold, claims=int(is_there), attestations=int(is_there))
        verdict = world.submit(sold, file)
        assert verdict["verdict"] == "granted"
        require_recorded(world, sold, claims=1, attestations=1)


def test_an_attestation_after_the_grant_is_recorded_once(world: World) -> None:
    places = [
        ("insurer", "commit before attestations"),
        ("insurer", "commit after attestations"),
        ("shop", "call before /attestations"),
        ("shop", "call after POST /v1/claims"),
    ]
    for who, place in places:
        sold = world.sell("afterwards")
        verdict = world.submit(sold)
        record = world.record_of(sold)
        send = (*world.to_insurer(), *ONCE)
        interrupt(world, who, place, lambda: world.run_attest(sold, record, *send).code)  # noqa: B023
        is_there = "after" in place
        require_recorded(world, sold, claims=1, attestations=int(is_there))
        assert world.detail(sold.claim_id)["attest_by"] == (
            None if is_there else verdict["attest_by"]
        )
        told = world.attest(sold, record, *world.to_insurer(), "--force")
        assert told["answer"]["missing"] == []
        require_recorded(world, sold, claims=1, attestations=1)
        given = world.detail(sold.claim_id)["attestations"]["given"]
        assert [entry["digest"] for entry in given] == [signed_digest(read_attestation(sold))]


def require_recorded(world: World, sold: Sold, *, claims: int, attestations: int) -> None:
    for table, count in (("claims", claims), ("attestations", attestations)):
        query = f"SELECT count(*) FROM {table} WHERE claim_id = :claim"
        assert world.store.sql(query, claim=sold.claim_id)[0][0] == count
    query = "SELECT count(*) FROM events WHERE claim_id = :claim AND kind = 'attested'"
    events = world.store.sql(query, claim=sold.claim_id)[0][0]
    assert events <= attestations


# -- time ---------------------------------------------------------------------------------------


def clock_agrees(world: World) -> bool:
    reply = world.server.ask("GET", "/readyz", None)
    assert reply.status == 200
    return bool(reply.json()["checks"]["clock"])


def state_of(world: World, sold: Sold) -> str:
    return str(world.detail(sold.claim_id)["state"])


def test_a_deadline_outlives_restarts_and_no_jump_of_the_clock_brings_it_nearer(
    world: World,
) -> None:
    sold = world.sell("afterwards")
    due = world.submit(sold)["attest_by"]
    assert clock_agrees(world)
    # Forward by far, and back, while the service runs: nothing is late.
    before = world.clock.ahead
    for days in (ATTEST_DAYS + 30, -2 * (ATTEST_DAYS + 30), ATTEST_DAYS + 30):
        world.clock.move(days=days)
        assert clock_agrees(world) is (world.clock.ahead == before)
        summary = world.detail(sold.claim_id)
        assert (summary["state"], summary["attest_by"]) == ("granted", due)
    # Killed one day before the deadline: the same deadline.
    world.restart(is_killed=True, days=ATTEST_DAYS - 1)
    assert clock_agrees(world)
    summary = world.detail(sold.claim_id)
    assert (summary["state"], summary["attest_by"]) == ("granted", due)
    world.restart(is_killed=True, days=1, seconds=61)
    wait_until(lambda: "attestation_overdue" in kinds_of(world, sold))
    # A clock that is behind what was seen is not believed: what was late stays late.
    world.restart(is_killed=True, days=-5)
    assert not clock_agrees(world)
    assert state_of(world, sold) == "attestation_overdue"
    world.attest(sold, world.record_of(sold))
    body = sold.shop.read(attestation_file(sold))
    path = f"/v1/claims/{sold.claim_id}/attestations"
    assert reason_of(world, path, body) == "attestation_late"
    world.clock.move(days=5)
    wait_until(lambda: clock_agrees(world))
    assert kinds_of(world, sold).count("attestation_overdue") == 1
