"""Made-up sales with codes of the real table, for the demonstration's data set."""

from __future__ import annotations

import json
import random
import secrets
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from circuits.contract import Contract
from circuits.items import price_limit_cents
from circuits.nomenclature import Nomenclature, PriceClass, Row, load_shipped
from circuits.slots import Correction
from optician.lenses import LensType, NoLensError, lens_offer

VERSION = "demo-open-ended"
SOURCE = (
    "For the demonstration only: the rows of the table of 2020-07 to 2021-06 that ships with the "
    "program, their period left open. These are no codes, tariffs or classes of any later day."
)
FRAMES = {"A": "M01", "B": "M03"}

_LENS_TYPES: tuple[LensType, ...] = ("single_vision", "progressive", "multifocal")
_TYPE_WEIGHTS = (45, 50, 5)
_CENTS = {"A": (3_500, 9_500), "B": (7_000, 28_000)}
_FRAME_CENTS = {"A": (1_800, 3_000), "B": (7_500, 21_000)}


@cache
def open_table() -> Nomenclature:
    """The shipped table with open periods, so that sales of today can be claimed."""
    shipped = load_shipped()
    rows = (replace(row, valid_to=None, period_status="assumed") for row in shipped.rows)
    return Nomenclature(VERSION, SOURCE, shipped.classes(), rows)


def fresh_reference() -> str:
    """A random reference of a beneficiary, as an insurer gives one out."""
    return secrets.token_hex(11)


def random_order(
    chance: random.Random, contract: Contract, day: date, beneficiary: str, **changes: Any
) -> dict[str, Any]:
    """A sale order (`optician.order.SaleOrder` as JSON data): two lenses of one kind and a frame,
    or one lens. ``changes`` are of its fields."""
    document: dict[str, Any] = {
        "format_version": 1,
        "sale_id": f"S-{secrets.token_hex(5)}",
        "contract_id": contract.contract_id,
        "date_of_service": day.isoformat(),
        "beneficiary": beneficiary,
    }
    lens_type = chance.choices(_LENS_TYPES, _TYPE_WEIGHTS)[0]
    price_class: PriceClass = "A" if chance.random() < 0.25 else "B"
    right, left = _two_lenses(chance, contract, day, lens_type, price_class)
    statement = chance.choices(("least", "equipment", "line"), (50, 40, 10))[0]
    if changes.get("statement", statement) == "line":
        return document | {"statement": "line", "item": right} | changes
    rows = open_table().class_rows(FRAMES[price_class], day)
    frame = _item(chance, contract, chance.choice(rows), _FRAME_CENTS[price_class])
    document |= {"right_lens": right, "left_lens": left, "frame": frame, "statement": statement}
    return document | changes


def _two_lenses(
    chance: random.Random,
    contract: Contract,
    day: date,
    lens_type: LensType,
    price_class: PriceClass,
) -> tuple[dict[str, Any], dict[str, Any]]:
    while True:
        addition = 0 if lens_type == "single_vision" else chance.randrange(3, 12)
        sphere = round(chance.gauss(-6, 11))
        eyes = [
            Correction(
                sphere + chance.randrange(-3, 4),
                0 if chance.random() < 0.3 else -chance.randrange(1, 10),
                chance.randrange(0, 181, 5),
                addition,
            )
            for _ in range(2)
        ]
        try:
            first, second = (
                _lens(chance, contract, day, lens_type, eye, price_class) for eye in eyes
            )
        except NoLensError:  # made in no such power
            continue
        return first, second


def _lens(
    chance: random.Random,
    contract: Contract,
    day: date,
    lens_type: LensType,
    eye: Correction,
    price_class: PriceClass,
) -> dict[str, Any]:
    offer = lens_offer(open_table(), day, lens_type, eye, price_class)
    rows = [row for row in offer.codes if row.max_age is None]
    if not rows:
        raise NoLensError("only for children")
    item = _item(chance, contract, chance.choice(rows), _CENTS[price_class])
    correction = {
        "sphere": _power(eye.sphere),
        "cylinder": _power(eye.cylinder),
        "axis": eye.axis if eye.cylinder else 0,
        "addition": _power(eye.addition),
    }
    return item | {"correction": correction}


def _item(
    chance: random.Random, contract: Contract, row: Row, cents: tuple[int, int]
) -> dict[str, Any]:
    limit = min(price_limit_cents(row, contract), cents[1])
    price = chance.randrange(min(cents[0], limit // 2), limit + 1)
    return {"code": row.code, "price_cents": price - price % 50}


def _power(quarters: int) -> str:
    return f"{quarters / 4:+.2f}"


def encoded(order: dict[str, Any]) -> bytes:
    """The order as a file."""
    return json.dumps(order).encode()
