"""A second verifier, written to be read, that can be weakened in one named point at a time.

It computes what is left of equations (i) and (ii) as two points, with a field part of its own, and
accepts when their weighted sum is the identity. Without a weakness it decides like `zk.verify`;
each weakness is a mistake that an implementation could make, and `tests.support.forgers` holds the
attack that makes it pay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from secrets import randbelow

from gmpy2 import mpz

from zk.encoding import Proof
from zk.errors import ProofRejected
from zk.field import Scalar
from zk.generators import Generators
from zk.group import Group, Point
from zk.instance import PUBLIC_BYTES, Instance
from zk.relation import Circuit, Digit, Equation, Expression, LinearForm, Selector
from zk.sponge import CHALLENGE_BYTES, DuplexSponge, decode_challenge, derive_session_id
from zk.transcript import PROOF, session_tag


@dataclass(frozen=True)
class Weakness:
    """What a verifier gets wrong; by default nothing."""

    unbound: frozenset[str] = frozenset()
    """Messages left out of the transcript: session, circuit, context, publics, C_0…, B, A, T_0…"""
    equal_weights: bool = False
    """One pair of weights for all proofs of a batch."""
    weight_per_proof: bool = False
    """(i) and (ii) of a proof share its random weight."""
    sum_with_weight_one: bool = False
    """(i) and (ii) are simply added."""
    any_number_of_T: bool = False
    """Σ x^k·T_k runs over as many T_k as the proof brings."""
    lines_share_powers: bool = False
    """Line l has the power y^l, which equation l has too, instead of y^(E+l)."""
    lines_share_one_power: bool = False
    """Every line has the power y^E."""
    equations_share_one_power: bool = False
    """Every equation has the power y^0."""
    padding_reads_zero: bool = False
    """Row numbers past the last row read 0 instead of the last row."""
    zero_digit_has_no_indicator: bool = False
    """1 − Σ b_v, which says that a digit is 0, is forgotten: no b_v set means nothing is read."""


NONE = Weakness()


class WeakVerifier:
    """The verifier's side of the protocol, also message by message, for provers that deviate."""

    def __init__(
        self, generators: Generators, weakness: Weakness = NONE, protocol: str = PROOF
    ) -> None:
        self.generators, self.weakness, self.protocol = generators, weakness, protocol

    @property
    def group(self) -> Group:
        """The group of the generators."""
        return self.generators.group

    # -- Fiat–Shamir ---------------------------------------------------------------------------

    def challenge_y(self, instance: Instance, B: Point, A: Point) -> Scalar:
        """y, after the first message."""
        return self._draw(self._first_absorbed(instance, B, A))

    def challenges(
        self, instance: Instance, B: Point, A: Point, T: Sequence[Point]
    ) -> tuple[Scalar, Scalar]:
        """(y, x), after the second message."""
        sponge = self._first_absorbed(instance, B, A)
        y = self._draw(sponge)
        self._absorb(sponge, ((f"T_{k}", self.group.encode(point)) for k, point in enumerate(T)))
        return y, self._draw(sponge)

    def _first_absorbed(self, instance: Instance, B: Point, A: Point) -> DuplexSponge:
        bound = "session" not in self.weakness.unbound
        tag = session_tag(self.group, self.protocol) if bound else b""
        sponge = DuplexSponge(derive_session_id(tag))
        publics = b"".join(value.to_bytes(PUBLIC_BYTES, "big") for value in instance.publics)
        lines = [(f"C_{l}", self.group.encode(C)) for l, C in enumerate(instance.commitments)]
        head = [
            ("circuit", instance.circuit.digest),
            ("context", instance.context),
            ("publics", publics),
        ]
        tail = [("B", self.group.encode(B)), ("A", self.group.encode(A))]
        self._absorb(sponge, head + lines + tail)
        return sponge

    def _absorb(self, sponge: DuplexSponge, messages: Iterable[tuple[str, bytes]]) -> None:
        for name, data in messages:
            if name not in self.weakness.unbound:
                sponge.absorb(data)

    def _draw(self, sponge: DuplexSponge) -> Scalar:
        return decode_challenge(sponge.squeeze(CHALLENGE_BYTES), self.group.order)

    # -- field part ----------------------------------------------------------------------------

    def equation_power(self, y: Scalar, e: int) -> Scalar:
        """The power of y that belongs to equation e."""
        return pow(y, 0 if self.weakness.equations_share_one_power else e, self.group.order)

    def line_power(self, circuit: Circuit, y: Scalar, l: int) -> Scalar:
        """The power of y that belongs to line l."""
        first = 0 if self.weakness.lines_share_powers else len(circuit.equations)
        own = 0 if self.weakness.lines_share_one_power else l
        return pow(y, first + own, self.group.order)

    def field_part(
        self,
        circuit: Circuit,
        publics: Sequence[int],
        f: Sequence[Scalar],
        x: Scalar,
        y: Scalar,
    ) -> tuple[Scalar, list[Scalar]]:
        """(g, h): what equation (ii) has on G and on each J_s."""
        q, D = self.group.order, circuit.degree
        g, h = mpz(0), [mpz(0)] * circuit.slots
        for e, equation in enumerate(circuit.equations):
            value, degree = self._equation(circuit, equation, publics, f, x)
            g += self.equation_power(y, e) * pow(x, D - degree, q) * value
        for l, line in enumerate(circuit.lines):
            for s, expression in enumerate(line):
                value = self.expression(circuit, expression, publics, f, x)
                lift = pow(x, D - circuit.expression_degree(expression), q)
                h[s] += self.line_power(circuit, y, l) * lift * value
        return g % q, [value % q for value in h]

    def _equation(
        self,
        circuit: Circuit,
        equation: Equation,
        publics: Sequence[int],
        f: Sequence[Scalar],
        x: Scalar,
    ) -> tuple[Scalar, int]:
        """(value, degree) of P_e, homogeneous."""
        if isinstance(equation, Digit):
            form = _form(equation.form, publics, f, x)
            return prod(
                form - j * x for j in range(equation.base)
            ) % self.group.order, equation.base
        expression = equation.expression
        degree = circuit.expression_degree(expression)
        return self.expression(circuit, expression, publics, f, x), degree

    def expression(
        self,
        circuit: Circuit,
        expression: Expression,
        publics: Sequence[int],
        f: Sequence[Scalar],
        x: Scalar,
    ) -> Scalar:
        """An expression, homogeneous of its own degree; with x = 1 its plain value on the wires
        f."""
        q, degree = self.group.order, circuit.expression_degree(expression)
        total = pow(x, degree - 1, q) * _form(expression.form, publics, f, x)
        for column, coefficient in expression.columns:
            selector = circuit.selectors[column.selector]
            entries = circuit.tables[selector.table].columns[column.column]
            value = self._column(selector, entries, f, x)
            total += coefficient * pow(x, degree - selector.degree, q) * value
        return total % q

    def _column(
        self, selector: Selector, entries: Sequence[int], f: Sequence[Scalar], x: Scalar
    ) -> Scalar:
        """``Σ_i T[i]·Π_j e_{j,digit_j(i)}`` over all row numbers i that the digits can write."""
        past_the_end = 0 if self.weakness.padding_reads_zero else entries[-1]
        total = mpz(0)
        # The highest digit runs slowest, so that the rows come in order.
        for row, digits in enumerate(product(*(range(u) for u in reversed(selector.radix)))):
            term = mpz(entries[row] if row < len(entries) else past_the_end)
            for position, digit in enumerate(reversed(digits)):
                if digit == 0 and self.weakness.zero_digit_has_no_indicator:
                    term = mpz(0)
                else:
                    term *= _form(selector.indicator(position, digit), (), f, x)
            total += term % self.group.order
        return total % self.group.order

    # -- group part ----------------------------------------------------------------------------

    def residuals(self, instance: Instance, proof: Proof) -> tuple[Point, Point]:
        """Left side minus right side of (i) and of (ii): the identity where the equation holds."""
        circuit, g = instance.circuit, self.generators
        q, D, n = self.group.order, circuit.degree, circuit.wires
        y, x = self.challenges(instance, proof.B, proof.A, proof.T)
        on_G, on_J = self.field_part(circuit, instance.publics, proof.f, x, y)
        first = self._combine(
            [x, mpz(1), *(-f for f in proof.f), -proof.z_1], [proof.B, proof.A, *g.W(n), g.H]
        )
        lines = [pow(x, D, q) * self.line_power(circuit, y, l) for l in range(len(circuit.lines))]
        second = self._combine(
            [
                *(pow(x, k, q) for k in range(len(proof.T))),
                *lines,
                -on_G,
                *(-h for h in on_J),
                -proof.z_2,
            ],
            [*proof.T, *instance.commitments, g.G, *g.J(circuit.slots), g.H],
        )
        return first, second

    def _combine(self, scalars: Sequence[Scalar], points: Sequence[Point]) -> Point:
        return self.group.msm([k % self.group.order for k in scalars], points)

    def _weights(self, count: int) -> list[tuple[Scalar, Scalar]]:
        def fresh() -> Scalar:
            return mpz(1 + randbelow((1 << 128) - 1))

        if self.weakness.sum_with_weight_one:
            return [(mpz(1), mpz(1))] * count
        if self.weakness.weight_per_proof:
            return [(weight, weight) for weight in (fresh() for _ in range(count))]
        if self.weakness.equal_weights:
            return [(fresh(), fresh())] * count
        return [(fresh(), fresh()) for _ in range(count)]

    def verify(self, *items: tuple[Instance, Proof]) -> None:
        """Accept all the proofs by one weighted sum, or raise `ProofRejected`."""
        scalars: list[Scalar] = []
        points: list[Point] = []
        for (instance, proof), weights in zip(items, self._weights(len(items)), strict=True):
            T_fits = len(proof.T) == instance.circuit.degree or self.weakness.any_number_of_T
            if not T_fits or len(proof.f) != instance.circuit.wires:
                raise ProofRejected("shape")
            scalars += weights
            points += self.residuals(instance, proof)
        if self._combine(scalars, points):
            raise ProofRejected("proof_invalid")


