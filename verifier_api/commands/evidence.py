"""Judging evidence of an audit, offline: what a third party does. No database, no service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from console.inputs import check_inputs, read_input, read_nomenclature
from console.running import plain
from verifier_api.commands.shared import (
    EXIT_ACCEPTED,
    EXIT_REFUSED,
    AsJson,
    NomenclatureFile,
    parse_instant,
    reporting_to_terminal,
)

if TYPE_CHECKING:
    from verifier_api.evidence.check import Judgement
    from verifier_api.evidence.documents import Evidence

TrustFile = Annotated[str, typer.Option("--trust", help="Your own list of keys relied upon.")]

SHOWN: Final = {
    "as_recorded": "what the optician committed to is what the auditor's papers say",
    "differs_from_record": "the optician committed to another value than the auditor's papers say",
    "opening_invalid": "the answer that the optician signed holds no valid opening",
    "refused": "the optician refused to answer, and signed it",
    "lapsed": "no answer came in time, on the insurer's word",
}
"""What each cause means, in words."""

INSURER: Final = {
    "agrees": "the recorded verdict is what claim, contract and nomenclature give",
    "differs": "the recorded verdict is NOT what claim, contract and nomenclature give",
    "not_comparable": "the recorded verdict rests on what only the insurer has",
    "not_judged": "the claim cannot be judged without its contract and nomenclature",
}
"""How the insurer's verdict compares with one's own, in words."""


def add_to(app: typer.Typer) -> None:
    """Put the command on the command line."""
    app.command("check-evidence")(check_evidence)


def check_evidence(
    evidence_file: Annotated[str, typer.Argument(metavar="EVIDENCE.json", help="- for input.")],
    trust_file: TrustFile,
    nomenclature_file: NomenclatureFile = None,
    keys_file: Annotated[
        str | None,
        typer.Option(
            "--optician-keys",
            help="Your own list of opticians' keys; default: the insurer's word for them.",
        ),
    ] = None,
    received: Annotated[
        str | None,
        typer.Option(
            help="When you first had the file, YYYY-MM-DDTHH:MM:SSZ; default: this moment. The "
            "auditor's key must have counted then.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge an auditor's evidence by your own trust list and nomenclature, point by point.

    Exit code 0 if it holds: then it says what it shows. 1 if it does not, with the first point that
    is not in order. What was opened is not printed: it is in the file.
    """
    with reporting_to_terminal(as_json):
        check_inputs([evidence_file, trust_file, nomenclature_file, keys_file])
        from datetime import UTC, datetime

        from circuits.trust import MAX_TRUST_BYTES, parse_trust
        from verifier_api.evidence.check import check_evidence as judge
        from verifier_api.keys import MAX_KEYS_BYTES, parse_keys
        from zk.backends import load_group
        from zk.generators import generators_of

        at = parse_instant(received, "--received") if received else datetime.now(UTC)
        trust = parse_trust(read_input(trust_file, MAX_TRUST_BYTES))
        keys = None if keys_file is None else parse_keys(read_input(keys_file, MAX_KEYS_BYTES))
        evidence = read_evidence(evidence_file)
        table = read_nomenclature(nomenclature_file)
        judgement = judge(evidence, trust, table, generators_of(load_group()), at, keys)
        if as_json:
            print(json.dumps(judgement_facts(evidence, judgement)))
        else:
            print("\n".join(plain(line) for line in judgement_lines(evidence, judgement)))
    raise typer.Exit(EXIT_ACCEPTED if judgement.holds else EXIT_REFUSED)


def read_evidence(name: str) -> Evidence:
    """Evidence; editors end a file with a newline, which is no part of it."""
    from circuits.signed import decode_signed
    from verifier_api.evidence.documents import MAX_EVIDENCE_BYTES, Evidence

    return decode_signed(Evidence, read_input(name, MAX_EVIDENCE_BYTES + 1).removesuffix(b"\n"))


def judgement_facts(evidence: Evidence, judgement: Judgement) -> dict[str, Any]:
    """The judgement as JSON data; nothing in it was opened."""
    record = evidence.record
    failed = judgement.failed
    return {
        "claim_id": record.claim.claim_id,
        "case_id": None if record.audit is None else record.audit.case.case_id,
        "optician_id": record.claim.optician_id,
        "holds": judgement.holds,
        "failed": None if failed is None else failed.name,
        "reason": None if failed is None else failed.reason,
        "shows": judgement.shows,
        "cause": judgement.cause,
        "points": [
            {"point": point.name, "ok": point.is_ok, "reason": point.reason, "detail": point.detail}
            for point in judgement.points
        ],
        "recorded_verdict": record.verdict.verdict,
        "recorded_reason": record.verdict.reason,
        "insurer": judgement.insurer,
        "own_reason": judgement.own_reason,
    }


def judgement_lines(evidence: Evidence, judgement: Judgement) -> list[str]:
    """The judgement to read."""
    case = evidence.record.audit
    about = evidence.record.claim.claim_id + (f" {case.case.case_id}" if case else "")
    failed = judgement.failed
    if failed is None:
        head = f"holds          {about}  {judgement.shows}: {SHOWN[judgement.cause or 'lapsed']}"
    else:
        head = f"does not hold  {about}  {failed.name}: {failed.reason}: {failed.detail}"
    points = [
        f"  {point.name + ':':14} {'ok' if point.is_ok else f'NOT OK ({point.reason})'}"
        f"{', ' if point.detail else ''}{point.detail}"
        for point in judgement.points
    ]
    verdict = evidence.record.verdict
    recorded = (
        verdict.verdict if verdict.reason is None else f"{verdict.verdict} ({verdict.reason})"
    )
    own = f"; you would refuse it: {judgement.own_reason}" if judgement.own_reason else ""
    insurer = f"  {'verdict:':14} {recorded}: {INSURER[judgement.insurer]}{own}"
    return [head, *points, insurer]
