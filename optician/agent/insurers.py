"""The insurers of a shop: address, token, trust list, and the documents that claims are proved by.

Contracts and tables come from the insurer's service and are kept by their digests. A table that
ships with the program is not kept again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from circuits.canonical import canonical_bytes, decode_base64url, encode_base64url
from circuits.claim import encode_instant
from circuits.contract import Contract, parse_contract, require_classes_known
from circuits.document import Identifier
from circuits.nomenclature import Nomenclature, load_shipped
from circuits.publication import Publication, parse_publications
from circuits.trust import Trust, parse_trust
from optician.agent import store
from optician.agent.contents import instant
from optician.agent.errors import ShopError
from optician.agent.records import DocumentEntry, InsurerProfile
from optician.published import NONE_OF_IT, Reliance, encode_publications
from zk.errors import EncodingError, StatementError

if TYPE_CHECKING:
    from optician.client import ServiceClient
    from optician.vault import Reading, Writing

KIND = "insurer"
CONTRACT = "contract"
NOMENCLATURE = "nomenclature"
PUBLICATIONS = "publications"
DOCUMENTS = (CONTRACT, NOMENCLATURE, PUBLICATIONS)


# -- profiles ---------------------------------------------------------------------------------


def profiles(reading: Reading) -> tuple[InsurerProfile, ...]:
    """All, by insurer_id."""
    return tuple(profile(reading, name) for name in store.entry_names(reading, KIND))


def profile(reading: Reading, insurer_id: str) -> InsurerProfile:
    """One. Raises `ShopError` ("insurer_unknown")."""
    content = store.entry(reading, KIND, insurer_id)
    if content is None:
        raise ShopError("insurer_unknown", places=("insurer_id",))
    told = store.unpack(content)
    return InsurerProfile(
        insurer_id=insurer_id,
        name=told["name"],
        url=told["url"],
        token=told["token"],
        contracts=_entries(told["contracts"]),
        nomenclatures=_entries(told["nomenclatures"]),
        trust=None if told["trust"] is None else decode_base64url(told["trust"]),
        publications=told["publications"],
        fetched_at=None if told["fetched_at"] is None else instant(told["fetched_at"]),
    )


def described(profile: InsurerProfile) -> dict[str, Any]:
    """A profile as JSON data, without its token."""
    fetched_at = profile.fetched_at
    return {
        "insurer_id": profile.insurer_id,
        "name": profile.name,
        "url": profile.url,
        "has_trust": profile.trust is not None,
        "contracts": [_described(entry) for entry in profile.contracts],
        "nomenclatures": [_described(entry) for entry in profile.nomenclatures],
        "publications": profile.publications,
        "fetched_at": None if fetched_at is None else encode_instant(fetched_at),
    }


def _described(entry: DocumentEntry) -> dict[str, str]:
    return {
        "digest": entry.digest,
        "name": entry.name,
        "in_force_from": entry.in_force_from.isoformat(),
    }


def put_profile(writing: Writing, profile: InsurerProfile) -> None:
    """Keep it, in place of what was there."""
    content = {
        "name": profile.name,
        "url": profile.url,
        "token": profile.token,
        "contracts": _documents(profile.contracts),
        "nomenclatures": _documents(profile.nomenclatures),
        "trust": None if profile.trust is None else encode_base64url(profile.trust),
        "publications": profile.publications,
        "fetched_at": None if profile.fetched_at is None else encode_instant(profile.fetched_at),
    }
    store.put_entry(writing, KIND, profile.insurer_id, store.pack(content))


def drop_profile(writing: Writing, insurer_id: str) -> None:
    """Forget an insurer and the documents that no other has."""
    store.drop_entry(writing, KIND, insurer_id)
    _drop_unused(writing)


def _drop_unused(writing: Writing) -> None:
    used = {
        entry.digest
        for profile in profiles(writing)
        for entry in (*profile.contracts, *profile.nomenclatures)
    }
    for kind in DOCUMENTS:
        for digest in store.entry_names(writing, kind):
            if digest not in used:
                store.drop_entry(writing, kind, digest)


def _documents(entries: Iterable[DocumentEntry]) -> list[list[str | None]]:
    return [
        [
            entry.digest,
            entry.name,
            entry.in_force_from.isoformat(),
            None if entry.valid_from is None else entry.valid_from.isoformat(),
            None if entry.valid_to is None else entry.valid_to.isoformat(),
        ]
        for entry in entries
    ]


def _entries(told: Iterable[list[str]]) -> tuple[DocumentEntry, ...]:
    return tuple(
        DocumentEntry(digest, name, *(_day(text) for text in days))  # type: ignore[arg-type]
        for digest, name, *days in told
    )


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def require_identifier(text: str, place: str) -> None:
    """Raise `ShopError` ("argument_invalid") for what is no identifier."""
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(Identifier).validate_python(text)
    except ValidationError:
        problem = "1 to 64 letters, digits, dots, hyphens or underscores expected"
    else:
        return
    raise ShopError("argument_invalid", problem, (place,))


def read_trust(data: bytes) -> Trust:
    """A trust list. Raises `ShopError` ("document_invalid")."""
    try:
        return parse_trust(data)
    except (EncodingError, StatementError) as error:
        raise ShopError("document_invalid", str(error), ("trust",)) from None


# -- fetching ---------------------------------------------------------------------------------


class Fetched:
    """What an insurer's service has: documents by kind and digest, and a profile that names
    them."""

    def __init__(self, profile: InsurerProfile, held: set[tuple[str, str]]) -> None:
        """``held`` names the documents that are here already, and are not asked for again."""
        self.profile = profile
        self._held = held
        self._found: dict[tuple[str, str], bytes] = {}
        self._publications = 0

    def fetch(self, client: ServiceClient, now: datetime) -> None:
        """Ask for everything. Raises `console.calls.ServiceFault`."""
        contracts = [
            entry for entry in client.contracts() if entry.insurer_id == self.profile.insurer_id
        ]
        tables = client.nomenclatures()
        shipped = encode_base64url(load_shipped().digest)
        for contract in contracts:
            if (CONTRACT, contract.digest) not in self._held:
                document = client.contract(contract.digest).document
                self._found[CONTRACT, contract.digest] = canonical_bytes(document)
            self._fetch_publications(client, contract.digest)
        for table in tables:
            if (NOMENCLATURE, table.digest) not in self._held and table.digest != shipped:
                self._found[NOMENCLATURE, table.digest] = client.nomenclature_file(table.digest)
            self._fetch_publications(client, table.digest)
        self.profile = replace(
            self.profile,
            contracts=tuple(
                DocumentEntry(
                    entry.digest,
                    entry.contract_id,
                    entry.in_force_from,
                    entry.valid_from,
                    entry.valid_to,
                )
                for entry in contracts
            ),
            nomenclatures=tuple(
                DocumentEntry(entry.digest, entry.version, entry.in_force_from) for entry in tables
            ),
            publications=self._publications,
            fetched_at=now,
        )

    def _fetch_publications(self, client: ServiceClient, digest: str) -> None:
        found = client.publications(digest)
        self._publications += len(found)
        self._found[PUBLICATIONS, digest] = encode_publications(found)

    def keep(self, writing: Writing) -> None:
        """Documents and profile, in the caller's one write; what no insurer has any more goes."""
        for (kind, digest), content in self._found.items():
            store.put_entry(writing, kind, digest, content)
        put_profile(writing, self.profile)
        _drop_unused(writing)


