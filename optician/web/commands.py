"""The commands `optician agent`, which serves the page and the endpoint, and `optician
agent-token`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from console.running import CommandError
from optician.terminal import AsJson, Lang, Terminal, reporting_to
from optician.vault.options import (
    Keyring,
    PassphraseFile,
    VaultFile,
    named_file,
    open_vault,
    source_of,
    telling,
    vault_path,
)

if TYPE_CHECKING:
    from optician.vault.keys import Source

PORT = 8767


def agent(
    vault: VaultFile = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0: any that is free.")
    ] = PORT,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Serve the shop's page and the endpoint for point-of-sale software, and send what waits.

    On 127.0.0.1 alone, until it is interrupted. Without a passphrase file it starts locked, and the
    page asks for the passphrase; without a vault the page makes one.
    """
    with reporting_to(as_json, lang) as terminal:
        from optician.web.keeper import Keeper
        from optician.web.server import listen, serve

        path = vault_path(vault)
        source: Source | None = None
        with telling(path):
            is_told = keyring or passphrase_file is not None or named_file() is not None
            if is_told and path.exists():
                source = source_of(terminal, path, passphrase_file, keyring)
            opened = listen(port)
            keeper = Keeper(
                path, source=source, uses_keyring=keyring, announce=_announcer(terminal)
            )
            if path.exists() and keeper.uses_keyring:
                keeper.announce_code()

        def when_ready(bound: int) -> None:
            url = f"http://127.0.0.1:{bound}/"
            if terminal.as_json:
                typer.echo(json.dumps({"url": url, "state": keeper.state}))
            else:
                typer.echo(terminal.named("agent_serves", url))
                typer.echo(terminal.say(f"agent_{keeper.state}"))
                typer.echo(terminal.say("agent_stop"))

        if not serve(keeper, opened, when_ready):
            raise CommandError("internal", "the page did not start")


def _announcer(terminal: Terminal) -> Callable[[str, str], None]:
    """Tells on standard error what the keeper announces: a code, or where a fault was."""

    def announce(key: str, text: str) -> None:
        if terminal.as_json:
            typer.echo(json.dumps({"told": key, "text": text}), err=True)
        else:
            typer.echo(terminal.named(f"agent_{key}", text), err=True)

    return announce


def agent_token(
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Make the token with which point-of-sale software uses the endpoint; the one before is void.

    It is shown this once.
    """
    with reporting_to(as_json, lang) as terminal:
        from optician.web.tokens import make_endpoint_token

        path = vault_path(vault)
        with open_vault(terminal, path, passphrase_file, keyring) as opened, telling(path):
            token = make_endpoint_token(opened)
        terminal.report({"token": token}, [token], is_output_taken=False)
