"""Every change of an attestation that the insurer takes, signed again by the attester or not.

A mutation starts from the attestation of the first line of a granted claim, which is taken in the
end (`test_the_accept_of_all_of_them`), and names the reason of the refusal: a key of
`circuits.attestation.ATTESTATION_REASONS`, or "accepted".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.attestation import (
    ATTESTATION_REASONS,
    Attestation,
    AttestationRequest,
    Duty,
    require_attestation,
)
from circuits.canonical import decode_base64url, encode_base64url
from circuits.claim import Claim, claim_digest
from circuits.signed import make_signed
from circuits.signing import framed_bytes
from tests.support import attesting, records
from tests.support.attesting import LAB, OTHER_LAB, TRUST, attestation, rule
from tests.support.records import NOW
from verifier_api.service.access import Principal
from verifier_api.service.attestations import take_attestation
from verifier_api.service.directory import Snapshot
from verifier_api.service.errors import ServiceError
from verifier_api.service.notices import Step
from verifier_api.service.recording import Examined, record_claims
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database
from zk.errors import ProofRejected

CONTRACT = records.contract(attestations=(rule("VM4", within_days=10),))
DUTIES = tuple(Duty(line, 0, (LAB,), ("code",), 10) for line in (1, 2))
SHOP = Principal("token-shop", "optician", records.SHOP)
SECOND = timedelta(seconds=1)


class Granted:
    """An insurer's database with a claim of two lenses that are to be attested, and another's."""

    def __init__(self, folder: Path) -> None:
        self.database: Database = records.database_with_rights(folder)
        self.claim, self.other = records.claim("the-claim"), records.claim("the-other", **CHILD)
        with self.database.write() as connection:
            items = [self.examined(claim) for claim in (self.claim, self.other)]
            record_claims(connection, items, NOW, TRUST)
        self.accept = attestation(self.claim)
        self.used = attestation(self.other)
        assert self.refusal(self.used, self.other) == "accepted"

    @staticmethod
    def examined(claim: Claim) -> Examined:
        made = records.examined(claim, of_contract=CONTRACT)
        return Examined(
            *(made.claim, made.envelope, made.digest, made.actor, None, CONTRACT, made.proof),
            duties=DUTIES,
        )

    def refusal(self, given: Attestation, about: Claim | None = None) -> str | None:
        """The reason, the code where there is none, or "accepted"; sent for the claim of the
        accept, or for another."""
        claim = about or self.claim
        step = Step(claim.claim_id, SHOP, Snapshot(0, [], [], {}, {}), NOW)
        try:
            with self.database.write() as connection:
                take_attestation(connection, step, given, CONTRACT, TRUST)
        except ServiceError as error:
            return error.reason or error.code
        return "accepted"


CHILD: dict[str, Any] = {"beneficiary": records.CHILD}


@pytest.fixture
def granted(tmp_path: Path) -> Iterator[Granted]:
    """Every refusal leaves it as it was, and the accept is taken in the end."""
    made = Granted(tmp_path)
    before = records.rows(made.database, "attestations"), records.rows(made.database, "claims")
    yield made
    after = records.rows(made.database, "attestations"), records.rows(made.database, "claims")
    if after == before:
        assert made.refusal(made.accept) == "accepted"
    assert check_database(made.database)["problems"] == []
    made.database.dispose()


def test_the_accept_of_all_of_them(granted: Granted) -> None:
    assert granted.refusal(granted.accept) == "accepted"


CHANGES: dict[str, list[tuple[Any, str, str]]] = {
    "attester_id": [
        (OTHER_LAB, "attester_unknown", "attester_unknown"),
        ("lab-11", "attester_unknown", "attester_unknown"),
    ],
    "claim_id": [
        ("the-other", "attestation_other_claim", "attestation_other_claim"),
        ("no-claim", "attestation_other_claim", "attestation_other_claim"),
    ],
    "claim_digest": [
        ("of the other claim", "attestation_other_claim", "attestation_other_claim"),
    ],
    "line": [
        (2, "attestation_other_line", "attestation_other_line"),
        (3, "attestation_other_line", "attestation_other_line"),
        (4, "attestation_other_line", "attestation_other_line"),
    ],
    "commitment": [
        ("of line 2", "attestation_other_line", "attestation_other_line"),
        ("of the other", "attestation_other_line", "attestation_other_line"),
    ],
    "attested": [
        (("code", "price"), "signature_invalid", "accepted"),
        (("price",), "signature_invalid", "attestation_incomplete"),
    ],
    "record": [
        ("fresh", "signature_invalid", "accepted"),
        ("used", "signature_invalid", "attestation_replayed"),
    ],
    "attested_at": [
        (NOW - SECOND, "signature_invalid", "accepted"),
        (NOW + timedelta(minutes=1), "signature_invalid", "accepted"),
        (NOW + timedelta(minutes=1, seconds=1), "signature_invalid", "attestation_in_future"),
    ],
    "expires_at": [
        (NOW, "signature_invalid", "accepted"),
        (NOW - SECOND, "signature_invalid", "attestation_expired"),
    ],
    "key_id": [
        ("other lab's", "key_unknown", "key_unknown"),
        ("nobody's", "key_unknown", "key_unknown"),
    ],
}
"""By field: value, reason under the old signature, reason signed again by the attester."""

CASES = [
    (name, value, is_signed, reasons[is_signed])
    for name, changes in CHANGES.items()
    for value, *reasons in changes
    for is_signed in (False, True)
]


def value_of(granted: Granted, value: Any) -> Any:
    named = {
        "of the other claim": encode_base64url(claim_digest(granted.other)),
        "of line 2": granted.claim.lines[1].commitment,
        "of the other": granted.other.lines[0].commitment,
        "fresh": attesting.reference(),
        "used": granted.used.record,
        "other lab's": attestation(granted.claim, by=OTHER_LAB).key_id,
        "nobody's": attestation(granted.claim, key=attesting.key_of("nobody")).key_id,
    }
    return named.get(value, value) if isinstance(value, str) else value


def test_every_field_is_changed() -> None:
    assert {name for name, *_ in CASES} == (
        Attestation.model_fields.keys() - {"format_version", "signature"}
    )
    told = {reason for *_, reason in CASES} - {"accepted"}
    assert told <= ATTESTATION_REASONS.keys()


@pytest.mark.parametrize(
    ("name", "value", "is_signed", "reason"),
    CASES,
    ids=[f"{name}-{place}" for place, (name, *_) in enumerate(CASES)],
)
def test_a_field_that_was_changed(
    granted: Granted, name: str, value: Any, is_signed: bool, reason: str
) -> None:
    changes = {name: value_of(granted, value)}
    if name == "attested_at" and changes[name] > granted.accept.expires_at:
        changes["expires_at"] = changes[name]
    if name == "expires_at" and changes[name] < granted.accept.attested_at:
        changes["attested_at"] = changes[name]
    changed = granted.accept.model_copy(update=changes)
    if is_signed:
        key = attesting.key_of(LAB)
        signature = key.sign(framed_bytes(Attestation.TAG, changed.unsigned()))
        changed = changed.model_copy(update={"signature": encode_base64url(signature)})
    assert granted.refusal(changed) == reason


def test_sent_to_the_claim_that_it_was_changed_to(granted: Granted) -> None:
    named = {"claim_id": "the-other", "claim_digest": granted.used.claim_digest}
    changed = granted.accept.model_copy(update=named)
    assert granted.refusal(changed, granted.other) == "attestation_other_line"


def test_the_same_id_and_commitments_at_another_insurer(granted: Granted) -> None:
    """Mutates the accept's claim: one article, attested once, is good for one insurer."""
    elsewhere = granted.claim.model_copy(update={"insurer_id": "another-insurer"})
    require_attestation(granted.accept, granted.claim, DUTIES, TRUST, NOW)
    with pytest.raises(ProofRejected) as refusal:
        require_attestation(granted.accept, elsewhere, DUTIES, TRUST, NOW)
    assert refusal.value.reason == "attestation_other_claim"


