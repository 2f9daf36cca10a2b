"""The life of claims at a server of its own, on SQLite and on PostgreSQL: from the grant to the
invoice, and every other way that a claim can go; whose they are; and the same answer every time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from circuits.claim import Claim, ClaimAmounts, encode_claim, encode_instant
from circuits.notices import encode_cancellation, encode_invoice, invoice_body, sign_invoice
from optician.client import ServiceProblem
from optician.identity import Identity
from optician.notices import make_cancellation, make_invoice
from tests.support import claims as samples
from tests.support.insurer import (
    SECOND_TABLE,
    SECOND_VERSION,
    Insurer,
    commitments_of,
    contracts,
)
from tests.support.remade import reproved, resigned, with_other_proof
from tests.support.tables import limits_table
from verifier_api.store.claims import expire_overdue

pytestmark = pytest.mark.integration

DELIVERY = samples.DAY + timedelta(days=9)
PAST = "2020-11-11T11:11:11Z"


def problem_of(call: Callable[[], object]) -> ServiceProblem:
    with pytest.raises(ServiceProblem) as caught:
        call()
    return caught.value


def overdue(insurer: Insurer, claim: Claim) -> None:
    """As if the deadline of the claim's state had passed."""
    insurer.server.store.sql(
        "UPDATE claims SET deadline = :past WHERE claim_id = :id", past=PAST, id=claim.claim_id
    )


def sweep(insurer: Insurer) -> None:
    """What the service does by itself every half minute."""
    database = insurer.server.store.database()
    with database.write() as connection:
        expire_overdue(connection, encode_instant(datetime.now(UTC)))
    database.dispose()


def kinds_of(insurer: Insurer, claim: Claim) -> list[str]:
    return [event.kind for event in insurer.client().claim(claim.claim_id).history]


# -- from the grant to the invoice --------------------------------------------------------------


@pytest.mark.parametrize("statement", ["line", "equipment", "pair"])
def test_granted_invoiced_payable(insurer: Insurer, statement: str) -> None:
    client, shop = insurer.client(), insurer.shop
    claim = insurer.claim(statement)  # type: ignore[arg-type]
    before = datetime.now(UTC).replace(microsecond=0)
    verdict = client.submit_claim(claim)
    assert (verdict.verdict, verdict.reason) == ("granted", None)
    assert before <= verdict.judged_at <= datetime.now(UTC)
    assert verdict.granted_until == verdict.judged_at + timedelta(days=90)
    assert (verdict.amounts is None) == (claim.amounts is None)
    told = client.claim(claim.claim_id)
    assert (told.state, told.granted_until) == ("granted", verdict.granted_until)
    assert told.verdict_answer == verdict
    assert told.claim["beneficiary"] == claim.beneficiary
    assert "proof" not in told.claim
    assert "signature" not in told.claim

    amounts = None
    if claim.amounts is not None:
        lenses, frame = claim.amounts.lenses_cents, claim.amounts.frame_cents
        amounts = ClaimAmounts(lenses_cents=lenses - 1, frame_cents=frame)
    answer = client.invoice(claim.claim_id, make_invoice(claim, shop.identity, DELIVERY, amounts))
    assert (answer.state, answer.date_of_delivery) == ("payable", DELIVERY)
    told = client.claim(claim.claim_id)
    assert (told.state, told.granted_until) == ("payable", None)
    assert told.invoiced_amounts == answer.amounts
    if claim.amounts is not None:
        assert answer.amounts is not None
        assert answer.amounts.lenses_cents == claim.amounts.lenses_cents - 1
        assert told.amounts == verdict.amounts
    assert [(event.kind, event.actor) for event in told.history] == [
        ("judged", shop.token_id),
        ("invoiced", shop.token_id),
    ]


def test_what_was_judged_by_can_be_looked_up(insurer: Insurer) -> None:
    client = insurer.client()
    verdict = client.submit_claim(insurer.claim("pair", contract="network"))
    assert verdict.circuit_digest is not None
    circuit = client.circuit(verdict.circuit_digest)
    assert circuit.contract_digest == verdict.contract_digest
    assert circuit.nomenclature_digest == verdict.nomenclature_digest
    assert circuit.declaration["statement"] == circuit.statement == "pair"
    assert client.contract(verdict.contract_digest).contract_id == "reseau-2020"
    table = client.nomenclature_file(verdict.nomenclature_digest)
    assert table == samples.nomenclature().to_bytes()


