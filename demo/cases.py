"""The parties, their contracts, and the sales that the story tells of.

The main sale is one of the examples. The others are made from it: other prices, other codes of the
same classes, amounts of their own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from circuits.claim import Claim
from circuits.compiled import CompiledStatement
from circuits.contract import Contract, StatementName, parse_contract
from circuits.equipment import EquipmentStatement
from circuits.nomenclature import Nomenclature, Row, load_shipped
from circuits.statements import compile_statement
from optician.claiming import Openings, declare, make_claim
from optician.identity import Identity
from optician.sale import Sale, parse_sale
from verifier_api.judge import Judge, Verdict
from verifier_api.keys import parse_keys
from zk.backends import load_group
from zk.generators import Generators, generators_of

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CONTRACTS = EXAMPLES / "contracts"
MAIN_SALE = EXAMPLES / "sales" / "level-only.json"
SIMPLE_LENS = "VU1"
FRAME_CLASS_A = "M01"


ROLES = "right_lens", "left_lens", "frame"


def shown_backends() -> tuple[str, str]:
    """The fastest backend that is here, and the reference."""
    return load_group().name, "py_ecc"


def fresh_name(prefix: str) -> str:
    """A random identifier, as claims and beneficiaries have."""
    return f"{prefix}-{random.SystemRandom().getrandbits(64):016x}"


def _contract(name: str) -> Contract:
    return parse_contract((CONTRACTS / f"{name}.json").read_bytes())


@dataclass(frozen=True)
class Case:
    """A sale, the honest claim made of it, and what made it: the shop's view of one file."""

    sale: Sale
    contract: Contract
    statement: CompiledStatement
    claim: Claim
    openings: Openings

    @property
    def ceiling_cents(self) -> int:
        """The most that the contract reimburses for this equipment."""
        assert isinstance(self.statement, EquipmentStatement)
        return self.statement.ceiling_cents

    @property
    def level(self) -> str:
        """The level of the equipment."""
        assert isinstance(self.statement, EquipmentStatement)
        return self.statement.level

    @cached_property
    def publics(self) -> tuple[int, ...]:
        """The public inputs of the honest claim."""
        return self.statement.publics(self.sale.date_of_service, self.claim.claimed())

    @cached_property
    def wires(self) -> list[int]:
        """The true wires. Secret."""
        articles = [item.article() for item in self.sale.items()]
        return self.statement.wires(articles, self.claim.claimed())


@dataclass(frozen=True)
class World:
    """Two opticians, one insurer with two contracts, the public table."""

    table: Nomenclature = field(default_factory=load_shipped)
    contract: Contract = field(default_factory=lambda: _contract("responsable"))
    network: Contract = field(default_factory=lambda: _contract("reseau"))
    shop: Identity = field(default_factory=lambda: Identity.generate("optician-1"))
    rival: Identity = field(default_factory=lambda: Identity.generate("optician-2"))
    generators: Generators = field(default_factory=lambda: generators_of(load_group()))
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    # -- the shop ------------------------------------------------------------------------------

    @cached_property
    def _document(self) -> dict[str, Any]:
        document = json.loads(MAIN_SALE.read_bytes())
        return dict(document)

    def example_document(self, statement: StatementName) -> bytes:
        """The main sale, to be proved by one statement or the other: a sale file."""
        return json.dumps(self._document | {"statement": statement}, indent=2).encode()

    def example(self, statement: StatementName) -> Sale:
        """The same, parsed, with an identifier."""
        document = self._document | {"statement": statement, "claim_id": fresh_name("claim")}
        return parse_sale(json.dumps(document).encode())

    @cached_property
    def day(self) -> date:
        """The date of service of every sale in the story."""
        return self.example("pair").date_of_service

    @cached_property
    def rows(self) -> list[Row]:
        """What the main sale sells: right lens, left lens, frame."""
        return [self.table.row(item.code, self.day) for item in self.example("pair").items()]

    @cached_property
    def prices_cents(self) -> list[int]:
        """For how much, in the same order."""
        return [item.price_cents for item in self.example("pair").items()]

    def row(self, regroupement: str) -> Row:
        """Some code of a class."""
        return self.table.class_rows(regroupement, self.day)[0]

    def sale_document(
        self,
        prices_cents: Sequence[int],
        *,
        rows: Sequence[Row] | None = None,
        amounts_cents: tuple[int, int] | None = None,
    ) -> dict[str, Any]:
        """A sale of ``rows``, by default those of the main sale, at these prices."""
        document: dict[str, Any] = {
            "format_version": 1,
            "statement": "equipment",
            "date_of_service": self.day.isoformat(),
            "beneficiary": fresh_name("b"),
            "claim_id": fresh_name("claim"),
        }
        for role, row, price in zip(ROLES, rows or self.rows, prices_cents, strict=True):
            document[role] = {"code": row.code, "price_cents": price}
        if amounts_cents:
            document["amounts"] = dict(
                zip(("lenses_cents", "frame_cents"), amounts_cents, strict=True)
            )
        return document

    def sale(self, *arguments: Any, **choices: Any) -> Sale:
        """`sale_document` with the same arguments, parsed."""
        return parse_sale(json.dumps(self.sale_document(*arguments, **choices)).encode())

    def case(self, sale: Sale, contract: Contract | None = None) -> Case:
        """The honest claim of a sale. Raises what `make_claim` raises."""
        terms = contract or self.contract
        made = make_claim(sale, terms, self.table, self.shop, self.generators, self.clock())
        return self.case_of(sale, *made, terms)

    def case_of(
        self, sale: Sale, claim: Claim, openings: Openings, contract: Contract | None = None
    ) -> Case:
        """The file of a claim that was made elsewhere."""
        terms = contract or self.contract
        statement = compile_statement(declare(sale, self.table), terms, self.table, self.day)
        return Case(sale, terms, statement, claim, openings)

    # -- the insurer ---------------------------------------------------------------------------

    def keys_file(self) -> bytes:
        """The insurer's list of opticians' public keys: both opticians are honourable members."""
        entries = [self.shop.public_entry(), self.rival.public_entry()]
        return json.dumps({"format_version": 1, "keys": entries}).encode()

    def judge_of(self, contract: Contract | None = None, backend: str | None = None) -> Judge:
        """The insurer's judge for a contract, over either backend of the group."""
        generators = generators_of(load_group(backend)) if backend else self.generators
        return Judge(
            contract or self.contract,
            self.table,
            parse_keys(self.keys_file()),
            generators,
            self.clock,
        )

    def judge(self, claim: Claim, contract: Contract | None = None) -> Verdict:
        """The insurer's verdict on one claim."""
        return self.judge_of(contract).judge(claim)


def short_commitment(text: str) -> str:
    """A commitment as people compare them: first and last characters."""
    return f"{text[:10]}…{text[-6:]}"
