"""Signed documents in general: one byte form, one tag each, and a signature over everything."""

from __future__ import annotations

import itertools
import json
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from circuits.canonical import canonical_bytes, decode_base64url, encode_base64url, tagged_digest
from circuits.document import MAX_CANONICAL_COMMAS
from circuits.opening import LineOpening
from circuits.signed import (
    SignedDocument,
    decode_signed,
    encode_signed,
    make_signed,
    signed_digest,
    verify_signed,
)
from circuits.signing import framed_bytes, key_id_of, public_key_of
from tests.support.signed_documents import (
    MODELS,
    SMALL_ORDER,
    fields_of,
    golden,
    golden_bytes,
    signer,
)
from zk.errors import EncodingError, ProofRejected, StatementError

SECOND = timedelta(seconds=1)
ORDER = 2**252 + 27742317777372353535851937790883648493
KINDS = pytest.mark.parametrize("what", MODELS)


def document(what: str) -> SignedDocument:
    return golden(MODELS[what])


def rejected(changed: SignedDocument, key: Ed25519PrivateKey) -> None:
    with pytest.raises(ProofRejected) as refusal:
        verify_signed(changed, key.public_key())
    assert refusal.value.reason == "signature_invalid"


@KINDS
def test_made_written_read_and_verified(what: str) -> None:
    given, key = document(what), signer(what)
    assert make_signed(MODELS[what], key, **fields_of(given)) == given
    assert encode_signed(given) == golden_bytes(what)
    assert decode_signed(MODELS[what], encode_signed(given)) == given
    verify_signed(given, key.public_key())
    assert given.key_id == key_id_of(key.public_key())


@KINDS
def test_the_digest_is_tagged_and_covers_the_signature(what: str) -> None:
    given, model = document(what), MODELS[what]
    expected = tagged_digest(model.TAG, golden_bytes(what))
    assert signed_digest(given) == encode_base64url(expected)
    other = given.model_copy(update={"signature": "A" * 86})
    assert signed_digest(other) != signed_digest(given)


def test_no_two_kinds_share_a_tag_or_a_name() -> None:
    assert len({model.TAG for model in MODELS.values()}) == len(MODELS) == 7
    assert all(model.TAG.startswith(b"clairobscur/") for model in MODELS.values())


OTHER_NAMES = {
    "kind": "nomenclature",
    "answer": "refusal",
    "cause": "differs_from_record",
    "outcome": "inconsistent",
}
"""Of closed lists."""


def other_value(name: str, value: Any) -> Any:
    """Another value of the same type."""
    if name in OTHER_NAMES:
        return OTHER_NAMES[name]
    if isinstance(value, datetime):
        return value + timedelta(seconds=1)
    if isinstance(value, date):
        return value + timedelta(days=1)
    if isinstance(value, str):
        return value[:-1] + ("A" if value[-1] != "A" else "Q")
    if isinstance(value, int):
        return value + 1
    if isinstance(value, tuple):
        return ("price",)
    if isinstance(value, dict):
        return value | {"code": value["code"] + 1}
    if isinstance(value, LineOpening):
        return value.model_copy(update={"purpose": "another"})
    assert value is None
    return "x"


@KINDS
def test_every_field_is_under_the_signature(what: str) -> None:
    given, key = document(what), signer(what)
    assert {"format_version", "key_id", "signature"} < MODELS[what].model_fields.keys()
    for name in MODELS[what].model_fields.keys() - {"signature"}:
        other = other_value(name, getattr(given, name))
        rejected(given.model_copy(update={name: other}), key)


@KINDS
def test_another_tag_is_another_document(what: str) -> None:
    given, key = document(what), signer(what)
    tags = [model.TAG for model in MODELS.values()]
    for tag in [*tags, b"", MODELS[what].TAG[:-1], MODELS[what].TAG + b"0"]:
        signature = encode_base64url(key.sign(framed_bytes(tag, given.unsigned())))
        signed = given.model_copy(update={"signature": signature})
        if tag == MODELS[what].TAG:
            verify_signed(signed, key.public_key())
        else:
            rejected(signed, key)
    bare = encode_base64url(key.sign(canonical_bytes(given.unsigned())))
    rejected(given.model_copy(update={"signature": bare}), key)


@KINDS
def test_another_key_is_rejected_even_where_it_signed(what: str) -> None:
    given, other = document(what), Ed25519PrivateKey.generate()
    rejected(given, other)
    signature = encode_base64url(other.sign(framed_bytes(given.TAG, given.unsigned())))
    rejected(given.model_copy(update={"signature": signature}), other)
    rejected(given.model_copy(update={"signature": signature}), signer(what))
    own = make_signed(MODELS[what], other, **fields_of(given))
    verify_signed(own, other.public_key())
    rejected(own, signer(what))


@KINDS
def test_the_signature_of_one_kind_is_none_of_another(what: str) -> None:
    given, key = document(what), signer(what)
    for other in MODELS:
        signature = document(other).signature
        if other != what:
            rejected(given.model_copy(update={"signature": signature}), key)


