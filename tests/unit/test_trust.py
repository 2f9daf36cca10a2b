"""Trust lists: whose key counts for what, and when."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from circuits.attestation import Attestation
from circuits.canonical import encode_base64url
from circuits.signed import make_signed
from circuits.signing import framed_bytes, key_id_of
from circuits.trust import (
    MAX_TRUST_BYTES,
    MAX_TRUSTED_KEYS,
    PARTY_ROLES,
    TRUST_REASONS,
    Trust,
    TrustedKey,
    parse_trust,
)
from tests.support.signed_documents import SMALL_ORDER, fields_of, golden
from zk.errors import EncodingError, ProofRejected, StatementError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEY_ID = key_id_of(KEY.public_key())
AT = datetime(2020, 10, 6, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NAME = golden(Attestation).attester_id


def public(key: Ed25519PrivateKey = KEY) -> str:
    return encode_base64url(key.public_key().public_bytes_raw())


def entry(**changes: Any) -> dict[str, Any]:
    made = {"role": "attester", "party_id": NAME, "public_key": public()} | changes
    return {name: value for name, value in made.items() if value is not ...}


def file_of(*entries: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({"format_version": 1, "keys": entries} | changes).encode()


def trust(**changes: Any) -> Trust:
    return parse_trust(file_of(entry(**changes)))


def reason_of(call: Callable[..., object], *given: object) -> str:
    with pytest.raises(ProofRejected) as refusal:
        call(*given)
    assert refusal.value.detail == TRUST_REASONS[refusal.value.reason]
    return refusal.value.reason


# -- the file -----------------------------------------------------------------------------------


def test_what_is_not_said_of_a_key_is_always() -> None:
    (key,) = trust().keys.values()
    assert key.valid_from == datetime(1, 1, 1, tzinfo=UTC)
    assert key.valid_to == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert key.revoked_at is None
    assert (key.publishes, key.insurer_id) == ((), None)
    assert list(trust().keys) == [KEY_ID]
    assert trust().public_key(KEY_ID).public_bytes_raw() == KEY.public_key().public_bytes_raw()
    with pytest.raises(KeyError):
        trust().public_key(key_id_of(OTHER.public_key()))


def test_an_empty_list_is_one() -> None:
    assert parse_trust(file_of()).keys == {}
    assert not parse_trust(file_of()).has_role("attester")
    with pytest.raises(FrozenInstanceError):
        parse_trust(file_of()).keys = {}  # type: ignore[misc]


def test_roles_that_the_list_knows() -> None:
    publisher = entry(role="publisher", publishes=["contract"], public_key=public(OTHER))
    expired = entry(valid_to="2001-01-01T00:00:00Z")
    both = parse_trust(file_of(publisher, expired))
    assert {role for role in PARTY_ROLES if both.has_role(role)} == {"publisher", "attester"}


@pytest.mark.parametrize("encoded", SMALL_ORDER, ids=bytes.hex)
def test_a_key_for_which_anybody_can_sign_is_refused(encoded: bytes) -> None:
    weak = entry(public_key=encode_base64url(encoded))
    with pytest.raises(StatementError, match=r"^trust list: keys\.1: "):
        parse_trust(file_of(entry(), weak))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"role": "optician"}, "role"),
        ({"role": ...}, "role"),
        ({"party_id": ""}, "party_id"),
        ({"party_id": "no name"}, "party_id"),
        ({"public_key": "AAAA"}, "public_key"),
        ({"public_key": public() + "="}, "public_key"),
        ({"public_key": public()[:-1] + "B"}, "public_key"),
        ({"public_key": None}, "public_key"),
        ({"valid_from": "2020-01-01"}, "valid_from"),
        ({"valid_from": "2020-13-01T00:00:00Z"}, "valid_from"),
        ({"valid_from": "2020-01-01T00:00:00+00:00"}, "valid_from"),
        ({"valid_to": None}, "valid_to"),
        ({"valid_from": "2020-01-02T00:00:00Z", "valid_to": "2020-01-01T23:59:59Z"}, "valid_to"),
        ({"revoked_at": "never"}, "revoked_at"),
        ({"publishes": ["contract"]}, "publishes"),
        ({"role": "publisher"}, "publishes"),
        ({"role": "publisher", "publishes": []}, "publishes"),
        ({"role": "publisher", "publishes": ["tariff"]}, "publishes"),
        ({"insurer_id": "insurer-1"}, "insurer_id"),
        ({"role": "insurer", "insurer_id": "insurer-1"}, "insurer_id"),
        ({"weight": 1}, "unknown field"),
    ],
)
def test_a_bad_entry_is_told_by_place_and_field(changes: dict[str, Any], place: str) -> None:
    other = entry(public_key=public(OTHER))
    with pytest.raises(StatementError) as refusal:
        parse_trust(file_of(other, entry(**changes)))
    told = str(refusal.value)
    assert told.startswith("trust list: ")
    assert "keys.1" in told
    assert place in told


def test_a_key_is_listed_once_and_has_one_role() -> None:
    for again in (entry(), entry(role="auditor"), entry(party_id="other")):
        with pytest.raises(StatementError, match=r"keys\.1: the key is listed twice"):
            parse_trust(file_of(entry(), again))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format_version":1}',
        b'{"keys":[]}',
        file_of(format_version=2),
        file_of(format_version=True),
        file_of(keys={}),
        file_of(more=1),
        b'{"format_version":1,"keys":[],"keys":[]}',
        file_of() + b" " * MAX_TRUST_BYTES,
    ],
)
def test_what_is_no_list(data: bytes) -> None:
    with pytest.raises((EncodingError, StatementError), match="trust list"):
        parse_trust(data)


def test_a_list_has_a_largest_length() -> None:
    assert MAX_TRUSTED_KEYS == 5000
    keys = [{"role": "attester", "party_id": "p", "public_key": f"{n:043x}"[:42] + "A"}
            for n in range(MAX_TRUSTED_KEYS + 1)]  # fmt: skip
    with pytest.raises(StatementError, match="keys"):
        parse_trust(file_of(*keys))


def test_a_list_may_be_written_by_hand() -> None:
    text = json.dumps({"keys": [entry()], "format_version": 1}, indent=4).encode() + b"\n"
    assert parse_trust(text) == trust()


# -- whose key counts, and when -----------------------------------------------------------------


def test_a_key_is_one_partys_in_one_role() -> None:
    assert isinstance(trust().require("attester", NAME, KEY_ID, AT), TrustedKey)
    read: Any = "".join(list("attester"))  # equal, as what is read from somewhere, not the same
    assert isinstance(trust().require(read, NAME, KEY_ID, AT), TrustedKey)
    for role, party_id, key_id in (
        ("auditor", NAME, KEY_ID),
        ("publisher", NAME, KEY_ID),
        ("insurer", NAME, KEY_ID),
        ("attester", NAME + "x", KEY_ID),
        ("attester", NAME.upper(), KEY_ID),
        ("attester", "", KEY_ID),
        ("attester", NAME, key_id_of(OTHER.public_key())),
        ("attester", NAME, ""),
    ):
        reason = reason_of(trust().require, role, party_id, key_id, AT)
        assert reason == "key_unknown"


@pytest.mark.parametrize(
    ("offset", "reason"),
    [
        (timedelta(), None),
        (-SECOND, "key_not_valid"),
        (timedelta(days=1), None),
        (timedelta(days=1) + SECOND, "key_not_valid"),
        (timedelta(days=1, microseconds=1), "key_not_valid"),
        (timedelta(microseconds=-1), "key_not_valid"),
    ],
)
def test_both_ends_of_the_validity_are_included(offset: timedelta, reason: str | None) -> None:
    known = trust(valid_from="2020-10-06T09:30:00Z", valid_to="2020-10-07T09:30:00Z")
    if reason is None:
        known.require("attester", NAME, KEY_ID, AT + offset)
    else:
        assert reason_of(known.require, "attester", NAME, KEY_ID, AT + offset) == reason


@pytest.mark.parametrize(
    ("offset", "is_revoked"),
    [(-SECOND, False), (timedelta(), True), (SECOND, True), (timedelta(days=400), True)],
)
def test_what_was_recorded_before_a_revocation_stands(offset: timedelta, is_revoked: bool) -> None:
    known = trust(revoked_at="2020-10-06T09:30:00Z")
    if is_revoked:
        assert reason_of(known.require, "attester", NAME, KEY_ID, AT + offset) == "key_revoked"
    else:
        known.require("attester", NAME, KEY_ID, AT + offset)


def test_the_first_reason_that_holds_is_told() -> None:
    known = trust(valid_to="2020-10-05T00:00:00Z", revoked_at="2020-10-01T00:00:00Z")
    assert reason_of(known.require, "auditor", NAME, KEY_ID, AT) == "key_unknown"
    assert reason_of(known.require, "attester", NAME, KEY_ID, AT) == "key_not_valid"
    earlier = AT - timedelta(days=3)
    assert reason_of(known.require, "attester", NAME, KEY_ID, earlier) == "key_revoked"


def test_a_revocation_before_the_validity_makes_a_key_worth_nothing() -> None:
    known = trust(valid_from="2020-10-06T09:30:00Z", revoked_at="2020-01-01T00:00:00Z")
    assert reason_of(known.require, "attester", NAME, KEY_ID, AT) == "key_revoked"


def test_instants_of_other_zones_are_compared_as_instants() -> None:
    known = trust(valid_to="2020-10-06T09:30:00Z")
    paris = timezone(timedelta(hours=2))
    known.require("attester", NAME, KEY_ID, AT.astimezone(paris))
    late = (AT + SECOND).astimezone(paris)
    assert reason_of(known.require, "attester", NAME, KEY_ID, late) == "key_not_valid"


# -- signatures ---------------------------------------------------------------------------------


def attestation(key: Ed25519PrivateKey = KEY, **changes: Any) -> Attestation:
    return make_signed(Attestation, key, **fields_of(golden(Attestation)) | changes)


def test_a_signature_of_a_key_that_counts() -> None:
    key = trust().require_signed(attestation(), "attester", NAME, AT)
    assert key.public_key == public()


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: attestation(OTHER), "key_unknown"),
        (lambda: attestation(OTHER).model_copy(update={"key_id": KEY_ID}), "signature_invalid"),
        (lambda: attestation().model_copy(update={"line": 2}), "signature_invalid"),
        (lambda: attestation().model_copy(update={"signature": "A" * 86}), "signature_invalid"),
        (lambda: attestation().model_copy(update={"signature": attestation(line=2).signature}),
         "signature_invalid"),
    ],
)  # fmt: skip
def test_another_signature_does_not_count(made: Callable[[], Attestation], reason: str) -> None:
    assert reason_of(trust().require_signed, made(), "attester", NAME, AT) == reason


def test_a_signature_under_another_tag_does_not_count() -> None:
    given = attestation()
    for tag in (b"clairobscur/audit-outcome/v1", b"", b"clairobscur/attestation/v2"):
        signature = encode_base64url(KEY.sign(framed_bytes(tag, given.unsigned())))
        forged = given.model_copy(update={"signature": signature})
        reason = reason_of(trust().require_signed, forged, "attester", NAME, AT)
        assert reason == "signature_invalid"


def test_an_auditors_key_attests_nothing() -> None:
    known = trust(role="auditor")
    assert reason_of(known.require_signed, attestation(), "attester", NAME, AT) == "key_unknown"


def test_two_keys_are_valid_while_one_follows_the_other() -> None:
    old = entry(valid_to="2020-10-31T23:59:59Z")
    new = entry(public_key=public(OTHER), valid_from="2020-10-01T00:00:00Z")
    known = parse_trust(file_of(old, new))
    for key in (KEY, OTHER):
        known.require_signed(attestation(key), "attester", NAME, AT)
    for key, at, reason in (
        (KEY, datetime(2020, 11, 1, tzinfo=UTC), "key_not_valid"),
        (OTHER, datetime(2020, 9, 30, tzinfo=UTC), "key_not_valid"),
    ):
        made = attestation(key)
        assert reason_of(known.require_signed, made, "attester", NAME, at) == reason
