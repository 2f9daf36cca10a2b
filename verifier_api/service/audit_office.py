"""What the service does about audits, for whoever asks: `verifier_api.service.audits` behind the
doors to the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from circuits.audit import AuditCase, AuditOutcome, decode_reply
from circuits.claim import encode_instant
from circuits.signed import decode_signed
from verifier_api.parties import Party
from verifier_api.service.access import Principal
from verifier_api.service.audits import (
    NO_CASE,
    AuditStep,
    case_detail,
    case_facts,
    has_seen,
    note_sight,
    read_sealed,
    require_recipient_usable,
    take_answer,
    take_case,
    take_outcome,
)
from verifier_api.service.cursors import decode_cursor, encode_cursor
from verifier_api.service.directory import Directory
from verifier_api.service.errors import ServiceError
from verifier_api.service.evidence import export_record
from verifier_api.store import audits as store
from verifier_api.store.audits import CaseFilter
from verifier_api.store.database import Database

Result = TypeVar("Result")


class Doors(Protocol):
    """What of the service is needed: `verifier_api.service.service.VerifierService`."""

    database: Database
    directory: Directory

    @property
    def clock(self) -> Callable[[], datetime]:
        """The instant."""
        ...

    def look(self, act: Callable[[Connection], Result]) -> Awaitable[Result]:
        """What ``act`` reads."""
        ...

    def change(self, act: Callable[[Connection], Result]) -> Awaitable[Result]:
        """What ``act`` returns after what it wrote is durable."""
        ...


class AuditOffice:
    """See module docstring. Every method raises `ServiceError`, also "storage_unavailable" and
    "overloaded"."""

    def __init__(self, doors: Doors, signer: Party | None) -> None:
        """``signer`` is the insurer, whose key signs records; None: it signs none."""
        self._doors = doors
        self._signer = signer
        # Until it is known that a write-ahead log of another process's life holds nothing erased.
        self._has_erased = True

    def _step(self, principal: Principal) -> AuditStep:
        # In the writing transaction, where it decides: what waited past a deadline is late.
        return AuditStep(principal, self._doors.directory.snapshot, self._doors.clock())

    async def open(self, data: bytes, principal: Principal) -> str:
        """See `take_case`. Raises `EncodingError`, `StatementError` for what is no case."""
        case = decode_signed(AuditCase, data)
        await asyncio.to_thread(require_recipient_usable, case)
        return await self._doors.change(
            lambda connection: take_case(connection, self._step(principal), case)
        )

    async def answer(self, case_id: str, data: bytes, principal: Principal) -> str:
        """See `take_answer`. Raises `EncodingError`, `StatementError` for what is no reply."""
        reply = decode_reply(data)
        return await self._doors.change(
            lambda connection: take_answer(connection, self._step(principal), case_id, reply)
        )

    async def sealed(self, case_id: str, principal: Principal) -> str:
        """See `read_sealed`: that it was read is durable before it is answered."""
        return await self._doors.change(
            lambda connection: read_sealed(connection, self._step(principal), case_id)
        )

    async def conclude(self, case_id: str, data: bytes, principal: Principal) -> str:
        """See `take_outcome`. Raises `EncodingError`, `StatementError` for what is no outcome."""
        outcome = decode_signed(AuditOutcome, data)
        answer = await self._doors.change(
            lambda connection: take_outcome(connection, self._step(principal), case_id, outcome)
        )
        self._has_erased = True  # it may have
        return answer

    async def list(
        self, chosen: CaseFilter, principal: Principal, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """A page, newest first; an optician sees the cases on his own claims. Raises `ServiceError`
        "parameter_invalid" for a cursor that is none."""
        before = None if cursor is None else decode_cursor(cursor)
        if principal.scope == "optician":
            chosen = replace(chosen, optician_id=principal.optician_id)
        instant = encode_instant(self._doors.clock())
        rows = await self._doors.look(
            lambda connection: store.list_cases(connection, chosen, instant, before, limit + 1)
        )
        following = encode_cursor(rows[limit - 1].sequence) if len(rows) > limit else None
        return {"audits": [case_facts(row, row.state) for row in rows[:limit]], "next": following}

    async def show(self, case_id: str, principal: Principal) -> dict[str, Any]:
        """One case with its documents and its history; that its optician has seen it is recorded,
        the first time, before it is shown. Raises `ServiceError` "not_found", also for a case on
        another optician's claim."""
        is_optician = principal.scope == "optician"
        optician_id = principal.optician_id if is_optician else None

        def read(connection: Connection) -> Any:
            row = store.find_case(connection, case_id, optician_id)
            if row is None:
                return None
            return row, store.history_of(connection, row.claim_id, case_id)

        found = await self._doors.look(read)
        if found is None:
            raise ServiceError("not_found", NO_CASE)
        if is_optician and not has_seen(found[1]):
            await self._doors.change(
                lambda connection: note_sight(connection, self._step(principal), case_id)
            )
            found = await self._doors.look(read)
        row, history = found
        return case_detail(row, store.state_of(row, encode_instant(self._doors.clock())), history)

    async def record(self, claim_id: str, case_id: str | None, principal: Principal) -> bytes:
        """See `export_record`: that it was read is durable before it is answered."""
        return await self._doors.change(
            lambda connection: export_record(
                connection, self._step(principal), claim_id, case_id, self._signer
            )
        )

    async def sweep(self) -> None:
        """Write down which cases have lapsed and erase what is to be erased, both or neither; then
        take what was erased out of the database's log, now or the next time."""
        instant = encode_instant(self._doors.clock())

        def act(connection: Connection) -> int:
            store.lapse_overdue(connection, instant)
            return store.erase_due(connection, instant)

        if await self._doors.change(act):
            self._has_erased = True
        if self._has_erased:
            self._has_erased = not await asyncio.to_thread(self._doors.database.forget_erased)
