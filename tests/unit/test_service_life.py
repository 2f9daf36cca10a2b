"""The rules of a claim's life: states, renewal, deadlines, and what answers say."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest

from circuits.contract import RenewalMonths
from tests.support import records
from verifier_api.judge import REASONS
from verifier_api.service import life
from verifier_api.service.life import (
    REASON_TITLES,
    add_months,
    amounts_facts,
    grant_deadline,
    is_renewal_too_early,
    reason_titles,
    verdict_answer,
)

OF_THE_RECORDS = {"commitment_reused", "rights_unknown", "renewal_too_early", "early_renewal"}


# -- names --------------------------------------------------------------------------------------


def test_states_and_age_groups_are_those_of_the_contract_and_the_interface() -> None:
    ends = ("refused", "cancelled", "expired")
    assert set(life.STATES) == {"granted", "pending", "payable", "attestation_overdue", *ends}
    assert set(get_args(life.AgeGroup)) == set(RenewalMonths.model_fields)


def test_every_reason_of_a_verdict_has_titles_and_no_other() -> None:
    assert set(REASON_TITLES) == set(REASONS) | OF_THE_RECORDS


@pytest.mark.parametrize("reason", sorted(set(REASONS) | OF_THE_RECORDS))
def test_titles_are_in_both_languages(reason: str) -> None:
    titles = reason_titles(reason)
    assert titles is not None
    assert titles.keys() == {"en", "fr"}
    assert titles["en"] == REASONS.get(reason, titles["en"])
    assert titles["en"] != titles["fr"]
    for text in titles.values():
        assert text == text.strip()
        assert text[0].islower() or text[0] == "é"
        assert not text.endswith(".")


def test_no_two_reasons_share_a_title() -> None:
    for place in (0, 1):
        titles = [pair[place] for pair in REASON_TITLES.values()]
        assert len(set(titles)) == len(titles)


def test_no_reason_has_no_title() -> None:
    assert reason_titles(None) is None


# -- months -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2020-10-05", 24, "2022-10-05"),
        ("2020-10-05", 12, "2021-10-05"),
        ("2020-10-05", 0, "2020-10-05"),
        ("2020-11-30", 1, "2020-12-30"),
        ("2020-12-15", 1, "2021-01-15"),
        ("2020-12-31", 2, "2021-02-28"),
        ("2019-12-31", 2, "2020-02-29"),
        ("2020-02-29", 12, "2021-02-28"),
        ("2020-02-29", 24, "2022-02-28"),
        ("2020-02-29", 48, "2024-02-29"),
        ("2019-02-28", 12, "2020-02-28"),
        ("2020-05-31", 1, "2020-06-30"),
        ("2099-10-29", 4, "2100-02-28"),  # no leap year
        ("1999-10-29", 4, "2000-02-29"),  # but this is one
        ("9999-12-31", 1, "9999-12-31"),
        ("9999-11-30", 1, "9999-12-30"),
        ("9990-06-15", 120, "9999-12-31"),
    ],
)
def test_months_later(day: str, months: int, expected: str) -> None:
    assert add_months(date.fromisoformat(day), months).isoformat() == expected


def test_months_later_is_in_the_month_that_counting_finds() -> None:
    for offset in range(0, 1500, 13):
        day = date(2019, 1, 1) + timedelta(days=offset)
        for months in (0, 1, 11, 12, 13, 24, 120):
            later = add_months(day, months)
            year, month = day.year, day.month
            for _ in range(months):
                year, month = (year + 1, 1) if month == 12 else (year, month + 1)
            assert (later.year, later.month) == (year, month)
            assert later.day == min(day.day, calendar.monthrange(year, month)[1])


# -- renewal ------------------------------------------------------------------------------------

GRANTED = date(2020, 10, 5)


@pytest.mark.parametrize(
    ("age_group", "service", "is_early"),
    [
        ("adult", "2020-10-05", True),
        ("adult", "2022-10-04", True),
        ("adult", "2022-10-05", False),  # the day on which it is due
        ("adult", "2022-10-06", False),
        ("adult", "2018-10-06", True),  # the earlier equipment came to the insurer later
        ("adult", "2018-10-05", False),
        ("adult", "2018-10-04", False),
        ("under_16", "2020-10-05", True),
        ("under_16", "2021-10-04", True),
        ("under_16", "2021-10-05", False),
        ("under_16", "2019-10-06", True),
        ("under_16", "2019-10-05", False),
    ],
)
def test_renewal_is_due_after_the_contracts_months_in_both_directions(
    age_group: str, service: str, is_early: bool
) -> None:
    day = date.fromisoformat(service)
    assert is_renewal_too_early(day, [GRANTED], records.contract(), age_group) is is_early


def test_on_a_leap_day_the_end_of_the_month_counts() -> None:
    leap = [date(2020, 2, 29)]
    contract = records.contract()
    assert is_renewal_too_early(date(2022, 2, 27), leap, contract, "adult")
    assert not is_renewal_too_early(date(2022, 2, 28), leap, contract, "adult")
    # From an earlier day to the leap day the months are counted from the earlier one.
    assert is_renewal_too_early(date(2018, 3, 1), leap, contract, "adult")
    assert not is_renewal_too_early(date(2018, 2, 28), leap, contract, "adult")


def test_any_equipment_that_is_too_near_suffices() -> None:
    contract = records.contract()
    far = [date(2016, 1, 1), date(2025, 1, 1)]
    assert not is_renewal_too_early(GRANTED, [], contract, "adult")
    assert not is_renewal_too_early(GRANTED, far, contract, "adult")
    assert is_renewal_too_early(GRANTED, [*far, date(2021, 1, 1)], contract, "adult")


def test_without_months_no_renewal_is_too_early() -> None:
    contract = records.contract(renewal_months=RenewalMonths(adult=0, under_16=1))
    assert not is_renewal_too_early(GRANTED, [GRANTED], contract, "adult")
    assert is_renewal_too_early(GRANTED, [GRANTED], contract, "under_16")


# -- deadlines and answers ----------------------------------------------------------------------


def test_a_grant_ends_the_contracts_days_later() -> None:
    now = datetime(2020, 12, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    assert grant_deadline(records.contract(), now) == "2021-03-01T23:59:59Z"
    assert grant_deadline(records.contract(grant_days=1), now) == "2020-12-02T23:59:59Z"


@pytest.mark.parametrize(
    ("lenses", "frame", "expected"),
    [
        (43_900, 10_000, {"lenses_cents": 43_900, "frame_cents": 10_000}),
        (0, 0, {"lenses_cents": 0, "frame_cents": 0}),
        (None, None, None),
        (None, 1, None),
        (1, None, None),
    ],
)
def test_amounts(lenses: int | None, frame: int | None, expected: Any) -> None:
    assert amounts_facts(lenses, frame) == expected


def test_the_answer_to_a_granted_claim() -> None:
    claim = records.claim("c-1")
    answer = verdict_answer(
        claim, "the digest", "granted", None, "", records.NOW, records.CIRCUIT, "2021-01-04"
    )
    assert answer == {
        "claim_id": "c-1",
        "claim_digest": "the digest",
        "verdict": "granted",
        "reason": None,
        "reason_titles": None,
        "detail": "",
        "judged_at": "2020-10-06T09:30:00Z",
        "contract_digest": claim.contract_digest,
        "nomenclature_digest": records.TABLE,
        "circuit_digest": records.CIRCUIT,
        "granted_until": "2021-01-04",
        "attest_by": None,
        "amounts": {"lenses_cents": 43_900, "frame_cents": 10_000},
        "notice": life.NOT_A_PAYMENT,
    }


@pytest.mark.parametrize(
    ("verdict", "reason"), [("refused", "proof_invalid"), ("pending", "early_renewal")]
)
def test_only_what_is_granted_has_amounts(verdict: str, reason: str) -> None:
    claim = records.claim()
    answer = verdict_answer(claim, "d", verdict, reason, "why", records.NOW, None, None)
    assert answer["amounts"] is None
    assert (answer["reason"], answer["detail"]) == (reason, "why")
    assert answer["reason_titles"] == reason_titles(reason)


def test_a_granted_line_has_no_amounts() -> None:
    claim = records.claim(statement="line")
    answer = verdict_answer(claim, "d", "granted", None, "", records.NOW, None, "later")
    assert answer["amounts"] is None


def test_every_answer_says_in_both_languages_that_it_is_no_payment_decision() -> None:
    assert "not a payment decision" in life.NOT_A_PAYMENT["en"]
    assert "n'est pas une décision de paiement" in life.NOT_A_PAYMENT["fr"]
