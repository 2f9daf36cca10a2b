"""Audit cases on each kind of database: a whole life of each end, and the sweep between writers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from circuits.canonical import decode_base64url
from circuits.claim import encode_instant
from tests.support import audits as made
from tests.support import records
from tests.support.audit_desk import ANSWERED, AUDITOR, CONCLUDED, SHOP, Desk
from tests.support.audits import ANSWER_BY, ERASE_AT, SECOND
from tests.support.commands import Console
from tests.support.records import NOW
from tests.support.server import Store
from verifier_api.parties import Party
from verifier_api.service.administration import add_rights
from verifier_api.service.audits import note_sight
from verifier_api.service.errors import ServiceError
from verifier_api.service.evidence import export_record
from verifier_api.store.audits import CaseFilter, list_cases
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database
from verifier_api.store.instants import latest_instant, note_instant

pytestmark = pytest.mark.integration


@pytest.fixture
def database(make_store: Callable[[], Store]) -> Iterator[Database]:
    opened = make_store().database()
    opened.upgrade()
    with opened.write() as connection:
        rights = [records.right(records.ADULT), records.right(records.CHILD, "under_16")]
        add_rights(connection, rights, "test", NOW)
    yield opened
    assert check_database(opened)["problems"] == []
    opened.dispose()


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_a_case_that_is_answered_read_concluded_exported_and_erased(desk: Desk) -> None:
    case = desk.open()
    assert desk.open(case) == case
    with desk.database.write() as connection:
        note_sight(connection, desk.step(SHOP, ANSWERED), "case-1")
    reply = made.reply_to(case)
    first = desk.answer(reply)
    assert desk.answer(reply) == first
    assert desk.sealed()["sealed"] == reply.sealed
    assert reply.sealed is not None
    assert bytes(desk.row()["sealed"]) == decode_base64url(reply.sealed)
    concluded = desk.conclude(made.outcome_of(case, reply.answer))
    signer = Party.generate("insurer", desk.claim.insurer_id)
    with desk.database.write() as connection:
        step = desk.step(AUDITOR, CONCLUDED)
        assert export_record(connection, step, "the-claim", "case-1", signer)
    assert desk.sweep(ERASE_AT + SECOND) == (0, 1)
    assert desk.database.forget_erased()
    with pytest.raises(ServiceError, match="erased"):
        desk.sealed(ERASE_AT + SECOND)
    assert desk.answer(reply, ERASE_AT + SECOND) == first
    assert desk.conclude(made.outcome_of(case, reply.answer), ERASE_AT + SECOND) == concluded
    assert desk.row()["sealed"] is None
    assert desk.history() == [
        *("audit_opened", "audit_seen", "audit_answered", "audit_sealed_read"),
        *("audit_concluded", "evidence_read", "audit_erased"),
    ]


def test_a_case_that_lapses_and_one_that_is_refused(desk: Desk) -> None:
    lapsing = desk.open()
    refused = desk.open(made.case_on(desk.claim, "case-2"))
    desk.answer(made.refusal_of(refused), case_id="case-2")
    late = ANSWER_BY + SECOND
    with desk.database.read() as connection:
        rows = list_cases(connection, CaseFilter(), encode_instant(late), None, 10)
    assert [row.state for row in rows] == ["refused", "lapsed"]
    with pytest.raises(ServiceError) as caught:
        desk.answer(made.reply_to(lapsing), late)
    assert caught.value.reason == "audit_late"
    assert desk.sweep(late) == (1, 0)
    assert desk.conclude(made.outcome_of(lapsing, None, "lapsed"), late)["cause"] == "lapsed"
    assert desk.sweep(ERASE_AT + SECOND) == (0, 0)


def test_an_answer_and_a_sweep_at_the_same_time(desk: Desk) -> None:
    """Each process has a clock of its own: whoever writes first decides, and the other follows."""
    case = desk.open()
    reply = made.reply_to(case)
    outcomes: list[str] = []

    def answer() -> None:
        try:
            desk.answer(reply, ANSWER_BY)
            outcomes.append("answered")
        except ServiceError as error:
            outcomes.append(str(error.reason))

    threads = [threading.Thread(target=answer) for _ in range(3)]
    threads += [threading.Thread(target=desk.sweep, args=(ANSWER_BY + SECOND,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    state = desk.row()["state"]
    assert outcomes == [{"answered": "answered", "lapsed": "audit_late"}[state]] * 3
    assert desk.history() == ["audit_opened", f"audit_{state}"]


def test_the_latest_instant_of_several_writers(database: Database) -> None:
    def note(seconds: int) -> None:
        with database.write() as connection:
            note_instant(connection, NOW + timedelta(seconds=seconds))

    threads = [threading.Thread(target=note, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with database.read() as connection:
        assert latest_instant(connection) == NOW + timedelta(seconds=5)


@pytest.mark.parametrize("setting", ["TRUST", "SIGNING_KEY"])
@pytest.mark.parametrize("content", [None, b"{", b"{}"])
def test_a_start_by_a_bad_file_leaves_nothing(
    console: Console, monkeypatch: pytest.MonkeyPatch, setting: str, content: bytes | None
) -> None:
    if content is not None:
        (console.folder / "bad.json").write_bytes(content)
    monkeypatch.setenv(f"CLAIROBSCUR_{setting}", "bad.json")
    done = console.verifier("serve", "--port", "0", "--data-dir", "data")
    assert done.code == 2
    assert b"error: " in done.stderr
    # No administrator's token was made that nobody has seen.
    assert not (console.folder / "data").exists()
