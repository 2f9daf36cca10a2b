"""The optician's commands that speak with the insurer's service: submit, status, invoice, cancel,
fetch.

The token comes from a file or the environment, never from the command line, where others on the
machine could read it. Nothing is sent that is not a claim, or a notice of one: the wrong file stays
in the shop. What the service says in words is shown, and never acted upon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from console.inputs import STANDARD, check_inputs
from console.outputs import check_files, write_output
from console.running import UsageError, plain
from optician.asking import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    ClaimFile,
    KeyFile,
    OptionalOut,
    OptionalService,
    Retries,
    Service,
    Timeout,
    TokenFile,
    amounts_text,
    answer_facts,
    asked_amounts,
    asked_service,
    iso_day,
    missing_text,
    moment,
    read_attestation,
    read_claim,
    read_key,
    state_word,
    titled,
    written_lines,
)
from optician.messages import (
    NEXT_STEPS,
    NO_NEXT_STEP,
    in_language,
)
from optician.terminal import AsJson, Force, Lang, Terminal, blaming, reporting_to

if TYPE_CHECKING:
    from optician.answers import ClaimAnswer, VerdictAnswer

EXIT_CODES = {"granted": 0, "refused": 1, "pending": 4}
"""Of `submit`, by verdict; 2 and 3 are those of every command."""

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
        claim = read_claim(claim_file)
        attestations = [read_attestation(name, claim) for name in names]
        with asked_service(terminal, to, token_file, retries, timeout) as client:
            verdict = client.submit_claim(claim, attestations)
        terminal.report(
            answer_facts(verdict) | {"warnings": terminal.warnings},
            _verdict_lines(terminal, verdict),
            is_output_taken=False,
        )
    # Out here, after the output was flushed: a reader that left is noticed.
    raise typer.Exit(EXIT_CODES[verdict.verdict])


def _verdict_lines(terminal: Terminal, verdict: VerdictAnswer) -> list[str]:
    line = f"{state_word(terminal, verdict.verdict)}  {verdict.claim_id}"
    lines = [line]
    if verdict.verdict == "granted" and verdict.granted_until is not None:
        lines = [
            f"{line}{terminal.mark(':')}{terminal.say('granted_until')} "
            f"{moment(verdict.granted_until)}" + amounts_text(terminal, verdict.amounts),
            terminal.named("to_do", terminal.say("send_invoice")),
        ]
        if verdict.attest_by is not None:
            lines.append(f"{terminal.say('attest_by')} {moment(verdict.attest_by)}")
            lines.append(terminal.named("to_do", terminal.say("attest_how")))
    elif verdict.reason is not None:
        titles = verdict.reason_titles
        title = titled(terminal, titles) if titles is not None else verdict.reason
        lines = [f"{line}{terminal.mark(':')}{title}"]
        if verdict.detail:
            lines.append(terminal.named("detail", verdict.detail))
        advice = NEXT_STEPS.get(verdict.reason, NO_NEXT_STEP)
        lines.append(terminal.named("to_do", in_language(advice, terminal.language)))
    return [plain(text) for text in [*lines, titled(terminal, verdict.notice)]]


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
        with asked_service(terminal, to, token_file, retries, timeout) as client:
            claim = client.claim(claim_id)
        since = f"{terminal.say('since')} {moment(claim.state_since)}"
        amounts = amounts_text(terminal, claim.invoiced_amounts or claim.amounts)
        line = f"{state_word(terminal, claim.state)}  {claim.claim_id}"
        lines = [f"{line}{terminal.mark(':')}{since}{amounts}"]
        if claim.state == "granted" and claim.granted_until is not None:
            lines.append(f"{terminal.say('granted_until')} {moment(claim.granted_until)}")
        lines += _missing_lines(terminal, claim)
        facts = {name: value for name, value in answer_facts(claim).items() if name in _SUMMARY}
        terminal.report(
            facts | {"warnings": terminal.warnings},
            [plain(line) for line in lines],
            is_output_taken=False,
        )


def _missing_lines(terminal: Terminal, claim: ClaimAnswer) -> list[str]:
    """What is still to be attested, where anything of it has a last instant."""
    if claim.attest_by is None:
        return []
    lines = [f"{terminal.say('attest_by')} {moment(claim.attest_by)}"]
    for duty in claim.attestations.due:
        if duty.met_by is None and duty.due_at is not None:
            lines.append(terminal.named("to_attest", missing_text(terminal, duty)))
    return lines


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
        day = iso_day(date_of_delivery)
        from circuits.notices import encode_invoice
        from optician.notices import make_invoice

        claim, identity = read_claim(claim_file), read_key(terminal, key_file)
        with blaming("notice"):
            notice = make_invoice(
                claim, identity, day, asked_amounts(claim.amounts, lenses_cents, frame_cents)
            )
        data, answer = encode_invoice(notice), None
        if out is not None:
            write_output(out, data, replace=force)
        if to is not None:
            with asked_service(terminal, to, token_file, retries, timeout) as client:
                answer = client.invoice(claim.claim_id, data)
        amounts = None if notice.amounts is None else notice.amounts.model_dump()
        done = "invoice_made" if answer is None else "invoice_taken"
        terminal.report(
            {
                "claim_id": claim.claim_id,
                "date_of_delivery": day.isoformat(),
                "amounts": amounts,
                "invoice_file": out,
                "answer": None if answer is None else answer_facts(answer),
                "warnings": terminal.warnings,
            },
            [
                terminal.named(done, f"{claim.claim_id}, {terminal.say('delivered')} {day}")
                + amounts_text(terminal, notice.amounts),
                *written_lines(terminal, out),
                *([] if answer is None else [plain(titled(terminal, answer.notice))]),
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

        claim, identity = read_claim(claim_file), read_key(terminal, key_file)
        with blaming("notice"):
            notice = make_cancellation(claim, identity)
        data, answer = encode_cancellation(notice), None
        if out is not None:
            write_output(out, data, replace=force)
        if to is not None:
            with asked_service(terminal, to, token_file, retries, timeout) as client:
                answer = client.cancel(claim.claim_id, data)
        done = "cancellation_made" if answer is None else "cancellation_taken"
        terminal.report(
            {
                "claim_id": claim.claim_id,
                "cancellation_file": out,
                "answer": None if answer is None else answer_facts(answer),
                "warnings": terminal.warnings,
            },
            [terminal.named(done, claim.claim_id), *written_lines(terminal, out)],
            is_output_taken=out == STANDARD,
        )


def _check_destination(
    to: str | None, out: str | None, inputs: list[str | None], force: bool
) -> None:
    if to is None and out is None:
        raise UsageError("--to sends it, --out writes it: at least one of them is needed")
    outputs = [] if out is None else [out]
    check_files([name or "" for name in inputs], outputs, replace=force)


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

        with asked_service(terminal, to, token_file, retries, timeout) as client:
            if what == "contract":
                data = canonical_bytes(client.contract(digest).document)
            else:
                data = client.nomenclature_file(digest)
            published = client.publications(digest) if publications_file is not None else ()
        write_output(out, data, replace=force)
        lines = [terminal.named("fetched", f"{what} {digest}"), *written_lines(terminal, out)]
        if publications_file is not None:
            write_output(publications_file, encode_publications(published), replace=force)
            lines += [
                terminal.named("publications", str(len(published))),
                *written_lines(terminal, publications_file),
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
