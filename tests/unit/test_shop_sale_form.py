"""The form of a new claim: what people type becomes the order, and mistakes are named."""

from __future__ import annotations

import pytest

from optician.order import SaleOrder
from optician.web.sale_form import (
    FIELDS,
    FieldError,
    SaleForm,
    axis_of,
    code_of,
    field_of,
    form_of,
    power_of,
    read_sale,
)
from pages.forms import Form, FormError
from tests.support.shopfront import SALE_FIELDS

LENS_CODE = "2210061"


def form(**changes: str) -> Form:
    return Form({name: (value,) for name, value in {**SALE_FIELDS, **changes}.items()})


def read(**changes: str) -> SaleOrder:
    typed, order = read_sale(form(**changes))
    assert order is not None, typed.errors
    return order


def errors(**changes: str) -> dict[str, str]:
    typed, order = read_sale(form(**changes))
    assert order is None
    found = {}
    for name, mistake in typed.errors.items():
        if isinstance(mistake, FieldError):
            found[name] = mistake.key
        else:
            assert isinstance(mistake, FormError)
            found[name] = mistake.code
    return found


# -- single fields --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "power"),
    [
        ("-2,25", "-2.25"),
        ("-2.25", "-2.25"),
        ("−2,25", "-2.25"),
        ("–2,25", "-2.25"),
        ("- 2,25", "-2.25"),
        ("+3", "3.00"),
        ("0", "0.00"),
        ("1,5", "1.50"),
        ("12,75", "12.75"),
        ("127,75", "127.75"),
    ],
)
def test_powers_as_people_write_them(text: str, power: str) -> None:
    assert power_of(text) == power


@pytest.mark.parametrize(
    "text", ["2,3", "2,20", "abc", "", "2,255", "--2", "2,25D", "128", "1e1", "٢", "2,,5", ",5"]
)
def test_what_is_no_power(text: str) -> None:
    with pytest.raises(FieldError) as caught:
        power_of(text)
    assert caught.value.key == "fix.power"


@pytest.mark.parametrize(("text", "axis"), [("0", 0), ("180", 180), ("85°", 85), (" 90 ", 90)])
def test_axes(text: str, axis: int) -> None:
    assert axis_of(text) == axis


@pytest.mark.parametrize("text", ["181", "-1", "8.5", "x", "٩", "0090"])
def test_what_is_no_axis(text: str) -> None:
    with pytest.raises(FieldError):
        axis_of(text)


@pytest.mark.parametrize("text", [LENS_CODE, "2 210 061", "22.100.61", "2210061 "])
def test_codes_typed_or_scanned(text: str) -> None:
    assert code_of(text) == int(LENS_CODE)


@pytest.mark.parametrize("text", ["2210062", "221006", "22100611", "VM4"])
def test_what_is_no_code(text: str) -> None:
    with pytest.raises(FieldError) as caught:
        code_of(text)
    assert text not in str(caught.value)


# -- the whole form ----------------------------------------------------------------------------


def test_a_sale_by_correction() -> None:
    order = read()
    assert order.insurer_id == "ocam-exemple"
    assert order.contract_id == "responsable-2020"
    assert order.date_of_service.isoformat() == "2020-10-05"
    assert order.statement == "least"
    assert order.amounts is None
    right, left, frame = order.right_lens, order.left_lens, order.frame
    assert right is not None
    assert left is not None
    assert frame is not None
    assert (right.code, right.lens_type, right.price_class) == (None, "progressive", "A")
    assert right.correction is not None
    assert (right.correction.sphere, right.correction.cylinder) == (-9, -2)
    assert (right.correction.axis, right.correction.addition) == (85, 8)
    assert (right.price_cents, left.price_cents, frame.price_cents) == (15000, 14950, 11900)
    assert (frame.code, frame.regroupement) == (None, "M03")


def test_a_code_goes_before_correction_and_class() -> None:
    empty = dict.fromkeys(("right_sphere", "right_cylinder", "right_axis", "right_addition"), "")
    order = read(right_code=LENS_CODE, frame_code="2264861", frame_class="", **empty)
    assert order.right_lens is not None
    assert order.frame is not None
    assert order.right_lens.code == int(LENS_CODE)
    assert order.right_lens.correction is None
    assert order.right_lens.lens_type is None
    assert (order.frame.code, order.frame.regroupement) == (2264861, None)


def test_supplements_amounts_ground_and_statement() -> None:
    order = read(
        supplement_1_class="S01",
        supplement_1_price="10",
        supplement_3_code="2264223",
        supplement_3_price="12,50",
        lenses_amount="200",
        frame_amount="50",
        ground="change_of_vision",
        statement="equipment",
    )
    assert [item.regroupement for item in order.supplements] == ["S01", None]
    assert [item.price_cents for item in order.supplements] == [1000, 1250]
    assert order.amounts is not None
    assert (order.amounts.lenses_cents, order.amounts.frame_cents) == (20000, 5000)
    assert (order.early_renewal_ground, order.statement) == ("change_of_vision", "equipment")


