"""Every route with every scope and without a token: who may do what, and what is asked first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from circuits.claim import Claim, encode_claim
from optician.identity import Identity
from tests.support import claims as samples
from tests.support.web import Caller, Insurer, code_of, document_of_service, later, serving
from verifier_api.service.access import SCOPES
from verifier_api.web import examples

ANYBODY = frozenset(SCOPES)
INSURER = frozenset({"reader", "auditor", "admin"})
ADMIN = frozenset({"admin"})
OPTICIAN = frozenset({"optician"})
AUDITOR = frozenset({"auditor"})
NOBODY_ASKED: frozenset[str] = frozenset()

ROUTES: dict[tuple[str, str], frozenset[str]] = {
    ("POST", "/v1/claims"): OPTICIAN,
    ("GET", "/v1/claims"): ANYBODY,
    ("GET", "/v1/claims/{claim_id}"): ANYBODY,
    ("POST", "/v1/claims/{claim_id}/invoice"): OPTICIAN,
    ("POST", "/v1/claims/{claim_id}/cancellation"): OPTICIAN,
    ("POST", "/v1/claims/{claim_id}/attestations"): OPTICIAN,
    ("POST", "/v1/claims/{claim_id}/decision"): ADMIN,
    ("POST", "/v1/audits"): AUDITOR,
    ("GET", "/v1/audits"): ANYBODY,
    ("GET", "/v1/audits/{case_id}"): ANYBODY,
    ("POST", "/v1/audits/{case_id}/answer"): OPTICIAN,
    ("GET", "/v1/audits/{case_id}/sealed"): AUDITOR,
    ("POST", "/v1/audits/{case_id}/outcome"): AUDITOR,
    ("GET", "/v1/claims/{claim_id}/evidence"): AUDITOR | ADMIN,
    ("POST", "/v1/proofs/verify"): ANYBODY,
    ("POST", "/v1/proofs/verify-batch"): ANYBODY,
    ("GET", "/v1/contracts"): ANYBODY,
    ("GET", "/v1/contracts/{digest}"): ANYBODY,
    ("POST", "/v1/contracts"): ADMIN,
    ("GET", "/v1/nomenclatures"): ANYBODY,
    ("GET", "/v1/nomenclatures/{digest}"): ANYBODY,
    ("GET", "/v1/nomenclatures/{digest}/classes/{regroupement}"): ANYBODY,
    ("GET", "/v1/nomenclatures/{digest}/file"): ANYBODY,
    ("POST", "/v1/nomenclatures"): ADMIN,
    ("GET", "/v1/circuits/{digest}"): ANYBODY,
    ("GET", "/v1/publications"): ANYBODY,
    ("POST", "/v1/publications"): ADMIN,
    ("GET", "/v1/tokens"): ADMIN,
    ("POST", "/v1/tokens"): ADMIN,
    ("POST", "/v1/tokens/{token_id}/rotation"): ADMIN,
    ("DELETE", "/v1/tokens/{token_id}"): ADMIN,
    ("GET", "/v1/keys"): INSURER,
    ("POST", "/v1/keys"): ADMIN,
    ("DELETE", "/v1/keys/{key_id}"): ADMIN,
    ("GET", "/v1/rights"): ADMIN,
    ("POST", "/v1/rights"): ADMIN,
    ("POST", "/v1/rights/end"): ADMIN,
    ("GET", "/metrics"): INSURER,
    ("GET", "/healthz"): NOBODY_ASKED,
    ("GET", "/readyz"): NOBODY_ASKED,
    ("GET", "/openapi.json"): NOBODY_ASKED,
}
"""Who may; nobody is asked for a token where the set is empty."""

STRANGERS = {
    "no token": (None, "token_missing"),
    "another scheme": ("Basic YWRtaW46YWRtaW4=", "token_missing"),
    "nothing but the scheme": ("Bearer", "token_missing"),
    "blanks for a token": ("Bearer   ", "token_missing"),
    "no form of a token": ("Bearer secret", "token_invalid"),
    "unknown": (f"Bearer co_{'0' * 16}_{'A' * 43}", "token_invalid"),
}


@dataclass(frozen=True)
class Asked:
    """A request that would be in order."""

    method: str
    path: str
    body: bytes | None
    media_type: str = "application/json"


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with serving(Insurer(tmp_path_factory.mktemp("insurer"))) as started:
        yield started


def claim_to_refuse() -> Claim:
    """Of the right form, by a key that nobody registered: judged without a worker."""
    return samples.claim_of(samples.sample_sale("line"), by=Identity.generate("optician-1"))[0]


def asked(caller: Caller, method: str, template: str) -> Asked:
    names = {
        "claim_id": examples.CLAIM_ID,
        "case_id": examples.CASE_ID,
        "digest": examples.DIGEST,
        "regroupement": examples.CLASS,
        "token_id": examples.TOKEN_ID,
        "key_id": examples.KEY_ID,
    }
    operation = caller.insurer.app.openapi()["paths"][template][method.lower()]
    path = template.format(**names)
    # A body that is not in order: whoever may ask is told of that, nobody else.
    for media_type in operation.get("requestBody", {}).get("content", {}):
        return Asked(method, path, b"{}", media_type)
    return Asked(method, path, None)


def code(caller: Caller, request: Asked, token: str | None, **headers: str) -> str:
    answer = caller.ask(
        request.method,
        request.path,
        token,
        body=request.body,
        media_type=request.media_type,
        **headers,
    )
    assert answer.status_code < 500
    return "" if answer.status_code == 200 else code_of(answer)


def test_the_table_has_every_route() -> None:
    listed = {
        (method.upper(), path)
        for path, item in document_of_service()["paths"].items()
        for method in item
    }
    assert listed == set(ROUTES)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if ROUTES[route]])
def test_a_scope_may_or_may_not(caller: Caller, method: str, path: str, scope: str) -> None:
    request = asked(caller, method, path)
    if (method, path) == ("POST", "/v1/claims"):
        # Size, form and version come before the token.
        request = Asked(method, path, encode_claim(claim_to_refuse()))
    told = code(caller, request, scope)
    if scope in ROUTES[method, path]:
        assert told not in ("forbidden", "token_missing", "token_invalid")
    else:
        assert told == "forbidden"


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if ROUTES[route]])
def test_strangers_may_nothing(caller: Caller, method: str, path: str, stranger: str) -> None:
    request = asked(caller, method, path)
    if (method, path) == ("POST", "/v1/claims"):
        request = Asked(method, path, encode_claim(claim_to_refuse()))
    header, expected = STRANGERS[stranger]
    headers = {} if header is None else {"Authorization": header}
    sent = headers | ({} if request.body is None else {"Content-Type": request.media_type})
    answer = caller.request(method, request.path, content=request.body, headers=sent)
    assert (answer.status_code, code_of(answer)) == (401, expected)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if not ROUTES[route]])
def test_what_is_open_asks_for_no_token(caller: Caller, method: str, path: str) -> None:
    for header in (None, *(given for given, _ in STRANGERS.values())):
        headers = {} if header is None else {"Authorization": header}
        assert caller.request(method, path, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/v1/claims/%00", "/v1/contracts/x", "/v1/claims?limit=x"])
def test_a_stranger_learns_nothing_of_parameters(caller: Caller, path: str) -> None:
    assert code_of(caller.ask("GET", path, None)) == "token_missing"
    assert code_of(caller.ask("GET", path, "admin")) == "parameter_invalid"


def test_the_scheme_may_be_written_in_any_case(caller: Caller) -> None:
    token = caller.insurer.tokens["reader"]
    for scheme in ("bearer", "BEARER", "Bearer "):
        headers = {"Authorization": f"{scheme} {token}"}
        assert caller.get("/v1/claims", headers=headers).status_code == 200


# -- one optician and another -------------------------------------------------------------------


def test_no_claim_under_another_opticians_name(caller: Caller) -> None:
    claim, _ = samples.sample_claim("line")
    answer = caller.submit(claim, "other optician")
    assert (answer.status_code, code_of(answer)) == (403, "forbidden")
    assert answer.json()["places"] == ["optician_id"]


def test_another_opticians_claim_does_not_exist(caller: Caller) -> None:
    claim = claim_to_refuse()
    assert caller.submit(claim).json()["verdict"] == "refused"
    path = f"/v1/claims/{claim.claim_id}"
    assert caller.ask("GET", path, "optician").status_code == 200
    unknown = caller.ask("GET", "/v1/claims/no-such-claim", "other optician").json()
    other = caller.ask("GET", path, "other optician").json()
    assert {name: unknown[name] for name in unknown if name != "instance"} == {
        name: other[name] for name in other if name != "instance"
    }
    for query in ("", "?optician_id=optician-1"):
        page = caller.ask("GET", f"/v1/claims{query}", "other optician").json()
        assert page == {"claims": [], "next": None}


# -- tokens in time -----------------------------------------------------------------------------


def test_an_expired_token_opens_nothing(caller: Caller) -> None:
    assert code_of(caller.ask("GET", "/v1/tokens", "expired")) == "token_invalid"


def test_a_token_opens_until_its_last_second(caller: Caller) -> None:
    insurer = caller.insurer
    until = later(hours=1)
    document = {"scope": "reader", "expires_at": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
    made = caller.ask("POST", "/v1/tokens", document=document).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    now = insurer.now
    try:
        insurer.now = until
        assert caller.get("/v1/claims", headers=headers).status_code == 200
        insurer.now = later(hours=1, seconds=1)
        assert caller.get("/v1/claims", headers=headers).status_code == 401
    finally:
        insurer.now = now


def test_a_revoked_and_a_rotated_token_open_nothing_more(caller: Caller) -> None:
    made = caller.ask("POST", "/v1/tokens", document={"scope": "reader"}).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert caller.get("/v1/claims", headers=headers).status_code == 200
    anew = caller.ask("POST", f"/v1/tokens/{made['token_id']}/rotation").json()
    fresh = {"Authorization": f"Bearer {anew['token']}"}
    assert caller.get("/v1/claims", headers=headers).status_code == 401
    assert caller.get("/v1/claims", headers=fresh).status_code == 200
    caller.ask("DELETE", f"/v1/tokens/{anew['token_id']}")
    assert caller.get("/v1/claims", headers=fresh).status_code == 401
    again = caller.ask("POST", f"/v1/tokens/{anew['token_id']}/rotation")
    assert code_of(again) == "state_conflict"


def test_a_secret_of_another_token_opens_nothing(caller: Caller) -> None:
    reader, admin = (caller.insurer.tokens[name].split("_", 2) for name in ("reader", "admin"))
    for token in (f"co_{admin[1]}_{reader[2]}", f"co_{reader[1]}_{admin[2]}"):
        headers = {"Authorization": f"Bearer {token}"}
        assert caller.get("/v1/tokens", headers=headers).status_code == 401


# -- limits over HTTP ---------------------------------------------------------------------------


def test_a_token_that_asks_too_often_is_told_when_to_come_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    insurer = Insurer(tmp_path_factory.mktemp("limited"), rate_per_second=0.01, rate_burst=3)
    with serving(insurer) as caller:
        for _ in range(3):
            assert caller.ask("GET", "/v1/claims", "reader").status_code == 200
        answer = caller.ask("GET", "/v1/claims", "reader")
        assert (answer.status_code, code_of(answer)) == (429, "too_many_requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 100
        assert caller.ask("GET", "/v1/claims", "auditor").status_code == 200
        assert caller.ask("GET", "/healthz", None).status_code == 200


def test_a_token_with_too_many_requests_in_work(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    insurer = Insurer(tmp_path_factory.mktemp("limited"), concurrency_per_token=1)
    limits = insurer.app.state.parts.limits
    with serving(insurer) as caller, limits.use(insurer.token_ids["reader"]):
        answer = caller.ask("GET", "/v1/claims", "reader")
        assert (answer.status_code, code_of(answer)) == (429, "too_many_at_once")
        assert answer.headers["retry-after"] == "1"
        assert caller.ask("GET", "/v1/claims", "auditor").status_code == 200
        with limits.use(insurer.token_ids["optician"]):
            claim = samples.sample_claim("line")[0]
            assert code_of(caller.submit(claim)) == "too_many_at_once"
