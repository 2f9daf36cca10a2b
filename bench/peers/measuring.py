"""The measurement: every system takes its turn in every round.

In a round each system proves, verifies and verifies a batch once (what is quick, several times),
with multiplications of the yardstick just before and after, and ours among them: the comparison
with ours is made of times of one round, seconds apart. Slow operations sit out some rounds.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from bench.peers.building import presentable
from bench.peers.running import SETUPS, PeerProcess, number, truth
from bench.peers.statement import (
    EDGES,
    WITNESSES,
    holds,
    make_statement,
    write_statement,
)
from bench.peers.systems import PeerError, System
from bench.timing import SLOW_TURNS, Yardstick

OPERATIONS = ("prove", "verify", "batch")
SLOW_SECONDS = 0.5  # an operation that takes longer sits out some rounds
ENOUGH_SECONDS = 0.03  # a quick one is repeated in its turn until about so long
MOST_REPEATS = 15
LONGEST_NOTES = 400


class NotValid(PeerError):
    """A system accepts what it must refuse, or refuses what it must accept."""


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    sizes: tuple[int, ...]
    rounds: int
    slow_rounds: int
    batch: int
    fill_seconds: float  # to make different proofs for the batch
    starts: int  # of fresh processes


PLANS = {
    "full": Plan((256, 1024, 4096), 9, 5, 256, 30.0, 3),
    "quick": Plan((256,), 3, 2, 32, 2.0, 1),
}


@dataclass
class Samples:
    """Of one operation of one system: the round of each sample, its seconds, and the seconds of a
    multiplication around it."""

    per: int = 1
    rounds: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    unit_seconds: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Medians, and every sample; seconds are of one proof, in a batch too."""
        ratios = [s / u for s, u in zip(self.seconds, self.unit_seconds, strict=True)]
        return {
            "units": round(median(ratios), 4),
            "median_seconds": round(median(self.seconds), 9),
            "rounds": self.rounds,
            "seconds": [round(s, 9) for s in self.seconds],
            "unit_seconds": [round(s, 9) for s in self.unit_seconds],
        }


def chosen_rounds(seconds: float, plan: Plan) -> frozenset[int]:
    """The rounds in which an operation of ``seconds`` takes part, spread over all."""
    if seconds <= SLOW_SECONDS or plan.slow_rounds >= plan.rounds:
        return frozenset(range(plan.rounds))
    last = max(plan.slow_rounds - 1, 1)
    return frozenset(round(k * (plan.rounds - 1) / last) for k in range(plan.slow_rounds))


