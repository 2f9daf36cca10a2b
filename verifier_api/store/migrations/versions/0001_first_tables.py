"""The first tables: reference data, access, rights, claims with all that follows them.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "changes",
        sa.Column("topic", sa.String(32), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name="pk_changes"),
    )
    op.execute("INSERT INTO changes (topic, counter) VALUES ('directory', 0)")
    op.create_table(
        "contracts",
        sa.Column("digest", sa.String(43), nullable=False),
        sa.Column("insurer_id", sa.String(64), nullable=False),
        sa.Column("contract_id", sa.String(64), nullable=False),
        sa.Column("in_force_from", sa.Date(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_contracts"),
        sa.UniqueConstraint(
            "insurer_id",
            "contract_id",
            "in_force_from",
            name="uq_contracts_insurer_id_contract_id_in_force_from",
        ),
    )
    op.create_table(
        "nomenclatures",
        sa.Column("digest", sa.String(43), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("in_force_from", sa.Date(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_nomenclatures"),
        sa.UniqueConstraint("in_force_from", name="uq_nomenclatures_in_force_from"),
    )
    op.create_table(
        "optician_keys",
        sa.Column("key_id", sa.String(43), nullable=False),
        sa.Column("optician_id", sa.String(64), nullable=False),
        sa.Column("public_key", sa.String(43), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("registered_at", sa.String(20), nullable=False),
        sa.Column("revoked_at", sa.String(20)),
        sa.PrimaryKeyConstraint("key_id", name="pk_optician_keys"),
    )
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.String(16), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("optician_id", sa.String(64)),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("secret_sha256", sa.String(43), nullable=False),
        sa.Column("created_at", sa.String(20), nullable=False),
        sa.Column("expires_at", sa.String(20)),
        sa.Column("revoked_at", sa.String(20)),
        sa.PrimaryKeyConstraint("token_id", name="pk_tokens"),
    )
    op.create_table(
        "rights",
        sa.Column("beneficiary", sa.String(64), nullable=False),
        sa.Column("contract_id", sa.String(64), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("age_group", sa.String(16), nullable=False),
        sa.Column("recorded_at", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("beneficiary", "contract_id", "valid_from", name="pk_rights"),
    )
    op.create_table(
        "claims",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("claim_id", sa.String(64), nullable=False),
        sa.Column("claim_digest", sa.String(43), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("optician_id", sa.String(64), nullable=False),
        sa.Column("contract_id", sa.String(64), nullable=False),
        sa.Column("statement", sa.String(16), nullable=False),
        sa.Column("beneficiary", sa.String(64), nullable=False),
        sa.Column("date_of_service", sa.Date(), nullable=False),
        sa.Column("received_at", sa.String(20), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("state_since", sa.String(20), nullable=False),
        sa.Column("deadline", sa.String(20)),
        sa.Column("granted_lenses_cents", sa.BigInteger()),
        sa.Column("granted_frame_cents", sa.BigInteger()),
        sa.PrimaryKeyConstraint("sequence", name="pk_claims"),
        sa.UniqueConstraint("claim_id", name="uq_claims_claim_id"),
    )
    op.create_index("ix_claims_beneficiary_state", "claims", ["beneficiary", "state"])
    op.create_index("ix_claims_optician_id_sequence", "claims", ["optician_id", "sequence"])
    op.create_index("ix_claims_state_deadline", "claims", ["state", "deadline"])
    op.create_table(
        "commitments",
        sa.Column("commitment", sa.String(44), nullable=False),
        sa.Column("claim_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("commitment", name="pk_commitments"),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.claim_id"], name="fk_commitments_claim_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notices",
        sa.Column("claim_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(43), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("claim_id", "kind", name="pk_notices"),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.claim_id"], name="fk_notices_claim_id"),
    )
    op.create_table(
        "events",
        sa.Column("sequence", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("at", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("claim_id", sa.String(64)),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_events"),
    )
    op.create_index("ix_events_claim_id_sequence", "events", ["claim_id", "sequence"])
