"""The client of the insurer's service: what it sends, what it believes, how often it tries, and
that it keeps its token to itself."""

from __future__ import annotations

import json
import logging
import random
import re
import ssl
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from circuits.attestation import decode_submission
from circuits.audit import AuditReply, encode_reply
from circuits.claim import Claim, encode_claim
from circuits.notices import encode_cancellation, encode_invoice
from circuits.signed import encode_signed
from console import calls
from console.answers import facts_of
from optician.answers import BatchLine, VerdictAnswer
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
from tests.support import bundles
from tests.support import claims as samples
from tests.support import service_answers as canned
from tests.support.attesting import attestation
from tests.support.publishing import publication
from tests.support.service_answers import TOKEN

HOST = "https://insurer.example"
DAY = date(2020, 10, 20)


def answer(document: Any, status: int = 200, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, json=document, headers=named)


def busy(status: int = 503, **headers: str) -> httpx2.Response:
    return answer(canned.problem("overloaded", status), status, **headers)


Told = httpx2.Response | Exception


class Service:
    """Gives the answers it was told in turn, the last one for ever, and remembers what it saw."""

    def __init__(self, *told: Told) -> None:
        self.told = list(told)
        self.requests: list[httpx2.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.requests.append(request)
        told = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        if isinstance(told, Exception):
            raise told
        return told

    def client(self, base_url: str = HOST, token: str | None = TOKEN, **more: Any) -> ServiceClient:
        usual: dict[str, Any] = {"jitter": random.Random(1), "sleep": self.pauses.append}
        transport = httpx2.MockTransport(self)
        return ServiceClient(base_url, token, transport=transport, **(usual | more))

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    @property
    def body(self) -> Any:
        return json.loads(self.requests[-1].content)


@pytest.fixture(scope="module")
def claim() -> Claim:
    return samples.sample_claim()[0]


# -- what is asked ----------------------------------------------------------------------------


def test_a_claim_is_sent_as_it_is(claim: Claim) -> None:
    service = Service(answer(canned.verdict(claim)))
    data = encode_claim(claim)
    verdicts = [service.client().submit_claim(claim), service.client().submit_claim(data)]
    assert verdicts[0] == verdicts[1]
    assert verdicts[0].verdict == "granted"
    assert verdicts[0].granted_until == datetime(2021, 1, 4, 9, 30, tzinfo=UTC)
    assert facts_of(verdicts[0]) == canned.verdict(claim)
    assert service.asked == ["POST /v1/claims"] * 2
    for request in service.requests:
        assert request.content == data
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert request.headers["Accept-Encoding"] == "identity"


def test_attestations_go_with_a_claim_in_one_canonical_document(claim: Claim) -> None:
    given = [attestation(claim, line) for line in (1, 2)]
    service = Service(answer(canned.verdict(claim, attest_by=canned.GRANTED_UNTIL)))
    client = service.client()
    verdict = client.submit_claim(claim, given)
    assert verdict.attest_by == verdict.granted_until
    client.submit_claim(encode_claim(claim), map(encode_signed, given))
    for request in service.requests:
        sent = decode_submission(request.content)
        assert (sent.claim, list(sent.attestations)) == (claim, given)


def test_an_attestation_of_a_recorded_claim_is_sent_as_it_is(claim: Claim) -> None:
    given = attestation(claim, 2)
    service = Service(answer(canned.attested(given)))
    told = service.client().attest(given)
    assert facts_of(told) == canned.attested(given)
    assert service.client().attest(encode_signed(given)) == told
    assert service.asked == [f"POST /v1/claims/{claim.claim_id}/attestations"] * 2
    assert {request.content for request in service.requests} == {encode_signed(given)}
    for changes in ({"claim_id": "other"}, {"attestation_digest": canned.DIGEST}):
        other = Service(answer(canned.attested(given, **changes)))
        with pytest.raises(ServiceAnswerInvalid, match="another attestation"):
            other.client().attest(given)
    for data in (b"", b"{}", encode_claim(claim)):
        with pytest.raises(ServiceArgumentInvalid, match="an attestation expected"):
            service.client().attest(data)
    assert len(service.requests) == 2


def test_a_newer_service_may_say_more_and_answers_cannot_be_changed(claim: Claim) -> None:
    service = Service(answer(canned.verdict(claim, sentiment={"mood": "good"})))
    verdict = service.client().submit_claim(claim)
    assert "sentiment" not in facts_of(verdict)
    with pytest.raises(ValueError, match="frozen"):
        verdict.detail = "other"  # type: ignore[misc]


@pytest.mark.parametrize("make", [canned.refusal, canned.pending])
def test_a_refusal_is_an_answer(claim: Claim, make: Callable[[Claim], dict[str, Any]]) -> None:
    told = make(claim)
    verdict = Service(answer(told)).client().submit_claim(claim)
    assert (verdict.verdict, verdict.reason) == (told["verdict"], told["reason"])
    assert verdict.reason_titles is not None
    assert verdict.reason_titles.fr == told["reason_titles"]["fr"]


def test_one_claim_is_asked_for(claim: Claim) -> None:
    service = Service(answer(canned.detail(claim)))
    told = service.client().claim(claim.claim_id)
    assert told.claim["beneficiary"] == claim.beneficiary
    assert told.verdict_answer.claim_digest == told.claim_digest
    assert [event.kind for event in told.history] == ["judged"]
    assert service.asked == [f"GET /v1/claims/{claim.claim_id}"]


def test_claims_are_listed_page_by_page(claim: Claim) -> None:
    pages = [
        {"claims": [canned.summary(claim, claim_id=f"c{n}") for n in numbers], "next": following}
        for numbers, following in (((1, 2), "a b/&"), ((3,), "z"), ((), None))
    ]
    service = Service(*map(answer, pages))
    listed = service.client().claims(
        page_size=2,
        state="granted",
        date_from=date(2020, 10, 1),
        received_to=datetime(2020, 10, 7, 8, 0, tzinfo=UTC),
    )
    assert [entry.claim_id for entry in listed] == ["c1", "c2", "c3"]
    first, second, third = (request.url.params for request in service.requests)
    narrowed = {
        "limit": "2",
        "state": "granted",
        "date_from": "2020-10-01",
        "received_to": "2020-10-07T08:00:00Z",
    }
    assert dict(first) == narrowed
    assert dict(second) == narrowed | {"cursor": "a b/&"}
    assert dict(third) == narrowed | {"cursor": "z"}


def test_no_page_is_asked_for_before_it_is_needed(claim: Claim) -> None:
    service = Service(answer({"claims": [canned.summary(claim)], "next": "more"}))
    next(service.client().claims())
    assert len(service.requests) == 1


def test_a_listing_that_goes_round_in_a_circle_ends(claim: Claim) -> None:
    service = Service(answer({"claims": [canned.summary(claim)], "next": "again"}))
    with pytest.raises(ServiceAnswerInvalid, match="circle"):
        list(service.client().claims())
    service = Service(answer({"rights": [canned.right_facts()], "next": "again"}))
    with pytest.raises(ServiceAnswerInvalid, match="circle"):
        list(service.client().rights())


def test_invoices_and_cancellations_are_sent_as_they_are(claim: Claim) -> None:
    invoice = make_invoice(claim, samples.identity(), DAY)
    service = Service(answer(canned.invoiced(invoice)))
    for given in (invoice, encode_invoice(invoice)):
        assert service.client().invoice(claim.claim_id, given).state == "payable"
    assert {request.content for request in service.requests} == {encode_invoice(invoice)}
    assert service.asked == [f"POST /v1/claims/{claim.claim_id}/invoice"] * 2
    cancellation = make_cancellation(claim, samples.identity())
    service = Service(answer(canned.cancelled(claim.claim_id)))
    for sent in (cancellation, encode_cancellation(cancellation)):
        assert service.client().cancel(claim.claim_id, sent).state == "cancelled"
    assert {request.content for request in service.requests} == {encode_cancellation(cancellation)}
    assert service.asked == [f"POST /v1/claims/{claim.claim_id}/cancellation"] * 2


def test_a_decision_is_sent_with_its_note() -> None:
    service = Service(answer(canned.decided("c1")))
    told = service.client().decide("c1", "grant", "dossier 17, à suivre")
    assert (told.state, told.granted_until is not None) == ("granted", True)
    assert service.asked == ["POST /v1/claims/c1/decision"]
    assert service.body == {"decision": "grant", "note": "dossier 17, à suivre"}


def test_audits_are_listed_shown_and_answered() -> None:
    case = bundles.make_case()
    made_of = bundles.parts("refused")
    assert made_of.answer is not None
    reply = AuditReply(format_version=1, answer=made_of.answer, sealed=None)
    entry = canned.audit(case)
    service = Service(answer({"audits": [entry], "next": "more"}))
    service.told += [answer({"audits": [entry | {"case_id": "case-0"}], "next": None})]
    listed = list(service.client().audits())
    assert [told.case_id for told in listed] == ["case-1", "case-0"]
    assert facts_of(listed[0]) == entry
    assert service.asked == [
        "GET /v1/audits?limit=200",
        "GET /v1/audits?limit=200&cursor=more",
    ]
    service = Service(answer(canned.audit_detail(case)))
    assert service.client().audit("case-1").case == case.model_dump(mode="json")
    service.told = [answer(entry | {"state": "refused"}, 201)]
    for given in (reply, encode_reply(reply)):
        assert service.client().answer_audit("case-1", given).state == "refused"
        assert service.requests[-1].content == encode_reply(reply)
    assert service.asked == ["GET /v1/audits/case-1", *["POST /v1/audits/case-1/answer"] * 2]


def test_an_answer_about_another_case_is_none() -> None:
    case = bundles.make_case()
    service = Service(answer(canned.audit_detail(case)))
    assert service.client().audit("case-1").case_id == "case-1"
    with pytest.raises(ServiceAnswerInvalid, match="another case"):
        service.client().audit("case-2")
    with pytest.raises(ServiceAnswerInvalid, match="another case"):
        service.client().answer_audit("case-2", b"{}")
    service.told = [answer({"audits": [canned.audit(case)], "next": "more"})] * 2
    with pytest.raises(ServiceAnswerInvalid, match="circle"):
        list(service.client().audits())


def test_a_claim_is_verified_by_itself(claim: Claim) -> None:
    service = Service(answer(canned.proof(claim.claim_id)))
    assert service.client().verify(claim).verdict == "accepted"
    assert service.client().verify(encode_claim(claim)).circuit_digest == canned.DIGEST
    assert service.asked == ["POST /v1/proofs/verify"] * 2


def test_contracts_are_listed_fetched_and_added() -> None:
    entry = canned.contract_entry()
    service = Service(answer({"contracts": [entry]}))
    assert [facts_of(told) for told in service.client().contracts()] == [entry]
    service = Service(answer(canned.contract_answer()))
    assert service.client().contract(entry["digest"]).document["grant_days"] == 90
    assert service.asked == [f"GET /v1/contracts/{entry['digest']}"]
    service = Service(answer(entry))
    for document in (canned.contract_answer()["document"], b'{"a": 1}'):
        told = service.client().add_contract(document, in_force_from=date(2020, 7, 1))
        assert told.digest == entry["digest"]
    service.client().add_contract(b"{}")
    assert service.asked == [
        *["POST /v1/contracts?in_force_from=2020-07-01"] * 2,
        "POST /v1/contracts",
    ]
    assert json.loads(service.requests[0].content) == canned.contract_answer()["document"]
    assert service.requests[1].content == b'{"a": 1}'


def test_nomenclatures_are_listed_fetched_and_added() -> None:
    entry = canned.nomenclature_entry()
    digest = entry["digest"]
    service = Service(answer({"nomenclatures": [entry]}))
    assert [facts_of(told) for told in service.client().nomenclatures()] == [entry]
    service = Service(answer(entry | {"date": "2020-10-05", "classes": [{"class": "V01"}]}))
    told = service.client().nomenclature(digest, day=samples.DAY)
    assert (told.date, told.classes) == (samples.DAY, ({"class": "V01"},))
    one = {"digest": digest, "date": "2020-10-05", "class": {"class": "V01"}, "codes": []}
    service.told = [answer(one)]
    assert facts_of(service.client().nomenclature_class(digest, "V01")) == one
    assert service.asked == [
        f"GET /v1/nomenclatures/{digest}?date=2020-10-05",
        f"GET /v1/nomenclatures/{digest}/classes/V01",
    ]
    data = samples.nomenclature().to_bytes()
    service = Service(httpx2.Response(200, content=data))
    assert service.client().nomenclature_file(digest) == data
    service.told = [answer(entry)]
    added = service.client().add_nomenclature(data, in_force_from=date(2020, 7, 1))
    assert added.rows == len(samples.nomenclature().rows)
    assert service.requests[-1].content == data
    assert service.asked == [
        f"GET /v1/nomenclatures/{digest}/file",
        "POST /v1/nomenclatures?in_force_from=2020-07-01",
    ]


def test_publications_are_fetched_and_recorded() -> None:
    made = publication(samples.contract())
    entry = {"recorded_at": "2020-10-06T09:30:00Z", "publication": made.model_dump(mode="json")}
    service = Service(answer({"publications": [entry]}))
    assert service.client().publications(made.digest) == (made,)
    service.told = [answer(entry)]
    added = service.client().add_publication(made)
    assert added.recorded_at == datetime(2020, 10, 6, 9, 30, tzinfo=UTC)
    assert service.requests[-1].content == encode_signed(made)
    assert service.asked == [
        f"GET /v1/publications?digest={made.digest}",
        "POST /v1/publications",
    ]


def test_a_publication_that_is_another_is_none() -> None:
    made = publication(samples.contract())
    for document, problem in (
        (made.model_dump(mode="json"), "of another document"),
        (made.model_dump(mode="json") | {"kind": "price"}, "of no known form"),
        ({}, "of no known form"),
    ):
        entry = {"recorded_at": "2020-10-06T09:30:00Z", "publication": document}
        service = Service(answer({"publications": [entry]}))
        with pytest.raises(ServiceAnswerInvalid, match=problem):
            service.client().publications(canned.DIGEST)


def test_a_circuit_is_described() -> None:
    service = Service(answer(canned.circuit()))
    assert service.client().circuit(canned.DIGEST).wires == 40
    assert service.asked == [f"GET /v1/circuits/{canned.DIGEST}"]


def test_tokens_are_made_rotated_and_revoked() -> None:
    service = Service(answer(canned.token_facts() | {"token": TOKEN}))
    moment = datetime(2021, 1, 1, tzinfo=UTC)
    client = service.client()
    fresh = client.create_token(
        "optician", optician_id="optician-1", label="till 2", expires_at=moment
    )
    assert fresh.token == TOKEN
    assert service.body == {
        "scope": "optician",
        "optician_id": "optician-1",
        "label": "till 2",
        "expires_at": "2021-01-01T00:00:00Z",
    }
    assert client.rotate_token(fresh.token_id).token == TOKEN
    service.told = [answer(canned.token_facts(revoked_at=canned.JUDGED_AT))]
    assert client.revoke_token(fresh.token_id).revoked_at is not None
    service.told = [answer({"tokens": [canned.token_facts()]})]
    assert [entry.label for entry in client.tokens()] == ["till 2"]
    assert service.asked == [
        "POST /v1/tokens",
        "POST /v1/tokens/0123456789abcdef/rotation",
        "DELETE /v1/tokens/0123456789abcdef",
        "GET /v1/tokens",
    ]


def test_keys_are_registered_and_revoked() -> None:
    identity = samples.identity()
    service = Service(answer({"keys": [canned.key_facts()]}))
    client = service.client()
    registered = client.register_keys([identity.public_entry()])
    assert [entry.key_id for entry in registered] == [identity.key_id]
    assert service.body == {"format_version": 1, "keys": [identity.public_entry()]}
    client.register_keys(samples.keys_document(identity))
    assert service.requests[-1].content == samples.keys_document(identity)
    listed = client.keys()
    assert [entry.optician_id for entry in listed] == ["optician-1"]
    service.told = [answer(canned.key_facts(revoked_at=canned.JUDGED_AT))]
    assert client.revoke_key(identity.key_id).revoked_at is not None
    assert service.asked == [
        *["POST /v1/keys"] * 2,
        "GET /v1/keys",
        f"DELETE /v1/keys/{identity.key_id}",
    ]


def test_rights_are_recorded_listed_and_ended() -> None:
    right = {name: value for name, value in canned.right_facts().items() if name != "recorded_at"}
    service = Service(answer({"added": 1}))
    client = service.client()
    assert client.add_rights([right]) == 1
    assert service.body == {"rights": [right]}
    service.told = [
        answer({"rights": [canned.right_facts()], "next": "n"}),
        answer({"rights": [canned.right_facts(valid_to="2020-12-31")], "next": None}),
    ]
    assert [entry.valid_to for entry in client.rights()] == [None, date(2020, 12, 31)]
    service.told = [answer({"valid_to": "2020-12-31"})]
    client.end_right(samples.BENEFICIARY, "contract-1", date(2020, 12, 31))
    assert service.body == {
        "beneficiary": samples.BENEFICIARY,
        "contract_id": "contract-1",
        "valid_to": "2020-12-31",
    }
    assert service.asked == [
        "POST /v1/rights",
        "GET /v1/rights?limit=200",
        "GET /v1/rights?limit=200&cursor=n",
        "POST /v1/rights/end",
    ]


def test_the_service_tells_how_it_is() -> None:
    service = Service(answer({"status": "ok"}))
    assert service.client(token=None).health().status == "ok"
    assert "Authorization" not in service.requests[0].headers
    service.told = [answer({"status": "not_ready", "checks": {"database": False}}, 503)]
    assert service.client(token=None).readiness().checks == {"database": False}
    service.told = [httpx2.Response(200, text="claims_total 3\n")]
    assert service.client().metrics() == "claims_total 3\n"
    assert service.asked == ["GET /healthz", "GET /readyz", "GET /metrics"]


def test_a_service_may_live_under_a_path() -> None:
    service = Service(answer({"status": "ok"}))
    service.client(f"{HOST}:8443/claims-service/").health()
    assert str(service.requests[0].url) == f"{HOST}:8443/claims-service/healthz"


@pytest.mark.parametrize("name", ["", "..", "a/b", "a?b", "a b", "a#b", "%2e", "é", "a" * 129])
def test_what_is_no_identifier_is_not_asked_for(name: str) -> None:
    service = Service(answer({}))
    with pytest.raises(ServiceArgumentInvalid, match="an identifier or a digest expected"):
        service.client().claim(name)
    assert service.requests == []


def test_what_json_cannot_hold_is_not_sent() -> None:
    service = Service(answer({}))
    for note in ("\ud800", float("nan"), object()):
        with pytest.raises(ServiceArgumentInvalid) as refused:
            service.client().decide("c1", "grant", note)  # type: ignore[arg-type]
        assert refused.value.__context__ is None
    assert service.requests == []


def test_every_method_is_called_here() -> None:
    methods = {name for name in vars(ServiceClient) if not name.startswith("_")}
    text = Path(__file__).read_text(encoding="utf-8")
    # `claims` asks for its pages by `claims_page`.
    own = methods - {"claims_page", "close"}
    assert {name for name in own if not re.search(rf"client(\(.*\))?\.{name}\(", text)} == set()


# -- batches ----------------------------------------------------------------------------------


def _lines(numbers: range) -> httpx2.Response:
    """Verdicts on the lines of one piece, which count from 1."""
    verdicts = [canned.proof(f"c{number}", line=number) for number in numbers]
    return httpx2.Response(200, content="".join(json.dumps(entry) + "\n" for entry in verdicts))


def test_a_batch_goes_in_pieces_and_counts_through(claim: Claim) -> None:
    data = encode_claim(claim)
    service = Service(_lines(range(1, BATCH_LINES + 1)), _lines(range(1, 4)))
    drawn = []

    def claims() -> Iterator[bytes | Claim]:
        for number in range(BATCH_LINES + 3):
            drawn.append(number)
            yield claim if number % 2 else data

    verdicts = service.client().verify_batch(claims())
    assert next(verdicts).line == 1
    assert len(drawn) == BATCH_LINES, "no further than the verdicts are asked for"
    assert [entry.line for entry in verdicts] == list(range(2, BATCH_LINES + 4))
    assert [len(request.content.split(b"\n")) - 1 for request in service.requests] == [
        BATCH_LINES,
        3,
    ]
    assert service.requests[1].content == (data + b"\n") * 3
    assert service.requests[0].headers["Content-Type"] == "application/x-ndjson"
    assert service.asked == ["POST /v1/proofs/verify-batch"] * 2


def test_the_pieces_of_a_batch_are_bounded() -> None:
    assert BATCH_LINES <= 256


def test_an_empty_batch_asks_nothing() -> None:
    service = Service(answer({}))
    assert list(service.client().verify_batch([])) == []
    assert service.requests == []


def test_a_batch_tells_what_it_could_not_read() -> None:
    told = canned.proof(None, line=1, verdict="unreadable", reason="unreadable", detail="no JSON")
    service = Service(answer(told))
    (verdict,) = service.client().verify_batch([b"{"])
    assert isinstance(verdict, BatchLine)
    assert (verdict.claim_id, verdict.verdict, verdict.detail) == (None, "unreadable", "no JSON")


@pytest.mark.parametrize("line", [b"", b"  ", b"{}\n", b"{}\r", b"{}\n{}", b"\n{}"])
def test_what_is_not_one_line_would_shift_the_verdicts(line: bytes) -> None:
    service = Service(answer({}))
    with pytest.raises(ServiceArgumentInvalid, match="claim 2 of the batch is not one line"):
        list(service.client().verify_batch([b"{}", line]))
    assert service.requests == []


@pytest.mark.parametrize("numbers", [range(1, 2), range(1, 4), range(2, 4), range(2)])
def test_a_verdict_too_few_or_too_many_is_no_answer(numbers: range) -> None:
    # `range(1, 3)` would be right.
    told = [canned.proof("c", line=number) for number in numbers]
    service = Service(httpx2.Response(200, content="\n".join(map(json.dumps, told))))
    with pytest.raises(ServiceAnswerInvalid):
        list(service.client().verify_batch([b"{}", b"{}"]))


# -- what is believed -------------------------------------------------------------------------


def test_an_answer_about_something_else_is_none(claim: Claim) -> None:
    other = samples.sample_claim("line")[0]
    invoice = make_invoice(claim, samples.identity(), DAY)
    later = make_invoice(claim, samples.identity(), DAY + timedelta(days=1))
    cases: list[tuple[Any, Callable[[ServiceClient], object]]] = [
        (canned.verdict(other), lambda client: client.submit_claim(claim)),
        (canned.detail(other), lambda client: client.claim(claim.claim_id)),
        (canned.invoiced(later), lambda client: client.invoice(claim.claim_id, invoice)),
        (
            canned.invoiced(invoice, claim_id="c1"),
            lambda client: client.invoice(claim.claim_id, invoice),
        ),
        (canned.cancelled("c2"), lambda client: client.cancel("c1", b"{}")),
        (canned.decided("c2"), lambda client: client.decide("c1", "grant")),
        (canned.proof("c2"), lambda client: client.verify(claim)),
        (canned.circuit(), lambda client: client.circuit("A" * 43)),
        (canned.contract_answer(), lambda client: client.contract("A" * 43)),
        (
            {"valid_to": "2020-12-30"},
            lambda client: client.end_right("b", "c", date(2020, 12, 31)),
        ),
        (
            canned.nomenclature_entry() | {"date": "2020-10-05", "classes": []},
            lambda client: client.nomenclature("A" * 43),
        ),
        (
            {"digest": canned.DIGEST, "date": "2020-10-05", "class": {}, "codes": []},
            lambda client: client.nomenclature_class("A" * 43, "V01"),
        ),
    ]
    for told, ask in cases:
        service = Service(answer(told))
        with pytest.raises(ServiceAnswerInvalid):
            ask(service.client())
        assert len(service.requests) == 1, "asking again would not help"


def test_a_contract_that_was_tampered_with_is_none() -> None:
    told = canned.contract_answer()
    told["document"]["frame_ceiling_cents"] -= 1
    with pytest.raises(ServiceAnswerInvalid, match="another digest"):
        Service(answer(told)).client().contract(told["digest"])
    told["document"]["frame_ceiling_cents"] = "10000"
    with pytest.raises(ServiceAnswerInvalid, match="no contract of a known form"):
        Service(answer(told)).client().contract(told["digest"])


def test_a_nomenclature_that_is_another_is_none() -> None:
    data = samples.nomenclature().to_bytes()
    with pytest.raises(ServiceAnswerInvalid, match="another digest"):
        Service(httpx2.Response(200, content=data)).client().nomenclature_file("A" * 43)
    with pytest.raises(ServiceAnswerInvalid, match="no nomenclature of a known form"):
        Service(httpx2.Response(200, content=b"{}")).client().nomenclature_file("A" * 43)


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "maybe"},
        {"granted_until": None},
        {"granted_until": "2021-01-04"},
        {"reason": "floor"},
        {"claim_digest": 17},
        {"amounts": {"lenses_cents": 1.5, "frame_cents": 0}},
        {"amounts": {"lenses_cents": "1", "frame_cents": 0}},
        {"detail": "x" * 5000},
        {"notice": "a text"},
    ],
)
def test_a_verdict_of_another_form_is_none(claim: Claim, changes: dict[str, Any]) -> None:
    VerdictAnswer.model_validate_json(json.dumps(canned.verdict(claim)))  # is right as it is
    service = Service(answer(canned.verdict(claim, **changes)))
    with pytest.raises(ServiceAnswerInvalid, match="VerdictAnswer: ") as refused:
        service.client().submit_claim(claim)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"<html>", b"\xff"])
