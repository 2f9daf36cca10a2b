"""A small table whose rows have price limits and base tariffs of their own.

The shipped table has one of each a class, which costs a circuit nothing. Here they differ from row
to row, so that a circuit has to hide which one applies. They are made up.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from circuits.nomenclature import Nomenclature, load_shipped

CODES_A_CLASS = {
    "V01": 12,
    "V02": 12,
    "V04": 20,
    "VM4": 12,
    "VM7": 9,
    "VU1": 7,
    "M01": 12,
    "M03": 12,
    "SV2": 3,
    "SV3": 5,
    "S01": 1,
}
LIMITS_CENTS = (None, 6_000, 9_000, 15_000, 5_500)
"""Row i of a class of lenses or frames has limit i mod 5; None is no limit."""
TARIFFS_CENTS = (5, None, 1_000)
"""Row i of any class has base tariff i mod 3; None is unknown."""


@cache
def limits_table() -> Nomenclature:
    """Codes and classes of the shipped table, thinned out, with these limits and tariffs."""
    shipped = load_shipped()
    rows = []
    for regroupement, count in CODES_A_CLASS.items():
        of_class = [row for row in shipped.rows if row.regroupement == regroupement]
        for index in range(count):
            row = of_class[index * len(of_class) // count]
            limit = None if row.family == "supplement" else LIMITS_CENTS[index % len(LIMITS_CENTS)]
            tariff = TARIFFS_CENTS[index % len(TARIFFS_CENTS)]
            rows.append(replace(row, price_limit_cents=limit, base_tariff_cents=tariff))
    classes = [entry for entry in shipped.classes() if entry.code in CODES_A_CLASS]
    source = "Codes and classes of the shipped table; limits and tariffs are made up for tests."
    return Nomenclature("limits-1", source, classes, rows)
