"""Signatures over framed canonical JSON: one key, one tag, every byte."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from circuits.canonical import decode_base64url, encode_base64url
from circuits.signing import framed_bytes, key_id_of, sign_document, verify_document_signature
from zk.errors import EncodingError, ProofRejected, StatementError

TAG = b"clairobscur/test/v1"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
UNSIGNED: dict[str, Any] = {"name": "é", "key_id": key_id_of(KEY.public_key()), "amount": 1}


def test_the_key_id_is_the_hash_of_the_public_key() -> None:
    public = KEY.public_key()
    expected = hashlib.sha256(public.public_bytes_raw()).digest()
    assert decode_base64url(key_id_of(public)) == expected


def test_the_tag_is_framed_and_the_document_canonical() -> None:
    assert framed_bytes(TAG, UNSIGNED) == b"\0\0\0\x13" + TAG + rfc8785.dumps(UNSIGNED)
    assert framed_bytes(TAG, dict(reversed(UNSIGNED.items()))) == framed_bytes(TAG, UNSIGNED)
    with pytest.raises(EncodingError):
        framed_bytes(TAG, {"amount": 1.5})


def test_a_signature_verifies() -> None:
    signature = sign_document(TAG, UNSIGNED, KEY, what="test")
    KEY.public_key().verify(decode_base64url(signature), framed_bytes(TAG, UNSIGNED))
    verify_document_signature(TAG, UNSIGNED, signature, KEY.public_key(), what="test")


def test_nobody_signs_under_another_key_id() -> None:
    with pytest.raises(StatementError, match=r"^test: key_id: not the key that signs$"):
        sign_document(TAG, UNSIGNED, Ed25519PrivateKey.generate(), what="test")


def test_another_document_tag_or_signature_is_rejected() -> None:
    signature = sign_document(TAG, UNSIGNED, KEY, what="test")
    changed = encode_base64url(bytes([decode_base64url(signature)[0] ^ 1]) + bytes(63))
    for tag, unsigned, text in (
        (TAG, UNSIGNED | {"amount": 2}, signature),
        (b"clairobscur/test/v2", UNSIGNED, signature),
        (TAG, UNSIGNED, changed),
    ):
        with pytest.raises(ProofRejected, match="not this key's") as refusal:
            verify_document_signature(tag, unsigned, text, KEY.public_key(), what="test")
        assert refusal.value.reason == "signature_invalid"


def test_another_key_is_rejected_even_if_it_signed() -> None:
    other = Ed25519PrivateKey.generate()
    signature = encode_base64url(other.sign(framed_bytes(TAG, UNSIGNED)))
    with pytest.raises(ProofRejected, match="the test names another key") as refusal:
        verify_document_signature(TAG, UNSIGNED, signature, other.public_key(), what="test")
    assert refusal.value.reason == "signature_invalid"
