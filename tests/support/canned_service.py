"""A server on this machine that gives the answers it was told, for the optician's commands."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Canned:
    """One answer."""

    status: int = 200
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any, status: int = 200, **headers: str) -> Canned:
        """JSON."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, json.dumps(document).encode(), named)


@dataclass(frozen=True)
class Seen:
    """One request."""

    line: str
    body: bytes
    headers: Mapping[str, str]


class CannedService:
    """``told`` are the answers in turn, the last one for ever; ``seen`` what was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.told: list[Canned] = []
        self.seen: list[Seen] = []

    def tell(self, *answers: Canned) -> None:
        """From now on."""
        self.told = list(answers)

    def answer(self, seen: Seen) -> Canned:
        """To one request."""
        self.seen.append(seen)
        return self.told.pop(0) if len(self.told) > 1 else self.told[0]


@contextmanager
def serving() -> Iterator[CannedService]:
    """A service on a free port of 127.0.0.1, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            seen = Seen(f"{self.command} {self.path}", body, dict(self.headers.items()))
            canned = service.answer(seen)
            self.send_response(canned.status)
            self.send_header("Content-Length", str(len(canned.content)))
            for name, value in canned.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(canned.content)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service = CannedService(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
