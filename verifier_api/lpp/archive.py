"""What is in an ``LPPnnn.zip``, without trusting it: two tables are unpacked, nothing else is read.

No name in the archive ever becomes a path. Sizes are limited as the directory states them, and
again while bytes come out, since a directory can lie.
"""

from __future__ import annotations

import errno
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from console.running import plain
from zk.errors import EncodingError, StatementError

TableName: TypeAlias = Literal["fiche", "histo"]
TABLES: tuple[TableName, ...] = ("fiche", "histo")

MAX_ARCHIVE_BYTES = 256 * 2**20
MAX_MEMBERS = 64
MAX_DIRECTORY_BYTES = 2**16
"""Of the list of members: some ten times what `MAX_MEMBERS` plain ones take."""
MAX_UNPACKED_BYTES = 512 * 2**20
"""Of all members together, as the directory states them and as they are."""
MAX_RATIO = 200
"""Of a table's bytes to its packed bytes. Tables full of blanks pack well, bombs pack better."""
RATIO_FREE_BYTES = 2**20
"""A table up to this size may pack as well as it likes."""

_CHUNK = 2**16
_TABLE = re.compile(r"lpp_(fiche|histo)_tot([0-9]{1,4})\.dbf", re.ASCII | re.IGNORECASE)
_ARCHIVE = re.compile(r"lpp([0-9]{1,4})\.zip", re.ASCII | re.IGNORECASE)
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # encrypted, strongly so, and with a masked directory
# The record that ends an archive, with a comment of up to 65,535 bytes behind it; one of the 64-bit
# form has another before it.
_END = b"PK\x05\x06"
_END_BYTES = 22
_END_64 = b"PK\x06\x07"
_END_64_BYTES = 20
_TAIL_BYTES = 2**16 + _END_BYTES + _END_64_BYTES
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What the library raises for bytes that are no archive, or a broken one.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


