"""What is asked first of POST /v1/claims: size, form, version, token. Each earlier one wins."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from circuits.attestation import MAX_SUBMISSION_BYTES
from circuits.canonical import canonical_bytes
from circuits.claim import Claim, encode_claim
from optician.identity import Identity
from tests.support import claims as samples
from tests.support.web import Caller, code_of


@dataclass(frozen=True)
class Asked:
    """A request that is being spoilt."""

    body: bytes
    token: str | None = "optician"
    headers: dict[str, str] = field(default_factory=dict)


def changed(request: Asked, **fields: Any) -> Asked:
    """Other fields of the claim, in canonical form, if it still has one."""
    try:
        document = json.loads(request.body) | fields
    except ValueError:
        return request
    return replace(request, body=canonical_bytes(document))


def too_large(request: Asked) -> Asked:
    return replace(request, body=request.body + b" " * MAX_SUBMISSION_BYTES)


def encoded(request: Asked) -> Asked:
    return replace(request, headers=request.headers | {"Content-Encoding": "gzip"})


def other_type(request: Asked) -> Asked:
    return replace(request, headers=request.headers | {"Content-Type": "text/plain"})


def cut(request: Asked) -> Asked:
    return replace(request, body=request.body[:-1])


def other_version(request: Asked) -> Asked:
    return changed(request, format_version=2)


def wrong_field(request: Asked) -> Asked:
    return changed(request, beneficiary="x")


def no_token(request: Asked) -> Asked:
    return replace(request, token=None)


def expired_token(request: Asked) -> Asked:
    return replace(request, token="expired")


def other_scope(request: Asked) -> Asked:
    return replace(request, token="reader")


def other_optician(request: Asked) -> Asked:
    return replace(request, token="other optician")


STEPS: list[tuple[Callable[[Asked], Asked], str]] = [
    (too_large, "body_too_large"),
    (encoded, "content_encoding_unsupported"),
    (other_type, "media_type_unsupported"),
    (cut, "malformed"),
    (other_version, "version_unsupported"),
    (wrong_field, "fields_invalid"),
    (no_token, "token_missing"),
    (expired_token, "token_invalid"),
    (other_scope, "forbidden"),
    (other_optician, "forbidden"),
]
"""In the order in which they are asked. Those of tokens replace one another, so only one is tried
at a time."""

OF_TOKENS = (no_token, expired_token, other_scope, other_optician)


def answer_to(caller: Caller, request: Asked) -> Any:
    return caller.ask(
        "POST", "/v1/claims", request.token, body=request.body,
        **{name.replace("-", "_"): value for name, value in request.headers.items()},
    )  # fmt: skip


@pytest.fixture(scope="module")
def claim() -> Claim:
    return samples.claim_of(samples.sample_sale("line"))[0]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[0].__name__)
def test_each_check_by_itself(
    caller: Caller, claim: Claim, step: tuple[Callable[[Asked], Asked], str]
) -> None:
    spoil, code = step
    assert code_of(answer_to(caller, spoil(Asked(encode_claim(claim))))) == code


PAIRS = [
    pair
    for pair in itertools.combinations(STEPS, 2)
    if not (pair[0][0] in OF_TOKENS and pair[1][0] in OF_TOKENS)
]


@pytest.mark.parametrize(
    "pair", PAIRS, ids=lambda pair: f"{pair[0][0].__name__}-{pair[1][0].__name__}"
)
def test_of_two_faults_the_earlier_check_is_told(
    caller: Caller, claim: Claim, pair: tuple[tuple[Callable[[Asked], Asked], str], ...]
) -> None:
    (first, code), (second, _) = pair
    request = first(second(Asked(encode_claim(claim))))
    assert code_of(answer_to(caller, request)) == code


def test_all_faults_at_once_are_told_one_after_the_other(caller: Caller, claim: Claim) -> None:
    left = [step for step in STEPS if step[0] not in OF_TOKENS[1:]]
    while left:
        request = Asked(encode_claim(claim))
        for spoil, _ in reversed(left):
            request = spoil(request)
        assert code_of(answer_to(caller, request)) == left.pop(0)[1]


def test_what_is_refused_so_is_not_recorded(caller: Caller, claim: Claim) -> None:
    assert caller.ask("GET", f"/v1/claims/{claim.claim_id}").status_code == 404
    judged = caller.submit(claim).json()
    assert judged["verdict"] == "granted"
    for spoil, code in STEPS:
        assert code_of(answer_to(caller, spoil(Asked(encode_claim(claim))))) == code
    assert caller.submit(claim).json() == judged


def test_a_verdict_comes_after_every_one_of_them(caller: Caller) -> None:
    """The signature of another key is a verdict, and the token is asked before there is one."""
    stranger = Identity.generate(samples.identity().optician_id)
    claim, _ = samples.claim_of(samples.sample_sale("line"), by=stranger)
    body = encode_claim(claim)
    for spoil, code in STEPS:
        assert code_of(answer_to(caller, spoil(Asked(body)))) == code
    assert caller.submit(claim).json()["reason"] == "optician_unknown"
