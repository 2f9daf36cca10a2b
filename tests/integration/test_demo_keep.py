"""The demonstration's data set, small, and `make demo KEEP=1` over it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from circuits.contract import contract_digest
from circuits.nomenclature import load_shipped
from demo import dataset
from demo.dataset import DataSet, build, contracts
from demo.sales import open_table
from demo.story import LEAST_CLAIMS
from optician.agent.shop import Shop
from optician.vault import Passphrase, ScryptCost, Vault
from tests.support import records
from verifier_api.auditor.vault import Vault as CaseVault
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database, sqlite_url

pytestmark = pytest.mark.integration

SHARE = 6
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    folder = tmp_path_factory.mktemp("dataset") / "data"
    return build(folder, claims=LEAST_CLAIMS, share=SHARE, now=NOW, scrypt=ScryptCost(n=2**10))


@pytest.fixture(scope="module")
def database(made: DataSet) -> Iterator[Database]:
    opened = Database(sqlite_url(made.data_dir / "verifier.db"))
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def shop(made: DataSet) -> Iterator[Shop]:
    with Vault.open(made.vault, Passphrase(dataset.PASSPHRASE)) as vault:
        yield Shop(vault, clock=lambda: NOW)


def test_what_is_recorded_fits_together(database: Database) -> None:
    assert check_database(database) == {"claims": LEAST_CLAIMS, "problems": []}


def test_claims_come_over_two_months_up_to_now_and_some_are_refused(database: Database) -> None:
    rows = records.rows(database, "claims", "sequence")
    days = [row["received_at"][:10] for row in rows]
    assert days == sorted(days)
    assert "2026-01-10" <= days[0] < "2026-01-25"
    assert "2026-03-01" <= days[-1] <= "2026-03-10"
    refused = [row["reason"] for row in rows if row["verdict"] == "refused"]
    assert len(refused) >= LEAST_CLAIMS // 10
    assert len(set(refused)) > 2
    states = {row["state"] for row in rows}
    assert {"granted", "refused", "payable"} <= states
    assert len({row["optician_id"] for row in rows}) > 3
    assert len({row["contract_id"] for row in rows}) == len(contracts())
    assert all(row["latency_us"] > 0 for row in rows)


def test_one_audit_is_open_and_the_auditor_can_read_its_answer(
    made: DataSet, database: Database
) -> None:
    cases = {row["case_id"]: row for row in records.rows(database, "audits")}
    states = sorted(row["state"] for row in cases.values())
    assert states == ["concluded", "lapsed", "open"]
    case = cases[made.case_id]
    assert (case["state"], case["optician_id"]) == ("open", dataset.SHOP)
    kept = CaseVault(made.auditor_folder / "vault").case(made.case_id)
    assert kept.case.claim_id == case["claim_id"]


def test_the_vault_has_its_claims_the_audit_and_one_that_waits(made: DataSet, shop: Shop) -> None:
    assert len(shop.claims(limit=50)) == SHARE + 1
    (waiting,) = shop.claims(state="pending")
    (entry,) = waiting.waiting
    assert entry.due_at is not None
    assert entry.due_at > NOW
    assert [audit.case_id for audit in shop.audits()] == [made.case_id]
    profile = shop.insurer(dataset.INSURER_ID)
    assert {each.name for each in profile.contracts} == {one.contract_id for one in contracts()}


def test_the_tokens_are_those_of_the_insurers_page(made: DataSet, database: Database) -> None:
    assert set(made.tokens) == {"reader", "auditor", "admin"}
    assert all(token not in repr(made) for token in made.tokens.values())
    ids = {row["token_id"]: row["scope"] for row in records.rows(database, "tokens")}
    assert {ids[token.split("_")[1]] for token in made.tokens.values()} == set(made.tokens)


def test_the_demonstrations_table_has_the_shipped_rows_and_no_end() -> None:
    shipped, table = load_shipped(), open_table()
    assert [row.code for row in table.rows] == [row.code for row in shipped.rows]
    assert {row.valid_to for row in table.rows} == {None}
    assert {row.period_status for row in table.rows} == {"assumed"}
    assert table.digest != shipped.digest
    assert "demonstration only" in table.source
    assert all(one.is_valid_on(date(2030, 1, 1)) for one in contracts())
    assert all(one.insurer_id == dataset.INSURER_ID for one in contracts())
    assert len({contract_digest(one) for one in contracts()}) == len(contracts())
    assert all(one.note.startswith("For the demonstration only") for one in contracts())


def test_a_folder_that_is_taken_is_left_alone(made: DataSet) -> None:
    with pytest.raises(FileExistsError):
        build(made.data_dir.parent, claims=LEAST_CLAIMS, share=SHARE)


# -- both pages ---------------------------------------------------------------------------------


def status_of(url: str) -> int:
    """What a page answers to somebody who is not logged in."""
    address = urlsplit(url)
    assert address.hostname == "127.0.0.1"
    connection = HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.request("GET", address.path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_keep_serves_both_pages_says_how_to_log_in_and_ends(repository: Path) -> None:
    words = ("demo/run.py", "--keep-only", "--keep-claims", str(LEAST_CLAIMS))
    process = subprocess.Popen(
        [sys.executable, *words, "--keep-seconds", "30"],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        assert process.stdout is not None
        told = ""
        while "Ctrl-C ends it." not in told:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            told += line
        insurer, agent = re.findall(r"http://\S+", told)
        assert insurer.endswith("/pages/")
        assert (status_of(insurer), status_of(agent)) == (303, 303)
        assert len(re.findall(r"co_[0-9a-f]{16}_[\w-]{43}\b", told)) == 2
        assert dataset.PASSPHRASE in told
        assert "For this demonstration only" in told
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    for url in (insurer, agent):
        with pytest.raises(ConnectionRefusedError):
            status_of(url)


def test_too_few_claims_are_refused(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "demo/run.py", "--keep-only", "--keep-claims", str(LEAST_CLAIMS - 1)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert f"at least {LEAST_CLAIMS}" in done.stderr
