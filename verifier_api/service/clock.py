"""The service's clock: deadlines pass as time passes, whatever is done to the machine's wall clock.

It is the wall clock of the start, plus the time that has elapsed since by a clock that nobody can
set and that goes on while the machine sleeps. Small corrections of the wall clock are followed, as
a time service makes them; a jump is not. So nobody makes an answer late, or a seal outlive its
deadline, by setting a clock, and a fault of the time service decides nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

FOLLOWED_SECONDS = 60.0
"""A wall clock that is further away than this has jumped."""

ANCHOR_SECONDS = 86_400.0
"""Differences are counted from an anchor that is set anew this often while the clocks agree: what
a wall clock can move the service by is `FOLLOWED_SECONDS` in so long, however it creeps."""

JUMPED = "clock_jumped"
AGREES = "clock_agrees"

Tell = Callable[[str, float], None]
"""Gets `JUMPED` or `AGREES`, and by how many seconds the wall clock is ahead."""


def steady_seconds() -> float:
    """Seconds since some moment, time asleep included where the system can count it (Linux)."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def wall_seconds() -> float:
    """Seconds since 1970 as the machine's clock says."""
    return time.time()


def _tell_nobody(_event: str, _seconds: float) -> None:
    """Where nobody asks."""


class SteadyClock:
    """See module docstring. Called, it gives the instant (UTC), which never goes back; any thread
    may ask."""

    def __init__(
        self,
        latest: datetime | None = None,
        tell: Tell = _tell_nobody,
        *,
        wall: Callable[[], float] = wall_seconds,
        steady: Callable[[], float] = steady_seconds,
    ) -> None:
        """``latest`` is the latest instant that was recorded: a wall clock that is more than
        `FOLLOWED_SECONDS` behind it is not believed, and time goes on from there."""
        self._tell = tell
        self._wall = wall
        self._steady = steady
        self._lock = threading.Lock()
        self._anchor_steady = steady()
        self._anchor_wall = wall()
        if latest is not None and latest.timestamp() - self._anchor_wall > FOLLOWED_SECONDS:
            self._anchor_wall = latest.timestamp()
        self._followed = 0.0
        self._last = self._anchor_wall
        self._is_agreeing = True

    def __call__(self) -> datetime:
        """The instant."""
        with self._lock:
            event, ahead = self._look()
            now = self._last
        if event is not None:
            self._tell(event, ahead)
        return datetime.fromtimestamp(now, UTC)

    def is_agreeing(self) -> bool:
        """Whether the wall clock agrees, now."""
        self()
        return self._is_agreeing

    def _look(self) -> tuple[str | None, float]:
        """Go on; what is to be told, and by how much the wall clock is ahead."""
        steady, wall = self._steady(), self._wall()
        expected = self._anchor_wall + (steady - self._anchor_steady)
        ahead = wall - expected
        is_agreeing = abs(ahead) <= FOLLOWED_SECONDS
        if is_agreeing:
            self._followed = ahead
        # Otherwise on from what was followed so far: a jump moves nothing in either direction.
        self._last = max(self._last, expected + self._followed)
        if is_agreeing and steady - self._anchor_steady >= ANCHOR_SECONDS:
            self._anchor_wall, self._anchor_steady, self._followed = wall, steady, 0.0
        event = None if is_agreeing == self._is_agreeing else AGREES if is_agreeing else JUMPED
        self._is_agreeing = is_agreeing
        return event, ahead
