"""The seeds of each target, as files under ``corpus/``: text as it is, all else in hexadecimal.

A repository of text can be reviewed; what is no plain text has a name that ends in ``.hex``. Inputs
that once broke a reader are kept here too, under names that start with ``regression-``.
"""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "corpus"
HEX = ".hex"
_HEX_COLUMNS = 100
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def read_corpus(name: str, folder: Path = FOLDER) -> dict[str, bytes]:
    """Name → bytes of every seed of the corpus ``name``, in the order of the names."""
    return {path.name: _read(path) for path in sorted((folder / name).iterdir())}


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    return bytes.fromhex(content.decode("ascii")) if path.name.endswith(HEX) else content


def write_seed(name: str, seed: str, data: bytes, folder: Path = FOLDER) -> None:
    """Write one seed of the corpus ``name`` in the form that fits its bytes."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    if is_plain_text(data):
        (place / seed).write_bytes(data)
        return
    text = data.hex()
    lines = [text[start : start + _HEX_COLUMNS] for start in range(0, len(text), _HEX_COLUMNS)]
    (place / f"{seed}{HEX}").write_text("\n".join(lines) + "\n", "ascii")


def is_plain_text(data: bytes) -> bool:
    """Whether the bytes are UTF-8 that an editor and a version control system leave alone."""
    try:
        return not _CONTROL.search(data.decode("utf-8"))
    except UnicodeDecodeError:
        return False
