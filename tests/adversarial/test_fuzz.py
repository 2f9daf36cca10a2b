"""Bytes that nobody chose: every reader accepts them or raises one of the documented errors.

Each run starts from accepted documents and changes them at random: bytes flipped, cut, doubled,
swapped between documents, JSON values replaced. Seeds are fixed, so a failure repeats; `make
test-long` goes a hundred times further.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from circuits.canonical import canonical_bytes
from circuits.claim import build_instance, decode_claim, encode_claim
from circuits.contract import contract_digest, parse_contract
from circuits.notices import (
    NOTICE_REASONS,
    decode_cancellation,
    decode_invoice,
    encode_cancellation,
    encode_invoice,
    require_cancellation_fits,
    require_invoice_fits,
    verify_notice_signature,
)
from circuits.opening import decode_line_opening, encode_line_opening
from optician.claiming import Openings, make_claim
from optician.identity import Identity
from optician.notices import make_cancellation, make_invoice
from optician.opening_file import open_line
from optician.sale import parse_sale
from tests.support.claims import (
    DAY,
    NOW,
    contract,
    generators,
    identity,
    judge,
    nomenclature,
    sale_document,
    sample_sale,
)
from verifier_api.judge import REASONS
from verifier_api.keys import parse_keys
from zk.encoding import decode_proof
from zk.errors import ProofRejected, ZkError

Reader = Callable[[bytes], object]


@cache
def made() -> tuple[bytes, bytes, bytes]:
    """An accepted claim, its openings, and a partial opening of its first line."""
    claim, openings = make_claim(
        sample_sale(), contract(), nomenclature(), identity(), generators(), NOW
    )
    opening = open_line(openings, 1, ["code", "price"], "audit 1", generators())
    return encode_claim(claim), openings.encode(), encode_line_opening(opening)


def read_claim(data: bytes) -> object:
    """What `verifier check` does with a file; a claim that is one gets a documented verdict."""
    verdict = judge().judge(decode_claim(data))
    assert verdict.reason is None or verdict.reason in REASONS
    return verdict


def read_proof(data: bytes) -> object:
    """A proof for the circuit of the accepted claim."""
    claim = decode_claim(made()[0])
    _, instance = build_instance(claim, contract(), nomenclature(), generators().group)
    return decode_proof(data, instance.circuit, generators().group)


def read_invoice(data: bytes) -> object:
    """What an insurer does with an invoice of the accepted claim."""
    invoice, claim = decode_invoice(data), decode_claim(made()[0])
    reason = None
    try:
        verify_notice_signature(invoice, identity().signing_key.public_key())
        require_invoice_fits(invoice, claim)
    except ProofRejected as error:
        reason = error.reason
    assert reason in (None, *NOTICE_REASONS)
    return invoice


def read_cancellation(data: bytes) -> object:
    """What an insurer does with a cancellation of the accepted claim."""
    cancellation, claim = decode_cancellation(data), decode_claim(made()[0])
    reason = None
    try:
        verify_notice_signature(cancellation, identity().signing_key.public_key())
        require_cancellation_fits(cancellation, claim)
    except ProofRejected as error:
        reason = error.reason
    assert reason in (None, *NOTICE_REASONS)
    return cancellation


def documents() -> dict[str, tuple[Reader, bytes]]:
    """Readers, each with a document that it accepts."""
    claim, openings, opening = made()
    keys = canonical_bytes({"format_version": 1, "keys": [identity().public_entry()]})
    invoice = make_invoice(decode_claim(claim), identity(), DAY)
    cancellation = make_cancellation(decode_claim(claim), identity())
    terms = canonical_bytes(contract().model_dump(mode="json"))
    return {
        "claim": (read_claim, claim),
        "proof": (read_proof, decode_claim(claim).proof_bytes()),
        "contract": (lambda data: contract_digest(parse_contract(data)), terms),
        "keys": (parse_keys, keys),
        "sale": (parse_sale, json.dumps(sale_document()).encode()),
        "identity": (Identity.parse, identity().encode()),
        "openings": (lambda data: Openings.parse(data, generators()), openings),
        "opening": (decode_line_opening, opening),
        "invoice": (read_invoice, encode_invoice(invoice)),
        "cancellation": (read_cancellation, encode_cancellation(cancellation)),
    }


READERS = (
    *("claim", "proof", "contract", "keys", "sale", "identity", "openings", "opening"),
    *("invoice", "cancellation"),
)

_ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**53 - 1,
    2**53,
    10**40,
    "",
    "A",
    "\u0000",
    "V04",
    "é",
    [],
    {},
    [[]],
    {"a": 1},
)


def changed_bytes(data: bytes, chance: random.Random) -> bytes:
    """One to four random edits of the bytes."""
    edited = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(edited) + 1)
        match chance.randrange(5):
            case 0 if edited:
                edited[place % len(edited)] ^= 1 << chance.randrange(8)
            case 1:
                del edited[place : place + chance.randint(1, 40)]
            case 2:
                edited[place:place] = chance.randbytes(chance.randint(1, 8))
            case 3:
                edited[place:place] = edited[place : place + chance.randint(1, 200)]
            case _:
                edited[place:place] = chance.choice(
                    [b"{", b"[", b'"', b"\\u0000", b",", b"-", b"1e9"]
                )
    return bytes(edited)


def changed_json(data: bytes, chance: random.Random) -> bytes:
    """The document with one value, anywhere in it, replaced, removed or doubled; canonical."""
    document = json.loads(data)
    places: list[tuple[Any, Any]] = []

    def visit(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                visit(node[key])

    visit(document)
    node, key = chance.choice(places)
    match chance.randrange(4):
        case 0:
            del node[key]
        case 1:
            other, name = chance.choice(places)
            node[key] = other[name] if name in other or isinstance(other, list) else None
        case 2 if isinstance(node, dict):
            node[f"{key}_"] = node[key]
        case _:
            node[key] = chance.choice(_ODD_VALUES)
    try:
        return json.dumps(
            document, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    except (ValueError, RecursionError):  # a value put into itself
        return b"{}"


def try_many(name: str, count: int, seed: int) -> None:
    """``count`` changed documents for one reader."""
    reader, document = documents()[name]
    reader(document)
    chance = random.Random(f"{name} {seed}")
    for _ in range(count):
        is_json = name != "proof" and chance.random() < 0.5
        data = changed_json(document, chance) if is_json else changed_bytes(document, chance)
        with contextlib.suppress(ZkError):
            reader(data)


@pytest.mark.parametrize("name", READERS)
def test_changed_documents_are_read_or_refused(name: str) -> None:
    try_many(name, 400, seed=0)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("name", READERS)
def test_very_many_changed_documents_are_read_or_refused(name: str, seed: int) -> None:
    try_many(name, 5_000, seed)


def test_random_bytes_are_refused() -> None:
    chance = random.Random(0)
    for name in READERS:
        reader, _ = documents()[name]
        for _ in range(100):
            with pytest.raises(ZkError):
                reader(chance.randbytes(chance.randrange(200)))
