"""The commands that look after the service's data: results, refusals, exit codes, secrets.

`verifier serve` as a running process is tested in test_service.py.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from circuits.canonical import encode_base64url
from circuits.contract import contract_digest
from circuits.signed import encode_signed
from optician.identity import Identity
from tests.support import claims as samples
from tests.support import records
from tests.support.commands import EXAMPLES, ROOT, Console, Done, run_process
from tests.support.publishing import publication, write_trust
from tests.support.tables import limits_table
from verifier_api.commands import rights
from verifier_api.service.recording import record_claims
from verifier_api.settings import Settings
from verifier_api.store.database import Database, sqlite_url

pytestmark = pytest.mark.integration

CONTRACT = EXAMPLES / "contracts" / "responsable.json"
NETWORK = EXAMPLES / "contracts" / "reseau.json"
CONTRACT_DIGEST = encode_base64url(contract_digest(samples.contract()))
TABLE = samples.nomenclature()
TABLE_DIGEST = encode_base64url(TABLE.digest)
PERSON, CHILD = "beneficiary-adult-01", "beneficiary-child-01"
PASSWORD = "a-password-of-the-database"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's."""
    for name in list(os.environ):
        if name.startswith("CLAIROBSCUR_"):
            monkeypatch.delenv(name)


def said(done: Done) -> Any:
    """What a command that succeeded answered in JSON."""
    assert (done.code, done.err) == (0, "")
    assert done.out.count("\n") == 1
    return json.loads(done.out)


def ask(console: Console, *arguments: str | Path, stdin: bytes = b"") -> Any:
    return said(console.verifier(*arguments, "--json", stdin=stdin))


def told(console: Console, *arguments: str | Path, stdin: bytes = b"") -> str:
    """The lines of a command that succeeded, without ``--json``."""
    done = console.verifier(*arguments, stdin=stdin)
    assert (done.code, done.err) == (0, "")
    return done.out


def refusal(console: Console, *arguments: str | Path, stdin: bytes = b"") -> dict[str, str]:
    """The error of a command that did nothing, the same in both forms."""
    done = console.verifier(*arguments, "--json", stdin=stdin)
    assert (done.code, done.out) == (2, ""), done
    error: dict[str, str] = json.loads(done.err)
    plain = console.verifier(*arguments, stdin=stdin)
    assert (plain.code, plain.out) == (2, "")
    assert plain.err == f"error: {error['error']}: {error['detail']}\n"
    assert error.keys() == {"error", "detail"}
    return error


def stored(console: Console, query: str) -> list[tuple[Any, ...]]:
    """What stands in the database of the folder."""
    connection = sqlite3.connect(console.folder / "clairobscur-data" / "verifier.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


# -- settings -----------------------------------------------------------------------------------


def test_every_setting_is_shown_with_what_it_is_for(console: Console) -> None:
    shown = ask(console, "settings")
    assert shown.keys() == Settings.model_fields.keys()
    assert shown["port"] == 8765
    assert shown["database"] == f"sqlite:///{console.folder}/clairobscur-data/verifier.db"
    lines = told(console, "settings").splitlines()
    assert [line.split()[0] for line in lines] == list(shown)
    for name, field in Settings.model_fields.items():
        assert any(line.startswith(f"{name} ") and str(field.description) in line for line in lines)
    assert list(console.folder.iterdir()) == []  # showing makes nothing


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = 'port = 1\nworkers = 3\ndata_dir = "of-the-file"\n'
    (console.folder / "clairobscur.toml").write_text(toml)
    assert ask(console, "settings")["port"] == 1
    monkeypatch.setenv("CLAIROBSCUR_PORT", "2")
    monkeypatch.setenv("CLAIROBSCUR_DATA_DIR", "of-the-environment")
    shown = ask(console, "settings", "--data-dir", "of-the-line")
    assert (shown["port"], shown["workers"], shown["data_dir"]) == (2, 3, "of-the-line")
    (console.folder / "other.toml").write_text("workers = 4\n")
    monkeypatch.setenv("CLAIROBSCUR_SETTINGS", "other.toml")
    assert ask(console, "settings")["workers"] == 4


def test_the_databases_password_is_never_shown(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://insurer:{PASSWORD}@db.example/claims"
    monkeypatch.setenv("CLAIROBSCUR_DATABASE", url)
    for done in (console.verifier("settings"), console.verifier("settings", "--json")):
        assert done.code == 0
        assert PASSWORD not in done.out
        assert "postgresql+psycopg://insurer:***@db.example/claims" in done.out
    monkeypatch.setenv("CLAIROBSCUR_DATABASE", f"mysql://insurer:{PASSWORD}@db.example/claims")
    error = refusal(console, "settings")
    assert error["error"] == "database"
    assert PASSWORD not in error["detail"]


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("PORT", "70000", "port"),
        ("PORT", "a-secret", "port"),
        ("WORKERS", "0", "workers"),
        ("LINGER_MS", "-1", "linger_ms"),
        ("SETTINGS", "nowhere.toml", "CLAIROBSCUR_SETTINGS names no file"),
    ],
)
def test_a_setting_that_is_wrong_is_named_and_not_repeated(
    console: Console, monkeypatch: pytest.MonkeyPatch, name: str, value: str, place: str
) -> None:
    monkeypatch.setenv(f"CLAIROBSCUR_{name}", value)
    error = refusal(console, "settings")
    assert error["error"] == "unreadable"
    assert error["detail"].startswith("settings: ")
    assert place in error["detail"]
    assert "secret" not in error["detail"]


