"""The table of LPP optics codes: which code belongs to which regroupement class, and when.

A nomenclature is public, immutable and versioned. Both sides load it by themselves and compare
digests; nothing in a claim ever replaces it. A class shelters a patient by its number of distinct
*type-and-correction cells*, not by its number of codes: 901 codes of V04 are 36 cells.

File form: JSON, one object per group of codes that share every attribute, in one fixed order, so
that a set of rows has exactly one document and the digest is a hash of that document.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from circuits.canonical import canonical_bytes, parse_json_strict, tagged_digest
from zk.errors import EncodingError, StatementError

PriceClass: TypeAlias = Literal["A", "B"]
LegalLevel: TypeAlias = Literal["simple", "complex", "very_complex"]
Family: TypeAlias = Literal["lens", "frame", "supplement"]
Kind: TypeAlias = Literal[
    "lens",
    "frame",
    "adaptation",
    "pairing",
    "shell_frame_supplement",
    "tint_supplement",
    "other_supplement",
]
LensType: TypeAlias = Literal["plano", "single_vision", "multifocal", "progressive", "unknown"]
Shape: TypeAlias = Literal[
    "plano", "spherical", "spherocylindrical_minus", "spherocylindrical_plus"
]
Scope: TypeAlias = Literal["generic", "manufacturer"]
RegroupementStatus: TypeAlias = Literal["derived", "unconfirmed"]
PeriodStatus: TypeAlias = Literal["stated", "assumed"]

FORMAT = "clairobscur-nomenclature-1"
DIGEST_TAG = b"clairobscur/nomenclature/v1"
SHIPPED_FILE = "nomenclature-2020-07.json"

UNKNOWN = "unknown"
"""Lens type, and cell, of a lens of which the table does not say what it corrects."""

MAX_NOMENCLATURE_BYTES = 40 * 2**20
"""Enough for 100,000 rows of which no two share their attributes."""
MAX_ITEM_CENTS = 10_000_000
"""Upper limit of a tariff or a price limit: 100,000 €."""
MAX_AGE_YEARS = 150
MIN_CODES_HIDDEN_SUPPLEMENT = 3
"""A class of supplements with fewer codes is declared in clear: there is nothing to hide in."""

CLASS_PATTERN = r"^[A-Z][A-Z0-9][0-9]$"

_CLASS = re.compile(CLASS_PATTERN, re.ASCII)
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}", re.ASCII)
_CELL = re.compile(r"[a-z_]+(?:/[a-z0-9_=.>+-]+)*", re.ASCII)
_CYLINDERS = ("0", "0.25..4", ">4", "any")
_QUARTER = Decimal("0.25")
_CHECK_WEIGHTS = (7, 6, 5, 4, 3, 2)  # from the last of the six digits to the first
_MAX_TEXT = 2000


# --- codes and cells ---------------------------------------------------------------------------


def check_digit(first_six: int) -> int:
    """The seventh digit of the LPP code that starts with ``first_six`` (100000…999999).

    (2·d1 + 3·d2 + 4·d3 + 5·d4 + 6·d5 + 7·d6) mod 11, where 10 becomes 0.
    """
    total = 0
    for weight in _CHECK_WEIGHTS:
        first_six, digit = divmod(first_six, 10)
        total += weight * digit
    return total % 11 % 10


def is_lpp_code(code: int) -> bool:
    """Whether ``code`` has seven digits, the first not 0, the last being the check digit."""
    return 1_000_000 <= code <= 9_999_999 and check_digit(code // 10) == code % 10


def encode_cell(
    lens_type: str,
    shape: str,
    sphere: tuple[str, str] | None,
    cylinder: str | None,
    s_band: tuple[str, str] | None,
) -> str:
    """The name of a type-and-correction cell, equal exactly for codes of the same cell.

    Bands are (end near 0, end far from 0) in dioptres, written as decimals, "inf" or "-inf";
    ``s_band`` bounds S = sphere + cylinder. Ends are normalised, so "6.0" and "6" name one cell.
    Example: ``progressive/spherocylindrical_minus/sphere=-2..-4/cylinder=0.25..4``. Raises
    `EncodingError` for an unknown type, shape or cylinder and for an end off the quarter dioptre.
    """
    if lens_type not in get_args(LensType) or lens_type == UNKNOWN or shape not in get_args(Shape):
        raise EncodingError("cell: unknown lens type or shape")
    if (lens_type == "plano") != (shape == "plano"):
        raise EncodingError("cell: a plano lens has the plano shape and no other lens has")
    parts = [lens_type] if lens_type == "plano" else [lens_type, shape]
    if sphere is not None:
        parts.append(f"sphere={_band(sphere)}")
    if cylinder is not None:
        if cylinder not in _CYLINDERS:
            raise EncodingError("cell: unknown cylinder band")
        parts.append(f"cylinder={cylinder}")
    if s_band is not None:
        parts.append(f"s={_band(s_band)}")
    return "/".join(parts)


def _band(ends: tuple[str, str]) -> str:
    return "..".join(_dioptres(end) for end in ends)


def _dioptres(text: str) -> str:
    if text in ("inf", "-inf"):
        return text
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise EncodingError("cell: the end of a band is not a number of dioptres") from None
    if not value.is_finite() or abs(value) >= 100 or value % _QUARTER:
        raise EncodingError("cell: the end of a band is not a multiple of 0.25 dioptre")
    return f"{value.normalize() + 0:f}"


# --- rows and classes --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegroupementClass:
    """A regroupement class; raises `StatementError` if it contradicts itself.

    ``legal_level`` is the level that the ceilings speak of, None unless the class holds lenses. The
    words "simple" and "complexe" in ``label_fr`` are not that level.
    """

    code: str
    family: Family
    label_fr: str
    price_class: PriceClass | None
    legal_level: LegalLevel | None

    def __post_init__(self) -> None:
        _require(
            type(self.code) is str and bool(_CLASS.fullmatch(self.code)), "class: malformed code"
        )
        where = f"class {self.code}"
        _require_choice(self.family, Family, f"{where}: family")
        _require_text(self.label_fr, f"{where}: label_fr")
        _require_choice(self.price_class, PriceClass, f"{where}: price_class", optional=True)
        _require_choice(self.legal_level, LegalLevel, f"{where}: legal_level", optional=True)
        _require(
            (self.family == "lens") == (self.legal_level is not None),
            f"{where}: lenses have a legal level, and nothing else has",
        )
        _require(
            self.family != "lens" or self.price_class is not None,
            f"{where}: a class of lenses has a price class",
        )


_ROW_CHOICES: tuple[tuple[str, frozenset[str], bool], ...] = (
    ("regroupement_status", frozenset(get_args(RegroupementStatus)), False),
    ("scope", frozenset(get_args(Scope)), False),
    ("kind", frozenset(get_args(Kind)), False),
    ("lens_type", frozenset(get_args(LensType)), True),
    ("price_class", frozenset(get_args(PriceClass)), True),
    ("period_status", frozenset(get_args(PeriodStatus)), False),
)
_ROW_INTEGERS = (
    ("max_age", MAX_AGE_YEARS),
    ("base_tariff_cents", MAX_ITEM_CENTS),
    ("price_limit_cents", MAX_ITEM_CENTS),
)


@dataclass(frozen=True, slots=True, repr=False)
class Row:
    """One code during one period of validity, both ends included; ``valid_to`` None is open.

    ``period_status`` is "assumed" where the source gives no period, ``regroupement_status``
    "unconfirmed" where the class could not be confirmed. ``cell`` is None for whatever carries no
    correction; lens type and cell of a lens are both `UNKNOWN` or neither. Amounts are cents, None
    where not found. Raises `StatementError` if anything is malformed or contradicts itself. The
    repr names the class alone: which row of a class a sale uses is the secret.
    """

    code: int
    regroupement: str
    regroupement_status: RegroupementStatus
    scope: Scope
    kind: Kind
    lens_type: LensType | None
    cell: str | None
    max_age: int | None
    price_class: PriceClass | None
    base_tariff_cents: int | None
    price_limit_cents: int | None
    valid_from: date
    valid_to: date | None
    period_status: PeriodStatus

    def __post_init__(self) -> None:
        if type(self.code) is not int or not is_lpp_code(self.code):
            raise StatementError("row: the code is not seven digits with the right check digit")
        problem = self._problem()
        if problem is not None:
            raise StatementError(f"row of {self.regroupement}: {problem}")

    def _problem(self) -> str | None:
        """What is wrong with the row, if anything. Thousands are checked at each start."""
        if type(self.regroupement) is not str or not _CLASS.fullmatch(self.regroupement):
            raise StatementError("row: malformed class code")
        for name, choices, is_optional in _ROW_CHOICES:
            value = getattr(self, name)
            if (value is None and is_optional) or (type(value) is str and value in choices):
                continue
            return f"{name} is not one of {', '.join(sorted(choices))}"
        for name, largest in _ROW_INTEGERS:
            value = getattr(self, name)
            if value is not None and not (type(value) is int and 0 <= value <= largest):
                return f"{name} is not an integer from 0 to {largest}"
        if self.kind != "lens":
            if self.lens_type is not None or self.cell is not None:
                return "only a lens has a lens type and a cell"
        elif (
            self.lens_type is None
            or type(self.cell) is not str
            or not _CELL.fullmatch(self.cell)
            or self.cell.split("/", 1)[0] != self.lens_type
        ):
            return "a lens has a lens type and a cell that starts with it"
        elif self.lens_type == UNKNOWN and self.cell != UNKNOWN:
            return "a lens of unknown type has the cell unknown"
        if type(self.valid_from) is not date:
            return "valid_from is not a date"
        if self.valid_to is not None:
            if type(self.valid_to) is not date:
                return "valid_to is not a date"
            if self.valid_to < self.valid_from:
                return "valid_to is before valid_from"
        return None

    def __repr__(self) -> str:
        return f"Row(regroupement={self.regroupement!r})"

    @property
    def family(self) -> Family:
        """What the row's class must hold: lenses, frames or supplements (everything else)."""
        return self.kind if self.kind in ("lens", "frame") else "supplement"

    @property
    def is_share_known(self) -> bool:
        """Whether the base tariff, and so the public payer's share, is known."""
        return self.base_tariff_cents is not None

    def public_share_cents(self, rate_percent: int) -> int:
        """What the public payer pays on this row, in cents: base tariff × ``rate_percent`` / 100.

        Rounded to the nearest cent, half a cent up. 0 where the tariff is unknown: ask
        `is_share_known`. Raises `StatementError` unless ``rate_percent`` is in [0, 100].
        """
        _require(0 <= rate_percent <= 100, "public payer's rate: not between 0 and 100 percent")
        return ((self.base_tariff_cents or 0) * rate_percent + 50) // 100

    def is_valid_on(self, day: date) -> bool:
        """Whether ``day`` is within the row's period."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class ClassSize(NamedTuple):
    """How many codes a set of rows has, and in how many type-and-correction cells at least.

    ``cells`` is 0 for what carries no correction (frames, supplements). Lenses of unknown cell add
    none to the known ones, since they may lie in these; they are 1 where no cell is known.
    """

    codes: int
    cells: int

    @property
    def carries_correction(self) -> bool:
        """Whether the code tells something about the eyes of the patient."""
        return self.cells > 0


def size_of(rows: Iterable[Row]) -> ClassSize:
    """The two sizes of a set of rows, such as a class or a union of classes."""
    listed = tuple(rows)
    cells = {row.cell for row in listed if row.cell is not None}
    known = len(cells - {UNKNOWN})
    return ClassSize(len({row.code for row in listed}), known or len(cells))


def hiding_set(size: ClassSize) -> int:
    """Among how many possibilities a hidden code hides: cells, or codes if there is no correction.

    Relation to the contract's floor: `circuits.contract.judge_floor`.
    """
    return size.cells if size.carries_correction else size.codes


# --- the table ---------------------------------------------------------------------------------


class Nomenclature:
    """An immutable table of rows and classes, looked up by class or code *and* date.

    Every lookup raises `StatementError` for an unknown class, for a date on which the table holds
    no row at all, and for a class without a code at that date. Lookups are cached per span of time
    in which the table does not change, so whoever chooses dates cannot grow the cache.
    """

    def __init__(
        self,
        version: str,
        source: str,
        classes: Iterable[RegroupementClass],
        rows: Iterable[Row],
    ) -> None:
        """Build the table from ``rows`` and ``classes`` in any order; ``source`` is free text.

        Raises `StatementError` for a class given twice, a row whose class is unknown or of another
        family or price class, and periods of one code that overlap.
        """
        _require(
            type(version) is str and bool(_VERSION.fullmatch(version)),
            "nomenclature: malformed version",
        )
        _require_text(source, "nomenclature: source")
        self._version = version
        self._source = source
        self._classes = _index_classes(classes)
        self._rows = tuple(sorted(rows, key=lambda row: (row.code, row.valid_from)))
        _require(bool(self._rows), "nomenclature: no row")
        self._by_code = _index_codes(self._rows)
        for row in self._rows:
            self._require_class_agrees(row)
        self._span_starts = _span_starts(self._rows)
        self._span_classes: dict[int, dict[str, tuple[Row, ...]]] = {}
        self._span_unions: dict[tuple[int, PriceClass], tuple[Row, ...]] = {}
        self._span_sizes: dict[tuple[int, str], ClassSize] = {}

    def __repr__(self) -> str:
        return f"Nomenclature(version={self._version!r}, rows={len(self._rows)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Nomenclature) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def version(self) -> str:
        """The name of this edition of the table."""
        return self._version

    @property
    def source(self) -> str:
        """Where the figures come from and what is not known of them."""
        return self._source

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every row, sorted by code, then by period."""
        return self._rows

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over `DIGEST_TAG` and the RFC 8785 form of the document, 32 bytes.

        The order in which rows were given does not change it; any change of any field does.
        """
        return tagged_digest(DIGEST_TAG, canonical_bytes(self._document))

    def classes(self) -> tuple[RegroupementClass, ...]:
        """Every class of the table, sorted by code, whether or not it holds codes."""
        return tuple(self._classes.values())

    def regroupement_class(self, regroupement: str) -> RegroupementClass:
        """The class named ``regroupement``; raises `StatementError` if the table has none."""
        try:
            return self._classes[regroupement]
        except (KeyError, TypeError):
            raise StatementError("unknown regroupement class") from None

    def legal_level(self, regroupement: str) -> LegalLevel | None:
        """The legal level of a class of lenses, None for frames and supplements."""
        return self.regroupement_class(regroupement).legal_level

    def row(self, code: int, day: date) -> Row:
        """The row of ``code`` on ``day``. The message of a refusal does not repeat the code."""
        _require(is_lpp_code(code), "not an LPP code: seven digits with a check digit expected")
        self._span(day)
        for row in self._by_code.get(code, ()):
            if row.is_valid_on(day):
                return row
        raise StatementError(f"no such code in the nomenclature on {day.isoformat()}")

    def class_rows(self, regroupement: str, day: date) -> tuple[Row, ...]:
        """The rows of a class on ``day``, sorted by code; never empty."""
        self.regroupement_class(regroupement)
        rows = self._classes_on(self._span(day)).get(regroupement, ())
        _require(bool(rows), f"empty class: {regroupement} holds no code on {day.isoformat()}")
        return rows

    def lens_union(self, price_class: PriceClass, day: date) -> tuple[Row, ...]:
        """The rows of all classes of lenses of ``price_class`` on ``day``, sorted by code."""
        _require_choice(price_class, PriceClass, "price class")
        span = self._span(day)
        union = self._span_unions.get((span, price_class))
        if union is None:
            chosen = [
                row
                for regroupement, rows in self._classes_on(span).items()
                if self._classes[regroupement].family == "lens"
                and self._classes[regroupement].price_class == price_class
                for row in rows
            ]
            union = tuple(sorted(chosen, key=lambda row: row.code))
            self._span_unions[span, price_class] = union
        _require(bool(union), f"no lens of price class {price_class} on {day.isoformat()}")
        return union

    def class_size(self, regroupement: str, day: date) -> ClassSize:
        """The number of codes and of distinct cells of a class on ``day``."""
        rows = self.class_rows(regroupement, day)
        key = (self._span(day), regroupement)
        size = self._span_sizes.get(key)
        if size is None:
            size = self._span_sizes[key] = size_of(rows)
        return size

    def class_status(self, regroupement: str, day: date) -> RegroupementStatus:
        """ "unconfirmed" as soon as one row of the class is on ``day``, else "derived"."""
        rows = self.class_rows(regroupement, day)
        confirmed = all(row.regroupement_status == "derived" for row in rows)
        return "derived" if confirmed else "unconfirmed"

    def is_declared_in_clear(self, regroupement: str, day: date) -> bool:
        """Whether the class is one of supplements with too few codes to hide a code among."""
        codes = self.class_size(regroupement, day).codes
        is_supplement = self.regroupement_class(regroupement).family == "supplement"
        return is_supplement and codes < MIN_CODES_HIDDEN_SUPPLEMENT

    def to_bytes(self) -> bytes:
        """The table's file: canonical JSON cut into lines, one class or group of codes each."""
        document = self._document
        head = ",\n".join(f'"{key}":{_line(document[key])}' for key in ("format", "source"))
        classes = ",\n".join(_line(entry) for entry in document["classes"])
        groups = ",\n".join(_line(entry) for entry in document["groups"])
        version = _line(document["version"])
        text = (
            f'{{"classes":[\n{classes}\n],\n{head},\n"groups":[\n{groups}\n],\n'
            f'"version":{version}}}\n'
        )
        return text.encode()

    @staticmethod
    def parse(data: bytes) -> Nomenclature:
        """The table in a file; strict inverse of `to_bytes` but for white space.

        Raises `EncodingError` if ``data`` is not strict JSON of the expected shape or not in the
        one order of its rows, `StatementError` if what it says contradicts itself.
        """
        document = parse_json_strict(data, max_bytes=MAX_NOMENCLATURE_BYTES, what="nomenclature")
        _require_keys(document, ("classes", "format", "groups", "source", "version"), "top level")
        if document["format"] != FORMAT:
            raise EncodingError(f"nomenclature: format is not {FORMAT}")
        classes = [
            RegroupementClass(**_require_keys(entry, _CLASS_KEYS, f"classes[{index}]"))
            for index, entry in enumerate(_require_list(document["classes"], "classes"))
        ]
        rows: list[Row] = []
        for index, entry in enumerate(_require_list(document["groups"], "groups")):
            rows += _decode_group(entry, f"groups[{index}]")
        table = Nomenclature(document["version"], document["source"], classes, rows)
        if table._document != document:
            raise EncodingError("nomenclature: classes, groups or codes are not in canonical order")
        return table

    def _require_class_agrees(self, row: Row) -> None:
        entry = self._classes.get(row.regroupement)
        if entry is None:
            raise StatementError(f"row of {row.regroupement}: the table has no such class")
        if row.family != entry.family:
            raise StatementError(f"row of {row.regroupement}: kind not of family {entry.family}")
        # The source leaves the price class of some supplements open; only a contradiction is wrong.
        if row.price_class is not None and row.price_class != entry.price_class:
            raise StatementError(f"row of {row.regroupement}: another price class than its class")

    def _span(self, day: date) -> int:
        """The index of the span of time around ``day`` in which the table does not change."""
        _require(type(day) is date, "the date of a lookup is not a calendar date")
        span = bisect_right(self._span_starts, day) - 1
        _require(
            span >= 0 and bool(self._classes_on(span)),
            f"the nomenclature {self._version} is not valid on {day.isoformat()}",
        )
        return span

    def period_start(self, day: date) -> date:
        """The first day of the span of time around ``day`` in which the table does not change.

        Raises `StatementError` for a date on which the table holds no row.
        """
        return self._span_starts[self._span(day)]

    def _classes_on(self, span: int) -> Mapping[str, tuple[Row, ...]]:
        by_class = self._span_classes.get(span)
        if by_class is None:
            start = self._span_starts[span]
            lists: dict[str, list[Row]] = {}
            for row in self._rows:
                if row.is_valid_on(start):
                    lists.setdefault(row.regroupement, []).append(row)
            by_class = {regroupement: tuple(rows) for regroupement, rows in lists.items()}
            self._span_classes[span] = by_class
        return by_class

    @cached_property
    def _document(self) -> dict[str, Any]:
        groups: dict[tuple[Any, ...], list[int]] = {}
        for row in self._rows:
            attributes = tuple(getattr(row, name) for name in _GROUP_FIELDS)
            groups.setdefault(attributes, []).append(row.code)
        return {
            "format": FORMAT,
            "version": self._version,
            "source": self._source,
            "classes": [
                {name: getattr(entry, name) for name in _CLASS_KEYS} for entry in self.classes()
            ],
            "groups": [
                {name: _plain(value) for name, value in zip(_GROUP_FIELDS, attributes, strict=True)}
                | {"codes": groups[attributes]}
                for attributes in sorted(groups, key=_none_first)
            ],
        }


