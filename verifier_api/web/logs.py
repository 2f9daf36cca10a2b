"""Logs: one JSON object a line on standard error. Ids, verdicts and times; nothing of a claim."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

LOGGER = "clairobscur"


def configure_logs(stream: TextIO = sys.stderr) -> None:
    """Everything that is logged, by us or by the server beneath, becomes JSON on ``stream``."""
    shared: list[Any] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.add_log_level,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(sort_keys=True)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                _without_traceback,
                _without_foreign_text,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True


def logger() -> Any:
    """What events are told to: ``logger().info("event", name=value)``."""
    return structlog.get_logger(LOGGER)


def fault_of(error: BaseException) -> dict[str, str]:
    """Kind and place of a fault of ours; its message might repeat anything."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
    return {"fault": type(error).__name__, "place": place}


def _without_traceback(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    info = event.pop("exc_info", None)
    if isinstance(info, tuple) and info[1] is not None:
        event.update(fault_of(info[1]))
    event.pop("stack_info", None)
    return event


def _without_foreign_text(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The server's own messages are known; another library's might repeat anything."""
    record = event.get("_record")
    if isinstance(record, logging.LogRecord) and not record.name.startswith("uvicorn"):
        event["event"] = "told by a library"
        event["logger"] = record.name
    return event