def test_the_days_of_the_contract_are_granted(insurer: Insurer) -> None:
    client = insurer.client()
    for name, day, days in (
        ("one day", samples.DAY, 1),
        ("responsable", samples.DAY, 90),
        ("second version", SECOND_VERSION, 45),
    ):
        verdict = client.submit_claim(insurer.claim("line", contract=name, day=day))
        assert verdict.granted_until == verdict.judged_at + timedelta(days=days), name


# -- invoices that are refused ------------------------------------------------------------------


def test_invoices_of_something_else(insurer: Insurer) -> None:
    """Each differs from the last, which is taken, in one point."""
    client, identity = insurer.client(), insurer.shop.identity
    claim, other = insurer.claim(), insurer.claim()
    for one in (claim, other):
        assert client.submit_claim(one).verdict == "granted"
    assert claim.amounts is not None
    honest = invoice_body(claim, identity.key_id, DELIVERY, claim.amounts)
    more = claim.amounts.model_copy(update={"frame_cents": claim.amounts.frame_cents + 1})
    unregistered = Identity.generate(identity.optician_id)
    turned = (honest.commitments[1], honest.commitments[0], *honest.commitments[2:])
    today = datetime.now(UTC).date()
    changes: dict[str, list[dict[str, object]]] = {
        "claim_differs": [
            {"claim_digest": invoice_body(other, identity.key_id, DELIVERY, None).claim_digest},
            {"claim_id": other.claim_id},
            {"insurer_id": "another-insurer"},
        ],
        "commitments_differ": [{"commitments": turned}, {"commitments": turned[:2]}],
        "amount_above_grant": [{"amounts": more}, {"amounts": None}],
        "delivery_before_service": [{"date_of_delivery": samples.DAY - timedelta(days=1)}],
        "delivery_in_future": [{"date_of_delivery": today + timedelta(days=3)}],
    }
    for reason, variants in changes.items():
        for change in variants:
            invoice = sign_invoice(honest.model_copy(update=change), identity.signing_key)
            problem = problem_of(lambda: client.invoice(claim.claim_id, invoice))  # noqa: B023
            assert (problem.status, problem.code) == (422, "notice_refused")
            assert problem.reason == reason, change
    by_other_key = honest.model_copy(update={"key_id": unregistered.key_id})
    invoice = sign_invoice(by_other_key, unregistered.signing_key)
    problem = problem_of(lambda: client.invoice(claim.claim_id, invoice))
    assert problem.reason == "optician_unknown"
    honest_invoice = sign_invoice(honest, identity.signing_key)
    forged = honest_invoice.model_copy(
        update={"signature": sign_invoice(by_other_key, unregistered.signing_key).signature}
    )
    problem = problem_of(lambda: client.invoice(claim.claim_id, forged))
    assert problem.reason == "signature_invalid"
    assert kinds_of(insurer, claim) == ["judged"]
    assert client.invoice(claim.claim_id, honest_invoice).state == "payable"


def test_an_invoice_may_be_signed_by_a_newer_key(insurer: Insurer) -> None:
    shop = insurer.new_optician()
    client = insurer.client(shop)
    claim = insurer.claim(by=shop)
    assert client.submit_claim(claim).verdict == "granted"
    newer = Identity.generate(shop.name)
    insurer.admin.register_keys([newer.public_entry()])
    insurer.admin.revoke_key(shop.identity.key_id)
    old = make_invoice(claim, shop.identity, DELIVERY)
    assert problem_of(lambda: client.invoice(claim.claim_id, old)).reason == "optician_unknown"
    invoice = make_invoice(claim, newer, DELIVERY)
    assert client.invoice(claim.claim_id, invoice).state == "payable"


# -- cancellation -------------------------------------------------------------------------------


