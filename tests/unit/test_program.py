"""The compiled field part: bit for bit what Python computes; no input that it does not survive."""

from __future__ import annotations

import os
import random
import shutil
import struct
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from gmpy2 import mpz

import zk.program
from bench.cases import cases
from tests.support.circuits import Example, bit, instance_of, purchase
from tests.support.weak_verifier import unchecked_circuit
from zk.backends import load_group
from zk.encoding import Proof, decode_proof, encode_proof
from zk.errors import EncodingError, ProofRejected, StatementError
from zk.evaluate import CompiledEvaluator, Evaluator, Point, encode_value, evaluator_of
from zk.field import decode_scalars, encode_little, encode_scalars, powers, read_scalars
from zk.generators import generators_of
from zk.instance import Instance
from zk.program import ORDER, SETTING, program_of
from zk.prove import prove
from zk.relation import Circuit, CircuitBuilder, Digit, Expression, LinearForm, Table, Zero
from zk.verify import _field_part, _scalars, _weights, verify, verify_batch

if TYPE_CHECKING:
    from zk._evaluate import Program

Q = ORDER
TOP = (mpz(1) << 256) - 1
EDGES = (mpz(0), mpz(1), mpz(2), Q - 1, Q - 2, mpz(1) << 255, (mpz(1) << 128) - 1)
LOOSE = (*EDGES, Q, Q + 1, TOP, TOP - 1)  # as far as 32 bytes go

needs_module = pytest.mark.skipif(
    zk.program.native is None, reason="zk._evaluate is not built, or switched off"
)


def test_the_module_is_there_where_it_has_to_be() -> None:
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not os.environ.get("CLAIROBSCUR_REQUIRE_NATIVE"):
        pytest.skip("CLAIROBSCUR_REQUIRE_NATIVE is not set")
    assert header.exists(), "no Python.h: the development files of Python are missing"
    assert shutil.which("gcc") or shutil.which("clang"), "no C compiler"
    assert zk.program.native is not None


# -- the switch --------------------------------------------------------------------------------


@needs_module
@pytest.mark.parametrize("chosen", ["", "native"])
def test_built_it_is_taken(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, chosen)
    assert zk.program._load() is zk.program.native


def test_python_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "python")
    assert zk.program._load() is None


def test_without_the_module_everything_runs_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zk._evaluate", None)
    monkeypatch.delattr("zk._evaluate", raising=False)
    monkeypatch.delenv(SETTING, raising=False)
    assert zk.program._load() is None
    monkeypatch.setenv(SETTING, "native")
    with pytest.raises(StatementError, match="was not built"):
        zk.program._load()


def test_a_module_from_other_sources_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("zk._evaluate")
    monkeypatch.setitem(sys.modules, "zk._evaluate", other)
    monkeypatch.setattr("zk._evaluate", other, raising=False)
    monkeypatch.delenv(SETTING, raising=False)
    assert zk.program._load() is None
    monkeypatch.setenv(SETTING, "native")
    with pytest.raises(StatementError, match="was not built"):
        zk.program._load()


def test_another_evaluator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "fortran")
    with pytest.raises(StatementError, match="is one of native, python"):
        zk.program._load()


@needs_module
def test_the_module_is_for_one_order() -> None:
    circuit = bit().circuit
    assert isinstance(evaluator_of(circuit, Q), CompiledEvaluator)
    assert isinstance(evaluator_of(circuit, mpz(17)), Evaluator)
    assert load_group().order == ORDER


def test_switched_off_the_same_circuit_is_evaluated_in_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zk.program, "native", None)
    assert isinstance(evaluator_of(bit().circuit, Q), Evaluator)


@needs_module
@pytest.mark.parametrize(
    "equation",
    [
        Digit(LinearForm(1 << 60, ((0, 1),)), 2),
        Zero(Expression(LinearForm(0, ((9, 1),)))),
        Digit(LinearForm(0, ((0, 1),)), 40),
    ],
    ids=["coefficient", "index", "base"],
)
def test_what_no_constructor_checked_is_left_to_python(equation: Digit | Zero) -> None:
    circuit = unchecked_circuit(bit().circuit, equations=(*bit().circuit.equations, equation))
    assert program_of(circuit, Q) is None