class Candidate:
    """One system over one statement, from its set-up to its last sample.

    ``entry`` is what goes to the file of results. Its ``status`` is "measured", or "missing",
    "failed" or "not valid" with a ``reason``.
    """

    def __init__(self, system: System, kind: str, n: int | None, folder: Path, work: Path) -> None:
        self.system, self.folder, self.work = system, folder, work
        self.entry: dict[str, Any] = {
            "system": system.name,
            "kind": kind,  # of the statement: ours is beside other kinds as well
            "n": n,
            "status": "measured",
        }
        self.samples = {operation: Samples() for operation in OPERATIONS}
        self._process: PeerProcess | None = None
        self._seconds: dict[str, float] = {}
        self._rounds: dict[str, frozenset[int]] = {}
        self._proved: list[int] = []
        self._batch: list[int] = []
        self._turn = 0

    @property
    def is_alive(self) -> bool:
        """Whether it is still being measured."""
        return bool(self.entry["status"] == "measured")

    def attempt(self, step: Callable[[], None]) -> None:
        """A step, whose failure is written down and ends nothing but this candidate."""
        if not self.is_alive:
            return
        try:
            step()
        except (PeerError, OSError) as error:
            status = "not valid" if isinstance(error, NotValid) else "failed"
            self.fail(status, presentable(str(error)))

    def fail(self, status: str, reason: str) -> None:
        """It is not measured, and why; what was measured of it is dropped."""
        kept = {name: self.entry[name] for name in ("system", "kind", "n")}
        self.entry = kept | {"status": status, "reason": reason}
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        assert self._process is not None
        return self._process.ask(verb, **fields)

    # -- before the rounds ------------------------------------------------------------------------

    def prepare(self, statement: dict[str, Any], plan: Plan) -> None:
        """Start, set up, see that it proves what it should and refuses what it should, and make
        the proofs of the batch."""
        self.entry["load_before"] = round(os.getloadavg()[0], 2)
        self.work.mkdir(parents=True)
        write_statement(self.work, statement)
        self._process = PeerProcess(self.system.run, self.folder, self.work)
        versions = self._ask("versions")
        if "missing" in versions:
            self.fail("missing", presentable(str(versions["missing"])))
            return
        numbers = versions.get("versions")
        if not isinstance(numbers, dict):
            raise PeerError("versions: answered without versions")
        self.entry["versions"] = {
            presentable(str(k)): presentable(str(v)) for k, v in numbers.items()
        }
        self.entry["threads"] = int(number(versions, "threads"))
        self._set_up()
        self._check()
        self._fill(plan)

    def _set_up(self) -> None:
        answer = self._ask("setup")
        if answer.get("setup") not in SETUPS:
            raise PeerError(f"setup: none of {', '.join(SETUPS)}")
        self.entry["setup"] = {
            "seconds": round(number(answer, "seconds"), 6),
            "setup": answer["setup"],
            "forgeable": truth(answer, "forgeable"),
            "proving_key_bytes": int(number(answer, "proving_key_bytes")),
            "verifying_key_bytes": int(number(answer, "verifying_key_bytes")),
            "constraints": int(number(answer, "constraints")),
            "notes": presentable(str(answer.get("notes", "")), LONGEST_NOTES),
        }

    def _check(self) -> None:
        for index in range(EDGES):
            self._prove(index)
            self._verify(index)
        self._refuses("reject", 0, "accepts a proof beside other commitments")
        self._refuses("dishonest", 0, "accepts a proof about a witness that breaks the statement")

    def _refuses(self, verb: str, index: int, complaint: str) -> None:
        if not truth(self._ask(verb, index=index), "rejected"):
            raise NotValid(complaint)

    def _prove(self, index: int) -> float:
        answer = self._ask("prove", index=index)
        for name in ("proof_bytes", "public_bytes"):
            size = int(number(answer, name))
            if size == 0:
                raise PeerError(f"prove: {name} is 0")
            self.entry[name] = max(size, self.entry.get(name, 0))
        if index not in self._proved:
            self._proved.append(index)
        return number(answer, "seconds")

    def _verify(self, index: int) -> float:
        answer = self._ask("verify", index=index)
        if not truth(answer, "accepted"):
            raise NotValid("refuses an honest proof")
        return number(answer, "seconds")

    def _verify_batch(self, indices: Sequence[int]) -> float | None:
        answer = self._ask("batch", indices=list(indices))
        if "missing" in answer:
            self.entry["batch_missing"] = presentable(str(answer["missing"]))
            return None
        if not truth(answer, "accepted"):
            raise NotValid("refuses a batch of honest proofs")
        return number(answer, "seconds")

    def _fill(self, plan: Plan) -> None:
        self._seconds["prove"] = min(self._prove(0), self._prove(1))
        self._seconds["verify"] = min(self._verify(0), self._verify(1))
        if self._verify_batch([0, 1]) is not None:
            deadline = time.monotonic() + plan.fill_seconds
            for index in range(min(plan.batch, WITNESSES)):
                if time.monotonic() > deadline:
                    break
                if index not in self._proved:
                    self._prove(index)
            self._batch = list(islice(cycle(sorted(self._proved)), plan.batch))
            self.entry |= {"batch_size": len(self._batch), "distinct": len(set(self._batch))}
            self._seconds["batch"] = self._verify_batch(self._batch) or 0.0
            self.samples["batch"].per = len(self._batch)
        self._rounds = {name: chosen_rounds(s, plan) for name, s in self._seconds.items()}

    # -- the rounds -------------------------------------------------------------------------------

    def take_turn(self, round_: int, yardstick: Yardstick) -> None:
        """A sample of every operation that takes part in this round."""
        for operation, rounds in self._rounds.items():
            if round_ not in rounds:
                continue
            expected = self._seconds[operation]
            repeats = min(MOST_REPEATS, max(1, round(ENOUGH_SECONDS / max(expected, 1e-6))))
            turns = 1 if expected < ENOUGH_SECONDS else SLOW_TURNS
            if repeats > 1:
                self._call(operation)  # fills the caches that others have used; no sample
            before = yardstick.unit_seconds(turns)
            seconds = sum(self._call(operation) for _ in range(repeats)) / repeats
            after = yardstick.unit_seconds(turns)
            samples = self.samples[operation]
            samples.rounds.append(round_)
            samples.seconds.append(seconds / samples.per)
            samples.unit_seconds.append((before + after) / 2)

    def _call(self, operation: str) -> float:
        if operation == "batch":
            return self._verify_batch(self._batch) or 0.0
        index = self._proved[self._turn % len(self._proved)]
        self._turn += 1
        return self._prove(index) if operation == "prove" else self._verify(index)

    def finish(self) -> None:
        """After the rounds: refuse once more, write the samples down, end the process."""
        self._refuses("reject", 1, "accepts a proof beside other commitments")
        assert self._process is not None
        self.entry["peak_bytes"] = self._process.peak_bytes()
        for operation in self._rounds:
            self.entry[operation] = self.samples[operation].as_json()
        self.entry["load_after"] = round(os.getloadavg()[0], 2)
        self.close()

    # -- fresh processes --------------------------------------------------------------------------

    def start_cold(self) -> None:
        """A fresh process that loads and verifies one proof."""
        start = time.perf_counter()
        with PeerProcess(self.system.run, self.folder, self.work) as process, process.running():
            load = number(process.ask_running("load"), "seconds")
            answer = process.ask_running("verify", index=0)
            wall = time.perf_counter() - start
            if not truth(answer, "accepted"):
                raise NotValid("a fresh process refuses an honest proof")
            peak = process.peak_bytes()
        cold = self.entry.setdefault("cold", {"seconds": [], "load_seconds": [], "peak_bytes": 0})
        cold["seconds"].append(round(wall, 6))
        cold["load_seconds"].append(round(load, 6))
        cold["peak_bytes"] = max(cold["peak_bytes"], peak)

    def start_prover(self) -> None:
        """A fresh process that loads and proves once: its memory."""
        with PeerProcess(self.system.run, self.folder, self.work) as process, process.running():
            process.ask_running("load")
            process.ask_running("prove", index=0)
            self.entry["prove_peak_bytes"] = process.peak_bytes()


