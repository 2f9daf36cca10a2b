"""From a sale to a signed claim, and the openings that stay in the shop.

1  read each code's class in the nomenclature; compile the statement
2  choose the amounts, unless the sale says them
3  commit to every line with a fresh blinding
4  prove, and verify one's own proof: nothing wrong ever leaves the shop
5  sign the envelope
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from circuits.canonical import (
    canonical_bytes,
    decode_base64url,
    encode_base64url,
)
from circuits.claim import (
    FORMAT_VERSION,
    Claim,
    ClaimAmounts,
    ClaimBody,
    ClaimLine,
    Digest,
    EncodedPoint,
    build_instance,
    sign_claim,
)
from circuits.compiled import Amounts
from circuits.contract import Contract, contract_digest, level_of
from circuits.declaration import EQUIPMENT_ROLES, Declaration, DeclaredLine, Role
from circuits.document import Identifier, SecretDocument, parse_document
from circuits.items import level_weight
from circuits.nomenclature import Nomenclature
from circuits.slots import SLOTS
from circuits.statements import compile_statement, require_ground_allowed
from optician.identity import Identity
from optician.sale import Sale
from zk.commitment import Opening, commit, fresh_opening
from zk.encoding import encode_proof
from zk.errors import StatementError
from zk.field import decode_scalar, encode_scalar
from zk.generators import Generators
from zk.prove import prove
from zk.verify import verify

VALIDITY = timedelta(days=30)
MAX_OPENINGS_BYTES = 64 * 2**10


# -- openings --------------------------------------------------------------------------------


class _OpeningLine(SecretDocument):
    role: Role
    commitment: EncodedPoint
    values: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=SLOTS, max_length=SLOTS)
    ]
    blinding: Digest  # 32 bytes


class _OpeningsFile(SecretDocument):
    format_version: Annotated[int, Field(ge=1, le=1)]
    claim_id: Identifier
    lines: Annotated[tuple[_OpeningLine, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Openings:
    """What the lines of one claim hide, kept for an audit. Secret; its repr shows none of it."""

    claim_id: str
    roles: tuple[Role, ...]
    commitments: tuple[str, ...]
    openings: tuple[Opening, ...]

    def encode(self) -> bytes:
        """The openings file (canonical JSON)."""
        lines = [
            {
                "role": role,
                "commitment": commitment,
                "values": list(opening.values),
                "blinding": encode_base64url(encode_scalar(opening.r)),
            }
            for role, commitment, opening in zip(
                self.roles, self.commitments, self.openings, strict=True
            )
        ]
        return canonical_bytes({"format_version": 1, "claim_id": self.claim_id, "lines": lines})

    @classmethod
    def parse(cls, data: bytes, generators: Generators) -> Openings:
        """Strict inverse of `encode`; raises `EncodingError` or `StatementError`, without
        content."""
        file = parse_document(_OpeningsFile, data, max_bytes=MAX_OPENINGS_BYTES, what="openings")
        order = generators.group.order
        openings = tuple(
            Opening(line.values, decode_scalar(decode_base64url(line.blinding), order))
            for line in file.lines
        )
        return cls(
            file.claim_id,
            tuple(line.role for line in file.lines),
            tuple(line.commitment for line in file.lines),
            openings,
        )


# -- claims ----------------------------------------------------------------------------------


def declare(sale: Sale, nomenclature: Nomenclature) -> Declaration:
    """What the claim will say in clear: classes from the codes, or for ``pair`` the level alone.

    Raises `StatementError` for a code that is not in the nomenclature on the date of service.
    """
    day = sale.date_of_service
    items = sale.items()
    roles: list[Role] = ["item"]
    if sale.statement != "line":
        roles = [*EQUIPMENT_ROLES, *["supplement"] * (len(items) - 3)]  # type: ignore[list-item]
    rows = []
    for item, role in zip(items, roles, strict=True):
        try:
            rows.append(nomenclature.row(item.code, day))
        except StatementError as error:
            raise StatementError(f"{role}: {error}") from None
    lines = [
        DeclaredLine(
            role,
            row.regroupement,
            row.code if nomenclature.is_declared_in_clear(row.regroupement, day) else None,
        )
        for role, row in zip(roles, rows, strict=True)
    ]
    if sale.statement != "pair":
        return Declaration(sale.statement, tuple(lines))
    for row, role in zip(rows[:2], roles, strict=False):
        if row.family != "lens":
            raise StatementError(f"{role}: not the code of a lens")
    lines[:2] = [DeclaredLine("right_lens"), DeclaredLine("left_lens")]
    level = level_of(sum(level_weight(row, nomenclature) for row in rows[:2]))
    price_class = nomenclature.regroupement_class(rows[0].regroupement).price_class
    return Declaration("pair", tuple(lines), level, price_class)


def make_claim(
    sale: Sale,
    contract: Contract,
    nomenclature: Nomenclature,
    identity: Identity,
    generators: Generators,
    now: datetime,
) -> tuple[Claim, Openings]:
    """A signed claim that the insurer will accept, and its openings.

    The claim expires `VALIDITY` after ``now``. Raises `StatementError` where the sale does not fit
    contract or table (`GroundError` for a ground that the contract does not list), `WitnessError`
    where a price or an amount is over its limit. No message holds a code or a price.
    """
    group, day = generators.group, sale.date_of_service
    declaration = declare(sale, nomenclature)
    require_ground_allowed(sale.early_renewal_ground, sale.statement, contract)
    statement = compile_statement(declaration, contract, nomenclature, day)
    articles = [item.article() for item in sale.items()]
    amounts = statement.largest_amounts(articles)
    if sale.amounts is not None:
        amounts = Amounts(sale.amounts.lenses_cents, sale.amounts.frame_cents)
    publics = statement.publics(day, amounts)
    wires = statement.wires(articles, amounts)
    claim_id = sale.claim_id or os.urandom(16).hex()
    openings = [
        fresh_opening(
            generators, values, secret=identity.hedge_key, context=f"{claim_id}/{number}".encode()
        )
        for number, values in enumerate(statement.circuit.line_values(wires, publics))
    ]
    commitments = [
        encode_base64url(group.encode(commit(generators, opening))) for opening in openings
    ]
    body = ClaimBody(
        format_version=FORMAT_VERSION,
        claim_id=claim_id,
        optician_id=identity.optician_id,
        key_id=identity.key_id,
        insurer_id=contract.insurer_id,
        contract_id=contract.contract_id,
        contract_digest=encode_base64url(contract_digest(contract)),
        nomenclature_digest=encode_base64url(nomenclature.digest),
        date_of_service=day,
        expires_at=(now + VALIDITY).replace(microsecond=0),
        beneficiary=sale.beneficiary,
        statement=sale.statement,
        level=declaration.level,
        price_class=declaration.price_class,
        lines=tuple(
            ClaimLine(
                role=line.role, regroupement=line.regroupement, code=line.code, commitment=text
            )
            for line, text in zip(declaration.lines, commitments, strict=True)
        ),
        amounts=None
        if amounts is None
        else ClaimAmounts(lenses_cents=amounts.lenses_cents, frame_cents=amounts.frame_cents),
        early_renewal_ground=sale.early_renewal_ground,
    )
    _, instance = build_instance(body, contract, nomenclature, group)
    proof = prove(generators, instance, wires, openings, secret=identity.hedge_key)
    verify(generators, instance, proof)
    claim = sign_claim(body, encode_proof(proof, group), identity.signing_key)
    roles = tuple(line.role for line in declaration.lines)
    return claim, Openings(claim_id, roles, tuple(commitments), tuple(openings))
