"""Answers of a service in general: the base of every answer, and the refusal (RFC 9457)."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from circuits.document import form

Text: TypeAlias = Annotated[str, Field(max_length=4096)]
Code: TypeAlias = Annotated[
    str, form(r"[a-z][a-z0-9_]{0,63}", "1 to 64 small letters, digits or underscores expected")
]
"""A reason or a state: not a closed list, since a newer service may know more of them."""


class Answer(BaseModel):
    """An answer or a part of one.

    Frozen, and strict in the members that are known; others are ignored, since a newer service may
    say more. Texts are for people to read.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)


class Titles(Answer):
    """A text in both languages."""

    en: Text
    fr: Text


class ProblemAnswer(Answer):
    """RFC 9457 problem details, as the service gives them."""

    code: Code
    title: Text
    titles: Titles | None = None
    status: int
    detail: Text = ""
    places: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    instance: Text | None = None
    reason: Code | None = None


def facts_of(answer: Answer) -> dict[str, Any]:
    """An answer as JSON data."""
    return answer.model_dump(mode="json", by_alias=True)
