"""Files of the command line: whole or not at all, and openings never lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.inputs import read_input
from console.outputs import check_writable, is_readable_by_others, write_output


def test_a_secret_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    name = str(tmp_path / "openings.json")
    write_output(name, b"1", secret=True)
    assert read_input(name, 10) == b"1"
    assert not is_readable_by_others(name)
    for mode in (0o640, 0o604, 0o660, 0o644):
        os.chmod(name, mode)
        assert is_readable_by_others(name)


def test_replaced_openings_are_kept_under_the_next_free_name(tmp_path: Path) -> None:
    name = tmp_path / "openings.json"
    for data in (b"1", b"2", b"3"):
        write_output(str(name), data, secret=True, replace=True)
    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert kept == {"openings.json": b"3", "openings.json.1": b"1", "openings.json.2": b"2"}
    assert not is_readable_by_others(str(tmp_path / "openings.json.1"))


def test_replaced_claims_are_not_kept(tmp_path: Path) -> None:
    name = tmp_path / "claim.json"
    for data in (b"1", b"2"):
        write_output(str(name), data, replace=True)
    assert [file.name for file in tmp_path.iterdir()] == ["claim.json"]
    assert name.read_bytes() == b"2"


def test_an_existing_file_stays_unless_replacing_was_asked_for(tmp_path: Path) -> None:
    name = tmp_path / "claim.json"
    name.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_output(str(name), b"new")
    with pytest.raises(FileExistsError):
        check_writable(str(name), replace=False)
    check_writable(str(name), replace=True)
    assert name.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
