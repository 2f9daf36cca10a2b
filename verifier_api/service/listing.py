"""The entries of lists of claims, as the interface and the pages tell them."""

from __future__ import annotations

import json
from typing import Any

from verifier_api.service.life import amounts_facts
from verifier_api.store.claims import COUNTING, HIDDEN


def summary_facts(row: Any) -> dict[str, Any]:
    """The entry of a listing over HTTP: of a row of `verifier_api.store.claims.summaries`."""
    invoice = json.loads(row.invoice_answer) if row.invoice_answer else None
    return {
        "claim_id": row.claim_id,
        "claim_digest": row.claim_digest,
        "optician_id": row.optician_id,
        "contract_id": row.contract_id,
        "statement": row.statement,
        "date_of_service": row.date_of_service.isoformat(),
        "received_at": row.received_at,
        "verdict": row.verdict,
        "reason": row.reason,
        "state": row.state,
        "state_since": row.state_since,
        "granted_until": row.deadline if row.state == "granted" else None,
        "attest_by": row.attest_by if row.state in COUNTING else None,
        "amounts": amounts_facts(row.granted_lenses_cents, row.granted_frame_cents),
        "invoiced_amounts": invoice["amounts"] if invoice else None,
    }


def claim_entry(row: Any) -> dict[str, Any]:
    """The entry of a list on the insurer's pages: `summary_facts`, the declared classes in the
    order of the lines (None where hidden), and what the judgement took."""
    return summary_facts(row) | {
        "classes": [None if name == HIDDEN else name for name in row.classes.split()],
        "latency_us": row.latency_us,
        "batch_size": row.batch_size,
    }
