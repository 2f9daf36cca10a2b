"""Sealing an answer to one reader: HPKE (RFC 9180) with X25519 and ML-KEM-768 together.

The hybrid key encapsulation of the suite stays secret while either of the two problems is hard, so
what is recorded today is not opened by a quantum computer alone. The library fixes the byte forms;
what stands here is the choice of the suite, the keys' encoding, and padding: every plaintext of up
to `BLOCK_BYTES` has one length, so the length of a seal does not tell how many digits a price has.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from circuits.canonical import decode_base64url, encode_base64url
from zk.errors import EncodingError, ProofRejected, StatementError

SEAL_TAG = b"clairobscur/seal/v1"
BLOCK_BYTES = 2048
MAX_PLAINTEXT_BYTES = 8 * BLOCK_BYTES
MAX_SEALED_BYTES = MAX_PLAINTEXT_BYTES + 2 * BLOCK_BYTES

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_MLKEM_PUBLIC_BYTES = 1184
_MLKEM_SEED_BYTES = 64
_X25519_BYTES = 32
_LENGTH_BYTES = 4

RECIPIENT_BYTES = _MLKEM_PUBLIC_BYTES + _X25519_BYTES


@dataclass(frozen=True)
class RecipientKey:
    """A reader's secret key: the seed of ML-KEM-768 and the key of X25519."""

    mlkem: MLKEM768PrivateKey = field(repr=False)
    x25519: X25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> RecipientKey:
        """A fresh one."""
        return cls(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def decode(cls, text: str) -> RecipientKey:
        """Strict inverse of `encode`; raises `EncodingError`, without content."""
        data = decode_base64url(text)
        if len(data) != _MLKEM_SEED_BYTES + _X25519_BYTES:
            raise EncodingError("recipient key: wrong length")
        return cls(
            MLKEM768PrivateKey.from_seed_bytes(data[:_MLKEM_SEED_BYTES]),
            X25519PrivateKey.from_private_bytes(data[_MLKEM_SEED_BYTES:]),
        )

    def encode(self) -> str:
        """base64url of seed ‖ X25519 key: secret."""
        return encode_base64url(self.mlkem.private_bytes_raw() + self.x25519.private_bytes_raw())

    @property
    def public(self) -> str:
        """base64url of the public keys of ML-KEM-768 ‖ X25519, `RECIPIENT_BYTES` long."""
        return encode_base64url(
            self.mlkem.public_key().public_bytes_raw() + self.x25519.public_key().public_bytes_raw()
        )


def require_recipient(text: str) -> MLKEM768X25519PublicKey:
    """The public key that ``text`` encodes. Raises `EncodingError` or `StatementError`."""
    data = decode_base64url(text)
    if len(data) != RECIPIENT_BYTES:
        raise EncodingError("recipient: wrong length")
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(data[:_MLKEM_PUBLIC_BYTES]),
            X25519PublicKey.from_public_bytes(data[_MLKEM_PUBLIC_BYTES:]),
        )
    except ValueError:
        raise StatementError("recipient: not a public key") from None


def seal(plaintext: bytes, recipient: str, context: bytes) -> bytes:
    """Seal for the reader with that public key; ``context`` must be the same when it is opened.

    Raises `StatementError` for a plaintext over `MAX_PLAINTEXT_BYTES` or a key that is none.
    """
    if len(plaintext) > MAX_PLAINTEXT_BYTES:
        raise StatementError("seal: too long")
    try:
        return _SUITE.encrypt(_padded(plaintext), require_recipient(recipient), info=_info(context))
    except ValueError:  # an X25519 point of small order
        raise StatementError("recipient: not a public key") from None


def unseal(sealed: bytes, key: RecipientKey, context: bytes) -> bytes:
    """Inverse of `seal`. Raises `ProofRejected` ("seal_invalid") for anything else."""
    both = MLKEM768X25519PrivateKey(key.mlkem, key.x25519)
    try:
        padded = _SUITE.decrypt(sealed, both, info=_info(context))
    except (InvalidTag, ValueError):
        raise _invalid() from None
    size = int.from_bytes(padded[:_LENGTH_BYTES], "big")
    plaintext = padded[_LENGTH_BYTES : _LENGTH_BYTES + size]
    if len(plaintext) != size or padded != _padded(plaintext):
        raise _invalid()
    return plaintext


def _padded(plaintext: bytes) -> bytes:
    """The one form in which a text is sealed: its length, itself, zeros to the end of a block."""
    framed = len(plaintext).to_bytes(_LENGTH_BYTES, "big") + plaintext
    return framed + bytes(-len(framed) % BLOCK_BYTES)


def _info(context: bytes) -> bytes:
    return len(SEAL_TAG).to_bytes(4, "big") + SEAL_TAG + context


def _invalid() -> ProofRejected:
    return ProofRejected("seal_invalid", "the seal does not open with this key, or for this case")
