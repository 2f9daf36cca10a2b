"""Tasks that harm the worker process that is sent them. What they do, they do when unpickled."""

from __future__ import annotations

import os
import time
from typing import Any

from circuits.claim import Claim


class Deadly:
    """In place of a claim: whichever process unpickles it, ends."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


class Slow:
    """In place of a claim: unpickling takes ``seconds`` and yields the claim."""

    def __init__(self, claim: Claim, seconds: float) -> None:
        self.claim = claim
        self.seconds = seconds

    def __reduce__(self) -> tuple[Any, ...]:
        return wait_for, (self.claim, self.seconds)


def wait_for(claim: Claim, seconds: float) -> Claim:
    """The claim, after a while."""
    time.sleep(seconds)
    return claim


class NoClaim:
    """In place of a claim: it can be sent, and has nothing of a claim."""


class Unsendable:
    """In place of a claim: it cannot be pickled at all."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("not to be sent")
