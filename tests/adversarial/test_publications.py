"""Publications that should make a contract or a table usable and must not.

Two are accepted: of the contract and of the table, by one publisher. Each reject names the accept
that it mutates, and is tried three ways: it is not recorded; were it recorded all the same, no
claim would be judged by the document; and no optician proves by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from circuits.canonical import decode_base64url, encode_base64url
from circuits.claim import encode_instant
from circuits.contract import Contract
from circuits.nomenclature import Nomenclature
from circuits.publication import Publication
from circuits.signed import encode_signed
from circuits.trust import parse_trust
from console.running import CommandError
from optician.published import Reliance
from tests.support import claims as samples
from tests.support import records
from tests.support.publishing import first_day, party, publication, trust_bytes
from tests.support.tables import limits_table
from verifier_api.parties import Party
from verifier_api.service.administration import add_contract, add_nomenclature
from verifier_api.service.directory import Directory
from verifier_api.service.errors import ServiceError
from verifier_api.service.publications import add_publication
from verifier_api.store import reference
from verifier_api.store.database import Database
from verifier_api.store.schema import publications
from zk.errors import ProofRejected

Document = Contract | Nomenclature

NOW = records.NOW
SECOND = timedelta(seconds=1)
DOCUMENTS: dict[str, Document] = {
    "contract": records.contract(),
    "nomenclature": samples.nomenclature(),
}
OTHERS: dict[str, Document] = {
    "contract": records.contract(note="Another version."),
    "nomenclature": limits_table(),
}
THIEF = party("thief")


@dataclass(frozen=True)
class Case:
    """The accept that is mutated, the publication and the trust list's entries in its place, and
    the reason with which it is refused ("not_found": there is no such document)."""

    mutates: str
    reason: str
    forged: Callable[[], Publication]
    entries: tuple[dict[str, Any], ...] = ()


def unsigned(mutates: str, **changes: Any) -> Callable[[], Publication]:
    """Fields of an accept changed under its signature."""
    return lambda: publication(DOCUMENTS[mutates]).model_copy(update=changes)


def signed(mutates: str, by: Party | None = None, **changes: Any) -> Callable[[], Publication]:
    """Fields of an accept changed and signed anew, by its publisher or by another."""
    return lambda: publication(DOCUMENTS[mutates], by, **changes)


def with_bit(number: int) -> Callable[[], Publication]:
    def forged() -> Publication:
        made = publication(DOCUMENTS["contract"])
        raw = bytearray(decode_base64url(made.signature))
        raw[number // 8] ^= 1 << number % 8
        return made.model_copy(update={"signature": encode_base64url(bytes(raw))})

    return forged


def moved(mutates: str) -> Callable[[], Publication]:
    """The accept's signature under a publication of another version."""

    def forged() -> Publication:
        made = publication(DOCUMENTS[mutates])
        other = publication(OTHERS[mutates])
        return made.model_copy(update={"signature": other.signature})

    return forged


ENTRY = party().public_entry

