"""What the insurer keeps of tokens: names and hashes. Whoever reads the database opens nothing."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from circuits.canonical import decode_base64url
from tests.support import claims as samples
from tests.support.web import Caller, Insurer, captured_log, serving
from verifier_api.service import access


def test_the_database_has_no_token_and_no_secret(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    insurer = Insurer(tmp_path_factory.mktemp("insurer"))
    tokens = dict(insurer.tokens)
    with captured_log() as log, serving(insurer) as caller:
        made = caller.ask("POST", "/v1/tokens", document={"scope": "reader", "label": "x"}).json()
        anew = caller.ask("POST", f"/v1/tokens/{made['token_id']}/rotation").json()
        tokens |= {"made": made["token"], "anew": anew["token"]}
        for token in ("admin", "optician", "expired"):
            caller.ask("GET", "/v1/claims", token)
        caller.submit(samples.claim_of(samples.sample_sale("line"), by=samples.identity("x"))[0])
        told = caller.ask("GET", "/v1/tokens").text + caller.ask("GET", "/metrics").text
        with closing(sqlite3.connect(insurer.file)) as connection:
            rows = connection.execute("select token_id, secret_sha256 from tokens").fetchall()
            dump = "\n".join(connection.iterdump())
        files = [file for file in insurer.file.parent.iterdir() if file.is_file()]
        raw = b"".join(file.read_bytes() for file in files)
    hashes = dict(rows)
    assert len(hashes) == len(tokens)
    for token in tokens.values():
        _, token_id, secret = token.split("_", 2)
        assert decode_base64url(hashes[token_id]) == hashlib.sha256(secret.encode()).digest()
        assert token_id in dump
        for place in (dump, told, log.getvalue()):
            assert secret not in place
        plain = decode_base64url(secret)
        for form in (secret.encode(), plain, plain.hex().encode()):
            assert form not in raw


def test_a_hash_is_no_token(caller: Caller) -> None:
    entry = caller.insurer.service.directory.snapshot.tokens[caller.insurer.token_ids["admin"]]
    for secret in (entry.secret_sha256, "A" * 43):
        headers = {"Authorization": f"Bearer co_{entry.token_id}_{secret}"}
        assert caller.get("/v1/tokens", headers=headers).status_code == 401


def test_every_token_is_compared_in_constant_time(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that does not exist, so that its absence takes as long."""
    compared: list[tuple[Any, Any]] = []

    def compare(given: str, expected: str) -> bool:
        compared.append((given, expected))
        return hmac.compare_digest(given, expected)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(access, "hmac", Watched)
    for token in ("admin", "reader", "expired"):
        before = len(compared)
        caller.ask("GET", "/v1/tokens", token)
        assert len(compared) > before
    before = len(compared)
    headers = {"Authorization": f"Bearer co_{'0' * 16}_{'A' * 43}"}
    assert caller.get("/v1/tokens", headers=headers).status_code == 401
    assert len(compared) > before
    assert {(len(given), len(expected)) for given, expected in compared} == {(43, 43)}