def test_what_is_no_json_object_is_none(claim: Claim, content: bytes) -> None:
    service = Service(httpx2.Response(200, content=content))
    with pytest.raises(ServiceAnswerInvalid):
        service.client().submit_claim(claim)
    assert len(service.requests) == 1


def _endless(seen: list[int], part: bytes = b" " * 2**16) -> Iterator[bytes]:
    while True:
        seen.append(len(part))
        yield part


@pytest.mark.parametrize(
    ("status", "limit"), [(200, calls.MAX_ANSWER_BYTES), (422, calls.MAX_PROBLEM_BYTES)]
)
def test_an_answer_without_end_is_read_up_to_a_limit(status: int, limit: int) -> None:
    seen: list[int] = []
    service = Service(httpx2.Response(status, content=_endless(seen)))
    with pytest.raises(ServiceAnswerInvalid, match=f"more than {limit} bytes"):
        service.client().contracts()
    assert limit < sum(seen) <= limit + 2**17


def test_an_answer_of_the_largest_size_is_read() -> None:
    entries = {"contracts": [canned.contract_entry()]}
    text = json.dumps(entries).encode().ljust(calls.MAX_ANSWER_BYTES)
    assert len(Service(httpx2.Response(200, content=text)).client().contracts()) == 1
    with pytest.raises(ServiceAnswerInvalid, match="more than"):
        Service(httpx2.Response(200, content=text + b" ")).client().contracts()


