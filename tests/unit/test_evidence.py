"""Good evidence holds, and shows what it is evidence of."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from circuits.audit import OUTCOME_OF, audit_purpose
from circuits.canonical import canonical_bytes
from circuits.claim import encode_instant
from circuits.contract import parse_contract
from circuits.opening import encode_line_opening
from circuits.signed import decode_signed, encode_signed, make_signed
from optician.opening_file import open_line
from tests.support import bundles
from tests.support import claims as samples
from tests.support.commands import Console
from verifier_api.evidence.check import POINTS, Judgement, check_evidence
from verifier_api.evidence.documents import MAX_EVIDENCE_BYTES, Evidence, Record
from zk.errors import StatementError


def judged(evidence: Evidence) -> Judgement:
    return check_evidence(
        evidence,
        bundles.trust(),
        samples.nomenclature(),
        samples.generators(),
        bundles.RECEIVED_AT,
    )


@pytest.mark.parametrize("kind", bundles.KINDS)
def test_good_evidence_holds_and_shows_its_outcome(kind: bundles.Kind) -> None:
    judgement = judged(bundles.evidence(kind))
    assert judgement.failed is None
    assert judgement.holds
    assert judgement.cause == bundles.CAUSES[kind]
    assert judgement.shows == OUTCOME_OF[bundles.CAUSES[kind]]
    assert judgement.insurer == "agrees"
    assert judgement.own_reason is None
    assert tuple(point.name for point in judgement.points) == POINTS


@pytest.mark.parametrize("kind", bundles.KINDS)
def test_evidence_reads_back_from_its_bytes(kind: bundles.Kind) -> None:
    data = encode_signed(bundles.evidence(kind))
    assert len(data) < MAX_EVIDENCE_BYTES
    assert decode_signed(Evidence, data) == bundles.evidence(kind)


# -- seals that hold no valid opening -------------------------------------------------------------


def with_seal(sealed: str) -> Evidence:
    """Evidence of the optician's signed answer with that seal, by an honest auditor."""
    made_of = bundles.parts_of("invalid", sealed)
    return make_signed(
        Evidence,
        bundles.party("auditor").signing_key,
        auditor_id=bundles.PARTIES["auditor"],
        record=bundles.make_record(made_of),
        finding=made_of.finding,
        sealed=sealed,
        recipient_key=bundles.recipient_key().encode(),
        made_at=bundles.MADE_AT,
    )


def opening(line: int = 1, slots: tuple[str, ...] = ("code", "price"), purpose: str = "") -> bytes:
    case = bundles.make_case()
    made = open_line(
        bundles.claim()[1],
        line,
        slots,
        purpose or audit_purpose(case),
        samples.generators(),
    )
    return encode_line_opening(made)


def lie() -> bytes:
    """The true opening with another code written over the true one."""
    document = json.loads(opening())
    document["revealed"]["code"] = samples.row_of("VM5").code
    return canonical_bytes(document)


def of_another_claim() -> bytes:
    case = bundles.make_case()
    made = open_line(
        bundles.other_claim()[1], 1, ["code", "price"], audit_purpose(case), samples.generators()
    )
    return encode_line_opening(made)


SEALED: dict[str, Callable[[], bytes]] = {
    "seal_empty": lambda: b"not an opening",
    "opening_other_line": lambda: opening(line=2),
    "opening_incomplete": lambda: opening(slots=("code",)),
    "opening_other_purpose": lambda: opening(purpose="audit case-0"),
    "opening_invalid": lie,
    "opening_other_claim": of_another_claim,
}


@pytest.mark.parametrize("reason", SEALED)
def test_a_signed_seal_without_a_valid_opening_is_evidence(reason: str) -> None:
    assert judged(bundles.evidence("invalid")).holds
    judgement = judged(with_seal(bundles.make_seal(bundles.make_case(), garbage=SEALED[reason]())))
    assert judgement.failed is None
    assert (judgement.shows, judgement.cause) == ("inconsistent", "opening_invalid")
    point = next(point for point in judgement.points if point.name == "opening")
    assert reason in point.detail


@pytest.mark.parametrize("sealed", ["AAAA", bundles.make_seal(bundles.make_case(case_id="case-2"))])
def test_a_signed_seal_that_does_not_open_is_evidence(sealed: str) -> None:
    judgement = judged(with_seal(sealed))
    assert judgement.failed is None
    point = next(point for point in judgement.points if point.name == "opening")
    assert "seal_invalid" in point.detail


def test_more_slots_than_were_asked_for_are_no_lie() -> None:
    sealed = bundles.make_seal(
        bundles.make_case(), garbage=opening(slots=("code", "price", "date"))
    )
    failed = judged(with_seal(sealed)).failed
    assert failed is not None
    assert (failed.name, failed.reason) == ("opening", "opening_valid")


