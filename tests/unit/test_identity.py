"""The optician's long-lived secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from circuits.canonical import decode_base64url, encode_base64url
from circuits.signing import key_id_of
from optician.identity import HEDGE_BYTES, MAX_IDENTITY_BYTES, Identity
from zk.errors import EncodingError, StatementError


def test_generated_keys_are_fresh_and_survive_the_file() -> None:
    one, other = Identity.generate("shop-1"), Identity.generate("shop-1")
    assert one.key_id != other.key_id
    assert one.hedge_key != other.hedge_key
    assert len(one.hedge_key) == HEDGE_BYTES
    read = Identity.parse(one.encode())
    assert (read.optician_id, read.hedge_key, read.key_id) == ("shop-1", one.hedge_key, one.key_id)
    assert read.encode() == one.encode()


def test_the_public_entry_is_the_signing_key_s_and_tells_no_secret() -> None:
    identity = Identity.generate("shop-1")
    entry = identity.public_entry()
    assert set(entry) == {"optician_id", "public_key"}
    public = Ed25519PublicKey.from_public_bytes(decode_base64url(entry["public_key"]))
    public.verify(identity.signing_key.sign(b"message"), b"message")
    assert key_id_of(public) == identity.key_id
    secrets = json.loads(identity.encode())
    assert secrets["private_key"] not in entry.values()
    assert secrets["hedge_key"] not in entry.values()


@pytest.mark.parametrize("name", ["", "with space", "-dash", "é", "x" * 65])
def test_an_identifier_that_is_none(name: str) -> None:
    with pytest.raises(StatementError, match="optician_id"):
        Identity.generate(name)


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": 2},
        {"private_key": encode_base64url(bytes(31))},
        {"private_key": encode_base64url(bytes(33))},
        {"private_key": "not base64url!"},
        {"hedge_key": None},
        {"hedge_key": encode_base64url(bytes(32)) + "="},
        {"more": 1},
    ],
)
def test_a_key_file_that_is_none(changes: dict[str, Any]) -> None:
    document = json.loads(Identity.generate("shop-1").encode())
    with pytest.raises(StatementError, match=next(iter(changes))) as caught:
        Identity.parse(json.dumps(document | changes).encode())
    assert document["private_key"] not in str(caught.value)
    assert document["hedge_key"] not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b" " * (MAX_IDENTITY_BYTES + 1)])
def test_what_is_no_json_object(data: bytes) -> None:
    with pytest.raises(EncodingError, match="key file: "):
        Identity.parse(data)


def test_the_repr_shows_no_key() -> None:
    identity = Identity.generate("shop-1")
    document = json.loads(identity.encode())
    for text in (repr(identity), str(identity)):
        assert document["private_key"] not in text
        assert document["hedge_key"] not in text
        assert repr(identity.hedge_key) not in text
        assert "shop-1" in text
