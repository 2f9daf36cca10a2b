"""What HTTP itself lets wait or grow, limited; and problems for requests that are no HTTP.

Builds on what uvicorn does not promise to keep: look here when its pinned release changes.
"""

from __future__ import annotations

import asyncio
import os
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from verifier_api.web.bodies import IS_GONE
from verifier_api.web.edge import SECURITY_HEADERS, UNMATCHED
from verifier_api.web.logs import logger
from verifier_api.web.problems import problem_response

MAX_HEAD_BYTES = 32 * 2**10
"""Of a request's line and its header and trailer fields together; also of anything else that leads
to nothing, such as a chunk's extensions."""

STALL_SECONDS = 60
"""So long an answer waits for a client that reads nothing of it."""


class _HeadTooLarge(Exception):
    """Ends the parsing of a request."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, less patient.

    A connection is closed if a request's head takes longer than ``header_seconds``, if it is quiet
    for as long as the server says, if a body that was answered before it ended takes longer than
    ``body_seconds``, if nothing of an answer is read for `STALL_SECONDS`, and after what is no HTTP
    ("request_malformed") or has too large a head ("head_too_large"). Requests that came whole
    before it on the same connection are answered first.
    """

    header_seconds: float
    body_seconds: float

    _timer: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _active: RequestResponseCycle | None = None  # whose answer is next
    _is_within = False  # a request has begun and has not ended
    _is_over = False  # nothing more is read
    _is_lost = False
    _head_bytes = 0
    _idle_bytes = 0  # received since something came of it
    _refusal = "request_malformed"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._allow(self.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._stop_timer()
        self._stop_stall()
        super().connection_lost(exc)

    # -- reading ----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._is_over or self.transport.is_closing():
            return
        if self._idle_bytes > MAX_HEAD_BYTES:
            self._refuse("head_too_large")
        elif self._timer is None and not self._is_within and not self._owes_answer():
            self._allow(self.header_seconds)  # line ends before a request begin none

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(dict[str, Any], self.scope)[IS_GONE] = lambda: self._is_lost
        self._is_within = True
        self._head_bytes = 0
        self._allow(self.header_seconds)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_timer()
        self._idle_bytes = 0
        super().on_headers_complete()
        if self.expect_100_continue:
            self.cycle.keep_alive = False  # whether its body follows a refusal is open

    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_timer()
        self._is_within = False
        self._idle_bytes = 0
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        self._is_over = True  # what follows would be another protocol
        self.cycle.keep_alive = False

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refusal = "head_too_large"
            raise _HeadTooLarge

    # -- answering --------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._active = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_within and self._timer is None and not self._owes_answer():
            self._allow(self.body_seconds)  # the rest of its body is read and thrown away

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_stall()
        self._stall = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stall()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal)

    def _refuse(self, code: str) -> None:
        self._is_over = True
        self._stop_timer()
        is_cut = self.cycle is not None and self.cycle.more_body
        if not self._owes_answer():
            self._answer(code)
        elif self.cycle is not self._active:
            if is_cut:
                self.pipeline.popleft()
            self._end_after_answers()
        elif not is_cut:
            self._end_after_answers()
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._answer(code)

    def _answer(self, code: str) -> None:
        request_id = os.urandom(8).hex()
        response = problem_response(code, request_id=request_id, headers=SECURITY_HEADERS)
        status = response.status_code
        head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        fields = [*self.server_state.default_headers, *response.raw_headers]
        fields += [(b"x-request-id", request_id.encode()), (b"connection", b"close")]
        head += [name + b": " + value for name, value in fields]
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + bytes(response.body))
        self.transport.close()
        facts = {"status": status, "problem": code, "route": UNMATCHED}
        logger().info("request", request_id=request_id, **facts)

    def _owes_answer(self) -> bool:
        return self._active is not None and not self._active.response_complete

    def _end_after_answers(self) -> None:
        last = self.pipeline[0][0] if self.pipeline else self._active
        if last is not None:
            last.keep_alive = False

    # -- time -------------------------------------------------------------------------------

    def _allow(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        self._is_over = True
        if self._owes_answer():
            self._end_after_answers()
        elif not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


def protocol_of(header_seconds: float, body_seconds: float) -> type[PatientProtocol]:
    """`PatientProtocol` with these times."""
    times = {"header_seconds": header_seconds, "body_seconds": body_seconds}
    return type("PatientProtocol", (PatientProtocol,), times)
