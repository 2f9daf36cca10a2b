"""Uniform scalars, hedged against a weak operating-system generator by *adding* a second source.

scalar_i = OS_i + XOF_i mod q, where OS_i is uniform in [0, q) by rejection and XOF_i is a block of
SHAKE256(long-lived secret ‖ 32 OS bytes ‖ instance ‖ witness). If the operating system's bytes are
uniform, so is every scalar, exactly, whatever the second term: hiding stays perfect. If they are
not, the second term still makes the scalars unpredictable without the secret and different for each
witness.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable

from gmpy2 import mpz

from zk.field import Scalar

_OVERSAMPLE_BYTES = 16  # keeps the reduction's bias of the second term below 2^-128


def random_scalars(count: int, order: Scalar) -> list[Scalar]:
    """``count`` scalars uniform in [0, order), from the operating system alone.

    Asked for together, since a call of the operating system costs more than the bytes it brings;
    what is not below the order is asked for again.
    """
    bits = int(order - 1).bit_length()
    size, excess = -(-bits // 8), -bits % 8
    scalars: list[Scalar] = []
    while len(scalars) < count:
        drawn = os.urandom(size * (count - len(scalars)))
        values = [
            mpz(int.from_bytes(drawn[start : start + size], "big") >> excess)
            for start in range(0, len(drawn), size)
        ]
        scalars += [value for value in values if value < order]
    return scalars


def hedged_scalars(
    count: int, order: Scalar, secret: bytes, binding: Iterable[bytes]
) -> list[Scalar]:
    """``count`` scalars, uniform in [0, order) and hedged with ``secret`` and ``binding``.

    ``secret`` is the caller's long-lived hedging key (it may be empty, which leaves the operating
    system alone); ``binding`` is everything the scalars are made for, instance and witness.
    """
    xof = hashlib.shake_256()
    for part in (secret, os.urandom(32), *binding):
        xof.update(len(part).to_bytes(8, "big"))
        xof.update(part)
    size = -(-int(order).bit_length() // 8) + _OVERSAMPLE_BYTES
    stream = xof.digest(size * count)
    return [
        (scalar + int.from_bytes(stream[i * size : (i + 1) * size], "big")) % order
        for i, scalar in enumerate(random_scalars(count, order))
    ]
