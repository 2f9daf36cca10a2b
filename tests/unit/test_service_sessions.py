"""Sessions of the insurer's pages: opened by a token, over with it, and after half a day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from circuits.canonical import decode_base64url
from tests.support import records
from tests.support.records import NOW
from verifier_api.service.access import Principal, Scope
from verifier_api.service.administration import TokenRequest, create_token, revoke_token
from verifier_api.service.directory import Directory
from verifier_api.service.errors import ServiceError
from verifier_api.service.sessions import PAGE_SCOPES, SESSION_BYTES, SESSION_SECONDS, Sessions
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database
from verifier_api.store.sessions import delete_expired

LIFE = timedelta(seconds=SESSION_SECONDS)
SECOND = timedelta(seconds=1)


class Doors:
    """What of the service sessions need, without threads. Implements `sessions.Doors`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.directory = Directory(database)
        self.now = NOW

    @property
    def clock(self) -> Callable[[], datetime]:
        return lambda: self.now

    async def principal(self, token: str) -> Principal:
        found = self.directory.snapshot.principal(token, self.now)
        if found is None:
            raise ServiceError("token_invalid")
        return found

    async def refresh(self) -> None:
        self.directory.refresh()

    async def look(self, act: Callable[[Connection], Any]) -> Any:
        with self.database.read() as connection:
            return act(connection)

    async def change(self, act: Callable[[Connection], Any]) -> Any:
        with self.database.write() as connection:
            return act(connection)


class Desk:
    """Sessions, asked from outside of an event loop."""

    def __init__(self, database: Database) -> None:
        self.doors = Doors(database)
        self.sessions = Sessions(self.doors)

    def token(self, scope: Scope = "reader", **changes: Any) -> tuple[str, str]:
        """A fresh token and its id."""
        values = {"scope": scope, "optician_id": "shop-1" if scope == "optician" else None}
        request = TokenRequest.model_validate(values | changes)
        with self.doors.database.write() as connection:
            made = create_token(connection, request, "test", NOW)
        self.doors.directory.refresh()
        return made.token, made.token_id

    def open(self, token: str) -> str:
        return str(run(self.sessions.open_session(token)))

    def who(self, session: str) -> Principal:
        found: Principal = run(self.sessions.session_principal(session))
        return found

    def is_over(self, session: str) -> bool:
        try:
            self.who(session)
        except ServiceError as error:
            told = (error.code, str(error))
        else:
            return False
        assert told == ("token_invalid", "the session is over")
        return True

    def events(self) -> list[tuple[str, str]]:
        rows = records.rows(self.doors.database, "events", "sequence")
        return [(row["kind"], row["actor"]) for row in rows if row["kind"].startswith("session")]


def run(asked: Awaitable[Any]) -> Any:
    async def tell() -> Any:
        return await asked

    return asyncio.run(tell())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = records.empty_database(tmp_path)
    yield Desk(database)
    database.dispose()


@pytest.mark.parametrize("scope", PAGE_SCOPES)
def test_a_session_stands_for_its_token(desk: Desk, scope: Scope) -> None:
    token, token_id = desk.token(scope)
    session = desk.open(token)
    assert len(decode_base64url(session)) == SESSION_BYTES
    assert desk.who(session) == Principal(token_id, scope)
    assert desk.open(token) != session
    assert desk.events() == [("session_opened", token_id)] * 2
    assert check_database(desk.doors.database)["problems"] == []


def test_the_database_does_not_hold_what_the_browser_does(desk: Desk) -> None:
    session = desk.open(desk.token()[0])
    for table in ("page_sessions", "events"):
        assert session not in str(records.rows(desk.doors.database, table))


def test_an_optician_has_no_session(desk: Desk) -> None:
    with pytest.raises(ServiceError, match="scope reader or auditor or admin") as caught:
        desk.open(desk.token("optician")[0])
    assert caught.value.code == "forbidden"
    assert records.rows(desk.doors.database, "page_sessions") == []


def test_a_token_that_is_none_opens_nothing(desk: Desk) -> None:
    with pytest.raises(ServiceError) as caught:
        desk.open("co_0123456789abcdef_" + "A" * 43)
    assert caught.value.code == "token_invalid"


@pytest.mark.parametrize("session", ["", "A" * 42, "A" * 44, "A" * 43, "é" * 43, "A" * 42 + "\n"])
def test_what_is_no_session_is_refused(desk: Desk, session: str) -> None:
    desk.open(desk.token()[0])
    assert desk.is_over(session)
    run(desk.sessions.close_session(session))
    assert len(records.rows(desk.doors.database, "page_sessions")) == 1


def test_a_session_is_over_after_half_a_day(desk: Desk) -> None:
    session = desk.open(desk.token()[0])
    desk.doors.now = NOW + LIFE
    assert not desk.is_over(session)
    desk.doors.now += SECOND
    assert desk.is_over(session)


def test_a_session_is_over_with_its_token(desk: Desk) -> None:
    end = NOW + timedelta(hours=1)
    session = desk.open(desk.token(expires_at=end.strftime("%Y-%m-%dT%H:%M:%SZ"))[0])
    desk.doors.now = end
    assert not desk.is_over(session)
    desk.doors.now = end + SECOND
    assert desk.is_over(session)


def test_revoking_the_token_ends_its_sessions_and_no_others(desk: Desk) -> None:
    token, token_id = desk.token()
    session, other = desk.open(token), desk.open(desk.token()[0])
    with desk.doors.database.write() as connection:
        revoke_token(connection, token_id, "test", NOW)
    desk.doors.directory.refresh()
    assert desk.is_over(session)
    assert not desk.is_over(other)


def test_a_session_is_closed_and_only_that_one(desk: Desk) -> None:
    token, token_id = desk.token("admin")
    session, other = desk.open(token), desk.open(token)
    run(desk.sessions.close_session(session))
    assert desk.is_over(session)
    assert not desk.is_over(other)
    run(desk.sessions.close_session(session))  # again: nothing happens
    assert desk.events() == [("session_opened", token_id)] * 2 + [("session_closed", token_id)]


def test_a_token_that_another_process_has_just_made_is_looked_up(desk: Desk) -> None:
    session = desk.open(desk.token()[0])
    late = Desk(desk.doors.database)
    late.doors.directory = Directory(desk.doors.database)
    late.doors.directory.snapshot.tokens = {}
    late.doors.directory.snapshot.counter = -1
    assert late.who(session) == desk.who(session)


def test_sessions_that_are_over_are_swept(desk: Desk) -> None:
    token = desk.token()[0]
    desk.open(token)
    desk.doors.now = NOW + SECOND
    young = desk.open(token)
    with desk.doors.database.write() as connection:
        instant = (NOW + LIFE + SECOND).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert delete_expired(connection, instant) == 1
        assert delete_expired(connection, instant) == 0
    assert not desk.is_over(young)
