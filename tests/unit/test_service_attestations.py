"""Attestations on record: what comes with a claim, what comes later, and what is late."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.attestation import (
    ATTESTATION_REASONS,
    MAX_ATTESTATION_LEAD,
    MAX_ATTESTATIONS,
    Attestation,
    Duty,
)
from circuits.canonical import canonical_bytes
from circuits.claim import Claim, encode_instant
from circuits.contract import Contract
from circuits.notices import encode_cancellation, encode_invoice
from circuits.signed import encode_signed, signed_digest
from circuits.trust import Trust
from optician.notices import make_cancellation, make_invoice
from tests.support import attesting, records
from tests.support.attesting import LAB, OTHER_LAB, TRUST, attestation, rule, trusted_key
from tests.support.records import DAY, NOW
from verifier_api.service.access import Principal
from verifier_api.service.attestations import take_attestation
from verifier_api.service.directory import RegisteredKey, Snapshot
from verifier_api.service.errors import ServiceError
from verifier_api.service.notices import (
    Decision,
    Step,
    take_cancellation,
    take_decision,
    take_invoice,
)
from verifier_api.service.recording import Examined, record_claims
from verifier_api.store import claims as store
from verifier_api.store.checks import check_database
from verifier_api.store.claims import ClaimFilter
from verifier_api.store.database import Database

SHOP = Principal("token-shop", "optician", records.SHOP)
OTHER_SHOP = Principal("token-other", "optician", "optician-2")
ADMIN = Principal("token-admin", "admin")
SECOND = timedelta(seconds=1)
EARLY = "change_of_vision"

AT_ONCE = records.contract(attestations=(rule("VM4"),))
LATER = records.contract(attestations=(rule("VM4", within_days=10),))
BOTH = ("code", "price")
TWO_RULES = records.contract(
    attestations=(
        rule("VM4", within_days=10),
        rule("VM4", within_days=30, slots=BOTH, attesters=(LAB, OTHER_LAB)),
    )
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """With rights; nothing inconsistent may be left in it."""
    opened = records.database_with_rights(tmp_path)
    yield opened
    assert check_database(opened)["problems"] == []
    opened.dispose()


def keys() -> Snapshot:
    shop = records.shop()
    key = RegisteredKey(
        shop.key_id,
        shop.optician_id,
        shop.public_entry()["public_key"],
        DAY.replace(year=2010),
        DAY.replace(year=2030),
        records.INSTANT,
        None,
    )
    return Snapshot(0, [], [], {key.key_id: key}, {})


# -- what happens -------------------------------------------------------------------------------


def examined(
    claim: Claim,
    contract: Contract,
    attestations: Sequence[Attestation] = (),
    lines: Sequence[int] = (1,),
) -> Examined:
    """In order, and every rule of the contract asks about each of these lines."""
    made = records.examined(claim, of_contract=contract)
    duties = tuple(
        Duty(line, place, entry.attesters, entry.slots, entry.within_days)
        for line in lines
        for place, entry in enumerate(contract.attestations)
    )
    return Examined(
        made.claim,
        made.envelope,
        made.digest,
        made.actor,
        None,
        contract,
        made.proof,
        duties,
        tuple(attestations),
    )


def record(
    database: Database, *items: Examined, now: datetime = NOW, trust: Trust = TRUST
) -> list[str | ServiceError]:
    with database.write() as connection:
        return record_claims(connection, items, now, trust)


def recorded(
    database: Database,
    claim: Claim,
    contract: Contract,
    *attestations: Attestation,
    lines: Sequence[int] = (1,),
) -> dict[str, Any]:
    (answer,) = record(database, examined(claim, contract, attestations, lines))
    assert isinstance(answer, str), answer
    return dict(json.loads(answer))


def attest(
    database: Database,
    given: Attestation,
    contract: Contract = LATER,
    now: datetime = NOW,
    *,
    trust: Trust = TRUST,
    principal: Principal = SHOP,
    claim_id: str | None = None,
) -> dict[str, Any]:
    step = Step(claim_id or given.claim_id, principal, keys(), now)
    with database.write() as connection:
        return dict(json.loads(take_attestation(connection, step, given, contract, trust)))


def problem(act: Any) -> tuple[str, str | None]:
    with pytest.raises(ServiceError) as caught:
        act()
    return caught.value.code, caught.value.reason


def reason_of(answer: str | ServiceError) -> str | None:
    assert isinstance(answer, ServiceError)
    assert answer.code == "attestation_refused"
    return answer.reason


def decide(
    database: Database, claim: Claim, decision: str, now: datetime, contract: Contract = LATER
) -> dict[str, Any]:
    document = {"decision": decision, "note": ""}
    data, made = canonical_bytes(document), Decision.model_validate(document)
    with database.write() as connection:
        step = Step(claim.claim_id, ADMIN, keys(), now)
        return dict(json.loads(take_decision(connection, step, made, data, contract)))


def invoice(database: Database, claim: Claim, now: datetime) -> dict[str, Any]:
    made = make_invoice(claim, records.shop(), DAY)
    with database.write() as connection:
        step = Step(claim.claim_id, SHOP, keys(), now)
        return dict(json.loads(take_invoice(connection, step, made, encode_invoice(made))))


def cancel(database: Database, claim: Claim, now: datetime) -> dict[str, Any]:
    made = make_cancellation(claim, records.shop())
    with database.write() as connection:
        step = Step(claim.claim_id, SHOP, keys(), now)
        answer = take_cancellation(connection, step, made, encode_cancellation(made))
    return dict(json.loads(answer))


def row_of(database: Database, claim: Claim, now: datetime = NOW) -> Any:
    with database.read() as connection:
        return store.claim_at(connection, claim.claim_id, encode_instant(now))


def sweep(database: Database, now: datetime) -> int:
    with database.write() as connection:
        return store.mark_attestations_overdue(connection, encode_instant(now))


def events_of(database: Database, claim: Claim) -> list[str]:
    rows = records.rows(database, "events")
    return [row["kind"] for row in rows if row["claim_id"] == claim.claim_id]


TABLES = ("claims", "commitments", "attestations", "attestation_duties", "events", "circuits")


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    return {name: records.rows(database, name) for name in TABLES}


def instant(**later: float) -> str:
    return encode_instant(NOW + timedelta(**later))


# -- with the claim -----------------------------------------------------------------------------


def test_what_comes_with_a_claim_is_recorded_with_it(database: Database) -> None:
    claim = records.claim("c-1")
    given = [attestation(claim, 1), attestation(claim, 2)]
    told = recorded(database, claim, AT_ONCE, *given, lines=(1, 2))
    assert (told["verdict"], told["attest_by"]) == ("granted", None)
    duties = records.rows(database, "attestation_duties")
    assert [(row["line"], row["rule"], row["due_at"]) for row in duties] == [
        (1, 0, None),
        (2, 0, None),
    ]
    assert [row["attestation_digest"] for row in duties] == [*map(signed_digest, given)]
    rows = {row["line"]: row for row in records.rows(database, "attestations")}
    assert rows[2]["document"] == encode_signed(given[1])
    assert rows[2]["recorded_at"] == records.INSTANT
    assert events_of(database, claim) == ["attested", "attested"]


def test_a_claim_without_the_attestation_that_it_needs_leaves_no_trace(database: Database) -> None:
    claim = records.claim("c-1")
    before = everything(database)
    (answer,) = record(database, examined(claim, AT_ONCE, lines=(1, 2)))
    assert reason_of(answer) == "attestation_missing"
    assert isinstance(answer, ServiceError)
    assert answer.places == ("lines.0", "lines.1")
    assert everything(database) == before
    (answer,) = record(database, examined(claim, AT_ONCE, [attestation(claim)], lines=(1, 2)))
    assert reason_of(answer) == "attestation_missing"
    assert isinstance(answer, ServiceError)
    assert answer.places == ("lines.1",)
    assert everything(database) == before
    # Neither its id nor its commitments are used up, not even for another claim.
    other = records.claim("c-1", commitments=[line.commitment for line in claim.lines], level=None)
    assert recorded(database, other, AT_ONCE, attestation(other))["verdict"] == "granted"


def test_a_claim_that_is_refused_anyway_needs_none(database: Database) -> None:
    claim = records.claim("c-1", beneficiary=records.STRANGER)
    bad = attestation(claim, claim_id="other")
    told = recorded(database, claim, AT_ONCE, bad)
    assert (told["verdict"], told["reason"], told["attest_by"]) == (
        "refused",
        "rights_unknown",
        None,
    )
    assert records.rows(database, "attestations") == []
    assert records.rows(database, "attestation_duties") == []


def test_a_recorded_claim_gets_its_answer_whatever_comes_with_it(database: Database) -> None:
    claim = records.claim("c-1")
    first = examined(claim, AT_ONCE, [attestation(claim)])
    (answer,) = record(database, first)
    before = everything(database)
    for brought in ([], [attestation(claim)], [attestation(claim, claim_id="other")]):
        again = examined(claim, AT_ONCE, brought)
        assert record(database, again, now=NOW + timedelta(days=400), trust=Trust()) == [answer]
    assert everything(database) == before


def test_in_one_batch_the_first_that_is_complete_counts(database: Database) -> None:
    claim = records.claim("c-1")
    given = attestation(claim)
    lacking, whole = examined(claim, AT_ONCE), examined(claim, AT_ONCE, [given])
    answers = record(database, lacking, whole, lacking, whole)
    assert reason_of(answers[0]) == "attestation_missing"
    assert isinstance(answers[1], str)
    assert answers[1:] == [answers[1]] * 3
    assert len(records.rows(database, "attestations")) == 1


def test_one_record_behind_two_claims_of_one_batch(database: Database) -> None:
    claims = [records.claim(statement="line") for _ in range(3)]
    reference = attesting.reference()
    items = [
        examined(claim, AT_ONCE, [attestation(claim, record=reference)]) for claim in claims[:2]
    ]
    answers = record(database, *items, examined(claims[2], AT_ONCE, [attestation(claims[2])]))
    assert reason_of(answers[1]) == "attestation_replayed"
    assert [type(answer) for answer in answers] == [str, ServiceError, str]
    # The same reference of another attester is another record.
    contract = records.contract(attestations=(rule("VM4", attesters=(OTHER_LAB,)),))
    other = attestation(claims[1], by=OTHER_LAB, record=reference)
    assert recorded(database, claims[1], contract, other)["verdict"] == "granted"


def test_what_was_turned_away_uses_up_no_record(database: Database) -> None:
    first, second = records.claim(statement="line"), records.claim(statement="line")
    reference = attesting.reference()
    lacking = examined(
        first, AT_ONCE, [attestation(first, record=reference), attestation(first, claim_id="x")]
    )
    answers = record(
        database, lacking, examined(second, AT_ONCE, [attestation(second, record=reference)])
    )
    assert reason_of(answers[0]) == "attestation_other_claim"
    assert isinstance(answers[0], ServiceError)
    assert answers[0].places == ("attestations.1",)
    assert isinstance(answers[1], str)


def test_one_record_behind_two_lines_of_one_claim(database: Database) -> None:
    claim = records.claim()
    reference = attesting.reference()
    given = [attestation(claim, line, record=reference) for line in (1, 2)]
    (answer,) = record(database, examined(claim, AT_ONCE, given, lines=(1, 2)))
    assert reason_of(answer) == "attestation_replayed"
    assert (
        recorded(database, claim, AT_ONCE, given[0], attestation(claim, 2), lines=(1, 2))["verdict"]
        == "granted"
    )


def test_the_same_attestation_twice_in_a_submission_counts_once(database: Database) -> None:
    claim = records.claim()
    given = attestation(claim)
    assert recorded(database, claim, AT_ONCE, given, given)["verdict"] == "granted"
    assert len(records.rows(database, "attestations")) == 1


def test_a_pending_claim_needs_it_as_well(database: Database) -> None:
    recorded(database, records.claim(), records.contract())
    claim = records.claim(early_renewal_ground=EARLY)
    (answer,) = record(database, examined(claim, AT_ONCE))
    assert reason_of(answer) == "attestation_missing"
    told = recorded(database, claim, AT_ONCE, attestation(claim))
    assert (told["verdict"], told["attest_by"]) == ("pending", None)


# -- after it -----------------------------------------------------------------------------------


def test_a_granted_claim_tells_until_when(database: Database) -> None:
    claim = records.claim("c-1")
    told = recorded(database, claim, TWO_RULES, lines=(1, 2))
    assert told["attest_by"] == instant(days=10)
    answer = attest(database, attestation(claim), TWO_RULES)
    assert answer == {
        "claim_id": "c-1",
        "attestation_digest": answer["attestation_digest"],
        "line": 1,
        "attester_id": LAB,
        "attested": ["code"],
        "recorded_at": records.INSTANT,
        "state": "granted",
        "attest_by": instant(days=10),
        "missing": [
            {
                "line": 1,
                "attesters": [LAB, OTHER_LAB],
                "slots": [*BOTH],
                "due_at": instant(days=30),
            },
            {"line": 2, "attesters": [LAB], "slots": ["code"], "due_at": instant(days=10)},
            {
                "line": 2,
                "attesters": [LAB, OTHER_LAB],
                "slots": [*BOTH],
                "due_at": instant(days=30),
            },
        ],
    }
    # Both rules of the second line at once.
    answer = attest(database, attestation(claim, 2, attested=BOTH), TWO_RULES)
    assert answer["attest_by"] == instant(days=30)
    assert [entry["line"] for entry in answer["missing"]] == [1]
    # The price of the first, of the very record that its code was attested by.
    answer = attest(database, attestation(claim, by=OTHER_LAB, attested=BOTH), TWO_RULES)
    assert (answer["attest_by"], answer["missing"]) == (None, [])
    assert row_of(database, claim, NOW + timedelta(days=60)).state == "granted"


def test_code_first_and_price_later_of_the_same_record(database: Database) -> None:
    claim = records.claim()
    recorded(database, claim, TWO_RULES)
    reference = attesting.reference()
    attest(database, attestation(claim, record=reference), TWO_RULES)
    whole = attestation(claim, attested=BOTH, record=reference)
    assert attest(database, whole, TWO_RULES)["missing"] == []
    for line in (2, 3):
        elsewhere = attestation(claim, line, record=reference)
        assert problem(lambda given=elsewhere: attest(database, given, TWO_RULES)) == (
            "attestation_refused",
            "attester_unknown",
        )


def test_the_same_attestation_again_gets_the_same_answer_for_ever(database: Database) -> None:
    claim = records.claim()
    recorded(database, claim, LATER)
    given = attestation(claim)
    answer = attest(database, given)
    before = everything(database)
    much_later = NOW + timedelta(days=500)
    assert attest(database, given, now=much_later, trust=Trust()) == answer
    assert everything(database) == before
    cancel(database, claim, NOW)
    assert attest(database, given, now=much_later) == answer
    # For another shop it was never there.
    refusal = problem(lambda: attest(database, given, principal=OTHER_SHOP))
    assert refusal == ("not_found", None)


def test_what_came_with_the_claim_may_be_sent_again_by_itself(database: Database) -> None:
    claim = records.claim()
    given = attestation(claim)
    recorded(database, claim, AT_ONCE, given)
    answer = attest(database, given, AT_ONCE, NOW + timedelta(days=3))
    assert (answer["state"], answer["recorded_at"]) == ("granted", records.INSTANT)
    assert answer["missing"] == []


def test_the_last_instant(database: Database) -> None:
    claim, late = records.claim(statement="line"), records.claim(statement="line")
    ends = NOW + timedelta(days=10)
    for made in (claim, late):
        recorded(database, made, LATER)
    assert row_of(database, late, ends).state == "granted"
    assert row_of(database, late, ends + SECOND).state == "attestation_overdue"
    assert row_of(database, late, ends + SECOND).state_since == encode_instant(ends)
    given = attestation(late, at=ends)
    for moment in (ends + SECOND, ends + timedelta(days=1)):
        refusal = problem(lambda at=moment: attest(database, given, now=at))
        assert refusal == ("attestation_refused", "attestation_late")
    # Fractions of the last second belong to it.
    on_time = attest(database, attestation(claim, at=ends), now=ends + timedelta(seconds=0.9))
    assert on_time["attest_by"] is None
    assert row_of(database, claim, ends + SECOND).state == "granted"


def test_a_refusal_for_lateness_stays_after_the_sweep(database: Database) -> None:
    claim = records.claim()
    recorded(database, claim, LATER)
    after = NOW + timedelta(days=10, seconds=1)
    assert sweep(database, after - SECOND) == 0
    assert (sweep(database, after), sweep(database, after)) == (1, 0)
    refusal = problem(lambda: attest(database, attestation(claim, at=after), now=after))
    assert refusal == ("attestation_refused", "attestation_late")
    row = row_of(database, claim, after)
    assert (row.stored_state, row.state_since) == ("attestation_overdue", instant(days=10))
    assert events_of(database, claim) == ["attestation_overdue"]


def test_a_later_rule_can_still_be_met_when_an_earlier_one_was_missed(database: Database) -> None:
    claim = records.claim()
    recorded(database, claim, TWO_RULES)
    after = NOW + timedelta(days=20)
    answer = attest(database, attestation(claim, attested=BOTH, at=after), TWO_RULES, after)
    assert (answer["state"], answer["attest_by"]) == ("attestation_overdue", instant(days=10))
    assert [(entry["line"], entry["slots"]) for entry in answer["missing"]] == [(1, ["code"])]
    met = [row["attestation_digest"] for row in records.rows(database, "attestation_duties")]
    assert met == [None, answer["attestation_digest"]]
    # Nothing that is still open can be met now.
    again = attestation(claim, attested=BOTH, at=after)
    refusal = problem(lambda: attest(database, again, TWO_RULES, after))
    assert refusal == ("attestation_refused", "attestation_late")


BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "of another claim": ("attestation_other_claim", {"claim_id": "other"}),
    "of another commitment": (
        "attestation_other_line",
        {"commitment": records.commitment()},
    ),
    "of a line that is none": ("attestation_other_line", {"line": 7}),
    "of an attester nobody asks": ("attester_unknown", {"by": OTHER_LAB}),
    "signed with a key that nobody knows": (
        "key_unknown",
        {"key": attesting.key_of("stranger")},
    ),
    "signed with another attester's key": ("key_unknown", {"key": attesting.key_of(OTHER_LAB)}),
    "of the price alone": ("attestation_incomplete", {"attested": ("price",)}),
    "of the future": ("attestation_in_future", {"at": NOW + MAX_ATTESTATION_LEAD + SECOND}),
    "that has expired": (
        "attestation_expired",
        {"at": NOW - timedelta(days=30, seconds=1)},
    ),
}
"""Each with its reason; without the change it is taken (`test_the_accept_of_them_all`)."""


def bad(claim: Claim, changes: dict[str, Any]) -> Attestation:
    line = 1
    if "line" in changes:
        made = attestation(claim)
        return made.model_copy(update=changes)
    return attestation(claim, line, **changes)


def test_the_accept_of_them_all(database: Database) -> None:
    one, other = records.claim(statement="line"), records.claim(statement="line")
    recorded(database, one, LATER)
    assert attest(database, attestation(one))["missing"] == []
    assert recorded(database, other, AT_ONCE, attestation(other))["verdict"] == "granted"


@pytest.mark.parametrize("name", BAD)
def test_bad_ones_are_refused_and_change_nothing(database: Database, name: str) -> None:
    reason, changes = BAD[name]
    assert reason in ATTESTATION_REASONS
    with_claim, after_it = records.claim("with", statement="line"), records.claim("after")
    recorded(database, after_it, LATER)
    before = everything(database)
    (answer,) = record(database, examined(with_claim, AT_ONCE, [bad(with_claim, changes)]))
    assert reason_of(answer) == reason
    given = bad(after_it, changes)
    refusal = problem(lambda: attest(database, given, claim_id="after"))
    assert refusal == ("attestation_refused", reason)
    assert everything(database) == before


def test_a_signature_over_other_fields(database: Database) -> None:
    """The accept is the attestation before the change."""
    claim = records.claim()
    recorded(database, claim, LATER)
    good = attestation(claim)
    for changes in (
        {"record": attesting.reference()},
        {"attested": BOTH},
        {"expires_at": good.expires_at + SECOND},
        {"attested_at": good.attested_at - SECOND},
    ):
        other = good.model_copy(update=changes)
        refusal = problem(lambda given=other: attest(database, given))
        assert refusal == ("attestation_refused", "signature_invalid")
    assert attest(database, good)["missing"] == []


def test_a_key_counts_for_when_it_is_recorded(database: Database) -> None:
    """Signed before the revocation, presented after it; what was recorded before stands."""
    early, late = records.claim(statement="line"), records.claim(statement="line")
    for claim in (early, late):
        recorded(database, claim, LATER)
    revoked = NOW + timedelta(days=1)
    trust = Trust(dict([trusted_key(LAB, revoked_at=revoked)]))
    given = attestation(early)
    answer = attest(database, given, now=revoked - SECOND, trust=trust)
    refusal = problem(lambda: attest(database, attestation(late), now=revoked, trust=trust))
    assert refusal == ("attestation_refused", "key_revoked")
    assert attest(database, given, now=revoked + SECOND, trust=trust) == answer
    # The attester signs anew, with his next key.
    both = Trust(dict([*trust.keys.items(), trusted_key(LAB, generation=1)]))
    anew = attestation(late, at=revoked, key=attesting.key_of(LAB, 1))
    assert attest(database, anew, now=revoked, trust=both)["missing"] == []


def test_a_key_of_another_role_is_none(database: Database) -> None:
    claim = records.claim()
    recorded(database, claim, LATER)
    for role in ("auditor", "insurer"):
        trust = Trust(dict([trusted_key(LAB, role)]))
        refusal = problem(lambda one=trust: attest(database, attestation(claim), trust=one))
        assert refusal == ("attestation_refused", "key_unknown")
    not_yet = Trust(dict([trusted_key(LAB, valid_from=NOW + SECOND)]))
    refusal = problem(lambda: attest(database, attestation(claim), trust=not_yet))
    assert refusal == ("attestation_refused", "key_not_valid")


def test_a_record_stays_behind_its_line_when_the_claim_is_over(database: Database) -> None:
    first, second = records.claim(statement="line"), records.claim(statement="line")
    for claim in (first, second):
        recorded(database, claim, LATER)
    reference = attesting.reference()
    attest(database, attestation(first, record=reference))
    cancel(database, first, NOW)
    refusal = problem(lambda: attest(database, attestation(second, record=reference)))
    assert refusal == ("attestation_refused", "attestation_replayed")
    assert attest(database, attestation(second))["missing"] == []


def test_no_attestation_of_a_claim_that_is_over(database: Database) -> None:
    refused = records.claim(beneficiary=records.STRANGER)
    cancelled, expired = records.claim(statement="line"), records.claim(statement="line")
    recorded(database, refused, LATER)
    for claim in (cancelled, expired):
        recorded(database, claim, records.contract(attestations=(rule("VM4", within_days=200),)))
    cancel(database, cancelled, NOW)
    for claim, now in (
        (refused, NOW),
        (cancelled, NOW),
        (expired, NOW + timedelta(days=90, seconds=1)),
    ):
        given = attestation(claim, at=now)
        refusal = problem(lambda one=given, at=now: attest(database, one, now=at))
        assert refusal == ("state_conflict", None)


def test_a_claim_has_no_more_attestations_than_its_record_can_hold(database: Database) -> None:
    claim, accept = records.claim(statement="line"), records.claim(statement="line")
    for made in (claim, accept):
        recorded(database, made, LATER)
    given = [attestation(claim) for _ in range(MAX_ATTESTATIONS)]
    answers = [attest(database, entry) for entry in given]
    refusal = problem(lambda: attest(database, attestation(claim)))
    assert refusal == ("state_conflict", None)
    assert [attest(database, entry) for entry in given] == answers
    attest(database, attestation(accept))


def test_a_contract_that_this_process_does_not_know_yet(database: Database) -> None:
    claim = records.claim()
    recorded(database, claim, LATER)
    step = Step(claim.claim_id, SHOP, keys(), NOW)
    with database.write() as connection, pytest.raises(ServiceError) as caught:
        take_attestation(connection, step, attestation(claim), None, TRUST)
    assert (caught.value.code, caught.value.retry_after) == ("overloaded", 1)


# -- granted by decision ------------------------------------------------------------------------


def pending(database: Database, contract: Contract, *given: Attestation) -> Claim:
    recorded(database, records.claim(), records.contract())
    claim = records.claim("pending", early_renewal_ground=EARLY)
    assert recorded(database, claim, contract)["verdict"] == "pending"
    return claim


def test_days_run_from_the_decision(database: Database) -> None:
    claim = pending(database, TWO_RULES)
    row = row_of(database, claim)
    assert (row.state, row.attest_by) == ("pending", None)
    assert [entry["due_at"] for entry in records.rows(database, "attestation_duties")] == [
        None,
        None,
    ]
    # What comes meanwhile is taken, with no time limit.
    meanwhile = NOW + timedelta(days=5)
    answer = attest(database, attestation(claim, at=meanwhile), TWO_RULES, meanwhile)
    assert (answer["state"], answer["attest_by"]) == ("pending", None)
    assert [entry["due_at"] for entry in answer["missing"]] == [None]
    decided = NOW + timedelta(days=20)
    assert decide(database, claim, "grant", decided, TWO_RULES)["state"] == "granted"
    assert row_of(database, claim, decided).attest_by == instant(days=50)
    assert row_of(database, claim, NOW + timedelta(days=50)).state == "granted"
    after = NOW + timedelta(days=50, seconds=1)
    assert row_of(database, claim, after).state == "attestation_overdue"


def test_a_pending_claim_that_is_refused_asks_for_nothing(database: Database) -> None:
    claim = pending(database, LATER)
    decide(database, claim, "refuse", NOW)
    row = row_of(database, claim, NOW + timedelta(days=365))
    assert (row.state, row.attest_by) == ("refused", None)


# -- overdue ------------------------------------------------------------------------------------

OVER = NOW + timedelta(days=10, seconds=1)


@pytest.mark.parametrize("is_swept", [False, True])
@pytest.mark.parametrize("is_invoiced", [False, True])
@pytest.mark.parametrize("decision", ["grant", "refuse"])
def test_the_insurer_decides_on_what_is_overdue(
    database: Database, is_swept: bool, is_invoiced: bool, decision: str
) -> None:
    claim = records.claim("the-claim")
    recorded(database, claim, LATER)
    if is_invoiced:
        invoice(database, claim, NOW)
        assert row_of(database, claim).attest_by == instant(days=10)
    if is_swept:
        assert sweep(database, OVER) == 1
    row = row_of(database, claim, OVER)
    assert (row.state, row.state_since) == ("attestation_overdue", instant(days=10))
    answer = decide(database, claim, decision, OVER)
    expected = "refused" if decision == "refuse" else "payable" if is_invoiced else "granted"
    ends = encode_instant(OVER + timedelta(days=90)) if expected == "granted" else None
    assert answer == {
        "claim_id": "the-claim",
        "state": expected,
        "recorded_at": encode_instant(OVER),
        "granted_until": ends,
    }
    row = row_of(database, claim, OVER)
    assert (row.state, row.deadline, row.attest_by) == (expected, ends, None)
    assert events_of(database, claim)[-2:] == ["attestation_overdue", "attestation_decided"]
    used = {row["commitment"] for row in records.rows(database, "commitments")}
    assert used == (set() if expected == "refused" else {line.commitment for line in claim.lines})
    # Once is enough, and nothing is due any more.
    assert decide(database, claim, decision, OVER + timedelta(days=5)) == answer
    other = "grant" if decision == "refuse" else "refuse"
    assert problem(lambda: decide(database, claim, other, OVER)) == ("state_conflict", None)
    assert sweep(database, NOW + timedelta(days=365)) == 0
    assert row_of(database, claim, OVER + timedelta(days=89)).state == expected


def test_after_a_grant_without_its_attestation_the_claim_goes_on(database: Database) -> None:
    claim = records.claim()
    recorded(database, claim, TWO_RULES)
    decide(database, claim, "grant", OVER, TWO_RULES)
    # What could still have come for the later rule changes nothing.
    answer = attest(database, attestation(claim, attested=BOTH, at=OVER), TWO_RULES, OVER)
    assert (answer["state"], answer["attest_by"], answer["missing"]) == ("granted", None, [])
    assert invoice(database, claim, OVER)["state"] == "payable"
    assert row_of(database, claim, NOW + timedelta(days=365)).state == "payable"


def test_the_words_of_an_earlier_decision_decide_anew(database: Database) -> None:
    claim = pending(database, LATER)
    first = decide(database, claim, "grant", NOW)
    assert decide(database, claim, "grant", NOW + timedelta(days=1)) == first
    second = decide(database, claim, "grant", OVER)
    assert second["recorded_at"] == encode_instant(OVER)
    assert decide(database, claim, "grant", OVER + timedelta(days=1)) == second
    assert problem(lambda: decide(database, claim, "refuse", OVER)) == ("state_conflict", None)


def test_both_decisions_keep_their_answers(database: Database) -> None:
    claim = pending(database, LATER)
    first = decide(database, claim, "grant", NOW)
    second = decide(database, claim, "refuse", OVER)
    assert second["state"] == "refused"
    assert decide(database, claim, "grant", OVER) == first
    assert decide(database, claim, "refuse", OVER) == second


@pytest.mark.parametrize("is_swept", [False, True])
def test_an_overdue_claim_takes_no_notice(database: Database, is_swept: bool) -> None:
    """The accept of each is one second earlier."""
    claim, accept = records.claim(statement="line"), records.claim(statement="line")
    for made in (claim, accept):
        recorded(database, made, LATER)
    assert invoice(database, accept, OVER - SECOND)["state"] == "payable"
    if is_swept:
        sweep(database, OVER)
    for act in (invoice, cancel):
        refusal = problem(lambda do=act: do(database, claim, OVER))
        assert refusal == ("state_conflict", None)


@pytest.mark.parametrize("is_swept", [False, True])
@pytest.mark.parametrize("is_invoiced", [False, True])
def test_an_overdue_equipment_blocks_a_renewal_and_keeps_its_commitments(
    database: Database, is_swept: bool, is_invoiced: bool
) -> None:
    claim = records.claim()
    recorded(database, claim, LATER)
    if is_invoiced:
        invoice(database, claim, NOW)
    over = NOW + timedelta(days=100)  # the grant alone would have ended
    if is_swept:
        sweep(database, over)
    again = records.claim(expires_at=over)
    same = records.claim(
        beneficiary=records.CHILD,
        commitments=[line.commitment for line in claim.lines],
        expires_at=over,
    )
    plain = records.contract()
    answers = record(database, examined(again, plain), examined(same, plain), now=over)
    told = [json.loads(str(answer)) for answer in answers]
    assert [answer["reason"] for answer in told] == ["renewal_too_early", "commitment_reused"]
    decide(database, claim, "refuse", over)
    anew = records.claim(commitments=[line.commitment for line in claim.lines], expires_at=over)
    (answer,) = record(database, examined(anew, plain), now=over)
    assert json.loads(str(answer))["verdict"] == "granted"


# -- what ends first ----------------------------------------------------------------------------


@pytest.mark.parametrize("is_swept", [False, True])
@pytest.mark.parametrize(
    ("days", "first", "in_the_end"),
    [
        (89, "attestation_overdue", "attestation_overdue"),
        (90, "attestation_overdue", "attestation_overdue"),  # with the grant
        (91, "expired", "expired"),
    ],
)
def test_what_passes_first_decides(
    database: Database, is_swept: bool, days: int, first: str, in_the_end: str
) -> None:
    claim = records.claim()
    contract = records.contract(attestations=(rule("VM4", within_days=days),))
    recorded(database, claim, contract)
    passed = NOW + timedelta(days=min(days, 90))
    assert row_of(database, claim, passed).state == "granted"
    for now, state in ((passed + SECOND, first), (NOW + timedelta(days=400), in_the_end)):
        row = row_of(database, claim, now)
        assert (row.state, row.state_since) == (state, encode_instant(passed))
        if is_swept:
            with database.write() as connection:
                store.expire_overdue(connection, encode_instant(now))
                store.mark_attestations_overdue(connection, encode_instant(now))
        with database.read() as connection:
            chosen = ClaimFilter(state=state)
            listed = store.list_claims(connection, chosen, encode_instant(now), None, 10)
            assert [entry.claim_id for entry in listed] == [claim.claim_id]
    assert events_of(database, claim) == ([in_the_end] if is_swept else [])


def test_a_sweep_takes_so_many_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SWEEP", 2)
    for _ in range(5):
        recorded(database, records.claim(statement="line"), LATER)
    assert [sweep(database, OVER) for _ in range(4)] == [2, 2, 1, 0]
