"""Sale orders for tests, as JSON data."""

from __future__ import annotations

import copy
import json
from typing import Any

from optician.order import SaleOrder, parse_order

RIGHT = {
    "lens_type": "progressive",
    "price_class": "B",
    "price_cents": 33_000,
    "correction": {"sphere": "-4.25", "cylinder": "0.00", "axis": 0, "addition": "2.00"},
}
LEFT = {
    "lens_type": "progressive",
    "price_class": "B",
    "price_cents": 33_000,
    "correction": {"sphere": "-2.50", "cylinder": "-0.75", "axis": 10, "addition": "2.00"},
}


def order_document(**changes: Any) -> dict[str, Any]:
    """An order by correction of 2 February 2021, VM4 and VM2 with a frame M03; ``changes`` are
    whole fields."""
    document: dict[str, Any] = {
        "format_version": 1,
        "sale_id": "2021-000417",
        "insurer_id": "ocam-exemple",
        "contract_id": "responsable-2020",
        "date_of_service": "2021-02-02",
        "beneficiary": "s02NCKrZpEvq_67NB-7Utg",
        "statement": "equipment",
        "right_lens": RIGHT,
        "left_lens": LEFT,
        "frame": {"code": 7220957, "price_cents": 16_500},
    }
    return copy.deepcopy(document | changes)


def sample_order(**changes: Any) -> SaleOrder:
    """`order_document` with the same arguments, parsed."""
    return parse_order(json.dumps(order_document(**changes)).encode())
