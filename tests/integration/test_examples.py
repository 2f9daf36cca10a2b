"""Every example sale goes through both commands, and every lie about it is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from circuits.nomenclature import load_shipped
from tests.support.commands import EXAMPLES, ROOT, Console

pytestmark = pytest.mark.integration

NAMES = sorted(path.stem for path in (EXAMPLES / "sales").glob("*.json"))


def read_table() -> dict[str, list[str]]:
    """The table of the examples' README by sale: contract, classes, …, amounts."""
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if re.match(r"\| [a-z]+(-[a-z]+)* \|", line)
    ]
    return {row[0]: row[1:] for row in rows[1:]}


TABLE = read_table()


def sale_path(name: str) -> Path:
    return EXAMPLES / "sales" / f"{name}.json"


def contract_path(name: str) -> Path:
    return EXAMPLES / "contracts" / f"{TABLE[name][0]}.json"


def prove(shop: Console, name: str, sale: Path | None = None, **options: Path) -> Any:
    return shop.optician(
        *("prove", sale or sale_path(name), "--contract", contract_path(name), "--json"),
        *("--key", "key.json", "--out", "claim.json", "--openings", "openings.json"),
        *(part for option, value in options.items() for part in (f"--{option}", value)),
    )


def check(shop: Console, name: str) -> Any:
    return shop.verifier(
        *("check", "claim.json", "--contract", contract_path(name)),
        *("--optician-keys", "keys.json", "--json"),
    )


def test_the_table_names_every_sale_and_both_contracts_are_the_shipped_ones() -> None:
    assert sorted(TABLE) == NAMES
    assert len(NAMES) == 7
    shipped = ROOT / "circuits" / "data" / "contracts"
    for path in shipped.iterdir():
        assert (EXAMPLES / "contracts" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_each_example_is_accepted_and_tells_what_its_readme_says(shop: Console, name: str) -> None:
    done = prove(shop, name)
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    verdict = check(shop, name)
    assert verdict.code == 0, verdict.out
    assert json.loads(verdict.out)["verdict"] == "accepted"

    _, lenses, frame, supplements, level, lenses_cents, frame_cents = TABLE[name]
    classes = [line["regroupement"] for line in facts["lines"]]
    assert (", ".join(classes[:2]) if classes[0] else "hidden") == lenses
    assert [classes[2], ", ".join(classes[3:])] == [frame, supplements]
    assert facts["amounts"] == {
        "lenses_cents": int(lenses_cents),
        "frame_cents": int(frame_cents),
    }
    table = load_shipped()
    if facts["level"] is None:
        levels = {table.legal_level(regroupement) for regroupement in classes[:2]}
        expected = {"a": {"simple"}, "b": {"simple", "complex"}, "c": {"complex"}}
        assert levels == expected.get(level, {"very_complex"})
    else:
        assert facts["level"] == level


def price_over_cap(sale: dict[str, Any]) -> None:
    sale["right_lens"]["price_cents"] += 1


def frame_over_cap(sale: dict[str, Any]) -> None:
    sale["frame"]["price_cents"] += 1


def amounts(lenses: int, frame: int) -> Callable[[dict[str, Any]], None]:
    def change(sale: dict[str, Any]) -> None:
        sale["amounts"] = {"lenses_cents": lenses, "frame_cents": frame}

    return change


def lens_for_frame(sale: dict[str, Any]) -> None:
    sale["frame"]["code"] = sale["right_lens"]["code"]


def wrong_check_digit(sale: dict[str, Any]) -> None:
    code = sale["left_lens"]["code"]
    sale["left_lens"]["code"] = code - code % 10 + (code + 1) % 10


def other_price_class(sale: dict[str, Any]) -> None:
    rows = load_shipped().class_rows("V04", date.fromisoformat(sale["date_of_service"]))
    sale["left_lens"]["code"] = rows[0].code


def outside_the_table(sale: dict[str, Any]) -> None:
    sale["date_of_service"] = "2021-07-01"


@pytest.mark.parametrize(
    ("name", "change", "kind", "words"),
    [
        ("network-cap", price_over_cap, "witness", "right lens: price within its limit"),
        ("network-cap", frame_over_cap, "witness", "frame: price within its limit"),
        ("child", frame_over_cap, "witness", "frame: price within its limit"),
        ("child", amounts(7_901, 3_000), "witness", "amount for the lenses within their prices"),
        ("child", amounts(7_900, 3_001), "witness", "amount for the frame within its price"),
        ("single-vision", amounts(18_995, 10_000), "witness", "less the public payer's shares"),
        ("single-vision", amounts(18_994, 10_001), "statement", "over its ceiling of 10000"),
        ("progressive-over-ceiling", amounts(70_001, 10_000), "statement", "ceiling of 80000"),
        ("mixed-basket", lens_for_frame, "statement", "frame: class V04 is not a class of that"),
        ("supplements", wrong_check_digit, "statement", "left_lens: not an LPP code"),
        ("level-only", other_price_class, "witness", "left lens: the code is not in the decl"),
        ("level-only", outside_the_table, "statement", "not valid on 2021-07-01"),
        ("single-vision", outside_the_table, "statement", "not valid on 2021-07-01"),
    ],
)
def test_each_lie_in_a_sale_has_its_error_and_leaves_nothing_behind(
    shop: Console,
    name: str,
    change: Callable[[dict[str, Any]], None],
    kind: str,
    words: str,
) -> None:
    sale = json.loads(sale_path(name).read_bytes())
    change(sale)
    (shop.folder / "sale.json").write_text(json.dumps(sale))
    done = prove(shop, name, shop.folder / "sale.json")
    assert done.code == 2
    assert done.out == ""
    problem = json.loads(done.err)
    assert problem["error"] == kind
    assert words in problem["detail"]
    assert not (shop.folder / "claim.json").exists()
    assert not (shop.folder / "openings.json").exists()


def test_a_class_a_price_beyond_the_ceiling_leaves_nothing_for_class_b(shop: Console) -> None:
    sale = json.loads(sale_path("mixed-basket").read_bytes())
    sale["right_lens"]["price_cents"] = 60_000
    sale["left_lens"]["price_cents"] = 19_000
    (shop.folder / "sale.json").write_text(json.dumps(sale))
    done = prove(shop, "mixed-basket", shop.folder / "sale.json")
    assert done.code == 0, done.err
    # 800 € − 790 € of class A: 10 € of the frame.
    assert json.loads(done.out)["amounts"] == {"lenses_cents": 79_000, "frame_cents": 1_000}
    assert check(shop, "mixed-basket").code == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_other_contract_refuses_the_claim(shop: Console, name: str) -> None:
    assert prove(shop, name).code == 0
    other = {"responsable": "reseau", "reseau": "responsable"}[TABLE[name][0]]
    done = shop.verifier(
        *("check", "claim.json", "--contract", EXAMPLES / "contracts" / f"{other}.json"),
        *("--optician-keys", "keys.json", "--json"),
    )
    assert done.code == 1
    assert json.loads(done.out)["reason"] == "contract_mismatch"
