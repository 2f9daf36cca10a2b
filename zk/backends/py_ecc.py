"""secp256k1 in pure Python through py_ecc: the slow, independent reference.

In memory a point is x ‖ y, 32 bytes each, big-endian. It shares no arithmetic with the fast
backend; a proof that both accept was judged twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from gmpy2 import mpz, powmod
from py_ecc.secp256k1 import secp256k1 as curve

from zk.errors import EncodingError
from zk.field import Scalar
from zk.group import IDENTITY, Group, Point
from zk.hash_to_curve import hash_to_curve

_P = int(curve.P)
_AFFINE = tuple[int, int]


def _pack(affine: _AFFINE) -> Point:
    x, y = affine
    return Point(x.to_bytes(32, "big") + y.to_bytes(32, "big")) if y else IDENTITY


def _unpack(point: Point) -> _AFFINE:
    return int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big")


class PyEcc(Group):
    """`zk.group.Group` over ``py_ecc.secp256k1``."""

    name = "py_ecc"
    suite = "secp256k1"
    order: Scalar = mpz(curve.N)
    point_bytes = 33

    def _sum(self, points: Sequence[Point]) -> Point:
        total = _unpack(points[0])
        for point in points[1:]:
            total = curve.add(total, _unpack(point))
        return _pack(total)

    def _mul(self, scalar: Scalar, point: Point) -> Point:
        return _pack(curve.multiply(_unpack(point), int(scalar)))

    def neg(self, point: Point) -> Point:
        if not point:
            return IDENTITY
        x, y = _unpack(point)
        return _pack((x, _P - y))

    def encode(self, point: Point) -> bytes:
        if len(self.require_proper(point)) != 64:
            raise EncodingError("not a point of this backend")
        x, y = _unpack(point)
        return bytes([2 + (y & 1)]) + x.to_bytes(32, "big")

    def decode(self, data: bytes) -> Point:
        if len(data) != self.point_bytes or data[0] not in (2, 3):
            raise EncodingError("a point is 33 bytes, the first 02 or 03 (SEC 1, compressed)")
        x = int.from_bytes(data[1:], "big")
        if x >= _P:
            raise EncodingError("point coordinate not below the field's prime")
        square = (pow(x, 3, _P) + int(curve.B)) % _P
        y = int(powmod(square, (_P + 1) // 4, _P))
        if y * y % _P != square:
            raise EncodingError("no point of the curve has this coordinate")
        return _pack((x, y if y & 1 == data[0] & 1 else _P - y))

    def hash_to_point(self, message: bytes, dst: bytes) -> Point:
        return _pack(hash_to_curve(message, dst))
