"""What stays unknown of a claim: counted by hand from the shipped table."""

from __future__ import annotations

from typing import Any

import pytest

from circuits.claim import Claim
from circuits.nomenclature import size_of
from tests.support import claims as samples
from tests.support import records
from verifier_api.service.hiding import line_facts

TABLE = samples.nomenclature()


def facts(claim: Claim) -> list[dict[str, Any]]:
    return line_facts(claim, TABLE)


def union(*levels: str) -> tuple[int, int]:
    """Cells and codes of the lenses of class B of these legal levels."""
    rows = [
        row
        for row in TABLE.lens_union("B", records.DAY)
        if TABLE.legal_level(row.regroupement) in levels
    ]
    size = size_of(rows)
    return size.cells, size.codes


def test_a_declared_class_tells_its_size() -> None:
    lens, _, frame = facts(records.claim())
    assert (lens["regroupement"], lens["hides"]) == ("VM4", ["code", "price", "correction"])
    size = TABLE.class_size("VM4", records.DAY)
    assert (lens["cells"], lens["codes"]) == (size.cells, size.codes)
    assert (lens["family"], lens["price_class"], lens["legal_level"]) == (
        "lens",
        "B",
        "very_complex",
    )
    assert frame["hides"] == ["code", "price"]
    assert frame["cells"] is None
    assert frame["codes"] == TABLE.class_size("M03", records.DAY).codes
    assert frame["legal_level"] is None


def test_the_numbers_of_the_largest_class() -> None:
    lines = [
        {"role": "item", "regroupement": "V04", "code": None, "commitment": records.commitment()}
    ]
    (line,) = facts(records.claim(statement="line", lines=tuple(lines)))
    assert (line["cells"], line["codes"]) == (36, 901)
    assert line["hides"] == ["code", "price", "correction"]


@pytest.mark.parametrize(
    ("level", "levels"),
    [
        ("a", ("simple",)),
        ("b", ("simple", "complex")),
        ("c", ("complex",)),
        ("d", ("simple", "very_complex")),
        ("e", ("complex", "very_complex")),
        ("f", ("very_complex",)),
    ],
)
def test_a_hidden_class_is_as_large_as_the_level_of_the_pair_leaves_it(
    level: str, levels: tuple[str, ...]
) -> None:
    right, left, _ = facts(records.claim(statement="pair", level=level))
    assert right["hides"] == left["hides"] == ["class", "code", "price", "correction"]
    assert (right["cells"], right["codes"]) == (left["cells"], left["codes"]) == union(*levels)
    assert right["price_class"] == "B"
    assert right["regroupement"] is right["label_fr"] is None


def test_a_code_in_clear_hides_its_price_alone() -> None:
    small = next(
        entry.code
        for entry in TABLE.classes()
        if entry.family == "supplement"
        and any(
            row.is_valid_on(records.DAY) for row in TABLE.rows if row.regroupement == entry.code
        )
        and TABLE.is_declared_in_clear(entry.code, records.DAY)
    )
    code = TABLE.class_rows(small, records.DAY)[0].code
    lines = [
        {"role": "item", "regroupement": small, "code": code, "commitment": records.commitment()}
    ]
    (line,) = facts(records.claim(statement="line", lines=tuple(lines)))
    assert line["code"] == code
    assert line["hides"] == ["price"]
    assert line["cells"] is line["codes"] is None


@pytest.mark.parametrize("changes", [{"level": None}, {"price_class": None}])
def test_a_claim_that_was_refused_may_say_too_little(changes: dict[str, Any]) -> None:
    right, _, frame = facts(records.claim(statement="pair", **changes))
    assert right["cells"] is right["codes"] is None
    assert frame["role"] == "frame"


def test_a_class_that_the_table_does_not_know_has_no_size() -> None:
    lines = [
        {"role": "item", "regroupement": "X99", "code": None, "commitment": records.commitment()}
    ]
    (line,) = facts(records.claim(statement="line", lines=tuple(lines)))
    assert line["regroupement"] == "X99"
    assert line["family"] is line["cells"] is line["codes"] is None


def test_without_the_table_nothing_is_counted() -> None:
    lines = line_facts(records.claim(), None)
    assert [line["cells"] for line in lines] == [None] * 3
    assert [line["hides"][0] for line in lines] == ["code"] * 3
    assert [line["family"] for line in lines] == ["lens", "lens", None]
