"""Bodies: what is asked in which order, and what a refusal names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from pydantic import Field
from starlette.requests import ClientDisconnect, Request

from circuits.document import Identifier, StrictDocument
from verifier_api.service.errors import ServiceError
from verifier_api.web import bodies
from verifier_api.web.bodies import (
    IS_GONE,
    NDJSON,
    check_headers,
    decode_body,
    read_body,
    read_lines,
    reference_refusal_of,
    refusal_of,
)
from zk.errors import EncodingError, StatementError

JSON_TYPE = {"content-type": "application/json"}
LIMIT = 100


def request_of(
    pieces: Iterable[bytes | float | None] = (), headers: dict[str, str] | None = None, **more: Any
) -> Request:
    """A request whose body comes in these pieces; a number is a pause, None the client leaving.

    After the last piece nothing more comes, ever.
    """
    given = JSON_TYPE if headers is None else headers
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        while left:
            piece = left.pop(0)
            if piece is None:
                return {"type": "http.disconnect"}
            if isinstance(piece, bytes):
                return {"type": "http.request", "body": piece, "more_body": bool(left)}
            await asyncio.sleep(piece)
        await asyncio.sleep(3600)
        raise AssertionError

    fields = [(name.encode(), value.encode("latin-1")) for name, value in given.items()]
    return Request({"type": "http", "method": "POST", "headers": fields, **more}, receive)


def read(request: Request, max_bytes: int = LIMIT, seconds: float = 5) -> bytes:
    return asyncio.run(asyncio.wait_for(read_body(request, max_bytes, seconds), 10))


def code_of(request: Request, max_bytes: int = LIMIT, seconds: float = 5) -> str:
    with pytest.raises(ServiceError) as caught:
        read(request, max_bytes, seconds)
    return caught.value.code


# -- whole bodies -------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [[b""], [b"a" * LIMIT], [b"ab", b"", b"c"], [b"a"] * LIMIT])
def test_a_body_is_read_whole(pieces: list[bytes]) -> None:
    assert read(request_of(pieces)) == b"".join(pieces)


@pytest.mark.parametrize("pieces", [[b"a" * (LIMIT + 1)], [b"a"] * (LIMIT + 1)])
def test_a_byte_too_many_is_too_large_and_is_told_at_once(pieces: list[bytes]) -> None:
    assert code_of(request_of(pieces)) == "body_too_large"


def test_what_is_refused_is_read_on_so_that_the_sender_sees_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "DISCARD_BYTES", 10 * LIMIT)
    taken = 0

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield b"a" * LIMIT

    lazily = pieces()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(lazily), "more_body": True}

    scope = {"type": "http", "headers": [(b"content-type", b"application/json")]}
    with pytest.raises(ServiceError):
        asyncio.run(read_body(Request(scope, receive), LIMIT, 5))
    assert taken == 10


def test_whoever_asked_first_is_not_told_to_send() -> None:
    headers = JSON_TYPE | {"content-length": str(LIMIT + 1), "expect": "100-continue"}
    assert code_of(request_of([], headers)) == "body_too_large"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (JSON_TYPE | {"content-length": str(LIMIT + 1)}, "body_too_large"),
        (JSON_TYPE | {"content-length": "9" * 400}, "body_too_large"),
        ({"content-length": str(LIMIT + 1), "content-encoding": "gzip"}, "body_too_large"),
        (JSON_TYPE | {"content-encoding": "gzip"}, "content_encoding_unsupported"),
        ({"content-encoding": "br"}, "content_encoding_unsupported"),
        ({}, "media_type_unsupported"),
        ({"content-type": "text/plain"}, "media_type_unsupported"),
        ({"content-type": "application/json; charset=latin-1"}, "media_type_unsupported"),
        ({"content-type": "application/json; x=y; charset=utf-8"}, "media_type_unsupported"),
    ],
)
def test_headers_are_asked_in_order_size_encoding_type(headers: dict[str, str], code: str) -> None:
    assert code_of(request_of([b"{}"], headers)) == code


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json"},
        {"content-type": "Application/JSON ; charset=UTF-8"},
        {"content-type": 'application/json;charset="utf-8"'},
        JSON_TYPE | {"content-encoding": "identity"},
        JSON_TYPE | {"content-length": str(LIMIT)},
        JSON_TYPE | {"content-length": "nonsense"},
    ],
)
def test_headers_that_are_accepted(headers: dict[str, str]) -> None:
    assert read(request_of([b"{}"], headers)) == b"{}"


def test_without_a_limit_no_length_is_too_large() -> None:
    headers = {"content-type": NDJSON, "content-length": "9" * 30}
    check_headers(request_of([], headers), NDJSON, None)


def test_a_body_that_does_not_come_in_time() -> None:
    assert code_of(request_of([b"a"] + [0.02, b"b"] * 50), seconds=0.1) == "body_timeout"
    assert code_of(request_of([]), seconds=0.05) == "body_timeout"


def test_a_refusal_stands_even_if_the_rest_does_not_come() -> None:
    assert code_of(request_of([], {}), seconds=0.05) == "media_type_unsupported"
    pieces: list[bytes | float | None] = [b"a" * (LIMIT + 1), 3600.0, b""]
    assert code_of(request_of(pieces), seconds=0.05) == "body_too_large"


@pytest.mark.parametrize("pieces", [[None], [b"a", None], [b"a" * (LIMIT + 1), None]])
def test_a_client_that_leaves(pieces: list[bytes | None]) -> None:
    with pytest.raises(ClientDisconnect):
        read(request_of(pieces))


# -- what a refusal says ------------------------------------------------------------------------


class Inner(StrictDocument):
    """Something within."""

    name: Identifier


class Versioned(StrictDocument):
    """A document with versions."""

    format_version: int = Field(ge=1, le=1)
    entries: tuple[Inner, ...] = ()


class Plain(StrictDocument):
    """One without."""

    inner: Inner


def refused(model: type[StrictDocument], data: bytes) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        decode_body(model, data, LIMIT, "thing")
    return caught.value


def test_a_good_document() -> None:
    data = b'{"format_version":1,"entries":[{"name":"x"}]}'
    assert decode_body(Versioned, data, LIMIT, "thing").entries[0].name == "x"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"format_version":1.0}', b"\xff"])
def test_what_is_no_document_is_malformed(data: bytes) -> None:
    error = refused(Versioned, data)
    assert (error.code, error.places) == ("malformed", ())


@pytest.mark.parametrize("version", [0, 2, -1, 2**53 - 1])
def test_another_version_is_told_before_the_fields(version: int) -> None:
    error = refused(Versioned, b'{"format_version":%d,"entries":7,"new":1}' % version)
    assert (error.code, error.places) == ("version_unsupported", ("format_version",))


def test_only_documents_with_versions_have_another_one() -> None:
    error = refused(Plain, b'{"format_version":2,"inner":{"name":"x"}}')
    assert (error.code, error.places) == ("fields_invalid", ("format_version",))


@pytest.mark.parametrize("version", [b'"2"', b"true", b"null"])
def test_a_version_of_another_type_is_an_invalid_field(version: bytes) -> None:
    error = refused(Versioned, b'{"format_version":' + version + b"}")
    assert (error.code, error.places) == ("fields_invalid", ("format_version",))


@pytest.mark.parametrize(
    ("data", "places"),
    [
        (b'{"format_version":1,"entries":[{"name":"x"},{"name":""}]}', ("entries.1.name",)),
        (b'{"format_version":1,"entries":[{"name":1,"x":2}]}', ("entries.0.name", "entries.0.x")),
        (b'{"format_version":1,"entries":"a: b: c: "}', ("entries",)),
        (b'{"format_version":1,"entries":[],"2221234: secret: x":1}', ()),
        (b'{"format_version":1,"A2221234":1}', ()),
        (b"{}", ("format_version",)),
    ],
)
def test_places_are_fields_and_nothing_of_the_sender(data: bytes, places: tuple[str, ...]) -> None:
    error = refused(Versioned, data)
    assert (error.code, error.places) == ("fields_invalid", places)
    assert "2221234" not in error.detail
    assert "secret" not in error.detail


def test_reference_data_that_contradicts_itself_is_told_apart() -> None:
    contradiction = reference_refusal_of(StatementError("contract: valid_to is before valid_from"))
    assert (contradiction.code, contradiction.places) == ("reference_invalid", ())
    field = reference_refusal_of(StatementError("contract: note: too long"))
    assert (field.code, field.places) == ("fields_invalid", ("note",))
    unknown = reference_refusal_of(StatementError("contract: unknown field"))
    assert unknown.code == "fields_invalid"
    malformed = reference_refusal_of(EncodingError("contract: nested deeper than 32"))
    assert malformed.code == "malformed"
    assert refusal_of(StatementError("contract: x")).code == "fields_invalid"


# -- lines --------------------------------------------------------------------------------------


def lines_of(
    pieces: Iterable[bytes | float | None], seconds: float = 5, *, is_gone: bool = False
) -> list[tuple[bytes, bool]]:
    async def collect() -> list[tuple[bytes, bool]]:
        request = request_of(pieces, None, **{IS_GONE: lambda: is_gone})
        return [entry async for entry in read_lines(request, 10, seconds)]

    return asyncio.run(collect())


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b""], []),
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a\nb"], [b"a", b"b"]),
        ([b"a", b"b\n", b"", b"\n", b"c"], [b"ab", b"", b"c"]),
        ([b"\n\n"], [b"", b""]),
        ([b"a\r\n"], [b"a\r"]),
        ([b"0123456789\n"], [b"0123456789"]),
    ],
)
def test_lines_come_as_they_are(pieces: list[bytes], lines: list[bytes]) -> None:
    assert lines_of(pieces) == [(line, False) for line in lines]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"0123456789x\nb"],
        [b"0123456789", b"x\nb"],
        [b"0123456789x", b"y\nb"],
        [b"0123456789", *[b"x"] * 1000, b"\nb"],
    ],
)
def test_a_line_that_is_too_long_is_cut_and_the_next_is_not(pieces: list[bytes]) -> None:
    assert lines_of(pieces) == [(b"0123456789", True), (b"b", False)]


def test_each_piece_may_take_its_time() -> None:
    pieces: list[bytes | float | None] = [b"a\n", 0.03, b"b\n", 0.03, b"c\n", 0.03, b""]
    assert len(lines_of(pieces, seconds=0.5)) == 3
    with pytest.raises(ServiceError) as caught:
        lines_of([b"a\n", 3600.0, b"b"], seconds=0.05)
    assert caught.value.code == "body_timeout"


def test_lines_of_a_client_that_has_left_are_read_no_further() -> None:
    with pytest.raises(ClientDisconnect):
        lines_of([b"a\n", None])
    many = b"\n" * 10 * bodies.LINES_IN_A_ROW
    assert len(lines_of([many])) == len(many)
    with pytest.raises(ClientDisconnect):
        lines_of([many], is_gone=True)
