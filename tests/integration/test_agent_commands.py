"""The agent's commands, as point-of-sale software and an optician give them; and what they leave
behind."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from circuits.canonical import decode_base64url
from circuits.slots import pack_correction
from optician.agent import store
from optician.agent.answers import ClaimAnswer
from optician.identity import Identity
from optician.order import parse_order
from optician.vault import Passphrase, Vault
from tests.support import claims as samples
from tests.support import service_answers as canned
from tests.support.commands import Console, Done, run_process
from tests.support.shops import (
    CHEAP,
    PASSPHRASE,
    FakeInsurer,
    answering,
    order_document,
)
from tests.support.traces import traces_in

pytestmark = pytest.mark.integration

INSURER = samples.contract().insurer_id
# Five digits in base 10 and in base 16: no chance hits. Together over the ceiling, so that no
# amount claimed follows from them.
PRICES = {"right_lens": 71_233, "left_lens": 72_347, "frame": 113_579}


@dataclass
class Desk:
    """A shop's terminal, with everything that was printed there."""

    console: Console
    folder: Path
    insurer: FakeInsurer
    url: str
    printed: list[bytes] = field(default_factory=list)

    def run(self, *arguments: str, stdin: bytes = b"", code: int = 0) -> Done:
        done = self.console.optician(*arguments, stdin=stdin)
        self.printed += [done.stdout, done.stderr]
        assert done.code == code, done.err
        return done

    def json(self, *arguments: str, stdin: bytes = b"", code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", stdin=stdin, code=code).out)

    def claim(self, document: Any, *options: str, code: int = 0) -> Any:
        """What `optician claim --json < sale.json` answers, which is checked to be one."""
        told = self.json("claim", *options, stdin=json.dumps(document).encode(), code=code)
        ClaimAnswer.model_validate_json(json.dumps(told))
        return told

    def refusal(self, document: Any, *options: str) -> Any:
        """What it says instead, on standard error."""
        data = json.dumps(document).encode()
        done = self.run("claim", "--json", *options, stdin=data, code=2)
        assert done.out == ""
        return json.loads(done.err)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "passphrase").touch(mode=0o600)
    (folder / "passphrase").write_text(PASSPHRASE + "\n")
    (folder / "token").touch(mode=0o600)
    (folder / "token").write_text(canned.TOKEN)
    monkeypatch.setenv("CLAIROBSCUR_VAULT", str(folder / "shop.vault"))
    monkeypatch.setenv("CLAIROBSCUR_PASSPHRASE_FILE", str(folder / "passphrase"))
    Vault.create(folder / "shop.vault", Passphrase(PASSPHRASE), scrypt=CHEAP).close()
    insurer = FakeInsurer()
    with answering(insurer) as url:
        made = Desk(Console(monkeypatch, folder), folder, insurer, url)
        made.run("shop", "key", "shop-1", "--public", "keys.json")
        made.run("insurers", "add", INSURER, "--to", url, "--token-file", "token")
        made.run("insurers", "fetch", INSURER)
        yield made


def secrets_of(document: dict[str, Any], identity: Identity) -> dict[str, int | bytes]:
    order = parse_order(json.dumps(document).encode())
    found: dict[str, int | bytes] = {
        "passphrase": PASSPHRASE.encode(),
        "token": canned.TOKEN.encode(),
        "signing key": identity.signing_key.private_bytes_raw(),
        "hedge key": identity.hedge_key,
    }
    for place, item in order.articles():
        assert isinstance(item.code, int)
        found[f"code {place}"] = item.code
        found[f"price {place}"] = item.price_cents
        if item.correction is not None:
            found[f"correction {place}"] = pack_correction(item.correction.correction())
    return found


# -- claim ----------------------------------------------------------------------------------------


def test_a_sale_is_claimed_in_one_call(desk: Desk) -> None:
    answer = desk.claim(order_document())
    assert (answer["state"], answer["sale_id"]) == ("granted", "sale-1")
    assert answer["amounts"] == {"lenses_cents": 43_894, "frame_cents": 10_000}
    assert [line["regroupement"] for line in answer["lines"]] == ["VM4", "VM4", "M03"]
    assert answer["hides_among"][0]["cells"] == 16
    assert answer["waiting"] == []
    again = desk.claim(order_document())
    assert again == answer
    assert desk.insurer.arrivals == {answer["claim_id"]: 1}


def test_a_claim_waits_for_the_line(desk: Desk) -> None:
    answer = desk.claim(order_document(), "--wait", "0", code=4)
    assert (answer["state"], answer["waiting"]) == ("pending", ["claim"])
    assert not desk.insurer.recorded
    (waiting,) = desk.json("queue", "list")["waiting"]
    assert (waiting["kind"], waiting["attempts"]) == ("claim", 0)
    assert desk.json("queue", "send")["sent"] == 1
    assert desk.claim(order_document())["state"] == "granted"


