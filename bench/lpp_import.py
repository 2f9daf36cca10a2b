"""``python -m bench.lpp_import``: an archive of 100,000 periods, imported; prints JSON.

The rows are made up. Each period has amounts of its own, so that few rows share a group of the
nomenclature's file: the slow case.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.machine import describe_machine
from circuits.nomenclature import Nomenclature, check_digit, load_shipped
from tests.support.dbase import archive_of, fiche, histo
from verifier_api.lpp.importing import import_lpp

ROWS = 100_000
PERIODS_OF_CODE = 4
FIRST_SIX = 300_000
OTHER_FIRST_SIX = 100_000
OTHERS = 50_000
"""Fiches that are not optics."""


def write_archive(folder: Path, rows: int) -> Path:
    """An archive with ``rows`` periods of optics, a quarter as many codes, and other fiches."""
    classes = [entry.code for entry in load_shipped().classes()]
    codes = [
        six * 10 + check_digit(six)
        for six in range(FIRST_SIX, FIRST_SIX + -(-rows // PERIODS_OF_CODE))
    ]
    others = range(OTHER_FIRST_SIX, OTHER_FIRST_SIX + OTHERS)
    fiches = [fiche(code) for code in codes]
    fiches += [fiche(six * 10 + check_digit(six), ARBO1=1) for six in others]
    histos = []
    for index in range(rows):
        place, year = divmod(index, PERIODS_OF_CODE)
        histos.append(
            histo(
                codes[place],
                classes[place % len(classes)],
                DEBUTVALID=f"{2020 + year}0101",
                FINHISTO=f"{2020 + year}1231",
                TARIF="0.05",
                PUREGLEMEN=f"{1 + index // 100}.{index % 100:02d}",
            )
        )
    return archive_of(folder, fiches, histos)


def measure(rows: int = ROWS) -> dict[str, Any]:
    """Seconds to import ``rows`` periods, and to write and read the nomenclature's file."""
    with tempfile.TemporaryDirectory() as folder:
        archive = write_archive(Path(folder), rows)
        archive_bytes = archive.stat().st_size
        dropped = 0

        def count(_: object) -> None:
            nonlocal dropped
            dropped += 1

        start = time.perf_counter()
        done = import_lpp(archive, base=load_shipped(), report=count)
        imported = time.perf_counter()
    data = done.nomenclature.to_bytes()
    written = time.perf_counter()
    again = Nomenclature.parse(data)
    read = time.perf_counter()
    if again.digest != done.nomenclature.digest or len(again.rows) != rows:
        raise RuntimeError("the nomenclature's file does not hold what was imported")
    return {
        "rows": len(again.rows),
        "dropped": dropped,
        "archive_bytes": archive_bytes,
        "file_bytes": len(data),
        "import_seconds": round(imported - start, 2),
        "write_seconds": round(written - imported, 2),
        "parse_seconds": round(read - written, 2),
    }


def main() -> None:
    """Measure once, and say on which machine."""
    measured = measure()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kilobytes, macOS bytes. What wrote the archive is in it.
    measured["peak_megabytes"] = peak // (2**20 if sys.platform == "darwin" else 2**10)
    print(json.dumps(measured | {"machine": describe_machine()}, indent=1))


if __name__ == "__main__":
    main()
