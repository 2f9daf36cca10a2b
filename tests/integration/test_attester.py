"""The attester as a process, asked by the optician's command over HTTP on loopback: what is
attested, refused, killed in between, released; and that no code or price is left anywhere."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from circuits.attestation import Attestation, AttestationRequest
from circuits.claim import decode_claim, encode_claim
from circuits.signed import decode_signed, encode_signed, signed_digest
from console.calls import Call, Caller, ServiceProblem
from optician.attestations import make_request
from optician.claiming import Openings
from optician.identity import Identity
from tests.support import canned_service
from tests.support import claims as samples
from tests.support import service_answers as canned
from tests.support.canned_service import Canned
from tests.support.commands import ROOT, Console, Done
from tests.support.ending import ending_with_us
from tests.support.laboratory import csv_of, row, secrets_of
from tests.support.postgres import Cluster
from tests.support.traps import Trap
from verifier_api.attester.rules import Record
from verifier_api.attester.sources import SourceError, SqlRecords
from verifier_api.parties import Party

pytestmark = pytest.mark.integration

START_SECONDS = 60
ATTESTER = "manufacturer-1"


@dataclass
class World:
    """A shop's files in one folder, and the attester's processes in another."""

    console: Console
    lab: Path
    trap: Trap
    secrets: list[str] = field(default_factory=list)
    said: list[Done] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def sell(self, name: str) -> dict[str, object]:
        """A sale's claim and openings, as files; the record that agrees with its first line."""
        sale = samples.sample_sale("equipment", claim_id=name)
        claim, openings = samples.claim_of(
            sale, by=Identity.parse((self.console.folder / "key.json").read_bytes())
        )
        (self.console.folder / f"{name}.claim").write_bytes(encode_claim(claim))
        (self.console.folder / f"{name}.openings").write_bytes(openings.encode())
        for line in range(1, len(openings.openings) + 1):
            self.secrets += map(str, secrets_of(openings, line))
        return row(openings, optician_id="shop-1", record_id=f"order-{name}")

    def start(self, records: str = "csv:records.csv") -> str:
        """A process of the attester's; its address."""
        number = len(self.processes)
        out = self.lab / f"stdout-{number}"
        with out.open("wb") as stdout, (self.lab / f"stderr-{number}").open("wb") as stderr:
            process = subprocess.Popen(
                [
                    *ending_with_us("KILL"),
                    *(sys.executable, "-m", "tests.support.launcher"),
                    *("-", str(self.trap.file), "-"),
                    *("verifier_api", "attester", "serve", "--key", "attester.key"),
                    *("--opticians", str(self.console.folder / "keys.json"), "--port", "0"),
                    *("--records", records, "--json"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=self.lab,
                env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
            )
        self.processes.append(process)
        end = time.monotonic() + START_SECONDS
        while b"\n" not in (line := out.read_bytes()):
            running = process.poll() is None and time.monotonic() < end
            assert running, (self.lab / f"stderr-{number}").read_text()
            time.sleep(0.01)
        said = json.loads(line)
        assert said["attester_id"] == ATTESTER
        return str(said["url"])

    def stop(self) -> None:
        """All in order."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) in (0, -signal.SIGTERM)

    def attest(self, url: str, name: str, out: str, *more: str, line: int = 1) -> Done:
        """`optician attest` about a line of a sale."""
        done = self.console.optician(
            *("attest", f"{name}.claim", "--openings", f"{name}.openings", "--line", str(line)),
            *("--record", f"order-{name}", "--attester", ATTESTER, "--attester-url", url),
            *("--key", "key.json", "--out", out, *more),
        )
        self.said.append(done)
        return done

    def good(self, url: str, name: str, out: str, *more: str, line: int = 1) -> Attestation:
        """The same, which has to succeed: the attestation in the file."""
        asked = ("--reveal", "code,price", "--trust", "trust.json", "--json")
        done = self.attest(url, name, out, *asked, *more, line=line)
        assert done.code == 0, done.err
        attestation = decode_signed(Attestation, (self.console.folder / out).read_bytes())
        told = json.loads(done.out)
        assert told["attestation_file"] == out
        assert told["warnings"] == []
        assert (told["claim_id"], told["line"]) == (attestation.claim_id, attestation.line)
        return attestation

    def refused(self, url: str, name: str, *more: str, line: int = 1) -> dict[str, Any]:
        """What is told of a request that has to be refused."""
        done = self.attest(url, name, "never.json", "--json", *more, line=line)
        assert done.code == 2, done.out
        assert not (self.console.folder / "never.json").exists()
        told: dict[str, Any] = json.loads(done.err.splitlines()[-1])
        return told

    def units(self) -> list[Any]:
        """Record, claim, line and release of every article that the ledger knows."""
        with closing(sqlite3.connect(self.lab / "attester-ledger.db")) as connection:
            return connection.execute(
                "SELECT record_id, claim_id, line, released_at IS NOT NULL FROM units ORDER BY 2"
            ).fetchall()


@pytest.fixture
def world(shop: Console, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    lab = tmp_path_factory.mktemp("lab")
    party = Party.generate("attester", ATTESTER)
    (lab / "attester.key").write_bytes(party.encode())
    (lab / "attester.key").chmod(0o600)
    trust = {"format_version": 1, "keys": [party.public_entry()]}
    (shop.folder / "trust.json").write_text(json.dumps(trust))
    made = World(shop, lab, Trap(lab / "trap"))
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def write_records(world: World, *rows: dict[str, object]) -> None:
    fresh = world.lab / "fresh.csv"
    fresh.write_text(csv_of(*rows))
    os.replace(fresh, world.lab / "records.csv")


def test_a_line_is_attested_refused_released_and_nothing_of_it_is_left(world: World) -> None:
    first = world.sell("one")
    second = world.sell("two") | {"record_id": "order-two"}
    write_records(world, first)
    url = world.start()
    given = world.good(url, "one", "one.json")
    assert given.attested == ("code", "price")
    assert given.expires_at - given.attested_at == timedelta(days=30)
    again = world.good(url, "one", "again.json")
    assert again == given

    assert world.refused(url, "one", line=2)["reason"] == "price_missing"
    told = world.refused(url, "one", "--reveal", "code,price", line=3)
    assert (told["error"], told["code"], told["reason"]) == (
        "attester_problem", "attestation_refused", "code_differs")  # fmt: skip
    assert world.refused(url, "two")["reason"] == "record_unknown"

    # The file of records changes under the running process: one order, two claims of it.
    write_records(world, first, second | {"record_id": "order-two"})
    world.good(url, "two", "two.json")
    claim, openings = "one.claim", "one.openings"
    for file in (claim, openings):
        (world.console.folder / file).rename(world.console.folder / f"kept.{file}")
    world.sell("one")  # made anew, with commitments of its own
    assert world.refused(url, "one", "--reveal", "code,price")["reason"] == "record_used_up"
    for file in (claim, openings):
        (world.console.folder / f"kept.{file}").rename(world.console.folder / file)
    ledger = ("--ledger", world.lab / "attester-ledger.db")
    done = world.console.verifier("attester", "release", "order-one", "one", "1", *ledger)
    assert (done.code, done.out) == (0, "released  order-one  one line 1\n")
    done = world.console.verifier("attester", "release", "order-one", "one", "1", *ledger)
    assert (done.code, done.out) == (2, "")
    assert "nothing of this record" in done.err
    done = world.console.verifier("attester", "release", "order-two", "two", "1", *ledger, "--json")
    assert json.loads(done.out) == {
        "record_id": "order-two", "claim_id": "two", "line": 1, "released": 1}  # fmt: skip
    fresh = world.good(url, "one", "fresh.json")
    assert fresh.record != given.record
    world.stop()
    assert world.units() == [
        ("order-one", "one", 1, 1), ("order-one", "one", 1, 0), ("order-two", "two", 1, 1)
    ]  # fmt: skip
    search(world)


def search(world: World) -> None:
    """No code and no price in ledger, logs, answers or what the commands said."""
    secret = {text.encode() for text in world.secrets}
    assert len(secret) >= 4
    looked = [path for path in world.lab.iterdir() if path.name not in ("records.csv", "fresh.csv")]
    names = {path.name for path in looked}
    assert {"attester-ledger.db", "stdout-0", "stderr-0"} <= names
    assert b'"route": "/v1/attestations"' in (world.lab / "stderr-0").read_bytes()
    texts = {path.name: path.read_bytes() for path in looked}
    texts |= {path.name: path.read_bytes() for path in world.console.folder.glob("*.json")}
    texts |= {f"said {n}": done.stdout + done.stderr for n, done in enumerate(world.said)}
    for name, data in texts.items():
        assert not [text for text in secret if text in data], name
    # It would be found: the openings have it.
    assert any(text in (world.console.folder / "one.openings").read_bytes() for text in secret)


@pytest.mark.parametrize("place", ["commit before units", "commit after units",
                                   "commit after attestations"])  # fmt: skip
def test_a_kill_between_ledger_and_answer_neither_loses_nor_doubles(
    world: World, place: str
) -> None:
    write_records(world, world.sell("one"))
    url = world.start()
    world.trap.set(place)
    told = world.refused(url, "one", "--reveal", "code,price", "--retries", "0")
    assert told["error"] == "attester_unreachable"
    assert not world.trap.is_set()
    assert world.processes[-1].wait(30) == -signal.SIGKILL
    stored = documents(world)
    assert len(stored) == (0 if place.startswith("commit before") else 1)
    url = world.start()
    given = world.good(url, "one", "one.json")
    assert stored in ([], [encode_signed(given)])
    assert world.good(url, "one", "again.json") == given
    assert world.units() == [("order-one", "one", 1, 0)]
    assert documents(world) == [encode_signed(given)]


def documents(world: World) -> list[bytes]:
    with closing(sqlite3.connect(world.lab / "attester-ledger.db")) as connection:
        return [row[0] for row in connection.execute("SELECT document FROM attestations")]


def test_two_processes_over_one_ledger_give_one_article_once(world: World) -> None:
    order = world.sell("one") | {"record_id": "order", "quantity": 3}
    names = [f"sale-{number}" for number in range(8)]
    for name in names:
        world.sell(name)
    write_records(world, order)
    urls = [world.start(), world.start()]
    identity = Identity.parse((world.console.folder / "key.json").read_bytes())
    requests = [request_of(world, name, identity, "order") for name in names]

    def ask(number: int) -> str:
        with closing(Caller(urls[number % 2], None)) as caller:
            call = Call("POST", "/v1/attestations", body=encode_signed(requests[number // 2]))
            try:
                return caller.content(call).decode()
            except ServiceProblem as problem:
                return str(problem.reason)

    # Each request goes to both processes at once.
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(2 * len(names))))
    assert answers[::2] == answers[1::2]
    given = {answer for answer in answers if answer != "record_used_up"}
    assert len(given) == 3
    assert answers[::2].count("record_used_up") == len(names) - 3
    assert len(world.units()) == 3


def request_of(world: World, name: str, identity: Identity, record_id: str) -> AttestationRequest:

    generators = samples.generators()
    claim = decode_claim((world.console.folder / f"{name}.claim").read_bytes())
    data = (world.console.folder / f"{name}.openings").read_bytes()
    now = datetime.now(UTC)
    reveal = ("code", "price")
    openings = Openings.parse(data, generators)
    return make_request(claim, openings, identity, 1, reveal, ATTESTER, record_id, now, generators)


# -- the optician's command ---------------------------------------------------------------------


def test_the_command_speaks_both_languages_and_warns(world: World) -> None:
    write_records(world, world.sell("one") | {"price_cents": ""})
    url = world.start()
    done = world.attest(url, "one", "one.json", "--lang", "fr", "--reveal", "code,price")
    assert done.code == 0
    assert "attesté : one, ligne 1 : code, par manufacturer-1" in done.out
    assert "personne n'a vérifié de qui est la signature" in done.err
    assert "le prix a été révélé sans être attesté" in done.err
    done = world.attest(url, "one", "code.json", "--trust", "trust.json")
    assert done.code == 0
    assert done.err == ""
    assert "attested: one, line 1: code, by manufacturer-1" in done.out
    done = world.attest(url, "one", "code.json")
    assert done.code == 2
    assert "exists already" in done.err
    assert world.attest(url, "one", "code.json", "--force").code == 0


@pytest.mark.parametrize(
    ("more", "kind", "words"),
    [
        (("--reveal", "price"), "usage", "--reveal"),
        (("--reveal", "code,price,correction"), "usage", "--reveal"),
        (("--line", "9"), "argument", "lines 1 to"),
        (("--record", "no record"), "argument", "record_id"),
        (("--attester", "no name"), "argument", "attester_id"),
        (("--attester-url", "http://example.org"), "argument", "https expected"),
        (("--openings", "other.openings"), "unreadable", "not this claim's"),
        (("--key", "other.key"), "argument", "another optician's"),
        (("--trust", "one.claim"), "unreadable", "trust list"),
        (("--attester-url", "http://127.0.0.1:9", "--retries", "0"), "attester_unreachable", ""),
    ],
)
def test_what_the_command_does_not_send(
    world: World, more: tuple[str, ...], kind: str, words: str
) -> None:
    world.sell("one")
    world.sell("other")
    world.console.optician("keygen", "shop-2", "--out", "other.key", "--public", "other.json")
    told = world.refused("http://127.0.0.1:9", "one", *more)
    assert told["error"] == kind
    assert words in told["detail"]
    assert not [text for text in world.secrets if text in str(told)]


def test_an_answer_that_is_not_what_was_asked_for_is_not_kept(world: World) -> None:
    write_records(world, world.sell("one"))
    url = world.start()
    good = world.good(url, "one", "one.json")
    other = Party.generate("attester", ATTESTER)
    asked = ("--reveal", "code,price", "--trust", "trust.json", "--retries", "0")
    with canned_service.serving() as fake:
        for changes, reason in (
            ({"claim_id": "two"}, "attestation_other_claim"),
            ({"line": 2}, "attestation_other_line"),
            ({"record": "A" * 22}, "signature_invalid"),
            ({"key_id": other.key_id}, "key_unknown"),
        ):
            forged = good.model_copy(update=changes)
            fake.tell(Canned(200, encode_signed(forged)))
            told = world.refused(fake.url, "one", *asked)
            assert told["error"] == "attestation"
            assert told["detail"].startswith(reason)
        for content in (b"", b"{}", b"[]", encode_signed(good) + b"\n", b" " * 5000):
            fake.tell(Canned(200, content))
            assert world.refused(fake.url, "one", *asked)["error"] == "attester_answer"
        fake.tell(Canned(200, encode_signed(good)))
        assert world.good(fake.url, "one", "copy.json") == good
        for seen in fake.seen:
            assert seen.line == "POST /v1/attestations"
            assert "Authorization" not in seen.headers


def test_an_attestation_is_sent_to_the_insurer_who_is_shown_no_code(world: World) -> None:
    write_records(world, world.sell("one"))
    url = world.start()
    (world.console.folder / "token").write_text("a-token-of-the-insurer")
    (world.console.folder / "token").chmod(0o600)
    given = world.good(url, "one", "one.json")
    answer = {
        "claim_id": "one",
        "attestation_digest": signed_digest(given),
        "line": 1,
        "attester_id": ATTESTER,
        "attested": ["code", "price"],
        "recorded_at": "2020-10-06T09:30:00Z",
        "state": "granted",
        "attest_by": None,
        "missing": [],
    }
    missing = {"line": 2, "attesters": [ATTESTER], "slots": ["code"]}
    due = missing | {"due_at": "2020-11-05T09:30:00Z"}
    with canned_service.serving() as insurer:
        for left, words in (([due], "line 2, code"), ([], "nothing more to attest")):
            insurer.tell(Canned.of(answer | {"missing": left}))
            shown = ("--to", insurer.url, "--token-file", "token", "--reveal", "code,price")
            done = world.attest(url, "one", f"told-{len(left)}.json", *shown)
            assert done.code == 0, done.err
            assert "the insurer has taken it" in done.out
            assert words in done.out
        # Who names the insurer's service as the attester's is told which option is wrong.
        insurer.tell(Canned.of(canned.problem("not_found", 404), 404))
        done = world.attest(insurer.url, "one", "none.json", "--lang", "fr")
        assert "aucun tiers attestant ne répond à cette adresse" in done.err
        assert "--attester-url" in done.err
        insurer.seen.clear()
        insurer.tell(Canned.of(answer))
        sent = ("--to", insurer.url, "--token-file", "token")
        assert world.good(url, "one", "sent.json", *sent) == given
        (seen,) = insurer.seen
        assert seen.line == "POST /v1/claims/one/attestations"
        assert seen.body == encode_signed(given)
        assert not [text for text in world.secrets if text.encode() in seen.body]


# -- starting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--records", "csv:none.csv"), "none.csv"),
        (("--records", "sql:postgresql://x:pass-WORD-93@h/b"), "expected"),
        (("--records", "sql:nobase://x:pass-WORD-93@h/b#t"), "no driver"),
        (("--records", "csv:bad.csv"), "line 2: code: not an LPP code"),
        (("--opticians", "none.json"), "none.json"),
        (("--key", "insurer.key"), "not of role attester"),
        (("--ledger", "bad.csv"), "database"),
        (("--valid-days", "0"), "valid-days"),
    ],
)
def test_the_attester_does_not_start_with_what_it_cannot_use(
    shop: Console, more: tuple[str, ...], words: str
) -> None:
    write = shop.folder
    for role in ("attester", "insurer"):
        made = Party.generate(role, "party-1")
        (write / f"{role}.key").write_bytes(made.encode())
        (write / f"{role}.key").chmod(0o600)
    (write / "good.csv").write_text("record_id,optician_id,code\n")
    (write / "bad.csv").write_text("record_id,optician_id,code\nR-1,shop-1,7654321\n")
    done = shop.verifier(
        *("attester", "serve", "--key", "attester.key", "--opticians", "keys.json"),
        *("--records", "csv:good.csv", "--port", "0", *more),
    )
    assert done.code == 2
    assert words in done.err
    assert not [text for text in ("pass-WORD-93", "7654321") if text in done.err]


def test_a_database_that_is_not_there_at_the_start_is_told(world: World) -> None:
    world.start("sql:sqlite:///none.db#orders")
    (told,) = (world.lab / "stderr-0").read_text().splitlines()
    assert json.loads(told)["event"] == "not usable"
    assert json.loads(told)["detail"] == "the records cannot be asked now"


# -- records of a PostgreSQL --------------------------------------------------------------------


def test_records_of_a_postgresql_are_read_and_never_written(cluster: Cluster) -> None:
    name = cluster.fresh_database()
    code = 7_233_865
    admin = sqlalchemy.create_engine(
        cluster.url(name).replace("postgresql://", "postgresql+psycopg://")
    )
    with admin.begin() as connection:
        for statement in (
            "CREATE SCHEMA lab",
            "CREATE TABLE lab.orders (record_id text, optician_id text, code numeric(7),"
            " price_cents numeric(9, 0), quantity smallint)",
            f"INSERT INTO lab.orders VALUES ('R-1', 'shop-1', {code}, 21950, NULL)",
            "CREATE FUNCTION lab.noisy(text) RETURNS text VOLATILE LANGUAGE sql AS"
            " 'INSERT INTO lab.orders VALUES ($1, $1, 1, 1, 1) RETURNING record_id'",
            "CREATE VIEW lab.writing AS SELECT lab.noisy('x') AS record_id, optician_id, code,"
            " price_cents, quantity FROM lab.orders",
        ):
            connection.execute(sqlalchemy.text(statement))
    source = SqlRecords(cluster.url(name), "lab.orders")
    assert source.find("R-1") == Record("R-1", "shop-1", code, 21950, 1)
    assert source.find("R-1' OR '1'='1") is None
    writing = SqlRecords(cluster.url(name), "lab.writing")
    with pytest.raises(SourceError):
        writing.find("x")
    with admin.begin() as connection:
        count = connection.execute(sqlalchemy.text("SELECT count(*) FROM lab.orders"))
        assert count.scalar_one() == 1
        # The same view does write for whoever may.
        connection.execute(sqlalchemy.text("SELECT * FROM lab.writing WHERE record_id = 'x'"))
        count = connection.execute(sqlalchemy.text("SELECT count(*) FROM lab.orders"))
        assert count.scalar_one() == 2
    for opened in (source, writing):
        opened.close()
    admin.dispose()
