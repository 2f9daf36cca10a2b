"""The attester: key, opticians, records and ledger put together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from circuits.attestation import Attestation, AttestationRequest
from circuits.signed import make_signed
from verifier_api.attester.ledger import Ledger, Line
from verifier_api.attester.rules import Record, compare, open_request, require_authentic
from verifier_api.attester.sources import RecordFault, RecordSource
from verifier_api.attester.watched import Watched
from verifier_api.keys import KeyRegistry
from verifier_api.parties import Party
from zk.generators import Generators

DEFAULT_VALID_DAYS = 30
MAX_VALID_DAYS = 366


def wall_clock() -> datetime:
    """Now."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Attester:
    """Answers requests; safe for several threads. Attestations are valid for ``valid_days``."""

    party: Party
    opticians: Watched[KeyRegistry]
    records: RecordSource
    ledger: Ledger
    generators: Generators = field(repr=False)
    valid_days: int = DEFAULT_VALID_DAYS
    clock: Callable[[], datetime] = wall_clock
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def authenticate(self, request: AttestationRequest) -> None:
        """Raise `ProofRejected` unless a registered optician asks this attester, and now; see
        `verifier_api.attester.rules.require_authentic`."""
        require_authentic(request, self.party.party_id, self.opticians.current(), self.clock())

    def attest(self, request: AttestationRequest) -> bytes:
        """The attestation for a request that was authenticated, as canonical JSON.

        Raises `ProofRejected` with a key of `verifier_api.attester.rules.REQUEST_REASONS`,
        `SourceError` where the records cannot be asked, `StorageError` where nothing can be
        written.
        """
        with self._turn:  # the group's arithmetic has one caller at a time
            values = open_request(request, self.generators)
        record = self._find(request)
        attested = compare(values, record, request)
        assert record is not None  # or it would be unknown
        opening, now = request.opening, self.clock().replace(microsecond=0)
        line = Line(
            request.record_id,
            request.optician_id,
            opening.claim_id,
            request.claim_digest,
            opening.line,
            opening.commitment,
        )

        def sign(reference: str) -> Attestation:
            return make_signed(
                Attestation,
                self.party.signing_key,
                attester_id=self.party.party_id,
                claim_id=opening.claim_id,
                claim_digest=request.claim_digest,
                line=opening.line,
                commitment=opening.commitment,
                attested=attested,
                record=reference,
                attested_at=now,
                expires_at=now + timedelta(days=self.valid_days),
            )

        key_id = self.party.key_id
        return self.ledger.attest(line, record.quantity, ",".join(attested), key_id, now, sign)

    def _find(self, request: AttestationRequest) -> Record | None:
        """The record that is asked about. That one is at fault is told to its own optician alone:
        for everybody else there is none."""
        try:
            return self.records.find(request.record_id)
        except RecordFault as error:
            if request.optician_id in error.opticians:
                raise
        return None

    def checks(self) -> dict[str, bool]:
        """What works now: "ledger", "opticians" (the file is good), "records"."""
        self.opticians.current()
        return {
            "ledger": self.ledger.is_usable(),
            "opticians": self.opticians.fault is None,
            "records": self.records.is_current(),
        }

    def close(self) -> None:
        """Close ledger and records."""
        self.ledger.close()
        self.records.close()