def test_a_cancelled_claim_frees_its_commitments_and_the_renewal(insurer: Insurer) -> None:
    client, identity = insurer.client(), insurer.shop.identity
    sale, claim, openings = insurer.sale_and_claim()
    second = reproved(sale, claim, openings, identity, claim_id=f"{claim.claim_id}-2")
    assert client.submit_claim(claim).verdict == "granted"
    answer = client.cancel(claim.claim_id, make_cancellation(claim, identity))
    assert answer.state == "cancelled"
    used = insurer.server.store.sql("SELECT commitment FROM commitments")
    assert not {row[0] for row in used} & set(commitments_of([claim]))
    # The same sale, the same commitments, the same beneficiary.
    assert client.submit_claim(second).verdict == "granted"
    # The first one is over, whatever is sent.
    assert client.submit_claim(claim).verdict == "granted"  # as it was answered then
    assert client.claim(claim.claim_id).state == "cancelled"
    invoice = make_invoice(claim, identity, DELIVERY)
    problem = problem_of(lambda: client.invoice(claim.claim_id, invoice))
    assert (problem.status, problem.code) == (409, "state_conflict")
    assert kinds_of(insurer, claim) == ["judged", "cancelled"]


@pytest.mark.parametrize("state", ["refused", "payable", "expired"])
def test_nothing_else_can_be_cancelled(insurer: Insurer, state: str) -> None:
    client, identity = insurer.client(), insurer.shop.identity
    claim = insurer.claim("line")
    if state == "refused":
        claim = resigned(claim, identity, beneficiary="nobody_0123456789")
    client.submit_claim(claim)
    if state == "payable":
        client.invoice(claim.claim_id, make_invoice(claim, identity, DELIVERY))
    if state == "expired":
        overdue(insurer, claim)
    assert client.claim(claim.claim_id).state == state
    cancellation = make_cancellation(claim, identity)
    problem = problem_of(lambda: client.cancel(claim.claim_id, cancellation))
    assert (problem.code, problem.detail) == ("state_conflict", f"the claim is {state}")
    assert client.claim(claim.claim_id).state == state


# -- expiry -------------------------------------------------------------------------------------


def test_a_grant_expires(insurer: Insurer) -> None:
    client, identity = insurer.client(), insurer.shop.identity
    sale, claim, openings = insurer.sale_and_claim()
    verdict = client.submit_claim(claim)
    overdue(insurer, claim)
    told = client.claim(claim.claim_id)  # before anything has swept it
    assert (told.state, told.granted_until) == ("expired", None)
    assert told.state_since == datetime(2020, 11, 11, 11, 11, 11, tzinfo=UTC)
    assert claim.claim_id in {
        entry.claim_id for entry in client.claims(state="expired", statement="equipment")
    }
    invoice = make_invoice(claim, identity, DELIVERY)
    problem = problem_of(lambda: client.invoice(claim.claim_id, invoice))
    assert (problem.code, problem.detail) == ("state_conflict", "the claim is expired")
    assert client.submit_claim(claim) == verdict
    # The renewal is free again, the commitments are not.
    again = reproved(sale, claim, openings, identity, claim_id=f"{claim.claim_id}-2")
    assert client.submit_claim(again).reason == "commitment_reused"
    other = insurer.claim(beneficiary=claim.beneficiary)
    assert client.submit_claim(other).verdict == "granted"
    sweep(insurer)
    assert kinds_of(insurer, claim) == ["judged", "expired"]
    told = client.claim(claim.claim_id)
    assert told.history[1].actor == "service"
    assert told.state_since == datetime(2020, 11, 11, 11, 11, 11, tzinfo=UTC)


# -- pending ------------------------------------------------------------------------------------


def pending(insurer: Insurer) -> Claim:
    """An early renewal that is recorded and waits."""
    client = insurer.client()
    first = insurer.claim()
    assert client.submit_claim(first).verdict == "granted"
    early = insurer.claim(beneficiary=first.beneficiary, early_renewal_ground="change_of_vision")
    assert client.submit_claim(early).verdict == "pending"
    return early


def test_a_pending_claim_is_granted_by_decision(insurer: Insurer) -> None:
    client, claim = insurer.client(), pending(insurer)
    invoice = make_invoice(claim, insurer.shop.identity, DELIVERY)
    problem = problem_of(lambda: client.invoice(claim.claim_id, invoice))
    assert problem.detail == "the claim is pending"
    verdict = client.submit_claim(claim)
    decision = insurer.admin.decide(claim.claim_id, "grant", "file 17")
    assert decision.state == "granted"
    assert decision.granted_until == decision.recorded_at + timedelta(days=90)
    assert insurer.admin.decide(claim.claim_id, "grant", "file 17") == decision
    for other in (("refuse", "file 17"), ("grant", "file 18")):
        problem = problem_of(lambda: insurer.admin.decide(claim.claim_id, *other))  # noqa: B023
        assert problem.code == "state_conflict"
    told = client.claim(claim.claim_id)
    assert (told.state, told.verdict, told.reason) == ("granted", "pending", "early_renewal")
    assert told.granted_until == decision.granted_until
    assert client.submit_claim(claim) == verdict  # what was answered stays
    # A decision grants an equipment as any grant does.
    next_one = insurer.claim(beneficiary=claim.beneficiary)
    assert client.submit_claim(next_one).reason == "renewal_too_early"
    answer = client.invoice(claim.claim_id, invoice)
    assert answer.state == "payable"
    assert kinds_of(insurer, claim) == ["judged", "decided", "invoiced"]


