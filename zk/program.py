"""A circuit as a program for ``zk/native/evaluate.c``, which computes what `zk.evaluate` computes.

The compiled module is optional: without it, with another group order, or with
``CLAIROBSCUR_EVALUATOR=python``, everything runs in Python and gives the same bytes.

A program is a sequence of 64-bit little-endian signed words. In its order of evaluation:

* the *values* of a point, numbered: wires, x, public inputs times x; *reads*, that is, for each
  selector its columns and then the indicators of its digits' zeros; reads times a power of x;
  *combinations*, sums of small multiples of the values before them;
* digit equations by base, each a power of y and a value;
* for g and then for every slot: values to be weighted with powers of y and multiplied by x^(D−1)
  together, and values of degree D that are weighted only.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Final

from gmpy2 import mpz

from zk.errors import StatementError
from zk.relation import MAX_COEFFICIENT, Circuit, Column, Digit, Expression, LinearForm, Zero

if TYPE_CHECKING:
    from types import ModuleType

    from zk._evaluate import Program

SETTING: Final = "CLAIROBSCUR_EVALUATOR"
EVALUATORS: Final = ("native", "python")

ORDER: Final = mpz(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141)
"""The one group order for which there is compiled code: secp256k1's."""

_MAX_LOW = 1 << 16


def _load() -> ModuleType | None:
    chosen = os.environ.get(SETTING, "")
    if chosen and chosen not in EVALUATORS:
        raise StatementError(f"{SETTING} is one of {', '.join(EVALUATORS)}")
    if chosen == "python":
        return None
    try:
        from zk import _evaluate

        if not (hasattr(_evaluate, "Program") and hasattr(_evaluate, "below_order")):
            raise ImportError("zk._evaluate was built from other sources")
    except ImportError:
        if chosen == "native":
            raise StatementError(f"{SETTING} asks for a module that was not built") from None
        return None
    return _evaluate


native: ModuleType | None = _load()
"""The compiled module, or None where everything runs in Python."""


def program_of(circuit: Circuit, order: mpz) -> Program | None:
    """The circuit's program; None without the compiled module, for another order, or for a circuit
    that no constructor checked and that does not fit."""
    if native is None or order != ORDER:
        return None
    try:
        made: Program = native.Program(_Compiler(circuit).words())
    except (StatementError, ValueError, struct.error):
        return None
    return made


