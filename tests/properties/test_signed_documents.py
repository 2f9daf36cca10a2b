"""Whatever a signed document says, it is read as it was written, and nothing else is.

Documents with every field drawn; seals of every length; an attester's records; and a ledger against
a model that counts.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from circuits.attestation import (
    Attestation,
    AttestationRequest,
    Submission,
    decode_submission,
    encode_submission,
)
from circuits.audit import (
    OUTCOME_OF,
    AuditAnswer,
    AuditCase,
    AuditOutcome,
    AuditReply,
    Finding,
    decode_reply,
    encode_reply,
    sealed_digest,
)
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import encode_instant
from circuits.nomenclature import check_digit
from circuits.opening import SLOT_OF
from circuits.publication import Publication
from circuits.sealing import (
    BLOCK_BYTES,
    MAX_PLAINTEXT_BYTES,
    RECIPIENT_BYTES,
    RecipientKey,
    seal,
    unseal,
)
from circuits.signed import (
    SignedDocument,
    decode_signed,
    encode_signed,
    make_signed,
    signed_digest,
    verify_signed,
)
from circuits.signing import key_id_of
from circuits.trust import PARTY_ROLES, parse_trust
from tests.support.signed_documents import golden, golden_claim
from verifier_api.attester.ledger import Ledger, Line
from verifier_api.attester.rules import Record
from verifier_api.attester.sources import COLUMNS, parse_records
from zk.errors import ProofRejected, ZkError

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)) for n in range(1, 5)]
OPENING = golden(AttestationRequest).opening

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)
WORDS = st.text(
    st.characters(categories=("L", "N", "P", "S"), exclude_characters="\u0340\u0341"),
    min_size=1,
    max_size=60,
)


def bytes_of(size: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size, max_size=size).map(encode_base64url)


DIGESTS = bytes_of(32)


@st.composite
def words(draw: st.DrawFn) -> str:
    """Printable and in form NFC."""
    import unicodedata

    text = unicodedata.normalize("NFC", draw(WORDS))
    return text if text.isprintable() else "as recorded"


@st.composite
def in_order(draw: st.DrawFn, count: int, *, is_strict: bool = False) -> list[datetime]:
    """Instants, each after the one before it, or at the same moment."""
    first = draw(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))
    found = [first.replace(microsecond=0, tzinfo=UTC)]
    for _ in range(count - 1):
        found.append(found[-1] + timedelta(seconds=draw(st.integers(int(is_strict), 10**8))))
    return found


@st.composite
def publications(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["contract", "nomenclature"]))
    return {
        "kind": kind,
        "digest": draw(DIGESTS),
        "name": draw(NAMES),
        "insurer_id": draw(NAMES) if kind == "contract" else None,
        "in_force_from": draw(st.dates(date(1, 1, 1), date(9999, 12, 31))),
        "published_at": draw(INSTANTS),
        "publisher_id": draw(NAMES),
    }


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "attester_id": draw(NAMES),
        "optician_id": draw(NAMES),
        "record_id": draw(NAMES),
        "claim_digest": draw(DIGESTS),
        "opening": OPENING.model_copy(
            update={"claim_id": draw(NAMES), "line": draw(st.integers(1, 7))}
        ),
        "requested_at": draw(INSTANTS),
    }


@st.composite
def attestations(draw: st.DrawFn) -> dict[str, Any]:
    attested_at, expires_at = draw(in_order(2))
    return {
        "attester_id": draw(NAMES),
        "claim_id": draw(NAMES),
        "claim_digest": draw(DIGESTS),
        "line": draw(st.integers(1, 7)),
        "commitment": draw(bytes_of(33)),
        "attested": draw(st.sampled_from([("code",), ("price",), ("code", "price")])),
        "record": draw(bytes_of(16)),
        "attested_at": attested_at,
        "expires_at": expires_at,
    }


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    opened_at, answer_by, erase_at = draw(in_order(3, is_strict=True))
    chosen = draw(st.sets(st.sampled_from(list(SLOT_OF)), min_size=1))
    return {
        "case_id": draw(NAMES),
        "insurer_id": draw(NAMES),
        "claim_id": draw(NAMES),
        "claim_digest": draw(DIGESTS),
        "line": draw(st.integers(1, 7)),
        "commitment": draw(bytes_of(33)),
        "slots": tuple(name for name in SLOT_OF if name in chosen),
        "ground": draw(NAMES),
        "auditor_id": draw(NAMES),
        "recipient": encode_base64url(draw(st.binary(min_size=1, max_size=1)) * RECIPIENT_BYTES),
        "opened_at": opened_at,
        "answer_by": answer_by,
        "erase_at": erase_at,
    }


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    is_opening = draw(st.booleans())
    return {
        "case_id": draw(NAMES),
        "case_digest": draw(DIGESTS),
        "optician_id": draw(NAMES),
        "answer": "opening" if is_opening else "refusal",
        "sealed_digest": draw(DIGESTS) if is_opening else None,
        "reason": None if is_opening else draw(words()),
        "answered_at": draw(INSTANTS),
    }


@st.composite
def outcomes(draw: st.DrawFn) -> dict[str, Any]:
    cause = draw(st.sampled_from(list(OUTCOME_OF)))
    return {
        "case_id": draw(NAMES),
        "case_digest": draw(DIGESTS),
        "answer_digest": None if cause == "lapsed" else draw(DIGESTS),
        "auditor_id": draw(NAMES),
        "outcome": OUTCOME_OF[cause],
        "cause": cause,
        "finding_digest": None if OUTCOME_OF[cause] == "unanswered" else draw(DIGESTS),
        "concluded_at": draw(INSTANTS),
    }


@st.composite
def findings(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "case_id": draw(NAMES),
        "case_digest": draw(DIGESTS),
        "answer_digest": draw(DIGESTS),
        "auditor_id": draw(NAMES),
        "cause": draw(st.sampled_from(list(OUTCOME_OF))),
        "opening": draw(st.sampled_from([None, OPENING])),
        "compared_with": draw(
            st.dictionaries(st.sampled_from(list(SLOT_OF)), st.integers(0, 2**53 - 1))
        ),
        "source": draw(st.none() | words()),
        "salt": draw(DIGESTS),
        "found_at": draw(INSTANTS),
    }


KINDS: dict[type[SignedDocument], Callable[[], st.SearchStrategy[dict[str, Any]]]] = {
    Publication: publications,
    AttestationRequest: requests,
    Attestation: attestations,
    AuditCase: cases,
    AuditAnswer: answers,
    AuditOutcome: outcomes,
    Finding: findings,
}


@pytest.mark.parametrize("model", KINDS, ids=lambda model: model.WHAT)
@given(data=st.data())
def test_what_is_signed_is_read_as_it_was_written(
    model: type[SignedDocument], data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(KEYS))
    made = make_signed(model, key, **data.draw(KINDS[model]()))
    form = encode_signed(made)
    again = decode_signed(model, form)
    assert again == made
    assert encode_signed(again) == form
    assert signed_digest(again) == signed_digest(made)
    verify_signed(again, key.public_key())
    for other in KINDS.keys() - {model}:
        with pytest.raises(ZkError):
            decode_signed(other, form)


@pytest.mark.parametrize("model", KINDS, ids=lambda model: model.WHAT)
@given(data=st.data())
def test_a_changed_byte_is_refused_or_unsigned(
    model: type[SignedDocument], data: st.DataObject
) -> None:
    key = KEYS[0]
    form = bytearray(encode_signed(make_signed(model, key, **data.draw(KINDS[model]()))))
    place = data.draw(st.integers(0, len(form) - 1))
    form[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != form[place]))
    try:
        read = decode_signed(model, bytes(form))
    except ZkError:
        return
    with pytest.raises(ProofRejected):
        verify_signed(read, key.public_key())


@given(first=attestations(), count=st.integers(1, 14))
def test_submissions_are_read_as_they_were_written(first: dict[str, Any], count: int) -> None:
    given_ = tuple(
        make_signed(Attestation, KEYS[0], **first | {"line": 1 + n % 7}) for n in range(count)
    )
    made = Submission(format_version=1, claim=golden_claim(), attestations=given_)
    form = encode_submission(made)
    assert decode_submission(form) == made
    assert encode_submission(decode_submission(form)) == form


@given(answer=answers(), sealed=st.binary(min_size=1, max_size=300))
def test_replies_are_read_as_they_were_written(answer: dict[str, Any], sealed: bytes) -> None:
    text = encode_base64url(sealed)
    if answer["answer"] == "opening":
        answer = answer | {"sealed_digest": sealed_digest(text)}
    made = AuditReply(
        format_version=1,
        answer=make_signed(AuditAnswer, KEYS[0], **answer),
        sealed=text if answer["answer"] == "opening" else None,
    )
    assert decode_reply(encode_reply(made)) == made


# -- seals --------------------------------------------------------------------------------------

RECIPIENT = RecipientKey.generate()


@given(size=st.integers(0, MAX_PLAINTEXT_BYTES - 4), context=st.binary(max_size=100),
       fill=st.integers(0, 255))  # fmt: skip
def test_every_text_is_sealed_in_whole_blocks_and_opens(
    size: int, context: bytes, fill: int
) -> None:
    text = bytes([fill]) * size
    sealed = seal(text, RECIPIENT.public, context)
    assert unseal(sealed, RECIPIENT, context) == text
    overhead = 1088 + 32 + 16
    assert len(sealed) - overhead == -(-(size + 4) // BLOCK_BYTES) * BLOCK_BYTES
    for other in (context + b"x", context[:-1] if context else b"y"):
        with pytest.raises(ProofRejected):
            unseal(sealed, RECIPIENT, other)


@given(data=st.binary(max_size=3000))
def test_what_nobody_sealed_does_not_open(data: bytes) -> None:
    with pytest.raises(ProofRejected):
        unseal(data, RECIPIENT, b"")


# -- trust lists --------------------------------------------------------------------------------


@st.composite
def trusted(draw: st.DrawFn) -> list[dict[str, Any]]:
    entries = []
    for key in draw(st.lists(st.sampled_from(KEYS), unique=True)):
        role = draw(st.sampled_from(PARTY_ROLES))
        valid_from, valid_to = draw(in_order(2))
        public = encode_base64url(key.public_key().public_bytes_raw())
        entry: dict[str, Any] = {"role": role, "party_id": draw(NAMES), "public_key": public}
        entry["valid_from"] = encode_instant(valid_from)
        entry["valid_to"] = encode_instant(valid_to)
        entry["revoked_at"] = draw(st.none() | INSTANTS.map(encode_instant))
        if role == "publisher":
            entry["publishes"] = draw(
                st.sampled_from([["contract"], ["nomenclature"], ["contract", "nomenclature"]])
            )
            entry["insurer_id"] = draw(st.none() | NAMES)
        entries.append(entry)
    return entries


@given(entries=trusted(), at=INSTANTS, role=st.sampled_from(PARTY_ROLES), party_id=NAMES)
def test_a_key_counts_exactly_where_its_entry_says_so(
    entries: list[dict[str, Any]], at: datetime, role: Any, party_id: str
) -> None:
    trust = parse_trust(canonical_bytes({"format_version": 1, "keys": entries}))
    assert len(trust.keys) == len(entries)
    moment = encode_instant(at)  # texts sort as time does
    by_key = {entry["public_key"]: entry for entry in entries}
    for key in KEYS:
        entry = by_key.get(encode_base64url(key.public_key().public_bytes_raw()))
        for asked_role, asked_party in (
            (role, party_id),
            *([] if entry is None else [(entry["role"], entry["party_id"])]),
        ):
            counts = (
                entry is not None
                and (entry["role"], entry["party_id"]) == (asked_role, asked_party)
                and entry["valid_from"] <= moment <= entry["valid_to"]
                and (entry["revoked_at"] is None or moment < entry["revoked_at"])
            )
            try:
                trust.require(asked_role, asked_party, key_id_of(key.public_key()), at)
                found = True
            except ProofRejected:
                found = False
            assert found == counts


# -- an attester's records and ledger -----------------------------------------------------------

CODES = st.integers(100_000, 999_999).map(lambda number: number * 10 + check_digit(number))


@given(
    rows=st.lists(
        st.tuples(NAMES, NAMES, CODES, st.none() | st.integers(0, 10_000_000),
                  st.integers(1, 10_000)),
        unique_by=lambda row: row[0],
    ),
    order=st.permutations(range(5)),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)  # fmt: skip
def test_records_are_read_as_a_writer_of_csv_writes_them(
    rows: list[tuple[str, str, int, int | None, int]],
    order: list[int],
    quoting: Any,
    end: str,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerow([COLUMNS[n] for n in order])
    for row in rows:
        writer.writerow(["" if row[n] is None else row[n] for n in order])
    assert parse_records(text.getvalue().encode()) == {row[0]: Record(*row) for row in rows}


class LedgerMachine(RuleBasedStateMachine):
    """The ledger against a dictionary: what was taken, by whom, and with which answer."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="ledger-")
        self.path = Path(self.folder.name) / "ledger.db"
        self.ledger = Ledger(self.path, "lab")
        self.now = datetime(2020, 10, 6, tzinfo=UTC)
        self.given: dict[tuple[str, str, int], bytes] = {}
        self.references: set[str] = set()

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    @rule(record=st.sampled_from("AB"), claim=st.sampled_from("xyz"), line=st.integers(1, 2),
          quantity=st.integers(1, 3), days=st.integers(0, 3))  # fmt: skip
    def attest(self, record: str, claim: str, line: int, quantity: int, days: int) -> None:
        self.now += timedelta(days=days)
        digest = encode_base64url(claim.encode() * 32)
        about = Line(record, "shop", claim, digest, line, encode_base64url(bytes(33)))

        def sign(reference: str) -> Attestation:
            return make_signed(
                Attestation,
                KEYS[0],
                attester_id="lab",
                claim_id=claim,
                claim_digest=digest,
                line=line,
                commitment=about.commitment,
                attested=("code",),
                record=reference,
                attested_at=self.now,
                expires_at=self.now + timedelta(days=5),
            )

        key_id = key_id_of(KEYS[0].public_key())
        name = (record, claim, line)
        used = sum(1 for other in self.given if other[0] == record)
        if name not in self.given and used >= quantity:
            with pytest.raises(ProofRejected, match="record_used_up"):
                self.ledger.attest(about, quantity, "code", key_id, self.now, sign)
            return
        answer = self.ledger.attest(about, quantity, "code", key_id, self.now, sign)
        made = decode_signed(Attestation, answer)
        assert made.expires_at > self.now
        if name not in self.given:
            assert made.record not in self.references
            self.references.add(made.record)
        else:
            before = decode_signed(Attestation, self.given[name])
            assert made.record == before.record
            assert (answer == self.given[name]) == (before.expires_at > self.now)
        self.given[name] = answer

    @rule(record=st.sampled_from("AB"), claim=st.sampled_from("xyz"), line=st.integers(1, 2))
    def release(self, record: str, claim: str, line: int) -> None:
        released = self.ledger.release(record, claim, line, self.now)
        was_there = self.given.pop((record, claim, line), None) is not None
        assert released == int(was_there)

    @rule()
    def start_again(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self.path, "lab")

    @invariant()
    def it_is_usable(self) -> None:
        assert self.ledger.is_usable()


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=25, stateful_step_count=25)
