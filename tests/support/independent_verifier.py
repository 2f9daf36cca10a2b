"""A second verifier, written from ``docs/protocol.md`` and from nothing else of this project.

It imports the standard library and ``py_ecc`` (curve arithmetic) only, shares no line with the
code it checks, evaluates everything the slow and obvious way, and is read top-down along the
page's sections, whose numbers it names. What it cannot read raises `Unreadable`, what it judges and
refuses raises `Refused` with a reason code.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import prod
from typing import Any

from py_ecc.secp256k1 import secp256k1 as curve

Point = tuple[int, int]  # affine; (0, 0) is the identity, as py_ecc has it
Document = dict[str, Any]


class Unreadable(Exception):
    """Not a document of the kind it should be."""


class Refused(Exception):
    """Judged and refused; ``reason`` is a code of section 10."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def refuse_unless(condition: bool, reason: str) -> None:
    if not condition:
        raise Refused(reason)


def need(condition: bool, what: str) -> None:
    if not condition:
        raise Unreadable(what)


# -- 1. Notation, group, encodings -------------------------------------------------------------

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
PRIME = 2**256 - 2**32 - 977
IDENTITY: Point = (0, 0)


def i2osp(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def decode_point(data: bytes) -> Point:
    need(len(data) == 33 and data[0] in (2, 3), "point: form")
    x = int.from_bytes(data[1:], "big")
    need(x < PRIME, "point: x")
    y = pow(x**3 + 7, (PRIME + 1) // 4, PRIME)
    need((y * y - x**3 - 7) % PRIME == 0, "point: not on the curve")
    return (x, y) if y % 2 == data[0] - 2 else (x, PRIME - y)


def encode_point(point: Point) -> bytes:
    need(point != IDENTITY, "point: identity")
    return bytes([2 + point[1] % 2]) + i2osp(point[0], 32)


def decode_scalar(data: bytes) -> int:
    value = int.from_bytes(data, "big")
    need(len(data) == 32 and value < ORDER, "scalar")
    return value


def linear_combination(terms: Sequence[tuple[int, Point]]) -> Point:
    total = (0, 0, 1)
    for scalar, point in terms:
        product = curve.jacobian_multiply(curve.to_jacobian(point), scalar % ORDER)
        total = curve.jacobian_add(total, product)
    x, y = curve.from_jacobian(total)
    return int(x), int(y)


def decode_base64url(text: object, size: int | None = None) -> bytes:
    need(isinstance(text, str) and bool(re.fullmatch(r"[A-Za-z0-9_-]+", str(text))), "base64url")
    padded = str(text) + "=" * (-len(str(text)) % 4)
    try:
        data = base64.urlsafe_b64decode(padded)
    except ValueError:
        raise Unreadable("base64url: length") from None
    need(base64.urlsafe_b64encode(data).decode().rstrip("=") == text, "base64url: unused bits")
    need(size is None or len(data) == size, "base64url: size")
    return data


def tagged_digest(tag: bytes, message: bytes) -> bytes:
    return hashlib.sha256(i2osp(len(tag), 4) + tag + message).digest()


# -- 2. Generators (RFC 9380, suite secp256k1_XMD:SHA-256_SSWU_RO_) --------------------------------

LINE_DST = b"clairobscur-LINE-V01-with-secp256k1_XMD:SHA-256_SSWU_RO_"
PROOF_DST = b"clairobscur-PROOF-V01-with-secp256k1_XMD:SHA-256_SSWU_RO_"

# RFC 9380, section 8.7 (the curve E' and Z) and appendix E.1 (the isogeny), lowest power first.
ISO_A = 0x3F8731ABDD661ADCA08A5558F0F5D272E953D363CB6F0E5D405447C01A444533
ISO_B = 1771
ISO_Z = -11
X_NUMERATOR = (
    0x8E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38DAAAAA8C7,
    0x07D3D4C80BC321D5B9F315CEA7FD44C5D595D2FC0BF63B92DFFF1044F17C6581,
    0x534C328D23F234E6E2A413DECA25CAECE4506144037C40314ECBD0B53D9DD262,
    0x8E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38E38DAAAAA88C,
)
X_DENOMINATOR = (
    0xD35771193D94918A9CA34CCBB7B640DD86CD409542F8487D9FE6B745781EB49B,
    0xEDADC6F64383DC1DF7C4B2D51B54225406D36B641F5E41BBC52A56612A8C6D14,
    1,
)
Y_NUMERATOR = (
    0x4BDA12F684BDA12F684BDA12F684BDA12F684BDA12F684BDA12F684B8E38E23C,
    0xC75E0C32D5CB7C0FA9D0A54B12A0A6D5647AB046D686DA6FDFFC90FC201D71A3,
    0x29A6194691F91A73715209EF6512E576722830A201BE2018A765E85A9ECEE931,
    0x2F684BDA12F684BDA12F684BDA12F684BDA12F684BDA12F684BDA12F38E38D84,
)
Y_DENOMINATOR = (
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFF93B,
    0x7A06534BB8BDB49FD5E9E6632722C2989467C1BFC8E8D978DFB425D2685C2573,
    0x6484AA716545CA2CF3A70C3FA8FE337E0A3D21162F0D6299A7BF8192BFD2A76F,
    1,
)


def hash_to_curve(message: bytes, dst: bytes) -> Point:
    suffix = dst + i2osp(len(dst), 1)
    b_0 = hashlib.sha256(bytes(64) + message + i2osp(96, 2) + b"\0" + suffix).digest()
    previous, uniform = bytes(32), b""
    for index in (1, 2, 3):
        mixed = bytes(s ^ t for s, t in zip(b_0, previous, strict=True))
        previous = hashlib.sha256(mixed + i2osp(index, 1) + suffix).digest()
        uniform += previous
    return linear_combination(
        [(1, map_to_curve(int.from_bytes(uniform[k : k + 48], "big") % PRIME)) for k in (0, 48)]
    )


def map_to_curve(u: int) -> Point:
    def horner(coefficients: Sequence[int], at: int) -> int:
        return sum(c * pow(at, k, PRIME) for k, c in enumerate(coefficients)) % PRIME

    def right_side(x: int) -> int:
        return (x**3 + ISO_A * x + ISO_B) % PRIME

    zu2 = ISO_Z * u * u % PRIME
    scale = zu2 * zu2 + zu2
    factor = 1 + pow(scale, -1, PRIME) if scale % PRIME else -pow(ISO_Z, -1, PRIME)
    x = -ISO_B * pow(ISO_A, -1, PRIME) * factor % PRIME
    if pow(right_side(x), (PRIME - 1) // 2, PRIME) == PRIME - 1:
        x = zu2 * x % PRIME
    y = pow(right_side(x), (PRIME + 1) // 4, PRIME)
    if u % 2 != y % 2:
        y = PRIME - y
    return (
        horner(X_NUMERATOR, x) * pow(horner(X_DENOMINATOR, x), -1, PRIME) % PRIME,
        y * horner(Y_NUMERATOR, x) * pow(horner(Y_DENOMINATOR, x), -1, PRIME) % PRIME,
    )


_KNOWN: dict[tuple[bytes, bytes], Point] = {}


def generator(message: bytes, dst: bytes) -> Point:
    if (message, dst) not in _KNOWN:
        _KNOWN[message, dst] = hash_to_curve(message, dst)
    return _KNOWN[message, dst]


def generator_h() -> Point:
    return generator(b"H", LINE_DST)


def generator_j(slot: int) -> Point:
    return generator(b"J" + i2osp(slot, 4), LINE_DST)


def generator_g() -> Point:
    return generator(b"G", PROOF_DST)


def generator_w(number: int) -> Point:
    return generator(b"W" + i2osp(number, 4), PROOF_DST)


# -- 3. Challenges -----------------------------------------------------------------------------


def shake(session: bytes, data: bytes, size: int) -> bytes:
    return hashlib.shake_128(session + bytes(136) + data).digest(size)


def session_id(protocol: str) -> bytes:
    names = (
        protocol.encode(),
        b"draft-irtf-cfrg-fiat-shamir@91cc933/SHAKE128",
        b"secp256k1",
        LINE_DST,
        PROOF_DST,
    )
    return shake(b"irtf-cfrg-fiat-shamir/session-id", b"|".join(names), 32)


def challenge(protocol: str, absorbed: bytes) -> int:
    return int.from_bytes(shake(session_id(protocol), absorbed, 48), "little") % ORDER


# -- 4. Circuits -------------------------------------------------------------------------------


@dataclass
class Expression:
    """constant + wires + public inputs + columns; a linear form is one without columns."""

    constant: int = 0
    wires: dict[int, int] = field(default_factory=dict)
    publics: dict[int, int] = field(default_factory=dict)
    columns: dict[tuple[int, int], int] = field(default_factory=dict)

    def plus(self, other: Expression, factor: int = 1) -> Expression:
        def merged(left: dict[Any, int], right: dict[Any, int]) -> dict[Any, int]:
            keys = sorted({*left, *right})
            total = {key: left.get(key, 0) + factor * right.get(key, 0) for key in keys}
            return {key: value for key, value in total.items() if value}

        return Expression(
            self.constant + factor * other.constant,
            merged(self.wires, other.wires),
            merged(self.publics, other.publics),
            merged(self.columns, other.columns),
        )

    def described(self, *, columns: bool) -> Document:
        form: Document = {
            "c": self.constant,
            "w": [[index, c] for index, c in sorted(self.wires.items())],
            "p": [[index, c] for index, c in sorted(self.publics.items())],
        }
        if columns:
            form["t"] = [[c, s, column] for (s, column), c in sorted(self.columns.items())]
        return form


@dataclass
class Circuit:
    wires: int = 0
    publics: list[int] = field(default_factory=list)
    tables: list[list[list[int]]] = field(default_factory=list)
    selectors: list[tuple[int, list[list[int]]]] = field(default_factory=list)
    equations: list[tuple[int, Expression]] = field(default_factory=list)  # base 0: zero
    lines: list[list[Expression]] = field(default_factory=list)

    def new_wire(self) -> Expression:
        self.wires += 1
        return Expression(wires={self.wires - 1: 1})

    def new_digit(self, base: int) -> Expression:
        wire = self.new_wire()
        self.equations.append((base, wire))
        return wire

    def new_public(self, largest: int) -> Expression:
        self.publics.append(largest)
        return Expression(publics={len(self.publics) - 1: 1})

    def degree_of(self, expression: Expression) -> int:
        return max([1, *(len(self.selectors[s][1]) for s, _ in expression.columns)])

    @property
    def degree(self) -> int:
        slots = [expression for line in self.lines for expression in line]
        degrees = [base or self.degree_of(e) for base, e in self.equations]
        return max([2, *degrees, *map(self.degree_of, slots)])

    def digest(self) -> bytes:
        description = {
            "wires": self.wires,
            "publics": [str(largest) for largest in self.publics],
            "degree": self.degree,
            "slots": 4,
            "tables": [
                {"rows": len(t[0]), "columns": len(t), "digest": table_digest(t).hex()}
                for t in self.tables
            ],
            "selectors": [{"table": t, "digits": digits} for t, digits in self.selectors],
            "equations": [
                {"digit": base, "form": e.described(columns=False)}
                if base
                else {"zero": e.described(columns=True)}
                for base, e in self.equations
            ],
            "lines": [[e.described(columns=True) for e in line] for line in self.lines],
        }
        text = canonical(description)
        return hashlib.sha256(b"clairobscur/circuit/v1" + i2osp(len(text), 8) + text).digest()

    def require_no_wrap_around(self) -> None:
        largest = {
            next(iter(e.wires)): base - 1
            for base, e in self.equations
            if base and e == Expression(wires=dict.fromkeys(e.wires, 1)) and len(e.wires) == 1
        }
        for _, e in self.equations:
            total = abs(e.constant) + sum(abs(c) * largest[w] for w, c in e.wires.items())
            total += sum(abs(c) * self.publics[j] for j, c in e.publics.items())
            for (s, column), c in e.columns.items():
                total += abs(c) * max(self.tables[self.selectors[s][0]][column])
            refuse_unless(total < 2**128, "statement_invalid")


def table_digest(table: list[list[int]]) -> bytes:
    entries = b"".join(i2osp(entry, 8) for column in table for entry in column)
    head = i2osp(len(table[0]), 4) + i2osp(len(table), 4)
    return hashlib.sha256(b"clairobscur/table/v1" + head + entries).digest()


# -- 6. Proof and verification -----------------------------------------------------------------


@dataclass
class Trace:
    """What a verification computed on its way, for comparison."""

    circuit_digest: bytes = b""
    context: bytes = b""
    y: int = 0
    x: int = 0


def verify_proof(
    circuit: Circuit,
    publics: Sequence[int],
    context: bytes,
    commitments: Sequence[bytes],
    proof: bytes,
    trace: Trace,
) -> None:
    D, n = circuit.degree, circuit.wires
    trace.circuit_digest, trace.context = circuit.digest(), context
    try:
        need(len(proof) == 33 * (2 + D) + 32 * (n + 2), "proof: length")
        split = 33 * (2 + D)
        B, A, *T = [decode_point(proof[k : k + 33]) for k in range(0, split, 33)]
        *f, z_1, z_2 = [decode_scalar(proof[k : k + 32]) for k in range(split, len(proof), 32)]
    except Unreadable:
        raise Refused("proof_malformed") from None
    instance = trace.circuit_digest + context + b"".join(i2osp(u, 8) for u in publics)
    instance += b"".join(commitments)
    y = challenge("clairobscur/proof/v1", instance + proof[:66])
    x = challenge("clairobscur/proof/v1", instance + proof[:split])
    trace.y, trace.x = y, x

    H = generator_h()
    first = [(x, B), (1, A), (-z_1, H), *((-f_i, generator_w(i)) for i, f_i in enumerate(f, 1))]
    refuse_unless(linear_combination(first) == IDENTITY, "proof_invalid")
    g, h = evaluate(circuit, publics, f, x, y)
    E = len(circuit.equations)
    second = [(pow(x, k, ORDER), T_k) for k, T_k in enumerate(T)]
    for l, C in enumerate(commitments):
        second.append((pow(x, D, ORDER) * pow(y, E + l, ORDER), decode_point(C)))
    second += [(-g, generator_g()), (-z_2, H)]
    second += [(-h_s, generator_j(s)) for s, h_s in enumerate(h, 1)]
    refuse_unless(linear_combination(second) == IDENTITY, "proof_invalid")


def evaluate(
    circuit: Circuit, publics: Sequence[int], f: Sequence[int], x: int, y: int
) -> tuple[int, list[int]]:
    D, E = circuit.degree, len(circuit.equations)

    def form(e: Expression) -> int:
        constant = e.constant + sum(c * publics[j] for j, c in e.publics.items())
        return (sum(c * f[i] for i, c in e.wires.items()) + constant * x) % ORDER

    weights: list[list[int]] = []  # of each selector: Π_j e_{j,digit_j(i)} for every i
    for _, digits in circuit.selectors:
        products = [1]
        for wires in digits:
            ones = [(x - sum(f[w] for w in wires)) % ORDER, *(f[w] for w in wires)]
            products = [low * high % ORDER for high in ones for low in products]
        weights.append(products)

    def column(selector: int, number: int) -> int:
        table, _ = circuit.selectors[selector]
        entries = circuit.tables[table][number]
        total = 0
        for row, weight in enumerate(weights[selector]):
            total += entries[min(row, len(entries) - 1)] * weight
        return total

    def value(e: Expression) -> int:
        total = pow(x, D - 1, ORDER) * form(e)
        for (selector, number), c in e.columns.items():
            d = len(circuit.selectors[selector][1])
            total += c * pow(x, D - d, ORDER) * column(selector, number)
        return total % ORDER

    g = 0
    for e, (base, expression) in enumerate(circuit.equations):
        if base:
            product = pow(x, D - base, ORDER)
            for j in range(base):
                product = product * (form(expression) - j * x) % ORDER
        else:
            product = value(expression)
        g += pow(y, e, ORDER) * product
    h = [
        sum(pow(y, E + l, ORDER) * value(line[s]) for l, line in enumerate(circuit.lines)) % ORDER
        for s in range(4)
    ]
    return g % ORDER, h


# -- 7. Partial openings -----------------------------------------------------------------------


def verify_partial_opening(
    commitment: bytes, slots: int, revealed: dict[int, int], purpose: bytes, proof: bytes
) -> None:
    need(1 <= slots <= 16 and all(1 <= s <= slots for s in revealed), "opening: slots")
    need(all(0 <= value < ORDER for value in revealed.values()), "opening: value")
    hidden = [s for s in range(1, slots + 1) if s not in revealed]
    need(len(proof) == 33 + 32 * (len(hidden) + 1), "opening: length")
    *z_hidden, z = [decode_scalar(proof[k : k + 32]) for k in range(33, len(proof), 32)]
    absorbed = commitment + i2osp(slots, 4) + i2osp(len(revealed), 4)
    for s in sorted(revealed):
        absorbed += i2osp(s, 4) + i2osp(revealed[s], 32)
    absorbed += i2osp(len(purpose), 4) + purpose + proof[:33]
    c = challenge("clairobscur/partial-opening/v1", absorbed)
    terms = [(z_s, generator_j(s)) for s, z_s in zip(hidden, z_hidden, strict=True)]
    terms += [(z, generator_h()), (-1, decode_point(proof[:33])), (-c, decode_point(commitment))]
    terms += [(c * value, generator_j(s)) for s, value in revealed.items()]
    refuse_unless(linear_combination(terms) == IDENTITY, "opening")


# -- 8. Documents ------------------------------------------------------------------------------


def canonical(value: object) -> bytes:
    # RFC 8785 for integers and strings; every key in these documents is ASCII, so that sorting by
    # code points is sorting by UTF-16 code units.
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def parse_object(data: bytes, largest: int) -> Document:
    def unique(pairs: list[tuple[str, Any]]) -> Document:
        need(len({key for key, _ in pairs}) == len(pairs), "JSON: duplicate key")
        return dict(pairs)

    def integer(text: str) -> int:
        need(text != "-0" and len(text) <= 17 and abs(int(text)) < 2**53, "JSON: integer")
        return int(text)

    def refuse(_: str) -> None:
        raise Unreadable("JSON: not an integer")

    need(len(data) <= largest, "JSON: size")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=unique,
            parse_int=integer,
            parse_float=refuse,
            parse_constant=refuse,
        )
        canonical(value)  # a lone surrogate has no UTF-8
    except (ValueError, RecursionError):
        raise Unreadable("JSON") from None
    need(isinstance(value, dict), "JSON: not an object")
    assert isinstance(value, dict)
    return value


CONTRACT_DEFAULTS: Document = {
    "note": "",
    "price_caps_cents": {},
    "largest_price_cents": 300000,
    "statements": ["line", "equipment", "pair"],
    "row_price_limits": True,
    "early_renewal_grounds": [],
    "attestations": [],
    "audits": None,
}


@dataclass
class Contract:
    """A contract with its defaults written out. The insurer wrote it, so it is taken to be well
    formed."""

    document: Document

    @classmethod
    def parse(cls, data: bytes) -> Contract:
        document = CONTRACT_DEFAULTS | parse_object(data, 65536)
        document["floor_cells"] = {"warn": 8, "refuse": 3} | document.get("floor_cells", {})
        order = ("line", "equipment", "pair")
        document["statements"] = [name for name in order if name in document["statements"]]
        document["early_renewal_grounds"] = sorted(document["early_renewal_grounds"])
        rules = [{"slots": ["code"]} | rule for rule in document["attestations"]]
        for rule in rules:
            rule |= {key: sorted(rule[key]) for key in ("classes", "attesters", "slots")}
        document["attestations"] = rules
        if document["audits"] is not None:
            grounds = sorted(document["audits"]["grounds"])
            document["audits"] = document["audits"] | {"grounds": grounds}
        return cls(document)

    def digest(self) -> bytes:
        return tagged_digest(b"clairobscur/contract/v1", canonical(self.document))

    def cap(self, class_code: str) -> int:
        caps = self.document["price_caps_cents"]
        return int(caps.get(class_code, self.document["largest_price_cents"]))


@dataclass
class Row:
    code: int
    group: Document

    def is_valid_on(self, day: date) -> bool:
        start, end = self.group["valid_from"], self.group["valid_to"]
        return start <= day.isoformat() and (end is None or day.isoformat() <= end)


@dataclass
class Nomenclature:
    """The table that the insurer pinned by its digest; taken to be well formed."""

    document: Document

    @classmethod
    def parse(cls, data: bytes) -> Nomenclature:
        return cls(parse_object(data, 41943040))

    def digest(self) -> bytes:
        return tagged_digest(b"clairobscur/nomenclature/v1", canonical(self.document))

    def class_entry(self, class_code: str | None) -> Document:
        for entry in self.document["classes"]:
            if entry["code"] == class_code:
                return dict(entry)
        raise Refused("statement_invalid")

    def rows(self, classes: Sequence[str], day: date) -> list[Row]:
        found = []
        for group in self.document["groups"]:
            if group["regroupement"] in classes:
                found += [Row(code, group) for code in group["codes"]]
        found = sorted((row for row in found if row.is_valid_on(day)), key=lambda row: row.code)
        refuse_unless(bool(found), "statement_invalid")
        return found

    def lens_union(self, price_class: str, day: date) -> list[Row]:
        classes = [
            entry["code"]
            for entry in self.document["classes"]
            if (entry["family"], entry["price_class"]) == ("lens", price_class)
        ]
        return self.rows(classes, day)


def hiding_set(rows: Sequence[Row]) -> int:
    cells = {row.group["cell"] for row in rows} - {None}
    known = cells - {"unknown"}
    return len(known) or len(cells) or len({row.code for row in rows})


IDENTIFIER = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
CLAIM_TEXTS = {
    "claim_id": IDENTIFIER,
    "optician_id": IDENTIFIER,
    "insurer_id": IDENTIFIER,
    "contract_id": IDENTIFIER,
    "date_of_service": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "expires_at": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",
    "beneficiary": r"[A-Za-z0-9_-]{16,64}",
    "statement": "line|equipment|pair",
}
ROLES = ("item", "right_lens", "left_lens", "frame", "supplement")


def is_cents(value: object, largest: int = 10_000_000) -> bool:
    return type(value) is int and 0 <= value <= largest


def need_amounts(amounts: object, what: str) -> None:
    """Null, or an object of the two amounts."""
    if amounts is not None:
        need(isinstance(amounts, dict), f"{what}: amounts")
        assert isinstance(amounts, dict)
        need(sorted(amounts) == ["frame_cents", "lenses_cents"], f"{what}: amounts")
        need(all(map(is_cents, amounts.values())), f"{what}: amounts")


def parse_claim(data: bytes) -> Document:
    claim = parse_object(data, 32768)
    need(canonical(claim) == data, "claim: not canonical")
    others = ["format_version", "level", "price_class", "lines", "amounts", "proof", "signature"]
    others.append("early_renewal_ground")
    digests = ["key_id", "contract_digest", "nomenclature_digest"]
    need(sorted(claim) == sorted([*CLAIM_TEXTS, *others, *digests]), "claim: keys")
    need(type(claim["format_version"]) is int and claim["format_version"] == 1, "claim: version")
    for key, pattern in CLAIM_TEXTS.items():
        text = claim[key]
        need(isinstance(text, str) and bool(re.fullmatch(pattern, text)), f"claim: {key}")
    for key in digests:
        decode_base64url(claim[key], 32)
    decode_base64url(claim["signature"], 64)
    need(len(decode_base64url(claim["proof"])) <= 16384, "claim: proof")
    try:
        date.fromisoformat(claim["date_of_service"])
        datetime.fromisoformat(claim["expires_at"])
    except ValueError:
        raise Unreadable("claim: no such day") from None
    need(claim["level"] in (None, *"abcdef"), "claim: level")
    need(claim["price_class"] in (None, "A", "B"), "claim: price_class")
    ground = claim["early_renewal_ground"]
    is_ground = isinstance(ground, str) and bool(re.fullmatch(IDENTIFIER, ground))
    need(ground is None or is_ground, "claim: early_renewal_ground")
    need_amounts(claim["amounts"], "claim")
    need(isinstance(claim["lines"], list) and 1 <= len(claim["lines"]) <= 7, "claim: lines")
    for line in claim["lines"]:
        need(isinstance(line, dict), "claim: line")
        need(sorted(line) == ["code", "commitment", "regroupement", "role"], "claim: line")
        need(line["role"] in ROLES, "claim: role")
        code, name = line["code"], line["regroupement"]
        need(code is None or is_cents(code, 9_999_999), "claim: code")
        is_class = isinstance(name, str) and bool(re.fullmatch("[A-Z][A-Z0-9][0-9]", name))
        need(name is None or is_class, "claim: class")
        decode_base64url(line["commitment"], 33)
    return claim


NOTICE_TEXTS = dict.fromkeys(("claim_id", "optician_id", "insurer_id"), IDENTIFIER)
NOTICE_TAGS = {"invoice": b"clairobscur/invoice/v1", "cancellation": b"clairobscur/cancellation/v1"}


def parse_notice(data: bytes, kind: str) -> Document:
    notice = parse_object(data, 4096)
    need(canonical(notice) == data, "notice: not canonical")
    keys = [*NOTICE_TEXTS, "claim_digest", "key_id", "format_version", "signature"]
    if kind == "invoice":
        keys += ["date_of_delivery", "commitments", "amounts"]
    need(sorted(notice) == sorted(keys), "notice: keys")
    need(type(notice["format_version"]) is int and notice["format_version"] == 1, "notice: version")
    for key, pattern in NOTICE_TEXTS.items():
        text = notice[key]
        need(isinstance(text, str) and bool(re.fullmatch(pattern, text)), f"notice: {key}")
    for key, size in (("claim_digest", 32), ("key_id", 32), ("signature", 64)):
        decode_base64url(notice[key], size)
    if kind == "invoice":
        day, listed = notice["date_of_delivery"], notice["commitments"]
        need(isinstance(day, str), "invoice: date")
        need(bool(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day)), "invoice: date")
        try:
            date.fromisoformat(day)
        except ValueError:
            raise Unreadable("invoice: no such day") from None
        need(isinstance(listed, list) and 1 <= len(listed) <= 7, "invoice: commitments")
        for text in listed:
            decode_base64url(text, 33)
        need_amounts(notice["amounts"], "invoice")
    return notice


def notice_signed_bytes(notice: Document, kind: str) -> bytes:
    tag = NOTICE_TAGS[kind]
    signed = {key: value for key, value in notice.items() if key != "signature"}
    return i2osp(len(tag), 4) + tag + canonical(signed)


def notice_digest(notice: Document, kind: str) -> bytes:
    return tagged_digest(NOTICE_TAGS[kind], canonical(notice))


SIGNED_KINDS = {
    "publication": (
        b"clairobscur/publication/v1",
        4096,
        "kind digest name insurer_id in_force_from published_at publisher_id",
    ),
    "attestation request": (
        b"clairobscur/attestation-request/v1",
        12288,
        "attester_id optician_id record_id claim_digest opening requested_at",
    ),
    "attestation": (
        b"clairobscur/attestation/v1",
        4096,
        "attester_id claim_id claim_digest line commitment attested record attested_at expires_at",
    ),
    "audit case": (
        b"clairobscur/audit-case/v1",
        8192,
        "case_id insurer_id claim_id claim_digest line commitment slots ground auditor_id "
        "recipient opened_at answer_by erase_at",
    ),
    "audit answer": (
        b"clairobscur/audit-answer/v1",
        4096,
        "case_id case_digest optician_id answer sealed_digest reason answered_at",
    ),
    "audit outcome": (
        b"clairobscur/audit-outcome/v1",
        4096,
        "case_id case_digest answer_digest auditor_id outcome cause finding_digest concluded_at",
    ),
    "audit finding": (
        b"clairobscur/audit-finding/v1",
        32768,
        "case_id case_digest answer_digest auditor_id cause opening compared_with source salt "
        "found_at",
    ),
    "record": (
        b"clairobscur/record/v1",
        393216,
        "insurer_id exported_at claim received_at verdict contract contract_publications "
        "nomenclature_digest nomenclature_publications optician_keys attestations audit",
    ),
    "evidence": (
        b"clairobscur/evidence/v1",
        491520,
        "auditor_id record finding sealed recipient_key made_at",
    ),
}


def judge_signed(data: bytes, kind: str, public_key: bytes) -> tuple[Document, bytes, str]:
    """The document, what was signed, and its digest in base64url. Of its values only those are
    looked at that every kind has. Raises `Unreadable` or `Refused`."""
    tag, largest, names = SIGNED_KINDS[kind]
    document = parse_object(data, largest)
    need(canonical(document) == data, f"{kind}: not canonical")
    keys = [*names.split(), "format_version", "key_id", "signature"]
    need(sorted(document) == sorted(keys), f"{kind}: keys")
    version = document["format_version"]
    need(type(version) is int and version == 1, f"{kind}: version")
    unsigned = {key: value for key, value in document.items() if key != "signature"}
    message = i2osp(len(tag), 4) + tag + canonical(unsigned)
    is_named = decode_base64url(document["key_id"], 32) == hashlib.sha256(public_key).digest()
    signature = decode_base64url(document["signature"], 64)
    is_signed = is_named and is_ed25519_signature(public_key, message, signature)
    refuse_unless(is_signed, "signature_invalid")
    digest = base64.urlsafe_b64encode(tagged_digest(tag, data)).rstrip(b"=").decode()
    return document, message, digest


# -- 9. Statements -----------------------------------------------------------------------------

TARGET_DEGREE = {"line": 5, "equipment": 10, "pair": 11}
LENS_WEIGHT = {"simple": 0, "complex": 1, "very_complex": 3}
LEVEL_WEIGHT = {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 6}


def range_digits(cap: int, base: int) -> list[tuple[int, int]]:
    if cap < base:
        return [(1, cap)] if cap else []
    candidates = []
    for b in range(base, 1, -1):
        weight = (cap + 1) // b
        candidates.append([(weight, b - 1), *_range_rest(cap - (b - 1) * weight, base)])
    return min(candidates, key=len)  # the first of the shortest


_RESTS: dict[tuple[int, int], list[tuple[int, int]]] = {}


def _range_rest(cap: int, base: int) -> list[tuple[int, int]]:
    if (cap, base) not in _RESTS:
        _RESTS[cap, base] = range_digits(cap, base)
    return _RESTS[cap, base]


def radix_of(rows: int, degree: int) -> tuple[int, ...]:
    candidates = []
    for count in range(1, degree + 1):
        low = 2
        while (low + 1) ** count < rows:
            low += 1
        for larger in range(count + 1):
            radix = (low + 1,) * larger + (low,) * (count - larger)
            if prod(radix) >= rows:
                candidates.append((sum(radix) - count, count, prod(radix), radix))
                break
    return min(candidates)[3]


class Builder:
    """Gadgets on top of a circuit, every range in base ``degree``."""

    def __init__(self, contract: Contract, degree: int) -> None:
        self.contract, self.degree, self.circuit = contract, degree, Circuit()

    def range(self, cap: int) -> Expression:
        form = Expression()
        for weight, largest in range_digits(cap, self.degree):
            form = form.plus(self.circuit.new_digit(largest + 1), weight)
        return form

    def select(self, table: list[list[int]]) -> int:
        circuit = self.circuit
        digits = []
        for base in radix_of(len(table[0]), self.degree):
            bits = [circuit.new_digit(2) for _ in range(base - 1)]
            if base > 2:
                rest = Expression(1)
                for bit in bits:
                    rest = rest.plus(bit, -1)
                circuit.equations.append((2, rest))
            digits.append([next(iter(bit.wires)) for bit in bits])
        if table not in circuit.tables:
            circuit.tables.append(table)
        circuit.selectors.append((circuit.tables.index(table), digits))
        return len(circuit.selectors) - 1

    def zero(self, expression: Expression) -> None:
        self.circuit.equations.append((0, expression))

    def item(
        self,
        rows: Sequence[Row],
        day: Expression,
        *,
        bound: int | None = None,
        weights: list[int] | None = None,
        has_correction: bool = False,
    ) -> Item:
        codes = [row.code for row in rows]
        limits, shares = [], []
        rate = self.contract.document["public_payer_rate_percent"]
        for row in rows:
            limit = self.contract.cap(row.group["regroupement"])
            own = row.group["price_limit_cents"]
            if self.contract.document["row_price_limits"] and own is not None:
                limit = min(limit, own)
            limits.append(limit if bound is None else min(limit, bound))
            shares.append(((row.group["base_tariff_cents"] or 0) * rate + 50) // 100)
        columns = [codes, limits, shares, weights or [0]]
        table = [column for column in columns if len(set(column)) > 1]
        selector = self.select(table) if table else -1

        def value(column: list[int]) -> Expression:
            if len(set(column)) == 1:
                return Expression(column[0])
            return Expression(columns={(selector, table.index(column)): 1})

        largest = max(limits)
        price = self.range(largest)
        if len(set(limits)) > 1:
            slack = self.range(largest)
            self.zero(value(limits).plus(price, -1).plus(slack, -1))
        correction = self.circuit.new_wire() if has_correction else Expression()
        self.circuit.lines.append([value(codes), price, day, correction])
        return Item(largest, price, value(shares), value(columns[3]))


@dataclass
class Item:
    largest: int
    price: Expression
    share: Expression
    weight: Expression


def total_of(parts: Sequence[Expression]) -> Expression:
    total = Expression()
    for part in parts:
        total = total.plus(part)
    return total


def declared_rows(
    line: Document, family: str | None, contract: Contract, table: Nomenclature, day: date
) -> list[Row]:
    entry = table.class_entry(line["regroupement"])
    refuse_unless(family in (None, entry["family"]), "statement_invalid")
    rows = table.rows([entry["code"]], day)
    if entry["family"] == "supplement" and len({row.code for row in rows}) < 3:
        rows = [row for row in rows if row.code == line["code"]]
        refuse_unless(bool(rows), "statement_invalid")
        return rows
    refuse_unless(line["code"] is None, "statement_invalid")
    refuse_unless(hiding_set(rows) >= contract.document["floor_cells"]["refuse"], "floor")
    return rows


def line_circuit(claim: Document, contract: Contract, table: Nomenclature, day: date) -> Circuit:
    refuse_unless([line["role"] for line in claim["lines"]] == ["item"], "statement_invalid")
    absent = (claim["level"], claim["price_class"], claim["amounts"])
    refuse_unless(absent == (None, None, None), "statement_invalid")
    rows = declared_rows(claim["lines"][0], None, contract, table, day)
    builder = Builder(contract, TARGET_DEGREE["line"])
    day_input = builder.circuit.new_public(65535)
    is_lens = table.class_entry(rows[0].group["regroupement"])["family"] == "lens"
    builder.item(rows, day_input, has_correction=is_lens)
    return builder.circuit


def equipment_circuit(
    claim: Document, contract: Contract, table: Nomenclature, day: date
) -> Circuit:
    lines, is_pair = claim["lines"], claim["statement"] == "pair"
    roles = [line["role"] for line in lines]
    refuse_unless(roles[:3] == ["right_lens", "left_lens", "frame"], "statement_invalid")
    refuse_unless(roles[3:] == ["supplement"] * len(roles[3:]), "statement_invalid")

    def weight(row: Row) -> int:
        return LENS_WEIGHT[table.class_entry(row.group["regroupement"])["legal_level"]]

    weights: list[int] | None = None
    if is_pair:
        level = claim["level"]
        refuse_unless(level is not None and claim["price_class"] is not None, "statement_invalid")
        hidden = [line[key] for line in lines[:2] for key in ("regroupement", "code")]
        refuse_unless(hidden == [None] * 4, "statement_invalid")
        union = table.lens_union(claim["price_class"], day)
        weights = [weight(row) for row in union]
        rest = LEVEL_WEIGHT[level]
        floor = contract.document["floor_cells"]["refuse"]
        for own in sorted(LENS_WEIGHT.values()):
            if rest - own in LENS_WEIGHT.values():
                possible = [row for row, w in zip(union, weights, strict=True) if w == own]
                refuse_unless(possible != [], "statement_invalid")
                refuse_unless(hiding_set(possible) >= floor, "floor")
        lens_rows = [union, union]
    else:
        absent = (claim["level"], claim["price_class"])
        refuse_unless(absent == (None, None), "statement_invalid")
        lens_rows = [declared_rows(line, "lens", contract, table, day) for line in lines[:2]]
        of_pair = sum(weight(rows[0]) for rows in lens_rows)
        (level,) = [name for name, value in LEVEL_WEIGHT.items() if value == of_pair]
    frame_rows = declared_rows(lines[2], "frame", contract, table, day)
    supplement_rows = [
        declared_rows(line, "supplement", contract, table, day) for line in lines[3:]
    ]

    def price_class(rows: Sequence[Row]) -> str | None:
        found = table.class_entry(rows[0].group["regroupement"])["price_class"]
        return None if found is None else str(found)

    lens_class, frame_class = price_class(lens_rows[0]), price_class(frame_rows)
    refuse_unless(price_class(lens_rows[1]) == lens_class, "statement_invalid")
    for rows in supplement_rows:
        refuse_unless(price_class(rows) in (None, lens_class), "statement_invalid")
    ceiling = contract.document["reimbursement_ceilings_cents"][level]
    frame_ceiling = min(contract.document["frame_ceiling_cents"], ceiling)
    is_mixed = lens_class != frame_class
    lens_bound = ceiling if is_mixed and lens_class == "A" else None
    frame_bound = ceiling if is_mixed and frame_class == "A" else None

    builder = Builder(contract, TARGET_DEGREE[claim["statement"]])
    circuit = builder.circuit
    day_input = circuit.new_public(65535)
    lenses_cents = circuit.new_public(ceiling)
    frame_cents = circuit.new_public(frame_ceiling)
    lenses = [
        builder.item(rows, day_input, bound=lens_bound, weights=weights, has_correction=True)
        for rows in lens_rows
    ]
    frame = builder.item(frame_rows, day_input, bound=frame_bound)
    supplements = [builder.item(rows, day_input, bound=lens_bound) for rows in supplement_rows]
    if is_pair:
        both = lenses[0].weight.plus(lenses[1].weight)
        builder.zero(both.plus(Expression(LEVEL_WEIGHT[level]), -1))

    part = [*lenses, *supplements]
    cap = sum(item.largest for item in part)
    slack = builder.range(cap if lens_bound is None else min(cap, ceiling))
    prices = total_of([item.price for item in part])
    net = prices.plus(total_of([item.share for item in part]), -1)
    builder.zero(net.plus(lenses_cents, -1).plus(slack, -1))
    slack = builder.range(frame.largest)
    builder.zero(frame.price.plus(frame.share, -1).plus(frame_cents, -1).plus(slack, -1))
    if is_mixed:
        slack = builder.range(ceiling)
        amount, spent = (frame_cents, prices) if lens_class == "A" else (lenses_cents, frame.price)
        builder.zero(Expression(ceiling).plus(amount, -1).plus(spent, -1).plus(slack, -1))

    refuse_unless(claim["amounts"] is not None, "statement_invalid")
    claimed = claim["amounts"]
    total = claimed["lenses_cents"] + claimed["frame_cents"]
    refuse_unless(total <= ceiling, "ceiling_exceeded")
    refuse_unless(claimed["frame_cents"] <= frame_ceiling, "ceiling_exceeded")
    return circuit


# -- 10. Judging a claim -----------------------------------------------------------------------


def judge(
    data: bytes,
    contract: Contract,
    table: Nomenclature,
    optician_id: str,
    public_key: bytes,
    now: datetime,
) -> Trace:
    """Accept by returning; raises `Unreadable` or `Refused`. ``now`` is aware; the one registered
    key is ``public_key`` of ``optician_id``."""
    claim = parse_claim(data)
    trace = Trace()
    own_key = hashlib.sha256(public_key).digest()
    is_known = claim["optician_id"] == optician_id
    is_known = is_known and decode_base64url(claim["key_id"]) == own_key
    refuse_unless(is_known, "optician_unknown")

    tag = b"clairobscur/signature/v1"
    signed = {key: value for key, value in claim.items() if key != "signature"}
    message = i2osp(len(tag), 4) + tag + canonical(signed)
    signature = decode_base64url(claim["signature"])
    refuse_unless(is_ed25519_signature(public_key, message, signature), "signature_invalid")

    ours = (contract.document["insurer_id"], contract.document["contract_id"])
    same = (claim["insurer_id"], claim["contract_id"]) == ours
    same = same and decode_base64url(claim["contract_digest"]) == contract.digest()
    refuse_unless(same, "contract_mismatch")
    same = decode_base64url(claim["nomenclature_digest"]) == table.digest()
    refuse_unless(same, "nomenclature_mismatch")

    expires = datetime.strptime(claim["expires_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    refuse_unless(expires >= now, "expired")
    refuse_unless(expires <= now + timedelta(days=92), "expiry_too_far")
    day = date.fromisoformat(claim["date_of_service"])
    refuse_unless(day <= (now + timedelta(days=1)).date(), "date_in_future")

    validity = (contract.document["valid_from"], contract.document["valid_to"])
    in_force = validity[0] <= claim["date_of_service"] <= validity[1]
    refuse_unless(in_force, "contract_not_in_force")
    allowed = claim["statement"] in contract.document["statements"]
    refuse_unless(allowed, "statement_not_allowed")
    ground = claim["early_renewal_ground"]
    if ground is not None:
        is_listed = ground in contract.document["early_renewal_grounds"]
        refuse_unless(is_listed and claim["statement"] != "line", "ground_not_allowed")
    number = (day - date(2000, 1, 1)).days
    refuse_unless(0 <= number <= 65535, "statement_invalid")
    build = line_circuit if claim["statement"] == "line" else equipment_circuit
    circuit = build(claim, contract, table, day)
    circuit.require_no_wrap_around()
    publics = [number]
    if claim["amounts"] is not None:
        publics += [claim["amounts"]["lenses_cents"], claim["amounts"]["frame_cents"]]
    commitments = [decode_base64url(line["commitment"]) for line in claim["lines"]]
    refuse_unless(len(set(commitments)) == len(commitments), "statement_invalid")
    try:
        for commitment in commitments:
            decode_point(commitment)
    except Unreadable:
        raise Refused("statement_invalid") from None

    body = {key: value for key, value in signed.items() if key != "proof"}
    context = tagged_digest(b"clairobscur/context/v1", canonical(body))
    proof = decode_base64url(claim["proof"])
    verify_proof(circuit, publics, context, commitments, proof, trace)
    return trace


def judge_notice(data: bytes, kind: str, claim_data: bytes, public_key: bytes) -> Document:
    """The notice, if it fits the claim as recorded; ``public_key`` is registered for the claim's
    optician. Raises `Unreadable` or `Refused`."""
    notice, claim = parse_notice(data, kind), parse_claim(claim_data)
    is_named = decode_base64url(notice["key_id"]) == hashlib.sha256(public_key).digest()
    signature, message = decode_base64url(notice["signature"]), notice_signed_bytes(notice, kind)
    is_signed = is_named and is_ed25519_signature(public_key, message, signature)
    refuse_unless(is_signed, "signature_invalid")
    same = all(notice[key] == claim[key] for key in NOTICE_TEXTS)
    digest = tagged_digest(b"clairobscur/claim/v1", claim_data)
    same = same and decode_base64url(notice["claim_digest"]) == digest
    refuse_unless(same, "claim_differs")
    if kind == "invoice":
        own = [line["commitment"] for line in claim["lines"]]
        refuse_unless(notice["commitments"] == own, "commitments_differ")
        asked, granted = notice["amounts"], claim["amounts"]
        refuse_unless((asked is None) == (granted is None), "amount_above_grant")
        for key in asked or ():
            refuse_unless(asked[key] <= granted[key], "amount_above_grant")
        is_later = notice["date_of_delivery"] >= claim["date_of_service"]
        refuse_unless(is_later, "delivery_before_service")
    return notice


# -- Ed25519 (RFC 8032, section 5.1.7), which the standard library lacks ---------------------------

ED_PRIME = 2**255 - 19
ED_ORDER = 2**252 + 27742317777372353535851937790883648493
ED_D = -121665 * pow(121666, -1, ED_PRIME) % ED_PRIME
EdPoint = tuple[int, int]


def ed_add(left: EdPoint, right: EdPoint) -> EdPoint:
    (x1, y1), (x2, y2) = left, right
    k = ED_D * x1 * x2 * y1 * y2 % ED_PRIME
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, ED_PRIME)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, ED_PRIME)
    return x % ED_PRIME, y % ED_PRIME


def ed_multiply(scalar: int, point: EdPoint) -> EdPoint:
    total: EdPoint = (0, 1)
    while scalar:
        if scalar & 1:
            total = ed_add(total, point)
        point, scalar = ed_add(point, point), scalar >> 1
    return total


def ed_decode(data: bytes) -> EdPoint | None:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= ED_PRIME:
        return None
    square = (y * y - 1) * pow(ED_D * y * y + 1, -1, ED_PRIME) % ED_PRIME
    x = pow(square, (ED_PRIME + 3) // 8, ED_PRIME)
    if x * x % ED_PRIME != square:
        x = x * pow(2, (ED_PRIME - 1) // 4, ED_PRIME) % ED_PRIME
    if x * x % ED_PRIME != square or (x == 0 and sign):
        return None
    return (x if x % 2 == sign else ED_PRIME - x), y


def is_ed25519_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    key, R = ed_decode(public_key), ed_decode(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    base = ed_decode(i2osp(4 * pow(5, -1, ED_PRIME) % ED_PRIME, 32)[::-1])
    if key is None or R is None or base is None or s >= ED_ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    k = int.from_bytes(digest, "little") % ED_ORDER
    return ed_multiply(s, base) == ed_add(R, ed_multiply(k, key))
