"""A sale order: what point-of-sale software hands over, and the sale that it becomes.

A lens is given by its code, or by type, price class and correction; then its code is the one
generic code of that cell. All of an order but contract and day is secret, the shop's own number of
the sale among it: that number never leaves the shop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.config import JsonDict

from circuits.claim import Beneficiary, ClaimAmounts
from circuits.contract import Contract, StatementName
from circuits.declaration import MAX_SUPPLEMENTS
from circuits.document import (
    MAX_PRICE_CENTS,
    ClassCode,
    Identifier,
    IsoDate,
    SecretDocument,
    parse_document,
)
from circuits.nomenclature import Nomenclature, PriceClass, Row, is_lpp_code
from circuits.statements import GroundError, require_ground_allowed
from optician.lenses import CodeError, LensType, NoLensError, lens_offer, lens_types_of, read_code
from optician.messages import ORDER_PROBLEMS, in_language
from optician.sale import Sale, SaleCorrection, SaleItem
from zk.errors import StatementError

MAX_ORDER_BYTES: Final = 64 * 2**10

OrderStatement: TypeAlias = Literal["equipment", "pair", "line", "least"]

OrderProblem: TypeAlias = Literal[
    "contract_other",
    "contract_not_in_force",
    "table_not_in_force",
    "statement_not_allowed",
    "ground_not_allowed",
    "code_needed",
    "code_check_digit",
    "code_unknown",
    "not_a_lens",
    "not_a_frame",
    "not_a_supplement",
    "lens_incomplete",
    "no_such_lens",
    "no_such_class",
    "addition_missing",
    "addition_superfluous",
    "price_classes_differ",
]
"""Why an order cannot become a sale; `optician.messages.ORDER_PROBLEMS` has the words."""

OrderWarningKey: TypeAlias = Literal["code_class", "code_lens_type", "code_price_class"]
"""What looks wrong and stops nothing; words in `optician.messages.MESSAGES`."""

LENS_PLACES: Final = ("right_lens", "left_lens")


class OrderError(StatementError):
    """An order that cannot become a sale: ``code`` says why, ``place`` which field of the order."""

    def __init__(self, code: OrderProblem, place: str) -> None:
        super().__init__(f"order: {place}: {in_language(ORDER_PROBLEMS[code], 'en')}")
        self.code: OrderProblem = code
        self.place = place


def _read_typed_code(value: object) -> object:
    """A code as an integer, or as it was typed or scanned."""
    if not isinstance(value, str):
        return value
    try:
        return read_code(value)
    except CodeError as error:
        raise ValueError(str(error)) from None


TypedCode: TypeAlias = Annotated[
    int,
    BeforeValidator(_read_typed_code),
    Field(ge=0, le=9_999_999),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1_000_000, "maximum": 9_999_999},
                {"type": "string", "minLength": 7, "maxLength": 64},
            ],
            "description": "LPP code: seven digits, as a number or as typed or scanned.",
        }
    ),
]


class OrderItem(SecretDocument):
    """One article.

    A lens without ``code`` needs ``lens_type``, ``price_class`` and ``correction``, any other
    article without one its class (``regroupement``); then its code is the one generic code that is
    meant. Beside a code they are compared with it.
    """

    code: TypedCode | None = None
    regroupement: ClassCode | None = None
    lens_type: LensType | None = None
    price_class: PriceClass | None = None
    price_cents: Annotated[int, Field(ge=0, le=MAX_PRICE_CENTS)]
    correction: SaleCorrection | None = None


_AS_EQUIPMENT: Final[JsonDict] = {
    "required": ["right_lens", "left_lens", "frame"],
    "properties": {
        "right_lens": {"type": "object"},
        "left_lens": {"type": "object"},
        "frame": {"type": "object"},
        "item": {"type": "null"},
        "statement": {"enum": ["equipment", "pair", "least"]},
    },
}
_AS_ITEM: Final[JsonDict] = {
    "required": ["item"],
    "properties": {
        "item": {"type": "object"},
        "right_lens": {"type": "null"},
        "left_lens": {"type": "null"},
        "frame": {"type": "null"},
        "amounts": {"type": "null"},
        "supplements": {"maxItems": 0},
        "statement": {"enum": ["line", "least"]},
    },
}


class SaleOrder(SecretDocument):
    """One sale to claim for, as point-of-sale software has it.

    ``sale_id`` is the shop's own number: a call repeated with it makes no second claim.
    ``insurer_id`` may be left out where only one insurer has a contract of this ``contract_id``.
    ``statement`` "least" is the one that tells least of those that the contract allows. ``item``
    stands alone in an order for one article; the others have two lenses, a frame and supplements.
    ``amounts`` null means the most that the contract allows.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [_AS_EQUIPMENT, _AS_ITEM]})

    format_version: Annotated[int, Field(ge=1, le=1)]
    sale_id: Identifier
    insurer_id: Identifier | None = None
    contract_id: Identifier
    date_of_service: IsoDate
    beneficiary: Beneficiary
    statement: OrderStatement = "least"
    item: OrderItem | None = None
    right_lens: OrderItem | None = None
    left_lens: OrderItem | None = None
    frame: OrderItem | None = None
    supplements: Annotated[tuple[OrderItem, ...], Field(max_length=MAX_SUPPLEMENTS)] = ()
    amounts: ClaimAmounts | None = None
    early_renewal_ground: Identifier | None = None

    @model_validator(mode="after")
    def _require_articles(self) -> SaleOrder:
        equipment = (self.right_lens, self.left_lens, self.frame)
        if self.item is not None:
            if any(equipment) or self.supplements or self.amounts:
                raise ValueError("an order for one item has an item and nothing else")
            if self.statement not in ("line", "least"):
                raise ValueError("an order for one item has the statement line or least")
        elif None in equipment:
            raise ValueError("an order has right_lens, left_lens and frame, or an item alone")
        elif self.statement == "line":
            raise ValueError("the statement line is for an item alone")
        return self

    def articles(self) -> Iterator[tuple[str, OrderItem]]:
        """The articles with the field each stands in, in the order of the claim's lines."""
        for place in ("item", *LENS_PLACES, "frame"):
            item: OrderItem | None = getattr(self, place)
            if item is not None:
                yield place, item
        for number, item in enumerate(self.supplements):
            yield f"supplements.{number}", item


