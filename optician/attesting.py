"""The optician's command that asks an attester to confirm a line: attest.

The request goes to the attester alone, the attestation to the insurer alone: neither learns what
the other is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.inputs import STANDARD, read_input
from console.outputs import check_files, write_output
from console.running import CommandError, UsageError, plain
from optician.asking import (
    ATTESTER,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    ClaimFile,
    KeyFile,
    OptionalService,
    Retries,
    Timeout,
    TokenFile,
    answer_facts,
    asked_service,
    missing_text,
    moment,
    read_claim,
    read_key,
    read_trust,
    telling_faults,
    written_lines,
)
from optician.terminal import AsJson, Force, Lang, Terminal, blaming, reporting_to
from zk.errors import ProofRejected

if TYPE_CHECKING:
    from optician.answers import AttestationAnswer

REVEALED = ("code", "code,price")


def attest(
    claim_file: ClaimFile,
    openings_file: Annotated[str, typer.Option("--openings", help="The claim's secret openings.")],
    line: Annotated[int, typer.Option(help="Number of the line, from 1.")],
    record_id: Annotated[
        str, typer.Option("--record", help="Number by which the attester finds his record.")
    ],
    attester_id: Annotated[str, typer.Option("--attester", help="Identifier of the attester.")],
    attester_url: Annotated[
        str, typer.Option("--attester-url", metavar="URL", help="The attester's service.")
    ],
    key_file: KeyFile,
    out: Annotated[str, typer.Option(help="The attestation to make, - for output.")],
    reveal: Annotated[
        str, typer.Option(help="What the attester is shown: code, or code,price.")
    ] = "code",
    trust_file: Annotated[
        str | None,
        typer.Option("--trust", help="Your trust list: who signed the attestation is checked."),
    ] = None,
    to: OptionalService = None,
    token_file: TokenFile = None,
    force: Force = False,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Have a line confirmed by somebody who knows its real code, who is shown no claim.

    With --to the attestation is sent to the insurer, who is shown no code. The same command again
    gets the same attestation.
    """
    with reporting_to(as_json, lang) as terminal:
        inputs = [claim_file, openings_file, key_file, token_file or "", trust_file or ""]
        check_files(inputs, [out], replace=force)
        if reveal not in REVEALED:
            raise UsageError(f"--reveal: {' or '.join(REVEALED)} expected")
        from datetime import UTC, datetime

        from circuits.signed import encode_signed
        from optician.attestations import ask_attester, make_request, require_asked_for
        from optician.claiming import MAX_OPENINGS_BYTES, Openings
        from optician.opening_file import OpeningsError
        from zk.backends import load_group
        from zk.generators import generators_of

        generators = generators_of(load_group())
        trust = read_trust(trust_file)
        claim, identity = read_claim(claim_file), read_key(terminal, key_file)
        with blaming("unreadable"):
            openings = Openings.parse(read_input(openings_file, MAX_OPENINGS_BYTES), generators)
        now = datetime.now(UTC)
        with blaming("argument"), blaming("unreadable", OpeningsError):
            request = make_request(
                claim,
                openings,
                identity,
                line,
                reveal.split(","),
                attester_id,
                record_id,
                now,
                generators,
            )
        with telling_faults(terminal, ATTESTER):
            attestation = ask_attester(request, attester_url, retries=retries, timeout=timeout)
        try:
            require_asked_for(attestation, request, now, trust)
        except ProofRejected as error:
            raise CommandError("attestation", str(error)) from None
        if trust is None:
            terminal.warn("attester_unchecked")
        if len(attestation.attested) < len(request.opening.revealed):
            terminal.warn("price_not_attested")
        write_output(out, encode_signed(attestation), replace=force)
        answer = None
        if to is not None:
            with asked_service(terminal, to, token_file, retries, timeout) as client:
                answer = client.attest(attestation)
        attested = ", ".join(attestation.attested)
        terminal.report(
            {
                "claim_id": attestation.claim_id,
                "line": attestation.line,
                "attester_id": attestation.attester_id,
                "attested": list(attestation.attested),
                "expires_at": attestation.model_dump(mode="json")["expires_at"],
                "attestation_file": out,
                "answer": None if answer is None else answer_facts(answer),
                "warnings": terminal.warnings,
            },
            [
                terminal.named(
                    "attested",
                    f"{attestation.claim_id}, {terminal.say('line')} {attestation.line}"
                    f"{terminal.mark(':')}{attested}, {terminal.say('attested_by')} "
                    f"{attestation.attester_id}",
                ),
                terminal.named("valid_until", moment(attestation.expires_at)),
                *written_lines(terminal, out),
                *([] if answer is None else _taken_lines(terminal, answer)),
            ],
            is_output_taken=out == STANDARD,
        )


def _taken_lines(terminal: Terminal, answer: AttestationAnswer) -> list[str]:
    """That the insurer has it, and what he still waits for."""
    missing = [
        plain(terminal.named("to_attest", missing_text(terminal, duty))) for duty in answer.missing
    ]
    return [terminal.say("attestation_taken"), *(missing or [terminal.say("nothing_to_attest")])]
