"""The digest of a nomenclature: blind to order, sensitive to every field."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from circuits.nomenclature import (
    Nomenclature,
    RegroupementClass,
    Row,
    check_digit,
    is_lpp_code,
    load_shipped,
)

CLASSES = (
    RegroupementClass("VM4", "lens", "VERRES", "B", "very_complex"),
    RegroupementClass("VU1", "lens", "VERRES", "B", "simple"),
    RegroupementClass("M03", "frame", "MONTURES", "B", None),
    RegroupementClass("SV3", "supplement", "AUTRES", None, None),
)
LENS_TYPES = ["single_vision", "progressive", "unknown"]
DAYS = st.dates(date(2018, 1, 1), date(2024, 12, 31))
CENTS = st.none() | st.integers(0, 10_000_000)
CODES = st.integers(100_000, 999_999).map(lambda six: six * 10 + check_digit(six))


@st.composite
def rows(draw: st.DrawFn) -> Row:
    entry = draw(st.sampled_from(CLASSES))
    is_lens = entry.family == "lens"
    lens_type: Any = draw(st.sampled_from(LENS_TYPES)) if is_lens else None
    sphere = draw(st.sampled_from(["0..2", "2..4", "0..-2"]))
    cell = "unknown" if lens_type == "unknown" else f"{lens_type}/spherical/sphere={sphere}"
    kind: Any = "other_supplement" if entry.family == "supplement" else entry.family
    start = draw(DAYS)
    return Row(
        code=draw(CODES),
        regroupement=entry.code,
        regroupement_status=draw(st.sampled_from(["derived", "unconfirmed"])),
        scope=draw(st.sampled_from(["generic", "manufacturer"])),
        kind=kind,
        lens_type=lens_type,
        cell=cell if is_lens else None,
        max_age=draw(st.none() | st.integers(0, 150)),
        price_class=draw(st.sampled_from([None, entry.price_class])),
        base_tariff_cents=draw(CENTS),
        price_limit_cents=draw(CENTS),
        valid_from=start,
        valid_to=draw(st.none() | st.integers(0, 700).map(lambda days: start + timedelta(days))),
        period_status=draw(st.sampled_from(["stated", "assumed"])),
    )


TABLES = st.lists(rows(), min_size=1, max_size=12, unique_by=lambda row: row.code)


def table(listed: list[Row], **changes: Any) -> Nomenclature:
    values: dict[str, Any] = {"version": "1", "source": "text", "classes": CLASSES}
    return Nomenclature(**(values | {"rows": listed} | changes))


@given(TABLES, st.randoms(use_true_random=False))
def test_order_does_not_matter(listed: list[Row], random: Any) -> None:
    shuffled = list(listed)
    random.shuffle(shuffled)
    classes = list(CLASSES)
    random.shuffle(classes)
    expected = table(listed)
    assert table(shuffled, classes=classes).digest == expected.digest
    assert table(shuffled, classes=classes).to_bytes() == expected.to_bytes()


@given(TABLES)
def test_the_file_holds_everything(listed: list[Row]) -> None:
    original = table(listed)
    again = Nomenclature.parse(original.to_bytes())
    assert again.rows == original.rows
    assert again.classes() == original.classes()
    assert (again.version, again.source) == (original.version, original.source)
    assert again.to_bytes() == original.to_bytes()
    assert again.digest == original.digest


@given(TABLES, rows(), st.sampled_from([field.name for field in dataclasses.fields(Row)]))
def test_any_change_of_a_field_changes_the_digest(listed: list[Row], other: Row, name: str) -> None:
    changed = dataclasses.asdict(listed[0]) | {name: getattr(other, name)}
    # These hold one another, so they move together.
    if name in ("regroupement", "kind", "lens_type", "cell", "price_class"):
        for together in ("regroupement", "kind", "lens_type", "cell", "price_class"):
            changed[together] = getattr(other, together)
    if name in ("valid_from", "valid_to"):
        changed["valid_from"], changed["valid_to"] = other.valid_from, other.valid_to
    replaced = Row(**changed)
    assume(replaced != listed[0])
    assume(replaced.code not in {row.code for row in listed[1:]})
    assert table([replaced, *listed[1:]]).digest != table(listed).digest


@given(TABLES)
def test_losing_a_row_or_changing_the_head_changes_the_digest(listed: list[Row]) -> None:
    original = table(listed).digest
    if len(listed) > 1:
        assert table(listed[1:]).digest != original
    assert table(listed, version="2").digest != original
    assert table(listed, source="other").digest != original
    relabelled = (dataclasses.replace(CLASSES[0], label_fr="AUTRES VERRES"), *CLASSES[1:])
    assert table(listed, classes=relabelled).digest != original


@given(TABLES, DAYS)
def test_lookups_agree_with_a_scan_of_the_rows(listed: list[Row], day: date) -> None:
    built = table(listed)
    valid = [row for row in listed if row.is_valid_on(day)]
    assume(valid)
    for row in valid:
        assert built.row(row.code, day) == row
        expected = sorted(
            (other for other in valid if other.regroupement == row.regroupement),
            key=lambda other: other.code,
        )
        assert built.class_rows(row.regroupement, day) == tuple(expected)
        size = built.class_size(row.regroupement, day)
        assert size.codes == len(expected)
        cells = {other.cell for other in expected} - {None}
        assert size.cells == (len(cells - {"unknown"}) or len(cells))


@given(st.integers(100_000, 999_999))
def test_exactly_one_seventh_digit_is_right(first_six: int) -> None:
    right = [digit for digit in range(10) if is_lpp_code(first_six * 10 + digit)]
    # The definition again, digit by digit.
    total = sum(w * int(d) for w, d in zip(range(2, 8), str(first_six), strict=True))
    assert right == [total % 11 if total % 11 < 10 else 0]


@settings(max_examples=30)
@given(st.integers(0, 5516), st.integers(0, 364))
def test_every_shipped_code_is_found_on_every_day(index: int, days: int) -> None:
    shipped = load_shipped()
    day = date(2020, 7, 1) + timedelta(days)
    row = shipped.rows[index]
    assert shipped.row(row.code, day) is row
    assert row in shipped.class_rows(row.regroupement, day)
