"""Whatever does not fit together in a database is named. Each case mutates one that is in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from circuits.canonical import canonical_bytes
from circuits.notices import encode_cancellation, encode_invoice
from optician.notices import make_cancellation, make_invoice
from tests.support import records
from tests.support.records import DAY, NOW, examined
from verifier_api.service.access import Principal
from verifier_api.service.directory import RegisteredKey, Snapshot
from verifier_api.service.notices import (
    Decision,
    Step,
    take_cancellation,
    take_decision,
    take_invoice,
)
from verifier_api.service.recording import record_claims
from verifier_api.store import checks
from verifier_api.store import claims as store
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database, StorageError

SHOP = Principal("token-shop", "optician", records.SHOP)
ADMIN = Principal("token-admin", "admin")
LATER = NOW + timedelta(hours=1)

STATES = {
    "granted": "granted",
    "refused": "refused",
    "pending": "pending",
    "payable": "payable",
    "cancelled": "cancelled",
    "expired": "expired",
    "decided": "granted",
    "declined": "refused",
    "delivered": "payable",
    "line": "granted",
}
"""The claims of the database by id, and the state of each."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A claim in each state, in order."""
    opened = records.database_with_rights(tmp_path)
    _fill(opened)
    yield opened
    opened.dispose()


def _fill(database: Database) -> None:
    ground: dict[str, Any] = {"early_renewal_ground": "change_of_vision"}
    child: dict[str, Any] = {"beneficiary": records.CHILD}
    made = {
        "cancelled": records.claim("cancelled", **child),
        "expired": records.claim("expired", **child),
        "granted": records.claim("granted"),
        "payable": records.claim("payable", date_of_service=DAY + timedelta(days=800)),
        "refused": records.claim("refused"),
        "pending": records.claim("pending", **ground),
        "decided": records.claim("decided", **ground),
        "declined": records.claim("declined", **ground),
        "delivered": records.claim("delivered", **ground),
        "line": records.claim("line", statement="line"),
    }
    shop = records.shop()
    key = RegisteredKey(
        shop.key_id,
        shop.optician_id,
        shop.public_entry()["public_key"],
        date.min,
        date.max,
        records.INSTANT,
        None,
    )
    keys = Snapshot(0, [], [], {key.key_id: key}, {})

    def step(name: str, principal: Principal = SHOP) -> Step:
        return Step(name, principal, keys, NOW if principal is ADMIN else LATER)

    with database.write() as connection:

        def decide(name: str, decision: str) -> None:
            document = {"decision": decision, "note": ""}
            data = canonical_bytes(document)
            taken = Decision.model_validate(document)
            take_decision(connection, step(name, ADMIN), taken, data, records.contract())

        def deliver(name: str) -> None:
            day = made[name].date_of_service
            invoice = make_invoice(made[name], shop, day)
            at = Step(name, SHOP, keys, max(LATER, NOW + (day - NOW.date())))
            take_invoice(connection, at, invoice, encode_invoice(invoice))

        old = NOW - timedelta(days=100)
        cancellation = make_cancellation(made["cancelled"], shop)
        record_claims(connection, [examined(made["cancelled"])], old)
        data = encode_cancellation(cancellation)
        take_cancellation(connection, Step("cancelled", SHOP, keys, old), cancellation, data)
        record_claims(connection, [examined(made["expired"])], old)
        store.expire_overdue(connection, records.INSTANT)
        record_claims(connection, [examined(made["granted"]), examined(made["refused"])], NOW)
        for name in ("payable", "pending", "decided", "declined", "delivered", "line"):
            record_claims(connection, [examined(made[name])], NOW)
        for name, decision in (
            ("decided", "grant"),
            ("declined", "refuse"),
            ("delivered", "grant"),
        ):
            decide(name, decision)
        connection.execute(
            text("UPDATE claims SET deadline = '2030-01-01T00:00:00Z' WHERE claim_id = 'payable'")
        )
        deliver("payable")
        deliver("delivered")


def test_a_database_in_order_has_no_problems(database: Database) -> None:
    states = {row["claim_id"]: row["state"] for row in records.rows(database, "claims")}
    assert states == STATES
    assert check_database(database) == {"claims": len(STATES), "problems": []}


def test_an_empty_database_has_none_either(tmp_path: Path) -> None:
    empty = records.empty_database(tmp_path)
    assert check_database(empty) == {"claims": 0, "problems": []}
    empty.dispose()


def test_a_database_without_tables_cannot_be_checked(tmp_path: Path) -> None:
    bare = Database(f"sqlite:///{tmp_path}/bare.db")
    with pytest.raises(StorageError, match=r"\(OperationalError\)$"):
        check_database(bare)
    bare.dispose()


