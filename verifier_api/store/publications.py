"""Publications in the database: what publishers signed of contracts and nomenclatures.

Functions on a connection; what writes needs `Database.write`. Nothing is edited or removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, select

from verifier_api.store.reference import note_change
from verifier_api.store.schema import publications


def publication_rows(connection: Connection) -> Sequence[Row[Any]]:
    """All, by document, oldest first."""
    order = (publications.c.digest, publications.c.recorded_at, publications.c.key_id)
    return connection.execute(select(publications).order_by(*order)).all()


def find_publication(connection: Connection, digest: str, key_id: str) -> Row[Any] | None:
    """What that key signed of that document."""
    same = and_(publications.c.digest == digest, publications.c.key_id == key_id)
    return connection.execute(select(publications).where(same)).first()


def add_publication(connection: Connection, values: Mapping[str, Any]) -> None:
    """One that was not there."""
    connection.execute(insert(publications).values(values))
    note_change(connection)
