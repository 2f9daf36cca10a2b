"""What the optician's software answers to an audit, and to what it answers nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from circuits.audit import (
    AuditCase,
    audit_purpose,
    decode_reply,
    require_answer_fits,
    unseal_opening,
)
from circuits.canonical import encode_base64url
from circuits.signed import encode_signed, make_signed, verify_signed
from circuits.trust import Trust
from optician.answers import AuditDetail
from optician.auditing import make_refusal, make_reply, read_case, require_answerable
from optician.identity import Identity
from tests.support import bundles
from tests.support import claims as samples
from tests.support import service_answers as canned
from tests.support.bundles import party
from tests.support.canned_service import Canned, CannedService, serving
from tests.support.commands import Console
from verifier_api.openings import verify_line_opening
from zk.errors import StatementError

NOW = bundles.ANSWERED_AT


def shown(of: AuditCase, **changes: Any) -> AuditDetail:
    return AuditDetail.model_validate_json(json.dumps(canned.audit_detail(of) | changes))


# -- what is answered -----------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [("code",), ("price",), ("code", "price"), ("date",)])
def test_an_answer_reveals_just_what_is_asked_for(slots: tuple[str, ...]) -> None:
    claim, openings = bundles.claim()
    case = bundles.make_case(slots=slots)
    identity = bundles.optician()
    reply = make_reply(case, openings, identity, samples.generators(), NOW)
    verify_signed(reply.answer, identity.signing_key.public_key())
    require_answer_fits(reply, case, claim)
    assert reply.sealed is not None
    opening = unseal_opening(reply.sealed, case, bundles.recipient_key())
    assert set(opening.revealed) == set(slots)
    values = verify_line_opening(samples.generators(), claim, opening, audit_purpose(case))
    assert set(values.names) == set(slots)


def test_a_refusal_reveals_nothing() -> None:
    case = bundles.make_case()
    reply = make_refusal(case, "Le dossier est perdu", bundles.optician(), NOW)
    require_answer_fits(reply, case, bundles.claim()[0])
    assert (reply.sealed, reply.answer.sealed_digest) == (None, None)
    assert reply.answer.reason == "Le dossier est perdu"
    # However it was typed, it is one text.
    assert make_refusal(case, "e\u0301", bundles.optician(), NOW).answer.reason == "\u00e9"


@pytest.mark.parametrize("reason", ["", "x" * 201, "two\nlines"])
def test_a_reason_that_is_none_is_refused(reason: str) -> None:
    case = bundles.make_case()
    assert make_refusal(case, "x" * 200, bundles.optician(), NOW).answer.answer == "refusal"
    with pytest.raises(StatementError, match="reason"):
        make_refusal(case, reason, bundles.optician(), NOW)


# -- what is not ----------------------------------------------------------------------------------


def answerable(case: AuditCase, trust: Trust | None = None, now: datetime = NOW) -> None:
    require_answerable(case, bundles.claim()[1], trust or bundles.trust(), now)


def test_an_auditor_who_is_relied_upon_is_answered_until_the_last_second() -> None:
    answerable(bundles.make_case())
    answerable(bundles.make_case(), now=bundles.ANSWER_BY)
    with pytest.raises(StatementError, match="time to answer"):
        answerable(bundles.make_case(), now=bundles.ANSWER_BY + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"claim_id": "other-claim"}, "another claim"),
        ({"line": 2}, "commitment is another"),
        ({"line": 7}, "no such line"),
        ({"commitment": bundles.claim()[0].lines[1].commitment}, "commitment is another"),
        ({"commitment": bundles.other_claim()[0].lines[0].commitment}, "commitment is another"),
        ({"auditor_id": "auditor-2"}, "key_unknown"),
    ],
)
def test_a_case_about_something_else_is_not_answered(changes: dict[str, Any], problem: str) -> None:
    answerable(bundles.make_case())
    with pytest.raises(StatementError, match=problem):
        answerable(bundles.make_case(**changes))


def test_an_auditor_who_is_not_relied_upon_is_not_answered() -> None:
    case = bundles.make_case()
    answerable(case)
    forged = make_signed(
        AuditCase,
        party("insurer").signing_key,
        **{
            name: getattr(case, name)
            for name in AuditCase.model_fields
            if name not in ("format_version", "key_id", "signature")
        },
    )
    unsigned = case.model_copy(update={"signature": encode_base64url(bytes(64))})
    widened = case.model_copy(update={"slots": ("code", "price", "date")})
    for bad, problem in (
        (forged, "key_unknown"),
        (unsigned, "signature_invalid"),
        (widened, "signature_invalid"),
    ):
        with pytest.raises(StatementError, match=problem):
            answerable(bad)
    with pytest.raises(StatementError, match="key_unknown"):
        answerable(case, Trust())
    with pytest.raises(StatementError, match="key_revoked"):
        answerable(case, bundles.trust(auditor={"revoked_at": NOW}))


def test_the_service_cannot_show_another_case() -> None:
    case = bundles.make_case()
    assert read_case(shown(case), "case-1") == case
    with pytest.raises(StatementError, match="another case"):
        read_case(shown(bundles.make_case(case_id="case-2")), "case-1")
    document = json.loads(encode_signed(case))
    del document["slots"]
    with pytest.raises(StatementError, match="slots"):
        read_case(shown(case, case=document), "case-1")
    with pytest.raises(StatementError, match="float"):
        read_case(shown(case, case={"line": 1.5}), "case-1")


# -- the commands ---------------------------------------------------------------------------------


@pytest.fixture
def service() -> Iterator[CannedService]:
    with serving() as started:
        yield started


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Console:
    files = {
        "shop.key": bundles.optician().encode(),
        "openings.json": bundles.claim()[1].encode(),
        "other.json": bundles.other_claim()[1].encode(),
        "trust.json": bundles.trust_file(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("CLAIROBSCUR_TOKEN", "a-token")
    return Console(monkeypatch, tmp_path)


def current_case(**changes: Any) -> AuditCase:
    now = datetime.now(UTC).replace(microsecond=0)
    times = {
        "opened_at": now,
        "answer_by": now + timedelta(days=14),
        "erase_at": now + timedelta(days=44),
    }
    return bundles.make_case(**times | changes)


def answered(
    case: AuditCase, kind: Literal["opening", "refusal"], by: Identity | None = None
) -> dict[str, Any]:
    """An answer as the service shows it, by default the optician's own."""
    identity = by or bundles.optician()
    if kind == "refusal":
        reply = make_refusal(case, "no papers", identity, datetime.now(UTC).replace(microsecond=0))
    else:
        now = datetime.now(UTC).replace(microsecond=0)
        reply = make_reply(case, bundles.claim()[1], identity, samples.generators(), now)
    return reply.answer.model_dump(mode="json")


