"""Ranges end exactly where they say, and hidden rows cost as little as they can.

What a digit equation lets through is known, so the sums that a range can take are a finite set that
can be written down whole: here as the set bits of one Python integer.
"""

from __future__ import annotations

from functools import cache
from math import prod

import pytest
from gmpy2 import mpz
from hypothesis import example, given, settings
from hypothesis import strategies as st

from circuits.gadgets import Range, range_digits, select_row, selector_radix
from tests.support.deviating_prover import prove_anything
from zk.backends import load_group
from zk.commitment import commit, fresh_opening
from zk.errors import ProofRejected, StatementError, WitnessError
from zk.generators import Generators, generators_of
from zk.instance import Instance
from zk.prove import prove
from zk.relation import Circuit, CircuitBuilder
from zk.verify import verify

BASES = range(2, 13)
LARGEST_CAP = 3_000
LARGEST_RANDOM_CAP = 10**7

OUTSIDE = r"^not satisfied: value in range$"

_CAPS = st.integers(0, LARGEST_RANDOM_CAP)
_BASES = st.sampled_from(BASES)


def build(cap: int, base: int) -> tuple[Range, Circuit]:
    """A circuit with one line, whose only slot is a value in [0, ``cap``]."""
    builder = CircuitBuilder(1)
    part = Range.build(builder, cap, base, "value in range")
    builder.line({1: part.form})
    return part, builder.build()


def wires_of(part: Range, circuit: Circuit, value: int) -> list[int]:
    assigned = part.assignment(value)
    return [assigned[wire] for wire in range(circuit.wires)]


# -- which sums there are ----------------------------------------------------------------------


@pytest.mark.parametrize("base", BASES)
def test_digits_reach_every_value_up_to_the_cap_and_no_other(base: int) -> None:
    for cap in range(LARGEST_CAP + 1):
        reachable = 1  # bit v is set when the digits so far can sum to v
        for weight, largest in range_digits(cap, base):
            assert weight > 0
            assert 1 <= largest < base
            once = reachable
            for _ in range(largest):
                once <<= weight
                reachable |= once
        assert reachable == (1 << (cap + 1)) - 1, (cap, base)


@given(_CAPS, _BASES)
@example(LARGEST_RANDOM_CAP, 2)
@example(300_000, 10)
def test_digits_of_any_cap_have_no_gap(cap: int, base: int) -> None:
    # By induction from the lightest digit: where the sums so far are 0…reach, a digit whose weight
    # is at most reach + 1 makes them 0…reach + weight·largest.
    reach = 0
    for weight, largest in sorted(range_digits(cap, base)):
        assert 1 <= weight <= reach + 1
        assert 1 <= largest < base
        reach += weight * largest
    assert reach == cap


@pytest.mark.parametrize("base", BASES)
def test_digits_are_as_few_as_the_base_allows(base: int) -> None:
    for cap in range(1, LARGEST_CAP + 1):
        fewest = next(count for count in range(1, 13) if base**count > cap)
        # One digit more is the price of exactness for some caps, never two.
        assert fewest <= len(range_digits(cap, base)) <= fewest + 1, (cap, base)


def test_a_negative_cap_is_no_range() -> None:
    with pytest.raises(StatementError, match="below 0"):
        range_digits(-1, 10)


# -- filling in the wires ----------------------------------------------------------------------


