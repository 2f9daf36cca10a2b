"""Sealing: what opens for one key and one context, and nothing else."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    Suite,
)

from circuits.canonical import decode_base64url, encode_base64url
from circuits.sealing import (
    BLOCK_BYTES,
    MAX_PLAINTEXT_BYTES,
    MAX_SEALED_BYTES,
    RECIPIENT_BYTES,
    SEAL_TAG,
    RecipientKey,
    require_recipient,
    seal,
    unseal,
)
from zk.errors import EncodingError, ProofRejected, StatementError

KEY = RecipientKey.generate()
CONTEXT = b"one case"
TEXT = b"code 7233865, 21950 cents"
MLKEM_BYTES = 1184
KEM_BYTES = 1088 + 32
TAG_BYTES = 16


def rejected(sealed: bytes, key: RecipientKey = KEY, context: bytes = CONTEXT) -> None:
    with pytest.raises(ProofRejected) as refusal:
        unseal(sealed, key, context)
    assert refusal.value.reason == "seal_invalid"
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__


# -- there and back -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 500, BLOCK_BYTES - 4, BLOCK_BYTES - 3, 5000,
                                  MAX_PLAINTEXT_BYTES])  # fmt: skip
def test_what_was_sealed_opens(size: int) -> None:
    text = bytes(range(256)) * (size // 256) + bytes(size % 256)
    sealed = seal(text, KEY.public, CONTEXT)
    assert unseal(sealed, KEY, CONTEXT) == text
    assert len(sealed) <= MAX_SEALED_BYTES
    assert (len(sealed) - KEM_BYTES - TAG_BYTES) % BLOCK_BYTES == 0


def test_the_length_does_not_tell_what_is_sealed() -> None:
    sizes = {len(seal(b"x" * size, KEY.public, CONTEXT)) for size in (0, 1, 300, BLOCK_BYTES - 4)}
    assert sizes == {KEM_BYTES + TAG_BYTES + BLOCK_BYTES}
    assert len(seal(b"x" * (BLOCK_BYTES - 3), KEY.public, CONTEXT)) not in sizes


def test_no_two_seals_are_alike_and_none_shows_its_text() -> None:
    seals = {seal(TEXT, KEY.public, CONTEXT) for _ in range(3)}
    assert len(seals) == 3
    assert not [one for one in seals if TEXT[:8] in one]


def test_too_long_a_text_is_not_sealed() -> None:
    with pytest.raises(StatementError, match="too long"):
        seal(bytes(MAX_PLAINTEXT_BYTES + 1), KEY.public, CONTEXT)


# -- what does not open -------------------------------------------------------------------------


def test_another_key_or_context_does_not_open() -> None:
    sealed = seal(TEXT, KEY.public, CONTEXT)
    rejected(sealed, RecipientKey.generate())
    for context in (b"", b"another case", CONTEXT + b"\0", CONTEXT[:-1]):
        rejected(sealed, context=context)
    assert unseal(sealed, KEY, CONTEXT) == TEXT


def test_both_halves_of_the_key_are_needed() -> None:
    sealed = seal(TEXT, KEY.public, CONTEXT)
    other = RecipientKey.generate()
    rejected(sealed, RecipientKey(KEY.mlkem, other.x25519))
    rejected(sealed, RecipientKey(other.mlkem, KEY.x25519))
    assert unseal(sealed, RecipientKey(KEY.mlkem, KEY.x25519), CONTEXT) == TEXT


def test_every_part_of_a_seal_is_authenticated() -> None:
    sealed = seal(TEXT, KEY.public, CONTEXT)
    places = {0, 31, 32, 1087, 1088, KEM_BYTES - 1, KEM_BYTES, KEM_BYTES + 5, len(sealed) - 17,
              len(sealed) - 1, *range(100, len(sealed), 331)}  # fmt: skip
    for place in places:
        changed = bytearray(sealed)
        changed[place] ^= 1
        rejected(bytes(changed))


@pytest.mark.parametrize("cut", [0, 1, 31, 32, KEM_BYTES - 1, KEM_BYTES, KEM_BYTES + TAG_BYTES])
def test_cut_or_continued_it_does_not_open(cut: int) -> None:
    sealed = seal(TEXT, KEY.public, CONTEXT)
    rejected(sealed[:cut])
    rejected(sealed + bytes(cut + 1))
    rejected(sealed[:-1])
    rejected(sealed[1:])


def test_parts_of_two_seals_do_not_make_one() -> None:
    one, two = (seal(TEXT, KEY.public, CONTEXT) for _ in range(2))
    rejected(one[:KEM_BYTES] + two[KEM_BYTES:])
    rejected(one[:1088] + two[1088:KEM_BYTES] + one[KEM_BYTES:])


def _sealed_raw(padded: bytes, context: bytes = CONTEXT, tag: bytes = SEAL_TAG) -> bytes:
    """What somebody seals who knows the suite and not our padding."""
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    info = len(tag).to_bytes(4, "big") + tag + context
    return suite.encrypt(padded, require_recipient(KEY.public), info=info)


def _framed(text: bytes, size: int | None = None, total: int = BLOCK_BYTES) -> bytes:
    head = (len(text) if size is None else size).to_bytes(4, "big") + text
    return head + bytes(total - len(head))


def test_padding_has_one_form() -> None:
    assert unseal(_sealed_raw(_framed(TEXT)), KEY, CONTEXT) == TEXT
    for padded in (
        b"",
        b"\0\0\0\0",
        _framed(TEXT)[:-1],  # no whole block
        _framed(TEXT) + b"\0",
        len(TEXT).to_bytes(4, "big") + TEXT,  # none
        _framed(TEXT)[:-1] + b"\1",  # not of zeros
        _framed(TEXT, size=BLOCK_BYTES - 3),  # more than there is
        _framed(TEXT, size=2**32 - 1),
        _framed(TEXT, size=len(TEXT) - 1),  # the text's end taken for padding
        _framed(TEXT)[:3],
    ):
        rejected(_sealed_raw(padded))


def test_a_text_takes_as_few_blocks_as_it_needs() -> None:
    """Otherwise one text would have many lengths, and the length would tell something."""
    rejected(_sealed_raw(_framed(TEXT, total=2 * BLOCK_BYTES)))


def test_another_tag_or_suite_does_not_open() -> None:
    rejected(_sealed_raw(_framed(TEXT), tag=b"clairobscur/seal/v2"))
    rejected(_sealed_raw(_framed(TEXT), tag=b""))
    both = MLKEM768X25519PrivateKey(KEY.mlkem, KEY.x25519).public_key()
    info = len(SEAL_TAG).to_bytes(4, "big") + SEAL_TAG + CONTEXT
    for suite in (
        Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305),
        Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA512, AEAD.AES_256_GCM),
    ):
        rejected(suite.encrypt(_framed(TEXT), both, info=info))


# -- keys ---------------------------------------------------------------------------------------


def test_a_key_is_written_and_read() -> None:
    again = RecipientKey.decode(KEY.encode())
    assert (again.encode(), again.public) == (KEY.encode(), KEY.public)
    assert len(decode_base64url(KEY.public)) == RECIPIENT_BYTES == MLKEM_BYTES + 32
    assert unseal(seal(TEXT, KEY.public, CONTEXT), again, CONTEXT) == TEXT
    assert RecipientKey.generate().public != KEY.public


def test_no_repr_shows_a_key() -> None:
    assert repr(KEY) == "RecipientKey()"
    with pytest.raises(FrozenInstanceError):
        KEY.mlkem = KEY.mlkem  # type: ignore[misc]


@pytest.mark.parametrize("text", ["", "AA", "!", "A" * 127, "A" * 129, "A" * 4000, "é" * 128])
def test_what_is_no_secret_key(text: str) -> None:
    with pytest.raises(EncodingError) as refusal:
        RecipientKey.decode(text)
    assert not text or text not in str(refusal.value)


@pytest.mark.parametrize("size", [0, 1, 32, MLKEM_BYTES, RECIPIENT_BYTES - 1, RECIPIENT_BYTES + 1])
def test_a_public_key_has_one_length(size: int) -> None:
    with pytest.raises(EncodingError, match="wrong length"):
        require_recipient(encode_base64url(bytes(size)))


def test_coefficients_that_are_not_reduced_are_no_public_key() -> None:
    """FIPS 203, section 7.2: each has 12 bits, and stays below 3329."""
    x25519 = decode_base64url(KEY.public)[MLKEM_BYTES:]
    with pytest.raises(StatementError, match="not a public key"):
        require_recipient(encode_base64url(b"\xff" * MLKEM_BYTES + x25519))


@pytest.mark.parametrize(
    "point",
    [
        bytes(32),
        b"\1" + bytes(31),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ],
    ids=bytes.hex,
)
def test_points_of_small_order_are_no_public_keys(point: bytes) -> None:
    """Whatever is sealed to them has half a secret that anybody knows (RFC 7748, section 6.1)."""
    mlkem = decode_base64url(KEY.public)[:MLKEM_BYTES]
    with pytest.raises(StatementError, match="not a public key"):
        seal(TEXT, encode_base64url(mlkem + point), CONTEXT)


def test_a_key_of_parts_is_the_key_of_its_parts() -> None:
    mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    key = RecipientKey(mlkem, x25519)
    public = decode_base64url(key.public)
    assert public[:MLKEM_BYTES] == mlkem.public_key().public_bytes_raw()
    assert public[MLKEM_BYTES:] == x25519.public_key().public_bytes_raw()