def _form(form: LinearForm, publics: Sequence[int], f: Sequence[Scalar], x: Scalar) -> Scalar:
    """A linear form with wires f, constants and public inputs multiplied by x."""
    constant = form.constant + sum(c * publics[j] for j, c in form.publics)
    return sum((c * f[wire] for wire, c in form.wires), constant * x)


# -- weakened circuits -------------------------------------------------------------------------


def unchecked_circuit(
    like: Circuit, *, equations: Iterable[Equation] | None = None, wires: int | None = None
) -> Circuit:
    """``like`` with other equations or fewer demands, made without the constructor's check."""
    circuit = object.__new__(Circuit)
    values = {
        "wires": like.wires if wires is None else wires,
        "publics": like.publics,
        "slots": like.slots,
        "tables": like.tables,
        "selectors": like.selectors,
        "equations": like.equations if equations is None else tuple(equations),
        "lines": like.lines,
    }
    for name, value in values.items():
        object.__setattr__(circuit, name, value)
    return circuit


def checked_again(circuit: Circuit) -> Circuit:
    """The same circuit through the constructor; raises `StatementError` where that refuses it."""
    return Circuit(
        circuit.wires,
        circuit.publics,
        circuit.slots,
        circuit.tables,
        circuit.selectors,
        circuit.equations,
        circuit.lines,
    )
