"""What is kept of a judgement: every step with its outcome and its time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from circuits.attestation import Duty
from tests.support import records
from verifier_api.judge import REASONS
from verifier_api.service.judging import (
    ENVELOPE_STEPS,
    OUTCOMES,
    RECORD_STEPS,
    STEP_TITLES,
    STEPS,
    Judging,
    judging_columns,
    judging_facts,
)
from verifier_api.service.proofs import PROOF_STEPS, ProofVerdict
from verifier_api.service.recording import Examined, record_claims

MEASURED = ProofVerdict(None, "", records.CIRCUIT, (20, 30, 400), 7)


def watch(*envelope: str) -> Judging:
    """A stopwatch after these steps of the envelope, all of them by default."""
    judging = Judging()
    judging.envelope |= dict.fromkeys(envelope or ENVELOPE_STEPS, 0.25)
    judging.ask()
    judging.answer()
    return judging


def outcomes(columns: dict[str, Any]) -> dict[str, str]:
    return {entry["step"]: entry["outcome"] for entry in json.loads(columns["judging"])["steps"]}


def times(columns: dict[str, Any]) -> dict[str, int | None]:
    return {entry["step"]: entry["us"] for entry in json.loads(columns["judging"])["steps"]}


def test_the_steps_are_those_that_the_judge_and_the_workers_know() -> None:
    assert (*ENVELOPE_STEPS, *RECORD_STEPS, *PROOF_STEPS, "attestations") == STEPS
    assert set(STEP_TITLES) == set(STEPS)
    assert all(english and french for english, french in STEP_TITLES.values())


def test_a_claim_in_order_has_passed_every_step() -> None:
    recorded: Any = dict.fromkeys((*RECORD_STEPS, "attestations"), ("passed", 3))
    columns = judging_columns(watch(), None, MEASURED, recorded)
    assert outcomes(columns) == dict.fromkeys(STEPS, "passed")
    assert list(outcomes(columns)) == list(STEPS)
    expected = dict.fromkeys(ENVELOPE_STEPS, 250) | dict.fromkeys(RECORD_STEPS, 3)
    expected |= {"statement": 20, "decoding": 30, "proof": 400, "attestations": 3}
    assert times(columns) == expected
    assert columns["batch_size"] == 7
    assert columns["latency_us"] >= 0
    facts = json.loads(columns["judging"])
    assert facts["waited_us"] == 0  # the workers took longer than was waited for
    assert 0 <= facts["recording_us"] <= columns["latency_us"]


def test_what_was_waited_for_is_what_the_own_steps_do_not_explain() -> None:
    judging = watch()
    judging.answered = judging.asked + 5_000_000
    columns = judging_columns(judging, None, MEASURED, {})
    assert json.loads(columns["judging"])["waited_us"] == 5_000 - 450


@pytest.mark.parametrize("place", range(len(ENVELOPE_STEPS)))
def test_the_step_of_the_envelope_that_ran_last_is_the_one_that_failed(place: int) -> None:
    ran = ENVELOPE_STEPS[: place + 1]
    columns = judging_columns(watch(*ran), ("expired", REASONS["expired"]), None, {})
    expected = dict.fromkeys(STEPS, "not_reached") | dict.fromkeys(ran, "passed")
    assert outcomes(columns) == expected | {ran[-1]: "failed"}
    assert times(columns)[ran[-1]] == 250
    assert columns["batch_size"] is None


@pytest.mark.parametrize(
    ("took", "step", "together"),
    [((20,), "statement", 0), ((20, 30), "decoding", 0), ((20, 30, 400), "proof", 7)],
)
def test_the_step_of_the_worker_that_ran_last_is_the_one_that_failed(
    took: tuple[int, ...], step: str, together: int
) -> None:
    verdict = ProofVerdict("floor", REASONS["floor"], None, took, together)
    columns = judging_columns(watch(), None, verdict, {})
    found = outcomes(columns)
    assert found[step] == "failed"
    assert [name for name in PROOF_STEPS if found[name] != "not_reached"] == list(
        PROOF_STEPS[: len(took)]
    )
    assert columns["batch_size"] == (together or None)


def test_nothing_is_told_where_nothing_was_measured() -> None:
    columns = judging_columns(None, None, MEASURED, {})
    assert columns == {"judging": None, "latency_us": None, "batch_size": None}
    facts = judging_facts(None, None, None)
    assert facts["is_measured"] is False
    assert facts["latency_us"] is facts["waited_us"] is facts["recording_us"] is None
    assert [entry["step"] for entry in facts["steps"]] == list(STEPS)
    assert {entry["outcome"] for entry in facts["steps"]} == {"not_reached"}


def test_what_was_kept_is_told_with_titles() -> None:
    columns = judging_columns(watch(), None, MEASURED, {})
    facts = judging_facts(columns["judging"], columns["latency_us"], columns["batch_size"])
    assert facts["is_measured"] is True
    assert facts["batch_size"] == 7
    proof = facts["steps"][STEPS.index("proof")]
    assert proof == {
        "step": "proof",
        "titles": {"en": "the proof is valid", "fr": "la preuve est valable"},
        "outcome": "passed",
        "us": 400,
    }


# -- in the records -----------------------------------------------------------------------------


def recorded(folder: Path, *items: Examined) -> list[dict[str, Any]]:
    """The claims' rows."""
    database = records.database_with_rights(folder)
    with database.write() as connection:
        record_claims(connection, items, records.NOW)
    found = records.rows(database, "claims")
    database.dispose()
    return found


