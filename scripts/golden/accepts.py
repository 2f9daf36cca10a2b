"""The sales of the golden vectors, and the claims to accept that are made of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from circuits.claim import (
    Claim,
    build_instance,
    claim_digest,
    context_digest,
    encode_claim,
    encode_instant,
)
from circuits.contract import Contract, contract_digest, load_sample
from circuits.nomenclature import SHIPPED_FILE, Nomenclature, load_shipped
from optician.claiming import Openings, make_claim
from optician.identity import HEDGE_BYTES, Identity
from optician.sale import parse_sale
from tests.support.tables import limits_table
from zk.backends import load_group
from zk.generators import generators_of
from zk.verify import challenges

TABLE_FILE = "nomenclature-limits.json"
NOW = datetime(2020, 10, 6, 9, 30, tzinfo=UTC)
DAY = "2020-10-05"

Json: TypeAlias = Any
Document: TypeAlias = dict[str, Json]
Rows: TypeAlias = dict[str, tuple[str, int, int]]
"""Role → class, number of the row in it, price in cents."""

GENERATORS = generators_of(load_group("libsecp256k1"))


def fixed_identity(optician_id: str) -> Identity:
    """Keys that everybody knows, derived from the name. Good for nothing but vectors."""
    seed = hashlib.sha256(b"clairobscur golden vectors, " + optician_id.encode()).digest()
    return Identity(optician_id, Ed25519PrivateKey.from_private_bytes(seed), bytes(HEDGE_BYTES))


OPTICIANS = (fixed_identity("golden-optician"), fixed_identity("second-optician"))


@dataclass(frozen=True)
class Accept:
    """A sale, what it is claimed under, and the claim made of it."""

    name: str
    about: str
    statement: str
    sold: Rows
    contract_name: str = "responsable"
    has_limits_table: bool = False
    early_renewal_ground: str | None = None

    @property
    def contract(self) -> Contract:
        return load_sample(self.contract_name)

    @property
    def table(self) -> Nomenclature:
        return limits_table() if self.has_limits_table else load_shipped()

    @property
    def sale(self) -> Document:
        """The sale as point-of-sale software writes it."""
        powers = {"sphere": "-2.25", "cylinder": "-0.50", "axis": 85, "addition": "2.00"}
        day = datetime.fromisoformat(DAY).date()
        sale: Document = {
            "format_version": 1,
            "statement": self.statement,
            "date_of_service": DAY,
            "beneficiary": "benef_golden_3Jx0kQ",
            "claim_id": f"golden-{self.name}",
        }
        if self.early_renewal_ground is not None:
            sale["early_renewal_ground"] = self.early_renewal_ground
        for role, (regroupement, number, price) in self.sold.items():
            row = self.table.class_rows(regroupement, day)[number]
            item: Document = {"code": row.code, "price_cents": price}
            if row.family == "lens":
                item["correction"] = powers
            if role.startswith("supplement"):
                sale.setdefault("supplements", []).append(item)
            else:
                sale[role] = item
        return sale

    @cached_property
    def made(self) -> tuple[Claim, Openings]:
        """Claim and openings, made once a run."""
        return make_claim(
            parse_sale(json.dumps(self.sale).encode()),
            self.contract,
            self.table,
            OPTICIANS[0],
            GENERATORS,
            NOW,
        )

    @property
    def claim(self) -> Claim:
        return self.made[0]

    @property
    def circuit_digest(self) -> bytes:
        """Of the circuit that its claim is judged by."""
        compiled, _ = build_instance(self.claim, self.contract, self.table, GENERATORS.group)
        return compiled.circuit.digest

    def vector(self) -> Document:
        """Everything that a verifier is given, and everything that it computes."""
        claim, openings = self.made
        group = GENERATORS.group
        compiled, instance = build_instance(claim, self.contract, self.table, group)
        y, x = challenges(group, instance, claim.proof_bytes())
        circuit = compiled.circuit
        return {
            "name": self.name,
            "about": self.about,
            "verdict": "accepted",
            "now": encode_instant(NOW),
            "nomenclature": TABLE_FILE if self.has_limits_table else SHIPPED_FILE,
            "contract": self.contract.model_dump(mode="json"),
            "keys": {
                "format_version": 1,
                "keys": [identity.public_entry() for identity in OPTICIANS],
            },
            "sale": self.sale,
            "claim": encode_claim(claim).decode(),
            "openings": json.loads(openings.encode()),
            "computed": {
                "contract_digest": contract_digest(self.contract).hex(),
                "nomenclature_digest": self.table.digest.hex(),
                "circuit_digest": circuit.digest.hex(),
                "context_digest": context_digest(claim).hex(),
                "claim_digest": claim_digest(claim).hex(),
                "wires": circuit.wires,
                "degree": circuit.degree,
                "equations": len(circuit.equations),
                "lines": len(circuit.lines),
                "publics": list(instance.publics),
                "instance": instance.encode(group).hex(),
                "commitments": [group.encode(point).hex() for point in instance.commitments],
                "y": f"{int(y):064x}",
                "x": f"{int(x):064x}",
                "proof_bytes": len(claim.proof_bytes()),
            },
        }


def accepts() -> list[Accept]:
    """Every statement, with and without hidden limits."""
    progressive: Rows = {
        "right_lens": ("VM4", 145, 45_000),
        "left_lens": ("VM4", 7, 45_000),
        "frame": ("M03", 238, 18_000),
    }
    return [
        Accept(
            "line",
            "One lens of a large class; the price has one limit for all rows.",
            "line",
            {"item": ("V04", 450, 4_900)},
        ),
        Accept(
            "line-limits",
            "One lens; every row has a price limit of its own, here reached to the cent.",
            "line",
            {"item": ("V04", 1, 6_000)},
            has_limits_table=True,
        ),
        Accept(
            "equipment",
            "Progressive lenses over the ceiling: an ordinary claim of the whole ceiling.",
            "equipment",
            progressive,
        ),
        Accept(
            "equipment-limits",
            "Hidden limits and hidden shares of the public payer on every line.",
            "equipment",
            {
                "right_lens": ("V04", 2, 9_000),
                "left_lens": ("V04", 3, 12_500),
                "frame": ("M01", 5, 5_000),
            },
            has_limits_table=True,
        ),
        Accept(
            "equipment-mixed",
            "Class A lenses with two supplements, one of them declared in clear, and a class B "
            "frame: the hidden class A prices count against the ceiling.",
            "equipment",
            {
                "right_lens": ("V04", 12, 35_000),
                "left_lens": ("V01", 300, 20_000),
                "frame": ("M03", 400, 15_000),
                "supplement 1": ("SV2", 1, 1_500),
                "supplement 2": ("S01", 0, 1_000),
            },
        ),
        Accept(
            "pair",
            "The insurer learns the level and neither class nor which eye; renewed before it is "
            "due, on a ground of the contract's list.",
            "pair",
            progressive,
            early_renewal_ground="change_of_vision",
        ),
        Accept(
            "pair-limits",
            "The network's caps differ between the classes of the union: hidden limits.",
            "pair",
            {
                "right_lens": ("VM1", 3, 22_000),
                "left_lens": ("VM4", 20, 25_999),
                "frame": ("M03", 0, 15_000),
            },
            contract_name="reseau",
        ),
    ]
