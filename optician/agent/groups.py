"""The agent's other commands: shop, insurers, queue, claims, openings.

What is sent by `optician queue send` and what the agent in the background sends is the same: either
may run, and both at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.inputs import STANDARD, read_input
from console.outputs import check_files, is_readable_by_others, write_output
from console.running import new_app, plain
from optician.agent.terminal import (
    ClaimId,
    InsurerId,
    claim_line,
    claim_lines,
    open_shop,
    queue_line,
)
from optician.asking import TokenFile, asked_amounts, iso_day, moment, read_token
from optician.terminal import AsJson, Force, Lang, Terminal, reporting_to
from optician.vault.options import Keyring, PassphraseFile, VaultFile

if TYPE_CHECKING:
    from optician.agent.records import ClaimRecord, InsurerProfile, QueueEntry
    from optician.agent.shop import Shop

shop_app = new_app(about="Your shop: its signing key and its settings.")
insurers_app = new_app(about="The insurers that you claim from.")
queue_app = new_app(about="What is still to be sent.")
claims_app = new_app(about="The claims of your shop.")
openings_app = new_app(about="What your claims hide, kept for audits.")


# -- shop -------------------------------------------------------------------------------------


@shop_app.command("key")
def key(
    optician_id: Annotated[str, typer.Argument(help="Identifier agreed upon with the insurer.")],
    public: Annotated[str, typer.Option(help="KEYS.json for the insurer, - for output.")] = "-",
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    force: Force = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Make the shop's signing key; it stays in the vault. Its public half is for the insurer."""
    with reporting_to(as_json, lang) as terminal:
        check_files([], [public], replace=force)
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            identity = shop.make_identity(optician_id)
            write_output(public, shop.public_keys(), replace=force)
            _report_key(terminal, "key_made", identity, public)


