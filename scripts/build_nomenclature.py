"""Derive the project's nomenclature file from two CSV tables of CNAM's optics codes.

Usage: build_nomenclature.py CLASSES.csv CODES.csv OUT.json

CLASSES.csv has the columns code, label_fr, price_class, legal_level. CODES.csv has lpp_code, scope,
kind, type, shape, sphere_near, sphere_far, cylinder, s_near, s_far, max_age, price_class,
regroupement, regroupement_status, base_tariff_cents, price_limit_cents, valid_from, valid_to. Empty
means not known. A row without a period is taken to hold from --undated-from to --undated-to and is
marked "assumed".
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from circuits.nomenclature import Family, Nomenclature, RegroupementClass, Row
from verifier_api.lpp.attributes import attributes_of
from zk.errors import EncodingError, StatementError

SOURCE = (
    "Derived from the public CNAM nomenclature (LPP, title 2, chapter 2) of July 2020. Codes by "
    "manufacturer are partial: none of single-vision class B lenses. The source states no period "
    "for codes by manufacturer: their rows assume {start} to {end} and say so. An amount "
    "that was not found is null. The class of the rows of SV3 is unconfirmed."
)


def build(
    classes: Sequence[Mapping[str, str]],
    codes: Sequence[Mapping[str, str]],
    *,
    version: str,
    undated: tuple[date, date],
) -> Nomenclature:
    """The nomenclature that two tables (one mapping of column to text a row) describe.

    ``undated`` is the period, both ends included, of rows without one. Raises `StatementError` or
    `EncodingError` naming the row (counted from 1, without the heading).
    """
    rows = []
    families: dict[str, Family] = {}
    for number, record in enumerate(codes, start=1):
        try:
            row = _row(record, undated)
        except (StatementError, EncodingError, ValueError) as error:
            raise StatementError(f"codes, row {number}: {error}") from None
        if families.setdefault(row.regroupement, row.family) != row.family:
            raise StatementError(f"codes, row {number}: {row.regroupement} mixes families")
        rows.append(row)
    source = SOURCE.format(start=undated[0].isoformat(), end=undated[1].isoformat())
    return Nomenclature(version, source, [_class(entry, families) for entry in classes], rows)


def _class(record: Mapping[str, str], families: Mapping[str, Family]) -> RegroupementClass:
    if record["code"] not in families:
        raise StatementError(f"class {record['code']}: no code belongs to it")
    # Values as they are: the classes check what they are given.
    values: dict[str, Any] = {
        name: record[name] or None for name in ("code", "label_fr", "price_class", "legal_level")
    }
    return RegroupementClass(family=families[record["code"]], **values)


def _row(record: Mapping[str, str], undated: tuple[date, date]) -> Row:
    attributes = attributes_of(record)
    has_period = bool(record["valid_from"])
    if not has_period and record["valid_to"]:
        raise StatementError("an end of validity without a start")
    end = date.fromisoformat(record["valid_to"]) if record["valid_to"] else None
    values: dict[str, Any] = {
        name: record[name] or None
        for name in ("regroupement", "regroupement_status", "scope", "price_class")
    }
    values |= attributes._asdict()
    amounts: dict[str, Any] = {
        name: int(record[name]) if record[name] else None
        for name in ("max_age", "base_tariff_cents", "price_limit_cents")
    }
    return Row(
        code=int(record["lpp_code"]),
        valid_from=date.fromisoformat(record["valid_from"]) if has_period else undated[0],
        valid_to=end if has_period else undated[1],
        period_status="stated" if has_period else "assumed",
        **values,
        **amounts,
    )


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, build, write, and print the digest; 0, or 2 if the input is unusable."""
    parser = argparse.ArgumentParser(description="Derive the nomenclature file from CSV tables.")
    parser.add_argument("classes", type=Path, help="CSV of regroupement classes")
    parser.add_argument("codes", type=Path, help="CSV of LPP codes")
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--version", default="2020-07")
    parser.add_argument("--undated-from", type=date.fromisoformat, default=date(2020, 7, 1))
    parser.add_argument("--undated-to", type=date.fromisoformat, default=date(2021, 6, 30))
    given = parser.parse_args(arguments)
    try:
        table = build(
            _read(given.classes),
            _read(given.codes),
            version=given.version,
            undated=(given.undated_from, given.undated_to),
        )
    except (StatementError, EncodingError, KeyError, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"unusable input: {error}\n")
        return 2
    given.out.write_bytes(table.to_bytes())
    sys.stdout.write(f"{len(table.rows)} rows, digest {table.digest.hex()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
