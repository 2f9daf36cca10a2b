"""The shop's rows in the vault: SQL, and nothing else of the shop.

Each function works inside a transaction that its caller has opened. What is sealed is JSON; the
clear columns that a row's meaning hangs on are authenticated with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from optician.vault import Reading, Writing

    Clear: TypeAlias = Mapping[str, str | int | None]

LEASE_SECONDS: Final = 120
"""So long a sender has an entry: if it dies, another takes it up after that."""

LONGEST_DELAY: Final = 24 * 3600
"""Seconds. No entry waits for longer, whatever a service asks for or a clock that was set tells."""

Document = dict[str, Any]


def pack(document: Mapping[str, Any]) -> bytes:
    """JSON, the same for the same document."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def unpack(data: bytes) -> Document:
    """Inverse of `pack`; only for what was sealed by this program."""
    document: Document = json.loads(data)
    return document


# -- entries ----------------------------------------------------------------------------------


def put_entry(writing: Writing, kind: str, name: str, content: bytes) -> None:
    """Keep something under a kind and a name, in place of what was there."""
    writing.connection.execute(
        "INSERT OR REPLACE INTO entries (kind, name, content) VALUES (?, ?, ?)",
        (kind, name, writing.seal("entries", name, content, {"kind": kind})),
    )


def entry(reading: Reading, kind: str, name: str) -> bytes | None:
    """What is kept there; None if nothing is."""
    found = reading.connection.execute(
        "SELECT content FROM entries WHERE kind = ? AND name = ?", (kind, name)
    ).fetchone()
    return None if found is None else reading.unseal("entries", name, found[0], {"kind": kind})


def entry_names(reading: Reading, kind: str) -> list[str]:
    """The names of a kind, in order."""
    rows = reading.connection.execute(
        "SELECT name FROM entries WHERE kind = ? ORDER BY name", (kind,)
    )
    return [name for (name,) in rows]


def drop_entry(writing: Writing, kind: str, name: str) -> None:
    """Forget it, if it is there."""
    writing.connection.execute("DELETE FROM entries WHERE kind = ? AND name = ?", (kind, name))


# -- claims -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredClaim:
    """A row of claims; ``content`` is what is sealed of it, openings apart."""

    claim_id: str
    sale_key: bytes | None = field(repr=False)
    state: str
    made_at: str
    day: str
    erase_at: str
    content: Document = field(repr=False)
    has_openings: bool = True
    sequence: int = 0

    @property
    def clear(self) -> Clear:
        """The columns in clear that the seal is bound to."""
        return {
            "sale_key": None if self.sale_key is None else self.sale_key.hex(),
            "state": self.state,
            "made_at": self.made_at,
            "day": self.day,
            "erase_at": self.erase_at,
        }

    @property
    def is_settled(self) -> bool:
        """Whether nothing more comes of the claim."""
        return self.state in ("refused", "cancelled", "expired")


_CLAIM = (
    "sequence, claim_id, sale_key, state, made_at, day, erase_at, content, openings IS NOT NULL"
)


def _claim(reading: Reading, row: tuple[Any, ...]) -> StoredClaim:
    sequence, claim_id, sale_key, state, made_at, day, erase_at, content, has_openings = row
    stored = StoredClaim(
        claim_id, sale_key, state, made_at, day, erase_at, {}, bool(has_openings), sequence
    )
    return replace(
        stored, content=unpack(reading.unseal("claims", claim_id, content, stored.clear))
    )


def add_claim(writing: Writing, claim: StoredClaim, openings: bytes) -> None:
    """A new claim with what it hides."""
    columns = (claim.claim_id, claim.sale_key, claim.state, claim.made_at, claim.day)
    writing.connection.execute(
        "INSERT INTO claims (claim_id, sale_key, state, made_at, day, erase_at, content, openings)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *columns,
            claim.erase_at,
            writing.seal("claims", claim.claim_id, pack(claim.content), claim.clear),
            writing.seal("claims.openings", claim.claim_id, openings),
        ),
    )


def put_claim(writing: Writing, claim: StoredClaim) -> StoredClaim:
    """A claim's row anew, its openings left as they are; the row as it is then."""
    content = claim.content | {"revision": claim.content["revision"] + 1}
    claim = replace(claim, content=content)
    writing.connection.execute(
        "UPDATE claims SET sale_key = ?, state = ?, erase_at = ?, content = ? WHERE claim_id = ?",
        (
            claim.sale_key,
            claim.state,
            claim.erase_at,
            writing.seal("claims", claim.claim_id, pack(content), claim.clear),
            claim.claim_id,
        ),
    )
    return claim


