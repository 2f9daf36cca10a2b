"""Processes on one vault: killed at every statement that writes, and several at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from optician.vault.copies import backup
from optician.vault.errors import VaultError
from optician.vault.keys import Passphrase
from optician.vault.vault import Vault
from tests.support.vaults import (
    CHEAP,
    OTHER_TEXT,
    TEXT,
    code_of,
    contents,
    fill,
    insert_claim,
    make_vault,
    passphrase,
)

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]

CHILD = '''
import json, os, shutil, signal, sqlite3, sys
from pathlib import Path
from optician.vault import copies
from optician.vault.keys import Passphrase
from optician.vault.vault import Vault
from tests.support import vaults

job, template, folders = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
fatal = when = None
count = 0

def step(run, *arguments):
    """Dies at the step of that number, before or after it."""
    global count
    count += 1
    if count == fatal and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        return run(*arguments)
    finally:
        if count == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

class Connection(sqlite3.Connection):
    def execute(self, sql, *values):
        if not sql.startswith(("INSERT", "UPDATE", "DELETE", "COMMIT", "PRAGMA journal_mode")):
            return super().execute(sql, *values)
        return step(super().execute, sql, *values)
    def backup(self, target):
        return step(super().backup, target)
    def close(self):
        return step(super().close)

real = sqlite3.connect
sqlite3.connect = lambda *a, **k: real(*a, factory=Connection, **k)
for name in ("link", "rename", "replace", "unlink", "fsync"):
    def wrapped(*arguments, run=getattr(os, name)):
        return step(run, *arguments)
    setattr(os, name, wrapped)

def work(folder):
    global count
    place = folder / "shop.vault"
    if job == "create":
        vaults.make_vault(place)
    elif job == "restore":
        copies.restore(folder / "copy.vault", place, vaults.passphrase(), replace=True)
    elif job == "backup":
        copies.backup(place, folder / "new.vault", source=vaults.passphrase())
    elif job == "change":
        vault = Vault.open(place, vaults.passphrase())
        vault.change(Passphrase(vaults.OTHER_TEXT), scrypt=vaults.CHEAP)
    else:
        with Vault.open(place, vaults.passphrase()).write() as writing:
            if job == "claim":
                vaults.insert_claim(writing, 3)
            else:
                writing.connection.execute("UPDATE claims SET openings = NULL")
                writing.connection.execute("DELETE FROM outbox")

shutil.copytree(template, folders / "whole")
work(folders / "whole")
steps = count
for number in range(1, steps + 1):
    for moment in ("before", "after") if number == steps else ("before",):
        folder = folders / f"{number:03}-{moment}"
        shutil.copytree(template, folder)
        child = os.fork()
        if child == 0:
            count, fatal, when = 0, number, moment
            work(folder)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
'''
"""Does a job once whole, and then once for each of its steps in a process that dies there."""


def python(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def kill_at_each_step(job: str, template: Path) -> list[Path]:
    """The folders that were left, in the order of the steps; the last is of the whole job."""
    folders = template.with_name("left")
    folders.mkdir()
    process = python(CHILD, job, template, folders)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, b"")
    left = sorted(folders.iterdir())
    assert len(left) > 5
    return left


@pytest.fixture
def template(tmp_path: Path) -> Path:
    folder = tmp_path / "template"
    folder.mkdir()
    with make_vault(folder / "shop.vault") as vault:
        fill(vault)
    return folder


Rows = list[tuple[object, ...]]


def read(path: Path, *texts: str) -> tuple[str, Rows]:
    """Which of the passphrases opens a vault, and everything in it; it must be whole."""
    for text in texts or (TEXT,):
        try:
            vault = Vault.open(path, Passphrase(text))
        except VaultError as error:
            if error.code != "passphrase_wrong":
                raise
            continue
        vault.require_whole()
        return text, contents(vault)
    raise AssertionError("nothing opens it")


def require_order(states: list[bool]) -> None:
    """Up to some step nothing is there, from then on all."""
    assert states == sorted(states)
    assert {*states} == {False, True}


@pytest.mark.parametrize("job", ["claim", "erase", "change"])
def test_killed_at_any_step_of_a_write_leaves_the_state_before_or_after(
    job: str, template: Path
) -> None:
    before = read(template / "shop.vault")
    left = [
        read(folder / "shop.vault", TEXT, OTHER_TEXT) for folder in kill_at_each_step(job, template)
    ]
    after = left[-1]
    assert after != before
    assert all(found in (before, after) for found in left)
    require_order([found == after for found in left])


def test_killed_at_any_step_of_making_a_vault_leaves_a_whole_one_or_none(tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    made = []
    for folder in kill_at_each_step("create", tmp_path / "template"):
        made.append((folder / "shop.vault").exists())
        if not made[-1]:
            make_vault(folder / "shop.vault").close()  # what was left is in nobody's way
        assert read(folder / "shop.vault")[1] == []
    require_order(made)


def test_killed_at_any_step_of_a_restore_leaves_the_old_or_the_new_and_the_old_kept(
    template: Path,
) -> None:
    backup(template / "shop.vault", template / "copy.vault")
    copied = read(template / "copy.vault")
    with Vault.open(template / "shop.vault", passphrase()) as vault, vault.write() as writing:
        insert_claim(writing, 9)
    newer = read(template / "shop.vault")
    assert newer != copied
    restored = []
    for folder in kill_at_each_step("restore", template):
        found = read(folder / "shop.vault")
        assert found in (newer, copied)
        restored.append(found == copied)
        if restored[-1]:
            (kept,) = folder.glob("shop.vault.replaced-*Z")
            assert read(kept) == newer
    require_order(restored)


def test_killed_at_any_step_of_a_back_up_leaves_a_whole_copy_or_none(template: Path) -> None:
    rows = read(template / "shop.vault")
    made = []
    for folder in kill_at_each_step("backup", template):
        assert read(folder / "shop.vault") == rows
        made.append((folder / "new.vault").exists())
        if made[-1]:
            assert read(folder / "new.vault") == rows
    require_order(made)


WRITER = """
import sys
from pathlib import Path
from optician.vault.vault import Vault
from tests.support import vaults

vault = Vault.open(Path(sys.argv[1]), vaults.passphrase())
print("in", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    with vault.write() as writing:
        vaults.insert_claim(writing, int(sys.argv[2]) + number)
"""


def test_two_processes_write_into_one_vault_and_nothing_is_lost(template: Path) -> None:
    place, writes = template / "shop.vault", 25
    _, rows = read(place)
    processes = [python(WRITER, place, first, writes) for first in (100, 200)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
    with Vault.open(place, passphrase()) as vault:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
        vault.change(Passphrase(OTHER_TEXT), scrypt=CHEAP)  # who is in stays in
        for process in processes:
            _, err = process.communicate(timeout=120)
            assert (process.returncode, err) == (0, b"")
    with pytest.raises(VaultError) as error:
        Vault.open(place, passphrase())
    assert code_of(error) == "passphrase_wrong"
    # A claim and its entry in the outbox for every write.
    assert len(read(place, OTHER_TEXT)[1]) == len(rows) + 2 * 2 * writes
