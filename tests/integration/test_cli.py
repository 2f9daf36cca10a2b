"""The commands: results, exit codes, files, languages, and what they refuse."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import console.outputs
from circuits.canonical import decode_base64url, encode_base64url
from circuits.claim import claim_digest, decode_claim
from circuits.contract import contract_digest, load_sample
from circuits.nomenclature import load_shipped
from circuits.opening import decode_line_opening, encode_line_opening
from tests.support.claims import sale_document
from tests.support.commands import EXAMPLES, ROOT, Console, Done, run_process

pytestmark = pytest.mark.integration

CONTRACT = EXAMPLES / "contracts" / "responsable.json"
PURPOSE = "audit 2021-17"
OUT_JSON = ("--out", "c.json", "--openings", "o.json", "--json")
STEPS = ("key", "signature", "contract", "nomenclature", "expiry", "statement")


def prove(shop: Console, *more: str | Path, sale: str = "sale.json", stdin: bytes = b"") -> Done:
    return shop.optician(
        *("prove", sale, "--contract", CONTRACT, "--key", "key.json"),
        *(more or ("--out", "claim.json", "--openings", "openings.json")),
        stdin=stdin,
    )


def check(shop: Console, *more: str | Path, claim: str = "claim.json", stdin: bytes = b"") -> Done:
    own: tuple[str | Path, ...] = ("--contract", CONTRACT, "--optician-keys", "keys.json")
    return shop.verifier("check", claim, *own, *more, stdin=stdin)


def check_batch(shop: Console, source: str, *more: str, stdin: bytes = b"") -> Done:
    own: tuple[str | Path, ...] = ("--contract", CONTRACT, "--optician-keys", "keys.json")
    return shop.verifier("check-batch", source, *own, *more, stdin=stdin)


def check_opening(
    shop: Console, opening: str = "opening.json", *, purpose: str = PURPOSE, stdin: bytes = b""
) -> Done:
    return shop.verifier(
        *("check-opening", opening, "--claim", "claim.json", "--purpose", purpose, "--json"),
        stdin=stdin,
    )


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask() -> Iterator[None]:
    """The usual one, under which new files are readable by all."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def ready(shop: Console) -> Console:
    """A shop with a sale to prove."""
    (shop.folder / "sale.json").write_text(json.dumps(sale_document()))
    return shop


@pytest.fixture
def proved(ready: Console) -> Console:
    """A shop with claim.json and openings.json."""
    done = prove(ready)
    assert done.code == 0, done.err
    return ready


