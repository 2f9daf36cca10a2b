"""A shop with its key, and a console in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Console


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Console:
    """A console in an empty folder."""
    return Console(monkeypatch, tmp_path)


@pytest.fixture
def shop(console: Console) -> Console:
    """A console in a folder with key.json and keys.json."""
    done = console.optician("keygen", "shop-1", "--out", "key.json", "--public", "keys.json")
    assert done.code == 0, done.err
    return console