def test_an_answer_that_drips_is_given_up() -> None:
    moment = iter([0.0, 1.0, calls.MAX_ANSWER_SECONDS, calls.MAX_ANSWER_SECONDS + 1.0])
    seen: list[int] = []
    service = Service(httpx2.Response(200, content=_endless(seen, b" ")))
    with pytest.raises(ServiceAnswerInvalid, match="was not whole after"):
        service.client(clock=lambda: next(moment)).contracts()
    assert len(seen) <= 4


def test_a_compressed_answer_is_not_unpacked() -> None:
    service = Service(
        httpx2.Response(200, stream=httpx2.ByteStream(b""), headers={"Content-Encoding": "gzip"})
    )
    with pytest.raises(ServiceAnswerInvalid, match="compressed"):
        service.client().contracts()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    service = Service(httpx2.Response(status, headers={"Location": "https://elsewhere.example/"}))
    with pytest.raises(ServiceAnswerInvalid, match=f"{status}: redirects are not followed"):
        service.client().contracts()
    assert len(service.requests) == 1


# -- what the service refuses -----------------------------------------------------------------


def test_a_problem_is_told_whole(claim: Claim) -> None:
    told = canned.problem(
        "notice_refused", 422, places=["amounts"], reason="amount_above_grant", later="more"
    )
    service = Service(answer(told, 422))
    with pytest.raises(ServiceProblem) as refused:
        service.client().submit_claim(claim)
    problem = refused.value
    assert (problem.code, problem.status) == ("notice_refused", 422)
    assert problem.title == "notice_refused in English"
    assert problem.titles["fr"] == "notice_refused en français"
    assert (problem.detail, problem.places) == ("in detail", ("amounts",))
    assert problem.reason == "amount_above_grant"
    assert problem.request_id == "5f0c2b7e9a1d4c38"
    assert problem.retry_after is None
    assert str(problem) == "422 notice_refused: in detail"
    assert len(service.requests) == 1


