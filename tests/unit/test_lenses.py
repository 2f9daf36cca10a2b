"""From a correction to a cell, a class and a code: every correction, every band edge, every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import product
from typing import get_args

import pytest

from circuits.nomenclature import Nomenclature, PriceClass, Row, load_shipped, size_of
from circuits.slots import Correction
from optician.lenses import (
    LENS_TYPES,
    CodeError,
    LensType,
    NoLensError,
    cell_of,
    code_fits,
    correction_text,
    lens_offer,
    lens_types_of,
    plus_cylinder,
    read_code,
)
from zk.errors import StatementError

DAY = date(2021, 2, 1)
LAST_DAY_OF_GENERIC_CODES = date(2021, 6, 30)
INFINITY = 10**6


def quarters(dioptres: float) -> int:
    return round(4 * dioptres)


def correction(sphere: float, cylinder: float = 0, axis: int = 0) -> Correction:
    """From dioptres."""
    return Correction(quarters(sphere), quarters(cylinder), axis)


# -- what a cell's name says, read by another way than it is written ----------------------------


def power(text: str) -> int:
    """A band's end in quarters."""
    return {"inf": INFINITY, "-inf": -INFINITY}.get(text) or quarters(float(text))


def lies_in_band(value: int, band: str, *, is_zero_inside: bool = False) -> bool:
    """The near end outside, the far one inside."""
    near, far = (power(end) for end in band.split(".."))
    if value == near == 0 and is_zero_inside:
        return True
    return near < value <= far if near < far else far <= value < near


def lies_in(cell: str, lens_type: LensType, sphere: int, cylinder: int) -> bool:
    """Whether a correction in plus-cylinder notation lies in a cell of the table, by its name.

    Bands as ``docs/limitations.md`` reads them: a sphere of 0 beside a cylinder counts as minus, a
    multifocal or progressive lens without power lies in the band 0..2.
    """
    if cell == "plano":
        return lens_type == "single_vision" and sphere == cylinder == 0
    named_type, shape, *bands = cell.split("/")
    if named_type != lens_type:
        return False
    named = dict(band.split("=", 1) for band in bands)
    if shape == "spherical":
        is_zero = sphere == 0 and named["sphere"] == "0..2" and lens_type != "single_vision"
        return cylinder == 0 and (is_zero or lies_in_band(sphere, named["sphere"]))
    if shape == "spherocylindrical_plus":
        return cylinder > 0 and sphere > 0 and lies_in_band(sphere + cylinder, named["s"])
    is_large = cylinder > quarters(4)
    return (
        cylinder > 0
        and is_large == (named["cylinder"] == ">4")
        and lies_in_band(sphere, named["sphere"], is_zero_inside=True)
    )


@pytest.fixture(scope="module")
def cells() -> frozenset[str]:
    """Every cell of the shipped table."""
    return frozenset(row.cell for row in load_shipped().rows if row.cell is not None)


def every_correction() -> Iterator[tuple[int, int]]:
    """Sphere −20…+20, cylinder −8…+8, in quarters."""
    return product(range(-80, 81), range(-32, 33))


@pytest.mark.parametrize("lens_type", LENS_TYPES)
def test_every_correction_lies_in_exactly_one_cell_in_either_notation(
    cells: frozenset[str], lens_type: LensType
) -> None:
    candidates = [cell for cell in cells if cell == "plano" or cell.startswith(f"{lens_type}/")]
    met: Counter[str] = Counter()
    for sphere, cylinder in every_correction():
        given = Correction(sphere, cylinder, 30)
        cell = cell_of(lens_type, given)
        met[cell] += 1
        # The other notation: only what is plus can be written as minus here.
        other = Correction(sphere + cylinder, -cylinder, 120)
        assert cell_of(lens_type, other) == cell
        plus = (sphere, cylinder) if cylinder >= 0 else (sphere + cylinder, -cylinder)
        assert [name for name in candidates if lies_in(name, lens_type, *plus)] == [cell]
    # Every cell of the type is some correction's: nothing of the table is out of reach.
    expected = {cell for cell in candidates if cell != "plano" or lens_type == "single_vision"}
    assert set(met) == expected
    assert len(met) == (31 if lens_type == "single_vision" else 30)


