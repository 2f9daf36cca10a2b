"""Servers and workers killed at random moments under load, and started again on the same data.

Several opticians' clients claim, invoice, cancel and repeat themselves while the server is killed
(SIGKILL); each keeps every answer that it has seen. Afterwards every answer is still given, byte
for byte; what was not answered gets one answer when it is sent again; and the database's own check
finds nothing. `CLAIROBSCUR_KILLS` says how often, on each kind of database.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import pytest

from circuits.claim import Claim, encode_claim
from circuits.notices import encode_cancellation, encode_invoice
from optician.notices import make_cancellation, make_invoice
from tests.integration.conftest import MakeStore, StartServer
from tests.support import claims as samples
from tests.support.insurer import Insurer, Optician
from tests.support.remade import resigned
from tests.support.server import Server, is_running

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("CLAIROBSCUR_KILLS", "2"))
SEED = int(os.environ.get("CLAIROBSCUR_KILL_SEED", "20201005"))
CLIENTS = 4
CLAIMS_A_KILL = 30
"""New claims of each client before each kill; it repeats itself when they are used up."""

RESTART_SECONDS = 15
"""On a machine that does much else; alone it takes about one."""

Request = tuple[str, bytes]
"""Path and body of a POST."""


@dataclass
class Shop:
    """One client and what it remembers."""

    optician: Optician
    chance: random.Random
    answers: dict[Request, bytes] = field(default_factory=dict)
    recent: list[Request] = field(default_factory=list)
    unanswered: list[Request] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    fresh: list[tuple[Claim, list[Request]]] = field(default_factory=list)

    def prepare(self, insurer: Insurer) -> None:
        """Claims for the next round, some of which will be refused, and what follows some."""
        identity = self.optician.identity
        people = insurer.new_beneficiaries(4)
        for _ in range(CLAIMS_A_KILL):
            kind = self.chance.random()
            statement = "equipment" if kind < 0.2 else "pair" if kind < 0.3 else "line"
            claim = insurer.claim(
                statement,  # type: ignore[arg-type]
                by=self.optician,
                beneficiary=self.chance.choice(people),
            )
            if kind > 0.9:
                claim = resigned(claim, identity, insurer_id="another-insurer")
            root = f"/v1/claims/{claim.claim_id}"
            then = self.chance.random()
            following: list[Request] = []
            if then < 0.4:
                invoice = make_invoice(claim, identity, samples.DAY)
                following = [(f"{root}/invoice", encode_invoice(invoice))]
            elif then < 0.6:
                cancellation = make_cancellation(claim, identity)
                following = [(f"{root}/cancellation", encode_cancellation(cancellation))]
            self.fresh.append((claim, following))

    def work(self, server: Server, is_over: threading.Event) -> None:
        """Ask, until it is over or the server does not answer any more."""
        address = urlsplit(server.url)
        assert address.hostname is not None
        with closing(HTTPConnection(address.hostname, address.port, timeout=60)) as connection:
            while not is_over.is_set():
                for request in self._next():
                    if not self._ask(connection, request):
                        return

    def _next(self) -> list[Request]:
        if self.fresh and (not self.answers or self.chance.random() < 0.8):
            claim, following = self.fresh.pop()
            return [("/v1/claims", encode_claim(claim)), *following]
        if self.answers:
            return [self.chance.choice(list(self.answers))]
        return []

    def _ask(self, connection: HTTPConnection, request: Request) -> bool:
        path, body = request
        headers = {
            "Authorization": f"Bearer {self.optician.token}",
            "Content-Type": "application/json",
        }
        try:
            connection.request("POST", path, body, headers)
            reply = connection.getresponse()
            content = reply.read()
        except (OSError, HTTPException):
            self.unanswered.append(request)
            return False
        self._take(request, reply.status, content)
        return True

    def _take(self, request: Request, status: int, content: bytes) -> None:
        before = self.answers.get(request)
        if status == 200:
            if before is None:
                self.answers[request] = content
                self.recent.append(request)
            elif before != content:
                self.differences.append(f"{request[0]}: {before!r}, then {content!r}")
        elif status == 503:  # it may have lost three workers, asked for the first time or again
            self.unanswered.append(request)
        elif before is not None or status not in (404, 409):
            self.differences.append(f"{request[0]}: {before!r}, then {status}")
        # Else a notice of a claim that is not there, or whose state does not allow it.

    def ask_again(self, server: Server, *, for_everything: bool = False) -> None:
        """What was answered since the last time, or ever, and what was not: that must be now."""
        requests = [*(self.answers if for_everything else self.recent), *self.unanswered]
        self.unanswered, self.recent = [], []
        address = urlsplit(server.url)
        assert address.hostname is not None
        with closing(HTTPConnection(address.hostname, address.port, timeout=60)) as connection:
            for request in requests:
                assert self._ask(connection, request), request[0]
        assert self.unanswered == []
        assert self.differences == []


@contextmanager
def under_load(shops: list[Shop], server: Server) -> Iterator[None]:
    """All clients at work while the block runs."""
    is_over = threading.Event()
    with ThreadPoolExecutor(len(shops)) as pool:
        working = [pool.submit(shop.work, server, is_over) for shop in shops]
        try:
            yield
        finally:
            is_over.set()
        for work in working:
            work.result()


def wait_for_end(pids: list[int], seconds: float = 10) -> None:
    """Workers notice by themselves that their server is gone."""
    end = time.monotonic() + seconds
    while any(map(is_running, pids)):
        assert time.monotonic() < end, "processes of a killed server go on"
        time.sleep(0.02)


def require_all_is_there(server: Server, shops: list[Shop]) -> None:
    """Every answer that was seen is given again; every claim is recorded once; all fits."""
    for shop in shops:
        shop.ask_again(server, for_everything=True)
        shop.ask_again(server, for_everything=True)  # twice, for what was answered just now
    for shop in shops:
        sent = sum(map(is_claim, shop.answers))
        recorded = [entry.claim_id for entry in server.client(shop.optician.token).claims()]
        assert len(recorded) == len(set(recorded)) == sent
    report = server.store.check()
    assert report["problems"] == []
    assert report["claims"] == sum(is_claim(request) for shop in shops for request in shop.answers)
    if server.store.kind == "sqlite":
        assert server.store.sql("PRAGMA integrity_check") == [("ok",)]
        assert server.store.sql("PRAGMA foreign_key_check") == []


def is_claim(request: Request) -> bool:
    return request[0] == "/v1/claims"


def open_shops(insurer: Insurer, seed: int) -> list[Shop]:
    return [
        Shop(insurer.new_optician(), random.Random(f"{seed}/{number}")) for number in range(CLIENTS)
    ]


def test_killed_servers_lose_nothing_that_was_answered(
    make_store: MakeStore, start: StartServer
) -> None:
    chance = random.Random(SEED)
    store = make_store()
    server = start(store)
    insurer = Insurer(server)
    shops = open_shops(insurer, SEED)
    interrupted = 0
    for _ in range(KILLS):
        for shop in shops:
            shop.prepare(insurer)
        with under_load(shops, server):
            time.sleep(chance.uniform(0.02, 0.6))
            family = server.family()
            assert len(family) >= 2  # the server and a worker at least
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
        interrupted += sum(len(shop.unanswered) for shop in shops)
        wait_for_end(family)
        token = server.admin_token
        server.kill()  # which closes its clients
        server = start(store, token)
        assert server.start_seconds < RESTART_SECONDS
        insurer.server = server
        for shop in shops:
            shop.ask_again(server)
    require_all_is_there(server, shops)
    # The kills came while work was being done: every client was cut off each time.
    assert interrupted >= KILLS * CLIENTS
    assert all(len(shop.answers) > KILLS for shop in shops)


def test_killed_workers_lose_no_claim(make_store: MakeStore, start: StartServer) -> None:
    """The server goes on; a claim may have to be sent again, if it lost three workers."""
    chance = random.Random(SEED + 1)
    store = make_store()
    server = start(store, workers=2)
    insurer = Insurer(server)
    shops = open_shops(insurer, SEED + 1)
    killed: list[int] = []
    for _ in range(KILLS):
        for shop in shops:
            shop.prepare(insurer)
        with under_load(shops, server):
            for _ in range(chance.randint(1, 4)):
                time.sleep(chance.uniform(0.0, 0.3))
                workers = server.worker_ids()
                if workers:
                    victim = chance.choice(workers)
                    os.kill(victim, signal.SIGKILL)
                    killed.append(victim)
            time.sleep(chance.uniform(0.0, 0.2))
        for shop in shops:
            shop.ask_again(server)
    assert len(killed) >= KILLS
    require_all_is_there(server, shops)
    family = server.family()
    server.stop()
    wait_for_end([*family, *killed])
