"""An insurer and a shop with their pages, for a browser: real down to vault, database and workers.

Both run in this process, each on a port of its own, by one clock that goes on from
`tests.support.claims.NOW`, when the shipped table was in force. The shop reaches the insurer by
a line that a test can cut.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import httpx2
from sqlalchemy import Connection

from circuits.canonical import canonical_bytes
from circuits.claim import decode_claim
from circuits.signed import encode_signed
from optician.agent.sender import Sender
from optician.vault import Passphrase, ScryptCost, Vault
from optician.web.app import make_agent
from optician.web.keeper import Keeper
from tests.support import audits
from tests.support import claims as samples
from tests.support.browsing import Tab
from tests.support.relay import Relay
from tests.support.serving import address_of, free_port, served
from tests.support.web import OPTICIAN, RIGHTS_FROM, Insurer
from verifier_api.keys import parse_key_entries
from verifier_api.parties import Party
from verifier_api.service.administration import (
    COMMAND,
    Right,
    TokenRequest,
    add_rights,
    create_token,
    register_keys,
)
from verifier_api.store.database import Database

Result = TypeVar("Result")

PASSPHRASE = "lentilles et verres du comptoir"
QUICK = ScryptCost(n=2**14)
"""Little, so that a test that unlocks takes no second."""


PROGRESSIVE = {
    "right": {"sphere": "-2,25", "cylinder": "-0,50", "axis": "85", "addition": "2,00"},
    "left": {"sphere": "-3,00", "cylinder": "-0,75", "axis": "100", "addition": "2,00"},
}
"""A correction by eye, as people type it."""

LENS_PRICE, FRAME_PRICE = "219,50", "119,00"


def fill_in(tab: Tab, person: str, contract: str | None = None) -> None:
    """The form of a new claim, by correction, up to the page before sending."""
    page = tab.page
    if contract is not None:
        page.locator("#contract").select_option(contract)
    page.locator("#beneficiary").fill(person)
    page.locator("#lens_type").select_option("progressive")
    page.locator("#price_class").select_option("B")
    for eye, powers in PROGRESSIVE.items():
        for name, value in powers.items():
            page.locator(f"#{eye}_{name}").fill(value)
        page.locator(f"#{eye}_price").fill(LENS_PRICE)
    page.locator("#frame_class").select_option("M03")
    page.locator("#frame_price").fill(FRAME_PRICE)
    page.locator("form#sale button[type=submit]").click()
    page.wait_for_url("**/new/check")


class Clock:
    """The instant of the tests' world, which goes on; ``skip`` moves it forward."""

    def __init__(self, now: datetime = samples.NOW) -> None:
        self._now = now
        self._since = time.monotonic()

    def __call__(self) -> datetime:
        """The instant (UTC)."""
        return self._now + timedelta(seconds=time.monotonic() - self._since)

    def skip(self, **duration: float) -> None:
        """So much time passes at once."""
        self._now += timedelta(**duration)


@dataclass
class Office:
    """The insurer's side; ``url`` is its service's, pages and all."""

    insurer: Insurer
    url: str

    def insure(self, person: str) -> str:
        """Somebody gets rights under the contract; the reference again."""
        right = Right(
            beneficiary=person,
            contract_id=self.insurer.contract.contract_id,
            age_group="adult",
            valid_from=RIGHTS_FROM,
        )
        self._write(lambda connection, now: add_rights(connection, [right], COMMAND, now))
        return person

    def register(self, public_keys: bytes) -> str:
        """Take an optician's KEYS.json; a token for him."""
        keys = parse_key_entries(public_keys)
        request = TokenRequest(scope="optician", optician_id=keys[0].optician_id, label="shop")
        self._write(lambda connection, now: register_keys(connection, keys, COMMAND, now))
        made = self._write(lambda connection, now: create_token(connection, request, COMMAND, now))
        return made.token

    def open_audit(self, claim_id: str) -> str:
        """The auditor opens a case about the first line of a claim; its case_id."""
        with closing(sqlite3.connect(self.insurer.file)) as connection:
            query = "SELECT envelope FROM claims WHERE claim_id = ?"
            (envelope,) = connection.execute(query, (claim_id,)).fetchone()
        case = audits.case_on(
            decode_claim(bytes(envelope)),
            f"case-{secrets.token_hex(4)}",
            opened_at=self.insurer.service.clock(),
        )
        headers = {"Content-Type": "application/json"}
        answer = httpx2.post(
            f"{self.url}/v1/audits",
            content=encode_signed(case),
            headers=self.insurer.headers("auditor") | headers,
        )
        assert answer.status_code in (200, 201), answer.text
        return case.case_id

    def _write(self, act: Callable[[Connection, datetime], Result]) -> Result:
        database = Database(self.insurer.settings.database_url())
        try:
            with database.write() as connection:
                return act(connection, self.insurer.service.clock())
        finally:
            database.dispose()

    def log_in(self, tab: Tab, name: str = "reader") -> None:
        """Open the pages with the token of that name."""
        tab.go("/pages/login")
        tab.page.locator("input[name=token]").fill(self.insurer.tokens[name])
        tab.page.locator("main button[type=submit]").click()
        tab.page.wait_for_url("**/pages/")


@dataclass
class Storefront:
    """The shop's side; ``url`` is its local page's, ``line`` the way to the insurer."""

    keeper: Keeper
    url: str
    line: Relay
    clock: Clock
    vault_file: Path
    passphrase: str = field(default=PASSPHRASE, repr=False)

    def hear(self) -> None:
        """Ask the insurer for news now, not when it is time."""
        Sender(self.keeper.shop()).poll(is_forced=True)

    def unlock(self, tab: Tab) -> None:
        """Open the page with the passphrase."""
        tab.go("/lock")
        tab.page.locator("input[name=passphrase]").fill(self.passphrase)
        tab.page.locator("main button[type=submit]").click()
        tab.page.wait_for_url(self.url + "/")


@contextmanager
def office(folder: Path, clock: Clock) -> Iterator[Office]:
    """An insurer who knows the sample contract, two opticians, and `audits.party` as auditor."""
    trust = folder / "trust.json"
    trust.write_bytes(canonical_bytes(audits.trust_document(audits.party())))
    key = folder / "insurer.key"
    key.write_bytes(Party.generate("insurer", samples.contract().insurer_id).encode())
    insurer = Insurer(folder, has_workers=True, trust=trust, signing_key=key)
    insurer.service.clock = clock
    with served(insurer.app) as url:
        yield Office(insurer, url)


@contextmanager
def storefront(folder: Path, at: Office, clock: Clock) -> Iterator[Storefront]:
    """The shop of the insurer's first optician: key, insurer and documents are in its vault."""
    with ExitStack() as stack:
        line = Relay(at.url)
        stack.callback(line.close)
        path = folder / "shop.vault"
        Vault.create(path, Passphrase(PASSPHRASE), scrypt=QUICK).close()
        keeper = Keeper(path, source=Passphrase(PASSPHRASE), clock=clock, cost=QUICK)
        shop = keeper.shop()
        shop.import_identity(samples.identity(OPTICIAN).encode())
        contract = samples.contract()
        shop.put_insurer(
            contract.insurer_id,
            name="Mutuelle des Tests",
            url=line.url,
            token=at.insurer.tokens["optician"],
            trust=canonical_bytes(audits.trust_document(audits.party())),
        )
        shop.fetch_insurer(contract.insurer_id)
        opened = free_port()
        port = int(address_of(opened).rpartition(":")[2])
        url = stack.enter_context(served(make_agent(keeper, port), opened))
        yield Storefront(keeper, url, line, clock, path)
