"""Contracts: what is accepted, what is refused and in which words, levels and floors."""

from __future__ import annotations

import itertools
import json
import pickle
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from circuits.canonical import canonical_bytes, tagged_digest
from circuits.contract import (
    DIGEST_TAG,
    EQUIPMENT_LEVELS,
    LEVEL_WEIGHT,
    MAX_CONTRACT_BYTES,
    STATEMENT_NAMES,
    Contract,
    Floor,
    RenewalMonths,
    contract_digest,
    judge_floor,
    level_of,
    load_sample,
    parse_contract,
    require_classes_known,
    weight_of,
)
from circuits.nomenclature import ClassSize, load_shipped
from zk.errors import EncodingError, StatementError

CEILINGS = {"a": 42000, "b": 56000, "c": 70000, "d": 61000, "e": 75000, "f": 80000}
RENEWAL = {"adult": 24, "under_16": 12}
REQUIRED: dict[str, Any] = {
    "format_version": 1,
    "insurer_id": "insurer",
    "product_id": "product",
    "contract_id": "contract",
    "valid_from": "2020-07-01",
    "valid_to": "2021-06-30",
    "reimbursement_ceilings_cents": CEILINGS,
    "frame_ceiling_cents": 10000,
    "public_payer_rate_percent": 60,
    "renewal_months": {"adult": 24, "under_16": 12},
    "grant_days": 90,
}


def parse(**changes: Any) -> Contract:
    return parse_contract(json.dumps(REQUIRED | changes).encode())


def test_defaults() -> None:
    contract = parse()
    assert contract.largest_price_cents == 300_000
    assert contract.floor_cells == Floor(warn=8, refuse=3)
    assert contract.statements == STATEMENT_NAMES == ("line", "equipment", "pair")
    assert contract.row_price_limits is True
    assert contract.price_caps_cents == {}
    assert contract.note == ""
    assert contract.early_renewal_grounds == ()


def test_the_smallest_figures_that_a_contract_may_have() -> None:
    contract = parse(
        floor_cells={"warn": 1, "refuse": 1},
        largest_price_cents=1,
        frame_ceiling_cents=0,
        public_payer_rate_percent=0,
        renewal_months={"adult": 0, "under_16": 0},
    )
    assert contract.floor_cells == Floor(warn=1, refuse=1)
    assert contract.largest_price_cents == 1


def test_price_cap_falls_back_on_the_largest_price() -> None:
    contract = parse(price_caps_cents={"VM4": 20000})
    assert contract.price_cap_cents("VM4") == 20000
    assert contract.price_cap_cents("V01") == 300_000


