"""What a line commitment holds, format V1: four integers in four slots.

====  =====================================================================================
slot  value
====  =====================================================================================
1     the LPP code, its seven digits as an integer
2     the price in cents
3     the date of service in days since 2000-01-01
4     the correction packed into one integer (`pack_correction`), 0 if not given
====  =====================================================================================

A line outlives the claim it was made for: date and correction are committed although no statement
uses them yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

from zk.errors import StatementError

SLOTS = 4
EPOCH = date(2000, 1, 1)
MAX_DAY = (1 << 16) - 1

_QUARTERS_OFFSET = 512
_QUARTERS_BITS = 10
_AXIS_BITS = 9


class Slot(IntEnum):
    """Slot numbers, as the generators J_s count them."""

    CODE = 1
    PRICE = 2
    DATE = 3
    CORRECTION = 4


def encode_day(day: date) -> int:
    """Days since 2000-01-01; raises `StatementError` before that or after 2179."""
    number = (day - EPOCH).days
    if not 0 <= number <= MAX_DAY:
        raise StatementError("date of service outside 2000-01-01 … 2179-06-05")
    return number


def decode_day(number: int) -> date:
    """Inverse of `encode_day`; raises `StatementError` outside its range."""
    if not 0 <= number <= MAX_DAY:
        raise StatementError("day number outside its range")
    return EPOCH + timedelta(days=number)


@dataclass(frozen=True)
class Correction:
    """A lens's correction: powers in quarter dioptres, axis in degrees (0 to 180)."""

    sphere: int
    cylinder: int = 0
    axis: int = 0
    addition: int = 0

    def __post_init__(self) -> None:
        for name in ("sphere", "cylinder", "addition"):
            if not -_QUARTERS_OFFSET <= getattr(self, name) < _QUARTERS_OFFSET:
                raise StatementError(
                    f"correction: {name} is not a power between −128 and 127.75 dioptres"
                )
        if not 0 <= self.axis <= 180:
            raise StatementError("correction: axis is not between 0 and 180 degrees")

    def __repr__(self) -> str:
        return "Correction(…)"  # health data never stands in a log


def pack_correction(correction: Correction | None) -> int:
    """2^39 + sphere·2^29 + cylinder·2^19 + addition·2^9 + axis, powers offset by 512; 0 for
    None."""
    if correction is None:
        return 0
    packed = 1
    for power in (correction.sphere, correction.cylinder, correction.addition):
        packed = packed << _QUARTERS_BITS | power + _QUARTERS_OFFSET
    return packed << _AXIS_BITS | correction.axis


def unpack_correction(packed: int) -> Correction | None:
    """Inverse of `pack_correction`; raises `StatementError` for an integer that it cannot yield."""
    if packed == 0:
        return None
    if packed >> (3 * _QUARTERS_BITS + _AXIS_BITS) != 1:
        raise StatementError("not a packed correction")
    axis, rest = packed & (1 << _AXIS_BITS) - 1, packed >> _AXIS_BITS
    mask = (1 << _QUARTERS_BITS) - 1
    addition, cylinder, sphere = (
        (rest >> shift & mask) - _QUARTERS_OFFSET
        for shift in (0, _QUARTERS_BITS, 2 * _QUARTERS_BITS)
    )
    return Correction(sphere, cylinder, axis, addition)
