"""Publications, attestations and audits; the deadline of a claim's attestations.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = sa.String(20)
_DIGEST = sa.String(43)
_NAME = sa.String(64)


def upgrade() -> None:
    """Make the tables. Claims that were recorded before have no attestation to wait for."""
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps texts of any length
        op.alter_column("claims", "state", type_=sa.String(32))
        op.alter_column("notices", "kind", type_=sa.String(32))
    op.add_column("claims", sa.Column("attest_by", _INSTANT))
    op.create_index("ix_claims_attest_by", "claims", ["attest_by"])
    op.create_table(
        "publications",
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("key_id", _DIGEST, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("publisher_id", _NAME, nullable=False),
        sa.Column("in_force_from", sa.Date(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", "key_id", name="pk_publications"),
    )
    op.create_table(
        "attestation_duties",
        sa.Column("claim_id", _NAME, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rule", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("due_at", _INSTANT),
        sa.Column("attestation_digest", _DIGEST),
        sa.PrimaryKeyConstraint("claim_id", "line", "rule", name="pk_attestation_duties"),
        sa.ForeignKeyConstraint(
            ["claim_id"], ["claims.claim_id"], name="fk_attestation_duties_claim_id"
        ),
    )
    op.create_table(
        "attestations",
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("claim_id", _NAME, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("attester_id", _NAME, nullable=False),
        sa.Column("record", sa.String(22), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("recorded_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_attestations"),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.claim_id"], name="fk_attestations_claim_id"),
    )
    op.create_index("ix_attestations_attester_id_record", "attestations", ["attester_id", "record"])
    op.create_index("ix_attestations_claim_id", "attestations", ["claim_id"])
    op.create_table(
        "audits",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("case_id", _NAME, nullable=False),
        sa.Column("case_digest", _DIGEST, nullable=False),
        sa.Column("claim_id", _NAME, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("optician_id", _NAME, nullable=False),
        sa.Column("auditor_id", _NAME, nullable=False),
        sa.Column("ground", _NAME, nullable=False),
        sa.Column("case_document", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("opened_at", _INSTANT, nullable=False),
        sa.Column("answer_by", _INSTANT, nullable=False),
        sa.Column("erase_at", _INSTANT, nullable=False),
        sa.Column("answer_digest", _DIGEST),
        sa.Column("answer_document", sa.LargeBinary()),
        sa.Column("answered_at", _INSTANT),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("erased_at", _INSTANT),
        sa.Column("outcome", sa.String(16)),
        sa.Column("outcome_digest", _DIGEST),
        sa.Column("outcome_document", sa.LargeBinary()),
        sa.Column("concluded_at", _INSTANT),
        sa.PrimaryKeyConstraint("sequence", name="pk_audits"),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.claim_id"], name="fk_audits_claim_id"),
        sa.UniqueConstraint("case_id", name="uq_audits_case_id"),
    )
    op.create_index("ix_audits_claim_id", "audits", ["claim_id"])
    op.create_index("ix_audits_optician_id_sequence", "audits", ["optician_id", "sequence"])
    op.create_index("ix_audits_state_answer_by", "audits", ["state", "answer_by"])
    op.create_index("ix_audits_erase_at", "audits", ["erase_at"])
