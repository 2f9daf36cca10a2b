"""Canonical JSON, strict JSON, tagged digests and base64url: the bytes both sides must agree on.

One JSON model throughout: objects, lists, strings, integers within ±(2^53 − 1), booleans and null.
Floats do not exist. Whatever leaves this module as bytes is RFC 8785; whatever enters it is either
accepted or refused with one `EncodingError` that never repeats content. The reader is the standard
library's; what stands here is what it would let pass.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from itertools import accumulate
from typing import Any, NoReturn

import rfc8785

from zk.errors import EncodingError

MAX_INTEGER = 2**53 - 1
"""Largest absolute value of an integer (RFC 7493, section 2.2)."""

MAX_NESTING = 32
"""Objects and lists within one another, the outermost counted."""

_MAX_INTEGER_DIGITS = len(str(MAX_INTEGER))
_TOO_LARGE = "integer beyond ±(2^53 − 1)"
_TOO_DEEP = f"nested deeper than {MAX_NESTING}"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAME = re.compile(r"(?!.*[0-9]{3})[A-Za-z0-9_]{1,32}", re.ASCII)
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
# Possessive, and it always matches: a string without end takes the rest, so no text is read twice.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+\\?"?', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEPS)
# What the standard library's reader complains of; some of its texts go on to quote the input.
_GRAMMAR_PROBLEMS = (
    "Expecting value",
    "Expecting property name",
    "Expecting ':' delimiter",
    "Expecting ',' delimiter",
    "Illegal trailing comma",
    "Unterminated string",
    "Invalid control character",
    "Invalid \\escape",
    "Invalid \\uXXXX escape",
    "Extra data",
)


def is_field_name(text: str) -> bool:
    """Whether ``text`` may stand in a message as the name of a field: never a code or a price."""
    return _NAME.fullmatch(text) is not None


def canonical_bytes(obj: Any) -> bytes:
    """The RFC 8785 encoding of ``obj``, in UTF-8.

    Raises `EncodingError` if anything in it is not a str-keyed dict, list, tuple, str, int within
    ±(2^53 − 1), bool or None, if a string holds a lone surrogate, or if it nests too deeply.
    """
    _require_canonical(obj, depth=0)
    text = _ENCODER.encode(obj)
    # In ASCII without floats, sorted keys and no white space are RFC 8785; beyond it, keys sort by
    # UTF-16. The standard library's encoder is several times quicker.
    return text.encode("ascii") if text.isascii() else rfc8785.dumps(obj)


def parse_json_strict(data: bytes, *, max_bytes: int, what: str) -> Any:
    """The JSON value that ``data`` encodes (RFC 8259 within the limits of RFC 7493, no floats).

    ``max_bytes`` limits the size; ``what`` names the document in messages ("contract"). Raises
    `EncodingError` for: too many bytes, a byte order mark, invalid UTF-8, duplicate keys, lone
    surrogates, floats, NaN and Infinity, negative zero, integers beyond ±(2^53 − 1), nesting
    deeper than `MAX_NESTING`, anything after the value, and every other departure from the grammar
    (these last with line and column).
    """
    if len(data) > max_bytes:
        raise EncodingError(f"{what}: more than the {max_bytes} bytes allowed")
    if data.startswith(_BYTE_ORDER_MARK):
        raise EncodingError(f"{what}: starts with a byte order mark")
    if _nesting(data) > MAX_NESTING:
        raise EncodingError(f"{what}: {_TOO_DEEP}")
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        _require_no_fraction(value)
        _require_canonical(value, depth=0)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"invalid UTF-8 in line {line}"
    except json.JSONDecodeError as error:
        known = (text for text in _GRAMMAR_PROBLEMS if error.msg.startswith(text))
        problem = f"{next(known, 'malformed')} at line {error.lineno}, column {error.colno}"
    except EncodingError as error:
        problem = str(error)
    else:
        return value
    # Raised out here, the refusal has no context: a decoding error would carry the whole document.
    raise EncodingError(f"{what}: {problem}")


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


def _nesting(data: bytes) -> int:
    """How deep the brackets of a JSON text nest.

    Asked before the library reads it: that recurses, and a package that raises the interpreter's
    recursion limit (py_ecc does) turns its `RecursionError` into a crash.
    """
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _require_canonical(value: Any, depth: int) -> None:
    # Exact types on purpose: a bool is an int, an enum is a str, and neither may slip through.
    kind = type(value)
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise EncodingError(_TOO_LARGE)
    elif kind is str:
        if not value.isascii() and _SURROGATE.search(value):
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
        raise EncodingError(_TOO_DEEP)


# -- what the standard library's reader is told ------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise EncodingError("duplicate key")
    return members


def _integer(text: str) -> int:
    if text == "-0":
        raise EncodingError("negative zero")
    # Length first: converting a long run of digits costs quadratic time. The value is judged later.
    if len(text) > _MAX_INTEGER_DIGITS + 1:
        raise EncodingError(_TOO_LARGE)
    return int(text)


class _Fraction:
    """Stands for a number that is not an integer, until its place in the document is known."""


def _fraction(text: str) -> _Fraction:
    return _Fraction()


def _require_no_fraction(value: Any, place: tuple[str, ...] = ()) -> None:
    if isinstance(value, _Fraction):
        named = ".".join(name for name in place if is_field_name(name))
        where = f"{named}: " if named else ""
        raise EncodingError(f"{where}whole number expected, without fraction or exponent")
    if isinstance(value, dict):
        for key, member in value.items():
            _require_no_fraction(member, (*place, key))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            _require_no_fraction(member, (*place, str(number)))


def _refuse_constant(text: str) -> NoReturn:
    raise EncodingError("NaN and Infinity are no JSON values")


_ENCODER = json.JSONEncoder(
    ensure_ascii=False,
    check_circular=False,  # nesting is limited before
    allow_nan=False,
    sort_keys=True,
    separators=(",", ":"),
)
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_refuse_constant,
)
