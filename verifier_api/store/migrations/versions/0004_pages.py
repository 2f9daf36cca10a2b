"""What the insurer's pages show of a claim, and their sessions.

Revision ID: 0004
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_INSTANT = sa.String(20)
_DIGEST = sa.String(43)
_TOGETHER = 1000
_OVERVIEW = (
    *("received_at", "verdict", "state", "reason", "optician_id", "contract_id", "statement"),
    *("date_of_service", "deadline", "attest_by", "classes", "latency_us", "batch_size"),
)


def upgrade() -> None:
    """Add columns and table. Of claims that were recorded before, the declared classes are read
    from their envelopes; how long they took to judge is not known."""
    op.add_column("claims", sa.Column("classes", sa.String(64), server_default="", nullable=False))
    op.add_column("claims", sa.Column("judging", sa.Text()))
    op.add_column("claims", sa.Column("latency_us", sa.Integer()))
    op.add_column("claims", sa.Column("batch_size", sa.Integer()))
    op.create_index("ix_claims_overview", "claims", list(_OVERVIEW))
    op.create_table(
        "page_sessions",
        sa.Column("session_sha256", _DIGEST, nullable=False),
        sa.Column("token_id", sa.String(16), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("session_sha256", name="pk_page_sessions"),
    )
    op.create_index("ix_page_sessions_expires_at", "page_sessions", ["expires_at"])
    _fill_classes(op.get_bind())


def _fill_classes(connection: sa.Connection) -> None:
    claims = sa.table(
        "claims",
        sa.column("sequence", sa.BigInteger()),
        sa.column("envelope", sa.LargeBinary()),
        sa.column("classes", sa.String()),
    )
    fill = (
        sa.update(claims)
        .where(claims.c.sequence == sa.bindparam("of"))
        .values(classes=sa.bindparam("told"))
    )
    last = 0
    while True:
        query = sa.select(claims.c.sequence, claims.c.envelope).where(claims.c.sequence > last)
        rows = connection.execute(query.order_by(claims.c.sequence).limit(_TOGETHER)).all()
        if not rows:
            return
        last = rows[-1].sequence
        filled = [{"of": row.sequence, "told": _classes(row.envelope)} for row in rows]
        connection.execute(fill, filled)


def _classes(envelope: bytes) -> str:
    lines = json.loads(envelope)["lines"]
    return " ".join(line["regroupement"] or "-" for line in lines)
