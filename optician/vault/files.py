"""Files that get their name when they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from optician.vault.database import SIDE_FILES
from optician.vault.errors import VaultError

PLACE_VARIABLE = "CLAIROBSCUR_VAULT"


def default_path() -> Path:
    """Where the shop's vault is: as the environment says, else where this system keeps data."""
    named = os.environ.get(PLACE_VARIABLE)
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_data_dir("clairobscur", appauthor=False)) / "shop.vault"


@contextmanager
def new_file(place: Path) -> Iterator[Path]:
    """A file beside ``place``, readable by its owner alone, that gets this name at the end.

    Nothing of that name is ever replaced. Raises `VaultError` ("vault_exists", "vault_storage").
    """
    require_free(place)
    with draft_beside(place) as draft:
        yield draft
        give_name(draft, place)


@contextmanager
def draft_beside(place: Path) -> Iterator[Path]:
    """An empty file in the folder of ``place``, mode 0600; removed if it still has its name."""
    with storing():
        if not place.parent.exists():
            place.parent.mkdir(mode=0o700, parents=True)
        draft = place.with_name(f".{place.name}.{os.urandom(8).hex()}")
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        yield draft
    finally:
        for suffix in ("", *SIDE_FILES):
            with suppress(OSError):
                beside(draft, suffix).unlink()


def require_free(place: Path) -> None:
    """Raise `VaultError` ("vault_exists") if a file is there, or what SQLite left of one.

    SQLite would take the log of a file that is gone for the log of the new one.
    """
    if any(os.path.lexists(beside(place, suffix)) for suffix in ("", *SIDE_FILES)):
        raise VaultError("vault_exists")


def give_name(draft: Path, place: Path) -> None:
    """Flush, then rename, refusing to replace; raises `VaultError`."""
    with storing():
        flush(draft)
        try:
            if os.name == "nt":
                os.rename(draft, place)  # refuses there to replace
            else:
                _link(draft, place)
        except FileExistsError:
            raise VaultError("vault_exists") from None
        flush_folder(place.parent)


def _link(draft: Path, place: Path) -> None:
    try:
        os.link(draft, place)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(place):
            raise FileExistsError from None
        os.rename(draft, place)
    else:
        os.unlink(draft)


def beside(place: Path, suffix: str) -> Path:
    """``place`` with a suffix after its whole name."""
    return place.with_name(place.name + suffix)


def identity(place: Path) -> tuple[int, int] | None:
    """Which file has this name now; None if none has."""
    try:
        found = os.stat(place)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def flush(place: Path) -> None:
    """Onto the disk. Only for a file that nobody has opened with SQLite: see `database`."""
    with open(place, "rb+") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make a new name durable; Windows cannot open a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storing() -> Iterator[None]:
    """Turn what the file system refuses into `VaultError` ("vault_storage")."""
    try:
        yield
    except OSError:
        raise VaultError("vault_storage") from None
