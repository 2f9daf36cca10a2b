"""Who is logged in to the insurer's pages.

A token opens a session; the browser keeps the session's random id in a cookie, the database its
SHA-256 alone. A session stands for its token: it may what the token may, ends with it, and after
`SESSION_SECONDS` at the latest. Opticians have pages of their own, in the shop.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

from circuits.canonical import encode_base64url
from circuits.claim import encode_instant
from verifier_api.service.access import Principal, Scope
from verifier_api.service.directory import Directory
from verifier_api.service.errors import ServiceError
from verifier_api.store import reference
from verifier_api.store import sessions as store

SESSION_BYTES: Final = 32
SESSION_SECONDS: Final = 12 * 3600
PAGE_SCOPES: Final[tuple[Scope, ...]] = ("reader", "auditor", "admin")

_SESSION = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_OVER = "the session is over"

Result = TypeVar("Result")


class Doors(Protocol):
    """What of the service is needed: `verifier_api.service.service.VerifierService`."""

    directory: Directory

    @property
    def clock(self) -> Callable[[], datetime]:
        """The instant."""
        ...

    def principal(self, token: str) -> Awaitable[Principal]:
        """Who the token stands for."""
        ...

    def refresh(self) -> Awaitable[None]:
        """Read the directory again, if it has changed."""
        ...

    def look(self, act: Callable[[Connection], Result]) -> Awaitable[Result]:
        """What ``act`` reads."""
        ...

    def change(self, act: Callable[[Connection], Result]) -> Awaitable[Result]:
        """What ``act`` returns after what it wrote is durable."""
        ...


class Sessions:
    """See module docstring. Every method raises `ServiceError` "storage_unavailable" where the
    database does not answer, and "overloaded" before the service has started."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def open_session(self, token: str) -> str:
        """The id of a new session (base64url of `SESSION_BYTES`). Raises `ServiceError`:
        "token_invalid", "forbidden" for a token of scope optician."""
        principal = await self._doors.principal(token)
        if principal.scope not in PAGE_SCOPES:
            raise ServiceError(
                "forbidden", f"this needs a token of scope {' or '.join(PAGE_SCOPES)}"
            )
        session = encode_base64url(os.urandom(SESSION_BYTES))
        now = self._doors.clock()
        end = encode_instant(now + timedelta(seconds=SESSION_SECONDS))
        entry = self._doors.directory.snapshot.tokens.get(principal.token_id)
        if entry is not None and entry.expires_at is not None:
            end = min(end, entry.expires_at)
        values = {
            "session_sha256": _digest(session),
            "token_id": principal.token_id,
            "created_at": encode_instant(now),
            "expires_at": end,
        }

        def act(connection: Connection) -> None:
            store.insert_session(connection, values)
            _note(connection, values["created_at"], "session_opened", principal.token_id)

        await self._doors.change(act)
        return session

    async def session_principal(self, session: str) -> Principal:
        """Who is logged in. Raises `ServiceError` "token_invalid" for a session that is none or
        over, also because its token was revoked."""
        digest = _known_form(session)
        row = await self._doors.look(lambda connection: store.find_session(connection, digest))
        now = self._doors.clock()
        if row is None or row.expires_at < encode_instant(now):
            raise ServiceError("token_invalid", _OVER)
        if row.token_id not in self._doors.directory.snapshot.tokens:
            await self._doors.refresh()  # another process has just made it
        entry = self._doors.directory.snapshot.tokens.get(row.token_id)
        if entry is None or not entry.is_valid_at(now) or entry.scope not in PAGE_SCOPES:
            raise ServiceError("token_invalid", _OVER)
        return Principal(entry.token_id, entry.scope, entry.optician_id)

    async def close_session(self, session: str) -> None:
        """End the session; nothing happens for one that is none."""
        try:
            digest = _known_form(session)
        except ServiceError:
            return
        instant = encode_instant(self._doors.clock())

        def act(connection: Connection) -> None:
            row = store.find_session(connection, digest)
            if row is not None:
                store.delete_session(connection, digest)
                _note(connection, instant, "session_closed", row.token_id)

        await self._doors.change(act)


def _note(connection: Connection, instant: str, kind: str, token_id: str) -> None:
    facts: dict[str, Any] = {"token_id": token_id}
    reference.note_event(connection, instant, kind, token_id, facts)


def _known_form(session: str) -> str:
    """The digest of a session's id, if it has the form of one."""
    if not _SESSION.fullmatch(session):
        raise ServiceError("token_invalid", _OVER)
    return _digest(session)


def _digest(session: str) -> str:
    return encode_base64url(hashlib.sha256(session.encode()).digest())
