"""What an address asks of a list: filters, a period, a day, a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, get_args

from starlette.requests import Request

from circuits.contract import StatementName
from circuits.nomenclature import CLASS_PATTERN
from verifier_api.service.life import REASON_TITLES, STATES
from verifier_api.service.overview import VERDICTS
from verifier_api.store.claims import ClaimFilter
from verifier_api.web.pages.visit import parameter_invalid

PERIODS: Final = (7, 30, 60, 90, 365)
"""Days that a page offers to look back."""

DEFAULT_DAYS: Final = 60
PER_PAGE: Final = 50

STATEMENTS: Final[tuple[str, ...]] = get_args(StatementName)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_PART = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_CLASS = re.compile(CLASS_PATTERN.strip("^$"), re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_CURSOR = re.compile(r"[A-Za-z0-9:._-]{1,64}", re.ASCII)


def _one_of(*choices: str) -> Callable[[str], str | None]:
    return lambda text: text if text in choices else None


def _form(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    return lambda text: text if pattern.fullmatch(text) else None


def _day(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat() if _DAY.fullmatch(text) else None
    except ValueError:
        return None


_READERS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "claim": _form(_PART),
    "state": _one_of(*STATES),
    "verdict": _one_of(*VERDICTS),
    "reason": _one_of(*REASON_TITLES),
    "class": _form(_CLASS),
    "statement": _one_of(*STATEMENTS),
    "optician": _form(_NAME),
    "contract": _form(_NAME),
    "from": _day,
    "to": _day,
}
"""The filters of the list of claims: what each reads of its text, None for what it cannot mean."""

FILTERS: Final = tuple(_READERS)


@dataclass(frozen=True)
class Chosen:
    """What a list of claims is limited to: ``values`` by the filter's name as they were asked for,
    ``wrong`` the names of those that mean nothing."""

    values: Mapping[str, str]
    wrong: tuple[str, ...]

    def filter(self) -> ClaimFilter:
        """The same for the service."""
        good: dict[str, Any] = {
            name: _READERS[name](value) for name, value in self.values.items() if value
        }
        return ClaimFilter(
            state=good.get("state"),
            verdict=good.get("verdict"),
            reason=good.get("reason"),
            optician_id=good.get("optician"),
            contract_id=good.get("contract"),
            statement=good.get("statement"),
            received_from=f"{good['from']}T00:00:00Z" if good.get("from") else None,
            received_to=f"{good['to']}T23:59:59Z" if good.get("to") else None,
            regroupement=good.get("class"),
            claim_id=good.get("claim"),
        )


def chosen_of(request: Request) -> Chosen:
    """The filters of the address; a blank one limits nothing, one that comes twice counts once."""
    given = {name: request.query_params.get(name, "").strip() for name in _READERS}
    values = {name: value[:100] for name, value in given.items() if value}
    wrong = tuple(name for name, value in values.items() if _READERS[name](value) is None)
    return Chosen(values, wrong)


def days_of(request: Request) -> int:
    """The period of the address. Raises `ServiceError` "parameter_invalid" for one that is not
    offered."""
    text = request.query_params.get("days", str(DEFAULT_DAYS))
    if text not in {str(days) for days in PERIODS}:
        raise parameter_invalid("days")
    return int(text)


def cursor_of(request: Request) -> str | None:
    """Where the list goes on. Raises `ServiceError` "parameter_invalid"."""
    text = request.query_params.get("cursor")
    if text is not None and not _CURSOR.fullmatch(text):
        raise parameter_invalid("cursor")
    return text


def day_of(request: Request) -> date | None:
    """The day of the address, None for none. Raises `ServiceError` "parameter_invalid"."""
    text = request.query_params.get("date", "")
    if not text:
        return None
    day = _day(text)
    if day is None:
        raise parameter_invalid("date")
    return date.fromisoformat(day)
