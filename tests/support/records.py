"""A database of the insurer's, and claims that nobody proved: for tests of what is recorded.

Recording looks at no proof and no signature, so these claims have neither, and thousands cost
nothing. Their commitments are fresh in every claim unless a test names them.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import text

from circuits.canonical import encode_base64url
from circuits.claim import Claim, claim_digest, encode_claim, encode_instant
from circuits.contract import Contract, contract_digest, load_sample
from optician.identity import Identity
from verifier_api.service.administration import Right, add_rights
from verifier_api.service.proofs import ProofVerdict
from verifier_api.service.recording import Examined
from verifier_api.store.database import Database, sqlite_url

DAY = date(2020, 10, 5)
NOW = datetime(2020, 10, 6, 9, 30, tzinfo=UTC)
INSTANT = encode_instant(NOW)
EXPIRES = datetime(2020, 11, 5, 9, 30, tzinfo=UTC)

SHOP = "optician-1"
ADULT = "beneficiary-adult-01"
CHILD = "beneficiary-child-01"
STRANGER = "beneficiary-without-right"

CIRCUIT = encode_base64url(hashlib.sha256(b"a circuit").digest())
TABLE = encode_base64url(hashlib.sha256(b"a table").digest())

_numbers = count()


_shops: dict[str, Identity] = {}


def shop(optician_id: str = SHOP) -> Identity:
    """The optician's keys, the same in a process."""
    return _shops.setdefault(optician_id, Identity.generate(optician_id))


def contract(**changes: Any) -> Contract:
    """The first sample contract, with other values of some fields."""
    return _sample().model_copy(update=changes)


@cache
def _sample() -> Contract:
    return load_sample("responsable")


# -- databases ----------------------------------------------------------------------------------


@cache
def _template() -> bytes:
    """The file of an empty database, schema at head: made once a process."""
    folder = tempfile.mkdtemp()
    try:
        database = Database(sqlite_url(Path(folder) / "empty.db"))
        database.upgrade()
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.dispose()
        return (Path(folder) / "empty.db").read_bytes()
    finally:
        shutil.rmtree(folder)


def empty_database(folder: Path) -> Database:
    """A database of this program's schema with nothing in it; to be disposed of."""
    path = folder / "verifier.db"
    path.write_bytes(_template())
    return Database(sqlite_url(path))


def right(beneficiary: str, age_group: str = "adult", **changes: Any) -> Right:
    """A right under the sample contract, open from 2020 on."""
    values = {
        "beneficiary": beneficiary,
        "contract_id": contract().contract_id,
        "age_group": age_group,
        "valid_from": date(2020, 1, 1),
        "valid_to": None,
    }
    return Right.model_validate(values | changes)


def database_with_rights(folder: Path) -> Database:
    """`empty_database`, and the rights of `ADULT` and `CHILD`."""
    database = empty_database(folder)
    with database.write() as connection:
        add_rights(connection, [right(ADULT), right(CHILD, "under_16")], "test", NOW)
    return database


def rows(database: Database, table: str, order: str = "1") -> list[dict[str, Any]]:
    """Every row of a table, as the file has it."""
    with database.read() as connection:
        found = connection.execute(text(f"SELECT * FROM {table} ORDER BY {order}"))
        return [dict(row._mapping) for row in found]


# -- claims -------------------------------------------------------------------------------------


def commitment(number: int | None = None) -> str:
    """33 bytes as claims write them: those of a number, or fresh ones."""
    name = f"fresh {next(_numbers)}" if number is None else f"number {number}"
    return encode_base64url(b"\x02" + hashlib.sha256(name.encode()).digest())


_ROLES: dict[str, list[tuple[str, str | None]]] = {
    "line": [("item", "VM4")],
    "equipment": [("right_lens", "VM4"), ("left_lens", "VM4"), ("frame", "M03")],
    "pair": [("right_lens", None), ("left_lens", None), ("frame", None)],
}


def claim(
    claim_id: str | None = None,
    *,
    statement: str = "equipment",
    commitments: Sequence[str] = (),
    of_contract: Contract | None = None,
    **changes: Any,
) -> Claim:
    """A claim in form, of `SHOP` for `ADULT` on `DAY`; neither proved nor signed."""
    agreed = of_contract or contract()
    roles = _ROLES[statement]
    texts = list(commitments) or [commitment() for _ in roles]
    lines = [
        {"role": role, "regroupement": name, "code": None, "commitment": text}
        for (role, name), text in zip(roles, texts, strict=True)
    ]
    amounts = None if statement == "line" else {"lenses_cents": 43_900, "frame_cents": 10_000}
    fields: dict[str, Any] = {
        "format_version": 1,
        "claim_id": claim_id or f"claim-{next(_numbers)}",
        "optician_id": SHOP,
        "key_id": shop().key_id,
        "insurer_id": agreed.insurer_id,
        "contract_id": agreed.contract_id,
        "contract_digest": encode_base64url(contract_digest(agreed)),
        "nomenclature_digest": TABLE,
        "date_of_service": DAY,
        "expires_at": EXPIRES,
        "beneficiary": ADULT,
        "statement": statement,
        "level": "c" if statement == "pair" else None,
        "price_class": "B" if statement == "pair" else None,
        "lines": tuple(lines),
        "amounts": amounts,
        "early_renewal_ground": None,
        "proof": encode_base64url(b"no proof"),
        "signature": encode_base64url(bytes(64)),
    }
    return Claim.model_validate(fields | changes)


def digest_of(made: Claim) -> str:
    """Its digest as the records write it."""
    return encode_base64url(claim_digest(made))


def examined(
    made: Claim,
    *,
    refusal: tuple[str, str] | None = None,
    proof: ProofVerdict | None = None,
    of_contract: Contract | None = None,
    actor: str = "token-1",
) -> Examined:
    """The claim as it reaches the records: by default in order in all that needs none."""
    known = None if refusal else (of_contract or contract())
    verdict = None if refusal else (proof or ProofVerdict(None, "", CIRCUIT))
    return Examined(made, encode_claim(made), digest_of(made), actor, refusal, known, verdict)
