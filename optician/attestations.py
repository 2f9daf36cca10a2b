"""What the shop asks an attester, and whether the answer is what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime

import httpx2

from circuits.attestation import (
    MAX_ATTESTATION_BYTES,
    Attestation,
    AttestationRequest,
    attestation_purpose,
)
from circuits.canonical import encode_base64url
from circuits.claim import Claim, claim_digest
from circuits.signed import decode_signed, encode_signed, make_signed
from circuits.trust import Trust
from console.calls import DEFAULT_RETRIES, DEFAULT_TIMEOUT, Call, Caller, ServiceAnswerInvalid
from optician.claiming import Openings
from optician.identity import Identity
from optician.opening_file import OpeningsError, open_line
from zk.errors import ProofRejected, StatementError, ZkError
from zk.generators import Generators

PATH = "/v1/attestations"

ANSWER_REASONS = {
    "attestation_other_attester": "the attestation names another attester",
    "attestation_other_claim": "the attestation is of another claim",
    "attestation_other_line": "the attestation is of another line or commitment",
    "attestation_incomplete": "the attestation does not cover the code",
    "attestation_excessive": "the attestation covers what was not revealed",
    "attestation_expired": "the attestation has expired",
}
"""Reason codes with what they mean, beside `circuits.trust.TRUST_REASONS`."""


def make_request(
    claim: Claim,
    openings: Openings,
    identity: Identity,
    line: int,
    reveal: Sequence[str],
    attester_id: str,
    record_id: str,
    now: datetime,
    generators: Generators,
) -> AttestationRequest:
    """The signed request about line number ``line`` (from 1) of one's own claim.

    ``reveal`` names slots as `optician.opening_file.open_line` takes them. Raises `StatementError`
    for another optician's claim, a line or a slot that there is not, or an identifier that is none,
    its kind `OpeningsError` for openings that are not this claim's.
    """
    if claim.optician_id != identity.optician_id:
        raise StatementError("attestation: the claim is another optician's")
    commitments = tuple(entry.commitment for entry in claim.lines)
    if (openings.claim_id, openings.commitments) != (claim.claim_id, commitments):
        raise OpeningsError("openings: they are not this claim's")
    purpose = attestation_purpose(attester_id, record_id)
    opening = open_line(openings, line, reveal, purpose, generators, secret=identity.hedge_key)
    return make_signed(
        AttestationRequest,
        identity.signing_key,
        attester_id=attester_id,
        optician_id=identity.optician_id,
        record_id=record_id,
        claim_digest=encode_base64url(claim_digest(claim)),
        opening=opening,
        requested_at=now.replace(microsecond=0),
    )


def ask_attester(
    request: AttestationRequest,
    attester_url: str,
    *,
    retries: int = DEFAULT_RETRIES,
    timeout: float = DEFAULT_TIMEOUT,
    transport: httpx2.BaseTransport | None = None,
) -> Attestation:
    """The attester's answer, whatever it says; ``retries``, ``timeout`` and ``transport`` as
    `console.calls.Caller`. Raises `console.calls.ServiceFault`."""
    call = Call(
        "POST", PATH, body=encode_signed(request), max_bytes=MAX_ATTESTATION_BYTES, answers=(200,)
    )
    caller = Caller(attester_url, None, retries=retries, timeout=timeout, transport=transport)
    with closing(caller):
        content = caller.content(call)
    try:
        return decode_signed(Attestation, content)
    except ZkError as error:
        raise ServiceAnswerInvalid(str(error)) from None


def require_asked_for(
    attestation: Attestation, request: AttestationRequest, now: datetime, trust: Trust | None
) -> None:
    """Refuse what is not the answer to ``request``; with ``trust`` also what its attester did not
    sign with a key that counts ``now``.

    Raises `ProofRejected` with a key of `ANSWER_REASONS`, or of `circuits.trust.TRUST_REASONS`.
    """
    opening = request.opening
    if attestation.attester_id != request.attester_id:
        raise _rejected("attestation_other_attester")
    asked_for = (opening.claim_id, request.claim_digest)
    if (attestation.claim_id, attestation.claim_digest) != asked_for:
        raise _rejected("attestation_other_claim")
    if (attestation.line, attestation.commitment) != (opening.line, opening.commitment):
        raise _rejected("attestation_other_line")
    if "code" not in attestation.attested:
        raise _rejected("attestation_incomplete")
    if not set(attestation.attested) <= set(opening.revealed):
        raise _rejected("attestation_excessive")
    if attestation.expires_at < now:
        raise _rejected("attestation_expired")
    if trust is not None:
        trust.require_signed(attestation, "attester", attestation.attester_id, now)


def _rejected(reason: str) -> ProofRejected:
    return ProofRejected(reason, ANSWER_REASONS[reason])
