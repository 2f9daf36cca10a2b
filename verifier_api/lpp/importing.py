"""CNAM's tables of codes, row by row, into a nomenclature.

A row is kept or dropped; every dropped row is told at once with a reason that does not change from
one version to the next, so that nothing vanishes silently and the report needs no memory.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, cast, get_args

from circuits.nomenclature import (
    MAX_NOMENCLATURE_BYTES,
    UNKNOWN,
    Kind,
    LensType,
    Nomenclature,
    RegroupementClass,
    Row,
    Scope,
    is_lpp_code,
)
from verifier_api.lpp.archive import TABLES, Archive, TableName, open_archive
from verifier_api.lpp.attributes import UNKNOWN_OF_FAMILY, Attributes, read_attributes
from verifier_api.lpp.tables import Table
from verifier_api.lpp.values import (
    read_age,
    read_cents,
    read_class,
    read_code,
    read_date,
    read_whole,
)
from zk.errors import StatementError

Reason: TypeAlias = Literal[
    "not_optics",
    "bad_code",
    "bad_check_digit",
    "bad_age",
    "bad_date",
    "no_period",
    "no_fiche",
    "unknown_class",
    "period_reversed",
    "after_fiche_end",
    "bad_amount",
    "duplicate",
    "period_overlap",
]
"""Why a row is dropped; `docs/nomenclature-import.md` explains each."""
REASONS: tuple[Reason, ...] = get_args(Reason)

Origin: TypeAlias = Literal["attributes", "base", "class", "unknown"]
"""Where kind, lens type and cell of a row come from. The class of a frame says it all."""

FICHE_COLUMNS = ("CODE_TIPS", "DATE_FIN", "AGE_MAX", "ARBO1", "ARBO2")
HISTO_COLUMNS = ("CODE_TIPS", "DEBUTVALID", "FINHISTO", "NAT_PREST", "TARIF", "PUREGLEMEN")
OPTICS = (2, 2)
"""Title and chapter of optics in CNAM's list: ARBO1 and ARBO2."""

MAX_PERIODS_OF_CODE = 1000

_STEP = 1000  # records between two tells of progress


class Dropped(NamedTuple):
    """A row that is not in the nomenclature: its table, its number there (from 1), why, and what it
    was about. Codes of a public table are public, so ``detail`` may name one."""

    table: TableName
    row: int
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Counts:
    """What became of the rows of a table: ``read`` = ``kept`` + all of ``dropped``; records marked
    as deleted are apart. Of the fiches, kept are those that a kept row of the other table uses or
    could use."""

    read: int
    kept: int
    deleted: int
    dropped: Mapping[Reason, int]

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "read": self.read,
            "kept": self.kept,
            "deleted": self.deleted,
            "dropped": dict(self.dropped),
        }


@dataclass(frozen=True)
class LppImport:
    """A nomenclature out of an archive, and what became of the archive's rows.

    ``origins`` counts the kept rows by where their kind and cell come from. ``misfits`` counts the
    rows whose code is known as of another family (in the table of attributes) or another class (in
    the base): what was known there is not used then.
    """

    nomenclature: Nomenclature
    counts: Mapping[TableName, Counts]
    origins: Mapping[Origin, int]
    misfits: int

    def facts(self) -> dict[str, Any]:
        """The counts as JSON."""
        return {
            "tables": {name: self.counts[name].facts() for name in TABLES},
            "origins": {origin: self.origins.get(origin, 0) for origin in get_args(Origin)},
            "misfits": self.misfits,
        }


@dataclass(slots=True)
class _Fiche:
    number: int
    max_age: int | None
    end: date | None
    has_period: bool = False


class _Period(NamedTuple):
    row: int
    regroupement: str
    start: date
    end: date | None
    tariff_cents: int | None
    limit_cents: int | None


