"""Every change of an accepted claim is refused, re-signed by the optician's own key or not.

A mutation names the accept it starts from ("line", "equipment" or "pair" of the sample claims), the
place it changes and the layer or reason that must refuse it:

    json       `decode_claim`, `EncodingError`: no strict, canonical JSON of a sensible size
    envelope   `decode_claim`, `StatementError`: JSON, and no claim
    otherwise  a key of `verifier_api.judge.REASONS`
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeAlias

import pytest
import rfc8785

from circuits.canonical import MAX_NESTING, decode_base64url, encode_base64url
from circuits.claim import (
    MAX_CLAIM_BYTES,
    MAX_LINES,
    MAX_PROOF_BYTES,
    SIGNATURE_TAG,
    Claim,
    build_instance,
    decode_claim,
    encode_claim,
)
from circuits.contract import StatementName
from tests.support.claims import (
    claim_of,
    generators,
    identity,
    judge,
    registry,
    row_of,
    sample_claim,
    sample_sale,
)
from verifier_api.judge import Judge
from zk.encoding import decode_proof, proof_bytes
from zk.errors import EncodingError, StatementError
from zk.instance import Instance

Json: TypeAlias = Any
Path: TypeAlias = tuple[str | int, ...]
Change: TypeAlias = Callable[[Json], Json]

STATEMENTS: tuple[StatementName, ...] = ("line", "equipment", "pair")


# -- tools -------------------------------------------------------------------------------------


@cache
def accept(name: StatementName) -> bytes:
    """The bytes of an accepted claim; `test_the_accepts_are_accepted` sees to that."""
    return encode_claim(sample_claim(name)[0])


@cache
def donor(name: StatementName) -> dict[str, Json]:
    """Another accepted claim of the same sale, to take parts from."""
    document: dict[str, Json] = json.loads(encode_claim(claim_of(sample_sale(name))[0]))
    return document


@cache
def insurer() -> Judge:
    return judge(keys=registry())


def document_of(name: StatementName) -> dict[str, Json]:
    document: dict[str, Json] = json.loads(accept(name))
    return document


def resigned(document: dict[str, Json]) -> dict[str, Json]:
    """The document with the optician's signature over whatever it says now."""
    unsigned = {key: value for key, value in document.items() if key != "signature"}
    framed = len(SIGNATURE_TAG).to_bytes(4, "big") + SIGNATURE_TAG
    signature = identity().signing_key.sign(framed + rfc8785.dumps(unsigned))
    return unsigned | {"signature": encode_base64url(signature)}


def refusal(data: bytes) -> str:
    """Who refuses these bytes, or "accepted"."""
    try:
        claim = decode_claim(data)
    except EncodingError:
        return "json"
    except StatementError:
        return "envelope"
    verdict = insurer().judge(claim)
    assert (insurer().judge_batch([claim])[0].reason) == verdict.reason
    return verdict.reason or "accepted"


def place(document: Json, path: Path) -> tuple[Json, str | int]:
    """The container that holds the value at ``path``, and its key there."""
    for step in path[:-1]:
        document = document[step]
    return document, path[-1]


def mutated(name: StatementName, path: Path, change: Change) -> dict[str, Json]:
    """The accept ``name`` with the value at ``path`` replaced by ``change`` of it."""
    document = document_of(name)
    holder, key = place(document, path)
    value = change(copy.deepcopy(holder[key]))
    assert value != holder[key] or type(value) is not type(holder[key]), "nothing has changed"
    holder[key] = value
    return document


def becomes(value: Json) -> Change:
    return lambda old: value


def paths(value: Json, start: Path = ()) -> Iterator[Path]:
    """Every place in a document, containers included."""
    if isinstance(value, dict):
        for key in value:
            yield (*start, key)
            yield from paths(value[key], (*start, key))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield (*start, index)
            yield from paths(value[index], (*start, index))


