"""Notices: the signed documents that follow a claim, format 1.

An *invoice* says that the equipment was delivered, and what is asked for it; a *cancellation* takes
the claim back. Both name the claim by its identifier and its digest. Each is one JSON object in its
RFC 8785 form, like the claim; its one tag stands before what is signed and before what is digested.

A notice has no proof of its own. What it repeats was proved in the claim, and amounts below those
of the claim are covered whenever those are (section 12.5 of docs/protocol.md).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field

from circuits.canonical import canonical_bytes, encode_base64url, tagged_digest
from circuits.claim import (
    MAX_LINES,
    Claim,
    ClaimAmounts,
    Digest,
    EncodedPoint,
    Signature,
    claim_digest,
)
from circuits.document import Identifier, IsoDate, StrictDocument, parse_document
from circuits.signing import framed_bytes, sign_document, verify_document_signature
from zk.errors import ProofRejected

FORMAT_VERSION = 1
INVOICE_TAG = b"clairobscur/invoice/v1"
CANCELLATION_TAG = b"clairobscur/cancellation/v1"

MAX_NOTICE_BYTES = 4096

NOTICE_REASONS = {
    "signature_invalid": "the signature does not cover this notice",
    "claim_differs": "the notice is about another claim, or of another optician or insurer",
    "commitments_differ": "the commitments are not the claim's, in the claim's order",
    "amount_above_grant": "an amount is above the claim's, or given where the claim has none",
    "delivery_before_service": "the delivery is before the date of service",
}
"""Reason codes, stable, with what they mean."""


class NoticeBody(StrictDocument):
    """What every notice says before its signature: which claim it is about, and who signs.

    ``key_id`` is the base64url SHA-256 of the public key that signs the notice. It need not be the
    claim's: the optician may have a new one since.
    """

    format_version: Annotated[int, Field(ge=FORMAT_VERSION, le=FORMAT_VERSION)]
    claim_id: Identifier
    claim_digest: Digest
    optician_id: Identifier
    key_id: Digest
    insurer_id: Identifier


class InvoiceBody(NoticeBody):
    """An invoice but for its signature.

    ``commitments`` are those of the claim's lines, in their order: what was delivered is what was
    committed to. ``amounts`` is None exactly where the claim's is.
    """

    date_of_delivery: IsoDate
    commitments: Annotated[tuple[EncodedPoint, ...], Field(min_length=1, max_length=MAX_LINES)]
    amounts: ClaimAmounts | None


class Invoice(InvoiceBody):
    """A whole invoice; ``signature`` is Ed25519 of `signed_notice_bytes`."""

    signature: Signature


class CancellationBody(NoticeBody):
    """A cancellation but for its signature."""


class Cancellation(CancellationBody):
    """A whole cancellation; ``signature`` is Ed25519 of `signed_notice_bytes`."""

    signature: Signature


def _tag(notice: NoticeBody) -> bytes:
    return INVOICE_TAG if isinstance(notice, InvoiceBody) else CANCELLATION_TAG


def _unsigned(notice: NoticeBody) -> dict[str, Any]:
    """All fields but the signature, of a body or of a whole notice."""
    return notice.model_dump(mode="json", exclude={"signature"})


def signed_notice_bytes(notice: InvoiceBody | CancellationBody) -> bytes:
    """What the optician signs: the framed tag, then the canonical JSON of all but the signature."""
    return framed_bytes(_tag(notice), _unsigned(notice))


# -- bytes ------------------------------------------------------------------------------------


def encode_invoice(invoice: Invoice) -> bytes:
    """The one byte form of an invoice."""
    return canonical_bytes(invoice.model_dump(mode="json"))


def decode_invoice(data: bytes) -> Invoice:
    """Strict inverse of `encode_invoice`.

    Raises `EncodingError` for what is no strict, canonical JSON or over `MAX_NOTICE_BYTES`,
    `StatementError` naming every field at fault otherwise.
    """
    return parse_document(
        Invoice, data, max_bytes=MAX_NOTICE_BYTES, what="invoice", is_canonical=True
    )


def encode_cancellation(cancellation: Cancellation) -> bytes:
    """The one byte form of a cancellation."""
    return canonical_bytes(cancellation.model_dump(mode="json"))


def decode_cancellation(data: bytes) -> Cancellation:
    """Strict inverse of `encode_cancellation`; raises as `decode_invoice` does."""
    return parse_document(
        Cancellation, data, max_bytes=MAX_NOTICE_BYTES, what="cancellation", is_canonical=True
    )


def notice_digest(notice: Invoice | Cancellation) -> bytes:
    """32 bytes that name this notice, signature included."""
    return tagged_digest(_tag(notice), canonical_bytes(notice.model_dump(mode="json")))


# -- signature --------------------------------------------------------------------------------


def sign_invoice(body: InvoiceBody, key: Ed25519PrivateKey) -> Invoice:
    """The whole invoice. Raises `StatementError` if the body names another key."""
    signature = sign_document(INVOICE_TAG, _unsigned(body), key, what="invoice")
    return Invoice.model_validate(body.model_dump() | {"signature": signature})


def sign_cancellation(body: CancellationBody, key: Ed25519PrivateKey) -> Cancellation:
    """The whole cancellation. Raises `StatementError` if the body names another key."""
    signature = sign_document(CANCELLATION_TAG, _unsigned(body), key, what="cancellation")
    return Cancellation.model_validate(body.model_dump() | {"signature": signature})


def verify_notice_signature(notice: Invoice | Cancellation, public_key: Ed25519PublicKey) -> None:
    """Raise `ProofRejected` ("signature_invalid") unless ``public_key`` is the notice's and signed
    it. Whether the key is the optician's is for the caller to know."""
    verify_document_signature(
        _tag(notice), _unsigned(notice), notice.signature, public_key, what="notice"
    )


