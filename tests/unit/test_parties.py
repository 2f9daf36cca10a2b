"""Keys of publishers, attesters, auditors and insurers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from circuits.canonical import encode_base64url
from circuits.signing import public_key_of
from circuits.trust import PARTY_ROLES, PartyRole, parse_trust
from verifier_api.parties import MAX_PARTY_BYTES, Party
from zk.errors import EncodingError, StatementError

NOON = datetime(2020, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize("role", PARTY_ROLES)
def test_generated_keys_are_fresh_and_survive_the_file(role: PartyRole) -> None:
    one, other = Party.generate(role, "party-1"), Party.generate(role, "party-1")
    assert one.key_id != other.key_id
    read = Party.parse(one.encode())
    assert (read.role, read.party_id, read.key_id) == (role, "party-1", one.key_id)
    assert read.encode() == one.encode()
    public = public_key_of(one.public_entry()["public_key"])
    public.verify(read.signing_key.sign(b"message"), b"message")


@pytest.mark.parametrize("role", PARTY_ROLES)
def test_the_public_entry_makes_a_trust_list_and_tells_no_secret(role: PartyRole) -> None:
    party = Party.generate(role, "party-1")
    data = json.dumps(party.trust_list()).encode()
    assert json.loads(party.encode())["private_key"] not in data.decode()
    trust = parse_trust(data)
    entry = trust.keys[party.key_id]
    assert trust.require(role, "party-1", party.key_id, NOON) is entry
    assert entry.publishes == (("contract", "nomenclature") if role == "publisher" else ())
    assert (entry.insurer_id, entry.revoked_at) == (None, None)


def test_the_public_entry_says_what_it_is_told() -> None:
    party = Party.generate("publisher", "association-1")
    entry = party.public_entry(
        valid_from=NOON,
        valid_to=NOON.replace(hour=13),
        revoked_at=NOON.replace(minute=5),
        publishes=["contract"],
        insurer_id="insurer-1",
    )
    assert entry == {
        "role": "publisher",
        "party_id": "association-1",
        "public_key": party.public_entry()["public_key"],
        "valid_from": "2020-11-25T12:00:00Z",
        "valid_to": "2020-11-25T13:00:00Z",
        "revoked_at": "2020-11-25T12:05:00Z",
        "publishes": ["contract"],
        "insurer_id": "insurer-1",
    }


@pytest.mark.parametrize(
    ("role", "entry", "problem"),
    [
        ("publisher", {"publishes": []}, "publishes goes with role publisher"),
        ("publisher", {"publishes": ["price"]}, "publishes"),
        ("auditor", {"publishes": ["contract"]}, "publishes goes with role publisher"),
        ("attester", {"insurer_id": "insurer-1"}, "insurer_id goes with role publisher"),
        ("publisher", {"insurer_id": "with space"}, "insurer_id"),
        (
            "insurer",
            {"valid_from": NOON, "valid_to": NOON.replace(hour=11)},
            "valid_to is before valid_from",
        ),
    ],
)
def test_an_entry_that_no_trust_list_takes(
    role: PartyRole, entry: dict[str, Any], problem: str
) -> None:
    with pytest.raises(StatementError, match=problem):
        Party.generate(role, "party-1").public_entry(**entry)


@pytest.mark.parametrize("name", ["", "with space", "-dash", "é", "x" * 65])
def test_an_identifier_that_is_none(name: str) -> None:
    with pytest.raises(StatementError, match="party_id"):
        Party.generate("auditor", name)


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": 2},
        {"role": "optician"},
        {"party_id": "with space"},
        {"private_key": encode_base64url(bytes(31))},
        {"private_key": encode_base64url(bytes(33))},
        {"private_key": "not base64url!"},
        {"more": 1},
    ],
)
def test_a_key_file_that_is_none(changes: dict[str, Any]) -> None:
    document = json.loads(Party.generate("attester", "registry-1").encode())
    with pytest.raises(StatementError, match=next(iter(changes))) as caught:
        Party.parse(json.dumps(document | changes).encode())
    assert document["private_key"] not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b" " * (MAX_PARTY_BYTES + 1)])
def test_what_is_no_json_object(data: bytes) -> None:
    with pytest.raises(EncodingError, match="key file: "):
        Party.parse(data)


def test_the_repr_shows_no_key() -> None:
    party = Party.generate("insurer", "insurer-1")
    secret = json.loads(party.encode())["private_key"]
    for text in (repr(party), str(party)):
        assert secret not in text
        assert "insurer-1" in text
