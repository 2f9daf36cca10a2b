"""docs/operations.md has settings and metrics as the code has them; its SQL does what it says."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from circuits.attestation import MAX_ATTESTATION_LEAD
from circuits.claim import encode_instant
from circuits.contract import MAX_CONTRACT_BYTES, MAX_RENEWAL_MONTHS
from circuits.nomenclature import MAX_NOMENCLATURE_BYTES
from tests.support import claims as samples
from tests.support.laboratory import RECORD, Lab, pair_of_claims, request_for, row
from tests.support.web import Insurer, log_lines, serving
from verifier_api.attester.rules import MAX_REQUEST_AGE
from verifier_api.commands.attester import RECORDS_VARIABLE
from verifier_api.judge import MAX_VALIDITY
from verifier_api.settings import Settings
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database, sqlite_url
from verifier_api.web.administration import MAX_REQUEST_BYTES
from verifier_api.web.attester import AttesterSettings

MEASURED = re.compile(r"^(clairobscur_\w+?)(?:_created|_total|_bucket|_sum|_count)?(?:\{|\s)")


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs/operations.md").read_text(encoding="utf-8")


def table(page: str, title: str) -> dict[str, list[str]]:
    """First cell without backticks → the other cells, of a section's rows that begin with some."""
    found = re.search(rf"^#+ {title}\n.*?(?=^##+ |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found
    lines = [line for line in found[0].splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first.strip("`"): others for first, *others in cells}


def block(page: str, language: str, word: str) -> str:
    """The one block of that language with ``word`` in it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    (found,) = [text for text in blocks if word in text]
    return str(found)


def test_every_setting_is_there_with_default_and_meaning(page: str) -> None:
    expected = {
        name: [f"`{field.default}`", field.description]
        for name, field in Settings.model_fields.items()
    }
    # What depends on the machine or on other settings is told in words.
    expected["workers"][0] = "cores less one, 1 to 8"
    expected["database"][0] = "SQLite in `data_dir`"
    assert table(page, "Settings") == expected


def test_every_metric_is_there_with_its_kind_and_labels(page: str, tmp_path: Path) -> None:
    insurer = Insurer(tmp_path)
    with serving(insurer) as caller:
        assert caller.ask("GET", "/v1/contracts").status_code == 200
        text = caller.ask("GET", "/metrics").text
    kinds = dict(re.findall(r"^# TYPE (clairobscur_\w+) (\w+)$", text, re.MULTILINE))
    expected = {name: kind for name, kind in kinds.items() if not name.endswith("_created")}
    told = table(page, "Metrics")
    assert {name: cells[0] for name, cells in told.items()} == expected
    # The registry knows labels before anything is counted.
    labels = {
        metric._name: metric._labelnames
        for metric in (insurer.metrics.verdicts, insurer.metrics.requests)
    }
    for name, cells in told.items():
        wanted = labels.get(name.removesuffix("_total"), ())
        assert tuple(re.findall(r"`(\w+)`", cells[1])) == wanted


def test_the_fields_of_the_log_line_shown_are_explained(page: str) -> None:
    told = {name for first in table(page, "Logs") for name in re.findall(r"\w+", first)}
    (line,) = log_lines(block(page, "json", "request_id"))
    assert line.keys() <= told


def test_sizes_are_those_of_the_code(page: str) -> None:
    assert MAX_REQUEST_BYTES == 256 * 2**10 > MAX_CONTRACT_BYTES
    plain = " ".join(page.split())
    assert f"more than 256 KiB (up to {MAX_NOMENCLATURE_BYTES // 2**20} MiB)" in plain
    nginx = block(page, "nginx", "upstream")
    assert "client_max_body_size 256k;" in nginx
    assert f"client_max_body_size {MAX_NOMENCLATURE_BYTES // 2**20}m;" in nginx
    assert f"at most {MAX_RENEWAL_MONTHS} months" in plain
    assert f"at most {MAX_VALIDITY.days} days" in plain


def test_the_sql_erases_old_claims_and_leaves_a_database_that_fits(
    page: str, tmp_path: Path
) -> None:
    insurer = Insurer(tmp_path)
    claim, _ = samples.sample_claim("line")
    unsigned = claim.model_copy(update={"signature": "A" * 86})
    later = unsigned.model_copy(update={"claim_id": "claim-that-stays"})
    with serving(insurer) as caller:
        for sent in (unsigned, later):
            assert caller.submit(sent).json()["verdict"] == "refused"
    script = block(page, "sql", "CREATE TEMP TABLE gone")
    day = re.search(r"date_of_service < '(\S+)'", script)
    assert day is not None
    with closing(sqlite3.connect(insurer.file)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        old = ("2020-09-30", claim.claim_id)
        connection.execute("UPDATE claims SET date_of_service = ? WHERE claim_id = ?", old)
        connection.commit()
        connection.executescript(script)
        left = connection.execute("SELECT claim_id FROM claims").fetchall()
        events = connection.execute("SELECT count(*) FROM events WHERE claim_id = ?", old[1:])
        assert left == [("claim-that-stays",)]
        assert events.fetchone() == (0,)
    database = Database(sqlite_url(insurer.file))
    assert check_database(database) == {"claims": 1, "problems": []}
    database.dispose()


def test_an_attester_finds_his_record_by_the_pages_sql(page: str, tmp_path: Path) -> None:
    one, _ = pair_of_claims()
    lab = Lab(tmp_path, row(one[1]))
    made = lab.attestation(request_for(one))
    lab.attester.close()
    query = block(page, "sql", "FROM units")
    assert query.count("'RECORD'") == 1
    with closing(sqlite3.connect(lab.ledger_file)) as connection:
        found = connection.execute(query.replace("RECORD", made.record)).fetchall()
    assert found == [(RECORD, "optician-1", made.claim_id, 1, encode_instant(lab.now), None)]


def test_what_the_page_says_of_an_attesters_limits(page: str) -> None:
    text = " ".join(page.partition("## Running an attester")[2].split())
    settings = AttesterSettings()
    assert f"127.0.0.1, port {settings.port}," in text
    assert settings.host == "127.0.0.1"
    assert f"{settings.rate_per_second:g} times a second on average, {settings.rate_burst}" in text
    assert f"({MAX_REQUEST_AGE.seconds // 60} minutes either way)" in text
    assert timedelta(minutes=1) == MAX_ATTESTATION_LEAD
    assert RECORDS_VARIABLE in text
