"""Every change of good evidence is refused at the point that it falsifies, or shown for what it is.

A mutation names the good evidence that it starts from (`tests.support.bundles.KINDS`), who helps by
signing anew what was changed ("nobody", "auditor", or "both": the auditor and the insurer), and the
point and reason at which the evidence falls. Nobody but the optician signs for the optician.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Literal, TypeAlias

import pytest

from circuits.attestation import Attestation
from circuits.audit import AuditAnswer, AuditCase, AuditOutcome, Finding, audit_purpose
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import encode_instant
from circuits.publication import Publication
from circuits.signed import encode_signed, signed_digest
from circuits.trust import Trust, parse_trust
from optician.identity import Identity
from optician.opening_file import open_line
from tests.support import bundles
from tests.support import claims as samples
from tests.support.bundles import Kind, party, resigned
from tests.support.tables import limits_table
from verifier_api.evidence.check import POINTS, Judgement, check_evidence
from verifier_api.evidence.documents import Evidence, Record
from verifier_api.keys import KeyRegistry
from verifier_api.parties import Party
from zk.errors import EncodingError, ProofRejected, StatementError

Json: TypeAlias = Any
Helper: TypeAlias = Literal["nobody", "auditor", "both"]

SHORT = timedelta(seconds=1)


def judged(
    evidence: Evidence,
    trust: Trust | None = None,
    keys: KeyRegistry | None = None,
) -> Judgement:
    return check_evidence(
        evidence,
        trust or bundles.trust(),
        samples.nomenclature(),
        samples.generators(),
        bundles.RECEIVED_AT,
        keys,
    )


def signed_by(document: Json, helper: Helper) -> Evidence:
    if helper == "both":
        document["record"] = resigned(Record, document["record"], party("insurer"))
    if helper != "nobody":
        document = resigned(Evidence, document, party("auditor"))
    return bundles.decoded(document)


# -- what is changed ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutation:
    name: str
    accept: Kind
    helper: Helper
    change: Callable[[Json], None]
    point: str
    reason: str


MUTATIONS: list[Mutation] = []


def mutation(
    accept: Kind, helper: Helper, point: str, reason: str
) -> Callable[[Callable[[Json], None]], Callable[[Json], None]]:
    def add(change: Callable[[Json], None]) -> Callable[[Json], None]:
        MUTATIONS.append(Mutation(change.__name__, accept, helper, change, point, reason))
        return change

    return add


def as_json(document: Any) -> Json:
    return json.loads(encode_signed(document))


@cache
def stranger() -> Party:
    """A party of the right name whose key nobody relies on."""
    return Party.generate("auditor", bundles.PARTIES["auditor"])


# -- nobody helps: whatever is changed, a signature no longer covers it


@mutation("consistent", "nobody", "evidence", "signature_invalid")
def made_a_little_earlier(document: Json) -> None:
    document["made_at"] = encode_instant(bundles.MADE_AT - SHORT)


@mutation("inconsistent", "nobody", "evidence", "signature_invalid")
def finding_left_out(document: Json) -> None:
    document["finding"] = None


@mutation("consistent", "auditor", "record", "signature_invalid")
def verdict_made_refused(document: Json) -> None:
    document["record"]["verdict"] |= {"verdict": "refused", "reason": "floor"}


@mutation("consistent", "auditor", "record", "signature_invalid")
def other_claims_record_body(document: Json) -> None:
    document["record"]["claim"] = json.loads(
        canonical_bytes(bundles.other_claim()[0].model_dump(mode="json"))
    )


@mutation("consistent", "auditor", "record", "signature_invalid")
def received_earlier(document: Json) -> None:
    document["record"]["received_at"] = encode_instant(samples.NOW - SHORT)


@mutation("consistent", "auditor", "record", "key_unknown")
def insurers_signature_by_the_auditor(document: Json) -> None:
    document["record"] = resigned(Record, document["record"], party("auditor"))


@mutation("consistent", "auditor", "record", "signature_invalid")
def insurers_signature_missing(document: Json) -> None:
    document["record"]["signature"] = encode_base64url(bytes(64))


@mutation("consistent", "auditor", "record", "record_later")
def record_exported_after_the_evidence(document: Json) -> None:
    document["record"]["exported_at"] = encode_instant(bundles.MADE_AT + timedelta(hours=1))
    document["record"] = resigned(Record, document["record"], party("insurer"))


@mutation("consistent", "auditor", "evidence", "made_in_future")
def made_after_it_was_received(document: Json) -> None:
    document["made_at"] = encode_instant(bundles.RECEIVED_AT + timedelta(hours=1))


# -- auditor and insurer help one another


@mutation("consistent", "both", "record", "record_out_of_order")
def recorded_after_the_record(document: Json) -> None:
    document["record"]["audit"]["concluded_at"] = encode_instant(
        bundles.EXPORTED_AT + timedelta(days=1)
    )


@mutation("consistent", "both", "claim", "signature_invalid")
def claims_amount_changed(document: Json) -> None:
    document["record"]["claim"]["amounts"]["frame_cents"] -= 1


@mutation("consistent", "both", "claim", "signature_invalid")
def claims_beneficiary_changed(document: Json) -> None:
    document["record"]["claim"]["beneficiary"] = "somebody-else-0001"


@mutation("consistent", "both", "case", "audit_other_claim")
def other_claims_record(document: Json) -> None:
    document["record"]["claim"] = json.loads(
        canonical_bytes(bundles.other_claim()[0].model_dump(mode="json"))
    )
    document["record"]["attestations"] = []


@mutation("consistent", "both", "contract", "contract_mismatch")
def other_contract(document: Json) -> None:
    document["record"]["contract"]["frame_ceiling_cents"] -= 1


@mutation("consistent", "both", "contract", "contract_missing")
def contract_left_out(document: Json) -> None:
    document["record"]["contract"] = None


@mutation("consistent", "both", "nomenclature", "table_differs")
def tables_digest_replaced(document: Json) -> None:
    document["record"]["nomenclature_digest"] = encode_base64url(bytes(32))


@mutation("consistent", "both", "publications", "unpublished")
def contract_unpublished(document: Json) -> None:
    document["record"]["contract_publications"] = []


@mutation("consistent", "both", "publications", "publication_differs")
def tables_publication_for_the_contract(document: Json) -> None:
    record = document["record"]
    record["contract_publications"] = record["nomenclature_publications"]


@mutation("consistent", "both", "publications", "key_unknown")
def published_by_the_insurer(document: Json) -> None:
    entry = document["record"]["contract_publications"][0]
    entry["publication"] = resigned(Publication, entry["publication"], party("insurer"))


@mutation("consistent", "both", "publications", "signature_invalid")
def published_from_an_earlier_day(document: Json) -> None:
    document["record"]["contract_publications"][0]["publication"]["in_force_from"] = "2020-01-01"


@mutation("consistent", "both", "publications", "unpublished")
def published_from_a_later_day(document: Json) -> None:
    entry = document["record"]["contract_publications"][0]
    entry["publication"]["in_force_from"] = "2020-12-01"
    entry["publication"] = resigned(Publication, entry["publication"], party("publisher"))


@mutation("consistent", "both", "optician_key", "key_missing")
def opticians_key_left_out(document: Json) -> None:
    document["record"]["optician_keys"] = []


@mutation("consistent", "both", "optician_key", "key_missing")
def opticians_key_replaced(document: Json) -> None:
    document["record"]["optician_keys"][0] |= Identity.generate("optician-1").public_entry()


@mutation("consistent", "both", "optician_key", "malformed")
def opticians_key_for_which_anybody_can_sign(document: Json) -> None:
    document["record"]["optician_keys"][0]["public_key"] = encode_base64url(
        (1).to_bytes(32, "little")
    )


@mutation("consistent", "both", "optician_key", "optician_unknown")
def opticians_key_of_another(document: Json) -> None:
    document["record"]["optician_keys"][0]["optician_id"] = "optician-2"


@mutation("consistent", "both", "optician_key", "optician_unknown")
def opticians_key_revoked_before_the_claim(document: Json) -> None:
    document["record"]["optician_keys"][0]["revoked_at"] = encode_instant(samples.NOW)


@mutation("consistent", "both", "optician_key", "optician_unknown")
def opticians_key_revoked_before_the_answer(document: Json) -> None:
    document["record"]["optician_keys"][0]["revoked_at"] = encode_instant(bundles.ANSWERED_AT)


@mutation("consistent", "both", "optician_key", "optician_unknown")
def opticians_key_ended_before_the_answer(document: Json) -> None:
    day = bundles.ANSWERED_AT.date() - timedelta(days=1)
    document["record"]["optician_keys"][0]["valid_to"] = day.isoformat()


@mutation("consistent", "both", "optician_key", "optician_unknown")
def opticians_key_registered_after_the_claim(document: Json) -> None:
    document["record"]["optician_keys"][0]["registered_at"] = encode_instant(samples.NOW + SHORT)


@mutation("consistent", "both", "attestations", "attestation_other_line")
def attestation_of_another_line(document: Json) -> None:
    entry = document["record"]["attestations"][0]
    entry["attestation"]["line"] = 2
    entry["attestation"] = resigned(Attestation, entry["attestation"], party("attester"))


@mutation("consistent", "both", "attestations", "key_unknown")
def attested_by_the_insurer(document: Json) -> None:
    entry = document["record"]["attestations"][0]
    entry["attestation"] = resigned(Attestation, entry["attestation"], party("insurer"))


@mutation("consistent", "both", "attestations", "signature_invalid")
def attestation_of_more(document: Json) -> None:
    document["record"]["attestations"][0]["attestation"]["attested"] = ["code", "price"]


@mutation("consistent", "both", "attestations", "attestation_in_future")
def attestation_recorded_before_it_was_made(document: Json) -> None:
    document["record"]["attestations"][0]["recorded_at"] = encode_instant(
        samples.NOW - timedelta(days=1)
    )


@mutation("consistent", "both", "case", "signature_invalid")
def case_with_another_ground(document: Json) -> None:
    document["record"]["audit"]["case"]["ground"] = "fictitious_equipment"


@mutation("consistent", "both", "case", "key_unknown")
def case_signed_by_a_stranger(document: Json) -> None:
    audit = document["record"]["audit"]
    audit["case"] = resigned(AuditCase, audit["case"], stranger())


@mutation("consistent", "both", "answer", "audit_other_case")
def case_swapped(document: Json) -> None:
    document["record"]["audit"]["case"] = as_json(bundles.make_case(case_id="case-2"))


@mutation("consistent", "both", "case", "audit_other_line")
def case_of_another_line(document: Json) -> None:
    document["record"]["audit"]["case"] = as_json(bundles.make_case(line=2))


@mutation("consistent", "both", "case", "ground_not_allowed")
def case_on_a_ground_that_is_none(document: Json) -> None:
    document["record"]["audit"]["case"] = as_json(bundles.make_case(ground="curiosity"))


@mutation("consistent", "both", "case", "answer_too_soon")
def case_with_a_short_deadline(document: Json) -> None:
    document["record"]["audit"]["case"] = as_json(
        bundles.make_case(answer_by=bundles.OPENED_AT + timedelta(days=13))
    )


@mutation("consistent", "both", "evidence", "auditor_differs")
def case_of_another_auditor(document: Json) -> None:
    document["record"]["audit"]["case"] = as_json(bundles.make_case(auditor_id="auditor-2"))


@mutation("consistent", "both", "case", "audit_missing")
def audit_left_out(document: Json) -> None:
    document["record"]["audit"] = None


@mutation("consistent", "both", "answer", "audit_other_case")
def answer_of_another_case(document: Json) -> None:
    other = bundles.make_case(case_id="case-2")
    answer = bundles.make_answer(other, bundles.make_seal(other))
    document["record"]["audit"]["answer"] = as_json(answer)


@mutation("consistent", "both", "answer", "signature_invalid")
def answer_changed(document: Json) -> None:
    document["record"]["audit"]["answer"]["sealed_digest"] = encode_base64url(bytes(32))


@mutation("consistent", "both", "optician_key", "key_missing")
def answer_signed_by_the_auditor(document: Json) -> None:
    audit = document["record"]["audit"]
    audit["answer"] = resigned(AuditAnswer, audit["answer"], party("auditor"))


@mutation("consistent", "both", "answer", "audit_late")
def answer_recorded_late(document: Json) -> None:
    document["record"]["audit"]["answered_at"] = encode_instant(bundles.ANSWER_BY + SHORT)


@mutation("consistent", "both", "outcome", "outcome_differs")
def answer_left_out(document: Json) -> None:
    document["record"]["audit"] |= {"answer": None, "answered_at": None}


@mutation("lapsed", "both", "outcome", "outcome_too_soon")
def lapsed_too_soon(document: Json) -> None:
    document["record"]["audit"]["concluded_at"] = encode_instant(bundles.ANSWER_BY)


@mutation("lapsed", "both", "outcome", "outcome_differs")
def lapse_of_an_answered_case(document: Json) -> None:
    audit = document["record"]["audit"]
    audit["answer"] = as_json(bundles.parts("refused").answer)
    audit["answered_at"] = encode_instant(bundles.ANSWERED_AT)


@mutation("consistent", "both", "outcome", "outcome_missing")
def outcome_left_out(document: Json) -> None:
    document["record"]["audit"] |= {"outcome": None, "concluded_at": None}


@mutation("consistent", "both", "outcome", "signature_invalid")
def outcome_flipped(document: Json) -> None:
    outcome = document["record"]["audit"]["outcome"]
    outcome |= {"outcome": "inconsistent", "cause": "differs_from_record"}


@mutation("consistent", "both", "comparison", "cause_differs")
def outcome_flipped_and_signed(document: Json) -> None:
    outcome_flipped(document)
    audit = document["record"]["audit"]
    audit["outcome"] = resigned(AuditOutcome, audit["outcome"], party("auditor"))


@mutation("inconsistent", "both", "comparison", "cause_differs")
def outcome_whitewashed(document: Json) -> None:
    sign_finding(document, {"cause": "as_recorded"}, outcome="consistent", cause="as_recorded")


@mutation("consistent", "both", "outcome", "key_unknown")
def outcome_signed_by_a_stranger(document: Json) -> None:
    audit = document["record"]["audit"]
    audit["outcome"] = resigned(AuditOutcome, audit["outcome"], stranger())


@mutation("refused", "both", "outcome", "outcome_differs")
def refusal_called_a_lie(document: Json) -> None:
    document["finding"] = as_json(bundles.parts("consistent").finding)
    audit = document["record"]["audit"]
    audit["outcome"] |= {
        "outcome": "inconsistent",
        "cause": "differs_from_record",
        "finding_digest": encode_base64url(bytes(32)),
    }
    audit["outcome"] = resigned(AuditOutcome, audit["outcome"], party("auditor"))


def sign_finding(document: Json, changes: dict[str, Json], **outcome: Json) -> None:
    """A changed finding with the outcome that names it, both signed by the auditor."""
    document["finding"] = resigned(Finding, document["finding"] | changes, party("auditor"))
    finding = Finding.model_validate_json(canonical_bytes(document["finding"]))
    audit = document["record"]["audit"]
    changed = audit["outcome"] | {"finding_digest": signed_digest(finding)} | outcome
    audit["outcome"] = resigned(AuditOutcome, changed, party("auditor"))


@mutation("consistent", "auditor", "finding", "finding_differs")
def findings_values_changed(document: Json) -> None:
    document["finding"]["compared_with"]["code"] += 1
    document["finding"] = resigned(Finding, document["finding"], party("auditor"))


@mutation("consistent", "auditor", "finding", "finding_differs")
def findings_opening_changed(document: Json) -> None:
    document["finding"]["opening"]["revealed"]["code"] += 1
    document["finding"] = resigned(Finding, document["finding"], party("auditor"))


@mutation("consistent", "auditor", "finding", "finding_missing")
def finding_missing(document: Json) -> None:
    document["finding"] = None


@mutation("refused", "auditor", "finding", "finding_unasked")
def finding_unasked(document: Json) -> None:
    document["finding"] = as_json(bundles.parts("consistent").finding)


@mutation("consistent", "both", "finding", "key_unknown")
def finding_signed_by_a_stranger(document: Json) -> None:
    document["finding"] = resigned(Finding, document["finding"], stranger())
    finding = Finding.model_validate_json(canonical_bytes(document["finding"]))
    audit = document["record"]["audit"]
    changed = audit["outcome"] | {"finding_digest": signed_digest(finding)}
    audit["outcome"] = resigned(AuditOutcome, changed, party("auditor"))


@mutation("consistent", "both", "finding", "finding_differs")
def finding_of_another_case(document: Json) -> None:
    sign_finding(document, {"case_id": "case-2"})


@mutation("consistent", "both", "opening", "opening_invalid")
def opened_code_replaced(document: Json) -> None:
    """The auditor forges a lie: another code than was opened."""
    opening = document["finding"]["opening"]
    revealed = opening["revealed"] | {"code": samples.row_of("VM5").code}
    sign_finding(
        document,
        {"opening": opening | {"revealed": revealed}, "cause": "differs_from_record"},
        outcome="inconsistent",
        cause="differs_from_record",
    )


@mutation("consistent", "both", "opening", "opening_other_line")
def opening_of_another_line(document: Json) -> None:
    case = bundles.parts("consistent").case
    other = open_line(
        bundles.claim()[1], 2, ["code", "price"], audit_purpose(case), samples.generators()
    )
    sign_finding(document, {"opening": other.model_dump(mode="json")})


@mutation("consistent", "both", "opening", "opening_other_purpose")
def opening_for_another_case(document: Json) -> None:
    """An honest opening of the same line, made for a case that was opened before."""
    other = bundles.make_case(case_id="case-0")
    opening = open_line(
        bundles.claim()[1], 1, ["code", "price"], audit_purpose(other), samples.generators()
    )
    sign_finding(document, {"opening": opening.model_dump(mode="json")})


@mutation("consistent", "both", "opening", "opening_incomplete")
def opening_of_less(document: Json) -> None:
    case = bundles.parts("consistent").case
    opening = open_line(bundles.claim()[1], 1, ["price"], audit_purpose(case), samples.generators())
    sign_finding(document, {"opening": opening.model_dump(mode="json")})


@mutation("consistent", "both", "opening", "opening_missing")
def opening_left_out(document: Json) -> None:
    sign_finding(document, {"opening": None})


@mutation("consistent", "both", "comparison", "comparison_empty")
def compared_with_nothing(document: Json) -> None:
    sign_finding(document, {"compared_with": {}})


@mutation("consistent", "both", "comparison", "comparison_empty")
def compared_with_what_was_not_asked(document: Json) -> None:
    sign_finding(document, {"compared_with": {"date": 1}})


@mutation("consistent", "both", "comparison", "cause_differs")
def papers_changed_to_differ(document: Json) -> None:
    compared = document["finding"]["compared_with"] | {"price": 1}
    sign_finding(document, {"compared_with": compared})


# -- invalid openings


@mutation("invalid", "auditor", "opening", "recipient_differs")
def another_key_for_the_seal(document: Json) -> None:
    document["recipient_key"] = bundles.recipient_key(1).encode()


@mutation("invalid", "auditor", "opening", "malformed")
def no_key_for_the_seal(document: Json) -> None:
    document["recipient_key"] = "AAAA"


@mutation("invalid", "auditor", "answer", "answer_other")
def another_seal(document: Json) -> None:
    case = bundles.parts("invalid").case
    document["sealed"] = bundles.make_seal(case, garbage=b"something else")


@mutation("invalid", "auditor", "answer", "answer_other")
def seal_damaged(document: Json) -> None:
    sealed = document["sealed"]
    document["sealed"] = ("B" if sealed[0] == "A" else "A") + sealed[1:]


@mutation("invalid", "both", "comparison", "comparison_empty")
def papers_beside_an_invalid_opening(document: Json) -> None:
    sign_finding(document, {"compared_with": {"code": 1}, "source": "order 17"})


@mutation("consistent", "both", "opening", "opening_valid")
def valid_opening_called_invalid(document: Json) -> None:
    made_of = bundles.parts("consistent")
    document |= {"sealed": made_of.sealed, "recipient_key": bundles.recipient_key().encode()}
    sign_finding(
        document,
        {"cause": "opening_invalid", "opening": None, "compared_with": {}, "source": None},
        outcome="inconsistent",
        cause="opening_invalid",
    )


# -- the mutations ------------------------------------------------------------------------------


@pytest.mark.parametrize("one", MUTATIONS, ids=lambda one: one.name)
def test_mutation_is_refused(one: Mutation) -> None:
    assert judged(bundles.evidence(one.accept)).holds
    document = bundles.document_of(one.accept)
    one.change(document)
    assert document != bundles.document_of(one.accept)
    judgement = judged(signed_by(document, one.helper))
    failed = judgement.failed
    assert failed is not None
    assert (failed.name, failed.reason) == (one.point, one.reason)
    assert not judgement.holds
    assert judgement.shows is None
    assert judgement.cause is None


def test_every_point_is_falsified() -> None:
    assert {one.point for one in MUTATIONS} == set(POINTS)


@pytest.mark.parametrize("member", ["finding", "record", "made_at", "sealed", "auditor_id"])
def test_a_member_that_is_missing_or_more_makes_no_evidence(member: str) -> None:
    assert judged(bundles.decoded(bundles.document_of("consistent"))).holds
    document = bundles.document_of("consistent")
    del document[member]
    with pytest.raises((EncodingError, StatementError)):
        bundles.decoded(document)
    with pytest.raises((EncodingError, StatementError)):
        bundles.decoded(bundles.document_of("consistent") | {"more": 1})


def test_every_tampered_field_of_the_record_is_noticed() -> None:
    """Each member at the top of the record, whoever relies on it, is under the insurer's seal."""
    accept = bundles.document_of("inconsistent")
    other = json.loads(encode_signed(bundles.evidence("consistent")))["record"]
    other |= {
        "insurer_id": "another",
        "exported_at": encode_instant(bundles.EXPORTED_AT - SHORT),
        "received_at": encode_instant(samples.NOW - SHORT),
        "verdict": accept["record"]["verdict"] | {"state": "payable"},
        "claim": json.loads(canonical_bytes(bundles.other_claim()[0].model_dump(mode="json"))),
        "contract": None,
        "contract_publications": [],
        "nomenclature_digest": encode_base64url(bytes(32)),
        "nomenclature_publications": [],
        "optician_keys": [],
        "attestations": [],
        "audit": None,
    }
    names = set(Record.model_fields) - {"format_version", "key_id", "signature"}
    assert names <= other.keys()
    for name in sorted(names):
        document = bundles.document_of("inconsistent")
        document["record"][name] = other[name]
        judgement = judged(signed_by(document, "auditor"))
        point = next(point for point in judgement.points if point.name == "record")
        assert not point.is_ok, name


