"""An attester in this process, and what an optician asks him.

The clock stands at `tests.support.claims.NOW`; the sample optician is registered, and another one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from circuits.attestation import Attestation, AttestationRequest
from circuits.claim import Claim
from circuits.signed import decode_signed
from circuits.trust import Trust, parse_trust
from optician.attestations import make_request
from optician.claiming import Openings
from optician.identity import Identity
from tests.support import claims as samples
from verifier_api.attester.attesting import Attester
from verifier_api.attester.ledger import Ledger
from verifier_api.attester.sources import COLUMNS, CsvRecords
from verifier_api.attester.watched import Watched
from verifier_api.keys import MAX_KEYS_BYTES, parse_keys
from verifier_api.parties import Party

ATTESTER = "lab-1"
RECORD = "ORDER-17"
OTHER_OPTICIAN = "optician-2"


@cache
def party(attester_id: str = ATTESTER) -> Party:
    """The same key for the same name, fresh in every process."""
    return Party.generate("attester", attester_id)


def trust(*parties: Party) -> Trust:
    """A list with the keys of these parties, by default the sample attester's."""
    keys = [one.public_entry() for one in parties or (party(),)]
    return parse_trust(json.dumps({"format_version": 1, "keys": keys}).encode())


@cache
def pair_of_claims() -> tuple[tuple[Claim, Openings], tuple[Claim, Openings]]:
    """Two claims of the sample optician for the same sale: other numbers, other commitments."""
    first, second = (
        samples.claim_of(samples.sample_sale("equipment", claim_id=f"attested-{number}"))
        for number in (1, 2)
    )
    return first, second


def secrets_of(openings: Openings, line: int = 1) -> tuple[int, int]:
    """The code and the price in cents of a line."""
    code, price, *_ = openings.openings[line - 1].values
    return code, price


def row(
    openings: Openings,
    line: int = 1,
    *,
    record_id: str = RECORD,
    optician_id: str = "optician-1",
    has_price: bool = True,
    **changes: object,
) -> dict[str, object]:
    """The record that agrees with a line."""
    code, price = secrets_of(openings, line)
    made: dict[str, object] = {
        "record_id": record_id,
        "optician_id": optician_id,
        "code": code,
        "price_cents": price if has_price else "",
        "quantity": 1,
    }
    return made | changes


def csv_of(*rows: dict[str, object]) -> str:
    """Records as a file has them."""
    lines = [",".join(COLUMNS), *(",".join(str(one[name]) for name in COLUMNS) for one in rows)]
    return "\n".join(lines) + "\n"


class Lab:
    """An attester's folder, and the attester over it. To be closed."""

    def __init__(self, folder: Path, *rows: dict[str, object], **choices: Any) -> None:
        self.folder = folder
        self.records_file = folder / "records.csv"
        self.keys_file = folder / "keys.json"
        self.ledger_file = folder / "ledger.db"
        self.now: datetime = samples.NOW
        self.faults: list[str] = []
        self.write(*rows)
        identities = [samples.identity(), samples.identity(OTHER_OPTICIAN)]
        self.keys_file.write_bytes(samples.keys_document(*identities))
        self.attester = self.open(**choices)

    def write(self, *rows: dict[str, object]) -> None:
        """Other records from now on."""
        self.records_file.write_text(csv_of(*rows))

    def open(self, by: Party | None = None, **choices: Any) -> Attester:
        """The attester, over whatever stands in the folder."""
        of = by or party()
        keys = Watched(str(self.keys_file), MAX_KEYS_BYTES, parse_keys, "keys", self.faults.append)
        return Attester(
            of,
            keys,
            choices.pop("records", None) or CsvRecords(str(self.records_file), self.faults.append),
            Ledger(self.ledger_file, of.party_id),
            samples.generators(),
            clock=lambda: self.now,
            **choices,
        )

    def ask(self, request: AttestationRequest) -> bytes:
        """Authenticated and attested, as the service does it."""
        self.attester.authenticate(request)
        return self.attester.attest(request)

    def attestation(self, request: AttestationRequest) -> Attestation:
        """The same, decoded."""
        return decode_signed(Attestation, self.ask(request))


def request_for(
    made: tuple[Claim, Openings],
    line: int = 1,
    *,
    reveal: Sequence[str] = ("code", "price"),
    attester_id: str = ATTESTER,
    record_id: str = RECORD,
    now: datetime = samples.NOW,
    by: Identity | None = None,
) -> AttestationRequest:
    """What the optician asks about a line of his claim."""
    claim, openings = made
    return make_request(
        claim,
        openings,
        by or samples.identity(),
        line,
        reveal,
        attester_id,
        record_id,
        now,
        samples.generators(),
    )