def label(path: Path) -> str:
    return ".".join(map(str, path))


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_accepts_are_accepted(name: StatementName) -> None:
    assert refusal(accept(name)) == "accepted"
    assert refusal(rfc8785.dumps(resigned(document_of(name)))) == "accepted"
    assert refusal(rfc8785.dumps(donor(name))) == "accepted"


# -- chosen changes of every field -------------------------------------------------------------

OTHER_DIGEST = encode_base64url(bytes(range(32)))
OTHER_CIRCUIT = "other circuit"
"""proof_invalid, or proof_malformed if proofs of the other circuit have another length."""
BEFORE = {"optician_id": "optician_unknown", "key_id": "optician_unknown"}
"""What is refused before the signature is looked at."""


def base64_of(change: Callable[[bytes], bytes]) -> Change:
    return lambda old: encode_base64url(change(decode_base64url(old)))


def swap(first: int, second: int) -> Change:
    def exchange(lines: list[Json]) -> list[Json]:
        lines[first], lines[second] = lines[second], lines[first]
        return lines

    return exchange


def swap_commitments(first: int, second: int) -> Change:
    def exchange(lines: list[Json]) -> list[Json]:
        one, other = lines[first]["commitment"], lines[second]["commitment"]
        lines[first]["commitment"], lines[second]["commitment"] = other, one
        return lines

    return exchange


def negated(raw: bytes) -> bytes:
    return bytes([raw[0] ^ 1]) + raw[1:]


def order_as_last_scalar(raw: bytes) -> bytes:
    """z_2 = q: what a decoder that reduces would read as 0."""
    return raw[:-32] + int(generators().group.order).to_bytes(32, "big")


