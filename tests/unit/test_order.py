"""Sale orders: what they become, and why some become nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any, get_args

import pytest

from circuits.contract import Contract, load_sample
from circuits.nomenclature import Nomenclature, load_shipped
from optician.lenses import cell_of
from optician.messages import MESSAGES, ORDER_PROBLEMS
from optician.order import (
    MAX_ORDER_BYTES,
    OrderError,
    OrderProblem,
    OrderWarningKey,
    SaleOrder,
    order_warnings,
    parse_order,
    to_sale,
)
from optician.sale import Sale
from tests.support.orders import LEFT, RIGHT, order_document, sample_order
from zk.errors import EncodingError, StatementError

TABLE = load_shipped()
CONTRACT = load_sample("responsable")
DAY = date(2021, 2, 2)
NO_ARTICLES: dict[str, Any] = dict.fromkeys(("right_lens", "left_lens", "frame"))
FRAME = {"code": 7220957, "price_cents": 16_500}


def sale_of(contract: Contract = CONTRACT, table: Nomenclature = TABLE, **changes: Any) -> Sale:
    return to_sale(sample_order(**changes), table, contract)


def classes_of(sale: Sale) -> list[str]:
    return [TABLE.row(item.code, DAY).regroupement for item in sale.items()]


def test_lenses_are_chosen_by_their_corrections() -> None:
    sale = sale_of()
    assert classes_of(sale) == ["VM4", "VM2", "M03"]
    assert sale.statement == "equipment"
    for lens in (sale.right_lens, sale.left_lens):
        assert lens is not None
        assert lens.correction is not None
        row = TABLE.row(lens.code, DAY)
        assert row.scope == "generic"
        assert row.cell == cell_of("progressive", lens.correction.correction())
    assert sale.frame is not None
    assert (sale.frame.code, sale.frame.price_cents) == (7220957, 16_500)
    assert sale.claim_id is None


def test_codes_stay_as_they_are_given() -> None:
    right = {"code": 7237538, "price_cents": 33_000}
    sale = sale_of(right_lens=right, left_lens=right | {"code": "7 237 538"})
    assert [item.code for item in sale.items()[:2]] == [7237538, 7237538]


def test_other_articles_are_chosen_by_their_classes() -> None:
    supplements = [{"regroupement": name, "price_cents": 800} for name in ("SV1", "MS2")]
    for frame in ("M01", "M02", "M03", "M04"):
        sale = sale_of(frame={"regroupement": frame, "price_cents": 3_000}, supplements=supplements)
        assert classes_of(sale)[2:] == [frame, "SV1", "MS2"]
        assert all(TABLE.row(item.code, DAY).scope == "generic" for item in sale.items())


@pytest.mark.parametrize(
    ("item", "regroupement"),
    [
        (RIGHT, "VM4"),
        ({"regroupement": "M03", "price_cents": 100}, "M03"),
        ({"code": 7220957, "price_cents": 100}, "M03"),
    ],
)
def test_an_item_stands_alone(item: dict[str, Any], regroupement: str) -> None:
    for statement in ("line", "least"):
        sale = sale_of(item=item, statement=statement, **NO_ARTICLES)
        assert sale.statement == "line"
        assert classes_of(sale) == [regroupement]


@pytest.mark.parametrize(
    ("allowed", "chosen"),
    [
        (("line", "equipment", "pair"), "pair"),
        (("equipment",), "equipment"),
        (("line", "equipment"), "equipment"),
    ],
)
def test_least_is_the_pair_where_the_contract_allows_it(
    allowed: tuple[str, ...], chosen: str
) -> None:
    contract = CONTRACT.model_copy(update={"statements": allowed})
    assert sale_of(contract, statement="least").statement == chosen


def test_amounts_and_ground_are_handed_on() -> None:
    sale = sale_of(
        amounts={"lenses_cents": 100, "frame_cents": 50}, early_renewal_ground="change_of_vision"
    )
    assert sale.amounts is not None
    assert (sale.amounts.lenses_cents, sale.amounts.frame_cents) == (100, 50)
    assert sale.early_renewal_ground == "change_of_vision"


# -- refusals, each of one change to the order above ----------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"contract_id": "another"}, "contract_other", "contract_id"),
        ({"insurer_id": "another"}, "contract_other", "insurer_id"),
        ({"date_of_service": "2021-07-01"}, "contract_not_in_force", "date_of_service"),
        (
            {"early_renewal_ground": "another"},
            "ground_not_allowed",
            "early_renewal_ground",
        ),
        ({"right_lens": {"price_cents": 1}}, "code_needed", "right_lens"),
        ({"right_lens": {"regroupement": "VM4", "price_cents": 1}}, "code_needed", "right_lens"),
        ({"frame": {"price_cents": 1}}, "code_needed", "frame"),
        ({"frame": {"regroupement": "VU7", "price_cents": 1}}, "code_needed", "frame"),
        ({"frame": {"regroupement": "M09", "price_cents": 1}}, "no_such_class", "frame"),
        ({"supplements": [{"price_cents": 1}]}, "code_needed", "supplements.0"),
        # eight generic codes
        (
            {"supplements": [FRAME | {"code": 2226435}, {"regroupement": "SV3", "price_cents": 1}]},
            "code_needed",
            "supplements.1",
        ),
        ({"right_lens": RIGHT | {"code": 7237539}}, "code_check_digit", "right_lens"),
        ({"right_lens": RIGHT | {"code": 1000002}}, "code_unknown", "right_lens"),
        ({"right_lens": FRAME}, "not_a_lens", "right_lens"),
        ({"left_lens": FRAME}, "not_a_lens", "left_lens"),
        ({"frame": {"code": 7237538, "price_cents": 1}}, "not_a_frame", "frame"),
        ({"frame": RIGHT}, "not_a_frame", "frame"),
        ({"supplements": [FRAME]}, "not_a_supplement", "supplements.0"),
        ({"frame": FRAME | {"correction": {"sphere": "1"}}}, "not_a_lens", "frame"),
        ({"left_lens": LEFT | {"lens_type": None}}, "lens_incomplete", "left_lens"),
        ({"left_lens": LEFT | {"price_class": None}}, "lens_incomplete", "left_lens"),
        ({"left_lens": LEFT | {"correction": None}}, "lens_incomplete", "left_lens"),
        ({"left_lens": LEFT | {"lens_type": "single_vision"}}, "addition_superfluous", "left_lens"),
        ({"left_lens": LEFT | {"correction": {"sphere": "1"}}}, "addition_missing", "left_lens"),
        ({"left_lens": LEFT | {"price_class": "A"}}, "price_classes_differ", "left_lens"),
    ],
)
def test_what_becomes_no_sale(changes: dict[str, Any], code: str, place: str) -> None:
    assert sale_of() is not None
    with pytest.raises(OrderError) as caught:
        sale_of(**changes)
    assert (caught.value.code, caught.value.place) == (code, place)
    assert str(caught.value).startswith(f"order: {place}: ")


def test_a_statement_that_the_contract_does_not_allow() -> None:
    contract = CONTRACT.model_copy(update={"statements": ("line",)})
    for statement in ("equipment", "pair", "least"):
        with pytest.raises(OrderError) as caught:
            sale_of(contract, statement=statement)
        assert (caught.value.code, caught.value.place) == ("statement_not_allowed", "statement")


def test_a_day_that_the_table_does_not_know() -> None:
    contract = CONTRACT.model_copy(update={"valid_to": date(2030, 1, 1)})
    with pytest.raises(OrderError) as caught:
        sale_of(contract, date_of_service="2021-07-01")
    assert caught.value.code == "table_not_in_force"


def test_a_table_without_such_a_lens() -> None:
    rows = [row for row in TABLE.rows if row.regroupement != "VM2"]
    table = Nomenclature(TABLE.version, TABLE.source, TABLE.classes(), rows)
    with pytest.raises(OrderError) as caught:
        sale_of(table=table)
    assert (caught.value.code, caught.value.place) == ("no_such_lens", "left_lens")


def test_without_a_generic_code_the_maker_s_is_asked_for() -> None:
    # As after July 2021, when every code is a manufacturer's.
    rows = [replace(row, scope="manufacturer") for row in TABLE.rows]
    table = Nomenclature(TABLE.version, TABLE.source, TABLE.classes(), rows)
    with pytest.raises(OrderError) as caught:
        sale_of(table=table)
    assert (caught.value.code, caught.value.place) == ("code_needed", "right_lens")


def test_each_problem_has_words_and_a_test() -> None:
    problems = set(get_args(OrderProblem))
    assert set(ORDER_PROBLEMS) == problems
    assert set(get_args(OrderWarningKey)) <= MESSAGES.keys()
    marks = test_what_becomes_no_sale.pytestmark
    tested = {code for _, code, _ in marks[0].args[1]}
    elsewhere = {"statement_not_allowed", "table_not_in_force", "no_such_lens"}
    assert tested | elsewhere == problems


# -- warnings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"right_lens": RIGHT | {"code": 7237538}}, []),
        (
            {"right_lens": RIGHT | {"code": 7237538, "lens_type": "multifocal"}},
            [("code_lens_type", "right_lens")],
        ),
        (
            {"right_lens": RIGHT | {"code": 7237538, "price_class": "A"}},
            [("code_price_class", "right_lens")],
        ),
        ({"right_lens": RIGHT | {"regroupement": "VM1"}}, [("code_class", "right_lens")]),
        ({"frame": FRAME | {"regroupement": "M01"}}, [("code_class", "frame")]),
        ({"frame": FRAME | {"price_class": "A"}}, [("code_price_class", "frame")]),
        ({"frame": FRAME | {"regroupement": "M03", "price_class": "B"}}, []),
    ],
)
def test_what_contradicts_a_code(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    found = order_warnings(sample_order(**changes), TABLE)
    assert [(warning.key, warning.place) for warning in found] == expected


# -- documents ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sale_id": None}, "sale_id"),
        ({"sale_id": "a b"}, "sale_id"),
        ({"statement": "most"}, "statement"),
        ({"statement": "line"}, "for an item alone"),
        ({"frame": None}, "right_lens, left_lens and frame"),
        ({"item": RIGHT}, "an item and nothing else"),
        ({"item": RIGHT, **NO_ARTICLES, "statement": "equipment"}, "line or least"),
        ({"item": RIGHT, **NO_ARTICLES, "supplements": [FRAME]}, "an item and nothing else"),
        ({"supplements": [FRAME] * 5}, "supplements"),
        ({"right_lens": RIGHT | {"code": "7237539"}}, r"right_lens\.code: the code's check digit"),
        ({"right_lens": RIGHT | {"code": "72375"}}, r"right_lens\.code: the code is not seven"),
        ({"right_lens": RIGHT | {"code": 10_000_000}}, r"right_lens\.code"),
        ({"right_lens": RIGHT | {"code": True}}, r"right_lens\.code"),
        ({"right_lens": RIGHT | {"lens_type": "plano"}}, r"right_lens\.lens_type"),
        ({"right_lens": RIGHT | {"price_cents": -1}}, r"right_lens\.price_cents"),
        ({"right_lens": RIGHT | {"regroupement": "vm4"}}, r"right_lens\.regroupement"),
        ({"right_lens": RIGHT | {"correction": {"sphere": -9}}}, r"correction\.sphere: a text"),
        ({"claim_id": "mine"}, "claim_id: unknown field"),
    ],
)
def test_documents_that_are_no_order(changes: dict[str, Any], message: str) -> None:
    assert sample_order() is not None
    with pytest.raises(StatementError, match=message) as caught:
        sample_order(**changes)
    assert "7237539" not in str(caught.value)


def test_what_is_no_json_object_or_too_long() -> None:
    for data in (b"", b"[]", b"{", b'{"sale_id": 1, "sale_id": 2}', b" " * (MAX_ORDER_BYTES + 1)):
        with pytest.raises(EncodingError, match="order"):
            parse_order(data)


def test_no_repr_shows_anything() -> None:
    order = sample_order()
    assert repr(order) == "SaleOrder()"
    assert repr(order.right_lens) == "OrderItem()"
    assert "7220957" not in f"{order!s} {order.frame!s}"


def test_only_what_is_needed_has_to_be_given() -> None:
    document = order_document()
    for name in ("insurer_id", "statement"):
        del document[name]
    order = parse_order(json.dumps(document).encode())
    assert isinstance(order, SaleOrder)
    assert (order.insurer_id, order.statement, order.supplements) == (None, "least", ())
