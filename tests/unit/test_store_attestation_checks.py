"""Whatever of attestations does not fit together in a database is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from circuits.attestation import Attestation, Duty
from circuits.canonical import canonical_bytes
from circuits.claim import Claim, encode_instant
from circuits.contract import Contract
from circuits.signed import encode_signed, signed_digest
from tests.support import attesting, records
from tests.support.attesting import LAB, OTHER_LAB, TRUST, attestation, rule
from tests.support.records import INSTANT, NOW
from verifier_api.service.access import Principal
from verifier_api.service.administration import COMMAND, add_contract
from verifier_api.service.attestations import take_attestation
from verifier_api.service.directory import Snapshot
from verifier_api.service.notices import Decision, Step, take_decision
from verifier_api.service.recording import record_claims
from verifier_api.store import claims as store
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database
from verifier_api.store.schema import attestations

BOTH = (LAB, OTHER_LAB)
CONTRACT = records.contract(
    attestations=(
        rule("VM4"),
        rule("VM4", within_days=10, attesters=BOTH),
        rule("VM4", within_days=30, slots=("code", "price"), attesters=(OTHER_LAB,)),
    )
)
SHOP = Principal("token-shop", "optician", records.SHOP)
ADMIN = Principal("token-admin", "admin")
OVER = NOW + timedelta(days=10, seconds=1)
MADE: dict[str, Attestation] = {}


def duties(contract: Contract) -> tuple[Duty, ...]:
    return tuple(
        Duty(line, place, entry.attesters, entry.slots, entry.within_days)
        for line in (1, 2)
        for place, entry in enumerate(contract.attestations)
    )


def step(name: str, principal: Principal = SHOP) -> Step:
    return Step(name, principal, Snapshot(0, [], [], {}, {}), OVER)


def _record(database: Database, claim: Claim, *given: Attestation) -> None:
    item = records.examined(claim, of_contract=CONTRACT)
    whole = replace(item, duties=duties(CONTRACT), attestations=given)
    with database.write() as connection:
        (answer,) = record_claims(connection, [whole], NOW, TRUST)
    assert isinstance(answer, str)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Claims with attestations: one complete but for a price, one overdue, one decided on, one
    pending, one refused."""
    opened = records.database_with_rights(tmp_path)
    document = canonical_bytes(CONTRACT.model_dump(mode="json"))
    with opened.write() as connection:
        add_contract(connection, document, None, COMMAND, NOW)
    day = records.DAY
    claims: dict[str, dict[str, Any]] = {
        "waiting": {},
        "overdue": {"beneficiary": records.CHILD},
        "decided": {"date_of_service": day.replace(year=2023), "expires_at": NOW},
        "pending": {"early_renewal_ground": "change_of_vision"},
        "refused": {"beneficiary": records.STRANGER},
    }
    for name, more in claims.items():
        claim = records.claim(name, of_contract=CONTRACT, **more)
        _record(opened, claim, *(attestation(claim, line) for line in (1, 2)))
    claim = records.claim("waiting-2", statement="line", of_contract=CONTRACT)
    with opened.write() as connection:
        one = replace(
            records.examined(claim, of_contract=CONTRACT),
            duties=duties(CONTRACT)[1:2],
        )
        record_claims(connection, [one], NOW, TRUST)
        later = attestation(claim, by=OTHER_LAB, attested=("code", "price"))
        MADE["later"] = later
        at = replace(step("waiting-2"), now=NOW)
        take_attestation(connection, at, later, CONTRACT, TRUST)
        connection.exec_driver_sql(
            "UPDATE attestation_duties SET due_at = '2020-10-16T09:30:00Z', "
            "attestation_digest = NULL WHERE claim_id = 'overdue' AND line = 1 AND rule = 1"
        )
        connection.exec_driver_sql(
            "UPDATE attestation_duties SET attestation_digest = NULL "
            "WHERE claim_id = 'decided' AND line = 1 AND rule = 1"
        )
        connection.exec_driver_sql(
            "UPDATE claims SET attest_by = '2020-10-16T09:30:00Z' "
            "WHERE claim_id IN ('overdue', 'decided')"
        )
        assert store.mark_attestations_overdue(connection, encode_instant(OVER), "overdue") == 1
        decision = {"decision": "grant", "note": ""}
        data = canonical_bytes(decision)
        made = Decision.model_validate(decision)
        take_decision(connection, step("decided", ADMIN), made, data, CONTRACT)
    yield opened
    opened.dispose()


