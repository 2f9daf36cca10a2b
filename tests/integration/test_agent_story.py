"""The shop and the insurer's own application: what the one sends, the other judges, and both agree.

The application runs in this process, with a real worker that verifies proofs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from circuits.claim import Claim, decode_claim
from circuits.signed import encode_signed
from optician.agent.records import InsurerProfile
from optician.agent.sender import Sender
from optician.agent.shop import Shop
from optician.client import ServiceClient
from optician.vault import Passphrase, Vault
from tests.support import bundles, publishing
from tests.support import claims as samples
from tests.support.shops import CHEAP, PASSPHRASE, URL, Clock, FakeInsurer, Premises, order
from tests.support.web import Caller, Insurer, serving

pytestmark = pytest.mark.integration

INSURER = samples.contract().insurer_id
TRUST = publishing.trust_bytes(bundles.party("auditor").public_entry())


class Bridge(httpx2.BaseTransport):
    """Hands the shop's requests to the application."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request."""
        answer = self._caller.request(
            request.method,
            request.url.raw_path.decode(),
            content=request.read(),
            headers={name: value for name, value in request.headers.items() if name != "host"},
        )
        headers = {"Content-Type": answer.headers["content-type"]}
        return httpx2.Response(answer.status_code, content=answer.content, headers=headers)


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    folder = tmp_path_factory.mktemp("insurer")
    (folder / "trust.json").write_bytes(TRUST)
    insurer = Insurer(folder, has_workers=True, trust=str(folder / "trust.json"))
    with serving(insurer) as started:
        yield started


@pytest.fixture
def premises(tmp_path: Path, caller: Caller) -> Iterator[Premises]:
    vault = Vault.create(tmp_path / "shop.vault", Passphrase(PASSPHRASE), scrypt=CHEAP)
    clock = Clock(caller.insurer.now)

    def make_client(profile: InsurerProfile) -> ServiceClient:
        return ServiceClient(profile.url, profile.token, retries=0, transport=Bridge(caller))

    shop = Shop(vault, clock, make_client)
    shop.import_identity(samples.identity().encode())
    token = caller.insurer.tokens["optician"]
    shop.put_insurer(INSURER, url=URL, token=token, trust=TRUST)
    shop.fetch_insurer(INSURER)
    yield Premises(vault, shop, Sender(shop), FakeInsurer(), clock)
    vault.close()


def detail(caller: Caller, claim_id: str) -> Any:
    """A claim as the insurer has it."""
    return caller.ask("GET", f"/v1/claims/{claim_id}").json()


def test_from_the_order_to_an_answered_audit(premises: Premises, caller: Caller) -> None:
    shop, sender = premises.shop, premises.sender
    claim_id = shop.make(order(statement="line")).claim_id
    assert sender.send_due().done == 1
    record = shop.claim(claim_id)
    assert record.state == detail(caller, claim_id)["state"] == "granted"

    equipment = shop.make(order("sale-2")).claim_id
    sender.send_claim(equipment, 0.0)
    shop.invoice(equipment, samples.DAY)
    sender.send_due()
    record = shop.claim(equipment)
    assert record.state == detail(caller, equipment)["state"] == "payable"
    assert record.invoiced == record.amounts

    # The same person again: too early without a ground, the insurer's to decide with one.
    early = shop.make(order("sale-3")).claim_id
    sender.send_due()
    record = shop.claim(early)
    assert (record.state, record.reason) == ("refused", "renewal_too_early")
    assert record.reason_titles is not None
    assert record.next_step is not None
    grounded = order("sale-4", early_renewal_ground="change_of_vision")
    undecided = shop.make(grounded).claim_id
    sender.send_due()
    assert shop.claim(undecided).state == "sent"
    decision = {"decision": "grant", "note": ""}
    caller.ask("POST", f"/v1/claims/{undecided}/decision", document=decision)
    assert sender.poll(is_forced=True) == 1
    assert shop.claim(undecided).state == "granted"
    shop.cancel(undecided)
    sender.send_due()
    assert shop.claim(undecided).state == detail(caller, undecided)["state"] == "cancelled"

    with premises.vault.read() as reading:
        from optician.agent import store

        stored = store.claim(reading, claim_id)
    assert stored is not None
    _audit(premises, caller, decode_claim(stored.content["claim"].encode()))
    assert shop.queue() == []
    assert premises.vault.check() == []


def _audit(premises: Premises, caller: Caller, claim: Claim) -> None:
    """An auditor asks for the code of the claim's line, and the shop answers."""
    now = premises.clock.now
    case = bundles.make_case(
        claim,
        slots=("code",),
        ground="delivered_not_as_invoiced",
        opened_at=now,
        answer_by=now + timedelta(days=15),
        erase_at=now + timedelta(days=30),
    )
    opened = caller.ask("POST", "/v1/audits", "auditor", body=encode_signed(case))
    assert opened.status_code in (200, 201), opened.content
    assert premises.sender.poll(is_forced=True) == 1
    (record,) = premises.shop.audits()
    assert record.state == "open"
    view = premises.shop.audit(record.case_id)
    assert (view.obstacle, view.is_auditor_trusted) == (None, True)
    assert view.revealed == {"code": samples.row_of("VM4").code}
    premises.shop.answer_audit(record.case_id)
    assert premises.sender.send_due().done == 1
    (record,) = premises.shop.audits()
    assert record.state == "answered"
    told = caller.ask("GET", f"/v1/audits/{record.case_id}", "auditor").json()
    assert told["state"] == "answered"


def test_a_revoked_token_waits_for_somebody(premises: Premises, caller: Caller) -> None:
    premises.shop.put_insurer(INSURER, token=caller.insurer.tokens["expired"])
    claim_id = premises.shop.make(order("sale-9", statement="line")).claim_id
    premises.sender.send_due()
    record = premises.shop.claim(claim_id)
    assert record.problem is not None
    assert (record.problem.code, record.problem.is_passing) == ("token_invalid", False)
    premises.shop.put_insurer(INSURER, token=caller.insurer.tokens["optician"])
    premises.shop.retry(claim_id)
    premises.sender.send_due()
    assert premises.shop.claim(claim_id).state == "granted"
