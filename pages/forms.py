"""Forms that a browser sends: application/x-www-form-urlencoded, read strictly.

Source of the format: https://url.spec.whatwg.org/#application/x-www-form-urlencoded. What no
browser makes of a page of ours is refused: a broken escape, text that is not UTF-8, control
characters, a name that is none. No error repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect, Request

from pages.catalogue import Language, own_catalogue

MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
MAX_FORM_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 200
MAX_CENTS: Final = 10_000_000

FORM_CODES: Final[Mapping[str, tuple[int, str]]] = {
    "form_media_type": (415, f"the body is no {MEDIA_TYPE}"),
    "form_too_large": (413, "the form is too large"),
    "form_malformed": (400, "the form is not as browsers send one"),
    "form_fields": (400, "the form has too many fields"),
    "form_interrupted": (400, "the form did not arrive as a whole"),
    "field_name": (400, "a field has a name that is none"),
    "field_unknown": (400, "the form has a field that was not asked for"),
    "field_repeated": (400, "the field is there more than once"),
    "field_characters": (422, "the field has characters that cannot stand there"),
    "field_missing": (422, "the field is to be filled in"),
    "field_too_long": (422, "the field is too long"),
    "integer_invalid": (422, "the field is no whole number"),
    "number_out_of_range": (422, "the number is out of range"),
    "amount_invalid": (422, "the field is no amount in euros"),
    "day_invalid": (422, "the field is no day"),
    "choice_unknown": (422, "the field is none of the choices"),
}
"""Every way in which a form is refused: its HTTP status, and what it says in English."""

Value = TypeVar("Value")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
_ESCAPE = re.compile(rb"%(?:([0-9A-Fa-f]{2})|)")
_PLAIN = re.compile(rb"[!-~]*", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_AMOUNT = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,2}))?", re.ASCII)
_ISO_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_FRENCH_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", re.ASCII)
_SPACES = re.compile(r"[ \u00a0\u2009\u202f]")


class FormError(Exception):
    """A form, or a field of it, that is not as it was asked for.

    ``code`` is one of `FORM_CODES`, ``field`` the name of the field (a name that we asked for) or
    None, ``status`` the HTTP status.
    """

    def __init__(self, code: str, field: str | None = None) -> None:
        self.code = code
        self.field = field
        self.status, english = FORM_CODES[code]
        super().__init__(f"{field}: {english}" if field else english)

    def words(self, language: Language) -> str:
        """What is wrong, for the person who fills the form in."""
        return own_catalogue().say(f"pages.form.{self.code}", language)


class Form:
    """The fields of a form. A repr tells their names alone."""

    def __init__(self, fields: Mapping[str, tuple[str, ...]]) -> None:
        self._fields = fields

    def __repr__(self) -> str:
        return f"Form({', '.join(sorted(self._fields))})"

    @property
    def names(self) -> frozenset[str]:
        """The names of the fields that were sent."""
        return frozenset(self._fields)

    def require_only(self, names: Collection[str]) -> None:
        """Raises `FormError` ("field_unknown") if a field has none of these names."""
        if not self.names <= frozenset(names):
            raise FormError("field_unknown")

    def all(self, name: str, max_length: int = 200) -> tuple[str, ...]:
        """Every value of a field that may be there more than once, each as `text` reads it.

        Raises `FormError`.
        """
        return tuple(
            self._one_line(name, value, max_length) for value in self._fields.get(name, ())
        )

    def exact(self, name: str, max_length: int = 200) -> str:
        """A field as it was typed (a passphrase, a text of several lines): nothing is taken away.

        "" if it is not there; line ends are "\\n". Raises `FormError`.
        """
        values = self._fields.get(name, ("",))
        if len(values) != 1:
            raise FormError("field_repeated", name)
        if len(values[0]) > max_length:
            raise FormError("field_too_long", name)
        return values[0]

    def has(self, name: str) -> bool:
        """Is the field there, with more than spaces in it?"""
        return any(value.strip() for value in self._fields.get(name, ()))

    def text(self, name: str, max_length: int = 200, default: str | None = None) -> str:
        """One line without the spaces around it; ``default`` if it is not there or blank.

        Raises `FormError`: "field_missing" if there is no default either.
        """
        value = self._one_line(name, self.exact(name, max_length + 64), max_length)
        if value:
            return value
        if default is None:
            raise FormError("field_missing", name)
        return default

    def choice(self, name: str, choices: Collection[str], default: str | None = None) -> str:
        """One of ``choices``; "" is one if it is among them. Raises `FormError`."""
        value = self.text(name, 200, "" if "" in choices else default)
        if value not in choices:
            raise FormError("choice_unknown", name)
        return value

    def is_on(self, name: str) -> bool:
        """Is a box ticked? Its value is "on" or the field is not there. Raises `FormError`."""
        return self.choice(name, ("on", "")) == "on"

    def integer(self, name: str, least: int, most: int) -> int:
        """A whole number. Raises `FormError`."""
        value = _SPACES.sub("", self.text(name, 40))
        if not _INTEGER.fullmatch(value):
            raise FormError("integer_invalid", name)
        return _in_range(int(value), least, most, name)

    def cents(self, name: str, most: int = MAX_CENTS) -> int:
        """An amount in euros as cents: "12,50", "12.5", "1 234,50 €". Raises `FormError`."""
        value = _SPACES.sub("", self.text(name, 40)).removesuffix("€").removeprefix("€")
        match = _AMOUNT.fullmatch(value)
        if match is None:
            raise FormError("amount_invalid", name)
        whole, rest = match.groups()
        return _in_range(int(whole) * 100 + int((rest or "0").ljust(2, "0")), 0, most, name)

    def day(self, name: str) -> date:
        """A day: 2026-11-25 (as fields of dates send it) or 25/11/2026. Raises `FormError`."""
        value = self.text(name, 40)
        try:
            if match := _ISO_DAY.fullmatch(value):
                year, month, day = map(int, match.groups())
                return date(year, month, day)
            if match := _FRENCH_DAY.fullmatch(value):
                day, month, year = map(int, match.groups())
                return date(year, month, day)
        except ValueError:
            pass  # a month 13
        raise FormError("day_invalid", name)

    @staticmethod
    def _one_line(name: str, value: str, max_length: int) -> str:
        if "\n" in value.strip("\n"):
            raise FormError("field_characters", name)
        value = value.strip()
        if len(value) > max_length:
            raise FormError("field_too_long", name)
        return value


class Mistakes:
    """The mistakes of one form, all of them at once: a person mends them in one go."""

    def __init__(self) -> None:
        self.errors: list[FormError] = []

    def read(self, reader: Callable[[], Value], otherwise: Value) -> Value:
        """What ``reader`` gives; if it raises `FormError`, that is noted, and ``otherwise``."""
        try:
            return reader()
        except FormError as error:
            self.errors.append(error)
            return otherwise

    def __bool__(self) -> bool:
        return bool(self.errors)

    def words(self, language: Language) -> dict[str, str]:
        """By field, what is wrong: what the macros of fields take."""
        return {error.field or "": error.words(language) for error in reversed(self.errors)}


async def read_form(request: Request, max_bytes: int = MAX_FORM_BYTES) -> Form:
    """The form in the body of a request, of at most ``max_bytes``. Raises `FormError`."""
    if not _is_form(request.headers.getlist("content-type")):
        raise FormError("form_media_type")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise FormError("form_too_large")
    except ClientDisconnect:
        raise FormError("form_interrupted") from None
    return decode_form(bytes(body), max_bytes)


def decode_form(data: bytes, max_bytes: int = MAX_FORM_BYTES) -> Form:
    """The form of a body. Raises `FormError`."""
    if len(data) > max_bytes:
        raise FormError("form_too_large")
    pairs = data.split(b"&") if data else []
    if len(pairs) > MAX_FIELDS:
        raise FormError("form_fields")
    fields: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        encoded_name, equals, encoded_value = pair.partition(b"=")
        if not equals:
            raise FormError("form_malformed")
        name, value = _unescape(encoded_name), _unescape(encoded_value)
        if not _NAME.fullmatch(name):
            raise FormError("field_name")
        fields[name] = (*fields.get(name, ()), value)
    return Form(fields)


def _is_form(values: list[str]) -> bool:
    if len(values) != 1:
        return False
    kind, _, parameter = values[0].lower().partition(";")
    return kind.strip() == MEDIA_TYPE and parameter.strip() in ("", "charset=utf-8")


def _unescape(data: bytes) -> str:
    if not _PLAIN.fullmatch(data):
        raise FormError("form_malformed")

    def octet(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise FormError("form_malformed")
        return bytes((int(match[1], 16),))

    try:
        text = _ESCAPE.sub(octet, data.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise FormError("form_malformed") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if any((sign < " " and sign not in "\n\t") or "\x7f" <= sign <= "\x9f" for sign in text):
        raise FormError("form_malformed")
    return text


def _in_range(value: int, least: int, most: int, name: str) -> int:
    if not least <= value <= most:
        raise FormError("number_out_of_range", name)
    return value
