"""Invoices, cancellations, decisions: every state by every action, and what each refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from circuits.attestation import Duty
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import Claim, ClaimAmounts, encode_instant
from circuits.notices import (
    NOTICE_REASONS,
    Cancellation,
    Invoice,
    InvoiceBody,
    encode_cancellation,
    encode_invoice,
    invoice_body,
    notice_digest,
    sign_invoice,
)
from optician.identity import Identity
from optician.notices import make_cancellation, make_invoice
from tests.support import attesting, records
from tests.support.records import DAY, NOW, examined
from verifier_api.service import life
from verifier_api.service.access import Principal
from verifier_api.service.directory import RegisteredKey, Snapshot
from verifier_api.service.errors import ServiceError
from verifier_api.service.life import NOT_A_PAYMENT
from verifier_api.service.notices import (
    MAX_NOTE,
    Decision,
    Step,
    take_cancellation,
    take_decision,
    take_invoice,
)
from verifier_api.service.recording import record_claims
from verifier_api.store import claims as store
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database

SHOP = Principal("token-shop", "optician", records.SHOP)
OTHER_SHOP = Principal("token-other", "optician", "optician-2")
ADMIN = Principal("token-admin", "admin")

LATER = NOW + timedelta(hours=1)
GRANT_ENDS = NOW + timedelta(days=90)
PENDING_ENDS = records.EXPIRES


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """With rights; nothing inconsistent may be left in it."""
    opened = records.database_with_rights(tmp_path)
    yield opened
    assert check_database(opened)["problems"] == []
    opened.dispose()


# -- what is asked ------------------------------------------------------------------------------


def keys_of(*shops: Identity, revoked: tuple[str, ...] = ()) -> Snapshot:
    """The insurer's documents of a moment: keys, as the notices need nothing else."""
    return Snapshot(
        0,
        [],
        [],
        {
            shop.key_id: RegisteredKey(
                shop.key_id,
                shop.optician_id,
                shop.public_entry()["public_key"],
                date(2020, 1, 1),
                date(2021, 12, 31),
                "2020-01-01T00:00:00Z",
                "2020-10-01T00:00:00Z" if shop.key_id in revoked else None,
            )
            for shop in shops
        },
        {},
    )


KEYS = keys_of(records.shop(), records.shop("optician-2"))


def step_of(
    claim_id: str,
    principal: Principal = SHOP,
    now: datetime = LATER,
    references: Snapshot = KEYS,
) -> Step:
    return Step(claim_id, principal, references, now)


def invoice(
    database: Database, claim: Claim, step: Step | None = None, made: Invoice | None = None
) -> dict[str, Any]:
    taken = made or make_invoice(claim, records.shop(), DAY)
    with database.write() as connection:
        answer = take_invoice(
            connection, step or step_of(claim.claim_id), taken, encode_invoice(taken)
        )
    return dict(json.loads(answer))


def cancel(
    database: Database, claim: Claim, step: Step | None = None, made: Cancellation | None = None
) -> dict[str, Any]:
    taken = made or make_cancellation(claim, records.shop())
    with database.write() as connection:
        answer = take_cancellation(
            connection, step or step_of(claim.claim_id), taken, encode_cancellation(taken)
        )
    return dict(json.loads(answer))


def decide(
    database: Database, claim: Claim, decision: str, step: Step | None = None, note: str = ""
) -> dict[str, Any]:
    document = {"decision": decision, "note": note}
    data = canonical_bytes(document)
    taken = Decision.model_validate(document)
    with database.write() as connection:
        answer = take_decision(
            connection, step or step_of(claim.claim_id, ADMIN), taken, data, records.contract()
        )
    return dict(json.loads(answer))


def refused(act: Callable[[], Any]) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        act()
    return caught.value


def state_of(database: Database, claim: Claim) -> dict[str, Any]:
    (row,) = [row for row in records.rows(database, "claims") if row["claim_id"] == claim.claim_id]
    return row


def events_of(database: Database, claim: Claim) -> list[str]:
    return [
        row["kind"] for row in records.rows(database, "events") if row["claim_id"] == claim.claim_id
    ]


def commitments_used(database: Database, claim: Claim) -> bool:
    used = {row["commitment"] for row in records.rows(database, "commitments")}
    return {line.commitment for line in claim.lines} <= used


# -- claims in each state -----------------------------------------------------------------------


def record(database: Database, claim: Claim) -> Claim:
    with database.write() as connection:
        record_claims(connection, [examined(claim)], NOW)
    return claim


def granted(database: Database) -> Claim:
    return record(database, records.claim("the-claim"))


