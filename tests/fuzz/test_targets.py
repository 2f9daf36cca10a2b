"""The corpus of every target, in process: what `python -m tests.fuzz` starts from, and what it once
found. A target that cannot find anything would be of no use, so promises are broken here, too."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from optician.vault.keys import Header, Keys
from optician.vault.vault import Vault
from pages.forms import Form
from tests.fuzz import __main__ as runner_module
from tests.fuzz import targets
from tests.fuzz.corpus import FOLDER, is_plain_text, read_corpus, write_seed
from tests.fuzz.mutators import change_archive, change_bytes, change_json
from tests.fuzz.targets import ACCEPTS, ALL_TARGETS, TARGETS, Broken, runner
from verifier_api.judge import Judge, Verdict
from zk.errors import EncodingError

LARGEST_CORPUS_BYTES = 1_000_000


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_keep_every_promise_and_some_are_accepted(name: str) -> None:
    target = TARGETS[name]
    run = runner(target)
    accepted = [run(data) for data in read_corpus(target.corpus).values()]
    assert any(accepted)


def test_the_golden_claims_are_accepted_and_the_golden_rejects_are_not() -> None:
    for name in ("judge", "judge-signed"):
        run = runner(TARGETS[name])
        verdicts = {seed: run(data) for seed, data in read_corpus("claim").items()}
        assert {seed for seed, verdict in verdicts.items() if verdict} == set(ACCEPTS)
        assert len(verdicts) > len(ACCEPTS)


def test_every_corpus_has_a_target_and_all_are_small() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {t.corpus for t in ALL_TARGETS.values()}
    sizes = [path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(sizes) < LARGEST_CORPUS_BYTES


def test_no_seed_is_longer_than_its_target_takes() -> None:
    for target in TARGETS.values():
        assert max(map(len, read_corpus(target.corpus).values())) <= target.largest, target.name


# -- a target is able to find something --------------------------------------------------------


def test_an_undocumented_error_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> object:
        raise KeyError(data)

    monkeypatch.setattr(targets, "parse_sale", broken)
    with pytest.raises(KeyError):
        runner(TARGETS["sale"])(b"{}")


def test_a_documented_error_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(data: bytes) -> object:
        raise EncodingError("no")

    monkeypatch.setattr(targets, "parse_sale", refusing)
    assert runner(TARGETS["sale"])(read_corpus("sale")["line"]) is False


def test_a_judge_who_accepts_everything_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "judge", lambda self, claim: Verdict(claim.claim_id))
    run = runner(TARGETS["judge"])
    assert run(read_corpus("claim")["line"])
    with pytest.raises(Broken, match="one that was made"):
        run(read_corpus("claim")["reject-proof"])


def test_a_reason_that_is_not_documented_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "judge", lambda self, claim: Verdict(claim.claim_id, "because"))
    with pytest.raises(Broken, match="documented"):
        runner(TARGETS["judge"])(read_corpus("claim")["line"])


def test_a_backend_that_refuses_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    last = type(targets.groups()[-1])

    def refusing(self: object, data: bytes) -> object:
        raise EncodingError("no")

    monkeypatch.setattr(last, "decode_many", refusing)
    with pytest.raises(Broken, match="the same points"):
        runner(TARGETS["points"])(read_corpus("points")["one.hex"])


@pytest.mark.parametrize(
    ("target", "seed", "encode"),
    [
        ("claim", "line", "encode_claim"),
        ("invoice", "invoice", "encode_invoice"),
        ("cancellation", "cancellation", "encode_cancellation"),
        ("opening", "line", "encode_line_opening"),
        ("signed", "audit-case", "encode_signed"),
        ("submission", "one", "encode_submission"),
        ("reply", "opening", "encode_reply"),
        ("proof", "line.hex", "encode_proof"),
        ("scalars", "one.hex", "encode_scalars"),
        ("base64url", "bytes", "encode_base64url"),
    ],
)
def test_a_second_form_is_found(
    monkeypatch: pytest.MonkeyPatch, target: str, seed: str, encode: str
) -> None:
    real = getattr(targets, encode)
    monkeypatch.setattr(targets, encode, lambda *given: real(*given) + real(*given)[:1])
    data = read_corpus(TARGETS[target].corpus)[seed]
    with pytest.raises(Broken, match=r"one (form|encoding)"):
        runner(TARGETS[target])(data)


def test_an_opening_that_is_accepted_without_proof_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(targets, "verify_line_opening", lambda *given: None)
    run = runner(TARGETS["opening"])
    document = json.loads(read_corpus("opening")["line"])
    document["revealed"]["price"] += 1
    with pytest.raises(Broken, match="one that was made"):
        run(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def test_an_attester_who_opens_without_proof_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "open_request", lambda *given: None)
    run = runner(TARGETS["attester"])
    document = json.loads(read_corpus("request")["golden"])
    document["opening"]["revealed"]["code"] += 1
    with pytest.raises(Broken, match="one that was made"):
        run(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def test_signatures_that_are_not_looked_at_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "verify_signed", lambda *given: None)
    with pytest.raises(Broken, match="one that was made"):
        runner(TARGETS["signed"])(read_corpus("signed")["reject-attestation-signature"])


def test_a_seal_that_opens_changed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "unseal_opening", lambda *given: None)
    with pytest.raises(Broken, match="what was sealed"):
        runner(TARGETS["seal"])(read_corpus("seal")["cut.hex"])


def test_a_vault_that_is_not_checked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    run = runner(TARGETS["vault"])
    assert run(read_corpus("vault")["filled.hex"])
    monkeypatch.setattr(Keys, "unseal", lambda *given: b"anything")
    with pytest.raises(Broken, match="one that was made"):
        run(read_corpus("vault")["filled.hex"])


def test_a_vault_that_is_written_to_before_it_opens_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = runner(TARGETS["vault"])

    def writing(vault: Vault) -> None:
        with vault.write() as block:
            block.connection.execute("DELETE FROM outbox")

    monkeypatch.setattr(Vault, "require_whole", writing)
    with pytest.raises(Broken, match="looking writes nothing"):
        run(read_corpus("vault")["filled.hex"])


def test_a_header_that_is_not_checked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    run = runner(TARGETS["vault-header"])
    document = json.loads(read_corpus("vault-header")["one"])
    assert run(json.dumps(document).encode())
    document["created_at"] = "2020"
    assert not run(json.dumps(document).encode())
    monkeypatch.setattr(Header, "parse", Header._of)
    with pytest.raises(Broken, match="one form"):
        run(json.dumps(document).encode())


def test_a_reader_of_fields_that_goes_out_of_range_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Form, "cents", lambda *given: -1)
    with pytest.raises(Broken, match="in range"):
        runner(TARGETS["forms"])(read_corpus("forms")["claim"])


# -- mutators ----------------------------------------------------------------------------------


def _alter(data: bytes, largest: int) -> bytes:
    """A stand-in for libFuzzer's mutation: the last byte changed, never more than ``largest``."""
    return (data[:-1] + bytes([(data[-1] ^ 1)]) if data else b"x")[:largest]


