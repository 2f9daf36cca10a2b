"""The benchmark's arithmetic, tables and plots; and that documents say what was measured."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bench import timing
from bench.cases import DAY, Case, Submission, cases, submissions
from bench.code import COMPILED, PLAIN, codes, using
from bench.floor import Watch, group_operations, shares
from bench.fresh import peak_bytes
from bench.growth import SyntheticLines
from bench.leakage import crop, extreme_wires, priced_sales, priced_witnesses, welch
from bench.macro import BenchError, shape, verify_many, verify_one
from bench.parameters import BATCH, PARAMETERS
from bench.plots import PLOTS, draw
from bench.report import (
    ReportError,
    blocks,
    disagreements,
    duration,
    fill,
    middle_half,
    missed_targets,
    per_wire,
    render_performance,
    render_readme,
    table,
    tried_block,
    verdict,
    write_documents,
)
from bench.results import FOLDER, FORMAT, LATEST, encode_results, entries, read_results
from bench.timing import Measurement, Operation, Yardstick
from circuits.contract import DEFAULT_LARGEST_PRICE_CENTS
from circuits.slots import encode_day
from zk.backends import load_group
from zk.generators import Generators, generators_of
from zk.group import IDENTITY
from zk.prove import prove
from zk.verify import verify


class Clock:
    """Seconds that pass only when something is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def generators() -> Generators:
    return generators_of(load_group("libsecp256k1"))


# -- timing -----------------------------------------------------------------------------------


def slow_group(clock: Clock, speed: Callable[[], float]) -> Any:
    """A group whose multiplication takes ``speed()`` seconds of ``clock``."""

    class Slow:
        order = load_group("libsecp256k1").order

        def hash_to_point(self, message: bytes, dst: bytes) -> bytes:
            return b"point"

        def mul(self, scalar: object, point: object) -> None:
            clock.now += speed()

    return Slow()


def test_a_sample_is_the_ratio_to_multiplications_of_the_same_moment() -> None:
    clock, machine = Clock(), {"speed": 1.0}
    yardstick = Yardstick(slow_group(clock, lambda: machine["speed"]), clock)

    def operation() -> None:
        clock.now += 7 * machine["speed"]

    steady = yardstick.measure(operation, 9)
    assert steady.ratios == pytest.approx([7.0] * 9)
    assert len(steady.seconds) == len(steady.unit_seconds) == 9
    machine["speed"] = 3.0  # the machine slows down, and the ratio does not
    assert yardstick.measure(operation, 9).units == pytest.approx(7.0)
    assert yardstick.measure(operation, 9, per=7).units == pytest.approx(1.0)


def test_the_unit_is_measured_before_and_after_the_operation() -> None:
    clock = Clock()
    half = 25 * timing.SLOW_TURNS
    speeds = iter([1.0] * half + [3.0] * half)
    yardstick = Yardstick(slow_group(clock, lambda: next(speeds)), clock)

    def operation() -> None:
        clock.now += 10.0

    measured = yardstick.measure(operation, 1)
    assert measured.unit_seconds == pytest.approx([2.0])
    assert measured.units == pytest.approx(5.0)


def test_quick_operations_are_repeated_within_a_sample() -> None:
    clock, calls = Clock(), count()
    yardstick = Yardstick(slow_group(clock, lambda: 1e-3), clock)

    def operation() -> None:
        next(calls)
        clock.now += timing.SHORTEST_SECONDS / 10

    measured = yardstick.measure(operation, 2)
    assert measured.units == pytest.approx(0.2)
    assert len(measured.seconds) == 2 * timing.QUICK_SAMPLES
    assert next(calls) == 2 + 2 * timing.QUICK_SAMPLES * 10


def test_operations_take_turns() -> None:
    clock, turns = Clock(), list[str]()
    yardstick = Yardstick(slow_group(clock, lambda: 1.0), clock)

    def operation(name: str, seconds: float) -> Operation:
        def run() -> None:
            turns.append(name)
            clock.now += seconds

        return Operation(run)

    slow = {"a": operation("a", 5.0), "b": operation("b", 2.0)}
    measured = yardstick.measure_together(slow, 3)
    assert turns[4:] == ["a", "b"] * 3, "after two calls of each that are no samples"
    assert measured["a"].ratios == pytest.approx([5.0] * 3)
    assert measured["b"].ratios == pytest.approx([2.0] * 3)


