"""What an insurer has told a server before claims come: contracts, tables, keys, rights, tokens.

All of it over HTTP, with the administrator's token. Opticians and beneficiaries are fresh where a
test asks for one, so that tests on the same server do not meet.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import Claim
from circuits.contract import Contract, Floor, RenewalMonths, StatementName, contract_digest
from circuits.nomenclature import Nomenclature
from optician.claiming import Openings, make_claim
from optician.client import ServiceClient
from optician.identity import Identity
from optician.sale import Sale
from tests.support import claims as samples
from tests.support.server import Server
from tests.support.tables import limits_table

SECOND_VERSION = date(2021, 3, 1)
"""From when on another version of the sample contract is in force."""

SECOND_TABLE = date(2021, 5, 1)
"""From when on `limits_table` is the table in force."""

RIGHTS_FROM = date(2020, 1, 1)
FAR_OFF = date(2099, 12, 31)


@cache
def contracts() -> dict[str, Contract]:
    """The contracts by names for tests; their identifiers differ, but for the second version."""
    first = samples.contract()

    def like(contract_id: str, **changes: Any) -> Contract:
        return first.model_copy(update={"contract_id": contract_id, **changes})

    return {
        "responsable": first,
        "second version": like(first.contract_id, note="The second version.", grant_days=45),
        "network": samples.contract("reseau"),
        "quick": like("quick-2020", renewal_months=RenewalMonths(adult=6, under_16=3)),
        "long": like("long-2020", valid_to=FAR_OFF),
        "lines only": like("lines-2020", valid_to=FAR_OFF, statements=("line",)),
        "crowd": like("crowd-2020", valid_to=FAR_OFF, floor_cells=Floor(warn=1000, refuse=1000)),
        "one day": like("one-day-2020", grant_days=1),
    }


def digest_of(contract: Contract) -> str:
    """Its digest as claims name it."""
    return encode_base64url(contract_digest(contract))


def table_digest(table: Nomenclature) -> str:
    """Its digest as claims name it."""
    return encode_base64url(table.digest)


@dataclass
class Optician:
    """An optician with a registered key and a token."""

    identity: Identity
    token: str = field(repr=False)
    token_id: str

    @property
    def name(self) -> str:
        """The identifier."""
        return self.identity.optician_id


class Insurer:
    """See module docstring. ``server`` may be replaced by another on the same database."""

    def __init__(self, server: Server) -> None:
        """Add contracts and tables, and a first optician."""
        self.server = server
        admin = server.client()
        admin.add_nomenclature(samples.nomenclature().to_bytes())
        admin.add_nomenclature(limits_table().to_bytes(), in_force_from=SECOND_TABLE)
        for name, contract in contracts().items():
            start = SECOND_VERSION if name == "second version" else None
            admin.add_contract(contract_bytes(contract), in_force_from=start)
        self.shop = self.new_optician()

    @property
    def admin(self) -> ServiceClient:
        """The administrator's client."""
        return self.server.client()

    def new_optician(self, name: str | None = None) -> Optician:
        """A fresh one."""
        identity = Identity.generate(name or f"shop-{secrets.token_hex(4)}")
        admin = self.admin
        admin.register_keys([identity.public_entry()])
        made = admin.create_token("optician", optician_id=identity.optician_id)
        return Optician(identity, made.token, made.token_id)

    def client(self, optician: Optician | None = None, **choices: Any) -> ServiceClient:
        """A client of an optician's, by default the first one's. For one thread."""
        return self.server.client((optician or self.shop).token, **choices)

    def new_beneficiary(self, age_group: str = "adult") -> str:
        """Somebody with rights under every contract."""
        return self.new_beneficiaries(1, age_group)[0]

    def new_beneficiaries(self, number: int, age_group: str = "adult") -> list[str]:
        """So many of them."""
        people = [secrets.token_urlsafe(16) for _ in range(number)]
        names = sorted({contract.contract_id for contract in contracts().values()})
        rights = [
            {
                "beneficiary": person,
                "contract_id": name,
                "age_group": age_group,
                "valid_from": RIGHTS_FROM.isoformat(),
                "valid_to": None,
            }
            for person in people
            for name in names
        ]
        for first in range(0, len(rights), 1000):
            self.admin.add_rights(rights[first : first + 1000])
        return people

    def claim(self, statement: StatementName = "equipment", **choices: Any) -> Claim:
        """`sale_and_claim` without the rest."""
        return self.sale_and_claim(statement, **choices)[1]

    def sale_and_claim(
        self,
        statement: StatementName = "equipment",
        *,
        contract: str = "responsable",
        table: Nomenclature | None = None,
        by: Optician | None = None,
        beneficiary: str | None = None,
        day: date = samples.DAY,
        **choices: Any,
    ) -> tuple[Sale, Claim, Openings]:
        """A sale and the claim for it, which will be granted; ``choices`` as `sample_sale`'s."""
        sale = samples.sample_sale(
            statement,
            beneficiary=beneficiary or self.new_beneficiary(),
            date_of_service=day.isoformat(),
            **choices,
        )
        claim, openings = make_claim(
            sale,
            contracts()[contract],
            table or samples.nomenclature(),
            (by or self.shop).identity,
            samples.generators(),
            datetime.now(UTC),
        )
        return sale, claim, openings

    def lines(
        self, number: int, *, by: Optician | None = None, beneficiary: str | None = None
    ) -> list[Claim]:
        """So many claims of the cheapest kind, which renew no equipment."""
        person = beneficiary or self.new_beneficiary()
        return [self.claim("line", by=by, beneficiary=person) for _ in range(number)]


def contract_bytes(contract: Contract) -> bytes:
    """The contract as a file."""
    return canonical_bytes(contract.model_dump(mode="json"))


def commitments_of(claims: Iterable[Claim]) -> list[str]:
    """The line commitments of all of them."""
    return [line.commitment for claim in claims for line in claim.lines]
