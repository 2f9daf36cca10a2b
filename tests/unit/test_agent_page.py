"""docs/agent.md says what the agent does: its states, its numbers, its commands."""

from __future__ import annotations

import re
from pathlib import Path

from optician.agent.commands import EXIT_CODES
from optician.agent.records import KEEP_DAYS, STATES, ShopSettings
from optician.agent.sender import FIRST_PAUSE, LONGEST_PAUSE
from optician.agent.store import LEASE_SECONDS, LONGEST_DELAY
from tests.support.commands import Console


def page(repository: Path) -> str:
    return (repository / "docs" / "agent.md").read_text("utf-8")


def test_every_state_is_told(repository: Path) -> None:
    table = page(repository).split("## States\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.M)
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert tuple(told) == STATES
    assert set(EXIT_CODES) == set(STATES)


def test_the_numbers_are_those_of_the_program(repository: Path) -> None:
    text = " ".join(page(repository).split())
    for told in (
        f"an end {LEASE_SECONDS} seconds later",
        f"again after {FIRST_PAUSE:g} seconds",
        f"`keep_days` after the date of service, {KEEP_DAYS:,} unless",
        f"Every `poll_minutes` ({ShopSettings().poll_minutes})",
    ):
        assert told in text
    assert (LONGEST_PAUSE, LONGEST_DELAY) == (1800, 86_400)
    assert "up to half an hour" in text
    assert "if it is longer, up to a day" in text


def test_the_commands_that_it_names_are_there(repository: Path, tmp_path: Path) -> None:
    import pytest

    with pytest.MonkeyPatch.context() as patched:
        console = Console(patched, tmp_path)
        named = set(re.findall(r"optician ((?:shop|insurers|queue|claims|openings) [a-z-]+)", page(
            repository)))  # fmt: skip
        assert len(named) >= 6
        for name in sorted(named):
            assert console.optician(*name.split(), "--help").code == 0, name
