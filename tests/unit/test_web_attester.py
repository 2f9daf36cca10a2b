"""The attester over HTTP: answers, problems, limits, and nothing of a record in any of them."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from circuits.attestation import MAX_REQUEST_BYTES, Attestation, AttestationRequest
from circuits.signed import decode_signed, encode_signed
from tests.support import claims as samples
from tests.support.laboratory import (
    OTHER_OPTICIAN,
    RECORD,
    Lab,
    pair_of_claims,
    request_for,
    row,
    secrets_of,
)
from tests.support.web import captured_log, log_lines
from verifier_api.attester.rules import Record
from verifier_api.attester.sources import RecordFault, SourceError
from verifier_api.store.database import StorageError
from verifier_api.web.attester import (
    IN_WORK,
    IN_WORK_OF_ONE,
    AttesterSettings,
    make_app,
    tell_fault,
)
from verifier_api.web.edge import SECURITY_HEADERS
from verifier_api.web.problems import PROBLEMS

ONE, TWO = pair_of_claims()
CODE, PRICE = secrets_of(ONE[1])
PATH = "/v1/attestations"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with captured_log() as stream:
        yield stream


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path, row(ONE[1]))


@pytest.fixture
def client(log: io.StringIO, lab: Lab) -> Iterator[TestClient]:
    app = make_app(lab.attester, AttesterSettings())
    with TestClient(app, raise_server_exceptions=False) as started:
        yield started


def post(client: TestClient, body: bytes | AttestationRequest, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else encode_signed(body)
    sent = {"Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    answer = client.post(PATH, content=data, headers=sent)
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    return answer


def problem(answer: Any, status: int, code: str) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["code"] == code
    assert told["instance"].endswith(answer.headers["x-request-id"])
    assert not [text for text in (str(CODE), str(PRICE)) if text in answer.text]
    return told


def test_a_request_gets_an_attestation_and_the_same_again(
    client: TestClient, log: io.StringIO
) -> None:
    answers = [post(client, request_for(ONE)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].headers["content-type"] == "application/json"
    assert answers[0].content == answers[1].content
    assert decode_signed(Attestation, answers[0].content).claim_id == ONE[0].claim_id
    line = log_lines(log.getvalue())[0]
    assert (line["claim_id"], line["line"], line["optician_id"]) == (
        ONE[0].claim_id, 1, "optician-1")  # fmt: skip
    assert (line["route"], line["status"]) == (PATH, 200)


def test_what_is_refused_is_a_problem_with_its_reason(
    client: TestClient, log: io.StringIO, lab: Lab
) -> None:
    post(client, request_for(ONE))
    told = problem(post(client, request_for(TWO)), 422, "attestation_refused")
    assert told["reason"] == "record_used_up"
    wrong = lab.now - timedelta(hours=1)
    told = problem(post(client, request_for(ONE, now=wrong)), 422, "attestation_refused")
    assert told["reason"] == "request_stale"
    told = problem(post(client, request_for(ONE, line=3), Accept_Language="fr"), 422,
                   "attestation_refused")  # fmt: skip
    assert told["reason"] == "code_differs"
    assert told["title"] == PROBLEMS["attestation_refused"].french
    lines = log_lines(log.getvalue())
    assert [line.get("reason") for line in lines] == [
        None, "record_used_up", "request_stale", "code_differs"]  # fmt: skip
    assert "claim_id" not in lines[2]  # nobody known has said so


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, "malformed"),
        (b"{", {}, 400, "malformed"),
        (b"[]", {}, 400, "malformed"),
        (b"{}", {}, 422, "fields_invalid"),
        (b'{"format_version":2}', {}, 422, "version_unsupported"),
        (b" " * (MAX_REQUEST_BYTES + 1), {}, 413, "body_too_large"),
        (b"{}", {"Content_Type": "text/plain"}, 415, "media_type_unsupported"),
        (b"{}", {"Content_Encoding": "gzip"}, 415, "content_encoding_unsupported"),
    ],
)
def test_what_is_no_request(
    client: TestClient, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    problem(post(client, body, **headers), status, code)


def test_another_form_of_a_good_request_is_malformed(client: TestClient) -> None:
    told = problem(post(client, b" " + encode_signed(request_for(ONE))), 400, "malformed")
    assert told["detail"] == (
        "attestation request: not in canonical form (RFC 8785): take it just as it was made"
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", PATH, 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("GET", "/", 404, "not_found"),
        ("GET", "/docs", 404, "not_found"),
        ("GET", "/openapi.json", 404, "not_found"),
        ("GET", "/metrics", 404, "not_found"),
        ("POST", f"{PATH}/", 404, "not_found"),
    ],
)
def test_there_are_two_routes(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)
    problem(answer, status, code)
    if status == 405:
        assert answer.headers["allow"] == ("POST" if path == PATH else "GET")


def test_health_says_what_works(client: TestClient, lab: Lab, log: io.StringIO) -> None:
    good = client.get("/healthz")
    assert (good.status_code, good.json()) == (
        200, {"status": "ok", "checks": {"ledger": True, "opticians": True, "records": True}}
    )  # fmt: skip
    lab.records_file.write_text("no records")
    bad = client.get("/healthz")
    assert bad.status_code == 200
    assert bad.json()["status"] == "degraded"
    assert bad.json()["checks"] == {"ledger": True, "opticians": True, "records": False}
    assert post(client, request_for(ONE)).status_code == 200


def test_a_fault_of_a_file_is_logged(log: io.StringIO) -> None:
    with captured_log() as stream:
        tell_fault("records: line 3: code: not an LPP code")
        (line,) = log_lines(stream.getvalue())
    assert line["detail"] == "records: line 3: code: not an LPP code"
    assert line["level"] == "warning"


class _Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def find(self, record_id: str) -> Record | None:
        raise self.error

    def is_current(self) -> bool:
        return False

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (SourceError("records: code: not an LPP code"), 503, "storage_unavailable"),
        (StorageError("database: OperationalError"), 503, "storage_unavailable"),
        (KeyError(f"{CODE} {PRICE}"), 500, "internal"),
    ],
)
def test_faults_are_told_without_content(
    tmp_path: Path, log: io.StringIO, error: Exception, status: int, code: str
) -> None:
    lab = Lab(tmp_path, row(ONE[1]), records=_Failing(error))
    with TestClient(
        make_app(lab.attester, AttesterSettings()), raise_server_exceptions=False
    ) as client:
        answer = post(client, request_for(ONE))
        problem(answer, status, code)
        assert ("retry-after" in answer.headers) == (status == 503)
    assert str(CODE) not in log.getvalue()


@pytest.mark.parametrize("owner", ["optician-1", OTHER_OPTICIAN])
def test_that_a_record_is_at_fault_is_told_to_its_own_optician_alone(
    tmp_path: Path, log: io.StringIO, owner: str
) -> None:
    """Mutates the accept, whose record is good: to others, a bad one is no record at all."""
    fault = RecordFault("records: code: not an LPP code", frozenset([owner]))
    lab = Lab(tmp_path, row(ONE[1]), records=_Failing(fault))
    with TestClient(make_app(lab.attester, AttesterSettings())) as client:
        answer = post(client, request_for(ONE))
        if owner == "optician-1":
            assert problem(answer, 503, "storage_unavailable")["detail"] == str(fault)
        else:
            told = problem(answer, 422, "attestation_refused")
            assert told["reason"] == "record_unknown"
            assert "LPP" not in answer.text + log.getvalue()


def test_an_optician_asks_so_often_and_no_more(tmp_path: Path, log: io.StringIO) -> None:
    lab = Lab(tmp_path, row(ONE[1]))
    settings = AttesterSettings(rate_per_second=0.001, rate_burst=2)
    forged = request_for(ONE).model_copy(update={"signature": request_for(TWO).signature})
    with TestClient(make_app(lab.attester, settings)) as client:
        for _ in range(3):  # what was not signed by an optician is on nobody's account
            told = problem(post(client, forged), 422, "attestation_refused")
            assert told["reason"] == "signature_invalid"
        for _ in range(2):
            assert post(client, request_for(ONE)).status_code == 200
        answer = post(client, request_for(ONE))
        problem(answer, 429, "too_many_requests")
        assert int(answer.headers["retry-after"]) >= 1


def test_more_than_there_is_room_for_is_put_off(client: TestClient, lab: Lab) -> None:
    parts: Any = client.app.state.parts  # type: ignore[attr-defined]
    parts._in_work = IN_WORK
    answer = post(client, request_for(ONE))
    problem(answer, 503, "overloaded")
    assert answer.headers["retry-after"] == "1"
    assert client.get("/healthz").status_code == 200
    parts._in_work = 0
    assert post(client, request_for(ONE)).status_code == 200


def test_many_who_ask_how_he_is_are_answered_by_one_look(
    client: TestClient, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The accept is one who asks alone: every one of them gets his answer."""
    assert client.get("/healthz").json()["status"] == "ok"
    looks = 0
    go_on = threading.Event()

    def look() -> bool:
        nonlocal looks
        looks += 1
        assert go_on.wait(10)
        return True

    monkeypatch.setattr(lab.attester.records, "is_current", look)
    with ThreadPoolExecutor(20) as threads:
        asked = [threads.submit(client.get, "/healthz") for _ in range(20)]
        while not looks:
            time.sleep(0.01)
        assert post(client, request_for(ONE)).status_code == 200
        time.sleep(0.2)
        go_on.set()
        assert {done.result().json()["status"] for done in asked} == {"ok"}
    assert looks == 1
    assert client.get("/healthz").status_code == 200
    assert looks == 2


