"""The writing thread: one transaction for all that wait, and nobody harmed by another's fault."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.support import records
from verifier_api.service import writer as writer_module
from verifier_api.service.errors import ServiceError
from verifier_api.service.writer import RETRY_AFTER_SECONDS, Writer
from verifier_api.store import reference
from verifier_api.store.database import Database, StorageError

BAD, CONFLICT, GATE = "bad", "conflict", "gate"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = records.empty_database(tmp_path)
    yield opened
    opened.dispose()


class Recorder:
    """Writes an event an item, and remembers what came together. The item ``gate`` holds the
    thread up until it is opened, so that others gather behind it."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.is_held = threading.Event()

    def __call__(self, connection: Connection, items: Sequence[str]) -> list[str | ServiceError]:
        self.batches.append(list(items))
        if GATE in items:
            self.is_held.set()
            assert self.gate.wait(10)
        answers: list[str | ServiceError] = []
        for item in items:
            if item == BAD:
                raise RuntimeError("a fault of ours")
            if item == CONFLICT:
                answers.append(ServiceError("claim_conflict"))
                continue
            reference.note_event(connection, records.INSTANT, item, "test", {})
            answers.append(f"done {item}")
        return answers


Story = Callable[[Writer[str, str], Recorder], Coroutine[Any, Any, None]]


def run(database: Database, story: Story) -> Recorder:
    """The story, told to a running writer, which is stopped after it."""
    recorder = Recorder()

    async def tell() -> None:
        writer = Writer(database, recorder)
        writer.start()
        try:
            await story(writer, recorder)
        finally:
            recorder.gate.set()
            await writer.stop()
        assert not writer.is_alive()

    asyncio.run(asyncio.wait_for(tell(), 30))
    return recorder


def written(database: Database) -> list[str]:
    return [row["kind"] for row in records.rows(database, "events")]


async def gathered(
    writer: Writer[str, str], recorder: Recorder, *items: str
) -> list[str | BaseException]:
    """The outcomes of items that gathered while the thread was held up."""
    gate = asyncio.create_task(writer.record(GATE))
    await asyncio.to_thread(recorder.is_held.wait, 10)
    waiting = [asyncio.create_task(writer.record(item)) for item in items]
    await asyncio.sleep(0.02)  # they are put in their turn
    recorder.gate.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert await gate == f"done {GATE}"
    return outcomes


def code_of(outcome: str | BaseException) -> str:
    assert isinstance(outcome, ServiceError)
    return outcome.code


# -- together -----------------------------------------------------------------------------------


def test_a_lone_item_is_recorded_at_once(database: Database) -> None:
    async def story(writer: Writer[str, str], recorder: Recorder) -> None:
        assert writer.is_alive()
        assert await writer.record("a") == "done a"
        assert written(database) == ["a"]

    assert run(database, story).batches == [["a"]]


def test_what_waits_is_recorded_in_one_transaction_in_its_order(database: Database) -> None:
    names = [f"item-{number}" for number in range(20)]

    async def story(writer: Writer[str, str], recorder: Recorder) -> None:
        outcomes = await gathered(writer, recorder, *names)
        assert outcomes == [f"done {name}" for name in names]

    assert run(database, story).batches == [[GATE], names]
    assert written(database) == [GATE, *names]


def test_so_many_at_most_are_recorded_together(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "MAX_TOGETHER", 3)
    names = [f"item-{number}" for number in range(8)]

    async def story(writer: Writer[str, str], recorder: Recorder) -> None:
        assert len(await gathered(writer, recorder, *names)) == 8

    assert run(database, story).batches == [[GATE], names[:3], names[3:6], names[6:]]


def test_nobody_is_answered_before_it_is_durable(database: Database) -> None:
    """A second door sees every item as soon as its answer is there."""
    other = Database(database.url.render_as_string(hide_password=False))

    async def story(writer: Writer[str, str], recorder: Recorder) -> None:
        for number in range(5):
            await writer.record(f"item-{number}")
            assert written(other)[-1] == f"item-{number}"

    run(database, story)
    other.dispose()


# -- refusals and faults ------------------------------------------------------------------------


def test_a_refusal_is_raised_to_the_one_that_it_is_for(database: Database) -> None:
    async def story(writer: Writer[str, str], recorder: Recorder) -> None:
        outcomes = await gathered(writer, recorder, "a", CONFLICT, "b")
        assert code_of(outcomes[1]) == "claim_conflict"
        assert [outcomes[0], outcomes[2]] == ["done a", "done b"]

    assert run(database, story).batches == [[GATE], ["a", CONFLICT, "b"]]


