"""The auditor's commands: open a case, see the answer, conclude it, make evidence, erase.

What was opened stands in the vault, in evidence that is asked for, and on the terminal where `show`
is asked for; nowhere else. Values to compare are read from a file, since a command line can be read
by others on the machine and stays in the shell's history.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from console.inputs import STANDARD, check_inputs, read_input, read_nomenclature
from console.outputs import check_files, is_readable_by_others, write_output
from console.running import CommandError, UsageError, new_app
from verifier_api.commands.evidence import SHOWN, judgement_facts
from verifier_api.commands.shared import (
    AsJson,
    NomenclatureFile,
    read_party,
    reporting_to_terminal,
    tell,
)
from zk.errors import ProofRejected

if TYPE_CHECKING:
    from datetime import datetime

    from circuits.audit import AuditOutcome, AuditReply
    from circuits.opening import SlotName
    from verifier_api.auditor.client import AuditorClient, CaseFacts
    from verifier_api.auditor.conclude import Opened
    from verifier_api.auditor.vault import Conclusion, StoredCase, Vault
    from verifier_api.evidence.documents import Record
    from verifier_api.parties import Party
    from zk.generators import Generators

TOKEN_VARIABLE = "CLAIROBSCUR_TOKEN"
MAX_TOKEN_BYTES = 1024

# Those of `console.calls`, which is not loaded for a help page.
DEFAULT_RETRIES = 4
DEFAULT_TIMEOUT = 60.0

app = new_app(about="An auditor: ask for values of a claim's line, compare them, keep evidence.")

VaultFolder = Annotated[str, typer.Option("--vault", help="Your folder of cases. Secret.")]
KeyFile = Annotated[str, typer.Option("--key", help="Your secret key file, of `keygen auditor`.")]
CaseId = Annotated[str, typer.Argument(metavar="CASE", help="A case in the vault.")]
Service = Annotated[str, typer.Option("--to", metavar="URL", help="The insurer's service.")]
OptionalService = Annotated[
    str | None, typer.Option("--to", metavar="URL", help="The insurer's service.")
]
TokenFile = Annotated[
    str | None,
    typer.Option(help=f"File with the token; default: the environment's {TOKEN_VARIABLE}."),
]
TrustFile = Annotated[
    str | None,
    typer.Option(
        "--trust", help="Your own trust list: the insurer must have signed what he shows you."
    ),
]
Retries = Annotated[int, typer.Option(min=0, max=20, help="How often to try again.")]
Timeout = Annotated[
    float, typer.Option(min=1.0, max=600.0, help="Seconds of silence before trying again.")
]


# -- open -------------------------------------------------------------------------------------


@app.command("open")
def open_(
    key_file: KeyFile,
    vault_folder: VaultFolder,
    to: Service,
    claim_id: Annotated[
        str | None, typer.Argument(metavar="CLAIM_ID", help="The claim to ask about.")
    ] = None,
    line: Annotated[int | None, typer.Option(min=1, help="Number of the line, from 1.")] = None,
    slots: Annotated[
        str | None,
        typer.Option(help="What to ask for, by commas: code, price, date, correction."),
    ] = None,
    ground: Annotated[str | None, typer.Option(help="One of the contract's grounds.")] = None,
    answer_days: Annotated[
        int | None, typer.Option(min=1, help="Days to answer; default: the contract's.")
    ] = None,
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="Days to keep the answer; default: the contract's.")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="CASE", help="Send a case of the vault again instead, as it is."),
    ] = None,
    trust_file: TrustFile = None,
    token_file: TokenFile = None,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Ask for values of one line: keep the case and a key made for it, then send the case.

    If the service cannot be reached, the case stays in the vault: --resume sends it again.
    """
    with reporting_to_terminal(as_json):
        check_inputs([key_file, token_file, trust_file])
        auditor = read_party(key_file, "auditor")
        vault = _vault(vault_folder)
        with _asking(to, token_file, retries, timeout) as client:
            if resume is not None:
                if (claim_id, line, slots, ground) != (None, None, None, None):
                    raise UsageError("--resume sends a case as it is: nothing else goes with it")
                stored = vault.case(resume)
                _refuse_erased(stored)
            else:
                from verifier_api.auditor.conclude import make_case

                if claim_id is None or line is None or slots is None or ground is None:
                    raise UsageError("CLAIM_ID, --line, --slots and --ground are needed")
                record = _record(client, claim_id, None, trust_file)
                case, key = make_case(
                    record,
                    auditor,
                    line=line,
                    slots=_slot_names(slots),
                    ground=ground,
                    answer_days=answer_days,
                    keep_days=keep_days,
                    now=_now(),
                )
                # Kept before it is sent: no answer is sealed to a key that was lost.
                stored = vault.add(case, record.claim, key)
            with _keeping(f"the case {stored.case.case_id} is in the vault; --resume sends it"):
                facts = client.open(stored.case)
            stored.mark_sent(facts.opened_at)
        tell(
            as_json,
            _case_facts(stored),
            [
                f"opened      {stored.case.case_id}  {stored.case.claim_id} "
                f"line {stored.case.line}: {', '.join(stored.case.slots)}",
                f"  answer by   {_moment(stored.case.answer_by)}",
                f"  erase by    {_moment(stored.case.erase_at)}",
            ],
        )