def test_each_cell_is_of_one_class_and_every_code_of_it_agrees() -> None:
    table = load_shipped()
    rows_by_cell: dict[tuple[str | None, str | None], list[Row]] = {}
    for row in table.rows:
        if row.kind == "lens":
            rows_by_cell.setdefault((row.cell, row.price_class), []).append(row)
    looked_at = 0
    seen: set[tuple[LensType, str]] = set()
    for lens_type in LENS_TYPES:
        for sphere, cylinder in every_correction():
            given = Correction(sphere, cylinder)
            cell = cell_of(lens_type, given)
            if (lens_type, cell) in seen:
                continue
            seen.add((lens_type, cell))
            for price_class in get_args(PriceClass):
                offer = lens_offer(table, DAY, lens_type, given, price_class)
                rows = rows_by_cell.pop((cell, price_class))
                looked_at += len(rows)
                assert {row.regroupement for row in rows} == {offer.regroupement}
                assert offer.legal_level == table.legal_level(offer.regroupement)
                assert offer.cell == cell
                assert list(offer.codes) == sorted(rows, key=lambda row: row.code)
                assert offer.generic in rows
                assert offer.generic.scope == "generic"
                assert offer.size == size_of(table.class_rows(offer.regroupement, DAY))
    assert rows_by_cell == {}  # every lens of the table has been met
    assert looked_at == sum(row.kind == "lens" for row in table.rows) > 4000


# -- band edges, one by one -----------------------------------------------------------------------

SPHERE_EDGES = [
    # sphere, the band it lies in, the band of the next quarter away from 0
    (2, "0..2", "2..4"),
    (4, "2..4", "4..6"),
    (6, "4..6", "6..8"),
    (8, "6..8", "8..12"),
    (12, "8..12", "12..inf"),
    (-2, "0..-2", "-2..-4"),
    (-4, "-2..-4", "-4..-6"),
    (-6, "-4..-6", "-6..-8"),
    (-8, "-6..-8", "-8..-12"),
    (-12, "-8..-12", "-12..-inf"),
]


@pytest.mark.parametrize("lens_type", LENS_TYPES)
@pytest.mark.parametrize(("edge", "band", "beyond"), SPHERE_EDGES)
def test_edge_of_a_spherical_band(lens_type: LensType, edge: int, band: str, beyond: str) -> None:
    quarter = 0.25 if edge > 0 else -0.25
    assert cell_of(lens_type, correction(edge)) == f"{lens_type}/spherical/sphere={band}/cylinder=0"
    assert (
        cell_of(lens_type, correction(edge + quarter))
        == f"{lens_type}/spherical/sphere={beyond}/cylinder=0"
    )


@pytest.mark.parametrize("lens_type", LENS_TYPES)
@pytest.mark.parametrize("cylinder", ["0.25..4", ">4"])
@pytest.mark.parametrize(("edge", "band", "beyond"), SPHERE_EDGES[5:])
def test_edge_of_a_minus_sphere_beside_a_cylinder(
    lens_type: LensType, cylinder: str, edge: int, band: str, beyond: str
) -> None:
    start = f"{lens_type}/spherocylindrical_minus/sphere="
    power_of_cylinder = 4 if cylinder == "0.25..4" else 4.25
    at_edge = correction(edge, power_of_cylinder)
    assert cell_of(lens_type, at_edge) == f"{start}{band}/cylinder={cylinder}"
    further = correction(edge - 0.25, power_of_cylinder)
    assert cell_of(lens_type, further) == f"{start}{beyond}/cylinder={cylinder}"


@pytest.mark.parametrize("lens_type", LENS_TYPES)
@pytest.mark.parametrize(("edge", "band", "beyond"), SPHERE_EDGES[:5])
def test_edge_of_a_sum_of_plus_sphere_and_cylinder(
    lens_type: LensType, edge: int, band: str, beyond: str
) -> None:
    start = f"{lens_type}/spherocylindrical_plus/cylinder=any/s="
    for cylinder in (0.25, 1.0, edge - 0.25):  # however the sum is made up
        assert cell_of(lens_type, correction(edge - cylinder, cylinder)) == f"{start}{band}"
        further = correction(edge - cylinder + 0.25, cylinder)
        assert cell_of(lens_type, further) == f"{start}{beyond}"


