"""A shop on a vault, and an insurer that is there or not, for tests of the agent.

The insurer judges nothing: it grants what is sent unless a test says otherwise, counts what
arrives, and answers the same bytes the same way, as the service does. It is asked in this process
(`FakeInsurer.client`) or over loopback (`answering`).
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

from circuits.attestation import Attestation
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import Claim, decode_claim
from circuits.contract import Contract, contract_digest
from circuits.notices import decode_cancellation, decode_invoice
from circuits.publication import Publication
from circuits.signed import decode_signed
from optician.agent.records import InsurerProfile
from optician.agent.sender import Sender
from optician.agent.shop import Shop
from optician.client import ServiceClient
from optician.order import SaleOrder, parse_order
from optician.vault import Passphrase, ScryptCost, Vault
from tests.support import claims as samples
from tests.support import service_answers as canned

URL = "http://127.0.0.1:9"
PASSPHRASE = "correct horse battery staple 42"
CHEAP = ScryptCost(n=2**10, r=8, p=1)

Answer = tuple[int, bytes]


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = samples.NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **duration: float) -> None:
        """Let time pass."""
        self.now += timedelta(**duration)


@dataclass
class FakeInsurer:
    """See module. ``told`` are answers to claims that come before what it would say by itself."""

    contract: Contract = field(default_factory=samples.contract)
    is_up: bool = True
    told: list[Answer] = field(default_factory=list)
    verdict: Callable[[Claim], dict[str, Any]] = canned.verdict
    states: dict[str, str] = field(default_factory=dict)
    audits: dict[str, dict[str, Any]] = field(default_factory=dict)
    recorded: dict[str, bytes] = field(default_factory=dict)
    arrivals: Counter[str] = field(default_factory=Counter)
    """How often each claim was recorded: what comes again with the same bytes is not."""
    publications: list[Publication] = field(default_factory=list)
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    retry_after: str | None = None
    before_answer: Callable[[str, str], None] = lambda method, path: None
    _verdicts: dict[str, bytes] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def client(self, profile: InsurerProfile) -> ServiceClient:
        """As `Shop` makes one, but in this process."""
        transport = httpx2.MockTransport(self._handle)
        return ServiceClient(profile.url, profile.token, retries=0, transport=transport)

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        if not self.is_up:
            raise httpx2.ConnectError("no line")
        target = request.url.raw_path.decode()
        status, content = self.answer(request.method, target, request.read())
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        return httpx2.Response(status, content=content, headers=headers)

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        """To one request."""
        path, _, query = target.partition("?")
        with self._lock:
            self.requests.append((method, path, body))
            answer = self._answer(method, path, query, body)
        self.before_answer(method, path)
        return answer

    def _answer(self, method: str, path: str, query: str, body: bytes) -> Answer:
        parts = path.strip("/").split("/")[1:]
        if (method, parts) == ("GET", ["contracts"]):
            return _json({"contracts": [self._entry()]})
        if method == "GET" and parts[0] == "contracts":
            return _json(self._entry() | {"document": self.contract.model_dump(mode="json")})
        if (method, parts) == ("GET", ["nomenclatures"]):
            return _json({"nomenclatures": [canned.nomenclature_entry()]})
        if method == "GET" and parts[0] == "publications":
            digest = query.removeprefix("digest=")
            named = [each for each in self.publications if each.digest == digest]
            return _json({"publications": [_publication_entry(each) for each in named]})
        if parts[0] == "audits":
            return self._audits(method, parts[1:], body)
        if (method, parts) == ("POST", ["claims"]):
            return self._submit(body)
        claim_id = parts[1]
        if claim_id not in self.recorded:
            return _json(canned.problem("not_found", 404), 404)
        claim = decode_claim(self.recorded[claim_id])
        if method == "GET":
            verdict = json.loads(self._verdicts[claim_id])
            state = self.states.get(claim_id, verdict["verdict"])
            more = {"verdict": verdict["verdict"], "reason": verdict["reason"], "state": state}
            return _json(canned.detail(claim) | more | {"verdict_answer": verdict})
        if parts[2] == "invoice":
            self.states[claim_id] = "payable"
            return _json(canned.invoiced(decode_invoice(body)))
        if parts[2] == "cancellation":
            decode_cancellation(body)
            self.states[claim_id] = "cancelled"
            return _json(canned.cancelled(claim_id))
        return _json(canned.attested(decode_signed(Attestation, body)))

    def _submit(self, body: bytes) -> Answer:
        if self.told:
            return self.told.pop(0)
        document = json.loads(body)
        data = canonical_bytes(document["claim"]) if "attestations" in document else body
        claim = decode_claim(data)
        known = self.recorded.get(claim.claim_id)
        if known is None:
            self.recorded[claim.claim_id] = data
            self.arrivals[claim.claim_id] += 1
            self._verdicts[claim.claim_id] = json.dumps(self.verdict(claim)).encode()
        elif known != data:
            return _json(canned.problem("claim_conflict", 409), 409)
        return 200, self._verdicts[claim.claim_id]

    def _audits(self, method: str, parts: list[str], body: bytes) -> Answer:
        if not parts:
            named = [_summary(detail) for detail in self.audits.values()]
            return _json({"audits": named, "next": None})
        detail = self.audits[parts[0]]
        if method == "GET":
            return _json(detail)
        reply = json.loads(body)
        is_refusal = reply["answer"]["answer"] == "refusal"
        detail |= {"state": "refused" if is_refusal else "answered"}
        return _json(_summary(detail))

    def _entry(self) -> dict[str, Any]:
        contract = self.contract
        return canned.contract_entry() | {
            "digest": encode_base64url(contract_digest(contract)),
            "contract_id": contract.contract_id,
            "insurer_id": contract.insurer_id,
        }


_ALONE = ("case", "answer", "outcome_document", "history")


def _summary(detail: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if name not in _ALONE}


def _publication_entry(publication: Publication) -> dict[str, Any]:
    document = publication.model_dump(mode="json")
    return {"recorded_at": canned.JUDGED_AT, "publication": document}


def _json(document: Any, status: int = 200) -> Answer:
    return status, json.dumps(document).encode()


@contextmanager
def answering(insurer: FakeInsurer) -> Iterator[str]:
    """The insurer on a free port of 127.0.0.1; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status, content = insurer.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