@pytest.mark.parametrize("base", BASES)
def test_both_ends_have_wires_and_what_lies_outside_has_none(base: int) -> None:
    for cap in range(LARGEST_CAP + 1):
        part, circuit = build(cap, base)
        for value in {0, cap // 2, cap}:
            wires = wires_of(part, circuit, value)
            circuit.check_witness(wires, ())
            assert circuit.line_values(wires, ()) == [[value]]
        for value in (-1, cap + 1):
            with pytest.raises(WitnessError, match=OUTSIDE):
                part.assignment(value)


@given(st.data(), _CAPS, _BASES)
def test_any_value_of_any_range_satisfies_the_circuit(
    data: st.DataObject, cap: int, base: int
) -> None:
    part, circuit = build(cap, base)
    for value in (0, cap, data.draw(st.integers(0, cap), label="value")):
        wires = wires_of(part, circuit, value)
        circuit.check_witness(wires, ())
        assert circuit.line_values(wires, ()) == [[value]]
    for value in (-1, cap + 1):
        with pytest.raises(WitnessError):
            part.assignment(value)


@given(st.data(), _CAPS.filter(bool), _BASES)
def test_any_digit_outside_its_base_fails_its_equation(
    data: st.DataObject, cap: int, base: int
) -> None:
    part, circuit = build(cap, base)
    wires = wires_of(part, circuit, data.draw(st.integers(0, cap), label="value"))
    wire, _, largest = data.draw(st.sampled_from(part.digits), label="digit")
    wires[wire] = data.draw(st.sampled_from([-1, largest + 1, base + 1]), label="forged")
    with pytest.raises(WitnessError, match=OUTSIDE):
        circuit.check_witness(wires, ())


# -- proving -----------------------------------------------------------------------------------


@cache
def generators() -> Generators:
    return generators_of(load_group("libsecp256k1"))


def prove_and_verify(circuit: Circuit, wires: list[int], value: int, *, honest: bool) -> None:
    """Commit to ``value`` and have ``wires`` speak for it."""
    g = generators()
    opening = fresh_opening(g, [value % g.group.order])
    instance = Instance(circuit, (), bytes(32), (commit(g, opening),))
    make = prove if honest else prove_anything
    verify(g, instance, make(g, instance, wires, [opening]))


PROVED = [
    *((cap, base) for base in BASES for cap in (1, base - 1, base, base * base - 1, 2_999)),
    (2, 2),
    (100, 5),
    (20_000, 8),
    (300_000, 10),
    (9_999_999, 12),
]


@pytest.mark.parametrize(("cap", "base"), PROVED)
def test_both_ends_are_proved_and_nothing_outside_is(cap: int, base: int) -> None:
    part, circuit = build(cap, base)
    for value in (0, cap):
        prove_and_verify(circuit, wires_of(part, circuit, value), value, honest=True)
    lightest, weight, _ = part.digits[-1]
    assert weight == 1
    heaviest, heavy, _ = part.digits[0]
    top, bottom = wires_of(part, circuit, cap), wires_of(part, circuit, 0)
    order = generators().group.order
    forged = [
        # The sum is right and one digit is not: above its base, below zero, a fraction modulo q.
        ({**dict(enumerate(top)), lightest: top[lightest] + 1}, cap + 1),
        ({**dict(enumerate(bottom)), lightest: order - 1}, -1),
        ({**dict(enumerate(bottom)), heaviest: -pow(mpz(heavy), -1, order) % order}, -1),
        # The digits are right and the sum is not.
        (dict(enumerate(top)), cap + 1),
        (dict(enumerate(bottom)), -1),
    ]
    for wires, value in forged:
        with pytest.raises(ProofRejected) as refusal:
            prove_and_verify(circuit, [wires[i] for i in range(circuit.wires)], value, honest=False)
        assert refusal.value.reason == "proof_invalid"


@pytest.mark.parametrize("base", [2, 5, 10])
def test_the_deviating_prover_is_believed_when_it_tells_the_truth(base: int) -> None:
    # Else every refusal above could be the prover's own fault.
    part, circuit = build(2_999, base)
    for value in (0, 1_234, 2_999):
        prove_and_verify(circuit, wires_of(part, circuit, value), value, honest=False)


def test_the_cap_zero_is_a_constant() -> None:
    _, circuit = build(0, 10)
    assert circuit.wires == 0
    prove_and_verify(circuit, [], 0, honest=True)
    for value in (1, -1):
        with pytest.raises(ProofRejected):
            prove_and_verify(circuit, [], value, honest=False)


# -- hidden rows -------------------------------------------------------------------------------


@cache
def fewest_wires(rows: int, digits: int) -> int:
    """Σ (u − 1) over at most ``digits`` bases u ≥ 2 with a product of at least ``rows``, by trial
    of every first base."""
    if rows <= 1:
        return 0
    if digits == 1:
        return rows - 1
    return min(base - 1 + fewest_wires(-(-rows // base), digits - 1) for base in range(2, rows + 1))


@pytest.mark.parametrize("degree", BASES)
def test_a_selector_numbers_every_row_with_fewest_wires(degree: int) -> None:
    for rows in range(2, 301):
        radix = selector_radix(rows, degree)
        assert prod(radix) >= rows
        assert 1 <= len(radix) <= degree
        assert min(radix) >= 2
        assert sum(base - 1 for base in radix) == fewest_wires(rows, degree), rows


@given(st.integers(2, 1 << 16), st.integers(2, 12))
@example(901, 5)
@example(1 << 16, 2)
def test_no_selector_of_any_size_can_lose_a_wire(rows: int, degree: int) -> None:
    radix = selector_radix(rows, degree)
    assert prod(radix) >= rows
    # The product of at most d bases with a given Σ (u − 1) is largest when they are alike, for some
    # number of bases. (That is `fewest_wires` in closed form, see the next test.)
    assert largest_product(sum(base - 1 for base in radix) - 1, degree) < rows


def largest_product(wires: int, degree: int) -> int:
    return max(
        prod(wires // count + 1 + (place < wires % count) for place in range(count))
        for count in range(1, degree + 1)
    )


@pytest.mark.parametrize("degree", [2, 3, 5, 8, 12])
def test_the_closed_form_agrees_with_trial(degree: int) -> None:
    for rows in range(2, 301):
        fewest = fewest_wires(rows, degree)
        assert largest_product(fewest, degree) >= rows > largest_product(fewest - 1, degree)


@given(st.data(), st.integers(2, 2_000), st.integers(2, 12))
@settings(max_examples=25)
def test_every_row_has_one_hot_digits_that_read_it(
    data: st.DataObject, rows: int, degree: int
) -> None:
    builder = CircuitBuilder(1)
    selector = select_row(builder, [range(1_000, 1_000 + rows)], degree, "row")
    builder.line({1: builder.column(selector, 0)})
    circuit = builder.build()
    for row in (0, rows - 1, data.draw(st.integers(0, rows - 1), label="row")):
        assigned = selector.assignment(row)
        wires = [assigned[wire] for wire in range(circuit.wires)]
        circuit.check_witness(wires, ())
        assert circuit.line_values(wires, ()) == [[1_000 + row]]
    with pytest.raises(WitnessError, match="row number outside the table"):
        selector.assignment(prod(selector.radix))
