"""How the optician's commands speak: in the optician's language, to people or in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from console.running import CommandError, euros, reporting
from optician.messages import Language, preferred_language, say
from zk.errors import EncodingError, StatementError

AsJson = Annotated[bool, typer.Option("--json", help="Results and errors as JSON.")]
Lang = Annotated[
    Language | None, typer.Option("--lang", help="Language of messages; default: the terminal's.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]


class Terminal:
    """What is said, and in which language and form."""

    def __init__(self, as_json: bool, language: Language) -> None:
        self.as_json = as_json
        self.language = language
        self.warnings: list[dict[str, str]] = []
        self.problem: dict[str, Any] = {}
        """More about an error, for JSON."""

    def say(self, key: str) -> str:
        return say(key, self.language)

    def mark(self, mark: str) -> str:
        """A colon or a semicolon with the spaces around it."""
        return f" {mark} " if self.language == "fr" else f"{mark} "

    def named(self, key: str, text: str) -> str:
        """``text`` with what it is before it."""
        return f"{self.say(key)}{self.mark(':')}{text}"

    def euros(self, cents: int) -> str:
        """An amount as people write it."""
        text = euros(cents)
        return text.replace(".", ",") if self.language == "fr" else text

    def warn(self, key: str, where: str = "") -> None:
        """Tell at once, or in JSON with the result."""
        self.warnings.append({"warning": key, "where": where})
        if not self.as_json:
            place = f"{where}{self.mark(':')}" if where else ""
            typer.echo(self.named("warning", f"{place}{self.say(key)}"), err=True)

    def report(self, facts: Mapping[str, Any], lines: list[str], *, is_output_taken: bool) -> None:
        """The result, on standard error where a file went to standard output."""
        text = json.dumps(facts) if self.as_json else "\n".join(lines)
        typer.echo(text, err=is_output_taken)

    def fail(self, kind: str, detail: str) -> None:
        """One line on standard error."""
        if self.as_json:
            told = {"error": kind, "detail": detail} | self.problem
            typer.echo(json.dumps(told), err=True)
        else:
            typer.echo(self.named("error", self.named(kind, detail)), err=True)


@contextmanager
def reporting_to(as_json: bool, language: Language | None) -> Iterator[Terminal]:
    """A terminal that tells every exception in one line; the command ends with its exit code."""
    terminal = Terminal(as_json, language or preferred_language())
    with reporting(terminal.fail):
        yield terminal


@contextmanager
def blaming(kind: str, refusal: type[StatementError] = StatementError) -> Iterator[None]:
    """What is refused here is the fault of ``kind``, a key of `optician.messages`."""
    try:
        yield
    except EncodingError as error:
        # People write sales by hand; whatever else is no JSON is the wrong file.
        raise CommandError("sale" if kind == "sale" else "unreadable", str(error)) from None
    except refusal as error:
        raise CommandError(kind, str(error)) from None
