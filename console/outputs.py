"""Files that the command line writes: whole or not at all. ``-`` is the standard output."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from console.inputs import STANDARD, check_inputs
from console.running import UsageError


def check_writable(name: str, *, replace: bool, advice: str = "") -> None:
    """Raise `OSError` early where `write_output` would refuse ``name``.

    ``advice`` says what to do about a file that exists.
    """
    if name == STANDARD:
        return
    path = Path(name)
    if path.exists():
        # Renaming over a device or a pipe would take its place.
        if not path.is_file():
            raise FileExistsError(f"{name} is not a regular file")
        if not replace:
            raise FileExistsError(f"{name} exists already" + (advice and f": {advice}"))
    elif not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is not a directory")


def check_files(
    inputs: list[str],
    outputs: list[str],
    *,
    replace: bool,
    advice: str = "use --force to replace it",
) -> None:
    """Raise `UsageError` or `OSError` before any work is done for nothing."""
    check_inputs(inputs)
    if outputs.count(STANDARD) > 1:
        raise UsageError("only one file can be written to standard output")
    files = [Path(name).resolve() for name in [*inputs, *outputs] if name not in ("", STANDARD)]
    written = [Path(name).resolve() for name in outputs if name != STANDARD]
    if any(files.count(path) > 1 for path in written):
        raise UsageError("a file that is written is named twice")
    for name in outputs:
        check_writable(name, replace=replace, advice=advice)


def write_output(name: str, data: bytes, *, secret: bool = False, replace: bool = False) -> None:
    """Write a file whole or not at all: a temporary file beside it, flushed to disk, then renamed.

    ``secret`` makes it readable by its owner alone (mode 0600) from the first byte on, and keeps a
    file that is replaced under the next free name (``openings.json.1``): openings of a claim that
    was sent must outlive whatever is proved next. Raises `FileExistsError` if the file exists,
    unless ``replace``; else `OSError`.
    """
    if name == STANDARD:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    check_writable(name, replace=replace)
    path = Path(name)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if not secret:
            os.chmod(temporary, 0o666 & ~_umask())
        if replace:
            if secret and path.exists():
                _keep(path)
            os.replace(temporary, path)
        else:
            _rename_new(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    _flush_directory(path.parent)


def is_readable_by_others(name: str) -> bool:
    """Whether a secret file's mode lets others read it (never known of standard input, Windows)."""
    if name == STANDARD or os.name != "posix":
        return False
    return bool(stat.S_IMODE(os.stat(name).st_mode) & 0o077)


def _keep(path: Path) -> None:
    """Give a file a second name, the first that is free, before its own is taken over."""
    number = 1
    while True:
        kept = path.with_name(f"{path.name}.{number}")
        try:
            os.link(path, kept)
        except FileExistsError:
            number += 1
        except OSError:  # a file system without hard links
            if kept.exists():
                number += 1
                continue
            os.rename(path, kept)
            return
        else:
            return


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _rename_new(temporary: str, path: Path) -> None:
    """Rename, refusing to replace what has appeared in the meantime where the system can tell."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise FileExistsError(f"{path} exists already") from None
    except OSError:  # a file system without hard links
        os.replace(temporary, path)


def _flush_directory(directory: Path) -> None:
    # Makes the new name durable; Windows cannot open a directory.
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