def test_validity_includes_both_ends() -> None:
    contract = parse()
    assert contract.is_valid_on(date(2020, 7, 1))
    assert contract.is_valid_on(date(2021, 6, 30))
    assert not contract.is_valid_on(date(2020, 6, 30))
    assert not contract.is_valid_on(date(2021, 7, 1))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"colour": 1}, "colour: unknown field"),
        ({"floor_cells": {"warns": 1}}, "floor_cells.warns: unknown field"),
        ({"format_version": 2}, "format_version: "),
        ({"format_version": True}, "format_version: "),
        ({"insurer_id": "two words"}, "insurer_id: "),
        ({"product_id": ""}, "product_id: "),
        ({"contract_id": "x\n"}, "contract_id: "),
        ({"contract_id": "x" * 65}, "contract_id: "),
        ({"note": "x" * 2001}, "note: "),
        ({"valid_from": "2022-01-01"}, "valid_to is before valid_from"),
        ({"valid_from": "20200701"}, "valid_from: not a date YYYY-MM-DD"),
        ({"valid_from": "2020-07-01T00:00:00"}, "valid_from: not a date YYYY-MM-DD"),
        ({"valid_to": "2021-02-29"}, "valid_to: no such day"),
        ({"valid_to": 1625000000}, "valid_to: "),
        ({"valid_to": None}, "valid_to: "),
        ({"reimbursement_ceilings_cents": {"a": 1}}, "no ceiling for level b, c, d, e, f"),
        ({"reimbursement_ceilings_cents": CEILINGS | {"g": 1}}, "reimbursement_ceilings_cents.g: "),
        (
            {"reimbursement_ceilings_cents": CEILINGS | {"a": -1}},
            "reimbursement_ceilings_cents.a: ",
        ),
        ({"reimbursement_ceilings_cents": CEILINGS | {"a": 10_000_001}}, "ceilings_cents.a: "),
        ({"reimbursement_ceilings_cents": CEILINGS | {"a": True}}, "ceilings_cents.a: "),
        ({"reimbursement_ceilings_cents": CEILINGS | {"a": "1"}}, "ceilings_cents.a: "),
        ({"frame_ceiling_cents": 80001}, "frame_ceiling_cents is above"),
        ({"frame_ceiling_cents": -1}, "frame_ceiling_cents: "),
        ({"price_caps_cents": {"v01": 1}}, "price_caps_cents.v01: malformed key"),
        ({"price_caps_cents": {"V01": -1}}, "price_caps_cents.V01: "),
        ({"price_caps_cents": {"V01": 300_001}}, "price_caps_cents.V01 is above largest_price"),
        ({"price_caps_cents": {f"A{a}{b}": 1 for a in "ABCDEFGHIJK" for b in range(10)}}, "caps"),
        ({"largest_price_cents": 0}, "largest_price_cents: "),
        ({"largest_price_cents": 10_000_001}, "largest_price_cents: "),
        ({"public_payer_rate_percent": 101}, "public_payer_rate_percent: "),
        ({"public_payer_rate_percent": -1}, "public_payer_rate_percent: "),
        ({"floor_cells": {"warn": 2, "refuse": 3}}, "floor_cells: refuse is above warn"),
        ({"floor_cells": {"refuse": 0}}, "floor_cells.refuse: "),
        ({"floor_cells": {"warn": 1001}}, "floor_cells.warn: "),
        ({"statements": []}, "statements: no statement is allowed"),
        ({"statements": ["line", "line"]}, "statements: a statement is named twice"),
        ({"statements": ["lens"]}, "statements.0: "),
        ({"statements": "line"}, "statements: "),
        ({"row_price_limits": 1}, "row_price_limits: "),
        ({"renewal_months": {"adult": 24}}, "renewal_months.under_16: Field required"),
        ({"renewal_months": {"under_16": 12}}, "renewal_months.adult: Field required"),
        ({"renewal_months": RENEWAL | {"adult": -1}}, "renewal_months.adult: "),
        ({"renewal_months": RENEWAL | {"under_16": 121}}, "renewal_months.under_16: "),
        ({"renewal_months": RENEWAL | {"adult": True}}, "renewal_months.adult: "),
        ({"renewal_months": RENEWAL | {"over_60": 1}}, "renewal_months.over_60: unknown field"),
        ({"renewal_months": 24}, "renewal_months: "),
        ({"early_renewal_grounds": ["lost", "lost"]}, "grounds: a ground is named twice"),
        ({"early_renewal_grounds": ["a ground"]}, "early_renewal_grounds.0: "),
        ({"early_renewal_grounds": [None]}, "early_renewal_grounds.0: "),
        ({"early_renewal_grounds": "lost"}, "early_renewal_grounds: "),
        ({"early_renewal_grounds": [f"g{n}" for n in range(21)]}, "early_renewal_grounds: "),
        ({"grant_days": 0}, "grant_days: "),
        ({"grant_days": 367}, "grant_days: "),
        ({"grant_days": True}, "grant_days: "),
    ],
)
def test_contradictions_are_refused_by_name(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(StatementError) as refusal:
        parse(**changes)
    assert problem in str(refusal.value)
    assert str(refusal.value).startswith("contract: ")
    assert "pydantic" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_required_fields(name: str) -> None:
    document = {key: value for key, value in REQUIRED.items() if key != name}
    with pytest.raises(StatementError, match=f"{name}: Field required"):
        parse_contract(json.dumps(document).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"format_version":1,"format_version":1}',
        b'{"frame_ceiling_cents":1.5}',
        b" " * (MAX_CONTRACT_BYTES + 1),
    ],
)
def test_what_is_no_document_is_an_encoding_error(data: bytes) -> None:
    with pytest.raises(EncodingError, match=r"^contract: "):
        parse_contract(data)


