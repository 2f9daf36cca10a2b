"""The service keeps to its OpenAPI document, whoever asks and whatever is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import StopReason, events, from_schema
from schemathesis.python import asgi

from circuits.attestation import Attestation, decode_submission
from circuits.audit import AuditCase, AuditOutcome, decode_reply, encode_reply
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import Claim, claim_digest, decode_claim, encode_claim
from circuits.contract import parse_contract
from circuits.nomenclature import Nomenclature
from circuits.notices import (
    decode_cancellation,
    decode_invoice,
    encode_cancellation,
    encode_invoice,
)
from circuits.publication import Publication
from circuits.signed import decode_signed, encode_signed
from optician.notices import make_cancellation, make_invoice
from tests.support import audits
from tests.support import claims as samples
from tests.support.attesting import attestation, rule, trusted_key
from tests.support.publishing import party as publisher
from tests.support.publishing import publication, write_trust
from tests.support.tables import limits_table
from tests.support.web import (
    Caller,
    Insurer,
    document_of_service,
    refresh,
)
from verifier_api.service.administration import RightEnd, RightsRequest, TokenRequest
from verifier_api.service.notices import Decision
from verifier_api.web.administration import KeysRequest
from verifier_api.web.operations import OPEN_PATHS
from verifier_api.web.problems import MEDIA_TYPE, PROBLEMS
from zk.errors import EncodingError

SEED = 2020
EXAMPLES = 2
MANY_EXAMPLES = 60
"""Requests of each kind and operation; schemathesis adds those that its coverage phase builds."""

BATCH = "POST /v1/proofs/verify-batch"

METHODS = ("get", "post", "delete")


# -- whatever is sent ---------------------------------------------------------------------------


@schemathesis.serializer("application/x-ndjson")
def as_lines(_context: Any, value: Any) -> bytes:
    """Texts go as they are, other data as one line."""
    return value.encode(errors="replace") if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.serializer("application/json")
def as_canonical(_context: Any, value: Any) -> bytes | None:
    """In the one form that claims must have, if there is one for these data."""
    if isinstance(value, bytes):
        return value
    try:
        return canonical_bytes(value)
    except EncodingError:
        return json.dumps(value, default=str).encode()


@pytest.fixture
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Insurer]:
    """An application that schemathesis starts when it first asks."""
    yield Insurer(tmp_path_factory.mktemp("tried"), has_workers=True)
    asgi.shutdown_lifespans()


def configuration(headers: dict[str, str], examples: int) -> SchemathesisConfig:
    """What schemathesis is to do."""
    off = {"enabled": False}
    return SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "base-url": "http://testserver",
            "headers": headers,
            "generation": {
                "max-examples": examples,
                "deterministic": True,
                "with-security-parameters": False,
                "database": "none",
            },
            # What a schema can say is not all that makes a claim, a contract or a key valid.
            "checks": {"positive_data_acceptance": off},
            # Any bytes are a batch: what is no claim gets a verdict of its own.
            "operations": [
                {"include-name": BATCH, "checks": {"negative_data_rejection": off}},
            ],
        }
    )


def documented_codes(operation: dict[str, Any], status: int) -> set[str]:
    """The problems that the document names for an answer of that status."""
    content = operation["responses"].get(str(status), {}).get("content", {})
    return set(content.get(MEDIA_TYPE, {}).get("examples", {}))


@pytest.mark.parametrize(
    "examples", [EXAMPLES, pytest.param(MANY_EXAMPLES, marks=pytest.mark.long)]
)
@pytest.mark.parametrize("token", ["admin", "optician", "auditor", "reader", None])
def test_every_answer_is_a_documented_one(tried: Insurer, token: str | None, examples: int) -> None:
    configured = configuration(tried.headers(token), examples)
    schema = schemathesis.openapi.from_asgi("/openapi.json", tried.app, config=configured)
    paths = schema.raw_schema["paths"]
    failures: list[str] = []
    seen: set[int] = set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            failures.append(f"{event.label}: {event.value}")
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.EngineFinished):
            assert event.stop_reason is StopReason.COMPLETED
        elif isinstance(event, events.ScenarioFinished):
            recorder = event.recorder
            for check in (check for checks in recorder.checks.values() for check in checks):
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    failures.append(f"{recorder.label}: {failure.title}: {failure.message}")
            for case_id, interaction in recorder.interactions.items():
                answer = interaction.response
                if answer is None:
                    failures.append(f"{recorder.label}: no answer")
                    continue
                seen.add(answer.status_code)
                operation = recorder.cases[case_id].value.operation
                described = paths[operation.path][operation.method]
                if answer.status_code >= 400 and operation.path != "/readyz":
                    code = answer.json()["code"]
                    if code not in documented_codes(described, answer.status_code) | {
                        "method_not_allowed"  # of the path, which has no operation for it
                    }:
                        failures.append(f"{recorder.label}: {code} is not documented")
    assert not failures, "\n\n".join(failures)
    wanted = {None: {200, 401, 405}, "reader": {200, 403}}.get(token, {200, 400, 405, 415, 422})
    assert wanted <= seen


# -- every good answer --------------------------------------------------------------------------


class Recorder:
    """Asks, and holds every good answer to the document."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.schema = schemathesis.openapi.from_dict(caller.get("/openapi.json").json())
        self.done: set[tuple[str, str]] = set()

    def ask(self, method: str, template: str, *token: str | None, **choices: Any) -> Any:
        """The answer's JSON, or its bytes; names in ``template`` are taken from ``parameters``."""
        parameters = choices.pop("parameters", {})
        query = choices.pop("query", "")
        path = template.format(**parameters) + query
        answer = self.caller.ask(method, path, *token, **choices)
        assert answer.status_code == 200, answer.text
        self.schema[template][method].validate_response(answer)
        self.done.add((method, template))
        is_json = answer.headers["content-type"] == "application/json"
        return answer.json() if is_json else answer.content


