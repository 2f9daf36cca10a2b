"""Audit cases by the rules: every step, every state, every instant, and what erasing leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.audit import AUDIT_REASONS, AuditReply
from circuits.canonical import decode_base64url
from circuits.claim import encode_instant
from circuits.notices import encode_cancellation
from circuits.signed import encode_signed, signed_digest
from circuits.trust import Trust
from optician.identity import Identity
from optician.notices import make_cancellation
from tests.support import audits as made
from tests.support import records
from tests.support.audit_desk import (
    ANSWERED,
    AUDITOR,
    CONCLUDED,
    OTHER_SHOP,
    SHOP,
    Desk,
)
from tests.support.audits import ANSWER_BY, ERASE_AT, OPENED, SECOND
from tests.support.records import NOW
from verifier_api.service.audits import (
    CASE_STATES,
    ERASED,
    NO_CASE,
    case_facts,
    note_sight,
    require_recipient_usable,
)
from verifier_api.service.directory import Snapshot
from verifier_api.service.errors import ServiceError
from verifier_api.service.notices import Step, take_cancellation
from verifier_api.store import audits as store
from verifier_api.store import claims as claims_store
from verifier_api.store.audits import CaseFilter
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database
from zk.errors import StatementError

AFTER_DEADLINE = ANSWER_BY + SECOND
AFTER_ERASURE = ERASE_AT + SECOND


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """With rights; nothing inconsistent may be left in it."""
    opened = records.database_with_rights(tmp_path)
    yield opened
    assert check_database(opened)["problems"] == []
    opened.dispose()


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def refused(act: Callable[[], Any]) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        act()
    return caught.value


def reason_of(act: Callable[[], Any]) -> str | None:
    error = refused(act)
    assert error.code == "audit_refused"
    assert error.reason is not None
    assert error.detail == AUDIT_REASONS[error.reason]
    return error.reason


# -- a case from beginning to end ----------------------------------------------------------------


def test_a_case_is_opened_answered_read_and_concluded(desk: Desk) -> None:
    case = desk.open()
    facts = {
        "case_id": "case-1",
        "case_digest": signed_digest(case),
        "claim_id": "the-claim",
        "line": 1,
        "slots": ["code", "price"],
        "ground": made.GROUND,
        "auditor_id": made.AUDITOR,
        "optician_id": records.SHOP,
        "state": "open",
        "opened_at": encode_instant(OPENED),
        "answer_by": encode_instant(ANSWER_BY),
        "erase_at": encode_instant(ERASE_AT),
        "answered_at": None,
        "answer_digest": None,
        "erased_at": None,
        "outcome": None,
        "cause": None,
        "concluded_at": None,
    }
    assert desk.opened == facts
    reply = made.reply_to(case)
    facts |= {
        "state": "answered",
        "answered_at": encode_instant(ANSWERED),
        "answer_digest": signed_digest(reply.answer),
    }
    assert desk.answer(reply) == facts
    assert desk.sealed() == {
        "case": json.loads(encode_signed(case)),
        "answer": json.loads(encode_signed(reply.answer)),
        "sealed": reply.sealed,
    }
    outcome = made.outcome_of(case, reply.answer)
    facts |= {
        "state": "concluded",
        "outcome": "consistent",
        "cause": "as_recorded",
        "concluded_at": encode_instant(CONCLUDED),
    }
    assert desk.conclude(outcome) == facts
    detail = desk.detail()
    assert detail.items() >= facts.items()
    assert detail["case"] == json.loads(encode_signed(case))
    assert detail["answer"] == json.loads(encode_signed(reply.answer))
    assert detail["outcome_document"] == json.loads(encode_signed(outcome))
    assert "sealed" not in detail
    steps = [(event["kind"], event["actor"], event["at"]) for event in detail["history"]]
    assert steps == [
        ("audit_opened", AUDITOR.token_id, encode_instant(OPENED)),
        ("audit_answered", SHOP.token_id, encode_instant(ANSWERED)),
        ("audit_sealed_read", AUDITOR.token_id, encode_instant(ANSWERED)),
        ("audit_concluded", AUDITOR.token_id, encode_instant(CONCLUDED)),
    ]
    assert all(event["facts"]["case_id"] == "case-1" for event in detail["history"])


def test_the_optician_may_refuse(desk: Desk) -> None:
    case = desk.open()
    reply = made.refusal_of(case)
    assert desk.answer(reply)["state"] == "refused"
    assert desk.row()["sealed"] is None
    error = refused(desk.sealed)
    assert (error.code, error.reason) == ("state_conflict", None)
    assert desk.conclude(made.outcome_of(case, reply.answer, "refused"))["cause"] == "refused"
    assert desk.history() == ["audit_opened", "audit_refused", "audit_concluded"]


def test_nobody_answers(desk: Desk) -> None:
    case = desk.open()
    assert desk.sweep(AFTER_DEADLINE) == (1, 0)
    assert desk.row()["state"] == "lapsed"
    answer = desk.conclude(made.outcome_of(case, None, "lapsed"), AFTER_DEADLINE)
    assert (answer["outcome"], answer["cause"]) == ("unanswered", "lapsed")
    assert desk.history() == ["audit_opened", "audit_lapsed", "audit_concluded"]


@pytest.mark.parametrize("cause", ["as_recorded", "differs_from_record", "opening_invalid"])
def test_every_outcome_of_an_opening(desk: Desk, cause: str) -> None:
    case = desk.open()
    reply = made.reply_to(case)
    desk.answer(reply)
    assert desk.conclude(made.outcome_of(case, reply.answer, cause))["cause"] == cause


def test_the_first_sight_is_recorded_once(desk: Desk) -> None:
    desk.open()
    for now in (ANSWERED, ANSWERED + SECOND):
        with desk.database.write() as connection:
            note_sight(connection, desk.step(SHOP, now), "case-1")
    seen = [event for event in desk.detail()["history"] if event["kind"] == "audit_seen"]
    assert [(event["at"], event["actor"]) for event in seen] == [
        (encode_instant(ANSWERED), SHOP.token_id)
    ]


def test_every_reading_of_the_seal_is_recorded(desk: Desk) -> None:
    desk.answer(made.reply_to(desk.open()))
    for _ in range(3):
        desk.sealed()
    assert desk.history().count("audit_sealed_read") == 3


# -- opening -------------------------------------------------------------------------------------


def test_the_same_case_again_gets_the_same_answer_for_ever(desk: Desk) -> None:
    case = desk.open()
    first = desk.opened
    reply = made.reply_to(case)
    desk.answer(reply)
    desk.conclude(made.outcome_of(case, reply.answer))
    desk.sweep(AFTER_ERASURE)
    desk.snapshot = made.snapshot(relied_upon=Trust())
    desk.open(case, AFTER_ERASURE)
    assert desk.opened == first
    assert desk.history().count("audit_opened") == 1


def test_another_case_of_that_id_is_refused(desk: Desk) -> None:
    desk.open()
    other = made.case_on(desk.claim, line=2, commitment=desk.claim.lines[1].commitment)
    error = refused(lambda: desk.open(other))
    assert (error.code, error.places) == ("already_exists", ("case_id",))
    assert desk.row()["line"] == 1


def test_a_line_may_be_asked_about_again_in_another_case(desk: Desk) -> None:
    desk.open()
    desk.open(made.case_on(desk.claim, "case-2"))
    assert len(records.rows(desk.database, "audits")) == 2


def test_a_claim_that_is_none(desk: Desk) -> None:
    stranger = records.claim("stranger")
    assert refused(lambda: desk.open(made.case_on(stranger))).code == "not_found"


def test_a_contract_that_is_not_known_here_yet(desk: Desk) -> None:
    desk.snapshot = made.snapshot(contracts=())
    error = refused(desk.open)
    assert (error.code, error.retry_after) == ("overloaded", 1)


def test_a_claim_that_was_refused(desk: Desk) -> None:
    desk.claim = desk.record(records.claim("refused", beneficiary=records.STRANGER))
    error = refused(desk.open)
    assert (error.code, error.detail) == ("state_conflict", "the claim is refused")


def cancel(desk: Desk, now: datetime) -> None:
    cancellation = make_cancellation(desk.claim, records.shop())
    step = Step(desk.claim.claim_id, SHOP, desk.snapshot, now)
    with desk.database.write() as connection:
        take_cancellation(connection, step, cancellation, encode_cancellation(cancellation))


def test_a_claim_that_was_cancelled(desk: Desk) -> None:
    cancel(desk, ANSWERED)
    error = refused(desk.open)
    assert (error.code, error.detail) == ("state_conflict", "the claim is cancelled")


def test_a_pending_and_an_expired_claim_may_be_audited(desk: Desk) -> None:
    pending = records.claim("pending", early_renewal_ground="change_of_vision")
    desk.open(made.case_on(desk.record(pending)))
    late = NOW + timedelta(days=100)
    with desk.database.write() as connection:
        assert claims_store.expire_overdue(connection, encode_instant(late)) == 2
    desk.open(made.case_on(desk.claim, "case-2", opened_at=late), late)
    assert desk.opened["state"] == "open"


def test_a_key_that_nothing_can_be_sealed_to(desk: Desk) -> None:
    require_recipient_usable(made.case_on(desk.claim))
    zeros = "A" * len(made.recipient().public)
    with pytest.raises(StatementError, match=r"^audit case: recipient: not a public key$"):
        require_recipient_usable(made.case_on(desk.claim, recipient=zeros))


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(minutes=1), timedelta(hours=-1)])
def test_an_auditors_clock_may_differ_by_so_much(desk: Desk, ahead: timedelta) -> None:
    desk.open(made.case_on(desk.claim, opened_at=OPENED + ahead))
    assert desk.opened["opened_at"] == encode_instant(OPENED)


# -- answering -----------------------------------------------------------------------------------


def test_the_last_instant_to_answer(desk: Desk) -> None:
    case = desk.open()
    last = ANSWER_BY + timedelta(microseconds=999_999)
    assert desk.answer(made.reply_to(case), last)["state"] == "answered"


@pytest.mark.parametrize("is_swept", [False, True])
def test_a_second_later_it_is_late(desk: Desk, is_swept: bool) -> None:
    case = desk.open()
    if is_swept:
        desk.sweep(AFTER_DEADLINE)
    for reply in (made.reply_to(case), made.refusal_of(case)):
        assert reason_of(lambda: desk.answer(reply, AFTER_DEADLINE)) == "audit_late"  # noqa: B023
    assert desk.row()["answer_document"] is None
    assert desk.detail(AFTER_DEADLINE)["state"] == "lapsed"


def test_after_the_outcome_it_is_late_too(desk: Desk) -> None:
    case = desk.open()
    desk.conclude(made.outcome_of(case, None, "lapsed"), AFTER_DEADLINE)
    # By a clock that stands before the deadline, of another process.
    assert reason_of(lambda: desk.answer(made.reply_to(case), ANSWERED)) == "audit_late"


def test_the_same_answer_again_gets_the_same_answer_for_ever(desk: Desk) -> None:
    case = desk.open()
    reply = made.reply_to(case)
    first = desk.answer(reply)
    assert desk.answer(reply, ANSWERED + SECOND) == first
    desk.conclude(made.outcome_of(case, reply.answer))
    desk.snapshot = made.snapshot(revoked=[records.shop().key_id])
    assert desk.answer(reply, AFTER_DEADLINE) == first
    assert desk.history().count("audit_answered") == 1


def test_one_answer_only(desk: Desk) -> None:
    case = desk.open()
    desk.answer(made.reply_to(case))
    before = desk.row()
    for other in (made.reply_to(case), made.refusal_of(case)):
        error = refused(lambda: desk.answer(other))  # noqa: B023
        assert (error.code, error.reason) == ("state_conflict", None)
    assert desk.row() == before


def test_an_answer_to_a_claim_that_was_cancelled_meanwhile(desk: Desk) -> None:
    case = desk.open()
    cancel(desk, ANSWERED)
    assert desk.answer(made.reply_to(case))["state"] == "answered"


def test_who_cancels_instead_of_answering_lapses_all_the_same(desk: Desk) -> None:
    desk.open()
    cancel(desk, ANSWERED)
    assert desk.sweep(AFTER_DEADLINE) == (1, 0)


def test_another_key_of_the_same_optician_may_answer(desk: Desk) -> None:
    case = desk.open()
    second = Identity.generate(records.SHOP)
    desk.snapshot = made.snapshot(shops=[second])
    assert desk.answer(made.reply_to(case, second))["state"] == "answered"


def test_another_opticians_case_is_as_if_there_were_none(desk: Desk) -> None:
    case = desk.open()
    stranger = records.shop("optician-2")
    reply = made.reply_to(case, stranger)
    others = refused(lambda: desk.answer(reply, principal=OTHER_SHOP))
    none = refused(lambda: desk.answer(reply, case_id="case-9", principal=OTHER_SHOP))
    told = [(error.code, error.detail, error.places, error.reason) for error in (others, none)]
    assert told == [("not_found", NO_CASE, (), None)] * 2
    with desk.database.write() as connection:
        step = desk.step(OTHER_SHOP, ANSWERED)
        assert refused(lambda: note_sight(connection, step, "case-1")).detail == NO_CASE
    assert desk.history() == ["audit_opened"]


# -- outcomes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["lapsed", "as_recorded"])
def test_no_outcome_before_an_answer_or_the_deadline(desk: Desk, cause: str) -> None:
    case = desk.open()
    answer = None if cause == "lapsed" else made.reply_to(case).answer
    outcome = made.outcome_of(case, answer, cause)
    assert reason_of(lambda: desk.conclude(outcome, ANSWER_BY)) == "outcome_too_soon"
    assert desk.row()["outcome"] is None


def test_an_outcome_a_second_after_the_deadline_records_the_lapse_first(desk: Desk) -> None:
    case = desk.open()
    desk.conclude(made.outcome_of(case, None, "lapsed"), AFTER_DEADLINE)
    assert desk.history() == ["audit_opened", "audit_lapsed", "audit_concluded"]
    assert desk.sweep(AFTER_ERASURE) == (0, 0)


def test_the_same_outcome_again_gets_the_same_answer_for_ever(desk: Desk) -> None:
    case = desk.open()
    reply = made.reply_to(case)
    desk.answer(reply)
    outcome = made.outcome_of(case, reply.answer)
    first = desk.conclude(outcome)
    desk.sweep(AFTER_ERASURE)
    desk.snapshot = made.snapshot(relied_upon=Trust())
    assert desk.conclude(outcome, AFTER_ERASURE) == first
    assert desk.history().count("audit_concluded") == 1


def test_one_outcome_only(desk: Desk) -> None:
    case = desk.open()
    reply = made.reply_to(case)
    desk.answer(reply)
    desk.conclude(made.outcome_of(case, reply.answer))
    other = made.outcome_of(case, reply.answer, "differs_from_record")
    assert refused(lambda: desk.conclude(other)).code == "state_conflict"
    assert desk.row()["outcome"] == "consistent"


def test_an_outcome_of_no_case(desk: Desk) -> None:
    outcome = made.outcome_of(made.case_on(desk.claim), None, "lapsed")
    assert refused(lambda: desk.conclude(outcome)).code == "not_found"


# -- what time does ------------------------------------------------------------------------------


@pytest.mark.parametrize("is_swept", [False, True])
def test_a_seal_is_gone_a_second_after_its_time(desk: Desk, is_swept: bool) -> None:
    desk.answer(made.reply_to(desk.open()))
    assert desk.sealed(ERASE_AT)["sealed"]
    if is_swept:
        assert desk.sweep(ERASE_AT) == (0, 0)
        assert desk.sweep(AFTER_ERASURE) == (0, 1)
    error = refused(lambda: desk.sealed(AFTER_ERASURE))
    assert (error.code, error.reason) == ("state_conflict", ERASED)
    assert (desk.row()["sealed"] is None) == is_swept
    assert desk.history().count("audit_sealed_read") == 1


def test_after_erasure_the_rest_is_still_there(desk: Desk) -> None:
    reply = made.reply_to(desk.open())
    desk.answer(reply)
    desk.sweep(AFTER_ERASURE)
    detail = desk.detail()
    assert detail["erased_at"] == encode_instant(AFTER_ERASURE)
    assert detail["answer"] == json.loads(encode_signed(reply.answer))
    assert detail["history"][-1] == {
        "at": encode_instant(AFTER_ERASURE),
        "kind": "audit_erased",
        "actor": "service",
        "facts": {"case_id": "case-1"},
    }


def test_a_seal_does_not_come_back_with_the_same_answer(desk: Desk) -> None:
    reply = made.reply_to(desk.open())
    first = desk.answer(reply)
    desk.sweep(AFTER_ERASURE)
    before = desk.row()
    assert desk.answer(reply, AFTER_ERASURE) == first
    assert desk.row() == before
    assert before["sealed"] is None


def test_another_seal_does_not_come_with_the_same_answer(desk: Desk) -> None:
    reply = made.reply_to(desk.open())
    desk.answer(reply)
    for sealed in (made.some_seal(), None):
        other = AuditReply(format_version=1, answer=reply.answer, sealed=sealed)
        assert reason_of(lambda: desk.answer(other)) == "answer_other"  # noqa: B023


def test_an_outcome_after_the_time_of_the_seal_erases_it_first(desk: Desk) -> None:
    case = desk.open()
    reply = made.reply_to(case)
    desk.answer(reply)
    outcome = made.outcome_of(case, reply.answer)
    answer = desk.conclude(outcome, AFTER_ERASURE)
    assert answer["erased_at"] == encode_instant(AFTER_ERASURE)
    assert desk.row()["sealed"] is None
    assert desk.history()[-2:] == ["audit_erased", "audit_concluded"]
    assert desk.conclude(outcome, AFTER_ERASURE + SECOND) == answer


def test_a_refusal_leaves_nothing_to_erase(desk: Desk) -> None:
    desk.answer(made.refusal_of(desk.open()))
    assert desk.sweep(AFTER_ERASURE) == (0, 0)
    assert desk.row()["erased_at"] is None


def test_a_sweep_that_is_interrupted_has_done_nothing(desk: Desk) -> None:
    desk.answer(made.reply_to(desk.open()))
    desk.open(made.case_on(desk.claim, "case-2"))
    before = records.rows(desk.database, "audits"), records.rows(desk.database, "events")

    class Killed(Exception):
        """Where the process ends."""

    def sweep_and_die() -> None:
        with desk.database.write() as connection:
            assert store.lapse_overdue(connection, encode_instant(AFTER_ERASURE)) == 1
            assert store.erase_due(connection, encode_instant(AFTER_ERASURE)) == 1
            raise Killed

    with pytest.raises(Killed):
        sweep_and_die()
    after = records.rows(desk.database, "audits"), records.rows(desk.database, "events")
    assert after == before
    assert desk.sweep(AFTER_ERASURE) == (1, 1)
    assert desk.sweep(AFTER_ERASURE) == (0, 0)


def test_a_sweep_goes_on_where_it_stopped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SWEEP", 2)
    for number in range(3):
        desk.open(made.case_on(desk.claim, f"lapses-{number}"))
        case = desk.open(made.case_on(desk.claim, f"answered-{number}"))
        desk.answer(made.reply_to(case), case_id=case.case_id)
    assert [desk.sweep(AFTER_ERASURE) for _ in range(3)] == [(2, 2), (1, 1), (0, 0)]


def test_what_is_erased_is_in_no_file_any_more(desk: Desk, tmp_path: Path) -> None:
    reply = made.reply_to(desk.open())
    assert reply.sealed is not None
    piece = decode_base64url(reply.sealed)[1000:1032]

    def is_there() -> bool:
        return any(piece in path.read_bytes() for path in tmp_path.iterdir())

    desk.answer(reply)
    assert is_there()
    desk.sweep(AFTER_ERASURE)
    assert desk.database.forget_erased()
    assert not is_there()


def test_a_seal_stays_in_the_log_until_it_is_emptied(desk: Desk, tmp_path: Path) -> None:
    """What the emptying is for; and a reader delays it, but not for long."""
    reply = made.reply_to(desk.open())
    assert reply.sealed is not None
    piece = decode_base64url(reply.sealed)[1000:1032]
    desk.answer(reply)
    desk.sweep(AFTER_ERASURE)
    log = next(path for path in tmp_path.iterdir() if path.name.endswith("-wal"))
    assert piece in log.read_bytes()
    with desk.database.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM audits").one()
        desk.sweep(AFTER_ERASURE)
        desk.open(made.case_on(desk.claim, "case-2"), OPENED)
        assert not desk.database.forget_erased()
    assert desk.database.forget_erased()
    assert piece not in log.read_bytes()


# -- lists ---------------------------------------------------------------------------------------


def listed(desk: Desk, now: datetime, before: int | None = None, **chosen: Any) -> list[str]:
    with desk.database.read() as connection:
        found = store.list_cases(connection, CaseFilter(**chosen), encode_instant(now), before, 10)
        assert all(case_facts(row, row.state)["state"] in CASE_STATES for row in found)
        return [f"{row.case_id} {row.state}" for row in found]


def test_lists_are_newest_first_and_know_what_has_lapsed(desk: Desk) -> None:
    other = desk.record(records.claim("other", optician_id="optician-2", beneficiary=records.CHILD))
    desk.open()
    desk.open(made.case_on(other, "case-2"))
    answered = desk.open(made.case_on(desk.claim, "case-3"))
    desk.answer(made.reply_to(answered), case_id="case-3")
    assert listed(desk, ANSWERED) == ["case-3 answered", "case-2 open", "case-1 open"]
    late = ["case-3 answered", "case-2 lapsed", "case-1 lapsed"]
    assert listed(desk, AFTER_DEADLINE) == late
    assert listed(desk, AFTER_DEADLINE, state="lapsed") == late[1:]
    assert listed(desk, AFTER_DEADLINE, state="open") == []
    assert listed(desk, ANSWERED, state="open") == ["case-2 open", "case-1 open"]
    assert listed(desk, ANSWERED, claim_id="other") == ["case-2 open"]
    assert listed(desk, ANSWERED, optician_id="optician-2") == ["case-2 open"]
    assert listed(desk, ANSWERED, optician_id="optician-2", claim_id="the-claim") == []
    first = records.rows(desk.database, "audits")[0]["sequence"]
    assert listed(desk, ANSWERED, first + 1) == ["case-1 open"]
    desk.sweep(AFTER_DEADLINE)
    assert listed(desk, AFTER_DEADLINE) == late


def test_the_rules_of_time_are_the_snapshots(desk: Desk) -> None:
    assert isinstance(desk.snapshot, Snapshot)
    auditor = made.party()
    desk.snapshot = made.snapshot(
        relied_upon=made.trust(auditor, revoked_at=OPENED + timedelta(days=1))
    )
    case = desk.open()
    reply = made.reply_to(case)
    desk.answer(reply)
    outcome = made.outcome_of(case, reply.answer)
    assert reason_of(lambda: desk.conclude(outcome)) == "auditor_unknown"
    desk.snapshot = made.snapshot()
    assert desk.conclude(outcome)["state"] == "concluded"
