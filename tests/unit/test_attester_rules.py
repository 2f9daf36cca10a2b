"""The attester's judgement, point by point, and what comes of a good request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from circuits.attestation import ATTESTATION_REASONS
from circuits.canonical import decode_base64url
from circuits.opening import RevealedValues
from circuits.signed import encode_signed, verify_signed
from tests.support import claims as samples
from tests.support.laboratory import (
    ATTESTER,
    Lab,
    pair_of_claims,
    party,
    request_for,
    row,
    secrets_of,
    trust,
)
from verifier_api.attester.attesting import MAX_VALID_DAYS
from verifier_api.attester.rules import (
    MAX_REQUEST_AGE,
    REQUEST_REASONS,
    Record,
    compare,
    open_request,
    require_authentic,
)
from verifier_api.commands import attester as commands
from verifier_api.openings import OPENING_REASONS
from zk.errors import ProofRejected

CLAIM, OPENINGS = pair_of_claims()[0]
CODE, PRICE = secrets_of(OPENINGS)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path, row(OPENINGS))
    yield made
    made.attester.close()


def test_a_good_request_gets_an_attestation_of_its_line(lab: Lab) -> None:
    request = request_for((CLAIM, OPENINGS))
    made = lab.attestation(request)
    assert (made.attester_id, made.claim_id, made.line) == (ATTESTER, CLAIM.claim_id, 1)
    assert made.commitment == CLAIM.lines[0].commitment
    assert made.attested == ("code", "price")
    assert (made.attested_at, made.expires_at) == (lab.now, lab.now + timedelta(days=30))
    assert len(decode_base64url(made.record)) == 16
    verify_signed(made, party().signing_key.public_key())
    trust().require_signed(made, "attester", ATTESTER, lab.now)
    said = encode_signed(made).decode()
    assert not [text for text in (str(CODE), request.record_id) if text in said]


def test_a_record_without_a_price_attests_the_code_alone(tmp_path: Path) -> None:
    lab = Lab(tmp_path, row(OPENINGS, has_price=False, quantity=2), valid_days=3)
    for reveal in (("code",), ("code", "price")):
        made = lab.attestation(request_for((CLAIM, OPENINGS), reveal=reveal))
        assert made.attested == ("code",)
        assert made.expires_at == lab.now + timedelta(days=3)
    lab.attester.close()


def test_the_same_facts_get_the_same_bytes_also_of_another_process(lab: Lab) -> None:
    first = lab.ask(request_for((CLAIM, OPENINGS)))
    lab.now += timedelta(days=2)
    again = request_for((CLAIM, OPENINGS), now=lab.now)  # other proof, other signature
    assert lab.ask(again) == first
    other = lab.open()
    assert other.attest(again) == first
    other.close()


def test_fractions_of_a_second_are_cut_off(lab: Lab) -> None:
    lab.now += timedelta(microseconds=999_999)
    assert lab.attestation(request_for((CLAIM, OPENINGS))).attested_at == samples.NOW


def test_the_documents_reasons_are_those_of_the_code() -> None:
    judged = ("opening_other_purpose", "opening_malformed", "opening_invalid",
              "opening_meaningless")  # fmt: skip
    assert {name: OPENING_REASONS[name] for name in judged}.items() <= REQUEST_REASONS.items()
    assert not {"opening_other_claim", "opening_other_line"} & set(REQUEST_REASONS)
    assert {"signature_invalid"} == set(REQUEST_REASONS) & set(ATTESTATION_REASONS)


def test_defaults_of_the_command_are_those_of_the_code() -> None:
    from verifier_api.attester import attesting
    from verifier_api.web.attester import AttesterSettings

    assert commands.DEFAULT_VALID_DAYS == attesting.DEFAULT_VALID_DAYS
    assert commands.MAX_VALID_DAYS == MAX_VALID_DAYS
    assert AttesterSettings().port == commands.DEFAULT_PORT


# -- one point at a time ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "is_stale"),
    [
        (timedelta(), False),
        (MAX_REQUEST_AGE, False),
        (-MAX_REQUEST_AGE, False),
        (MAX_REQUEST_AGE + timedelta(seconds=1), True),
        (-MAX_REQUEST_AGE - timedelta(seconds=1), True),
        (timedelta(days=400), True),
    ],
)
def test_the_edges_of_staleness(offset: timedelta, is_stale: bool) -> None:
    request = request_for((CLAIM, OPENINGS))
    now = samples.NOW + offset
    if not is_stale:
        require_authentic(request, ATTESTER, samples.registry(), now)
        return
    with pytest.raises(ProofRejected) as refusal:
        require_authentic(request, ATTESTER, samples.registry(), now)
    assert refusal.value.reason == "request_stale"


@pytest.mark.parametrize(
    ("valid", "is_known"),
    [
        ({}, True),
        ({"valid_from": "2020-10-06", "valid_to": "2020-10-06"}, True),
        ({"valid_from": "2020-10-07"}, False),
        ({"valid_to": "2020-10-05"}, False),
    ],
)
def test_a_key_counts_on_the_days_of_its_validity(valid: dict[str, str], is_known: bool) -> None:
    request, keys = request_for((CLAIM, OPENINGS)), samples.registry(None, **valid)
    if is_known:
        require_authentic(request, ATTESTER, keys, samples.NOW)
        return
    with pytest.raises(ProofRejected) as refusal:
        require_authentic(request, ATTESTER, keys, samples.NOW)
    assert refusal.value.reason == "optician_unknown"


def test_an_opening_shows_what_it_reveals_and_nothing_more() -> None:
    values = open_request(request_for((CLAIM, OPENINGS), reveal=["code"]), samples.generators())
    assert (values.code, values.price_cents) == (CODE, None)


RECORD = Record("ORDER-17", "optician-1", CODE, PRICE, 1)
NO_PRICE = Record("ORDER-17", "optician-1", CODE, None, 1)
BOTH = RevealedValues(("code", "price"), CODE, PRICE)


@pytest.mark.parametrize(
    ("record", "values", "attested"),
    [
        (RECORD, BOTH, ("code", "price")),
        (NO_PRICE, BOTH, ("code",)),
        (NO_PRICE, RevealedValues(("code",), CODE), ("code",)),
        (Record("ORDER-17", "optician-1", CODE, 0, 1), RevealedValues(("code", "price"), CODE, 0),
         ("code", "price")),
    ],
)  # fmt: skip
def test_what_agrees_is_attested(
    record: Record, values: RevealedValues, attested: tuple[str, ...]
) -> None:
    assert compare(values, record, request_for((CLAIM, OPENINGS))) == attested


@pytest.mark.parametrize(
    ("record", "values", "reason"),
    [
        (None, BOTH, "record_unknown"),
        (Record("ORDER-17", "optician-2", CODE, PRICE, 1), BOTH, "record_unknown"),
        (Record("order-17", "optician-1", CODE, PRICE, 1), BOTH, "record_unknown"),
        (RECORD, RevealedValues(("price",), None, PRICE), "code_missing"),
        (NO_PRICE, RevealedValues(("price",), None, PRICE), "code_missing"),
        (RECORD, RevealedValues(("code",), CODE), "price_missing"),
        (RECORD, RevealedValues(("code",), CODE + 1), "price_missing"),
        (RECORD, RevealedValues(("code", "price"), CODE + 1, PRICE), "code_differs"),
        (RECORD, RevealedValues(("code", "price"), CODE + 1, PRICE + 1), "code_differs"),
        (RECORD, RevealedValues(("code", "price"), CODE, PRICE + 1), "price_differs"),
        (RECORD, RevealedValues(("code", "price"), CODE, 0), "price_differs"),
        (Record("ORDER-17", "optician-1", CODE, 0, 1), BOTH, "price_differs"),
        (NO_PRICE, RevealedValues(("code",), CODE + 1), "code_differs"),
    ],
)
def test_what_does_not_agree_is_refused_in_this_order(
    record: Record | None, values: RevealedValues, reason: str
) -> None:
    with pytest.raises(ProofRejected) as refusal:
        compare(values, record, request_for((CLAIM, OPENINGS)))
    assert refusal.value.reason == reason
    assert refusal.value.detail == REQUEST_REASONS[reason]