@lru_cache(maxsize=1)
def load_shipped() -> Nomenclature:
    """The table that ships with the project: CNAM's optics codes of July 2020 to June 2021."""
    return Nomenclature.parse(files("circuits").joinpath("data", SHIPPED_FILE).read_bytes())


# --- helpers -----------------------------------------------------------------------------------

_CLASS_KEYS = tuple(field.name for field in fields(RegroupementClass))
# The order of groups in a document follows these fields, so the class comes first.
_GROUP_FIELDS = tuple(field.name for field in fields(Row) if field.name != "code")


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise StatementError(problem)


def _require_choice(value: object, choices: Any, where: str, *, optional: bool = False) -> None:
    if value is None and optional:
        return
    if type(value) is not str or value not in get_args(choices):
        raise StatementError(f"{where}: not one of {', '.join(get_args(choices))}")


def _require_text(value: object, where: str) -> None:
    _require(type(value) is str and 0 < len(value) <= _MAX_TEXT, f"{where}: not a text")


def _require_keys(entry: Any, names: tuple[str, ...], where: str) -> dict[str, Any]:
    if type(entry) is not dict or set(entry) != set(names):
        raise EncodingError(f"nomenclature, {where}: keys are not exactly {', '.join(names)}")
    return entry


def _require_list(value: Any, where: str) -> list[Any]:
    if type(value) is not list:
        raise EncodingError(f"nomenclature, {where}: not a list")
    return value


