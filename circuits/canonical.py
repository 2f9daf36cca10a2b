"""Canonical JSON, strict JSON, tagged digests and base64url: the bytes both sides must agree on.

One JSON model throughout: objects, lists, strings, integers within ±(2^53 − 1), booleans and null.
Floats do not exist. Whatever leaves this module as bytes is RFC 8785; whatever enters it is either
accepted or refused with one `EncodingError` that names line and column and never repeats content.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Any

import rfc8785

from zk.errors import EncodingError

MAX_INTEGER = 2**53 - 1
"""Largest absolute value of an integer (RFC 7493, section 2.2)."""

MAX_NESTING = 32
"""Objects and lists within one another, the outermost counted."""

_MAX_INTEGER_DIGITS = len(str(MAX_INTEGER))
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WHITESPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?![0-9])")
# One run of plain characters, then (escape, run) repeated: linear in the length of the string.
_STRING = re.compile(
    r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"', re.ASCII
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LITERALS = (("true", True), ("false", False), ("null", None))
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def canonical_bytes(obj: Any) -> bytes:
    """The RFC 8785 encoding of ``obj``, in UTF-8.

    Raises `EncodingError` if anything in it is not a str-keyed dict, list, tuple, str, int within
    ±(2^53 − 1), bool or None, if a string holds a lone surrogate, or if it nests too deeply.
    """
    _require_canonical(obj, depth=0)
    return rfc8785.dumps(obj)


def parse_json_strict(data: bytes, *, max_bytes: int, what: str) -> Any:
    """The JSON value that ``data`` encodes (RFC 8259 within the limits of RFC 7493, no floats).

    ``max_bytes`` limits the size; ``what`` names the document in messages ("contract"). Raises
    `EncodingError` for: too many bytes, a byte order mark, invalid UTF-8, duplicate keys, lone
    surrogates, floats, NaN and Infinity, negative zero, integers beyond ±(2^53 − 1), nesting
    deeper than `MAX_NESTING`, anything after the value, and every other departure from the grammar.
    """
    if len(data) > max_bytes:
        raise EncodingError(f"{what}: {len(data)} bytes, more than the {max_bytes} allowed")
    if data.startswith(_BYTE_ORDER_MARK):
        raise EncodingError(f"{what}: starts with a byte order mark")
    try:
        text = bytes(data).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise EncodingError(f"{what}: invalid UTF-8 in line {line}") from None
    return _StrictParser(text, what).document()


def tagged_digest(tag: bytes, payload: bytes) -> bytes:
    """SHA-256(I2OSP(len(tag), 4) ‖ tag ‖ payload), 32 bytes: no two tags share a digest input."""
    return hashlib.sha256(len(tag).to_bytes(4, "big") + tag + payload).digest()


def encode_base64url(data: bytes) -> str:
    """``data`` in base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Strict inverse of `encode_base64url`.

    Raises `EncodingError` for padding, any character outside the alphabet, an impossible length,
    or bits set beyond the last byte.
    """
    if not _BASE64URL.fullmatch(text):
        raise EncodingError("not base64url without padding: character outside the alphabet")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise EncodingError(f"not base64url: impossible length {len(text)}") from None
    if encode_base64url(data) != text:
        raise EncodingError("base64url not canonical: bits set beyond the last byte")
    return data


def _require_canonical(value: Any, depth: int) -> None:
    # Exact types on purpose: a bool is an int, an enum is a str, and neither may slip through.
    kind = type(value)
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise EncodingError("integer beyond ±(2^53 − 1)")
    elif kind is str:
        if _SURROGATE.search(value):
            raise EncodingError("string with a lone surrogate")
    elif kind is dict:
        _require_shallow(depth)
        for key, member in value.items():
            if type(key) is not str:
                raise EncodingError("object key that is not a string")
            _require_canonical(key, depth)
            _require_canonical(member, depth + 1)
    elif kind is list or kind is tuple:
        _require_shallow(depth)
        for member in value:
            _require_canonical(member, depth + 1)
    elif kind is not bool and value is not None:
        raise EncodingError(f"value of type {kind.__name__} has no canonical JSON form")


def _require_shallow(depth: int) -> None:
    if depth >= MAX_NESTING:
        raise EncodingError(f"nested deeper than {MAX_NESTING}")


class _StrictParser:
    """Recursive descent over ``text``; each method takes a position and returns the one behind."""

    def __init__(self, text: str, what: str) -> None:
        self._text = text
        self._what = what

    def document(self) -> Any:
        value, position = self._value(self._skip(0), 0)
        if position != len(self._text):
            raise self._refusal("something after the end of the value", position)
        return value

    def _value(self, position: int, depth: int) -> tuple[Any, int]:
        """The value at ``position`` and the position of the next token."""
        first = self._text[position : position + 1]
        value: Any
        if first == '"':
            value, position = self._string(position)
        elif first == "{":
            value, position = self._object(position, depth)
        elif first == "[":
            value, position = self._list(position, depth)
        elif first and first in "-0123456789":
            value, position = self._integer(position)
        else:
            value, position = self._literal(position)
        return value, self._skip(position)

    def _object(self, start: int, depth: int) -> tuple[dict[str, Any], int]:
        self._require_shallow(depth, start)
        members: dict[str, Any] = {}
        position = self._skip(start + 1)
        if self._text.startswith("}", position):
            return members, position + 1
        while True:
            if not self._text.startswith('"', position):
                raise self._refusal("a key in double quotes expected", position)
            key, after_key = self._string(position)
            if key in members:
                raise self._refusal("duplicate key", position)
            position = self._skip(after_key)
            if not self._text.startswith(":", position):
                raise self._refusal("':' expected", position)
            members[key], position = self._value(self._skip(position + 1), depth + 1)
            if self._text.startswith("}", position):
                return members, position + 1
            if not self._text.startswith(",", position):
                raise self._refusal("',' or '}' expected", position)
            position = self._skip(position + 1)

    def _list(self, start: int, depth: int) -> tuple[list[Any], int]:
        self._require_shallow(depth, start)
        members: list[Any] = []
        position = self._skip(start + 1)
        if self._text.startswith("]", position):
            return members, position + 1
        while True:
            member, position = self._value(position, depth + 1)
            members.append(member)
            if self._text.startswith("]", position):
                return members, position + 1
            if not self._text.startswith(",", position):
                raise self._refusal("',' or ']' expected", position)
            position = self._skip(position + 1)

    def _string(self, position: int) -> tuple[str, int]:
        match = _STRING.match(self._text, position)
        if match is None:
            raise self._refusal(
                "string without end, or with a bad escape or control character", position
            )
        token = match.group()
        if "\\" not in token:
            return token[1:-1], match.end()
        value: str = json.loads(token)
        if _SURROGATE.search(value):
            raise self._refusal("lone surrogate", position)
        return value, match.end()

    def _integer(self, position: int) -> tuple[int, int]:
        match = _NUMBER.match(self._text, position)
        if match is None:
            raise self._refusal("malformed number", position)
        token = match.group()
        if self._text[match.end() : match.end() + 1] in (".", "e", "E"):
            raise self._refusal("number with a fraction or an exponent", position)
        if token == "-0":
            raise self._refusal("negative zero", position)
        # Length first: converting a long run of digits costs quadratic time.
        if len(token) > _MAX_INTEGER_DIGITS + 1 or abs(int(token)) > MAX_INTEGER:
            raise self._refusal("integer beyond ±(2^53 − 1)", position)
        return int(token), match.end()

    def _literal(self, position: int) -> tuple[bool | None, int]:
        for word, value in _LITERALS:
            if self._text.startswith(word, position):
                return value, position + len(word)
        raise self._refusal("a JSON value expected (NaN and Infinity are none)", position)

    def _skip(self, position: int) -> int:
        match = _WHITESPACE.match(self._text, position)
        return match.end() if match else position

    def _require_shallow(self, depth: int, position: int) -> None:
        if depth >= MAX_NESTING:
            raise self._refusal(f"nested deeper than {MAX_NESTING}", position)

    def _refusal(self, problem: str, position: int) -> EncodingError:
        line = self._text.count("\n", 0, position) + 1
        column = position - self._text.rfind("\n", 0, position)
        return EncodingError(f"{self._what}: {problem} at line {line}, column {column}")
