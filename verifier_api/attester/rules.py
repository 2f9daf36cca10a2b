"""Whether an attester confirms a line: judged from the request, the record and the clock alone.

Who asks comes first and the record last, so nobody but the optician of a record learns anything of
it. No message tells what the record holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from circuits.attestation import AttestationRequest, attestation_purpose
from circuits.contract import AttestedSlot
from circuits.opening import RevealedValues
from circuits.signed import verify_signed
from verifier_api.keys import KeyRegistry
from verifier_api.openings import OPENING_REASONS, verify_opening_of_its_commitment
from zk.errors import ProofRejected
from zk.generators import Generators

MAX_REQUEST_AGE = timedelta(minutes=15)
"""So old, or so far in the future, a request may be at most."""

_OPENING = ("opening_other_purpose", "opening_malformed", "opening_invalid", "opening_meaningless")

REQUEST_REASONS = {
    "attester_differs": "the request is for another attester",
    "optician_unknown": "the key that signed is not registered for this optician, or not valid",
    "signature_invalid": "the signature does not cover this request",
    "request_stale": "the request is older than 15 minutes, or from the future",
    **{name: OPENING_REASONS[name] for name in _OPENING},
    "record_unknown": "no record of this number for this optician",
    "code_missing": "the opening does not reveal the code",
    "price_missing": "the record has a price, and the opening reveals none",
    "code_differs": "the code is not the record's",
    "price_differs": "the price is not the record's",
    "record_used_up": "everything in the record stands behind other lines already",
}
"""Reason codes, stable, with what they mean, in the order in which they are looked for."""


@dataclass(frozen=True)
class Record:
    """What an attester knows: ``quantity`` articles of one LPP code that ``optician_id`` ordered or
    billed under a number, each for ``price_cents``, where the record has a price."""

    record_id: str
    optician_id: str
    code: int = field(repr=False)
    price_cents: int | None = field(repr=False)
    quantity: int


def require_authentic(
    request: AttestationRequest, attester_id: str, keys: KeyRegistry, now: datetime
) -> None:
    """Refuse a request that is not for this attester, of a registered optician, and of now.

    Raises `ProofRejected` with "attester_differs", "optician_unknown", "signature_invalid" or
    "request_stale", the first that holds.
    """
    if request.attester_id != attester_id:
        raise rejected("attester_differs")
    key = keys.find(request.optician_id, request.key_id, now.date())
    if key is None:
        raise rejected("optician_unknown")
    try:
        verify_signed(request, key)
    except ProofRejected:
        raise rejected("signature_invalid") from None
    if abs(now - request.requested_at) > MAX_REQUEST_AGE:
        raise rejected("request_stale")


def open_request(request: AttestationRequest, generators: Generators) -> RevealedValues:
    """What the request's opening reveals, if it opens its commitment for this attester's record.

    Raises `ProofRejected` with a key of `verifier_api.openings.OPENING_REASONS`.
    """
    purpose = attestation_purpose(request.attester_id, request.record_id)
    return verify_opening_of_its_commitment(generators, request.opening, purpose)


def compare(
    values: RevealedValues, record: Record | None, request: AttestationRequest
) -> tuple[AttestedSlot, ...]:
    """The slots that were compared with the record and are the same: the code, and the price if the
    record has one.

    Raises `ProofRejected` with "record_unknown" (also for another optician's record),
    "code_missing", "price_missing", "code_differs" or "price_differs", the first that holds.
    """
    if record is None or (record.record_id, record.optician_id) != (
        request.record_id,
        request.optician_id,
    ):
        raise rejected("record_unknown")
    if values.code is None:
        raise rejected("code_missing")
    if record.price_cents is not None and values.price_cents is None:
        raise rejected("price_missing")
    if values.code != record.code:
        raise rejected("code_differs")
    if record.price_cents is None:
        return ("code",)
    if values.price_cents != record.price_cents:
        raise rejected("price_differs")
    return ("code", "price")


def rejected(reason: str) -> ProofRejected:
    """The refusal with that key of `REQUEST_REASONS`."""
    return ProofRejected(reason, REQUEST_REASONS[reason])
