"""The latest instant that any process of the service has seen, for those that start later."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update

from verifier_api.store.schema import changes

CLOCK = "clock"


def latest_instant(connection: Connection) -> datetime | None:
    """What `note_instant` was told last, None if never anything."""
    query = select(changes.c.counter).where(changes.c.topic == CLOCK)
    seconds = connection.execute(query).scalar()
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def note_instant(connection: Connection, now: datetime) -> None:
    """Keep ``now``, to the second, unless a later one is kept."""
    seconds = int(now.timestamp())
    known = latest_instant(connection)
    if known is None:
        connection.execute(insert(changes).values(topic=CLOCK, counter=seconds))
    elif known.timestamp() < seconds:
        connection.execute(update(changes).where(changes.c.topic == CLOCK).values(counter=seconds))
