"""The optician's commands that speak with the insurer's service: submit, status, invoice, cancel,
fetch.

The token comes from a file or the environment, never from the command line, where others on the
machine could read it. Nothing is sent that is not a claim, or a notice of one: the wrong file stays
in the shop. What the service says in words is shown, and never acted upon.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from console.inputs import STANDARD, check_inputs, read_input
from console.outputs import check_files, is_readable_by_others, write_output
from console.running import CommandError, UsageError, plain
from optician.messages import (
    ATTESTATION_PROBLEMS,
    ATTESTER_PROBLEMS,
    AUDIT_PROBLEMS,
    NEXT_STEPS,
    NO_NEXT_STEP,
    NOTICE_PROBLEMS,
    PROBLEMS,
    in_language,
)
from optician.terminal import AsJson, Force, Lang, Terminal, blaming, reporting_to

if TYPE_CHECKING:
    from datetime import date, datetime

    from circuits.attestation import Attestation
    from circuits.claim import Claim, ClaimAmounts
    from console.answers import Titles
    from optician.answers import Amounts, ClaimAnswer, MissingAttestation, VerdictAnswer
    from optician.client import ServiceClient, ServiceProblem
    from optician.identity import Identity

EXIT_CODES = {"granted": 0, "refused": 1, "pending": 4}
"""Of `submit`, by verdict; 2 and 3 are those of every command."""

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


# -- submit -----------------------------------------------------------------------------------


def submit(
    claim_file: ClaimFile,
    to: Service,
    attestation_files: Annotated[
        list[str] | None,
        typer.Option(
            "--attestation",
            metavar="FILE",
            help="An attestation that the contract asks for with the claim; may be repeated.",
        ),
    ] = None,
    token_file: TokenFile = None,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Send a claim, and show the insurer's verdict. The same claim again gets the same verdict.

    Exit codes: 0 granted, 1 refused, 4 pending, 2 not done.
    """
    with reporting_to(as_json, lang) as terminal:
        names = attestation_files or []
        check_inputs([claim_file, token_file, *names])
        claim = _read_claim(claim_file)
        attestations = [_read_attestation(name, claim) for name in names]
        with _service(terminal, to, token_file, retries, timeout) as client:
            verdict = client.submit_claim(claim, attestations)
        terminal.report(
            _facts(verdict) | {"warnings": terminal.warnings},
            _verdict_lines(terminal, verdict),
            is_output_taken=False,
        )
    # Out here, after the output was flushed: a reader that left is noticed.
    raise typer.Exit(EXIT_CODES[verdict.verdict])


def _verdict_lines(terminal: Terminal, verdict: VerdictAnswer) -> list[str]:
    line = f"{_state(terminal, verdict.verdict)}  {verdict.claim_id}"
    lines = [line]
    if verdict.verdict == "granted" and verdict.granted_until is not None:
        lines = [
            f"{line}{terminal.mark(':')}{terminal.say('granted_until')} "
            f"{_moment(verdict.granted_until)}" + _amounts_text(terminal, verdict.amounts),
            terminal.named("to_do", terminal.say("send_invoice")),
        ]
        if verdict.attest_by is not None:
            lines.append(f"{terminal.say('attest_by')} {_moment(verdict.attest_by)}")
            lines.append(terminal.named("to_do", terminal.say("attest_how")))
    elif verdict.reason is not None:
        titles = verdict.reason_titles
        title = _in_language(terminal, titles) if titles is not None else verdict.reason
        lines = [f"{line}{terminal.mark(':')}{title}"]
        if verdict.detail:
            lines.append(terminal.named("detail", verdict.detail))
        advice = NEXT_STEPS.get(verdict.reason, NO_NEXT_STEP)
        lines.append(terminal.named("to_do", in_language(advice, terminal.language)))
    return [plain(text) for text in [*lines, _in_language(terminal, verdict.notice)]]


# -- status -----------------------------------------------------------------------------------


