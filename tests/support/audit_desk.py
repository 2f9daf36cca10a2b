"""An auditor, an optician and the insurer's database at one desk: the rules of audits, by any
clock, on either kind of database."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from circuits.audit import AuditAnswer, AuditCase, AuditReply
from circuits.claim import Claim, encode_instant
from circuits.signed import decode_signed
from tests.support import audits as made
from tests.support import records
from tests.support.audits import OPENED
from tests.support.records import NOW, examined
from verifier_api.service.access import Principal
from verifier_api.service.audits import (
    AuditStep,
    case_detail,
    read_sealed,
    take_answer,
    take_case,
    take_outcome,
)
from verifier_api.service.recording import record_claims
from verifier_api.store import audits as store
from verifier_api.store.database import Database

SHOP = Principal("token-shop", "optician", records.SHOP)
OTHER_SHOP = Principal("token-other", "optician", "optician-2")
AUDITOR = Principal("token-auditor", "auditor")

ANSWERED = OPENED + timedelta(days=1)
CONCLUDED = OPENED + timedelta(days=2)


class Desk:
    """A claim of the shop's and the service's rules around it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.claim = self.record(records.claim("the-claim"))
        self.snapshot = made.snapshot()

    def record(self, claim: Claim, at: datetime = NOW) -> Claim:
        with self.database.write() as connection:
            record_claims(connection, [examined(claim)], at)
        return claim

    def step(self, principal: Principal, now: datetime) -> AuditStep:
        return AuditStep(principal, self.snapshot, now)

    def write(
        self, act: Callable[..., str], principal: Principal, now: datetime, *what: Any
    ) -> Any:
        with self.database.write() as connection:
            return json.loads(act(connection, self.step(principal, now), *what))

    def open(self, case: AuditCase | None = None, now: datetime = OPENED) -> AuditCase:
        asked = case or made.case_on(self.claim)
        self.opened = self.write(take_case, AUDITOR, now, asked)
        return asked

    def answer(
        self,
        reply: AuditReply,
        now: datetime = ANSWERED,
        case_id: str = "case-1",
        principal: Principal = SHOP,
    ) -> Any:
        return self.write(take_answer, principal, now, case_id, reply)

    def sealed(self, now: datetime = ANSWERED) -> Any:
        return self.write(read_sealed, AUDITOR, now, "case-1")

    def conclude(self, outcome: Any, now: datetime = CONCLUDED) -> Any:
        return self.write(take_outcome, AUDITOR, now, "case-1", outcome)

    def conclude_as(self, case_id: str, cause: str, now: datetime = CONCLUDED) -> None:
        """Conclude a case by the answer that is recorded."""
        with self.database.write() as connection:
            row = store.find_case(connection, case_id)
            assert row is not None
            case = decode_signed(AuditCase, row.case_document)
            answer = row.answer_document and decode_signed(AuditAnswer, row.answer_document)
            outcome = made.outcome_of(case, answer or None, cause)
            take_outcome(connection, self.step(AUDITOR, now), case_id, outcome)

    def sweep(self, now: datetime) -> tuple[int, int]:
        with self.database.write() as connection:
            instant = encode_instant(now)
            return store.lapse_overdue(connection, instant), store.erase_due(connection, instant)

    def row(self) -> dict[str, Any]:
        (row,) = records.rows(self.database, "audits")
        return row

    def detail(self, now: datetime = CONCLUDED, case_id: str = "case-1") -> dict[str, Any]:
        with self.database.read() as connection:
            row = store.find_case(connection, case_id)
            assert row is not None
            history = store.history_of(connection, row.claim_id, case_id)
            return case_detail(row, store.state_of(row, encode_instant(now)), history)

    def history(self) -> list[str]:
        return [event["kind"] for event in self.detail()["history"]]