@pytest.mark.parametrize("lens_type", LENS_TYPES)
@pytest.mark.parametrize(
    ("sphere", "cylinder", "expected"),
    [
        (0.25, 0, "spherical/sphere=0..2/cylinder=0"),
        (-0.25, 0, "spherical/sphere=0..-2/cylinder=0"),
        (0, 0.25, "spherocylindrical_minus/sphere=0..-2/cylinder=0.25..4"),
        (0, 4.25, "spherocylindrical_minus/sphere=0..-2/cylinder=>4"),
        (-0.25, 0.25, "spherocylindrical_minus/sphere=0..-2/cylinder=0.25..4"),
        (0.25, 0.25, "spherocylindrical_plus/cylinder=any/s=0..2"),
        # the same in minus-cylinder notation
        (0.25, -0.25, "spherocylindrical_minus/sphere=0..-2/cylinder=0.25..4"),
        (4.25, -4.25, "spherocylindrical_minus/sphere=0..-2/cylinder=>4"),
        (0.5, -0.25, "spherocylindrical_plus/cylinder=any/s=0..2"),
        (0, -0.25, "spherocylindrical_minus/sphere=0..-2/cylinder=0.25..4"),
    ],
)
def test_edges_at_zero(lens_type: LensType, sphere: float, cylinder: float, expected: str) -> None:
    assert cell_of(lens_type, correction(sphere, cylinder)) == f"{lens_type}/{expected}"


def test_the_cylinder_of_four_dioptres_is_the_last_of_its_band() -> None:
    start = "progressive/spherocylindrical_minus/sphere=-2..-4/cylinder="
    assert cell_of("progressive", correction(-3, 0.25)) == f"{start}0.25..4"
    assert cell_of("progressive", correction(-3, 4)) == f"{start}0.25..4"
    assert cell_of("progressive", correction(-3, 4.25)) == f"{start}>4"


def test_a_lens_without_power() -> None:
    assert cell_of("single_vision", Correction(0)) == "plano"
    for lens_type in ("multifocal", "progressive"):
        assert cell_of(lens_type, Correction(0)) == f"{lens_type}/spherical/sphere=0..2/cylinder=0"


def test_axis_and_addition_decide_nothing() -> None:
    plain = cell_of("progressive", Correction(-9, -2))
    for axis, addition in ((0, 8), (90, 4), (180, 14)):
        assert cell_of("progressive", Correction(-9, -2, axis, addition)) == plain


@pytest.mark.parametrize(("axis", "turned"), [(0, 90), (15, 105), (90, 180), (91, 1), (180, 90)])
def test_a_minus_cylinder_is_transposed(axis: int, turned: int) -> None:
    assert plus_cylinder(Correction(-9, -2, axis, 8)) == Correction(-11, 2, turned, 8)


def test_a_plus_cylinder_stays_as_it_is() -> None:
    for given in (Correction(-9, 2, 180), Correction(4, 0, 12, 3)):
        assert plus_cylinder(given) == given


def test_what_cannot_be_transposed_is_refused_without_a_value_and_has_a_cell() -> None:
    given = Correction(-500, -500)
    with pytest.raises(StatementError, match="sphere is not a power") as caught:
        plus_cylinder(given)
    assert "-500" not in str(caught.value)
    expected = "progressive/spherocylindrical_minus/sphere=-12..-inf/cylinder=>4"
    assert cell_of("progressive", given) == expected


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(StatementError, match="lens type"):
        cell_of("plano", Correction(0))  # type: ignore[arg-type]


# -- offers ---------------------------------------------------------------------------------------


def test_an_offer_names_the_one_generic_code() -> None:
    offer = lens_offer(load_shipped(), DAY, "progressive", correction(-4.5), "B")
    assert (offer.regroupement, offer.legal_level) == ("VM4", "very_complex")
    assert offer.generic is not None
    assert offer.generic.regroupement == "VM4"
    assert offer.size.cells == 16
    assert "VM4" not in repr(offer)


def altered(change: dict[int, Row]) -> Nomenclature:
    """The shipped table with some rows, by code, replaced."""
    table = load_shipped()
    rows = [change.get(row.code, row) for row in table.rows]
    return Nomenclature(table.version, table.source, table.classes(), rows)


def test_no_generic_code_is_offered_where_there_are_two_or_it_is_for_children() -> None:
    offer = lens_offer(load_shipped(), DAY, "progressive", correction(-4.5), "B")
    assert offer.generic is not None
    maker = next(row for row in offer.codes if row.scope == "manufacturer")
    for change in (
        {maker.code: replace(maker, scope="generic")},
        {offer.generic.code: replace(offer.generic, max_age=16)},
    ):
        found = lens_offer(altered(change), DAY, "progressive", correction(-4.5), "B")
        assert found.generic is None
        assert len(found.codes) == len(offer.codes)


