"""Reading bodies: size first, then form, then version, each with a problem of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import TypeVar

from starlette.requests import Request

from circuits.canonical import is_field_name, parse_json_strict
from circuits.document import StrictDocument, parse_document
from verifier_api.service.errors import ServiceError
from zk.errors import EncodingError, StatementError

JSON = "application/json"
NDJSON = "application/x-ndjson"
DISCARD_BYTES = 16 * 2**20
"""Of a body that is refused so much is read and thrown away, so that the sender sees the answer."""

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
    try:
        async with asyncio.timeout(seconds):
            try:
                check_headers(request, media_type, max_bytes)
                async for part in request.stream():
                    size += len(part)
                    if size > max_bytes:
                        parts.clear()
                        raise _too_large(max_bytes)
                    parts.append(part)
            except ServiceError:
                await discard_body(request, size)
                raise
    except TimeoutError:
        if size > max_bytes:
            raise _too_large(max_bytes) from None
        raise ServiceError("body_timeout", f"within {seconds:g} s") from None
    return b"".join(parts)


async def discard_body(request: Request, size: int = 0) -> None:
    """Read on, up to `DISCARD_BYTES`, and keep nothing. A sender who asked first whether to send is
    not told to."""
    if request.headers.get("expect", "").lower() == "100-continue":
        return
    while size < DISCARD_BYTES:
        message = await request.receive()
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


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
    if refusal.code == "fields_invalid" and not refusal.places:
        return ServiceError("reference_invalid", refusal.detail)
    return refusal


async def read_lines(
    request: Request, max_line: int, seconds: float
) -> AsyncIterator[tuple[bytes, bool]]:
    """The lines of a streamed body as they come, and whether each was longer than ``max_line``
    bytes (then cut off there). Raises `ServiceError` "body_timeout" if nothing comes for
    ``seconds``."""
    rest, is_cut = b"", False
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
        for line in lines:
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
