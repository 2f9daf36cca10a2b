"""Audit cases, answers and outcomes, signed by parties that are the same in a process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from circuits.audit import (
    OUTCOME_OF,
    AuditAnswer,
    AuditCase,
    AuditOutcome,
    AuditReply,
    sealed_digest,
)
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import Claim, claim_digest
from circuits.contract import Contract, contract_digest
from circuits.sealing import RecipientKey
from circuits.signed import make_signed, signed_digest
from circuits.trust import PartyRole, Trust, parse_trust
from optician.identity import Identity
from tests.support import records
from tests.support.records import NOW
from verifier_api.parties import Party
from verifier_api.service.directory import ContractVersion, RegisteredKey, Snapshot

AUDITOR = "auditor-1"
GROUND = "fictitious_equipment"
ANSWER_DAYS = 14
KEEP_DAYS = 30
DIGEST = encode_base64url(bytes(range(32)))

OPENED = NOW + timedelta(hours=1)
ANSWER_BY = OPENED + timedelta(days=ANSWER_DAYS)
ERASE_AT = ANSWER_BY + timedelta(days=KEEP_DAYS)
SECOND = timedelta(seconds=1)


@cache
def party(role: PartyRole = "auditor", party_id: str = AUDITOR) -> Party:
    """A party of that name, the same in a process."""
    return Party.generate(role, party_id)


@cache
def recipient() -> RecipientKey:
    """The secret key of the cases that are made here."""
    return RecipientKey.generate()


def trust_document(*parties: Party, **entry: Any) -> dict[str, Any]:
    """A trust list of these parties; ``entry`` as for `Party.public_entry`."""
    keys = [one.public_entry(**entry) for one in parties or (party(),)]
    return {"format_version": 1, "keys": keys}


def trust(*parties: Party, **entry: Any) -> Trust:
    """The same, read."""
    return parse_trust(canonical_bytes(trust_document(*parties, **entry)))


def snapshot(
    *,
    shops: Sequence[Identity] = (),
    revoked: Sequence[str] = (),
    contracts: Sequence[Contract] | None = None,
    relied_upon: Trust | None = None,
) -> Snapshot:
    """The insurer's documents of a moment: contract, opticians' keys, and whom to rely on."""
    known = (records.contract(),) if contracts is None else contracts
    versions = [
        ContractVersion(
            encode_base64url(contract_digest(contract)),
            contract.valid_from,
            records.INSTANT,
            canonical_bytes(contract.model_dump(mode="json")),
            contract,
        )
        for contract in known
    ]
    keys = {
        shop.key_id: RegisteredKey(
            shop.key_id,
            shop.optician_id,
            shop.public_entry()["public_key"],
            date(2020, 1, 1),
            date(2021, 12, 31),
            "2020-01-01T00:00:00Z",
            "2020-10-01T00:00:00Z" if shop.key_id in revoked else None,
        )
        for shop in shops or (records.shop(), records.shop("optician-2"))
    }
    return Snapshot(0, versions, [], keys, {}, (), trust() if relied_upon is None else relied_upon)


def case_on(
    claim: Claim,
    case_id: str = "case-1",
    *,
    by: Party | None = None,
    opened_at: datetime = OPENED,
    **changes: Any,
) -> AuditCase:
    """A case about the claim's first line, as the sample contract allows it."""
    auditor = by or party()
    answer_by = opened_at + timedelta(days=ANSWER_DAYS)
    fields: dict[str, Any] = {
        "case_id": case_id,
        "insurer_id": claim.insurer_id,
        "claim_id": claim.claim_id,
        "claim_digest": encode_base64url(claim_digest(claim)),
        "line": 1,
        "commitment": claim.lines[0].commitment,
        "slots": ("code", "price"),
        "ground": GROUND,
        "auditor_id": auditor.party_id,
        "recipient": recipient().public,
        "opened_at": opened_at.replace(microsecond=0),
        "answer_by": answer_by,
        "erase_at": answer_by + timedelta(days=KEEP_DAYS),
    }
    return make_signed(AuditCase, auditor.signing_key, **(fields | changes))


def some_seal() -> str:
    """Bytes of the size of a seal: the insurer cannot tell them from one."""
    return encode_base64url(os.urandom(3000))


def reply_to(
    case: AuditCase, shop: Identity | None = None, *, sealed: str | None = None, **changes: Any
) -> AuditReply:
    """An answer with `some_seal`, or with ``sealed``."""
    given = sealed or some_seal()
    opening = {"answer": "opening", "sealed_digest": sealed_digest(given), "reason": None}
    answer = _answer(case, shop, **(opening | changes))
    return AuditReply(format_version=1, answer=answer, sealed=given)


def refusal_of(
    case: AuditCase, shop: Identity | None = None, reason: str = "no such sale", **changes: Any
) -> AuditReply:
    """A refusal to answer."""
    refusal = {"answer": "refusal", "sealed_digest": None, "reason": reason}
    answer = _answer(case, shop, **(refusal | changes))
    return AuditReply(format_version=1, answer=answer, sealed=None)


def _answer(case: AuditCase, shop: Identity | None, **changes: Any) -> AuditAnswer:
    by = shop or records.shop()
    fields: dict[str, Any] = {
        "case_id": case.case_id,
        "case_digest": signed_digest(case),
        "optician_id": by.optician_id,
        "answered_at": case.opened_at + timedelta(days=1),
    }
    return make_signed(AuditAnswer, by.signing_key, **(fields | changes))


def outcome_of(
    case: AuditCase,
    answer: AuditAnswer | None,
    cause: str = "as_recorded",
    *,
    by: Party | None = None,
    **changes: Any,
) -> AuditOutcome:
    """The outcome with that cause."""
    auditor = by or party()
    fields: dict[str, Any] = {
        "case_id": case.case_id,
        "case_digest": signed_digest(case),
        "answer_digest": None if answer is None else signed_digest(answer),
        "auditor_id": auditor.party_id,
        "outcome": OUTCOME_OF[cause],
        "cause": cause,
        "finding_digest": None if OUTCOME_OF[cause] == "unanswered" else DIGEST,
        "concluded_at": case.opened_at + timedelta(days=2),
    }
    return make_signed(AuditOutcome, auditor.signing_key, **(fields | changes))
