"""Whatever opticians, the insurer and time do, in whatever order: the records follow the rules.

A model that fits on a page says what becomes of every claim. Proofs and envelopes are given
(`Examined`), so that nothing takes long; notices are signed and checked.
"""

from __future__ import annotations

import calendar
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import Connection

from circuits.canonical import canonical_bytes
from circuits.claim import Claim, encode_instant
from circuits.notices import encode_cancellation, encode_invoice
from optician.notices import make_cancellation, make_invoice
from tests.support import records
from tests.support.records import ADULT, CHILD, STRANGER
from verifier_api.service.access import Principal
from verifier_api.service.administration import add_rights
from verifier_api.service.directory import RegisteredKey, Snapshot
from verifier_api.service.errors import ServiceError
from verifier_api.service.notices import (
    Decision,
    Step,
    take_cancellation,
    take_decision,
    take_invoice,
)
from verifier_api.service.proofs import ProofVerdict
from verifier_api.service.recording import record_claims
from verifier_api.store import claims as store
from verifier_api.store.checks import check_database
from verifier_api.store.claims import ClaimFilter

CONTRACT = records.contract()
MONTHS = {ADULT: 24, CHILD: 12}
GRANT = timedelta(days=90)
VALIDITY = timedelta(days=30)
DAYS = [date(year, 10, day) for year in (2018, 2019, 2020) for day in (4, 5, 6)]
"""Few days of service, a period and a day more or less apart."""

SHOP = Principal("token-shop", "optician", records.SHOP)
ADMIN = Principal("token-admin", "admin")
KEY = RegisteredKey(
    records.shop().key_id,
    records.SHOP,
    records.shop().public_entry()["public_key"],
    date.min,
    date.max,
    records.INSTANT,
    None,
)
KEYS = Snapshot(0, [], [], {KEY.key_id: KEY}, {})
BAD_PROOF = ProofVerdict("proof_invalid", "", records.CIRCUIT)


# -- the model ----------------------------------------------------------------------------------


@dataclass
class Life:
    """What the model knows of a claim. ``taken`` are notices by kind: bytes and answer."""

    claim: Claim
    answer: str
    state: str
    deadline: datetime | None = None
    is_decided: bool = False
    taken: dict[str, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)

    def state_at(self, now: datetime) -> str:
        is_over = self.deadline is not None and self.deadline < now
        return "expired" if is_over else self.state

    def is_equipment(self) -> bool:
        return self.claim.statement != "line"


def is_too_near(one: date, other: date, months: int) -> bool:
    """Whether fewer than so many months lie between two days, counted by calendar."""
    first, last = sorted((one, other))
    between = (last.year - first.year) * 12 + last.month - first.month
    last_of_month = calendar.monthrange(last.year, last.month)[1]
    return between < months or (between == months and last.day < min(first.day, last_of_month))


@dataclass(frozen=True)
class Sent:
    """A claim to be made. ``reused`` chooses a commitment of one of the claims before, maybe in the
    same batch."""

    statement: str
    beneficiary: str
    day: date
    reused: int | None
    has_ground: bool
    is_refused: bool
    is_proof_bad: bool


SENT = st.builds(
    Sent,
    statement=st.sampled_from(["equipment", "equipment", "pair", "line"]),
    beneficiary=st.sampled_from([ADULT, ADULT, ADULT, CHILD, CHILD, STRANGER]),
    day=st.sampled_from(DAYS),
    reused=st.sampled_from([False] * 4 + [True]).flatmap(
        lambda is_reused: st.integers(0, 5) if is_reused else st.none()
    ),
    has_ground=st.booleans(),
    is_refused=st.sampled_from([False] * 9 + [True]),
    is_proof_bad=st.sampled_from([False] * 9 + [True]),
)


