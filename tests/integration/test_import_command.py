"""`verifier nomenclature import`: into the service's database, into a file, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from circuits.nomenclature import Nomenclature, load_shipped
from tests.support.commands import Done, run_process
from tests.support.dbase import archive_of, fiche, histo

pytestmark = pytest.mark.integration

LENS = next(row.code for row in load_shipped().rows if row.regroupement == "VU1")
FRAME = next(row.code for row in load_shipped().rows if row.regroupement == "M03")


def verifier(folder: Path, *words: str | Path) -> Done:
    return run_process("verifier_api", *words, cwd=folder)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A lens and a frame that are kept, and a code whose check digit is wrong."""
    wrong = LENS + 1 if LENS % 10 < 9 else LENS - 1
    codes = (LENS, FRAME, wrong)
    rows = [histo(LENS), histo(FRAME, "M03", TARIF="0.05"), histo(wrong)]
    return archive_of(tmp_path, [fiche(code) for code in codes], rows)


def facts_of(done: Done) -> Any:
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_an_import_is_a_version_of_the_service(tmp_path: Path, archive: Path) -> None:
    verifier(tmp_path, "nomenclature", "add")
    report = tmp_path / "dropped.ndjson"
    words = ("nomenclature", "import", archive, "--report", report, "--json")
    facts = facts_of(verifier(tmp_path, *words, "--in-force-from", "2024-01-01"))
    assert facts["rows"] == 2
    removed = facts["difference"]
    assert removed, "the table before is compared with"
    dropped = [json.loads(line) for line in report.read_text().splitlines()]
    assert "bad_check_digit" in {entry["reason"] for entry in dropped}
    listed = facts_of(verifier(tmp_path, "nomenclature", "list", "--json"))["nomenclatures"]
    assert [entry["version"] for entry in listed] == ["LPP823", "2020-07"]
    assert listed[0]["digest"] == facts["digest"]
    assert listed[0]["in_force_from"] == "2024-01-01"
    # The same again changes nothing.
    again = facts_of(verifier(tmp_path, *words, "--in-force-from", "2024-01-01"))
    assert again["digest"] == facts["digest"]
    assert len(facts_of(verifier(tmp_path, "nomenclature", "list", "--json"))["nomenclatures"]) == 2


def test_an_import_can_become_a_file(tmp_path: Path, archive: Path) -> None:
    out = tmp_path / "table.json"
    done = verifier(tmp_path, "nomenclature", "import", archive, "--out", out)
    assert done.code == 0, done.err
    assert "LPP823" in done.out
    assert {row.code for row in Nomenclature.parse(out.read_bytes()).rows} == {LENS, FRAME}
    assert not (tmp_path / "clairobscur-data").exists(), "no database is touched"
    refused = verifier(tmp_path, "nomenclature", "import", archive, "--out", out)
    assert refused.code == 2
    assert "exists already" in refused.err


def test_an_archive_that_is_none_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "LPP823.zip"
    broken.write_bytes(b"PK\x03\x04 but no more")
    done = verifier(tmp_path, "nomenclature", "import", broken, "--json")
    assert done.code == 2
    assert json.loads(done.err)["error"] == "unreadable"
    assert facts_of(verifier(tmp_path, "nomenclature", "list", "--json"))["nomenclatures"] == []


def test_a_refusal_still_reports_what_was_dropped(tmp_path: Path) -> None:
    nothing = archive_of(tmp_path, [fiche(LENS, ARBO1=1)], [histo(LENS)])
    report = tmp_path / "dropped.ndjson"
    done = verifier(tmp_path, "nomenclature", "import", nothing, "--report", report)
    assert done.code == 2
    assert "not_optics" in report.read_text()
