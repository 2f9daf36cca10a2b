"""Invoices and cancellations: one byte form, digests, signature, fit, and the shop's half."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from circuits.canonical import decode_base64url, encode_base64url, tagged_digest
from circuits.claim import MAX_LINES, Claim, ClaimAmounts, claim_digest
from circuits.notices import (
    CANCELLATION_TAG,
    INVOICE_TAG,
    MAX_NOTICE_BYTES,
    NOTICE_REASONS,
    Cancellation,
    CancellationBody,
    Invoice,
    InvoiceBody,
    cancellation_body,
    decode_cancellation,
    decode_invoice,
    encode_cancellation,
    encode_invoice,
    invoice_body,
    notice_digest,
    require_cancellation_fits,
    require_invoice_fits,
    sign_cancellation,
    sign_invoice,
    signed_notice_bytes,
    verify_notice_signature,
)
from circuits.signing import key_id_of
from optician.identity import Identity
from optician.notices import make_cancellation, make_invoice
from tests.support.claims import DAY, claim_of, identity, sample_claim, sample_sale
from zk.errors import EncodingError, ProofRejected, StatementError

DELIVERY = DAY + timedelta(days=7)
PUBLIC = identity().signing_key.public_key()


def claim(statement: Any = "equipment") -> Claim:
    return sample_claim(statement)[0]


def invoice(statement: Any = "equipment", amounts: ClaimAmounts | None = None) -> Invoice:
    return make_invoice(claim(statement), identity(), DELIVERY, amounts)


def cancellation() -> Cancellation:
    return make_cancellation(claim(), identity())


def body_of(notice: Invoice) -> InvoiceBody:
    return InvoiceBody.model_validate(notice.model_dump(exclude={"signature"}))


# -- what the shop makes -----------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["line", "equipment", "pair"])
def test_an_invoice_repeats_the_claim(statement: Any) -> None:
    made, of = invoice(statement), claim(statement)
    assert made.claim_id == of.claim_id
    assert decode_base64url(made.claim_digest) == claim_digest(of)
    assert (made.optician_id, made.insurer_id) == (of.optician_id, of.insurer_id)
    assert made.key_id == identity().key_id
    assert made.commitments == tuple(line.commitment for line in of.lines)
    assert made.amounts == of.amounts
    assert made.date_of_delivery == DELIVERY
    verify_notice_signature(made, PUBLIC)
    require_invoice_fits(made, of)


def test_a_cancellation_names_the_claim_and_says_nothing_of_it() -> None:
    made = cancellation()
    assert decode_base64url(made.claim_digest) == claim_digest(claim())
    assert set(json.loads(encode_cancellation(made))) == {
        *("claim_digest", "claim_id", "format_version", "insurer_id", "key_id", "optician_id"),
        "signature",
    }
    verify_notice_signature(made, PUBLIC)
    require_cancellation_fits(made, claim())


def test_less_may_be_invoiced_than_was_granted() -> None:
    granted = claim().amounts
    assert granted is not None
    nothing = ClaimAmounts(lenses_cents=0, frame_cents=0)
    a_cent_less = ClaimAmounts(
        lenses_cents=granted.lenses_cents - 1, frame_cents=granted.frame_cents
    )
    for amounts in (nothing, a_cent_less, granted):
        made = invoice(amounts=amounts)
        assert made.amounts == amounts
        require_invoice_fits(made, claim())


def test_the_day_of_the_service_is_early_enough() -> None:
    made = make_invoice(claim(), identity(), DAY)
    require_invoice_fits(made, claim())


@pytest.mark.parametrize(
    ("statement", "day", "amounts", "words"),
    [
        ("equipment", DAY - timedelta(days=1), None, "the delivery is before"),
        ("equipment", DELIVERY, {"lenses_cents": 43_895, "frame_cents": 0}, "above the claim's"),
        ("equipment", DELIVERY, {"lenses_cents": 0, "frame_cents": 10_001}, "above the claim's"),
        ("line", DELIVERY, {"lenses_cents": 0, "frame_cents": 0}, "where the claim has none"),
    ],
)
def test_no_invoice_is_made_that_does_not_fit(
    statement: Any, day: date, amounts: dict[str, int] | None, words: str
) -> None:
    assert claim().amounts == ClaimAmounts(lenses_cents=43_894, frame_cents=10_000)
    asked = None if amounts is None else ClaimAmounts(**amounts)
    with pytest.raises(StatementError, match=f"^invoice: .*{words}") as refusal:
        make_invoice(claim(statement), identity(), day, asked)
    assert not any(character.isdigit() for character in str(refusal.value))


def test_nobody_follows_up_anothers_claim() -> None:
    other = identity("optician-2")
    with pytest.raises(StatementError, match=r"^invoice: the claim is another optician's"):
        make_invoice(claim(), other, DELIVERY)
    with pytest.raises(StatementError, match=r"^cancellation: the claim is another optician's"):
        make_cancellation(claim(), other)


def test_a_new_key_of_the_same_optician_may_sign() -> None:
    renewed = Identity("optician-1", Ed25519PrivateKey.generate(), bytes(32))
    made = make_invoice(claim(), renewed, DELIVERY)
    assert made.key_id == renewed.key_id != claim().key_id
    verify_notice_signature(made, renewed.signing_key.public_key())
    require_invoice_fits(made, claim())
    taken_back = make_cancellation(claim(), renewed)
    verify_notice_signature(taken_back, renewed.signing_key.public_key())
    require_cancellation_fits(taken_back, claim())


# -- bytes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["line", "equipment", "pair"])
def test_an_invoice_has_one_byte_form(statement: Any) -> None:
    made = invoice(statement)
    data = encode_invoice(made)
    assert data == rfc8785.dumps(json.loads(data))
    assert decode_invoice(data) == made
    assert set(json.loads(data)) == {
        *("amounts", "claim_digest", "claim_id", "commitments", "date_of_delivery"),
        *("format_version", "insurer_id", "key_id", "optician_id", "signature"),
    }
    spaced = json.dumps(json.loads(data), sort_keys=True).encode()
    with pytest.raises(EncodingError, match=r"^invoice: not in canonical form"):
        decode_invoice(spaced)


def test_a_cancellation_has_one_byte_form() -> None:
    data = encode_cancellation(cancellation())
    assert data == rfc8785.dumps(json.loads(data))
    assert decode_cancellation(data) == cancellation()
    with pytest.raises(EncodingError, match=r"^cancellation: not in canonical form"):
        decode_cancellation(data.replace(b'"format_version":1', b'"format_version": 1'))


def test_the_largest_invoice_is_within_the_limit() -> None:
    sale = sample_sale(supplements=("SV3", "SV3", "SV1", "SV1"), claim_id="c" * 64)
    largest = make_invoice(claim_of(sale)[0], identity(), DELIVERY)
    assert len(largest.commitments) == MAX_LINES
    assert len(encode_invoice(largest)) < MAX_NOTICE_BYTES // 2


@pytest.mark.parametrize("decode", [decode_invoice, decode_cancellation])
@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{}", b"\xff", b"{" * 100, b" " * 4097])
def test_what_is_no_notice_is_refused(decode: Any, data: bytes) -> None:
    with pytest.raises((EncodingError, StatementError), match=r"^(invoice|cancellation): "):
        decode(data)


def test_a_notice_of_the_other_kind_is_refused() -> None:
    with pytest.raises(StatementError, match="unknown field"):
        decode_cancellation(encode_invoice(invoice()))
    with pytest.raises(StatementError, match="date_of_delivery: Field required"):
        decode_invoice(encode_cancellation(cancellation()))


def test_the_digest_covers_everything_and_tells_the_kinds_apart() -> None:
    assert notice_digest(invoice()) == tagged_digest(INVOICE_TAG, encode_invoice(invoice()))
    data = encode_cancellation(cancellation())
    assert notice_digest(cancellation()) == tagged_digest(CANCELLATION_TAG, data)
    other = invoice().model_copy(update={"signature": cancellation().signature})
    assert notice_digest(other) != notice_digest(invoice())


# -- signature ---------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [invoice, cancellation])
def test_the_signature_covers_everything_but_itself(made: Any) -> None:
    notice = made()
    tag = INVOICE_TAG if made is invoice else CANCELLATION_TAG
    fields = notice.model_dump(mode="json")
    del fields["signature"]
    expected = len(tag).to_bytes(4, "big") + tag + rfc8785.dumps(fields)
    assert signed_notice_bytes(notice) == expected
    PUBLIC.verify(decode_base64url(notice.signature), expected)


def test_signing_again_gives_the_same_notice() -> None:
    assert sign_invoice(body_of(invoice()), identity().signing_key) == invoice()
    again = sign_cancellation(cancellation_body(claim(), identity().key_id), identity().signing_key)
    assert again == cancellation()


def test_nobody_signs_under_another_key_id() -> None:
    stranger = Ed25519PrivateKey.generate()
    with pytest.raises(StatementError, match=r"^invoice: key_id: not the key that signs"):
        sign_invoice(body_of(invoice()), stranger)
    with pytest.raises(StatementError, match=r"^cancellation: key_id: not the key that signs"):
        sign_cancellation(cancellation_body(claim(), identity().key_id), stranger)


@pytest.mark.parametrize("made", [invoice, cancellation])
def test_another_key_or_signature_is_rejected(made: Any) -> None:
    notice, stranger = made(), Ed25519PrivateKey.generate().public_key()
    renamed = notice.model_copy(update={"key_id": key_id_of(stranger)})
    flipped = bytearray(decode_base64url(notice.signature))
    flipped[7] ^= 16
    forged = notice.model_copy(update={"signature": encode_base64url(bytes(flipped))})
    for changed, key in ((notice, stranger), (renamed, stranger), (forged, PUBLIC)):
        with pytest.raises(ProofRejected) as refusal:
            verify_notice_signature(changed, key)
        assert refusal.value.reason == "signature_invalid"


# -- fit ---------------------------------------------------------------------------------------


def test_an_invoice_body_checks_nothing_by_itself() -> None:
    early = invoice_body(claim(), identity().key_id, DAY - timedelta(days=1), None)
    assert early.amounts is None
    with pytest.raises(ProofRejected):
        require_invoice_fits(early, claim())


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("claim_differs", {"claim_id": "other"}),
    ("claim_differs", {"claim_digest": encode_base64url(bytes(32))}),
    ("claim_differs", {"optician_id": "optician-2"}),
    ("claim_differs", {"insurer_id": "other"}),
    ("commitments_differ", {"commitments": invoice().commitments[:-1]}),
    ("commitments_differ", {"commitments": invoice().commitments[::-1]}),
    ("commitments_differ", {"commitments": (*invoice().commitments, invoice().commitments[0])}),
    ("commitments_differ", {"commitments": invoice("pair").commitments}),
    (
        "amount_above_grant",
        {"amounts": ClaimAmounts(lenses_cents=43_895, frame_cents=0)},
    ),
    (
        "amount_above_grant",
        {"amounts": ClaimAmounts(lenses_cents=0, frame_cents=10_001)},
    ),
    ("amount_above_grant", {"amounts": None}),
    ("delivery_before_service", {"date_of_delivery": DAY - timedelta(days=1)}),
]


@pytest.mark.parametrize(("reason", "change"), CHANGES)
def test_what_does_not_fit_is_rejected(reason: str, change: dict[str, Any]) -> None:
    require_invoice_fits(invoice(), claim())  # the accept that is changed
    with pytest.raises(ProofRejected) as refusal:
        require_invoice_fits(invoice().model_copy(update=change), claim())
    assert (refusal.value.reason, refusal.value.detail) == (reason, NOTICE_REASONS[reason])
    if reason == "claim_differs":
        taken_back: CancellationBody = cancellation().model_copy(update=change)
        with pytest.raises(ProofRejected) as refusal:
            require_cancellation_fits(taken_back, claim())
        assert refusal.value.reason == reason


def test_a_line_has_no_amounts_to_invoice() -> None:
    of_line = invoice("line")
    require_invoice_fits(of_line, claim("line"))
    nothing = of_line.model_copy(update={"amounts": ClaimAmounts(lenses_cents=0, frame_cents=0)})
    with pytest.raises(ProofRejected) as refusal:
        require_invoice_fits(nothing, claim("line"))
    assert refusal.value.reason == "amount_above_grant"


def test_every_reason_is_reached() -> None:
    assert {reason for reason, _ in CHANGES} | {"signature_invalid"} == set(NOTICE_REASONS)
