"""The insurer's judgement of a claim, by the insurer's own contract, table, keys and clock.

    1 key           the optician's key is registered, his own, and valid today
    2 signature     it signed the whole envelope
    3 contract      the claim names the insurer's contract, by identifiers and digest
    4 nomenclature  and the insurer's table, by digest
    5 expiry        the claim has not expired, but soon will; the service is not in the future
    6 statement     allowed by the contract in force on the date of service; classes, floor,
                    ground for an early renewal, ceilings, lines
    7 proof         canonical, and valid for the circuit that the insurer built

Nothing that a claim brings is trusted: it only says which of the insurer's own tables to look at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from circuits.canonical import encode_base64url
from circuits.claim import Claim, build_instance, verify_signature
from circuits.contract import Contract, contract_digest, require_classes_known
from circuits.declaration import FloorError
from circuits.equipment import CeilingError
from circuits.nomenclature import Nomenclature
from circuits.statements import ContractPeriodError, GroundError, NotAllowedError
from verifier_api.keys import KeyRegistry
from zk.encoding import Proof, decode_proof
from zk.errors import EncodingError, ProofRejected, StatementError, ZkError
from zk.generators import Generators
from zk.instance import Instance
from zk.verify import verify, verify_batch

REASONS = {
    "optician_unknown": "no such key of this optician is registered and valid",
    "signature_invalid": "the signature does not cover this claim",
    "contract_mismatch": "the claim is made for another insurer or contract",
    "nomenclature_mismatch": "the claim is made with another nomenclature",
    "expired": "the claim has expired",
    "expiry_too_far": "the claim could be accepted for longer than the insurer allows",
    "date_in_future": "the date of service is in the future",
    "contract_not_in_force": "the contract is not in force on the date of service",
    "statement_not_allowed": "the contract does not allow this statement",
    "ground_not_allowed": "the contract does not list this ground for an early renewal, or the "
    "statement takes none",
    "floor": "a code hides among fewer possibilities than the contract allows",
    "ceiling_exceeded": "an amount is over its reimbursement ceiling",
    "statement_invalid": "the declared lines make no statement",
    "proof_malformed": "the proof is not canonically encoded for this statement",
    "proof_invalid": "the proof does not prove this claim",
}
"""Reason codes, stable, with what they mean."""

MAX_VALIDITY = timedelta(days=92)
CLOCK_TOLERANCE = timedelta(days=1)  # a date of service is a day in the optician's time zone


@dataclass(frozen=True)
class Verdict:
    """``reason`` is None exactly when the claim is accepted; else a key of `REASONS`.

    ``milliseconds`` has the time of every step that ran. A verdict is not a payment decision.
    """

    claim_id: str
    reason: str | None = None
    detail: str = ""
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def is_accepted(self) -> bool:
        """Whether every step passed."""
        return self.reason is None


@dataclass(frozen=True)
class Judge:
    """The insurer's side of every judgement: contract, table, keys, and a clock that yields aware
    datetimes."""

    contract: Contract
    nomenclature: Nomenclature
    keys: KeyRegistry
    generators: Generators
    clock: Callable[[], datetime]

    def __post_init__(self) -> None:
        """Refuse a price cap for a class that the table does not know (`StatementError`)."""
        require_classes_known(self.contract, self.nomenclature)

    def judge(self, claim: Claim) -> Verdict:
        """The verdict on one claim; never raises for a bad one."""
        times: dict[str, float] = {}
        try:
            instance, proof = self._before_proof(claim, times)
            with _timed(times, "proof"):
                verify(self.generators, instance, proof)
        except ProofRejected as error:
            return Verdict(claim.claim_id, error.reason, error.detail, times)
        return Verdict(claim.claim_id, milliseconds=times)

    def judge_batch(self, claims: Sequence[Claim]) -> list[Verdict]:
        """The verdicts in order; all proofs are verified together, and the bad ones are named."""
        verdicts: list[Verdict | None] = []
        ready: list[tuple[int, Instance, Proof]] = []
        for number, claim in enumerate(claims):
            try:
                ready.append((number, *self._before_proof(claim, {})))
                verdicts.append(None)
            except ProofRejected as error:
                verdicts.append(Verdict(claim.claim_id, error.reason, error.detail))
        bad = set(
            verify_batch(self.generators, [(instance, proof) for _, instance, proof in ready])
        )
        for place, (number, _, _) in enumerate(ready):
            reason = ("proof_invalid", REASONS["proof_invalid"]) if place in bad else (None, "")
            verdicts[number] = Verdict(claims[number].claim_id, *reason)
        return [verdict for verdict in verdicts if verdict is not None]

    def _before_proof(self, claim: Claim, times: dict[str, float]) -> tuple[Instance, Proof]:
        """Steps 1 to 6 and the decoding of the proof; raises `ProofRejected` with a key of
        `REASONS`."""
        now = self.clock()
        with _timed(times, "key"):
            key = self.keys.find(claim.optician_id, claim.key_id, now.date())
            if key is None:
                raise _rejected("optician_unknown")
        with _timed(times, "signature"):
            verify_signature(claim, key)
        with _timed(times, "contract"):
            own = (self.contract.insurer_id, self.contract.contract_id)
            digest = encode_base64url(contract_digest(self.contract))
            if (claim.insurer_id, claim.contract_id) != own or claim.contract_digest != digest:
                raise _rejected("contract_mismatch")
        with _timed(times, "nomenclature"):
            if claim.nomenclature_digest != encode_base64url(self.nomenclature.digest):
                raise _rejected("nomenclature_mismatch")
        with _timed(times, "expiry"):
            if claim.expires_at < now:
                raise _rejected("expired")
            if claim.expires_at > now + MAX_VALIDITY:
                raise _rejected("expiry_too_far")
            if claim.date_of_service > (now + CLOCK_TOLERANCE).date():
                raise _rejected("date_in_future")
        with _timed(times, "statement"):
            instance = self._instance(claim)
        with _timed(times, "decoding"):
            try:
                proof = decode_proof(claim.proof_bytes(), instance.circuit, self.generators.group)
            except EncodingError as error:
                raise _rejected("proof_malformed", error) from None
        return instance, proof

    def _instance(self, claim: Claim) -> Instance:
        try:
            _, instance = build_instance(
                claim, self.contract, self.nomenclature, self.generators.group
            )
        except ContractPeriodError as error:
            raise _rejected("contract_not_in_force", error) from None
        except NotAllowedError as error:
            raise _rejected("statement_not_allowed", error) from None
        except GroundError as error:
            raise _rejected("ground_not_allowed", error) from None
        except FloorError as error:
            raise _rejected("floor", error) from None
        except CeilingError as error:
            raise _rejected("ceiling_exceeded", error) from None
        except (StatementError, EncodingError) as error:
            raise _rejected("statement_invalid", error) from None
        return instance


def _rejected(reason: str, cause: ZkError | None = None) -> ProofRejected:
    return ProofRejected(reason, str(cause) if cause else REASONS[reason])


@contextmanager
def _timed(times: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        times[step] = (time.perf_counter() - start) * 1000
