"""The group: one small interface to a group of prime order q, written additively.

A `Point` is whatever the backend keeps in memory for a group element (an immutable byte string that
compares equal exactly when the elements are equal); it is not the wire form, see `Group.encode`.
The identity is the empty byte string for every backend and is dealt with here, once: backends only
ever see other points. Operations named ``msm``, ``mul`` and ``sum`` take variable time and are for
public or uniformly masked scalars; ``fixed_sum`` and ``fixed_digit_sum`` perform a number of point
additions that does not depend on the scalars and are for secrets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NewType

from gmpy2 import mpz

from zk.errors import EncodingError
from zk.field import Scalar, decode_little

Point = NewType("Point", bytes)

IDENTITY = Point(b"")

FIXED_DIGIT_LIMIT = 32
"""`Group.fixed_digit_sum` takes digits in [0, 32): larger than any digit base in use."""


class FixedBase:
    """A point prepared for repeated multiplication; a backend may attach tables to a subclass."""

    def __init__(self, point: Point) -> None:
        self.point = point


class Group(ABC):
    """A group of prime order: the operations that the proof system needs, and nothing else."""

    name: str  # of the backend
    suite: str  # of the group itself: equal for backends that must agree on every byte
    order: Scalar
    point_bytes: int

    # -- what a backend provides; no argument is ever the identity ----------------------------

    @abstractmethod
    def _sum(self, points: Sequence[Point]) -> Point:
        """Sum of at least one point; `IDENTITY` if they cancel."""

    @abstractmethod
    def _mul(self, scalar: Scalar, point: Point) -> Point:
        """``scalar·point`` for a scalar in [1, q)."""

    @abstractmethod
    def neg(self, point: Point) -> Point:
        """``−point``."""

    @abstractmethod
    def encode(self, point: Point) -> bytes:
        """Wire form, `point_bytes` long; `EncodingError` for the identity, which has none."""

    @abstractmethod
    def decode(self, data: bytes) -> Point:
        """Strict inverse of `encode`; raises `EncodingError` for everything that is not a point."""

    @abstractmethod
    def hash_to_point(self, message: bytes, dst: bytes) -> Point:
        """A point whose discrete logarithm nobody knows (RFC 9380 ``hash_to_curve``)."""

    # -- what follows from it; a faster backend may replace any of these whole ----------------

    def mul(self, scalar: Scalar | int, point: Point) -> Point:
        """``scalar·point`` for any integer scalar; variable time."""
        reduced = mpz(scalar) % self.order
        return IDENTITY if not reduced or not point else self._mul(reduced, point)

    def sum(self, points: Sequence[Point]) -> Point:
        """Sum of any number of points, the identity among them."""
        proper = [point for point in points if point]
        return self._sum(proper) if proper else IDENTITY

    def decode_many(self, data: bytes) -> list[Point]:
        """The points whose encodings ``data`` joins; raises `EncodingError` as `decode` does."""
        if len(data) % self.point_bytes:
            raise EncodingError(f"points are {self.point_bytes} bytes each")
        starts = range(0, len(data), self.point_bytes)
        return [self.decode(data[start : start + self.point_bytes]) for start in starts]

    def msm(self, scalars: Sequence[Scalar], points: Sequence[Point]) -> Point:
        """``Σ scalars[i]·points[i]`` for scalars in [0, q); variable time.

        Raises `EncodingError` for a scalar outside.
        """
        self.require_scalars(scalars)
        pairs = [(k, P) for k, P in zip(scalars, points, strict=True) if k and P]
        if not pairs:
            return IDENTITY
        return self._msm([k for k, _ in pairs], [P for _, P in pairs])

    def _msm(self, scalars: Sequence[Scalar], points: Sequence[Point]) -> Point:
        """`msm` after removal of zero terms; at least one term is left."""
        return self.sum([self._mul(k, P) for k, P in zip(scalars, points, strict=True)])

    def fixed_base(self, point: Point) -> FixedBase:
        """Prepare ``point`` (never the identity) for `fixed_sum` and `fixed_digit_sum`."""
        return FixedBase(point)

    def public_base(self, point: Point) -> FixedBase | None:
        """Prepare ``point`` for `public_sum`; None where a `fixed_base` serves that as well."""
        del point
        return None

    def public_sum(
        self, fixed: bytes, bases: Sequence[FixedBase], scalars: bytes, points: Sequence[Point]
    ) -> Point:
        """``Σ fixed[i]·bases[i] + Σ scalars[j]·points[j]``, a verifier's one sum; variable time.

        Scalars are 32 bytes each, little-endian (`zk.field.encode_little`), in [0, q), as many as
        bases and points. Bases are public ones, no point is the identity.
        """
        return self.sum(
            [self.fixed_sum(decode_little(fixed), bases), self.msm(decode_little(scalars), points)]
        )

    def fixed_sum(self, scalars: Sequence[Scalar], bases: Sequence[FixedBase]) -> Point:
        """``Σ scalars[i]·bases[i]`` for scalars in [0, q); for secrets, if the backend has tables.

        Raises `EncodingError` for a scalar outside.
        """
        return self.msm(scalars, [base.point for base in bases])

    def fixed_digit_sum(self, digits: Sequence[int], bases: Sequence[FixedBase]) -> Point:
        """``Σ digits[i]·bases[i]`` for digits in [0, 32): one table entry a digit.

        Raises `EncodingError` for a digit outside.
        """
        self.require_digits(digits)
        return self.msm([mpz(digit) for digit in digits], [base.point for base in bases])

    def require_scalars(self, scalars: Sequence[Scalar]) -> None:
        """Raise `EncodingError` unless every scalar is in [0, q)."""
        if scalars and not (min(scalars) >= 0 and max(scalars) < self.order):
            raise EncodingError("a scalar is not in [0, q)")

    def require_digits(self, digits: Sequence[int]) -> None:
        """Raise `EncodingError` unless every digit is in [0, `FIXED_DIGIT_LIMIT`)."""
        if digits and not 0 <= min(digits) <= max(digits) < FIXED_DIGIT_LIMIT:
            raise EncodingError(f"a digit is not in [0, {FIXED_DIGIT_LIMIT})")

    def require_proper(self, point: Point) -> Point:
        """``point`` itself; raises `EncodingError` for the identity, which no wire format
        carries."""
        if not point:
            raise EncodingError("the identity has no encoding")
        return point
