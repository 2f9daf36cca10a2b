"""Processes killed at every step of attestation and audit, and started again on the same data.

Traps (`tests.support.traps`) kill a process at a named place: before and after each commit of the
insurer's service and of the attester's ledger, before and after each request of optician and
auditor, before and after each file that they write. After that whoever was interrupted does the
same again, and nothing is lost or doubled. Then kills come at random moments: `CLAIROBSCUR_KILLS`
says how often. Deadlines outlive kills, restarts and jumps of the wall clock.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from circuits.signed import signed_digest
from tests.integration.conftest import MakeStore
from tests.integration.test_stories import (
    attestation_file,
    kinds_of,
    papers_of,
    read_attestation,
    reason_of,
    refusal,
    steps_of,
    wait_until,
)
from tests.support.commands import Done
from tests.support.office import KILLED, Forked
from tests.support.server import Kind, fresh_store
from tests.support.world import ANSWER_DAYS, ATTEST_DAYS, KEEP_DAYS, Sold, World

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("CLAIROBSCUR_KILLS", "2"))
SEED = int(os.environ.get("CLAIROBSCUR_KILL_SEED", "20201005"))
STEPS = ("attest", "submit", "open", "answer", "conclude")
STEP_SECONDS = 0.2
"""About what a step takes."""

UNREACHABLE = 2
ONCE = ("--retries", "0")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    made = World(folder, fresh_store("sqlite", folder / "insurer", None), is_quick=True)
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
        ("shop", "call before POST /v1/claims"),
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


# -- audits -------------------------------------------------------------------------------------


def granted(world: World) -> Sold:
    """A claim that can be audited."""
    sold = world.sell("never")
    assert world.submit(sold)["verdict"] == "granted"
    return sold


def cases_of(world: World, sold: Sold) -> list[Any]:
    """What the insurer has of the cases of a claim."""
    found: list[Any] = world.ask("GET", f"/v1/audits?claim_id={sold.claim_id}")["audits"]
    return found


def kept_cases(world: World, sold: Sold) -> list[Any]:
    """What the auditor's vault has of them."""
    listed = world.audit("list")["cases"]
    return [case for case in listed if case["claim_id"] == sold.claim_id]


def resume(world: World, sold: Sold) -> str:
    """Do again what opens a case about the claim, as the auditor would; its id."""
    kept = kept_cases(world, sold)
    if not kept:
        return world.open_case(sold)
    words = ("--key", "auditor.key", *world.to_service())
    return str(world.audit("open", "--resume", kept[0]["case_id"], *words)["case_id"])


def test_a_case_is_opened_once_whoever_is_killed(world: World) -> None:
    places = [
        ("auditor", "file before audit-"),
        ("auditor", "call before POST /v1/audits"),
        ("auditor", "call after POST /v1/audits"),
        ("insurer", "commit before audits"),
        ("insurer", "commit after audits"),
    ]
    for who, place in places:
        sold = granted(world)
        words = [*world.opening_words(sold), *ONCE]
        interrupt(world, who, place, lambda: world.run_audit("open", *words).code)  # noqa: B023
        is_there = "after" in place
        assert len(cases_of(world, sold)) == int(is_there), place
        kept = kept_cases(world, sold)
        assert [case["stage"] for case in kept] == ["unsent"] * (place != "file before audit-")
        case_id = resume(world, sold)
        assert [case["case_id"] for case in cases_of(world, sold)] == [case_id]
        assert [case["stage"] for case in kept_cases(world, sold)] == ["sent"]
        assert steps_of(world, case_id).count("audit_opened") == 1
        # The key that the answer will be sealed to is the one that was kept.
        assert world.answer(sold, case_id)["state"] == "answered"
        assert world.show(case_id)["revealed"] == papers_of(sold)


def test_a_case_is_answered_once_whoever_is_killed(world: World) -> None:
    places = [
        ("shop", "call before POST /v1/audits"),
        ("shop", "call after POST /v1/audits"),
        ("insurer", "commit before audits"),
        ("insurer", "commit after audits"),
    ]
    for who, place in places:
        sold = granted(world)
        case_id = world.open_case(sold)
        words = [*world.answer_words(sold, case_id), *ONCE]
        interrupt(world, who, place, lambda: sold.shop.run(*words).code)  # noqa: B023
        is_there = "after" in place
        assert world.case(case_id)["state"] == ("answered" if is_there else "open"), place
        # The command makes another seal each time; one answer is taken, and the first counts.
        answer_again(world, sold, case_id)
        assert steps_of(world, case_id).count("audit_answered") == 1
        assert steps_of(world, case_id).count("audit_seen") == 1
        assert world.show(case_id)["revealed"] == papers_of(sold)


