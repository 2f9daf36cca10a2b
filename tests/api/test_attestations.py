"""Attestations over HTTP: with a claim and after it, late and decided upon, and after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from circuits.attestation import (
    MAX_SUBMISSION_BYTES,
    Attestation,
    Submission,
    decode_submission,
    encode_submission,
)
from circuits.canonical import canonical_bytes
from circuits.claim import MAX_CLAIM_BYTES, Claim, encode_claim, encode_instant
from circuits.contract import Contract
from circuits.equipment import possible_lenses
from circuits.signed import encode_signed, signed_digest
from tests.support import claims as samples
from tests.support.attesting import LAB, OTHER_LAB, attestation, key_of, rule, trusted_key
from tests.support.publishing import write_trust
from tests.support.web import Caller, Insurer, code_of, refresh, serving
from verifier_api.service.life import STATES
from verifier_api.store.checks import check_database
from verifier_api.web.app import make_app, make_service
from verifier_api.web.metrics import Metrics

NOW = samples.NOW
SECOND = timedelta(seconds=1)

CONTRACT = samples.contract().model_copy(
    update={
        "attestations": (
            rule("VM4"),
            rule("VM4", within_days=10, slots=("code", "price"), attesters=(LAB, OTHER_LAB)),
            rule("M03", within_days=20, attesters=(OTHER_LAB,)),
        )
    }
)
"""Lenses of a class: their code with the claim, their price later; the frame later."""


def entries(**validity: Any) -> list[dict[str, Any]]:
    """Both attesters' in a trust list; ``validity`` is that of the first."""
    listed = [trusted_key(LAB, **validity), trusted_key(OTHER_LAB)]
    return [entry.model_dump(mode="json") for _, entry in listed]


@pytest.fixture
def trust_file(tmp_path: Path) -> Path:
    return write_trust(tmp_path / "trust.json", *entries())


@pytest.fixture
def insurer(tmp_path: Path, trust_file: Path) -> Insurer:
    return Insurer(tmp_path, has_workers=True, of_contract=CONTRACT, trust=trust_file)


@pytest.fixture
def caller(insurer: Insurer) -> Iterator[Caller]:
    """Whatever happened, the database fits together in the end."""
    with serving(insurer) as started:
        yield started
        assert check_database(insurer.service.database)["problems"] == []


def claim_of(contract: Contract = CONTRACT, statement: Any = "line", **choices: Any) -> Claim:
    sale = samples.sample_sale(statement, **choices)
    return samples.claim_of(sale, of_contract=contract)[0]


def submission(claim: Claim, *given: Attestation) -> bytes:
    return encode_submission(Submission(format_version=1, claim=claim, attestations=given))


def attest(caller: Caller, given: Attestation, token: str | None = "optician") -> Any:
    path = f"/v1/claims/{given.claim_id}/attestations"
    return caller.ask("POST", path, token, body=encode_signed(given))


def detail(caller: Caller, claim: Claim) -> Any:
    return caller.ask("GET", f"/v1/claims/{claim.claim_id}", "reader").json()


def refusal(answer: Any) -> tuple[int, str, str | None]:
    told = answer.json()
    return answer.status_code, told["code"], told.get("reason")


def refused(reason: str) -> tuple[int, str, str]:
    return 422, "attestation_refused", reason


# -- with the claim -----------------------------------------------------------------------------


def test_a_claim_is_turned_away_without_a_trace_and_taken_when_it_is_complete(
    caller: Caller,
) -> None:
    claim = claim_of()
    for _ in range(2):
        answer = caller.submit(claim)
        assert refusal(answer) == refused("attestation_missing")
        assert answer.json()["places"] == ["lines.0"]
        assert caller.ask("GET", f"/v1/claims/{claim.claim_id}").status_code == 404
    assert caller.ask("GET", "/v1/claims").json()["claims"] == []
    given = attestation(claim)
    told = caller.submit(submission(claim, given)).json()
    assert (told["verdict"], told["attest_by"]) == (
        "granted",
        encode_instant(NOW + timedelta(days=10)),
    )
    # Once recorded, the claim has its answer, whatever comes with it.
    assert caller.submit(claim).json() == told
    assert caller.submit(submission(claim, attestation(claim, claim_id="other"))).json() == told
    found = detail(caller, claim)
    assert found["attest_by"] == told["attest_by"]
    assert found["attestations"] == {
        "due": [
            {
                "line": 1,
                "attesters": [LAB],
                "slots": ["code"],
                "due_at": None,
                "met_by": signed_digest(given),
            },
            {
                "line": 1,
                "attesters": [LAB, OTHER_LAB],
                "slots": ["code", "price"],
                "due_at": told["attest_by"],
                "met_by": None,
            },
        ],
        "given": [
            {
                "digest": signed_digest(given),
                "line": 1,
                "attester_id": LAB,
                "attested": ["code"],
                "record": given.record,
                "recorded_at": encode_instant(NOW),
            }
        ],
    }
    assert [event["kind"] for event in found["history"]] == ["judged", "attested"]


