"""The decisions that need the records: uniqueness, rights and renewal; then the verdict is written.

Everything here runs inside the one writing transaction (`verifier_api.store.database`), so what was
read stays true until it is durable. Where several checks fail, the first in the documented order is
the reason: envelope, uniqueness, rights and renewal, statement, proof. What would be granted or
pending needs the attestations that its contract asks for with the claim; without them nothing is
recorded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from time import perf_counter_ns
from typing import Any

from sqlalchemy import Connection

from circuits.attestation import Attestation, Duty
from circuits.claim import Claim, encode_instant
from circuits.contract import Contract
from circuits.trust import Trust
from verifier_api.service.duties import (
    RecordedDuty,
    Taken,
    attestation_answer,
    attestation_row,
    check_submitted,
    duty_row,
    next_due,
    recorded_duties,
)
from verifier_api.service.errors import ServiceError
from verifier_api.service.judging import Judging, Outcome, judging_columns
from verifier_api.service.life import grant_deadline, is_renewal_too_early, verdict_answer
from verifier_api.service.proofs import ProofVerdict
from verifier_api.store import attestations as attestations_store
from verifier_api.store import claims as store
from verifier_api.store import reference
from verifier_api.store.claims import EQUIPMENT

CONFLICT = "another claim has this claim_id; every claim needs one of its own"
NOBODY = Trust()


@dataclass(frozen=True)
class Examined:
    """A claim after everything that needs no records.

    ``refusal`` is (reason, detail) if the envelope was refused; else ``contract`` and ``proof`` are
    set. ``duties`` are what the contract asks to be attested, ``attestations`` what came with the
    claim, not yet looked at. ``judging`` is the stopwatch, None where nobody measures.
    """

    claim: Claim
    envelope: bytes
    digest: str
    actor: str
    refusal: tuple[str, str] | None = None
    contract: Contract | None = None
    proof: ProofVerdict | None = None
    duties: tuple[Duty, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    judging: Judging | None = field(default=None, compare=False)


class _Steps:
    """Outcome and microseconds of the steps that need the records."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[Outcome, int]] = {}
        self._since = perf_counter_ns()

    def note(self, step: str, outcome: Outcome = "passed") -> None:
        """The step has come to its end; the next begins."""
        now = perf_counter_ns()
        self.found[step] = outcome, (now - self._since) // 1000
        self._since = now


def record_claims(
    connection: Connection,
    items: Sequence[Examined],
    now: datetime,
    trust: Trust = NOBODY,
) -> list[str | ServiceError]:
    """The answer to each claim (JSON), recorded: the old one if the same bytes were judged before,
    "claim_conflict" if the id stands for other bytes, "attestation_refused" if its attestations are
    not those that are needed. ``trust`` has the attesters' keys."""
    return _Recording(connection, items, now, trust).record(items)


