"""The judgement of evidence, offline: by one's own trust list, table and generators.

    evidence       an auditor's key that is relied upon signed it
    record         the insurer's key that is relied upon signed the record, and it is the claim's
    optician_key   the keys that signed claim and answer are the optician's, valid at the time
    claim          the optician signed the claim
    contract       the contract in the record is the one that the claim names
    nomenclature   one's own table is the one that the claim names
    publications   both were published by a publisher who is relied upon, if any is
    attestations   every attestation fits claim and contract, and was signed by an attester
    case           the auditor signed the case, and claim and contract allow it
    answer         the optician signed the answer to this case, in time; or none came in time
    outcome        the auditor signed the outcome, which fits the answer
    finding        the auditor signed the finding that the outcome names
    opening        the opening opens the claim's commitment, for this case and no other; or the
                   seal that the optician signed holds no such opening
    comparison     the cause follows from what was opened and what it was compared with

Evidence *holds* if every point is in order; then it shows an outcome. Beside that stands what one
finds of the claim itself, and whether the insurer's verdict is the same.

Nothing counts that a pinned key or mathematics does not show. What remains the word of a pinned
party: of the insurer when he first had a document, which key is the optician's, and that no answer
came in time; of the auditor what his papers say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, TypeAlias, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from circuits.attestation import attestation_duties, require_attestation, unmet
from circuits.audit import (
    AUDIT_REASONS,
    OUTCOME_OF,
    AuditAnswer,
    AuditCase,
    AuditReply,
    Cause,
    Finding,
    Outcome,
    require_answer_fits,
    require_case_fits,
    require_outcome_fits,
)
from circuits.canonical import encode_base64url
from circuits.claim import Claim, verify_signature
from circuits.contract import Contract, contract_digest
from circuits.nomenclature import Nomenclature
from circuits.publication import require_publication_fits, require_published
from circuits.sealing import RecipientKey
from circuits.signed import signed_digest, verify_signed
from circuits.signing import key_id_of, public_key_of
from circuits.trust import Trust
from verifier_api.evidence.documents import (
    Evidence,
    Record,
    RecordedAudit,
    RecordedKey,
    RecordedPublication,
)
from verifier_api.evidence.seals import differing_slots, judge_opening, open_seal
from verifier_api.judge import REASONS, check_envelope, check_statement, rejected
from verifier_api.keys import KeyRegistry
from zk.errors import EncodingError, ProofRejected, StatementError, ZkError
from zk.generators import Generators
from zk.verify import verify

EVIDENCE_REASONS = {
    "made_in_future": "the document was signed after the moment at which it is judged",
    "record_out_of_order": "an instant in the record is after the record itself",
    "record_later": "the record was exported after the evidence was made",
    "insurer_differs": "the record is another insurer's than the claim's",
    "key_missing": "the record does not hold the key that signed",
    "key_unlisted": "the key that signed is not in your list of the optician's keys",
    "contract_missing": "the record does not hold the claim's contract",
    "table_differs": "the record names another nomenclature than the claim",
    "table_other": "your nomenclature is not the claim's",
    "unpublished": "no publisher whom you rely on has published it for the date of service",
    "audit_missing": "the record holds no audit case",
    "outcome_missing": "the audit was not concluded",
    "auditor_differs": "the evidence is another auditor's than the case's",
    "finding_missing": "the outcome names a finding, and the evidence holds none",
    "finding_unasked": "the evidence holds a finding, and the outcome names none",
    "finding_differs": "the finding is not the one that the outcome names, or of another case",
    "opening_missing": "the finding holds no opening, or one where there should be none",
    "recipient_differs": "the key is not the one that the case asks to seal to",
    "opening_valid": "the seal holds a valid opening, and the outcome says that it does not",
    "comparison_empty": "the finding compares nothing that was asked for, or something else",
    "cause_differs": "the outcome does not follow from what was opened and compared",
    "point_open": "cannot be judged before an earlier point is in order",
    "malformed": "a key or a text in the evidence is not what it should be",
}
"""Reason codes, stable, with what they mean; points have those of the documents' own checks too."""

POINTS: Final = (
    *("evidence", "record", "optician_key", "claim", "contract", "nomenclature", "publications"),
    *("attestations", "case", "answer", "outcome", "finding", "opening", "comparison"),
)

InsurerFinding: TypeAlias = Literal["agrees", "differs", "not_comparable", "not_judged"]

