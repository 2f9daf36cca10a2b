"""A shop with its key, and a console in its folder; servers, and databases for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.commands import Console
from tests.support.insurer import Insurer
from tests.support.postgres import REQUIRED, Cluster, PostgresMissing, postgres_cluster
from tests.support.server import KINDS, Kind, Server, Store, fresh_store, start_server


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Console:
    """A console in an empty folder."""
    return Console(monkeypatch, tmp_path)


@pytest.fixture
def shop(console: Console) -> Console:
    """A console in a folder with key.json and keys.json."""
    done = console.optician("keygen", "shop-1", "--out", "key.json", "--public", "keys.json")
    assert done.code == 0, done.err
    return console


# -- servers ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL for the whole run."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(postgres_cluster())
        except PostgresMissing as error:
            if os.environ.get(REQUIRED):
                pytest.fail(f"{REQUIRED} is set, and there is no PostgreSQL: {error}")
            pytest.skip(f"no PostgreSQL: {error}")
        yield made


@pytest.fixture(scope="session", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Every test that asks for it runs on each kind of database."""
    chosen: Kind = request.param
    if chosen == "postgresql":
        request.getfixturevalue("cluster")
    return chosen


MakeStore = Callable[[], Store]


@pytest.fixture(scope="session")
def make_store(
    kind: Kind, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> MakeStore:
    """Makes empty databases."""

    def make() -> Store:
        cluster = request.getfixturevalue("cluster") if kind == "postgresql" else None
        return fresh_store(kind, tmp_path_factory.mktemp(kind), cluster)

    return make


StartServer = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[StartServer]:
    """Starts servers that end with the test: `start_server`."""
    with ExitStack() as stack:

        def start_one(store: Store, admin_token: str | None = None, **settings: object) -> Server:
            server = start_server(store, admin_token, **settings)  # type: ignore[arg-type]
            stack.callback(server.kill)
            return server

        yield start_one


@pytest.fixture(scope="session")
def insurer(make_store: MakeStore) -> Iterator[Insurer]:
    """A server that knows contracts, tables and an optician; shared, so tests bring their own
    beneficiaries and, where they list or revoke, opticians."""
    server = start_server(make_store())
    try:
        yield Insurer(server)
        server.stop()
        assert server.store.check()["problems"] == []
    finally:
        server.kill()
