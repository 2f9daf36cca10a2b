"""Publications in the service: what is recorded, what counts, and what claims are judged by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from circuits.canonical import encode_base64url
from circuits.claim import encode_instant
from circuits.contract import Contract, contract_digest
from circuits.nomenclature import Nomenclature
from circuits.publication import PUBLICATION_REASONS, Publication
from circuits.signed import encode_signed
from circuits.trust import TRUST_REASONS, Trust
from tests.support import claims as samples
from tests.support import records
from tests.support.publishing import first_day, party, publication, trust, write_trust
from verifier_api.service.administration import add_contract, add_nomenclature
from verifier_api.service.directory import Directory, Snapshot
from verifier_api.service.errors import ServiceError
from verifier_api.service.publications import add_publication
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database
from zk.errors import ProofRejected

CONTRACT = records.contract()
TABLE = samples.nomenclature()
DAY = records.DAY
NOW = records.NOW
TRUST = trust()


def add_documents(database: Database) -> None:
    with database.write() as connection:
        add_nomenclature(connection, TABLE, TABLE.to_bytes(), None, "test", NOW)
        add_contract(connection, CONTRACT.model_dump_json().encode(), None, "test", NOW)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = records.empty_database(tmp_path)
    add_documents(made)
    yield made
    made.dispose()


def add(database: Database, made: Publication, by: Trust = TRUST, now: datetime = NOW) -> None:
    with database.write() as connection:
        add_publication(connection, made, by, "test", now)


def refusal(
    database: Database, made: Publication, by: Trust = TRUST, now: datetime = NOW
) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        add(database, made, by, now)
    return caught.value


def verdict(snapshot: Snapshot, document: Contract | Nomenclature, day: date = DAY) -> str | None:
    """The reason with which the snapshot refuses a document, None if it does not."""
    try:
        if isinstance(document, Contract):
            digest = encode_base64url(contract_digest(document))
            snapshot.contract(document.insurer_id, document.contract_id, digest, day)
        else:
            snapshot.nomenclature(encode_base64url(document.digest), day)
    except ProofRejected as error:
        return error.reason
    return None


def verdicts(database: Database, path: Path | None) -> list[str | None]:
    """Of contract and table, by the trust list in a file."""
    snapshot = Directory(database, path).snapshot
    return [verdict(snapshot, CONTRACT), verdict(snapshot, TABLE)]


# -- recording ----------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [CONTRACT, TABLE], ids=["contract", "nomenclature"])
def test_a_publication_is_recorded_with_its_moment(
    database: Database, document: Contract | Nomenclature
) -> None:
    made = publication(document)
    add(database, made)
    (row,) = records.rows(database, "publications")
    assert row == {
        "digest": made.digest,
        "key_id": party().key_id,
        "kind": made.kind,
        "publisher_id": "publisher-1",
        "in_force_from": first_day(document).isoformat(),
        "document": encode_signed(made),
        "recorded_at": records.INSTANT,
    }
    event = records.rows(database, "events")[-1]
    assert (event["kind"], event["actor"], event["at"]) == (
        "publication_added",
        "test",
        records.INSTANT,
    )
    assert json.loads(event["facts"]) == {
        "digest": made.digest,
        "key_id": party().key_id,
        "publisher_id": "publisher-1",
    }
    (entry,) = Directory(database).snapshot.publications[made.digest]
    assert entry.publication == made
    assert entry.facts() == {
        "recorded_at": records.INSTANT,
        "publication": json.loads(encode_signed(made)),
    }


def test_the_same_again_changes_nothing_even_if_its_key_is_gone(database: Database) -> None:
    made = publication(CONTRACT)
    add(database, made)
    before = records.rows(database, "publications"), records.rows(database, "events")
    add(database, made, trust(party("publisher-2").public_entry()), NOW + timedelta(days=400))
    assert (records.rows(database, "publications"), records.rows(database, "events")) == before


def test_another_of_the_same_key_is_refused_and_of_another_key_is_not(database: Database) -> None:
    add(database, publication(CONTRACT))
    anew = publication(CONTRACT, published_at="2020-06-02T00:00:00Z")
    assert refusal(database, anew).code == "already_exists"
    other = party("publisher-1", number=2)
    both = trust(party().public_entry(), other.public_entry())
    add(database, publication(CONTRACT, other), both)
    assert len(records.rows(database, "publications")) == 2


def test_a_document_that_is_not_there(database: Database) -> None:
    for document in (records.contract(note="Another version."), samples.contract("reseau")):
        refused = refusal(database, publication(document))
        assert (refused.code, refused.places) == ("not_found", ("digest",))
    # A contract's digest is none of a table, and the other way round.
    digest = publication(TABLE).digest
    assert refusal(database, publication(CONTRACT, digest=digest)).code == "not_found"
    assert records.rows(database, "publications") == []


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "another name": ("publication_differs", {"name": "responsable-2021"}),
    "another insurer": ("publication_differs", {"insurer_id": "another"}),
    "from another day": ("in_force_from_differs", {"in_force_from": "2020-07-02"}),
    "by another party": ("key_unknown", {"publisher_id": "publisher-2"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_not_count_is_not_recorded(database: Database, case: str) -> None:
    reason, changes = REFUSED[case]
    refused = refusal(database, publication(CONTRACT, **changes))
    assert (refused.code, refused.reason) == ("publication_refused", reason)
    assert refused.detail == (TRUST_REASONS | PUBLICATION_REASONS)[reason]
    assert records.rows(database, "publications") == []


def test_without_a_list_nothing_can_be_recorded(database: Database) -> None:
    assert refusal(database, publication(CONTRACT), Trust()).reason == "key_unknown"


# -- judging ------------------------------------------------------------------------------------


def test_where_no_publisher_is_relied_upon_nothing_need_be_published(
    database: Database, tmp_path: Path
) -> None:
    assert verdicts(database, None) == [None, None]
    auditor = party("auditor-1", "auditor").public_entry()
    assert verdicts(database, write_trust(tmp_path / "trust.json", auditor)) == [None, None]


def test_where_one_is_everything_must_be(database: Database, tmp_path: Path) -> None:
    path = write_trust(tmp_path / "trust.json")
    assert verdicts(database, path) == ["contract_unpublished", "nomenclature_unpublished"]
    add(database, publication(CONTRACT))
    assert verdicts(database, path) == [None, "nomenclature_unpublished"]
    add(database, publication(TABLE))
    assert verdicts(database, path) == [None, None]


def test_one_that_counts_is_enough(database: Database, tmp_path: Path) -> None:
    revoked, other = party(), party("publisher-2")
    both = trust(revoked.public_entry(), other.public_entry())
    for document in (CONTRACT, TABLE):
        add(database, publication(document, revoked), both)
        add(database, publication(document, other), both)
    entry = revoked.public_entry(revoked_at=NOW)
    path = write_trust(tmp_path / "trust.json", entry, other.public_entry())
    assert verdicts(database, path) == [None, None]
    write_trust(path, entry)
    assert verdicts(database, path) == ["contract_unpublished", "nomenclature_unpublished"]


@pytest.mark.parametrize(
    ("entry", "counts"),
    [
        ({"revoked_at": NOW + timedelta(seconds=1)}, True),
        ({"revoked_at": NOW}, False),
        ({"revoked_at": NOW - timedelta(days=1)}, False),
        ({"valid_from": NOW, "valid_to": NOW}, True),
        ({"valid_from": NOW + timedelta(seconds=1)}, False),
        ({"valid_to": NOW - timedelta(seconds=1)}, False),
        ({"publishes": ["contract", "nomenclature"]}, True),
        ({"publishes": ["nomenclature"]}, False),
        ({"insurer_id": CONTRACT.insurer_id}, True),
        ({"insurer_id": "another"}, False),
    ],
)
def test_a_key_counts_for_what_was_recorded_while_it_did(
    database: Database, tmp_path: Path, entry: dict[str, Any], counts: bool
) -> None:
    add(database, publication(CONTRACT))
    path = write_trust(tmp_path / "trust.json", party().public_entry(**entry))
    assert verdicts(database, path)[0] == (None if counts else "contract_unpublished")


def test_keys_rotate(database: Database, tmp_path: Path) -> None:
    """The new key is listed before the old one ends; each version needs one of them."""
    old, new = party(), party("publisher-1", number=2)
    change = NOW + timedelta(days=30)
    overlap = change + timedelta(days=10)
    path = tmp_path / "trust.json"
    entries = old.public_entry(valid_to=overlap), new.public_entry(valid_from=change)
    write_trust(path, *entries)
    both = trust(*entries)
    add(database, publication(CONTRACT, old), both)
    assert refusal(database, publication(TABLE, new), both).reason == "key_not_valid"
    add(database, publication(TABLE, new), both, change)
    assert verdicts(database, path) == [None, None]
    after = overlap + timedelta(seconds=1)
    anew = publication(TABLE, old)
    assert refusal(database, anew, both, after).reason == "key_not_valid"
    add(database, anew, both, overlap)
    # What the old key signed in its time stands after it has ended.
    write_trust(path, old.public_entry(valid_to=overlap))
    assert verdicts(database, path) == [None, None]


def test_each_version_is_published_by_itself(database: Database, tmp_path: Path) -> None:
    second = records.contract(note="The second version.")
    start = date(2021, 3, 1)
    with database.write() as connection:
        document = second.model_dump_json().encode()
        add_contract(connection, document, start, "test", NOW)
    add(database, publication(CONTRACT))
    path = write_trust(tmp_path / "trust.json")
    snapshot = Directory(database, path).snapshot
    assert verdict(snapshot, CONTRACT) is None
    assert verdict(snapshot, second, start) == "contract_unpublished"
    assert verdict(snapshot, CONTRACT, start) == "contract_not_in_force"
    assert refusal(database, publication(second)).reason == "in_force_from_differs"
    add(database, publication(second, in_force_from=start.isoformat()))
    snapshot = Directory(database, path).snapshot
    assert verdict(snapshot, second, start) is None
    # Unpublished comes before not in force, mismatch before both.
    assert verdict(snapshot, second, DAY) == "contract_not_in_force"
    unknown = records.contract(note="Of nobody.")
    assert verdict(snapshot, unknown) == "contract_mismatch"


# -- reading again ------------------------------------------------------------------------------


def test_a_list_that_changes_reaches_a_directory_that_did_not(
    database: Database, tmp_path: Path
) -> None:
    add(database, publication(CONTRACT))
    path = write_trust(tmp_path / "trust.json")
    directory = Directory(database, path)
    first = directory.snapshot
    directory.refresh()
    assert directory.snapshot is first
    write_trust(path, party().public_entry(revoked_at=NOW))
    directory.refresh()
    assert verdict(directory.snapshot, CONTRACT) == "contract_unpublished"
    assert verdict(first, CONTRACT) is None
    assert set(directory.snapshot.trust.keys) == {party().key_id}


def test_a_list_that_breaks_while_running_is_told_and_the_last_good_one_used(
    database: Database, tmp_path: Path
) -> None:
    path = write_trust(tmp_path / "trust.json")
    directory = Directory(database, path)
    assert directory.is_trust_good
    path.write_bytes(b"{")
    add(database, publication(CONTRACT))
    directory.refresh()
    assert not directory.is_trust_good
    assert verdict(directory.snapshot, CONTRACT) is None
    assert verdict(directory.snapshot, TABLE) == "nomenclature_unpublished"
    write_trust(path, party("publisher-2").public_entry())
    directory.refresh()
    assert directory.is_trust_good
    assert verdict(directory.snapshot, CONTRACT) == "contract_unpublished"


def test_signatures_are_looked_at_once_a_snapshot(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, publication(CONTRACT))
    snapshot = Directory(database, write_trust(tmp_path / "trust.json")).snapshot
    looked: list[str] = []
    genuine = Trust.require_signed

    def noticed(self: Trust, *arguments: Any) -> Any:
        looked.append("")
        return genuine(self, *arguments)

    monkeypatch.setattr(Trust, "require_signed", noticed)
    for _ in range(3):
        assert verdict(snapshot, CONTRACT) is None
    assert len(looked) == 1


def test_instants_are_those_of_the_records(database: Database) -> None:
    late = datetime(2020, 10, 7, 23, 59, 59, 999_999, tzinfo=UTC)
    add(database, publication(CONTRACT), now=late)
    (row,) = records.rows(database, "publications")
    assert row["recorded_at"] == encode_instant(late) == "2020-10-07T23:59:59Z"


# -- the database's own check -------------------------------------------------------------------


def test_a_database_in_order_has_no_problems(database: Database) -> None:
    add(database, publication(CONTRACT))
    add(database, publication(TABLE))
    assert check_database(database)["problems"] == []


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ("digest = 'A'", ["digest is not the document's", "its document is not there"]),
        ("key_id = 'A'", ["key_id is not the document's"]),
        ("kind = 'nomenclature'", ["kind is not the document's", "its document is not there"]),
        ("publisher_id = 'another'", ["publisher_id is not the document's"]),
        (
            "in_force_from = '2020-07-02'",
            ["in_force_from is not the document's", "its document is in force from another day"],
        ),
        ("document = x'7b7d'", ["the document is no publication"]),
    ],
)
def test_a_row_that_is_not_its_document_is_found(
    database: Database, change: str, problems: list[str]
) -> None:
    made = publication(CONTRACT)
    add(database, made)
    with database.write() as connection:
        connection.execute(text(f"UPDATE publications SET {change}"))
    digest = "A" if change == "digest = 'A'" else made.digest
    assert check_database(database)["problems"] == [
        {"where": "publications", "problem": f"{digest}: {problem}"} for problem in problems
    ]
