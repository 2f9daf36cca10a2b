"""The command for point-of-sale software: `optician claim --json < sale.json`.

It needs no running agent: it opens the vault, proves, keeps the claim, and tries to send it. What
could not be sent goes with the next command, or with the agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.inputs import check_inputs, read_input
from console.running import UsageError
from optician.agent.terminal import claim_lines, opened_vault, shop_on, telling_shop
from optician.terminal import AsJson, Lang, Terminal, blaming, reporting_to
from optician.vault.options import Keyring, PassphraseFile, VaultFile

if TYPE_CHECKING:
    from optician.agent.records import ClaimRecord
    from optician.vault import Vault

EXIT_CODES = {
    **dict.fromkeys(("granted", "payable"), 0),
    **dict.fromkeys(("refused", "cancelled", "expired"), 1),
    **dict.fromkeys(("pending", "sent", "attestation_overdue"), 4),
}
"""By the claim's state; 2 and 3 are those of every command."""

UNDECIDED = 4
MAX_ORDER_BYTES = 64 * 2**10
DEFAULT_WAIT = 10.0


def claim(
    order_file: Annotated[
        str, typer.Argument(metavar="[SALE.json]", help="The sale, - for input.")
    ] = "-",
    wait: Annotated[
        float,
        typer.Option(min=0.0, max=600.0, help="Seconds to try to send it; 0: only keep it."),
    ] = DEFAULT_WAIT,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Claim anew for a sale whose claim was refused, cancelled or expired."
        ),
    ] = False,
    vault: VaultFile = None,
    passphrase_file: PassphraseFile = None,
    keyring: Keyring = False,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Claim for a sale: prove it, keep it in the vault, send it if the line is up.

    The same sale_id again gives what has become of its claim. Exit codes: 0 granted or payable,
    1 refused, cancelled or expired, 4 pending or with the insurer, 2 not done.
    """
    with reporting_to(as_json, lang) as terminal:
        if order_file == "-" and passphrase_file == "-":
            raise UsageError("only one file can be read from standard input")
        check_inputs([order_file])
        data = read_input(order_file, MAX_ORDER_BYTES)
        with opened_vault(terminal, vault, passphrase_file, keyring) as opened:
            record = _claim(terminal, opened, data, wait, again)
        _report(terminal, record)
    # Out here, after the output was flushed: a reader that left is noticed.
    raise typer.Exit(EXIT_CODES.get(record.state, UNDECIDED))


def _claim(terminal: Terminal, vault: Vault, data: bytes, wait: float, again: bool) -> ClaimRecord:
    from optician.order import parse_order

    with blaming("sale"):
        order = parse_order(data)
    with telling_shop(terminal, vault):
        shop = shop_on(vault)
        record = shop.make(order, again=again)
        if wait > 0 and record.waiting:
            from optician.agent.sender import Sender

            Sender(shop).send_claim(record.claim_id, wait)
            record = shop.claim(record.claim_id)
    return record


def _report(terminal: Terminal, record: ClaimRecord) -> None:
    from optician.agent.answers import claim_answer

    facts = claim_answer(record).model_dump(mode="json")
    terminal.report(facts, claim_lines(terminal, record), is_output_taken=False)
