"""The shop's page without a server: the application, and a browser's headers and cookies.

The insurer is `tests.support.shops.FakeInsurer`, the clock stands at `tests.support.claims.NOW`.
Nothing is sent until somebody calls `Keeper.tick`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.testclient import TestClient

from optician.agent.sender import Sender
from optician.agent.shop import Shop
from optician.vault import Passphrase
from optician.web.app import make_agent
from optician.web.attempts import Attempts
from optician.web.keeper import Keeper
from tests.support import claims as samples
from tests.support.shops import CHEAP, PASSPHRASE, Clock, FakeInsurer, make_premises

PORT: Final = 8767
ORIGIN: Final = f"http://127.0.0.1:{PORT}"

SALE_FIELDS: Final[Mapping[str, str]] = {
    "kind": "whole",
    "contract": "ocam-exemple/responsable-2020",
    "date": "05/10/2020",
    "beneficiary": samples.BENEFICIARY,
    "sale_id": "V-118",
    "lens_type": "progressive",
    "price_class": "A",
    "right_sphere": "-2,25",
    "right_cylinder": "-0,50",
    "right_axis": "85",
    "right_addition": "2,00",
    "right_price": "150",
    "left_sphere": "-3,00",
    "left_cylinder": "-0,75",
    "left_axis": "100",
    "left_addition": "2",
    "left_price": "149,50",
    "frame_class": "M03",
    "frame_price": "119 €",
}
"""What somebody fills in who claims by correction."""


class Seconds:
    """A clock that only goes forward, and only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@dataclass
class Counter:
    """A shop with its page; ``told`` is what the terminal was told."""

    keeper: Keeper
    insurer: FakeInsurer
    clock: Clock
    seconds: Seconds
    told: list[tuple[str, str]]
    app: Starlette

    def visitor(self, language: str = "en") -> Visitor:
        """A browser that nobody has signed in."""
        return Visitor(self.app, language)

    def signed_in(self, language: str = "en") -> Visitor:
        """One that has shown the passphrase."""
        visitor = self.visitor(language)
        assert visitor.sign_in().status_code == 303
        return visitor

    def claim(self, visitor: Visitor, **changes: str) -> str:
        """A claim through the pages, sent; its claim_id."""
        answer = visitor.submit("/new", {**SALE_FIELDS, **changes}, page="/new")
        assert answer.status_code == 303, answer.text
        sent = visitor.submit("/new/send", {}, page="/new/check")
        self.keeper.tick()
        return str(sent.headers["location"]).rpartition("/")[2]


def make_counter(
    folder: Path, *, is_open: bool = True, has_vault: bool = True, **more: Any
) -> Counter:
    """A shop whose vault has key, insurer and documents; ``is_open``: it begins unlocked."""
    insurer, clock, seconds = FakeInsurer(), Clock(), Seconds()
    if has_vault:
        make_premises(folder, insurer).vault.close()
    told: list[tuple[str, str]] = []
    keeper = Keeper(
        folder / "shop.vault",
        source=Passphrase(PASSPHRASE) if is_open and has_vault else None,
        clock=clock,
        monotonic=seconds,
        announce=lambda key, text: told.append((key, text)),
        make_shop=lambda vault: Shop(vault, clock, insurer.client),
        make_sender=lambda shop: Sender(shop, insurer.client),
        attempts=Attempts(seconds, pause=lambda _seconds: None),
        cost=CHEAP,
        **more,
    )
    return Counter(keeper, insurer, clock, seconds, told, make_agent(keeper, PORT))


class Visitor(TestClient):
    """A browser as far as headers and cookies go; it runs no script and follows nothing."""

    def __init__(self, app: Starlette, language: str) -> None:
        super().__init__(app, ORIGIN, raise_server_exceptions=False, follow_redirects=False)
        self.headers["Accept-Language"] = language

    def token(self, page: str) -> str:
        """That of the forms on a page."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(page).text)
        assert found is not None, page
        return found[1]

    def submit(self, path: str, fields: Mapping[str, str], page: str = "/settings") -> Any:
        """POST the form of a page, as the page would."""
        data = {"csrf": self.token(page), **fields}
        return self.post(path, data=data, headers={"Origin": ORIGIN})

    def sign_in(self, passphrase: str = PASSPHRASE) -> Any:
        """As the page asks for it."""
        return self.submit("/unlock", {"passphrase": passphrase}, page="/lock")