def test_a_signature_has_one_form() -> None:
    """S + L is another number with the same effect: RFC 8032 has it refused."""
    given, key = document("attestation"), signer("attestation")
    data = decode_base64url(given.signature)
    S = int.from_bytes(data[32:], "little") + ORDER
    assert S < 2**256
    other = encode_base64url(data[:32] + S.to_bytes(32, "little"))
    rejected(given.model_copy(update={"signature": other}), key)


@pytest.mark.parametrize("encoded", SMALL_ORDER, ids=bytes.hex)
def test_keys_of_small_order_are_no_keys(encoded: bytes) -> None:
    with pytest.raises(StatementError):
        public_key_of(encode_base64url(encoded))


def test_some_of_those_keys_would_verify_anything() -> None:
    """Why they are refused: the signature (identity, 0) is theirs for every message."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signature = SMALL_ORDER[0] + bytes(32)
    Ed25519PublicKey.from_public_bytes(SMALL_ORDER[0]).verify(signature, b"whatever is said")


# -- one byte form ------------------------------------------------------------------------------


@KINDS
def test_another_form_of_the_same_is_refused(what: str) -> None:
    data, model = golden_bytes(what), MODELS[what]
    parsed = json.loads(data)
    first = next(iter(parsed))
    forms = [
        b" " + data,
        data + b"\n",
        data.replace(b",", b", ", 1),
        json.dumps(parsed, separators=(",", ":")).replace("-", "\\u002d", 1).encode(),
        json.dumps(dict(reversed(parsed.items())), separators=(",", ":")).encode(),
        data[:-1] + f',"{first}":{json.dumps(parsed[first])}}}'.encode(),
        b"\xef\xbb\xbf" + data,
        data.replace(b'"format_version":1', b'"format_version":1.0'),
        data.replace(b'"format_version":1', b'"format_version":1e0'),
    ]
    for changed in forms:
        assert changed != data
        with pytest.raises(EncodingError):
            decode_signed(model, changed)


@KINDS
def test_another_content_is_refused_by_the_field(what: str) -> None:
    model, parsed = MODELS[what], json.loads(golden_bytes(what))
    for name in parsed:
        without = {key: value for key, value in parsed.items() if key != name}
        with pytest.raises(StatementError, match=name):
            decode_signed(model, canonical_bytes(without))
        wrong = parsed | {name: [["x"]]}
        with pytest.raises(StatementError, match=name):
            decode_signed(model, canonical_bytes(wrong))
    for more in ({"extra": 1}, {"format_version": 2}, {"format_version": True},
                 {"signature": parsed["signature"][:-1]}, {"key_id": parsed["key_id"] + "AA"},
                 {"signature": parsed["signature"][:-1] + "B"}):  # fmt: skip
        with pytest.raises(StatementError):
            decode_signed(model, canonical_bytes(parsed | more))


@KINDS
def test_other_kinds_do_not_decode(what: str) -> None:
    for other in MODELS:
        if other != what:
            with pytest.raises(StatementError):
                decode_signed(MODELS[what], golden_bytes(other))


@KINDS
def test_size_is_limited_before_it_is_read(what: str) -> None:
    model = MODELS[what]
    data = golden_bytes(what)
    assert len(data) <= model.MAX_BYTES
    with pytest.raises(EncodingError, match="more than the"):
        decode_signed(model, data + b" " * model.MAX_BYTES)
    commas = b"[" + b"," * MAX_CANONICAL_COMMAS + b"]"
    with pytest.raises(EncodingError):
        decode_signed(model, commas)


@KINDS
def test_no_message_repeats_what_was_wrong(what: str) -> None:
    model, parsed = MODELS[what], json.loads(golden_bytes(what))
    for name in parsed:
        with pytest.raises(StatementError) as refusal:
            decode_signed(model, canonical_bytes(parsed | {name: "s3cret\nvalue"}))
        assert "s3cret" not in f"{refusal.value!r}"
        assert refusal.value.__cause__ is refusal.value.__context__ is None


def test_nothing_is_signed_that_would_not_be_read() -> None:
    given, key = document("attestation"), signer("attestation")
    for changes in ({"line": 0}, {"line": 8}, {"attested": ()}, {"attested": ("price", "code")},
                    {"record": "AAAA"}, {"claim_id": "s3cret id"}, {"extra": 1},
                    {"expires_at": fields_of(given)["attested_at"] - SECOND}):  # fmt: skip
        with pytest.raises(StatementError) as refusal:
            make_signed(MODELS["attestation"], key, **fields_of(given) | changes)
        assert "s3cret" not in f"{refusal.value!r}"
        assert refusal.value.__context__ is None


def test_two_signatures_of_the_same_are_the_same() -> None:
    """Ed25519 takes no random numbers: what is made again is byte for byte the same."""
    for what, count in itertools.product(MODELS, range(2)):
        made = make_signed(MODELS[what], signer(what), **fields_of(document(what)))
        assert encode_signed(made) == golden_bytes(what), count
