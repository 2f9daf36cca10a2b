"""Both backends of the group, held to the group laws, to each other and to the naive formula."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import pytest
from gmpy2 import mpz

from tests.support.backends import variants
from tests.support.toy_group import ToyGroup
from zk.backends import SETTING, load_group
from zk.errors import EncodingError, StatementError
from zk.field import Scalar
from zk.group import FIXED_DIGIT_LIMIT, IDENTITY, Group, Point

DST = b"test of the group"
ALL = variants()
FAST, REFERENCE = load_group("libsecp256k1"), load_group("py_ecc")
Q = FAST.order


@pytest.fixture(params=[*ALL, ToyGroup(101)], ids=lambda group: str(group.name))
def group(request: pytest.FixtureRequest) -> Group:
    """Each backend, and the toy group, which has nothing but the interface's own formulas."""
    chosen = request.param
    assert isinstance(chosen, Group)
    return chosen


def point(group: Group, name: str) -> Point:
    return group.hash_to_point(name.encode(), DST)


def points(group: Group, count: int) -> list[Point]:
    return [point(group, str(number)) for number in range(count)]


def on_all(compute: Callable[[Group], Point]) -> bytes:
    """The wire form of a result, once all backends agree on it; empty for the identity."""
    results = [compute(group) for group in ALL]
    encoded = [group.encode(P) if P else b"" for group, P in zip(ALL, results, strict=True)]
    assert len(set(encoded)) == 1
    return encoded[0]


# -- choosing one ----------------------------------------------------------------------------------


def test_the_setting_names_the_default_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    assert load_group() is ALL[0]
    monkeypatch.setenv(SETTING, "py_ecc")
    assert load_group().name == "py_ecc"
    assert load_group("libsecp256k1").name == "libsecp256k1"


def test_a_backend_is_loaded_once() -> None:
    assert load_group("py_ecc") is load_group("py_ecc")


def test_where_it_was_built_the_native_backend_loads() -> None:
    # The other tests leave it out where it does not, since an installation may lack it.
    pytest.importorskip("zk._group")
    assert load_group("native").name == "native"


def test_the_best_backend_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    best, asked = load_group(), list[str]()

    def loading(name: str) -> Group:
        asked.append(name)
        return best

    monkeypatch.setattr("zk.backends._load", loading)
    assert load_group() is best
    assert asked == [best.name]


def test_an_unknown_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StatementError, match="unknown group backend 'p256'"):
        load_group("p256")
    monkeypatch.setenv(SETTING, "p384")
    with pytest.raises(StatementError, match="p384"):
        load_group()


def test_backends_of_one_group_say_so() -> None:
    assert FAST.suite == REFERENCE.suite
    assert (FAST.order, FAST.point_bytes) == (REFERENCE.order, REFERENCE.point_bytes)


# -- group laws ------------------------------------------------------------------------------------


def test_multiples_are_repeated_sums(group: Group) -> None:
    P = point(group, "P")
    for k in range(5):
        assert group.mul(k, P) == group.sum([P] * k)


def test_the_order_and_its_neighbours(group: Group) -> None:
    P, q = point(group, "P"), group.order
    assert group.mul(q, P) == group.mul(0, P) == IDENTITY
    assert group.mul(q - 1, P) == group.mul(-1, P) == group.neg(P)
    assert group.mul(q + 1, P) == group.mul(1, P) == P


def test_the_identity_is_neutral_everywhere(group: Group) -> None:
    P = point(group, "P")
    assert group.mul(mpz(5), IDENTITY) == group.neg(IDENTITY) == group.sum([]) == IDENTITY
    assert group.sum([IDENTITY, IDENTITY]) == IDENTITY
    assert group.sum([IDENTITY, P, IDENTITY]) == P
    assert group.msm([mpz(3), mpz(1)], [IDENTITY, P]) == P
    assert group.msm([mpz(3)], [IDENTITY]) == group.msm([], []) == IDENTITY
    assert group.msm([mpz(0), mpz(0)], [P, P]) == IDENTITY