def claim(reading: Reading, claim_id: str) -> StoredClaim | None:
    """One claim."""
    row = reading.connection.execute(
        f"SELECT {_CLAIM} FROM claims WHERE claim_id = ?", (claim_id,)
    ).fetchone()
    return None if row is None else _claim(reading, row)


def claim_of_sale(reading: Reading, sale_key: bytes) -> StoredClaim | None:
    """The claim of a sale number."""
    row = reading.connection.execute(
        f"SELECT {_CLAIM} FROM claims WHERE sale_key = ?", (sale_key,)
    ).fetchone()
    return None if row is None else _claim(reading, row)


def claims(
    reading: Reading, state: str | None, before: int | None, limit: int
) -> Iterator[StoredClaim]:
    """Newest first."""
    rows = reading.connection.execute(
        f"SELECT {_CLAIM} FROM claims WHERE (?1 IS NULL OR state = ?1)"
        " AND (?2 IS NULL OR sequence < ?2) ORDER BY sequence DESC LIMIT ?3",
        (state, before, limit),
    ).fetchall()
    return (_claim(reading, row) for row in rows)


def claims_in(reading: Reading, states: tuple[str, ...]) -> Iterator[StoredClaim]:
    """All in one of the states, oldest first."""
    places = ", ".join("?" * len(states))
    rows = reading.connection.execute(
        f"SELECT {_CLAIM} FROM claims WHERE state IN ({places}) ORDER BY sequence", states
    ).fetchall()
    return (_claim(reading, row) for row in rows)


def counts(reading: Reading) -> dict[str, int]:
    """Claims by state."""
    return dict(reading.connection.execute("SELECT state, count(*) FROM claims GROUP BY state"))


def openings(reading: Reading, claim_id: str) -> bytes | None:
    """What a claim hides; None once it is erased."""
    row = reading.connection.execute(
        "SELECT openings FROM claims WHERE claim_id = ?", (claim_id,)
    ).fetchone()
    if row is None or row[0] is None:
        return None
    return reading.unseal("claims.openings", claim_id, row[0])


def claims_with_openings(reading: Reading) -> Iterator[StoredClaim]:
    """All whose openings are not erased."""
    rows = reading.connection.execute(
        f"SELECT {_CLAIM} FROM claims WHERE openings IS NOT NULL ORDER BY sequence"
    ).fetchall()
    return (_claim(reading, row) for row in rows)


def claims_to_erase(reading: Reading, day: str) -> list[StoredClaim]:
    """Those with openings whose last day is before ``day`` and which no open audit names."""
    rows = reading.connection.execute(
        f"SELECT {_CLAIM} FROM claims WHERE openings IS NOT NULL AND erase_at < ? AND NOT EXISTS"
        " (SELECT 1 FROM audits WHERE audits.claim_id = claims.claim_id AND state = 'open')"
        " ORDER BY sequence",
        (day,),
    ).fetchall()
    return [_claim(reading, row) for row in rows]


def erase_openings(writing: Writing, claim_id: str) -> None:
    """Destroy what the claim hides."""
    writing.connection.execute("UPDATE claims SET openings = NULL WHERE claim_id = ?", (claim_id,))


# -- outbox -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredEntry:
    """Something that is to be sent. ``due_at`` and ``held_until`` in seconds since 1970."""

    sequence: int
    claim_id: str
    kind: str
    due_at: int | None
    attempts: int
    holder: str | None
    held_until: int | None
    content: Document = field(repr=False)

    @property
    def clear(self) -> Clear:
        """The columns in clear that the seal is bound to; when and by whom it is sent is not among
        them."""
        return {"kind": self.kind}


_ENTRY = "sequence, claim_id, kind, due_at, attempts, holder, held_until, content"

# A claim goes first; invoice and cancellation in their order; an audit waits for nothing.
_NOT_BEHIND = """
NOT EXISTS (
    SELECT 1 FROM outbox AS first
    WHERE first.claim_id = outbox.claim_id AND first.sequence < outbox.sequence
    AND outbox.kind <> 'audit_reply'
    AND (first.kind = 'claim' OR (first.kind IN ('invoice', 'cancellation')
         AND outbox.kind IN ('invoice', 'cancellation')))
)
"""
# A lease or a pause that ends later than any can is of a clock that was set back since.
_FREE = "(holder IS NULL OR held_until <= :now OR held_until > :now + :lease)"
_DUE = "(due_at <= :now OR due_at > :now + :longest)"


