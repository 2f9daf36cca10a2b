"""The one thread of a process that writes: all claims that wait are recorded in one transaction.

A transaction is durable before anyone is answered. While it runs, more claims gather for the next;
so a flush to disk serves many claims under load, and one when there is one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from verifier_api.service.errors import ServiceError
from verifier_api.store.database import Database, StorageError

MAX_TOGETHER = 256
RETRY_AFTER_SECONDS = 2

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Job:
    """An item to record, or (``act``) something else to do in a transaction of its own."""

    answer: asyncio.Future[Any]
    item: Any = None
    act: Callable[[Connection], Any] | None = None


class Writer(Generic[Item, Result]):
    """``record`` gets a connection in a writing transaction and items in their order, and returns
    a result for each: a value, or a `ServiceError` to raise."""

    def __init__(
        self,
        database: Database,
        record: Callable[[Connection, Sequence[Item]], Sequence[Result | ServiceError]],
    ) -> None:
        self._database = database
        self._record = record
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._serve, name="writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """End it after what it was given is done; what comes later is refused."""
        self._is_stopping = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    async def record(self, item: Item) -> Result:
        """What ``record`` returned for the item, after it became durable.

        Raises `ServiceError`: what ``record`` returned, "storage_unavailable", or "overloaded"
        after `stop`.
        """
        answer: asyncio.Future[Result] = self._loop.create_future()
        self._put(_Job(answer, item))
        return await answer

    async def run(self, act: Callable[[Connection], Result]) -> Result:
        """What ``act`` returns, after its writing transaction became durable. Raises what it
        raises, "storage_unavailable", or "overloaded" after `stop`."""
        answer: asyncio.Future[Result] = self._loop.create_future()
        self._put(_Job(answer, act=act))
        return await answer

    def _put(self, job: _Job) -> None:
        if self._is_stopping:  # nobody would ever answer
            detail = "the service is stopping"
            raise ServiceError("overloaded", detail, retry_after=RETRY_AFTER_SECONDS)
        self._jobs.put(job)

    # -- the thread -----------------------------------------------------------------------------

    def _serve(self) -> None:
        is_open = True
        while is_open:
            jobs: list[_Job] = []
            job = self._jobs.get()
            while job is not None:
                jobs.append(job)
                if len(jobs) == MAX_TOGETHER or self._jobs.empty():
                    break
                job = self._jobs.get()
            is_open = job is not None
            items = [job for job in jobs if job.act is None]
            outcomes = self._record_all(items) if items else []
            for other in jobs:
                if other.act is not None:
                    outcomes.append((other, self._attempt(other.act)))
            self._loop.call_soon_threadsafe(_tell, outcomes)

    def _record_all(self, jobs: list[_Job]) -> list[tuple[_Job, Any]]:
        outcome = self._attempt(
            lambda connection: self._record(connection, [job.item for job in jobs])
        )
        if not isinstance(outcome, BaseException):
            return list(zip(jobs, outcome, strict=True))
        if len(jobs) == 1 or isinstance(outcome, ServiceError):
            return [(job, outcome) for job in jobs]
        # A fault of ours with one of them: the others are recorded.
        return [pair for job in jobs for pair in self._record_all([job])]

    def _attempt(self, act: Callable[[Connection], Any]) -> Any:
        try:
            with self._database.write() as connection:
                return act(connection)
        except StorageError as error:
            return ServiceError("storage_unavailable", str(error), retry_after=RETRY_AFTER_SECONDS)
        except Exception as error:
            return error


def _tell(outcomes: Sequence[tuple[_Job, Any]]) -> None:
    for job, outcome in outcomes:
        if job.answer.done():  # whoever asked has gone
            continue
        if isinstance(outcome, BaseException):
            job.answer.set_exception(outcome)
        else:
            job.answer.set_result(outcome)