class _Recording:
    """What a batch has to know, and the rows that it leaves; later claims see earlier ones."""

    def __init__(
        self, connection: Connection, items: Sequence[Examined], now: datetime, trust: Trust
    ) -> None:
        self.connection = connection
        self.now = now
        self.trust = trust
        self.instant = encode_instant(now)
        self.known = store.known_claims(connection, [item.claim.claim_id for item in items])
        open_claims = [
            item.claim
            for item in items
            if item.refusal is None and item.claim.claim_id not in self.known
        ]
        texts = [line.commitment for claim in open_claims for line in claim.lines]
        people = sorted({claim.beneficiary for claim in open_claims})
        self.used = store.used_commitments(connection, texts) if texts else set()
        self.rights: dict[str, list[Any]] = {}
        self.granted: dict[str, list[date]] = {}
        if people:
            for row in reference.rights_of(connection, people):
                self.rights.setdefault(row.beneficiary, []).append(row)
            for beneficiary, day in store.granted_equipment(connection, people, self.instant):
                self.granted.setdefault(beneficiary, []).append(day)
        behind = [attestation.record for item in items for attestation in item.attestations]
        self.behind = attestations_store.lines_behind(connection, behind) if behind else {}
        self.claims: list[dict[str, Any]] = []
        self.duties: list[dict[str, Any]] = []
        self.attestations: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.commitments: list[tuple[str, str]] = []
        self.circuits: dict[str, dict[str, Any]] = {}

    def record(self, items: Sequence[Examined]) -> list[str | ServiceError]:
        answers = [self._record_one(item) for item in items]
        store.insert_claims(self.connection, self.claims)
        store.use_commitments(self.connection, self.commitments)
        attestations_store.insert_duties(self.connection, self.duties)
        attestations_store.insert_attestations(self.connection, self.attestations)
        store.insert_events(self.connection, self.events)
        store.note_circuits(self.connection, self.circuits)
        return answers

    def _record_one(self, item: Examined) -> str | ServiceError:
        claim = item.claim
        known = self.known.get(claim.claim_id)
        if known is not None:
            digest, answer = known
            if digest == item.digest:
                return answer
            return ServiceError("claim_conflict", CONFLICT, places=("claim_id",))
        steps = _Steps()
        verdict, reason, detail = self._decide(item, steps)
        taken: tuple[Taken, ...] = ()
        duties: list[RecordedDuty] = []
        if verdict != "refused" and (item.duties or item.attestations):
            try:
                taken = check_submitted(
                    item.attestations, claim, item.duties, self.trust, self.now, self.behind
                )
            except ServiceError as error:
                return error
            granted_at = self.now if verdict == "granted" else None
            duties = recorded_duties(item.duties, taken, granted_at)
        if verdict != "refused":
            steps.note("attestations")
        attest_by = next_due(duties)
        deadline = None
        if verdict == "granted" and item.contract is not None:
            deadline = grant_deadline(item.contract, self.now)
        elif verdict == "pending":
            deadline = encode_instant(claim.expires_at)
        circuit_digest = item.proof.circuit_digest if item.proof else None
        granted_until = deadline if verdict == "granted" else None
        facts = verdict_answer(
            claim,
            item.digest,
            verdict,
            reason,
            detail,
            self.now,
            circuit_digest,
            granted_until,
            attest_by,
        )
        answer = json.dumps(facts, ensure_ascii=False)
        self._keep(item, steps, verdict, reason, answer, deadline, attest_by)
        self._keep_attestations(item, taken, duties, verdict, attest_by)
        if circuit_digest is not None and circuit_digest not in self.circuits:
            self.circuits[circuit_digest] = _circuit_row(claim, circuit_digest)
        self.known[claim.claim_id] = item.digest, answer
        return answer

    def _decide(self, item: Examined, steps: _Steps) -> tuple[str, str | None, str]:
        """Verdict, reason, detail."""
        if item.refusal is not None:
            return ("refused", *item.refusal)
        claim, contract, proof = item.claim, item.contract, item.proof
        assert contract is not None  # so `Examined` promises
        assert proof is not None
        for number, line in enumerate(claim.lines):
            if line.commitment in self.used:
                steps.note("uniqueness", "failed")
                return "refused", "commitment_reused", f"lines.{number}.commitment"
        steps.note("uniqueness")
        age_group = self._age_group(claim)
        if age_group is None:
            steps.note("rights", "failed")
            return "refused", "rights_unknown", ""
        steps.note("rights")
        granted = self.granted.get(claim.beneficiary, [])
        is_early = claim.statement in EQUIPMENT and is_renewal_too_early(
            claim.date_of_service, granted, contract, age_group
        )
        if is_early and claim.early_renewal_ground is None:
            steps.note("renewal", "failed")
            return "refused", "renewal_too_early", ""
        steps.note("renewal", "pending" if is_early else "passed")
        if proof.reason is not None:
            return "refused", proof.reason, proof.detail
        return ("pending", "early_renewal", "") if is_early else ("granted", None, "")

    def _age_group(self, claim: Claim) -> str | None:
        """The beneficiary's on the date of service, None without a right under the contract."""
        day = claim.date_of_service
        for right in self.rights.get(claim.beneficiary, ()):
            if right.contract_id == claim.contract_id and right.valid_from <= day <= right.valid_to:
                return str(right.age_group)
        return None

    def _keep_attestations(
        self,
        item: Examined,
        taken: tuple[Taken, ...],
        duties: list[RecordedDuty],
        state: str,
        attest_by: str | None,
    ) -> None:
        claim_id = item.claim.claim_id
        missing = [duty for duty in duties if duty.met_by is None]
        self.duties += [duty_row(claim_id, duty) for duty in duties]
        for one in taken:
            self.behind[one.record] = one.line
            answer = attestation_answer(one, self.now, state, attest_by, missing)
            self.attestations.append(attestation_row(one, answer, self.now))
            facts = one.facts()
            self.events.append(
                reference.event_row(self.instant, "attested", item.actor, facts, claim_id)
            )

    def _keep(
        self,
        item: Examined,
        steps: _Steps,
        verdict: str,
        reason: str | None,
        answer: str,
        deadline: str | None,
        attest_by: str | None,
    ) -> None:
        claim = item.claim
        if verdict != "refused":
            texts = [line.commitment for line in claim.lines]
            self.used.update(texts)
            self.commitments += [(text, claim.claim_id) for text in texts]
        amounts = claim.amounts if verdict != "refused" else None
        if verdict == "granted" and claim.statement in EQUIPMENT:
            self.granted.setdefault(claim.beneficiary, []).append(claim.date_of_service)
        self.claims.append(
            {
                "claim_id": claim.claim_id,
                "claim_digest": item.digest,
                "envelope": item.envelope,
                "optician_id": claim.optician_id,
                "contract_id": claim.contract_id,
                "statement": claim.statement,
                "beneficiary": claim.beneficiary,
                "date_of_service": claim.date_of_service,
                "received_at": self.instant,
                "actor": item.actor,
                "verdict": verdict,
                "reason": reason,
                "answer": answer,
                "state": verdict,
                "state_since": self.instant,
                "deadline": deadline,
                "attest_by": attest_by,
                "granted_lenses_cents": amounts.lenses_cents if amounts else None,
                "granted_frame_cents": amounts.frame_cents if amounts else None,
                "classes": store.classes_text([line.regroupement for line in claim.lines]),
            }
            | judging_columns(item.judging, item.refusal, item.proof, steps.found)
        )


def _circuit_row(claim: Claim, digest: str) -> dict[str, Any]:
    declaration = claim.model_dump(mode="json", include={"statement", "level", "price_class"})
    declaration["lines"] = [
        {"role": line.role, "regroupement": line.regroupement, "code": line.code}
        for line in claim.lines
    ]
    return {
        "digest": digest,
        "contract_digest": claim.contract_digest,
        "nomenclature_digest": claim.nomenclature_digest,
        "day": claim.date_of_service,
        "declaration": json.dumps(declaration, sort_keys=True),
    }
