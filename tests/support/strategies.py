"""Random circuits with witnesses that satisfy them, for hypothesis."""

from __future__ import annotations

from math import prod

from hypothesis import strategies as st

from tests.support.circuits import Example, selector_values
from zk.relation import CircuitBuilder, Column, Expression, LinearForm, Table

ENTRY = 2**63 - 1
COEFFICIENT = 2**20


class Draft:
    """A circuit under construction, and the value of everything in it."""

    def __init__(self, draw: st.DrawFn, slots: int) -> None:
        self.draw, self.slots = draw, slots
        self.builder = CircuitBuilder(slots)
        self.wires: list[int] = []
        self.publics: list[int] = []
        self.tables: list[Table] = []
        # Forms and columns that equations may use, and wires for slots alone, with their values.
        self.bounded: list[LinearForm] = []
        self.columns: list[tuple[Column, int]] = []
        self.free: list[LinearForm] = []

    def add_public(self) -> None:
        """A public input."""
        maximum = self.draw(st.integers(0, 10_000) | st.just(ENTRY))
        self.publics.append(self.draw(st.integers(0, maximum)))
        self.bounded.append(self.builder.public(maximum))

    def add_selector(self) -> None:
        """A selector of a new table or of one that is there, with any radix that reaches it."""
        radix = self.draw(st.lists(st.integers(2, 4), min_size=1, max_size=3))
        reach = prod(radix)
        fitting = [table for table in self.tables if table.rows <= reach]
        shared: bool = self.draw(st.booleans())
        if fitting and shared:
            table = self.draw(st.sampled_from(fitting))
        else:
            rows = self.draw(st.integers(1, reach))
            entry = st.integers(0, ENTRY) | st.integers(0, 99)
            column = st.lists(entry, min_size=rows, max_size=rows).map(tuple)
            table = Table(tuple(self.draw(st.lists(column, min_size=1, max_size=3))))
            self.tables.append(table)
        selector = self.builder.select(table, radix)
        row = self.draw(st.integers(0, reach - 1))
        self.wires += selector_values(radix, row)
        for number, entries in enumerate(table.columns):
            value = entries[min(row, table.rows - 1)]
            self.columns.append((self.builder.column(selector, number), value))

    def add_digit(self, max_base: int) -> None:
        """A digit."""
        base = self.draw(st.integers(2, max_base))
        self.bounded.append(self.builder.digit(base))
        self.wires.append(self.draw(st.integers(0, base - 1)))

    def add_free_wire(self) -> None:
        """A wire that nothing bounds."""
        self.free.append(self.builder.free_wire())
        self.wires.append(self.draw(st.integers(-(2**70), 2**260)))

    def some(self, *, in_slot: bool) -> tuple[Expression, int]:
        """A random expression and its value."""
        coefficient = st.integers(-COEFFICIENT, COEFFICIENT)
        forms = [*self.bounded, *(self.free if in_slot else [])]
        form = LinearForm(self.draw(coefficient))
        for part in self.draw(st.lists(st.sampled_from(forms), max_size=4)) if forms else []:
            form += part * self.draw(coefficient)
        expression, value = Expression.of(form), form.value(self.wires, self.publics)
        if self.columns:
            for column, entry in self.draw(st.lists(st.sampled_from(self.columns), max_size=3)):
                expression += column
                value += entry
        return expression, value

    def offset(self, amount: int) -> LinearForm:
        """A form with the value ``amount``: a constant, and a public input for what exceeds one."""
        sign = -1 if amount < 0 else 1
        high, low = divmod(abs(amount), 1 << 50)
        form = LinearForm(sign * low)
        if high or self.draw(st.booleans()):
            public = self.builder.public(high + self.draw(st.integers(0, 1_000)))
            self.publics.append(high)
            form += public * (sign << 50)
        return form

    def add_equation(self) -> None:
        """A random expression, equal to what it is."""
        expression, value = self.some(in_slot=False)
        self.builder.zero(expression - self.offset(value))

    def add_boolean(self) -> None:
        """A random form, moved to 0 or 1."""
        expression, value = self.some(in_slot=False)
        if not expression.columns:
            target = self.draw(st.integers(0, 1))
            self.builder.boolean(expression.form - self.offset(value - target))

    def add_line(self) -> None:
        """A line with a random value in some of its slots."""
        used = self.draw(st.sets(st.integers(1, self.slots)))
        self.builder.line({slot: self.some(in_slot=True)[0] for slot in sorted(used)})


@st.composite
def examples(
    draw: st.DrawFn, *, max_selectors: int = 3, max_digits: int = 5, max_base: int = 12
) -> Example:
    """A circuit with anything a circuit can hold, and public inputs and wires that satisfy it."""
    draft = Draft(draw, draw(st.integers(1, 4)))
    for _ in range(draw(st.integers(0, 3))):
        draft.add_public()
    steps = [draft.add_selector] * draw(st.integers(0, max_selectors))
    steps += [draft.add_free_wire] * draw(st.integers(0, 2))
    steps += [lambda: draft.add_digit(max_base)] * draw(st.integers(0, max_digits))
    for step in draw(st.permutations(steps)):
        step()
    for _ in range(draw(st.integers(0, 3))):
        draft.add_equation()
    for _ in range(draw(st.integers(0, 2))):
        draft.add_boolean()
    for _ in range(draw(st.integers(1, 3))):
        draft.add_line()
    return Example(draft.builder.build(), tuple(draft.publics), tuple(draft.wires))


def tiny_examples() -> st.SearchStrategy[Example]:
    """`examples` small enough for a slow group."""
    return examples(max_selectors=1, max_digits=1, max_base=4)
