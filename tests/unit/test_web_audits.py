"""Audits, the insurer's signed record and the clock, over HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from circuits.audit import AuditCase, AuditReply, encode_reply
from circuits.canonical import canonical_bytes
from circuits.claim import Claim, encode_instant
from circuits.contract import contract_digest
from circuits.signed import (
    SignedDocument,
    decode_signed,
    encode_signed,
    signed_digest,
    verify_signed,
)
from tests.support import audits as made
from tests.support import claims as samples
from tests.support import records
from tests.support.audits import ANSWER_BY, ERASE_AT, OPENED, SECOND
from tests.support.web import (
    OPTICIAN,
    Caller,
    Insurer,
    captured_log,
    code_of,
    log_lines,
    serving,
)
from verifier_api.evidence.documents import Record
from verifier_api.parties import Party
from verifier_api.service.clock import JUMPED, SteadyClock
from verifier_api.service.recording import record_claims
from verifier_api.store.database import Database
from verifier_api.store.instants import latest_instant
from verifier_api.web import examples
from verifier_api.web.app import make_service
from verifier_api.web.metrics import Metrics
from zk.errors import EncodingError, StatementError

REASON = "the customer took it back"
"""A refusal's reason, which may be in no log."""


@dataclass
class Office:
    """The insurer's application with a claim to be audited, and somebody who asks."""

    insurer: Insurer
    caller: Caller
    claim: Claim

    def at(self, now: datetime) -> None:
        self.insurer.now = now

    def post(self, path: str, document: SignedDocument | AuditReply, token: str = "auditor") -> Any:
        is_reply = isinstance(document, AuditReply)
        data = encode_reply(document) if is_reply else encode_signed(document)  # type: ignore[arg-type]
        return self.caller.ask("POST", path, token, body=data)

    def open(self, case_id: str = "case-1", claim: Claim | None = None) -> AuditCase:
        case = made.case_on(claim or self.claim, case_id)
        answer = self.post("/v1/audits", case)
        assert answer.status_code == 200, answer.text
        return case

    def answer(self, case: AuditCase, reply: AuditReply) -> Any:
        return self.post(f"/v1/audits/{case.case_id}/answer", reply, "optician")

    def get(self, path: str, token: str = "auditor") -> Any:
        return self.caller.ask("GET", path, token)

    def sweep(self) -> None:
        assert self.caller.portal is not None
        self.caller.portal.call(self.insurer.service._sweep)

    def events(self, kind: str) -> list[dict[str, Any]]:
        database = Database(self.insurer.settings.database_url())
        found = [row for row in records.rows(database, "events") if row["kind"] == kind]
        database.dispose()
        return found


def insurer_party() -> Party:
    return made.party("insurer", samples.contract().insurer_id)


def insurer_in(folder: Path, **settings: Any) -> Insurer:
    """With a trust list of the auditor's and the insurer's own key, unless ``settings`` say
    otherwise."""
    (folder / "trust.json").write_bytes(canonical_bytes(made.trust_document()))
    (folder / "insurer.key").write_bytes(insurer_party().encode())
    files = {"trust": folder / "trust.json", "signing_key": folder / "insurer.key"}
    return Insurer(folder, **(files | settings))


def record(insurer: Insurer, claim: Claim) -> Claim:
    database = Database(insurer.settings.database_url())
    with database.write() as connection:
        record_claims(connection, [records.examined(claim)], records.NOW)
    database.dispose()
    return claim


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with captured_log() as stream:
        yield stream


@pytest.fixture
def office(log: io.StringIO, tmp_path: Path) -> Iterator[Office]:
    insurer = insurer_in(tmp_path)
    claim = record(insurer, samples.sample_claim("line")[0])
    with serving(insurer) as caller:
        office = Office(insurer, caller, claim)
        office.at(OPENED)
        yield office


# -- from beginning to end -----------------------------------------------------------------------


def test_a_case_from_beginning_to_end(office: Office) -> None:
    case = office.open()
    shown = office.get("/v1/audits/case-1", "optician").json()
    assert (shown["state"], shown["slots"]) == ("open", ["code", "price"])
    assert [step["kind"] for step in shown["history"]] == ["audit_opened", "audit_seen"]
    assert office.get("/v1/audits/case-1", "optician").json() == shown
    reply = made.reply_to(case, samples.identity())
    first = office.answer(case, reply)
    assert first.json()["state"] == "answered"
    assert office.answer(case, reply).text == first.text
    sealed = office.get("/v1/audits/case-1/sealed").json()
    assert sealed["sealed"] == reply.sealed
    outcome = made.outcome_of(case, reply.answer)
    assert office.post("/v1/audits/case-1/outcome", outcome).json()["state"] == "concluded"
    seen = office.get("/v1/audits/case-1", "reader").json()
    assert [(step["kind"], step["actor"]) for step in seen["history"]] == [
        (kind, office.insurer.token_ids[name])
        for kind, name in (
            ("audit_opened", "auditor"),
            ("audit_seen", "optician"),
            ("audit_answered", "optician"),
            ("audit_sealed_read", "auditor"),
            ("audit_concluded", "auditor"),
        )
    ]
    claim = office.get(f"/v1/claims/{office.claim.claim_id}", "optician").json()
    kinds = [step["kind"] for step in claim["history"]]
    assert kinds == ["judged", *(step["kind"] for step in seen["history"])]


