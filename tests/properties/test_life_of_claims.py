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
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import Connection

from circuits.attestation import Attestation, Duty
from circuits.canonical import canonical_bytes
from circuits.claim import Claim, encode_instant
from circuits.contract import Contract
from circuits.notices import encode_cancellation, encode_invoice
from circuits.signed import signed_digest
from optician.notices import make_cancellation, make_invoice
from tests.support import attesting, records
from tests.support.records import ADULT, CHILD, STRANGER
from verifier_api.service.access import Principal
from verifier_api.service.administration import add_rights
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
from verifier_api.service.proofs import ProofVerdict
from verifier_api.service.recording import record_claims
from verifier_api.store import claims as store
from verifier_api.store.checks import check_database
from verifier_api.store.claims import ClaimFilter

BOTH = (attesting.LAB, attesting.OTHER_LAB)
CONTRACTS = {
    "nothing": records.contract(),
    "later": records.contract(
        attestations=(
            attesting.rule("VM4", within_days=60),
            attesting.rule("VM4", within_days=120, slots=("code", "price"), attesters=BOTH),
        )
    ),
    "at once": records.contract(
        attestations=(attesting.rule("VM4"), attesting.rule("VM4", within_days=90, attesters=BOTH))
    ),
}
"""By what they want attested, of the first and the last line of every claim."""

MONTHS = {ADULT: 24, CHILD: 12}
GRANT = timedelta(days=90)
"""Of every contract; attestations are due before, with and after the end of a grant."""

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
FREE = ("refused", "cancelled")
COUNTING = ("granted", "payable", "attestation_overdue")
BAD_PROOF = ProofVerdict("proof_invalid", "", records.CIRCUIT)


# -- the model ----------------------------------------------------------------------------------


@dataclass
class Want:
    """That a line be attested; ``due`` once there is a last instant for it."""

    duty: Duty
    due: datetime | None = None
    is_met: bool = False

    def is_late(self, now: datetime) -> bool:
        return self.due is not None and self.due < now


@dataclass
class Life:
    """What the model knows of a claim. ``taken`` are notices by kind: bytes and answer; ``given``
    attestations with their answers."""

    claim: Claim
    contract: Contract
    answer: str
    state: str
    deadline: datetime | None = None
    is_decided: bool = False
    is_waived: bool = False
    wants: list[Want] = field(default_factory=list)
    taken: dict[str, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)
    given: list[tuple[Attestation, dict[str, Any] | None]] = field(default_factory=list)

    def state_at(self, now: datetime) -> str:
        ends = []
        if self.deadline is not None and self.deadline < now:
            ends.append((self.deadline, 1, "expired"))
        by = self.attest_by()
        if self.state in ("granted", "payable") and by is not None and by < now:
            ends.append((by, 0, "attestation_overdue"))
        return min(ends)[2] if ends else self.state

    def attest_by(self) -> datetime | None:
        due = [want.due for want in self.wants if want.due is not None and not want.is_met]
        return None if self.is_waived else min(due, default=None)

    def begin(self, now: datetime) -> None:
        """The claim is granted."""
        for want in self.wants:
            if want.duty.within_days is not None:
                want.due = now + timedelta(days=want.duty.within_days)

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
    wants: str
    brings: str


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
    wants=st.sampled_from([*CONTRACTS, "later", "at once"]),
    brings=st.sampled_from(["nothing", "nothing", "all", "all", "forged", "replayed"]),
)


def duties_of(claim: Claim, contract: Contract) -> tuple[Duty, ...]:
    """What every rule of the contract asks of the first and the last line."""
    return tuple(
        Duty(line, place, rule.attesters, rule.slots, rule.within_days)
        for line in sorted({1, len(claim.lines)})
        for place, rule in enumerate(contract.attestations)
    )


