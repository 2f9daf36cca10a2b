"""What the insurer's pages show: counts over a period, one claim in full, lists, tables, exports.

Nothing here decides or writes. Counts are kept for `CACHE_SECONDS`, so that many who look at the
same page cost as much as one; claims, lists and exports are of the moment.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

from circuits.claim import decode_claim, encode_instant
from circuits.nomenclature import Nomenclature
from verifier_api.reports import class_facts
from verifier_api.service.access import Principal
from verifier_api.service.audits import CASE_STATES, case_facts
from verifier_api.service.cursors import decode_cursor, encode_cursor
from verifier_api.service.directory import ContractVersion, Directory, NomenclatureVersion
from verifier_api.service.duties import read_duties
from verifier_api.service.errors import ServiceError
from verifier_api.service.hiding import line_facts
from verifier_api.service.judging import judging_facts
from verifier_api.service.life import STATES, reason_titles
from verifier_api.service.listing import claim_entry
from verifier_api.service.notices import NOT_FOUND
from verifier_api.service.tally import (
    TALLY_DAYS,
    Tally,
    batch_facts,
    days_until,
    first_instant,
    latency_facts,
    line_counts,
)
from verifier_api.store import attestations as attestations_store
from verifier_api.store import audits as audits_store
from verifier_api.store import claims as claims_store
from verifier_api.store import overview as store
from verifier_api.store.audits import CaseFilter
from verifier_api.store.claims import ATTESTATION_OVERDUE, HIDDEN, ClaimFilter
from zk.errors import ProofRejected, StatementError

CACHE_SECONDS: Final = 10.0
SHOWN_CLASSES: Final = 8
"""Classes that a chart tells apart; the others are counted together."""

VERDICTS: Final = ("granted", "refused", "pending")
OTHER, HIDDEN_CLASS = "other", "hidden"
DECIDABLE: Final = ("pending", ATTESTATION_OVERDUE)
"""States of a claim that an administrator may decide on."""

EXPORT_COLUMNS: Final = (
    *("claim_id", "received_at", "date_of_service", "optician_id", "contract_id", "statement"),
    *("classes", "verdict", "reason", "state", "state_since", "granted_until", "attest_by"),
    *("lenses_cents", "frame_cents", "invoiced_lenses_cents", "invoiced_frame_cents"),
    *("latency_us", "batch_size"),
)
EXPORT_TOGETHER: Final = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""

_PAGES = Principal("pages", "reader")
"""Who asks, where the service needs somebody: the pages' own scopes are looked at before."""

_KNOWN: Final = (
    *("claim_id", "optician_id", "key_id", "insurer_id", "contract_id", "contract_digest"),
    *("nomenclature_digest", "date_of_service", "expires_at", "beneficiary", "statement"),
    *("level", "price_class", "amounts", "early_renewal_ground"),
)

Result = TypeVar("Result")


class Doors(Protocol):
    """What of the service is needed: `verifier_api.service.service.VerifierService`."""

    directory: Directory

    @property
    def clock(self) -> Callable[[], datetime]:
        """The instant."""
        ...

    def look(self, act: Callable[[Connection], Result]) -> Awaitable[Result]:
        """What ``act`` reads."""
        ...

    def claim(self, claim_id: str, principal: Principal) -> Awaitable[dict[str, Any]]:
        """One claim with its verdict, its history and what it says."""
        ...

    def nomenclature(self, digest: str, day: date | None) -> Awaitable[dict[str, Any]]:
        """One version of the table with its classes on ``day``."""
        ...

    def nomenclature_class(
        self, digest: str, regroupement: str, day: date | None
    ) -> Awaitable[dict[str, Any]]:
        """One class with its codes and cells on ``day``."""
        ...

    def contract(self, digest: str) -> Awaitable[dict[str, Any]]:
        """One version with its document."""
        ...

    def publications(self, digest: str | None) -> list[dict[str, Any]]:
        """Those of the document with that digest."""
        ...


