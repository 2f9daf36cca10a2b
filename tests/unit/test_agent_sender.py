"""The sender: nothing is lost, nothing counts twice, and nobody is asked too often."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.claim import decode_claim
from console.calls import ServiceUnreachable
from optician.agent import store
from optician.agent.records import InsurerProfile
from optician.agent.sender import FIRST_PAUSE, LONGEST_PAUSE, Sender, Sent
from optician.agent.shop import Shop
from optician.client import ServiceClient
from optician.vault import Passphrase, Vault
from tests.support import claims as samples
from tests.support import service_answers as canned
from tests.support.shops import PASSPHRASE, Premises, make_premises, order

INSURER = samples.contract().insurer_id


@pytest.fixture
def premises(tmp_path: Path) -> Iterator[Premises]:
    made = make_premises(tmp_path)
    yield made
    made.vault.close()


def refuse(premises: Premises, code: str, status: int, **more: Any) -> None:
    """The insurer's next answer to a claim."""
    document = canned.problem(code, status, **more)
    premises.insurer.told.append((status, json.dumps(document).encode()))


def pause(premises: Premises) -> float:
    """Seconds until the next attempt."""
    (entry,) = premises.shop.queue()
    assert entry.due_at is not None
    return (entry.due_at - premises.clock.now).total_seconds()


# -- an offline queue -----------------------------------------------------------------------------


def test_an_offline_queue_drains_when_the_line_is_up(premises: Premises) -> None:
    premises.insurer.is_up = False
    ids = [premises.shop.make(order(f"sale-{number}")).claim_id for number in range(5)]
    sent = premises.sender.send_due()
    assert (sent.done, sent.failed) == (0, 5)
    assert premises.sender.send_due().failed == 0  # not before their pause is over
    premises = premises.reopened()
    premises.insurer.is_up = True
    premises.clock.move(seconds=FIRST_PAUSE)
    assert premises.sender.send_due().done == 5
    assert premises.shop.queue() == []
    assert premises.shop.counts() == {"granted": 5}
    assert premises.insurer.arrivals == dict.fromkeys(ids, 1)


def test_a_dead_line_is_tried_once_a_round(premises: Premises) -> None:
    premises.insurer.is_up = False
    calls = []

    def make_client(profile: InsurerProfile) -> ServiceClient:
        calls.append(profile)
        return premises.insurer.client(profile)

    for number in range(3):
        premises.shop.make(order(f"sale-{number}"))
    Sender(premises.shop, make_client).send_due()
    waiting = premises.shop.queue()
    assert [entry.attempts for entry in waiting] == [1, 0, 0]
    assert len({entry.due_at for entry in waiting}) == 1
    assert all(entry.problem is not None for entry in waiting)
    # What was not tried was not sent: it is taken back here.
    assert premises.shop.cancel(waiting[2].claim_id).state == "cancelled"


def test_pauses_grow_to_half_an_hour(premises: Premises) -> None:
    premises.insurer.is_up = False
    premises.shop.make(order())
    pauses = []
    for _ in range(14):
        premises.sender.send_due()
        pauses.append(pause(premises))
        premises.clock.move(seconds=pauses[-1])
    assert pauses[0] == FIRST_PAUSE
    assert all(FIRST_PAUSE <= each <= LONGEST_PAUSE for each in pauses)
    for number, each in enumerate(pauses[:8]):
        assert 0.5 * FIRST_PAUSE * 2**number - 1 <= each <= FIRST_PAUSE * 2**number
    assert pauses[-1] >= LONGEST_PAUSE / 2 - 1
    (entry,) = premises.shop.queue()
    assert entry.attempts == 14
    assert entry.problem is not None
    assert entry.problem.is_passing


def test_pauses_are_random(premises: Premises) -> None:
    premises.insurer.is_up = False
    premises.shop.make(order())
    found = set()
    for seed in range(4):
        sender = Sender(premises.shop, jitter=random.Random(seed))
        with premises.vault.write() as writing:
            writing.connection.execute("UPDATE outbox SET attempts = 6, due_at = 0")
        sender.send_due()
        found.add(pause(premises))
    assert len(found) > 1


