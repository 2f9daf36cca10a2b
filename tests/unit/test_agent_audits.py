"""Audits and attestations through the shop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.attestation import Attestation, AttestationRequest
from circuits.audit import AuditCase, audit_purpose, decode_reply, unseal_opening
from circuits.claim import Claim, decode_claim
from circuits.opening import RevealedValues
from circuits.signed import decode_signed, encode_signed, make_signed
from circuits.trust import PartyRole
from console.calls import ServiceUnreachable
from optician.agent.errors import ShopError
from optician.agent.sender import Sender
from optician.agent.shop import Shop
from tests.support import bundles, publishing
from tests.support import claims as samples
from tests.support import service_answers as canned
from tests.support.shops import FakeInsurer, Premises, make_premises, order, order_document
from verifier_api.openings import verify_line_opening

INSURER = samples.contract().insurer_id
CASE = "case-1"


@pytest.fixture
def premises(tmp_path: Path) -> Iterator[Premises]:
    made = make_premises(tmp_path, trust=trust_list("auditor", "attester"))
    yield made
    made.vault.close()


def trust_list(*roles: PartyRole) -> bytes:
    """The shop's own."""
    return publishing.trust_bytes(*(bundles.party(role).public_entry() for role in roles))


def claimed(premises: Premises, sale_id: str = "sale-1") -> Claim:
    """A granted claim."""
    claim_id = premises.shop.make(order(sale_id)).claim_id
    premises.sender.send_due()
    return decode_claim(premises.insurer.recorded[claim_id])


def open_case(premises: Premises, claim: Claim, **changes: Any) -> AuditCase:
    """An auditor asks; the sender hears of it. The clock stands after it was opened."""
    case = bundles.make_case(claim, **changes)
    premises.insurer.audits[CASE] = canned.audit_detail(case)
    premises.clock.now = case.opened_at + timedelta(hours=1)
    premises.sender.poll(is_forced=True)
    return case


def code_of(error: pytest.ExceptionInfo[ShopError]) -> str:
    return error.value.code


# -- audits ---------------------------------------------------------------------------------------


def test_the_optician_sees_what_an_answer_would_reveal(premises: Premises) -> None:
    case = open_case(premises, claimed(premises))
    (record,) = premises.shop.audits()
    assert (record.case_id, record.state, record.answer_by) == (CASE, "open", case.answer_by)
    view = premises.shop.audit(CASE)
    sold = order_document()["right_lens"]
    assert view.revealed == {"code": sold["code"], "price": sold["price_cents"]}
    assert view.hidden == ("date", "correction")
    assert (view.role, view.obstacle, view.is_auditor_trusted) == ("right_lens", None, True)
    assert str(sold["code"]) not in repr(view)
    history = premises.shop.claim(record.claim_id).history
    assert [event.kind for event in history] == ["made", "verdict", "audit_opened"]


def test_an_answer_opens_just_what_was_asked_for(premises: Premises) -> None:
    claim = claimed(premises)
    case = open_case(premises, claim)
    waiting = premises.shop.answer_audit(CASE)
    assert (waiting.waiting, waiting.state) == ("opening", "open")
    assert premises.shop.answer_audit(CASE).waiting == "opening"  # once more does no harm
    premises.sender.send_due()
    (record,) = premises.shop.audits()
    assert (record.state, record.waiting) == ("answered", None)
    ((_, _, body),) = [each for each in premises.insurer.requests if each[1].endswith("/answer")]
    reply = decode_reply(body)
    assert reply.sealed is not None
    opening = unseal_opening(reply.sealed, case, bundles.recipient_key())
    values: RevealedValues = verify_line_opening(
        samples.generators(), claim, opening, audit_purpose(case)
    )
    assert values.names == ("code", "price")
    assert values.code == order_document()["right_lens"]["code"]
    with pytest.raises(ShopError) as refused:
        premises.shop.answer_audit(CASE)
    assert code_of(refused) == "audit_refused"


