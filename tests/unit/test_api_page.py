"""docs/api.md names every route, parameter, object, problem, reason and scope, and none that does
not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from circuits.attestation import MAX_ATTESTATION_BYTES, MAX_SUBMISSION_BYTES
from circuits.audit import MAX_CASE_BYTES, MAX_OUTCOME_BYTES, MAX_REPLY_BYTES
from circuits.claim import MAX_CLAIM_BYTES, encode_claim
from circuits.contract import MAX_CONTRACT_BYTES
from circuits.nomenclature import MAX_NOMENCLATURE_BYTES
from circuits.notices import MAX_NOTICE_BYTES
from circuits.publication import MAX_PUBLICATION_BYTES
from tests.support import claims as samples
from tests.support.web import TOKENS, Caller, Insurer, document_of_service, serving
from verifier_api.judge import CLOCK_TOLERANCE, MAX_VALIDITY
from verifier_api.service.access import SCOPES
from verifier_api.service.administration import MAX_LABEL, MAX_RIGHTS
from verifier_api.service.audits import CASE_STATES
from verifier_api.service.life import REASON_TITLES, STATES
from verifier_api.service.notices import MAX_NOTE
from verifier_api.settings import Settings
from verifier_api.web import administration, claims
from verifier_api.web.problems import PROBLEMS
from verifier_api.web.protocol import MAX_HEAD_BYTES
from verifier_api.web.schemas import ClaimStep
from verifier_api.web.server import KEEP_ALIVE_SECONDS

IN_FILES = {"Claim", "Invoice", "Cancellation", "Contract", "Publication"} | {
    *("AuditCase", "AuditReply", "AuditOutcome", "Attestation", "Submission"),
}
"""Described in docs/files.md, to which the routes link."""

PARTS_OF_FILES = {
    *("ClaimAmounts", "ClaimLine", "Floor", "RenewalMonths", "AttestationRule", "AuditRules"),
    "AuditAnswer",
}


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs/api.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return document_of_service()


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with serving(Insurer(tmp_path_factory.mktemp("insurer"))) as started:
        yield started


def section(page: str, title: str) -> str:
    found = re.search(rf"^(#+) {title}\n.*?(?=^##+ |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[0]


def rows(text: str) -> dict[str, list[str]]:
    """First cell without its backticks → the other cells, of every row that begins with some."""
    found = {}
    for line in text.splitlines():
        if line.lstrip().startswith("| `"):
            first, *others = [cell.strip() for cell in line.strip().strip("|").split("|")]
            found[first.strip("`")] = others
    return found


def names(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def schemas_of(content: dict[str, Any]) -> list[str]:
    """The names of the schemas that a JSON body may have."""
    schema = content.get("application/json", {}).get("schema", {})
    references = [one.get("$ref") for one in schema.get("anyOf", [schema])]
    return [str(one).rpartition("/")[2] for one in references if one is not None]


def test_every_route_is_on_the_page_and_no_other(page: str, document: dict[str, Any]) -> None:
    assert list(rows(section(page, "Routes"))) == list(operations(document))
    told = set(re.findall(r"`((?:GET|POST|DELETE|PUT|PATCH) /[^`\s]*)`", page))
    assert told <= operations(document).keys()


def test_routes_have_their_parameters_bodies_and_answers(
    page: str, document: dict[str, Any]
) -> None:
    told = rows(section(page, "Routes"))
    for route, operation in operations(document).items():
        _, parameters, body, answer = told[route]
        in_query = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        assert names(parameters) == in_query, route
        wanted = schemas_of(operation.get("requestBody", {}).get("content", {}))
        assert names(body) == set(wanted), route
        assert bool(body) == ("requestBody" in operation), route
        given = schemas_of(operation["responses"]["200"]["content"])
        assert names(answer) == (set(given) or names(answer) & {"BatchLine"}), route
        for name in IN_FILES.intersection(wanted):
            anchor = re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
            assert f"(files.md#{anchor})" in body


def test_a_route_takes_tokens_of_the_scopes_that_the_page_names(
    page: str, document: dict[str, Any], caller: Caller
) -> None:
    claim, _ = samples.sample_claim("line")
    unsigned = claim.model_copy(update={"signature": "A" * 86})
    for route, cells in rows(section(page, "Routes")).items():
        method, path = route.split()
        operation = operations(document)[route]
        for one in operation.get("parameters", ()):
            if one["in"] == "path":
                value = (one.get("examples") or one["schema"]["examples"])[0]
                path = path.replace(f"{{{one['name']}}}", value)
        # A submitted claim is read before the token; the others are refused for having no body.
        body = encode_claim(unsigned) if route == "POST /v1/claims" else None
        without = caller.ask(method, path, None, body=body).status_code
        assert (without != 401) == (cells[0] == "no token"), route
        if without != 401:
            continue
        for scope in SCOPES:
            assert TOKENS[scope][0] == scope
            status = caller.ask(method, path, scope, body=body).status_code
            assert status not in (401, 500), route
            assert (status != 403) == (scope in names(cells[0])), (route, scope)


def test_the_scopes_are_listed(page: str) -> None:
    text = section(page, "Requests in general")
    told = [name for name in rows(text) if name != "scope"]
    assert told == list(SCOPES)


def test_every_object_has_the_members_of_its_schema(page: str, document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    told = rows(section(page, "Objects"))
    assert set(told) == schemas.keys() - IN_FILES - PARTS_OF_FILES
    for name, (cell,) in told.items():
        plain = re.sub(r"\((?:[^()]|\([^()]*\))*\)", "", cell).split(": the form of")[0]
        inherited = re.match(r"those of `(\w+)`;", plain)
        found = names(plain)
        if inherited:
            found -= {inherited[1]}
            found |= schemas[inherited[1]]["properties"].keys()
        assert found == schemas[name]["properties"].keys(), name


def test_every_problem_is_there_with_its_status_and_titles(page: str) -> None:
    expected = {
        code: [str(kind.status), kind.english, kind.french] for code, kind in PROBLEMS.items()
    }
    assert rows(section(page, "Problems")) == expected


def test_every_reason_is_there_in_the_order_of_the_checks(page: str) -> None:
    told = rows(section(page, "Reasons of verdicts"))
    assert list(told) == list(REASON_TITLES)
    for reason, (english, french, advice) in told.items():
        assert (english, french) == REASON_TITLES[reason]
        assert len(advice) > 20, reason


def test_every_state_is_in_the_diagram_and_in_the_table(page: str) -> None:
    text = section(page, "The life of a claim")
    assert set(rows(text)) == set(STATES)
    diagram = text.split("```")[1]
    assert all(state in diagram for state in STATES)


def test_every_state_of_a_case_is_in_the_diagram_and_in_the_table(page: str) -> None:
    text = section(page, "The life of an audit case")
    assert list(rows(text)) == list(CASE_STATES)
    diagram = text.split("```")[1]
    assert all(state in diagram for state in CASE_STATES)
    steps = {kind for kind in get_args(ClaimStep) if kind.startswith("audit_")}
    assert steps | {"evidence_read"} <= names(text)


def test_limits_are_those_of_the_code(page: str) -> None:
    text = section(page, "Limits")
    kibibytes = {
        "line and header fields": MAX_HEAD_BYTES,
        "claim; a line of a batch": MAX_CLAIM_BYTES,
        "claim with its attestations": MAX_SUBMISSION_BYTES,
        "attestation": MAX_ATTESTATION_BYTES,
        "invoice, cancellation, decision": MAX_NOTICE_BYTES,
        "contract": MAX_CONTRACT_BYTES,
        "audit case": MAX_CASE_BYTES,
        "audit answer with its seal": MAX_REPLY_BYTES,
        "audit outcome": MAX_OUTCOME_BYTES,
        "publication": MAX_PUBLICATION_BYTES,
        "tokens, keys, rights": administration.MAX_REQUEST_BYTES,
    }
    for what, size in kibibytes.items():
        assert re.search(rf"^\| {what}[^|]*\| {size // 1024} KiB", text, re.MULTILINE), what
    assert claims.MAX_DECISION_BYTES == MAX_NOTICE_BYTES
    assert f"| nomenclature | {MAX_NOMENCLATURE_BYTES // 2**20} MiB |" in text
    assert f"{administration.MAX_KEYS:,} keys, {MAX_RIGHTS:,} rights" in text
    assert claims.MAX_PAGE == administration.MAX_PAGE
    assert f"(`limit`) | {claims.MAX_PAGE}; 50 if not said" in text
    assert f"of one batch {claims.WINDOW} at a time" in text
    assert f"| {MAX_VALIDITY.days} days ahead |" in text
    assert CLOCK_TOLERANCE.days == 1
    assert f"kept alive for {KEEP_ALIVE_SECONDS} s" in " ".join(page.split())
    assert f"at most {MAX_NOTE} characters" in page
    assert f"at most {MAX_LABEL} characters" in page
    named = {name for name in names(text) if name not in ("limit", "expires_at")}
    assert named <= Settings.model_fields.keys()
