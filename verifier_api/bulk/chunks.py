"""What a worker does: a chunk of claims in, rows of verdicts out.

`judge_chunk` depends on nothing but its arguments and the documents that they name by digest: any
worker gives the same rows, and a chunk that was judged twice has done no harm. Workers write
nothing.
"""

from __future__ import annotations

import gc
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from circuits.canonical import encode_base64url
from circuits.claim import claim_digest, encode_instant
from circuits.contract import contract_digest, parse_contract
from circuits.nomenclature import Nomenclature
from verifier_api.batches import Entry, judge_entries
from verifier_api.judge import Judge
from verifier_api.keys import parse_keys
from zk.backends import load_group
from zk.errors import ZkError
from zk.generators import generators_of

BATCH = 512
"""Claims whose proofs are verified together."""

ACCEPTED, REFUSED, UNREADABLE = "accepted", "refused", "unreadable"
VERDICTS = (ACCEPTED, REFUSED, UNREADABLE)
"""What a row can say. An entry that is no claim is unreadable, and that is its reason too."""

MAX_KEPT = 4
"""Sets of documents that one worker keeps. The oldest go first."""


class Row(NamedTuple):
    """The verdict on one entry. ``claim_id``, ``optician_id`` and ``claim_digest`` (base64url) are
    what the claim says, None if it is none; ``reason`` is None exactly if it is accepted."""

    claim_id: str | None
    optician_id: str | None
    claim_digest: str | None
    verdict: str
    reason: str | None
    detail: str


@dataclass(frozen=True)
class Task:
    """The entries of a chunk, as a worker needs them: their bytes, and by place in the chunk the
    problems of those that could not be read."""

    datas: Sequence[bytes] = field(repr=False)
    problems: Mapping[int, str] = field(repr=False, default_factory=dict)

    def __repr__(self) -> str:
        # Schedulers write the arguments of what fails into their logs.
        return f"Task of {len(self.datas)} entries"


@dataclass(frozen=True)
class Documents:
    """The files that a run judges by, and the moment as of which it judges."""

    contract: bytes = field(repr=False)
    keys: bytes = field(repr=False)
    nomenclature: bytes = field(repr=False)
    now: datetime

    @property
    def digest(self) -> str:
        """Names these documents at this moment; base64url."""
        hashed = hashlib.sha256()
        for part in (*self._files(), encode_instant(self.now).encode()):
            hashed.update(len(part).to_bytes(8, "big") + part)
        return encode_base64url(hashed.digest())

    def facts(self) -> dict[str, str]:
        """Digests and moment, for the manifest. That of the keys is of the file's bytes.

        Raises as the parsers do, and `StatementError` if the documents do not go together.
        """
        judge = self.judge()
        return {
            "contract_digest": encode_base64url(contract_digest(judge.own_contract)),
            "keys_digest": encode_base64url(hashlib.sha256(self.keys).digest()),
            "nomenclature_digest": encode_base64url(judge.own_nomenclature.digest),
            "now": encode_instant(self.now),
        }

    def judge(self) -> Judge:
        """The judge by these documents. Raises as their parsers."""
        return Judge(
            parse_contract(self.contract),
            Nomenclature.parse(self.nomenclature),
            parse_keys(self.keys),
            generators_of(load_group()),
            lambda: self.now,
        )

    def _files(self) -> tuple[bytes, bytes, bytes]:
        return self.contract, self.keys, self.nomenclature


class UnknownDocuments(Exception):
    """This worker was never told the documents of that digest."""


_judges: OrderedDict[str, Judge] = OrderedDict()
_lock = threading.Lock()  # a worker of a cluster may have several threads


def learn(documents: Documents) -> None:
    """Make the judge of these documents, once in the life of a worker."""
    with _lock:
        if documents.digest in _judges:
            return
        _judges[documents.digest] = documents.judge()
        while len(_judges) > MAX_KEPT:
            _judges.popitem(last=False)
        gc.collect()
        gc.freeze()  # tables live long: spare the garbage collector looking them through


def judge_chunk(documents_digest: str, task: Task) -> list[Row]:
    """The verdicts on the entries, in their order; never raises for a bad one.

    Raises `UnknownDocuments` unless `learn` was told the documents.
    """
    with _lock:
        judge = _judges.get(documents_digest)
        if judge is None:
            raise UnknownDocuments("the worker was not told what to judge by")
        return list(_rows(judge, task))


def _rows(judge: Judge, task: Task) -> Iterator[Row]:
    entries = (
        Entry("", len(data), data, task.problems.get(place, ""))
        for place, data in enumerate(task.datas)
    )
    for _, outcome in judge_entries(judge, entries, BATCH):
        if isinstance(outcome, ZkError):
            yield Row(None, None, None, UNREADABLE, UNREADABLE, str(outcome))
            continue
        claim, verdict = outcome.claim, outcome.verdict
        yield Row(
            claim.claim_id,
            claim.optician_id,
            encode_base64url(claim_digest(claim)),
            ACCEPTED if verdict.is_accepted else REFUSED,
            verdict.reason,
            verdict.detail,
        )