CHANGES: list[tuple[StatementName, Path, Change, str]] = [
    ("equipment", ("format_version",), becomes(0), "envelope"),
    ("equipment", ("format_version",), becomes(2), "envelope"),
    ("equipment", ("format_version",), becomes(True), "envelope"),
    ("equipment", ("claim_id",), becomes("another"), "proof_invalid"),
    ("equipment", ("claim_id",), lambda old: old + "x", "proof_invalid"),
    ("equipment", ("claim_id",), lambda old: old.upper(), "proof_invalid"),
    ("equipment", ("claim_id",), becomes(""), "envelope"),
    ("equipment", ("claim_id",), becomes("a b"), "envelope"),
    ("equipment", ("claim_id",), becomes("a\n"), "envelope"),
    ("equipment", ("claim_id",), becomes("x" * 65), "envelope"),
    ("equipment", ("optician_id",), becomes("optician-2"), "optician_unknown"),
    ("equipment", ("optician_id",), lambda old: old.upper(), "optician_unknown"),
    ("equipment", ("optician_id",), becomes("../optician-1"), "envelope"),
    ("equipment", ("key_id",), becomes(OTHER_DIGEST), "optician_unknown"),
    ("equipment", ("key_id",), base64_of(lambda raw: raw[:31]), "envelope"),
    ("equipment", ("key_id",), base64_of(lambda raw: raw + b"\0"), "envelope"),
    ("equipment", ("insurer_id",), becomes("other-insurer"), "contract_mismatch"),
    ("equipment", ("insurer_id",), becomes(""), "envelope"),
    ("equipment", ("contract_id",), becomes("reseau-2020"), "contract_mismatch"),
    ("equipment", ("contract_id",), becomes("é"), "envelope"),
    ("equipment", ("contract_digest",), becomes(OTHER_DIGEST), "contract_mismatch"),
    ("equipment", ("contract_digest",), base64_of(lambda raw: raw[1:]), "envelope"),
    ("equipment", ("nomenclature_digest",), becomes(OTHER_DIGEST), "nomenclature_mismatch"),
    ("equipment", ("nomenclature_digest",), base64_of(lambda raw: raw * 2), "envelope"),
    ("equipment", ("date_of_service",), becomes("2020-10-04"), "proof_invalid"),
    ("equipment", ("date_of_service",), becomes("2020-10-07"), "proof_invalid"),
    ("equipment", ("date_of_service",), becomes("2020-10-08"), "date_in_future"),
    ("equipment", ("date_of_service",), becomes("2020-06-30"), "contract_not_in_force"),
    ("equipment", ("date_of_service",), becomes("2020-02-30"), "envelope"),
    ("equipment", ("date_of_service",), becomes("2020-10-5"), "envelope"),
    ("equipment", ("date_of_service",), becomes("20201005"), "envelope"),
    ("equipment", ("date_of_service",), becomes("2020-10-05T00:00:00"), "envelope"),
    ("equipment", ("expires_at",), becomes("2020-11-05T09:30:01Z"), "proof_invalid"),
    ("equipment", ("expires_at",), becomes("2020-10-06T09:30:00Z"), "proof_invalid"),
    ("equipment", ("expires_at",), becomes("2020-10-06T09:29:59Z"), "expired"),
    ("equipment", ("expires_at",), becomes("2020-11-05T09:30:00+00:00"), "envelope"),
    ("equipment", ("expires_at",), becomes("2020-11-05T09:30:60Z"), "envelope"),
    ("equipment", ("expires_at",), becomes("2020-11-05"), "envelope"),
    ("equipment", ("expires_at",), becomes("2020-11-05T09:30:00.0Z"), "envelope"),
    ("equipment", ("beneficiary",), lambda old: old[::-1], "proof_invalid"),
    ("equipment", ("beneficiary",), becomes("short"), "envelope"),
    ("equipment", ("beneficiary",), becomes("x" * 65), "envelope"),
    ("equipment", ("statement",), becomes("line"), "statement_invalid"),
    ("equipment", ("statement",), becomes("pair"), "statement_invalid"),
    ("line", ("statement",), becomes("equipment"), "statement_invalid"),
    ("pair", ("statement",), becomes("equipment"), "statement_invalid"),
    ("equipment", ("statement",), becomes("Equipment"), "envelope"),
    ("equipment", ("level",), becomes("f"), "statement_invalid"),
    ("line", ("level",), becomes("f"), "statement_invalid"),
    ("pair", ("level",), becomes("e"), "proof_invalid"),
    ("pair", ("level",), becomes("a"), "ceiling_exceeded"),
    ("pair", ("level",), becomes(None), "statement_invalid"),
    ("pair", ("level",), becomes("g"), "envelope"),
    ("equipment", ("price_class",), becomes("B"), "statement_invalid"),
    ("line", ("price_class",), becomes("A"), "statement_invalid"),
    ("pair", ("price_class",), becomes("A"), OTHER_CIRCUIT),
    ("pair", ("price_class",), becomes(None), "statement_invalid"),
    ("pair", ("price_class",), becomes("C"), "envelope"),
    ("equipment", ("lines",), becomes([]), "envelope"),
    ("equipment", ("lines",), lambda old: old[:-1], "statement_invalid"),
    ("equipment", ("lines",), lambda old: old[1:], "statement_invalid"),
    ("equipment", ("lines",), lambda old: old[::-1], "statement_invalid"),
    ("equipment", ("lines",), swap(0, 1), "statement_invalid"),
    ("equipment", ("lines",), swap(1, 2), "statement_invalid"),
    ("equipment", ("lines",), lambda old: [*old, old[2]], "statement_invalid"),
    ("equipment", ("lines",), lambda old: [*old, *[old[2]] * MAX_LINES], "envelope"),
    ("line", ("lines",), lambda old: old * 2, "statement_invalid"),
    ("equipment", ("lines",), swap_commitments(0, 1), "proof_invalid"),
    ("equipment", ("lines",), swap_commitments(1, 2), "proof_invalid"),
    ("pair", ("lines",), swap_commitments(0, 1), "proof_invalid"),
    ("pair", ("lines",), swap_commitments(0, 2), "proof_invalid"),
    ("equipment", ("lines", 0, "role"), becomes("left_lens"), "statement_invalid"),
    ("equipment", ("lines", 2, "role"), becomes("supplement"), "statement_invalid"),
    ("line", ("lines", 0, "role"), becomes("frame"), "statement_invalid"),
    ("equipment", ("lines", 0, "role"), becomes("lens"), "envelope"),
    ("equipment", ("lines", 0, "regroupement"), becomes("VM5"), OTHER_CIRCUIT),
    ("equipment", ("lines", 1, "regroupement"), becomes("VM6"), OTHER_CIRCUIT),
    ("equipment", ("lines", 0, "regroupement"), becomes("V04"), "statement_invalid"),
    ("equipment", ("lines", 0, "regroupement"), becomes("M03"), "statement_invalid"),
    ("equipment", ("lines", 0, "regroupement"), becomes("Z99"), "statement_invalid"),
    ("equipment", ("lines", 0, "regroupement"), becomes("vm4"), "envelope"),
    ("equipment", ("lines", 0, "regroupement"), becomes(None), "statement_invalid"),
    ("equipment", ("lines", 2, "regroupement"), becomes("M04"), OTHER_CIRCUIT),
    ("pair", ("lines", 0, "regroupement"), becomes("VM4"), "statement_invalid"),
    ("line", ("lines", 0, "regroupement"), becomes("VM5"), OTHER_CIRCUIT),
    ("equipment", ("lines", 0, "code"), becomes(1_000_000), "statement_invalid"),
    ("equipment", ("lines", 0, "code"), becomes(0), "statement_invalid"),
    ("line", ("lines", 0, "code"), lambda old: row_of("VM4").code, "statement_invalid"),
    ("pair", ("lines", 1, "code"), lambda old: row_of("VM4").code, "statement_invalid"),
    ("equipment", ("lines", 0, "code"), becomes(-1), "envelope"),
    ("equipment", ("lines", 0, "code"), becomes(10_000_000), "envelope"),
    ("equipment", ("lines", 0, "commitment"), base64_of(negated), "proof_invalid"),
    ("line", ("lines", 0, "commitment"), base64_of(negated), "proof_invalid"),
    (
        "equipment",
        ("lines", 0, "commitment"),
        base64_of(lambda raw: bytes(33)),
        "statement_invalid",
    ),
    (
        "equipment",
        ("lines", 0, "commitment"),
        base64_of(lambda raw: b"\4" + raw[1:]),
        "statement_invalid",
    ),
    (
        "equipment",
        ("lines", 1, "commitment"),
        base64_of(lambda raw: b"\2" + b"\xff" * 32),
        "statement_invalid",
    ),
    ("equipment", ("lines", 1, "commitment"), base64_of(lambda raw: raw[:32]), "envelope"),
    ("equipment", ("lines", 1, "commitment"), base64_of(lambda raw: raw + b"\0"), "envelope"),
    ("equipment", ("lines", 1, "commitment"), becomes(""), "envelope"),
    ("equipment", ("amounts", "lenses_cents"), lambda old: old + 1, "proof_invalid"),
    ("equipment", ("amounts", "lenses_cents"), lambda old: old - 1, "proof_invalid"),
    ("equipment", ("amounts", "lenses_cents"), becomes(0), "proof_invalid"),
    ("equipment", ("amounts", "lenses_cents"), becomes(80_001), "ceiling_exceeded"),
    ("equipment", ("amounts", "lenses_cents"), becomes(-1), "envelope"),
    ("equipment", ("amounts", "lenses_cents"), becomes(10_000_001), "envelope"),
    ("equipment", ("amounts", "frame_cents"), lambda old: old - 1, "proof_invalid"),
    ("equipment", ("amounts", "frame_cents"), becomes(10_001), "ceiling_exceeded"),
    ("equipment", ("amounts", "frame_cents"), becomes("10000"), "envelope"),
    ("pair", ("amounts", "frame_cents"), lambda old: old - 1, "proof_invalid"),
    ("pair", ("amounts", "lenses_cents"), lambda old: old + 1, "proof_invalid"),
    ("equipment", ("amounts",), becomes(None), "statement_invalid"),
    ("equipment", ("early_renewal_ground",), becomes("change_of_vision"), "proof_invalid"),
    ("pair", ("early_renewal_ground",), becomes("change_of_vision"), "proof_invalid"),
    ("equipment", ("early_renewal_ground",), becomes("lost"), "ground_not_allowed"),
    ("equipment", ("early_renewal_ground",), becomes("Change_of_vision"), "ground_not_allowed"),
    ("line", ("early_renewal_ground",), becomes("change_of_vision"), "ground_not_allowed"),
    ("equipment", ("early_renewal_ground",), becomes(""), "envelope"),
    ("equipment", ("early_renewal_ground",), becomes("change of vision"), "envelope"),
    ("line", ("amounts",), becomes({"lenses_cents": 0, "frame_cents": 0}), "statement_invalid"),
    ("equipment", ("proof",), base64_of(lambda raw: raw[:-1]), "proof_malformed"),
    ("equipment", ("proof",), base64_of(lambda raw: raw[1:]), "proof_malformed"),
    ("equipment", ("proof",), base64_of(lambda raw: raw + b"\0"), "proof_malformed"),
    ("equipment", ("proof",), base64_of(lambda raw: raw * 2), "proof_malformed"),
    ("equipment", ("proof",), base64_of(lambda raw: raw[:1]), "proof_malformed"),
    ("equipment", ("proof",), base64_of(lambda raw: bytes(33) + raw[33:]), "proof_malformed"),
    ("equipment", ("proof",), base64_of(lambda raw: raw[:-32] + b"\xff" * 32), "proof_malformed"),
    ("equipment", ("proof",), base64_of(order_as_last_scalar), "proof_malformed"),
    ("equipment", ("proof",), base64_of(negated), "proof_invalid"),
    (
        "equipment",
        ("proof",),
        base64_of(lambda raw: raw[33:66] + raw[:33] + raw[66:]),
        "proof_invalid",
    ),
    ("equipment", ("proof",), base64_of(lambda raw: raw[:-32] + bytes(32)), "proof_invalid"),
    ("equipment", ("proof",), becomes(""), "envelope"),
    (
        "equipment",
        ("proof",),
        becomes(encode_base64url(bytes(MAX_PROOF_BYTES + 1))),
        "envelope",
    ),
]