def test_a_pending_claim_is_refused_by_decision(insurer: Insurer) -> None:
    client, claim = insurer.client(), pending(insurer)
    decision = insurer.admin.decide(claim.claim_id, "refuse")
    assert (decision.state, decision.granted_until) == ("refused", None)
    invoice = make_invoice(claim, insurer.shop.identity, DELIVERY)
    problem = problem_of(lambda: client.invoice(claim.claim_id, invoice))
    assert problem.detail == "the claim is refused"
    used = insurer.server.store.sql("SELECT commitment FROM commitments")
    assert not {row[0] for row in used} & set(commitments_of([claim]))
    assert client.claim(claim.claim_id).state == "refused"


def test_a_pending_claim_is_cancelled_or_expires(insurer: Insurer) -> None:
    client, identity = insurer.client(), insurer.shop.identity
    taken_back, late = pending(insurer), pending(insurer)
    cancellation = make_cancellation(taken_back, identity)
    assert client.cancel(taken_back.claim_id, cancellation).state == "cancelled"
    overdue(insurer, late)
    for claim, state in ((taken_back, "cancelled"), (late, "expired")):
        problem = problem_of(lambda: insurer.admin.decide(claim.claim_id, "grant"))  # noqa: B023
        assert (problem.code, problem.detail) == ("state_conflict", f"the claim is {state}")


def test_only_a_pending_claim_is_decided(insurer: Insurer) -> None:
    claim = insurer.claim("line")
    insurer.client().submit_claim(claim)
    problem = problem_of(lambda: insurer.admin.decide(claim.claim_id, "refuse"))
    assert (problem.code, problem.detail) == ("state_conflict", "the claim is granted")
    problem = problem_of(lambda: insurer.admin.decide("no-such-claim", "refuse"))
    assert (problem.status, problem.code) == (404, "not_found")


# -- the same answer ----------------------------------------------------------------------------


def test_the_same_bytes_get_the_same_bytes_for_ever(insurer: Insurer) -> None:
    server = insurer.server
    shop = insurer.new_optician()
    client = insurer.client(shop)
    claim = insurer.claim(by=shop)
    data = encode_claim(claim)

    def submit() -> bytes:
        answer = server.ask("POST", "/v1/claims", shop.token, data)
        assert answer.status == 200
        return answer.content

    def send(notice: bytes) -> bytes:
        path = f"/v1/claims/{claim.claim_id}/invoice"
        answer = server.ask("POST", path, shop.token, notice)
        assert answer.status == 200
        return answer.content

    first = submit()
    assert submit() == first
    invoice = encode_invoice(make_invoice(claim, shop.identity, DELIVERY))
    taken = send(invoice)
    assert (submit(), send(invoice)) == (first, taken)
    insurer.admin.revoke_key(shop.identity.key_id)
    assert (submit(), send(invoice)) == (first, taken)
    fresh = insurer.claim(by=shop)
    assert client.submit_claim(fresh).reason == "optician_unknown"  # revoked for all that is new
    assert kinds_of_shop(insurer, shop.token, claim) == ["judged", "invoiced"]


def kinds_of_shop(insurer: Insurer, token: str, claim: Claim) -> list[str]:
    return [event.kind for event in insurer.server.client(token).claim(claim.claim_id).history]


def test_a_refusal_stays_one(insurer: Insurer) -> None:
    """Also when what was wrong is put right; a new claim is then granted."""
    client = insurer.client()
    person = "later_known_0123456789" + insurer.new_beneficiary()
    claim = insurer.claim("line", beneficiary=person)
    refused = client.submit_claim(claim)
    assert refused.reason == "rights_unknown"
    right = {
        "beneficiary": person,
        "contract_id": claim.contract_id,
        "age_group": "adult",
        "valid_from": "2020-01-01",
        "valid_to": None,
    }
    insurer.admin.add_rights([right])
    assert client.submit_claim(claim) == refused
    assert client.submit_claim(insurer.claim("line", beneficiary=person)).verdict == "granted"


