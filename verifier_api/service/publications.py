"""Publications as the insurer recorded them, and which of them count.

If the insurer's trust list names a publisher, a contract or a nomenclature is used for claims only
where a recorded publication of it counts: signed by a key that was relied upon for it at the moment
when the publication was first recorded, and in force from the same day as the insurer has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row

from circuits.claim import encode_instant
from circuits.publication import (
    PUBLICATION_REASONS,
    Publication,
    require_facts,
    require_published,
)
from circuits.signed import decode_signed, encode_signed
from circuits.trust import Published, Trust
from verifier_api.service.errors import ServiceError
from verifier_api.store import publications as store
from verifier_api.store import reference
from zk.errors import ProofRejected

OF_NOTHING = "no contract or nomenclature of that digest; add the document first"
ALREADY = "the key has published this document already, in other words"


@dataclass(frozen=True)
class Version:
    """A contract or a nomenclature as publications name it, and from when on the insurer has it in
    force. Names as in `circuits.publication.Publication`."""

    kind: Published
    digest: str
    name: str
    insurer_id: str | None
    in_force_from: date

    def facts(self) -> dict[str, str | None]:
        """As `circuits.publication.published_facts` of the document."""
        return {
            "kind": self.kind,
            "digest": self.digest,
            "name": self.name,
            "insurer_id": self.insurer_id,
        }


@dataclass(frozen=True)
class RecordedPublication:
    """A publication, byte for byte, and when it was first recorded (an instant, UTC)."""

    recorded_at: str
    document: bytes = field(repr=False)
    publication: Publication = field(repr=False)

    @classmethod
    def of_row(cls, row: Row[Any]) -> RecordedPublication:
        """A row of the table."""
        return cls(row.recorded_at, row.document, decode_signed(Publication, row.document))

    def facts(self) -> dict[str, Any]:
        """The entry of a listing."""
        return {"recorded_at": self.recorded_at, "publication": json.loads(self.document)}

    def require_counts(self, version: Version, trust: Trust) -> None:
        """Raise `ProofRejected` with a key of `circuits.trust.TRUST_REASONS` or
        `PUBLICATION_REASONS` unless it counts for this version."""
        require_facts(self.publication, version.facts())
        if self.publication.in_force_from != version.in_force_from:
            reason = "in_force_from_differs"
            raise ProofRejected(reason, PUBLICATION_REASONS[reason])
        recorded_at = datetime.fromisoformat(self.recorded_at)
        require_published(self.publication, trust, recorded_at)


def is_published(recorded: Iterable[RecordedPublication], version: Version, trust: Trust) -> bool:
    """Whether one of them counts, or none has to since no publisher is relied upon."""
    return not trust.has_role("publisher") or any(
        refusal_of(entry, version, trust) is None for entry in recorded
    )


def refusal_of(entry: RecordedPublication, version: Version, trust: Trust) -> str | None:
    """Why it does not count, None if it does."""
    try:
        entry.require_counts(version, trust)
    except ProofRejected as error:
        return error.reason
    return None


def add_publication(
    connection: Connection, publication: Publication, trust: Trust, actor: str, now: datetime
) -> None:
    """Record a publication of a contract or nomenclature that is there; the same again changes
    nothing, and keeps the moment at which it was first recorded.

    Runs in a writing transaction and leaves an event. Raises `ServiceError`: "not_found" for a
    document that is not there, "publication_refused" with the reason where it would not count by
    ``trust``, "already_exists" where that key signed another publication of the document.
    """
    digest, key_id = publication.digest, publication.key_id
    data = encode_signed(publication)
    known = store.find_publication(connection, digest, key_id)
    if known is not None:
        if known.document == data:
            return
        raise ServiceError("already_exists", ALREADY)
    version = _version(connection, publication)
    entry = RecordedPublication(encode_instant(now), data, publication)
    try:
        entry.require_counts(version, trust)
    except ProofRejected as error:
        raise ServiceError("publication_refused", error.detail, reason=error.reason) from None
    values = {
        "digest": digest,
        "key_id": key_id,
        "kind": publication.kind,
        "publisher_id": publication.publisher_id,
        "in_force_from": version.in_force_from,
        "document": data,
        "recorded_at": entry.recorded_at,
    }
    store.add_publication(connection, values)
    facts = {"digest": digest, "key_id": key_id, "publisher_id": publication.publisher_id}
    reference.note_event(connection, entry.recorded_at, "publication_added", actor, facts)


def _version(connection: Connection, publication: Publication) -> Version:
    digest = publication.digest
    if publication.kind == "contract":
        for row in reference.contract_rows(connection):
            if row.digest == digest:
                names = row.contract_id, row.insurer_id
                return Version("contract", digest, *names, row.in_force_from)
    else:
        for row in reference.nomenclature_rows(connection):
            if row.digest == digest:
                return Version("nomenclature", digest, row.version, None, row.in_force_from)
    raise ServiceError("not_found", OF_NOTHING, places=("digest",))
