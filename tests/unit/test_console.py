"""What both command lines have in common."""

from __future__ import annotations

import importlib.metadata
import io
import sys
from pathlib import Path

import pytest
import typer

from circuits.nomenclature import load_shipped
from console.inputs import check_inputs, read_input, read_nomenclature
from console.running import CommandError, UsageError, euros, new_app, plain, reporting, run
from tests.support.commands import Console
from zk.errors import EncodingError, ProofRejected, StatementError, WitnessError


def test_one_byte_over_the_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_input(str(path), 5) == b"12345"
    assert read_input(str(path), 3) == b"1234"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"12345")))
    assert read_input("-", 3) == b"1234"
    with pytest.raises(FileNotFoundError):
        read_input(str(tmp_path / "absent"), 3)


def test_standard_input_is_read_once() -> None:
    check_inputs(["-", "a", "a", None])
    with pytest.raises(UsageError, match="only one file"):
        check_inputs(["-", "a", "-"])


def test_the_table_that_ships_is_the_default(tmp_path: Path) -> None:
    assert read_nomenclature(None) is load_shipped()
    path = tmp_path / "table.json"
    path.write_bytes(load_shipped().to_bytes())
    assert read_nomenclature(str(path)) == load_shipped()
    path.write_bytes(b"{}")
    with pytest.raises(EncodingError):
        read_nomenclature(str(path))


@pytest.mark.parametrize(
    ("error", "kind", "detail", "code"),
    [
        (CommandError("empty", "nothing"), "empty", "nothing", 2),
        (UsageError("no"), "usage", "no", 2),
        (OSError(2, "No such file", "a\nb"), "file", "a?b: No such file", 2),
        (OSError("odd"), "file", "odd", 2),
        (EncodingError("x"), "unreadable", "x", 2),
        (StatementError("x"), "statement", "x", 2),
        (WitnessError("x"), "witness", "x", 2),
        (ProofRejected("reason", "x"), "refused", "reason: x", 2),
    ],
)
def test_every_exception_is_told_once(error: Exception, kind: str, detail: str, code: int) -> None:
    told: list[tuple[str, str]] = []
    with pytest.raises(typer.Exit) as end, reporting(lambda *what: told.append(what)):
        raise error
    assert told == [(kind, detail)]
    assert end.value.exit_code == code


def test_of_a_fault_of_ours_the_place_alone_is_told() -> None:
    told: list[tuple[str, str]] = []
    with pytest.raises(typer.Exit) as end, reporting(lambda *what: told.append(what)):
        raise RuntimeError("secret-in-the-message")
    ((kind, detail),) = told
    assert kind == "internal"
    assert detail.startswith("RuntimeError at test_console.py:")
    assert end.value.exit_code == 3


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (typer.Exit(1), 1)])
def test_some_ends_are_silent(error: BaseException, code: int) -> None:
    told: list[tuple[str, str]] = []
    with pytest.raises(typer.Exit) as end, reporting(lambda *what: told.append(what)):
        raise error
    assert told == []
    assert end.value.exit_code == code


def test_nothing_is_told_where_nothing_is_wrong() -> None:
    with reporting(lambda *_: pytest.fail("told")):
        pass


def test_text_on_one_line() -> None:
    assert plain("a\nb\x1b[31mé") == "a?b?[31mé"


def test_amounts_as_people_write_them() -> None:
    assert [euros(cents) for cents in (0, 5, 100, 123_456)] == [
        *("0.00 €", "0.05 €", "1.00 €", "1234.56 €")
    ]


def test_a_command_line_has_its_name_and_its_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = new_app(about="What it is for.", exit_codes="Exit codes: 7.")

    @app.callback()
    def nothing() -> None:
        return

    @app.command()
    def act() -> None:
        return

    monkeypatch.setattr(sys, "argv", ["anything", "--help"])
    with pytest.raises(SystemExit) as end:
        run(app, "named")
    page = capsys.readouterr().out
    assert end.value.code == 0
    assert page.startswith("Usage: named ")
    assert "What it is for." in page
    assert "Exit codes: 7." in page


@pytest.mark.parametrize("module", ["optician", "verifier_api"])
@pytest.mark.parametrize(("installed", "told"), [("1.2.3", "1.2.3"), (None, "(not installed)")])
def test_the_version_is_that_of_the_installed_distribution(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, installed: str | None, told: str
) -> None:
    def version(name: str) -> str:
        if installed is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed

    monkeypatch.setattr("console.running.version", version)
    done = Console(monkeypatch, tmp_path).run(module, "--version")
    assert (done.code, done.out) == (0, f"clairobscur {told}\n")
