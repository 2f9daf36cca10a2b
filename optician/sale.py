"""A sale, as point-of-sale software writes it down: codes, prices, corrections. All of it secret
but the date.

Powers are texts in dioptres ("-2.25"), multiples of 0.25; money is integer cents; codes are seven
digits.
"""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from circuits.claim import Beneficiary, ClaimAmounts
from circuits.contract import StatementName
from circuits.declaration import MAX_SUPPLEMENTS
from circuits.document import (
    MAX_PRICE_CENTS,
    Identifier,
    IsoDate,
    SecretDocument,
    StrictDocument,
    parse_document,
)
from circuits.items import Article
from circuits.slots import Correction

MAX_SALE_BYTES = 64 * 2**10

_POWER = re.compile(r"([+-]?)(\d{1,3})(?:\.(00|0|25|50|5|75))?", re.ASCII)


def parse_power(text: object) -> object:
    """A power in dioptres as quarter dioptres: "-2.25" → −9. Raises `ValueError` if it is none."""
    if not isinstance(text, str):  # -9 could be dioptres or quarters of them: only texts are clear
        raise ValueError('a text expected, such as "-2.25"')
    match = _POWER.fullmatch(text)
    if match is None:
        raise ValueError('not a power in steps of 0.25 dioptre, such as "-2.25"')
    sign, whole, fraction = match.groups()
    quarters = 4 * int(whole) + int((fraction or "0").ljust(2, "0")) // 25
    return -quarters if sign == "-" else quarters


Power: TypeAlias = Annotated[
    int,
    BeforeValidator(parse_power),
    Field(ge=-512, le=511),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_POWER.pattern}$",
            "description": 'Dioptres in steps of 0.25, such as "-2.25".',
        }
    ),
]

_ZERO_AS_TEXT = Field(json_schema_extra={"default": "0"})


class SaleCorrection(SecretDocument):
    """The correction of one lens."""

    sphere: Power
    cylinder: Annotated[Power, _ZERO_AS_TEXT] = 0
    axis: Annotated[int, Field(ge=0, le=180)] = 0
    addition: Annotated[Power, _ZERO_AS_TEXT] = 0

    def correction(self) -> Correction:
        """The same for the circuits."""
        return Correction(self.sphere, self.cylinder, self.axis, self.addition)


class SaleItem(SecretDocument):
    """One article: its LPP code, its price, for a lens its correction if it is to be committed."""

    code: Annotated[int, Field(ge=0, le=9_999_999)]
    price_cents: Annotated[int, Field(ge=0, le=MAX_PRICE_CENTS)]
    correction: SaleCorrection | None = None

    def article(self) -> Article:
        """The same for the circuits."""
        correction = None if self.correction is None else self.correction.correction()
        return Article(self.code, self.price_cents, correction)


class Sale(StrictDocument):
    """A sale. ``statement`` says what to prove of it; ``amounts`` None means the most the contract
    allows; ``early_renewal_ground`` is one of the contract's, for an equipment before it is due.

    ``item`` stands alone in a sale for the statement ``line``; the others have two lenses, a frame
    and supplements.
    """

    format_version: Annotated[int, Field(ge=1, le=1)]
    statement: StatementName = "equipment"
    date_of_service: IsoDate
    beneficiary: Beneficiary
    claim_id: Identifier | None = None
    item: SaleItem | None = None
    right_lens: SaleItem | None = None
    left_lens: SaleItem | None = None
    frame: SaleItem | None = None
    supplements: Annotated[tuple[SaleItem, ...], Field(max_length=MAX_SUPPLEMENTS)] = ()
    amounts: ClaimAmounts | None = None
    early_renewal_ground: Identifier | None = None

    @model_validator(mode="after")
    def _require_articles(self) -> Sale:
        equipment = (self.right_lens, self.left_lens, self.frame)
        if self.statement == "line":
            if self.item is None or any(equipment) or self.supplements or self.amounts:
                raise ValueError("a sale for the statement line has an item and nothing else")
        elif self.item is not None or None in equipment:
            raise ValueError("an equipment has right_lens, left_lens and frame, and no item")
        return self

    def items(self) -> list[SaleItem]:
        """The articles in the order of the claim's lines."""
        listed = (self.item, self.right_lens, self.left_lens, self.frame, *self.supplements)
        return [item for item in listed if item is not None]


def parse_sale(data: bytes) -> Sale:
    """The sale in a JSON file.

    Raises `EncodingError` if ``data`` is not strict JSON, `StatementError` naming the fields at
    fault, never their values.
    """
    return parse_document(Sale, data, max_bytes=MAX_SALE_BYTES, what="sale")