# -- keys of the one who judges -----------------------------------------------------------------

TIMES: dict[str, Any] = {
    # role: the instant at which the key must have counted, and the point that falls otherwise
    "publisher": (samples.NOW - timedelta(days=80), "publications"),
    "attester": (samples.NOW, "attestations"),
    "insurer": (bundles.MADE_AT, "record"),
    "auditor": (bundles.RECEIVED_AT, "evidence"),
}


@pytest.mark.parametrize("role", TIMES)
def test_a_key_revoked_before_falls_and_one_revoked_after_stands(role: str) -> None:
    instant, point = TIMES[role]
    evidence = bundles.evidence("inconsistent")
    for revoked_at, reason in ((instant, "key_revoked"), (instant + SHORT, None)):
        judgement = judged(evidence, bundles.trust(**{role: {"revoked_at": revoked_at}}))
        failed = judgement.failed
        told = None if failed is None else (failed.name, failed.reason)
        assert told == (None if reason is None else (point, reason))


@pytest.mark.parametrize("role", TIMES)
def test_a_key_that_was_not_valid_yet_or_no_more_falls(role: str) -> None:
    instant, point = TIMES[role]
    evidence = bundles.evidence("inconsistent")
    assert judged(evidence, bundles.trust(**{role: {"valid_to": instant}})).holds
    judgement = judged(evidence, bundles.trust(**{role: {"valid_to": instant - SHORT}}))
    failed = judgement.failed
    assert failed is not None
    assert (failed.name, failed.reason) == (point, "key_not_valid")


