"""What can go wrong with a vault: one exception, with a code and words that are safe to show."""

from __future__ import annotations

from typing import Final

from optician.messages import MESSAGES

_CODES: Final = (
    "vault_missing",
    "vault_exists",
    "vault_damaged",
    "vault_version",
    "passphrase_wrong",
    "passphrase_weak",
    "keyring_missing",
    "keyring_refused",
    "vault_busy",
    "vault_locked",
    "vault_storage",
    "not_a_backup",
)
VAULT_WORDS: Final[dict[str, tuple[str, str]]] = {code: MESSAGES[code] for code in _CODES}
"""Each code with its English and French words."""


class VaultError(Exception):
    """``code`` is a key of `VAULT_WORDS`; the message is its English words. Holds no content."""

    def __init__(self, code: str) -> None:
        super().__init__(VAULT_WORDS[code][0])
        self.code = code
