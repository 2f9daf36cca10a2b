"""Attesters and what they sign, and contracts that want it: for tests of the insurer's side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from circuits.attestation import REFERENCE_BYTES, Attestation
from circuits.canonical import encode_base64url
from circuits.claim import Claim, claim_digest
from circuits.contract import AttestationRule
from circuits.signed import make_signed
from circuits.signing import key_id_of
from circuits.trust import Trust, TrustedKey
from tests.support.records import NOW

LAB = "lab-1"
OTHER_LAB = "lab-2"
VALID = timedelta(days=30)


_keys: dict[tuple[str, int], Ed25519PrivateKey] = {}


def key_of(attester_id: str, generation: int = 0) -> Ed25519PrivateKey:
    """An attester's key, the same in a process; of another generation another one."""
    return _keys.setdefault((attester_id, generation), Ed25519PrivateKey.generate())


def trusted_key(
    attester_id: str = LAB, role: str = "attester", generation: int = 0, **validity: Any
) -> tuple[str, TrustedKey]:
    """Key id and entry of a trust list."""
    public_key = key_of(attester_id, generation).public_key()
    entry = {
        "role": role,
        "party_id": attester_id,
        "public_key": encode_base64url(public_key.public_bytes_raw()),
    }
    return key_id_of(public_key), TrustedKey.model_validate(entry | validity)


TRUST = Trust(dict([trusted_key(LAB), trusted_key(OTHER_LAB)]))
"""Both attesters, for ever."""


def rule(
    *classes: str,
    within_days: int | None = None,
    slots: Sequence[str] = ("code",),
    attesters: Sequence[str] = (LAB,),
) -> AttestationRule:
    """A contract's rule."""
    document = {
        "classes": classes,
        "attesters": tuple(attesters),
        "slots": tuple(slots),
        "within_days": within_days,
    }
    return AttestationRule.model_validate(document)


def reference() -> str:
    """A fresh reference to a record."""
    return encode_base64url(os.urandom(REFERENCE_BYTES))


def attestation(
    claim: Claim,
    line: int = 1,
    *,
    by: str = LAB,
    attested: Sequence[str] = ("code",),
    at: datetime = NOW,
    key: Ed25519PrivateKey | None = None,
    **changes: Any,
) -> Attestation:
    """Of a line of the claim, of a fresh record, signed ``at`` and good for `VALID`."""
    fields: dict[str, Any] = {
        "attester_id": by,
        "claim_id": claim.claim_id,
        "claim_digest": encode_base64url(claim_digest(claim)),
        "line": line,
        "commitment": claim.lines[line - 1].commitment,
        "attested": tuple(attested),
        "record": reference(),
        "attested_at": at,
        "expires_at": at + VALID,
    }
    return make_signed(Attestation, key or key_of(by), **(fields | changes))
