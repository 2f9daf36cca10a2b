"""Reference data in the database: contracts, nomenclatures, opticians' keys, tokens, rights.

Functions on a connection; what writes needs `Database.write`. Nothing is edited: a correction of a
contract or table is a new version, a key or token is revoked, a right is ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, insert, or_, select, update

from verifier_api.store.schema import (
    changes,
    circuits,
    contracts,
    events,
    nomenclatures,
    optician_keys,
    rights,
    tokens,
)

DIRECTORY = "directory"


def directory_counter(connection: Connection) -> int:
    """Grows with every change of contracts, nomenclatures, keys or tokens."""
    query = select(changes.c.counter).where(changes.c.topic == DIRECTORY)
    return int(connection.execute(query).scalar_one())


def note_change(connection: Connection) -> None:
    """Tell every process that the directory has changed."""
    connection.execute(
        update(changes).where(changes.c.topic == DIRECTORY).values(counter=changes.c.counter + 1)
    )


def note_event(
    connection: Connection,
    at: str,
    kind: str,
    actor: str,
    facts: Mapping[str, Any],
    claim_id: str | None = None,
) -> None:
    """Record who did what."""
    connection.execute(insert(events).values(event_row(at, kind, actor, facts, claim_id)))


def event_row(
    at: str, kind: str, actor: str, facts: Mapping[str, Any], claim_id: str | None
) -> dict[str, Any]:
    """A row of ``events``."""
    text = json.dumps(facts, sort_keys=True)
    return {"at": at, "kind": kind, "claim_id": claim_id, "actor": actor, "facts": text}


# -- contracts and nomenclatures ----------------------------------------------------------------


def contract_rows(connection: Connection) -> Sequence[Row[Any]]:
    """All, the latest in force first."""
    order = (contracts.c.contract_id, contracts.c.in_force_from.desc())
    return connection.execute(select(contracts).order_by(*order)).all()


def add_contract(connection: Connection, values: Mapping[str, Any]) -> bool:
    """False if another version of the contract is in force from the same day."""
    same = and_(
        contracts.c.insurer_id == values["insurer_id"],
        contracts.c.contract_id == values["contract_id"],
        contracts.c.in_force_from == values["in_force_from"],
    )
    if connection.execute(select(contracts.c.digest).where(same)).first():
        return False
    connection.execute(insert(contracts).values(values))
    note_change(connection)
    return True


def nomenclature_rows(connection: Connection) -> Sequence[Row[Any]]:
    """All, the latest in force first."""
    order = nomenclatures.c.in_force_from.desc()
    return connection.execute(select(nomenclatures).order_by(order)).all()


def add_nomenclature(connection: Connection, values: Mapping[str, Any]) -> bool:
    """False if another version is in force from the same day."""
    same = nomenclatures.c.in_force_from == values["in_force_from"]
    if connection.execute(select(nomenclatures.c.digest).where(same)).first():
        return False
    connection.execute(insert(nomenclatures).values(values))
    note_change(connection)
    return True


def find_circuit(connection: Connection, digest: str) -> Row[Any] | None:
    """What the circuit is compiled from."""
    return connection.execute(select(circuits).where(circuits.c.digest == digest)).first()


# -- keys and tokens ----------------------------------------------------------------------------


def key_rows(connection: Connection) -> Sequence[Row[Any]]:
    """All, by optician."""
    order = (optician_keys.c.optician_id, optician_keys.c.registered_at, optician_keys.c.key_id)
    return connection.execute(select(optician_keys).order_by(*order)).all()


def find_key(connection: Connection, key_id: str) -> Row[Any] | None:
    """The key's row."""
    query = select(optician_keys).where(optician_keys.c.key_id == key_id)
    return connection.execute(query).first()


def add_key(connection: Connection, values: Mapping[str, Any]) -> None:
    """A key that was not there."""
    connection.execute(insert(optician_keys).values(values))
    note_change(connection)


def revoke_key(connection: Connection, key_id: str, at: str) -> None:
    """From now on; a key that was revoked stays revoked since then."""
    is_live = and_(optician_keys.c.key_id == key_id, optician_keys.c.revoked_at.is_(None))
    connection.execute(update(optician_keys).where(is_live).values(revoked_at=at))
    note_change(connection)


def token_rows(connection: Connection) -> Sequence[Row[Any]]:
    """All, oldest first."""
    order = (tokens.c.created_at, tokens.c.token_id)
    return connection.execute(select(tokens).order_by(*order)).all()


def find_token(connection: Connection, token_id: str) -> Row[Any] | None:
    """The token's row."""
    return connection.execute(select(tokens).where(tokens.c.token_id == token_id)).first()


def add_token(connection: Connection, values: Mapping[str, Any]) -> None:
    """A fresh token."""
    connection.execute(insert(tokens).values(values))
    note_change(connection)


def revoke_token(connection: Connection, token_id: str, at: str) -> None:
    """From now on."""
    is_live = and_(tokens.c.token_id == token_id, tokens.c.revoked_at.is_(None))
    connection.execute(update(tokens).where(is_live).values(revoked_at=at))
    note_change(connection)


# -- rights -------------------------------------------------------------------------------------


def right_rows(
    connection: Connection, after: tuple[str, str, date] | None, limit: int
) -> Sequence[Row[Any]]:
    """A page, by beneficiary, contract and day."""
    key = (rights.c.beneficiary, rights.c.contract_id, rights.c.valid_from)
    query = select(rights).order_by(*key).limit(limit)
    if after is not None:
        beneficiary, contract_id, day = after
        query = query.where(
            or_(
                rights.c.beneficiary > beneficiary,
                and_(rights.c.beneficiary == beneficiary, rights.c.contract_id > contract_id),
                and_(
                    rights.c.beneficiary == beneficiary,
                    rights.c.contract_id == contract_id,
                    rights.c.valid_from > day,
                ),
            )
        )
    return connection.execute(query).all()


# Built once: putting a query together takes longer than asking it.
_RIGHTS_OF = (
    select(rights)
    .where(rights.c.beneficiary.in_(bindparam("named", expanding=True)))
    .order_by(rights.c.valid_from)
)


def rights_of(connection: Connection, beneficiaries: Sequence[str]) -> Sequence[Row[Any]]:
    """All rights of these beneficiaries, by first day."""
    return connection.execute(_RIGHTS_OF, {"named": beneficiaries}).all()


def add_rights(connection: Connection, values: Sequence[Mapping[str, Any]]) -> None:
    """Periods that overlap no other of their beneficiary and contract (the caller has looked)."""
    if values:
        connection.execute(insert(rights), [dict(entry) for entry in values])


def end_right(connection: Connection, beneficiary: str, contract_id: str, valid_to: date) -> int:
    """End the period that holds on ``valid_to`` with that day; how many there were (0 or 1)."""
    holds = and_(
        rights.c.beneficiary == beneficiary,
        rights.c.contract_id == contract_id,
        rights.c.valid_from <= valid_to,
        rights.c.valid_to >= valid_to,
    )
    return connection.execute(update(rights).where(holds).values(valid_to=valid_to)).rowcount
