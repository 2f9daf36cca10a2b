"""The insurer's service as a process of its own, and what an insurer has to tell it first."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import sqlalchemy

from optician.client import ServiceClient
from tests.support.commands import ROOT, Done, run_process
from tests.support.ending import ending_with_us
from tests.support.office import Forked
from tests.support.postgres import Cluster
from verifier_api.store.database import Database, sqlite_url

Kind: TypeAlias = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")

START_SECONDS = 60
STOP_SECONDS = 30

SETTINGS = {
    "CLAIROBSCUR_WORKERS": "1",
    "CLAIROBSCUR_RATE_PER_SECOND": "100000",
    "CLAIROBSCUR_RATE_BURST": "100000",
    "CLAIROBSCUR_CONCURRENCY_PER_TOKEN": "1000",
}
"""What tests want unless they say otherwise: one worker, and no limit on what a token may ask."""


@dataclass(frozen=True)
class Store:
    """A database that a server can be started on, and read and written behind its back."""

    kind: Kind
    folder: Path
    url: str = field(repr=False)
    name: str = ""
    cluster: Cluster | None = field(default=None, repr=False)

    @property
    def file(self) -> Path:
        """SQLite's file."""
        assert self.kind == "sqlite"
        return self.folder / "verifier.db"

    def database(self) -> Database:
        """The project's own door to it; to be disposed of."""
        return Database(self.url)

    def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        """Execute one statement in a transaction of its own; the rows, if it has any."""
        database = self.database()
        try:
            with database.write() as connection:
                result = connection.execute(sqlalchemy.text(statement), values)
                return result.all() if result.returns_rows else ()
        finally:
            database.dispose()

    def check(self) -> dict[str, Any]:
        """`verifier database check`: claims and problems. The exit code is told by the problems."""
        done = self.verifier("database", "check", "--json")
        report: dict[str, Any] = json.loads(done.out)
        assert done.code == (1 if report["problems"] else 0), done.err
        return report

    def verifier(self, *arguments: str) -> Done:
        """A command on this database."""
        environment = {"CLAIROBSCUR_DATABASE": self.url}
        return run_process("verifier_api", *arguments, cwd=self.folder, environment=environment)


def fresh_store(kind: Kind, folder: Path, cluster: Cluster | None) -> Store:
    """An empty database; for "postgresql" in that cluster."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "sqlite":
        return Store(kind, folder, sqlite_url(folder / "verifier.db"))
    assert cluster is not None
    name = cluster.fresh_database()
    return Store(kind, folder, cluster.url(name), name, cluster)


# -- processes ----------------------------------------------------------------------------------


def children_of(pid: int) -> list[int]:
    """The processes that ``pid`` has started and that run."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(text) for text in task.read_text().split()]
        except OSError:  # the thread has ended since
            continue
    return found


def is_running(pid: int) -> bool:
    """Whether there is such a process, zombies apart."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _is_worker(pid: int) -> bool:
    """A child that runs our code, not the one that only tidies up after it."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"spawn_main" in command


@dataclass(frozen=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    content: bytes = field(repr=False)

    def json(self) -> Any:
        """Its content."""
        return json.loads(self.content)


@dataclass
class Server:
    """A running server. ``admin_token`` is known if it made the first one itself, or was told."""

    store: Store
    process: subprocess.Popen[bytes] | Forked
    url: str
    admin_token: str = field(repr=False)
    stdout: Path
    stderr: Path
    start_seconds: float
    clients: dict[tuple[int, str], ServiceClient] = field(default_factory=dict, repr=False)
    others: list[ServiceClient] = field(default_factory=list, repr=False)

    def client(self, token: str | None = None, **choices: Any) -> ServiceClient:
        """A client, by default the administrator's, for the thread that asks; closed when the
        server is stopped. Without ``choices`` the same one every time: making one takes long."""
        name = (threading.get_ident(), token or self.admin_token)
        if choices or name not in self.clients:
            made = ServiceClient(self.url, name[1], **choices)
            if choices:
                self.others.append(made)
                return made
            self.clients[name] = made
        return self.clients[name]

    def ask(
        self,
        method: str,
        path: str,
        token: str | None,
        body: bytes | None = None,
        media_type: str = "application/json",
    ) -> Reply:
        """One request as it is, on a connection of its own; the answer as it is."""
        headers = {} if body is None else {"Content-Type": media_type}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        address = urlsplit(self.url)
        assert address.hostname is not None
        with closing(HTTPConnection(address.hostname, address.port, timeout=60)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())

    def worker_ids(self) -> list[int]:
        """The processes that verify proofs."""
        return [pid for pid in children_of(self.process.pid) if _is_worker(pid)]

    def family(self) -> list[int]:
        """The server and all that it has started."""
        return [self.process.pid, *children_of(self.process.pid)]

    def stop(self) -> None:
        """In order (SIGTERM). Raises `AssertionError` unless it ends so."""
        code = self._end(signal.SIGTERM)
        assert code in (0, -signal.SIGTERM), f"exit code {code}: {self.stderr.read_text()[-2000:]}"

    def kill(self) -> None:
        """At once (SIGKILL): nothing of it is finished."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        for client in [*self.clients.values(), *self.others]:
            client.close()
        self.clients.clear()
        self.others.clear()
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the server does not stop") from None


def start_server(
    store: Store,
    admin_token: str | None = None,
    launcher: Sequence[str] = (),
    **settings: str | int | float,
) -> Server:
    """`verifier serve` on any free port, ready when this returns.

    ``settings`` by their names in small letters; ``launcher`` is a module with its arguments that
    runs the command instead of Python itself (`tests.support.launcher`). Raises `AssertionError`
    with its log if it does not start.
    """
    stdout, stderr = streams_in(store)
    chosen = settings_for(store, **settings)
    outside = {
        name: value for name, value in os.environ.items() if not name.startswith("CLAIROBSCUR_")
    }
    start = time.monotonic()
    with stdout.open("wb") as out, stderr.open("wb") as log:
        process = subprocess.Popen(
            [
                *ending_with_us("KILL"),
                *(sys.executable, "-m", *launcher, "verifier_api"),
                *("serve", "--json", "--port", "0"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            cwd=store.folder,
            env=outside | {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"} | chosen,
        )
    return when_ready(store, process, admin_token, (stdout, stderr), start)


def streams_in(store: Store) -> tuple[Path, Path]:
    """Names of the files for the output and the log of the next server."""
    number = len(list(store.folder.glob("stdout-*")))
    return store.folder / f"stdout-{number}", store.folder / f"stderr-{number}"


def settings_for(store: Store, **settings: str | int | float) -> dict[str, str]:
    """The environment that tells a server its settings."""
    chosen = {f"CLAIROBSCUR_{name.upper()}": str(value) for name, value in settings.items()}
    return {"CLAIROBSCUR_DATABASE": store.url} | SETTINGS | chosen


def when_ready(
    store: Store,
    process: subprocess.Popen[bytes] | Forked,
    admin_token: str | None,
    streams: tuple[Path, Path],
    start: float,
) -> Server:
    """The server, when it says that it is ready. Raises `AssertionError` with its log."""
    stdout, stderr = streams
    while b"\n" not in (line := stdout.read_bytes()):
        if process.poll() is not None or time.monotonic() > start + START_SECONDS:
            process.kill()
            process.wait()
            raise AssertionError(f"the server did not start: {stderr.read_text()}")
        time.sleep(0.01)
    said = json.loads(line)
    token = said["admin_token"] or admin_token or ""
    return Server(store, process, said["url"], token, stdout, stderr, time.monotonic() - start)
