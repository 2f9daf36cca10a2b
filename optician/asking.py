"""What the commands that speak with a service share: their options, the files they read, the
service itself, and how its answers and refusals are told.

The token comes from a file or the environment, never from the command line, where others on the
machine could read it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.inputs import STANDARD, read_input
from console.outputs import is_readable_by_others
from console.running import CommandError, UsageError
from optician.messages import in_language
from optician.problems import meaning_of, numbered
from optician.terminal import Terminal, blaming

if TYPE_CHECKING:
    from datetime import date, datetime

    from circuits.attestation import Attestation
    from circuits.claim import Claim, ClaimAmounts
    from circuits.trust import Trust
    from console.answers import Titles
    from optician.agent.records import AmountsFacts
    from optician.answers import Amounts, MissingAttestation
    from optician.client import ServiceClient, ServiceProblem
    from optician.identity import Identity

TOKEN_VARIABLE = "CLAIROBSCUR_TOKEN"
MAX_TOKEN_BYTES = 1024

# Those of `console.calls`, which is not loaded for a help page.
DEFAULT_RETRIES = 4
DEFAULT_TIMEOUT = 60.0

ClaimFile = Annotated[str, typer.Argument(metavar="CLAIM.json", help="The claim, - for input.")]
KeyFile = Annotated[str, typer.Option("--key", help="The secret key file of `keygen`.")]
Service = Annotated[str, typer.Option("--to", metavar="URL", help="The insurer's service.")]
OptionalService = Annotated[
    str | None, typer.Option("--to", metavar="URL", help="The insurer's service.")
]
TokenFile = Annotated[
    str | None,
    typer.Option(help=f"File with the token; default: the environment's {TOKEN_VARIABLE}."),
]
Retries = Annotated[int, typer.Option(min=0, max=20, help="How often to try again.")]
Timeout = Annotated[
    float, typer.Option(min=1.0, max=600.0, help="Seconds of silence before trying again.")
]
OptionalOut = Annotated[
    str | None, typer.Option("--out", help="File to write it to, before it is sent if it is.")
]


# -- reading ----------------------------------------------------------------------------------


def read_claim(name: str) -> Claim:
    """The claim in a file."""
    from circuits.claim import MAX_CLAIM_BYTES, decode_claim

    with blaming("unreadable"):
        return decode_claim(read_input(name, MAX_CLAIM_BYTES + 1).removesuffix(b"\n"))


def read_attestation(name: str, claim: Claim) -> Attestation:
    """The attestation in a file, which must be of ``claim``."""
    from circuits.attestation import MAX_ATTESTATION_BYTES, Attestation
    from circuits.signed import decode_signed

    with blaming("unreadable"):
        data = read_input(name, MAX_ATTESTATION_BYTES + 1).removesuffix(b"\n")
        attestation = decode_signed(Attestation, data)
    if attestation.claim_id != claim.claim_id:
        raise CommandError("unreadable", "attestation: of another claim")
    return attestation


def read_key(terminal: Terminal, name: str) -> Identity:
    """The key file, with a warning if others can read it."""
    from optician.identity import MAX_IDENTITY_BYTES, Identity

    with blaming("unreadable"):
        identity = Identity.parse(read_input(name, MAX_IDENTITY_BYTES))
    if is_readable_by_others(name):
        terminal.warn("key_mode")
    return identity


def read_token(terminal: Terminal, name: str | None) -> str:
    if name is None:
        token = os.environ.get(TOKEN_VARIABLE, "")
        if not token:
            raise UsageError(f"a token is needed: --token-file, or {TOKEN_VARIABLE} is set")
        return token.strip()
    data = read_input(name, MAX_TOKEN_BYTES)
    if is_readable_by_others(name):
        terminal.warn("token_mode")
    try:
        token = data.decode("ascii").strip()
    except UnicodeDecodeError:
        token = ""
    if not token or len(data) > MAX_TOKEN_BYTES:
        raise CommandError("unreadable", "token file: no token in it")
    return token


def read_trust(name: str | None) -> Trust | None:
    """The trust list in a file; None without one."""
    if name is None:
        return None
    from circuits.trust import MAX_TRUST_BYTES, parse_trust

    with blaming("unreadable"):
        return parse_trust(read_input(name, MAX_TRUST_BYTES))


def iso_day(text: str) -> date:
    """The option --date-of-delivery. Raises `CommandError`."""
    from datetime import date

    with suppress(ValueError):
        day = date.fromisoformat(text)
        if day.isoformat() == text:  # of the forms of a date, one only
            return day
    raise CommandError("argument", "--date-of-delivery: not a date YYYY-MM-DD")


def asked_amounts(
    granted: ClaimAmounts | AmountsFacts | None, lenses: int | None, frame: int | None
) -> ClaimAmounts | None:
    """What the options of an invoice ask for, cents; each that is not given is the claim's."""
    from circuits.claim import ClaimAmounts

    if lenses is None and frame is None:
        return None
    of_lenses, of_frame = (0, 0) if granted is None else (granted.lenses_cents, granted.frame_cents)
    return ClaimAmounts(
        lenses_cents=of_lenses if lenses is None else lenses,
        frame_cents=of_frame if frame is None else frame,
    )


