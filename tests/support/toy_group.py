"""A group so small that everything about it can be enumerated: Z_q under addition.

A point *is* its discrete logarithm, one byte long, so nothing here is binding. Hiding does not
depend on the size of the group, which is what makes the exhaustive tests of it worth something.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gmpy2 import is_prime, mpz

from zk.errors import EncodingError
from zk.field import Scalar
from zk.group import IDENTITY, Group, Point


class ToyGroup(Group):
    """The additive group of integers modulo a prime ``order`` below 256."""

    name = "toy"
    point_bytes = 1

    def __init__(self, order: int) -> None:
        assert is_prime(order)
        assert order < 256
        self.order: Scalar = mpz(order)
        self.suite = f"toy-{order}"

    def point(self, exponent: int) -> Point:
        """The element with this discrete logarithm."""
        reduced = int(exponent % self.order)
        return Point(bytes([reduced])) if reduced else IDENTITY

    def exponent(self, point: Point) -> int:
        """The discrete logarithm of ``point``."""
        return point[0] if point else 0

    def _sum(self, points: Sequence[Point]) -> Point:
        return self.point(sum(map(self.exponent, points)))

    def _mul(self, scalar: Scalar, point: Point) -> Point:
        return self.point(int(scalar) * self.exponent(point))

    def neg(self, point: Point) -> Point:
        return self.point(-self.exponent(point))

    def encode(self, point: Point) -> bytes:
        return bytes(self.require_proper(point))

    def decode(self, data: bytes) -> Point:
        if len(data) != 1 or not 0 < data[0] < self.order:
            raise EncodingError("not an element of the toy group")
        return Point(data)

    def hash_to_point(self, message: bytes, dst: bytes) -> Point:
        digest = hashlib.sha256(len(dst).to_bytes(1, "big") + dst + message).digest()
        return self.point(1 + int.from_bytes(digest, "big") % int(self.order - 1))
