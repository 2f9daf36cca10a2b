"""Metrics: what is counted, and labels that no request can make more of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from optician.identity import Identity
from tests.support import claims as samples
from tests.support.web import Caller, Insurer, serving
from verifier_api.service.life import REASON_TITLES
from verifier_api.web.edge import METHODS, UNMATCHED
from verifier_api.web.metrics import Metrics

VERDICTS = {"granted", "refused", "pending", "accepted", "unreadable"}


@pytest.fixture
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with serving(Insurer(tmp_path_factory.mktemp("insurer"))) as started:
        yield started


Sample = tuple[str, dict[str, str], float]


def samples_of(text: str) -> list[Sample]:
    return [
        (sample.name, dict(sample.labels), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def value_of(found: list[Sample], name: str, **labels: str) -> float:
    return sum(
        value for other, given, value in found if other == name and labels.items() <= given.items()
    )


def test_requests_are_counted_by_method_route_and_status(caller: Caller) -> None:
    for _ in range(3):
        caller.ask("GET", "/healthz", None)
    caller.ask("GET", "/v1/claims/x", "reader")
    answer = caller.ask("GET", "/metrics", "reader")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples_of(answer.text)
    name = "clairobscur_request_seconds_count"
    assert value_of(found, name, method="GET", route="/healthz", status="200") == 3
    assert value_of(found, name, route="/v1/claims/{claim_id}", status="404") == 1


def test_no_request_makes_a_label_of_its_own(caller: Caller) -> None:
    refused, _ = samples.claim_of(samples.sample_sale("line"), by=samples.identity("stranger"))
    for number in range(30):
        caller.ask("GET", f"/no/such/path/{number}", None)
        caller.ask("GET", f"/v1/claims/claim-{number}", "reader")
        caller.ask(f"METHOD{number}", "/healthz", None)
        caller.ask("GET", f"/v1/claims?reason=reason_{'x' * number}", "reader")
    caller.ask("POST", "/v1/proofs/verify-batch", "reader", body=b"{}\n{}\n[]\n",
               media_type="application/x-ndjson")  # fmt: skip
    assert caller.submit(refused).status_code == 403
    paths = set(caller.get("/openapi.json").json()["paths"])
    found = samples_of(caller.ask("GET", "/metrics", "reader").text)
    for name, labels, _ in found:
        assert set(labels) <= {"method", "route", "status", "kind", "verdict", "reason", "le"}
        assert labels.get("method", "other") in METHODS | {"other"}
        assert labels.get("route", UNMATCHED) in paths | {UNMATCHED}
        assert labels.get("kind", "recorded") in ("recorded", "stateless")
        assert labels.get("verdict", "granted") in VERDICTS
        assert labels.get("reason", "") in {"", "unreadable", *REASON_TITLES}
        assert name.startswith("clairobscur_")
    assert value_of(found, "clairobscur_request_seconds_count", method="other") == 30
    unreadable = value_of(found, "clairobscur_verdicts_total", verdict="unreadable")
    assert unreadable == 3


def test_nothing_of_a_claim_or_a_token_is_a_label(caller: Caller) -> None:
    claim, _ = samples.claim_of(
        samples.sample_sale("line"), by=Identity.generate("optician-1"), now=samples.NOW
    )
    assert caller.submit(claim).json()["reason"] == "optician_unknown"  # another key of that name
    text = caller.ask("GET", "/metrics", "auditor").text
    found = samples_of(text)
    name = "clairobscur_verdicts_total"
    labels = {"kind": "recorded", "verdict": "refused", "reason": "optician_unknown"}
    assert value_of(found, name, **labels) == 1
    for value in (claim.claim_id, claim.beneficiary, claim.optician_id, claim.key_id):
        assert value not in text
    for token, token_id in zip(
        caller.insurer.tokens.values(), caller.insurer.token_ids.values(), strict=False
    ):
        assert token not in text
        assert token_id not in text


def test_batches_and_gauges() -> None:
    metrics = Metrics()
    depth = [7.0]
    metrics.watch("queue_depth", "Claims that wait.", lambda: depth[0])
    metrics.observe_batch(5, 0.01)
    metrics.observe_batch(3, 0.02)
    found = samples_of(metrics.text().decode())
    assert value_of(found, "clairobscur_queue_depth") == 7
    assert value_of(found, "clairobscur_batch_size_sum") == 8
    assert value_of(found, "clairobscur_batch_seconds_count") == 2
    depth[0] = 0
    assert value_of(samples_of(metrics.text().decode()), "clairobscur_queue_depth") == 0


def test_two_processes_metrics_do_not_share() -> None:
    one, another = Metrics(), Metrics()
    one.observe_batch(5, 0.01)
    assert value_of(samples_of(another.text().decode()), "clairobscur_batch_size_count") == 0