def test_a_refusal_is_signed_and_sent(premises: Premises) -> None:
    open_case(premises, claimed(premises))
    with pytest.raises(ShopError) as refused:
        premises.shop.refuse_audit(CASE, "two\nlines")
    assert refused.value.places == ("reason",)
    assert premises.shop.refuse_audit(CASE, "the patient objects").waiting == "refusal"
    premises.sender.send_due()
    assert premises.shop.audits()[0].state == "refused"


def test_an_answer_that_was_sent_for_sure_is_not_replaced(premises: Premises) -> None:
    open_case(premises, claimed(premises))
    premises.shop.answer_audit(CASE)
    premises.insurer.is_up = False
    premises.sender.send_due()
    with pytest.raises(ShopError) as refused:
        premises.shop.refuse_audit(CASE, "changed my mind")
    assert code_of(refused) == "audit_refused"
    assert premises.shop.audits()[0].waiting == "opening"


def test_an_answer_waits_offline(premises: Premises) -> None:
    open_case(premises, claimed(premises))
    premises.shop.audit(CASE)
    premises.insurer.is_up = False
    premises.shop.answer_audit(CASE)
    premises.sender.send_due()
    (record,) = premises.shop.audits()
    assert record.problem is not None
    premises.insurer.is_up = True
    premises.clock.move(seconds=5)
    premises.sender.send_due()
    assert premises.shop.audits()[0].state == "answered"


def test_an_audit_does_not_wait_for_a_claim_that_is_stuck(premises: Premises) -> None:
    claim = claimed(premises)
    open_case(premises, claim)
    premises.shop.answer_audit(CASE)
    with premises.vault.write() as writing:
        writing.connection.execute("UPDATE outbox SET sequence = sequence + 10")
        from optician.agent import store

        store.add_to_outbox(writing, claim.claim_id, "invoice", None, {"data": ""})
    assert premises.sender.send_due().done == 1
    assert premises.shop.audits()[0].state == "answered"


def forged(case: AuditCase) -> AuditCase:
    """The same, signed by somebody whom the shop does not know."""
    stranger = bundles.party("auditor", "auditor-1", number=7)
    fields = {name: getattr(case, name) for name in AuditCase.model_fields}
    for name in ("format_version", "key_id", "signature"):
        fields.pop(name, None)
    return make_signed(AuditCase, stranger.signing_key, **fields)


def test_an_auditor_who_is_not_trusted_gets_nothing(premises: Premises) -> None:
    claim = claimed(premises)
    case = forged(bundles.make_case(claim))
    premises.insurer.audits[CASE] = canned.audit_detail(case)
    premises.clock.now = case.opened_at + timedelta(hours=1)
    premises.sender.poll(is_forced=True)
    view = premises.shop.audit(CASE)
    assert view.is_auditor_trusted is False
    assert view.obstacle is not None
    with pytest.raises(ShopError) as refused:
        premises.shop.answer_audit(CASE)
    assert code_of(refused) == "audit_refused"
    assert premises.shop.queue() == []


def test_another_line_than_was_committed_to_is_not_opened(premises: Premises) -> None:
    claim = claimed(premises)
    open_case(premises, claim, commitment=claim.lines[1].commitment)
    with pytest.raises(ShopError) as refused:
        premises.shop.answer_audit(CASE)
    assert code_of(refused) == "audit_refused"


def test_too_late_is_too_late(premises: Premises) -> None:
    case = open_case(premises, claimed(premises))
    premises.clock.now = case.answer_by + timedelta(seconds=1)
    assert premises.shop.audit(CASE).obstacle is not None
    with pytest.raises(ShopError) as refused:
        premises.shop.answer_audit(CASE)
    assert code_of(refused) == "audit_refused"


def test_without_a_trust_list_no_audit_is_answered(tmp_path: Path) -> None:
    premises = make_premises(tmp_path)
    open_case(premises, claimed(premises))
    view = premises.shop.audit(CASE)
    assert view.obstacle is not None
    assert view.is_auditor_trusted is None
    with pytest.raises(ShopError) as refused:
        premises.shop.answer_audit(CASE)
    assert code_of(refused) == "trust_missing"
    premises.vault.close()


