"""The generators: which messages they come from, that they differ, and that they are kept."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from tests.support.toy_group import ToyGroup
from zk.backends import load_group
from zk.generators import LINE_DST, PROOF_DST, Generators, generators_of
from zk.group import Group, Point
from zk.hash_to_curve import hash_to_curve

FAST, REFERENCE = load_group(), load_group("py_ecc")


def encoded(message: bytes, dst: bytes) -> bytes:
    """The point that RFC 9380 gives, in its wire form."""
    x, y = hash_to_curve(message, dst)
    return bytes([2 + y % 2]) + x.to_bytes(32, "big")


@pytest.mark.parametrize("group", [FAST, REFERENCE], ids=["fast", "reference"])
def test_generators_come_from_their_names(group: Group) -> None:
    g = Generators(group)
    assert group.encode(g.H) == encoded(b"H", LINE_DST)
    assert group.encode(g.G) == encoded(b"G", PROOF_DST)
    assert list(map(group.encode, g.J(3))) == [
        encoded(b"J" + number.to_bytes(4, "big"), LINE_DST) for number in (1, 2, 3)
    ]
    assert list(map(group.encode, g.W(3))) == [
        encoded(b"W" + number.to_bytes(4, "big"), PROOF_DST) for number in (1, 2, 3)
    ]


def test_the_tags_are_those_of_the_wire_format() -> None:
    # Whoever changes one of these changes every commitment ever made.
    suite = b"secp256k1_XMD:SHA-256_SSWU_RO_"
    assert b"clairobscur-LINE-V01-with-" + suite == LINE_DST
    assert b"clairobscur-PROOF-V01-with-" + suite == PROOF_DST


def test_all_generators_differ() -> None:
    g = Generators(FAST)
    points = g.public_points(40, 16)
    assert len(points) == len(set(points)) == 58
    assert points == [g.H, g.G, *g.J(16), *g.W(40)]


def test_a_series_does_not_depend_on_how_it_was_asked_for() -> None:
    at_once, step_by_step = Generators(FAST), Generators(FAST)
    expected = at_once.W(6)
    assert [step_by_step.W(count)[-1] for count in (1, 2, 3)] == expected[:3]
    assert step_by_step.W(6) == expected
    assert step_by_step.W(2) == expected[:2]
    assert step_by_step.W(0) == step_by_step.J(0) == []


def test_a_returned_series_is_the_callers_own() -> None:
    g = Generators(FAST)
    g.W(2).clear()
    assert len(g.W(2)) == 2


class _SlowToy(ToyGroup):
    """Hashing takes its time, so that threads meet in the middle of it."""

    def hash_to_point(self, message: bytes, dst: bytes) -> Point:
        time.sleep(0.001)
        return super().hash_to_point(message, dst)


def test_threads_that_ask_at_once_get_the_same_series() -> None:
    expected = Generators(ToyGroup(251)).W(20)
    g, ready = Generators(_SlowToy(251)), threading.Barrier(4)

    def ask() -> list[Point]:
        ready.wait()
        return g.W(20)

    with ThreadPoolExecutor(4) as pool:
        results = [future.result() for future in [pool.submit(ask) for _ in range(4)]]
    assert results == [expected] * 4
    assert g.W(20) == expected


def test_bases_are_prepared_once() -> None:
    g = Generators(FAST)
    base = g.base(g.H)
    assert base.point == g.H
    assert g.base(g.H) is base


def test_prepared_bases_are_all_or_nothing() -> None:
    g = Generators(FAST)
    points = g.public_points(2, 1)
    assert g.prepared(points) is None
    for point in points[:-1]:
        g.public_base(point)
    assert g.prepared(points) is None
    g.warm(2, 1)
    prepared = g.prepared(points)
    assert prepared is not None
    assert [base.point for base in prepared] == points
    assert g.prepared([]) == []


def test_there_is_one_set_a_group() -> None:
    assert generators_of(FAST) is generators_of(FAST)
    assert generators_of(FAST) is not generators_of(REFERENCE)
    assert all(one != other for one, other in pairwise(generators_of(FAST).W(5)))
