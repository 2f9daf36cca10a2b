"""Publications: a publisher's signature that a table or a contract is in force from a day on.

It names the document by its digest and travels beside it, format 1. The document of a claim's date
of service is the one that was in force on that day, for ever; a publication never ends, it is
followed by that of the next version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import model_validator

from circuits.canonical import canonical_bytes, encode_base64url, parse_json_strict
from circuits.claim import Digest, Instant
from circuits.contract import Contract, contract_digest
from circuits.document import Identifier, IsoDate
from circuits.nomenclature import Nomenclature
from circuits.signed import SignedDocument, decode_signed
from circuits.trust import Published, Trust, TrustedKey
from zk.errors import EncodingError, ProofRejected, StatementError

MAX_PUBLICATION_BYTES = 4096
MAX_PUBLICATIONS_BYTES = 2**20
"""Of a file with a list of them."""

PUBLICATION_REASONS = {
    "publication_differs": "the publication is of another document, or of another name",
    "in_force_from_differs": "the publication has the document in force from another day",
    "publisher_not_allowed": "the publisher's key is not relied upon for this kind of document or "
    "this insurer",
}
"""Reason codes, stable, beside `circuits.trust.TRUST_REASONS`."""


class Publication(SignedDocument):
    """``name`` is the contract's id or the table's version; ``insurer_id`` is null for a table."""

    TAG: ClassVar[bytes] = b"clairobscur/publication/v1"
    WHAT: ClassVar[str] = "publication"
    MAX_BYTES: ClassVar[int] = MAX_PUBLICATION_BYTES

    kind: Published
    digest: Digest
    name: Identifier
    insurer_id: Identifier | None
    in_force_from: IsoDate
    published_at: Instant
    publisher_id: Identifier

    @model_validator(mode="after")
    def _require_insurer(self) -> Publication:
        if (self.kind == "contract") != (self.insurer_id is not None):
            raise ValueError("insurer_id goes with kind contract, and with no other")
        return self


def published_facts(document: Contract | Nomenclature) -> dict[str, str | None]:
    """What a publication repeats of its document: kind, digest, name, insurer."""
    if isinstance(document, Contract):
        return {
            "kind": "contract",
            "digest": encode_base64url(contract_digest(document)),
            "name": document.contract_id,
            "insurer_id": document.insurer_id,
        }
    return {
        "kind": "nomenclature",
        "digest": encode_base64url(document.digest),
        "name": document.version,
        "insurer_id": None,
    }


def require_publication_fits(publication: Publication, document: Contract | Nomenclature) -> None:
    """Raise `ProofRejected` ("publication_differs") unless it is of this very document."""
    require_facts(publication, published_facts(document))


def require_facts(publication: Publication, facts: Mapping[str, str | None]) -> None:
    """`require_publication_fits` where only the document's `published_facts` are at hand."""
    if any(getattr(publication, name) != value for name, value in facts.items()):
        raise _rejected("publication_differs")


def require_allowed(publication: Publication, key: TrustedKey) -> None:
    """Raise `ProofRejected` ("publisher_not_allowed") unless the key may publish this."""
    if publication.kind not in key.publishes:
        raise _rejected("publisher_not_allowed")
    if key.insurer_id is not None and key.insurer_id != publication.insurer_id:
        raise _rejected("publisher_not_allowed")


def parse_publications(data: bytes) -> tuple[Publication, ...]:
    """The publications of a JSON file: one, or a list of them; the file's own form is free.

    Signatures are not looked at. Raises `EncodingError` or `StatementError` naming the place of the
    fault.
    """
    held = parse_json_strict(data, max_bytes=MAX_PUBLICATIONS_BYTES, what="publications")
    entries = held if isinstance(held, list) else [held]
    found = []
    for number, entry in enumerate(entries):
        try:
            found.append(decode_signed(Publication, canonical_bytes(entry)))
        except (EncodingError, StatementError) as error:
            raise type(error)(f"publications: {number}: {error}") from None
    return tuple(found)


def require_published(publication: Publication, trust: Trust, at: Instant) -> None:
    """Refuse a publication that was first recorded ``at`` and whose signer was not relied upon for
    it then.

    Raises `ProofRejected` with a key of `TRUST_REASONS` or `PUBLICATION_REASONS`.
    """
    key = trust.require_signed(publication, "publisher", publication.publisher_id, at)
    require_allowed(publication, key)


def _rejected(reason: str) -> ProofRejected:
    return ProofRejected(reason, PUBLICATION_REASONS[reason])
