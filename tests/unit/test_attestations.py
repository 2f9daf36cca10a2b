"""What the shop asks an attester, and what it takes for an answer."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest

from circuits.attestation import Attestation, attestation_purpose
from circuits.canonical import encode_base64url
from circuits.claim import claim_digest
from circuits.opening import bound_purpose, line_opening
from circuits.signed import make_signed, verify_signed
from circuits.trust import TRUST_REASONS, Trust
from optician.attestations import ANSWER_REASONS, require_asked_for
from optician.identity import Identity
from optician.opening_file import OpeningsError, open_line
from tests.support import claims as samples
from tests.support.claims import NOW
from tests.support.laboratory import ATTESTER, RECORD, pair_of_claims, party, request_for, trust
from verifier_api.openings import OPENING_REASONS, verify_opening_of_its_commitment
from verifier_api.parties import Party
from zk.commitment import commit, fresh_opening, open_partially
from zk.errors import ProofRejected, StatementError

ONE, TWO = pair_of_claims()


# -- the request --------------------------------------------------------------------------------


def test_a_request_opens_one_line_for_one_attester_and_record() -> None:
    request = request_for(ONE, reveal=["code"], now=NOW + timedelta(microseconds=7))
    verify_signed(request, samples.identity().signing_key.public_key())
    assert (request.attester_id, request.record_id) == (ATTESTER, RECORD)
    assert request.requested_at == NOW
    assert request.opening.purpose == attestation_purpose(ATTESTER, RECORD)
    assert set(request.opening.revealed) == {"code"}
    assert request.opening.commitment == ONE[0].lines[0].commitment
    assert request_for(ONE).opening.proof != request_for(ONE).opening.proof


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"line": 0}, "lines 1 to"),
        ({"line": 9}, "lines 1 to"),
        ({"reveal": ["colour"]}, "reveal"),
        ({"reveal": []}, "reveal"),
        ({"record_id": "no record"}, "record_id"),
        ({"record_id": "x" * 65}, "record_id"),
        ({"attester_id": ""}, "attester_id"),
        ({"by": Identity.generate("optician-2")}, "another optician's"),
    ],
)
def test_what_cannot_be_asked(change: dict[str, Any], words: str) -> None:
    with pytest.raises(StatementError, match=words) as refusal:
        request_for(ONE, **change)
    values = (str(value) for value in ONE[1].openings[0].values[:2])
    assert not [value for value in values if value in str(refusal.value)]


def test_openings_of_another_claim_are_refused() -> None:
    with pytest.raises(OpeningsError, match="not this claim's"):
        request_for((ONE[0], TWO[1]))
    with pytest.raises(OpeningsError, match="not this claim's"):
        request_for((TWO[0], ONE[1]))


# -- the answer ---------------------------------------------------------------------------------


def answer(by: Party | None = None, **changes: Any) -> Attestation:
    request = request_for(ONE)
    fields: dict[str, Any] = {
        "attester_id": ATTESTER,
        "claim_id": ONE[0].claim_id,
        "claim_digest": encode_base64url(claim_digest(ONE[0])),
        "line": 1,
        "commitment": request.opening.commitment,
        "attested": ("code", "price"),
        "record": encode_base64url(bytes(16)),
        "attested_at": NOW,
        "expires_at": NOW + timedelta(days=30),
    }
    return make_signed(Attestation, (by or party()).signing_key, **fields | changes)


@pytest.mark.parametrize("attested", [("code",), ("code", "price")])
def test_what_was_asked_for_is_taken(attested: tuple[str, ...]) -> None:
    for known in (None, trust()):
        require_asked_for(answer(attested=attested), request_for(ONE), NOW, known)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"attester_id": "lab-2"}, "attestation_other_attester"),
        ({"claim_id": TWO[0].claim_id}, "attestation_other_claim"),
        ({"claim_digest": encode_base64url(claim_digest(TWO[0]))}, "attestation_other_claim"),
        ({"line": 2}, "attestation_other_line"),
        ({"commitment": TWO[0].lines[0].commitment}, "attestation_other_line"),
        ({"attested": ("price",)}, "attestation_incomplete"),
        ({"expires_at": NOW - timedelta(seconds=1), "attested_at": NOW - timedelta(days=9)},
         "attestation_expired"),
    ],
)  # fmt: skip
def test_another_answer_is_refused(changes: dict[str, Any], reason: str) -> None:
    for known in (None, trust()):
        with pytest.raises(ProofRejected) as refusal:
            require_asked_for(answer(**changes), request_for(ONE), NOW, known)
        assert refusal.value.reason == reason
        assert refusal.value.detail == ANSWER_REASONS[reason]


def test_more_than_was_revealed_cannot_have_been_compared() -> None:
    request = request_for(ONE, reveal=["code"])
    require_asked_for(answer(attested=("code",)), request, NOW, None)
    with pytest.raises(ProofRejected) as refusal:
        require_asked_for(answer(), request, NOW, None)
    assert refusal.value.reason == "attestation_excessive"


@pytest.mark.parametrize(
    ("made", "known", "reason"),
    [
        (lambda: answer(Party.generate("attester", ATTESTER)), trust, "key_unknown"),
        (lambda: answer(), lambda: trust(party("lab-2")), "key_unknown"),
        (lambda: answer(), Trust, "key_unknown"),
        (lambda: answer().model_copy(update={"record": "A" * 21 + "Q"}), trust,
         "signature_invalid"),
        (lambda: answer().model_copy(update={"attested": ("code",)}), trust, "signature_invalid"),
    ],
)  # fmt: skip
def test_with_a_trust_list_the_signature_counts(made: Any, known: Any, reason: str) -> None:
    attestation, request = made(), request_for(ONE)
    require_asked_for(attestation, request, NOW, None)
    with pytest.raises(ProofRejected) as refusal:
        require_asked_for(attestation, request, NOW, known())
    assert refusal.value.reason == reason
    assert reason in TRUST_REASONS


# -- an opening without a claim -----------------------------------------------------------------


def test_an_opening_is_judged_by_the_commitment_that_it_names() -> None:
    opening = open_line(ONE[1], 2, ["code"], "some purpose", samples.generators())
    values = verify_opening_of_its_commitment(samples.generators(), opening, "some purpose")
    assert values.code == ONE[1].openings[1].values[0]
    for changes, reason in (
        ({"claim_id": "another"}, "opening_invalid"),
        ({"line": 1}, "opening_invalid"),
        ({"commitment": ONE[0].lines[0].commitment}, "opening_invalid"),
        ({"purpose": "other purpose"}, "opening_other_purpose"),
        ({"proof": opening.proof[:-2]}, "opening_malformed"),
    ):
        with pytest.raises(ProofRejected) as refusal:
            verify_opening_of_its_commitment(
                samples.generators(), opening.model_copy(update=changes), "some purpose"
            )
        assert refusal.value.reason == reason
    with pytest.raises(StatementError, match="purpose"):
        verify_opening_of_its_commitment(samples.generators(), opening, "")


def test_it_does_not_say_that_there_is_such_a_claim() -> None:
    """Anybody can open what he commits to himself: whose line it is, others have to know."""
    generators = samples.generators()
    made = fresh_opening(generators, ONE[1].openings[0].values)
    point = encode_base64url(generators.group.encode(commit(generators, made)))
    partial = open_partially(generators, made, [1], bound_purpose("no-such-claim", 7, "p"))
    opening = line_opening("no-such-claim", 7, point, "p", partial)
    assert verify_opening_of_its_commitment(generators, opening, "p").names == ("code",)
    assert {"opening_other_claim", "opening_other_line"} < set(OPENING_REASONS)


def test_times_of_other_zones_are_the_same() -> None:
    from zoneinfo import ZoneInfo

    local = NOW.astimezone(ZoneInfo("Europe/Paris"))
    assert request_for(ONE, now=local).requested_at.astimezone(UTC) == NOW