def test_every_operation_has_a_good_answer_and_it_fits_the_document(
    insurer: Insurer, caller: Caller
) -> None:
    recorder = Recorder(caller)
    ask = recorder.ask
    for path in OPEN_PATHS:
        ask("GET", path, None)

    since = "?in_force_from=2021-05-01"
    added = ask("POST", "/v1/nomenclatures", body=limits_table().to_bytes(), query=since)
    ask("GET", "/v1/nomenclatures", "reader")
    digest = {"digest": added["digest"]}
    classes = ask("GET", "/v1/nomenclatures/{digest}", "auditor", parameters=digest)["classes"]
    named = digest | {"regroupement": classes[0]["class"]}
    ask("GET", "/v1/nomenclatures/{digest}/classes/{regroupement}", "optician", parameters=named)
    file = ask("GET", "/v1/nomenclatures/{digest}/file", "optician", parameters=digest)
    assert file == json.loads(limits_table().to_bytes())

    wanting = samples.contract("reseau").model_copy(
        update={"attestations": (rule("VM4", within_days=10),)}
    )
    network = wanting.model_dump(mode="json")
    added = ask("POST", "/v1/contracts", document=network)
    ask("GET", "/v1/contracts", "optician")
    detail = ask("GET", "/v1/contracts/{digest}", parameters={"digest": added["digest"]})
    assert detail["document"] == network

    assert insurer.settings.trust is not None
    attester = trusted_key()[1].model_dump(mode="json")
    relied_upon = [publisher().public_entry(), audits.party().public_entry(), attester]
    write_trust(insurer.settings.trust, *relied_upon)
    refresh(caller)
    for published in (samples.contract(), samples.nomenclature(), wanting):
        made = ask("POST", "/v1/publications", body=encode_signed(publication(published)))
        assert made["publication"]["publisher_id"] == "publisher-1"
    listed = ask("GET", "/v1/publications", "optician", query=f"?digest={insurer.contract_digest}")
    (entry,) = listed["publications"]
    assert entry["publication"]["digest"] == insurer.contract_digest

    third = samples.identity("optician-3")
    keys = ask("POST", "/v1/keys", document={"keys": [third.public_entry()]})["keys"]
    ask("GET", "/v1/keys", "auditor")
    ask("DELETE", "/v1/keys/{key_id}", parameters={"key_id": keys[0]["key_id"]})

    made = ask("POST", "/v1/tokens", document={"scope": "reader"})
    anew = ask("POST", "/v1/tokens/{token_id}/rotation", parameters=made)
    ask("GET", "/v1/tokens")
    ask("DELETE", "/v1/tokens/{token_id}", parameters=anew)

    contract_id = samples.contract().contract_id
    person = {"beneficiary": "benef_of_this_test_1", "contract_id": contract_id}
    right_from = {"age_group": "under_16", "valid_from": "2020-01-01"}
    right = person | right_from
    assert ask("POST", "/v1/rights", document={"rights": [right]}) == {"added": 1}
    page = ask("GET", "/v1/rights", query="?limit=1")
    following = ask("GET", "/v1/rights", query=f"?limit=1&cursor={page['next']}")
    assert [entry["beneficiary"] for entry in page["rights"] + following["rights"]] == sorted(
        [person["beneficiary"], samples.BENEFICIARY]
    )
    ask("POST", "/v1/rights/end", document=person | {"valid_to": "2021-12-31"})

    line, _ = samples.claim_of(samples.sample_sale("line"))
    pair, _ = samples.claim_of(samples.sample_sale("pair"))
    early, _ = samples.claim_of(
        samples.sample_sale("equipment", early_renewal_ground="change_of_vision")
    )
    refused, _ = samples.claim_of(samples.sample_sale("equipment"))
    expected = {line: "granted", pair: "granted", early: "pending", refused: "refused"}
    for claim, verdict in expected.items():
        answer = ask("POST", "/v1/claims", "optician", body=encode_claim(claim))
        assert answer["verdict"] == verdict
        assert answer["claim_digest"] == encode_base64url(claim_digest(claim))
        ask("GET", "/v1/claims/{claim_id}", "reader", parameters={"claim_id": claim.claim_id})
    circuit = {"digest": answer_of(caller, pair)["circuit_digest"]}
    ask("GET", "/v1/circuits/{digest}", "optician", parameters=circuit)
    ask("GET", "/v1/claims", "optician", query="?verdict=granted&limit=1&date_from=2020-10-05")
    ask("POST", "/v1/proofs/verify", "reader", body=encode_claim(pair))
    lines = b"".join(encode_claim(claim) + b"\n" for claim in expected) + b"{}\n"
    told = ask(
        "POST", "/v1/proofs/verify-batch", "reader", body=lines, media_type="application/x-ndjson"
    )
    verdicts = [json.loads(text)["verdict"] for text in told.splitlines()]
    assert verdicts == ["accepted"] * 4 + ["unreadable"]

    ask(
        *("POST", "/v1/claims/{claim_id}/invoice", "optician"),
        parameters={"claim_id": pair.claim_id},
        body=encode_invoice(make_invoice(pair, samples.identity(), samples.DAY)),
    )
    ask(
        *("POST", "/v1/claims/{claim_id}/cancellation", "optician"),
        parameters={"claim_id": line.claim_id},
        body=encode_cancellation(make_cancellation(line, samples.identity())),
    )
    ask(
        *("POST", "/v1/claims/{claim_id}/decision", "admin"),
        parameters={"claim_id": early.claim_id},
        document={"decision": "grant", "note": "file 17"},
    )
    covered = person | {"beneficiary": samples.BENEFICIARY, "contract_id": wanting.contract_id}
    ask("POST", "/v1/rights", document={"rights": [covered | right_from]})
    attested, _ = samples.claim_of(samples.sample_sale("line"), of_contract=wanting)
    assert ask("POST", "/v1/claims", "optician", body=encode_claim(attested))["attest_by"]
    told = ask(
        *("POST", "/v1/claims/{claim_id}/attestations", "optician"),
        parameters={"claim_id": attested.claim_id},
        body=encode_signed(attestation(attested)),
    )
    assert (told["attest_by"], told["missing"]) == (None, [])
    expected[attested] = "granted"

    case = audits.case_on(pair, opened_at=insurer.now)
    about = {"case_id": case.case_id, "claim_id": pair.claim_id}
    ask("POST", "/v1/audits", "auditor", body=encode_signed(case))
    assert len(ask("GET", "/v1/audits", "optician", query="?state=open&limit=1")["audits"]) == 1
    ask("GET", "/v1/audits/{case_id}", "optician", parameters=about)
    reply = audits.reply_to(case, samples.identity())
    path = "/v1/audits/{case_id}/answer"
    ask("POST", path, "optician", parameters=about, body=encode_reply(reply))
    sealed = ask("GET", "/v1/audits/{case_id}/sealed", "auditor", parameters=about)
    assert sealed["sealed"] == reply.sealed
    outcome = encode_signed(audits.outcome_of(case, reply.answer))
    ask("POST", "/v1/audits/{case_id}/outcome", "auditor", parameters=about, body=outcome)
    ask("GET", "/v1/audits/{case_id}", "reader", parameters=about)
    path = "/v1/claims/{claim_id}/evidence"
    told = ask("GET", path, "auditor", parameters=about, query=f"?case_id={case.case_id}")
    assert told["audit"]["case"]["case_id"] == case.case_id

    for claim in expected:
        ask("GET", "/v1/claims/{claim_id}", "admin", parameters={"claim_id": claim.claim_id})
    ask("GET", "/metrics", "reader")

    document = caller.get("/openapi.json").json()
    listed = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert recorder.done == listed