# -- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", bundles.KINDS)
def test_evidence_and_judgement_show_nothing_that_was_opened(kind: bundles.Kind) -> None:
    evidence = bundles.evidence(kind)
    shown = f"{evidence!r} {evidence} {judged(evidence)!r}"
    for value in bundles.true_values().values():
        assert str(value) not in shown
    assert bundles.recipient_key().encode() not in shown


def test_a_refused_evidence_repeats_nothing() -> None:
    document = bundles.document_of("inconsistent")
    document["finding"]["compared_with"]["code"] = -7_241_994
    with pytest.raises(StatementError) as caught:
        bundles.decoded(document)
    assert "7241994" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_record_with_the_largest_contract_is_read() -> None:
    record = bundles.evidence("lapsed").record
    caps = {f"VM{number}": 21_950 for number in range(10)} | {
        f"{letter}{number:02}": 100 for letter in "AB" for number in range(45)
    }
    rule = {
        "classes": [f"{letter}{number:02}" for letter in "AB" for number in range(25)],
        "attesters": [f"attester-{number}" for number in range(20)],
        "within_days": 10,
    }
    document = bundles.contract().model_dump(mode="json")
    document |= {"price_caps_cents": caps, "attestations": [rule] * 10}
    contract = parse_contract(canonical_bytes(document))
    large = make_signed(
        Record,
        bundles.party("insurer").signing_key,
        **{name: getattr(record, name) for name in Record.model_fields if name not in SIGNED}
        | {"contract": contract},
    )
    assert decode_signed(Record, encode_signed(large)) == large


SIGNED = ("format_version", "key_id", "signature")


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Console:
    (tmp_path / "trust.json").write_bytes(bundles.trust_file())
    (tmp_path / "keys.json").write_bytes(samples.keys_document(samples.identity()))
    for kind in bundles.KINDS:
        data = encode_signed(bundles.evidence(kind))
        (tmp_path / f"{kind}.json").write_bytes(data + b"\n")
    return Console(monkeypatch, tmp_path)


@pytest.mark.parametrize("kind", bundles.KINDS)
def test_the_command_says_what_evidence_shows(console: Console, kind: bundles.Kind) -> None:
    done = console.verifier("check-evidence", f"{kind}.json", "--trust", "trust.json")
    assert (done.code, done.err) == (0, "")
    head, *points = done.out.splitlines()
    assert head.startswith("holds ")
    assert OUTCOME_OF[bundles.CAUSES[kind]] in head
    assert len(points) == len(POINTS) + 1
    assert all(" ok" in point for point in points[:-1])
    for value in bundles.true_values().values():
        assert str(value) not in done.out


def test_the_command_tells_facts(console: Console) -> None:
    done = console.verifier(
        *("check-evidence", "inconsistent.json", "--trust", "trust.json", "--json"),
        *("--optician-keys", "keys.json"),
    )
    assert done.code == 0
    facts = json.loads(done.out)
    assert facts["holds"] is True
    assert (facts["failed"], facts["reason"]) == (None, None)
    assert (facts["shows"], facts["cause"]) == ("inconsistent", "differs_from_record")
    assert (facts["insurer"], facts["own_reason"]) == ("agrees", None)
    assert [point["point"] for point in facts["points"]] == list(POINTS)
    assert (facts["claim_id"], facts["case_id"]) == ("audited-claim", "case-1")


def test_the_command_says_what_does_not_hold(console: Console) -> None:
    (console.folder / "none.json").write_text('{"format_version":1,"keys":[]}')
    done = console.verifier("check-evidence", "inconsistent.json", "--trust", "none.json")
    assert done.code == 1
    assert done.out.startswith("does not hold  audited-claim case-1  evidence: key_unknown: ")
    facts = json.loads(
        console.verifier(
            "check-evidence", "inconsistent.json", "--trust", "none.json", "--json"
        ).out
    )
    assert (facts["holds"], facts["failed"], facts["shows"]) == (False, "evidence", None)


def test_the_command_judges_as_of_when_the_file_came(console: Console) -> None:
    early = encode_instant(bundles.MADE_AT - timedelta(days=1))
    done = console.verifier(
        "check-evidence", "lapsed.json", "--trust", "trust.json", "--received", early
    )
    assert done.code == 1
    assert "evidence: made_in_future" in done.out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["trust.json", "--trust", "trust.json"], "error: unreadable: evidence: "),
        (["lapsed.json", "--trust", "lapsed.json"], "error: unreadable: trust list: "),
        (["lapsed.json", "--trust", "missing.json"], "error: file: missing.json: "),
        (["-", "--trust", "-"], "error: usage: only one file"),
        (["lapsed.json", "--trust", "trust.json", "--received", "1"], "error: usage: --received"),
    ],
)
def test_bad_input_is_told_in_one_line(
    console: Console, arguments: list[str], problem: str
) -> None:
    assert console.verifier("check-evidence", "lapsed.json", "--trust", "trust.json").code == 0
    done = console.verifier("check-evidence", *arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith(problem)
    assert done.err.count("\n") == 1
