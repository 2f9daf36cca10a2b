"""The table of codes: look at it, add it, import it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.inputs import check_inputs, read_input, read_nomenclature
from console.running import UsageError, new_app
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

if TYPE_CHECKING:
    from datetime import date

    from circuits.nomenclature import Nomenclature

app = new_app(about="The table of codes and classes.")


@app.command("show")
def show_nomenclature(
    regroupement: Annotated[
        str | None, typer.Argument(metavar="[CLASS]", help="One class; default: all.")
    ] = None,
    day: Annotated[
        str | None,
        typer.Option("--date", help="YYYY-MM-DD; default: today, or the table's last day."),
    ] = None,
    nomenclature_file: NomenclatureFile = None,
    contract_file: Annotated[
        str | None, typer.Option("--contract", help="Judge by this contract's figures.")
    ] = None,
    with_codes: Annotated[
        bool, typer.Option("--codes", help="List the codes of the class with their cells.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Classes on a day: codes, type-and-correction cells, legal level, status, floor.

    \b
    cells   among how many type-and-correction cells a code hides; - for what
            has no correction (frames, supplements): it hides among the codes
    price   price class A or B; - where it is not fixed
    level   legal level of a lens; - for everything else
    status  derived: every code's class follows from the source;
            unconfirmed: that of one code at least could not be confirmed
    floor   ok, warn or refuse by the contract's floor for the hiding set;
            clear: too small to hide a code, which the claim then declares;
            empty: no code on that day

    With --codes, amounts in euros, and - where nothing is known:

    \b
    tariff  base tariff of the public payer
    limit   largest price; with --contract, by its caps too
    share   what the public payer pays at the contract's rate (--contract)
    """
    with reporting_to_terminal(as_json):
        if with_codes and regroupement is None:
            raise UsageError("--codes lists the codes of one CLASS: name it")
        check_inputs([nomenclature_file, contract_file])
        from circuits.canonical import encode_base64url
        from circuits.contract import Floor, require_classes_known
        from verifier_api.reports import (
            CLASS_HEADING,
            CODE_HEADING,
            class_facts,
            class_line,
            code_facts,
            code_line,
            default_day,
        )

        nomenclature = read_nomenclature(nomenclature_file)
        contract = read_contract(contract_file) if contract_file else None
        if contract is not None:
            require_classes_known(contract, nomenclature)
        floor = contract.floor_cells if contract else Floor()
        on = parse_day(day) if day else default_day(nomenclature)
        names = [entry.code for entry in nomenclature.classes()]
        if regroupement is not None:
            names = [nomenclature.regroupement_class(regroupement).code]
        nomenclature.period_start(on)  # refuses a day on which the table holds nothing
        classes = [class_facts(nomenclature, name, on, floor) for name in names]
        codes: list[dict[str, Any]] = []
        if with_codes and classes[0]["codes"]:
            codes = [code_facts(row, contract) for row in nomenclature.class_rows(names[0], on)]
        if as_json:
            head = {
                "version": nomenclature.version,
                "digest": encode_base64url(nomenclature.digest),
                "date": on.isoformat(),
            }
            listing = {"codes": codes} if with_codes else {}
            print(json.dumps(head | {"classes": classes} | listing))
            return
        print(f"nomenclature {nomenclature.version} on {on.isoformat()}")
        print(CLASS_HEADING)
        for facts in classes:
            print(class_line(facts))
        if with_codes:
            print(f"\n{CODE_HEADING}")
            for facts in codes:
                print(code_line(facts))


@app.command("add")
def add(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="- for input; default: the table that ships."),
    ] = None,
    in_force_from: InForceFrom = None,
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a version of the table to the service, in force from a day on. Nothing is edited: the
    same file again changes nothing."""
    with reporting_to_terminal(as_json):
        from datetime import UTC, datetime

        from circuits.nomenclature import MAX_NOMENCLATURE_BYTES, Nomenclature
        from verifier_api.service.administration import COMMAND, add_nomenclature

        if file is None:
            table = read_nomenclature(None)
            data = table.to_bytes()
        else:
            data = read_input(file, MAX_NOMENCLATURE_BYTES)
            table = Nomenclature.parse(data)
        start = parse_day(in_force_from, "--in-force-from") if in_force_from else None
        with writing(database, data_dir) as connection:
            digest = add_nomenclature(connection, table, data, start, COMMAND, datetime.now(UTC))
        facts = {"digest": digest, "version": table.version}
        tell(as_json, facts, [f"nomenclature {table.version}  {digest}"])


@app.command("list")
def list_(database: DatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Every version that the service has."""
    with reporting_to_terminal(as_json):
        from verifier_api.service.directory import Directory

        with open_database(database, data_dir) as opened:
            versions = Directory(opened).snapshot.nomenclatures.values()
            facts = [version.facts() for version in versions]
        lines = [
            f"{entry['digest']}  {entry['version']:12}  in force from {entry['in_force_from']}, "
            f"{entry['rows']} rows"
            for entry in facts
        ]
        tell(as_json, {"nomenclatures": facts}, lines or ["none"])


@app.command("import")
def import_(
    archive: Annotated[Path, typer.Argument(metavar="LPPnnn.zip", help="CNAM's download.")],
    base_file: Annotated[
        str | None,
        typer.Option(
            "--base",
            help="Table to take classes, kinds and cells from; default: the service's before that "
            "day, or the table that ships.",
        ),
    ] = None,
    attributes: Annotated[
        Path | None, typer.Option(help="CSV with kind and cell of codes that the base lacks.")
    ] = None,
    version: Annotated[str | None, typer.Option("--table-version", help="Default: LPPnnn.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="JSON Lines file to make: every row dropped, and why.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the table to a file, and not to the service.")
    ] = None,
    in_force_from: Annotated[
        str | None, typer.Option("--in-force-from", help="YYYY-MM-DD; default: today.")
    ] = None,
    progress: Annotated[
        bool | None, typer.Option(help="Progress bar; default: if a terminal is there to see it.")
    ] = None,
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a table of CNAM's LPP download and add it to the service.

    Shows what was kept, what was dropped and why, and what differs from the table before. What
    CNAM's file does not hold (the cells of lenses) comes from that table or from --attributes.
    """
    with reporting_to_terminal(as_json):
        if out is not None and out.exists():
            raise UsageError(f"--out: {out} exists already")
        from datetime import UTC, date, datetime

        from verifier_api.lpp.command import run_import
        from verifier_api.service.administration import COMMAND, add_nomenclature

        start = parse_day(in_force_from, "--in-force-from") if in_force_from else date.today()
        if base_file is not None or out is not None:
            base = read_nomenclature(base_file)
        else:
            base = _version_before(start, database, data_dir)
        show = sys.stderr.isatty() if progress is None else progress
        table, facts, lines = run_import(archive, base, attributes, version, report, show)
        data = table.to_bytes()
        if out is not None:
            with out.open("xb") as file:
                file.write(data)
        else:
            with writing(database, data_dir) as connection:
                add_nomenclature(connection, table, data, start, COMMAND, datetime.now(UTC))
        tell(as_json, facts, lines)


def _version_before(day: date, database: str | None, data_dir: str | None) -> Nomenclature:
    """The service's table in force just before ``day``, or the one that ships."""
    from verifier_api.service.directory import Directory

    with open_database(database, data_dir) as opened:
        versions = Directory(opened).snapshot.nomenclatures.values()
        before = [version for version in versions if version.in_force_from < day]
        if not before:
            return read_nomenclature(None)
        return max(before, key=lambda version: version.in_force_from).table
