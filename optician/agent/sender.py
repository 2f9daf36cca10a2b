"""Sends what is due, hears what has become of claims, and of audits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from optician.agent.records import InsurerProfile
from optician.agent.shop import Shop

if TYPE_CHECKING:
    from optician.client import ServiceClient


@dataclass(frozen=True)
class Sent:
    """How many entries the insurers took, and how many they did not."""

    done: int = 0
    failed: int = 0


class Sender:
    """One at a time has an entry, whoever else works on the same vault. For one thread."""

    def __init__(
        self, shop: Shop, make_client: Callable[[InsurerProfile], ServiceClient] | None = None
    ) -> None:
        """``make_client``: how to reach an insurer; default: the shop's."""
        raise NotImplementedError

    def send_due(self, now: datetime | None = None, limit: int = 50) -> Sent:
        """Send what is due, oldest first; with it the news that is due (`poll`)."""
        raise NotImplementedError

    def send_claim(self, claim_id: str, seconds: float) -> None:
        """Send what of one claim is due, for so long at most."""
        raise NotImplementedError

    def poll(self, now: datetime | None = None, *, is_forced: bool = False) -> int:
        """Hear what has become of claims that the insurers decide on, and list the audits, as often
        as the settings say; how many changed."""
        raise NotImplementedError

    def next_due(self) -> datetime | None:
        """When there is something to do next; None if nothing is known."""
        raise NotImplementedError
