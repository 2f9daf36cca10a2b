"""Golden signed documents: one of each kind that is exchanged around a claim, and mutations.

All are about the claim and the openings of one accept. Keys are derived from names; the proof in
an opening and the seal are random, so the stored file is the artefact.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from circuits.attestation import Attestation, AttestationRequest, attestation_purpose
from circuits.audit import (
    AuditAnswer,
    AuditCase,
    AuditOutcome,
    Finding,
    audit_purpose,
    seal_opening,
    sealed_digest,
)
from circuits.canonical import encode_base64url
from circuits.claim import claim_digest
from circuits.publication import Publication, published_facts
from circuits.sealing import RecipientKey
from circuits.signed import SignedDocument, encode_signed, make_signed, signed_digest
from circuits.signing import framed_bytes
from optician.identity import Identity
from optician.opening_file import open_line
from scripts.golden.accepts import GENERATORS, NOW, OPTICIANS, Accept, Document
from scripts.golden.rejects import signed
from verifier_api.evidence.documents import (
    Evidence,
    Record,
    RecordedAudit,
    RecordedKey,
    RecordedPublication,
    RecordedVerdict,
)

OF = "equipment"
LINE = 1
PARTIES = {
    "publisher": "golden-publisher",
    "attester": "golden-attester",
    "auditor": "golden-auditor",
    "insurer": "ocam-exemple",
}
RECORD_ID = "order-1"
PUBLISHED = datetime(2020, 6, 1, tzinfo=UTC)
OPENED = datetime(2020, 11, 2, 9, tzinfo=UTC)
ANSWERED = datetime(2020, 11, 9, 9, tzinfo=UTC)
CONCLUDED = datetime(2020, 11, 10, 9, tzinfo=UTC)


def _seed(name: str) -> bytes:
    return hashlib.sha256(b"clairobscur golden vectors, " + name.encode()).digest()


def party(role: str) -> Identity:
    """The fixed keys of a party, in the form in which all golden keys are kept."""
    name = PARTIES[role]
    return Identity(name, Ed25519PrivateKey.from_private_bytes(_seed(name)), bytes(32))


def recipient() -> RecipientKey:
    """The fixed key that the golden answer is sealed to."""
    seed = _seed("ml-kem, first half") + _seed("ml-kem, second half")
    return RecipientKey(
        MLKEM768PrivateKey.from_seed_bytes(seed), X25519PrivateKey.from_private_bytes(_seed("x"))
    )


def _recorded(publication: Publication) -> RecordedPublication:
    return RecordedPublication(publication=publication, recorded_at=PUBLISHED)


def trust_list() -> Document:
    """Everybody's key, for whoever judges the golden evidence."""
    keys = []
    for role in PARTIES:
        who = party(role)
        entry = {
            "role": role,
            "party_id": who.optician_id,
            "public_key": encode_base64url(who.signing_key.public_key().public_bytes_raw()),
        }
        if role == "publisher":
            entry |= {"publishes": ["nomenclature", "contract"]}  # type: ignore[dict-item]
        keys.append(entry)
    return {"format_version": 1, "keys": keys}


