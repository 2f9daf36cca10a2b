"""The attester's commands: serve, and release what a cancelled claim used up."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.running import CommandError, new_app
from verifier_api.commands.shared import (
    AsJson,
    read_party,
    reporting_to_terminal,
    tell,
    telling_refusals,
)

if TYPE_CHECKING:
    from verifier_api.attester.attesting import Attester

DEFAULT_LEDGER = "attester-ledger.db"
RECORDS_VARIABLE = "CLAIROBSCUR_ATTESTER_RECORDS"

# Those of `verifier_api.attester.attesting` and `verifier_api.web.attester`, which are not loaded
# for a help page.
DEFAULT_VALID_DAYS = 30
MAX_VALID_DAYS = 366
DEFAULT_PORT = 8766

app = new_app(about="An attester: confirm codes that he knows, and keep count of it.")

LedgerFile = Annotated[
    str, typer.Option("--ledger", help="SQLite file that remembers what was attested.")
]


@app.command()
def serve(
    key_file: Annotated[
        str, typer.Option("--key", help="The attester's secret key file, of `verifier keygen`.")
    ],
    opticians_file: Annotated[
        str, typer.Option("--opticians", help="Public keys of the opticians who may ask.")
    ],
    records: Annotated[
        str,
        typer.Option(
            envvar=RECORDS_VARIABLE,
            metavar="SOURCE",
            help="csv:FILE, sql:URL#TABLE or python:MODULE:FUNCTION. A password in it can be read "
            "by others on this machine: better in the environment variable.",
        ),
    ],
    ledger_file: LedgerFile = DEFAULT_LEDGER,
    valid_days: Annotated[
        int, typer.Option(min=1, max=MAX_VALID_DAYS, help="So long an attestation is valid.")
    ] = DEFAULT_VALID_DAYS,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")
    ] = DEFAULT_PORT,
    as_json: AsJson = False,
) -> None:
    """Answer opticians' requests until told to stop (SIGTERM, Ctrl-C).

    Keys and a CSV file are read again when they change. There must be one ledger for one key.
    """
    with reporting_to_terminal(as_json):
        from verifier_api.web.attester import AttesterSettings, make_app, tell_fault
        from verifier_api.web.logs import configure_logs
        from verifier_api.web.server import listen
        from verifier_api.web.server import serve as serve_app

        settings = AttesterSettings(host=host, port=port)
        with ExitStack() as closing:
            with telling_refusals():
                opened = closing.enter_context(listen(settings))
                attester = _make_attester(
                    key_file, opticians_file, records, ledger_file, valid_days, tell_fault
                )
            address = opened.getsockname()
            shown = f"[{address[0]}]" if ":" in address[0] else address[0]
            url = f"http://{shown}:{address[1]}"
            configure_logs()
            if not attester.records.is_current():  # a database that may yet come
                tell_fault("the records cannot be asked now")

            def when_ready() -> None:
                attester_id = attester.party.party_id
                if as_json:
                    print(json.dumps({"url": url, "attester_id": attester_id}), flush=True)
                else:
                    print(f"{attester_id} attesting on {url}", flush=True)

            if not serve_app(make_app(attester, settings), settings, opened, when_ready):
                raise CommandError("internal", "the attester could not start; its log says why")


def _make_attester(
    key_file: str,
    opticians_file: str,
    records: str,
    ledger_file: str,
    valid_days: int,
    tell_fault: Callable[[str], None],
) -> Attester:
    from verifier_api.attester.attesting import Attester
    from verifier_api.attester.ledger import Ledger
    from verifier_api.attester.sources import open_source
    from verifier_api.attester.watched import Watched
    from verifier_api.keys import MAX_KEYS_BYTES, parse_keys
    from zk.backends import load_group
    from zk.generators import generators_of

    party = read_party(key_file, "attester")
    opticians = Watched(opticians_file, MAX_KEYS_BYTES, parse_keys, "keys", tell_fault)
    source = open_source(records, tell_fault)
    ledger = Ledger(Path(ledger_file), party.party_id)
    generators = generators_of(load_group())
    return Attester(party, opticians, source, ledger, generators, valid_days)


@app.command()
def release(
    record_id: Annotated[str, typer.Argument(help="Number of the record.")],
    claim_id: Annotated[str, typer.Argument(help="The claim that came to nothing.")],
    line: Annotated[int, typer.Argument(help="Number of its line, from 1.")],
    ledger_file: LedgerFile = DEFAULT_LEDGER,
    as_json: AsJson = False,
) -> None:
    """Free the article of a record that stands behind a line of a claim that was cancelled or
    refused: another line can be attested with it. Whether that is so, the insurer says."""
    with reporting_to_terminal(as_json), telling_refusals():
        from verifier_api.attester.attesting import wall_clock
        from verifier_api.attester.ledger import Ledger

        ledger = Ledger(Path(ledger_file), None)
        try:
            released = ledger.release(record_id, claim_id, line, wall_clock())
        finally:
            ledger.close()
        if not released:
            raise CommandError("not_found", "nothing of this record stands behind that line")
        facts = {"record_id": record_id, "claim_id": claim_id, "line": line, "released": released}
        tell(as_json, facts, [f"released  {record_id}  {claim_id} line {line}"])
