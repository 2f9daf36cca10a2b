"""Whoever bends an audit is refused for it, and the straight one is taken afterwards.

Every attack names the accept that it mutates: the case, the answer (an opening or a refusal) or the
outcome of `tests.support.audits`. It is tried first and must leave nothing; then the accept itself
must be taken, so nothing but the mutation was in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from circuits.audit import AUDIT_REASONS, AuditCase, AuditOutcome, AuditReply
from circuits.canonical import encode_base64url
from circuits.claim import Claim
from circuits.contract import Contract
from circuits.trust import Trust
from optician.identity import Identity
from tests.support import audits as made
from tests.support import records
from tests.support.audits import ANSWER_BY, ERASE_AT, OPENED, SECOND, case_on, outcome_of, party
from tests.support.records import NOW, examined
from verifier_api.parties import Party
from verifier_api.service.access import Principal
from verifier_api.service.audits import AuditStep, take_answer, take_case, take_outcome
from verifier_api.service.directory import Snapshot
from verifier_api.service.errors import ServiceError
from verifier_api.service.recording import record_claims
from verifier_api.store.checks import check_database
from verifier_api.store.database import Database

SHOP = Principal("token-shop", "optician", records.SHOP)
AUDITOR = Principal("token-auditor", "auditor")
DAY = timedelta(days=1)

FORGER = Party.generate("auditor", made.AUDITOR)
"""Signs under the auditor's name with a key of his own."""

COLLEAGUE = party("auditor", "auditor-2")
"""Relied upon as well."""

ATTESTER = Party("attester", made.AUDITOR, Party.generate("attester", "x").signing_key)
"""Relied upon under the auditor's name, as somebody else."""