JUDGING_TIME: Final = timedelta(minutes=2)
"""A claim is looked at a little before its verdict is recorded, and may expire in between."""

CLOCK_LEAD: Final = timedelta(minutes=1)
"""So far the clock of who signed may be ahead."""

_COMPARABLE: Final = frozenset(REASONS) - {
    # What the insurer's records decide: which keys, versions and publications he had.
    *("optician_unknown", "contract_mismatch", "contract_not_in_force", "contract_unpublished"),
    *("nomenclature_mismatch", "nomenclature_not_in_force", "nomenclature_unpublished"),
}

Given = TypeVar("Given")


@dataclass(frozen=True)
class Point:
    """One point of the judgement; ``reason`` is None exactly where it is in order."""

    name: str
    reason: str | None
    detail: str

    @property
    def is_ok(self) -> bool:
        """Whether the point is in order."""
        return self.reason is None


@dataclass(frozen=True)
class Judgement:
    """What evidence is worth. ``shows`` and ``cause`` are None unless it `holds`.

    ``insurer`` compares the recorded verdict with one's own: "differs" means that the insurer
    signed a verdict that his own contract and this claim do not give; ``own_reason`` is why one
    would have refused, None where one would not.
    """

    points: tuple[Point, ...]
    shows: Outcome | None
    cause: Cause | None
    insurer: InsurerFinding
    own_reason: str | None

    @property
    def failed(self) -> Point | None:
        """The first point that is not in order."""
        return next((point for point in self.points if not point.is_ok), None)

    @property
    def holds(self) -> bool:
        """Whether every point is in order."""
        return self.failed is None


def check_evidence(
    evidence: Evidence,
    trust: Trust,
    nomenclature: Nomenclature,
    generators: Generators,
    received_at: datetime,
    optician_keys: KeyRegistry | None = None,
) -> Judgement:
    """The judgement; never raises for bad evidence.

    ``received_at`` is when one first had the evidence: the auditor's key must have counted then.
    ``optician_keys`` is one's own list, where one does not take the insurer's word.
    """
    check = _Check(evidence, trust, nomenclature, generators, received_at, optician_keys)
    points = tuple(_judged(name, getattr(check, name)) for name in POINTS)
    holds = all(point.is_ok for point in points)
    audit = evidence.record.audit
    cause = audit.outcome.cause if holds and audit is not None and audit.outcome else None
    insurer, own_reason = check.insurer()
    return Judgement(
        points, None if cause is None else OUTCOME_OF[cause], cause, insurer, own_reason
    )


def _judged(name: str, act: Callable[[], str]) -> Point:
    try:
        return Point(name, None, act())
    except ProofRejected as error:
        return Point(name, error.reason, error.detail)
    except (EncodingError, StatementError) as error:
        return Point(name, "malformed", str(error))


