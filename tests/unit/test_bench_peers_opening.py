"""Our commitments in the statement of those that open them elsewhere."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from gmpy2 import mpz

from bench.peers.opening import opening_fields
from bench.peers.statement import CLAIM, OPENING, make_statement
from circuits.slots import SLOTS, Slot
from zk.backends import load_group
from zk.commitment import Opening, verify_opening
from zk.errors import ProofRejected
from zk.field import decode_scalar
from zk.generators import generators_of

COUNT = 3


@pytest.fixture(scope="module")
def claims() -> dict[str, Any]:
    return make_statement(CLAIM, 256, COUNT)


@pytest.fixture(scope="module")
def opened(claims: dict[str, Any]) -> dict[str, Any]:
    return opening_fields(claims)


def test_every_commitment_opens_to_its_witness(opened: dict[str, Any]) -> None:
    group = load_group()
    generators = generators_of(group)
    assert len(opened["witnesses"]) == COUNT
    for witness in opened["witnesses"]:
        assert len(witness["commitments"]) == len(witness["blindings"]) == len(witness["codes"])
        for i, (code, price) in enumerate(zip(witness["codes"], witness["prices"], strict=True)):
            commitment = group.decode(bytes.fromhex(witness["commitments"][i]))
            r = decode_scalar(bytes.fromhex(witness["blindings"][i]), group.order)
            values = [0] * SLOTS
            values[Slot.CODE - 1], values[Slot.PRICE - 1] = code, price
            verify_opening(generators, commitment, Opening(tuple(values), r), SLOTS)
            values[Slot.PRICE - 1] += 1
            with pytest.raises(ProofRejected):
                verify_opening(generators, commitment, Opening(tuple(values), r), SLOTS)


def test_the_generators_named_are_those_of_the_commitments(opened: dict[str, Any]) -> None:
    group = load_group()
    H, *J = (
        group.decode(bytes.fromhex(text))
        for text in (opened["generators"]["H"], *opened["generators"]["J"])
    )
    assert len(J) == SLOTS
    witness = opened["witnesses"][0]
    scalars = [witness["codes"][0], witness["prices"][0], int(witness["blindings"][0], 16)]
    points = [J[Slot.CODE - 1], J[Slot.PRICE - 1], H]
    total = group.msm([mpz(scalar) for scalar in scalars], points)
    assert group.encode(total).hex() == witness["commitments"][0]


def test_the_claim_is_left_as_it_is_and_every_line_has_a_blinding_of_its_own(
    claims: dict[str, Any],
) -> None:
    before = copy.deepcopy(claims)
    added = opening_fields(claims)
    assert claims == before
    for name in ("sets", "caps", "total"):
        assert added[name] == before[name]
    blindings = [text for witness in added["witnesses"] for text in witness["blindings"]]
    assert len(set(blindings)) == len(blindings) == 3 * COUNT


def test_a_statement_of_openings_has_them() -> None:
    statement = make_statement(OPENING, 256, 1)
    assert statement["kind"] == OPENING
    assert set(statement["witnesses"][0]) == {"codes", "prices", "commitments", "blindings"}