def test_one_that_is_bad_is_named_by_its_place(caller: Caller) -> None:
    claim = claim_of()
    stranger = attestation(claim, key=key_of("stranger"))
    answer = caller.submit(submission(claim, attestation(claim), stranger))
    assert refusal(answer) == refused("key_unknown")
    assert answer.json()["places"] == ["attestations.1"]
    assert caller.submit(submission(claim, attestation(claim))).json()["verdict"] == "granted"


def test_a_claim_that_is_refused_is_recorded_without_them(caller: Caller) -> None:
    claim = claim_of(beneficiary="benef_without_right_1")
    told = caller.submit(claim).json()
    assert (told["verdict"], told["reason"]) == ("refused", "rights_unknown")
    refusal_later = refusal(attest(caller, attestation(claim)))
    assert refusal_later == (409, "state_conflict", None)


@pytest.mark.parametrize(
    ("change", "code", "places"),
    [
        (lambda data: data.replace(b":[", b": ["), "malformed", []),
        (lambda data: data + b"\n", "malformed", []),
        (lambda data: data[:-1], "malformed", []),
        (
            lambda data: data.removesuffix(b"1}") + b"2}",
            "version_unsupported",
            ["format_version"],
        ),
        (lambda data: data.replace(b'"line":1', b'"line":9'), "fields_invalid", None),
        (
            lambda data: data.removesuffix(b"}") + b',"more":1}',
            "fields_invalid",
            ["more"],
        ),
        (
            lambda data: b'{"attestations":[],' + data[data.index(b'"claim":{') :],
            "fields_invalid",
            ["attestations"],
        ),
    ],
)
def test_a_submission_is_in_one_form(
    caller: Caller, change: Any, code: str, places: list[str] | None
) -> None:
    """The accept is the submission before the change."""
    claim = claim_of()
    data = submission(claim, attestation(claim))
    answer = caller.submit(change(data))
    assert code_of(answer) == code
    if places is not None:
        assert answer.json()["places"] == places
    assert caller.submit(data).json()["verdict"] == "granted"


def test_the_token_comes_after_the_form_and_before_everything_else(caller: Caller) -> None:
    claim = claim_of()
    data = submission(claim, attestation(claim))
    assert code_of(caller.submit(data, None)) == "token_missing"
    assert code_of(caller.submit(data, "reader")) == "forbidden"
    answer = caller.submit(data, "other optician")
    assert (code_of(answer), answer.json()["places"]) == ("forbidden", ["optician_id"])


def test_how_large_they_may_be(caller: Caller) -> None:
    claim = b'{"amounts":' + b" " * MAX_CLAIM_BYTES
    assert code_of(caller.submit(claim)) == "body_too_large"
    for size, code in ((MAX_SUBMISSION_BYTES, "malformed"), (None, "body_too_large")):
        data = b'{"attestations":'.ljust(size or MAX_SUBMISSION_BYTES + 1)
        assert code_of(caller.submit(data)) == code
    answer = caller.ask("POST", "/v1/claims/x/attestations", "optician", body=b" " * 4097)
    assert code_of(answer) == "body_too_large"


# -- after it -----------------------------------------------------------------------------------


def granted(caller: Caller, **choices: Any) -> Claim:
    claim = claim_of(**choices)
    given = [
        attestation(claim, number)
        for number, line in enumerate(claim.lines, start=1)
        if line.regroupement == "VM4"
    ]
    assert caller.submit(submission(claim, *given)).json()["verdict"] == "granted"
    return claim


