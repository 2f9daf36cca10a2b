"""An audit from its opening to evidence that a third party judges: the commands of auditor and
optician on a service that runs."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from circuits.audit import AuditAnswer, AuditCase, AuditReply, encode_reply, sealed_digest
from circuits.canonical import canonical_bytes, encode_base64url
from circuits.claim import Claim
from circuits.sealing import seal
from circuits.signed import decode_signed, make_signed, signed_digest
from optician.claiming import Openings
from tests.support.bundles import party
from tests.support.commands import Console, Done
from tests.support.insurer import Insurer, Optician
from tests.support.server import Server, fresh_store, start_server

pytestmark = pytest.mark.integration

GROUND = "price_moved_to_lenses"


@dataclass(frozen=True)
class Office:
    """The folder in which all commands run, and who is there."""

    console: Console
    insurer: Insurer
    shop: Optician

    def verifier(self, *arguments: str, code: int = 0) -> Any:
        """A command of the auditor's, or a judge's, with --json."""
        return told(self.console.verifier(*arguments, "--json"), code)

    def auditor(self, *arguments: str, code: int = 0, key: bool = False, to: bool = True) -> Any:
        """An auditor's command; with the key and the service where they are wanted."""
        more = ["--vault", "vault"]
        more += ["--trust", "trust.json"] if to and arguments[0] != "list" else []
        more += ["--key", "auditor.key"] if key else []
        more += ["--to", self.insurer.server.url, "--token-file", "auditor.token"] if to else []
        return self.verifier("auditor", arguments[0], *more, *arguments[1:], code=code)

    def audits(self, *arguments: str, code: int = 0) -> Any:
        """An optician's command."""
        more = ("--to", self.insurer.server.url, "--token-file", "shop.token", "--json")
        return told(self.console.optician("audits", *arguments, *more), code)

    def claim(self) -> tuple[Claim, Openings]:
        """A granted claim; its openings are in the shop's folder."""
        _, claim, openings = self.insurer.sale_and_claim(by=self.shop)
        with self.insurer.server.client(self.shop.token, retries=0) as client:
            assert client.submit_claim(claim).verdict == "granted"
        self.write(f"{claim.claim_id}.openings", openings.encode())
        return claim, openings

    def open_case(self, claim: Claim, *more: str, code: int = 0) -> Any:
        """A case about code and price of the first line."""
        return self.auditor(
            *("open", claim.claim_id, "--line", "1", "--slots", "price,code"),
            *("--ground", GROUND, *more),
            key=True,
            code=code,
        )

    def answer(self, case_id: str, claim: Claim, *more: str, code: int = 0) -> Any:
        """The optician's answer."""
        return self.audits(
            *("answer", case_id, "--openings", f"{claim.claim_id}.openings"),
            *("--key", "shop.key", "--trust", "trust.json", *more),
            code=code,
        )

    def write(self, name: str, data: bytes) -> None:
        """A secret file."""
        path = self.console.folder / name
        path.write_bytes(data)
        path.chmod(0o600)

    def write_papers(self, openings: Openings, **changes: int) -> dict[str, int]:
        """The auditor's papers about the first line: the truth, but for ``changes``."""
        code, price, *_ = openings.openings[0].values
        papers = {"code": int(code), "price_cents": int(price)} | changes
        self.write("papers.json", json.dumps(papers).encode())
        return papers

    def read(self, name: str) -> bytes:
        """A file of the folder."""
        return (self.console.folder / name).read_bytes()


def told(done: Done, code: int) -> Any:
    assert done.code == code, done.err + done.out
    return json.loads(done.out if code in (0, 1) else done.err.splitlines()[-1])


@pytest.fixture(scope="module")
def insurer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Insurer]:
    folder = tmp_path_factory.mktemp("insurer")
    store = fresh_store("sqlite", folder, None)
    (folder / "trust.json").write_bytes(trust_file())
    (folder / "insurer.key").write_bytes(party("insurer").encode())
    server: Server = start_server(
        store, trust=str(folder / "trust.json"), signing_key=str(folder / "insurer.key")
    )
    try:
        yield Insurer(server)
        server.stop()
    finally:
        server.kill()


