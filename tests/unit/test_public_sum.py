"""A verifier's one sum: compiled, from libsecp256k1's sums, and in pure Python, the same points."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from tests.support.backends import variants
from zk.backends import load_group
from zk.errors import EncodingError, StatementError
from zk.field import encode_little
from zk.group import FixedBase, Group, Point

DST = b"test of public sums"
PLAIN = load_group("libsecp256k1")
Q = int(PLAIN.order)
COUNT = 12
FIELD = 2**256 - 2**32 - 977
# Not on the curve, not below the prime, and first bytes that the wire form does not have.
NOT_POINTS = [
    b"\2" + bytes(32),
    b"\3" + (5).to_bytes(32, "big"),
    b"\2" + (FIELD + 1).to_bytes(32, "big"),
    *(bytes([first]) + (1).to_bytes(32, "big") for first in (0, 1, 4, 6, 255)),
]
EDGES = [0, 1, 2, Q - 1, Q - 2, 127, 128, 129, 255, 256, 1 << 128, (1 << 128) - 1, 1 << 255]
# λ and its square are the scalars whose halves are shortest, and so are small multiples of them.
LAMBDA = 0x5363AD4CC05C30E0A5261C028812645A122E22EA20816678DF02967C1B23BD72
EDGES += [LAMBDA, LAMBDA * LAMBDA % Q, Q - LAMBDA, 3 * LAMBDA % Q, LAMBDA + 1]
SCALARS = st.one_of(st.sampled_from(EDGES), st.integers(0, Q - 1), st.integers(0, 1 << 128))


def names(group: Group) -> list[Point]:
    """Twelve points, then their opposites: which meet and cancel in sums."""
    points = [group.hash_to_point(b"%d" % number, DST) for number in range(COUNT)]
    return points + [group.neg(point) for point in points]


GROUPS = variants()
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


@pytest.mark.parametrize("scalar", [Q, Q + 1, 2**256 - 1])
def test_scalars_out_of_range_are_refused(scalar: int) -> None:
    data = encode_little([mpz(scalar)])
    for group in GROUPS:
        with pytest.raises(EncodingError, match=r"not in \[0, q\)"):
            group.public_sum(data, BASES[group.name][:1], b"", [])
        with pytest.raises(EncodingError, match=r"not in \[0, q\)"):
            group.public_sum(b"", [], data, POINTS[group.name][:1])


# -- the compiled module --------------------------------------------------------------------------

native = pytest.mark.skipif(GROUPS[0].name != "native", reason="zk._group was not built here")


COMPILED = [group for group in GROUPS if group.name.startswith("native")]


def multiples_of(point: Point, count: int) -> list[Point]:
    """``[1·P, 2·P, …]``."""
    found = [point]
    while len(found) < count:
        found.append(PLAIN.sum([found[-1], point]))
    return found


# Around each number of points from which there is another way, or another width of buckets.
@native
@pytest.mark.parametrize("count", [7, 8, 9, 149, 150, 151, 319, 320, 449, 450, 1_000, 2_500, 3_500])
@pytest.mark.parametrize("fixed", [0, 5])
def test_numbers_of_points_where_the_method_changes(count: int, fixed: int) -> None:
    points = POINTS[PLAIN.name][:COUNT]
    generator = random.Random(count + fixed)
    scalars = [generator.randrange(Q) for _ in range(fixed + count)]
    places = [*range(fixed), *(number % COUNT for number in range(count))]
    sums_of = [0] * COUNT
    for scalar, place in zip(scalars, places, strict=True):
        sums_of[place] += scalar
    expected = PLAIN.sum([PLAIN.mul(k, P) for k, P in zip(sums_of, points, strict=True)])
    for group in COMPILED:
        bases, chosen = BASES[group.name][:fixed], [points[place] for place in places[fixed:]]
        encoded = [
            encode_little([mpz(k) for k in part]) for part in (scalars[:fixed], scalars[fixed:])
        ]
        assert group.public_sum(encoded[0], bases, encoded[1], chosen) == expected


@native
@pytest.mark.parametrize("count", [7_000, 16_001, 32_768, 33_000, 65_600])
def test_so_many_points_that_they_come_in_slices(count: int) -> None:
    points = multiples_of(POINTS[PLAIN.name][0], 1_000)
    generator = random.Random(count)
    scalars = [generator.getrandbits(255) for _ in range(count)]
    total = sum(k * (number % 1_000 + 1) for number, k in enumerate(scalars))
    data = encode_little([mpz(k) for k in scalars])
    for group in COMPILED:
        found = group.public_sum(b"", [], data, [points[n % 1_000] for n in range(count)])
        assert found == PLAIN.mul(total, points[0])


@native
def test_every_pair_of_fixed_multiples_meets() -> None:
    # One base many times over: in each bucket equal points meet equal and opposite ones.
    for scalars in ([1] * 40, [1, Q - 1] * 20, [int("80" * 31, 16), Q - 2] * 20, [128, 129] * 20):
        encoded = encode_little([mpz(k) for k in scalars])
        for group in COMPILED:
            found = group.public_sum(encoded, [BASES[group.name][0]] * 40, b"", [])
            assert found == PLAIN.mul(sum(scalars), POINTS[PLAIN.name][0])


@native
def test_two_threads_sum_at_once() -> None:
    group, points = COMPILED[0], multiples_of(POINTS[PLAIN.name][1], 400)
    lists = [[mpz(random.Random(seed).randrange(Q)) for _ in points] for seed in range(8)]
    alone = [group.msm(scalars, points) for scalars in lists]
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda scalars: group.msm(scalars, points), lists)) == alone


@native
def test_points_of_another_size_are_refused() -> None:
    for group in COMPILED:
        for stranger in (b"", bytes(33), bytes(63)):
            with pytest.raises(ValueError, match="identity, or of another backend"):
                group.public_sum(b"", [], bytes(32), [Point(stranger)])
        with pytest.raises(ValueError, match="public bases"):
            group.public_sum(bytes(32), [FixedBase(POINTS[PLAIN.name][0])], b"", [])


@native
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 16, 17])
def test_one_bad_point_among_good_ones_is_found_wherever_it_is(count: int) -> None:
    points = POINTS[PLAIN.name][:count]
    encoded = [PLAIN.encode(point) for point in points]
    for group in COMPILED:
        assert group.decode_many(b"".join(encoded)) == points
        for place in range(count):
            for bad in NOT_POINTS:
                changed = b"".join([*encoded[:place], bad, *encoded[place + 1 :]])
                with pytest.raises(EncodingError, match="not a compressed point"):
                    group.decode_many(changed)


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
        _group.sum_of_multiples(fixed, bases, scalars, points, True)


@native
def test_what_is_no_point_has_no_multiples_and_no_decoding() -> None:
    from zk import _group

    for data in (b"", bytes(63), bytes(65)):
        with pytest.raises(ValueError, match="64 bytes"):
            _group.multiples(data)
    for data in (bytes(32), bytes(34)):
        with pytest.raises(ValueError, match="33 bytes"):
            _group.decode(data, True)
    with pytest.raises(ValueError, match="compressed point"):
        _group.decode(PLAIN.encode(POINTS[PLAIN.name][0]) + bytes(33), True)


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
    def decoded(group: Group, before: bytes) -> list[Point] | None:
        try:
            return group.decode_many(before + bytes([first]) + x)
        except EncodingError:
            return None

    good = PLAIN.encode(POINTS[PLAIN.name][0])
    for before in (b"", good):
        assert {str(decoded(group, before)) for group in COMPILED} == {str(decoded(PLAIN, before))}


@native
def test_a_machine_that_keeps_points_otherwise_has_no_native_backend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from zk.backends.native import Native

    monkeypatch.setattr("zk._group.decode", lambda data, _: bytes(len(data) // 33 * 64))
    with pytest.raises(StatementError, match="form"):
        Native()


@native
@pytest.mark.parametrize("of_bases", [True, False], ids=["bases", "points"])
def test_a_machine_that_sums_otherwise_has_no_native_backend(
    of_bases: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zk import _group
    from zk.backends.native import Native

    total = _group.sum_of_multiples

    def wrong(
        fixed: bytes, tables: tuple[bytes, ...], scalars: bytes, points: bytes, lanes: bool
    ) -> bytes:
        right = total(fixed, tables, scalars, points, lanes)
        return bytes(64) if bool(tables) == of_bases else right

    monkeypatch.setattr("zk._group.sum_of_multiples", wrong)
    with pytest.raises(StatementError, match="form"):
        Native()


@native
@pytest.mark.parametrize(
    ("name", "failure"),
    [("decode", ValueError), ("multiples", ValueError), ("sum_of_multiples", TypeError)],
)
def test_a_module_from_other_sources_or_out_of_order_is_no_native_backend(
    name: str, failure: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zk.backends.native import Native

    def fails(*_: object) -> bytes:
        raise failure

    Native()
    monkeypatch.setattr(f"zk._group.{name}", fails)
    with pytest.raises(StatementError, match="form"):
        Native()


@native
def test_a_module_without_what_is_asked_of_it_is_no_native_backend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from zk.backends.native import Native

    monkeypatch.delattr("zk._group.has_lanes")
    with pytest.raises(StatementError, match="form"):
        Native()
