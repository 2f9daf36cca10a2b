"""The tables of a vault's file, and which columns each seal is bound to."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x436C4F62  # "ClOb"
USER_VERSION: Final = 1

SCHEMA: Final = (
    "CREATE TABLE header(name TEXT PRIMARY KEY NOT NULL, value ANY NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE entries(kind TEXT NOT NULL, name TEXT NOT NULL, content BLOB NOT NULL,"
    " PRIMARY KEY(kind, name)) STRICT",
    "CREATE TABLE claims(sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
    " claim_id TEXT NOT NULL UNIQUE, sale_key BLOB UNIQUE, state TEXT NOT NULL,"
    " made_at TEXT NOT NULL, day TEXT NOT NULL, erase_at TEXT NOT NULL,"
    " content BLOB NOT NULL, openings BLOB) STRICT",
    "CREATE INDEX claims_by_state ON claims(state, sequence)",
    "CREATE TABLE outbox(sequence INTEGER PRIMARY KEY AUTOINCREMENT, claim_id TEXT NOT NULL,"
    " kind TEXT NOT NULL, due_at INTEGER, attempts INTEGER NOT NULL DEFAULT 0,"
    " holder TEXT, held_until INTEGER, content BLOB NOT NULL) STRICT",
    "CREATE TABLE attestations(digest TEXT PRIMARY KEY NOT NULL, claim_id TEXT NOT NULL,"
    " line INTEGER NOT NULL, content BLOB NOT NULL) STRICT",
    "CREATE TABLE audits(case_id TEXT PRIMARY KEY NOT NULL, claim_id TEXT NOT NULL,"
    " state TEXT NOT NULL, answer_by TEXT NOT NULL, content BLOB NOT NULL) STRICT",
)

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "entries": ("kind", "name", "content"),
    "claims": (
        *("sequence", "claim_id", "sale_key", "state", "made_at", "day", "erase_at"),
        *("content", "openings"),
    ),
    "outbox": (
        *("sequence", "claim_id", "kind", "due_at", "attempts", "holder", "held_until"),
        "content",
    ),
    "attestations": ("digest", "claim_id", "line", "content"),
    "audits": ("case_id", "claim_id", "state", "answer_by", "content"),
}
"""Every table of rows, all its columns in order."""

BOUND: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "entries": ("name", ("kind",)),
    "claims": ("claim_id", ("state", "made_at", "day", "erase_at", "sale_key")),
    "claims.openings": ("claim_id", ()),
    "outbox": ("claim_id", ("kind",)),
    "attestations": ("digest", ("claim_id", "line")),
    "audits": ("case_id", ("claim_id", "state", "answer_by")),
}
"""Each place of a seal: the column that names the row, and the clear columns that it is bound to.

Of ``outbox``, due_at, attempts, holder and held_until are bookkeeping that changes with every
attempt; of them only the ledger knows.
"""


def table_of(place: str) -> str:
    """The table of a place."""
    return place.partition(".")[0]


def column_of(place: str) -> str:
    """The column of a place that holds the seal."""
    return place.partition(".")[2] or "content"
