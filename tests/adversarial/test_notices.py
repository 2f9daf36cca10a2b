"""Every change of an accepted notice is refused, signed again by the optician's own key or not.

A mutation starts from the invoice or the cancellation of `sample_claim("equipment")` and names who
must refuse it: "json" or "envelope" (decoding), else a key of `circuits.notices.NOTICE_REASONS`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any, TypeAlias

import pytest
import rfc8785

from circuits.canonical import decode_base64url, encode_base64url
from circuits.claim import SIGNATURE_TAG, ClaimAmounts
from circuits.notices import (
    CANCELLATION_TAG,
    INVOICE_TAG,
    Cancellation,
    Invoice,
    decode_cancellation,
    decode_invoice,
    encode_cancellation,
    encode_invoice,
    require_cancellation_fits,
    require_invoice_fits,
    verify_notice_signature,
)
from circuits.signing import framed_bytes
from optician.identity import Identity
from optician.notices import make_cancellation, make_invoice
from tests.support.claims import DAY, claim_of, identity, sample_claim, sample_sale
from zk.errors import EncodingError, ProofRejected, StatementError

Json: TypeAlias = Any
KINDS = ("invoice", "cancellation")
TAGS = {"invoice": INVOICE_TAG, "cancellation": CANCELLATION_TAG}
CLAIM = sample_claim("equipment")[0]
DELIVERY = DAY + timedelta(days=7)


@cache
def accept(kind: str) -> bytes:
    if kind == "invoice":
        return encode_invoice(make_invoice(CLAIM, identity(), DELIVERY))
    return encode_cancellation(make_cancellation(CLAIM, identity()))


def document_of(kind: str) -> dict[str, Json]:
    document: dict[str, Json] = json.loads(accept(kind))
    return document


def signed(
    document: dict[str, Json], kind: str, by: Identity | None = None, tag: bytes | None = None
) -> bytes:
    """The document under a signature over whatever it says now."""
    unsigned = {key: value for key, value in document.items() if key != "signature"}
    key = (by or identity()).signing_key
    signature = encode_base64url(key.sign(framed_bytes(tag or TAGS[kind], unsigned)))
    return rfc8785.dumps(unsigned | {"signature": signature})


def refusal(kind: str, data: bytes) -> str:
    """Who refuses these bytes as a notice of the claim by its optician's key, or "accepted"."""
    notice: Invoice | Cancellation
    try:
        notice = decode_invoice(data) if kind == "invoice" else decode_cancellation(data)
        verify_notice_signature(notice, identity().signing_key.public_key())
        if isinstance(notice, Invoice):
            require_invoice_fits(notice, CLAIM)
        else:
            require_cancellation_fits(notice, CLAIM)
    except EncodingError:
        return "json"
    except StatementError:
        return "envelope"
    except ProofRejected as error:
        return error.reason
    return "accepted"


@pytest.mark.parametrize("kind", KINDS)
def test_the_accepts_are_accepted(kind: str) -> None:
    assert refusal(kind, accept(kind)) == "accepted"
    assert signed(document_of(kind), kind) == accept(kind)


# -- every field -------------------------------------------------------------------------------

OTHER_DIGEST = encode_base64url(bytes(range(32)))
IDENTIFIERS = ("claim_id", "optician_id", "insurer_id")
DIGESTS = ("claim_digest", "key_id")


def becomes(value: Json) -> Callable[[Json], Json]:
    return lambda old: value


