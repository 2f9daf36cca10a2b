"""Worker processes and micro-batches.

Claims wait in one bounded queue. A free worker takes all that wait, up to a limit; if fewer wait,
it lingers a few milliseconds for more. So a lone claim is hardly delayed, and under load batches
grow by themselves. A worker is a process pool of one: if its process dies or hangs it is replaced,
and its claims are tried again, each alone, so that whatever kills workers harms itself only.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from verifier_api.service.errors import ServiceError
from verifier_api.service.proofs import (
    MissingDocuments,
    ProofTask,
    ProofVerdict,
    is_ready,
    judge_proofs,
    start_worker,
)

MAX_ATTEMPTS = 3
"""Workers that one claim may bring down or hang before it is given up."""

GIVEN_UP = "given_up"
"""The reason of such a refusal."""

RETRY_AFTER_SECONDS = 1
START_SECONDS = 120
_PAUSE_SECONDS = 0.2

DocumentSource = Callable[[str], tuple[str, bytes]]
"""Kind ("contract" or "nomenclature") and file of a digest."""

BatchObserver = Callable[[int, float], None]
"""Told of every batch: claims in it, and seconds it took."""


@dataclass
class _Waiting:
    task: ProofTask
    answer: asyncio.Future[ProofVerdict]
    since: float
    attempts: int = 0


@dataclass
class _Slot:
    executor: ProcessPoolExecutor
    known: set[str] = field(default_factory=set)


class ProofPool:
    """See module docstring. Lives in one event loop; `start` before use, `stop` after."""

    def __init__(
        self,
        documents: DocumentSource,
        *,
        workers: int,
        queue_limit: int,
        batch_limit: int,
        linger_ms: float,
        batch_seconds: float,
        observe: BatchObserver = lambda _size, _seconds: None,
    ) -> None:
        self._documents = documents
        self._worker_count = workers
        self._queue_limit = queue_limit
        self._batch_limit = batch_limit
        self._linger = linger_ms / 1000
        self._batch_seconds = batch_seconds
        self._observe = observe
        self._queue: deque[_Waiting] = deque()
        self._suspects: deque[_Waiting] = deque()  # tried again alone
        self._arrived = asyncio.Condition()
        self._collecting = asyncio.Lock()
        self._slots: list[_Slot] = []
        self._serving: list[asyncio.Task[None]] = []
        self._in_flight = 0
        self.restarts = 0

    @property
    def depth(self) -> int:
        """Claims that wait or are being verified."""
        return len(self._queue) + len(self._suspects) + self._in_flight

    async def start(self) -> None:
        """Start the workers and wait until each can verify."""
        self._slots = [_Slot(_new_executor()) for _ in range(self._worker_count)]
        await asyncio.gather(*(self._wake(slot) for slot in self._slots))
        self._serving = [asyncio.create_task(self._serve(slot)) for slot in self._slots]

    async def stop(self) -> None:
        """End the workers. What still waits is refused as overloaded."""
        for serving in self._serving:
            serving.cancel()
        for serving in self._serving:
            with contextlib.suppress(asyncio.CancelledError):
                await serving
        for waiting in [*self._queue, *self._suspects]:
            _fail(waiting, _overloaded("the service is stopping"))
        self._queue.clear()
        self._suspects.clear()
        for slot in self._slots:
            _end(slot.executor)
        self._slots = []

    def is_alive(self) -> bool:
        """Whether there are workers that take claims."""
        return bool(self._serving) and not any(serving.done() for serving in self._serving)

    def process_ids(self) -> list[int]:
        """The workers' processes."""
        return [
            process.pid
            for slot in self._slots
            for process in _processes(slot.executor).values()
            if process.pid is not None
        ]

    async def judge(self, task: ProofTask) -> ProofVerdict:
        """The verdict on one claim's proof.

        Raises `ServiceError`: "overloaded" if the queue is full or workers fail on this claim again
        and again.
        """
        if self.depth >= self._queue_limit:
            raise _overloaded("too many claims are waiting")
        waiting = _Waiting(task, asyncio.get_running_loop().create_future(), time.monotonic())
        async with self._arrived:
            self._queue.append(waiting)
            self._arrived.notify()
        return await waiting.answer

    # -- a worker's life ------------------------------------------------------------------------

    async def _wake(self, slot: _Slot) -> None:
        ready = asyncio.wrap_future(slot.executor.submit(is_ready))
        await asyncio.wait_for(ready, START_SECONDS)

    async def _serve(self, slot: _Slot) -> None:
        while True:
            batch = await self._collect()
            self._in_flight += len(batch)
            try:
                await self._run(slot, batch)
            except asyncio.CancelledError:
                for waiting in batch:
                    _fail(waiting, _overloaded("the service is stopping"))
                raise
            finally:
                self._in_flight -= len(batch)

    async def _collect(self) -> list[_Waiting]:
        async with self._collecting:
            async with self._arrived:
                await self._arrived.wait_for(lambda: self._queue or self._suspects)
            if self._suspects:
                return [self._suspects.popleft()]
            left = self._queue[0].since + self._linger - time.monotonic()
            if left > 0 and len(self._queue) < self._batch_limit:
                await asyncio.sleep(left)
            size = min(len(self._queue), self._batch_limit)
            return [self._queue.popleft() for _ in range(size)]

    async def _run(self, slot: _Slot, batch: list[_Waiting]) -> None:
        batch = [waiting for waiting in batch if not waiting.answer.done()]
        if not batch:
            return
        start = time.monotonic()
        try:
            verdicts = await asyncio.wait_for(self._ask(slot, batch), self._batch_seconds)
        except (BrokenProcessPool, TimeoutError, OSError):
            await self._replace(slot)
            await self._try_again(batch)
            return
        except asyncio.CancelledError:
            raise
        except Exception:
            # A fault of ours in the worker: the claims that do not share it get their verdicts.
            await self._try_again(batch)
            return
        for waiting, verdict in zip(batch, verdicts, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(verdict)
        self._observe(len(batch), time.monotonic() - start)

    async def _ask(self, slot: _Slot, batch: list[_Waiting]) -> list[ProofVerdict]:
        tasks = [waiting.task for waiting in batch]
        named = {task.contract_digest for task in tasks}
        named |= {task.nomenclature_digest for task in tasks}
        sent = {digest: self._documents(digest) for digest in named - slot.known}
        for _ in range(MAX_ATTEMPTS):
            call = slot.executor.submit(judge_proofs, tasks, sent)
            try:
                verdicts = await asyncio.wrap_future(call)
            except MissingDocuments as error:  # it has forgotten some
                sent = {digest: self._documents(digest) for digest in error.digests}
                continue
            slot.known |= named
            return verdicts
        raise RuntimeError("a worker keeps forgetting its documents")

    async def _replace(self, slot: _Slot) -> None:
        self.restarts += 1
        _end(slot.executor)
        while True:
            slot.executor, slot.known = _new_executor(), set()
            try:
                await self._wake(slot)
                return
            except (BrokenProcessPool, TimeoutError, OSError):
                _end(slot.executor)
                await asyncio.sleep(_PAUSE_SECONDS)  # killed again while it started

    async def _try_again(self, batch: list[_Waiting]) -> None:
        for waiting in batch:
            waiting.attempts += 1
        async with self._arrived:
            for waiting in batch:
                if waiting.attempts < MAX_ATTEMPTS:
                    self._suspects.append(waiting)
                else:
                    _fail(waiting, _overloaded("this claim could not be verified", GIVEN_UP))
            self._arrived.notify_all()


def _overloaded(detail: str, reason: str | None = None) -> ServiceError:
    return ServiceError("overloaded", detail, reason=reason, retry_after=RETRY_AFTER_SECONDS)


def _fail(waiting: _Waiting, error: ServiceError) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)


def _new_executor() -> ProcessPoolExecutor:
    # Spawned, not forked: the server has threads and open connections.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=start_worker)


def _processes(executor: ProcessPoolExecutor) -> Mapping[int, multiprocessing.Process]:
    found: Mapping[int, multiprocessing.Process] | None = getattr(executor, "_processes", None)
    return dict(found or {})


def _end(executor: ProcessPoolExecutor) -> None:
    """Without waiting for what it does."""
    processes = list(_processes(executor).values())
    executor.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()