@pytest.mark.parametrize("name", TARGETS)
def test_changes_are_bounded_and_depend_on_the_seed_alone(name: str) -> None:
    target = TARGETS[name]
    for data in read_corpus(target.corpus).values():
        made = [target.mutate(data, target.largest, Random(seed), _alter) for seed in range(40)]
        again = [target.mutate(data, target.largest, Random(seed), _alter) for seed in range(40)]
        assert made == again
        assert max(map(len, made)) <= target.largest
        assert any(changed != data for changed in made)


def test_most_changed_claims_are_still_canonical_json() -> None:
    data = read_corpus("claim")["line"]
    run = runner(TARGETS["json"])
    canonical = [run(change_json(data, 8192, Random(seed), _alter)) for seed in range(100)]
    assert sum(canonical) > 60


def test_some_changed_claims_still_decode() -> None:
    data = read_corpus("claim")["equipment"]
    run = runner(TARGETS["claim"])
    changed = {change_json(data, 8192, Random(seed), _alter) for seed in range(300)} - {data}
    assert sum(run(one) for one in changed) > 10
    assert not run(change_bytes(data, 8192, Random(0), _alter))


def test_a_changed_archive_still_opens() -> None:
    data = read_corpus("archive")["import.hex"]
    changed = [change_archive(data, 8192, Random(seed), _alter) for seed in range(50)]
    run = runner(TARGETS["archive"])
    assert sum(run(one) for one in changed if one != data) > 5


def test_what_is_no_json_and_no_archive_is_changed_as_bytes() -> None:
    assert change_json(b"{", 10, Random(1), _alter) == b"z"
    assert change_archive(b"PK", 10, Random(1), _alter) == b"PJ"


# -- files and runner --------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"text \xc3\xa9\n", b"\xff\x00", b"a\rb", b"\x00"])
def test_a_seed_is_read_as_it_was_written(tmp_path: Path, data: bytes) -> None:
    write_seed("some", "one", data, tmp_path)
    assert list(read_corpus("some", tmp_path).values()) == [data]
    (path,) = (tmp_path / "some").iterdir()
    assert path.name == ("one" if is_plain_text(data) else "one.hex")


def test_without_the_fuzzer_the_runner_says_why_it_does_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert runner_module.main(["sale", "--seconds", "1"]) == 0
    assert "atheris is not installed" in capsys.readouterr().out


def test_an_unknown_target_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        runner_module.main(["sales"])
    assert ended.value.code == 2
    assert "no such target: sales" in capsys.readouterr().err


def _fuzz(tmp_path: Path, target: str, seconds: int) -> tuple[int, dict[str, Any], str]:
    pytest.importorskip("atheris", reason=runner_module.WHY_NOT)
    out = tmp_path / "results.json"
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", target, "--seconds", str(seconds),
         "--work", str(tmp_path / "work"), "--out", str(out)],
        cwd=runner_module.ROOT, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    outcome: dict[str, Any] = json.loads(out.read_text())["targets"][0]
    return ended.returncode, outcome, ended.stdout + ended.stderr


@pytest.mark.integration
def test_a_second_of_fuzzing(tmp_path: Path) -> None:
    code, outcome, told = _fuzz(tmp_path, "cursors", 1)
    assert code == 0, told
    assert outcome["executions"] > 100
    assert outcome["features"] > 0
    assert outcome["findings"] == []