def test_other_bytes_under_the_same_name_change_nothing(insurer: Insurer) -> None:
    server, shop, client = insurer.server, insurer.shop, insurer.client()
    person = insurer.new_beneficiary()
    sale, claim, openings = insurer.sale_and_claim("line", beneficiary=person)
    first = client.submit_claim(claim)
    before = client.claim(claim.claim_id)
    other_sale = insurer.claim("line", beneficiary=person, claim_id=claim.claim_id)
    other_proof = reproved(sale, claim, openings, shop.identity)
    no_claim_at_all = with_other_proof(claim, other_proof.proof_bytes())
    for data in (encode_claim(other_sale), encode_claim(other_proof), no_claim_at_all):
        assert data != encode_claim(claim)
        answer = server.ask("POST", "/v1/claims", shop.token, data)
        assert answer.status == 409
        assert answer.json()["code"] == "claim_conflict"
    assert client.claim(claim.claim_id) == before
    assert client.submit_claim(claim) == first
    # What the conflicting claim would have used is free.
    free = reproved(*(sale, claim, openings, shop.identity), claim_id=f"{claim.claim_id}-2")
    assert client.submit_claim(free).reason == "commitment_reused"
    assert not server.store.sql(
        "SELECT 1 FROM commitments WHERE commitment = :it",
        it=other_sale.lines[0].commitment,
    )


def test_a_second_invoice_or_cancellation_with_other_bytes_is_refused(insurer: Insurer) -> None:
    server, shop, client = insurer.server, insurer.shop, insurer.client()
    claim = insurer.claim()
    client.submit_claim(claim)
    first = client.invoice(claim.claim_id, make_invoice(claim, shop.identity, DELIVERY))
    later = make_invoice(claim, shop.identity, DELIVERY + timedelta(days=1))
    assert problem_of(lambda: client.invoice(claim.claim_id, later)).code == "state_conflict"
    same = make_invoice(claim, shop.identity, DELIVERY)
    assert client.invoice(claim.claim_id, same) == first

    claim = insurer.claim()
    client.submit_claim(claim)
    cancellation = encode_cancellation(make_cancellation(claim, shop.identity))
    path = f"/v1/claims/{claim.claim_id}/cancellation"
    answers = {server.ask("POST", path, shop.token, cancellation).content for _ in range(3)}
    assert len(answers) == 1
    newer = Identity.generate(shop.name)
    insurer.admin.register_keys([newer.public_entry()])
    other = make_cancellation(claim, newer)
    assert problem_of(lambda: client.cancel(claim.claim_id, other)).code == "state_conflict"


# -- whose it is --------------------------------------------------------------------------------


def test_another_optician_s_claim_does_not_exist(insurer: Insurer) -> None:
    owner, other = insurer.new_optician(), insurer.new_optician()
    claim = insurer.claim(by=owner)
    assert insurer.client(owner).submit_claim(claim).verdict == "granted"
    client = insurer.client(other)
    invoice = make_invoice(claim, owner.identity, DELIVERY)
    cancellation = make_cancellation(claim, owner.identity)
    refusals = [
        problem_of(lambda: client.claim(claim.claim_id)),
        problem_of(lambda: client.invoice(claim.claim_id, invoice)),
        problem_of(lambda: client.cancel(claim.claim_id, cancellation)),
    ]
    unknown = [
        problem_of(lambda: client.claim("no-such-claim")),
        problem_of(lambda: client.invoice("no-such-claim", invoice)),
        problem_of(lambda: client.cancel("no-such-claim", cancellation)),
    ]
    told = [(problem.status, problem.code, problem.detail) for problem in refusals]
    assert told == [(problem.status, problem.code, problem.detail) for problem in unknown]
    assert {status for status, _, _ in told} == {404}
    assert list(client.claims()) == []
    assert list(client.claims(optician_id=owner.name)) == []
    assert [entry.claim_id for entry in insurer.client(owner).claims()] == [claim.claim_id]
    assert kinds_of_shop(insurer, owner.token, claim) == ["judged"]