@pytest.mark.parametrize("text", ["port = ", "prot = 1", "port = 'x'", "[port]\nx = 1"])
def test_a_settings_file_that_is_wrong(console: Console, text: str) -> None:
    (console.folder / "clairobscur.toml").write_text(text)
    assert refusal(console, "settings")["error"] == "unreadable"


# -- the database -------------------------------------------------------------------------------


def test_the_schema_is_brought_forward(console: Console) -> None:
    path = console.folder / "clairobscur-data" / "verifier.db"
    database = Database(sqlite_url(path))
    database.upgrade("0001")
    database.dispose()
    assert ask(console, "database", "upgrade") == {"revision": "0004"}
    assert told(console, "database", "upgrade") == "schema 0004\n"


def test_another_folder_or_url(console: Console) -> None:
    ask(console, "database", "upgrade", "--data-dir", "deep/down")
    assert (console.folder / "deep" / "down" / "verifier.db").is_file()
    url = sqlite_url(console.folder / "elsewhere.db")
    ask(console, "database", "upgrade", "--database", url)
    assert (console.folder / "elsewhere.db").is_file()
    assert not (console.folder / "clairobscur-data").exists()


@pytest.mark.parametrize(
    ("option", "value", "detail"),
    [
        ("--database", f"mysql://insurer:{PASSWORD}@h/x", "only sqlite:/// and postgresql"),
        ("--database", PASSWORD, "not a database URL"),
        ("--database", f"postgresql://insurer:{PASSWORD}@127.0.0.1:1/x", "OperationalError"),
        ("--data-dir", "a-file", "folder "),
    ],
)
@pytest.mark.parametrize("command", [("database", "upgrade"), ("tokens", "list"), ("serve",)])
def test_a_database_that_cannot_be_used(
    console: Console, command: tuple[str, ...], option: str, value: str, detail: str
) -> None:
    (console.folder / "a-file").write_bytes(b"")
    more = ("--port", "0") if command == ("serve",) else ()
    error = refusal(console, *command, *more, option, value)
    assert error["error"] == "database"
    assert detail in error["detail"]
    assert PASSWORD not in error["detail"]


def test_a_newer_database_is_left_alone(console: Console) -> None:
    ask(console, "database", "upgrade")
    path = console.folder / "clairobscur-data" / "verifier.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    error = refusal(console, "tokens", "create", "admin")
    assert error == {
        "error": "database",
        "detail": "database: made by a newer version of this program",
    }
    assert stored(console, "SELECT count(*) FROM tokens") == [(0,)]


