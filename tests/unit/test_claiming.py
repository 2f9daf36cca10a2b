"""From a sale to a claim: what is declared, what is claimed, what stays in the shop."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

import optician.claiming
from circuits.canonical import decode_base64url, encode_base64url
from circuits.claim import Claim, ClaimAmounts, verify_signature
from circuits.contract import Contract, contract_digest, parse_contract
from circuits.declaration import Declaration, DeclaredLine
from circuits.slots import Correction, encode_day, pack_correction
from circuits.statements import GroundError
from optician.claiming import MAX_OPENINGS_BYTES, VALIDITY, Openings, declare
from optician.sale import Sale
from tests.support.claims import (
    DAY,
    NOW,
    claim_of,
    contract,
    generators,
    identity,
    judge,
    nomenclature,
    row_of,
    sample_claim,
    sample_sale,
)
from zk.commitment import verify_opening
from zk.errors import EncodingError, ProofRejected, StatementError, WitnessError
from zk.prove import prove


def made(statement: Any = "equipment", of_contract: Contract | None = None, **choices: Any) -> Any:
    sale = sample_sale(statement, claim_id="a-claim", **choices)
    return claim_of(sale, of_contract=of_contract)


# -- declaring --------------------------------------------------------------------------------


def test_an_equipment_declares_the_classes_of_its_codes() -> None:
    sale = sample_sale(lenses=("V01", "V04"), frame="M03", supplements=("S01", "SV2"))
    assert declare(sale, nomenclature()) == Declaration(
        "equipment",
        (
            DeclaredLine("right_lens", "V01"),
            DeclaredLine("left_lens", "V04"),
            DeclaredLine("frame", "M03"),
            DeclaredLine("supplement", "S01", row_of("S01").code),  # nothing to hide in
            DeclaredLine("supplement", "SV2"),
        ),
    )


@pytest.mark.parametrize(
    ("lenses", "level", "price_class"),
    [
        (("VU1", "VU3"), "a", "B"),
        (("VM1", "VU2"), "b", "B"),
        (("V02", "V03"), "c", "A"),
        (("V01", "V04"), "d", "A"),
        (("VM4", "VM1"), "e", "B"),
        (("VM4", "VM7"), "f", "B"),
    ],
)
def test_a_pair_declares_level_and_price_class_alone(
    lenses: tuple[str, str], level: Any, price_class: Any
) -> None:
    declared = declare(sample_sale("pair", lenses=lenses), nomenclature())
    lines = (DeclaredLine("right_lens"), DeclaredLine("left_lens"), DeclaredLine("frame", "M03"))
    assert declared == Declaration("pair", lines, level, price_class)


def test_a_line_declares_one_class() -> None:
    declared = declare(sample_sale("line", item="M02"), nomenclature())
    assert declared == Declaration("line", (DeclaredLine("item", "M02"),))


@pytest.mark.parametrize("statement", ["equipment", "pair"])
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (9_876_544, "left_lens: no such code in the nomenclature on 2020-10-05"),
        (row_of("VM4").code + 1, "left_lens: not an LPP code"),
        (7, "left_lens: not an LPP code"),
    ],
)
def test_a_code_that_is_none_is_refused_and_not_repeated(
    statement: Any, code: int, words: str
) -> None:
    sale = sample_sale(statement, left_lens={"code": code, "price_cents": 100})
    with pytest.raises(StatementError, match=words) as caught:
        declare(sale, nomenclature())
    if code > 7:
        assert str(code) not in str(caught.value)


def test_a_pair_is_of_lenses() -> None:
    sale = sample_sale("pair", left_lens={"code": row_of("M03").code, "price_cents": 100})
    with pytest.raises(StatementError, match="left_lens: not the code of a lens"):
        declare(sale, nomenclature())


# -- claims -----------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["line", "equipment", "pair"])
def test_the_claim_names_everything_it_is_made_for(statement: Any) -> None:
    claim, _ = made(statement)
    assert judge().judge(claim).is_accepted
    verify_signature(claim, identity().signing_key.public_key())
    assert claim.claim_id == "a-claim"
    assert (claim.optician_id, claim.key_id) == ("optician-1", identity().key_id)
    assert (claim.insurer_id, claim.contract_id) == ("ocam-exemple", "responsable-2020")
    assert claim.contract_digest == encode_base64url(contract_digest(contract()))
    assert claim.nomenclature_digest == encode_base64url(nomenclature().digest)
    assert (claim.date_of_service, claim.expires_at) == (DAY, NOW + VALIDITY)
    assert (claim.level is None) is (claim.price_class is None) is (statement != "pair")
    assert (claim.amounts is None) is (statement == "line")


def test_fractions_of_a_second_do_not_matter() -> None:
    now = NOW + timedelta(microseconds=999_999)
    claim, _ = claim_of(sample_sale("line", claim_id="a-claim"), now=now)
    assert claim.expires_at == NOW + VALIDITY


def test_another_time_zone_is_the_same_moment() -> None:
    paris = datetime.fromisoformat("2020-10-06T11:30:00+02:00")
    claim, _ = claim_of(sample_sale("line", claim_id="a-claim"), now=paris)
    assert claim.expires_at == (paris + VALIDITY).astimezone(UTC) == NOW + VALIDITY


def test_the_most_that_the_contract_allows_is_claimed_unless_the_sale_says_less() -> None:
    claim, _ = made()
    assert claim.amounts == ClaimAmounts(lenses_cents=2 * (21_950 - 3), frame_cents=10_000)
    claim, _ = made(amounts={"lenses_cents": 1, "frame_cents": 0})
    assert claim.amounts == ClaimAmounts(lenses_cents=1, frame_cents=0)
    assert judge().judge(claim).is_accepted


def test_a_claim_without_an_identifier_gets_a_fresh_one() -> None:
    sale = sample_sale("line")
    identifiers = {claim_of(sale)[0].claim_id for _ in range(20)}
    assert len(identifiers) == 20


@pytest.mark.parametrize("byte", [0x00, 0xF8, 0xFB, 0xFF])
def test_every_fresh_identifier_is_one_that_a_claim_may_have(
    monkeypatch: pytest.MonkeyPatch, byte: int
) -> None:
    """In base64url some random bytes begin with a dash or an underscore; no identifier may."""
    fixed = SimpleNamespace(urandom=lambda size: bytes([byte]) * size)
    monkeypatch.setattr(optician.claiming, "os", fixed, raising=False)
    claim, _ = claim_of(sample_sale("line"))
    assert judge().judge(claim).is_accepted


def network(**caps: int) -> Contract:
    document = contract().model_dump(mode="json") | {"price_caps_cents": caps}
    return parse_contract(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("choices", "error", "words"),
    [
        ({"price_cents": {"frame": 300_001}}, WitnessError, "frame: price within its limit"),
        ({"price_cents": {"left_lens": 25_001}}, WitnessError, "left lens: price within its"),
        (
            {"amounts": {"lenses_cents": 43_895, "frame_cents": 0}},
            WitnessError,
            "amount for the lenses",
        ),
        (
            {"amounts": {"lenses_cents": 0, "frame_cents": 10_001}},
            StatementError,
            "frame: claimed over its ceiling",
        ),
        ({"lenses": ("VM4", "V04")}, StatementError, "different price classes"),
        ({"supplements": ("SV2",)}, StatementError, "supplement 1: not of the lenses' price class"),
        ({"date_of_service": "2021-07-01"}, StatementError, "not valid on 2021-07-01"),
        (
            {"date_of_service": "2020-06-30"},
            StatementError,
            "no such code in the nomenclature on 2020-06-30",
        ),
        (
            {"frame": "M03", "left_lens": {"code": row_of("M03").code, "price_cents": 1}},
            StatementError,
            "left lens: class M03 is not a class of that kind",
        ),
    ],
)
def test_what_cannot_be_claimed(choices: Any, error: type[Exception], words: str) -> None:
    capped = network(VM4=25_000)
    assert made(of_contract=capped)[0].amounts is not None  # the accept that is changed
    with pytest.raises(error, match=words):
        made(of_contract=capped, **choices)


def test_a_ground_of_the_contract_is_in_the_claim() -> None:
    claim, _ = made(early_renewal_ground="change_of_vision")
    assert claim.early_renewal_ground == "change_of_vision"
    assert judge().judge(claim).is_accepted
    assert made()[0].early_renewal_ground is None


def test_no_claim_is_made_with_a_ground_that_nobody_takes() -> None:
    with pytest.raises(GroundError, match="not in the contract's list"):
        made(early_renewal_ground="lost")
    with pytest.raises(GroundError, match="the statement line renews no equipment"):
        made("line", early_renewal_ground="change_of_vision")


def test_a_service_before_the_contract_cannot_be_claimed() -> None:
    document = contract().model_dump(mode="json") | {"valid_from": "2020-10-06"}
    with pytest.raises(StatementError, match="not in force on 2020-10-05"):
        made(of_contract=parse_contract(json.dumps(document).encode()))


def test_no_claim_leaves_that_its_maker_would_not_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prover gone wrong, a bad memory for instance, is noticed before anything is signed."""

    def miscalculating(*arguments: Any, **options: Any) -> Any:
        proof = prove(*arguments, **options)
        return type(proof)(
            proof.B, proof.A, proof.T, (proof.f[0] ^ 1, *proof.f[1:]), proof.z_1, proof.z_2
        )

    monkeypatch.setattr(optician.claiming, "prove", miscalculating)
    with pytest.raises(ProofRejected):
        made()


