"""Very many recorded claims at once: rows inserted directly, for what has to be quick with them.

Envelopes have the size and the fields of real ones but no proof, and nobody signed them. The same
seed gives the same rows.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import encode_instant
from circuits.contract import Contract, contract_digest
from circuits.nomenclature import load_shipped
from tests.support import records
from verifier_api.service.judging import STEPS
from verifier_api.store import attestations, claims
from verifier_api.store.database import Database

PROOF_BYTES = 2_476
"""Of an equipment, as measured: what most of an envelope consists of."""

TOGETHER = 5_000
OPTICIANS = 120
REASONS = ("renewal_too_early", "rights_unknown", "proof_invalid", "optician_unknown", "expired")
LENSES = ("VM4", "VM4", "VM4", "VM3", "VM6", "VU1", "VU4", "V04", "V13", "VU7")
FRAMES = ("M03", "M03", "M01", "M04")
STATES = ("granted", "granted", "payable", "payable", "payable", "cancelled", "expired")


def fill(
    database: Database,
    number: int,
    now: datetime,
    *,
    days: int = 60,
    seed: int = 1,
    contract: Contract | None = None,
) -> list[str]:
    """Record so many claims, received over ``days`` up to ``now``; their ids, oldest first.

    One in nine is refused, one in fifty pending, one in fifty lacks an attestation.
    """
    made = []
    rows = _rows(number, now, days, random.Random(seed), contract or records.contract())
    for start in range(0, number, TOGETHER):
        part = [next(rows) for _ in range(min(TOGETHER, number - start))]
        with database.write() as connection:
            claims.insert_claims(connection, [row for row, _ in part])
            attestations.insert_duties(connection, [duty for _, duty in part if duty])
        made += [row["claim_id"] for row, _ in part]
    return made


def _rows(
    number: int, now: datetime, days: int, chance: random.Random, contract: Contract
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    body = json.loads(records.claim("template").model_dump_json())
    digest = encode_base64url(contract_digest(contract))
    table = encode_base64url(load_shipped().digest)
    span = timedelta(days=days).total_seconds() - 1
    for count in range(number):
        received = now - timedelta(seconds=span * (number - 1 - count) / max(1, number - 1))
        instant = encode_instant(received)
        claim_id = f"claim-{count:07d}-{chance.getrandbits(64):016x}"
        shop = f"optician-{int(OPTICIANS * chance.random() ** 2):03d}"
        is_pair = chance.random() < 0.3
        lens, frame = chance.choice(LENSES), chance.choice(FRAMES)
        classes = (None, None, frame) if is_pair else (lens, lens, frame)
        verdict, reason, state = _fate(chance)
        commitments = [
            encode_base64url(b"\x02" + hashlib.sha256(f"{claim_id}/{line}".encode()).digest())
            for line in range(3)
        ]
        body |= {
            "claim_id": claim_id,
            "optician_id": shop,
            "beneficiary": f"beneficiary-{chance.getrandbits(64):016x}",
            "date_of_service": received.date().isoformat(),
            "expires_at": encode_instant(received + timedelta(days=30)),
            "contract_digest": digest,
            "nomenclature_digest": table,
            "statement": "pair" if is_pair else "equipment",
            "level": "c" if is_pair else None,
            "price_class": "B" if is_pair else None,
            "proof": encode_base64url(chance.randbytes(PROOF_BYTES)),
        }
        for line, name, text in zip(body["lines"], classes, commitments, strict=True):
            line |= {"regroupement": name, "commitment": text}
        envelope = canonical_bytes(body)
        answer = {
            "claim_id": claim_id,
            "verdict": verdict,
            "reason": reason,
            "reason_titles": {"en": "x" * 60, "fr": "x" * 80} if reason else None,
            "detail": "",
            "judged_at": instant,
            "circuit_digest": records.CIRCUIT,
            "notice": "x" * 160,
        }
        later = encode_instant(received + timedelta(days=90))
        is_overdue = state == "attestation_overdue"
        is_waiting = state == "granted" and chance.random() < 0.05
        last = received + timedelta(days=20)
        last = min(last, now - timedelta(seconds=1)) if is_overdue else last
        due = encode_instant(last) if is_overdue or is_waiting else None
        latency = int(1000 * chance.lognormvariate(1.6, 0.5))
        yield (
            {
                "claim_id": claim_id,
                "claim_digest": encode_base64url(hashlib.sha256(envelope).digest()),
                "envelope": envelope,
                "optician_id": shop,
                "contract_id": contract.contract_id,
                "statement": body["statement"],
                "beneficiary": body["beneficiary"],
                "date_of_service": received.date(),
                "received_at": instant,
                "actor": "0123456789abcdef",
                "verdict": verdict,
                "reason": reason,
                "answer": json.dumps(answer),
                "state": state,
                "state_since": instant,
                "deadline": later if state in claims.EXPIRING else None,
                "attest_by": due,
                "granted_lenses_cents": None if verdict == "refused" else 43_900,
                "granted_frame_cents": None if verdict == "refused" else 10_000,
                "classes": claims.classes_text(classes),
                "judging": json.dumps(
                    {
                        "steps": [
                            {"step": step, "outcome": "passed", "us": chance.randrange(1, 500)}
                            for step in STEPS
                        ],
                        "waited_us": latency // 2,
                        "recording_us": latency // 5,
                    }
                ),
                "latency_us": latency,
                "batch_size": min(64, 1 + int(chance.expovariate(0.4))),
            },
            {
                "claim_id": claim_id,
                "line": 1,
                "rule": 0,
                "due_at": due,
                "attestation_digest": None,
            }
            if due
            else None,
        )


def _fate(chance: random.Random) -> tuple[str, str | None, str]:
    """Verdict, reason, state."""
    place = chance.random()
    if place < 1 / 9:
        return "refused", chance.choice(REASONS), "refused"
    if place < 1 / 9 + 0.02:
        return "pending", "early_renewal", "pending"
    if place < 1 / 9 + 0.04:
        return "granted", None, "attestation_overdue"
    return "granted", None, chance.choice(STATES)
