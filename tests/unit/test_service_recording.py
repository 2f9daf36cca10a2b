"""Uniqueness, rights and renewal: what is decided by the records, and what is then recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.claim import Claim, encode_claim
from circuits.contract import RenewalMonths
from tests.support import records
from tests.support.records import ADULT, CHILD, DAY, INSTANT, NOW, examined
from verifier_api.service.administration import add_rights
from verifier_api.service.errors import ServiceError
from verifier_api.service.proofs import ProofVerdict
from verifier_api.service.recording import Examined, record_claims
from verifier_api.store import claims as store
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database

BAD_PROOF = ProofVerdict("proof_invalid", "it proves nothing", records.CIRCUIT)
NOT_IN_ORDER = ("signature_invalid", "the signature does not cover this claim")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """With the rights of an adult and a child; nothing inconsistent may be left in it."""
    opened = records.database_with_rights(tmp_path)
    yield opened
    assert check_database(opened)["problems"] == []
    opened.dispose()


def record(database: Database, *items: Examined, now: Any = NOW) -> list[str | ServiceError]:
    with database.write() as connection:
        return record_claims(connection, items, now)


def facts(answer: str | ServiceError) -> dict[str, Any]:
    assert isinstance(answer, str)
    answered: dict[str, Any] = json.loads(answer)
    return answered


def outcome(answer: str | ServiceError) -> tuple[str, str | None]:
    told = facts(answer)
    return told["verdict"], told["reason"]


def judged(database: Database, item: Examined, now: Any = NOW) -> tuple[str, str | None]:
    (answer,) = record(database, item, now=now)
    return outcome(answer)


GRANTED = ("granted", None)


# -- what is recorded ---------------------------------------------------------------------------


def test_a_claim_in_order_is_granted_and_recorded_whole(database: Database) -> None:
    claim = records.claim("c-1")
    (answer,) = record(database, examined(claim))
    told = facts(answer)
    assert told["verdict"] == "granted"
    assert told["granted_until"] == "2021-01-04T09:30:00Z"
    assert told["amounts"] == {"lenses_cents": 43_900, "frame_cents": 10_000}
    assert told["circuit_digest"] == records.CIRCUIT
    (row,) = records.rows(database, "claims")
    assert row == {
        "sequence": 1,
        "claim_id": "c-1",
        "claim_digest": records.digest_of(claim),
        "envelope": encode_claim(claim),
        "optician_id": records.SHOP,
        "contract_id": "responsable-2020",
        "statement": "equipment",
        "beneficiary": ADULT,
        "date_of_service": DAY.isoformat(),
        "received_at": INSTANT,
        "actor": "token-1",
        "verdict": "granted",
        "reason": None,
        "answer": answer,
        "state": "granted",
        "state_since": INSTANT,
        "deadline": "2021-01-04T09:30:00Z",
        "granted_lenses_cents": 43_900,
        "granted_frame_cents": 10_000,
        "attest_by": None,
        "classes": "VM4 VM4 M03",
        "judging": None,
        "latency_us": None,
        "batch_size": None,
    }
    used = {
        entry["commitment"]: entry["claim_id"] for entry in records.rows(database, "commitments")
    }
    assert used == {line.commitment: "c-1" for line in claim.lines}
    assert not [row for row in records.rows(database, "events") if row["claim_id"]]
    (circuit,) = records.rows(database, "circuits")
    assert (circuit["digest"], circuit["day"]) == (records.CIRCUIT, DAY.isoformat())
    assert circuit["contract_digest"] == claim.contract_digest
    assert json.loads(circuit["declaration"]) == {
        "statement": "equipment",
        "level": None,
        "price_class": None,
        "lines": [
            {"role": line.role, "regroupement": line.regroupement, "code": None}
            for line in claim.lines
        ],
    }


def test_a_refused_claim_is_recorded_and_uses_no_commitment(database: Database) -> None:
    claim = records.claim("c-1")
    (answer,) = record(database, examined(claim, refusal=NOT_IN_ORDER))
    told = facts(answer)
    assert (told["verdict"], told["reason"], told["detail"]) == ("refused", *NOT_IN_ORDER)
    assert (told["circuit_digest"], told["granted_until"], told["amounts"]) == (None, None, None)
    (row,) = records.rows(database, "claims")
    assert (row["state"], row["deadline"]) == ("refused", None)
    assert (row["granted_lenses_cents"], row["granted_frame_cents"]) == (None, None)
    assert records.rows(database, "commitments") == []
    assert records.rows(database, "circuits") == []


def test_a_pending_claim_waits_as_long_as_it_is_valid(database: Database) -> None:
    record(database, examined(records.claim()))
    early = records.claim("early", early_renewal_ground="change_of_vision")
    (answer,) = record(database, examined(early))
    told = facts(answer)
    assert (told["verdict"], told["reason"]) == ("pending", "early_renewal")
    assert (told["granted_until"], told["amounts"]) == (None, None)
    (row,) = [row for row in records.rows(database, "claims") if row["claim_id"] == "early"]
    assert (row["state"], row["deadline"]) == ("pending", "2020-11-05T09:30:00Z")
    # What may be granted by decision later.
    assert (row["granted_lenses_cents"], row["granted_frame_cents"]) == (43_900, 10_000)
    assert len(records.rows(database, "commitments")) == 6


def test_a_line_is_granted_without_amounts_and_needs_no_renewal(database: Database) -> None:
    record(database, examined(records.claim()))
    assert judged(database, examined(records.claim("line", statement="line"))) == GRANTED
    (row,) = [row for row in records.rows(database, "claims") if row["claim_id"] == "line"]
    assert (row["granted_lenses_cents"], row["granted_frame_cents"]) == (None, None)


def test_a_granted_line_does_not_stand_in_the_way_of_an_equipment(database: Database) -> None:
    line = records.claim(statement="line")
    answers = record(database, examined(line), examined(records.claim()))
    assert [outcome(answer) for answer in answers] == [GRANTED, GRANTED]


def test_a_circuit_is_named_once(database: Database) -> None:
    record(database, examined(records.claim()), examined(records.claim(beneficiary=CHILD)))
    record(database, examined(records.claim(date_of_service=date(2024, 1, 1))))
    assert len(records.rows(database, "circuits")) == 1


def test_nothing_is_recorded_of_nothing(database: Database) -> None:
    assert record(database) == []
    assert records.rows(database, "claims") == []


# -- the order of the reasons -------------------------------------------------------------------

USED = records.commitment(1)


def everything_wrong(**changes: Any) -> Claim:
    """A commitment that is in use, a beneficiary without a right, and too early."""
    fresh = [records.commitment(), records.commitment()]
    return records.claim(commitments=[fresh[0], USED, fresh[1]], **changes)


@pytest.fixture
def busy(database: Database) -> Database:
    """`USED` is in use, and `ADULT` has had his equipment."""
    used = [USED, records.commitment(), records.commitment()]
    assert judged(database, examined(records.claim(commitments=used))) == GRANTED
    return database


def test_the_envelope_comes_before_the_records(busy: Database) -> None:
    claim = everything_wrong(beneficiary=records.STRANGER)
    assert judged(busy, examined(claim, refusal=NOT_IN_ORDER)) == ("refused", "signature_invalid")


def test_uniqueness_comes_before_rights_renewal_and_proof(busy: Database) -> None:
    claim = everything_wrong(beneficiary=records.STRANGER)
    (answer,) = record(busy, examined(claim, proof=BAD_PROOF))
    told = facts(answer)
    assert told["reason"] == "commitment_reused"
    assert told["detail"] == "lines.1.commitment"
    assert USED not in told["detail"]


def test_rights_come_before_renewal_and_proof(busy: Database) -> None:
    claim = records.claim(contract_id="another-contract")
    outcome_of = judged(busy, examined(claim, proof=BAD_PROOF))
    assert outcome_of == ("refused", "rights_unknown")


def test_renewal_comes_before_the_proof(busy: Database) -> None:
    claim = examined(records.claim(), proof=BAD_PROOF)
    assert judged(busy, claim) == ("refused", "renewal_too_early")


def test_the_proof_comes_before_the_ground_of_an_early_renewal(busy: Database) -> None:
    claim = records.claim(early_renewal_ground="change_of_vision")
    (answer,) = record(busy, examined(claim, proof=BAD_PROOF))
    told = facts(answer)
    assert (told["reason"], told["detail"]) == ("proof_invalid", "it proves nothing")
    assert told["circuit_digest"] == records.CIRCUIT


def test_what_is_in_order_but_early_is_pending_with_a_ground(busy: Database) -> None:
    claim = records.claim(early_renewal_ground="change_of_vision")
    assert judged(busy, examined(claim)) == ("pending", "early_renewal")


def test_a_ground_that_is_not_needed_does_no_harm(busy: Database) -> None:
    claim = records.claim(
        early_renewal_ground="change_of_vision", date_of_service=date(2022, 10, 5)
    )
    assert judged(busy, examined(claim)) == GRANTED


# -- rights -------------------------------------------------------------------------------------


def test_rights_hold_from_their_first_day_to_their_last(database: Database) -> None:
    short = records.right("beneficiary-short-01", valid_to=date(2020, 12, 31))
    with database.write() as connection:
        add_rights(connection, [short], "test", NOW)
    for day, expected in (
        (date(2019, 12, 31), ("refused", "rights_unknown")),
        (date(2020, 1, 1), GRANTED),
        (date(2020, 12, 31), GRANTED),
        (date(2021, 1, 1), ("refused", "rights_unknown")),
    ):
        line = records.claim(
            statement="line", beneficiary="beneficiary-short-01", date_of_service=day
        )
        assert judged(database, examined(line)) == expected


def test_at_sixteen_the_other_period_counts(database: Database) -> None:
    grown = "beneficiary-grown-01"
    sixteen = date(2021, 6, 1)
    periods = [
        records.right(grown, "under_16", valid_to=sixteen - timedelta(days=1)),
        records.right(grown, "adult", valid_from=sixteen),
    ]
    with database.write() as connection:
        add_rights(connection, periods, "test", NOW)
    # A year after an equipment he is still under 16, or just no longer.
    first = records.claim(beneficiary=grown, date_of_service=date(2020, 5, 31))
    assert judged(database, examined(first)) == GRANTED
    child = records.claim(beneficiary=grown, date_of_service=date(2021, 5, 31))
    adult = records.claim(beneficiary=grown, date_of_service=sixteen)
    assert judged(database, examined(adult)) == ("refused", "renewal_too_early")
    assert judged(database, examined(child)) == GRANTED


# -- renewal ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beneficiary", "service", "expected"),
    [
        (ADULT, "2022-10-04", ("refused", "renewal_too_early")),
        (ADULT, "2022-10-05", GRANTED),
        (CHILD, "2021-10-04", ("refused", "renewal_too_early")),
        (CHILD, "2021-10-05", GRANTED),
    ],
)
@pytest.mark.parametrize("is_later_first", [False, True])
def test_the_period_counts_in_either_order(
    database: Database,
    beneficiary: str,
    service: str,
    expected: tuple[str, str | None],
    is_later_first: bool,
) -> None:
    days = [DAY, date.fromisoformat(service)]
    if is_later_first:
        days.reverse()
    claims = [records.claim(beneficiary=beneficiary, date_of_service=day) for day in days]
    assert judged(database, examined(claims[0])) == GRANTED
    assert judged(database, examined(claims[1])) == expected


@pytest.mark.parametrize("statement", ["equipment", "pair"])
def test_both_statements_of_an_equipment_count(database: Database, statement: str) -> None:
    assert judged(database, examined(records.claim(statement=statement))) == GRANTED
    other = "pair" if statement == "equipment" else "equipment"
    again = examined(records.claim(statement=other))
    assert judged(database, again) == ("refused", "renewal_too_early")


def test_an_equipment_under_another_contract_counts_too(database: Database) -> None:
    second = records.contract(contract_id="second-2020")
    with database.write() as connection:
        other = records.right(ADULT, contract_id="second-2020")
        add_rights(connection, [other], "test", NOW)
    assert judged(database, examined(records.claim())) == GRANTED
    claim = records.claim(of_contract=second)
    item = examined(claim, of_contract=second)
    assert judged(database, item) == ("refused", "renewal_too_early")


def test_each_contract_has_its_own_period(database: Database) -> None:
    quick = records.contract(renewal_months=RenewalMonths(adult=6, under_16=3))
    assert judged(database, examined(records.claim())) == GRANTED
    claim = records.claim(of_contract=quick, date_of_service=date(2021, 4, 5))
    assert judged(database, examined(claim, of_contract=quick)) == GRANTED


@pytest.mark.parametrize("state", ["refused", "pending", "cancelled", "expired"])
def test_only_what_is_granted_or_payable_counts(database: Database, state: str) -> None:
    assert judged(database, examined(records.claim("first"))) == GRANTED
    deadline = "2020-11-05T09:30:00Z" if state == "pending" else None
    with database.write() as connection:
        store.change_state(connection, "first", state, INSTANT, deadline)
        days = store.granted_equipment(connection, [ADULT], INSTANT)
        assert days == []
        store.change_state(connection, "first", "payable", INSTANT, None)
        assert store.granted_equipment(connection, [ADULT], INSTANT) == [(ADULT, DAY)]
        store.change_state(connection, "first", "granted", INSTANT, "2021-01-04T09:30:00Z")


def test_a_grant_whose_time_is_over_counts_no_longer_even_before_it_is_swept(
    database: Database,
) -> None:
    assert judged(database, examined(records.claim())) == GRANTED
    last = NOW + timedelta(days=90)
    at_last = examined(records.claim(expires_at=last))
    assert judged(database, at_last, last) == ("refused", "renewal_too_early")
    after = last + timedelta(seconds=1)
    assert judged(database, examined(records.claim(expires_at=after)), after) == GRANTED


# -- the same claim, the same commitments -------------------------------------------------------


def test_the_same_bytes_get_the_same_answer_for_ever(database: Database) -> None:
    item = examined(records.claim())
    (first,) = record(database, item)
    later = NOW + timedelta(days=400)
    assert record(database, item, now=later) == [first]
    # Whatever would be said of it today.
    changed = examined(item.claim, refusal=NOT_IN_ORDER)
    assert record(database, changed, now=later) == [first]
    assert len(records.rows(database, "claims")) == 1


def test_a_refusal_is_repeated_even_if_its_cause_has_gone(database: Database) -> None:
    item = examined(records.claim(beneficiary=records.STRANGER))
    (first,) = record(database, item)
    assert outcome(first) == ("refused", "rights_unknown")
    with database.write() as connection:
        add_rights(connection, [records.right(records.STRANGER)], "test", NOW)
    assert record(database, item) == [first]


def test_the_same_id_with_other_bytes_is_a_conflict_that_changes_nothing(
    database: Database,
) -> None:
    record(database, examined(records.claim("same")))
    before = {name: records.rows(database, name) for name in ("claims", "commitments", "events")}
    (answer,) = record(database, examined(records.claim("same")))
    assert isinstance(answer, ServiceError)
    assert (answer.code, answer.places) == ("claim_conflict", ("claim_id",))
    assert before == {name: records.rows(database, name) for name in before}


def test_a_refused_claims_commitments_can_be_used(database: Database) -> None:
    texts = [records.commitment() for _ in range(3)]
    refused = records.claim(commitments=texts, beneficiary=records.STRANGER)
    assert judged(database, examined(refused)) == ("refused", "rights_unknown")
    assert judged(database, examined(records.claim(commitments=texts))) == GRANTED


# -- within one batch ---------------------------------------------------------------------------


def test_twice_the_same_claim_in_a_batch_is_one_record(database: Database) -> None:
    item = examined(records.claim())
    answers = record(database, item, item)
    assert answers[0] == answers[1]
    assert len(records.rows(database, "claims")) == 1


def test_the_same_id_twice_in_a_batch_with_other_bytes(database: Database) -> None:
    first, second = records.claim("same"), records.claim("same", beneficiary=CHILD)
    answers = record(database, examined(first), examined(second), examined(first))
    assert outcome(answers[0]) == GRANTED
    assert isinstance(answers[1], ServiceError)
    assert answers[1].code == "claim_conflict"
    assert answers[2] == answers[0]
    assert len(records.rows(database, "claims")) == 1
    assert len(records.rows(database, "commitments")) == 3


def test_one_commitment_twice_in_a_batch(database: Database) -> None:
    shared = records.commitment()
    texts = [shared, records.commitment(), records.commitment()]
    other = [records.commitment(), records.commitment(), shared]
    answers = record(
        database,
        examined(records.claim(commitments=texts)),
        examined(records.claim(commitments=other, beneficiary=CHILD)),
    )
    assert outcome(answers[0]) == GRANTED
    assert facts(answers[1])["reason"] == "commitment_reused"
    assert facts(answers[1])["detail"] == "lines.2.commitment"


def test_a_refused_claim_does_not_use_a_commitment_for_those_behind_it(database: Database) -> None:
    texts = [records.commitment() for _ in range(3)]
    answers = record(
        database,
        examined(records.claim(commitments=texts), proof=BAD_PROOF),
        examined(records.claim(commitments=texts)),
    )
    assert [outcome(answer) for answer in answers] == [("refused", "proof_invalid"), GRANTED]


def test_two_equipments_of_one_beneficiary_in_a_batch(database: Database) -> None:
    answers = record(
        database,
        examined(records.claim()),
        examined(records.claim(beneficiary=CHILD)),
        examined(records.claim()),
        examined(records.claim(early_renewal_ground="change_of_vision")),
        examined(records.claim(date_of_service=DAY + timedelta(days=731))),
    )
    assert [outcome(answer) for answer in answers] == [
        GRANTED,
        GRANTED,
        ("refused", "renewal_too_early"),
        ("pending", "early_renewal"),
        GRANTED,
    ]


def test_a_pending_claim_in_a_batch_is_no_equipment_yet(database: Database) -> None:
    """Only what is granted stands in the way: of two that are early both wait."""
    record(database, examined(records.claim()))
    early = [examined(records.claim(early_renewal_ground="change_of_vision")) for _ in range(2)]
    answers = record(database, *early)
    assert [outcome(answer) for answer in answers] == [("pending", "early_renewal")] * 2


def test_a_batch_is_as_one_by_one(tmp_path: Path, database: Database) -> None:
    shared = records.commitment()
    items = [
        examined(records.claim(commitments=[shared, records.commitment(), records.commitment()])),
        examined(records.claim(commitments=[shared, records.commitment(), records.commitment()])),
        examined(records.claim()),
        examined(records.claim(beneficiary=records.STRANGER)),
        examined(records.claim(statement="line")),
        examined(records.claim(), refusal=NOT_IN_ORDER),
        examined(records.claim(beneficiary=CHILD), proof=BAD_PROOF),
        examined(records.claim(beneficiary=CHILD)),
    ]
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    other = records.database_with_rights(other_folder)
    one_by_one = [answer for item in items for answer in record(other, item)]
    assert record(database, *items) == one_by_one
    for table in ("claims", "commitments", "circuits"):
        assert records.rows(database, table) == records.rows(other, table)
    other.dispose()


# -- what has gone by ---------------------------------------------------------------------------


def test_what_is_overdue_is_swept_and_keeps_its_commitments(database: Database) -> None:
    granted, line = records.claim("granted"), records.claim("line", statement="line")
    early = records.claim("early", early_renewal_ground="change_of_vision")
    refused = records.claim("refused", beneficiary=records.STRANGER)
    record(database, *map(examined, (granted, line, early, refused)))
    with database.write() as connection:
        assert store.expire_overdue(connection, "2020-11-05T09:30:00Z") == 0
        assert store.expire_overdue(connection, "2020-11-05T09:30:01Z") == 1
        assert store.expire_overdue(connection, "2021-01-04T09:30:00Z") == 0
        assert store.expire_overdue(connection, "2021-03-01T00:00:00Z") == 2
        assert store.expire_overdue(connection, "2021-03-01T00:00:00Z") == 0
    states = {row["claim_id"]: row for row in records.rows(database, "claims")}
    assert {name: row["state"] for name, row in states.items()} == {
        "granted": "expired",
        "line": "expired",
        "early": "expired",
        "refused": "refused",
    }
    # Since when: the last instant at which it was not, whenever that was noticed.
    assert states["early"]["state_since"] == "2020-11-05T09:30:00Z"
    assert states["granted"]["state_since"] == "2021-01-04T09:30:00Z"
    assert all(row["deadline"] is None for row in states.values())
    told = [row for row in records.rows(database, "events") if row["kind"] == "expired"]
    assert [(row["claim_id"], row["at"], row["actor"]) for row in told] == [
        ("early", "2020-11-05T09:30:01Z", "service"),
        ("granted", "2021-03-01T00:00:00Z", "service"),
        ("line", "2021-03-01T00:00:00Z", "service"),
    ]
    assert [json.loads(row["facts"])["from"] for row in told] == ["pending", "granted", "granted"]
    again = records.claim(commitments=[line.commitment for line in granted.lines])
    assert judged(database, examined(again)) == ("refused", "commitment_reused")


def test_a_sweep_takes_so_many_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SWEEP", 2)
    record(database, *(examined(records.claim(statement="line")) for _ in range(5)))
    with database.write() as connection:
        swept = [store.expire_overdue(connection, "2022-01-01T00:00:00Z") for _ in range(4)]
    assert swept == [2, 2, 1, 0]
