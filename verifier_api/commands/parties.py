"""Keys of publishers, attesters, auditors and insurers, and what a publisher signs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from console.inputs import STANDARD, read_nomenclature
from console.outputs import check_files, write_output
from console.running import CommandError, UsageError
from verifier_api.commands.shared import (
    AsJson,
    parse_day,
    parse_instant,
    read_contract,
    read_party,
    reporting_to_terminal,
    tell,
)
from zk.errors import StatementError

NEVER_REPLACED = "never replaced; choose another name"


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(keygen)
    app.command()(publish)


def keygen(
    role: Annotated[str, typer.Argument(help="publisher, attester, auditor or insurer.")],
    party_id: Annotated[str, typer.Argument(help="Who signs with it.")],
    out: Annotated[str, typer.Option(help="The secret key file to make; never replaced.")],
    public: Annotated[
        str, typer.Option(help="ENTRY.json, a trust list with this one key, - for output.")
    ] = STANDARD,
    publishes: Annotated[
        str | None,
        typer.Option(help="contract, nomenclature or both with a comma; default: both."),
    ] = None,
    insurer_id: Annotated[
        str | None, typer.Option("--insurer", help="The one insurer that it publishes for.")
    ] = None,
    valid_from: Annotated[
        str | None, typer.Option(help="YYYY-MM-DDTHH:MM:SSZ; default: always was.")
    ] = None,
    valid_to: Annotated[
        str | None, typer.Option(help="YYYY-MM-DDTHH:MM:SSZ, included; default: until revoked.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the key of a party that signs: the secret file, and the entry for the trust lists of
    those who rely on it."""
    with reporting_to_terminal(as_json):
        check_files([], [out, public], replace=False, advice=NEVER_REPLACED)
        from circuits.trust import PARTY_ROLES
        from verifier_api.parties import Party

        wanted = next((name for name in PARTY_ROLES if name == role), None)
        if wanted is None:
            raise UsageError("ROLE: publisher, attester, auditor or insurer expected")
        try:
            party = Party.generate(wanted, party_id)
            trust = party.trust_list(
                valid_from=parse_instant(valid_from, "--valid-from") if valid_from else None,
                valid_to=parse_instant(valid_to, "--valid-to") if valid_to else None,
                publishes=publishes.split(",") if publishes is not None else None,
                insurer_id=insurer_id,
            )
        except StatementError as error:
            # There is no file yet.
            detail = str(error).removeprefix("key file: ").removeprefix("trusted key: ")
            raise CommandError("argument", detail) from None
        write_output(out, party.encode(), secret=True)
        write_output(public, json.dumps(trust, indent=2).encode() + b"\n")
        facts = {
            "role": party.role,
            "party_id": party.party_id,
            "key_id": party.key_id,
            "key_file": out,
            "public_file": public,
        }
        lines = [
            f"{party.role} {party.party_id}  {party.key_id}",
            f"written  {out} (keep it secret)",
            f"written  {public}",
        ]
        tell(as_json, facts, lines, is_output_taken=STANDARD in (out, public))


def publish(
    kind: Annotated[str, typer.Argument(help="contract or nomenclature.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="The document, - for input.")],
    key_file: Annotated[str, typer.Option("--key", help="The publisher's secret key file.")],
    in_force_from: Annotated[str, typer.Option(help="YYYY-MM-DD.")],
    out: Annotated[str, typer.Option(help="The publication to make, - for output.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign that a contract or a nomenclature is in force from a day on. The document is checked as
    the service checks it; that it is the right one, whoever signs has to know."""
    with reporting_to_terminal(as_json):
        check_files([file, key_file], [out], replace=force)
        from datetime import UTC, datetime

        from circuits.claim import encode_instant
        from circuits.contract import Contract
        from circuits.nomenclature import Nomenclature
        from circuits.publication import Publication, published_facts
        from circuits.signed import encode_signed, make_signed

        if kind not in ("contract", "nomenclature"):
            raise UsageError("KIND: contract or nomenclature expected")
        start = parse_day(in_force_from, "--in-force-from")
        party = read_party(key_file, "publisher")
        document: Contract | Nomenclature
        document = read_contract(file) if kind == "contract" else read_nomenclature(file)
        if isinstance(document, Contract) and not document.is_valid_on(start):
            raise UsageError("--in-force-from: not within the contract's validity")
        facts = published_facts(document)
        publication = make_signed(
            Publication,
            party.signing_key,
            **facts,
            in_force_from=start.isoformat(),
            published_at=encode_instant(datetime.now(UTC)),
            publisher_id=party.party_id,
        )
        write_output(out, encode_signed(publication), replace=force)
        shown = {
            **facts,
            "in_force_from": in_force_from,
            "publisher_id": party.party_id,
            "key_id": party.key_id,
            "file": out,
        }
        lines = [
            f"{kind} {facts['name']}  {facts['digest']}  in force from {in_force_from}",
            f"written  {out}",
        ]
        tell(as_json, shown, lines, is_output_taken=out == STANDARD)
