"""What the optician is told covers all that the insurer's service can say."""

from __future__ import annotations

import re

import pytest

from circuits.attestation import ATTESTATION_REASONS
from circuits.audit import AUDIT_REASONS
from circuits.notices import NOTICE_REASONS
from optician.messages import (
    ATTESTATION_PROBLEMS,
    AUDIT_PROBLEMS,
    DISCLOSURE_WORDS,
    MESSAGES,
    NEXT_STEPS,
    NO_NEXT_STEP,
    NOTICE_PROBLEMS,
    ORDER_PROBLEMS,
    PROBLEMS,
    in_language,
)
from verifier_api.attester.rules import REQUEST_REASONS
from verifier_api.service.life import REASON_TITLES
from verifier_api.web import problems

CATALOGUES = {
    "messages": MESSAGES,
    "next steps": NEXT_STEPS,
    "problems": PROBLEMS,
    "problems of notices": NOTICE_PROBLEMS,
    "problems of attestations": ATTESTATION_PROBLEMS,
    "problems of audits": AUDIT_PROBLEMS,
    "problems of sale orders": ORDER_PROBLEMS,
    "words of a disclosure": DISCLOSURE_WORDS,
    "no next step": {"": NO_NEXT_STEP},
}


def test_every_reason_of_a_verdict_has_a_next_step_and_no_other_has() -> None:
    assert set(NEXT_STEPS) == set(REASON_TITLES)


def test_every_problem_of_the_service_is_told_and_no_other_is() -> None:
    assert set(PROBLEMS) == set(problems.PROBLEMS)


def test_every_reason_against_a_notice_is_told() -> None:
    # The service adds two of its own: it knows the day, and which keys are valid.
    assert set(NOTICE_PROBLEMS) == {*NOTICE_REASONS, "delivery_in_future", "optician_unknown"}


def test_every_reason_against_an_answer_to_an_audit_is_told() -> None:
    # The others are against the auditor's documents.
    of_auditors = {
        *("auditor_unknown", "audit_other_claim", "audit_other_line", "ground_not_allowed"),
        *("audit_not_foreseen", "answer_too_soon", "kept_too_long", "opened_in_future"),
        *("opened_long_ago", "outcome_too_soon", "outcome_differs"),
    }
    assert set(AUDIT_PROBLEMS) == AUDIT_REASONS.keys() - of_auditors


def test_every_reason_of_an_attester_and_against_an_attestation_is_told() -> None:
    assert set(ATTESTATION_PROBLEMS) == {*REQUEST_REASONS, *ATTESTATION_REASONS}


@pytest.mark.parametrize("name", CATALOGUES)
def test_every_text_stands_in_both_languages_on_one_line(name: str) -> None:
    for key, (english, french) in CATALOGUES[name].items():
        for text in (english, french):
            assert text.strip() == text != "", key
            assert text.isprintable(), key
        assert not re.search(r"[^ ][;:?!]( |$)", french), f"{key}: a space before it in French"
        assert (in_language((english, french), "en"), in_language((english, french), "fr")) == (
            english,
            french,
        )


def test_commands_and_fields_are_named_alike_in_both_languages() -> None:
    for catalogue in CATALOGUES.values():
        for key, (english, french) in catalogue.items():
            names = [
                re.findall(r"`[^`]+`|--[a-z]+|\b[a-z]+(?:_[a-z]+)+\b", text)
                for text in (english, french)
            ]
            assert names[0] == names[1], key
