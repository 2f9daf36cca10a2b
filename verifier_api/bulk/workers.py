"""The worker processes of this machine, one a core.

Each is a process pool of one, as the service's are: a process that dies takes its own chunks along
and no others. It is replaced, and they are judged again; a chunk that brings down several is given
up, and the run with it, for whatever is in it has to be looked at.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Protocol

from console.running import CommandError
from verifier_api.bulk.chunks import Documents, Row, judge_chunk, learn
from verifier_api.bulk.inputs import Chunk
from verifier_api.workers import follow_parent

MAX_ATTEMPTS = 3
"""Workers that one chunk may bring down before the run is given up."""

AHEAD = 2
"""Chunks that a worker has: one in work, and the next, so that it never waits for it."""


class Workers(Protocol):
    """Whoever judges chunks: takes some ahead, and gives them back in whatever order."""

    replaced: int
    """Workers that died so far."""

    def has_room(self) -> bool:
        """Whether another chunk is wanted now."""

    def submit(self, chunk: Chunk) -> None:
        """Have a chunk judged."""

    def next_done(self) -> tuple[Chunk, list[Row]]:
        """A chunk that is judged, waited for if need be.

        Raises `CommandError` ("workers") if workers die of it again and again, or are all gone.
        """

    def is_idle(self) -> bool:
        """Whether every chunk was given back."""

    def close(self) -> None:
        """End, whatever is in work."""


def usable_cores() -> int:
    """Cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class _Slot:
    executor: ProcessPoolExecutor
    has_documents: bool = False
    waiting: list[Chunk] = field(default_factory=list)  # the first is in work


class LocalWorkers:
    """Implements `Workers` with ``jobs`` processes."""

    def __init__(self, documents: Documents, jobs: int) -> None:
        self.replaced = 0
        self._documents = documents
        self._digest = documents.digest
        self._slots = [_Slot(self._new_executor()) for _ in range(jobs)]
        self._futures: dict[Future[list[Row]], tuple[_Slot, Chunk]] = {}
        self._attempts: dict[int, int] = {}

    def has_room(self) -> bool:
        """As `Workers` says."""
        return any(len(slot.waiting) < AHEAD for slot in self._slots)

    def submit(self, chunk: Chunk) -> None:
        """As `Workers` says."""
        self._give(min(self._slots, key=lambda slot: len(slot.waiting)), chunk)

    def next_done(self) -> tuple[Chunk, list[Row]]:
        """As `Workers` says."""
        while True:
            done, _ = wait(self._futures, return_when=FIRST_COMPLETED)
            future = next(iter(done))
            slot, chunk = self._futures[future]
            try:
                rows = future.result()
            except BrokenProcessPool:
                self._replace(slot)
                continue
            del self._futures[future]
            slot.waiting.remove(chunk)
            self._attempts.pop(chunk.number, None)
            return chunk, rows

    def is_idle(self) -> bool:
        """As `Workers` says."""
        return not self._futures

    def process_ids(self) -> list[int]:
        """Of the workers that have started."""
        return [pid for slot in self._slots for pid in getattr(slot.executor, "_processes", {})]

    def close(self) -> None:
        """As `Workers` says."""
        for slot in self._slots:
            _end(slot.executor)

    def _give(self, slot: _Slot, chunk: Chunk) -> None:
        try:
            if not slot.has_documents:
                # A task, not arguments of the start: those are written by this thread, which would
                # wait for ever if the process were killed before it has read them all.
                slot.executor.submit(learn, self._documents)
                slot.has_documents = True
            future = slot.executor.submit(judge_chunk, self._digest, chunk.task())
        except BrokenProcessPool:  # it died while it had nothing to do, or just now
            self._replace(slot)
            self._give(slot, chunk)
            return
        slot.waiting.append(chunk)
        self._futures[future] = slot, chunk

    def _replace(self, slot: _Slot) -> None:
        self.replaced += 1
        _end(slot.executor)
        again, slot.waiting = slot.waiting, []
        self._futures = {f: held for f, held in self._futures.items() if held[0] is not slot}
        if again:  # what was in work when it died
            guilty = again[0]
            self._attempts[guilty.number] = self._attempts.get(guilty.number, 0) + 1
            if self._attempts[guilty.number] >= MAX_ATTEMPTS:
                raise given_up(guilty)
        elif self.replaced >= MAX_ATTEMPTS * len(self._slots):
            raise CommandError("workers", "worker processes die as soon as they start")
        slot.executor, slot.has_documents = self._new_executor(), False
        for chunk in again:
            self._give(slot, chunk)

    def _new_executor(self) -> ProcessPoolExecutor:
        # Spawned: nothing of this process, such as open files, is in the workers.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=context, initializer=follow_parent)


def given_up(chunk: Chunk) -> CommandError:
    """The error for a chunk that brings workers down."""
    return CommandError(
        "workers",
        f"entries {chunk.first} to {chunk.last} brought down {MAX_ATTEMPTS} workers, or these had "
        "too little memory; everything judged so far is kept",
    )


def _end(executor: ProcessPoolExecutor) -> None:
    """Without waiting for what it does."""
    processes = list((getattr(executor, "_processes", None) or {}).values())
    executor.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()
