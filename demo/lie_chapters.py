"""Chapter four: the lies."""

from __future__ import annotations

from rich.table import Table

from demo.cases import World
from demo.claim_chapters import mark_of
from demo.lies import Attempt, Liars
from demo.stage import Stage

LABEL_WIDTH = 16


def tell_lies(stage: Stage, world: World) -> Liars:
    """Every lie, by the honest software and by the lying one."""
    say = stage.say
    liars = Liars(world)
    lies = liars.all()
    stage.chapter("lies", count=len(lies))
    stage.tell("lies.intro")
    stage.gap()
    control = liars.control()
    stage.check(control.is_accepted, f"the changed software told the truth: {control.reason}")
    stage.show(f"{say('lies.control')} {mark_of(stage, control.reason)}.")
    attempts = [lie() for lie in lies]
    for number, attempt in enumerate(attempts, start=1):
        _tell_lie(stage, number, attempt)
    caught = sum(not attempt.verdict.is_accepted for attempt in attempts)
    refused = sum(bool(attempt.refusal) for attempt in attempts)
    stage.gap()
    stage.tell("lies.end", caught=caught, count=len(attempts), refused=refused)
    return liars


def _tell_lie(stage: Stage, number: int, attempt: Attempt) -> None:
    say = stage.say
    cents = {name: say.euros(value) for name, value in attempt.cents.items()}
    facts = {
        name: say.number(value) if isinstance(value, int) else value
        for name, value in attempt.facts.items()
    }
    if "level" in facts:
        facts["level"] = say(f"level.{facts['level']}")
    stage.gap()
    stage.show(f"[head]{number:2}  {say(f'lie.{attempt.name}')}[/]", indent=1)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="soft", min_width=LABEL_WIDTH)
    grid.add_column()
    if attempt.refusal:
        grid.add_row(
            say("lies.honest"), f"[bad]✗[/] {say('lies.honest.refuses', words=attempt.refusal)}"
        )
    if attempt.altered is not None:
        resent = (
            "lies.resent" if attempt.expected_altered == "contract_mismatch" else "lies.altered"
        )
        grid.add_row(say(resent), mark_of(stage, attempt.altered.reason))
    lying = "lies.lying" if attempt.refusal else "lies.anew"
    grid.add_row(say(lying), mark_of(stage, attempt.verdict.reason))
    if attempt.false_equations:
        counted = say("lies.false", count=attempt.false_equations, of=attempt.equations)
        grid.add_row("", f"[soft]{counted}[/]")
    stage.tell(f"lie.{attempt.name}.how", indent=5, **cents, **facts)
    stage.show(grid, indent=5)
    stage.check(
        attempt.is_as_told,
        f"lie {attempt.name}: {attempt.verdict.reason}, not {attempt.expected}; "
        f"refusal {attempt.refusal!r}",
    )
    if "tries" in attempt.facts:
        stage.check(
            attempt.facts["tries"] == attempt.facts["refused"], f"lie {attempt.name}: accepted once"
        )