# -- asking -----------------------------------------------------------------------------------


@contextmanager
def asked_service(
    terminal: Terminal, to: str, token_file: str | None, retries: int, timeout: float
) -> Iterator[ServiceClient]:
    """The service; what goes wrong with it is a `CommandError`."""
    token = read_token(terminal, token_file)
    from optician.client import ServiceClient

    with (
        telling_faults(terminal),
        ServiceClient(to, token, retries=retries, timeout=timeout) as client,
    ):
        yield client


ATTESTER = "attester_"
"""Before the kind of an error of the attester's service."""


@contextmanager
def telling_faults(terminal: Terminal, prefix: str = "") -> Iterator[None]:
    """What goes wrong with a service is a `CommandError`; ``prefix`` is set before its kind where
    the service is not the insurer's."""
    from console.calls import (
        ServiceAnswerInvalid,
        ServiceArgumentInvalid,
        ServiceProblem,
        ServiceUnreachable,
    )

    try:
        yield
    except ServiceArgumentInvalid as error:
        raise CommandError("argument", str(error)) from None
    except ServiceUnreachable as error:
        raise CommandError(f"{prefix}unreachable", str(error)) from None
    except ServiceAnswerInvalid as error:
        raise CommandError(f"{prefix}answer", str(error)) from None
    except ServiceProblem as error:
        raise CommandError(f"{prefix}problem", _told(terminal, error, prefix)) from None


def _told(terminal: Terminal, problem: ServiceProblem, prefix: str) -> str:
    """What a refusal means for whoever sits at the command line, then what the service says."""
    terminal.problem = {
        "code": problem.code,
        "status": problem.status,
        "reason": problem.reason,
        "places": list(problem.places),
        "request_id": problem.request_id,
    }
    meaning = meaning_of(problem.code, problem.reason, is_attester=prefix == ATTESTER)
    if meaning is not None:
        parts = [in_language(meaning, terminal.language), problem.detail]
    else:  # a newer service has problems that this program does not know
        parts = [problem.code, problem.titles[terminal.language], problem.detail]
    detail = ": ".join(part for part in parts if part)
    if problem.code == "attestation_refused" and (
        where := numbered(problem.places, terminal.say("line"), terminal.say("nth_attestation"))
    ):
        detail += f", {where}"
    if problem.request_id is not None:
        detail += f" ({terminal.say('request')} {problem.request_id})"
    return detail


# -- words ------------------------------------------------------------------------------------


def answer_facts(answer: Any) -> dict[str, Any]:
    """An answer as JSON data."""
    from console.answers import facts_of

    return facts_of(answer)


def titled(terminal: Terminal, titles: Titles) -> str:
    """One of the two titles."""
    return titles.fr if terminal.language == "fr" else titles.en


def state_word(terminal: Terminal, state: str) -> str:
    """A state or a verdict in words; a newer service may know more of them."""
    return terminal.say(_STATES[state]) if state in _STATES else state


_STATES = {"refused": "refused_claim"} | {
    name: name
    for name in (
        *("granted", "pending", "sent", "payable", "cancelled", "expired"),
        "attestation_overdue",
    )
}


def moment(instant: datetime) -> str:
    """An instant as people read it: UTC, to the minute."""
    from datetime import UTC

    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def amounts_text(terminal: Terminal, amounts: Amounts | ClaimAmounts | AmountsFacts | None) -> str:
    """The amounts with a comma before them; nothing if there are none."""
    if amounts is None:
        return ""
    return (
        f", {terminal.say('lenses')} {terminal.euros(amounts.lenses_cents)}, "
        f"{terminal.say('frame')} {terminal.euros(amounts.frame_cents)}"
    )


def missing_text(terminal: Terminal, missing: MissingAttestation) -> str:
    """Line, slots, attesters and, if there is one, the last instant."""
    told = f"{terminal.say('line')} {missing.line}, {', '.join(missing.slots)}, "
    told += " / ".join(missing.attesters)
    return told if missing.due_at is None else f"{told}, {moment(missing.due_at)}"


def written_lines(terminal: Terminal, out: str | None) -> list[str]:
    """The line that tells a file was written; none for standard output."""
    if out is None or out == STANDARD:
        return []
    return [terminal.named("written", out)]
