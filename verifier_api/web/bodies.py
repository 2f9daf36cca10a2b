"""Reading bodies: size first, then form, then version, each with a problem of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from circuits.canonical import is_field_name, parse_json_strict
from circuits.document import StrictDocument, parse_document
from verifier_api.service.errors import ServiceError
from zk.errors import EncodingError, StatementError

JSON = "application/json"
NDJSON = "application/x-ndjson"
DISCARD_BYTES = 16 * 2**20
"""Of a body that is refused so much is read and thrown away, so that the sender sees the answer."""

LINES_IN_A_ROW = 500
"""After so many lines, which may be empty, other requests have their turn."""

IS_GONE = "clairobscur.is_gone"
"""Where the server puts into a request's scope who knows whether the client has left: what has
arrived until then would otherwise be read to its end for nobody."""

_UNKNOWN = "unknown field"  # is a place, but may have no name that can be told

_PLACE = re.compile(r"(?:^|; |: )([A-Za-z0-9_.]{1,100}): ", re.ASCII)

Model = TypeVar("Model", bound=StrictDocument)


def check_headers(request: Request, media_type: str, max_bytes: int | None) -> None:
    """Raise `ServiceError` for what the headers tell already."""
    length = request.headers.get("content-length", "")
    if max_bytes is not None and length.isdigit() and int(length[:20]) > max_bytes:
        raise _too_large(max_bytes)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise ServiceError("content_encoding_unsupported", "send the body as it is")
    given, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "").replace(" ", "")
    if given.strip().lower() != media_type or charset not in ("", "charset=utf-8"):
        raise ServiceError("media_type_unsupported", f"{media_type} in UTF-8 expected")


async def read_body(
    request: Request, max_bytes: int, seconds: float, media_type: str = JSON
) -> bytes:
    """The whole body.

    Raises `ServiceError`: "body_too_large", "media_type_unsupported",
    "content_encoding_unsupported", "body_timeout". What is refused is read on for a while and
    thrown away.
    """
    parts: list[bytes] = []
    size = 0
    is_whole = False
    refusal: ServiceError | None = None
    try:
        async with asyncio.timeout(seconds):
            try:
                check_headers(request, media_type, max_bytes)
                while not is_whole:
                    part, is_whole = await _next_part(request)
                    size += len(part)
                    if size > max_bytes:
                        raise _too_large(max_bytes)
                    parts.append(part)
            except ServiceError as error:
                refusal = error
                parts.clear()
                if not is_whole:
                    await _discard_body(request, size)
                raise
    except TimeoutError:
        raise refusal or ServiceError("body_timeout", f"within {seconds:g} s") from None
    return b"".join(parts)


async def _next_part(request: Request) -> tuple[bytes, bool]:
    """The next piece, and whether it is the last."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), not message.get("more_body", False)


async def _discard_body(request: Request, size: int) -> None:
    """Read on, up to `DISCARD_BYTES`, and keep nothing. A sender who asked first whether to send is
    not told to."""
    if request.headers.get("expect", "").lower() == "100-continue":
        return
    is_whole = False
    while size < DISCARD_BYTES and not is_whole:
        part, is_whole = await _next_part(request)
        size += len(part)


def decode_body(model: type[Model], data: bytes, max_bytes: int, what: str) -> Model:
    """The document; raises `ServiceError` as `refusal_of` says."""
    try:
        return parse_document(model, data, max_bytes=max_bytes, what=what)
    except (EncodingError, StatementError) as error:
        has_versions = "format_version" in model.model_fields
        raise refusal_of(error, data if has_versions else b"") from None


def refusal_of(error: EncodingError | StatementError, data: bytes = b"") -> ServiceError:
    """ "malformed" for what is no such JSON, "version_unsupported" for a document of another
    version, else "fields_invalid" with the places of the fields."""
    if isinstance(error, EncodingError):
        return ServiceError("malformed", str(error))
    if _is_other_version(data):
        return ServiceError(
            "version_unsupported",
            "format_version: this service knows 1",
            places=("format_version",),
        )
    _, _, problems = str(error).partition(": ")
    places = [place for place in _PLACE.findall(problems) if _is_place(place)]
    return ServiceError("fields_invalid", str(error), places=list(dict.fromkeys(places)))


def reference_refusal_of(error: EncodingError | StatementError, data: bytes = b"") -> ServiceError:
    """The same for reference data: what no single field is to blame for is "reference_invalid"."""
    refusal = refusal_of(error, data)
    is_contradiction = not refusal.places and _UNKNOWN not in refusal.detail
    if refusal.code == "fields_invalid" and is_contradiction:
        return ServiceError("reference_invalid", refusal.detail)
    return refusal


async def read_lines(
    request: Request, max_line: int, seconds: float
) -> AsyncIterator[tuple[bytes, bool]]:
    """The lines of a streamed body as they come, and whether each was longer than ``max_line``
    bytes (then cut off there). Raises `ServiceError` "body_timeout" if nothing comes for
    ``seconds``, `ClientDisconnect` soon after the client has left."""
    rest, is_cut = b"", False
    is_gone = request.scope.get(IS_GONE, lambda: False)
    stream = request.stream().__aiter__()
    while True:
        try:
            async with asyncio.timeout(seconds):
                part = await anext(stream)
        except StopAsyncIteration:
            break
        except TimeoutError:
            raise ServiceError("body_timeout", f"nothing came for {seconds:g} s") from None
        *lines, last = part.split(b"\n")
        for number, line in enumerate(lines, start=1):
            if number % LINES_IN_A_ROW == 0:
                await asyncio.sleep(0)
                if is_gone():
                    raise ClientDisconnect
            whole = rest + line
            yield whole[:max_line], is_cut or len(whole) > max_line
            rest, is_cut = b"", False
        if not is_cut:
            rest += last
        if len(rest) > max_line:
            rest, is_cut = rest[:max_line], True
    if rest:
        yield rest, is_cut


def _too_large(max_bytes: int) -> ServiceError:
    return ServiceError("body_too_large", f"at most {max_bytes} bytes")


def _is_other_version(data: bytes) -> bool:
    try:
        document = parse_json_strict(data, max_bytes=len(data), what="document")
    except EncodingError:
        return False
    version = document.get("format_version") if isinstance(document, dict) else None
    return type(version) is int and version != 1


def _is_place(text: str) -> bool:
    return all(is_field_name(part) for part in text.split("."))