def other_circuit_reason(name: StatementName, document: dict[str, Json]) -> str:
    mutant = decode_claim(rfc8785.dumps(document))
    circuit = instance_of(mutant).circuit
    assert circuit != instance_of(sample_claim(name)[0]).circuit
    fits = len(mutant.proof_bytes()) == proof_bytes(circuit, generators().group)
    return "proof_invalid" if fits else "proof_malformed"


def instance_of(claim: Claim) -> Instance:
    own = insurer()
    return build_instance(claim, own.own_contract, own.own_nomenclature, own.generators.group)[1]


def change_ids() -> list[str]:
    seen: dict[str, int] = {}
    ids = []
    for name, path, _, reason in CHANGES:
        stem = f"{name}:{label(path)}:{reason}"
        seen[stem] = seen.get(stem, 0) + 1
        ids.append(f"{stem}:{seen[stem]}")
    return ids


@pytest.mark.parametrize(("name", "path", "change", "reason"), CHANGES, ids=change_ids())
def test_a_changed_field_is_refused(
    name: StatementName, path: Path, change: Change, reason: str
) -> None:
    document = mutated(name, path, change)
    if reason == OTHER_CIRCUIT:
        reason = other_circuit_reason(name, document)
    assert refusal(rfc8785.dumps(resigned(document))) == reason
    unsigned = reason if reason == "envelope" else BEFORE.get(label(path), "signature_invalid")
    assert refusal(rfc8785.dumps(document)) == unsigned