@dataclass(frozen=True)
class _Check:
    """One method a point: what was found, or `ProofRejected`."""

    whole: Evidence
    trust: Trust
    table: Nomenclature
    generators: Generators
    received_at: datetime
    own_keys: KeyRegistry | None

    # -- who signed -----------------------------------------------------------------------------

    def evidence(self) -> str:
        # Differences, since a sum with the last instant of the calendar is none.
        if self.whole.made_at - self.received_at > CLOCK_LEAD:
            raise _rejected("made_in_future")
        audit = self._record.audit
        if audit is not None and audit.case.auditor_id != self.whole.auditor_id:
            raise _rejected("auditor_differs")
        self.trust.require_signed(self.whole, "auditor", self.whole.auditor_id, self.received_at)
        return f"signed by auditor {self.whole.auditor_id}"

    def record(self) -> str:
        record = self._record
        if record.exported_at - self.whole.made_at > CLOCK_LEAD:
            raise _rejected("record_later")
        # The auditor's signature tells by when he had it.
        self.trust.require_signed(record, "insurer", record.insurer_id, self.whole.made_at)
        if record.insurer_id != self._claim.insurer_id:
            raise _rejected("insurer_differs")
        if any(at > record.exported_at for at in _instants(record)):
            raise _rejected("record_out_of_order")
        return f"signed by insurer {record.insurer_id}"

    def optician_key(self) -> str:
        self._claim_key()
        audit = self._record.audit
        if audit is not None and audit.answer is not None and audit.answered_at is not None:
            self._key(audit.answer.key_id, audit.answered_at)
        if self.own_keys is None:
            return f"of {self._claim.optician_id}, on the insurer's word"
        return f"of {self._claim.optician_id}, as in your own list"

    def claim(self) -> str:
        key = _needed(self._claim_key)
        verify_signature(self._claim, key)
        return f"{self._claim.claim_id}, signed by optician {self._claim.optician_id}"

    # -- what the claim rests on ----------------------------------------------------------------

    def contract(self) -> str:
        contract = self._contract()
        return f"{contract.contract_id}, by its digest"

    def nomenclature(self) -> str:
        self._require_table()
        return f"{self.table.version}, by its digest"

    def publications(self) -> str:
        if not self.trust.has_role("publisher"):
            return "your list names no publisher"
        contract = _needed(self._contract)
        self._require_published(self._record.contract_publications, contract)
        self._require_published(self._record.nomenclature_publications, self.table)
        return "both documents are published"

    def attestations(self) -> str:
        given = self._record.attestations
        if not given:
            return "none"
        contract = _needed(self._contract)
        _needed(self._require_table)
        duties = attestation_duties(self._claim, contract, self.table)
        for entry in given:
            require_attestation(
                entry.attestation, self._claim, duties, self.trust, entry.recorded_at
            )
        lines = sorted({entry.attestation.line for entry in given})
        return f"of line {', '.join(map(str, lines))}"

    # -- the audit ------------------------------------------------------------------------------

    def case(self) -> str:
        audit = self._audit()
        case = audit.case
        self.trust.require_signed(case, "auditor", case.auditor_id, audit.recorded_at)
        require_case_fits(case, self._claim, _needed(self._contract), audit.recorded_at)
        return f"{case.case_id}, line {case.line}: {', '.join(case.slots)}"

    def answer(self) -> str:
        audit = _needed(self._audit)
        answer = audit.answer
        if answer is None:
            return "none"
        _needed(self.optician_key)
        require_answered(self._record, audit, answer, self.whole.sealed)
        if answer.answer == "refusal":
            return f"refused by optician {answer.optician_id}"
        return f"an opening, sealed by optician {answer.optician_id}"

    def outcome(self) -> str:
        audit = _needed(self._audit)
        outcome, concluded_at = audit.outcome, audit.concluded_at
        if outcome is None or concluded_at is None:
            raise _rejected("outcome_missing")
        self.trust.require_signed(outcome, "auditor", audit.case.auditor_id, concluded_at)
        require_outcome_fits(outcome, audit.case, audit.answer)
        if outcome.cause == "lapsed" and concluded_at <= audit.case.answer_by:
            raise ProofRejected("outcome_too_soon", AUDIT_REASONS["outcome_too_soon"])
        word = ": no answer came, on the insurer's word" if outcome.cause == "lapsed" else ""
        return f"{outcome.outcome} ({outcome.cause}){word}"

    def finding(self) -> str:
        audit = _needed(self._audit)
        outcome, concluded_at = audit.outcome, audit.concluded_at
        if outcome is None or concluded_at is None:
            raise _rejected("point_open")
        if outcome.finding_digest is None:
            if self.whole.finding is not None:
                raise _rejected("finding_unasked")
            return "none: nothing was opened"
        finding = self._finding()
        if signed_digest(finding) != outcome.finding_digest:
            raise _rejected("finding_differs")
        named = (finding.case_id, finding.case_digest, finding.answer_digest, finding.auditor_id)
        if named != (
            audit.case.case_id,
            signed_digest(audit.case),
            outcome.answer_digest,
            audit.case.auditor_id,
        ):
            raise _rejected("finding_differs")
        # The outcome names the finding, so it was there when the outcome was recorded.
        self.trust.require_signed(finding, "auditor", audit.case.auditor_id, concluded_at)
        return "signed by the auditor, and the one that the outcome names"

    def opening(self) -> str:
        audit = _needed(self._audit)
        if audit.answer is None or audit.answer.answer == "refusal":
            return "none"
        finding = self._finding()
        if finding.cause != "opening_invalid":
            if finding.opening is None:
                raise _rejected("opening_missing")
            judge_opening(self.generators, self._claim, audit.case, finding.opening)
            return "opens the claim's commitment, for this case"
        return self._invalid_opening(audit.case, finding)

    def _invalid_opening(self, case: AuditCase, finding: Finding) -> str:
        sealed, secret = self.whole.sealed, self.whole.recipient_key
        if sealed is None or secret is None:
            raise _rejected("opening_missing")
        key = RecipientKey.decode(secret)
        if key.public != case.recipient:
            raise _rejected("recipient_differs")
        try:
            open_seal(self.generators, self._claim, case, key, sealed)
        except ProofRejected as error:
            return f"the optician's signed seal holds none: {error.reason}"
        raise _rejected("opening_valid")

    def comparison(self) -> str:
        audit = _needed(self._audit)
        if audit.outcome is None:
            raise _rejected("point_open")
        if audit.outcome.finding_digest is None:
            return "none"
        finding = self._finding()
        if finding.cause != audit.outcome.cause:
            raise _rejected("cause_differs")
        if finding.cause == "opening_invalid":
            if finding.compared_with or finding.source is not None:
                raise _rejected("comparison_empty")
            return "none: there is nothing to compare"
        if finding.opening is None:
            raise _rejected("point_open")
        compared = finding.compared_with
        if not compared or not set(compared) <= set(audit.case.slots) or finding.source is None:
            raise _rejected("comparison_empty")
        differing = differing_slots(finding.opening, compared)
        if ("differs_from_record" if differing else "as_recorded") != finding.cause:
            raise _rejected("cause_differs")
        same = [name for name in compared if name not in differing]
        told = [
            *([f"{', '.join(differing)}: another value"] if differing else []),
            *([f"{', '.join(same)}: the same value"] if same else []),
        ]
        return f"with the auditor's papers, on his word; {'; '.join(told)}"

    # -- the insurer's verdict ------------------------------------------------------------------

    def insurer(self) -> tuple[InsurerFinding, str | None]:
        """Whether the recorded verdict is one's own, and why one would have refused."""
        if not all(_judged("", act).is_ok for act in (self.contract, self.nomenclature)):
            return "not_judged", None
        own = self._own_reasons()
        recorded = self._record.verdict
        refusal = next((reason for reason in own if reason is not None), None)
        if recorded.verdict != "refused":
            return ("agrees", None) if None in own else ("differs", refusal)
        if recorded.reason in own:
            return "agrees", recorded.reason
        if recorded.reason not in _COMPARABLE:
            return "not_comparable", None if None in own else refusal
        return "differs", None if None in own else refusal

    def _own_reasons(self) -> list[str | None]:
        """Why the claim is to be refused, None for no reason: at the moment of record, and a little
        before."""
        received_at = self._record.received_at
        reasons: list[str | None] = []
        documents: tuple[Contract, Nomenclature] | None = None
        start = datetime.min.replace(tzinfo=UTC) + JUDGING_TIME
        for at in (received_at, max(received_at, start) - JUDGING_TIME):
            try:
                documents = check_envelope(self._claim, _References(self, at), at)
            except ProofRejected as error:
                reasons.append(error.reason)
        if documents is not None:
            reasons.append(self._statement_reason(*documents))
        return reasons

    def _statement_reason(self, contract: Contract, table: Nomenclature) -> str | None:
        try:
            instance, proof = check_statement(self._claim, contract, table, self.generators)
            verify(self.generators, instance, proof)
            duties = [
                duty
                for duty in attestation_duties(self._claim, contract, table)
                if duty.within_days is None
            ]
        except ProofRejected as error:
            return error.reason
        except StatementError:
            return "statement_invalid"
        # Which attestation came with the claim, and which later, the record does not tell apart.
        given = [entry.attestation for entry in self._record.attestations]
        return "attestation_missing" if unmet(duties, given) else None

    # -- helpers --------------------------------------------------------------------------------

    @property
    def _record(self) -> Record:
        return self.whole.record

    @property
    def _claim(self) -> Claim:
        return self.whole.record.claim

    def _audit(self) -> RecordedAudit:
        audit = self._record.audit
        if audit is None:
            raise _rejected("audit_missing")
        return audit

    def _finding(self) -> Finding:
        if self.whole.finding is None:
            raise _rejected("finding_missing")
        return self.whole.finding

    def _claim_key(self) -> Ed25519PublicKey:
        return self._key(self._claim.key_id, self._record.received_at)

    def _key(self, key_id: str, at: datetime) -> Ed25519PublicKey:
        """The optician's key of that id, if it was valid ``at``."""
        key = registered_key(self._record, key_id, at)
        own, optician_id = self.own_keys, self._claim.optician_id
        if own is not None and own.find(optician_id, key_id, at.date()) is None:
            raise _rejected("key_unlisted")
        return key

    def _contract(self) -> Contract:
        contract, claim = self._record.contract, self._claim
        if contract is None:
            raise _rejected("contract_missing")
        if (
            encode_base64url(contract_digest(contract)) != claim.contract_digest
            or contract.contract_id != claim.contract_id
            or contract.insurer_id != claim.insurer_id
        ):
            raise rejected("contract_mismatch")
        return contract

    def _require_table(self) -> None:
        if self._record.nomenclature_digest != self._claim.nomenclature_digest:
            raise _rejected("table_differs")
        if encode_base64url(self.table.digest) != self._claim.nomenclature_digest:
            raise _rejected("table_other")

    def _require_published(
        self, recorded: Iterable[RecordedPublication], document: Contract | Nomenclature
    ) -> None:
        """Raise unless one of the publications counts; the reason of the last one that does not."""
        reason = _rejected("unpublished")
        for entry in recorded:
            try:
                require_publication_fits(entry.publication, document)
                require_published(entry.publication, self.trust, entry.recorded_at)
            except ProofRejected as error:
                reason = error
                continue
            if entry.publication.in_force_from <= self._claim.date_of_service:
                return
        raise reason


