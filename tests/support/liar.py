"""Tells a lie as well as it can be told: true envelope, good signature, and a proof that satisfies
every equation but those that the lie breaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from circuits.canonical import encode_base64url
from circuits.claim import Claim, ClaimBody, context_digest, sign_claim
from circuits.compiled import CompiledStatement
from circuits.contract import Contract
from circuits.gadgets import Range
from circuits.nomenclature import Nomenclature
from circuits.slots import encode_day
from circuits.statements import compile_statement
from optician.claiming import make_claim
from optician.identity import Identity
from optician.sale import Sale
from tests.support.claims import NOW, contract, generators, identity, nomenclature
from tests.support.deviating_prover import prove_anything
from zk.commitment import commit, fresh_opening
from zk.encoding import encode_proof
from zk.instance import Instance

Wires = dict[int, int]
Values = list[list[int]]


@dataclass(frozen=True)
class Tale:
    """An honest claim's envelope, and the wires and line values that its sale has."""

    teller: Identity
    body: ClaimBody
    statement: CompiledStatement
    wires: list[int]
    values: Values

    def tell(
        self,
        wires: Mapping[int, int] | None = None,
        values: Mapping[tuple[int, int], int] | None = None,
        **changes: Any,
    ) -> Claim:
        """The claim with other wires, other committed values ((line, slot), both from 0) and other
        fields of the body; proof and signature are made for what it then says."""
        g = generators()
        lied = [list(line) for line in self.values]
        for (line, slot), value in (values or {}).items():
            lied[line][slot] = value
        spoken = [(wires or {}).get(number, wire) for number, wire in enumerate(self.wires)]
        openings = [fresh_opening(g, [value % g.group.order for value in line]) for line in lied]
        commitments = tuple(commit(g, opening) for opening in openings)
        fields = self.body.model_dump() | changes
        for line, point in zip(fields["lines"], commitments, strict=True):
            line["commitment"] = encode_base64url(g.group.encode(point))
        body = ClaimBody.model_validate(fields)
        publics: tuple[int, ...] = (encode_day(body.date_of_service),)
        if body.amounts is not None:
            publics += (body.amounts.lenses_cents, body.amounts.frame_cents)
        instance = Instance(self.statement.circuit, publics, context_digest(body), commitments)
        proof = prove_anything(g, instance, spoken, openings)
        return sign_claim(body, encode_proof(proof, g.group), self.teller.signing_key)


def tale(
    sale: Sale,
    of_contract: Contract | None = None,
    table: Nomenclature | None = None,
    *,
    by: Identity | None = None,
    now: datetime = NOW,
) -> Tale:
    """The honest beginning; by default with the sample contract, table and optician."""
    terms, rows, teller = of_contract or contract(), table or nomenclature(), by or identity()
    claim, openings = make_claim(sale, terms, rows, teller, generators(), now)
    body = ClaimBody.model_validate(claim.model_dump(exclude={"proof", "signature"}))
    statement = compile_statement(body.declaration(), terms, rows, sale.date_of_service)
    wires = statement.wires([item.article() for item in sale.items()], body.claimed())
    return Tale(
        teller, body, statement, wires, [list(opening.values) for opening in openings.openings]
    )


def wires_for(part: Range, value: int) -> list[Wires]:
    """Digits that say ``value``, which is one below or above the range: the right sum with one
    digit that is none, and proper digits that sum to the nearest value."""
    assert value in (-1, part.cap + 1)
    nearest = part.assignment(min(max(value, 0), part.cap))
    lightest, weight, _ = part.digits[-1]
    assert weight == 1
    return [nearest | {lightest: nearest[lightest] + (1 if value > 0 else -1)}, nearest]