@pytest.mark.parametrize(
    ("role", "point"),
    [("publisher", "publications"), ("attester", "attestations"), ("insurer", "record")],
)
def test_a_key_that_is_not_in_ones_own_list_does_not_count(role: str, point: str) -> None:
    assert judged(bundles.evidence("inconsistent")).holds
    others = [
        party("publisher", "publisher-9") if name == role == "publisher" else party(name)
        for name in bundles.PARTIES
        if name != role or role == "publisher"
    ]
    file = {"format_version": 1, "keys": [other.public_entry() for other in others]}
    trust = parse_trust(json.dumps(file).encode())
    failed = judged(bundles.evidence("inconsistent"), trust).failed
    assert failed is not None
    assert (failed.name, failed.reason) == (point, "key_unknown")


def test_an_empty_trust_list_believes_nothing() -> None:
    assert judged(bundles.evidence("inconsistent")).holds
    failed = judged(bundles.evidence("inconsistent"), Trust()).failed
    assert failed is not None
    assert (failed.name, failed.reason) == ("evidence", "key_unknown")


def test_another_insurer_who_is_relied_upon_has_no_say_in_this_claim() -> None:
    assert judged(bundles.evidence("inconsistent")).holds
    other = party("insurer", "other-insurer")
    document = bundles.document_of("inconsistent")
    document["record"]["insurer_id"] = "other-insurer"
    document["record"] = resigned(Record, document["record"], other)
    entries = [party(role).public_entry() for role in bundles.PARTIES]
    file = {"format_version": 1, "keys": [*entries, other.public_entry()]}
    trust = parse_trust(json.dumps(file).encode())
    assert judged(bundles.evidence("inconsistent"), trust).holds
    failed = judged(signed_by(document, "auditor"), trust).failed
    assert failed is not None
    assert (failed.name, failed.reason) == ("record", "insurer_differs")


