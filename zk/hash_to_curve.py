"""Points of secp256k1 whose discrete logarithms nobody knows: RFC 9380, one suite of it.

The suite is ``secp256k1_XMD:SHA-256_SSWU_RO_`` (section 8.7). Read bottom-up: `hash_to_curve`
expands a message to bytes, the bytes to two field elements, each of those to a point of the curve
E' (3-isogenous to secp256k1, because the simplified SWU map needs A·B ≠ 0), carries both over to E
and adds them. The inputs are public names of generators, so nothing here is constant-time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, TypeAlias

from gmpy2 import f_mod, invert, jacobi, mpz, powmod

from zk.errors import EncodingError, StatementError

FieldElement: TypeAlias = mpz
# None is the identity of E.
AffinePoint: TypeAlias = tuple[FieldElement, FieldElement] | None

SUITE_ID: Final = "secp256k1_XMD:SHA-256_SSWU_RO_"
MAX_DST_BYTES: Final = 255

# SHA-256: output and input block, in bytes (section 5.3.1: b_in_bytes, s_in_bytes).
_HASH_BYTES: Final = 32
_BLOCK_BYTES: Final = 64
MAX_EXPANDED_BYTES: Final = 255 * _HASH_BYTES

# E: y² = x³ + 7 over the field of P elements; E': y² = x³ + A·x + B (section 8.7).
P: Final = mpz(2**256 - 2**32 - 2**9 - 2**8 - 2**7 - 2**6 - 2**4 - 1)
L: Final = 48
Z: Final = mpz(-11) % P
A: Final = mpz(0x3F8731ABDD661ADCA08A5558F0F5D272E953D363CB6F0E5D405447C01A444533)
B: Final = mpz(1771)

_MINUS_B_OVER_A: Final = f_mod(-B * invert(A, P), P)
_X1_EXCEPTIONAL: Final = f_mod(B * invert(Z * A, P), P)
_SQRT_EXPONENT: Final = (P + 1) // 4

# The 3-isogeny E' → E (appendix E.1), coefficients from the highest power down.
_X_NUM: Final = (
    mpz(0x8E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38DAAAAA88C),
    mpz(0x534C328D23F234E6E2A413DECA25CAECE4506144037C40314ECBD0B53D9DD262),
    mpz(0x07D3D4C80BC321D5B9F315CEA7FD44C5D595D2FC0BF63B92DFFF1044F17C6581),
    mpz(0x8E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38DAAAAA8C7),
)
_X_DEN: Final = (
    mpz(1),
    mpz(0xEDADC6F64383DC1DF7C4B2D51B54225406D36B641F5E41BBC52A56612A8C6D14),
    mpz(0xD35771193D94918A9CA34CCBB7B640DD86CD409542F8487D9FE6B745781EB49B),
)
_Y_NUM: Final = (
    mpz(0x2F684BDA12F684BDA12F684BDA12F684BDA12F684BDA12F684BDA12F38E38D84),
    mpz(0x29A6194691F91A73715209EF6512E576722830A201BE2018A765E85A9ECEE931),
    mpz(0xC75E0C32D5CB7C0FA9D0A54B12A0A6D5647AB046D686DA6FDFFC90FC201D71A3),
    mpz(0x4BDA12F684BDA12F684BDA12F684BDA12F684BDA12F684BDA12F684B8E38E23C),
)
_Y_DEN: Final = (
    mpz(1),
    mpz(0x6484AA716545CA2CF3A70C3FA8FE337E0A3D21162F0D6299A7BF8192BFD2A76F),
    mpz(0x7A06534BB8BDB49FD5E9E6632722C2989467C1BFC8E8D978DFB425D2685C2573),
    mpz(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFF93B),
)


def expand_message_xmd(message: bytes, dst: bytes, length: int) -> bytes:
    """``length`` uniform bytes from ``message`` under the tag ``dst`` (section 5.3.1).

    Raises `EncodingError` unless ``dst`` has 1…255 bytes and ``length`` is in 1…8160. Longer tags
    (section 5.3.3) are refused on purpose: ours are short, and one form less can be confused.
    """
    if not 1 <= len(dst) <= MAX_DST_BYTES:
        raise EncodingError(f"domain tag has {len(dst)} bytes, not 1 to {MAX_DST_BYTES}")
    if not 1 <= length <= MAX_EXPANDED_BYTES:
        raise EncodingError(f"cannot expand to {length} bytes, only to 1…{MAX_EXPANDED_BYTES}")
    suffix = dst + bytes([len(dst)])
    first = hashlib.sha256(
        bytes(_BLOCK_BYTES) + message + length.to_bytes(2, "big") + b"\0" + suffix
    ).digest()
    block = hashlib.sha256(first + b"\1" + suffix).digest()
    blocks = [block]
    seed = int.from_bytes(first, "big")
    for index in range(2, -(-length // _HASH_BYTES) + 1):
        mixed = (seed ^ int.from_bytes(block, "big")).to_bytes(_HASH_BYTES, "big")
        block = hashlib.sha256(mixed + bytes([index]) + suffix).digest()
        blocks.append(block)
    return b"".join(blocks)[:length]


def hash_to_field(message: bytes, dst: bytes, count: int) -> list[FieldElement]:
    """``count`` elements mod P, each from 48 bytes so that the bias is below 2^-128 (section 5.2).

    Raises `EncodingError` as `expand_message_xmd` does; ``count`` can be 1…170.
    """
    uniform = expand_message_xmd(message, dst, count * L)
    return [
        mpz(int.from_bytes(uniform[start : start + L], "big")) % P
        for start in range(0, count * L, L)
    ]


def map_to_curve_simple_swu(u: FieldElement) -> tuple[FieldElement, FieldElement]:
    """The point of E' that the simplified SWU map gives for ``u`` in [0, P) (section 6.6.2)."""
    tv = Z * u * u % P
    denominator = (tv * tv + tv) % P
    x = _MINUS_B_OVER_A * (1 + invert(denominator, P)) % P if denominator else _X1_EXCEPTIONAL
    gx = ((x * x + A) * x + B) % P
    if jacobi(gx, P) == -1:
        x = tv * x % P
        gx = ((x * x + A) * x + B) % P
    y = powmod(gx, _SQRT_EXPONENT, P)
    # sgn0 of a prime field element is its parity (section 4.1).
    if (u ^ y) & 1:
        y = P - y
    return x, y


