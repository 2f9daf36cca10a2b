"""Golden signed documents around a claim: accepted to the byte by the code and by the independent
verifier; their mutations are refused in place by both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from circuits.attestation import (
    Attestation,
    AttestationRequest,
    attestation_purpose,
)
from circuits.audit import (
    AuditAnswer,
    AuditCase,
    AuditOutcome,
    AuditReply,
    Finding,
    audit_purpose,
    require_answer_fits,
    require_outcome_fits,
    unseal_opening,
)
from circuits.canonical import decode_base64url
from circuits.claim import Claim, decode_claim
from circuits.publication import Publication
from circuits.sealing import RecipientKey
from circuits.signed import (
    SignedDocument,
    decode_signed,
    encode_signed,
    signed_digest,
    verify_signed,
)
from circuits.signing import framed_bytes, public_key_of
from circuits.trust import parse_trust
from scripts import make_golden
from tests.support import claims as samples
from tests.support import independent_verifier as independent
from verifier_api.evidence.check import check_evidence
from verifier_api.evidence.documents import Evidence, Record
from verifier_api.openings import verify_line_opening
from zk.errors import EncodingError, ProofRejected, StatementError

GOLDEN = Path(__file__).parent / "golden"
MODELS: dict[str, type[SignedDocument]] = {
    model.WHAT: model
    for model in (
        *(Publication, AttestationRequest, Attestation),
        *(AuditCase, AuditAnswer, AuditOutcome, Finding),
        *(Record, Evidence),
    )
}


def stored(folder: Path = GOLDEN) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / make_golden.SIGNED_FILE).read_bytes())
    return document


STORED = stored()
ACCEPTS = {accept["kind"]: accept for accept in STORED["accepts"]}
REJECTS = {f"{reject['mutates']}: {reject['name']}": reject for reject in STORED["rejects"]}


def golden(kind: str) -> Any:
    return decode_signed(MODELS[kind], ACCEPTS[kind]["document"].encode())


def claim() -> Claim:
    vector = json.loads((GOLDEN / f"{STORED['of']}.json").read_bytes())
    return decode_claim(vector["claim"].encode())


def test_every_kind_is_there() -> None:
    assert ACCEPTS.keys() == MODELS.keys() == independent.SIGNED_KINDS.keys()
    assert {reject["mutates"] for reject in REJECTS.values()} == MODELS.keys()


@pytest.mark.parametrize("kind", MODELS)
def test_a_golden_document_is_accepted_to_the_byte(kind: str) -> None:
    accept, document = ACCEPTS[kind], golden(kind)
    data = accept["document"].encode()
    verify_signed(document, public_key_of(accept["public_key"]))
    assert encode_signed(document) == data
    message = framed_bytes(document.TAG, document.unsigned())
    assert message.hex() == accept["signed_bytes"]
    assert signed_digest(document) == accept["digest"]
    key = decode_base64url(accept["public_key"])
    read, signed, digest = independent.judge_signed(data, kind, key)
    assert (read, signed, digest) == (json.loads(data), message, accept["digest"])


@pytest.mark.parametrize("name", REJECTS)
def test_a_mutation_is_refused_in_place(name: str) -> None:
    reject = REJECTS[name]
    kind, data = reject["mutates"], reject["document"].encode()
    key = ACCEPTS[kind]["public_key"]
    if reject["layer"] == "signature":
        document = decode_signed(MODELS[kind], data)
        with pytest.raises(ProofRejected) as told:
            verify_signed(document, public_key_of(key))
        assert told.value.reason == "signature_invalid"
        with pytest.raises(independent.Refused, match="signature_invalid"):
            independent.judge_signed(data, kind, decode_base64url(key))
        return
    expected = EncodingError if reject["layer"] == "json" else StatementError
    with pytest.raises(expected):
        decode_signed(MODELS[kind], data)
    with pytest.raises(independent.Unreadable):
        independent.judge_signed(data, kind, decode_base64url(key))


def test_the_documents_fit_one_another() -> None:
    case, answer, outcome = golden("audit case"), golden("audit answer"), golden("audit outcome")
    finding, request = golden("audit finding"), golden("attestation request")
    reply = AuditReply(format_version=1, answer=answer, sealed=STORED["sealed"])
    require_answer_fits(reply, case, claim())
    require_outcome_fits(outcome, case, answer)
    key = RecipientKey.decode(STORED["recipient_key"])
    assert key.public == case.recipient
    opening = unseal_opening(STORED["sealed"], case, key)
    assert opening == finding.opening
    purpose = audit_purpose(case)
    values = verify_line_opening(samples.generators(), claim(), opening, purpose)
    assert values.names == case.slots
    purpose = attestation_purpose(request.attester_id, request.record_id)
    values = verify_line_opening(samples.generators(), claim(), request.opening, purpose)
    assert values.names == ("code",)


def test_the_evidence_holds_and_shows_what_was_found() -> None:
    trust = parse_trust(json.dumps(STORED["trust"]).encode())
    evidence = golden("evidence")
    assert evidence.record == golden("record")
    judged = check_evidence(
        evidence, trust, samples.nomenclature(), samples.generators(), evidence.made_at
    )
    assert [point.name for point in judged.points if not point.is_ok] == []
    assert (judged.holds, judged.shows, judged.insurer) == (True, "consistent", "agrees")


def test_the_openings_proofs_hold_for_the_independent_verifier() -> None:
    case, finding = golden("audit case"), golden("audit finding")
    opening, slots = finding.opening, {"code": 1, "price": 2, "date": 3, "correction": 4}
    bound = independent.canonical(
        {"claim_id": case.claim_id, "line": case.line, "purpose": audit_purpose(case)}
    )
    independent.verify_partial_opening(
        decode_base64url(case.commitment),
        4,
        {slots[name]: value for name, value in opening.revealed.items()},
        bound,
        decode_base64url(opening.proof),
    )


def test_they_can_be_made_anew(tmp_path: Path) -> None:
    make_golden.write(tmp_path)
    made = stored(tmp_path)
    assert [reject["name"] for reject in made["rejects"]] == [
        reject["name"] for reject in STORED["rejects"]
    ]
    # No proof, no blinding in these: they come out the same, but for the claim they are about.
    same = [accept for accept in made["accepts"] if accept["kind"] == "publication"]
    assert same == [ACCEPTS["publication"]]
