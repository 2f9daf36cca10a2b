"""Signed documents: Ed25519 (RFC 8032) over a framed tag and the canonical JSON of all but the
signature. No two kinds of documents share a tag, so a signature of one is none of another."""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from circuits.canonical import canonical_bytes, decode_base64url, encode_base64url
from zk.errors import EncodingError, ProofRejected, StatementError

_FIELD = 2**255 - 19
_EIGHTH = int.from_bytes(
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
)
_SMALL_ORDER = {0, 1, _FIELD - 1, _EIGHTH, _FIELD - _EIGHTH}


def is_small_order(public_key: bytes) -> bool:
    """Whether an Ed25519 public key is a point of order 1, 2, 4 or 8 (RFC 8032, 5.1.7).

    Anybody can sign for such a key, and whoever registered it can deny every signature. The order
    follows from the y-coordinate, in whatever encoding: 0, ±1 or a root of d·y⁴ + 2·y² = 1.
    """
    y = int.from_bytes(public_key, "little") & (1 << 255) - 1
    return y % _FIELD in _SMALL_ORDER


def public_key_of(text: str) -> Ed25519PublicKey:
    """The key of 32 bytes in base64url.

    Raises `StatementError` for what is no Ed25519 public key, or one for which anybody can sign.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(decode_base64url(text))
    except (ValueError, EncodingError):
        raise StatementError("not an Ed25519 public key") from None
    if is_small_order(key.public_bytes_raw()):
        raise StatementError("a key for which anybody can sign")
    return key


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
