"""Beneficiaries' rights: who is covered by which contract, when, and in which age group."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from console.inputs import read_input
from console.running import UsageError, new_app
from verifier_api.commands.shared import (
    AsJson,
    DatabaseUrl,
    DataDir,
    open_database,
    parse_day,
    reporting_to_terminal,
    tell,
    writing,
)

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
        added = _record([entry], database, data_dir)
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
        import csv
        import io

        try:
            text = read_input(file, MAX_FILE_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UsageError(f"{file}: not UTF-8") from None
        reader = csv.DictReader(io.StringIO(text))
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise UsageError(f"{file}: the first line must be {','.join(COLUMNS)}")
        entries = [{name: row.get(name) or None for name in COLUMNS} for row in reader]
        added = _record(entries, database, data_dir)
        tell(
            as_json, {"read": len(entries), "added": added}, [f"{len(entries)} read, {added} added"]
        )


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

        last = parse_day(valid_to, "--to")
        wanted = RightEnd(beneficiary=beneficiary, contract_id=contract_id, valid_to=last)
        with writing(database, data_dir) as connection:
            end_right(connection, wanted, COMMAND, datetime.now(UTC))
        tell(as_json, {"valid_to": valid_to}, [f"ends {valid_to}"])


def _record(entries: list[dict[str, Any]], database: str | None, data_dir: str | None) -> int:
    from datetime import UTC, datetime

    from circuits.canonical import canonical_bytes
    from circuits.document import parse_document
    from verifier_api.service.administration import COMMAND, Right, add_rights
    from zk.errors import ZkError

    rights = []
    for number, entry in enumerate(entries, start=1):
        try:
            rights.append(
                parse_document(Right, canonical_bytes(entry), max_bytes=4096, what="right")
            )
        except ZkError as error:
            raise UsageError(f"right {number}: {error}") from None
    with writing(database, data_dir) as connection:
        return add_rights(connection, rights, COMMAND, datetime.now(UTC))