def test_the_median_withstands_one_interruption() -> None:
    measured = Measurement([1.0, 1.0, 90.0], [0.5, 0.5, 0.5])
    assert measured.units == 2.0
    assert measured.as_json() == {
        "units": 2.0,
        "median_seconds": 1.0,
        "seconds": [1.0, 1.0, 90.0],
        "unit_seconds": [0.5, 0.5, 0.5],
    }


def test_a_full_run_takes_nine_samples_and_batches_of_256_different_proofs() -> None:
    full = PARAMETERS["full"]
    assert full.rounds >= 9
    assert full.batch == full.distinct_macro == BATCH == 256
    assert full.degrees == tuple(range(3, 13))
    assert full.growth_sizes == (64, 256, 1024, 4096, 16384, 65536)
    assert full.line_counts == (1, 2, 3, 4, 5, 6, 7)
    assert full.batch_sizes == (1, 4, 16, 64, 256, 1024, 4096)


# -- what is measured -------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
def test_every_case_proves_different_sales_that_verify(case: Case, generators: Generators) -> None:
    statement = case.statement()
    made = submissions(case, statement, generators, 3)
    assert len({item.proof for item in made}) == len({item.commitments for item in made}) == 3
    verify_many(generators, made)
    found = shape(statement.circuit, made[0])
    assert found["bytes"] == 32 * (found["n"] + 2) + 33 * (2 + found["D"]) == len(made[0].proof)
    assert found["n"] == statement.circuit.wires


def test_limits_make_a_difference_to_the_circuit() -> None:
    by_name: dict[str, list[int]] = {}
    for case in cases():
        by_name.setdefault(case.name, []).append(case.statement().circuit.wires)
    assert set(by_name) == {"line", "equipment", "pair"}
    assert all(with_limits > without for without, with_limits in by_name.values())


def test_the_floor_is_the_sum_that_the_verifier_makes(generators: Generators) -> None:
    case = cases()[0]
    made = submissions(case, case.statement(), generators, 3)
    for batch in (made[:1], made):
        run = partial(verify_many, generators, batch)
        decode, add = group_operations(generators, batch, run)
        assert add() == IDENTITY, "a valid batch sums to the identity"
        assert decode() is None
    bad = [dataclasses.replace(made[0], context=made[1].context), made[1]]
    with pytest.raises(ValueError, match="unpack"):
        group_operations(generators, bad, partial(rejected, generators, bad))


def rejected(generators: Generators, batch: list[Submission]) -> None:
    with pytest.raises(BenchError):
        verify_many(generators, batch)


@pytest.mark.parametrize("code", codes())
def test_the_shares_of_a_verifier_sum_to_one(code: str) -> None:
    with using(code) as g:
        assert g.group.name == ("native" if code == COMPILED else "libsecp256k1")
        case = cases()[0]
        (made,) = submissions(case, case.statement(), g, 1)
        found = shares(g, lambda: verify_one(g, made), 3)
    assert sum(found.values()) == pytest.approx(1)
    assert all(0 < share < 1 for share in found.values())
    assert "public_sum" not in vars(g.group), "nothing stays wrapped"


def test_a_watched_function_inside_another_is_counted_once() -> None:
    watch = Watch()
    inner = watch.wrap("field", lambda: time.sleep(0.01))
    watch.wrap("sums", inner)()
    assert watch.seconds["sums"] >= 0.01
    assert watch.seconds["field"] == 0


def test_a_proof_of_another_size_and_a_refused_one_stop_the_run(generators: Generators) -> None:
    case = cases()[0]
    statement = case.statement()
    first, second = submissions(case, statement, generators, 2)
    object.__setattr__(first, "context", second.context)
    with pytest.raises(BenchError, match="refused"):
        verify_many(generators, [first, second])
    object.__setattr__(first, "proof", first.proof[:-1])
    with pytest.raises(BenchError, match="bytes"):
        shape(statement.circuit, first)


@pytest.mark.parametrize("degree", [5, 10])
@pytest.mark.parametrize("lines", [1, 3])
def test_synthetic_lines_satisfy_their_circuit(degree: int, lines: int) -> None:
    synthetic = SyntheticLines(100, degree, lines)
    wires = synthetic.wires(Random(1))
    synthetic.circuit.check_witness(wires, (encode_day(DAY),))
    values = synthetic.circuit.line_values(wires, (encode_day(DAY),))
    assert len(values) == lines
    for code, price, *_ in values:
        assert 1_000_000 <= code < 10_000_000
        assert 0 <= price <= DEFAULT_LARGEST_PRICE_CENTS


