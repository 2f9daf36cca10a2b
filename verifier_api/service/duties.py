"""What a claim's contract wants attested, from the request to the last deadline: without storage.

`circuits.attestation` says what an attestation is worth by itself; here stand the rules that need
the records: deadlines, and that a record of an attester stands behind one line only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from circuits.attestation import (
    Attestation,
    Duty,
    rejected,
    require_attestation,
    unmet,
)
from circuits.claim import Claim, encode_instant
from circuits.contract import Contract
from circuits.signed import decode_signed, encode_signed, signed_digest
from circuits.trust import Trust
from verifier_api.service.errors import ServiceError
from verifier_api.service.life import attestation_deadline
from zk.errors import ProofRejected

LinesBehind: TypeAlias = Mapping[tuple[str, str], tuple[str, int]]
"""By attester and record: claim id and number of the line that the record stands behind."""


@dataclass(frozen=True)
class Taken:
    """An attestation that was checked: its digest, and what it meets of what is asked for."""

    attestation: Attestation
    digest: str
    met: tuple[Duty, ...]

    @property
    def record(self) -> tuple[str, str]:
        """What it stands on: attester and record."""
        return self.attestation.attester_id, self.attestation.record

    @property
    def line(self) -> tuple[str, int]:
        """What it is about: claim id and number of the line."""
        return self.attestation.claim_id, self.attestation.line

    def facts(self) -> dict[str, Any]:
        """What the history of the claim says."""
        attestation = self.attestation
        return {
            "attestation_digest": self.digest,
            "line": attestation.line,
            "attester_id": attestation.attester_id,
        }


@dataclass(frozen=True)
class RecordedDuty:
    """What a rule of the contract asks for a line of a recorded claim.

    ``due_at`` is the last instant for it, None for what came with the claim and until a claim that
    was pending is granted; ``met_by`` the digest of the attestation that met it.
    """

    duty: Duty
    due_at: str | None
    met_by: str | None

    def is_late(self, instant: str) -> bool:
        """Whether its last instant has passed."""
        return self.due_at is not None and self.due_at < instant

    def facts(self) -> dict[str, Any]:
        """What answers say of it, but for what met it."""
        return {
            "line": self.duty.line,
            "attesters": list(self.duty.attesters),
            "slots": list(self.duty.slots),
            "due_at": self.due_at,
        }


def check_attestation(
    attestation: Attestation,
    claim: Claim,
    duties: Sequence[Duty],
    trust: Trust,
    now: datetime,
    behind: LinesBehind,
) -> Taken:
    """The attestation, good for ``claim`` and recorded ``now``. Raises `ProofRejected` with a key
    of `circuits.attestation.ATTESTATION_REASONS`."""
    # The very instant that is recorded: whoever checks the record later comes to the same result.
    met = require_attestation(attestation, claim, duties, trust, now.replace(microsecond=0))
    taken = Taken(attestation, signed_digest(attestation), met)
    if behind.get(taken.record, taken.line) != taken.line:
        raise rejected("attestation_replayed")
    return taken


def check_submitted(
    attestations: Iterable[Attestation],
    claim: Claim,
    duties: Sequence[Duty],
    trust: Trust,
    now: datetime,
    behind: LinesBehind,
) -> tuple[Taken, ...]:
    """Those that came with a claim, each once; and none is missing that had to.

    Raises `ServiceError` "attestation_refused" with a key of `ATTESTATION_REASONS` as its reason,
    and the place of the attestation or line at fault.
    """
    known = dict(behind)
    taken: dict[str, Taken] = {}
    for number, attestation in enumerate(attestations):
        try:
            one = check_attestation(attestation, claim, duties, trust, now, known)
        except ProofRejected as error:
            raise refused(error, f"attestations.{number}") from None
        known[one.record] = one.line
        taken[one.digest] = one
    given = [one.attestation for one in taken.values()]
    missing = [duty for duty in unmet(duties, given) if duty.within_days is None]
    if missing:
        places = dict.fromkeys(f"lines.{duty.line - 1}" for duty in missing)
        raise refused(rejected("attestation_missing"), *places)
    return tuple(taken.values())


def refused(error: ProofRejected, *places: str) -> ServiceError:
    """The refusal of an attestation as the service tells it."""
    return ServiceError("attestation_refused", error.detail, reason=error.reason, places=places)


# -- what is recorded ---------------------------------------------------------------------------


def recorded_duties(
    duties: Iterable[Duty], taken: Sequence[Taken], granted_at: datetime | None
) -> list[RecordedDuty]:
    """What stands on record of a claim with these attestations, granted then or not yet."""
    return [
        RecordedDuty(
            duty,
            due_at_of(duty, granted_at),
            next((one.digest for one in taken if duty in one.met), None),
        )
        for duty in duties
    ]


def due_at_of(duty: Duty, granted_at: datetime | None) -> str | None:
    """The last instant for it, None if it came with the claim or the claim is not granted yet."""
    if duty.within_days is None or granted_at is None:
        return None
    return attestation_deadline(duty.within_days, granted_at)


def read_duties(rows: Iterable[Any], contract: Contract) -> list[RecordedDuty]:
    """What the rows of a claim's duties stand for under its contract."""
    found = []
    for row in rows:
        rule = contract.attestations[row.rule]
        duty = Duty(row.line, row.rule, rule.attesters, rule.slots, rule.within_days)
        found.append(RecordedDuty(duty, row.due_at, row.attestation_digest))
    return found