class _Drop(Exception):
    """The row at hand is dropped."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.detail = detail


def import_lpp(
    archive: Path,
    *,
    base: Nomenclature,
    attributes: Path | None = None,
    version: str | None = None,
    progress: Callable[[int, int | None], None] = lambda _done, _total: None,
    report: Callable[[Dropped], None] = lambda _: None,
) -> LppImport:
    """The optics codes of CNAM's ``LPPnnn.zip`` as a nomenclature named ``version`` (LPPnnn).

    Classes come from ``base``, and so do scope, kind and cell of codes that it knows; the CSV table
    ``attributes`` goes before it. A lens of which neither knows the cell has the cell unknown.
    ``progress`` is told how many records were read, of how many (None until that is known);
    ``report`` is given every dropped row.

    Raises `OSError` if a file cannot be read, `EncodingError` or `StatementError`, naming the file,
    for an archive, a table or a CSV table that is not as it must be, if no row is kept, or more
    than a nomenclature's file can hold.
    """
    known = read_attributes(attributes) if attributes is not None else {}
    progress(0, None)
    with (
        open_archive(archive) as opened,
        tempfile.TemporaryDirectory(prefix="lpp-") as folder,
    ):
        tables = {name: _unpack(opened, name, Path(folder)) for name in TABLES}
        reading = _Reading(base, known, report, progress, tables)
        reading.read_fiches()
        reading.read_histo()
        reading.tell_fiches_without_period()
        rows = list(reading.rows())
        if not rows:
            raise StatementError(f"{opened.name}: no row of optics was kept")
        number = opened.number
    nomenclature = Nomenclature(
        version if version is not None else f"LPP{number}",
        _source(number, base, is_attributed=attributes is not None),
        base.classes(),
        rows,
    )
    if len(nomenclature.to_bytes()) > MAX_NOMENCLATURE_BYTES:
        raise StatementError(
            f"{archive.name}: a nomenclature of more than {MAX_NOMENCLATURE_BYTES} bytes"
        )
    return LppImport(nomenclature, reading.counts(), reading.origins, reading.misfits)


def _unpack(opened: Archive, name: TableName, folder: Path) -> Table:
    path = folder / f"{name}.dbf"
    with path.open("wb") as target:
        opened.unpack(name, target)
    return Table(path, opened.member_name(name))


def _source(number: str, base: Nomenclature, *, is_attributed: bool) -> str:
    cells = "a table of attributes and " if is_attributed else ""
    return (
        f"Imported from tables {number} of CNAM's LPP (title 2, chapter 2): codes, their classes, "
        "periods, tariffs and price limits. Classes themselves, and kind, cell and scope of codes, "
        f"are those of {cells}the nomenclature {base.version} ({base.digest.hex()}). Codes that "
        "it has not are assumed to be of manufacturers; cells found nowhere are unknown."
    )


class _Reading:
    """One import under way: what the fiches say, the periods kept so far, and the counts."""

    def __init__(
        self,
        base: Nomenclature,
        attributes: Mapping[int, Attributes],
        report: Callable[[Dropped], None],
        progress: Callable[[int, int | None], None],
        tables: Mapping[TableName, Table],
    ) -> None:
        self._classes = {entry.code: entry for entry in base.classes()}
        self._attributes = attributes
        self._base: dict[int, list[Row]] = {}
        for row in base.rows:
            self._base.setdefault(row.code, []).append(row)
        self._report = report
        self._progress = progress
        self._tables = tables
        self._total = sum(table.records for table in tables.values())
        self._done = 0
        self._read: Counter[TableName] = Counter()
        self._dropped: dict[TableName, Counter[Reason]] = {name: Counter() for name in TABLES}
        self._fiches: dict[int, _Fiche] = {}
        self._others: set[int] = set()  # codes of fiches that are not optics
        self._periods: dict[int, list[_Period]] = {}
        self.origins: Counter[Origin] = Counter()
        self.misfits = 0

    # --- reading -------------------------------------------------------------------------------

    def read_fiches(self) -> None:
        """What the first table says of each code, of optics or not."""
        for number, values in self._rows_of("fiche", FICHE_COLUMNS):
            try:
                self._take_fiche(number, *values)
            except _Drop as drop:
                self._drop("fiche", number, drop.reason, drop.detail)

    def read_histo(self) -> None:
        """Every period of the codes of optics."""
        for number, values in self._rows_of("histo", HISTO_COLUMNS):
            try:
                self._take_period(number, *values)
            except _Drop as drop:
                self._drop("histo", number, drop.reason, drop.detail)

    def tell_fiches_without_period(self) -> None:
        """Drop the fiches that no row of the second table speaks of."""
        for code, fiche in self._fiches.items():
            if not fiche.has_period:
                self._drop("fiche", fiche.number, "no_period", f"code {code}")

    def counts(self) -> dict[TableName, Counts]:
        """What became of the rows of each table."""
        return {
            name: Counts(
                read=self._read[name],
                kept=self._read[name] - self._dropped[name].total(),
                deleted=self._tables[name].deleted,
                dropped={
                    reason: self._dropped[name][reason]
                    for reason in REASONS
                    if self._dropped[name][reason]
                },
            )
            for name in TABLES
        }

    def _rows_of(
        self, name: TableName, columns: tuple[str, ...]
    ) -> Iterator[tuple[int, list[bytes]]]:
        for number, values in self._tables[name].rows(columns):
            self._read[name] += 1
            yield number, values
            if number % _STEP == 0:
                self._progress(self._done + number, self._total)
        self._done += self._tables[name].records
        self._progress(self._done, self._total)

    def _drop(self, table: TableName, number: int, reason: Reason, detail: str) -> None:
        self._dropped[table][reason] += 1
        self._report(Dropped(table, number, reason, detail))

    # --- one row -------------------------------------------------------------------------------

    def _take_fiche(
        self, number: int, raw_code: bytes, raw_end: bytes, raw_age: bytes, *raw_place: bytes
    ) -> None:
        if tuple(_place(raw) for raw in raw_place) != OPTICS:
            code = _code_or_none(raw_code)
            if code is not None:
                self._others.add(code)
            raise _Drop("not_optics", "" if code is None else f"code {code}")
        code = _code(raw_code)
        if code in self._fiches:
            raise _Drop("duplicate", f"code {code}: another fiche came before")
        end = _date(raw_end, code, "DATE_FIN")
        try:
            max_age = read_age(raw_age)
        except ValueError:
            raise _Drop("bad_age", f"code {code}: AGE_MAX") from None
        self._fiches[code] = _Fiche(number, max_age, end)

    def _take_period(
        self,
        number: int,
        raw_code: bytes,
        raw_start: bytes,
        raw_end: bytes,
        raw_class: bytes,
        raw_tariff: bytes,
        raw_limit: bytes,
    ) -> None:
        read = _code_or_none(raw_code)
        fiche = self._fiches.get(read) if read is not None else None
        if fiche is None and read in self._others:
            raise _Drop("not_optics", f"code {read}")
        code = _code(raw_code)
        if fiche is None:
            raise _Drop("no_fiche", f"code {code}: no fiche of it was kept")
        fiche.has_period = True
        regroupement = self._class(raw_class, code).code
        start = _date(raw_start, code, "DEBUTVALID")
        if start is None:
            raise _Drop("bad_date", f"code {code}: DEBUTVALID is empty")
        end = _date(raw_end, code, "FINHISTO")
        if end is not None and end < start:
            raise _Drop("period_reversed", f"code {code}: {start} to {end}")
        if fiche.end is not None:
            if fiche.end < start:
                raise _Drop("after_fiche_end", f"code {code}: from {start}, ended {fiche.end}")
            end = fiche.end if end is None else min(end, fiche.end)
        tariff = _cents(raw_tariff, code, "TARIF")
        # A limit of nothing would forbid every sale: it is taken to mean that there is no limit.
        limit = _cents(raw_limit, code, "PUREGLEMEN") or None
        self._keep(code, _Period(number, regroupement, start, end, tariff, limit))

    def _keep(self, code: int, period: _Period) -> None:
        # Those kept do not overlap, so only the neighbours in time can overlap another.
        others = self._periods.setdefault(code, [])
        place = bisect_right(others, period.start, key=lambda other: other.start)
        for other in others[max(0, place - 1) : place + 1]:
            if other[1:] == period[1:]:
                raise _Drop("duplicate", f"code {code}: the same as row {other.row}")
            if _do_overlap(other, period):
                raise _Drop("period_overlap", f"code {code}: overlaps row {other.row}")
        if len(others) >= MAX_PERIODS_OF_CODE:
            where = self._tables["histo"].where
            raise StatementError(f"{where}: more than {MAX_PERIODS_OF_CODE} periods of one code")
        others.insert(place, period)

    def _class(self, raw: bytes, code: int) -> RegroupementClass:
        try:
            name = read_class(raw)
        except ValueError:
            raise _Drop("unknown_class", f"code {code}: NAT_PREST is no class") from None
        if name is None:
            raise _Drop("unknown_class", f"code {code}: NAT_PREST is empty")
        entry = self._classes.get(name)
        if entry is None:
            raise _Drop("unknown_class", f"code {code}: class {name}")
        return entry

    # --- what was kept -------------------------------------------------------------------------

    def rows(self) -> Iterator[Row]:
        """The rows of the nomenclature."""
        for code, periods in self._periods.items():
            fiche = self._fiches[code]
            for period in periods:
                entry = self._classes[period.regroupement]
                kind, lens_type, cell = self._attributes_on(code, period.start, entry)
                yield Row(
                    code=code,
                    regroupement=entry.code,
                    regroupement_status="derived",
                    scope=self._scope(code),
                    kind=cast(Kind, kind),
                    lens_type=cast("LensType | None", lens_type),
                    cell=cell,
                    max_age=fiche.max_age,
                    price_class=entry.price_class,
                    base_tariff_cents=period.tariff_cents,
                    price_limit_cents=period.limit_cents,
                    valid_from=period.start,
                    valid_to=period.end,
                    period_status="stated",
                )

    def _attributes_on(self, code: int, day: date, entry: RegroupementClass) -> Attributes:
        found: dict[Origin, Attributes] = {}
        if code in self._attributes and self._attributes[code].family == entry.family:
            found["attributes"] = self._attributes[code]
        # A cell lies in one class: of a code that moved, the cell known before says nothing.
        rows = [row for row in self._base.get(code, ()) if row.regroupement == entry.code]
        if rows:
            row = next((row for row in rows if row.is_valid_on(day)), rows[-1])
            found["base"] = Attributes(row.kind, row.lens_type, row.cell)
        self.misfits += len(found) < (code in self._attributes) + (code in self._base)
        unknown = UNKNOWN_OF_FAMILY[entry.family]
        if entry.family == "frame":
            self.origins["class"] += 1
            return unknown
        for origin, attributes in found.items():
            if attributes.lens_type != UNKNOWN:
                self.origins[origin] += 1
                return attributes
        self.origins["unknown"] += 1
        return unknown

    def _scope(self, code: int) -> Scope:
        return self._base[code][-1].scope if code in self._base else "manufacturer"


def _place(raw: bytes) -> int | None:
    """ARBO1 or ARBO2; whatever is no number is no place of optics."""
    try:
        return read_whole(raw)
    except ValueError:
        return None


def _code_or_none(raw: bytes) -> int | None:
    try:
        return read_code(raw)
    except ValueError:
        return None


def _code(raw: bytes) -> int:
    code = _code_or_none(raw)
    if code is None:
        raise _Drop("bad_code", "CODE_TIPS is not seven digits, the first not 0")
    if not is_lpp_code(code):
        raise _Drop("bad_check_digit", f"code {code}")
    return code


def _date(raw: bytes, code: int, column: str) -> date | None:
    try:
        return read_date(raw)
    except ValueError:
        raise _Drop("bad_date", f"code {code}: {column}") from None


def _cents(raw: bytes, code: int, column: str) -> int | None:
    try:
        return read_cents(raw)
    except ValueError:
        raise _Drop("bad_amount", f"code {code}: {column}") from None


def _do_overlap(one: _Period, other: _Period) -> bool:
    return one.start <= (other.end or date.max) and other.start <= (one.end or date.max)