def test_a_problem_may_say_little(claim: Claim) -> None:
    service = Service(answer({"code": "forbidden", "title": "no", "status": 403}, 403))
    with pytest.raises(ServiceProblem) as refused:
        service.client().submit_claim(claim)
    assert refused.value.titles == {"en": "no", "fr": "no"}
    assert (refused.value.request_id, refused.value.reason) == (None, None)
    assert str(refused.value) == "403 forbidden: no"


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 408, 409, 413, 415, 418, 422, 500, 501]
)
def test_what_will_not_pass_is_not_tried_again(claim: Claim, status: int) -> None:
    service = Service(answer(canned.problem("forbidden", status), status))
    with pytest.raises(ServiceProblem):
        service.client().submit_claim(claim)
    assert (len(service.requests), service.pauses) == (1, [])


@pytest.mark.parametrize("status", [204, 404, 500])
def test_another_status_without_problem_details_is_no_answer(claim: Claim, status: int) -> None:
    service = Service(httpx2.Response(status, text="<html>"))
    with pytest.raises(ServiceAnswerInvalid, match=f"{status} without problem details"):
        service.client().submit_claim(claim)
    assert len(service.requests) == 1


# -- trying again -----------------------------------------------------------------------------

PASSING: list[Told] = [
    busy(429),
    busy(503),
    httpx2.Response(502, text="<html>"),
    httpx2.Response(503, text="<html>"),
    httpx2.Response(504),
    httpx2.ConnectError("refused"),
    httpx2.ConnectTimeout("late"),
    httpx2.ReadTimeout("late"),
    httpx2.WriteTimeout("late"),
    httpx2.PoolTimeout("late"),
    httpx2.ReadError("reset"),
    httpx2.WriteError("reset"),
    httpx2.RemoteProtocolError("left"),
    httpx2.ProxyError("refused"),
]


