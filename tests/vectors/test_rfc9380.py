"""RFC 9380 vectors, appendices J.8.1 (the suite) and K.1, K.2 (expand_message_xmd, SHA-256)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from zk.errors import EncodingError
from zk.hash_to_curve import (
    SUITE_ID,
    P,
    Z,
    add_points,
    expand_message_xmd,
    hash_to_curve,
    hash_to_field,
    map_to_curve,
)

DATA = Path(__file__).parent / "data"
SUITE: dict[str, Any] = json.loads(
    (DATA / "rfc9380_secp256k1_XMD_SHA-256_SSWU_RO.json").read_text("utf-8")
)
SHORT_TAG: dict[str, Any] = json.loads(
    (DATA / "rfc9380_expand_message_xmd_SHA256_38.json").read_text("utf-8")
)
LONG_TAG: dict[str, Any] = json.loads(
    (DATA / "rfc9380_expand_message_xmd_SHA256_256.json").read_text("utf-8")
)


def name_of(vector: dict[str, Any]) -> str:
    return f"{vector['msg'][:16] or 'empty'}-{vector.get('len_in_bytes', 'point')}"


def point_of(coordinates: dict[str, str]) -> tuple[int, int]:
    return int(coordinates["x"], 16), int(coordinates["y"], 16)


def test_files_are_the_ones_meant() -> None:
    assert SUITE["ciphersuite"] == SUITE_ID
    assert int(SUITE["field"]["p"], 16) == P
    assert int(SUITE["Z"], 16) == Z
    assert len(SUITE["vectors"]) == 5
    assert len(SHORT_TAG["tests"]) == len(LONG_TAG["tests"]) == 10


@pytest.mark.parametrize("vector", SUITE["vectors"], ids=name_of)
def test_suite_vector(vector: dict[str, Any]) -> None:
    message, dst = vector["msg"].encode(), SUITE["dst"].encode()

    u = hash_to_field(message, dst, 2)
    assert u == [int(text, 16) for text in vector["u"]]

    q0, q1 = map_to_curve(u[0]), map_to_curve(u[1])
    assert q0 == point_of(vector["Q0"])
    assert q1 == point_of(vector["Q1"])
    assert add_points(q0, q1) == point_of(vector["P"])
    assert hash_to_curve(message, dst) == point_of(vector["P"])


@pytest.mark.parametrize("vector", SHORT_TAG["tests"], ids=name_of)
def test_expand_message_vector(vector: dict[str, Any]) -> None:
    length = int(vector["len_in_bytes"], 16)
    expanded = expand_message_xmd(vector["msg"].encode(), SHORT_TAG["DST"].encode(), length)
    assert expanded.hex() == vector["uniform_bytes"]


@pytest.mark.parametrize("vector", LONG_TAG["tests"], ids=name_of)
def test_expand_message_vector_with_a_tag_too_long(vector: dict[str, Any]) -> None:
    """We refuse such a tag; under the hash that section 5.3.3 puts in its place we agree."""
    message, dst = vector["msg"].encode(), LONG_TAG["DST"].encode()
    length = int(vector["len_in_bytes"], 16)
    with pytest.raises(EncodingError, match="domain tag has 256 bytes"):
        expand_message_xmd(message, dst, length)

    replacement = hashlib.sha256(b"H2C-OVERSIZE-DST-" + dst).digest()
    assert vector["DST_prime"] == replacement.hex() + "20"
    assert expand_message_xmd(message, replacement, length).hex() == vector["uniform_bytes"]
