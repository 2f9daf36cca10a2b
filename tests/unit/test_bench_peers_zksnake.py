"""The constraints that zksnake is given: exactly the statement, and the published hash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.peers.statement import holds, make_statement
from bench.peers.zksnake.peer import (
    Circuit,
    P,
    commit,
    poseidon,
    roots_polynomial,
    weighted_bits,
    weights,
)

# Poseidon of 1 and 2 over BN254 with t = 3, as published with circomlib.
OF_1_AND_2 = 7853200120776062878684798364095072458815029376092732009249414926327459813530


@pytest.fixture(scope="module")
def statement() -> dict[str, Any]:
    return make_statement("claim", 256, 8)


@pytest.fixture(scope="module")
def circuit(statement: dict[str, Any]) -> Circuit:
    return Circuit(statement)


def test_the_hash_is_the_published_one() -> None:
    assert poseidon(1, 2) == OF_1_AND_2


def test_a_polynomial_vanishes_at_its_roots_alone() -> None:
    roots = [3, 5, 8, 1_000_000]
    coefficients = roots_polynomial(roots)
    assert coefficients[-1] == 1
    assert len(coefficients) == len(roots) + 1

    def at(x: int) -> int:
        return sum(c * pow(x, i, P) for i, c in enumerate(coefficients)) % P

    assert [x for x in (*range(10), 999_999, 1_000_000) if at(x) == 0] == roots


@pytest.mark.parametrize("cap", [1, 2, 5, 6, 63, 100, 1000])
def test_weighted_bits_reach_a_cap_exactly(cap: int) -> None:
    assert len(weights(cap)) == cap.bit_length()
    assert sum(weights(cap)) == cap
    for value in range(cap + 1):
        bits = weighted_bits(value, cap)
        assert sum(w * b for w, b in zip(weights(cap), bits, strict=True)) == value
    for value in (-1, cap + 1):
        with pytest.raises(ValueError, match="outside its range"):
            weighted_bits(value, cap)


def test_honest_witnesses_break_no_constraint(statement: dict[str, Any], circuit: Circuit) -> None:
    for witness in statement["witnesses"]:
        values = circuit.witness(witness["codes"], witness["prices"], [1, 2, 3])
        assert circuit.broken(values) == []
        for line, (code, price) in enumerate(zip(witness["codes"], witness["prices"], strict=True)):
            assert values[f"commitment{line}"] == commit(code, price, line + 1)


def change_code(values: dict[str, int]) -> None:
    values["code0"] += 1


def change_bit(values: dict[str, int]) -> None:
    values["price1bit0"] = 2


def change_price(values: dict[str, int]) -> None:
    values["price2bit0"] ^= 1


def change_commitment(values: dict[str, int]) -> None:
    values["commitment1"] = (values["commitment1"] + 1) % P


def change_blinding(values: dict[str, int]) -> None:
    values["blinding2"] += 1


def change_left(values: dict[str, int]) -> None:
    values["leftbit3"] ^= 1


@pytest.mark.parametrize(
    "change",
    [change_code, change_bit, change_price, change_commitment, change_blinding, change_left],
)
def test_every_change_of_a_witness_breaks_a_constraint(
    change: Callable[[dict[str, int]], None], statement: dict[str, Any], circuit: Circuit
) -> None:
    witness = statement["witnesses"][3]
    values = circuit.witness(witness["codes"], witness["prices"], [1, 2, 3])
    assert circuit.broken(values) == []
    change(values)
    assert circuit.broken(values)


def test_a_code_outside_its_set_and_too_high_prices_have_no_witness(
    statement: dict[str, Any], circuit: Circuit
) -> None:
    codes = statement["witnesses"][3]["codes"]
    for line in range(3):
        lie = [code if i != line else 999_999 for i, code in enumerate(codes)]
        assert not holds(statement, lie, [0, 0, 0])
        assert circuit.broken(circuit.witness(lie, [0, 0, 0], [1, 2, 3]))
    for prices in ([40_001, 0, 0], [0, 40_001, 0], [0, 0, 10_001], [40_000, 30_001, 10_000]):
        assert not holds(statement, codes, prices)
        with pytest.raises(ValueError, match="outside its range"):
            circuit.witness(codes, prices, [1, 2, 3])