@pytest.mark.parametrize("fault", PASSING, ids=str)
def test_what_may_pass_is_tried_again_with_the_same_bytes(claim: Claim, fault: Told) -> None:
    service = Service(fault, fault, answer(canned.verdict(claim)))
    assert service.client(retries=2).submit_claim(claim).verdict == "granted"
    assert {request.content for request in service.requests} == {encode_claim(claim)}
    assert (len(service.requests), len(service.pauses)) == (3, 2)


@pytest.mark.parametrize("fault", PASSING, ids=str)
def test_after_the_last_attempt_it_is_told(claim: Claim, fault: Told) -> None:
    service = Service(fault)
    with pytest.raises(ServiceFault) as refused:
        service.client(retries=2).submit_claim(claim)
    assert len(service.requests) == 3
    if isinstance(fault, Exception):
        assert isinstance(refused.value, ServiceUnreachable)
        assert str(refused.value).endswith("(tried 3 times)")
        assert refused.value.__context__ is None
        assert str(fault) not in str(refused.value)


def test_without_retries_there_is_one_attempt(claim: Claim) -> None:
    service = Service(httpx2.ConnectError("refused"))
    with pytest.raises(ServiceUnreachable, match=r"^no connection$"):
        service.client(retries=0).submit_claim(claim)
    assert (len(service.requests), service.pauses) == (1, [])


