"""The throw-away PostgreSQL is what the tests rely on: not root's, and with a password."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.support import postgres
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


def test_without_programs_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgres, "_FOLDERS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PostgresMissing, match="not installed"):
        find_programs()
