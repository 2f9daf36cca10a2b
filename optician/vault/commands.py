"""The commands around the vault's file: make, describe, change of passphrase, back-up, restore,
check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.running import CommandError, UsageError, new_app, plain
from optician.terminal import AsJson, Lang, Terminal, reporting_to
from optician.vault.options import (
    Keyring,
    PassphraseFile,
    VaultFile,
    named_file,
    new_source_of,
    open_vault,
    passphrase_of,
    source_of,
    telling,
    vault_path,
)

if TYPE_CHECKING:
    from optician.vault.copies import VaultFacts

app = new_app(about="The vault: keys, sales and openings of the shop in one encrypted file.")

MAX_NAMED = 20
"""So many damaged rows are named on the terminal; in JSON all are."""


@app.command()
def create(
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Make an empty vault. A passphrase that is lost is lost with all that the vault holds."""
    with reporting_to(as_json, lang) as terminal:
        from optician.vault.copies import inspect
        from optician.vault.files import require_free
        from optician.vault.vault import Vault

        path = vault_path(vault)
        file = passphrase_file or (None if keyring else named_file())
        with telling(path):
            require_free(path)  # before anybody thinks of a passphrase
            source = new_source_of(terminal, file, keyring, "--passphrase-file and --keyring")
            Vault.create(path, source).close()
            _report(terminal, path, inspect(path), "vault_made")


@app.command()
def info(vault: VaultFile = None, as_json: AsJson = False, lang: Lang = None) -> None:
    """What anybody learns who has the file: needs no passphrase, writes nothing."""
    with reporting_to(as_json, lang) as terminal:
        from optician.vault.copies import inspect

        path = vault_path(vault)
        with telling(path):
            _report(terminal, path, inspect(path), "vault_at")


@app.command()
def passphrase(
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    new_passphrase_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The new passphrase; else it is asked for, twice."),
    ] = None,
    new_keyring: Annotated[
        bool, typer.Option("--new-keyring", help="From now on a key in this system's keyring.")
    ] = False,
    forget_keyring: Annotated[
        bool,
        typer.Option(
            "--forget-keyring",
            help="Delete the old key from the keyring: copies that it opened are lost.",
        ),
    ] = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Change what opens the vault. Copies and back-ups made before still open as they did."""
    with reporting_to(as_json, lang) as terminal:
        from optician.vault.copies import inspect
        from optician.vault.keys import KeyringKey
        from optician.vault.vault import header_of

        path = vault_path(vault)
        if passphrase_file == "-" and new_passphrase_file == "-":
            raise UsageError("only one file can be read from standard input")
        with open_vault(terminal, path, passphrase_file, keyring) as opened, telling(path):
            names = "--new-passphrase-file and --new-keyring"
            entry = header_of(path).keyring_entry
            opened.change(new_source_of(terminal, new_passphrase_file, new_keyring, names))
            if forget_keyring and entry is not None:
                KeyringKey().forget(entry)
            facts = inspect(path)
        if not (forget_keyring and entry is not None):
            terminal.warn("copies_open_as_before")
        terminal.report(
            {"vault": str(path), "source": facts.source, "warnings": terminal.warnings},
            [terminal.named("vault_changed", terminal.say(f"by_{facts.source}"))],
            is_output_taken=False,
        )


@app.command()
def backup(
    out: Annotated[str, typer.Argument(metavar="OUT", help="The file to make; never replaced.")],
    vault: VaultFile = None,
    check: Annotated[
        bool, typer.Option("--check", help="Unseal every row of the copy, too.")
    ] = False,
    opens_by_passphrase_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="The copy opens by this passphrase, whatever opens the vault."
        ),
    ] = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Copy the vault, as it is at one moment, also while it is used. Needs no passphrase but for
    --check and --opens-by-passphrase-file."""
    with reporting_to(as_json, lang) as terminal:
        from optician.vault import copies

        path = vault_path(vault)
        if passphrase_file == "-" and opens_by_passphrase_file == "-":
            raise UsageError("only one file can be read from standard input")
        is_checked = check or opens_by_passphrase_file is not None
        with telling(path):
            source = source_of(terminal, path, passphrase_file, keyring) if is_checked else None
            opens_by = None
            if opens_by_passphrase_file is not None:
                opens_by = passphrase_of(terminal, opens_by_passphrase_file)
            if Path(out).exists():
                raise CommandError("vault_exists", out)
            facts = copies.backup(path, out, source=source, opens_by=opens_by)
        if facts.source == "keyring":
            terminal.warn("backup_needs_keyring")
        terminal.report(
            {"vault": str(path), "backup": out, "is_checked": is_checked}
            | facts.as_dict()
            | {"warnings": terminal.warnings},
            [
                terminal.named("backed_up", plain(out)),
                terminal.say("backup_checked" if is_checked else "backup_unchecked"),
            ],
            is_output_taken=False,
        )


@app.command()
def restore(
    copy: Annotated[str, typer.Argument(metavar="BACKUP", help="A back-up, or a copied vault.")],
    vault: VaultFile = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Keep a vault that is there under another name.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Put a back-up in the vault's place, once its passphrase opens it and every row unseals."""
    with reporting_to(as_json, lang) as terminal:
        from optician.vault import copies
        from optician.vault.errors import VaultError

        path, origin = vault_path(vault), Path(copy)
        with telling(origin):
            source = source_of(terminal, origin, passphrase_file, keyring)
        try:
            kept = copies.restore(origin, path, source, replace=replace)
        except VaultError as error:
            at_place = error.code in ("vault_exists", "vault_busy")
            raise CommandError(error.code, str(path if at_place else origin)) from None
        lines = [terminal.named("restored", plain(str(path)))]
        if kept is not None:
            lines.append(f"{terminal.say('kept_as')} {plain(str(kept))}")
        terminal.report(
            {
                "vault": str(path),
                "kept_as": None if kept is None else str(kept),
                "warnings": terminal.warnings,
            },
            lines,
            is_output_taken=False,
        )


@app.command()
def check(
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Unseal every row, name what is damaged, write nothing. Exit code 1 if anything is."""
    with reporting_to(as_json, lang) as terminal:
        path = vault_path(vault)
        with open_vault(terminal, path, passphrase_file, keyring) as opened, telling(path):
            damaged = opened.check()
        lines = [terminal.say("vault_whole")]
        if damaged:
            lines = [terminal.named("damage", plain(name)) for name in damaged[:MAX_NAMED]]
            lines += ["…"] if len(damaged) > MAX_NAMED else []
        terminal.report(
            {"vault": str(path), "damaged": damaged, "warnings": terminal.warnings},
            lines,
            is_output_taken=False,
        )
        if damaged:
            raise typer.Exit(1)


def _report(terminal: Terminal, path: Path, facts: VaultFacts, headline: str) -> None:
    counts = ", ".join(f"{table} {count}" for table, count in facts.rows.items())
    opens = terminal.say(f"by_{facts.source}")
    if facts.scrypt is not None:
        opens += " (scrypt " + ", ".join(f"{k}={v}" for k, v in facts.scrypt.items()) + ")"
    terminal.report(
        {"vault": str(path)} | facts.as_dict() | {"warnings": terminal.warnings},
        [
            terminal.named(headline, f"{plain(str(path))}  ({facts.vault_id})"),
            terminal.named("opens_by", opens),
            terminal.named("vault_rows", counts),
            terminal.named("vault_openings", str(facts.openings)),
        ],
        is_output_taken=False,
    )