@pytest.mark.parametrize("chunk", [1, 3])
def test_it_goes_on_to_the_last_claim(
    database: Database, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(checks, "CHUNK", chunk)
    assert check_database(database)["claims"] == len(STATES)
    mutate(database, "UPDATE claims SET optician_id = 'x' WHERE claim_id = 'line'")
    assert check_database(database)["problems"] == [
        {"where": "line", "problem": "optician_id is not the envelope's"}
    ]


# -- everything that can be amiss ---------------------------------------------------------------


def mutate(database: Database, *statements: str) -> None:
    """As somebody at the database's own command line would, unhindered."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        for statement in statements:
            changed = connection.exec_driver_sql(statement)
            assert changed.rowcount >= 1, statement
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def of(name: str, assignment: str, table: str = "claims") -> str:
    return f"UPDATE {table} SET {assignment} WHERE claim_id = '{name}'"


AT = "2020-10-06T10:30:00Z"


def event(name: str, kind: str) -> str:
    return (
        "INSERT INTO events (at, kind, claim_id, actor, facts) "
        f"VALUES ('{AT}', '{kind}', '{name}', 'somebody', '{{}}')"
    )


def move(name: str, state: str, deadline: str = "NULL") -> str:
    return of(name, f"state = '{state}', deadline = {deadline}")


OTHER = "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'"

CORRUPTIONS: dict[str, tuple[list[str], str, str]] = {
    # the row against its envelope
    "an envelope that is none": (
        [of("granted", "envelope = CAST('{}' AS BLOB)")],
        "granted",
        "the envelope is no claim",
    ),
    "a byte more in the envelope": (
        [of("granted", "envelope = CAST(envelope || ' ' AS BLOB)")],
        "granted",
        "the envelope is no claim",
    ),
    "another claim's envelope": (
        [of("granted", "envelope = (SELECT envelope FROM claims WHERE claim_id = 'line')")],
        "granted",
        "the digest is not the envelope's",
    ),
    "another digest": (
        [of("granted", f"claim_digest = {OTHER}")],
        "granted",
        "the digest is not the envelope's",
    ),
    **{
        f"another {name}": (
            [of("granted", f"{name} = '{value}'")],
            "granted",
            f"{name} is not the envelope's",
        )
        for name, value in {
            "optician_id": "optician-2",
            "contract_id": "another",
            "statement": "pair",
            "beneficiary": records.CHILD,
            "date_of_service": "2020-10-04",
        }.items()
    },
    "another amount": (
        [of("granted", "granted_frame_cents = 9999")],
        "granted",
        "the amounts are not the envelope's",
    ),
    "an amount less": (
        [of("payable", "granted_lenses_cents = NULL")],
        "payable",
        "the amounts are not the envelope's",
    ),
    "amounts of a refused claim": (
        [of("refused", "granted_lenses_cents = 1, granted_frame_cents = 1")],
        "refused",
        "the amounts are not the envelope's",
    ),
    "a day that is none": (
        [of("granted", "date_of_service = 'soon'")],
        "claims",
        "after number 0 a day cannot be read; nothing behind is checked",
    ),
    # the row against the answer that was given
    "another verdict": (
        [of("refused", "verdict = 'granted'")],
        "refused",
        "verdict is not the answer's",
    ),
    "another reason": (
        [of("refused", "reason = 'expired'")],
        "refused",
        "reason is not the answer's",
    ),
    "an answer that was changed": (
        [of("refused", "answer = replace(answer, 'renewal_too_early', 'expired')")],
        "refused",
        "reason is not the answer's",
    ),
    "another claim's answer": (
        [of("granted", "answer = (SELECT answer FROM claims WHERE claim_id = 'line')")],
        "granted",
        "claim_id is not the answer's",
    ),
    "an answer that is no JSON": (
        [of("granted", "answer = 'yes'")],
        "granted",
        "verdict is not the answer's",
    ),
    "an answer that is no object": (
        [of("granted", "answer = '[]'")],
        "granted",
        "verdict is not the answer's",
    ),
    # commitments
    "a commitment less": (
        [
            "DELETE FROM commitments WHERE commitment IN "
            "(SELECT commitment FROM commitments WHERE claim_id = 'payable' LIMIT 1)"
        ],
        "payable",
        "commitments in use do not fit the state payable",
    ),
    "a commitment more": (
        [f"INSERT INTO commitments VALUES ('{records.commitment()}', 'granted')"],
        "commitments",
        "commitments are in use that no claim has",
    ),
    "a commitment of another claim": (
        [
            "UPDATE commitments SET claim_id = 'line' WHERE commitment IN "
            "(SELECT commitment FROM commitments WHERE claim_id = 'granted' LIMIT 1)"
        ],
        "granted",
        "commitments in use do not fit the state granted",
    ),
    "a commitment of a cancelled claim": (
        [f"INSERT INTO commitments VALUES ('{records.commitment()}', 'cancelled')"],
        "commitments",
        "commitments are in use that no claim has",
    ),
    "no commitments of an expired claim": (
        ["DELETE FROM commitments WHERE claim_id = 'expired'"],
        "expired",
        "commitments in use do not fit the state expired",
    ),
    "a commitment of no claim": (
        [f"INSERT INTO commitments VALUES ('{records.commitment()}', 'nobody')"],
        "sqlite",
        "commitments",
    ),
    # events
    "a claim that has gone": (
        [
            "DELETE FROM commitments WHERE claim_id = 'payable'",
            "DELETE FROM notices WHERE claim_id = 'payable'",
            "DELETE FROM claims WHERE claim_id = 'payable'",
        ],
        "payable",
        "its events are there, the claim is not",
    ),
    "an event without its notice": (
        ["DELETE FROM notices WHERE claim_id = 'payable'"],
        "payable",
        "invoice and its event are not there both, or neither",
    ),
    "a notice without its event": (
        ["DELETE FROM events WHERE claim_id = 'payable' AND kind = 'invoiced'"],
        "payable",
        "invoice and its event are not there both, or neither",
    ),
    "a cancellation without its event": (
        ["DELETE FROM events WHERE claim_id = 'cancelled' AND kind = 'cancelled'"],
        "cancelled",
        "cancellation and its event are not there both, or neither",
    ),
    "a decision without its event": (
        ["DELETE FROM events WHERE claim_id = 'decided' AND kind = 'decided'"],
        "decided",
        "decision and its event are not there both, or neither",
    ),
    "an event twice": (
        [event("payable", "invoiced")],
        "payable",
        "invoice and its event are not there both, or neither",
    ),
    "no end of an expired claim": (
        ["DELETE FROM events WHERE claim_id = 'expired' AND kind = 'expired'"],
        "expired",
        "expired and its event are not there both, or neither",
    ),
    "an end of a claim that goes on": (
        [event("granted", "expired")],
        "granted",
        "expired and its event are not there both, or neither",
    ),
    # states
    "a refused claim that was granted by hand": (
        [move("refused", "granted", f"'{AT}'")],
        "refused",
        "granted is not where its events lead",
    ),
    "a pending claim that was granted by hand": (
        [move("pending", "granted", f"'{AT}'")],
        "pending",
        "granted is not where its events lead",
    ),
    "a decision that was turned round": (
        [of("declined", "answer = replace(answer, 'refused', 'granted')", "notices")],
        "declined",
        "refused is not where its events lead",
    ),
    "payable by hand": (
        [move("granted", "payable")],
        "granted",
        "payable without invoice",
    ),
    "cancelled by hand": (
        [move("granted", "cancelled"), "DELETE FROM commitments WHERE claim_id = 'granted'"],
        "granted",
        "cancelled without cancellation",
    ),
    "back to granted": (
        [move("payable", "granted", f"'{AT}'")],
        "payable",
        "granted after invoice",
    ),
    "back from cancelled": (
        [move("cancelled", "payable")],
        "cancelled",
        "payable after cancellation",
    ),
    "a state that is none": (
        [move("granted", "paid")],
        "granted",
        "paid is not where its events lead",
    ),
    "a grant without end": (
        [of("granted", "deadline = NULL")],
        "granted",
        "the deadline does not fit the state granted",
    ),
    "an end of what is final": (
        [of("refused", f"deadline = '{AT}'")],
        "refused",
        "the deadline does not fit the state refused",
    ),
    # notices
    "an invoice that is none": (
        [of("payable", "document = CAST('{}' AS BLOB)", "notices")],
        "payable",
        "the invoice is none",
    ),
    "a cancellation that is none": (
        [of("cancelled", "document = CAST('{}' AS BLOB)", "notices")],
        "cancelled",
        "the cancellation is none",
    ),
    "another digest of an invoice": (
        [of("payable", f"digest = {OTHER}", "notices")],
        "payable",
        "the digest is not the invoice's",
    ),
    "another claim's invoice": (
        [
            "UPDATE notices SET (digest, document) = (SELECT digest, document FROM notices "
            "WHERE claim_id = 'delivered' AND kind = 'invoice') WHERE claim_id = 'payable'"
        ],
        "payable",
        "the invoice is another claim's",
    ),
    "another decision": (
        [of("decided", 'document = CAST(\'{"decision":"refuse"}\' AS BLOB)', "notices")],
        "decided",
        "the digest is not the decision's",
    ),
    "a notice of no claim": (
        [of("payable", "claim_id = 'nobody'", "notices")],
        "sqlite",
        "notices",
    ),
}
"""By name: statements, where the problem is named, and how."""


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_corruption_is_named(database: Database, name: str) -> None:
    statements, where, problem = CORRUPTIONS[name]
    mutate(database, *statements)
    problems = check_database(database)["problems"]
    assert any(
        entry["where"] == where
        and (entry["problem"] == problem or (where == "sqlite" and problem in entry["problem"]))
        for entry in problems
    ), problems
    told = str(problems)  # names the claim and what is wrong, and repeats nothing
    assert records.ADULT not in told
    assert records.shop().key_id not in told