def test_a_cell_without_a_lens_is_told_apart_from_a_day_without_a_table() -> None:
    table = load_shipped()
    generic = {row.code for row in table.rows if row.kind == "lens" and row.price_class == "B"}
    rows = [row for row in table.rows if row.code not in generic]
    classes = table.classes()
    without = Nomenclature(table.version, table.source, classes, rows)
    with pytest.raises(NoLensError):
        lens_offer(without, DAY, "progressive", correction(-4.5), "B")
    with pytest.raises(StatementError, match="not valid on 2021-07-01"):
        lens_offer(table, date(2021, 7, 1), "progressive", correction(-4.5), "B")
    last = lens_offer(table, LAST_DAY_OF_GENERIC_CODES, "progressive", correction(-4.5), "B")
    assert last.generic is not None


def test_a_table_that_spreads_a_cell_over_classes_is_refused() -> None:
    offer = lens_offer(load_shipped(), DAY, "progressive", correction(-4.5), "B")
    moved = replace(offer.codes[0], regroupement="VM1")
    with pytest.raises(StatementError, match="several classes"):
        lens_offer(altered({moved.code: moved}), DAY, "progressive", correction(-4.5), "B")


# -- codes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "7266675",
        " 7266675\r\n",
        "726 66 75",
        "7.266.675",
        "7\u00a0266\u202f675",
        "726-6675",
        "\x1d7266675",
        "]C17266675\x1d",
        "\x02]C07266675\x03\r",
    ],
)
def test_a_code_is_read_as_typed_or_scanned(text: str) -> None:
    assert read_code(text) == 7266675


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "code_malformed"),
        ("726667", "code_malformed"),
        ("72666750", "code_malformed"),
        ("72666x5", "code_malformed"),
        ("٧٢٦٦٦٧٥", "code_malformed"),
        ("+7266675", "code_malformed"),
        ("7266675" + " " * 64, "code_malformed"),
        ("7266676", "code_check_digit"),
        ("7266765", "code_check_digit"),
        ("0000000", "code_check_digit"),
    ],
)
def test_what_is_no_code_is_refused_without_repeating_it(text: str, problem: str) -> None:
    with pytest.raises(CodeError) as caught:
        read_code(text)
    assert caught.value.code == problem
    assert not text or text not in str(caught.value)


def test_every_code_of_the_table_can_be_typed() -> None:
    for row in load_shipped().rows:
        assert read_code(f"{row.code // 1000} {row.code % 1000:03d}") == row.code


def test_a_code_fits_the_corrections_of_its_cell_alone() -> None:
    table = load_shipped()
    row = table.row(7237538, DAY)  # progressive, spherical, −2 to −4
    assert lens_types_of(row) == ("progressive",)
    assert code_fits(row, "progressive", correction(-4))
    assert not code_fits(row, "progressive", correction(-4.25))
    assert not code_fits(row, "progressive", correction(-2))
    assert not code_fits(row, "multifocal", correction(-4))


@pytest.mark.parametrize("lens_type", ["multifocal", "progressive"])
def test_both_bands_at_zero_fit_a_lens_without_distance_power(lens_type: LensType) -> None:
    rows = {row.cell: row for row in load_shipped().rows if row.lens_type == lens_type}
    for band in ("0..2", "0..-2"):
        row = rows[f"{lens_type}/spherical/sphere={band}/cylinder=0"]
        assert code_fits(row, lens_type, Correction(0, 0, 0, 8))
    assert not code_fits(
        rows[f"{lens_type}/spherical/sphere=2..4/cylinder=0"], lens_type, Correction(0, 0, 0, 8)
    )


def test_the_types_of_other_codes() -> None:
    table = load_shipped()
    plano = next(row for row in table.rows if row.cell == "plano")
    frame = next(row for row in table.rows if row.kind == "frame")
    unknown = replace(plano, lens_type="unknown", cell="unknown")
    assert lens_types_of(plano) == ("single_vision",)
    assert lens_types_of(frame) == ()
    assert lens_types_of(unknown) == LENS_TYPES
    assert code_fits(unknown, "progressive", correction(-4))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (Correction(-9, 2, 85, 8), "-2.25 (+0.50) 85° Add 2.00"),
        (Correction(0), "0.00"),
        (Correction(11, -3, 180), "+2.75 (-0.75) 180°"),
    ],
)
def test_a_correction_as_the_trade_writes_it(given: Correction, text: str) -> None:
    assert correction_text(given) == text
