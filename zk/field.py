"""Scalars: integers modulo the prime order q of the group, as gmpy2 ``mpz``.

On the wire a scalar is 32 bytes, big-endian, and smaller than q (``docs/protocol.md``, Encoding).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

from gmpy2 import invert, mpz

from zk.errors import EncodingError

Scalar: TypeAlias = mpz

SCALAR_BYTES = 32


def encode_scalar(value: Scalar) -> bytes:
    """``value`` as 32 bytes, big-endian; raises `EncodingError` outside [0, 2^256)."""
    return encode_scalars([value])


def decode_scalar(data: bytes, order: Scalar) -> Scalar:
    """Strict inverse of `encode_scalar`; raises `EncodingError` unless 32 bytes below ``order``."""
    if len(data) != SCALAR_BYTES:
        raise EncodingError(f"a scalar is {SCALAR_BYTES} bytes, not {len(data)}")
    return decode_scalars(data, order)[0]


def encode_scalars(values: Iterable[Scalar]) -> bytes:
    """`encode_scalar` of each, joined: 32 bytes a scalar."""
    try:
        return b"".join([value.to_bytes(SCALAR_BYTES, "big") for value in values])
    except OverflowError:
        raise EncodingError("a scalar is at least 0 and below 2^256") from None


def decode_scalars(data: bytes, order: Scalar) -> list[Scalar]:
    """Strict inverse of `encode_scalars`; raises `EncodingError` as `decode_scalar` does."""
    if len(data) % SCALAR_BYTES:
        raise EncodingError(f"scalars are {SCALAR_BYTES} bytes each")
    starts = range(0, len(data), SCALAR_BYTES)
    values = [mpz.from_bytes(data[start : start + SCALAR_BYTES], "big") for start in starts]
    if values and max(values) >= order:
        raise EncodingError("scalar not below the group order")
    return values


def powers(base: Scalar, count: int, order: Scalar) -> list[Scalar]:
    """``[1, base, base^2, …]``, ``count`` entries mod ``order``."""
    result = [mpz(1)] * count
    for index in range(1, count):
        result[index] = result[index - 1] * base % order
    return result


@lru_cache(maxsize=64)
def interpolation_matrix(degree: int, order: Scalar) -> tuple[tuple[Scalar, ...], ...]:
    """Rows M[k] with ``coefficient_k = Σ_t M[k][t]·F(t)`` for every F of degree ≤ ``degree``.

    The points are t = 0…degree, so ``order`` must exceed ``degree``. Lagrange interpolation.
    """
    points = range(degree + 1)
    columns: list[list[Scalar]] = []
    for t in points:
        numerator, denominator = [mpz(1)], mpz(1)
        for other in points:
            if other == t:
                continue
            shifted = [mpz(0), *numerator]
            numerator = [
                (high - other * low) % order
                for high, low in zip(shifted, [*numerator, mpz(0)], strict=True)
            ]
            denominator = denominator * (t - other) % order
        scale = invert(denominator, order)
        columns.append([coefficient * scale % order for coefficient in numerator])
    return tuple(tuple(column[k] for column in columns) for k in points)


def interpolate(values: Sequence[Scalar], order: Scalar) -> list[Scalar]:
    """Coefficients, lowest first, of the polynomial with ``F(t) = values[t]`` for t = 0, 1, …"""
    matrix = interpolation_matrix(len(values) - 1, order)
    return [
        sum((m * v for m, v in zip(row, values, strict=True)), mpz(0)) % order for row in matrix
    ]
