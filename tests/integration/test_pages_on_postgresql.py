"""What the insurer's pages count and list is the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from circuits.canonical import canonical_bytes
from tests.support import attesting, crowd, records
from tests.support.postgres import Cluster
from verifier_api.service.administration import TokenRequest, add_contract, create_token
from verifier_api.service.service import ServiceOptions, VerifierService
from verifier_api.store import sessions
from verifier_api.store.checks import check_database
from verifier_api.store.claims import ClaimFilter
from verifier_api.store.database import Database
from verifier_api.store.page_checks import WHERE

pytestmark = pytest.mark.integration

NOW = datetime(2020, 11, 10, 12, tzinfo=UTC)
CONTRACT = records.contract(
    attestations=(attesting.rule("VM3", "VM4", "VM6", "VU1", "VU4", "VU7", within_days=20),)
)
CHOSEN: list[dict[str, Any]] = [
    {},
    {"state": "attestation_overdue"},
    {"state": "expired"},
    {"reason": "expired"},
    {"regroupement": "V04"},
    {"regroupement": "-", "verdict": "granted"},
    {"claim_id": "m-00001"},
    {"claim_id": "M-00001"},
    {"optician_id": "optician-000", "statement": "pair"},
    {"date_from": date(2020, 11, 1), "date_to": date(2020, 11, 3)},
]


@pytest.fixture
def both(cluster: Cluster, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """The same claims in either database."""
    found = records.empty_database(tmp_path), Database(cluster.url(cluster.fresh_database()))
    found[1].upgrade()
    for database in found:
        with database.write() as connection:
            document = canonical_bytes(CONTRACT.model_dump(mode="json"))
            add_contract(connection, document, None, "test", NOW)
        crowd.fill(database, 400, NOW, days=40, contract=CONTRACT)
    yield found
    for database in found:
        database.dispose()


def told(database: Database) -> dict[str, Any]:
    """Everything that the pages ask."""

    async def ask() -> dict[str, Any]:
        service = VerifierService(database, ServiceOptions(), lambda: NOW)
        pages = service.overview
        facts: dict[str, Any] = {
            "summary": await pages.summary(30),
            "refusals": await pages.refusals(30),
            "opticians": await pages.opticians(30),
            "contracts": await pages.contracts(),
            "audits": await pages.audits(),
        }
        for number, chosen in enumerate(CHOSEN):
            first = await pages.claims(ClaimFilter(**chosen), None, 7)
            facts[f"claims {number}"] = first
            if first["next"]:
                facts[f"then {number}"] = await pages.claims(
                    ClaimFilter(**chosen), first["next"], 7
                )
        facts["due"] = await pages.attestations(None, 5)
        facts["then due"] = await pages.attestations(facts["due"]["next"], 5)
        facts["export"] = [part async for part in pages.export(ClaimFilter(verdict="granted"))]
        claim_id = facts["claims 1"]["claims"][0]["claim_id"]
        facts["claim"] = await pages.claim_page(claim_id)
        return facts

    return asyncio.run(ask())


def test_both_databases_tell_the_same(both: tuple[Database, Database]) -> None:
    on_sqlite, on_postgresql = map(told, both)
    assert on_sqlite.keys() == on_postgresql.keys()
    for name, facts in on_sqlite.items():
        assert on_postgresql[name] == facts, name
    assert on_sqlite["summary"]["claims"] > 250
    assert on_sqlite["claims 6"]["total"] > 0 == on_sqlite["claims 7"]["total"]
    assert on_sqlite["due"]["next"] is not None


def test_sessions_are_kept_and_deleted_alike(both: tuple[Database, Database]) -> None:
    for database in both:
        with database.write() as connection:
            made = create_token(connection, TokenRequest(scope="reader"), "test", NOW)
            values = {
                "session_sha256": records.CIRCUIT,
                "token_id": made.token_id,
                "created_at": "2020-11-10T12:00:00Z",
                "expires_at": "2020-11-11T00:00:00Z",
            }
            sessions.insert_session(connection, values)
        found = {entry["where"] for entry in check_database(database)["problems"]}
        assert WHERE not in found
        with database.write() as connection:
            assert sessions.delete_expired(connection, "2020-11-11T00:00:00Z") == 0
            assert sessions.delete_expired(connection, "2020-11-11T00:00:01Z") == 1
            assert sessions.find_session(connection, records.CIRCUIT) is None
