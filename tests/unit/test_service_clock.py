"""The service's clock, by a wall clock and a steady one that the tests move."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support import records
from tests.support.records import NOW
from verifier_api.service.clock import (
    AGREES,
    ANCHOR_SECONDS,
    FOLLOWED_SECONDS,
    JUMPED,
    SteadyClock,
    steady_seconds,
    wall_seconds,
)
from verifier_api.store.database import Database
from verifier_api.store.instants import latest_instant, note_instant


class Machine:
    """Both clocks of a machine."""

    def __init__(self, wall: datetime = NOW) -> None:
        self.wall = wall.timestamp()
        self.steady = 1000.0
        self.told: list[tuple[str, int]] = []

    def clock(self, latest: datetime | None = None) -> SteadyClock:
        return SteadyClock(
            latest,
            lambda event, seconds: self.told.append((event, round(seconds))),
            wall=lambda: self.wall,
            steady=lambda: self.steady,
        )

    def pass_time(self, seconds: float) -> None:
        """As it passes, awake or asleep."""
        self.wall += seconds
        self.steady += seconds

    def set_wall(self, seconds: float) -> None:
        """Forward, or back."""
        self.wall += seconds


@pytest.fixture
def machine() -> Machine:
    return Machine()


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_without_corrections_it_is_the_wall_clock(machine: Machine) -> None:
    clock = machine.clock()
    assert clock() == NOW
    machine.pass_time(12.5)
    assert clock() == after(12.5)
    assert clock.is_agreeing()
    assert machine.told == []


@pytest.mark.parametrize("hours", [1, 24 * 90])
def test_a_jump_forward_moves_nothing(machine: Machine, hours: int) -> None:
    clock = machine.clock()
    machine.set_wall(3600 * hours)
    assert clock() == NOW
    assert not clock.is_agreeing()
    machine.pass_time(100)
    assert clock() == after(100)
    assert machine.told == [(JUMPED, 3600 * hours)]


@pytest.mark.parametrize("hours", [1, 24 * 90])
def test_a_jump_back_moves_nothing(machine: Machine, hours: int) -> None:
    clock = machine.clock()
    machine.set_wall(-3600 * hours)
    assert clock() == NOW
    assert not clock.is_agreeing()
    machine.pass_time(100)
    assert clock() == after(100)
    assert machine.told == [(JUMPED, -3600 * hours)]


def test_a_small_correction_is_followed(machine: Machine) -> None:
    clock = machine.clock()
    machine.set_wall(20)
    assert clock() == after(20)
    machine.pass_time(10)
    assert clock() == after(30)
    assert clock.is_agreeing()


def test_after_a_small_correction_back_it_waits_and_never_goes_back(machine: Machine) -> None:
    clock = machine.clock()
    machine.pass_time(30)
    assert clock() == after(30)
    machine.set_wall(-20)
    assert clock() == after(30)
    machine.pass_time(15)
    assert clock() == after(30)
    machine.pass_time(15)
    assert clock() == after(40)
    assert clock.is_agreeing()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_limit_of_what_is_small(machine: Machine, sign: int) -> None:
    clock = machine.clock()
    machine.set_wall(sign * FOLLOWED_SECONDS)
    assert clock.is_agreeing()
    machine.set_wall(sign * 0.01)
    assert not clock.is_agreeing()


def test_a_clock_that_creeps_is_followed_no_further_than_a_jump(machine: Machine) -> None:
    clock = machine.clock()
    for _ in range(100):
        machine.set_wall(FOLLOWED_SECONDS / 2)
        machine.pass_time(1)
        clock()
    assert clock() == after(100 + FOLLOWED_SECONDS)
    assert not clock.is_agreeing()


def test_drift_within_the_limit_is_followed_for_years(machine: Machine) -> None:
    clock = machine.clock()
    days = 365 * 3
    for _ in range(days):
        machine.pass_time(ANCHOR_SECONDS)
        machine.set_wall(4.3)  # a crystal that is 50 millionths off
        clock()
    assert abs(clock() - after(days * (ANCHOR_SECONDS + 4.3))) < timedelta(seconds=1)
    assert machine.told == []


def test_a_jump_goes_on_from_what_was_followed(machine: Machine) -> None:
    clock = machine.clock()
    machine.set_wall(40)
    assert clock() == after(40)
    machine.set_wall(1000)
    machine.pass_time(5)
    assert clock() == after(45)


def test_a_machine_that_slept_has_not_jumped(machine: Machine) -> None:
    clock = machine.clock()
    machine.pass_time(8 * 3600)
    assert clock() == after(8 * 3600)
    assert clock.is_agreeing()


@pytest.mark.parametrize("jump", [7200, -7200])
def test_agreement_is_restored_when_the_wall_clock_comes_back(machine: Machine, jump: int) -> None:
    clock = machine.clock()
    machine.set_wall(jump)
    clock()
    machine.pass_time(600)
    machine.set_wall(-jump)
    assert clock() == after(600)
    assert clock.is_agreeing()
    assert machine.told == [(JUMPED, jump), (AGREES, 0)]


def test_a_jump_is_told_once(machine: Machine) -> None:
    clock = machine.clock()
    machine.set_wall(7200)
    for _ in range(5):
        machine.pass_time(1)
        clock()
    assert [event for event, _ in machine.told] == [JUMPED]


def test_a_start_with_a_clock_behind_what_was_recorded_goes_on_from_there(
    machine: Machine,
) -> None:
    latest = after(3600)
    clock = machine.clock(latest)
    assert clock() == latest
    assert not clock.is_agreeing()
    assert machine.told == [(JUMPED, -3600)]
    machine.pass_time(10)
    assert clock() == latest + timedelta(seconds=10)
    machine.set_wall(3600)
    assert clock() == latest + timedelta(seconds=10)
    assert clock.is_agreeing()


@pytest.mark.parametrize("behind", [-3600 * 24 * 90, 0, FOLLOWED_SECONDS])
def test_a_start_with_a_clock_that_is_not_so_far_behind_believes_it(
    machine: Machine, behind: float
) -> None:
    clock = machine.clock(after(behind))
    assert clock() == NOW
    assert clock.is_agreeing()


def test_a_restart_believes_a_clock_that_is_ahead(machine: Machine) -> None:
    clock = machine.clock()
    machine.set_wall(7200)
    assert clock() == NOW
    again = machine.clock(clock())
    assert again() == after(7200)
    assert again.is_agreeing()


def test_the_machines_own_clocks() -> None:
    before = time.monotonic()
    clock = SteadyClock()
    first = clock()
    assert abs(first - datetime.now(UTC)) < timedelta(seconds=5)
    assert clock() >= first
    assert wall_seconds() > 1.7e9
    assert steady_seconds() >= before  # time asleep is counted too, where that is known


# -- what is kept for the next start -------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = records.empty_database(tmp_path)
    yield opened
    opened.dispose()


def test_the_latest_instant_is_kept(database: Database) -> None:
    def note(now: datetime) -> datetime | None:
        with database.write() as connection:
            note_instant(connection, now)
        with database.read() as connection:
            return latest_instant(connection)

    with database.read() as connection:
        assert latest_instant(connection) is None
    assert note(after(0.9)) == NOW
    assert note(after(-100)) == NOW
    assert note(after(100)) == after(100)
    topics = {row["topic"] for row in records.rows(database, "changes")}
    assert topics == {"directory", "clock"}