def held_documents(reading: Reading) -> set[tuple[str, str]]:
    """Kind and digest of every contract and table that is kept."""
    kinds = (CONTRACT, NOMENCLATURE)
    return {(kind, digest) for kind in kinds for digest in store.entry_names(reading, kind)}


# -- choosing ---------------------------------------------------------------------------------


def choose_insurer(
    profiles: Iterable[InsurerProfile], insurer_id: str | None, contract_id: str
) -> InsurerProfile:
    """The insurer of an order. Raises `ShopError`."""
    listed = list(profiles)
    if insurer_id is not None:
        chosen = [profile for profile in listed if profile.insurer_id == insurer_id]
        if not chosen:
            raise ShopError("insurer_unknown", places=("insurer_id",))
        return chosen[0]
    if not listed:
        raise ShopError("insurer_unknown", places=("insurer_id",))
    chosen = [
        profile
        for profile in listed
        if any(entry.name == contract_id for entry in profile.contracts)
    ]
    if not chosen:
        raise ShopError("contract_unknown", places=("contract_id",))
    if len(chosen) > 1:
        raise ShopError("insurer_ambiguous", places=("insurer_id",))
    return chosen[0]


def choose_contract(profile: InsurerProfile, contract_id: str, day: date) -> DocumentEntry:
    """The version in force on ``day``: the last that came into force by then, as the insurer
    judges. Raises `ShopError`."""
    versions = [entry for entry in profile.contracts if entry.name == contract_id]
    if not versions:
        raise ShopError("contract_unknown", places=("contract_id",))
    chosen = _in_force(versions, day)
    if chosen is None or not _covers(chosen, day):
        raise ShopError("contract_not_in_force", places=("date_of_service",))
    return chosen