def answer_of(caller: Caller, claim: Claim) -> Any:
    return caller.submit(claim).json()


# -- the document itself ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The document."""
    return document_of_service()


def operations_of(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def test_every_operation_is_told_in_full(described: dict[str, Any]) -> None:
    for method, path, operation in operations_of(described):
        assert method in METHODS
        assert all(operation[name] for name in ("summary", "description", "tags")), path
        needs_token = path not in OPEN_PATHS
        assert operation.get("security") == ([{"bearer": []}] if needs_token else None), path
        assert ("token_missing" in documented_codes(operation, 401)) == needs_token, path
        assert "internal" in documented_codes(operation, 500), path
        assert ("requestBody" in operation) <= (method == "post"), path


def test_every_parameter_and_body_has_an_example_of_its_form(described: dict[str, Any]) -> None:
    for method, path, operation in operations_of(described):
        for parameter in operation.get("parameters", ()):
            choices = parameter["schema"].get("anyOf", [parameter["schema"]])
            known = [parameter["schema"], *choices]
            assert parameter["name"] == "cursor" or any(
                name in entry for entry in known for name in ("examples", "enum", "default")
            ), (path, parameter["name"])
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert content["examples"]["sample"]["value"], (method, path)


def test_the_examples_of_bodies_can_be_read(described: dict[str, Any]) -> None:
    readers: dict[str, Callable[[bytes], object]] = {
        "/v1/claims": decode_claim,
        "/v1/proofs/verify": decode_claim,
        "/v1/claims/{claim_id}/invoice": decode_invoice,
        "/v1/claims/{claim_id}/cancellation": decode_cancellation,
        "/v1/claims/{claim_id}/attestations": partial(decode_signed, Attestation),
        "/v1/claims/{claim_id}/decision": Decision.model_validate_json,
        "/v1/contracts": parse_contract,
        "/v1/nomenclatures": Nomenclature.parse,
        "/v1/publications": partial(decode_signed, Publication),
        "/v1/audits": partial(decode_signed, AuditCase),
        "/v1/audits/{case_id}/answer": decode_reply,
        "/v1/audits/{case_id}/outcome": partial(decode_signed, AuditOutcome),
        "/v1/tokens": TokenRequest.model_validate_json,
        "/v1/keys": KeysRequest.model_validate_json,
        "/v1/rights": RightsRequest.model_validate_json,
        "/v1/rights/end": RightEnd.model_validate_json,
    }
    left = set(readers)
    for _, path, operation in operations_of(described):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            value = content["application/json"]["examples"]["sample"]["value"]
            readers[path](canonical_bytes(value))
            other = content["application/json"]["examples"].get("other")
            assert (other is not None) == (path == "/v1/claims")
            if other is not None:
                decode_submission(canonical_bytes(other["value"]))
            left.discard(path)
        elif content:
            text = content["application/x-ndjson"]["examples"]["sample"]["value"]
            assert [decode_claim(line) for line in text.encode().splitlines()]
    assert left == set()


def test_every_problem_is_documented_where_it_can_happen(described: dict[str, Any]) -> None:
    of_http = {"request_malformed", "head_too_large", "method_not_allowed"}
    told = {
        code
        for _, _, operation in operations_of(described)
        for status in operation["responses"]
        for code in documented_codes(operation, int(status))
    }
    assert told | of_http == set(PROBLEMS)
    assert told & of_http == set()
    for code in of_http | {"not_found"}:
        assert f"`{code}`" in described["info"]["description"]
    for _, path, operation in operations_of(described):
        for status, response in operation["responses"].items():
            for code in documented_codes(operation, int(status)):
                assert PROBLEMS[code].status == int(status), (path, code)
                assert f"`{code}`: {PROBLEMS[code].english}" in response["description"]
