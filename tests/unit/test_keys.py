"""The insurer's list of opticians' keys."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from circuits.canonical import encode_base64url
from circuits.signing import is_small_order
from optician.identity import Identity
from tests.support.claims import identity, keys_document
from verifier_api.keys import (
    MAX_KEYS_BYTES,
    KeyEntry,
    KeyRegistry,
    parse_keys,
)
from zk.errors import EncodingError, StatementError

TODAY = date(2020, 10, 6)
OTHER = Identity.generate("optician-2")


def test_a_key_is_found_for_its_own_optician_alone() -> None:
    keys = parse_keys(keys_document(identity(), OTHER))
    key = keys.find("optician-1", identity().key_id, TODAY)
    assert key is not None
    assert key.public_bytes_raw() == identity().signing_key.public_key().public_bytes_raw()
    assert keys.find("optician-2", OTHER.key_id, TODAY) is not None
    assert keys.find("optician-2", identity().key_id, TODAY) is None
    assert keys.find("optician-1", "unknown", TODAY) is None
    assert parse_keys(keys_document()).find("optician-1", identity().key_id, TODAY) is None


@pytest.mark.parametrize(
    ("validity", "is_valid"),
    [
        ({}, True),
        ({"valid_from": "2020-10-06", "valid_to": "2020-10-06"}, True),
        ({"valid_from": "2020-10-07"}, False),
        ({"valid_to": "2020-10-05"}, False),
    ],
)
def test_a_key_is_valid_within_its_days(validity: dict[str, str], is_valid: bool) -> None:
    keys = parse_keys(keys_document(identity(), **validity))
    assert (keys.find("optician-1", identity().key_id, TODAY) is not None) is is_valid


def test_an_optician_may_have_several_keys() -> None:
    second = Identity.generate("optician-1")
    keys = parse_keys(keys_document(identity(), second))
    assert keys.find("optician-1", identity().key_id, TODAY) is not None
    assert keys.find("optician-1", second.key_id, TODAY) is not None


def test_a_key_listed_twice_is_refused_even_under_two_names() -> None:
    entry = identity().public_entry()
    document = {"format_version": 1, "keys": [entry, entry | {"optician_id": "optician-2"}]}
    with pytest.raises(StatementError, match=r"keys\.1: the key is listed twice"):
        parse_keys(json.dumps(document).encode())


def test_entries_made_by_hand() -> None:
    entry = KeyEntry(optician_id="optician-1", public_key=identity().public_entry()["public_key"])
    assert KeyRegistry((entry,)).find("optician-1", identity().key_id, TODAY) is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"public_key": encode_base64url(bytes(31))}, "not 32 bytes"),
        ({"public_key": "*"}, "not canonical base64url"),
        ({"optician_id": "no spaces"}, "optician_id"),
        ({"valid_from": "2020-13-01"}, "valid_from"),
        ({"algorithm": "none"}, "unknown field"),
    ],
)
def test_an_entry_that_is_none(changes: dict[str, Any], words: str) -> None:
    document = {"format_version": 1, "keys": [identity().public_entry() | changes]}
    with pytest.raises(StatementError, match=rf"keys: keys\.0.*{words}"):
        parse_keys(json.dumps(document).encode())


@pytest.mark.parametrize("document", [{"keys": []}, {"format_version": 2, "keys": []}])
def test_a_file_of_another_version(document: dict[str, Any]) -> None:
    with pytest.raises(StatementError, match="format_version"):
        parse_keys(json.dumps(document).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b" " * (MAX_KEYS_BYTES + 1)])
def test_what_is_no_json_object(data: bytes) -> None:
    with pytest.raises(EncodingError, match="keys: "):
        parse_keys(data)


def test_keys_that_anybody_can_sign_for_are_refused() -> None:
    field = 2**255 - 19
    eighth = int.from_bytes(
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
    )
    # RFC 8032, 5.1.7: the y of a point of order 8 satisfies d·y⁴ + 2·y² = 1.
    d = -121665 * pow(121666, -1, field)
    assert (d * pow(eighth, 4, field) + 2 * pow(eighth, 2, field) - 1) % field == 0
    for y in (0, 1, field - 1, eighth, field - eighth, field, field + 1):
        for sign in (0, 1 << 255):
            assert is_small_order((y | sign).to_bytes(32, "little"))
    assert not is_small_order(identity().signing_key.public_key().public_bytes_raw())
    entry = {"optician_id": "o", "public_key": encode_base64url(b"\x01" + bytes(31))}
    document = json.dumps({"format_version": 1, "keys": [entry]}).encode()
    with pytest.raises(StatementError, match=r"^keys: keys\.0: a key for which anybody can sign"):
        parse_keys(document)
