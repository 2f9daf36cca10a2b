"""Whatever auditors, an optician and time do, in whatever order: the cases follow the rules.

A model that fits on a page says what becomes of every case, when a seal is there, and what the same
bytes are answered. Time only goes on; the sweep comes now and then, or never.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from circuits.audit import AuditCase, AuditOutcome, AuditReply
from tests.support import audits as made
from tests.support import records
from tests.support.audit_desk import AUDITOR, SHOP, Desk
from tests.support.audits import OPENED
from verifier_api.service.audits import read_sealed, take_answer, take_case, take_outcome
from verifier_api.service.errors import ServiceError
from verifier_api.store.checks import check_database

NAMES = ("case-1", "case-2", "case-3")
CAUSES = ("as_recorded", "differs_from_record", "opening_invalid", "refused", "lapsed")
PAUSES = (timedelta(seconds=1), timedelta(days=1), timedelta(days=13))


@dataclass
class Known:
    """What the model knows of a case; answers are what was answered first."""

    case: AuditCase
    opened: Any
    reply: AuditReply | None = None
    replied: Any = None
    outcome: AuditOutcome | None = None
    concluded: Any = None
    readings: int = 0

    def is_late(self, now: Any) -> bool:
        return bool(now > self.case.answer_by)

    def state(self, now: Any) -> str:
        """By the rules."""
        if self.outcome is not None:
            return "concluded"
        if self.reply is not None:
            return "answered" if self.reply.sealed else "refused"
        return "lapsed" if self.is_late(now) else "open"

    def has_seal(self, now: Any) -> bool:
        return bool(self.reply and self.reply.sealed and now <= self.case.erase_at)


class Audits(RuleBasedStateMachine):
    """Three cases on one claim, and everything that may be tried with them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.desk = Desk(records.database_with_rights(self.folder))
        self.now = OPENED
        self.known: dict[str, Known] = {}
        self.refusals = 0

    def teardown(self) -> None:
        """Nothing inconsistent is left."""
        problems = check_database(self.desk.database)["problems"]
        self.desk.database.dispose()
        shutil.rmtree(self.folder)
        assert problems == []

    def told(self, act: Callable[..., str], *what: Any) -> tuple[Any, str | None]:
        """The answer, or else the refusal's reason or code."""
        principal = AUDITOR if act is not take_answer else SHOP
        try:
            return self.desk.write(act, principal, self.now, *what), None
        except ServiceError as error:
            return None, error.reason or error.code

    @initialize(answered=st.sets(st.sampled_from(NAMES)))
    def cases_are_opened(self, answered: set[str]) -> None:
        """All at once, and some are answered: what becomes of them takes the most steps."""
        for name in NAMES:
            self.open(name)
        for name in sorted(answered):
            known = self.known[name]
            known.reply = made.reply_to(known.case)
            known.replied, reason = self.told(take_answer, name, known.reply)
            assert reason is None

    @rule(pause=st.sampled_from(PAUSES))
    def time_passes(self, pause: timedelta) -> None:
        """As it does."""
        self.now += pause

    @rule(
        data=st.data(),
        deadline=st.sampled_from(["answer_by", "erase_at"]),
        seconds=st.sampled_from([0, 1]),
        is_swept=st.booleans(),
    )
    def a_deadline_comes(
        self, data: st.DataObject, deadline: str, seconds: int, is_swept: bool
    ) -> None:
        """The last instant of a case's deadline, or the first after it. It must make no difference
        to anybody whether the sweep comes."""
        name = data.draw(st.sampled_from(sorted(self.known)))
        at = getattr(self.known[name].case, deadline) + timedelta(seconds=seconds)
        self.now = max(self.now, at)
        if is_swept:
            self.desk.sweep(self.now)

    @rule(name=st.sampled_from(NAMES))
    def open(self, name: str) -> None:
        """A fresh case, or the known one again."""
        known = self.known.get(name)
        case = known.case if known else made.case_on(self.desk.claim, name, opened_at=self.now)
        answer, reason = self.told(take_case, case)
        assert reason is None
        if known is None:
            self.known[name] = Known(case, answer)
        assert answer == self.known[name].opened
        assert answer["state"] == "open"

    @rule(data=st.data(), is_opening=st.booleans())
    def answer(self, data: st.DataObject, is_opening: bool) -> None:
        """An answer of its own."""
        name = data.draw(st.sampled_from(sorted(self.known)))
        known = self.known[name]
        self.refusals += 1
        words = f"refused {self.refusals} times"  # the same words would be the same bytes
        reply = (
            made.reply_to(known.case) if is_opening else made.refusal_of(known.case, None, words)
        )
        answer, reason = self.told(take_answer, name, reply)
        if known.reply is not None:
            assert reason == "state_conflict"
        elif known.is_late(self.now):
            assert reason == "audit_late"
        else:
            assert reason is None
            known.reply, known.replied = reply, answer

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        """The seal, if it is there."""
        name = data.draw(st.sampled_from(sorted(self.known)))
        known = self.known[name]
        answer, reason = self.told(read_sealed, name)
        if known.has_seal(self.now):
            assert known.reply is not None
            assert answer["sealed"] == known.reply.sealed
            known.readings += 1
        else:
            was_there = known.reply is not None and known.reply.sealed is not None
            assert reason == ("erased" if was_there else "state_conflict")

    @rule(data=st.data(), cause=st.sampled_from(CAUSES))
    def conclude(self, data: st.DataObject, cause: str) -> None:
        """By any cause."""
        name = data.draw(st.sampled_from(sorted(self.known)))
        known = self.known[name]
        state = known.state(self.now)
        reply = known.reply or made.reply_to(known.case)
        answer = None if cause == "lapsed" else reply.answer
        outcome = made.outcome_of(known.case, answer, cause)
        told, reason = self.told(take_outcome, name, outcome)
        fitting = {
            "answered": ("as_recorded", "differs_from_record", "opening_invalid"),
            "refused": ("refused",),
            "lapsed": ("lapsed",),
        }
        if state == "concluded":
            again = outcome == known.outcome
            assert (told == known.concluded) if again else (reason == "state_conflict")
        elif state == "open":
            assert reason == "outcome_too_soon"
        elif cause not in fitting[state]:
            assert reason == "outcome_differs"
        else:
            assert reason is None
            known.outcome, known.concluded = outcome, told

    @invariant()
    def the_records_agree_with_the_model(self) -> None:
        """Every case, with its state and its history."""
        for name, known in self.known.items():
            detail = self.desk.detail(self.now, name)
            assert detail["state"] == known.state(self.now)
            assert (detail["answer"] is None) == (known.reply is None)
            kinds = [event["kind"] for event in detail["history"]]
            assert kinds.count("audit_sealed_read") == known.readings
            assert kinds[0] == "audit_opened"

    @invariant()
    def the_same_bytes_get_the_same_answer(self) -> None:
        """At every moment, and they bring no seal back."""
        for name, known in self.known.items():
            assert self.told(take_case, known.case) == (known.opened, None)
            if known.reply is not None:
                assert self.told(take_answer, name, known.reply) == (known.replied, None)
            if known.outcome is not None:
                assert self.told(take_outcome, name, known.outcome) == (known.concluded, None)

    @invariant()
    def a_seal_is_there_as_long_as_it_may_be(self) -> None:
        """Looked at in a transaction that leaves nothing, as reading is recorded."""
        for name, known in self.known.items():
            with self.desk.database.read() as connection:
                try:
                    read_sealed(connection, self.desk.step(AUDITOR, self.now), name)
                    is_there = True
                except ServiceError:
                    is_there = False
            assert is_there == known.has_seal(self.now)


TestAudits = Audits.TestCase
TestAudits.settings = settings(stateful_step_count=25)
