"""The pieces of RFC 9380 that its vectors do not reach: refusals, exceptional inputs, addition."""

from __future__ import annotations

import pytest
from coincurve import PublicKey
from gmpy2 import invert, is_prime, jacobi, mpz, powmod
from hypothesis import given
from hypothesis import strategies as st

from zk import hash_to_curve as module
from zk.errors import EncodingError, StatementError
from zk.hash_to_curve import (
    MAX_DST_BYTES,
    MAX_EXPANDED_BYTES,
    SUITE_ID,
    A,
    B,
    P,
    Z,
    add_points,
    expand_message_xmd,
    hash_to_curve,
    hash_to_field,
    iso_map,
    map_to_curve,
    map_to_curve_simple_swu,
)

TAG = b"unit-test-V01-with-" + SUITE_ID.encode()

field_elements = st.integers(0, int(P) - 1).map(mpz)


def on_curve(point: tuple[mpz, mpz] | None) -> bool:
    assert point is not None
    x, y = point
    return bool((y * y - x**3 - 7) % P == 0)


def affine(key: PublicKey) -> tuple[int, int]:
    x, y = key.point()
    return int(x), int(y)


def test_parameters_meet_the_criteria_of_section_6_6_2() -> None:
    """All but irreducibility of g(X) − Z, which needs polynomial arithmetic."""
    assert is_prime(P)
    assert P % 4 == 3
    assert jacobi(Z, P) == -1
    assert Z != P - 1
    x = B * invert(Z * A, P) % P
    assert jacobi(x**3 + A * x + B, P) == 1


@pytest.mark.parametrize("dst", [b"", bytes(MAX_DST_BYTES + 1)], ids=["empty", "too-long"])
def test_domain_tags_out_of_range_are_refused(dst: bytes) -> None:
    for call in (
        lambda: expand_message_xmd(b"m", dst, 32),
        lambda: hash_to_field(b"m", dst, 2),
        lambda: hash_to_curve(b"m", dst),
    ):
        with pytest.raises(EncodingError, match=f"domain tag has {len(dst)} bytes"):
            call()


def test_domain_tags_at_both_limits_are_accepted() -> None:
    short, long = hash_to_curve(b"m", b"x"), hash_to_curve(b"m", b"x" * MAX_DST_BYTES)
    assert on_curve((mpz(short[0]), mpz(short[1])))
    assert on_curve((mpz(long[0]), mpz(long[1])))
    assert short != long


@pytest.mark.parametrize("length", [-1, 0, MAX_EXPANDED_BYTES + 1])
def test_expanded_lengths_out_of_range_are_refused(length: int) -> None:
    with pytest.raises(EncodingError, match="cannot expand"):
        expand_message_xmd(b"m", TAG, length)


@pytest.mark.parametrize("length", [1, 31, 32, 33, 64, 65, MAX_EXPANDED_BYTES])
def test_expanded_length_is_the_one_asked_for(length: int) -> None:
    assert len(expand_message_xmd(b"m", TAG, length)) == length


def test_expanded_length_is_part_of_the_input() -> None:
    assert expand_message_xmd(b"m", TAG, 33)[:32] != expand_message_xmd(b"m", TAG, 32)


@pytest.mark.parametrize("count", [-1, 0, 171])
def test_counts_of_field_elements_out_of_range_are_refused(count: int) -> None:
    with pytest.raises(EncodingError, match="cannot expand"):
        hash_to_field(b"m", TAG, count)


def test_most_field_elements_at_once() -> None:
    elements = hash_to_field(b"m", TAG, 170)
    assert len(set(elements)) == 170
    assert all(0 <= element < P for element in elements)


@given(field_elements)
def test_simple_swu_lands_on_the_isogenous_curve_with_the_sign_of_its_input(u: mpz) -> None:
    x, y = map_to_curve_simple_swu(u)
    assert (y * y - (x**3 + A * x + B)) % P == 0
    assert 0 <= x < P
    assert 0 < y < P
    assert y & 1 == u & 1


@given(field_elements)
def test_map_lands_on_secp256k1(u: mpz) -> None:
    assert on_curve(map_to_curve(u))


def test_exceptional_inputs_of_simple_swu() -> None:
    """Z²u⁴ + Zu² = 0: for u = 0 and for u² = −1/Z, a square because −1 and Z are none."""
    root = powmod(-invert(Z, P) % P, (P + 1) // 4, P)
    assert (Z * root * root + 1) % P == 0
    points = {map_to_curve_simple_swu(u) for u in (mpz(0), root, P - root)}
    assert {x for x, _ in points} == {B * invert(Z * A, P) % P}
    assert {y & 1 for _, y in points} == {0, 1}
    assert all((y * y - (x**3 + A * x + B)) % P == 0 for x, y in points)
    assert all(on_curve(map_to_curve(u)) for u in (mpz(0), root, P - root))


def test_isogeny_gives_the_identity_on_its_kernel_which_no_point_of_the_curve_reaches() -> None:
    """The denominator of x is (X − kernel)², so its middle coefficient names the kernel."""
    kernel = -module._X_DEN[1] * invert(mpz(2), P) % P
    assert iso_map(kernel, mpz(1)) is None
    assert jacobi(kernel**3 + A * kernel + B, P) == -1


@given(st.binary(max_size=300))
def test_hash_to_curve_gives_two_plain_integers_that_libsecp256k1_accepts(message: bytes) -> None:
    x, y = hash_to_curve(message, TAG)
    assert type(x) is type(y) is int
    assert affine(PublicKey.from_point(x, y)) == (x, y)


def test_message_and_tag_are_kept_apart() -> None:
    points = {
        hash_to_curve(b"", b"tag"),
        hash_to_curve(b"t", b"ag"),
        hash_to_curve(b"ta", b"g"),
        hash_to_curve(b"", b"tag\3"),
        hash_to_curve(b"\0", b"tag"),
    }
    assert len(points) == 5


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_addition_agrees_with_libsecp256k1(left: bytes, right: bytes) -> None:
    p, q = hash_to_curve(left, TAG), hash_to_curve(right, TAG)
    keys = [PublicKey.from_point(*p), PublicKey.from_point(*q)]
    total = add_points((mpz(p[0]), mpz(p[1])), (mpz(q[0]), mpz(q[1])))
    assert total == affine(PublicKey.combine_keys(keys))


def test_addition_with_the_identity_and_of_opposites() -> None:
    x, y = map(mpz, hash_to_curve(b"m", TAG))
    assert add_points(None, None) is None
    assert add_points((x, y), None) == add_points(None, (x, y)) == (x, y)
    assert add_points((x, y), (x, P - y)) is None
    double = add_points((x, y), (x, y))
    assert double is not None
    key = PublicKey.from_point(int(x), int(y))
    assert double == affine(PublicKey.combine_keys([key, key]))


def test_identity_as_a_result_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No message is known that leads there, so the map is bent to give opposite points."""
    x, y = map(mpz, hash_to_curve(b"m", TAG))
    opposites = iter([(x, y), (x, P - y)])
    monkeypatch.setattr(module, "map_to_curve", lambda _: next(opposites))
    with pytest.raises(StatementError, match="identity"):
        hash_to_curve(b"m", TAG)
