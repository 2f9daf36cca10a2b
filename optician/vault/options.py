"""How a command is told which vault, and what opens it: never by an argument that others can read
in a list of processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from console.inputs import read_input
from console.outputs import is_readable_by_others
from console.running import CommandError, UsageError
from optician.vault.errors import VaultError

if TYPE_CHECKING:
    from optician.terminal import Terminal
    from optician.vault.keys import Source
    from optician.vault.vault import Vault

FILE_VARIABLE = "CLAIROBSCUR_PASSPHRASE_FILE"
MAX_FILE_BYTES = 4096

VaultFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--vault",
        metavar="FILE",
        help="The vault; default: CLAIROBSCUR_VAULT, else this system's folder for data.",
    ),
]
PassphraseFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="The passphrase, one line of UTF-8, - for input; "
        f"default: {FILE_VARIABLE}, else it is asked for.",
    ),
]
Keyring: TypeAlias = Annotated[
    bool,
    typer.Option("--keyring", help="A random key in this system's keyring, not a passphrase."),
]


def named_file() -> str | None:
    """The passphrase file that the environment names."""
    return os.environ.get(FILE_VARIABLE) or None


def vault_path(name: str | None) -> Path:
    """The vault that an option names, or the default."""
    if name is not None:
        return Path(name)
    from optician.vault.files import default_path

    return default_path()


def open_vault(terminal: Terminal, path: Path, passphrase_file: str | None, keyring: bool) -> Vault:
    """The vault at ``path``, opened as options, environment or the person at the terminal say.

    Raises `CommandError` with the code of a `VaultError`, or as `source_of`.
    """
    from optician.vault.vault import Vault

    with telling(path):
        return Vault.open(path, source_of(terminal, path, passphrase_file, keyring))


def source_of(terminal: Terminal, path: Path, passphrase_file: str | None, keyring: bool) -> Source:
    """What opens the vault at ``path``. One with a key in the keyring needs no option.

    Raises `UsageError`, `OSError`, `VaultError`.
    """
    from optician.vault.keys import KeyringKey
    from optician.vault.vault import header_of

    if passphrase_file is not None and keyring:
        raise UsageError("--passphrase-file and --keyring exclude each other")
    if keyring or (passphrase_file is None and header_of(path).source == "keyring"):
        return KeyringKey()
    return passphrase_of(terminal, passphrase_file or named_file())


def new_source_of(
    terminal: Terminal, passphrase_file: str | None, keyring: bool, names: str
) -> Source:
    """What is to open a vault from now on; a passphrase that is typed is typed twice.

    ``names`` are the two options. Raises `UsageError`, `CommandError`, `OSError`, `VaultError`.
    """
    from optician.vault.keys import KeyringKey

    if passphrase_file is not None and keyring:
        raise UsageError(f"{names} exclude each other")
    if keyring:
        return KeyringKey()
    return passphrase_of(terminal, passphrase_file, is_new=True)


def passphrase_of(terminal: Terminal, file: str | None, *, is_new: bool = False) -> Source:
    """The passphrase in a file, or from the terminal, without echo.

    Raises `UsageError` where there is neither; `CommandError` ("passphrase_differs"); `OSError`;
    `VaultError`.
    """
    from optician.vault.keys import Passphrase

    if file is None:
        text = _asked(terminal.say("ask_new_passphrase" if is_new else "ask_passphrase"))
        if is_new and text != _asked(terminal.say("ask_again")):
            raise CommandError("passphrase_differs", "nothing was done")
        return Passphrase(text)
    data = read_input(file, MAX_FILE_BYTES)
    if is_readable_by_others(file):
        terminal.warn("passphrase_mode")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("the passphrase file is no text in UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if len(data) > MAX_FILE_BYTES or "\n" in text or "\r" in text:
        raise UsageError("the passphrase file must be one line")
    return Passphrase(text)


def _asked(question: str) -> str:
    import getpass
    import warnings

    if not (sys.stdin.isatty() or sys.stderr.isatty()):
        raise UsageError(f"no passphrase: give --passphrase-file, {FILE_VARIABLE} or --keyring")
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would be echoed
        try:
            return getpass.getpass(f"{question}: ")
        except (getpass.GetPassWarning, EOFError):
            raise UsageError("the passphrase cannot be asked for here without echo") from None


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Within this block a `VaultError` becomes a `CommandError` of its code, with the path."""
    try:
        yield
    except VaultError as error:
        raise CommandError(error.code, str(path)) from None
