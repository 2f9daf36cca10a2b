"""The endpoint for point-of-sale software: one call, and every refusal with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from optician.agent.answers import ClaimAnswer
from optician.web.endpoint import problem_of
from optician.web.problems import MEDIA_TYPE, PROBLEMS
from optician.web.tokens import has_endpoint_token, is_endpoint_token, make_endpoint_token
from tests.support.shopfront import ORIGIN, Counter, make_counter
from tests.support.shops import order_document


class Software(TestClient):
    """Point-of-sale software: no cookie, no origin, a token."""

    def __init__(self, counter: Counter, token: str | None) -> None:
        super().__init__(counter.app, ORIGIN, raise_server_exceptions=False)
        self.counter = counter
        if token is not None:
            self.headers["Authorization"] = f"Bearer {token}"

    def sell(self, document: Any, wait: int | str = 0, **headers: str) -> Any:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        sent = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.post(f"/v1/claims?wait={wait}", content=data, headers=sent)


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Counter:
    return make_counter(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def software(counter: Counter) -> Software:
    return Software(counter, make_endpoint_token(counter.keeper.vault()))


def refused(answer: Any, code: str) -> dict[str, Any]:
    """The problem document, checked for what all of them share."""
    document: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert (document["code"], answer.status_code) == (code, PROBLEMS[code].status)
    assert document["type"] == f"urn:clairobscur:problem:{code}"
    assert document["status"] == answer.status_code
    assert document["titles"]["en"]
    assert document["titles"]["fr"] != document["titles"]["en"]
    return document


# -- claims ----------------------------------------------------------------------------------------


def test_a_sale_is_claimed_and_its_verdict_is_asked_for(software: Software) -> None:
    answer = software.sell(order_document("pos-1"))
    assert answer.status_code == 200
    given = ClaimAnswer.model_validate_json(answer.content)
    assert (given.sale_id, given.state) == ("pos-1", "pending")
    software.counter.keeper.tick()
    later = ClaimAnswer.model_validate_json(software.get(f"/v1/claims/{given.claim_id}").content)
    assert (later.claim_id, later.state) == (given.claim_id, "granted")


def test_with_the_agent_running_one_call_gets_the_verdict(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    token = make_endpoint_token(counter.keeper.vault())
    with Software(counter, token) as software:  # as a context it starts the thread that sends
        answer = software.sell(order_document("pos-2"), wait=30)
    assert answer.json()["state"] == "granted"


def test_the_same_sale_again_is_the_same_claim(software: Software) -> None:
    first = software.sell(order_document("pos-3")).json()
    again = software.sell(order_document("pos-3")).json()
    assert again["claim_id"] == first["claim_id"]
    other = order_document("pos-3")
    other["frame"]["price_cents"] += 100
    refused(software.sell(other), "sale_conflict")


def test_no_answer_holds_a_code_or_a_price(software: Software) -> None:
    document = order_document("pos-4")
    answer = software.sell(document)
    for place in ("right_lens", "left_lens", "frame"):
        assert str(document[place]["code"]) not in answer.text
        assert str(document[place]["price_cents"]) not in answer.text


def test_the_status_tells_what_waits(software: Software) -> None:
    before = software.get("/v1/status").json()
    assert before["status"] == "ready"
    software.sell(order_document("pos-5"))
    after = software.get("/v1/status").json()
    assert after["waiting"] == before["waiting"] + 1


def test_a_shop_without_key_or_insurer_is_not_set_up(tmp_path: Path) -> None:
    counter = make_counter(tmp_path, has_vault=False)
    visitor = counter.visitor()
    words = "pupitre soleil verre monture"
    made = visitor.submit("/setup", {"passphrase": words, "passphrase_again": words}, page="/setup")
    assert made.status_code == 303
    software = Software(counter, make_endpoint_token(counter.keeper.vault()))
    assert software.get("/v1/status").json()["status"] == "not_set_up"
    assert software.sell(order_document()).status_code in (409, 422)


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": ORIGIN},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
    ],
)
def test_a_page_of_a_browser_is_refused_whoever_it_is(
    software: Software, headers: dict[str, str]
) -> None:
    waiting = software.get("/v1/status").json()["waiting"]
    answer = software.sell(order_document("pos-browser"), **headers)
    refused(answer, "origin_refused")
    assert "access-control-allow-origin" not in answer.headers
    assert software.get("/v1/status").json()["waiting"] == waiting


def test_a_preflight_gets_nothing(software: Software) -> None:
    for path in ("/v1/claims", "/v1/status", "/v1/nowhere"):
        answer = software.options(path, headers={"Origin": "https://evil.example"})
        refused(answer, "origin_refused")


@pytest.mark.parametrize("path", ["/v1/claims", "/v1/status", "/v1/claims/some-claim"])
def test_without_a_token_nothing_is_done(counter: Counter, path: str) -> None:
    method = "POST" if path == "/v1/claims" else "GET"
    answer = Software(counter, None).request(method, path)
    refused(answer, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer wrong", "Basic d3Jvbmc=", "bearer " + "x" * 5000, "é"]
)
def test_a_wrong_token_is_refused(counter: Counter, header: str) -> None:
    software = Software(counter, None)
    answer = software.get("/v1/status", headers={b"Authorization": header.encode()})
    refused(answer, "token_invalid")


def test_two_tokens_are_none(software: Software) -> None:
    right = software.headers["authorization"]
    request = software.build_request("GET", "/v1/status")
    request.headers = type(request.headers)(
        [*request.headers.multi_items(), ("Authorization", right)]
    )
    refused(software.send(request), "token_invalid")


def test_a_session_of_the_page_is_no_token(counter: Counter) -> None:
    person = counter.signed_in()
    refused(person.get("/v1/status"), "token_missing")


def test_a_new_token_voids_the_one_before(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    vault = counter.keeper.vault()
    assert not has_endpoint_token(vault)
    assert not is_endpoint_token(vault, "")
    first = make_endpoint_token(vault)
    assert Software(counter, first).get("/v1/status").status_code == 200
    second = make_endpoint_token(vault)
    refused(Software(counter, first).get("/v1/status"), "token_invalid")
    assert Software(counter, second).get("/v1/status").status_code == 200
    assert first.encode() not in (tmp_path / "shop.vault").read_bytes()


def test_a_locked_agent_says_so(tmp_path: Path) -> None:
    counter = make_counter(tmp_path)
    software = Software(counter, make_endpoint_token(counter.keeper.vault()))
    counter.keeper.lock()
    for answer in (software.sell(order_document()), software.get("/v1/status")):
        refused(answer, "vault_locked")
        assert answer.headers["retry-after"] == "30"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content_Type": "text/plain"}, "media_type_unsupported"),
        ({"Content_Type": "application/json; charset=latin-1"}, "media_type_unsupported"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, "media_type_unsupported"),
        ({"Content_Encoding": "gzip"}, "content_encoding_unsupported"),
    ],
)
def test_only_plain_json_is_read(software: Software, headers: dict[str, str], code: str) -> None:
    refused(software.sell(order_document("pos-6"), **headers), code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a":1,"a":2}', b"\xff", b"null"])
def test_what_is_no_json_object_is_refused(software: Software, body: bytes) -> None:
    refused(software.sell(body), "malformed")


def test_a_body_that_is_too_large_is_refused(software: Software) -> None:
    refused(software.sell(b" " * (64 * 2**10 + 1)), "body_too_large")


@pytest.mark.parametrize("wait", ["-1", "61", "1e1", "", "ten", "100", "\u0661"])
def test_a_wait_that_is_none_is_refused(software: Software, wait: str) -> None:
    document = refused(software.sell(order_document("pos-7"), wait=wait), "parameter_invalid")
    assert document["places"] == ["wait"]


def test_an_unknown_parameter_is_refused(software: Software) -> None:
    answer = software.post("/v1/claims?verbose=1", json=order_document("pos-7"))
    refused(answer, "parameter_invalid")


def test_fields_at_fault_are_named_and_never_repeated(software: Software) -> None:
    document = order_document("pos-8")
    document["right_lens"]["price_cents"] = "41599-secret"
    document["beneficiary"] = "short-secret"
    answer = software.sell(document)
    problem = refused(answer, "fields_invalid")
    assert set(problem["places"]) == {"right_lens.price_cents", "beneficiary"}
    assert "secret" not in answer.text


def test_an_order_that_cannot_be_claimed_says_where(software: Software) -> None:
    document = order_document("pos-9")
    document["right_lens"]["code"] = 2_201_815  # one digit beside a code of V01
    problem = refused(software.sell(document), "sale_refused")
    assert problem["places"] == ["right_lens"]
    assert "2201815" not in json.dumps(problem)
    late = order_document("pos-9") | {"date_of_service": "2031-01-01"}
    assert refused(software.sell(late), "sale_refused")["places"] == ["date_of_service"]
    unknown = order_document("pos-9") | {"contract_id": "no-such-contract"}
    assert refused(software.sell(unknown), "sale_refused")["places"] == ["contract_id"]


def test_what_is_not_there_is_not_found(software: Software) -> None:
    refused(software.get("/v1/claims/no-such-claim"), "not_found")
    refused(software.get("/v1/nowhere"), "not_found")
    refused(software.delete("/v1/claims"), "method_not_allowed")


def test_the_title_is_in_the_language_that_is_asked_for(software: Software) -> None:
    for language in ("en", "fr"):
        answer = software.get("/v1/claims/none", headers={"Accept-Language": language})
        document = refused(answer, "not_found")
        assert document["title"] == document["titles"][language]
        assert answer.headers["content-language"] == language


def test_a_fault_of_ours_tells_nothing_of_what_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    problem = problem_of(RuntimeError("2201814 at 415.00"))
    assert problem.code == "internal"
    told = capsys.readouterr().err
    assert told.startswith("RuntimeError")
    assert "2201814" not in told + str(problem)
