"""What all routes share: who asks, how answers and their errors are described."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Request
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter
from starlette.responses import Response

from circuits.claim import Instant
from circuits.document import IsoDate
from verifier_api.service.access import Principal, Scope
from verifier_api.service.errors import ServiceError
from verifier_api.service.service import VerifierService
from verifier_api.settings import Settings
from verifier_api.web import examples
from verifier_api.web.bodies import JSON, refusal_of
from verifier_api.web.edge import context_of
from verifier_api.web.limits import TokenLimits
from verifier_api.web.metrics import Metrics
from verifier_api.web.problems import MEDIA_TYPE, PROBLEMS
from zk.errors import EncodingError, StatementError

BEARER = "bearer"

OF_WHAT_IS_THERE = frozenset(
    ("state_conflict", "notice_refused", "attestation_refused", "audit_refused")
)
"""Codes of refusals that say of something recorded what cannot be done with it."""

BATCH_SHARE = 4
"""What part of the queue the lines of batches may take: one in so many."""


class Parts:
    """What the application is made of; routes find it on the request."""

    def __init__(
        self, service: VerifierService, settings: Settings, limits: TokenLimits, metrics: Metrics
    ) -> None:
        self.service = service
        self.settings = settings
        self.limits = limits
        self.metrics = metrics
        # Lines of all batches together: a batch is one request of its token, but could fill the
        # queue with its lines and keep everybody else's claims out.
        self.batch_turns = asyncio.Semaphore(max(1, settings.queue_limit // BATCH_SHARE))


async def parts_here(request: Request) -> Parts:
    """`parts_of` as a dependency; not awaiting, but a plain function would be given a thread."""
    return parts_of(request)


def parts_of(request: Request) -> Parts:
    """The application's parts."""
    parts: Parts = request.app.state.parts
    return parts


async def identify(request: Request, *scopes: Scope) -> Principal:
    """Who asks, if his token has one of ``scopes``.

    Raises `ServiceError`: "token_missing", "token_invalid", "forbidden".
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != BEARER or not token.strip():
        raise ServiceError("token_missing", "Authorization: Bearer …")
    principal = await parts_of(request).service.principal(token.strip())
    context_of(request).facts["token_id"] = principal.token_id
    if principal.scope not in scopes:
        raise ServiceError("forbidden", f"this needs a token of scope {' or '.join(scopes)}")
    return principal


def allow(*scopes: Scope) -> Any:
    """A dependency: the principal, within the limits of his token while the request lasts."""

    async def dependency(request: Request) -> AsyncIterator[Principal]:
        principal = await identify(request, *scopes)
        with parts_of(request).limits.use(principal.token_id):
            yield principal

    return Depends(dependency)


@contextmanager
def about(request: Request, **names: str) -> Iterator[None]:
    """Log what the request is about, by names in its path, once that turns out to be there: what
    somebody types into a path by mistake may be anything, such as a code."""
    try:
        yield
    except ServiceError as error:
        if error.code in OF_WHAT_IS_THERE:
            context_of(request).facts |= names
        raise
    context_of(request).facts |= names


_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def _checked_instant(text: str) -> str:
    _INSTANT.validate_python(text)
    return text


ANYBODY: tuple[Scope, ...] = ("optician", "reader", "auditor", "admin")
INSURER: tuple[Scope, ...] = ("reader", "auditor", "admin")

Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Day: TypeAlias = Annotated[IsoDate, Field(examples=[examples.DAY])]
InstantText: TypeAlias = Annotated[
    str,
    AfterValidator(_checked_instant),
    Field(examples=[examples.INSTANT], json_schema_extra={"format": "date-time"}),
]
"""An instant as documents write it, kept as text: so written, texts sort as time does."""

PartsHere: TypeAlias = Annotated[Parts, Depends(parts_here)]


def json_response(document: Any) -> Response:
    """JSON, whether a text that is it already or data to be made into it."""
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    return Response(text, media_type="application/json")


async def answer_of(taken: Awaitable[str], data: bytes) -> Response:
    """What comes of the document in the body ``data``. Raises `ServiceError` as `refusal_of` says
    for a body that is none."""
    try:
        return json_response(await taken)
    except (EncodingError, StatementError) as error:
        raise refusal_of(error, data) from None


_EVERYWHERE = ("internal",)
_WITH_TOKEN = (
    "token_missing",
    "token_invalid",
    "forbidden",
    "too_many_requests",
    "too_many_at_once",
    "storage_unavailable",
)
_WITH_BODY = (
    "malformed",
    "fields_invalid",
    "body_too_large",
    "media_type_unsupported",
    "content_encoding_unsupported",
    "body_timeout",
)


def answers(
    model: type[BaseModel] | None,
    *codes: str,
    has_body: bool = False,
    has_token: bool = True,
    description: str = "Done",
    media_type: str | None = None,
) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route: its answer, and every problem that it can end in."""
    listed = [
        *codes,
        *_EVERYWHERE,
        *(_WITH_TOKEN if has_token else ()),
        *(_WITH_BODY if has_body else ()),
    ]
    success: dict[str, Any] = {"description": description}
    if model is not None:
        success["model"] = model
    if media_type is not None:
        success["content"] = {media_type: {"schema": {"type": _type_of(media_type)}}}
    described: dict[int | str, dict[str, Any]] = {200: success}
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(listed):
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    for status, names in sorted(by_status.items()):
        text = "; ".join(f"`{name}`: {PROBLEMS[name].english}" for name in names)
        entry: dict[str, Any] = {
            "description": text,
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {name: {"value": _example(name)} for name in names},
                }
            },
        }
        if status in (429, 503):
            entry["headers"] = {
                "Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}
            }
        described[status] = entry
    return described


def _example(code: str) -> dict[str, Any]:
    kind = PROBLEMS[code]
    return {
        "type": f"urn:clairobscur:problem:{code}",
        "code": code,
        "title": kind.english,
        "titles": {"en": kind.english, "fr": kind.french},
        "status": kind.status,
        "detail": "",
        "places": [],
        "instance": "urn:clairobscur:request:5f0c2b7e9a1d4c38",
    }


def _type_of(media_type: str) -> str:
    return "object" if media_type == JSON else "string"


def body_of(
    model: type[BaseModel] | None,
    media_type: str = JSON,
    example: Any = None,
    other: tuple[type[BaseModel], Any] | None = None,
) -> dict[str, Any]:
    """``openapi_extra`` of a route that reads its body by itself; ``other`` is a second model that
    it takes, with an example."""
    schema: dict[str, Any] = {"type": _type_of(media_type)}
    if model is not None:
        schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["examples"] = {"sample": {"value": example}}
    if other is not None:
        second, its_example = other
        choices = [schema, {"$ref": f"#/components/schemas/{second.__name__}"}]
        content["schema"] = {"anyOf": choices}
        content["examples"]["other"] = {"value": its_example}
    return {"requestBody": {"required": True, "content": {media_type: content}}}


def add_schemas(document: dict[str, Any], models: tuple[type[BaseModel], ...]) -> None:
    """Put the models that only `body_of` and `answers` name into an OpenAPI document."""
    components = document.setdefault("components", {}).setdefault("schemas", {})
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        components.update(schema.pop("$defs", {}))
        components[model.__name__] = schema
