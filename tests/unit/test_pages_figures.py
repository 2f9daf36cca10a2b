"""Numbers, money, days and times in both languages."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from pages import figures
from pages.figures import DASH


@pytest.mark.parametrize(
    ("name", "value", "english", "french"),
    [
        ("number", 0, "0", "0"),
        ("number", 1234567, "1,234,567", "1\u202f234\u202f567"),
        ("number", 1234.56, "1,234.6", "1\u202f234,6"),
        ("number", -0.5, "−0.5", "−0,5"),
        ("euros", 0, "€0.00", "0,00\u00a0€"),
        ("euros", 5, "€0.05", "0,05\u00a0€"),
        ("euros", 123450, "€1,234.50", "1\u202f234,50\u00a0€"),
        ("euros", -123450, "−€1,234.50", "−1\u202f234,50\u00a0€"),
        ("percent", 12.34, "12.3%", "12,3\u00a0%"),
        ("percent", 100.0, "100.0%", "100,0\u00a0%"),
        ("milliseconds", 0, "0.0\u202fms", "0,0\u202fms"),
        ("milliseconds", 1550, "1.6\u202fms", "1,6\u202fms"),
        ("milliseconds", 99_940, "99.9\u202fms", "99,9\u202fms"),
        ("milliseconds", 1_234_567, "1,235\u202fms", "1\u202f235\u202fms"),
        ("day", "2026-11-25", "2026-11-25", "25/11/2026"),
        ("day", date(2026, 1, 2), "2026-01-02", "02/01/2026"),
        ("day", "2026-11-25T23:59:59Z", "2026-11-25", "25/11/2026"),
        ("instant", "2026-11-25T09:05:59Z", "2026-11-25 09:05\u00a0UTC",
         "25/11/2026 09:05\u00a0UTC"),
        ("instant", datetime(2026, 11, 25, 23, 30, tzinfo=timezone(timedelta(hours=-2))),
         "2026-11-26 01:30\u00a0UTC", "26/11/2026 01:30\u00a0UTC"),
        ("instant", datetime(2026, 11, 25, tzinfo=UTC), "2026-11-25 00:00\u00a0UTC",
         "25/11/2026 00:00\u00a0UTC"),
        ("day", "", DASH, DASH),
        ("instant", "", DASH, DASH),
    ],
)  # fmt: skip
def test_as_people_read_it(name: str, value: Any, english: str, french: str) -> None:
    make = getattr(figures, name)
    assert (make(value, "en"), make(value, "fr")) == (english, french)


@pytest.mark.parametrize("name", ["number", "euros", "percent", "milliseconds", "day", "instant"])
def test_what_is_not_known_is_a_dash(name: str) -> None:
    assert getattr(figures, name)(None, "fr") == DASH


@pytest.mark.parametrize(
    ("name", "value"),
    [("day", "25/11/2026"), ("day", "2026-02-30"), ("instant", "soon"),
     ("instant", "2026-11-25T09:05:59")],
)  # fmt: skip
def test_what_is_no_day_or_has_no_zone_is_an_error(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        getattr(figures, name)(value, "fr")
