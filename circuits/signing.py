"""Signed documents: Ed25519 (RFC 8032) over a framed tag and the canonical JSON of all but the
signature. No two kinds of documents share a tag, so a signature of one is none of another."""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from circuits.canonical import canonical_bytes, decode_base64url, encode_base64url
from zk.errors import ProofRejected, StatementError


def key_id_of(public_key: Ed25519PublicKey) -> str:
    """base64url SHA-256 of the 32 bytes of a public key."""
    return encode_base64url(hashlib.sha256(public_key.public_bytes_raw()).digest())


def framed_bytes(tag: bytes, unsigned: dict[str, Any]) -> bytes:
    """What is signed: I2OSP(len(tag), 4) ‖ tag ‖ canonical JSON of the document without its
    signature."""
    return len(tag).to_bytes(4, "big") + tag + canonical_bytes(unsigned)


def sign_document(
    tag: bytes, unsigned: dict[str, Any], key: Ed25519PrivateKey, *, what: str
) -> str:
    """The base64url signature of ``unsigned``, whose member ``key_id`` names the key.

    ``what`` names the document in messages. Raises `StatementError` if it names another key.
    """
    if unsigned["key_id"] != key_id_of(key.public_key()):
        raise StatementError(f"{what}: key_id: not the key that signs")
    return encode_base64url(key.sign(framed_bytes(tag, unsigned)))


def verify_document_signature(
    tag: bytes,
    unsigned: dict[str, Any],
    signature: str,
    public_key: Ed25519PublicKey,
    *,
    what: str,
) -> None:
    """Raise `ProofRejected` ("signature_invalid") unless ``public_key`` is the one that
    ``unsigned`` names and ``signature``, in base64url, is its own over ``unsigned``."""
    if unsigned["key_id"] != key_id_of(public_key):
        raise ProofRejected("signature_invalid", f"the {what} names another key")
    try:
        public_key.verify(decode_base64url(signature), framed_bytes(tag, unsigned))
    except InvalidSignature:
        raise ProofRejected("signature_invalid", "the signature is not this key's") from None