def next_due(duties: Iterable[RecordedDuty]) -> str | None:
    """The last instant for the next attestation that is due, None if none is."""
    due = (duty.due_at for duty in duties if duty.met_by is None)
    return min((instant for instant in due if instant is not None), default=None)


def duty_row(claim_id: str, duty: RecordedDuty) -> dict[str, Any]:
    """A row of the table of duties."""
    return {
        "claim_id": claim_id,
        "line": duty.duty.line,
        "rule": duty.duty.rule,
        "due_at": duty.due_at,
        "attestation_digest": duty.met_by,
    }


def attestation_row(taken: Taken, answer: str, now: datetime) -> dict[str, Any]:
    """A row of the table of attestations."""
    attestation = taken.attestation
    return {
        "digest": taken.digest,
        "claim_id": attestation.claim_id,
        "line": attestation.line,
        "attester_id": attestation.attester_id,
        "record": attestation.record,
        "document": encode_signed(attestation),
        "answer": answer,
        "recorded_at": encode_instant(now),
    }


# -- what is answered ---------------------------------------------------------------------------


def attestation_answer(
    taken: Taken,
    now: datetime,
    state: str,
    attest_by: str | None,
    missing: Iterable[RecordedDuty],
) -> str:
    """What the optician is answered (JSON), now and whenever he sends the same bytes again."""
    attestation = taken.attestation
    facts = {
        "claim_id": attestation.claim_id,
        "attestation_digest": taken.digest,
        "line": attestation.line,
        "attester_id": attestation.attester_id,
        "attested": list(attestation.attested),
        "recorded_at": encode_instant(now),
        "state": state,
        "attest_by": attest_by,
        "missing": [duty.facts() for duty in missing],
    }
    return json.dumps(facts, ensure_ascii=False)


def detail_facts(duties: Iterable[RecordedDuty], given: Iterable[Any]) -> dict[str, Any]:
    """What a claim's detail says: everything that is asked for, and everything that came."""
    return {
        "due": [duty.facts() | {"met_by": duty.met_by} for duty in duties],
        "given": [_given_facts(row) for row in given],
    }


def _given_facts(row: Any) -> dict[str, Any]:
    attestation = decode_signed(Attestation, bytes(row.document))
    return {
        "digest": row.digest,
        "line": row.line,
        "attester_id": row.attester_id,
        "attested": list(attestation.attested),
        "record": row.record,
        "recorded_at": row.recorded_at,
    }