class SignedDocuments:
    """Makes the documents, and rejects of them."""

    def __init__(self, known: Sequence[Accept]) -> None:
        (accept,) = [accept for accept in known if accept.name == OF]
        self._claim, openings = accept.made
        optician = OPTICIANS[0]
        publisher, attester, auditor, insurer = map(party, PARTIES)
        about = {
            "claim_id": self._claim.claim_id,
            "claim_digest": encode_base64url(claim_digest(self._claim)),
            "line": LINE,
            "commitment": self._claim.lines[LINE - 1].commitment,
        }
        publication = make_signed(
            Publication,
            publisher.signing_key,
            **published_facts(accept.contract),
            in_force_from=date(2020, 7, 1),
            published_at=PUBLISHED,
            publisher_id=publisher.optician_id,
        )
        purpose = attestation_purpose(attester.optician_id, RECORD_ID)
        request = make_signed(
            AttestationRequest,
            optician.signing_key,
            attester_id=attester.optician_id,
            optician_id=optician.optician_id,
            record_id=RECORD_ID,
            claim_digest=about["claim_digest"],
            opening=open_line(openings, LINE, ["code"], purpose, GENERATORS),
            requested_at=datetime(2020, 10, 6, 10, tzinfo=UTC),
        )
        attestation = make_signed(
            Attestation,
            attester.signing_key,
            **about,
            attester_id=attester.optician_id,
            attested=("code",),
            record=encode_base64url(_seed("record")[:16]),
            attested_at=datetime(2020, 10, 6, 10, 0, 1, tzinfo=UTC),
            expires_at=datetime(2020, 11, 5, 10, 0, 1, tzinfo=UTC),
        )
        case = make_signed(
            AuditCase,
            auditor.signing_key,
            **about,
            case_id="golden-case",
            insurer_id=self._claim.insurer_id,
            slots=("code", "price"),
            ground="fictitious_equipment",
            auditor_id=auditor.optician_id,
            recipient=recipient().public,
            opened_at=OPENED,
            answer_by=datetime(2020, 11, 16, 9, tzinfo=UTC),
            erase_at=datetime(2020, 12, 16, 9, tzinfo=UTC),
        )
        opening = open_line(openings, LINE, case.slots, audit_purpose(case), GENERATORS)
        self.sealed = seal_opening(opening, case)
        of_case = {"case_id": case.case_id, "case_digest": signed_digest(case)}
        answer = make_signed(
            AuditAnswer,
            optician.signing_key,
            **of_case,
            optician_id=optician.optician_id,
            answer="opening",
            sealed_digest=sealed_digest(self.sealed),
            reason=None,
            answered_at=ANSWERED,
        )
        of_answer = of_case | {
            "answer_digest": signed_digest(answer),
            "auditor_id": auditor.optician_id,
        }
        finding = make_signed(
            Finding,
            auditor.signing_key,
            **of_answer,
            cause="as_recorded",
            opening=opening,
            compared_with=dict(opening.revealed),
            source="order confirmation",
            salt=encode_base64url(_seed("salt")),
            found_at=CONCLUDED,
        )
        outcome = make_signed(
            AuditOutcome,
            auditor.signing_key,
            **of_answer,
            outcome="consistent",
            cause="as_recorded",
            finding_digest=signed_digest(finding),
            concluded_at=CONCLUDED,
        )
        table_publication = make_signed(
            Publication,
            publisher.signing_key,
            **published_facts(accept.table),
            in_force_from=date(2020, 1, 1),
            published_at=PUBLISHED,
            publisher_id=publisher.optician_id,
        )
        record = make_signed(
            Record,
            insurer.signing_key,
            insurer_id=insurer.optician_id,
            exported_at=CONCLUDED,
            claim=self._claim,
            received_at=NOW,
            verdict=RecordedVerdict(
                verdict="granted",
                reason=None,
                judged_at=NOW,
                circuit_digest=encode_base64url(accept.circuit_digest),
                granted_until=datetime(2021, 1, 4, 9, 30, tzinfo=UTC),
                state="granted",
                state_since=NOW,
            ),
            contract=accept.contract,
            contract_publications=(_recorded(publication),),
            nomenclature_digest=self._claim.nomenclature_digest,
            nomenclature_publications=(_recorded(table_publication),),
            optician_keys=(
                RecordedKey(
                    **optician.public_entry(),
                    valid_from=date(2020, 1, 1),
                    valid_to=date(2029, 12, 31),
                    registered_at=PUBLISHED,
                    revoked_at=None,
                ),
            ),
            attestations=(),
            audit=RecordedAudit(
                case=case,
                recorded_at=OPENED,
                answer=answer,
                answered_at=ANSWERED,
                outcome=outcome,
                concluded_at=CONCLUDED,
            ),
        )
        evidence = make_signed(
            Evidence,
            auditor.signing_key,
            auditor_id=auditor.optician_id,
            record=record,
            finding=finding,
            sealed=None,
            recipient_key=None,
            made_at=CONCLUDED,
        )
        made: tuple[SignedDocument, ...] = (
            *(publication, request, attestation, case, answer, finding, outcome),
            *(record, evidence),
        )
        by = (publisher, optician, attester, auditor, optician, auditor, auditor, insurer, auditor)
        self._made: dict[str, tuple[Identity, SignedDocument]] = {
            document.WHAT: (who, document) for who, document in zip(by, made, strict=True)
        }

    def vector(self) -> Document:
        """As stored."""
        return {
            "of": OF,
            "recipient_key": recipient().encode(),
            "sealed": self.sealed,
            "trust": trust_list(),
            "accepts": [self._accept(what) for what in self._made],
            "rejects": [reject for what in self._made for reject in self._rejects(what)],
        }

    def _accept(self, what: str) -> Document:
        who, document = self._made[what]
        return {
            "kind": what,
            "public_key": encode_base64url(who.signing_key.public_key().public_bytes_raw()),
            "document": encode_signed(document).decode(),
            "signed_bytes": framed_bytes(document.TAG, document.unsigned()).hex(),
            "digest": signed_digest(document),
        }

    def _rejects(self, what: str) -> Iterator[Document]:
        who, document = self._made[what]
        data = encode_signed(document)

        def reject(name: str, layer: str, changed: bytes) -> Document:
            assert changed != data, name
            return {"name": name, "mutates": what, "layer": layer, "document": changed.decode()}

        whole: Document = json.loads(data)
        others = [other for other in self._made if other != what]
        next_tag = self._made[others[0]][1].TAG
        yield reject("white space", "json", data.replace(b":", b": ", 1))
        yield reject("newline at the end", "json", data + b"\n")
        version = whole | {"format_version": 2}
        yield reject("version 2", "envelope", signed(version, who, document.TAG))
        yield reject("unknown field", "envelope", signed(whole | {"note": ""}, who, document.TAG))
        missing = {key: value for key, value in whole.items() if key != sorted(whole)[0]}
        yield reject("a field left out", "envelope", signed(missing, who, document.TAG))
        yield reject("tag of another kind", "signature", signed(whole, who, next_tag))
        by_other = signed(whole, OPTICIANS[1], document.TAG)
        yield reject("signed by another key", "signature", by_other)
        instant = next(name for name in sorted(whole) if name.endswith("_at"))
        moved = whole | {instant: f"{whole[instant][:-2]}7Z"}
        yield reject("an instant changed, not signed", "signature", rfc8785.dumps(moved))
