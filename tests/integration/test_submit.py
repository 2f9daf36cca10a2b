"""The optician's commands that speak with the insurer, against a server of canned answers."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits.attestation import decode_submission
from circuits.claim import Claim, decode_claim, encode_claim
from circuits.contract import load_sample, parse_contract
from circuits.notices import (
    decode_cancellation,
    decode_invoice,
    encode_cancellation,
    encode_invoice,
)
from circuits.signed import encode_signed
from console import calls
from optician import asking
from optician.identity import Identity
from optician.messages import NEXT_STEPS, NOTICE_PROBLEMS, PROBLEMS
from tests.support import claims as samples
from tests.support import service_answers as canned
from tests.support.attesting import attestation
from tests.support.canned_service import Canned, CannedService, serving
from tests.support.commands import Console, Done, run_process
from tests.support.service_answers import TOKEN
from verifier_api.web import problems as web_problems

pytestmark = pytest.mark.integration

DELIVERY = ("--key", "key.json", "--date-of-delivery", "2020-10-20")


@pytest.fixture
def service() -> Iterator[CannedService]:
    with serving() as started:
        yield started


@pytest.fixture
def claim() -> Claim:
    made = samples.sample_claim()[0]
    assert made.amounts is not None
    assert (made.amounts.lenses_cents, made.amounts.frame_cents) == (43_894, 10_000)
    return made


@pytest.fixture
def shop(console: Console, claim: Claim, monkeypatch: pytest.MonkeyPatch) -> Console:
    """A shop with a claim that was proved, its key and a token, and no token in the environment."""
    monkeypatch.delenv(asking.TOKEN_VARIABLE, raising=False)
    monkeypatch.setattr("console.calls.FIRST_PAUSE", 0.0)
    files = {
        "claim.json": encode_claim(claim) + b"\n",
        "key.json": samples.identity().encode(),
        "token": TOKEN.encode() + b"\n",
    }
    for name, data in files.items():
        (console.folder / name).write_bytes(data)
        (console.folder / name).chmod(0o600)
    return console


def ask(
    shop: Console, service: CannedService, command: str, *more: str, stdin: bytes = b""
) -> Done:
    """A command with address and token, and a claim where it takes one."""
    own = {"fetch": (), "status": ()}.get(command, ("claim.json",))
    to = ("--to", service.url, "--token-file", "token", "--retries", "1")
    return shop.optician(command, *own, *more, *to, stdin=stdin)


# -- submit -----------------------------------------------------------------------------------


def test_a_granted_claim(shop: Console, service: CannedService, claim: Claim) -> None:
    service.tell(Canned.of(canned.verdict(claim)))
    done = ask(shop, service, "submit")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"granted  {claim.claim_id}: invoice it by 2021-01-04 09:30 UTC, "
        "lenses 438.94 €, frame 100.00 €",
        "what to do: deliver, and send the invoice by then (`optician invoice`)",
        "Not a payment decision.",
    ]
    (seen,) = service.seen
    assert seen.line == "POST /v1/claims"
    assert seen.body == encode_claim(claim), "without the newline at the file's end"
    assert seen.headers["Authorization"] == f"Bearer {TOKEN}"


def test_attestations_go_with_a_claim(shop: Console, service: CannedService, claim: Claim) -> None:
    given = [attestation(claim, line) for line in (1, 2)]
    names = []
    for number, entry in enumerate(given):
        names += ["--attestation", f"attestation-{number}.json"]
        (shop.folder / names[-1]).write_bytes(encode_signed(entry) + b"\n")
    service.tell(Canned.of(canned.verdict(claim, attest_by=canned.GRANTED_UNTIL)))
    done = ask(shop, service, "submit", *names)
    assert (done.code, done.err) == (0, "")
    assert "have it attested by 2021-01-04 09:30 UTC" in done.out.splitlines()
    assert "`optician attest` asks" in done.out
    sent = decode_submission(service.seen[-1].body)
    assert (sent.claim, list(sent.attestations)) == (claim, given)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda claim: encode_claim(claim), "attestation: "),
        (lambda claim: b"", "attestation: "),
        (lambda claim: encode_signed(attestation(claim, claim_id="other")), "of another claim"),
    ],
)
def test_what_is_no_attestation_of_the_claim_stays_in_the_shop(
    shop: Console, service: CannedService, claim: Claim, content: Any, words: str
) -> None:
    (shop.folder / "attestation.json").write_bytes(content(claim))
    done = ask(shop, service, "submit", "--attestation", "attestation.json")
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert service.seen == []


def test_a_refused_claim(shop: Console, service: CannedService, claim: Claim) -> None:
    service.tell(Canned.of(canned.refusal(claim)))
    done = ask(shop, service, "submit")
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines() == [
        f"refused  {claim.claim_id}: renewal_too_early in English",
        "in detail: in detail",
        f"what to do: {NEXT_STEPS['renewal_too_early'][0]}",
        "Not a payment decision.",
    ]
    done = ask(shop, service, "submit", "--lang", "fr")
    assert done.code == 1
    assert done.out.splitlines()[0] == f"refusée  {claim.claim_id} : renewal_too_early en français"
    assert f"que faire : {NEXT_STEPS['renewal_too_early'][1]}" in done.out
    assert "Pas une décision de paiement." in done.out


def test_a_pending_claim(shop: Console, service: CannedService, claim: Claim) -> None:
    service.tell(Canned.of(canned.pending(claim)))
    done = ask(shop, service, "submit")
    assert (done.code, done.err) == (4, "")
    assert done.out.startswith(f"pending  {claim.claim_id}: early_renewal in English\n")
    assert "the insurer decides; `optician status` tells how" in done.out
    assert "en attente" in ask(shop, service, "submit", "--lang", "fr").out


@pytest.mark.parametrize(
    ("make", "code"), [(canned.verdict, 0), (canned.refusal, 1), (canned.pending, 4)]
)
def test_a_verdict_as_json(
    shop: Console, service: CannedService, claim: Claim, make: Any, code: int
) -> None:
    service.tell(Canned.of(make(claim, later="more") if make is canned.verdict else make(claim)))
    done = ask(shop, service, "submit", "--json")
    assert (done.code, done.err) == (code, "")
    assert json.loads(done.out) == make(claim) | {"warnings": []}


def test_a_reason_of_a_newer_service(shop: Console, service: CannedService, claim: Claim) -> None:
    service.tell(Canned.of(canned.refusal(claim, "moon_phase", reason_titles=None, detail="")))
    done = ask(shop, service, "submit")
    assert done.code == 1
    assert done.out.splitlines()[:2] == [
        f"refused  {claim.claim_id}: moon_phase",
        "what to do: ask the insurer, with the number of the claim",
    ]


def test_what_the_service_says_cannot_steer_the_terminal(
    shop: Console, service: CannedService, claim: Claim
) -> None:
    service.tell(Canned.of(canned.refusal(claim, detail="\x1b[2J\ngranted  \u202eclaim")))
    done = ask(shop, service, "submit")
    assert "in detail: ?[2J?granted  ?claim" in done.out
    told = canned.problem("forbidden", 403, detail="\x1b[2J\n")
    service.tell(Canned.of(told, 403))
    done = ask(shop, service, "submit")
    assert "\x1b" not in done.err
    assert len(done.err.splitlines()) == 1


def test_the_claim_may_come_from_a_pipe_of_real_processes(
    shop: Console, service: CannedService, claim: Claim
) -> None:
    service.tell(Canned.of(canned.verdict(claim)))
    done = run_process(
        *("optician", "submit", "-", "--to", service.url, "--json"),
        cwd=shop.folder,
        stdin=encode_claim(claim),
        environment={asking.TOKEN_VARIABLE: TOKEN},
    )
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["verdict"] == "granted"
    assert service.seen[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("name", ["key.json", "openings.json", "token", "changed.json"])
def test_what_is_no_claim_does_not_leave_the_shop(
    shop: Console, service: CannedService, claim: Claim, name: str
) -> None:
    (shop.folder / "openings.json").write_bytes(samples.sample_claim()[1].encode())
    (shop.folder / "changed.json").write_bytes(b" " + encode_claim(claim))
    service.tell(Canned.of(canned.verdict(claim)))
    done = shop.optician("submit", name, "--to", service.url, "--token-file", "token")
    assert done.code == 2
    assert done.err.startswith("error: a file is not what it should be: claim: ")
    assert service.seen == []


# -- the token --------------------------------------------------------------------------------


def test_a_token_is_needed(shop: Console, service: CannedService) -> None:
    done = shop.optician("submit", "claim.json", "--to", service.url)
    assert done.code == 2
    assert "a token is needed: --token-file, or CLAIROBSCUR_TOKEN is set" in done.err
    assert service.seen == []


def test_a_token_file_goes_before_the_environment(
    shop: Console, service: CannedService, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(asking.TOKEN_VARIABLE, "another")
    service.tell(Canned.of(canned.verdict(claim)))
    assert ask(shop, service, "submit").code == 0
    assert service.seen[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "token file: no token in it"),
        (b"\n", "token file: no token in it"),
        (b"\xff", "token file: no token in it"),
        (b"a" * 2000, "token file: no token in it"),
        (b"two words", "token: not the form of a token"),
    ],
)
def test_a_file_without_a_token(
    shop: Console, service: CannedService, content: bytes, words: str
) -> None:
    (shop.folder / "token").write_bytes(content)
    done = ask(shop, service, "submit")
    assert done.code == 2
    assert words in done.err
    assert service.seen == []


def test_there_is_no_option_that_takes_a_token(shop: Console, service: CannedService) -> None:
    done = shop.optician("submit", "claim.json", "--to", service.url, "--token", TOKEN)
    assert done.code == 2
    assert "No such option" in done.err


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_the_optician_is_warned_of_secrets_that_others_can_read(
    shop: Console, service: CannedService, claim: Claim
) -> None:
    (shop.folder / "token").chmod(0o640)
    (shop.folder / "key.json").chmod(0o604)
    service.tell(Canned.of(canned.verdict(claim)))
    done = ask(shop, service, "submit")
    assert done.code == 0
    assert done.err == "warning: the token file can be read by others: chmod 600 it\n"
    service.tell(Canned.of(canned.cancelled(claim.claim_id)))
    done = ask(shop, service, "cancel", "--key", "key.json", "--json")
    assert [entry["warning"] for entry in json.loads(done.out)["warnings"]] == [
        "key_mode",
        "token_mode",
    ]


def test_the_token_is_never_told(shop: Console, service: CannedService, claim: Claim) -> None:
    told = [
        Canned.of(canned.problem("forbidden", 403, detail=f"Bearer {TOKEN}"), 403),
        Canned(500, TOKEN.encode()),
        Canned(302, b"", {"Location": f"https://elsewhere.example/{TOKEN}"}),
        Canned(200, TOKEN.encode()),
    ]
    for answer in told:
        service.tell(answer)
        for more in ((), ("--json",)):
            done = ask(shop, service, "submit", *more)
            assert (done.code, done.out) == (2, "")
            assert TOKEN not in done.err


# -- what goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_every_problem_is_explained_in_both_languages(
    shop: Console, service: CannedService, code: str
) -> None:
    status = web_problems.status_of(code)
    service.tell(Canned.of(canned.problem(code, status), status))
    for language, words in zip(("en", "fr"), PROBLEMS[code], strict=True):
        done = ask(shop, service, "submit", "--lang", language)
        assert (done.code, done.out) == (2, "")
        assert f": {words}: in detail (" in done.err
        assert "5f0c2b7e9a1d4c38" in done.err
        assert len(done.err.splitlines()) == 1


def test_lines_and_attestations_at_fault_are_numbered_from_one(
    shop: Console, service: CannedService
) -> None:
    for reason, places, words in (
        ("attestation_missing", ["lines.0", "lines.2"], ", ligne 1, ligne 3 (requête"),
        ("key_unknown", ["attestations.1"], ", attestation n° 2 (requête"),
        ("attestation_late", ["other", "lines.x", "lines.0.more"], "in detail (requête"),
    ):
        told = canned.problem("attestation_refused", 422, reason=reason, places=places)
        service.tell(Canned.of(told, 422))
        done = ask(shop, service, "submit", "--lang", "fr")
        assert done.code == 2
        assert words in done.err


def test_a_problem_as_json(shop: Console, service: CannedService) -> None:
    told = canned.problem("fields_invalid", 422, places=["lines.0"], reason="more")
    service.tell(Canned.of(told, 422))
    done = ask(shop, service, "submit", "--json")
    assert (done.code, done.out) == (2, "")
    error = json.loads(done.err)
    assert error.pop("detail").startswith(PROBLEMS["fields_invalid"][0])
    assert error == {
        "error": "problem",
        "code": "fields_invalid",
        "status": 422,
        "reason": "more",
        "places": ["lines.0"],
        "request_id": "5f0c2b7e9a1d4c38",
    }


def test_a_problem_of_a_newer_service(shop: Console, service: CannedService) -> None:
    service.tell(Canned.of(canned.problem("moon_phase", 422), 422))
    done = ask(shop, service, "submit", "--lang", "fr")
    assert done.code == 2
    assert "moon_phase: moon_phase en français: in detail" in done.err


def test_a_busy_service_is_asked_again(shop: Console, service: CannedService, claim: Claim) -> None:
    busy = Canned.of(canned.problem("overloaded", 503), 503)
    service.tell(busy, Canned.of(canned.verdict(claim)))
    assert ask(shop, service, "submit").code == 0
    assert len(service.seen) == 2
    service.tell(busy)
    done = ask(shop, service, "submit")
    assert done.code == 2
    assert len(service.seen) == 4, "--retries 1"


@pytest.mark.parametrize(
    "answer",
    [
        Canned(200, b"<html>"),
        Canned(302, b"", {"Location": "https://elsewhere.example/"}),
        Canned.of({"verdict": "granted"}),
        Canned(500, b"oops"),
    ],
    ids=["page", "redirect", "little", "fault"],
)
def test_what_is_no_answer(shop: Console, service: CannedService, answer: Canned) -> None:
    service.tell(answer)
    done = ask(shop, service, "submit")
    assert (done.code, done.out) == (2, "")
    assert "error: what answers there is not the insurer's service" in done.err
    assert json.loads(ask(shop, service, "submit", "--json").err)["error"] == "answer"


def test_a_verdict_on_another_claim_is_not_believed(shop: Console, service: CannedService) -> None:
    other = samples.sample_claim("line")[0]
    service.tell(Canned.of(canned.verdict(other)))
    done = ask(shop, service, "submit")
    assert (done.code, done.out) == (2, "")
    assert "the verdict is on another claim" in done.err


def test_a_service_that_is_not_there(shop: Console) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        own = ("submit", "claim.json", "--to", url, "--token-file", "token", "--retries", "1")
        done = shop.optician(*own)
        assert done.code == 2
        assert "the insurer's service does not answer" in done.err
        assert "no connection (tried 2 times)" in done.err
        assert json.loads(shop.optician(*own, "--json").err)["error"] == "unreachable"


@pytest.mark.parametrize(
    "url", ["http://insurer.example", "ftp://x", "https://a:b@insurer.example"]
)
def test_an_address_that_is_not_taken(shop: Console, url: str) -> None:
    done = shop.optician("submit", "claim.json", "--to", url, "--token-file", "token")
    assert done.code == 2
    assert "error: this argument is not valid: address of the service: " in done.err
    assert "a:b" not in done.err


def test_only_one_input_is_standard_input(shop: Console, service: CannedService) -> None:
    done = shop.optician("submit", "-", "--to", service.url, "--token-file", "-")
    assert done.code == 2
    assert "only one file can be read from standard input" in done.err


def test_the_defaults_are_those_of_the_client() -> None:
    assert asking.DEFAULT_RETRIES == calls.DEFAULT_RETRIES
    assert asking.DEFAULT_TIMEOUT == calls.DEFAULT_TIMEOUT


# -- status -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("granted", "granted"),
        ("refused", "refused"),
        ("pending", "pending"),
        ("payable", "payable"),
        ("cancelled", "cancelled"),
        ("expired", "expired"),
        ("moonlit", "moonlit"),
    ],
)
def test_what_has_become_of_a_claim(
    shop: Console, service: CannedService, claim: Claim, state: str, words: str
) -> None:
    service.tell(Canned.of(canned.detail(claim) | {"state": state}))
    done = ask(shop, service, "status", claim.claim_id)
    assert (done.code, done.err) == (0, "")
    first, *more = done.out.splitlines()
    assert first == (
        f"{words}  {claim.claim_id}: since 2020-10-06 09:30 UTC, lenses 438.94 €, frame 100.00 €"
    )
    assert more == (["invoice it by 2021-01-04 09:30 UTC"] if state == "granted" else [])
    assert service.seen[0].line == f"GET /v1/claims/{claim.claim_id}"


def test_a_state_as_json(shop: Console, service: CannedService, claim: Claim) -> None:
    service.tell(Canned.of(canned.detail(claim)))
    done = ask(shop, service, "status", claim.claim_id, "--json")
    attestations: dict[str, Any] = {"due": [], "given": []}
    told = canned.summary(claim) | {"attestations": attestations}
    assert json.loads(done.out) == told | {"warnings": []}


def test_a_state_with_attestations_that_are_due(
    shop: Console, service: CannedService, claim: Claim
) -> None:
    due = {"attesters": ["lab-1", "lab-2"], "slots": ["code", "price"]}
    duties = [
        due | {"line": 1, "due_at": canned.JUDGED_AT, "met_by": canned.DIGEST},
        due | {"line": 2, "due_at": canned.GRANTED_UNTIL, "met_by": None},
        due | {"line": 3, "due_at": None, "met_by": canned.DIGEST},
    ]
    told = canned.detail(claim) | {
        "state": "attestation_overdue",
        "granted_until": None,
        "attest_by": canned.GRANTED_UNTIL,
        "attestations": {"due": duties, "given": []},
    }
    service.tell(Canned.of(told))
    done = ask(shop, service, "status", claim.claim_id)
    first, *more = done.out.splitlines()
    assert first.startswith(f"attestation overdue  {claim.claim_id}: since ")
    assert more == [
        "have it attested by 2021-01-04 09:30 UTC",
        "to attest: line 2, code, price, lab-1 / lab-2, 2021-01-04 09:30 UTC",
    ]
    french = ask(shop, service, "status", claim.claim_id, "--lang", "fr").out.splitlines()
    assert french[0].startswith("attestation en retard")
    assert french[1] == "à faire attester au plus tard le 2021-01-04 09:30 UTC"


def test_a_claim_that_is_not_known(shop: Console, service: CannedService) -> None:
    service.tell(Canned.of(canned.problem("not_found", 404), 404))
    done = ask(shop, service, "status", "claim-9")
    assert done.code == 2
    assert PROBLEMS["not_found"][0] in done.err
    assert ask(shop, service, "status", "../tokens").code == 2
    assert len(service.seen) == 1, "what is no identifier is not asked for"


# -- invoice and cancel -----------------------------------------------------------------------


def test_an_invoice_is_signed_and_sent(shop: Console, service: CannedService, claim: Claim) -> None:
    made = ask_for_file(shop, "invoice", *DELIVERY)
    invoice = decode_invoice(made)
    assert invoice.amounts == claim.amounts
    service.tell(Canned.of(canned.invoiced(invoice)))
    done = ask(shop, service, "invoice", *DELIVERY)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"invoice taken: {claim.claim_id}, delivered 2020-10-20, lenses 438.94 €, frame 100.00 €",
        "Not a payment decision.",
    ]
    (seen,) = service.seen
    assert seen.line == f"POST /v1/claims/{claim.claim_id}/invoice"
    assert seen.body == made, "the same options make the same bytes"
    done = ask(shop, service, "invoice", *DELIVERY, "--json", "--out", "i.json")
    assert json.loads(done.out) == {
        "claim_id": claim.claim_id,
        "date_of_delivery": "2020-10-20",
        "amounts": canned.summary(claim)["amounts"],
        "invoice_file": "i.json",
        "answer": canned.invoiced(invoice),
        "warnings": [],
    }
    assert (shop.folder / "i.json").read_bytes() == made


def ask_for_file(shop: Console, command: str, *more: str) -> bytes:
    """What a command writes if it sends nothing."""
    done = shop.optician(command, "claim.json", *more, "--out", "-")
    assert done.code == 0, done.err
    return done.stdout


def test_an_invoice_may_ask_for_less(shop: Console, claim: Claim) -> None:
    assert claim.amounts is not None
    for option, asked in (
        (("--lenses-cents", "20000"), {"lenses_cents": 20_000}),
        (("--frame-cents", "0"), {"frame_cents": 0}),
        (("--lenses-cents", "1", "--frame-cents", "2"), {"lenses_cents": 1, "frame_cents": 2}),
    ):
        invoice = decode_invoice(ask_for_file(shop, "invoice", *DELIVERY, *option))
        assert invoice.amounts == claim.amounts.model_copy(update=asked)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((*DELIVERY, "--lenses-cents", "50000"), "an amount is above the claim's"),
        ((*DELIVERY[:3], "2020-10-04"), "the delivery is before the date of service"),
        (("--key", "other.json", *DELIVERY[2:]), "the claim is another optician's"),
        (
            (*DELIVERY[:3], "20201020"),
            "this argument is not valid: --date-of-delivery: not a date YYYY-MM-DD",
        ),
        ((*DELIVERY[:3], "2020-13-01"), "--date-of-delivery: not a date YYYY-MM-DD"),
        (("--key", "claim.json", *DELIVERY[2:]), "key file: "),
        (("--key", "absent.json", *DELIVERY[2:]), "No such file"),
    ],
)
def test_an_invoice_that_does_not_fit_is_not_made(
    shop: Console, service: CannedService, more: tuple[str, ...], words: str
) -> None:
    (shop.folder / "other.json").write_bytes(Identity.generate("optician-2").encode())
    done = ask(shop, service, "invoice", *more, "--out", "i.json")
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert service.seen == []
    assert not (shop.folder / "i.json").exists()


def test_a_line_has_no_amounts_to_invoice(shop: Console) -> None:
    line = samples.sample_claim("line")[0]
    (shop.folder / "claim.json").write_bytes(encode_claim(line))
    assert decode_invoice(ask_for_file(shop, "invoice", *DELIVERY)).amounts is None
    done = shop.optician("invoice", "claim.json", *DELIVERY, "--out", "-", "--frame-cents", "1")
    assert done.code == 2
    assert "given where the claim has none" in done.err


@pytest.mark.parametrize("reason", sorted(NOTICE_PROBLEMS))
def test_a_refused_invoice_is_explained(shop: Console, service: CannedService, reason: str) -> None:
    service.tell(Canned.of(canned.problem("notice_refused", 422, reason=reason), 422))
    for language, words in zip(("en", "fr"), NOTICE_PROBLEMS[reason], strict=True):
        done = ask(shop, service, "invoice", *DELIVERY, "--lang", language)
        assert done.code == 2
        assert f": {words}: in detail" in done.err
    error = json.loads(ask(shop, service, "invoice", *DELIVERY, "--json").err)
    assert (error["code"], error["reason"]) == ("notice_refused", reason)


def test_an_invoice_is_written_before_it_is_sent(shop: Console, service: CannedService) -> None:
    service.tell(Canned.of(canned.problem("overloaded", 503), 503))
    assert ask(shop, service, "invoice", *DELIVERY, "--out", "i.json").code == 2
    decode_invoice((shop.folder / "i.json").read_bytes())


def test_a_cancellation_is_signed_and_sent(
    shop: Console, service: CannedService, claim: Claim
) -> None:
    made = ask_for_file(shop, "cancel", "--key", "key.json")
    assert encode_cancellation(decode_cancellation(made)) == made
    service.tell(Canned.of(canned.cancelled(claim.claim_id)))
    done = ask(shop, service, "cancel", "--key", "key.json")
    assert (done.code, done.out, done.err) == (0, f"claim cancelled: {claim.claim_id}\n", "")
    (seen,) = service.seen
    assert (seen.line, seen.body) == (f"POST /v1/claims/{claim.claim_id}/cancellation", made)
    done = ask(shop, service, "cancel", "--key", "key.json", "--json", "--out", "x.json")
    assert json.loads(done.out) == {
        "claim_id": claim.claim_id,
        "cancellation_file": "x.json",
        "answer": canned.cancelled(claim.claim_id),
        "warnings": [],
    }


@pytest.mark.parametrize("command", ["invoice", "cancel"])
def test_a_notice_goes_somewhere(shop: Console, command: str) -> None:
    options = DELIVERY if command == "invoice" else DELIVERY[:2]
    done = shop.optician(command, "claim.json", *options)
    assert done.code == 2
    assert "--to sends it, --out writes it: at least one of them is needed" in done.err
    done = shop.optician(command, "claim.json", *options, "--out", "claim.json", "--force")
    assert done.code == 2
    assert "named twice" in done.err
    (shop.folder / "n.json").write_text("kept")
    done = shop.optician(command, "claim.json", *options, "--out", "n.json")
    assert done.code == 2
    assert "n.json exists already: use --force to replace it" in done.err
    assert (shop.folder / "n.json").read_text() == "kept"
    done = shop.optician(command, "claim.json", *options, "--out", "n.json", "--force")
    assert (done.code, done.err) == (0, "")
    assert "not sent" in done.out


# -- fetch ------------------------------------------------------------------------------------


def test_a_contract_is_fetched_and_proved_with(shop: Console, service: CannedService) -> None:
    told = canned.contract_answer()
    service.tell(Canned.of(told))
    fetched = ("--digest", told["digest"], "--out", "contract.json")
    done = ask(shop, service, "fetch", "contract", *fetched, "--json")
    assert (done.code, done.err) == (0, "")
    data = (shop.folder / "contract.json").read_bytes()
    assert parse_contract(data) == load_sample("responsable")
    assert json.loads(done.out) == {
        "digest": told["digest"],
        "file": "contract.json",
        "bytes": len(data),
        "publications_file": None,
        "publications": None,
        "warnings": [],
    }
    assert service.seen[0].line == f"GET /v1/contracts/{told['digest']}"
    done = ask(shop, service, "fetch", "contract", *fetched)
    assert done.code == 2
    assert "contract.json exists already" in done.err
    sale = json.dumps(samples.sale_document()).encode()
    own = ("--contract", "contract.json", "--key", "key.json", "--out", "c", "--openings", "o")
    done = shop.optician("prove", "-", *own, stdin=sale)
    assert done.code == 0, done.err
    assert decode_claim((shop.folder / "c").read_bytes()).contract_digest == told["digest"]


def test_a_nomenclature_is_fetched(shop: Console, service: CannedService) -> None:
    table = samples.nomenclature()
    digest = canned.nomenclature_entry()["digest"]
    service.tell(Canned(200, table.to_bytes()))
    done = ask(shop, service, "fetch", "nomenclature", "--digest", digest, "--out", "-")
    assert done.code == 0
    assert done.stdout == table.to_bytes()
    assert f"fetched and its digest checked: nomenclature {digest}" in done.err
    assert service.seen[0].line == f"GET /v1/nomenclatures/{digest}/file"


@pytest.mark.parametrize("what", ["contract", "nomenclature"])
def test_another_document_than_the_one_asked_for_is_not_written(
    shop: Console, service: CannedService, what: str
) -> None:
    told = {
        "contract": Canned.of(canned.contract_answer() | {"digest": "A" * 43}),
        "nomenclature": Canned(200, samples.nomenclature().to_bytes()),
    }
    service.tell(told[what])
    done = ask(shop, service, "fetch", what, "--digest", "A" * 43, "--out", "file.json")
    assert (done.code, done.out) == (2, "")
    assert f"the {what} has another digest than the one asked for" in done.err
    assert not Path(shop.folder / "file.json").exists()


def test_nothing_else_is_fetched(shop: Console, service: CannedService) -> None:
    done = ask(shop, service, "fetch", "rights", "--digest", "A" * 43, "--out", "file.json")
    assert done.code == 2
    done = ask(shop, service, "fetch", "contract", "--digest", "../x", "--out", "file.json")
    assert done.code == 2
    assert "this argument is not valid: an identifier or a digest expected" in done.err
    assert service.seen == []


def test_bytes_of_notices_are_those_of_the_library(shop: Console) -> None:
    made = ask_for_file(shop, "invoice", *DELIVERY)
    assert encode_invoice(decode_invoice(made)) == made