def test_a_database_in_order_and_one_that_is_not(console: Console) -> None:
    assert refusal(console, "database", "check") == {
        "error": "database",
        "detail": "database: there is none at that place",
    }
    assert not (console.folder / "clairobscur-data").exists(), "a check makes nothing"
    told(console, "database", "upgrade")
    assert ask(console, "database", "check") == {"claims": 0, "problems": []}
    database = Database(sqlite_url(console.folder / "clairobscur-data" / "verifier.db"))
    with database.write() as connection:
        record_claims(connection, [records.examined(records.claim("c-1"))], records.NOW)
    assert told(console, "database", "check") == "1 claims checked, 0 problems\n"
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE claims SET verdict = 'granted'")
    database.dispose()
    done = console.verifier("database", "check", "--json")
    assert (done.code, done.err) == (1, "")
    report = json.loads(done.out)
    assert report["claims"] == 1
    problem = {"where": "c-1", "problem": "verdict is not the answer's"}
    assert problem in report["problems"]
    plain = console.verifier("database", "check")
    assert plain.code == 1
    assert "c-1: verdict is not the answer's\n" in plain.out
    assert plain.out.endswith(f"1 claims checked, {len(report['problems'])} problems\n")


# -- contracts and tables -----------------------------------------------------------------------


def test_contracts_are_added_and_listed(console: Console) -> None:
    assert told(console, "contracts", "list") == "none\n"
    facts = {"digest": CONTRACT_DIGEST, "contract_id": "responsable-2020"}
    assert ask(console, "contracts", "add", CONTRACT) == facts
    assert ask(console, "contracts", "add", "-", stdin=CONTRACT.read_bytes()) == facts
    second = json.loads(CONTRACT.read_bytes()) | {"note": "The second version."}
    (console.folder / "second.json").write_text(json.dumps(second))
    start = ("--in-force-from", "2021-03-01")
    line = told(console, "contracts", "add", "second.json", *start)
    assert line.startswith("contract responsable-2020  ")
    listed = ask(console, "contracts", "list")["contracts"]
    assert [entry["in_force_from"] for entry in listed] == ["2021-03-01", "2020-07-01"]
    assert listed[1]["digest"] == CONTRACT_DIGEST
    assert told(console, "contracts", "list").count("in force from") == 2


def test_what_is_no_contract_or_contradicts_what_stands_there(console: Console) -> None:
    contract = json.loads(CONTRACT.read_bytes())
    (console.folder / "wrong.json").write_text(json.dumps(contract | {"grant_days": 0}))
    (console.folder / "other.json").write_text(json.dumps(contract | {"note": "other"}))
    ask(console, "contracts", "add", CONTRACT)
    add = ("contracts", "add")
    assert refusal(console, *add, "wrong.json")["error"] == "unreadable"
    assert refusal(console, *add, "missing.json")["error"] == "file"
    assert refusal(console, *add, "other.json")["error"] == "already_exists"
    late = refusal(console, *add, "other.json", "--in-force-from", "2030-01-01")
    assert late["error"] == "reference_invalid"
    caps = refusal(console, *add, NETWORK)
    assert caps["error"] == "reference_invalid"
    assert "add a nomenclature first" in caps["detail"]
    for wrong in ("tomorrow", "2021-3-1", "20210301"):
        error = refusal(console, *add, CONTRACT, "--in-force-from", wrong)
        assert error == {"error": "usage", "detail": "--in-force-from: not a date YYYY-MM-DD"}
    assert len(stored(console, "SELECT * FROM contracts")) == 1


def test_the_table_that_ships_is_added_by_default(console: Console) -> None:
    assert told(console, "nomenclature", "list") == "none\n"
    facts = {"digest": TABLE_DIGEST, "version": TABLE.version}
    assert ask(console, "nomenclature", "add") == facts
    assert told(console, "nomenclature", "add") == f"nomenclature {TABLE.version}  {TABLE_DIGEST}\n"
    thin = limits_table()
    (console.folder / "thin.json").write_bytes(thin.to_bytes())
    more = ("thin.json", "--in-force-from", "2021-05-01")
    assert ask(console, "nomenclature", "add", *more)["version"] == "limits-1"
    listed = ask(console, "nomenclature", "list")["nomenclatures"]
    assert [entry["version"] for entry in listed] == ["limits-1", TABLE.version]
    assert [entry["rows"] for entry in listed] == [len(thin.rows), len(TABLE.rows)]
    assert f"{len(thin.rows)} rows" in told(console, "nomenclature", "list")
    ask(console, "contracts", "add", NETWORK)