@pytest.mark.parametrize("place", range(0, 64, 7))
def test_a_bit_of_the_signature(granted: Granted, place: int) -> None:
    raw = bytearray(decode_base64url(granted.accept.signature))
    raw[place] ^= 1
    changed = granted.accept.model_copy(update={"signature": encode_base64url(bytes(raw))})
    assert granted.refusal(changed) == "signature_invalid"


def test_the_signature_of_another_attestation(granted: Granted) -> None:
    """By the same attester, of the next line, and of a document of another kind."""
    next_line = attestation(granted.claim, 2)
    key = attesting.key_of(LAB)
    tag = AttestationRequest.TAG
    signed = key.sign(framed_bytes(tag, granted.accept.unsigned()))
    elsewhere = encode_base64url(signed)
    for signature in (next_line.signature, elsewhere):
        changed = granted.accept.model_copy(update={"signature": signature})
        assert granted.refusal(changed) == "signature_invalid"


def test_an_optician_signs_for_the_attester(granted: Granted) -> None:
    """With his own key, under its own id or under the attester's."""
    left_out = ("format_version", "key_id", "signature")
    fields = {
        name: getattr(granted.accept, name)
        for name in Attestation.model_fields
        if name not in left_out
    }
    forged = make_signed(Attestation, records.shop().signing_key, **fields)
    assert granted.refusal(forged) == "key_unknown"
    as_his = forged.model_copy(update={"key_id": granted.accept.key_id})
    assert granted.refusal(as_his) == "signature_invalid"
