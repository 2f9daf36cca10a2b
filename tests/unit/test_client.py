"""The client of the insurer's service: every call, every refusal, repeats, limits, the token."""

from __future__ import annotations

import json
import logging
import random
import ssl
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from circuits.canonical import encode_base64url
from circuits.claim import claim_digest, encode_claim
from circuits.contract import contract_digest
from circuits.notices import encode_cancellation, encode_invoice, notice_digest
from optician.answers import Answer, NewTokenAnswer, facts_of
from optician.calls import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MAX_ANSWER_SECONDS,
    MAX_PROBLEM_BYTES,
    MAX_RETRY_AFTER,
    Call,
    Caller,
    check_address,
)
from optician.client import (
    BATCH_LINES,
    ServiceAnswerInvalid,
    ServiceArgumentInvalid,
    ServiceClient,
    ServiceFault,
    ServiceProblem,
    ServiceUnreachable,
)
from optician.notices import make_cancellation, make_invoice
from tests.support.claims import DAY, contract, identity, nomenclature, sample_claim

TOKEN = "co_0123456789abcdef_" + "S3cret-" * 6 + "x"
URL = "https://insurer.example/api"
AT = "2020-10-06T09:30:00Z"
TITLES = {"en": "No", "fr": "Non"}
DIGEST = encode_base64url(bytes(range(32)))

CLAIM = sample_claim("equipment")[0]
DATA = encode_claim(CLAIM)
OF_CLAIM = encode_base64url(claim_digest(CLAIM))
INVOICE = make_invoice(CLAIM, identity(), DAY)
CANCELLATION = make_cancellation(CLAIM, identity())
OF_CONTRACT = encode_base64url(contract_digest(contract()))

VERDICT: dict[str, Any] = {
    "claim_id": CLAIM.claim_id,
    "claim_digest": OF_CLAIM,
    "verdict": "granted",
    "reason": None,
    "reason_titles": None,
    "detail": "",
    "judged_at": AT,
    "contract_digest": OF_CONTRACT,
    "nomenclature_digest": CLAIM.nomenclature_digest,
    "circuit_digest": DIGEST,
    "granted_until": "2021-01-04T09:30:00Z",
    "amounts": {"lenses_cents": 60_000, "frame_cents": 10_000},
    "notice": TITLES,
}
SUMMARY: dict[str, Any] = {
    "claim_id": CLAIM.claim_id,
    "claim_digest": OF_CLAIM,
    "optician_id": "optician-1",
    "contract_id": CLAIM.contract_id,
    "statement": "equipment",
    "date_of_service": "2020-10-05",
    "received_at": AT,
    "verdict": "granted",
    "reason": None,
    "state": "granted",
    "state_since": AT,
    "granted_until": AT,
    "amounts": None,
    "invoiced_amounts": None,
}
EVENT = {"at": AT, "kind": "judged", "actor": "0123456789abcdef", "facts": {"verdict": "granted"}}
INVOICED = {
    "claim_id": CLAIM.claim_id,
    "state": "payable",
    "invoice_digest": encode_base64url(notice_digest(INVOICE)),
    "amounts": None,
    "date_of_delivery": "2020-10-05",
    "recorded_at": AT,
    "notice": TITLES,
}
MOVED = {"claim_id": CLAIM.claim_id, "state": "cancelled", "recorded_at": AT}
PROOF = {
    "claim_id": CLAIM.claim_id,
    "verdict": "accepted",
    "reason": None,
    "detail": "",
    "circuit_digest": DIGEST,
}
ENTRY = {
    "digest": OF_CONTRACT,
    "contract_id": "responsable-2020",
    "insurer_id": "insurer",
    "product_id": "product",
    "valid_from": "2020-01-01",
    "valid_to": "2021-12-31",
    "in_force_from": "2020-01-01",
    "added_at": AT,
}
TABLE = {
    "digest": DIGEST,
    "version": "2020-07",
    "source": "a source",
    "in_force_from": "2020-07-01",
    "added_at": AT,
    "rows": 3,
}
CIRCUIT = {
    "digest": DIGEST,
    "statement": "equipment",
    "contract_digest": OF_CONTRACT,
    "nomenclature_digest": DIGEST,
    "period_start": "2020-07-01",
    "declaration": {"statement": "equipment"},
    "wires": 1,
    "degree": 2,
    "equations": 3,
    "lines": 3,
    "proof_bytes": 4,
    "description": {"wires": 1},
}
TOKEN_FACTS = {
    "token_id": "0123456789abcdef",
    "scope": "optician",
    "optician_id": "optician-1",
    "label": "till 2",
    "created_at": AT,
    "expires_at": None,
    "revoked_at": None,
}
FRESH = "co_fedcba9876543210_" + "Fr3sh-" * 7 + "y"
KEY = {
    "key_id": DIGEST,
    "optician_id": "optician-1",
    "public_key": DIGEST,
    "valid_from": "0001-01-01",
    "valid_to": "9999-12-31",
    "registered_at": AT,
    "revoked_at": None,
}
RIGHT = {
    "beneficiary": "benef_3Jx0kQ9sWm",
    "contract_id": "responsable-2020",
    "age_group": "adult",
    "valid_from": "2020-01-01",
    "valid_to": None,
    "recorded_at": AT,
}