def test_an_open_audit_keeps_openings_from_being_erased(premises: Premises) -> None:
    premises.shop.change_settings(keep_days=1)
    claim = claimed(premises)
    other = premises.shop.make(order("sale-2")).claim_id
    open_case(premises, claim)
    premises.clock.move(days=5)
    assert premises.shop.erase_due() == [other]
    premises.shop.answer_audit(CASE)
    premises.sender.send_due()
    assert premises.shop.erase_due() == [claim.claim_id]
    view = premises.shop.audit(CASE)
    assert view.revealed is None


def test_an_audit_of_erased_openings_can_only_be_refused(premises: Premises) -> None:
    premises.shop.change_settings(keep_days=0)
    claim = claimed(premises)
    assert premises.shop.erase_due() == [claim.claim_id]
    open_case(premises, claim)
    assert premises.shop.audit(CASE).obstacle is not None
    with pytest.raises(ShopError) as refused:
        premises.shop.answer_audit(CASE)
    assert code_of(refused) == "openings_erased"
    assert premises.shop.refuse_audit(CASE, "erased when its time was over").waiting == "refusal"


def test_an_audit_without_the_line_shows_what_is_here(premises: Premises) -> None:
    open_case(premises, claimed(premises))
    premises.insurer.is_up = False
    view = premises.shop.audit(CASE)
    assert view.revealed is not None
    assert view.is_auditor_trusted is None
    with pytest.raises(ShopError) as refused:
        premises.shop.answer_audit(CASE)
    assert code_of(refused) == "unreachable"
    with pytest.raises(ShopError) as refused:
        premises.shop.audit("nothing")
    assert code_of(refused) == "audit_unknown"


# -- attestations ---------------------------------------------------------------------------------


class Attester:
    """Attests whatever it is asked for, unless it is told otherwise."""

    def __init__(self, premises: Premises, **changes: Any) -> None:
        self.premises = premises
        self.changes = changes
        self.asked: list[AttestationRequest] = []

    def __call__(self, request: AttestationRequest, url: str, **choices: Any) -> Attestation:
        self.asked.append(request)
        now = self.premises.clock.now
        opening = request.opening
        facts: dict[str, Any] = {
            "attester_id": request.attester_id,
            "claim_id": opening.claim_id,
            "claim_digest": request.claim_digest,
            "line": opening.line,
            "commitment": opening.commitment,
            "attested": tuple(sorted(opening.revealed)),
            "record": "AAECAwQFBgcICQoLDA0ODw",
            "attested_at": now,
            "expires_at": now + timedelta(days=90),
        }
        key = bundles.party("attester").signing_key
        return make_signed(Attestation, key, **facts | self.changes)


def with_attester(premises: Premises, attester: Any) -> Premises:
    shop = Shop(premises.vault, premises.clock, premises.insurer.client, ask_attester=attester)
    return replace(premises, shop=shop, sender=Sender(shop))


def attested_at_once(tmp_path: Path) -> Premises:
    """The contract asks for an attestation with the claim."""
    insurer = FakeInsurer(contract=bundles.contract())
    return make_premises(tmp_path, insurer, trust=trust_list("auditor", "attester"))


def attest(premises: Premises, claim_id: str, line: int = 1) -> Any:
    return premises.shop.attest(
        claim_id, line, "order-1", "manufacturer-1", "http://127.0.0.1:8", ("code",)
    )


def test_a_claim_that_needs_an_attestation_goes_with_it(tmp_path: Path) -> None:
    premises = attested_at_once(tmp_path)
    premises = with_attester(premises, Attester(premises))
    missing = canned.problem("attestation_refused", 422, reason="attestation_missing")
    premises.insurer.told.append((422, json.dumps(missing).encode()))
    claim_id = premises.shop.make(order()).claim_id
    assert {warned.warning for warned in premises.shop.claim(claim_id).warnings} >= {
        "attestation_first"
    }
    premises.sender.send_due()
    record = premises.shop.claim(claim_id)
    assert record.state == "pending"
    assert record.next_step is not None
    assert "attested" in record.next_step["en"]
    got = attest(premises, claim_id)
    assert (got.is_sent, got.attested, got.warnings) == (False, ("code",), ())
    assert premises.sender.send_due().done == 1
    bodies = [
        json.loads(body) for _, path, body in premises.insurer.requests if path == "/v1/claims"
    ]
    assert [len(body.get("attestations", ())) for body in bodies] == [0, 1]
    assert premises.shop.claim(claim_id).state == "granted"
    assert [each.is_sent for each in premises.shop.attestations(claim_id)] == [True]
    premises.vault.close()