def test_what_is_no_table_or_another_from_the_same_day(console: Console) -> None:
    (console.folder / "wrong.json").write_text("{}")
    (console.folder / "thin.json").write_bytes(limits_table().to_bytes())
    ask(console, "nomenclature", "add", "--in-force-from", "2020-07-01")
    add = ("nomenclature", "add")
    assert refusal(console, *add, "wrong.json")["error"] == "unreadable"
    assert refusal(console, *add, "missing.json")["error"] == "file"
    same_day = refusal(console, *add, "thin.json", "--in-force-from", "2020-07-01")
    assert same_day["error"] == "already_exists"
    moved = refusal(console, *add, "--in-force-from", "2020-08-01")
    assert moved["error"] == "already_exists"
    assert refusal(console, *add, "--in-force-from", "x")["error"] == "usage"


# -- tokens -------------------------------------------------------------------------------------


def test_a_token_is_shown_once(console: Console) -> None:
    made = ask(console, "tokens", "create", "admin", "--label", "of the office")
    assert made.keys() == {"token_id", "token"}
    assert made["token"].startswith(f"co_{made['token_id']}_")
    secret = made["token"][-43:]
    later = [
        console.verifier("tokens", "list"),
        console.verifier("tokens", "list", "--json"),
        console.verifier("tokens", "revoke", made["token_id"]),
        console.verifier("tokens", "list"),
    ]
    for done in later:
        assert done.code == 0
        assert secret not in done.out + done.err
    for path in (console.folder / "clairobscur-data").iterdir():
        assert secret.encode() not in path.read_bytes()


def test_tokens_are_listed_with_what_may_be_told(console: Console) -> None:
    assert told(console, "tokens", "list") == "none\n"
    plain = told(console, "tokens", "create", "optician", "--optician", "shop-1")
    assert plain.splitlines()[1] == "shown this once; keep it secret"
    ask(console, "tokens", "create", "reader", "--expires-at", "2030-01-01T00:00:00Z")
    listed = ask(console, "tokens", "list")["tokens"]
    assert [entry["scope"] for entry in sorted(listed, key=lambda entry: entry["scope"])] == [
        "optician",
        "reader",
    ]
    by_scope = {entry["scope"]: entry for entry in listed}
    assert by_scope["optician"]["optician_id"] == "shop-1"
    assert by_scope["reader"]["expires_at"] == "2030-01-01T00:00:00Z"
    assert "secret_sha256" not in by_scope["reader"]
    lines = told(console, "tokens", "list")
    assert "until 2030-01-01T00:00:00Z" in lines
    assert "valid" in lines


def test_a_token_is_rotated_and_revoked(console: Console) -> None:
    old = ask(console, "tokens", "create", "optician", "--optician", "shop-1")
    fresh = ask(console, "tokens", "rotate", old["token_id"])
    assert fresh["token"] != old["token"]
    listed = {entry["token_id"]: entry for entry in ask(console, "tokens", "list")["tokens"]}
    assert listed[old["token_id"]]["revoked_at"] is not None
    assert listed[fresh["token_id"]]["optician_id"] == "shop-1"
    answer = {"token_id": fresh["token_id"], "revoked": True}
    assert ask(console, "tokens", "revoke", fresh["token_id"]) == answer
    assert ask(console, "tokens", "revoke", fresh["token_id"]) == answer
    assert told(console, "tokens", "revoke", fresh["token_id"]).startswith("revoked  ")
    assert told(console, "tokens", "list").count("revoked 20") == 2
    error = refusal(console, "tokens", "rotate", fresh["token_id"])
    assert error == {"error": "state_conflict", "detail": "the token is revoked"}
    for act in ("rotate", "revoke"):
        error = refusal(console, "tokens", act, "0123456789abcdef")
        assert error == {"error": "not_found", "detail": "no such token"}


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (("owner",), "scope"),
        (("optician",), "optician_id goes with scope optician"),
        (("optician", "--optician", "no spaces"), "optician_id"),
        (("admin", "--optician", "shop-1"), "optician_id goes with scope optician"),
        (("admin", "--label", "x" * 101), "label"),
        (("admin", "--expires-at", "tomorrow"), "expires_at"),
        (("admin", "--expires-at", "2030-02-30T00:00:00Z"), "expires_at"),
    ],
)
def test_a_token_that_cannot_be(console: Console, arguments: tuple[str, ...], place: str) -> None:
    error = refusal(console, "tokens", "create", *arguments)
    assert error["error"] == "usage"
    assert error["detail"].startswith("token: ")
    assert place in error["detail"]
    assert not (console.folder / "clairobscur-data").exists()


