"""The security arguments, run on the statements that ship: what `line`, `equipment` and `pair`
prove can be extracted from whoever proves it, and what they show can be simulated by anybody.
"""

from __future__ import annotations

import os

import pytest

import zk.verify
from circuits.contract import StatementName
from circuits.items import Article
from circuits.statements import compile_statement
from optician.claiming import declare
from tests.support.claims import DAY, contract, generators, nomenclature, row_of, sample_sale
from tests.support.extractor import extract, honest_prover, random_challenges
from tests.support.simulator import ProgrammableOracle, simulate
from zk.commitment import Opening, commit, fresh_opening
from zk.errors import ProofRejected, WitnessError
from zk.instance import Instance

CLASSES = {"lenses": ("V04", "V04")}
STATEMENTS: tuple[StatementName, ...] = ("line", "equipment", "pair")


def proved(statement: StatementName) -> tuple[Instance, list[int], list[Opening], list[Article]]:
    """An instance of a statement with its witness, and the articles sold."""
    sale = sample_sale(statement, **({} if statement == "line" else CLASSES))
    compiled = compile_statement(declare(sale, nomenclature()), contract(), nomenclature(), DAY)
    articles = [item.article() for item in sale.items()]
    amounts = compiled.largest_amounts(articles)
    publics = compiled.publics(DAY, amounts)
    wires = compiled.wires(articles, amounts)
    values = compiled.circuit.line_values(wires, publics)
    openings = [fresh_opening(generators(), line) for line in values]
    commitments = tuple(commit(generators(), opening) for opening in openings)
    instance = Instance(compiled.circuit, publics, os.urandom(32), commitments)
    return instance, wires, openings, articles


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_extractor_returns_codes_and_prices(statement: StatementName) -> None:
    instance, wires, openings, articles = proved(statement)
    prover = honest_prover(generators(), instance, wires, openings)
    challenges = random_challenges(instance.circuit, generators().group.order)

    extracted = extract(generators(), instance, prover, challenges, check_every=97)

    assert list(extracted.wires) == wires
    assert list(extracted.openings) == openings
    opened = [opening.values[:2] for opening in extracted.openings]
    assert opened == [(article.code, article.price_cents) for article in articles]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_simulator_needs_no_witness_and_no_truth(
    statement: StatementName, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_instance, *_ = proved(statement)
    # False: the lines commit to a code of no class at a price over every limit.
    lie = (row_of("M01").code, 10**7, 0, 0)
    commitments = tuple(
        commit(generators(), fresh_opening(generators(), lie)) for _ in true_instance.commitments
    )
    false_instance = Instance(
        true_instance.circuit, true_instance.publics, true_instance.context, commitments
    )
    for instance in (true_instance, false_instance):
        oracle = ProgrammableOracle()
        proof = simulate(generators(), instance, oracle)
        with pytest.raises(ProofRejected):
            zk.verify.verify(generators(), instance, proof)
        with monkeypatch.context() as programmed:
            programmed.setattr(zk.verify, "challenges", oracle.challenges)
            zk.verify.verify(generators(), instance, proof)


def test_no_honest_prover_starts_on_the_false_statement() -> None:
    instance, wires, openings, _ = proved("line")
    lie = Opening((row_of("M01").code, *openings[0].values[1:]), openings[0].r)
    with pytest.raises(WitnessError):
        honest_prover(generators(), instance, wires, [lie])
