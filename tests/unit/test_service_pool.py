"""Micro-batches over real worker processes: grouping, faults, killed and hanging workers, the end.

The worker of `shared` serves most tests; those that stop a pool start one of their own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from circuits.canonical import encode_base64url
from circuits.claim import Claim
from circuits.contract import contract_digest
from tests.support import claims as samples
from tests.support.unruly import Deadly, NoClaim, Slow, Unsendable
from verifier_api.service.errors import ServiceError
from verifier_api.service.pool import GIVEN_UP, MAX_ATTEMPTS, RETRY_AFTER_SECONDS, ProofPool
from verifier_api.service.proofs import MAX_KEPT, ProofTask, ProofVerdict

CONTRACT_DIGEST = encode_base64url(contract_digest(samples.contract()))
TABLE_DIGEST = encode_base64url(samples.nomenclature().digest)
CONTRACT = "contract", samples.contract().model_dump_json().encode()
TABLE = "nomenclature", samples.nomenclature().to_bytes()

GOOD, _ = samples.sample_claim("line")
EQUIPMENT, _ = samples.sample_claim("equipment")
OTHER, _ = samples.claim_of(samples.sample_sale("line"))
BAD = GOOD.model_copy(update={"proof": OTHER.proof})
NO_GROUND = GOOD.model_copy(update={"early_renewal_ground": "because"})

START_SECONDS = 60
LINGER_MS = 100.0


def document(digest: str) -> tuple[str, bytes]:
    """The table under its digest, no document as "nothing", and else the contract, whatever its
    name: that a worker takes one for the other is none of the pool's business."""
    if digest == "nothing":
        raise KeyError(digest)
    return TABLE if digest == TABLE_DIGEST else CONTRACT


def task(claim: object, contract: str = CONTRACT_DIGEST) -> ProofTask:
    """A task; ``claim`` may be unruly."""
    return ProofTask(cast(Claim, claim), contract, TABLE_DIGEST)


class Bench:
    """A pool in its own event loop, and the batches that it told of."""

    def __init__(self, **options: Any) -> None:
        self.batches: list[int] = []
        self.runner = asyncio.Runner()
        chosen: dict[str, Any] = {
            "workers": 1,
            "queue_limit": 100,
            "batch_limit": 64,
            "linger_ms": LINGER_MS,
            "batch_seconds": 30.0,
        }
        self.pool = ProofPool(document, observe=self._observe, **chosen | options)

    def _observe(self, size: int, seconds: float) -> None:
        assert seconds > 0
        self.batches.append(size)

    def run(self, story: Callable[[], Awaitable[Any]]) -> Any:
        """What the story returns."""

        async def tell() -> Any:
            return await asyncio.wait_for(story(), START_SECONDS)

        return self.runner.run(tell())

    def judge(self, *claims: object) -> list[Any]:
        """The outcomes of all at once."""

        async def story() -> Any:
            asked = (self.pool.judge(task(claim)) for claim in claims)
            return await asyncio.gather(*asked, return_exceptions=True)

        return list(self.run(story))

    def close(self) -> None:
        self.run(self.pool.stop)
        self.runner.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Bench]:
    bench = Bench()
    bench.run(bench.pool.start)
    yield bench
    bench.close()


@pytest.fixture
def shared(running: Bench) -> Bench:
    """A pool with one worker, which nobody asks anything yet."""
    assert running.pool.depth == 0
    running.batches.clear()
    return running


def reasons(outcomes: list[Any]) -> list[str | None]:
    assert all(isinstance(outcome, ProofVerdict) for outcome in outcomes), outcomes
    return [outcome.reason for outcome in outcomes]


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# -- batches ------------------------------------------------------------------------------------


def test_a_lone_claim_waits_no_longer_than_it_may_linger(shared: Bench) -> None:
    shared.judge(GOOD)
    times = []
    for _ in range(3):
        start = time.monotonic()
        assert reasons(shared.judge(GOOD)) == [None]
        times.append(time.monotonic() - start)
    assert shared.batches == [1, 1, 1, 1]
    assert LINGER_MS / 1000 <= min(times) < 1


def test_what_comes_together_is_verified_together(shared: Bench) -> None:
    outcomes = shared.judge(*[GOOD, OTHER] * 5, EQUIPMENT)
    assert reasons(outcomes) == [None] * 11
    assert shared.batches == [11]
    assert outcomes[0].circuit_digest == outcomes[1].circuit_digest
    assert outcomes[10].circuit_digest != outcomes[0].circuit_digest


def test_what_comes_within_the_linger_joins(shared: Bench) -> None:
    async def story() -> list[ProofVerdict]:
        first = asyncio.create_task(shared.pool.judge(task(GOOD)))
        await asyncio.sleep(0.001)
        assert shared.pool.depth == 1
        second = asyncio.create_task(shared.pool.judge(task(OTHER)))
        return [await first, await second]

    assert reasons(shared.run(story)) == [None, None]
    assert shared.batches == [2]