def test_a_proxy_s_page_for_a_busy_service_is_told_as_such(claim: Claim) -> None:
    service = Service(httpx2.Response(502, text="<html>"))
    with pytest.raises(ServiceUnreachable, match="502 from what stands before the service"):
        service.client(retries=1).submit_claim(claim)


def test_pauses_grow_and_are_drawn_from_the_whole_range(claim: Claim) -> None:
    service = Service(busy())
    with pytest.raises(ServiceProblem, match="overloaded"):
        service.client(retries=9, jitter=random.Random(7)).submit_claim(claim)
    drawn = random.Random(7)
    longest = [min(calls.LONGEST_PAUSE, calls.FIRST_PAUSE * 2**n) for n in range(9)]
    assert longest[:3] == [0.5, 1.0, 2.0]
    assert longest[-1] == calls.LONGEST_PAUSE
    assert service.pauses == [drawn.uniform(0.0, limit) for limit in longest]


@pytest.mark.parametrize("text", ["7", " 7 "])
def test_a_service_that_names_a_pause_gets_it(claim: Claim, text: str) -> None:
    service = Service(busy(429, Retry_After=text), answer(canned.verdict(claim)))
    service.client().submit_claim(claim)
    (pause,) = service.pauses
    assert 7.0 <= pause <= 7.0 + calls.FIRST_PAUSE


