"""The insurer's commands: judge a claim, many claims, an opening; look at table and contract.

Exit code 0 accepted, 1 refused, 2 something could not be read, 3 a fault of this program. Imports
wait until a command needs them: nobody waits for a help page.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.inputs import check_inputs, read_input, read_nomenclature
from console.running import (
    EXIT_FAILED,
    CommandError,
    UsageError,
    Version,
    new_app,
    plain,
    reporting,
    run,
)
from zk.errors import ProofRejected, ZkError

if TYPE_CHECKING:
    from datetime import date, datetime

    from circuits.claim import Claim
    from circuits.contract import Contract
    from verifier_api.judge import Judge

EXIT_ACCEPTED = 0
EXIT_REFUSED = 1
EXIT_UNREADABLE = EXIT_FAILED

UNREADABLE = "unreadable"
"""Stands where a verdict of `check-batch` has a reason, if an entry is no claim at all."""

app = new_app(
    about="Judge an optician's claims, whose codes and prices stay hidden.",
    exit_codes="Exit codes: 0 accepted or shown, 1 refused, 2 unreadable or not possible, "
    "3 internal error, 130 interrupted.",
)
nomenclature_app = new_app(about="The table of codes and classes.")
contract_app = new_app(about="The insurer's contract.")
app.add_typer(nomenclature_app, name="nomenclature")
app.add_typer(contract_app, name="contract")

AsJson = Annotated[bool, typer.Option("--json", help="Results and errors as JSON.")]
ContractFile = Annotated[str, typer.Option("--contract", help="The insurer's own contract.")]
KeysFile = Annotated[str, typer.Option("--optician-keys", help="Public keys registered.")]
NomenclatureFile = Annotated[
    str | None, typer.Option("--nomenclature", help="Default: the table that ships.")
]
Now = Annotated[
    str | None,
    typer.Option(
        "--now", help="Judge as of YYYY-MM-DDTHH:MM:SSZ instead of this moment; for tests."
    ),
]


def main() -> None:
    """Entry point of the console script."""
    run(app, "verifier")


@app.callback()
def options(version: Version = False) -> None:
    """Options of no command in particular."""


# -- check ------------------------------------------------------------------------------------


@app.command()
def check(
    claim_file: Annotated[str, typer.Argument(metavar="CLAIM.json", help="- for input.")],
    contract_file: ContractFile,
    keys_file: KeysFile,
    nomenclature_file: NomenclatureFile = None,
    now: Now = None,
    as_json: AsJson = False,
) -> None:
    """Judge one claim: its verdict, the reason of a refusal, and the time of every step.

    An accepted claim is shown with what it says. Whether it was paid before is for you to know: no
    claim digest, no line commitment, no beneficiary twice for one date and purchase. JSON shows
    what a refused claim says too, which is then worth nothing.
    """
    with _reporting(as_json):
        check_inputs([claim_file, contract_file, keys_file, nomenclature_file])
        from verifier_api.reports import claim_lines, times, verdict_facts, verdict_line

        claim = _read_claim(claim_file)
        judge = _judge(contract_file, keys_file, nomenclature_file, now)
        verdict = judge.judge(claim)
        if as_json:
            facts = verdict_facts(verdict, claim)
            print(json.dumps(facts | {"milliseconds": times(verdict)}))
        else:
            print(verdict_line(verdict))
            if verdict.is_accepted:
                print("\n".join(claim_lines(claim)))
            steps = [f"{step} {spent:.1f}" for step, spent in times(verdict).items()]
            print(f"  {'ms:':12} {', '.join(steps)}")
    raise typer.Exit(EXIT_ACCEPTED if verdict.is_accepted else EXIT_REFUSED)


# -- check-batch ------------------------------------------------------------------------------


@app.command("check-batch")
def check_batch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR-or-NDJSON",
            help="A folder with one claim in each *.json, or a file with one on each line, - for "
            "input.",
        ),
    ],
    contract_file: ContractFile,
    keys_file: KeysFile,
    nomenclature_file: NomenclatureFile = None,
    now: Now = None,
    progress: Annotated[
        bool | None, typer.Option(help="Progress bar; default: if a terminal is there to see it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge many claims, with one verdict a claim in their order, and a count at the end.

    An entry that cannot be read has a verdict of its own and stops nothing. Exit code 2 if there
    was one, or no entry at all, else 1 if a claim was refused, else 0. A claim that comes twice is
    judged twice, and told to be a duplicate.

    A claim's file has no newline at its end. To put the claims of a folder into one file:

    \b
        awk 1 claims/*.json > all.ndjson
    """
    with _reporting(as_json):
        check_inputs([source, contract_file, keys_file, nomenclature_file])
        from verifier_api.batches import judge_entries, read_entries
        from verifier_api.reports import verdict_facts, verdict_line

        entries, total_bytes = read_entries(source)
        judge = _judge(contract_file, keys_file, nomenclature_file, now)
        # The tables live as long as the process: spare the garbage collector looking them through.
        gc.freeze()
        counts = {"accepted": 0, "refused": 0, UNREADABLE: 0}
        duplicates = 0
        start = time.perf_counter()
        is_bar_wanted = sys.stderr.isatty() if progress is None else progress
        with _progress_bar(total_bytes, is_bar_wanted) as advance:
            for entry, outcome in judge_entries(judge, entries):
                if isinstance(outcome, ZkError):
                    kind = UNREADABLE
                    facts = {
                        "claim_id": None,
                        "verdict": UNREADABLE,
                        "reason": UNREADABLE,
                        "detail": str(outcome),
                        "claim": None,
                    }
                    line = f"{UNREADABLE}  {entry.name}  {outcome}"
                else:
                    kind = "accepted" if outcome.verdict.is_accepted else "refused"
                    facts = verdict_facts(outcome.verdict, outcome.claim)
                    facts |= {"duplicate_of": outcome.duplicate_of}
                    line = f"{verdict_line(outcome.verdict)}  ({entry.name})"
                    if outcome.duplicate_of is not None:
                        duplicates += 1
                        line += f"  warning: the same claim as in {outcome.duplicate_of}"
                counts[kind] += 1
                advance(entry.bytes_read)
                print(json.dumps({"source": entry.name} | facts) if as_json else plain(line))
        if not any(counts.values()):
            raise CommandError("empty", f"no claim in {source}: no *.json in a folder, or no line")
        seconds = time.perf_counter() - start
        sys.stdout.flush()  # the verdicts stand before the count
        if as_json:
            summary = counts | {"duplicates": duplicates, "seconds": round(seconds, 3)}
            print(json.dumps(summary), file=sys.stderr)
        else:
            listed = ", ".join(f"{count} {kind}" for kind, count in counts.items())
            repeated = f" ({duplicates} seen before)" if duplicates else ""
            print(f"{listed}{repeated} in {seconds:.1f} s", file=sys.stderr)
    if counts[UNREADABLE]:
        raise typer.Exit(EXIT_UNREADABLE)
    raise typer.Exit(EXIT_REFUSED if counts["refused"] else EXIT_ACCEPTED)


