"""What an administrator does, by command or over HTTP: reference data, keys, tokens, rights.

Each function runs in a writing transaction and leaves an event that says who did it. Refusals are
`ServiceError`: "reference_invalid" for what contradicts itself, "already_exists" for what stands
there with other content, "not_found".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AfterValidator, Field, model_validator
from sqlalchemy import Connection

from circuits.canonical import decode_base64url, encode_base64url
from circuits.claim import Beneficiary, Instant, encode_instant
from circuits.contract import contract_digest, parse_contract, require_classes_known
from circuits.document import Identifier, IsoDate, StrictDocument
from circuits.nomenclature import Nomenclature
from circuits.signing import key_id_of
from verifier_api.keys import KeyEntry, KeyRegistry
from verifier_api.service.access import Scope, new_token
from verifier_api.service.errors import ServiceError
from verifier_api.service.life import AgeGroup
from verifier_api.store import reference
from zk.errors import StatementError, ZkError

COMMAND = "command"
"""The actor of what is done by command on the insurer's own machine."""

MAX_RIGHTS = 1000
MAX_LABEL = 100


def _invalid(error: ZkError, *places: str) -> ServiceError:
    return ServiceError("reference_invalid", str(error), places=places)


# -- contracts and nomenclatures ----------------------------------------------------------------


def add_contract(
    connection: Connection, document: bytes, in_force_from: date | None, actor: str, now: datetime
) -> str:
    """The digest (base64url) of the contract, now a version in force from ``in_force_from`` (by
    default from its first day). The same contract again changes nothing.

    Price caps must be for classes that one of the nomenclatures knows. Raises `ServiceError`.
    """
    try:
        contract = parse_contract(document)
    except ZkError as error:
        raise _invalid(error) from None
    digest = encode_base64url(contract_digest(contract))
    start = in_force_from or contract.valid_from
    if not contract.is_valid_on(start):
        problem = "in_force_from: not within the contract's validity"
        raise ServiceError("reference_invalid", problem, places=("in_force_from",))
    for row in reference.contract_rows(connection):
        if row.digest == digest:
            if in_force_from not in (None, row.in_force_from):
                problem = "the contract is in force from another day already"
                raise ServiceError("already_exists", problem, places=("in_force_from",))
            return digest
    if contract.price_caps_cents:
        tables = reference.nomenclature_rows(connection)
        if not tables:
            problem = "price_caps_cents: add a nomenclature first; no class is known"
            raise ServiceError("reference_invalid", problem, places=("price_caps_cents",))
        refusals = []
        for row in tables:  # a class may have gone since the contract's time
            try:
                require_classes_known(contract, Nomenclature.parse(row.document))
            except StatementError as error:
                refusals.append(error)
            else:
                break
        else:
            raise _invalid(refusals[0], "price_caps_cents")
    values = {
        "digest": digest,
        "insurer_id": contract.insurer_id,
        "contract_id": contract.contract_id,
        "in_force_from": start,
        "document": document,
        "added_at": encode_instant(now),
    }
    if not reference.add_contract(connection, values):
        problem = (
            "another version of this contract is in force from the same day; a correction is a "
            "version in force from another day"
        )
        raise ServiceError("already_exists", problem, places=("in_force_from",))
    facts = {"digest": digest, "in_force_from": start.isoformat()}
    reference.note_event(connection, encode_instant(now), "contract_added", actor, facts)
    return digest


def add_nomenclature(
    connection: Connection,
    table: Nomenclature,
    document: bytes,
    in_force_from: date | None,
    actor: str,
    now: datetime,
) -> str:
    """The digest (base64url) of the table in ``document``, now the version in force from
    ``in_force_from`` (by default from the first day of any of its rows). The same table again
    changes nothing. Raises `ServiceError`."""
    digest = encode_base64url(table.digest)
    start = in_force_from or min(row.valid_from for row in table.rows)
    for row in reference.nomenclature_rows(connection):
        if row.digest == digest:
            if in_force_from not in (None, row.in_force_from):
                problem = "the nomenclature is in force from another day already"
                raise ServiceError("already_exists", problem, places=("in_force_from",))
            return digest
    values = {
        "digest": digest,
        "version": table.version,
        "in_force_from": start,
        "document": document,
        "added_at": encode_instant(now),
    }
    if not reference.add_nomenclature(connection, values):
        problem = "another nomenclature is in force from the same day; name another in_force_from"
        raise ServiceError("already_exists", problem, places=("in_force_from",))
    facts = {"digest": digest, "version": table.version, "in_force_from": start.isoformat()}
    reference.note_event(connection, encode_instant(now), "nomenclature_added", actor, facts)
    return digest


