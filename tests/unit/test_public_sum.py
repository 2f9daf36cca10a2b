"""A verifier's one sum: compiled, from libsecp256k1's sums, and in pure Python, the same points."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from tests.support.backends import backends
from zk.backends import load_group
from zk.errors import StatementError
from zk.field import encode_little
from zk.group import FixedBase, Group, Point

DST = b"test of public sums"
PLAIN = load_group("libsecp256k1")
Q = int(PLAIN.order)
COUNT = 12
EDGES = [0, 1, 2, Q - 1, Q - 2, 127, 128, 129, 255, 256, 1 << 128, (1 << 128) - 1, 1 << 255]
# λ and its square are the scalars whose halves are shortest, and so are small multiples of them.
LAMBDA = 0x5363AD4CC05C30E0A5261C028812645A122E22EA20816678DF02967C1B23BD72
EDGES += [LAMBDA, LAMBDA * LAMBDA % Q, Q - LAMBDA, 3 * LAMBDA % Q, LAMBDA + 1]
SCALARS = st.one_of(st.sampled_from(EDGES), st.integers(0, Q - 1), st.integers(0, 1 << 128))


def names(group: Group) -> list[Point]:
    """Twelve points, then their opposites: which meet and cancel in sums."""
    points = [group.hash_to_point(b"%d" % number, DST) for number in range(COUNT)]
    return points + [group.neg(point) for point in points]


GROUPS = backends()
POINTS = {group.name: names(group) for group in GROUPS}


def bases_of(group: Group) -> list[FixedBase]:
    return [group.public_base(P) or group.fixed_base(P) for P in POINTS[group.name][:COUNT]]


BASES = {group.name: bases_of(group) for group in GROUPS}


def sums(fixed: Sequence[int], terms: Sequence[tuple[int, int]]) -> set[bytes]:
    """The encodings that the backends find for the sum, b"" for the identity."""
    found = set()
    for group in GROUPS:
        total = group.public_sum(
            encode_little([mpz(k) for k in fixed]),
            BASES[group.name][: len(fixed)],
            encode_little([mpz(k) for k, _ in terms]),
            [POINTS[group.name][place] for _, place in terms],
        )
        found.add(group.encode(total) if total else b"")
    return found


def naive(fixed: Sequence[int], terms: Sequence[tuple[int, int]]) -> bytes:
    points = POINTS[PLAIN.name]
    every = [*enumerate(fixed), *((place, k) for k, place in terms)]
    total = PLAIN.sum([PLAIN.mul(k, points[place]) for place, k in every])
    return PLAIN.encode(total) if total else b""


@given(
    st.lists(SCALARS, max_size=4),
    st.lists(st.tuples(SCALARS, st.integers(0, 2 * COUNT - 1)), max_size=4),
)
def test_all_backends_find_the_same_sum(fixed: list[int], terms: list[tuple[int, int]]) -> None:
    assert sums(fixed, terms) == {naive(fixed, terms)}


@pytest.mark.parametrize("scalar", EDGES, ids=hex)
def test_scalars_at_the_edges(scalar: int) -> None:
    assert sums([scalar], []) == {naive([scalar], [])}
    assert sums([], [(scalar, 3)]) == {naive([], [(scalar, 3)])}


def test_a_fixed_base_and_its_opposite_cancel() -> None:
    assert sums([5], [(5, COUNT)]) == {b""}
    assert sums([5], [(Q - 5, 0)]) == {b""}
    assert sums([], []) == {b""}


def test_many_bases_and_points_of_every_kind() -> None:
    generator = random.Random(11)
    fixed = [generator.randrange(Q) for _ in range(COUNT)]
    terms = [(generator.randrange(Q), generator.randrange(2 * COUNT)) for _ in range(130)]
    assert sums(fixed, terms) == {naive(fixed, terms)}


# -- the compiled module --------------------------------------------------------------------------

native = pytest.mark.skipif(GROUPS[0].name != "native", reason="zk._group was not built here")


@native
@pytest.mark.parametrize(
    ("fixed", "bases", "scalars", "points"),
    [
        (bytes(31), (bytes(33 * 64),), b"", b""),
        (bytes(32), (), b"", b""),
        (bytes(32), (bytes(64),), b"", b""),
        (bytes(32), (b"",), b"", b""),
        (b"", (), bytes(32), bytes(63)),
        (b"", (), bytes(31), bytes(64)),
        (b"", (), bytes(64), bytes(64)),
        (b"", (), b"", bytes(64)),
    ],
)
def test_lengths_that_do_not_fit_are_refused(
    fixed: bytes, bases: tuple[bytes, ...], scalars: bytes, points: bytes
) -> None:
    from zk import _group

    with pytest.raises(ValueError, match=r"are needed|is what"):
        _group.sum_of_multiples(fixed, bases, scalars, points)


@native
def test_what_is_no_point_has_no_multiples_and_no_decoding() -> None:
    from zk import _group

    for data in (b"", bytes(63), bytes(65)):
        with pytest.raises(ValueError, match="64 bytes"):
            _group.multiples(data)
    for data in (bytes(32), bytes(34)):
        with pytest.raises(ValueError, match="33 bytes"):
            _group.decode(data)
    with pytest.raises(ValueError, match="compressed point"):
        _group.decode(PLAIN.encode(POINTS[PLAIN.name][0]) + bytes(33))


@native
def test_multiples_are_the_point_times_powers_of_256() -> None:
    from zk import _group

    P = POINTS[PLAIN.name][0]
    joined = _group.multiples(P)
    found = [joined[start : start + 64] for start in range(0, len(joined), 64)]
    assert found == [PLAIN.mul(1 << 8 * place, P) for place in range(33)]


@native
@given(st.binary(min_size=32, max_size=32), st.integers(0, 5))
def test_decoding_agrees_with_libsecp256k1(x: bytes, first: int) -> None:
    def decoded(group: Group) -> list[Point] | None:
        try:
            return group.decode_many(bytes([first]) + x)
        except Exception:
            return None

    assert decoded(GROUPS[0]) == decoded(PLAIN)


@native
def test_a_machine_that_keeps_points_otherwise_has_no_native_backend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from zk.backends.native import Native

    monkeypatch.setattr("zk._group.decode", lambda data: bytes(len(data) // 33 * 64))
    with pytest.raises(StatementError, match="form"):
        Native()
