"""Settings: where each comes from, what is refused, and that no password is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Console
from verifier_api.settings import DEFAULT_FILE, FILE_VARIABLE, PREFIX, Settings, load_settings
from verifier_api.store.database import Database, StorageError
from zk.errors import StatementError

PASSWORD = "hunter-2221234"
URL = f"postgresql+psycopg://verifier:{PASSWORD}@db.example:5432/claims"

NAMES = sorted(Settings.model_fields)

WRONG: dict[str, str] = {
    "port": "65536",
    "workers": "0",
    "queue_limit": "none",
    "batch_limit": "257",
    "linger_ms": "-1",
    "batch_seconds": "0",
    "body_seconds": "601",
    "header_seconds": "nan",
    "stop_seconds": "1.5",
    "rate_per_second": "0",
    "rate_burst": "-1",
    "concurrency_per_token": "10001",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [FILE_VARIABLE, *(f"{PREFIX}{name.upper()}" for name in NAMES)]:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_nothing_needs_to_be_set(folder: Path) -> None:
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.database_url() == f"sqlite:///{folder}/clairobscur-data/verifier.db"
    assert list(folder.iterdir()) == []


def test_every_setting_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_the_environment_comes_before_the_file_and_the_command_before_both(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / DEFAULT_FILE).write_text('port = 1\nworkers = 2\nhost = "0.0.0.0"\n')
    monkeypatch.setenv("CLAIROBSCUR_PORT", "3")
    monkeypatch.setenv("CLAIROBSCUR_WORKERS", "4")
    settings = load_settings(port=5, workers=None)
    assert (settings.port, settings.workers, settings.host) == (5, 4, "0.0.0.0")


def test_a_file_of_another_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / DEFAULT_FILE).write_text("port = 1\n")
    other = folder / "other.toml"
    other.write_text("port = 2\n")
    monkeypatch.setenv(FILE_VARIABLE, str(other))
    assert load_settings().port == 2
    other.unlink()
    with pytest.raises(StatementError, match="names no file"):
        load_settings()


@pytest.mark.parametrize(
    "text", ["port = ", "port", "[port", "port = 1\nport = 2", "\x00", '"' * 99, "é = 1"]
)
def test_a_file_that_is_no_toml(folder: Path, text: str) -> None:
    (folder / DEFAULT_FILE).write_bytes(text.encode("utf-8"))
    with pytest.raises(StatementError, match=f"{DEFAULT_FILE} is no TOML"):
        load_settings()


def test_a_file_that_is_no_text(folder: Path) -> None:
    (folder / DEFAULT_FILE).write_bytes(b'host = "\xff\xfe"\n')
    with pytest.raises(StatementError, match=f"{DEFAULT_FILE} is no TOML"):
        load_settings()


def test_an_unknown_key_in_the_file_is_refused(folder: Path) -> None:
    (folder / DEFAULT_FILE).write_text(f'prot = 1\nsecret = "{PASSWORD}"\n')
    with pytest.raises(StatementError) as caught:
        load_settings()
    assert "prot: " in str(caught.value)
    assert "secret: " in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", WRONG[name])
    with pytest.raises(StatementError) as caught:
        load_settings()
    assert f"{name}: " in str(caught.value)
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", PASSWORD)
    with pytest.raises(StatementError) as caught:
        load_settings()
    assert str(caught.value).startswith("settings: ")
    assert f"{name}: " in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WRONG.items():
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
    with pytest.raises(StatementError) as caught:
        load_settings()
    for name in WRONG:
        assert f"{name}: " in str(caught.value)


@pytest.mark.parametrize(
    "url", [f"mysql://u:{PASSWORD}@h/d", f"{PASSWORD}", "sqlite://", "sqlite:///:memory:", "://"]
)
def test_another_database_is_refused_without_its_url(url: str) -> None:
    with pytest.raises((StatementError, StorageError)) as caught:
        load_settings(database=url)
    assert PASSWORD not in str(caught.value)


def test_the_password_is_used_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIROBSCUR_DATABASE", URL)
    settings = load_settings()
    assert settings.database_url() == URL
    masked = "postgresql+psycopg://verifier:***@db.example:5432/claims"
    assert settings.shown()["database"] == masked
    for text in (repr(settings), str(settings), json.dumps(settings.shown())):
        assert PASSWORD not in text
    assert set(settings.shown()) == set(NAMES)


@pytest.mark.parametrize("name", ["password", "sslpassword", "PASSWORD"])
def test_a_password_in_the_query_is_not_shown_either(name: str) -> None:
    url = f"postgresql+psycopg://verifier@db.example/claims?{name}={PASSWORD}&sslmode=require"
    settings = load_settings(database=url)
    assert settings.database_url() == url
    shown = settings.shown()["database"]
    assert PASSWORD not in shown
    assert "sslmode=require" in shown
    assert PASSWORD not in repr(Database(url))


def test_settings_cannot_be_changed() -> None:
    settings: Any = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


# -- `verifier settings` ------------------------------------------------------------------------


def test_the_command_shows_every_setting_and_masks_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    console = Console(monkeypatch, tmp_path)
    monkeypatch.setenv("CLAIROBSCUR_DATABASE", URL)
    monkeypatch.setenv("CLAIROBSCUR_RATE_BURST", "77")
    (tmp_path / DEFAULT_FILE).write_text("port = 4321\n")
    as_json = console.verifier("settings", "--json")
    assert as_json.code == 0
    shown = json.loads(as_json.out)
    assert set(shown) == set(NAMES)
    assert (shown["rate_burst"], shown["port"]) == (77, 4321)
    for_people = console.verifier("settings")
    assert for_people.code == 0
    for name in NAMES:
        assert f"\n{name} " in f"\n{for_people.out}"
    for done in (as_json, for_people):
        assert "verifier:***@db.example" in done.out
        assert PASSWORD not in done.out + done.err


def test_the_command_takes_a_database_by_option(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    console = Console(monkeypatch, tmp_path)
    done = console.verifier("settings", "--database", URL, "--json")
    assert done.code == 0
    assert PASSWORD not in done.out
    assert "db.example" in json.loads(done.out)["database"]


@pytest.mark.parametrize(
    ("name", "value"), [("CLAIROBSCUR_PORT", PASSWORD), ("CLAIROBSCUR_DATABASE", f"x://{PASSWORD}")]
)
def test_the_command_names_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    console = Console(monkeypatch, tmp_path)
    monkeypatch.setenv(name, value)
    done = console.verifier("settings", "--json")
    assert done.code != 0
    assert name.removeprefix(PREFIX).lower() in json.loads(done.err)["detail"]
    assert PASSWORD not in done.out + done.err
