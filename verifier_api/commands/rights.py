"""Beneficiaries' rights: who is covered by which contract, when, and in which age group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

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
    from verifier_api.service.administration import Right

app = new_app(about="Rights of beneficiaries, by the random references that the insurer gave out.")

MAX_FILE_BYTES = 256 * 2**20
COLUMNS = ("beneficiary", "contract_id", "age_group", "valid_from", "valid_to")


@app.command("add")
def add(
    beneficiary: Annotated[
        str, typer.Argument(help="A random reference; never the number of a person.")
    ],
    contract_id: Annotated[str, typer.Option("--contract", help="Identifier of the contract.")],
    valid_from: Annotated[str, typer.Option("--from", help="YYYY-MM-DD, included.")],
    valid_to: Annotated[
        str | None, typer.Option("--to", help="YYYY-MM-DD, included; default: open.")
    ] = None,
    is_under_16: Annotated[
        bool,
        typer.Option("--under-16/--adult", help="Age group; at 16 a new period begins."),
    ] = False,
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Record one right."""
    entry = {
        "beneficiary": beneficiary,
        "contract_id": contract_id,
        "age_group": "under_16" if is_under_16 else "adult",
        "valid_from": valid_from,
        "valid_to": valid_to,
    }
    with reporting_to_terminal(as_json):
        from verifier_api.service.administration import Right

        added = _record([parse_arguments(Right, entry, "right")], database, data_dir)
        tell(as_json, {"added": added}, [f"{added} added"])


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="RIGHTS.csv", help="- for input.")],
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Record the rights of a CSV file, all or none.

    Columns: beneficiary, contract_id, age_group (adult or under_16), valid_from, valid_to (empty:
    open).
    """
    with reporting_to_terminal(as_json):
        from circuits.canonical import canonical_bytes
        from circuits.document import parse_document
        from verifier_api.service.administration import Right
        from zk.errors import ZkError

        lines: list[int] = []
        rights: list[Right] = []
        for number, row in _rows(read_input(file, MAX_FILE_BYTES)):
            entry = {name: text or None for name, text in zip(COLUMNS, row, strict=True)}
            try:
                data = canonical_bytes(entry)
                rights.append(parse_document(Right, data, max_bytes=len(data), what="right"))
            except ZkError as error:
                raise CommandError(UNREADABLE, f"line {number}: {error}") from None
            lines.append(number)
        added = _record(rights, database, data_dir, lines)
        facts = {"read": len(rights), "added": added}
        tell(as_json, facts, [f"{len(rights)} read, {added} added"])


def _rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file below its heading, each with the number of its (last) line."""
    import csv
    import io

    if len(data) > MAX_FILE_BYTES:
        raise CommandError(UNREADABLE, f"larger than {MAX_FILE_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(UNREADABLE, "not UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    is_heading = True
    try:
        for row in reader:
            if not row:
                continue
            if is_heading and tuple(row) != COLUMNS:
                break
            if len(row) != len(COLUMNS):
                problem = f"line {reader.line_num}: {len(COLUMNS)} columns expected"
                raise CommandError(UNREADABLE, problem)
            if not is_heading:
                yield reader.line_num, row
            is_heading = False
    except csv.Error:
        raise CommandError(UNREADABLE, f"line {reader.line_num}: not CSV") from None
    if is_heading:
        raise CommandError(UNREADABLE, f"the first line must be {','.join(COLUMNS)}")


@app.command("list")
def list_(database: DatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Every right."""
    with reporting_to_terminal(as_json):
        from verifier_api.service.administration import right_facts
        from verifier_api.store.reference import right_rows

        with open_database(database, data_dir) as opened, opened.read() as connection:
            rows = right_rows(connection, None, 1_000_000)
        facts = [right_facts(row) for row in rows]
        lines = [
            f"{entry['beneficiary']}  {entry['contract_id']}  {entry['age_group']:8}  "
            f"{entry['valid_from']} to {entry['valid_to'] or 'open'}"
            for entry in facts
        ]
        tell(as_json, {"rights": facts}, lines or ["none"])


@app.command("end")
def end(
    beneficiary: Annotated[str, typer.Argument(help="The reference.")],
    contract_id: Annotated[str, typer.Option("--contract", help="Identifier of the contract.")],
    valid_to: Annotated[str, typer.Option("--to", help="YYYY-MM-DD: the last day.")],
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End the right that holds on a day with that day."""
    with reporting_to_terminal(as_json):
        from datetime import UTC, datetime

        from verifier_api.service.administration import COMMAND, RightEnd, end_right

        said = {"beneficiary": beneficiary, "contract_id": contract_id, "valid_to": valid_to}
        wanted = parse_arguments(RightEnd, said, "right")
        with writing(database, data_dir) as connection:
            end_right(connection, wanted, COMMAND, datetime.now(UTC))
        tell(as_json, {"valid_to": valid_to}, [f"ends {valid_to}"])


def _record(
    rights: Sequence[Right], database: str | None, data_dir: str | None, lines: Sequence[int] = ()
) -> int:
    """How many were new; ``lines`` say where each stands in a file."""
    from datetime import UTC, datetime

    from verifier_api.service.administration import COMMAND, add_rights
    from verifier_api.service.errors import ServiceError

    with writing(database, data_dir) as connection:
        try:
            return add_rights(connection, rights, COMMAND, datetime.now(UTC))
        except ServiceError as error:
            if not (lines and error.places):
                raise
            number = lines[int(error.places[0].removeprefix("rights."))]
            raise CommandError(error.code, f"line {number}: {error.detail}") from None
