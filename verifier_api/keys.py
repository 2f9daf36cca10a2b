"""The opticians' public keys that the insurer registered."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, model_validator

from circuits.claim import Digest
from circuits.document import Identifier, IsoDate, StrictDocument, parse_document
from circuits.signing import key_id_of, public_key_of
from zk.errors import StatementError

MAX_KEYS_BYTES = 16 * 2**20


class KeyEntry(StrictDocument):
    """One optician's Ed25519 public key (32 bytes, base64url) and its validity, both ends
    included."""

    optician_id: Identifier
    public_key: Digest
    valid_from: IsoDate = date.min
    valid_to: IsoDate = date.max

    @model_validator(mode="after")
    def _require_order(self) -> KeyEntry:
        if self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from")
        return self


class _KeysFile(StrictDocument):
    format_version: Annotated[int, Field(ge=1, le=1)]
    keys: tuple[KeyEntry, ...]


class KeyRegistry:
    """Entries by key id."""

    def __init__(self, entries: tuple[KeyEntry, ...]) -> None:
        self._entries: dict[str, tuple[KeyEntry, Ed25519PublicKey]] = {}
        for number, entry in enumerate(entries):
            try:
                key = public_key_of(entry.public_key)
            except StatementError as error:
                raise StatementError(f"keys: keys.{number}: {error}") from None
            if key_id_of(key) in self._entries:
                raise StatementError(f"keys: keys.{number}: the key is listed twice")
            self._entries[key_id_of(key)] = entry, key

    def find(self, optician_id: str, key_id: str, today: date) -> Ed25519PublicKey | None:
        """The key ``key_id`` if it is ``optician_id``'s own and valid ``today``, else None."""
        entry, key = self._entries.get(key_id, (None, None))
        if entry is None or entry.optician_id != optician_id:
            return None
        return key if entry.valid_from <= today <= entry.valid_to else None


def parse_keys(data: bytes) -> KeyRegistry:
    """The registry in a JSON file ``{"format_version": 1, "keys": [KeyEntry, …]}``.

    Raises `EncodingError` or `StatementError` naming the place of the fault.
    """
    return KeyRegistry(parse_key_entries(data))


def parse_key_entries(data: bytes) -> tuple[KeyEntry, ...]:
    """The entries of such a file; raises as `parse_keys`, but does not look at the keys."""
    return parse_document(_KeysFile, data, max_bytes=MAX_KEYS_BYTES, what="keys").keys
