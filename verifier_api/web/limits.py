"""How often and how much at once one token may ask: token bucket and a count, in memory.

Each process counts for itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from verifier_api.service.errors import ServiceError

FORGET_SECONDS = 600
MAX_REMEMBERED = 50_000


@dataclass
class _Use:
    allowance: float
    at: float
    in_work: int = 0


class TokenLimits:
    """``rate`` requests a second on average, ``burst`` at once, ``concurrency`` in work."""

    def __init__(
        self,
        rate: float,
        burst: int,
        concurrency: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._concurrency = concurrency
        self._clock = clock
        self._uses: dict[str, _Use] = {}

    @contextmanager
    def use(self, token_id: str) -> Iterator[None]:
        """One request of a token, in work until the block ends.

        Raises `ServiceError`: "too_many_requests", "too_many_at_once", with the time to wait.
        """
        now = self._clock()
        use = self._uses.get(token_id)
        if use is None:
            if len(self._uses) >= MAX_REMEMBERED:
                self._forget(now)
            use = self._uses[token_id] = _Use(float(self._burst), now)
        use.allowance = min(self._burst, use.allowance + (now - use.at) * self._rate)
        use.at = now
        if use.in_work >= self._concurrency:
            raise ServiceError(
                "too_many_at_once", f"at most {self._concurrency} at a time", retry_after=1
            )
        if use.allowance < 1:
            wait = math.ceil((1 - use.allowance) / self._rate)
            detail = f"at most {self._rate:g} a second, {self._burst} at once"
            raise ServiceError("too_many_requests", detail, retry_after=max(1, wait))
        use.allowance -= 1
        use.in_work += 1
        try:
            yield
        finally:
            use.in_work -= 1

    def _forget(self, now: float) -> None:
        idle = [
            name
            for name, use in self._uses.items()
            if not use.in_work and now - use.at > FORGET_SECONDS
        ]
        for name in idle:
            del self._uses[name]
