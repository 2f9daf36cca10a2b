"""Logs: a JSON object a line, of exceptions the kind and the place, never what they say."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
from collections.abc import Iterator

import pytest

from tests.support.web import captured_log, log_lines
from verifier_api.web.logs import fault_of, logger

SECRET = "2221234 and 54321 cents"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with captured_log() as stream:
        yield stream


def fail() -> None:
    raise ValueError(SECRET)


def test_an_event_is_one_line_of_json(log: io.StringIO) -> None:
    logger().info("request", status=200, route="/healthz", text="a\nb")
    assert log.getvalue().count("\n") == 1
    line = json.loads(log.getvalue())
    assert (line["event"], line["level"], line["status"]) == ("request", "info", 200)
    assert list(line) == sorted(line)


def test_details_for_developers_are_left_out(log: io.StringIO) -> None:
    logger().debug("detail")
    assert log.getvalue() == ""


def test_a_fault_is_its_kind_and_place() -> None:
    with pytest.raises(ValueError, match="cents") as caught:
        fail()
    facts = fault_of(caught.value)
    assert facts["fault"] == "ValueError"
    assert facts["place"].startswith("test_web_logs.py:")
    assert SECRET not in str(facts)
    assert fault_of(KeyError(SECRET)) == {"fault": "KeyError", "place": "unknown"}


def test_the_servers_own_messages_are_told(log: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    (line,) = log_lines(log.getvalue())
    assert (line["event"], line["level"]) == ("Invalid HTTP request received.", "warning")


def test_its_exceptions_are_told_without_traceback_and_message(log: io.StringIO) -> None:
    try:
        fail()
    except ValueError as error:
        logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=error)
    (line,) = log_lines(log.getvalue())
    assert line["fault"] == "ValueError"
    assert line["place"].startswith("test_web_logs.py:")
    assert SECRET not in log.getvalue()
    assert "Traceback" not in log.getvalue()
    assert "exc_info" not in line


@pytest.mark.parametrize("name", ["sqlalchemy.pool", "asyncio", "concurrent.futures", "x"])
def test_of_other_libraries_only_the_name_is_told(log: io.StringIO, name: str) -> None:
    try:
        fail()
    except ValueError:
        logging.getLogger(name).exception("failed with %s", SECRET, stack_info=True)
    (line,) = log_lines(log.getvalue())
    assert (line["event"], line["logger"]) == ("told by a library", name)
    assert line["fault"] == "ValueError"
    assert SECRET not in log.getvalue()
    assert "Traceback" not in log.getvalue()
    assert "Stack" not in log.getvalue()


def test_a_task_nobody_waits_for_is_told_without_its_exception(log: io.StringIO) -> None:
    async def forget() -> None:
        async def task() -> None:
            fail()

        forgotten = asyncio.ensure_future(task())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del forgotten
        gc.collect()

    asyncio.run(forget())
    assert [line["logger"] for line in log_lines(log.getvalue())] == ["asyncio"]
    assert SECRET not in log.getvalue()


def test_what_others_only_mention_is_left_out(log: io.StringIO) -> None:
    logging.getLogger("alembic").info("upgrade")
    logging.getLogger("uvicorn.access").info('127.0.0.1 - "GET /v1/claims/x"')
    assert log.getvalue() == ""
