"""What a worker process does, here in the test's own: batches, documents, and what it forgets."""

from __future__ import annotations

import gc
import pickle
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from circuits.canonical import decode_base64url, encode_base64url
from circuits.claim import Claim, build_instance
from circuits.contract import contract_digest
from tests.support import claims as samples
from verifier_api.judge import REASONS
from verifier_api.service import proofs
from verifier_api.service.proofs import (
    PROOF_STEPS,
    MissingDocuments,
    ProofTask,
    ProofVerdict,
    is_ready,
    judge_proofs,
    start_worker,
)

CONTRACT = samples.contract()
TABLE = samples.nomenclature()
CONTRACT_DIGEST = encode_base64url(contract_digest(CONTRACT))
TABLE_DIGEST = encode_base64url(TABLE.digest)
DOCUMENTS = {
    CONTRACT_DIGEST: ("contract", CONTRACT.model_dump_json().encode()),
    TABLE_DIGEST: ("nomenclature", TABLE.to_bytes()),
}


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process as a fresh worker; it is none afterwards."""
    monkeypatch.setattr(gc, "freeze", lambda: None)
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(proofs, "_worker", None)
    start_worker()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    yield
    signal.signal(signal.SIGINT, before)


def task(claim: Claim, contract: str = CONTRACT_DIGEST, table: str = TABLE_DIGEST) -> ProofTask:
    return ProofTask(claim, contract, table)


def circuit_digest(claim: Claim) -> str:
    _, instance = build_instance(claim, CONTRACT, TABLE, samples.generators().group)
    return encode_base64url(instance.circuit.digest)


GOOD, _ = samples.sample_claim("equipment")
LINE, _ = samples.sample_claim("line")
PAIR, _ = samples.sample_claim("pair")
OTHER, _ = samples.claim_of(samples.sample_sale())
BAD = GOOD.model_copy(update={"proof": OTHER.proof})
"""The proof of another claim of the same circuit."""


def test_a_process_is_ready_once_it_was_started(worker: None) -> None:
    assert is_ready()


def test_a_process_that_was_not_started_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "_worker", None)
    assert not is_ready()


def test_valid_proofs_of_all_statements_together(worker: None) -> None:
    claims = [GOOD, LINE, PAIR, OTHER]
    verdicts = judge_proofs([task(claim) for claim in claims], DOCUMENTS)
    assert verdicts == [ProofVerdict(None, "", circuit_digest(claim)) for claim in claims]
    assert verdicts[0].circuit_digest == verdicts[3].circuit_digest
    assert len({verdict.circuit_digest for verdict in verdicts}) == 3


def test_the_bad_ones_are_named_in_their_places(worker: None) -> None:
    broken = GOOD.model_copy(update={"proof": encode_base64url(b"no proof")})
    ground = GOOD.model_copy(update={"early_renewal_ground": "because"})
    claims = [GOOD, BAD, LINE, broken, OTHER, ground]
    verdicts = judge_proofs([task(claim) for claim in claims], DOCUMENTS)
    assert [verdict.reason for verdict in verdicts] == [
        *(None, "proof_invalid", None),
        *("proof_malformed", None, "ground_not_allowed"),
    ]
    bad, malformed, refused = verdicts[1], verdicts[3], verdicts[5]
    assert (bad.detail, bad.circuit_digest) == (REASONS["proof_invalid"], circuit_digest(GOOD))
    assert malformed.detail
    assert (malformed.circuit_digest, refused.circuit_digest) == (None, None)


def test_every_step_that_ran_is_measured_and_the_proof_by_its_share(worker: None) -> None:
    broken = GOOD.model_copy(update={"proof": encode_base64url(b"no proof")})
    ground = GOOD.model_copy(update={"early_renewal_ground": "because"})
    claims = [GOOD, BAD, LINE, broken, OTHER, ground]
    verdicts = judge_proofs([task(claim) for claim in claims], DOCUMENTS)
    steps = [len(verdict.took) for verdict in verdicts]
    assert steps == [3, 3, 3, 2, 3, 1]
    assert [verdict.together for verdict in verdicts] == [4, 4, 4, 0, 4, 0]
    proved = [verdict for verdict in verdicts if verdict.together]
    (share,) = {verdict.took[-1] for verdict in proved}
    assert share > 0
    assert all(us >= 0 for verdict in verdicts for us in verdict.took)
    assert len(PROOF_STEPS) == 3


def test_nothing_to_judge(worker: None) -> None:
    assert judge_proofs([], {}) == []


def test_documents_are_sent_once(worker: None) -> None:
    judge_proofs([task(LINE)], DOCUMENTS)
    assert judge_proofs([task(GOOD)], {})[0].reason is None


def test_what_is_missing_is_named(worker: None) -> None:
    with pytest.raises(MissingDocuments) as caught:
        judge_proofs([task(LINE)], {})
    assert caught.value.digests == tuple(sorted((CONTRACT_DIGEST, TABLE_DIGEST)))
    with pytest.raises(MissingDocuments) as caught:
        judge_proofs([task(LINE), task(LINE, contract="other")], DOCUMENTS)
    assert caught.value.digests == ("other",)
    # What was sent with it is kept.
    assert judge_proofs([task(LINE)], {})[0].reason is None


def test_the_oldest_documents_are_forgotten(worker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "MAX_KEPT", 2)
    kind, document = DOCUMENTS[CONTRACT_DIGEST]
    judge_proofs([task(LINE)], DOCUMENTS)
    for name in ("a", "b"):
        judge_proofs([task(LINE, contract=name)], {name: (kind, document)})
    judge_proofs([task(LINE, contract="a"), task(LINE, contract="b")], {})
    with pytest.raises(MissingDocuments) as caught:
        judge_proofs([task(LINE)], {})
    assert caught.value.digests == (CONTRACT_DIGEST,)


def test_tasks_verdicts_and_what_is_missing_survive_the_way_to_the_worker() -> None:
    things: list[Any] = [task(GOOD), ProofVerdict("floor", "why", "x")]
    assert pickle.loads(pickle.dumps(things)) == things
    missing = pickle.loads(pickle.dumps(MissingDocuments(["a", "b"])))
    assert isinstance(missing, MissingDocuments)
    assert missing.digests == ("a", "b")


def test_a_circuits_digest_is_32_bytes(worker: None) -> None:
    (verdict,) = judge_proofs([task(LINE)], DOCUMENTS)
    assert verdict.circuit_digest is not None
    assert len(decode_base64url(verdict.circuit_digest)) == 32
