"""secp256k1 through libsecp256k1, as bound by the ``coincurve`` wheels: the default backend.

In memory a point is the library's own 64-byte ``secp256k1_pubkey`` (affine, normalised, hence equal
bytes for equal points; meaningful inside one process only). The library offers no multi-scalar
multiplication, but ``ec_pubkey_combine`` adds many points for about 0.26 µs each (measured,
``bench/``), a hundredth of a multiplication; everything fast here is built on that call:

* `Libsecp256k1._msm`: Pippenger's buckets (Bernstein et al., ePrint 2012/549, section 4).
* `Libsecp256k1.fixed_sum`: tables of window multiples, one entry a window, whatever the scalar. The
  entry for the digit v is (v + 1)·2^(wj)·P and the surplus Σ_j 2^(wj)·P is taken off at the end, so
  that a zero digit costs the same addition as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from threading import Lock
from typing import Any

import numpy as np
from coincurve._libsecp256k1 import (
    ffi,
    lib,
)  # the bindings; coincurve's classes cost more than the sums
from gmpy2 import mpz
from numpy.typing import NDArray

from zk.errors import EncodingError
from zk.field import Scalar
from zk.group import FIXED_DIGIT_LIMIT, IDENTITY, FixedBase, Group, Point
from zk.hash_to_curve import hash_to_curve

_POINT = 64  # sizeof(secp256k1_pubkey)
_SCALAR_BITS = 256

_WINDOW = 6  # bits; a table of 176 kB takes 7 ms to make (measured)
_WINDOWS = -(-_SCALAR_BITS // _WINDOW)
_ENTRIES = 1 << _WINDOW
_SURPLUS = _WINDOWS * _ENTRIES  # index of −Σ_j 2^(wj)·P in a table
_MINUS_ONE = _SURPLUS + 1  # index of −P
_TABLE_ENTRIES = _MINUS_ONE + 1

assert FIXED_DIGIT_LIMIT <= _ENTRIES

_BUCKETS_FROM = 400  # terms; below this, one multiplication a term is faster (measured)

# Where each window starts in a table; the last entry leads to the surplus. A digit is added on top.
_WINDOW_STARTS = np.arange(0, _SURPLUS + 1, _ENTRIES, dtype=np.int64)

_Addresses = NDArray[np.uint64]
_Places = NDArray[np.int64]


def _window_digits(scalars: Sequence[Scalar], width: int) -> NDArray[np.uint64]:
    """Digits in base 2^width, lowest first: shape (len(scalars), ⌈256/width⌉)."""
    group_bytes = lcm(8, width) // 8  # the fewest bytes that hold a whole number of digits
    groups = -(-_SCALAR_BITS // (8 * group_bytes))
    size = groups * group_bytes
    raw = b"".join([int(scalar).to_bytes(size, "little") for scalar in scalars])
    octets = np.frombuffer(raw, dtype=np.uint8).reshape(-1, group_bytes)
    eight = np.zeros((len(octets), 8), dtype=np.uint8)
    eight[:, :group_bytes] = octets
    shifts = np.arange(0, 8 * group_bytes, width, dtype=np.uint64)
    digits = eight.view("<u8") >> shifts & np.uint64((1 << width) - 1)
    return digits.reshape(len(scalars), -1)[:, : -(-_SCALAR_BITS // width)]


class _Table(FixedBase):
    """Multiples of one point, in the backend's store from entry ``start`` on.

    Entry j·2^w + v is (v + 1)·2^(wj)·P, then come the two correction terms.
    """

    def __init__(self, point: Point, start: int) -> None:
        super().__init__(point)
        self.start = start


class Libsecp256k1(Group):
    """`zk.group.Group` over libsecp256k1."""

    name = "libsecp256k1"
    suite = "secp256k1"
    order: Scalar = mpz(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141)
    point_bytes = 33

    def __init__(self) -> None:
        self._context = lib.secp256k1_context_create(lib.SECP256K1_CONTEXT_NONE)
        # All tables in one array, so that one index gathers the entries of a sum: then they lie one
        # after the other when they are added, which saves a fifth of the time (measured).
        self._store = np.empty((0, _POINT // 8), dtype=np.uint64)
        self._stored = 0
        self._storing = Lock()

    # -- single operations --------------------------------------------------------------------

    def _sum(self, points: Sequence[Point]) -> Point:
        if len(points) == 1:
            return points[0]
        memory = ffi.from_buffer(b"".join(points))
        return self._combine(self._addresses(memory, len(points)))

    def _mul(self, scalar: Scalar, point: Point) -> Point:
        result = ffi.new("secp256k1_pubkey *")
        ffi.memmove(result, point, _POINT)
        lib.secp256k1_ec_pubkey_tweak_mul(self._context, result, int(scalar).to_bytes(32, "big"))
        return Point(bytes(ffi.buffer(result)))

    def neg(self, point: Point) -> Point:
        if not point:
            return IDENTITY
        result = ffi.new("secp256k1_pubkey *")
        ffi.memmove(result, point, _POINT)
        lib.secp256k1_ec_pubkey_negate(self._context, result)
        return Point(bytes(ffi.buffer(result)))

    def encode(self, point: Point) -> bytes:
        if len(self.require_proper(point)) != _POINT:
            raise EncodingError("not a point of this backend")
        source = ffi.new("secp256k1_pubkey *")
        ffi.memmove(source, point, _POINT)
        out, length = ffi.new("unsigned char[33]"), ffi.new("size_t *", self.point_bytes)
        lib.secp256k1_ec_pubkey_serialize(
            self._context, out, length, source, lib.SECP256K1_EC_COMPRESSED
        )
        return bytes(ffi.buffer(out))

    def decode(self, data: bytes) -> Point:
        # The library also reads 65-byte forms, which this wire format does not have.
        if len(data) != self.point_bytes:
            raise EncodingError(f"a point is {self.point_bytes} bytes, not {len(data)}")
        result = ffi.new("secp256k1_pubkey *")
        if not lib.secp256k1_ec_pubkey_parse(self._context, result, data, len(data)):
            raise EncodingError("not a compressed point of secp256k1 (SEC 1)")
        return Point(bytes(ffi.buffer(result)))

    def decode_many(self, data: bytes) -> list[Point]:
        count, rest = divmod(len(data), self.point_bytes)
        if rest:
            raise EncodingError(f"points are {self.point_bytes} bytes each")
        points = ffi.new("secp256k1_pubkey[]", count)
        source = ffi.from_buffer(data)
        parse, context = lib.secp256k1_ec_pubkey_parse, self._context
        for index in range(count):
            encoded = source + index * self.point_bytes
            if not parse(context, points + index, encoded, self.point_bytes):
                raise EncodingError("not a compressed point of secp256k1 (SEC 1)")
        flat = bytes(ffi.buffer(points))
        return [Point(flat[start : start + _POINT]) for start in range(0, len(flat), _POINT)]

    def hash_to_point(self, message: bytes, dst: bytes) -> Point:
        x, y = hash_to_curve(message, dst)
        return self.decode(bytes([2 + (y & 1)]) + x.to_bytes(32, "big"))

    # -- sums of many points ------------------------------------------------------------------

    @staticmethod
    def _addresses(memory: Any, count: int) -> _Addresses:
        """Addresses of ``count`` consecutive points."""
        start = int(ffi.cast("uintptr_t", memory))
        return np.arange(start, start + count * _POINT, _POINT, dtype=np.uint64)

    def _combine(self, addresses: _Addresses) -> Point:
        """The sum of the points at the given addresses, whose memory the caller keeps alive."""
        result = ffi.new("secp256k1_pubkey *")
        pointers = ffi.cast("secp256k1_pubkey **", addresses.ctypes.data)
        if lib.secp256k1_ec_pubkey_combine(self._context, result, pointers, len(addresses)):
            return Point(bytes(ffi.buffer(result)))
        return IDENTITY

    # -- fixed bases --------------------------------------------------------------------------

    def fixed_base(self, point: Point) -> FixedBase:
        entries = np.frombuffer(ffi.buffer(self._multiples(point)), dtype=np.uint64)
        with self._storing:
            start, end = self._stored, self._stored + _TABLE_ENTRIES
            if end > len(self._store):
                # Replaced and never resized: a sum that runs at the same time keeps the old one.
                larger = np.empty((2 * end, _POINT // 8), dtype=np.uint64)
                larger[:start] = self._store[:start]
                self._store = larger
            self._store[start:end] = entries.reshape(_TABLE_ENTRIES, -1)
            self._stored = end
        return _Table(point, start)

    def _multiples(self, point: Point) -> Any:
        """The entries of a table (`_Table`)."""
        memory = ffi.new("secp256k1_pubkey[]", _TABLE_ENTRIES)
        pair = ffi.new("secp256k1_pubkey *[2]")
        combine, context = lib.secp256k1_ec_pubkey_combine, self._context
        ffi.memmove(memory, point, _POINT)
        for window in range(_WINDOWS):
            first = memory + window * _ENTRIES
            pair[0] = first
            for entry in range(1, _ENTRIES):
                pair[1] = first + entry - 1
                combine(context, first + entry, pair, 2)
            if window + 1 < _WINDOWS:
                # The last entry is 2^w times the first: the next window's unit.
                ffi.memmove(first + _ENTRIES, first + _ENTRIES - 1, _POINT)
        units = self._addresses(memory, _SURPLUS)[::_ENTRIES].copy()
        ffi.memmove(memory + _SURPLUS, self.neg(self._combine(units)), _POINT)
        ffi.memmove(memory + _MINUS_ONE, self.neg(point), _POINT)
        return memory

    def fixed_sum(self, scalars: Sequence[Scalar], bases: Sequence[FixedBase]) -> Point:
        self.require_scalars(scalars)
        places = np.zeros((len(scalars), _WINDOWS + 1), dtype=np.int64)
        if len(scalars):
            places[:, :_WINDOWS] = _window_digits(scalars, _WINDOW)
        return self._table_sum(places + _WINDOW_STARTS, bases)

    def fixed_digit_sum(self, digits: Sequence[int], bases: Sequence[FixedBase]) -> Point:
        self.require_digits(digits)
        places = np.full((len(digits), 2), _MINUS_ONE, dtype=np.int64)
        places[:, 0] = digits  # entry v of window 0 is (v + 1)·P
        return self._table_sum(places, bases)

    def _table_sum(self, places: _Places, bases: Sequence[FixedBase]) -> Point:
        """Sum of table entries: row i of ``places`` numbers entries of the table of base i."""
        starts = [base.start for base in bases if isinstance(base, _Table)]
        if len(starts) != len(places):
            raise ValueError("as many factors as prepared bases are needed")
        if not starts:
            return IDENTITY
        entries = (places + np.array(starts, dtype=np.int64)[:, None]).reshape(-1)
        gathered = np.take(self._store, entries, axis=0)
        return self._combine(self._addresses(ffi.from_buffer(gathered), len(entries)))

    # -- multi-scalar multiplication ----------------------------------------------------------

    def _msm(self, scalars: Sequence[Scalar], points: Sequence[Point]) -> Point:
        if len(points) < _BUCKETS_FROM:
            return super()._msm(scalars, points)
        return self._buckets(scalars, points)

    def _buckets(self, scalars: Sequence[Scalar], points: Sequence[Point]) -> Point:
        """Pippenger: sort points into buckets by digit, window by window, and sum each bucket.

        Digits are signed, from −2^(w−1) to 2^(w−1), which halves the buckets. The weighted sum of a
        window's buckets, Σ_v v·S_v, is taken bit by bit: bit b of the window collects the buckets
        whose number has that bit, which leaves one sum a bit, joined at the end by doublings. That
        needs few calls, and calls (2.3 µs) are what costs.
        """
        width = 6 if len(points) < 4000 else 7
        plus = ffi.new("secp256k1_pubkey[]", 2 * len(points))
        ffi.memmove(plus, b"".join(points), _POINT * len(points))
        minus = plus + len(points)
        ffi.memmove(minus, plus, _POINT * len(points))
        combine, negate = lib.secp256k1_ec_pubkey_combine, lib.secp256k1_ec_pubkey_negate
        context = self._context
        for index in range(len(points)):
            negate(context, minus + index)
        addresses = self._addresses(plus, len(points))
        sign_step = np.uint64(_POINT * len(points))
        bucket_count = (1 << width - 1) + 1
        buckets = ffi.new("secp256k1_pubkey[]", bucket_count)
        bucket_start = self._addresses(buckets, bucket_count)
        members = [
            np.array([v for v in range(1, bucket_count) if v >> bit & 1]) for bit in range(width)
        ]
        bit_sums: list[Point] = []
        carry = np.zeros(len(points), dtype=np.int64)
        for unsigned in _window_digits(scalars, width).T.astype(np.int64):
            digits = unsigned + carry
            carry = (digits >= bucket_count).astype(np.int64)
            digits -= carry << width
            signed = np.where(digits < 0, addresses + sign_step, addresses)
            numbers = np.abs(digits).astype(np.uint8)  # eight bits: a radix sort
            order = np.argsort(numbers, kind="stable")
            sorted_addresses = np.ascontiguousarray(signed[order])
            pointers = ffi.cast("secp256k1_pubkey **", sorted_addresses.ctypes.data)
            ends = np.searchsorted(numbers[order], np.arange(bucket_count + 1)).tolist()
            filled = np.zeros(bucket_count, dtype=bool)
            for v in range(1, bucket_count):
                begin, end = ends[v], ends[v + 1]
                if end > begin:
                    filled[v] = combine(context, buckets + v, pointers + begin, end - begin)
            for inside in members:
                chosen = inside[filled[inside]]
                bit_sums.append(self._combine(bucket_start[chosen]) if len(chosen) else IDENTITY)
        # 256 bits leave the top window at least two bits short, so no carry is left over.
        total = IDENTITY
        for place, bit_sum in reversed(list(enumerate(bit_sums))):
            total = self.sum([total, total, bit_sum] if place < len(bit_sums) - 1 else [bit_sum])
        return total