def test_what_no_retry_mends_is_told_and_waits(desk: Desk) -> None:
    problem = json.dumps(canned.problem("token_invalid", 401)).encode()
    desk.insurer.told.append((401, problem))
    answer = desk.claim(order_document(), code=4)
    assert answer["problem"]["code"] == "token_invalid"
    assert not answer["problem"]["is_passing"]
    assert "jeton" in answer["problem"]["titles"]["fr"]
    assert desk.json("queue", "send")["sent"] == 0
    desk.run("queue", "retry", answer["claim_id"])
    assert desk.json("queue", "send")["sent"] == 1


def test_a_refused_sale_is_told_and_made_anew(desk: Desk) -> None:
    desk.insurer.verdict = canned.refusal
    answer = desk.claim(order_document(), code=1)
    assert (answer["state"], answer["reason"]) == ("refused", "renewal_too_early")
    assert answer["next_step"]["fr"]
    assert desk.claim(order_document(), code=1)["claim_id"] == answer["claim_id"]
    desk.insurer.verdict = canned.verdict
    anew = desk.claim(order_document(), "--again")
    assert anew["claim_id"] != answer["claim_id"]
    desk.insurer.verdict = canned.pending
    sent = desk.claim(order_document("sale-2"), code=4)
    assert (sent["state"], sent["waiting"]) == ("sent", [])


@pytest.mark.parametrize(
    ("changes", "code", "places"),
    [
        ({"insurer_id": "nobody"}, "insurer_unknown", ["insurer_id"]),
        ({"contract_id": "nothing"}, "contract_unknown", ["contract_id"]),
        ({"statement": "pair", "early_renewal_ground": "why"}, "ground_not_allowed", None),
    ],
)
def test_a_sale_that_cannot_be_claimed_says_why_and_where(
    desk: Desk, changes: dict[str, Any], code: str, places: list[str] | None
) -> None:
    told = desk.refusal(order_document() | changes)
    assert (told["error"], told["code"]) == ("shop", code)
    assert told["places"] == (places or ["early_renewal_ground"])
    assert told["titles"].keys() == {"en", "fr"}
    assert desk.json("claims", "list")["claims"] == []


def test_a_sale_that_is_none_is_told_by_its_fields(desk: Desk) -> None:
    told = desk.refusal(order_document() | {"date_of_service": "yesterday"})
    assert told["error"] == "sale"
    assert "date_of_service" in told["detail"]
    assert "yesterday" not in told["detail"]
    assert desk.refusal([1])["error"] == "sale"
    assert desk.refusal(order_document() | {"sale_id": "ça"})["error"] == "sale"


def test_a_wrong_passphrase_is_told_before_anything_is_read(desk: Desk) -> None:
    (desk.folder / "wrong").write_text("another passphrase 99")
    before = (desk.folder / "shop.vault").read_bytes()
    told = desk.refusal(order_document(), "--passphrase-file", "wrong")
    assert told["error"] == "passphrase_wrong"
    assert (desk.folder / "shop.vault").read_bytes() == before


def test_a_process_of_its_own_does_the_same(desk: Desk) -> None:
    environment = {
        "CLAIROBSCUR_VAULT": str(desk.folder / "shop.vault"),
        "CLAIROBSCUR_PASSPHRASE_FILE": str(desk.folder / "passphrase"),
    }
    data = json.dumps(order_document()).encode()
    done = run_process(
        *("optician", "claim", "--json"), cwd=desk.folder, stdin=data, environment=environment
    )
    assert done.code == 0, done.err
    answer = ClaimAnswer.model_validate_json(done.stdout)
    assert answer.state == "granted"
    assert desk.json("claims", "show", answer.claim_id)["state"] == "granted"


# -- the others -----------------------------------------------------------------------------------


def test_a_claim_is_invoiced_and_another_cancelled(desk: Desk) -> None:
    first = desk.claim(order_document())["claim_id"]
    second = desk.claim(order_document("sale-2"))["claim_id"]
    less = ("--frame-cents", "5000")
    invoiced = desk.json("claims", "invoice", first, "--date-of-delivery", "2020-10-12", *less)
    assert (invoiced["state"], invoiced["invoiced_amounts"]["frame_cents"]) == ("payable", 5000)
    assert desk.json("claims", "cancel", second)["state"] == "cancelled"
    listed = desk.json("claims", "list")["claims"]
    assert [claim["state"] for claim in listed] == ["cancelled", "payable"]
    assert desk.json("claims", "list", "--state", "payable")["claims"] == listed[1:]
    told = desk.run("claims", "cancel", second, code=2).err
    assert "does not allow" in told
    assert desk.json("shop", "show")["claims"] == {"cancelled": 1, "payable": 1}