class _Compiler:
    """Numbers the values of a circuit and writes the program."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._x = circuit.wires
        self._publics = self._x + 1
        self._reads = self._publics + len(circuit.publics)
        expressions = [e.expression for e in circuit.equations if isinstance(e, Zero)]
        expressions += [expression for line in circuit.lines for expression in line]
        read = {column for expression in expressions for column, _ in expression.columns}
        self._tables: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for index, selector in enumerate(circuit.selectors):
            columns = self._tables.setdefault((selector.table, selector.radix), [])
            wanted = {column.column for column in read if column.selector == index}
            columns[:] = sorted(wanted.union(columns))
        # Places among the reads: of each column, and of each digit's implied indicator.
        place = 0
        self._columns: dict[Column, int] = {}
        self._implied: dict[LinearForm, int] = {}
        for index, selector in enumerate(circuit.selectors):
            for number in self._tables[selector.table, selector.radix]:
                self._columns[Column(index, number)] = place
                place += 1
            for position in range(selector.degree):
                self._implied[selector.indicator(position, 0)] = self._reads + place
                place += 1
        self._scaled: dict[Column, tuple[int, int]] = {}
        for column in sorted(read, key=lambda c: (c.selector, c.column)):
            power = circuit.degree - circuit.selectors[column.selector].degree
            if power:
                self._scaled[column] = (self._columns[column], power)
        self._first_scaled = self._reads + place
        self._first_combination = self._first_scaled + len(self._scaled)
        self._combinations: dict[tuple[tuple[int, int], ...], int] = {}

    def words(self) -> bytes:
        """The program."""
        circuit = self._circuit
        count = len(circuit.equations)
        digits: dict[int, list[int]] = {}
        # Linear and top values of g and of every slot, each with the number of its power of y.
        sums: list[tuple[list[int], list[int]]] = [([], []) for _ in range(circuit.slots + 1)]
        for number, equation in enumerate(circuit.equations):
            if isinstance(equation, Digit):
                digits.setdefault(equation.base, []).extend([number, self._form(equation.form)])
            else:
                self._add(sums[0], number, equation.expression)
        for l, line in enumerate(circuit.lines):
            for s, expression in enumerate(line, start=1):
                self._add(sums[s], count + l, expression)
        words = [circuit.wires, len(circuit.publics), circuit.slots, circuit.degree]
        words += [count + len(circuit.lines), len(circuit.lines)]
        words += self._table_words()
        words.append(len(self._scaled))
        for read, power in self._scaled.values():
            words += [read, power]
        words += self._combination_words()
        words.append(len(digits))
        for base in sorted(digits):
            words += [base, len(digits[base]) // 2, *digits[base]]
        for linear, top in sums:
            words += [len(linear) // 2, len(top) // 2, *linear, *top]
        return struct.pack(f"<{len(words)}q", *words)

    def _form(self, form: LinearForm) -> int:
        """The value that holds a linear form."""
        if form.is_wire:
            return form.wires[0][0]
        if form in self._implied:
            return self._implied[form]
        return self._combination(
            [
                *form.wires,
                *([(self._x, form.constant)] if form.constant else []),
                *((self._publics + j, c) for j, c in form.publics),
            ]
        )

    def _combination(self, terms: Iterable[tuple[int, int]]) -> int:
        """The value that holds a sum of multiples of earlier values."""
        key = tuple(terms)
        if not all(abs(factor) < MAX_COEFFICIENT for _, factor in key):
            raise StatementError("a coefficient reaches 2^53")
        place = self._first_combination + len(self._combinations)
        return self._combinations.setdefault(key, place)

    def _add(self, to: tuple[list[int], list[int]], number: int, expression: Expression) -> None:
        """An expression with the power ``number`` of y."""
        linear, top = to
        if expression.form != LinearForm():
            linear += [number, self._form(expression.form)]
        if expression.columns:
            terms = [(self._column(column), factor) for column, factor in expression.columns]
            alone = len(terms) == 1 and terms[0][1] == 1
            top += [number, terms[0][0] if alone else self._combination(terms)]

    def _column(self, column: Column) -> int:
        """The value that holds a column, homogeneous of the circuit's degree."""
        if column in self._scaled:
            return self._first_scaled + list(self._scaled).index(column)
        return self._reads + self._columns[column]

    def _table_words(self) -> list[int]:
        circuit = self._circuit
        words, splits = [len(self._tables)], {}
        for (table, radix), columns in self._tables.items():
            split = splits[table, radix] = _split(radix, len(columns))
            low, high = prod(radix[:split]), prod(radix[split:])
            words += [low, high, len(columns)]
            for column in columns:
                entries = circuit.tables[table].columns[column]
                words += [*entries, *[entries[-1]] * (low * high - len(entries))]
        keys = list(self._tables)
        words.append(len(circuit.selectors))
        for selector in circuit.selectors:
            key = (selector.table, selector.radix)
            words += [keys.index(key), selector.degree, splits[key]]
            for wires in selector.digits:
                words += [len(wires), *wires]
        return words

    def _combination_words(self) -> list[int]:
        words = [len(self._combinations)]
        for terms in self._combinations:
            plus = [term for term in terms if term[1] > 0]
            minus = [(index, -factor) for index, factor in terms if factor < 0]
            words += [len(plus), len(minus)]
            for index, factor in (*plus, *minus):
                words += [index, factor]
        return words


def _split(radix: Sequence[int], columns: int) -> int:
    """How many digits number a row's entries: a product of indicators costs two thirds of what a
    sum over the row costs besides its entries (measured)."""
    return min(
        (j for j in range(len(radix) + 1) if prod(radix[:j]) <= _MAX_LOW),
        key=lambda j: 2 * prod(radix[:j]) + 3 * columns * prod(radix[j:]),
    )
