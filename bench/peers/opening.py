"""Our commitments to the lines of a claim, and what opens them, for statement.json.

Kind "open-ours" is as "claim", with

``generators``
    ``{"H": point, "J": [point, …]}``: of the blinding, and of every slot of a line from the first
on each witness
    ``commitments``: a point for each line; ``blindings``: a scalar for each

Points are 33 bytes, compressed, scalars 32 bytes, big-endian, both in hexadecimal. The slots of
code and price hold the witness's; all others hold 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from gmpy2 import mpz

from circuits.slots import SLOTS, Slot
from zk.backends import load_group
from zk.commitment import Opening, commit
from zk.field import encode_scalar
from zk.generators import generators_of


def opening_fields(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a ``statement.json`` of kind "claim" or "open-ours" with these fields added.

    Like codes and prices the blindings are made up, the same in every run, and no secrets.
    ``statement`` is left as it is.
    """
    group = load_group()
    generators = generators_of(group)
    random = Random(statement["n"])
    witnesses = []
    for witness in statement["witnesses"]:
        commitments, blindings = [], []
        for code, price in zip(witness["codes"], witness["prices"], strict=True):
            values = [0] * SLOTS
            values[Slot.CODE - 1], values[Slot.PRICE - 1] = code, price
            opening = Opening(tuple(values), mpz(random.randrange(group.order)))
            commitments.append(group.encode(commit(generators, opening)).hex())
            blindings.append(encode_scalar(opening.r).hex())
        witnesses.append({**witness, "commitments": commitments, "blindings": blindings})
    points = {
        "H": group.encode(generators.H).hex(),
        "J": [group.encode(point).hex() for point in generators.J(SLOTS)],
    }
    return {**statement, "generators": points, "witnesses": witnesses}
