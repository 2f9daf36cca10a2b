"""Attestations: what a contract asks for, and which document is the answer to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from circuits.attestation import (
    ATTESTATION_REASONS,
    MAX_ATTESTATIONS,
    MAX_SUBMISSION_BYTES,
    Attestation,
    Duty,
    Submission,
    attestation_duties,
    attestation_purpose,
    decode_submission,
    encode_submission,
    require_attestation,
    unmet,
)
from circuits.attestation import (
    MAX_ATTESTATION_LEAD as LEAD,
)
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import MAX_LINES, Claim, encode_claim
from circuits.contract import AttestationRule
from circuits.signed import encode_signed, make_signed
from circuits.signing import framed_bytes
from circuits.trust import Trust
from tests.support import claims as samples
from tests.support.attesting import (
    LAB,
    OTHER_LAB,
    TRUST,
    attestation,
    key_of,
    reference,
    rule,
    trusted_key,
)
from tests.support.records import NOW
from tests.support.signed_documents import fields_of
from zk.errors import EncodingError, ProofRejected, StatementError

CLAIM = samples.sample_claim("equipment")[0]
OTHER = samples.claim_of(samples.sample_sale("equipment", claim_id="another-claim"))[0]
SECOND = timedelta(seconds=1)


def duties_of(claim: Claim, *rules: AttestationRule) -> tuple[Duty, ...]:
    contract = samples.contract().model_copy(update={"attestations": rules})
    return attestation_duties(claim, contract, samples.nomenclature())


def places(duties: tuple[Duty, ...]) -> list[tuple[int, int]]:
    return [(duty.line, duty.rule) for duty in duties]


# -- what is asked for --------------------------------------------------------------------------


def test_a_contract_without_rules_asks_for_nothing() -> None:
    for statement in ("line", "equipment", "pair"):
        assert duties_of(samples.sample_claim(statement)[0]) == ()


def test_a_rule_asks_for_the_lines_of_its_classes() -> None:
    assert places(duties_of(CLAIM, rule("VM4"))) == [(1, 0), (2, 0)]
    assert places(duties_of(CLAIM, rule("M03"))) == [(3, 0)]
    assert places(duties_of(CLAIM, rule("VM5"))) == []
    assert places(duties_of(CLAIM, rule("M03", "VM4"))) == [(1, 0), (2, 0), (3, 0)]


def test_duties_come_by_line_and_then_by_rule() -> None:
    rules = rule("VM4"), rule("M03"), rule("VM4", within_days=3, attesters=[OTHER_LAB])
    duties = duties_of(CLAIM, *rules)
    assert places(duties) == [(1, 0), (1, 2), (2, 0), (2, 2), (3, 1)]
    first, second = duties[:2]
    assert (first.attesters, first.slots, first.within_days) == ((LAB,), ("code",), None)
    assert (second.attesters, second.slots, second.within_days) == ((OTHER_LAB,), ("code",), 3)
    with pytest.raises(FrozenInstanceError):
        first.within_days = 3  # type: ignore[misc]


def test_a_hidden_class_falls_under_every_rule_that_it_may_be_of() -> None:
    """A pair of level f, price class B: VM4 to VM7 are possible, and no other class is."""
    pair = samples.sample_claim("pair")[0]
    assert [line.regroupement for line in pair.lines] == [None, None, "M03"]
    for regroupement in ("VM4", "VM5", "VM6", "VM7"):
        assert places(duties_of(pair, rule(regroupement))) == [(1, 0), (2, 0)]
    for regroupement in ("VM1", "VM2", "VU4"):
        assert places(duties_of(pair, rule(regroupement))) == []
    assert places(duties_of(pair, rule("M03"), rule("VM4"))) == [(1, 1), (2, 1), (3, 0)]


def test_an_impossible_pair_is_told() -> None:
    pair = samples.sample_claim("pair")[0].model_copy(update={"level": None})
    with pytest.raises(StatementError):
        duties_of(pair, rule("VM4"))
    assert duties_of(pair) == ()


# -- what meets it ------------------------------------------------------------------------------

DUTIES = duties_of(
    CLAIM,
    rule("VM4"),
    rule("VM4", slots=["code", "price"], attesters=[LAB, OTHER_LAB]),
    rule("M03", attesters=[OTHER_LAB]),
)


def met(made: Attestation, trust: Trust = TRUST, at: Any = NOW) -> list[tuple[int, int]]:
    return places(require_attestation(made, CLAIM, DUTIES, trust, at))


def test_an_attestation_meets_what_it_covers() -> None:
    assert met(attestation(CLAIM)) == [(1, 0)]
    assert met(attestation(CLAIM, attested=["code", "price"])) == [(1, 0), (1, 1)]
    assert met(attestation(CLAIM, 2)) == [(2, 0)]
    assert met(attestation(CLAIM, by=OTHER_LAB, attested=["code", "price"])) == [(1, 1)]
    assert met(attestation(CLAIM, 3, by=OTHER_LAB)) == [(3, 2)]


def test_what_none_of_them_meets_is_left() -> None:
    assert unmet(DUTIES, []) == DUTIES
    one = attestation(CLAIM, attested=["code", "price"])
    assert places(unmet(DUTIES, [one])) == [(2, 0), (2, 1), (3, 2)]
    two = attestation(CLAIM, 2)
    three = attestation(CLAIM, 3, by=OTHER_LAB)
    assert places(unmet(DUTIES, [one, two, three])) == [(2, 1)]
    by_two = attestation(CLAIM, 2, by=OTHER_LAB, attested=["code", "price"])
    assert unmet(DUTIES, iter([one, two, three, by_two])) == ()


def test_prices_of_one_and_codes_of_another_do_not_add_up() -> None:
    """Whoever attests a price without a code has seen no record of that code."""
    duty = Duty(1, 0, (LAB,), ("code", "price"), None)
    given = [attestation(CLAIM), attestation(CLAIM, attested=["price"])]
    assert unmet([duty], given) == (duty,)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: attestation(OTHER), "attestation_other_claim"),
        (lambda: attestation(CLAIM, claim_id=OTHER.claim_id), "attestation_other_claim"),
        (lambda: attestation(CLAIM, claim_id=CLAIM.claim_id.upper()), "attestation_other_claim"),
        (lambda: attestation(CLAIM).model_copy(update={"line": 4}), "attestation_other_line"),
        (lambda: attestation(CLAIM).model_copy(update={"line": MAX_LINES}),
         "attestation_other_line"),
        (lambda: attestation(CLAIM).model_copy(update={"line": 2}), "attestation_other_line"),
        (lambda: attestation(CLAIM, commitment=CLAIM.lines[1].commitment),
         "attestation_other_line"),
        (lambda: attestation(CLAIM, commitment=OTHER.lines[0].commitment),
         "attestation_other_line"),
        (lambda: attestation(CLAIM, by="lab-3"), "attester_unknown"),
        (lambda: attestation(CLAIM, 3), "attester_unknown"),
        (lambda: attestation(CLAIM, key=key_of(OTHER_LAB)), "key_unknown"),
        (lambda: attestation(CLAIM, key=Ed25519PrivateKey.generate()), "key_unknown"),
        (lambda: attestation(CLAIM).model_copy(update={"attested": ("code", "price")}),
         "signature_invalid"),
        (lambda: attestation(CLAIM).model_copy(update={"record": reference()}),
         "signature_invalid"),
        (lambda: attestation(CLAIM).model_copy(update={"expires_at": NOW + timedelta(days=90)}),
         "signature_invalid"),
        (lambda: attestation(CLAIM, at=NOW + LEAD + SECOND), "attestation_in_future"),
        (lambda: attestation(CLAIM, at=NOW - timedelta(days=9), expires_at=NOW - SECOND),
         "attestation_expired"),
        (lambda: attestation(CLAIM, attested=["price"]), "attestation_incomplete"),
        (lambda: attestation(CLAIM, by=OTHER_LAB), "attestation_incomplete"),
    ],
)  # fmt: skip
def test_what_is_not_the_answer(made: Callable[[], Attestation], reason: str) -> None:
    with pytest.raises(ProofRejected) as refusal:
        met(made())
    assert refusal.value.reason == reason
    assert refusal.value.detail == ATTESTATION_REASONS[reason]


def test_the_edges_of_its_time() -> None:
    made = attestation(CLAIM, at=NOW, expires_at=NOW + timedelta(days=1))
    for at in (NOW - LEAD, NOW, NOW + timedelta(days=1)):
        assert met(made, at=at) == [(1, 0)]
    for at, reason in ((NOW - LEAD - SECOND, "attestation_in_future"),
                       (NOW + timedelta(days=1) + SECOND, "attestation_expired")):  # fmt: skip
        with pytest.raises(ProofRejected) as refusal:
            met(made, at=at)
        assert refusal.value.reason == reason
    instant = attestation(CLAIM, at=NOW, expires_at=NOW)
    assert met(instant) == [(1, 0)]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"role": "auditor"}, "key_unknown"),
        ({"valid_to": NOW - SECOND}, "key_not_valid"),
        ({"valid_from": NOW + SECOND}, "key_not_valid"),
        ({"revoked_at": NOW}, "key_revoked"),
        ({"revoked_at": NOW - timedelta(days=1)}, "key_revoked"),
    ],
)
def test_the_attesters_key_has_to_count_when_it_is_recorded(
    entry: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ProofRejected) as refusal:
        met(attestation(CLAIM), Trust(dict([trusted_key(**entry)])))
    assert refusal.value.reason == reason
    assert met(attestation(CLAIM), Trust(dict([trusted_key(revoked_at=NOW + SECOND)])))


def test_a_signature_under_a_requests_tag_is_none_of_an_attestation() -> None:
    made = attestation(CLAIM)
    tag = b"clairobscur/attestation-request/v1"
    signature = encode_base64url(key_of(LAB).sign(framed_bytes(tag, made.unsigned())))
    with pytest.raises(ProofRejected) as refusal:
        met(made.model_copy(update={"signature": signature}))
    assert refusal.value.reason == "signature_invalid"


def test_without_duties_no_attester_is_asked() -> None:
    with pytest.raises(ProofRejected) as refusal:
        require_attestation(attestation(CLAIM), CLAIM, (), TRUST, NOW)
    assert refusal.value.reason == "attester_unknown"


# -- documents ----------------------------------------------------------------------------------


def test_the_largest_numbers_are_those_of_the_page() -> None:
    assert timedelta(minutes=1) == LEAD


@pytest.mark.parametrize(
    "changes",
    [
        {"attested": ()},
        {"attested": ("code", "code")},
        {"attested": ("price", "code")},
        {"attested": ("code", "date")},
        {"record": encode_base64url(bytes(15))},
        {"record": encode_base64url(bytes(17))},
        {"record": "A" * 21 + "B"},
        {"line": 0},
        {"line": MAX_LINES + 1},
        {"expires_at": NOW - SECOND},
        {"attester_id": "no name"},
        {"commitment": encode_base64url(bytes(32))},
    ],
)
def test_what_no_attestation_can_say(changes: dict[str, Any]) -> None:
    good = attestation(CLAIM)
    with pytest.raises(StatementError, match="attestation: "):
        make_signed(Attestation, key_of(LAB), **fields_of(good) | changes)


def test_a_purpose_names_attester_and_record() -> None:
    assert attestation_purpose("lab-1", "R-1") == "attestation lab-1 R-1"
    # Neither holds a space, so no two pairs share a purpose.
    pairs = [("a", "b"), ("a-b", "c"), ("a", "b-c"), ("b", "a")]
    assert len({attestation_purpose(*pair) for pair in pairs}) == len(pairs)


def submission(*given: Attestation) -> Submission:
    return Submission(format_version=1, claim=CLAIM, attestations=given)


def test_a_submission_is_written_and_read() -> None:
    made = submission(attestation(CLAIM), attestation(CLAIM, 2))
    data = encode_submission(made)
    assert decode_submission(data) == made
    parsed = json.loads(data)
    assert canonical_bytes(parsed["claim"]) == encode_claim(CLAIM)
    assert canonical_bytes(parsed["attestations"][1]) == encode_signed(made.attestations[1])


def test_a_submission_has_one_form_and_at_most_so_many() -> None:
    one = attestation(CLAIM)
    full = encode_submission(submission(*[one] * MAX_ATTESTATIONS))
    assert len(decode_submission(full).attestations) == MAX_ATTESTATIONS
    assert len(full) < MAX_SUBMISSION_BYTES
    parsed = json.loads(full)
    good = encode_submission(submission(one))
    for data, error in (
        (canonical_bytes(parsed | {"attestations": [parsed["attestations"][0]] * 15}),
         StatementError),
        (canonical_bytes(parsed | {"attestations": []}), StatementError),
        (canonical_bytes(parsed | {"format_version": 2}), StatementError),
        (canonical_bytes(parsed | {"more": 1}), StatementError),
        (encode_claim(CLAIM), StatementError),
        (good + b" ", EncodingError),
        (b" " + good, EncodingError),
        (good + b" " * MAX_SUBMISSION_BYTES, EncodingError),
        (good.replace(b'{"attestations"', b'{"\\u0061ttestations"'), EncodingError),
    ):  # fmt: skip
        with pytest.raises(error):
            decode_submission(data)