def test_another_table_than_the_claims_judges_nothing() -> None:
    evidence = bundles.evidence("inconsistent")
    assert judged(evidence).holds
    judgement = check_evidence(
        evidence, bundles.trust(), limits_table(), samples.generators(), bundles.RECEIVED_AT
    )
    failed = judgement.failed
    assert failed is not None
    assert (failed.name, failed.reason) == ("nomenclature", "table_other")
    assert judgement.insurer == "not_judged"


def test_ones_own_list_of_opticians_goes_before_the_insurers_word() -> None:
    evidence = bundles.evidence("inconsistent")
    assert judged(evidence, keys=samples.registry()).holds
    judgement = judged(evidence, keys=samples.registry([Identity.generate("optician-1")]))
    failed = judgement.failed
    assert failed is not None
    assert (failed.name, failed.reason) == ("optician_key", "key_unlisted")
    reasons = {point.name: point.reason for point in judgement.points}
    assert reasons["claim"] == reasons["answer"] == "point_open"
    assert (judgement.insurer, judgement.own_reason) == ("differs", "optician_unknown")


# -- what the insurer says of the claim ---------------------------------------------------------


def refused(document: Json, reason: str) -> Evidence:
    document["record"]["verdict"] |= {
        "verdict": "refused",
        "reason": reason,
        "granted_until": None,
        "state": "refused",
    }
    return signed_by(document, "both")


