"""The workers of a Dask scheduler: the same chunk function, on other machines.

Chunks travel to the workers and rows back; this process alone reads the input and writes verdicts.
Contract, keys and table go to every worker once, also to those that come later. The scheduler gives
the chunks of a worker that died to others. Whoever can speak to a scheduler can run code on its
workers, so it belongs on a network of its own or behind TLS.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import secrets
import time
from typing import Any

from console.running import CommandError, version_text
from verifier_api.bulk.arrow import INSTALL
from verifier_api.bulk.chunks import Documents, Row, judge_chunk, learn
from verifier_api.bulk.inputs import Chunk
from verifier_api.bulk.workers import AHEAD, given_up

CONNECT_SECONDS = 30
WITHOUT_WORKERS_SECONDS = 600
"""So long a run waits while the cluster has no worker at all: one may be on its way."""

_LOOK_SECONDS = 2.0

try:
    from distributed import Client, KilledWorker, Worker, WorkerPlugin
except ImportError:
    raise CommandError("missing", f"--scheduler needs Dask's distributed: {INSTALL}") from None


class DocumentsPlugin(WorkerPlugin):
    """Tells a worker what to judge by, as soon as it is there."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._version = version_text()

    def setup(self, worker: Worker) -> None:
        """Raises `RuntimeError` on a worker with another version of this program."""
        if version_text() != self._version:
            raise RuntimeError("the worker has another version of this program")
        learn(self._documents)


def _connect(address: str) -> Any:
    client: Any = Client  # its methods have no types
    return client(address, timeout=CONNECT_SECONDS, set_as_default=False)


class ClusterWorkers:
    """Implements `verifier_api.bulk.workers.Workers`.

    Raises `CommandError` ("scheduler") if none answers at ``address`` (``tcp://…`` or ``tls://…``),
    if it has no worker, or if a worker cannot take the documents.
    """

    def __init__(
        self, documents: Documents, address: str, without_workers: float = WITHOUT_WORKERS_SECONDS
    ) -> None:
        self.replaced = 0
        self._digest = documents.digest
        self._run = secrets.token_hex(8)
        self._without_workers = without_workers
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._chunks: dict[str, Chunk] = {}
        self._futures: dict[str, Any] = {}  # what nobody holds is forgotten by the scheduler
        self._threads: dict[str, int] = {}
        self._looked = self._seen_workers = time.monotonic()
        # What it has to say is told by our errors; its tracebacks are for nobody's terminal.
        for name in ("distributed", "distributed.client"):  # which has a level of its own
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client = _connect(address)
        except (OSError, ValueError, TypeError, RuntimeError):
            raise CommandError("scheduler", "no Dask scheduler answers at that address") from None
        try:
            self._begin(documents)
        except BaseException:
            self.close()
            raise

    def _begin(self, documents: Documents) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except OSError:
            raise CommandError("scheduler", "the Dask scheduler has no worker") from None
        try:
            self._client.register_plugin(DocumentsPlugin(documents), name=self._name)
        except Exception:
            # The worker's error is of its libraries; its message might say anything.
            raise CommandError(
                "scheduler",
                "a Dask worker cannot judge: it needs the same version of this program",
            ) from None
        self._threads = dict(self._client.nthreads())

    @property
    def _name(self) -> str:
        return f"clairobscur-{self._run}"

    def has_room(self) -> bool:
        """As `Workers` says."""
        return len(self._futures) < AHEAD * max(1, sum(self._threads.values()))

    def submit(self, chunk: Chunk) -> None:
        """As `Workers` says."""
        key = f"{self._name}-{chunk.number}"
        future = self._client.submit(judge_chunk, self._digest, chunk.task(), key=key, pure=False)
        self._chunks[key], self._futures[key] = chunk, future
        future.add_done_callback(self._done.put)

    def next_done(self) -> tuple[Chunk, list[Row]]:
        """As `Workers` says; also raises `CommandError` ("scheduler") if the scheduler is lost."""
        while True:
            self._look()
            try:
                future = self._done.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            return self._result(future)

    def _result(self, future: Any) -> tuple[Chunk, list[Row]]:
        """Rows that died with their worker, before they were fetched, are computed again."""
        chunk = self._chunks[future.key]
        while future.status != "cancelled":
            try:
                rows: list[Row] = future.result(timeout=_LOOK_SECONDS)
            except TimeoutError:
                self._look()
            except asyncio.CancelledError:
                break
            except KilledWorker:
                raise given_up(chunk) from None
            else:
                del self._chunks[future.key], self._futures[future.key]
                return chunk, rows
        raise self._lost()

    def _look(self) -> None:
        """Count the workers now and then."""
        if self._client.status != "running":
            raise self._lost()
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        try:
            threads = dict(self._client.nthreads())
        except OSError:
            raise self._lost() from None
        self.replaced += len(self._threads.keys() - threads.keys())
        self._threads = threads
        if threads:
            self._seen_workers = now
        elif now - self._seen_workers > self._without_workers:
            raise CommandError(
                "workers", "the Dask scheduler has no worker any more; what was judged is kept"
            )

    def _lost(self) -> CommandError:
        return CommandError(
            "scheduler", "the Dask scheduler is gone; run the same command again to go on"
        )

    def is_idle(self) -> bool:
        """As `Workers` says."""
        return not self._futures

    def close(self) -> None:
        """As `Workers` says."""
        try:
            if self._client.status == "running":
                self._client.unregister_worker_plugin(self._name)
        except Exception:
            pass  # it goes with the scheduler
        self._client.close(timeout=5)
