"""The shop's vault: keys, sales and openings in one encrypted file (docs/vault.md).

The names below are imported when they are used: a help page needs no cipher.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optician.vault.copies import VaultFacts, backup, inspect, restore
    from optician.vault.errors import VAULT_WORDS, VaultError
    from optician.vault.files import default_path
    from optician.vault.keys import KeyringKey, Passphrase, ScryptCost, Source
    from optician.vault.vault import Reading, Vault, Writing

__all__ = [
    "VAULT_WORDS",
    "KeyringKey",
    "Passphrase",
    "Reading",
    "ScryptCost",
    "Source",
    "Vault",
    "VaultError",
    "VaultFacts",
    "Writing",
    "backup",
    "default_path",
    "inspect",
    "restore",
]

_ROOMS = {
    "copies": ("VaultFacts", "backup", "inspect", "restore"),
    "errors": ("VAULT_WORDS", "VaultError"),
    "files": ("default_path",),
    "keys": ("KeyringKey", "Passphrase", "ScryptCost", "Source"),
    "vault": ("Reading", "Vault", "Writing"),
}


def __getattr__(name: str) -> Any:
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"optician.vault.{room}"), name)
    raise AttributeError(name)
