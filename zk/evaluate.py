"""The field part of the protocol: every equation of a circuit at many points at once.

For wires' values f_1…f_n at a point x (f_i = w_i·x + a_i), powers y^e and public inputs u, the verifier's
equation (ii) needs

    g   = Σ_e y^e · F_e(f; x),   F_e = x^(D − deg e) · P_e^hom(f; x)
    h_s = Σ_l y^(E+l) · Λ_{l,s}(f; x), made homogeneous of degree D the same way.

A verifier asks for one point, a batch for one a proof, a prover for D + 1 (and interpolates the
polynomials in X from them). A table is laid out as a matrix whose rows are numbered by the high digits
and whose columns by the low ones; the products of the low digits' indicators, for all points
together, are multiplied onto it as one integer matrix product, and the result is met by the products of the
high digits' indicators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from operator import mul
from typing import TypeAlias

from flint import fmpz_mat
from gmpy2 import mpz

from zk.field import Scalar, powers
from zk.relation import Circuit, Column, Digit, Expression, LinearForm, Zero

_Vector: TypeAlias = list[Scalar]


@dataclass(frozen=True)
class Point:
    """Where to evaluate: wires f (n scalars), x, powers of y (E + L scalars), public inputs."""

    f: Sequence[Scalar]
    x: Scalar
    y_powers: Sequence[Scalar]
    publics: Sequence[int]


@dataclass(frozen=True)
class Value:
    """Result at one point: ``g`` on the generator G, ``h[s]`` on J_{s+1}."""

    g: Scalar
    h: tuple[Scalar, ...]


class _TableGroup:
    """All selectors that read the same table with the same radix, and the columns anybody reads."""

    def __init__(self, circuit: Circuit, table: int, radix: tuple[int, ...]) -> None:
        self.selectors = [
            index
            for index, selector in enumerate(circuit.selectors)
            if (selector.table, selector.radix) == (table, radix)
        ]
        self.columns = sorted({c.column for c in _columns_read(circuit) if c.selector in self.selectors})
        # Split the digits so that the two halves of the product tensor cost least: the low half
        # is computed and converted once, the high half also multiplied once a column.
        self.split = min(
            range(len(radix) + 1),
            key=lambda j: 2 * prod(radix[:j]) + (1 + 2 * len(self.columns)) * prod(radix[j:]),
        )
        self.low = prod(radix[: self.split])
        self.high = prod(radix[self.split :])
        rows = circuit.tables[table].rows
        entries: list[int] = []
        for column in self.columns:
            values = circuit.tables[table].columns[column]
            entries += values
            entries += [values[-1]] * (self.low * self.high - rows)
        self.matrix = fmpz_mat(len(self.columns) * self.high, self.low, entries)


def _columns_read(circuit: Circuit) -> set[Column]:
    read: set[Column] = set()
    for equation in circuit.equations:
        if isinstance(equation, Zero):
            read.update(column for column, _ in equation.expression.columns)
    for line in circuit.lines:
        read.update(column for expression in line for column, _ in expression.columns)
    return read


def _tensor(digits: Sequence[Sequence[Scalar]], q: Scalar) -> _Vector:
    """Products of one entry of each digit, the first digit running fastest."""
    product: _Vector = [mpz(1)]
    for position, digit in enumerate(digits):
        product = (
            list(digit) if position == 0 else [high * low % q for high in digit for low in product]
        )
    return product


def _linear(form: LinearForm, point: Point) -> Scalar:
    """A linear form at a point, constant and public inputs multiplied by x; not reduced."""
    constant = form.constant + sum(c * point.publics[j] for j, c in form.publics)
    return sum((c * point.f[wire] for wire, c in form.wires), constant * point.x)


def _digit_products(values: Sequence[Scalar], base: int, x: Scalar, q: Scalar) -> _Vector:
    """``Π_{0≤j<base} (v − j·x)`` for every v, two factors at a time.

    (v − jx)(v − (base−1−j)x) = t + j(base−1−j)x² with t = v(v − (base−1)x).
    """
    top, square = (base - 1) * x, x * x
    offsets = [j * (base - 1 - j) * square % q for j in range(1, base // 2)]
    middle = (base - 1) // 2 * x if base % 2 else None
    products = []
    for v in values:
        t = v * (v - top) % q
        product = t
        for offset in offsets:
            product = product * (t + offset) % q
        products.append(product if middle is None else product * (v - middle) % q)
    return products


class Evaluator:
    """A circuit prepared for evaluation modulo ``order``; see `evaluator_of`."""

    def __init__(self, circuit: Circuit, order: Scalar) -> None:
        self._circuit, self._q = circuit, order
        keys = sorted({(s.table, s.radix) for s in circuit.selectors})
        self._groups = [_TableGroup(circuit, table, radix) for table, radix in keys]
        self._bits: list[tuple[int, int]] = []  # (equation, wire): the common case, kept apart
        self._digits: dict[int, list[tuple[int, LinearForm]]] = {}
        self._zeros: list[tuple[int, Expression]] = []
        for number, equation in enumerate(circuit.equations):
            if isinstance(equation, Zero):
                self._zeros.append((number, equation.expression))
            elif equation.base == 2 and equation.form == LinearForm(0, equation.form.wires[:1]):
                wire, coefficient = equation.form.wires[0]
                if coefficient == 1:
                    self._bits.append((number, wire))
                    continue
                self._digits.setdefault(2, []).append((number, equation.form))
            else:
                self._digits.setdefault(equation.base, []).append((number, equation.form))
        count = len(circuit.equations)
        self._slots = [
            [(count + l, line[s]) for l, line in enumerate(circuit.lines) if line[s] != Expression()]
            for s in range(circuit.slots)
        ]

    def __call__(self, points: Sequence[Point]) -> list[Value]:
        """g and h at every point."""
        columns = self._columns(points)
        return [self._at(point, read) for point, read in zip(points, columns, strict=True)]

    def _columns(self, points: Sequence[Point]) -> list[dict[Column, Scalar]]:
        """Every column read, at every point, homogeneous of its selector's degree."""
        q, results = self._q, [dict[Column, Scalar]() for _ in points]
        for group in self._groups:
            lows: list[_Vector] = []
            highs: list[tuple[int, int, _Vector]] = []
            for number, point in enumerate(points):
                f, x = point.f, point.x
                for index in group.selectors:
                    digits = []
                    for wires in self._circuit.selectors[index].digits:
                        ones = [f[wire] for wire in wires]
                        digits.append([(x - sum(ones)) % q, *ones])
                    lows.append(_tensor(digits[: group.split], q))
                    highs.append((number, index, _tensor(digits[group.split :], q)))
            low_matrix = fmpz_mat(group.low, len(lows), [int(v) for row in zip(*lows, strict=True) for v in row])
            product = (group.matrix * low_matrix).transpose().entries()
            stride = len(group.columns) * group.high
            for place, (number, index, high) in enumerate(highs):
                for offset, column in enumerate(group.columns):
                    start = place * stride + offset * group.high
                    meets = map(int, product[start : start + group.high])
                    results[number][Column(index, column)] = sum(map(mul, high, meets), mpz(0)) % q
        return results

    def _at(self, point: Point, columns: dict[Column, Scalar]) -> Value:
        q, D, x, f, y = self._q, self._circuit.degree, point.x, point.f, point.y_powers
        x_powers = powers(x, D, q)

        def linear(form: LinearForm) -> Scalar:
            return _linear(form, point) % q

        def homogeneous(expression: Expression) -> Scalar:
            total = x_powers[D - 1] * linear(expression.form)
            for column, coefficient in expression.columns:
                degree = self._circuit.selectors[column.selector].degree
                total += coefficient * x_powers[D - degree] * columns[column]
            return total

        bits = sum((y[e] * (f[wire] * (f[wire] - x)) for e, wire in self._bits), mpz(0))
        g = x_powers[D - 2] * (bits % q)
        for base, equations in self._digits.items():
            values = [linear(form) for _, form in equations]
            vanishing = _digit_products(values, base, x, q)
            total = sum(map(mul, (y[e] for e, _ in equations), vanishing), mpz(0))
            g += x_powers[D - base] * (total % q)
        g += sum((y[e] * (homogeneous(expression) % q) for e, expression in self._zeros), mpz(0))
        h = tuple(
            sum((y[e] * (homogeneous(expression) % q) for e, expression in slot), mpz(0)) % q
            for slot in self._slots
        )
        return Value(g % q, h)


@lru_cache(maxsize=64)
def evaluator_of(circuit: Circuit, order: Scalar) -> Evaluator:
    """The `Evaluator` of a circuit; kept, because laying out the tables costs more than using them."""
    return Evaluator(circuit, order)