def test_points_that_cancel(group: Group) -> None:
    P, R = point(group, "P"), point(group, "R")
    minus = group.neg(P)
    assert group.sum([P, minus]) == IDENTITY
    assert group.sum([P, minus, R]) == group.sum([R, P, minus]) == R
    assert group.msm([mpz(7), mpz(7), mpz(2)], [P, minus, R]) == group.sum([R, R])
    assert group.msm([mpz(1), group.order - 1], [P, P]) == IDENTITY


def test_negation_is_an_involution(group: Group) -> None:
    P = point(group, "P")
    assert group.neg(P) != P
    assert group.neg(group.neg(P)) == P


def test_equal_elements_are_equal_bytes(group: Group) -> None:
    P = point(group, "P")
    one = group.sum([group.mul(2, P), group.mul(5, P)])
    other = group.neg(group.mul(group.order - 7, P))
    assert one == other == group.decode(group.encode(one))


def test_scalars_and_points_come_in_pairs(group: Group) -> None:
    with pytest.raises(ValueError, match="zip"):
        group.msm([mpz(1)], [point(group, "P"), point(group, "R")])


@pytest.mark.parametrize("scalar", [-1, Q, 2**256, 2**300])
def test_scalars_out_of_range_are_refused(group: Group, scalar: int) -> None:
    # A backend that took them would compute something else, and not the same thing as another.
    P = point(group, "P")
    base = group.fixed_base(P)
    for scalars in ([mpz(scalar)], [mpz(1), mpz(scalar)], [mpz(scalar), mpz(0)]):
        with pytest.raises(EncodingError, match=r"not in \[0, q\)"):
            group.msm(scalars, [P] * len(scalars))
        with pytest.raises(EncodingError, match=r"not in \[0, q\)"):
            group.fixed_sum(scalars, [base] * len(scalars))
        with pytest.raises(EncodingError, match=r"not in \[0, q\)"):
            group.require_scalars(scalars)
    group.require_scalars([])
    group.require_scalars([mpz(0), group.order - 1])


def test_points_of_another_backend_are_not_encoded() -> None:
    for stranger in (b"\1", bytes(33), bytes(63), bytes(65)):
        with pytest.raises(EncodingError, match="not a point of this backend"):
            FAST.encode(Point(stranger))


# -- wire form -------------------------------------------------------------------------------------


def test_encoding_round_trips(group: Group) -> None:
    for P in points(group, 8):
        data = group.encode(P)
        assert len(data) == group.point_bytes
        assert group.decode(data) == P


def test_points_are_decoded_together_as_they_are_one_by_one(group: Group) -> None:
    chosen = points(group, 5)
    encoded = [group.encode(P) for P in chosen]
    assert group.decode_many(b"".join(encoded)) == chosen
    assert group.decode_many(encoded[3]) == chosen[3:4]
    assert group.decode_many(b"") == []
    for place in range(5):
        changed = [*encoded[:place], bytes(group.point_bytes), *encoded[place + 1 :]]
        with pytest.raises(EncodingError):
            group.decode_many(b"".join(changed))


@pytest.mark.parametrize("backend", ALL, ids=lambda group: group.name)
def test_parts_of_a_point_are_not_decoded(backend: Group) -> None:
    encoded = b"".join(backend.encode(P) for P in points(backend, 2))
    for length in (1, 32, 34, 65):
        with pytest.raises(EncodingError, match="33 bytes"):
            backend.decode_many(encoded[:length])


def test_the_identity_has_no_wire_form(group: Group) -> None:
    with pytest.raises(EncodingError):
        group.encode(IDENTITY)
    with pytest.raises(EncodingError):
        group.require_proper(IDENTITY)
    with pytest.raises(EncodingError):
        group.decode(bytes(group.point_bytes))
    with pytest.raises(EncodingError):
        group.decode(b"")


FIELD = 2**256 - 2**32 - 977
GOOD = FAST.encode(FAST.hash_to_point(b"good", DST))


