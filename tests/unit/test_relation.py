"""Circuits: what forms and expressions are, what a circuit refuses, what its digest covers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.circuits import CODES, LIMITS, bit, purchase, selector_values
from zk.errors import StatementError, WitnessError
from zk.relation import (
    CIRCUIT_TAG,
    MAGNITUDE,
    MAX_COEFFICIENT,
    MAX_DEGREE,
    MAX_ENTRY,
    MAX_LINES,
    MAX_ROWS,
    MAX_WIRES,
    TABLE_TAG,
    Circuit,
    CircuitBuilder,
    Column,
    Digit,
    Expression,
    LinearForm,
    Selector,
    Table,
    Zero,
)

w0, w1 = LinearForm(0, ((0, 1),)), LinearForm(0, ((1, 1),))
u0 = LinearForm(0, (), ((0, 1),))


# -- forms and expressions -------------------------------------------------------------------------


def test_forms_are_added_and_scaled() -> None:
    form = 3 * w0 - 2 * w1 + u0 * 5 - 7
    assert form == LinearForm(-7, ((0, 3), (1, -2)), ((0, 5),))
    assert form.value([10, 20], [100]) == 30 - 40 + 500 - 7
    assert 1 - w0 == LinearForm(1, ((0, -1),))
    assert 5 + w0 == w0 + 5 == LinearForm(5, ((0, 1),))
    assert -form + form == LinearForm()


def test_terms_of_a_form_are_sorted_and_never_zero() -> None:
    assert (w1 + w0).wires == ((0, 1), (1, 1))
    assert (w0 + w1 - w0).wires == ((1, 1),)
    assert (w0 * 0).wires == ()


def test_expressions_are_added() -> None:
    first, second = Column(0, 1), Column(1, 0)
    total = Expression.of(second) + first + first - w0 + 4
    assert total == Expression(LinearForm(4, ((0, -1),)), ((first, 2), (second, 1)))
    assert total - total == Expression()
    assert -Expression.of(first) == Expression(LinearForm(), ((first, -1),))
    assert Expression.of(total) is total


# -- tables ----------------------------------------------------------------------------------------


def test_a_table_knows_its_rows_and_digest() -> None:
    table = Table(((1, 2, 3), (0, 5, 2**63 - 1)))
    assert table.rows == 3
    text = TABLE_TAG + (3).to_bytes(4, "big") + (2).to_bytes(4, "big")
    text += b"".join(entry.to_bytes(8, "big") for column in table.columns for entry in column)
    assert table.digest == hashlib.sha256(text).digest()


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ((), "a column and a row"),
        (((),), "a column and a row"),
        (((1, 2), (1,)), "column 1 is shorter or longer"),
        (((1, 2), (1, 2, 3)), "column 1 is shorter or longer"),
        (((1, -1),), r"column 0 leaves \[0, 2\^63\)"),
        (((1,), (MAX_ENTRY,)), r"column 1 leaves \[0, 2\^63\)"),
        (((0,) * (MAX_ROWS + 1),), "at most 65536 rows"),
        ([(1, 2)], "immutable tuple"),
        (([1, 2],), "immutable tuple"),
    ],
)
def test_malformed_tables_are_refused(columns: Any, complaint: str) -> None:
    with pytest.raises(StatementError, match=complaint):
        Table(columns)


def test_tables_of_other_shapes_have_other_digests() -> None:
    shapes = [((1, 2, 3, 4),), ((1, 2), (3, 4)), ((1,), (2,), (3,), (4,)), ((1, 3), (2, 4))]
    assert len({Table(columns).digest for columns in shapes}) == 4


# -- selectors -------------------------------------------------------------------------------------


def test_a_selectors_digits_are_one_hot() -> None:
    selector = Selector(0, ((0, 1), (2,)))
    assert (selector.radix, selector.degree) == ((3, 2), 2)
    for row in range(6):
        values = selector.assignment(row)
        wires = [values[wire] for wire in range(3)]
        assert wires == selector_values((3, 2), row)
        assert selector.selected(wires, 6) == row
        for position, digit in ((0, row % 3), (1, row // 3)):
            base = selector.radix[position]
            indicators = [selector.indicator(position, v).value(wires, ()) for v in range(base)]
            assert indicators == [int(v == digit) for v in range(base)]


def test_rows_past_the_last_mean_the_last() -> None:
    selector = Selector(0, ((0, 1), (2,)))
    assert [selector.selected(selector_values((3, 2), row), 4) for row in range(6)] == [
        0,
        1,
        2,
        3,
        3,
        3,
    ]


def test_a_row_out_of_reach_has_no_assignment() -> None:
    with pytest.raises(WitnessError, match="row number outside the table"):
        Selector(0, ((0, 1), (2,))).assignment(6)


# -- what a circuit refuses ------------------------------------------------------------------------

TABLE = Table(((1, 2, 3), (10, 20, 30)))
BITS = (Digit(w0, 2), Digit(w1, 2), Digit(1 - w0 - w1, 2))


def by_hand(**changes: Any) -> Circuit:
    """A sound circuit with one selector of base 3, one line of one slot and one public input,
    changed."""
    parts: dict[str, Any] = {
        "wires": 2,
        "publics": (100,),
        "slots": 1,
        "tables": (TABLE,),
        "selectors": (Selector(0, ((0, 1),)),),
        "equations": BITS,
        "lines": ((Expression.of(Column(0, 0)),),),
    }
    return Circuit(**(parts | changes))


def test_the_circuit_that_the_refusals_start_from_is_sound() -> None:
    assert by_hand().degree == 2


def zero(*columns: tuple[Column, int], form: LinearForm = w0) -> tuple[Any, ...]:
    """The sound equations and one more."""
    return (*BITS, Zero(Expression(form, columns)))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too many wires": ({"wires": MAX_WIRES + 1}, "at most 4096 wires"),
    "fewer than no wires": ({"wires": -1}, "at most 4096 wires"),
    "no line": ({"lines": ()}, "1 to 64 lines"),
    "too many lines": ({"lines": ((Expression(),),) * (MAX_LINES + 1)}, "1 to 64 lines"),
    "negative public input": ({"publics": (-1,)}, "public input leaves"),
    "huge public input": ({"publics": (MAX_ENTRY,)}, "public input leaves"),
    "no slots": ({"slots": 0, "lines": ((),)}, "1 to 16 slots"),
    "too many slots": ({"slots": 17, "lines": ((Expression(),) * 17,)}, "1 to 16 slots"),
    "equations that can be changed": ({"equations": list(BITS)}, "immutable tuple"),
    "lines that can be changed": ({"lines": [(Expression(),)]}, "immutable tuple"),
    "a line that can be changed": ({"lines": ([Expression()],)}, "immutable tuple"),
    "publics that can be changed": ({"publics": [100]}, "immutable tuple"),
    "tables that can be changed": ({"tables": [TABLE]}, "immutable tuple"),
    "selectors that can be changed": ({"selectors": [Selector(0, ((0, 1),))]}, "immutable tuple"),
    "digits that can be changed": ({"selectors": (Selector(0, [(0, 1)]),)}, "immutable tuple"),  # type: ignore[arg-type]
    "a digit that can be changed": ({"selectors": (Selector(0, ([0, 1],)),)}, "immutable tuple"),  # type: ignore[arg-type]
    "line of another length": ({"lines": ((),)}, "every slot"),
    "one line of another length": (
        {"lines": ((Expression(),), (Expression(), Expression()))},
        "every slot",
    ),
    "base 1": ({"equations": (*BITS, Digit(w0, 1))}, "digit base outside"),
    "base 17": ({"equations": (*BITS, Digit(w0, MAX_DEGREE + 1))}, "digit base outside"),
    "unknown wire": ({"equations": (*BITS, Digit(LinearForm(0, ((2, 1),)), 2))}, "out of range"),
    "negative wire": ({"equations": (*BITS, Digit(LinearForm(0, ((-1, 1),)), 2))}, "out of range"),
    "unknown public input": (
        {"equations": zero(form=LinearForm(0, (), ((1, 1),)))},
        "index is out of range",
    ),
    "wires not sorted": (
        {"equations": zero(form=LinearForm(0, ((1, 1), (0, 1))))},
        "sorted and distinct",
    ),
    "wire twice": ({"equations": zero(form=LinearForm(0, ((0, 1), (0, 1))))}, "sorted and dist"),
    "zero coefficient": ({"equations": zero(form=LinearForm(0, ((0, 0),)))}, "zero coefficient"),
    "large coefficient": (
        {"equations": zero(form=LinearForm(0, ((0, MAX_COEFFICIENT),)))},
        r"reaches 2\^53",
    ),
    "large negative public coefficient": (
        {"equations": zero(form=LinearForm(0, (), ((0, -MAX_COEFFICIENT),)))},
        r"reaches 2\^53",
    ),
    "large constant": ({"equations": zero(form=LinearForm(MAX_COEFFICIENT))}, r"reaches 2\^53"),
    "large constant in a slot": (
        {"lines": ((Expression(LinearForm(MAX_COEFFICIENT)),),)},
        r"reaches 2\^53",
    ),
    "columns not sorted": (
        {"equations": zero((Column(0, 1), 1), (Column(0, 0), 1))},
        "columns are sorted",
    ),
    "column twice": ({"equations": zero((Column(0, 0), 1), (Column(0, 0), 1))}, "columns are sor"),
    "unknown selector": ({"equations": zero((Column(1, 0), 1))}, "column's selector"),
    "negative selector": ({"equations": zero((Column(-1, 0), 1))}, "column's selector"),
    "unknown column": ({"equations": zero((Column(0, 2), 1))}, "column is out of range"),
    "negative column": ({"equations": zero((Column(0, -1), 1))}, "column is out of range"),
    "column times zero": ({"equations": zero((Column(0, 0), 0))}, "coefficient is 0 or"),
    "column times 2^53": (
        {"equations": zero((Column(0, 0), MAX_COEFFICIENT))},
        "coefficient is 0 or",
    ),
    "unknown column in a slot": (
        {"lines": ((Expression.of(Column(0, 7)),),)},
        "column is out of range",
    ),
    "unknown table": ({"selectors": (Selector(1, ((0, 1),)),)}, "table is out of range"),
    "negative table": ({"selectors": (Selector(-1, ((0, 1),)),)}, "table is out of range"),
    "rows out of reach": ({"selectors": (Selector(0, ((0,),)),)}, "cannot reach every row"),
    "digit without a wire": ({"selectors": (Selector(0, ((0, 1), ())),)}, "digit has no wire"),
    "wire twice in a selector": (
        {"selectors": (Selector(0, ((0, 1), (1,))),)},
        "uses a wire twice",
    ),
    "a selector's wire is no bit": ({"equations": BITS[1:]}, "not one-hot"),
    "a selector's wire has another base": (
        {"equations": (Digit(w0, 3), *BITS[1:])},
        "not one-hot",
    ),
    "two of a digit's wires may be 1": ({"equations": BITS[:2]}, "not one-hot"),
    "degree 17": (
        {
            "wires": 17,
            "selectors": (Selector(0, tuple((wire,) for wire in range(17))),),
            "equations": tuple(Digit(LinearForm(0, ((wire, 1),)), 2) for wire in range(17)),
        },
        "1 to 16 digits",
    ),
    "a table padded far beyond its rows": (
        {
            "wires": 0,
            "selectors": (Selector(0, tuple((9 * j, 9 * j + 1) for j in range(12))),),
        },
        "far too many rows",
    ),
    "unbounded wire in an equation": (
        {"wires": 3, "equations": (*BITS, Zero(Expression(LinearForm(0, ((2, 1),))), "sum"))},
        "'sum' uses a wire that nothing bounds",
    ),
    "unbounded wire in a digit's form": (
        {"wires": 3, "equations": (*BITS, Digit(LinearForm(1, ((2, 1),)), 2, "shifted"))},
        "'shifted' uses a wire that nothing bounds",
    ),
    "a multiple of a wire is no bound on it": (
        {"wires": 3, "equations": (*BITS, Digit(LinearForm(0, ((2, 2),)), 2), zero()[-1])},
        "uses a wire that nothing bounds",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_unsound_circuits_are_refused(fault: str) -> None:
    changes, complaint = REFUSED[fault]
    with pytest.raises(StatementError, match=complaint):
        by_hand(**changes)


def test_the_sum_of_bits_does_not_pass_for_one_hot() -> None:
    # Σ b_v being a bit is as good, mathematically, but only the indicator of 0 itself is looked
    # for.
    with pytest.raises(StatementError, match="not one-hot"):
        by_hand(equations=(*BITS[:2], Digit(w0 + w1, 2)))


def wide(coefficient: int, count: int) -> Circuit:
    """An equation of magnitude count·(2^63 − 1)·coefficient + 1."""
    table = Table(((MAX_ENTRY - 1,),) * count)
    builder = CircuitBuilder(1)
    selector = builder.select(table, (2,))
    columns = tuple((builder.column(selector, c), coefficient) for c in range(count))
    builder.zero(Expression(LinearForm(1), columns))
    builder.line({})
    return builder.build()


def test_an_equation_that_could_wrap_around_is_refused() -> None:
    largest = MAX_COEFFICIENT - 1
    fitting = (
        next(c for c in range(1, 10_000) if c * (MAX_ENTRY - 1) * largest + 1 >= MAGNITUDE) - 1
    )
    assert wide(largest, fitting).magnitude == fitting * (MAX_ENTRY - 1) * largest + 1 < MAGNITUDE
    with pytest.raises(StatementError, match="wrap around"):
        wide(largest, fitting + 1)


def test_every_part_of_an_equation_counts_towards_its_magnitude() -> None:
    equation = Zero(
        Expression(LinearForm(-7, ((0, -5), (1, 3)), ((0, -2),)), ((Column(0, 1), -4),))
    )
    assert by_hand(equations=(*BITS, equation)).magnitude == 7 + 5 + 3 + 2 * 100 + 4 * 30


def test_the_smallest_bound_on_a_wire_counts() -> None:
    circuit = by_hand(equations=(*BITS, Digit(w0, 5), Digit(w0, 2)))
    assert circuit.maxima == {0: 1, 1: 1}


def test_forms_with_constants_or_public_inputs_bound_no_wire() -> None:
    circuit = by_hand(equations=(*BITS, Digit(w0 - 1, 5), Digit(w1 + u0, 4)))
    assert circuit.maxima == {0: 1, 1: 1}


# -- degrees, values, witnesses --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "degree"),
    [
        (lambda builder: None, 2),
        (lambda builder: builder.digit(7), 7),
        (lambda builder: builder.boolean(LinearForm(1)), 2),
        (lambda builder: builder.select(TABLE, (2, 2, 2)), 2),  # nobody reads it
        (lambda builder: read(builder, (2, 2, 2), in_line=False), 3),
        (lambda builder: read(builder, (2, 2, 2), in_line=True), 3),
        (lambda builder: read(builder, (3,), in_line=True), 2),
    ],
)
def test_the_degree_is_the_largest_and_at_least_two(
    change: Callable[[CircuitBuilder], object], degree: int
) -> None:
    builder = CircuitBuilder(1)
    builder.line({})
    change(builder)
    assert builder.build().degree == degree


def read(builder: CircuitBuilder, radix: tuple[int, ...], *, in_line: bool) -> None:
    column = builder.column(builder.select(TABLE, radix), 0)
    if in_line:
        builder.line({1: column})
    else:
        builder.zero(Expression.of(column) - 1)


def test_values_of_lines() -> None:
    example = purchase()
    assert example.circuit.line_values(example.wires, example.publics) == [
        [CODES[2], 119, 7_300, 77_777],
        [CODES[4], 250, 7_300, 123_456_789],
    ]
    assert LIMITS[4] == 250  # the second price is at its limit


def test_a_good_witness_passes() -> None:
    purchase().circuit.check_witness(purchase().wires, purchase().publics)


def test_a_witness_of_another_length_is_refused() -> None:
    example = purchase()
    for wires in (example.wires[:-1], (*example.wires, 0), ()):
        with pytest.raises(WitnessError, match="wrong number of wires"):
            example.circuit.check_witness(wires, example.publics)


def test_each_wire_matters_but_the_free_ones() -> None:
    example = purchase()
    free = [10, 21]
    for wire in range(example.circuit.wires):
        changed = list(example.wires)
        changed[wire] += 1
        if wire in free:
            example.circuit.check_witness(changed, example.publics)
        else:
            with pytest.raises(WitnessError, match="not satisfied: "):
                example.circuit.check_witness(changed, example.publics)


@pytest.mark.parametrize("value", [-1, 2, -(10**9), 2**300])
def test_a_digit_out_of_range_is_named_by_its_label(value: int) -> None:
    with pytest.raises(WitnessError, match=r"^not satisfied: bit$"):
        bit().circuit.check_witness([value], ())


def test_an_equation_without_a_label_is_named_by_its_number() -> None:
    circuit = by_hand(equations=(*BITS, Zero(Expression(w0 - 1))))
    circuit.check_witness([1, 0], [0])
    with pytest.raises(WitnessError, match=r"^not satisfied: equation 3$"):
        circuit.check_witness([0, 1], [0])


def test_the_order_of_equations_does_not_decide_whether_a_witness_is_refused_cleanly() -> None:
    lookup = Zero(Expression(LinearForm(-2), ((Column(0, 0), 1),)))
    circuit = by_hand(equations=(lookup, *BITS))
    with pytest.raises(WitnessError):
        circuit.check_witness([-10, 0], [0])


def test_public_inputs_are_checked() -> None:
    circuit = by_hand()
    circuit.check_publics([0])
    circuit.check_publics([100])
    for publics, complaint in (
        ([], "wrong number"),
        ([1, 2], "wrong number"),
        ([101], "public input 0 leaves its range"),
        ([-1], "public input 0 leaves its range"),
    ):
        with pytest.raises(StatementError, match=complaint):
            circuit.check_publics(publics)


# -- digest ----------------------------------------------------------------------------------------


def test_the_digest_is_of_the_canonical_description() -> None:
    circuit = purchase().circuit
    text = json.dumps(circuit.describe(), sort_keys=True, separators=(",", ":")).encode()
    expected = hashlib.sha256(CIRCUIT_TAG + len(text).to_bytes(8, "big") + text).digest()
    assert circuit.digest == expected


def test_circuits_are_equal_when_their_digests_are() -> None:
    assert by_hand() == by_hand()
    assert hash(by_hand()) == hash(by_hand())
    assert by_hand() != by_hand(publics=(99,))
    assert by_hand() != "a circuit"


def test_labels_do_not_count() -> None:
    labelled = tuple(dataclasses.replace(equation, label="x") for equation in BITS)
    assert by_hand(equations=labelled) == by_hand()


DIFFERENT: dict[str, dict[str, Any]] = {
    "a wire more": {"wires": 3},
    "a public maximum": {"publics": (101,)},
    "a public input more": {"publics": (100, 0)},
    "slots": {"slots": 2, "lines": ((Expression.of(Column(0, 0)), Expression()),)},
    "a table's entry": {"tables": (Table(((1, 2, 4), (10, 20, 30))),)},
    "a table more": {"tables": (TABLE, TABLE)},
    "a selector's wires": {"selectors": (Selector(0, ((1, 0),)),)},
    "a selector more": {"selectors": (Selector(0, ((0, 1),)),) * 2},
    "an equation more": {"equations": (*BITS, BITS[0])},
    "the order of equations": {"equations": BITS[::-1]},
    "an equation's base": {"equations": (*BITS, Digit(w0, 3))},
    "digit or zero": {"equations": (*BITS, Zero(Expression(w0)))},
    "an equation's constant": {"equations": (*BITS, Digit(w0 + 1, 2))},
    "a public coefficient": {"equations": (*BITS, Digit(w0 + u0, 2))},
    "a slot's column": {"lines": ((Expression.of(Column(0, 1)),),)},
    "a slot's coefficient": {"lines": ((Expression.of(Column(0, 0)) + Column(0, 0),),)},
    "a line more": {"lines": ((Expression.of(Column(0, 0)),),) * 2},
}


def test_everything_else_counts() -> None:
    digests = {"as it is": by_hand().digest}
    digests |= {name: by_hand(**changes).digest for name, changes in DIFFERENT.items()}
    assert len(set(digests.values())) == len(digests)


# -- the builder -----------------------------------------------------------------------------------


def test_a_table_is_kept_once() -> None:
    builder = CircuitBuilder(1)
    builder.select(TABLE, (3,))
    second = builder.select(Table(TABLE.columns), (2, 2))
    builder.line({1: builder.column(second, 1)})
    circuit = builder.build()
    assert len(circuit.tables) == 1
    assert [selector.table for selector in circuit.selectors] == [0, 0]
    assert circuit.lines[0][0] == Expression.of(Column(1, 1))


def test_slots_left_out_are_zero() -> None:
    builder = CircuitBuilder(3)
    builder.line({2: 5})
    circuit = builder.build()
    assert circuit.line_values([], []) == [[0, 5, 0]]


@pytest.mark.parametrize("slot", [0, 4, -1])
def test_a_slot_that_does_not_exist_is_refused(slot: int) -> None:
    with pytest.raises(StatementError, match="slots are numbered 1 to 3"):
        CircuitBuilder(3).line({slot: 1})


def test_the_builder_refuses_what_the_circuit_refuses() -> None:
    builder = CircuitBuilder(1)
    builder.zero(builder.free_wire(), "loose")
    builder.line({})
    with pytest.raises(StatementError, match="'loose' uses a wire that nothing bounds"):
        builder.build()


@pytest.mark.parametrize("base", [0, 1, -3])
def test_a_digit_of_a_selector_has_at_least_two_values(base: int) -> None:
    builder = CircuitBuilder(1)
    builder.select(Table(((1,),)), (base,))
    builder.line({})
    with pytest.raises(StatementError, match="digit has no wire"):
        builder.build()


@pytest.mark.parametrize("value", [-1, 1])
def test_an_equation_is_0_and_neither_above_nor_below(value: int) -> None:
    builder = CircuitBuilder(1)
    wire = builder.digit(4, "digit")
    builder.zero(wire - 2, "two")
    builder.line({1: wire})
    circuit = builder.build()
    circuit.check_witness([2], ())
    with pytest.raises(WitnessError, match="two"):
        circuit.check_witness([2 + value], ())