def changes() -> list[tuple[str, str, Callable[[Json], Json], str]]:
    """(kind, field, change, who refuses it when it is signed again)."""
    listed: list[tuple[str, str, Callable[[Json], Json], str]] = []
    for kind in KINDS:
        for value in (0, 2, True, "1", None):
            listed.append((kind, "format_version", becomes(value), "envelope"))
        for name in IDENTIFIERS:
            listed += [
                (kind, name, lambda old: old + "x", "claim_differs"),
                (kind, name, str.upper, "claim_differs"),
                (kind, name, lambda old: "", "envelope"),
                (kind, name, lambda old: old + "\n", "envelope"),
                (kind, name, lambda old: None, "envelope"),
                (kind, name, lambda old: "x" * 65, "envelope"),
            ]
        for name in DIGESTS:
            reason = "claim_differs" if name == "claim_digest" else "signature_invalid"
            listed += [
                (kind, name, lambda old: OTHER_DIGEST, reason),
                (kind, name, lambda old: old[:-2], "envelope"),
                (kind, name, lambda old: old + "=", "envelope"),
                (kind, name, lambda old: encode_base64url(bytes(31)), "envelope"),
            ]
    amounts, day, lines = "amounts", "date_of_delivery", "commitments"
    listed += [
        ("invoice", day, lambda old: "2020-10-04", "delivery_before_service"),
        ("invoice", day, lambda old: "2020-02-30", "envelope"),
        ("invoice", day, lambda old: "20201012", "envelope"),
        ("invoice", day, lambda old: None, "envelope"),
        ("invoice", lines, lambda old: [], "envelope"),
        ("invoice", lines, lambda old: old[:1] * 8, "envelope"),
        ("invoice", lines, lambda old: old[0], "envelope"),
        ("invoice", lines, lambda old: [*old[:2], old[2][:-1]], "envelope"),
        ("invoice", lines, lambda old: old[1:], "commitments_differ"),
        ("invoice", lines, lambda old: [old[1], old[0], old[2]], "commitments_differ"),
        ("invoice", lines, lambda old: [old[0], old[0], old[2]], "commitments_differ"),
        ("invoice", lines, lambda old: [*old, old[0]], "commitments_differ"),
        ("invoice", amounts, lambda old: None, "amount_above_grant"),
        ("invoice", amounts, lambda old: old | {"lenses_cents": 43_895}, "amount_above_grant"),
        ("invoice", amounts, lambda old: old | {"frame_cents": 10_001}, "amount_above_grant"),
        (
            "invoice",
            amounts,
            lambda old: {"lenses_cents": 43_893, "frame_cents": 10_001},
            "amount_above_grant",
        ),
        ("invoice", amounts, lambda old: old | {"lenses_cents": -1}, "envelope"),
        ("invoice", amounts, lambda old: old | {"lenses_cents": "1"}, "envelope"),
        ("invoice", amounts, lambda old: old | {"lenses_cents": 10_000_001}, "envelope"),
        ("invoice", amounts, lambda old: {"lenses_cents": 0}, "envelope"),
        ("invoice", amounts, lambda old: old | {"supplements_cents": 0}, "envelope"),
    ]
    return listed


CHANGES = changes()
IDS = [f"{kind}:{name}:{number}" for number, (kind, name, _, _) in enumerate(CHANGES)]