def trust_file() -> bytes:
    entries = [party("auditor").public_entry(), party("insurer").public_entry()]
    return json.dumps({"format_version": 1, "keys": entries}).encode()


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, insurer: Insurer) -> Office:
    shop = insurer.new_optician()
    made = Office(Console(monkeypatch, tmp_path), insurer, shop)
    made.write("trust.json", trust_file())
    made.write("auditor.key", party("auditor").encode())
    made.write("auditor.token", insurer.admin.create_token("auditor").token.encode())
    made.write("shop.token", shop.token.encode())
    made.write("shop.key", shop.identity.encode())
    return made


def judge(office: Office, code: int = 0) -> Any:
    return office.verifier("check-evidence", "evidence.json", "--trust", "trust.json", code=code)


def make_evidence(office: Office, case_id: str) -> Any:
    office.auditor("evidence", case_id, "--out", "evidence.json", key=True)
    assert mode(office.console.folder / "evidence.json") == 0o600
    return judge(office)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_audit_that_finds_nothing(office: Office) -> None:
    claim, openings = office.claim()
    opened = office.open_case(claim)
    case_id = opened["case_id"]
    assert (opened["stage"], opened["slots"]) == ("sent", ["code", "price"])

    shown = office.auditor("show", case_id)
    assert (shown["state"], shown["revealed"]) == ("open", None)
    assert office.auditor("conclude", case_id, key=True, code=2)["error"] == "unreadable"

    (entry,) = office.audits("list")["audits"]
    assert (entry["case_id"], entry["state"]) == (case_id, "open")
    (listed,) = office.auditor("list")["cases"]
    assert (listed["case_id"], listed["stage"], listed["state"]) == (case_id, "sent", "open")
    seen = office.audits("show", case_id)
    assert (seen["auditor_id"], seen["ground"], seen["line"]) == ("auditor-1", GROUND, 1)
    taken = office.answer(case_id, claim)
    assert (taken["state"], taken["reveals"]) == ("answered", ["code", "price"])

    papers = office.write_papers(openings)
    shown = office.auditor("show", case_id)
    assert shown["is_valid"] is True
    assert shown["revealed"] == papers
    # Once it is in the vault, nobody has to be asked.
    assert office.auditor("show", case_id, to=False)["revealed"] == papers

    concluded = office.auditor(
        "conclude", case_id, "--papers", "papers.json", "--source", "order 17", key=True
    )
    assert (concluded["outcome"], concluded["cause"]) == ("consistent", "as_recorded")
    again = office.auditor("conclude", case_id, key=True)
    assert again == concluded
    assert office.audits("show", case_id)["outcome"] == "consistent"

    judged = make_evidence(office, case_id)
    assert (judged["holds"], judged["shows"]) == (True, "consistent")
    assert judged["insurer"] == "agrees"


def test_an_audit_that_finds_another_price(office: Office) -> None:
    claim, openings = office.claim()
    case_id = office.open_case(claim)["case_id"]
    office.answer(case_id, claim)
    price = int(openings.openings[0].values[1])
    office.write_papers(openings, price_cents=price - 1_000)
    concluded = office.auditor(
        "conclude", case_id, "--papers", "papers.json", "--source", "order 17", key=True
    )
    assert (concluded["outcome"], concluded["cause"]) == ("inconsistent", "differs_from_record")
    judged = make_evidence(office, case_id)
    assert (judged["holds"], judged["shows"]) == (True, "inconsistent")
    comparison = judged["points"][-1]["detail"]
    assert "price: another value" in comparison
    assert "code: the same value" in comparison


