"""Sales: powers, articles, and which documents are none."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.document import MAX_PRICE_CENTS
from circuits.items import Article
from circuits.slots import Correction
from optician.sale import MAX_SALE_BYTES, Sale, parse_power, parse_sale
from tests.support.claims import sale_document
from zk.errors import EncodingError, StatementError


def parse(document: Any) -> Sale:
    return parse_sale(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("text", "quarters"),
    [
        ("0", 0),
        ("-0", 0),
        ("2", 8),
        ("+2.00", 8),
        ("-2.25", -9),
        ("-0.25", -1),
        ("0.5", 2),
        ("0.50", 2),
        ("0.75", 3),
        ("12.0", 48),
        ("127.75", 511),
        ("-128", -512),
    ],
)
def test_powers_are_quarter_dioptres(text: str, quarters: int) -> None:
    assert parse_power(text) == quarters


@given(quarters=st.integers(-512, 511))
def test_every_power_is_read_as_it_is_written(quarters: int) -> None:
    assert parse_power(f"{quarters / 4:+.2f}") == quarters
    assert parse_power(f"{quarters / 4:.2f}") == quarters


@pytest.mark.parametrize(
    "text", ["", "+", "2.3", "2.1", "2.251", ".5", "2.", "2,25", " 2", "1e1", "٢", "1000", "--1"]
)
def test_what_is_no_power(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a power in steps of 0\.25"):
        parse_power(text)


def test_a_power_is_a_text_and_never_a_number() -> None:
    # -9 could be dioptres or quarters of them.
    for value in (-9, 0, True, None, ["-9"]):
        with pytest.raises(ValueError, match="a text expected"):
            parse_power(value)
    document = copy.deepcopy(sale_document("line"))
    document["item"]["correction"]["sphere"] = -9
    with pytest.raises(StatementError, match=r"item\.correction\.sphere: a text expected"):
        parse_sale(json.dumps(document).encode())


def test_an_equipment_has_its_articles_in_the_order_of_the_lines() -> None:
    document = sale_document(supplements=("SV3", "SV3"))
    sale = parse(document)
    codes = [item.code for item in sale.items()]
    assert codes == [
        document["right_lens"]["code"],
        document["left_lens"]["code"],
        document["frame"]["code"],
        *(item["code"] for item in document["supplements"]),
    ]
    assert sale.statement == "equipment"
    assert sale.items()[0].article() == Article(codes[0], 21_950, Correction(-9, -2, 85, 8))
    assert sale.items()[2].article() == Article(codes[2], 11_900)


def test_defaults() -> None:
    document = sale_document()
    del document["statement"]
    sale = parse(document)
    assert (sale.statement, sale.claim_id, sale.amounts) == ("equipment", None, None)
    assert sale.early_renewal_ground is None
    assert parse(sale_document("line")).items() == [parse(sale_document("line")).item]


@pytest.mark.parametrize(
    ("statement", "changes", "words"),
    [
        ("line", {"item": None}, "has an item and nothing else"),
        ("line", {"frame": sale_document()["frame"]}, "has an item and nothing else"),
        ("line", {"supplements": [sale_document()["frame"]]}, "has an item and nothing else"),
        ("line", {"amounts": {"lenses_cents": 0, "frame_cents": 0}}, "an item and nothing else"),
        ("equipment", {"frame": None}, "has right_lens, left_lens and frame"),
        ("equipment", {"right_lens": None}, "has right_lens, left_lens and frame"),
        ("pair", {"left_lens": None}, "has right_lens, left_lens and frame"),
        ("pair", {"item": sale_document()["frame"]}, "and no item"),
        ("equipment", {"supplements": [sale_document()["frame"]] * 5}, "supplements"),
        ("equipment", {"format_version": 2}, "format_version"),
        ("equipment", {"format_version": True}, "format_version"),
        ("equipment", {"statement": "everything"}, "statement"),
        ("equipment", {"date_of_service": "2020-02-30"}, "no such day"),
        ("equipment", {"date_of_service": "05/10/2020"}, "date_of_service"),
        ("equipment", {"beneficiary": "short"}, "beneficiary"),
        ("equipment", {"beneficiary": "1 85 05 78 006 084 91"}, "beneficiary"),
        ("equipment", {"claim_id": "-starts-with-a-dash"}, "claim_id"),
        ("equipment", {"early_renewal_ground": ""}, "early_renewal_ground"),
        ("equipment", {"early_renewal_ground": "change of vision"}, "early_renewal_ground"),
        ("equipment", {"colour": "red"}, "colour: unknown field"),
        ("equipment", {"amounts": {"lenses_cents": -1, "frame_cents": 0}}, "amounts.lenses_cents"),
    ],
)
def test_what_is_no_sale(statement: Any, changes: dict[str, Any], words: str) -> None:
    parse(sale_document(statement))  # the accept that is changed
    with pytest.raises(StatementError, match=words):
        parse(sale_document(statement) | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"price_cents": -1}, "price_cents"),
        ({"price_cents": MAX_PRICE_CENTS + 1}, "price_cents"),
        ({"price_cents": "21950"}, "price_cents"),
        ({"price_cents": None}, "price_cents"),
        ({"code": 10_000_000}, "code"),
        ({"code": "2202430"}, "code"),
        ({"correction": {}}, "correction.sphere"),
        ({"correction": {"sphere": "2.1"}}, "correction.sphere"),
        ({"correction": {"sphere": "128"}}, "correction.sphere"),
        ({"correction": {"sphere": "1", "axis": 181}}, "correction.axis"),
        ({"correction": {"sphere": "1", "prism": "1"}}, "prism: unknown field"),
    ],
)
def test_what_is_no_article(changes: dict[str, Any], words: str) -> None:
    document = sale_document()
    document["right_lens"] = document["right_lens"] | changes
    with pytest.raises(StatementError, match=f"right_lens.*{words}"):
        parse(document)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"{", b'{"a":1,"a":2}', b'{"a":1.5}', b" " * (MAX_SALE_BYTES + 1)],
)
def test_what_is_no_json_object(data: bytes) -> None:
    with pytest.raises(EncodingError, match="sale: "):
        parse_sale(data)


def test_the_repr_shows_no_code_no_price_and_no_correction() -> None:
    document = sale_document(supplements=("SV3",))
    sale = parse(document)
    for text in (repr(sale), str(sale), repr(sale.items()), repr(sale.items()[0].article())):
        for item in (document["right_lens"], document["frame"], document["supplements"][0]):
            assert str(item["code"]) not in text
            assert str(item["price_cents"]) not in text
        assert "sphere" not in text
        assert "axis" not in text