class Overview:
    """See module docstring. Every method raises `ServiceError`: "storage_unavailable" where the
    database does not answer, and what else it says."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._tally = Tally()
        self._counting = threading.Lock()
        self._kept: dict[tuple[Any, ...], tuple[float, Any]] = {}
        self._turns: dict[tuple[Any, ...], asyncio.Lock] = {}

    # -- counts ---------------------------------------------------------------------------------

    def forget(self) -> None:
        """Count again at the next question, whatever was kept."""
        self._kept.clear()

    async def warm(self) -> None:
        """Count what is recorded already, so that the first page need not wait for it."""
        now = self._doors.clock()

        def act(connection: Connection) -> None:
            with self._counting:
                self._tally.update(connection, now)

        await self._doors.look(act)

    async def summary(self, days: int = 60) -> dict[str, Any]:
        """Everything of the first page: charts over ``days`` (1 to `TALLY_DAYS`) up to today, and
        what waits for somebody now. Raises `ServiceError` "parameter_invalid"."""
        return await self._count("summary", days, self._summary)

    async def refusals(self, days: int = 60) -> dict[str, Any]:
        """Why claims of the last ``days`` were refused, the most frequent reason first."""
        return await self._count("refusals", days, self._refusals)

    async def opticians(self, days: int = 60) -> list[dict[str, Any]]:
        """Every optician who has a key or a claim: what came of his claims of the last ``days``,
        when he last claimed, his keys."""
        return await self._count("opticians", days, self._opticians)

    async def contracts(self) -> list[dict[str, Any]]:
        """Every version of every contract, with the number of claims under its name."""
        return await self._count("contracts", 1, self._contracts)

    async def _count(
        self, name: str, days: int, read: Callable[[Connection, datetime, list[str]], Result]
    ) -> Result:
        if not 1 <= days <= TALLY_DAYS:
            problem = f"days: from 1 to {TALLY_DAYS}"
            raise ServiceError("parameter_invalid", problem, places=("days",))
        key = (name, days)
        async with self._turns.setdefault(key, asyncio.Lock()):
            kept = self._kept.get(key)
            if kept is not None and kept[0] > time.monotonic():
                found: Result = kept[1]
                return found
            now = self._doors.clock()
            period = days_until(now.astimezone(UTC).date(), days)
            found = await self._doors.look(lambda connection: read(connection, now, period))
            self._kept[key] = time.monotonic() + CACHE_SECONDS, found
            return found

    def _summary(self, connection: Connection, now: datetime, period: list[str]) -> dict[str, Any]:
        instant, since = encode_instant(now), first_instant(period[0])
        with self._counting:
            self._tally.update(connection, now)
            tallies = self._tally.period(period)
        states = store.state_counts(connection, since, instant)
        overdue, due = store.awaited_counts(connection, instant)
        audits = store.audit_counts(connection, instant)
        verdicts = {
            verdict: sum(tally.verdicts[verdict] for tally in tallies) for verdict in VERDICTS
        }
        by_day = [line_counts(tally.classes) for tally in tallies]
        names, counts = _by_class(by_day)
        reasons = sum((tally.reasons for tally in tallies), start=type(tallies[0].reasons)())
        return _period(period) | {
            "now": instant,
            "claims": sum(verdicts.values()),
            "verdicts": verdicts,
            "states": {state: states.get(state, 0) for state in STATES},
            "by_day": [
                {"day": day} | {verdict: tally.verdicts[verdict] for verdict in VERDICTS}
                for day, tally in zip(period, tallies, strict=True)
            ],
            "classes": names,
            "by_class": [
                {"day": day, "counts": row} for day, row in zip(period, counts, strict=True)
            ],
            "reasons": [
                {"reason": reason, "titles": reason_titles(reason), "count": count}
                for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
            ],
            "latency": latency_facts(tallies),
            "batches": batch_facts(tallies),
            "waiting": {
                "pending": store.count_pending(connection, instant),
                "attestation_overdue": overdue,
                "attestations_due": due,
                "audits_open": audits.get("open", 0),
                "audits_lapsed": audits.get("lapsed", 0),
            },
        }

    def _refusals(self, connection: Connection, now: datetime, period: list[str]) -> dict[str, Any]:
        since = first_instant(period[0])
        rows = store.refusals(connection, since)
        refused = sum(row.number for row in rows)
        chosen = ClaimFilter(received_from=since)
        return _period(period) | {
            "claims": store.count_claims(connection, chosen, encode_instant(now)),
            "refused": refused,
            "reasons": [
                {
                    "reason": row.reason,
                    "titles": reason_titles(row.reason),
                    "count": row.number,
                    "share_percent": round(100 * row.number / refused, 1),
                    "opticians": row.opticians,
                    "last_at": row.last_at,
                }
                for row in rows
            ],
        }

    def _opticians(
        self, connection: Connection, now: datetime, period: list[str]
    ) -> list[dict[str, Any]]:
        since = first_instant(period[0])
        last = store.last_claims(connection)
        keys: dict[str, list[dict[str, Any]]] = {}
        for key in self._doors.directory.snapshot.keys.values():
            keys.setdefault(key.optician_id, []).append(key.facts())
        found = {
            name: {
                "optician_id": name,
                "claims": 0,
                **dict.fromkeys(VERDICTS, 0),
                "states": dict.fromkeys(STATES, 0),
                "last_claim_at": last.get(name),
                "keys": keys.get(name, []),
            }
            for name in sorted({*last, *keys})
        }
        for row in store.optician_counts(connection, since, encode_instant(now)):
            entry: dict[str, Any] = found[row.optician_id]
            entry["claims"] += row.number
            entry[row.verdict] += row.number
            entry["states"][row.state] += row.number
        return list(found.values())

    def _contracts(
        self, connection: Connection, now: datetime, _period: list[str]
    ) -> list[dict[str, Any]]:
        counts = store.contract_counts(connection)
        today = now.date()
        return [
            self._contract_facts(version, today)
            | {"claims": counts.get(version.contract.contract_id, 0)}
            for version in self._doors.directory.snapshot.contracts.values()
        ]

    # -- claims ---------------------------------------------------------------------------------

    async def claims(
        self, chosen: ClaimFilter, cursor: str | None = None, limit: int = 50
    ) -> dict[str, Any]:
        """A page, newest first, and how many there are in all. Raises `ServiceError`
        "parameter_invalid" for a cursor that is none."""
        before = None if cursor is None else decode_cursor(cursor)
        instant = encode_instant(self._doors.clock())

        def act(connection: Connection) -> Any:
            rows = claims_store.list_claims(connection, chosen, instant, before, limit + 1)
            return rows, store.count_claims(connection, chosen, instant)

        rows, total = await self._doors.look(act)
        following = encode_cursor(rows[limit - 1].sequence) if len(rows) > limit else None
        return {
            "claims": [claim_entry(row) for row in rows[:limit]],
            "next": following,
            "total": total,
        }

    async def claim_page(self, claim_id: str) -> dict[str, Any]:
        """One claim: every step of its judgement, what is known of it, what stays unknown, and what
        became of it. Raises `ServiceError`: "not_found", "overloaded"."""
        instant = encode_instant(self._doors.clock())

        def act(connection: Connection) -> Any:
            row = claims_store.claim_summary(connection, claim_id, instant)
            if row is None:
                return None
            whole = claims_store.find_claim(connection, claim_id)
            asked = audits_store.list_cases(
                connection, CaseFilter(claim_id=claim_id), instant, None, MAX_SHOWN
            )
            return row, whole, [case_facts(entry, entry.state) for entry in asked]

        found = await self._doors.look(act)
        if found is None:
            raise ServiceError("not_found", NOT_FOUND)
        row, whole, audits = found
        detail = await self._doors.claim(claim_id, _PAGES)
        answer = detail["verdict_answer"]
        claim = decode_claim(bytes(whole.envelope))
        table = await self._table(claim.nomenclature_digest)
        said = detail["claim"] | {"claim_digest": row.claim_digest}
        return {
            "claim": claim_entry(row),
            "reason_titles": answer["reason_titles"],
            "detail": answer["detail"],
            "judged_at": answer["judged_at"],
            "circuit_digest": answer["circuit_digest"],
            "judging": judging_facts(whole.judging, whole.latency_us, whole.batch_size),
            "known": _known_facts(said),
            "lines": await asyncio.to_thread(line_facts, claim, table),
            "attestations": detail["attestations"],
            "audits": audits,
            "history": detail["history"],
            "invoice": json.loads(row.invoice_answer) if row.invoice_answer else None,
            "decisions": ["grant", "refuse"] if row.state in DECIDABLE else [],
        }

    async def attestations(self, cursor: str | None = None, limit: int = 50) -> dict[str, Any]:
        """Claims that lack an attestation, then those that wait for one, by last instant. Raises
        `ServiceError` "parameter_invalid" for a cursor that is none."""
        after = None if cursor is None else _decode_due(cursor)
        instant = encode_instant(self._doors.clock())

        def act(connection: Connection) -> Any:
            rows = store.awaited(connection, instant, after, limit + 1)
            names = [row.claim_id for row in rows[:limit]]
            duties = attestations_store.duties_by_claim(connection, names)
            digests = claims_store.contract_digests(connection, names)
            return rows, duties, digests, store.awaited_counts(connection, instant)

        rows, duties, digests, (overdue, due) = await self._doors.look(act)
        contracts = self._doors.directory.snapshot.contracts
        entries = []
        for row in rows[:limit]:
            version = contracts.get(digests[row.claim_id])
            asked = read_duties(duties.get(row.claim_id, ()), version.contract) if version else []
            missing = [duty.facts() for duty in asked if duty.met_by is None]
            is_overdue = row.state == ATTESTATION_OVERDUE
            entries.append(claim_entry(row) | {"missing": missing, "is_overdue": is_overdue})
        last = rows[limit - 1] if len(rows) > limit else None
        return {
            "claims": entries,
            "next": None if last is None else _encode_due(last.attest_by, last.sequence),
            "overdue": overdue,
            "due": due,
        }

    async def audits(
        self, state: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> dict[str, Any]:
        """A page of cases, newest first, and how many there are by state. Raises `ServiceError`
        "parameter_invalid" for a cursor that is none."""
        before = None if cursor is None else decode_cursor(cursor)
        instant = encode_instant(self._doors.clock())

        def act(connection: Connection) -> Any:
            chosen = CaseFilter(state=state)
            rows = audits_store.list_cases(connection, chosen, instant, before, limit + 1)
            return rows, store.audit_counts(connection, instant)

        rows, counts = await self._doors.look(act)
        following = encode_cursor(rows[limit - 1].sequence) if len(rows) > limit else None
        return {
            "audits": [case_facts(row, row.state) for row in rows[:limit]],
            "next": following,
            "counts": {name: counts.get(name, 0) for name in CASE_STATES},
        }

    async def export(self, chosen: ClaimFilter) -> AsyncIterator[bytes]:
        """The claims of a listing, newest first, as CSV: UTF-8 with a byte order mark, semicolons,
        `EXPORT_COLUMNS` in the first line. No cell is a formula to a spreadsheet: what could be one
        has an apostrophe before it. Claims that come meanwhile are not in it."""
        instant = encode_instant(self._doors.clock())
        numbers = await self._doors.look(
            lambda connection: store.matching_numbers(connection, chosen, instant)
        )
        yield b"\xef\xbb\xbf" + _csv_lines([EXPORT_COLUMNS])
        for start in range(0, len(numbers), EXPORT_TOGETHER):
            part = numbers[start : start + EXPORT_TOGETHER]
            yield await self._doors.look(_csv_of(part, instant))

    # -- reference data -------------------------------------------------------------------------

    async def contract_page(self, digest: str) -> dict[str, Any]:
        """One version with its document, its publications, and its classes in the table in force
        today, or on its last day, or on its first. Raises `ServiceError` "not_found"."""
        facts = await self._doors.contract(digest)
        snapshot = self._doors.directory.snapshot
        version = snapshot.contracts[digest]
        contract = version.contract
        today = self._doors.clock().date()
        day = max(version.in_force_from, min(today, contract.valid_to))
        in_force = snapshot.table_on(day)

        def classes() -> list[dict[str, Any]]:
            if in_force is None:
                return []
            floor = contract.floor_cells
            names = [entry.code for entry in in_force.table.classes()]
            try:
                return [class_facts(in_force.table, name, day, floor) for name in names]
            except StatementError:  # the table holds nothing on that day
                return []

        return (
            facts
            | self._contract_facts(version, today)
            | {
                "publications": self._doors.publications(digest),
                "date": day.isoformat(),
                "nomenclature_digest": None if in_force is None else in_force.digest,
                "classes": await asyncio.to_thread(classes),
            }
        )

    def _contract_facts(self, version: ContractVersion, today: date) -> dict[str, Any]:
        contract = version.contract
        try:
            self._doors.directory.snapshot.contract(
                contract.insurer_id, contract.contract_id, version.digest, today
            )
        except ProofRejected as error:
            reason: str | None = error.reason
        else:
            reason = None
        return version.facts() | {
            "is_in_force_today": reason is None,
            "is_published": reason != "contract_unpublished",
        }

    async def tables(self) -> list[dict[str, Any]]:
        """Every version of the table."""
        snapshot, today = self._doors.directory.snapshot, self._doors.clock().date()
        in_force = snapshot.table_on(today)

        def act() -> list[dict[str, Any]]:
            return [
                version.facts() | {"is_in_force_today": version is in_force}
                for version in snapshot.nomenclatures.values()
            ]

        return await asyncio.to_thread(act)

    async def table_page(self, digest: str, day: date | None = None) -> dict[str, Any]:
        """One version with its classes on ``day``, by default today or its last day; ``spans`` are
        the days from which on it holds something else. Raises `ServiceError`: "not_found",
        "parameter_invalid" for a day on which it holds nothing."""
        on = await self._day_of(digest, day)
        facts = await self._doors.nomenclature(digest, on)
        table = await self._table(digest)
        spans = [] if table is None else await asyncio.to_thread(_spans, table)
        return facts | {"spans": spans}

    async def class_page(
        self, digest: str, regroupement: str, day: date | None = None
    ) -> dict[str, Any]:
        """One class on a day with its codes, cell by cell. Raises as `table_page`."""
        on = await self._day_of(digest, day)
        facts = await self._doors.nomenclature_class(digest, regroupement, on)
        cells: dict[str, list[dict[str, Any]]] = {}
        for row in facts.pop("codes"):
            cell = row.pop("cell") or ""
            cells.setdefault(cell, []).append(row)
        listed = sorted(cells.items())
        return facts | {"cells": [{"cell": name or None, "codes": rows} for name, rows in listed]}

    async def _day_of(self, digest: str, day: date | None) -> date | None:
        table = await self._table(digest)
        if day is not None or table is None:
            return day
        last = max(row.valid_to or date.max for row in table.rows)
        return min(self._doors.clock().date(), last)

    async def _table(self, digest: str) -> Nomenclature | None:
        """The table of that digest, None if there is none here."""
        version: NomenclatureVersion | None
        version = self._doors.directory.snapshot.nomenclatures.get(digest)
        return None if version is None else await asyncio.to_thread(lambda: version.table)


MAX_SHOWN: Final = 100
"""Audits that the page of one claim shows."""


def _period(period: Sequence[str]) -> dict[str, Any]:
    return {"days": len(period), "first_day": period[0], "last_day": period[-1]}


def _by_class(by_day: Sequence[Mapping[str, int]]) -> tuple[list[str], list[list[int]]]:
    """Names for a chart, and the number of lines of each on each day."""
    totals: dict[str, int] = {}
    for counts in by_day:
        for name, count in counts.items():
            totals[name] = totals.get(name, 0) + count
    is_hidden = totals.pop(HIDDEN, 0) > 0
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    shown = sorted(ranked[:SHOWN_CLASSES])
    others = set(ranked[SHOWN_CLASSES:])
    names = [*shown, *([OTHER] if others else []), *([HIDDEN_CLASS] if is_hidden else [])]
    rows = []
    for counts in by_day:
        row = [counts.get(name, 0) for name in shown]
        if others:
            row.append(sum(count for name, count in counts.items() if name in others))
        if is_hidden:
            row.append(counts.get(HIDDEN, 0))
        rows.append(row)
    return names, rows


def _known_facts(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a claim says in clear, but for its lines: names and values, without what it leaves
    out."""
    found = []
    for name in ("claim_digest", *_KNOWN):
        value = said[name]
        if name == "amounts":
            parts = value or {}
            found += [{"name": part, "value": parts[part]} for part in parts]
        elif value is not None:
            found.append({"name": name, "value": value})
    return found


