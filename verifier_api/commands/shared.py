"""What the insurer's commands share: options, reading, and how errors are told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.inputs import read_input
from console.running import EXIT_FAILED, CommandError, UsageError, reporting

if TYPE_CHECKING:
    from datetime import date, datetime

    from sqlalchemy import Connection

    from circuits.contract import Contract
    from circuits.document import Model
    from circuits.trust import PartyRole
    from verifier_api.parties import Party
    from verifier_api.settings import Settings
    from verifier_api.store.database import Database

EXIT_ACCEPTED = 0
EXIT_REFUSED = 1
EXIT_UNREADABLE = EXIT_FAILED

UNREADABLE = "unreadable"
"""Stands where a verdict of `check-batch` has a reason, if an entry is no claim at all."""

AsJson = Annotated[bool, typer.Option("--json", help="Results and errors as JSON.")]
ContractFile = Annotated[str, typer.Option("--contract", help="The insurer's own contract.")]
KeysFile = Annotated[str, typer.Option("--optician-keys", help="Public keys registered.")]
NomenclatureFile = Annotated[
    str | None, typer.Option("--nomenclature", help="Default: the table that ships.")
]
Now = Annotated[
    str | None,
    typer.Option(
        "--now", help="Judge as of YYYY-MM-DDTHH:MM:SSZ instead of this moment; for tests."
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="sqlite:/// or postgresql+psycopg:// URL; default: the setting. A password in it can "
        "be read by others on this machine: better in CLAIROBSCUR_DATABASE.",
    ),
]
DataDir = Annotated[str | None, typer.Option("--data-dir", help="Folder of the SQLite database.")]
InForceFrom = Annotated[
    str | None,
    typer.Option("--in-force-from", help="YYYY-MM-DD; default: the document's own first day."),
]


def reporting_to_terminal(as_json: bool) -> AbstractContextManager[None]:
    """Tell every exception in one line; the command ends with its exit code."""

    def tell(kind: str, detail: str) -> None:
        # Whether a document is malformed or contradicts itself is told by the detail.
        kind = UNREADABLE if kind in ("statement", "witness", "refused") else kind
        if as_json:
            print(json.dumps({"error": kind, "detail": detail}), file=sys.stderr)
        else:
            print(f"error: {kind}: {detail}", file=sys.stderr)

    return reporting(tell)


def read_contract(name: str) -> Contract:
    """The contract in a file."""
    from circuits.contract import MAX_CONTRACT_BYTES, parse_contract

    return parse_contract(read_input(name, MAX_CONTRACT_BYTES))


def read_party(name: str, role: PartyRole) -> Party:
    """The party in a secret key file. Raises `CommandError` if it is none, or of another role; a
    file that others can read is told on standard error."""
    from console.outputs import is_readable_by_others
    from verifier_api.parties import MAX_PARTY_BYTES, Party
    from zk.errors import EncodingError, StatementError

    try:
        party = Party.parse(read_input(name, MAX_PARTY_BYTES))
    except (EncodingError, StatementError) as error:
        detail = str(error).removeprefix("key file: ")
        told = f"key file: not as `verifier keygen` makes it: {detail}"
        raise CommandError("unreadable", told) from None
    if party.role != role:
        raise CommandError(
            "key",
            f"the key is of role {party.role}, not of role {role}: `verifier keygen {role}` makes "
            "one",
        )
    if is_readable_by_others(name):
        print("warning: the key file can be read by others on this machine", file=sys.stderr)
    return party


def parse_day(text: str, option: str = "--date") -> date:
    """A day as options write it. Raises `UsageError` naming the option."""
    from datetime import date

    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option}: not a date YYYY-MM-DD") from None
    if day.isoformat() != text:
        raise UsageError(f"{option}: not a date YYYY-MM-DD")
    return day


def parse_instant(text: str, option: str = "--now") -> datetime:
    """An instant as options write it. Raises `UsageError` naming the option."""
    from datetime import UTC, datetime

    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"{option}: not an instant YYYY-MM-DDTHH:MM:SSZ") from None


def parse_arguments(model: type[Model], wanted: dict[str, Any], what: str) -> Model:
    """The document that the command line describes. Raises `UsageError` naming what is wrong."""
    from circuits.canonical import canonical_bytes
    from circuits.document import parse_document
    from zk.errors import ZkError

    try:
        return parse_document(model, canonical_bytes(wanted), max_bytes=2**16, what=what)
    except ZkError as error:
        raise UsageError(str(error)) from None


def settings_of(database: str | None, data_dir: str | None, **more: Any) -> Settings:
    """The settings, with what the command line says."""
    from verifier_api.settings import load_settings

    return load_settings(database=database, data_dir=data_dir, **more)


@contextmanager
def open_database(
    database: str | None, data_dir: str | None, *, must_exist: bool = False
) -> Iterator[Database]:
    """The service's database, its schema brought forward; made, unless it ``must_exist``. Refusals
    become `CommandError`."""
    from verifier_api.store.database import Database

    with telling_refusals():
        opened = Database(settings_of(database, data_dir).database_url())
        try:
            if must_exist and not opened.exists():
                raise CommandError("database", "database: there is none at that place")
            opened.upgrade()
            yield opened
        finally:
            opened.dispose()


@contextmanager
def writing(database: str | None, data_dir: str | None) -> Iterator[Connection]:
    """A writing transaction on it."""
    with open_database(database, data_dir) as opened, opened.write() as connection:
        yield connection


@contextmanager
def telling_refusals() -> Iterator[None]:
    """What the service refuses, as errors of a command."""
    from verifier_api.service.errors import ServiceError
    from verifier_api.store.database import StorageError

    try:
        yield
    except ServiceError as error:
        raise CommandError(error.code, error.detail) from None
    except StorageError as error:
        raise CommandError("database", str(error)) from None
    except UnicodeEncodeError:
        raise UsageError("an argument has bytes that are no text") from None


def tell(as_json: bool, facts: Any, lines: list[str], *, is_output_taken: bool = False) -> None:
    """A result: JSON, or lines to read; on standard error where a file went to standard output."""
    from console.running import plain

    text = json.dumps(facts) if as_json else "\n".join(plain(line) for line in lines)
    print(text, file=sys.stderr if is_output_taken else sys.stdout)
