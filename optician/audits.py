"""The optician's commands around audits: list, show, answer, refuse.

An answer is for an auditor whom the optician relies upon, by his own trust list, and about a line
that he committed to, by his own openings: what the insurer's service says of either counts for
nothing. It reveals the values that the signed case asks for and seals them to the auditor's key, so
that nobody on the way reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.inputs import check_inputs, read_input
from console.running import new_app, plain
from optician.asking import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    KeyFile,
    Retries,
    Service,
    Timeout,
    TokenFile,
    answer_facts,
    asked_service,
    moment,
    read_key,
)
from optician.messages import AUDIT_WORDS, in_language
from optician.terminal import AsJson, Lang, Terminal, blaming, reporting_to

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from optician.answers import AuditSummary

app = new_app(about="Audits of your claims: who asks, about what, and your answer.")

CaseId = Annotated[str, typer.Argument(metavar="CASE_ID", help="The audit case.")]


# -- list and show ----------------------------------------------------------------------------


@app.command("list")
def list_(
    to: Service,
    token_file: TokenFile = None,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """The audits of your claims, newest first."""
    with reporting_to(as_json, lang) as terminal:
        with asked_service(terminal, to, token_file, retries, timeout) as client:
            cases = list(client.audits())
        terminal.report(
            {"audits": [answer_facts(case) for case in cases], "warnings": terminal.warnings},
            [plain(_line(terminal, case)) for case in cases] or [terminal.say("no_audits")],
            is_output_taken=False,
        )


@app.command("show")
def show(
    case_id: CaseId,
    to: Service,
    token_file: TokenFile = None,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Who asks, about which line, on what ground, until when, and what has happened since.

    The insurer records that you have seen it.
    """
    with reporting_to(as_json, lang) as terminal:
        from optician.auditing import read_case

        with asked_service(terminal, to, token_file, retries, timeout) as client:
            case = client.audit(case_id)
        with blaming("answer"):
            read_case(case, case_id)
        history = [
            f"{moment(event.at)}  {_word(terminal, event.kind)}  {event.actor}"
            for event in case.history
        ]
        told = _case_lines(terminal, case)
        if case.outcome is not None:
            outcome = f"{_word(terminal, case.outcome)} ({case.cause})"
            told.append(terminal.named("audit_outcome", outcome))
        told += [f"{terminal.say('history')}{terminal.mark(':')}".rstrip()]
        terminal.report(
            answer_facts(case) | {"warnings": terminal.warnings},
            [plain(line) for line in [*told, *(f"  {line}" for line in history)]],
            is_output_taken=False,
        )


def _line(terminal: Terminal, case: AuditSummary) -> str:
    about = f"{case.claim_id}, {terminal.say('line')} {case.line}"
    until = f"{terminal.say('answer_by')} {moment(case.answer_by)}"
    text = f"{about}{terminal.mark(':')}{_slots(terminal, case.slots)}{terminal.mark(';')}{until}"
    return f"{_state(terminal, case.state)}  {case.case_id}  {text}"


def _case_lines(terminal: Terminal, case: AuditSummary) -> list[str]:
    return [
        f"{_state(terminal, case.state)}  {case.case_id}  "
        f"{case.claim_id}, {terminal.say('line')} {case.line}",
        terminal.named("auditor", case.auditor_id),
        terminal.named("ground", case.ground),
        terminal.named("asked_for", _slots(terminal, case.slots)),
        f"{terminal.say('answer_by')} {moment(case.answer_by)}",
        f"{terminal.say('erase_at')} {moment(case.erase_at)}",
    ]


def _state(terminal: Terminal, state: str) -> str:
    """A case's state in words; a newer service may know more of them."""
    return terminal.say(f"audit_{state}") if state in _STATES else state


def _word(terminal: Terminal, name: str) -> str:
    """A word of the service's in the optician's language; a newer service may know more."""
    texts = AUDIT_WORDS.get(name)
    return name if texts is None else in_language(texts, terminal.language)