def test_the_ends_of_the_ranges_are_terms() -> None:
    least = parse(renewal_months={"adult": 0, "under_16": 0}, grant_days=1)
    assert (least.renewal_months.adult, least.renewal_months.under_16) == (0, 0)
    grounds = [f"ground-{number}" for number in range(20)]
    most = parse(
        renewal_months={"adult": 120, "under_16": 120},
        grant_days=366,
        early_renewal_grounds=grounds,
    )
    assert sorted(most.early_renewal_grounds) == sorted(grounds)
    assert most.grant_days == 366


def test_several_faults_are_all_named() -> None:
    with pytest.raises(StatementError, match=r"insurer_id: .*; largest_price_cents: "):
        parse(insurer_id="", largest_price_cents=0)


def test_keys_that_are_no_names_are_not_repeated() -> None:
    with pytest.raises(StatementError, match="price_caps_cents: malformed key") as refusal:
        parse(price_caps_cents={"<script>\n": 1})
    assert "script" not in str(refusal.value)
    with pytest.raises(StatementError, match="contract: unknown field") as refusal:
        parse(**{"<script>": 1})
    assert "script" not in str(refusal.value)


SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=12)


@given(
    st.sampled_from(sorted(Contract.model_fields)),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    ),
)
def test_whatever_a_field_holds_only_our_errors_escape(name: str, value: Any) -> None:
    try:
        contract = parse(**{name: value})
    except (EncodingError, StatementError):
        return
    assert len(contract_digest(contract)) == 32


def test_a_contract_is_frozen() -> None:
    with pytest.raises(ValidationError):
        parse().insurer_id = "other"  # type: ignore[misc]


# --- digest -------------------------------------------------------------------------------------


def test_digest_is_over_the_canonical_form_with_defaults() -> None:
    document = REQUIRED | {
        "note": "",
        "price_caps_cents": {},
        "largest_price_cents": 300_000,
        "floor_cells": {"warn": 8, "refuse": 3},
        "statements": ["line", "equipment", "pair"],
        "row_price_limits": True,
        "early_renewal_grounds": [],
        "attestations": [],
        "audits": None,
    }
    expected = tagged_digest(DIGEST_TAG, canonical_bytes(document))
    assert contract_digest(parse()) == contract_digest(parse(**document)) == expected


def test_the_order_of_a_document_does_not_matter() -> None:
    ceilings = dict(reversed(CEILINGS.items()))
    first = parse(
        reimbursement_ceilings_cents=ceilings,
        statements=["pair", "line"],
        early_renewal_grounds=["lost", "broken"],
    )
    second = parse(statements=["line", "pair"], early_renewal_grounds=["broken", "lost"])
    assert contract_digest(first) == contract_digest(second)
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    "changes",
    [
        {"insurer_id": "other"},
        {"product_id": "other"},
        {"contract_id": "other"},
        {"note": "other"},
        {"valid_from": "2020-07-02"},
        {"valid_to": "2021-06-29"},
        {"reimbursement_ceilings_cents": CEILINGS | {"f": 80001}},
        {"frame_ceiling_cents": 9999},
        {"price_caps_cents": {"V01": 1}},
        {"largest_price_cents": 299_999},
        {"public_payer_rate_percent": 59},
        {"floor_cells": {"warn": 9}},
        {"floor_cells": {"refuse": 4}},
        {"statements": ["line"]},
        {"row_price_limits": False},
        {"renewal_months": RENEWAL | {"adult": 23}},
        {"renewal_months": RENEWAL | {"under_16": 11}},
        {"early_renewal_grounds": ["lost"]},
        {"grant_days": 91},
    ],
)
def test_every_field_is_in_the_digest(changes: dict[str, Any]) -> None:
    assert contract_digest(parse(**changes)) != contract_digest(parse())


def test_a_contract_survives_the_way_to_a_worker() -> None:
    contract = load_sample("reseau")
    again = pickle.loads(pickle.dumps(contract))
    assert again == contract
    assert contract_digest(again) == contract_digest(contract)


# --- samples ------------------------------------------------------------------------------------


def test_the_sample_contrat_responsable() -> None:
    contract = load_sample("responsable")
    assert contract.reimbursement_ceilings_cents == CEILINGS
    assert contract.frame_ceiling_cents == 10000
    assert contract.public_payer_rate_percent == 60
    assert contract.price_caps_cents == {}
    assert contract.row_price_limits
    assert "b, d and e are unconfirmed" in contract.note
    assert "made up" in contract.note


