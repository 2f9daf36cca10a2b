"""The database's own check: what is recorded fits together, and nothing is there twice or half.

Proofs and signatures are not looked at again; that every row says what its envelope says is.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Row, text

from circuits.canonical import encode_base64url
from circuits.claim import Claim, claim_digest, decode_claim
from verifier_api.store import claims as store
from verifier_api.store.database import SQLITE, Database
from zk.errors import ZkError

CHUNK = 500

_USING = ("granted", "pending", "payable", "expired")
_FIRST_EVENT = "judged"
_NOTICE_OF_STATE = {"payable": "invoice", "cancelled": "cancellation"}
_EVENT_OF_NOTICE = {"invoice": "invoiced", "cancellation": "cancelled", "decision": "decided"}


def check_database(database: Database) -> dict[str, Any]:
    """``{"claims": …, "problems": [{"where": claim id, "problem": …}]}``. Raises `StorageError`."""
    problems: list[dict[str, str]] = []
    count = 0
    with database.read() as connection:
        if database.kind == SQLITE:
            found = connection.execute(text("PRAGMA integrity_check")).scalars().all()
            found = [*found, *connection.execute(text("PRAGMA foreign_key_check")).all()]
            problems += [{"where": "sqlite", "problem": str(row)} for row in found if row != "ok"]
        sequence = 0
        while rows := store.claims_after(connection, sequence, CHUNK):
            sequence = rows[-1].sequence
            ids = [row.claim_id for row in rows]
            used = store.commitments_of(connection, ids)
            taken = store.notices_of(connection, ids)
            happened = store.events_of(connection, ids)
            for row in rows:
                count += 1
                name = row.claim_id
                problems += [
                    {"where": name, "problem": problem}
                    for problem in _problems(
                        row, used.get(name, set()), taken.get(name, {}), happened.get(name, [])
                    )
                ]
    return {"claims": count, "problems": problems}


def _problems(
    row: Row[Any], used: set[str], taken: dict[str, Row[Any]], happened: list[str]
) -> list[str]:
    try:
        claim = decode_claim(bytes(row.envelope))
    except ZkError:
        return ["the envelope is no claim"]
    problems = []
    if encode_base64url(claim_digest(claim)) != row.claim_digest:
        problems.append("the digest is not the envelope's")
    for name in (
        "claim_id",
        "optician_id",
        "contract_id",
        "statement",
        "beneficiary",
        "date_of_service",
    ):
        if getattr(claim, name) != getattr(row, name):
            problems.append(f"{name} is not the envelope's")
    answer = json.loads(row.answer)
    expected = {
        "claim_id": row.claim_id,
        "claim_digest": row.claim_digest,
        "verdict": row.verdict,
        "reason": row.reason,
    }
    problems += [
        f"{name} is not the answer's" for name in expected if answer[name] != expected[name]
    ]
    problems += _life_problems(row, claim, used, taken, happened)
    return problems


def _life_problems(
    row: Row[Any], claim: Claim, used: set[str], taken: dict[str, Row[Any]], happened: list[str]
) -> list[str]:
    problems = []
    wanted = {line.commitment for line in claim.lines} if row.state in _USING else set()
    if used != wanted:
        problems.append(f"commitments in use do not fit the state {row.state}")
    if happened.count(_FIRST_EVENT) != 1 or happened[0] != _FIRST_EVENT:
        problems.append("it was not judged once, first of all")
    notice = _NOTICE_OF_STATE.get(row.state)
    if notice is not None and notice not in taken:
        problems.append(f"{row.state} without {notice}")
    if notice is None and set(taken) & set(_NOTICE_OF_STATE.values()):
        problems.append(f"{row.state} after {', '.join(sorted(taken))}")
    for kind in taken:
        if happened.count(_EVENT_OF_NOTICE[kind]) != 1:
            problems.append(f"{kind} without an event of its own")
    if row.state == "expired" and happened.count("expired") != 1:
        problems.append("expired without an event")
    if (row.state in store.EXPIRING) != (row.deadline is not None):
        problems.append(f"the deadline does not fit the state {row.state}")
    return problems