def not_points() -> Iterator[tuple[str, bytes]]:
    x = GOOD[1:]
    yield "too short", GOOD[:-1]
    yield "too long", GOOD + b"\0"
    yield "uncompressed, off the curve", b"\4" + x + bytes(32)
    yield "uncompressed, on the curve", b"\4" + REFERENCE.decode(GOOD)
    yield "hybrid, on the curve", bytes([6 + GOOD[0] % 2]) + REFERENCE.decode(GOOD)
    yield "uncompressed prefix, compressed length", b"\4" + x
    yield "hybrid prefix", b"\6" + x
    yield "prefix 0", b"\0" + x
    yield "prefix 1", b"\1" + x
    yield "the field's prime", b"\2" + FIELD.to_bytes(32, "big")
    # 1 is the coordinate of a point; 1 + prime would be a second encoding of it.
    yield "coordinate not reduced", b"\2" + (FIELD + 1).to_bytes(32, "big")
    yield "largest coordinate", b"\3" + b"\xff" * 32
    yield "coordinate 0", b"\2" + bytes(32)  # 7 is not a square
    yield "coordinate 5", b"\2" + (5).to_bytes(32, "big")  # neither is 5³ + 7


@pytest.mark.parametrize("backend", ALL, ids=lambda group: group.name)
@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in not_points()])
def test_what_is_not_a_point_is_refused(backend: Group, data: bytes) -> None:
    with pytest.raises(EncodingError):
        backend.decode(data)


@pytest.mark.parametrize("backend", ALL, ids=lambda group: group.name)
def test_the_sign_of_a_point_is_in_its_first_byte(backend: Group) -> None:
    twin = bytes([GOOD[0] ^ 1]) + GOOD[1:]
    assert backend.decode(twin) == backend.neg(backend.decode(GOOD))


# -- all backends ----------------------------------------------------------------------------------


def test_all_backends_hash_to_the_same_points() -> None:
    for name in ("", "H", "a longer name"):
        assert on_all(lambda group, name=name: point(group, name))  # type: ignore[misc]


