"""The optician's page in this process: a vault with a key and an insurer, and the application.

The clock stands at `tests.support.claims.NOW`, as that of the insurer in `tests.support.web` does,
and the vault's key takes no time. Nothing is sent until somebody calls `Keeper.tick`, or the
application is started.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.testclient import TestClient

from circuits.canonical import canonical_bytes, encode_base64url
from circuits.contract import Contract, contract_digest
from optician.agent import insurers, store
from optician.agent.records import DocumentEntry, InsurerProfile
from optician.agent.sender import Sender
from optician.agent.shop import Shop, make_client
from optician.client import ServiceClient
from optician.vault import Passphrase, ScryptCost, Vault
from optician.web.app import make_agent
from optician.web.attempts import Attempts
from optician.web.keeper import Keeper
from tests.support import claims as samples

PASSPHRASE: Final = "verre monture soleil pupitre"
COST: Final = ScryptCost(n=2**10, r=8, p=1)
PORT: Final = 8767
OPTICIAN: Final = "optician-1"
TOKEN: Final = "insurer-token-that-is-no-real-one"

RIGHT = {"right_sphere": "-2,25", "right_cylinder": "-0,50", "right_axis": "85"}
LEFT = {"left_sphere": "-3,00", "left_cylinder": "-0,75", "left_axis": "100"}
SALE_FIELDS: Final[Mapping[str, str]] = {
    "kind": "whole",
    "contract": "ocam-exemple/responsable-2020",
    "date": "2020-10-05",
    "beneficiary": samples.BENEFICIARY,
    "sale_id": "V-2020-118",
    "lens_type": "progressive",
    "price_class": "A",
    **RIGHT,
    "right_addition": "2,00",
    "right_price": "150",
    **LEFT,
    "left_addition": "2,00",
    "left_price": "150,00",
    "frame_class": "M03",
    "frame_price": "119",
}
"""What somebody fills in who claims by correction; granted by the sample insurer."""


def make_vault(path: Path, url: str = "http://127.0.0.1:9", token: str = TOKEN) -> None:
    """A vault with the key of `tests.support.claims.identity` and the sample insurer at ``url``,
    whose documents are there already."""
    with Vault.create(path, Passphrase(PASSPHRASE), scrypt=COST) as vault:
        Shop(vault).import_identity(samples.identity(OPTICIAN).encode())
        keep_insurer(vault, samples.contract(), url, token)


def keep_insurer(vault: Vault, contract: Contract, url: str, token: str) -> None:
    """The insurer of a contract, as after fetching from its service."""
    table = samples.nomenclature()
    digest = encode_base64url(contract_digest(contract))
    entry = DocumentEntry(
        digest, contract.contract_id, contract.valid_from, contract.valid_from, contract.valid_to
    )
    listed = DocumentEntry(encode_base64url(table.digest), table.version, contract.valid_from)
    profile = InsurerProfile(
        contract.insurer_id,
        "OCAM Exemple",
        url,
        token,
        contracts=(entry,),
        nomenclatures=(listed,),
        fetched_at=samples.NOW,
    )
    with vault.write() as writing:
        store.put_entry(
            writing,
            insurers.CONTRACT,
            digest,
            canonical_bytes(contract.model_dump(mode="json")),
        )
        insurers.put_profile(writing, profile)


def make_keeper(
    path: Path,
    *,
    is_open: bool = True,
    clock: Callable[[], datetime] = lambda: samples.NOW,
    make_client: Callable[[InsurerProfile], ServiceClient] = make_client,
    **more: Any,
) -> Keeper:
    """The keeper of a vault that `make_vault` made, or of none; wrong attempts cost no time."""
    return Keeper(
        path,
        source=Passphrase(PASSPHRASE) if is_open else None,
        clock=clock,
        make_shop=lambda vault: Shop(vault, clock, make_client),
        make_sender=lambda shop: Sender(shop, make_client),
        attempts=more.pop("attempts", None) or Attempts(pause=lambda _seconds: None),
        cost=COST,
        **more,
    )


class Visitor(TestClient):
    """A browser as far as headers and cookies go; it runs no script and follows nothing."""

    def __init__(self, app: Starlette, port: int = PORT) -> None:
        super().__init__(
            app, f"http://127.0.0.1:{port}", raise_server_exceptions=False, follow_redirects=False
        )
        self.origin = f"http://127.0.0.1:{port}"
        self.headers["Accept-Language"] = "en"

    def submit(self, path: str, fields: Mapping[str, str], *, csrf: str | None = None) -> Any:
        """POST a form of a page; its token is taken from the page that ``csrf`` names, by default
        the overview."""
        page = self.get(csrf or "/settings")
        found = re.search(r'name="csrf" value="([^"]+)"', page.text)
        token = {"csrf": found[1]} if found else {}
        headers = {"Origin": self.origin}
        return self.post(path, data={**token, **fields}, headers=headers)

    def sign_in(self, passphrase: str = PASSPHRASE) -> Any:
        """As the page asks for it."""
        return self.submit("/unlock", {"passphrase": passphrase}, csrf="/lock")


def make_visitor(keeper: Keeper, port: int = PORT) -> Visitor:
    """A browser at the page; the thread that sends is not started."""
    return Visitor(make_agent(keeper, port), port)
