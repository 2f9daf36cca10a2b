"""The attester's ledger: nothing twice, nothing lost, and no code in it."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from circuits.attestation import Attestation
from circuits.signed import decode_signed, encode_signed, make_signed
from tests.support.claims import NOW
from tests.support.laboratory import party
from verifier_api.attester.ledger import Ledger, Line
from verifier_api.parties import Party
from verifier_api.store.database import Database, StorageError, sqlite_url
from zk.errors import ProofRejected

LINE = Line("ORDER-1", "optician-1", "claim-1", "A" * 43, 1, "A" * 43 + "A")
OTHER = replace(LINE, line=2, commitment="B" * 43 + "A")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.db", "lab-1")
    yield opened
    opened.close()


def sign(
    line: Line, by: Party, now: datetime, attested: tuple[str, ...], reference: str
) -> Attestation:
    return make_signed(
        Attestation,
        by.signing_key,
        attester_id=by.party_id,
        claim_id=line.claim_id,
        claim_digest=line.claim_digest,
        line=line.line,
        commitment=line.commitment,
        attested=attested,
        record=reference,
        attested_at=now,
        expires_at=now + timedelta(days=30),
    )


def attest(ledger: Ledger, line: Line, quantity: int = 1, **choices: Any) -> Attestation:
    by, now = choices.get("by", party()), choices.get("now", NOW)
    attested = choices.get("attested", ("code",))
    data = ledger.attest(
        line,
        quantity,
        ",".join(attested),
        by.key_id,
        now,
        lambda reference: sign(line, by, now, attested, reference),
    )
    return decode_signed(Attestation, data)


def rows(path: Path, table: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def used_up(ledger: Ledger, line: Line, quantity: int = 1) -> None:
    with pytest.raises(ProofRejected) as refusal:
        attest(ledger, line, quantity)
    assert refusal.value.reason == "record_used_up"


def test_the_same_line_gets_the_same_bytes_and_uses_nothing_up(ledger: Ledger) -> None:
    first = attest(ledger, LINE)
    for later in (0, 1, 29 * 86400):
        again = attest(ledger, LINE, now=NOW + timedelta(seconds=later))
        assert encode_signed(again) == encode_signed(first)
    used_up(ledger, OTHER)


def test_a_record_has_as_many_articles_as_it_says(ledger: Ledger) -> None:
    references = {attest(ledger, replace(LINE, line=n), 3).record for n in (1, 2, 3)}
    assert len(references) == 3
    used_up(ledger, replace(LINE, line=4), 3)
    assert attest(ledger, replace(LINE, record_id="ORDER-2", line=4)).record not in references


@pytest.mark.parametrize(
    "changes",
    [
        {"line": 2},
        {"claim_id": "claim-2"},
        {"claim_digest": "B" * 42 + "A"},
        {"commitment": "C" * 43 + "A"},
    ],
)
def test_another_line_claim_or_commitment_takes_another_article(
    ledger: Ledger, changes: dict[str, Any]
) -> None:
    first = attest(ledger, LINE)
    used_up(ledger, replace(LINE, **changes))
    assert attest(ledger, replace(LINE, **changes), 2).record != first.record


def test_an_expired_attestation_is_made_anew_for_the_same_article(ledger: Ledger) -> None:
    first = attest(ledger, LINE)
    assert attest(ledger, LINE, now=first.expires_at - timedelta(seconds=1)) == first
    after = attest(ledger, LINE, now=first.expires_at)
    assert after.attested_at == first.expires_at
    assert after.record == first.record
    assert attest(ledger, LINE, now=first.expires_at + timedelta(days=1)) == after
    used_up(ledger, OTHER)


def test_a_new_key_signs_anew_for_the_same_article(ledger: Ledger) -> None:
    first, fresh = attest(ledger, LINE), Party.generate("attester", "lab-1")
    second = attest(ledger, LINE, by=fresh)
    assert (second.record, second.key_id) == (first.record, fresh.key_id)
    assert attest(ledger, LINE) == first


def test_a_record_that_has_got_a_price_is_attested_with_it(ledger: Ledger) -> None:
    first = attest(ledger, LINE)
    second = attest(ledger, LINE, attested=("code", "price"))
    assert second.record == first.record
    assert attest(ledger, LINE) == first
    used_up(ledger, OTHER)


def test_a_released_article_is_free_and_stays_written(ledger: Ledger, tmp_path: Path) -> None:
    first = attest(ledger, LINE)
    assert ledger.release("ORDER-1", "claim-1", 1, NOW) == 1
    assert ledger.release("ORDER-1", "claim-1", 1, NOW) == 0
    second = attest(ledger, OTHER)
    assert second.record != first.record
    used_up(ledger, LINE)
    assert ledger.release("ORDER-1", "claim-1", 2, NOW) == 1
    assert attest(ledger, LINE).record not in (first.record, second.record)
    assert len(rows(tmp_path / "ledger.db", "units")) == 3
    documents = [row[-1] for row in rows(tmp_path / "ledger.db", "attestations")]
    assert documents[:2] == [encode_signed(first), encode_signed(second)]


@pytest.mark.parametrize("named", [("ORDER-2", "claim-1", 1), ("ORDER-1", "claim-2", 1),
                                   ("ORDER-1", "claim-1", 2)])  # fmt: skip
def test_nothing_else_is_released(ledger: Ledger, named: tuple[str, str, int]) -> None:
    attest(ledger, LINE)
    assert ledger.release(*named, NOW) == 0
    used_up(ledger, OTHER)


def test_many_at_once_take_what_there_is(ledger: Ledger) -> None:
    start = Barrier(8)

    def ask(number: int) -> str:
        start.wait()
        try:
            return attest(ledger, replace(LINE, claim_id=f"claim-{number}"), 3).record
        except ProofRejected as error:
            return error.reason

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(1, 9)))
    given = [reference for reference in found if reference != "record_used_up"]
    assert len(given) == len(set(given)) == 3


def test_the_same_line_at_once_takes_one_article(ledger: Ledger) -> None:
    start = Barrier(8)

    def ask(_number: int) -> bytes:
        start.wait()
        return encode_signed(attest(ledger, LINE, 5))

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1


def test_a_fault_while_signing_takes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    def fail(_reference: str) -> Attestation:
        raise KeyError

    with pytest.raises(KeyError):
        ledger.attest(LINE, 1, "code", party().key_id, NOW, fail)
    assert rows(tmp_path / "ledger.db", "units") == []
    attest(ledger, OTHER)


def test_it_is_durable_private_and_there_again(ledger: Ledger, tmp_path: Path) -> None:
    first = attest(ledger, LINE)
    ledger.close()
    assert stat.S_IMODE((tmp_path / "ledger.db").stat().st_mode) == 0o600
    again = Ledger(tmp_path / "ledger.db", "lab-1")
    assert attest(again, LINE) == first
    assert again.is_usable()
    again.close()
    anybody = Ledger(tmp_path / "ledger.db", None)
    assert anybody.release("ORDER-1", "claim-1", 1, NOW) == 1
    anybody.close()


def test_every_commit_reaches_the_disk(ledger: Ledger) -> None:
    with ledger._database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL


def test_another_attesters_ledger_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="another attester's"):
        Ledger(tmp_path / "ledger.db", "lab-2")


def test_another_database_or_version_or_file_is_refused(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "verifier.db"))
    database.upgrade()
    database.dispose()
    for attester_id in ("lab-1", None):
        with pytest.raises(StorageError, match="no attester's ledger"):
            Ledger(tmp_path / "verifier.db", attester_id)
    (tmp_path / "text.db").write_text("something else " * 1000)
    with pytest.raises(StorageError):
        Ledger(tmp_path / "text.db", "lab-1")
    with pytest.raises(StorageError, match="No such file"):
        Ledger(tmp_path / "none.db", None)
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(StorageError, match="ledger:"):
        Ledger(tmp_path / "no-folder" / "ledger.db", "lab-1")
    Ledger(tmp_path / "old.db", "lab-1").close()
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.execute("UPDATE attester_ledger SET format_version = 2")
        connection.commit()
    with pytest.raises(StorageError, match="another version"):
        Ledger(tmp_path / "old.db", "lab-1")


def test_a_damaged_ledger_is_not_usable(ledger: Ledger, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.execute("DROP TABLE attester_ledger")
        connection.commit()
    assert not ledger.is_usable()
