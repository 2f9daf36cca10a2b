"""The file of the trust list: read at the start, again when it changes, and the last good one
kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from circuits.trust import MAX_TRUST_BYTES
from tests.support.publishing import party, trust_bytes, write_trust
from verifier_api.service.trust_file import TrustFile
from zk.errors import EncodingError, StatementError

OTHER = party("publisher-2")


def test_without_a_file_nobody_is_relied_upon() -> None:
    file = TrustFile(None)
    file.look()
    assert (dict(file.trust.keys), file.is_good) == ({}, True)


def test_a_list_is_read(tmp_path: Path) -> None:
    file = TrustFile(write_trust(tmp_path / "trust.json"))
    assert (set(file.trust.keys), file.is_good) == ({party().key_id}, True)


def test_no_start_with_a_bad_file_which_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    with pytest.raises(FileNotFoundError):
        TrustFile(path)
    path.write_bytes(b"{")
    with pytest.raises(EncodingError, match="trust list: "):
        TrustFile(path)
    write_trust(path, party().public_entry(), party().public_entry())
    with pytest.raises(StatementError, match=r"trust list: keys\.1: the key is listed twice"):
        TrustFile(path)
    path.write_bytes(b" " * (MAX_TRUST_BYTES + 1))
    with pytest.raises(EncodingError, match="trust list: "):
        TrustFile(path)


def test_a_list_that_did_not_change_stays_the_very_one(tmp_path: Path) -> None:
    file = TrustFile(write_trust(tmp_path / "trust.json"))
    first = file.trust
    file.look()
    assert file.trust is first


def test_a_change_is_seen_whatever_the_date_of_the_file(tmp_path: Path) -> None:
    path = write_trust(tmp_path / "trust.json")
    file = TrustFile(path)
    before = path.stat()
    write_trust(path, OTHER.public_entry())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    file.look()
    assert set(file.trust.keys) == {OTHER.key_id}


@pytest.mark.parametrize("fault", ["missing", "half written", "no list", "unreadable"])
def test_a_file_that_breaks_changes_nothing_but_that_it_is_told(tmp_path: Path, fault: str) -> None:
    path = write_trust(tmp_path / "trust.json")
    file = TrustFile(path)
    good = file.trust
    if fault in ("missing", "unreadable"):
        path.unlink()
    if fault == "unreadable":
        path.mkdir()
    if fault == "half written":
        path.write_bytes(trust_bytes(OTHER.public_entry())[:-10])
    if fault == "no list":
        path.write_bytes(b'{"format_version": 2, "keys": []}')
    for _ in range(2):
        file.look()
        assert file.trust is good
        assert not file.is_good
    if fault == "unreadable":
        path.rmdir()
    write_trust(path, OTHER.public_entry())
    file.look()
    assert (set(file.trust.keys), file.is_good) == ({OTHER.key_id}, True)


def test_the_same_list_put_back_is_good_again(tmp_path: Path) -> None:
    path = write_trust(tmp_path / "trust.json")
    file = TrustFile(path)
    for broken in (b"", None):
        if broken is None:
            path.unlink()
        else:
            path.write_bytes(broken)
        file.look()
        assert not file.is_good
        write_trust(path)
        file.look()
        assert (set(file.trust.keys), file.is_good) == ({party().key_id}, True)