def iso_map(x: FieldElement, y: FieldElement) -> AffinePoint:
    """The point of E under the 3-isogeny from E' (section 6.6.3, appendix E.1).

    None where a denominator is zero, as the RFC demands. No point of E' gets there: E' has as many
    points as E, a prime, hence none of order 3 and no kernel besides the identity.
    """
    x_den, y_den = _evaluate(_X_DEN, x), _evaluate(_Y_DEN, x)
    product = x_den * y_den % P
    if not product:
        return None
    inverse = invert(product, P)
    return (
        _evaluate(_X_NUM, x) * y_den * inverse % P,
        _evaluate(_Y_NUM, x) * y * x_den * inverse % P,
    )


def _evaluate(coefficients: Sequence[FieldElement], x: FieldElement) -> FieldElement:
    result = coefficients[0]
    for coefficient in coefficients[1:]:
        result = (result * x + coefficient) % P
    return result


def map_to_curve(u: FieldElement) -> AffinePoint:
    """The point of E that belongs to ``u`` in [0, P): SWU, then the isogeny (section 6.6.3)."""
    return iso_map(*map_to_curve_simple_swu(u))


def add_points(left: AffinePoint, right: AffinePoint) -> AffinePoint:
    """``left + right`` on E in affine coordinates, every case covered (SEC 1, section 2.2.1)."""
    if left is None:
        return right
    if right is None:
        return left
    (x1, y1), (x2, y2) = left, right
    if x1 != x2:
        slope = (y2 - y1) * invert(x2 - x1, P) % P
    elif y1 == y2 and y1:
        slope = 3 * x1 * x1 * invert(2 * y1, P) % P
    else:
        return None
    x3 = (slope * slope - x1 - x2) % P
    return x3, (slope * (x1 - x3) - y1) % P


def hash_to_curve(message: bytes, dst: bytes) -> tuple[int, int]:
    """The affine point of secp256k1 that ``message`` names under the tag ``dst`` (section 3).

    The cofactor is 1, so nothing is cleared. Raises `EncodingError` unless ``dst`` has 1…255 bytes
    (sections 3.1 and 5.3.1), and `StatementError` if the sum of the two mapped points is the
    identity, which has probability about 2^-256 and would make no generator.
    """
    u0, u1 = hash_to_field(message, dst, 2)
    point = add_points(map_to_curve(u0), map_to_curve(u1))
    if point is None:
        raise StatementError("message hashes to the identity under this domain tag")
    return int(point[0]), int(point[1])
