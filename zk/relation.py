"""Circuits: wires, linear forms, tables, equations, and the lines a proof speaks about.

A `Circuit` is immutable public data. It says, of secret wires w_1…w_n and public inputs u_1…u_p:

* ``Digit``: a linear form takes a value in {0, …, β−1} (degree β; β = 2 is a bit);
* ``Zero``: an expression vanishes, where an expression is a linear form plus integer multiples of
  *columns* ``Σ_i T[i]·Π_j e_{j,digit_j(i)}``, the entry of a public table in the row that a
  `Selector` points at (degree d);
* for each line l and slot s, an expression gives the value m_{l,s} committed in C_l.

Public inputs (a date, an amount) enter like constants. They keep the circuit, and with it its
digest and everything precomputed for it, independent of the claim at hand. Sources: one-hot digits,
Bootle et al., ePrint 2015/643, section 3; the rest as in ``docs/protocol.md``, section "Circuits".

A circuit can be made by `CircuitBuilder` alone or by hand: its constructor checks all that
soundness needs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TypeAlias

from zk.errors import StatementError, WitnessError

MAX_DEGREE = 16
MAX_WIRES = 4096
MAX_LINES = 64
MAX_ROWS = 1 << 16
MAX_SLOTS = 16
MAX_COEFFICIENT = 1 << 53  # exclusive; exact in every JSON reader
MAX_ENTRY = 1 << 63  # exclusive, for table entries and public inputs
MAGNITUDE = 1 << 128  # no equation may reach this, so none wraps around modulo q

CIRCUIT_TAG = b"clairobscur/circuit/v1"
TABLE_TAG = b"clairobscur/table/v1"


def _require(condition: bool, complaint: str) -> None:
    if not condition:
        raise StatementError(complaint)


def _require_tuples(*values: object) -> None:
    # Whatever could be changed later could be changed after it was checked or digested.
    _require(all(isinstance(value, tuple) for value in values), "an immutable tuple is needed")


def _merge(*parts: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    total: dict[int, int] = {}
    for part in parts:
        for index, coefficient in part:
            total[index] = total.get(index, 0) + coefficient
    return tuple((index, total[index]) for index in sorted(total) if total[index])


# -- expressions ------------------------------------------------------------------------------


@dataclass(frozen=True)
class LinearForm:
    """``constant + Σ c·w_i + Σ c·u_j``; indices count from 0 and are sorted, coefficients are not
    0."""

    constant: int = 0
    wires: tuple[tuple[int, int], ...] = ()
    publics: tuple[tuple[int, int], ...] = ()

    def __add__(self, other: LinearForm | int) -> LinearForm:
        if isinstance(other, int):
            return LinearForm(self.constant + other, self.wires, self.publics)
        if not isinstance(other, LinearForm):
            return NotImplemented
        return LinearForm(
            self.constant + other.constant,
            _merge(self.wires, other.wires),
            _merge(self.publics, other.publics),
        )

    def __mul__(self, factor: int) -> LinearForm:
        return LinearForm(
            self.constant * factor,
            _merge((i, c * factor) for i, c in self.wires),
            _merge((i, c * factor) for i, c in self.publics),
        )

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> LinearForm:
        return self * -1

    def __sub__(self, other: LinearForm | int) -> LinearForm:
        return self + (-other)

    def __rsub__(self, other: int) -> LinearForm:
        return -self + other

    @property
    def is_wire(self) -> bool:
        """Whether the form is a single wire and nothing else."""
        return len(self.wires) == 1 and self == LinearForm(0, ((self.wires[0][0], 1),))

    def value(self, wires: Sequence[int], publics: Sequence[int]) -> int:
        """The integer the form takes on given wires and public inputs."""
        return (
            self.constant
            + sum(c * wires[i] for i, c in self.wires)
            + sum(c * publics[i] for i, c in self.publics)
        )


@dataclass(frozen=True)
class Column:
    """Column ``column`` of the table of selector ``selector``, in the selected row."""

    selector: int
    column: int


@dataclass(frozen=True)
class Expression:
    """``form + Σ coefficient·column``; terms are sorted and distinct, coefficients are not 0."""

    form: LinearForm = LinearForm()
    columns: tuple[tuple[Column, int], ...] = ()

    @classmethod
    def of(cls, value: Value) -> Expression:
        """Any value (integer, linear form, column, expression) as an expression."""
        if isinstance(value, Expression):
            return value
        if isinstance(value, Column):
            return cls(LinearForm(), ((value, 1),))
        return cls(LinearForm() + value)

    def __add__(self, other: Value) -> Expression:
        addend = Expression.of(other)
        total: dict[Column, int] = dict(self.columns)
        for column, coefficient in addend.columns:
            total[column] = total.get(column, 0) + coefficient
        ordered = sorted(total, key=lambda column: (column.selector, column.column))
        return Expression(
            self.form + addend.form,
            tuple((column, total[column]) for column in ordered if total[column]),
        )

    def __neg__(self) -> Expression:
        return Expression(-self.form, tuple((column, -c) for column, c in self.columns))

    def __sub__(self, other: Value) -> Expression:
        return self + (-Expression.of(other))


Value: TypeAlias = "int | LinearForm | Column | Expression"


# -- tables and selectors ---------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A public table: equally long columns of integers in [0, 2^63). Rows count from 0."""

    columns: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        _require_tuples(self.columns, *self.columns)
        _require(bool(self.columns) and bool(self.columns[0]), "a table needs a column and a row")
        _require(len(self.columns[0]) <= MAX_ROWS, f"a table has at most {MAX_ROWS} rows")
        for number, column in enumerate(self.columns):
            _require(
                len(column) == self.rows,
                f"table column {number} is shorter or longer than the first",
            )
            _require(
                all(0 <= entry < MAX_ENTRY for entry in column),
                f"table column {number} leaves [0, 2^63)",
            )

    @property
    def rows(self) -> int:
        """Number of rows, before any padding."""
        return len(self.columns[0])

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over tag, counts of rows and columns, and the entries column by column, 8 bytes
        each."""
        state = hashlib.sha256(TABLE_TAG)
        state.update(self.rows.to_bytes(4, "big") + len(self.columns).to_bytes(4, "big"))
        for column in self.columns:
            state.update(b"".join(entry.to_bytes(8, "big") for entry in column))
        return state.digest()


@dataclass(frozen=True)
class Selector:
    """A hidden row number of a table, written in one-hot digits.

    ``digits[j]`` lists the wires b_1…b_{u−1} of digit j, the lowest first: digit j has the value v
    > 0 exactly when b_v = 1 and the value 0 when all are 0. The row number is ``Σ_j digit_j·Π_{i<j}
    u_i``; numbers past the last row mean the last row.
    """

    table: int
    digits: tuple[tuple[int, ...], ...]

    @property
    def radix(self) -> tuple[int, ...]:
        """The bases u_j of the digits, lowest first."""
        return tuple(len(wires) + 1 for wires in self.digits)

    @property
    def degree(self) -> int:
        """Number of digits d, the degree of every column read through this selector."""
        return len(self.digits)

    def indicator(self, position: int, digit: int) -> LinearForm:
        """The form that is 1 when digit ``position`` equals ``digit``, and 0 otherwise."""
        wires = self.digits[position]
        if digit:
            return LinearForm(0, ((wires[digit - 1], 1),))
        return LinearForm(1, _merge((wire, -1) for wire in wires))

    def assignment(self, row: int) -> dict[int, int]:
        """Values of this selector's wires that point at ``row``."""
        values: dict[int, int] = {}
        for wires in self.digits:
            row, digit = divmod(row, len(wires) + 1)
            values.update({wire: int(v == digit) for v, wire in enumerate(wires, start=1)})
        if row:
            raise WitnessError("row number outside the table")
        return values

    def selected(self, wires: Sequence[int], rows: int) -> int:
        """The row that given wires point at; they must be one-hot."""
        row, weight = 0, 1
        for digit in self.digits:
            row += weight * sum(v * wires[wire] for v, wire in enumerate(digit, start=1))
            weight *= len(digit) + 1
        return min(row, rows - 1)


