"""Scalars: integers modulo the prime order q of the group, as gmpy2 ``mpz``.

On the wire a scalar is 32 bytes, big-endian, and smaller than q (``docs/protocol.md``, Encoding).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias, overload

from gmpy2 import invert, mpz

import zk.program
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
    values = _decode(data)
    if values and max(values) >= order:
        raise EncodingError("scalar not below the group order")
    return values


def encode_little(values: Iterable[Scalar]) -> bytes:
    """32 bytes a scalar, little-endian: the form in which compiled code takes them, never on the
    wire. Raises `OverflowError` outside [0, 2^256)."""
    return b"".join([value.to_bytes(SCALAR_BYTES, "little") for value in values])


def decode_little(data: bytes, size: int = SCALAR_BYTES) -> list[Scalar]:
    """Inverse of `encode_little`, for scalars of ``size`` bytes."""
    starts = range(0, len(data), size)
    return [mpz.from_bytes(data[start : start + size], "little") for start in starts]


def _decode(data: bytes) -> list[Scalar]:
    starts = range(0, len(data), SCALAR_BYTES)
    return [mpz.from_bytes(data[start : start + SCALAR_BYTES], "big") for start in starts]


class EncodedScalars(Sequence[Scalar]):
    """Scalars in their wire form, decoded when somebody asks for one: a verifier that computes in
    compiled code never does. Equal to any sequence of the same scalars."""

    __slots__ = ("_data", "_values")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._values: tuple[Scalar, ...] | None = None

    def _decoded(self) -> tuple[Scalar, ...]:
        if self._values is None:
            self._values = tuple(_decode(self._data))
        return self._values

    @overload
    def __getitem__(self, index: int) -> Scalar: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Scalar, ...]: ...
    def __getitem__(self, index: int | slice) -> Scalar | tuple[Scalar, ...]:
        return self._decoded()[index]

    def __len__(self) -> int:
        return len(self._data) // SCALAR_BYTES

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._decoded() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._decoded())

    def __repr__(self) -> str:
        return repr(self._decoded())


def read_scalars(data: bytes, order: Scalar) -> Sequence[Scalar]:
    """As `decode_scalars`, but decoded later where compiled code can check the range. Public data
    only: checking takes variable time."""
    native = zk.program.native
    if native is None or order != zk.program.ORDER or len(data) % SCALAR_BYTES:
        return tuple(decode_scalars(data, order))
    if not native.below_order(data):
        raise EncodingError("scalar not below the group order")
    return EncodedScalars(data)


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
