"""How the agent's commands open the shop, and how its refusals are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from console.running import CommandError, plain
from optician.asking import amounts_text, moment, state_word
from optician.messages import ORDER_PROBLEMS, in_language
from optician.terminal import Terminal
from optician.vault.options import open_vault, telling, vault_path

if TYPE_CHECKING:
    from optician.agent.records import ClaimRecord, Problem, QueueEntry, Texts
    from optician.agent.shop import Shop
    from optician.vault import Vault

ClaimId = Annotated[str, typer.Argument(metavar="CLAIM_ID", help="The claim's number.")]
InsurerId = Annotated[str, typer.Argument(metavar="INSURER_ID", help="The insurer's identifier.")]


@contextmanager
def open_shop(
    terminal: Terminal, vault: str | None, passphrase_file: str | None, keyring: bool
) -> Iterator[Shop]:
    """The shop on the vault that the options name; what it refuses is a `CommandError`."""
    with (
        opened_vault(terminal, vault, passphrase_file, keyring) as opened,
        telling_shop(terminal, opened),
    ):
        yield shop_on(opened)


@contextmanager
def opened_vault(
    terminal: Terminal, vault: str | None, passphrase_file: str | None, keyring: bool
) -> Iterator[Vault]:
    """The vault, locked again at the end. Nothing heavy is loaded before it is open: a wrong
    passphrase is told at once."""
    with open_vault(terminal, vault_path(vault), passphrase_file, keyring) as opened:
        yield opened


def shop_on(vault: Vault) -> Shop:
    """The shop on an open vault."""
    from optician.agent.shop import Shop

    return Shop(vault)


@contextmanager
def telling_shop(terminal: Terminal, vault: Vault) -> Iterator[None]:
    """What the shop refuses is a `CommandError` of kind "shop", with the code for JSON."""
    from optician.agent.errors import ShopError
    from optician.order import OrderError

    try:
        with telling(vault.path):
            yield
    except ShopError as error:
        told = [error.titles[terminal.language], error.detail]
        code, places, titles = error.code, error.places, error.titles
    except OrderError as error:
        words = ORDER_PROBLEMS[error.code]
        told = [in_language(words, terminal.language)]
        code, places = error.code, (error.place,)
        titles = {"en": words[0], "fr": words[1]}
    else:
        return
    terminal.problem = {"code": code, "titles": titles, "places": list(places)}
    where = f" ({', '.join(places)})" if places else ""
    raise CommandError("shop", ": ".join(part for part in told if part) + where)


# -- words ------------------------------------------------------------------------------------


def texts_in(terminal: Terminal, texts: Texts) -> str:
    """One of the two."""
    return texts[terminal.language]


def claim_line(terminal: Terminal, record: ClaimRecord) -> str:
    """A claim in a listing."""
    amounts = amounts_text(terminal, record.invoiced or record.amounts)
    about = f"{record.sale_id}, {record.date_of_service}, {record.insurer_id}{amounts}"
    word = state_word(terminal, record.state)
    return plain(f"{word}  {record.claim_id}{terminal.mark(':')}{about}")


def claim_lines(terminal: Terminal, record: ClaimRecord) -> list[str]:
    """A claim with what the optician does next."""
    lines = [claim_line(terminal, record)]
    for hiding in record.hides_among:
        where = hiding.regroupement or terminal.say("lenses")
        among = f"{hiding.codes} {terminal.say('codes')}"
        if hiding.cells:
            among = f"{hiding.cells} {terminal.say('cells')}, {among}"
        lines.append(terminal.named("hides_among", f"{where}{terminal.mark(':')}{among}"))
    if record.reason_titles is not None:
        lines.append(texts_in(terminal, record.reason_titles))
    if record.detail:
        lines.append(terminal.named("detail", record.detail))
    if record.state == "granted" and record.granted_until is not None:
        lines.append(f"{terminal.say('granted_until')} {moment(record.granted_until)}")
    if record.attest_by is not None:
        lines.append(f"{terminal.say('attest_by')} {moment(record.attest_by)}")
    lines += [queue_line(terminal, entry) for entry in record.waiting]
    if record.next_step is not None:
        lines.append(terminal.named("to_do", texts_in(terminal, record.next_step)))
    return [plain(line) for line in lines]


def queue_line(terminal: Terminal, entry: QueueEntry) -> str:
    """Something that waits, and until when."""
    told = f"{terminal.say(f'kind_{entry.kind}')} {entry.claim_id}"
    due = terminal.say("not_before_asked")
    if entry.due_at is not None:
        due = f"{terminal.say('next_attempt')} {moment(entry.due_at)}"
    told = f"{told}, {due}, {entry.attempts} {terminal.say('attempts')}"
    if entry.problem is not None:
        told += f"{terminal.mark(':')}{problem_text(terminal, entry.problem)}"
    return plain(terminal.named("to_be_sent", told))


def problem_text(terminal: Terminal, problem: Problem) -> str:
    """Why sending did not work."""
    title = texts_in(terminal, problem.titles)
    return f"{title}{terminal.mark(':')}{problem.detail}" if problem.detail else title