def answer_again(world: World, sold: Sold, case_id: str) -> None:
    """As an optician would who does not know whether his answer came."""
    end = sold.shop.run(*world.answer_words(sold, case_id), "--json")
    if end.code != 0:
        assert refusal(json.loads(end.err.splitlines()[-1]))[0] == "state_conflict"
    shown = sold.shop.done("audits", "show", case_id, *world.to_insurer())
    assert shown["state"] == "answered"


def test_a_case_is_concluded_once_whoever_is_killed(world: World) -> None:
    places = [
        ("auditor", "file after reply.json"),
        ("auditor", "file before conclusion.json"),
        ("auditor", "call before /outcome"),
        ("auditor", "call after /outcome"),
        ("insurer", "commit before audits"),
        ("insurer", "commit after audits"),
    ]
    for who, place in places:
        sold = granted(world)
        case_id = world.open_case(sold)
        world.answer(sold, case_id)
        words = [*world.conclusion_words(case_id, papers_of(sold)), *ONCE]
        interrupt(world, who, place, lambda: world.run_audit("conclude", *words).code)  # noqa: B023
        is_there = place in ("call after /outcome", "commit after audits")
        assert world.case(case_id)["state"] == ("concluded" if is_there else "answered"), place
        kept = world.auditor.folder / "vault" / case_id / "conclusion.json"
        before = kept.read_bytes() if kept.exists() else None
        assert world.conclude(case_id, papers_of(sold))["outcome"] == "consistent"
        assert before in (None, kept.read_bytes())
        assert steps_of(world, case_id).count("audit_concluded") == 1
        if who == "insurer":
            world.evidence(case_id)
            assert world.judge()["shows"] == "consistent"


def test_what_was_opened_is_erased_whoever_is_killed(world: World) -> None:
    places = ["file after erased.json", "file before key.json", "file before conclusion.json"]
    secrets = ("key.json", "reply.json", "conclusion.json")
    concluded = []
    for _ in range(len(places) + 1):
        sold = granted(world)
        case_id = world.open_case(sold)
        world.answer(sold, case_id)
        world.conclude(case_id, papers_of(sold))
        concluded.append((sold, case_id))
    first = concluded[0][1]
    # The insurer's service is killed in the sweep that erases, before it is durable and after.
    trap = world.traps["insurer"]
    trap.set("commit before audits")
    world.restart(days=ANSWER_DAYS + KEEP_DAYS, minutes=5)
    world.server.process.wait(10)
    assert all(world_has_seal(world, case_id) for _, case_id in concluded)
    trap.set("commit after audits")
    world.restart(is_killed=True)
    world.server.process.wait(10)
    assert not any(world_has_seal(world, case_id) for _, case_id in concluded)
    world.restart(is_killed=True)
    for _, case_id in concluded:
        assert steps_of(world, case_id).count("audit_erased") == 1
        assert world.case(case_id)["state"] == "concluded"
    token = world.auditor.read("auditor.token").decode()
    reply = world.server.ask("GET", f"/v1/audits/{first}/sealed", token)
    assert (reply.status, reply.json()["reason"]) == (409, "erased")
    # The auditor's tool, in one case after the other.
    for place, (_, case_id) in zip(places, concluded[1:], strict=True):
        interrupt(world, "auditor", place, lambda: world.run_audit("erase", case_id).code)  # noqa: B023
    assert first in world.audit("erase")["erased"]
    for _, case_id in concluded:
        folder = world.auditor.folder / "vault" / case_id
        assert not any(list(folder.glob(f"*{name}*")) for name in secrets)
        assert (folder / "erased.json").exists()
    assert all(case["stage"] == "erased" for _, case_id in concluded
               for case in world.audit("list")["cases"] if case["case_id"] == case_id)  # fmt: skip


def world_has_seal(world: World, case_id: str) -> bool:
    query = "SELECT sealed FROM audits WHERE case_id = :case"
    return world.store.sql(query, case=case_id)[0][0] is not None


# -- at random moments --------------------------------------------------------------------------