def refused_claim(database: Database) -> Claim:
    return record(database, records.claim("the-claim", beneficiary=records.STRANGER))


def pending(database: Database) -> Claim:
    record(database, records.claim("before"))
    return record(database, records.claim("the-claim", early_renewal_ground="change_of_vision"))


def payable(database: Database) -> Claim:
    claim = granted(database)
    other = make_invoice(claim, records.shop(), DAY + timedelta(days=1))
    invoice(database, claim, made=other)
    return claim


def cancelled(database: Database) -> Claim:
    claim = granted(database)
    # Signed with another key of the same shop, so that its bytes are others.
    second = Identity.generate(records.SHOP)
    step = step_of(claim.claim_id, references=keys_of(records.shop(), second))
    cancel(database, claim, step, make_cancellation(claim, second))
    return claim


def expired(database: Database) -> Claim:
    claim = granted(database)
    with database.write() as connection:
        assert store.expire_overdue(connection, encode_instant(GRANT_ENDS + timedelta(days=1)))
    return claim


def overdue(database: Database) -> Claim:
    wanted = records.contract(attestations=(attesting.rule("VM4", within_days=1),))
    claim = records.claim("the-claim", of_contract=wanted)
    duty = Duty(1, 0, (attesting.LAB,), ("code",), 1)
    item = replace(examined(claim, of_contract=wanted), duties=(duty,))
    with database.write() as connection:
        record_claims(connection, [item], NOW - timedelta(days=1))
        assert store.mark_attestations_overdue(connection, encode_instant(LATER)) == 1
    return claim


def granted_by_decision(database: Database) -> Claim:
    claim = pending(database)
    decide(database, claim, "grant", note="as agreed")
    return claim


def refused_by_decision(database: Database) -> Claim:
    claim = pending(database)
    decide(database, claim, "refuse", note="as agreed")
    return claim


STATES: dict[str, Callable[[Database], Claim]] = {
    "granted": granted,
    "granted by decision": granted_by_decision,
    "refused": refused_claim,
    "refused by decision": refused_by_decision,
    "pending": pending,
    "payable": payable,
    "cancelled": cancelled,
    "expired": expired,
    "attestation_overdue": overdue,
}

ACTIONS: dict[str, Callable[[Database, Claim], dict[str, Any]]] = {
    "invoice": invoice,
    "cancellation": cancel,
    "decision to grant": lambda database, claim: decide(database, claim, "grant"),
    "decision to refuse": lambda database, claim: decide(database, claim, "refuse"),
}

ALLOWED = {
    ("granted", "invoice"): "payable",
    ("granted", "cancellation"): "cancelled",
    ("granted by decision", "invoice"): "payable",
    ("granted by decision", "cancellation"): "cancelled",
    ("pending", "cancellation"): "cancelled",
    ("pending", "decision to grant"): "granted",
    ("pending", "decision to refuse"): "refused",
    ("attestation_overdue", "decision to grant"): "granted",
    ("attestation_overdue", "decision to refuse"): "refused",
}
"""Everything else is a conflict that changes nothing."""

