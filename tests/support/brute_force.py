"""An attacker who has a claim and tries every code with every likely price.

He computes whatever the published values let him compute, and looks for something that a wrong
guess would not show. Each attack names one slip in the prover's randomness: it finds code and price
exactly if that slip was made (the tests make each), and nothing in a claim made as it should be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from gmpy2 import invert

from circuits.canonical import canonical_bytes, decode_base64url
from circuits.claim import Claim, build_instance
from circuits.contract import Contract
from circuits.items import Article
from circuits.nomenclature import Nomenclature
from circuits.slots import encode_day
from zk.encoding import Proof, decode_proof
from zk.field import Scalar
from zk.generators import Generators
from zk.group import Point
from zk.instance import Instance
from zk.verify import challenges

SMALL = 500
"""Blindings and masks from 0 to this are recognised."""

Guess = tuple[int, int]  # code, price in cents


def hashed_blinding(code: int, price: int) -> int:
    """A blinding that somebody might derive from what it should hide."""
    return int.from_bytes(hashlib.sha256(b"%d,%d" % (code, price)).digest(), "big")


def digests_of(code: int, price: int) -> Iterator[bytes]:
    """Plain digests of a guess in the forms that come to mind."""
    for text in (f"{code}", f"{code}{price}", f"{code},{price}", f"{code}|{price}", f"{price}"):
        for name in ("md5", "sha1", "sha256", "sha512", "blake2b"):
            yield hashlib.new(name, text.encode()).digest()
    for parts in ({"code": code, "price_cents": price}, [code, price]):
        yield hashlib.sha256(canonical_bytes(parts)).digest()


@dataclass
class Attacker:
    """Has a claim of statement ``line`` whose lens has no correction, and all that is public."""

    claim: Claim
    contract: Contract
    nomenclature: Nomenclature
    generators: Generators
    prices: Sequence[int]

    def __post_init__(self) -> None:
        self.group = self.generators.group
        self.q = self.group.order
        self.statement, self.instance = build_instance(
            self.claim, self.contract, self.nomenclature, self.group
        )
        self.proof: Proof = decode_proof(
            self.claim.proof_bytes(), self.instance.circuit, self.group
        )
        y, self.x = challenges(self.group, self.instance, self.claim.proof_bytes())
        circuit = self.instance.circuit
        self.line_weight: Scalar = pow(y, len(circuit.equations), self.q)
        line = self.claim.lines[0]
        assert line.regroupement is not None
        rows = self.nomenclature.class_rows(line.regroupement, self.claim.date_of_service)
        self.codes = [row.code for row in rows]

    # -- what every guess makes of the published points ------------------------------------

    @cached_property
    def commitment_rests(self) -> dict[Point, Guess]:
        """C − code·J_1 − price·J_2 − date·J_3 for every guess; r·H for the right one."""
        J = self.generators.J(4)
        (C,) = self.instance.commitments
        day = encode_day(self.claim.date_of_service)
        start = self.group.sum([C, self.group.neg(self.group.mul(day, J[2]))])
        minus_price = {p: self.group.neg(self.group.mul(p, J[1])) for p in self.prices}
        rests = {}
        for code in self.codes:
            base = self.group.sum([start, self.group.neg(self.group.mul(code, J[0]))])
            for price in self.prices:
                rests[self.group.sum([base, minus_price[price]])] = code, price
        return rests

    @cached_property
    def wires(self) -> dict[Guess, tuple[int, ...]]:
        """The wires of every guess."""
        return {
            (code, price): tuple(self.statement.wires([Article(code, price)], None))
            for code in self.codes
            for price in self.prices
        }

    @cached_property
    def announcement_rests(self) -> dict[Point, Guess]:
        """B − Σ w_i·G_i for every guess; r_B·H for the right one."""
        W = self.generators.W(self.instance.circuit.wires)
        minus: dict[tuple[int, int], Point] = {}
        rests = {}
        for guess, wires in self.wires.items():
            for wire in enumerate(wires):
                if wire not in minus:
                    minus[wire] = self.group.neg(self.group.mul(wire[1], W[wire[0]]))
            terms = [minus[wire] for wire in enumerate(wires) if wire[1]]
            rests[self.group.sum([self.proof.B, *terms])] = guess
        return rests

    @cached_property
    def small_multiples(self) -> list[Point]:
        """0·H … SMALL·H."""
        H = self.generators.H
        return [self.group.mul(k, H) for k in range(SMALL + 1)]

    # -- attacks ----------------------------------------------------------------------------

    def small_blinding(self) -> set[Guess]:
        """r is small."""
        return _found(self.commitment_rests, self.small_multiples)

    def derived_blinding(self) -> set[Guess]:
        """r is a hash of what it hides."""
        H = self.generators.H
        return {
            guess
            for rest, guess in self.commitment_rests.items()
            if rest == self.group.mul(hashed_blinding(*guess), H)
        }

    def leaked_blinding(self) -> set[Guess]:
        """The ρ_k are zero, so z_2 = x^D·y^E·r gives r."""
        D = self.instance.circuit.degree
        r = self.proof.z_2 * invert(pow(self.x, D, self.q) * self.line_weight, self.q)
        return _found(self.commitment_rests, [self.group.mul(r, self.generators.H)])

    def small_announcement_mask(self) -> set[Guess]:
        """r_B is small."""
        return _found(self.announcement_rests, self.small_multiples)

    def leaked_announcement_mask(self) -> set[Guess]:
        """r_A is zero, so z_1 = r_B·x gives r_B."""
        r_B = self.proof.z_1 * invert(self.x, self.q)
        return _found(self.announcement_rests, [self.group.mul(r_B, self.generators.H)])

    def small_masks(self) -> set[Guess]:
        """The a_i are small: f_i − w_i·x tells whether w_i is right."""
        return {
            guess
            for guess, wires in self.wires.items()
            if all(
                (f - w * self.x) % self.q <= SMALL for f, w in zip(self.proof.f, wires, strict=True)
            )
        }

    def published_digest(self) -> set[Guess]:
        """Something published is a plain digest of code and price, whole or cut short."""
        published = _published_values(self.claim, self.instance, self.proof)
        return {
            (code, price)
            for code in self.codes
            for price in self.prices
            for digest in digests_of(code, price)
            if {digest, digest[:16], digest[:32], digest.hex()[:32].encode()} & published
        }

    def attacks(self) -> dict[str, Callable[[], set[Guess]]]:
        """Every attack by its name."""
        return {
            attack.__name__: attack
            for attack in (
                self.small_blinding,
                self.derived_blinding,
                self.leaked_blinding,
                self.small_announcement_mask,
                self.leaked_announcement_mask,
                self.small_masks,
                self.published_digest,
            )
        }


def _found(rests: dict[Point, Guess], recognised: Sequence[Point]) -> set[Guess]:
    return {rests[point] for point in recognised if point in rests}


def _published_values(claim: Claim, instance: Instance, proof: Proof) -> set[bytes]:
    """Every text of the claim, what it decodes to, and every scalar of the proof."""
    values = {int(scalar).to_bytes(32, "big") for scalar in (*proof.f, proof.z_1, proof.z_2)}
    document = claim.model_dump(mode="json")
    texts = [value for value in document.values() if isinstance(value, str)]
    texts += [line["commitment"] for line in document["lines"]]
    for text in texts:
        values.add(text.encode())
        try:
            values.add(decode_base64url(text))
        except Exception:  # a date, an identifier
            continue
    return values | {instance.context}