def test_a_service_that_asks_for_a_pause_gets_it(premises: Premises) -> None:
    premises.insurer.retry_after = "240"
    refuse(premises, "too_many_requests", 429)
    claim_id = premises.shop.make(order()).claim_id
    premises.sender.send_due()
    assert pause(premises) == 240
    premises.clock.move(seconds=239)
    assert premises.sender.send_due().done == 0
    premises.clock.move(seconds=1)
    assert premises.sender.send_due().done == 1
    assert premises.shop.claim(claim_id).state == "granted"


def test_no_service_makes_it_wait_for_more_than_a_day(premises: Premises) -> None:
    premises.insurer.retry_after = "999999999"
    refuse(premises, "overloaded", 503)
    premises.shop.make(order())
    premises.sender.send_due()
    assert pause(premises) == store.LONGEST_DELAY


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("token_invalid", 401, None),
        ("fields_invalid", 422, None),
        ("claim_conflict", 409, None),
        ("attestation_refused", 422, "attestation_missing"),
        ("of_a_newer_service", 400, None),
    ],
)
def test_what_no_retry_mends_waits_for_somebody(
    premises: Premises, code: str, status: int, reason: str | None
) -> None:
    refuse(premises, code, status, reason=reason)
    claim_id = premises.shop.make(order()).claim_id
    premises.sender.send_due()
    record = premises.shop.claim(claim_id)
    assert record.state == "pending"
    assert record.problem is not None
    assert (record.problem.code, record.problem.is_passing) == (code, False)
    assert record.problem.titles.keys() == {"en", "fr"}
    assert record.next_step is not None
    premises.clock.move(days=3)
    assert premises.sender.send_due() == Sent()
    assert not premises.insurer.recorded
    premises.shop.retry(claim_id)
    assert premises.sender.send_due().done == 1
    record = premises.shop.claim(claim_id)
    assert (record.state, record.problem) == ("granted", None)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_what_may_pass_is_tried_again(premises: Premises, status: int) -> None:
    premises.insurer.told.append((status, b"not even JSON"))
    premises.shop.make(order())
    premises.sender.send_due()
    premises.clock.move(seconds=FIRST_PAUSE)
    assert premises.sender.send_due().done == 1


def test_a_page_that_is_no_service_is_believed_in_nothing(premises: Premises) -> None:
    premises.insurer.told.append((200, b"<html>Welcome to the hotel</html>"))
    claim_id = premises.shop.make(order()).claim_id
    premises.sender.send_due()
    record = premises.shop.claim(claim_id)
    assert record.state == "pending"
    assert record.problem is not None
    assert record.problem.code == "answer_invalid"
    premises.clock.move(seconds=FIRST_PAUSE)
    assert premises.sender.send_due().done == 1


def test_a_verdict_on_another_claim_is_not_recorded(premises: Premises) -> None:
    other, _ = samples.sample_claim()
    premises.insurer.told.append((200, json.dumps(canned.verdict(other)).encode()))
    claim_id = premises.shop.make(order()).claim_id
    premises.sender.send_due()
    assert premises.shop.claim(claim_id).state == "pending"
    assert len(premises.shop.queue()) == 1


# -- verdicts -------------------------------------------------------------------------------------


def test_a_refusal_says_why_and_what_to_do(premises: Premises) -> None:
    premises.insurer.verdict = canned.refusal
    claim_id = premises.shop.make(order()).claim_id
    premises.sender.send_due()
    record = premises.shop.claim(claim_id)
    assert (record.state, record.reason) == ("refused", "renewal_too_early")
    assert record.reason_titles is not None
    assert record.next_step is not None
    assert "échéance" in record.next_step["fr"]
    assert record.waiting == ()