def test_a_claim_comes_with_its_own_optician_s_token(insurer: Insurer) -> None:
    owner, other = insurer.new_optician(), insurer.new_optician()
    claim = insurer.claim(by=owner)
    problem = problem_of(lambda: insurer.client(other).submit_claim(claim))
    assert (problem.status, problem.code) == (403, "forbidden")
    # Nor does an optician sign in another's name with a key of his own.
    stolen = resigned(claim, other.identity, key_id=other.identity.key_id)
    answer = insurer.client(owner).submit_claim(stolen)
    assert answer.reason == "optician_unknown"


def test_a_key_that_is_revoked_or_out_of_its_days_signs_nothing_new(insurer: Insurer) -> None:
    shop = insurer.new_optician()
    client = insurer.client(shop)
    person = insurer.new_beneficiary()
    future, past = Identity.generate(shop.name), Identity.generate(shop.name)
    tomorrow = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()
    insurer.admin.register_keys([future.public_entry() | {"valid_from": tomorrow}])
    insurer.admin.register_keys([past.public_entry() | {"valid_to": "2021-01-01"}])
    assert client.submit_claim(insurer.claim("line", by=shop, beneficiary=person)).reason is None
    for identity in (future, past):
        claim = insurer.claim("line", by=shop, beneficiary=person)
        signed = resigned(claim, identity, key_id=identity.key_id)
        assert client.submit_claim(signed).reason == "optician_unknown"
    revoked = insurer.admin.revoke_key(shop.identity.key_id)
    assert revoked.revoked_at is not None
    claim = insurer.claim("line", by=shop, beneficiary=person)
    assert client.submit_claim(claim).reason == "optician_unknown"
    assert insurer.admin.revoke_key(shop.identity.key_id) == revoked


# -- many ---------------------------------------------------------------------------------------


def test_pages_hold_every_claim_once_while_new_ones_come(insurer: Insurer) -> None:
    shop = insurer.new_optician()
    client = insurer.client(shop)
    person = insurer.new_beneficiary()
    claims = insurer.lines(23, by=shop, beneficiary=person)
    for claim in claims:
        client.submit_claim(claim)
    newest_first = [claim.claim_id for claim in reversed(claims)]
    late = iter(insurer.lines(10, by=shop, beneficiary=person))
    seen: list[str] = []
    cursor, sizes = None, []
    while True:
        page = client.claims_page(cursor, page_size=5)
        seen += [entry.claim_id for entry in page.claims]
        sizes.append(len(page.claims))
        client.submit_claim(next(late))
        cursor = page.next
        if cursor is None:
            break
    assert seen == newest_first
    assert sizes == [5, 5, 5, 5, 3]
    reader = insurer.server.client(insurer.admin.create_token("reader").token)
    for page_size in (1, 28, 500):
        listed = [
            entry.claim_id for entry in reader.claims(page_size=page_size, optician_id=shop.name)
        ]
        assert listed[5:] == newest_first
        assert len(listed) == 28
    problem = problem_of(lambda: client.claims_page("bm8tY3Vyc29y"))
    assert (problem.status, problem.code, problem.places) == (422, "parameter_invalid", ("cursor",))


def test_listings_are_narrowed(insurer: Insurer) -> None:
    shop = insurer.new_optician()
    client = insurer.client(shop)
    person = insurer.new_beneficiary()
    made = {
        "line": insurer.claim("line", by=shop, beneficiary=person, day=date(2020, 9, 1)),
        "network": insurer.claim(
            "line", contract="network", by=shop, beneficiary=person, day=date(2020, 9, 2)
        ),
        "equipment": insurer.claim(by=shop, beneficiary=person, day=date(2020, 9, 3)),
        "too early": insurer.claim(by=shop, beneficiary=person, day=date(2020, 9, 4)),
    }
    for claim in made.values():
        client.submit_claim(claim)
    invoice = make_invoice(made["line"], shop.identity, DELIVERY)
    client.invoice(made["line"].claim_id, invoice)

    def names(**filters: object) -> set[str]:
        found = {entry.claim_id for entry in client.claims(**filters)}  # type: ignore[arg-type]
        return {name for name, claim in made.items() if claim.claim_id in found}

    assert names() == set(made)
    assert names(state="payable") == {"line"}
    assert names(state="granted") == {"network", "equipment"}
    assert names(verdict="granted") == {"line", "network", "equipment"}
    assert names(verdict="refused") == names(reason="renewal_too_early") == {"too early"}
    assert names(contract_id="reseau-2020") == {"network"}
    assert names(statement="equipment") == {"equipment", "too early"}
    assert names(date_from=date(2020, 9, 2), date_to=date(2020, 9, 3)) == {"network", "equipment"}
    now = datetime.now(UTC)
    assert names(received_from=now - timedelta(minutes=5)) == set(made)
    assert names(received_from=now + timedelta(minutes=5)) == set()
    assert names(received_to=now - timedelta(minutes=5)) == set()
    assert names(regroupement="M03") == {"equipment", "too early"}
    assert names(regroupement="M01") == set()
    assert names(claim_id=made["network"].claim_id[5:20]) == {"network"}
    for wrong in ({"regroupement": "m03"}, {"claim_id": "a b"}, {"claim_id": ""}):
        assert problem_of(lambda wrong=wrong: names(**wrong)).code == "parameter_invalid"  # type: ignore[misc]


