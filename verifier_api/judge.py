"""The insurer's judgement of a claim, by the insurer's own contracts, tables, keys and clock.

    1 key           the optician's key is registered, his own, and valid today
    2 signature     it signed the whole envelope
    3 contract      the claim names a contract of the insurer's, by identifiers and digest, in force
                    on the date of service, and published where publishers are relied upon
    4 nomenclature  and a table of the insurer's, by digest, likewise
    5 expiry        the claim has not expired, but soon will; the service is not in the future
    6 statement     allowed by the contract; classes, floor,
                    ground for an early renewal, ceilings, lines
    7 proof         canonical, and valid for the circuit that the insurer built

Nothing that a claim brings is trusted: it only says which of the insurer's own tables to look at.
Steps 1 to 5 are `check_envelope`, 6 and the decoding of 7 `check_statement`; between the two the
service looks at what it has recorded (`verifier_api.service`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

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
    "contract_unpublished": "no publisher whom the insurer relies on has published the contract",
    "nomenclature_mismatch": "the claim is made with another nomenclature",
    "nomenclature_unpublished": "no publisher whom the insurer relies on has published the "
    "nomenclature",
    "nomenclature_not_in_force": "another version of the nomenclature is in force on the date of "
    "service",
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


class References(Protocol):
    """The insurer's own documents and keys; a claim only names them."""

    def key(self, optician_id: str, key_id: str, today: date) -> Ed25519PublicKey | None:
        """The optician's own key of that id, if it is valid ``today``."""

    def contract(self, insurer_id: str, contract_id: str, digest: str, day: date) -> Contract:
        """The contract so named, in force on ``day``. Raises `ProofRejected` with
        "contract_mismatch", "contract_unpublished" or "contract_not_in_force"."""

    def nomenclature(self, digest: str, day: date) -> Nomenclature:
        """The table so named, in force on ``day``. Raises `ProofRejected` with
        "nomenclature_mismatch", "nomenclature_unpublished" or "nomenclature_not_in_force"."""


def check_envelope(
    claim: Claim, references: References, now: datetime, times: dict[str, float] | None = None
) -> tuple[Contract, Nomenclature]:
    """Steps 1 to 5: the insurer's documents that the claim is to be judged by.

    ``times`` takes the milliseconds of each step. Raises `ProofRejected` with a key of `REASONS`.
    """
    times = {} if times is None else times
    day = claim.date_of_service
    with _timed(times, "key"):
        key = references.key(claim.optician_id, claim.key_id, now.date())
        if key is None:
            raise rejected("optician_unknown")
    with _timed(times, "signature"):
        verify_signature(claim, key)
    with _timed(times, "contract"):
        contract = references.contract(
            claim.insurer_id, claim.contract_id, claim.contract_digest, day
        )
    with _timed(times, "nomenclature"):
        nomenclature = references.nomenclature(claim.nomenclature_digest, day)
    with _timed(times, "expiry"):
        if claim.expires_at < now:
            raise rejected("expired")
        # Differences: evidence may name the last instant of the calendar, after which is nothing.
        if claim.expires_at - now > MAX_VALIDITY:
            raise rejected("expiry_too_far")
        if day - now.date() > CLOCK_TOLERANCE:
            raise rejected("date_in_future")
    return contract, nomenclature


def check_statement(
    claim: Claim,
    contract: Contract,
    nomenclature: Nomenclature,
    generators: Generators,
    times: dict[str, float] | None = None,
) -> tuple[Instance, Proof]:
    """Step 6 and the decoding of the proof: what `zk.verify` has to look at.

    ``contract`` and ``nomenclature`` are those of `check_envelope`. Raises `ProofRejected` with a
    key of `REASONS`.
    """
    times = {} if times is None else times
    with _timed(times, "statement"):
        instance = _instance(claim, contract, nomenclature, generators)
    with _timed(times, "decoding"):
        try:
            proof = decode_proof(claim.proof_bytes(), instance.circuit, generators.group)
        except EncodingError as error:
            raise rejected("proof_malformed", error) from None
    return instance, proof


def _instance(
    claim: Claim, contract: Contract, nomenclature: Nomenclature, generators: Generators
) -> Instance:
    try:
        _, instance = build_instance(claim, contract, nomenclature, generators.group)
    except ContractPeriodError as error:
        raise rejected("contract_not_in_force", error) from None
    except NotAllowedError as error:
        raise rejected("statement_not_allowed", error) from None
    except GroundError as error:
        raise rejected("ground_not_allowed", error) from None
    except FloorError as error:
        raise rejected("floor", error) from None
    except CeilingError as error:
        raise rejected("ceiling_exceeded", error) from None
    except (StatementError, EncodingError) as error:
        raise rejected("statement_invalid", error) from None
    return instance


@dataclass(frozen=True)
class Judge:
    """Every judgement by one contract and one table: what the commands do.

    ``clock`` yields aware datetimes. Implements `References`.
    """

    own_contract: Contract
    own_nomenclature: Nomenclature
    keys: KeyRegistry
    generators: Generators
    clock: Callable[[], datetime]

    def __post_init__(self) -> None:
        """Refuse a price cap for a class that the table does not know (`StatementError`)."""
        require_classes_known(self.own_contract, self.own_nomenclature)

    def key(self, optician_id: str, key_id: str, today: date) -> Ed25519PublicKey | None:
        """As `References` says."""
        return self.keys.find(optician_id, key_id, today)

    def contract(self, insurer_id: str, contract_id: str, digest: str, day: date) -> Contract:
        """As `References` says; whether it is in force is left to the statement."""
        own = self.own_contract
        if (insurer_id, contract_id) != (own.insurer_id, own.contract_id):
            raise rejected("contract_mismatch")
        if digest != encode_base64url(contract_digest(own)):
            raise rejected("contract_mismatch")
        return own

    def nomenclature(self, digest: str, day: date) -> Nomenclature:
        """As `References` says; the one table is always in force."""
        if digest != encode_base64url(self.own_nomenclature.digest):
            raise rejected("nomenclature_mismatch")
        return self.own_nomenclature

    def judge(self, claim: Claim) -> Verdict:
        """The verdict on one claim; never raises for a bad one."""
        times: dict[str, float] = {}
        try:
            documents = check_envelope(claim, self, self.clock(), times)
            instance, proof = check_statement(claim, *documents, self.generators, times)
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
                documents = check_envelope(claim, self, self.clock())
                ready.append((number, *check_statement(claim, *documents, self.generators)))
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


def rejected(reason: str, cause: ZkError | None = None) -> ProofRejected:
    """The refusal with that key of `REASONS`, in the words of its cause."""
    return ProofRejected(reason, str(cause) if cause else REASONS[reason])


@contextmanager
def _timed(times: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        times[step] = (time.perf_counter() - start) * 1000