# -- keys ---------------------------------------------------------------------------------------


def register_keys(
    connection: Connection, entries: Sequence[KeyEntry], actor: str, now: datetime
) -> list[str]:
    """The ids of the keys, all registered or none. The same entry again changes nothing; a key that
    was revoked stays so. Raises `ServiceError`."""
    try:
        KeyRegistry(tuple(entries))  # refuses what is no key, or anybody's
    except StatementError as error:
        raise _invalid(error) from None
    ids = []
    for number, entry in enumerate(entries):
        raw = decode_base64url(entry.public_key)
        key_id = key_id_of(Ed25519PublicKey.from_public_bytes(raw))
        ids.append(key_id)
        values = {
            "key_id": key_id,
            "optician_id": entry.optician_id,
            "public_key": entry.public_key,
            "valid_from": entry.valid_from,
            "valid_to": entry.valid_to,
        }
        known = reference.find_key(connection, key_id)
        if known is not None:
            if any(getattr(known, name) != value for name, value in values.items()):
                problem = "the key is registered with another optician or validity"
                raise ServiceError("already_exists", problem, places=(f"keys.{number}",))
            continue
        reference.add_key(connection, values | {"registered_at": encode_instant(now)})
        facts = {"key_id": key_id, "optician_id": entry.optician_id}
        reference.note_event(connection, encode_instant(now), "key_registered", actor, facts)
    return ids


def revoke_key(connection: Connection, key_id: str, actor: str, now: datetime) -> None:
    """From now on no claim signed with it is accepted. Raises `ServiceError` "not_found"."""
    if reference.find_key(connection, key_id) is None:
        raise ServiceError("not_found", "no such key")
    reference.revoke_key(connection, key_id, encode_instant(now))
    facts = {"key_id": key_id}
    reference.note_event(connection, encode_instant(now), "key_revoked", actor, facts)


# -- tokens -------------------------------------------------------------------------------------


def _printable(text: str) -> str:
    if not text.isprintable():  # PostgreSQL keeps no NUL, and terminals obey the others
        raise ValueError("printable characters expected")
    return text


class TokenRequest(StrictDocument):
    """A token to be made: its scope, the optician that it stands for (scope ``optician`` only), a
    label for people, and the last instant at which it is valid (null: until revoked)."""

    scope: Scope
    optician_id: Identifier | None = None
    label: Annotated[str, Field(max_length=MAX_LABEL), AfterValidator(_printable)] = ""
    expires_at: Instant | None = None

    @model_validator(mode="after")
    def _require_optician(self) -> TokenRequest:
        if (self.scope == "optician") != (self.optician_id is not None):
            raise ValueError("optician_id goes with scope optician, and with no other")
        return self


@dataclass(frozen=True)
class NewToken:
    """A fresh token, to be told once; its repr does not show it."""

    token_id: str
    token: str

    def __repr__(self) -> str:
        return f"NewToken(token_id={self.token_id!r})"


def create_token(
    connection: Connection, request: TokenRequest, actor: str, now: datetime
) -> NewToken:
    """A fresh token."""
    token_id, token, secret_sha256 = new_token()
    expires_at = None if request.expires_at is None else encode_instant(request.expires_at)
    values = {
        "token_id": token_id,
        "scope": request.scope,
        "optician_id": request.optician_id,
        "label": request.label,
        "secret_sha256": secret_sha256,
        "created_at": encode_instant(now),
        "expires_at": expires_at,
    }
    reference.add_token(connection, values)
    facts = {"token_id": token_id, "scope": request.scope, "optician_id": request.optician_id}
    reference.note_event(connection, encode_instant(now), "token_created", actor, facts)
    return NewToken(token_id, token)


