"""A relay before a server, which keeps every byte that goes through it, in both directions.

Its address stays the same when the server behind it is started again elsewhere.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

READ = 1 << 16
_SECONDS = 120


class Relay:
    """``url`` is its address. To be closed."""

    def __init__(self, target: str) -> None:
        """Listen on 127.0.0.1, before the server at the address ``target``."""
        self.target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._streams: list[tuple[str, bytearray]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def streams(self) -> list[tuple[str, bytes]]:
        """What went through so far: "requests" or "answers" of a connection, with a number."""
        return [
            (f"{name} {number // 2}", bytes(data))
            for number, (name, data) in enumerate(self._streams)
        ]

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            address = urlsplit(self.target)
            assert address.hostname is not None
            assert address.port is not None
            try:
                far = socket.create_connection((address.hostname, address.port), _SECONDS)
            except OSError:  # nobody is there: that is what the client is to see
                near.close()
                continue
            for name, source, sink in (("requests", near, far), ("answers", far, near)):
                kept = bytearray()
                self._streams.append((name, kept))
                threading.Thread(target=_pass_on, args=(source, sink, kept), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
    source.settimeout(_SECONDS)
    try:
        while data := source.recv(READ):
            kept += data
            sink.sendall(data)
    except OSError:
        pass
    # The other direction ends by itself; a peer that is gone is gone for both.
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
    with suppress(OSError):
        source.shutdown(socket.SHUT_RD)