def test_an_insurer_that_refused_what_is_proved_is_shown() -> None:
    assert judged(bundles.evidence("consistent")).insurer == "agrees"
    judgement = judged(refused(bundles.document_of("consistent"), "proof_invalid"))
    assert judgement.holds
    assert (judgement.insurer, judgement.own_reason) == ("differs", None)


def test_a_refusal_by_the_insurers_own_records_cannot_be_judged() -> None:
    judgement = judged(refused(bundles.document_of("consistent"), "renewal_too_early"))
    assert judgement.holds
    assert judgement.insurer == "not_comparable"


def test_an_insurer_that_granted_an_expired_claim_is_shown() -> None:
    assert judged(bundles.evidence("consistent")).insurer == "agrees"
    document = bundles.document_of("lapsed")
    late = encode_instant(bundles.claim()[0].expires_at + timedelta(days=1))
    record = document["record"]
    record["received_at"] = late
    record["attestations"] = []
    judgement = judged(signed_by(document, "both"))
    assert (judgement.insurer, judgement.own_reason) == ("differs", "expired")


def test_an_insurer_that_granted_without_an_attestation_is_shown() -> None:
    assert judged(bundles.evidence("consistent")).insurer == "agrees"
    document = bundles.document_of("consistent")
    document["record"]["attestations"].pop()
    judgement = judged(signed_by(document, "both"))
    assert judgement.holds
    assert (judgement.insurer, judgement.own_reason) == ("differs", "attestation_missing")


