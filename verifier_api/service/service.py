"""The insurer's service: one object that the web layer asks, and that knows no HTTP.

claim ──> envelope checked here ──> statement and proof in a worker (`pool`, micro-batches)
      ──> uniqueness, rights, renewal and the record in the writer (`writer`, `recording`)
      ──> the answer, after it is durable
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from circuits.attestation import Attestation, Duty, attestation_duties
from circuits.canonical import encode_base64url
from circuits.claim import (
    Claim,
    decode_claim,
    encode_instant,
    envelope_digest,
)
from circuits.contract import Contract
from circuits.declaration import Declaration, DeclaredLine
from circuits.nomenclature import Nomenclature
from circuits.notices import decode_cancellation, decode_invoice
from circuits.signed import decode_signed
from circuits.statements import compile_statement
from verifier_api.judge import check_envelope
from verifier_api.parties import Party
from verifier_api.reports import class_facts, code_facts, default_day
from verifier_api.service.access import Principal
from verifier_api.service.attestations import take_attestation
from verifier_api.service.audit_office import AuditOffice
from verifier_api.service.clock import SteadyClock
from verifier_api.service.cursors import decode_cursor, encode_cursor
from verifier_api.service.directory import Directory, NomenclatureVersion
from verifier_api.service.duties import detail_facts, read_duties
from verifier_api.service.errors import ServiceError
from verifier_api.service.judging import Judging
from verifier_api.service.listing import summary_facts
from verifier_api.service.notices import (
    NOT_FOUND,
    RETRY_AFTER_SECONDS,
    UNKNOWN_CONTRACT,
    Decision,
    Step,
    take_cancellation,
    take_decision,
    take_invoice,
)
from verifier_api.service.overview import Overview
from verifier_api.service.pool import BatchObserver, ProofPool
from verifier_api.service.proofs import ProofTask, ProofVerdict
from verifier_api.service.recording import Examined, record_claims
from verifier_api.service.sessions import Sessions
from verifier_api.service.writer import Writer
from verifier_api.store import attestations as attestations_store
from verifier_api.store import claims as store
from verifier_api.store import reference
from verifier_api.store.claims import ClaimFilter
from verifier_api.store.database import Database, StorageError
from verifier_api.store.instants import note_instant
from verifier_api.store.sessions import delete_expired
from zk.backends import load_group
from zk.encoding import proof_bytes
from zk.errors import ProofRejected, ZkError

DIRECTORY_SECONDS = 1.0
SWEEP_SECONDS = 30.0
READY_SECONDS = 5.0
"""How long the database may take to answer before the service is not ready."""

MISS_SECONDS = 0.1
"""How often at most unknown tokens make a process read the directory again: they wait so long."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class ServiceOptions:
    """How much a process takes on. Times in milliseconds or seconds, as they are named."""

    workers: int = 1
    queue_limit: int = 512
    batch_limit: int = 64
    linger_ms: float = 3.0
    batch_seconds: float = 30.0


