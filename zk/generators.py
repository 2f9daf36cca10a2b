"""The generators H, J_s, G, G_i: points between which nobody knows a linear relation.

All come from RFC 9380 ``secp256k1_XMD:SHA-256_SSWU_RO_``. Line commitments outlive versions of the
proof, so H and the J_s have a domain-separation tag of their own.

=========  ==========================  =========
symbol     message                     tag
=========  ==========================  =========
H          ``"H"``                     LINE_DST
J_s        ``"J" ‖ I2OSP(s, 4)``       LINE_DST
G          ``"G"``                     PROOF_DST
G_i        ``"W" ‖ I2OSP(i, 4)``       PROOF_DST
=========  ==========================  =========

s and i count from 1.
"""

from __future__ import annotations

from functools import cache

from zk.group import FixedBase, Group, Point

LINE_DST = b"clairobscur-LINE-V01-with-secp256k1_XMD:SHA-256_SSWU_RO_"
PROOF_DST = b"clairobscur-PROOF-V01-with-secp256k1_XMD:SHA-256_SSWU_RO_"


class Generators:
    """The generators of one group, derived on first use and kept for the life of the process."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.H = group.hash_to_point(b"H", LINE_DST)
        self.G = group.hash_to_point(b"G", PROOF_DST)
        # Replaced whole and never changed in place: threads that meet here derive the same points.
        self._known: dict[bytes, tuple[Point, ...]] = {}
        self._bases: dict[Point, FixedBase] = {}
        self._public_bases: dict[Point, FixedBase] = {}

    def J(self, slots: int) -> list[Point]:
        """``[J_1, …, J_slots]``."""
        return self._series(b"J", LINE_DST, slots)

    def W(self, wires: int) -> list[Point]:
        """``[G_1, …, G_wires]``."""
        return self._series(b"W", PROOF_DST, wires)

    def _series(self, letter: bytes, dst: bytes, count: int) -> list[Point]:
        known = self._known.get(letter, ())
        if len(known) < count:
            missing = range(len(known) + 1, count + 1)
            derived = (
                self.group.hash_to_point(letter + i.to_bytes(4, "big"), dst) for i in missing
            )
            known = self._known[letter] = (*known, *derived)
        return list(known[:count])

    def public_points(self, wires: int, slots: int) -> list[Point]:
        """``[H, G, J_1…J_slots, G_1…G_wires]``, the order in which a verifier sums them."""
        return [self.H, self.G, *self.J(slots), *self.W(wires)]

    def base(self, point: Point) -> FixedBase:
        """The form of one of these generators for sums of secrets; made once (milliseconds), then
        kept."""
        base = self._bases.get(point)
        if base is None:
            base = self._bases[point] = self.group.fixed_base(point)
        return base

    def public_base(self, point: Point) -> FixedBase:
        """The form of one of these generators for a verifier's sums; made once, then kept."""
        base = self._public_bases.get(point)
        if base is None:
            base = self.group.public_base(point) or self.base(point)
            self._public_bases[point] = base
        return base

    def warm(self, wires: int, slots: int) -> None:
        """Prepare all generators of a circuit for a verifier, so that its sums are fast."""
        for point in self.public_points(wires, slots):
            self.public_base(point)

    def prepared(self, points: list[Point]) -> list[FixedBase] | None:
        """The verifier's forms if every one of ``points`` has been prepared, else None."""
        bases = [self._public_bases.get(point) for point in points]
        found = [base for base in bases if base is not None]
        return found if len(found) == len(bases) else None


@cache
def generators_of(group: Group) -> Generators:
    """The one `Generators` of ``group``."""
    return Generators(group)
