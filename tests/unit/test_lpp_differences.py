"""What a new table changes, told by class."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from typing import Any

import pytest

from circuits.nomenclature import ClassSize, Nomenclature, Row, check_digit, load_shipped
from verifier_api.lpp.differences import NomenclatureDifference, compare_nomenclatures

CELLS = [f"single_vision/spherical/sphere={near}..{near + 2}/cylinder=0" for near in (0, 2, 4)]
CODES = [six * 10 + check_digit(six) for six in range(110_100, 110_110)]


def lens(index: int, **changes: Any) -> Row:
    values: dict[str, Any] = {
        "code": CODES[index],
        "regroupement": "VU1",
        "regroupement_status": "derived",
        "scope": "generic",
        "kind": "lens",
        "lens_type": "single_vision",
        "cell": CELLS[index % 3],
        "max_age": None,
        "price_class": "B",
        "base_tariff_cents": 5,
        "price_limit_cents": None,
        "valid_from": date(2024, 1, 1),
        "valid_to": None,
        "period_status": "stated",
    }
    return Row(**(values | changes))


def table(*rows: Row, version: str = "v") -> Nomenclature:
    return Nomenclature(version, "made for a test", load_shipped().classes(), rows)


BEFORE = [lens(0), lens(1), lens(2)]


def compare(*after: Row) -> NomenclatureDifference:
    difference = compare_nomenclatures(table(*BEFORE), table(*after, version="w"))
    assert json.loads(json.dumps(difference.facts())) == difference.facts()
    return difference


def changes_of(difference: NomenclatureDifference) -> dict[str, Any]:
    """What is not empty, but for the two editions."""
    facts = difference.facts()
    return {name: facts[name] for name in facts if name not in ("before", "after") and facts[name]}


def test_the_same_rows_are_no_difference_whatever_the_name() -> None:
    difference = compare(*BEFORE)
    assert difference.is_empty
    assert changes_of(difference) == {}
    assert difference.lines() == [
        "before  v  on 2024-01-01  3 codes",
        "after   w  on 2024-01-01  3 codes",
        "no difference",
    ]


def test_codes_that_came() -> None:
    difference = compare(*BEFORE, lens(3), lens(4, regroupement="VU2"))
    assert difference.added == {CODES[3]: "VU1", CODES[4]: "VU2"}
    assert changes_of(difference) == {
        "added": {"VU1": 1, "VU2": 1},
        "classes": [
            {
                "class": "VU1",
                "codes_before": 3,
                "codes_after": 4,
                "cells_before": 3,
                "cells_after": 3,
            },
            {
                "class": "VU2",
                "codes_before": 0,
                "codes_after": 1,
                "cells_before": 0,
                "cells_after": 1,
            },
        ],
    }
    assert difference.sizes["VU2"] == (ClassSize(0, 0), ClassSize(1, 1))
    assert "added: 2 (VU1 1, VU2 1)" in difference.lines()
    assert "VU1         3 >      4     3 >    3" in difference.lines()


def test_codes_that_went_or_ended() -> None:
    ended = lens(1, valid_to=date(2024, 12, 31))
    difference = compare(lens(0), ended, lens(3, valid_from=date(2025, 1, 1)))
    assert difference.removed == {CODES[2]: "VU1"}
    assert difference.ended == {CODES[1]: "VU1"}
    assert difference.added == {CODES[3]: "VU1"}
    assert difference.after.day == date(2025, 1, 1)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"base_tariff_cents": 6}, "tariff_changed"),
        ({"base_tariff_cents": None}, "tariff_changed"),
        ({"price_limit_cents": 100}, "limit_changed"),
        ({"cell": CELLS[0]}, "cell_changed"),
        ({"lens_type": "unknown", "cell": "unknown"}, "cell_changed"),
        ({"scope": "manufacturer"}, "otherwise_changed"),
        ({"max_age": 16}, "otherwise_changed"),
        ({"valid_to": date(2030, 1, 1)}, "otherwise_changed"),
        ({"valid_from": date(2023, 1, 1)}, "otherwise_changed"),
    ],
)
def test_codes_that_changed(changes: dict[str, Any], name: str) -> None:
    difference = compare(lens(0), lens(1, **changes), lens(2))
    assert not difference.is_empty
    facts = changes_of(difference)
    assert facts.pop(name) == {"VU1": 1}
    is_cell = name == "cell_changed"
    assert facts.keys() == ({"classes"} if is_cell else set())
    if is_cell:
        assert difference.sizes == {"VU1": (ClassSize(3, 3), ClassSize(3, 2))}
    assert f"{name.replace('_', ' ')}: 1 (VU1 1)" in difference.lines()


def test_codes_that_moved() -> None:
    difference = compare(lens(0), lens(1, regroupement="VU2"), lens(2))
    assert difference.moved == {CODES[1]: ("VU1", "VU2")}
    facts = changes_of(difference)
    assert facts["moved"] == [{"from": "VU1", "to": "VU2", "codes": 1}]
    assert [entry["class"] for entry in facts["classes"]] == ["VU1", "VU2"]
    assert "moved: 1 (VU1 to VU2 1)" in difference.lines()


def test_a_past_that_changed_is_told() -> None:
    first = lens(1, valid_from=date(2023, 1, 1), valid_to=date(2023, 12, 31))
    difference = compare(*BEFORE, first)
    assert changes_of(difference) == {"otherwise_changed": {"VU1": 1}}


def test_classes_that_are_defined_otherwise_are_told() -> None:
    classes = [
        dataclasses.replace(entry, label_fr="AUTRE") if entry.code == "VU3" else entry
        for entry in load_shipped().classes()
        if entry.code != "M01"
    ]
    after = Nomenclature("w", "made for a test", classes, BEFORE)
    difference = compare_nomenclatures(table(*BEFORE), after)
    assert not difference.is_empty
    assert changes_of(difference) == {"redefined": ["M01", "VU3"]}
    assert "classes redefined: M01, VU3" in difference.lines()


def test_each_table_is_looked_at_on_the_first_day_of_its_latest_period() -> None:
    shipped = load_shipped()
    difference = compare_nomenclatures(shipped, shipped)
    assert difference.before.day == date(2020, 7, 1)
    assert difference.before.codes == 5517
    assert difference.is_empty