@dataclass(frozen=True)
class _References:
    """What a claim is judged by, taken from the record; implements `verifier_api.judge.References`.

    Whether a later version was in force, the record does not tell."""

    check: _Check
    at: datetime

    def key(self, optician_id: str, key_id: str, today: date) -> Ed25519PublicKey | None:
        """As `References` says."""
        try:
            return self.check._key(key_id, self.at)
        except (ProofRejected, StatementError):
            return None

    def contract(self, insurer_id: str, contract_id: str, digest: str, day: date) -> Contract:
        """As `References` says."""
        return self.check._contract()

    def nomenclature(self, digest: str, day: date) -> Nomenclature:
        """As `References` says."""
        self.check._require_table()
        return self.check.table


def _needed(act: Callable[[], Given]) -> Given:
    """What an earlier point yields. Where it does not, this point cannot be judged."""
    try:
        return act()
    except ZkError:
        raise _rejected("point_open") from None


def registered_key(record: Record, key_id: str, at: datetime) -> Ed25519PublicKey:
    """The key of that id, if it was registered for the claim's optician and valid ``at``.

    Raises `ProofRejected` ("key_missing", "optician_unknown"), and `StatementError` for a key that
    is none.
    """
    entries = ((entry, public_key_of(entry.public_key)) for entry in record.optician_keys)
    found = [(entry, key) for entry, key in entries if key_id_of(key) == key_id]
    if not found:
        raise _rejected("key_missing")
    entry, key = found[0]
    if entry.optician_id != record.claim.optician_id or not _is_valid(entry, at):
        raise rejected("optician_unknown")
    return key