def test_the_pause_may_be_named_by_its_end(claim: Claim) -> None:
    end = datetime.now(UTC) + timedelta(seconds=40)
    service = Service(
        busy(503, Retry_After=format_datetime(end, usegmt=True)), answer(canned.verdict(claim))
    )
    service.client().submit_claim(claim)
    (pause,) = service.pauses
    assert 30.0 < pause <= 40.0 + calls.FIRST_PAUSE


def test_a_pause_that_is_over_is_none(claim: Claim) -> None:
    service = Service(
        busy(503, Retry_After="Mon, 05 Oct 2020 08:00:00 GMT"), answer(canned.verdict(claim))
    )
    service.client().submit_claim(claim)
    assert service.pauses[0] <= calls.FIRST_PAUSE


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e9", "\u0667", "1" * 12])
def test_a_pause_that_nobody_understands_is_the_usual_one(claim: Claim, text: str) -> None:
    headers = [(b"Retry-After", text.encode())]
    told = httpx2.Response(503, json=canned.problem("overloaded", 503), headers=headers)
    service = Service(told, answer(canned.verdict(claim)))
    service.client().submit_claim(claim)
    assert service.pauses[0] <= calls.FIRST_PAUSE


def test_a_pause_too_long_to_wait_for_is_told_instead(claim: Claim) -> None:
    seconds = int(calls.MAX_RETRY_AFTER)
    service = Service(busy(429, Retry_After=str(seconds + 1)))
    with pytest.raises(ServiceProblem) as refused:
        service.client().submit_claim(claim)
    assert refused.value.retry_after == seconds + 1
    assert (len(service.requests), service.pauses) == (1, [])
    service = Service(busy(429, Retry_After=str(seconds)), answer(canned.verdict(claim)))
    service.client().submit_claim(claim)
    assert len(service.requests) == 2


def test_a_certificate_that_is_not_trusted_is_not_tried_again(claim: Claim) -> None:
    fault = httpx2.ConnectError("handshake")
    fault.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    service = Service(fault)
    with pytest.raises(ServiceUnreachable, match="certificate of the service is not trusted"):
        service.client().submit_claim(claim)
    assert len(service.requests) == 1


def test_a_request_that_cannot_be_sent_is_not_tried_again(claim: Claim) -> None:
    service = Service(httpx2.LocalProtocolError("illegal header"))
    with pytest.raises(ServiceUnreachable, match="no such request can be sent"):
        service.client().submit_claim(claim)
    assert len(service.requests) == 1


def test_an_answer_that_breaks_off_is_asked_for_again(claim: Claim) -> None:
    def broken() -> Iterator[bytes]:
        yield b"{"
        raise httpx2.ReadError("reset")

    service = Service(httpx2.Response(200, content=broken()), answer(canned.verdict(claim)))
    assert service.client().submit_claim(claim).verdict == "granted"
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (httpx2.ConnectError("refused"), 3),
        (httpx2.ConnectTimeout("late"), 3),
        (busy(429), 3),
        (httpx2.ReadTimeout("late"), 1),
        (httpx2.ReadError("reset"), 1),
        (httpx2.RemoteProtocolError("left"), 1),
        (busy(503), 1),
        (httpx2.Response(502), 1),
    ],
    ids=str,
)
def test_a_secret_is_not_made_twice(fault: Told, attempts: int) -> None:
    asked: list[Callable[[ServiceClient], object]] = [
        lambda client: client.create_token("reader"),
        lambda client: client.rotate_token("0123456789abcdef"),
    ]
    for ask in asked:
        service = Service(fault)
        with pytest.raises(ServiceFault):
            ask(service.client(retries=2))
        assert len(service.requests) == attempts


# -- where the token goes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "http://insurer.example",
        "http://192.0.2.7:8000",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://[2001:db8::1]",
        "HTTP://insurer.example",
        "http://0.0.0.0:8000",
    ],
)
def test_plain_http_goes_to_this_machine_only(address: str) -> None:
    service = Service(answer({"status": "ok"}))
    with pytest.raises(ServiceArgumentInvalid, match="plain http would show the token"):
        service.client(address)
    service.client(address, allow_http=True).health()
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8000",
        "http://LOCALHOST",
        "http://127.0.0.1:8000/",
        "http://127.8.9.10",
        "http://[::1]:8000",
        "https://insurer.example",
        "https://192.0.2.7/path",
    ],
)
def test_these_addresses_are_taken(address: str) -> None:
    assert calls.check_address(address) == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "insurer.example",
        "//insurer.example",
        "ftp://insurer.example",
        "file:///etc/hosts",
        "https://",
        "https:///v1",
        "https://shop:passphrase@insurer.example",
        "https://passphrase@insurer.example",
        "https://@insurer.example",
        "https://insurer.example?token=passphrase",
        "https://insurer.example#passphrase",
        "https://insurer.example:0",
        "https://insurer.example:99999",
        "https://insurer.example:port",
        "https://insurer.example\\@passphrase",
        "https://insurer example",
        "https://insurer.example\n",
        "https://[::1",
        "https://é.example",
        "https://" + "a" * 500,
    ],
)
def test_these_addresses_are_refused_without_repeating_them(address: str) -> None:
    with pytest.raises(ServiceArgumentInvalid, match="address of the service: ") as refused:
        ServiceClient(address, TOKEN)
    assert "passphrase" not in str(refused.value)
    told = "".join(traceback.format_exception(refused.value))
    assert "passphrase" not in told.split("ServiceArgumentInvalid")[-1]


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "a\r\nX: y", "é", "a" * 600, "a=b"])
def test_what_is_no_token_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(ServiceArgumentInvalid) as refused:
        ServiceClient(HOST, token)
    assert str(refused.value) == "token: not the form of a token"