# -- list -------------------------------------------------------------------------------------


@app.command("list")
def list_(
    vault_folder: VaultFolder,
    to: OptionalService = None,
    token_file: TokenFile = None,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """The cases in the vault, and with --to what the service has of them."""
    with reporting_to_terminal(as_json):
        cases = _vault(vault_folder).cases()
        states: dict[str, str] = {}
        if to is not None:
            with _asking(to, token_file, retries, timeout) as client:
                states = {facts.case_id: facts.state for facts in client.cases()}
        now = _now()
        listed = [_case_facts(stored, states.get(stored.case.case_id), now) for stored in cases]
        tell(
            as_json,
            {"cases": listed},
            [
                f"{facts['case_id']}  {facts['stage']:10}  {facts['state'] or '-':9}  "
                f"{facts['claim_id']} line {facts['line']}  {facts['outcome'] or '-'}"
                f"{'  to be erased' if facts['is_to_be_erased'] else ''}"
                for facts in listed
            ]
            or ["no cases"],
        )


# -- show -------------------------------------------------------------------------------------


@app.command("show")
def show(
    case_id: CaseId,
    vault_folder: VaultFolder,
    to: OptionalService = None,
    trust_file: TrustFile = None,
    token_file: TokenFile = None,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Fetch the sealed answer, open it, and SHOW what it reveals: the one command that does.

    The answer is kept in the vault; once it is, --to is not needed.
    """
    with reporting_to_terminal(as_json):
        check_inputs([token_file, trust_file])
        from verifier_api.reports import revealed_facts, text_of

        stored = _vault(vault_folder).case(case_id)
        _refuse_erased(stored)
        facts = _case_facts(stored)
        reply = stored.reply()
        if reply is None:
            if to is None:
                raise UsageError("the answer is not in the vault yet: --to fetches it")
            with _asking(to, token_file, retries, timeout) as client:
                record, reply = _fetch(client, stored, trust_file)
            if reply is None:
                _tell_no_answer(stored, record, facts, as_json)
                return
        opened = _opened(stored, reply)
        facts |= {"is_valid": opened.opening is not None, "reason": opened.reason}
        head = f"{case_id}  {stored.case.claim_id} line {stored.case.line}"
        if opened.opening is None:
            lines = [f"invalid     {head}  {opened.reason}: {opened.detail}"]
            tell(as_json, facts | {"revealed": None}, lines)
            return
        from circuits.opening import decode_revealed

        shown = revealed_facts(decode_revealed(opened.opening))
        lines = [f"opened      {head}", *(f"  {line}" for line in text_of(shown))]
        tell(as_json, facts | {"revealed": shown}, lines)


def _tell_no_answer(
    stored: StoredCase, record: Record, facts: dict[str, Any], as_json: bool
) -> None:
    answer = record.audit.answer if record.audit else None
    head = f"{stored.case.case_id}  {stored.case.claim_id} line {stored.case.line}"
    if answer is not None:
        line = f"refused     {head}  {answer.reason}"
    elif record.exported_at > stored.case.answer_by:
        line = f"lapsed      {head}"
    else:
        line = f"open        {head}  answer by {_moment(stored.case.answer_by)}"
    state = line.split()[0]
    reason = None if answer is None else answer.reason
    tell(as_json, facts | {"state": state, "refusal": reason, "revealed": None}, [line])


# -- conclude ---------------------------------------------------------------------------------


@app.command("conclude")
def conclude(
    case_id: CaseId,
    key_file: KeyFile,
    vault_folder: VaultFolder,
    to: Service,
    papers_file: Annotated[
        str | None,
        typer.Option(
            "--papers",
            help="JSON file of what your papers have: code, price_cents, date_of_service, "
            "correction; - for input.",
        ),
    ] = None,
    compared_code: Annotated[
        int | None,
        typer.Option(help="The code in your papers. Others on this machine can read it here."),
    ] = None,
    compared_price: Annotated[
        int | None,
        typer.Option(help="The price, in cents. Others on this machine can read it here."),
    ] = None,
    source: Annotated[str | None, typer.Option(help="What papers these are.")] = None,
    trust_file: TrustFile = None,
    token_file: TokenFile = None,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Compare what was opened with your papers, keep the finding, and send the outcome.

    A refusal, a lapsed case and an invalid opening are concluded without papers. If the service
    cannot be reached, the same command sends the same outcome again. The insurer learns the outcome
    and nothing of what was opened.
    """
    with reporting_to_terminal(as_json):
        check_inputs([key_file, papers_file, token_file, trust_file])
        stored = _vault(vault_folder).case(case_id)
        compared = _compared(papers_file, compared_code, compared_price)
        with _asking(to, token_file, retries, timeout) as client:
            conclusion = stored.conclusion()
            if conclusion is None:
                _refuse_erased(stored)
                _conclude(client, stored, key_file, compared, source, trust_file)
                conclusion = stored.conclusion()
            if conclusion is None:
                raise CommandError("vault", "the conclusion was erased by another process")
            outcome = conclusion.outcome
            facts = _send_outcome(client, stored, outcome)
            stored.mark_concluded(facts.concluded_at or _now())
        tell(
            as_json,
            _case_facts(stored),
            [
                f"concluded   {case_id}  {stored.case.claim_id} line {stored.case.line}  "
                f"{outcome.outcome}: {SHOWN[outcome.cause]}"
            ],
        )


def _send_outcome(client: AuditorClient, stored: StoredCase, outcome: AuditOutcome) -> CaseFacts:
    from console.calls import ServiceProblem

    try:
        with _keeping("the outcome is in the vault; the same command sends it again"):
            return client.conclude(outcome, stored.case)
    except ServiceProblem as error:
        if error.code == "audit_refused":  # so it is not on record, and another one may be
            stored.discard_conclusion()
        raise


def _conclude(
    client: AuditorClient,
    stored: StoredCase,
    key_file: str,
    compared: dict[SlotName, int],
    source: str | None,
    trust_file: str | None,
) -> None:
    """Put the conclusion into the vault."""
    from verifier_api.auditor.conclude import (
        make_finding,
        make_outcome,
        recorded_audit,
        unanswered_cause,
    )

    auditor = _auditor(key_file, stored)
    case, now = stored.case, _now()
    record, reply = _fetch(client, stored, trust_file)
    cause = unanswered_cause(recorded_audit(record, case), record.exported_at)
    if cause is not None:
        if compared or source is not None:
            raise UsageError("nothing was opened: there is nothing to compare papers with")
        answer = record.audit.answer if record.audit else None
        stored.keep_conclusion(None, make_outcome(auditor, case, answer, cause, None, now))
        return
    if reply is None:
        raise CommandError("answer", "the service shows an opening, and no seal")
    opened = _opened(stored, reply)
    finding = make_finding(auditor, case, reply.answer, opened, compared, source, now)
    outcome = make_outcome(auditor, case, reply.answer, finding.cause, finding, now)
    stored.keep_conclusion(finding, outcome)


def _compared(
    papers_file: str | None, code: int | None, price_cents: int | None
) -> dict[SlotName, int]:
    from verifier_api.auditor.conclude import MAX_PAPERS_BYTES, Papers, parse_papers

    if papers_file is not None:
        if code is not None or price_cents is not None:
            raise UsageError("--papers or --compared-code and --compared-price, not both")
        return parse_papers(read_input(papers_file, MAX_PAPERS_BYTES)).committed()
    given = {"code": code, "price_cents": price_cents}
    from circuits.canonical import canonical_bytes

    known = {name: value for name, value in given.items() if value is not None}
    papers = parse_papers(canonical_bytes(known)) if known else Papers()
    return papers.committed()


# -- evidence ---------------------------------------------------------------------------------


@app.command("evidence")
def evidence(
    case_id: CaseId,
    key_file: KeyFile,
    vault_folder: VaultFolder,
    to: Service,
    out: Annotated[str, typer.Option(help="The evidence to make, - for output. Secret.")],
    trust_file: TrustFile = None,
    nomenclature_file: NomenclatureFile = None,
    token_file: TokenFile = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    retries: Retries = DEFAULT_RETRIES,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Make evidence of a concluded case, for whoever is to judge it alone (`check-evidence`).

    With --trust it is judged first, as others will, and not written if it does not hold. The file
    says what was opened: it is as secret as the vault.
    """
    with reporting_to_terminal(as_json):
        inputs = [key_file, token_file or "", trust_file or "", nomenclature_file or ""]
        check_files(inputs, [out], replace=force)
        from circuits.signed import encode_signed
        from verifier_api.auditor.conclude import make_evidence

        stored = _vault(vault_folder).case(case_id)
        auditor = _auditor(key_file, stored)
        _refuse_erased(stored)
        conclusion = stored.conclusion()
        if conclusion is None or stored.stage != "concluded":
            raise CommandError("vault", "the case is not concluded: `auditor conclude` does that")
        with _asking(to, token_file, retries, timeout) as client:
            record = _record(client, stored.case.claim_id, case_id, trust_file)
        made = make_evidence(
            auditor,
            record,
            stored.case,
            conclusion.finding,
            stored.reply(),
            stored.key() if _is_invalid(conclusion) else None,
            _now(),
        )
        facts: dict[str, Any] = {"evidence_file": out, "case_id": case_id, "judgement": None}
        lines: list[str] = []
        if trust_file is not None:
            from verifier_api.evidence.check import check_evidence

            table = read_nomenclature(nomenclature_file)
            at = max(_now(), made.made_at)
            judgement = check_evidence(made, _trust(trust_file), table, _generators(), at)
            facts["judgement"] = judgement_facts(made, judgement)
            failed = judgement.failed
            if failed is not None:
                told = f"{failed.name}: {failed.reason}: {failed.detail}"
                raise CommandError("evidence", f"it would not hold: {told}")
            lines = [f"  shows       {judgement.shows}: {SHOWN[judgement.cause or 'lapsed']}"]
            if judgement.insurer == "differs":
                lines.append("  verdict     the insurer's recorded verdict is NOT what you find")
        write_output(out, encode_signed(made), secret=True, replace=force)
        tell(
            as_json,
            facts,
            [f"evidence    {case_id}  {out} (keep it secret)", *lines],
            is_output_taken=out == STANDARD,
        )


def _is_invalid(conclusion: Conclusion) -> bool:
    return conclusion.outcome.cause == "opening_invalid"


# -- erase ------------------------------------------------------------------------------------


@app.command("erase")
def erase(
    vault_folder: VaultFolder,
    case_id: Annotated[
        str | None,
        typer.Argument(metavar="CASE", help="This case, whenever; default: all that are due."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Destroy keys, answers and findings of the cases past their last day, or of one case.

    Case, claim and outcome stay. Without the key nobody can open what back-ups of the insurer's
    database may still hold.
    """
    with reporting_to_terminal(as_json):
        vault, now = _vault(vault_folder), _now()
        if case_id is not None:
            due = [vault.case(case_id)]
        else:
            due = [stored for stored in vault.cases() if stored.case.erase_at < now]
        erased = [stored.case.case_id for stored in due if stored.erase(now)]
        vault.remove_drafts()
        lines = [f"erased      {name}" for name in erased] or ["nothing to erase"]
        tell(as_json, {"erased": erased}, lines)


# -- asking -----------------------------------------------------------------------------------


@contextmanager
def _asking(
    to: str, token_file: str | None, retries: int, timeout: float
) -> Iterator[AuditorClient]:
    """The service; what goes wrong with it is a `CommandError`."""
    token = _read_token(token_file)
    from console.calls import (
        ServiceAnswerInvalid,
        ServiceArgumentInvalid,
        ServiceProblem,
        ServiceUnreachable,
    )
    from verifier_api.auditor.client import AuditorClient

    try:
        with AuditorClient(to, token, retries=retries, timeout=timeout) as client:
            yield client
    except ServiceArgumentInvalid as error:
        raise CommandError("argument", str(error)) from None
    except ServiceUnreachable as error:
        raise CommandError("unreachable", str(error)) from None
    except ServiceAnswerInvalid as error:
        raise CommandError("answer", str(error)) from None
    except ServiceProblem as error:
        reason = f" ({error.reason})" if error.reason else ""
        detail = f": {error.detail}" if error.detail else ""
        asked = f" (request {error.request_id})" if error.request_id else ""
        told = f"{error.code}{reason}: {error.title}{detail}{asked}"
        raise CommandError("problem", told) from None


@contextmanager
def _keeping(what: str) -> Iterator[None]:
    """Say what is kept if the service does not answer."""
    from console.calls import ServiceUnreachable

    try:
        yield
    except ServiceUnreachable as error:
        raise CommandError("unreachable", f"{error}; {what}") from None


def _read_token(name: str | None) -> str:
    if name is None:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token:
            raise UsageError(f"a token is needed: --token-file, or {TOKEN_VARIABLE} is set")
        return token
    data = read_input(name, MAX_TOKEN_BYTES)
    if is_readable_by_others(name):
        typer.echo("warning: others can read the token file", err=True)
    try:
        token = data.decode("ascii").strip()
    except UnicodeDecodeError:
        token = ""
    if not token or len(data) > MAX_TOKEN_BYTES:
        raise CommandError("unreadable", "token file: no token in it")
    return token


def _record(
    client: AuditorClient, claim_id: str, case_id: str | None, trust_file: str | None
) -> Record:
    """The insurer's record; with a trust list, signed with a key that is relied upon now."""
    record = client.record(claim_id, case_id)
    if trust_file is not None:
        try:
            _trust(trust_file).require_signed(record, "insurer", record.claim.insurer_id, _now())
        except ProofRejected as error:
            raise CommandError("answer", f"record: {error.reason}: {error.detail}") from None
    return record


def _fetch(
    client: AuditorClient, stored: StoredCase, trust_file: str | None
) -> tuple[Record, AuditReply | None]:
    """The record, and the sealed answer, if there is one: the optician's own, and kept."""
    from verifier_api.auditor.conclude import recorded_audit, require_own_answer

    case = stored.case
    record = _record(client, case.claim_id, case.case_id, trust_file)
    answer = recorded_audit(record, case).answer
    if answer is None or answer.answer == "refusal":
        return record, None
    reply = stored.reply() or client.reply(case)
    try:
        require_own_answer(record, case, reply)
    except ProofRejected as error:
        _refuse(f"the answer is not the optician's: {error.reason}: {error.detail}")
    stored.keep_reply(reply)
    return record, reply


def _refuse(problem: str) -> NoReturn:
    raise CommandError("answer", problem) from None


def _opened(stored: StoredCase, reply: AuditReply) -> Opened:
    """What the seal holds. `_fetch` found it to be the optician's, or the vault would not have
    it."""
    from verifier_api.auditor.conclude import open_reply

    if reply.sealed is None:
        raise CommandError("vault", "the answer that was kept has no seal")
    _refuse_erased(stored)
    return open_reply(_generators(), stored.claim(), stored.case, stored.key(), reply.sealed)


def _auditor(key_file: str, stored: StoredCase) -> Party:
    """Who signs: the case's auditor, though perhaps with a newer key."""
    auditor = read_party(key_file, "auditor")
    if auditor.party_id != stored.case.auditor_id:
        raise CommandError("key", "the key is another auditor's than the case's")
    return auditor


def _refuse_erased(stored: StoredCase) -> None:
    if stored.stage == "erased":
        raise CommandError("vault", "the case was erased: nothing of what was opened is left")


# -- words ------------------------------------------------------------------------------------


def _case_facts(
    stored: StoredCase, state: str | None = None, now: datetime | None = None
) -> dict[str, Any]:
    """A case of the vault as JSON data: nothing that was opened."""
    case, outcome = stored.case, stored.outcome()
    is_due = now is not None and case.erase_at < now and stored.stage != "erased"
    document = case.model_dump(mode="json")
    named = (
        *("case_id", "insurer_id", "claim_id", "line", "slots", "ground", "auditor_id"),
        *("opened_at", "answer_by", "erase_at"),
    )
    return {name: document[name] for name in named} | {
        "stage": stored.stage,
        "state": state,
        "outcome": None if outcome is None else outcome.outcome,
        "cause": None if outcome is None else outcome.cause,
        "is_to_be_erased": is_due,
    }


def _slot_names(text: str) -> list[str]:
    """The slots that are named, in the order that a case has them. Raises `UsageError`."""
    from circuits.opening import SLOT_OF

    names = [name.strip() for name in text.split(",")]
    if len(set(names)) != len(names) or not set(names) <= SLOT_OF.keys():
        raise UsageError(f"--slots: each at most once, of {', '.join(SLOT_OF)}")
    return [name for name in SLOT_OF if name in names]


def _moment(instant: datetime) -> str:
    from circuits.claim import encode_instant

    return encode_instant(instant)


def _now() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC).replace(microsecond=0)


def _vault(folder: str) -> Vault:
    from verifier_api.auditor.vault import Vault

    return Vault(Path(folder))


def _trust(name: str) -> Any:
    from circuits.trust import MAX_TRUST_BYTES, parse_trust

    return parse_trust(read_input(name, MAX_TRUST_BYTES))


def _generators() -> Generators:
    from zk.backends import load_group
    from zk.generators import generators_of

    return generators_of(load_group())
