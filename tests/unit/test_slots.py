"""Days and corrections as integers in a line."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.slots import (
    EPOCH,
    MAX_DAY,
    SLOTS,
    Correction,
    Slot,
    decode_day,
    encode_day,
    pack_correction,
    unpack_correction,
)
from zk.errors import StatementError

LAST_DAY = date(2179, 6, 6)

_POWERS = st.integers(-512, 511)
_CORRECTIONS = st.builds(Correction, _POWERS, _POWERS, st.integers(0, 180), _POWERS)


def test_slots_are_numbered_as_the_generators_count() -> None:
    assert [slot.value for slot in Slot] == [1, 2, 3, 4]
    assert len(Slot) == SLOTS
    assert (Slot.CODE, Slot.PRICE, Slot.DATE, Slot.CORRECTION) == (1, 2, 3, 4)


@given(st.dates(EPOCH, LAST_DAY))
def test_days_round_trip(day: date) -> None:
    assert decode_day(encode_day(day)) == day


def test_ends_of_the_calendar() -> None:
    assert encode_day(date(2000, 1, 1)) == 0
    assert encode_day(date(2020, 10, 5)) == 7583
    assert encode_day(LAST_DAY) == MAX_DAY == 65535
    assert decode_day(0) == EPOCH
    assert decode_day(MAX_DAY) == LAST_DAY


@pytest.mark.parametrize("day", [EPOCH - timedelta(days=1), LAST_DAY + timedelta(days=1), date.max])
def test_days_outside_the_calendar_are_refused(day: date) -> None:
    with pytest.raises(StatementError, match="date of service outside"):
        encode_day(day)


@pytest.mark.parametrize("number", [-1, MAX_DAY + 1])
def test_numbers_of_no_day_are_refused(number: int) -> None:
    with pytest.raises(StatementError, match="day number"):
        decode_day(number)


@given(_CORRECTIONS)
def test_corrections_round_trip(correction: Correction) -> None:
    packed = pack_correction(correction)
    assert 1 << 39 <= packed < 1 << 40
    assert unpack_correction(packed) == correction


@given(st.integers(0, 1 << 41))
def test_unpacking_is_strict(packed: int) -> None:
    try:
        correction = unpack_correction(packed)
    except StatementError:
        return
    assert pack_correction(correction) == packed


def test_packing_is_as_documented() -> None:
    packed = pack_correction(Correction(sphere=-9, cylinder=-2, axis=90, addition=8))
    assert packed == 2**39 + (512 - 9) * 2**29 + (512 - 2) * 2**19 + (512 + 8) * 2**9 + 90


def test_no_correction_is_zero_and_a_plano_lens_is_not() -> None:
    assert pack_correction(None) == 0
    assert unpack_correction(0) is None
    assert pack_correction(Correction(0)) != 0


@pytest.mark.parametrize(
    "packed",
    [
        -1,
        1,
        (1 << 39) - 1,
        1 << 40,
        (1 << 39) + 181,  # an axis of 181 degrees
    ],
)
def test_integers_that_pack_nothing_are_refused(packed: int) -> None:
    with pytest.raises(StatementError):
        unpack_correction(packed)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"sphere": 512}, "sphere"),
        ({"sphere": -513}, "sphere"),
        ({"sphere": 0, "cylinder": 512}, "cylinder"),
        ({"sphere": 0, "addition": -513}, "addition"),
        ({"sphere": 0, "axis": 181}, "axis"),
        ({"sphere": 0, "axis": -1}, "axis"),
    ],
)
def test_impossible_corrections_are_refused_by_name(values: dict[str, int], problem: str) -> None:
    with pytest.raises(StatementError, match=f"correction: {problem}") as refusal:
        Correction(**values)
    assert not any(str(value) in str(refusal.value) for value in (512, 513, 181))


def test_a_correction_never_shows_itself() -> None:
    assert repr(Correction(-9, -2, 90, 8)) == str(Correction(1)) == "Correction(…)"