# -- keys ---------------------------------------------------------------------------------------


def keys_file(console: Console, *shops: Identity, **validity: str) -> str:
    (console.folder / "keys.json").write_bytes(samples.keys_document(*shops, **validity))
    return "keys.json"


SHOPS = [Identity.generate(f"shop-{number}") for number in (1, 2)]


def test_keys_are_added_listed_and_revoked(console: Console) -> None:
    assert told(console, "keys", "list") == "none\n"
    ids = [shop.key_id for shop in SHOPS]
    name = keys_file(console, *SHOPS, valid_from="2020-07-01", valid_to="2021-06-30")
    assert ask(console, "keys", "add", name) == {"key_ids": ids}
    again = (console.folder / name).read_bytes()
    assert ask(console, "keys", "add", "-", stdin=again) == {"key_ids": ids}
    listed = ask(console, "keys", "list")["keys"]
    assert [entry["key_id"] for entry in listed] == ids
    assert listed[0]["valid_to"] == "2021-06-30"
    assert f"registered  {ids[1]}  shop-2" in told(console, "keys", "add", name)
    answer = {"key_id": ids[0], "revoked": True}
    assert ask(console, "keys", "revoke", ids[0]) == answer
    lines = told(console, "keys", "list").splitlines()
    assert [line.endswith("  revoked") for line in lines] == [True, False]
    for unknown in ("x" * 43, f"-f{'x' * 41}", f"--{'x' * 41}"):
        error = refusal(console, "keys", "revoke", unknown)
        assert error == {"error": "not_found", "detail": "no such key"}


def test_what_keygen_writes_can_be_added(console: Console) -> None:
    made = console.optician("keygen", "shop-1", "--out", "key.json", "--public", "keys.json")
    assert made.code == 0
    (key_id,) = ask(console, "keys", "add", "keys.json")["key_ids"]
    assert key_id == Identity.parse((console.folder / "key.json").read_bytes()).key_id


def test_all_keys_or_none(console: Console) -> None:
    ask(console, "keys", "add", keys_file(console, SHOPS[0]))
    moved = keys_file(console, SHOPS[1], SHOPS[0], valid_from="2020-07-01")
    assert refusal(console, "keys", "add", moved)["error"] == "already_exists"
    twice = keys_file(console, SHOPS[1], SHOPS[1])
    assert refusal(console, "keys", "add", twice)["error"] == "reference_invalid"
    assert refusal(console, "keys", "add", keys_file(console))["error"] == "unreadable"
    assert refusal(console, "keys", "add", "-", stdin=b"{}")["error"] == "unreadable"
    assert refusal(console, "keys", "add", "missing.json")["error"] == "file"
    assert len(ask(console, "keys", "list")["keys"]) == 1


def test_a_secret_key_file_is_no_file_of_keys(console: Console) -> None:
    """Whoever mixes them up does not see the secret on the screen."""
    secret = SHOPS[0].encode()
    error = refusal(console, "keys", "add", "-", stdin=secret)
    assert error["error"] == "unreadable"
    assert json.loads(secret)["private_key"] not in error["detail"]


# -- rights -------------------------------------------------------------------------------------

FROM = ("--contract", "responsable-2020", "--from", "2020-01-01")


