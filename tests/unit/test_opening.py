"""Partial openings: the document, the shop's half, the auditor's half."""

from __future__ import annotations

import itertools
import json
import time
import unicodedata
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from gmpy2 import mpz

from circuits.canonical import canonical_bytes, encode_base64url
from circuits.opening import (
    MAX_OPENING_BYTES,
    SLOT_OF,
    LineOpening,
    decode_line_opening,
    decode_revealed,
    encode_line_opening,
    line_opening,
    normalise_purpose,
    slots_named,
)
from circuits.slots import SLOTS, Correction, Slot, encode_day, pack_correction
from optician.claiming import Openings
from optician.opening_file import open_line
from tests.support.claims import DAY, claim_of, generators, sample_claim, sample_sale
from verifier_api.openings import OPENING_REASONS, verify_line_opening
from zk.commitment import PartialOpening, commit, fresh_opening
from zk.errors import EncodingError, ProofRejected, StatementError

PURPOSE = "audit 2021-17"
CLAIM, OPENINGS = sample_claim("equipment")


def opened(line: int = 1, reveal: tuple[str, ...] = ("code", "price")) -> LineOpening:
    """The accept: of `sample_claim("equipment")`, for `PURPOSE`."""
    return open_line(OPENINGS, line, reveal, PURPOSE, generators())


def refusal(opening: LineOpening, purpose: str = PURPOSE, claim: Any = CLAIM) -> str:
    with pytest.raises(ProofRejected) as caught:
        verify_line_opening(generators(), claim, opening, purpose)
    assert caught.value.detail
    return caught.value.reason


# -- honest -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(1, SLOTS + 1))
def test_every_choice_of_values_can_be_revealed_and_nothing_else_is(count: int) -> None:
    correction = Correction(-9, -2, 85, 8)
    values = {
        "code": OPENINGS.openings[0].values[0],
        "price": 21_950,
        "date": encode_day(DAY),
        "correction": pack_correction(correction),
    }
    for names in itertools.combinations(SLOT_OF, count):
        opening = opened(reveal=names)
        assert opening.revealed == {name: values[name] for name in names}
        revealed = verify_line_opening(generators(), CLAIM, opening, PURPOSE)
        assert revealed.names == names
        assert revealed.code == (values["code"] if "code" in names else None)
        assert revealed.price_cents == (21_950 if "price" in names else None)
        assert revealed.date_of_service == (DAY if "date" in names else None)
        assert revealed.correction == (correction if "correction" in names else None)
        text = encode_line_opening(opening).decode()
        for name, value in values.items():
            assert (f":{value}" in text) is (name in names)


@pytest.mark.parametrize("line", [1, 2, 3])
def test_each_line_can_be_opened(line: int) -> None:
    revealed = verify_line_opening(generators(), CLAIM, opened(line), PURPOSE)
    assert revealed.code == OPENINGS.openings[line - 1].values[0]


def test_a_frame_has_no_correction_to_reveal() -> None:
    revealed = verify_line_opening(generators(), CLAIM, opened(3, ("correction",)), PURPOSE)
    assert (revealed.names, revealed.correction) == (("correction",), None)


def test_names_may_repeat_and_come_in_any_order() -> None:
    assert opened(reveal=("price", "code", "price")).revealed == opened().revealed
    assert slots_named(["correction", "code", "code"]) == [Slot.CODE, Slot.CORRECTION]


def test_two_openings_of_the_same_have_fresh_proofs() -> None:
    assert opened().proof != opened().proof


def test_the_document_survives_its_bytes() -> None:
    opening = opened()
    assert decode_line_opening(encode_line_opening(opening)) == opening
    assert len(encode_line_opening(opening)) < MAX_OPENING_BYTES // 4


def test_the_reprs_show_no_value() -> None:
    opening = opened(reveal=tuple(SLOT_OF))
    for text in (repr(opening), repr(decode_revealed(opening))):
        assert not any(str(value) in text for value in opening.revealed.values())
        assert "date(" not in text
        assert "Correction" not in text


def test_what_was_revealed_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        decode_revealed(opened()).price_cents = 1  # type: ignore[misc]


