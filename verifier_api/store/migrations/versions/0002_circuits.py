"""What each circuit is compiled from; filled for the claims that were accepted before.

Revision ID: 0002
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table, and name the circuit of every claim whose answer names one."""
    circuits = op.create_table(
        "circuits",
        sa.Column("digest", sa.String(43), nullable=False),
        sa.Column("contract_digest", sa.String(43), nullable=False),
        sa.Column("nomenclature_digest", sa.String(43), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("declaration", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_circuits"),
    )
    claims = sa.table(
        "claims",
        sa.column("sequence", sa.BigInteger),
        sa.column("envelope", sa.LargeBinary),
        sa.column("date_of_service", sa.Date),
        sa.column("answer", sa.Text),
    )
    connection = op.get_bind()
    seen: set[str] = set()
    for row in connection.execute(sa.select(claims).order_by(claims.c.sequence)).all():
        digest = json.loads(row.answer)["circuit_digest"]
        if digest is None or digest in seen:
            continue
        seen.add(digest)
        claim = json.loads(row.envelope)
        declaration = {name: claim[name] for name in ("statement", "level", "price_class")}
        declaration["lines"] = [
            {name: line[name] for name in ("role", "regroupement", "code")}
            for line in claim["lines"]
        ]
        connection.execute(
            circuits.insert().values(
                digest=digest,
                contract_digest=claim["contract_digest"],
                nomenclature_digest=claim["nomenclature_digest"],
                day=row.date_of_service,
                declaration=json.dumps(declaration, sort_keys=True),
            )
        )