def test_one_article_alone() -> None:
    order = read(kind="single", item_code=LENS_CODE, item_price="150")
    assert order.statement == "line"
    assert order.item is not None
    assert (order.item.code, order.right_lens, order.frame) == (int(LENS_CODE), None, None)
    by_correction = read(kind="single", item_sphere="-1", item_addition="2", item_price="150")
    assert by_correction.item is not None
    assert by_correction.item.lens_type == "progressive"


def test_a_sale_without_a_number_gets_one_of_its_own() -> None:
    first, second = read(sale_id=""), read(sale_id="")
    assert first.sale_id != second.sale_id


def test_an_empty_form_is_told_field_by_field_in_the_order_of_the_page() -> None:
    typed, order = read_sale(Form({"kind": ("whole",)}))
    assert order is None
    assert list(typed.errors) == [
        *("contract", "date", "beneficiary", "lens_type", "price_class"),
        *("right_sphere", "right_price", "left_sphere", "left_price"),
        *("frame_class", "frame_price"),
    ]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"contract": "nonsense"}, {"contract": "fix.choose"}),
        ({"date": "32/10/2020"}, {"date": "day_invalid"}),
        ({"date": "10/2020"}, {"date": "day_invalid"}),
        ({"beneficiary": "1 85 05 78 006 084"}, {"beneficiary": "fix.beneficiary"}),
        ({"sale_id": "V 118"}, {"sale_id": "fix.sale_id"}),
        ({"lens_type": "bifocal"}, {"lens_type": "fix.choose"}),
        ({"right_sphere": ""}, {"right_sphere": "field_missing"}),
        ({"left_cylinder": "-0,3"}, {"left_cylinder": "fix.power"}),
        ({"left_axis": "200"}, {"left_axis": "fix.axis"}),
        ({"right_price": "-5"}, {"right_price": "amount_invalid"}),
        ({"right_price": "999999999"}, {"right_price": "number_out_of_range"}),
        ({"right_code": "2210062"}, {"right_code": "fix.code"}),
        ({"frame_class": "V01"}, {"frame_class": "fix.choose"}),
        ({"supplement_2_price": "10"}, {"supplement_2_class": "field_missing"}),
        ({"lenses_amount": "100"}, {"frame_amount": "field_missing"}),
        ({"statement": "line"}, {"statement": "fix.choose"}),
    ],
)
def test_each_mistake_is_named_at_its_field(changes: dict[str, str], found: dict[str, str]) -> None:
    read()  # the accept that this changes
    assert errors(**changes) == found


def test_a_form_that_is_not_the_pages_is_refused() -> None:
    with pytest.raises(FormError) as caught:
        read_sale(form(more="1"))
    assert caught.value.code == "field_unknown"
    with pytest.raises(FormError):
        read_sale(form(kind="other"))


def test_neither_form_nor_draft_shows_what_was_typed() -> None:
    typed, _ = read_sale(form(beneficiary="wrong"))
    assert "2,25" not in repr(typed)
    assert "wrong" not in repr(typed)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"right_code": LENS_CODE, "statement": "pair", "ground": "change_of_vision"},
        {
            "supplement_1_class": "S01",
            "supplement_1_price": "10",
            "lenses_amount": "1",
            "frame_amount": "0",
        },
        {"kind": "single", "item_code": LENS_CODE, "item_price": "150"},
        {"kind": "single", "item_sphere": "+1,25", "item_addition": "2", "item_price": "0,5"},
    ],
)
def test_a_sale_that_is_corrected_comes_back_as_it_was(changes: dict[str, str]) -> None:
    order = read(**changes)
    again = form_of(order, order.sale_id)
    assert isinstance(again, SaleForm)
    fields = {name: (value,) for name, value in again.values.items()}
    typed, order_again = read_sale(Form(fields | {"kind": (again.kind,)}))
    assert typed.errors == {}
    assert order_again == order


@pytest.mark.parametrize(
    ("place", "field"),
    [
        ("right_lens", "right_sphere"),
        ("left_lens.correction.addition", "left_addition"),
        ("right_lens.price_cents", "right_price"),
        ("frame", "frame_class"),
        ("supplements.1", "supplement_2_class"),
        ("supplements.0.price_cents", "supplement_1_price"),
        ("item", "item_sphere"),
        ("date_of_service", "date"),
        ("contract_id", "contract"),
        ("insurer_id", "contract"),
        ("early_renewal_ground", "ground"),
        ("amounts.frame_cents", "lenses_amount"),
        ("statement", "statement"),
        ("whatever", "contract"),
    ],
)
def test_a_place_of_the_order_is_a_field_of_the_form(place: str, field: str) -> None:
    assert field_of(place, {}) == field
    assert field in FIELDS


def test_a_code_that_was_typed_is_to_blame_before_the_rest() -> None:
    typed = {"right_code": LENS_CODE, "frame_code": "1"}
    assert field_of("right_lens", typed) == "right_code"
    assert field_of("frame", typed) == "frame_code"
