"""Requests as the pages' code takes them, without a server."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from starlette.requests import Request


def request_of(
    headers: Sequence[tuple[str, str]] = (),
    method: str = "GET",
    body: Sequence[bytes] = (),
    is_cut: bool = False,
) -> Request:
    """A request with these headers, its body in these parts; ``is_cut``: the client goes away."""
    parts = list(body)

    async def receive() -> MutableMapping[str, Any]:
        if parts:
            more = bool(parts[1:]) or is_cut
            return {"type": "http.request", "body": parts.pop(0), "more_body": more}
        if is_cut:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "method": method, "path": "/", "headers": raw}, receive)