def _entry(reading: Reading, row: tuple[Any, ...]) -> StoredEntry:
    sequence, claim_id, kind, due_at, attempts, holder, held_until, sealed = row
    stored = StoredEntry(sequence, claim_id, kind, due_at, attempts, holder, held_until, {})
    content = unpack(reading.unseal("outbox", stored.claim_id, sealed, stored.clear))
    return replace(stored, content=content)


def add_to_outbox(
    writing: Writing, claim_id: str, kind: str, due_at: int | None, content: Document
) -> None:
    """Something more to be sent."""
    sealed = writing.seal("outbox", claim_id, pack(content), {"kind": kind})
    writing.connection.execute(
        "INSERT INTO outbox (claim_id, kind, due_at, attempts, content) VALUES (?, ?, ?, 0, ?)",
        (claim_id, kind, due_at, sealed),
    )


def put_content(writing: Writing, entry: StoredEntry) -> None:
    """The sealed part of an entry anew."""
    sealed = writing.seal("outbox", entry.claim_id, pack(entry.content), entry.clear)
    writing.connection.execute(
        "UPDATE outbox SET content = ? WHERE sequence = ?", (sealed, entry.sequence)
    )


def outbox(reading: Reading, claim_id: str | None = None) -> list[StoredEntry]:
    """All that is to be sent, or of one claim, oldest first."""
    rows = reading.connection.execute(
        f"SELECT {_ENTRY} FROM outbox WHERE ?1 IS NULL OR claim_id = ?1 ORDER BY sequence",
        (claim_id,),
    ).fetchall()
    return [_entry(reading, row) for row in rows]


def take(
    writing: Writing, holder: str, now: int, claim_id: str | None = None
) -> StoredEntry | None:
    """The next entry that is due, for ``holder`` alone for `LEASE_SECONDS`; None if none is."""
    row = writing.connection.execute(
        f"SELECT {_ENTRY} FROM outbox WHERE (:claim_id IS NULL OR claim_id = :claim_id)"
        f" AND {_DUE} AND {_FREE} AND {_NOT_BEHIND} ORDER BY due_at, sequence LIMIT 1",
        {"claim_id": claim_id, "now": now, "lease": LEASE_SECONDS, "longest": LONGEST_DELAY},
    ).fetchone()
    if row is None:
        return None
    entry = _entry(writing, row)
    taken = replace(
        entry, holder=holder, held_until=now + LEASE_SECONDS, attempts=entry.attempts + 1
    )
    writing.connection.execute(
        "UPDATE outbox SET holder = ?, held_until = ?, attempts = ? WHERE sequence = ?",
        (taken.holder, taken.held_until, taken.attempts, taken.sequence),
    )
    return taken


def is_any_due(reading: Reading, now: int, claim_id: str | None = None) -> bool:
    """Whether `take` would find something."""
    found = reading.connection.execute(
        "SELECT 1 FROM outbox WHERE (:claim_id IS NULL OR claim_id = :claim_id)"
        f" AND {_DUE} AND {_FREE} AND {_NOT_BEHIND} LIMIT 1",
        {"claim_id": claim_id, "now": now, "lease": LEASE_SECONDS, "longest": LONGEST_DELAY},
    ).fetchone()
    return found is not None


def is_held(reading: Reading, entry: StoredEntry) -> bool:
    """Whether the entry is there still, and its holder's."""
    found = reading.connection.execute(
        "SELECT holder FROM outbox WHERE sequence = ?", (entry.sequence,)
    ).fetchone()
    return found is not None and found[0] == entry.holder


def remove(writing: Writing, entry: StoredEntry) -> None:
    """It is done, or nobody wants it any more."""
    writing.connection.execute("DELETE FROM outbox WHERE sequence = ?", (entry.sequence,))


def put_off(writing: Writing, entry: StoredEntry, due_at: int | None) -> None:
    """It did not work: again at ``due_at``, or when somebody asks."""
    writing.connection.execute(
        "UPDATE outbox SET holder = NULL, held_until = NULL, due_at = ?, attempts = ?"
        " WHERE sequence = ?",
        (due_at, entry.attempts, entry.sequence),
    )
    put_content(writing, entry)