# -- every leaf ---------------------------------------------------------------------------------

INSURERS_WORD = {
    "record.exported_at",
    "record.received_at",
    "record.verdict.judged_at",
    "record.verdict.granted_until",
    "record.verdict.state",
    "record.verdict.state_since",
    "record.contract_publications.recorded_at",
    "record.nomenclature_publications.recorded_at",
    "record.optician_keys.valid_from",
    "record.optician_keys.valid_to",
    "record.optician_keys.registered_at",
    "record.attestations.recorded_at",
    "record.audit.recorded_at",
    "record.audit.answered_at",
    "record.audit.concluded_at",
}
"""What nobody but the insurer has signed."""

AUDITORS_WORD = {"made_at"}


def leaves(value: Json, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The places of everything that is neither an object nor a list, nor null."""
    if isinstance(value, dict):
        return [found for name in value for found in leaves(value[name], (*path, name))]
    if isinstance(value, list):
        return [found for place, one in enumerate(value) for found in leaves(one, (*path, place))]
    return [] if value is None else [path]


def other_than(value: Json) -> Json:
    """Another value of the same form, as near as can be."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value):
        return encode_instant(datetime.fromisoformat(value) + SHORT)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return (date.fromisoformat(value) + timedelta(days=1)).isoformat()
    first, second = ("a", "b") if value[0].islower() else ("A", "B")
    return (second if value[0] == first else first) + value[1:]


def changed_leaf(document: Json, path: tuple[str | int, ...]) -> None:
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = other_than(place[path[-1]])


@pytest.mark.parametrize("kind", bundles.KINDS)
def test_whatever_leaf_is_changed_the_signature_falls(kind: Kind) -> None:
    accept = bundles.document_of(kind)
    assert judged(bundles.decoded(accept)).holds
    for path in leaves(accept):
        document = bundles.document_of(kind)
        changed_leaf(document, path)
        try:
            evidence = bundles.decoded(document)
        except (EncodingError, StatementError):
            continue
        with pytest.raises(ProofRejected):
            bundles.trust().require_signed(
                evidence, "auditor", evidence.auditor_id, bundles.RECEIVED_AT
            )


ENDS_OF_TIME = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")


@pytest.mark.parametrize("end", ENDS_OF_TIME)
@pytest.mark.parametrize("kind", bundles.KINDS)
def test_an_instant_at_an_end_of_the_calendar_is_judged_like_any_other(
    kind: Kind, end: str
) -> None:
    """Mutates the accept of each kind in every instant; its optician and both others sign."""
    accept = bundles.document_of(kind)
    paths = [path for path in leaves(accept) if str(path[-1]).endswith(("_at", "_by"))]
    assert {"made_at", "received_at", "expires_at", "recorded_at"} <= {path[-1] for path in paths}
    for path in paths:
        document = bundles.document_of(kind)
        place: Json = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = end
        try:
            evidence = signed_by(document, "both")
        except (EncodingError, StatementError, ValueError):
            continue  # no such document
        judgement = judged(evidence)
        assert tuple(point.name for point in judgement.points) == POINTS


@pytest.mark.parametrize("end", ENDS_OF_TIME)
def test_evidence_received_at_an_end_of_the_calendar_is_judged(end: str) -> None:
    """Mutates the accept in when it was received."""
    at = datetime.fromisoformat(end)
    judgement = check_evidence(
        bundles.evidence("consistent"),
        bundles.trust(),
        samples.nomenclature(),
        samples.generators(),
        at,
    )
    assert judgement.holds == (at.year > 2020)


@pytest.mark.parametrize("kind", bundles.KINDS)
def test_insurer_and_auditor_together_can_change_nothing_but_their_own_word(kind: Kind) -> None:
    accept = bundles.document_of(kind)
    assert judged(signed_by(bundles.document_of(kind), "both")).holds
    held = set()
    for path in leaves(accept):
        if path[-1] in ("key_id", "signature") and len(path) < 3:
            continue  # of the record and of the evidence, which are signed anew
        document = bundles.document_of(kind)
        changed_leaf(document, path)
        try:
            evidence = signed_by(document, "both")
        except (EncodingError, StatementError, ValueError):
            continue  # no such document
        if judged(evidence).holds:
            held.add(".".join(name for name in path if isinstance(name, str)))
    assert held <= INSURERS_WORD | AUDITORS_WORD
    assert {"record.received_at", "record.verdict.state"} <= held
