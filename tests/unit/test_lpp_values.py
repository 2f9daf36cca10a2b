"""Fields of CNAM's tables: read exactly, or refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from verifier_api.lpp.values import (
    read_age,
    read_cents,
    read_class,
    read_code,
    read_date,
    read_whole,
)


@pytest.mark.parametrize(
    ("read", "raw", "value"),
    [
        (read_code, b"2200335", 2200335),
        (read_code, b"  2200335 ", 2200335),
        (read_code, b"2200335\0\0", 2200335),
        (read_class, b"VU1", "VU1"),
        (read_class, b"M01  ", "M01"),
        (read_date, b"20240229", date(2024, 2, 29)),
        (read_date, b"2024-02-29", date(2024, 2, 29)),
        (read_date, b"99991231", date.max),
        (read_date, b"00000000", None),
        (read_cents, b"      0.05", 5),
        (read_cents, b"12", 1200),
        (read_cents, b"12,3", 1230),
        (read_cents, b"12.3400", 1234),
        (read_cents, b"       .05", 5),
        (read_cents, b",5", 50),
        (read_cents, b"0.00", 0),
        (read_cents, b"100000.00", 10_000_000),
        # As floats times 100 these two are a little less than 29 and 115.
        (read_cents, b"0.29", 29),
        (read_cents, b"1.15", 115),
        (read_whole, b"2", 2),
        (read_whole, b"02", 2),
        (read_whole, b" 2.0", 2),
        (read_age, b" 16", 16),
        (read_age, b"0", None),
    ],
)
def test_values_are_read(read: Callable[[bytes], Any], raw: bytes, value: Any) -> None:
    assert read(raw) == value


@pytest.mark.parametrize(
    "read", [read_code, read_class, read_date, read_cents, read_whole, read_age]
)
@pytest.mark.parametrize("raw", [b"", b"   ", b"\0\0", b" \0 "])
def test_blank_fields_are_empty(read: Callable[[bytes], Any], raw: bytes) -> None:
    assert read(raw) is None


@pytest.mark.parametrize(
    ("read", "raw"),
    [
        (read_code, b"220033"),
        (read_code, b"22003350"),
        (read_code, b"0200335"),
        (read_code, b"2200335.0"),
        (read_code, b"22 0335"),
        (read_class, b"vu1"),
        (read_class, b"V\x90"),
        (read_class, b"V-1"),
        (read_date, b"20230229"),
        (read_date, b"20241301"),
        (read_date, b"29/02/2024"),
        (read_date, b"2024-0229"),
        (read_date, b"202402"),
        (read_cents, b"-1.00"),
        (read_cents, b"1.234"),
        (read_cents, b"1.234,50"),
        (read_cents, b"1e2"),
        (read_cents, b"NaN"),
        (read_cents, b"**********"),
        (read_cents, b"1 000"),
        (read_cents, b"100000.01"),
        (read_cents, b"."),
        (read_cents, b","),
        (read_cents, b"..5"),
        (read_cents, b".005"),
        (read_cents, b"-.05"),
        (read_whole, b"2.5"),
        (read_whole, b"II"),
        (read_whole, "٢".encode()),
        (read_age, b"151"),
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(
    read: Callable[[bytes], Any], raw: bytes
) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        read(raw)