# -- equal to Python ---------------------------------------------------------------------------


@cache
def _shipped() -> dict[str, Circuit]:
    return {case.title: case.statement().circuit for case in cases()}


def _draw(count: int, seed: int) -> list[mpz]:
    generator = random.Random(seed)
    return [mpz(generator.randrange(int(Q))) for _ in range(count)]


def _point(circuit: Circuit, f: Sequence[mpz], x: mpz, y: mpz, publics: Sequence[int]) -> Point:
    return Point(f, x, powers(y, len(circuit.equations) + len(circuit.lines), Q), publics)


def _anywhere(circuit: Circuit, seed: int, publics: Sequence[int]) -> Point:
    x, y, *f = _draw(2 + circuit.wires, seed)
    return _point(circuit, f, x, y, publics)


def _both(circuit: Circuit) -> tuple[CompiledEvaluator, Evaluator]:
    compiled = evaluator_of(circuit, Q)
    assert isinstance(compiled, CompiledEvaluator)
    return compiled, Evaluator(circuit, Q)


@needs_module
@pytest.mark.parametrize("title", _shipped())
def test_every_statement_that_ships(title: str) -> None:
    circuit = _shipped()[title]
    compiled, python = _both(circuit)
    largest = [*circuit.publics]
    points = [
        _anywhere(circuit, seed, publics)
        for seed, publics in enumerate([largest, [0] * len(largest), [m // 2 for m in largest]])
    ]
    for edge in EDGES:
        points.append(_point(circuit, [edge] * circuit.wires, edge, edge, largest))
        points.append(_point(circuit, [Q - 1] * circuit.wires, edge, Q - 1, largest))
    assert compiled(points) == python(points)


@needs_module
@pytest.mark.parametrize("title", _shipped())
def test_the_provers_coefficients(title: str) -> None:
    circuit = _shipped()[title]
    compiled, python = _both(circuit)
    n, S, publics = circuit.wires, circuit.slots, [*circuit.publics]
    for w, a, tops in (
        (_draw(n, 1), _draw(n, 2), _draw(S + 1, 3)),
        ([mpz(0)] * n, [Q - 1] * n, [mpz(0)] * (S + 1)),
        ([Q - 1] * n, [mpz(0)] * n, [Q - 1] * (S + 1)),
    ):
        y = _draw(1, 4)[0]
        assert compiled.coefficients(w, a, y, publics, tops) == python.coefficients(
            w, a, y, publics, tops
        )


@needs_module
def test_integers_up_to_the_last_of_32_bytes_stand_for_their_class() -> None:
    circuit = purchase().circuit
    compiled, python = _both(circuit)
    count = len(circuit.equations) + len(circuit.lines)
    points, reduced = [], []
    for seed, edge in enumerate(LOOSE):
        generator = random.Random(seed)
        f = [generator.choice(LOOSE) for _ in range(circuit.wires)]
        y = [generator.choice(LOOSE) for _ in range(count)]
        points.append(Point(f, edge, y, purchase().publics))
        reduced.append(Point([v % Q for v in f], edge % Q, [v % Q for v in y], purchase().publics))
    assert compiled(points) == compiled(reduced) == python(reduced)
    # Further away nothing can be encoded; such points are reduced first.
    far = [Point([TOP + 1, *p.f[1:]], -p.x, p.y_powers, p.publics) for p in reduced]
    assert compiled(far) == python(far)


@needs_module
@pytest.mark.parametrize("base", range(2, 17))
def test_digits_of_edge_values(base: int) -> None:
    builder = CircuitBuilder(1)
    wire = builder.digit(base)
    builder.line({1: wire})
    compiled, python = _both(builder.build())
    points = [Point([v], x, [y, mpz(1)], []) for v in EDGES for x in EDGES for y in (mpz(1), Q - 1)]
    assert compiled(points) == python(points)


@needs_module
def test_long_forms_of_the_largest_coefficients() -> None:
    # Sums of small multiples are the longest where every wire has the largest coefficient.
    builder = CircuitBuilder(2)
    wires = [builder.digit(2) for _ in range(1_500)]
    public = builder.public(2**63 - 1)
    most = 2**53 - 1
    form = sum((most * wire for wire in wires[::2]), LinearForm(-most))
    form = sum((-most * wire for wire in wires[1::2]), form)
    builder.zero(form - most * public)
    builder.line({1: form + most * public, 2: -public})
    circuit = builder.build()
    compiled, python = _both(circuit)
    points = [
        _point(circuit, [v] * circuit.wires, x, _draw(1, 7)[0], [2**63 - 1])
        for v in (Q - 1, mpz(1))
        for x in (Q - 1, mpz(3))
    ]
    points.append(_point(circuit, [Q - 1, mpz(0)] * 750, Q - 1, Q - 1, [2**63 - 1]))
    assert compiled(points) == python(points)


@needs_module
@pytest.mark.parametrize("radix", [(1000,), (2,) * 13, (16, 16, 16, 16), (7, 5, 3, 2, 11), (3,)])
@pytest.mark.parametrize("fill", [0, 1, 2**32 - 1, 2**63 - 1])
def test_tables_of_the_longest_sums(radix: tuple[int, ...], fill: int) -> None:
    reach = 1
    for base in radix:
        reach *= base
    generator = random.Random(reach)
    table = Table(((fill,) * reach, tuple(generator.randrange(fill + 1) for _ in range(reach))))
    builder = CircuitBuilder(2)
    one = builder.select(table, radix)
    builder.line({1: builder.column(one, 0), 2: builder.column(one, 1)})
    circuit = builder.build()
    compiled, python = _both(circuit)
    points = [
        _point(circuit, [Q - 1] * circuit.wires, Q - 1, Q - 1, []),
        _point(circuit, [mpz(0)] * circuit.wires, Q - 1, mpz(1), []),
        _anywhere(circuit, reach + fill, []),
    ]
    assert compiled(points) == python(points)


@needs_module
def test_nothing_is_evaluated_at_no_point() -> None:
    assert evaluator_of(purchase().circuit, Q)([]) == []


# -- the verifier's scalars --------------------------------------------------------------------


def _proved(example: Example) -> tuple[Instance, Proof]:
    generators = generators_of(load_group())
    instance, openings = example.instance(generators)
    proof = prove(generators, instance, example.wires, openings)
    data = encode_proof(proof, generators.group)
    return instance, decode_proof(data, example.circuit, generators.group)


@needs_module
def test_values_and_scalars_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    group = load_group()
    items = [_proved(purchase()) for _ in range(3)]
    compiled = _field_part(group, items)
    weights = _weights(compiled)
    assert len(set(weights)) == 3
    weights[1] = bytes(31) + b"\xff"  # at the ends of what 16 bytes hold
    weights[2] = b"\xff" * 16 + b"\1" + bytes(15)
    monkeypatch.setattr(zk.program, "native", None)
    python = _field_part(group, items)
    assert isinstance(python[0].evaluator, Evaluator)
    assert [item.value for item in compiled] == [item.value for item in python]
    circuit = purchase().circuit
    # More slots and wires than this circuit has, and sums that others began.
    for slots, wires in ((circuit.slots, circuit.wires), (circuit.slots + 2, circuit.wires + 3)):
        for before in (mpz(0), Q - 1, mpz(1)):
            sums = encode_little([before] * (2 + slots + wires))
            assert _scalars(compiled, weights, sums, slots) == _scalars(
                python, weights, sums, slots
            )


@needs_module
def test_a_proof_made_with_either_is_judged_by_either(monkeypatch: pytest.MonkeyPatch) -> None:
    generators = generators_of(load_group())
    instance, proof = _proved(purchase())
    monkeypatch.setattr(zk.program, "native", None)
    verify(generators, instance, proof)
    other = _proved(purchase())
    monkeypatch.undo()
    verify(generators, *other)
    with pytest.raises(ProofRejected):
        verify(generators, instance, other[1])


@pytest.mark.parametrize("evaluator", ["native", "python"])
def test_scalars_are_read_strictly(evaluator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if evaluator == "python":
        monkeypatch.setattr(zk.program, "native", None)
    values = [mpz(0), mpz(1), Q - 1, *_draw(4, 1)]
    data = encode_scalars(values)
    read = read_scalars(data, Q)
    assert len(read) == len(values)
    assert read == tuple(values)
    assert read != tuple(values[::-1])
    assert (read[2], read[-1], read[1:3]) == (Q - 1, values[-1], tuple(values[1:3]))
    assert hash(read) == hash(tuple(values))
    assert repr(read) == repr(tuple(values))
    assert read_scalars(b"", Q) == ()
    for excess in (Q, Q + 1, TOP, TOP - 1):
        for place in (0, 3, 6):
            bad = [*values]
            bad[place] = excess
            with pytest.raises(EncodingError, match="not below the group order"):
                decode_scalars(encode_scalars(bad), Q)
            with pytest.raises(EncodingError, match="not below the group order"):
                read_scalars(encode_scalars(bad), Q)
    for length in (1, 31, 33):
        with pytest.raises(EncodingError, match="32 bytes each"):
            read_scalars(bytes(length), Q)


# -- nothing crashes ---------------------------------------------------------------------------


def _words(circuit: Circuit) -> list[int]:
    data = zk.program._Compiler(circuit).words()
    return list(struct.unpack(f"<{len(data) // 8}q", data))


def _program(words: Sequence[int]) -> Program:
    assert zk.program.native is not None
    made: Program = zk.program.native.Program(struct.pack(f"<{len(words)}q", *words))
    return made


def _run(program: Program, words: Sequence[int]) -> None:
    """Everything a program can do, with the lengths that its head asks for."""
    n, p, S, D, powers_of_y, _ = words[:6]
    one = b"\1" * 32
    program.evaluate(one * n, one, one * powers_of_y, bytes(8 * p))
    value = program.field_parts(one * (n + 2), one * 2, bytes(8 * p))
    program.scalars(one * (2 + S + n), S, one * (n + 2), one * 2, value, one)
    program.coefficients(one * n, one * n, one, bytes(8 * p), one * (S + 1), one * D * D)


@needs_module
@pytest.mark.parametrize("example", [bit(), purchase()], ids=["bit", "purchase"])
def test_a_changed_program_is_refused_or_runs(example: Example) -> None:
    words = _words(example.circuit)
    _run(_program(words), words)
    refused = 0
    for place, word in enumerate(words):
        for other in (word - 1, word + 1, -1, 0, 2**16, 2**20, 2**20 + 1, 2**32, 2**62, -(2**63)):
            changed = [*words]
            changed[place] = other
            try:
                program = _program(changed)
            except ValueError:
                refused += 1
                continue
            if max(changed[:6]) <= 2**16:
                _run(program, changed)
    assert refused > 5 * len(words)


@needs_module
@pytest.mark.parametrize("example", [bit(), purchase()], ids=["bit", "purchase"])
def test_a_program_cut_off_or_lengthened_is_refused(example: Example) -> None:
    words = _words(example.circuit)
    for length in range(len(words)):
        with pytest.raises(ValueError, match="too early"):
            _program(words[:length])
    with pytest.raises(ValueError, match="too long"):
        _program([*words, 0])
    assert zk.program.native is not None
    with pytest.raises(ValueError, match="whole number of words"):
        zk.program.native.Program(struct.pack("<q", 1)[:-1])


def _reading(columns: int, selectors: int) -> list[int]:
    """A program of one table of one row, which every selector reads whole: a value for each column
    and one for its digit."""
    head, table = [0, 0, 0, 2, 0, 0], [1, 1, 1, columns, *[0] * columns]
    return [*head, *table, selectors, *[0, 1, 0, 0] * selectors, *[0] * 5]


@needs_module
def test_values_are_counted_before_their_number_wraps_around() -> None:
    for columns, selectors in ((3, 5), (15, 1 << 16)):
        _run(_program(_reading(columns, selectors)), _reading(columns, selectors))
    # 2^20 values and 16 more; then 2^32, in 32 bits none at all, for which there would be no room.
    for columns, selectors in ((15, (1 << 16) + 1), ((1 << 16) - 1, 1 << 16)):
        with pytest.raises(ValueError, match="too many values"):
            _program(_reading(columns, selectors))


@needs_module
def test_noise_is_refused() -> None:
    generator = random.Random(5)
    for _ in range(300):
        words = [generator.choice((0, 1, 2, 3, 5, 60, -1)) for _ in range(generator.randrange(60))]
        try:
            program = _program(words)
        except ValueError:
            continue
        _run(program, words)


@needs_module
def test_arguments_of_another_kind_are_refused() -> None:
    native = zk.program.native
    assert native is not None
    calls: tuple[Callable[[], object], ...] = (
        lambda: native.Program(),
        lambda: native.Program(7),
        lambda: native.Program("text"),
        lambda: native.Program(bytearray(8)),
        lambda: native.Program(words=b""),
        lambda: native.below_order(None),
    )
    for call in calls:
        with pytest.raises(TypeError):
            call()


def _wrong_lengths() -> Iterator[tuple[str, list[bytes | int]]]:
    """Every method of the program of `purchase`, and arguments of which one is wrong."""
    circuit = purchase().circuit
    n, p, S, D = circuit.wires, len(circuit.publics), circuit.slots, circuit.degree
    y = len(circuit.equations) + len(circuit.lines)
    right: dict[str, list[bytes | int]] = {
        "evaluate": [bytes(32 * n), bytes(32), bytes(32 * y), bytes(8 * p)],
        "field_parts": [bytes(32 * (n + 2)), bytes(64), bytes(8 * p)],
        "scalars": [
            *(bytes(32 * (2 + S + n)), S, bytes(32 * (n + 2))),
            *(bytes(64), bytes(32 * (1 + S)), bytes(32)),
        ],
        "coefficients": [
            *(bytes(32 * n), bytes(32 * n), bytes(32), bytes(8 * p)),
            *(bytes(32 * (1 + S)), bytes(32 * D * D)),
        ],
    }
    for name, arguments in right.items():
        yield name, arguments
        for place, argument in enumerate(arguments):
            others: list[bytes | int]
            if isinstance(argument, int):
                others = [argument - 1, argument + 1, -1, 2**40]
            else:
                others = [argument[:-1], argument + b"\0", argument + bytes(32), b""]
            for other in others:
                yield name, [*arguments[:place], other, *arguments[place + 1 :]]


@needs_module
def test_lengths_that_do_not_fit_are_refused() -> None:
    program = program_of(purchase().circuit, Q)
    assert program is not None
    outcomes: dict[str, list[bool]] = {}
    for name, arguments in _wrong_lengths():
        try:
            getattr(program, name)(*arguments)
        except ValueError:
            outcomes.setdefault(name, []).append(False)
        else:
            outcomes.setdefault(name, []).append(True)
    for taken in outcomes.values():
        assert taken[0]
        # Sums may be more than the circuit needs, so one wrong argument is right after all.
        assert sum(taken[1:]) <= 1


@needs_module
def test_below_order_takes_whole_scalars() -> None:
    assert zk.program.native is not None
    assert zk.program.native.below_order(b"") is True
    for length in (1, 31, 33, 63):
        with pytest.raises(ValueError, match="wrong length"):
            zk.program.native.below_order(bytes(length))


@needs_module
def test_threads_may_share_a_program() -> None:
    circuit = _shipped()["equipment"]
    compiled, _ = _both(circuit)
    points = [_anywhere(circuit, seed, circuit.publics) for seed in range(16)]
    expected = [encode_value(value) for value in compiled(points)]
    with ThreadPoolExecutor(2) as pool:
        for values in pool.map(compiled, [points] * 8):
            assert [encode_value(value) for value in values] == expected


@needs_module
def test_a_batch_of_several_circuits_names_the_bad_one() -> None:
    generators = generators_of(load_group())
    builder = CircuitBuilder(3)
    builder.line({2: builder.digit(5)})
    circuit = builder.build()
    instance, openings = instance_of(generators, circuit, [], [4])
    small = (instance, prove(generators, instance, [4], openings))
    large, other = _proved(purchase()), _proved(purchase())
    items = [large, small, other, small]
    assert verify_batch(generators, items) == []
    items[2] = (other[0], large[1])
    assert verify_batch(generators, items) == [2]