def test_a_database_in_order_has_no_problems(database: Database) -> None:
    states = {row["claim_id"]: row["state"] for row in records.rows(database, "claims")}
    assert states == {
        "waiting": "granted",
        "overdue": "attestation_overdue",
        "decided": "granted",
        "pending": "pending",
        "refused": "refused",
        "waiting-2": "granted",
    }
    assert check_database(database) == {"claims": 6, "problems": []}


def of(name: str, assignment: str, table: str = "attestations", more: str = "") -> str:
    return f"UPDATE {table} SET {assignment} WHERE claim_id = '{name}'{more}"


def duty(name: str, assignment: str, line: int = 1, place: int = 0) -> str:
    return of(name, assignment, "attestation_duties", f" AND line = {line} AND rule = {place}")


FIRST = " AND line = 1"
OTHER = "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'"
NOT_DUE = "attest_by is not what is due first"
WRONG_TIME = "an attestation is due at another instant than the contract says"
NO_EVENT = "an attestation and its event are not there both, or neither"
NOT_MET = "what was asked for is met by no attestation of its line"

CORRUPTIONS: dict[str, tuple[list[str], str, str]] = {
    "a document that is none": (
        [of("waiting", "document = CAST('{}' AS BLOB)", more=FIRST)],
        "waiting",
        "an attestation is none",
    ),
    "another attestation's document": (
        [
            "UPDATE attestations SET document = (SELECT document FROM attestations "
            "WHERE claim_id = 'waiting' AND line = 2) WHERE claim_id = 'waiting' AND line = 1"
        ],
        "waiting",
        "the digest is not the attestation's",
    ),
    **{
        f"another {name}": (
            [of("waiting-2", f"{name} = {value}")],
            "waiting-2",
            f"{name} is not the attestation's",
        )
        for name, value in {
            "line": "3",
            "attester_id": "'lab-9'",
            "record": "'AAAAAAAAAAAAAAAAAAAAAA'",
        }.items()
    },
    "another claim's": (
        ["UPDATE attestations SET claim_id = 'refused' WHERE claim_id = 'waiting-2'"],
        "refused",
        "claim_id is not the attestation's",
    ),
    "of no line of the claim": (
        ["UPDATE attestations SET claim_id = 'refused' WHERE claim_id = 'waiting-2'"],
        "refused",
        "an attestation is of no line of the claim",
    ),
    "of a claim that was refused": (
        ["UPDATE attestations SET claim_id = 'refused' WHERE claim_id = 'waiting-2'"],
        "refused",
        "attestations of a claim that was refused at once",
    ),
    "another answer": (
        [of("waiting-2", "answer = '{}'")],
        "waiting-2",
        "the answer is another attestation's",
    ),
    "an answer that is no JSON": (
        [of("waiting-2", "answer = 'yes'")],
        "waiting-2",
        "the answer is another attestation's",
    ),
    "an attestation less": (
        ["DELETE FROM attestations WHERE claim_id = 'waiting-2'"],
        "waiting-2",
        NO_EVENT,
    ),
    "a duty met by what is gone": (
        ["DELETE FROM attestations WHERE claim_id = 'waiting-2'"],
        "waiting-2",
        NOT_MET,
    ),
    "an event less": (
        ["DELETE FROM events WHERE claim_id = 'waiting-2' AND kind = 'attested'"],
        "waiting-2",
        NO_EVENT,
    ),
    "met by another line's": (
        [
            "UPDATE attestation_duties SET attestation_digest = (SELECT digest FROM attestations "
            "WHERE claim_id = 'waiting' AND line = 2) WHERE claim_id = 'waiting' AND line = 1"
        ],
        "waiting",
        NOT_MET,
    ),
    "met by less than is asked for": (
        [
            "UPDATE attestation_duties SET attestation_digest = (SELECT digest FROM attestations "
            "WHERE claim_id = 'waiting' AND line = 1) "
            "WHERE claim_id = 'waiting' AND line = 1 AND rule = 2"
        ],
        "waiting",
        "an attestation is not what the contract asks for",
    ),
    "what had to come with the claim": (
        [duty("waiting", "attestation_digest = NULL")],
        "waiting",
        "an attestation that had to come with the claim is missing",
    ),
    "a longer time": (
        [duty("waiting", "due_at = '2020-12-05T09:30:00Z'", place=2)],
        "waiting",
        WRONG_TIME,
    ),
    "no time limit any more": ([duty("waiting", "due_at = NULL", place=2)], "waiting", WRONG_TIME),
    "a time limit before the grant": (
        [duty("pending", "due_at = '2020-12-05T09:30:00Z'", place=2)],
        "pending",
        WRONG_TIME,
    ),
    "a line that is none": (
        [duty("waiting", "line = 5", place=2)],
        "waiting",
        "an attestation is asked for no line of the claim",
    ),
    "a rule that is none": (
        [duty("waiting", "rule = 5", place=2)],
        "waiting",
        "an attestation is asked for by no rule of the contract",
    ),
    "nothing is due any more": ([of("waiting", "attest_by = NULL", "claims")], "waiting", NOT_DUE),
    "due later": (
        [of("waiting", "attest_by = '2021-11-05T09:30:00Z'", "claims")],
        "waiting",
        NOT_DUE,
    ),
    "due after the insurer went without": (
        [of("decided", "attest_by = '2020-10-16T09:30:00Z'", "claims")],
        "decided",
        NOT_DUE,
    ),
    "overdue by hand": (
        [of("waiting", "state = 'attestation_overdue', deadline = NULL", "claims")],
        "waiting",
        "attestation_overdue is not where its events lead",
    ),
    "overdue without event": (
        ["DELETE FROM events WHERE claim_id = 'overdue' AND kind = 'attestation_overdue'"],
        "overdue",
        "attestation_overdue and its event are not there both, or neither",
    ),
    "overdue no longer": (
        [
            of("overdue", f"state = 'granted', deadline = '{INSTANT}'", "claims"),
        ],
        "overdue",
        "granted is not where its events lead",
    ),
    "a decision less": (
        ["DELETE FROM notices WHERE claim_id = 'decided'"],
        "decided",
        "attestation_decision and its event are not there both, or neither",
    ),
    "one record behind two lines": (
        [
            "UPDATE attestations SET record = (SELECT record FROM attestations "
            "WHERE claim_id = 'waiting' AND line = 2) WHERE claim_id = 'waiting' AND line = 1"
        ],
        "waiting",
        "an attester's record stands behind several lines",
    ),
    "an attestation of no claim": (
        ["UPDATE attestations SET claim_id = 'nobody' WHERE claim_id = 'waiting-2'"],
        "sqlite",
        "attestations",
    ),
}
"""By name: statements, where the problem is named, and how."""


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_corruption_is_named(database: Database, name: str) -> None:
    statements, where, problem = CORRUPTIONS[name]
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount >= 1, statement
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
    problems = check_database(database)["problems"]
    assert any(
        entry["where"] == where
        and (entry["problem"] == problem or (where == "sqlite" and problem in entry["problem"]))
        for entry in problems
    ), problems
    told = str(problems)
    assert signed_digest(MADE["later"]) not in told
    assert MADE["later"].record not in told


