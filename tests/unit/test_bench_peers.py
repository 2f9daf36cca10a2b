"""The comparison with other proof systems: what it measures, what it believes, what it tells."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.peers import __main__ as program
from bench.peers import building, running
from bench.peers.building import build, content_hash, presentable
from bench.peers.measuring import PLANS, Plan, chosen_rounds, measure_group
from bench.peers.ours.circuits import ClaimStatement, RangeStatement, statement_of
from bench.peers.plots import plot_peers
from bench.peers.report import (
    GOALS,
    README_BLOCK,
    blocks,
    ratios,
    read_reasons,
    render_performance,
    render_readme,
    write_documents,
)
from bench.peers.running import PeerProcess
from bench.peers.statement import (
    CLAIM,
    EDGES,
    KINDS,
    OPENING,
    RANGE,
    SIZE_OF_GOALS,
    SMALL_SET,
    TOTAL,
    holds,
    make_statement,
    read_statement,
    write_statement,
)
from bench.peers.systems import OURS, PeerError, System, read_peer, read_peers
from bench.plots import draw
from bench.report import ReportError
from bench.results import FOLDER, Results, read_results
from bench.timing import Yardstick
from tests.support import fake_peer
from zk.backends import load_group
from zk.errors import WitnessError

PLAN = Plan((256,), rounds=3, slow_rounds=2, batch=8, fill_seconds=5.0, starts=1)
N = 256
PEER = """
title = "a fake"
licence = "none"
source = "tests"
"""


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    return Yardstick(load_group("libsecp256k1"))


@pytest.fixture
def fakes(tmp_path: Path) -> Path:
    folder = tmp_path / "fakes"
    folder.mkdir()
    shutil.copy(fake_peer.__file__, folder / "fake_peer.py")
    return folder


def system(mode: str, kind: str = CLAIM) -> System:
    return System("fakes", mode, f"a fake, {mode}", kind, ("{python}", "fake_peer.py", mode), None)


def measure(
    modes: list[str], folder: Path, yardstick: Yardstick, kind: str = CLAIM
) -> list[dict[str, Any]]:
    told: list[str] = []
    systems = [(system(mode, kind), folder) for mode in modes]
    n = N if kind == CLAIM else None
    found = measure_group(kind, n, systems, PLAN, yardstick, told.append)
    assert len(told) == len(modes) * (1 + PLAN.rounds + PLAN.starts)
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Signals take a moment to arrive."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# -- the statement ----------------------------------------------------------------------------


def test_every_witness_satisfies_the_statement_and_the_first_ones_are_at_its_edges() -> None:
    statement = make_statement(CLAIM, N)
    assert [len(codes) for codes in statement["sets"]] == [N, N, SMALL_SET]
    assert len(statement["witnesses"]) == 256
    for witness in statement["witnesses"]:
        assert holds(statement, witness["codes"], witness["prices"])
    zero, full, _ = statement["witnesses"][:EDGES]
    assert zero == {"codes": [codes[0] for codes in statement["sets"]], "prices": [0, 0, 0]}
    assert sum(full["prices"]) == TOTAL
    # one step over any edge, and it holds no longer
    assert not holds(statement, full["codes"], [*full["prices"][:2], full["prices"][2] + 1])
    assert not holds(statement, zero["codes"], [0, 0, 10_001])
    assert not holds(statement, [999_999, *zero["codes"][1:]], [0, 0, 0])


def test_a_statement_is_the_same_in_every_run_and_comes_back_from_its_file(tmp_path: Path) -> None:
    for kind in KINDS:
        assert make_statement(kind, N, 5) == make_statement(kind, N, 5)
    statement = make_statement(RANGE, 0)
    assert statement["witnesses"][1]["values"] == [2**32 - 1] * 4
    write_statement(tmp_path, statement)
    assert read_statement(tmp_path) == statement
    write_statement(tmp_path, statement | {"version": 2})
    with pytest.raises(ValueError, match=r"statement\.json is not of version 1"):
        read_statement(tmp_path)
    with pytest.raises(ValueError, match="unknown kind"):
        make_statement("poem", N)


# -- ours ---------------------------------------------------------------------------------------


def test_our_circuit_takes_exactly_what_holds() -> None:
    content = make_statement(CLAIM, N, 8)
    statement = statement_of(content)
    assert isinstance(statement, ClaimStatement)
    for witness in content["witnesses"]:
        wires = statement.wires(witness)
        statement.circuit.check_witness(wires, statement.publics())
        lines = statement.circuit.line_values(wires, statement.publics())
        assert [line[0] for line in lines] == witness["codes"]
        assert [line[1] for line in lines] == witness["prices"]
    full = content["witnesses"][1]
    for lie in (
        full | {"prices": [*full["prices"][:2], full["prices"][2] + 1]},
        full | {"prices": [40_001, 0, 0]},
        full | {"prices": [0, 0, 10_001]},
        full | {"prices": [-1, 0, 0]},
        full | {"codes": [999_999, *full["codes"][1:]]},
    ):
        assert not holds(content, lie["codes"], lie["prices"])
        with pytest.raises(WitnessError):
            statement.wires(lie)


def test_our_range_circuit_takes_values_of_32_bits() -> None:
    statement = statement_of(make_statement(RANGE, 0, 2))
    assert isinstance(statement, RangeStatement)
    for value in (0, 2**32 - 1):
        wires = statement.wires({"values": [value] * 4})
        statement.circuit.check_witness(wires, ())
    with pytest.raises(WitnessError):
        statement.wires({"values": [0, 0, 0, 2**32]})


@pytest.mark.parametrize("kind", [CLAIM, RANGE])
def test_our_own_program_is_measured_like_any_other(
    kind: str, yardstick: Yardstick, repository: Path
) -> None:
    ours = read_peer(repository / "bench" / "peers" / OURS)
    chosen = next(s for s in ours.systems if s.kind == kind)
    n = N if kind == CLAIM else None
    steps: list[str] = []
    (entry,) = measure_group(kind, n, [(chosen, repository)], PLAN, yardstick, steps.append)
    assert entry["status"] == "measured", entry
    assert entry["setup"]["setup"] == "none"
    assert entry["threads"] == 1
    circuit = statement_of(make_statement(kind, N, 1)).circuit
    assert entry["setup"]["constraints"] == len(circuit.equations)
    assert entry["proof_bytes"] == 32 * (circuit.wires + 2) + 33 * (2 + circuit.degree)
    assert entry["public_bytes"] == 33 * len(circuit.lines)
    assert entry["distinct"] == entry["batch_size"] == PLAN.batch
    for operation in ("prove", "verify", "batch"):
        assert len(entry[operation]["seconds"]) == PLAN.rounds
    assert len(entry["cold"]["seconds"]) == PLAN.starts
    assert 10**7 < entry["cold"]["peak_bytes"] <= 10**9


# -- what is believed of a peer -----------------------------------------------------------------


def test_a_peer_is_measured_in_turns(fakes: Path, yardstick: Yardstick) -> None:
    honest, slow = measure(["honest", "slow"], fakes, yardstick)
    assert honest["status"] == slow["status"] == "measured"
    assert honest["versions"] == {"fake": "1.0"}
    assert honest["setup"]["notes"] == "a fake / of a peer"
    assert slow["verify"]["rounds"] == honest["verify"]["rounds"] == [0, 1, 2]
    assert slow["verify"]["median_seconds"] > fake_peer.SLEEP
    assert min(ratios(slow, "verify", honest, "verify")) > 100
    assert slow["batch"]["seconds"] == [pytest.approx(1e-6 / PLAN.batch, abs=1e-9)] * 3
    assert (honest["proof_bytes"], honest["public_bytes"]) == (5, 3)
    assert honest["cold"]["seconds"][0] > 0.01  # an interpreter has started
    assert honest["cold"]["peak_bytes"] > 10**6


def test_a_peer_without_batches_says_why(fakes: Path, yardstick: Yardstick) -> None:
    (entry,) = measure(["no-batch"], fakes, yardstick)
    assert entry["status"] == "measured"
    assert entry["batch_missing"] == "the fake has none"
    assert "batch" not in entry


@pytest.mark.parametrize(
    ("mode", "status", "reason"),
    [
        ("absent", "missing", "not on this machine"),
        ("no-versions", "failed", "versions: answered without versions"),
        ("accepts-other-commitments", "not valid", "accepts a proof beside other commitments"),
        (
            "accepts-lies",
            "not valid",
            "accepts a proof about a witness that breaks the statement",
        ),
        ("refuses-edges", "not valid", "refuses an honest proof"),
        ("refuses-batch", "not valid", "refuses a batch of honest proofs"),
        ("error", "failed", "prove: cannot prove: …/place …"),
        ("dies", "failed", "prove: the process ended with 7: out of luck"),
        ("garbage", "failed", "prove: the answer is not JSON"),
        ("two-lines", "failed", "prove: more than one line was answered"),
        ("no-seconds", "failed", "answered without seconds"),
        ("infinite", "failed", "answered seconds that is no number of at least 0"),
        ("clock", "failed", "prove: tells of more seconds than have passed"),
        ("no-load", "failed", "load: nothing to load"),
        ("setup", "failed", "setup: none of none, circuit, universal"),
    ],
)
def test_a_peer_that_misbehaves_ends_neither_the_run_nor_in_a_figure(
    mode: str, status: str, reason: str, fakes: Path, yardstick: Yardstick
) -> None:
    honest, entry = measure(["honest", mode], fakes, yardstick)
    assert honest["status"] == "measured"
    assert entry == {
        "system": mode, "kind": CLAIM, "n": N, "status": status, "reason": reason,
    }  # fmt: skip


def test_a_peer_that_hangs_is_ended(
    fakes: Path, yardstick: Yardstick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(running.LIMITS, "verify", 0.3)
    start = time.monotonic()
    (entry,) = measure(["hangs"], fakes, yardstick)
    assert entry["status"] == "failed"
    assert entry["reason"] == "verify: no answer within 0.3 s"
    assert time.monotonic() - start < 30


def test_a_process_that_does_not_stop_is_ended(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PATIENCE", 0.3)
    write_statement(tmp_path, make_statement(CLAIM, N, 1))
    process = PeerProcess(system("stays").run, fakes, tmp_path)
    assert process.ask("versions")["threads"] == 1
    process.close()
    assert process.is_over()


def test_a_process_does_nothing_between_questions(fakes: Path, tmp_path: Path) -> None:
    write_statement(tmp_path, make_statement(CLAIM, N, 1))
    with PeerProcess(system("honest").run, fakes, tmp_path) as process:
        process.ask("versions")
        wait_for(lambda: process.state() == "T")  # stopped
        with process.running():
            wait_for(lambda: process.state() != "T")
    assert process.is_over()


def test_a_program_that_is_not_there_is_said(fakes: Path, yardstick: Yardstick) -> None:
    absent = System("fakes", "x", "x", CLAIM, ("./absent",), None)
    (entry,) = measure_group(CLAIM, N, [(absent, fakes)], PLAN, yardstick, lambda _: None)
    assert entry["reason"] == "./absent cannot be started: No such file or directory"


def test_slow_operations_sit_out_some_rounds() -> None:
    plan = PLANS["full"]
    assert chosen_rounds(0.1, plan) == frozenset(range(9))
    assert chosen_rounds(0.6, plan) == {0, 2, 4, 6, 8}
    assert chosen_rounds(99.0, Plan((256,), 3, 2, 8, 1.0, 1)) == {0, 2}
    assert plan.rounds >= 9
    assert plan.slow_rounds >= 5


# -- peers' files and builds --------------------------------------------------------------------


def write_peer(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peer.toml").write_text(text, encoding="utf-8")
    return folder


SYSTEM = '[[system]]\nname = "s"\ntitle = "S"\nkind = "claim"\nrun = ["x"]\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("title =", "p/peer.toml is not TOML"),
        (SYSTEM, "p/peer.toml: title is missing"),
        (PEER, "p/peer.toml: no [[system]]"),
        (PEER + "colour = 1\n" + SYSTEM, "p/peer.toml: unknown field colour"),
        (PEER + "needs = 1\n" + SYSTEM, "p/peer.toml: needs is not a list of texts"),
        (PEER + 'build = "x"\n' + SYSTEM, "p/peer.toml: build is not a list of commands"),
        (PEER + SYSTEM.replace("claim", "poem"), "p/peer.toml, system 1: kind is none of"),
        (PEER + SYSTEM.replace('["x"]', "[]"), "p/peer.toml, system 1: run is missing"),
        (PEER + SYSTEM + "sizes = 3", "p/peer.toml, system 1: sizes is not a list of integers"),
    ],
)
def test_a_wrong_file_is_said_and_leaves_the_others_alone(
    text: str, complaint: str, tmp_path: Path
) -> None:
    write_peer(tmp_path / "good", PEER + SYSTEM)
    write_peer(tmp_path / "p", text)
    with pytest.raises(PeerError) as caught:
        read_peer(tmp_path / "p")
    assert str(caught.value).startswith(complaint)
    peers, wrong = read_peers(tmp_path)
    assert [peer.name for peer in peers] == ["good"]
    assert wrong["p"] == str(caught.value)


def test_ours_comes_first_and_openings_are_measured_at_one_size(tmp_path: Path) -> None:
    write_peer(tmp_path / "a", PEER + SYSTEM.replace("claim", OPENING))
    write_peer(tmp_path / OURS, PEER + SYSTEM.replace('"s"', '"ours"'))
    peers, _ = read_peers(tmp_path)
    assert [peer.name for peer in peers] == [OURS, "a"]
    assert peers[1].systems[0].sizes == (SIZE_OF_GOALS,)
    members = program.members(peers, OPENING, SIZE_OF_GOALS)
    assert [s.name for s in members] == ["ours", "s"]
    assert program.members(peers[:1], OPENING, SIZE_OF_GOALS) == []


def test_a_build_happens_in_a_copy_and_only_when_something_changed(tmp_path: Path) -> None:
    command = '["sh", "-c", "echo built >> count; cat source.txt"]'
    folder = write_peer(tmp_path / "p", f"{PEER}build = [{command}]\n{SYSTEM}")
    (folder / "source.txt").write_text("1", encoding="utf-8")
    (folder / "target").mkdir()
    (folder / "target" / "made").write_text("by hand", encoding="utf-8")
    copies = tmp_path / "copies"
    copy = build(read_peer(folder), copies)
    assert copy == copies / "p"
    assert not (copy / "target").exists()
    assert not (folder / "count").exists()
    (copy / "target").mkdir()
    build(read_peer(folder), copies)
    assert (copy / "count").read_text() == "built\n"  # not built again
    before = content_hash(folder)
    (folder / "source.txt").write_text("2", encoding="utf-8")
    assert content_hash(folder) != before
    build(read_peer(folder), copies)
    assert (copy / "count").read_text() == "built\n"  # built anew in a fresh copy
    assert (copy / "source.txt").read_text() == "2"
    assert (copy / "target").is_dir()  # what tools made stays


def test_a_failing_build_is_missing_with_the_reason_and_tried_again(tmp_path: Path) -> None:
    folder = write_peer(
        tmp_path / "p",
        PEER + 'build = [["sh", "-c", "echo error: no registry >&2; echo bye; exit 3"]]\n' + SYSTEM,
    )
    for _ in range(2):
        with pytest.raises(PeerError, match="`sh -c` failed: error: no registry"):
            build(read_peer(folder), tmp_path / "copies")


def test_a_build_that_hangs_is_ended(tmp_path: Path) -> None:
    folder = write_peer(tmp_path / "p", PEER + 'build = [["sleep", "60"]]\n' + SYSTEM)
    start = time.monotonic()
    with pytest.raises(PeerError, match="longer than 1 s"):
        build(read_peer(folder), tmp_path / "copies", seconds=0.1)
    assert time.monotonic() - start < 30


def test_a_program_that_is_not_installed_is_named(tmp_path: Path) -> None:
    folder = write_peer(tmp_path / "p", PEER + 'needs = ["sh", "no-such-tool"]\n' + SYSTEM)
    with pytest.raises(PeerError, match="no-such-tool is not installed"):
        build(read_peer(folder), tmp_path / "copies")


def test_reasons_name_no_path_and_no_address() -> None:
    text = "cannot fetch https://example.org/a (at /a/folder/y.rs:3)\n | x"
    assert presentable(text) == "cannot fetch … (at …/y.rs:3) / x"
    assert len(presentable("x" * 1000)) == building.LONGEST_REASON


# -- tables -------------------------------------------------------------------------------------


def operation(seconds: float, rounds: int = 3) -> dict[str, Any]:
    return {
        "units": seconds / 2e-5,
        "median_seconds": seconds,
        "rounds": list(range(rounds)),
        "seconds": [seconds] * rounds,
        "unit_seconds": [2e-5] * rounds,
    }


def entry(
    name: str, prove: float, verify: float, batch: float | None, n: int = SIZE_OF_GOALS
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "system": name, "kind": CLAIM, "n": n, "status": "measured",
        "load_before": 0.1, "load_after": 0.2, "versions": {name: "1"}, "threads": 1,
        "setup": {
            "seconds": 1.5, "setup": "none" if name == OURS else "circuit",
            "forgeable": name != OURS, "proving_key_bytes": 12_345_678,
            "verifying_key_bytes": 500, "constraints": 1234, "notes": "a note",
        },
        "proof_bytes": 1000, "public_bytes": 99, "peak_bytes": 10**8, "prove_peak_bytes": 9 * 10**7,
        "cold": {"seconds": [0.2], "load_seconds": [0.1], "peak_bytes": 5 * 10**7},
        "prove": operation(prove), "verify": operation(verify),
    }  # fmt: skip
    if batch is None:
        return made | {"batch_missing": "none"}
    return made | {"batch": operation(batch), "batch_size": 256, "distinct": 256}


def results_of(*listed: dict[str, Any]) -> Results:
    names = list(dict.fromkeys(e["system"] for e in listed))
    return {
        "format": 1, "size": "full", "commit": "c" * 40, "modified": False, "seconds": 100.0,
        "machine": {
            "processor": "P", "cores": 2, "system": "Linux", "python": "CPython 3.11",
            "load_at_start": [0.1, 0.1, 0.1],
        },
        "load_at_end": [0.2, 0.2, 0.2], "rounds": 3, "batch": 256, "wrong_files": {},
        "peers": [
            {"name": n, "title": n, "licence": "L", "source": "S"} for n in {OURS, *names}
        ],
        "systems": [
            {"name": n, "title": f"the {n}", "kind": CLAIM, "peer": n} for n in names
        ],
        "entries": list(listed),
    }  # fmt: skip


OURS_ENTRY = entry(OURS, 0.003, 0.0013, 0.0004)


def goals(results: Results, reasons: dict[str, str] | None = None) -> list[str]:
    return blocks(results, reasons or {})["peers-goals"].split("\n")


def test_goals_that_are_met() -> None:
    lines = goals(
        results_of(
            OURS_ENTRY,
            entry("dalek-r1cs", 0.030, 0.005, None),
            entry("snarkjs-merkle", 0.9, 0.02, None),
            entry("gnark", 0.05, 0.0017, None),
        )
    )
    assert len(lines) == len(GOALS)
    # ours is the fastest here, and its own batch is not four times as fast
    assert [": met: " in line for line in lines] == [True, True, True, True, False, True]
    assert "10.0 (10.0–10.0), at least 5" in lines[0]
    assert "300 (300–300), at least 100" in lines[1]
    assert "`gnark`, takes 1.31 (1.31–1.31) times as long" in lines[2]
    assert "`gnark` verifies one in 4.25 (4.25–4.25), at least 4" in lines[3]
    assert "`ours` verifies one in 3.25" in lines[4]
    assert "one is needed by `dalek-r1cs`, `snarkjs-merkle`, `gnark`" in lines[5]


def test_goals_against_nobody_are_not_judged() -> None:
    outcomes = [line.split(": ")[1] for line in goals(results_of(OURS_ENTRY))]
    assert outcomes == ["not judged"] * 4 + ["**not met**", "not judged"]
    assert [line.split(": ")[1] for line in goals(results_of())] == ["not judged"] * len(GOALS)


def test_goals_that_are_not_met_and_their_reasons() -> None:
    listed = results_of(
        OURS_ENTRY, entry("dalek-r1cs", 0.010, 0.005, None), entry("gnark", 0.05, 0.001, None)
    )
    lines = goals(listed, {"prove-dalek": "Because.", "set-up": "Never said."})
    assert "**not met**" in lines[0]
    assert lines[0].endswith("at least 5. Because.")
    assert lines[1].endswith("not judged: at N = 1,024 there are no figures of `snarkjs-merkle`.")
    assert "**not met**" in lines[2]
    assert "`gnark`, takes 0.77 (0.77–0.77)" in lines[2]
    assert "**not met**" in lines[3]
    assert "Never said." not in "\n".join(lines)


def test_what_is_missing_stays_in_the_tables() -> None:
    missing = {"system": "gone", "kind": CLAIM, "n": SIZE_OF_GOALS, "status": "missing"}
    made = blocks(results_of(OURS_ENTRY, missing | {"reason": "cargo is not installed"}), {})
    for name in (README_BLOCK, "peers-systems", "peers-claims", "peers-setup", "peers-fresh"):
        assert "missing: cargo is not installed" in made[name], name
    for name in ("peers-range", "peers-opening"):
        assert made[name] == "Not measured."


def test_the_table_of_figures() -> None:
    made = blocks(results_of(OURS_ENTRY, entry("slow", 0.03, 0.026, None)), {})
    rows = made["peers-claims"].split("\n")
    assert rows[4].startswith("| the ours | 3.0 ms |  | 1.3 ms |  | 400.0 µs |  | 1,000 + 99 |")
    assert "| 30.0 ms | 10.0 (10.0–10.0) | 26.0 ms | 20.0 (20.0–20.0) | none | 65.0" in rows[5]
    assert (
        "| the slow | for each circuit | 1.50 s | yes | 12.3 MB | 500 bytes | 1,234 | a note |"
        in (made["peers-setup"])
    )
    assert "| 200.0 ms | 100.0 ms | 50 MB | 90 MB | 100 MB |" in made["peers-fresh"]
    readme = made[README_BLOCK]
    assert "| the slow | 30.0 ms | 26.0 ms | none | 1,099 | for each circuit, forgeable |" in readme


def test_ratios_are_of_the_same_rounds() -> None:
    slow = entry("slow", 1.0, 1.0, None)
    slow["prove"] = operation(1.0) | {"rounds": [0, 2], "seconds": [1.0, 3.0]}
    ours = entry(OURS, 0.1, 0.1, 0.1)
    ours["prove"] = operation(0.1) | {"seconds": [0.1, 9.0, 0.3]}
    assert ratios(slow, "prove", ours, "prove") == pytest.approx([10.0, 10.0])


def test_the_plot_is_the_same_every_time() -> None:
    listed = results_of(OURS_ENTRY, entry(OURS, 0.002, 0.001, 0.0003, 256), entry("x", 1, 1, None))
    drawn = draw(listed, plot_peers)
    assert drawn == draw(listed, plot_peers)
    assert b"the ours" in drawn
    assert b"the x" in drawn


def test_reasons_are_of_goals(tmp_path: Path) -> None:
    path = tmp_path / "reasons.toml"
    path.write_text('verify = "Because."', encoding="utf-8")
    assert read_reasons(path) == {"verify": "Because."}
    path.write_text('colour = "Because."', encoding="utf-8")
    with pytest.raises(ReportError, match="colour is no goal"):
        read_reasons(path)


def test_documents_are_written(tmp_path: Path) -> None:
    results = results_of(OURS_ENTRY)
    (tmp_path / "docs").mkdir()
    named = [name for name in blocks(results, {}) if name != README_BLOCK]
    text = "\n".join(f"<!-- bench:begin {n} -->\n<!-- bench:end {n} -->" for n in named)
    (tmp_path / "docs" / "performance.md").write_text(text, encoding="utf-8")
    (tmp_path / "README.md").write_text("no place", encoding="utf-8")
    write_documents(results, tmp_path)
    assert "the ours" in (tmp_path / "docs" / "performance.md").read_text(encoding="utf-8")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "no place"


# -- the peers and documents of this checkout -----------------------------------------------------


def test_the_files_of_all_peers_can_be_read_and_names_are_unique() -> None:
    peers, wrong = read_peers()
    assert wrong == {}
    assert peers[0].name == OURS
    names = [s.name for peer in peers for s in peer.systems]
    assert len(names) == len(set(names))
    assert {"ours", "ours-range"} <= set(names)
    read_reasons()


def test_the_documents_say_what_was_measured(repository: Path) -> None:
    results = read_results(program.LATEST)
    assert results["size"] == "full"
    performance = (repository / "docs" / "performance.md").read_text(encoding="utf-8")
    assert render_performance(performance, results) == performance, "python -m bench.peers --render"
    readme = (repository / "README.md").read_text(encoding="utf-8")
    assert render_readme(readme, results) == readme, "python -m bench.peers --render"
    assert (FOLDER / "peers.svg").is_file()


def test_a_run_of_one_peer_writes_no_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLANS, "quick", PLAN)
    program.main(["--quick", "--only", OURS, "--out", str(tmp_path)])
    found = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))
    ours = [e for e in found["entries"] if e["system"] == OURS]
    assert [e["status"] for e in ours] == ["measured"]
    assert "peers-claims" in (tmp_path / "peers.md").read_text(encoding="utf-8")
    assert (tmp_path / "peers.svg").is_file()
    assert "measured" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        program.main(["--only", "nobody"])
    assert "no peer called nobody" in capsys.readouterr().err