def test_rights_are_added_listed_and_ended(console: Console) -> None:
    assert told(console, "rights", "list") == "none\n"
    assert ask(console, "rights", "add", PERSON, *FROM) == {"added": 1}
    assert ask(console, "rights", "add", PERSON, *FROM) == {"added": 0}
    more = ("--to", "2021-12-31", "--under-16")
    assert told(console, "rights", "add", CHILD, *FROM, *more) == "1 added\n"
    listed = ask(console, "rights", "list")["rights"]
    for entry in listed:
        assert entry.pop("recorded_at")
    assert listed == [
        {
            "beneficiary": PERSON,
            "contract_id": "responsable-2020",
            "age_group": "adult",
            "valid_from": "2020-01-01",
            "valid_to": None,
        },
        {
            "beneficiary": CHILD,
            "contract_id": "responsable-2020",
            "age_group": "under_16",
            "valid_from": "2020-01-01",
            "valid_to": "2021-12-31",
        },
    ]
    end = ("rights", "end", PERSON, "--contract", "responsable-2020", "--to", "2020-12-31")
    assert ask(console, *end) == {"valid_to": "2020-12-31"}
    assert told(console, *end) == "ends 2020-12-31\n"
    assert "2020-01-01 to 2020-12-31" in told(console, "rights", "list")
    error = refusal(console, *end[:-1], "2019-12-31")
    assert error["error"] == "not_found"
    overlapping = refusal(console, "rights", "add", CHILD, *FROM)
    assert overlapping["error"] == "already_exists"


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (("short", *FROM), "beneficiary"),
        ((PERSON, "--contract", "no spaces", "--from", "2020-01-01"), "contract_id"),
        ((PERSON, "--contract", "x", "--from", "1/1/2020"), "valid_from"),
        ((PERSON, *FROM, "--to", "2020-02-30"), "valid_to"),
        ((PERSON, *FROM, "--to", "2019-12-31"), "valid_to is before valid_from"),
    ],
)
def test_a_right_that_cannot_be(console: Console, arguments: tuple[str, ...], place: str) -> None:
    error = refusal(console, "rights", "add", *arguments)
    assert error["error"] == "usage"
    assert place in error["detail"]


def test_an_end_that_cannot_be(console: Console) -> None:
    for beneficiary, contract_id, last in (
        ("1 80 01 75 116 001 42", "x", "2020-01-01"),
        (PERSON, "no spaces", "2020-01-01"),
        (PERSON, "x", "soon"),
    ):
        arguments = (beneficiary, "--contract", contract_id, "--to", last)
        error = refusal(console, "rights", "end", *arguments)
        assert error["error"] == "usage"
        assert "1 80 01" not in error["detail"]


HEADING = "beneficiary,contract_id,age_group,valid_from,valid_to"
ROW = f"{PERSON},responsable-2020,adult,2020-01-01,"
CHILD_ROW = f"{CHILD},responsable-2020,under_16,2020-01-01,2021-12-31"


