"""The field part of the protocol: every equation of a circuit at many points at once.

For wires' values f_1…f_n at a point x (f_i = w_i·x + a_i), powers y^e and public inputs u, the
verifier's equation (ii) needs

    g   = Σ_e y^e · F_e(f; x),   F_e = x^(D − deg e) · P_e^hom(f; x)
    h_s = Σ_l y^(E+l) · Λ_{l,s}(f; x), made homogeneous of degree D the same way.

A verifier asks for one point, a batch for one a proof, a prover for D (and interpolates the
polynomials in X from them). A table is laid out as a matrix whose rows are numbered by the high
digits and whose columns by the low ones; the products of the low digits' indicators, for all points
together, are multiplied onto it as one matrix product, and the result is met by the products of the
high digits' indicators. The matrix product runs in float64 on limbs and is exact, see `_contract`.

Where the compiled module is there (`zk.program`), it does all this instead, with the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from operator import mul
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

import zk.program
from zk.field import (
    SCALAR_BYTES,
    Scalar,
    decode_little,
    encode_little,
    interpolate,
    interpolation_matrix,
    powers,
)
from zk.program import program_of
from zk.relation import Circuit, Column, Expression, LinearForm, Zero

if TYPE_CHECKING:
    from zk._evaluate import Program

_Vector: TypeAlias = list[Scalar]
_Matrix: TypeAlias = NDArray[np.float64]

_LIMBS = 16  # of 16 bits: a scalar
_CARRY_LIMBS = 4  # room for what a sum of products exceeds them by
_CHUNK_BITS = 24
MAX_LOW = 1 << 53 - 16 - _CHUNK_BITS  # longest vector for which `_contract` is exact


@dataclass(frozen=True)
class Point:
    """Where to evaluate: wires f (n scalars), x, powers of y (E + L scalars), public inputs."""

    f: Sequence[Scalar] = field(repr=False)  # a prover's are secret
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


class _Term:
    """An expression with everything that does not depend on the point worked out."""

    def __init__(self, expression: Expression, circuit: Circuit, places: dict[Column, int]) -> None:
        self._form = expression.form
        self._columns = [
            (
                places[column],
                coefficient,
                circuit.degree - circuit.selectors[column.selector].degree,
            )
            for column, coefficient in expression.columns
        ]
        self._linear_power = circuit.degree - 1

    def __call__(self, point: Point, columns: _Vector, x_powers: _Vector) -> Scalar:
        """The expression made homogeneous of the circuit's degree; not reduced."""
        total = x_powers[self._linear_power] * linear_value(self._form, point)
        for place, coefficient, power in self._columns:
            total += coefficient * x_powers[power] * columns[place]
        return total


def linear_value(form: LinearForm, point: Point) -> Scalar:
    """A linear form at a point, constant and public inputs multiplied by x; not reduced."""
    constant = form.constant + sum([c * point.publics[j] for j, c in form.publics])
    return sum([c * point.f[wire] for wire, c in form.wires], constant * point.x)


