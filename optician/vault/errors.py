"""What can go wrong with a vault: one exception, with a code and words that are safe to show."""

from __future__ import annotations

from typing import Final

VAULT_WORDS: Final[dict[str, tuple[str, str]]] = {
    "vault_missing": ("there is no vault at this place", "il n'y a pas de coffre à cet endroit"),
    "vault_exists": (
        "there is a file at this place already, which is not replaced",
        "il y a déjà un fichier à cet endroit ; il n'est pas remplacé",
    ),
    "vault_damaged": (
        "the vault is damaged, or was changed by something else; nothing was written to it",
        "le coffre est endommagé, ou modifié par autre chose ; rien n'y a été écrit",
    ),
    "vault_version": (
        "the vault is of another version of this program",
        "le coffre est d'une autre version de ce programme",
    ),
    "passphrase_wrong": (
        "this passphrase or key does not open the vault; nothing was written to it",
        "cette phrase de passe ou cette clé n'ouvre pas le coffre ; rien n'y a été écrit",
    ),
    "passphrase_weak": (
        "the passphrase is too easy to guess: at least 12 characters, 5 of them different",
        "la phrase de passe est trop facile à deviner : au moins 12 caractères, dont 5 différents",
    ),
    "keyring_missing": (
        "this system's own store of keys is not there, or has no key of this vault",
        "le trousseau de ce système est absent, ou n'a pas de clé de ce coffre",
    ),
    "keyring_refused": (
        "this system's own store of keys refuses",
        "le trousseau de ce système refuse",
    ),
    "vault_busy": (
        "another program is using the vault; try again",
        "un autre programme utilise le coffre ; réessayez",
    ),
    "vault_locked": ("the vault is locked", "le coffre est verrouillé"),
    "vault_storage": (
        "the vault cannot be read or written: a full disk, missing rights, too little memory",
        "le coffre ne peut être lu ou écrit : disque plein, droits ou mémoire insuffisants",
    ),
    "not_a_backup": (
        "this file is no back-up of a vault",
        "ce fichier n'est pas une sauvegarde de coffre",
    ),
}
"""Each code with its English and French words."""


class VaultError(Exception):
    """``code`` is a key of `VAULT_WORDS`; the message is its English words. Holds no content."""

    def __init__(self, code: str) -> None:
        super().__init__(VAULT_WORDS[code][0])
        self.code = code
