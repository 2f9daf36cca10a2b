"""The prover (``docs/protocol.md``, section "The protocol").

    1. P → V  B = Σ w_i·G_i + r_B·H,  A = Σ a_i·G_i + r_A·H
    2. V → P  y
    3. P → V  T_k = g_k·G + Σ_s h_{k,s}·J_s + ρ_k·H   for k < D
    4. V → P  x
    5. P → V  f_i = w_i·x + a_i,  z_1 = r_B·x + r_A,  z_2 = Σ_k ρ_k·x^k + x^D·Σ_l y^(E+l)·r_l

where Σ_k g_k X^k and Σ_k h_{k,s} X^k are what the verifier's field part becomes along f(X) = w·X +
a. The prover evaluates that same field part at X = 0…D−1, knows the coefficient at X^D, and
interpolates (`zk.evaluate`). Every multiplication of a secret is a fixed-length sum
(`Group.fixed_sum`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from zk.commitment import Opening
from zk.encoding import Proof
from zk.errors import WitnessError
from zk.evaluate import evaluator_of
from zk.field import Scalar, encode_scalar, powers
from zk.generators import Generators
from zk.group import FIXED_DIGIT_LIMIT, Point
from zk.instance import Instance, start_transcript
from zk.randomness import hedged_scalars
from zk.relation import Circuit


@dataclass(frozen=True)
class Masks:
    """The prover's random numbers: n + 2 + D uniform scalars, used for one proof only. Secret."""

    a: Sequence[Scalar] = field(repr=False)
    r_A: Scalar = field(repr=False)
    r_B: Scalar = field(repr=False)
    rho: Sequence[Scalar] = field(repr=False)

    @staticmethod
    def count(circuit: Circuit) -> int:
        """How many scalars a proof for ``circuit`` needs."""
        return circuit.wires + 2 + circuit.degree

    @classmethod
    def of(cls, circuit: Circuit, scalars: Sequence[Scalar]) -> Masks:
        """Masks from `count` scalars."""
        n = circuit.wires
        return cls(scalars[:n], scalars[n], scalars[n + 1], scalars[n + 2 :])


class InteractiveProver:
    """The three messages of the prover, one method each, for challenges from anywhere.

    Answering two challenges with the same masks reveals the witness: only `prove` and tests use
    this. Raises `WitnessError` if the wires do not satisfy the circuit or do not fit the openings.
    """

    def __init__(
        self,
        generators: Generators,
        instance: Instance,
        wires: Sequence[int],
        openings: Sequence[Opening],
        masks: Masks,
    ) -> None:
        circuit = instance.circuit
        circuit.check_witness(wires, instance.publics)
        line_values = circuit.line_values(wires, instance.publics)
        if [list(opening.values) for opening in openings] != line_values:
            raise WitnessError("the openings do not hold the values of the circuit's lines")
        self._generators, self._instance, self._masks = generators, instance, masks
        self._w, self._openings = wires, openings
        self._small = _small_wires(circuit)
        self._y_powers: list[Scalar] = []

    def announce(self) -> tuple[Point, Point]:
        """First message: B and A."""
        g, masks, n = self._generators, self._masks, self._instance.circuit.wires
        W = [g.base(point) for point in g.W(n)]
        H = g.base(g.H)
        q = g.group.order
        large = [i for i in range(n) if i not in self._small]
        digits = g.group.fixed_digit_sum(
            [self._w[i] for i in sorted(self._small)], [W[i] for i in sorted(self._small)]
        )
        rest = g.group.fixed_sum(
            [*(mpz(self._w[i]) % q for i in large), masks.r_B], [*(W[i] for i in large), H]
        )
        return g.group.sum([digits, rest]), g.group.fixed_sum([*masks.a, masks.r_A], [*W, H])

    def combine(self, y: Scalar) -> list[Point]:
        """Second message: T_0…T_{D−1}."""
        g, circuit, masks = self._generators, self._instance.circuit, self._masks
        q, D = g.group.order, circuit.degree
        self._y_powers = powers(y, len(circuit.equations) + len(circuit.lines), q)
        tops = [mpz(0), *(self._line_sum(s) % q for s in range(circuit.slots))]
        g_k, *h = evaluator_of(circuit, q).coefficients(
            [mpz(w) % q for w in self._w], masks.a, y, self._instance.publics, tops
        )
        J, H, G = g.J(circuit.slots), g.base(g.H), g.base(g.G)
        slots = [(g.base(J[s]), first, h[s]) for s, first in _slot_supports(circuit)]
        message = []
        for k in range(D):
            terms = [(g_k[k], G), (masks.rho[k], H)]
            terms += [(h_s[k], base) for base, first, h_s in slots if k >= first]
            message.append(g.group.fixed_sum([s for s, _ in terms], [b for _, b in terms]))
        return message

    def _line_sum(self, slot: int) -> Scalar:
        """Σ_l y^(E+l)·m_{l,slot}, the coefficient at X^D of h_slot."""
        line_powers = self._y_powers[len(self._instance.circuit.equations) :]
        return sum(
            (y * o.values[slot] for y, o in zip(line_powers, self._openings, strict=True)), mpz(0)
        )

    def respond(self, x: Scalar) -> tuple[list[Scalar], Scalar, Scalar]:
        """Third message: f, z_1, z_2."""
        circuit, masks, q = self._instance.circuit, self._masks, self._generators.group.order
        f = [(w * x + a) % q for w, a in zip(self._w, masks.a, strict=True)]
        z_1 = (masks.r_B * x + masks.r_A) % q
        x_powers = powers(x, circuit.degree + 1, q)
        z_2 = sum((rho * power for rho, power in zip(masks.rho, x_powers, strict=False)), mpz(0))
        line_powers = self._y_powers[len(circuit.equations) :]
        lines = sum((y * o.r for y, o in zip(line_powers, self._openings, strict=True)), mpz(0))
        return f, z_1, (z_2 + x_powers[-1] * (lines % q)) % q


