"""The JSON Schemas of docs/schemas are the models', and take what the readers take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from optician.order import parse_order
from optician.sale import parse_sale
from scripts.make_schemas import FOLDER, SCHEMAS, main, schema_of
from tests.fuzz.corpus import read_corpus
from tests.support.commands import EXAMPLES
from tests.support.orders import LEFT, RIGHT, order_document
from zk.errors import ZkError

FRAME = {"code": 7220957, "price_cents": 16_500}
NO_ARTICLES: dict[str, Any] = dict.fromkeys(("right_lens", "left_lens", "frame"))


def is_valid(name: str, document: Any) -> bool:
    validator = jsonschema_rs.validator_for(schema_of(name), validate_formats=True)
    return bool(validator.is_valid(document))


def is_order(document: Any) -> bool:
    try:
        parse_order(json.dumps(document).encode())
    except ZkError:
        return False
    return True


def test_the_folder_holds_what_the_models_say(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    stored = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert made == stored, "python -m scripts.make_schemas"
    assert made.keys() == {f"{name}.json" for name in SCHEMAS}


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_is_a_schema(name: str) -> None:
    jsonschema_rs.meta.validate(schema_of(name))
    assert not is_valid(name, {})


def test_sales_and_orders_are_valid() -> None:
    for path in (EXAMPLES / "sales").iterdir():
        assert is_valid("sale", json.loads(path.read_bytes())), path.name
    for seed, data in read_corpus("sale").items():
        parse_sale(data)
        assert is_valid("sale", json.loads(data)), seed
    for seed, data in read_corpus("order").items():
        assert is_valid("sale-order", json.loads(data)), seed


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"insurer_id": None, "amounts": {"lenses_cents": 1, "frame_cents": 0}},
        {"item": RIGHT, **NO_ARTICLES, "statement": "line"},
        {"right_lens": LEFT | {"code": " 7 237 538\r\n"}},
    ],
)
def test_what_the_reader_takes_is_valid(changes: dict[str, Any]) -> None:
    document = order_document(**changes)
    assert is_order(document)
    assert is_valid("sale-order", document)


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": 2},
        {"sale_id": None},
        {"sale_id": "a b"},
        {"beneficiary": "short"},
        {"date_of_service": "2 February"},
        {"statement": "most"},
        {"statement": "line"},
        {"frame": None},
        {"item": RIGHT},
        {"item": RIGHT, **NO_ARTICLES, "statement": "equipment"},
        {"item": RIGHT, **NO_ARTICLES, "statement": "line", "supplements": [FRAME]},
        {"supplements": [FRAME] * 5},
        {"right_lens": RIGHT | {"code": 723}},
        {"right_lens": RIGHT | {"lens_type": "plano"}},
        {"right_lens": RIGHT | {"price_cents": -1}},
        {"right_lens": RIGHT | {"price_cents": 10.5}},
        {"right_lens": RIGHT | {"regroupement": "vm4"}},
        {"right_lens": RIGHT | {"correction": {"sphere": -2.25}}},
        {"right_lens": RIGHT | {"correction": {"sphere": "-2.30"}}},
        {"right_lens": RIGHT | {"correction": {}}},
        {"unknown": 1},
    ],
)
def test_what_is_not_valid_is_refused_by_the_reader_too(changes: dict[str, Any]) -> None:
    document = order_document(**changes)
    assert not is_valid("sale-order", document)
    # A code that is no LPP code is told when the sale is made, by its check digit.
    assert not is_order(document) or changes == {"right_lens": RIGHT | {"code": 723}}