def test_what_comes_while_the_worker_is_busy_makes_the_next_batch(shared: Bench) -> None:
    async def story() -> list[ProofVerdict]:
        busy = asyncio.create_task(shared.pool.judge(task(Slow(GOOD, 0.4))))
        await asyncio.sleep(0.2)
        waiting = []
        for _ in range(5):
            waiting.append(asyncio.create_task(shared.pool.judge(task(OTHER))))
            await asyncio.sleep(0.01)
        assert shared.pool.depth == 6
        return [await busy, *[await one for one in waiting]]

    assert reasons(shared.run(story)) == [None] * 6
    assert shared.batches == [1, 5]
    assert shared.pool.depth == 0


def test_the_bad_ones_are_named(shared: Bench) -> None:
    outcomes = shared.judge(GOOD, BAD, OTHER, NO_GROUND, BAD)
    assert reasons(outcomes) == [
        *(None, "proof_invalid", None),
        *("ground_not_allowed", "proof_invalid"),
    ]
    assert shared.batches == [5]


def test_whoever_has_gone_is_not_waited_for(shared: Bench) -> None:
    async def story() -> ProofVerdict:
        gone = asyncio.create_task(shared.pool.judge(task(GOOD)))
        stays = asyncio.create_task(shared.pool.judge(task(OTHER)))
        await asyncio.sleep(0.01)
        gone.cancel()
        return await stays

    assert shared.run(story).reason is None
    assert shared.batches == [1]


def test_if_all_have_gone_nothing_is_asked(shared: Bench) -> None:
    async def story() -> None:
        gone = asyncio.create_task(shared.pool.judge(task(GOOD)))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(2 * LINGER_MS / 1000)
        assert shared.pool.depth == 0

    shared.run(story)
    assert shared.batches == []
    assert reasons(shared.judge(GOOD)) == [None]


# -- documents ----------------------------------------------------------------------------------


def test_documents_that_the_worker_has_forgotten_are_sent_again(shared: Bench) -> None:
    names = [f"contract {number}" for number in range(MAX_KEPT + 1)]

    async def story() -> list[Any]:
        outcomes: list[Any] = [await shared.pool.judge(task(GOOD))]
        for start in range(0, len(names), 60):
            asked = [shared.pool.judge(task(NO_GROUND, name)) for name in names[start : start + 60]]
            outcomes += await asyncio.gather(*asked)
        outcomes.append(await shared.pool.judge(task(GOOD)))
        return outcomes

    told = reasons(shared.run(story))
    assert (told[0], told[-1]) == (None, None)
    assert set(told[1:-1]) == {"ground_not_allowed"}


def test_a_document_that_nobody_has_harms_its_own_claim_alone(shared: Bench) -> None:
    async def story() -> list[Any]:
        asked = [
            shared.pool.judge(task(GOOD)),
            shared.pool.judge(task(GOOD, "nothing")),
            shared.pool.judge(task(OTHER)),
        ]
        return await asyncio.gather(*asked, return_exceptions=True)

    good, lost, other = shared.run(story)
    assert reasons([good, other]) == [None, None]
    assert_given_up(lost)


# -- faults and deaths --------------------------------------------------------------------------


def assert_given_up(outcome: Any) -> None:
    assert isinstance(outcome, ServiceError)
    assert (outcome.code, outcome.reason) == ("overloaded", GIVEN_UP)
    assert outcome.retry_after == RETRY_AFTER_SECONDS


@pytest.mark.parametrize("unruly", [NoClaim(), Unsendable()])
def test_a_fault_with_one_claim_harms_it_alone(shared: Bench, unruly: object) -> None:
    before = shared.pool.process_ids()
    good, fault, other = shared.judge(GOOD, unruly, OTHER)
    assert reasons([good, other]) == [None, None]
    assert_given_up(fault)
    assert shared.pool.process_ids() == before


def test_the_others_get_their_verdicts_alone_after_a_fault(shared: Bench) -> None:
    shared.judge(GOOD, NoClaim(), BAD)
    assert shared.batches == [1, 1]


def test_a_worker_that_is_killed_at_work_is_replaced_and_its_claims_are_tried_again(
    shared: Bench,
) -> None:
    (killed,) = shared.pool.process_ids()
    restarts = shared.pool.restarts

    async def story() -> list[ProofVerdict]:
        slow = asyncio.create_task(shared.pool.judge(task(Slow(GOOD, 0.3))))
        bad = asyncio.create_task(shared.pool.judge(task(BAD)))
        await asyncio.sleep(0.2)
        os.kill(killed, signal.SIGKILL)
        return [await slow, await bad]

    assert reasons(shared.run(story)) == [None, "proof_invalid"]
    assert shared.pool.restarts == restarts + 1
    (fresh,) = shared.pool.process_ids()
    assert fresh != killed
    assert is_gone(killed)
    assert shared.pool.is_alive()
    assert shared.batches == [1, 1]


