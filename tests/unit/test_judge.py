"""The insurer's judgement. Every refusal changes one thing in a claim that is accepted."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

import verifier_api.judge
from circuits.canonical import encode_base64url
from circuits.claim import Claim, ClaimBody, sign_claim
from circuits.contract import Contract, contract_digest, parse_contract
from circuits.nomenclature import Nomenclature
from optician.identity import Identity
from tests.support.claims import (
    DAY,
    NOW,
    claim_of,
    contract,
    identity,
    judge,
    nomenclature,
    registry,
    sample_claim,
    sample_sale,
)
from verifier_api.judge import REASONS, Judge, Verdict

ACCEPT = "equipment"
"""The accept that every refusal below mutates: `sample_claim("equipment")`, by `judge()`."""


def accepted() -> Claim:
    return sample_claim(ACCEPT)[0]


def resigned(by: Identity | None = None, proof: bytes | None = None, **changes: Any) -> Claim:
    """The accepted claim with other fields, or another proof, under a valid signature."""
    claim = accepted()
    fields = {name: getattr(claim, name) for name in ClaimBody.model_fields} | changes
    signer = by or identity()
    body = ClaimBody.model_validate(fields | {"key_id": signer.key_id})
    return sign_claim(body, claim.proof_bytes() if proof is None else proof, signer.signing_key)


def other_contract(**changes: Any) -> Contract:
    document = contract().model_dump(mode="json") | changes
    return parse_contract(json.dumps(document).encode())


def under(other: Contract, **changes: Any) -> Claim:
    """The accepted claim, naming another contract of the same insurer under the same identifier."""
    return resigned(contract_digest=encode_base64url(contract_digest(other)), **changes)


def lines(**changes: Any) -> tuple[Any, ...]:
    """The accepted claim's lines, the right lens changed."""
    first, *rest = accepted().lines
    return (first.model_copy(update=changes), *rest)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def renamed_table() -> Nomenclature:
    table = nomenclature()
    return Nomenclature("other", table.source, table.classes(), table.rows)


IMPOSTOR = Identity.generate("impostor")
LATE_CONTRACT = other_contract(valid_from="2020-09-01")
LINE_CONTRACT = other_contract(statements=["line"])
NO_GROUND = other_contract(early_renewal_grounds=[])
HIGH_FLOOR = other_contract(floor_cells={"warn": 20, "refuse": 17})  # VM4 has 16 cells

Case = tuple[str, Callable[[], Claim], Callable[[], Judge]]

