"""The optician's commands: make a key, prove a sale, open a line; those of `optician.sending` speak
with the insurer.

Exit code 0 when done, 2 when not, with one line on standard error (3 for a fault of this program).
Imports wait until a command needs them: nobody waits for a help page. No message holds a code, a
price, a blinding or a key.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.inputs import STANDARD, read_input, read_nomenclature
from console.outputs import check_files, is_readable_by_others, write_output
from console.running import CommandError, Version, new_app, run
from optician.agent.commands import claim
from optician.agent.groups import (
    claims_app,
    insurers_app,
    openings_app,
    queue_app,
    shop_app,
)
from optician.attesting import attest
from optician.audits import app as audits_app
from optician.sending import cancel, fetch, invoice, status, submit
from optician.terminal import (
    AsJson,
    Force,
    Lang,
    Terminal,
    blaming,
    reporting_to,
)
from optician.vault.commands import app as vault_app
from optician.web.commands import agent, agent_token
from zk.errors import StatementError

if TYPE_CHECKING:
    from circuits.claim import Claim
    from circuits.contract import Contract
    from circuits.nomenclature import Nomenclature
    from optician.sale import Sale

app = new_app(
    about="Prove to an insurer what a sale of glasses is worth, without showing its codes.",
    exit_codes="Exit codes: 0 done, 2 not done, 3 internal error, 130 interrupted; of submit and "
    "claim: 0 granted, 1 refused, 4 pending.",
)


def main() -> None:
    """Entry point of the console script."""
    run(app, "optician")


@app.callback()
def options(version: Version = False) -> None:
    """Options of no command in particular."""


# -- keygen -----------------------------------------------------------------------------------


@app.command()
def keygen(
    optician_id: Annotated[str, typer.Argument(help="Identifier agreed upon with the insurer.")],
    out: Annotated[str, typer.Option(help="The secret key file to make; never replaced.")],
    public: Annotated[str, typer.Option(help="KEYS.json for the insurer, - for output.")] = "-",
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Make a signing key: the secret key file, and what the insurer registers of it."""
    with reporting_to(as_json, lang) as terminal:
        never = "never replaced; choose another name"
        check_files(inputs=[], outputs=[out, public], replace=False, advice=never)
        from optician.identity import Identity

        try:
            identity = Identity.generate(optician_id)
        except StatementError as error:
            detail = str(error).removeprefix("key file: ")  # there is no file yet
            raise CommandError("argument", detail) from None
        keys = {"format_version": 1, "keys": [identity.public_entry()]}
        write_output(out, identity.encode(), secret=True)
        write_output(public, json.dumps(keys, indent=2).encode() + b"\n")
        terminal.report(
            {
                "optician_id": identity.optician_id,
                "key_id": identity.key_id,
                "key_file": out,
                "public_file": public,
            },
            [
                f"{terminal.say('key_made')} {identity.optician_id}  ({identity.key_id})",
                terminal.named("written", f"{out} ({terminal.say('keep_secret')})"),
            ],
            is_output_taken=STANDARD in (out, public),
        )


# -- prove ------------------------------------------------------------------------------------


