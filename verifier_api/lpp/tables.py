"""dBase III and IV tables, read strictly and record by record.

The header must account for every byte of the file. `dbfread` takes the records apart; values stay
bytes, because it would read amounts as floats and drop what it cannot read. How a value is written
is the business of `verifier_api.lpp.values`.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dbfread import DBF
from dbfread.exceptions import DBFNotFound, MissingMemoFile

from zk.errors import EncodingError, StatementError

MAX_RECORDS = 2_000_000
MAX_FIELDS = 255

CODE_PAGE = "cp850"
VERSIONS = {0x03: "dBase III, IV", 0x83: "dBase III with memo", 0x8B: "dBase IV with memo"}
LANGUAGE_DRIVERS = {0x02: "code page 850", 0x00: "none stated, taken to be code page 850"}

_HEADER = struct.Struct("<4xIHH2xBB13xB2x")
_FIELD = struct.Struct("<11sc4xBB14x")
_FIELDS_END = 0x0D
_FILE_END = b"\x1a"
_LIVE, _DELETED = b" *"
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_TYPES = b"CNDLFM"
_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Field:
    """A column: its name in capitals, its type (one letter of C N D L F M), its bytes a record."""

    name: str
    kind: str
    length: int


class Table:
    """A table in a file whose header and marks were checked.

    ``records`` counts all records, ``deleted`` those marked so, which are never yielded.
    """

    def __init__(self, path: Path, where: str) -> None:
        """Raises `EncodingError`, starting with ``where``, for whatever is wrong with the file."""
        self._path = path
        self.where = where
        with path.open("rb") as file:
            self.fields, header_length, self.records, record_length = _read_header(
                file, path.stat().st_size, where
            )
            self._deleted = _deleted_records(
                file, header_length, self.records, record_length, where
            )
        self._positions = {field.name: index for index, field in enumerate(self.fields)}

    @property
    def deleted(self) -> int:
        """How many records are marked as deleted."""
        return len(self._deleted)

    def field(self, name: str) -> Field:
        """The column of that name; raises `StatementError` if there is none."""
        if name not in self._positions:
            raise StatementError(f"{self.where}: no column {name}")
        return self.fields[self._positions[name]]

    def rows(self, names: Sequence[str]) -> Iterator[tuple[int, list[bytes]]]:
        """Number (from 1, the deleted ones counted) and the bytes of the columns named, of every
        record that is not deleted. Raises `StatementError` if a column is missing.
        """
        positions = [self._positions[self.field(name).name] for name in names]
        numbers = _not_in(self._deleted, self.records)
        for number, items in zip(numbers, self._raw_records(), strict=True):
            yield number, [items[position][1] for position in positions]

    def _raw_records(self) -> Iterator[list[tuple[str, bytes]]]:
        try:
            table = DBF(
                str(self._path),
                encoding=CODE_PAGE,
                ignorecase=False,
                ignore_missing_memofile=True,
                recfactory=None,
                raw=True,
            )
        except (ValueError, struct.error, DBFNotFound, MissingMemoFile) as error:
            raise EncodingError(f"{self.where}: unreadable ({type(error).__name__})") from None
        yield from table.records


def _read_header(file: BinaryIO, size: int, where: str) -> tuple[list[Field], int, int, int]:
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size or head[0] not in VERSIONS:
        raise EncodingError(f"{where}: not a table of dBase III or IV")
    records, header_length, record_length, is_open, is_encrypted, driver = _HEADER.unpack(head)
    if is_open:
        raise EncodingError(f"{where}: left in the middle of a transaction")
    if is_encrypted:
        raise EncodingError(f"{where}: encrypted")
    if driver not in LANGUAGE_DRIVERS:
        raise EncodingError(f"{where}: wrong code page, byte 29 is {driver:#04x}, not 0x02 or 0x00")
    if records > MAX_RECORDS:
        raise EncodingError(f"{where}: {records} records, more than the {MAX_RECORDS} allowed")
    fields = _read_fields(file.read(max(0, header_length - _HEADER.size)), where)
    if 1 + sum(field.length for field in fields) != record_length:
        raise EncodingError(f"{where}: the fields do not add up to the length of a record")
    end = header_length + records * record_length
    if size not in (end, end + 1):
        raise EncodingError(
            f"{where}: {size} bytes, but the header accounts for {end}, with or without an end mark"
        )
    file.seek(end)
    if file.read(1) not in (b"", _FILE_END):
        raise EncodingError(f"{where}: the last byte is not the end mark")
    return fields, header_length, records, record_length


def _read_fields(data: bytes, where: str) -> list[Field]:
    fields: list[Field] = []
    names: set[str] = set()
    position = 0
    while position < len(data) and data[position] != _FIELDS_END:
        if position + _FIELD.size >= len(data):
            raise EncodingError(f"{where}: the list of fields has no end")
        name, kind, length, decimals = _FIELD.unpack_from(data, position)
        position += _FIELD.size
        name = name.split(b"\0")[0]
        place = f"{where}: field {len(fields) + 1}"
        if not _NAME.fullmatch(name):
            raise EncodingError(f"{place}: malformed name")
        if kind not in [bytes([letter]) for letter in _TYPES]:
            raise EncodingError(f"{place}: of no type that dBase III and IV have")
        if kind == b"C":
            length |= decimals << 8  # as `dbfread` and others read long texts
        if length == 0 or (kind == b"D" and length != 8) or (kind == b"L" and length != 1):
            raise EncodingError(f"{place}: of a length that its type does not have")
        fields.append(Field(name.decode("ascii").upper(), kind.decode("ascii"), length))
        if fields[-1].name in names:
            raise EncodingError(f"{place}: a name that comes twice")
        names.add(fields[-1].name)
        if len(fields) > MAX_FIELDS:
            raise EncodingError(f"{where}: more than {MAX_FIELDS} fields")
    if not fields or position >= len(data):
        raise EncodingError(f"{where}: the list of fields is empty or has no end")
    return fields


def _deleted_records(
    file: BinaryIO, header_length: int, records: int, record_length: int, where: str
) -> array[int]:
    """The numbers of the deleted records, ascending; every record must have one of two marks."""
    deleted = array("I")
    at_once = max(1, _CHUNK_BYTES // record_length)
    file.seek(header_length)
    for first in range(0, records, at_once):
        count = min(at_once, records - first)
        marks = file.read(count * record_length)[::record_length]
        if len(marks) < count:
            raise EncodingError(f"{where}: ends within a record")
        for index, mark in enumerate(marks, start=first + 1):
            if mark == _DELETED:
                deleted.append(index)
            elif mark != _LIVE:
                raise EncodingError(f"{where}: record {index} is marked neither live nor deleted")
    return deleted


def _not_in(deleted: Sequence[int], records: int) -> Iterator[int]:
    following = iter(deleted)
    skipped = next(following, None)
    for number in range(1, records + 1):
        if number == skipped:
            skipped = next(following, None)
        else:
            yield number