def rotate_token(connection: Connection, token_id: str, actor: str, now: datetime) -> NewToken:
    """A fresh token of the same scope in place of another, which is revoked. Raises `ServiceError`:
    "not_found", "state_conflict" for one that is revoked."""
    row = reference.find_token(connection, token_id)
    if row is None:
        raise ServiceError("not_found", "no such token")
    if row.revoked_at is not None:
        raise ServiceError("state_conflict", "the token is revoked")
    revoke_token(connection, token_id, actor, now)
    fresh_id, token, secret_sha256 = new_token()
    names = ("scope", "optician_id", "label", "expires_at")
    values = {name: getattr(row, name) for name in names} | {
        "token_id": fresh_id,
        "secret_sha256": secret_sha256,
        "created_at": encode_instant(now),
    }
    reference.add_token(connection, values)
    facts = {"token_id": fresh_id, "in_place_of": token_id}
    reference.note_event(connection, encode_instant(now), "token_rotated", actor, facts)
    return NewToken(fresh_id, token)


def revoke_token(connection: Connection, token_id: str, actor: str, now: datetime) -> None:
    """From now on it opens nothing. Raises `ServiceError` "not_found"."""
    if reference.find_token(connection, token_id) is None:
        raise ServiceError("not_found", "no such token")
    reference.revoke_token(connection, token_id, encode_instant(now))
    facts = {"token_id": token_id}
    reference.note_event(connection, encode_instant(now), "token_revoked", actor, facts)


# -- rights -------------------------------------------------------------------------------------


class Right(StrictDocument):
    """That a beneficiary, by the random reference that the insurer gave out, is covered by a
    contract from day to day, both included, and in which age group he is: at 16 a new period
    begins."""

    beneficiary: Beneficiary
    contract_id: Identifier
    age_group: AgeGroup
    valid_from: IsoDate
    valid_to: IsoDate | None = None

    @model_validator(mode="after")
    def _require_order(self) -> Right:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from")
        return self


class RightsRequest(StrictDocument):
    """Rights to record, all or none."""

    rights: Annotated[tuple[Right, ...], Field(min_length=1, max_length=MAX_RIGHTS)]


class RightEnd(StrictDocument):
    """The last day of the period that holds on that day."""

    beneficiary: Beneficiary
    contract_id: Identifier
    valid_to: IsoDate


def add_rights(connection: Connection, entries: Sequence[Right], actor: str, now: datetime) -> int:
    """How many were new; all are recorded, or none. The same right again changes nothing. Raises
    `ServiceError` "already_exists" for periods of one beneficiary and contract that overlap."""
    instant = encode_instant(now)
    held: dict[tuple[str, str], list[tuple[date, date, str]]] = {}
    people = sorted({entry.beneficiary for entry in entries})
    for row in reference.rights_of(connection, people):
        period = (row.valid_from, row.valid_to, row.age_group)
        held.setdefault((row.beneficiary, row.contract_id), []).append(period)
    rows: list[dict[str, Any]] = []
    for number, entry in enumerate(entries):
        periods = held.setdefault((entry.beneficiary, entry.contract_id), [])
        period = (entry.valid_from, entry.valid_to or date.max, str(entry.age_group))
        if period in periods:
            continue
        if any(start <= period[1] and period[0] <= end for start, end, _ in periods):
            problem = "the beneficiary has another period under this contract that overlaps"
            raise ServiceError("already_exists", problem, places=(f"rights.{number}",))
        periods.append(period)
        rows.append(
            {
                "beneficiary": entry.beneficiary,
                "contract_id": entry.contract_id,
                "valid_from": period[0],
                "valid_to": period[1],
                "age_group": entry.age_group,
                "recorded_at": instant,
            }
        )
    reference.add_rights(connection, rows)
    reference.note_event(connection, instant, "rights_added", actor, {"count": len(rows)})
    return len(rows)


def end_right(connection: Connection, end: RightEnd, actor: str, now: datetime) -> None:
    """Raises `ServiceError` "not_found" if no period holds on that day."""
    count = reference.end_right(connection, end.beneficiary, end.contract_id, end.valid_to)
    if not count:
        raise ServiceError("not_found", "no right of that beneficiary and contract on that day")
    facts = {"contract_id": end.contract_id, "valid_to": end.valid_to.isoformat()}
    reference.note_event(connection, encode_instant(now), "right_ended", actor, facts)


def right_facts(row: Any) -> dict[str, Any]:
    """The entry of a listing."""
    is_open = row.valid_to == date.max
    return {
        "beneficiary": row.beneficiary,
        "contract_id": row.contract_id,
        "age_group": row.age_group,
        "valid_from": row.valid_from.isoformat(),
        "valid_to": None if is_open else row.valid_to.isoformat(),
        "recorded_at": row.recorded_at,
    }