@dataclass
class World:
    """Two claims of the shop, one of another optician, and a database that knows them."""

    database: Database
    claim: Claim
    sibling: Claim
    foreign: Claim
    snapshot: Snapshot

    def take(self, what: Any, now: Any = None) -> None:
        """Whatever it is, at the time when it usually comes."""
        with self.database.write() as connection:
            if isinstance(what, AuditCase):
                step = AuditStep(AUDITOR, self.snapshot, now or OPENED)
                take_case(connection, step, what)
            elif isinstance(what, AuditReply):
                step = AuditStep(SHOP, self.snapshot, now or OPENED + DAY)
                take_answer(connection, step, "case-1", what)
            else:
                step = AuditStep(AUDITOR, self.snapshot, now or OPENED + 2 * DAY)
                take_outcome(connection, step, "case-1", what)

    def left(self) -> tuple[Any, ...]:
        """Everything that an attack could have left."""
        return tuple(records.rows(self.database, table) for table in ("audits", "events", "claims"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = records.database_with_rights(tmp_path)
    claims = (
        records.claim("the-claim"),
        records.claim("the-sibling", statement="line"),
        records.claim("the-foreign-one", optician_id="optician-2", beneficiary=records.CHILD),
    )
    with database.write() as connection:
        record_claims(connection, [examined(claim) for claim in claims], NOW)
    relied_upon = made.trust(party(), COLLEAGUE, ATTESTER)
    yield World(database, *claims, made.snapshot(relied_upon=relied_upon))
    assert check_database(database)["problems"] == []
    database.dispose()


def resigned(document: Any, other: Any) -> Any:
    """``document`` under the signature of ``other``."""
    return document.model_copy(update={"signature": other.signature})


def changed(document: Any, **fields: Any) -> Any:
    """With other fields, not signed again."""
    return document.model_copy(update=fields)


def refusal(world: World, what: Any, now: Any = None) -> str | None:
    """The reason, after which nothing may be left."""
    before = world.left()
    with pytest.raises(ServiceError) as caught:
        world.take(what, now)
    assert world.left() == before
    assert caught.value.code == "audit_refused"
    return caught.value.reason


# -- cases ---------------------------------------------------------------------------------------

CaseAttack: TypeAlias = Callable[[World], AuditCase]

CASES: dict[str, tuple[CaseAttack, str]] = {
    "signed by somebody else under the auditor's name": (
        lambda w: case_on(w.claim, by=FORGER),
        "auditor_unknown",
    ),
    "signed by an attester under the auditor's name": (
        lambda w: case_on(w.claim, by=ATTESTER),
        "auditor_unknown",
    ),
    "signed by a colleague under the auditor's name": (
        lambda w: case_on(w.claim, by=COLLEAGUE, auditor_id=made.AUDITOR),
        "auditor_unknown",
    ),
    "the signature of another case": (
        lambda w: resigned(case_on(w.claim), case_on(w.claim, slots=("price",))),
        "signature_invalid",
    ),
    "more slots than were signed": (
        lambda w: changed(case_on(w.claim, slots=("code",)), slots=("code", "price")),
        "signature_invalid",
    ),
    "another key to seal to than was signed": (
        lambda w: changed(case_on(w.claim), recipient="A" * len(made.recipient().public)),
        "signature_invalid",
    ),
    "another insurer's": (
        lambda w: case_on(w.claim, insurer_id="ocam-autre"),
        "audit_other_claim",
    ),
    "the id of another claim": (
        lambda w: case_on(w.claim, claim_id=w.sibling.claim_id),
        "audit_other_claim",
    ),
    "the digest of another claim": (
        lambda w: case_on(w.claim, claim_digest=made.DIGEST),
        "audit_other_claim",
    ),
    "a line that the claim has not": (
        lambda w: case_on(w.claim, line=4),
        "audit_other_line",
    ),
    "the commitment of another line": (
        lambda w: case_on(w.claim, line=2),
        "audit_other_line",
    ),
    "the commitment of another claim's line": (
        lambda w: case_on(w.claim, commitment=w.sibling.lines[0].commitment),
        "audit_other_line",
    ),
    "the commitment of another optician's line": (
        lambda w: case_on(w.claim, commitment=w.foreign.lines[0].commitment),
        "audit_other_line",
    ),
    "a ground that the contract does not list": (
        lambda w: case_on(w.claim, ground="curiosity"),
        "ground_not_allowed",
    ),
    "signed more than a minute ahead": (
        lambda w: case_on(w.claim, opened_at=OPENED + timedelta(minutes=1) + SECOND),
        "opened_in_future",
    ),
    "signed more than an hour ago": (
        lambda w: case_on(w.claim, opened_at=OPENED - timedelta(hours=1) - SECOND),
        "opened_long_ago",
    ),
    "a second less to answer than the contract gives": (
        lambda w: case_on(w.claim, answer_by=ANSWER_BY - SECOND),
        "answer_too_soon",
    ),
    "kept for a second longer than the contract allows": (
        lambda w: case_on(w.claim, erase_at=ERASE_AT + SECOND),
        "kept_too_long",
    ),
}


@pytest.mark.parametrize("attack", CASES)
def test_a_bent_case_is_refused_and_the_straight_one_taken(world: World, attack: str) -> None:
    mutate, reason = CASES[attack]
    assert refusal(world, mutate(world)) == reason
    world.take(case_on(world.claim))


def with_contract(world: World, **changes: Any) -> Snapshot:
    """The claim is recorded under a contract that audits otherwise."""
    contract: Contract = records.contract(**changes)
    claim = records.claim("under-another", statement="line", of_contract=contract)
    with world.database.write() as connection:
        record_claims(connection, [examined(claim, of_contract=contract)], NOW)
    world.claim = claim
    return made.snapshot(contracts=[contract, records.contract()])


def test_no_audit_under_a_contract_that_foresees_none(world: World) -> None:
    accepted = case_on(world.claim)
    world.snapshot = with_contract(world, audits=None)
    assert refusal(world, case_on(world.claim, "case-2")) == "audit_not_foreseen"
    world.take(accepted)


@pytest.mark.parametrize(
    "relied_upon",
    {
        "nobody": lambda: Trust(),
        "a colleague": lambda: made.trust(COLLEAGUE),
        "no longer": lambda: made.trust(party(), valid_to=OPENED - SECOND),
        "not yet": lambda: made.trust(party(), valid_from=OPENED + SECOND),
        "revoked just now": lambda: made.trust(party(), revoked_at=OPENED),
    }.values(),
    ids=["nobody", "a colleague", "no longer", "not yet", "revoked just now"],
)
def test_no_case_of_an_auditor_who_is_not_relied_upon(
    world: World, relied_upon: Callable[[], Trust]
) -> None:
    good, world.snapshot = world.snapshot, made.snapshot(relied_upon=relied_upon())
    assert refusal(world, case_on(world.claim)) == "auditor_unknown"
    world.snapshot = good
    world.take(case_on(world.claim))


# -- answers -------------------------------------------------------------------------------------

AnswerAttack: TypeAlias = Callable[[World, AuditCase], AuditReply]

STRANGER = Identity.generate(records.SHOP)
"""Signs under the shop's name with a key that nobody registered."""


def of_other(reply: AuditReply, **fields: Any) -> AuditReply:
    """The reply with an answer that was changed after it was signed."""
    answer = changed(reply.answer, **fields)
    return AuditReply(format_version=1, answer=answer, sealed=reply.sealed)


def sealed_otherwise(reply: AuditReply, sealed: str | None) -> AuditReply:
    """The same answer beside another seal, or none."""
    return AuditReply(format_version=1, answer=reply.answer, sealed=sealed)


ANSWERS: dict[str, tuple[AnswerAttack, str]] = {
    "signed by a key that is not registered": (
        lambda _, c: made.reply_to(c, STRANGER),
        "optician_unknown",
    ),
    "another optician's, by his own key": (
        lambda _, c: made.reply_to(c, records.shop("optician-2")),
        "audit_other_case",
    ),
    "another optician's name, by the shop's key": (
        lambda _, c: made.reply_to(c, optician_id="optician-2"),
        "optician_unknown",
    ),
    "the signature of another answer": (
        lambda _, c: of_other(
            made.reply_to(c), signature=made.refusal_of(c, reason="other").answer.signature
        ),
        "signature_invalid",
    ),
    "made for another case": (
        lambda w, _: made.reply_to(case_on(w.claim, "case-2")),
        "audit_other_case",
    ),
    "made for another case of the same id": (
        lambda w, _: made.reply_to(case_on(w.claim, slots=("price",))),
        "audit_other_case",
    ),
    "a refusal of another case": (
        lambda w, _: made.refusal_of(case_on(w.claim, "case-2")),
        "audit_other_case",
    ),
    "another seal": (
        lambda _, c: sealed_otherwise(made.reply_to(c), made.some_seal()),
        "answer_other",
    ),
    "no seal": (
        lambda _, c: sealed_otherwise(made.reply_to(c), None),
        "answer_other",
    ),
    "a refusal with a seal": (
        lambda _, c: sealed_otherwise(made.refusal_of(c), made.some_seal()),
        "answer_other",
    ),
    "a seal that is cut short": (
        lambda _, c: (lambda reply: sealed_otherwise(reply, encode_base64url(b"cut short")))(
            made.reply_to(c)
        ),
        "answer_other",
    ),
}


@pytest.mark.parametrize("accept", [made.reply_to, made.refusal_of])
@pytest.mark.parametrize("attack", ANSWERS)
def test_a_bent_answer_is_refused_and_the_straight_one_taken(
    world: World, attack: str, accept: Callable[[AuditCase], AuditReply]
) -> None:
    case = case_on(world.claim)
    world.take(case)
    mutate, reason = ANSWERS[attack]
    assert refusal(world, mutate(world, case)) == reason
    world.take(accept(case))


def test_an_answer_a_second_late_is_refused_where_one_in_time_is_taken(world: World) -> None:
    case = case_on(world.claim)
    world.take(case)
    assert refusal(world, made.reply_to(case), ANSWER_BY + SECOND) == "audit_late"
    world.take(made.reply_to(case), ANSWER_BY)


def test_no_answer_by_a_key_that_was_revoked(world: World) -> None:
    case = case_on(world.claim)
    world.take(case)
    good = world.snapshot
    world.snapshot = made.snapshot(revoked=[records.shop().key_id])
    assert refusal(world, made.reply_to(case)) == "optician_unknown"
    world.snapshot = good
    world.take(made.reply_to(case))


# -- outcomes ------------------------------------------------------------------------------------

OutcomeAttack: TypeAlias = Callable[[World, AuditCase, AuditReply], AuditOutcome]

OUTCOMES: dict[str, tuple[OutcomeAttack, str]] = {
    "signed by somebody else under the auditor's name": (
        lambda _, c, r: outcome_of(c, r.answer, by=FORGER),
        "auditor_unknown",
    ),
    "a colleague's": (
        lambda _, c, r: outcome_of(c, r.answer, by=COLLEAGUE),
        "audit_other_case",
    ),
    "the optician's own": (
        lambda _, c, r: outcome_of(
            c, r.answer, by=Party("auditor", made.AUDITOR, records.shop().signing_key)
        ),
        "auditor_unknown",
    ),
    "another outcome than was signed": (
        lambda _, c, r: changed(
            outcome_of(c, r.answer), outcome="inconsistent", cause="differs_from_record"
        ),
        "signature_invalid",
    ),
    "of another case": (
        lambda w, _, r: outcome_of(case_on(w.claim, "case-2"), r.answer),
        "audit_other_case",
    ),
    "of another case of the same id": (
        lambda w, _, r: outcome_of(case_on(w.claim, slots=("price",)), r.answer),
        "audit_other_case",
    ),
    "of another answer": (
        lambda _, c, r: outcome_of(c, made.reply_to(c).answer),
        "outcome_differs",
    ),
    "lapsed, though it was answered": (
        lambda _, c, r: outcome_of(c, None, "lapsed"),
        "outcome_differs",
    ),
}
OF_OPENING: dict[str, tuple[OutcomeAttack, str]] = {
    "refused, though it was opened": (
        lambda _, c, r: outcome_of(c, r.answer, "refused"),
        "outcome_differs",
    ),
}
OF_REFUSAL: dict[str, tuple[OutcomeAttack, str]] = {
    f"{cause}, though it was refused": (
        lambda _, c, r, cause=cause: outcome_of(c, r.answer, cause),  # type: ignore[misc]
        "outcome_differs",
    )
    for cause in ("as_recorded", "differs_from_record", "opening_invalid")
}


@pytest.mark.parametrize("attack", OUTCOMES | OF_OPENING)
def test_a_bent_outcome_of_an_opening_is_refused_and_the_straight_one_taken(
    world: World, attack: str
) -> None:
    case = case_on(world.claim)
    reply = made.reply_to(case)
    world.take(case)
    world.take(reply)
    mutate, reason = (OUTCOMES | OF_OPENING)[attack]
    assert refusal(world, mutate(world, case, reply)) == reason
    world.take(outcome_of(case, reply.answer))


@pytest.mark.parametrize("attack", OUTCOMES | OF_REFUSAL)
def test_a_bent_outcome_of_a_refusal_is_refused_and_the_straight_one_taken(
    world: World, attack: str
) -> None:
    case = case_on(world.claim)
    reply = made.refusal_of(case)
    world.take(case)
    world.take(reply)
    mutate, reason = (OUTCOMES | OF_REFUSAL)[attack]
    assert refusal(world, mutate(world, case, reply)) == reason
    world.take(outcome_of(case, reply.answer, "refused"))


@pytest.mark.parametrize("cause", ["as_recorded", "differs_from_record", "refused", "lapsed"])
def test_no_outcome_of_what_nobody_has_answered_yet(world: World, cause: str) -> None:
    case = case_on(world.claim)
    world.take(case)
    answer = None if cause == "lapsed" else made.reply_to(case).answer
    assert refusal(world, outcome_of(case, answer, cause), ANSWER_BY) == "outcome_too_soon"
    world.take(outcome_of(case, None, "lapsed"), ANSWER_BY + SECOND)


@pytest.mark.parametrize("cause", ["as_recorded", "differs_from_record", "refused"])
def test_a_case_that_lapsed_has_no_other_outcome(world: World, cause: str) -> None:
    case = case_on(world.claim)
    world.take(case)
    late = ANSWER_BY + SECOND
    made_up = outcome_of(case, made.reply_to(case).answer, cause)
    assert refusal(world, made_up, late) == "outcome_differs"
    world.take(outcome_of(case, None, "lapsed"), late)


def test_every_reason_is_tried() -> None:
    elsewhere = {"audit_not_foreseen", "audit_late", "outcome_too_soon"}
    tables: list[dict[str, tuple[Any, str]]] = [CASES, ANSWERS, OUTCOMES, OF_OPENING, OF_REFUSAL]
    tried = {reason for table in tables for _, reason in table.values()}
    assert tried | elsewhere == set(AUDIT_REASONS)
