"""What the insurer's pages show is on record as it should: with `verifier_api.store.checks`."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from circuits.claim import Claim
from verifier_api.store import reference
from verifier_api.store.claims import classes_text
from verifier_api.store.sessions import session_rows

WHERE = "page_sessions"
LONGEST_SESSION = timedelta(hours=12)

_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_FAILED = ("failed",)
_OUTCOMES = ("passed", "pending", "not_reached", *_FAILED)


def judgement_problems(row: Row[Any], claim: Claim) -> list[str]:
    """What is wrong with a claim's classes and with what its judgement took."""
    problems = []
    if row.classes != classes_text([line.regroupement for line in claim.lines]):
        problems.append("classes is not the envelope's")
    if (row.judging is None) != (row.latency_us is None):
        problems.append("judging and its latency are not there both, or neither")
    if row.latency_us is not None and row.latency_us < 0:
        problems.append("the latency is negative")
    if row.batch_size is not None and row.batch_size < 1:
        problems.append("the batch has no claim in it")
    if row.judging is None:
        return problems
    outcomes = _outcomes(row.judging)
    if outcomes is None:
        problems.append("judging is none")
    elif (row.verdict == "refused") != any(outcome in _FAILED for outcome in outcomes):
        problems.append("no step of judging fits the verdict")
    return problems


def _outcomes(text: str) -> list[str] | None:
    """The outcomes of all steps, None for what is no record of a judgement."""
    try:
        read = json.loads(text)
        steps = read["steps"]
        outcomes = [str(entry["outcome"]) for entry in steps]
        times = [entry["us"] for entry in steps] + [read["waited_us"], read["recording_us"]]
        names = [entry["step"] for entry in steps]
    except (ValueError, TypeError, KeyError):
        return None
    is_good = (
        bool(outcomes)
        and len(set(names)) == len(names)
        and set(outcomes) <= set(_OUTCOMES)
        and all(us is None or (type(us) is int and us >= 0) for us in times)
    )
    return outcomes if is_good else None


def session_problems(connection: Connection) -> list[dict[str, str]]:
    """What is wrong with the pages' sessions, as entries of `check_database`."""
    tokens = {row.token_id for row in reference.token_rows(connection)}
    found = []
    for row in session_rows(connection):
        problems = []
        if not _DIGEST.fullmatch(row.session_sha256):
            problems.append("a session is not named by a digest")
        if row.token_id not in tokens:
            problems.append("a session's token is not there")
        if not _is_period(row.created_at, row.expires_at):
            problems.append("a session has no period that sessions have")
        found += [{"where": WHERE, "problem": problem} for problem in problems]
    return found


def _is_period(start: str, end: str) -> bool:
    try:
        lasts = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    except (ValueError, TypeError):
        return False
    return timedelta(0) <= lasts <= LONGEST_SESSION
