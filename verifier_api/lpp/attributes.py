"""What a code is, and which cell a lens lies in: the columns in which tables of codes say so.

``lpp_code,kind,type,shape,sphere_near,sphere_far,cylinder,s_near,s_far``; empty means not known.
CNAM's own file has none of them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, get_args

from circuits.nomenclature import UNKNOWN, Family, Kind, encode_cell, is_lpp_code
from console.running import plain
from zk.errors import EncodingError, StatementError

COLUMNS = (
    *("lpp_code", "kind", "type", "shape", "sphere_near", "sphere_far"),
    *("cylinder", "s_near", "s_far"),
)
MAX_ATTRIBUTES_BYTES = 64 * 2**20


class Attributes(NamedTuple):
    """Kind, lens type and cell, as in `circuits.nomenclature.Row`."""

    kind: str
    lens_type: str | None
    cell: str | None

    @property
    def family(self) -> Family:
        """The family of the classes that such a code can be in."""
        if self.kind == "lens":
            return "lens"
        return "frame" if self.kind == "frame" else "supplement"


UNKNOWN_OF_FAMILY: Mapping[Family, Attributes] = {
    "lens": Attributes("lens", UNKNOWN, UNKNOWN),
    "frame": Attributes("frame", None, None),
    "supplement": Attributes("other_supplement", None, None),
}
"""What is known of a code of which only the class is."""


def attributes_of(record: Mapping[str, str]) -> Attributes:
    """What a row of such a table says; columns other than `COLUMNS` are not looked at.

    Raises `EncodingError` for a cell that there is none of, `StatementError` for half a band or an
    unknown kind.
    """
    kind = record["kind"]
    if kind not in get_args(Kind):
        raise StatementError("unknown kind")
    if kind != "lens":
        return Attributes(kind, None, None)
    cell = encode_cell(
        record["type"],
        record["shape"],
        _band(record["sphere_near"], record["sphere_far"]),
        record["cylinder"] or None,
        _band(record["s_near"], record["s_far"]),
    )
    return Attributes(kind, record["type"], cell)


def read_attributes(path: Path) -> dict[int, Attributes]:
    """What a CSV table (UTF-8, with a heading) says of each code.

    Raises `OSError` if it cannot be read; `EncodingError` or `StatementError`, naming the file and
    the row (from 1, without the heading), for anything in it that is wrong.
    """
    name = plain(path.name)
    if path.stat().st_size > MAX_ATTRIBUTES_BYTES:
        raise EncodingError(f"{name}: more than the {MAX_ATTRIBUTES_BYTES} bytes allowed")
    known: dict[int, Attributes] = {}
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise StatementError(f"{name}: no column {missing[0]}")
            for record in reader:
                number += 1
                code, attributes = _entry(record)
                if code in known:
                    raise StatementError("a code that comes twice")
                known[code] = attributes
    except (UnicodeDecodeError, csv.Error):
        raise EncodingError(f"{name}: no CSV table in UTF-8, after row {number}") from None
    except (StatementError, EncodingError) as error:
        if number == 0:
            raise
        raise type(error)(f"{name}: row {number}: {error}") from None
    return known


def _entry(record: Mapping[str, str | None]) -> tuple[int, Attributes]:
    if None in record or any(record[column] is None for column in COLUMNS):
        raise StatementError("not as many values as the heading has columns")
    values = {column: (record[column] or "").strip() for column in COLUMNS}
    text = values["lpp_code"]
    if not (text.isascii() and text.isdigit() and len(text) == 7 and is_lpp_code(int(text))):
        raise StatementError("the code is not seven digits with the right check digit")
    return int(text), attributes_of(values)


def _band(near: str, far: str) -> tuple[str, str] | None:
    if bool(near) != bool(far):
        raise StatementError("a band with one end only")
    return (near, far) if near else None