def _small_wires(circuit: Circuit) -> set[int]:
    """Wires that a digit equation keeps below `FIXED_DIGIT_LIMIT`: public, like the circuit."""
    return {wire for wire, maximum in circuit.maxima.items() if maximum < FIXED_DIGIT_LIMIT}


def _slot_supports(circuit: Circuit) -> list[tuple[int, int]]:
    """(s, k) for each slot in use: h_{k',s} = 0 for all k' < k, by the structure of the circuit
    alone."""
    supports = []
    for s in range(circuit.slots):
        expressions = [line[s] for line in circuit.lines]
        if any(e.columns or e.form.wires for e in expressions):
            degree = max(circuit.expression_degree(e) for e in expressions)
            supports.append((s, circuit.degree - degree))
    return supports


def prove(
    generators: Generators,
    instance: Instance,
    wires: Sequence[int],
    openings: Sequence[Opening],
    *,
    secret: bytes = b"",
) -> Proof:
    """A non-interactive proof of ``instance`` from its witness.

    ``secret`` is the prover's long-lived hedging key (`zk.randomness`). Raises `WitnessError` if
    the wires do not satisfy the circuit, `StatementError` if instance and group do not fit. Whoever
    passes openings that do not open ``instance.commitments`` gets a proof that will be rejected.
    """
    group, circuit = generators.group, instance.circuit
    start = start_transcript(group, instance)
    bound = [
        instance.encode(group),
        b",".join(b"%d" % w for w in wires),
        *(encode_scalar(opening.r) for opening in openings),
    ]
    while True:
        scalars = hedged_scalars(Masks.count(circuit), group.order, secret, bound)
        prover = InteractiveProver(
            generators, instance, wires, openings, Masks.of(circuit, scalars)
        )
        transcript = start.copy()
        B, A = prover.announce()
        if not (B and A):
            continue  # an identity cannot be sent; probability about 2/q
        transcript.absorb(group.encode(B), group.encode(A))
        T = prover.combine(transcript.challenge())
        if not all(T):
            continue
        transcript.absorb(*map(group.encode, T))
        f, z_1, z_2 = prover.respond(transcript.challenge())
        return Proof(B, A, tuple(T), tuple(f), z_1, z_2)