def _decode_group(entry: Any, where: str) -> list[Row]:
    shared = dict(_require_keys(entry, (*_GROUP_FIELDS, "codes"), where))
    codes = _require_list(shared.pop("codes"), f"{where}.codes")
    shared["valid_from"] = _decode_date(shared["valid_from"], f"{where}.valid_from")
    if shared["valid_to"] is not None:
        shared["valid_to"] = _decode_date(shared["valid_to"], f"{where}.valid_to")
    try:
        return [Row(code=code, **shared) for code in codes]
    except StatementError as error:
        raise StatementError(f"nomenclature, {where}: {error}") from None


def _decode_date(value: Any, where: str) -> date:
    try:
        decoded = date.fromisoformat(value)
    except (TypeError, ValueError):
        raise EncodingError(f"nomenclature, {where}: not a date YYYY-MM-DD") from None
    if decoded.isoformat() != value:
        raise EncodingError(f"nomenclature, {where}: not a date YYYY-MM-DD")
    return decoded


def _index_classes(classes: Iterable[RegroupementClass]) -> dict[str, RegroupementClass]:
    listed = sorted(classes, key=lambda entry: entry.code)
    index = {entry.code: entry for entry in listed}
    _require(len(index) == len(listed), "nomenclature: a class is given twice")
    return index


def _index_codes(rows: tuple[Row, ...]) -> dict[int, tuple[Row, ...]]:
    index: dict[int, list[Row]] = {}
    for row in rows:
        of_code = index.setdefault(row.code, [])
        if of_code and not (of_code[-1].valid_to or date.max) < row.valid_from:
            raise StatementError(f"row of {row.regroupement}: two periods of one code overlap")
        of_code.append(row)
    return {code: tuple(of_code) for code, of_code in index.items()}


def _span_starts(rows: tuple[Row, ...]) -> list[date]:
    starts = {row.valid_from for row in rows}
    ends = {row.valid_to for row in rows} - {None, date.max}
    return sorted(starts | {end + timedelta(days=1) for end in ends if end is not None})


def _plain(value: Any) -> Any:
    return value.isoformat() if type(value) is date else value


def _none_first(attributes: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is not None, value) for value in attributes)


def _line(value: Any) -> str:
    return canonical_bytes(value).decode()
