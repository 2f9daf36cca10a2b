"""The shop's vault: keys, sales and openings in one encrypted file (docs/vault.md)."""

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
