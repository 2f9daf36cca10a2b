"""The form of a new claim: what was typed, as the order that point-of-sale software would send.

Fields are read as people write them: "-2,25" or "-2.25", "240" or "240,50 €", "25/11/2026". What
is wrong is named by its field; no message repeats what was typed.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal, TypeAlias, TypeVar

from circuits.declaration import MAX_SUPPLEMENTS
from optician.lenses import LENS_TYPES, CodeError, read_code
from optician.order import OrderError, SaleOrder, parse_order
from pages.forms import Form, FormError
from zk.errors import StatementError

Kind: TypeAlias = Literal["whole", "single"]
KINDS: Final = ("whole", "single")
Value = TypeVar("Value")

PRICE_CLASSES: Final = ("A", "B")
FRAME_CLASSES: Final = ("M01", "M02", "M03", "M04")
SUPPLEMENT_CLASSES: Final = ("S01", "SV1", "SV4", "MS1", "MS2")
"""Classes of one generic code each: naming the class is enough."""

STATEMENTS: Final = ("least", "equipment", "pair")
EYES: Final = ("right", "left")
POWERS: Final = ("sphere", "cylinder", "axis", "addition")

_POWER = re.compile(r"([+-]?)([0-9]{1,3})(?:[.,]([0-9]{1,2}))?", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_BENEFICIARY = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_MAX_QUARTERS = 511
_SPACES = re.compile(r"[\s\u00a0\u202f]+")
_NAMES = {"item": "item", "right_lens": "right", "left_lens": "left", "frame": "frame"}

LENS_FIELDS: Final = tuple(f"{eye}_{name}" for eye in EYES for name in (*POWERS, "price", "code"))
SUPPLEMENT_FIELDS: Final = tuple(
    f"supplement_{number}_{name}"
    for number in range(1, MAX_SUPPLEMENTS + 1)
    for name in ("class", "code", "price")
)
FIELDS: Final = (
    *("contract", "date", "beneficiary", "sale_id", "lens_type", "price_class"),
    *LENS_FIELDS,
    *("frame_class", "frame_code", "frame_price"),
    *SUPPLEMENT_FIELDS,
    *("statement", "lenses_amount", "frame_amount", "ground"),
    *("item_sphere", "item_cylinder", "item_axis", "item_addition", "item_code", "item_price"),
)


class FieldError(Exception):
    """What is wrong with a field: a key of the catalogue."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


Mistake: TypeAlias = FormError | FieldError | OrderError
"""Something that is wrong with a field."""


@dataclass
class SaleForm:
    """What was typed, secret, and what is wrong with it, by field."""

    kind: Kind = "whole"
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    errors: dict[str, Mistake] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """As it was typed."""
        return self.values.get(name, "")


@dataclass(frozen=True)
class Draft:
    """A sale in work, between the form and the confirmation. Secret."""

    form: SaleForm = field(repr=False)
    order: SaleOrder = field(repr=False)


# -- single values ----------------------------------------------------------------------------


def power_of(text: str) -> str:
    """A power as `optician.sale.parse_power` takes it, such as "-2.25". Raises `FieldError`."""
    plain = _SPACES.sub("", text).replace("\u2212", "-").replace("\u2013", "-")  # both for minus
    match = _POWER.fullmatch(plain)
    if match is None:
        raise FieldError("fix.power")
    sign, whole, fraction = match.groups()
    hundredths = int((fraction or "").ljust(2, "0") or "0")
    if hundredths % 25 or 4 * int(whole) + hundredths // 25 > _MAX_QUARTERS:
        raise FieldError("fix.power")
    return f"{'-' if sign == '-' else ''}{int(whole)}.{hundredths:02d}"


def axis_of(text: str) -> int:
    """An axis in degrees. Raises `FieldError`."""
    plain = _SPACES.sub("", text).removesuffix("°")
    if not plain.isascii() or not plain.isdigit() or len(plain) > 3 or int(plain) > 180:
        raise FieldError("fix.axis")
    return int(plain)


def code_of(text: str) -> int:
    """An LPP code, typed or scanned. Raises `FieldError`."""
    try:
        return read_code(text)
    except CodeError:
        raise FieldError("fix.code") from None


def identifier_of(text: str) -> str:
    """An identifier. Raises `FieldError`."""
    if not _IDENTIFIER.fullmatch(text):
        raise FieldError("fix.identifier")
    return text


def _sale_id_of(text: str) -> str:
    if not _IDENTIFIER.fullmatch(text):
        raise FieldError("fix.sale_id")
    return text


def _beneficiary_of(text: str) -> str:
    if not _BENEFICIARY.fullmatch(text):
        raise FieldError("fix.beneficiary")
    return text


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise FieldError("fix.choose")
        return text

    return read


# -- the whole form ---------------------------------------------------------------------------


