"""The throw-away PostgreSQL is what the tests rely on: not root's, and with a password."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.support import postgres
from tests.support.commands import ROOT
from tests.support.ending import ending_with_us
from tests.support.postgres import OWNER, Cluster, PostgresMissing, find_programs
from tests.support.server import is_running

pytestmark = pytest.mark.integration


def test_it_runs_as_somebody_else_than_root_and_listens_on_loopback_alone(
    cluster: Cluster,
) -> None:
    assert cluster.process is not None
    assert Path(f"/proc/{cluster.process.pid}").stat().st_uid != 0
    with cluster.connect("postgres", is_administrator=True) as connection:
        told = connection.execute("SHOW listen_addresses").fetchone()
        assert told == ("127.0.0.1",)
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)


@pytest.mark.parametrize("password", ["", "wrong"])
def test_it_asks_for_the_password(cluster: Cluster, password: str) -> None:
    name = cluster.fresh_database()
    with cluster.connect(name) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (OWNER,)
        is_super = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        assert connection.execute(is_super).fetchone() == (False,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(
            host="127.0.0.1", port=cluster.port, dbname=name, user=OWNER, password=password
        )
    assert cluster.password not in repr(cluster)


def test_nothing_is_left_of_it(cluster: Cluster) -> None:
    """Of another one: the shared one is still needed."""
    with postgres.postgres_cluster() as made:
        assert made.process is not None
        pid, folder = made.process.pid, made.folder
        assert folder != cluster.folder
        assert is_running(pid)
    assert not is_running(pid)
    assert not folder.exists()


_KILLED = """
from tests.support.postgres import postgres_cluster
with postgres_cluster() as made:
    print(made.process.pid, made.folder, flush=True)
    input()
"""


@pytest.mark.skipif(not ending_with_us("QUIT"), reason="no setpriv (util-linux)")
def test_it_ends_with_tests_that_are_killed(cluster: Cluster) -> None:
    """What SIGKILL, or a time limit, leaves nobody to tidy up."""
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        pid, _, folder = process.stdout.readline().decode().strip().partition(" ")
        try:
            assert is_running(int(pid))
            assert int(pid) != (cluster.process and cluster.process.pid)
        finally:
            process.kill()
    end = time.monotonic() + 20
    while is_running(int(pid)):
        assert time.monotonic() < end
        time.sleep(0.05)
    shutil.rmtree(folder)


def test_without_programs_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgres, "_FOLDERS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PostgresMissing, match="not installed"):
        find_programs()
