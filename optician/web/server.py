"""The agent's process: uvicorn around the application, on 127.0.0.1 and nowhere else."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Final

import uvicorn

from optician.web.app import make_agent
from optician.web.keeper import Keeper

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8767
KEEP_ALIVE_SECONDS: Final = 30
MOST_AT_ONCE: Final = 100
STOP_SECONDS: Final = 5


def listen(port: int) -> socket.socket:
    """A socket of the loopback interface; ``port`` 0: any free one. Raises `OSError`, which names
    the address."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # Elsewhere than on Windows a port is free again at once; there the option would let two
    # programs have the same one.
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((HOST, port))
    except OSError as error:
        opened.close()
        error.filename = f"{HOST}:{port}"
        raise
    opened.set_inheritable(False)
    return opened


def serve(keeper: Keeper, opened: socket.socket, when_ready: Callable[[int], None]) -> bool:
    """Serve until told to stop (Ctrl-C); ``when_ready`` gets the port. Whether it started."""
    port = opened.getsockname()[1]
    # What a library logs might repeat anything.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    logging.getLogger("uvicorn").propagate = False
    config = uvicorn.Config(
        make_agent(keeper, port),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        limit_concurrency=MOST_AT_ONCE,
        lifespan="on",
    )
    server = _Server(config, lambda: when_ready(port))
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