def test_an_optician_who_refuses(office: Office) -> None:
    claim, _ = office.claim()
    case_id = office.open_case(claim)["case_id"]
    reason = "Le dossier est perdu"
    taken = office.audits("refuse", case_id, "--reason", reason, "--key", "shop.key")
    assert (taken["state"], taken["reason"]) == ("refused", reason)
    shown = office.auditor("show", case_id)
    assert (shown["state"], shown["refusal"]) == ("refused", reason)
    refused = office.auditor(
        "conclude", case_id, "--compared-code", "7241994", "--source", "x", key=True, code=2
    )
    assert "7241994" not in json.dumps(refused)
    concluded = office.auditor("conclude", case_id, key=True)
    assert (concluded["outcome"], concluded["cause"]) == ("unanswered", "refused")
    judged = make_evidence(office, case_id)
    assert (judged["holds"], judged["shows"]) == (True, "unanswered")


def test_an_optician_who_signs_a_seal_with_nothing_in_it(office: Office) -> None:
    claim, _ = office.claim()
    case_id = office.open_case(claim)["case_id"]
    shown = office.audits("show", case_id)
    case = decode_signed(AuditCase, canonical_bytes(shown["case"]))
    sealed = encode_base64url(seal(b"nothing", case.recipient, signed_digest(case).encode()))
    answer = make_signed(
        AuditAnswer,
        office.shop.identity.signing_key,
        case_id=case_id,
        case_digest=signed_digest(case),
        optician_id=office.shop.name,
        answer="opening",
        sealed_digest=sealed_digest(sealed),
        reason=None,
        answered_at=datetime.now(UTC).replace(microsecond=0),
    )
    reply = encode_reply(AuditReply(format_version=1, answer=answer, sealed=sealed))
    with office.insurer.server.client(office.shop.token, retries=0) as client:
        assert client.answer_audit(case_id, reply).state == "answered"
    shown = office.auditor("show", case_id)
    assert (shown["is_valid"], shown["reason"]) == (False, "seal_empty")
    concluded = office.auditor("conclude", case_id, key=True)
    assert (concluded["outcome"], concluded["cause"]) == ("inconsistent", "opening_invalid")
    judged = make_evidence(office, case_id)
    assert (judged["holds"], judged["shows"]) == (True, "inconsistent")
    assert judged["cause"] == "opening_invalid"


# -- what is refused ------------------------------------------------------------------------------


def test_the_optician_answers_nobody_whom_he_does_not_know(office: Office) -> None:
    claim, _ = office.claim()
    case_id = office.open_case(claim)["case_id"]
    office.write("nobody.json", b'{"format_version":1,"keys":[]}')
    refused = office.answer(case_id, claim, "--trust", "nobody.json", code=2)
    assert refused["error"] == "audit"
    assert "key_unknown" in refused["detail"]
    assert office.audits("show", case_id)["state"] == "open"
    assert office.answer(case_id, claim)["state"] == "answered"


def test_the_optician_answers_about_his_own_openings_alone(office: Office) -> None:
    claim, _ = office.claim()
    other, _ = office.claim()
    case_id = office.open_case(claim)["case_id"]
    refused = office.answer(case_id, other, code=2)
    assert refused["error"] == "audit"
    assert "another claim" in refused["detail"]
    assert office.audits("show", case_id)["state"] == "open"
    assert office.answer(case_id, claim)["state"] == "answered"


def test_a_case_that_the_contract_does_not_allow_is_not_even_kept(office: Office) -> None:
    claim, _ = office.claim()
    for more, problem in (
        (("--ground", "curiosity"), "ground"),
        (("--answer-days", "1"), "less time"),
        (("--keep-days", "300"), "longer"),
        (("--line", "9"), "lines 1 to"),
        (("--slots", "code,name"), "--slots"),
    ):
        assert problem in office.open_case(claim, *more, code=2)["detail"]
    assert office.auditor("list")["cases"] == []
    assert office.open_case(claim)["stage"] == "sent"