def _slots(terminal: Terminal, slots: Iterable[str]) -> str:
    return ", ".join(_word(terminal, slot) for slot in slots)


_STATES = ("open", "answered", "refused", "lapsed", "concluded")


# -- answer and refuse ------------------------------------------------------------------------


@app.command("answer")
def answer(
    case_id: CaseId,
    openings_file: Annotated[
        str, typer.Option("--openings", help="The openings of the claim, of `optician prove`.")
    ],
    key_file: KeyFile,
    trust_file: Annotated[
        str, typer.Option("--trust", help="Your own trust list: whose audits you answer.")
    ],
    to: Service,
    token_file: TokenFile = None,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Open the values that are asked for, sealed to the auditor alone, and send them.

    The same command again does no harm: what was answered stays as it was.

    Refused are: a case that no auditor on your trust list has signed, one about another claim or
    line than your openings have, and one whose time has passed.
    """
    with reporting_to(as_json, lang) as terminal:
        check_inputs([openings_file, key_file, trust_file, token_file])
        from circuits.trust import MAX_TRUST_BYTES, parse_trust
        from optician.auditing import is_answered, make_reply, read_case, require_answerable
        from optician.claiming import MAX_OPENINGS_BYTES, Openings
        from zk.backends import load_group
        from zk.generators import generators_of

        generators = generators_of(load_group())
        identity = read_key(terminal, key_file)
        with blaming("unreadable"):
            openings = Openings.parse(read_input(openings_file, MAX_OPENINGS_BYTES), generators)
            trust = parse_trust(read_input(trust_file, MAX_TRUST_BYTES))
        with asked_service(terminal, to, token_file, retries, timeout) as client:
            now = _now()
            with blaming("audit"):
                shown = client.audit(case_id)
                case = read_case(shown, case_id)
                taken: AuditSummary = shown
                reply = None
                if not is_answered(shown, case, identity, "opening"):
                    require_answerable(case, openings, trust, now)
                    reply = make_reply(case, openings, identity, generators, now)
            if reply is not None:
                taken = client.answer_audit(case_id, reply)
        terminal.report(
            _summary(taken) | {"reveals": list(case.slots), "warnings": terminal.warnings},
            [
                plain(line)
                for line in [
                    terminal.named("audit_answer_taken", case_id),
                    terminal.named("auditor", case.auditor_id),
                    terminal.named("ground", case.ground),
                    terminal.named("reveals", _slots(terminal, case.slots)),
                    terminal.say("sealed"),
                ]
            ],
            is_output_taken=False,
        )


@app.command("refuse")
def refuse(
    case_id: CaseId,
    reason: Annotated[str, typer.Option(help="Why, in your words; the insurer reads it too.")],
    key_file: KeyFile,
    to: Service,
    token_file: TokenFile = None,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Refuse to answer, with a reason, over your signature. It cannot be taken back."""
    with reporting_to(as_json, lang) as terminal:
        check_inputs([key_file, token_file])
        from optician.auditing import is_answered, make_refusal, read_case

        identity = read_key(terminal, key_file)
        with asked_service(terminal, to, token_file, retries, timeout) as client:
            with blaming("audit"):
                shown = client.audit(case_id)
                case = read_case(shown, case_id)
            with blaming("argument"):
                reply = make_refusal(case, reason, identity, _now())
            taken: AuditSummary = shown
            if not is_answered(shown, case, identity, "refusal", reply.answer.reason):
                taken = client.answer_audit(case_id, reply)
        terminal.report(
            _summary(taken) | {"reason": reply.answer.reason, "warnings": terminal.warnings},
            [plain(terminal.named("audit_refusal_taken", case_id))],
            is_output_taken=False,
        )


def _summary(case: AuditSummary) -> dict[str, Any]:
    """What a listing tells of the case."""
    from optician.answers import AuditSummary

    told = answer_facts(case)
    return {name: value for name, value in told.items() if name in AuditSummary.model_fields}


def _now() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC).replace(microsecond=0)
