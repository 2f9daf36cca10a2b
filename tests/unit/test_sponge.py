"""The duplex sponge against its definition: one SHAKE128 over everything absorbed so far."""

from __future__ import annotations

import hashlib

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from zk.errors import EncodingError, StatementError
from zk.sponge import DuplexSponge, decode_challenge, decode_uint, derive_session_id

SESSION_ID = bytes(range(32))
Q = mpz(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141)

operations = st.lists(st.one_of(st.binary(max_size=400), st.integers(0, 400)), max_size=12)


@given(st.binary(min_size=32, max_size=32), operations)
def test_every_squeeze_is_one_shake128_of_the_whole_transcript(
    session_id: bytes, steps: list[bytes | int]
) -> None:
    sponge = DuplexSponge(session_id)
    absorbed, position = session_id + bytes(168 - 32), 0
    for step in steps:
        if isinstance(step, bytes):
            sponge.absorb(step)
            absorbed += step
            position = 0 if step else position
        else:
            stream = hashlib.shake_128(absorbed).digest(position + step)
            assert sponge.squeeze(step) == stream[position:]
            position += step


def test_an_absorb_after_a_squeeze_restarts_the_stream() -> None:
    once, twice = DuplexSponge(SESSION_ID), DuplexSponge(SESSION_ID)
    once.absorb(b"ab")
    twice.absorb(b"a")
    twice.squeeze(40)
    twice.absorb(b"b")
    assert once.squeeze(32) == twice.squeeze(32)


def test_the_empty_absorb_does_not_restart_the_stream() -> None:
    sponge, other = DuplexSponge(SESSION_ID), DuplexSponge(SESSION_ID)
    first = sponge.squeeze(16)
    sponge.absorb(b"")
    assert first + sponge.squeeze(16) == other.squeeze(32)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_session_ids_of_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(EncodingError, match=f"32 bytes, not {length}"):
        DuplexSponge(bytes(length))


def test_a_negative_squeeze_is_refused_and_changes_nothing() -> None:
    sponge, other = DuplexSponge(SESSION_ID), DuplexSponge(SESSION_ID)
    with pytest.raises(EncodingError, match="cannot squeeze -1"):
        sponge.squeeze(-1)
    assert sponge.squeeze(32) == other.squeeze(32)


def test_a_copy_goes_on_from_the_same_place_and_is_independent() -> None:
    sponge = DuplexSponge(SESSION_ID)
    sponge.absorb(b"prefix")
    sponge.squeeze(10)
    twin = sponge.copy()
    fork = sponge.copy()
    fork.absorb(b"other")
    assert fork.squeeze(32) != sponge.squeeze(32)
    whole = DuplexSponge(SESSION_ID)
    whole.absorb(b"prefix")
    assert twin.squeeze(32) == whole.squeeze(42)[10:]


def test_session_ids_depend_on_the_whole_tag() -> None:
    tags = [b"", b"a", b"a\0", b"b", b"a" * 200]
    session_ids = {derive_session_id(tag) for tag in tags}
    assert len(session_ids) == len(tags)
    assert {len(session_id) for session_id in session_ids} == {32}


@given(st.binary(min_size=48, max_size=48), st.sampled_from([Q, mpz(2) ** 256, mpz(2) ** 255 + 1]))
def test_challenges_are_the_bytes_little_endian_reduced(data: bytes, order: mpz) -> None:
    expected = sum(byte << 8 * index for index, byte in enumerate(data)) % int(order)
    assert decode_challenge(data, order) == decode_uint(data, order) == expected


def test_challenges_of_a_toy_group_take_48_bytes_too() -> None:
    data = bytes(range(48))
    assert decode_challenge(data, mpz(101)) == int.from_bytes(data, "little") % 101
    assert decode_challenge(data, mpz(1)) == 0


@pytest.mark.parametrize("length", [0, 32, 47, 49])
def test_challenges_of_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(EncodingError, match=f"48 bytes, not {length}"):
        decode_challenge(bytes(length), Q)


@pytest.mark.parametrize("order", [mpz(-1), mpz(0), mpz(2) ** 256 + 1])
def test_orders_that_would_bias_a_challenge_are_refused(order: mpz) -> None:
    with pytest.raises(StatementError, match="group order"):
        decode_challenge(bytes(48), order)


@pytest.mark.parametrize(
    ("modulus", "size"),
    [(1, 16), (2, 17), (255, 17), (256, 17), (257, 18), (2**16, 18), (2**31 - 1, 20), (Q, 48)],
)
def test_the_modulus_fixes_the_bytes_of_an_integer(modulus: int, size: int) -> None:
    data = b"\xff" * size
    assert decode_uint(data, mpz(modulus)) == (256**size - 1) % modulus
    for wrong in (data[1:], data + b"\0"):
        with pytest.raises(EncodingError, match=f"takes {size} bytes, not {len(wrong)}"):
            decode_uint(wrong, mpz(modulus))


@pytest.mark.parametrize("modulus", [mpz(0), mpz(-5)])
def test_moduli_that_are_not_positive_are_refused(modulus: mpz) -> None:
    with pytest.raises(StatementError, match="modulus"):
        decode_uint(bytes(16), modulus)