class LifeOfClaims(RuleBasedStateMachine):
    """Random stories, told to the records and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.now = records.NOW
        self.folder = tempfile.mkdtemp()
        self.database = records.empty_database(Path(self.folder))
        with self.database.write() as connection:
            rights = [
                records.right(ADULT, "adult", valid_from=min(DAYS)),
                records.right(CHILD, "under_16", valid_from=min(DAYS)),
            ]
            add_rights(connection, rights, "test", self.now)
        self.lives: dict[str, Life] = {}
        self.made: list[Claim] = []

    def teardown(self) -> None:
        self.the_database_is_checked()
        self.database.dispose()
        shutil.rmtree(self.folder)

    # -- what can happen ------------------------------------------------------------------------

    @rule(batch=st.lists(SENT, min_size=1, max_size=3))
    def claims_come_together(self, batch: list[Sent]) -> None:
        claims = [self.claim_of(sent) for sent in batch]
        items = [
            records.examined(
                claim,
                refusal=("signature_invalid", "") if sent.is_refused else None,
                proof=BAD_PROOF if sent.is_proof_bad else None,
            )
            for sent, claim in zip(batch, claims, strict=True)
        ]
        with self.database.write() as connection:
            answers = record_claims(connection, items, self.now)
        for sent, claim, answer in zip(batch, claims, answers, strict=True):
            assert isinstance(answer, str)
            told = json.loads(answer)
            verdict, reason = self.expected(sent, claim)
            assert (told["verdict"], told["reason"]) == (verdict, reason)
            deadlines = {"granted": self.now + GRANT, "pending": claim.expires_at}
            deadline = deadlines.get(verdict)
            self.lives[claim.claim_id] = Life(claim, answer, verdict, deadline)

    def claim_of(self, sent: Sent) -> Claim:
        lines = [records.commitment() for _ in range(1 if sent.statement == "line" else 3)]
        if sent.reused is not None and self.made:
            theirs = self.made[-1 - sent.reused % len(self.made)].lines
            lines[0] = theirs[sent.reused % len(theirs)].commitment
        claim = records.claim(
            f"claim-{len(self.made)}",
            statement=sent.statement,
            commitments=lines,
            beneficiary=sent.beneficiary,
            date_of_service=sent.day,
            expires_at=self.now + VALIDITY,
            early_renewal_ground="change_of_vision" if sent.has_ground else None,
        )
        self.made.append(claim)
        return claim

    def expected(self, sent: Sent, claim: Claim) -> tuple[str, str | None]:
        if sent.is_refused:
            return "refused", "signature_invalid"
        if any(line.commitment in self.used() for line in claim.lines):
            return "refused", "commitment_reused"
        if claim.beneficiary not in MONTHS:
            return "refused", "rights_unknown"
        months = MONTHS[claim.beneficiary]
        is_early = claim.statement != "line" and any(
            is_too_near(other.claim.date_of_service, sent.day, months)
            for other in self.granted_to(claim.beneficiary)
        )
        if is_early and not sent.has_ground:
            return "refused", "renewal_too_early"
        if sent.is_proof_bad:
            return "refused", "proof_invalid"
        return ("pending", "early_renewal") if is_early else ("granted", None)

    def used(self) -> dict[str, str]:
        """Commitments of living claims; what has expired keeps its own."""
        return {
            line.commitment: name
            for name, life in self.lives.items()
            if life.state in ("granted", "pending", "payable", "expired")
            for line in life.claim.lines
        }

    def granted_to(self, beneficiary: str) -> list[Life]:
        return [
            life
            for life in self.lives.values()
            if life.claim.beneficiary == beneficiary
            and life.is_equipment()
            and life.state_at(self.now) in ("granted", "payable")
        ]

    def chosen(self, number: int) -> Life:
        """Any claim; more often one that was not refused."""
        lives = [life for life in self.lives.values() if number % 4 and life.state != "refused"]
        lives = lives or list(self.lives.values())
        return lives[number // 4 % len(lives)]

    @precondition(lambda self: self.lives)
    @rule(number=st.integers(0, 50))
    def the_same_comes_again(self, number: int) -> None:
        life = self.chosen(number)
        item = records.examined(life.claim, refusal=("expired", "whatever holds today"))
        with self.database.write() as connection:
            assert record_claims(connection, [item, item], self.now) == [life.answer] * 2

    @precondition(lambda self: self.lives)
    @rule(number=st.integers(0, 50))
    def another_comes_under_the_same_id(self, number: int) -> None:
        other = records.claim(self.chosen(number).claim.claim_id, statement="line")
        with self.database.write() as connection:
            (answer,) = record_claims(connection, [records.examined(other)], self.now)
        assert isinstance(answer, ServiceError)
        assert answer.code == "claim_conflict"

    @precondition(lambda self: self.lives)
    @rule(number=st.integers(0, 50), days=st.integers(0, 1))
    def an_invoice_comes(self, number: int, days: int) -> None:
        life = self.chosen(number)
        day = life.claim.date_of_service + timedelta(days=days)
        made = make_invoice(life.claim, records.shop(), day)
        data = encode_invoice(made)
        self.take(
            life,
            "invoice",
            data,
            {"granted": "payable"},
            lambda connection, step: take_invoice(connection, step, made, data),
        )

    @precondition(lambda self: self.lives)
    @rule(number=st.integers(0, 50))
    def a_cancellation_comes(self, number: int) -> None:
        life = self.chosen(number)
        made = make_cancellation(life.claim, records.shop())
        data = encode_cancellation(made)
        self.take(
            life,
            "cancellation",
            data,
            {"granted": "cancelled", "pending": "cancelled"},
            lambda connection, step: take_cancellation(connection, step, made, data),
        )

    def pending(self) -> list[Life]:
        return [life for life in self.lives.values() if life.state_at(self.now) == "pending"]

    @precondition(lambda self: self.pending())
    @rule(
        number=st.integers(0, 50),
        decision=st.sampled_from(["grant", "refuse"]),
        note=st.sampled_from(["", "seen"]),
    )
    def the_insurer_decides(self, number: int, decision: str, note: str) -> None:
        self.decide(self.pending()[number % len(self.pending())], decision, note)

    @precondition(lambda self: self.lives)
    @rule(
        number=st.integers(0, 50),
        decision=st.sampled_from(["grant", "refuse"]),
        note=st.sampled_from(["", "seen"]),
    )
    def the_insurer_decides_anything(self, number: int, decision: str, note: str) -> None:
        self.decide(self.chosen(number), decision, note)

    def decide(self, life: Life, decision: str, note: str) -> None:
        document = {"decision": decision, "note": note}
        made, data = Decision.model_validate(document), canonical_bytes(document)
        self.take(
            life,
            "decision",
            data,
            {"pending": "granted" if decision == "grant" else "refused"},
            lambda connection, step: take_decision(connection, step, made, data, CONTRACT),
        )

    def take(
        self,
        life: Life,
        kind: str,
        data: bytes,
        following: dict[str, str],
        act: Callable[[Connection, Step], str],
    ) -> None:
        """The notice is taken from the states that ``following`` lists, once, and repeated."""
        principal = ADMIN if kind == "decision" else SHOP
        step = Step(life.claim.claim_id, principal, KEYS, self.now)
        is_again = kind in life.taken
        is_allowed = life.state_at(self.now) in following
        with self.database.write() as connection:
            if life.taken[kind][0] != data if is_again else not is_allowed:
                with pytest.raises(ServiceError) as caught:
                    act(connection, step)
                assert caught.value.code == "state_conflict"
                return
            answer = json.loads(act(connection, step))
        if is_again:
            assert life.taken[kind][1] == answer
            return
        life.state = following[life.state_at(self.now)]
        assert answer["state"] == life.state
        life.deadline = self.now + GRANT if life.state == "granted" else None
        life.is_decided |= kind == "decision"
        life.taken[kind] = data, answer

    @rule(
        passed=st.sampled_from([timedelta(seconds=1), VALIDITY, GRANT - VALIDITY, GRANT])
        | st.timedeltas(timedelta(hours=1), timedelta(days=400))
    )
    def time_passes(self, passed: timedelta) -> None:
        self.now = (self.now + passed).replace(microsecond=0)

    @rule()
    def the_service_sweeps(self) -> None:
        with self.database.write() as connection:
            swept = store.expire_overdue(connection, encode_instant(self.now))
        over = [
            life
            for life in self.lives.values()
            if life.state != "expired" and life.state_at(self.now) == "expired"
        ]
        assert swept == len(over)
        for life in over:
            life.state, life.deadline = "expired", None

    @rule()
    def the_database_is_checked(self) -> None:
        report = check_database(self.database)
        assert report == {"claims": len(self.lives), "problems": []}

    # -- what always holds ----------------------------------------------------------------------

    @invariant()
    def states_agree(self) -> None:
        with self.database.read() as connection:
            instant = encode_instant(self.now)
            rows = store.list_claims(connection, ClaimFilter(), instant, None, 1000)
        found = {row.claim_id: (row.state, row.deadline) for row in rows}
        assert found == {
            name: (life.state_at(self.now), life.deadline and encode_instant(life.deadline))
            for name, life in self.lives.items()
        }

    @invariant()
    def no_commitment_is_in_two_living_claims(self) -> None:
        held = [
            line.commitment
            for life in self.lives.values()
            if life.state in ("granted", "pending", "payable", "expired")
            for line in life.claim.lines
        ]
        assert len(set(held)) == len(held)
        rows = records.rows(self.database, "commitments")
        assert {row["commitment"]: row["claim_id"] for row in rows} == self.used()

    @invariant()
    def two_equipments_within_the_period_were_decided_on(self) -> None:
        for beneficiary, months in MONTHS.items():
            for one, other in combinations(self.granted_to(beneficiary), 2):
                days = one.claim.date_of_service, other.claim.date_of_service
                if is_too_near(*days, months):
                    assert one.is_decided or other.is_decided


TestLifeOfClaims = LifeOfClaims.TestCase
TestLifeOfClaims.settings = settings(stateful_step_count=25)