# -- fit --------------------------------------------------------------------------------------


def require_invoice_fits(invoice: InvoiceBody, claim: Claim) -> None:
    """Refuse an invoice that asks for anything but what ``claim``, as recorded, was granted for.

    Each amount may be the claim's or less. Raises `ProofRejected` with "claim_differs",
    "commitments_differ", "amount_above_grant" or "delivery_before_service", the first that holds.
    """
    _require_about(invoice, claim)
    if invoice.commitments != tuple(line.commitment for line in claim.lines):
        raise _rejected("commitments_differ")
    if not _is_covered(invoice.amounts, claim.amounts):
        raise _rejected("amount_above_grant")
    if invoice.date_of_delivery < claim.date_of_service:
        raise _rejected("delivery_before_service")


def require_cancellation_fits(cancellation: CancellationBody, claim: Claim) -> None:
    """Raise `ProofRejected` ("claim_differs") for a cancellation of anything but ``claim``."""
    _require_about(cancellation, claim)


def _require_about(notice: NoticeBody, claim: Claim) -> None:
    named = (notice.claim_id, notice.claim_digest, notice.optician_id, notice.insurer_id)
    digest = encode_base64url(claim_digest(claim))
    if named != (claim.claim_id, digest, claim.optician_id, claim.insurer_id):
        raise _rejected("claim_differs")


def _is_covered(asked: ClaimAmounts | None, granted: ClaimAmounts | None) -> bool:
    if asked is None or granted is None:
        return asked is granted
    return asked.lenses_cents <= granted.lenses_cents and asked.frame_cents <= granted.frame_cents


def _rejected(reason: str) -> ProofRejected:
    return ProofRejected(reason, NOTICE_REASONS[reason])


# -- of a claim -------------------------------------------------------------------------------


def invoice_body(
    claim: Claim, key_id: str, date_of_delivery: date, amounts: ClaimAmounts | None
) -> InvoiceBody:
    """An invoice of ``claim``, to be signed by the key ``key_id``. Nothing is checked: see
    `require_invoice_fits`."""
    return InvoiceBody(
        **_about(claim, key_id),
        date_of_delivery=date_of_delivery,
        commitments=tuple(line.commitment for line in claim.lines),
        amounts=amounts,
    )


def cancellation_body(claim: Claim, key_id: str) -> CancellationBody:
    """A cancellation of ``claim``, to be signed by the key ``key_id``."""
    return CancellationBody(**_about(claim, key_id))


def _about(claim: Claim, key_id: str) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "claim_id": claim.claim_id,
        "claim_digest": encode_base64url(claim_digest(claim)),
        "optician_id": claim.optician_id,
        "key_id": key_id,
        "insurer_id": claim.insurer_id,
    }
