"""Claims that an insurer refuses, each for another reason: for the demonstration's data set."""

from __future__ import annotations

import secrets
from typing import Any

from circuits.canonical import encode_base64url
from circuits.claim import Claim, ClaimBody, sign_claim
from optician.identity import Identity

CHANGED = (
    "signature_invalid",
    "proof_invalid",
    "proof_malformed",
    "ceiling_exceeded",
    "nomenclature_mismatch",
    "contract_mismatch",
    "ground_not_allowed",
)
"""Reasons that `spoilt` knows; others come from when and for whom a claim is sent."""


def spoilt(claim: Claim, signer: Identity, reason: str) -> Claim:
    """The honest claim changed so that it is refused for ``reason``, one of `CHANGED`."""
    other = f"claim-{secrets.token_hex(8)}"
    if reason == "signature_invalid":
        return claim.model_copy(
            update={"signature": _again(claim, signer, claim_id=other).signature}
        )
    if reason == "proof_invalid":
        return _again(claim, signer, claim_id=other)
    if reason == "proof_malformed":
        return sign_claim(_body(claim), claim.proof_bytes()[:-32], signer.signing_key)
    digest = encode_base64url(secrets.token_bytes(32))
    changes: dict[str, dict[str, Any]] = {
        "ceiling_exceeded": {"amounts": {"lenses_cents": 9_000_00, "frame_cents": 0}},
        "nomenclature_mismatch": {"nomenclature_digest": digest},
        "contract_mismatch": {"contract_digest": digest},
        "ground_not_allowed": {"early_renewal_ground": "lost_on_the_beach"},
    }
    return _again(claim, signer, **changes[reason])


def sent_twice(claim: Claim, signer: Identity) -> Claim:
    """The same lines under another id: refused as "commitment_reused"."""
    return _again(claim, signer, claim_id=f"claim-{secrets.token_hex(8)}")


def _again(claim: Claim, signer: Identity, **changes: Any) -> Claim:
    return sign_claim(_body(claim, **changes), claim.proof_bytes(), signer.signing_key)


def _body(claim: Claim, **changes: Any) -> ClaimBody:
    return ClaimBody.model_validate(claim.model_dump(exclude={"proof", "signature"}) | changes)
