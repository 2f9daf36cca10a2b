"""Whatever does not fit together of an audit case is named. Each mutates a database in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import audits as made
from tests.support import records
from tests.support.audit_desk import Desk
from tests.support.audits import ANSWER_BY, ERASE_AT, SECOND
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database

CASES = {
    "open": "open",
    "answered": "answered",
    "refused": "refused",
    "lapsed": "lapsed",
    "concluded": "concluded",
    "unanswered": "concluded",
    "erased": "answered",
}
"""The cases of the database by id, and the state of each."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A case in each state, in order."""
    opened = records.database_with_rights(tmp_path)
    desk = Desk(opened)
    for name in ("erased", "lapsed", "unanswered"):
        case = desk.open(made.case_on(desk.claim, name))
        if name == "erased":
            desk.answer(made.reply_to(case), case_id=name)
    assert desk.sweep(ERASE_AT + SECOND) == (2, 1)
    desk.conclude_as("unanswered", "lapsed", ANSWER_BY + SECOND)
    for name in ("open", "answered", "refused", "concluded"):
        case = desk.open(made.case_on(desk.claim, name))
        if name in ("answered", "concluded"):
            desk.answer(made.reply_to(case), case_id=name)
        elif name == "refused":
            desk.answer(made.refusal_of(case), case_id=name)
    desk.conclude_as("concluded", "as_recorded")
    yield opened
    opened.dispose()


def test_a_database_in_order_has_no_problems(database: Database) -> None:
    states = {row["case_id"]: row["state"] for row in records.rows(database, "audits")}
    assert states == CASES
    assert check_database(database) == {"claims": 1, "problems": []}


def mutate(database: Database, *statements: str) -> None:
    """As somebody at the database's own command line would, unhindered."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount >= 1, statement
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def of(name: str, assignment: str) -> str:
    return f"UPDATE audits SET {assignment} WHERE case_id = '{name}'"


def taken_from(column: str, name: str) -> str:
    return f"{column} = (SELECT {column} FROM audits WHERE case_id = '{name}')"


def event(name: str, kind: str) -> str:
    return (
        "INSERT INTO events (at, kind, claim_id, actor, facts) VALUES "
        f"('2020-10-07T10:30:00Z', '{kind}', 'the-claim', 'somebody', "
        f'\'{{"case_id": "{name}"}}\')'
    )


def without(name: str, kind: str) -> str:
    return f"DELETE FROM events WHERE kind = '{kind}' AND facts LIKE '%\"{name}\"%'"


OTHER = "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'"
AT = "'2020-10-07T10:30:00Z'"

CORRUPTIONS: dict[str, tuple[str, str, str]] = {
    # the row against its case
    "a case that is none": (
        of("open", "case_document = CAST('{}' AS BLOB)"),
        "open",
        "the case is none",
    ),
    "another case's document": (
        of("open", taken_from("case_document", "answered")),
        "open",
        "case_id is not the case's",
    ),
    "another digest of the case": (
        of("open", f"case_digest = {OTHER}"),
        "open",
        "the digest is not the case's",
    ),
    **{
        f"another {name}": (of("open", f"{name} = {value}"), "open", f"{name} is not the case's")
        for name, value in {
            "line": "2",
            "auditor_id": "'auditor-2'",
            "ground": "'curiosity'",
            "answer_by": AT,
            "erase_at": AT,
        }.items()
    },
    "another optician": (
        of("open", "optician_id = 'optician-2'"),
        "open",
        "optician_id is not the claim's",
    ),
    "another claim's digest": (
        f"UPDATE claims SET claim_digest = {OTHER}",
        "open",
        "the case is another claim's",
    ),
    # the answer and its seal
    "an answer that is none": (
        of("answered", "answer_document = CAST('{}' AS BLOB)"),
        "answered",
        "the answer is none",
    ),
    "another answer": (
        of("answered", taken_from("answer_document", "concluded")),
        "answered",
        "the answer is another case's",
    ),
    "another digest of the answer": (
        of("answered", f"answer_digest = {OTHER}"),
        "answered",
        "the answer is not the one that is named",
    ),
    "an answer without its instant": (
        of("answered", "answered_at = NULL"),
        "answered",
        "the answer is not the one that is named",
    ),
    "an answer that was taken away": (
        of("answered", "answer_document = NULL, sealed = NULL"),
        "answered",
        "the answer is not the one that is named",
    ),
    "another seal": (
        of("answered", taken_from("sealed", "concluded")),
        "answered",
        "the seal is not the answer's",
    ),
    "no seal": (of("answered", "sealed = NULL"), "answered", "the seal is not the answer's"),
    "a seal of a refusal": (
        of("refused", taken_from("sealed", "answered")),
        "refused",
        "the seal is not the answer's",
    ),
    "a seal that came back": (
        of("erased", taken_from("sealed", "answered")),
        "erased",
        "erased, and the seal does not fit that",
    ),
    "nothing was there to be erased": (
        of("refused", f"erased_at = {AT}"),
        "refused",
        "erased, and the seal does not fit that",
    ),
    # the outcome
    "an outcome that is none": (
        of("concluded", "outcome_document = CAST('{}' AS BLOB)"),
        "concluded",
        "the outcome is none",
    ),
    "another outcome": (
        of("concluded", "outcome = 'inconsistent'"),
        "concluded",
        "the outcome is not the one that is named",
    ),
    "an outcome without its document": (
        of("concluded", "outcome_document = NULL"),
        "concluded",
        "the outcome is not the one that is named",
    ),
    "an outcome without its instant": (
        of("concluded", "concluded_at = NULL"),
        "concluded",
        "the outcome is not the one that is named",
    ),
    "another case's outcome": (
        of("concluded", taken_from("outcome_document", "unanswered")),
        "concluded",
        "the outcome is another case's or answer's",
    ),
    # its life
    "another state": (
        of("lapsed", "state = 'open'"),
        "lapsed",
        "open is not where its events lead",
    ),
    "a state before its event": (
        of("open", "state = 'lapsed'"),
        "open",
        "lapsed is not where its events lead",
    ),
    **{
        f"no event of {name}": (
            without(name, f"audit_{name}"),
            name,
            f"{name} and its event are not there both, or neither",
        )
        for name in ("answered", "refused", "lapsed", "concluded", "erased")
    },
    "no event of its opening": (
        without("open", "audit_opened"),
        "open",
        "open and its event are not there both, or neither",
    ),
    "opened twice": (
        event("open", "audit_opened"),
        "open",
        "open and its event are not there both, or neither",
    ),
    "erased twice": (
        event("erased", "audit_erased"),
        "erased",
        "erased and its event are not there both, or neither",
    ),
    "a case that was taken away": (
        "DELETE FROM audits WHERE case_id = 'open'",
        "open",
        "its events are there, the case is not",
    ),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_does_not_fit_is_named(database: Database, name: str) -> None:
    statement, where, problem = CORRUPTIONS[name]
    mutate(database, statement)
    assert {"where": where, "problem": problem} in check_database(database)["problems"]


def test_facts_that_cannot_be_read_name_no_case(database: Database) -> None:
    mutate(database, "UPDATE events SET facts = 'none' WHERE kind = 'audit_opened'")
    problems = check_database(database)["problems"]
    assert {"where": "None", "problem": "its events are there, the case is not"} in problems