def test_only_the_optician_is_told_of_as_having_seen_it(office: Office) -> None:
    office.open()
    for token in ("reader", "auditor", "admin"):
        assert office.get("/v1/audits/case-1", token).status_code == 200
        assert office.get("/v1/audits", token).status_code == 200
    assert office.get("/v1/audits", "optician").json()["audits"][0]["case_id"] == "case-1"
    assert office.events("audit_seen") == []


def test_lists_page_by_page(office: Office) -> None:
    for number in range(3):
        office.open(f"case-{number}")
    page = office.get("/v1/audits?limit=2").json()
    assert [entry["case_id"] for entry in page["audits"]] == ["case-2", "case-1"]
    rest = office.get(f"/v1/audits?limit=2&cursor={page['next']}").json()
    assert [entry["case_id"] for entry in rest["audits"]] == ["case-0"]
    assert rest["next"] is None
    assert office.get("/v1/audits?state=lapsed").json()["audits"] == []
    office.at(ANSWER_BY + SECOND)
    assert len(office.get("/v1/audits?state=lapsed").json()["audits"]) == 3
    for query in ("cursor=x", "state=closed", "limit=0", "claim_id=%00"):
        assert code_of(office.get(f"/v1/audits?{query}")) == "parameter_invalid"


def without_instance(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "instance"}


def test_another_opticians_case_is_told_like_one_that_is_none(office: Office) -> None:
    case = office.open()
    for path in ("/v1/audits/{}",):
        other = office.get(path.format("case-1"), "other optician")
        none = office.get(path.format("case-9"), "other optician")
        assert (other.status_code, without_instance(other)) == (404, without_instance(none))
    stranger = samples.identity("optician-2")
    reply = made.reply_to(case, stranger)
    path = "/v1/audits/{}/answer"
    other = office.post(path.format("case-1"), reply, "other optician")
    none = office.post(path.format("case-9"), reply, "other optician")
    assert (other.status_code, without_instance(other)) == (404, without_instance(none))
    for query in ("", f"?claim_id={office.claim.claim_id}"):
        page = office.get(f"/v1/audits{query}", "other optician").json()
        assert page == {"audits": [], "next": None}
    assert office.events("audit_seen") == []


def test_nobody_but_an_auditor_reads_a_seal(office: Office) -> None:
    case = office.open()
    reply = made.reply_to(case, samples.identity())
    office.answer(case, reply)
    for token in ("optician", "other optician", "reader", "admin"):
        assert code_of(office.get("/v1/audits/case-1/sealed", token)) == "forbidden"
        assert reply.sealed is not None
        assert reply.sealed not in office.get("/v1/audits", token).text
        answer = office.get("/v1/audits/case-1", token)
        assert (answer.status_code == 200) == (token != "other optician")
        assert reply.sealed not in answer.text
    assert office.events("audit_sealed_read") == []


def test_the_sweep_erases_and_the_seal_stays_away(office: Office, tmp_path: Path) -> None:
    case = office.open()
    reply = made.reply_to(case, samples.identity())
    first = office.answer(case, reply)
    office.open("case-2")
    office.at(ERASE_AT + SECOND)
    office.sweep()
    assert [event["actor"] for event in office.events("audit_erased")] == ["service"]
    assert len(office.events("audit_lapsed")) == 1
    answer = office.get("/v1/audits/case-1/sealed")
    assert (answer.status_code, answer.json()["reason"]) == (409, "erased")
    assert office.answer(case, reply).text == first.text
    assert office.get("/v1/audits/case-1/sealed").json()["reason"] == "erased"
    database = Database(office.insurer.settings.database_url())
    (row, _) = records.rows(database, "audits")
    assert (row["sealed"], row["state"]) == (None, "answered")
    with database.read() as connection:
        assert latest_instant(connection) == ERASE_AT + SECOND
    database.dispose()
    assert reply.sealed is not None
    office.sweep()
    office.sweep()
    assert len(office.events("audit_erased")) == 1


# -- bodies --------------------------------------------------------------------------------------

