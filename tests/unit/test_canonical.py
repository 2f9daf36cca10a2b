"""Canonical JSON, strict JSON, tagged digests and base64url."""

from __future__ import annotations

import enum
import hashlib
import json
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.canonical import (
    MAX_INTEGER,
    MAX_NESTING,
    canonical_bytes,
    decode_base64url,
    encode_base64url,
    parse_json_strict,
    tagged_digest,
)
from zk.errors import EncodingError

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


def parse(text: str | bytes) -> Any:
    data = text.encode() if isinstance(text, str) else text
    return parse_json_strict(data, max_bytes=10_000, what="sample")


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def nested_objects(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@given(_JSON)
def test_canonical_form_parses_back_to_the_same_value(value: Any) -> None:
    assert parse_json_strict(canonical_bytes(value), max_bytes=10**7, what="sample") == value


@given(_JSON)
def test_parser_agrees_with_the_standard_library(value: Any) -> None:
    text = json.dumps(value, indent=1)
    assert parse_json_strict(text.encode(), max_bytes=10**7, what="sample") == json.loads(text)


@given(st.text(alphabet='{}[]:,"\\u0019eE+-.truefalsn dD8\n\x00é', max_size=40))
def test_whatever_is_accepted_the_standard_library_reads_alike(text: str) -> None:
    try:
        value = parse(text)
    except EncodingError:
        return
    assert json.loads(text) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_accepted_or_refused_with_one_error(data: bytes) -> None:
    try:
        value = parse(data)
    except EncodingError:
        return
    assert json.loads(data) == value


def test_canonical_form_sorts_keys_by_utf16_and_writes_no_space() -> None:
    # U+FB33 comes before U+1F600 as a code point and after it in UTF-16 (RFC 8785, section 3.2.3).
    value = {"\ufb33": 1, "\U0001f600": 2, "b": [True, None], "a": "é\n"}
    expected = '{"a":"é\\n","b":[true,null],"\U0001f600":2,"\ufb33":1}'
    assert canonical_bytes(value) == expected.encode()


def test_canonical_form_takes_tuples_for_lists() -> None:
    assert canonical_bytes((1, (2,))) == canonical_bytes([1, [2]]) == b"[1,[2]]"


class _Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        MAX_INTEGER + 1,
        -MAX_INTEGER - 1,
        "\ud800",
        {"\udfff": 1},
        {1: "a"},
        b"bytes",
        {"a": {1, 2}},
        _Colour.RED,
        nested(33),
        nested_objects(33),
        [nested_objects(32)],
    ],
)
def test_canonical_form_refuses_what_the_model_lacks(value: Any) -> None:
    with pytest.raises(EncodingError):
        canonical_bytes(value)