def _spans(table: Nomenclature) -> list[str]:
    starts = {row.valid_from for row in table.rows}
    ends = {row.valid_to for row in table.rows if row.valid_to not in (None, date.max)}
    found = []
    for day in sorted(starts | {end + timedelta(days=1) for end in ends if end is not None}):
        try:
            found.append(table.period_start(day).isoformat())
        except StatementError:  # nothing from that day on
            continue
    return found


# -- CSV ----------------------------------------------------------------------------------------


def _csv_row(entry: dict[str, Any]) -> list[Any]:
    amounts, invoiced = entry["amounts"] or {}, entry["invoiced_amounts"] or {}
    values = entry | {
        "classes": " ".join(name or HIDDEN_CLASS for name in entry["classes"]),
        "lenses_cents": amounts.get("lenses_cents"),
        "frame_cents": amounts.get("frame_cents"),
        "invoiced_lenses_cents": invoiced.get("lenses_cents"),
        "invoiced_frame_cents": invoiced.get("frame_cents"),
    }
    return [values[name] for name in EXPORT_COLUMNS]


def _csv_of(numbers: Sequence[int], instant: str) -> Callable[[Connection], bytes]:
    """Reads the lines of the claims with these numbers."""

    def act(connection: Connection) -> bytes:
        rows = store.claims_numbered(connection, numbers, instant)
        return _csv_lines(_csv_row(claim_entry(row)) for row in rows)

    return act


def _csv_lines(rows: Any) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def csv_cell(value: object) -> str:
    """A value as a cell that no spreadsheet takes for a formula; None is empty."""
    if value is None:
        return ""
    text = str(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return f"'{text}" if text.startswith(_FORMULA) and not is_number else text


# -- cursors of what is due -----------------------------------------------------------------------


def _encode_due(attest_by: str, sequence: int) -> str:
    return f"{attest_by}.{sequence}"


def _decode_due(cursor: str) -> tuple[str, int]:
    instant, _, number = cursor.partition(".")
    try:
        datetime.fromisoformat(instant)
        is_good = len(instant) == 20 and number.isascii() and number.isdigit() and len(number) <= 18
    except ValueError:
        is_good = False
    if not is_good:
        raise ServiceError(
            "parameter_invalid", "cursor: not one that this service gave out", places=("cursor",)
        )
    return instant, int(number)
