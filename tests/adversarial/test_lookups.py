"""Row numbers that point at no row: padding, and digits that are all zero."""

from __future__ import annotations

import pytest

from tests.adversarial.statements import (
    CODES,
    DATE,
    LIMITS,
    Purchase,
    publics_of,
    purchases,
    wires_of,
)
from tests.support.forgers import forge_with_false_wires
from tests.support.weak_verifier import NONE, Weakness, WeakVerifier
from zk.errors import ProofRejected, WitnessError
from zk.generators import Generators
from zk.relation import CircuitBuilder, Expression, Table
from zk.verify import verify

pytestmark = pytest.mark.usefixtures("either_evaluator")

PADDING = len(CODES)  # row number 5 of a table with rows 0…4


def values(code: int, price: int) -> list[list[int]]:
    """What the line of one purchase commits to."""
    return [[code, price, DATE, 77_777]]


def test_padding_means_the_last_row_and_nothing_else(generators: Generators) -> None:
    """A row number past the last one has the last row's code and limit, and no other."""
    plain, last = WeakVerifier(generators), len(CODES) - 1
    for row in (last, PADDING):
        purchase = Purchase(row, LIMITS[last], 1)
        instance, proof = forge_with_false_wires(
            plain,
            purchases(),
            publics_of(purchase),
            wires_of(purchase),
            values(CODES[last], LIMITS[last]),
        )
        verify(generators, instance, proof)
    for code in (0, *CODES[:last]):
        purchase = Purchase(PADDING, LIMITS[last], 1)
        with pytest.raises(ProofRejected):
            verify(
                generators,
                *forge_with_false_wires(
                    plain,
                    purchases(),
                    publics_of(purchase),
                    wires_of(purchase),
                    values(code, LIMITS[last]),
                ),
            )
    beyond = Purchase(PADDING, LIMITS[last] + 1, 1)
    with pytest.raises(ProofRejected):
        verify(
            generators,
            *forge_with_false_wires(plain, purchases(), publics_of(beyond), wires_of(beyond)),
        )


@pytest.mark.parametrize(
    ("weakness", "purchase"),
    [
        # Row number 5 reads (0, 0): a code that does not exist, under a limit of 0.
        (Weakness(padding_reads_zero=True), Purchase(PADDING, 0, 0, limit=0)),
        # Row number 0 has no indicator, so no row is read at all.
        (Weakness(zero_digit_has_no_indicator=True), Purchase(0, 0, 0, limit=0)),
    ],
    ids=["padding reads zero", "all-zero digits read zero"],
)
def test_a_row_number_that_reads_zero(
    generators: Generators, weakness: Weakness, purchase: Purchase
) -> None:
    """The forger commits to the code 0, which is in no table, at the limit 0, which no row has."""
    weak, publics, wires = (
        WeakVerifier(generators, weakness),
        publics_of(purchase),
        wires_of(purchase),
    )
    honest = Purchase(4, 3, 3)  # both digits are different from 0
    for verifier in (weak, WeakVerifier(generators, NONE)):
        instance, proof = forge_with_false_wires(
            verifier, purchases(), publics_of(honest), wires_of(honest)
        )
        verifier.verify((instance, proof))
    verify(generators, instance, proof)

    instance, proof = forge_with_false_wires(weak, purchases(), publics, wires, values(0, 0))
    weak.verify((instance, proof))
    with pytest.raises(ProofRejected):
        verify(generators, instance, proof)
    plain = WeakVerifier(generators, NONE)
    with pytest.raises(ProofRejected):
        verify(
            generators, *forge_with_false_wires(plain, purchases(), publics, wires, values(0, 0))
        )
    with pytest.raises(ProofRejected):
        verify(generators, *forge_with_false_wires(plain, purchases(), publics, wires))
    with pytest.raises(WitnessError, match="limit"):
        purchases().check_witness(wires, publics)


def test_a_share_that_padding_would_spare(generators: Generators) -> None:
    """Where a column is taken off (a share that somebody else pays), reading 0 would pay."""
    builder = CircuitBuilder(1)
    selector = builder.select(Table(((40, 30, 20),)), (2, 2))
    claim = builder.public(1_000)
    share = Expression.of(builder.column(selector, 0))
    builder.zero(share + claim - 100, "claim = 100 − share")
    builder.line({1: share})
    circuit = builder.build()
    weak = WeakVerifier(generators, Weakness(padding_reads_zero=True))
    plain = WeakVerifier(generators, NONE)
    padding = [1, 1]
    verify(generators, *forge_with_false_wires(plain, circuit, [80], padding))
    weak.verify(forge_with_false_wires(weak, circuit, [100], padding))
    for verifier in (weak, plain):
        with pytest.raises(ProofRejected):
            verify(generators, *forge_with_false_wires(verifier, circuit, [100], padding))