def test_an_attestation_of_a_recorded_claim(caller: Caller) -> None:
    claim = granted(caller, statement="equipment")
    frame = attestation(claim, 3, by=OTHER_LAB)
    answer = attest(caller, frame)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["state"], told["line"], told["attested"]) == ("granted", 3, ["code"])
    assert [entry["line"] for entry in told["missing"]] == [1, 2]
    for line in (1, 2):
        told = attest(caller, attestation(claim, line, attested=("code", "price"))).json()
    assert (told["attest_by"], told["missing"]) == (None, [])
    assert attest(caller, frame).json() == answer.json()
    found = detail(caller, claim)
    assert (found["state"], found["attest_by"]) == ("granted", None)
    assert len(found["attestations"]["given"]) == 5


def test_who_may_bring_it(caller: Caller) -> None:
    claim = granted(caller)
    given = attestation(claim, attested=("code", "price"))
    for token, code in (
        (None, "token_missing"),
        ("reader", "forbidden"),
        ("auditor", "forbidden"),
        ("admin", "forbidden"),
        ("other optician", "not_found"),
    ):
        assert code_of(attest(caller, given, token)) == code
    path = "/v1/claims/no-such-claim/attestations"
    assert code_of(caller.ask("POST", path, "optician", body=encode_signed(given))) == "not_found"
    assert attest(caller, given).status_code == 200


def test_an_attestation_is_in_one_form(caller: Caller) -> None:
    claim = granted(caller)
    given = attestation(claim, attested=("code", "price"))
    path = f"/v1/claims/{claim.claim_id}/attestations"
    document = given.model_dump(mode="json")
    for changes, code in (
        ({"format_version": 2}, "version_unsupported"),
        ({"attested": ["price", "code"]}, "fields_invalid"),
        ({"attested": []}, "fields_invalid"),
        ({"attested": ["code", "date"]}, "fields_invalid"),
        ({"record": "short"}, "fields_invalid"),
        ({"line": 0}, "fields_invalid"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "fields_invalid"),
        ({"code": 7233865}, "fields_invalid"),
    ):
        answer = caller.ask("POST", path, "optician", document=document | changes)
        assert code_of(answer) == code
        assert "7233865" not in answer.text
    spread = json.dumps(document).encode()
    assert code_of(caller.ask("POST", path, "optician", body=spread)) == "malformed"
    assert attest(caller, given).status_code == 200


def test_it_is_of_the_claim_that_the_path_names(caller: Caller) -> None:
    one, other = granted(caller), granted(caller)
    given = attestation(one, attested=("code", "price"))
    path = f"/v1/claims/{other.claim_id}/attestations"
    for _ in range(2):
        answer = caller.ask("POST", path, "optician", body=encode_signed(given))
        assert refusal(answer) == refused("attestation_other_claim")
        assert attest(caller, given).status_code == 200


def test_a_record_stands_behind_one_line(caller: Caller) -> None:
    one, other = granted(caller), granted(caller)
    both = ("code", "price")
    given = attestation(one, attested=both)
    assert attest(caller, given).status_code == 200
    copied = attestation(other, attested=both, record=given.record)
    assert refusal(attest(caller, copied)) == refused("attestation_replayed")
    third = claim_of()
    with_it = submission(third, attestation(third, record=given.record))
    assert refusal(caller.submit(with_it)) == refused("attestation_replayed")
    assert attest(caller, attestation(other, attested=both)).status_code == 200


def test_a_key_that_is_revoked_in_the_list(caller: Caller, trust_file: Path) -> None:
    one, other = granted(caller), granted(caller)
    both = ("code", "price")
    made = [attestation(claim, attested=both) for claim in (one, other)]
    answer = attest(caller, made[0]).json()
    write_trust(trust_file, *entries(revoked_at=encode_instant(NOW)))
    refresh(caller)
    assert refusal(attest(caller, made[1])) == refused("key_revoked")
    assert attest(caller, made[0]).json() == answer
    third = claim_of()
    assert refusal(caller.submit(submission(third, attestation(third)))) == refused("key_revoked")
    assert detail(caller, one)["attestations"]["due"][1]["met_by"] == signed_digest(made[0])


# -- a pair, whose lenses hide their class ------------------------------------------------------