# -- equations --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Digit:
    """``Π_{0≤j<base} (form − j) = 0``."""

    form: LinearForm
    base: int
    label: str = field(default="", compare=False)


@dataclass(frozen=True)
class Zero:
    """``expression = 0``."""

    expression: Expression
    label: str = field(default="", compare=False)


Equation: TypeAlias = "Digit | Zero"


# -- circuits ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Circuit:
    """Immutable public description of what is proved; equal exactly when the digests are.

    ``publics`` holds the largest value of each public input. ``lines[l][s]`` is the value of slot s
    of line l. Labels of equations are for messages only. Raises `StatementError` unless sound
    (module docstring).
    """

    wires: int
    publics: tuple[int, ...]
    slots: int
    tables: tuple[Table, ...]
    selectors: tuple[Selector, ...]
    equations: tuple[Equation, ...]
    lines: tuple[tuple[Expression, ...], ...]

    def __post_init__(self) -> None:
        _require_tuples(self.publics, self.tables, self.selectors, self.equations, self.lines)
        _require_tuples(*self.lines, *(s.digits for s in self.selectors))
        _require_tuples(*(digit for s in self.selectors for digit in s.digits))
        _require(0 <= self.wires <= MAX_WIRES, f"a circuit has at most {MAX_WIRES} wires")
        _require(1 <= self.slots <= MAX_SLOTS, f"a line has 1 to {MAX_SLOTS} slots")
        _require(1 <= len(self.lines) <= MAX_LINES, f"a circuit has 1 to {MAX_LINES} lines")
        _require(all(0 <= u < MAX_ENTRY for u in self.publics), "a public input leaves [0, 2^63)")
        for line in self.lines:
            _require(len(line) == self.slots, "every line gives a value to every slot")
        for selector in self.selectors:
            self._check_selector(selector)
        for equation in self.equations:
            if isinstance(equation, Digit):
                _require(2 <= equation.base <= MAX_DEGREE, "digit base outside 2…16")
                self._check_form(equation.form)
            else:
                self._check_expression(equation.expression)
        for line in self.lines:
            for expression in line:
                self._check_expression(expression)
        _require(self.degree <= MAX_DEGREE, f"an equation's degree exceeds {MAX_DEGREE}")
        _require(self.magnitude < MAGNITUDE, "an equation could wrap around modulo the group order")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Circuit) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    # What soundness needs -------------------------------------------------------------------------

    @cached_property
    def maxima(self) -> dict[int, int]:
        """Largest value of each wire that a digit equation of its own bounds."""
        maxima: dict[int, int] = {}
        for equation in self.equations:
            if isinstance(equation, Digit) and equation.form.is_wire:
                wire = equation.form.wires[0][0]
                maxima[wire] = min(maxima.get(wire, MAX_DEGREE), equation.base - 1)
        return maxima

    def _check_form(self, form: LinearForm) -> None:
        for terms, count in ((form.wires, self.wires), (form.publics, len(self.publics))):
            indices = [index for index, _ in terms]
            _require(
                indices == sorted(set(indices)), "a linear form's terms are sorted and distinct"
            )
            _require(
                all(0 <= index < count for index in indices),
                "a linear form's index is out of range",
            )
        for coefficient in (form.constant, *(c for _, c in (*form.wires, *form.publics))):
            _require(abs(coefficient) < MAX_COEFFICIENT, "a coefficient reaches 2^53")
        _require(
            all(c for _, c in (*form.wires, *form.publics)), "a linear form has a zero coefficient"
        )

    def _check_expression(self, expression: Expression) -> None:
        self._check_form(expression.form)
        keys = [(column.selector, column.column) for column, _ in expression.columns]
        _require(keys == sorted(set(keys)), "an expression's columns are sorted and distinct")
        for (selector, column), (_, coefficient) in zip(keys, expression.columns, strict=True):
            _require(0 <= selector < len(self.selectors), "a column's selector is out of range")
            table = self.tables[self.selectors[selector].table]
            _require(0 <= column < len(table.columns), "a column is out of range")
            _require(
                0 < abs(coefficient) < MAX_COEFFICIENT,
                "a column's coefficient is 0 or reaches 2^53",
            )

    def _check_selector(self, selector: Selector) -> None:
        _require(0 <= selector.table < len(self.tables), "a selector's table is out of range")
        _require(
            prod(selector.radix) >= self.tables[selector.table].rows,
            "a selector cannot reach every row",
        )
        _require(all(selector.digits), "a selector's digit has no wire")
        _require(1 <= selector.degree <= MAX_DEGREE, f"a selector has 1 to {MAX_DEGREE} digits")
        _require(prod(selector.radix) <= 2 * MAX_ROWS, "a selector numbers far too many rows")
        wires = [wire for digit in selector.digits for wire in digit]
        _require(len(set(wires)) == len(wires), "a selector uses a wire twice")
        bits = {
            equation.form
            for equation in self.equations
            if isinstance(equation, Digit) and equation.base == 2
        }
        for position, digit in enumerate(selector.digits):
            # b_1…b_{u−1} are bits, and so is 1 − Σ b_v: exactly one-hot whenever q > u.
            needed = range(1, 2) if len(digit) == 1 else range(len(digit) + 1)
            for value in needed:
                _require(
                    selector.indicator(position, value) in bits, "a selector's digit is not one-hot"
                )

    @cached_property
    def magnitude(self) -> int:
        """The largest absolute value that any equation's form or expression could take."""
        return max(
            (
                self._magnitude(
                    Expression(e.form) if isinstance(e, Digit) else e.expression, e.label
                )
                for e in self.equations
            ),
            default=0,
        )

    def _magnitude(self, expression: Expression, label: str) -> int:
        form = expression.form
        _require(
            all(wire in self.maxima for wire, _ in form.wires),
            f"equation {label!r} uses a wire that nothing bounds",
        )
        largest = abs(form.constant)
        largest += sum(abs(c) * self.maxima[wire] for wire, c in form.wires)
        largest += sum(abs(c) * self.publics[j] for j, c in form.publics)
        for column, coefficient in expression.columns:
            table = self.tables[self.selectors[column.selector].table]
            largest += abs(coefficient) * max(table.columns[column.column])
        return largest

    # What follows
    # ---------------------------------------------------------------------------------------

    def expression_degree(self, expression: Expression) -> int:
        """Degree of an expression: the digits of its deepest selector, at least 1."""
        return max([1, *(self.selectors[c.selector].degree for c, _ in expression.columns)])

    @cached_property
    def degree(self) -> int:
        """D, the degree of the proof: at least 2, and that of every equation and slot."""
        degrees = [2]
        for equation in self.equations:
            if isinstance(equation, Digit):
                degrees.append(equation.base)
            else:
                degrees.append(self.expression_degree(equation.expression))
        degrees += [self.expression_degree(e) for line in self.lines for e in line]
        return max(degrees)

    def value(self, value: Value, wires: Sequence[int], publics: Sequence[int]) -> int:
        """The integer that a value takes on given wires (one-hot where selected) and public
        inputs."""
        expression = Expression.of(value)
        total = expression.form.value(wires, publics)
        for column, coefficient in expression.columns:
            selector = self.selectors[column.selector]
            table = self.tables[selector.table]
            total += (
                coefficient * table.columns[column.column][selector.selected(wires, table.rows)]
            )
        return total

    def check_witness(self, wires: Sequence[int], publics: Sequence[int]) -> None:
        """Raise `WitnessError` naming the first equation that fails; no value is ever told."""
        if len(wires) != self.wires:
            raise WitnessError("wrong number of wires")
        # Digits first: a column can be read only where the selector's digits are one-hot.
        for kind in (Digit, Zero):
            for number, equation in enumerate(self.equations):
                if isinstance(equation, kind) and not self._holds(equation, wires, publics):
                    raise WitnessError(f"not satisfied: {equation.label or f'equation {number}'}")

    def _holds(self, equation: Equation, wires: Sequence[int], publics: Sequence[int]) -> bool:
        if isinstance(equation, Digit):
            return 0 <= equation.form.value(wires, publics) < equation.base
        return self.value(equation.expression, wires, publics) == 0

    def line_values(self, wires: Sequence[int], publics: Sequence[int]) -> list[list[int]]:
        """m_{l,s}: what the lines commit to, for given wires and public inputs."""
        return [[self.value(e, wires, publics) for e in line] for line in self.lines]

    def check_publics(self, publics: Sequence[int]) -> None:
        """Raise `StatementError` unless ``publics`` are as many and as small as declared."""
        _require(len(publics) == len(self.publics), "wrong number of public inputs")
        for number, (value, maximum) in enumerate(zip(publics, self.publics, strict=True)):
            _require(type(value) is int, f"public input {number} is not an integer")
            _require(0 <= value <= maximum, f"public input {number} leaves its range")

    def describe(self) -> dict[str, object]:
        """The circuit as JSON-ready data: what the digest covers (tables by their digests)."""

        def form(f: LinearForm) -> dict[str, object]:
            return {
                "c": f.constant,
                "w": [list(t) for t in f.wires],
                "p": [list(t) for t in f.publics],
            }

        def expression(e: Expression) -> dict[str, object]:
            return form(e.form) | {
                "t": [[c, column.selector, column.column] for column, c in e.columns]
            }

        return {
            "wires": self.wires,
            "publics": [str(maximum) for maximum in self.publics],
            "degree": self.degree,
            "slots": self.slots,
            "tables": [
                {"rows": t.rows, "columns": len(t.columns), "digest": t.digest.hex()}
                for t in self.tables
            ],
            "selectors": [
                {"table": s.table, "digits": [list(d) for d in s.digits]} for s in self.selectors
            ],
            "equations": [
                {"digit": e.base, "form": form(e.form)}
                if isinstance(e, Digit)
                else {"zero": expression(e.expression)}
                for e in self.equations
            ],
            "lines": [[expression(e) for e in line] for line in self.lines],
        }

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over tag, length (8 bytes) and the canonical JSON (RFC 8785) of `describe`.

        The description holds ASCII strings and integers below 2^53 only, for which sorted keys and
        no white space *are* RFC 8785.
        """
        text = json.dumps(self.describe(), sort_keys=True, separators=(",", ":")).encode("ascii")
        return hashlib.sha256(CIRCUIT_TAG + len(text).to_bytes(8, "big") + text).digest()


class CircuitBuilder:
    """Collects wires and equations in order, and makes the `Circuit`."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._wires = 0
        self._publics: list[int] = []
        self._tables: list[Table] = []
        self._selectors: list[Selector] = []
        self._equations: list[Equation] = []
        self._lines: list[tuple[Expression, ...]] = []

    def public(self, maximum: int) -> LinearForm:
        """A new public input in [0, ``maximum``]."""
        self._publics.append(maximum)
        return LinearForm(0, (), ((len(self._publics) - 1, 1),))

    def free_wire(self) -> LinearForm:
        """A new wire that nothing bounds; it may stand in a line's slot but in no equation."""
        self._wires += 1
        return LinearForm(0, ((self._wires - 1, 1),))

    def digit(self, base: int, label: str = "") -> LinearForm:
        """A new wire in {0, …, base − 1}; ``base`` 2 is a boolean."""
        wire = self.free_wire()
        self._equations.append(Digit(wire, base, label))
        return wire

    def boolean(self, value: LinearForm, label: str = "") -> None:
        """Demand that a linear form be 0 or 1."""
        self._equations.append(Digit(value, 2, label))

    def zero(self, value: Value, label: str = "") -> None:
        """Demand that a value be 0: a linear equation, or a look-up where a column takes part."""
        self._equations.append(Zero(Expression.of(value), label))

    def select(self, table: Table, radix: Sequence[int], label: str = "") -> Selector:
        """A new hidden row number of ``table`` in one-hot digits of bases ``radix``, lowest
        first."""
        if table not in self._tables:
            self._tables.append(table)
        digits = []
        for base in radix:
            bits = [self.digit(2, label) for _ in range(base - 1)]
            if base > 2:
                self.boolean(1 - sum(bits, LinearForm()), label)
            digits.append(tuple(bit.wires[0][0] for bit in bits))
        selector = Selector(self._tables.index(table), tuple(digits))
        self._selectors.append(selector)
        return selector

    def column(self, selector: Selector, column: int) -> Column:
        """The entry of a column in the row that ``selector`` (made here) points at."""
        if selector not in self._selectors:
            raise StatementError("the selector was not made by this builder")
        return Column(self._selectors.index(selector), column)

    def line(self, values: Mapping[int, Value]) -> None:
        """The next line: values by slot number (from 1); slots left out are 0."""
        if not all(1 <= slot <= self._slots for slot in values):
            raise StatementError(f"slots are numbered 1 to {self._slots}")
        self._lines.append(
            tuple(Expression.of(values.get(slot, 0)) for slot in range(1, self._slots + 1))
        )

    def build(self) -> Circuit:
        """The circuit; raises `StatementError` if it is not sound."""
        return Circuit(
            self._wires,
            tuple(self._publics),
            self._slots,
            tuple(self._tables),
            tuple(self._selectors),
            tuple(self._equations),
            tuple(self._lines),
        )
