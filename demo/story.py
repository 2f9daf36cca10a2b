"""The story from beginning to end; its exit code says whether everything went as told."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich import box
from rich.panel import Panel

from demo.after_chapters import tell_audit, tell_batch, tell_pair, tell_times
from demo.cases import World
from demo.claim_chapters import Files, make_keys, tell_claim, tell_sale, tell_verdict
from demo.lie_chapters import tell_lies
from demo.service_chapter import tell_service
from demo.stage import Stage, Unbroken
from demo.trust_chapter import tell_trust
from demo.words import LANGUAGES, Language, Speaker

BATCH = 100
LEAST_CLAIMS = 40
"""With fewer there may be none that an audit could be about."""


def tell(stage: Stage, folder: Path, batch: int) -> None:
    """All chapters; ``folder`` is empty and takes the files, ``batch`` is a number of claims."""
    say, start = stage.say, time.perf_counter()
    title = f"[head]clairobscur[/]  {say('title')}"
    text = f"{say('parties')}\n\n{say('colours')}"
    stage.console.print()
    frame = partial(Panel, title=title, box=box.ROUNDED, border_style="soft", padding=1)
    stage.console.print(Unbroken(text, frame))
    files = Files(folder)
    world = World(shop=make_keys(stage, files))
    sale = tell_sale(stage, world, files)
    case = tell_claim(stage, world, files, sale)
    claim = tell_verdict(stage, world, files)
    tell_service(stage, world, files)
    liars = tell_lies(stage, world)
    tell_audit(stage, files, claim)
    tell_trust(stage, world, files)
    pair = tell_pair(stage, world, case)
    tell_batch(stage, world, liars, files, batch)
    tell_times(stage, world, (case, pair))
    stage.gap()
    if stage.failures:
        stage.tell("end.bad", failed=len(stage.failures), checks=stage.checks)
    else:
        seconds = say.decimal(time.perf_counter() - start)
        stage.show(f"[good]✓[/] {say('end.good', checks=stage.checks, seconds=seconds)}")
    stage.tell("end.next")
    stage.gap()


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell the story; 0 if everything went as told, else 1."""
    parser = argparse.ArgumentParser(prog="demo", description="The whole story, in a terminal.")
    parser.add_argument("--lang", choices=LANGUAGES, default=LANGUAGES[0])
    parser.add_argument("--batch", type=int, default=BATCH, help="claims in the batch, 2 or more")
    parser.add_argument("--keep", action="store_true", help="then serve both pages, until Ctrl-C")
    parser.add_argument("--keep-only", action="store_true", help="the same without the story")
    parser.add_argument("--keep-seconds", type=float, help="serve them so long instead")
    parser.add_argument("--keep-claims", type=int, default=300, help="so many claims to look at")
    given = parser.parse_args(arguments)
    if given.batch < 2:
        parser.error("--batch: two bad claims need two places")
    if given.keep_claims < LEAST_CLAIMS:
        parser.error(f"--keep-claims: at least {LEAST_CLAIMS}")
    language: Language = given.lang
    stage = Stage(Speaker(language))
    if not given.keep_only:
        with tempfile.TemporaryDirectory(prefix="clairobscur-") as folder:
            tell(stage, Path(folder), given.batch)
    if given.keep or given.keep_only or given.keep_seconds is not None:
        from demo.keep import keep  # it takes a moment, and the story does not need it

        with tempfile.TemporaryDirectory(prefix="clairobscur-") as folder:
            claims, seconds = given.keep_claims, given.keep_seconds
            if not keep(stage, Path(folder), claims=claims, seconds=seconds):
                stage.failures.append("keep")
    return 1 if stage.failures else 0
