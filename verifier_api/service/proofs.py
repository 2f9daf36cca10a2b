"""What a worker process does: statements and proofs of a batch of claims, nothing else.

A worker has no keys, no database and no clock. It is sent contracts and tables once, by digest, and
keeps them; the circuits it compiles are kept by `circuits.statements`.
"""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Final, TypeVar

from circuits.canonical import encode_base64url
from circuits.claim import Claim
from circuits.contract import Contract, parse_contract
from circuits.nomenclature import Nomenclature
from verifier_api.judge import REASONS, check_statement
from verifier_api.workers import follow_parent
from zk.backends import load_group
from zk.encoding import Proof
from zk.errors import ProofRejected
from zk.generators import Generators, generators_of
from zk.instance import Instance
from zk.verify import verify_batch

Kept = TypeVar("Kept")

MAX_KEPT = 256
"""Contracts, and tables, that a worker keeps: more than one batch can name. The oldest go first."""


PROOF_STEPS: Final = ("statement", "decoding", "proof")
"""What a worker does with a claim, in order."""


@dataclass(frozen=True)
class ProofTask:
    """A claim whose envelope is in order, and the digests of the insurer's contract and table."""

    claim: Claim
    contract_digest: str
    nomenclature_digest: str


@dataclass(frozen=True)
class ProofVerdict:
    """``reason`` is None exactly if the proof is valid; ``circuit_digest`` is base64url, None if
    the statement was refused before there was a circuit.

    ``took`` has the microseconds of each of `PROOF_STEPS` as far as it came, the last being the one
    that failed if there is a reason; the proof's are its share of the batch. ``together`` is the
    number of proofs that were verified at once, 0 if this one was not.
    """

    reason: str | None
    detail: str = ""
    circuit_digest: str | None = None
    took: tuple[int, ...] = field(default=(), compare=False)
    together: int = field(default=0, compare=False)


@dataclass
class _Worker:
    generators: Generators
    contracts: OrderedDict[str, Contract] = field(default_factory=OrderedDict)
    nomenclatures: OrderedDict[str, Nomenclature] = field(default_factory=OrderedDict)

    def learn(self, documents: Mapping[str, tuple[str, bytes]]) -> None:
        for digest, (kind, document) in documents.items():
            if kind == "contract":
                _keep(self.contracts, digest, parse_contract(document))
            else:
                _keep(self.nomenclatures, digest, Nomenclature.parse(document))
        if documents:
            gc.collect()
            gc.freeze()  # tables live long: spare the garbage collector looking them through


def _keep(kept: OrderedDict[str, Kept], digest: str, document: Kept) -> None:
    kept[digest] = document
    while len(kept) > MAX_KEPT:
        kept.popitem(last=False)


_worker: _Worker | None = None


class MissingDocuments(Exception):
    """The worker does not have these digests; it is to be sent them. Survives pickling."""

    def __init__(self, digests: Sequence[str]) -> None:
        super().__init__(tuple(digests))
        self.digests = tuple(digests)


def start_worker() -> None:
    """Runs once in a fresh worker process."""
    global _worker
    follow_parent()
    _worker = _Worker(generators_of(load_group()))
    gc.freeze()


def judge_proofs(
    tasks: Sequence[ProofTask], documents: Mapping[str, tuple[str, bytes]]
) -> list[ProofVerdict]:
    """The verdicts in order; all proofs are verified together, and the bad ones are named.

    ``documents`` are contracts and tables (kind, file) that the worker has not seen. Raises
    `MissingDocuments` if one is still unknown.
    """
    assert _worker is not None
    worker = _worker
    worker.learn(documents)
    missing = {task.contract_digest for task in tasks} - worker.contracts.keys()
    missing |= {task.nomenclature_digest for task in tasks} - worker.nomenclatures.keys()
    if missing:
        raise MissingDocuments(sorted(missing))
    verdicts: list[ProofVerdict | None] = []
    ready: list[tuple[int, Instance, Proof, tuple[int, ...]]] = []
    for number, task in enumerate(tasks):
        contract = worker.contracts[task.contract_digest]
        nomenclature = worker.nomenclatures[task.nomenclature_digest]
        times: dict[str, float] = {}
        try:
            instance, proof = check_statement(
                task.claim, contract, nomenclature, worker.generators, times
            )
        except ProofRejected as error:
            verdicts.append(ProofVerdict(error.reason, error.detail, None, _took(times)))
            continue
        ready.append((number, instance, proof, _took(times)))
        verdicts.append(None)
    start = perf_counter_ns()
    bad = verify_batch(worker.generators, [(instance, proof) for _, instance, proof, _ in ready])
    share = (perf_counter_ns() - start) // 1000 // max(1, len(ready))
    for place, (number, instance, _, took) in enumerate(ready):
        digest = encode_base64url(instance.circuit.digest)
        is_bad = place in bad
        verdicts[number] = ProofVerdict(
            "proof_invalid" if is_bad else None,
            REASONS["proof_invalid"] if is_bad else "",
            digest,
            (*took, share),
            len(ready),
        )
    return [verdict for verdict in verdicts if verdict is not None]


def _took(times: Mapping[str, float]) -> tuple[int, ...]:
    """Milliseconds by step, in whole microseconds."""
    return tuple(round(milliseconds * 1000) for milliseconds in times.values())


def is_ready() -> bool:
    """Whether the worker has its generators; asking starts it."""
    return _worker is not None