CASES: dict[str, Case] = {
    # reason, claim, judge
    "unregistered optician": ("optician_unknown", accepted, lambda: judge(keys=registry([]))),
    "impostor under another name": (
        "optician_unknown",
        lambda: resigned(IMPOSTOR),
        lambda: judge(keys=registry([identity(), IMPOSTOR])),
    ),
    "another optician's name": (
        "optician_unknown",
        lambda: resigned(optician_id="optician-2"),
        judge,
    ),
    "key not valid yet": (
        "optician_unknown",
        accepted,
        lambda: judge(keys=registry(valid_from="2020-10-07")),
    ),
    "key no longer valid": (
        "optician_unknown",
        accepted,
        lambda: judge(keys=registry(valid_to="2020-10-05")),
    ),
    "amount changed after signing": (
        "signature_invalid",
        lambda: accepted().model_copy(update={"beneficiary": "somebody_else_1234"}),
        judge,
    ),
    "proof changed after signing": (
        "signature_invalid",
        lambda: accepted().model_copy(
            update={"proof": encode_base64url(flipped(accepted().proof_bytes(), 500))}
        ),
        judge,
    ),
    "another insurer": ("contract_mismatch", lambda: resigned(insurer_id="another"), judge),
    "another contract": ("contract_mismatch", lambda: resigned(contract_id="another"), judge),
    "same contract, another figure": (
        "contract_mismatch",
        accepted,
        lambda: judge(of_contract=other_contract(frame_ceiling_cents=9_999)),
    ),
    "another table": (
        "nomenclature_mismatch",
        accepted,
        lambda: judge(table=renamed_table()),
    ),
    "too late": (
        "expired",
        accepted,
        lambda: judge(now=accepted().expires_at + timedelta(seconds=1)),
    ),
    "valid for ever": (
        "expiry_too_far",
        accepted,
        lambda: judge(now=accepted().expires_at - timedelta(days=92, seconds=1)),
    ),
    "service in two days": (
        "date_in_future",
        accepted,
        lambda: judge(now=NOW.replace(day=3)),
    ),
    "service before the contract": (
        "contract_not_in_force",
        lambda: under(LATE_CONTRACT, date_of_service=date(2020, 8, 31)),
        lambda: judge(of_contract=LATE_CONTRACT),
    ),
    "statement not in the contract": (
        "statement_not_allowed",
        lambda: under(LINE_CONTRACT),
        lambda: judge(of_contract=LINE_CONTRACT),
    ),
    "ground of nobody's list": (
        "ground_not_allowed",
        lambda: resigned(early_renewal_ground="lost"),
        judge,
    ),
    "ground of another contract": (
        "ground_not_allowed",
        lambda: under(NO_GROUND, early_renewal_ground="change_of_vision"),
        lambda: judge(of_contract=NO_GROUND),
    ),
    "class below the floor": (
        "floor",
        lambda: under(HIGH_FLOOR),
        lambda: judge(of_contract=HIGH_FLOOR),
    ),
    "total over the ceiling": (
        "ceiling_exceeded",
        lambda: resigned(amounts={"lenses_cents": 70_001, "frame_cents": 10_000}),
        judge,
    ),
    "frame over its ceiling": (
        "ceiling_exceeded",
        lambda: resigned(amounts={"lenses_cents": 0, "frame_cents": 10_001}),
        judge,
    ),
    "no amounts": ("statement_invalid", lambda: resigned(amounts=None), judge),
    "no class": ("statement_invalid", lambda: resigned(lines=lines(regroupement=None)), judge),
    "unknown class": (
        "statement_invalid",
        lambda: resigned(lines=lines(regroupement="VX1")),
        judge,
    ),
    "code in clear": ("statement_invalid", lambda: resigned(lines=lines(code=2_202_430)), judge),
    "one line less": (
        "statement_invalid",
        lambda: resigned(lines=accepted().lines[:2]),
        judge,
    ),
    "a commitment twice": (
        "statement_invalid",
        lambda: resigned(lines=lines(commitment=accepted().lines[1].commitment)),
        judge,
    ),
    "a commitment that is no point": (
        "statement_invalid",
        lambda: resigned(lines=lines(commitment=encode_base64url(b"\x02" + b"\xff" * 32))),
        judge,
    ),
    "a day that the table does not know": (
        "statement_invalid",
        lambda: under(other_contract(valid_from="2019-01-01"), date_of_service=date(2019, 12, 31)),
        lambda: judge(of_contract=other_contract(valid_from="2019-01-01")),
    ),
    "proof cut short": (
        "proof_malformed",
        lambda: resigned(proof=accepted().proof_bytes()[:-1]),
        judge,
    ),
    "proof with a scalar too large": (
        "proof_malformed",
        lambda: resigned(proof=accepted().proof_bytes()[:-32] + b"\xff" * 32),
        judge,
    ),
    "proof of another statement": (
        "proof_malformed",
        lambda: resigned(proof=sample_claim("line")[0].proof_bytes()),
        judge,
    ),
    "last bit of the proof": (
        "proof_invalid",
        lambda: resigned(
            proof=flipped(accepted().proof_bytes(), -1 % len(accepted().proof_bytes()))
        ),
        judge,
    ),
    "another person": (
        "proof_invalid",
        lambda: resigned(beneficiary="somebody_else_1234"),
        judge,
    ),
    "a cent less": (
        "proof_invalid",
        lambda: resigned(amounts={"lenses_cents": 43_893, "frame_cents": 10_000}),
        judge,
    ),
    "a class of another size": (
        "proof_malformed",
        lambda: resigned(lines=lines(regroupement="VM5")),
        judge,
    ),
    "lenses swapped": (
        "proof_invalid",
        lambda: resigned(
            lines=(
                *(
                    line.model_copy(update={"role": role})
                    for line, role in zip(
                        accepted().lines[1::-1], ("right_lens", "left_lens"), strict=True
                    )
                ),
                accepted().lines[2],
            )
        ),
        judge,
    ),
    "another day": (
        "proof_invalid",
        lambda: resigned(date_of_service=DAY - timedelta(days=1)),
        judge,
    ),
    "stolen by another optician": (
        "proof_invalid",
        lambda: resigned(IMPOSTOR, optician_id="impostor"),
        lambda: judge(keys=registry([identity(), IMPOSTOR])),
    ),
}


@pytest.mark.parametrize("statement", ["line", "equipment", "pair"])
def test_the_accept_of_each_statement(statement: Any) -> None:
    verdict = judge().judge(sample_claim(statement)[0])
    assert verdict.is_accepted
    assert (verdict.reason, verdict.detail) == (None, "")
    assert list(verdict.milliseconds) == [
        *("key", "signature", "contract", "nomenclature", "expiry", "statement"),
        *("decoding", "proof"),
    ]


