"""How a command starts and ends: every exception is one line and an exit code.

Nothing heavy is imported: nobody waits for a help page.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from zk.errors import EncodingError, StatementError, WitnessError, ZkError

EXIT_FAILED = 2
EXIT_INTERNAL = 3
EXIT_INTERRUPTED = 130

DISTRIBUTION = "clairobscur"


class CommandError(Exception):
    """The command cannot do what it is asked: the kind of the error, and what is wrong."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class UsageError(CommandError):
    """Options that do not go together, or one that is malformed."""

    def __init__(self, detail: str) -> None:
        super().__init__("usage", detail)


def new_app(*, about: str, exit_codes: str = "") -> typer.Typer:
    """A command line, or a group of commands in one; ``exit_codes`` closes its help page."""
    return typer.Typer(
        help=about,
        epilog=exit_codes or None,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,  # starts faster
        pretty_exceptions_enable=False,  # a traceback with local variables would show secrets
    )


def run(app: typer.Typer, name: str) -> None:
    """Run the command line ``name``; ends in `SystemExit`."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter gets a question mark, not an error.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app(prog_name=name)


@contextmanager
def reporting(tell: Callable[[str, str], None]) -> Iterator[None]:
    """Turn every exception into an exit code; ``tell`` prints the kind of an error and its detail.

    Kinds are usage, file, unreadable, statement, witness, refused, internal, and whatever a
    `CommandError` names. The detail is one line. Nothing is told of an interruption, nor to a
    reader that left.
    """
    code = EXIT_FAILED
    try:
        yield
        sys.stdout.flush()  # while a reader that left can still be noticed
        return
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        # Python would try again at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_FAILED) from None
    except CommandError as error:
        kind, detail = error.kind, str(error)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        kind, detail = "file", f"{name}{error.strerror or error}"
    except ZkError as error:
        kind, detail = _kind_of(error), str(error)
    except Exception as error:
        # A fault of ours. Its message might repeat anything, so only its place is told.
        place = traceback.extract_tb(error.__traceback__)[-1]
        kind, code = "internal", EXIT_INTERNAL
        detail = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
    tell(kind, plain(detail))
    raise typer.Exit(code)


def _kind_of(error: ZkError) -> str:
    for kind, refusal in _KINDS.items():
        if isinstance(error, refusal):
            return kind
    return "refused"


_KINDS = {"unreadable": EncodingError, "statement": StatementError, "witness": WitnessError}


def plain(text: str) -> str:
    """``text`` on one line: file names and notes may hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def euros(cents: int) -> str:
    """An amount as people write it."""
    return f"{cents // 100}.{cents % 100:02d} €"


def version_text() -> str:
    """The version that is installed, or that none is."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:  # run from a checkout
        return "(not installed)"


def _show_version(is_asked: bool) -> None:
    if not is_asked:
        return
    typer.echo(f"{DISTRIBUTION} {version_text()}")
    raise typer.Exit


Version: TypeAlias = Annotated[
    bool,
    typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
]
"""The type of an option that prints the version and ends."""
