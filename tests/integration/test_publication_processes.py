"""Trust list and publications in server processes, on each kind of database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.claim import encode_claim
from circuits.contract import Contract
from circuits.nomenclature import Nomenclature
from optician.client import ServiceProblem
from tests.integration.conftest import MakeStore, StartServer
from tests.support import claims as samples
from tests.support.insurer import SECOND_TABLE, SECOND_VERSION, Insurer, contracts
from tests.support.publishing import party, publication, trust_bytes, write_trust
from tests.support.server import Server
from tests.support.tables import limits_table

pytestmark = pytest.mark.integration

SOON = 10.0
"""Within about a second a process knows; the rest is for a machine that is busy."""


def wait_until(is_so: Callable[[], bool]) -> None:
    start = time.monotonic()
    while not is_so():
        assert time.monotonic() - start < SOON
        time.sleep(0.05)


def test_every_process_learns_of_publications_and_of_a_list_that_changes(
    make_store: MakeStore, start: StartServer, tmp_path: Path
) -> None:
    path = write_trust(tmp_path / "trust.json", party("auditor-1", "auditor").public_entry())
    first = start(make_store(), trust=path)
    second = start(first.store, first.admin_token, trust=path)
    insurer = Insurer(first)
    data = encode_claim(insurer.claim("line"))

    def reasons() -> list[str | None]:
        """What each process says of the same claim."""
        answers: list[Any] = [
            server.ask("POST", "/v1/proofs/verify", insurer.shop.token, data).json()
            for server in (first, second)
        ]
        return [answer["reason"] for answer in answers]

    def says_trust(expected: bool) -> bool:
        return all(
            server.client().readiness().checks["trust"] is expected for server in (first, second)
        )

    # Nobody publishes: everything may be proved by.
    assert reasons() == [None, None]
    with pytest.raises(ServiceProblem) as refused:
        insurer.admin.add_publication(publication(samples.contract()))
    assert (refused.value.code, refused.value.reason) == ("publication_refused", "key_unknown")
    write_trust(path, party().public_entry())
    wait_until(lambda: reasons() == ["contract_unpublished"] * 2)
    # What one process records the other knows when it is asked.
    for server, document in ((first, samples.contract()), (second, samples.nomenclature())):
        server.client().add_publication(publication(document))
    assert reasons() == [None, None]
    versions: list[tuple[Contract | Nomenclature, date]] = [
        (contracts()["second version"], SECOND_VERSION),
        (limits_table(), SECOND_TABLE),
    ]
    made = [publication(version, in_force_from=day.isoformat()) for version, day in versions]
    for one in made:
        assert insurer.admin.add_publication(one).publication["digest"] == one.digest
    wait_until(lambda: all(second.client().publications(one.digest) == (one,) for one in made))
    # A list that breaks is told and changes nothing.
    path.write_bytes(trust_bytes()[:-1])
    wait_until(lambda: says_trust(False))
    assert reasons() == [None, None]
    # A key that was stolen yesterday.
    yesterday = datetime.now(UTC) - timedelta(days=1)
    write_trust(path, party().public_entry(revoked_at=yesterday))
    wait_until(lambda: reasons() == ["contract_unpublished"] * 2)
    assert says_trust(True)
    assert first.store.check()["problems"] == []


def test_a_server_does_not_start_with_a_bad_list(
    make_store: MakeStore, start: StartServer, tmp_path: Path
) -> None:
    path = tmp_path / "trust.json"
    path.write_bytes(b"{}")
    with pytest.raises(AssertionError, match="trust list: "):
        start(make_store(), trust=path)
    write_trust(path)
    server: Server = start(make_store(), trust=path)
    assert server.client().readiness().checks["trust"] is True