def test_a_purpose_is_the_same_however_its_accents_are_typed() -> None:
    composed, decomposed = "contr\u00f4le", "contro\u0302le"
    assert composed != decomposed
    opening = open_line(OPENINGS, 1, ["code"], decomposed, generators())
    assert opening.purpose == composed
    for purpose in (composed, decomposed):
        verify_line_opening(generators(), CLAIM, opening, purpose)


# -- refused by the auditor -------------------------------------------------------------------


def test_an_opening_of_another_claim() -> None:
    opening = opened()
    other, _ = sample_claim("pair")
    assert refusal(opening, claim=other) == "opening_other_claim"
    renamed = opening.model_copy(update={"claim_id": other.claim_id})
    assert refusal(renamed, claim=other) == "opening_other_line"


def test_an_opening_of_another_line() -> None:
    opening = opened()
    for line in (2, 3, 4):
        assert refusal(opening.model_copy(update={"line": line})) == "opening_other_line"


def test_an_opening_that_brings_its_own_commitment() -> None:
    """The forger's commitment opens as he likes; the auditor looks at the stored one."""
    forged = fresh_opening(generators(), (2_202_430, 100, encode_day(DAY), 0))
    text = encode_base64url(generators().group.encode(commit(generators(), forged)))
    openings = Openings(CLAIM.claim_id, OPENINGS.roles[:1], (text,), (forged,))
    opening = open_line(openings, 1, ["code", "price"], PURPOSE, generators())
    assert refusal(opening) == "opening_other_line"
    stored = opening.model_copy(update={"commitment": CLAIM.lines[0].commitment})
    assert refusal(stored) == "opening_invalid"


def test_an_opening_for_another_purpose() -> None:
    assert refusal(opened(), purpose="another") == "opening_other_purpose"
    relabelled = opened().model_copy(update={"purpose": "another"})
    assert refusal(relabelled, purpose="another") == "opening_invalid"


@pytest.mark.parametrize("name", ["code", "price"])
def test_a_revealed_value_that_is_another(name: str) -> None:
    opening = opened()
    lie = opening.revealed | {name: opening.revealed[name] + 1}  # type: ignore[index]
    assert refusal(opening.model_copy(update={"revealed": lie})) == "opening_invalid"


def test_two_revealed_values_that_change_places() -> None:
    opening = opened()
    swapped = {"code": opening.revealed["price"], "price": opening.revealed["code"]}
    assert refusal(opening.model_copy(update={"revealed": swapped})) == "opening_invalid"


def test_a_value_more_or_less_is_another_proof() -> None:
    opening = opened()
    less = {"code": opening.revealed["code"]}
    more = opening.revealed | {"date": encode_day(DAY)}
    for revealed in (less, more):
        changed = opening.model_copy(update={"revealed": revealed})
        assert refusal(changed) == "opening_malformed"


@pytest.mark.parametrize("place", [1, 20, 40, 70, -1])
def test_every_part_of_the_proof_counts(place: int) -> None:
    opening = opened()
    proof = bytearray(opening.partial_opening().proof)
    proof[place] ^= 1
    changed = opening.model_copy(update={"proof": encode_base64url(bytes(proof))})
    assert refusal(changed) in ("opening_invalid", "opening_malformed")


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        (lambda proof: proof[:-1], "opening_malformed"),
        (lambda proof: proof + b"\0", "opening_malformed"),
        (lambda proof: b"\x05" + proof[1:], "opening_malformed"),
        (lambda proof: proof[:-32] + b"\xff" * 32, "opening_malformed"),
        (lambda proof: proof[:-32] + bytes(32), "opening_invalid"),
    ],
)
def test_proofs_that_are_none(proof: Any, reason: str) -> None:
    opening = opened()
    changed = encode_base64url(proof(opening.partial_opening().proof))
    assert refusal(opening.model_copy(update={"proof": changed})) == reason


MEANINGLESS = {
    "code": (1_234_567, 100, encode_day(DAY), 0),
    "price": (2_202_430, 10_000_001, encode_day(DAY), 0),
    "date": (2_202_430, 100, 1 << 16, 0),
    "correction": (2_202_430, 100, encode_day(DAY), 7),
}