def test_every_field_has_its_changes() -> None:
    changed = {path for _, path, _, _ in CHANGES}
    everywhere = {path for name in STATEMENTS for path in paths(document_of(name))}
    missing = {path[0] for path in everywhere} - {path[0] for path in changed}
    assert missing == {"signature"}  # which re-signing would put right; see below


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize(
    "part",
    ["proof", "lines", "claim_id", "signature", "beneficiary"],
)
def test_parts_of_another_accepted_claim_do_not_fit(name: StatementName, part: str) -> None:
    document = document_of(name)
    other = donor(name)[part]
    if part == "beneficiary":  # both have the same
        other = other[::-1]
    document[part] = other
    assert refusal(rfc8785.dumps(document)) == "signature_invalid"
    if part != "signature":
        assert refusal(rfc8785.dumps(resigned(document))) == "proof_invalid"


@pytest.mark.parametrize("bit", range(0, 512, 17))
def test_a_signature_with_a_flipped_bit_is_refused(bit: int) -> None:
    def flip(raw: bytes) -> bytes:
        return raw[: bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1 :]

    document = mutated("equipment", ("signature",), base64_of(flip))
    assert refusal(rfc8785.dumps(document)) == "signature_invalid"


@pytest.mark.parametrize("value", ["", "AA", encode_base64url(bytes(63)), None, 7, True, [], {}])
def test_what_is_no_signature_is_refused(value: Json) -> None:
    document = mutated("equipment", ("signature",), becomes(value))
    assert refusal(rfc8785.dumps(document)) == "envelope"