# -- start ------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["optician", "verifier_api"])
def test_a_help_page_loads_nothing_heavy(module: str, tmp_path: Path) -> None:
    program = (
        f"import sys; from {module}.cli import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "print([name for name in ('numpy', 'pydantic', 'cryptography', 'gmpy2', 'circuits', 'rich')"
        " if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert "Commands:" in shown
    assert shown.splitlines()[-1] == "[]"


@pytest.mark.parametrize("module", ["optician", "verifier_api"])
def test_the_help_page_lists_the_exit_codes_and_the_version_is_told(
    console: Console, module: str
) -> None:
    page = " ".join(console.run(module, "--help").out.split())
    assert "3 internal error, 130 interrupted" in page
    done = console.run(module, "--version")
    assert (done.code, done.err) == (0, "")
    name, number = done.out.split(maxsplit=1)
    assert name == "clairobscur"
    assert number.strip()


def test_the_whole_story_through_pipes_of_real_processes(tmp_path: Path) -> None:
    key = ("keygen", "shop-1", "--out", "key.json", "--public", "keys.json")
    assert run_process("optician", *key, cwd=tmp_path).code == 0
    made = run_process(
        *("optician", "prove", "-", "--contract", CONTRACT, "--key", "key.json"),
        *("--out", "-", "--openings", "openings.json"),
        cwd=tmp_path,
        stdin=json.dumps(sale_document()).encode(),
    )
    assert made.code == 0, made.err
    assert "claim ready" in made.err
    decode_claim(made.stdout)
    verdict = run_process(
        *("verifier_api", "check", "-", "--contract", CONTRACT, "--optician-keys", "keys.json"),
        cwd=tmp_path,
        stdin=made.stdout,
    )
    assert verdict.code == 0, verdict.err
    assert verdict.out.startswith("accepted")
    (tmp_path / "claim.json").write_bytes(made.stdout)
    opened = run_process(
        *("optician", "open", "-", "--line", "1", "--reveal", "code,price"),
        *("--purpose", PURPOSE),
        cwd=tmp_path,
        stdin=(tmp_path / "openings.json").read_bytes(),
    )
    assert opened.code == 0, opened.err
    audited = run_process(
        *("verifier_api", "check-opening", "-", "--claim", "claim.json", "--purpose", PURPOSE),
        cwd=tmp_path,
        stdin=opened.stdout,
    )
    assert audited.code == 0, audited.err
    assert f"code: {sale_document()['right_lens']['code']}" in audited.out


# -- keygen -----------------------------------------------------------------------------------


def test_keygen_makes_a_secret_file_and_a_public_one(console: Console, umask: None) -> None:
    done = console.optician(
        *("keygen", "shop-1", "--out", "key.json", "--public", "keys.json", "--json")
    )
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    key, keys = console.folder / "key.json", console.folder / "keys.json"
    assert (mode_of(key), mode_of(keys)) == (0o600, 0o644)
    (entry,) = json.loads(keys.read_bytes())["keys"]
    assert entry["optician_id"] == facts["optician_id"] == "shop-1"
    assert json.loads(key.read_bytes())["private_key"] not in done.out + keys.read_text()
    assert sorted(path.name for path in console.folder.iterdir()) == ["key.json", "keys.json"]


def test_keygen_prints_the_public_entry_by_default(console: Console) -> None:
    done = console.optician("keygen", "shop-1", "--out", "key.json")
    assert done.code == 0
    assert len(json.loads(done.out)["keys"]) == 1
    assert "key made for shop-1" in done.err


def test_keygen_never_replaces_a_key(shop: Console) -> None:
    before = (shop.folder / "key.json").read_bytes()
    done = shop.optician("keygen", "shop-1", "--out", "key.json")
    assert done.code == 2
    assert "key.json exists already: never replaced; choose another name" in done.err
    assert (shop.folder / "key.json").read_bytes() == before


def test_keygen_refuses_an_identifier_that_is_none(console: Console) -> None:
    done = console.optician("keygen", "no spaces", "--out", "key.json")
    assert done.code == 2
    assert done.err.startswith("error: this argument is not valid: optician_id: 1 to 64 letters")
    assert list(console.folder.iterdir()) == []


# -- prove ------------------------------------------------------------------------------------


def test_prove_writes_a_public_claim_and_secret_openings(proved: Console, umask: None) -> None:
    done = prove(proved, "--out", "c.json", "--openings", "o.json", "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    claim = decode_claim((proved.folder / "c.json").read_bytes())
    assert facts["claim_id"] == claim.claim_id
    assert facts["claim_bytes"] == (proved.folder / "c.json").stat().st_size
    assert facts["proof_bytes"] == len(decode_base64url(claim.proof))
    assert facts["milliseconds"]["proving"] > 0
    assert mode_of(proved.folder / "o.json") == 0o600
    assert mode_of(proved.folder / "c.json") == 0o644
    names = {path.name for path in proved.folder.iterdir()}
    assert names >= {"c.json", "o.json"}
    assert not [name for name in names if name.startswith(".")]


@pytest.mark.parametrize("spared", ["claim.json", "openings.json"])
def test_prove_replaces_a_file_only_if_told_to(proved: Console, spared: str) -> None:
    other = {"claim.json": "openings.json", "openings.json": "claim.json"}[spared]
    (proved.folder / other).unlink()
    before = (proved.folder / spared).read_bytes()
    done = prove(proved)
    assert done.code == 2
    assert f"{spared} exists already: use --force to replace it" in done.err
    assert not (proved.folder / other).exists()
    assert (proved.folder / spared).read_bytes() == before
    assert prove(proved, "--out", "claim.json", "--openings", "openings.json", "--force").code == 0
    assert (proved.folder / spared).read_bytes() != before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--out", "-", "--openings", "-"), "only one file can be written to standard output"),
        (("--out", "x.json", "--openings", "./x.json"), "is named twice"),
        (("--out", "sale.json", "--openings", "o.json", "--force"), "is named twice"),
        (("--out", "c.json", "--openings", "key.json", "--force"), "is named twice"),
        (("--out", "absent/c.json", "--openings", "o.json"), "absent is not a directory"),
        (("--out", os.devnull, "--openings", "o.json", "--force"), "is not a regular file"),
    ],
)
def test_prove_refuses_outputs_before_it_works(
    ready: Console, options: tuple[str, ...], words: str
) -> None:
    before = {path.name: path.read_bytes() for path in ready.folder.iterdir()}
    done = prove(ready, *options)
    assert done.code == 2
    assert words in done.err
    assert done.out == ""
    assert {path.name: path.read_bytes() for path in ready.folder.iterdir()} == before


def test_only_one_input_is_standard_input(ready: Console) -> None:
    arguments = ("--contract", "-", "--key", "key.json", "--out", "c", "--openings", "o")
    done = ready.optician("prove", "-", *arguments, stdin=b"{}")
    assert done.code == 2
    assert "only one file can be read from standard input" in done.err


def test_openings_can_go_to_standard_output_and_the_summary_makes_way(ready: Console) -> None:
    done = prove(ready, "--out", "claim.json", "--openings", "-", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["lines"][0]["values"]
    assert json.loads(done.err)["openings_file"] == "-"


def test_a_write_that_fails_leaves_no_file_behind(
    ready: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("console.outputs.os.fsync", full_disk)
    done = prove(ready)
    assert done.code == 2
    assert "No space left on device" in done.err
    names = sorted(path.name for path in ready.folder.iterdir())
    assert names == ["key.json", "keys.json", "sale.json"]


def test_files_are_written_where_hard_links_do_not_exist(
    ready: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("console.outputs.os.link", no_links)
    assert prove(ready).code == 0
    assert check(ready).code == 0


def test_a_file_that_appears_meanwhile_is_not_replaced(
    ready: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.outputs, "check_writable", lambda *_, **__: None)
    (ready.folder / "o.json").write_bytes(b"somebody else's")
    with pytest.raises(FileExistsError, match=r"o\.json exists already"):
        console.outputs.write_output("o.json", b"ours", secret=True)
    assert (ready.folder / "o.json").read_bytes() == b"somebody else's"


def test_the_optician_is_warned_of_small_classes_and_telling_amounts(ready: Console) -> None:
    sale = sale_document(lenses=("VU1", "VU2"), frame="M01", supplements=("SV3",))
    for lens in ("right_lens", "left_lens"):
        del sale[lens]["correction"]
    done = prove(ready, *OUT_JSON, sale="-", stdin=json.dumps(sale).encode())
    assert done.code == 0, done.err
    warnings = json.loads(done.out)["warnings"]
    assert [(entry["warning"], entry["where"]) for entry in warnings] == [
        ("floor", "right lens VU1"),
        ("floor", "left lens VU2"),
        ("lenses_below_ceiling", "lenses"),
        ("frame_below_ceiling", "frame"),
    ]
    quiet = sale_document(price_cents=dict.fromkeys(("right_lens", "left_lens"), 60_000))
    for lens in ("right_lens", "left_lens"):
        del quiet[lens]["correction"]
    done = prove(ready, *OUT_JSON, "--force", sale="-", stdin=json.dumps(quiet).encode())
    assert json.loads(done.out)["warnings"] == []
    quiet["left_lens"]["correction"] = {"sphere": "0.25", "addition": "2.00"}
    done = prove(ready, *OUT_JSON, "--force", sale="-", stdin=json.dumps(quiet).encode())
    assert json.loads(done.out)["warnings"] == [
        {"warning": "code_correction", "where": "left lens"}
    ]


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_the_optician_is_warned_of_a_key_that_others_can_read(ready: Console) -> None:
    (ready.folder / "key.json").chmod(0o644)
    done = prove(ready)
    assert done.code == 0
    assert "the key file can be read by others" in done.err


def test_another_table_is_another_nomenclature(ready: Console) -> None:
    table = load_shipped()
    (ready.folder / "table.json").write_bytes(table.to_bytes())
    done = prove(ready, *OUT_JSON, "--nomenclature", "table.json")
    assert done.code == 0, done.err
    assert check(ready, claim="c.json").code == 0
    changed = table.to_bytes().replace(b'"version":"2020-07"', b'"version":"2020-08"')
    (ready.folder / "table.json").write_bytes(changed)
    done = check(ready, "--nomenclature", "table.json", "--json", claim="c.json")
    assert done.code == 1
    assert json.loads(done.out)["reason"] == "nomenclature_mismatch"


@pytest.mark.parametrize(
    ("options", "environment", "words"),
    [
        ((), {"LC_ALL": "fr_FR.UTF-8"}, "erreur : un fichier ne peut être lu"),
        ((), {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "fr_CA"}, "erreur : un fichier"),
        ((), {"LC_ALL": "C", "LANG": "fr_FR"}, "error: a file cannot be read"),
        (("--lang", "en"), {"LC_ALL": "fr_FR.UTF-8"}, "error: a file cannot be read"),
        (("--lang", "fr"), {"LC_ALL": "C"}, "erreur : un fichier ne peut être lu"),
    ],
)
def test_messages_come_in_the_optician_s_language(
    shop: Console,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    environment: dict[str, str],
    words: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = prove(shop, "--out", "c", "--openings", "o", *options)
    assert done.code == 2
    assert done.err.startswith(words)


def test_results_and_warnings_come_in_french_too(ready: Console) -> None:
    done = prove(ready, "--out", "claim.json", "--openings", "openings.json", "--lang", "fr")
    assert "demande prête" in done.out
    assert "attention : verres : demandé sous le plafond" in done.err


def test_every_message_stands_in_both_languages() -> None:
    from optician.messages import MESSAGES, say

    for key, (english, french) in MESSAGES.items():
        assert english
        assert french
        assert (say(key, "en"), say(key, "fr")) == (english, french)


def changed_sale(**changes: object) -> bytes:
    return json.dumps(sale_document() | changes).encode()


@pytest.mark.parametrize(
    ("sale", "words"),
    [
        (
            changed_sale(right_lens={"code": 1, "price_cents": "95"}),
            "right_lens.price_cents: ",
        ),
        (changed_sale(right_lens={"code": 1, "price_cents": 9.5}), "right_lens.price_cents: "),
        (changed_sale(right_lens={"code": 1}), "right_lens.price_cents: "),
        (changed_sale(date_of_service="05/10/2020"), "date_of_service: not a date YYYY-MM-DD"),
        (changed_sale(frame=None), "an equipment has right_lens"),
        (b'{"format_version": 1,', "line 1"),
    ],
)
def test_a_sale_that_is_filled_in_wrongly_is_the_sale_s_fault(
    ready: Console, sale: bytes, words: str
) -> None:
    done = prove(ready, *OUT_JSON, sale="-", stdin=sale)
    assert done.code == 2
    failure = json.loads(done.err)
    assert failure["error"] == "sale"
    assert words in failure["detail"]
    plain = prove(ready, sale="-", stdin=sale)
    assert plain.err.startswith("error: the sale is not filled in correctly: sale: ")


def test_contract_and_table_are_to_blame_for_what_they_do_not_allow(ready: Console) -> None:
    contract = json.loads(CONTRACT.read_bytes()) | {"statements": ["line"]}
    (ready.folder / "contract.json").write_text(json.dumps(contract))
    done = ready.optician(
        *("prove", "sale.json", "--contract", "contract.json", "--key", "key.json", *OUT_JSON)
    )
    assert json.loads(done.err)["error"] == "statement"
    late = changed_sale(date_of_service="2022-01-01")
    done = prove(ready, *OUT_JSON, sale="-", stdin=late)
    assert json.loads(done.err)["error"] == "statement"
    (ready.folder / "contract.json").write_text(json.dumps({**contract, "statements": []}))
    done = ready.optician(
        *("prove", "sale.json", "--contract", "contract.json", "--key", "key.json", *OUT_JSON)
    )
    assert json.loads(done.err)["error"] == "unreadable"


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            "tells the insurer: classes of both lenses hidden; price class B, level e; frame M03; "
            "lenses 650.00 €, frame 100.00 €",
        ),
        (
            "fr",
            "dit à l'assureur : classes des deux verres cachées ; classe de prix B, niveau e ; "
            "monture M03 ; verres 650,00 €, monture 100,00 €",
        ),
    ],
)
def test_a_pair_says_what_it_hides(ready: Console, language: str, told: str) -> None:
    done = prove(
        ready,
        *("--out", "c.json", "--openings", "o.json", "--lang", language),
        sale=str(EXAMPLES / "sales" / "level-only.json"),
    )
    assert done.code == 0, done.err
    assert told in done.out.splitlines()


def test_lines_are_named_in_words(proved: Console) -> None:
    done = prove(proved, "--out", "c.json", "--openings", "o.json")
    told = done.out.splitlines()[1]
    assert told.startswith("tells the insurer: right lens V")
    assert ", left lens V" in told
    assert "_" not in told


# -- check ------------------------------------------------------------------------------------


def test_check_accepts_and_tells_the_time_of_every_step(proved: Console) -> None:
    done = check(proved, "--json")
    assert (done.code, done.err) == (0, "")
    facts = json.loads(done.out)
    claim = decode_claim((proved.folder / "claim.json").read_bytes())
    assert (facts["claim_id"], facts["verdict"], facts["reason"]) == (
        claim.claim_id,
        "accepted",
        None,
    )
    assert list(facts["milliseconds"]) == [*STEPS, "decoding", "proof", "total"]
    assert all(spent >= 0 for spent in facts["milliseconds"].values())
    plain = check(proved)
    assert plain.code == 0
    assert plain.out.startswith(f"accepted    {claim.claim_id}\n")
    assert plain.out.splitlines()[-1].split()[:2] == ["ms:", "key"]


def test_check_tells_what_was_accepted(proved: Console) -> None:
    claim = decode_claim((proved.folder / "claim.json").read_bytes())
    digest = encode_base64url(claim_digest(claim))
    told = json.loads(check(proved, "--json").out)["claim"]
    assert told["claim_digest"] == digest
    assert told["claim_id"] == claim.claim_id
    assert (told["optician_id"], told["key_id"]) == ("shop-1", claim.key_id)
    assert told["contract_id"] == "responsable-2020"
    assert told["beneficiary"] == claim.beneficiary
    assert told["date_of_service"] == "2020-10-05"
    assert (told["statement"], told["level"]) == ("equipment", None)
    assert claim.amounts is not None
    assert told["amounts"] == claim.amounts.model_dump()
    for line, entry in zip(claim.lines, told["lines"], strict=True):
        assert entry == line.model_dump()
    assert not {"proof", "signature"} & set(told)

    plain = check(proved).out
    lenses = claim.amounts.lenses_cents
    for words in (
        "optician:    shop-1",
        f"key:         {claim.key_id}",
        "contract:    responsable-2020",
        f"beneficiary: {claim.beneficiary}",
        "date:        2020-10-05",
        "statement:   equipment",
        f"right lens {claim.lines[0].regroupement}",
        f"lenses {lenses // 100}.{lenses % 100:02d} €, frame 100.00 €",
        f"digest:      {digest}",
    ):
        assert words in plain


def test_check_tells_what_a_level_alone_says(ready: Console) -> None:
    sale = (EXAMPLES / "sales" / "level-only.json").read_bytes()
    made = prove(ready, sale="-", stdin=sale)
    assert made.code == 0
    told = json.loads(check(ready, "--json").out)["claim"]
    assert (told["statement"], told["level"], told["price_class"]) == ("pair", "e", "B")
    plain = check(ready).out
    assert "right lens (class hidden), left lens (class hidden), frame M03" in plain
    assert "price class B, level e" in plain


def test_a_refused_claim_is_not_shown_as_accepted(proved: Console) -> None:
    data = flip((proved.folder / "claim.json").read_bytes())
    done = check(proved, claim="-", stdin=data)
    assert len(done.out.splitlines()) == 2
    assert "digest" not in done.out


def test_check_takes_the_newline_that_an_editor_adds_and_no_other_change(proved: Console) -> None:
    data = (proved.folder / "claim.json").read_bytes()
    assert check(proved, claim="-", stdin=data + b"\n").code == 0
    for changed in (data + b"\n\n", b" " + data, data + b" "):
        assert check(proved, claim="-", stdin=changed).code == 2


def test_check_refuses_with_its_reason(proved: Console) -> None:
    data = (proved.folder / "claim.json").read_bytes()
    lie = data.replace(b'"frame_cents":10000', b'"frame_cents":9999')
    assert lie != data
    done = check(proved, claim="-", stdin=lie)
    assert done.code == 1
    assert done.out.startswith("refused     ")
    assert "signature_invalid" in done.out


def test_check_judges_as_of_another_moment(proved: Console) -> None:
    for now, reason in (
        ("2099-01-01T00:00:00Z", "expired"),
        ("2020-09-01T00:00:00Z", "expiry_too_far"),
    ):
        done = check(proved, "--now", now, "--json")
        assert done.code == 1
        assert json.loads(done.out)["reason"] == reason
    for malformed in ("2099-01-01", "tomorrow", "2099-01-01T00:00:00"):
        done = check(proved, "--now", malformed)
        assert done.code == 2
        assert "--now: not an instant" in done.err


@pytest.mark.parametrize("file", ["claim.json", "keys.json", "contract.json", "table.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b"\xff\xfe", b" " * 9_000_000])
def test_check_says_what_it_cannot_read(proved: Console, file: str, content: bytes | None) -> None:
    shutil.copy(CONTRACT, proved.folder / "contract.json")
    (proved.folder / "table.json").write_bytes(load_shipped().to_bytes())
    if content is None:
        (proved.folder / file).unlink()
    else:
        (proved.folder / file).write_bytes(content)
    done = proved.verifier(
        *("check", "claim.json", "--contract", "contract.json"),
        *("--optician-keys", "keys.json", "--nomenclature", "table.json", "--json"),
    )
    assert done.code == 2
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert json.loads(done.err)["error"] == ("file" if content is None else "unreadable")


def test_a_cap_for_a_class_that_does_not_exist_is_refused(proved: Console) -> None:
    contract = json.loads(CONTRACT.read_bytes()) | {"price_caps_cents": {"VX9": 100}}
    (proved.folder / "contract.json").write_text(json.dumps(contract))
    done = proved.verifier(
        *("check", "claim.json", "--contract", "contract.json", "--optician-keys", "keys.json")
    )
    assert done.code == 2
    assert "price_caps_cents.VX9" in done.err


def test_options_that_do_not_exist_are_a_usage_error(proved: Console) -> None:
    assert check(proved, "--trust-me").code == 2
    assert proved.optician("prove").code == 2
    assert proved.verifier("nothing").code == 2


@pytest.mark.parametrize("command", ["optician", "verifier_api"])
def test_a_fault_of_ours_is_one_line_without_its_message(
    proved: Console, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    import circuits.contract

    def fail(_: bytes) -> None:
        raise RuntimeError("secret-in-the-message")

    monkeypatch.setattr(circuits.contract, "parse_contract", fail)
    if command == "optician":
        done = prove(proved, "--out", "c", "--openings", "o")
    else:
        done = check(proved)
    assert done.code == 3
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert "RuntimeError at test_cli.py:" in done.err
    assert "secret-in-the-message" not in done.err


@pytest.mark.parametrize("command", ["optician", "verifier_api"])
def test_an_interruption_is_not_a_verdict(
    proved: Console, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    import circuits.contract

    def interrupt(_: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(circuits.contract, "parse_contract", interrupt)
    if command == "optician":
        done = prove(proved, "--out", "c", "--openings", "o")
    else:
        done = check(proved)
    assert (done.code, done.out, done.err) == (130, "", "")


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("verifier_api", ("nomenclature", "show", "--json")),
        ("optician", ("keygen", "shop-2", "--out", "other.json")),
    ],
)
def test_a_reader_that_leaves_is_no_fault_of_ours(
    shop: Console, module: str, arguments: tuple[str, ...]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=shop.folder,
            stdout=writer,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert done.returncode == 2
    assert done.stderr == b""


# -- check-batch ------------------------------------------------------------------------------


def entries_of(done: Done) -> list[tuple[Any, ...]]:
    lines = [json.loads(line) for line in done.out.splitlines()]
    return [(line["source"], line["verdict"], line["reason"]) for line in lines]


@pytest.fixture
def claims(proved: Console) -> list[bytes]:
    """Three good claims."""
    made = [(proved.folder / "claim.json").read_bytes()]
    for name in ("second.json", "third.json"):
        assert prove(proved, "--out", name, "--openings", f"{name}.openings.json").code == 0
        made.append((proved.folder / name).read_bytes())
    return made


def flip(claim: bytes) -> bytes:
    """The same claim with one other digit in an amount: the signature fails."""
    return claim.replace(b'"frame_cents":10000', b'"frame_cents":10001')


def test_check_batch_of_a_folder(proved: Console, claims: list[bytes]) -> None:
    folder = proved.folder / "claims"
    folder.mkdir()
    (folder / "b.json").write_bytes(claims[0])
    (folder / "a.json").write_bytes(claims[1])
    (folder / "c.json").write_bytes(flip(claims[2]))
    (folder / "notes.txt").write_text("not looked at")
    (folder / "d.json").mkdir()
    done = check_batch(proved, "claims", "--json")
    assert entries_of(done) == [
        ("a.json", "accepted", None),
        ("b.json", "accepted", None),
        ("c.json", "refused", "signature_invalid"),
    ]
    assert done.code == 1
    counts = json.loads(done.err)
    assert (counts["accepted"], counts["refused"], counts["unreadable"]) == (2, 1, 0)
    for line in map(json.loads, done.out.splitlines()):
        claim = decode_claim((folder / line["source"]).read_bytes())
        assert line["claim"]["claim_digest"] == encode_base64url(claim_digest(claim))
        assert line["claim"]["beneficiary"] == claim.beneficiary
        assert line["duplicate_of"] is None
    (folder / "c.json").unlink()
    plain = check_batch(proved, "claims")
    assert plain.code == 0
    assert plain.out.splitlines()[0].endswith("(a.json)")


def test_check_batch_tells_of_a_claim_that_comes_twice(
    proved: Console, claims: list[bytes]
) -> None:
    lines = b"\n".join([claims[0], claims[1], claims[0]])
    done = check_batch(proved, "-", "--json", stdin=lines)
    assert done.code == 0
    told = [json.loads(line)["duplicate_of"] for line in done.out.splitlines()]
    assert told == [None, None, "line 1"]
    assert json.loads(done.err)["duplicates"] == 1
    plain = check_batch(proved, "-", stdin=lines)
    assert [
        ("warning: the same claim as in line 1" in line) for line in plain.out.splitlines()
    ] == [*(False, False, True)]
    assert "(1 seen before)" in plain.err


def test_the_recipe_of_the_help_page_makes_one_file_of_a_folder(
    proved: Console, claims: list[bytes]
) -> None:
    (proved.folder / "claims").mkdir()
    for name, data in zip("abc", claims, strict=True):
        (proved.folder / "claims" / f"{name}.json").write_bytes(data)
    recipe = "awk 1 claims/*.json > all.ndjson"
    assert recipe in proved.verifier("check-batch", "--help").out
    subprocess.run(["sh", "-c", recipe], cwd=proved.folder, check=True, timeout=60)
    assert check_batch(proved, "all.ndjson").code == 0
    done = check_batch(proved, "-", "--json", stdin=b"".join(claims))
    assert done.code == 2
    assert "put each claim on a line of its own" in json.loads(done.out)["detail"]


def test_check_batch_of_lines_goes_on_behind_what_it_cannot_read(
    proved: Console, claims: list[bytes]
) -> None:
    lines = [claims[0], b"{}", claims[1] + b"\r", b"", b"x" * 100_000, flip(claims[2]), claims[2]]
    (proved.folder / "claims.ndjson").write_bytes(b"\n".join(lines))
    expected = [
        ("line 1", "accepted", None),
        ("line 2", "unreadable", "unreadable"),
        ("line 3", "accepted", None),
        ("line 5", "unreadable", "unreadable"),
        ("line 6", "refused", "signature_invalid"),
        ("line 7", "accepted", None),
    ]
    done = check_batch(proved, "claims.ndjson", "--json")
    assert entries_of(done) == expected
    assert done.code == 2
    done = check_batch(proved, "-", "--json", stdin=b"\n".join(lines) + b"\n")
    assert entries_of(done) == expected
    assert done.code == 2


def test_check_batch_names_the_bad_proof(proved: Console, claims: list[bytes]) -> None:
    """A proof that is well formed, signed by the optician himself, and another claim's."""
    from circuits.claim import Claim, ClaimBody, encode_claim, sign_claim
    from optician.identity import Identity

    identity = Identity.parse((proved.folder / "key.json").read_bytes())
    first, second = decode_claim(claims[0]), decode_claim(claims[1])
    fields = {name: getattr(first, name) for name in ClaimBody.model_fields}
    forged: Claim = sign_claim(ClaimBody(**fields), second.proof_bytes(), identity.signing_key)
    lines = [claims[0], encode_claim(forged), claims[2]]
    done = check_batch(proved, "-", "--json", stdin=b"\n".join(lines))
    assert [reason for _, _, reason in entries_of(done)] == [None, "proof_invalid", None]
    assert done.code == 1


def test_check_batch_has_a_progress_bar_on_standard_error(
    proved: Console, claims: list[bytes]
) -> None:
    (proved.folder / "claims.ndjson").write_bytes(b"\n".join(claims))
    done = check_batch(proved, "claims.ndjson", "--progress")
    assert done.code == 0
    assert "claims 3" in done.err
    assert "100%" in done.err
    assert [line.split()[0] for line in done.out.splitlines()] == ["accepted"] * 3
    assert "100%" not in check_batch(proved, "claims.ndjson").err


@pytest.mark.parametrize("source", ["absent", "absent.ndjson"])
def test_check_batch_of_nothing_is_an_error(shop: Console, source: str) -> None:
    done = check_batch(shop, source)
    assert done.code == 2
    assert "No such file" in done.err


@pytest.mark.parametrize("content", [None, b"", b"\n \n"])
def test_check_batch_of_no_claim_is_not_a_success(shop: Console, content: bytes | None) -> None:
    if content is None:
        (shop.folder / "claims").mkdir()
    else:
        (shop.folder / "claims").write_bytes(content)
    done = check_batch(shop, "claims", "--json")
    assert (done.code, done.out) == (2, "")
    failure = json.loads(done.err)
    assert failure["error"] == "empty"
    assert failure["detail"].startswith("no claim in claims")


# -- open, check-opening ----------------------------------------------------------------------


def open_line(shop: Console, *options: str, line: str = "1", reveal: str = "code,price") -> Done:
    return shop.optician(
        *("open", "openings.json", "--line", line, "--reveal", reveal, "--purpose", PURPOSE),
        *(options or ("--out", "opening.json")),
    )


def test_an_audit_sees_code_and_price_and_not_the_correction(proved: Console) -> None:
    done = open_line(proved)
    assert done.code == 0, done.err
    assert mode_of(proved.folder / "opening.json") == 0o600
    document = json.loads((proved.folder / "opening.json").read_bytes())
    sold = sale_document()["right_lens"]
    assert document["revealed"] == {"code": sold["code"], "price": sold["price_cents"]}
    assert (document["line"], document["purpose"]) == (1, PURPOSE)
    checked = check_opening(proved)
    assert checked.code == 0, checked.err
    assert json.loads(checked.out)["revealed"] == {
        "code": sold["code"],
        "price_cents": sold["price_cents"],
    }


def test_everything_can_be_revealed(proved: Console) -> None:
    for line, correction in (
        ("1", {"sphere": "-2.25", "cylinder": "-0.50", "axis": 85, "addition": "+2.00"}),
        ("3", None),
    ):
        done = open_line(proved, "--out", "-", line=line, reveal="code, price,date,correction")
        assert done.code == 0, done.err
        checked = check_opening(proved, "-", stdin=done.stdout + b"\n")
        revealed = json.loads(checked.out)["revealed"]
        assert revealed["date_of_service"] == "2020-10-05"
        assert revealed["correction"] == correction


@pytest.mark.parametrize(
    ("line", "reveal", "words"),
    [
        ("0", "code", "lines 1 to 3"),
        ("4", "code", "lines 1 to 3"),
        ("1", "codes", "not one of code, price, date, correction"),
        ("1", "", "not one of code, price, date, correction"),
    ],
)
def test_what_cannot_be_opened(proved: Console, line: str, reveal: str, words: str) -> None:
    done = open_line(proved, line=line, reveal=reveal)
    assert done.code == 2
    assert done.err.startswith("error: this argument is not valid: ")
    assert words in done.err
    assert not (proved.folder / "opening.json").exists()


def test_openings_of_other_commitments_are_refused(proved: Console) -> None:
    path = proved.folder / "openings.json"
    document = json.loads(path.read_bytes())
    document["lines"][0]["values"][1] += 1
    path.write_text(json.dumps(document))
    done = open_line(proved)
    assert done.code == 2
    assert done.err.startswith("error: a file is not what it should be: ")
    assert "line 1 does not open its commitment" in done.err


def test_the_verifier_s_own_purpose_and_commitment_count(proved: Console) -> None:
    assert open_line(proved).code == 0
    refused = check_opening(proved, purpose="another")
    assert refused.code == 1
    assert json.loads(refused.out)["reason"] == "opening_other_purpose"
    assert "revealed" not in json.loads(refused.out)

    # An opening of a commitment of one's own choice, under the name of the audited claim.
    assert prove(proved, "--out", "other.json", "--openings", "other.openings.json").code == 0
    other = proved.optician(
        *("open", "other.openings.json", "--line", "1", "--reveal", "code,price"),
        *("--purpose", PURPOSE),
    )
    opening = decode_line_opening(other.stdout)
    refused = check_opening(proved, "-", stdin=other.stdout)
    assert json.loads(refused.out)["reason"] == "opening_other_claim"
    claim = decode_claim((proved.folder / "claim.json").read_bytes())
    renamed = opening.model_copy(update={"claim_id": claim.claim_id})
    refused = check_opening(proved, "-", stdin=encode_line_opening(renamed))
    assert json.loads(refused.out)["reason"] == "opening_other_line"
    moved = renamed.model_copy(update={"commitment": claim.lines[0].commitment})
    refused = check_opening(proved, "-", stdin=encode_line_opening(moved))
    assert json.loads(refused.out)["reason"] == "opening_invalid"


def test_an_opening_that_cannot_be_read(proved: Console) -> None:
    assert open_line(proved).code == 0
    data = (proved.folder / "opening.json").read_bytes()
    for changed in (b"", b"{}", data.replace(b'"line":1', b'"line":0'), data[:-1]):
        done = check_opening(proved, "-", stdin=changed)
        assert done.code == 2
        assert json.loads(done.err)["error"] == "unreadable"


# -- nomenclature, contract -------------------------------------------------------------------


def test_nomenclature_show_tells_both_sizes(console: Console) -> None:
    done = console.verifier("nomenclature", "show", "--json", "--date", "2020-10-05")
    assert done.code == 0, done.err
    shown = json.loads(done.out)
    assert len(shown["classes"]) == 29
    by_name = {entry["class"]: entry for entry in shown["classes"]}
    assert (by_name["V04"]["codes"], by_name["V04"]["cells"]) == (901, 36)
    assert [by_name[name]["floor"] for name in ("V04", "VU2", "S01")] == ["ok", "warn", "clear"]
    assert by_name["V04"]["legal_level"] == "very_complex"
    assert by_name["SV3"]["status"] == "unconfirmed"
    assert (by_name["M03"]["cells"], by_name["M03"]["legal_level"]) == (None, None)
    assert decode_base64url(shown["digest"]) == load_shipped().digest


def test_nomenclature_show_of_one_class(console: Console) -> None:
    done = console.verifier("nomenclature", "show", "VM7")
    assert done.code == 0
    assert done.out.splitlines()[0] == "nomenclature 2020-07 on 2021-06-30"
    assert done.out.splitlines()[2].split()[:3] == ["VM7", "85", "4"]
    assert len(done.out.splitlines()) == 3


def test_nomenclature_show_by_the_floor_of_a_contract(console: Console) -> None:
    contract = json.loads(CONTRACT.read_bytes()) | {"floor_cells": {"warn": 20, "refuse": 5}}
    (console.folder / "contract.json").write_text(json.dumps(contract))
    done = console.verifier("nomenclature", "show", "--json", "--contract", "contract.json")
    by_name = {entry["class"]: entry["floor"] for entry in json.loads(done.out)["classes"]}
    assert [by_name[name] for name in ("VU2", "V01", "V04")] == ["refuse", "warn", "ok"]


def test_nomenclature_show_knows_empty_classes(console: Console) -> None:
    document = json.loads(load_shipped().to_bytes())
    document["groups"] = [g for g in document["groups"] if g["regroupement"] != "VM7"]
    (console.folder / "table.json").write_text(json.dumps(document))
    done = console.verifier("nomenclature", "show", "VM7", "--json", "--nomenclature", "table.json")
    assert done.code == 0, done.err
    (entry,) = json.loads(done.out)["classes"]
    assert (entry["codes"], entry["floor"]) == (0, "empty")
    plain = console.verifier("nomenclature", "show", "VM7", "--nomenclature", "table.json")
    assert "empty" in plain.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("VX1",), "unknown regroupement class"),
        (("--date", "2021-07-01"), "not valid on 2021-07-01"),
        (("--date", "2019-12-31"), "not valid on 2019-12-31"),
        (("--date", "20201005"), "not a date YYYY-MM-DD"),
        (("--date", "yesterday"), "not a date YYYY-MM-DD"),
    ],
)
def test_nomenclature_show_refuses(
    console: Console, arguments: tuple[str, ...], words: str
) -> None:
    done = console.verifier("nomenclature", "show", *arguments)
    assert done.code == 2
    assert words in done.err


def test_nomenclature_show_lists_the_codes_of_a_class(console: Console) -> None:
    day = ("--date", "2020-10-05")
    done = console.verifier("nomenclature", "show", "VM7", "--codes", "--json", *day)
    assert done.code == 0, done.err
    shown = json.loads(done.out)
    rows = load_shipped().class_rows("VM7", date(2020, 10, 5))
    assert [entry["code"] for entry in shown["codes"]] == [row.code for row in rows]
    assert shown["codes"][0] == {
        "code": rows[0].code,
        "cell": rows[0].cell,
        "tariff_cents": rows[0].base_tariff_cents,
        "limit_cents": rows[0].price_limit_cents,
        "share_cents": None,
    }
    more = ("--codes", "--contract", CONTRACT)
    judged = json.loads(console.verifier("nomenclature", "show", "VM7", "--json", *more, *day).out)
    assert judged["codes"][0]["share_cents"] == rows[0].public_share_cents(60)
    assert judged["codes"][0]["limit_cents"] == 300_000
    plain = console.verifier("nomenclature", "show", "VM7", *more, *day).out
    last = plain.splitlines()[-1].split()
    assert (last[0], last[-1]) == (str(rows[-1].code), rows[-1].cell)
    assert "3000.00 €" in plain
    assert len(plain.splitlines()) == 5 + len(rows)


def test_codes_are_those_of_one_class(console: Console) -> None:
    done = console.verifier("nomenclature", "show", "--codes")
    assert done.code == 2
    assert "CLASS" in done.err


def test_the_columns_are_explained(console: Console) -> None:
    page = console.verifier("nomenclature", "show", "--help").out
    for word in ("cells ", "derived:", "unconfirmed:", "clear:", "empty:", "share "):
        assert word in page


def test_contracts_show_refuses_caps_for_classes_that_do_not_exist(console: Console) -> None:
    contract = json.loads(CONTRACT.read_bytes()) | {"price_caps_cents": {"VX9": 100}}
    (console.folder / "contract.json").write_text(json.dumps(contract))
    done = console.verifier("contracts", "show", "contract.json")
    assert done.code == 2
    assert "price_caps_cents.VX9" in done.err


def test_contracts_show_tells_the_digest(console: Console) -> None:
    done = console.verifier("contracts", "show", CONTRACT, "--json")
    assert done.code == 0
    shown = json.loads(done.out)
    assert decode_base64url(shown["digest"]) == contract_digest(load_sample("responsable"))
    assert shown["reimbursement_ceilings_cents"]["f"] == 80_000
    plain = console.verifier("contracts", "show", CONTRACT)
    assert f"digest: {shown['digest']}" in plain.out
    assert "statements: line, equipment, pair" in plain.out
    assert "frame_ceiling: 100.00 €" in plain.out
    assert "f 800.00 €" in plain.out
