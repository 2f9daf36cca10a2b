"""The server's protocol by itself, on a transport of our own: heads, bodies and answers that do not
come, and connections that end.

`tests/adversarial/test_hostile_bodies.py` does the same over sockets, to a process.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from tests.support.web import Insurer
from verifier_api.settings import load_settings
from verifier_api.web import protocol, server
from verifier_api.web.bodies import IS_GONE
from verifier_api.web.protocol import MAX_HEAD_BYTES, protocol_of
from verifier_api.web.server import listen

HEAD_SECONDS = 0.15
BODY_SECONDS = 0.1
LATE = 1.0
"""Seconds after which something that should have happened has not."""

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = asyncio.Event()
        self.is_aborted = False
        self.is_paused = False

    def write(self, data: Any) -> None:
        assert not self.closed.is_set(), "written after it was closed"
        self.written += bytes(data)

    def close(self) -> None:
        self.closed.set()

    def abort(self) -> None:
        self.is_aborted = True
        self.closed.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def statuses(self) -> list[int]:
        """Of the answers so far."""
        parts = self.written.split(b"HTTP/1.1 ")[1:]
        return [int(part[:3]) for part in parts]


Application = Callable[[Any, Any, Any], Awaitable[None]]


async def answer(send: Any) -> None:
    """200, without a body."""
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def at_once(_scope: Any, _receive: Any, send: Any) -> None:
    """Answers without looking at the body."""
    await answer(send)


async def after_body(_scope: Any, receive: Any, send: Any) -> None:
    """Answers after the body; not at all to a client that has left."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if not message.get("more_body"):
            break
    await answer(send)


class Slow:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = 0

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.asked += 1
        await self.go.wait()
        await answer(send)


async def connect(app: Application) -> tuple[Any, Transport]:
    """A protocol with its transport."""
    config = uvicorn.Config(cast(Any, app), lifespan="off", log_config=None)
    kind = protocol_of(HEAD_SECONDS, BODY_SECONDS)
    protocol = kind(config, ServerState(), {})
    transport = Transport()
    protocol.connection_made(transport)
    return protocol, transport


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


async def closes(transport: Transport) -> float:
    """Seconds until it is closed."""
    start = asyncio.get_running_loop().time()
    await asyncio.wait_for(transport.closed.wait(), LATE)
    return asyncio.get_running_loop().time() - start


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_request_is_answered_and_the_connection_stays() -> None:
    async def test() -> None:
        protocol, transport = await connect(at_once)
        protocol.data_received(HEAD)
        await settle()
        protocol.data_received(HEAD)
        await settle()
        assert transport.statuses() == [200, 200]
        await asyncio.sleep(HEAD_SECONDS * 2)
        assert not transport.closed.is_set()
        protocol.connection_lost(None)

    run(test)


@pytest.mark.parametrize("sent", [b"", b"G", HEAD[:-1], b"\r\n"])
def test_a_head_has_to_come_in_time(sent: bytes) -> None:
    async def test() -> None:
        protocol, transport = await connect(at_once)
        if sent:
            protocol.data_received(sent)
        assert await closes(transport) > HEAD_SECONDS / 2
        assert transport.written == b""

    run(test)


@pytest.mark.parametrize("sent", [b"G", HEAD[:-1], b"\r\n"])
def test_the_next_head_too(sent: bytes) -> None:
    async def test() -> None:
        protocol, transport = await connect(at_once)
        protocol.data_received(HEAD)
        await settle()
        protocol.data_received(sent)
        assert await closes(transport) > HEAD_SECONDS / 2
        assert transport.statuses() == [200]

    run(test)


def test_drops_do_not_prolong_it() -> None:
    async def test() -> None:
        protocol, transport = await connect(at_once)
        start = asyncio.get_running_loop().time()
        for byte in HEAD[:-2]:
            if transport.closed.is_set():
                break
            protocol.data_received(bytes([byte]))
            await asyncio.sleep(0.03)
        assert transport.closed.is_set()
        assert asyncio.get_running_loop().time() - start < HEAD_SECONDS + LATE

    run(test)


def test_a_slow_answer_is_waited_for_even_if_the_next_head_does_not_come() -> None:
    async def test() -> None:
        app = Slow()
        protocol, transport = await connect(app)
        protocol.data_received(HEAD + b"GET / HT")
        await asyncio.sleep(HEAD_SECONDS * 2)
        assert not transport.closed.is_set()
        app.go.set()
        await closes(transport)
        assert transport.statuses() == [200]

    run(test)


def test_the_rest_of_an_answered_body_has_to_come_in_time() -> None:
    async def test() -> None:
        protocol, transport = await connect(at_once)
        protocol.data_received(POST + b"ab")
        await settle()
        assert transport.statuses() == [200]
        assert await closes(transport) > BODY_SECONDS / 2

    run(test)