def _progress_bar(
    total_bytes: int | None, is_wanted: bool
) -> AbstractContextManager[Callable[[int], None]]:
    """A bar on standard error over ``total_bytes`` (None if unknown); yields what advances it."""
    if not is_wanted:
        return nullcontext(lambda _: None)
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    @contextmanager
    def bar() -> Iterator[Callable[[int], None]]:
        columns = (
            TextColumn("claims {task.fields[count]}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        # The verdicts on standard output go past rich, which would reformat them.
        with Progress(
            *columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False
        ) as shown:
            task = shown.add_task("", total=total_bytes, count=0)
            count = 0

            def advance(size: int) -> None:
                nonlocal count
                count += 1
                shown.update(task, advance=size, count=count)

            yield advance

    return bar()


# -- check-opening ----------------------------------------------------------------------------


@app.command("check-opening")
def check_opening(
    opening_file: Annotated[str, typer.Argument(metavar="OPENING.json", help="- for input.")],
    claim_file: Annotated[str, typer.Option("--claim", help="The claim as it was accepted.")],
    purpose: Annotated[str, typer.Option(help="The purpose for which the line was asked for.")],
    as_json: AsJson = False,
) -> None:
    """Judge a partial opening against the commitment in the stored claim.

    What the opening itself says of commitment and purpose counts for nothing.
    """
    with _reporting(as_json):
        check_inputs([opening_file, claim_file])
        from circuits.opening import MAX_OPENING_BYTES, decode_line_opening
        from verifier_api.openings import verify_line_opening
        from verifier_api.reports import revealed_facts, text_of
        from zk.backends import load_group
        from zk.generators import generators_of

        claim = _read_claim(claim_file)
        data = read_input(opening_file, MAX_OPENING_BYTES + 1).removesuffix(b"\n")
        opening = decode_line_opening(data)
        facts = {"claim_id": claim.claim_id, "line": opening.line}
        generators = generators_of(load_group())
        try:
            values = verify_line_opening(generators, claim, opening, purpose)
        except ProofRejected as error:
            refusal = {"verdict": "refused", "reason": error.reason, "detail": error.detail}
            line = f"refused   {claim.claim_id} line {opening.line}  {error}"
            print(json.dumps(facts | refusal) if as_json else line)
            raise typer.Exit(EXIT_REFUSED) from None
        shown = revealed_facts(values)
        if as_json:
            verdict = {"verdict": "accepted", "reason": None, "detail": ""}
            print(json.dumps(facts | verdict | {"revealed": shown}))
        else:
            print(f"accepted  {claim.claim_id} line {opening.line}")
            for line in text_of(shown):
                print(f"  {line}")
    raise typer.Exit(EXIT_ACCEPTED)


# -- nomenclature, contract -------------------------------------------------------------------


@nomenclature_app.command("show")
def show_nomenclature(
    regroupement: Annotated[
        str | None, typer.Argument(metavar="[CLASS]", help="One class; default: all.")
    ] = None,
    day: Annotated[
        str | None,
        typer.Option("--date", help="YYYY-MM-DD; default: today, or the table's last day."),
    ] = None,
    nomenclature_file: NomenclatureFile = None,
    contract_file: Annotated[
        str | None, typer.Option("--contract", help="Judge by this contract's figures.")
    ] = None,
    with_codes: Annotated[
        bool, typer.Option("--codes", help="List the codes of the class with their cells.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Classes on a day: codes, type-and-correction cells, legal level, status, floor.

    \b
    cells   among how many type-and-correction cells a code hides; - for what
            has no correction (frames, supplements): it hides among the codes
    price   price class A or B; - where it is not fixed
    level   legal level of a lens; - for everything else
    status  derived: every code's class follows from the source;
            unconfirmed: that of one code at least could not be confirmed
    floor   ok, warn or refuse by the contract's floor for the hiding set;
            clear: too small to hide a code, which the claim then declares;
            empty: no code on that day

    With --codes, amounts in euros, and - where nothing is known:

    \b
    tariff  base tariff of the public payer
    limit   largest price; with --contract, by its caps too
    share   what the public payer pays at the contract's rate (--contract)
    """
    with _reporting(as_json):
        if with_codes and regroupement is None:
            raise UsageError("--codes lists the codes of one CLASS: name it")
        check_inputs([nomenclature_file, contract_file])
        from circuits.canonical import encode_base64url
        from circuits.contract import Floor, require_classes_known
        from verifier_api.reports import (
            CLASS_HEADING,
            CODE_HEADING,
            class_facts,
            class_line,
            code_facts,
            code_line,
            default_day,
        )

        nomenclature = read_nomenclature(nomenclature_file)
        contract = _contract(contract_file) if contract_file else None
        if contract is not None:
            require_classes_known(contract, nomenclature)
        floor = contract.floor_cells if contract else Floor()
        on = _parse_day(day) if day else default_day(nomenclature)
        names = [entry.code for entry in nomenclature.classes()]
        if regroupement is not None:
            names = [nomenclature.regroupement_class(regroupement).code]
        nomenclature.period_start(on)  # refuses a day on which the table holds nothing
        classes = [class_facts(nomenclature, name, on, floor) for name in names]
        codes: list[dict[str, Any]] = []
        if with_codes and classes[0]["codes"]:
            codes = [code_facts(row, contract) for row in nomenclature.class_rows(names[0], on)]
        if as_json:
            head = {
                "version": nomenclature.version,
                "digest": encode_base64url(nomenclature.digest),
                "date": on.isoformat(),
            }
            listing = {"codes": codes} if with_codes else {}
            print(json.dumps(head | {"classes": classes} | listing))
            return
        print(f"nomenclature {nomenclature.version} on {on.isoformat()}")
        print(CLASS_HEADING)
        for facts in classes:
            print(class_line(facts))
        if with_codes:
            print(f"\n{CODE_HEADING}")
            for facts in codes:
                print(code_line(facts))


@contract_app.command("show")
def show_contract(
    contract_file: Annotated[str, typer.Argument(metavar="CONTRACT.json", help="- for input.")],
    nomenclature_file: NomenclatureFile = None,
    as_json: AsJson = False,
) -> None:
    """A contract as the circuits read it, defaults written out, and its digest.

    Its price caps must be for classes that the nomenclature knows.
    """
    with _reporting(as_json):
        check_inputs([contract_file, nomenclature_file])
        from circuits.contract import require_classes_known
        from verifier_api.reports import contract_facts, text_of

        contract = _contract(contract_file)
        require_classes_known(contract, read_nomenclature(nomenclature_file))
        facts = contract_facts(contract)
        if as_json:
            print(json.dumps(facts))
            return
        for line in text_of(facts):
            print(plain(line))


# -- helpers ----------------------------------------------------------------------------------


def _reporting(as_json: bool) -> AbstractContextManager[None]:
    """Tell every exception in one line; the command ends with its exit code."""

    def tell(kind: str, detail: str) -> None:
        # Whether a document is malformed or contradicts itself is told by the detail.
        kind = UNREADABLE if kind in ("statement", "witness", "refused") else kind
        if as_json:
            print(json.dumps({"error": kind, "detail": detail}), file=sys.stderr)
        else:
            print(f"error: {kind}: {detail}", file=sys.stderr)

    return reporting(tell)


def _read_claim(name: str) -> Claim:
    """A claim; editors end a file with a newline, which is no part of it."""
    from circuits.claim import MAX_CLAIM_BYTES, decode_claim

    return decode_claim(read_input(name, MAX_CLAIM_BYTES + 1).removesuffix(b"\n"))


def _contract(name: str) -> Contract:
    from circuits.contract import MAX_CONTRACT_BYTES, parse_contract

    return parse_contract(read_input(name, MAX_CONTRACT_BYTES))


def _judge(
    contract_file: str, keys_file: str, nomenclature_file: str | None, now: str | None
) -> Judge:
    from datetime import UTC, datetime

    from circuits.contract import require_classes_known
    from verifier_api.judge import Judge
    from verifier_api.keys import MAX_KEYS_BYTES, parse_keys
    from zk.backends import load_group
    from zk.generators import generators_of

    contract = _contract(contract_file)
    keys = parse_keys(read_input(keys_file, MAX_KEYS_BYTES))
    nomenclature = read_nomenclature(nomenclature_file)
    require_classes_known(contract, nomenclature)
    fixed = _parse_instant(now) if now else None
    return Judge(
        contract,
        nomenclature,
        keys,
        generators_of(load_group()),
        lambda: fixed or datetime.now(UTC),
    )


def _parse_instant(text: str) -> datetime:
    from datetime import UTC, datetime

    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError("--now: not an instant YYYY-MM-DDTHH:MM:SSZ") from None


def _parse_day(text: str) -> date:
    from datetime import date

    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError("--date: not a date YYYY-MM-DD") from None
    if day.isoformat() != text:
        raise UsageError("--date: not a date YYYY-MM-DD")
    return day