ANSWER = ("--openings", "openings.json", "--key", "shop.key", "--trust", "trust.json")


def test_what_is_sent_is_the_sealed_answer(console: Console, service: CannedService) -> None:
    case = current_case()
    service.tell(
        Canned.of(canned.audit_detail(case)), Canned.of(canned.audit_detail(case, "answered"), 201)
    )
    done = console.optician("audits", "answer", "case-1", *ANSWER, "--to", service.url)
    assert (done.code, done.err) == (0, "")
    assert "reveals: code, price" in done.out
    assert "auditor: auditor-1" in done.out
    sent = decode_reply(service.seen[-1].body)
    assert service.seen[-1].line == "POST /v1/audits/case-1/answer"
    assert sent.sealed is not None
    opening = unseal_opening(sent.sealed, case, bundles.recipient_key())
    assert set(opening.revealed) == {"code", "price"}
    code = str(bundles.true_values()["code"])
    assert code.encode() not in service.seen[-1].body
    assert code not in done.out


@pytest.mark.parametrize("is_late", [False, True])
def test_what_was_answered_is_not_answered_again(
    console: Console, service: CannedService, is_late: bool
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    times = {"opened_at": now - timedelta(days=20), "answer_by": now - timedelta(days=1)}
    case = current_case(**times if is_late else {})
    known = answered(case, "opening")
    service.tell(Canned.of(canned.audit_detail(case, "answered") | {"answer": known}))
    done = console.optician("audits", "answer", "case-1", *ANSWER, "--to", service.url, "--json")
    assert done.code == 0
    facts = json.loads(done.out)
    assert (facts["state"], facts["reveals"]) == ("answered", ["code", "price"])
    assert facts.keys() >= {"case_id", "warnings"}
    assert not facts.keys() & {"case", "answer", "history"}
    assert [seen.line for seen in service.seen] == ["GET /v1/audits/case-1"]


def test_a_refusal_is_not_sent_again_and_another_is(
    console: Console, service: CannedService
) -> None:
    case = current_case()
    known = canned.audit_detail(case, "refused") | {"answer": answered(case, "refusal")}
    service.tell(Canned.of(known), Canned.of(known), Canned.of(known, 201))
    command = ("audits", "refuse", "case-1", "--key", "shop.key", "--to", service.url, "--reason")
    assert console.optician(*command, "no papers").code == 0
    assert len(service.seen) == 1
    assert console.optician(*command, "another reason").code == 0
    assert [seen.line for seen in service.seen][2] == "POST /v1/audits/case-1/answer"


@pytest.mark.parametrize("what", ["other key", "other case", "refusal", "signature", "nonsense"])
def test_an_answer_that_is_not_ones_own_counts_for_nothing(
    console: Console, service: CannedService, what: str
) -> None:
    case = current_case()
    known = answered(case, "refusal" if what == "refusal" else "opening")
    if what == "other key":
        known = answered(case, "opening", Identity.generate(bundles.optician().optician_id))
    elif what == "other case":
        known = answered(current_case(ground="fictitious_supplement"), "opening")
    elif what == "signature":
        known |= {"answered_at": "2020-10-06T00:00:00Z"}
    elif what == "nonsense":
        known = {"answer": "opening"}
    detail = canned.audit_detail(case, "answered") | {"answer": known}
    service.tell(Canned.of(detail), Canned.of(canned.audit_detail(case, "answered"), 201))
    console.optician("audits", "answer", "case-1", *ANSWER, "--to", service.url)
    assert service.seen[-1].line == "POST /v1/audits/case-1/answer"


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "other openings": ({}, ("--openings", "other.json"), "another claim"),
    "late": (
        {"answer_by": datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)},
        (),
        "time to answer",
    ),
    "another line": ({"line": 3}, (), "commitment is another"),
    "another auditor": ({"auditor_id": "auditor-2"}, (), "key_unknown"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_not_sent(console: Console, service: CannedService, name: str) -> None:
    changes, more, problem = REFUSED[name]
    if name == "late":
        changes = changes | {"opened_at": changes["answer_by"] - timedelta(days=14)}
    case = current_case(**changes)
    service.tell(Canned.of(canned.audit_detail(case)))
    done = console.optician("audits", "answer", "case-1", *ANSWER, *more, "--to", service.url)
    assert done.code == 2
    assert done.err.startswith("error: this audit is not to be answered so: nothing was sent")
    assert problem in done.err
    assert [seen.line for seen in service.seen] == ["GET /v1/audits/case-1"]


LIES: dict[str, Any] = {
    "slots": ["price"],
    "line": 2,
    "ground": "fictitious_equipment",
    "auditor_id": "auditor-2",
    "answer_by": "2099-01-01T00:00:00Z",
    "erase_at": "2099-01-01T00:00:00Z",
    "claim_id": "other-claim",
}


@pytest.mark.parametrize("name", LIES)
def test_a_service_that_tells_something_else_than_the_auditor_is_noticed(
    console: Console, service: CannedService, name: str
) -> None:
    case = current_case()
    service.tell(Canned.of(canned.audit_detail(case)))
    assert console.optician("audits", "show", "case-1", "--to", service.url).code == 0
    service.tell(Canned.of(canned.audit_detail(case) | {name: LIES[name]}))
    done = console.optician("audits", "show", "case-1", "--to", service.url)
    assert done.code == 2
    assert f"{name}: the service tells something else" in done.err
    done = console.optician("audits", "answer", "case-1", *ANSWER, "--to", service.url)
    assert done.code == 2
    assert not any(seen.line.startswith("POST") for seen in service.seen)


def test_lists_and_cases_are_shown_in_both_languages(
    console: Console, service: CannedService
) -> None:
    case = current_case()
    service.tell(Canned.of({"audits": [canned.audit_detail(case)], "next": None}))
    done = console.optician("audits", "list", "--to", service.url)
    assert done.out.startswith("open  case-1  audited-claim, line 1: code, price; answer by ")
    done = console.optician("audits", "list", "--to", service.url, "--lang", "fr")
    assert done.out.startswith("ouvert  case-1  audited-claim, ligne 1 : code, prix ; répondre ")
    service.tell(Canned.of({"audits": [], "next": None}))
    assert console.optician("audits", "list", "--to", service.url).out == "no audits\n"
    service.tell(
        Canned.of(canned.audit_detail(case, "concluded", outcome="consistent", cause="as_recorded"))
    )
    done = console.optician("audits", "show", "case-1", "--to", service.url, "--lang", "fr")
    assert done.code == 0
    for text in ("clos", "auditeur : auditor-1", "motif : price_moved_to_lenses", "historique :"):
        assert text in done.out
    assert "ouvert  token-1" in done.out
    assert "demandé : code, prix" in done.out
    assert "conclusion : cohérent (as_recorded)" in done.out


def test_a_refusal_is_sent_with_its_reason(console: Console, service: CannedService) -> None:
    case = current_case()
    service.tell(
        Canned.of(canned.audit_detail(case)), Canned.of(canned.audit_detail(case, "refused"), 201)
    )
    done = console.optician(
        *("audits", "refuse", "case-1", "--reason", "Dossier perdu", "--key", "shop.key"),
        *("--to", service.url, "--lang", "fr"),
    )
    assert (done.code, done.err) == (0, "")
    assert done.out == "refus reçu : case-1\n"
    sent = decode_reply(service.seen[-1].body)
    assert (sent.answer.answer, sent.answer.reason) == ("refusal", "Dossier perdu")


def test_what_the_service_refuses_is_told_in_words(
    console: Console, service: CannedService
) -> None:
    case = current_case()
    problem = {"code": "audit_refused", "title": "x", "status": 422, "reason": "audit_late"}
    service.tell(Canned.of(canned.audit_detail(case)), Canned.of(problem, 422))
    done = console.optician(
        "audits", "answer", "case-1", *ANSWER, "--to", service.url, "--lang", "fr"
    )
    assert done.code == 2
    assert "le délai de réponse est passé" in done.err


def test_openings_of_another_commitment_are_no_answer() -> None:
    """A file whose numbers do not open its own commitment: damaged, or tampered with."""
    openings = bundles.claim()[1]
    mixed = type(openings)(
        openings.claim_id,
        openings.roles,
        openings.commitments,
        openings.openings[1:] + openings.openings[:1],
    )
    case = bundles.make_case()
    with pytest.raises(StatementError, match="does not open its commitment"):
        make_reply(case, mixed, Identity.generate("optician-1"), samples.generators(), NOW)