def test_extremes_of_the_model_pass_both_ways() -> None:
    for value in (MAX_INTEGER, -MAX_INTEGER, nested(32), nested_objects(32), "", {}, {"": ""}):
        assert parse(canonical_bytes(value)) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a":1,"a":1}', "duplicate key"),
        ('{"a":1,\n "\\u0061":2}', "duplicate key"),
        ('{"x":[{"b":1,"b":2}]}', "duplicate key"),
        ("[NaN]", "NaN and Infinity are no JSON values"),
        ("[Infinity]", "NaN and Infinity are no JSON values"),
        ("-Infinity", "NaN and Infinity are no JSON values"),
        ("[1.0]", "without fraction or exponent"),
        ("[-0.0]", "without fraction or exponent"),
        ("[1e3]", "without fraction or exponent"),
        ("[1E+3]", "without fraction or exponent"),
        ("1e99999", "without fraction or exponent"),
        ("-0", "negative zero"),
        ('{"a":-0}', "negative zero"),
        ("01", "Extra data at line 1, column 2"),
        ("1.", "Extra data at line 1, column 2"),
        ("[01]", "delimiter at line 1, column 3"),
        ("-", "Expecting value at line 1, column 1"),
        ("+1", "Expecting value at line 1, column 1"),
        ("\uff11", "Expecting value at line 1, column 1"),  # a fullwidth digit
        ("1\u0661", "Extra data at line 1, column 2"),  # an Arabic digit
        ("9007199254740992", "integer beyond"),
        ("-9007199254740992", "integer beyond"),
        ("99999999999999999", "integer beyond"),
        ("9" * 5000, "integer beyond"),
        ("[-" + "9" * 5000 + "]", "integer beyond"),
        ('"\\ud800"', "lone surrogate"),
        ('"\\udc00\\ud800"', "lone surrogate"),
        ('{"\\uDFFF":1}', "lone surrogate"),
        ('"a\nb"', "control character at line 1, column 3"),
        ('"\x00"', "control character at line 1, column 2"),
        ('"\\x41"', "Invalid \\escape at line 1, column 2"),
        ('"\\u12g4"', "Invalid \\uXXXX escape"),
        ('"open', "Unterminated string at line 1, column 1"),
        ('{"a":"b}', "Unterminated string at line 1, column 6"),
        ("[1,]", "at line 1, column"),  # Python 3.13 calls it by its name
        ('{"a":1,}', "at line 1, column"),
        ("{a:1}", "Expecting property name at line 1, column 2"),
        ("{'a':1}", "Expecting property name at line 1, column 2"),
        ('{"a" 1}', "':' delimiter at line 1, column 6"),
        ('{"a":1 "b":2}', "',' delimiter at line 1, column 8"),
        ('{"a":1\n"b":2}', "',' delimiter at line 2, column 1"),
        ("[1 2]", "',' delimiter at line 1, column 4"),
        ("[1", "',' delimiter at line 1, column 3"),
        ("[tru]", "Expecting value at line 1, column 2"),
        ("[1] // comment", "Extra data at line 1, column 5"),
        ("1 2", "Extra data at line 1, column 3"),
        ("{}\n\nx", "Extra data at line 3, column 1"),
        ("", "Expecting value at line 1, column 1"),
        ("   ", "Expecting value at line 1, column 4"),
        ("\x0c1", "Expecting value at line 1, column 1"),
        ("[1]\u00a0", "Extra data at line 1, column 4"),
        ("[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1), f"nested deeper than {MAX_NESTING}"),
        (
            '{"a":' * (MAX_NESTING + 1) + "1" + "}" * (MAX_NESTING + 1),
            f"nested deeper than {MAX_NESTING}",
        ),
        ("[" * 9000, f"nested deeper than {MAX_NESTING}"),
        ('{"":' * 2000, f"nested deeper than {MAX_NESTING}"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{\n"\xff":1}', "invalid UTF-8 in line 2"),
        (b'"\xed\xa0\x80"', "invalid UTF-8"),
        (b'"\xc0\xa2"', "invalid UTF-8"),
        ("{}".encode("utf-16"), "invalid UTF-8"),
        ("{}".encode("utf-16-le"), "Expecting property name"),
    ],
)
def test_strict_parser_says_what_and_where(text: str | bytes, problem: str) -> None:
    with pytest.raises(EncodingError) as refusal:
        parse(text)
    assert problem in str(refusal.value)
    assert str(refusal.value).startswith("sample: ")


def test_every_departure_from_the_grammar_has_a_name_of_its_own() -> None:
    # Should the library word its complaints anew, messages become poorer and this test red.
    for text in ("[1,]", '{"a":1,}', "[", '{"a"}', '"\\q"', '"\\uq"', '"', '"\x1f"', "1 1", "{1"):
        with pytest.raises(EncodingError) as refusal:
            parse(text)
        assert "malformed" not in str(refusal.value)


def test_a_huge_document_of_brackets_is_refused_without_a_crash() -> None:
    for text in (b"[" * 10**6, b"[[" + b"[]," * 10**5, b'{"a":' * 10**5):
        with pytest.raises(EncodingError, match="sample: "):
            parse_json_strict(text, max_bytes=10**7, what="sample")


