"""The quick canonical encoder agrees with the library for RFC 8785, and the quick way of reading a
canonical document with the slow one."""

from __future__ import annotations

import json

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from circuits.canonical import MAX_INTEGER, canonical_bytes, parse_json_strict

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ASCII_TEXTS = st.text(st.characters(max_codepoint=127))
INTEGERS = st.integers(-MAX_INTEGER, MAX_INTEGER)


def documents(texts: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    """Documents of our JSON model, nested a little."""
    leaves = st.none() | st.booleans() | INTEGERS | texts
    return st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=12
    )


@given(documents(ASCII_TEXTS) | documents(TEXTS))
def test_canonical_bytes_are_those_of_the_library(document: object) -> None:
    assert canonical_bytes(document) == rfc8785.dumps(document)  # type: ignore[arg-type]


@given(documents(ASCII_TEXTS) | documents(TEXTS))
def test_what_is_encoded_reads_as_it_was(document: object) -> None:
    data = canonical_bytes(document)
    assert parse_json_strict(data, max_bytes=len(data), what="document") == document
    assert json.loads(data) == document
