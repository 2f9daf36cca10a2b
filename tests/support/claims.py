"""Sales, claims, keys and judges on the shipped table, for every test that needs a whole claim.

A sale is built from class codes alone: the row, the price and the correction follow from them, and
any of them can be given instead. Prices fit both sample contracts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from circuits.claim import Claim
from circuits.contract import Contract, StatementName, load_sample
from circuits.nomenclature import Nomenclature, Row, load_shipped
from optician.claiming import Openings, make_claim
from optician.identity import Identity
from optician.sale import Sale, parse_sale
from verifier_api.judge import Judge
from verifier_api.keys import KeyRegistry, parse_keys
from zk.backends import load_group
from zk.generators import Generators, generators_of

DAY = date(2020, 10, 5)
"""Date of service: the shipped table is whole from July 2020 to June 2021."""

NOW = datetime(2020, 10, 6, 9, 30, tzinfo=UTC)
"""When the claims are made and judged, unless a test says otherwise."""

BENEFICIARY = "benef_3Jx0kQ9sWm"

_RIGHT_CORRECTION = {"sphere": "-2.25", "cylinder": "-0.50", "axis": 85, "addition": "2.00"}
_LEFT_CORRECTION = {"sphere": "-3.00", "cylinder": "-0.75", "axis": 100, "addition": "2.00"}


def generators() -> Generators:
    """Of the group that the setting names; the same object at every call."""
    return generators_of(load_group())


def nomenclature() -> Nomenclature:
    """The shipped table."""
    return load_shipped()


@cache
def contract(name: str = "responsable") -> Contract:
    """A shipped sample: "responsable", or "reseau" with price caps."""
    return load_sample(name)


def identity(optician_id: str = "optician-1") -> Identity:
    """The same keys for the same name, given or not; fresh in every process."""
    return _identity(optician_id)


@cache
def _identity(optician_id: str) -> Identity:
    return Identity.generate(optician_id)


# -- sales ------------------------------------------------------------------------------------


def row_of(regroupement: str, index: int | None = None, day: date = DAY) -> Row:
    """Row number ``index`` of a class, by default the one in the middle."""
    rows = nomenclature().class_rows(regroupement, day)
    return rows[len(rows) // 2 if index is None else index]


def default_price_cents(regroupement: str) -> int:
    """A price in cents within the caps and limits of both sample contracts."""
    entry = nomenclature().regroupement_class(regroupement)
    if entry.family == "frame":
        return 3_000 if entry.price_class == "A" else 11_900
    if entry.family == "supplement":
        return 1_500
    if entry.price_class == "A":
        return 4_900
    return 8_500 if regroupement.startswith("VU") else 21_950


def item_document(
    regroupement: str,
    *,
    index: int | None = None,
    price_cents: int | None = None,
    correction: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One article of a sale, as the JSON of a sale has it."""
    price = default_price_cents(regroupement) if price_cents is None else price_cents
    document: dict[str, Any] = {"code": row_of(regroupement, index).code, "price_cents": price}
    return document | ({"correction": correction} if correction else {})


def sale_document(
    statement: StatementName = "equipment",
    *,
    item: str = "VM4",
    lenses: tuple[str, str] = ("VM4", "VM4"),
    frame: str = "M03",
    supplements: Sequence[str] = (),
    price_cents: dict[str, int] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A sale as JSON data. Classes name the articles: ``item`` for ``line``, the others else.

    ``price_cents`` changes prices by role ("item", "right_lens", "left_lens", "frame"), ``changes``
    whole fields of the sale.
    """
    prices = price_cents or {}
    document: dict[str, Any] = {
        "format_version": 1,
        "statement": statement,
        "date_of_service": DAY.isoformat(),
        "beneficiary": BENEFICIARY,
    }
    if statement == "line":
        is_lens = nomenclature().regroupement_class(item).family == "lens"
        correction = _RIGHT_CORRECTION if is_lens else None
        document["item"] = item_document(
            item, price_cents=prices.get("item"), correction=correction
        )
        return document | changes
    right, left = lenses
    document |= {
        "right_lens": item_document(
            right, price_cents=prices.get("right_lens"), correction=_RIGHT_CORRECTION
        ),
        "left_lens": item_document(
            left, index=1, price_cents=prices.get("left_lens"), correction=_LEFT_CORRECTION
        ),
        "frame": item_document(frame, price_cents=prices.get("frame")),
    }
    if supplements:
        document["supplements"] = [item_document(regroupement) for regroupement in supplements]
    return document | changes


def sample_sale(statement: StatementName = "equipment", **choices: Any) -> Sale:
    """`sale_document` with the same arguments, parsed."""
    return parse_sale(json.dumps(sale_document(statement, **choices)).encode())


# -- claims -----------------------------------------------------------------------------------


def claim_of(
    sale: Sale,
    *,
    of_contract: Contract | None = None,
    by: Identity | None = None,
    now: datetime = NOW,
) -> tuple[Claim, Openings]:
    """A fresh claim and its openings; contract and optician by default the sample ones."""
    signer = by or identity()
    return make_claim(sale, of_contract or contract(), nomenclature(), signer, generators(), now)


@cache
def sample_claim(statement: StatementName = "equipment") -> tuple[Claim, Openings]:
    """One claim a statement, made once a process: for tests that mutate and never for secrets."""
    return claim_of(sample_sale(statement, claim_id=f"sample-{statement}"))


# -- the insurer ------------------------------------------------------------------------------


def keys_document(*identities: Identity, **validity: str) -> bytes:
    """KEYS.json with these opticians; ``valid_from`` and ``valid_to`` as ISO dates."""
    entries = [entry.public_entry() | validity for entry in identities]
    return json.dumps({"format_version": 1, "keys": entries}).encode()


def registry(identities: Iterable[Identity] | None = None, **validity: str) -> KeyRegistry:
    """The insurer's list; by default the sample optician alone."""
    listed = [identity()] if identities is None else identities
    return parse_keys(keys_document(*listed, **validity))


def judge(
    *,
    of_contract: Contract | None = None,
    table: Nomenclature | None = None,
    keys: KeyRegistry | None = None,
    now: datetime = NOW,
) -> Judge:
    """The insurer's judge, who accepts `sample_claim` unless told otherwise."""
    return Judge(
        of_contract or contract(),
        table or nomenclature(),
        keys or registry(),
        generators(),
        lambda: now,
    )
