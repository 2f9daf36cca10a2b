"""The claims that are measured: three statements, each with and without hidden price limits.

The nomenclature is the one that ships. It has no price limits in the classes V04 and M03, so for
``line`` and ``equipment`` with limits a part of their rows gets made-up ones here: data of this
benchmark, and of nothing else. For ``pair`` the contract gets price caps by class, made up as well.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from random import Random

from circuits.compiled import CompiledStatement
from circuits.contract import Contract, load_sample
from circuits.declaration import Declaration, DeclaredLine
from circuits.equipment import EQUIPMENT_DEGREE, PAIR_DEGREE, EquipmentStatement
from circuits.items import Article, price_limit_cents
from circuits.line import DEGREE, LineStatement
from circuits.nomenclature import Nomenclature, Row, load_shipped
from zk.commitment import Opening, commit, fresh_opening
from zk.encoding import Proof, decode_proof, encode_proof
from zk.generators import Generators
from zk.group import Group
from zk.instance import Instance
from zk.prove import prove
from zk.relation import Circuit

DAY = date(2020, 10, 5)
LENSES, FRAME = "V04", "M03"
CLASSES = {"line": LENSES, "equipment": LENSES, "pair": "all of class A"}
"""What each case tells of its lenses."""
PRICE_CAPS = {"V03": 12_000, "V04": 15_000}
LOWEST_PRICE, HIGHEST_PRICE = 2_000, 25_000  # of a random sale, cents


@dataclass(frozen=True)
class Case:
    """A statement about one declaration, and random sales that fit it."""

    name: str
    has_limits: bool
    declaration: Declaration
    contract: Contract
    nomenclature: Nomenclature
    default_degree: int

    @property
    def title(self) -> str:
        """The name, and "+ limits" where rows have hidden price limits."""
        return f"{self.name} + limits" if self.has_limits else self.name

    def statement(self, degree: int | None = None) -> CompiledStatement:
        """Compiled anew for ``degree``, or for the degree that ships."""
        kind = LineStatement if self.name == "line" else EquipmentStatement
        return kind(
            self.declaration, self.contract, self.nomenclature, DAY, degree or self.default_degree
        )

    def sale(self, random: Random) -> list[Article]:
        """Random articles of the classes, at random prices within their limits."""
        classes = [LENSES] if self.name == "line" else [LENSES, LENSES, FRAME]
        articles = []
        for regroupement in classes:
            row = random.choice(self.nomenclature.class_rows(regroupement, DAY))
            limit = min(price_limit_cents(row, self.contract), HIGHEST_PRICE)
            articles.append(Article(row.code, random.randint(LOWEST_PRICE, limit)))
        return articles


@dataclass(frozen=True)
class Submission:
    """What reaches an insurer, points and proof as bytes."""

    circuit: Circuit
    publics: tuple[int, ...]
    context: bytes
    commitments: tuple[bytes, ...]
    proof: bytes

    def read(self, group: Group) -> tuple[Instance, Proof]:
        """Everything decoded: points checked to be on the curve, scalars to be reduced."""
        commitments = tuple(group.decode_many(b"".join(self.commitments)))
        instance = Instance(self.circuit, self.publics, self.context, commitments)
        return instance, decode_proof(self.proof, self.circuit, group)


@dataclass(frozen=True)
class Witness:
    """What the prover of one instance holds."""

    instance: Instance
    wires: Sequence[int]
    openings: Sequence[Opening]


def witness_of(
    statement: CompiledStatement, articles: Sequence[Article], generators: Generators
) -> Witness:
    """Commitments with fresh blindings, the largest amounts, a random context."""
    amounts = statement.largest_amounts(articles)
    publics = statement.publics(DAY, amounts)
    wires = statement.wires(articles, amounts)
    return commit_to(statement.circuit, publics, wires, generators)


def commit_to(
    circuit: Circuit, publics: tuple[int, ...], wires: Sequence[int], generators: Generators
) -> Witness:
    """The same from wires, for circuits that no statement made."""
    openings = [fresh_opening(generators, v) for v in circuit.line_values(wires, publics)]
    commitments = tuple(commit(generators, opening) for opening in openings)
    return Witness(Instance(circuit, publics, os.urandom(32), commitments), wires, openings)


def prove_encoded(witness: Witness, generators: Generators) -> bytes:
    """Prove and encode."""
    proof = prove(generators, witness.instance, witness.wires, witness.openings)
    return encode_proof(proof, generators.group)


def submit(witness: Witness, generators: Generators) -> Submission:
    """Everything an insurer gets of a proof, as bytes."""
    group, instance = generators.group, witness.instance
    return Submission(
        instance.circuit,
        instance.publics,
        instance.context,
        tuple(group.encode(point) for point in instance.commitments),
        prove_encoded(witness, generators),
    )


def submissions(
    case: Case, statement: CompiledStatement, generators: Generators, count: int
) -> list[Submission]:
    """``count`` different sales, each with a proof of its own."""
    random = Random(2020)
    return [
        submit(witness_of(statement, case.sale(random), generators), generators)
        for _ in range(count)
    ]


def _with_limits(nomenclature: Nomenclature) -> Nomenclature:
    """A variant in which every third row of both classes has a limit of its own. Made up."""
    counts = {LENSES: 0, FRAME: 0}

    def limited(row: Row) -> Row:
        if row.regroupement not in counts:
            return row
        number = counts[row.regroupement]
        counts[row.regroupement] += 1
        if number % 3:
            return row
        return replace(row, price_limit_cents=12_000 + 250 * (number % 40))

    return Nomenclature(
        "bench-synthetic-limits",
        "The shipped table with made-up price limits in V04 and M03, for measurement only.",
        nomenclature.classes(),
        [limited(row) for row in nomenclature.rows],
    )


@cache
def cases() -> tuple[Case, ...]:
    """``line``, ``equipment`` and ``pair``, each without and with hidden limits."""
    shipped, contract = load_shipped(), load_sample("responsable")
    limited = _with_limits(shipped)
    capped = contract.model_copy(update={"price_caps_cents": PRICE_CAPS})
    line = Declaration("line", (DeclaredLine("item", LENSES),))
    frame = DeclaredLine("frame", FRAME)
    equipment = Declaration(
        "equipment", (DeclaredLine("right_lens", LENSES), DeclaredLine("left_lens", LENSES), frame)
    )
    pair = Declaration(
        "pair", (DeclaredLine("right_lens"), DeclaredLine("left_lens"), frame), "f", "A"
    )
    return (
        Case("line", False, line, contract, shipped, DEGREE),
        Case("line", True, line, contract, limited, DEGREE),
        Case("equipment", False, equipment, contract, shipped, EQUIPMENT_DEGREE),
        Case("equipment", True, equipment, contract, limited, EQUIPMENT_DEGREE),
        Case("pair", False, pair, contract, shipped, PAIR_DEGREE),
        Case("pair", True, pair, capped, shipped, PAIR_DEGREE),
    )