def problem(code: str, status: int, **more: Any) -> dict[str, Any]:
    return {
        "type": f"urn:clairobscur:problem:{code}",
        "code": code,
        "title": "No",
        "titles": TITLES,
        "status": status,
        "detail": "because",
        "places": [],
        "instance": "urn:clairobscur:request:5f0c2b7e9a1d4c38",
        **more,
    }


class Stream(httpx2.SyncByteStream):
    """An answer in pieces, as it comes from a connection; what a piece raises, it breaks with."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts = parts
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            self.taken += 1
            yield part


def answer(document: Any, status: int = 200, **headers: str) -> httpx2.Response:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, headers=named, stream=Stream(data))


def refusal(code: str, status: int, **more: Any) -> httpx2.Response:
    headers = more.pop("headers", {})
    return answer(problem(code, status, **more), status, **headers)


Reply = httpx2.Response | Exception | Callable[[httpx2.Request], httpx2.Response]


class Service:
    """Answers in turn, and remembers what it was asked and how long the client paused."""

    def __init__(self, *replies: Reply, **options: Any) -> None:
        self.replies = list(replies)
        self.requests: list[httpx2.Request] = []
        self.pauses: list[float] = []
        given: dict[str, Any] = {"jitter": random.Random(7), "sleep": self.pauses.append}
        given |= {"transport": httpx2.MockTransport(self._serve)} | options
        self.client = ServiceClient(given.pop("base_url", URL), given.pop("token", TOKEN), **given)

    def _serve(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, httpx2.Response) else reply(request)

    @property
    def only(self) -> httpx2.Request:
        (request,) = self.requests
        return request


# -- every call -------------------------------------------------------------------------------

RIGHTS = [{name: RIGHT[name] for name in ("beneficiary", "contract_id", "age_group", "valid_from")}]
CALLS: dict[str, tuple[Callable[[ServiceClient], Any], Any, str, str, Any]] = {
    # what is asked; what is answered; method, path and query, body
    "submit_claim": (lambda c: c.submit_claim(CLAIM), VERDICT, "POST", "/v1/claims", DATA),
    "submit_claim bytes": (lambda c: c.submit_claim(DATA), VERDICT, "POST", "/v1/claims", DATA),
    "claim": (
        lambda c: c.claim(CLAIM.claim_id),
        {**SUMMARY, "verdict_answer": VERDICT, "claim": {"claim_id": "x"}, "history": [EVENT]},
        *("GET", "/v1/claims/sample-equipment", b""),
    ),
    "claims": (
        lambda c: list(
            c.claims(
                state="granted",
                date_from=date(2020, 10, 1),
                received_to=datetime(2020, 10, 6, 11, 30, tzinfo=UTC),
            )
        ),
        {"claims": [SUMMARY], "next": None},
        "GET",
        "/v1/claims?limit=200&state=granted&date_from=2020-10-01"
        "&received_to=2020-10-06T11%3A30%3A00Z",
        b"",
    ),
    "invoice": (
        lambda c: c.invoice(CLAIM.claim_id, INVOICE),
        INVOICED,
        *("POST", "/v1/claims/sample-equipment/invoice", encode_invoice(INVOICE)),
    ),
    "cancel": (
        lambda c: c.cancel(CLAIM.claim_id, CANCELLATION),
        MOVED,
        *("POST", "/v1/claims/sample-equipment/cancellation", encode_cancellation(CANCELLATION)),
    ),
    "decide": (
        lambda c: c.decide(CLAIM.claim_id, "grant", "file 17"),
        MOVED | {"state": "granted", "granted_until": AT},
        *("POST", "/v1/claims/sample-equipment/decision"),
        b'{"decision": "grant", "note": "file 17"}',
    ),
    "verify": (lambda c: c.verify(CLAIM), PROOF, "POST", "/v1/proofs/verify", DATA),
    "contracts": (lambda c: c.contracts(), {"contracts": [ENTRY]}, "GET", "/v1/contracts", b""),
    "contract": (
        lambda c: c.contract(OF_CONTRACT),
        ENTRY | {"document": contract().model_dump(mode="json")},
        *("GET", f"/v1/contracts/{OF_CONTRACT}", b""),
    ),
    "add_contract": (
        lambda c: c.add_contract(b"{}", in_force_from=date(2020, 7, 1)),
        ENTRY,
        *("POST", "/v1/contracts?in_force_from=2020-07-01", b"{}"),
    ),
    "nomenclatures": (
        lambda c: c.nomenclatures(),
        {"nomenclatures": [TABLE]},
        *("GET", "/v1/nomenclatures", b""),
    ),
    "nomenclature": (
        lambda c: c.nomenclature(DIGEST, day=DAY),
        TABLE | {"date": "2020-10-05", "classes": [{"class": "V01"}]},
        *("GET", f"/v1/nomenclatures/{DIGEST}?date=2020-10-05", b""),
    ),
    "nomenclature_class": (
        lambda c: c.nomenclature_class(DIGEST, "V01"),
        {"digest": DIGEST, "date": "2020-10-05", "class": {"class": "V01"}, "codes": []},
        *("GET", f"/v1/nomenclatures/{DIGEST}/classes/V01", b""),
    ),
    "nomenclature_file": (
        lambda c: c.nomenclature_file(encode_base64url(nomenclature().digest)),
        nomenclature().to_bytes(),
        "GET",
        f"/v1/nomenclatures/{encode_base64url(nomenclature().digest)}/file",
        b"",
    ),
    "add_nomenclature": (
        lambda c: c.add_nomenclature(b"{}"),
        TABLE,
        *("POST", "/v1/nomenclatures", b"{}"),
    ),
    "circuit": (lambda c: c.circuit(DIGEST), CIRCUIT, "GET", f"/v1/circuits/{DIGEST}", b""),
    "tokens": (lambda c: c.tokens(), {"tokens": [TOKEN_FACTS]}, "GET", "/v1/tokens", b""),
    "create_token": (
        lambda c: c.create_token("optician", optician_id="optician-1", label="till 2"),
        TOKEN_FACTS | {"token": FRESH},
        *("POST", "/v1/tokens"),
        b'{"expires_at": null, "label": "till 2", "optician_id": "optician-1", '
        b'"scope": "optician"}',
    ),
    "rotate_token": (
        lambda c: c.rotate_token("0123456789abcdef"),
        TOKEN_FACTS | {"token": FRESH},
        *("POST", "/v1/tokens/0123456789abcdef/rotation", b""),
    ),
    "revoke_token": (
        lambda c: c.revoke_token("0123456789abcdef"),
        TOKEN_FACTS,
        *("DELETE", "/v1/tokens/0123456789abcdef", b""),
    ),
    "keys": (lambda c: c.keys(), {"keys": [KEY]}, "GET", "/v1/keys", b""),
    "register_keys": (
        lambda c: c.register_keys([{"optician_id": "o"}]),
        {"keys": [KEY]},
        *("POST", "/v1/keys", b'{"format_version": 1, "keys": [{"optician_id": "o"}]}'),
    ),
    "register_keys bytes": (
        lambda c: c.register_keys(b"{}"),
        {"keys": [KEY]},
        *("POST", "/v1/keys", b"{}"),
    ),
    "revoke_key": (lambda c: c.revoke_key(DIGEST), KEY, "DELETE", f"/v1/keys/{DIGEST}", b""),
    "rights": (
        lambda c: list(c.rights()),
        {"rights": [RIGHT], "next": None},
        *("GET", "/v1/rights?limit=200", b""),
    ),
    "add_rights": (
        lambda c: c.add_rights(RIGHTS),
        {"added": 1},
        *("POST", "/v1/rights", json.dumps({"rights": RIGHTS}, sort_keys=True).encode()),
    ),
    "end_right": (
        lambda c: c.end_right("benef_3Jx0kQ9sWm", "responsable-2020", DAY),
        {"valid_to": "2020-10-05"},
        *("POST", "/v1/rights/end"),
        b'{"beneficiary": "benef_3Jx0kQ9sWm", "contract_id": "responsable-2020", '
        b'"valid_to": "2020-10-05"}',
    ),
    "health": (lambda c: c.health(), {"status": "ok"}, "GET", "/healthz", b""),
    "metrics": (lambda c: c.metrics(), b"requests 1\n", "GET", "/metrics", b""),
}


@pytest.mark.parametrize("name", CALLS)
def test_each_call_asks_what_it_should_and_understands_the_answer(name: str) -> None:
    ask, document, method, target, body = CALLS[name]
    service = Service(answer(document))
    got = ask(service.client)
    request = service.only
    assert (request.method, str(request.url)) == (method, URL + target)
    assert request.read() == body
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers.get("Content-Type") == ("application/json" if body else None)
    assert got is None or got
    if isinstance(document, dict) and isinstance(got, Answer):
        told = facts_of(got)
        assert document.items() <= told.items()


def test_every_public_method_has_a_call_here() -> None:
    methods = {name for name in vars(ServiceClient) if not name.startswith("_")}
    elsewhere = {"close", "claims_page", "verify_batch", "readiness"}
    assert methods - elsewhere == {name.split()[0] for name in CALLS}


@pytest.mark.parametrize("name", [name for name in CALLS if isinstance(CALLS[name][1], dict)])
def test_members_that_are_not_known_are_ignored(name: str) -> None:
    ask, document, *_ = CALLS[name]
    plain = ask(Service(answer(document)).client)
    assert ask(Service(answer(document | {"news": [1.5]})).client) == plain


@pytest.mark.parametrize("name", [name for name in CALLS if isinstance(CALLS[name][1], dict)])
@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}", b'{"claim_id":', b"\xff"])
def test_what_is_no_answer_is_refused(name: str, content: bytes) -> None:
    service = Service(answer(content))
    with pytest.raises(ServiceAnswerInvalid):
        CALLS[name][0](service.client)
    assert len(service.requests) == 1


def test_answers_are_frozen() -> None:
    verdict = Service(answer(VERDICT)).client.submit_claim(CLAIM)
    with pytest.raises(ValueError, match="frozen"):
        setattr(verdict, "verdict", "refused")  # noqa: B010


# -- what is believed -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("submit_claim", {"claim_digest": DIGEST}, "another claim"),
        ("submit_claim", {"verdict": "paid"}, "verdict: "),
        ("submit_claim", {"reason": "floor"}, "a reason goes with"),
        ("submit_claim", {"verdict": "refused", "granted_until": None}, "a reason goes with"),
        ("submit_claim", {"granted_until": None}, "granted_until goes with"),
        ("submit_claim", {"granted_until": "2021-01-04"}, "granted_until: "),
        ("submit_claim", {"detail": "x" * 5000}, "detail: "),
        ("claim", {"claim_id": "another"}, "another claim"),
        ("invoice", {"claim_id": "another"}, "another invoice"),
        ("invoice", {"invoice_digest": DIGEST}, "another invoice"),
        ("cancel", {"claim_id": "another"}, "another claim"),
        ("decide", {"claim_id": "another"}, "another claim"),
        ("verify", {"claim_id": "another"}, "another claim"),
        ("contract", {"digest": DIGEST}, "another digest"),
        ("contract", {"document": {}}, "no contract"),
        (
            "contract",
            {"document": contract("reseau").model_dump(mode="json")},
            "another digest",
        ),
        ("nomenclature", {"digest": OF_CONTRACT}, "another nomenclature"),
        ("nomenclature_class", {"digest": OF_CONTRACT}, "another nomenclature"),
        ("circuit", {"digest": OF_CONTRACT}, "another circuit"),
        ("end_right", {"valid_to": "2020-10-06"}, "another day"),
    ],
)
def test_an_answer_to_another_question_is_none(
    name: str, changes: dict[str, Any], words: str
) -> None:
    ask, document, *_ = CALLS[name]
    with pytest.raises(ServiceAnswerInvalid, match=words):
        ask(Service(answer(document | changes)).client)


def test_a_nomenclature_with_another_digest_is_refused() -> None:
    ask, document, *_ = CALLS["nomenclature_file"]
    changed = document.replace(b'"version":"2020-07"', b'"version":"2020-08"')
    assert changed != document
    with pytest.raises(ServiceAnswerInvalid, match="another digest"):
        ask(Service(answer(changed)).client)
    with pytest.raises(ServiceAnswerInvalid, match="no nomenclature"):
        ask(Service(answer(b"{}")).client)


# -- listings and batches ---------------------------------------------------------------------


def test_pages_are_asked_for_as_they_are_needed() -> None:
    pages = [
        {"claims": [SUMMARY | {"claim_id": f"c-{number}"}], "next": cursor}
        for number, cursor in enumerate(["a+b", "c", None])
    ]
    service = Service(*map(answer, pages))
    listing = service.client.claims(page_size=1, verdict="granted")
    assert next(listing).claim_id == "c-0"
    assert len(service.requests) == 1
    assert [entry.claim_id for entry in listing] == ["c-1", "c-2"]
    queries = [dict(request.url.params) for request in service.requests]
    asked = {"limit": "1", "verdict": "granted"}
    assert queries == [asked, asked | {"cursor": "a+b"}, asked | {"cursor": "c"}]


@pytest.mark.parametrize("name", ["claims", "rights"])
def test_pages_that_go_round_in_a_circle_end(name: str) -> None:
    cursors = ["a", "b", "a"]
    service = Service(*(answer({name: [], "next": cursor}) for cursor in cursors))
    with pytest.raises(ServiceAnswerInvalid, match="in a circle"):
        list(getattr(service.client, name)())


def verdicts(request: httpx2.Request) -> httpx2.Response:
    """One for each line of a batch, telling how long the line was."""
    lines = request.read().split(b"\n")
    assert lines.pop() == b""
    told = [
        PROOF | {"line": number, "detail": str(len(line))}
        for number, line in enumerate(lines, start=1)
    ]
    return answer(b"".join(json.dumps(entry).encode() + b"\n" for entry in told))


def test_a_batch_goes_in_pieces_and_is_numbered_throughout() -> None:
    service = Service(verdicts, verdicts, verdicts)
    sent = [b"x" * (1 + number) for number in range(2 * BATCH_LINES + 88)]
    got = service.client.verify_batch(iter(sent))
    assert next(got).line == 1
    assert len(service.requests) == 1
    rest = list(got)
    assert [entry.line for entry in rest] == list(range(2, len(sent) + 1))
    assert [entry.detail for entry in rest] == [str(len(line)) for line in sent[1:]]
    bodies = [request.read() for request in service.requests]
    assert [body.count(b"\n") for body in bodies] == [BATCH_LINES, BATCH_LINES, 88]
    assert {request.headers["Content-Type"] for request in service.requests} == {
        "application/x-ndjson"
    }
    assert {str(request.url) for request in service.requests} == {URL + "/v1/proofs/verify-batch"}


def test_claims_go_into_a_batch_as_they_are() -> None:
    service = Service(verdicts)
    (entry,) = service.client.verify_batch([CLAIM])
    assert entry.claim_id == CLAIM.claim_id
    assert service.only.read() == DATA + b"\n"
    assert list(Service().client.verify_batch([])) == []


@pytest.mark.parametrize("data", [b"", b"  ", b"a\nb", b"a\n", b"a\rb", b"\na"])
def test_what_is_not_one_line_cannot_go_into_a_batch(data: bytes) -> None:
    service = Service()
    with pytest.raises(ServiceArgumentInvalid, match="claim 2 of the batch is not one line"):
        list(service.client.verify_batch([b"{}", data]))
    assert service.requests == []


@pytest.mark.parametrize("numbers", [[1], [1, 2, 3], [2, 1], [1, 1], []])
def test_a_batch_whose_verdicts_do_not_match_its_lines_is_refused(numbers: list[int]) -> None:
    lines = b"".join(json.dumps(PROOF | {"line": number}).encode() + b"\n" for number in numbers)
    with pytest.raises(ServiceAnswerInvalid, match="not one verdict for each claim"):
        list(Service(answer(lines)).client.verify_batch([b"a", b"b"]))


# -- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("malformed", 400),
        ("token_invalid", 401),
        ("forbidden", 403),
        ("not_found", 404),
        ("method_not_allowed", 405),
        ("body_timeout", 408),
        ("claim_conflict", 409),
        ("body_too_large", 413),
        ("media_type_unsupported", 415),
        ("fields_invalid", 422),
        ("internal", 500),
        ("news_of_tomorrow", 418),
    ],
)
def test_a_problem_says_what_the_service_said_and_is_not_repeated(code: str, status: int) -> None:
    service = Service(refusal(code, status, places=["lines.0.commitment"], reason="why"))
    with pytest.raises(ServiceProblem) as caught:
        service.client.submit_claim(CLAIM)
    error = caught.value
    assert (error.code, error.status, error.title, error.detail) == (code, status, "No", "because")
    assert (error.places, error.reason) == (("lines.0.commitment",), "why")
    assert (error.titles, error.request_id) == (TITLES, "5f0c2b7e9a1d4c38")
    assert error.retry_after is None
    assert str(error) == f"{status} {code}: because"
    assert len(service.requests) == 1
    assert service.pauses == []


@pytest.mark.parametrize("status", [400, 404, 500, 204, 206])
def test_a_refusal_without_problem_details_is_no_answer(status: int) -> None:
    service = Service(answer(b"<html>", status))
    with pytest.raises(ServiceAnswerInvalid, match=f"{status} without problem details"):
        service.client.submit_claim(CLAIM)
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    service = Service(answer(b"", status, Location="https://elsewhere.example/v1/claims"))
    with pytest.raises(ServiceAnswerInvalid, match=f"{status}: redirects are not followed"):
        service.client.submit_claim(CLAIM)
    assert len(service.requests) == 1


# -- repeats ----------------------------------------------------------------------------------

PASSING: dict[str, Callable[[], Reply]] = {
    "no connection": lambda: httpx2.ConnectError(""),
    "no connection in time": lambda: httpx2.ConnectTimeout(""),
    "no answer in time": lambda: httpx2.ReadTimeout(""),
    "not sent in time": lambda: httpx2.WriteTimeout(""),
    "broken while sending": lambda: httpx2.WriteError(""),
    "broken while reading": lambda: httpx2.ReadError(""),
    "cut off": lambda: httpx2.RemoteProtocolError(""),
    "proxy": lambda: httpx2.ProxyError(""),
    "broken answer": lambda: httpx2.Response(
        200, stream=Stream(b'{"claim_id":', httpx2.RemoteProtocolError(""))
    ),
    "too many": lambda: refusal("too_many_requests", 429),
    "overloaded": lambda: refusal("overloaded", 503),
    "bad gateway": lambda: answer(b"<html>", 502),
    "gateway timeout": lambda: answer(b"<html>", 504),
    "unavailable": lambda: answer(b"<html>", 503),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_tried_again(name: str) -> None:
    service = Service(PASSING[name](), PASSING[name](), answer(VERDICT))
    assert service.client.submit_claim(CLAIM).verdict == "granted"
    assert [request.read() for request in service.requests] == [DATA] * 3
    assert len(service.pauses) == 2


@pytest.mark.parametrize("name", PASSING)
def test_what_does_not_pass_is_told_after_the_last_attempt(name: str) -> None:
    service = Service(*(PASSING[name]() for _ in range(3)), retries=2)
    is_problem = name in ("too many", "overloaded")
    with pytest.raises(ServiceProblem if is_problem else ServiceUnreachable) as caught:
        service.client.submit_claim(CLAIM)
    assert len(service.requests) == 3
    if isinstance(caught.value, ServiceProblem):
        assert caught.value.status in (429, 503)
    elif "50" not in str(caught.value):
        assert str(caught.value).endswith("(tried 3 times)")


def test_no_repeats_are_made_if_none_are_wanted() -> None:
    service = Service(httpx2.ReadTimeout(""), retries=0)
    with pytest.raises(ServiceUnreachable, match=r"^no answer in time$"):
        service.client.submit_claim(CLAIM)
    assert service.pauses == []


def test_pauses_grow_and_are_random() -> None:
    service = Service(*(httpx2.ConnectError("") for _ in range(13)), retries=12)
    with pytest.raises(ServiceUnreachable):
        service.client.submit_claim(CLAIM)
    longest = [min(LONGEST_PAUSE, FIRST_PAUSE * 2**number) for number in range(12)]
    drawn = random.Random(7)
    assert service.pauses == [drawn.uniform(0.0, limit) for limit in longest]
    assert longest[:3] == [0.5, 1.0, 2.0]
    assert longest[-1] == 20.0
    other = Service(*(httpx2.ConnectError("") for _ in range(13)), retries=12, jitter=None)
    with pytest.raises(ServiceUnreachable):
        other.client.submit_claim(CLAIM)
    assert other.pauses != service.pauses


def test_a_pause_that_the_service_asks_for_is_kept() -> None:
    busy = refusal("too_many_requests", 429, headers={"Retry_After": "7"})
    service = Service(busy, answer(VERDICT))
    service.client.submit_claim(CLAIM)
    assert 7.0 <= service.pauses[0] <= 7.0 + FIRST_PAUSE


def test_a_pause_may_be_given_as_a_date() -> None:
    for ahead, least, most in ((30, 25.0, 31.0), (-30, 0.0, FIRST_PAUSE)):
        moment = datetime.now(UTC) + timedelta(seconds=ahead)
        busy = refusal(
            "overloaded", 503, headers={"Retry_After": format_datetime(moment, usegmt=True)}
        )
        service = Service(busy, answer(VERDICT))
        service.client.submit_claim(CLAIM)
        assert least <= service.pauses[0] <= most


@pytest.mark.parametrize("text", ["soon", "-5", "1.5", "", "Tue, 99 Nov 2020 10:00:00 GMT"])
def test_a_pause_that_is_none_does_not_count(text: str) -> None:
    service = Service(refusal("overloaded", 503, headers={"Retry_After": text}), answer(VERDICT))
    service.client.submit_claim(CLAIM)
    assert 0.0 <= service.pauses[0] <= FIRST_PAUSE


def test_a_pause_that_is_too_long_is_left_to_the_caller() -> None:
    limit = str(int(MAX_RETRY_AFTER))
    within = Service(refusal("overloaded", 503, headers={"Retry_After": limit}), answer(VERDICT))
    within.client.submit_claim(CLAIM)
    beyond = Service(refusal("overloaded", 503, headers={"Retry_After": limit + "0"}))
    with pytest.raises(ServiceProblem) as caught:
        beyond.client.submit_claim(CLAIM)
    assert caught.value.retry_after == MAX_RETRY_AFTER * 10
    assert beyond.pauses == []


@pytest.mark.parametrize("name", ["create_token", "rotate_token"])
def test_a_token_is_not_made_twice(name: str) -> None:
    ask, document, *_ = CALLS[name]
    for sent in ("no answer in time", "cut off", "broken answer", "overloaded", "bad gateway"):
        service = Service(PASSING[sent]())
        with pytest.raises(ServiceFault):
            ask(service.client)
        assert len(service.requests) == 1
    for unsent in ("no connection", "no connection in time", "proxy", "too many"):
        service = Service(PASSING[unsent](), answer(document))
        assert ask(service.client).token == FRESH


def test_a_certificate_that_is_not_trusted_does_not_pass() -> None:
    error = httpx2.ConnectError("")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")
    service = Service(error)
    with pytest.raises(ServiceUnreachable, match="certificate of the service is not trusted"):
        service.client.submit_claim(CLAIM)


def test_a_request_that_cannot_be_sent_is_not_repeated() -> None:
    service = Service(httpx2.LocalProtocolError(""))
    with pytest.raises(ServiceUnreachable, match="no such request"):
        service.client.submit_claim(CLAIM)


def test_not_ready_is_an_answer() -> None:
    checks = {"database": False, "workers": True}
    service = Service(answer({"status": "not_ready", "checks": checks}, 503), token=None)
    got = service.client.readiness()
    assert (got.status, got.checks) == ("not_ready", checks)
    assert "Authorization" not in service.only.headers


# -- limits -----------------------------------------------------------------------------------


def test_an_answer_is_read_to_its_limit_and_no_further() -> None:
    stream = Stream(*[b" " * 1000] * 1000)
    caller = Caller(
        URL,
        TOKEN,
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, stream=stream)),
    )
    with pytest.raises(ServiceAnswerInvalid, match="more than 5000 bytes"):
        caller.content(Call("GET", "/v1/contracts", max_bytes=5000))
    assert stream.taken == 6
    stream = Stream(*[b" " * 1000] * 5)
    assert len(caller.content(Call("GET", "/v1/contracts", max_bytes=5000))) == 5000


def test_a_refusal_is_read_to_a_smaller_limit() -> None:
    long = problem("not_found", 404, detail="because" + " " * MAX_PROBLEM_BYTES)
    with pytest.raises(ServiceAnswerInvalid, match=f"more than {MAX_PROBLEM_BYTES} bytes"):
        Service(answer(long, 404)).client.claim("c-1")


def test_an_answer_that_never_ends_is_given_up() -> None:
    times = iter([0.0, 1.0, MAX_ANSWER_SECONDS + 1.0])
    stream = Stream(*[b" "] * 10)
    service = Service(httpx2.Response(200, stream=stream), clock=lambda: next(times))
    with pytest.raises(ServiceAnswerInvalid, match="not whole after"):
        service.client.submit_claim(CLAIM)
    assert stream.taken == 2


def test_a_compressed_answer_is_refused_before_it_is_unpacked() -> None:
    stream = Stream(b"\x1f\x8b")
    reply = httpx2.Response(200, headers={"Content-Encoding": "gzip"}, stream=stream)
    service = Service(reply)
    with pytest.raises(ServiceAnswerInvalid, match="compressed"):
        service.client.submit_claim(CLAIM)
    assert stream.taken == 0
    assert service.only.headers["Accept-Encoding"] == "identity"


# -- addresses and arguments ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("https://insurer.example", "https://insurer.example"),
        ("https://insurer.example:8443/optics/", "https://insurer.example:8443/optics"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
    ],
)
def test_addresses_that_are_taken(address: str, taken: str) -> None:
    assert check_address(address) == taken


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://insurer.example", "https expected"),
        ("http://192.168.1.5:8000", "https expected"),
        ("http://127.0.0.1.example", "https expected"),
        ("http://localhost.example", "https expected"),
        ("http://[::2]", "https expected"),
        ("https://shop:S3cret@insurer.example", "no user and password"),
        ("https://@insurer.example", "no user and password"),
        ("https://insurer.example?a=S3cret", "no query"),
        ("https://insurer.example#S3cret", "no query"),
        ("https://insurer.example\\S3cret", "no query"),
        ("ftp://insurer.example", "https://HOST"),
        ("insurer.example", "https://HOST"),
        ("https://", "https://HOST"),
        ("https://insurer.example:S3cret", "https://HOST"),
        ("https://insurer.example:99999", "https://HOST"),
        ("https://insurer.example:0", "https://HOST"),
        ("https://[S3cret", "https://HOST"),
        ("https://insurer..example", "no host can have"),
        (f"https://{'a' * 64}.example", "no host can have"),
        ("https://insurer example", "1 to 500 ASCII characters"),
        ("https://insurer.example/\n", "1 to 500 ASCII characters"),
        ("", "1 to 500 ASCII characters"),
    ],
)
def test_addresses_that_are_refused(address: str, words: str) -> None:
    with pytest.raises(ServiceArgumentInvalid, match=words) as caught:
        ServiceClient(address, TOKEN)
    assert "S3cret" not in str(caught.value)


def test_plain_http_to_others_has_to_be_allowed() -> None:
    service = Service(answer(VERDICT), base_url="http://insurer.example", allow_http=True)
    assert service.client.submit_claim(CLAIM).verdict == "granted"


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "é", "x" * 600, "Bearer x"])
def test_a_token_that_is_none_is_refused_without_being_told(token: str) -> None:
    with pytest.raises(ServiceArgumentInvalid, match=r"^token: not the form of a token$"):
        ServiceClient(URL, token)


@pytest.mark.parametrize(("timeout", "retries"), [(0.0, 1), (-1.0, 1), (float("nan"), 1), (1, -1)])
def test_limits_that_are_none_are_refused(timeout: float, retries: int) -> None:
    with pytest.raises(ServiceArgumentInvalid, match="timeout and retries"):
        ServiceClient(URL, TOKEN, timeout=timeout, retries=retries)


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "a b", "é", "a?b", "x" * 200])
def test_what_is_no_name_goes_into_no_path(name: str) -> None:
    service = Service()
    for ask in (
        lambda: service.client.claim(name),
        lambda: service.client.contract(name),
        lambda: service.client.revoke_key(name),
        lambda: service.client.cancel(name, CANCELLATION),
    ):
        with pytest.raises(ServiceArgumentInvalid):
            ask()
    assert service.requests == []


# -- the environment --------------------------------------------------------------------------


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://user:S3cret@127.0.0.1:9")


def proxies_of(client: ServiceClient) -> set[str]:
    """For which addresses the client goes through a proxy."""
    mounts = client._caller._http._mounts
    return {pattern.pattern for pattern, transport in mounts.items() if transport is not None}


def test_proxies_are_for_https_alone(proxied: None) -> None:
    with ServiceClient(URL, TOKEN) as encrypted, ServiceClient("http://localhost:1", TOKEN) as near:
        assert "https://" in proxies_of(encrypted)
        assert proxies_of(near) == set()
    with ServiceClient("http://insurer.example", TOKEN, allow_http=True) as clear:
        assert proxies_of(clear) == set()


@pytest.mark.parametrize("proxy", ["gopher://user:S3cret@host", "http://S3cret:x:y"])
def test_a_proxy_that_cannot_be_used_is_not_told(
    proxied: None, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    with pytest.raises(ServiceArgumentInvalid, match="a proxy that the environment names") as error:
        ServiceClient(URL, TOKEN)
    assert "S3cret" not in "".join(traceback.format_exception(error.value))


def test_a_proxy_whose_name_is_none_is_a_fault(
    proxied: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://user:S3cret@a..b:9")
    with ServiceClient(URL, TOKEN) as client, pytest.raises(ServiceUnreachable) as caught:
        client.health()
    text = "".join(traceback.format_exception(caught.value))
    assert "no host can have the proxy's name" in text
    assert "S3cret" not in text


def test_certificates_that_are_not_there_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    with pytest.raises(ServiceArgumentInvalid, match="certificates that the environment names"):
        ServiceClient(URL, TOKEN)


def test_no_netrc_replaces_the_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine insurer.example login other password wrong\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    for token, expected in ((TOKEN, f"Bearer {TOKEN}"), (None, None)):
        service = Service(answer(VERDICT), token=token)
        service.client.submit_claim(CLAIM)
        assert service.only.headers.get("Authorization") == expected


# -- the token --------------------------------------------------------------------------------


def test_the_token_is_in_no_repr_log_error_or_url(caplog: pytest.LogCaptureFixture) -> None:
    replies: list[Callable[[], Reply]] = [
        lambda: answer(VERDICT),
        lambda: refusal("token_invalid", 401),
        lambda: refusal("internal", 500, detail=f"asked with {TOKEN}", title=TOKEN),
        lambda: answer(b"<html>", 500),
        lambda: answer(b"", 307, Location="https://elsewhere.example"),
        lambda: answer(b"not JSON"),
        lambda: httpx2.ConnectError(f"to {TOKEN}"),
        lambda: httpx2.RemoteProtocolError(f"with {TOKEN}"),
        lambda: httpx2.LocalProtocolError(f"of {TOKEN}"),
    ]
    texts: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for reply in replies:
            service = Service(reply(), retries=0)
            texts += [repr(service.client), str(service.client), repr(vars(service.client))]
            texts += [repr(service.client._caller)]
            try:
                service.client.submit_claim(CLAIM)
            except ServiceFault as error:
                texts += [repr(error), repr(vars(error)), *traceback.format_exception(error)]
                cause: BaseException | None = error
                while cause is not None:  # whoever prints the chain prints no request
                    assert not isinstance(cause, httpx2.HTTPError)
                    cause = cause.__cause__ or cause.__context__
            assert TOKEN in service.only.headers["Authorization"]
            texts += [str(service.only.url), repr(service.only), repr(service.only.headers)]
    texts += [record.getMessage() for record in caplog.records]
    assert any("insurer.example" in text for text in texts)
    secret = TOKEN.split("_")[2]
    assert [text for text in texts if secret in text] == []


def test_a_fresh_token_is_handed_out_and_not_shown() -> None:
    fresh = Service(answer(TOKEN_FACTS | {"token": FRESH})).client.create_token("reader")
    assert isinstance(fresh, NewTokenAnswer)
    assert fresh.token == FRESH
    assert FRESH not in repr(fresh) + str(fresh)
    with pytest.raises(ServiceAnswerInvalid) as caught:
        Service(answer(TOKEN_FACTS | {"token": FRESH, "label": 7})).client.create_token("reader")
    text = "".join(traceback.format_exception(caught.value))
    assert "label" in text
    assert FRESH not in text


def test_a_call_does_not_show_its_body() -> None:
    assert "S3cret" not in repr(Call("POST", "/v1/claims", body=b"S3cret"))