def test_a_batch_of_everything_mixed(insurer: Insurer) -> None:
    """Statements, classes, contracts and tables in any order, good and bad: verdicts in order."""
    shop, person = insurer.shop, insurer.new_beneficiary()
    limits = limits_table()
    kinds: list[Callable[[], Claim]] = [
        lambda: insurer.claim("line", beneficiary=person, item="V04"),
        lambda: insurer.claim("equipment", beneficiary=person, supplements=["SV3"]),
        lambda: insurer.claim("pair", beneficiary=person, contract="network"),
        lambda: insurer.claim("line", beneficiary=person, item="M01"),
        lambda: insurer.claim("pair", beneficiary=person, lenses=("VM1", "VM4")),
        lambda: insurer.claim(
            "equipment", beneficiary=person, contract="second version", day=SECOND_VERSION
        ),
        lambda: insurer.claim(
            *("line",),
            beneficiary=person,
            contract="second version",
            table=limits,
            day=SECOND_TABLE,
            price_cents={"item": 4_000},
        ),
        lambda: insurer.claim("equipment", beneficiary=person, lenses=("V01", "V04")),
    ]
    lines: list[bytes] = []
    expected: list[tuple[str, str | None, str | None]] = []
    other = insurer.claim(beneficiary=person)
    for number in range(200):
        claim = kinds[number % len(kinds)]()
        reason: str | None = None
        if number % 7 == 3:
            claim = resigned(claim, shop.identity, insurer_id="another-insurer")
            reason = "contract_mismatch"
        elif number % 11 == 5:
            later = claim.expires_at + timedelta(seconds=1)
            claim = resigned(claim, shop.identity, expires_at=later)
            reason = "proof_invalid"
        elif number % 13 == 6:
            claim = resigned(claim, shop.identity, lines=(*other.lines[:1], *claim.lines))
            reason = "statement_invalid"
        if number % 17 == 8:
            lines.append(encode_claim(claim)[:-7])
            expected.append(("unreadable", "unreadable", None))
            continue
        lines.append(encode_claim(claim))
        verdict = "accepted" if reason is None else "refused"
        expected.append((verdict, reason, claim.claim_id))
    answers = list(insurer.client().verify_batch(lines))
    assert [answer.line for answer in answers] == list(range(1, 201))
    told = [(answer.verdict, answer.reason, answer.claim_id) for answer in answers]
    assert told == expected
    assert {reason for _, reason, _ in expected} == {
        None,
        "contract_mismatch",
        "proof_invalid",
        "statement_invalid",
        "unreadable",
    }
    accepted = [answer.circuit_digest for answer in answers if answer.verdict == "accepted"]
    assert len(set(accepted)) == len(kinds)
    # Nothing of it was recorded.
    problem = problem_of(lambda: insurer.client().claim(other.claim_id))
    assert problem.code == "not_found"


def test_the_contracts_that_were_added_are_told(insurer: Insurer) -> None:
    listed = insurer.client().contracts()
    assert {entry.contract_id for entry in listed} == {
        contract.contract_id for contract in contracts().values()
    }
    versions = [entry for entry in listed if entry.contract_id == "responsable-2020"]
    assert [entry.in_force_from for entry in versions] == [SECOND_VERSION, date(2020, 7, 1)]
    tables = insurer.client().nomenclatures()
    assert [table.in_force_from for table in tables] == [SECOND_TABLE, date(2020, 1, 1)]