@pytest.mark.parametrize("scalar", [0, 1, 2, 3, Q // 2, Q - 2, Q - 1, Q, 2**255 + 12345])
def test_both_backends_multiply_alike(scalar: int) -> None:
    assert (on_all(lambda group: group.mul(scalar, point(group, "P"))) == b"") == (scalar % Q == 0)


SCALARS = [mpz(0), mpz(1), Q - 1, mpz(2) ** 128, mpz(31), mpz(0xDEADBEEF) ** 7]


@pytest.mark.parametrize("operation", ["msm", "fixed_sum"])
def test_both_backends_sum_alike(operation: str) -> None:
    def compute(group: Group) -> Point:
        chosen = points(group, len(SCALARS))
        if operation == "msm":
            return group.msm(SCALARS, chosen)
        return group.fixed_sum(SCALARS, [group.fixed_base(P) for P in chosen])

    naive = FAST.sum([FAST.mul(k, P) for k, P in zip(SCALARS, points(FAST, 6), strict=True)])
    assert on_all(compute) == FAST.encode(naive)


def test_both_backends_sum_digits_alike() -> None:
    digits = [0, 1, 2, 5, 31]

    def compute(group: Group) -> Point:
        return group.fixed_digit_sum(digits, [group.fixed_base(P) for P in points(group, 5)])

    naive = FAST.sum([FAST.mul(k, P) for k, P in zip(digits, points(FAST, 5), strict=True)])
    assert on_all(compute) == FAST.encode(naive)


# -- fixed-length sums -----------------------------------------------------------------------------


def edge_scalars(q: Scalar) -> list[Scalar]:
    generator = random.Random(7)
    drawn = [mpz(generator.randrange(int(q))) for _ in range(4)]
    # Each digit of a window at its extremes, and a bit at each end.
    return [mpz(0), mpz(1), mpz(31) % q, mpz(32) % q, mpz(2) ** 255 % q, q - 1, q - 2, *drawn]


def test_fixed_sums_of_one_term(group: Group) -> None:
    P = point(group, "P")
    base = group.fixed_base(P)
    assert base.point == P
    for scalar in edge_scalars(group.order):
        assert group.fixed_sum([scalar], [base]) == group.mul(scalar, P)


@pytest.mark.parametrize("digit", range(FIXED_DIGIT_LIMIT))
def test_every_digit(digit: int) -> None:
    P = point(FAST, "P")
    assert FAST.fixed_digit_sum([digit], [FAST.fixed_base(P)]) == FAST.mul(digit, P)


def test_empty_fixed_sums(group: Group) -> None:
    assert group.fixed_sum([], []) == group.fixed_digit_sum([], []) == IDENTITY


def test_fixed_sums_that_cancel(group: Group) -> None:
    P = point(group, "P")
    base, opposite = group.fixed_base(P), group.fixed_base(group.neg(P))
    k = mpz(12_345) % group.order
    assert group.fixed_sum([k, k], [base, opposite]) == IDENTITY
    assert group.fixed_sum([k, group.order - k], [base, base]) == IDENTITY
    assert group.fixed_sum([mpz(0), mpz(0)], [base, base]) == IDENTITY
    assert group.fixed_digit_sum([9, 9], [base, opposite]) == IDENTITY
    assert group.fixed_digit_sum([0, 0, 0], [base, base, opposite]) == IDENTITY


def test_fixed_sums_are_the_naive_sums() -> None:
    chosen = points(FAST, 11)
    scalars = edge_scalars(Q)
    bases = [FAST.fixed_base(P) for P in chosen]
    naive = FAST.sum([FAST.mul(k, P) for k, P in zip(scalars, chosen, strict=True)])
    assert FAST.fixed_sum(scalars, bases) == naive


def test_a_fixed_sum_adds_as_many_points_whatever_the_scalars(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts: list[int] = []
    combine = FAST._combine  # type: ignore[attr-defined]
    bases = [FAST.fixed_base(P) for P in points(FAST, 3)]

    def counting(addresses: Sequence[int]) -> object:
        counts.append(len(addresses))
        return combine(addresses)

    monkeypatch.setattr(FAST, "_combine", counting)
    for scalars in ([0, 0, 0], [1, 2, 3], [Q - 1, Q - 1, 2**200], [0, 0, Q - 1]):
        FAST.fixed_sum([mpz(k) for k in scalars], bases)
    assert len(set(counts)) == 1
    counts.clear()
    for digits in ([0, 0, 0], [31, 31, 31], [0, 1, 0]):
        FAST.fixed_digit_sum(digits, bases)
    assert len(set(counts)) == 1


# -- many terms: the bucket method -----------------------------------------------------------------

SUMMERS = [group for group in ALL if group is not REFERENCE]  # which keep points in one form

# Known multiples of one point, so that the sum is known from the exponents alone.
MANY = 4_100
BASE = FAST.hash_to_point(b"base", DST)


@pytest.fixture(scope="module")
def multiples() -> list[Point]:
    """``[1·P, 2·P, …]``."""
    result = [BASE]
    while len(result) < MANY:
        result.append(FAST.sum([result[-1], BASE]))
    return result


def assert_sum(scalars: Sequence[int], exponents: Sequence[int], multiples: list[Point]) -> None:
    chosen = [FAST.neg(multiples[-e - 1]) if e < 0 else multiples[e - 1] for e in exponents]
    expected = sum(k * e for k, e in zip(scalars, exponents, strict=True))
    for group in SUMMERS:
        assert group.msm([mpz(k) for k in scalars], chosen) == FAST.mul(expected, BASE)


def random_list(seed: int, count: int, below: int) -> list[int]:
    generator = random.Random(seed)
    return [generator.randrange(1, below) for _ in range(count)]


@pytest.mark.parametrize(
    "count",
    [1, 2, 15, 99, 100, 219, 399, 400, 401, 777, 900, 1_800, 2_999, 3_000, 3_999, 4_000, MANY],
)
def test_many_terms(count: int, multiples: list[Point]) -> None:
    assert_sum(random_list(count, count, int(Q)), range(1, count + 1), multiples)


@pytest.mark.parametrize(
    ("count", "widths"), [(1, []), (399, []), (400, [6]), (3_999, [6]), (4_000, [7]), (MANY, [7])]
)
def test_few_terms_are_multiplied_and_many_fill_buckets(
    count: int, widths: list[int], multiples: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The sum is the same either way, its time is not.
    from zk.backends import libsecp256k1

    asked: list[int] = []
    digits_of = libsecp256k1._window_digits

    def counting(scalars: Sequence[Scalar], width: int) -> object:
        asked.append(width)
        return digits_of(scalars, width)

    monkeypatch.setattr(libsecp256k1, "_window_digits", counting)
    FAST.msm([Q - 1] * count, multiples[:count])
    assert asked == widths


def test_many_terms_against_one_multiplication_a_term() -> None:
    chosen = points(FAST, 420)
    scalars = [mpz(k) for k in random_list(1, 420, int(Q))]
    naive = FAST.sum([FAST.mul(k, P) for k, P in zip(scalars, chosen, strict=True)])
    for group in SUMMERS:
        assert group.msm(scalars, chosen) == naive


MANY_KINDS: dict[str, tuple[list[int], list[int]]] = {
    "one point repeated": (random_list(2, 500, int(Q)), [5] * 500),
    "one scalar repeated": ([int(Q) - 12_345] * 500, list(range(1, 501))),
    "one point, one scalar": ([3] * 500, [1] * 500),
    "all ones": ([1] * 500, list(range(1, 501))),
    "all order less one": ([int(Q) - 1] * 500, list(range(1, 501))),
    "top bits": ([2**255] * 500, list(range(1, 501))),
    # Digits at the edge where a signed digit carries into the next window.
    "carries everywhere": ([int("8" * 63, 16)] * 250 + [2**252 - 1] * 250, list(range(1, 501))),
    "long carries": ([2**k - 1 for k in range(1, 256)] * 2, list(range(1, 511))),
    "powers of two": ([2**k for k in range(255)] * 2, list(range(1, 511))),
    "small digits": ([k % 70 for k in range(1, 600)], list(range(1, 600))),
    "some zeros": ([k if k % 3 else 0 for k in random_list(3, 900, int(Q))], list(range(1, 901))),
    # Pairs P, −P with equal scalars: every bucket sums to the identity.
    "all buckets cancel": (
        [k for k in random_list(4, 300, int(Q)) for _ in range(2)],
        [e * sign for e in range(1, 301) for sign in (1, -1)],
    ),
    "most buckets cancel": (
        [k for k in random_list(5, 300, int(Q)) for _ in range(2)] + [7],
        [e * sign for e in range(1, 301) for sign in (1, -1)] + [9],
    ),
    "buckets fill, the total cancels": (
        [*random_list(6, 450, 2**128), *([int(Q) - 1] * 450)],
        [*range(1, 451), *random_list(6, 450, 2)],
    ),
}


@pytest.mark.parametrize("kind", MANY_KINDS)
def test_many_terms_of_an_awkward_kind(kind: str, multiples: list[Point]) -> None:
    scalars, exponents = MANY_KINDS[kind]
    assert_sum(scalars, exponents, multiples)


@pytest.mark.parametrize("count", [450, MANY])
def test_many_terms_that_sum_to_the_identity(count: int, multiples: list[Point]) -> None:
    scalars = [mpz(k) for k in random_list(8, count - 1, int(Q))]
    total = sum(k * e for e, k in enumerate(scalars, start=1))
    for group in SUMMERS:
        assert group.msm([*scalars, -total % Q], [*multiples[: count - 1], BASE]) == IDENTITY


def test_many_terms_with_identities_among_them(multiples: list[Point]) -> None:
    chosen = [IDENTITY if k % 5 == 0 else P for k, P in enumerate(multiples[:600])]
    scalars = [mpz(k) for k in random_list(9, 600, int(Q))]
    expected = sum(k * (e + 1) for e, k in enumerate(scalars) if e % 5)
    for group in SUMMERS:
        assert group.msm(scalars, chosen) == FAST.mul(expected, BASE)


def test_loading_the_reference_leaves_the_recursion_limit_alone() -> None:
    code = (
        "import sys; before = sys.getrecursionlimit(); from zk.backends import load_group;"
        "load_group('py_ecc'); assert sys.getrecursionlimit() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