# -- every place: removed, null, of another type, with more in it ------------------------------

NULLABLE = {
    "level": "statement_invalid",
    "price_class": "statement_invalid",
    "amounts": "statement_invalid",
    "regroupement": "statement_invalid",
    "code": "statement_invalid",
}
ALL_PLACES = [(name, path) for name in STATEMENTS for path in paths(document_of(name))]
PLACE_IDS = [f"{name}:{label(path)}" for name, path in ALL_PLACES]


@pytest.mark.parametrize(("name", "path"), ALL_PLACES, ids=PLACE_IDS)
def test_a_place_left_out_is_refused(name: StatementName, path: Path) -> None:
    document = document_of(name)
    holder, key = place(document, path)
    del holder[key]
    expected = "envelope"
    if isinstance(key, int) and len(holder):  # a line less
        expected = "statement_invalid"
    if path == ("signature",):
        assert refusal(rfc8785.dumps(document)) == "envelope"
    else:
        assert refusal(rfc8785.dumps(resigned(document))) == expected
    assert refusal(rfc8785.dumps(document)) in ("envelope", "signature_invalid")


@pytest.mark.parametrize(("name", "path"), ALL_PLACES, ids=PLACE_IDS)
def test_a_place_of_another_type_is_refused(name: StatementName, path: Path) -> None:
    holder, key = place(document_of(name), path)
    for value in (None, False, 1, "x", [], {}, ["x"], {"x": 1}):
        if value == holder[key] and type(value) is type(holder[key]):
            continue
        document = mutated(name, path, becomes(value))
        expected = {"envelope"}
        if value is None and key in NULLABLE:
            expected = {NULLABLE[str(key)]}
        elif value == 1 and value is not True and key == "code":
            expected = {"statement_invalid"}
        elif value == 1 and value is not True and key in ("lenses_cents", "frame_cents"):
            expected = {"proof_invalid"}
        elif value == "x" and key in ("claim_id", "insurer_id", "contract_id", "optician_id"):
            expected = {"proof_invalid", "contract_mismatch", "optician_unknown"}
        elif value == "x" and key == "early_renewal_ground":
            expected = {"ground_not_allowed"}
        got = refusal(rfc8785.dumps(document if path == ("signature",) else resigned(document)))
        assert got in expected, (value, got)