def test_the_insurers_decision_is_heard(premises: Premises) -> None:
    premises.insurer.verdict = canned.pending
    claim_id = premises.shop.make(order()).claim_id
    premises.sender.send_due()
    record = premises.shop.claim(claim_id)
    assert (record.state, record.reason) == ("sent", "early_renewal")
    premises.insurer.states[claim_id] = "granted"
    assert premises.sender.poll() == 0  # it was asked just now
    premises.clock.move(minutes=premises.shop.settings().poll_minutes)
    assert premises.sender.poll() == 1
    record = premises.shop.claim(claim_id)
    assert record.state == "granted"
    assert record.history[-1].facts == {"state": "granted"}
    assert premises.sender.poll(is_forced=True) == 0
    assert premises.vault.check() == []


def test_news_of_a_moment_ago_do_not_undo_what_happened_since(premises: Premises) -> None:
    premises.insurer.verdict = canned.pending
    claim_id = premises.shop.make(order()).claim_id
    premises.sender.send_due()
    premises.insurer.states[claim_id] = "granted"

    def happen(method: str, path: str) -> None:
        if (method, path) == ("GET", f"/v1/claims/{claim_id}"):
            premises.shop.cancel(claim_id)

    premises.insurer.before_answer = happen
    assert premises.sender.poll(is_forced=True) == 0
    assert premises.shop.claim(claim_id).state == "sent"


def test_a_service_that_is_down_is_polled_again_when_the_time_comes(premises: Premises) -> None:
    premises.sender.poll()
    premises.insurer.requests.clear()
    premises.insurer.is_up = False
    premises.clock.move(minutes=10)
    assert premises.sender.poll() == 0
    premises.insurer.is_up = True
    assert premises.sender.poll() == 0
    assert premises.insurer.requests == []
    premises.clock.move(minutes=10)
    premises.sender.poll()
    assert [path for _, path, _ in premises.insurer.requests] == ["/v1/audits"]


def test_when_there_is_something_to_do_next(premises: Premises) -> None:
    assert premises.sender.next_due() == premises.clock.now  # nobody has asked for news yet
    premises.sender.poll()
    later = premises.clock.now + timedelta(minutes=10)
    assert premises.sender.next_due() == later
    premises.shop.make(order())
    assert premises.sender.next_due() == premises.clock.now
    premises.insurer.is_up = False
    premises.sender.send_due()
    assert premises.sender.next_due() == premises.clock.now + timedelta(seconds=FIRST_PAUSE)


# -- crashes and others ---------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


def test_a_crash_after_the_answer_sends_the_same_bytes_again(premises: Premises) -> None:
    claim_id = premises.shop.make(order()).claim_id

    def die(method: str, path: str) -> None:
        raise Killed

    premises.insurer.before_answer = die
    with pytest.raises(Killed):
        premises.sender.send_due()
    premises.insurer.before_answer = lambda method, path: None
    premises = premises.reopened()
    (entry,) = premises.shop.queue()
    assert entry.is_being_sent
    assert premises.sender.send_due().done == 0  # for it may be under way still
    premises.clock.move(seconds=store.LEASE_SECONDS)
    assert premises.sender.send_due().done == 1
    assert premises.shop.claim(claim_id).state == "granted"
    bodies = [body for method, path, body in premises.insurer.requests if method == "POST"]
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]
    assert premises.insurer.arrivals == {claim_id: 1}


def test_a_lease_of_a_clock_that_was_set_back_ends(premises: Premises) -> None:
    premises.shop.make(order())
    with premises.vault.write() as writing:
        assert store.take(writing, "somebody", store.seconds(premises.clock.now)) is not None
    premises.clock.move(days=-30)
    assert premises.sender.send_due().done == 1


def test_an_entry_is_one_senders(premises: Premises) -> None:
    premises.shop.make(order())
    now = store.seconds(premises.clock.now)
    with premises.vault.write() as writing:
        assert store.take(writing, "first", now) is not None
    other = Vault.open(premises.vault.path, Passphrase(PASSPHRASE))
    with other.write() as writing:
        assert store.take(writing, "second", now) is None
    other.close()
    assert premises.sender.send_due().done == 0