def test_resigning_alone_changes_nothing() -> None:
    assert judge().judge(resigned()).is_accepted


@pytest.mark.parametrize("name", CASES)
def test_each_change_of_the_accept_is_refused_for_its_reason(name: str) -> None:
    reason, claim, who = CASES[name]
    verdict = who().judge(claim())
    assert (verdict.reason, verdict.is_accepted) == (reason, False)
    assert verdict.claim_id == accepted().claim_id
    assert verdict.detail


def test_every_reason_is_reached() -> None:
    # The judge of the commands has one table, which is always in force, and no trust list.
    unreached = {
        "nomenclature_not_in_force",
        "contract_unpublished",
        "nomenclature_unpublished",
    }
    assert {reason for reason, _, _ in CASES.values()} == set(REASONS) - unreached


@pytest.mark.parametrize("name", CASES)
def test_a_batch_agrees_with_each_claim_alone(name: str) -> None:
    reason, claim, who = CASES[name]
    judge_of_case = who()
    good = [sample_claim(statement)[0] for statement in ("line", "pair")]
    batch = [good[0], claim(), good[1]]
    expected = [judge_of_case.judge(one).reason for one in batch]
    verdicts = judge_of_case.judge_batch(batch)
    assert [verdict.reason for verdict in verdicts] == expected
    assert expected[1] == reason
    assert [verdict.claim_id for verdict in verdicts] == [one.claim_id for one in batch]


def test_a_batch_names_all_that_is_bad_and_nothing_else() -> None:
    own = [claim() for reason, claim, who in CASES.values() if who is judge]
    batch = [accepted()]
    for bad in own:
        batch += [bad, accepted()]
    reasons = [verdict.reason for verdict in judge().judge_batch(batch)]
    assert reasons[::2] == [None] * (len(own) + 1)
    assert reasons[1::2] == [reason for reason, _, who in CASES.values() if who is judge]
    assert judge().judge_batch([]) == []


# -- boundaries -------------------------------------------------------------------------------


def test_a_claim_is_good_until_the_very_moment_it_expires() -> None:
    assert judge(now=accepted().expires_at).judge(accepted()).is_accepted


def test_the_last_instant_of_the_calendar_is_a_moment_like_any_other() -> None:
    """The accept, good until then and judged then: there is nothing to add to it."""
    end = datetime.max.replace(microsecond=0, tzinfo=UTC)
    keys = registry(valid_from="2020-10-06", valid_to="9999-12-31")
    by = judge(keys=keys, now=end)
    assert by.judge(accepted()).reason == "expired"
    # Under a new signature its proof is another claim's; whatever comes before that is in order.
    assert by.judge(resigned(expires_at=end)).reason == "proof_invalid"


def test_a_service_tomorrow_is_a_matter_of_time_zones() -> None:
    day_before = NOW.replace(day=DAY.day - 1)
    assert judge(now=day_before).judge(accepted()).is_accepted


def test_a_key_is_valid_on_both_end_days() -> None:
    keys = registry(valid_from="2020-10-06", valid_to="2020-10-06")
    assert judge(keys=keys).judge(accepted()).is_accepted


def test_the_first_fault_in_order_is_the_reason() -> None:
    """Cheap checks come first: a claim that is wrong in everything fails by its key."""
    wrong = resigned(insurer_id="another", proof=b"x", optician_id="nobody")
    verdict = judge(now=accepted().expires_at + timedelta(days=1)).judge(wrong)
    assert verdict.reason == "optician_unknown"
    assert list(verdict.milliseconds) == ["key"]


def test_the_judge_has_its_own_contract_and_never_the_claim_s() -> None:
    """A network's cap that the claim's own prices break: no claim can be made under it."""
    lower = other_contract(price_caps_cents={"VM4": 21_949})
    verdict = judge(of_contract=lower).judge(under(lower))
    assert verdict.reason in ("proof_malformed", "proof_invalid")
    same = other_contract(price_caps_cents={"VM4": 21_950})
    claim, _ = claim_of(sample_sale(claim_id="capped"), of_contract=same)
    assert judge(of_contract=same).judge(claim).is_accepted


def test_a_fault_of_the_proof_system_is_not_taken_for_a_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(verifier_api.judge, "verify", fail)
    with pytest.raises(MemoryError):
        judge().judge(accepted())


def test_a_verdict_is_accepted_exactly_without_a_reason() -> None:
    assert Verdict("c").is_accepted
    assert not Verdict("c", "expired").is_accepted