@shop_app.command("import-key")
def import_key(
    key_file: Annotated[str, typer.Argument(metavar="KEY_FILE", help="Of `optician keygen`.")],
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Take the key of `optician keygen` into the vault. The file stays where it is."""
    with reporting_to(as_json, lang) as terminal:
        from optician.identity import MAX_IDENTITY_BYTES

        data = read_input(key_file, MAX_IDENTITY_BYTES)
        if is_readable_by_others(key_file):
            terminal.warn("key_mode")
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            _report_key(terminal, "key_imported", shop.import_identity(data), None)


def _report_key(terminal: Terminal, key: str, identity: Any, public: str | None) -> None:
    facts = {
        "optician_id": identity.optician_id,
        "key_id": identity.key_id,
        "public_file": public,
        "warnings": terminal.warnings,
    }
    line = f"{terminal.say(key)} {identity.optician_id}  ({identity.key_id})"
    terminal.report(facts, [line], is_output_taken=public == STANDARD)


@shop_app.command("show")
def show_shop(
    public: Annotated[
        str | None, typer.Option(help="Write KEYS.json for the insurer there, - for output.")
    ] = None,
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    force: Force = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Whose shop this is, its settings, and how many claims it has in each state."""
    with reporting_to(as_json, lang) as terminal:
        check_files([], [public] if public is not None else [], replace=force)
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            if public is not None:
                write_output(public, shop.public_keys(), replace=force)
            identity = shop.identity()
            counts = dict(shop.counts())
            facts = {
                "optician_id": None if identity is None else identity.optician_id,
                "key_id": None if identity is None else identity.key_id,
                "settings": vars(shop.settings()),
                "claims": counts,
                "waiting": len(shop.queue()),
                "public_file": public,
                "warnings": terminal.warnings,
            }
        lines = [terminal.say("no_key")]
        if identity is not None:
            lines = [f"{identity.optician_id}  ({identity.key_id})"]
        lines += [f"{name}{terminal.mark(':')}{count}" for name, count in sorted(counts.items())]
        terminal.report(facts, lines, is_output_taken=public == STANDARD)


# -- insurers ---------------------------------------------------------------------------------


@insurers_app.command("add")
def add_insurer(
    insurer_id: InsurerId,
    to: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="The insurer's service.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="How you call the insurer.")] = None,
    token_file: TokenFile = None,
    trust_file: Annotated[
        str | None,
        typer.Option("--trust", help="Your trust list: whose audits and documents count."),
    ] = None,
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Add an insurer, or change what is given of one. The token is kept in the vault."""
    with reporting_to(as_json, lang) as terminal:
        from circuits.trust import MAX_TRUST_BYTES

        token = None
        if to is not None or token_file is not None:
            token = read_token(terminal, token_file)
        trust = None if trust_file is None else read_input(trust_file, MAX_TRUST_BYTES)
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            kept = shop.put_insurer(insurer_id, name=name, url=to, token=token, trust=trust)
        terminal.report(
            _insurer_facts(kept) | {"warnings": terminal.warnings},
            [terminal.named("insurer_kept", _insurer_line(terminal, kept))],
            is_output_taken=False,
        )


@insurers_app.command("list")
def list_insurers(
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """The insurers with their contracts."""
    with reporting_to(as_json, lang) as terminal:
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            kept = shop.insurers()
        terminal.report(
            {"insurers": [_insurer_facts(each) for each in kept], "warnings": terminal.warnings},
            [_insurer_line(terminal, each) for each in kept] or [terminal.say("no_insurers")],
            is_output_taken=False,
        )


@insurers_app.command("remove")
def remove_insurer(
    insurer_id: InsurerId,
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Forget an insurer, its token and its documents. Its settled claims stay."""
    with reporting_to(as_json, lang) as terminal:
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            shop.remove_insurer(insurer_id)
        terminal.report(
            {"insurer_id": insurer_id, "warnings": terminal.warnings},
            [plain(terminal.named("insurer_removed", insurer_id))],
            is_output_taken=False,
        )


@insurers_app.command("fetch")
def fetch_insurer(
    insurer_id: InsurerId,
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Get the insurer's contracts, tables and publications, and keep them to prove by."""
    with reporting_to(as_json, lang) as terminal:
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            kept = shop.fetch_insurer(insurer_id)
        terminal.report(
            _insurer_facts(kept) | {"warnings": terminal.warnings},
            [terminal.named("insurer_fetched", _insurer_line(terminal, kept))],
            is_output_taken=False,
        )


def _insurer_facts(profile: InsurerProfile) -> dict[str, Any]:
    """Without the token."""
    from optician.agent.insurers import described

    return described(profile)


def _insurer_line(terminal: Terminal, profile: InsurerProfile) -> str:
    told = terminal.say("never_fetched")
    if profile.fetched_at is not None:
        told = (
            f"{len(profile.contracts)} {terminal.say('contracts')}, "
            f"{len(profile.nomenclatures)} {terminal.say('tables')}, "
            f"{profile.publications} {terminal.say('publications')}, {moment(profile.fetched_at)}"
        )
    return plain(f"{profile.insurer_id}  {profile.name}  {profile.url}{terminal.mark(':')}{told}")


# -- queue ------------------------------------------------------------------------------------


@queue_app.command("list")
def list_queue(
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """What is to be sent, how often that was tried, and why it did not work."""
    with reporting_to(as_json, lang) as terminal:
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            waiting = shop.queue()
        _report_queue(terminal, {}, [], waiting)


@queue_app.command("send")
def send_queue(
    poll: Annotated[
        bool, typer.Option("--poll", help="Ask for news of claims and audits even if not due.")
    ] = False,
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Send what is due now, and hear the news where they are due."""
    with reporting_to(as_json, lang) as terminal:
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            from optician.agent.sender import Sender

            sender = Sender(shop)
            sent = sender.send_due()
            if poll:
                sender.poll(is_forced=True)
            waiting = shop.queue()
        _report_queue(
            terminal,
            {"sent": sent.done, "failed": sent.failed},
            [
                terminal.named("queue_sent", str(sent.done)),
                *([terminal.named("queue_failed", str(sent.failed))] if sent.failed else []),
            ],
            waiting,
        )


@queue_app.command("retry")
def retry_queue(
    claim_id: ClaimId,
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Whatever of a claim is to be sent is due now; `optician queue send` sends it."""
    with reporting_to(as_json, lang) as terminal:
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            record = shop.retry(claim_id)
        _report_claim(terminal, record)


def _report_queue(
    terminal: Terminal, facts: dict[str, Any], lines: list[str], waiting: list[QueueEntry]
) -> None:
    from optician.agent.answers import queue_facts

    told = [queue_line(terminal, entry) for entry in waiting]
    terminal.report(
        facts
        | {
            "waiting": [queue_facts(entry) for entry in waiting],
            "warnings": terminal.warnings,
        },
        [*lines, *(told or [terminal.say("queue_empty")])],
        is_output_taken=False,
    )


# -- claims -----------------------------------------------------------------------------------


@claims_app.command("list")
def list_claims(
    state: Annotated[str | None, typer.Option(help="Of one state only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most.")] = 50,
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """The claims, newest first."""
    with reporting_to(as_json, lang) as terminal:
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            records = shop.claims(state, limit=limit)
        from optician.agent.answers import claim_answer

        terminal.report(
            {
                "claims": [claim_answer(record).model_dump(mode="json") for record in records],
                "warnings": terminal.warnings,
            },
            [claim_line(terminal, record) for record in records] or [terminal.say("no_claims")],
            is_output_taken=False,
        )


@claims_app.command("show")
def show_claim(
    claim_id: ClaimId,
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """One claim: its state, what to do next, and what has happened to it."""
    with reporting_to(as_json, lang) as terminal:
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            record = shop.claim(claim_id)
        _report_claim(terminal, record, has_history=True)


@claims_app.command("invoice")
def invoice_claim(
    claim_id: ClaimId,
    date_of_delivery: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="When the articles were delivered.")
    ],
    lenses_cents: Annotated[
        int | None,
        typer.Option(min=0, max=10_000_000, help="To ask for less; default: the claim's."),
    ] = None,
    frame_cents: Annotated[
        int | None,
        typer.Option(min=0, max=10_000_000, help="To ask for less; default: the claim's."),
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0.0, max=600.0, help="Seconds to try to send it.")
    ] = 10.0,
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Sign the invoice of a granted claim, and send it."""
    with reporting_to(as_json, lang) as terminal:
        day = iso_day(date_of_delivery)
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            granted = shop.claim(claim_id).amounts
            amounts = asked_amounts(granted, lenses_cents, frame_cents)
            record = _sent(shop, shop.invoice(claim_id, day, amounts), wait)
        _report_claim(terminal, record)


@claims_app.command("cancel")
def cancel_claim(
    claim_id: ClaimId,
    wait: Annotated[
        float, typer.Option(min=0.0, max=600.0, help="Seconds to try to send it.")
    ] = 10.0,
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Take a claim back. One that was never sent is not sent any more."""
    with reporting_to(as_json, lang) as terminal:
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            record = _sent(shop, shop.cancel(claim_id), wait)
        _report_claim(terminal, record)


def _sent(shop: Shop, record: ClaimRecord, wait: float) -> ClaimRecord:
    if wait <= 0 or not record.waiting:
        return record
    from optician.agent.sender import Sender

    Sender(shop).send_claim(record.claim_id, wait)
    return shop.claim(record.claim_id)


def _report_claim(terminal: Terminal, record: ClaimRecord, *, has_history: bool = False) -> None:
    from optician.agent.answers import claim_answer

    lines = claim_lines(terminal, record)
    if has_history:
        lines.append(f"{terminal.say('openings_until')} {record.openings_until}")
        lines += [
            plain(f"  {moment(event.at)}  {event.kind}  {json.dumps(dict(event.facts))}")
            for event in record.history
        ]
    facts = claim_answer(record).model_dump(mode="json")
    terminal.report(facts, lines, is_output_taken=False)


# -- openings ---------------------------------------------------------------------------------


@openings_app.command("erase")
def erase_openings(
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Erase what claims hide whose time is over, unless an audit of them is open."""
    with reporting_to(as_json, lang) as terminal:
        with open_shop(terminal, vault, passphrase_file, keyring) as shop:
            erased = shop.erase_due()
        terminal.report(
            {"erased": erased, "warnings": terminal.warnings},
            [terminal.named("openings_erased", claim_id) for claim_id in erased]
            or [terminal.say("nothing_to_erase")],
            is_output_taken=False,
        )