class _Reading:
    """Reads field after field and notes what is wrong."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.errors: dict[str, Mistake] = {}

    def has(self, *names: str) -> bool:
        return any(self.form.has(name) for name in names)

    def need(self, name: str, read: Callable[[str], Value]) -> Value | None:
        """What ``read`` makes of a field that must be there, None if it is wrong."""
        return self._note(name, lambda: read(self.form.text(name)))

    def may(self, name: str, read: Callable[[str], Value]) -> Value | None:
        """The same of a field that may be empty."""
        return self.need(name, read) if self.has(name) else None

    def cents(self, name: str) -> int | None:
        """A price that must be there."""
        return self._note(name, lambda: self.form.cents(name))

    def day(self, name: str) -> date | None:
        """A day that must be there."""
        return self._note(name, lambda: self.form.day(name))

    def _note(self, name: str, read: Callable[[], Value]) -> Value | None:
        try:
            return read()
        except (FormError, FieldError) as error:
            self.errors[name] = error
            return None


def read_sale(form: Form) -> tuple[SaleForm, SaleOrder | None]:
    """What was typed, and the order if nothing is wrong with any field by itself.

    Raises `FormError` for a form that is not the page's.
    """
    kind: Kind = "single" if form.choice("kind", KINDS) == "single" else "whole"
    form.require_only((*FIELDS, "kind", "csrf"))
    values = {name: form.exact(name) for name in FIELDS}
    reading = _Reading(form)
    insurer_id, _, contract_id = form.text("contract", default="").partition("/")
    if not (_IDENTIFIER.fullmatch(insurer_id) and _IDENTIFIER.fullmatch(contract_id)):
        reading.errors["contract"] = FieldError("fix.choose")
    day = reading.day("date")
    document: dict[str, Any] = {
        "format_version": 1,
        # The page's own sales have a number too: what is sent twice by a double click is one claim.
        "sale_id": reading.may("sale_id", _sale_id_of) or f"page-{secrets.token_hex(8)}",
        "insurer_id": insurer_id,
        "contract_id": contract_id,
        "date_of_service": "" if day is None else day.isoformat(),
        "beneficiary": reading.need("beneficiary", _beneficiary_of),
        "early_renewal_ground": reading.may("ground", identifier_of),
    }
    if kind == "single":
        document |= {"statement": "line", "item": _item(reading)}
    else:
        document |= {
            "right_lens": _lens(reading, "right"),
            "left_lens": _lens(reading, "left"),
            "frame": _classed(reading, "frame", FRAME_CLASSES),
            "supplements": _supplements(reading),
            "amounts": _amounts(reading),
            "statement": reading.may("statement", _one_of(STATEMENTS)) or "least",
        }
    typed = SaleForm(kind, values, in_order(reading.errors))
    if reading.errors:
        return typed, None
    try:
        return typed, parse_order(json.dumps(document).encode())
    except StatementError as error:
        typed.errors[field_of(_first_place(str(error)), values)] = FieldError("fix.check")
        return typed, None


def in_order(errors: Mapping[str, Mistake]) -> dict[str, Mistake]:
    """The same in the order of the fields on the page."""
    return {name: errors[name] for name in FIELDS if name in errors}


def _lens(reading: _Reading, eye: str) -> dict[str, Any]:
    code = reading.may(f"{eye}_code", code_of)
    has_code = reading.has(f"{eye}_code")
    lens: dict[str, Any] = {"price_cents": reading.cents(f"{eye}_price"), "code": code}
    correction = _correction(reading, eye, is_needed=not has_code)
    if correction is not None:
        lens["correction"] = correction
    if not has_code:
        lens |= _type_and_class(reading)
    return lens


def _type_and_class(reading: _Reading) -> dict[str, Any]:
    return {
        "lens_type": reading.need("lens_type", _one_of(LENS_TYPES)),
        "price_class": reading.need("price_class", _one_of(PRICE_CLASSES)),
    }


def _correction(reading: _Reading, eye: str, *, is_needed: bool) -> dict[str, Any] | None:
    names = {name: f"{eye}_{name}" for name in POWERS}
    if not reading.has(*names.values()):
        if is_needed:
            reading.errors[names["sphere"]] = FieldError("fix.lens_or_code")
        return None
    return {
        "sphere": reading.need(names["sphere"], power_of),
        "cylinder": reading.may(names["cylinder"], power_of) or "0.00",
        "axis": reading.may(names["axis"], axis_of) or 0,
        "addition": reading.may(names["addition"], power_of) or "0.00",
    }


def _classed(reading: _Reading, name: str, classes: tuple[str, ...]) -> dict[str, Any]:
    """A frame or a supplement: its code, or its class, which then has one generic code."""
    price = reading.cents(f"{name}_price")
    if reading.has(f"{name}_code"):
        return {"price_cents": price, "code": reading.may(f"{name}_code", code_of)}
    chosen = reading.need(f"{name}_class", _one_of(classes))
    return {"price_cents": price, "regroupement": chosen}


def _supplements(reading: _Reading) -> list[dict[str, Any]]:
    names = [f"supplement_{number}" for number in range(1, MAX_SUPPLEMENTS + 1)]
    return [
        _classed(reading, name, SUPPLEMENT_CLASSES)
        for name in names
        if reading.has(f"{name}_class", f"{name}_code", f"{name}_price")
    ]


def _amounts(reading: _Reading) -> dict[str, Any] | None:
    names = ("lenses_amount", "frame_amount")
    if not reading.has(*names):
        return None
    return {
        "lenses_cents": reading.cents("lenses_amount"),
        "frame_cents": reading.cents("frame_amount"),
    }


def _item(reading: _Reading) -> dict[str, Any]:
    has_code = reading.has("item_code")
    item: dict[str, Any] = {"code": reading.may("item_code", code_of)}
    if not has_code:
        item |= _type_and_class(reading)
    correction = _correction(reading, "item", is_needed=not has_code)
    if correction is not None:
        item["correction"] = correction
    return item | {"price_cents": reading.cents("item_price")}


def form_of(order: SaleOrder, sale_id: str) -> SaleForm:
    """The form filled in with a sale that is there already, under the number ``sale_id``."""
    values = {
        "contract": f"{order.insurer_id}/{order.contract_id}" if order.insurer_id else "",
        "date": order.date_of_service.isoformat(),
        "beneficiary": order.beneficiary,
        "sale_id": sale_id,
        "statement": order.statement if order.statement in STATEMENTS else "",
        "ground": order.early_renewal_ground or "",
    }
    if order.amounts is not None:
        values["lenses_amount"] = _euros_text(order.amounts.lenses_cents)
        values["frame_amount"] = _euros_text(order.amounts.frame_cents)
    for place, item in order.articles():
        name = _NAMES.get(place) or f"supplement_{int(place.rpartition('.')[2]) + 1}"
        values[f"{name}_price"] = _euros_text(item.price_cents)
        values[f"{name}_code"] = "" if item.code is None else f"{item.code:07d}"
        values[f"{name}_class"] = item.regroupement or ""
        if item.lens_type:
            values["lens_type"] = item.lens_type
        if item.price_class:
            values["price_class"] = item.price_class
        given = item.correction
        if given is not None:
            values[f"{name}_sphere"] = _power_text(given.sphere)
            values[f"{name}_cylinder"] = _power_text(given.cylinder) if given.cylinder else ""
            values[f"{name}_axis"] = str(given.axis) if given.axis else ""
            values[f"{name}_addition"] = _power_text(given.addition) if given.addition else ""
    kind: Kind = "whole" if order.item is None else "single"
    return SaleForm(kind, {name: values.get(name, "") for name in FIELDS})


def _euros_text(cents: int) -> str:
    return f"{cents // 100},{cents % 100:02d}"


def _power_text(quarters: int) -> str:
    whole, rest = divmod(abs(quarters) * 25, 100)
    return f"{'-' if quarters < 0 else '+'}{whole},{rest:02d}"


# -- places of an order, as fields of the form ------------------------------------------------


def field_of(place: str, given: Mapping[str, str]) -> str:
    """The field of the form to blame for a place of the order, such as "right_lens" or
    "supplements.0", where ``given`` was typed."""
    head, _, rest = place.partition(".")
    for eye in EYES:
        if head == f"{eye}_lens":
            return _part_of(eye, rest, given)
    if head == "item":
        return _part_of("item", rest, given)
    if head == "frame":
        return "frame_price" if rest == "price_cents" else _code_or_class("frame", given)
    if head == "supplements":
        number, _, part = rest.partition(".")
        name = f"supplement_{int(number) + 1}" if number.isdigit() else "supplement_1"
        return f"{name}_price" if part == "price_cents" else _code_or_class(name, given)
    fields = {
        "date_of_service": "date",
        "contract_id": "contract",
        "insurer_id": "contract",
        "early_renewal_ground": "ground",
        "amounts": "lenses_amount",
    }
    return fields.get(head, head if head in FIELDS else "contract")


def _part_of(name: str, rest: str, values: Mapping[str, str]) -> str:
    part = rest.rpartition(".")[2]
    if part == "price_cents":
        return f"{name}_price"
    if part in POWERS:
        return f"{name}_{part}"
    return f"{name}_code" if values.get(f"{name}_code", "").strip() else f"{name}_sphere"


def _code_or_class(name: str, values: Mapping[str, str]) -> str:
    return f"{name}_code" if values.get(f"{name}_code", "").strip() else f"{name}_class"


def _first_place(message: str) -> str:
    """The first field that a refusal of `circuits.document` names."""
    return message.partition(": ")[2].partition(": ")[0]
