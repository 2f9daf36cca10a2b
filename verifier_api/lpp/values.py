"""How the values of CNAM's tables are read: bytes of a field, of whatever type it is.

Each function returns None for a field that is empty and raises `ValueError`, without a text, for
one that cannot be read in exactly one way.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from circuits.nomenclature import MAX_AGE_YEARS, MAX_ITEM_CENTS

_BLANK = b" \0"
_CODE = re.compile(rb"[1-9][0-9]{6}", re.ASCII)
_DATE = re.compile(rb"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})", re.ASCII)
# Some programs leave out a zero before the point.
_NUMBER = re.compile(rb"(?=[.,]?[0-9])([0-9]{0,12})(?:[.,]([0-9]{1,8}))?", re.ASCII)
_TEXT = re.compile(r"[A-Z0-9]{1,8}", re.ASCII)


def read_code(raw: bytes) -> int | None:
    """Seven digits, the first not 0. The check digit is not looked at."""
    text = raw.strip(_BLANK)
    if not text:
        return None
    if not _CODE.fullmatch(text):
        raise ValueError
    return int(text)


def read_class(raw: bytes) -> str | None:
    """The name of a class, in capitals and digits."""
    text = raw.strip(_BLANK)
    if not text:
        return None
    try:
        name = text.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError from None
    if not _TEXT.fullmatch(name):
        raise ValueError
    return name


def read_date(raw: bytes) -> date | None:
    """YYYYMMDD, as dBase has it, or YYYY-MM-DD; only zeros are empty."""
    text = raw.strip(_BLANK)
    if not text.strip(b"0"):
        return None
    match = _DATE.fullmatch(text)
    if not match:
        raise ValueError
    try:
        return date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        raise ValueError from None


def read_cents(raw: bytes) -> int | None:
    """Euros with a point or a comma, as integer cents, exactly: never through a float."""
    text = raw.strip(_BLANK)
    if not text:
        return None
    cents = _number(text).scaleb(2)
    if cents != cents.to_integral_value() or cents > MAX_ITEM_CENTS:
        raise ValueError
    return int(cents)


def read_whole(raw: bytes) -> int | None:
    """An integer from 0, with or without zeros before and after it: 2, 02, 2.0."""
    text = raw.strip(_BLANK)
    if not text:
        return None
    number = _number(text)
    if number != number.to_integral_value():
        raise ValueError
    return int(number)


def read_age(raw: bytes) -> int | None:
    """Years; 0 is no limit."""
    years = read_whole(raw)
    if years is not None and years > MAX_AGE_YEARS:
        raise ValueError
    return years or None


def _number(text: bytes) -> Decimal:
    match = _NUMBER.fullmatch(text)
    if not match:
        raise ValueError
    # Twenty digits at most: within the precision of every decimal context that Python starts with.
    return Decimal(f"{match[1].decode() or 0}.{(match[2] or b'0').decode()}")