def timed(examined: Examined) -> Examined:
    return replace(examined, judging=watch())


def test_the_steps_of_the_records_are_kept_as_they_came_out(tmp_path: Path) -> None:
    shared = [records.commitment() for _ in range(3)]
    ground = records.contract().early_renewal_grounds[0]
    first = records.claim("granted", commitments=shared)
    cases = {
        "granted": first,
        "reused": records.claim("reused", commitments=shared),
        "stranger": records.claim("stranger", beneficiary=records.STRANGER),
        "early": records.claim("early"),
        "asked": records.claim("asked", early_renewal_ground=ground),
    }
    rows = recorded(
        tmp_path,
        *(timed(records.examined(claim, proof=MEASURED)) for claim in cases.values()),
        timed(
            records.examined(
                records.claim("bad", beneficiary=records.CHILD),
                proof=replace(MEASURED, reason="proof_invalid"),
            )
        ),
    )
    found = {row["claim_id"]: outcomes(row) for row in rows}
    assert found["granted"] == dict.fromkeys(STEPS, "passed")
    later = {"rights": "not_reached", "renewal": "not_reached", "attestations": "not_reached"}
    assert found["reused"] == found["granted"] | {"uniqueness": "failed"} | later
    later.pop("rights")
    assert found["stranger"] == found["granted"] | {"rights": "failed"} | later
    later.pop("renewal")
    assert found["early"] == found["granted"] | {"renewal": "failed"} | later
    assert found["asked"] == found["granted"] | {"renewal": "pending"}
    assert found["bad"] == found["granted"] | {"proof": "failed"} | later
    assert set(OUTCOMES) == {outcome for told in found.values() for outcome in told.values()}
    assert all(row["latency_us"] >= 0 and row["batch_size"] == 7 for row in rows)


def test_the_declared_classes_are_kept_in_the_order_of_the_lines(tmp_path: Path) -> None:
    rows = recorded(
        tmp_path,
        *(
            records.examined(records.claim(statement=statement, beneficiary=person))
            for statement, person in (
                ("equipment", records.ADULT),
                ("pair", records.CHILD),
                ("line", records.ADULT),
            )
        ),
    )
    assert [row["classes"] for row in rows] == ["VM4 VM4 M03", "- - -", "VM4"]


def test_a_claim_without_its_attestation_leaves_no_judgement(tmp_path: Path) -> None:
    duty = Duty(1, 0, ("lab-1",), ("code",), None)
    item = replace(timed(records.examined(records.claim())), duties=(duty,))
    assert recorded(tmp_path, item) == []