@pytest.mark.parametrize(("kind", "name", "change", "expected"), CHANGES, ids=IDS)
def test_a_changed_field_is_refused(
    kind: str, name: str, change: Callable[[Json], Json], expected: str
) -> None:
    document = document_of(kind)
    old = copy.deepcopy(document[name])
    document[name] = change(document[name])
    assert document[name] != old or type(document[name]) is not type(old), "nothing has changed"
    assert refusal(kind, signed(document, kind)) == expected
    unsigned = "envelope" if expected == "envelope" else "signature_invalid"
    assert refusal(kind, rfc8785.dumps(document)) == unsigned


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_its_changes(kind: str) -> None:
    changed = {name for other, name, _, _ in CHANGES if other == kind}
    assert set(document_of(kind)) - changed == {"signature"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_left_out_or_added_is_refused(kind: str) -> None:
    for name in document_of(kind):
        document = document_of(kind)
        del document[name]
        data = rfc8785.dumps(document) if name == "signature" else signed(document, kind)
        assert refusal(kind, data) == "envelope"
    assert refusal(kind, signed(document_of(kind) | {"note": "x"}, kind)) == "envelope"


def test_lower_amounts_are_the_one_change_that_is_accepted_when_signed() -> None:
    document = document_of("invoice")
    document["amounts"]["lenses_cents"] -= 1
    assert refusal("invoice", signed(document, "invoice")) == "accepted"
    assert refusal("invoice", rfc8785.dumps(document)) == "signature_invalid"


# -- bytes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_flipped_bit_is_refused(kind: str) -> None:
    data = accept(kind)
    for place in range(len(data)):
        for bit in (0, 5):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            assert refusal(kind, bytes(changed)) != "accepted", (place, bit)


@pytest.mark.parametrize("kind", KINDS)
def test_other_bytes_are_no_json_of_a_notice(kind: str) -> None:
    data = accept(kind)
    text = data.decode()
    for changed in (
        data + b"\n",
        data[:-1],
        b"\xef\xbb\xbf" + data,
        b"[" + data + b"]",
        data + data,
        text.replace('"claim_id":', '"claim_id":"x","claim_id":').encode(),
        text.replace('"format_version":1', '"format_version":1.0').encode(),
        json.dumps(dict(reversed(document_of(kind).items())), separators=(",", ":")).encode(),
        b" " * (4097 - len(data)) + data,
    ):
        assert changed != data
        assert refusal(kind, changed) == "json"


# -- signatures and claims of others ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_of_another_key_is_refused(kind: str) -> None:
    thief = identity("optician-2")
    assert refusal(kind, signed(document_of(kind), kind, by=thief)) == "signature_invalid"
    renamed = document_of(kind) | {"key_id": thief.key_id}
    assert refusal(kind, signed(renamed, kind, by=thief)) == "signature_invalid"


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_under_any_other_tag_is_refused(kind: str) -> None:
    for tag in {*TAGS.values(), SIGNATURE_TAG, TAGS[kind] + b"x"} - {TAGS[kind]}:
        assert refusal(kind, signed(document_of(kind), kind, tag=tag)) == "signature_invalid"


@pytest.mark.parametrize("kind", KINDS)
def test_the_signature_of_the_claim_is_none_of_a_notice(kind: str) -> None:
    document = document_of(kind) | {"signature": CLAIM.signature}
    assert refusal(kind, rfc8785.dumps(document)) == "signature_invalid"


def test_a_signature_with_s_plus_l_is_refused() -> None:
    raw = decode_base64url(document_of("invoice")["signature"])
    order = 2**252 + 27742317777372353535851937790883648493
    larger = (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little")
    document = document_of("invoice") | {"signature": encode_base64url(raw[:32] + larger)}
    assert refusal("invoice", rfc8785.dumps(document)) == "signature_invalid"


def test_a_notice_of_another_claim_of_the_same_sale_is_refused() -> None:
    """Same claim id, same articles, another claim: the digest tells them apart."""
    other, _ = claim_of(sample_sale(claim_id=CLAIM.claim_id))
    assert (other.claim_id, other.amounts) == (CLAIM.claim_id, CLAIM.amounts)
    theirs = encode_invoice(make_invoice(other, identity(), DELIVERY))
    assert refusal("invoice", theirs) == "claim_differs"
    taken_back = encode_cancellation(make_cancellation(other, identity()))
    assert refusal("cancellation", taken_back) == "claim_differs"


def test_a_claim_changed_after_the_grant_is_another_claim() -> None:
    """Whoever raises the amounts in the insurer's records gets no invoice for them."""
    assert CLAIM.amounts is not None
    more = ClaimAmounts(lenses_cents=CLAIM.amounts.lenses_cents + 1, frame_cents=0)
    raised = CLAIM.model_copy(update={"amounts": more})
    notice = decode_invoice(accept("invoice"))
    with pytest.raises(ProofRejected) as rejected:
        require_invoice_fits(notice, raised)
    assert rejected.value.reason == "claim_differs"