@pytest.mark.parametrize("name", STATEMENTS)
def test_an_unknown_field_is_refused_in_every_object(name: StatementName) -> None:
    places: list[Path] = [(), *paths(document_of(name))]
    for path in places:
        for extra in ({"note": "x"}, {"": 0}, {"Proof": None}, {"code ": None}):
            document = document_of(name)
            target = document
            for step in path:
                target = target[step]  # type: ignore[index]
            if not isinstance(target, dict):
                continue
            target |= extra
            assert refusal(rfc8785.dumps(resigned(document))) == "envelope"


# -- every byte of the proof -------------------------------------------------------------------


def flipped_proofs(name: StatementName, step: int) -> Iterator[tuple[int, bytes]]:
    proof = decode_base64url(document_of(name)["proof"])
    for position in range(0, len(proof), step):
        changed = bytearray(proof)
        changed[position] ^= 1 << position % 8
        yield position, bytes(changed)


@pytest.mark.parametrize(("name", "step"), [("line", 1), ("equipment", 1), ("pair", 7)])
def test_a_flipped_bit_in_any_byte_of_the_proof_is_refused(name: StatementName, step: int) -> None:
    claim = sample_claim(name)[0]
    instance = instance_of(claim)
    for position, proof in flipped_proofs(name, step):
        document = document_of(name) | {"proof": encode_base64url(proof)}
        try:
            decode_proof(proof, instance.circuit, generators().group)
            expected = "proof_invalid"
        except EncodingError:
            expected = "proof_malformed"
        mutant = decode_claim(rfc8785.dumps(resigned(document)))
        assert insurer().judge(mutant).reason == expected, position
    unsigned = claim.model_copy(update={"proof": encode_base64url(proof)})
    assert insurer().judge(unsigned).reason == "signature_invalid"


# -- spellings of base64url --------------------------------------------------------------------

BASE64_PLACES: list[Path] = [
    ("key_id",),
    ("contract_digest",),
    ("nomenclature_digest",),
    ("proof",),
    ("signature",),
    *((("lines", index, "commitment")) for index in range(3)),
]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def other_spellings(text: str) -> Iterator[str]:
    """Texts that lenient decoders read as the same bytes."""
    yield text + "=" * (-len(text) % 4 or 4)
    yield text + "="
    yield text + "\n"
    yield " " + text
    yield text[:5] + "\n" + text[5:]
    yield text[:5] + "*" + text[5:]
    if spare := {2: 4, 3: 2}.get(len(text) % 4):
        value = ALPHABET.index(text[-1])
        for bits in range(1, 1 << spare):
            yield text[:-1] + ALPHABET[value | bits]


def test_base64url_has_one_spelling() -> None:
    for path in BASE64_PLACES:
        holder, key = place(document_of("equipment"), path)
        for spelling in other_spellings(holder[key]):
            document = mutated("equipment", path, becomes(spelling))
            assert refusal(rfc8785.dumps(document)) == "envelope"
            if path != ("signature",):
                assert refusal(rfc8785.dumps(resigned(document))) == "envelope"


@pytest.mark.parametrize("path", BASE64_PLACES, ids=label)
def test_every_character_outside_the_alphabet_is_refused(path: Path) -> None:
    holder, key = place(document_of("equipment"), path)
    text = holder[key]
    for position in range(0, len(text), 1 if len(text) < 100 else 97):
        standard = {"-": "+", "_": "/"}.get(text[position], "=")
        for foreign in (standard, "é", "\u0000", "\uff0d"):
            changed = text[:position] + foreign + text[position + 1 :]
            document = mutated("equipment", path, becomes(changed))
            signed = document if path == ("signature",) else resigned(document)
            assert refusal(rfc8785.dumps(signed)) == "envelope"


def test_the_standard_alphabet_is_refused_for_the_same_bytes() -> None:
    proof = document_of("equipment")["proof"]
    changed = proof.replace("-", "+").replace("_", "/")
    assert changed != proof
    document = mutated("equipment", ("proof",), becomes(changed))
    assert refusal(rfc8785.dumps(resigned(document))) == "envelope"