def test_the_sample_network_contract() -> None:
    contract = load_sample("reseau")
    assert contract.price_caps_cents
    assert "made up" in contract.note


def test_samples_fit_the_shipped_nomenclature_and_period() -> None:
    folder = Path(__file__).parents[2] / "circuits" / "data" / "contracts"
    names = sorted(path.stem for path in folder.glob("*.json"))
    assert names == ["reseau", "responsable"]
    for name in names:
        contract = load_sample(name)
        require_classes_known(contract, load_shipped())
        assert contract.valid_from == date(2020, 7, 1)
        assert contract.valid_to == date(2021, 6, 30)
        assert contract.renewal_months == RenewalMonths(adult=24, under_16=12)
        assert contract.early_renewal_grounds == ("change_of_vision",)
        assert contract.grant_days == 90
        assert "'change_of_vision' is a name made up" in contract.note
        assert "the project's choice, not the law's" in contract.note


@pytest.mark.parametrize("name", ["", "other", "../contracts/reseau", "reseau.json", "reseau\n"])
def test_unknown_samples_are_refused(name: str) -> None:
    with pytest.raises(StatementError, match="no sample contract"):
        load_sample(name)


def test_a_cap_on_a_class_that_does_not_exist_is_refused() -> None:
    contract = parse(price_caps_cents={"V01": 5000, "V99": 5000})
    with pytest.raises(StatementError, match=r"price_caps_cents\.V99: no such class"):
        require_classes_known(contract, load_shipped())


# --- levels and floor ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "level"),
    [
        ("simple", "simple", "a"),
        ("simple", "complex", "b"),
        ("complex", "complex", "c"),
        ("simple", "very_complex", "d"),
        ("complex", "very_complex", "e"),
        ("very_complex", "very_complex", "f"),
    ],
)
def test_level_of_a_pair(first: Any, second: Any, level: str) -> None:
    assert level_of(LEVEL_WEIGHT[first] + LEVEL_WEIGHT[second]) == level
    assert weight_of(level) == LEVEL_WEIGHT[first] + LEVEL_WEIGHT[second]


def test_each_pair_of_levels_has_a_sum_of_its_own() -> None:
    pairs = itertools.combinations_with_replacement(LEVEL_WEIGHT.values(), 2)
    assert len({sum(pair) for pair in pairs}) == len(EQUIPMENT_LEVELS) == 6
    assert [level_of(weight_of(level)) for level in EQUIPMENT_LEVELS] == list(EQUIPMENT_LEVELS)


@pytest.mark.parametrize("weight", [-1, 5, 7])
def test_sums_that_no_pair_has_are_refused(weight: int) -> None:
    with pytest.raises(StatementError, match="no pair of lenses"):
        level_of(weight)


@pytest.mark.parametrize("level", ["g", "", "A", "simple"])
def test_levels_that_do_not_exist_are_refused(level: str) -> None:
    with pytest.raises(StatementError, match="not one of a, b, c, d, e, f"):
        weight_of(level)


@pytest.mark.parametrize(
    ("size", "verdict"),
    [
        (ClassSize(codes=901, cells=8), "ok"),
        (ClassSize(codes=901, cells=7), "warn"),
        (ClassSize(codes=901, cells=3), "warn"),
        (ClassSize(codes=901, cells=2), "refuse"),
        (ClassSize(codes=8, cells=0), "ok"),
        (ClassSize(codes=3, cells=0), "warn"),
        (ClassSize(codes=2, cells=0), "refuse"),
    ],
)
def test_the_floor_counts_cells_or_else_codes(size: ClassSize, verdict: str) -> None:
    assert judge_floor(size, Floor()) == verdict


def test_the_floor_on_the_shipped_classes() -> None:
    table, day, floor = load_shipped(), date(2020, 10, 1), load_sample("responsable").floor_cells
    verdicts = {
        entry.code: judge_floor(table.class_size(entry.code, day), floor)
        for entry in table.classes()
        if not table.is_declared_in_clear(entry.code, day)
    }
    warned = {code for code, verdict in verdicts.items() if verdict == "warn"}
    assert warned == {"SV2", "VM7", "VU1", "VU2", "VU3", "VU4", "VU5", "VU6", "VU7"}
    assert "refuse" not in verdicts.values()
