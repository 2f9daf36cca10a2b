"""The SHAKE128 duplex sponge that turns a transcript into challenges.

Source: draft-irtf-cfrg-fiat-shamir as of commit 91cc933051af88b58e350af78a8ea961c56a30c6 of
github.com/mmaker/draft-irtf-cfrg-sigma-protocols: sections "XOF duplex sponge", "Session
identifiers", "Unsigned integers" (decoding) and the suite SHAKE128. A challenge is

    SHAKE128(session_id ‖ zeros(136) ‖ everything absorbed so far)

read as a stream, where

* absorbing inserts no separator: framing is the caller's duty, messages must be prefix-free;
* a second squeeze continues the stream of the first, until something is absorbed;
* absorbing the empty string changes nothing, and does not restart the stream either;
* what was squeezed is never fed back.
"""

from __future__ import annotations

from hashlib import shake_128
from typing import Final

from gmpy2 import mpz

from zk.errors import EncodingError, StatementError
from zk.field import Scalar

SESSION_ID_BYTES: Final = 32
# 32 bytes of order and 16 more, so that reducing biases a challenge by less than 2^-128.
CHALLENGE_BYTES: Final = 48

_RATE: Final = 168
_EXTRA_BYTES: Final = 16
_SESSION_LABEL: Final = b"irtf-cfrg-fiat-shamir/session-id"
_PADDING: Final = bytes(_RATE - SESSION_ID_BYTES)
_MAX_ORDER: Final = mpz(1) << 8 * (CHALLENGE_BYTES - _EXTRA_BYTES)


class DuplexSponge:
    """One transcript: `absorb` messages, `squeeze` challenges.

    Raises `EncodingError` unless ``session_id`` has 32 bytes (see `derive_session_id`).
    """

    __slots__ = ("_squeezed", "_state")

    def __init__(self, session_id: bytes) -> None:
        if len(session_id) != SESSION_ID_BYTES:
            raise EncodingError(f"a session id has {SESSION_ID_BYTES} bytes, not {len(session_id)}")
        # The padding fills one block of the rate, so a copy of this state saves a permutation.
        self._state = shake_128(session_id + _PADDING)
        self._squeezed = 0

    def absorb(self, data: bytes) -> None:
        """Append ``data`` to what the next squeeze depends on; nothing if it is empty."""
        if data:
            self._state.update(data)
            self._squeezed = 0

    def squeeze(self, length: int) -> bytes:
        """The next ``length`` bytes of the stream; `EncodingError` if ``length`` is negative.

        hashlib has no reader, so the stream is computed again from its start: cheap for the one or
        two squeezes between two messages of a proof, quadratic for very many.
        """
        if length < 0:
            raise EncodingError(f"cannot squeeze {length} bytes")
        start = self._squeezed
        self._squeezed = end = start + length
        return self._state.digest(end)[start:]

    def copy(self) -> DuplexSponge:
        """An independent sponge in the same state: a stored prefix, or a fork for rewinding."""
        twin = DuplexSponge.__new__(DuplexSponge)
        twin._state = self._state.copy()
        twin._squeezed = self._squeezed
        return twin


def derive_session_id(tag: bytes) -> bytes:
    """The 32-byte session id of ``tag`` (section "Session identifiers", DeriveSessionID).

    The tag has to name application, version, suite, group and codecs; it may have any length.
    """
    sponge = DuplexSponge(_SESSION_LABEL)
    sponge.absorb(tag)
    return sponge.squeeze(SESSION_ID_BYTES)


def decode_uint(data: bytes, modulus: Scalar) -> Scalar:
    """DecodeUint: ``data``, little-endian, reduced mod ``modulus``.

    ``data`` has Ns + 16 bytes, Ns being the least integer with 256^Ns ≥ modulus; otherwise raises
    `EncodingError`. Raises `StatementError` if ``modulus`` is not positive.
    """
    if modulus <= 0:
        raise StatementError("the modulus of a challenge is not positive")
    expected = ((modulus - 1).bit_length() + 7) // 8 + _EXTRA_BYTES
    if len(data) != expected:
        raise EncodingError(f"this modulus takes {expected} bytes, not {len(data)}")
    return mpz.from_bytes(data, "little") % modulus


def decode_challenge(data: bytes, order: Scalar) -> Scalar:
    """48 squeezed bytes, little-endian, reduced mod ``order``: a challenge in [0, order).

    For an order of 32 bytes this is `decode_uint`; smaller ones (toy groups in tests) take 48 bytes
    too. Raises `EncodingError` unless ``data`` has 48 bytes, and `StatementError` unless
    0 < order ≤ 2^256, above which the result would be biased.
    """
    if len(data) != CHALLENGE_BYTES:
        raise EncodingError(f"a challenge takes {CHALLENGE_BYTES} bytes, not {len(data)}")
    if not 0 < order <= _MAX_ORDER:
        raise StatementError("group order outside (0, 2^256]")
    return mpz.from_bytes(data, "little") % order