def test_kills_at_random_moments_lose_and_double_nothing(
    kind: Kind, make_store: MakeStore, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    made = World(tmp_path / "world", make_store(), is_quick=True)
    interrupted = 0
    try:
        for number in range(KILLS):
            sold = made.sell("at once")
            record = made.record_of(sold)
            step = chance.choice(STEPS)
            process = made.attester.process if step == "attest" else made.server.process
            timer = threading.Timer(chance.uniform(0.0, STEP_SECONDS), end, (process,))
            case_id = tell_whole_story(made, sold, record, {step: timer.start})
            interrupted += process.poll() is not None
            timer.cancel()
            timer.join()
            revive(made)
            require_recorded(made, sold, claims=1, attestations=1)
            assert [case["case_id"] for case in cases_of(made, sold)] == [case_id], number
            assert made.case(case_id)["outcome"] == "consistent"
            units = ledger(made, "SELECT count(*) FROM units WHERE record_id = ?", record)
            assert units == [(1,)]
        assert interrupted > 0
        made.server.stop()
        assert made.store.check()["problems"] == []
    finally:
        made.close()


def end(process: subprocess.Popen[bytes] | Forked) -> None:
    process.kill()
    process.wait()


def tell_whole_story(
    world: World, sold: Sold, record: str, before: Mapping[str, Callable[[], None]]
) -> str:
    """Every step again until it is done, by whoever has to; the case's id. ``before`` is what
    happens when a step begins."""

    def until_done(step: str, act: Callable[[], Done]) -> Done:
        before.get(step, lambda: None)()
        while (done := act()).code != 0:
            if "state_conflict" in done.err:  # an answer that was taken before
                break
            assert "unreachable" in done.err, done.err
            revive(world)
        return done

    until_done("attest", lambda: world.run_attest(sold, record, "--force", *ONCE))
    until_done("submit", lambda: world.run_submit(sold, attestation_file(sold), *ONCE))

    def open_case() -> Done:
        kept = kept_cases(world, sold)
        if not kept:
            return world.run_audit("open", *world.opening_words(sold), *ONCE)
        again = ("--resume", kept[0]["case_id"], "--key", "auditor.key", *world.to_service())
        return world.run_audit("open", *again, *ONCE)

    case_id = str(json.loads(until_done("open", open_case).out)["case_id"])
    words = world.answer_words(sold, case_id)
    until_done("answer", lambda: sold.shop.run(*words, "--json", *ONCE))
    ending = world.conclusion_words(case_id, papers_of(sold))
    until_done("conclude", lambda: world.run_audit("conclude", *ending, *ONCE))
    return case_id


def revive(world: World) -> None:
    """Start again whichever service has ended."""
    if world.server.process.poll() is not None:
        world.restart(is_killed=True)
    if world.attester.process.poll() is not None:
        world.attester.start()


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
    asked, answered = world.open_case(sold), world.open_case(sold)
    world.answer(sold, answered)
    assert clock_agrees(world)
    # Forward by far, and back, while the service runs: nothing is late.
    before = world.clock.ahead
    for days in (ATTEST_DAYS + 30, -2 * (ATTEST_DAYS + 30), ATTEST_DAYS + 30):
        world.clock.move(days=days)
        assert clock_agrees(world) is (world.clock.ahead == before)
        summary = world.detail(sold.claim_id)
        assert (summary["state"], summary["attest_by"]) == ("granted", due)
        assert world.case(asked)["state"] == "open"
        assert world_has_seal(world, answered)
    # Killed one day before the optician has to answer: he still can.
    answer_by = world.case(asked)["answer_by"]
    world.restart(is_killed=True, days=ANSWER_DAYS - 1)
    case = world.case(asked)
    assert (case["state"], case["answer_by"]) == ("open", answer_by)
    # Killed one day before the deadline: the same deadline.
    world.restart(is_killed=True, days=ATTEST_DAYS - ANSWER_DAYS)
    assert clock_agrees(world)
    wait_until(lambda: "audit_lapsed" in steps_of(world, asked))
    wait_until(lambda: "audit_erased" in steps_of(world, answered))
    assert not world_has_seal(world, answered)
    summary = world.detail(sold.claim_id)
    assert (summary["state"], summary["attest_by"]) == ("granted", due)
    world.restart(is_killed=True, days=1, seconds=61)
    wait_until(lambda: "attestation_overdue" in kinds_of(world, sold))
    # A clock that is behind what was seen is not believed: what was late stays late.
    world.restart(is_killed=True, days=-5)
    assert not clock_agrees(world)
    assert state_of(world, sold) == "attestation_overdue"
    assert world.case(asked)["state"] == "lapsed"
    assert world.answer(sold, asked, code=2)["error"] in ("audit", "problem")
    world.attest(sold, world.record_of(sold))
    body = sold.shop.read(attestation_file(sold))
    path = f"/v1/claims/{sold.claim_id}/attestations"
    assert reason_of(world, path, body) == "attestation_late"
    world.clock.move(days=5)
    wait_until(lambda: clock_agrees(world))
    assert kinds_of(world, sold).count("attestation_overdue") == 1
