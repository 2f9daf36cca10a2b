"""Write the golden vectors anew: claims, notices and the signed documents around a claim to accept,
and mutations of them to refuse.

Usage, from the root of the checkout: python -m scripts.make_golden [FOLDER]

Keys, sales, contracts and tables are fixed; proofs and blindings are random, so every run writes
other files of the same meaning. Run it only when circuits or formats change on purpose: what the
stored files say is what other implementations are held to. Their form is described in the README
beside them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.golden.accepts import TABLE_FILE, Json, accepts
from scripts.golden.notices import Notices
from scripts.golden.rejects import Mutator
from scripts.golden.signed import SignedDocuments
from tests.support.tables import limits_table

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "golden"
REJECTS_FILE = "rejects.json"
NOTICES_FILE = "notices.json"
SIGNED_FILE = "signed-documents.json"


def write(folder: Path) -> int:
    """Write every file into ``folder``; the number of claims to refuse."""
    folder.mkdir(parents=True, exist_ok=True)
    known = accepts()
    for accept in known:
        _write(folder / f"{accept.name}.json", accept.vector())
    rejects = [reject.vector() for reject in Mutator(known).all()]
    _write(folder / REJECTS_FILE, rejects)
    _write(folder / NOTICES_FILE, Notices(known).vector())
    _write(folder / SIGNED_FILE, SignedDocuments(known).vector())
    (folder / TABLE_FILE).write_bytes(limits_table().to_bytes())
    return len(rejects)


def _write(path: Path, value: Json) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files; 0."""
    parser = argparse.ArgumentParser(description="Write the golden vectors anew.")
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args(arguments).folder
    rejects = write(folder)
    sys.stdout.write(f"{len(accepts())} accepts and {rejects} rejects\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