def choose_nomenclature(profile: InsurerProfile, day: date) -> DocumentEntry:
    """The table in force on ``day``. Raises `ShopError`."""
    chosen = _in_force(profile.nomenclatures, day)
    if chosen is None:
        raise ShopError("nomenclature_unknown", places=("date_of_service",))
    return chosen


def _in_force(versions: Iterable[DocumentEntry], day: date) -> DocumentEntry | None:
    begun = [entry for entry in versions if entry.in_force_from <= day]
    return max(begun, key=lambda entry: entry.in_force_from, default=None)


def _covers(entry: DocumentEntry, day: date) -> bool:
    begins, ends = entry.valid_from or date.min, entry.valid_to or date.max
    return begins <= day <= ends


def read_contract(reading: Reading, digest: str) -> Contract:
    """A contract that is kept."""
    content = store.entry(reading, CONTRACT, digest)
    if content is None:
        raise ShopError("contract_unknown", places=("contract_id",))
    return parse_contract(content)


def read_nomenclature(reading: Reading, digest: str) -> Nomenclature:
    """A table that is kept, or the one that ships."""
    content = store.entry(reading, NOMENCLATURE, digest)
    if content is not None:
        return Nomenclature.parse(content)
    shipped = load_shipped()
    if encode_base64url(shipped.digest) != digest:
        raise ShopError("nomenclature_unknown", places=("date_of_service",))
    return shipped


def read_publications(reading: Reading, digest: str) -> tuple[Publication, ...]:
    """What publishers signed of a document, as far as it is here."""
    content = store.entry(reading, PUBLICATIONS, digest)
    return () if content is None else parse_publications(content)


def require_relied_on(
    profile: InsurerProfile,
    documents: Iterable[tuple[Contract | Nomenclature, tuple[Publication, ...]]],
    day: date,
    now: datetime,
) -> None:
    """Where the insurer's trust list has a publisher: refuse documents that none published.

    Raises `ShopError` ("unpublished").
    """
    if profile.trust is None:
        return
    trust = read_trust(profile.trust)
    if not trust.has_role("publisher"):
        return
    for document, publications in documents:
        obstacle = Reliance(trust, publications).obstacle(document, day, now)
        if obstacle is not None:
            detail = obstacle.replace(NONE_OF_IT, "the insurer has no publication of it")
            raise ShopError("unpublished", detail)


def require_fit(contract: Contract, nomenclature: Nomenclature) -> None:
    """Refuse a contract that names classes which the table has not. Raises `ShopError`."""
    try:
        require_classes_known(contract, nomenclature)
    except StatementError as error:
        raise ShopError("document_invalid", str(error)) from None
