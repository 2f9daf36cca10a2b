"""Who is at the page: sessions in the memory of the agent, gone with it and with every lock."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

MOST_SESSIONS: Final = 20
"""More browsers than a shop has; the one that was idle longest makes room."""

_ID_BYTES: Final = 32


@dataclass
class Session:
    """One browser that has shown the passphrase. ``draft`` is the sale in work: it never stands in
    a URL or in a field of the page that comes back. ``shown_once`` is told on one page and then
    forgotten. Its repr tells nothing."""

    session_id: str = field(repr=False)
    used_at: float
    draft: Any = field(default=None, repr=False)
    notice: tuple[str, dict[str, Any]] | None = field(default=None, repr=False)
    shown_once: str | None = field(default=None, repr=False)
    sent_claim_id: str | None = None

    def take_notice(self) -> tuple[str, dict[str, Any]] | None:
        """What is to be said on the next page, once."""
        notice, self.notice = self.notice, None
        return notice

    def take_shown_once(self) -> str | None:
        """The secret that is to be shown on the next page, once."""
        shown, self.shown_once = self.shown_once, None
        return shown


class Sessions:
    """Every session; ids are random and never reused."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` tells seconds that only go forward."""
        self._clock = clock
        self._guard = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def open(self) -> Session:
        """A new one."""
        with self._guard:
            if len(self._sessions) >= MOST_SESSIONS:
                idle = min(self._sessions.values(), key=lambda session: session.used_at)
                del self._sessions[idle.session_id]
            session = Session(secrets.token_urlsafe(_ID_BYTES), self._clock())
            self._sessions[session.session_id] = session
            return session

    def find(self, session_id: str | None, idle_seconds: float) -> Session | None:
        """The session of that id, unless it was idle for longer than ``idle_seconds``; finding it
        is a use of it."""
        with self._guard:
            session = self._sessions.get(session_id or "")
            if session is None:
                return None
            now = self._clock()
            if now - session.used_at > idle_seconds:
                del self._sessions[session.session_id]
                return None
            session.used_at = now
            return session

    def close_all(self) -> None:
        """None is left."""
        with self._guard:
            self._sessions.clear()