CASES: dict[str, Case] = {
    **{
        f"bit {number} of the signature": Case("contract", "signature_invalid", with_bit(number))
        for number in (0, 7, 255, 256, 511)
    },
    **{
        f"signature of another {name}": Case(name, "signature_invalid", moved(name))
        for name in DOCUMENTS
    },
    "a day earlier, unsigned": Case(
        "contract", "in_force_from_differs", unsigned("contract", in_force_from=date(2020, 6, 30))
    ),
    "published at another moment, unsigned": Case(
        "contract", "signature_invalid", unsigned("contract", published_at=NOW)
    ),
    "another publisher, unsigned": Case(
        "contract", "key_unknown", unsigned("contract", publisher_id="publisher-2")
    ),
    "another insurer, unsigned": Case(
        "contract", "publication_differs", unsigned("contract", insurer_id="another")
    ),
    "a day later, signed": Case(
        "contract", "in_force_from_differs", signed("contract", in_force_from="2020-07-02")
    ),
    "another name, signed": Case(
        "nomenclature", "publication_differs", signed("nomenclature", name="2020-08")
    ),
    "of another document": Case("contract", "not_found", lambda: publication(OTHERS["contract"])),
    "of another table": Case(
        "nomenclature", "not_found", lambda: publication(OTHERS["nomenclature"])
    ),
    "a table called a contract": Case(
        "nomenclature",
        "not_found",
        signed("nomenclature", kind="contract", insurer_id=records.contract().insurer_id),
    ),
    "by nobody known": Case("contract", "key_unknown", signed("contract", THIEF)),
    "by nobody known, in the publisher's name": Case(
        "contract", "key_unknown", signed("contract", THIEF, publisher_id="publisher-1")
    ),
    "by nobody known, with the publisher's key id": Case(
        "contract",
        "signature_invalid",
        lambda: publication(DOCUMENTS["contract"], THIEF, publisher_id="publisher-1").model_copy(
            update={"key_id": party().key_id}
        ),
    ),
    "by another publisher, in this one's name": Case(
        "contract",
        "key_unknown",
        signed("contract", party("publisher-2"), publisher_id="publisher-1"),
        (ENTRY(), party("publisher-2").public_entry()),
    ),
    **{
        f"by an {role}": Case(
            "contract",
            "key_unknown",
            signed("contract", party("publisher-1", role)),
            (ENTRY(), party("publisher-1", role).public_entry()),
        )
        for role in ("attester", "auditor", "insurer")
    },
    "revoked this second": Case(
        "contract", "key_revoked", signed("contract"), (ENTRY(revoked_at=NOW),)
    ),
    "revoked as of before it was published": Case(
        "nomenclature",
        "key_revoked",
        signed("nomenclature"),
        (ENTRY(revoked_at=NOW - timedelta(days=400)),),
    ),
    "not valid yet": Case(
        "contract", "key_not_valid", signed("contract"), (ENTRY(valid_from=NOW + SECOND),)
    ),
    "no longer valid": Case(
        "contract", "key_not_valid", signed("contract"), (ENTRY(valid_to=NOW - SECOND),)
    ),
    "by a publisher of tables": Case(
        "contract",
        "publisher_not_allowed",
        signed("contract"),
        (ENTRY(publishes=["nomenclature"]),),
    ),
    "by a publisher of contracts": Case(
        "nomenclature",
        "publisher_not_allowed",
        signed("nomenclature"),
        (ENTRY(publishes=["contract"]),),
    ),
    "by a publisher of another insurer's contracts": Case(
        "contract",
        "publisher_not_allowed",
        signed("contract"),
        (ENTRY(insurer_id="another"),),
    ),
    "a table by a publisher of one insurer's": Case(
        "nomenclature",
        "publisher_not_allowed",
        signed("nomenclature"),
        (ENTRY(insurer_id=records.contract().insurer_id),),
    ),
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = records.empty_database(tmp_path)
    table = samples.nomenclature()
    with made.write() as connection:
        add_nomenclature(connection, table, table.to_bytes(), None, "test", NOW)
        document = records.contract().model_dump_json().encode()
        add_contract(connection, document, None, "test", NOW)
    yield made
    made.dispose()


def judged(database: Database, path: Path, name: str) -> str | None:
    snapshot = Directory(database, path).snapshot
    document = DOCUMENTS[name]
    digest = publication(document).digest
    try:
        if isinstance(document, Contract):
            snapshot.contract(document.insurer_id, document.contract_id, digest, records.DAY)
        else:
            snapshot.nomenclature(digest, records.DAY)
    except ProofRejected as error:
        return error.reason
    return None


def slip_in(database: Database, forged: Publication) -> None:
    """A row that no rule of ours let in."""
    with database.write() as connection:
        values = {
            **{name: getattr(forged, name) for name in ("digest", "key_id", "kind")},
            "publisher_id": forged.publisher_id,
            "in_force_from": first_day(DOCUMENTS["contract"]),
            "document": encode_signed(forged),
            "recorded_at": encode_instant(NOW),
        }
        connection.execute(insert(publications).values(values))
        reference.note_change(connection)


def reliance(entries: tuple[dict[str, Any], ...], made: Publication, path: Path) -> Reliance:
    """The optician's side, by the same list that is written to ``path`` for the insurer."""
    path.write_bytes(trust_bytes(*entries))
    return Reliance(parse_trust(path.read_bytes()), [made])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_accepts_are_accepted(database: Database, tmp_path: Path, name: str) -> None:
    path = tmp_path / "trust.json"
    made = publication(DOCUMENTS[name])
    held = reliance((ENTRY(),), made, path)
    assert judged(database, path, name) == f"{name}_unpublished"
    with database.write() as connection:
        add_publication(connection, made, held.trust, "test", NOW)
    assert judged(database, path, name) is None
    held.require(DOCUMENTS[name], records.DAY, NOW)


@pytest.mark.parametrize("case", CASES)
def test_the_rejects_are_rejected(database: Database, tmp_path: Path, case: str) -> None:
    told = CASES[case]
    path = tmp_path / "trust.json"
    forged = told.forged()
    held = reliance(told.entries, forged, path)
    with pytest.raises(ServiceError) as caught, database.write() as connection:
        add_publication(connection, forged, held.trust, "test", NOW)
    assert told.reason in (caught.value.reason, caught.value.code)
    assert records.rows(database, "publications") == []
    slip_in(database, forged)
    assert judged(database, path, told.mutates) == f"{told.mutates}_unpublished"
    if told.reason == "in_force_from_differs":
        return  # from when on the insurer has it in force, the optician does not know
    with pytest.raises(CommandError, match=rf"^{told.mutates}: "):
        held.require(DOCUMENTS[told.mutates], records.DAY, NOW)


def test_every_reason_is_reached() -> None:
    reasons = {case.reason for case in CASES.values()}
    assert reasons == {
        *("not_found", "publication_differs", "in_force_from_differs", "publisher_not_allowed"),
        *("key_unknown", "key_not_valid", "key_revoked", "signature_invalid"),
    }
