"""The server process: uvicorn around the application, with a limit on slow heads."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from verifier_api.settings import Settings

KEEP_ALIVE_SECONDS = 30
BACKLOG = 2048


def protocol_of(header_seconds: float) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, closing connections whose request's head takes longer than that."""

    class PatientProtocol(HttpToolsProtocol):
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._expect_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_is_there()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._expect_head()

        def on_headers_complete(self) -> None:
            self._head_is_there()
            super().on_headers_complete()

        def _expect_head(self) -> None:
            self._head_is_there()
            self._head_timer = self.loop.call_later(header_seconds, self._give_up)

        def _head_is_there(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _give_up(self) -> None:
            if self.transport is not None and not self.transport.is_closing():
                self.transport.close()

    return PatientProtocol


def listen(settings: Settings) -> socket.socket:
    """A listening socket at the settings' address. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    opened = socket.socket(family)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((settings.host, settings.port))
    except OSError:
        opened.close()
        raise
    opened.set_inheritable(False)
    return opened


def serve(
    app: FastAPI, settings: Settings, opened: socket.socket, when_ready: Callable[[], None]
) -> bool:
    """Serve until told to stop (SIGTERM, SIGINT); what is in work is finished first. Whether it
    started at all."""
    config = uvicorn.Config(
        app,
        http=protocol_of(settings.header_seconds),
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
    server.run(sockets=[opened])
    return server.started


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_ready()