@pytest.mark.parametrize("name", MEANINGLESS)
def test_a_committed_number_that_means_nothing(name: str) -> None:
    """The correction is a free wire: a claim may commit to anything there, and an audit tells."""
    hidden = fresh_opening(generators(), MEANINGLESS[name])
    text = encode_base64url(generators().group.encode(commit(generators(), hidden)))
    line = CLAIM.lines[0].model_copy(update={"commitment": text})
    claim = CLAIM.model_copy(update={"lines": (line, *CLAIM.lines[1:])})
    openings = Openings(claim.claim_id, OPENINGS.roles[:1], (text,), (hidden,))
    opening = open_line(openings, 1, [name], PURPOSE, generators())
    assert refusal(opening, claim=claim) == "opening_meaningless"
    for other in set(MEANINGLESS) - {name}:
        good = open_line(openings, 1, [other], PURPOSE, generators())
        assert verify_line_opening(generators(), claim, good, PURPOSE).names == (other,)


def test_every_reason_is_reached_above() -> None:
    assert set(OPENING_REASONS) == {
        "opening_other_claim",
        "opening_other_line",
        "opening_other_purpose",
        "opening_malformed",
        "opening_invalid",
        "opening_meaningless",
    }


def test_the_auditor_s_own_purpose_must_be_one() -> None:
    with pytest.raises(StatementError, match="purpose"):
        verify_line_opening(generators(), CLAIM, opened(), "")


# -- refused by the shop ----------------------------------------------------------------------


@pytest.mark.parametrize("line", [-1, 0, 4])
def test_a_line_that_does_not_exist(line: int) -> None:
    with pytest.raises(StatementError, match="lines 1 to 3"):
        opened(line)


@pytest.mark.parametrize("names", [(), ("",), ("Code",), ("code", "name"), ("1",)])
def test_a_value_that_has_no_name(names: tuple[str, ...]) -> None:
    with pytest.raises(StatementError, match="reveal: "):
        opened(reveal=names)


def test_a_purpose_of_decomposed_letters_may_be_as_long() -> None:
    """The longest: every letter is made of four characters."""
    letter = "\u1f82"
    decomposed = unicodedata.normalize("NFD", letter)
    assert len(decomposed) == 4
    assert normalise_purpose(decomposed * 200) == letter * 200
    with pytest.raises(StatementError, match="purpose: "):
        normalise_purpose(decomposed * 200 + "a")


def test_marks_without_end_are_refused_before_they_are_put_in_order() -> None:
    """Mutates a good purpose in its length: ordering 200,000 marks takes most of a minute."""
    normalise_purpose("a" + "\u0316\u0301" * 99)
    start = time.process_time()
    with pytest.raises(StatementError, match="purpose: "):
        normalise_purpose("a" + "\u0316\u0301" * 100_000)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("text", ["x", "x" * 200])
def test_a_purpose_is_one_to_two_hundred_characters(text: str) -> None:
    assert normalise_purpose(text) == text
    opening = open_line(OPENINGS, 1, ["code"], text, generators())
    verify_line_opening(generators(), CLAIM, opening, text)


def test_the_longest_proof_that_is_read_at_all() -> None:
    fields = opened().model_dump(mode="json")
    for size, is_read in ((193, True), (194, False)):
        data = canonical_bytes(fields | {"proof": encode_base64url(bytes(size))})
        if is_read:
            assert refusal(decode_line_opening(data)) == "opening_malformed"
        else:
            with pytest.raises(StatementError, match="proof: not 1 to 193 bytes"):
                decode_line_opening(data)


@pytest.mark.parametrize("text", ["", "x" * 201, "two\nlines", "bell\a", "\u202e"])
def test_a_purpose_that_is_none(text: str) -> None:
    with pytest.raises(StatementError, match="purpose: "):
        normalise_purpose(text)
    with pytest.raises(StatementError, match="purpose: "):
        open_line(OPENINGS, 1, ["code"], text, generators())


