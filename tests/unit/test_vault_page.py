"""docs/vault.md names every table, column, binding, row of the header and error, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from optician.vault.commands import app
from optician.vault.copies import VaultFacts
from optician.vault.errors import VAULT_WORDS
from optician.vault.keys import BLOCK_BYTES, KeyringKey, Passphrase, ScryptCost, wrap
from optician.vault.layout import BOUND, COLUMNS, column_of, table_of
from tests.support.vaults import CHEAP, TEXT, FakeKeyring


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs/vault.md").read_text(encoding="utf-8")


def rows(page: str, first: str) -> dict[str, list[set[str]]]:
    """The table whose heading begins with ``first``: first cell → names in the other cells."""
    found = re.search(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert found, first
    told = {}
    for line in found[1].splitlines():
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for one in re.findall(r"`([\w.]+)`", name):
            told[one] = [set(re.findall(r"`(\w+)`", cell)) for cell in cells]
    return told


def test_every_column_is_said_to_be_sealed_or_clear(page: str) -> None:
    told = rows(page, "table")
    assert set(told) == {"header", *COLUMNS}
    for table, columns in COLUMNS.items():
        sealed = {column_of(place) for place in BOUND if table_of(place) == table}
        clear, hidden = told[table]
        assert (clear, hidden) == (set(columns) - sealed, sealed), table


def test_every_place_is_said_to_be_bound_as_it_is(page: str) -> None:
    told = {place: (cells[0], cells[1]) for place, cells in rows(page, "place").items()}
    assert told == {place: ({name}, set(clear)) for place, (name, clear) in BOUND.items()}


def test_every_row_of_the_header_is_told(page: str) -> None:
    made = (
        wrap(bytes(32), bytes(16), "2020", source, CHEAP).rows()
        for source in (Passphrase(TEXT), KeyringKey(FakeKeyring()))
    )
    names = {name for header in made for name in header}
    assert set(rows(page, "row")) == {*names, "ledger"}


def test_every_error_is_told(page: str) -> None:
    assert set(rows(page, "code")) == set(VAULT_WORDS)


def test_every_command_is_shown(page: str) -> None:
    shown = set(re.findall(r"^optician vault (\w+)", page, re.MULTILINE))
    assert shown == {command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]


def test_the_answers_of_the_commands_are_on_the_page_of_files(repository: Path) -> None:
    page = (repository / "docs/files.md").read_text(encoding="utf-8")
    text = page.split("`optician vault create`, `info`, `backup`\n")[1].split(
        "`optician vault passphrase`"
    )[0]
    told = set(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE))
    names = {name for row in told for name in re.findall(r"`(\w+)`", row)}
    facts = {field.name for field in fields(VaultFacts)}
    assert names == {*facts, "vault", "backup", "is_checked", "warnings"}
    assert set(VAULT_WORDS) <= set(re.findall(r"`(\w+)`", page.split("## Errors")[1]))


def test_its_figures_are_the_codes(page: str) -> None:
    assert ScryptCost() == ScryptCost(n=2**17, r=8, p=1)
    assert "n = 2^17, r = 8, p = 1" in page
    assert f"multiple of {BLOCK_BYTES:,} bytes" in page