@pytest.mark.parametrize("more", [{"timeout": 0}, {"timeout": -1.0}, {"retries": -1}])
def test_timeout_and_retries_are_numbers_that_make_sense(more: dict[str, Any]) -> None:
    with pytest.raises(ServiceArgumentInvalid, match="timeout and retries"):
        ServiceClient(HOST, TOKEN, **more)


def _shown(error: BaseException) -> str:
    """All that a traceback or a log would show of an error, causes included, and its members."""
    parts = ["".join(traceback.format_exception(error)), repr(error)]
    cause: BaseException | None = error
    while cause is not None:
        parts.append(repr(vars(cause)))
        cause = cause.__cause__ or cause.__context__
    return "".join(parts)


@pytest.mark.parametrize(
    "told",
    [
        *PASSING,
        answer(canned.problem("forbidden", 403), 403),
        # Something that repeats what it was sent.
        answer(canned.problem("forbidden", 403, detail=f"Bearer {TOKEN}", title=TOKEN), 403),
        answer(canned.problem("forbidden", 403, instance=TOKEN, places=[TOKEN]), 403),
        httpx2.Response(
            403,
            text=json.dumps(canned.problem("forbidden", 403, detail="MARK")).replace(
                "MARK", "".join(f"\\u{ord(letter):04x}" for letter in TOKEN)
            ),
        ),
        httpx2.Response(500, text=TOKEN),
        httpx2.Response(302, headers={"Location": f"https://elsewhere.example/?{TOKEN}"}),
        httpx2.Response(200, text=TOKEN),
        answer({TOKEN: TOKEN, "claim_id": TOKEN, "verdict": TOKEN}),
    ],
    ids=str,
)
def test_the_token_is_in_no_error_log_address_or_repr(
    claim: Claim, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(told)
    client = service.client(retries=1)
    with caplog.at_level(logging.DEBUG), pytest.raises(ServiceFault) as refused:
        client.submit_claim(claim)
    assert TOKEN not in _shown(refused.value)
    assert TOKEN not in caplog.text
    assert TOKEN not in f"{client!r}{client}{client._caller!r}"
    assert service.requests
    for request in service.requests:
        assert TOKEN not in str(request.url)
        assert TOKEN in request.headers["Authorization"], "it is sent, though"


def test_a_fresh_token_is_not_shown_by_repr(caplog: pytest.LogCaptureFixture) -> None:
    service = Service(answer(canned.token_facts() | {"token": "co_fresh_secret"}))
    with caplog.at_level(logging.DEBUG):
        fresh = service.client().create_token("reader")
    assert fresh.token == "co_fresh_secret"
    assert "co_fresh_secret" not in f"{fresh!r}{fresh}{caplog.text}"
    # Nor where the rest of the answer is at fault.
    service = Service(answer(canned.token_facts(label=17) | {"token": "co_fresh_secret"}))
    with pytest.raises(ServiceAnswerInvalid) as refused:
        service.client().create_token("reader")
    assert "co_fresh_secret" not in _shown(refused.value)


def test_a_call_does_not_show_what_it_sends() -> None:
    assert "passphrase" not in repr(calls.Call("POST", "/v1/claims", body=b"passphrase"))


def test_the_address_is_told_by_repr() -> None:
    with Service(answer({})).client() as client:
        assert repr(client) == f"ServiceClient('{HOST}')"


# -- proxies and passwords of the machine -----------------------------------------------------


def _proxies(client: ServiceClient) -> list[str]:
    mounted = client._caller._http._mounts
    return sorted(pattern.pattern for pattern, transport in mounted.items() if transport)


def test_a_shop_s_proxy_is_used_for_https_and_never_over_plain_http(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "")
    with ServiceClient(HOST, TOKEN) as client:
        assert "https://" in _proxies(client)
    with ServiceClient("HTTPS://insurer.example", TOKEN) as client:
        assert "https://" in _proxies(client)
    for address in ("http://127.0.0.1:8000", "http://insurer.example"):
        with ServiceClient(address, TOKEN, allow_http=True) as client:
            assert _proxies(client) == []


def test_a_proxy_that_is_none_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "odd://user:passphrase@proxy.example")
    with pytest.raises(ServiceArgumentInvalid, match="a proxy that the environment") as refused:
        ServiceClient(HOST, TOKEN)
    assert "passphrase" not in _shown(refused.value)


def test_certificates_that_are_none_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "certificates.pem").write_text("none")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificates.pem"))
    with pytest.raises(ServiceArgumentInvalid, match="certificates that the environment"):
        ServiceClient(HOST, TOKEN)


def test_a_netrc_file_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine insurer.example login shop password passphrase\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    service = Service(answer({"status": "ok"}))
    service.client().health()
    service.client(token=None).health()
    assert service.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in service.requests[1].headers
