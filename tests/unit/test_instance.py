"""Instances: what they refuse, what their bytes are, and what starts a transcript."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from tests.support.circuits import CONTEXT, bit, purchase
from tests.support.toy_group import ToyGroup
from zk.backends import load_group
from zk.errors import StatementError
from zk.generators import Generators, generators_of
from zk.group import IDENTITY
from zk.instance import CONTEXT_BYTES, PUBLIC_BYTES, Instance, start_transcript
from zk.transcript import Transcript

FAST, REFERENCE = generators_of(load_group()), generators_of(load_group("py_ecc"))
INSTANCE = purchase().instance(FAST)[0]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"publics": (7_300,)}, "wrong number of public inputs"),
        ({"publics": (7_300, 369, 0)}, "wrong number of public inputs"),
        ({"publics": (10_001, 369)}, "public input 0 leaves its range"),
        ({"publics": (7_300, -1)}, "public input 1 leaves its range"),
        ({"context": CONTEXT[:-1]}, "a digest of 32 bytes"),
        ({"context": CONTEXT + b"\0"}, "a digest of 32 bytes"),
        ({"context": b""}, "a digest of 32 bytes"),
        ({"commitments": INSTANCE.commitments[:1]}, "2 lines, not 1"),
        ({"commitments": (*INSTANCE.commitments, INSTANCE.commitments[0])}, "2 lines, not 3"),
        ({"commitments": (INSTANCE.commitments[0], IDENTITY)}, "commitment is the identity"),
        ({"commitments": list(INSTANCE.commitments)}, "immutable tuples"),
        ({"publics": [7_300, 369]}, "immutable tuples"),
        ({"publics": (7_300, True)}, "public input 1 is not an integer"),
        ({"publics": (7_300, 369.0)}, "public input 1 is not an integer"),
    ],
)
def test_malformed_instances_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(StatementError, match=complaint):
        dataclasses.replace(INSTANCE, **changes)


def test_the_bytes_of_an_instance() -> None:
    group = FAST.group
    expected = [
        INSTANCE.circuit.digest,
        CONTEXT,
        (7_300).to_bytes(8, "big"),
        (369).to_bytes(8, "big"),
        *map(group.encode, INSTANCE.commitments),
    ]
    assert INSTANCE.encode(group) == b"".join(expected)
    assert len(INSTANCE.encode(group)) == 32 + CONTEXT_BYTES + 2 * PUBLIC_BYTES + 2 * 33


def test_both_backends_write_an_instance_alike() -> None:
    group, other = FAST.group, REFERENCE.group
    moved = tuple(other.decode(group.encode(point)) for point in INSTANCE.commitments)
    twin = dataclasses.replace(INSTANCE, commitments=moved)
    assert twin.encode(other) == INSTANCE.encode(group)


def challenge_of(instance: Instance) -> int:
    return int(start_transcript(FAST.group, instance).challenge())


def test_every_part_of_an_instance_changes_the_challenges() -> None:
    first, second = INSTANCE.commitments
    relabelled = dataclasses.replace(
        INSTANCE.circuit, publics=(INSTANCE.circuit.publics[0] + 1, INSTANCE.circuit.publics[1])
    )
    variants = [
        INSTANCE,
        dataclasses.replace(INSTANCE, circuit=relabelled),
        dataclasses.replace(INSTANCE, publics=(7_301, 369)),
        dataclasses.replace(INSTANCE, publics=(369, 7_300 // 20)),
        dataclasses.replace(INSTANCE, context=bytes(32)),
        dataclasses.replace(INSTANCE, commitments=(second, first)),
        dataclasses.replace(INSTANCE, commitments=(first, FAST.group.neg(second))),
        dataclasses.replace(INSTANCE, commitments=(first, first)),
    ]
    assert len({challenge_of(instance) for instance in variants}) == len(variants)
    assert challenge_of(INSTANCE) == challenge_of(dataclasses.replace(INSTANCE))


def test_a_transcript_starts_with_the_instance() -> None:
    transcript = Transcript(FAST.group)
    transcript.absorb(INSTANCE.encode(FAST.group))
    assert challenge_of(INSTANCE) == transcript.challenge()


@pytest.mark.parametrize("order", [2, 5, 13])
def test_a_group_not_above_the_largest_degree_is_refused(order: int) -> None:
    generators = Generators(ToyGroup(order))
    instance = Instance(bit().circuit, (), CONTEXT, (generators.H,))
    with pytest.raises(StatementError, match="too small"):
        start_transcript(generators.group, instance)


def test_a_group_in_which_an_equation_wraps_around_is_refused() -> None:
    generators = Generators(ToyGroup(251))
    instance = Instance(purchase().circuit, (7_300, 369), CONTEXT, (generators.H,) * 2)
    assert instance.circuit.magnitude >= 251
    with pytest.raises(StatementError, match="too small"):
        start_transcript(generators.group, instance)
    start_transcript(
        generators.group, Instance(bit().circuit, (), CONTEXT, (generators.H,))
    ).challenge()


def test_what_was_encoded_stays_out_of_sight() -> None:
    # The bytes are kept with the instance, and belong neither to what it says nor to what it is.
    fresh, encoded = (
        Instance(INSTANCE.circuit, INSTANCE.publics, CONTEXT, INSTANCE.commitments)
        for _ in range(2)
    )
    assert encoded.encode(FAST.group) is encoded.encode(FAST.group)
    assert encoded == fresh
    assert repr(encoded) == repr(fresh)


def test_an_instance_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        INSTANCE.publics = (1, 1)  # type: ignore[misc]


def test_an_instance_travels_without_what_was_encoded() -> None:
    INSTANCE.encode(FAST.group)
    for travelled in (copy.deepcopy(INSTANCE), pickle.loads(pickle.dumps(INSTANCE))):
        assert travelled == INSTANCE
        assert travelled.encode(FAST.group) == INSTANCE.encode(FAST.group)
