"""Tokens of those who ask, and opticians' keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.inputs import read_input
from console.running import CommandError, new_app
from verifier_api.commands.shared import (
    UNREADABLE,
    AsJson,
    DatabaseUrl,
    DataDir,
    open_database,
    parse_arguments,
    reporting_to_terminal,
    tell,
    writing,
)

if TYPE_CHECKING:
    from verifier_api.service.administration import NewToken

tokens_app = new_app(about="Bearer tokens; each is shown once, when it is made.")
keys_app = new_app(about="Opticians' public keys.")


@tokens_app.command("create")
def create(
    scope: Annotated[str, typer.Argument(help="optician, reader, auditor or admin.")],
    optician_id: Annotated[
        str | None, typer.Option("--optician", help="Whose it is, for scope optician.")
    ] = None,
    label: Annotated[str, typer.Option(help="A note for people.")] = "",
    expires_at: Annotated[
        str | None, typer.Option(help="YYYY-MM-DDTHH:MM:SSZ; default: until revoked.")
    ] = None,
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a token; only its hash is kept."""
    with reporting_to_terminal(as_json):
        from datetime import UTC, datetime

        from verifier_api.service.administration import COMMAND, TokenRequest, create_token

        wanted = {
            "scope": scope,
            "optician_id": optician_id,
            "label": label,
            "expires_at": expires_at,
        }
        request = parse_arguments(TokenRequest, wanted, "token")
        with writing(database, data_dir) as connection:
            fresh = create_token(connection, request, COMMAND, datetime.now(UTC))
        _tell_token(as_json, fresh)


@tokens_app.command("list")
def list_tokens(
    database: DatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Every token, without its secret."""
    with reporting_to_terminal(as_json):
        from verifier_api.service.directory import Directory

        with open_database(database, data_dir) as opened:
            entries = [entry.facts() for entry in Directory(opened).snapshot.tokens.values()]
        lines = [
            f"{entry['token_id']}  {entry['scope']:8}  {entry['optician_id'] or '-':20}  "
            f"{_end_of(entry)}  {entry['label']}"
            for entry in entries
        ]
        tell(as_json, {"tokens": entries}, lines or ["none"])


@tokens_app.command("rotate")
def rotate(
    token_id: Annotated[str, typer.Argument(help="16 hexadecimal digits.")],
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a token in place of another, which is revoked."""
    with reporting_to_terminal(as_json):
        from datetime import UTC, datetime

        from verifier_api.service.administration import COMMAND, rotate_token

        with writing(database, data_dir) as connection:
            fresh = rotate_token(connection, token_id, COMMAND, datetime.now(UTC))
        _tell_token(as_json, fresh)


@tokens_app.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(help="16 hexadecimal digits.")],
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a token; every running service refuses it within about a second."""
    with reporting_to_terminal(as_json):
        from datetime import UTC, datetime

        from verifier_api.service.administration import COMMAND, revoke_token

        with writing(database, data_dir) as connection:
            revoke_token(connection, token_id, COMMAND, datetime.now(UTC))
        tell(as_json, {"token_id": token_id, "revoked": True}, [f"revoked  {token_id}"])


def _tell_token(as_json: bool, fresh: NewToken) -> None:
    facts = {"token_id": fresh.token_id, "token": fresh.token}
    tell(as_json, facts, [fresh.token, "shown this once; keep it secret"])


def _end_of(entry: dict[str, Any]) -> str:
    if entry["revoked_at"]:
        return f"revoked {entry['revoked_at']}"
    return f"until {entry['expires_at']}" if entry["expires_at"] else "valid"


# -- keys -------------------------------------------------------------------------------------


@keys_app.command("add")
def add_keys(
    file: Annotated[str, typer.Argument(metavar="KEYS.json", help="- for input.")],
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Register the keys of a file such as `optician keygen` writes; all or none."""
    with reporting_to_terminal(as_json):
        from datetime import UTC, datetime

        from verifier_api.keys import MAX_KEYS_BYTES, parse_key_entries
        from verifier_api.service.administration import COMMAND, register_keys

        entries = parse_key_entries(read_input(file, MAX_KEYS_BYTES))
        if not entries:
            raise CommandError(UNREADABLE, "the file holds no key")
        with writing(database, data_dir) as connection:
            ids = register_keys(connection, entries, COMMAND, datetime.now(UTC))
        lines = [
            f"registered  {key_id}  {entry.optician_id}"
            for key_id, entry in zip(ids, entries, strict=True)
        ]
        tell(as_json, {"key_ids": ids}, lines)


@keys_app.command("list")
def list_keys(
    database: DatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Every key, revoked ones too."""
    with reporting_to_terminal(as_json):
        from verifier_api.service.directory import Directory

        with open_database(database, data_dir) as opened:
            entries = [entry.facts() for entry in Directory(opened).snapshot.keys.values()]
        lines = [
            f"{entry['key_id']}  {entry['optician_id']:20}  {entry['valid_from']} to "
            f"{entry['valid_to']}" + ("  revoked" if entry["revoked_at"] else "")
            for entry in entries
        ]
        tell(as_json, {"keys": entries}, lines or ["none"])


# One key id of 64 begins with a hyphen.
@keys_app.command("revoke", context_settings={"ignore_unknown_options": True})
def revoke_key_(
    key_id: Annotated[str, typer.Argument(help="As `verifier keys list` shows it.")],
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key: no claim that it signed is accepted from now on."""
    with reporting_to_terminal(as_json):
        from datetime import UTC, datetime

        from verifier_api.service.administration import COMMAND, revoke_key

        with writing(database, data_dir) as connection:
            revoke_key(connection, key_id, COMMAND, datetime.now(UTC))
        tell(as_json, {"key_id": key_id, "revoked": True}, [f"revoked  {key_id}"])