def test_openings_are_erased_when_their_time_is_over(desk: Desk) -> None:
    claim_id = desk.claim(order_document())["claim_id"]  # of 2020: longer ago than they are kept
    assert desk.json("openings", "erase")["erased"] == [claim_id]
    assert desk.json("openings", "erase")["erased"] == []
    assert desk.claim(order_document())["claim_id"] == claim_id


def test_insurers_are_listed_without_their_tokens_and_removed(desk: Desk) -> None:
    (listed,) = desk.json("insurers", "list")["insurers"]
    assert (listed["insurer_id"], len(listed["contracts"])) == (INSURER, 1)
    desk.run("insurers", "add", INSURER, "--name", "Exemple", "--lang", "fr")
    assert desk.json("insurers", "list")["insurers"][0]["name"] == "Exemple"
    desk.run("insurers", "remove", INSURER)
    assert desk.json("insurers", "list")["insurers"] == []


def test_a_key_file_is_taken_over(desk: Desk) -> None:
    desk.run("keygen", "shop-9", "--out", "old.key", "--public", "old.json")
    told = desk.run("shop", "import-key", "old.key", code=2).err
    assert "already" in told
    Vault.create(desk.folder / "other.vault", Passphrase(PASSPHRASE), scrypt=CHEAP).close()
    desk.run("shop", "import-key", "old.key", "--vault", "other.vault")
    shown = desk.json("shop", "show", "--vault", "other.vault", "--public", "again.json")
    assert shown["optician_id"] == "shop-9"
    again = json.loads((desk.folder / "again.json").read_bytes())
    assert again == json.loads((desk.folder / "old.json").read_bytes())


def test_people_read_it_in_their_language(desk: Desk) -> None:
    data = json.dumps(order_document()).encode()
    told = desk.run("claim", "--lang", "fr", stdin=data).out
    assert "accordée" in told
    assert "corrections possibles" in told
    assert "que faire : livrez" in told
    shown = desk.run("claims", "show", desk.claim(order_document())["claim_id"]).out
    assert "openings kept until" in shown
    assert "nothing is waiting" in desk.run("queue", "list").out


# -- secrets --------------------------------------------------------------------------------------


def test_nothing_that_the_agent_leaves_behind_holds_a_secret(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """Not the vault, the output, the errors, the log, nor what the insurer was sent."""
    caplog.set_level(logging.DEBUG)
    document = order_document("SALE-NUMBER-77", price_cents=PRICES)
    vault = desk.folder / "shop.vault"
    with Vault.open(vault, Passphrase(PASSPHRASE)) as opened, opened.read() as reading:
        key = store.entry(reading, "identity", "key")
    assert key is not None
    secrets = secrets_of(document, Identity.parse(key))
    claim_id = desk.claim(document, "--wait", "0", code=4)["claim_id"]
    desk.insurer.told.append((502, b"no service"))
    desk.run("queue", "send")
    desk.run("queue", "list")
    for wrong in ({"contract_id": "nothing"}, {"amounts": {"lenses_cents": 99_999}}):
        desk.refusal(document | {"sale_id": "other"} | wrong)
    conflicting = json.loads(json.dumps(document))
    conflicting["frame"]["price_cents"] += 1
    assert desk.refusal(conflicting)["code"] == "sale_conflict"
    at_work = [path.read_bytes() for path in desk.folder.glob("shop.vault*")]
    desk.run("queue", "retry", claim_id)
    desk.run("queue", "send")
    assert desk.claim(document)["state"] == "granted"
    desk.run("claims", "invoice", claim_id, "--date-of-delivery", "2020-10-12")
    desk.run("claims", "show", claim_id)
    with Vault.open(vault, Passphrase(PASSPHRASE)) as opened, opened.read() as reading:
        hidden = store.openings(reading, claim_id)
    assert hidden is not None
    kept = json.loads(store.unpack(hidden)["openings"])
    for number, line in enumerate(kept["lines"]):
        secrets[f"blinding {number}"] = decode_base64url(line["blinding"])
    assert traces_in(hidden, secrets)  # whoever has the key does find them: the search works
    places = {
        "vault at work": b"".join(at_work),
        "vault": b"".join(path.read_bytes() for path in desk.folder.glob("shop.vault*")),
        "output": b"\n".join(desk.printed),
        "log": caplog.text.encode(),
        "sent": b"\n".join(body for _, _, body in desk.insurer.requests),
        "addresses": "\n".join(path for _, path, _ in desk.insurer.requests).encode(),
    }
    found = {name: traces_in(data, secrets) for name, data in places.items()}
    assert not any(found.values()), found
    for name in ("vault at work", "vault", "sent", "log"):  # the shop's own number stays here
        assert b"SALE-NUMBER-77" not in places[name]
    assert b"SALE-NUMBER-77" in places["output"]