@app.command()
def prove(
    sale_file: Annotated[str, typer.Argument(metavar="SALE.json", help="The sale, - for input.")],
    contract_file: Annotated[str, typer.Option("--contract", help="The insurer's contract.")],
    key_file: Annotated[str, typer.Option("--key", help="The secret key file of `keygen`.")],
    out: Annotated[str, typer.Option(help="The claim to make, - for output.")],
    openings_file: Annotated[
        str, typer.Option("--openings", help="The secret openings to make: keep them for audits.")
    ],
    nomenclature_file: Annotated[
        str | None, typer.Option("--nomenclature", help="Default: the table that ships.")
    ] = None,
    trust_file: Annotated[
        str | None,
        typer.Option(
            "--trust",
            help="Prove only by a contract and a table that somebody on this trust list published.",
        ),
    ] = None,
    publication_files: Annotated[
        list[str] | None,
        typer.Option(
            "--publications", help="Publications, with --trust; may be given several times."
        ),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Prove a sale: a signed claim for the insurer, and openings that stay in the shop.

    The date of service must lie within the validity of contract and nomenclature (the table that
    ships is whole from July 2020 to June 2021). The claim expires 30 days after this moment.
    """
    with reporting_to(as_json, lang) as terminal:
        start = time.perf_counter()
        optional = [nomenclature_file, trust_file, *(publication_files or ())]
        inputs = [sale_file, contract_file, key_file, *(name or "" for name in optional)]
        check_files(inputs=inputs, outputs=[out, openings_file], replace=force)
        from datetime import UTC, datetime

        from circuits.claim import encode_claim
        from circuits.contract import MAX_CONTRACT_BYTES, parse_contract, require_classes_known
        from optician.claiming import make_claim
        from optician.identity import MAX_IDENTITY_BYTES, Identity
        from optician.published import read_reliance
        from optician.sale import MAX_SALE_BYTES, parse_sale
        from zk.backends import load_group
        from zk.generators import generators_of

        with blaming("sale"):
            sale = parse_sale(read_input(sale_file, MAX_SALE_BYTES))
        with blaming("unreadable"):
            contract = parse_contract(read_input(contract_file, MAX_CONTRACT_BYTES))
            identity = Identity.parse(read_input(key_file, MAX_IDENTITY_BYTES))
            nomenclature = read_nomenclature(nomenclature_file)
            reliance = read_reliance(trust_file, publication_files)
        if is_readable_by_others(key_file):
            terminal.warn("key_mode")
        if reliance is not None:
            for document in (contract, nomenclature):
                reliance.require(document, sale.date_of_service, datetime.now(UTC))
        require_classes_known(contract, nomenclature)
        loaded = time.perf_counter()
        claim, openings = make_claim(
            sale,
            contract,
            nomenclature,
            identity,
            generators_of(load_group()),
            datetime.now(UTC),
        )
        proved = time.perf_counter()
        # The openings first: no claim leaves the shop whose openings were lost.
        write_output(openings_file, openings.encode(), secret=True, replace=force)
        data = encode_claim(claim)
        write_output(out, data, replace=force)
        _warn_of_leaks(terminal, sale, contract, nomenclature)
        terminal.report(
            _claim_facts(claim)
            | {
                "claim_file": out,
                "openings_file": openings_file,
                "claim_bytes": len(data),
                "proof_bytes": len(claim.proof_bytes()),
                "milliseconds": {
                    "loading": round((loaded - start) * 1000, 1),
                    "proving": round((proved - loaded) * 1000, 1),
                },
                "warnings": terminal.warnings,
            },
            [
                *_claim_lines(terminal, claim),
                terminal.named(
                    "written",
                    f"{out} ({len(data)} B), {openings_file} ({terminal.say('keep_secret')})",
                ),
            ],
            is_output_taken=STANDARD in (out, openings_file),
        )


def _claim_facts(claim: Claim) -> dict[str, Any]:
    """What the claim tells the insurer anyway."""
    document = claim.model_dump(mode="json", exclude={"proof", "signature", "beneficiary"})
    named = (
        *("claim_id", "contract_id", "date_of_service", "expires_at", "statement", "level"),
        "early_renewal_ground",
    )
    lines = [{name: line[name] for name in ("role", "regroupement")} for line in document["lines"]]
    facts = {name: document[name] for name in named}
    return facts | {"lines": lines, "amounts": document["amounts"]}


def _claim_lines(terminal: Terminal, claim: Claim) -> list[str]:
    told = [
        ", ".join(
            f"{terminal.say(line.role)} {line.regroupement}"
            for line in claim.lines
            if line.regroupement is not None
        )
    ]
    if claim.level is not None:  # only a pair, whose lenses have no class, names it
        level = f"{terminal.say('level')} {claim.level}"
        told[:0] = [
            terminal.say("lenses_hidden"),
            f"{terminal.say('price_class')} {claim.price_class}, {level}",
        ]
    if claim.amounts is not None:
        told.append(
            f"{terminal.say('lenses')} {terminal.euros(claim.amounts.lenses_cents)}, "
            f"{terminal.say('frame')} {terminal.euros(claim.amounts.frame_cents)}"
        )
    if claim.early_renewal_ground is not None:
        told.append(f"{terminal.say('early_renewal')} {claim.early_renewal_ground}")
    return [
        terminal.named("claim_made", f"{claim.claim_id}  {claim.statement}, ")
        + f"{claim.date_of_service}, {terminal.say('expires')} {claim.expires_at:%Y-%m-%d}",
        terminal.named("tells", terminal.mark(";").join(told)),
        terminal.named("hides", terminal.say("hidden")),
    ]


def _warn_of_leaks(
    terminal: Terminal, sale: Sale, contract: Contract, nomenclature: Nomenclature
) -> None:
    """Say where an accepted claim shelters the patient less than it could, or looks wrong."""
    from optician.disclosure import disclose

    for warning in disclose(sale, contract, nomenclature).warnings:
        role, _, number = warning.place.partition(".")
        named = terminal.say("supplement" if number else role)
        terminal.warn(warning.key, " ".join(filter(None, (named, warning.regroupement))))


# -- open -------------------------------------------------------------------------------------


@app.command("open")
def open_(
    openings_file: Annotated[str, typer.Argument(metavar="OPENINGS.json")],
    line: Annotated[int, typer.Option(help="Number of the line, from 1.")],
    reveal: Annotated[
        str, typer.Option(help="What to reveal, by commas: code, price, date, correction.")
    ],
    purpose: Annotated[str, typer.Option(help="What it is for, as the insurer asked.")],
    out: Annotated[str, typer.Option(help="The opening to make, - for output.")] = STANDARD,
    force: Force = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Open one line of a claim in part, for an audit: chosen values, and nothing of the others."""
    with reporting_to(as_json, lang) as terminal:
        check_files(inputs=[openings_file], outputs=[out], replace=force)
        from circuits.opening import encode_line_opening
        from optician.claiming import MAX_OPENINGS_BYTES, Openings
        from optician.opening_file import OpeningsError, open_line
        from zk.backends import load_group
        from zk.generators import generators_of

        generators = generators_of(load_group())
        with blaming("unreadable"):
            openings = Openings.parse(read_input(openings_file, MAX_OPENINGS_BYTES), generators)
        names = [name.strip() for name in reveal.split(",")]
        with blaming("argument"), blaming("unreadable", OpeningsError):
            opening = open_line(openings, line, names, purpose, generators)
        # What it reveals is for the auditor alone.
        write_output(out, encode_line_opening(opening), secret=True, replace=force)
        revealed = sorted(opening.revealed)
        terminal.report(
            {
                "claim_id": opening.claim_id,
                "line": opening.line,
                "reveals": revealed,
                "purpose": opening.purpose,
                "opening_file": out,
            },
            [
                terminal.named(
                    "opened", f"{opening.claim_id}, {terminal.say('line')} {opening.line}"
                ),
                terminal.named("reveals", ", ".join(revealed)),
                terminal.named("purpose", opening.purpose),
                *([] if out == STANDARD else [terminal.named("written", out)]),
            ],
            is_output_taken=out == STANDARD,
        )


# -- the insurer's service --------------------------------------------------------------------

for command in (submit, status, invoice, cancel, fetch, attest):
    app.command()(command)
app.add_typer(audits_app, name="audits")
app.add_typer(vault_app, name="vault")

# -- the shop's agent -------------------------------------------------------------------------

app.command()(claim)
app.command()(agent)
app.command("agent-token")(agent_token)
for group, name in (
    (shop_app, "shop"),
    (insurers_app, "insurers"),
    (queue_app, "queue"),
    (claims_app, "claims"),
    (openings_app, "openings"),
):
    app.add_typer(group, name=name)