EVENT = {
    "invoice": "invoiced",
    "cancellation": "cancelled",
    "decision to grant": "decided",
    "decision to refuse": "decided",
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", STATES)
def test_every_state_by_every_action(database: Database, state: str, action: str) -> None:
    claim = STATES[state](database)
    tables = ("claims", "commitments", "notices", "events")
    before = {name: records.rows(database, name) for name in tables}
    following = ALLOWED.get((state, action))
    if following is None:
        error = refused(lambda: ACTIONS[action](database, claim))
        assert error.code == "state_conflict"
        assert before == {name: records.rows(database, name) for name in tables}
        return
    answer = ACTIONS[action](database, claim)
    assert (answer["claim_id"], answer["state"]) == ("the-claim", following)
    row = state_of(database, claim)
    assert (row["state"], row["state_since"]) == (following, encode_instant(LATER))
    is_overdue = state == "attestation_overdue"
    event = EVENT[action].replace("decided", "attestation_decided" if is_overdue else "decided")
    assert events_of(database, claim)[-1] == event
    assert len(records.rows(database, "events")) == len(before["events"]) + 1
    assert len(records.rows(database, "notices")) == len(before["notices"]) + 1
    is_free = following in ("cancelled", "refused")
    assert commitments_used(database, claim) is not is_free
    (judged,) = [row for row in before["claims"] if row["claim_id"] == "the-claim"]
    assert row["answer"] == judged["answer"]  # the verdict stays what it was


def test_the_table_has_every_state_and_every_kind_of_notice() -> None:
    assert {name.split(" by ")[0] for name in STATES} == set(life.STATES)
    assert {name.split(" to ")[0] for name in ACTIONS} == {"invoice", "cancellation", "decision"}


# -- what has gone by without a sweep -----------------------------------------------------------


@pytest.mark.parametrize("action", ["invoice", "cancellation"])
def test_the_last_instant_of_a_grant(database: Database, action: str) -> None:
    claim = granted(database)
    act: Any = {"invoice": invoice, "cancellation": cancel}[action]
    after = step_of(claim.claim_id, now=GRANT_ENDS + timedelta(seconds=1))
    error = refused(lambda: act(database, claim, after))
    assert (error.code, error.detail) == ("state_conflict", "the claim is expired")
    act(database, claim, step_of(claim.claim_id, now=GRANT_ENDS))
    assert state_of(database, claim)["state"] != "granted"


@pytest.mark.parametrize("decision", ["grant", "refuse"])
def test_the_last_instant_of_a_pending_claim(database: Database, decision: str) -> None:
    claim = pending(database)
    after = step_of(claim.claim_id, ADMIN, PENDING_ENDS + timedelta(seconds=1))
    error = refused(lambda: decide(database, claim, decision, after))
    assert (error.code, error.detail) == ("state_conflict", "the claim is expired")
    decide(database, claim, decision, step_of(claim.claim_id, ADMIN, PENDING_ENDS))


def test_a_payable_claim_stays_so(database: Database) -> None:
    claim = payable(database)
    with database.write() as connection:
        # The claim of no other is overdue either.
        assert store.expire_overdue(connection, "9999-01-01T00:00:00Z") == 0
    assert state_of(database, claim)["state"] == "payable"


# -- invoices -----------------------------------------------------------------------------------


def test_the_answer_to_an_invoice(database: Database) -> None:
    claim = granted(database)
    made = make_invoice(
        claim, records.shop(), DAY, ClaimAmounts(lenses_cents=40_000, frame_cents=9_000)
    )
    assert invoice(database, claim, made=made) == {
        "claim_id": "the-claim",
        "state": "payable",
        "invoice_digest": encode_base64url(notice_digest(made)),
        "date_of_delivery": DAY.isoformat(),
        "amounts": {"lenses_cents": 40_000, "frame_cents": 9_000},
        "recorded_at": encode_instant(LATER),
        "notice": NOT_A_PAYMENT,
    }
    (row,) = records.rows(database, "notices")
    assert (row["kind"], row["document"]) == ("invoice", encode_invoice(made))
    assert state_of(database, claim)["deadline"] is None
    (event,) = [row for row in records.rows(database, "events") if row["kind"] == "invoiced"]
    assert event["actor"] == "token-shop"
    assert json.loads(event["facts"]) == {"invoice_digest": row["digest"]}


def test_the_invoice_of_a_line_has_no_amounts(database: Database) -> None:
    claim = record(database, records.claim("line", statement="line"))
    assert invoice(database, claim)["amounts"] is None


UNREGISTERED = Identity.generate(records.SHOP)

Changes = dict[str, Any]

INVOICE_CHANGES: dict[str, tuple[str, Callable[[InvoiceBody], Changes]]] = {
    "another claim's id": ("claim_differs", lambda good: {"claim_id": "another"}),
    "another claim's digest": ("claim_differs", lambda good: {"claim_digest": records.TABLE}),
    "another insurer": ("claim_differs", lambda good: {"insurer_id": "another"}),
    "commitments in another order": (
        "commitments_differ",
        lambda good: {"commitments": good.commitments[::-1]},
    ),
    "a commitment less": (
        "commitments_differ",
        lambda good: {"commitments": good.commitments[:-1]},
    ),
    "a cent too much for the lenses": (
        "amount_above_grant",
        lambda good: {"amounts": ClaimAmounts(lenses_cents=43_901, frame_cents=10_000)},
    ),
    "a cent too much for the frame": (
        "amount_above_grant",
        lambda good: {"amounts": ClaimAmounts(lenses_cents=0, frame_cents=10_001)},
    ),
    "no amounts": ("amount_above_grant", lambda good: {"amounts": None}),
    "the day before the service": (
        "delivery_before_service",
        lambda good: {"date_of_delivery": DAY - timedelta(days=1)},
    ),
    "the day after tomorrow": (
        "delivery_in_future",
        lambda good: {"date_of_delivery": LATER.date() + timedelta(days=2)},
    ),
}
"""Each changes the invoice that `test_the_unchanged_notices_are_taken` sees taken, signed anew."""


def good_invoice(claim: Claim) -> InvoiceBody:
    return invoice_body(claim, records.shop().key_id, DAY, claim.amounts)


def test_the_unchanged_notices_are_taken(database: Database) -> None:
    claim = granted(database)
    made = sign_invoice(good_invoice(claim), records.shop().signing_key)
    assert invoice(database, claim, made=made)["state"] == "payable"


@pytest.mark.parametrize("change", INVOICE_CHANGES)
def test_a_changed_invoice_is_refused_and_changes_nothing(database: Database, change: str) -> None:
    claim = granted(database)
    reason, changes = INVOICE_CHANGES[change]
    good = good_invoice(claim)
    made = sign_invoice(good.model_copy(update=changes(good)), records.shop().signing_key)
    error = refused(lambda: invoice(database, claim, made=made))
    assert (error.code, error.reason) == ("notice_refused", reason)
    assert error.detail
    assert state_of(database, claim)["state"] == "granted"
    assert records.rows(database, "notices") == []


def test_every_reason_of_a_notice_is_tested() -> None:
    tested = {reason for reason, _ in INVOICE_CHANGES.values()}
    assert tested | {"signature_invalid"} == set(NOTICE_REASONS) | {"delivery_in_future"}


def test_tomorrow_is_a_day_of_delivery_still(database: Database) -> None:
    """A date is a day in the optician's time zone."""
    claim = granted(database)
    made = make_invoice(claim, records.shop(), LATER.date() + timedelta(days=1))
    assert invoice(database, claim, made=made)["state"] == "payable"


# -- who signs, and who asks --------------------------------------------------------------------


def notices_by(claim: Claim, signer: Identity) -> dict[str, Any]:
    return {
        "invoice": make_invoice(claim, signer, DAY),
        "cancellation": make_cancellation(claim, signer),
    }


@pytest.mark.parametrize("kind", ["invoice", "cancellation"])
def test_a_notice_is_signed_with_a_key_that_is_registered_valid_and_not_revoked(
    database: Database, kind: str
) -> None:
    claim = granted(database)
    act: Any = {"invoice": invoice, "cancellation": cancel}[kind]
    shop = records.shop()
    own = notices_by(claim, shop)[kind]

    def reason(made: Any, **changes: Any) -> str | None:
        step = step_of(claim.claim_id, **changes)
        error = refused(lambda: act(database, claim, step, made))
        assert error.code == "notice_refused"
        return error.reason

    assert reason(notices_by(claim, UNREGISTERED)[kind]) == "optician_unknown"
    revoked = keys_of(shop, revoked=(shop.key_id,))
    assert reason(own, references=revoked) == "optician_unknown"
    assert reason(own, now=datetime(2022, 1, 1, tzinfo=UTC)) == "optician_unknown"
    forged = notices_by(claim.model_copy(update={"claim_id": "another"}), shop)[kind]
    unsigned = own.model_copy(update={"signature": forged.signature})
    assert reason(unsigned) == "signature_invalid"
    # Another key of the same optician will do.
    second = keys_of(shop, UNREGISTERED)
    made = notices_by(claim, UNREGISTERED)[kind]
    act(database, claim, step_of(claim.claim_id, references=second), made)
    assert state_of(database, claim)["state"] != "granted"


def test_a_cancellation_of_another_claim_is_refused(database: Database) -> None:
    claim = granted(database)
    for changes in ({"claim_id": "another"}, {"insurer_id": "another"}, {"proof": "AAAA"}):
        other = make_cancellation(claim.model_copy(update=changes), records.shop())
        error = refused(partial(cancel, database, claim, made=other))
        assert (error.code, error.reason) == ("notice_refused", "claim_differs")
    assert state_of(database, claim)["state"] == "granted"


@pytest.mark.parametrize("kind", ["invoice", "cancellation"])
@pytest.mark.parametrize("principal", [OTHER_SHOP, ADMIN, Principal("reader", "reader")])
def test_only_its_optician_sends_notices_of_a_claim(
    database: Database, kind: str, principal: Principal
) -> None:
    claim = granted(database)
    act: Any = {"invoice": invoice, "cancellation": cancel}[kind]
    error = refused(lambda: act(database, claim, step_of(claim.claim_id, principal)))
    assert error.code == "not_found"
    missing = refused(lambda: act(database, claim, step_of("no-such-claim")))
    assert (missing.code, missing.detail) == (error.code, error.detail)


def test_a_decision_on_a_claim_that_is_not_there(database: Database) -> None:
    claim = pending(database)
    error = refused(lambda: decide(database, claim, "grant", step_of("no-such-claim", ADMIN)))
    assert error.code == "not_found"


# -- the same again -----------------------------------------------------------------------------


def test_the_same_invoice_gets_the_same_answer_whatever_became_of_the_key(
    database: Database,
) -> None:
    claim = granted(database)
    first = invoice(database, claim)
    much_later = NOW + timedelta(days=1000)
    step = step_of(claim.claim_id, now=much_later, references=keys_of())
    assert invoice(database, claim, step) == first
    assert events_of(database, claim) == ["invoiced"]
    other = make_invoice(claim, records.shop(), DAY + timedelta(days=1))
    error = refused(lambda: invoice(database, claim, made=other))
    assert error.code == "state_conflict"
    assert error.detail == "another invoice was taken for this claim"


def test_the_same_cancellation_gets_the_same_answer(database: Database) -> None:
    claim = granted(database)
    first = cancel(database, claim)
    step = step_of(claim.claim_id, now=NOW + timedelta(days=1000), references=keys_of())
    assert cancel(database, claim, step) == first
    assert first == {
        "claim_id": "the-claim",
        "state": "cancelled",
        "recorded_at": encode_instant(LATER),
    }
    assert events_of(database, claim) == ["cancelled"]


@pytest.mark.parametrize("decision", ["grant", "refuse"])
def test_the_same_decision_gets_the_same_answer_also_after_the_invoice(
    database: Database, decision: str
) -> None:
    claim = pending(database)
    first = decide(database, claim, decision, note="seen")
    if decision == "grant":
        invoice(database, claim)
    step = step_of(claim.claim_id, ADMIN, NOW + timedelta(days=1000))
    assert decide(database, claim, decision, step, note="seen") == first
    for other, note in ((decision, ""), ("grant" if decision == "refuse" else "refuse", "seen")):
        error = refused(partial(decide, database, claim, other, note=note))
        assert error.code == "state_conflict"


# -- decisions ----------------------------------------------------------------------------------


def test_the_answer_to_a_grant(database: Database) -> None:
    claim = pending(database)
    assert decide(database, claim, "grant", note="new prescription") == {
        "claim_id": "the-claim",
        "state": "granted",
        "recorded_at": encode_instant(LATER),
        "granted_until": encode_instant(LATER + timedelta(days=90)),
    }
    assert state_of(database, claim)["deadline"] == encode_instant(LATER + timedelta(days=90))
    (event,) = [row for row in records.rows(database, "events") if row["kind"] == "decided"]
    assert (event["actor"], json.loads(event["facts"])) == (
        "token-admin",
        {"decision": "grant", "note": "new prescription"},
    )


def test_the_answer_to_a_refusal(database: Database) -> None:
    claim = pending(database)
    assert decide(database, claim, "refuse") == {
        "claim_id": "the-claim",
        "state": "refused",
        "recorded_at": encode_instant(LATER),
        "granted_until": None,
    }
    assert state_of(database, claim)["deadline"] is None


def test_a_grant_by_decision_stands_in_the_way_of_the_next(database: Database) -> None:
    claim = pending(database)
    decide(database, claim, "grant")
    with database.write() as connection:
        days = store.granted_equipment(connection, [records.ADULT], encode_instant(LATER))
    assert days == [(records.ADULT, DAY)] * 2


def test_no_grant_while_the_claims_contract_is_not_known(database: Database) -> None:
    """Its grant would have no end; it must not become a refusal either."""
    claim = pending(database)
    document = {"decision": "grant", "note": ""}
    with database.write() as connection, pytest.raises(ServiceError) as caught:
        take_decision(
            connection,
            step_of(claim.claim_id, ADMIN),
            Decision.model_validate(document),
            canonical_bytes(document),
            None,
        )
    assert (caught.value.code, caught.value.retry_after) == ("overloaded", 1)
    assert state_of(database, claim)["state"] == "pending"
    assert decide(database, claim, "grant")["state"] == "granted"


def test_what_a_decision_may_say() -> None:
    assert Decision.model_validate({"decision": "refuse"}).note == ""
    Decision.model_validate({"decision": "grant", "note": "x" * MAX_NOTE})
    for wrong in (
        {"decision": "grant", "note": "x" * (MAX_NOTE + 1)},
        {"decision": "pay"},
        {"note": "x"},
        {"decision": "grant", "amount": 1},
    ):
        with pytest.raises(ValidationError):
            Decision.model_validate(wrong)