def measure_group(
    kind: str,
    n: int | None,
    systems: Sequence[tuple[System, Path]],
    plan: Plan,
    yardstick: Yardstick,
    advance: Callable[[str], None],
) -> list[dict[str, Any]]:
    """The entries of all ``systems`` (each with the folder it runs in) over one statement.

    ``advance`` is told before each step what is done; `steps_of` counts them.
    """
    statement = make_statement(kind, n or 0)
    label = f"{kind}, N = {n:,}" if n else kind
    if "sets" in statement:
        assert all(holds(statement, w["codes"], w["prices"]) for w in statement["witnesses"])
    with tempfile.TemporaryDirectory(prefix="peers-") as temporary:
        candidates = [
            Candidate(system, kind, n, folder, Path(temporary) / system.name)
            for system, folder in systems
        ]
        try:
            for candidate in candidates:
                advance(f"{label}: {candidate.system.name}, set-up")
                candidate.attempt(partial(candidate.prepare, statement, plan))
            for _ in range(plan.starts):
                for candidate in candidates:
                    advance(f"{label}: {candidate.system.name}, fresh process")
                    candidate.attempt(candidate.start_cold)
            for candidate in candidates:
                candidate.attempt(candidate.start_prover)
            for round_ in range(plan.rounds):
                first = round_ % len(candidates)
                for candidate in candidates[first:] + candidates[:first]:
                    advance(f"{label}: {candidate.system.name}, round {round_ + 1}")
                    candidate.attempt(partial(candidate.take_turn, round_, yardstick))
            for candidate in candidates:
                candidate.attempt(candidate.finish)
        finally:
            for candidate in candidates:
                candidate.close()
    return [candidate.entry for candidate in candidates]


def steps_of(systems: int, plan: Plan) -> int:
    """How many steps `measure_group` takes for so many systems."""
    return systems * (1 + plan.rounds + plan.starts)
