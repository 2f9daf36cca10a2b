"""An optician who lies, with his own key and a prover that checks nothing.

Each lie is told as well as it can be: the envelope is the one that an honest claim would have, the
signature is good, and the proof satisfies every equation but those that the lie breaks. Where there
are several ways to tell it, all are tried. The honest software refuses to tell any of them, and
says why without a code or a price.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from gmpy2 import mpz

from circuits.canonical import encode_base64url
from circuits.claim import Claim, ClaimAmounts, ClaimBody, sign_claim
from circuits.compiled import Amounts
from circuits.contract import Contract, EquipmentLevel, contract_digest, load_sample
from circuits.declaration import Declaration, DeclaredLine
from circuits.equipment import EquipmentStatement
from circuits.nomenclature import Nomenclature
from circuits.slots import encode_day
from circuits.statements import compile_statement
from optician.claiming import make_claim
from optician.identity import Identity
from optician.sale import Sale, parse_sale
from tests.support.claims import (
    DAY,
    NOW,
    contract,
    generators,
    identity,
    judge,
    nomenclature,
    registry,
    row_of,
    sale_document,
    sample_sale,
)
from tests.support.liar import Tale, tale, wires_for
from tests.support.tables import limits_table
from zk.errors import StatementError, WitnessError


def refusal(
    claim: Claim, of_contract: Contract | None = None, table: Nomenclature | None = None
) -> str:
    """The reason, from the judge who takes one claim and from the one who takes many."""
    insurer = judge(of_contract=of_contract, table=table)
    reason = insurer.judge(claim).reason
    assert [verdict.reason for verdict in insurer.judge_batch([claim])] == [reason]
    return reason or "accepted"


def equipment_of(story: Tale) -> EquipmentStatement:
    assert isinstance(story.statement, EquipmentStatement)
    return story.statement


def amounts(lenses_cents: int, frame_cents: int) -> ClaimAmounts:
    return ClaimAmounts(lenses_cents=lenses_cents, frame_cents=frame_cents)


@pytest.mark.parametrize("statement", ["line", "equipment", "pair"])
def test_told_as_it_was_the_sale_is_believed(statement: Any) -> None:
    assert refusal(tale(sample_sale(statement)).tell()) == "accepted"


# -- codes -------------------------------------------------------------------------------------


def test_a_code_of_another_class() -> None:
    # A plain lens sold (V01), a very complex one claimed (V04).
    story = tale(sample_sale("line", item="V04"))
    sold = row_of("V01").code
    (item,) = story.statement.items
    assert item._selector is not None
    first, second, *_ = (row.code for row in nomenclature().class_rows("V04", DAY))
    assert refusal(story.tell(values={(0, 0): sold})) == "proof_invalid"
    # Rows 0 and 1 mixed so that the look-up reads the code sold: 1 − c of one and c of the other.
    q = generators().group.order
    c = int((sold - first) * pow(mpz(second - first), -1, q) % q)
    assert ((1 - c) * first + c * second - sold) % q == 0
    mixed = item._selector.assignment(0) | {item._selector.digits[0][0]: c}
    assert refusal(story.tell(mixed, {(0, 0): sold})) == "proof_invalid"
    # No row at all: every digit's bits are 0 and 1, all of them are 1.
    every = dict.fromkeys(item._selector.assignment(0), 1)
    assert refusal(story.tell(every, {(0, 0): sold})) == "proof_invalid"


def test_a_code_that_does_not_exist() -> None:
    story = tale(sample_sale("line", item="VM4"))
    for code in (0, 1_000_000, -1):
        assert refusal(story.tell(values={(0, 0): code})) == "proof_invalid"


def test_a_lens_of_another_class_in_an_equipment() -> None:
    story = tale(sample_sale("equipment", lenses=("VM4", "VM4")))
    sold = row_of("VU1").code
    assert refusal(story.tell(values={(0, 0): sold})) == "proof_invalid"
    assert refusal(story.tell(values={(1, 0): sold})) == "proof_invalid"
    assert refusal(story.tell(values={(2, 0): row_of("M04").code})) == "proof_invalid"


# -- prices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["line", "equipment"])
def test_a_price_one_cent_over_the_network_cap(statement: Any) -> None:
    network = contract("reseau")
    cap = network.price_caps_cents["VM4"]
    prices = {"item": cap, "right_lens": cap}
    story = tale(sample_sale(statement, price_cents=prices), network)
    assert refusal(story.tell(), network) == "accepted"
    for wires in wires_for(story.statement.items[0]._price, cap + 1):
        assert refusal(story.tell(wires, {(0, 1): cap + 1}), network) == "proof_invalid"


def test_a_negative_price() -> None:
    story = tale(sample_sale("line", price_cents={"item": 0}))
    for wires in wires_for(story.statement.items[0]._price, -1):
        assert refusal(story.tell(wires, {(0, 1): -1})) == "proof_invalid"


def test_another_price_than_the_one_committed() -> None:
    story = tale(sample_sale("equipment"))
    for line in range(3):
        committed = story.values[line][1]
        for price in (committed - 1, committed + 1, 0):
            assert refusal(story.tell(values={(line, 1): price})) == "proof_invalid"


def limits_sale(statement: str, rows: tuple[int, int, int], prices: tuple[int, int, int]) -> Sale:
    """A sale on the table whose rows differ, by row number."""
    table = limits_table()
    codes = [
        table.class_rows(regroupement, DAY)[row].code
        for regroupement, row in zip(("V04", "V04", "M01"), rows, strict=True)
    ]
    items = [
        {"code": code, "price_cents": price} for code, price in zip(codes, prices, strict=True)
    ]
    document = sale_document("equipment")
    document |= dict(zip(("right_lens", "left_lens", "frame"), items, strict=True))
    if statement == "line":
        document = sale_document("line") | {"item": items[0]}
    return parse_sale(json.dumps(document).encode())


@pytest.mark.parametrize("statement", ["line", "equipment"])
def test_the_limit_of_another_row(statement: str) -> None:
    # Row 1 may cost 60 €, row 2 may cost 90 €. Row 1 was sold for 90 €.
    table = limits_table()
    rows = table.class_rows("V04", DAY)
    assert (rows[1].price_limit_cents, rows[2].price_limit_cents) == (6_000, 9_000)
    story = tale(limits_sale(statement, (2, 2, 0), (9_000, 9_000, 5_000)), table=table)
    assert refusal(story.tell(), table=table) == "accepted"
    item = story.statement.items[0]
    assert item._selector is not None
    assert item._slack is not None
    sold = {(0, 0): rows[1].code}
    # The row with the good limit, and the code of the other.
    assert refusal(story.tell(values=sold), table=table) == "proof_invalid"
    # The row with the good code, and what is left of the other's limit, or of none.
    honest_row = item._selector.assignment(1)
    assert refusal(story.tell(honest_row, sold), table=table) == "proof_invalid"
    lightest = item._slack.digits[-1][0]
    below = honest_row | {lightest: 6_000 - 9_000}
    assert refusal(story.tell(below, sold), table=table) == "proof_invalid"


# -- amounts -----------------------------------------------------------------------------------


def test_an_amount_one_cent_over_the_hidden_prices() -> None:
    story = tale(sample_sale("equipment", price_cents={"frame": 9_000}))
    assert story.body.amounts is not None
    lenses, frame = story.body.amounts.lenses_cents, story.body.amounts.frame_cents
    statement = equipment_of(story)
    assert (lenses, frame) == (2 * 21_950 - 2 * 3, 9_000 - 3)  # the public payer pays 3 cents each
    for wires in wires_for(statement._lenses_slack, -1):
        assert refusal(story.tell(wires, amounts=amounts(lenses + 1, frame))) == "proof_invalid"
    for wires in wires_for(statement._frame_slack, -1):
        assert refusal(story.tell(wires, amounts=amounts(lenses, frame + 1))) == "proof_invalid"
    # A cent from the frame to the lenses: the total is right.
    moved = {**wires_for(statement._lenses_slack, -1)[0], **statement._frame_slack.assignment(1)}
    claim = story.tell(moved, amounts=amounts(lenses + 1, frame - 1))
    assert refusal(claim) == "proof_invalid"


def test_an_amount_with_the_share_of_another_row() -> None:
    # The public payer pays 6 € on frame 2 and nothing on frame 1.
    table = limits_table()
    frames = table.class_rows("M01", DAY)
    story = tale(limits_sale("equipment", (0, 0, 1), (9_000, 9_000, 5_000)), table=table)
    assert story.body.amounts is not None
    assert story.body.amounts.frame_cents == 5_000
    sold = {(2, 0): frames[2].code}
    assert refusal(story.tell(values=sold), table=table) == "proof_invalid"
    frame = story.statement.items[2]
    assert frame._selector is not None
    wires = frame._selector.assignment(2)
    assert refusal(story.tell(wires, sold), table=table) == "proof_invalid"


def test_a_total_over_the_ceiling() -> None:
    # Both amounts are public and within the prices: the proof is true, and the claim too much.
    prices = {"right_lens": 45_000, "left_lens": 45_000, "frame": 15_000}
    story = tale(sample_sale("equipment", price_cents=prices))
    statement = equipment_of(story)
    assert statement.ceiling_cents == 80_000
    for lenses, frame in ((70_001, 10_000), (80_000, 1), (80_000, 10_000)):
        wires = statement._lenses_slack.assignment(90_000 - 6 - lenses)
        wires |= statement._frame_slack.assignment(15_000 - 3 - frame)
        claim = story.tell(wires, amounts=amounts(lenses, frame))
        assert refusal(claim) == "ceiling_exceeded"
    wires = statement._lenses_slack.assignment(90_000 - 6 - 70_000)
    assert refusal(story.tell(wires, amounts=amounts(70_000, 10_000))) == "accepted"


@pytest.mark.parametrize(
    ("lenses", "frame", "prices"),
    [
        ("V04", "M03", {"right_lens": 40_000, "left_lens": 35_000, "frame": 9_000}),
        ("VM4", "M01", {"right_lens": 50_000, "left_lens": 50_000, "frame": 3_000}),
    ],
    ids=["class A lenses", "class A frame"],
)
@pytest.mark.parametrize("kind", ["equipment", "pair"])
def test_a_class_b_amount_over_the_ceiling_less_hidden_class_a_prices(
    kind: Any, lenses: str, frame: str, prices: dict[str, int]
) -> None:
    sale = sample_sale(kind, lenses=(lenses, lenses), frame=frame, price_cents=prices)
    story = tale(sale)
    statement = equipment_of(story)
    assert statement._ceiling_slack is not None
    honest = story.body.amounts
    assert honest is not None
    most = 80_000 - (75_000 if lenses == "V04" else 3_000)
    if lenses == "V04":
        assert honest.frame_cents == most
        lied = amounts(0, most + 1)
        moved = statement._frame_slack.assignment(9_000 - 3 - most - 1)
        moved |= statement._lenses_slack.assignment(75_000)
    else:
        assert honest.lenses_cents == most
        lied = amounts(most + 1, 0)
        moved = statement._lenses_slack.assignment(100_000 - 6 - most - 1)
        moved |= statement._frame_slack.assignment(3_000)
    for wires in wires_for(statement._ceiling_slack, -1):
        assert refusal(story.tell(moved | wires, amounts=lied)) == "proof_invalid"


# -- levels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "right", "left"),
    [
        ("a", "VU1", "VU2"),
        ("b", "VU1", "VM1"),
        ("c", "VM1", "VM2"),
        ("d", "VU1", "VM4"),
        ("f", "VM4", "VM5"),
    ],
)
def test_a_pair_of_another_level(level: EquipmentLevel, right: str, left: str) -> None:
    # A complex and a very complex lens are level e.
    sale = sample_sale("pair", lenses=("VM1", "VM4"), amounts={"lenses_cents": 0, "frame_cents": 0})
    truth = tale(sale)
    assert truth.body.level == "e"
    declaration = Declaration("pair", truth.body.declaration().lines, level, "B")
    other = compile_statement(declaration, contract(), nomenclature(), DAY)
    sold = [item.article() for item in sale.items()]
    wires = other.wires(sold, Amounts(0, 0))
    story = Tale(identity(), truth.body, other, wires, truth.values)
    assert refusal(story.tell(level=level)) == "proof_invalid"
    # The rows of lenses that have this level, and the codes sold.
    codes = [row_of(right).code, row_of(left).code, sold[2].code]
    instead = [replace(article, code=code) for article, code in zip(sold, codes, strict=True)]
    story = Tale(identity(), truth.body, other, other.wires(instead, Amounts(0, 0)), truth.values)
    assert refusal(story.tell(level=level)) == "proof_invalid"
    claimed = {(line, 0): code for line, code in enumerate(codes)}
    assert refusal(story.tell(values=claimed, level=level)) == "accepted"  # no lie any more


# -- date --------------------------------------------------------------------------------------


def test_another_date_in_the_lines_than_in_the_claim() -> None:
    story = tale(sample_sale("equipment"))
    for line in range(3):
        assert refusal(story.tell(values={(line, 2): encode_day(DAY) + 1})) == "proof_invalid"
    for days in (-1, 1):
        day = DAY + timedelta(days=days)
        assert refusal(story.tell(date_of_service=day)) == "proof_invalid"
        told = {(line, 2): encode_day(day) for line in range(3)}
        assert refusal(story.tell(values=told, date_of_service=day)) == "accepted"  # another sale


# -- one claim for another ---------------------------------------------------------------------


@cache
def truth() -> Claim:
    return tale(sample_sale("equipment")).tell()


def body_of(claim: Claim, **changes: Any) -> ClaimBody:
    return ClaimBody.model_validate(claim.model_dump(exclude={"proof", "signature"}) | changes)


def presented_again(**changes: Any) -> Claim:
    """The same proof under a changed envelope, signed by the same optician."""
    return sign_claim(body_of(truth(), **changes), truth().proof_bytes(), identity().signing_key)


@pytest.mark.parametrize(
    "terms",
    [{"contract_id": "another"}, {"insurer_id": "another"}, {"note": "another"}],
    ids=["contract", "insurer", "digest"],
)
def test_a_claim_made_for_another_contract(terms: dict[str, str]) -> None:
    # Of the very same terms, so that the circuit is the same.
    other = Contract.model_validate(contract().model_dump() | terms)
    assert refusal(truth(), other) == "contract_mismatch"
    moved = presented_again(
        insurer_id=other.insurer_id,
        contract_id=other.contract_id,
        contract_digest=encode_base64url(contract_digest(other)),
    )
    assert refusal(moved, other) == "proof_invalid"
    assert refusal(moved) == "contract_mismatch"


def test_a_claim_made_with_another_table() -> None:
    table = limits_table()
    assert refusal(truth(), table=table) == "nomenclature_mismatch"
    moved = presented_again(nomenclature_digest=encode_base64url(table.digest))
    assert refusal(moved, table=table) in ("proof_invalid", "proof_malformed")
    relabelled = Nomenclature(
        "relabelled", nomenclature().source, nomenclature().classes(), nomenclature().rows
    )
    moved = presented_again(nomenclature_digest=encode_base64url(relabelled.digest))
    assert refusal(moved, table=relabelled) == "proof_invalid"


def test_a_claim_under_another_opticians_name() -> None:
    thief = Identity.generate("thief")
    insurer = judge(keys=registry([identity(), thief]))

    def reason(claim: Claim) -> str | None:
        return insurer.judge(claim).reason

    assert reason(truth()) is None
    # As himself, with the proof that he saw.
    his = body_of(truth(), optician_id="thief", key_id=thief.key_id)
    assert reason(sign_claim(his, truth().proof_bytes(), thief.signing_key)) == "proof_invalid"
    # In the other's name with his own key, or the other way round.
    name = body_of(truth(), key_id=thief.key_id)
    assert reason(sign_claim(name, truth().proof_bytes(), thief.signing_key)) == "optician_unknown"
    key = presented_again(optician_id="thief")
    assert reason(key) == "optician_unknown"
    # With his signature in place of the other's.
    forged = sign_claim(his, truth().proof_bytes(), thief.signing_key).signature
    assert reason(truth().model_copy(update={"signature": forged})) == "signature_invalid"


def test_one_lens_counted_twice() -> None:
    right, left, frame = truth().lines
    twin = left.model_copy(update={"commitment": right.commitment})
    assert refusal(presented_again(lines=(right, twin, frame))) == "statement_invalid"


def test_the_liars_of_a_batch_are_named_and_nobody_else() -> None:
    story = tale(sample_sale("line", item="V04"))
    lie = story.tell(values={(0, 0): row_of("V01").code})
    other = tale(sample_sale("equipment")).tell(values={(0, 1): 1})
    batch = [story.tell(), lie, truth(), story.tell(), other, truth()]
    verdicts = judge().judge_batch(batch)
    assert [verdict.is_accepted for verdict in verdicts] == [True, False, True, True, False, True]
    assert {verdict.reason for verdict in verdicts} == {None, "proof_invalid"}


# -- the honest software -----------------------------------------------------------------------


def claim_honestly(
    sale: Sale, of_contract: Contract | None = None, table: Nomenclature | None = None
) -> None:
    terms, rows = of_contract or contract(), table or nomenclature()
    make_claim(sale, terms, rows, identity(), generators(), NOW)


def prove_in_class(sale: Sale, regroupement: str) -> None:
    """What a claim for the class would need."""
    declaration = Declaration("line", (DeclaredLine("item", regroupement),))
    statement = compile_statement(declaration, contract(), nomenclature(), DAY)
    statement.wires([item.article() for item in sale.items()], None)


def prove_level(sale: Sale, level: EquipmentLevel) -> None:
    """What a claim for the level would need."""
    lines = (DeclaredLine("right_lens"), DeclaredLine("left_lens"), DeclaredLine("frame", "M03"))
    declaration = Declaration("pair", lines, level, "B")
    statement = compile_statement(declaration, contract(), nomenclature(), DAY)
    nothing = Amounts(0, 0)
    wires = statement.wires([item.article() for item in sale.items()], nothing)
    statement.circuit.check_witness(wires, statement.publics(DAY, nothing))


def with_amounts(lenses_cents: int, frame_cents: int, **choices: Any) -> Sale:
    claimed = {"lenses_cents": lenses_cents, "frame_cents": frame_cents}
    return sample_sale("equipment", amounts=claimed, **choices)


MIXED = {
    "lenses": ("V04", "V04"),
    "price_cents": {"right_lens": 40_123, "left_lens": 35_321, "frame": 9_000},
}
NO_CODE = {"code": 9_999_991, "price_cents": 21_950}
WITNESS, STATEMENT = WitnessError, StatementError
REFUSALS: dict[str, tuple[type[Exception], str, Callable[[], None]]] = {
    "code of another class": (
        WITNESS,
        "item: the code is not in the declared class",
        lambda: prove_in_class(sample_sale("line", item="V01"), "V04"),
    ),
    "code of no class": (
        STATEMENT,
        "item: no such code in the nomenclature on 2020-10-05",
        lambda: claim_honestly(
            parse_sale(json.dumps(sale_document("line") | {"item": NO_CODE}).encode())
        ),
    ),
    "price over a network cap": (
        WITNESS,
        "not satisfied: right lens: price within its limit",
        lambda: claim_honestly(
            sample_sale("equipment", price_cents={"right_lens": 26_001}), contract("reseau")
        ),
    ),
    "price over the contract's largest": (
        WITNESS,
        "not satisfied: item: price within its limit",
        lambda: claim_honestly(sample_sale("line", price_cents={"item": 300_001})),
    ),
    "limit of another row": (
        WITNESS,
        "not satisfied: right lens: price within its limit",
        lambda: claim_honestly(
            limits_sale("equipment", (1, 2, 0), (9_000, 9_000, 5_000)), table=limits_table()
        ),
    ),
    "amount over the lenses' prices": (
        WITNESS,
        "not satisfied: amount for the lenses within their prices less the public payer's shares",
        lambda: claim_honestly(with_amounts(43_895, 0)),
    ),
    "amount over the frame's price": (
        WITNESS,
        "not satisfied: amount for the frame within its price less the public payer's share",
        lambda: claim_honestly(with_amounts(0, 8_998, price_cents={"frame": 9_000})),
    ),
    "total over the ceiling": (
        STATEMENT,
        "total claimed is over the ceiling of 80000 cents for level f",
        lambda: claim_honestly(
            with_amounts(79_999, 2, price_cents={"right_lens": 45_000, "left_lens": 45_000})
        ),
    ),
    "frame over its ceiling": (
        STATEMENT,
        "frame: claimed over its ceiling of 10000 cents",
        lambda: claim_honestly(with_amounts(0, 10_001)),
    ),
    "class B over what class A leaves": (
        WITNESS,
        "not satisfied: amount for the class B part within the ceiling less the class A prices",
        lambda: claim_honestly(with_amounts(0, 4_557, **MIXED)),
    ),
    "another level": (
        WITNESS,
        "not satisfied: pair: the declared level",
        lambda: prove_level(sample_sale("pair", lenses=("VM1", "VM4")), "f"),
    ),
    "two price classes": (
        STATEMENT,
        "the two lenses are of different price classes",
        lambda: claim_honestly(sample_sale("equipment", lenses=("V04", "VM4"))),
    ),
    "two price classes in a pair": (
        WITNESS,
        "left lens: the code is not in the declared class",
        lambda: claim_honestly(sample_sale("pair", lenses=("V04", "VM4"))),
    ),
}


@pytest.mark.parametrize("lie", REFUSALS)
def test_the_honest_prover_refuses_and_tells_no_secret(lie: str) -> None:
    kind, message, attempt = REFUSALS[lie]
    with pytest.raises(kind) as refusal:
        attempt()
    assert str(refusal.value) == message
    shown = "".join(traceback.format_exception(refusal.value))
    secrets = [str(row_of(name).code) for name in ("V01", "V04", "VM1", "VM4", "M03")]
    for secret in [*secrets, "9999991", "21950", "40123", "35321", "26001", "300001"]:
        assert secret not in shown
        assert secret not in repr(refusal.value)


def test_the_last_cent_is_no_lie() -> None:
    claim_honestly(with_amounts(43_894, 10_000))
    claim_honestly(with_amounts(0, 8_997, price_cents={"frame": 9_000}))
    claim_honestly(with_amounts(0, 4_556, **MIXED))
    claim_honestly(
        sample_sale("equipment", price_cents={"right_lens": 26_000}), load_sample("reseau")
    )
    claim_honestly(limits_sale("equipment", (1, 2, 0), (6_000, 9_000, 5_000)), table=limits_table())
