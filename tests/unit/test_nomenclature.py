"""The shipped table, its sizes, its periods and what is refused."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from circuits.canonical import canonical_bytes, tagged_digest
from circuits.nomenclature import (
    DIGEST_TAG,
    MAX_NOMENCLATURE_BYTES,
    ClassSize,
    Nomenclature,
    RegroupementClass,
    Row,
    check_digit,
    encode_cell,
    hiding_set,
    is_lpp_code,
    load_shipped,
    size_of,
)
from zk.errors import EncodingError, StatementError

DAY = date(2020, 10, 1)
ROOT = Path(__file__).parents[2]

CELLS = {"V01": 13, "V02": 18, "V03": 24, "V04": 36}
CELLS |= {"VM1": 8, "VM2": 8, "VM3": 8, "VM4": 16, "VM5": 8, "VM6": 8, "VM7": 4}
CELLS |= {"VU1": 7, "VU2": 3, "VU3": 3, "VU4": 6, "VU5": 3, "VU6": 6, "VU7": 3}

# Generic and manufacturer codes of each class, as counted in the source's table of classes.
CODES = {"M01": (1, 219), "M02": (1, 171), "M03": (1, 476), "M04": (1, 230)}
CODES |= {"MS1": (1, 0), "MS2": (1, 0), "S01": (1, 0), "SV1": (1, 0), "SV2": (3, 0)}
CODES |= {"SV3": (8, 4), "SV4": (1, 0)}
CODES |= {"V01": (13, 552), "V02": (18, 751), "V03": (24, 778), "V04": (36, 865)}
CODES |= {"VU1": (7, 0), "VU2": (3, 0), "VU3": (3, 0), "VU4": (6, 0), "VU5": (3, 0)}
CODES |= {"VU6": (6, 0), "VU7": (3, 0)}
CODES |= {"VM1": (8, 196), "VM2": (8, 206), "VM3": (8, 174), "VM4": (16, 274)}
CODES |= {"VM5": (8, 185), "VM6": (8, 153), "VM7": (4, 81)}

LENS_CODE = 2200335
FRAME_CODE = 2222124


@pytest.fixture(scope="module")
def table() -> Nomenclature:
    return load_shipped()


def lens(**changes: Any) -> Row:
    values: dict[str, Any] = {
        "code": LENS_CODE,
        "regroupement": "VU1",
        "regroupement_status": "derived",
        "scope": "generic",
        "kind": "lens",
        "lens_type": "single_vision",
        "cell": "single_vision/spherical/sphere=4..6/cylinder=0",
        "max_age": None,
        "price_class": "B",
        "base_tariff_cents": 5,
        "price_limit_cents": None,
        "valid_from": date(2020, 1, 1),
        "valid_to": date(2020, 12, 31),
        "period_status": "stated",
    }
    return Row(**(values | changes))


def frame(**changes: Any) -> Row:
    values = {"code": FRAME_CODE, "regroupement": "M03", "kind": "frame"}
    return lens(**(values | {"lens_type": None, "cell": None} | changes))


LENSES = RegroupementClass("VU1", "lens", "VERRES", "B", "simple")
FRAMES = RegroupementClass("M03", "frame", "MONTURES", "B", None)
EXTRAS = RegroupementClass("SV4", "supplement", "SUPPLEMENTS", None, None)


def small(*rows: Row) -> Nomenclature:
    return Nomenclature("test", "made for a test", [LENSES, FRAMES, EXTRAS], rows)


# --- the shipped table --------------------------------------------------------------------------


def test_the_shipped_table_is_whole(table: Nomenclature) -> None:
    assert len(table.rows) == 5517
    assert sum(row.scope == "generic" for row in table.rows) == 202
    assert len(table.classes()) == len(CODES) == 29
    assert table.version == "2020-07"
    assert "unconfirmed" in table.source


@pytest.mark.parametrize("regroupement", sorted(CODES))
def test_codes_of_each_class(table: Nomenclature, regroupement: str) -> None:
    rows = table.class_rows(regroupement, DAY)
    generic = sum(row.scope == "generic" for row in rows)
    assert (generic, len(rows) - generic) == CODES[regroupement]
    assert [row.code for row in rows] == sorted({row.code for row in rows})
    assert table.class_size(regroupement, DAY).codes == len(rows)


@pytest.mark.parametrize("regroupement", sorted(CODES))
def test_cells_of_each_class(table: Nomenclature, regroupement: str) -> None:
    size = table.class_size(regroupement, DAY)
    assert size.cells == CELLS.get(regroupement, 0)
    assert size.carries_correction == (regroupement in CELLS)
    assert hiding_set(size) == (CELLS.get(regroupement) or size.codes)


def test_the_widest_class_is_901_codes_in_36_cells(table: Nomenclature) -> None:
    assert table.class_size("V04", DAY) == ClassSize(codes=901, cells=36)


@pytest.mark.parametrize("regroupement", sorted(CELLS))
def test_makers_codes_fall_into_the_cells_of_the_generic_ones(
    table: Nomenclature, regroupement: str
) -> None:
    rows = table.class_rows(regroupement, DAY)
    generic = {row.cell for row in rows if row.scope == "generic"}
    makers = {row.cell for row in rows if row.scope == "manufacturer"}
    assert makers <= generic
    assert len(generic) == CELLS[regroupement]


@pytest.mark.parametrize(("price_class", "codes"), [("A", 3037), ("B", 1360)])
def test_unions_of_lenses(table: Nomenclature, price_class: Any, codes: int) -> None:
    union = table.lens_union(price_class, DAY)
    assert size_of(union) == ClassSize(codes=codes, cells=91)
    assert [row.code for row in union] == sorted(row.code for row in union)
    assert {row.regroupement for row in union} == {
        entry.code
        for entry in table.classes()
        if entry.family == "lens" and entry.price_class == price_class
    }


def test_no_cell_lies_in_two_classes(table: Nomenclature) -> None:
    places: dict[tuple[str | None, str], set[str]] = {}
    for row in table.rows:
        if row.cell is not None:
            places.setdefault((row.price_class, row.cell), set()).add(row.regroupement)
    assert all(len(classes) == 1 for classes in places.values())


def test_legal_levels(table: Nomenclature) -> None:
    levels = {entry.code: table.legal_level(entry.code) for entry in table.classes()}
    simple = {code for code, level in levels.items() if level == "simple"}
    very_complex = {code for code, level in levels.items() if level == "very_complex"}
    assert simple == {"V01", "VU1", "VU2", "VU3"}
    assert very_complex == {"V04", "VM4", "VM5", "VM6", "VM7"}
    assert {code for code, level in levels.items() if level is None} == set(CODES) - set(CELLS)
    # The label says "très complexe", the law says complex.
    assert "TRES COMPLEXE" in table.regroupement_class("VU6").label_fr
    assert levels["VU6"] == "complex"


def test_supplements_declared_in_clear(table: Nomenclature) -> None:
    in_clear = {code for code in CODES if table.is_declared_in_clear(code, DAY)}
    assert in_clear == {"MS1", "MS2", "S01", "SV1", "SV4"}


@pytest.mark.parametrize(("codes", "in_clear"), [(1, True), (2, True), (3, False), (4, False)])
def test_three_codes_of_supplements_are_enough_to_hide_one(codes: int, in_clear: bool) -> None:
    table = small(
        *(
            frame(code=code, regroupement="SV4", kind="tint_supplement", price_class=None)
            for code in (LENS_CODE, FRAME_CODE, 1101000, 2200795)[:codes]
        )
    )
    assert table.is_declared_in_clear("SV4", DAY) is in_clear


def test_few_lenses_or_frames_are_never_declared_in_clear() -> None:
    table = small(lens(), frame())
    assert table.class_size("VU1", DAY).codes == 1
    assert not table.is_declared_in_clear("VU1", DAY)
    assert not table.is_declared_in_clear("M03", DAY)


def test_the_unconfirmed_class_stays_visible(table: Nomenclature) -> None:
    unconfirmed = {code for code in CODES if table.class_status(code, DAY) == "unconfirmed"}
    assert unconfirmed == {"SV3"}
    assert {row.regroupement_status for row in table.class_rows("SV3", DAY)} == {"unconfirmed"}


def test_periods_say_whether_the_source_states_them(table: Nomenclature) -> None:
    for row in table.rows:
        assert row.period_status == ("stated" if row.scope == "generic" else "assumed")


def test_amounts(table: Nomenclature) -> None:
    limits = {row.regroupement for row in table.rows if row.price_limit_cents is not None}
    assert limits == {"M01", "M02"}
    assert {row.price_limit_cents for row in table.class_rows("M01", DAY)} == {3000}
    for row in table.rows:
        is_known = row.kind in ("lens", "frame") and row.price_class == "B"
        assert row.base_tariff_cents == (5 if is_known else None)


def test_every_shipped_code_has_its_check_digit(table: Nomenclature) -> None:
    assert all(is_lpp_code(row.code) for row in table.rows)


def test_the_file_is_the_canonical_one(table: Nomenclature) -> None:
    shipped = (ROOT / "circuits" / "data" / "nomenclature-2020-07.json").read_bytes()
    assert table.to_bytes() == shipped
    # What docs/protocol.md tells an independent verifier to compute.
    assert table.digest == tagged_digest(DIGEST_TAG, canonical_bytes(json.loads(shipped)))
    assert load_shipped() is table


# --- dates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "codes"),
    [
        (date(2020, 1, 1), 36),
        (date(2020, 6, 30), 36),
        (date(2020, 7, 1), 901),
        (date(2021, 6, 30), 901),
    ],
)
def test_sizes_follow_the_date(table: Nomenclature, day: date, codes: int) -> None:
    assert table.class_size("V04", day) == ClassSize(codes=codes, cells=36)


@pytest.mark.parametrize("day", [date(2019, 12, 31), date(2021, 7, 1), date.min, date.max])
def test_dates_outside_any_validity_are_refused(table: Nomenclature, day: date) -> None:
    lookups: list[Callable[[], object]] = [
        lambda: table.class_rows("V04", day),
        lambda: table.class_size("V04", day),
        lambda: table.class_status("SV3", day),
        lambda: table.is_declared_in_clear("SV4", day),
        lambda: table.lens_union("A", day),
        lambda: table.row(LENS_CODE, day),
    ]
    for lookup in lookups:
        with pytest.raises(StatementError, match=f"not valid on {day.isoformat()}"):
            lookup()


def test_unknown_and_empty_classes_are_refused_as_such(table: Nomenclature) -> None:
    for unknown in ("V99", "", "v04", "V04\n"):
        with pytest.raises(StatementError, match="unknown regroupement class"):
            table.class_rows(unknown, DAY)
    with pytest.raises(StatementError, match="empty class: SV4 holds no code on 2020-10-01"):
        small(lens()).class_rows("SV4", DAY)
    with pytest.raises(StatementError, match="empty class: M03"):
        small(lens()).class_size("M03", DAY)
    with pytest.raises(StatementError, match="no lens of price class A"):
        small(lens()).lens_union("A", DAY)
    with pytest.raises(StatementError, match="price class"):
        table.lens_union("C", DAY)  # type: ignore[arg-type]


def test_a_class_can_be_empty_between_two_periods() -> None:
    later = lens(valid_from=date(2021, 3, 1), valid_to=None, base_tariff_cents=7)
    table = small(lens(), later, frame(valid_to=None))
    assert table.row(LENS_CODE, date(2020, 12, 31)).base_tariff_cents == 5
    assert table.row(LENS_CODE, date(2021, 3, 1)).base_tariff_cents == 7
    assert table.row(LENS_CODE, date.max) == later
    with pytest.raises(StatementError, match="empty class"):
        table.class_rows("VU1", date(2021, 1, 1))
    with pytest.raises(StatementError, match="no such code"):
        table.row(LENS_CODE, date(2021, 2, 28))


def test_a_hole_in_the_whole_table_is_outside_any_validity() -> None:
    table = small(lens(), lens(valid_from=date(2021, 3, 1), valid_to=None))
    with pytest.raises(StatementError, match="not valid on 2021-01-15"):
        table.class_rows("VU1", date(2021, 1, 15))


def test_many_dates_do_not_grow_the_caches(table: Nomenclature) -> None:
    first = table.class_rows("V01", DAY)
    assert all(table.class_rows("V01", DAY + timedelta(days=days)) is first for days in range(200))


@pytest.mark.parametrize("second_start", [date(2020, 1, 1), date(2020, 6, 1), date(2020, 12, 31)])
def test_overlapping_periods_of_one_code_are_refused(second_start: date) -> None:
    with pytest.raises(StatementError, match="overlap") as refusal:
        small(lens(), lens(valid_from=second_start, valid_to=None))
    assert str(LENS_CODE) not in str(refusal.value)
    with pytest.raises(StatementError, match="overlap"):
        small(lens(valid_to=None), lens(valid_from=date(2021, 1, 1), valid_to=None))


def test_the_day_after_is_no_overlap() -> None:
    table = small(lens(), lens(valid_from=date(2021, 1, 1), valid_to=date.max))
    assert len(table.rows) == 2


# --- unknown cells ------------------------------------------------------------------------------

UNKNOWN_LENS: dict[str, Any] = {"lens_type": "unknown", "cell": "unknown"}


def test_lenses_of_unknown_cell_are_one_cell_however_many() -> None:
    table = small(*(lens(code=code, **UNKNOWN_LENS) for code in (LENS_CODE, 1101000, 2200795)))
    assert table.class_size("VU1", DAY) == ClassSize(codes=3, cells=1)
    assert hiding_set(table.class_size("VU1", DAY)) == 1


def test_lenses_of_unknown_cell_hide_nothing_among_known_ones() -> None:
    known = [lens(), lens(code=1101000, cell="single_vision/spherical/sphere=0..2/cylinder=0")]
    table = small(*known, lens(code=2200795, **UNKNOWN_LENS))
    assert small(*known).class_size("VU1", DAY) == ClassSize(codes=2, cells=2)
    # The third may lie in one of the two: a third cell would be a promise that nobody can keep.
    assert table.class_size("VU1", DAY) == ClassSize(codes=3, cells=2)


def test_a_lens_of_unknown_cell_is_in_its_file() -> None:
    table = small(lens(**UNKNOWN_LENS), frame())
    assert Nomenclature.parse(table.to_bytes()).rows == table.rows


# --- codes, cells, shares -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_six", "digit"), [(220033, 5), (220079, 5), (728687, 3), (721143, 8), (226392, 7)]
)
def test_check_digits_of_real_codes(first_six: int, digit: int) -> None:
    assert check_digit(first_six) == digit


def test_a_remainder_of_ten_becomes_zero() -> None:
    # 2·1 + 3·1 + 4·0 + 5·1 + 6·0 + 7·0 = 10
    assert check_digit(110100) == 0
    assert is_lpp_code(1101000)


@pytest.mark.parametrize("code", [2200336, 220033, 22003350, 10**7, 0, -2200335, 10**9])
def test_codes_that_fail(table: Nomenclature, code: int) -> None:
    assert not is_lpp_code(code)
    with pytest.raises(StatementError, match="not an LPP code") as refusal:
        table.row(code, DAY)
    assert str(code) not in str(refusal.value) or code == 0
    with pytest.raises(StatementError, match="check digit"):
        lens(code=code)


def test_unknown_codes_are_refused_without_being_named(table: Nomenclature) -> None:
    assert table.row(LENS_CODE, DAY).regroupement == "VU1"
    with pytest.raises(StatementError, match="no such code") as refusal:
        table.row(1101000, DAY)
    assert "1101000" not in str(refusal.value)


def test_a_row_does_not_print_itself(table: Nomenclature) -> None:
    row = table.row(LENS_CODE, DAY)
    assert repr(row) == str(row) == "Row(regroupement='VU1')"
    assert repr(table) == "Nomenclature(version='2020-07', rows=5517)"


def test_cells_are_named_alike_for_alike_bands() -> None:
    name = "progressive/spherocylindrical_minus/sphere=0..-2/cylinder=0.25..4"
    shape = "spherocylindrical_minus"
    assert encode_cell("progressive", shape, ("0.0", "-2.0"), "0.25..4", None) == name
    assert encode_cell("progressive", shape, ("-0", "-2"), "0.25..4", None) == name
    plus = encode_cell("multifocal", "spherocylindrical_plus", None, "any", ("12.0", "inf"))
    assert plus == "multifocal/spherocylindrical_plus/cylinder=any/s=12..inf"
    assert encode_cell("plano", "plano", None, None, None) == "plano"
    assert encode_cell("progressive", "spherical", ("10", "-inf"), "0", None).count("10..-inf")


@pytest.mark.parametrize(
    "arguments",
    [
        ("toric", "spherical", None, "0", None),
        ("progressive", "round", None, "0", None),
        ("unknown", "spherical", None, None, None),
        ("unknown", "plano", None, None, None),
        ("plano", "spherical", None, None, None),
        ("progressive", "plano", None, None, None),
        ("progressive", "spherical", ("0", "2"), "0..1", None),
        ("progressive", "spherical", ("0", "2.1"), "0", None),
        ("progressive", "spherical", ("0", "x"), "0", None),
        ("progressive", "spherical", ("0", "NaN"), "0", None),
        ("progressive", "spherical", ("0", "Infinity"), "0", None),
        ("progressive", "spherical", ("0", "1e5"), "0", None),
    ],
)
def test_malformed_cells_are_refused(arguments: Any) -> None:
    with pytest.raises(EncodingError, match="cell: "):
        encode_cell(*arguments)


@pytest.mark.parametrize(
    ("tariff", "rate", "share"),
    [
        (5, 60, 3),
        (5, 50, 3),
        (5, 49, 2),
        (1, 50, 1),
        (1, 49, 0),
        (0, 60, 0),
        (5, 0, 0),
        (5, 100, 5),
    ],
)
def test_public_share_rounds_half_a_cent_up(tariff: int, rate: int, share: int) -> None:
    row = lens(base_tariff_cents=tariff)
    assert row.public_share_cents(rate) == share
    assert row.is_share_known


def test_an_unknown_tariff_is_no_share_and_says_so(table: Nomenclature) -> None:
    row = table.class_rows("V01", DAY)[0]
    assert row.public_share_cents(60) == 0
    assert not row.is_share_known


@pytest.mark.parametrize("rate", [-1, 101])
def test_rates_outside_a_percentage_are_refused(rate: int) -> None:
    with pytest.raises(StatementError, match="rate"):
        lens().public_share_cents(rate)


# --- contradictions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"regroupement": "v01"}, "malformed class code"),
        ({"regroupement": "VU1\n"}, "malformed class code"),
        ({"regroupement_status": "sure"}, "regroupement_status"),
        ({"scope": None}, "scope"),
        ({"kind": "glass"}, "kind is not one of"),
        ({"kind": None}, "kind is not one of"),
        ({"lens_type": "toric"}, "lens_type"),
        ({"lens_type": None}, "a lens has a lens type"),
        ({"cell": None}, "a lens has a lens type"),
        ({"cell": "multifocal/spherical"}, "a lens has a lens type"),
        ({"cell": "single_vision/Sph"}, "a lens has a lens type"),
        ({"cell": "unknown"}, "a lens has a lens type"),
        ({"lens_type": "unknown"}, "a lens has a lens type"),
        ({"lens_type": "unknown", "cell": "unknown/spherical"}, "unknown type has the cell"),
        ({"kind": "frame"}, "only a lens"),
        ({"price_class": "C"}, "price_class"),
        ({"max_age": -1}, "max_age"),
        ({"base_tariff_cents": -1}, "base_tariff_cents"),
        ({"base_tariff_cents": True}, "base_tariff_cents"),
        ({"price_limit_cents": 10_000_001}, "price_limit_cents"),
        ({"price_limit_cents": 1.0}, "price_limit_cents"),
        ({"valid_from": "2020-01-01"}, "valid_from"),
        ({"valid_to": "2020-01-01"}, "valid_to"),
        ({"valid_to": date(2019, 12, 31)}, "valid_to is before valid_from"),
        ({"period_status": "guess"}, "period_status"),
        ({"period_status": None}, "period_status"),
        ({"max_age": 151}, "max_age"),
    ],
)
def test_malformed_rows_are_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(StatementError, match=problem) as refusal:
        lens(**changes)
    assert str(LENS_CODE) not in str(refusal.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ("v01", "lens", "L", "A", "simple"),
        ("V01", "glass", "L", "A", "simple"),
        ("V01", "lens", "", "A", "simple"),
        ("V01", "lens", "L" * 2001, "A", "simple"),
        ("V01", "lens", "L", "C", "simple"),
        ("V01", "lens", "L", None, "simple"),
        ("V01", "lens", "L", "A", "hard"),
        ("V01", "lens", "L", "A", None),
        ("M01", "frame", "L", "A", "simple"),
    ],
)
def test_malformed_classes_are_refused(arguments: Any) -> None:
    with pytest.raises(StatementError, match="class"):
        RegroupementClass(*arguments)


def test_the_largest_values_of_rows_and_classes() -> None:
    assert lens(max_age=150).max_age == 150
    assert lens(price_limit_cents=10_000_000).price_limit_cents == 10_000_000
    assert len(RegroupementClass("V01", "lens", "L" * 2000, "A", "simple").label_fr) == 2000


def test_tables_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(StatementError, match="no such class"):
        small(lens(regroupement="VU2"))
    with pytest.raises(StatementError, match="not of family frame"):
        small(lens(regroupement="M03"))
    with pytest.raises(StatementError, match="another price class"):
        small(lens(price_class="A"))
    with pytest.raises(StatementError, match="no row"):
        small()
    with pytest.raises(StatementError, match="given twice"):
        Nomenclature("test", "text", [LENSES, LENSES], [lens()])
    with pytest.raises(StatementError, match="version"):
        Nomenclature("a b", "text", [LENSES], [lens()])
    with pytest.raises(StatementError, match="source"):
        Nomenclature("test", "", [LENSES], [lens()])


# --- the file -----------------------------------------------------------------------------------


def document() -> dict[str, Any]:
    table = small(lens(), lens(code=1101000), frame())
    loaded: dict[str, Any] = json.loads(table.to_bytes())
    return loaded


def parse(value: Any) -> Nomenclature:
    return Nomenclature.parse(json.dumps(value).encode())


def test_white_space_does_not_matter() -> None:
    assert parse(document()) == small(frame(), lens(code=1101000), lens())


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(target: Any) -> None:
        *parents, last = path.split(".")
        for step in parents:
            target = target[int(step) if step.isdigit() else step]
        target[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "error", "problem"),
    [
        (_set("extra", 1), EncodingError, "top level"),
        (_set("format", "clairobscur-nomenclature-2"), EncodingError, "format"),
        (_set("classes", {}), EncodingError, "classes: not a list"),
        (_set("groups", None), EncodingError, "groups: not a list"),
        (_set("groups", []), StatementError, "no row"),
        (_set("groups.0.extra", 1), EncodingError, r"groups\[0\]: keys"),
        (_set("classes.0.extra", 1), EncodingError, r"classes\[0\]: keys"),
        (_set("groups.1.codes", LENS_CODE), EncodingError, r"groups\[1\].codes: not a list"),
        (_set("groups.1.codes", [LENS_CODE, 1101000]), EncodingError, "canonical order"),
        (_set("groups.1.codes", [1101000, 2200336]), StatementError, "check digit"),
        (_set("groups.1.codes", [1101000, 1101000]), StatementError, "overlap"),
        (_set("groups.1.codes", ["1101000"]), StatementError, "check digit"),
        (_set("groups.0.valid_from", "20200101"), EncodingError, "valid_from: not a date"),
        (_set("groups.0.valid_from", None), EncodingError, "valid_from: not a date"),
        (_set("groups.0.valid_to", "2020-02-30"), EncodingError, "valid_to: not a date"),
        (_set("groups.0.kind", "glass"), StatementError, r"groups\[0\]: row of M03: kind"),
        (_set("version", 5), StatementError, "version"),
        (_set("classes.0.legal_level", "simple"), StatementError, "legal level"),
        (_set("classes.0.code", ["M03"]), StatementError, "malformed code"),
    ],
)
def test_files_that_are_refused(
    change: Callable[[Any], None], error: type[Exception], problem: str
) -> None:
    changed = document()
    change(changed)
    with pytest.raises(error, match=problem):
        parse(changed)


def test_other_orders_of_a_file_are_refused() -> None:
    for part in ("classes", "groups"):
        changed = document()
        changed[part].reverse()
        with pytest.raises(EncodingError, match="canonical order"):
            parse(changed)
    split = document()
    whole = split["groups"][1]
    split["groups"][1:2] = [whole | {"codes": [code]} for code in whole["codes"]]
    with pytest.raises(EncodingError, match="canonical order"):
        parse(split)


def test_bytes_that_are_no_table_are_refused() -> None:
    for data in (b"", b"[]", b"null", b"{}", b"\xff", b'{"a":1,"a":1}'):
        with pytest.raises(EncodingError):
            Nomenclature.parse(data)
    with pytest.raises(EncodingError, match="more than"):
        Nomenclature.parse(b" " * (MAX_NOMENCLATURE_BYTES + 1))


def test_a_table_equals_only_tables_of_the_same_digest(table: Nomenclature) -> None:
    again = Nomenclature.parse(table.to_bytes())
    assert again == table
    assert hash(again) == hash(table)
    other = Nomenclature("other", table.source, table.classes(), table.rows)
    assert other != table
    assert table != "2020-07"


# --- the script that derives the file -----------------------------------------------------------


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    path = ROOT / "scripts" / "build_nomenclature.py"
    specification = importlib.util.spec_from_file_location("build_nomenclature", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


CLASS_COLUMNS = ["code", "label_fr", "price_class", "legal_level"]
CODE_COLUMNS = [
    *("lpp_code", "scope", "kind", "type", "shape", "sphere_near", "sphere_far", "cylinder"),
    *("s_near", "s_far", "max_age", "price_class", "regroupement", "regroupement_status"),
    *("base_tariff_cents", "price_limit_cents", "valid_from", "valid_to"),
]
LENS_LINE = "2200335,generic,lens,single_vision,spherical,4.0,6.0,0,,,,B,VU1,derived,5,,{period}"


def write_tables(folder: Path, lens_line: str) -> list[str]:
    classes = [CLASS_COLUMNS, ["VU1", "VERRE, SIMPLE", "B", "simple"]]
    for name, lines in (("classes.csv", classes), ("codes.csv", [CODE_COLUMNS])):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(lines)
    with (folder / "codes.csv").open("a", encoding="utf-8") as file:
        file.write(lens_line + "\n")
    return [str(folder / name) for name in ("classes.csv", "codes.csv", "out.json")]


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("2020-01-01,2020-12-31", (date(2020, 1, 1), date(2020, 12, 31), "stated")),
        ("2020-01-01,", (date(2020, 1, 1), None, "stated")),
        (",", (date(2020, 7, 1), date(2021, 6, 30), "assumed")),
    ],
)
def test_the_script_derives_a_table(
    builder: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    period: str,
    expected: tuple[date, date | None, str],
) -> None:
    assert builder.main(write_tables(tmp_path, LENS_LINE.format(period=period))) == 0
    built = Nomenclature.parse((tmp_path / "out.json").read_bytes())
    valid_from, valid_to, status = expected
    wanted = lens(valid_from=valid_from, valid_to=valid_to, period_status=status)
    assert built.rows == (wanted,)
    assert built.regroupement_class("VU1").label_fr == "VERRE, SIMPLE"
    assert built.digest.hex() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (LENS_LINE.format(period=",2020-12-31"), "row 1: an end of validity without a start"),
        (LENS_LINE.format(period=",").replace("2200335", "2200336"), "row 1: row: the code"),
        (LENS_LINE.format(period=",").replace("6.0", ""), "row 1: a band with one end"),
        (LENS_LINE.format(period=",").replace("VU1", "VU2"), "class VU1: no code"),
        (LENS_LINE.format(period=",").replace("B,", "A,"), "another price class"),
    ],
)
def test_the_script_refuses_unusable_tables(
    builder: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    line: str,
    problem: str,
) -> None:
    assert builder.main(write_tables(tmp_path, line)) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_rows_are_immutable(table: Nomenclature) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.rows[0].code = 5  # type: ignore[misc]
