"""Back-ups, restoring them, and what a vault's file tells without its key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optician.vault.database import SIDE_FILES, connect, read_header, translated, use_log
from optician.vault.errors import VaultError
from optician.vault.files import (
    beside,
    draft_beside,
    flush,
    flush_folder,
    give_name,
    new_file,
    require_free,
    storing,
)
from optician.vault.keys import ScryptCost, Source
from optician.vault.layout import COLUMNS
from optician.vault.vault import Vault


@dataclass(frozen=True)
class VaultFacts:
    """What anybody learns who has the file and no key."""

    vault_id: str
    format_version: int
    created_at: str
    source: str
    scrypt: dict[str, int] | None
    file_bytes: int
    rows: dict[str, int]
    openings: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def inspect(path: str | os.PathLike[str]) -> VaultFacts:
    """What stands in clear. Writes nothing. Raises `VaultError`."""
    place = Path(path)
    connection = connect(place, writable=False)
    try:
        with translated(whole=True):
            connection.execute("BEGIN")
            header = read_header(connection)
            counts = {
                table: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
                for table in COLUMNS
            }
            openings = connection.execute("SELECT count(openings) FROM claims").fetchone()[0]
        with storing():
            size = place.stat().st_size
    finally:
        connection.close()
    return VaultFacts(
        vault_id=header.vault_id.hex(),
        format_version=header.format_version,
        created_at=header.created_at,
        source=header.source,
        scrypt=None if header.cost is None else asdict(header.cost),
        file_bytes=size,
        rows=counts,
        openings=int(openings),
    )


def backup(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    source: Source | None = None,
    opens_by: Source | None = None,
    scrypt: ScryptCost | None = None,
) -> VaultFacts:
    """Copy a vault, in use or not, into one new file ``out``, as it stands at one moment.

    Needs no key: what is sealed stays sealed, and opens as the vault does at that moment. With
    ``source``, the vault's own, every row is unsealed as a check, and with ``opens_by`` the copy
    opens by this instead: a passphrase, for a vault whose key is in the keyring of a machine that
    may be lost. Raises `VaultError`.
    """
    if opens_by is not None and source is None:
        raise ValueError("backup: the copy's key is changed by who can open the vault")
    target = Path(out)
    with new_file(target) as draft:
        _copy(Path(path), draft, is_log=False)
        if source is not None:
            _require_whole(draft, source)
        if opens_by is not None and source is not None:
            with Vault.open(draft, source) as vault:
                vault.change(opens_by, scrypt=scrypt)
            _as_one_file(draft)
        return inspect(draft)


def restore(
    copy: str | os.PathLike[str],
    path: str | os.PathLike[str],
    source: Source,
    *,
    replace: bool = False,
) -> Path | None:
    """Put a back-up in the place of a vault, after opening it and checking every row.

    With ``replace``, a file that is there is kept beside as ``NAME.replaced-TIME``, whose path is
    returned; no other program may have it open ("vault_busy"). Raises `VaultError`; then the file
    that was there is as it was.
    """
    origin, place = Path(copy), Path(path)
    if not replace:
        require_free(place)
    with draft_beside(place) as draft:
        try:
            _copy(origin, draft, is_log=True)
            _require_whole(draft, source)
        except VaultError as error:
            raise VaultError(_AS_BACKUP.get(error.code, error.code)) from None
        if not any(os.path.lexists(beside(place, suffix)) for suffix in ("", *SIDE_FILES)):
            give_name(draft, place)
            return None
        return _exchange(draft, place)


_AS_BACKUP = {"vault_missing": "not_a_backup", "vault_damaged": "not_a_backup"}


def _copy(origin: Path, draft: Path, *, is_log: bool) -> None:
    """SQLite's own copy of one moment, checked in its structure."""
    source = connect(origin, writable=False)
    try:
        with translated(whole=True):
            read_header(source)
            target = connect(draft, writable=True)
            try:
                source.backup(target)
                if is_log:
                    use_log(target)
                else:
                    # One file alone, which can be read where nothing can be written.
                    target.execute("PRAGMA journal_mode = DELETE")
                told = target.execute("PRAGMA integrity_check(1)").fetchone()[0]
                if told != "ok" or read_header(target) != read_header(source):
                    raise VaultError("vault_damaged")
            finally:
                target.close()
    finally:
        source.close()


def _require_whole(draft: Path, source: Source) -> None:
    with Vault.open(draft, source) as vault:
        vault.require_whole()


def _as_one_file(draft: Path) -> None:
    connection = connect(draft, writable=True)
    try:
        with translated(whole=True):
            connection.execute("PRAGMA journal_mode = DELETE")
    finally:
        connection.close()


def _exchange(draft: Path, place: Path) -> Path:
    """Keep the file at ``place`` under another name and put ``draft`` there."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    kept = beside(place, f".replaced-{moment}")
    with storing():
        flush(draft)
    with _held(place), storing():
        for suffix in SIDE_FILES:
            if os.path.lexists(beside(place, suffix)):
                os.rename(beside(place, suffix), beside(kept, suffix))
        if os.path.lexists(place):
            if os.name == "nt":
                os.rename(place, kept)
            else:
                _link_or_rename(place, kept)
        os.replace(draft, place)
        flush_folder(place.parent)
    return kept


def _link_or_rename(place: Path, kept: Path) -> None:
    try:
        os.link(place, kept)  # so that at every moment there is a vault
    except OSError:  # a file system without hard links
        os.rename(place, kept)


@contextmanager
def _held(place: Path) -> Iterator[None]:
    """Within this block nobody else reads or writes the file, and what stood in its log is in it.

    Raises `VaultError` ("vault_busy") if somebody has it open. A file that is gone, or too damaged
    to be locked, is let be.
    """
    connection = None
    try:
        connection = connect(place, writable=True)
        with translated(whole=True):
            # Only works if nobody else has it open, and leaves no log beside it.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN EXCLUSIVE")
    except VaultError as error:
        if connection is not None:
            connection.close()
            connection = None
        if error.code not in ("vault_damaged", "vault_missing"):
            raise
    try:
        if connection is not None and os.name == "nt":
            connection.close()  # no file is renamed there while it is open
        yield
    finally:
        if connection is not None:
            connection.close()