def test_hidden_lenses_fall_under_every_class_that_they_could_have(tmp_path: Path) -> None:
    pair = samples.sample_claim("pair")[0]
    table = samples.nomenclature()
    rows = possible_lenses(pair.declaration(), table, pair.date_of_service)
    possible = {row.regroupement for some in rows for row in some}
    assert len(possible) > 1
    others = {entry.code for entry in table.classes() if entry.family == "lens"} - possible
    contract = samples.contract().model_copy(
        update={
            "attestations": (
                rule(max(possible), within_days=10),
                rule(*sorted(others), within_days=20),
                rule("M03", within_days=30),
            )
        }
    )
    trust = write_trust(tmp_path / "trust.json", *entries())
    insurer = Insurer(tmp_path, has_workers=True, of_contract=contract, trust=trust)
    with serving(insurer) as caller:
        claim = claim_of(contract, "pair")
        assert {line.role: line.regroupement for line in claim.lines} == {
            "right_lens": None,
            "left_lens": None,
            "frame": "M03",
        }
        assert caller.submit(claim).json()["attest_by"] == encode_instant(NOW + timedelta(days=10))
        due = detail(caller, claim)["attestations"]["due"]
        ends = [encode_instant(NOW + timedelta(days=days)) for days in (10, 10, 30)]
        assert [(entry["line"], entry["due_at"]) for entry in due] == [
            *zip((1, 2, 3), ends, strict=True)
        ]
        for line in (1, 2, 3):
            answer = attest(caller, attestation(claim, line)).json()
        assert (answer["attest_by"], answer["missing"]) == (None, [])


# -- late ---------------------------------------------------------------------------------------


def listed(caller: Any, state: str, headers: dict[str, str] | None = None) -> list[str]:
    answer = caller.get("/v1/claims", params={"state": state}, headers=headers)
    return [entry["claim_id"] for entry in answer.json()["claims"]]


def at(caller: Caller, now: datetime) -> None:
    caller.insurer.now = now


@pytest.mark.parametrize("is_swept", [False, True])
def test_an_attestation_that_does_not_come(caller: Caller, is_swept: bool) -> None:
    claim, other = granted(caller), granted(caller)
    headers = caller.insurer.headers("reader")
    ends = NOW + timedelta(days=10)
    at(caller, ends)
    both = ("code", "price")
    assert attest(caller, attestation(other, attested=both, at=ends)).status_code == 200
    assert listed(caller, "attestation_overdue", headers) == []
    at(caller, ends + SECOND)
    if is_swept:
        assert caller.portal is not None
        caller.portal.call(caller.insurer.service._sweep)
    late = attestation(claim, attested=both, at=ends)
    assert refusal(attest(caller, late)) == refused("attestation_late")
    assert listed(caller, "attestation_overdue", headers) == [claim.claim_id]
    assert listed(caller, "granted", headers) == [other.claim_id]
    found = detail(caller, claim)
    assert (found["state"], found["state_since"]) == ("attestation_overdue", encode_instant(ends))
    assert (found["attest_by"], found["granted_until"]) == (encode_instant(ends), None)
    path = f"/v1/claims/{claim.claim_id}/decision"
    answer = caller.ask("POST", path, document={"decision": "grant"}).json()
    assert answer["state"] == "granted"
    found = detail(caller, claim)
    assert (found["state"], found["attest_by"]) == ("granted", None)
    kinds = [event["kind"] for event in found["history"]]
    assert kinds == ["judged", "attested", "attestation_overdue", "attestation_decided"]
    # The verdict that was given first stays what it was.
    assert found["verdict_answer"]["attest_by"] == encode_instant(ends)


def test_what_is_due_survives_a_restart(insurer: Insurer) -> None:
    with serving(insurer) as caller:
        claim = granted(caller)
    later = NOW + timedelta(days=10, seconds=1)
    for now, state in ((later - SECOND, "granted"), (later, "attestation_overdue")):
        metrics = Metrics()
        service = make_service(insurer.settings, metrics)
        service.clock = lambda at=now: at  # type: ignore[misc]
        with TestClient(make_app(service, insurer.settings, metrics)) as client:
            headers = insurer.headers("reader")
            assert listed(client, state, headers) == [claim.claim_id]
            for other in set(STATES) - {state}:
                assert listed(client, other, headers) == []


def test_the_parts_of_a_submission_stand_in_it_byte_for_byte() -> None:
    claim = claim_of()
    given: Sequence[Attestation] = [attestation(claim), attestation(claim)]
    data = submission(claim, *given)
    assert encode_claim(claim) in data
    assert all(encode_signed(entry) in data for entry in given)
    assert canonical_bytes(decode_submission(data).model_dump(mode="json")) == data