def test_an_attestation_of_another_claim_with_that_id_is_named(database: Database) -> None:
    """Mutates the digest of the claim in an attestation that is in order."""
    made = MADE["later"]
    other = made.model_copy(update={"claim_digest": "A" * 43})
    values = {
        "document": encode_signed(other),
        "digest": signed_digest(other),
        "answer": json.dumps({"attestation_digest": signed_digest(other)}),
    }
    before = check_database(database)["problems"]
    assert before == []
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        query = update(attestations).where(attestations.c.digest == signed_digest(made))
        assert connection.execute(query.values(values)).rowcount == 1
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
    problems = [entry["problem"] for entry in check_database(database)["problems"]]
    assert "an attestation is of no line of the claim" in problems


def test_without_the_contract_only_its_rules_are_not_looked_at(database: Database) -> None:
    with database.engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM contracts")
        connection.exec_driver_sql(duty("waiting", "rule = 5", place=2))
    assert check_database(database)["problems"] == []
    with database.engine.connect() as connection:
        connection.exec_driver_sql(duty("waiting", f"attestation_digest = {OTHER}", place=1))
    assert {"where": "waiting", "problem": NOT_MET} in check_database(database)["problems"]


def test_keys_are_the_same_in_a_process() -> None:
    assert attesting.key_of(LAB) is attesting.key_of(LAB, 0)
    assert attesting.key_of(LAB) is not attesting.key_of(LAB, 1)
