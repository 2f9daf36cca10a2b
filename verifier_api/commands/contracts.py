"""Contracts: look at one, add versions to the service."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from console.inputs import check_inputs, read_input, read_nomenclature
from console.running import new_app, plain
from verifier_api.commands.shared import (
    AsJson,
    DatabaseUrl,
    DataDir,
    InForceFrom,
    NomenclatureFile,
    open_database,
    parse_day,
    read_contract,
    reporting_to_terminal,
    tell,
    writing,
)

app = new_app(about="The insurer's contracts.")


@app.command("show")
def show(
    contract_file: Annotated[str, typer.Argument(metavar="CONTRACT.json", help="- for input.")],
    nomenclature_file: NomenclatureFile = None,
    as_json: AsJson = False,
) -> None:
    """A contract as the circuits read it, defaults written out, and its digest.

    Its price caps must be for classes that the nomenclature knows.
    """
    with reporting_to_terminal(as_json):
        check_inputs([contract_file, nomenclature_file])
        from circuits.contract import require_classes_known
        from verifier_api.reports import contract_facts, text_of

        contract = read_contract(contract_file)
        require_classes_known(contract, read_nomenclature(nomenclature_file))
        facts = contract_facts(contract)
        if as_json:
            print(json.dumps(facts))
            return
        for line in text_of(facts):
            print(plain(line))


@app.command("add")
def add(
    file: Annotated[str, typer.Argument(metavar="CONTRACT.json", help="- for input.")],
    in_force_from: InForceFrom = None,
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a version of a contract to the service, in force from a day on. Nothing is edited: a
    correction is another version, the same file again changes nothing."""
    with reporting_to_terminal(as_json):
        from datetime import UTC, datetime

        from circuits.contract import MAX_CONTRACT_BYTES, parse_contract
        from verifier_api.service.administration import COMMAND, add_contract

        data = read_input(file, MAX_CONTRACT_BYTES)
        contract = parse_contract(data)
        start = parse_day(in_force_from, "--in-force-from") if in_force_from else None
        with writing(database, data_dir) as connection:
            digest = add_contract(connection, data, start, COMMAND, datetime.now(UTC))
        facts = {"digest": digest, "contract_id": contract.contract_id}
        tell(as_json, facts, [f"contract {contract.contract_id}  {digest}"])


@app.command("list")
def list_(database: DatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Every version that the service has."""
    with reporting_to_terminal(as_json):
        from verifier_api.service.directory import Directory

        with open_database(database, data_dir) as opened:
            versions = Directory(opened).snapshot.contracts.values()
            facts = [version.facts() for version in versions]
        lines = [
            f"{entry['digest']}  {entry['contract_id']}  in force from {entry['in_force_from']} "
            f"to {entry['valid_to']}"
            for entry in facts
        ]
        tell(as_json, {"contracts": facts}, lines or ["none"])