# -- the shop ---------------------------------------------------------------------------------


@dataclass
class Premises:
    """A shop with what a test needs around it."""

    vault: Vault
    shop: Shop
    sender: Sender
    insurer: FakeInsurer
    clock: Clock

    def reopened(self) -> Premises:
        """The same as another process would find it."""
        self.vault.close()
        return open_premises(self.vault.path, self.insurer, self.clock)


def open_premises(path: Path, insurer: FakeInsurer, clock: Clock) -> Premises:
    """On the vault that is there."""
    vault = Vault.open(path, Passphrase(PASSPHRASE))
    shop = Shop(vault, clock, insurer.client)
    return Premises(vault, shop, Sender(shop, sleep=_never), insurer, clock)


def _never(seconds: float) -> None:
    raise AssertionError(f"nothing was to be waited for ({seconds} s)")


def make_premises(
    folder: Path,
    insurer: FakeInsurer | None = None,
    *,
    url: str = URL,
    trust: bytes | None = None,
) -> Premises:
    """A vault with the sample optician's key, and an insurer whose documents were fetched."""
    insurer = insurer or FakeInsurer()
    path = folder / "shop.vault"
    Vault.create(path, Passphrase(PASSPHRASE), scrypt=CHEAP).close()
    premises = open_premises(path, insurer, Clock())
    premises.shop.import_identity(samples.identity().encode())
    premises.shop.put_insurer(
        insurer.contract.insurer_id, name="Exemple", url=url, token=canned.TOKEN, trust=trust
    )
    premises.shop.fetch_insurer(insurer.contract.insurer_id)
    return premises


def order_document(sale_id: str = "sale-1", **choices: Any) -> dict[str, Any]:
    """An order of point-of-sale software, as JSON data; ``choices`` as `sale_document`'s."""
    sale = samples.sale_document(**choices)
    return sale | {
        "sale_id": sale_id,
        "insurer_id": samples.contract().insurer_id,
        "contract_id": samples.contract().contract_id,
    }


def order(sale_id: str = "sale-1", **choices: Any) -> SaleOrder:
    """The same, parsed."""
    return parse_order(json.dumps(order_document(sale_id, **choices)).encode())
