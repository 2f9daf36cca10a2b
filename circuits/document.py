"""Documents from outside: strict JSON, one model each, and messages in the reader's terms.

A document takes nothing but the fields it names, in the very types it names. Whatever is wrong with
one raises an `EncodingError` (no such JSON) or a `StatementError` (JSON that is no such document),
which names fields and never repeats a value: what a user mistypes may be a code.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function

from circuits.canonical import (
    canonical_bytes,
    decode_base64url,
    is_field_name,
    parse_json_strict,
)
from circuits.nomenclature import CLASS_PATTERN
from zk.errors import EncodingError, StatementError

MAX_PRICE_CENTS = 10_000_000
"""Upper limit of every price, cap, ceiling and amount: 100,000 €."""

MAX_CANONICAL_COMMAS = 512
"""More than a document of the canonical form has, unless it is made of several and says so. What
has more is not read: a list of thousands of faults in a small body would take a hundred times as
long as a good document."""

_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class StrictDocument(BaseModel):
    """A document that takes nothing but what it names, in the very types it names."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class SecretDocument(StrictDocument):
    """A document whose repr and str name its type and nothing in it."""

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Nothing to show."""
        return []


Model = TypeVar("Model", bound=StrictDocument)


def parse_document(
    model: type[Model],
    data: bytes,
    *,
    max_bytes: int,
    what: str,
    is_canonical: bool = False,
    max_commas: int = MAX_CANONICAL_COMMAS,
) -> Model:
    """The document of type ``model`` that ``data`` holds; ``what`` names it in messages.

    ``is_canonical`` demands the one RFC 8785 form, with ``max_commas`` commas at most. Raises
    `EncodingError` for what is no strict JSON object of at most ``max_bytes``
    (`parse_json_strict`) or not in that form, `StatementError` naming every field at fault.
    """
    if is_canonical and len(data) <= max_bytes:
        if data.count(b",") > max_commas:
            raise EncodingError(f"{what}: more members than any such document has")
        parsed = _parse_canonical(model, data)
        if parsed is not None:
            return parsed
    document = parse_json_strict(data, max_bytes=max_bytes, what=what)
    if not isinstance(document, dict):
        raise EncodingError(f"{what}: not a JSON object")
    try:
        # JSON mode, since in strict mode only it takes lists for tuples and texts for dates.
        parsed = model.model_validate_json(data)
    except ValidationError as error:
        problems = describe_problems(error)
    else:
        if is_canonical and canonical_bytes(parsed.model_dump(mode="json")) != data:
            raise EncodingError(
                f"{what}: not in canonical form (RFC 8785): take it just as it was made"
            )
        return parsed
    # Raised out here, the refusal has no context: pydantic's error holds the whole input.
    raise StatementError(f"{what}: {problems}")


def _parse_canonical(model: type[Model], data: bytes) -> Model | None:
    """The document if ``data`` is its canonical form, which no other text is; None if anything is
    wrong, and then the slower way tells what."""
    try:
        parsed = model.model_validate_json(data)
        return parsed if canonical_bytes(parsed.model_dump(mode="json")) == data else None
    except (ValidationError, EncodingError):
        return None


def describe_problems(error: ValidationError) -> str:
    """Every problem as "field: what is wrong", ten at most."""
    listed = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(_problem(dict(entry)) for entry in listed[:10])


def _problem(entry: dict[str, Any]) -> str:
    # A key that has not the form of a name is the sender's text: the message leaves it out.
    where = ".".join(part for part in map(str, entry["loc"]) if is_field_name(part))
    message = str(entry["msg"]).removeprefix("Value error, ")
    if entry["type"] == "extra_forbidden":
        message = "unknown field"
    if "[key]" in entry["loc"]:
        message = f"malformed key: {message}"
    return f"{where}: {message}" if where else message


# -- types of fields --------------------------------------------------------------------------


class _Form:
    """A text of one form, for validation and for the JSON Schema."""

    def __init__(self, pattern: str, words: str) -> None:
        self._pattern = pattern
        self._compiled = re.compile(pattern, re.ASCII)
        self._words = words

    def _check(self, text: str) -> str:
        if not self._compiled.fullmatch(text):
            raise ValueError(self._words)
        return text

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"pattern": f"^{self._pattern}$"}


def form(pattern: str, words: str) -> _Form:
    """A text that matches ``pattern`` whole; ``words`` says so to whoever got it wrong."""
    return _Form(pattern, words)


def base64url_of(least: int, most: int | None = None) -> AfterValidator:
    """Text in base64url of ``least`` to ``most`` bytes, or of exactly ``least``; kept as text."""
    words = f"not {least} bytes" if most is None else f"not {least} to {most} bytes"

    def check(text: str) -> str:
        try:
            size = len(decode_base64url(text))
        except EncodingError:
            raise ValueError("not canonical base64url") from None
        if not least <= size <= (least if most is None else most):
            raise ValueError(words)
        return text

    return AfterValidator(check)


def _decode_iso_date(value: object) -> object:
    # One form of a date only, where pydantic would take several.
    if not isinstance(value, str):
        return value
    if not _ISO_DATE.fullmatch(value):
        raise ValueError("not a date YYYY-MM-DD")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("no such day in the calendar") from None


Cents: TypeAlias = Annotated[int, Field(ge=0, le=MAX_PRICE_CENTS)]
Identifier: TypeAlias = Annotated[
    str,
    form(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        "1 to 64 letters, digits, dots, hyphens or underscores expected, a letter or digit first",
    ),
]
ClassCode: TypeAlias = Annotated[str, Field(pattern=CLASS_PATTERN)]
IsoDate: TypeAlias = Annotated[date, BeforeValidator(_decode_iso_date)]
