"""What pages say: one file of texts per language and package, the same keys in both.

A text is a ``str.format`` template with named places (``"{number} claims"``). Its author writes
plain spaces and apostrophes; the French file gets its no-break spaces and both get their curved
apostrophes when it is read, so that no text depends on characters that nobody sees.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, TypeAlias, get_args

Language: TypeAlias = Literal["en", "fr"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

NO_BREAK: Final = "\u00a0"
NARROW_NO_BREAK: Final = "\u202f"

OWN_PACKAGE: Final = "pages"

_KEY_PART = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")
_FRENCH_SPACES: Final = (
    (re.compile(r"[ \u00a0](?=[;?!])"), NARROW_NO_BREAK),
    (re.compile(r"[ \u202f](?=[:»%€])"), NO_BREAK),
    (re.compile(r"(?<=«)[ \u202f]"), NO_BREAK),
)


class Catalogue:
    """Texts by key and language."""

    def __init__(self, texts: Mapping[Language, Mapping[str, str]]) -> None:
        """``texts`` has every language, each with the same keys and the same named places.

        Raises `ValueError` with the key that is at fault.
        """
        first = texts[LANGUAGES[0]]
        for language in LANGUAGES[1:]:
            apart = sorted(first.keys() ^ texts[language].keys())
            if apart:
                raise ValueError(f"catalogue: in one language only: {', '.join(apart[:10])}")
        for key in first:
            places = {language: _places(key, texts[language][key]) for language in LANGUAGES}
            if len(set(places.values())) != 1:
                raise ValueError(f"catalogue: {key}: not the same places in every language")
        for key in first:
            stem, _, form = key.rpartition(".")
            other = {"one": "many", "many": "one"}.get(form)
            if stem and other and f"{stem}.{other}" not in first:
                raise ValueError(f"catalogue: {key}: there is no {stem}.{other}")
        self._texts = {
            language: {key: typeset(text, language) for key, text in texts[language].items()}
            for language in LANGUAGES
        }

    @classmethod
    def load(cls, *packages: str) -> Catalogue:
        """The texts of `pages` and of ``packages``, from ``<package>/catalogues/{en,fr}.toml``.

        Nested tables become dotted keys. Raises `ValueError`: a key in one language only, different
        places, a key that two packages have, a value that is no text.
        """
        texts: dict[Language, dict[str, str]] = {language: {} for language in LANGUAGES}
        for package in dict.fromkeys((OWN_PACKAGE, *packages)):
            for language in LANGUAGES:
                for key, text in _read(package, language):
                    if key in texts[language]:
                        raise ValueError(f"catalogue: {key} is of two packages")
                    texts[language][key] = text
        return cls(texts)

    def say(self, key: str, language: Language, **values: object) -> str:
        """The text of ``key`` with its places filled. Raises `KeyError`: no such key or place."""
        return self._texts[language][key].format_map(values)

    def count(self, key: str, language: Language, number: int, **values: object) -> str:
        """``key.one`` or ``key.many``, by the rule of the language; the place is ``number``.

        In French 0 and 1 are singular, in English 1 alone.
        """
        is_one = number == 1 or (language == "fr" and number == 0)
        shown = grouped(number, language)
        return self.say(f"{key}.{'one' if is_one else 'many'}", language, number=shown, **values)

    def keys(self) -> frozenset[str]:
        """Every key."""
        return frozenset(self._texts[LANGUAGES[0]])

    def __contains__(self, key: object) -> bool:
        return key in self._texts[LANGUAGES[0]]


@cache
def own_catalogue() -> Catalogue:
    """The texts of `pages` alone: what charts, forms and guards say."""
    return Catalogue.load()


def grouped(number: int, language: Language) -> str:
    """A whole number in groups of three digits: 1,234 in English, 1 234 in French."""
    return f"{number:,}".replace(",", "," if language == "en" else NARROW_NO_BREAK)


def _read(package: str, language: Language) -> Iterator[tuple[str, str]]:
    source = files(package) / "catalogues" / f"{language}.toml"
    yield from _flatten(tomllib.loads(source.read_text(encoding="utf-8")), "", package)


def _flatten(table: Mapping[str, Any], prefix: str, package: str) -> Iterator[tuple[str, str]]:
    for part, value in table.items():
        key = f"{prefix}{part}"
        if not _KEY_PART.fullmatch(part):
            raise ValueError(f"catalogue of {package}: {key}: small letters, digits, underscores")
        if isinstance(value, dict):
            yield from _flatten(value, f"{key}.", package)
        elif isinstance(value, str):
            yield key, value
        else:
            raise ValueError(f"catalogue of {package}: {key} is no text")


def _places(key: str, text: str) -> frozenset[str]:
    """The named places of a text: plain names only, so that filling one can do nothing else."""
    found = set()
    try:
        for _, name, form, conversion in string.Formatter().parse(text):
            if name is None:
                continue
            if not _KEY_PART.fullmatch(name) or form or conversion:
                raise ValueError("places are plain names")
            found.add(name)
    except ValueError as error:
        raise ValueError(f"catalogue: {key}: {error}") from None
    return frozenset(found)


def typeset(text: str, language: Language) -> str:
    """Curved apostrophes; in French also no-break spaces where they belong."""
    text = _APOSTROPHE.sub("\u2019", text)
    if language == "fr":
        for pattern, space in _FRENCH_SPACES:
            text = pattern.sub(space, text)
    return text
