"""The tables. The same on SQLite and PostgreSQL; `verifier_api.store.migrations` makes them.

Instants are UTC texts ``YYYY-MM-DDTHH:MM:SSZ``, which sort as they follow; days are dates; digests,
keys and commitments are base64url texts as in the documents; money is integer cents. Envelopes are
kept byte for byte. Nothing here holds a token (only the SHA-256 of its random part), a code that a
claim hides, a price or a blinding.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite numbers rows by itself only where the key is spelled INTEGER.
_SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")
_INSTANT = String(20)
_DIGEST = String(43)
_NAME = String(64)

changes = Table(
    "changes",
    metadata,
    Column("topic", String(32), primary_key=True),
    Column("counter", BigInteger, nullable=False),
)
"""One row, topic "directory": counts what `verifier_api.service.directory` has to read again."""

contracts = Table(
    "contracts",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("insurer_id", _NAME, nullable=False),
    Column("contract_id", _NAME, nullable=False),
    Column("in_force_from", Date, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("added_at", _INSTANT, nullable=False),
    UniqueConstraint("insurer_id", "contract_id", "in_force_from"),
)

nomenclatures = Table(
    "nomenclatures",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("version", String(32), nullable=False),
    Column("in_force_from", Date, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("added_at", _INSTANT, nullable=False),
    UniqueConstraint("in_force_from"),
)

optician_keys = Table(
    "optician_keys",
    metadata,
    Column("key_id", _DIGEST, primary_key=True),
    Column("optician_id", _NAME, nullable=False),
    Column("public_key", _DIGEST, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=False),
    Column("registered_at", _INSTANT, nullable=False),
    Column("revoked_at", _INSTANT),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token_id", String(16), primary_key=True),
    Column("scope", String(16), nullable=False),
    Column("optician_id", _NAME),
    Column("label", String(100), nullable=False),
    Column("secret_sha256", _DIGEST, nullable=False),
    Column("created_at", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT),
    Column("revoked_at", _INSTANT),
)

rights = Table(
    "rights",
    metadata,
    Column("beneficiary", _NAME, primary_key=True),
    Column("contract_id", _NAME, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_to", Date, nullable=False),
    Column("age_group", String(16), nullable=False),
    Column("recorded_at", _INSTANT, nullable=False),
)

claims = Table(
    "claims",
    metadata,
    Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("claim_id", _NAME, nullable=False),
    Column("claim_digest", _DIGEST, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("optician_id", _NAME, nullable=False),
    Column("contract_id", _NAME, nullable=False),
    Column("statement", String(16), nullable=False),
    Column("beneficiary", _NAME, nullable=False),
    Column("date_of_service", Date, nullable=False),
    Column("received_at", _INSTANT, nullable=False),
    Column("actor", _NAME, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("reason", String(64)),
    Column("answer", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("state_since", _INSTANT, nullable=False),
    Column("deadline", _INSTANT),
    Column("granted_lenses_cents", BigInteger),
    Column("granted_frame_cents", BigInteger),
    UniqueConstraint("claim_id"),
    Index("ix_claims_beneficiary_state", "beneficiary", "state"),
    Index("ix_claims_optician_id_sequence", "optician_id", "sequence"),
    Index("ix_claims_state_deadline", "state", "deadline"),
)
"""One row a judged claim. ``answer`` is the verdict as it was given, for ever, to ``actor`` (the id
of a token); ``state`` goes on:
``deadline`` is the last instant of a state that expires (granted, pending), else None."""

commitments = Table(
    "commitments",
    metadata,
    Column("commitment", String(44), primary_key=True),
    Column("claim_id", _NAME, ForeignKey("claims.claim_id"), nullable=False),
    sqlite_with_rowid=False,
)
"""Line commitments in use; freed when their claim is cancelled or refused by decision. They are
random, so every index on them costs a page of its own for each."""

notices = Table(
    "notices",
    metadata,
    Column("claim_id", _NAME, ForeignKey("claims.claim_id"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("digest", _DIGEST, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("answer", Text, nullable=False),
    Column("recorded_at", _INSTANT, nullable=False),
)
"""Invoices and cancellations that were taken, with the answer that was given."""

events = Table(
    "events",
    metadata,
    Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("at", _INSTANT, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("claim_id", _NAME),
    Column("actor", _NAME, nullable=False),
    Column("facts", Text, nullable=False),
    Index("ix_events_claim_id_sequence", "claim_id", "sequence"),
)
"""Who did what, and when: every step of every claim after its verdict, and everything an
administrator did."""

circuits = Table(
    "circuits",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("contract_digest", _DIGEST, nullable=False),
    Column("nomenclature_digest", _DIGEST, nullable=False),
    Column("day", Date, nullable=False),
    Column("declaration", Text, nullable=False),
)
"""What each circuit that was judged is compiled from (since migration 0002)."""
