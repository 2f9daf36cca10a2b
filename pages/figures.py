"""Numbers, money, days and times as people read them, in both languages.

Each function takes None as "not known" and gives a dash.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from pages.catalogue import NARROW_NO_BREAK, NO_BREAK, Language, grouped

DASH: Final = "–"


def number(value: int | float | None, language: Language) -> str:
    """A number in groups of three digits; a fraction with one decimal."""
    if value is None:
        return DASH
    if isinstance(value, int):
        return grouped(value, language)
    return _decimal(value, 1, language)


def euros(cents: int | None, language: Language) -> str:
    """An amount in cents: €1,234.50 in English, 1 234,50 € in French."""
    if cents is None:
        return DASH
    sign = "−" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    if language == "en":
        return f"{sign}€{grouped(whole, language)}.{rest:02d}"
    return f"{sign}{grouped(whole, language)},{rest:02d}{NO_BREAK}€"


def percent(value: float | None, language: Language) -> str:
    """A share, given in percent, with one decimal."""
    if value is None:
        return DASH
    shown = _decimal(value, 1, language)
    return f"{shown}%" if language == "en" else f"{shown}{NO_BREAK}%"


def milliseconds(microseconds: int | float | None, language: Language) -> str:
    """A time given in microseconds, in ms: one decimal below 100 ms, none above."""
    if microseconds is None:
        return DASH
    value = microseconds / 1000
    shown = _decimal(value, 1 if value < 100 else 0, language)
    return f"{shown}{NARROW_NO_BREAK}ms"


def day(value: date | str | None, language: Language) -> str:
    """A day, given as a date or as an ISO text: 2026-11-25 in English, 25/11/2026 in French.

    Raises `ValueError` for a text that is no day.
    """
    if value is None or value == "":
        return DASH
    known = value if isinstance(value, date) else date.fromisoformat(value[:10])
    return known.strftime("%Y-%m-%d" if language == "en" else "%d/%m/%Y")


def instant(value: datetime | str | None, language: Language) -> str:
    """A point in time, given as a datetime with its zone or as an ISO text, in UTC.

    Raises `ValueError` for a text that is none, or that has no zone.
    """
    if value is None or value == "":
        return DASH
    known = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if known.tzinfo is None:
        raise ValueError("an instant has a time zone")
    known = known.astimezone(UTC)
    return f"{day(known.date(), language)} {known:%H:%M}{NO_BREAK}UTC"


def _decimal(value: float, places: int, language: Language) -> str:
    sign = "−" if value < 0 else ""
    whole, _, rest = f"{abs(value):.{places}f}".partition(".")
    shown = grouped(int(whole), language)
    if rest:
        shown += ("." if language == "en" else ",") + rest
    return sign + shown
