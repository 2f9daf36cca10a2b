"""Random scalars: exactly uniform if the operating system is, and hedged if it is not."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

import pytest
from gmpy2 import mpz

from zk.randomness import hedged_scalars, random_scalars

Q = mpz(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141)


def feed(monkeypatch: pytest.MonkeyPatch, chunks: Iterator[bytes]) -> None:
    """Make the operating system's generator return ``chunks``, as many whole ones as are asked
    for."""

    def urandom(size: int) -> bytes:
        given = b""
        while len(given) < size:
            given += next(chunks)
        assert len(given) == size
        return given

    monkeypatch.setattr("zk.randomness.os.urandom", urandom)


def draw_until_exhausted(order: mpz) -> Counter[mpz]:
    """How often each scalar comes out before the fed bytes run out."""
    counts: Counter[mpz] = Counter()
    while True:
        try:
            counts.update(random_scalars(1, order))
        except StopIteration:
            return counts


@pytest.mark.parametrize("order", [2, 3, 17, 31, 128, 131, 251])
def test_scalars_are_exactly_uniform(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Every byte the system could give, once: each scalar comes out equally often.
    feed(monkeypatch, (bytes([value]) for value in range(256)))
    counts = draw_until_exhausted(mpz(order))
    assert sorted(counts) == list(range(order))
    assert len(set(counts.values())) == 1


def test_scalars_of_two_bytes_are_exactly_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, (value.to_bytes(2, "big") for value in range(1 << 16)))
    counts = draw_until_exhausted(mpz(1009))
    assert sorted(counts) == list(range(1009))
    assert len(set(counts.values())) == 1


def test_a_draw_not_below_the_order_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = [int(Q), 2**256 - 1, int(Q) - 1, 5]
    feed(monkeypatch, (draw.to_bytes(32, "big") for draw in draws))
    assert random_scalars(2, Q) == [Q - 1, 5]


def test_scalars_are_in_range_and_differ() -> None:
    drawn = random_scalars(200, Q)
    assert len(set(drawn)) == 200
    assert all(0 <= scalar < Q for scalar in drawn)
    assert random_scalars(0, Q) == []


def hedged(
    monkeypatch: pytest.MonkeyPatch,
    system: bytes,
    secret: bytes = b"key",
    binding: tuple[bytes, ...] = (b"instance", b"witness"),
    count: int = 3,
) -> list[mpz]:
    """Hedged scalars when the operating system says ``system`` for the seed and 9 for each
    scalar."""
    feed(monkeypatch, iter([system, *[(9).to_bytes(32, "big")] * count]))
    return hedged_scalars(count, Q, secret, binding)


def test_a_dead_generator_still_gives_scalars_bound_to_secret_and_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The operating system always answers the same. What is left is a function of the secret …
    usual = hedged(monkeypatch, bytes(32))
    assert hedged(monkeypatch, bytes(32)) == usual
    others = [
        hedged(monkeypatch, bytes(32), secret=b"another"),
        hedged(monkeypatch, bytes(32), secret=b""),
        # … and of what the scalars are for, part by part.
        hedged(monkeypatch, bytes(32), binding=(b"instance", b"witnesS")),
        hedged(monkeypatch, bytes(32), binding=(b"instanc", b"ewitness")),
        hedged(monkeypatch, bytes(32), binding=(b"instance", b"witness", b"")),
        hedged(monkeypatch, bytes(32), secret=b"keyinstance", binding=(b"witness",)),
        hedged(monkeypatch, b"\1" + bytes(31)),
    ]
    drawn = [scalar for scalars in [usual, *others] for scalar in scalars]
    assert len(set(drawn)) == len(drawn)


def test_the_second_source_is_added_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    # Added, not mixed in: whatever the second is, the sum is uniform because the first is.
    feed(monkeypatch, iter([bytes(32), bytes(32), (5).to_bytes(32, "big")]))
    first, second = hedged_scalars(2, Q, b"key", [b"use"])
    feed(monkeypatch, iter([bytes(32), (7).to_bytes(32, "big"), bytes(32)]))
    assert hedged_scalars(2, Q, b"key", [b"use"]) == [(first + 7) % Q, (second - 5) % Q]


def test_in_a_small_field_hedged_scalars_are_exactly_uniform(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = []
    for value in range(17):
        feed(monkeypatch, iter([bytes(32), bytes([value << 3])]))
        results += hedged_scalars(1, mpz(17), b"key", [b"use"])
    assert sorted(results) == list(range(17))


def test_where_the_system_gives_zeros_each_scalar_is_a_block_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = b"".join(
        len(part).to_bytes(8, "big") + part
        for part in (b"secret", bytes(32), b"instance", b"witness")
    )
    stream = hashlib.shake_256(text).digest(3 * 48)
    blocks = [int.from_bytes(stream[start : start + 48], "big") for start in (0, 48, 96)]
    monkeypatch.setattr("zk.randomness.os.urandom", bytes)
    scalars = hedged_scalars(3, Q, b"secret", (b"instance", b"witness"))
    assert scalars == [block % Q for block in blocks]
