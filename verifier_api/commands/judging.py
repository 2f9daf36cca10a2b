"""Judging files: a claim, many claims, an opening. No database."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from console.inputs import check_inputs, read_input, read_nomenclature
from console.running import CommandError, plain
from verifier_api.commands.shared import (
    EXIT_ACCEPTED,
    EXIT_REFUSED,
    EXIT_UNREADABLE,
    UNREADABLE,
    AsJson,
    ContractFile,
    KeysFile,
    NomenclatureFile,
    Now,
    parse_instant,
    read_contract,
    reporting_to_terminal,
)
from zk.errors import ProofRejected, ZkError

if TYPE_CHECKING:
    from circuits.claim import Claim
    from verifier_api.judge import Judge


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command()(check)
    app.command("check-batch")(check_batch)
    app.command("check-opening")(check_opening)


# -- check ------------------------------------------------------------------------------------


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
    with reporting_to_terminal(as_json):
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
    with reporting_to_terminal(as_json):
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


def check_opening(
    opening_file: Annotated[str, typer.Argument(metavar="OPENING.json", help="- for input.")],
    claim_file: Annotated[str, typer.Option("--claim", help="The claim as it was accepted.")],
    purpose: Annotated[str, typer.Option(help="The purpose for which the line was asked for.")],
    as_json: AsJson = False,
) -> None:
    """Judge a partial opening against the commitment in the stored claim.

    What the opening itself says of commitment and purpose counts for nothing.
    """
    with reporting_to_terminal(as_json):
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


# -- helpers ---


def _read_claim(name: str) -> Claim:
    """A claim; editors end a file with a newline, which is no part of it."""
    from circuits.claim import MAX_CLAIM_BYTES, decode_claim

    return decode_claim(read_input(name, MAX_CLAIM_BYTES + 1).removesuffix(b"\n"))


def _judge(
    contract_file: str, keys_file: str, nomenclature_file: str | None, now: str | None
) -> Judge:
    from datetime import UTC, datetime

    from circuits.contract import require_classes_known
    from verifier_api.judge import Judge
    from verifier_api.keys import MAX_KEYS_BYTES, parse_keys
    from zk.backends import load_group
    from zk.generators import generators_of

    contract = read_contract(contract_file)
    keys = parse_keys(read_input(keys_file, MAX_KEYS_BYTES))
    nomenclature = read_nomenclature(nomenclature_file)
    require_classes_known(contract, nomenclature)
    fixed = parse_instant(now) if now else None
    return Judge(
        contract,
        nomenclature,
        keys,
        generators_of(load_group()),
        lambda: fixed or datetime.now(UTC),
    )