def test_a_worker_that_is_killed_idle_is_replaced_when_it_is_needed(shared: Bench) -> None:
    (killed,) = shared.pool.process_ids()
    restarts = shared.pool.restarts
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: is_gone(killed))
    assert reasons(shared.judge(GOOD, OTHER)) == [None, None]
    assert shared.pool.restarts == restarts + 1


def test_a_claim_that_kills_every_worker_harms_itself_alone(shared: Bench) -> None:
    restarts = shared.pool.restarts
    outcomes = shared.judge(GOOD, Deadly(), BAD, OTHER)
    assert_given_up(outcomes[1])
    assert reasons([outcomes[0], *outcomes[2:]]) == [None, "proof_invalid", None]
    assert shared.pool.restarts == restarts + MAX_ATTEMPTS
    assert reasons(shared.judge(GOOD)) == [None]
    assert shared.pool.depth == 0


def test_a_worker_that_hangs_is_replaced() -> None:
    bench = Bench(batch_seconds=1.5)
    bench.run(bench.pool.start)
    bench.judge(GOOD)
    (hanging,) = bench.pool.process_ids()
    good, slow = bench.judge(GOOD, Slow(OTHER, 30))
    assert reasons([good]) == [None]
    assert_given_up(slow)
    assert bench.pool.restarts == MAX_ATTEMPTS
    assert is_gone(hanging)
    assert reasons(bench.judge(OTHER)) == [None]
    bench.close()


# -- limits -------------------------------------------------------------------------------------


def test_so_many_at_most_are_verified_together() -> None:
    bench = Bench(workers=2, batch_limit=2, linger_ms=20.0)
    bench.run(bench.pool.start)
    first = bench.pool.process_ids()
    assert len(set(first)) == 2
    assert reasons(bench.judge(*[GOOD] * 7)) == [None] * 7
    assert sum(bench.batches) == 7
    assert max(bench.batches) == 2
    bench.close()
    assert bench.pool.process_ids() == []
    wait_until(lambda: all(map(is_gone, first)))


def test_more_than_may_wait_are_told_to_come_again() -> None:
    bench = Bench(queue_limit=2)  # not started: whoever is let in waits

    async def story() -> list[Any]:
        asked = [asyncio.create_task(bench.pool.judge(task(GOOD))) for _ in range(4)]
        await asyncio.sleep(0.01)
        assert bench.pool.depth == 2
        assert not bench.pool.is_alive()
        await bench.pool.stop()
        return await asyncio.gather(*asked, return_exceptions=True)

    outcomes = bench.run(story)
    assert [type(outcome) for outcome in outcomes] == [ServiceError] * 4
    assert {outcome.code for outcome in outcomes} == {"overloaded"}
    assert [outcome.detail for outcome in outcomes] == [
        *["the service is stopping"] * 2,
        *["too many claims are waiting"] * 2,
    ]
    assert {outcome.retry_after for outcome in outcomes} == {RETRY_AFTER_SECONDS}
    bench.runner.close()


def test_what_is_in_work_counts_too() -> None:
    bench = Bench(queue_limit=1, linger_ms=0.0)
    bench.run(bench.pool.start)

    async def story() -> list[Any]:
        slow = asyncio.create_task(bench.pool.judge(task(Slow(GOOD, 0.3))))
        await asyncio.sleep(0.1)
        with pytest.raises(ServiceError) as caught:
            await bench.pool.judge(task(GOOD))
        assert caught.value.code == "overloaded"
        return [await slow, await bench.pool.judge(task(GOOD))]

    assert reasons(bench.run(story)) == [None, None]
    bench.close()


# -- the end ------------------------------------------------------------------------------------


def test_a_stop_refuses_what_waits_and_what_is_in_work_and_leaves_no_process() -> None:
    bench = Bench(linger_ms=0.0)
    bench.run(bench.pool.start)
    (worker,) = bench.pool.process_ids()
    assert bench.pool.is_alive()

    async def story() -> list[Any]:
        slow = asyncio.create_task(bench.pool.judge(task(Slow(GOOD, 20))))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(bench.pool.judge(task(GOOD)))
        await asyncio.sleep(0.01)
        start = time.monotonic()
        await bench.pool.stop()
        assert time.monotonic() - start < 5
        return list(await asyncio.gather(slow, waiting, return_exceptions=True))

    for outcome in bench.run(story):
        assert isinstance(outcome, ServiceError)
        assert (outcome.code, outcome.detail) == ("overloaded", "the service is stopping")
    assert not bench.pool.is_alive()
    assert bench.pool.process_ids() == []
    wait_until(lambda: is_gone(worker))
    bench.runner.close()


def test_a_stop_before_the_start_does_nothing() -> None:
    bench = Bench()
    assert not bench.pool.is_alive()
    assert bench.pool.process_ids() == []
    bench.close()
