"""The server process: uvicorn around the application."""

from __future__ import annotations

import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Protocol

import uvicorn
from fastapi import FastAPI

from verifier_api.web.protocol import protocol_of

KEEP_ALIVE_SECONDS = 30
BACKLOG = 2048
SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter while another waits for it."""


class ServerSettings(Protocol):
    """What a server is told, as `verifier_api.settings.Settings` describes it."""

    @property
    def host(self) -> str:
        """Address to listen on."""

    @property
    def port(self) -> int:
        """Port; 0: any free one."""

    @property
    def header_seconds(self) -> float:
        """In which a request's head must have arrived."""

    @property
    def body_seconds(self) -> float:
        """In which a body must have arrived."""

    @property
    def stop_seconds(self) -> int:
        """So long requests in work get at a stop."""


def listen(settings: ServerSettings) -> socket.socket:
    """A listening socket at the settings' address. Raises `OSError`, which names the address."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named as TCP, so that asyncio turns off the delay of small packets (40 ms an answer).
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((settings.host, settings.port))
    except OSError as error:
        opened.close()
        error.filename = f"{settings.host}:{settings.port}"
        raise
    opened.set_inheritable(False)
    return opened


def serve(
    app: FastAPI, settings: ServerSettings, opened: socket.socket, when_ready: Callable[[], None]
) -> bool:
    """Serve until told to stop (SIGTERM, SIGINT); what is in work is finished first. Whether it
    started at all."""
    config = uvicorn.Config(
        app,
        http=protocol_of(settings.header_seconds, settings.body_seconds),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.stop_seconds,
        backlog=BACKLOG,
        lifespan="on",
    )
    server = _Server(config, when_ready)
    # The writer's thread gives up the interpreter at every call of the database, and by default
    # would wait 5 ms to get it back, a dozen times a transaction.
    sys.setswitchinterval(SWITCH_SECONDS)
    # When all is finished, uvicorn sends itself the signal that ended it; by default that would end
    # the process before it has tidied up.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    server.run(sockets=[opened])
    return server.started


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            gc.collect()
            gc.freeze()  # what is there now stays: the collector need not look it through
            self._when_ready()