def _is_valid(entry: RecordedKey, at: datetime) -> bool:
    if not entry.valid_from <= at.date() <= entry.valid_to:
        return False
    if entry.registered_at > at:
        return False
    return entry.revoked_at is None or at < entry.revoked_at


def require_answered(
    record: Record, audit: RecordedAudit, answer: AuditAnswer, sealed: str | None
) -> None:
    """Refuse an answer that is not the optician's, not to this case, or late.

    ``sealed`` is what the answer's digest names, None where it is not at hand. Raises
    `ProofRejected`, and `StatementError` for a registered key that is none.
    """
    case, answered_at = audit.case, audit.answered_at or audit.recorded_at
    if sealed is None and answer.answer == "opening":
        named = (answer.case_id, answer.case_digest, answer.optician_id)
        if named != (case.case_id, signed_digest(case), record.claim.optician_id):
            raise ProofRejected("audit_other_case", AUDIT_REASONS["audit_other_case"])
    else:
        reply = AuditReply(format_version=1, answer=answer, sealed=sealed)
        require_answer_fits(reply, case, record.claim)
    verify_signed(answer, registered_key(record, answer.key_id, answered_at))
    if answered_at > case.answer_by:
        raise ProofRejected("audit_late", AUDIT_REASONS["audit_late"])


def _instants(record: Record) -> Iterable[datetime]:
    """Every instant of record."""
    yield record.received_at
    for entry in (*record.contract_publications, *record.nomenclature_publications):
        yield entry.recorded_at
    for given in record.attestations:
        yield given.recorded_at
    audit = record.audit
    if audit is not None:
        yield audit.recorded_at
        yield from (at for at in (audit.answered_at, audit.concluded_at) if at is not None)


def _rejected(reason: str) -> ProofRejected:
    return ProofRejected(reason, EVIDENCE_REASONS[reason])