POSTS = {
    "/v1/audits": ("auditor", examples.AUDIT_CASE),
    "/v1/audits/case-1/answer": ("optician", examples.AUDIT_REPLY),
    "/v1/audits/case-1/outcome": ("auditor", examples.AUDIT_OUTCOME),
}


@pytest.mark.parametrize("path", POSTS)
def test_bodies_that_are_none(office: Office, path: str) -> None:
    office.open()
    token, good = POSTS[path]
    bodies = {
        b"": "malformed",
        b"{}": "fields_invalid",
        canonical_bytes(good) + b"\n": "malformed",
        canonical_bytes(good | {"format_version": 2}): "version_unsupported",
        canonical_bytes(good | {"more": 1}): "fields_invalid",
        b" " * 70_000: "body_too_large",
    }
    for body, code in bodies.items():
        assert code_of(office.caller.ask("POST", path, token, body=body)) == code
    answer = office.caller.ask("POST", path, token, body=canonical_bytes(good))
    assert code_of(answer) in ("fields_invalid", "audit_refused")


def test_a_key_that_nothing_can_be_sealed_to(office: Office) -> None:
    zeros = "A" * len(made.recipient().public)
    answer = office.post("/v1/audits", made.case_on(office.claim, recipient=zeros))
    assert (code_of(answer), answer.json()["places"]) == ("fields_invalid", ["recipient"])


def test_a_refusal_tells_its_reason(office: Office) -> None:
    office.open()
    case = made.case_on(office.claim, "case-2", ground="curiosity")
    answer = office.post("/v1/audits", case)
    assert (answer.status_code, code_of(answer)) == (422, "audit_refused")
    assert answer.json()["reason"] == "ground_not_allowed"
    other = made.case_on(office.claim, slots=("price",))
    assert code_of(office.post("/v1/audits", other)) == "already_exists"
    stranger = records.claim("no-such-claim")
    assert code_of(office.post("/v1/audits", made.case_on(stranger, "case-3"))) == "not_found"


def test_nothing_of_a_body_is_logged(office: Office, log: io.StringIO) -> None:
    case = office.open()
    office.answer(case, made.refusal_of(case, samples.identity(), reason=REASON))
    second = office.open("case-2")
    reply = made.reply_to(second, samples.identity())
    office.answer(second, reply)
    office.get("/v1/audits/case-2/sealed")
    office.get(f"/v1/claims/{office.claim.claim_id}/evidence?case_id=case-2")
    office.post("/v1/audits/case-2/outcome", made.outcome_of(second, reply.answer, "refused"))
    text = log.getvalue()
    for secret in (REASON, reply.sealed, case.recipient, case.signature, case.commitment):
        assert secret is not None
        assert secret[:40] not in text
    allowed = {
        *("event", "level", "timestamp", "request_id", "method", "route", "status"),
        *("milliseconds", "token_id", "case_id", "claim_id", "problem"),
    }
    assert {name for line in log_lines(text) for name in line} <= allowed
    assert {line.get("case_id") for line in log_lines(text)} >= {"case-1", "case-2"}


# -- the record ----------------------------------------------------------------------------------


def record_of(office: Office, query: str = "", token: str = "auditor") -> Record:
    answer = office.get(f"/v1/claims/{office.claim.claim_id}/evidence{query}", token)
    assert answer.status_code == 200, answer.text
    made_record = decode_signed(Record, answer.content)
    verify_signed(made_record, insurer_party().signing_key.public_key())
    return made_record


def test_the_record_of_a_claim_is_signed_by_the_insurer(office: Office) -> None:
    known = record_of(office)
    assert known.insurer_id == samples.contract().insurer_id
    assert known.claim == office.claim
    assert known.exported_at == OPENED
    assert known.received_at == records.NOW
    assert (known.verdict.verdict, known.verdict.state) == ("granted", "granted")
    assert known.contract is not None
    assert contract_digest(known.contract) == contract_digest(samples.contract())
    assert known.nomenclature_digest == office.claim.nomenclature_digest
    assert [key.optician_id for key in known.optician_keys] == [OPTICIAN]
    assert known.optician_keys[0].revoked_at is None
    assert (known.attestations, known.audit) == ((), None)
    (event,) = office.events("evidence_read")
    assert event["actor"] == office.insurer.token_ids["auditor"]
    assert json.loads(event["facts"]) == {"record_digest": signed_digest(known)}


