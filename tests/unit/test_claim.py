"""The envelope: one byte form, digests, signature, and the way from a claim to an instance."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from circuits.canonical import decode_base64url, encode_base64url, tagged_digest
from circuits.claim import (
    CLAIM_TAG,
    CONTEXT_TAG,
    MAX_CLAIM_BYTES,
    MAX_LINES,
    SIGNATURE_TAG,
    Claim,
    ClaimBody,
    build_instance,
    claim_digest,
    context_digest,
    decode_claim,
    encode_claim,
    encode_instant,
    sign_claim,
    signed_bytes,
    verify_signature,
)
from circuits.compiled import Amounts
from circuits.contract import Contract, StatementName
from circuits.declaration import DeclaredLine
from circuits.document import MAX_CANONICAL_COMMAS
from circuits.equipment import CeilingError
from circuits.signing import key_id_of
from tests.support.claims import (
    claim_of,
    contract,
    generators,
    identity,
    nomenclature,
    sample_claim,
    sample_sale,
)
from zk.encoding import decode_proof
from zk.errors import EncodingError, ProofRejected, StatementError
from zk.verify import verify

STATEMENTS: tuple[StatementName, ...] = ("line", "equipment", "pair")


def claim(statement: StatementName = "equipment") -> Claim:
    return sample_claim(statement)[0]


def body_of(whole: Claim, **changes: Any) -> ClaimBody:
    fields = whole.model_dump(exclude={"proof", "signature"})
    return ClaimBody.model_validate(fields | changes)


def document(whole: Claim) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(encode_claim(whole))
    return decoded


# -- bytes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_claim_has_one_byte_form(statement: StatementName) -> None:
    data = encode_claim(claim(statement))
    assert decode_claim(data) == claim(statement)
    assert encode_claim(decode_claim(data)) == data
    assert rfc8785.dumps(json.loads(data)) == data
    assert len(data) < MAX_CLAIM_BYTES // 4


def test_the_form_is_as_documented() -> None:
    fields = document(claim("pair"))
    assert set(fields) == {
        *("amounts", "beneficiary", "claim_id", "contract_digest", "contract_id"),
        *(
            "date_of_service",
            "early_renewal_ground",
            "expires_at",
            "format_version",
            "insurer_id",
            "key_id",
            "level",
        ),
        *("lines", "nomenclature_digest", "optician_id", "price_class", "proof", "signature"),
        "statement",
    }
    assert fields["format_version"] == 1
    assert fields["date_of_service"] == "2020-10-05"
    assert fields["expires_at"] == "2020-11-05T09:30:00Z"
    assert (fields["level"], fields["price_class"]) == ("f", "B")
    assert fields["early_renewal_ground"] is None
    for line in fields["lines"]:
        assert set(line) == {"code", "commitment", "regroupement", "role"}
        assert len(decode_base64url(line["commitment"])) == 33
    assert [line["regroupement"] for line in fields["lines"]] == [None, None, "M03"]


def test_an_instant_is_utc_to_the_second() -> None:
    noon = datetime(2020, 10, 6, 12, 0, 0, 999_999, tzinfo=UTC)
    assert encode_instant(noon) == "2020-10-06T12:00:00Z"
    paris = noon.astimezone(timezone(timedelta(hours=2)))
    assert encode_instant(paris) == "2020-10-06T12:00:00Z"
    old = datetime(999, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    assert encode_instant(old) == "0999-01-02T03:04:05Z"  # texts sort as time does


def test_a_claim_id_made_here_is_one_that_the_form_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    # Bytes whose base64url starts with "-", which no identifier does.
    monkeypatch.setattr(os, "urandom", lambda size: b"\xf8" * size)
    made, openings = claim_of(sample_sale("line"))
    assert made.claim_id == openings.claim_id
    assert decode_claim(encode_claim(made)) == made


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b'"claim"', b"{}", b"\xff", b"{" * 100])
def test_what_is_no_claim_is_refused(data: bytes) -> None:
    with pytest.raises((EncodingError, StatementError), match=r"^claim: "):
        decode_claim(data)


def test_other_spellings_of_the_same_claim_are_refused() -> None:
    fields = document(claim())
    data = encode_claim(claim())
    spellings = [
        json.dumps(fields, sort_keys=True).encode(),
        json.dumps(fields, separators=(",", ":"), sort_keys=False).encode()[:-1] + b" }",
        json.dumps(dict(reversed(fields.items())), separators=(",", ":")).encode(),
        data + b"\n",
        b" " + data,
        data.replace(b'"insurer_id":"o', b'"insurer_id":"\\u006f'),
    ]
    for spelling in spellings:
        assert json.loads(spelling) == fields
        with pytest.raises(EncodingError, match="claim: not in canonical form"):
            decode_claim(spelling)


def test_every_field_at_fault_is_named_and_no_value_repeated() -> None:
    fields = document(claim()) | {"statement": "hunter2", "claim_id": "hunter 2", "x": "hunter2"}
    with pytest.raises(StatementError) as refusal:
        decode_claim(rfc8785.dumps(fields))
    message = str(refusal.value)
    assert all(name in message for name in ("statement", "claim_id", "x: unknown field"))
    assert "hunter" not in message
    assert refusal.value.__cause__ is None


def test_a_claim_has_at_most_seven_lines() -> None:
    fields = document(claim())
    line = fields["lines"][2] | {"role": "supplement"}
    fields["lines"] += [line] * 4
    assert len(fields["lines"]) == MAX_LINES
    decode_claim(rfc8785.dumps(fields))
    fields["lines"].append(line)
    with pytest.raises(StatementError, match="lines"):
        decode_claim(rfc8785.dumps(fields))


@pytest.mark.parametrize(("commas", "error"), [(512, StatementError), (513, EncodingError)])
def test_a_document_with_more_members_than_any_claim_has_is_not_read(
    commas: int, error: type[Exception]
) -> None:
    # A claim has no such field, which is told; of one comma more nothing is.
    data = b'{"x":[' + b",".join([b"0"] * (commas + 1)) + b"]}"
    assert data.count(b",") == commas
    with pytest.raises(error) as refusal:
        decode_claim(data)
    assert ("more members" in str(refusal.value)) is (error is EncodingError)


# -- digests and signatures --------------------------------------------------------------------


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_context_is_everything_but_proof_and_signature(statement: StatementName) -> None:
    fields = document(claim(statement))
    del fields["proof"], fields["signature"]
    expected = tagged_digest(CONTEXT_TAG, rfc8785.dumps(fields))
    assert context_digest(claim(statement)) == expected
    assert context_digest(body_of(claim(statement))) == expected


def test_the_signature_covers_everything_but_itself() -> None:
    fields = document(claim())
    del fields["signature"]
    expected = len(SIGNATURE_TAG).to_bytes(4, "big") + SIGNATURE_TAG + rfc8785.dumps(fields)
    assert signed_bytes(claim(), claim().proof) == expected
    key = identity().signing_key.public_key()
    key.verify(decode_base64url(claim().signature), expected)


def test_the_claim_digest_covers_the_signature_too() -> None:
    assert claim_digest(claim()) == tagged_digest(CLAIM_TAG, encode_claim(claim()))
    other = claim().model_copy(update={"signature": claim("line").signature})
    assert claim_digest(other) != claim_digest(claim())
    assert context_digest(other) == context_digest(claim())


def test_signing_again_gives_the_same_claim() -> None:
    again = sign_claim(body_of(claim()), claim().proof_bytes(), identity().signing_key)
    assert again == claim()  # Ed25519 is deterministic
    verify_signature(again, identity().signing_key.public_key())


def test_nobody_signs_under_another_key_id() -> None:
    with pytest.raises(StatementError, match="key_id: not the key that signs"):
        sign_claim(body_of(claim()), claim().proof_bytes(), Ed25519PrivateKey.generate())


def test_a_signature_by_another_key_is_rejected() -> None:
    other = Ed25519PrivateKey.generate()
    with pytest.raises(ProofRejected, match="names another key") as refusal:
        verify_signature(claim(), other.public_key())
    assert refusal.value.reason == "signature_invalid"
    renamed = claim().model_copy(update={"key_id": key_id_of(other.public_key())})
    with pytest.raises(ProofRejected, match="not this key's"):
        verify_signature(renamed, other.public_key())


@pytest.mark.parametrize("bit", [0, 255, 256, 511])
def test_a_signature_with_a_flipped_bit_is_rejected(bit: int) -> None:
    raw = bytearray(decode_base64url(claim().signature))
    raw[bit // 8] ^= 1 << bit % 8
    forged = claim().model_copy(update={"signature": encode_base64url(bytes(raw))})
    with pytest.raises(ProofRejected) as refusal:
        verify_signature(forged, identity().signing_key.public_key())
    assert refusal.value.reason == "signature_invalid"


# -- parts of a claim --------------------------------------------------------------------------


def test_the_declaration_is_the_public_half() -> None:
    declaration = claim("pair").declaration()
    assert declaration.statement == "pair"
    assert declaration.lines == (
        DeclaredLine("right_lens"),
        DeclaredLine("left_lens"),
        DeclaredLine("frame", "M03"),
    )
    assert (declaration.level, declaration.price_class) == ("f", "B")


def test_amounts_are_claimed_or_not() -> None:
    assert claim("line").claimed() is None
    amounts = claim("equipment").amounts
    assert amounts is not None
    assert claim("equipment").claimed() == Amounts(amounts.lenses_cents, amounts.frame_cents)


# -- instances ---------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_instance_is_what_the_proof_is_about(statement: StatementName) -> None:
    group = generators().group
    compiled, instance = build_instance(claim(statement), contract(), nomenclature(), group)
    assert instance.circuit is compiled.circuit
    assert instance.context == context_digest(claim(statement))
    assert len(instance.commitments) == len(claim(statement).lines)
    proof = decode_proof(claim(statement).proof_bytes(), instance.circuit, group)
    verify(generators(), instance, proof)


def test_equal_commitments_are_refused() -> None:
    right, left, frame = claim().lines
    twins = left.model_copy(update={"commitment": right.commitment})
    with pytest.raises(StatementError, match="two line commitments are equal"):
        build_instance(
            body_of(claim(), lines=(right, twins, frame)),
            contract(),
            nomenclature(),
            generators().group,
        )


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00" * 33,
        b"\x04" + b"\x01" * 32,
        b"\x02" + b"\xff" * 32,
        b"\x02" + b"\x00" * 31 + b"\x05",  # no point has this x
    ],
)
def test_a_commitment_that_is_no_point_is_refused(raw: bytes) -> None:
    right, left, frame = claim().lines
    forged = right.model_copy(update={"commitment": encode_base64url(raw)})
    with pytest.raises(EncodingError):
        build_instance(
            body_of(claim(), lines=(forged, left, frame)),
            contract(),
            nomenclature(),
            generators().group,
        )


def test_amounts_over_the_ceiling_are_refused() -> None:
    over = body_of(claim(), amounts={"lenses_cents": 80_000, "frame_cents": 1})
    with pytest.raises(CeilingError):
        build_instance(over, contract(), nomenclature(), generators().group)


def test_the_verifiers_own_contract_counts() -> None:
    other = Contract.model_validate(contract().model_dump() | {"largest_price_cents": 200_000})
    _, own = build_instance(claim(), contract(), nomenclature(), generators().group)
    _, another = build_instance(claim(), other, nomenclature(), generators().group)
    assert another.circuit != own.circuit


def test_the_date_is_a_public_input() -> None:
    moved = body_of(claim(), date_of_service=date(2020, 10, 6))
    group = generators().group
    _, instance = build_instance(claim(), contract(), nomenclature(), group)
    _, other = build_instance(moved, contract(), nomenclature(), group)
    assert other.publics[0] == instance.publics[0] + 1
    assert other.circuit == instance.circuit


@pytest.mark.parametrize("entry", ["{}", "0", '""', "[]", "null"])
def test_thousands_of_faults_in_a_small_body_are_not_listed(entry: str) -> None:
    good = encode_claim(sample_claim()[0])
    assert good.count(b",") < MAX_CANONICAL_COMMAS / 4
    lines = ",".join([entry] * (MAX_CLAIM_BYTES // (len(entry) + 1) - 10))
    with pytest.raises(EncodingError, match="more members than any such document has"):
        decode_claim(f'{{"lines":[{lines}]}}'.encode())
