"""What changes from one nomenclature to another: for whoever decides whether to put it in force.

Tables hold periods, so each is looked at on one day: the first of its latest period. Codes that
differ in anything else are counted in one figure, so that no difference goes untold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from circuits.canonical import encode_base64url
from circuits.nomenclature import ClassSize, Nomenclature, RegroupementClass, Row, size_of

_NO_CODE = ClassSize(codes=0, cells=0)


@dataclass(frozen=True)
class Edition:
    """A nomenclature as it is compared: version, digest (base64url), the day looked at, and how
    many codes it has on that day."""

    version: str
    digest: str
    day: date
    codes: int

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "version": self.version,
            "digest": self.digest,
            "date": self.day.isoformat(),
            "codes": self.codes,
        }


@dataclass(frozen=True)
class NomenclatureDifference:
    """Codes that changed, ascending, each with its class (``moved``: with both).

    Of the codes that ``before`` has on its day and ``after`` has not on its own, ``ended`` are
    those of which ``after`` still has a period, ``removed`` the others. ``tariff_changed``,
    ``limit_changed`` and ``cell_changed`` speak of codes that both have. ``otherwise_changed`` are
    codes in none of these lists that have other rows: another period, kind, scope, age or past.
    ``sizes`` are codes and cells of each class that has not as many of both; ``redefined`` are
    classes that only one has, or with other attributes.
    """

    before: Edition
    after: Edition
    added: Mapping[int, str]
    removed: Mapping[int, str]
    ended: Mapping[int, str]
    moved: Mapping[int, tuple[str, str]]
    tariff_changed: Mapping[int, str]
    limit_changed: Mapping[int, str]
    cell_changed: Mapping[int, str]
    otherwise_changed: Mapping[int, str]
    sizes: Mapping[str, tuple[ClassSize, ClassSize]]
    redefined: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the two have the same rows and classes, whatever they are called."""
        return not (any(self._by_code().values()) or self.moved or self.redefined)

    def facts(self) -> dict[str, Any]:
        """Counts by class, as JSON."""
        moves = Counter(self.moved.values())
        return {
            "before": self.before.facts(),
            "after": self.after.facts(),
            **{name: _by_class(codes.values()) for name, codes in self._by_code().items()},
            "moved": [
                {"from": source, "to": target, "codes": moves[source, target]}
                for source, target in sorted(moves)
            ],
            "redefined": list(self.redefined),
            "classes": [
                {
                    "class": name,
                    "codes_before": before.codes,
                    "codes_after": after.codes,
                    "cells_before": before.cells,
                    "cells_after": after.cells,
                }
                for name, (before, after) in self.sizes.items()
            ],
        }

    def lines(self) -> list[str]:
        """The same for people."""
        lines = [
            f"{name:6}  {edition.version}  on {edition.day.isoformat()}  {edition.codes} codes"
            for name, edition in (("before", self.before), ("after", self.after))
        ]
        if self.is_empty:
            return [*lines, "no difference"]
        for name, codes in self._by_code().items():
            if codes:
                lines.append(f"{name.replace('_', ' ')}: {_told(_by_class(codes.values()))}")
        if self.moved:
            moves = Counter(f"{source} to {target}" for source, target in self.moved.values())
            lines.append(f"moved: {_told(dict(sorted(moves.items())))}")
        if self.redefined:
            lines.append(f"classes redefined: {', '.join(self.redefined)}")
        if self.sizes:
            lines.append("class  codes            cells")
        lines += [
            f"{name:5}  {before.codes:6} > {after.codes:6}  {before.cells:4} > {after.cells:4}"
            for name, (before, after) in self.sizes.items()
        ]
        return lines

    def _by_code(self) -> dict[str, Mapping[int, str]]:
        return {
            "added": self.added,
            "removed": self.removed,
            "ended": self.ended,
            "tariff_changed": self.tariff_changed,
            "limit_changed": self.limit_changed,
            "cell_changed": self.cell_changed,
            "otherwise_changed": self.otherwise_changed,
        }


def compare_nomenclatures(before: Nomenclature, after: Nomenclature) -> NomenclatureDifference:
    """What is different in ``after``, code by code and class by class."""
    old_day, new_day = _latest_day(before), _latest_day(after)
    old, new = _rows_on(before, old_day), _rows_on(after, new_day)
    still_listed = {row.code for row in after.rows}
    both = [code for code in sorted(old) if code in new]
    gone = [code for code in sorted(old) if code not in new]
    old_sizes, new_sizes = _sizes(old.values()), _sizes(new.values())
    names = sorted(old_sizes.keys() | new_sizes.keys())
    sizes = {name: (old_sizes.get(name, _NO_CODE), new_sizes.get(name, _NO_CODE)) for name in names}

    def changed(attribute: str) -> dict[int, str]:
        return {
            code: new[code].regroupement
            for code in both
            if getattr(old[code], attribute) != getattr(new[code], attribute)
        }

    added = {code: new[code].regroupement for code in sorted(new) if code not in old}
    removed = {code: old[code].regroupement for code in gone if code not in still_listed}
    ended = {code: old[code].regroupement for code in gone if code in still_listed}
    moved = {
        code: (old[code].regroupement, new[code].regroupement)
        for code in both
        if old[code].regroupement != new[code].regroupement
    }
    tariff_changed = changed("base_tariff_cents")
    limit_changed = changed("price_limit_cents")
    cell_changed = changed("cell")
    told = set().union(added, removed, ended, moved, tariff_changed, limit_changed, cell_changed)
    return NomenclatureDifference(
        before=_edition(before, old_day, len(old)),
        after=_edition(after, new_day, len(new)),
        added=added,
        removed=removed,
        ended=ended,
        moved=moved,
        tariff_changed=tariff_changed,
        limit_changed=limit_changed,
        cell_changed=cell_changed,
        otherwise_changed=_otherwise_changed(before, after, told),
        sizes={name: pair for name, pair in sizes.items() if pair[0] != pair[1]},
        redefined=tuple(sorted({entry.code for entry in _differing_classes(before, after)})),
    )


def _latest_day(table: Nomenclature) -> date:
    """The first day of the latest period: a row is valid on it, so the table holds that day."""
    return max(row.valid_from for row in table.rows)


def _rows_on(table: Nomenclature, day: date) -> dict[int, Row]:
    return {row.code: row for row in table.rows if row.is_valid_on(day)}


def _edition(table: Nomenclature, day: date, codes: int) -> Edition:
    return Edition(table.version, encode_base64url(table.digest), day, codes)


def _sizes(rows: Iterable[Row]) -> dict[str, ClassSize]:
    by_class: dict[str, list[Row]] = {}
    for row in rows:
        by_class.setdefault(row.regroupement, []).append(row)
    return {name: size_of(of_class) for name, of_class in by_class.items()}


def _otherwise_changed(
    before: Nomenclature, after: Nomenclature, told: Collection[int]
) -> dict[int, str]:
    old, new = _rows_by_code(before), _rows_by_code(after)
    return {
        code: (new.get(code) or old[code])[-1].regroupement
        for code in sorted(old.keys() | new.keys())
        if code not in told and old.get(code) != new.get(code)
    }


def _rows_by_code(table: Nomenclature) -> dict[int, list[Row]]:
    by_code: dict[int, list[Row]] = {}
    for row in table.rows:
        by_code.setdefault(row.code, []).append(row)
    return by_code


def _differing_classes(before: Nomenclature, after: Nomenclature) -> set[RegroupementClass]:
    return set(before.classes()) ^ set(after.classes())


def _by_class(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _told(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    each = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{total} ({each})"
