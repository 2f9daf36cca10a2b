"""A throw-away PostgreSQL: on 127.0.0.1, a free port, in a temporary folder, never as root.

Passwords are asked for (SCRAM), so that they can be looked for where they should not be. Nothing is
synchronised to the disk, unless asked for: processes are killed here, not the machine.
"""

from __future__ import annotations

import getpass
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from tests.support.ending import ending_with_us

REQUIRED = "CLAIROBSCUR_REQUIRE_POSTGRESQL"
"""Set to anything but nothing: what would be skipped for want of PostgreSQL fails."""

PROGRAMS = ("initdb", "postgres", "pg_dump", "pg_restore")
ACCOUNT = "postgres"
"""Who runs it where the tests run as root, which PostgreSQL refuses to be."""

OWNER = "verifier"
START_SECONDS = 60
_ATTEMPTS = 5
_FOLDERS = Path("/usr/lib/postgresql")


class PostgresMissing(Exception):
    """Why there can be none here."""


def find_programs() -> Path:
    """The folder with PostgreSQL's programs, the newest version's. Raises `PostgresMissing`."""
    found = [path for path in _FOLDERS.glob("*/bin") if path.parent.name.isdecimal()]
    folders = sorted(found, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    for folder in folders:
        if all((folder / program).is_file() for program in PROGRAMS):
            return folder
    raise PostgresMissing("PostgreSQL is not installed (Debian: postgresql)")


def _account() -> dict[str, Any]:
    """The arguments of `subprocess` that make somebody else of root."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        problem = f"PostgreSQL does not run as root, and there is no user {ACCOUNT}"
        raise PostgresMissing(problem) from None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@dataclass
class Cluster:
    """One server process. ``password`` is the owner's, who is no superuser."""

    programs: Path
    folder: Path
    port: int
    administrator: str
    password: str = field(repr=False)
    administrator_password: str = field(repr=False)
    account: dict[str, Any] = field(repr=False)
    is_durable: bool = False
    process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=count, repr=False)

    def url(self, name: str) -> str:
        """The URL of a database as the service takes it, password included."""
        return f"postgresql+psycopg://{OWNER}:{self.password}@127.0.0.1:{self.port}/{name}"

    def fresh_database(self) -> str:
        """The name of a database that nothing is in."""
        name = f"t{next(self._numbers)}"
        with self.connect("postgres", is_administrator=True) as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}".encode())
        return name

    def connect(
        self, name: str, *, is_administrator: bool = False
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection on which every statement commits."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=name,
            user=self.administrator if is_administrator else OWNER,
            password=self.administrator_password if is_administrator else self.password,
            autocommit=True,
        )

    def run(self, program: str, *arguments: str) -> bytes:
        """What one of PostgreSQL's clients prints, connected as the owner."""
        done = subprocess.run(
            [self.programs / program, *arguments],
            capture_output=True,
            check=False,
            timeout=60,
            env={
                "PATH": os.environ["PATH"],
                "LC_ALL": "C.UTF-8",
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.port),
                "PGUSER": OWNER,
                "PGPASSWORD": self.password,
            },
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def start(self) -> None:
        """Start the server on the cluster's port. Raises `OSError` if it ends at once."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on" if self.is_durable else "off",
            "shared_buffers": "32MB",
            "max_connections": "80",
            "log_statement": "none",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *ending_with_us("QUIT"),
                    self.programs / "postgres",
                    "-D",
                    self.folder / "data",
                    *settings,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop it
                **self.account,
            )
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect("postgres", is_administrator=True).close()
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise OSError("PostgreSQL did not start") from None
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it at once, as a crash would (SIGQUIT), or in order (SIGINT)."""
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


@contextmanager
def postgres_cluster(*, is_durable: bool = False) -> Iterator[Cluster]:
    """A cluster that is gone afterwards; ``is_durable`` for measurements, where a flush to the disk
    takes its time. Raises `PostgresMissing`."""
    programs, account = find_programs(), _account()
    folder = Path(tempfile.mkdtemp(prefix="clairobscur-postgres-"))
    try:
        if account:
            os.chown(folder, account["user"], account["group"])
        administrator = ACCOUNT if account else getpass.getuser()
        cluster = Cluster(
            programs,
            folder,
            0,
            administrator,
            password=secrets.token_urlsafe(24),
            administrator_password=secrets.token_urlsafe(24),
            account=account,
            is_durable=is_durable,
        )
        _make_cluster(cluster)
        try:
            _start_somewhere(cluster)
            with cluster.connect("postgres", is_administrator=True) as connection:
                verifier = f"CREATE ROLE {OWNER} LOGIN PASSWORD '{cluster.password}'"
                connection.execute(verifier.encode())
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_cluster(cluster: Cluster) -> None:
    word = cluster.folder / "password"
    word.write_text(cluster.administrator_password)
    if cluster.account:
        os.chown(word, cluster.account["user"], cluster.account["group"])
    word.chmod(0o600)
    done = subprocess.run(
        [
            *(cluster.programs / "initdb", "-D", cluster.folder / "data"),
            *("-U", cluster.administrator, "--pwfile", word, "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
        ],
        capture_output=True,
        check=False,
        timeout=120,
        cwd=cluster.folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        **cluster.account,
    )
    assert done.returncode == 0, done.stderr.decode()
    word.unlink()


def _start_somewhere(cluster: Cluster) -> None:
    for attempt in range(_ATTEMPTS):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            cluster.port = probe.getsockname()[1]
        try:
            cluster.start()
            return
        except OSError:  # somebody else has taken the port since
            if attempt == _ATTEMPTS - 1:
                raise