def test_deep_nesting_is_refused_whatever_the_recursion_limit() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)  # a library does this; the reader would overflow the C stack
    try:
        for text in (b"[" * 10**6, b'{"a":' * 10**6, b'"\\""' + b"[" * 10**6):
            with pytest.raises(EncodingError, match="nested deeper than 32"):
                parse_json_strict(text, max_bytes=10**7, what="sample")
    finally:
        sys.setrecursionlimit(limit)


def test_a_fraction_is_named_by_its_place() -> None:
    text = b'{"right_lens":{"price_cents":[1,{"a":123.45}]}}'
    with pytest.raises(EncodingError, match=r"^sample: right_lens\.price_cents\.1\.a: "):
        parse_json_strict(text, max_bytes=1000, what="sample")


@pytest.mark.parametrize("part", [b'\\"', b"\\", b'"', b"[", b'"\\'])
def test_the_time_to_refuse_grows_with_the_size_only(part: bytes) -> None:
    # Quadratic work would take minutes for a megabyte: see the string pattern.
    text = (b'"' + part * 2**20)[: 2**20]
    start = time.perf_counter()
    with pytest.raises(EncodingError):
        parse_json_strict(text, max_bytes=2**21, what="sample")
    assert time.perf_counter() - start < 20


def test_brackets_in_strings_do_not_nest() -> None:
    text = b'["' + b"[" * 100 + b'\\"[[", "\\\\"]'
    assert parse_json_strict(text, max_bytes=1000, what="sample") == ["[" * 100 + '"[[', "\\"]


def test_size_limit_is_inclusive() -> None:
    assert parse_json_strict(b"[1]", max_bytes=3, what="sample") == [1]
    with pytest.raises(EncodingError, match="more than the 3 bytes allowed"):
        parse_json_strict(b"[1] ", max_bytes=3, what="sample")


@pytest.mark.parametrize(
    "text",
    [
        '{"hunter2":7654321,"hunter2":7654321}',
        '["hunter2" 7654321]',
        '{"7654321":7654321.5}',
        '{"hunter2":hunter2}',
        '"hunter2\\ud800"',
        '{"hunter2":"hunter2\n"}',
        "7654321 hunter2",
        '"hunter2',
        '"\\h unter2"',
        '{"hunter2":-0,"7654321":"7654321"}',
        "[" + "7654321" * 9 + "]",
        b'"hunter2 \xff"',
    ],
)
def test_no_message_repeats_content(text: str | bytes) -> None:
    with pytest.raises(EncodingError) as refusal:
        parse(text)
    assert "hunter2" not in str(refusal.value)
    assert "7654321" not in str(refusal.value)
    # A decoding error carries the whole document, and some loggers print what they can reach.
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None


def test_surrogate_pairs_are_one_character() -> None:
    assert parse('"\\ud83d\\ude00"') == "\U0001f600"


def test_tagged_digest_frames_the_tag() -> None:
    expected = hashlib.sha256(b"\x00\x00\x00\x03tagpayload").digest()
    assert tagged_digest(b"tag", b"payload") == expected
    assert tagged_digest(b"tagp", b"ayload") != expected


@given(st.binary(max_size=100))
def test_base64url_round_trip(data: bytes) -> None:
    text = encode_base64url(data)
    assert "=" not in text
    assert decode_base64url(text) == data


def test_base64url_uses_the_url_alphabet() -> None:
    assert encode_base64url(b"\xfb\xff\xfe") == "-__-"


@pytest.mark.parametrize(
    "text", ["QQ==", "QR", "QUJ", "A", "Q Q", "QUI\n", "+_", "-/", "é", "QQ=", "QUI="]
)
def test_base64url_refuses_every_other_spelling(text: str) -> None:
    with pytest.raises(EncodingError, match="base64url"):
        decode_base64url(text)


def test_base64url_refusals_do_not_repeat_the_text() -> None:
    for text in ("hunter2=", "hunter2hunter", "hunter9"):
        with pytest.raises(EncodingError) as refusal:
            decode_base64url(text)
        assert "hunter" not in str(refusal.value)
        assert refusal.value.__cause__ is None
    with pytest.raises(EncodingError, match="impossible length 5"):
        decode_base64url("AAAAA")
