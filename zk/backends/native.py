"""secp256k1 through libsecp256k1, with a verifier's work in compiled code of our own: the default
backend where that code was built.

``zk/native/group.c`` decodes points and sums multiples of public points. It takes variable time and
is given public numbers alone: `Group.msm`, `Group.public_sum` and `Group.decode_many` are a
verifier's. Whatever is secret (`Group.fixed_sum`, `Group.fixed_digit_sum`) stays with point sums of
libsecp256k1, and so do single multiplications. Points have the same form in both.
"""

from __future__ import annotations

from collections.abc import Sequence

from gmpy2 import mpz

from zk import _group
from zk.backends.libsecp256k1 import Libsecp256k1
from zk.errors import EncodingError, StatementError
from zk.field import Scalar, encode_little
from zk.group import FixedBase, Point

_POINT = 64
_TESTED = 20  # points: enough for whatever way of summing few of them there is


class _Multiples(FixedBase):
    """A point with its multiples by 2^(8j), 2 kB."""

    def __init__(self, point: Point) -> None:
        super().__init__(point)
        self.multiples = _group.multiples(point)


class Native(Libsecp256k1):
    """`zk.group.Group` over libsecp256k1 and ``zk._group``.

    ``lanes`` says whether to compute eight numbers at a time; without it, wherever the processor
    has the instructions (where it has not, it is never done). Raises `StatementError` where the two
    do not keep points in the same form, as on a machine or with a version of libsecp256k1 that
    nobody has tried, or where ``zk._group`` is left from other sources.
    """

    name = "native"

    def __init__(self, lanes: bool | None = None) -> None:
        super().__init__()
        try:
            self._lanes = _group.has_lanes() if lanes is None else lanes
            agrees = self._agrees()
        except (AttributeError, TypeError, ValueError):  # built from other sources, or wrongly
            agrees = False
        if not agrees:
            raise StatementError("libsecp256k1 keeps points in a form that zk._group does not know")

    def _agrees(self) -> bool:
        """Whether compiled code and libsecp256k1 find the same points on a few sums."""
        points = [self.hash_to_point(b"self-test", b"clairobscur-self-test")]
        while len(points) < _TESTED:
            points.append(self.sum([points[-1], points[0]]))
        scalars = [self.order - 1 - (mpz(number) << 200) for number in range(_TESTED)]
        weights = [scalar * number for number, scalar in enumerate(scalars, start=1)]
        expected = self.mul(sum(weights), points[0])
        bases = [self.public_base(point) for point in points]
        return (
            _group.decode(b"".join(map(self.encode, points)), self._lanes) == b"".join(points)
            and self._msm(scalars, points) == expected
            and self.public_sum(encode_little(scalars), bases, b"", []) == expected
        )

    def decode_many(self, data: bytes) -> list[Point]:
        try:
            flat = _group.decode(bytes(data), self._lanes)
        except ValueError as error:
            raise EncodingError(str(error)) from None
        return [Point(flat[start : start + _POINT]) for start in range(0, len(flat), _POINT)]

    def _msm(self, scalars: Sequence[Scalar], points: Sequence[Point]) -> Point:
        return self.public_sum(b"", (), encode_little(scalars), points)

    def public_base(self, point: Point) -> FixedBase:
        return _Multiples(point)

    def public_sum(
        self, fixed: bytes, bases: Sequence[FixedBase], scalars: bytes, points: Sequence[Point]
    ) -> Point:
        tables = tuple([base.multiples for base in bases if isinstance(base, _Multiples)])
        if len(tables) != len(bases):
            raise ValueError("a base is not one of this backend's public bases")
        joined = b"".join(points)
        if len(joined) != _POINT * len(points):
            raise ValueError("a point is the identity, or of another backend")
        try:
            total = _group.sum_of_multiples(fixed, tables, scalars, joined, self._lanes)
        except ValueError as error:
            raise EncodingError(str(error)) from None
        return Point(total)
