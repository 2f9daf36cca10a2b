"""Audits: cases that the contract allows, seals that open for one case, answers and outcomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from circuits.audit import (
    AUDIT_REASONS,
    MAX_CASE_AGE,
    MAX_CASE_LEAD,
    MAX_REPLY_BYTES,
    OUTCOME_OF,
    AuditAnswer,
    AuditCase,
    AuditOutcome,
    AuditReply,
    Finding,
    audit_purpose,
    decode_reply,
    encode_reply,
    require_answer_fits,
    require_case_fits,
    require_outcome_fits,
    seal_opening,
    sealed_digest,
    unseal_opening,
)
from circuits.canonical import canonical_bytes, decode_base64url, encode_base64url
from circuits.claim import MAX_LINES
from circuits.opening import encode_line_opening
from circuits.sealing import MAX_SEALED_BYTES, RECIPIENT_BYTES, RecipientKey, seal
from circuits.signed import decode_signed, encode_signed, make_signed, signed_digest
from tests.support.signed_documents import (
    changed,
    fields_of,
    golden,
    golden_claim,
    golden_contract,
    recipient_key,
    reply,
    sealed,
    signer,
)
from zk.errors import EncodingError, ProofRejected, StatementError

CLAIM, CONTRACT = golden_claim(), golden_contract()
CASE, ANSWER = golden(AuditCase), golden(AuditAnswer)
FINDING, OUTCOME = golden(Finding), golden(AuditOutcome)
NOW = CASE.opened_at
SECOND = timedelta(seconds=1)
OPENING = unseal_opening(sealed(), CASE, recipient_key())


def refused(call: Callable[..., object], *given: object) -> str:
    with pytest.raises(ProofRejected) as refusal:
        call(*given)
    assert refusal.value.detail == AUDIT_REASONS[refusal.value.reason]
    return refusal.value.reason


# -- cases --------------------------------------------------------------------------------------


def test_the_golden_case_fits() -> None:
    require_case_fits(CASE, CLAIM, CONTRACT, NOW)
    require_answer_fits(reply(), CASE, CLAIM)
    require_outcome_fits(OUTCOME, CASE, ANSWER)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"claim_id": "another"}, "audit_other_claim"),
        ({"insurer_id": "another"}, "audit_other_claim"),
        ({"claim_digest": encode_base64url(bytes(32))}, "audit_other_claim"),
        ({"line": 4}, "audit_other_line"),
        ({"line": MAX_LINES}, "audit_other_line"),
        ({"line": 2}, "audit_other_line"),
        ({"commitment": CLAIM.lines[1].commitment}, "audit_other_line"),
        ({"ground": "curiosity"}, "ground_not_allowed"),
        ({"opened_at": NOW + MAX_CASE_LEAD + SECOND}, "opened_in_future"),
        ({"opened_at": NOW - MAX_CASE_AGE - SECOND}, "opened_long_ago"),
    ],
)
def test_a_case_about_anything_else_is_refused(changes: dict[str, Any], reason: str) -> None:
    made = changed(AuditCase, **changes)
    assert refused(require_case_fits, made, CLAIM, CONTRACT, NOW) == reason


def test_the_same_line_of_another_claim_with_these_numbers_is_refused() -> None:
    """A claim has a digest: two claims of one number are two."""
    other = CLAIM.model_copy(update={"signature": "A" * 86})
    assert refused(require_case_fits, CASE, other, CONTRACT, NOW) == "audit_other_claim"


def test_the_edges_of_a_cases_age() -> None:
    assert (timedelta(hours=1), timedelta(minutes=1)) == (MAX_CASE_AGE, MAX_CASE_LEAD)
    for age in (-MAX_CASE_LEAD, timedelta(), MAX_CASE_AGE):
        require_case_fits(CASE, CLAIM, CONTRACT, NOW + age)
    late = NOW + MAX_CASE_AGE + SECOND
    assert refused(require_case_fits, CASE, CLAIM, CONTRACT, late) == "opened_long_ago"
    early = NOW - MAX_CASE_LEAD - SECOND
    assert refused(require_case_fits, CASE, CLAIM, CONTRACT, early) == "opened_in_future"


def test_the_optician_has_the_time_that_the_contract_gives() -> None:
    rules = CONTRACT.audits
    assert rules is not None
    exact = NOW + timedelta(days=rules.answer_days)
    require_case_fits(
        changed(AuditCase, answer_by=exact, erase_at=exact + SECOND), CLAIM, CONTRACT, NOW
    )
    short = changed(AuditCase, answer_by=exact - SECOND, erase_at=exact)
    assert refused(require_case_fits, short, CLAIM, CONTRACT, NOW) == "answer_too_soon"


def test_nothing_is_kept_for_longer_than_the_contract_allows() -> None:
    rules = CONTRACT.audits
    assert rules is not None
    last = CASE.answer_by + timedelta(days=rules.keep_days)
    require_case_fits(changed(AuditCase, erase_at=last), CLAIM, CONTRACT, NOW)
    long = changed(AuditCase, erase_at=last + SECOND)
    assert refused(require_case_fits, long, CLAIM, CONTRACT, NOW) == "kept_too_long"


def test_a_contract_without_audits_has_none() -> None:
    none = CONTRACT.model_copy(update={"audits": None})
    assert refused(require_case_fits, CASE, CLAIM, none, NOW) == "audit_not_foreseen"


@pytest.mark.parametrize(
    "changes",
    [
        {"slots": ()},
        {"slots": ("price", "code")},
        {"slots": ("code", "code")},
        {"slots": ("code", "colour")},
        {"recipient": encode_base64url(bytes(RECIPIENT_BYTES - 1))},
        {"recipient": encode_base64url(bytes(RECIPIENT_BYTES + 1))},
        {"recipient": "!"},
        {"answer_by": NOW},
        {"answer_by": NOW - SECOND},
        {"erase_at": CASE.answer_by},
        {"line": 0},
        {"case_id": "no name"},
        {"ground": ""},
    ],
)
def test_what_no_case_can_say(changes: dict[str, Any]) -> None:
    with pytest.raises(StatementError, match="audit case: "):
        changed(AuditCase, **changes)


# -- seals --------------------------------------------------------------------------------------


def test_an_opening_is_sealed_for_one_case() -> None:
    made = seal_opening(OPENING, CASE)
    assert made != sealed()
    assert unseal_opening(made, CASE, recipient_key()) == OPENING
    assert set(OPENING.revealed) == {"code", "price"}
    assert OPENING.purpose == audit_purpose(CASE)


@pytest.mark.parametrize(
    "changes",
    [{"case_id": "another-case"}, {"slots": ("code",)}, {"erase_at": CASE.erase_at + SECOND}],
)
def test_another_cases_seal_does_not_open(changes: dict[str, Any]) -> None:
    """Also where both cases have one key: the case itself is bound."""
    other = changed(AuditCase, **changes)
    assert other.recipient == CASE.recipient
    for made, case in ((sealed(), other), (seal_opening(OPENING, other), CASE)):
        with pytest.raises(ProofRejected) as refusal:
            unseal_opening(made, case, recipient_key())
        assert refusal.value.reason == "seal_invalid"


def test_another_auditors_key_does_not_open() -> None:
    with pytest.raises(ProofRejected):
        unseal_opening(sealed(), CASE, RecipientKey.generate())


def test_a_seal_of_something_else_opens_and_is_no_opening() -> None:
    """The optician signs what he seals, so this is his answer, and a lie."""
    context = signed_digest(CASE).encode()
    for text, error in (
        (b"", EncodingError),
        (b"nothing of the kind", EncodingError),
        (b"{}", StatementError),
        (encode_line_opening(OPENING) + b"\n", EncodingError),
        (encode_line_opening(OPENING)[:-1], EncodingError),
    ):
        made = encode_base64url(seal(text, CASE.recipient, context))
        with pytest.raises(error):
            unseal_opening(made, CASE, recipient_key())


def test_a_key_that_is_none_seals_nothing() -> None:
    weak = changed(AuditCase, recipient=encode_base64url(b"\xff" * RECIPIENT_BYTES))
    with pytest.raises(StatementError, match="recipient"):
        seal_opening(OPENING, weak)


def test_a_seal_is_named_by_its_bytes() -> None:
    assert sealed_digest(sealed()) == ANSWER.sealed_digest
    assert sealed_digest(seal_opening(OPENING, CASE)) != ANSWER.sealed_digest


def test_each_case_has_a_purpose_of_its_own() -> None:
    cases = [CASE, changed(AuditCase, case_id="b"), changed(AuditCase, slots=("code",)),
             changed(AuditCase, recipient=RecipientKey.generate().public)]  # fmt: skip
    assert len({audit_purpose(case) for case in cases}) == len(cases)
    assert not [case for case in cases if audit_purpose(case).startswith("attestation")]


# -- answers ------------------------------------------------------------------------------------


def with_answer(given: str | None = sealed(), **changes: Any) -> AuditReply:
    return AuditReply(format_version=1, answer=changed(AuditAnswer, **changes), sealed=given)


REFUSAL: dict[str, Any] = {"answer": "refusal", "sealed_digest": None, "reason": "no such sale"}


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: with_answer(case_id="another"), "audit_other_case"),
        (lambda: with_answer(case_digest=signed_digest(changed(AuditCase, slots=("code",)))),
         "audit_other_case"),
        (lambda: with_answer(optician_id="another"), "audit_other_case"),
        (lambda: with_answer(seal_opening(OPENING, CASE)), "answer_other"),
        (lambda: with_answer(None), "answer_other"),
        (lambda: with_answer(sealed(), **REFUSAL), "answer_other"),
        (lambda: with_answer(sealed_digest=encode_base64url(bytes(32))), "answer_other"),
    ],
)  # fmt: skip
def test_an_answer_to_anything_else_is_refused(made: Callable[[], AuditReply], reason: str) -> None:
    assert refused(require_answer_fits, made(), CASE, CLAIM) == reason


def test_a_refusal_is_an_answer() -> None:
    require_answer_fits(with_answer(None, **REFUSAL), CASE, CLAIM)


@pytest.mark.parametrize(
    "changes",
    [
        {"answer": "refusal"},
        {"sealed_digest": None},
        {"reason": "why not"},
        {"answer": "silence"},
        REFUSAL | {"reason": None},
        REFUSAL | {"reason": ""},
        REFUSAL | {"reason": "x" * 201},
        REFUSAL | {"reason": "two\nlines"},
        REFUSAL | {"reason": "e\u0301te\u0301"},
        REFUSAL | {"sealed_digest": ANSWER.sealed_digest},
    ],
)
def test_what_no_answer_can_say(changes: dict[str, Any]) -> None:
    with pytest.raises(StatementError, match="audit answer: "):
        changed(AuditAnswer, **changes)


@pytest.mark.parametrize("reason", ["é" * 200, "a", "Facture n° 12, voir dossier"])
def test_reasons_in_words(reason: str) -> None:
    require_answer_fits(with_answer(None, **REFUSAL | {"reason": reason}), CASE, CLAIM)


def test_a_reply_is_written_and_read() -> None:
    for made in (reply(), with_answer(None, **REFUSAL)):
        data = encode_reply(made)
        assert decode_reply(data) == made
        assert len(data) < MAX_REPLY_BYTES


def test_a_reply_has_one_form() -> None:
    good = encode_reply(reply())
    parsed = json.loads(good)
    for data, error in (
        (good + b"\n", EncodingError),
        (b" " + good, EncodingError),
        (good + b" " * MAX_REPLY_BYTES, EncodingError),
        (good.replace(b'"sealed":', b'"s\\u0065aled":'), EncodingError),
        (canonical_bytes(parsed | {"sealed": ""}), StatementError),
        (canonical_bytes(parsed | {"sealed": parsed["sealed"] + "="}), StatementError),
        (canonical_bytes(parsed | {"sealed": encode_base64url(bytes(MAX_SEALED_BYTES + 1))}),
         StatementError),
        (canonical_bytes(parsed | {"format_version": 2}), StatementError),
        (canonical_bytes(parsed | {"answer": None}), StatementError),
        (canonical_bytes({"answer": parsed["answer"], "format_version": 1}), StatementError),
        (canonical_bytes(parsed | {"more": 1}), StatementError),
    ):  # fmt: skip
        with pytest.raises(error):
            decode_reply(data)
    longest = canonical_bytes(parsed | {"sealed": encode_base64url(bytes(MAX_SEALED_BYTES))})
    assert decode_base64url(decode_reply(longest).sealed or "") == bytes(MAX_SEALED_BYTES)


# -- outcomes -----------------------------------------------------------------------------------


def outcome(cause: str, **changes: Any) -> AuditOutcome:
    facts: dict[str, Any] = {"cause": cause, "outcome": OUTCOME_OF[cause]}
    if OUTCOME_OF[cause] == "unanswered":
        facts["finding_digest"] = None
    if cause == "lapsed":
        facts["answer_digest"] = None
    return changed(AuditOutcome, **facts | changes)


def refusal_answer() -> AuditAnswer:
    return changed(AuditAnswer, **REFUSAL)


@pytest.mark.parametrize("cause", ["as_recorded", "differs_from_record", "opening_invalid"])
def test_outcomes_of_what_was_opened(cause: str) -> None:
    require_outcome_fits(outcome(cause), CASE, ANSWER)


def test_outcomes_where_nothing_was_opened() -> None:
    no = refusal_answer()
    require_outcome_fits(outcome("refused", answer_digest=signed_digest(no)), CASE, no)
    require_outcome_fits(outcome("lapsed"), CASE, None)


@pytest.mark.parametrize(
    ("made", "answer", "reason"),
    [
        (lambda: outcome("as_recorded", case_id="another"), ANSWER, "audit_other_case"),
        (lambda: outcome("as_recorded", auditor_id="another"), ANSWER, "audit_other_case"),
        (lambda: outcome("as_recorded", case_digest=signed_digest(ANSWER)), ANSWER,
         "audit_other_case"),
        (lambda: outcome("as_recorded"), None, "outcome_differs"),
        (lambda: outcome("lapsed"), ANSWER, "outcome_differs"),
        (lambda: outcome("as_recorded", answer_digest=signed_digest(CASE)), ANSWER,
         "outcome_differs"),
        (lambda: outcome("refused", answer_digest=signed_digest(ANSWER)), ANSWER,
         "outcome_differs"),
        (lambda: outcome("as_recorded", answer_digest=signed_digest(refusal_answer())),
         changed(AuditAnswer, **REFUSAL), "outcome_differs"),
        (lambda: outcome("opening_invalid", answer_digest=signed_digest(refusal_answer())),
         changed(AuditAnswer, **REFUSAL), "outcome_differs"),
    ],
)  # fmt: skip
def test_an_outcome_of_anything_else_is_refused(
    made: Callable[[], AuditOutcome], answer: AuditAnswer | None, reason: str
) -> None:
    assert refused(require_outcome_fits, made(), CASE, answer) == reason


@pytest.mark.parametrize("cause", OUTCOME_OF)
def test_a_cause_has_one_outcome(cause: str) -> None:
    for other in {*OUTCOME_OF.values()} - {OUTCOME_OF[cause]}:
        with pytest.raises(StatementError, match="audit outcome: "):
            outcome(cause, outcome=other)


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        ("as_recorded", {"finding_digest": None}),
        ("opening_invalid", {"finding_digest": None}),
        ("refused", {"finding_digest": OUTCOME.finding_digest}),
        ("lapsed", {"finding_digest": OUTCOME.finding_digest}),
        ("lapsed", {"answer_digest": OUTCOME.answer_digest}),
        ("refused", {"answer_digest": None}),
        ("as_recorded", {"answer_digest": None}),
    ],
)
def test_digests_go_with_what_they_name(cause: str, changes: dict[str, Any]) -> None:
    with pytest.raises(StatementError, match="audit outcome: "):
        outcome(cause, **changes)


# -- findings -----------------------------------------------------------------------------------


def test_a_finding_shows_nothing_in_its_repr() -> None:
    code = OPENING.revealed["code"]
    assert FINDING.compared_with["code"] == code
    for shown in (repr(FINDING), str(FINDING), f"{[FINDING]}"):
        assert str(code) not in shown
        assert FINDING.salt not in shown


def test_a_finding_may_hold_a_price_of_nothing() -> None:
    """Whatever the papers say, as it would be committed: 0 too."""
    made = changed(Finding, compared_with={"price": 0})
    assert decode_signed(Finding, encode_signed(made)).compared_with == {"price": 0}


def test_nobody_guesses_a_findings_digest() -> None:
    """Two findings of the same values have other salts, and so other digests."""
    other = changed(Finding, salt=encode_base64url(bytes(32)))
    assert other.compared_with == FINDING.compared_with
    assert signed_digest(other) != signed_digest(FINDING) == OUTCOME.finding_digest


@pytest.mark.parametrize(
    "changes",
    [
        {"compared_with": {"colour": 1}},
        {"compared_with": {"code": -1}},
        {"compared_with": {"code": "7233865"}},
        {"salt": encode_base64url(bytes(31))},
        {"source": ""},
        {"cause": "other"},
        {"answer_digest": None},
    ],
)
def test_what_no_finding_can_say(changes: dict[str, Any]) -> None:
    with pytest.raises(StatementError, match="audit finding: ") as refusal:
        changed(Finding, **changes)
    assert "7233865" not in str(refusal.value)


def test_documents_of_one_case_are_none_of_another_kind() -> None:
    for model in (AuditCase, AuditAnswer, AuditOutcome, Finding):
        for other in (AuditCase, AuditAnswer, AuditOutcome, Finding):
            if model is not other:
                with pytest.raises(StatementError):
                    make_signed(model, signer(model.WHAT), **fields_of(golden(other)))


def test_a_recipients_key_of_two_cases_is_two_keys() -> None:
    one, two = RecipientKey.generate(), RecipientKey.generate()
    mixed = replace(one, x25519=two.x25519)
    assert len({one.public, two.public, mixed.public}) == 3