def status(
    claim_id: Annotated[str, typer.Argument(help="Identifier of a claim that was sent.")],
    to: Service,
    token_file: TokenFile = None,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Show what has become of a claim since its verdict."""
    with reporting_to(as_json, lang) as terminal:
        with _service(terminal, to, token_file, retries, timeout) as client:
            claim = client.claim(claim_id)
        since = f"{terminal.say('since')} {_moment(claim.state_since)}"
        amounts = _amounts_text(terminal, claim.invoiced_amounts or claim.amounts)
        line = f"{_state(terminal, claim.state)}  {claim.claim_id}"
        lines = [f"{line}{terminal.mark(':')}{since}{amounts}"]
        if claim.state == "granted" and claim.granted_until is not None:
            lines.append(f"{terminal.say('granted_until')} {_moment(claim.granted_until)}")
        lines += _missing_lines(terminal, claim)
        facts = {name: value for name, value in _facts(claim).items() if name in _SUMMARY}
        terminal.report(
            facts | {"warnings": terminal.warnings},
            [plain(line) for line in lines],
            is_output_taken=False,
        )


def _missing_lines(terminal: Terminal, claim: ClaimAnswer) -> list[str]:
    """What is still to be attested, where anything of it has a last instant."""
    if claim.attest_by is None:
        return []
    lines = [f"{terminal.say('attest_by')} {_moment(claim.attest_by)}"]
    for duty in claim.attestations.due:
        if duty.met_by is None and duty.due_at is not None:
            lines.append(terminal.named("to_attest", missing_text(terminal, duty)))
    return lines


def missing_text(terminal: Terminal, missing: MissingAttestation) -> str:
    """Line, slots, attesters and, if there is one, the last instant."""
    told = f"{terminal.say('line')} {missing.line}, {', '.join(missing.slots)}, "
    told += " / ".join(missing.attesters)
    return told if missing.due_at is None else f"{told}, {_moment(missing.due_at)}"


_SUMMARY = (
    *("claim_id", "claim_digest", "optician_id", "contract_id", "statement", "date_of_service"),
    *("received_at", "verdict", "reason", "state", "state_since", "granted_until", "amounts"),
    *("invoiced_amounts", "attest_by", "attestations"),
)


# -- invoice and cancel -----------------------------------------------------------------------


def invoice(
    claim_file: ClaimFile,
    key_file: KeyFile,
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
    to: OptionalService = None,
    token_file: TokenFile = None,
    out: OptionalOut = None,
    force: Force = False,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Sign the invoice of a granted claim; send it, write it, or both.

    The same options make the same bytes: after a broken connection, simply do it again.
    """
    with reporting_to(as_json, lang) as terminal:
        _check_destination(to, out, [claim_file, key_file, token_file], force)
        day = _day(date_of_delivery)
        from circuits.notices import encode_invoice
        from optician.notices import make_invoice

        claim, identity = _read_claim(claim_file), _read_key(terminal, key_file)
        with blaming("notice"):
            notice = make_invoice(
                claim, identity, day, _asked_amounts(claim, lenses_cents, frame_cents)
            )
        data, answer = encode_invoice(notice), None
        if out is not None:
            write_output(out, data, replace=force)
        if to is not None:
            with _service(terminal, to, token_file, retries, timeout) as client:
                answer = client.invoice(claim.claim_id, data)
        amounts = None if notice.amounts is None else notice.amounts.model_dump()
        done = "invoice_made" if answer is None else "invoice_taken"
        terminal.report(
            {
                "claim_id": claim.claim_id,
                "date_of_delivery": day.isoformat(),
                "amounts": amounts,
                "invoice_file": out,
                "answer": None if answer is None else _facts(answer),
                "warnings": terminal.warnings,
            },
            [
                terminal.named(done, f"{claim.claim_id}, {terminal.say('delivered')} {day}")
                + _amounts_text(terminal, notice.amounts),
                *_written_lines(terminal, out),
                *([] if answer is None else [plain(_in_language(terminal, answer.notice))]),
            ],
            is_output_taken=out == STANDARD,
        )


def cancel(
    claim_file: ClaimFile,
    key_file: KeyFile,
    to: OptionalService = None,
    token_file: TokenFile = None,
    out: OptionalOut = None,
    force: Force = False,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Sign that a granted or pending claim is taken back; send it, write it, or both."""
    with reporting_to(as_json, lang) as terminal:
        _check_destination(to, out, [claim_file, key_file, token_file], force)
        from circuits.notices import encode_cancellation
        from optician.notices import make_cancellation

        claim, identity = _read_claim(claim_file), _read_key(terminal, key_file)
        with blaming("notice"):
            notice = make_cancellation(claim, identity)
        data, answer = encode_cancellation(notice), None
        if out is not None:
            write_output(out, data, replace=force)
        if to is not None:
            with _service(terminal, to, token_file, retries, timeout) as client:
                answer = client.cancel(claim.claim_id, data)
        done = "cancellation_made" if answer is None else "cancellation_taken"
        terminal.report(
            {
                "claim_id": claim.claim_id,
                "cancellation_file": out,
                "answer": None if answer is None else _facts(answer),
                "warnings": terminal.warnings,
            },
            [terminal.named(done, claim.claim_id), *_written_lines(terminal, out)],
            is_output_taken=out == STANDARD,
        )


def _check_destination(
    to: str | None, out: str | None, inputs: list[str | None], force: bool
) -> None:
    if to is None and out is None:
        raise UsageError("--to sends it, --out writes it: at least one of them is needed")
    outputs = [] if out is None else [out]
    check_files([name or "" for name in inputs], outputs, replace=force)


def _asked_amounts(claim: Claim, lenses: int | None, frame: int | None) -> ClaimAmounts | None:
    """What the options ask for; each that is not given is the claim's."""
    from circuits.claim import ClaimAmounts

    if lenses is None and frame is None:
        return None
    granted = claim.amounts or ClaimAmounts(lenses_cents=0, frame_cents=0)
    return ClaimAmounts(
        lenses_cents=granted.lenses_cents if lenses is None else lenses,
        frame_cents=granted.frame_cents if frame is None else frame,
    )


def _written_lines(terminal: Terminal, out: str | None) -> list[str]:
    if out is None or out == STANDARD:
        return []
    return [terminal.named("written", out)]


# -- fetch ------------------------------------------------------------------------------------


def fetch(
    what: Annotated[
        Literal["contract", "nomenclature"], typer.Argument(help="contract or nomenclature.")
    ],
    digest: Annotated[str, typer.Option(help="The digest that names it; it is checked.")],
    to: Service,
    out: Annotated[str, typer.Option(help="The file to make, - for output.")],
    publications_file: Annotated[
        str | None,
        typer.Option(
            "--publications", help="Fetch what publishers signed of it too, into this file."
        ),
    ] = None,
    token_file: TokenFile = None,
    force: Force = False,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Fetch the contract or the nomenclature that has a digest, to prove with.

    The digest is computed again from what came: whoever answers, it is the very document. Who
    published it is judged by `optician prove --trust`.
    """
    with reporting_to(as_json, lang) as terminal:
        outputs = [out] if publications_file is None else [out, publications_file]
        check_files([token_file or ""], outputs, replace=force)
        from circuits.canonical import canonical_bytes
        from optician.published import encode_publications

        with _service(terminal, to, token_file, retries, timeout) as client:
            if what == "contract":
                data = canonical_bytes(client.contract(digest).document)
            else:
                data = client.nomenclature_file(digest)
            published = client.publications(digest) if publications_file is not None else ()
        write_output(out, data, replace=force)
        lines = [terminal.named("fetched", f"{what} {digest}"), *_written_lines(terminal, out)]
        if publications_file is not None:
            write_output(publications_file, encode_publications(published), replace=force)
            lines += [
                terminal.named("publications", str(len(published))),
                *_written_lines(terminal, publications_file),
            ]
        terminal.report(
            {
                "digest": digest,
                "file": out,
                "bytes": len(data),
                "publications_file": publications_file,
                "publications": None if publications_file is None else len(published),
                "warnings": terminal.warnings,
            },
            lines,
            is_output_taken=STANDARD in outputs,
        )


# -- reading ----------------------------------------------------------------------------------


def _read_claim(name: str) -> Claim:
    from circuits.claim import MAX_CLAIM_BYTES, decode_claim

    with blaming("unreadable"):
        return decode_claim(read_input(name, MAX_CLAIM_BYTES + 1).removesuffix(b"\n"))


def _read_attestation(name: str, claim: Claim) -> Attestation:
    from circuits.attestation import MAX_ATTESTATION_BYTES, Attestation
    from circuits.signed import decode_signed

    with blaming("unreadable"):
        data = read_input(name, MAX_ATTESTATION_BYTES + 1).removesuffix(b"\n")
        attestation = decode_signed(Attestation, data)
    if attestation.claim_id != claim.claim_id:
        raise CommandError("unreadable", "attestation: of another claim")
    return attestation


def _read_key(terminal: Terminal, name: str) -> Identity:
    from optician.identity import MAX_IDENTITY_BYTES, Identity

    with blaming("unreadable"):
        identity = Identity.parse(read_input(name, MAX_IDENTITY_BYTES))
    if is_readable_by_others(name):
        terminal.warn("key_mode")
    return identity


def _read_token(terminal: Terminal, name: str | None) -> str:
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


def _day(text: str) -> date:
    from datetime import date

    with suppress(ValueError):
        day = date.fromisoformat(text)
        if day.isoformat() == text:  # of the forms of a date, one only
            return day
    raise CommandError("argument", "--date-of-delivery: not a date YYYY-MM-DD")


# -- asking -----------------------------------------------------------------------------------


@contextmanager
def _service(
    terminal: Terminal, to: str, token_file: str | None, retries: int, timeout: float
) -> Iterator[ServiceClient]:
    """The service; what goes wrong with it is a `CommandError`."""
    token = _read_token(terminal, token_file)
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


_BY_REASON = {
    "notice_refused": NOTICE_PROBLEMS,
    "attestation_refused": ATTESTATION_PROBLEMS,
    "audit_refused": AUDIT_PROBLEMS,
}


def _told(terminal: Terminal, problem: ServiceProblem, prefix: str) -> str:
    """What a refusal means for whoever sits at the command line, then what the service says."""
    terminal.problem = {
        "code": problem.code,
        "status": problem.status,
        "reason": problem.reason,
        "places": list(problem.places),
        "request_id": problem.request_id,
    }
    meaning = PROBLEMS.get(problem.code)
    if prefix == ATTESTER and problem.code in ATTESTER_PROBLEMS:
        meaning = ATTESTER_PROBLEMS[problem.code]
    by_reason = _BY_REASON.get(problem.code, {})
    if problem.reason in by_reason:
        meaning = by_reason[problem.reason]
    if meaning is not None:
        parts = [in_language(meaning, terminal.language), problem.detail]
    else:  # a newer service has problems that this program does not know
        parts = [problem.code, problem.titles[terminal.language], problem.detail]
    detail = ": ".join(part for part in parts if part)
    if problem.code == "attestation_refused" and (where := _numbered(terminal, problem.places)):
        detail += f", {where}"
    if problem.request_id is not None:
        detail += f" ({terminal.say('request')} {problem.request_id})"
    return detail


_NUMBERED = re.compile(r"(line|attestation)s\.([0-9]{1,3})", re.ASCII)


def _numbered(terminal: Terminal, places: Sequence[str]) -> str:
    """The lines or attestations among the places at fault, counted from 1 as people do."""
    found = [place for text in places if (place := _NUMBERED.fullmatch(text))]
    words = {"line": terminal.say("line"), "attestation": terminal.say("nth_attestation")}
    return ", ".join(f"{words[place[1]]} {int(place[2]) + 1}" for place in found)


# -- words ------------------------------------------------------------------------------------


def _facts(answer: Any) -> dict[str, Any]:
    from console.answers import facts_of

    return facts_of(answer)


def _in_language(terminal: Terminal, titles: Titles) -> str:
    return titles.fr if terminal.language == "fr" else titles.en


def _state(terminal: Terminal, state: str) -> str:
    """A state or a verdict in words; a newer service may know more of them."""
    return terminal.say(_STATES[state]) if state in _STATES else state


_STATES = {"refused": "refused_claim"} | {
    name: name
    for name in ("granted", "pending", "payable", "cancelled", "expired", "attestation_overdue")
}


def _moment(instant: datetime) -> str:
    from datetime import UTC

    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _amounts_text(terminal: Terminal, amounts: Amounts | ClaimAmounts | None) -> str:
    if amounts is None:
        return ""
    return (
        f", {terminal.say('lenses')} {terminal.euros(amounts.lenses_cents)}, "
        f"{terminal.say('frame')} {terminal.euros(amounts.frame_cents)}"
    )
