"""Whatever happens to a vault's bytes: what is read is what was written, or a `VaultError`; and
nothing is written."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from optician.vault import keys as keys_module
from optician.vault import vault as vault_module
from optician.vault.errors import VaultError
from optician.vault.files import beside
from optician.vault.vault import Vault
from tests.support.vaults import contents, files_of, fill, make_vault, passphrase, put

PAGE_BYTES = 512
"""The smallest of SQLite: more of the file is structure, and there is less of it to try."""

STRIDE = 13
"""By default every 13th byte, beginning somewhere else for each kind of change."""


class Sample:
    """A filled vault, its bytes, and what is in it."""

    def __init__(self, path: Path) -> None:
        with make_vault(path) as vault:
            fill(vault)
            self.contents = contents(vault)
            vault.require_whole()
        self.path = path
        assert set(files_of(path)) == {""}
        self.data = path.read_bytes()

    def outcome(self, data: bytes) -> str:
        """ "same" or the code of the error, after what must hold of any bytes."""
        put(self.path, data)
        found = "same"
        try:
            vault = Vault.open(self.path, passphrase())
            vault.require_whole()
            assert contents(vault) == self.contents
        except VaultError as error:
            found = error.code
        assert self.path.read_bytes() == data, "nothing was written"
        return found


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault_module, "PAGE_BYTES", PAGE_BYTES)
        patch.setattr(keys_module, "BLOCK_BYTES", 64)
        yield Sample(tmp_path_factory.mktemp("vault") / "shop.vault")


def flip_one(byte: int, position: int) -> int:
    return byte ^ (1 << position % 8)


def flip_all(byte: int, position: int) -> int:
    return byte ^ 0xFF


def clear(byte: int, position: int) -> int:
    return 0


CHANGES = {"one bit": flip_one, "all bits": flip_all, "zero": clear}


def try_bytes(sample: Sample, change: Callable[[int, int], int], places: range) -> dict[str, int]:
    found: dict[str, int] = {}
    for position in places:
        data = bytearray(sample.data)
        data[position] = change(data[position], position)
        outcome = sample.outcome(bytes(data))
        found[outcome] = found.get(outcome, 0) + 1
    return found


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_byte_gives_an_error_or_the_same_content(sample: Sample, name: str) -> None:
    start = list(CHANGES).index(name)
    found = try_bytes(sample, CHANGES[name], range(start, len(sample.data), STRIDE))
    # Most of the file is sealed, or structure; some of it is free.
    assert found["vault_damaged"] > 0 < found["same"], found


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", CHANGES)
def test_every_changed_byte_gives_an_error_or_the_same_content(sample: Sample, name: str) -> None:
    found = try_bytes(sample, CHANGES[name], range(len(sample.data)))
    assert found["vault_damaged"] > 0 < found["same"], found


def test_a_file_cut_anywhere_is_an_error(sample: Sample) -> None:
    for size in range(0, len(sample.data), 61):
        assert sample.outcome(sample.data[:size]) != "same", size
    assert sample.outcome(b"") == "vault_damaged"
    assert sample.outcome(sample.data[:-1]) == "vault_damaged"


def test_bytes_after_the_end_change_nothing(sample: Sample) -> None:
    assert sample.outcome(sample.data + b"x") == "same"


def test_pages_that_change_places_are_an_error(sample: Sample) -> None:
    chance = random.Random(20201005)
    pages = [sample.data[at : at + PAGE_BYTES] for at in range(0, len(sample.data), PAGE_BYTES)]
    for _ in range(40):
        moved = list(pages)
        one, other = chance.sample(range(len(pages)), 2)
        if moved[one] == moved[other]:
            continue
        moved[one], moved[other] = moved[other], moved[one]
        assert sample.outcome(b"".join(moved)) != "same"
    assert sample.outcome(b"".join(pages)) == "same"


def test_a_log_that_is_cut_anywhere_gives_the_state_before_or_after_a_write(
    tmp_path: Path,
) -> None:
    # A connection that stays open keeps the log from being carried over into the file.
    with make_vault(tmp_path / "shop.vault") as vault:
        states = [contents(vault)]
        with vault.read() as reading:
            reading.connection.execute("SELECT * FROM header").fetchall()
            for _ in (1, 2):
                with vault.write() as writing:
                    number = len(states)
                    writing.connection.execute(
                        "INSERT INTO entries VALUES ('note', ?, ?)",
                        (
                            f"note-{number}",
                            writing.seal("entries", f"note-{number}", b"text", {"kind": "note"}),
                        ),
                    )
                states.append(contents(vault))
            main, log = (files_of(vault.path)[suffix] for suffix in ("", "-wal"))
    seen = set()
    target = tmp_path / "copy.vault"
    for size in (*range(0, len(log), 512), len(log)):
        put(target, main)
        beside(target, "-wal").write_bytes(log[:size])
        with Vault.open(target, passphrase()) as copy:
            assert files_of(target).get("-wal", b"") == log[:size]
            seen.add(states.index(contents(copy)))
            copy.require_whole()
    assert seen == {0, 1, 2}
