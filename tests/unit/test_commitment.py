"""Line commitments, full openings and openings in part, on both backends."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import combinations

import pytest
from gmpy2 import mpz

from tests.support import independent_verifier as independent
from tests.support.toy_group import ToyGroup
from zk.backends import load_group
from zk.commitment import (
    Opening,
    PartialOpening,
    commit,
    fresh_opening,
    open_partially,
    verify_opening,
    verify_partial_opening,
)
from zk.errors import EncodingError, ProofRejected, StatementError, WitnessError, ZkError
from zk.field import SCALAR_BYTES, encode_scalar
from zk.generators import Generators, generators_of
from zk.relation import MAX_SLOTS

FAST, REFERENCE = generators_of(load_group()), generators_of(load_group("py_ecc"))
GROUP = FAST.group
Q = GROUP.order
VALUES = (2_203_418, 119_00, 7_300, 0)
PURPOSE = b"audit 17"


# -- commitments and full openings ----------------------------------------------------------------


def test_a_commitment_is_the_sum_it_says() -> None:
    opening = Opening(VALUES, mpz(987_654_321))
    expected = GROUP.sum(
        [
            *(GROUP.mul(m, J) for m, J in zip(VALUES, FAST.J(4), strict=True)),
            GROUP.mul(opening.r, FAST.H),
        ]
    )
    assert commit(FAST, opening) == expected


def test_both_backends_commit_alike() -> None:
    opening = Opening(VALUES, Q - 5)
    assert GROUP.encode(commit(FAST, opening)) == REFERENCE.group.encode(commit(REFERENCE, opening))


def test_values_count_modulo_the_order() -> None:
    assert commit(FAST, Opening((-1,), mpz(3))) == commit(FAST, Opening((int(Q) - 1,), mpz(3)))


def test_commitments_add_up() -> None:
    one, other = Opening((3, 4), mpz(5)), Opening((10, 20), mpz(30))
    total = Opening((13, 24), mpz(35))
    assert GROUP.sum([commit(FAST, one), commit(FAST, other)]) == commit(FAST, total)


def test_in_a_small_group_every_value_gives_every_commitment() -> None:
    # Perfect hiding of a line, exhaustively.
    generators = Generators(ToyGroup(31))
    every = {
        frozenset(commit(generators, Opening((m,), mpz(r))) for r in range(31)) for m in range(31)
    }
    assert len(every) == 1
    assert len(next(iter(every))) == 31


def test_fresh_openings_are_never_the_same() -> None:
    openings = [fresh_opening(FAST, VALUES) for _ in range(20)]
    assert {opening.values for opening in openings} == {VALUES}
    assert len({opening.r for opening in openings}) == 20
    assert all(0 <= opening.r < Q for opening in openings)


def test_the_blinding_is_hedged_with_secret_values_and_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zk.randomness.os.urandom", bytes)
    usual = fresh_opening(FAST, VALUES, secret=b"key", context=b"claim").r
    assert fresh_opening(FAST, VALUES, secret=b"key", context=b"claim").r == usual
    others = {
        fresh_opening(FAST, VALUES, secret=b"kex", context=b"claim").r,
        fresh_opening(FAST, VALUES, secret=b"key", context=b"clain").r,
        fresh_opening(FAST, (*VALUES[:3], 1), secret=b"key", context=b"claim").r,
    }
    assert len(others | {usual}) == 4


def test_a_full_opening_is_accepted() -> None:
    opening = fresh_opening(FAST, VALUES)
    verify_opening(FAST, commit(FAST, opening), opening, 4)


@pytest.mark.parametrize(
    "change",
    [
        lambda opening: Opening((*VALUES[:3], 1), opening.r),
        lambda opening: Opening(VALUES, opening.r + 1),
        lambda opening: Opening((VALUES[1], VALUES[0], *VALUES[2:]), opening.r),
    ],
)
def test_another_opening_is_refused(change: Callable[[Opening], Opening]) -> None:
    opening = fresh_opening(FAST, VALUES)
    with pytest.raises(ProofRejected, match=r"^opening: ") as caught:
        verify_opening(FAST, commit(FAST, opening), change(opening), 4)
    assert caught.value.reason == "opening"


@pytest.mark.parametrize("values", [VALUES[:3], (*VALUES, 0), (*VALUES, 1), ()])
def test_an_opening_has_as_many_slots_as_the_line(values: tuple[int, ...]) -> None:
    # A slot more that holds 0 would not change the sum.
    opening = fresh_opening(FAST, values)
    with pytest.raises(StatementError, match=f"4 slots, the opening {len(values)}"):
        verify_opening(FAST, commit(FAST, opening), opening, 4)


@pytest.mark.parametrize("shift", [int(Q), -int(Q)])
def test_a_line_has_one_opening(shift: int) -> None:
    # Otherwise the same line can be shown with the code m and with the "code" m + q.
    opening = fresh_opening(FAST, VALUES)
    for shifted in (
        Opening((VALUES[0] + shift, *VALUES[1:]), opening.r),
        Opening(VALUES, opening.r + shift),
    ):
        with pytest.raises(EncodingError, match=r"not in \[0, q\)"):
            verify_opening(FAST, commit(FAST, opening), shifted, 4)


@pytest.mark.parametrize("r", [-1, Q, 2**256, 2**300])
def test_a_blinding_out_of_range_is_refused(r: int) -> None:
    for generators in (FAST, REFERENCE):
        with pytest.raises(EncodingError, match=r"not in \[0, q\)"):
            commit(generators, Opening(VALUES, mpz(r)))


# -- opening in part -------------------------------------------------------------------------------

SUBSETS = [subset for size in range(5) for subset in combinations(range(1, 5), size)]


@pytest.mark.parametrize("reveal", SUBSETS)
def test_any_slots_can_be_revealed(reveal: tuple[int, ...]) -> None:
    opening = fresh_opening(FAST, VALUES)
    partial = open_partially(FAST, opening, reveal, PURPOSE)
    assert partial.slots == 4
    assert dict(partial.revealed) == {slot: VALUES[slot - 1] for slot in reveal}
    assert len(partial.proof) == 33 + SCALAR_BYTES * (4 - len(reveal) + 1)
    verify_partial_opening(FAST, commit(FAST, opening), partial, PURPOSE)


def test_both_backends_agree_on_partial_openings() -> None:
    opening = fresh_opening(FAST, VALUES)
    for prover, verifier in ((FAST, REFERENCE), (REFERENCE, FAST)):
        partial = open_partially(prover, opening, [1, 2], PURPOSE)
        verify_partial_opening(verifier, commit(verifier, opening), partial, PURPOSE)
        with pytest.raises(ProofRejected):
            verify_partial_opening(verifier, commit(verifier, opening), partial, b"another")


def test_a_slot_named_twice_is_revealed_once() -> None:
    opening = fresh_opening(FAST, VALUES)
    partial = open_partially(FAST, opening, [2, 1, 2], PURPOSE)
    assert dict(partial.revealed) == {1: VALUES[0], 2: VALUES[1]}
    verify_partial_opening(FAST, commit(FAST, opening), partial, PURPOSE)


def test_the_order_of_revealed_slots_does_not_matter() -> None:
    opening = fresh_opening(FAST, VALUES)
    partial = open_partially(FAST, opening, [1, 2, 3], PURPOSE)
    shuffled = dataclasses.replace(partial, revealed={s: VALUES[s - 1] for s in (3, 1, 2)})
    verify_partial_opening(FAST, commit(FAST, opening), shuffled, PURPOSE)


def test_a_proof_does_not_show_the_hidden_values() -> None:
    opening = fresh_opening(FAST, VALUES)
    one, other = (open_partially(FAST, opening, [1], PURPOSE) for _ in range(2))
    assert one.proof != other.proof  # fresh masks each time
    for value in (*VALUES[1:3], opening.r):
        assert encode_scalar(mpz(value)) not in one.proof


OPENING = fresh_opening(FAST, VALUES)
COMMITMENT = commit(FAST, OPENING)
PARTIAL = open_partially(FAST, OPENING, [1, 2], PURPOSE)


def changed(**changes: object) -> PartialOpening:
    return dataclasses.replace(PARTIAL, **changes)  # type: ignore[arg-type]


REJECTED: dict[str, PartialOpening] = {
    "another value": changed(revealed={1: VALUES[0] + 1, 2: VALUES[1]}),
    "values swapped": changed(revealed={1: VALUES[1], 2: VALUES[0]}),
    "other slots": changed(revealed={1: VALUES[0], 3: VALUES[1]}),
    "a response more by one": changed(
        proof=PARTIAL.proof[:-1] + bytes([PARTIAL.proof[-1] ^ 1]),
    ),
    "responses swapped": changed(
        proof=PARTIAL.proof[:33] + PARTIAL.proof[65:97] + PARTIAL.proof[33:65] + PARTIAL.proof[97:],
    ),
    "announcement negated": changed(
        proof=bytes([PARTIAL.proof[0] ^ 1]) + PARTIAL.proof[1:],
    ),
}


@pytest.mark.parametrize("fault", REJECTED)
def test_a_changed_partial_opening_is_rejected(fault: str) -> None:
    with pytest.raises(ProofRejected, match=r"^opening: ") as caught:
        verify_partial_opening(FAST, COMMITMENT, REJECTED[fault], PURPOSE)
    assert caught.value.reason == "opening"


def test_a_partial_opening_is_bound_to_line_and_purpose() -> None:
    verify_partial_opening(FAST, COMMITMENT, PARTIAL, PURPOSE)
    same_values = commit(FAST, fresh_opening(FAST, VALUES))
    for commitment, purpose in (
        (same_values, PURPOSE),
        (COMMITMENT, b"audit 18"),
        (COMMITMENT, b""),
    ):
        with pytest.raises(ProofRejected):
            verify_partial_opening(FAST, commitment, PARTIAL, purpose)


MALFORMED: dict[str, tuple[PartialOpening, type[Exception], str]] = {
    "too short": (changed(proof=PARTIAL.proof[:-1]), EncodingError, "wrong length"),
    "too long": (changed(proof=PARTIAL.proof + b"\0"), EncodingError, "wrong length"),
    "empty": (changed(proof=b""), EncodingError, "wrong length"),
    "a slot more": (changed(slots=5), EncodingError, "wrong length"),
    "a revealed slot less": (changed(revealed={1: VALUES[0]}), EncodingError, "wrong length"),
    "a response not reduced": (
        changed(proof=PARTIAL.proof[:33] + b"\xff" * 32 + PARTIAL.proof[65:]),
        EncodingError,
        "not below the group order",
    ),
    "no announcement": (changed(proof=bytes(33) + PARTIAL.proof[33:]), EncodingError, "point"),
    "slot 0": (
        changed(revealed={0: 1, 1: VALUES[0]}),
        StatementError,
        "no such slot; slots are numbered 1 to 4",
    ),
    "slot 5": (
        changed(revealed={1: 1, 5: 1}),
        StatementError,
        "no such slot; slots are numbered 1 to 4",
    ),
    "slot True": (
        changed(revealed={True: VALUES[0], 2: VALUES[1]}),
        StatementError,
        "no such slot",
    ),
    "no slots": (changed(slots=0, revealed={}), StatementError, "1 to 16 slots"),
    "too many slots": (changed(slots=MAX_SLOTS + 1), StatementError, "1 to 16 slots"),
    "negative value": (changed(revealed={1: -1, 2: 1}), StatementError, "slot 1 is not a scalar"),
    "value not reduced": (
        changed(revealed={1: VALUES[0] + int(Q), 2: VALUES[1]}),
        StatementError,
        "slot 1 is not a scalar",
    ),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_malformed_partial_openings_are_refused(fault: str) -> None:
    partial, error, complaint = MALFORMED[fault]
    with pytest.raises(error, match=complaint):
        verify_partial_opening(FAST, COMMITMENT, partial, PURPOSE)


@pytest.mark.parametrize("slot", [0, 5, -1])
def test_a_slot_that_does_not_exist_cannot_be_revealed(slot: int) -> None:
    with pytest.raises(StatementError, match="slots are numbered 1 to 4"):
        open_partially(FAST, OPENING, [1, slot], PURPOSE)


def test_a_line_of_too_many_slots_cannot_be_opened() -> None:
    with pytest.raises(StatementError, match="1 to 16 slots"):
        open_partially(FAST, Opening((1,) * 17, mpz(1)), [1], PURPOSE)


def test_masks_that_cancel_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zk.commitment.hedged_scalars", lambda count, *_: [mpz(0)] * count)
    with pytest.raises(WitnessError, match="try again"):
        open_partially(FAST, OPENING, [1], PURPOSE)


def test_in_a_small_group_partial_openings_say_nothing_about_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One line, two ways to open it with the same first slot: all masks give the same set of proofs.
    group = ToyGroup(17)
    generators = Generators(group)
    J_2, H = generators.J(2)[1], generators.H
    step = group.exponent(J_2) * pow(group.exponent(H), -1, 17)
    one, other = Opening((3, 1), mpz(5)), Opening((3, 2), (mpz(5) - step) % 17)
    assert commit(generators, one) == commit(generators, other)
    sets = []
    for opening in (one, other):
        proofs = set()
        for first in range(17):
            for second in range(17):
                masks = [mpz(first), mpz(second)]
                monkeypatch.setattr("zk.commitment.hedged_scalars", lambda *_, masks=masks: masks)
                try:
                    proofs.add(open_partially(generators, opening, [1], PURPOSE).proof)
                except WitnessError:
                    continue
        sets.append(proofs)
    assert len(sets[0]) == 16 * 17
    assert sets[0] == sets[1]


# -- secrets ---------------------------------------------------------------------------------------


def test_an_opening_never_shows_itself() -> None:
    opening = Opening((7_654_321, 98_765), mpz(0xABCDEF123456789))
    for text in (repr(opening), str(opening), f"{opening}", repr([opening]), repr({1: opening})):
        assert text.strip("[]{}1: ") == "Opening()"


def test_errors_of_openings_hold_no_values() -> None:
    value, r = 7_654_321, mpz(0xABCDEF123456789)
    opening = Opening((value, -value), r)
    caught: list[BaseException] = []
    for attempt in (
        lambda: verify_opening(FAST, COMMITMENT, opening, 2),
        lambda: open_partially(FAST, opening, [9], PURPOSE),
        lambda: open_partially(FAST, opening, [2], PURPOSE),  # negative: not a scalar
        lambda: open_partially(FAST, Opening((value,) * 17, r), [1], PURPOSE),
        lambda: verify_opening(FAST, COMMITMENT, opening, 3),
        lambda: commit(FAST, Opening((value,), -r)),
        lambda: commit(FAST, Opening((value,), r << 256)),
        lambda: open_partially(FAST, Opening((value,), r << 256), [], PURPOSE),
    ):
        with pytest.raises(ZkError) as raised:
            attempt()
        caught.append(raised.value)
    for error in caught:
        for secret in (value, int(r)):
            for text in (str(error), repr(error)):
                assert str(secret) not in text
                assert f"{secret:x}" not in text.lower()


@pytest.mark.parametrize("reveal", [(), (1,), (1, 2), (2, 3, 4)])
def test_an_independent_reader_of_the_protocol_accepts_the_same_openings(
    reveal: tuple[int, ...],
) -> None:
    partial = open_partially(FAST, OPENING, reveal, PURPOSE)
    encoded = GROUP.encode(COMMITMENT)
    revealed = dict(partial.revealed)
    independent.verify_partial_opening(encoded, 4, revealed, PURPOSE, partial.proof)
    with pytest.raises(independent.Refused):
        independent.verify_partial_opening(encoded, 4, revealed, b"other", partial.proof)


@pytest.mark.parametrize("slots", [1, MAX_SLOTS])
def test_lines_of_one_slot_and_of_most_can_be_opened(slots: int) -> None:
    opening = fresh_opening(FAST, list(range(slots)))
    partial = open_partially(FAST, opening, [slots], PURPOSE)
    verify_partial_opening(FAST, commit(FAST, opening), partial, PURPOSE)
