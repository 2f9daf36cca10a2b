"""A sale order as it is kept: the document that it was read from, in one form."""

from __future__ import annotations

from typing import Any

from circuits.canonical import canonical_bytes
from optician.order import SaleOrder


def encode_order(order: SaleOrder) -> bytes:
    """The order in canonical JSON; `optician.order.parse_order` reads it. Secret."""
    document = order.model_dump(mode="json")
    for place in ("item", "right_lens", "left_lens", "frame"):
        _write_powers(document[place])
    for item in document["supplements"]:
        _write_powers(item)
    return canonical_bytes(document)


def _write_powers(item: dict[str, Any] | None) -> None:
    """Quarter dioptres as the texts that an order has."""
    if item is None or item["correction"] is None:
        return
    for name in ("sphere", "cylinder", "addition"):
        item["correction"][name] = f"{item['correction'][name] / 4:.2f}"