def make_due(writing: Writing, claim_id: str, now: int) -> None:
    """Whatever of the claim is to be sent is due now, if nobody is sending it."""
    writing.connection.execute(
        "UPDATE outbox SET due_at = :now, attempts = min(attempts, 1)"
        f" WHERE claim_id = :claim_id AND {_FREE}",
        {"claim_id": claim_id, "now": now, "lease": LEASE_SECONDS},
    )


def next_due(reading: Reading) -> int | None:
    """When the first entry is due; None if none is."""
    found = reading.connection.execute(
        f"SELECT min(max(due_at, coalesce(held_until, 0))) FROM outbox WHERE {_NOT_BEHIND}"
    ).fetchone()
    moment: int | None = found[0]
    return moment


# -- attestations -----------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredAttestation:
    """An attestation that the shop got."""

    digest: str
    claim_id: str
    line: int
    content: Document = field(repr=False)


def put_attestation(writing: Writing, attestation: StoredAttestation) -> None:
    """Keep one, in place of what was there under its digest."""
    clear: Clear = {"claim_id": attestation.claim_id, "line": attestation.line}
    writing.connection.execute(
        "INSERT OR REPLACE INTO attestations (digest, claim_id, line, content) VALUES (?, ?, ?, ?)",
        (
            attestation.digest,
            attestation.claim_id,
            attestation.line,
            writing.seal("attestations", attestation.digest, pack(attestation.content), clear),
        ),
    )


def attestations(reading: Reading, claim_id: str | None = None) -> list[StoredAttestation]:
    """All, or those of a claim."""
    rows = reading.connection.execute(
        "SELECT digest, claim_id, line, content FROM attestations"
        " WHERE ?1 IS NULL OR claim_id = ?1 ORDER BY claim_id, line, digest",
        (claim_id,),
    ).fetchall()
    return [
        StoredAttestation(
            digest,
            of,
            line,
            unpack(reading.unseal("attestations", digest, content, {"claim_id": of, "line": line})),
        )
        for digest, of, line, content in rows
    ]


# -- audits -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredAudit:
    """An audit as far as it is known here; ``answer_by`` an instant in text."""

    case_id: str
    claim_id: str
    state: str
    answer_by: str
    content: Document = field(repr=False)

    @property
    def clear(self) -> Clear:
        """The columns in clear that the seal is bound to."""
        return {"claim_id": self.claim_id, "state": self.state, "answer_by": self.answer_by}


_AUDIT = "case_id, claim_id, state, answer_by, content"


def _audit(reading: Reading, row: tuple[Any, ...]) -> StoredAudit:
    case_id, claim_id, state, answer_by, sealed = row
    stored = StoredAudit(case_id, claim_id, state, answer_by, {})
    content = unpack(reading.unseal("audits", case_id, sealed, stored.clear))
    return replace(stored, content=content)


def put_audit(writing: Writing, audit: StoredAudit) -> None:
    """Keep one, in place of what was there under its id."""
    sealed = writing.seal("audits", audit.case_id, pack(audit.content), audit.clear)
    writing.connection.execute(
        "INSERT OR REPLACE INTO audits (case_id, claim_id, state, answer_by, content)"
        " VALUES (?, ?, ?, ?, ?)",
        (audit.case_id, audit.claim_id, audit.state, audit.answer_by, sealed),
    )


def audit(reading: Reading, case_id: str) -> StoredAudit | None:
    """One audit."""
    row = reading.connection.execute(
        f"SELECT {_AUDIT} FROM audits WHERE case_id = ?", (case_id,)
    ).fetchone()
    return None if row is None else _audit(reading, row)


def audits(reading: Reading) -> list[StoredAudit]:
    """All: open ones first, by the time that is left."""
    rows = reading.connection.execute(
        f"SELECT {_AUDIT} FROM audits ORDER BY state <> 'open', answer_by, case_id"
    ).fetchall()
    return [_audit(reading, row) for row in rows]


# -- times ------------------------------------------------------------------------------------


def seconds(moment: datetime) -> int:
    """Whole seconds since 1970, cut off."""
    return int(moment.timestamp())


def parse_day(text: str) -> date:
    """An ISO date."""
    return date.fromisoformat(text)
