"""The yardstick of the service: a FastAPI route that does nothing but store a body durably.

Same server, same settings of SQLite (write-ahead log, flushed at every commit), one transaction a
request in a thread, as such routes are usually written. ``python -m bench.bare FILE`` serves it on
a free port and prints that.
"""

from __future__ import annotations

import socket
import sqlite3
import sys
import threading

import uvicorn
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool

ROUTE = "/store"


def make_app(path: str) -> FastAPI:
    """``POST /store`` answers after the body is on disk."""
    app = FastAPI(docs_url=None, redoc_url=None)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    turn = threading.Lock()

    def store(body: bytes) -> int:
        with turn:
            database.execute("BEGIN IMMEDIATE")
            number = database.execute("INSERT INTO bodies (body) VALUES (?)", (body,)).lastrowid
            database.execute("COMMIT")
        return number or 0

    @app.post(ROUTE)
    async def post(request: Request) -> dict[str, int]:
        body = await request.body()
        return {"id": await run_in_threadpool(store, body)}

    return app


def main() -> None:
    """Serve until killed."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        make_app(sys.argv[1]), log_config=None, access_log=False, http="httptools", ws="none"
    )
    server = uvicorn.Server(config)
    print(opened.getsockname()[1], flush=True)
    server.run(sockets=[opened])


if __name__ == "__main__":
    main()
