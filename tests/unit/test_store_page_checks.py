"""The database's check of classes, judgements and sessions. Each case mutates what is in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from circuits.canonical import encode_base64url
from tests.support import records
from verifier_api.service.administration import TokenRequest, create_token
from verifier_api.service.judging import ENVELOPE_STEPS, Judging
from verifier_api.service.proofs import ProofVerdict
from verifier_api.service.recording import record_claims
from verifier_api.store import sessions
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database
from verifier_api.store.page_checks import WHERE

SESSION = encode_base64url(bytes(32))
END = "2020-10-06T21:30:00Z"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A claim that was granted, one that was refused, one that was not measured; a session."""
    opened = records.database_with_rights(tmp_path)
    judging = Judging(envelope=dict.fromkeys(ENVELOPE_STEPS, 0.1))
    judging.ask()
    judging.answer()
    proof = ProofVerdict(None, "", records.CIRCUIT, (1, 2, 3), 4)
    bad = replace(proof, reason="proof_invalid")
    made = {
        "granted": replace(
            records.examined(records.claim("granted"), proof=proof), judging=judging
        ),
        "refused": replace(
            records.examined(records.claim("refused", beneficiary=records.CHILD), proof=bad),
            judging=judging,
        ),
        "unmeasured": records.examined(records.claim("unmeasured", statement="line")),
    }
    with opened.write() as connection:
        record_claims(connection, list(made.values()), records.NOW)
        token = create_token(connection, TokenRequest(scope="reader"), "test", records.NOW)
        sessions.insert_session(
            connection,
            {
                "session_sha256": SESSION,
                "token_id": token.token_id,
                "created_at": records.INSTANT,
                "expires_at": END,
            },
        )
    yield opened
    opened.dispose()


def problems(database: Database) -> list[tuple[str, str]]:
    return [(entry["where"], entry["problem"]) for entry in check_database(database)["problems"]]


def change(database: Database, statement: str, **values: Any) -> None:
    with database.write() as connection:
        connection.execute(text(statement), values)


def test_what_is_in_order_has_no_problem(database: Database) -> None:
    assert problems(database) == []
    assert [row["judging"] is None for row in records.rows(database, "claims")] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("claim_id", "column", "value", "problem"),
    [
        ("granted", "classes", "VM4 VM4 M01", "classes is not the envelope's"),
        ("granted", "classes", "", "classes is not the envelope's"),
        ("granted", "latency_us", None, "judging and its latency are not there both, or neither"),
        ("unmeasured", "latency_us", 5, "judging and its latency are not there both, or neither"),
        ("granted", "judging", None, "judging and its latency are not there both, or neither"),
        ("granted", "latency_us", -1, "the latency is negative"),
        ("granted", "batch_size", 0, "the batch has no claim in it"),
        ("granted", "judging", "{", "judging is none"),
        ("granted", "judging", "[]", "judging is none"),
        ("granted", "judging", '{"steps":[]}', "judging is none"),
    ],
)
def test_a_column_that_does_not_fit_is_named(
    database: Database, claim_id: str, column: str, value: object, problem: str
) -> None:
    statement = f"UPDATE claims SET {column} = :value WHERE claim_id = :claim_id"
    change(database, statement, value=value, claim_id=claim_id)
    assert problems(database) == [(claim_id, problem)]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"outcome": "failed"}, "no step of judging fits the verdict"),
        ({"outcome": "perhaps"}, "judging is none"),
        ({"us": -1}, "judging is none"),
        ({"us": "3"}, "judging is none"),
        ({"step": "signature"}, "judging is none"),
    ],
)
def test_a_step_that_does_not_fit_is_named(
    database: Database, changes: dict[str, object], problem: str
) -> None:
    (row, *_) = records.rows(database, "claims")
    judging = json.loads(row["judging"])
    judging["steps"][0] |= changes
    statement = "UPDATE claims SET judging = :value WHERE claim_id = 'granted'"
    change(database, statement, value=json.dumps(judging))
    assert problems(database) == [("granted", problem)]


def test_a_refused_claim_has_a_step_that_failed(database: Database) -> None:
    granted, _, _ = records.rows(database, "claims")
    statement = "UPDATE claims SET judging = :value WHERE claim_id = 'refused'"
    change(database, statement, value=granted["judging"])
    assert problems(database) == [("refused", "no step of judging fits the verdict")]


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("session_sha256", "a session", "a session is not named by a digest"),
        ("token_id", "0000000000000000", "a session's token is not there"),
        ("expires_at", "2020-10-06T21:30:01Z", "a session has no period that sessions have"),
        ("expires_at", "2020-10-06T09:29:59Z", "a session has no period that sessions have"),
        ("created_at", "yesterday", "a session has no period that sessions have"),
    ],
)
def test_a_session_that_does_not_fit_is_named(
    database: Database, column: str, value: str, problem: str
) -> None:
    change(database, f"UPDATE page_sessions SET {column} = :value", value=value)
    assert problems(database) == [(WHERE, problem)]