def test_the_record_tells_of_one_case(office: Office) -> None:
    case = office.open()
    audit = record_of(office, "?case_id=case-1").audit
    assert audit is not None
    assert (audit.case, audit.recorded_at, audit.answer, audit.outcome) == (
        case,
        OPENED,
        None,
        None,
    )
    reply = made.reply_to(case, samples.identity())
    office.answer(case, reply)
    outcome = made.outcome_of(case, reply.answer)
    office.post("/v1/audits/case-1/outcome", outcome)
    office.at(OPENED + timedelta(days=3))
    audit = record_of(office, "?case_id=case-1", "admin").audit
    assert audit is not None
    assert (audit.answer, audit.outcome) == (reply.answer, outcome)
    assert audit.answered_at == audit.concluded_at == OPENED
    history = office.get("/v1/audits/case-1").json()["history"]
    assert [step["kind"] for step in history].count("evidence_read") == 2


def test_the_record_has_revoked_keys_too(office: Office) -> None:
    office.caller.ask("DELETE", f"/v1/keys/{samples.identity().key_id}")
    (key,) = record_of(office).optician_keys
    assert key.revoked_at == OPENED


def test_no_record_of_what_is_not_there(office: Office) -> None:
    other = samples.claim_of(samples.sample_sale("line"))[0]
    record(office.insurer, other)
    office.open("case-2", other)
    claim_id = office.claim.claim_id
    for path in (
        "/v1/claims/no-such-claim/evidence",
        f"/v1/claims/{claim_id}/evidence?case_id=no-such-case",
        f"/v1/claims/{claim_id}/evidence?case_id=case-2",  # another claim's
    ):
        assert code_of(office.get(path)) == "not_found"
    assert office.events("evidence_read") == []


@pytest.mark.parametrize("token", ["optician", "reader"])
def test_the_record_is_for_auditors_and_administrators(office: Office, token: str) -> None:
    path = f"/v1/claims/{office.claim.claim_id}/evidence"
    assert code_of(office.get(path, token)) == "forbidden"


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    insurer = insurer_in(tmp_path, signing_key=None)
    claim = record(insurer, samples.sample_claim("line")[0])
    with serving(insurer) as caller:
        answer = caller.ask("GET", f"/v1/claims/{claim.claim_id}/evidence", "auditor")
        assert (answer.status_code, code_of(answer)) == (503, "signing_key_missing")


def test_another_insurers_key_does_not_sign(tmp_path: Path) -> None:
    insurer = insurer_in(tmp_path)
    other = Party.generate("insurer", "ocam-autre")
    insurer.service.audits._signer = other
    claim = record(insurer, samples.sample_claim("line")[0])
    with serving(insurer) as caller:
        answer = caller.ask("GET", f"/v1/claims/{claim.claim_id}/evidence", "auditor")
        assert code_of(answer) == "signing_key_missing"
        assert "another insurer" in answer.json()["detail"]


def test_a_bad_key_file_is_no_start(tmp_path: Path) -> None:
    insurer = insurer_in(tmp_path)
    publisher = Party.generate("publisher", "ocam-exemple").encode()
    cases: dict[bytes, type[Exception]] = {publisher: StatementError, b"{": EncodingError}
    for content, kind in cases.items():
        (tmp_path / "insurer.key").write_bytes(content)
        with pytest.raises(kind) as caught:
            make_service(insurer.settings, Metrics())
        assert "private_key" not in str(caught.value)
    (tmp_path / "insurer.key").unlink()
    with pytest.raises(FileNotFoundError):
        make_service(insurer.settings, Metrics())


# -- the clock -----------------------------------------------------------------------------------


def test_a_jump_of_the_clock_is_told_and_moves_no_deadline(office: Office) -> None:
    wall = [OPENED.timestamp()]
    told: list[str] = []
    clock = SteadyClock(
        tell=lambda event, _: told.append(event), wall=lambda: wall[0], steady=lambda: 1.0
    )
    office.insurer.service.clock = clock
    case = office.open()
    assert office.get("/readyz").json()["checks"]["clock"] is True
    wall[0] += timedelta(days=60).total_seconds()
    answer = office.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["clock"]) == (200, False)
    assert told == [JUMPED]
    reply = made.reply_to(case, samples.identity())
    office.sweep()
    assert office.answer(case, reply).json()["answered_at"] == encode_instant(OPENED)
    assert office.get("/v1/audits/case-1/sealed").status_code == 200


def test_a_service_goes_on_from_the_latest_instant(tmp_path: Path, log: io.StringIO) -> None:
    insurer = insurer_in(tmp_path)
    future = datetime.now(OPENED.tzinfo) + timedelta(days=400)
    insurer.now = future
    with serving(insurer) as caller:
        assert caller.portal is not None
        caller.portal.call(insurer.service._sweep)
    again = make_service(insurer.settings, Metrics())
    assert abs(again.clock() - future) < timedelta(minutes=1)
    (line,) = [line for line in log_lines(log.getvalue()) if line["event"] == JUMPED]
    assert line["level"] == "warning"
    assert abs(line["seconds"] + 400 * 86400) < 60
    again.database.dispose()
