"""Publications on record fit together: with `verifier_api.store.checks`.

Signatures are not looked at again, nor keys.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from circuits.publication import Publication
from circuits.signed import decode_signed
from verifier_api.store import reference
from verifier_api.store.publications import publication_rows
from zk.errors import ZkError

WHERE = "publications"

_COPIED = ("digest", "key_id", "kind", "publisher_id", "in_force_from")


def publication_problems(connection: Connection) -> list[dict[str, str]]:
    """What is wrong with publications, as entries of `check_database`."""
    starts = {
        **{("contract", row.digest): row for row in reference.contract_rows(connection)},
        **{("nomenclature", row.digest): row for row in reference.nomenclature_rows(connection)},
    }
    found = []
    for row in publication_rows(connection):
        problems = _row_problems(row)
        document = starts.get((row.kind, row.digest))
        if document is None:
            problems.append("its document is not there")
        elif document.in_force_from != row.in_force_from:
            problems.append("its document is in force from another day")
        found += [{"where": WHERE, "problem": f"{row.digest}: {problem}"} for problem in problems]
    return found


def _row_problems(row: Row[Any]) -> list[str]:
    try:
        publication = decode_signed(Publication, bytes(row.document))
    except ZkError:
        return ["the document is no publication"]
    return [
        f"{name} is not the document's"
        for name in _COPIED
        if getattr(publication, name) != getattr(row, name)
    ]
