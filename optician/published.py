"""Contracts and tables that a publisher signed: the signatures as files, and proving by no others.

A digest says that insurer and optician mean the same document. A publication by somebody on the
optician's own trust list says that it is the one that everybody else has, and from when on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from circuits.contract import Contract
from circuits.nomenclature import Nomenclature
from circuits.publication import (
    MAX_PUBLICATIONS_BYTES,
    Publication,
    parse_publications,
    published_facts,
    require_publication_fits,
    require_published,
)
from circuits.signed import encode_signed
from circuits.trust import MAX_TRUST_BYTES, Trust, parse_trust
from console.inputs import read_input
from console.running import CommandError, UsageError
from zk.errors import ProofRejected

NONE_OF_IT = (
    "there is no publication of it in --publications; `optician fetch --publications` gets what "
    "the insurer has"
)
LATER = "it is published for later dates of service only"


@dataclass(frozen=True)
class Reliance:
    """Whom the optician relies on, and what they signed as far as he has it."""

    trust: Trust
    publications: Sequence[Publication]

    def require(self, document: Contract | Nomenclature, day: date, now: datetime) -> None:
        """Refuse a document that nobody published whose key counts ``now``, or that is published
        only for later days than ``day``, the date of service.

        Raises `CommandError` ("unpublished").
        """
        obstacle = self.obstacle(document, day, now)
        if obstacle is not None:
            raise CommandError("unpublished", obstacle)

    def obstacle(self, document: Contract | Nomenclature, day: date, now: datetime) -> str | None:
        """Why `require` refuses a document; None if it does not."""
        facts = published_facts(document)
        reason = NONE_OF_IT
        for publication in self.publications:
            if publication.digest != facts["digest"]:
                continue
            try:
                require_publication_fits(publication, document)
                require_published(publication, self.trust, now)
            except ProofRejected as error:
                reason = error.detail
                continue
            if publication.in_force_from <= day:
                return None
            reason = LATER
        return f"{facts['kind']}: {reason}"


def read_reliance(
    trust_file: str | None, publication_files: Sequence[str] | None
) -> Reliance | None:
    """What the options name; None without a trust list.

    Raises `UsageError` for publications without one, `EncodingError`, `StatementError` and
    `OSError` for files that are not what they should be.
    """
    if trust_file is None:
        if publication_files:
            raise UsageError("--publications: needs --trust, by which they are judged")
        return None
    trust = parse_trust(read_input(trust_file, MAX_TRUST_BYTES))
    found: list[Publication] = []
    for name in publication_files or ():
        found += parse_publications(read_input(name, MAX_PUBLICATIONS_BYTES))
    return Reliance(trust, found)


def encode_publications(publications: Iterable[Publication]) -> bytes:
    """A file of them: a JSON list, one a line."""
    entries = b",\n".join(encode_signed(publication) for publication in publications)
    return b"[" + entries + b"]\n"
