"""The outermost layer: what every answer has, errors and unknown paths included."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from tests.support.web import Caller, Insurer, captured_log, code_of, log_lines, serving
from verifier_api.store.database import StorageError
from verifier_api.web.edge import SECURITY_HEADERS, Edge
from verifier_api.web.metrics import Metrics

SECRET = "2221234 and 54321 cents"
"""Must be in no answer and in no log."""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with captured_log() as stream:
        yield stream


@pytest.fixture
def caller(log: io.StringIO, insurer: Insurer) -> Iterator[Caller]:
    with serving(insurer) as started:
        yield started


@pytest.fixture
def insurer(tmp_path_factory: pytest.TempPathFactory) -> Insurer:
    return Insurer(tmp_path_factory.mktemp("insurer"))


REQUESTS: list[tuple[str, str, str | None, int]] = [
    ("GET", "/healthz", None, 200),
    ("GET", "/readyz", None, 200),
    ("GET", "/openapi.json", None, 200),
    ("GET", "/metrics", "reader", 200),
    ("GET", "/v1/claims", "optician", 200),
    ("GET", "/v1/claims", None, 401),
    ("GET", "/v1/tokens", "reader", 403),
    ("GET", "/v1/nothing", "admin", 404),
    ("GET", "/nowhere", None, 404),
    ("GET", "/docs", None, 404),
    ("GET", "/v1/claims/", "admin", 404),
    ("GET", "//v1/claims", "admin", 404),
    ("GET", "/v1/claims/x", "admin", 404),
    ("PUT", "/v1/claims", "admin", 405),
    ("OPTIONS", "/v1/claims", None, 405),
    ("HEAD", "/healthz", None, 405),
    ("TRACE", "/healthz", None, 405),
    ("POST", "/v1/tokens", "admin", 415),
    ("GET", "/v1/claims?limit=0", "admin", 422),
    ("GET", "/v1/contracts/x", "admin", 422),
]


@pytest.mark.parametrize("origin", [None, "https://elsewhere.example"])
def test_every_answer_has_its_id_and_is_closed_to_other_sites(
    caller: Caller, origin: str | None
) -> None:
    ids = set()
    for method, path, token, status in REQUESTS:
        asked = {"Origin": origin, "Access-Control-Request-Method": "GET"} if origin else {}
        headers = caller.insurer.headers(token) | asked
        answer = caller.request(method, path, headers=headers)
        assert answer.status_code == status, (method, path)
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
        ids.add(answer.headers["x-request-id"])
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers.get_list(name) == [value]
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "set-cookie" not in answer.headers
        assert "server" not in answer.headers
    assert len(ids) == len(REQUESTS)


def test_the_id_is_the_services_own(caller: Caller) -> None:
    answer = caller.ask("GET", "/healthz", None, X_Request_Id="mine")
    assert answer.headers["x-request-id"] != "mine"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/claims", "GET, POST"),
        ("/v1/tokens", "GET, POST"),
        ("/v1/keys", "GET, POST"),
        ("/v1/rights", "GET, POST"),
        ("/v1/contracts", "GET, POST"),
        ("/v1/nomenclatures", "GET, POST"),
        ("/v1/claims/x", "GET"),
        ("/v1/claims/x/invoice", "POST"),
        ("/v1/tokens/0123456789abcdef", "DELETE"),
        ("/v1/keys/x", "DELETE"),
        ("/healthz", "GET"),
        ("/openapi.json", "GET"),
    ],
)
def test_a_405_names_every_method_of_the_path(caller: Caller, path: str, methods: str) -> None:
    answer = caller.ask("PATCH", path)
    assert (answer.status_code, code_of(answer)) == (405, "method_not_allowed")
    assert answer.headers["allow"] == methods
    for method in methods.split(", "):
        assert caller.ask(method, path).status_code != 405


@pytest.mark.parametrize(("header", "language"), [("fr", "fr"), ("en", "en"), ("de", "en")])
def test_problems_speak_the_language_that_is_asked_for(
    caller: Caller, header: str, language: str
) -> None:
    for path in ("/v1/nothing", "/v1/tokens", "/v1/claims/%00"):
        answer = caller.ask("GET", path, "reader", Accept_Language=header)
        problem = answer.json()
        assert answer.headers["content-language"] == language
        assert problem["title"] == problem["titles"][language]


# -- faults -------------------------------------------------------------------------------------


def test_a_fault_is_told_without_its_message(
    caller: Caller, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(caller.insurer.service, "list_claims", fail)
    answer = caller.ask("GET", "/v1/claims")
    assert (answer.status_code, code_of(answer)) == (500, "internal")
    assert answer.json()["detail"] == ""
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert SECRET not in answer.text
    assert SECRET not in log.getvalue()
    assert "Traceback" not in log.getvalue()
    fault, request = log_lines(log.getvalue())[-2:]
    assert (fault["event"], fault["level"], fault["fault"]) == ("fault", "error", "ValueError")
    assert fault["place"].startswith("test_web_edge.py:")
    assert fault["request_id"] == request["request_id"] == answer.headers["x-request-id"]
    assert (request["event"], request["status"]) == ("request", 500)


def test_storage_that_fails_outside_the_services_doors_is_unavailable(
    caller: Caller, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise StorageError("database: OperationalError")

    monkeypatch.setattr(caller.insurer.service, "refresh", fail)
    answer = caller.ask("POST", "/v1/tokens", document={"scope": "reader"})
    assert (answer.status_code, code_of(answer)) == (503, "storage_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


# -- one line a request -------------------------------------------------------------------------


def test_one_line_a_request_with_route_and_status_and_no_values(
    caller: Caller, log: io.StringIO
) -> None:
    caller.ask("GET", f"/v1/claims?optician_id={'o' * 64}&reason=x{'y' * 30}")
    caller.ask("GET", "/v1/claims/a-claim-of-somebody", "reader")
    caller.ask("GET", "/no/such/path", None)
    caller.ask("BREW", "/healthz", None)
    listing, claim, nowhere, brewed = log_lines(log.getvalue())
    for line in (listing, claim, nowhere, brewed):
        assert line["event"] == "request"
        assert line["level"] == "info"
        assert line["milliseconds"] > 0
        assert re.fullmatch(r"[0-9a-f]{16}", line["request_id"])
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d+Z", line["timestamp"])
    assert (listing["method"], listing["route"], listing["status"]) == ("GET", "/v1/claims", 200)
    assert listing["token_id"] == caller.insurer.token_ids["admin"]
    assert (claim["route"], claim["status"]) == ("/v1/claims/{claim_id}", 404)
    assert claim["problem"] == "not_found"
    assert (nowhere["route"], nowhere["status"]) == ("unmatched", 404)
    assert (brewed["method"], brewed["status"]) == ("other", 405)
    for value in ("o" * 64, "y" * 30, "somebody", "such", "BREW", *caller.insurer.tokens.values()):
        assert value not in log.getvalue()


# -- as plain ASGI ------------------------------------------------------------------------------


class Sent(list[dict[str, Any]]):
    """What an application sends."""

    async def __call__(self, message: Any) -> None:
        self.append(message)


async def receive() -> Any:
    return {"type": "http.disconnect"}


def scope(**changes: Any) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": "/", "headers": []} | changes


def test_a_client_that_leaves_is_no_fault(log: io.StringIO) -> None:
    async def leave(*_: Any) -> None:
        raise ClientDisconnect

    sent = Sent()
    asyncio.run(Edge(leave, Metrics())(scope(), receive, sent))
    assert sent == []
    (line,) = log_lines(log.getvalue())
    assert line["disconnected"] is True
    assert line["status"] is None


def test_a_fault_within_an_answer_cuts_it_off(log: io.StringIO) -> None:
    async def fail(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError(SECRET)

    sent = Sent()
    with pytest.raises(ValueError, match=SECRET):
        asyncio.run(Edge(fail, Metrics())(scope(), receive, sent))
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert SECRET not in log.getvalue()


def test_what_is_no_request_passes_through(log: io.StringIO) -> None:
    seen = []

    async def take(given: Any, *_: Any) -> None:
        seen.append(given)

    asyncio.run(Edge(take, Metrics())({"type": "lifespan"}, receive, Sent()))
    assert seen == [{"type": "lifespan"}]
    assert log.getvalue() == ""
