"""dBase III files and archives of them, as the tests want them: right, or wrong in one place."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LANGUAGE_CP850 = 0x02


@dataclass(frozen=True)
class Column:
    """A column of a table: type (a letter), bytes a record, decimals."""

    name: str
    kind: str
    length: int
    decimals: int = 0

    def encode(self, value: object) -> bytes:
        """A value as its field has it: numbers to the right, texts to the left, None blank."""
        if value is None:
            return b" " * self.length
        raw = value if isinstance(value, bytes) else str(value).encode("cp850")
        assert len(raw) <= self.length, f"{self.name}: {value!r} is too long"
        return raw.rjust(self.length) if self.kind in "NF" else raw.ljust(self.length)

    def describe(self) -> bytes:
        """The 32 bytes that a header has for it."""
        name = self.name.encode("ascii").ljust(11, b"\0")
        kind = self.kind.encode("ascii")
        return struct.pack("<11sc4xBB14x", name, kind, self.length, self.decimals)


FICHE = (
    Column("CODE_TIPS", "C", 7),
    Column("NOM_COURT", "C", 40),
    Column("DATE_FIN", "D", 8),
    Column("AGE_MAX", "N", 3),
    Column("TYPE_PREST", "C", 1),
    *(Column(f"ARBO{level}", "N", 2) for level in range(1, 11)),
)
HISTO = (
    Column("CODE_TIPS", "C", 7),
    Column("DEBUTVALID", "D", 8),
    Column("FINHISTO", "D", 8),
    Column("NAT_PREST", "C", 3),
    Column("TARIF", "N", 10, 2),
    Column("PUREGLEMEN", "N", 10, 2),
    Column("QTE_MAX", "N", 3),
    Column("MT_MAX", "N", 10, 2),
)
"""The columns that CNAM's tables are said to have. Types and widths are a guess."""


def table(
    columns: Sequence[Column],
    rows: Iterable[Mapping[str, object]],
    *,
    deleted: frozenset[int] = frozenset(),
    language: int = LANGUAGE_CP850,
    version: int = 0x03,
    end_mark: bytes = b"\x1a",
) -> bytes:
    """A dBase III file; a column that a row does not name is blank. ``deleted`` counts from 1."""
    records = [
        (b"*" if number in deleted else b" ")
        + b"".join(column.encode(row.get(column.name)) for column in columns)
        for number, row in enumerate(rows, start=1)
    ]
    head = struct.pack(
        "<B3BIHH17xB2x",
        version,
        *(124, 1, 31),
        len(records),
        32 + 32 * len(columns) + 1,
        1 + sum(column.length for column in columns),
        language,
    )
    fields = b"".join(column.describe() for column in columns)
    return head + fields + b"\r" + b"".join(records) + end_mark


def fiche(code: object, **values: object) -> dict[str, object]:
    """A row of the first table, of optics unless ``values`` says otherwise."""
    return {"CODE_TIPS": code, "NOM_COURT": "VERRE, COMPLÉMENT", "ARBO1": 2, "ARBO2": 2} | values


def histo(code: object, regroupement: object = "VU1", **values: object) -> dict[str, object]:
    """A row of the second table, valid from 2024 on unless ``values`` says otherwise."""
    return {"CODE_TIPS": code, "NAT_PREST": regroupement, "DEBUTVALID": "20240101"} | values


@dataclass
class Members:
    """The two tables of an archive, and what else is in it."""

    fiches: bytes
    histos: bytes
    number: str = "823"
    others: dict[str, bytes] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        """Each member's bytes by its name."""
        return {
            f"lpp_fiche_tot{self.number}.dbf": self.fiches,
            f"lpp_histo_tot{self.number}.dbf": self.histos,
        } | self.others

    def write(self, folder: Path, name: str = "LPP823.zip") -> Path:
        """The archive as a file."""
        path = folder / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in self.files().items():
                archive.writestr(member, data)
        return path


def archive_of(
    folder: Path,
    fiches: Iterable[Mapping[str, object]],
    histos: Iterable[Mapping[str, object]],
    name: str = "LPP823.zip",
) -> Path:
    """An archive with these rows."""
    return Members(table(FICHE, fiches), table(HISTO, histos)).write(folder, name)
