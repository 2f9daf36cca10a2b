"""A relay before a server, which keeps every byte that goes through it, in both directions.

Its address stays the same when the server behind it is started again elsewhere. It can be a dead
line for a while.
"""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

READ = 1 << 16
_SECONDS = 120
_TICK = 0.05


class Relay:
    """``url`` is its address. To be closed."""

    def __init__(self, target: str) -> None:
        """Listen on 127.0.0.1, before the server at the address ``target``."""
        self.target = target
        self.is_cut = False
        """While it is, connections are closed at once, those that there are as well."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._streams: list[tuple[str, bytearray]] = []
        self._is_closed = False
        self._serving = threading.Thread(target=self._serve)
        self._serving.start()

    def streams(self) -> list[tuple[str, bytes]]:
        """What went through so far: "requests" or "answers" of a connection, with a number."""
        return [
            (f"{name} {number // 2}", bytes(data))
            for number, (name, data) in enumerate(self._streams)
        ]

    def close(self) -> None:
        """Take no more connections, and cut those that there are."""
        self._is_closed = True
        self._serving.join()

    def _serve(self) -> None:
        threads = []
        with self._listening:
            self._listening.settimeout(_TICK)
            while not self._is_closed:
                try:
                    near, _ = self._listening.accept()
                except TimeoutError:
                    continue
                if self.is_cut:
                    near.close()
                    continue
                thread = threading.Thread(target=self._pass_on, args=(near,))
                thread.start()
                threads.append(thread)
        for thread in threads:
            thread.join()

    def _pass_on(self, near: socket.socket) -> None:
        address = urlsplit(self.target)
        assert address.hostname is not None
        with near:
            try:
                far = socket.create_connection((address.hostname, address.port or 80), _SECONDS)
            except OSError:  # nobody is there: that is what the client is to see
                return
            with far:
                sent, answered = bytearray(), bytearray()
                self._streams += [("requests", sent), ("answers", answered)]
                near.settimeout(_SECONDS)
                far.settimeout(_SECONDS)
                with suppress(OSError):
                    self._shovel({near: (far, sent), far: (near, answered)})

    def _shovel(self, ways: dict[socket.socket, tuple[socket.socket, bytearray]]) -> None:
        """From each to the other, until both have said all."""
        is_open = set(ways)
        while is_open and not (self._is_closed or self.is_cut):
            ready, _, _ = select.select(list(is_open), [], [], _TICK)
            for source in ready:
                sink, kept = ways[source]
                data = source.recv(READ)
                kept += data
                if data:
                    sink.sendall(data)
                else:
                    is_open.discard(source)
                    sink.shutdown(socket.SHUT_WR)
