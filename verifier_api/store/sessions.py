"""Sessions of the insurer's pages in the database. Functions on a connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from verifier_api.store.schema import page_sessions


def insert_session(connection: Connection, values: Mapping[str, Any]) -> None:
    """A session that was not there."""
    connection.execute(insert(page_sessions).values(values))


def find_session(connection: Connection, session_sha256: str) -> Row[Any] | None:
    """The session's row."""
    query = select(page_sessions).where(page_sessions.c.session_sha256 == session_sha256)
    return connection.execute(query).first()


def delete_session(connection: Connection, session_sha256: str) -> None:
    """It opens nothing any more; nothing happens if there is none."""
    connection.execute(
        delete(page_sessions).where(page_sessions.c.session_sha256 == session_sha256)
    )


def delete_expired(connection: Connection, now: str) -> int:
    """Delete every session whose last instant has passed; how many."""
    return connection.execute(
        delete(page_sessions).where(page_sessions.c.expires_at < now)
    ).rowcount


# -- checking -----------------------------------------------------------------------------------


def session_rows(connection: Connection) -> list[Row[Any]]:
    """All."""
    return list(connection.execute(select(page_sessions).order_by(page_sessions.c.created_at)))
