"""What commands read: files or standard input (``-``), within a limit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.running import UsageError

if TYPE_CHECKING:
    from circuits.nomenclature import Nomenclature

STANDARD = "-"


def read_input(name: str, max_bytes: int) -> bytes:
    """The bytes of a file, at most one more than ``max_bytes``, so that parsers can refuse.

    Raises `OSError`.
    """
    if name == STANDARD:
        return sys.stdin.buffer.read(max_bytes + 1)
    with open(name, "rb") as file:
        return file.read(max_bytes + 1)


def check_inputs(names: Sequence[str | None]) -> None:
    """Raise `UsageError` if two files are to be standard input."""
    if names.count(STANDARD) > 1:
        raise UsageError("only one file can be read from standard input")


def read_nomenclature(name: str | None) -> Nomenclature:
    """The table in a file, or the one that ships; raises as `read_input` and the table's parser."""
    from circuits.nomenclature import MAX_NOMENCLATURE_BYTES, Nomenclature, load_shipped

    if name is None:
        return load_shipped()
    return Nomenclature.parse(read_input(name, MAX_NOMENCLATURE_BYTES))