def test_a_fault_with_one_harms_no_other(database: Database) -> None:
    async def story(writer: Writer[str, str], recorder: Recorder) -> None:
        outcomes = await gathered(writer, recorder, "a", BAD, "b")
        assert [outcomes[0], outcomes[2]] == ["done a", "done b"]
        assert isinstance(outcomes[1], RuntimeError)
        assert await writer.record("c") == "done c"

    recorder = run(database, story)
    assert recorder.batches == [[GATE], ["a", BAD, "b"], ["a"], [BAD], ["b"], ["c"]]
    assert written(database) == [GATE, "a", "b", "c"]  # and nothing twice


def test_without_storage_everyone_is_told_to_come_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = database.write
    is_gone = False

    @contextmanager
    def write() -> Iterator[Connection]:
        if is_gone:
            raise StorageError("database: OperationalError")
        with genuine() as connection:
            yield connection

    monkeypatch.setattr(database, "write", write)

    async def story(writer: Writer[str, str], recorder: Recorder) -> None:
        nonlocal is_gone
        await writer.record("a")
        is_gone = True
        for outcome in await asyncio.gather(
            writer.record("b"),
            writer.record("c"),
            writer.run(lambda connection: "d"),
            return_exceptions=True,
        ):
            assert code_of(outcome) == "storage_unavailable"
            assert isinstance(outcome, ServiceError)
            assert outcome.retry_after == RETRY_AFTER_SECONDS
        is_gone = False
        assert await writer.record("e") == "done e"

    run(database, story)
    assert written(database) == ["a", "e"]


def test_what_the_database_itself_refuses_is_told_without_its_content(database: Database) -> None:
    def act(connection: Connection) -> str:
        connection.execute(text("INSERT INTO nowhere VALUES (:x)"), {"x": "a secret"})
        return "done"

    async def story(writer: Writer[str, str], recorder: Recorder) -> None:
        with pytest.raises(ServiceError) as caught:
            await writer.run(act)
        assert caught.value.code == "storage_unavailable"
        assert "secret" not in str(caught.value)

    run(database, story)


# -- other acts ---------------------------------------------------------------------------------


def test_an_act_has_a_transaction_of_its_own(database: Database) -> None:
    def act(connection: Connection) -> str:
        reference.note_event(connection, records.INSTANT, "act", "test", {})
        return "acted"

    def failing(connection: Connection) -> str:
        act(connection)
        raise ServiceError("state_conflict")

    async def story(writer: Writer[str, str], recorder: Recorder) -> None:
        assert await writer.run(act) == "acted"
        outcomes = await asyncio.gather(
            writer.record("a"),
            writer.run(failing),
            writer.run(act),
            writer.record("b"),
            return_exceptions=True,
        )
        assert code_of(outcomes[1]) == "state_conflict"
        assert [outcomes[0], *outcomes[2:]] == ["done a", "acted", "done b"]

    run(database, story)
    assert sorted(written(database)) == ["a", "act", "act", "b"]


# -- whoever has gone, and the end --------------------------------------------------------------


def test_whoever_has_gone_is_recorded_all_the_same(database: Database) -> None:
    async def story(writer: Writer[str, str], recorder: Recorder) -> None:
        gate = asyncio.create_task(writer.record(GATE))
        await asyncio.to_thread(recorder.is_held.wait, 10)
        gone = asyncio.create_task(writer.record("gone"))
        stays = asyncio.create_task(writer.record("stays"))
        await asyncio.sleep(0.02)
        gone.cancel()
        recorder.gate.set()
        assert await stays == "done stays"
        with pytest.raises(asyncio.CancelledError):
            await gone
        await gate

    run(database, story)
    assert written(database) == [GATE, "gone", "stays"]


def test_a_stop_waits_for_what_was_given_and_refuses_what_comes_later(database: Database) -> None:
    async def story(writer: Writer[str, str], recorder: Recorder) -> None:
        gate = asyncio.create_task(writer.record(GATE))
        await asyncio.to_thread(recorder.is_held.wait, 10)
        before = [asyncio.create_task(writer.record(name)) for name in ("a", "b")]
        await asyncio.sleep(0.02)
        stopping = asyncio.create_task(writer.stop())
        await asyncio.sleep(0.02)
        with pytest.raises(ServiceError) as caught:
            await writer.record("late")
        assert (caught.value.code, caught.value.retry_after) == ("overloaded", RETRY_AFTER_SECONDS)
        with pytest.raises(ServiceError):
            await writer.run(lambda connection: "late")
        recorder.gate.set()
        assert await asyncio.gather(*before) == ["done a", "done b"]
        await stopping
        await gate
        assert not writer.is_alive()

    run(database, story)
    assert written(database) == [GATE, "a", "b"]