def test_an_answered_body_that_ends_leaves_the_connection_open() -> None:
    async def test() -> None:
        protocol, transport = await connect(at_once)
        protocol.data_received(POST + b"ab")
        await settle()
        protocol.data_received(b"cde" + HEAD)
        await settle()
        assert transport.statuses() == [200, 200]
        await asyncio.sleep(BODY_SECONDS + HEAD_SECONDS)
        assert not transport.closed.is_set()
        protocol.connection_lost(None)

    run(test)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD_BYTES + 1), 431),
        (b"GET /" + b"a" * (MAX_HEAD_BYTES + 1), 431),
        (b"X" * (MAX_HEAD_BYTES + 1), 400),
    ],
)
def test_what_is_no_http_or_has_too_large_a_head_gets_a_problem(sent: bytes, status: int) -> None:
    async def test() -> None:
        protocol, transport = await connect(at_once)
        protocol.data_received(sent)
        await closes(transport)
        assert transport.statuses() == [status]
        assert b"application/problem+json" in transport.written
        assert b"connection: close" in transport.written
        protocol.data_received(HEAD)  # nothing more is read
        await settle()
        assert transport.statuses() == [status]

    run(test)


def test_what_came_whole_before_it_is_answered_first() -> None:
    async def test() -> None:
        app = Slow()
        protocol, transport = await connect(app)
        protocol.data_received(HEAD * 3 + b"\x00\r\n\r\n" + HEAD)
        await settle()
        assert transport.written == b""
        app.go.set()
        await closes(transport)
        assert transport.statuses() == [200, 200, 200]
        assert app.asked == 3

    run(test)


def test_a_body_that_breaks_ends_its_request_alone() -> None:
    broken = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"

    async def first() -> None:
        protocol, transport = await connect(after_body)
        protocol.data_received(broken)
        await closes(transport)
        assert transport.statuses() == [400]
        protocol.connection_lost(None)
        await settle()

    async def after_others() -> None:
        app = Slow()
        protocol, transport = await connect(app)
        protocol.data_received(HEAD * 2 + broken)
        app.go.set()
        await closes(transport)
        assert transport.statuses() == [200, 200]
        assert app.asked == 2

    run(first)
    run(after_others)


def test_a_body_that_breaks_under_its_answer_cuts_it_off() -> None:
    async def streaming(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass

    async def test() -> None:
        protocol, transport = await connect(streaming)
        protocol.data_received(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        await settle()
        protocol.data_received(b"zz\r\n")
        await closes(transport)
        assert transport.statuses() == [200]
        protocol.connection_lost(None)
        await settle()

    run(test)


def test_another_protocol_is_not_begun() -> None:
    async def test() -> None:
        protocol, transport = await connect(at_once)
        upgrade = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        protocol.data_received(upgrade + HEAD)
        await closes(transport)
        assert transport.statuses() == [200]

    run(test)


def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "STALL_SECONDS", 0.1)

    async def test() -> None:
        protocol, transport = await connect(at_once)
        protocol.data_received(HEAD)
        await settle()
        protocol.pause_writing()
        protocol.resume_writing()
        await asyncio.sleep(0.2)
        assert not transport.is_aborted
        protocol.pause_writing()
        await closes(transport)
        assert transport.is_aborted
        protocol.connection_lost(None)

    run(test)


def test_an_application_can_ask_whether_the_client_has_left() -> None:
    asked: list[Callable[[], bool]] = []

    async def remember(scope: Any, _receive: Any, send: Any) -> None:
        asked.append(scope[IS_GONE])
        await answer(send)

    async def test() -> None:
        protocol, _ = await connect(remember)
        protocol.data_received(HEAD)
        await settle()
        assert not asked[0]()
        protocol.connection_lost(None)
        assert asked[0]()

    run(test)


def test_a_lost_connection_leaves_no_timer() -> None:
    async def test() -> None:
        protocol, transport = await connect(at_once)
        protocol.data_received(b"GET")
        protocol.connection_lost(ConnectionResetError())
        await asyncio.sleep(HEAD_SECONDS * 2)
        assert not transport.closed.is_set()

    run(test)


# -- listening ----------------------------------------------------------------------------------


def test_listening_on_a_free_port() -> None:
    with listen(load_settings(port=0)) as opened:
        host, port = opened.getsockname()
        assert host == "127.0.0.1"
        assert port > 0
        assert not opened.get_inheritable()


def test_a_taken_port_is_an_error_of_the_system() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use") as caught:
            listen(load_settings(port=port))
    assert caught.value.errno == errno.EADDRINUSE


def test_serving_says_when_it_is_ready_and_stops_when_told(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    insurer = Insurer(tmp_path_factory.mktemp("insurer"), port=0)
    statuses = []
    made: list[Any] = []
    first = server._Server.__init__

    def remember(self: Any, *arguments: Any) -> None:
        first(self, *arguments)
        made.append(self)

    monkeypatch.setattr(server._Server, "__init__", remember)
    monkeypatch.setattr(gc, "freeze", lambda: None)  # this process goes on to do other things
    opened = listen(insurer.settings)

    def when_ready() -> None:
        with socket.create_connection(opened.getsockname()):
            statuses.append("connected")
        made[0].should_exit = True

    interval = sys.getswitchinterval()
    try:
        assert server.serve(insurer.app, insurer.settings, opened, when_ready)
    finally:
        sys.setswitchinterval(interval)
    assert statuses == ["connected"]
