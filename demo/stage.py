"""Where the story is told: a terminal of 80 to 100 columns, and an account of every check."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.segment import Segment
from rich.text import Text
from rich.theme import Theme

from demo.commands import Finished
from demo.words import Speaker

MIN_COLUMNS = 78
MAX_COLUMNS = 98

THEME = Theme(
    {
        "shop": "cyan",
        "insurer": "magenta",
        "secret": "yellow",
        "good": "bold green",
        "bad": "bold red",
        "soft": "dim",
        "head": "bold",
    }
)


# rich breaks lines at spaces that must not break, so they are something else while it does.
_HELD = {"\N{NO-BREAK SPACE}": "\ue000", "\N{NARROW NO-BREAK SPACE}": "\ue001"}


class Unbroken:
    """A text whose lines do not break at its no-break spaces; ``frame`` puts it into something."""

    def __init__(
        self, text: str, frame: Callable[[RenderableType], RenderableType] = lambda inner: inner
    ) -> None:
        for space, held in _HELD.items():
            text = text.replace(space, held)
        self._content = frame(Text.from_markup(text))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What `rich` makes of it, with the spaces put back."""
        for segment in console.render(self._content, options):
            text = segment.text
            for space, held in _HELD.items():
                text = text.replace(held, space)
            yield Segment(text, segment.style, segment.control)


class Stage:
    """Says things, and keeps account of every check."""

    def __init__(self, say: Speaker, console: Console | None = None) -> None:
        self.say = say
        self.console = console or Console(theme=THEME, highlight=False, emoji=False)
        self.console.width = max(MIN_COLUMNS, min(MAX_COLUMNS, self.console.width))
        self.checks = 0
        self.failures: list[str] = []
        self._chapter = 0

    def chapter(self, key: str, **facts: object) -> None:
        """A numbered heading."""
        self._chapter += 1
        self.console.print()
        title = f"[bold] {self._chapter} · {self.say(key, **facts)} [/]"
        self.console.rule(title, align="left", style="soft")

    def tell(self, key: str, *, indent: int = 2, **facts: object) -> None:
        """A paragraph of the catalogue."""
        self.show(self.say(key, **facts), indent=indent)

    def show(self, content: RenderableType, *, indent: int = 2) -> None:
        """Anything else, indented like a paragraph."""
        shown = Unbroken(content) if isinstance(content, str) else content
        self.console.print(Padding(shown, (0, 1, 0, indent)))

    def command(self, done: Finished) -> None:
        """A command as it was typed, broken before options where it is too long."""
        lines, room = ["$"], self.console.width - 8
        for part in re.split(r" (?=--)", done.line):
            if len(lines[-1]) + 1 + len(part) > room:
                lines[-1] += " \\"
                lines.append("     ")
            lines[-1] += f" {part}"
        self.show(Text("\n".join(lines), style="head"))

    def gap(self) -> None:
        """An empty line."""
        self.console.print()

    def check(self, holds: bool, what: str) -> None:
        """Count a check; one that fails is shown at once, and makes the story end badly."""
        self.checks += 1
        if not holds:
            self.failures.append(what)
            self.show(f"[bad]{self.say('failed')}: {what}[/]")

    @contextmanager
    def progress(self) -> Iterator[Callable[[Iterable[int]], Iterable[int]]]:
        """A bar that is gone when the work is done; yields what tracks an iterable."""
        with Progress(
            TextColumn("  "),
            BarColumn(),
            MofNCompleteColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,  # it would leave an empty line in a file
        ) as bar:
            yield bar.track