class Evaluator:
    """A circuit prepared for evaluation modulo ``order`` in Python; see `evaluator_of`."""

    def __init__(self, circuit: Circuit, order: Scalar) -> None:
        self.circuit, self.order = circuit, order
        keys = sorted({(s.table, s.radix) for s in circuit.selectors})
        self._groups = [_TableGroup(circuit, table, radix) for table, radix in keys]
        # Everything read through selectors has its place in one vector: columns, then the implied
        # indicators 1 − Σ b of digits, which are both a factor of columns and a bit to be checked.
        self._places: dict[Column, int] = {}
        for group in self._groups:
            for index in group.selectors:
                for column in group.columns:
                    self._places[Column(index, column)] = len(self._places)
        indicators = [
            circuit.selectors[index].indicator(position, 0)
            for group in self._groups
            for index in group.selectors
            for position in range(circuit.selectors[index].degree)
        ]
        implied = {form: place for place, form in enumerate(indicators, start=len(self._places))}
        # Digit equations by base: of single wires, of implied indicators, of other forms.
        self._wires: dict[int, list[tuple[int, int]]] = {}
        self._implied: list[tuple[int, int]] = []
        self._forms: dict[int, list[tuple[int, LinearForm]]] = {}
        self._zeros: list[tuple[int, _Term]] = []
        for number, equation in enumerate(circuit.equations):
            if isinstance(equation, Zero):
                self._zeros.append((number, _Term(equation.expression, circuit, self._places)))
            elif equation.form.is_wire:
                wire = equation.form.wires[0][0]
                self._wires.setdefault(equation.base, []).append((number, wire))
            elif equation.base == 2 and equation.form in implied:
                self._implied.append((number, implied[equation.form]))
            else:
                self._forms.setdefault(equation.base, []).append((number, equation.form))
        self._bases = sorted({2, *self._wires, *self._forms})
        count = len(circuit.equations)
        self._slots = [
            [
                (count + l, _Term(line[s], circuit, self._places))
                for l, line in enumerate(circuit.lines)
                if line[s] != Expression()
            ]
            for s in range(circuit.slots)
        ]

    def __call__(self, points: Sequence[Point]) -> list[Value]:
        """g and h at every point."""
        reads = self.reads(points)
        return [self._at(point, read) for point, read in zip(points, reads, strict=True)]

    def coefficients(
        self,
        w: Sequence[Scalar],
        a: Sequence[Scalar],
        y: Scalar,
        publics: Sequence[int],
        tops: Sequence[Scalar],
    ) -> list[list[Scalar]]:
        """Coefficients at 1, X … X^(D−1) of g, h_1 … h_S along f(X) = w·X + a.

        ``tops`` are the coefficients at X^D. For the prover: w, a and the result are secret.
        """
        q, D = self.order, self.circuit.degree
        y_powers = powers(y, len(self.circuit.equations) + len(self.circuit.lines), q)
        values = self(
            [
                Point(
                    [(w_i * t + a_i) % q for w_i, a_i in zip(w, a, strict=True)],
                    mpz(t),
                    y_powers,
                    publics,
                )
                for t in range(D)
            ]
        )
        along = [[value.g for value in values]]
        along += [[value.h[s] for value in values] for s in range(self.circuit.slots)]
        return [
            interpolate([v - top * t**D for t, v in enumerate(at)], q)
            for at, top in zip(along, tops, strict=True)
        ]

    def reads(self, points: Sequence[Point]) -> list[_Vector]:
        """At every point: each column read, homogeneous of its selector's degree, then each implied
        indicator."""
        q = self.order
        columns: list[_Vector] = [[] for _ in points]
        indicators: list[_Vector] = [[] for _ in points]
        for group in self._groups:
            lows: list[_Vector] = []
            highs: list[tuple[int, _Vector]] = []
            for number, point in enumerate(points):
                f, x = point.f, point.x
                for index in group.selectors:
                    digits = []
                    for wires in self.circuit.selectors[index].digits:
                        ones = [f[wire] for wire in wires]
                        zero = (x - sum(ones)) % q
                        indicators[number].append(zero)
                        digits.append([zero, *ones])
                    lows.append(_tensor(digits[: group.split], q))
                    highs.append((number, _tensor(digits[group.split :], q)))
            for (number, high), products in zip(highs, group.products(lows), strict=True):
                for product in products:
                    columns[number].append(sum(map(mul, high, product), mpz(0)) % q)
        return [first + second for first, second in zip(columns, indicators, strict=True)]

    def _at(self, point: Point, reads: _Vector) -> Value:
        q, D, x, f, y = self.order, self.circuit.degree, point.x, point.f, point.y_powers
        x_powers = powers(x, D, q)
        g = mpz(0)
        for base in self._bases:
            wires, forms = self._wires.get(base, ()), self._forms.get(base, ())
            implied = self._implied if base == 2 else ()
            values = [f[wire] for _, wire in wires]
            values += [reads[place] for _, place in implied]
            values += [linear_value(form, point) % q for _, form in forms]
            weights = [y[e] for e, _ in (*wires, *implied, *forms)]
            if base == 2:
                vanishing = [v * (v - x) for v in values]
            else:
                vanishing = _digit_products(values, base, x, q)
            g += x_powers[D - base] * (sum(map(mul, weights, vanishing)) % q)
        g += sum([y[e] * (term(point, reads, x_powers) % q) for e, term in self._zeros])
        h = [
            sum([y[e] * (term(point, reads, x_powers) % q) for e, term in slot], mpz(0)) % q
            for slot in self._slots
        ]
        return Value(g % q, tuple(h))


class CompiledEvaluator:
    """The same by the compiled module, in time that does not depend on the points' wires."""

    def __init__(self, circuit: Circuit, program: Program, order: Scalar) -> None:
        self.circuit, self.program, self.order = circuit, program, order

    def __call__(self, points: Sequence[Point]) -> list[Value]:
        """g and h at every point."""
        values = self.program.evaluate(
            self._encode([v for point in points for v in point.f]),
            self._encode([point.x for point in points]),
            self._encode([v for point in points for v in point.y_powers]),
            b"".join([int(u).to_bytes(8, "big") for point in points for u in point.publics]),
        )
        size = SCALAR_BYTES * (1 + self.circuit.slots)
        return [decode_value(values[start : start + size]) for start in range(0, len(values), size)]

    def coefficients(
        self,
        w: Sequence[Scalar],
        a: Sequence[Scalar],
        y: Scalar,
        publics: Sequence[int],
        tops: Sequence[Scalar],
    ) -> list[list[Scalar]]:
        """As `Evaluator.coefficients`."""
        D = self.circuit.degree
        joined = self.program.coefficients(
            self._encode(w),
            self._encode(a),
            self._encode([y]),
            b"".join([u.to_bytes(8, "big") for u in publics]),
            self._encode(tops),
            _interpolation(D, self.order),
        )
        all_coefficients = decode_little(joined)
        return [all_coefficients[start : start + D] for start in range(0, len(all_coefficients), D)]

    def _encode(self, scalars: Sequence[Scalar]) -> bytes:
        try:
            return encode_little(scalars)
        except OverflowError:  # negative, or far above q: not from any proof
            return self._encode([scalar % self.order for scalar in scalars])


@lru_cache(maxsize=16)
def _interpolation(degree: int, order: Scalar) -> bytes:
    """`interpolation_matrix` of polynomials below ``degree``, row by row."""
    matrix = interpolation_matrix(degree - 1, order)
    return encode_little([entry for row in matrix for entry in row])


def encode_value(value: Value) -> bytes:
    """g ‖ h_1 ‖ … ‖ h_S, 32 bytes each, little-endian: what the compiled module returns."""
    return encode_little((value.g, *value.h))


def decode_value(data: bytes) -> Value:
    """Inverse of `encode_value`."""
    g, *h = decode_little(data)
    return Value(g, tuple(h))


@lru_cache(maxsize=64)
def _evaluator(circuit: Circuit, order: Scalar, _module: object) -> Evaluator | CompiledEvaluator:
    program = program_of(circuit, order)
    return (
        Evaluator(circuit, order) if program is None else CompiledEvaluator(circuit, program, order)
    )


def evaluator_of(circuit: Circuit, order: Scalar) -> Evaluator | CompiledEvaluator:
    """What evaluates a circuit; kept, since preparing a circuit costs more than evaluating it."""
    return _evaluator(circuit, order, zk.program.native)
