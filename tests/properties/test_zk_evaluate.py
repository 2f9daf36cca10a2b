"""The fast field part is the textbook's, for random circuits at random points."""

from __future__ import annotations

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from tests.support.circuits import Example
from tests.support.strategies import examples
from tests.support.textbook import field_part
from zk.evaluate import Point, evaluator_of
from zk.field import interpolate, powers

pytestmark = pytest.mark.usefixtures("either_evaluator")

Q = mpz(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141)

scalars = (st.integers(0, int(Q) - 1) | st.sampled_from([0, 1, int(Q) - 1])).map(mpz)
small_examples = examples(max_selectors=2, max_digits=3, max_base=12)


def point(example: Example, f: list[mpz], x: mpz, y: mpz, q: mpz = Q) -> Point:
    circuit = example.circuit
    return Point(f, x, powers(y, len(circuit.equations) + len(circuit.lines), q), example.publics)


@given(small_examples, scalars, scalars, st.data())
def test_at_random_points(example: Example, x: mpz, y: mpz, data: st.DataObject) -> None:
    n = example.circuit.wires
    f = data.draw(st.lists(scalars, min_size=n, max_size=n))
    (value,) = evaluator_of(example.circuit, Q)([point(example, f, x, y)])
    assert (value.g, list(value.h)) == field_part(example.circuit, f, x, y, example.publics, Q)


@given(small_examples, st.sampled_from([17, 251, 65_537]), st.data())
def test_in_small_fields(example: Example, order: int, data: st.DataObject) -> None:
    q, n = mpz(order), example.circuit.wires
    element = st.integers(0, order - 1).map(mpz)
    x, y = data.draw(element), data.draw(element)
    f = data.draw(st.lists(element, min_size=n, max_size=n))
    (value,) = evaluator_of(example.circuit, q)([point(example, f, x, y, q)])
    assert (value.g, list(value.h)) == field_part(example.circuit, f, x, y, example.publics, q)


@given(small_examples, st.lists(scalars, min_size=2, max_size=6), st.data())
def test_many_points_at_once(example: Example, xs: list[mpz], data: st.DataObject) -> None:
    n = example.circuit.wires
    evaluate = evaluator_of(example.circuit, Q)
    points = []
    for x in xs:
        f = data.draw(st.lists(scalars, min_size=n, max_size=n))
        points.append(point(example, f, x, data.draw(scalars)))
    assert evaluate(points) == [evaluate([at])[0] for at in points]


@given(small_examples, scalars, st.data())
def test_along_a_line_it_is_a_polynomial_that_ends_in_the_equations(
    example: Example, y: mpz, data: st.DataObject
) -> None:
    # f(X) = w·X + a: at X^D stand P_e(w) = 0 and the values of the lines, whatever the masks.
    circuit, D = example.circuit, example.circuit.degree
    n, E = circuit.wires, len(circuit.equations)
    a = data.draw(st.lists(scalars, min_size=n, max_size=n))
    points = [
        point(
            example,
            [(w * t + mask) % Q for w, mask in zip(example.wires, a, strict=True)],
            mpz(t),
            y,
        )
        for t in range(D + 2)
    ]
    values = evaluator_of(circuit, Q)(points)
    g = interpolate([value.g for value in values], Q)
    assert g[D:] == [0, 0]
    lines = circuit.line_values(example.wires, example.publics)
    for s in range(circuit.slots):
        h = interpolate([value.h[s] for value in values], Q)
        assert h[D + 1] == 0
        assert h[D] == sum(y ** (E + l) * line[s] for l, line in enumerate(lines)) % Q