def test_extreme_wires_satisfy_the_circuit() -> None:
    circuit = cases()[0].statement().circuit
    publics = (encode_day(DAY),)
    lowest, highest = (extreme_wires(circuit, largest=largest) for largest in (False, True))
    assert not any(lowest)
    circuit.check_witness(lowest, publics)
    circuit.check_witness(highest, publics)
    price = circuit.line_values(highest, publics)[0][1]
    assert price == DEFAULT_LARGEST_PRICE_CENTS


@pytest.mark.parametrize("number", [0, 2])
def test_sales_that_differ_in_price_alone_differ_in_nothing_public(
    number: int, generators: Generators
) -> None:
    case = cases()[number]
    statement = case.statement()
    sales = priced_sales(case, case.sale(Random(number)))
    cheap, dear = priced_witnesses(statement, sales, generators)
    assert cheap.instance.publics == dear.instance.publics
    assert [article.code for article in sales[0]] == [article.code for article in sales[1]]
    for low, high in zip(*sales, strict=True):
        assert high.price_cents > 2 * low.price_cents
    for witness in (cheap, dear):
        proof = prove(generators, witness.instance, witness.wires, witness.openings)
        verify(generators, witness.instance, proof)


def test_peak_memory_grows_with_what_is_allocated() -> None:
    before = peak_bytes()
    block = bytearray(os.urandom(1 << 16) * 1024)  # 64 MiB, every page written
    assert peak_bytes() >= max(before, len(block))


# -- Welch's test -----------------------------------------------------------------------------


def test_welch_agrees_with_its_formula() -> None:
    # Means 3 and 6, variances 2.5 and 10, five samples each: t = −3 / √(0.5 + 2).
    result = welch([1, 2, 3, 4, 5], [2, 4, 6, 8, 10])
    assert result.t == pytest.approx(-3 / 2.5**0.5)
    assert (result.first_ns, result.second_ns) == (3, 6)
    assert result.difference_percent == pytest.approx(-50)
    assert welch([1, 1], [1, 1]).t == 0


def test_welch_tells_two_means_apart_and_one_not() -> None:
    random = Random(5)
    first, same, other = (
        [round(random.gauss(mean, 20)) for _ in range(500)] for mean in (1000, 1000, 1010)
    )
    assert abs(welch(first, same).t) < 4.5 < abs(welch(first, other).t)


def test_crop_takes_the_slowest_tenth_of_both_classes_together() -> None:
    first, second = crop(list(range(10)), [*range(9), 1000])
    assert len(first) + len(second) == 18
    assert 1000 not in second


# -- tables, documents, plots ------------------------------------------------------------------


def test_what_was_tried_is_told_by_whether_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "tried.json"
    changes = [
        {"change": "a", "without_us": 1629.0, "with_us": 169.0, "is_kept": True},
        {"change": "b", "without_us": 35.4, "with_us": 34.8, "is_kept": False},
    ]
    path.write_text(json.dumps({"machine": "M", "changes": changes}), encoding="utf-8")
    kept, not_kept, machine = tried_block(path).split("\n\n")
    assert "| a | 1,629.0 | 169.0 |" in kept
    assert "| b | 35.4 | 34.8 |" in not_kept
    assert machine == "On M."