# -- openings ---------------------------------------------------------------------------------


def test_the_openings_open_every_line_of_the_claim() -> None:
    sale = sample_sale(claim_id="a-claim", supplements=("SV3",))
    claim, openings = claim_of(sale)
    assert openings.claim_id == claim.claim_id
    assert openings.roles == tuple(line.role for line in claim.lines)
    assert openings.commitments == tuple(line.commitment for line in claim.lines)
    corrections = [Correction(-9, -2, 85, 8), Correction(-12, -3, 100, 8), None, None]
    for item, opening, text, correction in zip(
        sale.items(), openings.openings, openings.commitments, corrections, strict=True
    ):
        day, packed = encode_day(DAY), pack_correction(correction)
        assert opening.values == (item.code, item.price_cents, day, packed)
        point = generators().group.decode(decode_base64url(text))
        verify_opening(generators(), point, opening, 4)


@pytest.mark.parametrize("statement", ["line", "equipment", "pair"])
def test_openings_survive_the_file(statement: Any) -> None:
    _, openings = sample_claim(statement)
    assert Openings.parse(openings.encode(), generators()) == openings
    assert len(openings.encode()) < MAX_OPENINGS_BYTES // 16


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(sample_claim("equipment")[1].encode())
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", EncodingError, "openings: "),
        (b"[]", EncodingError, "openings: not a JSON object"),
        (b" " * (MAX_OPENINGS_BYTES + 1), EncodingError, "more than"),
        (changed(lambda d: d.pop("claim_id")), StatementError, "claim_id"),
        (changed(lambda d: d.update(lines=[])), StatementError, "lines"),
        (changed(lambda d: d["lines"][0].update(role="nose")), StatementError, "role"),
        (changed(lambda d: d["lines"][0]["values"].pop()), StatementError, "values"),
        (changed(lambda d: d["lines"][0]["values"].append(0)), StatementError, "values"),
        (changed(lambda d: d["lines"][0]["values"].insert(0, -1)), StatementError, "values"),
        (
            changed(lambda d: d["lines"][0].update(blinding=encode_base64url(b"\xff" * 32))),
            EncodingError,
            "below the group order",
        ),
        (
            changed(lambda d: d["lines"][0].update(blinding=encode_base64url(b"\xff" * 31))),
            StatementError,
            "not 32 bytes",
        ),
    ],
)
def test_what_are_no_openings(data: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Openings.parse(data, generators())


def test_the_repr_shows_nothing_that_is_hidden() -> None:
    claim, openings = sample_claim("equipment")
    assert isinstance(claim, Claim)
    text = repr(openings)
    assert openings.claim_id in text
    for opening in openings.openings:
        assert str(opening.r) not in text
        assert not any(str(value) in text for value in opening.values if value > 10)


def test_the_same_sale_is_committed_to_afresh_each_time() -> None:
    sale: Sale = sample_sale("line", claim_id="a-claim")
    texts = {claim_of(sale)[0].lines[0].commitment for _ in range(5)}
    assert len(texts) == 5
