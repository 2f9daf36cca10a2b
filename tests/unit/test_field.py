"""Scalars: their one encoding, powers, and interpolation on 0, 1, 2, …"""

from __future__ import annotations

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from zk.errors import EncodingError
from zk.field import (
    SCALAR_BYTES,
    decode_scalar,
    encode_scalar,
    encode_scalars,
    interpolate,
    interpolation_matrix,
    powers,
    read_scalars,
)

Q = mpz(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141)

scalars = st.integers(0, int(Q) - 1).map(mpz)


@given(scalars)
def test_a_scalar_has_one_encoding(value: mpz) -> None:
    data = encode_scalar(value)
    assert len(data) == SCALAR_BYTES
    assert decode_scalar(data, Q) == value


def test_scalars_are_big_endian() -> None:
    assert encode_scalar(mpz(0x0102)) == bytes(30) + b"\1\2"


@pytest.mark.parametrize("value", [-1, 2**256, 2**300, -(2**300)])
def test_what_does_not_fit_is_not_encoded(value: int) -> None:
    with pytest.raises(EncodingError, match="at least 0 and below") as caught:
        encode_scalar(mpz(value))
    assert str(value) not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("value", [Q, Q + 1, mpz(2) ** 256 - 1])
def test_a_scalar_not_below_the_order_is_refused(value: mpz) -> None:
    with pytest.raises(EncodingError, match="not below the group order"):
        decode_scalar(encode_scalar(value), Q)


def test_the_largest_scalar_is_read() -> None:
    assert decode_scalar(encode_scalar(Q - 1), Q) == Q - 1


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_scalar_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(EncodingError, match=f"not {length}"):
        decode_scalar(bytes(length), Q)


@given(scalars, st.integers(0, 20))
def test_powers(base: mpz, count: int) -> None:
    assert powers(base, count, Q) == [pow(base, exponent, Q) for exponent in range(count)]


@given(st.lists(scalars, min_size=1, max_size=17))
def test_interpolation_finds_the_coefficients(coefficients: list[mpz]) -> None:
    values = [
        sum((c * t**k for k, c in enumerate(coefficients)), mpz(0)) % Q
        for t in range(len(coefficients))
    ]
    assert interpolate(values, Q) == coefficients


@pytest.mark.parametrize("order", [3, 5, 17])
def test_interpolation_in_small_fields(order: int) -> None:
    # As many points as the field has: the polynomial X^q − X is out of reach, all others are found.
    q = mpz(order)
    coefficients = [mpz(k * k + 1) % q for k in range(order)]
    values = [sum(c * mpz(t) ** k for k, c in enumerate(coefficients)) % q for t in range(order)]
    assert interpolate(values, q) == coefficients


def test_the_interpolation_matrix_is_the_inverse_of_vandermonde() -> None:
    q, degree = mpz(101), 6
    matrix = interpolation_matrix(degree, q)
    for k, row in enumerate(matrix):
        for power in range(degree + 1):
            product = sum(m * mpz(t) ** power for t, m in enumerate(row)) % q
            assert product == (k == power)


def test_scalars_read_later_are_below_the_order_that_was_asked_for() -> None:
    # Compiled code, where it was built, knows one order only.
    assert list(read_scalars(encode_scalars([mpz(16)]), mpz(17))) == [16]
    for value in (17, 20):
        with pytest.raises(EncodingError, match="not below the group order"):
            read_scalars(encode_scalars([mpz(value)]), mpz(17))
