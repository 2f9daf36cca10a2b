"""The field part of the protocol: every equation of a circuit at many points at once.

For wires' values f_1…f_n at a point x (f_i = w_i·x + a_i), powers y^e and public inputs u, the
verifier's equation (ii) needs

    g   = Σ_e y^e · F_e(f; x),   F_e = x^(D − deg e) · P_e^hom(f; x)
    h_s = Σ_l y^(E+l) · Λ_{l,s}(f; x), made homogeneous of degree D the same way.

A verifier asks for one point, a batch for one a proof, a prover for D + 1 (and interpolates the
polynomials in X from them). A table is laid out as a matrix whose rows are numbered by the high
digits and whose columns by the low ones; the products of the low digits' indicators, for all points
together, are multiplied onto it as one matrix product, and the result is met by the products of the
high digits' indicators. The matrix product runs in float64 on limbs and is exact, see `_contract`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from operator import mul
from typing import TypeAlias

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from zk.field import Scalar, powers
from zk.relation import Circuit, Column, Expression, LinearForm, Zero

_Vector: TypeAlias = list[Scalar]
_Matrix: TypeAlias = NDArray[np.float64]

_LIMBS = 16  # of 16 bits: a scalar
_CARRY_LIMBS = 4  # room for what a sum of products exceeds them by
_CHUNK_BITS = 24
MAX_LOW = 1 << 53 - 16 - _CHUNK_BITS  # longest vector for which `_contract` is exact


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
        self.columns = sorted(
            {c.column for c in _columns_read(circuit) if c.selector in self.selectors}
        )
        # Split the digits so that the two halves of the product tensor cost least (measured): the
        # low half is computed and written in limbs, the high one also read from limbs, once a
        # column.
        self.split = min(
            (j for j in range(len(radix) + 1) if prod(radix[:j]) <= MAX_LOW),
            key=lambda j: 2 * prod(radix[:j]) + (1 + 3 * len(self.columns)) * prod(radix[j:]),
        )
        self.low = prod(radix[: self.split])
        self.high = prod(radix[self.split :])
        self._matrices = []
        for column in self.columns:
            entries = circuit.tables[table].columns[column]
            padded = [*entries, *[entries[-1]] * (self.low * self.high - len(entries))]
            self._matrices.append(_chunks(padded, (self.high, self.low)))

    def products(self, lows: Sequence[_Vector]) -> list[list[list[int]]]:
        """For each low vector and column, the ``high`` entries of their product, as integers."""
        flat = b"".join([v.to_bytes(_LIMBS * 2, "little") for low in lows for v in low])
        by_limb = np.frombuffer(flat, dtype="<u2").reshape(-1, _LIMBS).T
        limbs = by_limb.astype(np.float64, order="C")
        # A row a limb and vector, the limbs slowest; in blocks so small that BLAS starts no thread.
        blocks = limbs.reshape(len(lows), _LIMBS, self.low)
        results: list[list[list[int]]] = [[] for _ in lows]
        for first, *others in self._matrices:
            entries = _contract(blocks, first)
            for number, chunk in enumerate(others, start=1):
                part = _contract(blocks, chunk)
                entries = [
                    e + (p << _CHUNK_BITS * number) for e, p in zip(entries, part, strict=True)
                ]
            for place, result in enumerate(results):
                result.append(entries[place * self.high : (place + 1) * self.high])
        return results


def _chunks(entries: Sequence[int], shape: tuple[int, int]) -> list[_Matrix]:
    """The entries as a matrix (low by high), or as several of 24 bits each if any is larger."""
    count = max(1, -(-max(entries).bit_length() // _CHUNK_BITS))
    mask = (1 << _CHUNK_BITS) - 1
    chunks = ([entry >> _CHUNK_BITS * i & mask for entry in entries] for i in range(count))
    return [np.array(chunk, dtype=np.float64).reshape(shape).T for chunk in chunks]


def _contract(blocks: _Matrix, right: _Matrix) -> list[int]:
    """The products of vectors of 256-bit integers, given in 16-bit limbs, with ``right``.

    ``blocks`` holds a row for each limb and vector, the limbs slowest; the result holds all entries
    of the first vector's product, then of the second's. Entries of ``right`` are below 2^24 and
    limbs below 2^16, so that sums of up to 2^13 products stay below 2^53, where float64 is exact
    whatever the order of summation. Carries are resolved in int64.
    """
    count, columns = len(blocks), right.shape[1]
    sums = np.matmul(blocks, right).reshape(_LIMBS, count, columns).astype(np.int64)
    digits = np.empty((count, columns, _LIMBS + _CARRY_LIMBS), dtype="<u2")
    carry = np.zeros((count, columns), dtype=np.int64)
    for limb in range(_LIMBS + _CARRY_LIMBS):
        if limb < _LIMBS:
            carry += sums[limb]
        digits[:, :, limb] = carry & 0xFFFF
        carry >>= 16
    flat, width = digits.tobytes(), 2 * (_LIMBS + _CARRY_LIMBS)
    return [int.from_bytes(flat[i : i + width], "little") for i in range(0, len(flat), width)]


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
            elif equation.base == 2 and equation.form.is_wire:
                self._bits.append((number, equation.form.wires[0][0]))
            else:
                self._digits.setdefault(equation.base, []).append((number, equation.form))
        count = len(circuit.equations)
        self._slots = [
            [
                (count + l, line[s])
                for l, line in enumerate(circuit.lines)
                if line[s] != Expression()
            ]
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
            for (number, index, high), products in zip(highs, group.products(lows), strict=True):
                for column, product in zip(group.columns, products, strict=True):
                    results[number][Column(index, column)] = (
                        sum(map(mul, high, product), mpz(0)) % q
                    )
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
    """The `Evaluator` of a circuit; kept, because laying out the tables costs more than using
    them."""
    return Evaluator(circuit, order)