def csv_of(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.parametrize(
    "data",
    [
        csv_of(HEADING, ROW, CHILD_ROW),
        csv_of(HEADING, ROW, CHILD_ROW).replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + csv_of(HEADING, ROW, CHILD_ROW),
        csv_of(HEADING, "", ROW, "", CHILD_ROW, ""),
        csv_of(HEADING, ROW, CHILD_ROW).removesuffix(b"\n"),
        csv_of(HEADING, ",".join(f'"{text}"' for text in ROW.split(",")), CHILD_ROW),
    ],
)
def test_rights_are_imported_from_a_file(console: Console, data: bytes) -> None:
    (console.folder / "rights.csv").write_bytes(data)
    assert ask(console, "rights", "import", "rights.csv") == {"read": 2, "added": 2}
    assert ask(console, "rights", "import", "-", stdin=data) == {"read": 2, "added": 0}
    assert told(console, "rights", "import", "rights.csv") == "2 read, 0 added\n"
    listed = ask(console, "rights", "list")["rights"]
    assert [(entry["beneficiary"], entry["valid_to"]) for entry in listed] == [
        (PERSON, None),
        (CHILD, "2021-12-31"),
    ]


def test_a_file_with_its_heading_alone_imports_nothing(console: Console) -> None:
    assert ask(console, "rights", "import", "-", stdin=csv_of(HEADING)) == {"read": 0, "added": 0}


SECRET_NAME = "a-name-that-is-nobodys"


@pytest.mark.parametrize(
    ("lines", "kind", "start"),
    [
        ([], "unreadable", "the first line must be beneficiary,"),
        ([ROW], "unreadable", "the first line must be"),
        ([HEADING.replace(",", ";"), ROW], "unreadable", "the first line must be"),
        ([HEADING + ",name", ROW + ","], "unreadable", "the first line must be"),
        ([HEADING, ROW, "short,x,adult,2020-01-01,"], "unreadable", "line 3: right: beneficiary"),
        ([HEADING, "", f"{SECRET_NAME},x,old,2020-01-01,"], "unreadable", "line 3: right: age_g"),
        ([HEADING, ROW, CHILD_ROW + "," + SECRET_NAME], "unreadable", "line 3: 5 columns expe"),
        ([HEADING, ROW, SECRET_NAME], "unreadable", "line 3: 5 columns expected"),
        ([HEADING, f"{PERSON},x,adult,,"], "unreadable", "line 2: right: valid_from"),
        ([HEADING, f"{PERSON},x,adult,2020-02-30,"], "unreadable", "line 2: right: valid_from"),
        ([HEADING, f"{PERSON},x,adult,2020-02-01,2020-01-31"], "unreadable", "line 2: right: va"),
        ([HEADING, ROW, f'"{SECRET_NAME}"x,'], "unreadable", "line 3: not CSV"),
        ([HEADING, ROW, f'"{SECRET_NAME}'], "unreadable", "line 3: not CSV"),
        ([HEADING, "x" * 200_000], "unreadable", "line 2: not CSV"),
        ([HEADING, CHILD_ROW, ROW, "", ROW + "2030-01-01"], "already_exists", "line 5: the benef"),
    ],
)
def test_what_cannot_be_imported_is_named_by_its_line(
    console: Console, lines: Sequence[str], kind: str, start: str
) -> None:
    error = refusal(console, "rights", "import", "-", stdin=csv_of(*lines))
    assert error["error"] == kind
    assert error["detail"].startswith(start)
    assert SECRET_NAME not in error["detail"]
    assert ask(console, "rights", "list") == {"rights": []}  # all or none


def test_a_file_that_is_no_text_or_is_not_there(console: Console) -> None:
    error = refusal(console, "rights", "import", "-", stdin=HEADING.encode("utf-16"))
    assert error == {"error": "unreadable", "detail": "not UTF-8"}
    assert refusal(console, "rights", "import", "missing.csv")["error"] == "file"


def test_a_file_that_is_too_large_is_not_read_in_part(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = csv_of(HEADING, ROW)
    monkeypatch.setattr(rights, "MAX_FILE_BYTES", len(data))
    assert ask(console, "rights", "import", "-", stdin=data)["added"] == 1
    monkeypatch.setattr(rights, "MAX_FILE_BYTES", len(data) - 1)
    error = refusal(console, "rights", "import", "-", stdin=data)
    assert error == {"error": "unreadable", "detail": f"larger than {len(data) - 1} bytes"}


# -- all of them --------------------------------------------------------------------------------


def test_everything_by_processes_of_their_own(tmp_path: Path) -> None:
    """As an insurer's script would, with the folder from the environment."""
    environment = {"CLAIROBSCUR_DATA_DIR": "data"}

    def verifier(*arguments: str | Path, stdin: bytes = b"") -> Any:
        return said(
            run_process(
                "verifier_api",
                *(*arguments, "--json"),
                cwd=tmp_path,
                stdin=stdin,
                environment=environment,
            )
        )

    verifier("nomenclature", "add")
    verifier("contracts", "add", CONTRACT)
    token = verifier("tokens", "create", "optician", "--optician", "shop-1")["token"]
    verifier("keys", "add", "-", stdin=samples.keys_document(SHOPS[0]))
    assert verifier("rights", "import", "-", stdin=csv_of(HEADING, ROW))["added"] == 1
    assert verifier("database", "check") == {"claims": 0, "problems": []}
    data = tmp_path / "data"
    assert (data.stat().st_mode & 0o777) == 0o700
    connection = sqlite3.connect(data / "verifier.db")
    kinds = connection.execute("SELECT kind, actor FROM events ORDER BY sequence").fetchall()
    connection.close()
    assert kinds == [
        (kind, "command")
        for kind in (
            *("nomenclature_added", "contract_added", "token_created"),
            *("key_registered", "rights_added"),
        )
    ]
    for path in data.iterdir():
        assert token[-43:].encode() not in path.read_bytes()


def keys_of(answer: dict[str, Any]) -> set[str]:
    """Its keys, and those of the objects in its lists."""
    lists = [value for value in answer.values() if isinstance(value, list)]
    entries = [entry for value in lists for entry in value if isinstance(entry, dict)]
    return {*answer, *(name for entry in entries for name in entry)}


def test_the_page_of_files_has_the_keys_of_every_answer(console: Console) -> None:
    page = (ROOT / "docs" / "files.md").read_text("utf-8")
    table = page.split("What looks after the service's data")[1].split("\n## ")[0]
    documented: dict[str, set[str]] = {}
    for names, told_of in re.findall(r"^\| (`verifier .+?) \| (.+) \|$", table, re.MULTILINE):
        first, *others = re.findall(r"`([\w ]+)`", names)
        group = first.rpartition(" ")[0]
        for command in (first, *(f"{group} {other}" for other in others)):
            documented[command] = set(re.findall(r"`(\w+)`", told_of))
    assert documented.pop("verifier serve") == {"url", "admin_token"}  # test_service.py
    assert documented.pop("verifier settings") == set()  # by their names
    released = {"record_id", "claim_id", "line", "released"}
    assert documented.pop("verifier attester serve") == {"url", "attester_id"}  # test_attester.py
    assert documented.pop("verifier attester release") == released  # test_attester.py, too
    name = keys_file(console, SHOPS[0])
    until = ("--contract", "responsable-2020", "--to", "2030-01-01")
    token = ask(console, "tokens", "create", "reader")["token_id"]
    corrupt = "INSERT INTO commitments VALUES ('x', 'nobody')"
    (console.folder / "publication.json").write_bytes(encode_signed(publication(TABLE)))
    trust = ("--trust", write_trust(console.folder / "trust.json"))
    commands: list[tuple[str | Path, ...]] = [
        ("database", "upgrade"),
        ("nomenclature", "add"),
        ("nomenclature", "list"),
        ("contracts", "add", CONTRACT),
        ("contracts", "list"),
        ("publications", "add", "publication.json", *trust),
        ("publications", "list", *trust),
        ("tokens", "create", "admin"),
        ("tokens", "list"),
        ("tokens", "rotate", token),
        ("tokens", "revoke", token),
        ("keys", "add", name),
        ("keys", "list"),
        ("keys", "revoke", SHOPS[0].key_id),
        ("rights", "add", PERSON, *FROM),
        ("rights", "list"),
        ("rights", "end", PERSON, *until),
        ("rights", "import", "-"),
    ]
    answered = {
        f"verifier {command[0]} {command[1]}": keys_of(
            ask(console, *command, stdin=csv_of(HEADING, CHILD_ROW))
        )
        for command in commands
    }
    connection = sqlite3.connect(console.folder / "clairobscur-data" / "verifier.db")
    with connection:
        connection.execute(corrupt)
    connection.close()
    report = json.loads(console.verifier("database", "check", "--json").out)
    answered["verifier database check"] = keys_of(report)
    assert answered == documented


@pytest.mark.parametrize(
    "arguments",
    [
        ("tokens", "revoke", b"\xff\xfe"),
        ("tokens", "create", "admin", "--label", b"\xff"),
        ("keys", "revoke", b"\xff"),
        ("rights", "end", b"\xff" * 20, "--contract", "x", "--to", "2020-01-01"),
    ],
)
def test_arguments_that_are_no_text_are_a_usage_error(
    console: Console, arguments: tuple[str | bytes, ...]
) -> None:
    texts = [text if isinstance(text, str) else os.fsdecode(text) for text in arguments]
    done = console.verifier(*texts, "--json")
    assert done.code == 2
    assert json.loads(done.err)["error"] == "usage"


@pytest.mark.parametrize(
    "group", ["tokens", "keys", "rights", "contracts", "nomenclature", "database"]
)
def test_a_group_alone_shows_its_help(console: Console, group: str) -> None:
    done = console.verifier(group)
    assert "Commands:" in done.out + done.err
    page = console.verifier(group, "--help")
    assert page.code == 0
    assert list(console.folder.iterdir()) == []


# -- serve, where it does not start -------------------------------------------------------------


def test_a_port_that_is_taken_makes_no_token_that_nobody_sees(console: Console) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        error = refusal(console, "serve", "--port", port)
    assert error["error"] == "file"
    assert error["detail"] == f"127.0.0.1:{port}: Address already in use"
    assert not (console.folder / "clairobscur-data").exists()


def test_options_of_serve_are_settings(console: Console) -> None:
    for option, value in (("--port", "70000"), ("--workers", "0")):
        error = refusal(console, "serve", option, value)
        assert error["error"] == "unreadable"
        assert option.removeprefix("--") in error["detail"]