@dataclass(frozen=True)
class OrderWarning:
    """What looks wrong in an order and does not stop it, and in which field."""

    key: OrderWarningKey
    place: str


def parse_order(data: bytes) -> SaleOrder:
    """The order in a JSON document.

    Raises `EncodingError` if ``data`` is not strict JSON, `StatementError` naming the fields at
    fault, never their values.
    """
    return parse_document(SaleOrder, data, max_bytes=MAX_ORDER_BYTES, what="order")


def to_sale(order: SaleOrder, nomenclature: Nomenclature, contract: Contract) -> Sale:
    """The sale to prove: every code known, and the statement chosen.

    Raises `OrderError`, which names the field at fault and none of its values.
    """
    _require_in_force(order, nomenclature, contract)
    statement = choose_statement(order, contract)
    try:
        require_ground_allowed(order.early_renewal_ground, statement, contract)
    except GroundError:
        raise OrderError("ground_not_allowed", "early_renewal_ground") from None
    rows = {place: _row_of(item, place, order, nomenclature) for place, item in order.articles()}
    _require_one_price_class(rows, nomenclature)
    items = {
        place: SaleItem(
            code=rows[place].code, price_cents=item.price_cents, correction=item.correction
        )
        for place, item in order.articles()
    }
    return Sale(
        format_version=1,
        statement=statement,
        date_of_service=order.date_of_service,
        beneficiary=order.beneficiary,
        item=items.get("item"),
        right_lens=items.get("right_lens"),
        left_lens=items.get("left_lens"),
        frame=items.get("frame"),
        supplements=tuple(
            item for place, item in items.items() if place.startswith("supplements.")
        ),
        amounts=order.amounts,
        early_renewal_ground=order.early_renewal_ground,
    )


def choose_statement(order: SaleOrder, contract: Contract) -> StatementName:
    """The statement to prove; "least" is ``pair``, which names no class of a lens, where the
    contract allows it.

    Raises `OrderError` if the contract allows none.
    """
    wanted: tuple[StatementName, ...]
    if order.item is not None:
        wanted = ("line",)
    elif order.statement == "least":
        wanted = ("pair", "equipment")
    else:
        wanted = (order.statement,)
    for statement in wanted:
        if statement in contract.statements:
            return statement
    raise OrderError("statement_not_allowed", "statement")


def order_warnings(order: SaleOrder, nomenclature: Nomenclature) -> tuple[OrderWarning, ...]:
    """Where an article's class, type or price class is another than its code's.

    Whether the correction fits the code, `optician.disclosure.disclose` says. Raises `OrderError`
    as `to_sale` does.
    """
    warnings = []
    for place, item in order.articles():
        row = _row_of(item, place, order, nomenclature)
        if item.regroupement not in (None, row.regroupement):
            warnings.append(OrderWarning("code_class", place))
        if row.family == "lens" and item.lens_type not in (None, *lens_types_of(row)):
            warnings.append(OrderWarning("code_lens_type", place))
        price_class = nomenclature.regroupement_class(row.regroupement).price_class
        if item.price_class not in (None, price_class):
            warnings.append(OrderWarning("code_price_class", place))
    return tuple(warnings)


