"""How often a passphrase or a code may be tried: slowly, and not for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

PAUSE_SECONDS: Final = 1.0
"""So long every failure keeps its caller waiting."""

MOST_FAILURES: Final = 10
CLOSED_SECONDS: Final = 60.0
"""After `MOST_FAILURES` in a row nothing is tried for so long."""


class TooManyAttempts(Exception):
    """Nothing is tried now. ``seconds`` says for how long."""

    def __init__(self, seconds: int) -> None:
        super().__init__("too many attempts")
        self.seconds = seconds


class Attempts:
    """One at a time, by whomever: there is one passphrase and one machine."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """``clock`` tells seconds that only go forward; ``pause`` waits for so many."""
        self._clock = clock
        self._pause = pause
        self._turn = threading.Lock()
        self._failures = 0
        self._closed_until = 0.0

    def attempt(self, try_it: Callable[[], bool]) -> bool:
        """What ``try_it`` answers; whatever it raises counts for nothing.

        Raises `TooManyAttempts`.
        """
        with self._turn:
            left = self._closed_until - self._clock()
            if left > 0:
                raise TooManyAttempts(int(left) + 1)
            if try_it():
                self._failures = 0
                return True
            self._failures += 1
            if self._failures >= MOST_FAILURES:
                self._failures = 0
                self._closed_until = self._clock() + CLOSED_SECONDS
            self._pause(PAUSE_SECONDS)
            return False
