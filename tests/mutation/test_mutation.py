"""The runner of the mutation testing: what it draws, what it can notice, what is explained."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.mutation import __main__ as runner
from tests.mutation.modules import LEFT_OUT, MORE, TESTS, judges_of, modules
from tests.mutation.mutants import Mutant, all_mutants, annotation_spans, kind_of, places, sample
from tests.support.testing_page import MUTATION_RESULTS, PAGE, mutation_block, render

SOURCE = """\
from __future__ import annotations


def larger(a: int | None, b: int) -> int | None:
    if a is not None and a + 1 > b:
        return a
    return None
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one module, ``zk/pick.py``, and its tests, as the working folder."""
    for folder in ("zk", "tests/unit"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "zk" / "__init__.py").write_text("")
    (tmp_path / "zk" / "pick.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert (tmp_path / "zk" / "pick.py").read_text() == SOURCE


def write_tests(checkout: Path, *asserted: str) -> None:
    lines = "".join(f"    assert {text}\n" for text in asserted)
    text = f"from zk.pick import larger\n\n\ndef test_larger() -> None:\n{lines}"
    (checkout / "tests" / "unit" / "test_pick.py").write_text(text)


def draw(checkout: Path, count: int = 100) -> list[Mutant]:
    return sample(all_mutants(checkout, ["zk/pick.py"]), count, seed=1)


def test_every_module_has_tests_and_no_name_is_stale(repository: Path) -> None:
    known = modules(repository)
    assert "zk/prove.py" in known
    assert {*TESTS, *MORE} <= set(known)
    assert all((repository / name).is_file() for name in LEFT_OUT)
    missing = [
        test
        for module in known
        for test in judges_of(module)
        if not (repository / test.partition("::")[0]).is_file()
    ]
    assert missing == [], "name the tests of these modules in tests/mutation/modules.py"


def test_annotations_are_no_places_and_each_place_is_drawn_once(checkout: Path) -> None:
    mutants = all_mutants(checkout, ["zk/pick.py"])
    assert {mutant.line for mutant in mutants} == {5}
    drawn = draw(checkout)
    assert len(drawn) == places(mutants) == len({mutant.place for mutant in drawn})
    assert {kind_of(mutant.operator) for mutant in drawn} >= {
        "ReplaceBinaryOperator",
        "ReplaceComparisonOperator",
        "NumberReplacer",
        "ReplaceAndWithOr",
    }


def test_a_sample_is_the_same_each_time_and_stays_where_lines_move(checkout: Path) -> None:
    first = draw(checkout, 4)
    assert first == draw(checkout, 4)
    assert len(first) == 4
    moved = checkout / "moved"
    (moved / "zk").mkdir(parents=True)
    (moved / "zk" / "pick.py").write_text(SOURCE.replace("\n\n\ndef", "\n\n\n# more\n\n\ndef"))
    os.chdir(moved)
    again = sample(all_mutants(moved, ["zk/pick.py"]), 4, seed=1)
    assert [(m.operator, m.text) for m in again] == [(m.operator, m.text) for m in first]
    assert [m.line for m in again] != [m.line for m in first]


def test_what_an_annotation_calls_is_mutated() -> None:
    source = "class A:\n    x: Annotated[int, Field(ge=1)] = 3\n    y: int | None = None\n"
    (span,) = annotation_spans(source)
    assert span == ((3, 7), (3, 17))


def test_thorough_tests_kill_and_idle_tests_let_survive(checkout: Path) -> None:
    mutants = {kind_of(mutant.operator): mutant for mutant in draw(checkout)}
    mutant = mutants["NumberReplacer"]
    write_tests(checkout, "larger(None, 2) is None")
    outcome, diff = runner.judge(mutant, 5)
    assert outcome == "survived"
    change = runner.change_of(mutant.module, diff)
    assert (change.file, change.line) == ("zk/pick.py", "if a is not None and a + 1 > b:")
    assert re.fullmatch(r"if a is not None and a \+ +[02] > b:", change.mutant)
    write_tests(checkout, "larger(1, 2) is None", "larger(2, 2) == 2")
    assert runner.judge(mutant, 5)[0] == "killed"


def test_tests_that_fail_without_any_change_stop_the_run(checkout: Path) -> None:
    write_tests(checkout, "larger(1, 2) == 3")
    with pytest.raises(SystemExit, match="fail as it is"):
        runner.check_baseline(["zk/pick.py"], Console())


def test_tests_that_look_at_another_copy_stop_the_run(checkout: Path) -> None:
    (checkout / "tests" / "unit" / "test_pick.py").write_text("def test_nothing():\n    pass\n")
    with pytest.raises(SystemExit, match="another copy"):
        runner.check_baseline(["zk/pick.py"], Console())


def test_the_copy_has_what_is_under_version_control(tmp_path: Path) -> None:
    runner.copy_checkout(tmp_path)
    assert (tmp_path / "zk" / "prove.py").is_file()
    assert (tmp_path / "tests" / "vectors" / "golden" / "line.json").is_file()
    assert not (tmp_path / ".venv").exists()


def test_an_unknown_module_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        runner.main(["zk/nothing.py"])
    assert "not a module that is mutated: zk/nothing.py" in capsys.readouterr().err


def test_each_explanation_is_of_a_line_that_is_there(repository: Path) -> None:
    explained = runner.read_explained()
    assert explained
    for change, reason in explained.items():
        text = (repository / change.file).read_text("utf-8")
        lines = [" ".join(line.split()) for line in text.splitlines()]
        assert change.line in lines or change.line in " ".join(lines), change
        assert change.line != change.mutant
        assert reason.startswith("equivalent"), change


def test_each_recorded_survivor_is_explained(repository: Path) -> None:
    if not MUTATION_RESULTS.is_file():
        pytest.skip("mutation testing was not recorded yet: make mutation")
    results = json.loads(MUTATION_RESULTS.read_text("utf-8"))
    explained = runner.read_explained()
    left = [
        entry
        for entry in results["survivors"]
        if runner.Change(entry["file"], entry["line"], entry["mutant"]) not in explained
    ]
    assert left == []


def test_the_page_says_what_was_measured(repository: Path) -> None:
    text = (repository / PAGE).read_text("utf-8")
    assert render(text) == text


def test_the_table_tells_what_is_not_explained() -> None:
    survivor = {"file": "zk/a.py", "line": "a", "mutant": "b", "reason": None}
    results = {
        "machine": {"processor": "P", "cores": 2, "python": "CPython 3"},
        "modified": False,
        "commit": "c" * 40,
        "finished": "2026-01-01T00:00:00+00:00",
        "seconds": 120,
        "seed": 1,
        "drawn": 6,
        "places": 1000,
        "modules": {
            "zk/a.py": {"killed": 3, "timeout": 1, "survived": 2},
            "zk/b.py": {"killed": 0, "timeout": 0, "survived": 0},
        },
        "survivors": [survivor, survivor | {"reason": "equivalent"}],
    }
    block = mutation_block(results)
    assert "| `zk/a.py` | 6 | 3 | 1 | 2 |" in block
    assert "zk/b.py" not in block
    assert "| **all** | **6** | **3** | **1** | **2** |" in block
    assert "1 survivors are not explained" in block
