"""Reference data in memory: contracts, tables, publications, keys, tokens and trust of one moment.

The database is the truth; a process asks it once a second whether anything changed, and at once
for what it does not know, so that a revocation reaches every process within about a second. The
trust list is a file, looked at as often.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from circuits.canonical import decode_base64url
from circuits.contract import Contract, parse_contract
from circuits.nomenclature import Nomenclature
from circuits.trust import Trust
from verifier_api.judge import rejected
from verifier_api.service.access import Principal, TokenEntry, is_secret_of, split_token
from verifier_api.service.publications import RecordedPublication, Version, is_published
from verifier_api.service.trust_file import TrustFile
from verifier_api.store import reference
from verifier_api.store.database import Database
from verifier_api.store.publications import publication_rows


@dataclass(frozen=True)
class ContractVersion:
    """A contract and from when on it is the one in force."""

    digest: str
    in_force_from: date
    added_at: str
    document: bytes = field(repr=False)
    contract: Contract = field(repr=False)

    def published(self) -> Version:
        """What a publication of it has to name."""
        contract = self.contract
        return Version(
            "contract",
            self.digest,
            contract.contract_id,
            contract.insurer_id,
            self.in_force_from,
        )

    def facts(self) -> dict[str, Any]:
        """The entry of a listing."""
        contract = self.contract
        return {
            "digest": self.digest,
            "contract_id": contract.contract_id,
            "insurer_id": contract.insurer_id,
            "product_id": contract.product_id,
            "valid_from": contract.valid_from.isoformat(),
            "valid_to": contract.valid_to.isoformat(),
            "in_force_from": self.in_force_from.isoformat(),
            "added_at": self.added_at,
        }


class NomenclatureVersion:
    """A table and from when on it is the one in force; parsed when it is first used."""

    def __init__(
        self, digest: str, version: str, in_force_from: date, document: bytes, added_at: str
    ) -> None:
        self.digest = digest
        self.version = version
        self.in_force_from = in_force_from
        self.document = document
        self.added_at = added_at

    @cached_property
    def table(self) -> Nomenclature:
        """The table itself; takes a moment."""
        return Nomenclature.parse(self.document)

    def published(self) -> Version:
        """What a publication of it has to name."""
        return Version("nomenclature", self.digest, self.version, None, self.in_force_from)

    def facts(self) -> dict[str, Any]:
        """The entry of a listing."""
        return {
            "digest": self.digest,
            "version": self.version,
            "source": self.table.source,
            "in_force_from": self.in_force_from.isoformat(),
            "added_at": self.added_at,
            "rows": len(self.table.rows),
        }


@dataclass(frozen=True)
class RegisteredKey:
    """An optician's public key, valid from day to day unless revoked."""

    key_id: str
    optician_id: str
    public_key: str
    valid_from: date
    valid_to: date
    registered_at: str
    revoked_at: str | None

    def facts(self) -> dict[str, Any]:
        """The entry of a listing."""
        return {
            "key_id": self.key_id,
            "optician_id": self.optician_id,
            "public_key": self.public_key,
            "valid_from": self.valid_from.isoformat(),
            "valid_to": self.valid_to.isoformat(),
            "registered_at": self.registered_at,
            "revoked_at": self.revoked_at,
        }


