"""Publications over HTTP, and what claims are answered while the trust list's file changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits.canonical import canonical_bytes
from circuits.contract import Contract
from circuits.nomenclature import Nomenclature
from circuits.signed import encode_signed
from tests.support import claims as samples
from tests.support.publishing import party, publication, trust_bytes, write_trust
from tests.support.web import Caller, Insurer, code_of, later, refresh, serving
from verifier_api.service.life import REASON_TITLES
from zk.errors import StatementError

CONTRACT, TABLE = samples.contract(), samples.nomenclature()
NOW = samples.NOW


@pytest.fixture
def trust_file(tmp_path: Path) -> Path:
    return write_trust(tmp_path / "trust.json")


@pytest.fixture
def caller(tmp_path: Path, trust_file: Path) -> Iterator[Caller]:
    """An insurer who relies on a publisher, and to whom nothing is published yet."""
    with serving(Insurer(tmp_path, has_workers=True, trust=trust_file)) as started:
        yield started


def publish(caller: Caller, *documents: Contract | Nomenclature, **choices: Any) -> list[Any]:
    return [
        caller.ask("POST", "/v1/publications", body=encode_signed(publication(document, **choices)))
        for document in documents
    ]


def trust_now(caller: Caller, path: Path, *entries: dict[str, Any]) -> None:
    write_trust(path, *entries)
    refresh(caller)


def verdict(caller: Caller) -> tuple[str, str | None]:
    """On a fresh claim."""
    claim, _ = samples.claim_of(samples.sample_sale("line"))
    answer = caller.submit(claim).json()
    return answer["verdict"], answer["reason"]


def test_a_claim_is_granted_once_contract_and_table_are_published(caller: Caller) -> None:
    assert verdict(caller) == ("refused", "contract_unpublished")
    assert [answer.status_code for answer in publish(caller, CONTRACT)] == [200]
    assert verdict(caller) == ("refused", "nomenclature_unpublished")
    assert [answer.status_code for answer in publish(caller, TABLE)] == [200]
    assert verdict(caller) == ("granted", None)


def test_the_reason_is_told_in_both_languages(caller: Caller) -> None:
    claim, _ = samples.claim_of(samples.sample_sale("line"))
    answer = caller.submit(claim).json()
    english, french = REASON_TITLES["contract_unpublished"]
    assert answer["reason_titles"] == {"en": english, "fr": french}
    # The proof alone is judged by the same documents.
    told = caller.ask("POST", "/v1/proofs/verify", "reader", body=samples_bytes()).json()
    assert (told["verdict"], told["reason"]) == ("refused", "contract_unpublished")


def samples_bytes() -> bytes:
    claim, _ = samples.claim_of(samples.sample_sale("line"))
    return canonical_bytes(claim.model_dump(mode="json"))


def test_a_verdict_stands_when_its_key_is_revoked_and_what_came_after_falls(
    caller: Caller, trust_file: Path
) -> None:
    publish(caller, CONTRACT, TABLE)
    assert verdict(caller) == ("granted", None)
    recorded_at = caller.insurer.now
    # Revoked later: what was recorded before stands.
    caller.insurer.now = later(hours=1)
    trust_now(caller, trust_file, party().public_entry(revoked_at=later(seconds=1)))
    assert verdict(caller) == ("granted", None)
    # But nothing more is recorded by that key.
    network = samples.contract("reseau")
    caller.ask("POST", "/v1/contracts", document=network.model_dump(mode="json"))
    (refused,) = publish(caller, network)
    assert (code_of(refused), refused.json()["reason"]) == ("publication_refused", "key_revoked")
    # Stolen earlier than that was noticed: what was recorded since falls.
    trust_now(caller, trust_file, party().public_entry(revoked_at=recorded_at))
    assert verdict(caller) == ("refused", "contract_unpublished")
    # Another publisher, or the same with a new key, mends it.
    anew = party("publisher-1", number=2)
    entries = party().public_entry(revoked_at=recorded_at), anew.public_entry()
    trust_now(caller, trust_file, *entries)
    for document in (CONTRACT, TABLE):
        body = encode_signed(publication(document, anew))
        assert caller.ask("POST", "/v1/publications", body=body).status_code == 200
    assert verdict(caller) == ("granted", None)


def test_a_trust_list_that_breaks_while_the_service_runs(caller: Caller, trust_file: Path) -> None:
    publish(caller, CONTRACT, TABLE)
    for broken in (b"", trust_bytes()[:-3], b'{"format_version": 1, "keys": [{}]}'):
        trust_file.write_bytes(broken)
        refresh(caller)
        answer = caller.ask("GET", "/readyz", None)
        # Claims are judged by the last good list; a person has to look at the file.
        assert (answer.status_code, answer.json()["status"]) == (200, "ready")
        assert answer.json()["checks"]["trust"] is False
        assert verdict(caller) == ("granted", None)
    trust_now(caller, trust_file, party("publisher-2").public_entry())
    assert caller.ask("GET", "/readyz", None).json()["checks"]["trust"] is True
    assert verdict(caller) == ("refused", "contract_unpublished")


def test_no_service_starts_with_a_bad_trust_list(tmp_path: Path, trust_file: Path) -> None:
    trust_file.write_bytes(b'{"format_version": 1, "keys": [{}]}')
    with pytest.raises(StatementError, match=r"trust list: keys\.0\.role: Field required"):
        Insurer(tmp_path, trust=trust_file)
    trust_file.unlink()
    with pytest.raises(FileNotFoundError):
        Insurer(tmp_path, trust=trust_file)


def test_publications_are_listed_and_by_digest(caller: Caller) -> None:
    contract, table = (answer.json() for answer in publish(caller, CONTRACT, TABLE))
    assert contract == {
        "recorded_at": "2020-10-06T09:30:00Z",
        "publication": publication(CONTRACT).model_dump(mode="json"),
    }
    everything = caller.ask("GET", "/v1/publications", "optician").json()["publications"]
    assert sorted(map(str, everything)) == sorted(map(str, [contract, table]))
    for digest, expected in (
        (caller.insurer.contract_digest, [contract]),
        (caller.insurer.table_digest, [table]),
        ("A" * 43, []),
    ):
        page = caller.ask("GET", f"/v1/publications?digest={digest}", "reader").json()
        assert page == {"publications": expected}
    assert code_of(caller.ask("GET", "/v1/publications?digest=x")) == "parameter_invalid"


def test_the_same_again_is_answered_the_same(caller: Caller) -> None:
    first, second = publish(caller, CONTRACT, CONTRACT)
    assert first.json() == second.json()
    caller.insurer.now = later(days=1)
    (third,) = publish(caller, CONTRACT)
    assert third.json() == first.json()


@pytest.mark.parametrize(
    ("changes", "status", "code", "reason"),
    [
        ({"name": "another"}, 422, "publication_refused", "publication_differs"),
        ({"in_force_from": "2020-07-02"}, 422, "publication_refused", "in_force_from_differs"),
        ({"publisher_id": "publisher-2"}, 422, "publication_refused", "key_unknown"),
        ({"digest": "A" * 43}, 404, "not_found", None),
    ],
)
def test_what_would_not_count_is_refused(
    caller: Caller, changes: dict[str, Any], status: int, code: str, reason: str | None
) -> None:
    (answer,) = publish(caller, CONTRACT, **changes)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert answer.json().get("reason") == reason
    assert caller.ask("GET", "/v1/publications").json() == {"publications": []}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed"),
        (b"[]", 400, "malformed"),
        (encode_signed(publication(CONTRACT)) + b"\n", 400, "malformed"),
        (b" " * 5000, 413, "body_too_large"),
        (b'{"format_version":2}', 422, "version_unsupported"),
        (b'{"format_version":1}', 422, "fields_invalid"),
    ],
)
def test_what_is_no_publication(caller: Caller, body: bytes, status: int, code: str) -> None:
    answer = caller.ask("POST", "/v1/publications", body=body)
    assert (answer.status_code, code_of(answer)) == (status, code)
