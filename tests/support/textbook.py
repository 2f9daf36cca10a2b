"""The protocol's formulas written down as they stand, slowly: what the fast code is held to.

Polynomials are dictionaries from a sorted tuple of wire numbers (a monomial, with repetition) to
its coefficient modulo q. Everything of degree D in (f, x) comes from multiplying each monomial by
the power of x it lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

from gmpy2 import mpz

from zk.encoding import Proof
from zk.field import Scalar
from zk.generators import Generators
from zk.instance import Instance
from zk.relation import Circuit, Digit, Expression, LinearForm, Selector

Polynomial = dict[tuple[int, ...], Scalar]


def _add(left: Polynomial, right: Polynomial, q: Scalar) -> Polynomial:
    total = dict(left)
    for monomial, coefficient in right.items():
        total[monomial] = (total.get(monomial, mpz(0)) + coefficient) % q
    return total


def _multiply(left: Polynomial, right: Polynomial, q: Scalar) -> Polynomial:
    total: Polynomial = {}
    for (one, c), (other, d) in product(left.items(), right.items()):
        monomial = tuple(sorted(one + other))
        total[monomial] = (total.get(monomial, mpz(0)) + c * d) % q
    return total


def _form(form: LinearForm, publics: Sequence[int], q: Scalar) -> Polynomial:
    constant = form.constant + sum(c * publics[j] for j, c in form.publics)
    return {(): mpz(constant) % q} | {(wire,): mpz(c) % q for wire, c in form.wires}


def _rows(selector: Selector, entries: Sequence[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(table entry, digits lowest first) of every row, the last one repeated as padding."""
    for row in range(prod(selector.radix)):
        digits, rest = [], row
        for base in selector.radix:
            rest, digit = divmod(rest, base)
            digits.append(digit)
        yield entries[min(row, len(entries) - 1)], tuple(digits)


def expression_polynomial(
    circuit: Circuit, expression: Expression, publics: Sequence[int], q: Scalar
) -> Polynomial:
    """An expression as a polynomial in the wires: the form plus Σ c·Σ_i T[i]·Π_j
    e_{j,digit_j(i)}."""
    total = _form(expression.form, publics, q)
    for column, coefficient in expression.columns:
        selector = circuit.selectors[column.selector]
        entries = circuit.tables[selector.table].columns[column.column]
        for entry, digits in _rows(selector, entries):
            term: Polynomial = {(): mpz(entry * coefficient) % q}
            for position, digit in enumerate(digits):
                term = _multiply(term, _form(selector.indicator(position, digit), publics, q), q)
            total = _add(total, term, q)
    return total


def digit_polynomial(equation: Digit, publics: Sequence[int], q: Scalar) -> Polynomial:
    """Π_{0≤j<β} (form − j)."""
    total: Polynomial = {(): mpz(1)}
    for j in range(equation.base):
        total = _multiply(total, _form(equation.form - j, publics, q), q)
    return total


def homogeneous_value(
    polynomial: Polynomial, degree: int, f: Sequence[Scalar], x: Scalar, q: Scalar
) -> Scalar:
    """The polynomial made homogeneous of ``degree`` with x, at (f, x)."""
    total = mpz(0)
    for monomial, coefficient in polynomial.items():
        term = coefficient * x ** (degree - len(monomial))
        for wire in monomial:
            term = term * f[wire] % q
        total += term
    return total % q


def field_part(
    circuit: Circuit,
    f: Sequence[Scalar],
    x: Scalar,
    y: Scalar,
    publics: Sequence[int],
    q: Scalar,
) -> tuple[Scalar, list[Scalar]]:
    """(g, [h_1, …]) of equation (ii): Σ_e y^e F_e and Σ_l y^(E+l) Λ_{l,s}, homogeneous of degree
    D."""
    D, E = circuit.degree, len(circuit.equations)
    g = mpz(0)
    for e, equation in enumerate(circuit.equations):
        if isinstance(equation, Digit):
            polynomial = digit_polynomial(equation, publics, q)
        else:
            polynomial = expression_polynomial(circuit, equation.expression, publics, q)
        g += y**e * homogeneous_value(polynomial, D, f, x, q)
    h = [mpz(0)] * circuit.slots
    for l, line in enumerate(circuit.lines):
        for s, expression in enumerate(line):
            polynomial = expression_polynomial(circuit, expression, publics, q)
            h[s] += y ** (E + l) * homogeneous_value(polynomial, D, f, x, q)
    return g % q, [value % q for value in h]


def equations_hold(
    generators: Generators,
    instance: Instance,
    proof: Proof,
    y: Scalar,
    x: Scalar,
    value: tuple[Scalar, Sequence[Scalar]] | None = None,
) -> tuple[bool, bool]:
    """Whether (i) and whether (ii) holds, each computed side by side.

    ``value`` is the field part where the caller has it already (the slow one would take too long).
    """
    group, circuit = generators.group, instance.circuit
    q, D, E = group.order, circuit.degree, len(circuit.equations)
    first_left = group.sum([group.mul(x, proof.B), proof.A])
    first_right = group.msm([*proof.f, proof.z_1], [*generators.W(circuit.wires), generators.H])
    g, h = value or field_part(circuit, proof.f, x, y, instance.publics, q)
    second_left = group.sum(
        [
            *(group.mul(x**k, proof.T[k]) for k in range(D)),
            *(group.mul(x**D * y ** (E + l), C) for l, C in enumerate(instance.commitments)),
        ]
    )
    second_right = group.msm(
        [g, *h, proof.z_2], [generators.G, *generators.J(circuit.slots), generators.H]
    )
    return first_left == first_right, second_left == second_right


def is_satisfied(circuit: Circuit, w: Sequence[Scalar], publics: Sequence[int], q: Scalar) -> bool:
    """Whether P_e(w) = 0 modulo q for every equation, with the look-ups summed over all rows."""
    for equation in circuit.equations:
        if isinstance(equation, Digit):
            value = equation.form.value(w, publics)
            vanishes = prod((value - j) % q for j in range(equation.base)) % q == 0
        else:
            vanishes = expression_value(circuit, equation.expression, w, publics, q) == 0
        if not vanishes:
            return False
    return True


def expression_value(
    circuit: Circuit, expression: Expression, w: Sequence[Scalar], publics: Sequence[int], q: Scalar
) -> Scalar:
    """An expression on given wires modulo q, with the look-ups summed over all rows."""
    total = mpz(expression.form.value(w, publics))
    for column, coefficient in expression.columns:
        selector = circuit.selectors[column.selector]
        entries = circuit.tables[selector.table].columns[column.column]
        for entry, digits in _rows(selector, entries):
            term = mpz(entry * coefficient)
            for position, digit in enumerate(digits):
                term = term * selector.indicator(position, digit).value(w, publics) % q
            total += term
    return total % q
