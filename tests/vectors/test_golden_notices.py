"""Golden notices: accepted to the byte by the code and by the independent verifier; their mutations
are refused in place by both."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from circuits.canonical import decode_base64url
from circuits.claim import Claim, decode_claim
from circuits.notices import (
    NOTICE_REASONS,
    Cancellation,
    Invoice,
    decode_cancellation,
    decode_invoice,
    encode_cancellation,
    encode_invoice,
    notice_digest,
    require_cancellation_fits,
    require_invoice_fits,
    signed_notice_bytes,
    verify_notice_signature,
)
from scripts import make_golden
from tests.support import independent_verifier as independent
from zk.errors import EncodingError, ProofRejected, StatementError

GOLDEN = Path(__file__).parent / "golden"


def stored(folder: Path = GOLDEN) -> dict[str, list[dict[str, Any]]]:
    document: dict[str, list[dict[str, Any]]]
    document = json.loads((folder / make_golden.NOTICES_FILE).read_bytes())
    return document


ACCEPTS = {accept["name"]: accept for accept in stored()["accepts"]}
REJECTS = {reject["name"]: reject for reject in stored()["rejects"]}
LAYER_OF = dict.fromkeys(NOTICE_REASONS, "claim") | {"signature_invalid": "signature"}


@cache
def claim_vector(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_bytes())
    return document


def claim_of(accept: dict[str, Any]) -> Claim:
    return decode_claim(claim_vector(accept["of"])["claim"].encode())


def public_key(accept: dict[str, Any]) -> bytes:
    """The claim's optician's key."""
    (key,) = [
        entry["public_key"]
        for entry in claim_vector(accept["of"])["keys"]["keys"]
        if entry["optician_id"] == claim_of(accept).optician_id
    ]
    return decode_base64url(key)


def judge(accept: dict[str, Any], data: bytes) -> Invoice | Cancellation:
    """Everything that is asked of a notice, in the page's order."""
    notice: Invoice | Cancellation
    key = Ed25519PublicKey.from_public_bytes(public_key(accept))
    if accept["kind"] == "invoice":
        invoice = notice = decode_invoice(data)
        verify_notice_signature(invoice, key)
        require_invoice_fits(invoice, claim_of(accept))
    else:
        cancellation = notice = decode_cancellation(data)
        verify_notice_signature(cancellation, key)
        require_cancellation_fits(cancellation, claim_of(accept))
    return notice


@pytest.mark.parametrize("name", ACCEPTS)
def test_a_golden_notice_is_accepted_to_the_byte(name: str) -> None:
    accept = ACCEPTS[name]
    notice = judge(accept, accept["notice"].encode())
    encoded = encode_invoice(notice) if isinstance(notice, Invoice) else None
    if isinstance(notice, Cancellation):
        encoded = encode_cancellation(notice)
    assert encoded == accept["notice"].encode()
    assert signed_notice_bytes(notice).hex() == accept["signed_bytes"]
    assert notice_digest(notice).hex() == accept["digest"]


@pytest.mark.parametrize("name", ACCEPTS)
def test_the_independent_verifier_accepts_it_too(name: str) -> None:
    accept = ACCEPTS[name]
    kind, data = accept["kind"], accept["notice"].encode()
    claim = claim_vector(accept["of"])["claim"].encode()
    notice = independent.judge_notice(data, kind, claim, public_key(accept))
    assert independent.notice_signed_bytes(notice, kind).hex() == accept["signed_bytes"]
    assert independent.notice_digest(notice, kind).hex() == accept["digest"]


@pytest.mark.parametrize("name", REJECTS)
def test_a_reject_is_refused_at_its_layer_by_both(name: str) -> None:
    reject = REJECTS[name]
    accept, data = ACCEPTS[reject["mutates"]], reject["notice"].encode()
    assert data != accept["notice"].encode()
    try:
        judge(accept, data)
        got = "accepted", ""
    except EncodingError:
        got = "json", ""
    except StatementError:
        got = "envelope", ""
    except ProofRejected as error:
        got = LAYER_OF[error.reason], error.reason
    assert got == (reject["layer"], reject["reason"])
    claim = claim_vector(accept["of"])["claim"].encode()
    arguments = (data, accept["kind"], claim, public_key(accept))
    if reject["reason"]:
        with pytest.raises(independent.Refused) as refusal:
            independent.judge_notice(*arguments)
        assert refusal.value.reason == reject["reason"]
    else:
        with pytest.raises(independent.Unreadable):
            independent.judge_notice(*arguments)


def test_every_reason_and_layer_has_a_reject() -> None:
    assert {reject["reason"] for reject in REJECTS.values()} == {"", *NOTICE_REASONS}
    layers = {reject["layer"] for reject in REJECTS.values()}
    assert layers == {"json", "envelope", "signature", "claim"}
    assert len(REJECTS) == len(stored()["rejects"])
    assert {accept["kind"] for accept in ACCEPTS.values()} == {"invoice", "cancellation"}


def test_notices_made_anew_say_the_same(tmp_path: Path) -> None:
    make_golden.write(tmp_path)
    made = stored(tmp_path)
    for accept, again in zip(ACCEPTS.values(), made["accepts"], strict=True):
        assert [again[key] for key in ("name", "kind", "of")] == [
            accept[key] for key in ("name", "kind", "of")
        ]
        assert again["digest"] != accept["digest"]  # the claim's blindings are random
    for reject, again in zip(REJECTS.values(), made["rejects"], strict=True):
        for key in ("name", "mutates", "layer", "reason"):
            assert again[key] == reject[key]
