"""What the shop sends after a claim was granted: the invoice, or the cancellation."""

from __future__ import annotations

from datetime import date

from circuits.claim import Claim, ClaimAmounts
from circuits.notices import (
    Cancellation,
    Invoice,
    cancellation_body,
    invoice_body,
    require_invoice_fits,
    sign_cancellation,
    sign_invoice,
)
from optician.identity import Identity
from zk.errors import ProofRejected, StatementError


def make_invoice(
    claim: Claim,
    identity: Identity,
    date_of_delivery: date,
    amounts: ClaimAmounts | None = None,
) -> Invoice:
    """The signed invoice of one's own claim; ``amounts`` None asks for the claim's.

    The key may be another than the claim's, the optician may not. Raises `StatementError` for
    another optician's claim, an amount above the claim's (or any where it has none), or a delivery
    before the date of service.
    """
    _require_own(claim, identity, "invoice")
    body = invoice_body(
        claim, identity.key_id, date_of_delivery, claim.amounts if amounts is None else amounts
    )
    try:
        require_invoice_fits(body, claim)
    except ProofRejected as error:
        raise StatementError(f"invoice: {error.detail}") from None
    return sign_invoice(body, identity.signing_key)


def make_cancellation(claim: Claim, identity: Identity) -> Cancellation:
    """The signed cancellation of one's own claim.

    Raises `StatementError` for another optician's claim.
    """
    _require_own(claim, identity, "cancellation")
    return sign_cancellation(cancellation_body(claim, identity.key_id), identity.signing_key)


def _require_own(claim: Claim, identity: Identity, what: str) -> None:
    if claim.optician_id != identity.optician_id:
        raise StatementError(f"{what}: the claim is another optician's")
