"""What `make demo` runs: the story goes as told, in both languages, and would say so if not."""

from __future__ import annotations

import io
import os
import re
import shlex
import string
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from circuits.claim import Claim
from demo import story
from demo.cases import World
from demo.lie_chapters import tell_lies
from demo.lies import Attempt, Liars
from demo.stage import MAX_COLUMNS, MIN_COLUMNS, THEME, Stage
from demo.words import LANGUAGES, WORDS, Language, Speaker
from tests.support.pages import MISSING, run_shell
from verifier_api.judge import Judge, Verdict
from zk.backends import load_group
from zk.errors import ProofRejected

pytestmark = pytest.mark.integration

LIES = [
    "other_class",
    "over_the_cap",
    "over_the_price",
    "swapped_lines",
    "over_the_ceiling",
    "other_contract",
    "other_optician",
    "flipped_bit",
    "mixed_basket",
    "other_beneficiary",
]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def liars(world: World) -> Liars:
    return Liars(world)


def quiet_stage(language: Language = "en", columns: int = MIN_COLUMNS) -> Stage:
    """A stage that writes to memory."""
    console = Console(theme=THEME, file=io.StringIO(), width=columns)
    return Stage(Speaker(language), console)


def run_demo(repository: Path, *arguments: str, columns: int) -> subprocess.CompletedProcess[str]:
    """`demo/run.py` as the Makefile starts it, in a terminal of so many columns."""
    return subprocess.run(
        [sys.executable, "demo/run.py", *arguments],
        cwd=repository,
        env=os.environ | {"COLUMNS": str(columns), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )


# -- the whole story --------------------------------------------------------------------------


def test_the_whole_story_goes_as_told(repository: Path) -> None:
    done = run_demo(repository, columns=80)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    text = done.stdout
    for line in (
        "optician prove sale.json",
        f"accepted  over {load_group().name}",
        "accepted  over py_ecc",
        "verifier serve",
        "optician submit claim.json",
        "granted: to be invoiced until",
        "the same answer, for ever",
        "payable",
        "10 of 10 lies caught",
        "opening_other_purpose",
        "opening_invalid",
        "without the bad ones",
        "Everything went as told",
    ):
        assert line in text
    refusals = re.findall(r"✗ (?:refused: )?([a-z]+_[a-z]+)", text)
    assert refusals.count("proof_invalid") == 9 + 2  # nine lies, two of the batch
    assert refusals.count("ceiling_exceeded") == 1
    assert text.count("✗ renewal_too_early") == 1  # over HTTP
    assert len(re.findall(r"refuses to make it", text)) == 5
    named = re.findall(r"no\. (\d+)", text)
    assert len(named) == len(set(named)) == 2
    assert max(map(len, text.splitlines())) <= 80


def test_the_story_in_french(repository: Path) -> None:
    done = run_demo(repository, "--lang", "fr", "--batch", "4", columns=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 mensonges sur 10" in done.stdout
    assert "Tout s'est passé comme annoncé" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_a_story_that_goes_wrong_ends_badly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tell(stage: Stage, _folder: Path, _batch: int) -> None:
        stage.check(True, "this is so")
        stage.check(False, "this is not")

    monkeypatch.setattr(story, "tell", tell)
    assert story.main([]) == 1
    printed = capsys.readouterr().out
    assert "NOT AS TOLD: this is not" in printed
    assert "this is so" not in printed


def test_a_batch_too_small_for_two_bad_claims_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        story.main(["--batch", "1"])
    assert stop.value.code == 2
    assert "--batch" in capsys.readouterr().err


# -- lies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIES)
def test_every_lie_is_refused_for_its_own_reason(liars: Liars, name: str) -> None:
    attempt: Attempt = getattr(liars, name)()
    assert attempt.is_as_told
    assert attempt.verdict.reason == attempt.expected
    assert bool(attempt.refusal) != (attempt.altered is not None)


def test_the_story_tells_these_lies(liars: Liars) -> None:
    assert [lie.__name__ for lie in liars.all()] == LIES


def test_the_lying_software_told_the_truth_is_accepted(liars: Liars) -> None:
    assert liars.control().is_accepted


@pytest.mark.parametrize("name", ["over_the_cap", "over_the_price", "mixed_basket"])
def test_a_false_sum_breaks_one_equation_only(liars: Liars, name: str) -> None:
    """The liar did what he could: the lie rests on a single digit outside its range."""
    assert getattr(liars, name)().false_equations == 1


def test_the_total_over_the_ceiling_is_otherwise_true(liars: Liars) -> None:
    assert liars.over_the_ceiling().false_equations == 0


def test_an_insurer_who_skips_the_proof_falls_for_the_lies(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else about the forged claims is in order, and the story notices."""
    honest = Judge.judge

    def gullible(judge: Judge, claim: Claim) -> Verdict:
        verdict = honest(judge, claim)
        return replace(verdict, reason=None) if verdict.reason == "proof_invalid" else verdict

    monkeypatch.setattr(Judge, "judge", gullible)
    stage = quiet_stage()
    tell_lies(stage, world)
    # The total over the ceiling is refused without looking at the proof.
    assert len(stage.failures) >= len(LIES) - 1
    assert not any("ceiling" in failure.split(":")[0] for failure in stage.failures)


def test_an_attempt_told_by_the_honest_software_is_not_as_told() -> None:
    verdict = Verdict("claim", ProofRejected("proof_invalid").reason)
    assert not Attempt("cap", verdict, "proof_invalid").is_as_told
    assert Attempt("cap", verdict, "proof_invalid", "refused").is_as_told
    assert not Attempt("cap", verdict, "ceiling_exceeded", "refused").is_as_told


# -- catalogue and stage ----------------------------------------------------------------------


@pytest.mark.parametrize("key", WORDS)
def test_both_languages_name_the_same_facts(key: str) -> None:
    facts = [
        {name for _, name, _, _ in string.Formatter().parse(text) if name} for text in WORDS[key]
    ]
    assert facts[0] == facts[1]
    assert all(text.strip() for text in WORDS[key])


def test_every_text_is_used(repository: Path) -> None:
    source = "".join(
        path.read_text("utf-8")
        for path in (repository / "demo").glob("*.py")
        if path.name != "words.py"
    )
    prefixes = ("lie.", "reason.", "level.", "verdict.note.")  # made up from a name
    unused = [key for key in WORDS if f'"{key}"' not in source and f"'{key}'" not in source]
    assert [key for key in unused if not key.startswith(prefixes)] == []


def test_a_fact_is_never_taken_for_a_style() -> None:
    assert Speaker("en")("process", ms="[bold]") == (
        r"finished in \[bold], start of the program included"
    )


@pytest.mark.parametrize(
    ("language", "euros", "count", "spent"),
    [
        ("en", "1,234.05 €", "5,517", ["31.9 µs", "0.29 ms", "3.4 ms", "126 ms", "1.2 s"]),
        (
            "fr",
            "1\N{NARROW NO-BREAK SPACE}234,05 €",
            "5\N{NARROW NO-BREAK SPACE}517",
            ["31,9 µs", "0,29 ms", "3,4 ms", "126 ms", "1,2 s"],
        ),
    ],
)
def test_figures_are_written_as_the_language_does(
    language: Language, euros: str, count: str, spent: list[str]
) -> None:
    say = Speaker(language)
    assert say.euros(123405) == euros
    assert say.number(5517) == count
    assert [say.milliseconds(value) for value in (0.0319, 0.29, 3.4, 126, 1200)] == spent


def test_french_marks_stay_with_their_word() -> None:
    text = Speaker("fr")("audit.wrong_purpose", purpose="x")
    assert text == "montrée pour «\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}»"


def test_lines_do_not_break_at_spaces_that_must_not_break() -> None:
    words = "«\N{NO-BREAK SPACE}contrôle\N{NO-BREAK SPACE}»"
    for columns in range(MIN_COLUMNS, MAX_COLUMNS):
        stage = quiet_stage("fr", columns)
        stage.show(f"[bold]{'x' * 30}[/] un motif assez long pour une ligne et plus : {words}")
        assert isinstance(stage.console.file, io.StringIO)
        printed = stage.console.file.getvalue()
        assert words in printed


def test_powers_are_written_as_the_language_does() -> None:
    powers = [Speaker(language).power(-11) for language in ("en", "fr")]
    assert powers == ["\N{MINUS SIGN}2.75", "\N{MINUS SIGN}2,75"]
    assert Speaker("fr").power(10) == "+2,50"


@pytest.mark.parametrize(("columns", "used"), [(40, MIN_COLUMNS), (90, 90), (300, MAX_COLUMNS)])
def test_the_stage_keeps_to_a_readable_width(columns: int, used: int) -> None:
    assert quiet_stage(columns=columns).console.width == used


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reason_without_words_stands_for_itself(language: Language) -> None:
    say = Speaker(language)
    assert say.reason("never_heard_of") == "never_heard_of"
    assert say.reason("proof_invalid") != "proof_invalid"


# -- the README -------------------------------------------------------------------------------


@pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}")
def test_the_commands_of_the_readme_work(repository: Path, tmp_path: Path) -> None:
    """Its shell lines, word by word, in a folder that has the examples."""
    text = (repository / "README.md").read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    first, service, bulk = blocks
    table = "pa.table({'claim': [open('claim.json', 'rb').read()]}), 'claims.parquet'"
    archive = f"import pyarrow as pa, pyarrow.parquet as pq; pq.write_table({table})"
    made = f'{shlex.quote(sys.executable)} -c "{archive}"\n'
    code, written = run_shell("set -e\n" + first + service + made + bulk, tmp_path)
    assert code == 0, written
    told_by_bulk = "1 accepted, 0 refused, 0 unreadable"
    for told in (
        *("accepted", "granted", "invoice taken", "serving on http://127.0.0.1:8765"),
        told_by_bulk,
    ):
        assert told in written
