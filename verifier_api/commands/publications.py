"""Publications of contracts and nomenclatures: record them, look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.inputs import check_inputs, read_input
from console.running import UsageError, new_app
from verifier_api.commands.shared import (
    AsJson,
    DatabaseUrl,
    DataDir,
    open_database,
    reporting_to_terminal,
    settings_of,
    tell,
    telling_refusals,
    writing,
)

if TYPE_CHECKING:
    from circuits.trust import Trust
    from verifier_api.service.directory import Snapshot

TrustFile = Annotated[
    str | None,
    typer.Option(
        "--trust",
        help="Judge by this trust list, perhaps the next one, instead of the service's (setting "
        "trust).",
    ),
]

app = new_app(about="Publishers' signatures of contracts and nomenclatures.")


@app.command("add")
def add(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="- for input.")],
    trust_file: TrustFile = None,
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Record publications of documents that the service has, all or none; a file holds one or a
    list of them. A key counts from the moment of recording, the same again changes nothing."""
    with reporting_to_terminal(as_json):
        check_inputs(files)
        from datetime import UTC, datetime

        from circuits.publication import MAX_PUBLICATIONS_BYTES, parse_publications
        from verifier_api.service.administration import COMMAND
        from verifier_api.service.publications import add_publication

        found = [
            publication
            for name in files
            for publication in parse_publications(read_input(name, MAX_PUBLICATIONS_BYTES))
        ]
        trust = _trust(trust_file, database, data_dir)
        if trust is None:
            raise UsageError("--trust: needed, as the setting trust names no file")
        with writing(database, data_dir) as connection:
            for publication in found:
                add_publication(connection, publication, trust, COMMAND, datetime.now(UTC))
        facts = [
            {
                "digest": publication.digest,
                "kind": publication.kind,
                "name": publication.name,
                "publisher_id": publication.publisher_id,
                "key_id": publication.key_id,
            }
            for publication in found
        ]
        lines = [
            f"{entry['kind']} {entry['name']}  {entry['digest']}  by {entry['publisher_id']}"
            for entry in facts
        ]
        tell(as_json, {"publications": facts}, lines or ["none"])


@app.command("list")
def list_(
    trust_file: TrustFile = None,
    database: DatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Every publication that is recorded, and with a trust list whether it counts."""
    with reporting_to_terminal(as_json):
        from verifier_api.service.directory import Directory

        trust = _trust(trust_file, database, data_dir)
        with open_database(database, data_dir) as opened:
            snapshot = Directory(opened).snapshot
        facts = _judged(snapshot, trust)
        tell(as_json, {"publications": facts}, [_line(entry) for entry in facts] or ["none"])


def _trust(name: str | None, database: str | None, data_dir: str | None) -> Trust | None:
    """The list that is named, or the service's, if it has any."""
    from circuits.trust import MAX_TRUST_BYTES, parse_trust

    if name is None:
        with telling_refusals():
            chosen = settings_of(database, data_dir).trust
        if chosen is None:
            return None
        name = str(chosen)
    return parse_trust(read_input(name, MAX_TRUST_BYTES))


def _judged(snapshot: Snapshot, trust: Trust | None) -> list[dict[str, Any]]:
    from verifier_api.service.publications import refusal_of

    versions = snapshot.contracts | snapshot.nomenclatures
    found = []
    for digest, entries in snapshot.publications.items():
        for entry in entries:
            facts = entry.facts()
            if trust is not None:
                facts["refusal"] = refusal_of(entry, versions[digest].published(), trust)
            found.append(facts)
    return found


def _line(entry: dict[str, Any]) -> str:
    publication = entry["publication"]
    state = ""
    if "refusal" in entry:
        state = "  counts" if entry["refusal"] is None else f"  does not count: {entry['refusal']}"
    return (
        f"{publication['digest']}  {publication['kind']} {publication['name']}  in force from "
        f"{publication['in_force_from']}  by {publication['publisher_id']} "
        f"({publication['key_id']})  recorded {entry['recorded_at']}{state}"
    )