def test_an_insurer_who_is_not_relied_upon_is_not_believed(office: Office) -> None:
    claim, _ = office.claim()
    office.write("nobody.json", b'{"format_version":1,"keys":[]}')
    refused = office.open_case(claim, "--trust", "nobody.json", code=2)
    assert refused["error"] == "answer"
    assert "key_unknown" in refused["detail"]
    assert office.open_case(claim)["stage"] == "sent"


def test_papers_about_what_was_not_asked_are_refused(office: Office) -> None:
    claim, openings = office.claim()
    case_id = office.open_case(claim, "--slots", "price")["case_id"]
    assert office.answer(case_id, claim)["reveals"] == ["price"]
    papers = office.write_papers(openings)
    refused = office.auditor(
        "conclude", case_id, "--papers", "papers.json", "--source", "x", key=True, code=2
    )
    assert "not asked for" in refused["detail"]
    assert str(papers["code"]) not in json.dumps(refused)
    done = office.auditor(
        *("conclude", case_id, "--compared-price", str(papers["price_cents"])),
        *("--source", "order 17"),
        key=True,
    )
    assert done["outcome"] == "consistent"


# -- the vault ------------------------------------------------------------------------------------


def test_what_was_erased_is_gone_and_the_outcome_stays(office: Office) -> None:
    claim, openings = office.claim()
    case_id = office.open_case(claim)["case_id"]
    office.answer(case_id, claim)
    papers = office.write_papers(openings)
    office.auditor("conclude", case_id, "--papers", "papers.json", "--source", "x", key=True)
    assert office.auditor("erase", to=False) == {"erased": []}
    assert office.auditor("erase", case_id, to=False) == {"erased": [case_id]}
    assert office.auditor("erase", case_id, to=False) == {"erased": []}
    (entry,) = office.auditor("list", to=False)["cases"]
    assert (entry["stage"], entry["outcome"]) == ("erased", "consistent")
    out = ("--out", "evidence.json")
    assert office.auditor("show", case_id, code=2)["error"] == "vault"
    assert office.auditor("conclude", case_id, key=True, code=2)["error"] == "vault"
    assert office.auditor("evidence", case_id, *out, key=True, code=2)["error"] == "vault"
    kept = b"".join(path.read_bytes() for path in files_of(office.console.folder / "vault"))
    assert str(papers["code"]).encode() not in kept
    assert not (office.console.folder / "evidence.json").exists()


def files_of(folder: Path) -> list[Path]:
    return [Path(at) / name for at, _, names in os.walk(folder) for name in names]


def test_only_the_owner_reads_the_vault(office: Office) -> None:
    claim, openings = office.claim()
    case_id = office.open_case(claim)["case_id"]
    office.answer(case_id, claim)
    office.write_papers(openings)
    office.auditor("conclude", case_id, "--papers", "papers.json", "--source", "x", key=True)
    vault = office.console.folder / "vault"
    assert {mode(path) for path in files_of(vault)} == {0o600}
    assert {mode(vault), mode(vault / case_id)} == {0o700}


def test_nothing_but_show_says_what_was_opened(office: Office) -> None:
    claim, openings = office.claim()
    outputs = []
    run = office.console.run

    def record(*arguments: Any, **more: Any) -> Done:
        done = run(*arguments, **more)
        outputs.append((arguments[1:3], done.stdout + done.stderr))
        return done

    office.console.run = record  # type: ignore[method-assign]
    case_id = office.open_case(claim)["case_id"]
    office.answer(case_id, claim)
    papers = office.write_papers(openings)
    office.auditor("show", case_id)
    office.auditor("conclude", case_id, "--papers", "papers.json", "--source", "x", key=True)
    make_evidence(office, case_id)
    office.auditor("list")
    code = str(papers["code"]).encode()
    assert [words for words, said in outputs if code in said] == [("auditor", "show")]
    log = office.insurer.server.stderr.read_bytes() + office.insurer.server.stdout.read_bytes()
    assert code not in log
    assert code in office.read("evidence.json")