def test_an_attestation_after_the_grant_goes_by_itself(premises: Premises) -> None:
    claim = claimed(premises)
    premises = with_attester(premises, Attester(premises))
    attest(premises, claim.claim_id)
    attest(premises, claim.claim_id)  # the same again
    assert [entry.kind for entry in premises.shop.queue()] == ["attestation"]
    assert premises.sender.send_due().done == 1
    (got,) = premises.shop.attestations()
    assert got.is_sent
    assert decode_signed(Attestation, premises.insurer.requests[-1][2]).claim_id == claim.claim_id


def test_one_that_comes_while_the_claim_is_on_its_way_follows_it(premises: Premises) -> None:
    premises = with_attester(premises, Attester(premises))
    claim_id = premises.shop.make(order()).claim_id

    def meanwhile(method: str, path: str) -> None:
        if path == "/v1/claims":
            attest(premises, claim_id)

    premises.insurer.before_answer = meanwhile
    assert premises.sender.send_due().done == 2
    assert [each.is_sent for each in premises.shop.attestations(claim_id)] == [True]
    assert premises.insurer.requests[-2][1] == f"/v1/claims/{claim_id}/attestations"


@pytest.mark.parametrize(
    "changes",
    [
        {"attester_id": "somebody"},
        {"claim_id": "other"},
        {"line": 2},
        {"attested": ("price",)},
        {"expires_at": samples.NOW - timedelta(days=1), "attested_at": samples.NOW},
    ],
)
def test_what_was_not_asked_for_is_not_kept(premises: Premises, changes: dict[str, Any]) -> None:
    claim = claimed(premises)
    if "expires_at" in changes:
        changes = {"expires_at": samples.NOW - timedelta(days=1),
                   "attested_at": samples.NOW - timedelta(days=2)}  # fmt: skip
    premises = with_attester(premises, Attester(premises, **changes))
    with pytest.raises(ShopError) as refused:
        attest(premises, claim.claim_id)
    assert code_of(refused) == "attestation_refused"
    assert premises.shop.attestations() == []


def test_an_attester_who_is_not_there(premises: Premises) -> None:
    def gone(*arguments: Any, **choices: Any) -> Attestation:
        raise ServiceUnreachable("no connection")

    claim = claimed(premises)
    premises = with_attester(premises, gone)
    with pytest.raises(ShopError) as refused:
        attest(premises, claim.claim_id)
    assert code_of(refused) == "attester_unreachable"
    with pytest.raises(ShopError) as refused:
        attest(premises, claim.claim_id, line=9)
    assert code_of(refused) == "argument_invalid"


def test_the_attester_is_shown_the_code_alone(premises: Premises) -> None:
    claim = claimed(premises)
    attester = Attester(premises)
    premises = with_attester(premises, attester)
    attest(premises, claim.claim_id)
    (request,) = attester.asked
    assert set(request.opening.revealed) == {"code"}
    assert str(order_document()["right_lens"]["price_cents"]) not in encode_signed(request).decode()


# -- publications ---------------------------------------------------------------------------------


def test_documents_that_no_trusted_publisher_signed_prove_nothing(tmp_path: Path) -> None:
    insurer = FakeInsurer()
    premises = make_premises(tmp_path, insurer, trust=publishing.trust_bytes())
    with pytest.raises(ShopError) as refused:
        premises.shop.make(order())
    assert code_of(refused) == "unpublished"
    assert "--" not in refused.value.detail
    insurer.publications = [
        publishing.publication(samples.contract()),
        publishing.publication(samples.nomenclature()),
    ]
    assert premises.shop.fetch_insurer(INSURER).publications == 2
    assert premises.shop.make(order()).state == "pending"
    premises.vault.close()