class _Waiting(_Failing):
    """Look-ups wait, but for one record."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.waiting = 0

    def find(self, record_id: str) -> Record | None:
        if record_id == RECORD:
            self.waiting += 1
            assert self.go_on.wait(10)
        return None


def test_one_optician_whose_look_ups_are_slow_keeps_no_other_waiting(
    tmp_path: Path, log: io.StringIO
) -> None:
    """The accept are as many at once as one may have; one more is put off."""
    records = _Waiting()
    lab = Lab(tmp_path, row(ONE[1]), records=records)
    other = samples.identity(OTHER_OPTICIAN)
    sale = samples.sample_sale("equipment", claim_id="other-shop")
    theirs = request_for(samples.claim_of(sale, by=other), record_id="ORDER-1", by=other)
    with (
        TestClient(make_app(lab.attester, AttesterSettings())) as client,
        ThreadPoolExecutor(IN_WORK_OF_ONE) as threads,
    ):
        asked = [threads.submit(post, client, request_for(ONE)) for _ in range(IN_WORK_OF_ONE)]
        while records.waiting < IN_WORK_OF_ONE:
            time.sleep(0.01)
        problem(post(client, request_for(ONE)), 429, "too_many_at_once")
        told = problem(post(client, theirs), 422, "attestation_refused")
        assert told["reason"] == "record_unknown"
        records.go_on.set()
        for done in asked:
            problem(done.result(), 422, "attestation_refused")


def test_nothing_of_a_record_is_logged(client: TestClient, log: io.StringIO) -> None:
    post(client, request_for(ONE))
    post(client, request_for(ONE, line=3))
    post(client, encode_signed(request_for(ONE))[:-1])
    assert log.getvalue()
    assert not [text for text in (str(CODE), str(PRICE)) if text in log.getvalue()]
