"""The auditor's vault, what he makes of an answer, and what he believes of the service."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from circuits.audit import AuditReply
from circuits.canonical import canonical_bytes
from circuits.sealing import RecipientKey
from circuits.signed import encode_signed, signed_digest
from circuits.slots import Correction, encode_day, pack_correction
from console.calls import ServiceAnswerInvalid, ServiceArgumentInvalid
from tests.support import bundles
from tests.support import claims as samples
from tests.support.bundles import party
from tests.support.canned_service import Canned, CannedService, serving
from tests.support.commands import Console
from verifier_api.auditor import conclude
from verifier_api.auditor.client import AuditorClient
from verifier_api.auditor.vault import SECRETS, StoredCase, Vault
from verifier_api.evidence.check import check_evidence
from zk.errors import EncodingError, ProofRejected, StatementError

NOW = bundles.CONCLUDED_AT


def reply_of(kind: bundles.Kind = "consistent") -> AuditReply:
    made_of = bundles.parts(kind)
    assert made_of.answer is not None
    return AuditReply(format_version=1, answer=made_of.answer, sealed=made_of.sealed)


def stored(folder: Path) -> StoredCase:
    case = bundles.parts("consistent").case
    return Vault(folder).add(case, bundles.claim()[0], bundles.recipient_key())


def keep_all(kept: StoredCase) -> None:
    made_of = bundles.parts("consistent")
    kept.mark_sent(NOW)
    kept.keep_reply(reply_of())
    kept.keep_conclusion(made_of.finding, made_of.outcome)
    kept.mark_concluded(NOW)


def stage_of(kept: StoredCase) -> str:
    """How far the case is now; a checker of types takes the property for a constant."""
    return kept.stage


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(Path(at) / name): (Path(at) / name).read_bytes()
        for at, _, names in os.walk(folder)
        for name in names
    }


# -- the vault ------------------------------------------------------------------------------------


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    made_of = bundles.parts("consistent")
    stored(tmp_path / "vault")
    kept = Vault(tmp_path / "vault").case("case-1")
    assert kept.case == made_of.case
    assert kept.claim() == bundles.claim()[0]
    assert kept.key().encode() == bundles.recipient_key().encode()
    assert (kept.stage, kept.reply(), kept.conclusion()) == ("unsent", None, None)
    kept.mark_sent(NOW)
    assert kept.stage == "sent"
    kept.keep_reply(reply_of())
    assert kept.reply() == reply_of()
    kept.keep_conclusion(made_of.finding, made_of.outcome)
    assert stage_of(kept) == "concluding"
    conclusion = kept.conclusion()
    assert conclusion is not None
    assert (conclusion.finding, conclusion.outcome) == (made_of.finding, made_of.outcome)
    kept.mark_concluded(NOW)
    assert stage_of(kept) == "concluded"
    assert [case.case.case_id for case in Vault(tmp_path / "vault").cases()] == ["case-1"]


def test_nothing_is_ever_replaced(tmp_path: Path) -> None:
    kept = stored(tmp_path)
    with pytest.raises(FileExistsError):
        stored(tmp_path)
    keep_all(kept)
    before = files_of(tmp_path)
    other = bundles.parts("lapsed").outcome
    with pytest.raises(FileExistsError):
        kept.keep_conclusion(None, other)
    kept.mark_sent(NOW + timedelta(days=1))
    kept.keep_reply(reply_of("refused"))
    assert files_of(tmp_path) == before


def test_erasure_leaves_case_claim_and_outcome(tmp_path: Path) -> None:
    kept = stored(tmp_path)
    keep_all(kept)
    assert kept.erase(NOW)
    assert not kept.erase(NOW)
    assert kept.stage == "erased"
    assert kept.outcome() == bundles.parts("consistent").outcome
    assert not any((kept.folder / name).exists() for name in SECRETS)
    everything = b"".join(files_of(tmp_path).values())
    assert bundles.recipient_key().encode().encode() not in everything
    for value in bundles.true_values().values():
        assert f":{value}".encode() not in everything
    with pytest.raises(StatementError, match="erased"):
        kept.key()


def test_what_is_erased_is_overwritten_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = stored(tmp_path)
    keep_all(kept)
    seen: dict[str, bytes] = {}
    unlink = Path.unlink

    def look(path: Path, *arguments: Any) -> None:
        seen[path.name] = path.read_bytes()
        unlink(path, *arguments)

    monkeypatch.setattr(Path, "unlink", look)
    kept.erase(NOW)
    assert seen.keys() == set(SECRETS)
    assert not any(any(data) for data in seen.values())


def test_a_damaged_case_can_still_be_erased(tmp_path: Path) -> None:
    kept = stored(tmp_path)
    keep_all(kept)
    (kept.folder / "conclusion.json").write_bytes(b"{")
    with pytest.raises(EncodingError):
        kept.conclusion()
    assert kept.erase(NOW)
    assert (kept.stage, kept.outcome()) == ("erased", None)


def test_a_key_of_another_case_is_noticed(tmp_path: Path) -> None:
    case = bundles.parts("consistent").case
    kept = Vault(tmp_path).add(case, bundles.claim()[0], RecipientKey.generate())
    with pytest.raises(StatementError, match="another case's"):
        kept.key()


@pytest.mark.parametrize("name", ["case-2", "../case-1", ".", "", "a/b", "case-1/"])
def test_a_case_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    stored(tmp_path / "vault")
    assert Vault(tmp_path / "vault").case("case-1").stage == "unsent"
    with pytest.raises(StatementError, match="no case of that id"):
        Vault(tmp_path / "vault").case(name)


def test_an_empty_or_missing_vault_has_no_cases(tmp_path: Path) -> None:
    assert Vault(tmp_path).cases() == []
    assert Vault(tmp_path / "missing").cases() == []
    Vault(tmp_path / "missing").remove_drafts()
    assert not (tmp_path / "missing").exists()


class Killed(BaseException):
    """Stands for SIGKILL: nothing that would tidy up may catch it in vain."""


def killing(monkeypatch: pytest.MonkeyPatch, at: int) -> Callable[[], int]:
    """Let the process end at call number ``at`` of those that change files; every later one fails
    too, as after a kill. Yields how many there were."""
    count = 0

    def trapped(call: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count >= at:
                raise Killed
            return call(*arguments, **more)

        return act

    for name in ("link", "rename", "fsync", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, trapped(getattr(os, name)))
    monkeypatch.setattr("shutil.rmtree", trapped(lambda *_arguments, **_more: None))
    return lambda: count


def killed_at_every_call(
    monkeypatch: pytest.MonkeyPatch, prepare: Callable[[int], Any], act: Callable[[Any], object]
) -> Iterator[Any]:
    """``act`` on what ``prepare`` makes, killed at its first call, then at its second, and so on,
    until it comes to its end; yields what is left of each."""
    for at in range(1, 200):
        subject = prepare(at)
        with monkeypatch.context() as patch:
            killing(patch, at)
            try:
                act(subject)
            except Killed:
                is_killed = True
            else:
                is_killed = False
        yield subject
        if not is_killed:
            assert at > 3
            return
    raise AssertionError("it never comes to its end")


def test_a_case_is_kept_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    for folder in killed_at_every_call(
        monkeypatch, lambda at: tmp_path / str(at), lambda folder: stored(folder)
    ):
        cases = Vault(folder).cases()
        seen.add(len(cases))
        for kept in cases:
            assert kept.key().public == kept.case.recipient
            assert kept.claim() == bundles.claim()[0]
        # What a kill left goes with time, and nothing else does.
        for draft in folder.glob(".draft-*"):
            old = time.time() - 7200
            os.utime(draft, (old, old))
        Vault(folder).remove_drafts()
        assert not list(folder.glob(".draft-*"))
        assert len(Vault(folder).cases()) == len(cases)
    assert seen == {0, 1}


def test_a_draft_that_is_being_written_stays(tmp_path: Path) -> None:
    (tmp_path / ".draft-1").mkdir()
    Vault(tmp_path).remove_drafts()
    assert (tmp_path / ".draft-1").is_dir()


def test_a_conclusion_is_kept_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_of = bundles.parts("consistent")
    seen = set()
    for kept in killed_at_every_call(
        monkeypatch,
        lambda at: stored(tmp_path / str(at)),
        lambda kept: kept.keep_conclusion(made_of.finding, made_of.outcome),
    ):
        seen.add(kept.stage)
        conclusion = kept.conclusion()
        assert (conclusion is None) == (kept.stage == "unsent")
        if conclusion is None:  # the command does it again
            kept.keep_conclusion(made_of.finding, made_of.outcome)
        assert kept.conclusion().outcome == made_of.outcome
    assert seen == {"unsent", "concluding"}


def test_an_erasure_that_was_killed_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(at: int) -> StoredCase:
        kept = stored(tmp_path / str(at))
        keep_all(kept)
        return kept

    for kept in killed_at_every_call(monkeypatch, prepare, lambda kept: kept.erase(NOW)):
        kept.erase(NOW)
        assert kept.outcome() == bundles.parts("consistent").outcome
        assert not any((kept.folder / name).exists() for name in SECRETS)
        everything = b"".join(files_of(kept.folder).values())
        assert bundles.recipient_key().encode().encode() not in everything


def test_the_vault_shows_nothing_of_what_it_holds(tmp_path: Path) -> None:
    kept = stored(tmp_path)
    keep_all(kept)
    shown = f"{Vault(tmp_path)!r} {kept!r} {kept.conclusion()!r} {kept.key()!r} {kept.reply()!r}"
    assert bundles.recipient_key().encode() not in shown
    for value in bundles.true_values().values():
        assert f"{value}" not in shown


# -- papers ---------------------------------------------------------------------------------------


def test_papers_are_compared_as_they_would_be_committed() -> None:
    papers = conclude.parse_papers(
        json.dumps(
            {
                "code": 7241994,
                "price_cents": 12_000,
                "date_of_service": "2020-10-05",
                "correction": {"sphere": "-2.25", "cylinder": "+0.50", "axis": 85},
            }
        ).encode()
    )
    assert papers.committed() == {
        "code": 7241994,
        "price": 12_000,
        "date": encode_day(samples.DAY),
        "correction": pack_correction(Correction(-9, 2, 85, 0)),
    }
    assert conclude.parse_papers(b'{"correction":"none"}').committed() == {"correction": 0}
    assert conclude.parse_papers(b"{}").committed() == {}


@pytest.mark.parametrize(
    "papers",
    [
        b'{"code":"7241994"}',
        b'{"code":-1}',
        b'{"code":72419940}',
        b'{"price":12000}',
        b'{"price_cents":120.5}',
        b'{"date_of_service":"5.10.2020"}',
        b'{"correction":{"sphere":"-2.3"}}',
        b'{"correction":{"sphere":-9}}',
        b'{"correction":{"sphere":"NaN"}}',
        b'{"correction":"some"}',
        b"[]",
    ],
)
def test_papers_that_are_none_are_refused_without_their_values(papers: bytes) -> None:
    assert conclude.parse_papers(b'{"code":7241994}').committed() == {"code": 7241994}
    with pytest.raises((EncodingError, StatementError)) as caught:
        conclude.parse_papers(papers).committed()
    for value in ("7241994", "12000", "120.5", "2.3", "72419940"):
        assert value not in str(caught.value)


def test_a_correction_out_of_range_is_refused() -> None:
    papers = conclude.parse_papers(b'{"correction":{"sphere":"200"}}')
    with pytest.raises(StatementError, match="sphere"):
        papers.committed()
    assert "200" not in repr(papers)


# -- cases, findings, outcomes --------------------------------------------------------------------


def record() -> Any:
    return bundles.evidence("consistent").record


def new_case(**changes: Any) -> Any:
    wanted: dict[str, Any] = {
        "line": 1,
        "slots": ["code"],
        "ground": "price_moved_to_lenses",
        "answer_days": None,
        "keep_days": None,
        "now": NOW,
    }
    return conclude.make_case(record(), party("auditor"), **wanted | changes)


def test_a_new_case_has_the_contracts_days_and_a_key_of_its_own() -> None:
    case, key = new_case()
    assert case.recipient == key.public
    assert case.answer_by - case.opened_at == timedelta(days=14)
    assert case.erase_at - case.answer_by == timedelta(days=30)
    assert new_case()[0].case_id != case.case_id
    assert new_case()[0].recipient != case.recipient


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"line": 0}, "lines 1 to 3"),
        ({"line": 4}, "lines 1 to 3"),
        ({"ground": "curiosity"}, "ground"),
        ({"answer_days": 13}, "less time"),
        ({"answer_days": 10**10}, "calendar"),
        ({"keep_days": 10**7}, "calendar"),
        ({"keep_days": 31}, "longer"),
        ({"slots": ["price", "code"]}, "slots"),
    ],
)
def test_a_case_that_the_contract_does_not_allow_is_not_made(
    changes: dict[str, Any], problem: str
) -> None:
    assert new_case()[0].line == 1
    with pytest.raises(StatementError, match=problem):
        new_case(**changes)


def test_a_contract_without_audits_has_none() -> None:
    assert new_case()[0].line == 1
    made_of = bundles.parts("consistent")
    without = bundles.contract().model_copy(update={"audits": None})
    for contract in (None, without):
        bare = bundles.make_record(made_of, contract=contract)
        with pytest.raises(StatementError, match="foresees no audit"):
            conclude.make_case(
                bare,
                party("auditor"),
                line=1,
                slots=["code"],
                ground="price_moved_to_lenses",
                answer_days=None,
                keep_days=None,
                now=NOW,
            )


def test_a_record_of_another_claim_is_not_the_cases() -> None:
    made_of = bundles.parts("consistent")
    assert conclude.recorded_audit(record(), made_of.case).case == made_of.case
    other = bundles.make_record(made_of, claim=bundles.other_claim()[0])
    with pytest.raises(StatementError, match="not of the claim"):
        conclude.recorded_audit(other, made_of.case)


def test_an_answer_that_is_not_on_record_is_not_believed() -> None:
    made_of = bundles.parts("consistent")
    conclude.require_own_answer(record(), made_of.case, reply_of())
    other = AuditReply(
        format_version=1,
        answer=reply_of().answer,
        sealed=bundles.make_seal(made_of.case),
    )
    with pytest.raises(ProofRejected, match="answer_other"):
        conclude.require_own_answer(record(), made_of.case, other)
    with pytest.raises(ProofRejected, match="answer_other"):
        conclude.require_own_answer(record(), made_of.case, reply_of("invalid"))
    with pytest.raises(StatementError, match="not of the case"):
        conclude.require_own_answer(record(), bundles.make_case(case_id="case-2"), reply_of())


def test_a_finding_says_what_differs_and_nothing_that_was_not_asked() -> None:
    made_of = bundles.parts("consistent")
    assert made_of.finding is not None
    assert made_of.answer is not None
    opened = conclude.Opened(made_of.finding.opening, None, "")
    nothing = conclude.Opened(None, "seal_empty", "")

    answer = made_of.answer

    def finding(opened: conclude.Opened, compared: Any, source: str | None) -> Any:
        return conclude.make_finding(
            party("auditor"), made_of.case, answer, opened, compared, source, NOW
        )

    true = bundles.true_values()
    assert finding(opened, true, "order 17").cause == "as_recorded"
    assert finding(opened, {"price": true["price"]}, "order 17").cause == "as_recorded"
    assert finding(opened, true | {"price": 1}, "order 17").cause == "differs_from_record"
    assert finding(nothing, {}, None).cause == "opening_invalid"
    assert finding(opened, true, "x").salt != finding(opened, true, "x").salt
    for given in (
        (opened, {}, "order 17"),
        (opened, true, None),
        (opened, {"date": 1}, "order 17"),
        (nothing, true, None),
        (nothing, {}, "order 17"),
    ):
        with pytest.raises(StatementError) as caught:
            finding(*given)
        assert str(true["code"]) not in str(caught.value)


def test_a_case_lapses_when_its_time_has_passed() -> None:
    audit = bundles.evidence("lapsed").record.audit
    assert audit is not None
    with pytest.raises(StatementError, match="still has time"):
        conclude.unanswered_cause(audit, bundles.ANSWER_BY)
    assert conclude.unanswered_cause(audit, bundles.ANSWER_BY + timedelta(seconds=1)) == "lapsed"


@pytest.mark.parametrize("kind", bundles.KINDS)
def test_evidence_has_the_seal_only_where_the_opening_is_invalid(kind: bundles.Kind) -> None:
    made_of = bundles.parts(kind)
    reply = None if made_of.answer is None else reply_of(kind)
    now = bundles.EXPORTED_AT - timedelta(hours=1)  # a clock that is behind
    made = conclude.make_evidence(
        party("auditor"),
        bundles.evidence(kind).record,
        made_of.case,
        made_of.finding,
        reply,
        bundles.recipient_key(),
        now,
    )
    assert (made.sealed is not None) == (made.recipient_key is not None) == (kind == "invalid")
    judgement = check_evidence(
        made, bundles.trust(), samples.nomenclature(), samples.generators(), bundles.RECEIVED_AT
    )
    assert judgement.failed is None
    assert judgement.cause == bundles.CAUSES[kind]


def test_there_is_no_evidence_of_a_case_that_is_not_concluded() -> None:
    made_of = bundles.parts("lapsed")
    audit = {
        "case": made_of.case,
        "recorded_at": bundles.OPENED_AT,
        **dict.fromkeys(("answer", "answered_at", "outcome", "concluded_at")),
    }
    still_open = bundles.make_record(made_of, audit=audit)
    with pytest.raises(StatementError, match="not concluded"):
        conclude.make_evidence(party("auditor"), still_open, made_of.case, None, None, None, NOW)
    invalid = bundles.parts("invalid")
    for reply, key in ((None, bundles.recipient_key()), (reply_of("invalid"), None)):
        with pytest.raises(StatementError, match="the seal or its key"):
            conclude.make_evidence(
                party("auditor"),
                bundles.evidence("invalid").record,
                invalid.case,
                invalid.finding,
                reply,
                key,
                NOW,
            )
    other = bundles.make_record(made_of, audit=None)
    with pytest.raises(StatementError, match="not of the case"):
        conclude.make_evidence(party("auditor"), other, made_of.case, None, None, None, NOW)


# -- the client -----------------------------------------------------------------------------------


def client(content: bytes, status: int = 200) -> AuditorClient:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, content=content))
    return AuditorClient("https://insurer.example", "token", transport=transport, retries=0)


def test_the_record_is_of_the_claim_and_case_that_were_asked_for() -> None:
    data = encode_signed(record())
    claim_id = bundles.claim()[0].claim_id
    assert client(data).record(claim_id, "case-1") == record()
    assert client(data).record(claim_id) == record()
    for asked, problem in (((claim_id, "case-2"), "another case"), (("other",), "another claim")):
        with pytest.raises(ServiceAnswerInvalid, match=problem):
            client(data).record(*asked)
    with pytest.raises(ServiceAnswerInvalid, match="record"):
        client(data[:-1]).record(claim_id)


@pytest.mark.parametrize("name", ["", "../tokens", "a/b", "a?b", ".."])
def test_a_name_that_is_none_is_not_asked_for(name: str) -> None:
    with pytest.raises(ServiceArgumentInvalid):
        client(b"").record(name)


def sealed_answer(**changes: Any) -> bytes:
    made_of = bundles.parts("consistent")
    assert made_of.answer is not None
    document = {
        "case": json.loads(encode_signed(made_of.case)),
        "answer": json.loads(encode_signed(made_of.answer)),
        "sealed": made_of.sealed,
    }
    return canonical_bytes(document | changes)


def test_the_sealed_answer_is_to_the_case_that_was_asked_for() -> None:
    case = bundles.parts("consistent").case
    assert client(sealed_answer()).reply(case) == reply_of()
    with pytest.raises(ServiceAnswerInvalid, match="another case"):
        client(sealed_answer()).reply(bundles.make_case(case_id="case-2"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        sealed_answer(sealed=7),
        sealed_answer(sealed="*"),
        sealed_answer(case=None),
        sealed_answer(answer={}),
    ],
)
def test_an_answer_that_is_none_is_told_without_its_content(content: bytes) -> None:
    case = bundles.parts("consistent").case
    assert client(sealed_answer()).reply(case) == reply_of()
    with pytest.raises(ServiceAnswerInvalid) as caught:
        client(content).reply(case)
    assert caught.value.__context__ is None


# -- a service that does not answer ---------------------------------------------------------------


@pytest.fixture
def service() -> Iterator[CannedService]:
    with serving() as started:
        yield started


def facts_of(case: Any, state: str = "open") -> dict[str, Any]:
    document = case.model_dump(mode="json")
    later = ("answered_at", "answer_digest", "erased_at", "outcome", "cause", "concluded_at")
    named = ("case_id", "claim_id", "line", "ground", "auditor_id", "opened_at", "answer_by")
    return {name: document[name] for name in (*named, "erase_at")} | {
        "case_digest": signed_digest(case),
        "optician_id": "optician-1",
        "state": state,
        **dict.fromkeys(later),
    }


def test_a_case_that_could_not_be_sent_is_sent_again_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, service: CannedService
) -> None:
    monkeypatch.setattr("console.calls.FIRST_PAUSE", 0.0)
    console = Console(monkeypatch, tmp_path)
    (tmp_path / "auditor.key").write_bytes(party("auditor").encode())
    (tmp_path / "auditor.key").chmod(0o600)
    monkeypatch.setenv("CLAIROBSCUR_TOKEN", "a-token")
    here = ("--vault", "vault", "--key", "auditor.key", "--to", service.url, "--retries", "1")
    service.tell(Canned(200, encode_signed(record())), Canned(502, b"no"))
    asked = ("--line", "1", "--slots", "code", "--ground", "price_moved_to_lenses")
    done = console.verifier("auditor", "open", "audited-claim", *asked, *here)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: unreachable: 502 ")
    (kept,) = Vault(tmp_path / "vault").cases()
    assert kept.case.case_id in done.err
    assert kept.stage == "unsent"
    sent = [seen.body for seen in service.seen if seen.line == "POST /v1/audits"]
    assert set(sent) == {encode_signed(kept.case)}

    service.tell(Canned.of(facts_of(kept.case), 201))
    done = console.verifier("auditor", "open", "--resume", kept.case.case_id, *here)
    assert (done.code, done.err) == (0, "")
    assert service.seen[-1].body == encode_signed(kept.case)
    assert stage_of(kept) == "sent"
    assert b"a-token" not in done.stdout


def test_an_outcome_that_could_not_be_sent_is_sent_again_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, service: CannedService
) -> None:
    monkeypatch.setattr("console.calls.FIRST_PAUSE", 0.0)
    console = Console(monkeypatch, tmp_path)
    (tmp_path / "auditor.key").write_bytes(party("auditor").encode())
    (tmp_path / "auditor.key").chmod(0o600)
    monkeypatch.setenv("CLAIROBSCUR_TOKEN", "a-token")
    kept = stored(tmp_path / "vault")
    kept.mark_sent(NOW)
    kept.keep_reply(reply_of())
    true = bundles.true_values()
    (tmp_path / "papers.json").write_text(
        json.dumps({"code": true["code"], "price_cents": true["price"]})
    )
    here = ("--vault", "vault", "--key", "auditor.key", "--to", service.url, "--retries", "0")
    service.tell(Canned(200, encode_signed(record())), Canned(502, b"no"))
    papers = ("--papers", "papers.json", "--source", "order 17")
    done = console.verifier("auditor", "conclude", "case-1", *papers, *here)
    assert done.code == 2
    assert "the outcome is in the vault" in done.err
    conclusion = kept.conclusion()
    assert conclusion is not None
    assert (kept.stage, conclusion.outcome.outcome) == ("concluding", "consistent")
    service.tell(Canned.of(facts_of(kept.case, "concluded")))
    done = console.verifier("auditor", "conclude", "case-1", *here)
    assert (done.code, done.err) == (0, "")
    bodies = [seen.body for seen in service.seen if seen.line.endswith("/outcome")]
    assert bodies == [encode_signed(conclusion.outcome)] * 2
    assert kept.stage == "concluded"


def test_an_outcome_that_is_refused_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, service: CannedService
) -> None:
    console = Console(monkeypatch, tmp_path)
    (tmp_path / "auditor.key").write_bytes(party("auditor").encode())
    (tmp_path / "auditor.key").chmod(0o600)
    monkeypatch.setenv("CLAIROBSCUR_TOKEN", "a-token")
    kept = stored(tmp_path / "vault")
    made_of = bundles.parts("consistent")
    kept.keep_conclusion(made_of.finding, made_of.outcome)
    problem = {
        "code": "audit_refused",
        "title": "The audit is refused",
        "status": 422,
        "reason": "auditor_unknown",
    }
    here = ("--vault", "vault", "--key", "auditor.key", "--to", service.url, "--retries", "0")
    service.tell(Canned.of(problem | {"code": "overloaded", "status": 503}, 503))
    assert console.verifier("auditor", "conclude", "case-1", *here).code == 2
    assert kept.conclusion() is not None
    service.tell(Canned.of(problem, 422))
    done = console.verifier("auditor", "conclude", "case-1", *here)
    assert done.code == 2
    assert done.err.startswith("error: problem: audit_refused (auditor_unknown)")
    assert kept.conclusion() is None
    assert kept.key().public == kept.case.recipient
