"""What was attested: which article of which record stands behind which line, for ever.

An SQLite file of its own. An attestation is given when it stands here, not before: a process that
is killed in between gives the same bytes when it is asked again, and nothing is used up twice.
Neither a code nor a price is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)

from circuits.attestation import REFERENCE_BYTES, Attestation
from circuits.canonical import encode_base64url
from circuits.claim import encode_instant
from circuits.signed import encode_signed
from verifier_api.attester.rules import rejected
from verifier_api.store.database import Database, StorageError, sqlite_url

FORMAT_VERSION = 1

_INSTANT = String(20)
_NAME = String(64)

metadata = MetaData()

ledger = Table(
    "attester_ledger",
    metadata,
    Column("attester_id", _NAME, primary_key=True),
    Column("format_version", Integer, nullable=False),
)
"""One row: whose ledger this is."""

units = Table(
    "units",
    metadata,
    Column("reference", String(22), primary_key=True),
    Column("record_id", _NAME, nullable=False),
    Column("optician_id", _NAME, nullable=False),
    Column("claim_id", _NAME, nullable=False),
    Column("claim_digest", String(43), nullable=False),
    Column("line", Integer, nullable=False),
    Column("commitment", String(44), nullable=False),
    Column("taken_at", _INSTANT, nullable=False),
    Column("released_at", _INSTANT),
    Index("ix_units_record_id", "record_id"),
    # One line takes one article of a record, whoever asks at the same time.
    Index(
        "uq_units_line",
        *("record_id", "claim_id", "claim_digest", "line", "commitment"),
        unique=True,
        sqlite_where=text("released_at IS NULL"),
    ),
)
"""One article of a record behind one line; free again since ``released_at``."""

attestations = Table(
    "attestations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("reference", String(22), ForeignKey("units.reference"), nullable=False),
    Column("attested", String(16), nullable=False),
    Column("key_id", String(43), nullable=False),
    Column("expires_at", _INSTANT, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("ix_attestations_reference", "reference"),
)
"""Every attestation that was given, byte for byte."""


@dataclass(frozen=True)
class Line:
    """The line of a claim that an optician asks about, and the record that he names."""

    record_id: str
    optician_id: str
    claim_id: str
    claim_digest: str
    line: int
    commitment: str


Sign = Callable[[str], Attestation]
"""Makes the attestation for a reference."""


class Ledger:
    """The ledger in an SQLite file. Several threads and processes may use it at once."""

    def __init__(self, path: Path, attester_id: str | None) -> None:
        """Open the file. For a named attester it is made, readable by its owner alone, if it is not
        there; with None it may be anybody's, and must be there.

        Raises `StorageError` for a file that is another attester's ledger, or none.
        """
        path = path.absolute()
        flags = os.O_RDWR if attester_id is None else os.O_RDWR | os.O_CREAT
        try:
            os.close(os.open(path, flags, 0o600))
        except OSError as error:
            raise StorageError(f"ledger: {error.strerror}") from None
        self._database = Database(sqlite_url(path))
        try:
            with self._database.write() as connection:
                _prepare(connection, attester_id)
        except BaseException:
            self._database.dispose()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.dispose()

    def attest(
        self, line: Line, quantity: int, attested: str, key_id: str, now: datetime, sign: Sign
    ) -> bytes:
        """The attestation for a line, stored before it is given.

        The same line is given the same bytes, as long as they have not expired and are signed with
        the present key; else ``sign`` makes new ones for the same article. A line that has none
        takes one of the record's ``quantity`` articles. Raises `ProofRejected`
        ("record_used_up") if none is left, `StorageError`.
        """
        with self._database.write() as connection:
            reference = _taken(connection, line)
            if reference is None:
                used = select(func.count()).where(
                    units.c.record_id == line.record_id, units.c.released_at.is_(None)
                )
                if connection.execute(used).scalar_one() >= quantity:
                    raise rejected("record_used_up")
                reference = _take(connection, line, now)
            else:
                known = _valid_document(connection, reference, attested, key_id, now)
                if known is not None:
                    return known
            attestation = sign(reference)
            document = encode_signed(attestation)
            connection.execute(
                insert(attestations).values(
                    reference=reference,
                    attested=attested,
                    key_id=attestation.key_id,
                    expires_at=encode_instant(attestation.expires_at),
                    document=document,
                )
            )
        # Out here it is on the disk.
        return document

    def release(self, record_id: str, claim_id: str, line: int, now: datetime) -> int:
        """Free the articles that stand behind a line, since its claim came to nothing; how many.

        What was attested stays written. Raises `StorageError`.
        """
        with self._database.write() as connection:
            done = connection.execute(
                update(units)
                .where(
                    units.c.record_id == record_id,
                    units.c.claim_id == claim_id,
                    units.c.line == line,
                    units.c.released_at.is_(None),
                )
                .values(released_at=encode_instant(now))
            )
            return done.rowcount

    def is_usable(self) -> bool:
        """Whether it can be read."""
        try:
            with self._database.read() as connection:
                connection.execute(select(ledger.c.attester_id)).scalar_one()
        except StorageError:
            return False
        return True


def _prepare(connection: Connection, attester_id: str | None) -> None:
    names = set(inspect(connection).get_table_names())
    if ledger.name not in names and (names or attester_id is None):
        raise StorageError("ledger: the file is no attester's ledger")
    if not names:
        metadata.create_all(connection)
        mine = {"attester_id": attester_id, "format_version": FORMAT_VERSION}
        connection.execute(insert(ledger).values(mine))
        return
    row = connection.execute(select(ledger)).one()
    if row.format_version != FORMAT_VERSION:
        raise StorageError("ledger: made by another version of this program")
    if attester_id not in (None, row.attester_id):
        raise StorageError("ledger: it is another attester's")


def _taken(connection: Connection, line: Line) -> str | None:
    """The reference of the article that stands behind the line."""
    query = select(units.c.reference).where(
        units.c.record_id == line.record_id,
        units.c.claim_id == line.claim_id,
        units.c.claim_digest == line.claim_digest,
        units.c.line == line.line,
        units.c.commitment == line.commitment,
        units.c.released_at.is_(None),
    )
    return connection.execute(query).scalar_one_or_none()


def _take(connection: Connection, line: Line, now: datetime) -> str:
    """A new random reference, by which nobody else finds the record."""
    reference = encode_base64url(os.urandom(REFERENCE_BYTES))
    values = vars(line) | {"reference": reference, "taken_at": encode_instant(now)}
    connection.execute(insert(units).values(values))
    return reference


def _valid_document(
    connection: Connection, reference: str, attested: str, key_id: str, now: datetime
) -> bytes | None:
    """What was given already, if it is still worth something."""
    query = (
        select(attestations.c.document)
        .where(
            attestations.c.reference == reference,
            attestations.c.attested == attested,
            attestations.c.key_id == key_id,
            attestations.c.expires_at > encode_instant(now),
        )
        .order_by(attestations.c.number.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()