def test_a_block_is_replaced_and_nothing_else() -> None:
    text = "a\n<!-- bench:begin x -->\nold\n<!-- bench:end x -->\nb\n"
    filled = fill(text, "x", r"new \1")
    assert filled == "a\n<!-- bench:begin x -->\nnew \\1\n<!-- bench:end x -->\nb\n"
    assert fill(filled, "x", r"new \1") == filled


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- bench:begin x -->",
        "<!-- bench:end x -->\n<!-- bench:begin x -->",
        "<!-- bench:begin x --><!-- bench:end x -->" * 2,
    ],
)
def test_a_document_without_its_block_is_an_error(text: str) -> None:
    with pytest.raises(ReportError):
        fill(text, "x", "new")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.345, "2.35 s"), (0.0123, "12.3 ms"), (0.000_033_4, "33.4 µs")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_small_pieces_of_the_report() -> None:
    assert verdict(1.6, 1.6) == "met"
    assert "missed" in verdict(1.601, 1.6)
    assert per_wire({"n": 20, "verify": {"units": 30.0}}, "verify") == 1.5
    assert table(["a", "b"], [["x", 1]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def measurement(units: float) -> dict[str, Any]:
    """Nine samples around ``units``."""
    measured = Measurement([units * 3e-5 + i * 1e-8 for i in range(-4, 5)], [3e-5] * 9)
    return measured.as_json()


@pytest.fixture
def results() -> dict[str, Any]:
    """Made-up results: verifying misses its target, everything else meets it."""
    timed = {"prove": measurement(30.0), "verify": measurement(17.0), "batch": measurement(3.0)}
    proved = {"n": 10, "D": 5, "E": 12, "bytes": 615, "batch_size": 256, "distinct": 256} | timed
    named = {"case": "line", "statement": "line", "limits": False}
    macro = named | proved | {
        "code": PLAIN,
        "verify_cold": measurement(20.0), "commit": measurement(3.0), "compile_seconds": 0.002,
    }  # fmt: skip
    process = {
        "statement": "line", "claim_bytes": 2000, "batch_size": 256, "peak_bytes": 251_000_000,
        "cold_start_seconds": [0.5], "median_cold_start_seconds": 0.5,
        "step_seconds": {"import": 0.2}, "cold_peak_bytes": 60_000_000,
        "ru_maxrss_bytes": 251_000_000,
    }  # fmt: skip
    leak = {
        "experiment": "commit", "classes": ["low", "high"], "mean_ns": [1000, 2000],
        "median_ns": [1000, 2000], "difference_percent": -50.0, "t": -40.0,
        "samples_ns": [[1000, 1000], [2000, 2000]],
    }  # fmt: skip
    return {
        "format": FORMAT, "size": "full", "commit": "0" * 40, "modified": False, "seconds": 1.0,
        "machine": {
            "processor": "some processor", "cores": 2, "system": "Linux x86_64",
            "python": "CPython 3.11.0", "libraries": {"gmpy2": "2.2"}, "gmp": "GMP 6.3.0",
            "blas_threads": "1", "load_at_start": [0.0, 0.0, 0.0],
        },
        "sections": {
            "micro": [{"name": "mul", "what": "the unit", "per": 64} | measurement(1.0)],
            "msm": [{"method": "naive", "terms": 64} | measurement(1.0)],
            "macro": [macro],
            "floor": [
                {
                    "case": "line", "code": code, "kind": kind, "proofs": proofs, "n": 10,
                    "verify": measurement(18.0), "decoding": measurement(2.0),
                    "sum": measurement(8.0),
                    "shares": {"sums": 0.5, "decoding": 0.1, "field": 0.2, "hashing": 0.1,
                               "python": 0.1},
                }
                for code in ("compiled", "plain")
                for kind, proofs in (("one", 1), ("batch", 256))
            ],
            "degrees": [named | proved | {"degree": d, "is_default": d == 5} for d in (4, 5)],
            "growth": [proved | {"codes": c, "degree": 5} for c in (64, 256)],
            "lines": [proved | {"lines": n, "degree": 5} for n in (1, 3)],
            "batches": [
                {"size": size, "n": 10, "distinct": size, "batch": measurement(30.0 / size)}
                for size in (1, 4)
            ],
            "processes": [process],
            "leakage": [leak],
        },
    }  # fmt: skip


def test_tables_tell_what_is_met_and_what_is_missed(results: dict[str, Any]) -> None:
    made = blocks(results)
    verified = "1.70 n (1.70–1.70), **missed**"
    assert f"3.00 n (3.00–3.00), met | {verified} | 0.300 n (0.300–0.300), met" in made["claims"]
    assert "251 MB, **missed**" in made["processes"]
    assert "**5**, ships" in made["degrees"]
    assert "-50.0 % | -40.0 | yes" in made["leakage"]
    assert "| 4 | 4 | 7.5 |" in made["batches"]
    assert "1.80 ≤ 1.5, **missed** | 2.25 |" in made["floor"]
    assert "1.80 ≤ 2.0, met | 2.25 |" in made["floor"]
    assert "| `line` | plain | 256 | 50 % | 10 % | 20 % | 10 % | 10 % |" in made["shares"]
    assert "| 3 | 5 | 10 | 615 | 30.0 |" in made["lines"]
    assert "615 bytes" in made[""]
    assert "**missed** by `line`, plain, verify: 1.70 n, target 1.6 n." in made[""]
    assert "first verdict in 500.0 ms to 500.0 ms" in made[""]
    assert "(**1.70 n**)" in made["degrees"]
    assert missed_targets(results) == ["`line`, plain, verify: 1.70 n, target 1.6 n"]
    results["sections"]["macro"][0]["verify"] = measurement(15.0)
    assert missed_targets(results) == []
    assert "; all met." in blocks(results)[""]
    assert "changes not committed" not in made["machine"]
    assert "changes not committed" in blocks(results | {"modified": True})["machine"]


@pytest.mark.parametrize(("units", "expected"), [(3.4, []), (3.6, ["+20 %"]), (2.4, ["-20 %"])])
def test_a_degree_that_ships_is_compared_with_its_claim(
    results: dict[str, Any], units: float, expected: list[str]
) -> None:
    """Beyond 15 % the page says so; rows of other degrees are not compared."""
    assert disagreements(results) == []
    other, shipped = results["sections"]["degrees"]
    other["prove"] = measurement(300.0)
    shipped["batch"] = measurement(units)
    assert disagreements(results) == [f"`line`, a claim of a batch: {text}" for text in expected]
    assert ("In this run" in blocks(results)["degrees"]) is bool(expected)


def test_the_middle_half_leaves_out_the_outer_quarters() -> None:
    timed = {"seconds": [1.0, 2.0, 3.0, 4.0, 90.0], "unit_seconds": [0.5] * 5}
    assert middle_half({"n": 2, "prove": timed}, "prove") == (2.0, 4.0)
    single = {"seconds": [3.0], "unit_seconds": [0.5]}
    assert middle_half({"n": 2, "prove": single}, "prove") == (3.0, 3.0)


def test_results_that_hold_one_section_only_still_make_a_report(results: dict[str, Any]) -> None:
    partial = results | {"sections": {"macro": results["sections"]["macro"]}}
    assert set(blocks(partial)) == set(blocks(results))
    assert entries(partial, "micro") == []
    for name in PLOTS:
        assert draw(partial, PLOTS[name]).startswith(b"<?xml")


def test_results_survive_being_written(results: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    text = encode_results(results)
    path.write_text(text, encoding="utf-8")
    assert read_results(path) == results
    assert re.search(r'"unit_seconds": \[3e-05, 3e-05,[^\n]*\]', text), "samples on one line"
    path.write_text(json.dumps(results | {"format": FORMAT + 1}), encoding="utf-8")
    with pytest.raises(ValueError, match="format"):
        read_results(path)


@pytest.mark.parametrize("name", sorted(PLOTS))
def test_plots_are_deterministic_and_fetch_nothing(name: str, results: dict[str, Any]) -> None:
    drawn = draw(results, PLOTS[name])
    assert drawn == draw(results, PLOTS[name])
    text = drawn.decode()
    assert "<text" in text, "text stays text"
    assert not re.search(r"@import|@font-face|url\((?!#)", text)
    links = set(re.findall(r'(?:href|src)="([^"]*)"', text))
    assert all(link.startswith("#") for link in links)


def test_documents_are_filled_in_place(results: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    named = [name for name in blocks(results) if name]
    performance = "\n".join(f"<!-- bench:begin {n} -->\n<!-- bench:end {n} -->" for n in named)
    (tmp_path / "docs" / "performance.md").write_text(performance, encoding="utf-8")
    (tmp_path / "README.md").write_text("x <!-- bench:begin --><!-- bench:end --> y", "utf-8")
    write_documents(results, tmp_path)
    assert "615" in (tmp_path / "docs" / "performance.md").read_text(encoding="utf-8")
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "615 bytes" in readme
    assert readme.startswith("x ")
    assert readme.endswith(" y")
    assert render_readme("no block", results) == "no block"


# -- the documents of this checkout ---------------------------------------------------------------


def test_the_documents_say_what_was_measured(repository: Path) -> None:
    results = read_results()
    performance = (repository / "docs" / "performance.md").read_text(encoding="utf-8")
    assert render_performance(performance, results) == performance, "python -m bench --render"
    for path in repository.glob("README.md"):
        readme = path.read_text(encoding="utf-8")
        assert render_readme(readme, results) == readme, "python -m bench --render"
    for name in PLOTS:
        assert (FOLDER / f"{name}.svg").is_file()


def test_the_results_are_of_a_full_run_of_the_circuits_that_ship() -> None:
    results = read_results(LATEST)
    assert results["size"] == "full"
    measured = {e["case"]: (e["n"], e["D"], e["E"]) for e in entries(results, "macro")}
    assert {e["code"] for e in entries(results, "macro")} == {COMPILED, PLAIN}
    current = {}
    for case in cases():
        circuit = case.statement().circuit
        current[case.title] = (circuit.wires, circuit.degree, len(circuit.equations))
    assert measured == current, "the circuits changed: run `make bench`"
    for entry in entries(results, "macro"):
        assert len(entry["batch"]["seconds"]) >= 9
        assert entry["distinct"] == entry["batch_size"] == BATCH