class Snapshot:
    """Everything of one moment; implements `verifier_api.judge.References`."""

    def __init__(
        self,
        counter: int,
        contracts: Sequence[ContractVersion],
        nomenclatures: Sequence[NomenclatureVersion],
        keys: Mapping[str, RegisteredKey],
        tokens: Mapping[str, TokenEntry],
        publications: Sequence[RecordedPublication] = (),
        trust: Trust | None = None,
    ) -> None:
        self.counter = counter
        self.contracts = {version.digest: version for version in contracts}
        self.nomenclatures = {version.digest: version for version in nomenclatures}
        self.keys = keys
        self.tokens = tokens
        self.publications: dict[str, list[RecordedPublication]] = {}
        for entry in publications:
            self.publications.setdefault(entry.publication.digest, []).append(entry)
        self.trust = trust or Trust()
        self._published: dict[str, bool] = {}
        self._contract_versions: dict[tuple[str, str], list[ContractVersion]] = {}
        for version in sorted(contracts, key=lambda version: version.in_force_from):
            name = (version.contract.insurer_id, version.contract.contract_id)
            self._contract_versions.setdefault(name, []).append(version)
        self._tables = sorted(nomenclatures, key=lambda version: version.in_force_from)
        self._table_starts = [version.in_force_from for version in self._tables]
        self._public_keys: dict[str, Ed25519PublicKey] = {}

    def key(self, optician_id: str, key_id: str, today: date) -> Ed25519PublicKey | None:
        """The key, if it is the optician's own, valid ``today`` and not revoked."""
        entry = self.keys.get(key_id)
        if entry is None or entry.optician_id != optician_id or entry.revoked_at is not None:
            return None
        if not entry.valid_from <= today <= entry.valid_to:
            return None
        key = self._public_keys.get(key_id)
        if key is None:
            raw = decode_base64url(entry.public_key)
            key = self._public_keys[key_id] = Ed25519PublicKey.from_public_bytes(raw)
        return key

    def contract(self, insurer_id: str, contract_id: str, digest: str, day: date) -> Contract:
        """The contract with that digest, if it is the version in force on ``day``."""
        versions = self._contract_versions.get((insurer_id, contract_id), [])
        named = self.contracts.get(digest)
        if not versions or named is None or named not in versions:
            raise rejected("contract_mismatch")
        if not self._is_published(named.published()):
            raise rejected("contract_unpublished")
        on_day = [version for version in versions if version.in_force_from <= day]
        if not on_day or on_day[-1] is not named or not named.contract.is_valid_on(day):
            raise rejected("contract_not_in_force")
        return named.contract

    def nomenclature(self, digest: str, day: date) -> Nomenclature:
        """The table with that digest, if it is the version in force on ``day``."""
        named = self.nomenclatures.get(digest)
        if named is None:
            raise rejected("nomenclature_mismatch")
        if not self._is_published(named.published()):
            raise rejected("nomenclature_unpublished")
        in_force = self.table_on(day)
        if in_force is None or in_force.digest != digest:
            raise rejected("nomenclature_not_in_force")
        return in_force.table

    def _is_published(self, version: Version) -> bool:
        # Nothing in it depends on the clock, so signatures are looked at once a snapshot.
        known = self._published.get(version.digest)
        if known is None:
            recorded = self.publications.get(version.digest, ())
            known = self._published[version.digest] = is_published(recorded, version, self.trust)
        return known

    def table_on(self, day: date) -> NomenclatureVersion | None:
        """The version in force on ``day``."""
        place = bisect_right(self._table_starts, day) - 1
        return self._tables[place] if place >= 0 else None

    def principal(self, token: str, now: datetime) -> Principal | None:
        """Who the token stands for, None if it is none or no longer one."""
        parts = split_token(token)
        if parts is None:
            return None
        entry = self.tokens.get(parts[0])
        if not is_secret_of(entry, parts[1]) or entry is None or not entry.is_valid_at(now):
            return None
        return Principal(entry.token_id, entry.scope, entry.optician_id)


class Directory:
    """The latest snapshot; `refresh` reads database and trust list, in whatever thread calls it."""

    def __init__(self, database: Database, trust: Path | None = None) -> None:
        """Read everything; ``trust`` is the file of the trust list. Raises `StorageError`; where
        that file is at fault, `OSError`, `EncodingError` or `StatementError`."""
        self._database = database
        self._trust_file = TrustFile(trust)
        self.snapshot = self._read(None)

    @property
    def is_trust_good(self) -> bool:
        """Whether the trust list's file was in order when it was last looked at."""
        return self._trust_file.is_good

    def refresh(self) -> None:
        """Read again what has changed, if anything has. Raises `StorageError`."""
        self._trust_file.look()
        self.snapshot = self._read(self.snapshot)

    def load_tables(self) -> None:
        """Parse the tables that are not yet: a large one takes seconds, which the event loop of a
        service does not have."""
        for version in self.snapshot.nomenclatures.values():
            _ = version.table

    def _read(self, known: Snapshot | None) -> Snapshot:
        with self._database.read() as connection:
            counter = reference.directory_counter(connection)
            trust = self._trust_file.trust
            if known is not None and known.counter == counter and known.trust is trust:
                return known
            contract_rows = reference.contract_rows(connection)
            nomenclature_rows = reference.nomenclature_rows(connection)
            key_rows = reference.key_rows(connection)
            token_rows = reference.token_rows(connection)
            published = publication_rows(connection)
        old_contracts = known.contracts if known else {}
        old_tables = known.nomenclatures if known else {}
        contracts = [
            old_contracts.get(row.digest)
            or ContractVersion(
                row.digest,
                row.in_force_from,
                row.added_at,
                row.document,
                parse_contract(row.document),
            )
            for row in contract_rows
        ]
        tables = [
            old_tables.get(row.digest)
            or NomenclatureVersion(
                row.digest, row.version, row.in_force_from, row.document, row.added_at
            )
            for row in nomenclature_rows
        ]
        keys = {row.key_id: RegisteredKey(**row._mapping) for row in key_rows}
        tokens = {row.token_id: TokenEntry(**row._mapping) for row in token_rows}
        publications = [RecordedPublication.of_row(row) for row in published]
        return Snapshot(counter, contracts, tables, keys, tokens, publications, trust)