# -- helpers ------------------------------------------------------------------------------------


def _require_in_force(order: SaleOrder, nomenclature: Nomenclature, contract: Contract) -> None:
    if order.contract_id != contract.contract_id:
        raise OrderError("contract_other", "contract_id")
    if order.insurer_id not in (None, contract.insurer_id):
        raise OrderError("contract_other", "insurer_id")
    if not contract.is_valid_on(order.date_of_service):
        raise OrderError("contract_not_in_force", "date_of_service")
    try:
        nomenclature.period_start(order.date_of_service)
    except StatementError:
        raise OrderError("table_not_in_force", "date_of_service") from None


_FAMILIES: Final[dict[str, tuple[str, OrderProblem]]] = {
    "right_lens": ("lens", "not_a_lens"),
    "left_lens": ("lens", "not_a_lens"),
    "frame": ("frame", "not_a_frame"),
    "supplements": ("supplement", "not_a_supplement"),
}
"""What an article has to be by its field, and what is said of another; an ``item`` may be all."""


def _row_of(item: OrderItem, place: str, order: SaleOrder, nomenclature: Nomenclature) -> Row:
    if item.code is None:
        row = _chosen_row(item, place, order, nomenclature)
    else:
        row = _known_row(item.code, place, order, nomenclature)
    family, problem = _FAMILIES.get(place.partition(".")[0], (row.family, "not_a_lens"))
    if row.family != family:
        raise OrderError(problem, place)
    if row.family != "lens" and (item.lens_type, item.correction) != (None, None):
        raise OrderError("not_a_lens", place)
    return row


def _known_row(code: int, place: str, order: SaleOrder, nomenclature: Nomenclature) -> Row:
    if not is_lpp_code(code):
        raise OrderError("code_check_digit", place)
    try:
        return nomenclature.row(code, order.date_of_service)
    except StatementError:
        raise OrderError("code_unknown", place) from None


def _chosen_row(item: OrderItem, place: str, order: SaleOrder, nomenclature: Nomenclature) -> Row:
    """The row of an article that is given without its code."""
    is_lens = place in LENS_PLACES or item.lens_type is not None or item.correction is not None
    return (_lens_row if is_lens else _other_row)(item, place, order, nomenclature)


def _lens_row(item: OrderItem, place: str, order: SaleOrder, nomenclature: Nomenclature) -> Row:
    if (item.lens_type, item.price_class, item.correction) == (None, None, None):
        raise OrderError("code_needed", place)
    if item.lens_type is None or item.price_class is None or item.correction is None:
        raise OrderError("lens_incomplete", place)
    correction = item.correction.correction()
    if item.lens_type == "single_vision" and correction.addition:
        raise OrderError("addition_superfluous", place)
    if item.lens_type != "single_vision" and correction.addition <= 0:
        raise OrderError("addition_missing", place)
    try:
        offer = lens_offer(
            nomenclature, order.date_of_service, item.lens_type, correction, item.price_class
        )
    except NoLensError:
        raise OrderError("no_such_lens", place) from None
    except StatementError:  # a table that leaves the class open
        raise OrderError("code_needed", place) from None
    if offer.generic is None:
        raise OrderError("code_needed", place)
    return offer.generic


def _other_row(item: OrderItem, place: str, order: SaleOrder, nomenclature: Nomenclature) -> Row:
    """The one generic row of the class that is given, whatever its limit of age: the class says
    for whom it is."""
    if item.regroupement is None:
        raise OrderError("code_needed", place)
    try:
        rows = nomenclature.class_rows(item.regroupement, order.date_of_service)
    except StatementError:
        raise OrderError("no_such_class", place) from None
    generic = [row for row in rows if row.scope == "generic"]
    if len(generic) != 1 or generic[0].family == "lens":
        raise OrderError("code_needed", place)
    return generic[0]


def _require_one_price_class(rows: dict[str, Row], nomenclature: Nomenclature) -> None:
    classes = {
        nomenclature.regroupement_class(rows[place].regroupement).price_class
        for place in LENS_PLACES
        if place in rows
    }
    if len(classes) > 1:
        raise OrderError("price_classes_differ", "left_lens")