@dataclass(frozen=True)
class Archive:
    """An archive whose directory was checked: its number (text of digits) and its two tables."""

    name: str
    number: str
    _zip: zipfile.ZipFile
    _tables: dict[TableName, zipfile.ZipInfo]

    def member_name(self, table: TableName) -> str:
        """The name of a table's member, for messages."""
        return f"{self.name}: {self._tables[table].filename}"

    def unpack(
        self, table: TableName, target: BinaryIO, tell: Callable[[int], None] = lambda _: None
    ) -> int:
        """Write a table's bytes to ``target``, telling of each chunk's size; returns how many.

        Raises `EncodingError` if they are more or fewer than the directory states, more than the
        limits allow, or fail their checksum.
        """
        member, where = self._tables[table], self.member_name(table)
        limit, total = min(member.file_size, MAX_UNPACKED_BYTES), 0
        with _refusing(where), self._zip.open(member) as packed:
            while chunk := packed.read(_CHUNK):
                total += len(chunk)
                if total > limit:
                    raise EncodingError(f"{where}: more bytes than the archive's directory states")
                target.write(chunk)
                tell(len(chunk))
        if total != member.file_size:
            raise EncodingError(f"{where}: fewer bytes than the archive's directory states")
        return total


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The archive in a file, its directory checked.

    Raises `OSError` if the file cannot be opened; `EncodingError` for what is no zip archive, is
    too large or of the 64-bit form, has a long directory or too many members, a name with a path in
    it or given twice, a link, an encrypted member or a table packed in another way than deflate or
    unreasonably well; `StatementError`
    unless there is exactly one table of each kind, both with the number of the archive's name (if
    that is ``LPPnnn.zip``). Every message names the file.
    """
    name = plain(path.name)
    if not path.is_file():
        if path.exists():
            raise EncodingError(f"{name}: not a regular file")
        path.stat()  # says why there is none
    size = path.stat().st_size
    if size > MAX_ARCHIVE_BYTES:
        raise EncodingError(f"{name}: {size} bytes, more than the {MAX_ARCHIVE_BYTES} allowed")
    with path.open("rb") as file:
        with _refusing(name):
            _check_directory_bytes(file, size, name)
            opened = zipfile.ZipFile(file)
        with opened:
            tables = _check_directory(opened, name)
            yield Archive(name, _number_of(tables, name), opened, tables)


def _check_directory_bytes(file: BinaryIO, size: int, name: str) -> None:
    """Refuse a long directory before the library makes an object of each of its entries.

    The end of the archive is found as the library finds it. What has none is left for it to refuse.
    """
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    last = tail[-_END_BYTES:]
    is_bare = last.startswith(_END) and last.endswith(b"\0\0")  # no comment behind it
    place = len(tail) - _END_BYTES if is_bare else tail.rfind(_END)
    if place < 0:
        return
    if tail[max(0, place - _END_64_BYTES) :].startswith(_END_64):
        raise EncodingError(f"{name}: of the form for archives of more than 4 GiB")
    (directory,) = struct.unpack_from("<12xI", tail, place)
    if directory > MAX_DIRECTORY_BYTES:
        raise EncodingError(
            f"{name}: a directory of {directory} bytes, more than the {MAX_DIRECTORY_BYTES} allowed"
        )


def _check_directory(opened: zipfile.ZipFile, name: str) -> dict[TableName, zipfile.ZipInfo]:
    members = opened.infolist()
    if len(members) > MAX_MEMBERS:
        raise EncodingError(f"{name}: {len(members)} members, more than the {MAX_MEMBERS} allowed")
    seen: set[str] = set()
    for index, member in enumerate(members, start=1):
        _check_member(member, f"{name}: member {index}")
        folded = member.filename.casefold()
        if folded in seen:
            raise EncodingError(f"{name}: member {index}: a name that comes twice")
        seen.add(folded)
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES:
        raise EncodingError(
            f"{name}: {unpacked} bytes unpacked, more than the {MAX_UNPACKED_BYTES} allowed"
        )
    tables: dict[TableName, zipfile.ZipInfo] = {}
    for kind in TABLES:
        found = [member for member in members if _kind(member) == kind]
        if len(found) != 1:
            raise StatementError(
                f"{name}: {len(found)} tables lpp_{kind}_totNNN.dbf, one is expected"
            )
        _check_packing(found[0], f"{name}: {found[0].filename}")
        tables[kind] = found[0]
    return tables


def _check_member(member: zipfile.ZipInfo, where: str) -> None:
    # The library cuts a name at a zero byte and turns separators; the archive's own is judged.
    written = member.orig_filename
    if not written or "/" in written or "\\" in written or ":" in written or written in (".", ".."):
        raise EncodingError(f"{where}: a name with a path in it; only plain names are read")
    if not written.isprintable():
        raise EncodingError(f"{where}: a name with control characters")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise EncodingError(f"{where}: a link, or something else that is no file")
    if member.flag_bits & _ENCRYPTED:
        raise EncodingError(f"{where}: encrypted")


def _check_packing(member: zipfile.ZipInfo, where: str) -> None:
    if member.compress_type not in _METHODS:
        raise EncodingError(f"{where}: packed by another method than deflate")
    if member.file_size > max(RATIO_FREE_BYTES, MAX_RATIO * member.compress_size):
        raise EncodingError(f"{where}: unpacks to more than {MAX_RATIO} times its size")


def _kind(member: zipfile.ZipInfo) -> str | None:
    match = _TABLE.fullmatch(member.filename)
    return match[1].lower() if match else None


def _number_of(tables: dict[TableName, zipfile.ZipInfo], name: str) -> str:
    matches = [_TABLE.fullmatch(tables[kind].filename) for kind in TABLES]
    numbers = [match[2] for match in matches if match]
    if numbers[0] != numbers[1]:
        raise StatementError(f"{name}: the two tables have different numbers")
    match = _ARCHIVE.fullmatch(name)
    if match and match[1] != numbers[0]:
        raise StatementError(f"{name}: its tables have another number than the archive's name")
    return numbers[0]


@contextmanager
def _refusing(where: str) -> Iterator[None]:
    """Turn what the library raises for broken archives into one error, which quotes nothing."""
    try:
        yield
    except _BROKEN as error:
        problem = type(error).__name__
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        problem = "it leads outside the file"
    else:
        return
    raise EncodingError(f"{where}: broken, or no zip archive ({problem})")
