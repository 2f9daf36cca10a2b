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

# Widened by migration 0003; in SQLite, which keeps texts of any length, the table says 16 still.
_WORD = String(16).with_variant(String(32), "postgresql")

changes = Table(
    "changes",
    metadata,
    Column("topic", String(32), primary_key=True),
    Column("counter", BigInteger, nullable=False),
)
"""Topic "directory" counts what `verifier_api.service.directory` has to read again; topic "clock"
is the latest instant that was seen, in seconds since 1970 (`verifier_api.service.clock`)."""

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
    Column("state", _WORD, nullable=False),
    Column("state_since", _INSTANT, nullable=False),
    Column("deadline", _INSTANT),
    Column("granted_lenses_cents", BigInteger),
    Column("granted_frame_cents", BigInteger),
    Column("attest_by", _INSTANT),
    Column("classes", String(64), nullable=False, server_default=""),
    Column("judging", Text),
    Column("latency_us", Integer),
    Column("batch_size", Integer),
    UniqueConstraint("claim_id"),
    Index("ix_claims_beneficiary_state", "beneficiary", "state"),
    Index("ix_claims_optician_id_sequence", "optician_id", "sequence"),
    Index("ix_claims_state_deadline", "state", "deadline"),
    Index("ix_claims_attest_by", "attest_by"),
    Index(
        "ix_claims_overview",
        *("received_at", "verdict", "state", "reason", "optician_id", "contract_id", "statement"),
        *("date_of_service", "deadline", "attest_by", "classes", "latency_us", "batch_size"),
    ),
)
"""One row a judged claim. ``answer`` is the verdict as it was given, for ever, to ``actor`` (the id
of a token); ``state`` goes on:
``deadline`` is the last instant of a state that expires (granted, pending), else None;
``attest_by`` the last instant at which the next attestation that is due may come, None if none is,
or the insurer went without it (since migration 0003).
``classes`` are the declared classes in the order of the lines, with a space between and "-" for a
hidden one; ``judging`` is JSON: what each step of the judgement took; ``latency_us`` the
microseconds from receipt to verdict, ``batch_size`` the claims that were verified together (since
migration 0004; None where they were not measured). The last index has all that is counted and
filtered by: reading it spares reading the envelopes, which make up most of the table."""

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
    Column("kind", _WORD, primary_key=True),
    Column("digest", _DIGEST, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("answer", Text, nullable=False),
    Column("recorded_at", _INSTANT, nullable=False),
)
"""Invoices, cancellations and decisions that were taken, with the answer that was given."""

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

publications = Table(
    "publications",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("key_id", _DIGEST, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("publisher_id", _NAME, nullable=False),
    Column("in_force_from", Date, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("recorded_at", _INSTANT, nullable=False),
)
"""Publishers' signatures of contracts and nomenclatures, by the document's digest (since migration
0003, as all that follows)."""

attestation_duties = Table(
    "attestation_duties",
    metadata,
    Column("claim_id", _NAME, ForeignKey("claims.claim_id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("rule", Integer, primary_key=True, autoincrement=False),
    Column("due_at", _INSTANT),
    Column("attestation_digest", _DIGEST),
)
"""What the contract asks for each line of a claim that was not refused: ``rule`` numbers the
contract's rules from 0; ``due_at`` is None for what came with the claim, and until a claim that was
pending is granted; ``attestation_digest`` names what met it first."""

attestations = Table(
    "attestations",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("claim_id", _NAME, ForeignKey("claims.claim_id"), nullable=False),
    Column("line", Integer, nullable=False),
    Column("attester_id", _NAME, nullable=False),
    Column("record", String(22), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("answer", Text, nullable=False),
    Column("recorded_at", _INSTANT, nullable=False),
    Index("ix_attestations_attester_id_record", "attester_id", "record"),
    Index("ix_attestations_claim_id", "claim_id"),
)
"""Attestations that were taken, with the answer that was given. An attester's record stands behind
one line only, which the one writer sees to: of that line there may be two attestations, first of
its code and then of its price as well."""

audits = Table(
    "audits",
    metadata,
    Column("sequence", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("case_id", _NAME, nullable=False),
    Column("case_digest", _DIGEST, nullable=False),
    Column("claim_id", _NAME, ForeignKey("claims.claim_id"), nullable=False),
    Column("line", Integer, nullable=False),
    Column("optician_id", _NAME, nullable=False),
    Column("auditor_id", _NAME, nullable=False),
    Column("ground", _NAME, nullable=False),
    Column("case_document", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened_at", _INSTANT, nullable=False),
    Column("answer_by", _INSTANT, nullable=False),
    Column("erase_at", _INSTANT, nullable=False),
    Column("answer_digest", _DIGEST),
    Column("answer_document", LargeBinary),
    Column("answered_at", _INSTANT),
    Column("sealed", LargeBinary),
    Column("erased_at", _INSTANT),
    Column("outcome", String(16)),
    Column("outcome_digest", _DIGEST),
    Column("outcome_document", LargeBinary),
    Column("concluded_at", _INSTANT),
    UniqueConstraint("case_id"),
    Index("ix_audits_claim_id", "claim_id"),
    Index("ix_audits_optician_id_sequence", "optician_id", "sequence"),
    Index("ix_audits_state_answer_by", "state", "answer_by"),
    Index("ix_audits_erase_at", "erase_at"),
)
"""Audit cases. ``sealed`` is an opening that only the auditor can read, None after it was erased.
Instants are the service's own: when each document was recorded."""

page_sessions = Table(
    "page_sessions",
    metadata,
    Column("session_sha256", _DIGEST, primary_key=True),
    Column("token_id", String(16), nullable=False),
    Column("created_at", _INSTANT, nullable=False),
    Column("expires_at", _INSTANT, nullable=False),
    Index("ix_page_sessions_expires_at", "expires_at"),
)
"""Who is logged in to the pages: the SHA-256 of a session's random id, and the token that it stands
for (since migration 0004)."""
