"""An ASGI application served to a browser: on a free port of 127.0.0.1, from a thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

START_SECONDS = 60
STOP_SECONDS = 30


def free_port() -> socket.socket:
    """A bound socket that does not listen yet: whoever asks it is refused, as on a dead line."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind(("127.0.0.1", 0))
    opened.set_inheritable(False)
    return opened


def address_of(opened: socket.socket) -> str:
    """Of a bound socket, as a URL without a slash at its end."""
    return f"http://127.0.0.1:{opened.getsockname()[1]}"


@contextmanager
def served(app: ASGIApp, opened: socket.socket | None = None) -> Iterator[str]:
    """The application on that socket, or on a free one, started with its lifespan; its address.
    It has stopped when the block ends. Raises `AssertionError` if it does not start."""
    bound = opened or free_port()
    config = uvicorn.Config(
        app,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    # A daemon: a test that fails while starting it must not hang the run.
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        end = time.monotonic() + START_SECONDS
        while not server.started:
            assert thread.is_alive(), "the application did not start"
            assert time.monotonic() < end, "the application does not start"
            time.sleep(0.005)
        yield address_of(bound)
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        bound.close()


@contextmanager
def other_site(action: str) -> Iterator[str]:
    """A page of another origin with one button, which sends a form to the address ``action``."""
    text = (
        "<!doctype html><html lang=en><title>Other</title><main>"
        f"<form method=post action='{action}'><button>Win</button></form></main></html>"
    )

    async def page(_request: Request) -> Response:
        return HTMLResponse(text)

    with served(Starlette(routes=[Route("/", page)])) as url:
        yield url
