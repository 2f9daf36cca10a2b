"""What one token may ask: on average, at once, and at the same time."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from verifier_api.service.errors import ServiceError
from verifier_api.web import limits
from verifier_api.web.limits import FORGET_SECONDS, TokenLimits


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ask(bound: TokenLimits, token: str = "one") -> None:
    with bound.use(token):
        pass


def refusal(bound: TokenLimits, token: str = "one") -> ServiceError:
    with pytest.raises(ServiceError) as caught, bound.use(token):
        pass
    return caught.value


def test_a_burst_then_the_rate(clock: Clock) -> None:
    bound = TokenLimits(rate=2, burst=5, concurrency=10, clock=clock)
    for _ in range(5):
        ask(bound)
    assert refusal(bound).code == "too_many_requests"
    clock.now += 0.5
    ask(bound)
    assert refusal(bound).code == "too_many_requests"
    clock.now += 1.0
    for _ in range(2):
        ask(bound)
    assert refusal(bound).code == "too_many_requests"


def test_waiting_long_gives_back_no_more_than_the_burst(clock: Clock) -> None:
    bound = TokenLimits(rate=2, burst=3, concurrency=10, clock=clock)
    ask(bound)
    clock.now += 10_000
    for _ in range(3):
        ask(bound)
    assert refusal(bound).code == "too_many_requests"


@pytest.mark.parametrize(("rate", "seconds"), [(100.0, 1), (1.0, 1), (0.5, 2), (0.01, 100)])
def test_the_time_to_wait_is_enough(clock: Clock, rate: float, seconds: int) -> None:
    bound = TokenLimits(rate=rate, burst=1, concurrency=10, clock=clock)
    ask(bound)
    refused = refusal(bound)
    assert refused.retry_after == seconds
    clock.now += seconds
    ask(bound)


def test_a_refused_request_costs_nothing(clock: Clock) -> None:
    bound = TokenLimits(rate=1, burst=1, concurrency=1, clock=clock)
    ask(bound)
    for _ in range(100):
        refusal(bound)
    clock.now += 1
    ask(bound)


def test_only_so_many_at_the_same_time(clock: Clock) -> None:
    bound = TokenLimits(rate=100, burst=100, concurrency=2, clock=clock)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(bound.use("one"))
        refused = refusal(bound)
        assert refused.code == "too_many_at_once"
        assert refused.retry_after == 1
        assert "2" in refused.detail
        ask(bound, "another")
    ask(bound)


def test_a_request_that_fails_is_no_longer_in_work(clock: Clock) -> None:
    bound = TokenLimits(rate=100, burst=100, concurrency=1, clock=clock)
    with pytest.raises(ZeroDivisionError), bound.use("one"):
        raise ZeroDivisionError
    ask(bound)


def test_tokens_do_not_share(clock: Clock) -> None:
    bound = TokenLimits(rate=1, burst=1, concurrency=1, clock=clock)
    ask(bound, "one")
    ask(bound, "another")
    assert refusal(bound, "one").code == "too_many_requests"


def test_idle_tokens_are_forgotten_and_busy_ones_are_not(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_REMEMBERED", 10)
    bound = TokenLimits(rate=0.0001, burst=2, concurrency=1, clock=clock)
    with bound.use("busy"):
        for number in range(9):
            ask(bound, f"idle {number}")
        clock.now += FORGET_SECONDS + 1
        ask(bound, "fresh")
        assert set(bound._uses) == {"busy", "fresh"}
        assert refusal(bound, "busy").code == "too_many_at_once"