class VerifierService:
    """See module docstring. Lives in one event loop; `start` before use, `stop` after."""

    def __init__(
        self,
        database: Database,
        options: ServiceOptions,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        observe: BatchObserver = lambda _size, _seconds: None,
        trust: Path | None = None,
        signer: Party | None = None,
    ) -> None:
        """Read the directory, and the trust list in the file ``trust``; ``signer`` is the insurer,
        whose key signs records. Raises as `Directory`."""
        self.database = database
        self.clock = clock
        self.directory = Directory(database, trust)
        self.audits = AuditOffice(self, signer)
        self.overview = Overview(self)
        self.sessions = Sessions(self)
        self.pool = ProofPool(
            self._document,
            workers=options.workers,
            queue_limit=options.queue_limit,
            batch_limit=options.batch_limit,
            linger_ms=options.linger_ms,
            batch_seconds=options.batch_seconds,
            observe=observe,
        )
        self._queue_limit = options.queue_limit
        self._recording = 0
        self._writer: Writer[Examined, str] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._refreshing = asyncio.Lock()
        self._refreshed_at = 0.0

    # -- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start workers and writer; ready when it returns."""
        self._writer = Writer(self.database, self._record)
        self._writer.start()
        await asyncio.to_thread(self.directory.load_tables)
        await self.pool.start()
        self._tasks = [
            asyncio.create_task(self._repeat(DIRECTORY_SECONDS, self.refresh)),
            asyncio.create_task(self._repeat(SWEEP_SECONDS, self._sweep)),
            asyncio.create_task(self._warm()),
        ]

    async def stop(self) -> None:
        """Finish what is being written and end everything."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.pool.stop()
        if self._writer is not None:
            await self._writer.stop()
        self.database.dispose()

    async def refresh(self) -> None:
        """Read the directory again, if it has changed."""
        async with self._refreshing:
            await self._read_directory()

    async def _read_directory(self) -> None:
        start = asyncio.get_running_loop().time()
        await asyncio.to_thread(self.directory.refresh)
        await asyncio.to_thread(self.directory.load_tables)
        self._refreshed_at = start

    async def readiness(self) -> dict[str, bool]:
        """What works. Database, writer and workers must, for claims to be judged; "trust" is false
        while the trust list's file is missing or bad, and the last good list is used; "clock" while
        the machine's clock has jumped, and time goes on steadily."""

        def is_database_there() -> bool:
            with self.database.read() as connection:
                reference.directory_counter(connection)
            return True

        try:
            async with asyncio.timeout(READY_SECONDS):
                is_there = await asyncio.to_thread(is_database_there)
        except (StorageError, TimeoutError):
            is_there = False
        return {
            "database": is_there,
            "writer": self._writer is not None and self._writer.is_alive(),
            "workers": self.pool.is_alive(),
            "trust": self.directory.is_trust_good,
            "clock": not isinstance(self.clock, SteadyClock) or self.clock.is_agreeing(),
        }

    async def _sweep(self) -> None:
        now = self.clock()
        instant = encode_instant(now)

        def act(connection: Connection) -> None:
            store.expire_overdue(connection, instant)
            store.mark_attestations_overdue(connection, instant)
            delete_expired(connection, instant)
            note_instant(connection, now)

        await self.change(act)
        await self.audits.sweep()

    async def _warm(self) -> None:
        with contextlib.suppress(ServiceError):  # the pages will count by themselves
            await self.overview.warm()

    async def _repeat(self, seconds: float, act: Callable[[], Awaitable[Any]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            with contextlib.suppress(ServiceError, StorageError):  # told by `readiness`
                await act()

    def _document(self, digest: str) -> tuple[str, bytes]:
        snapshot = self.directory.snapshot
        if digest in snapshot.contracts:
            return "contract", snapshot.contracts[digest].document
        return "nomenclature", snapshot.nomenclatures[digest].document

    # -- who asks -------------------------------------------------------------------------------

    async def principal(self, token: str) -> Principal:
        """Who the token stands for. Raises `ServiceError` "token_invalid"."""
        principal = self.directory.snapshot.principal(token, self.clock())
        if principal is None:
            await self._refresh_for_miss()
            principal = self.directory.snapshot.principal(token, self.clock())
        if principal is None:
            raise ServiceError("token_invalid", "the token is unknown, expired or revoked")
        return principal

    async def _refresh_for_miss(self) -> None:
        """What another process had added before we were asked is known afterwards: the directory
        is read once for all who miss something at the same time."""
        asked = asyncio.get_running_loop().time()
        try:
            async with self._refreshing:
                if self._refreshed_at < asked:
                    await asyncio.sleep(max(0.0, self._refreshed_at + MISS_SECONDS - asked))
                    await self._read_directory()
        except StorageError as error:
            raise ServiceError("storage_unavailable", str(error), retry_after=2) from None

    # -- claims ---------------------------------------------------------------------------------

    async def submit(
        self,
        claim: Claim,
        envelope: bytes,
        principal: Principal,
        attestations: Sequence[Attestation] = (),
    ) -> str:
        """The recorded verdict as JSON; ``envelope`` is the claim as it came, ``attestations`` what
        came with it.

        Raises `ServiceError`: "claim_conflict", "attestation_refused", "overloaded",
        "storage_unavailable".
        """
        if self._recording >= self._queue_limit:
            raise ServiceError("overloaded", "too many claims are being recorded", retry_after=1)
        self._recording += 1
        try:
            examined = await self._examine(claim, envelope, principal.token_id)
            return await self.writer.record(replace(examined, attestations=tuple(attestations)))
        finally:
            self._recording -= 1

    async def _examine(self, claim: Claim, envelope: bytes, actor: str) -> Examined:
        # The envelope is the claim's one canonical form: `decode_claim` has seen to that.
        judging = Judging()
        digest = encode_base64url(envelope_digest(envelope))
        try:
            contract, nomenclature = await self._checked_envelope(claim, judging.envelope)
        except ProofRejected as error:
            refusal = (error.reason, error.detail)
            judging.answer()
            return Examined(claim, envelope, digest, actor, refusal, judging=judging)
        judging.ask()
        proof = await self.pool.judge(_task(claim))
        judging.answer()
        duties: tuple[Duty, ...] = ()
        if proof.reason is None and contract.attestations:
            duties = await asyncio.to_thread(attestation_duties, claim, contract, nomenclature)
        return Examined(
            claim, envelope, digest, actor, None, contract, proof, duties, judging=judging
        )

    async def _checked_envelope(
        self, claim: Claim, times: dict[str, float] | None = None
    ) -> tuple[Contract, Nomenclature]:
        """``times`` takes the milliseconds of each step."""
        snapshot = self.directory.snapshot
        try:
            return check_envelope(claim, snapshot, self.clock(), times)
        except ProofRejected as error:
            if error.reason not in _MAY_BE_NEWS:
                raise
        await self._refresh_for_miss()
        if times is not None:
            times.clear()
        return check_envelope(claim, self.directory.snapshot, self.clock(), times)

    async def verify(self, claim: Claim) -> dict[str, Any]:
        """The verdict on a claim by itself: nothing is recorded, and no record is looked at.

        Raises `ServiceError` "overloaded".
        """
        try:
            await self._checked_envelope(claim)
        except ProofRejected as error:
            return _stateless(claim, ProofVerdict(error.reason, error.detail))
        return _stateless(claim, await self.pool.judge(_task(claim)))

    async def invoice(self, claim_id: str, data: bytes, principal: Principal) -> str:
        """See `take_invoice`. Raises `EncodingError`, `StatementError` for what is no invoice."""
        invoice = decode_invoice(data)
        return await self.change(
            lambda connection: take_invoice(
                connection, self._step(claim_id, principal), invoice, data
            )
        )

    async def cancel(self, claim_id: str, data: bytes, principal: Principal) -> str:
        """See `take_cancellation`. Raises `EncodingError`, `StatementError` for what is none."""
        notice = decode_cancellation(data)
        return await self.change(
            lambda connection: take_cancellation(
                connection, self._step(claim_id, principal), notice, data
            )
        )

    async def decide(
        self, claim_id: str, decision: Decision, data: bytes, principal: Principal
    ) -> str:
        """See `take_decision`."""

        def act(connection: Connection) -> str:
            step = self._step(claim_id, principal)
            contract = self._contract_of(connection, claim_id)
            return take_decision(connection, step, decision, data, contract)

        return await self.change(act)

    async def attest(self, claim_id: str, data: bytes, principal: Principal) -> str:
        """See `take_attestation`. Raises `EncodingError`, `StatementError` for what is none."""
        attestation = decode_signed(Attestation, data)

        def act(connection: Connection) -> str:
            step = self._step(claim_id, principal)
            contract = self._contract_of(connection, claim_id)
            trust = self.directory.snapshot.trust
            return take_attestation(connection, step, attestation, contract, trust)

        return await self.change(act)

    def _contract_of(self, connection: Connection, claim_id: str) -> Contract | None:
        """The contract that the recorded claim was made for, None if this process knows none."""
        row = store.find_claim(connection, claim_id)
        if row is None:
            return None
        digest = decode_claim(row.envelope).contract_digest
        named = self.directory.snapshot.contracts.get(digest)
        return named.contract if named else None

    async def list_claims(
        self, chosen: ClaimFilter, principal: Principal, cursor: str | None, limit: int
    ) -> dict[str, Any]:
        """A page, newest first; an optician sees his own. Raises `ServiceError`
        "parameter_invalid" for a cursor that is none."""
        before = None if cursor is None else decode_cursor(cursor)
        if principal.scope == "optician":
            if chosen.optician_id not in (None, principal.optician_id):
                return {"claims": [], "next": None}
            chosen = ClaimFilter(**(vars(chosen) | {"optician_id": principal.optician_id}))
        now = encode_instant(self.clock())
        rows = await self.look(
            lambda connection: store.list_claims(connection, chosen, now, before, limit + 1)
        )
        following = encode_cursor(rows[limit - 1].sequence) if len(rows) > limit else None
        return {"claims": [summary_facts(row) for row in rows[:limit]], "next": following}

    async def claim(self, claim_id: str, principal: Principal) -> dict[str, Any]:
        """One claim with its verdict, its history and what it says. Raises `ServiceError`
        "not_found", also for another optician's."""
        now = encode_instant(self.clock())

        def act(connection: Connection) -> Any:
            row = store.claim_summary(connection, claim_id, now)
            if row is None:
                return None
            whole = store.find_claim(connection, claim_id)
            duties = attestations_store.duties_of(connection, claim_id)
            given = attestations_store.attestations_of(connection, claim_id)
            return row, whole, store.history_of(connection, claim_id), duties, given

        found = await self.look(act)
        if found is None:
            raise ServiceError("not_found", NOT_FOUND)
        row, whole, history, duties, given = found
        if principal.scope == "optician" and row.optician_id != principal.optician_id:
            raise ServiceError("not_found", NOT_FOUND)
        said = json.loads(whole.envelope)
        asked = []
        if duties:
            asked = read_duties(duties, await self._known_contract(said["contract_digest"]))
        return summary_facts(row) | {
            "verdict_answer": json.loads(whole.answer),
            "attestations": detail_facts(asked, given),
            "claim": {name: said[name] for name in said if name not in ("proof", "signature")},
            "history": [
                {
                    "at": whole.received_at,
                    "kind": "judged",
                    "actor": whole.actor,
                    "facts": {"verdict": whole.verdict, "reason": whole.reason},
                },
                *(
                    {
                        "at": event.at,
                        "kind": event.kind,
                        "actor": event.actor,
                        "facts": json.loads(event.facts),
                    }
                    for event in history
                ),
            ],
        }

    async def _known_contract(self, digest: str) -> Contract:
        """A contract that another process may have just added. Raises `ServiceError`
        "overloaded"."""
        if digest not in self.directory.snapshot.contracts:
            await self._refresh_for_miss()
        version = self.directory.snapshot.contracts.get(digest)
        if version is None:
            raise ServiceError("overloaded", UNKNOWN_CONTRACT, retry_after=RETRY_AFTER_SECONDS)
        return version.contract

    # -- reference data -------------------------------------------------------------------------

    async def contracts(self) -> list[dict[str, Any]]:
        """Every version."""
        return [version.facts() for version in self.directory.snapshot.contracts.values()]

    async def contract(self, digest: str) -> dict[str, Any]:
        """One version with its document. Raises `ServiceError` "not_found"."""
        version = self.directory.snapshot.contracts.get(digest)
        if version is None:
            raise ServiceError("not_found", "no contract of that digest")
        return version.facts() | {"document": json.loads(version.document)}

    async def nomenclatures(self) -> list[dict[str, Any]]:
        """Every version."""
        versions = self.directory.snapshot.nomenclatures.values()
        return await asyncio.to_thread(lambda: [version.facts() for version in versions])

    async def nomenclature_file(self, digest: str) -> bytes:
        """The table's file. Raises `ServiceError` "not_found"."""
        return (await self._nomenclature(digest)).document

    async def nomenclature(self, digest: str, day: date | None) -> dict[str, Any]:
        """One version with its classes on ``day``. Raises `ServiceError` "not_found",
        "parameter_invalid" for a day on which the table holds nothing."""
        version = await self._nomenclature(digest)

        def act() -> dict[str, Any]:
            on = _day_in(version.table, day)
            names = [entry.code for entry in version.table.classes()]
            classes = [class_facts(version.table, name, on, None) for name in names]
            return version.facts() | {"date": on.isoformat(), "classes": classes}

        return await _of_table(act)

    async def nomenclature_class(
        self, digest: str, regroupement: str, day: date | None
    ) -> dict[str, Any]:
        """One class with its codes and cells on ``day``. Raises as `nomenclature`."""
        version = await self._nomenclature(digest)
        if regroupement not in {entry.code for entry in version.table.classes()}:
            raise ServiceError("not_found", "no such class in this nomenclature")

        def act() -> dict[str, Any]:
            on = _day_in(version.table, day)
            facts = class_facts(version.table, regroupement, on, None)
            rows = version.table.class_rows(regroupement, on) if facts["codes"] else ()
            return {
                "digest": digest,
                "date": on.isoformat(),
                "class": facts,
                "codes": [code_facts(row, None) for row in rows],
            }

        return await _of_table(act)

    def publications(self, digest: str | None) -> list[dict[str, Any]]:
        """Those of the document with that digest, or all."""
        recorded = self.directory.snapshot.publications
        found = recorded.values() if digest is None else [recorded.get(digest, [])]
        return [entry.facts() for entries in found for entry in entries]

    async def circuit(self, digest: str) -> dict[str, Any]:
        """What a circuit that was judged consists of, compiled anew. Raises `ServiceError`
        "not_found"."""
        row = await self.look(lambda connection: reference.find_circuit(connection, digest))
        snapshot = self.directory.snapshot
        if row is None:
            raise ServiceError("not_found", "no claim with that circuit was judged")
        declared = json.loads(row.declaration)

        def act() -> dict[str, Any]:
            contract = snapshot.contracts[row.contract_digest].contract
            table = snapshot.nomenclatures[row.nomenclature_digest].table
            lines = tuple(DeclaredLine(**line) for line in declared["lines"])
            declaration = Declaration(
                declared["statement"], lines, declared["level"], declared["price_class"]
            )
            circuit = compile_statement(declaration, contract, table, row.day).circuit
            return {
                "digest": encode_base64url(circuit.digest),
                "statement": declaration.statement,
                "contract_digest": row.contract_digest,
                "nomenclature_digest": row.nomenclature_digest,
                "period_start": table.period_start(row.day).isoformat(),
                "declaration": declared,
                "wires": circuit.wires,
                "degree": circuit.degree,
                "equations": len(circuit.equations),
                "lines": len(circuit.lines),
                "proof_bytes": proof_bytes(circuit, load_group()),
                "description": circuit.describe(),
            }

        return await asyncio.to_thread(act)

    async def _nomenclature(self, digest: str) -> NomenclatureVersion:
        version = self.directory.snapshot.nomenclatures.get(digest)
        if version is None:
            raise ServiceError("not_found", "no nomenclature of that digest")
        await asyncio.to_thread(lambda: version.table)
        return version

    # -- doors to the database ------------------------------------------------------------------

    @property
    def writer(self) -> Writer[Examined, str]:
        """The running writer. Raises `ServiceError` "overloaded" before `start`."""
        if self._writer is None:
            raise ServiceError("overloaded", "the service is starting", retry_after=1)
        return self._writer

    async def look(self, act: Callable[[Connection], Result]) -> Result:
        """What ``act`` reads. Raises `ServiceError` "storage_unavailable"."""

        def read() -> Result:
            with self.database.read() as connection:
                return act(connection)

        try:
            return await asyncio.to_thread(read)
        except StorageError as error:
            raise ServiceError("storage_unavailable", str(error), retry_after=2) from None

    async def change(self, act: Callable[[Connection], Result]) -> Result:
        """What ``act`` returns after what it wrote is durable. Raises what it raises, and
        "storage_unavailable"."""
        changed: Any = await self.writer.run(act)  # type: ignore[arg-type]
        return changed  # type: ignore[no-any-return]

    async def administer(self, act: Callable[[Connection], Result]) -> Result:
        """`change`, and this process knows of it at once."""
        changed = await self.change(act)
        await self.refresh()
        return changed

    def _step(self, claim_id: str, principal: Principal) -> Step:
        # In the writing transaction, by the same clock as claims are recorded: a notice that waited
        # past its claim's deadline would be taken after another equipment was granted.
        return Step(claim_id, principal, self.directory.snapshot, self.clock())

    def _record(
        self, connection: Connection, items: Sequence[Examined]
    ) -> list[str | ServiceError]:
        return record_claims(connection, items, self.clock(), self.directory.snapshot.trust)


_MAY_BE_NEWS = frozenset(
    (
        "optician_unknown",
        "contract_mismatch",
        "contract_unpublished",
        "nomenclature_mismatch",
        "nomenclature_unpublished",
    )
)


def _task(claim: Claim) -> ProofTask:
    return ProofTask(claim, claim.contract_digest, claim.nomenclature_digest)


def _stateless(claim: Claim, verdict: ProofVerdict) -> dict[str, Any]:
    return {
        "claim_id": claim.claim_id,
        "verdict": "accepted" if verdict.reason is None else "refused",
        "reason": verdict.reason,
        "detail": verdict.detail,
        "circuit_digest": verdict.circuit_digest,
    }


def _day_in(table: Nomenclature, day: date | None) -> date:
    on = default_day(table) if day is None else day
    table.period_start(on)  # refuses a day on which the table holds nothing
    return on


async def _of_table(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return await asyncio.to_thread(act)
    except ZkError as error:
        raise ServiceError("parameter_invalid", str(error), places=("date",)) from None