@pytest.mark.parametrize("slot", range(SLOTS))
def test_openings_that_do_not_open_their_commitment(slot: int) -> None:
    first = OPENINGS.openings[0]
    values = tuple(value + (number == slot) for number, value in enumerate(first.values))
    wrong = replace(OPENINGS, openings=(replace(first, values=values), *OPENINGS.openings[1:]))
    with pytest.raises(StatementError, match="line 1 does not open its commitment"):
        open_line(wrong, 1, ["code"], PURPOSE, generators())
    other = replace(first, r=(first.r + mpz(1)) % generators().group.order)
    wrong = replace(OPENINGS, openings=(other, *OPENINGS.openings[1:]))
    with pytest.raises(StatementError, match="line 1 does not open its commitment"):
        open_line(wrong, 1, ["code"], PURPOSE, generators())


def test_a_value_that_no_document_can_hold() -> None:
    partial = PartialOpening(SLOTS, {1: 2**53}, b"x" * 33)
    with pytest.raises(StatementError, match="opening: "):
        line_opening("a-claim", 1, CLAIM.lines[0].commitment, PURPOSE, partial)


# -- the document -----------------------------------------------------------------------------

DOCUMENT: dict[str, Any] = json.loads(encode_line_opening(opened()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format_version": 2}, "format_version"),
        ({"claim_id": "-"}, "claim_id"),
        ({"line": 0}, "line"),
        ({"line": 8}, "line"),
        ({"line": True}, "line"),
        ({"commitment": encode_base64url(bytes(32))}, "commitment: not 33 bytes"),
        ({"purpose": ""}, "purpose"),
        ({"purpose": "contro\u0302le"}, "NFC"),
        ({"purpose": "two\nlines"}, "purpose"),
        ({"revealed": {}}, "revealed"),
        ({"revealed": {"name": 1}}, "revealed"),
        ({"revealed": {"code": -1}}, "revealed"),
        ({"revealed": {"code": "2202430"}}, "revealed"),
        ({"proof": ""}, "proof"),
        ({"proof": "="}, "proof: not canonical base64url"),
        ({"proof": encode_base64url(bytes(194))}, "proof"),
        ({"signature": "x"}, "unknown field"),
    ],
)
def test_documents_that_are_none(changes: dict[str, Any], words: str) -> None:
    from circuits.canonical import canonical_bytes

    assert decode_line_opening(canonical_bytes(DOCUMENT)).line == 1  # the accept
    with pytest.raises(StatementError, match=words):
        decode_line_opening(canonical_bytes(DOCUMENT | changes))


def test_only_the_canonical_form_is_taken() -> None:
    data = encode_line_opening(opened())
    for other in (data + b"\n", b" " + data, json.dumps(json.loads(data)).encode()):
        with pytest.raises(EncodingError, match="canonical form"):
            decode_line_opening(other)
    for other in (b"", b"[]", data[:-1], b" " * (MAX_OPENING_BYTES + 1)):
        with pytest.raises(EncodingError, match="opening: "):
            decode_line_opening(other)


def test_a_claim_with_supplements_opens_its_last_line_too() -> None:
    claim, openings = claim_of(sample_sale(claim_id="long", supplements=("SV3",) * 4))
    opening = open_line(openings, 7, ["code"], PURPOSE, generators())
    revealed = verify_line_opening(generators(), claim, opening, PURPOSE)
    assert revealed.code == openings.openings[6].values[0]


def test_an_opening_is_bound_to_its_claim_and_line() -> None:
    # The same commitment in a second claim: an opening of the one is none of the other.
    twin = CLAIM.model_copy(update={"claim_id": "another-claim"})
    moved = CLAIM.model_copy(update={"lines": (CLAIM.lines[1], CLAIM.lines[0], *CLAIM.lines[2:])})
    verify_line_opening(generators(), CLAIM, opened(), PURPOSE)
    relabelled = opened().model_copy(update={"claim_id": "another-claim"})
    assert refusal(relabelled, claim=twin) == "opening_invalid"
    renumbered = opened().model_copy(update={"line": 2})
    assert refusal(renumbered, claim=moved) == "opening_invalid"