def test_an_answer_that_comes_after_the_lease_changes_nothing(premises: Premises) -> None:
    """Another took the entry over meanwhile: what it hears is the same, and recorded once."""
    claim_id = premises.shop.make(order()).claim_id
    rival = Sender(Shop(premises.vault, premises.clock, premises.insurer.client))
    calls: list[str] = []

    def late(method: str, path: str) -> None:
        if method == "POST" and not calls:
            calls.append(path)
            premises.clock.move(seconds=store.LEASE_SECONDS)
            assert rival.send_due().done == 1

    premises.insurer.before_answer = late
    premises.sender.send_due()
    record = premises.shop.claim(claim_id)
    assert record.state == "granted"
    assert [event.kind for event in record.history] == ["made", "verdict"]
    assert premises.insurer.arrivals == {claim_id: 1}


# -- one claim at once ----------------------------------------------------------------------------


def test_one_claim_is_sent_at_once_and_no_other(premises: Premises) -> None:
    first = premises.shop.make(order("sale-1")).claim_id
    second = premises.shop.make(order("sale-2")).claim_id
    premises.sender.send_claim(second, 10.0)
    assert premises.shop.claim(second).state == "granted"
    assert premises.shop.claim(first).state == "pending"


def test_sending_one_claim_waits_for_its_pause_and_no_longer(premises: Premises) -> None:
    premises.insurer.is_up = False
    claim_id = premises.shop.make(order()).claim_id
    slept: list[float] = []
    steady = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        steady[0] += seconds
        premises.clock.move(seconds=seconds)
        premises.insurer.is_up = True

    sender = Sender(premises.shop, sleep=sleep, steady=lambda: steady[0])
    sender.send_claim(claim_id, 10.0)
    assert slept == [FIRST_PAUSE]
    assert premises.shop.claim(claim_id).state == "granted"


def test_sending_one_claim_gives_up_in_time(premises: Premises) -> None:
    premises.insurer.is_up = False
    claim_id = premises.shop.make(order()).claim_id
    premises.sender.send_claim(claim_id, 2.0)  # its sleep would fail the test
    assert premises.shop.claim(claim_id).state == "pending"


# -- the insurer is gone --------------------------------------------------------------------------


def test_an_address_that_went_bad_waits_for_somebody(premises: Premises) -> None:
    from dataclasses import replace

    from optician.agent import insurers

    claim_id = premises.shop.make(order()).claim_id
    broken = replace(premises.shop.insurer(INSURER), url="ftp://nowhere")
    with premises.vault.write() as writing:
        insurers.put_profile(writing, broken)
    premises.sender.send_due()
    record = premises.shop.claim(claim_id)
    assert record.problem is not None
    assert (record.problem.code, record.problem.is_passing) == ("address_invalid", False)
    premises.shop.put_insurer(INSURER, url="http://127.0.0.1:9")
    premises.shop.retry(claim_id)
    assert premises.sender.send_due().done == 1


def test_the_bytes_that_were_proved_are_the_bytes_that_are_sent(premises: Premises) -> None:
    record = premises.shop.make(order())
    with premises.vault.read() as reading:
        stored = store.claim(reading, record.claim_id)
    assert stored is not None
    premises.sender.send_due()
    ((_, _, body),) = [each for each in premises.insurer.requests if each[0] == "POST"]
    assert body == stored.content["claim"].encode()
    assert decode_claim(body).claim_id == record.claim_id


def test_no_fault_of_a_service_holds_the_token(premises: Premises) -> None:
    premises.insurer.is_up = False
    claim_id = premises.shop.make(order()).claim_id
    premises.sender.send_due()
    assert canned.TOKEN not in repr(premises.shop.claim(claim_id))
    with pytest.raises(ServiceUnreachable) as failed:
        premises.insurer.client(premises.shop.insurer(INSURER)).health()
    assert canned.TOKEN not in str(failed.value)