# -- JSON --------------------------------------------------------------------------------------


def test_a_key_given_twice_is_refused_wherever_it_stands() -> None:
    text = accept("equipment").decode()
    for key, value in document_of("equipment").items():
        twice = f"{{{json.dumps(key)}:{rfc8785.dumps(value).decode()},{text[1:]}"
        assert json.loads(twice) == document_of("equipment")
        assert refusal(twice.encode()) == "json"
    nested = text.replace('"frame_cents":', '"frame_cents":1,"frame_cents":', 1)
    assert json.loads(nested) == document_of("equipment")
    assert refusal(nested.encode()) == "json"
    line = text.replace('{"code":null,', '{"code":null,"code":null,', 1)
    assert json.loads(line) == document_of("equipment")
    assert refusal(line.encode()) == "json"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"format_version":1', '"format_version":1.0'),
        ('"format_version":1', '"format_version":1e0'),
        ('"format_version":1', '"format_version":10E-1'),
        ('"format_version":1', '"format_version":01'),
        ('"format_version":1', '"format_version":+1'),
        ('"format_version":1', '"format_version":NaN'),
        ('"format_version":1', '"format_version":Infinity'),
        ('"format_version":1', '"format_version":-Infinity'),
        ('"format_version":1', '"format_version":-0'),
        ('"format_version":1', '"format_version":9007199254740992'),
        ('"format_version":1', '"format_version":' + "9" * 5000),
        ('"format_version":1', '"format_version":-' + "9" * 5000),
        ('"format_version":1', '"format_version": 1'),
        ('"format_version":1', '"format_version":1\n'),
        ('"format_version":1', '"format_version":1,'),
        ('"format_version":1', '"format_version":"\\ud800"'),
        ('"format_version":1', '"format_version":"\\u0000\n"'),
        ('"format_version":1', "'format_version':1"),
        ('"format_version":1', '"format\\u005fversion":1'),
        ('"format_version":1', '"format_version":/* */1'),
        ('"format_version":1', '"format_version":nul'),
        ('"level":null', '"level":' + "[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1)),
        ('"level":null', '"level":' + "[" * 10_000 + "]" * 10_000),
        ('"level":null', '"level":' + '{"a":' * 5_000 + "1" + "}" * 5_000),
    ],
)
def test_other_json_is_refused(old: str, new: str) -> None:
    text = accept("equipment").decode()
    assert text.count(old) == 1
    assert refusal(text.replace(old, new).encode()) == "json"


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + accept("equipment"),
        accept("equipment") + b"\n",
        accept("equipment") + b"\0",
        accept("equipment") + accept("equipment"),
        accept("equipment")[:-1],
        b"[" + accept("equipment") + b"]",
        accept("equipment").decode().encode("utf-16"),
        accept("equipment").replace(b"benef", b"ben\xe9f"),
        b"",
    ],
    ids=["mark", "newline", "nul", "twice", "cut", "list", "utf-16", "latin-1", "empty"],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    assert refusal(data) == "json"


def test_a_claim_over_the_size_limit_is_refused_before_it_is_read() -> None:
    text = accept("equipment")
    padded = b" " * (MAX_CLAIM_BYTES - len(text)) + text
    with pytest.raises(EncodingError, match="not in canonical form"):
        decode_claim(padded)
    with pytest.raises(EncodingError, match="more than the 32768 bytes allowed"):
        decode_claim(b" " + padded)
    with pytest.raises(EncodingError, match="more than the 32768 bytes allowed"):
        decode_claim(b"[" * 10**7)


def test_reordered_members_are_refused() -> None:
    document = document_of("equipment")
    reordered = dict(reversed(document.items()))
    compact = json.dumps(reordered, separators=(",", ":"), ensure_ascii=False)
    assert refusal(compact.encode()) == "json"
