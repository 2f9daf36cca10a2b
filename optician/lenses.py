"""From a correction to a lens: the cell it lies in, the class and the codes of that cell.

The nomenclature sorts corrections in plus-cylinder notation, where the cylinder is never negative:

    cylinder = 0                   spherical; bands of the sphere, by sign
    cylinder > 0 and sphere <= 0   spherocylindrical_minus; bands of the sphere, and the cylinder up
                                   to 4 dioptres or above
    cylinder > 0 and sphere > 0    spherocylindrical_plus; bands of S = sphere + cylinder

Bands end at 2, 4, 6, 8 and 12 dioptres. The end near 0 is outside, the end far from it inside; a
sphere of 0 beside a cylinder lies in the first band of spherocylindrical_minus. What the source
leaves open stands in ``docs/limitations.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal, TypeAlias, get_args

from circuits.nomenclature import (
    UNKNOWN,
    ClassSize,
    LegalLevel,
    Nomenclature,
    PriceClass,
    Row,
    encode_cell,
    is_lpp_code,
)
from circuits.slots import Correction
from zk.errors import StatementError

LensType: TypeAlias = Literal["single_vision", "multifocal", "progressive"]
"""What a correction is made into; a lens without power is ``plano`` in the nomenclature."""

LENS_TYPES: Final[tuple[LensType, ...]] = get_args(LensType)

QUARTERS: Final = 4
"""Powers are counted in quarters of a dioptre."""

_BAND_ENDS: Final = (2, 4, 6, 8, 12)  # dioptres
_LARGEST_SMALL_CYLINDER: Final = 4  # dioptres; the last cylinder of the band 0.25..4
_MAX_CODE_TEXT: Final = 64

# What scanners and typists put around and between the digits: control characters (GS among them),
# spaces of every kind, points, hyphens; scanners also the identifier of the symbology ("]C1").
_SYMBOLOGY = re.compile(r"\A[\x00-\x20]*\][A-Za-z][0-9A-Za-z]")
_FILLER = re.compile(r"[\x00-\x20\x7f.\-\u00a0\u2000-\u200b\u202f\u2060\ufeff]")
_SEVEN_DIGITS = re.compile(r"[0-9]{7}", re.ASCII)


class CodeError(StatementError):
    """A text that is no LPP code; ``code`` is "code_malformed" or "code_check_digit"."""

    def __init__(self, code: Literal["code_malformed", "code_check_digit"], detail: str) -> None:
        super().__init__(detail)
        self.code = code


class NoLensError(StatementError):
    """The table has no lens of this type, correction and price class on this day."""


# -- corrections --------------------------------------------------------------------------------


def plus_cylinder(correction: Correction) -> Correction:
    """The same correction in plus-cylinder notation.

    A minus cylinder is transposed: sphere + cylinder, −cylinder, axis turned by 90 degrees. Raises
    `StatementError` where the transposed sphere is beyond the powers that a `Correction` holds.
    """
    if correction.cylinder >= 0:
        return correction
    turned = correction.axis + 90 if correction.axis <= 90 else correction.axis - 90
    return replace(
        correction,
        sphere=correction.sphere + correction.cylinder,
        cylinder=-correction.cylinder,
        axis=turned,
    )


def cell_of(lens_type: LensType, correction: Correction) -> str:
    """The one type-and-correction cell, named as `circuits.nomenclature.encode_cell` does.

    Sphere and cylinder decide, in either notation; axis and addition do not. Raises
    `StatementError` for an unknown type.
    """
    if lens_type not in LENS_TYPES:
        raise StatementError(f"lens type: not one of {', '.join(LENS_TYPES)}")
    # Not by `plus_cylinder`: every correction has a cell, also one that no `Correction` transposes.
    sphere, cylinder = correction.sphere, correction.cylinder
    if cylinder < 0:
        sphere, cylinder = sphere + cylinder, -cylinder
    if cylinder == 0:
        if sphere == 0 and lens_type == "single_vision":
            return encode_cell("plano", "plano", None, None, None)
        return encode_cell(lens_type, "spherical", _band(sphere, sphere < 0), "0", None)
    if sphere <= 0:
        is_small = cylinder <= QUARTERS * _LARGEST_SMALL_CYLINDER
        band = "0.25..4" if is_small else ">4"
        return encode_cell(
            lens_type, "spherocylindrical_minus", _band(sphere, is_minus=True), band, None
        )
    return encode_cell(
        lens_type, "spherocylindrical_plus", None, "any", _band(sphere + cylinder, is_minus=False)
    )


def _band(power: int, is_minus: bool) -> tuple[str, str]:
    """The band (end near 0, end far from 0) of a power in quarters; 0 lies in the first."""
    sign = "-" if is_minus else ""
    near = "0"
    for end in _BAND_ENDS:
        far = f"{sign}{end}"
        if abs(power) <= QUARTERS * end:
            return near, far
        near = far
    return near, f"{sign}inf"


def correction_text(correction: Correction) -> str:
    """A correction as the trade writes it: "-2.25 (+0.50) 90° Add 2.00"; secret."""
    parts = [_power_text(correction.sphere)]
    if correction.cylinder:
        parts.append(f"({_power_text(correction.cylinder)}) {correction.axis}°")
    if correction.addition:
        parts.append(f"Add {correction.addition / QUARTERS:.2f}")
    return " ".join(parts)


def _power_text(power: int) -> str:
    return f"{power / QUARTERS:+.2f}" if power else "0.00"


# -- codes --------------------------------------------------------------------------------------


def read_code(text: str) -> int:
    """The LPP code that somebody typed or scanned.

    Spaces of any kind, points, hyphens, control characters and a scanner's symbology identifier are
    left out; seven digits with the right check digit must remain. Raises `CodeError`, which does
    not repeat the text.
    """
    if len(text) > _MAX_CODE_TEXT:
        raise CodeError("code_malformed", "the code is not seven digits")
    digits = _FILLER.sub("", _SYMBOLOGY.sub("", text))
    if not _SEVEN_DIGITS.fullmatch(digits):
        raise CodeError("code_malformed", "the code is not seven digits")
    code = int(digits)
    if not is_lpp_code(code):
        raise CodeError("code_check_digit", "the code's check digit is wrong: a digit is mistyped")
    return code


def code_fits(row: Row, lens_type: LensType, correction: Correction) -> bool:
    """Whether the cell of a lens's code is the one of its type and correction.

    True where the table does not say what the code corrects. A multifocal or progressive lens
    without sphere and cylinder fits both bands that end at 0. Raises `StatementError` as `cell_of`
    does.
    """
    if row.cell == UNKNOWN:
        return True
    return row.cell in tuple(_cells(lens_type, correction))


def lens_types_of(row: Row) -> tuple[LensType, ...]:
    """The types that a lens's code can be sold as: all where the table does not say, none where the
    code is no lens's."""
    if row.lens_type == "unknown":
        return LENS_TYPES
    if row.lens_type == "plano":
        return ("single_vision",)
    return () if row.lens_type is None else (row.lens_type,)


