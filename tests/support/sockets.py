"""HTTP by hand: bytes as they are sent, pieces and pauses included, and the answers to them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 20.0
"""Seconds that a test waits for an answer before it fails."""

READ = 65536


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of the problem that it is."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(self.json()["code"])


class Connection:
    """A connection to a server; answers are read one after the other."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), PATIENCE)
        self._rest = b""

    def send(self, *pieces: bytes, pause: float = 0) -> bool:
        """Send the pieces, ``pause`` seconds apart; False if the other side would take no more."""
        try:
            for number, piece in enumerate(pieces):
                if number:
                    time.sleep(pause)
                self._socket.sendall(piece)
        except OSError:
            return False
        return True

    def answer(self) -> Answer | None:
        """The next one, None if the connection was closed without any."""
        while b"\r\n\r\n" not in self._rest:
            if not self._read():
                assert not self._rest, self._rest
                return None
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in fields:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        status = int(first.split()[1])
        if status == 100:
            return self.answer()
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self._take(int(headers["content-length"]))
        return Answer(status, headers, body)

    def is_closed(self) -> bool:
        """Whether the other side has closed it; waits for that, and for nothing else to come."""
        return not self._rest and not self._read()

    def close(self) -> None:
        """Close it, also under a thread that sends."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _chunks(self) -> Iterator[bytes]:
        while True:
            while b"\r\n" not in self._rest:
                assert self._read(), "the connection was closed within an answer"
            line, _, self._rest = self._rest.partition(b"\r\n")
            size = int(line, 16)
            chunk = self._take(size + 2)[:-2]
            if size == 0:
                return
            yield chunk

    def _take(self, size: int) -> bytes:
        parts, missing = [self._rest], size - len(self._rest)
        while missing > 0:
            before, self._rest = self._rest, b""
            assert self._read(), f"the connection was closed within an answer: {before!r}"
            parts.append(self._rest)
            missing -= len(self._rest)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]

    def _read(self) -> bool:
        try:
            data = self._socket.recv(READ)
        except ConnectionError:
            return False
        self._rest += data
        return bool(data)


@contextmanager
def connection_to(url: str) -> Iterator[Connection]:
    """A connection that is closed in the end."""
    opened = Connection(url)
    try:
        yield opened
    finally:
        opened.close()


def head(method: str, path: str, token: str | None = None, **fields: str | int) -> bytes:
    """A request's line and header fields; names of fields with _ for -."""
    named = {"Host": "test", **({"Authorization": f"Bearer {token}"} if token else {})}
    named |= {name.replace("_", "-"): str(value) for name, value in fields.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked(*pieces: bytes) -> bytes:
    """A body in chunks, whole."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))
