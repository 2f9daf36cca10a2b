"""Publishers, trust lists and publications for tests."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from circuits.claim import encode_instant
from circuits.contract import Contract
from circuits.nomenclature import Nomenclature
from circuits.publication import Publication, published_facts
from circuits.signed import make_signed
from circuits.trust import PartyRole, Trust, parse_trust
from verifier_api.parties import Party

PUBLISHED_AT = datetime(2020, 6, 1, tzinfo=UTC)


@cache
def party(name: str = "publisher-1", role: PartyRole = "publisher", number: int = 1) -> Party:
    """A party with its key of that number, the same in a process."""
    assert number
    return Party.generate(role, name)


def first_day(document: Contract | Nomenclature) -> date:
    """The day from which the service has a document in force if it is told no other."""
    if isinstance(document, Contract):
        return document.valid_from
    return min(row.valid_from for row in document.rows)


def publication(
    document: Contract | Nomenclature, by: Party | None = None, **changes: Any
) -> Publication:
    """What a publisher signs of a document, with other values of some fields."""
    signer = by or party()
    fields: dict[str, Any] = {
        **published_facts(document),
        "in_force_from": first_day(document).isoformat(),
        "published_at": encode_instant(PUBLISHED_AT),
        "publisher_id": signer.party_id,
    }
    return make_signed(Publication, signer.signing_key, **(fields | changes))


def trust_bytes(*entries: dict[str, Any]) -> bytes:
    """A trust list with these entries; `party`'s own if none is given."""
    keys = list(entries) or [party().public_entry()]
    return json.dumps({"format_version": 1, "keys": keys}).encode()


def trust(*entries: dict[str, Any]) -> Trust:
    """The same, read."""
    return parse_trust(trust_bytes(*entries))


def write_trust(path: Path, *entries: dict[str, Any]) -> Path:
    """The same, as a file."""
    path.write_bytes(trust_bytes(*entries))
    return path