def _cells(lens_type: LensType, correction: Correction) -> Iterator[str]:
    yield cell_of(lens_type, correction)
    if correction.sphere == correction.cylinder == 0 and lens_type != "single_vision":
        yield encode_cell(lens_type, "spherical", ("0", "-2"), "0", None)


@dataclass(frozen=True, repr=False)
class LensOffer:
    """The lenses of one cell and price class on a day: secret, since the cell is.

    ``codes`` are sorted by code and never empty; ``generic`` is the one generic code among them
    that has no limit of age, None where there is none or several. ``size`` counts the class that
    the claim would declare.
    """

    cell: str
    regroupement: str
    legal_level: LegalLevel
    codes: tuple[Row, ...]
    generic: Row | None
    size: ClassSize

    def __repr__(self) -> str:
        return "LensOffer(…)"  # class and cell are health data


def lens_offer(
    nomenclature: Nomenclature,
    day: date,
    lens_type: LensType,
    correction: Correction,
    price_class: PriceClass,
) -> LensOffer:
    """What the table offers for a correction.

    Raises `NoLensError` if the table has no such lens on ``day``, `StatementError` as `cell_of`
    does, for a day on which the table is not valid, and for a table whose cell spreads over several
    classes. No message says anything of the correction.
    """
    cell = cell_of(lens_type, correction)
    nomenclature.period_start(day)
    rows = tuple(row for row in _lens_rows(nomenclature, price_class, day) if row.cell == cell)
    if not rows:
        raise NoLensError("the nomenclature has no lens of this type, correction and price class")
    regroupement = rows[0].regroupement
    if any(row.regroupement != regroupement for row in rows):
        raise StatementError("the nomenclature spreads this lens over several classes")
    level = nomenclature.legal_level(regroupement)
    assert level is not None  # the union holds classes of lenses alone
    generic = [row for row in rows if row.scope == "generic" and row.max_age is None]
    return LensOffer(
        cell,
        regroupement,
        level,
        rows,
        generic[0] if len(generic) == 1 else None,
        nomenclature.class_size(regroupement, day),
    )


def _lens_rows(nomenclature: Nomenclature, price_class: PriceClass, day: date) -> tuple[Row, ...]:
    """The lenses of a price class on a day, none where the table has none."""
    try:
        return nomenclature.lens_union(price_class, day)
    except StatementError:
        return ()