def forged(attestation: Attestation) -> Attestation:
    """With the signature of another one."""
    other = attesting.attestation(records.claim(statement="line"))
    return attestation.model_copy(update={"signature": other.signature})


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
        self.turned_away: list[tuple[Sent, Claim]] = []
        self.records: dict[tuple[str, str], tuple[str, int]] = {}

    def teardown(self) -> None:
        self.the_database_is_checked()
        self.database.dispose()
        shutil.rmtree(self.folder)

    # -- what can happen ------------------------------------------------------------------------

    @rule(batch=st.lists(SENT, min_size=1, max_size=3))
    def claims_come_together(self, batch: list[Sent]) -> None:
        self.claims_come([(sent, self.claim_of(sent)) for sent in batch])

    @precondition(lambda self: self.turned_away)
    @rule(number=st.integers(0, 50), brings=st.sampled_from(["nothing", "all", "all", "forged"]))
    def what_was_turned_away_comes_again(self, number: int, brings: str) -> None:
        sent, claim = self.turned_away.pop(number % len(self.turned_away))
        self.claims_come([(replace(sent, brings=brings), claim)])

    def claims_come(self, batch: list[tuple[Sent, Claim]]) -> None:
        items, brought = [], []
        for sent, claim in batch:
            attestations = self.attestations_of(sent, claim)
            brought.append(attestations)
            made = records.examined(
                claim,
                refusal=("signature_invalid", "") if sent.is_refused else None,
                proof=BAD_PROOF if sent.is_proof_bad else None,
                of_contract=CONTRACTS[sent.wants],
            )
            duties = duties_of(claim, CONTRACTS[sent.wants])
            items.append(replace(made, duties=duties, attestations=tuple(attestations)))
        with self.database.write() as connection:
            answers = record_claims(connection, items, self.now, attesting.TRUST)
        for (sent, claim), attestations, answer in zip(batch, brought, answers, strict=True):
            verdict, reason = self.expected(sent, claim)
            problem = None
            if verdict != "refused":
                problem = self.problem_of(sent, claim, attestations)
            if problem is not None:
                assert isinstance(answer, ServiceError)
                assert (answer.code, answer.reason) == ("attestation_refused", problem)
                self.turned_away.append((sent, claim))
                continue
            assert isinstance(answer, str)
            told = json.loads(answer)
            assert (told["verdict"], told["reason"]) == (verdict, reason)
            deadlines = {"granted": self.now + GRANT, "pending": claim.expires_at}
            life = Life(claim, CONTRACTS[sent.wants], answer, verdict, deadlines.get(verdict))
            self.lives[claim.claim_id] = life
            if verdict != "refused":
                life.wants = [Want(duty) for duty in duties_of(claim, life.contract)]
                for attestation in attestations:
                    self.is_given(life, attestation, None)
                if verdict == "granted":
                    life.begin(self.now)
            by = life.attest_by()
            assert told["attest_by"] == (by and encode_instant(by))

    def attestations_of(self, sent: Sent, claim: Claim) -> list[Attestation]:
        """What comes with the claim: code and price of every line that the contract asks about."""
        if sent.brings == "nothing":
            return []
        made = []
        for line in sorted({1, len(claim.lines)}):
            more = self.replayed() if sent.brings == "replayed" and line == 1 else {}
            made.append(
                attesting.attestation(claim, line, attested=("code", "price"), at=self.now, **more)
            )
        return [forged(entry) for entry in made] if sent.brings == "forged" else made

    def replayed(self) -> dict[str, Any]:
        """A record that stands behind a line, if there is any."""
        return {"record": next(reversed(self.records))[1]} if self.records else {}

    def problem_of(self, sent: Sent, claim: Claim, brought: list[Attestation]) -> str | None:
        """Why a claim that would be granted or pending is not recorded."""
        if brought and sent.wants == "nothing":
            return "attester_unknown"
        if sent.brings == "forged":
            return "signature_invalid"
        for attestation in brought:
            line = claim.claim_id, attestation.line
            if self.records.get((attesting.LAB, attestation.record), line) != line:
                return "attestation_replayed"
        return "attestation_missing" if sent.wants == "at once" and not brought else None

    def is_given(self, life: Life, attestation: Attestation, answer: dict[str, Any] | None) -> None:
        """The attestation was taken."""
        record = attestation.attester_id, attestation.record
        self.records[record] = life.claim.claim_id, attestation.line
        life.given.append((attestation, answer))
        for want in life.wants:
            if want.duty.is_met_by(attestation) and not want.is_late(self.now):
                want.is_met = True

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
            if life.state not in FREE
            for line in life.claim.lines
        }

    def granted_to(self, beneficiary: str) -> list[Life]:
        return [
            life
            for life in self.lives.values()
            if life.claim.beneficiary == beneficiary
            and life.is_equipment()
            and life.state_at(self.now) in COUNTING
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
        other = replace(item, attestations=(forged(attesting.attestation(life.claim)),))
        with self.database.write() as connection:
            assert record_claims(connection, [item, other], self.now) == [life.answer] * 2

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
            {
                "pending": "granted" if decision == "grant" else "refused",
                "attestation_overdue": self.after_neglect(life, decision),
            },
            lambda connection, step: take_decision(connection, step, made, data, life.contract),
        )

    def after_neglect(self, life: Life, decision: str) -> str:
        if decision == "refuse":
            return "refused"
        return "payable" if "invoice" in life.taken else "granted"

    @precondition(lambda self: self.lives)
    @rule(
        number=st.integers(0, 200),
        is_last_line=st.booleans(),
        attested=st.sampled_from([("code",), ("code", "price"), ("price",)]),
        by=st.sampled_from([attesting.LAB, attesting.LAB, attesting.OTHER_LAB]),
        is_replayed=st.sampled_from([False] * 5 + [True]),
    )
    def an_attestation_comes(
        self, number: int, is_last_line: bool, attested: Any, by: str, is_replayed: bool
    ) -> None:
        life = self.chosen(number)
        made = attesting.attestation(
            life.claim,
            len(life.claim.lines) if is_last_line else 1,
            by=by,
            attested=attested,
            at=self.now,
            **(self.replayed() if is_replayed else {}),
        )
        if made in [entry for entry, _ in life.given]:  # of the same second and record
            return
        expected = self.fate_of(life, made)
        if expected is not None:
            with pytest.raises(ServiceError) as caught:
                self.attest(life, made)
            assert (caught.value.code, caught.value.reason) == expected
            return
        answer = self.attest(life, made)
        self.is_given(life, made, answer)
        by_now = life.attest_by()
        assert answer["state"] == life.state_at(self.now)
        assert answer["attest_by"] == (by_now and encode_instant(by_now))
        missing = [] if life.is_waived else [want for want in life.wants if not want.is_met]
        assert [(entry["line"], entry["due_at"]) for entry in answer["missing"]] == [
            (want.duty.line, want.due and encode_instant(want.due)) for want in missing
        ]

    def fate_of(self, life: Life, made: Attestation) -> tuple[str, str | None] | None:
        """Code and reason of the refusal, if it is refused."""
        if life.state_at(self.now) in ("refused", "cancelled", "expired"):
            return "state_conflict", None
        asked = [want for want in life.wants if want.duty.line == made.line]
        if not any(made.attester_id in want.duty.attesters for want in asked):
            return "attestation_refused", "attester_unknown"
        met = [want for want in asked if want.duty.is_met_by(made)]
        if not met:
            return "attestation_refused", "attestation_incomplete"
        line = life.claim.claim_id, made.line
        if self.records.get((made.attester_id, made.record), line) != line:
            return "attestation_refused", "attestation_replayed"
        wanted = [want for want in met if not want.is_met] or met
        if all(want.is_late(self.now) for want in wanted):
            return "attestation_refused", "attestation_late"
        return None

    def attest(self, life: Life, made: Attestation) -> dict[str, Any]:
        step = Step(life.claim.claim_id, SHOP, KEYS, self.now)
        with self.database.write() as connection:
            answer = take_attestation(connection, step, made, life.contract, attesting.TRUST)
        told: dict[str, Any] = json.loads(answer)
        return told

    @precondition(lambda self: any(life.given for life in self.lives.values()))
    @rule(number=st.integers(0, 50))
    def the_same_attestation_comes_again(self, number: int) -> None:
        given = [(life, *entry) for life in self.lives.values() for entry in life.given]
        life, made, answer = given[number % len(given)]
        told = self.attest(life, made)
        assert answer is None or told == answer
        assert told["attestation_digest"] == signed_digest(made)

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
        was = life.state_at(self.now)
        # A decision on a missing attestation is another one than that on a pending claim.
        is_of_neglect = kind == "decision" and was == "attestation_overdue"
        is_again = kind in life.taken and not is_of_neglect
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
        life.state = following[was]
        assert answer["state"] == life.state
        life.deadline = self.now + GRANT if life.state == "granted" else None
        if is_of_neglect:
            life.is_waived = True
        elif life.state == "granted":
            life.begin(self.now)
        elif life.state != "payable":
            life.is_waived = True
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
            expired = store.expire_overdue(connection, encode_instant(self.now))
            overdue = store.mark_attestations_overdue(connection, encode_instant(self.now))
        for state, swept in (("expired", expired), ("attestation_overdue", overdue)):
            over = [
                life
                for life in self.lives.values()
                if life.state != state and life.state_at(self.now) == state
            ]
            assert swept == len(over)
            for life in over:
                life.state, life.deadline = state, None

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
            again = {
                row.claim_id: store.claim_at(connection, row.claim_id, instant) for row in rows
            }
        found = {row.claim_id: (row.state, row.deadline) for row in rows}
        assert found == {
            name: (life.state_at(self.now), life.deadline and encode_instant(life.deadline))
            for name, life in self.lives.items()
        }
        assert found == {name: (row.state, row.deadline) for name, row in again.items() if row}
        due = {row.claim_id: row.attest_by for row in rows if row.state in COUNTING}
        for name, attest_by in due.items():
            by = self.lives[name].attest_by()
            assert attest_by == (by and encode_instant(by))

    @invariant()
    def no_commitment_is_in_two_living_claims(self) -> None:
        held = [
            line.commitment
            for life in self.lives.values()
            if life.state not in FREE
            for line in life.claim.lines
        ]
        assert len(set(held)) == len(held)
        rows = records.rows(self.database, "commitments")
        assert {row["commitment"]: row["claim_id"] for row in rows} == self.used()

    @invariant()
    def every_record_of_an_attester_stands_behind_one_line(self) -> None:
        lines: dict[tuple[str, str], set[tuple[str, int]]] = {}
        for row in records.rows(self.database, "attestations"):
            name = row["attester_id"], row["record"]
            lines.setdefault(name, set()).add((row["claim_id"], row["line"]))
        assert all(len(behind) == 1 for behind in lines.values())

    @invariant()
    def two_equipments_within_the_period_were_decided_on(self) -> None:
        for beneficiary, months in MONTHS.items():
            for one, other in combinations(self.granted_to(beneficiary), 2):
                days = one.claim.date_of_service, other.claim.date_of_service
                if is_too_near(*days, months):
                    assert one.is_decided or other.is_decided


TestLifeOfClaims = LifeOfClaims.TestCase
TestLifeOfClaims.settings = settings(stateful_step_count=25)
