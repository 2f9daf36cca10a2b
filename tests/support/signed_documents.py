"""One of each signed document: the golden ones, whose keys are known."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from circuits.attestation import Attestation, AttestationRequest
from circuits.audit import AuditAnswer, AuditCase, AuditOutcome, AuditReply, Finding
from circuits.claim import Claim, decode_claim
from circuits.contract import Contract, parse_contract
from circuits.publication import Publication
from circuits.sealing import RecipientKey
from circuits.signed import Signed, SignedDocument, decode_signed, make_signed
from scripts.golden.accepts import OPTICIANS
from scripts.golden.signed import OF, party

GOLDEN = Path(__file__).resolve().parents[1] / "vectors" / "golden"

MODELS: dict[str, type[SignedDocument]] = {
    model.WHAT: model
    for model in (
        *(Publication, AttestationRequest, Attestation),
        *(AuditCase, AuditAnswer, Finding, AuditOutcome),
    )
}
SIGNERS = {
    "publication": "publisher",
    "attestation": "attester",
    "audit case": "auditor",
    "audit finding": "auditor",
    "audit outcome": "auditor",
}
"""Who signs what; the optician all else."""


@cache
def vector() -> Any:
    """The golden file of signed documents."""
    return json.loads((GOLDEN / "signed-documents.json").read_bytes())


@cache
def _accept() -> Any:
    return json.loads((GOLDEN / f"{OF}.json").read_bytes())


def golden_claim() -> Claim:
    """The claim that they are all about."""
    return decode_claim(_accept()["claim"].encode())


def golden_contract() -> Contract:
    """Its contract."""
    return parse_contract(json.dumps(_accept()["contract"]).encode())


def golden_bytes(what: str) -> bytes:
    """The document of that name."""
    (found,) = [entry for entry in vector()["accepts"] if entry["kind"] == what]
    return str(found["document"]).encode()


def golden(model: type[Signed]) -> Signed:
    """The document of that type."""
    return decode_signed(model, golden_bytes(model.WHAT))


def signer(what: str) -> Ed25519PrivateKey:
    """The key that signed it."""
    if what in SIGNERS:
        return party(SIGNERS[what]).signing_key
    return OPTICIANS[0].signing_key


def fields_of(document: SignedDocument) -> dict[str, Any]:
    """What `make_signed` takes to make it."""
    names = type(document).model_fields.keys() - {"format_version", "key_id", "signature"}
    return {name: getattr(document, name) for name in names}


def changed(model: type[Signed], **changes: Any) -> Signed:
    """The golden document with other fields, signed by the same key."""
    return make_signed(model, signer(model.WHAT), **fields_of(golden(model)) | changes)


def sealed() -> str:
    """The golden sealed opening."""
    return str(vector()["sealed"])


def recipient_key() -> RecipientKey:
    """The key that it is sealed to."""
    return RecipientKey.decode(vector()["recipient_key"])


def reply() -> AuditReply:
    """The golden answer with its seal."""
    return AuditReply(format_version=1, answer=golden(AuditAnswer), sealed=sealed())


SMALL_ORDER = [
    bytes.fromhex(text)
    for text in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    )
]
"""Every encoding, canonical or not, of the eight points of small order of Ed25519's curve."""
