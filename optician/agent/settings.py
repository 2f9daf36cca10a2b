"""What the shop has chosen, and within which bounds it may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, Final

from optician.agent import store
from optician.agent.errors import ShopError
from optician.agent.records import ShopSettings

if TYPE_CHECKING:
    from optician.vault import Reading, Writing

BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "keep_days": (0, 36_525),
    "lock_minutes": (1, 24 * 60),
    "poll_minutes": (1, 24 * 60),
    "page_size": (5, 200),
}
"""Least and most of each number."""

LANGUAGES: Final = ("en", "fr")


def read_settings(reading: Reading) -> ShopSettings:
    """Those that are kept; the defaults before anything was chosen."""
    content = store.entry(reading, "settings", "shop")
    if content is None:
        return ShopSettings()
    known = {each.name for each in fields(ShopSettings)}
    kept = {name: value for name, value in store.unpack(content).items() if name in known}
    return ShopSettings(**kept)


def write_settings(writing: Writing, settings: ShopSettings) -> None:
    """Keep them."""
    store.put_entry(writing, "settings", "shop", store.pack(asdict(settings)))


def changed(settings: ShopSettings, changes: Mapping[str, Any]) -> ShopSettings:
    """The settings with changes. Raises `ShopError` ("argument_invalid") with their places."""
    wrong = tuple(name for name, value in changes.items() if not _is_allowed(name, value))
    if wrong:
        raise ShopError("argument_invalid", "outside its bounds, or no setting", wrong)
    return replace(settings, **changes)


def _is_allowed(name: str, value: object) -> bool:
    if name == "language":
        return value in LANGUAGES
    if name not in BOUNDS or type(value) is not int:
        return False
    least, most = BOUNDS[name]
    return least <= value <= most
